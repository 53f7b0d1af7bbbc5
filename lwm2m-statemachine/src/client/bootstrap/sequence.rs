//! The Bootstrap Sequence (TS 5.2.4): when a Client Initiated Bootstrap begins.
//!
//! ```text
//! Stopped ─ start ─> Smartcard ─ answered ─> Registering ─ no server is left ─> HoldingOff ─ over ─> Requesting
//!                                              ^                                   │                   │
//!                                              └─── a server registers, a bootstrap begins or ends ────┘
//! ```
//!
//! The sequence decides, and does nothing by itself. It is fed with what is known of servers and of the time.

use core::{mem, time::Duration};

use lwm2m_core::Instant;

use super::super::{
    retry::{Attempts, AttemptsRecord, Retry},
    span::{Downtime, Span},
};

/// The Bootstrap Sequence.
#[derive(Debug)]
pub(super) struct Sequence {
    phase: Phase,
    /// The phase after the smartcard.
    begins: Phase,
    /// The attempts of Client Initiated Bootstraps, in a row.
    attempts: Attempts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Stopped,
    /// Step 1.
    Smartcard,
    /// Steps 2 and 3.
    Registering,
    /// Step 4 is decided; a Server Initiated Bootstrap is waited for.
    HoldingOff {
        until: Instant,
    },
    /// Step 4, until a server registers.
    Requesting,
}

/// What the sequence has to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// Whether no server is left: all have failed, or there is none.
    pub(super) none_is_left: bool,
    /// Client Hold Off Time (TS E.1, Resource 11), if there is an account of a Bootstrap-Server.
    pub(super) hold_off: Option<Duration>,
    /// Whether a bootstrap has begun, whoever began it.
    pub(super) has_begun: bool,
    /// Whether there is no network.
    pub(super) is_offline: bool,
}

impl Sequence {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Stopped,
            begins: Phase::Registering,
            attempts: Attempts::default(),
        }
    }

    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether what the Client was made with has been tried: the smartcard, and the factory (TS 5.2.4, steps 1
    /// and 2). Before that, no Bootstrap-Server may begin.
    pub(super) const fn is_past_factory(&self) -> bool {
        !matches!(self.phase, Phase::Stopped | Phase::Smartcard)
    }

    /// The application wants registrations. The next attempt isn't waited for.
    pub(super) fn start(&mut self, has_smartcard: bool) {
        self.attempts.end_wait();
        if self.phase == Phase::Stopped {
            self.phase = Phase::Smartcard;
            if !has_smartcard {
                self.smartcard_tried();
            }
        }
    }

    /// The application wants none.
    pub(super) fn stop(&mut self) {
        *self = Self::new();
    }

    /// The smartcard was read. Returns whether that was waited for.
    pub(super) fn smartcard_tried(&mut self) -> bool {
        let is_expected = self.phase == Phase::Smartcard;
        if is_expected {
            self.phase = mem::replace(&mut self.begins, Phase::Registering);
        }
        is_expected
    }

    /// The application asks for a bootstrap. If it fails, the sequence goes on where it was.
    pub(super) const fn requested(&mut self) {
        if let Phase::HoldingOff { .. } = self.phase {
            self.phase = Phase::Requesting;
        }
    }

    /// The Bootstrap-Server has begun one. If it fails, the decision is made anew.
    pub(super) const fn begun_by_server(&mut self) {
        if let Phase::HoldingOff { .. } | Phase::Requesting = self.phase {
            self.phase = Phase::Registering;
        }
    }

    /// A Client Initiated Bootstrap has failed.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        retry: &mut Retry,
        is_refused: bool,
        at_least: Duration,
    ) {
        self.attempts.fail(now, retry, is_refused, at_least);
    }

    /// A bootstrap has succeeded. As long as it leads to no registration, it is one more failure in the row: the
    /// accounts that it brings may be refused each time.
    pub(super) fn finished(&mut self, now: Instant, retry: &mut Retry, is_registered: bool) {
        if !is_registered {
            self.attempts.fail(now, retry, false, Duration::ZERO);
        }
        if self.is_past_factory() {
            self.phase = Phase::Registering;
        }
    }

    /// A server has accepted a Register: the row of failures ends.
    pub(super) fn registered(&mut self) {
        self.attempts = Attempts::default();
    }

    /// Takes the next step. Returns whether a Client Initiated Bootstrap begins now.
    pub(super) fn advance(&mut self, now: Instant, facts: Facts) -> bool {
        if facts.has_begun || !self.is_past_factory() {
            return false;
        }
        let Some(hold_off) = facts.hold_off.filter(|_| facts.none_is_left) else {
            // Nobody needs to be asked, or there is nobody to ask.
            self.phase = Phase::Registering;
            return false;
        };
        if self.phase == Phase::Registering {
            // The Client Hold Off Time counts from the decision.
            self.phase = Phase::HoldingOff {
                until: now + hold_off,
            };
        }
        match self.phase {
            _ if facts.is_offline => false,
            Phase::HoldingOff { until } if until <= now => {
                self.phase = Phase::Requesting;
                !self.attempts.waits(now)
            }
            Phase::Requesting => !self.attempts.waits(now),
            _ => false,
        }
    }

    /// When the next step is due, if no bootstrap has begun.
    pub(super) const fn next(&self) -> Option<Instant> {
        match self.phase {
            Phase::HoldingOff { until } => Some(until),
            Phase::Requesting => self.attempts.next(),
            Phase::Stopped | Phase::Smartcard | Phase::Registering => None,
        }
    }
}

/// What of the sequence outlasts a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct SequenceRecord {
    decision: Option<DecisionRecord>,
    attempts: AttemptsRecord,
}

/// Step 4 is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum DecisionRecord {
    HoldingOff(Span),
    Requesting,
}

impl Sequence {
    pub(super) fn record(&self, now: Instant) -> SequenceRecord {
        let phase = match self.phase {
            Phase::Stopped | Phase::Smartcard => self.begins,
            phase => phase,
        };
        SequenceRecord {
            decision: match phase {
                Phase::HoldingOff { until } => {
                    Some(DecisionRecord::HoldingOff(Span::until(until, now)))
                }
                Phase::Requesting => Some(DecisionRecord::Requesting),
                Phase::Stopped | Phase::Smartcard | Phase::Registering => None,
            },
            attempts: self.attempts.record(now),
        }
    }

    /// A decision that was made holds. The Client Hold Off Time isn't longer than `hold_off`.
    pub(super) fn restore(
        &mut self,
        record: &SequenceRecord,
        downtime: Downtime,
        hold_off: Duration,
    ) {
        self.begins = match record.decision {
            Some(DecisionRecord::HoldingOff(left)) => Phase::HoldingOff {
                until: downtime.until_at_latest(left).min(downtime.now + hold_off),
            },
            Some(DecisionRecord::Requesting) => Phase::Requesting,
            None => Phase::Registering,
        };
        self.attempts = Attempts::restored(record.attempts, downtime);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{client::config::Backoff, machine::Random};

    const NONE_LEFT: Facts = Facts {
        none_is_left: true,
        hold_off: Some(Duration::from_secs(30)),
        has_begun: false,
        is_offline: false,
    };
    const BEGUN: Facts = Facts {
        has_begun: true,
        ..NONE_LEFT
    };
    const ONE_LEFT: Facts = Facts {
        none_is_left: false,
        ..NONE_LEFT
    };

    fn at(seconds: u64) -> Instant {
        Instant::from_secs(seconds)
    }

    fn started() -> Sequence {
        let mut sequence = Sequence::new();
        sequence.start(false);
        sequence
    }

    fn retry() -> Retry {
        Retry {
            backoff: Backoff::default(),
            random: Random::new([7; 32]),
        }
    }

    #[test]
    fn nothing_begins_before_the_start_and_before_the_smartcard_was_read() {
        let mut sequence = Sequence::new();
        assert!(!sequence.advance(at(0), NONE_LEFT));
        assert!(!sequence.is_past_factory());
        sequence.start(true);
        assert!(!sequence.advance(at(100), NONE_LEFT));
        assert!(!sequence.is_past_factory());
        assert!(sequence.smartcard_tried());
        assert!(!sequence.smartcard_tried());
        assert!(sequence.is_past_factory());
        assert!(!sequence.advance(at(100), NONE_LEFT));
        assert_eq!(sequence.next(), Some(at(130)));
    }

    #[test]
    fn the_hold_off_time_counts_from_the_decision() {
        let mut sequence = started();
        assert!(!sequence.advance(at(50), ONE_LEFT));
        assert_eq!(sequence.next(), None);
        assert!(!sequence.advance(at(100), NONE_LEFT));
        assert!(!sequence.advance(at(129), NONE_LEFT));
        assert_eq!(sequence.next(), Some(at(130)));
        assert!(sequence.advance(at(130), NONE_LEFT));
    }

    #[test]
    fn a_hold_off_time_of_zero_begins_at_once() {
        let facts = Facts {
            hold_off: Some(Duration::ZERO),
            ..NONE_LEFT
        };
        assert!(started().advance(at(5), facts));
    }

    #[test]
    fn without_an_account_of_a_bootstrap_server_nobody_is_asked() {
        let facts = Facts {
            hold_off: None,
            ..NONE_LEFT
        };
        let mut sequence = started();
        assert!(!sequence.advance(at(5), facts));
        assert_eq!(sequence.phase(), Phase::Registering);
    }

    #[test]
    fn a_server_that_registers_in_time_ends_the_decision() {
        let mut sequence = started();
        assert!(!sequence.advance(at(0), NONE_LEFT));
        assert!(!sequence.advance(at(20), ONE_LEFT));
        assert_eq!(sequence.phase(), Phase::Registering);
        assert!(!sequence.advance(at(40), NONE_LEFT));
        assert_eq!(sequence.next(), Some(at(70)));
    }

    #[test]
    fn a_bootstrap_that_the_server_begins_cancels_ours_and_if_it_fails_the_decision_is_made_anew() {
        let mut sequence = started();
        assert!(!sequence.advance(at(0), NONE_LEFT));
        sequence.begun_by_server();
        assert!(!sequence.advance(at(30), BEGUN));
        assert_eq!(sequence.next(), None);
        assert!(!sequence.advance(at(60), NONE_LEFT));
        assert_eq!(sequence.next(), Some(at(90)));
    }

    #[test]
    fn attempts_that_fail_are_spaced() {
        let (mut sequence, mut retry) = (started(), retry());
        sequence.advance(at(0), NONE_LEFT);
        assert!(sequence.advance(at(30), NONE_LEFT));
        let mut now = at(30);
        let mut waits = Vec::new();
        for _ in 0..4 {
            sequence.failed(now, &mut retry, false, Duration::ZERO);
            assert!(!sequence.advance(now, NONE_LEFT));
            let next = sequence.next().unwrap();
            waits.push(next.saturating_duration_since(now).as_secs_f32());
            assert!(sequence.advance(next, NONE_LEFT));
            now = next;
        }
        for (wait, full) in waits.iter().zip([5.0, 10.0, 20.0, 40.0]) {
            assert!((full / 2.0..=full).contains(wait), "{waits:?}");
        }
        sequence.failed(now, &mut retry, true, Duration::from_secs(5000));
        assert!(sequence.next() >= Some(now + Duration::from_secs(5000)));
    }

    #[test]
    fn bootstraps_that_lead_to_no_registration_are_spaced() {
        let (mut sequence, mut retry) = (started(), retry());
        let facts = Facts {
            hold_off: Some(Duration::ZERO),
            ..NONE_LEFT
        };
        let mut now = at(0);
        for full in [5.0, 10.0, 20.0, 40.0] {
            assert!(sequence.advance(now, facts));
            sequence.finished(now, &mut retry, false);
            // The servers are tried, and fail.
            assert!(!sequence.advance(now, ONE_LEFT));
            assert!(!sequence.advance(now, facts));
            let next = sequence.next().unwrap();
            let wait = next.saturating_duration_since(now).as_secs_f32();
            assert!((full / 2.0..=full).contains(&wait), "{wait} of {full}");
            now = next;
        }
        sequence.registered();
        assert!(sequence.advance(now, facts));
        sequence.finished(now, &mut retry, true);
        assert!(sequence.advance(now, facts));
    }

    #[test]
    fn offline_the_next_step_waits() {
        let offline = Facts {
            is_offline: true,
            ..NONE_LEFT
        };
        let mut sequence = started();
        assert!(!sequence.advance(at(0), offline));
        assert!(!sequence.advance(at(40), offline));
        assert!(sequence.advance(at(40), NONE_LEFT));
    }
}
