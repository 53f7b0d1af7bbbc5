//! The parts of Information Reporting, and what each call needs of the Client.

use alloc::vec::Vec;
use core::time::Duration;

use lwm2m_core::{Instant, Path, ShortServerId};
use lwm2m_objects::ObjectTree;

use super::{
    super::{
        attributes::AttributeStore,
        config::{ClientConfig, Reliability},
        content::{content, notification},
        event::{AccountId, ClientEvent, ConnectionId, Events},
        refusal::Refusal,
        registrations::{Action, Registrations},
        timers::{ObservationId, Timer, Timers},
    },
    kept::Kept,
    known::{BodyKey, Known},
    numbers::Numbers,
    stored::Stored,
    table::{Observation, Observer, Table},
    view::{View, default_periods, stores},
};
use crate::coap::{Endpoint, MessageBuf};

/// How long to wait if the endpoint has no room for a notification.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// The observations of all servers, each with the token of its request. A path may be observed many
/// times.
#[derive(Debug)]
pub(in crate::client) struct Reporting {
    pub(super) table: Table,
    pub(super) stored: Stored,
    pub(super) kept: Kept,
    pub(super) numbers: Numbers,
    /// The limit on the number of observations of each account.
    pub(super) most: usize,
    pub(super) reliability: Reliability,
    /// Whether what is stored for an observation in JSON is sent in one notification.
    pub(super) batches: bool,
    /// How long a server may take to repeat the request for a block whose answer it didn't get:
    /// ACK_TIMEOUT * ACK_RANDOM_FACTOR (RFC 7252 §4.2).
    pub(super) repetition: Duration,
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
    pub(in crate::client) known: Known,
    /// What is asked of the registrations of accounts.
    pub(in crate::client) asks: Vec<(AccountId, Action)>,
}

impl<'c> Context<'c> {
    /// What an observer of a path sees.
    pub(super) fn view(&mut self, observer: &Observer, path: Path) -> View<'c> {
        self.view_of(observer.server, path)
    }

    /// What a server sees of a path.
    pub(super) fn view_of(&mut self, server: ShortServerId, path: Path) -> View<'c> {
        let (tree, registrations) = (self.tree, self.registrations);
        let periods = self.known.periods.get(server, || {
            default_periods(tree, registrations.server_instance(server))
        });
        let view = View::new(tree, self.attributes, server, periods);
        let known = &mut self.known.observed;
        let seen = known.get((server, path), || view.look_up(path));
        view.knowing(seen)
    }

    /// A notification with what a server may read.
    pub(super) fn content(&mut self, body: BodyKey, number: u32) -> Result<MessageBuf, Refusal> {
        let (server, path, format) = body;
        if let Some(payload) = self.known.bodies.find(body) {
            return Ok(notification(format, number, payload)?);
        }
        let target = self.tree.target(path);
        let message = content(self.tree, server, &target, format, Some(number))?;
        let payload = message.payload_bytes();
        self.known.bodies.encoded(body, payload);
        Ok(message)
    }

    /// A notification of an account is due: if the Client is asleep, it may wake.
    pub(super) fn wake(&mut self, account: AccountId) {
        if self.registrations.queue().wakes_to_notify(account) {
            self.ask(account, Action::Update);
        }
    }

    pub(super) fn ask(&mut self, account: AccountId, action: Action) {
        if !self.asks.contains(&(account, action)) {
            self.asks.push((account, action));
        }
    }

    /// The next observation whose timer has run out, if nothing else is due before it.
    pub(super) fn next_due(&mut self) -> Option<ObservationId> {
        let is_observation = |timer: &Timer| matches!(timer, Timer::Observation(_));
        match self.timers.pop_due_if(self.now, is_observation)? {
            Timer::Observation(id) => Some(id),
            _ => None,
        }
    }

    /// The connection on which an account may be notified now: it is registered, not offline, and no bootstrap is under
    /// way.
    pub(super) fn connection(&self, account: AccountId) -> Option<ConnectionId> {
        if self.tree.is_holding() {
            return None;
        }
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
    /// The Client is offline and doesn't store, or a bootstrap is under way. It is sent on the return, or at the end,
    /// with the value of then.
    Wait,
    /// The Client is asleep and doesn't store, and wakes. It is sent then.
    Wake,
}

impl Reporting {
    pub(in crate::client) fn new(config: &ClientConfig) -> Self {
        Self {
            table: Table::default(),
            stored: Stored::new(config.storing.most, config.storing.most_bytes),
            kept: Kept::default(),
            numbers: Numbers::default(),
            most: config.most_observations,
            reliability: config.notifications,
            batches: config.storing.batches_json,
            repetition: config.coap.transmission.longest_ack_timeout(),
        }
    }

    /// What is stored and what is kept for an account have the bounds together: over them, the oldest ones go.
    pub(super) fn bound(&mut self, context: &mut Context<'_>, account: AccountId) {
        let has_gone = self.kept.bound(&mut self.stored, account);
        if has_gone && !self.kept.waits_for_register(account) {
            self.settle_kept(context, account);
        }
    }

    /// Sets when what is kept for an account goes, or tells the application how many had to go.
    pub(super) fn settle_kept(&mut self, context: &mut Context<'_>, account: AccountId) {
        let next = self.kept.next(account);
        if let Some(kept) = self.kept.get_mut(account) {
            let timer = Timer::Kept(account);
            context.timers.set(timer, &mut kept.armed, next);
        }
        if let Some(dropped) = self.kept.end(account).filter(|dropped| *dropped > 0) {
            let event = ClientEvent::NotificationsDropped { account, dropped };
            context.events.push_back(event);
        }
    }

    /// Sets the timer of an observation to when its next notification is due.
    pub(super) fn arm(&mut self, context: &mut Context<'_>, id: ObservationId) {
        if let Some(observation) = self.table.get_mut(id) {
            let view = context.view(&observation.observer, observation.path);
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
            // What a bootstrap has written so far is in the tree.
            _ if context.tree.is_holding() => return Self::Wait,
            Some(connection) if stored.is_empty(account) => return Self::Send(connection),
            Some(_) => return Self::Store,
            None => {}
        }
        let instance = context.registrations.server_instance(observer.server);
        if stores(context.tree, instance) {
            Self::Store
        } else if context.registrations.queue().wakes_to_notify(account) {
            Self::Wake
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
