//! A device whose server is disabled: it is silent until the time is over, and registers then (TS E.2, Resource 4).

use core::time::Duration;

use lwm2m_core::{Code, Instant};
use lwm2m_statemachine::coap::MessageRef;

/// How long a datagram may take that the server has sent before it heard of the end.
const UNDER_WAY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Disabled {
    began: Instant,
    until: Option<Instant>,
    ended: u64,
}

impl Disabled {
    pub(super) const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// How often the Client has registered again.
    pub(super) const fn ended(&self) -> u64 {
        self.ended
    }

    pub(super) const fn begin(&mut self, now: Instant, until: Instant) {
        (self.began, self.until) = (now, Some(until));
    }

    /// Whether something of before may still arrive.
    pub(super) fn has_just_begun(&self, now: Instant) -> bool {
        self.until.is_some() && now <= self.began + UNDER_WAY
    }

    /// The Client goes on after a restart. It may have been about to leave the server; if it knows for how long it
    /// had no power, what had begun ends when it would have ended without.
    pub(super) fn restored(&mut self, until: Option<Instant>, now: Instant, knows_time: bool) {
        if let Some(before) = self.until.filter(|_| knows_time) {
            let left = until.unwrap_or(now);
            assert_eq!(left, before.max(now), "Disable does not outlast a restart");
        }
        self.until = until.or(self.until);
    }

    /// Something leaves the device.
    pub(super) fn sends(&mut self, now: Instant, datagram: &[u8]) {
        let Some(until) = self.until else {
            return;
        };
        assert!(now >= until, "something leaves for a disabled server");
        let message = MessageRef::parse(datagram).unwrap();
        let path: Vec<&str> = message.uri_path().collect();
        assert_eq!((message.code(), &path[..]), (Code::POST, &["rd"][..]));
        self.until = None;
        self.ended += 1;
    }
}
