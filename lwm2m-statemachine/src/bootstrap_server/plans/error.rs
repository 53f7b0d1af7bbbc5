//! Why there is no ready plan for what was said.

use lwm2m_core::{ObjectId, ResourceId, ServerUriError, ShortServerId};
use lwm2m_objects::{
    WriteError,
    typed::{AclTarget, SecurityMode},
};
use thiserror::Error;

/// Why there is no plan for what was said.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There is no LwM2M Server Account (TS 5.2.2).
    #[error("there is no account of a server")]
    NoAccount,
    /// The Security and the Server Object Instance of an account have not the same Short Server ID,
    /// or the Security Object Instance is of a Bootstrap-Server.
    #[error("the account of server {0} is not consistent")]
    Account(ShortServerId),
    /// The new account of the Bootstrap-Server is that of another server.
    #[error("the account of the bootstrap-server is not one")]
    BootstrapAccount,
    /// The URI of a server is none (TS E.1).
    #[error("LwM2M Server URI: {0}")]
    Uri(#[from] ServerUriError),
    /// The scheme of the URI doesn't fit the security mode: `coap` has none, `coaps` needs one (TS
    /// 7.1).
    #[error("LwM2M Server URI: the scheme does not fit the security mode {0:?}")]
    Scheme(SecurityMode),
    /// The security mode needs this Resource of the Security Object, which is empty (TS 7.1.7 to
    /// 7.1.11).
    #[error("the security mode needs a value of /0/x/{0}")]
    MissingKey(ResourceId),
    /// The binding of this server has SMS, and its account has no number to reach it at (TS E.1,
    /// Resource 9).
    #[error("the binding of server {0} has SMS, and there is no number of the server")]
    NoNumber(ShortServerId),
    /// Two servers would have the same Short Server ID (TS 5.2.2).
    #[error("there are two servers {0}")]
    TwoServers(ShortServerId),
    /// There would be several servers without an Access Control Object Instance (TS 7.3.1.3).
    #[error("several servers need access control")]
    NoAccessControl,
    /// Access control names a server that has no account, as owner or with rights (TS 7.3.1.2.2).
    #[error("access control on {target:?} names {server}, which is no server")]
    UnknownServer {
        /// What the Access Control Object Instance is about.
        target: AclTarget,
        /// The number that it names.
        server: u16,
    },
    /// Access control on an Object belongs to a server, and not to the Bootstrap interface (TS
    /// 7.3.1.2.1).
    #[error("access control on Object {0} belongs to the Bootstrap interface alone")]
    Owner(ObjectId),
    /// Two Access Control Object Instances would be about the same Object or Object Instance, or one
    /// about Object 0 or 2, on which there is none.
    #[error("access control on {0:?} is there twice, or on what has none")]
    Target(AclTarget),
    /// What a Discover found isn't the whole configuration: it has no Bootstrap-Server account, or
    /// more than one.
    #[error("the account of the bootstrap-server was not found")]
    NotFound,
    /// What a Discover found isn't the whole configuration: this server has a Security Object Instance
    /// and no Server Object Instance with its Short Server ID (TS 5.2.2).
    #[error(
        "server {0} has a Security Object Instance, and its Server Object Instance was not found"
    )]
    HalfFound(ShortServerId),
    /// There are more Instances than an Object can have.
    #[error("there are too many Object Instances")]
    TooMany,
    /// The key material isn't used by this security mode.
    #[error("the security mode has no keys")]
    NoKeys,
    /// A value doesn't fit its definition.
    #[error("{0}")]
    Value(#[from] WriteError),
}
