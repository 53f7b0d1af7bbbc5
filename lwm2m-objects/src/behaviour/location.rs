//! Location (TS E.7): the last measurement as a whole.

use lwm2m_core::{Arguments, InstanceId, ObjectId, Path, ResourceId};

use crate::{
    behaviour::changed::Changed,
    definition::ObjectDefinition,
    tree::{
        Change, ExecuteError, Execution, InstanceSink, Object, ReadError, ResourceSink, Store,
        is_same,
    },
    typed::Location,
};

/// The Location Object with its behaviour, for an [`ObjectTree`](crate::ObjectTree). A measurement
/// replaces the last one as a whole, so that place, speed and time always belong together.
///
/// ```
/// use lwm2m_core::{ObjectId, Value};
/// use lwm2m_objects::{LocationObject, ObjectTree, typed};
///
/// let mut tree = ObjectTree::new();
/// tree.add(LocationObject::new(typed::Location::new(60.1699, 24.9384, 1_367_491_215)));
/// let location: &mut LocationObject = tree.object_as_mut(ObjectId::LOCATION).unwrap();
/// location.moved(typed::Location::new(60.1700, 24.9384, 1_367_491_275));
/// assert_eq!(tree.get("/6/0/0".parse()?), Some(Value::Float(60.17)));
/// // The latitude and the timestamp have changed.
/// assert_eq!(tree.poll_changed(), Some("/6/0/0".parse()?));
/// assert_eq!(tree.poll_changed(), Some("/6/0/5".parse()?));
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LocationObject {
    store: Store,
    changed: Changed,
}

impl LocationObject {
    /// The Object with its instance.
    pub fn new(location: Location) -> Self {
        Self {
            store: Store::of([(InstanceId::ZERO, location)]),
            changed: Changed::default(),
        }
    }

    /// Sets a new measurement. Resources that it doesn't have are removed. This has no effect while
    /// the Object Instance is deleted.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the Object keeps the measurement"
    )]
    pub fn moved(&mut self, location: Location) {
        if !self.store.has_instance(InstanceId::ZERO) {
            return;
        }
        for (resource, value) in location.values() {
            let path = Path::Resource(
                ObjectId::LOCATION,
                InstanceId::ZERO,
                ResourceId::new(resource),
            );
            let same = match (self.store.get(path), &value) {
                (Some(old), Some(value)) => is_same(old.as_ref(), value.as_ref()),
                (old, value) => old.is_none() && value.is_none(),
            };
            if same {
                continue;
            }
            self.store.apply(&[match value {
                Some(value) => Change::Set { path, value },
                None => Change::Remove { path },
            }]);
            self.changed.push(path);
        }
    }
}

impl Object for LocationObject {
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
        self.store.apply(changes);
    }

    fn acts_on(&self, _: &Change) -> bool {
        false
    }

    fn execute(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        _: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        let path = Path::Resource(ObjectId::LOCATION, instance, resource);
        Err(ExecuteError::NotExecutable(path))
    }

    fn poll_changed(&mut self) -> Option<Path> {
        self.changed.pop()
    }
}
