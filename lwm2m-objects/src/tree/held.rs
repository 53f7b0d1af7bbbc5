//! What is committed and can still be taken back.

use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::RangeInclusive;

use lwm2m_core::{InstanceId, Path, ResourceId, ResourceInstanceId, Value};

use crate::tree::{
    ObjectTree,
    object::{Change, Object},
};

/// What was committed to one Object since the tree holds it.
///
/// However often something is written, it takes as much as what was there before, and what is there
/// now and still has to be acted on.
#[derive(Default)]
pub(crate) struct Held {
    before: Before,
    waiting: Waiting,
}

impl Held {
    /// Notes changes of the Object before they are applied.
    pub(crate) fn commit(&mut self, tree: &ObjectTree, object: &dyn Object, run: &[Change]) {
        self.before.note(tree, object, run);
        self.waiting.add(object, &self.before, run);
    }

    /// Notes changes of the application's own once they are applied: they are not taken back, but
    /// what follows from them must not overtake what is held.
    pub(crate) fn set(&mut self, object: &dyn Object, run: &[Change]) {
        for change in run {
            self.before.set(change);
        }
        self.waiting.add(object, &self.before, run);
    }

    /// The changes that take everything back.
    pub(crate) fn undo(&self, object: &dyn Object) -> Vec<Change> {
        self.before.changes(object)
    }

    /// Lets happen what follows from everything.
    pub(crate) fn settle(self, object: &mut dyn Object) {
        let mut commits = self.waiting.commits();
        // The Object hears of it, whatever there is.
        object.settle(&commits.next().unwrap_or_default());
        commits.for_each(|run| object.settle(&run));
    }
}

/// What an Object was like, as far as something of it has been changed since.
#[derive(Default)]
struct Before {
    instances: BTreeMap<InstanceId, InstanceBefore>,
}

/// What an Object Instance was like.
enum InstanceBefore {
    /// It was not there.
    Absent,
    /// It was there.
    Present {
        /// Whether it has gone since, even if it came again.
        went: bool,
        /// The Resources that have been changed; once it went, all that it had.
        resources: BTreeMap<ResourceId, ResourceBefore>,
    },
}

/// What a Resource was like.
enum ResourceBefore {
    Absent,
    /// A single Resource, and its value if the Object tells it.
    Single(Option<Value>),
    Multiple(BTreeMap<ResourceInstanceId, Value>),
    /// It executes.
    Executable,
}

impl Before {
    /// Notes what changes are about to change.
    fn note(&mut self, tree: &ObjectTree, object: &dyn Object, run: &[Change]) {
        for change in run {
            let path = change.path();
            let Some(instance) = path.instance() else {
                continue;
            };
            let before = self.instances.entry(instance).or_insert_with(|| {
                if object.has_instance(instance) {
                    InstanceBefore::Present {
                        went: false,
                        resources: BTreeMap::new(),
                    }
                } else {
                    InstanceBefore::Absent
                }
            });
            let InstanceBefore::Present { went, resources } = before else {
                continue;
            };
            let at = |id| Path::Resource(object.definition().id, instance, id);
            match path.resource() {
                _ if *went => {}
                Some(id) => {
                    let read = || ResourceBefore::read(tree, at(id));
                    resources.entry(id).or_insert_with(read);
                }
                None => {
                    *went = true;
                    for resource in object.definition().resources.iter() {
                        // Which of those that execute there are, nothing else would tell.
                        let id = resource.id;
                        if resource.operations.executable() || object.has(instance, id) {
                            let read = || ResourceBefore::read(tree, at(id));
                            resources.entry(id).or_insert_with(read);
                        }
                    }
                }
            }
        }
    }

    /// The application has set a value, which counts as if it had been there before.
    fn set(&mut self, change: &Change) {
        let (Change::Set { path, value }, Some(instance), Some(resource)) =
            (change, change.path().instance(), change.path().resource())
        else {
            return;
        };
        let Some(InstanceBefore::Present { went, resources }) = self.instances.get_mut(&instance)
        else {
            return;
        };
        let before = if *went {
            resources.entry(resource).or_insert(ResourceBefore::Absent)
        } else if let Some(before) = resources.get_mut(&resource) {
            before
        } else {
            // Nothing else has been committed there: it stays as it is.
            return;
        };
        before.set(path.resource_instance(), value.clone());
    }

    /// Whether the Object Instance has come since.
    fn has_come(&self, instance: InstanceId) -> bool {
        matches!(self.instances.get(&instance), Some(InstanceBefore::Absent))
    }

    /// The changes that make the Object what it was, from what it is now.
    fn changes(&self, object: &dyn Object) -> Vec<Change> {
        let id = object.definition().id;
        let mut changes = Vec::new();
        for (instance, before) in &self.instances {
            let path = Path::Instance(id, *instance);
            let is_there = object.has_instance(*instance);
            match before {
                InstanceBefore::Absent if is_there => changes.push(Change::Delete { path }),
                InstanceBefore::Absent => {}
                InstanceBefore::Present { went, resources } => {
                    if *went && is_there {
                        changes.push(Change::Delete { path });
                    }
                    if *went {
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
    /// What the Resource at `path` is like now.
    fn read(tree: &ObjectTree, path: Path) -> Self {
        let Some((_, Some(resource))) = tree.locate(path) else {
            return Self::Absent;
        };
        if resource.operations.executable() {
            return Self::Executable;
        }
        let mut values = Vec::new();
        tree.visit(path, |at, value| {
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

    fn set(&mut self, id: Option<ResourceInstanceId>, value: Value) {
        match (id, self) {
            (None, before) => *before = Self::Single(Some(value)),
            (Some(id), Self::Multiple(values)) => {
                values.insert(id, value);
            }
            (Some(id), before) => *before = Self::Multiple(BTreeMap::from([(id, value)])),
        }
    }

    /// The changes that make the Resource at `path` this.
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

/// What is still to be acted on.
#[derive(Default)]
struct Waiting {
    /// How many commits there were.
    commits: usize,
    /// In their order: by commit, and by their place in it.
    changes: BTreeMap<Turn, Change>,
    by_place: BTreeMap<Place, Vec<Turn>>,
}

type Turn = (usize, usize);

/// Where a change is, within its Object; what is below a place follows it.
type Place = (InstanceId, Option<ResourceId>, Option<ResourceInstanceId>);

impl Waiting {
    /// Adds a commit, and drops what nothing follows from any more.
    fn add(&mut self, object: &dyn Object, before: &Before, run: &[Change]) {
        let commit = self.commits;
        self.commits += 1;
        for (index, change) in run.iter().enumerate() {
            let path = change.path();
            let Some(instance) = path.instance() else {
                continue;
            };
            let place = (instance, path.resource(), path.resource_instance());
            match change {
                Change::Create { .. } => {}
                Change::Set { .. } => self.drop_superseded(object, change, place..=place),
                Change::Clear { .. } | Change::Remove { .. } => {
                    let last = (instance, place.1, Some(ResourceInstanceId::new(u16::MAX)));
                    self.drop_superseded(object, change, place..=last);
                }
                Change::Delete { .. } => {
                    self.drop_instance(instance);
                    if before.has_come(instance) {
                        // As if it had never been there.
                        continue;
                    }
                }
            }
            if object.acts_on(change) {
                self.changes.insert((commit, index), change.clone());
                self.by_place
                    .entry(place)
                    .or_default()
                    .push((commit, index));
            }
        }
    }

    fn drop_superseded(
        &mut self,
        object: &dyn Object,
        later: &Change,
        places: RangeInclusive<Place>,
    ) {
        self.retain(places, |earlier| !object.supersedes(later, earlier));
    }

    /// Nothing follows any more from what an Object Instance got that goes.
    fn drop_instance(&mut self, instance: InstanceId) {
        const LAST: (Option<ResourceId>, Option<ResourceInstanceId>) = (
            Some(ResourceId::new(u16::MAX)),
            Some(ResourceInstanceId::new(u16::MAX)),
        );
        let places = (instance, None, None)..=(instance, LAST.0, LAST.1);
        self.retain(places, |_| false);
    }

    /// Drops what is not to be kept of these places.
    fn retain(&mut self, places: RangeInclusive<Place>, keep: impl Fn(&Change) -> bool) {
        let mut empty = Vec::new();
        for (place, turns) in self.by_place.range_mut(places) {
            turns.retain(|turn| {
                let kept = self.changes.get(turn).is_some_and(&keep);
                if !kept {
                    self.changes.remove(turn);
                }
                kept
            });
            if turns.is_empty() {
                empty.push(*place);
            }
        }
        for place in empty {
            self.by_place.remove(&place);
        }
    }

    /// Commit by commit.
    fn commits(self) -> impl Iterator<Item = Vec<Change>> {
        let mut rest = self.changes.into_iter().peekable();
        core::iter::from_fn(move || {
            let ((commit, _), first) = rest.next()?;
            let mut run = Vec::from([first]);
            while let Some((_, change)) = rest.next_if(|((other, _), _)| *other == commit) {
                run.push(change);
            }
            Some(run)
        })
    }
}
