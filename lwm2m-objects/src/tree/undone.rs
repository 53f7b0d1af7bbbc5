//! What an Object would save if changes of it were undone.

use alloc::{collections::BTreeMap, vec::Vec};
use core::mem;

use lwm2m_core::{ResourceId, ResourceInstanceId, Value};

use super::{
    change::Change,
    sorted::{entry, put},
};
use crate::saved::snapshot::{InstanceSnapshot, ObjectSnapshot, ResourceSnapshot};

/// Applies changes to what an Object saved. An Object Instance that is created has these executable
/// Resources, which are in ascending order.
pub(super) fn apply_to(saved: &mut ObjectSnapshot, changes: &[Change], executables: &[ResourceId]) {
    let instances = mem::take(&mut saved.instances).into_iter();
    let mut instances: BTreeMap<_, _> = instances
        .map(|saved| (saved.instance, saved.resources))
        .collect();
    for change in changes {
        let path = change.path();
        let Some(instance) = path.instance() else {
            continue;
        };
        match (change, path.resource(), instances.get_mut(&instance)) {
            (Change::Create { .. }, ..) => {
                let executables = executables.iter();
                let resources = executables.map(|id| (*id, ResourceSnapshot::Executable));
                instances.insert(instance, resources.collect());
            }
            (Change::Delete { .. }, ..) => {
                instances.remove(&instance);
            }
            (Change::Set { value, .. }, Some(resource), Some(resources)) => {
                set(resources, resource, path.resource_instance(), value.clone());
            }
            (Change::Clear { .. }, Some(resource), Some(resources)) => {
                put(resources, resource, ResourceSnapshot::Multiple(Vec::new()));
            }
            (Change::Remove { .. }, Some(resource), Some(resources)) => {
                resources.retain(|(id, _)| *id != resource);
            }
            _ => {}
        }
    }
    let instances = instances.into_iter();
    saved.instances = instances
        .map(|(instance, resources)| InstanceSnapshot {
            instance,
            resources,
        })
        .collect();
}

/// Sets a value among the saved Resources of an Object Instance.
fn set(
    resources: &mut Vec<(ResourceId, ResourceSnapshot)>,
    resource: ResourceId,
    id: Option<ResourceInstanceId>,
    value: Value,
) {
    let Some(id) = id else {
        put(resources, resource, ResourceSnapshot::Single(value));
        return;
    };
    let empty = || ResourceSnapshot::Multiple(Vec::new());
    if let ResourceSnapshot::Multiple(values) = entry(resources, resource, empty) {
        put(values, id, value);
    }
}
