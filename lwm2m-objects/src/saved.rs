//! What survives a restart: plain data with the version of its form and a check sum.

#[cfg(feature = "serde")]
pub(crate) mod sealed;
pub(crate) mod snapshot;
mod sum;
