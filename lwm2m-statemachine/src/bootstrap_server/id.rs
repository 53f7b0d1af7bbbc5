//! The handle that an application has for a bootstrap.

use core::fmt;

/// The handle of a bootstrap, from the Bootstrap-Request of a client, or from the call that begins
/// one without a request, to its end. It is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootstrapId {
    /// Which of all bootstraps.
    pub(super) serial: u32,
    /// Where it is kept.
    pub(super) index: u32,
}

impl BootstrapId {
    pub(super) const fn place(self) -> usize {
        self.index as usize
    }
}

impl fmt::Display for BootstrapId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serial.fmt(f)
    }
}
