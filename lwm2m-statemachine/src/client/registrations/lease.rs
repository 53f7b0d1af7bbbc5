//! What a server has granted: a registration for a lifetime (TS 5.3).

use core::time::Duration;

use lwm2m_core::Instant;

use super::{location::Location, parameters::Parameters};

/// A registration that stands. It needs no connection: it goes on when there is one again.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) location: Location,
    /// What the server was told last and has accepted.
    pub(super) known: Parameters,
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
}

impl Lease {
    /// The server has accepted a Register with these parameters, which was sent at `sent`.
    pub(super) fn new(
        location: Location,
        known: Parameters,
        sent: Instant,
        max_transmit_wait: Duration,
    ) -> Self {
        Self {
            location,
            expires: sent + known.lifetime(),
            update_at: sent + known.update_after(max_transmit_wait),
            known,
            update_asked: false,
            // Something may have changed while the Register was under way.
            is_stale: true,
            is_confirmed: true,
        }
    }

    /// The server has accepted an Update with these parameters, which was sent at `sent`.
    pub(super) fn prolong(
        &mut self,
        known: Parameters,
        sent: Instant,
        max_transmit_wait: Duration,
    ) {
        self.expires = sent + known.lifetime();
        self.update_at = sent + known.update_after(max_transmit_wait);
        self.known = known;
        self.is_stale = true;
        self.is_confirmed = true;
    }

    /// An Update with these parameters is sent. The server may take a shorter lifetime although its
    /// answer is lost.
    pub(super) fn tells(&mut self, parameters: &Parameters, now: Instant) {
        self.expires = self.expires.min(now + parameters.lifetime());
    }

    pub(super) const fn update_at(&self) -> Instant {
        self.update_at
    }
}
