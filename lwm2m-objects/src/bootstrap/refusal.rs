//! Why a command is refused.

use lwm2m_core::Path;
use thiserror::Error;

use crate::tree::WriteError;

/// Why a command is refused. The response codes are those of the Bootstrap interface (TS Table 27).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The command can't have such a target (4.00).
    #[error("{0} cannot be the target of this command")]
    Target(Path),
    /// The target is not there (4.00; of a Discover, 4.04).
    #[error("{0} is not there")]
    NotFound(Path),
    /// The single instance of a mandatory Object, or the only account of the Bootstrap-Server, or the former one (4.00).
    #[error("{0} cannot be deleted")]
    Stays(Path),
    /// The changes don't fit an Object (4.00).
    #[error("{0}")]
    Changes(#[from] WriteError),
}
