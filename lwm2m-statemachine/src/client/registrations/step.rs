//! What a registration needs for a step, and what a step asks for.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use lwm2m_core::{Instant, ObjectId};
use lwm2m_objects::ObjectTree;

use super::{
    super::{
        accounts::Access,
        config::Identity,
        event::{ConnectionId, RegistrationFailure},
        retry::Retry,
    },
    card::CardWatch,
    context::Takes,
    link::Connection,
    location::Location,
    parameters::ObjectList,
    registration::Registration,
};
use crate::{
    coap::{Endpoint, MessageBuf, RequestId, RequestOptions},
    machine::Channel,
};

/// What a step of a registration asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Ask the application for a new connection over this channel.
    Connect(Channel),
    Registered {
        location: String,
    },
    /// The registration that is told next has taken the place of another one.
    Replaced,
    Updated,
    Failed {
        reason: RegistrationFailure,
        retry: Option<Instant>,
    },
    Deregistered,
    /// The server does not know that the Client has left.
    DeregisterFailed(RegistrationFailure),
    /// The server is disabled.
    Disabled {
        until: Instant,
    },
    /// There is no registration, and nothing is left of the last one.
    Ended,
    /// Close the connection: it is no longer needed.
    Disconnect(ConnectionId),
}

/// What a registration needs for a step.
pub(super) struct Step<'c> {
    pub(super) now: Instant,
    pub(super) tree: &'c ObjectTree,
    pub(super) endpoint: &'c mut Endpoint<ConnectionId>,
    pub(super) identity: &'c Identity,
    pub(super) list: &'c mut ObjectList,
    /// The Objects of which nothing is told before the next Update.
    pub(super) held: &'c BTreeSet<ObjectId>,
    pub(super) takes: Takes,
    pub(super) retry: &'c mut Retry,
    /// Whether the application wants registrations.
    pub(super) is_started: bool,
    pub(super) others: Others<'c>,
    pub(super) card: &'c mut CardWatch,
    pub(super) outcomes: Vec<Outcome>,
}

/// The other registrations of the Client.
pub(super) struct Others<'c> {
    pub(super) before: &'c [Registration],
    pub(super) after: &'c [Registration],
}

impl Others<'_> {
    fn any(&self, is_meant: impl FnMut(&Registration) -> bool) -> bool {
        self.before.iter().chain(self.after).any(is_meant)
    }
}

impl Step<'_> {
    /// Whether a registration at this server is being ended.
    pub(super) fn is_ending_at(&self, access: &Access) -> bool {
        self.others.any(|other| {
            let ending = other.ending(self.is_started);
            ending.is_some_and(|ending| ending.may_share_server(access))
        })
    }

    /// Whether a Register at this server is under way.
    pub(super) fn is_registering_at(&self, access: &Access) -> bool {
        self.others.any(|other| {
            let registering = other.registering();
            registering.is_some_and(|registering| registering.may_share_server(access))
        })
    }

    /// Whether a registration that goes on is at this server, and at this location.
    pub(super) fn is_held_at(&self, access: &Access, location: &Location) -> bool {
        self.others.any(|other| {
            let goes_on = !other.is_leaving && other.is_wanted(self.is_started);
            let lease = other.lease.as_ref();
            let lease = lease.filter(|lease| goes_on && self.now < lease.expires);
            let is_there = lease.is_some_and(|lease| lease.location == *location);
            let own = other.account.access.filter(|_| is_there);
            own.is_some_and(|own| own.may_share_server(access))
        })
    }

    /// Sends a request to the server of a connection.
    pub(super) fn request(
        &mut self,
        connection: Connection,
        message: MessageBuf,
    ) -> Result<RequestId, RegistrationFailure> {
        let options = RequestOptions {
            channel: connection.channel,
            ..RequestOptions::default()
        };
        self.endpoint
            .request(self.now, connection.id, message, options)
            .map_err(RegistrationFailure::Overload)
    }
}
