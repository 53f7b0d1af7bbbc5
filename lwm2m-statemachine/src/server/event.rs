//! The events of a server.

use alloc::boxed::Box;

use lwm2m_core::{Code, codec::Content};
use thiserror::Error;

use super::{
    id::{ObservationId, OperationId, RegistrationId, Revision},
    registrar::{Changes, EvictionReason, Refusal, Registration},
};
use crate::{
    coap::FailureReason,
    downlink::{self, AnswerError},
};

/// How an operation ended.
pub type Outcome = downlink::Outcome<ObservationId>;

/// An event that the application must know of.
///
/// When a registration ends (de-registered, expired, replaced or evicted), first each of its operations
/// ends with [`Outcome::ClientGone`], then each of its observations with
/// [`EndReason::RegistrationGone`]. Then comes the event of the registration itself, and last that of
/// the new registration, if there is one. Operations that wait until a client in Queue Mode is awake go on
/// when it registers anew.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServerEvent<P> {
    /// A client registered. Its answer is queued, so operations may begin.
    Registered {
        /// The registration.
        registration: RegistrationId,
    },
    /// A client updated its registration, perhaps only to extend it. If it came from another peer, what
    /// waited for an answer from the old one has ended before, with [`Outcome::PeerGone`]; of a client in
    /// Queue Mode, what may be repeated is sent again instead.
    Updated {
        /// The registration.
        registration: RegistrationId,
        /// What has changed.
        changes: Changes,
    },
    /// A client that, or whose peer, was gone ([`Server::client_gone`](crate::Server::client_gone),
    /// [`Server::peer_gone`](crate::Server::peer_gone)) sent a notification: it is reached at the peer and
    /// over the channel that its registration now has. Its lifetime isn't extended.
    Reachable {
        /// The registration.
        registration: RegistrationId,
    },
    /// A client with a proven identity has left this peer: by its Update or Register, whose event comes
    /// before, it is reached at another one, on the same channel.
    ///
    /// If both are secure sessions, take the older one. It is this one, as a rule: an Update or Register
    /// that comes late from here would lead the registration back. If it is the other one, just that has
    /// happened.
    ///
    /// - If [no other client](crate::Server::is_reached_by_others) is reached there, close it, and tell
    ///   the server that it [is gone](crate::Server::peer_gone).
    /// - If others are, as those of a gateway, leave it open. If the registration was led back to it, tell
    ///   the server that [this client](crate::Server::client_gone) isn't there.
    PeerLeft {
        /// The registration, which is reached at another peer.
        registration: RegistrationId,
        /// The peer that the client has left.
        peer: P,
    },
    /// A client in Queue Mode, which was asleep, sent a message: what waits for it is sent now, one
    /// operation after the other (TS 8.3).
    Awake {
        /// The registration.
        registration: RegistrationId,
    },
    /// A client in Queue Mode was awake, and wasn't heard for [long
    /// enough](super::QueueMode::awake), or didn't answer a request, or its peer is gone: operations wait
    /// until it is heard again. Nothing is told of a client whose registration or Queue Mode ends.
    ///
    /// If it has [a number](Registration::trigger_number) for that, a [Registration Update
    /// Trigger](super::BySms::trigger_update) by SMS wakes it (TS 8.4), which the server may also
    /// [send by itself](super::Waiting::set_trigger).
    Asleep {
        /// The registration.
        registration: RegistrationId,
    },
    /// The server has sent a Registration Update Trigger to a client over SMS, as something waits and the client
    /// is asleep (TS 8.4): see [`Waiting::set_trigger`](super::Waiting::set_trigger).
    Triggered {
        /// The registration.
        registration: RegistrationId,
        /// The Execute, which ends like any operation. That the client is awake, its Update tells.
        operation: OperationId,
    },
    /// A client de-registered.
    Deregistered {
        /// The registration, which has ended.
        registration: RegistrationId,
        /// The registration as it was.
        was: Box<Registration<P>>,
    },
    /// A registration outlived its Lifetime and the server's grace.
    Expired {
        /// The registration, which has ended.
        registration: RegistrationId,
        /// The registration as it was.
        was: Box<Registration<P>>,
    },
    /// A client registered again under the same endpoint name.
    Replaced {
        /// The old registration, which has ended.
        registration: RegistrationId,
        /// The registration as it was.
        was: Box<Registration<P>>,
        /// The new registration; its own event follows.
        by: RegistrationId,
    },
    /// A registration was evicted to make room for another one. Its client isn't told: its next
    /// Update is answered 4.04, and it registers again.
    Evicted {
        /// The registration, which has ended.
        registration: RegistrationId,
        /// The registration as it was.
        was: Box<Registration<P>>,
        /// The bound that was reached.
        reason: EvictionReason,
    },
    /// A Register, an Update or a De-register was refused. It changed nothing.
    ///
    /// There is one such event for each refused request, whoever sent it. Drain the events after
    /// each datagram, so that they don't pile up.
    Refused(Refusal<P>),
    /// The record of a client has changed: store it, or remove it (see
    /// [`ServerConfig::records`](super::ServerConfig::records)). Store records under the endpoint name, since a new
    /// registration takes the place of the one before.
    ///
    /// [Take](super::Records::get) the record when this event is handled: then it has all later changes, too, and
    /// there is no other event for those. If there is none, a later event tells what has become of it. Handle these
    /// events in their order, and call [`Records::stored`](super::Records::stored) once they are on disk.
    ///
    /// A notification isn't such a change, nor that a client in Queue Mode wakes or falls asleep.
    Record {
        /// The registration.
        registration: RegistrationId,
        /// Its Endpoint Client Name.
        endpoint_name: Box<str>,
        /// What has happened.
        change: RecordChange,
        /// The number of the change.
        revision: Revision,
    },
    /// An operation has ended. There is exactly one such event for each operation.
    Answered {
        /// The registration: the operation's own, or, if the operation had to wait, the one that has
        /// replaced it since.
        registration: RegistrationId,
        /// The operation.
        operation: OperationId,
        /// The outcome.
        outcome: Outcome,
    },
    /// A client sent a notification of an observation (TS 5.5.2).
    Notification {
        /// The registration.
        registration: RegistrationId,
        /// The observation.
        observation: ObservationId,
        /// The values, or why there are none. The observation goes on either way.
        content: Result<Content, AnswerError>,
    },
    /// An observation has ended. There is exactly one such event for each observation.
    ObservationEnded {
        /// The registration.
        registration: RegistrationId,
        /// The observation.
        observation: ObservationId,
        /// The reason.
        reason: EndReason,
    },
}

/// What has happened to a record. There is one, or another one, or none, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordChange {
    /// The client has registered.
    New,
    /// It is another one: of the registration, its operations or observations.
    Changed,
    /// The registration has ended.
    Gone,
}

/// Why an observation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EndReason {
    /// The application cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// The client sent an error instead of a notification.
    #[error("the client answered {0}")]
    Refused(Code),
    /// The client ended it with a last notification.
    #[error("the client sent the last notification")]
    Completed,
    /// The client moved to another peer, under the same proven identity, and there was no room for the
    /// observation there: observe again.
    #[error("the client has moved, and there was no room for the observation")]
    PeerChanged,
    /// The blocks of the last notification couldn't be fetched.
    #[error("the blocks of the last notification could not be fetched: {0}")]
    Lost(FailureReason),
    /// The registration ended.
    #[error("the registration has ended")]
    RegistrationGone,
    /// The server was restarted, and the observation couldn't be [restored](crate::server::Records::restore): observe
    /// again.
    #[error("the server was restarted, and the observation could not be restored")]
    Restarted,
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
