//! What the application must know, and how operations end.

use alloc::boxed::Box;
use core::fmt;

use lwm2m_core::{Code, codec::Content};
use thiserror::Error;

use super::{
    refusal::Refusal,
    registration::{Registration, RegistrationId},
};
use crate::{
    coap::FailureReason,
    downlink::{self, AnswerError, Key},
};

/// How an operation ended.
pub type Outcome = downlink::Outcome<ObservationId>;

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
pub struct OperationId(pub(super) Key<RegistrationId>);

/// The handle of an observation; never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObservationId(pub(super) Key<RegistrationId>);

/// What the two handles share.
macro_rules! handle {
    ($name:ident) => {
        impl $name {
            /// The registration it belongs to.
            pub fn registration(&self) -> RegistrationId {
                self.0.client
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
                    self.0.client, self.0.serial
                )
            }
        }
    };
}

handle!(OperationId);
handle!(ObservationId);

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
    fn an_observation_that_is_lost_tells_why() {
        for reason in FailureReason::all() {
            let said = EndReason::Lost(reason).to_string();
            assert!(said.contains(&reason.to_string()), "{said}");
        }
    }
}
