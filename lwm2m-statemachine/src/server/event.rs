//! What the application must know, and how operations end.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use lwm2m_core::{
    Attributes, Code, ContentFormat, Path, Version,
    codec::{Content, EncodeError, LimitError},
};
use lwm2m_linkformat::LinkFormatError;
use thiserror::Error;

use super::{
    ledger::Key,
    refusal::Refusal,
    registration::{Registration, RegistrationId},
};
use crate::{
    coap::FailureReason,
    payload::{DecodeError, Malformed},
};

/// What the application must know.
///
/// When a registration goes — de-registered, expired, replaced or evicted — each of its operations ends
/// with [`Outcome::RegistrationGone`] first, then each of its observations with
/// [`EndReason::RegistrationGone`], then comes the registration's own event, and the new
/// registration's, if there is one, last.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServerEvent<P> {
    /// A client registered. Its answer is on the way: operations may begin.
    Registered {
        /// The registration.
        registration: RegistrationId,
    },
    /// A client updated its registration, if only to extend it.
    Updated {
        /// The registration.
        registration: RegistrationId,
        /// What is different now.
        changes: Changes,
    },
    /// A client de-registered.
    Deregistered {
        /// The registration, which is no more.
        registration: RegistrationId,
        /// What it was.
        was: Box<Registration<P>>,
    },
    /// A registration outlived its Lifetime, and the server's grace.
    Expired {
        /// The registration, which is no more.
        registration: RegistrationId,
        /// What it was.
        was: Box<Registration<P>>,
    },
    /// A client registered again under the same endpoint name.
    Replaced {
        /// The old registration, which is no more.
        registration: RegistrationId,
        /// What it was.
        was: Box<Registration<P>>,
        /// The new registration; its own event follows.
        by: RegistrationId,
    },
    /// A registration had to go, as there was no room for another one. Its client does not know:
    /// its next Update is answered 4.04, and it registers again.
    Evicted {
        /// The registration, which is no more.
        registration: RegistrationId,
        /// What it was.
        was: Box<Registration<P>>,
        /// Where there was no room.
        reason: EvictionReason,
    },
    /// A Register, an Update or a De-register was refused. What its client had registered is as it
    /// was.
    ///
    /// There is one such event for each refused request, whoever sent it: what is drained after
    /// each datagram does not pile up.
    Refused(Refusal<P>),
    /// An operation has ended. There is exactly one such event for each operation.
    Answered {
        /// The registration.
        registration: RegistrationId,
        /// The operation.
        operation: OperationId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A client notified of what is observed (TS 5.5.2).
    Notification {
        /// The registration.
        registration: RegistrationId,
        /// The observation.
        observation: ObservationId,
        /// The values, or why they cannot be told. The observation goes on either way.
        content: Result<Content, AnswerError>,
    },
    /// An observation has ended. There is exactly one such event for each observation.
    ObservationEnded {
        /// The registration.
        registration: RegistrationId,
        /// The observation.
        observation: ObservationId,
        /// Why.
        reason: EndReason,
    },
}

/// Why a registration had to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvictionReason {
    /// There were as many as [`ServerBounds::registrations`](super::ServerBounds::registrations).
    #[error("too many registrations")]
    Registrations,
    /// They took as much as [`ServerBounds::bytes`](super::ServerBounds::bytes).
    #[error("the registrations take too many bytes")]
    Bytes,
    /// Its host had as many as
    /// [`ServerBounds::registrations_per_host`](super::ServerBounds::registrations_per_host).
    #[error("too many registrations of its host")]
    Host,
}

/// What an Update changed. An Update that only extends the registration changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "any of them may change, alone or with others"
)]
#[non_exhaustive]
pub struct Changes {
    /// The Lifetime.
    pub lifetime: bool,
    /// The Binding Mode.
    pub binding: bool,
    /// The SMS Number.
    pub sms_number: bool,
    /// The Objects and Object Instances, or what was said of them.
    pub objects: bool,
    /// The unknown parameters.
    pub parameters: bool,
    /// The peer: a client with a proven identity moved (TS 7.1.5). Its observations have ended.
    pub peer: bool,
}

/// The handle of an operation; never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub(super) Key);

/// The handle of an observation; never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObservationId(pub(super) Key);

/// What the two handles share.
macro_rules! handle {
    ($name:ident) => {
        impl $name {
            /// The registration it belongs to.
            pub fn registration(&self) -> RegistrationId {
                self.0.registration
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.serial.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    concat!(stringify!($name), "({}/{})"),
                    self.0.registration, self.0.serial
                )
            }
        }
    };
}

handle!(OperationId);
handle!(ObservationId);

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// 2.05 to a Read or a Cancel Observation; or to an Observe that the client did not take up.
    Content(Content),
    /// 2.05 to an Observe: notifications follow.
    Observing {
        /// The observation.
        observation: ObservationId,
        /// The values of now, or why they cannot be told.
        content: Result<Content, AnswerError>,
    },
    /// 2.05 to a Discover.
    Links(Vec<DiscoveredLink>),
    /// 2.04 to a Write, Write-Attributes or Execute.
    Changed,
    /// 2.01 to a Create.
    Created {
        /// The new Object Instance, if the client told it.
        location: Option<Path>,
    },
    /// 2.02 to a Delete.
    Deleted,
    /// The client answered with an error (TS 8.5).
    Refused {
        /// Its code, 4.xx or 5.xx.
        code: Code,
    },
    /// The client answered with a success that the operation does not have.
    Unexpected {
        /// Its code.
        code: Code,
    },
    /// The client answered with success, and with a payload that means nothing.
    Undecodable(AnswerError),
    /// No answer came, or none to the request for a block of it.
    Timeout,
    /// The client rejected the request, or that for a block, with a Reset.
    Reset,
    /// The exchange failed although the client answered, or its next block could not be sent.
    Failed {
        /// Why; neither [`Timeout`](FailureReason::Timeout) nor [`Reset`](FailureReason::Reset).
        reason: FailureReason,
    },
    /// The registration ended before an answer came.
    RegistrationGone,
}

impl From<FailureReason> for Outcome {
    fn from(reason: FailureReason) -> Self {
        match reason {
            FailureReason::Timeout => Self::Timeout,
            FailureReason::Reset => Self::Reset,
            reason => Self::Failed { reason },
        }
    }
}

/// What a Discover told of one place (TS 5.4.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiscoveredLink {
    /// The Object, Object Instance or Resource.
    pub path: Path,
    /// How many Resource Instances a multiple Resource has (`dim`).
    pub dimension: Option<u8>,
    /// The version of an Object, if the client told it (`ver`).
    pub version: Option<Version>,
    /// The attributes that govern notifications to this server.
    pub attributes: Attributes,
}

impl fmt::Display for DiscoveredLink {
    /// As a link of the answer, `</3/0/7>;dim=2;pmin=10`, whatever the client's alternate path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.path)?;
        if let Some(version) = self.version {
            write!(f, ";ver={version}")?;
        }
        if let Some(dimension) = self.dimension {
            write!(f, ";dim={dimension}")?;
        }
        write!(f, "{}", self.attributes)
    }
}

/// Why the payload of an answer or notification means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It is in a format that nobody asked for, and that is not known here.
    #[error("an answer in {0}, which is not known")]
    Format(ContentFormat),
    /// It is not what its format says, or not of the path.
    #[error("{0}")]
    Malformed(Malformed),
    /// Its structure is none.
    #[error("{0}")]
    Structure(EncodeError),
    /// Keeping its values or links would take more bytes than the
    /// [bounds](super::ServerBounds::answer) allow.
    #[error("keeping the answer takes more than {limit} bytes")]
    TooLarge {
        /// What the bounds allow.
        limit: usize,
    },
    /// The answer to a Discover is not a list of links.
    #[error("{0}")]
    Links(LinkFormatError),
    /// The Location-Path of a Create is no Object Instance of its Object.
    #[error("the location of what was created is no Object Instance of the Object")]
    Location,
    /// A notification came with its first block, and the others could not be had.
    #[error("its blocks could not be had: {0}")]
    Lost(FailureReason),
}

impl From<DecodeError<LimitError<EncodeError>>> for AnswerError {
    fn from(error: DecodeError<LimitError<EncodeError>>) -> Self {
        match error {
            DecodeError::Unsupported(format) => Self::Format(format),
            DecodeError::Malformed(malformed) => Self::Malformed(malformed),
            DecodeError::Sink(LimitError::Full { limit }) => Self::TooLarge { limit },
            DecodeError::Sink(LimitError::Sink(structure)) => Self::Structure(structure),
        }
    }
}

/// Why an observation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EndReason {
    /// The application cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// The client sent an error in place of a notification.
    #[error("the client answered {0}")]
    Refused(Code),
    /// The client ended it with its last notification.
    #[error("the client has no more to tell")]
    Completed,
    /// The client moved to another peer (under the same proven identity), where its
    /// notifications would be strangers: observe again.
    #[error("the client has moved")]
    PeerChanged,
    /// The exchange that was to bring its last notification failed.
    #[error("its last notification could not be had: {0}")]
    Lost(FailureReason),
    /// The registration ended.
    #[error("the registration has ended")]
    RegistrationGone,
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn an_operation_that_fails_tells_why_and_no_answer_only_for_none() {
        for reason in FailureReason::all() {
            let expected = match reason {
                FailureReason::Timeout => Outcome::Timeout,
                FailureReason::Reset => Outcome::Reset,
                reason => Outcome::Failed { reason },
            };
            assert_eq!(Outcome::from(reason), expected);
            let said = EndReason::Lost(reason).to_string();
            assert!(said.contains(&reason.to_string()), "{said}");
        }
    }
}
