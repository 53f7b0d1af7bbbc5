//! What the Client tells of a bootstrap (TS 5.2).

use core::fmt;

use lwm2m_core::{Code, Instant};
use thiserror::Error;

use super::{account::AccountId, failure::FailureKind};
use crate::coap::{FailureReason, SendError};

/// Who has begun a bootstrap (TS 5.2.3).
///
/// One of the two ends does, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BootstrapInitiator {
    /// The Client, with a Bootstrap-Request (TS 5.2.3.3).
    Client,
    /// The Bootstrap-Server (TS 5.2.3.4).
    BootstrapServer,
}

impl fmt::Display for BootstrapInitiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "Client Initiated Bootstrap",
            Self::BootstrapServer => "Server Initiated Bootstrap",
        })
    }
}

/// Where the Client is in the Bootstrap Sequence (TS 5.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootstrapState {
    /// The Client isn't started, or the application wants no registrations.
    Stopped,
    /// Step 1: the application reads the smartcard.
    Smartcard,
    /// Steps 2 and 3: the Client has what the factory, the smartcard or a bootstrap gave it, and registers. It
    /// stays here while at least one server has not failed, and also without an account of a Bootstrap-Server.
    Registering,
    /// Step 4: no server is left, and the Client waits for a Server Initiated Bootstrap until this moment
    /// (Client Hold Off Time, TS E.1, Resource 11).
    HoldingOff {
        /// When it sends a Bootstrap-Request.
        until: Instant,
    },
    /// Step 4: the Client waits for the next attempt of a Client Initiated Bootstrap.
    Waiting {
        /// When it begins.
        until: Instant,
    },
    /// The connection, the answer to the Bootstrap-Request or the first command is waited for.
    Beginning {
        /// The account of the Bootstrap-Server.
        account: AccountId,
        /// Who has begun.
        by: BootstrapInitiator,
    },
    /// The Bootstrap-Server sends its commands. Other requests are met with silence, and nothing that it has
    /// written counts before the Finish.
    UnderWay {
        /// The account of the Bootstrap-Server.
        account: AccountId,
        /// Who has begun.
        by: BootstrapInitiator,
    },
}

/// Why a bootstrap failed. Nothing of it is left: the tree has the values of before, and what the application has
/// set since (TS 5.2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BootstrapFailure {
    /// The Bootstrap-Server refused the Bootstrap-Request with this code.
    #[error("the Bootstrap-Server answered {0}")]
    Refused(Code),
    /// No answer to the Bootstrap-Request, and no command.
    #[error("the Bootstrap-Server does not answer")]
    Timeout,
    /// The Bootstrap-Server rejected the Bootstrap-Request with a Reset.
    #[error("the Bootstrap-Server rejected the message")]
    Reset,
    /// The exchange of the Bootstrap-Request failed although the Bootstrap-Server answered.
    #[error("the exchange with the Bootstrap-Server failed: {0}")]
    Failed(FailureReason),
    /// No Bootstrap-Finish within EXCHANGE_LIFETIME of the last command, or of the answer to the
    /// Bootstrap-Request (TS 5.2.3.3).
    #[error("the Bootstrap-Server sent no Bootstrap-Finish in time")]
    NotFinished,
    /// The connection was lost, or could not be made.
    #[error("there is no connection")]
    Disconnected,
    /// Another bootstrap has begun.
    #[error("another bootstrap has begun")]
    Replaced,
    /// The application has ended it, or has no network, or wants no registrations any more; or the Client does a
    /// Reboot or a Factory Reset.
    #[error("the application has ended it")]
    Aborted,
    /// The account of the Bootstrap-Server has changed or is gone.
    #[error("the account of the Bootstrap-Server has changed")]
    AccountChanged,
    /// The Bootstrap-Request can't be made: the Endpoint Client Name is too long for it.
    #[error("the request can't be made")]
    Unusable,
    /// There is no room to send the Bootstrap-Request.
    #[error("the request can't be sent: {0}")]
    Overload(SendError),
}

impl BootstrapFailure {
    /// What it says of the next attempt.
    pub const fn kind(self) -> FailureKind {
        match self {
            Self::Refused(code) if code.class() == 4 => FailureKind::Refused,
            Self::Refused(_) | Self::Reset | Self::Failed(_) => FailureKind::Passing,
            Self::Timeout | Self::NotFinished | Self::Disconnected => FailureKind::Silent,
            Self::Replaced
            | Self::Aborted
            | Self::AccountChanged
            | Self::Unusable
            | Self::Overload(_) => FailureKind::Own,
        }
    }
}

impl From<FailureReason> for BootstrapFailure {
    fn from(reason: FailureReason) -> Self {
        match reason {
            FailureReason::Timeout => Self::Timeout,
            FailureReason::Reset => Self::Reset,
            FailureReason::PeerDropped => Self::Disconnected,
            reason => Self::Failed(reason),
        }
    }
}

/// Why no bootstrap was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum BootstrapRefusal {
    /// There is no account of a Bootstrap-Server that can be used (TS 5.2.4, step 5).
    #[error("there is no account of a Bootstrap-Server")]
    NoAccount,
    /// The Client isn't started, is offline, or reads the smartcard first (TS 5.2.4).
    #[error("the Client is not started, is offline, or reads the smartcard first")]
    NotNow,
}
