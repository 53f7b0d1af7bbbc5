//! Which tree has checked changes.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Tells the trees of a program apart, and a tree from itself before an Object was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(usize);

impl Stamp {
    /// One that no other tree has.
    pub(super) fn fresh() -> Self {
        static LAST: AtomicUsize = AtomicUsize::new(0);

        #[cfg(target_has_atomic = "ptr")]
        let last = LAST.fetch_add(1, Ordering::Relaxed);
        // A core without compare-and-swap runs one thread.
        #[cfg(not(target_has_atomic = "ptr"))]
        let last = {
            let last = LAST.load(Ordering::Relaxed);
            LAST.store(last.wrapping_add(1), Ordering::Relaxed);
            last
        };
        Self(last)
    }
}
