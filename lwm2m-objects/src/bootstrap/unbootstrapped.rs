//! Servers whose accounts a bootstrap takes, and some of which come back in it.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use lwm2m_core::{AccessRights, InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value};

use super::commands::{CommandChanges, Lost};
use crate::{
    access::{
        accounts::{security_instances, server_instances},
        free_instances,
        unbootstrapping::{Control, Fate, Leaving, Place},
    },
    tree::{AclTarget, Change, ObjectTree, fitting},
    typed::{AccessControl, PartialAccessControl},
};

/// What a bootstrap has taken from servers whose accounts it has deleted (TS E.1.3). Most of them come
/// back before the Finish: a Bootstrap-Server deletes `/0` and `/1`, and writes them again.
///
/// It takes memory for what was there before the bootstrap, and at most once.
///
/// ```
/// use lwm2m_core::Path;
/// use lwm2m_objects::{Typed, bootstrap::{self, Unbootstrapped}, example, typed::Security};
///
/// let mut tree = example::client();
/// let (mut unbootstrapped, control): (_, Path) = (Unbootstrapped::new(), "/2/3/2/101".parse()?);
/// tree.hold();
/// let command = bootstrap::delete(&tree, "/0/1".parse()?)?;
/// tree.commit(command.changes())?;
/// unbootstrapped.follow(command);
/// assert_eq!(tree.get(control), None);
///
/// // The Bootstrap-Server writes `/0/1` and `/1/0` again.
/// # use lwm2m_core::{InstanceId, codec::{Content, Event, Sink}};
/// # for (object, from) in [(0_u16, example::client()), (1, example::client())] {
/// #     let at = Path::Instance(object.into(), InstanceId::new(1 - object).unwrap());
/// #     let mut transaction = tree.bootstrap_write(at)?;
/// #     transaction.event(Event::Instance(at.instance()))?;
/// #     for resource in from.resources(object.into(), at.instance().unwrap()) {
/// #         let path = Path::Resource(object.into(), at.instance().unwrap(), resource.id);
/// #         if let Some(value) = from.get(path) {
/// #             let (value, time) = (value.as_ref(), None);
/// #             transaction.event(Event::Resource { id: resource.id, value, time })?;
/// #         }
/// #     }
/// #     transaction.event(Event::EndInstance)?;
/// #     let command = bootstrap::written(&tree, transaction.finish()?)?;
/// #     tree.commit(command.changes())?;
/// #     unbootstrapped.follow(command);
/// # }
/// tree.change(unbootstrapped.restored(&tree))?;
/// assert_eq!(tree.get(control), example::client().get(control));
/// assert_eq!(unbootstrapped.servers(&tree).count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Unbootstrapped {
    /// The servers whose accounts were deleted.
    leaving: BTreeSet<ShortServerId>,
    /// These and the others that there were.
    known: BTreeSet<ShortServerId>,
    /// The Access Control Object Instances that were changed or deleted, as they were.
    controls: BTreeMap<InstanceId, Control>,
    /// The other Object Instances that were deleted, except for Server Object Instances.
    instances: BTreeMap<Place, Lost>,
}

impl Unbootstrapped {
    /// Nothing yet: a bootstrap begins.
    pub const fn new() -> Self {
        Self {
            leaving: BTreeSet::new(),
            known: BTreeSet::new(),
            controls: BTreeMap::new(),
            instances: BTreeMap::new(),
        }
    }

    /// Remembers what a command has taken, after its commit. What the command itself has written or
    /// deleted isn't for the Client to restore any more.
    pub fn follow(&mut self, committed: CommandChanges) {
        let CommandChanges { named, losses, .. } = committed;
        for path in named {
            let is_named =
                |(object, instance): Place| path.contains(&Path::Instance(object, instance));
            self.controls
                .retain(|id, _| !is_named((ObjectId::ACCESS_CONTROL, *id)));
            self.instances.retain(|at, _| !is_named(*at));
        }
        self.leaving.extend(losses.leaving);
        self.known.extend(losses.known);
        for (at, mut lost) in losses.instances {
            // The first rights count: a later command sees what an earlier one has left.
            let first = self.controls.iter();
            let first = first.filter(|(_, control)| control.was.instance() == Some(at));
            let first = first.map(|(id, control)| (*id, control.clone()));
            lost.controls.extend(first);
            // It may have been restored, and got new values, since it went for the first time.
            let values = lost.values.clone();
            self.instances.entry(at).or_insert(lost).values = values;
        }
        for (id, control) in losses.controls {
            self.controls.entry(id).or_insert(control);
        }
    }

    /// The servers that have not come back, in ascending order: their observations end, and they may be
    /// told by a De-register (TS E.1.3, 3 and 5).
    pub fn servers(&self, tree: &ObjectTree) -> impl Iterator<Item = ShortServerId> {
        self.not_back(tree).into_iter()
    }

    /// The changes that give servers that have come back what was taken from them: the rights in the
    /// Access Control Object, and the Object Instances that went with them. Afterwards all is as if
    /// TS E.1.3 had been carried out for the other servers alone. Rights on a Server Object Instance
    /// follow it to another Object Instance ID, and values are those that the application has
    /// [set](ObjectTree::set) since. What no longer fits is left out: the Bootstrap-Server may
    /// have written other Object Instances in its room.
    ///
    /// Commit them at the Finish, before the [check](super::check). If the Finish is refused, ask again
    /// at the next one.
    pub fn restored(&self, tree: &ObjectTree) -> Vec<Change> {
        let leaving = self.not_back(tree);
        let present = security_instances(tree).filter_map(|(id, _)| id);
        let fates = Leaving {
            leaving: &leaving,
            staying: present.filter(|id| self.known.contains(id)).collect(),
        };
        let mut restoring = Restoring::new(tree);
        let back = self.instances.iter().filter(|(_, lost)| {
            let mut fates = lost.controls.values().map(|control| fates.fate(control));
            fates.any(|fate| !matches!(fate, Fate::Goes))
        });
        restoring.instances(back.map(|(at, lost)| {
            let mut values = lost.values.clone();
            values.extend(tree.set_since_gone(at.0, at.1));
            (*at, values)
        }));
        for (id, control) in &self.controls {
            let wanted = match fates.fate(control) {
                Fate::Goes => continue,
                Fate::Stays => control.was.clone(),
                Fate::Becomes(new) => new,
            };
            restoring.control(*id, control, wanted);
        }
        restoring.into_changes()
    }

    fn not_back(&self, tree: &ObjectTree) -> BTreeSet<ShortServerId> {
        let back = security_instances(tree).filter_map(|(id, _)| id).collect();
        &self.leaving - &back
    }
}

/// The changes that restore something. Of each Object, they fit together: what a bootstrap has written
/// may have taken the room of something.
struct Restoring<'t> {
    tree: &'t ObjectTree,
    changes: Vec<Change>,
    /// Those of the Access Control Object, by its Object Instances.
    controls: Vec<(Place, Vec<Change>)>,
    /// The Object Instances that they create.
    created: BTreeSet<Place>,
}

impl<'t> Restoring<'t> {
    const fn new(tree: &'t ObjectTree) -> Self {
        Self {
            tree,
            changes: Vec::new(),
            controls: Vec::new(),
            created: BTreeSet::new(),
        }
    }

    fn into_changes(self) -> Vec<Change> {
        let Self {
            tree,
            mut changes,
            controls,
            ..
        } = self;
        if let Some(object) = tree.object(ObjectId::ACCESS_CONTROL) {
            let controls = fitting(object, controls).into_iter();
            changes.extend(controls.flat_map(|(_, changes)| changes));
        }
        changes
    }

    fn has(&self, at: Place) -> bool {
        self.created.contains(&at) || self.tree.locate(Path::Instance(at.0, at.1)).is_some()
    }

    /// Creates Object Instances with these values, as far as they fit.
    fn instances(&mut self, lost: impl Iterator<Item = (Place, Vec<Change>)>) {
        let mut by_object = BTreeMap::<ObjectId, Vec<_>>::new();
        for (at, values) in lost {
            if let Some(changes) = self.instance(at, values) {
                by_object.entry(at.0).or_default().push((at, changes));
            }
        }
        for (id, groups) in by_object {
            let Some(object) = self.tree.object(id) else {
                continue;
            };
            let fitting = fitting(object, groups);
            self.created.extend(fitting.iter().map(|(at, _)| *at));
            if id == ObjectId::ACCESS_CONTROL {
                self.controls.extend(fitting);
            } else {
                let changes = fitting.into_iter().flat_map(|(_, changes)| changes);
                self.changes.extend(changes);
            }
        }
    }

    /// The changes that create an Object Instance, unless it is there. Of its values it gets those that
    /// its Object takes: those of an update machine are the machine's.
    fn instance(&self, at: Place, values: Vec<Change>) -> Option<Vec<Change>> {
        let object = self.tree.object(at.0).filter(|_| !self.has(at))?;
        if object.prepare(&values).is_ok() {
            return Some(values);
        }
        let mut values = values.into_iter();
        let mut taken: Vec<Change> = values.next().into_iter().collect();
        for change in values {
            taken.push(change);
            if object.prepare(&taken).is_err() {
                taken.pop();
            }
        }
        object.prepare(&taken).is_ok().then_some(taken)
    }

    /// Gives an Access Control Object Instance this content, if what it is about is there and nothing
    /// else has been said of that.
    fn control(&mut self, id: InstanceId, control: &Control, mut wanted: PartialAccessControl) {
        let place = (ObjectId::ACCESS_CONTROL, id);
        if self.created.contains(&place) {
            return;
        }
        if let Some(server) = control.server {
            let mut instances = server_instances(self.tree);
            let Some((_, at)) = instances.find(|(found, _)| *found == Some(server)) else {
                return;
            };
            wanted.target = Some(AclTarget::Instance(ObjectId::SERVER, at));
        }
        let tree = self.tree;
        let target = tree.access_target(id);
        if target == wanted.target && self.has(place) {
            let present = PartialAccessControl::load(tree, id);
            self.controls.push((place, present.changes_to(&wanted, id)));
            return;
        }
        let Some(about) = wanted.target else {
            return;
        };
        let is_there = match about {
            AclTarget::Instance(object, instance) => self.has((object, instance)),
            AclTarget::Object(object) => tree.object(object).is_some(),
        };
        let before = tree.settled();
        let mut others = tree.access_controls(about);
        if !is_there || others.any(|id| before.access_target(id) != Some(about)) {
            return;
        }
        let Some(id) = self.free_id(id) else {
            return;
        };
        let acl = control.has_acl.then_some(&wanted.acl[..]);
        let place = (ObjectId::ACCESS_CONTROL, id);
        self.controls
            .push((place, created(id, about, acl, wanted.owner)));
        self.created.insert(place);
    }

    /// This identifier if it is free, else the first one that is.
    fn free_id(&self, id: InstanceId) -> Option<InstanceId> {
        let is_free = |id: &InstanceId| !self.has((ObjectId::ACCESS_CONTROL, *id));
        let object = self.tree.object(ObjectId::ACCESS_CONTROL)?;
        Some(id)
            .filter(is_free)
            .or_else(|| free_instances(object).find(is_free))
    }
}

/// The changes that create an Access Control Object Instance about a target.
fn created(
    id: InstanceId,
    target: AclTarget,
    acl: Option<&[(u16, AccessRights)]>,
    owner: Option<u16>,
) -> Vec<Change> {
    const ACL: ResourceId = ResourceId::new(AccessControl::ACL);

    let path = |resource: u16| Path::Resource(ObjectId::ACCESS_CONTROL, id, resource.into());
    let set = |path: Path, number: u16| Change::Set {
        path,
        value: Value::Integer(number.into()),
    };
    let (object, instance) = target.numbers();
    let mut changes = Vec::from([
        Change::Create {
            path: Path::Instance(ObjectId::ACCESS_CONTROL, id),
        },
        set(path(0), object),
        set(path(1), instance),
    ]);
    if let Some(acl) = acl {
        changes.push(Change::Clear {
            path: path(AccessControl::ACL),
        });
        changes.extend(acl.iter().map(|(entry, rights)| {
            let at = Path::ResourceInstance(ObjectId::ACCESS_CONTROL, id, ACL, (*entry).into());
            set(at, rights.bits())
        }));
    }
    changes.extend(owner.map(|owner| set(path(AccessControl::OWNER), owner)));
    changes
}
