//! CoRE Link Format (RFC 6690) and the documents that OMA Lightweight M2M makes of it.

#![no_std]
