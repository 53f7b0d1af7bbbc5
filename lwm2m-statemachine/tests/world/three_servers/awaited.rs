//! What is stored while the Client is offline, and must be heard after the return (TS E.2, Resource 6).

use core::time::Duration;

use lwm2m_core::{Instant, Path, Value};
use lwm2m_statemachine::{
    Client,
    client::StoredNotifications,
    coap::Token,
    server::{ObservationId, OperationId},
};

use super::{
    device::Device,
    objects::{is_counter, may_read},
    periods::Periods,
    platform::{Platform, What, id},
    world::QUIET,
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
    /// What the server had heard, and lost, before.
    heard: usize,
    lost: u64,
    /// When nothing waited any more.
    sent: Option<Instant>,
    /// How often rights had changed.
    rights: u32,
}

/// Why a value may be missing, or come twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excuses {
    /// How many notifications to the server had to go.
    pub(crate) drops: u64,
    /// How many transfers have lost the answer with their last block.
    pub(crate) unheard: u64,
    /// Whether the server has fetched what it observes.
    pub(crate) fetched: bool,
    /// Whether the server may have heard a notification and couldn't say so.
    pub(crate) unanswered: bool,
}

/// What is known of [`Awaited`] values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Some are not sent yet, or not heard.
    Open,
    /// The observation is gone, or perhaps the right to read.
    Void,
    /// Some were heard, in order. So many were not.
    Heard { missing: u64 },
}

impl Awaited {
    /// The observations of a server for which every change of a Counter is stored from now on. Only those
    /// count that both sides believe in, and that aren't about to end.
    pub(crate) fn of(now: Instant, device: &Device, platform: &Platform) -> Vec<Self> {
        let client = &device.client;
        let (server, account) = (platform.server, Device::account(platform.server));
        if client.reporting().stored(account) != StoredNotifications::default() {
            return Vec::new();
        }
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
            let tells = is_counter(at.path)
                && may_read(client.tree(), id(server), at.path)
                && periods.tells_each_change(at.path);
            let is_alone = own().filter(|other| other.path == at.path).count() == 1;
            let mut watched = platform.watched.iter().filter(|(_, to)| to.path == at.path);
            let (observation, to) = watched.next().filter(|_| tells && is_alone)?;
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
                heard: to.told.len(),
                lost: to.lost,
                sent: None,
                rights: device.rights.0,
            })
        });
        all.collect()
    }

    pub(crate) const fn server(&self) -> usize {
        self.server
    }

    pub(crate) const fn path(&self) -> Path {
        self.path
    }

    pub(crate) const fn begun(&self) -> Instant {
        self.begun
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
    /// If nothing waits any more and a value was neither heard in its order nor had to go, or if one was
    /// heard twice before its Maximum Period was over, nothing had to go, was fetched afresh, or was sent
    /// again as nobody had acknowledged it.
    pub(crate) fn judge(
        &mut self,
        now: Instant,
        device: &Device,
        platform: &Platform,
        excuses: Excuses,
    ) -> Verdict {
        let Excuses {
            drops,
            unheard,
            fetched,
            unanswered,
        } = excuses;
        let client = &device.client;
        let stored = client.reporting().stored(Device::account(self.server));
        let watched = platform.watched.get(&self.observation);
        let Some(watched) = watched.filter(|_| self.is_observed(client)) else {
            return Verdict::Void;
        };
        if last_cancel(platform) != self.cancel || device.rights.0 != self.rights {
            return Verdict::Void;
        }
        if stored.waiting > 0 {
            self.sent = None;
            return Verdict::Open;
        }
        let sent = *self.sent.get_or_insert(now);
        let told = watched.told.get(self.heard..).unwrap_or_default();
        let missing = self.missing(told);
        let lost = watched.lost - self.lost + unheard;
        // The last block may still be on its way.
        if missing > drops + lost && now < sent + QUIET {
            return Verdict::Open;
        }
        let (server, path, values) = (self.server, self.path, &self.values);
        assert!(
            missing <= drops + lost,
            "server{server} has not heard {missing} of {path}, but all of {values:?} were stored and \
             {drops} had to go: {told:?}"
        );
        let times = |value: &i64| told.iter().filter(|told| *told == value).count();
        let twice = values.iter().find(|value| times(value) > 1);
        // What had counted for one that had to go is told again.
        let is_undisturbed = drops == 0 && !fetched && !unanswered;
        let only_once = now.saturating_duration_since(self.begun) < self.pmax && is_undisturbed;
        assert!(
            twice.is_none() || !only_once,
            "server{server} has heard {twice:?} of {path} twice, but {values:?} were stored: {told:?}"
        );
        Verdict::Heard { missing }
    }

    /// How many of the values weren't told in their order.
    fn missing(&self, told: &[i64]) -> u64 {
        let mut told = told.iter();
        let mut missing = 0;
        for value in &self.values {
            let rest = told.clone();
            if !told.any(|told| told == value) {
                told = rest;
                missing += 1;
            }
        }
        missing
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
