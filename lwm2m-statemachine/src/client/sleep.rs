//! Whether the device may power down, and until when (TS 8.3).
//!
//! In Queue Mode each server counts for itself when the Client is asleep: `registrations` knows that. The device may
//! power down when all of them believe so, and nothing is under way anywhere. Then what only keeps house, such as
//! forgetting old message ids, waits until the device is up for another reason.

use lwm2m_core::Instant;

use super::{
    event::{AccountId, ClientEvent},
    parts::Parts,
};

impl Parts {
    /// Those servers for which the Client has been awake for long enough believe that it is asleep.
    pub(super) fn fall_asleep(&mut self, now: Instant) {
        self.last_call.at = now;
        loop {
            let over = self.awake_until().find(|(_, until)| *until <= now);
            let Some((account, _)) = over else {
                return;
            };
            self.register(now, |registrations, context| {
                registrations.fall_asleep(context, account);
            });
        }
    }

    /// When something is due. If the device may power down, this is something that shows outside.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let own = [
            self.timers.next(),
            self.tree.poll_timeout(),
            self.last_call.counted,
            // What has kept the Client awake may have ended a moment ago.
            self.awake_until()
                .map(|(_, until)| until.max(self.last_call.at))
                .min(),
        ];
        let endpoint = self.endpoint.poll_timeout();
        let endpoint = endpoint.filter(|_| !self.may_sleep());
        own.into_iter().chain([endpoint]).flatten().min()
    }

    /// Whether the device may power down until the [next deadline](Self::next_deadline).
    pub(super) fn may_sleep(&self) -> bool {
        self.registrations.queue().allows_sleep(&self.tree) && !self.is_busy()
    }

    /// The event that tells that the device may power down, if there is news.
    pub(super) fn poll_sleep(&mut self) -> Option<ClientEvent> {
        let until = self.sleep_to_tell();
        if until.is_some() {
            self.last_call.may_sleep_until = until;
        } else if !self.may_sleep() {
            self.last_call.may_sleep_until = None;
        }
        let until = until?;
        Some(ClientEvent::MaySleep {
            until: (until < Instant::MAX).then_some(until),
        })
    }

    /// Until when the device may power down, if the application doesn't know that.
    pub(super) fn sleep_to_tell(&self) -> Option<Instant> {
        if !self.may_sleep() {
            return None;
        }
        let until = self.next_deadline().unwrap_or(Instant::MAX);
        (until > self.last_call.at && self.last_call.may_sleep_until != Some(until))
            .then_some(until)
    }

    /// The accounts for whose servers the Client is awake in Queue Mode with nothing under way, and until when.
    fn awake_until(&self) -> impl Iterator<Item = (AccountId, Instant)> {
        let all = self.registrations.queue().awake_until(self.last_call.at);
        all.filter(|(account, _)| !self.is_open_with(*account))
    }

    /// Whether something is under way with the server of an account: a message in either direction that isn't
    /// acknowledged or answered, a body in blocks, a request that the application answers, what was stored and can be
    /// sent now, or a flow that ends in a De-register.
    fn is_open_with(&self, account: AccountId) -> bool {
        let mut connections = self.registrations.queue().connections(account);
        connections.any(|connection| self.endpoint.is_open_with(&connection))
            || self.requests.has_deferred(account)
            || self.reporting.has_stored(account) && self.can_be_told(account)
            || self.flows.is_running()
            || self.tree.is_holding()
    }

    /// Whether the server of an account can be notified: what is stored for one that can't be reached waits for the
    /// next Update that it answers, and doesn't keep the device awake until then.
    fn can_be_told(&self, account: AccountId) -> bool {
        let connection = self.registrations.reporting(self.last_call.at, account);
        connection.is_some()
    }

    /// Whether something is under way with anybody.
    fn is_busy(&self) -> bool {
        let usage = self.endpoint.usage();
        let bodies = usage.receiving.bodies + usage.serving.bodies + usage.sources;
        usage.transmissions + usage.requests + bodies > 0
            || self.endpoint.has_to_send()
            || self.requests.usage() != (0, 0)
            || self.bootstrap.is_busy()
            || self.downloads.are_under_way()
            || self.flows.is_running()
            || self.last_call.counted.is_some()
    }
}
