//! The Firmware Update Object of a Client.

use alloc::{boxed::Box, string::String};
use core::fmt;

use lwm2m_core::{Arguments, InstanceId, ObjectId, Path, ResourceId, Value, ValueRef};

use super::{
    machine::{Event, Firmware, Machine, NotNow},
    snapshot::{Snapshot, SnapshotError},
};
use crate::{
    behaviour::{
        changed::Changed,
        update::{
            Answer,
            face::{Ask, Face},
            fetches::Fetches,
            plan::{self, Pending, Plan},
        },
    },
    definition::{ObjectDefinition, builtin::FIRMWARE_UPDATE},
    saved::{
        snapshot, snapshot::InstanceSnapshot, snapshot::ObjectSnapshot, snapshot::ResourceSnapshot,
    },
    tree::{
        Change, ExecuteError, Execution, FetchFailure, FetchOrder, Fetched, Object, Piece,
        ReadError, ResourceSink, WriteError, check_value,
    },
    typed::{
        FirmwareUpdate,
        firmware::values::{DownloadError, State},
    },
};

/// The Firmware Update Object with its [`Machine`], for an
/// [`ObjectTree`](crate::ObjectTree).
///
/// ```
/// use lwm2m_core::{Arguments, ObjectId, Path};
/// use lwm2m_objects::{
///     Answer, ObjectTree, Piece,
///     firmware::{Event, FirmwareUpdateObject, State},
///     typed,
/// };
///
/// let mut tree = ObjectTree::new();
/// tree.add(FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), |event| match event {
///     Event::Block { offset, bytes } => Answer::Done, // into the flash
///     Event::Verify => Answer::Done,
///     Event::Fetch { uri, offset } => Answer::Later, // begin to fetch it
///     Event::Update => Answer::Later, // reboot into it soon
///     Event::Discard => Answer::Done,
/// })?);
///
/// let package: Path = "/5/0/0".parse()?;
/// for piece in [Piece::Begin, Piece::Bytes(b"firmware"), Piece::End] {
///     tree.stream(package, piece)?;
/// }
/// tree.execute("/5/0/2".parse()?, &Arguments::NONE)?;
///
/// let firmware: &mut FirmwareUpdateObject = tree.object_as_mut(ObjectId::FIRMWARE_UPDATE).unwrap();
/// assert_eq!(firmware.machine().state(), State::Updating);
/// firmware.updated()?; // after the reboot
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FirmwareUpdateObject {
    machine: Machine,
    application: Application,
    fetches: Fetches,
    package_name: Option<String>,
    package_version: Option<String>,
    /// Whether the Object Instance is there.
    present: bool,
    managed: bool,
    /// The orders that have been applied and are not settled yet.
    pending: Pending,
    changed: Changed,
}

type Application = Box<dyn FnMut(Event<'_>) -> Answer<DownloadError> + Send>;

impl FirmwareUpdateObject {
    /// The Object with its instance. The machine starts as Idle, whatever the state in `config`;
    /// [`restore`](Self::restore) puts another state back. `application` is called from within the
    /// calls that change the tree.
    ///
    /// # Errors
    ///
    /// [`WriteError::OutOfRange`] for a name or a version of more than 255 bytes.
    pub fn new(
        config: FirmwareUpdate,
        application: impl FnMut(Event<'_>) -> Answer<DownloadError> + Send + 'static,
    ) -> Result<Self, WriteError> {
        check_name(6, config.package_name.as_deref())?;
        check_name(7, config.package_version.as_deref())?;
        Ok(Self {
            machine: Machine::new(config.delivery, config.protocols),
            application: Box::new(application),
            fetches: Fetches::default(),
            package_name: config.package_name,
            package_version: config.package_version,
            present: true,
            managed: false,
            pending: Pending::default(),
            changed: Changed::default(),
        })
    }

    /// Lets servers create and delete the Object Instance. At first there is none.
    #[must_use]
    pub fn managed(mut self) -> Self {
        self.managed = true;
        self.present = false;
        self
    }

    /// Has the application fetch every package, by [`Event::Fetch`]. Without this the Client fetches
    /// those of `coap` and `coaps` URIs itself, as far as Resource 8 has these protocols; the
    /// application gets them block by block, as if they were pushed.
    #[must_use]
    pub fn pulled_by_application(mut self) -> Self {
        self.fetches.leave_to_application();
        self
    }

    /// Continues after a reboot, and makes the Object Instance if it is not there; see
    /// [`Machine::restore`].
    pub fn restore(&mut self, snapshot: Snapshot) -> Result<(), SnapshotError> {
        let restored = self.change(|machine, application| machine.restore(snapshot, application));
        self.present |= restored.is_ok();
        restored
    }

    /// The state to keep across a reboot.
    pub fn snapshot(&self) -> Snapshot {
        self.machine.snapshot()
    }

    /// The state machine.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Sets the name and the version of the package (Resources 6, 7), or removes them.
    ///
    /// # Errors
    ///
    /// [`WriteError::OutOfRange`] for more than 255 bytes; nothing has changed.
    pub fn set_package(
        &mut self,
        name: Option<String>,
        version: Option<String>,
    ) -> Result<(), WriteError> {
        check_name(6, name.as_deref())?;
        check_name(7, version.as_deref())?;
        if self.package_name != name {
            self.package_name = name;
            self.changed.push(path(6));
        }
        if self.package_version != version {
            self.package_version = version;
            self.changed.push(path(7));
        }
        Ok(())
    }

    /// See [`Machine::progress`].
    pub fn progress(&mut self, received: u64) -> Result<(), NotNow> {
        self.machine.progress(received)
    }

    /// See [`Machine::downloaded`].
    pub fn downloaded(&mut self) -> Result<(), NotNow> {
        self.change(|machine, _| machine.downloaded())
    }

    /// See [`Machine::failed`].
    pub fn failed(&mut self, error: DownloadError) -> Result<(), NotNow> {
        self.change(|machine, _| machine.failed(error))
    }

    /// See [`Machine::updated`].
    pub fn updated(&mut self) -> Result<(), NotNow> {
        self.change(|machine, _| machine.updated())
    }

    /// See [`Machine::update_failed`].
    pub fn update_failed(&mut self) -> Result<(), NotNow> {
        self.change(|machine, _| machine.update_failed())
    }

    /// Calls the machine, and notes which Resources have changed.
    fn change<T>(&mut self, feed: impl FnOnce(&mut Machine, &mut Ask<'_, Firmware>) -> T) -> T {
        let state = |machine: &Machine| (machine.state(), machine.result());
        let before = state(&self.machine);
        let uri = self.machine.package_uri().len();
        let Self {
            machine,
            application,
            fetches,
            ..
        } = self;
        let done = feed(machine, &mut |event| match event {
            Event::Fetch { uri, .. } if fetches.takes(uri) => {
                fetches.begin(InstanceId::ZERO, uri);
                Answer::Later
            }
            Event::Discard => {
                fetches.stop(InstanceId::ZERO);
                application(event)
            }
            event => application(event),
        });
        let after = state(&self.machine);
        if after.0 != State::Downloading {
            self.fetches.stop(InstanceId::ZERO);
        }
        // The commit reports what a server has written. Nothing else reports that the machine
        // cleared it.
        if self.machine.package_uri().len() < uri {
            self.changed.push(path(1));
        }
        if before.0 != after.0 {
            self.changed.push(path(3));
        }
        if before.1 != after.1 {
            self.changed.push(path(5));
        }
        done
    }

    /// Whether the Object Instance is there after these changes.
    fn is_present_after(&self, changes: &[Change]) -> bool {
        changes
            .iter()
            .fold(self.present, |present, change| match change {
                Change::Create { .. } => true,
                Change::Delete { .. } => false,
                _ => present,
            })
    }

    /// The Object to save, with the Object Instance or without.
    fn saved(&self, present: bool) -> ObjectSnapshot {
        let name = |resource: u16, text: &Option<String>| {
            let value = Value::String(text.clone()?);
            Some((resource.into(), ResourceSnapshot::Single(value)))
        };
        let names = [name(6, &self.package_name), name(7, &self.package_version)];
        let instance = InstanceSnapshot {
            instance: InstanceId::ZERO,
            resources: names.into_iter().flatten().collect(),
        };
        ObjectSnapshot {
            object: FIRMWARE_UPDATE.id,
            version: FIRMWARE_UPDATE.version,
            instances: present.then_some(instance).into_iter().collect(),
            state: self.machine.snapshot().into_values().into(),
        }
    }
}

/// The Update Result of a package that the Client could not fetch (TS E.6, Resource 5).
const fn download_error(failure: FetchFailure) -> DownloadError {
    match failure {
        FetchFailure::ConnectionLost => DownloadError::ConnectionLost,
        FetchFailure::InvalidUri => DownloadError::InvalidUri,
        FetchFailure::Protocol => DownloadError::Protocol,
        FetchFailure::Storage => DownloadError::Storage,
        FetchFailure::Integrity => DownloadError::Integrity,
    }
}

/// Whether a text is valid for Resource 6 or 7.
fn check_name(resource: u16, name: Option<&str>) -> Result<(), WriteError> {
    match (FIRMWARE_UPDATE.resource(resource.into()), name) {
        (Some(definition), Some(name)) => {
            check_value(definition, path(resource), &ValueRef::String(name))
        }
        _ => Ok(()),
    }
}

const fn path(resource: u16) -> Path {
    Path::Resource(
        ObjectId::FIRMWARE_UPDATE,
        InstanceId::ZERO,
        ResourceId::new(resource),
    )
}

impl Object for FirmwareUpdateObject {
    fn definition(&self) -> &ObjectDefinition {
        &FIRMWARE_UPDATE
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        (self.present && after.is_none()).then_some(InstanceId::ZERO)
    }

    fn supports(&self, resource: ResourceId) -> bool {
        match resource.get() {
            0..=3 | 5 | 9 => true,
            6 => self.package_name.is_some(),
            7 => self.package_version.is_some(),
            8 => !self.machine.protocols().is_empty(),
            _ => false,
        }
    }

    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        self.present && instance == InstanceId::ZERO && self.supports(resource)
    }

    fn read(
        &self,
        _: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        let text = |text: &Option<String>, out: &mut ResourceSink<'_>| {
            let text = text.as_ref().ok_or(ReadError::Unavailable)?;
            out.value(ValueRef::String(text))
        };
        let mut number = |number: u8| out.value(ValueRef::Integer(number.into()));
        match resource.get() {
            1 => out.value(ValueRef::String(self.machine.package_uri())),
            3 => number(self.machine.state().number()),
            5 => number(self.machine.result().number()),
            6 => text(&self.package_name, out),
            7 => text(&self.package_version, out),
            8 => {
                let mut protocols = (0..=u16::MAX).zip(self.machine.protocols());
                protocols.try_for_each(|(id, protocol): (u16, _)| {
                    out.instance(id.into(), ValueRef::Integer(protocol.number().into()))
                })
            }
            9 => number(self.machine.delivery().number()),
            _ => Err(ReadError::Unavailable),
        }
    }

    fn is_managed(&self) -> bool {
        self.managed
    }

    fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
        let mut present = self.present;
        for change in changes {
            let at = change.path();
            match change {
                Change::Create { .. } if present => return Err(WriteError::Exists(at)),
                Change::Create { .. } => present = true,
                _ if !present || at.instance() != Some(InstanceId::ZERO) => {
                    return Err(WriteError::NotFound(at));
                }
                Change::Delete { .. } => present = false,
                Change::Set { .. } if !plan::is_package::<Firmware>(at) => {
                    return Err(WriteError::Refused(at));
                }
                // A Bootstrap-Write removes what it does not name, but not these.
                Change::Set { .. } | Change::Remove { .. } | Change::Clear { .. } => {}
            }
        }
        Plan::of::<Firmware>(changes)?.check(&self.machine, self.pending)
    }

    fn apply(&mut self, changes: &[Change]) {
        // `prepare` has accepted it.
        let plan = Plan::of::<Firmware>(changes).unwrap_or_default();
        self.pending = plan.after(self.pending);
        self.present = self.is_present_after(changes);
    }

    fn settle(&mut self, changes: &[Change]) {
        let plan = Plan::of::<Firmware>(changes).unwrap_or_default();
        self.pending = Pending::default();
        self.change(|machine, application| {
            if plan.reset {
                machine.reset(application);
            }
            plan.deliver(machine, application);
        });
    }

    fn acts_on(&self, change: &Change) -> bool {
        plan::is_order::<Firmware>(change)
    }

    fn supersedes(&self, later: &Change, earlier: &Change) -> bool {
        plan::supersedes::<Firmware>(later, earlier)
    }

    /// The machine doesn't know of these changes yet.
    fn undo(&mut self, undo: &[Change]) {
        self.pending = Pending::default();
        self.present = self.is_present_after(undo);
    }

    fn execute(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        _: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        let at = Path::Resource(ObjectId::FIRMWARE_UPDATE, instance, resource);
        if resource.get() != 2 {
            return Err(ExecuteError::NotExecutable(at));
        }
        self.change(|machine, application| machine.update(application))
            .map_err(|NotNow(_)| ExecuteError::NotExecutable(at))?;
        Ok(match self.machine.state() {
            State::Updating => Execution::Application,
            _ => Execution::Done,
        })
    }

    fn streams(&self, resource: ResourceId) -> bool {
        resource == Firmware::PACKAGE
    }

    fn stream(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        piece: Piece<'_>,
    ) -> Result<(), WriteError> {
        let at = Path::Resource(ObjectId::FIRMWARE_UPDATE, instance, resource);
        self.change(|machine, application| machine.stream(piece, application))
            .map_err(|NotNow(_)| WriteError::NotWritable(at))
    }

    fn poll_changed(&mut self) -> Option<Path> {
        self.changed.pop()
    }

    fn poll_fetch(&mut self) -> Option<FetchOrder> {
        self.fetches.poll(|_| path(Firmware::PACKAGE_URI.get()))
    }

    /// A package that the Client fetches goes to the application as one that is pushed.
    fn fetched(&mut self, instance: InstanceId, resource: ResourceId, part: Fetched<'_>) -> bool {
        if resource != Firmware::PACKAGE_URI || !self.fetches.is_running(instance) {
            return false;
        }
        match part {
            Fetched::Bytes { offset, bytes } => {
                let block = Event::Block { offset, bytes };
                let answer = (self.application)(block);
                if let Answer::Failed(error) = answer {
                    self.fetches.end(instance);
                    let _ = self.failed(error);
                    return false;
                }
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.progress(offset.saturating_add(length)).is_ok()
            }
            Fetched::End => {
                self.fetches.end(instance);
                match (self.application)(Event::Verify) {
                    Answer::Done => self.downloaded(),
                    Answer::Later => Ok(()),
                    Answer::Failed(error) => self.failed(error),
                }
                .is_ok()
            }
            Fetched::Failed(failure) => {
                self.fetches.end(instance);
                (self.application)(Event::Discard);
                self.failed(download_error(failure)).is_ok()
            }
        }
    }

    fn factory_reset(&mut self) {
        self.change(|machine, ask| machine.reset(ask));
    }

    fn save(&self) -> Option<ObjectSnapshot> {
        Some(self.saved(self.present))
    }

    /// The machine doesn't know of these changes yet.
    fn save_undone(&self, undo: &[Change]) -> Option<ObjectSnapshot> {
        Some(self.saved(self.is_present_after(undo)))
    }

    fn check_saved(&self, saved: &ObjectSnapshot) -> Result<(), snapshot::SnapshotError> {
        Saved::read(saved).map(drop)
    }

    fn load_saved(&mut self, saved: &ObjectSnapshot) {
        let Ok(saved) = Saved::read(saved) else {
            return;
        };
        self.present = saved.present;
        self.package_name = saved.package_name;
        self.package_version = saved.package_version;
        self.pending = Pending::default();
        self.fetches.stop_all();
        // It has been checked.
        let _ = self.change(|machine, ask| machine.restore(saved.machine, ask));
    }
}

/// What [`Object::save`] says of the Object.
struct Saved {
    present: bool,
    package_name: Option<String>,
    package_version: Option<String>,
    machine: Snapshot,
}

impl Saved {
    fn read(saved: &ObjectSnapshot) -> Result<Self, snapshot::SnapshotError> {
        let unusable = snapshot::SnapshotError::State(saved.object);
        let machine = Snapshot::from_values(&saved.state).ok_or(unusable)?;
        let object = Path::Object(saved.object);
        let (present, resources) = match &*saved.instances {
            [] => (false, &[][..]),
            [instance] if instance.instance == InstanceId::ZERO => (true, &*instance.resources),
            _ => return Err(snapshot::SnapshotError::Content(object)),
        };
        let mut read = Self {
            present,
            package_name: None,
            package_version: None,
            machine,
        };
        for (resource, value) in resources {
            let name = match resource.get() {
                6 => &mut read.package_name,
                7 => &mut read.package_version,
                _ => return Err(snapshot::SnapshotError::Content(path(resource.get()))),
            };
            match value {
                ResourceSnapshot::Single(Value::String(text))
                    if check_name(resource.get(), Some(text)).is_ok() =>
                {
                    *name = Some(text.clone());
                }
                _ => return Err(snapshot::SnapshotError::Content(path(resource.get()))),
            }
        }
        Ok(read)
    }
}

impl fmt::Debug for FirmwareUpdateObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirmwareUpdateObject")
            .field("machine", &self.machine)
            .field("present", &self.present)
            .finish_non_exhaustive()
    }
}
