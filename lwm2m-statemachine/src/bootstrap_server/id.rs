//! The handle that an application has for a bootstrap.

use core::fmt;

/// The handle of a bootstrap, from the Bootstrap-Request of a client, or from the call that begins
/// one without a request, to its end. It is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootstrapId(pub(super) u64);

impl fmt::Display for BootstrapId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
