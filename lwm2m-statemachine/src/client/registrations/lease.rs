//! What a server has granted: a registration for a lifetime (TS 5.3).

use core::time::Duration;

use lwm2m_core::Instant;

use super::{
    super::{event::QueueState, retry::Attempts},
    awake::Awake,
    location::Location,
    parameters::{Parameters, Told},
};
use crate::machine::Channel;

/// A registration that stands. It needs no connection: it goes on when there is one again.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) location: Location,
    /// What the server was told last and has accepted.
    pub(super) known: Parameters,
    /// What Updates have told since. The server may have it although no answer came.
    pub(super) unsure: Told,
    /// When the lifetime is over. The server may count from the first transmission.
    pub(super) expires: Instant,
    /// When an Update prolongs it.
    pub(super) update_at: Instant,
    /// An Update is sent even if nothing has changed.
    pub(super) update_asked: bool,
    /// Something may have changed that the server should know.
    pub(super) is_stale: bool,
    /// The server has answered since the link came back: it may be notified (TS 8.3).
    pub(super) is_confirmed: bool,
    /// The channel over which the server has accepted it last.
    pub(super) channel: Channel,
    /// The attempts to move to the channel that the binding says.
    pub(super) moves: Attempts,
    /// What Queue Mode counts from, also without it.
    pub(super) awake: Awake,
}

/// How a request was sent that the server has accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    /// When it was sent.
    pub(super) sent: Instant,
    /// When its answer arrived.
    pub(super) answered: Instant,
    /// Over which channel.
    pub(super) channel: Channel,
    /// How long the next one may take.
    pub(super) next_takes: Duration,
}

impl Lease {
    /// The server has accepted a Register with these parameters.
    pub(super) fn new(location: Location, known: Parameters, accepted: Accepted) -> Self {
        Self {
            location,
            expires: accepted.sent + known.lifetime(),
            update_at: accepted.sent + known.update_after(accepted.next_takes),
            known,
            unsure: Told::default(),
            update_asked: false,
            // Something may have changed while the Register was under way.
            is_stale: true,
            is_confirmed: true,
            channel: accepted.channel,
            moves: Attempts::default(),
            awake: Awake::new(accepted.answered),
        }
    }

    /// The server has accepted an Update with these parameters.
    pub(super) fn prolong(&mut self, known: Parameters, accepted: Accepted) {
        self.expires = accepted.sent + known.lifetime();
        self.update_at = accepted.sent + known.update_after(accepted.next_takes);
        self.channel = accepted.channel;
        self.known = known;
        self.unsure = Told::default();
        self.is_stale = true;
        self.is_confirmed = true;
    }

    /// What an Update has to tell, so that the server knows these parameters once it accepts it.
    pub(super) fn to_tell(&self, parameters: &Parameters) -> Told {
        parameters.differences(&self.known).with(self.unsure)
    }

    /// An Update with these parameters is sent. The server may take what it tells, and a shorter lifetime,
    /// although its answer is lost.
    pub(super) fn tells(&mut self, parameters: &Parameters, now: Instant) {
        self.unsure = self.to_tell(parameters);
        self.expires = self.expires.min(now + parameters.lifetime());
    }

    /// The next Update isn't later.
    pub(super) fn ask_at(&mut self, at: Option<Instant>) {
        self.update_at = at.map_or(self.update_at, |at| self.update_at.min(at));
    }

    pub(super) const fn update_at(&self) -> Instant {
        self.update_at
    }

    /// Whether the Client is awake for the server, if that has chosen Queue Mode.
    pub(super) fn queue_state(&self) -> Option<QueueState> {
        self.known.queues().then_some(if self.awake.is_asleep() {
            QueueState::Asleep
        } else {
            QueueState::Awake
        })
    }

    /// Whether the server believes that the Client is asleep.
    pub(super) fn is_asleep(&self) -> bool {
        self.queue_state() == Some(QueueState::Asleep)
    }

    /// The awake time is over: from now on nothing is sent to the server before an Update (TS 8.3).
    pub(super) const fn fall_asleep(&mut self) {
        self.awake.fall_asleep();
        self.is_confirmed = false;
    }

    /// The server has sent a request: the Client is awake, and has an Update to send.
    pub(super) const fn wake(&mut self) {
        self.awake.wake();
        self.update_asked = true;
    }

    /// Whether the lifetime asks for an Update, or someone did.
    pub(super) fn is_update_due(&self, now: Instant) -> bool {
        self.update_asked || self.update_at <= now
    }
}
