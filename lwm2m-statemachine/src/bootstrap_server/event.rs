//! The events of a bootstrap-server.

use alloc::boxed::Box;
use core::fmt;

use lwm2m_core::{Code, ContentFormat, Operation, Path};
use thiserror::Error;

use super::{found::Discovered, id::BootstrapId, identity::ProvenIdentity, refusal::Refusal};
use crate::{
    coap::{self, FailureReason},
    downlink::{AnswerError, InvalidCall},
    machine::Channel,
};

/// An event that the application must know of.
///
/// Each bootstrap, from [`Requested`](Self::Requested) or from the call that begins one, ends with
/// exactly one [`Ended`](Self::Ended). No event has a value of a plan, so none has a key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BootstrapServerEvent<P> {
    /// A client asks for a bootstrap (TS 5.2.3.3). It waits for
    /// [`start`](super::BootstrapServer::start) or [`refuse`](super::BootstrapServer::refuse).
    Requested {
        /// The bootstrap, which has not begun.
        bootstrap: BootstrapId,
        /// Who asks for it.
        client: Requester<P>,
    },
    /// A client answered a Discover.
    Discovered {
        /// The bootstrap.
        bootstrap: BootstrapId,
        /// `/`, or the Object that was asked for.
        path: Path,
        /// What the client has.
        found: Discovered,
    },
    /// A client has no answer of use to a Discover that [may be refused](super::Step::TryDiscover).
    NotDiscovered {
        /// The bootstrap.
        bootstrap: BootstrapId,
        /// `/`, or the Object that was asked for.
        path: Path,
        /// A refusal, or an answer that can't be read.
        failure: StepFailure,
    },
    /// A client waits for more steps: [`resume`](super::BootstrapServer::resume). After
    /// EXCHANGE_LIFETIME without a command it gives up (TS 5.2.3.3).
    Paused {
        /// The bootstrap.
        bootstrap: BootstrapId,
        /// Why.
        reason: PauseReason,
    },
    /// A bootstrap has ended.
    Ended {
        /// The bootstrap.
        bootstrap: BootstrapId,
        /// The Endpoint Client Name.
        endpoint_name: Box<str>,
        /// The peer.
        peer: P,
        /// How. Unless it is finished, a client that had begun gives up after EXCHANGE_LIFETIME and
        /// is as it was before (TS 5.2.3.3), so the plan begins anew at its next request.
        outcome: Result<(), BootstrapFailure>,
        /// Whether the client may have finished although the outcome is a failure: the
        /// Bootstrap-Finish was sent or was about to be, and no answer to it came, or too late to
        /// tell. Such a client has the new configuration, or is as it was before.
        may_have_finished: bool,
    },
    /// A Bootstrap-Request was refused. It changed nothing.
    ///
    /// There is one such event for each refused request, whoever sent it. Drain the events after
    /// each datagram, so that they don't pile up.
    Refused(Refusal<P>),
}

/// A client that asks for a bootstrap.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requester<P> {
    /// The Endpoint Client Name, which the identity may use (TS 7.1.5). It may contain control
    /// characters: escape it before printing.
    pub endpoint_name: Box<str>,
    /// Where the request came from, and where the commands go.
    pub peer: P,
    /// The channel on which it came.
    pub channel: Channel,
    /// What the transport proved about the client.
    pub identity: ProvenIdentity,
}

/// Why a bootstrap waits for the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PauseReason {
    /// The plan had no Bootstrap-Finish, and its last step is done.
    StepsDone,
    /// 4.06 to the Bootstrap-Finish: what the client has now isn't consistent (TS 5.2.6). Steps that
    /// repair it and another Bootstrap-Finish may follow.
    Inconsistent,
}

/// Why a bootstrap wasn't finished.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum BootstrapFailure {
    /// A step failed.
    #[error("{step}: {failure}, expected {}", step.expected())]
    Step {
        /// Which one.
        step: FailedStep,
        /// How it failed.
        failure: StepFailure,
    },
    /// EXCHANGE_LIFETIME has passed since the last command that the client certainly received, so it
    /// may have given up (TS 5.2.3.3).
    #[error("the client was told nothing for too long, and may have given up")]
    Silence,
    /// The application gave no plan in time. The request was answered 5.03.
    #[error("there was no plan in time")]
    NoPlan,
    /// The application refused the request.
    #[error("the application refused the request")]
    Refused,
    /// The application ended it.
    #[error("the application ended the bootstrap")]
    Aborted,
    /// The client asked for a bootstrap anew, or the application began another one of the same client
    /// or peer.
    #[error("another bootstrap of the client took its place")]
    Superseded,
    /// The connection to the peer was lost.
    #[error("the peer is gone")]
    PeerGone,
}

/// A step of a bootstrap, without its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedStep {
    /// Which of all steps of the bootstrap, from 0; those after a pause count on.
    pub index: usize,
    /// The operation.
    pub operation: Operation,
    /// The path; `None` for Bootstrap-Finish.
    pub path: Option<Path>,
    /// The format of a Write.
    pub format: Option<ContentFormat>,
}

impl FailedStep {
    /// The code of success (TS Table 27).
    pub const fn expected(&self) -> Code {
        self.operation.success()
    }
}

impl fmt::Display for FailedStep {
    /// `step 2, Write of /0/1 in application/vnd.oma.lwm2m+tlv`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}, {}", self.index, self.operation)?;
        if let Some(path) = self.path {
            write!(f, " of {path}")?;
        }
        if let Some(format) = self.format {
            write!(f, " in {format}")?;
        }
        Ok(())
    }
}

/// How a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum StepFailure {
    /// The client answered with an error that TS Table 27 has for the operation.
    #[error("the client answered {0}")]
    Refused(Code),
    /// The client answered with a code that TS Table 27 doesn't have for the operation.
    #[error("the client answered {0}, which is no answer to this operation")]
    Unexpected(Code),
    /// The answer to a Discover can't be used.
    #[error("{0}")]
    Undecodable(AnswerError),
    /// No answer came.
    #[error("no answer")]
    Timeout,
    /// The client rejected the request with a Reset.
    #[error("the client rejected the request")]
    Reset,
    /// The exchange failed although the client answered.
    #[error("{0}")]
    Failed(FailureReason),
    /// The endpoint had no room for the request.
    #[error("{0}")]
    Overload(coap::Overload),
    /// The request couldn't be made.
    #[error("{0}")]
    Invalid(InvalidCall),
}

impl StepFailure {
    /// Whether the client may have carried the step out all the same.
    pub(super) const fn leaves_open(&self) -> bool {
        matches!(self, Self::Timeout | Self::Failed(_))
    }
}

impl From<FailureReason> for StepFailure {
    fn from(reason: FailureReason) -> Self {
        match reason {
            FailureReason::Timeout => Self::Timeout,
            FailureReason::Reset => Self::Reset,
            reason => Self::Failed(reason),
        }
    }
}
