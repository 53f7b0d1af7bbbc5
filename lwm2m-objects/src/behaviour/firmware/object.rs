//! The Firmware Update Object of a Client.

use alloc::{boxed::Box, string::String};
use core::fmt;

use lwm2m_core::{Arguments, InstanceId, ObjectId, Path, ResourceId, Value, ValueRef};

use super::{DownloadError, Event, Machine, NotNow, Snapshot, SnapshotError, State, UpdateResult};
use crate::{
    behaviour::{changed::Changed, update::Answer},
    definition::{ObjectDefinition, builtin::FIRMWARE_UPDATE},
    saved::snapshot::{self, InstanceSnapshot, ObjectSnapshot, ResourceSnapshot},
    tree::{
        check_value,
        object::{
            Change, ExecuteError, Execution, Object, Piece, ReadError, ResourceSink, WriteError,
        },
    },
    typed::FirmwareUpdate,
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
    package_name: Option<String>,
    package_version: Option<String>,
    /// Whether the Object Instance is there.
    present: bool,
    managed: bool,
    /// What has been applied, and waits to be settled.
    pending: Pending,
    changed: Changed,
}

/// What changes ask of the machine, once they are settled.
#[derive(Clone, Copy, Default)]
struct Pending {
    reset: bool,
    delivery: bool,
}

type Application = Box<dyn FnMut(Event<'_>) -> Answer<DownloadError> + Send>;

impl FirmwareUpdateObject {
    /// The Object with its instance. The machine begins as Idle, whatever state `config` tells;
    /// [`restore`](Self::restore) is for another. `application` is asked within the calls that
    /// feed the tree.
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
            package_name: config.package_name,
            package_version: config.package_version,
            present: true,
            managed: false,
            pending: Pending::default(),
            changed: Changed::default(),
        })
    }

    /// Servers create and delete the Object Instance; at first there is none.
    #[must_use]
    pub fn managed(mut self) -> Self {
        self.managed = true;
        self.present = false;
        self
    }

    /// Goes on after a reboot, with its instance; see [`Machine::restore`].
    pub fn restore(&mut self, snapshot: Snapshot) -> Result<(), SnapshotError> {
        let restored = self.change(|machine, application| machine.restore(snapshot, application));
        self.present |= restored.is_ok();
        restored
    }

    /// What to keep for a reboot.
    pub fn snapshot(&self) -> Snapshot {
        self.machine.snapshot()
    }

    /// The state machine.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Tells what the package is (Resources 6, 7); they go with `None`.
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

    /// Feeds the machine, and notes which Resources have other values then.
    fn change<T>(&mut self, feed: impl FnOnce(&mut Machine, &mut Application) -> T) -> T {
        let state = |machine: &Machine| (machine.state(), machine.result());
        let before = state(&self.machine);
        let uri = self.machine.package_uri().len();
        let done = feed(&mut self.machine, &mut self.application);
        let after = state(&self.machine);
        // What a server has written is no news; that it was emptied is.
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

    /// What is to be kept, with the Object Instance or without.
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
        let machine = self.machine.snapshot();
        ObjectSnapshot {
            object: FIRMWARE_UPDATE.id,
            version: FIRMWARE_UPDATE.version,
            instances: present.then_some(instance).into_iter().collect(),
            state: [
                Value::Integer(machine.state.number().into()),
                Value::Integer(machine.result.number().into()),
                Value::String(machine.package_uri),
                Value::Integer(i64::try_from(machine.received).unwrap_or(i64::MAX)),
            ]
            .into(),
        }
    }
}

/// What a transaction asks of the machine. A reset comes before a package, whatever their order.
struct Plan<'c> {
    reset: bool,
    deliver: Option<(Path, &'c Value)>,
}

impl<'c> Plan<'c> {
    fn of(changes: &'c [Change]) -> Self {
        let mut plan = Self {
            reset: false,
            deliver: None,
        };
        for change in changes {
            match change {
                Change::Delete { .. } => plan.reset = true,
                Change::Set { path, value } if is_empty(value) => plan.reset |= is_package(*path),
                Change::Set { path, value } if is_package(*path) => {
                    plan.deliver = Some((*path, value));
                }
                _ => {}
            }
        }
        plan
    }
}

/// Whether Resource 6 or 7 takes a text.
fn check_name(resource: u16, name: Option<&str>) -> Result<(), WriteError> {
    match (FIRMWARE_UPDATE.resource(resource.into()), name) {
        (Some(definition), Some(name)) => {
            check_value(definition, path(resource), &ValueRef::String(name))
        }
        _ => Ok(()),
    }
}

/// Package, or Package URI.
fn is_package(path: Path) -> bool {
    matches!(path.resource().map(ResourceId::get), Some(0 | 1))
}

/// Whether a value for a package is none.
fn is_empty(value: &Value) -> bool {
    match value.as_ref() {
        ValueRef::Opaque(package) => matches!(package, [] | [0]),
        ValueRef::String(uri) => uri.is_empty(),
        _ => false,
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
        let mut delivered = false;
        for change in changes {
            let at = change.path();
            match change {
                Change::Create { .. } if present => return Err(WriteError::Exists(at)),
                Change::Create { .. } => present = true,
                _ if !present || at.instance() != Some(InstanceId::ZERO) => {
                    return Err(WriteError::NotFound(at));
                }
                Change::Delete { .. } => present = false,
                Change::Set { value, .. } if is_package(at) => {
                    // Two packages at once.
                    if !is_empty(value) && core::mem::replace(&mut delivered, true) {
                        return Err(WriteError::Refused(at));
                    }
                }
                Change::Set { .. } => return Err(WriteError::Refused(at)),
                // The Bootstrap interface takes away what it does not write; these stay.
                Change::Remove { .. } | Change::Clear { .. } => {}
            }
        }
        let plan = Plan::of(changes);
        let Some((at, value)) = plan.deliver else {
            return Ok(());
        };
        if self.pending.delivery && !plan.reset {
            return Err(WriteError::NotWritable(at));
        }
        let method = self.machine.delivery();
        let mut machine = Machine::new(method, []);
        if !(plan.reset || self.pending.reset) {
            machine.clone_from(&self.machine);
        }
        let may = match value.as_ref() {
            ValueRef::Opaque(package) => machine.may_write_package(package),
            ValueRef::String(uri) => machine.may_write_package_uri(uri),
            _ => Ok(()),
        };
        may.map_err(|NotNow(_)| WriteError::NotWritable(at))
    }

    fn apply(&mut self, changes: &[Change]) {
        let plan = Plan::of(changes);
        self.pending = Pending {
            reset: plan.reset || self.pending.reset,
            delivery: plan.deliver.is_some() || self.pending.delivery && !plan.reset,
        };
        self.present = self.is_present_after(changes);
    }

    fn settle(&mut self, changes: &[Change]) {
        let plan = Plan::of(changes);
        self.pending = Pending::default();
        // `prepare` has refused what the machine would.
        self.change(|machine, application| {
            if plan.reset {
                let _ = machine.write_package(&[], application);
            }
            let _ = match plan.deliver.map(|(_, value)| value.as_ref()) {
                Some(ValueRef::Opaque(package)) => machine.write_package(package, application),
                Some(ValueRef::String(uri)) => machine.write_package_uri(uri, application),
                _ => Ok(()),
            };
        });
    }

    fn acts_on(&self, change: &Change) -> bool {
        match change {
            Change::Set { path, .. } => is_package(*path),
            Change::Delete { .. } => true,
            _ => false,
        }
    }

    /// A reset takes the place of whatever was before it. A package does not take that of a reset,
    /// and what is removed stays.
    fn supersedes(&self, later: &Change, earlier: &Change) -> bool {
        let reset = |change: &Change| match change {
            Change::Set { value, .. } => Some(is_empty(value)),
            _ => None,
        };
        match reset(later) {
            Some(true) => true,
            Some(false) => reset(earlier) == Some(false),
            None => false,
        }
    }

    /// The machine has not heard of anything yet.
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
        resource.get() == 0
    }

    fn stream(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        piece: Piece<'_>,
    ) -> Result<(), WriteError> {
        let at = Path::Resource(ObjectId::FIRMWARE_UPDATE, instance, resource);
        self.change(|machine, application| match piece {
            Piece::Begin => {
                machine.begin();
                Ok(())
            }
            Piece::Bytes(bytes) => machine.block(bytes, application),
            Piece::End => machine.end(application),
            Piece::Abort => {
                machine.abort(application);
                Ok(())
            }
        })
        .map_err(|NotNow(_)| WriteError::NotWritable(at))
    }

    fn poll_changed(&mut self) -> Option<Path> {
        self.changed.pop()
    }

    fn save(&self) -> Option<ObjectSnapshot> {
        Some(self.saved(self.present))
    }

    /// The machine has not heard of anything yet.
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
        // It has been checked.
        let _ = self.change(|machine, ask| machine.restore(saved.machine, ask));
    }
}

/// What [`Object::save`] tells of the Object.
struct Saved {
    present: bool,
    package_name: Option<String>,
    package_version: Option<String>,
    machine: Snapshot,
}

impl Saved {
    fn read(saved: &ObjectSnapshot) -> Result<Self, snapshot::SnapshotError> {
        let number = |number: &i64| u8::try_from(*number).ok();
        let machine = || match &*saved.state {
            [
                Value::Integer(state),
                Value::Integer(result),
                Value::String(package_uri),
                Value::Integer(received),
            ] => Some(Snapshot {
                state: State::from_number(number(state)?)?,
                result: UpdateResult::from_number(number(result)?)?,
                package_uri: package_uri.clone(),
                received: u64::try_from(*received).ok()?,
            }),
            _ => None,
        };
        let unusable = snapshot::SnapshotError::State(saved.object);
        let machine = machine().ok_or(unusable)?;
        machine.check().map_err(|_| unusable)?;
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
