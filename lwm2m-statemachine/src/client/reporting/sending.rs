//! What is due is sent, or stored, and what becomes of it (TS 5.5.2).

use super::{
    super::{
        config::Reliability,
        content::write_content,
        event::{AccountId, ConnectionId},
        refusal::Refusal,
        registrations::Action,
        timers::{ObservationId, Timer},
    },
    ending::abandon,
    parts::{Context, RETRY, Reporting, Way, set_timer},
    table::Observation,
    view::View,
};
use crate::{
    coap::{FailureReason, MessageBuf, NotificationId, NotifyOptions, SendError, Token},
    machine::Channel,
};
use alloc::vec::Vec;

impl Reporting {
    /// The timer of an observation has run out, and those of others may have, too.
    pub(in crate::client) fn due_in_turn(&mut self, context: &mut Context<'_>, id: ObservationId) {
        let mut next = Some(id);
        while let Some(id) = next {
            self.due(context, id);
            next = context.next_due();
        }
    }

    /// A notification of an observation may be due. A server without the right to read gets nothing
    /// until it has the right again (TS 7.3.2.5). What can no longer be read ends the observation with
    /// an error (RFC 7641 §4.2).
    pub(super) fn due(&mut self, context: &mut Context<'_>, id: ObservationId) {
        let Some(observation) = self.table.get_mut(id) else {
            return;
        };
        observation.deadline = None;
        let view = context.view(&observation.observer, observation.path);
        let mut ends_with = observation.ends_with;
        if ends_with.is_none() && !view.exists(observation.path) {
            ends_with = Some(Refusal::NotFound);
        }
        if ends_with.is_none() && !view.may_read(observation.path) {
            return;
        }
        let due = observation.schedule.due(&view);
        let is_due = due.is_some_and(|due| due <= context.now);
        let account = observation.observer.account;
        let way = Way::of(&self.stored, context, &observation.observer);
        match (way, ends_with) {
            (Way::Send(connection), Some(refusal)) => {
                self.end_with(context, id, connection, refusal);
            }
            (Way::Send(connection), None) if is_due => {
                let number = self.numbers.next();
                let options = NotifyOptions {
                    confirmable: self.reliability == Reliability::Confirmable,
                    channel: context.registrations.channel(connection),
                    ..NotifyOptions::default()
                };
                let sent = send(
                    context,
                    (id, observation),
                    &view,
                    connection,
                    number,
                    options,
                );
                if let Err(refusal) = sent {
                    self.end_with(context, id, connection, refusal);
                }
            }
            (Way::Store, None) if is_due => {
                self.store(context, id);
                context.wake(account);
            }
            (Way::Wake, None) if is_due => context.wake(account),
            _ => set_timer(context, id, observation, &view, way),
        }
    }

    fn store(&mut self, context: &mut Context<'_>, id: ObservationId) {
        let Some(observation) = self.table.get_mut(id) else {
            return;
        };
        let (observer, path) = (&observation.observer, observation.path);
        let view = context.view(observer, path);
        let target = context.tree.target(path);
        let (server, format) = (observer.server, observation.format);
        let mut payload = Vec::new();
        if write_content(context.tree, server, &target, format, &mut payload).is_err() {
            // On the return it ends with an error, if it still can't be read.
            return;
        }
        let account = observer.account;
        let told = observation.schedule.stored(&view, context.now);
        let at = context.now.into();
        self.stored.push(account, id, at, payload, told);
        self.bound(context, account);
        self.arm(context, id);
    }

    /// Ends an observation with an error. It is confirmable, as no later notification could make up
    /// for its loss (RFC 7641 §4.2).
    fn end_with(
        &mut self,
        context: &mut Context<'_>,
        id: ObservationId,
        connection: ConnectionId,
        refusal: Refusal,
    ) {
        self.quieten(context, id);
        let Some(observation) = self.table.get_mut(id) else {
            return;
        };
        let entry = &observation.observer.entry;
        let options = NotifyOptions {
            confirmable: true,
            channel: context.registrations.channel(connection),
            resource: Some(entry.resource()),
        };
        let (now, token) = (context.now, entry.token());
        let message = MessageBuf::response(refusal.code());
        let sent = context
            .endpoint
            .notify(now, connection, token, message, options);
        if let Err(SendError::Overload(_)) = sent {
            observation.ends_with = Some(refusal);
            let timer = Timer::Observation(id);
            let retry = Some(now + RETRY);
            context.timers.set(timer, &mut observation.deadline, retry);
            return;
        }
        let rest = self.finish(context, id);
        self.go_on(context, rest);
    }
}

/// Sends a notification with the present value, and sets the timer for the next one.
///
/// # Errors
///
/// The value can't be read.
fn send(
    context: &mut Context<'_>,
    (id, observation): (ObservationId, &mut Observation),
    view: &View<'_>,
    connection: ConnectionId,
    number: u32,
    options: NotifyOptions,
) -> Result<(), Refusal> {
    let observer = &mut observation.observer;
    let body = (observer.server, observation.path, observation.format);
    let message = context.content(body, number)?;
    let now = context.now;
    let sent =
        context
            .endpoint
            .notify_observer(now, connection, &mut observer.entry, message, options);
    match sent {
        Err(SendError::Overload(_)) => {
            let timer = Timer::Observation(id);
            let retry = Some(now + RETRY);
            context.timers.set(timer, &mut observation.deadline, retry);
            return Ok(());
        }
        // The same call would fail again.
        Err(_) => {}
        Ok(notification) => observation.note_sent(notification),
    }
    observation.schedule.sent(view, now);
    set_timer(context, id, observation, view, Way::Send(connection));
    Ok(())
}

/// What becomes of notifications that were sent.
impl Reporting {
    /// What is stored for an account is tried again. What only waited for that, and is due, follows at
    /// once.
    pub(in crate::client) fn stored_due(&mut self, context: &mut Context<'_>, account: AccountId) {
        if let Some(queue) = self.stored.queue_mut(account) {
            queue.retry = None;
        }
        let rest = self.stored.settle(account, context.now);
        self.send_stored(context, rest);
        for id in self.table.of(account) {
            if let Some(observation) = self.table.get_mut(id)
                && observation.deadline.is_some_and(|due| due <= context.now)
            {
                let timer = Timer::Observation(id);
                context.timers.set(timer, &mut observation.deadline, None);
                self.due(context, id);
            }
        }
    }

    /// A confirmable notification was acknowledged.
    pub(in crate::client) fn acknowledged(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
        token: Token,
        notification: NotificationId,
    ) {
        if self.stored.is_under_way(account, notification) {
            let rest = self.stored.acknowledged(account, context.now);
            self.send_stored(context, rest);
        } else if let Some(id) = self.table.find(account, token)
            && let Some(observation) = self.table.get_mut(id)
        {
            observation.note_acknowledged(notification);
        }
    }

    /// A server has rejected a notification: its observation ends (TS 8.2.6). A later one with the same
    /// token is another observation.
    pub(in crate::client) fn rejected(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
        token: Token,
        notification: NotificationId,
    ) {
        let id = self.table.find(account, token);
        if let Some(id) = id.filter(|id| self.table.has_sent(*id, notification)) {
            let rest = self.end(context, id);
            self.go_on(context, rest);
        }
    }

    /// The answer that begins an observation is a separate response, and has failed. A server that rejects
    /// it doesn't observe, one that doesn't acknowledge it is gone (RFC 7641 §3.6, §4.5).
    pub(in crate::client) fn not_begun(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
        token: Token,
        (notification, reason): (NotificationId, FailureReason),
    ) {
        if matches!(reason, FailureReason::Reset | FailureReason::Timeout) {
            return self.rejected(context, account, token, notification);
        }
        let id = self.table.find(account, token);
        if let Some(id) = id.filter(|id| self.table.has_sent(*id, notification)) {
            // The server has no value yet.
            self.again(context, id);
        }
    }

    /// A confirmable notification has failed. A server that doesn't acknowledge is gone: its
    /// observation ends (RFC 7641 §4.5), but with what is stored only if it answers Updates and still doesn't
    /// acknowledge. One that could not be sent is made up for.
    pub(in crate::client) fn failed(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
        token: Token,
        (notification, reason): (NotificationId, FailureReason),
    ) {
        let was_stored = self.stored.is_under_way(account, notification);
        let rest = was_stored.then(|| {
            let interrupted = self.stored.failed(account);
            abandon(context, interrupted)
        });
        let Some(id) = self.table.find(account, token) else {
            return self.go_on(context, rest);
        };
        let connection = context.registrations.connection(account);
        let channel = connection.map(|connection| context.registrations.channel(connection));
        match reason {
            // Over SMS it was sent once (TS 8.6.2), so its loss doesn't mean that the server is gone. The next
            // one is confirmable again.
            FailureReason::Timeout if channel == Some(Channel::Sms) => {
                if let Some(observation) = self.table.get_mut(id) {
                    observation.note_not_sent(notification);
                }
                if let Some(rest) = rest {
                    self.retry_stored(context, rest);
                }
            }
            // What ends with its connection has been made up for.
            FailureReason::Superseded | FailureReason::PeerDropped if rest.is_none() => {}
            FailureReason::NotSent
            | FailureReason::Aborted
            | FailureReason::NoRoom
            | FailureReason::Superseded
            | FailureReason::PeerDropped => {
                if let Some(observation) = self.table.get_mut(id) {
                    observation.note_not_sent(notification);
                }
                match rest {
                    Some(rest) => self.retry_stored(context, rest),
                    None => self.again(context, id),
                }
            }
            // What is stored stays. The server may have gone for a while only: an Update shows (TS 8.3).
            FailureReason::Timeout if self.stored.unanswered(account, id) => {
                if let Some(observation) = self.table.get_mut(id) {
                    observation.note_not_sent(notification);
                }
                doubt(self, context, account);
            }
            _ => {
                if self.table.has_sent(id, notification) {
                    self.stored.count_lost(account, id);
                }
                self.rejected(context, account, token, notification);
                self.go_on(context, rest);
            }
        }
    }

    /// A notification of an observation was not sent.
    fn again(&mut self, context: &mut Context<'_>, id: ObservationId) {
        if let Some(observation) = self.table.get_mut(id) {
            observation.schedule.count_all();
            self.arm(context, id);
        }
    }
}

/// A server may not be there: nothing more is sent to it before it has answered an Update (TS 8.3).
fn doubt(reporting: &Reporting, context: &mut Context<'_>, account: AccountId) {
    for id in reporting.table.of(account) {
        let is_open = reporting.table.get(id).is_some_and(Observation::is_open);
        if is_open || reporting.stored.is_sending(account, id) {
            reporting.quieten(context, id);
        }
    }
    context.ask(account, Action::Confirm);
}
