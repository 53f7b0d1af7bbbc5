//! What goes with the Security Object Instance of a server (TS E.1.3).

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::cmp::Reverse;

use lwm2m_core::{AccessRights, InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value};

use super::accounts::{security_instances, server_instances};
use crate::{
    definition::Multiplicity,
    tree::{AclTarget, Change, ObjectTree, fitting},
    typed::{AccessControl, PartialAccessControl},
};

/// An Object Instance.
pub(crate) type Place = (ObjectId, InstanceId);

/// The changes of a Delete of a server's Security Object Instance by the Bootstrap-Server
/// (TS E.1.3). They delete that instance, the Server Object Instance if there is one, and the Object
/// Instances that only this server could access, and they remove its entries from the ACLs that it
/// shares with others. The account is found by its Short Server ID, whatever else it lacks. The
/// caller has to end the observations and the registration of the server.
///
/// If the server owned an Object Instance, the new owner is the server with the greatest sum of
/// Write (1) and Delete (1), and of several the one with the lowest Short Server ID. If there is
/// none, the instance has no owner (65535). The only instance of a mandatory Object stays (TS D.1), and
/// so does what its Object doesn't delete.
///
/// [`bootstrap::delete`](crate::bootstrap::delete) does this for all servers that one Bootstrap-Delete
/// takes.
pub fn unbootstrapped(tree: &ObjectTree, server: ShortServerId) -> Vec<Change> {
    let securities = security_instances(tree).filter(|(id, _)| *id == Some(server));
    let securities: Vec<_> = securities.map(|(_, at)| (ObjectId::SECURITY, at)).collect();
    if securities.is_empty() {
        return Vec::new();
    }
    let mut taken = Taken::by(tree, &BTreeSet::from([server]), |_| false);
    taken.gone.extend(securities);
    taken.into_changes()
}

/// The Short Server IDs of all Security and Server Object Instances.
pub(crate) fn known_servers(tree: &ObjectTree) -> BTreeSet<ShortServerId> {
    let all = security_instances(tree).chain(server_instances(tree));
    all.filter_map(|(id, _)| id).collect()
}

/// The servers of the Server Object Instances.
pub(crate) fn servers_by_instance(tree: &ObjectTree) -> BTreeMap<InstanceId, ShortServerId> {
    let all = server_instances(tree);
    all.filter_map(|(id, at)| Some((at, id?))).collect()
}

/// What TS E.1.3 takes when the accounts of servers go, beside their Security Object Instances.
pub(crate) struct Taken {
    /// The Object Instances that are deleted.
    pub(crate) gone: BTreeSet<Place>,
    /// The changes of Access Control Object Instances that stay.
    changed: Vec<Change>,
    /// The Access Control Object Instances that are deleted or changed, as they were.
    pub(crate) controls: BTreeMap<InstanceId, Control>,
}

/// An Access Control Object Instance, as it was.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    pub(crate) was: PartialAccessControl,
    /// Whether it had the optional Resource 2, maybe without entries.
    pub(crate) has_acl: bool,
    /// The server whose Server Object Instance it is about, if it is about one.
    pub(crate) server: Option<ShortServerId>,
}

impl Taken {
    /// What goes with the accounts of these servers. Object Instances that are `spared` stay as they
    /// are.
    pub(crate) fn by(
        tree: &ObjectTree,
        leaving: &BTreeSet<ShortServerId>,
        spared: impl Fn(Place) -> bool,
    ) -> Self {
        let staying: BTreeSet<_> = &known_servers(tree) - leaving;
        let servers = servers_by_instance(tree);
        let leaves = servers.iter().filter(|(_, id)| leaving.contains(id));
        let accounts = leaves.map(|(at, _)| (ObjectId::SERVER, *at));
        let mut taken = Self {
            gone: deletable(tree, accounts.filter(|at| !spared(*at))),
            changed: Vec::new(),
            controls: BTreeMap::new(),
        };
        let leaving = Leaving { leaving, staying };
        let mut going = BTreeSet::new();
        for id in tree.instances(ObjectId::ACCESS_CONTROL) {
            if spared((ObjectId::ACCESS_CONTROL, id)) {
                continue;
            }
            let control = Control::load(tree, id, &servers);
            let about = control.was.instance();
            let fate = match about {
                Some(at) if taken.gone.contains(&at) => Fate::Goes,
                _ => leaving.fate(&control),
            };
            match fate {
                Fate::Stays => continue,
                Fate::Becomes(new) => taken.changed.extend(control.was.changes_to(&new, id)),
                Fate::Goes => {
                    going.insert(id);
                }
            }
            taken.controls.insert(id, control);
        }
        taken.take_instances(tree, &leaving, &going, spared);
        taken
    }

    /// Takes the Object Instances that these Access Control Object Instances are about, as far as
    /// they can go, and no other server has rights on them.
    fn take_instances(
        &mut self,
        tree: &ObjectTree,
        leaving: &Leaving<'_>,
        going: &BTreeSet<InstanceId>,
        spared: impl Fn(Place) -> bool,
    ) {
        let is_shared = |(object, instance): Place| {
            let mut all = tree.access_controls(AclTarget::Instance(object, instance));
            all.any(|id| !going.contains(&id))
        };
        let of_going = going.iter().filter_map(|id| self.controls.get(id));
        let about = of_going.filter_map(|control| control.was.instance());
        let may = |at: &Place| may_go(tree, *at) && !spared(*at) && !is_shared(*at);
        let wanted: BTreeSet<Place> = about.filter(may).collect();
        self.gone.extend(deletable(tree, wanted.iter().copied()));
        for id in going {
            let Some(control) = self.controls.get(id) else {
                continue;
            };
            match control.was.instance() {
                // Its Object doesn't let it go: nobody has rights on it.
                Some(at) if wanted.contains(&at) && !self.gone.contains(&at) => {
                    let left = leaving.left(control);
                    self.changed.extend(control.was.changes_to(&left, *id));
                }
                _ => {
                    self.gone.insert((ObjectId::ACCESS_CONTROL, *id));
                }
            }
        }
    }

    /// All changes: an Object Instance that is deleted is not changed before.
    pub(crate) fn into_changes(self) -> Vec<Change> {
        let (gone, mut changes) = (self.gone, self.changed);
        let place = |path: Path| path.object().zip(path.instance());
        changes.retain(|change| place(change.path()).is_none_or(|at| !gone.contains(&at)));
        let deleted = gone.into_iter().map(|(object, instance)| Change::Delete {
            path: Path::Instance(object, instance),
        });
        changes.extend(deleted);
        changes
    }
}

impl Control {
    /// Reads what can be read. `servers` are the servers of the Server Object Instances.
    pub(crate) fn load(
        tree: &ObjectTree,
        id: InstanceId,
        servers: &BTreeMap<InstanceId, ShortServerId>,
    ) -> Self {
        let was = PartialAccessControl::load(tree, id);
        let server = match was.instance() {
            Some((ObjectId::SERVER, at)) => servers.get(&at).copied(),
            _ => None,
        };
        let acl = Path::Resource(ObjectId::ACCESS_CONTROL, id, AccessControl::ACL.into());
        Self {
            was,
            has_acl: tree.locate(acl).is_some(),
            server,
        }
    }
}

/// Servers whose accounts go, and those that stay.
pub(crate) struct Leaving<'s> {
    pub(crate) leaving: &'s BTreeSet<ShortServerId>,
    pub(crate) staying: BTreeSet<ShortServerId>,
}

/// What becomes of an Access Control Object Instance.
pub(crate) enum Fate {
    /// It doesn't concern the servers that go.
    Stays,
    /// It is deleted, and with it the Object Instance that it is about.
    Goes,
    /// It is changed to this.
    Becomes(PartialAccessControl),
}

impl Leaving<'_> {
    /// What becomes of an Access Control Object Instance (TS E.1.3, 1 and 2).
    pub(crate) fn fate(&self, control: &Control) -> Fate {
        let was = &control.was;
        let owned = was.owner.is_some_and(|id| self.leaves(id));
        // A Server Object Instance goes with its own server only.
        let of_staying = self.of_staying(control);
        let mut able = self.staying.iter().filter(|id| has_access(was, **id));
        if owned && was.instance().is_some() && of_staying.is_none() && able.next().is_none() {
            return Fate::Goes;
        }
        let new = self.left(control);
        if new == *was {
            Fate::Stays
        } else {
            Fate::Becomes(new)
        }
    }

    /// What is left of an Access Control Object Instance that stays.
    fn left(&self, control: &Control) -> PartialAccessControl {
        let mut new = control.was.clone();
        new.acl.retain(|(id, _)| !self.leaves(*id));
        if new.owner.is_some_and(|id| self.leaves(id)) {
            let next = self.elected(&control.was).or(self.of_staying(control));
            new.owner = Some(next.map_or(AccessControl::NOBODY, ShortServerId::get));
        }
        new
    }

    fn leaves(&self, id: u16) -> bool {
        ShortServerId::new(id).is_some_and(|id| self.leaving.contains(&id))
    }

    /// The server that stays whose Server Object Instance this is about.
    fn of_staying(&self, control: &Control) -> Option<ShortServerId> {
        control.server.filter(|id| self.staying.contains(id))
    }

    /// The next owner. What is about an Object has none (TS 7.3.1.2.1).
    fn elected(&self, was: &PartialAccessControl) -> Option<ShortServerId> {
        let weight = |id: ShortServerId| {
            let rights = was.rights_of(id);
            u8::from(rights.contains(AccessRights::WRITE))
                + u8::from(rights.contains(AccessRights::DELETE))
        };
        let able = self.staying.iter().copied();
        able.filter(|id| has_access(was, *id) && !matches!(was.target, Some(AclTarget::Object(_))))
            .min_by_key(|id| (Reverse(weight(*id)), *id))
    }
}

impl PartialAccessControl {
    /// The Object Instance that it is about.
    pub(crate) fn instance(&self) -> Option<Place> {
        match self.target? {
            AclTarget::Instance(object, instance) => Some((object, instance)),
            AclTarget::Object(_) => None,
        }
    }

    /// The changes that make a new ACL and a new owner of these.
    pub(crate) fn changes_to(&self, new: &Self, id: InstanceId) -> Vec<Change> {
        const ACL: ResourceId = ResourceId::new(AccessControl::ACL);

        let path = |resource: ResourceId| Path::Resource(ObjectId::ACCESS_CONTROL, id, resource);
        let mut changes = Vec::new();
        if self.acl != new.acl {
            changes.push(Change::Clear { path: path(ACL) });
            changes.extend(new.acl.iter().map(|(entry, rights)| Change::Set {
                path: Path::ResourceInstance(ObjectId::ACCESS_CONTROL, id, ACL, (*entry).into()),
                value: Value::Integer(rights.bits().into()),
            }));
        }
        if let Some(owner) = new.owner.filter(|_| self.owner != new.owner) {
            changes.push(Change::Set {
                path: path(AccessControl::OWNER.into()),
                value: Value::Integer(owner.into()),
            });
        }
        changes
    }
}

/// Whether a server has any right on an Object Instance. Create is a right on Objects, and other bits
/// are reserved.
fn has_access(control: &PartialAccessControl, server: ShortServerId) -> bool {
    control.rights_of(server).bits() & AccessControl::OWNER_RIGHTS.bits() != 0
}

/// Whether an Object Instance is there and may be deleted with the rights on it. Security Object
/// Instances have no rights, and go by themselves.
fn may_go(tree: &ObjectTree, (object, instance): Place) -> bool {
    let there = tree.locate(Path::Instance(object, instance)).is_some();
    there && object != ObjectId::SECURITY && !is_single_and_mandatory(tree, object)
}

/// Of these Object Instances, those that their Objects let go.
pub(crate) fn deletable(tree: &ObjectTree, places: impl Iterator<Item = Place>) -> BTreeSet<Place> {
    let mut by_object = BTreeMap::<ObjectId, Vec<_>>::new();
    for (object, instance) in places {
        let path = Path::Instance(object, instance);
        let delete = Vec::from([Change::Delete { path }]);
        by_object
            .entry(object)
            .or_default()
            .push(((object, instance), delete));
    }
    let found = by_object.into_iter().flat_map(|(object, deletes)| {
        let object = tree.object(object);
        object.map_or(Vec::new(), |object| fitting(object, deletes))
    });
    found.map(|(at, _)| at).collect()
}

/// Whether the one instance of a mandatory Object has to be there (TS D.1).
pub(crate) fn is_single_and_mandatory(tree: &ObjectTree, object: ObjectId) -> bool {
    tree.definition(object).is_some_and(|definition| {
        definition.mandatory && definition.instances == Multiplicity::Single
    })
}
