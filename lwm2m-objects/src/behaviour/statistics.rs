//! Connectivity Statistics (TS E.8): counters of what is sent and received.

use alloc::vec::Vec;
use core::time::Duration;

use lwm2m_core::{Arguments, InstanceId, Instant, ObjectId, Path, ResourceId, Value};

use crate::{
    behaviour::changed::Changed,
    definition::ObjectDefinition,
    saved::{snapshot::ObjectSnapshot, snapshot::ResourceSnapshot, snapshot::SnapshotError},
    tree::{Change, ExecuteError, Execution, Object, ReadError, ResourceSink, Store, WriteError},
    typed::ConnectivityStatistics,
};

/// The Connectivity Statistics Object with its behaviour, for an
/// [`ObjectTree`](crate::ObjectTree).
///
/// Start sets the counters to 0 and begins to collect. Collecting ends with Stop, or when the
/// Collection Period is over; the counters keep their values. A Client counts what it sends and
/// receives itself, and as SMS what comes and leaves on a connection that a server has begun by SMS; the
/// application reports what passes the Client by.
///
/// Data is counted in bytes, and reported in full units of 1024. Message sizes are those of both
/// directions. They are those of CoAP messages, without what lower layers add.
///
/// ```
/// use lwm2m_core::{Arguments, Instant, ObjectId, Value};
/// use lwm2m_objects::{ConnectivityStatisticsObject, ObjectTree, typed};
///
/// let config = typed::ConnectivityStatistics {
///     collection_period: Some(60),
///     ..typed::ConnectivityStatistics::ALL
/// };
/// let mut tree = ObjectTree::new();
/// tree.add(ConnectivityStatisticsObject::new(config));
/// tree.execute("/7/0/6".parse()?, &Arguments::NONE)?;
///
/// let id = ObjectId::CONNECTIVITY_STATISTICS;
/// let statistics: &mut ConnectivityStatisticsObject = tree.object_as_mut(id).unwrap();
/// statistics.sent(Instant::from_secs(59), 3000);
/// statistics.sent(Instant::from_secs(60), 3000); // the period is over
/// assert_eq!(tree.get("/7/0/2".parse()?), Some(Value::Integer(2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConnectivityStatisticsObject {
    collection: Collection,
    /// The counters of a deleted Object Instance, as long as the Delete may be undone.
    deleted: Option<Collection>,
    now: Instant,
    /// Knows which counters there are, and has the Collection Period.
    store: Store,
    changed: Changed,
    /// Whether changes of the counters aren't reported.
    is_quiet: bool,
}

/// What has been collected.
#[derive(Clone, Copy, Debug, Default)]
struct Collection {
    counters: Counters,
    /// When collecting began, if it is going on.
    since: Option<Instant>,
    /// How long it had been going on before a restart, in milliseconds.
    before: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    sms_sent: u64,
    sms_received: u64,
    bytes_sent: u64,
    bytes_received: u64,
    messages: u64,
    longest: u64,
}

impl Counters {
    /// The value of one of Resources 0 to 5.
    fn value(&self, resource: u16) -> u64 {
        match resource {
            0 => self.sms_sent,
            1 => self.sms_received,
            2 => self.bytes_sent / 1024,
            3 => self.bytes_received / 1024,
            4 => self.longest,
            _ => {
                let bytes = self.bytes_sent.saturating_add(self.bytes_received);
                bytes.checked_div(self.messages).unwrap_or(0)
            }
        }
    }
}

/// The greatest value of an Integer.
const MOST: u64 = i64::MAX as u64;

const START: ResourceId = ResourceId::new(6);
const STOP: ResourceId = ResourceId::new(7);
const COLLECTION_PERIOD: ResourceId = ResourceId::new(8);

impl ConnectivityStatisticsObject {
    /// The Object with the Resources of `config`. The counters start at 0, and nothing is collected
    /// yet.
    pub fn new(config: ConnectivityStatistics) -> Self {
        Self {
            collection: Collection::default(),
            deleted: None,
            now: Instant::ZERO,
            store: Store::of([(InstanceId::ZERO, config)]),
            changed: Changed::default(),
            is_quiet: false,
        }
    }

    /// Whether it is collecting.
    pub const fn is_collecting(&self) -> bool {
        self.collection.since.is_some()
    }

    /// Counts a message that was sent over any transport.
    pub fn sent(&mut self, now: Instant, bytes: usize) {
        self.count(now, |counters| {
            let bytes = counters.message(bytes);
            counters.bytes_sent = counters.bytes_sent.saturating_add(bytes).min(MOST);
        });
    }

    /// Counts a message that was received over any transport.
    pub fn received(&mut self, now: Instant, bytes: usize) {
        self.count(now, |counters| {
            let bytes = counters.message(bytes);
            counters.bytes_received = counters.bytes_received.saturating_add(bytes).min(MOST);
        });
    }

    /// The time of the last call.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Counts what `count` reports, and tells no observer of it. A notification must not be the
    /// reason for the next one, so it is counted in this way.
    pub fn quietly<R>(&mut self, count: impl FnOnce(&mut Self) -> R) -> R {
        let before = core::mem::replace(&mut self.is_quiet, true);
        let counted = count(self);
        self.is_quiet = before;
        counted
    }

    /// Counts an SMS that was sent. Call [`sent`](Self::sent) too, for its bytes.
    pub fn sms_sent(&mut self, now: Instant) {
        self.count(now, |counters| {
            counters.sms_sent = counters.sms_sent.saturating_add(1);
        });
    }

    /// Counts an SMS that was received. Call [`received`](Self::received) too, for its bytes.
    pub fn sms_received(&mut self, now: Instant) {
        self.count(now, |counters| {
            counters.sms_received = counters.sms_received.saturating_add(1);
        });
    }

    /// Begins to collect (Resource 6), unless the Object Instance is deleted.
    pub fn start(&mut self, now: Instant) {
        self.handle_timeout(now);
        if !self.store.has_instance(InstanceId::ZERO) {
            return;
        }
        self.collection.since = Some(self.now);
        self.collection.before = 0;
        self.change(|counters| *counters = Counters::default());
    }

    /// Stops collecting (Resource 7).
    pub fn stop(&mut self) {
        self.collection.since = None;
    }

    /// The value of one of Resources 0 to 5.
    fn value(&self, counter: u16) -> Value {
        let value = self.collection.counters.value(counter);
        Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }

    fn count(&mut self, now: Instant, count: impl FnOnce(&mut Counters)) {
        self.handle_timeout(now);
        if self.is_collecting() {
            self.change(count);
        }
    }

    /// Changes the counters, and notes which Resources have other values afterwards.
    fn change(&mut self, change: impl FnOnce(&mut Counters)) {
        let before = self.collection.counters;
        change(&mut self.collection.counters);
        for resource in 0..=5 {
            if !self.is_quiet
                && self.collection.counters.value(resource) != before.value(resource)
                && self.store.has(InstanceId::ZERO, resource.into())
            {
                self.changed.push(path(resource.into()));
            }
        }
    }
}

impl Counters {
    const fn numbers(&self) -> [u64; 6] {
        [
            self.sms_sent,
            self.sms_received,
            self.bytes_sent,
            self.bytes_received,
            self.messages,
            self.longest,
        ]
    }

    /// Counts a message of either direction.
    fn message(&mut self, bytes: usize) -> u64 {
        let bytes = u64::try_from(bytes).unwrap_or(MOST).min(MOST);
        self.messages = self.messages.saturating_add(1);
        self.longest = self.longest.max(bytes);
        bytes
    }
}

const fn path(resource: ResourceId) -> Path {
    Path::Resource(
        ObjectId::CONNECTIVITY_STATISTICS,
        InstanceId::ZERO,
        resource,
    )
}

impl Object for ConnectivityStatisticsObject {
    fn definition(&self) -> &ObjectDefinition {
        self.store.definition()
    }

    fn base(&self) -> Option<&dyn Object> {
        Some(&self.store)
    }

    fn base_mut(&mut self) -> Option<&mut dyn Object> {
        Some(&mut self.store)
    }

    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        match resource.get() {
            counter @ 0..=5 => out.value(self.value(counter).as_ref()),
            _ => self.store.read(instance, resource, out),
        }
    }

    fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
        let of_counter = |change: &&Change| {
            let resource = change.path().resource();
            resource.is_some_and(|resource| resource.get() <= 5)
        };
        // Counters can't be set.
        let set = |change: &&Change| matches!(change, Change::Set { .. });
        match changes.iter().filter(of_counter).find(set) {
            Some(change) => Err(WriteError::Refused(change.path())),
            None => self.store.prepare(changes),
        }
    }

    /// A Delete drops the counts. A new Object Instance has the same counters, at 0.
    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.store.apply(core::slice::from_ref(change));
            match change {
                Change::Delete { .. } => {
                    let collection = core::mem::take(&mut self.collection);
                    self.deleted.get_or_insert(collection);
                }
                Change::Create { .. } => {
                    let counters = (0..=5).map(ResourceId::new);
                    let counters = counters.filter(|id| self.store.supports(*id));
                    let zero = |id| Change::Set {
                        path: path(id),
                        value: Value::Integer(0),
                    };
                    let zeros: Vec<Change> = counters.map(zero).collect();
                    self.store.apply(&zeros);
                }
                _ => {}
            }
        }
    }

    fn settle(&mut self, _: &[Change]) {
        self.deleted = None;
    }

    fn acts_on(&self, _: &Change) -> bool {
        false
    }

    fn undo(&mut self, undo: &[Change]) {
        self.store.apply(undo);
        let deleted = self.deleted.take();
        if !self.store.has_instance(InstanceId::ZERO) {
            self.collection = Collection::default();
        } else if let Some(collection) = deleted {
            self.collection = collection;
        }
    }

    fn execute(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        _: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        match resource {
            START => self.start(self.now),
            STOP => self.stop(),
            _ => {
                let object = ObjectId::CONNECTIVITY_STATISTICS;
                let path = Path::Resource(object, instance, resource);
                return Err(ExecuteError::NotExecutable(path));
            }
        }
        Ok(Execution::Done)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.poll_timeout().is_some_and(|end| end <= self.now) {
            self.stop();
        }
    }

    /// When the Collection Period is over: the period as set now, from Start on.
    fn poll_timeout(&self) -> Option<Instant> {
        let period = match self.store.get(path(COLLECTION_PERIOD)) {
            Some(Value::Integer(seconds)) => u64::try_from(*seconds).ok()?,
            _ => 0,
        };
        let since = self.collection.since?;
        let before = Duration::from_millis(self.collection.before);
        (period > 0).then(|| since + Duration::from_secs(period).saturating_sub(before))
    }

    fn poll_changed(&mut self) -> Option<Path> {
        self.changed.pop()
    }

    fn factory_reset(&mut self) {
        self.collection.since = None;
        self.change(|counters| *counters = Counters::default());
    }

    fn save(&self) -> Option<ObjectSnapshot> {
        let mut saved = self.store.save()?;
        let resources = saved.instances.iter_mut().flat_map(|at| &mut at.resources);
        for (id, resource) in resources {
            if let counter @ 0..=5 = id.get() {
                *resource = ResourceSnapshot::Single(self.value(counter));
            }
        }
        let counters = self.collection.counters.numbers().into_iter();
        let collected = self.collection.since.map(|since| {
            let passed = self.now.as_millis().saturating_sub(since.as_millis());
            passed.saturating_add(self.collection.before)
        });
        let numbers = counters.chain(collected);
        saved.state = numbers
            .map(|number| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
            .collect();
        Some(saved)
    }

    fn save_undone(&self, undo: &[Change]) -> Option<ObjectSnapshot> {
        let mut before = self.clone();
        before.undo(undo);
        before.save()
    }

    fn check_saved(&self, saved: &ObjectSnapshot) -> Result<(), SnapshotError> {
        saved_numbers(saved).ok_or(SnapshotError::State(saved.object))?;
        let state = Vec::new();
        self.store.check_saved(&ObjectSnapshot {
            state,
            ..saved.clone()
        })
    }

    /// The counters continue. The time since they were saved isn't part of the Collection Period.
    fn load_saved(&mut self, saved: &ObjectSnapshot) {
        self.store.load_saved(saved);
        if let Some((counters, collected)) = saved_numbers(saved) {
            self.collection.counters = counters;
            self.collection.since = collected.map(|_| self.now);
            self.collection.before = collected.unwrap_or(0);
        }
    }
}

/// The counters, and how long it had been collecting in milliseconds, if it was.
fn saved_numbers(saved: &ObjectSnapshot) -> Option<(Counters, Option<u64>)> {
    let number = |value: &Value| match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let numbers: Option<Vec<u64>> = saved.state.iter().map(number).collect();
    match *numbers? {
        [
            sms_sent,
            sms_received,
            bytes_sent,
            bytes_received,
            messages,
            longest,
            ref collected @ ..,
        ] if collected.len() <= 1 => {
            let counters = Counters {
                sms_sent,
                sms_received,
                bytes_sent,
                bytes_received,
                messages,
                longest,
            };
            Some((counters, collected.first().copied()))
        }
        _ => None,
    }
}
