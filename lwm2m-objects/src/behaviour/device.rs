//! Device (TS E.4): error codes, time, and power sources.

use alloc::vec::Vec;

use lwm2m_core::{Arguments, InstanceId, Instant, ObjectId, Path, ResourceId, Value, ValueRef};

use crate::{
    behaviour::changed::Changed,
    definition::ObjectDefinition,
    saved::snapshot::ObjectSnapshot,
    tree::{
        Change, ExecuteError, Execution, InstanceSink, Object, ReadError, ResourceSink, Store,
        WriteError, check_value,
    },
    typed::{Device, PowerSource},
};

/// The Device Object with its behaviour, for an [`ObjectTree`](crate::ObjectTree):
///
/// - Error codes: the first error replaces the single 0, and each further one adds a Resource
///   Instance. Reset Error Code leaves the single 0.
/// - Current Time advances with the time given to [`handle_timeout`](Object::handle_timeout), and
///   servers may set it.
/// - Power sources have the same Resource Instance ID in Resources 6, 7 and 8.
///
/// Reboot and Factory Reset are left to the Client and the application. While the Object Instance is deleted (which
/// no server can do, TS 5.2.7.5 and D.1), calls of the application have no effect.
///
/// ```
/// use lwm2m_core::{Instant, ObjectId, Value};
/// use lwm2m_objects::{DeviceObject, ErrorCode, ObjectTree, typed};
///
/// let mut tree = ObjectTree::new();
/// tree.add(DeviceObject::new(typed::Device::example(), Instant::ZERO)?);
/// tree.handle_timeout(Instant::from_secs(60));
/// assert_eq!(tree.get("/3/0/13".parse()?), Some(Value::Time(1_367_491_275)));
///
/// let device: &mut DeviceObject = tree.object_as_mut(ObjectId::DEVICE).unwrap();
/// device.report(ErrorCode::LowBattery);
/// assert_eq!(tree.get("/3/0/11/0".parse()?), Some(Value::Integer(1)));
/// assert_eq!(tree.poll_changed(), Some("/3/0/11".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DeviceObject {
    store: Store,
    clock: Option<Clock>,
    /// The clock before changes that may be undone.
    clock_before: Option<Before>,
    now: Instant,
    changed: Changed,
}

/// An error (Resource 11).
///
/// It may grow: later versions of the Object leave room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ErrorCode {
    /// 1: the battery is low.
    LowBattery,
    /// 2: there is no external power.
    ExternalPowerOff,
    /// 3: the GPS module has failed.
    GpsModule,
    /// 4: the received signal is weak.
    LowSignal,
    /// 5: out of memory.
    OutOfMemory,
    /// 6: SMS has failed.
    Sms,
    /// 7: there is no IP connectivity.
    IpConnectivity,
    /// 8: a peripheral has malfunctioned.
    Peripheral,
}

impl ErrorCode {
    /// The value of an instance of Resource 11.
    pub const fn number(self) -> u8 {
        match self {
            Self::LowBattery => 1,
            Self::ExternalPowerOff => 2,
            Self::GpsModule => 3,
            Self::LowSignal => 4,
            Self::OutOfMemory => 5,
            Self::Sms => 6,
            Self::IpConnectivity => 7,
            Self::Peripheral => 8,
        }
    }

    /// The error with this number; 0 means no error.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::LowBattery,
            2 => Self::ExternalPowerOff,
            3 => Self::GpsModule,
            4 => Self::LowSignal,
            5 => Self::OutOfMemory,
            6 => Self::Sms,
            7 => Self::IpConnectivity,
            8 => Self::Peripheral,
            _ => return None,
        })
    }
}

/// The clock to go back to, if there was one.
#[derive(Clone, Copy, Debug)]
struct Before(Option<Clock>);

/// A time, and when it was set.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Unix time, in seconds.
    set: i64,
    since: Instant,
}

impl Clock {
    fn read(self, now: Instant) -> i64 {
        let passed = now.saturating_duration_since(self.since);
        let seconds = i64::try_from(passed.as_secs()).unwrap_or(i64::MAX);
        self.set.saturating_add(seconds)
    }
}

const ERROR_CODE: ResourceId = ResourceId::new(11);
const RESET_ERROR_CODE: ResourceId = ResourceId::new(12);
const CURRENT_TIME: ResourceId = ResourceId::new(13);
const POWER: [ResourceId; 3] = [ResourceId::new(6), ResourceId::new(7), ResourceId::new(8)];

impl DeviceObject {
    /// The Object with its instance. The current time of `device`, if it has one, is the time at
    /// `now`.
    ///
    /// # Errors
    ///
    /// [`WriteError::OutOfRange`] if a value of `device` is out of the range of its Resource.
    pub fn new(device: Device, now: Instant) -> Result<Self, WriteError> {
        let clock = device.current_time.map(|set| Clock { set, since: now });
        let mut device = device;
        // "No error" is never listed with errors.
        device.error_codes.retain(|code| *code != 0);
        if device.error_codes.is_empty() {
            device.error_codes.push(0);
        }
        Ok(Self {
            store: Store::of([(InstanceId::ZERO, device)]).checked()?,
            clock,
            clock_before: None,
            now,
            changed: Changed::default(),
        })
    }

    /// Sets the time, in seconds of Unix time, from a source other than a server.
    pub fn set_time(&mut self, now: Instant, unix: i64) {
        self.now = self.now.max(now);
        if !self.is_there() {
            return;
        }
        let before = self.clock.map(|clock| clock.read(self.now));
        self.set_clock(unix);
        self.clock_before = self.clock_before.map(|_| Before(self.clock));
        if before != Some(unix) {
            self.changed.push(path(CURRENT_TIME));
        }
    }

    /// Reports an error. An error that is reported already is not added again.
    pub fn report(&mut self, error: ErrorCode) {
        if !self.is_there() {
            return;
        }
        let code = i64::from(error.number());
        let reported: Vec<_> = self
            .store
            .resource_instances(InstanceId::ZERO, ERROR_CODE)
            .map(|(id, value)| (id.get(), value.as_ref()))
            .collect();
        if reported
            .iter()
            .any(|(_, value)| *value == ValueRef::Integer(code))
        {
            return;
        }
        let id = if let [(id, ValueRef::Integer(0))] = *reported {
            Some(id)
        } else {
            // They are in ascending order, so the first gap is free.
            let mut taken = reported.iter().map(|(id, _)| *id).peekable();
            (0..=u16::MAX).find(|id| taken.next_if_eq(id).is_none())
        };
        let Some(id) = id else {
            return;
        };
        self.apply_set(ERROR_CODE, Some(id), Value::Integer(code));
        self.changed.push(path(ERROR_CODE));
    }

    /// Removes all errors: a single 0 is left.
    pub fn reset_errors(&mut self) {
        if !self.is_there() {
            return;
        }
        let reported = self.store.resource_instances(InstanceId::ZERO, ERROR_CODE);
        if reported.eq([(0.into(), &Value::Integer(0))]) {
            return;
        }
        let path = path(ERROR_CODE);
        self.store.apply(&[Change::Clear { path }]);
        self.apply_set(ERROR_CODE, Some(0), Value::Integer(0));
        self.changed.push(path);
    }

    /// Sets the power source with this Resource Instance ID.
    ///
    /// # Errors
    ///
    /// [`WriteError::OutOfRange`] for an unknown kind, [`WriteError::NotFound`] without the Object
    /// Instance. Nothing has changed then.
    pub fn set_power_source(&mut self, id: u16, source: PowerSource) -> Result<(), WriteError> {
        if !self.is_there() {
            let instance = Path::Instance(ObjectId::DEVICE, InstanceId::ZERO);
            return Err(WriteError::NotFound(instance));
        }
        let values = [
            i64::from(source.kind),
            source.voltage.into(),
            source.current.into(),
        ];
        let values = POWER.into_iter().zip(values.map(Value::Integer));
        for (resource, value) in values.clone() {
            if let Some(definition) = self.store.definition().resource(resource) {
                let at = resource_instance(resource, id);
                check_value(definition, at, &value.as_ref())?;
            }
        }
        for (resource, value) in values {
            let at = resource_instance(resource, id);
            if self.store.get(at) != Some(&value) {
                self.apply_set(resource, Some(id), value);
                self.changed.push(path(resource));
            }
        }
        Ok(())
    }

    /// Removes a power source. The others keep their Resource Instance IDs.
    pub fn remove_power_source(&mut self, id: u16) {
        for resource in POWER {
            if self.store.get(resource_instance(resource, id)).is_none() {
                continue;
            }
            let kept = self.store.resource_instances(InstanceId::ZERO, resource);
            let kept: Vec<_> = kept
                .filter(|(other, _)| other.get() != id)
                .map(|(id, value)| (id.get(), value.clone()))
                .collect();
            let path = path(resource);
            self.store.apply(&[Change::Clear { path }]);
            for (id, value) in kept {
                self.apply_set(resource, Some(id), value);
            }
            self.changed.push(path);
        }
    }

    fn is_there(&self) -> bool {
        self.store.has_instance(InstanceId::ZERO)
    }

    fn has_error_codes(&self) -> bool {
        self.store.has(InstanceId::ZERO, ERROR_CODE)
    }

    fn set_clock(&mut self, unix: i64) {
        let since = self.now;
        self.clock = Some(Clock { set: unix, since });
        self.apply_set(CURRENT_TIME, None, Value::Time(unix));
    }

    fn apply_set(&mut self, resource: ResourceId, id: Option<u16>, value: Value) {
        let path = match id {
            Some(id) => resource_instance(resource, id),
            None => path(resource),
        };
        self.store.apply(&[Change::Set { path, value }]);
    }
}

const fn path(resource: ResourceId) -> Path {
    Path::Resource(ObjectId::DEVICE, InstanceId::ZERO, resource)
}

fn resource_instance(resource: ResourceId, id: u16) -> Path {
    Path::ResourceInstance(ObjectId::DEVICE, InstanceId::ZERO, resource, id.into())
}

impl Object for DeviceObject {
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
        match self.clock {
            Some(clock) if resource == CURRENT_TIME => {
                out.value(ValueRef::Time(clock.read(self.now)))
            }
            _ => self.store.read(instance, resource, out),
        }
    }

    fn read_instance(
        &self,
        instance: InstanceId,
        out: &mut InstanceSink<'_>,
    ) -> Result<(), ReadError> {
        let clock = self.clock.map(|clock| clock.read(self.now));
        self.store.read_each(instance, out, |resource, out| {
            let time = clock.filter(|_| resource == CURRENT_TIME)?;
            Some(out.value(ValueRef::Time(time)))
        })
    }

    fn apply(&mut self, changes: &[Change]) {
        self.clock_before.get_or_insert(Before(self.clock));
        for change in changes {
            self.store.apply(core::slice::from_ref(change));
            match change {
                Change::Set {
                    path,
                    value: Value::Time(unix),
                } if path.resource() == Some(CURRENT_TIME) => self.set_clock(*unix),
                Change::Remove { path } if path.resource() == Some(CURRENT_TIME) => {
                    self.clock = None;
                }
                Change::Delete { .. } => self.clock = None,
                _ => {}
            }
        }
        let comes = |change: &Change| matches!(change, Change::Create { .. });
        if changes.iter().any(comes) && self.is_there() && !self.has_error_codes() {
            // The mandatory error code says that there is no error.
            self.apply_set(ERROR_CODE, Some(0), Value::Integer(0));
        }
    }

    fn settle(&mut self, _: &[Change]) {
        self.clock_before = None;
    }

    fn acts_on(&self, _: &Change) -> bool {
        false
    }

    /// A time that the application sets is not undone.
    fn set(&mut self, change: &Change) {
        let before = self.clock_before.take();
        self.apply(core::slice::from_ref(change));
        let is_time = change.path().resource() == Some(CURRENT_TIME);
        self.clock_before = match before {
            Some(_) if is_time => Some(Before(self.clock)),
            before => before,
        };
    }

    /// Puts the clock back, which has advanced meanwhile, unless only the application has set it.
    fn undo(&mut self, undo: &[Change]) {
        self.store.apply(undo);
        let mut resources = undo.iter().map(|change| change.path().resource());
        let committed = resources.any(|resource| matches!(resource, None | Some(CURRENT_TIME)));
        if let Some(Before(clock)) = self.clock_before.take().filter(|_| committed) {
            self.clock = clock;
        }
    }

    fn execute(
        &mut self,
        _: InstanceId,
        resource: ResourceId,
        _: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        if resource == RESET_ERROR_CODE {
            self.reset_errors();
            return Ok(Execution::Done);
        }
        Ok(Execution::Application)
    }

    fn factory_reset(&mut self) {
        self.reset_errors();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn poll_changed(&mut self) -> Option<Path> {
        self.changed.pop()
    }

    fn save(&self) -> Option<ObjectSnapshot> {
        let Some(clock) = self.clock else {
            return self.store.save();
        };
        let mut store = self.store.clone();
        let value = Value::Time(clock.read(self.now));
        let path = path(CURRENT_TIME);
        store.apply(&[Change::Set { path, value }]);
        store.save()
    }

    fn save_undone(&self, undo: &[Change]) -> Option<ObjectSnapshot> {
        let mut before = self.clone();
        before.undo(undo);
        before.save()
    }

    /// Current Time continues from the saved one: how long ago that was isn't known.
    fn load_saved(&mut self, saved: &ObjectSnapshot) {
        self.store.load_saved(saved);
        self.clock = match self.store.get(path(CURRENT_TIME)) {
            Some(Value::Time(unix)) => Some(Clock {
                set: *unix,
                since: self.now,
            }),
            _ => None,
        };
    }
}
