//! An Object of the device's own: thermostats, one for each room. Servers and the commands create
//! and delete them.

use std::{collections::VecDeque, io};

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, Value};
use lwm2m_objects::{
    Change, InstanceSink, Object, ObjectDefinition, ReadError, ResourceSink, Store, ddf,
};

use super::invalid;

/// The Object ID of the thermostats.
pub(super) const THERMOSTAT: ObjectId = ObjectId::new(26241);
/// Reset Lowest and Highest.
pub(super) const RESET: ResourceId = ResourceId::new(6);
/// A server may be given the same file.
const DEFINITION: &[u8] = include_bytes!("../../objects/26241.xml");
/// How many thermostats there may be.
const MOST: usize = 16;

const ROOM: u16 = 0;
const TEMPERATURE: u16 = 1;
const SET_POINT: u16 = 2;
const HEATING: u16 = 3;
const LOWEST: u16 = 4;
const HIGHEST: u16 = 5;
/// What a new thermostat measures at first, in degrees Celsius.
const AT_FIRST: f64 = 18.0;

/// The Object, for the tree.
///
/// Its values are in a [`Store`]. What is the Object's own: a new Object Instance has its read-only
/// Resources at once (TS 6.1), and the temperatures change by themselves.
#[derive(Debug)]
pub(super) struct Thermostats {
    store: Store,
    /// What has changed by itself.
    changed: VecDeque<Path>,
}

impl Thermostats {
    /// The Object with two rooms.
    pub(super) fn new() -> io::Result<Self> {
        let mut store = Store::from_definition(definition()?).map_err(invalid)?;
        for (instance, room, set_point) in [(0, "Kitchen", 20.0), (1, "Bedroom", 17.0)] {
            if let Some(id) = InstanceId::new(instance) {
                store = store.with(id, ROOM, room).with(id, SET_POINT, set_point);
                for (resource, value) in measured() {
                    store = store.with(id, resource, value);
                }
                store = store.with_executable(id, RESET.get());
            }
        }
        Ok(Self {
            store: store.managed(MOST).checked().map_err(invalid)?,
            changed: VecDeque::new(),
        })
    }

    /// Time passes in all rooms: one that is heated gets warmer, the others get colder.
    pub(super) fn step(&mut self) {
        let mut next = self.store.next_instance(None);
        while let Some(instance) = next {
            let before = self.float(instance, TEMPERATURE);
            let set_point = self.float(instance, SET_POINT);
            let heats = self.get(instance, HEATING) == Some(Value::Boolean(true));
            let temperature = rounded(if heats { before + 0.3 } else { before - 0.1 });
            // Without the difference it would switch at each step.
            let heating = temperature < if heats { set_point } else { set_point - 0.5 };
            let lowest = self.float(instance, LOWEST).min(temperature);
            let highest = self.float(instance, HIGHEST).max(temperature);
            self.change(instance, TEMPERATURE, temperature);
            self.change(instance, HEATING, heating);
            self.change(instance, LOWEST, lowest);
            self.change(instance, HIGHEST, highest);
            next = self.store.next_instance(Some(instance));
        }
    }

    /// Executes Reset Lowest and Highest.
    pub(super) fn reset(&mut self, instance: InstanceId) {
        let temperature = self.float(instance, TEMPERATURE);
        self.change(instance, LOWEST, temperature);
        self.change(instance, HIGHEST, temperature);
    }

    fn get(&self, instance: InstanceId, resource: u16) -> Option<Value> {
        self.store.get(path(instance, resource)).cloned()
    }

    fn float(&self, instance: InstanceId, resource: u16) -> f64 {
        match self.get(instance, resource) {
            Some(Value::Float(number)) => number,
            _ => AT_FIRST,
        }
    }

    /// Sets a value, and remembers it for the observers if it is another one.
    fn change(&mut self, instance: InstanceId, resource: u16, value: impl Into<Value>) {
        let (path, value) = (path(instance, resource), value.into());
        if self.store.has_instance(instance) && self.store.get(path) != Some(&value) {
            self.store.apply(&[Change::Set { path, value }]);
            self.changed.push_back(path);
        }
    }
}

/// The definition of the Object.
pub(super) fn definition() -> io::Result<ObjectDefinition> {
    let definition = ddf::read(DEFINITION).map_err(invalid)?.into_iter().next();
    definition.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The read-only values of a new Object Instance.
fn measured() -> [(u16, Value); 4] {
    [
        (TEMPERATURE, AT_FIRST.into()),
        (HEATING, false.into()),
        (LOWEST, AT_FIRST.into()),
        (HIGHEST, AT_FIRST.into()),
    ]
}

/// To tenths of a degree.
fn rounded(temperature: f64) -> f64 {
    (temperature * 10.0).round() / 10.0
}

const fn path(instance: InstanceId, resource: u16) -> Path {
    Path::Resource(THERMOSTAT, instance, ResourceId::new(resource))
}

impl Object for Thermostats {
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
        self.store.read(instance, resource, out)
    }

    fn read_instance(
        &self,
        instance: InstanceId,
        out: &mut InstanceSink<'_>,
    ) -> Result<(), ReadError> {
        self.store.read_instance(instance, out)
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.store.apply(core::slice::from_ref(change));
            // What is not writable is there as soon as the Object Instance is.
            if let (Change::Create { .. }, Some(instance)) = (change, change.path().instance()) {
                for (resource, value) in measured() {
                    let path = path(instance, resource);
                    self.store.apply(&[Change::Set { path, value }]);
                }
            }
        }
    }

    fn acts_on(&self, _: &Change) -> bool {
        false
    }

    fn poll_changed(&mut self) -> Option<Path> {
        self.changed.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use lwm2m_objects::ObjectTree;

    use super::*;

    fn tree() -> ObjectTree {
        let mut tree = ObjectTree::new();
        tree.add(Thermostats::new().unwrap());
        tree
    }

    fn thermostats(tree: &mut ObjectTree) -> &mut Thermostats {
        tree.object_as_mut(THERMOSTAT).unwrap()
    }

    fn at(path: &str) -> Path {
        path.parse().unwrap()
    }

    #[test]
    fn the_definition_keeps_the_rules_of_the_template() {
        let thermostats = Thermostats::new().unwrap();
        assert_eq!(thermostats.definition().id, THERMOSTAT);
        assert_eq!(thermostats.definition().validate(), Ok(()));
    }

    #[test]
    fn a_room_is_heated_until_the_set_point_is_reached() {
        let mut tree = tree();
        let (temperature, heating) = (at("/26241/0/1"), at("/26241/0/3"));
        let mut heated = 0;
        for _ in 0..40 {
            thermostats(&mut tree).step();
            heated += u32::from(tree.get(heating) == Some(Value::Boolean(true)));
        }
        assert!(heated > 5 && heated < 40, "{heated}");
        let Some(Value::Float(warm)) = tree.get(temperature) else {
            panic!("no temperature");
        };
        assert!((19.0..=20.5).contains(&warm), "{warm}");
        assert!(core::iter::from_fn(|| tree.poll_changed()).any(|path| path == temperature));
    }

    #[test]
    fn a_reset_sets_both_extremes_to_the_temperature_of_now() {
        let mut tree = tree();
        for _ in 0..40 {
            thermostats(&mut tree).step();
        }
        let [now, lowest, highest] = [1, 4, 5].map(|resource| path(InstanceId::ZERO, resource));
        assert_ne!(tree.get(lowest), tree.get(highest));
        thermostats(&mut tree).reset(InstanceId::ZERO);
        assert_eq!(tree.get(lowest), tree.get(now));
        assert_eq!(tree.get(highest), tree.get(now));
    }

    #[test]
    fn a_new_room_has_its_read_only_resources_at_once() {
        let mut tree = tree();
        let set = |at: &str, value: Value| Change::Set {
            path: at.parse().unwrap(),
            value,
        };
        tree.change([
            Change::Create {
                path: at("/26241/7"),
            },
            set("/26241/7/0", "Hall".into()),
            set("/26241/7/2", 19.0.into()),
        ])
        .unwrap();
        let instance = InstanceId::new(7).unwrap();
        let has = tree.resources(THERMOSTAT, instance).count();
        assert_eq!(has, 7);
        assert_eq!(tree.get(at("/26241/7/1")), Some(Value::Float(AT_FIRST)));
    }
}
