//! What a payload is about and what it is part of.

use core::fmt;

use crate::{ObjectId, Path};

/// The scope of a payload: the path of its request and its [`Purpose`].
///
/// The bytes alone say neither what they are about nor what they may say. So decoders and encoders
/// are given the same scope.
///
/// ```
/// use lwm2m_core::{ObjectId, Path, codec::{Purpose, Scope}};
///
/// let scope = Scope::create(ObjectId::SERVER);
/// assert_eq!(scope.base(), Path::Object(ObjectId::SERVER));
/// assert_eq!(scope.purpose(), Purpose::Create);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    base: Path,
    purpose: Purpose,
}

/// What a payload is part of. It decides what the payload may say beside values.
///
/// Later versions have requests of other kinds, so this may grow. A format refuses a purpose that it
/// doesn't know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Purpose {
    /// New values: Write, Bootstrap-Write (TS 5.4.3, 5.2.7.4). All of them are at or below the path
    /// of the request, and have no times.
    Write,
    /// A new Object Instance: Create (TS 5.4.6). As in a Write, but the payload may leave the
    /// identifier of the Object Instance to the receiver.
    Create,
    /// Present or past values: the answer to a Read or Observe, or a notification (TS 5.4.1, 5.5). It
    /// may hold Object Instances that are linked from the path of the request, and values over time
    /// (TS 6.4.4), and it may be empty.
    Answer,
    /// A list of paths without values ([`Event::Path`](crate::codec::Event::Path)), such as the
    /// request of a Read-Composite (LwM2M 1.1).
    Paths,
}

impl Scope {
    /// A Write or Bootstrap-Write on this path.
    pub const fn write(path: Path) -> Self {
        Self {
            base: path,
            purpose: Purpose::Write,
        }
    }

    /// A Create on this Object.
    pub const fn create(object: ObjectId) -> Self {
        Self {
            base: Path::Object(object),
            purpose: Purpose::Create,
        }
    }

    /// An answer or notification about this path.
    pub const fn answer(path: Path) -> Self {
        Self {
            base: path,
            purpose: Purpose::Answer,
        }
    }

    /// A list of paths, of all Objects.
    pub const fn paths() -> Self {
        Self {
            base: Path::Root,
            purpose: Purpose::Paths,
        }
    }

    /// The path of the request.
    #[inline]
    pub const fn base(&self) -> Path {
        self.base
    }

    /// What the payload is part of.
    #[inline]
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Write => "a Write",
            Self::Create => "a Create",
            Self::Answer => "an answer",
            Self::Paths => "a list of paths",
        })
    }
}
