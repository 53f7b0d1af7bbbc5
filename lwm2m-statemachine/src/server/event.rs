//! What the application must know, and how operations end.

use alloc::boxed::Box;

use lwm2m_core::{Code, codec::Content};
use thiserror::Error;

use super::{
    id::{ObservationId, OperationId, RegistrationId},
    registrar::{Changes, EvictionReason, Refusal, Registration},
};
use crate::{
    coap::FailureReason,
    downlink::{self, AnswerError},
};

/// How an operation ended.
pub type Outcome = downlink::Outcome<ObservationId>;

/// What the application must know.
///
/// When a registration goes — de-registered, expired, replaced or evicted — each of its operations ends
/// with [`Outcome::ClientGone`] first, then each of its observations with
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
