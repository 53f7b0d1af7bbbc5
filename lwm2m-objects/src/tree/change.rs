//! One change to what a Client holds.

use core::fmt;

use lwm2m_core::{ObjectId, Path, ResourceId, Value};

/// One change of the tree; a transaction is a list of them.
///
/// [`Debug`](fmt::Debug) does not show the values of the Security Object, nor the credentials of
/// Software Management.
///
/// Every Object must apply each of them, so it grows only where the compiler tells of it.
#[derive(Clone, PartialEq)]
pub enum Change {
    /// A Resource or a Resource Instance gets a value.
    Set {
        /// The Resource, or the Resource Instance.
        path: Path,
        /// The value; its data type is that of the definition.
        value: Value,
    },
    /// A multiple Resource has no Resource Instances any more, but is there.
    Clear {
        /// The Resource.
        path: Path,
    },
    /// A Resource is not there any more.
    Remove {
        /// The Resource.
        path: Path,
    },
    /// An Object Instance comes to be. The values follow.
    Create {
        /// The Object Instance.
        path: Path,
    },
    /// An Object Instance goes, with all its Resources.
    Delete {
        /// The Object Instance.
        path: Path,
    },
}

impl Change {
    /// What changes: an Object Instance, a Resource, or a Resource Instance.
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

/// Keys, user names and passwords.
fn is_secret(path: Path) -> bool {
    match path.object() {
        Some(ObjectId::SECURITY) => true,
        Some(ObjectId::SOFTWARE_MANAGEMENT) => {
            matches!(path.resource().map(ResourceId::get), Some(14 | 15))
        }
        _ => false,
    }
}
