//! How a Store serves its Object.

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_core::{Arguments, InstanceId, Path, ResourceId};

use super::{
    Store, executables,
    instances::Instances,
    stored::{self, Stored},
};
use crate::{
    definition::{Multiplicity, ObjectDefinition, ResourceDefinition},
    saved::snapshot::{InstanceSnapshot, ObjectSnapshot, SnapshotError},
    tree::{
        change::Change,
        error::{ExecuteError, ReadError, WriteError},
        object::{Execution, Object},
        sink::{InstanceSink, ResourceSink},
        sorted::SortedMap,
    },
};

impl Object for Store {
    fn definition(&self) -> &ObjectDefinition {
        &self.definition
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        self.instances.next(after)
    }

    fn has_instance(&self, instance: InstanceId) -> bool {
        self.instances.get(instance).is_some()
    }

    fn free_instance(&self, from: InstanceId) -> Option<InstanceId> {
        self.instances.free(from)
    }

    fn supports(&self, resource: ResourceId) -> bool {
        self.supported.contains(&self.definition, resource)
    }

    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        self.stored(instance, resource).is_some()
    }

    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        let stored = self.stored(instance, resource);
        stored.ok_or(ReadError::Unavailable)?.read(out)
    }

    fn read_instance(
        &self,
        instance: InstanceId,
        out: &mut InstanceSink<'_>,
    ) -> Result<(), ReadError> {
        self.read_each(instance, out, |_, _| None)
    }

    fn is_managed(&self) -> bool {
        self.managed.is_some()
    }

    fn initial(&self, instance: InstanceId) -> Option<Vec<Change>> {
        let empty = Self::of_definition(self.definition.clone());
        let made = (self.initially)(empty, instance);
        let resources = made.instances.get(instance);
        let resources = resources.into_iter().flat_map(SortedMap::iter);
        let values = resources.flat_map(|(id, stored)| {
            let path = Path::Resource(self.definition.id, instance, *id);
            stored.changes(path)
        });
        Some(values.collect())
    }

    fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
        let most = match (self.definition.instances, self.managed) {
            (Multiplicity::Single, _) => 1,
            (Multiplicity::Multiple, most) => most.unwrap_or(usize::MAX),
        };
        // The Object Instances that are created and deleted up to each step.
        let (mut come, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for change in changes {
            let path = change.path();
            let instance = path.instance().ok_or(WriteError::NotFound(path))?;
            let is_there = come.contains(&instance)
                || self.has_instance(instance) && !gone.contains(&instance);
            match change {
                Change::Create { .. } if is_there => return Err(WriteError::Exists(path)),
                Change::Create { .. } => {
                    let there = (self.instances.len() + come.len()).saturating_sub(gone.len());
                    if there >= most {
                        return Err(WriteError::TooMany(path));
                    }
                    if !gone.remove(&instance) {
                        come.insert(instance);
                    }
                }
                _ if !is_there => return Err(WriteError::NotFound(path)),
                Change::Delete { .. } => {
                    if !come.remove(&instance) {
                        gone.insert(instance);
                    }
                }
                _ => {
                    let resource = path.resource().filter(|resource| self.supports(*resource));
                    let resource = resource.ok_or(WriteError::NotWritable(path))?;
                    if let Change::Set { value, .. } = change
                        && !(self.accepts)(resource, &value.as_ref())
                    {
                        return Err(WriteError::Refused(path));
                    }
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.apply_one(change);
        }
    }

    /// A change has no effect but the value.
    fn acts_on(&self, _: &Change) -> bool {
        false
    }

    fn execute(
        &mut self,
        _: InstanceId,
        _: ResourceId,
        _: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        Ok(Execution::Application)
    }

    fn save(&self) -> Option<ObjectSnapshot> {
        let instances = self.instances.iter().map(|(instance, stored)| {
            let resources = stored.iter().map(|(id, stored)| (*id, stored.save()));
            InstanceSnapshot {
                instance,
                resources: resources.collect(),
            }
        });
        Some(ObjectSnapshot {
            object: self.definition.id,
            version: self.definition.version,
            instances: instances.collect(),
            state: Vec::new(),
        })
    }

    fn check_saved(&self, saved: &ObjectSnapshot) -> Result<(), SnapshotError> {
        let object = self.definition.id;
        if !saved.state.is_empty() {
            return Err(SnapshotError::State(object));
        }
        if !saved.instances.is_sorted_by(|a, b| a.instance < b.instance) {
            return Err(SnapshotError::Content(Path::Object(object)));
        }
        saved.instances.iter().try_for_each(|instance| {
            let at = Path::Instance(object, instance.instance);
            let admitted = self.admit(instance.instance).is_ok();
            if !admitted || !instance.resources.is_sorted_by(|(a, _), (b, _)| a < b) {
                return Err(SnapshotError::Content(at));
            }
            instance.resources.iter().try_for_each(|(id, resource)| {
                let path = Path::Resource(object, instance.instance, *id);
                let fits = |definition| stored::fits(resource, definition, path);
                let fits = self.defined(*id).is_some_and(fits);
                fits.then_some(()).ok_or(SnapshotError::Content(path))
            })
        })
    }

    fn load_saved(&mut self, saved: &ObjectSnapshot) {
        self.instances = Instances::new();
        for saved in &saved.instances {
            let load = || {
                let resources = saved.resources.iter();
                let resources = resources.map(|(id, resource)| (*id, Stored::load(resource)));
                resources.collect()
            };
            self.instances.get_or_insert_with(saved.instance, load);
            for (id, _) in &saved.resources {
                self.supported.add(*id);
            }
        }
    }
}

impl Store {
    fn apply_one(&mut self, change: &Change) {
        let path = change.path();
        let Some(instance) = path.instance() else {
            return;
        };
        match (change, path.resource()) {
            (Change::Create { .. }, _) => self.create(instance),
            (Change::Set { value, .. }, Some(resource)) => {
                self.set(instance, resource, path.resource_instance(), value.clone());
            }
            (Change::Clear { .. }, Some(resource)) => {
                let empty = Stored::Multiple(SortedMap::new());
                self.instance(instance).insert(resource, empty);
            }
            (Change::Remove { .. }, Some(resource)) => {
                if let Some(resources) = self.instances.get_mut(instance) {
                    resources.remove(&resource);
                }
            }
            (Change::Delete { .. }, _) => self.instances.remove(instance),
            _ => {}
        }
    }

    /// Creates an Object Instance for a server, with all executable Resources that are supported.
    fn create(&mut self, id: InstanceId) {
        let (definition, supported) = (&self.definition, &self.supported);
        let is_supported =
            |resource: &ResourceDefinition| supported.contains(definition, resource.id);
        let make = || executables(definition, is_supported);
        self.instances.get_or_insert_with(id, make);
    }
}
