//! The Software Management Object of a Client.

use alloc::{borrow::Cow, boxed::Box, collections::BTreeMap, string::String, vec::Vec};
use core::fmt;

use lwm2m_core::{Arguments, InstanceId, ObjectId, Path, ResourceId, Value, ValueRef};

use super::{
    components::Components,
    machine::{Event, Machine, Refused, Software},
    phase::Phase,
    snapshot::{Snapshot, SnapshotError},
};
use crate::{
    behaviour::{
        changed::Changed,
        update::{
            Answer,
            face::{Ask, Face},
            fetches::Fetches,
            plan,
        },
    },
    definition::ObjectDefinition,
    saved::{snapshot, snapshot::ObjectSnapshot},
    tree::{
        Change, ExecuteError, Execution, FetchFailure, FetchOrder, Fetched, Object, Piece,
        ReadError, ResourceSink, Store, WriteError,
    },
    typed::{
        SoftwareManagement, Typed,
        software::values::{DownloadError, Numbering},
    },
};

/// The Software Management Object, a [`Machine`] for each Object Instance, for an
/// [`ObjectTree`](crate::ObjectTree).
///
/// ```
/// use lwm2m_core::{Arguments, InstanceId, ObjectId, Value};
/// use lwm2m_objects::{
///     Answer, ObjectTree, Piece,
///     software::{Event, Numbering, SoftwareManagementObject},
///     typed,
/// };
///
/// let application = |component: InstanceId, event: Event<'_>| match event {
///     Event::Install => Answer::Later, // begin to install it
///     _ => Answer::Done,
/// };
/// let mut tree = ObjectTree::new();
/// tree.add(
///     SoftwareManagementObject::new(Numbering::Registered, application)
///         .with(InstanceId::ZERO, typed::SoftwareManagement::new("thermostat", "1.2"))?,
/// );
///
/// for piece in [Piece::Begin, Piece::Bytes(b"software"), Piece::End] {
///     tree.stream("/9/0/2".parse()?, piece)?;
/// }
/// assert_eq!(tree.get("/9/0/7".parse()?), Some(Value::Integer(3))); // DELIVERED
/// tree.execute("/9/0/4".parse()?, &Arguments::NONE)?;
/// let software: &mut SoftwareManagementObject =
///     tree.object_as_mut(ObjectId::SOFTWARE_MANAGEMENT).unwrap();
/// software.installed(InstanceId::ZERO)?;
/// assert_eq!(tree.get("/9/0/7".parse()?), Some(Value::Integer(4))); // INSTALLED
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SoftwareManagementObject {
    components: Components,
    /// The Object Instances, with the Resources that are not the machine's.
    store: Store,
    application: Application,
    fetches: Fetches,
    changed: Changed,
}

type Application = Box<dyn FnMut(InstanceId, Event<'_>) -> Answer<DownloadError> + Send>;

impl SoftwareManagementObject {
    /// An Object without instances. It supports all Resources of the numbering until it is given an
    /// Object Instance. `application` is called from within the calls that change the tree.
    pub fn new(
        numbering: Numbering,
        application: impl FnMut(InstanceId, Event<'_>) -> Answer<DownloadError> + Send + 'static,
    ) -> Self {
        Self {
            components: Components::new(numbering),
            store: Store::new(numbering.definition()),
            application: Box::new(application),
            fetches: Fetches::default(),
            changed: Changed::default(),
        }
    }

    /// Has the application fetch every package, by [`Event::Fetch`]. Without this the Client fetches
    /// those of `coap` and `coaps` URIs itself; the application gets them block by block, as if they
    /// were pushed.
    #[must_use]
    pub fn pulled_by_application(mut self) -> Self {
        self.fetches.leave_to_application();
        self
    }

    /// Adds an Object Instance. Its machine starts as INITIAL, whatever the state in `config`;
    /// [`restore`](Self::restore) puts another state back.
    ///
    /// # Errors
    ///
    /// If a value of `config` is out of the range of its Resource, or the numbering has no such
    /// Resource.
    pub fn with(
        mut self,
        instance: InstanceId,
        config: SoftwareManagement,
    ) -> Result<Self, WriteError> {
        self.store = config.store(self.store, instance).checked()?;
        self.components.insert(instance);
        Ok(self)
    }

    /// Lets servers create and delete Object Instances, up to `most` of them.
    #[must_use]
    pub fn managed(mut self, most: usize) -> Self {
        self.store = self.store.managed(most);
        self
    }

    /// Supports these optional Resources, though no Object Instance has them yet. An Object without
    /// instances then supports no others.
    #[must_use]
    pub fn supporting(mut self, resources: impl IntoIterator<Item = u16>) -> Self {
        self.store = self.store.supporting(resources);
        self
    }

    /// The state machines of an Object Instance.
    pub fn machine(&self, instance: InstanceId) -> Option<&Machine> {
        self.components.get(instance)
    }

    /// The state to keep across a reboot, for each Object Instance. While commits are
    /// [held](crate::ObjectTree::hold), this is the state before them.
    pub fn snapshots(&self) -> impl Iterator<Item = (InstanceId, Snapshot)> {
        let machines = self.components.before().into_iter();
        machines.map(|(id, machine)| (id, machine.snapshot()))
    }

    /// The Object to save, from what the store saves and these machines.
    fn saved(
        &self,
        mut store: ObjectSnapshot,
        machines: &BTreeMap<InstanceId, &Machine>,
    ) -> ObjectSnapshot {
        for instance in &mut store.instances {
            let of_store = |(id, _): &(ResourceId, _)| !is_of_machine(*id);
            instance.resources.retain(of_store);
        }
        store.state = self.components.save(machines);
        store
    }

    /// Continues after a reboot with an Object Instance, which is created if it doesn't exist; see
    /// [`Machine::restore`].
    pub fn restore(
        &mut self,
        instance: InstanceId,
        snapshot: Snapshot,
    ) -> Result<(), SnapshotError> {
        if self.components.get(instance).is_none() {
            snapshot.check(self.components.numbering())?;
            self.create(instance);
        }
        self.feed(instance, |machine, ask| machine.restore(snapshot, ask))
            .unwrap_or(Ok(()))
    }

    /// See [`Machine::progress`].
    pub fn progress(&mut self, instance: InstanceId, received: u64) -> Result<(), Refused> {
        self.change(instance, |machine, _| machine.progress(received))
    }

    /// See [`Machine::downloaded`].
    pub fn downloaded(&mut self, instance: InstanceId) -> Result<(), Refused> {
        self.change(instance, |machine, ask| machine.downloaded(ask))
    }

    /// See [`Machine::failed`].
    pub fn failed(&mut self, instance: InstanceId, error: DownloadError) -> Result<(), Refused> {
        self.change(instance, |machine, _| machine.failed(error))
    }

    /// See [`Machine::verified`].
    pub fn verified(&mut self, instance: InstanceId) -> Result<(), Refused> {
        self.change(instance, |machine, _| machine.verified())
    }

    /// See [`Machine::verification_failed`].
    pub fn verification_failed(&mut self, instance: InstanceId) -> Result<(), Refused> {
        self.change(instance, |machine, _| machine.verification_failed())
    }

    /// See [`Machine::installed`].
    pub fn installed(&mut self, instance: InstanceId) -> Result<(), Refused> {
        self.change(instance, |machine, _| machine.installed())
    }

    /// See [`Machine::installation_failed`].
    pub fn installation_failed(&mut self, instance: InstanceId) -> Result<(), Refused> {
        self.change(instance, |machine, _| machine.installation_failed())
    }

    fn change(
        &mut self,
        instance: InstanceId,
        feed: impl FnOnce(&mut Machine, &mut Ask<'_, Software>) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        self.feed(instance, feed)
            .unwrap_or(Err(Refused::NotFound(instance)))
    }

    /// Calls a machine, and notes which Resources have changed.
    fn feed<T>(
        &mut self,
        instance: InstanceId,
        feed: impl FnOnce(&mut Machine, &mut Ask<'_, Software>) -> T,
    ) -> Option<T> {
        let machine = self.components.get_mut(instance)?;
        let (application, fetches) = (&mut self.application, &mut self.fetches);
        let before = (machine.state(), machine.result(), machine.is_active());
        let done = feed(machine, &mut |event| match event {
            Event::Fetch { uri, .. } if fetches.takes(uri) => {
                fetches.begin(instance, uri);
                Answer::Later
            }
            Event::Discard => {
                fetches.stop(instance);
                application(instance, event)
            }
            event => application(instance, event),
        });
        if machine.phase() != Software::DOWNLOADING {
            fetches.stop(instance);
        }
        for (resource, same) in [
            (7, machine.state() == before.0),
            (9, machine.result() == before.1),
            (12, machine.is_active() == before.2),
        ] {
            if !same {
                self.changed.push(path(instance, resource));
            }
        }
        Some(done)
    }

    fn create(&mut self, instance: InstanceId) {
        self.components.insert(instance);
        let path = Path::Instance(ObjectId::SOFTWARE_MANAGEMENT, instance);
        self.store.apply(&for_store(&[Change::Create { path }]));
    }
}

/// The changes for the store. A new Object Instance gets its mandatory name and version.
fn for_store(changes: &[Change]) -> Cow<'_, [Change]> {
    let as_is =
        |change: &Change| !matches!(change, Change::Create { .. }) && !is_for_machine(change);
    if changes.iter().all(as_is) {
        return Cow::Borrowed(changes);
    }
    let mut of_store = Vec::with_capacity(changes.len());
    for change in changes {
        if is_for_machine(change) {
            continue;
        }
        of_store.push(change.clone());
        if let (Change::Create { .. }, Some(instance)) = (change, change.path().instance()) {
            of_store.extend([0, 1].map(|resource| Change::Set {
                path: path(instance, resource),
                value: Value::String(String::new()),
            }));
        }
    }
    Cow::Owned(of_store)
}

const fn path(instance: InstanceId, resource: u16) -> Path {
    Path::Resource(
        ObjectId::SOFTWARE_MANAGEMENT,
        instance,
        ResourceId::new(resource),
    )
}

/// Whether the machines have this Resource, and not the store.
const fn is_of_machine(resource: ResourceId) -> bool {
    matches!(resource.get(), 2..=4 | 6 | 7 | 9..=12)
}

/// Whether a change is of a Resource that the machines have.
fn is_for_machine(change: &Change) -> bool {
    change.path().resource().is_some_and(is_of_machine)
}

impl Object for SoftwareManagementObject {
    fn definition(&self) -> &ObjectDefinition {
        self.components.numbering().definition()
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        self.store.next_instance(after)
    }

    fn free_instance(&self, from: InstanceId) -> Option<InstanceId> {
        self.store.free_instance(from)
    }

    fn supports(&self, resource: ResourceId) -> bool {
        is_of_machine(resource) || self.store.supports(resource)
    }

    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        if is_of_machine(resource) {
            self.components.get(instance).is_some()
        } else {
            self.store.has(instance, resource)
        }
    }

    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        if !is_of_machine(resource) {
            return self.store.read(instance, resource, out);
        }
        let machine = self.components.get(instance);
        let machine = machine.ok_or(ReadError::Unavailable)?;
        let number = |number: u8| ValueRef::Integer(number.into());
        out.value(match resource.get() {
            7 => number(machine.state().number(machine.numbering())),
            9 => number(machine.result().number(machine.numbering())),
            12 => ValueRef::Boolean(machine.is_active()),
            _ => return Err(ReadError::Unavailable),
        })
    }

    fn is_managed(&self) -> bool {
        self.store.is_managed()
    }

    fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
        let of_store = |change: &&Change| !is_for_machine(change);
        let rest: Vec<Change> = changes.iter().filter(of_store).cloned().collect();
        self.store.prepare(&rest)?;
        for change in changes.iter().filter(|change| is_for_machine(change)) {
            let at = change.path();
            match change {
                Change::Set { .. } if plan::is_package::<Software>(at) => {}
                // A Bootstrap-Write removes what it does not name, but not these.
                Change::Remove { .. } | Change::Clear { .. } => {}
                _ => return Err(WriteError::Refused(at)),
            }
        }
        self.components.prepare(changes)
    }

    fn apply(&mut self, changes: &[Change]) {
        self.components.apply(changes);
        self.store.apply(&for_store(changes));
    }

    fn settle(&mut self, changes: &[Change]) {
        for (instance, plan) in self.components.settle(changes) {
            if plan.reset {
                self.fetches.stop(instance);
                (self.application)(instance, Event::Discard);
            }
            self.feed(instance, |machine, ask| plan.deliver(machine, ask));
        }
    }

    fn acts_on(&self, change: &Change) -> bool {
        plan::is_order::<Software>(change)
    }

    fn supersedes(&self, later: &Change, earlier: &Change) -> bool {
        plan::supersedes::<Software>(later, earlier)
    }

    /// The machines don't know of these changes yet.
    fn undo(&mut self, undo: &[Change]) {
        let of_store = |change: &&Change| !is_for_machine(change);
        let undo: Vec<Change> = undo.iter().filter(of_store).cloned().collect();
        self.store.apply(&undo);
        self.components.undo();
    }

    fn execute(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        arguments: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        let registered = self.components.numbering() == Numbering::Registered;
        // Uninstall: none or 0, or 1 to prepare for an update; the candidate has no arguments.
        let update = arguments.contains(1);
        if resource.get() == 6 && registered {
            let mut all = arguments.iter();
            if all.any(|argument| argument.digit > 1) || update && arguments.contains(0) {
                return Err(ExecuteError::Arguments);
            }
        }
        let update = update && registered;
        let at = path(instance, resource.get());
        let executed = self.change(instance, |machine, ask| match resource.get() {
            4 => machine.install(ask),
            6 => machine.uninstall(update, ask),
            10 => machine.activate(ask),
            11 => machine.deactivate(ask),
            _ => Err(Refused::NotNow(machine.state())),
        });
        executed.map_err(|refused| match refused {
            Refused::NotNow(_) => ExecuteError::NotExecutable(at),
            Refused::NotFound(_) => ExecuteError::NotFound(at),
            Refused::Failed => ExecuteError::Failed,
        })?;
        // The application continues an installation that is under way.
        let machine = self.components.get(instance);
        if resource.get() == 4 && machine.is_some_and(Machine::is_installing) {
            return Ok(Execution::Application);
        }
        Ok(Execution::Done)
    }

    fn streams(&self, resource: ResourceId) -> bool {
        resource == Software::PACKAGE
    }

    fn stream(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        piece: Piece<'_>,
    ) -> Result<(), WriteError> {
        let at = path(instance, resource.get());
        self.change(instance, |machine, ask| machine.stream(piece, ask))
            .map_err(|_| WriteError::NotWritable(at))
    }

    fn poll_changed(&mut self) -> Option<Path> {
        self.changed.pop()
    }

    fn poll_fetch(&mut self) -> Option<FetchOrder> {
        let uri = Software::PACKAGE_URI.get();
        self.fetches.poll(|instance| path(instance, uri))
    }

    /// A package that the Client fetches goes to the application as one that is pushed.
    fn fetched(&mut self, instance: InstanceId, resource: ResourceId, part: Fetched<'_>) -> bool {
        if resource != Software::PACKAGE_URI || !self.fetches.is_running(instance) {
            return false;
        }
        match part {
            Fetched::Bytes { offset, bytes } => {
                let answer = (self.application)(instance, Event::Block { offset, bytes });
                if let Answer::Failed(error) = answer {
                    self.fetches.end(instance);
                    let _ = self.failed(instance, error);
                    return false;
                }
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let received = offset.saturating_add(length);
                self.progress(instance, received).is_ok()
            }
            Fetched::End => {
                self.fetches.end(instance);
                self.downloaded(instance).is_ok()
            }
            Fetched::Failed(failure) => {
                self.fetches.end(instance);
                (self.application)(instance, Event::Discard);
                self.failed(instance, download_error(failure)).is_ok()
            }
        }
    }

    /// Packages that are on their way are abandoned. What is delivered or installed is left to the
    /// application.
    fn factory_reset(&mut self) {
        let on_the_way = |machine: &Machine| {
            matches!(machine.phase(), Phase::DownloadStarted | Phase::Downloaded)
        };
        let now = self.components.now().into_iter();
        let abandoned = now.filter(|(_, machine)| on_the_way(machine));
        let abandoned: Vec<InstanceId> = abandoned.map(|(instance, _)| instance).collect();
        for instance in abandoned {
            self.fetches.stop(instance);
            (self.application)(instance, Event::Discard);
            self.components.insert(instance);
            for resource in [7, 9] {
                self.changed.push(path(instance, resource));
            }
        }
    }

    fn save(&self) -> Option<ObjectSnapshot> {
        Some(self.saved(self.store.save()?, &self.components.now()))
    }

    fn save_undone(&self, undo: &[Change]) -> Option<ObjectSnapshot> {
        let store = self.store.save_undone(undo)?;
        Some(self.saved(store, &self.components.before()))
    }

    fn check_saved(&self, saved: &ObjectSnapshot) -> Result<(), snapshot::SnapshotError> {
        let machines = self.components.saved(&saved.state);
        let machines = machines.ok_or(snapshot::SnapshotError::State(saved.object))?;
        let ids = machines.iter().map(|(id, _)| *id);
        if !ids.eq(saved.instances.iter().map(|instance| instance.instance)) {
            return Err(snapshot::SnapshotError::State(saved.object));
        }
        self.store.check_saved(&of_store(saved))
    }

    fn load_saved(&mut self, saved: &ObjectSnapshot) {
        self.store.load_saved(&of_store(saved));
        self.fetches.stop_all();
        self.components.clear();
        // It has been checked.
        let machines = self.components.saved(&saved.state).unwrap_or_default();
        for (id, machine) in machines {
            self.components.insert(id);
            let _ = self.feed(id, |new, ask| new.restore(machine, ask));
        }
    }
}

/// The Update Result of a package that the Client could not fetch.
const fn download_error(failure: FetchFailure) -> DownloadError {
    match failure {
        FetchFailure::ConnectionLost => DownloadError::ConnectionLost,
        // There is no result for a protocol.
        FetchFailure::InvalidUri | FetchFailure::Protocol => DownloadError::InvalidUri,
        FetchFailure::Storage => DownloadError::Storage,
        FetchFailure::Integrity => DownloadError::Integrity,
    }
}

/// The part of a saved Object that the store has saved.
fn of_store(saved: &ObjectSnapshot) -> ObjectSnapshot {
    ObjectSnapshot {
        state: Vec::new(),
        ..saved.clone()
    }
}

impl fmt::Debug for SoftwareManagementObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareManagementObject")
            .field("components", &self.components)
            .finish_non_exhaustive()
    }
}
