//! What would have been notified while a server is disabled (TS E.2, Resources 4 and 6).
//!
//! The De-register ends the observations (TS 5.5.1). Where the server has its notifications stored, each of them goes
//! on without an observer, and what becomes due is stored. After the next Register it is kept, by path and format, for
//! the observation of the same that the server makes.

use alloc::{
    collections::{BTreeSet, VecDeque},
    vec::Vec,
};
use core::time::Duration;

use lwm2m_core::{ContentFormat, Path, ShortServerId};

use super::{
    super::{
        content::write_content,
        event::{AccountId, ClientEvent},
        timers::{ObservationId, Timer},
    },
    ending::abandon,
    kept::{KeptNotification, KeptObservation},
    parts::{Context, Reporting},
    returning::end_retry,
    stored::MayGoOn,
    table::{Observation, Table},
    view::stores,
};

impl Reporting {
    /// The registration of an account has ended, as its server is disabled.
    pub(in crate::client) fn disable(&mut self, context: &mut Context<'_>, account: AccountId) {
        let interrupted = self.stored.failed(account);
        let _ = abandon(context, interrupted);
        let mut known = BTreeSet::new();
        for id in self.table.of(account) {
            self.quieten(context, id);
            let observation = self.table.get(id);
            if observation.is_some_and(|found| goes_on(context, found, &mut known)) {
                make_unobserved(&mut self.table, context, id);
                self.arm(context, id);
            } else {
                let _ = self.finish(context, id);
            }
        }
        if known.is_empty() {
            let _ = self.clear_stored(context, account);
        }
        // What the server hasn't asked for since it was last disabled waits for the next Register.
        if let Some(kept) = self.kept.get_mut(account) {
            let timer = Timer::Kept(account);
            context.timers.set(timer, &mut kept.armed, None);
        }
    }

    /// A registration of an account has begun. What was stored for its server while that was disabled is kept until it
    /// observes the same path, for the Maximum Period, or for the lifetime of the registration if there is none.
    pub(in crate::client) fn begun(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
        lifetime: Duration,
    ) {
        let unobserved = self.table.unobserved(account);
        if unobserved.is_empty() && self.kept.next(account).is_none() {
            return;
        }
        let mut kept: Vec<(ObservationId, KeptObservation)> = Vec::new();
        for id in unobserved {
            let ended = end_unobserved(&mut self.table, context, id, lifetime);
            kept.extend(ended.map(|ended| (id, ended)));
        }
        end_retry(&mut self.stored, context, account);
        let (stored, mut dropped) = self.stored.take(account);
        for stored in stored {
            let mut all = kept.iter_mut();
            match all.find(|(id, _)| *id == stored.observation) {
                Some((_, kept)) => kept.notifications.push_back(KeptNotification {
                    at: stored.at,
                    payload: stored.payload,
                    told: stored.told,
                }),
                None => dropped += 1,
            }
        }
        let kept = kept.into_iter().map(|(_, kept)| kept).collect();
        self.kept.begin(account, kept, dropped, context.now);
        self.bound(context, account);
        self.settle_kept(context, account);
    }

    /// An observation has begun: what is kept of the same path in the same format is sent first. What changed after
    /// the last of that, the server has from its first answer, which a notification of the past must not outdate.
    pub(super) fn take_up(&mut self, context: &mut Context<'_>, id: ObservationId) {
        let Some(observation) = self.table.get_mut(id) else {
            return;
        };
        let observer = &observation.observer;
        let (account, server) = (observer.account, observer.server);
        let (path, format) = (observation.path, observation.format);
        let Some(kept) = self.kept.take(account, path, format) else {
            return;
        };
        if !is_present(context, server, &kept) {
            observation.schedule.count_all();
        }
        for stored in kept.notifications {
            self.stored
                .push(account, id, stored.at, stored.payload, stored.told);
        }
        self.bound(context, account);
        self.settle_kept(context, account);
        self.send_stored(context, MayGoOn(account));
        self.arm(context, id);
    }

    /// What is kept for an account may have waited long enough.
    pub(in crate::client) fn kept_due(&mut self, context: &mut Context<'_>, account: AccountId) {
        if let Some(kept) = self.kept.get_mut(account) {
            kept.armed = None;
        }
        self.kept.expire(account, context.now);
        self.settle_kept(context, account);
    }

    /// The registration of an account has ended, and nothing goes on without it.
    pub(super) fn forget_unobserved(&mut self, context: &mut Context<'_>, account: AccountId) {
        for id in self.table.unobserved(account) {
            // All that is stored goes.
            let _ = self.remove(context, id);
        }
        self.kept.drop_all(account);
        self.settle_kept(context, account);
    }
}

/// Whether an observation goes on while its server is disabled. What is told twice is kept once.
fn goes_on(
    context: &Context<'_>,
    observation: &Observation,
    known: &mut BTreeSet<(Path, ContentFormat)>,
) -> bool {
    let server = observation.observer.server;
    let server = context.registrations.server_instance(server);
    observation.ends_with.is_none()
        && stores(context.tree, server)
        && known.insert((observation.path, observation.format))
}

/// An observation is over for its server, and goes on.
fn make_unobserved(table: &mut Table, context: &mut Context<'_>, id: ObservationId) {
    table.make_unobserved(id);
    let Some(observation) = table.get_mut(id) else {
        return;
    };
    // What was under way may not have arrived.
    if observation.take_open() {
        observation.schedule.count_all();
    }
    context.events.push_back(ClientEvent::ObservationEnded {
        account: observation.observer.account,
        path: observation.path,
    });
}

/// An observation without an observer ends; what is stored for it stays. Nothing is kept of what is gone.
fn end_unobserved(
    table: &mut Table,
    context: &mut Context<'_>,
    id: ObservationId,
    lifetime: Duration,
) -> Option<KeptObservation> {
    let mut ended = table.remove(id)?;
    let timer = Timer::Observation(id);
    context.timers.set(timer, &mut ended.deadline, None);
    let view = context.view(&ended.observer, ended.path);
    if ended.ends_with.is_some() || !view.exists(ended.path) {
        return None;
    }
    let pmax = view.maximum(ended.path);
    let within = pmax.map_or(lifetime, |pmax| Duration::from_secs(pmax.into()));
    Some(KeptObservation {
        path: ended.path,
        format: ended.format,
        within,
        until: context.now + within,
        notifications: VecDeque::new(),
    })
}

/// Whether the last notification that is kept has the values of now.
fn is_present(context: &Context<'_>, server: ShortServerId, kept: &KeptObservation) -> bool {
    let target = context.tree.target(kept.path);
    let mut payload = Vec::new();
    let written = write_content(context.tree, server, &target, kept.format, &mut payload);
    let last = kept.notifications.back();
    written.is_ok() && last.is_some_and(|last| last.payload == payload)
}
