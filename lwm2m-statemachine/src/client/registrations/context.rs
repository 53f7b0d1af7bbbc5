//! What registrations need, and what they ask for.

use core::time::Duration;

use lwm2m_core::Instant;
use lwm2m_objects::ObjectTree;

use super::{
    super::{
        accounts::DigestKey,
        config::Identity,
        event::{AccountId, ClientEvent, ConnectionId, RegistrationFailure},
        retry::Retry,
        timers::Timers,
    },
    parameters::ObjectList,
};
use crate::{
    coap::{Config, Endpoint},
    machine::Channel,
};

/// How long something takes, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Span {
    udp: u64,
    sms: u64,
}

impl Span {
    fn new(udp: Duration, sms: Duration) -> Self {
        let millis = |takes: Duration| u64::try_from(takes.as_millis()).unwrap_or(u64::MAX);
        Self {
            udp: millis(udp),
            sms: millis(sms),
        }
    }

    const fn over(self, channel: Channel) -> Duration {
        Duration::from_millis(match channel {
            Channel::Udp => self.udp,
            Channel::Sms => self.sms,
        })
    }
}

/// How long messages take over each channel.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct Takes {
    update: Span,
    latency: Span,
}

impl Takes {
    pub(in crate::client) fn new(config: &Config) -> Self {
        let udp = &config.transmission;
        Self {
            update: Span::new(udp.max_transmit_wait(), config.all_over_sms()),
            latency: Span::new(udp.max_latency, config.sms_latency),
        }
    }

    /// How long an Update may take: MAX_TRANSMIT_WAIT. Over SMS nothing is retransmitted, so that is several
    /// Updates, each with its wait for an answer.
    pub(super) const fn over(self, channel: Channel) -> Duration {
        self.update.over(channel)
    }

    /// How long a datagram may be under way: MAX_LATENCY (RFC 7252 §4.8.2).
    pub(super) const fn latency(self, channel: Channel) -> Duration {
        self.latency.over(channel)
    }
}

/// How Queue Mode is (TS 8.3).
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct QueueTerms {
    /// How long the Client is awake after the last message.
    pub(in crate::client) awake: Duration,
    /// Whether a notification that is due wakes it.
    pub(in crate::client) wakes_to_notify: bool,
}

/// What is the same for all registrations.
#[derive(Debug)]
pub(in crate::client) struct Terms {
    pub(in crate::client) identity: Identity,
    pub(in crate::client) takes: Takes,
    pub(in crate::client) queue: QueueTerms,
    pub(in crate::client) retry: Retry,
    pub(in crate::client) digest_key: DigestKey,
}

/// What registrations need for a step.
pub(in crate::client) struct Context<'c> {
    pub(in crate::client) now: Instant,
    pub(in crate::client) tree: &'c ObjectTree,
    pub(in crate::client) endpoint: &'c mut Endpoint<ConnectionId>,
    pub(in crate::client) timers: &'c mut Timers,
    pub(in crate::client) list: ObjectList,
}

/// What registrations ask of the Client.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "few, and taken out at once")]
pub(in crate::client) enum Report {
    /// An attempt to register has failed.
    NotRegistered(AccountId, RegistrationFailure),
    /// The registration has ended, and with it the server's observations and deferred requests.
    Ended(AccountId),
    /// The same, as the server is disabled: what it would have been notified of is kept.
    Disabled(AccountId),
    /// A registration has begun, for this lifetime.
    Begun(AccountId, Duration),
    /// The registration lives on without a connection: the server can't be notified.
    Offline(AccountId),
    /// The server can be notified again, after a time without a connection.
    Online(AccountId),
    /// Tell the application.
    Tell(ClientEvent),
    /// The connection is no longer needed.
    Close(ConnectionId),
    /// Nothing is sent on the connection for a while. What is under way on it ends.
    Rest(ConnectionId),
}
