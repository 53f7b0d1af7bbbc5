//! What of Information Reporting outlasts a restart: observations live as long as the registration (TS 5.5.1), and so
//! does what is stored (TS E.2, Resource 6). [`restoring`](super::restoring) has the way back.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{hash::Hasher as _, time::Duration};

use lwm2m_core::{
    ContentFormat, InstanceId, Instant, Method, ObjectId, Path, ResourceId, ShortServerId, ValueRef,
};
use lwm2m_objects::ObjectTree;
use siphasher::sip::SipHasher13;

use super::{
    super::{
        attributes::AttributeStore,
        config::Root,
        event::{AccountId, ConnectionId},
        registrations::Registrations,
        span::Span,
        timers::ObservationId,
    },
    kept::KeptFor,
    parts::Reporting,
    schedule::{Schedule, Shown, Told, plain},
    stored::Queue,
    table::Observation,
    values::{Values, WatchedRecord},
    view::{View, default_periods},
};
use crate::coap::{BlockOption, Endpoint, MessageBuf, OptionError, Resource, Token};

/// Current Time of the Device (TS E.4). That it goes on is no change.
const CURRENT_TIME: Path = Path::Resource(ObjectId::DEVICE, InstanceId::ZERO, ResourceId::new(13));

/// Information Reporting, in a snapshot.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(in crate::client) struct ReportingRecord {
    pub(super) number: u32,
    pub(super) observations: Vec<ObservationRecord>,
    pub(super) queues: Vec<QueueRecord>,
    pub(super) kept: Vec<KeptRecord>,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct ObservationRecord {
    pub(super) account: InstanceId,
    pub(super) token: Token,
    /// Its server is disabled: it goes on without it.
    pub(super) is_unobserved: bool,
    pub(super) path: Path,
    pub(super) format: ContentFormat,
    pub(super) request: Option<RequestRecord>,
    /// How long ago the server has shown that it is there.
    pub(super) unconfirmed: Span,
    pub(super) schedule: ScheduleRecord,
}

/// What of the request tells those for further blocks, if it is like any other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct RequestRecord {
    /// Whether the format was asked for.
    accept: bool,
    /// The size of a block that was asked for.
    block: Option<u16>,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct ScheduleRecord {
    pub(super) counted: Vec<Path>,
    pub(super) latest: SentRecord,
    pub(super) delivered: Option<SentRecord>,
    /// Of the values of which every change counts, as they are; `None` while a bootstrap is under way.
    pub(super) digest: Option<u64>,
}

/// What was sent last.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct SentRecord {
    pub(super) age: Span,
    pub(super) values: Vec<WatchedRecord>,
    pub(super) shown: Option<Vec<InstanceId>>,
}

/// What is stored for an account. Observations are named by their place in the snapshot.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct QueueRecord {
    pub(super) account: InstanceId,
    pub(super) dropped: u64,
    pub(super) owed: Vec<(u32, Vec<Path>)>,
    pub(super) notifications: Vec<StoredRecord>,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct StoredRecord {
    pub(super) observation: u32,
    pub(super) payload: Vec<u8>,
    pub(super) counted: Vec<Path>,
    pub(super) told: SentRecord,
}

/// What is kept for the server of an account until it observes the same again. Its notifications name what was observed
/// by its place in this record.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct KeptRecord {
    pub(super) account: InstanceId,
    pub(super) dropped: u64,
    pub(super) observations: Vec<KeptObservationRecord>,
    pub(super) notifications: Vec<StoredRecord>,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct KeptObservationRecord {
    pub(super) path: Path,
    pub(super) format: ContentFormat,
    pub(super) within: Span,
    /// For how long it still waits; `None` if the server is disabled once more, and it waits for the next Register.
    pub(super) left: Option<Span>,
}

/// What a snapshot is taken of.
pub(in crate::client) struct Seen<'c> {
    pub(in crate::client) now: Instant,
    pub(in crate::client) tree: &'c ObjectTree,
    pub(in crate::client) attributes: &'c AttributeStore,
    pub(in crate::client) registrations: &'c Registrations,
    pub(in crate::client) endpoint: &'c Endpoint<ConnectionId>,
    pub(in crate::client) root: &'c Root,
}

impl ReportingRecord {
    /// How many observations there are.
    pub(in crate::client) const fn len(&self) -> usize {
        self.observations.len()
    }
}

/// What there is.
impl Reporting {
    pub(in crate::client) fn record(&self, seen: &Seen<'_>) -> ReportingRecord {
        let ids = self.table.all();
        let places: BTreeMap<ObservationId, u32> = ids.iter().copied().zip(0..).collect();
        let all = ids.iter().filter_map(|id| {
            let is_unobserved = self.table.is_unobserved(*id);
            Some((self.table.get(*id)?, is_unobserved))
        });
        let queues = self.stored.by_account.iter();
        ReportingRecord {
            number: self.numbers.record(),
            observations: all
                .map(|(observation, is_unobserved)| {
                    ObservationRecord::of(observation, is_unobserved, seen)
                })
                .collect(),
            queues: queues
                .map(|(account, queue)| QueueRecord::of(*account, queue, &places, seen.now))
                .collect(),
            kept: self
                .kept
                .iter()
                .map(|(account, kept)| KeptRecord::of(account, kept, seen.now))
                .collect(),
        }
    }
}

impl ObservationRecord {
    fn of(observation: &Observation, is_unobserved: bool, seen: &Seen<'_>) -> Self {
        let account = observation.observer.account;
        // The server is being left: the observation is about to go on without it.
        let is_left = seen.registrations.disabled_for(seen.now, account).is_some();
        let (entry, is_open) = observation.settled();
        let Observation { path, format, .. } = *observation;
        let mut schedule = ScheduleRecord::of(&observation.schedule, seen.now);
        if is_open {
            // Nobody will know whether it has arrived.
            schedule.counted.push(path);
        }
        if !seen.tree.is_holding() {
            let view = seen.view(observation.observer.server);
            schedule.digest = Some(digest(&view, path));
        }
        Self {
            account: account.instance(),
            token: entry.token(),
            is_unobserved: is_unobserved || is_left,
            path,
            format,
            request: RequestRecord::of(seen.endpoint, entry.resource(), seen.root, (path, format)),
            unconfirmed: Span::of(entry.unconfirmed(seen.now)),
            schedule,
        }
    }
}

impl<'c> Seen<'c> {
    fn view(&self, server: ShortServerId) -> View<'c> {
        let instance = self.registrations.server_instance(server);
        let periods = default_periods(self.tree, instance);
        View::new(self.tree, self.attributes, server, periods)
    }
}

impl RequestRecord {
    /// The endpoint keeps only a fingerprint of the request, whose key is another one after a restart.
    fn of(
        endpoint: &Endpoint<ConnectionId>,
        resource: Resource,
        root: &Root,
        (path, format): (Path, ContentFormat),
    ) -> Option<Self> {
        let block = resource.block2().map(BlockOption::size);
        let block = block.map(u16::try_from).transpose().ok()?;
        let mut candidates = [false, true]
            .map(|accept| Self { accept, block })
            .into_iter();
        candidates.find(|candidate| {
            let request = candidate.request(root, path, format);
            request.is_ok_and(|request| endpoint.resource_of(request) == resource)
        })
    }

    pub(super) fn request(
        self,
        root: &Root,
        path: Path,
        format: ContentFormat,
    ) -> Result<MessageBuf, OptionError> {
        let mut request = MessageBuf::request(Method::Get);
        for segment in root.segments() {
            request.uri_path(segment)?;
        }
        for id in path.segments() {
            request.uri_path_display(&id)?;
        }
        if self.accept {
            request.accept(format)?;
        }
        let block = self
            .block
            .and_then(|size| BlockOption::new(0, false, size.into()));
        if let Some(block) = block {
            request.block2(block)?;
        }
        Ok(request)
    }
}

impl ScheduleRecord {
    fn of(schedule: &Schedule, now: Instant) -> Self {
        let latest = (schedule.sent.age(now), &schedule.values, &schedule.shown);
        let delivered = schedule.delivered.as_deref();
        Self {
            counted: schedule.counted.clone(),
            latest: SentRecord::of(latest),
            delivered: delivered.map(|delivered| {
                SentRecord::of((delivered.sent.age(now), &delivered.values, &delivered.shown))
            }),
            digest: None,
        }
    }
}

impl SentRecord {
    fn of((age, values, shown): (Duration, &Values, &Shown)) -> Self {
        Self {
            age: Span::of(age),
            values: values.record(),
            shown: shown.clone(),
        }
    }
}

impl QueueRecord {
    fn of(
        account: AccountId,
        queue: &Queue,
        places: &BTreeMap<ObservationId, u32>,
        now: Instant,
    ) -> Self {
        let owed = queue.owed.iter().filter_map(|(id, counted)| {
            let place = places.get(id)?;
            Some((*place, counted.clone()))
        });
        let notifications = queue.notifications.iter().filter_map(|stored| {
            let place = *places.get(&stored.observation)?;
            let age = stored.at.age(now);
            Some(StoredRecord::of(place, &stored.payload, &stored.told, age))
        });
        Self {
            account: account.instance(),
            dropped: queue.dropped,
            owed: owed.collect(),
            notifications: notifications.collect(),
        }
    }
}

impl StoredRecord {
    fn of(observation: u32, payload: &[u8], told: &Told, age: Duration) -> Self {
        Self {
            observation,
            payload: payload.to_vec(),
            counted: told.counted.clone(),
            told: SentRecord::of((age, &told.values, &told.shown)),
        }
    }
}

impl KeptRecord {
    fn of(account: AccountId, kept: &KeptFor, now: Instant) -> Self {
        let waits = kept.armed.is_some();
        let observations = kept.all.iter().map(|known| KeptObservationRecord {
            path: known.path,
            format: known.format,
            within: Span::of(known.within),
            left: waits.then(|| Span::until(known.until, now)),
        });
        let all = kept.all.iter().zip(0..);
        let notifications = all.flat_map(|(known, place)| {
            let all = known.notifications.iter();
            all.map(move |kept| {
                StoredRecord::of(place, &kept.payload, &kept.told, kept.at.age(now))
            })
        });
        Self {
            account: account.instance(),
            dropped: kept.dropped,
            observations: observations.collect(),
            notifications: notifications.collect(),
        }
    }
}

/// A digest of the values of which every change counts. It has to be the same after a restart, so its key is fixed: who
/// finds two values with the same one hides a change from nobody but itself.
pub(super) fn digest(view: &View<'_>, path: Path) -> u64 {
    let mut digest = SipHasher13::new_with_keys(0, 0);
    for resource in plain(view, path).filter(|resource| *resource != CURRENT_TIME) {
        view.tree.visit(resource, |at, value| {
            at.segments().for_each(|id| digest.write(&id.to_be_bytes()));
            write_value(&mut digest, value);
        });
    }
    digest.finish()
}

fn write_value(digest: &mut SipHasher13, value: ValueRef<'_>) {
    let (kind, number): (u8, u64) = match value {
        ValueRef::String(text) => {
            digest.write(text.as_bytes());
            (0, 0)
        }
        ValueRef::Opaque(bytes) => {
            digest.write(bytes);
            (1, 0)
        }
        ValueRef::Integer(number) => (2, number.cast_unsigned()),
        ValueRef::Time(number) => (3, number.cast_unsigned()),
        ValueRef::Float(number) => (4, number.to_bits()),
        ValueRef::Boolean(is_true) => (5, is_true.into()),
        ValueRef::ObjectLink(link) => (6, u32::from_be_bytes(link.to_bytes()).into()),
        // There are no others.
        _ => (7, 0),
    };
    // The bytes don't depend on what this is built for.
    digest.write(&[kind]);
    digest.write(&number.to_be_bytes());
}
