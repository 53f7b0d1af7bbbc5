//! What a snapshot has is there again after a restart, by the rules of what is live: what could not begin, or be stored
//! now, isn't restored, and the bounds are those of the configuration.

use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};
use core::convert::Infallible;

use lwm2m_core::{
    ContentFormat, InstanceId, ObjectId, Operation, Path, ShortServerId,
    codec::{Event, Scope, Sink},
};
use lwm2m_objects::{Object, ObjectTree};

use super::{
    super::{
        config::Root,
        event::{AccountId, AccountRole, RegistrationState},
        registrations::Registrations,
        span::Downtime,
        timers::ObservationId,
    },
    kept::{KeptNotification, KeptObservation},
    numbers::Numbers,
    parts::{Context, Reporting},
    record::{
        KeptObservationRecord, KeptRecord, ObservationRecord, QueueRecord, ReportingRecord,
        ScheduleRecord, SentRecord, StoredRecord, digest,
    },
    schedule::{Delivered, MOST_COUNTED, Schedule, Shown, Told},
    table::{Observation, Observer},
    values::Values,
    view::{View, stores},
};
use crate::{
    coap::{Resource, Token},
    downlink::payload,
};

impl Reporting {
    /// Goes on with what was kept, for the registrations that go on, and for servers that are disabled, of the accounts
    /// that are known again. What has changed since then counts.
    pub(in crate::client) fn restore(
        &mut self,
        context: &mut Context<'_>,
        record: &ReportingRecord,
        (root, known): (&Root, &[AccountId]),
        downtime: Downtime,
    ) {
        self.numbers = Numbers::restored(record.number, downtime);
        let all = record.observations.iter();
        let ids: Vec<Option<ObservationId>> = all
            .map(|observation| {
                let account = AccountId::new(observation.account);
                let account = known.contains(&account).then_some(account)?;
                restore_observation(self, context, observation, account, (root, downtime))
            })
            .collect();
        for queue in &record.queues {
            restore_queue(self, context, queue, &ids, downtime);
        }
        for kept in &record.kept {
            if known.contains(&AccountId::new(kept.account)) {
                restore_kept(self, context, kept, downtime);
            }
        }
        for id in ids.into_iter().flatten() {
            self.arm(context, id);
        }
    }
}

/// An observation that could begin now. One of something that is gone is there to be ended with an error.
fn restore_observation(
    own: &mut Reporting,
    context: &mut Context<'_>,
    record: &ObservationRecord,
    account: AccountId,
    (root, downtime): (&Root, Downtime),
) -> Option<ObservationId> {
    let (server, is_registered) = server_of(context.registrations, account)?;
    let (path, format) = (record.path, record.format);
    let has_place = if is_registered {
        !record.is_unobserved && has_room_for(own, account, record.token)
    } else {
        let instance = context.registrations.server_instance(server);
        record.is_unobserved
            && stores(context.tree, instance)
            && has_room_unobserved(own, account, path, format)
    };
    if !has_place || !can_be_observed(context.tree, path, format) {
        return None;
    }
    let request = record
        .request
        .map(|request| request.request(root, path, format));
    let resource = match request {
        Some(Ok(request)) => context.endpoint.resource_of(request),
        // Further blocks are read anew.
        _ => Resource::NONE,
    };
    let confirmed = downtime.past(record.unconfirmed);
    let entry = context
        .endpoint
        .observer_again(confirmed, record.token, resource);
    let observer = Observer {
        server,
        account,
        entry,
    };
    let view = context.view(&observer, path);
    let schedule = record.schedule.restored(&view, path, downtime);
    let observation = Observation::new(observer, path, format, schedule);
    let id = own.table.insert(observation);
    if record.is_unobserved {
        own.table.make_unobserved(id);
    }
    Some(id)
}

fn has_room_for(own: &Reporting, account: AccountId, token: Token) -> bool {
    own.table.find(account, token).is_none() && own.table.count_of(account) < own.most
}

/// What is told twice is kept once.
fn has_room_unobserved(
    own: &Reporting,
    account: AccountId,
    path: Path,
    format: ContentFormat,
) -> bool {
    let ids = own.table.unobserved(account);
    let mut all = ids.iter().filter_map(|id| own.table.get(*id));
    ids.len() < own.most && all.all(|known| (known.path, known.format) != (path, format))
}

fn restore_queue(
    own: &mut Reporting,
    context: &mut Context<'_>,
    record: &QueueRecord,
    ids: &[Option<ObservationId>],
    downtime: Downtime,
) {
    let account = AccountId::new(record.account);
    let id_of = |place: u32| {
        let place = usize::try_from(place).ok()?;
        ids.get(place).copied().flatten()
    };
    for stored in &record.notifications {
        let id = id_of(stored.observation);
        if let Some(id) = id
            && let Some(observation) = own.table.get(id)
            && observation.observer.account == account
            && let Some(told) = stored.restored(
                context,
                observation.observer.server,
                (observation.path, observation.format),
            )
        {
            let at = downtime.past(stored.told.age);
            own.stored
                .push(account, id, at, stored.payload.clone(), told);
            own.bound(context, account);
        }
    }
    let Some(queue) = own.stored.queue_mut(account) else {
        return;
    };
    queue.dropped = queue.dropped.saturating_add(record.dropped);
    for (place, counted) in &record.owed {
        if let Some(id) = id_of(*place)
            && let Some(observation) = own.table.get(id)
            && observation.observer.account == account
        {
            queue.owe(id, within(observation.path, counted));
        }
    }
}

/// What waits for the server to observe it again. With a registration that was over meanwhile it went.
fn restore_kept(
    own: &mut Reporting,
    context: &mut Context<'_>,
    record: &KeptRecord,
    downtime: Downtime,
) {
    let account = AccountId::new(record.account);
    let Some((server, is_registered)) = server_of(context.registrations, account) else {
        return;
    };
    let all = record.observations.iter().zip(0_u32..);
    let all = all.filter_map(|(known, place)| {
        let notifications = record.notifications.iter();
        let of = notifications.filter(|stored| stored.observation == place);
        known.restored(context, server, of, (is_registered, downtime))
    });
    let all: Vec<KeptObservation> = all.collect();
    if all.is_empty() {
        return;
    }
    own.kept.restore(account, all, record.dropped);
    own.bound(context, account);
    if is_registered {
        own.kept_due(context, account);
    }
}

impl KeptObservationRecord {
    fn restored<'s>(
        &self,
        context: &mut Context<'_>,
        server: ShortServerId,
        notifications: impl Iterator<Item = &'s StoredRecord>,
        (is_registered, downtime): (bool, Downtime),
    ) -> Option<KeptObservation> {
        let (path, format) = (self.path, self.format);
        let is_over = self.left.is_some() && !is_registered;
        let is_there = context.tree.target(path).exists();
        if is_over || !is_there || !can_be_observed(context.tree, path, format) {
            return None;
        }
        let left = self.left.unwrap_or(self.within);
        let within = self.within.as_duration();
        let notifications = notifications.filter_map(|stored| {
            let told = stored.restored(context, server, (path, format))?;
            Some(KeptNotification {
                at: downtime.past(stored.told.age),
                payload: stored.payload.clone(),
                told,
            })
        });
        Some(KeptObservation {
            path,
            format,
            within,
            until: downtime.until_at_latest(left).min(downtime.now + within),
            notifications: notifications.collect(),
        })
    }
}

/// The server of an account, and whether the Client is registered with it.
fn server_of(registrations: &Registrations, account: AccountId) -> Option<(ShortServerId, bool)> {
    let mut all = registrations.statuses();
    let status = all.find(|status| status.id == account)?;
    let is_registered = status.state == RegistrationState::Registered;
    match status.role {
        AccountRole::Server(server) => Some((server, is_registered)),
        AccountRole::BootstrapServer | AccountRole::Unknown => None,
    }
}

/// Whether an observation of this path could have begun with this format, if there is something at the path now.
fn can_be_observed(tree: &ObjectTree, path: Path, format: ContentFormat) -> bool {
    let target = tree.target(path);
    let in_json = target.object().is_none_or(Object::supports_json);
    path.object()
        .is_some_and(|object| object != ObjectId::SECURITY)
        && path.resource_instance().is_none()
        && payload::supports(format)
        && payload::carries(format, Scope::answer(path))
        && (in_json || format != ContentFormat::JSON)
        && (!target.exists() || target.supports(Operation::Observe))
}

impl ScheduleRecord {
    fn restored(&self, view: &View<'_>, path: Path, downtime: Downtime) -> Schedule {
        let mut schedule = Schedule::since(path, downtime.past(self.latest.age));
        for counted in within(path, &self.counted) {
            schedule.count(counted);
        }
        schedule.values = self.latest.values(view, path);
        schedule.shown = self.latest.shown(view, path);
        schedule.delivered = self.delivered.as_ref().map(|delivered| {
            Box::new(Delivered {
                sent: downtime.past(delivered.age),
                values: delivered.values(view, path),
                shown: delivered.shown(view, path),
            })
        });
        if let Path::Object(object) = path {
            let shown = self.latest.shown.iter().flatten();
            let gone = shown.map(|instance| Path::Instance(object, *instance));
            for instance in gone.filter(|instance| !view.exists(*instance)) {
                schedule.count(instance);
            }
        }
        schedule.rearm(view);
        if self.digest != Some(digest(view, path)) {
            schedule.count_plain(view);
        }
        schedule
    }
}

impl SentRecord {
    fn values(&self, view: &View<'_>, path: Path) -> Values {
        Values::restored(view.tree, view.with_thresholds(path), &self.values)
    }

    /// Those that are still there.
    fn shown(&self, view: &View<'_>, path: Path) -> Shown {
        let Path::Object(object) = path else {
            return None;
        };
        let all = view.tree.instances(object);
        let shown: BTreeSet<&InstanceId> = self.shown.iter().flatten().collect();
        Some(all.filter(|instance| shown.contains(instance)).collect())
    }
}

impl StoredRecord {
    /// What it tells, if its payload is one of the observation, and can have all that it is said to have.
    fn restored(
        &self,
        context: &mut Context<'_>,
        server: ShortServerId,
        (path, format): (Path, ContentFormat),
    ) -> Option<Told> {
        let shown = self.told.shown.as_deref().unwrap_or_default();
        let is_object = path.instance().is_none();
        if shown.len() > self.payload.len() || !is_object && !shown.is_empty() {
            return None;
        }
        let mut anything = Anything;
        payload::decode(
            format,
            &self.payload,
            Scope::answer(path),
            context.tree,
            &mut anything,
        )
        .ok()?;
        let view = context.view_of(server, path);
        let mut shown = shown.to_vec();
        shown.sort_unstable();
        shown.dedup();
        Some(Told {
            counted: within(path, &self.counted),
            values: self.told.values(&view, path),
            shown: is_object.then_some(shown),
        })
    }
}

/// What has counted of what is observed, in ascending order. If it is too much, all of it counts.
fn within(observed: Path, counted: &[Path]) -> Vec<Path> {
    let counted = counted.iter().filter(|path| observed.contains(path));
    let counted: BTreeSet<Path> = counted.copied().collect();
    if counted.len() > MOST_COUNTED {
        return [observed].into();
    }
    counted.into_iter().collect()
}

/// Takes any payload.
struct Anything;

impl Sink for Anything {
    type Error = Infallible;

    fn event(&mut self, _: Event<'_>) -> Result<(), Infallible> {
        Ok(())
    }
}
