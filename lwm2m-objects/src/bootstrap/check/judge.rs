//! What is held against a configuration.

use crate::bootstrap::inconsistency::Inconsistency;

/// Whether a part is consistent.
pub(super) type Checked = Result<(), Inconsistency>;

/// Passes over what isn't held against the configuration.
pub(super) type Judge<'j> = dyn FnMut(Checked) -> Checked + 'j;
