//! What an Object was like before the commits that are held.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::ops::Bound;

use lwm2m_core::{InstanceId, Path, ResourceId, ResourceInstanceId, Value};

use crate::{
    definition::ResourceDefinition,
    tree::{change::Change, error::ReadError, object::Object, sink::ResourceSink, visit::visit},
};

/// What an Object was like, as far as it has been changed since.
#[derive(Default)]
pub(in crate::tree) struct Before {
    instances: BTreeMap<InstanceId, InstanceBefore>,
    /// Those of them that were there and aren't now, each with what the application has set since.
    gone: BTreeMap<InstanceId, BTreeSet<ValuePlace>>,
}

/// A Resource, or a Resource Instance of it.
type ValuePlace = (ResourceId, Option<ResourceInstanceId>);

/// What an Object Instance was like.
enum InstanceBefore {
    /// It was not there.
    Absent,
    /// It was there.
    Present {
        /// Whether it was deleted since, even if it was created again.
        deleted: bool,
        /// The Resources that have been changed, or all of them once it was deleted.
        resources: BTreeMap<ResourceId, ResourceBefore>,
    },
}

/// What a Resource was like.
enum ResourceBefore {
    Absent,
    /// A single Resource, and its value if the Object could read it.
    Single(Option<Value>),
    Multiple(BTreeMap<ResourceInstanceId, Value>),
    /// It has no value.
    Executable,
}

impl Before {
    /// Notes the state of what is about to be changed.
    pub(super) fn note(&mut self, object: &dyn Object, run: &[Change]) {
        for change in run {
            let path = change.path();
            let Some(instance) = path.instance() else {
                continue;
            };
            let before = self.instances.entry(instance).or_insert_with(|| {
                if object.has_instance(instance) {
                    InstanceBefore::Present {
                        deleted: false,
                        resources: BTreeMap::new(),
                    }
                } else {
                    InstanceBefore::Absent
                }
            });
            let InstanceBefore::Present { deleted, resources } = before else {
                continue;
            };
            match change {
                Change::Delete { .. } => {
                    self.gone.entry(instance).or_default();
                }
                Change::Create { .. } => {
                    self.gone.remove(&instance);
                }
                _ => {}
            }
            match path.resource() {
                _ if *deleted => {}
                Some(id) => {
                    let definition = object.definition().resource(id);
                    let read = || ResourceBefore::read(object, instance, definition);
                    resources.entry(id).or_insert_with(read);
                }
                None => {
                    *deleted = true;
                    for resource in object.definition().resources.iter() {
                        // An executable Resource is noted even if it isn't there: nothing else
                        // would tell that.
                        let id = resource.id;
                        if resource.operations.executable() || object.has(instance, id) {
                            let read = || ResourceBefore::read(object, instance, Some(resource));
                            resources.entry(id).or_insert_with(read);
                        }
                    }
                }
            }
        }
    }

    /// The application has set a value. It counts as if it had been there before.
    pub(super) fn set(&mut self, change: &Change) {
        let (Change::Set { path, value }, Some(instance), Some(resource)) =
            (change, change.path().instance(), change.path().resource())
        else {
            return;
        };
        let Some(InstanceBefore::Present { deleted, resources }) =
            self.instances.get_mut(&instance)
        else {
            return;
        };
        if let Some(set) = self.gone.get_mut(&instance) {
            set.insert((resource, path.resource_instance()));
        }
        let before = if *deleted {
            resources.entry(resource).or_insert(ResourceBefore::Absent)
        } else if let Some(before) = resources.get_mut(&resource) {
            before
        } else {
            // Nothing has been committed there, so nothing will be undone.
            return;
        };
        before.set(path.resource_instance(), value.clone());
    }

    /// The first Object Instance after `after`, or the first of all, that was there and isn't now.
    pub(in crate::tree) fn next_gone(
        &self,
        object: &dyn Object,
        after: Option<InstanceId>,
    ) -> Option<InstanceId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.gone.range((from, Bound::Unbounded));
        rest.map(|(id, _)| *id).find(|id| !object.has_instance(*id))
    }

    /// What the application has set of an Object Instance since it was deleted.
    pub(super) fn set_since_gone(&self, instance: InstanceId) -> impl Iterator<Item = ValuePlace> {
        self.gone.get(&instance).into_iter().flatten().copied()
    }

    /// Whether an Object Instance had a Resource; `None` if that has not changed since.
    pub(in crate::tree) fn had(&self, instance: InstanceId, resource: ResourceId) -> Option<bool> {
        match self.instances.get(&instance)? {
            InstanceBefore::Absent => Some(false),
            InstanceBefore::Present { deleted, resources } => match resources.get(&resource) {
                Some(before) => Some(!matches!(before, ResourceBefore::Absent)),
                None => deleted.then_some(false),
            },
        }
    }

    /// Pushes what a Resource was like; `None` if it has not changed since.
    pub(in crate::tree) fn push(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Option<Result<(), ReadError>> {
        let before = match self.instances.get(&instance)? {
            InstanceBefore::Absent => None,
            InstanceBefore::Present { deleted, resources } => match resources.get(&resource) {
                None if !deleted => return None,
                before => before,
            },
        };
        Some(before.map_or(Err(ReadError::Unavailable), |before| before.push(out)))
    }

    /// Whether something of the Object Instance has been changed since.
    pub(in crate::tree) fn has(&self, instance: InstanceId) -> bool {
        self.instances.contains_key(&instance)
    }

    /// The Object Instances that have been changed since.
    pub(super) fn instances(&self) -> impl Iterator<Item = InstanceId> {
        self.instances.keys().copied()
    }

    /// Whether the Object Instance was not there.
    pub(in crate::tree) fn was_absent(&self, instance: InstanceId) -> bool {
        matches!(self.instances.get(&instance), Some(InstanceBefore::Absent))
    }

    /// The changes that restore the Object.
    pub(super) fn changes(&self, object: &dyn Object) -> Vec<Change> {
        let id = object.definition().id;
        let mut changes = Vec::new();
        for (instance, before) in &self.instances {
            let path = Path::Instance(id, *instance);
            let is_there = object.has_instance(*instance);
            match before {
                InstanceBefore::Absent if is_there => changes.push(Change::Delete { path }),
                InstanceBefore::Absent => {}
                InstanceBefore::Present { deleted, resources } => {
                    if *deleted && is_there {
                        changes.push(Change::Delete { path });
                    }
                    if *deleted {
                        changes.push(Change::Create { path });
                    }
                    for (resource, before) in resources {
                        before.restore(Path::Resource(id, *instance, *resource), &mut changes);
                    }
                }
            }
        }
        changes
    }
}

impl ResourceBefore {
    /// What a Resource is like now.
    fn read(
        object: &dyn Object,
        instance: InstanceId,
        resource: Option<&ResourceDefinition>,
    ) -> Self {
        let Some(resource) = resource.filter(|resource| object.has(instance, resource.id)) else {
            return Self::Absent;
        };
        if resource.operations.executable() {
            return Self::Executable;
        }
        let at = (object.definition().id, instance);
        let read = |out: &mut ResourceSink<'_>| object.read(instance, resource.id, out);
        let mut values = Vec::new();
        visit(at, resource, read, |at, value| {
            values.push((at.resource_instance(), value.to_owned()));
        });
        if resource.is_multiple() {
            let instances = values.into_iter();
            Self::Multiple(
                instances
                    .filter_map(|(id, value)| Some((id?, value)))
                    .collect(),
            )
        } else {
            Self::Single(values.pop().map(|(_, value)| value))
        }
    }

    /// Pushes the value that it had.
    fn push(&self, out: &mut ResourceSink<'_>) -> Result<(), ReadError> {
        match self {
            Self::Single(Some(value)) => out.value(value.as_ref()),
            Self::Multiple(values) => values
                .iter()
                .try_for_each(|(id, value)| out.instance(*id, value.as_ref())),
            Self::Absent | Self::Single(None) | Self::Executable => Err(ReadError::Unavailable),
        }
    }

    fn set(&mut self, id: Option<ResourceInstanceId>, value: Value) {
        match (id, self) {
            (None, before) => *before = Self::Single(Some(value)),
            (Some(id), Self::Multiple(values)) => {
                values.insert(id, value);
            }
            (Some(id), before) => *before = Self::Multiple(BTreeMap::from([(id, value)])),
        }
    }

    /// Adds the changes that restore the Resource at `path`.
    fn restore(&self, path: Path, changes: &mut Vec<Change>) {
        match self {
            Self::Absent => changes.push(Change::Remove { path }),
            Self::Executable | Self::Single(None) => {}
            Self::Single(Some(value)) => {
                let value = value.clone();
                changes.push(Change::Set { path, value });
            }
            Self::Multiple(values) => {
                changes.push(Change::Clear { path });
                let Path::Resource(object, instance, resource) = path else {
                    return;
                };
                changes.extend(values.iter().map(|(id, value)| Change::Set {
                    path: Path::ResourceInstance(object, instance, resource, *id),
                    value: value.clone(),
                }));
            }
        }
    }
}
