//! When clients in Queue Mode are awake (TS 8.3), and the deadlines of operations.
//!
//! A client that is asleep takes nothing here, and neither does one that isn't in Queue Mode.

use alloc::collections::BTreeMap;
use core::time::Duration;

use lwm2m_core::Instant;

use super::{config::ServerConfig, id::RegistrationId};
use crate::{downlink::Key, machine::TimerQueue};

/// Whether a client can be sent requests now (TS 5.3.1.1, 8.3).
///
/// A client is in Queue Mode or not, and heard lately or not, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It isn't in Queue Mode: it is reachable at any time.
    Always,
    /// It was heard a moment ago.
    Awake {
        /// When it falls asleep if it isn't heard before; later if an operation is under way then.
        until: Instant,
    },
    /// Operations wait until it is heard again.
    Asleep,
}

/// What a deadline is for. At the same moment, operations end before their client falls asleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum QueueTimer {
    /// This operation has to end.
    Operation(Key<RegistrationId>),
    /// This client wasn't heard for long enough.
    Sleep(RegistrationId),
}

/// When clients are awake, and when operations have to end.
#[derive(Debug)]
pub(super) struct Queue {
    awake: BTreeMap<RegistrationId, Awake>,
    /// How long clients are awake for which that isn't as for the others.
    awake_times: BTreeMap<RegistrationId, Duration>,
    deadlines: BTreeMap<Key<RegistrationId>, Instant>,
    timers: TimerQueue<QueueTimer>,
    awake_time: Duration,
    deadline: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Awake {
    until: Instant,
    /// Without one, an operation is under way.
    timer: Option<Instant>,
}

impl Queue {
    pub(super) fn new(config: &ServerConfig) -> Self {
        let transmission = &config.coap.transmission;
        let wait = transmission.max_transmit_wait();
        let usual = wait.saturating_sub(transmission.ack_timeout);
        Self {
            awake: BTreeMap::new(),
            awake_times: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            timers: TimerQueue::new(),
            awake_time: config.queue_mode.awake.unwrap_or(usual),
            deadline: config.queue_mode.deadline,
        }
    }

    /// When the next deadline is.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// What is due first at `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<QueueTimer> {
        let timer = self.timers.pop_due(now)?;
        match timer {
            QueueTimer::Operation(key) => drop(self.deadlines.remove(&key)),
            QueueTimer::Sleep(client) => {
                if let Some(awake) = self.awake.get_mut(&client) {
                    awake.timer = None;
                }
            }
        }
        Some(timer)
    }
}

/// Clients that wake and fall asleep.
impl Queue {
    /// A client was heard. Returns whether it was asleep.
    pub(super) fn wake(&mut self, now: Instant, client: RegistrationId) -> bool {
        let time = self.awake_times.get(&client);
        let until = now + *time.unwrap_or(&self.awake_time);
        let was_asleep = !self.awake.contains_key(&client);
        let awake = self
            .awake
            .entry(client)
            .or_insert(Awake { until, timer: None });
        awake.until = until;
        let timer = QueueTimer::Sleep(client);
        self.timers.set(timer, &mut awake.timer, Some(until));
        was_asleep
    }

    /// A client is asleep. Returns whether it was awake.
    pub(super) fn fall_asleep(&mut self, client: RegistrationId) -> bool {
        let Some(mut awake) = self.awake.remove(&client) else {
            return false;
        };
        let timer = QueueTimer::Sleep(client);
        self.timers.set(timer, &mut awake.timer, None);
        true
    }

    /// When a client falls asleep, if it isn't asleep.
    pub(super) fn awake_until(&self, client: RegistrationId) -> Option<Instant> {
        self.awake.get(&client).map(|awake| awake.until)
    }

    /// Whether something may be sent to a client for the first time.
    pub(super) fn is_awake(&self, now: Instant, client: RegistrationId) -> bool {
        self.awake_until(client).is_some_and(|until| now < until)
    }

    /// How many clients are awake.
    pub(super) fn awake(&self) -> usize {
        self.awake.len()
    }

    /// Sets how long a client is awake; `None` is as long as others.
    pub(super) fn set_awake_time(&mut self, client: RegistrationId, time: Option<Duration>) {
        match time {
            Some(time) => drop(self.awake_times.insert(client, time)),
            None => drop(self.awake_times.remove(&client)),
        }
    }

    /// How long this client is awake, if that isn't as for the others.
    pub(super) fn awake_time(&self, client: RegistrationId) -> Option<Duration> {
        self.awake_times.get(&client).copied()
    }

    /// A client is awake for so much longer, after a restart.
    pub(super) fn restore(&mut self, now: Instant, client: RegistrationId, left: Duration) {
        let most = self.awake_time(client).unwrap_or(self.awake_time);
        let until = now + left.min(most);
        let awake = Awake { until, timer: None };
        let awake = self.awake.entry(client).or_insert(awake);
        let timer = QueueTimer::Sleep(client);
        self.timers.set(timer, &mut awake.timer, Some(until));
    }

    /// A registration takes the place of another one of the same client.
    pub(super) fn replace(&mut self, old: RegistrationId, new: RegistrationId) {
        let time = self.awake_times.remove(&old);
        self.set_awake_time(new, time);
    }

    /// A registration has ended.
    pub(super) fn forget(&mut self, client: RegistrationId) {
        self.fall_asleep(client);
        self.awake_times.remove(&client);
    }
}

/// The deadlines of operations.
impl Queue {
    /// When an operation has to end that is made now.
    pub(super) fn usual_deadline(&self, now: Instant) -> Instant {
        now + self.deadline
    }

    /// When this operation has to end, if it has a deadline.
    pub(super) fn deadline(&self, key: Key<RegistrationId>) -> Option<Instant> {
        self.deadlines.get(&key).copied()
    }

    /// Sets when this operation has to end; `None` once it has ended.
    pub(super) fn set_deadline(&mut self, key: Key<RegistrationId>, deadline: Option<Instant>) {
        let mut slot = self.deadlines.remove(&key);
        let timer = QueueTimer::Operation(key);
        self.timers.set(timer, &mut slot, deadline);
        if let Some(deadline) = deadline {
            self.deadlines.insert(key, deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: RegistrationId = RegistrationId {
        index: 1,
        serial: 2,
    };

    fn queue() -> Queue {
        Queue::new(&ServerConfig::new([1; 32]))
    }

    #[test]
    fn a_client_is_awake_for_91_seconds_after_its_last_message() {
        let mut queue = queue();
        let at = Instant::from_secs;
        assert!(queue.wake(at(10), CLIENT));
        assert!(!queue.wake(at(20), CLIENT));
        assert_eq!(queue.awake_until(CLIENT), Some(at(111)));
        assert_eq!(queue.timers.len(), 1);
        assert!(queue.is_awake(Instant::from_millis(110_999), CLIENT));
        assert!(!queue.is_awake(at(111), CLIENT));
        assert_eq!(queue.pop_due(at(110)), None);
        assert_eq!(queue.pop_due(at(111)), Some(QueueTimer::Sleep(CLIENT)));
        assert!(queue.fall_asleep(CLIENT));
        assert!(!queue.fall_asleep(CLIENT));
        assert_eq!((queue.awake(), queue.timers.len()), (0, 0));
    }

    #[test]
    fn a_client_may_be_awake_for_another_time_and_its_next_registration_too() {
        let mut queue = queue();
        let next = RegistrationId {
            serial: 3,
            ..CLIENT
        };
        queue.set_awake_time(CLIENT, Some(Duration::from_secs(5)));
        queue.replace(CLIENT, next);
        queue.wake(Instant::ZERO, next);
        assert_eq!(queue.awake_until(next), Some(Instant::from_secs(5)));
        queue.forget(next);
        queue.wake(Instant::ZERO, next);
        assert_eq!(queue.awake_until(next), Some(Instant::from_secs(91)));
    }

    #[test]
    fn an_operation_ends_before_its_client_falls_asleep_at_the_same_moment() {
        let mut queue = queue();
        let key = Key {
            client: CLIENT,
            serial: 9,
        };
        let end = Instant::from_secs(91);
        queue.wake(Instant::ZERO, CLIENT);
        queue.set_deadline(key, Some(Instant::from_secs(500)));
        queue.set_deadline(key, Some(end));
        assert_eq!(queue.deadline(key), Some(end));
        assert_eq!(queue.pop_due(end), Some(QueueTimer::Operation(key)));
        assert_eq!(queue.pop_due(end), Some(QueueTimer::Sleep(CLIENT)));
        assert_eq!(queue.deadline(key), None);
        queue.set_deadline(key, Some(end));
        queue.set_deadline(key, None);
        assert_eq!(queue.next_deadline(), None);
    }
}
