//! The events of a Client.

mod account;
mod bootstrap;
mod failure;

use alloc::{collections::VecDeque, string::String, vec::Vec};
use core::fmt;

use lwm2m_core::{Code, InstanceId, Instant, Operation, Path, ShortServerId, Transport};
use lwm2m_objects::{Change, FetchFailure, SnapshotError, bootstrap::Inconsistency, typed};
use thiserror::Error;

pub use self::{
    account::AccountId,
    bootstrap::{BootstrapFailure, BootstrapInitiator, BootstrapRefusal, BootstrapState},
    failure::FailureKind,
};
use crate::coap::{FailureReason, SendError, Token};

/// Whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccountRole {
    /// A LwM2M Server's (TS 3.2).
    Server(ShortServerId),
    /// The Bootstrap-Server's.
    BootstrapServer,
    /// Not known: its Security Object Instance has no valid Short Server ID.
    Unknown,
}

/// Where the registration of an account is (TS 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RegistrationState {
    /// There is none to be had: the account has no Server Object Instance, one of its Instances can't be
    /// used, or it is a Bootstrap-Server's. It rests until the tree changes.
    Resting,
    /// The application wants none: before [`start`](super::Client::start) and after
    /// [`deregister`](super::Client::deregister).
    Stopped,
    /// On its way: a connection or the answer to the Register is missing, or the next attempt is waited
    /// for.
    Registering,
    /// It stands, with or without a connection.
    Registered,
    /// The De-register is under way, or waits.
    Deregistering,
    /// The server has been left and is disabled (TS E.2, Resource 4). The Client registers when the time is over.
    Disabled,
}

/// Whether the Client is awake for a server in Queue Mode (TS 8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueueState {
    /// The server may send requests.
    Awake,
    /// The server queues its requests. The first message to it is an Update.
    Asleep,
}

/// What the Client knows of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountStatus {
    /// Which one.
    pub id: AccountId,
    /// Whose it is.
    pub role: AccountRole,
    /// The Server Object Instance of a server's account, if both Instances can be used.
    pub server_instance: Option<InstanceId>,
    /// Where its registration is.
    pub state: RegistrationState,
    /// Its connection, if there is one or one is asked for.
    pub connection: Option<ConnectionId>,
    /// Whether the Client is awake for its server, if the registration is in Queue Mode (TS 8.3).
    pub queue_mode: Option<QueueState>,
}

/// An observation of a server (TS 5.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservationStatus {
    /// The account of the server.
    pub account: AccountId,
    /// An Object, an Object Instance or a Resource.
    pub path: Path,
    /// The token of the request. With the account it identifies the observation.
    pub token: Token,
}

/// What is stored for a server (TS E.2, Resource 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredNotifications {
    /// How many notifications wait to be sent.
    pub waiting: usize,
    /// How many had to go since there was last nothing stored: for newer ones, because the server may no longer
    /// read all that they have, or because it did not fetch them whole.
    pub dropped: u64,
}

/// The Client's name for a connection to a server. It gives out a new one with every
/// [`ClientEvent::Connect`].
///
/// Pass in each datagram with the name of the connection on which it arrived. If that connection is
/// closed, drop the datagram, or pass it in with the old name. A transport without security that
/// uses one socket for several connections can't recognise a late datagram from an old one; the
/// Client recognises such a request if both connections are to the same URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(super) u32);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// The events that wait for the application.
pub(super) type Events = VecDeque<ClientEvent>;

/// The Client's name for a deferred request. It gives out a new one with every
/// [`ClientEvent::ExecuteAsked`], [`ClientEvent::ReadAsked`] and [`ClientEvent::ChangeAsked`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeferredId(pub(super) u64);

impl fmt::Display for DeferredId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deferred request {}", self.0)
    }
}

/// An event that the application must know of or act on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// Make a connection to a server: a socket, a DTLS session, a way to send and receive short messages.
    /// Answer with [`connected`](super::Client::connected) or
    /// [`disconnected`](super::Client::disconnected). Each account has a connection of its own, also where
    /// several have the same URI (TS 5.2.5). When the binding changes from one transport to another, it
    /// has two for a while: the old one ends when the new one is up.
    Connect {
        /// The name of the new connection.
        connection: ConnectionId,
        /// The account.
        account: AccountId,
        /// What it is made over, as the binding of the account says (TS 5.3.1.1): UDP, to the URI, or
        /// SMS, to the number of the server ([`typed::SmsSecurity::server_number`]), which is there then. A
        /// device that can't send short messages answers with
        /// [`disconnected`](super::Client::disconnected), and is asked again later.
        transport: Transport,
        /// The URI of its server (Security Object, Resource 0); [`ServerUri`](lwm2m_core::ServerUri) parses
        /// it.
        uri: String,
        /// How to secure the channel.
        security: typed::Security,
    },
    /// Make a connection to the server that a download comes from, which needs no account. Answer with
    /// [`connected`](super::Client::connected) or [`disconnected`](super::Client::disconnected); if
    /// there is no such host, with [`give_up`](super::RunningDownloads::give_up).
    ConnectForDownload {
        /// The name of the new connection.
        connection: ConnectionId,
        /// The Resource with the URI, such as `/5/0/1`.
        path: Path,
        /// The URI; [`ServerUri::split`](lwm2m_core::ServerUri::split) has its host and port.
        uri: String,
        /// The account whose keys secure the channel (TS 7.1.4): that of a server at the same host.
        /// Nothing for `coap`, and for `coaps` if there is none; then the application may have keys
        /// of its own.
        security: Option<typed::Security>,
    },
    /// The first block of what an Object needs has arrived, or of another body in its place.
    DownloadStarted {
        /// The Resource with the URI.
        path: Path,
        /// The size in bytes that the server has announced.
        announced: Option<u32>,
    },
    /// A download has come to a halt: the server didn't answer or couldn't, or the connection was
    /// lost. It will go on where it was.
    DownloadInterrupted {
        /// The Resource with the URI.
        path: Path,
        /// The bytes that have arrived.
        received: u64,
        /// When the Client tries again.
        retry: Instant,
    },
    /// A download is over.
    DownloadEnded {
        /// The Resource with the URI.
        path: Path,
        /// How it ended.
        outcome: DownloadOutcome,
    },
    /// The connection is no longer needed. Send what is queued, then close it.
    Disconnect {
        /// The connection.
        connection: ConnectionId,
    },
    /// The server has accepted the registration (TS 5.3.1).
    Registered {
        /// The account of the server.
        account: AccountId,
        /// Where the registration is, a path such as `/rd/5a3f`.
        location: String,
    },
    /// A Register or an Update failed: it was refused or not answered, or its connection was lost. Or
    /// the lifetime is over. Whether the registration still stands,
    /// [`is_registered`](super::Client::is_registered) tells.
    RegistrationFailed {
        /// The account of the server.
        account: AccountId,
        /// The reason.
        reason: RegistrationFailure,
        /// When the Client tries again; `None` means not by itself.
        retry: Option<Instant>,
    },
    /// The server has accepted an Update (TS 5.3.2).
    Updated {
        /// The account of the server.
        account: AccountId,
    },
    /// The server has accepted a De-register (TS 5.3.3). Or there was none to send, as another account at this
    /// server has got a registration at the same location, which took the place of this one (TS 5.3.1).
    Deregistered {
        /// The account of the server.
        account: AccountId,
    },
    /// The server did not accept the De-register. The Client has left, but the server keeps the
    /// registration until its lifetime ends.
    DeregisterFailed {
        /// The account of the server.
        account: AccountId,
        /// The reason.
        reason: RegistrationFailure,
    },
    /// A server is disabled (TS E.2, Resource 4): it or another server has executed that, the Client has left it,
    /// and sends it nothing and answers nothing of it until then. Neither [`start`](super::Client::start) nor
    /// [`deregister`](super::Client::deregister) ends that; a change of the account does, and a Factory Reset.
    /// [`disabled_for`](super::Client::disabled_for) tells what to save for a restart.
    Disabled {
        /// The account of the server.
        account: AccountId,
        /// When the Client registers again, if it is started then.
        until: Instant,
    },
    /// A server has written (TS 5.4.3); the tree has the new values.
    Written {
        /// The account of the server.
        account: AccountId,
        /// What was written, in the order of the payload, including values that are the same as
        /// before.
        changes: Vec<Change>,
    },
    /// A server has created Object Instances (TS 5.4.6).
    Created {
        /// The account of the server, which owns them.
        account: AccountId,
        /// The new Object Instances, without those of the Access Control Object about them.
        instances: Vec<Path>,
    },
    /// A server has deleted an Object Instance (TS 5.4.7).
    Deleted {
        /// The account.
        account: AccountId,
        /// The Object Instance.
        path: Path,
    },
    /// A server has set or unset attributes (TS 5.4.4). [`ReportingStatus::attributes`](super::ReportingStatus::attributes)
    /// tells what it has set in all.
    AttributesWritten {
        /// The account of the server.
        account: AccountId,
        /// An Object, an Object Instance or a Resource.
        path: Path,
    },
    /// A server has executed a Resource (TS 5.4.5) that its Object leaves to the application: one
    /// of a [`Store`](lwm2m_objects::Store), an Update that was answered
    /// [`Later`](lwm2m_objects::Answer::Later), or one of any other Object that does so. The
    /// answer is queued. After Reboot and Factory Reset (TS E.4) the Client goes on by itself, and
    /// [`Reboot`](Self::Reboot) or [`FactoryReset`](Self::FactoryReset) follows. Disable and Registration Update
    /// Trigger (TS E.2, Resources 4 and 8) are no such events: the Client leaves the server
    /// ([`Disabled`](Self::Disabled)), or sends the Update.
    Execute {
        /// The account of the server.
        account: AccountId,
        /// The Resource.
        path: Path,
        /// The arguments, as received; [`Arguments`](lwm2m_core::Arguments) parses them.
        arguments: String,
    },
    /// Reboot the device now (TS E.4, Resource 4). A server has executed it, the application has
    /// agreed if it is [asked](super::DeferredRequests::defer), everything has been sent, and the connections
    /// have ended. The servers keep the registrations; [`start`](super::Client::start), of this Client
    /// or of a new one, registers anew.
    Reboot,
    /// The device is as it left the factory (TS E.4, Resource 5). A server has executed it, the
    /// application has agreed if it is [asked](super::DeferredRequests::defer), and the Client has de-registered.
    /// What the Objects don't keep themselves is still to be erased. The Client has started again with
    /// the accounts that are left.
    FactoryReset {
        /// Whether the [state of the factory](lwm2m_objects::ObjectTree::leave_factory) was restored, if
        /// there is one.
        restored: Result<(), SnapshotError>,
    },
    /// A server asks to execute a Resource (TS 5.4.5) that the application has
    /// [deferred](super::DeferredRequests::defer). The Client has made all its checks, executed nothing and
    /// answered nothing. Answer with [`answer_execute`](super::DeferredRequests::answer_execute).
    ExecuteAsked {
        /// The request to answer.
        request: DeferredId,
        /// The account of the server.
        account: AccountId,
        /// The Resource.
        path: Path,
        /// The arguments, as received; [`Arguments`](lwm2m_core::Arguments) parses them.
        arguments: String,
    },
    /// A server reads or observes something (TS 5.4.1, 5.5.1) that the application has
    /// [deferred](super::DeferredRequests::defer). When the tree has the value, answer with
    /// [`answer_read`](super::DeferredRequests::answer_read).
    ReadAsked {
        /// The request to answer.
        request: DeferredId,
        /// The account of the server.
        account: AccountId,
        /// An Object, an Object Instance or a Resource.
        path: Path,
    },
    /// A server asks for a Write, a Create or a Delete (TS 5.4.3, 5.4.6, 5.4.7) that the application has
    /// [deferred](super::DeferredRequests::defer). The payload is in order, and nothing has changed. Answer with
    /// [`answer_change`](super::DeferredRequests::answer_change).
    ChangeAsked {
        /// The request to answer.
        request: DeferredId,
        /// The account of the server.
        account: AccountId,
        /// Write, Create or Delete.
        operation: Operation,
        /// What it is on: an Object for a Create, else an Object Instance or a Resource.
        path: Path,
        /// What would change now, with what follows from it in access control.
        changes: Vec<Change>,
    },
    /// A deferred request has ended without an answer from the application.
    DeferredEnded {
        /// The request.
        request: DeferredId,
        /// The reason.
        reason: DeferredEnd,
    },
    /// A server has begun an observation (TS 5.5.1).
    Observed {
        /// The account of the server.
        account: AccountId,
        /// An Object, an Object Instance or a Resource.
        path: Path,
    },
    /// An observation has ended: it was cancelled, or its target is gone.
    ObservationEnded {
        /// The account of the server.
        account: AccountId,
        /// What was observed.
        path: Path,
    },
    /// Some of what was stored had to go. More notifications became due while the Client was offline than it
    /// may store; the server may no longer read all that they have, for example because an Object Instance
    /// is gone (TS 7.3.2.5); or it has again and again not fetched all blocks of them (RFC 7959 §2.6); or
    /// it was disabled, and hasn't observed the same again in time. The rest has been sent, or its registration has
    /// ended.
    NotificationsDropped {
        /// The account of the server.
        account: AccountId,
        /// How many did not arrive whole.
        dropped: u64,
    },
    /// The device may power down until then; `None` means for as long as the application wants nothing. Each server
    /// with a registration is in Queue Mode and believes that the Client is asleep, and nothing is under way (TS
    /// 8.3). It is told again if the moment becomes another one.
    ///
    /// At that moment call [`handle_timeout`](super::Client::handle_timeout): there will be something to do, such as
    /// an Update or a notification. [`poll_timeout`](super::Client::poll_timeout) is the same until then. Calls of the
    /// application, short messages and what still arrives may wake the Client earlier. A connection may be lost
    /// meanwhile: it is asked for again when the Client wakes.
    MaySleep {
        /// When to call again.
        until: Option<Instant>,
    },
    /// Look at the smartcard, and tell [`Client::smartcard`] what bootstrap file it has now (TS 5.2.3.2), or
    /// [`Client::smartcard_unread`] that this couldn't be found out:
    ///
    /// - Before the Client does anything else, if [`BootstrapConfig::smartcard`](super::BootstrapConfig::smartcard) says
    ///   so. An application that puts what the card has into the tree by itself answers with
    ///   [`smartcard_tried`](super::Bootstrapping::smartcard_tried).
    /// - Before each connection, Register and Update of a server whose account comes from the card, which must still
    ///   be there. Until then nothing is sent to that server, and its registration may come to its end. The look
    ///   before a connection is also that for the Register or the Update on it, if it is up within 10 seconds.
    ///
    /// [`Client::smartcard`]: super::Client#method.smartcard
    /// [`Client::smartcard_unread`]: super::Client#method.smartcard_unread
    SmartcardAsked,
    /// The Bootstrap-Server has accepted the Bootstrap-Request, or has sent its first command (TS 5.2.3.3, 5.2.3.4).
    /// Until the bootstrap ends, servers are met with silence, and nothing that the Bootstrap-Server writes counts.
    BootstrapStarted {
        /// The account of the Bootstrap-Server.
        account: AccountId,
        /// Who has begun.
        by: BootstrapInitiator,
    },
    /// The Bootstrap-Server has sent its Finish, and the configuration is not consistent (TS 5.2.6). It was answered
    /// 4.06. The Bootstrap-Server may mend the configuration, and send another Finish.
    BootstrapInconsistent {
        /// The account of the Bootstrap-Server.
        account: AccountId,
        /// What is wrong.
        reason: Inconsistency,
    },
    /// A bootstrap has succeeded (TS 5.2.3.3, step 3): all that was written counts now. Save the tree. The Client
    /// registers at servers that are new or are reached in another way, sends an Update to others if there is
    /// something to tell, and leaves those whose accounts are gone.
    BootstrapFinished {
        /// The account of the Bootstrap-Server that has done it. It may have been replaced.
        account: AccountId,
        /// The Object Instances that have come or gone, and the Resources that have another value, in ascending
        /// order. The Security Object is named as a whole.
        changed: Vec<Path>,
    },
    /// A bootstrap has failed, and nothing of it is left (TS 5.2.3.3).
    BootstrapFailed {
        /// The account of the Bootstrap-Server.
        account: AccountId,
        /// The reason.
        reason: BootstrapFailure,
        /// When the Client asks the Bootstrap-Server again; `None` means not by itself, or not before servers
        /// have failed.
        retry: Option<Instant>,
    },
    /// The time of the account of the Bootstrap-Server is over (Bootstrap-Server Account Timeout, TS E.1, Resource
    /// 12), and it was deleted. Save the tree. No further bootstrap is possible (TS 5.2.4, step 5).
    BootstrapAccountPurged {
        /// The account that is gone.
        account: AccountId,
    },
}

/// How a download has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownloadOutcome {
    /// All of it has arrived, and the Object has it.
    Complete {
        /// Its size in bytes.
        bytes: u64,
    },
    /// It could not be fetched; the Object knows.
    Failed(FetchFailure),
    /// The Object doesn't take it.
    Refused,
    /// The Object doesn't need it any more: a server has abandoned it, or named another one.
    Stopped,
}

/// A download that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadStatus<'c> {
    /// The Resource with the URI.
    pub path: Path,
    /// The URI.
    pub uri: &'c str,
    /// The bytes that have arrived.
    pub received: u64,
    /// The size in bytes that the server has announced.
    pub announced: Option<u32>,
}

/// What the application can [defer](super::DeferredRequests::defer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DeferredOperation {
    /// Execute: [`ClientEvent::ExecuteAsked`] asks the application, which may refuse.
    Execute,
    /// Read, and the first answer to an Observe: [`ClientEvent::ReadAsked`] asks the application to
    /// have the value ready.
    Read,
    /// Write, Create and Delete: [`ClientEvent::ChangeAsked`] asks the application, which may refuse. A
    /// Write that its Object takes [piece by piece](lwm2m_objects::Object::streams) isn't deferred.
    Change,
}

/// Why a deferred request has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum DeferredEnd {
    /// The application took longer than [`answer_within`](super::Deferring::answer_within). The
    /// server got a 5.00.
    #[error("the application did not answer in time")]
    TimedOut,
    /// The registration has ended, or its connection was lost. No response is sent.
    #[error("the registration has ended")]
    RegistrationEnded,
    /// A bootstrap is under way (TS 5.2). No response is sent.
    #[error("a bootstrap is under way")]
    Bootstrap,
}

/// Why an answer from the application wasn't sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeferredError {
    /// There is no such open request: it was answered, or it ended, as
    /// [`ClientEvent::DeferredEnded`] reported.
    #[error("{0} doesn't wait for an answer")]
    NotOpen(DeferredId),
    /// The answer isn't valid for the request; the same call fails again. The request stays open.
    #[error("{0}")]
    Invalid(#[from] InvalidAnswer),
    /// There is no room to send the answer. The request has been executed.
    #[error("{0}")]
    Overload(#[from] SendError),
}

/// Why an answer isn't valid for its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidAnswer {
    /// The request is for another operation.
    #[error("the request is no {0:?}")]
    Operation(DeferredOperation),
    /// Table 27 doesn't list this code as a refusal of the operation.
    #[error("{0} isn't refused with {1}")]
    Code(Operation, Code),
}

/// Why a Register, an Update or a De-register failed.
///
/// The fault lies with the server for its answers ([`Refused`](Self::Refused),
/// [`Reset`](Self::Reset), [`NoLocation`](Self::NoLocation),
/// [`LocationTooLong`](Self::LocationTooLong)); with the server or the network for missing ones
/// ([`Timeout`](Self::Timeout), [`Disconnected`](Self::Disconnected), [`Expired`](Self::Expired)); with the configuration for
/// [`Unusable`](Self::Unusable); and with the load on this Client for [`Overload`](Self::Overload).
/// For [`Failed`](Self::Failed), it depends on the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegistrationFailure {
    /// The server refused it with this code.
    #[error("the server answered {0}")]
    Refused(Code),
    /// No answer to the request, or to a message for one of the blocks.
    #[error("the server does not answer")]
    Timeout,
    /// The server rejected the request, or a message for one of the blocks, with a Reset.
    #[error("the server rejected the message")]
    Reset,
    /// The exchange failed although the server answered, or its next block could not be sent.
    /// Reasons that have their own variant here aren't reported this way.
    #[error("the exchange with the server failed: {0}")]
    Failed(FailureReason),
    /// The answer has no Location-Path, or one that no request can be sent to: with a segment of
    /// one or two dots (RFC 7252 §5.10.7).
    #[error("the answer names no location that requests can be sent to")]
    NoLocation,
    /// The Location-Path of the answer is longer than 512 bytes; each Update would carry it.
    #[error("the answer names a location of more than 512 bytes")]
    LocationTooLong,
    /// The connection was lost, or could not be made.
    #[error("there is no connection")]
    Disconnected,
    /// The lifetime is over, and no Update was accepted in time (TS 5.3).
    #[error("the lifetime of the registration is over")]
    Expired,
    /// The request can't be made: the Server Object Instance of the account can't be read, or an
    /// option would be too long.
    #[error("the request can't be made")]
    Unusable,
    /// There is no room to send the request.
    #[error("the request can't be sent: {0}")]
    Overload(SendError),
}

impl RegistrationFailure {
    /// What it says of the next attempt.
    pub const fn kind(self) -> FailureKind {
        match self {
            Self::Refused(code) if code.class() == 4 => FailureKind::Refused,
            Self::NoLocation | Self::LocationTooLong => FailureKind::Refused,
            Self::Refused(_) | Self::Reset | Self::Failed(_) => FailureKind::Passing,
            Self::Timeout | Self::Disconnected | Self::Expired => FailureKind::Silent,
            Self::Unusable | Self::Overload(_) => FailureKind::Own,
        }
    }
}

impl From<FailureReason> for RegistrationFailure {
    fn from(reason: FailureReason) -> Self {
        match reason {
            FailureReason::Timeout => Self::Timeout,
            FailureReason::Reset => Self::Reset,
            FailureReason::PeerDropped => Self::Disconnected,
            reason => Self::Failed(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_registration_that_fails_tells_why_and_no_answer_only_for_none() {
        for reason in FailureReason::all() {
            let failure = RegistrationFailure::from(reason);
            let expected = match reason {
                FailureReason::Timeout => RegistrationFailure::Timeout,
                FailureReason::Reset => RegistrationFailure::Reset,
                FailureReason::PeerDropped => RegistrationFailure::Disconnected,
                reason => RegistrationFailure::Failed(reason),
            };
            assert_eq!(failure, expected);
            if let RegistrationFailure::Failed(reason) = failure {
                assert!(failure.to_string().contains(&reason.to_string()));
            }
        }
    }
}
