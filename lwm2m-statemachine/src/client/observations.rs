//! The Information Reporting interface: the observations of servers, and when notifications are due
//! (TS 5.5, 5.1.2).

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use lwm2m_core::{
    ContentFormat, DefaultPeriods, InstanceId, Instant, NotificationConditions, Operation, Path,
    ShortServerId,
};
use lwm2m_objects::{ObjectTree, Typed as _, access, typed::Server};

use super::{
    changed::Changed,
    config::Reliability,
    content::content,
    event::{AccountId, ConnectionId},
    refusal::Refusal,
    timers::{ObservationId, Timer, Timers},
};
use crate::coap::{self, Endpoint, MessageBuf, NotificationId, NotifyOptions, Token};

/// The observations of all servers, each with the token of its request. A path may be observed many
/// times.
#[derive(Debug)]
pub(super) struct Observations {
    by_id: BTreeMap<ObservationId, Observation>,
    next: u64,
    /// One sequence for all, so that the numbers of each observation grow, even when a new request
    /// reuses a token (RFC 7641 §3.3.1, §4.4).
    numbers: Numbers,
    /// The limit on their number.
    most: usize,
    reliability: Reliability,
}

/// The Observe numbers of answers and notifications; holds the last one used.
#[derive(Debug, Default)]
struct Numbers(u32);

impl Numbers {
    /// The next number: 24 bits.
    const fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(1) & 0x00ff_ffff;
        self.0
    }
}

/// The observer, identified by its request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Observer {
    pub(super) server: ShortServerId,
    /// Its connection may change; it is looked up for each notification.
    pub(super) account: AccountId,
    pub(super) entry: coap::Observer,
}

impl Observer {
    pub(super) const fn token(&self) -> Token {
        self.entry.token()
    }

    /// What tells observations apart (RFC 7641 §4.1).
    pub(super) fn has(&self, account: AccountId, token: Token) -> bool {
        self.account == account && self.token() == token
    }
}

/// Which observations of a server a Cancel Observation ends (TS 5.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancellation {
    /// The one with the token of the request (RFC 7641 §4.1).
    Token(Token),
    /// Those on this path and below it, if none has the token: that is what deployed servers mean
    /// (TS 8.2.6).
    Below(Path),
}

impl Cancellation {
    /// Whether it ends an observation with this token and path.
    pub(super) fn ends(self, token: Token, path: Path) -> bool {
        match self {
            Self::Token(cancelled) => cancelled == token,
            Self::Below(above) => above.contains(&path),
        }
    }
}

/// What an observation begins with.
#[derive(Debug, PartialEq)]
pub(super) struct NewObservation {
    pub(super) observer: Observer,
    pub(super) path: Path,
    /// The format of the notifications is that of the first answer (RFC 7641 §4.2).
    pub(super) format: ContentFormat,
}

/// One observation relationship.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    pub(super) observer: Observer,
    pub(super) path: Path,
    format: ContentFormat,
    /// When the last notification was sent.
    sent: Instant,
    /// Whether the target has changed since.
    changed: bool,
    /// When the next notification is due, as the machine's timer queue has it.
    deadline: Option<Instant>,
}

/// The default periods of a Server Object Instance (TS E.2).
pub(super) fn default_periods(tree: &ObjectTree, server: Option<InstanceId>) -> DefaultPeriods {
    let server = server.and_then(|instance| Server::load(tree, instance));
    let periods = server.map(|server| DefaultPeriods {
        pmin: server.default_minimum_period.unwrap_or(0),
        pmax: server.default_maximum_period,
    });
    periods.unwrap_or_default()
}

/// What notifications are made of and sent with.
pub(super) struct Context<'c> {
    pub(super) now: Instant,
    pub(super) tree: &'c ObjectTree,
    pub(super) endpoint: &'c mut Endpoint<ConnectionId>,
    pub(super) timers: &'c mut Timers,
}

impl Observations {
    /// No observations; `most` is the limit.
    pub(super) const fn new(most: usize, reliability: Reliability) -> Self {
        Self {
            by_id: BTreeMap::new(),
            next: 0,
            numbers: Numbers(0),
            most,
            reliability,
        }
    }

    /// The number for the first answer to an Observe with this token (RFC 7641 §4.4); `None` if
    /// there is no room for the observation.
    pub(super) fn number_for(&mut self, account: AccountId, token: Token) -> Option<u32> {
        let fits = self.by_id.len() < self.most || self.contains(account, token);
        fits.then(|| self.numbers.next())
    }

    pub(super) fn contains(&self, account: AccountId, token: Token) -> bool {
        let mut all = self.by_id.values();
        all.any(|observation| observation.observer.has(account, token))
    }

    /// Whose observation it is, and what it observes.
    pub(super) fn target(&self, id: ObservationId) -> Option<(&Observer, Path)> {
        let observation = self.by_id.get(&id)?;
        Some((&observation.observer, observation.path))
    }

    /// Adds an observation whose first answer is sent at `now`. One of the same server and
    /// token is replaced (RFC 7641 §4.1).
    pub(super) fn add(
        &mut self,
        now: Instant,
        new: NewObservation,
        conditions: NotificationConditions,
        timers: &mut Timers,
    ) {
        let NewObservation {
            observer,
            path,
            format,
        } = new;
        let (account, token) = (observer.account, observer.token());
        let _ = self.end(timers, |observation| {
            observation.observer.has(account, token)
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
        observation.arm(id, conditions, timers);
        self.by_id.insert(id, observation);
    }

    /// The observers of the observations that `of` chooses.
    pub(super) fn observers(
        &self,
        of: impl Fn(&Observation) -> bool,
    ) -> impl Iterator<Item = &Observer> {
        let all = self.by_id.values();
        all.filter(move |observation| of(observation))
            .map(|observation| &observation.observer)
    }

    /// Ends the observations that `of` chooses, and returns them.
    pub(super) fn end(
        &mut self,
        timers: &mut Timers,
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

    /// Notes changes to observed values, or to the conditions for notifications.
    pub(super) fn changed(
        &mut self,
        changed: &Changed,
        mut conditions: impl FnMut(ShortServerId, Path) -> NotificationConditions,
        timers: &mut Timers,
    ) {
        let all = changed.touches_conditions();
        for (id, observation) in &mut self.by_id {
            let touched = changed.touches(observation.path);
            if touched {
                observation.changed = true;
            }
            if touched || all {
                let conditions = conditions(observation.observer.server, observation.path);
                observation.arm(*id, conditions, timers);
            }
        }
    }

    /// Notes that a server has other attributes at this path, which hold for all below it.
    pub(super) fn rearm(
        &mut self,
        server: ShortServerId,
        path: Path,
        conditions: impl Fn(Path) -> NotificationConditions,
        timers: &mut Timers,
    ) {
        for (id, observation) in &mut self.by_id {
            if observation.observer.server == server && path.contains(&observation.path) {
                observation.arm(*id, conditions(observation.path), timers);
            }
        }
    }

    /// A server can be notified again. What was due meanwhile is due now.
    pub(super) fn arm_all(
        &mut self,
        account: AccountId,
        conditions: impl Fn(ShortServerId, Path) -> NotificationConditions,
        timers: &mut Timers,
    ) {
        for (id, observation) in &mut self.by_id {
            if observation.observer.account == account {
                let conditions = conditions(observation.observer.server, observation.path);
                observation.arm(*id, conditions, timers);
            }
        }
    }

    /// Sends a notification that is due (TS 5.5.2), with the value of this moment. A server without the
    /// right to read it gets nothing until it has the right again (TS 7.3.2.5). Without a connection
    /// nothing is sent until [`arm_all`](Self::arm_all).
    ///
    /// On an error the observation has to end: a target that can no longer be read can't be
    /// observed (RFC 7641 §4.2).
    pub(super) fn notify(
        &mut self,
        context: &mut Context<'_>,
        id: ObservationId,
        conditions: NotificationConditions,
        connection: Option<ConnectionId>,
    ) -> Result<(), (Observer, Refusal)> {
        let Some(observation) = self.by_id.get_mut(&id) else {
            return Ok(());
        };
        observation.deadline = None;
        let Some(connection) = connection else {
            return Ok(());
        };
        let target = context.tree.target(observation.path);
        let server = observation.observer.server;
        match access::authorize_target(context.tree, &target, server, Operation::Notify) {
            Ok(()) => {}
            Err(access::Refusal::Denied) => return Ok(()),
            Err(refusal) => return Err((observation.observer.clone(), refusal.into())),
        }
        let number = Some(self.numbers.next());
        let message = content(context.tree, server, &target, observation.format, number);
        let message = message.map_err(|refusal| (observation.observer.clone(), refusal))?;
        observation.sent = context.now;
        observation.changed = false;
        let entry = &mut observation.observer.entry;
        let options = NotifyOptions {
            confirmable: self.reliability == Reliability::Confirmable,
            resource: Some(entry.resource()),
            ..NotifyOptions::default()
        };
        // If the endpoint has no room for it, the next one carries the newer value.
        let _ = context
            .endpoint
            .notify_observer(context.now, connection, entry, message, options);
        observation.arm(id, conditions, context.timers);
        Ok(())
    }
}

/// Sends the last notification of an observation, which is an error (RFC 7641 §4.2). It is confirmable,
/// as no later notification could make up for its loss.
pub(super) fn notify_end(
    now: Instant,
    endpoint: &mut Endpoint<ConnectionId>,
    connection: ConnectionId,
    observer: &Observer,
    refusal: Refusal,
) {
    let options = NotifyOptions {
        confirmable: true,
        resource: Some(observer.entry.resource()),
        ..NotifyOptions::default()
    };
    let message = MessageBuf::response(refusal.code());
    let _ = endpoint.notify(now, connection, observer.token(), message, options);
}

impl Observation {
    /// Whether a notification to its observer is one of this observation.
    pub(super) fn has_sent(&self, notification: NotificationId) -> bool {
        self.observer.entry.has_sent(notification)
    }

    /// Sets when the next notification is due: after a change at the end of the Minimum Period, without
    /// one at the end of the Maximum Period.
    fn arm(&mut self, id: ObservationId, conditions: NotificationConditions, timers: &mut Timers) {
        let after = |seconds: u32| self.sent + Duration::from_secs(seconds.into());
        let deadline = if self.changed {
            Some(after(conditions.pmin))
        } else {
            conditions.pmax.map(after)
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
        let mut numbers = Numbers(0x00ff_fffe);
        let numbers = [(); 3].map(|()| numbers.next());
        assert_eq!(numbers, [0x00ff_ffff, 0, 1]);
    }
}
