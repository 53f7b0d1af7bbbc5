//! Offline and back: what was stored is sent before anything else (TS 8.3, E.2).
//!
//! Stored notifications are confirmable and are sent one after the other, the next one when the one
//! before is acknowledged. Only so all of them arrive, and in order: a server drops what comes after
//! a newer Observe number (RFC 7641 §3.4).
//!
//! Of a notification in several blocks only the first one is acknowledged, and the server fetches the
//! others (RFC 7959 §2.6). A newer body of the same resource would replace them, so the next one waits
//! until the last block was served, and until the server would have repeated its request for it: nobody
//! acknowledges an answer (RFC 7252 §4.2). It waits no longer than the endpoint keeps a body of which no block
//! is requested: EXCHANGE_LIFETIME (RFC 7252 §4.8.2) if nothing else is configured. What was not fetched
//! whole is sent again, a few times.

use alloc::{collections::BTreeMap, vec::Vec};

use lwm2m_core::{ContentFormat, InstanceId, Path};

use super::{
    super::{
        content::notification,
        event::{AccountId, ClientEvent, ConnectionId},
        timers::{ObservationId, Timer},
    },
    ending::abandon,
    history,
    parts::{Context, RETRY, Reporting},
    stored::{MayGoOn, Stored, StoredNotification, UnderWay},
};
use crate::coap::{NotifyOptions, Resource, SendError};

impl Reporting {
    /// An account can't be reached: from now on its notifications are stored, or wait. Those that are
    /// under way end with the connection, and are made up for.
    pub(in crate::client) fn offline(&mut self, context: &mut Context<'_>, account: AccountId) {
        let interrupted = self.stored.failed(account);
        // It goes on with the return.
        let _ = abandon(context, interrupted);
        for id in self.table.of(account) {
            if let Some(observation) = self.table.get_mut(id)
                && observation.take_open()
            {
                observation.schedule.count_all();
            }
            self.arm(context, id);
        }
    }

    /// An account can be reached again, and knows that the Client is there.
    pub(in crate::client) fn online(&mut self, context: &mut Context<'_>, account: AccountId) {
        self.send_stored(context, MayGoOn(account));
        self.arm_account(context, account);
    }

    /// Whether something that was stored for an account is still to be sent, or fetched.
    pub(in crate::client) fn has_stored(&self, account: AccountId) -> bool {
        self.stored.is_open(account)
    }

    /// A bootstrap is over: all that has waited goes on.
    pub(in crate::client) fn resume(&mut self, context: &mut Context<'_>) {
        for account in self.table.accounts() {
            self.online(context, account);
        }
        for id in self.table.all_unobserved() {
            self.arm(context, id);
        }
    }

    /// Sends the first notification that is stored for an account, unless one is under way.
    pub(super) fn send_stored(&mut self, context: &mut Context<'_>, rest: MayGoOn) {
        self.send_next(context, rest, None);
    }

    /// The same, if something has come to its end.
    pub(super) fn go_on(&mut self, context: &mut Context<'_>, rest: Option<MayGoOn>) {
        if let Some(rest) = rest {
            self.send_stored(context, rest);
        }
    }

    /// The same after the body of a resource was `released`: nobody else who fetches it is waited for.
    fn send_next(&mut self, context: &mut Context<'_>, rest: MayGoOn, released: Option<Resource>) {
        let MayGoOn(account) = rest;
        let Some(connection) = context.connection(account) else {
            return;
        };
        while let Some(first) = self.stored.first(account) {
            let id = first.observation;
            if !self.may_be_told(context, first) {
                self.stored.drop_first(account);
                continue;
            }
            // The server fetches something else of this resource first.
            if self.is_fetching(context, connection, id, released) {
                return;
            }
            match self.send_first(context, account, connection, id) {
                Ok(()) => return,
                Err(SendError::Overload(_)) => {
                    return self.retry_stored(context, MayGoOn(account));
                }
                // The same call would fail again.
                Err(_) => self.stored.drop_first(account),
            }
        }
        if self.stored.is_done(account) {
            for (id, counted) in self.clear_stored(context, account) {
                if let Some(observation) = self.table.get_mut(id) {
                    observation.schedule.stored_lost(counted);
                }
            }
            self.arm_account(context, account);
        }
    }

    /// Whether a server still has to fetch blocks of what an observation observes. Their end sends what
    /// is stored.
    fn is_fetching(
        &self,
        context: &mut Context<'_>,
        connection: ConnectionId,
        id: ObservationId,
        released: Option<Resource>,
    ) -> bool {
        let observation = self.table.get(id);
        observation.is_some_and(|observation| {
            let resource = observation.observer.entry.resource();
            if released == Some(resource) {
                return false;
            }
            context.endpoint.bodies().watch(&connection, resource)
        })
    }

    /// Whether the server may still read all that the notification under way has, also if what was stored of it
    /// has gone for newer ones (TS 7.3.2.5).
    pub(super) fn may_go_on(&self, context: &mut Context<'_>, account: AccountId) -> bool {
        let under_way = self.stored.under_way(account);
        under_way.is_some_and(|under_way| {
            self.may_be_shown(context, under_way.observation, &under_way.shown)
        })
    }

    /// The resource of which the server of an account fetches a stored notification, if it may still read all
    /// that this has (TS 7.3.2.5).
    pub(in crate::client) fn fetched_with_right(
        &self,
        context: &mut Context<'_>,
        account: AccountId,
    ) -> Option<Resource> {
        let resource = self.stored.body(account)?;
        self.may_go_on(context, account).then_some(resource)
    }

    /// Whether it may read everything that is stored for an observation.
    fn may_be_told_at_once(
        &self,
        context: &mut Context<'_>,
        account: AccountId,
        id: ObservationId,
    ) -> bool {
        let mut all = self.stored.of(account, id);
        all.all(|stored| self.may_be_told(context, stored))
    }

    /// Whether the server may read all that a stored notification has (TS 7.3.2.5).
    fn may_be_told(&self, context: &mut Context<'_>, stored: &StoredNotification) -> bool {
        let shown = stored.told.shown.as_deref().unwrap_or_default();
        self.may_be_shown(context, stored.observation, shown)
    }

    /// Whether the server of an observation may read what is observed, and each of these Object Instances of it.
    fn may_be_shown(
        &self,
        context: &mut Context<'_>,
        id: ObservationId,
        shown: &[InstanceId],
    ) -> bool {
        let Some(observation) = self.table.get(id) else {
            return false;
        };
        let path = observation.path;
        let view = context.view(&observation.observer, path);
        let mut shown = shown.iter();
        view.may_read(path)
            && shown.all(|instance| {
                let object = path.object();
                object.is_some_and(|object| view.may_read_instance(object, *instance))
            })
    }

    fn send_first(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
        connection: ConnectionId,
        id: ObservationId,
    ) -> Result<(), SendError> {
        let is_batch = self.batches && self.may_be_told_at_once(context, account, id);
        let (Some(first), Some(observation)) = (self.stored.first(account), self.table.get_mut(id))
        else {
            return Ok(());
        };
        let format = observation.format;
        let batch = if is_batch && format == ContentFormat::JSON {
            let all = self.stored.of(account, id);
            history::of(context.tree, observation.path, context.now, all)
        } else {
            None
        };
        let (payload, through) = match &batch {
            Some((payload, through)) => (payload, *through),
            None => (&first.payload, first.number),
        };
        let Ok(message) = notification(format, self.numbers.next(), payload) else {
            return Ok(());
        };
        let options = NotifyOptions {
            confirmable: true,
            channel: context.registrations.channel(connection),
            ..NotifyOptions::default()
        };
        let entry = &mut observation.observer.entry;
        let sent =
            context
                .endpoint
                .notify_observer(context.now, connection, entry, message, options)?;
        // Its periods begin again, as they do with every notification.
        {
            let mut all = self.stored.of(account, id);
            if let Some(last) = all.find(|stored| stored.number == through) {
                let is_last = all.next().is_none();
                let schedule = &mut observation.schedule;
                schedule.stored_sent(&last.told, context.now, is_last);
            }
        }
        let resource = observation.observer.entry.resource();
        let is_kept = context.endpoint.bodies().watch(&connection, resource);
        let body = is_kept.then_some(resource);
        let under_way = UnderWay::new(sent, body, id, through);
        self.stored.sending(account, under_way);
        self.arm(context, id);
        Ok(())
    }

    /// A body isn't kept for an account any more; whether all its blocks were fetched.
    pub(in crate::client) fn body_released(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
        resource: Resource,
        is_whole: bool,
    ) {
        let until = is_whole.then(|| context.now + self.repetition);
        if let Some(queue) = self.stored.body_released(account, resource, until) {
            let timer = Timer::Stored(account);
            context.timers.set(timer, &mut queue.retry, until);
        }
        let rest = self.stored.settle(account, context.now);
        self.send_next(context, rest, is_whole.then_some(resource));
    }

    /// There is no room to send what is stored for an account: it goes on later.
    pub(super) fn retry_stored(&mut self, context: &mut Context<'_>, rest: MayGoOn) {
        let MayGoOn(account) = rest;
        if let Some(queue) = self.stored.queue_mut(account) {
            let retry = Some(context.now + RETRY);
            let timer = Timer::Stored(account);
            context.timers.set(timer, &mut queue.retry, retry);
        }
    }

    /// Nothing is stored for an account any more. The application hears how many had to go. Returns what
    /// had counted for them and is still to be told.
    pub(super) fn clear_stored(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
    ) -> BTreeMap<ObservationId, Vec<Path>> {
        end_retry(&mut self.stored, context, account);
        let (dropped, owed) = self.stored.clear(account);
        if dropped > 0 {
            let event = ClientEvent::NotificationsDropped { account, dropped };
            context.events.push_back(event);
        }
        owed
    }
}

/// Nothing that is stored for an account is tried again.
pub(super) fn end_retry(stored: &mut Stored, context: &mut Context<'_>, account: AccountId) {
    if let Some(queue) = stored.queue_mut(account) {
        let timer = Timer::Stored(account);
        context.timers.set(timer, &mut queue.retry, None);
    }
}
