//! Ready plans for what a client usually needs (TS 5.2.2, 7.3.1.3).
//!
//! Each returns a [`Plan`], which may be changed before it is given, or an error if no consistent
//! configuration comes out of what was said (TS 5.2.6).
//!
//! ```
//! use lwm2m_core::{InstanceId, ShortServerId};
//! use lwm2m_objects::typed;
//! use lwm2m_statemachine::bootstrap_server::plans::{self, Account, BootstrapAccount};
//!
//! let server = ShortServerId::new(101).unwrap();
//! let account = Account {
//!     security: typed::Security::pre_shared_key("coaps://192.0.2.1", server, "device", [7; 16]),
//!     server: typed::Server::new(server, 86_400),
//! };
//! let plan = plans::one_server(BootstrapAccount::Keep(InstanceId::ZERO), account)?;
//! assert_eq!(
//!     format!("{plan:?}"),
//!     "[Delete /0, Delete /1 (may be refused), Write /0/1 (7 values), Write /1/0 (4 values), Bootstrap-Finish]",
//! );
//! # Ok::<(), plans::PlanError>(())
//! ```

mod access;
mod account;
mod error;
mod writing;

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_core::{InstanceId, ObjectId, Path};
use lwm2m_objects::typed::{self, AccessControl, AclTarget};

pub use self::{
    access::Rights,
    account::{Account, BootstrapAccount},
    error::PlanError,
};
use self::{
    account::check_keys,
    writing::{content, free, write_access, write_account, write_own},
};
use super::{found::Discovered, plan::Plan};

/// One server: Delete of all accounts, and the new one. The Bootstrap-Server's own is kept or
/// replaced.
pub fn one_server(own: BootstrapAccount, account: Account) -> Result<Plan, PlanError> {
    several_servers(own, [account], [])
}

/// Several servers and the Access Control Object Instances that they need (TS 7.3.1.3), in the place
/// of what the client has of both. The Server Object Instances count from 0, in the order of the
/// accounts; so do the Security Object Instances, which leave out that of the Bootstrap-Server.
pub fn several_servers(
    own: BootstrapAccount,
    accounts: impl IntoIterator<Item = Account>,
    access: impl IntoIterator<Item = AccessControl>,
) -> Result<Plan, PlanError> {
    let access: Vec<_> = access.into_iter().collect();
    let mut plan = Plan::new()
        .delete(Path::Object(ObjectId::SECURITY))
        .try_delete(Path::Object(ObjectId::SERVER));
    if !access.is_empty() {
        plan = plan.try_delete(Path::Object(ObjectId::ACCESS_CONTROL));
    }
    set(plan, own, accounts, access)
}

/// Delete of all that can be deleted (`/`), and these servers with their access control. Instances
/// count as those of [`several_servers`].
pub fn wipe_and_set(
    own: BootstrapAccount,
    accounts: impl IntoIterator<Item = Account>,
    access: impl IntoIterator<Item = AccessControl>,
) -> Result<Plan, PlanError> {
    let access = access.into_iter().collect();
    set(Plan::new().delete(Path::Root), own, accounts, access)
}

/// Writes accounts and access control behind the steps that make room for them.
fn set(
    mut plan: Plan,
    own: BootstrapAccount,
    accounts: impl IntoIterator<Item = Account>,
    access: Vec<AccessControl>,
) -> Result<Plan, PlanError> {
    let (BootstrapAccount::Keep(own_instance) | BootstrapAccount::Replace(own_instance, _)) = own;
    if let BootstrapAccount::Replace(instance, security) = own {
        plan = write_own(plan, instance, security)?;
    }
    let mut taken = BTreeSet::from([own_instance]);
    let mut servers = BTreeSet::new();
    let mut instances = BTreeSet::new();
    for account in accounts {
        let id = account.id()?;
        if !servers.insert(id) {
            return Err(PlanError::TwoServers(id));
        }
        plan = write_account(plan, account, free(&mut taken)?, free(&mut instances)?)?;
    }
    match servers.len() {
        0 => return Err(PlanError::NoAccount),
        1 => {}
        _ if access.is_empty() => return Err(PlanError::NoAccessControl),
        _ => {}
    }
    access::check(&access, &servers)?;
    Ok(write_access(plan, access)?.finish())
}

/// Adds a server to what a client has, as a Discover of `/` found it (TS 7.3.1.3). `rights` says who
/// may do what, for each Object Instance that is there and will be, except for those of Objects 0 and
/// 2, and for each of their Objects, who may create Instances of it.
///
/// The Access Control Object is written anew: a Discover doesn't tell what the Instances that are
/// there are about. They are deleted one by one, which no client may refuse (TS 5.2.7.5).
///
/// What the answer to a Discover of less than `/` doesn't show is taken for not there. One that has no
/// Server Object Instance of a server with a Security Object Instance is refused.
///
/// ```
/// use lwm2m_core::{AccessRights, ShortServerId};
/// use lwm2m_linkformat::BootstrapDiscoverLinks;
/// use lwm2m_objects::typed::{self, AclTarget};
/// use lwm2m_statemachine::bootstrap_server::{
///     Discovered,
///     plans::{self, Account, Rights},
/// };
///
/// let answer = r#"lwm2m="1.0",</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</2>,</3/0>,</5/0>"#;
/// let found: Discovered = BootstrapDiscoverLinks::new(answer).collect::<Result<_, _>>()?;
/// let [first, second] = [101, 102].map(|id| ShortServerId::new(id).unwrap());
/// let account = Account {
///     security: typed::Security::no_sec("coap://192.0.2.2", second),
///     server: typed::Server::new(second, 3600),
/// };
/// let plan = plans::add_server(&found, account, |target| match target {
///     // The new server may read what the first one owns.
///     AclTarget::Instance(..) => Rights {
///         owner: first.get(),
///         acl: vec![(102, AccessRights::READ)],
///     },
///     AclTarget::Object(_) => Rights::owned_by(first),
/// })?;
/// assert_eq!(
///     format!("{plan:?}"),
///     "[Write /0/2 (7 values), Write /1/1 (4 values), Write /2 (16 values), Bootstrap-Finish]",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn add_server(
    found: &Discovered,
    account: Account,
    rights: impl FnMut(AclTarget) -> Rights,
) -> Result<Plan, PlanError> {
    let id = account.id()?;
    found.bootstrap_account().ok_or(PlanError::NotFound)?;
    let mut servers: BTreeSet<_> = found.servers().map(|(server, _)| server).collect();
    if servers.contains(&id) {
        return Err(PlanError::TwoServers(id));
    }
    // An answer about Object 0 alone doesn't tell which Instances of Object 1 are taken.
    for id in &servers {
        if !found.has_server_object(*id) {
            return Err(PlanError::HalfFound(*id));
        }
    }
    let security = free(&mut found.instances_of(ObjectId::SECURITY).collect())?;
    let server = free(&mut found.instances_of(ObjectId::SERVER).collect())?;
    let mut plan = write_account(Plan::new(), account, security, server)?;
    if servers.is_empty() {
        return Ok(plan.finish());
    }
    let new = AclTarget::Instance(ObjectId::SERVER, server);
    let access = access::on_all(found, new, rights);
    servers.insert(id);
    access::check(&access, &servers)?;
    for instance in found.instances_of(ObjectId::ACCESS_CONTROL) {
        plan = plan.delete(Path::Instance(ObjectId::ACCESS_CONTROL, instance));
    }
    Ok(write_access(plan, access)?.finish())
}

/// Gives the account at this Security Object Instance the keys of `security`, and changes nothing
/// else of it: Writes of the Resources that the [mode](typed::SecurityMode::key_resources) uses. The
/// client uses them from its next session on (TS 5.2.5).
pub fn rotate_keys(instance: InstanceId, security: &typed::Security) -> Result<Plan, PlanError> {
    let keys = security.mode.key_resources();
    if keys.is_empty() {
        return Err(PlanError::NoKeys);
    }
    check_keys(security)?;
    let content = content([(instance, security.clone())])?;
    let mut plan = Plan::new();
    for resource in keys {
        let path = Path::Resource(ObjectId::SECURITY, instance, *resource);
        let value = content.get(&path).cloned();
        plan = plan.write(path, value.map(|value| (path, value)).into_iter().collect());
    }
    Ok(plan.finish())
}

/// Replaces the client's account of the Bootstrap-Server, and nothing else (TS 5.2.3.3).
pub fn replace_bootstrap_account(
    instance: InstanceId,
    security: typed::Security,
) -> Result<Plan, PlanError> {
    Ok(write_own(Plan::new(), instance, security)?.finish())
}
