//! Ready plans of what a file says.

use core::fmt;

use lwm2m_core::{AccessRights, ObjectId, Path, ShortServerId};
use lwm2m_objects::typed::{AccessControl, AclTarget};
use lwm2m_statemachine::bootstrap_server::{
    Discovered, Plan, Step,
    plans::{self, Account, BootstrapAccount, PlanError, Rights},
};

/// Why there is no plan for a client.
#[derive(Debug)]
pub(super) enum NoPlan {
    /// What is missing.
    Missing(String),
    /// Which account is that of the Bootstrap-Server.
    Unclear,
    /// What several servers, so many, may do with this.
    Rights(AclTarget, usize),
    /// What is said isn't consistent.
    Inconsistent(PlanError),
}

/// These servers, in the place of those that there are.
pub(super) fn set(
    wipe: bool,
    own: BootstrapAccount,
    accounts: Vec<Account>,
    access: &[AccessControl],
) -> Result<Plan, NoPlan> {
    let access = access.iter().cloned();
    Ok(if wipe {
        plans::wipe_and_set(own, accounts, access)?
    } else {
        plans::several_servers(own, accounts, access)?
    })
}

/// Deletes access control before anything is written, if the plan doesn't yet: the rights that a client
/// has may be what isn't consistent.
pub(super) fn without_access_control(plan: Plan) -> Plan {
    let step = Step::TryDelete(Path::Object(ObjectId::ACCESS_CONTROL));
    if plan.steps().contains(&step) {
        return plan;
    }
    let is_write = |step: &Step| matches!(step, Step::Write { .. });
    let mut steps = plan.into_iter().peekable();
    let deletes: Vec<_> = core::iter::from_fn(|| steps.next_if(|step| !is_write(step))).collect();
    deletes.into_iter().chain([step]).chain(steps).collect()
}

/// One more server. Where the file says nothing, the only server that is there owns what it had, and
/// may go on creating; each server owns its Server Object Instance; and the new one may read.
///
/// Of several servers that are there, a Discover doesn't tell what they may do. The file has to say it,
/// so that none loses its rights.
pub(super) fn add(
    found: &Discovered,
    account: Account,
    access: &[AccessControl],
) -> Result<Plan, NoPlan> {
    let new = account.server.short_server_id;
    let first = found.servers().next().map_or(new, |(id, _)| id);
    if let Some((target, servers)) = unsaid(found, access) {
        return Err(NoPlan::Rights(target, servers));
    }
    let owner_of = |target| {
        let mut instances = found.instances();
        instances
            .find(|(object, instance, _)| AclTarget::Instance(*object, *instance) == target)
            .map_or(new, |(_, _, server)| server.unwrap_or(first))
    };
    let rights = |target| {
        let said = access.iter().find(|said| said.target == target);
        match (said, target) {
            (Some(said), _) => Rights {
                owner: said.owner,
                acl: said.acl.clone(),
            },
            (None, AclTarget::Object(_)) => Rights {
                owner: AccessControl::NOBODY,
                acl: vec![(first.get(), AccessRights::CREATE)],
            },
            (None, AclTarget::Instance(..)) => Rights {
                owner: owner_of(target).get(),
                acl: readable_by(new, owner_of(target)),
            },
        }
    };
    Ok(plans::add_server(found, account, rights)?)
}

/// An Object or an Object Instance of which nobody knows who may do what, if there are several servers:
/// the file says nothing of it, and it isn't the account of one of them.
fn unsaid(found: &Discovered, access: &[AccessControl]) -> Option<(AclTarget, usize)> {
    let servers = found.servers().count();
    let uncontrolled = [ObjectId::SECURITY, ObjectId::ACCESS_CONTROL];
    let objects = found.objects().into_iter().map(AclTarget::Object);
    let instances = found.instances();
    let instances = instances.filter(|(object, ..)| *object != ObjectId::SERVER);
    let instances = instances.map(|(object, instance, _)| AclTarget::Instance(object, instance));
    let target = objects.chain(instances).find(|target| {
        let (AclTarget::Object(object) | AclTarget::Instance(object, _)) = target;
        !uncontrolled.contains(object) && access.iter().all(|said| said.target != *target)
    });
    target
        .filter(|_| servers > 1)
        .map(|target| (target, servers))
}

/// A server may read what isn't its own.
fn readable_by(server: ShortServerId, owner: ShortServerId) -> Vec<(u16, AccessRights)> {
    let other = (server != owner).then_some((server.get(), AccessRights::READ));
    other.into_iter().collect()
}

impl NoPlan {
    pub(super) fn missing(what: impl fmt::Display) -> Self {
        Self::Missing(format!("the client has no {what}"))
    }
}

impl From<String> for NoPlan {
    fn from(missing: String) -> Self {
        Self::Missing(missing)
    }
}

impl From<PlanError> for NoPlan {
    fn from(error: PlanError) -> Self {
        Self::Inconsistent(error)
    }
}

impl fmt::Display for NoPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => f.write_str(what),
            Self::Rights(target, servers) => {
                let on: Path = match *target {
                    AclTarget::Object(object) => Path::Object(object),
                    AclTarget::Instance(object, instance) => Path::Instance(object, instance),
                };
                write!(
                    f,
                    "the client has {servers} servers; \
                     say with [[plan.access]] what they may do on {on}",
                )
            }
            Self::Unclear => f.write_str(
                "the client does not show which account is the bootstrap-server's; say it with own",
            ),
            Self::Inconsistent(error) => error.fmt(f),
        }
    }
}
