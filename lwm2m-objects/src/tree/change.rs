//! One change to the Objects of a Client.

use core::fmt;

use lwm2m_core::{ObjectId, Path, ResourceId, Value};

/// One change of the tree. A transaction is a list of changes.
///
/// [`Debug`](fmt::Debug) shows neither values of the Security Object nor credentials of Software
/// Management.
///
/// Every Object must apply each kind of change, so an addition is a breaking change.
#[derive(Clone, PartialEq)]
pub enum Change {
    /// Sets the value of a Resource or a Resource Instance.
    Set {
        /// The Resource, or the Resource Instance.
        path: Path,
        /// The value, of the data type in the definition.
        value: Value,
    },
    /// Removes all Resource Instances of a multiple Resource, which stays or is added.
    Clear {
        /// The Resource.
        path: Path,
    },
    /// Removes a Resource.
    Remove {
        /// The Resource.
        path: Path,
    },
    /// Creates an Object Instance. Its values follow.
    Create {
        /// The Object Instance.
        path: Path,
    },
    /// Deletes an Object Instance with all its Resources.
    Delete {
        /// The Object Instance.
        path: Path,
    },
}

impl Change {
    /// The path of what changes: an Object Instance, a Resource, or a Resource Instance.
    pub const fn path(&self) -> Path {
        match self {
            Self::Set { path, .. }
            | Self::Clear { path }
            | Self::Remove { path }
            | Self::Create { path }
            | Self::Delete { path } => *path,
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        match self {
            Self::Set { .. } if is_secret(path) => write!(f, "Set({path}, ..)"),
            Self::Set { value, .. } => write!(f, "Set({path}, {value})"),
            Self::Clear { .. } => write!(f, "Clear({path})"),
            Self::Remove { .. } => write!(f, "Remove({path})"),
            Self::Create { .. } => write!(f, "Create({path})"),
            Self::Delete { .. } => write!(f, "Delete({path})"),
        }
    }
}

/// Whether the value may be a key, a user name or a password.
fn is_secret(path: Path) -> bool {
    match path.object() {
        Some(ObjectId::SECURITY) => true,
        Some(ObjectId::SOFTWARE_MANAGEMENT) => {
            matches!(path.resource().map(ResourceId::get), Some(14 | 15))
        }
        _ => false,
    }
}
