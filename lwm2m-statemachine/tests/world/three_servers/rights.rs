//! Rights that change while the Client runs: the owner of a Gauge writes who may read it (TS 7.3.1).

use lwm2m_core::{AccessRights, InstanceId, ObjectId, Path, ResourceInstanceId, Value};
use lwm2m_objects::{
    Change, ObjectTree, Typed as _,
    typed::{AccessControl, AclTarget},
};
use lwm2m_statemachine::Client;

use super::{
    device::Device,
    objects::{GAUGE, SERVERS},
};

/// The ACL of the Access Control Object (TS E.3).
const ACL: u16 = 2;

/// An Access Control Object Instance about a Gauge that a server owns.
pub(crate) struct Control {
    pub(crate) id: InstanceId,
    gauge: InstanceId,
    pub(crate) owner: usize,
    acl: Vec<(u16, AccessRights)>,
}

/// All of them.
pub(crate) fn controls(tree: &ObjectTree) -> Vec<Control> {
    let all = tree.instances(ObjectId::ACCESS_CONTROL);
    all.filter_map(|id| Control::load(tree, id)).collect()
}

/// What an honest server, one of so many, may decide about others.
pub(crate) fn choices(client: &Client, honest: usize) -> Vec<(Control, usize)> {
    let servers = 0..SERVERS.len();
    let about = servers.flat_map(|server| {
        let all = controls(client.tree()).into_iter();
        all.map(move |control| (control, server))
    });
    about
        .filter(|(control, server)| control.owner != *server && control.owner < honest)
        .collect()
}

/// The right to read a Gauge that was given to a server, or taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) server: usize,
    pub(crate) gauge: Path,
    pub(crate) reads: bool,
}

/// What a change decides about the right to read a Gauge.
pub(crate) fn decision(tree: &ObjectTree, change: &Change) -> Option<Decision> {
    let Change::Set { path, value } = change else {
        return None;
    };
    let Path::ResourceInstance(ObjectId::ACCESS_CONTROL, id, resource, entry) = *path else {
        return None;
    };
    let control = Control::load(tree, id).filter(|_| resource.get() == ACL)?;
    let mut servers = SERVERS.iter();
    let server = servers.position(|server| server.get() == entry.get())?;
    Some(Decision {
        server,
        gauge: Path::Instance(GAUGE, control.gauge),
        reads: *value == Value::Integer(AccessRights::READ.bits().into()),
    })
}

impl Control {
    fn load(tree: &ObjectTree, id: InstanceId) -> Option<Self> {
        let access = AccessControl::load(tree, id)?;
        let AclTarget::Instance(GAUGE, gauge) = access.target else {
            return None;
        };
        let mut servers = SERVERS.iter();
        let owner = servers.position(|server| server.get() == access.owner)?;
        Some(Self {
            id,
            gauge,
            owner,
            acl: access.acl,
        })
    }

    /// Whether a server observes the Gauge, or something of it.
    pub(crate) fn is_observed(&self, client: &Client, server: usize) -> bool {
        let gauge = Path::Instance(GAUGE, self.gauge);
        let account = Device::account(server);
        let mut all = client.reporting().observations();
        all.any(|at| at.account == account && gauge.contains(&at.path))
    }

    /// The rights of a server.
    pub(crate) fn entry(&self, server: usize) -> Path {
        let entry = ResourceInstanceId::new(SERVERS[server].get());
        Path::ResourceInstance(ObjectId::ACCESS_CONTROL, self.id, ACL.into(), entry)
    }

    /// The entries of servers that have no right at all.
    pub(crate) fn without_rights(&self) -> Vec<Path> {
        let nothing = |server: &usize| {
            let id = SERVERS[*server].get();
            self.acl.contains(&(id, AccessRights::NONE))
        };
        let servers = (0..SERVERS.len()).filter(nothing);
        servers.map(|server| self.entry(server)).collect()
    }
}
