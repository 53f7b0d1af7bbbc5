//! The Information Reporting interface: who observes what, and when a notification is due
//! (TS 5.5, 5.1.2).

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use lwm2m_core::{ContentFormat, Instant, ObjectId, Path, ShortServerId};

use super::{Timer, changed::Changed, event::ConnectionId};
use crate::{
    coap::{self, NotificationId, Token},
    machine::TimerQueue,
};

/// All observations of all servers, each with the token of its request: a path may be observed
/// many times.
#[derive(Debug, Default)]
pub(super) struct Observations {
    by_id: BTreeMap<ObservationId, Observation>,
    next: u64,
    /// The number that the last answer or notification had. One for all, so that it grows for each
    /// of them, over a new request with an old token, too (RFC 7641 §3.3.1, §4.4).
    number: u32,
}

/// In the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ObservationId(u64);

/// Who observes, by the request that asked for it.
#[derive(Clone, Debug)]
pub(super) struct Observer {
    pub(super) server: ShortServerId,
    pub(super) connection: ConnectionId,
    pub(super) entry: coap::Observer,
}

impl Observer {
    pub(super) const fn token(&self) -> Token {
        self.entry.token()
    }

    /// What tells observations apart (RFC 7641 §4.1).
    pub(super) fn has(&self, connection: ConnectionId, token: Token) -> bool {
        self.connection == connection && self.token() == token
    }
}

/// One observation relationship.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    pub(super) observer: Observer,
    pub(super) path: Path,
    /// The format of the notifications is that of the first answer (RFC 7641 §4.2).
    pub(super) format: ContentFormat,
    /// When the last notification was sent.
    sent: Instant,
    /// What is observed has changed since.
    changed: bool,
    /// When the next notification is due, as the machine's timer queue has it.
    deadline: Option<Instant>,
}

/// Minimum and Maximum Period (TS Table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Periods {
    pub(super) minimum: Duration,
    pub(super) maximum: Option<Duration>,
}

impl Periods {
    /// From seconds; a Maximum Period of 0, or below the Minimum Period, is ignored.
    pub(super) fn new(minimum: Option<u32>, maximum: Option<u32>) -> Self {
        let minimum = minimum.unwrap_or(0);
        let maximum = maximum.filter(|maximum| *maximum > 0 && *maximum >= minimum);
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        Self {
            minimum: seconds(minimum),
            maximum: maximum.map(seconds),
        }
    }
}

impl Observations {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The number of the next answer or notification (RFC 7641 §4.4): 24 bits.
    pub(super) fn number(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1) & 0x00ff_ffff;
        self.number
    }

    pub(super) fn contains(&self, connection: ConnectionId, token: Token) -> bool {
        self.by_id
            .values()
            .any(|observation| observation.observer.has(connection, token))
    }

    /// Adds an observation whose first answer is sent at `now`. One of the same connection and
    /// token is replaced (RFC 7641 §4.1).
    pub(super) fn add(
        &mut self,
        now: Instant,
        observer: Observer,
        path: Path,
        format: ContentFormat,
        periods: Periods,
        timers: &mut TimerQueue<Timer>,
    ) {
        let (connection, token) = (observer.connection, observer.token());
        let _ = self.end(timers, |observation| {
            observation.observer.has(connection, token)
        });
        let id = ObservationId(self.next);
        self.next += 1;
        let mut observation = Observation {
            observer,
            path,
            format,
            sent: now,
            changed: false,
            deadline: None,
        };
        observation.arm(id, periods, timers);
        self.by_id.insert(id, observation);
    }

    /// Ends the observations that `of` chooses, and tells which.
    pub(super) fn end(
        &mut self,
        timers: &mut TimerQueue<Timer>,
        of: impl Fn(&Observation) -> bool,
    ) -> Vec<Observation> {
        let mut ended = Vec::new();
        self.by_id.retain(|id, observation| {
            let end = of(observation);
            if end {
                timers.set(Timer::Observation(*id), &mut observation.deadline, None);
                ended.push(observation.clone());
            }
            !end
        });
        ended
    }

    /// Something has changed. The Server Object holds the periods of all observations of its
    /// server, so that they may have changed with it.
    pub(super) fn changed(
        &mut self,
        changed: &Changed,
        mut periods: impl FnMut(ShortServerId) -> Periods,
        timers: &mut TimerQueue<Timer>,
    ) {
        let all = changed.touches(ObjectId::SERVER.into());
        for (id, observation) in &mut self.by_id {
            let touched = changed.touches(observation.path);
            if touched {
                observation.changed = true;
            }
            if touched || all {
                observation.arm(*id, periods(observation.observer.server), timers);
            }
        }
    }

    pub(super) fn get_mut(&mut self, id: ObservationId) -> Option<&mut Observation> {
        self.by_id.get_mut(&id)
    }

    /// The observation whose deadline the timer queue gave out.
    pub(super) fn due(&mut self, id: ObservationId) -> Option<&mut Observation> {
        let observation = self.get_mut(id)?;
        observation.deadline = None;
        Some(observation)
    }
}

impl Observation {
    /// A notification goes out at `now`.
    pub(super) fn notify(&mut self, now: Instant) {
        self.sent = now;
        self.changed = false;
    }

    /// Whether a notification to its observer is one of this observation.
    pub(super) fn has_sent(&self, notification: NotificationId) -> bool {
        self.observer.entry.has_sent(notification)
    }

    /// When the next notification is due: after a change as soon as the Minimum Period is over,
    /// without one when the Maximum Period is.
    pub(super) fn arm(
        &mut self,
        id: ObservationId,
        periods: Periods,
        timers: &mut TimerQueue<Timer>,
    ) {
        let deadline = match (self.changed, periods.maximum) {
            (true, _) => Some(self.sent + periods.minimum),
            (false, Some(maximum)) => Some(self.sent + maximum),
            (false, None) => None,
        };
        timers.set(Timer::Observation(id), &mut self.deadline, deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7641 §3.4, §4.4: numbers rise within 24 bits, and begin anew after them.
    #[test]
    fn numbers_begin_anew_after_24_bits() {
        let mut observations = Observations {
            number: 0x00ff_fffe,
            ..Observations::default()
        };
        let numbers = [(); 3].map(|()| observations.number());
        assert_eq!(numbers, [0x00ff_ffff, 0, 1]);
    }
}
