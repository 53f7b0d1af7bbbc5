//! What every fuzz target checks, as plain functions of bytes: they return if all is well and
//! panic if not, so that the fuzzer, the replay of the seeds and a test of a crash call the same.
//!
//! The rule of all of them: nothing that arrives makes a decoder panic, and what it accepts
//! encodes again to something that it decodes to the same.

mod paths;

pub use self::paths::paths;

/// A check by the name of its target.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; the seeds of each are in `seeds/<name>`.
pub const TARGETS: &[Target] = &[("paths", paths)];
