//! What is inconsistent in a configuration.

use core::fmt;

use lwm2m_core::{Path, ServerUriError, ShortServerId};
use thiserror::Error;

use crate::tree::WriteError;

/// Why a configuration isn't consistent (TS 5.2.6): the answer to the Finish is 4.06.
///
/// It names paths and Short Server IDs, and never a key.
///
/// ```
/// use lwm2m_objects::{bootstrap::{self, Expected}, example};
///
/// let mut tree = example::client();
/// tree.set("/0/1/5".parse()?, &b""[..])?;
/// let found = bootstrap::check(&tree, |_| true).unwrap_err();
/// assert_eq!((found.path, found.expected), ("/0/1/5".parse()?, Expected::Key));
/// assert_eq!(found.to_string(), "/0/1/5: expected octets, which the Security Mode needs");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{path}: expected {expected}")]
#[non_exhaustive]
pub struct Inconsistency {
    /// Where.
    pub path: Path,
    /// What is expected there.
    pub expected: Expected,
}

/// What a consistent configuration has.
///
/// It may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// At least one LwM2M Server Account (TS 5.2.2).
    ServerAccount,
    /// No other Bootstrap-Server Account than one (TS 5.2.2).
    OneBootstrapServer,
    /// The mandatory Resource (TS D.1).
    Mandatory,
    /// A Short Server ID of 1 to 65534 (TS E.1, Resource 10).
    ShortServerId,
    /// Another Short Server ID than this one, which an Object Instance before it has (TS 5.2.2).
    AnotherId(ShortServerId),
    /// A Server Object Instance with this Short Server ID (TS 5.2.2).
    ServerInstance(ShortServerId),
    /// A Security Object Instance of a LwM2M Server with this Short Server ID (TS 5.2.2).
    SecurityInstance(ShortServerId),
    /// A Security Mode of 0 to 4 (TS E.1, Resource 2).
    SecurityMode,
    /// A key or an identity, which the Security Mode needs (TS 7.1.7 to 7.1.11).
    Key,
    /// The URI of a server (TS E.1, Resource 0).
    ServerUri(ServerUriError),
    /// A `coaps` URI, or `coap` in NoSec mode (TS 7.1).
    SchemeOfMode,
    /// A lifetime of 1 to 4,294,967,295 seconds (TS E.2, Resource 1).
    Lifetime,
    /// A binding that the Client supports (TS E.2, Resource 7).
    SupportedBinding,
    /// The number of the server, as the binding has SMS (TS E.1, Resource 9).
    SmsNumber,
    /// A `coap` or `coaps` URI, as the binding is without SMS (TS E.1, Resource 0; E.2, Resource 7).
    UriOfBinding,
    /// Access Control Object Instances, as there are several servers (TS 7.3.1.3).
    AccessControl,
    /// Another target, as another Access Control Object Instance is about this one (TS 7.3.1).
    AnotherTarget,
    /// The owner 65535: the rights on Objects are the Bootstrap interface's (TS 7.3.1.2.1).
    NoOwner,
    /// An owner that is a server of the Client, or 65535 (TS E.3, Resource 3).
    Owner,
    /// An entry of a server of the Client, or the default entry 0 (TS E.3, Resource 2).
    AclEntry,
    /// Something that takes the changes of the Finish, such as those of
    /// [`Unbootstrapped::restored`](super::Unbootstrapped::restored).
    Change(WriteError),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerAccount => f.write_str("a LwM2M Server Account"),
            Self::OneBootstrapServer => f.write_str("at most one Bootstrap-Server Account"),
            Self::Mandatory => f.write_str("the mandatory Resource"),
            Self::ShortServerId => f.write_str("a Short Server ID of 1 to 65534"),
            Self::AnotherId(id) => write!(f, "another Short Server ID than {id}, which is taken"),
            Self::ServerInstance(id) => {
                write!(f, "a Server Object Instance with Short Server ID {id}")
            }
            Self::SecurityInstance(id) => {
                write!(f, "a Security Object Instance with Short Server ID {id}")
            }
            Self::SecurityMode => f.write_str("a Security Mode of 0 to 4"),
            Self::Key => f.write_str("octets, which the Security Mode needs"),
            Self::ServerUri(error) => write!(f, "the URI of a server: {error}"),
            Self::SchemeOfMode => {
                f.write_str("coaps, or coap in NoSec mode: the scheme that fits the Security Mode")
            }
            Self::Lifetime => f.write_str("a lifetime of 1 to 4294967295 seconds"),
            Self::SupportedBinding => f.write_str("a binding that the Client supports"),
            Self::SmsNumber => f.write_str("the number of the server, as the binding has SMS"),
            Self::UriOfBinding => f.write_str("coap or coaps, as the binding is without SMS"),
            Self::AccessControl => {
                f.write_str("Access Control Object Instances, as there are several servers")
            }
            Self::AnotherTarget => f.write_str("rights on something that has none yet"),
            Self::NoOwner => f.write_str("the owner 65535, as it is about an Object"),
            Self::Owner => f.write_str("an owner that is a server of the Client, or 65535"),
            Self::AclEntry => f.write_str("the Short Server ID of a server of the Client, or 0"),
            Self::Change(error) => write!(f, "something that takes a change: {error}"),
        }
    }
}

impl From<WriteError> for Inconsistency {
    fn from(error: WriteError) -> Self {
        Self::at(error.path(), Expected::Change(error))
    }
}

impl Inconsistency {
    pub(super) const fn at(path: Path, expected: Expected) -> Self {
        Self { path, expected }
    }
}
