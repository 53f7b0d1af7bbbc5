//! What a server has granted: a registration for a lifetime (TS 5.3).

use core::time::Duration;

use lwm2m_core::Instant;

use super::{
    super::retry::Attempts,
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
    unsure: Told,
    /// When the lifetime is over. The server may count from the first transmission.
    pub(super) expires: Instant,
    /// When an Update prolongs it.
    update_at: Instant,
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
}

/// How a request was sent that the server has accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    /// When it was sent.
    pub(super) sent: Instant,
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

    pub(super) const fn update_at(&self) -> Instant {
        self.update_at
    }
}
