//! What reads differently to servers after changes.

use alloc::{collections::BTreeMap, vec::Vec};

use lwm2m_core::{Path, ResourceInstanceId, Value, ValueRef};

use crate::tree::{ObjectTree, object::Change};

impl ObjectTree {
    /// What reads differently to servers once these changes of one Object are applied, in ascending
    /// order and each once: Object Instances that come or go, and elsewhere Resources that can be
    /// read and get another value. The same value again is no difference, and neither is an array
    /// that is replaced by an equal one.
    ///
    /// It takes as long as sorting the changes, and reading the Resources in them.
    pub(crate) fn differences(&self, run: &[Change]) -> Vec<Path> {
        let place = |change: &&Change| (change.path().instance(), change.path().resource());
        let mut sorted: Vec<&Change> = run.iter().collect();
        // It is stable: of one Resource, the later change stays the later one.
        sorted.sort_by_key(place);
        let mut found = Vec::new();
        for of_instance in sorted.chunk_by(|a, b| a.path().instance() == b.path().instance()) {
            // Changes of the Object Instance itself are before those of its Resources.
            let ends = of_instance.partition_point(|change| change.path().resource().is_none());
            let (whole, of_resources) = of_instance.split_at(ends);
            if let [.., last] = whole {
                let comes = matches!(last, Change::Create { .. });
                if comes || self.locate(last.path()).is_some() {
                    found.push(last.path());
                }
                continue;
            }
            for of_resource in of_resources.chunk_by(|a, b| place(a) == place(b)) {
                let resource = of_resource.first().map(|change| resource_of(change.path()));
                found.extend(resource.filter(|path| self.differs(*path, of_resource)));
            }
        }
        found
    }

    /// Whether a Resource reads differently after these changes of it.
    fn differs(&self, resource: Path, changes: &[&Change]) -> bool {
        let definition = resource.object().and_then(|object| self.definition(object));
        let of = definition.zip(resource.resource());
        let Some(of) = of.and_then(|(definition, id)| definition.resource(id)) else {
            return false;
        };
        if !of.operations.readable() {
            return false;
        }
        let is_there = self.locate(resource).is_some();
        let Some(after) = After::of(changes) else {
            return is_there;
        };
        if !is_there {
            return true;
        }
        let (mut kept, mut other) = (0, false);
        self.visit(resource, |at, value| match after.get(at) {
            Some(written) => {
                kept += 1;
                other |= !is_same(written.as_ref(), value);
            }
            None => other |= after.replaces,
        });
        // What is written beside what is there is new.
        other || kept < after.values.len()
    }
}

/// What a Resource has once it is changed.
struct After<'c> {
    /// What is written; a single value is that of no Resource Instance.
    values: BTreeMap<Option<ResourceInstanceId>, &'c Value>,
    /// Whether that is all that there is then.
    replaces: bool,
}

impl<'c> After<'c> {
    /// What comes of changes of one Resource; `None` if it is not there any more.
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

/// Whether two values are the same to whoever reads them: numbers by their bits, so that what is not
/// a number is the same as itself.
pub(crate) fn is_same(a: ValueRef<'_>, b: ValueRef<'_>) -> bool {
    match (a, b) {
        (ValueRef::Float(a), ValueRef::Float(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}

/// The Resource that a change is of.
fn resource_of(path: Path) -> Path {
    match path {
        Path::ResourceInstance(object, instance, resource, _) => {
            Path::Resource(object, instance, resource)
        }
        path => path,
    }
}
