//! One download: where it is, and when what is due.

use alloc::string::String;
use core::time::Duration;

use lwm2m_core::Instant;

use super::{
    super::{config::DownloadConfig, event::ConnectionId},
    body::Body,
    target::Target,
};
use crate::{coap::RequestId, machine::Random};

/// A download for one Object.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) target: Target,
    pub(super) uri: String,
    pub(super) state: State,
    pub(super) body: Body,
    /// The deadline that the timer queue has.
    pub(super) armed: Option<Instant>,
    /// The number of failures in a row.
    failures: u32,
    /// How often it has begun again, because the body was another one.
    restarts: u8,
    /// When it began to run, less the time for which it has waited since.
    began: Instant,
    /// When bytes arrived last.
    progressed: Instant,
    /// Since when it has waited, if it does.
    waits_since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// For others to end, or for the application to be online.
    Waiting,
    /// The application is asked for a connection.
    Connecting(ConnectionId),
    /// A block is asked for.
    Asking {
        connection: ConnectionId,
        request: RequestId,
    },
    /// Until the next attempt. A connection that is up is kept.
    Pausing {
        connection: Option<ConnectionId>,
        until: Instant,
    },
}

impl Download {
    pub(super) fn new(target: Target, uri: String, block_size: usize, now: Instant) -> Self {
        Self {
            target,
            uri,
            state: State::Waiting,
            body: Body::new(block_size),
            armed: None,
            failures: 0,
            restarts: 0,
            began: now,
            progressed: now,
            waits_since: now,
        }
    }

    /// The connection that it has or asks for.
    pub(super) const fn connection(&self) -> Option<ConnectionId> {
        match self.state {
            State::Waiting => None,
            State::Connecting(connection) | State::Asking { connection, .. } => Some(connection),
            State::Pausing { connection, .. } => connection,
        }
    }

    /// It has waited for long enough. The wait counts neither as silence nor as time that it takes.
    pub(super) fn run(&mut self, now: Instant) {
        self.began += now.saturating_duration_since(self.waits_since);
        self.progressed = now;
    }

    /// It waits from now on.
    pub(super) fn wait(&mut self, now: Instant) {
        self.body.interrupt();
        self.state = State::Waiting;
        self.waits_since = now;
    }

    /// Bytes have arrived.
    pub(super) const fn progressed(&mut self, now: Instant) {
        self.failures = 0;
        self.progressed = now;
    }

    /// Waits after a failure, at least this many seconds. Returns when the next attempt is due.
    pub(super) fn pause(
        &mut self,
        now: Instant,
        config: &DownloadConfig,
        random: &mut Random,
        connection: Option<ConnectionId>,
        seconds: u32,
    ) -> Instant {
        let doubled = config
            .retry_first
            .saturating_mul(1 << self.failures.min(20));
        let full = doubled.min(config.retry_most);
        // Half of it is random, so that a fleet does not come back all at once.
        let half = full / 2;
        let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
        let wait = half + Duration::from_millis(random.up_to(millis));
        // Never zero, whatever the configuration says.
        let wait = wait.max(Duration::from_millis(1));
        let until = now + wait.max(Duration::from_secs(seconds.into()));
        self.failures = self.failures.saturating_add(1);
        self.body.interrupt();
        self.state = State::Pausing { connection, until };
        until
    }

    /// Begins with another body, unless it has done so too often.
    pub(super) fn begin_again(&mut self, block_size: usize, most: u8) -> bool {
        self.body = Body::new(block_size);
        self.restarts = self.restarts.saturating_add(1);
        self.restarts <= most
    }

    /// When it has taken too long, in all or without a byte.
    fn end(&self, config: &DownloadConfig) -> Instant {
        (self.began + config.within).min(self.progressed + config.silence)
    }

    /// Whether it has taken too long.
    pub(super) fn is_over(&self, config: &DownloadConfig, now: Instant) -> bool {
        self.end(config) <= now
    }

    /// When something is due. While it waits, nothing is.
    pub(super) fn deadline(&self, config: &DownloadConfig) -> Option<Instant> {
        let end = self.end(config);
        match self.state {
            State::Waiting => None,
            State::Pausing { until, .. } => Some(until.min(end)),
            State::Connecting(_) | State::Asking { .. } => Some(end),
        }
    }
}
