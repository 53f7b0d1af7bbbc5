//! Whether the Client is awake for a server in Queue Mode (TS 8.3).
//!
//! ```text
//! awake ─ nothing open, and no message either way for the awake time ─> asleep
//! asleep ─ something to tell, or a request of the server ─> awake, and an Update is the first that is sent
//! ```

use core::time::Duration;

use lwm2m_core::Instant;

/// What the awake time of a server counts from, and whether it is over.
#[derive(Debug)]
pub(super) struct Awake {
    /// When there was the last message, from the server or to it.
    last: Instant,
    is_asleep: bool,
}

impl Awake {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            last: now,
            is_asleep: false,
        }
    }

    /// The awake time was over before a restart.
    pub(super) const fn asleep(now: Instant) -> Self {
        Self {
            last: now,
            is_asleep: true,
        }
    }

    pub(super) const fn is_asleep(&self) -> bool {
        self.is_asleep
    }

    /// When the awake time is over, if it isn't.
    pub(super) fn until(&self, awake: Duration) -> Option<Instant> {
        (!self.is_asleep).then(|| self.last + awake)
    }

    /// A message was received or sent.
    pub(super) const fn note(&mut self, now: Instant) {
        self.last = now;
    }

    pub(super) const fn fall_asleep(&mut self) {
        self.is_asleep = true;
    }

    pub(super) const fn wake(&mut self) {
        self.is_asleep = false;
    }
}
