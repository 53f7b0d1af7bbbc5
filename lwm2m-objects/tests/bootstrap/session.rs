//! A Client in a bootstrap, as the tests drive it.

use lwm2m_core::{
    AccessRights, InstanceId, ObjectId, Path, ShortServerId,
    codec::{Event, Sink},
};
use lwm2m_kit::path;
use lwm2m_objects::{
    ObjectTree, Snapshot, Store, Transaction, WriteError, access,
    bootstrap::{self, CommandChanges, Inconsistency, Refusal, Unbootstrapped},
    typed,
};

pub(crate) const fn server(id: u16) -> ShortServerId {
    ShortServerId::new(id).unwrap()
}

pub(crate) const fn instance(id: u16) -> InstanceId {
    InstanceId::new(id).unwrap()
}

/// Any binding but those with SMS.
pub(crate) fn udp(binding: lwm2m_core::BindingMode) -> bool {
    binding.is_supported_by("UQ")
}

/// A tree in a bootstrap.
pub(crate) struct Session {
    pub(crate) tree: ObjectTree,
    pub(crate) gone: Unbootstrapped,
    /// The Client when it was bootstrapped: what a Bootstrap-Server writes.
    pub(crate) content: ObjectTree,
    pub(crate) before: Snapshot,
}

impl Session {
    pub(crate) fn new(make: impl Fn() -> ObjectTree) -> Self {
        let mut tree = make();
        tree.hold();
        Self {
            before: tree.snapshot(),
            gone: Unbootstrapped::new(),
            content: make(),
            tree,
        }
    }

    pub(crate) fn delete(&mut self, target: &str) -> Result<(), Refusal> {
        let command = bootstrap::delete(&self.tree, path(target))?;
        self.commit(command);
        Ok(())
    }

    /// Writes an Object or an Object Instance as the Client had it before.
    pub(crate) fn write_again(&mut self, target: &str) {
        let content = core::mem::take(&mut self.content);
        self.write(target, &content).unwrap();
        self.content = content;
    }

    /// Writes what another tree has.
    pub(crate) fn write(&mut self, target: &str, from: &ObjectTree) -> Result<(), WriteError> {
        let mut transaction = self.tree.bootstrap_write(path(target))?;
        push(&mut transaction, from, path(target));
        let command = bootstrap::written(&self.tree, transaction.finish()?)?;
        self.commit(command);
        Ok(())
    }

    pub(crate) fn set(&mut self, target: &str, value: impl Into<lwm2m_core::Value>) {
        let at = path(target);
        let mut transaction = self.tree.bootstrap_write(at).unwrap();
        let content = lwm2m_core::codec::Content::from_iter([(at, value.into())]);
        content.push(&mut transaction).unwrap();
        let command = bootstrap::written(&self.tree, transaction.finish().unwrap()).unwrap();
        self.commit(command);
    }

    fn commit(&mut self, command: CommandChanges) {
        self.tree.commit(command.changes()).unwrap();
        self.gone.follow(command);
    }

    /// The Finish: what the Client does before it answers.
    pub(crate) fn finish(&mut self) -> Result<(), Inconsistency> {
        let restored = self.gone.restored(&self.tree);
        self.tree.change(restored).unwrap();
        let replaced = bootstrap::replaced(&self.tree)?;
        self.tree.change(replaced).unwrap();
        bootstrap::check(&self.tree, udp)
    }

    /// A good Finish.
    pub(crate) fn finished(mut self) -> ObjectTree {
        assert_eq!(self.finish(), Ok(()));
        self.tree.keep();
        self.tree
    }

    /// The Object Instances that are there.
    pub(crate) fn instances(&self) -> Vec<String> {
        instances(&self.tree)
    }

    pub(crate) fn servers_gone(&self) -> Vec<u16> {
        self.gone
            .servers(&self.tree)
            .map(ShortServerId::get)
            .collect()
    }
}

pub(crate) fn instances(tree: &ObjectTree) -> Vec<String> {
    let ids = tree.objects().map(|object| object.definition().id);
    let each = ids.flat_map(|id| tree.instances(id).map(move |at| Path::Instance(id, at)));
    each.map(|at| at.to_string()).collect()
}

/// Pushes what a tree has at an Object or an Object Instance into a Bootstrap-Write.
fn push(transaction: &mut Transaction<'_>, from: &ObjectTree, target: Path) {
    let object = target.object().unwrap();
    for at in from.instances(object) {
        if target.instance().is_some_and(|target| target != at) {
            continue;
        }
        transaction.event(Event::Instance(Some(at))).unwrap();
        for resource in from.resources(object, at) {
            if resource.operations.executable() {
                continue;
            }
            let id = resource.id;
            if resource.is_multiple() {
                transaction.event(Event::Multiple(id)).unwrap();
            }
            from.visit(Path::Resource(object, at, id), |at, value| {
                let time = None;
                let event = match at.resource_instance() {
                    Some(id) => Event::ResourceInstance { id, value, time },
                    None => Event::Resource { id, value, time },
                };
                transaction.event(event).unwrap();
            });
            if resource.is_multiple() {
                transaction.event(Event::EndMultiple).unwrap();
            }
        }
        transaction.event(Event::EndInstance).unwrap();
    }
}

/// Accounts of these servers, with the Server Object Instances in the same order, a Bootstrap-Server's
/// as `/0/0`, and these rights.
pub(crate) fn client(servers: &[u16], rights: Vec<typed::AccessControl>) -> ObjectTree {
    let ids = || (0..).map(instance);
    let mut tree = ObjectTree::new();
    let bootstrap = typed::Security::no_sec("coap://bootstrap", server(1)).into_bootstrap_server();
    let of_servers = servers.iter().map(|id| {
        typed::Security::pre_shared_key(format!("coaps://s{id}"), server(*id), "me", [7; 16])
    });
    tree.add(Store::of(
        ids().zip([bootstrap].into_iter().chain(of_servers)),
    ));
    let of_servers = servers.iter().map(|id| typed::Server::new(server(*id), 60));
    tree.add(Store::of(ids().zip(of_servers)));
    tree.add(Store::of(ids().zip(rights)).supporting([2]));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]).supporting([15]));
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::FirmwareUpdate::default(),
    )]));
    let software = |name| typed::SoftwareManagement::new(name, "1");
    tree.add(Store::of(ids().zip([
        software("a"),
        software("b"),
        software("c"),
    ])));
    tree
}

/// The rights on an Object Instance.
pub(crate) fn control(
    (object, at): (u16, u16),
    acl: &[(u16, u16)],
    owner: u16,
) -> typed::AccessControl {
    let entries = acl
        .iter()
        .map(|(id, bits)| (*id, AccessRights::from_bits(*bits)));
    typed::AccessControl {
        target: match InstanceId::new(at) {
            Some(at) => typed::AclTarget::Instance(object.into(), at),
            None => typed::AclTarget::Object(object.into()),
        },
        acl: entries.collect(),
        owner,
    }
}

/// Two servers, with rights of every kind.
pub(crate) fn two_servers() -> ObjectTree {
    let rights = vec![
        control((1, 0), &[(101, 15)], 101),
        control((1, 1), &[(102, 15)], 102),
        control((3, 0), &[(101, 15), (102, 1)], 101),
        control((5, 0), &[(101, 15)], 101),
        control((9, 0), &[], 102),
        control((9, 1), &[(0, 1), (101, 15)], 101),
        control((9, 65535), &[(101, 16), (102, 16)], 65535),
        control((9, 2), &[(101, 1), (102, 11)], 65535),
    ];
    client(&[101, 102], rights)
}

/// What the rights are on, with all that they say, in order.
pub(crate) fn rights(tree: &ObjectTree) -> Vec<String> {
    let controls = tree.instances(ObjectId::ACCESS_CONTROL);
    let mut all: Vec<_> = controls
        .map(|id| {
            format!(
                "{:?}",
                <typed::AccessControl as lwm2m_objects::Typed>::load(tree, id)
            )
        })
        .collect();
    all.sort();
    all
}

pub(crate) fn may_read(tree: &ObjectTree, id: u16, object: u16, at: u16) -> bool {
    let rights = access::rights(tree, server(id), object.into(), instance(at));
    rights.contains(AccessRights::READ)
}
