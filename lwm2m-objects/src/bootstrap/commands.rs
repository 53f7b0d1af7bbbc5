//! Bootstrap-Delete (TS 5.2.7.5), and what follows from a Bootstrap-Write (TS 5.2.7.4).

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use lwm2m_core::{InstanceId, ObjectId, Path, ShortServerId, Value};

use super::{
    account::{kept, may_take_back},
    content::content,
    refusal::Refusal,
};
use crate::{
    access::{
        accounts::{
            BOOTSTRAP_SERVER, SECURITY_SERVER_ID, is_bootstrap_server, security_id,
            security_instances, short_server_id,
        },
        unbootstrapping::{
            Control, Place, Taken, deletable, is_single_and_mandatory, known_servers,
            servers_by_instance,
        },
    },
    tree::{AclTarget, Change, CheckedChanges, ObjectTree, WriteError},
};

/// What one command of a bootstrap changes, TS E.1.3 included, for one
/// [commit](ObjectTree::commit). Then give it to
/// [`Unbootstrapped::follow`](super::Unbootstrapped::follow).
#[derive(Clone, Debug)]
pub struct CommandChanges {
    changes: CheckedChanges,
    pub(super) named: Vec<Path>,
    pub(super) losses: Losses,
}

impl CommandChanges {
    /// All changes.
    pub const fn changes(&self) -> &CheckedChanges {
        &self.changes
    }

    /// The servers whose last Security Object Instance goes, in ascending order.
    pub fn servers(&self) -> impl Iterator<Item = ShortServerId> {
        self.losses.leaving.iter().copied()
    }
}

/// What servers lose by one command.
#[derive(Clone, Debug, Default)]
pub(super) struct Losses {
    /// The servers whose last Security Object Instance goes.
    pub(super) leaving: BTreeSet<ShortServerId>,
    /// These and the others that there were.
    pub(super) known: BTreeSet<ShortServerId>,
    /// The Access Control Object Instances that are deleted or changed.
    pub(super) controls: BTreeMap<InstanceId, Control>,
    /// The other Object Instances that are deleted, except for Server Object Instances.
    pub(super) instances: BTreeMap<Place, Lost>,
}

/// An Object Instance that only servers that go could access.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    /// The changes that create it.
    pub(super) values: Vec<Change>,
    /// The Access Control Object Instances about it.
    pub(super) controls: BTreeMap<InstanceId, Control>,
}

/// The changes of a Bootstrap-Delete of `/`, an Object or an Object Instance (TS 5.2.7.5), with those of
/// TS E.1.3 for each server whose account goes.
///
/// `/` and `/0` leave the Bootstrap-Server's account. Another one that this bootstrap has written can be
/// taken back. The single instances of mandatory Objects stay
/// (TS D.1), and a target that doesn't name them leaves Object Instances that their Objects
/// [refuse](crate::Object::prepare) to delete. If nothing is left to delete, there are no changes.
///
/// # Errors
///
/// [`Refusal::NotFound`] without the Object or the Object Instance, [`Refusal::Stays`] for the account
/// of a Bootstrap-Server and the single instance of a mandatory Object, [`Refusal::Target`] for a
/// Resource, [`Refusal::Changes`] if the Access Control Object is not the one that TS E.3 defines.
pub fn delete(tree: &ObjectTree, target: Path) -> Result<CommandChanges, Refusal> {
    let gone = targets(tree, target)?;
    let staying = security_instances(tree)
        .filter(|(_, at)| !gone.contains(&(ObjectId::SECURITY, *at)))
        .filter_map(|(id, _)| id);
    let leaving = leaving(tree, &staying.collect());
    if target == Path::Root {
        // Rights go as well. The Bootstrap-Server wants nothing back.
        return Ok(CommandChanges {
            changes: tree.check(gone.into_iter().map(delete_one).collect::<Vec<_>>())?,
            named: Vec::from([target]),
            losses: Losses::without_rights(tree, leaving),
        });
    }
    let rights = controls_about(tree, &gone);
    let spared = |at: Place| {
        gone.contains(&at) || at.0 == ObjectId::ACCESS_CONTROL && rights.contains_key(&at.1)
    };
    let mut taken = Taken::by(tree, &leaving, spared);
    let mut losses = Losses::of(tree, leaving, &taken);
    taken.gone.extend(gone);
    let mut named = Vec::from([target]);
    for (id, control) in rights {
        taken.gone.insert((ObjectId::ACCESS_CONTROL, id));
        if control.server.is_some() {
            // They come back with the Server Object Instance.
            losses.add_control(tree, id, control);
        } else {
            named.push(Path::Instance(ObjectId::ACCESS_CONTROL, id));
        }
    }
    Ok(CommandChanges {
        changes: tree.check(taken.into_changes())?,
        named,
        losses,
    })
}

/// What follows from a Bootstrap-Write, whose changes these are: a server whose Security Object Instance
/// gets another Short Server ID, or becomes that of a Bootstrap-Server, has lost its account, as by a
/// Delete (TS E.1.3).
///
/// ```
/// use lwm2m_core::{Value, codec::Content};
/// use lwm2m_objects::{bootstrap, example};
///
/// let tree = example::client();
/// let id = "/0/1/10".parse()?;
/// let mut transaction = tree.bootstrap_write(id)?;
/// Content::from_iter([(id, Value::Integer(103))]).push(&mut transaction)?;
/// let command = bootstrap::written(&tree, transaction.finish()?)?;
/// assert!(command.servers().eq([example::SERVER_1]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Those of [`ObjectTree::check`], if the Access Control Object is not the one that TS E.3 defines.
pub fn written(tree: &ObjectTree, changes: CheckedChanges) -> Result<CommandChanges, WriteError> {
    let places = changes.iter().filter_map(|change| place(change.path()));
    let places: BTreeSet<Place> = places.collect();
    let leaving = leaving(tree, &servers_after(tree, &changes));
    let named = places.iter().map(|(o, i)| Path::Instance(*o, *i)).collect();
    if leaving.is_empty() {
        return Ok(CommandChanges {
            changes,
            named,
            losses: Losses::default(),
        });
    }
    let taken = Taken::by(tree, &leaving, |at| places.contains(&at));
    let losses = Losses::of(tree, leaving, &taken);
    let mut all = taken.into_changes();
    all.extend(changes.into_changes());
    Ok(CommandChanges {
        changes: tree.check(all)?,
        named,
        losses,
    })
}

/// The Object Instances that a Delete names and that may go (TS 5.2.7.5, D.1).
fn targets(tree: &ObjectTree, target: Path) -> Result<BTreeSet<Place>, Refusal> {
    let accounts = kept(tree);
    let of_object = |object| {
        let instances = tree.instances(object).map(move |at| (object, at));
        instances.filter(|(object, at)| match *object {
            ObjectId::SECURITY => !accounts.contains(at),
            object => !is_single_and_mandatory(tree, object),
        })
    };
    Ok(match target {
        Path::Root => {
            let objects = tree.objects().map(|object| object.definition().id);
            deletable(tree, objects.flat_map(of_object))
        }
        Path::Object(object) if tree.object(object).is_some() => deletable(tree, of_object(object)),
        Path::Instance(object, instance) if tree.locate(target).is_some() => {
            let may_go = match object {
                ObjectId::SECURITY if is_bootstrap_server(tree, instance) => {
                    may_take_back(tree, instance)
                }
                object => !is_single_and_mandatory(tree, object),
            };
            if !may_go {
                return Err(Refusal::Stays(target));
            }
            BTreeSet::from([(object, instance)])
        }
        Path::Object(_) | Path::Instance(..) => return Err(Refusal::NotFound(target)),
        Path::Resource(..) | Path::ResourceInstance(..) => return Err(Refusal::Target(target)),
    })
}

/// The Access Control Object Instances about these Object Instances.
fn controls_about(tree: &ObjectTree, places: &BTreeSet<Place>) -> BTreeMap<InstanceId, Control> {
    let servers = servers_by_instance(tree);
    let mut controls = BTreeMap::new();
    for (object, instance) in places {
        let target = AclTarget::Instance(*object, *instance);
        let about = tree.access_controls(target);
        for id in about.filter(|id| tree.access_target(*id) == Some(target)) {
            controls.insert(id, Control::load(tree, id, &servers));
        }
    }
    controls
}

/// The servers that have a Security Object Instance, and none of these afterwards.
fn leaving(tree: &ObjectTree, after: &BTreeSet<ShortServerId>) -> BTreeSet<ShortServerId> {
    let before = security_instances(tree).filter_map(|(id, _)| id);
    before.filter(|id| !after.contains(id)).collect()
}

/// The servers that have a Security Object Instance after these changes.
fn servers_after(tree: &ObjectTree, changes: &[Change]) -> BTreeSet<ShortServerId> {
    let mut after: BTreeMap<_, _> = tree
        .instances(ObjectId::SECURITY)
        .map(|at| (at, (is_bootstrap_server(tree, at), security_id(tree, at))))
        .collect();
    for change in changes {
        let path = change.path();
        let (Some(ObjectId::SECURITY), Some(at)) = (path.object(), path.instance()) else {
            continue;
        };
        let value = match change {
            Change::Set { value, .. } => Some(value),
            Change::Delete { .. } => {
                after.remove(&at);
                continue;
            }
            _ => None,
        };
        let (is_bootstrap_server, id) = after.entry(at).or_default();
        match path.resource() {
            Some(BOOTSTRAP_SERVER) => *is_bootstrap_server = value == Some(&Value::Boolean(true)),
            Some(SECURITY_SERVER_ID) => *id = value.and_then(short_server_id),
            _ => {}
        }
    }
    let of_servers = after
        .into_values()
        .filter(|(is_bootstrap_server, _)| !is_bootstrap_server);
    of_servers.filter_map(|(_, id)| id).collect()
}

impl Losses {
    fn without_rights(tree: &ObjectTree, leaving: BTreeSet<ShortServerId>) -> Self {
        Self {
            leaving,
            known: known_servers(tree),
            ..Self::default()
        }
    }

    /// What TS E.1.3 takes, as far as it was there before the bootstrap: so it is bounded.
    fn of(tree: &ObjectTree, leaving: BTreeSet<ShortServerId>, taken: &Taken) -> Self {
        let mut losses = Self::without_rights(tree, leaving);
        for (id, control) in &taken.controls {
            if let Some(at) = control.was.instance()
                && at.0 != ObjectId::SERVER
                && taken.gone.contains(&at)
                && tree.was_there(at.0, at.1)
            {
                let lost = losses.instances.entry(at).or_insert_with(|| Lost {
                    values: content(tree.view(), at),
                    controls: BTreeMap::new(),
                });
                lost.controls.insert(*id, control.clone());
            }
            losses.add_control(tree, *id, control.clone());
        }
        losses
    }

    fn add_control(&mut self, tree: &ObjectTree, id: InstanceId, control: Control) {
        if tree.was_there(ObjectId::ACCESS_CONTROL, id) {
            self.controls.insert(id, control);
        }
    }
}

fn place(path: Path) -> Option<Place> {
    path.object().zip(path.instance())
}

const fn delete_one((object, instance): Place) -> Change {
    Change::Delete {
        path: Path::Instance(object, instance),
    }
}
