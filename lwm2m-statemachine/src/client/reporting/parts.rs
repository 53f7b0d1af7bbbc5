//! The parts of Information Reporting, and what each call needs of the Client.

use core::time::Duration;

use lwm2m_core::{DefaultPeriods, Instant, ShortServerId};
use lwm2m_objects::ObjectTree;

use super::{
    super::{
        attributes::AttributeStore,
        config::{ClientConfig, Reliability},
        event::{AccountId, ConnectionId, Events},
        registrations::Registrations,
        timers::{ObservationId, Timer, Timers},
    },
    numbers::Numbers,
    stored::Stored,
    table::{Observation, Observer, Table},
    view::{View, default_periods, stores},
};
use crate::coap::Endpoint;

/// How long to wait if the endpoint has no room for a notification.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// The observations of all servers, each with the token of its request. A path may be observed many
/// times.
#[derive(Debug)]
pub(in crate::client) struct Reporting {
    pub(super) table: Table,
    pub(super) stored: Stored,
    pub(super) numbers: Numbers,
    /// The limit on the number of observations.
    pub(super) most: usize,
    pub(super) reliability: Reliability,
    /// Whether what is stored for an observation in JSON is sent in one notification.
    pub(super) batches: bool,
}

/// What observations need of the Client.
pub(in crate::client) struct Context<'c> {
    pub(in crate::client) now: Instant,
    pub(in crate::client) tree: &'c ObjectTree,
    pub(in crate::client) attributes: &'c AttributeStore,
    pub(in crate::client) registrations: &'c Registrations,
    pub(in crate::client) endpoint: &'c mut Endpoint<ConnectionId>,
    pub(in crate::client) timers: &'c mut Timers,
    pub(in crate::client) events: &'c mut Events,
    pub(in crate::client) periods: KnownPeriods,
}

/// The default periods of some servers, so that many observations of one server look them up once.
#[derive(Debug, Default)]
pub(in crate::client) struct KnownPeriods([Option<(ShortServerId, DefaultPeriods)>; 4]);

impl KnownPeriods {
    fn get(
        &mut self,
        server: ShortServerId,
        look_up: impl FnOnce() -> DefaultPeriods,
    ) -> DefaultPeriods {
        let known = self.0.iter().flatten().find(|(known, _)| *known == server);
        if let Some((_, periods)) = known {
            return *periods;
        }
        let periods = look_up();
        self.0.rotate_right(1);
        let [latest, ..] = &mut self.0;
        *latest = Some((server, periods));
        periods
    }
}

impl<'c> Context<'c> {
    /// What an observer sees.
    pub(super) fn view(&mut self, observer: &Observer) -> View<'c> {
        let (tree, registrations) = (self.tree, self.registrations);
        let server = observer.server;
        let periods = self.periods.get(server, || {
            default_periods(tree, registrations.server_instance(server))
        });
        View::new(tree, self.attributes, server, periods)
    }

    /// The connection on which an account may be notified now: it is registered, and not offline.
    pub(super) fn connection(&self, account: AccountId) -> Option<ConnectionId> {
        self.registrations.reporting(self.now, account)
    }
}

/// What becomes of a notification that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It is sent.
    Send(ConnectionId),
    /// It is stored: the Client is offline, or what was stored meanwhile isn't sent yet.
    Store,
    /// The Client is offline and doesn't store. It is sent on the return, with the value of then.
    Wait,
}

impl Reporting {
    pub(in crate::client) fn new(config: &ClientConfig) -> Self {
        Self {
            table: Table::default(),
            stored: Stored::new(config.storing.most, config.storing.most_bytes),
            numbers: Numbers::default(),
            most: config.most_observations,
            reliability: config.notifications,
            batches: config.storing.batches_json,
        }
    }

    /// Sets the timer of an observation to when its next notification is due.
    pub(super) fn arm(&mut self, context: &mut Context<'_>, id: ObservationId) {
        if let Some(observation) = self.table.get_mut(id) {
            let view = context.view(&observation.observer);
            let way = Way::of(&self.stored, context, &observation.observer);
            set_timer(context, id, observation, &view, way);
        }
    }

    /// Sets the timers of all observations of an account.
    pub(super) fn arm_account(&mut self, context: &mut Context<'_>, account: AccountId) {
        for id in self.table.of(account) {
            self.arm(context, id);
        }
    }
}

impl Way {
    /// The way of what is due for an observer now.
    pub(super) fn of(stored: &Stored, context: &Context<'_>, observer: &Observer) -> Self {
        let account = observer.account;
        match context.connection(account) {
            Some(connection) if stored.is_empty(account) => return Self::Send(connection),
            Some(_) => return Self::Store,
            None => {}
        }
        let account = context.registrations.server_instance(observer.server);
        if stores(context.tree, account) {
            Self::Store
        } else {
            Self::Wait
        }
    }
}

/// Sets the timer of an observation to when its next notification is due.
pub(super) fn set_timer(
    context: &mut Context<'_>,
    id: ObservationId,
    observation: &mut Observation,
    view: &View<'_>,
    way: Way,
) {
    let due = if observation.ends_with.is_some() || !view.exists(observation.path) {
        // The error that ends it waits for no period, and isn't stored.
        matches!(way, Way::Send(_)).then_some(context.now)
    } else {
        observation.schedule.due(view).filter(|_| way != Way::Wait)
    };
    let due = due.map(|due| due.max(context.now));
    let timer = Timer::Observation(id);
    context.timers.set(timer, &mut observation.deadline, due);
}
