//! Block-wise transfers (RFC 7959), both roles, both directions: the flows of the RFC and each
//! rule.

mod described;
mod exact;
mod figures;
mod hostile;
mod notifying;
mod parallel;
mod readers;
mod receiving;
mod replacing;
mod requesting;
mod sections;
mod serving;
mod sms;
mod sources;
mod starving_requests;
mod starving_responses;
mod starving_serving;
mod support;
mod watching;
