//! Data that is saved across a restart: plain data with a format version and a check sum.

mod check_sum;
#[cfg(feature = "serde")]
pub(crate) mod sealed;
pub(crate) mod snapshot;
