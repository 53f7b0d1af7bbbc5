//! What reads differently to servers after changes.

use alloc::{collections::BTreeMap, vec::Vec};

use lwm2m_core::{Path, ResourceInstanceId, Value, ValueRef};

use super::{change::Change, objects::Objects};

/// Finds what will read differently to servers once these changes of one Object are applied, in
/// ascending order and each once: Object Instances that are created or deleted, and elsewhere
/// Resources that can be read and get another value. Writing the same value again is no difference,
/// and neither is replacing an array by an equal one.
///
/// It takes as long as sorting the changes, and reading the Resources in them.
pub(super) fn differences(objects: &Objects, changes: &[Change], found: &mut Vec<Path>) {
    let place = |change: &&Change| (change.path().instance(), change.path().resource());
    let mut sorted: Vec<&Change> = changes.iter().collect();
    // It is stable: of one Resource, the later change stays the later one.
    sorted.sort_by_key(place);
    for of_instance in sorted.chunk_by(|a, b| a.path().instance() == b.path().instance()) {
        // Changes of the Object Instance itself are before those of its Resources.
        let ends = of_instance.partition_point(|change| change.path().resource().is_none());
        let (whole, of_resources) = of_instance.split_at(ends);
        if let [.., last] = whole {
            let comes = matches!(last, Change::Create { .. });
            if comes || objects.locate(last.path()).is_some() {
                found.push(last.path());
            }
            continue;
        }
        for of_resource in of_resources.chunk_by(|a, b| place(a) == place(b)) {
            let resource = of_resource.first().map(|change| resource_of(change.path()));
            found.extend(resource.filter(|path| differs(objects, *path, of_resource)));
        }
    }
}

/// Whether a Resource will read differently to servers after these changes of it.
pub(super) fn differs(objects: &Objects, resource: Path, changes: &[&Change]) -> bool {
    let object = resource.object().and_then(|object| objects.get(object));
    let of = object.zip(resource.resource());
    let Some(of) = of.and_then(|(object, id)| object.definition().resource(id)) else {
        return false;
    };
    if !of.operations.readable() {
        return false;
    }
    let is_there = objects.locate(resource).is_some();
    let Some(after) = After::of(changes) else {
        return is_there;
    };
    if !is_there {
        return true;
    }
    let (mut written_again, mut other) = (0, false);
    objects.visit(resource, |at, value| match after.get(at) {
        Some(written) => {
            written_again += 1;
            other |= !is_same(written.as_ref(), value);
        }
        None => other |= after.replaces,
    });
    // Resource Instances that are written and weren't there are new.
    other || written_again < after.values.len()
}

/// What a Resource has after changes.
struct After<'c> {
    /// The values that are written; a single value has no Resource Instance ID.
    values: BTreeMap<Option<ResourceInstanceId>, &'c Value>,
    /// Whether there is nothing else afterwards.
    replaces: bool,
}

impl<'c> After<'c> {
    /// What changes of one Resource lead to; `None` if they remove it.
    fn of(changes: &[&'c Change]) -> Option<Self> {
        let mut after = Some(Self {
            values: BTreeMap::new(),
            replaces: false,
        });
        let empty = || Self {
            values: BTreeMap::new(),
            replaces: true,
        };
        for change in changes {
            match change {
                Change::Set { path, value } => {
                    let after = after.get_or_insert_with(empty);
                    after.values.insert(path.resource_instance(), value);
                }
                Change::Clear { .. } => after = Some(empty()),
                Change::Remove { .. } => after = None,
                Change::Create { .. } | Change::Delete { .. } => {}
            }
        }
        after
    }

    fn get(&self, at: Path) -> Option<&'c Value> {
        self.values.get(&at.resource_instance()).copied()
    }
}

/// Whether two values read the same. Floats are compared by their bits, so that NaN is the same as
/// itself.
pub(crate) fn is_same(a: ValueRef<'_>, b: ValueRef<'_>) -> bool {
    match (a, b) {
        (ValueRef::Float(a), ValueRef::Float(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}

/// The Resource at a path, or the one that a Resource Instance belongs to.
pub(super) fn resource_of(path: Path) -> Path {
    match path {
        Path::ResourceInstance(object, instance, resource, _) => {
            Path::Resource(object, instance, resource)
        }
        path => path,
    }
}
