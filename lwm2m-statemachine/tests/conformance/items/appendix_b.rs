//! The items of TS Appendix B.1. Where a test of the test specification shows the usual way, these show
//! what else the section of the TS asks for.

pub(crate) mod bootstrap;
pub(crate) mod formats;
pub(crate) mod management;
pub(crate) mod mechanisms;
pub(crate) mod notification;
pub(crate) mod objects;
pub(crate) mod registration;
pub(crate) mod reporting;
pub(crate) mod smartcard;
