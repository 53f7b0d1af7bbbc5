//! Which scopes have payloads in this format.

use lwm2m_core::codec::{Purpose, Scope};

/// Whether there are payloads of this scope: of every path, but no lists of paths.
pub(crate) const fn carries(scope: Scope) -> bool {
    matches!(
        scope.purpose(),
        Purpose::Write | Purpose::Create | Purpose::Answer
    )
}
