//! What the application tells of connections (TS 7.1.2, 8.2.4, 8.3).

use thiserror::Error;

use super::event::AccountId;

/// What a connection that is up continues.
///
/// There are only these two, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Session {
    /// Nothing: a new DTLS session, or without security another local address than before. The Client
    /// registers (TS 8.2.4).
    New,
    /// The connection before: a DTLS session that was resumed, or without security the same local
    /// address as before. A registration whose lifetime isn't over goes on with an Update (TS 8.3);
    /// without one the Client registers.
    Resumed,
}

/// A connection that was begun by the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Inbound<'n> {
    /// The Bootstrap-Server of this account has proved itself with the keys of the account
    /// (TS 5.2.3.4, 7.1.6).
    Account(AccountId),
    /// Short messages have come from a number (TS 8.4).
    Sms {
        /// The sender's MSISDN, with or without a leading `+`.
        number: &'n str,
    },
}

/// Why the Client doesn't take a connection that was begun by the other side. Answer nothing on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum InboundRefusal {
    /// There is no such account, or no account whose server has this number (TS E.1, Resource 9).
    #[error("no account belongs to it")]
    Unknown,
    /// The account isn't that of a Bootstrap-Server. The Client itself connects to the others.
    #[error("the account is not that of a Bootstrap-Server")]
    NotBootstrapServer,
    /// The Client isn't started, is offline, or has no registration with this server that says that it
    /// can be reached this way (TS 5.3.1.1). Or a bootstrap without security is under way, or was rolled back less than
    /// EXCHANGE_LIFETIME ago, so that the rest of it may still arrive.
    #[error("requests of this server aren't served now")]
    NotServed,
}
