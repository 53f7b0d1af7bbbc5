//! How a call to a client ends, and what its answer says.

use alloc::vec::Vec;
use core::fmt;

use lwm2m_core::{
    Attributes, Code, ContentFormat, Path, Version,
    codec::{Content, EncodeError, LimitError},
};
use lwm2m_linkformat::LinkFormatError;
use thiserror::Error;

use super::payload::{DecodeError, Malformed};
use crate::coap::{FailureReason, MessageRef};

/// How an operation ended. `O` is the handle of an observation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome<O> {
    /// 2.05 to a Read or a Cancel Observation, or to an Observe that the client answered without
    /// observing.
    Content(Content),
    /// 2.05 to an Observe: notifications follow.
    Observing {
        /// The observation.
        observation: O,
        /// The current values, or why they can't be read.
        content: Result<Content, AnswerError>,
    },
    /// 2.05 to a Discover.
    Links(Vec<DiscoveredLink>),
    /// 2.04 to a Write, Write-Attributes or Execute.
    Changed,
    /// 2.01 to a Create.
    Created {
        /// The new Object Instance, if the client named it.
        location: Option<Path>,
    },
    /// 2.02 to a Delete.
    Deleted,
    /// The client answered with an error (TS 8.5).
    Refused {
        /// Its code, 4.xx or 5.xx.
        code: Code,
    },
    /// The client answered with a success code that isn't one of the operation.
    Unexpected {
        /// Its code.
        code: Code,
    },
    /// The client answered with success, and with a payload that can't be used.
    Undecodable(AnswerError),
    /// No answer came, or none to the request for one of its blocks.
    Timeout,
    /// The client rejected the request, or the one for a block, with a Reset.
    Reset,
    /// The exchange failed although the client answered, or the next block couldn't be sent.
    Failed {
        /// Why; never [`Timeout`](FailureReason::Timeout), [`Reset`](FailureReason::Reset) or
        /// [`PeerDropped`](FailureReason::PeerDropped).
        reason: FailureReason,
    },
    /// It had no other outcome by its deadline.
    DeadlinePassed {
        /// Whether it was sent: then the client may have received it.
        sent: bool,
    },
    /// The application cancelled it.
    Cancelled {
        /// Whether it was sent: then the client may have received it.
        sent: bool,
    },
    /// It waited until the client is awake, and isn't sent any more, as what it was made for has gone: the
    /// client has its Objects below another path, or this one in another version, or the observation to
    /// cancel has ended.
    Outdated,
    /// The client's registration ended before it answered.
    ClientGone,
    /// The client's peer was gone before it answered: its secure session has ended, or the client is
    /// reached at another peer. The client may have received the request.
    PeerGone,
    /// The server was [restarted](crate::server::Records::restore), and what became of it isn't known.
    Restarted {
        /// Whether it may have been sent: then the client may have received it, and it must not be done twice. If
        /// not, there was no room for it after the restart.
        sent: bool,
    },
}

impl<O> From<FailureReason> for Outcome<O> {
    fn from(reason: FailureReason) -> Self {
        match reason {
            FailureReason::Timeout => Self::Timeout,
            FailureReason::Reset => Self::Reset,
            FailureReason::PeerDropped => Self::PeerGone,
            reason => Self::Failed { reason },
        }
    }
}

/// What a Discover says about one path (TS 5.4.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiscoveredLink {
    /// The Object, Object Instance or Resource.
    pub path: Path,
    /// How many Resource Instances a multiple Resource has (`dim`).
    pub dimension: Option<u8>,
    /// The version of an Object, if the client gave it (`ver`).
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

/// Why the payload of an answer or notification can't be used. But for [`TooLarge`](Self::TooLarge)
/// and [`Lost`](Self::Lost), the client is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Its format is unknown, and wasn't asked for.
    #[error("the format {0} is unknown")]
    Format(ContentFormat),
    /// It is malformed, or about another path.
    #[error("{0}")]
    Malformed(Malformed),
    /// Its structure is wrong, such as a value outside of a Resource.
    #[error("{0}")]
    Structure(EncodeError),
    /// Its values or links would take more memory than the
    /// [bounds](crate::server::ServerBounds::answer) allow.
    #[error("the answer takes more than {limit} bytes of memory")]
    TooLarge {
        /// What the bounds allow, in bytes.
        limit: usize,
    },
    /// The answer to a Discover isn't a list of links.
    #[error("{0}")]
    Links(LinkFormatError),
    /// The Location-Path of a Create isn't an Object Instance of the Object.
    #[error("the location is not an Object Instance of the Object")]
    Location,
    /// The first block of a notification came, but the others couldn't be fetched.
    #[error("its blocks could not be fetched: {0}")]
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

/// Checks that the answer to a Discover is in link-format, or in no format that it names.
pub(super) fn link_format(response: &MessageRef<'_>) -> Result<(), AnswerError> {
    match response.content_format() {
        None | Some(ContentFormat::LINK_FORMAT) => Ok(()),
        Some(format) => Err(AnswerError::Format(format)),
    }
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;

    use super::*;

    #[test]
    fn an_operation_that_fails_tells_why_and_no_answer_only_for_none() {
        for reason in FailureReason::all() {
            let expected = match reason {
                FailureReason::Timeout => Outcome::Timeout,
                FailureReason::Reset => Outcome::Reset,
                FailureReason::PeerDropped => Outcome::PeerGone,
                reason => Outcome::Failed { reason },
            };
            assert_eq!(Outcome::<Infallible>::from(reason), expected);
        }
    }
}
