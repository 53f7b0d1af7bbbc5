//! What is stored while the Client is offline, and must be heard after the return (TS E.2, Resource 6).

use core::time::Duration;

use lwm2m_core::{Instant, Path, Value};
use lwm2m_statemachine::{
    Client,
    coap::Token,
    server::{ObservationId, OperationId},
};

use super::{
    device::Device,
    objects::is_counter,
    periods::Periods,
    platform::{Platform, Watched, What},
};

/// The values of one Counter that are stored for one observation of it. Every change of it is told.
pub(crate) struct Awaited {
    server: usize,
    path: Path,
    token: Token,
    observation: ObservationId,
    /// The Cancel that was asked for last.
    cancel: Option<OperationId>,
    /// When the Client went offline, and how long no value is told again.
    begun: Instant,
    pmax: Duration,
    before: i64,
    /// In the order of the changes.
    values: Vec<i64>,
}

/// What is known of [`Awaited`] values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Some are not sent yet.
    Open,
    /// The observation, or something that was stored, is gone.
    Void,
    /// All were heard.
    Heard,
}

impl Awaited {
    /// The observations of a server for which every change of a Counter is stored from now on. Only those
    /// count that both sides believe in, and that aren't about to end.
    pub(crate) fn of(now: Instant, device: &Device, platform: &Platform) -> Vec<Self> {
        let client = &device.client;
        let (server, account) = (platform.server, Device::account(platform.server));
        let periods = Periods::of(client, server);
        let cancel = last_cancel(platform);
        if cancel.is_some_and(|cancel| !platform.outcomes.contains_key(&cancel)) {
            return Vec::new();
        }
        let own = || {
            client
                .reporting()
                .observations()
                .filter(|at| at.account == account)
        };
        let all = own().filter_map(|at| {
            let tells = is_counter(at.path) && periods.tells_each_change(at.path);
            let is_alone = own().filter(|other| other.path == at.path).count() == 1;
            let mut watched = platform.watched.iter().filter(|(_, to)| to.path == at.path);
            let (observation, _) = watched.next().filter(|_| tells && is_alone)?;
            let pmax = periods.maximum(at.path).unwrap_or(u32::MAX);
            let before = counter(client, at.path)?;
            watched.next().is_none().then(|| Self {
                server,
                path: at.path,
                token: at.token,
                observation: *observation,
                cancel,
                begun: now,
                pmax: Duration::from_secs(pmax.into()),
                before,
                values: Vec::new(),
            })
        });
        all.collect()
    }

    pub(crate) const fn server(&self) -> usize {
        self.server
    }

    pub(crate) fn values(&self) -> usize {
        self.values.len()
    }

    /// The present value is stored, if it is another one. Returns whether it is.
    pub(crate) fn note(&mut self, client: &Client) -> bool {
        let Some(value) = counter(client, self.path) else {
            return false;
        };
        let is_new = value != self.values.last().copied().unwrap_or(self.before);
        if is_new {
            self.values.push(value);
        }
        is_new
    }

    /// Whether the Client still has the observation.
    pub(crate) fn is_observed(&self, client: &Client) -> bool {
        let account = Device::account(self.server);
        let mut all = client.reporting().observations();
        all.any(|at| at.account == account && at.token == self.token && at.path == self.path)
    }

    /// Looks at what the server has heard.
    ///
    /// # Panics
    ///
    /// If nothing waits any more and a value wasn't heard, or if one was heard twice before its Maximum
    /// Period was over. That they never go back is looked at when they are heard.
    pub(crate) fn judge(&self, now: Instant, client: &Client, platform: &Platform) -> Verdict {
        let stored = client.reporting().stored(Device::account(self.server));
        let watched = platform.watched.get(&self.observation);
        let Some(watched) = watched.filter(|_| self.is_observed(client)) else {
            return Verdict::Void;
        };
        if stored.dropped > 0 || last_cancel(platform) != self.cancel {
            return Verdict::Void;
        }
        if stored.waiting > 0 {
            return Verdict::Open;
        }
        self.check(
            watched,
            now.saturating_duration_since(self.begun) < self.pmax,
        );
        Verdict::Heard
    }

    fn check(&self, watched: &Watched, only_once: bool) {
        let mut heard = watched.told.iter().peekable();
        for value in &self.values {
            while heard.next_if(|told| *told < value).is_some() {}
            let mut times = 0;
            while heard.next_if_eq(&value).is_some() {
                times += 1;
            }
            let (server, path) = (self.server, self.path);
            assert!(
                times == 1 || times > 1 && !only_once,
                "server{server} has heard {value} of {path} {times} times, but all of {:?} were stored: \
                 {:?}",
                self.values,
                watched.told
            );
        }
    }
}

fn counter(client: &Client, path: Path) -> Option<i64> {
    match client.tree().get(path)? {
        Value::Integer(value) => Some(value),
        other => panic!("{path} is {other:?}"),
    }
}

fn last_cancel(platform: &Platform) -> Option<OperationId> {
    let mut all = platform.asked.iter().rev();
    let last = all.find(|(_, asked)| asked.what == What::Cancel);
    last.map(|(operation, _)| *operation)
}
