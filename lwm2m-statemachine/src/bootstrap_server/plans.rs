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

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_core::{
    AccessRights, InstanceId, ObjectId, Path, ResourceId, ShortServerId, codec::Content,
};
use lwm2m_objects::{
    ObjectTree, Store, WriteError,
    typed::{self, AccessControl, AclTarget, Typed},
};
use thiserror::Error;

use super::{found::Discovered, plan::Plan};

/// A LwM2M Server Account: a Security and a Server Object Instance with one Short Server ID (TS
/// 5.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "an account consists of these two in every version"
)]
pub struct Account {
    /// How the client reaches the server, with its keys.
    pub security: typed::Security,
    /// What the client does for the server.
    pub server: typed::Server,
}

/// The client's account of the Bootstrap-Server: the Security Object Instance that this machine is
/// reached by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootstrapAccount {
    /// It stays as it is, at this Instance, which no plan writes.
    /// [`Discovered::bootstrap_account`] finds it.
    Keep(InstanceId),
    /// It is replaced, in place (TS 5.2.3.3). The client uses the new one from its next bootstrap on.
    Replace(InstanceId, typed::Security),
}

/// Who may do what with an Object or an Object Instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the Resources of TS E.3 in every version"
)]
pub struct Rights {
    /// The Short Server ID of the owner of an Object Instance; [`AccessControl::NOBODY`] if it belongs
    /// to no server. An Object is always owned by the Bootstrap interface (TS 7.3.1.2.1).
    pub owner: u16,
    /// Rights by Short Server ID; those of 0 are for servers without rights of their own.
    pub acl: Vec<(u16, AccessRights)>,
}

impl Rights {
    /// The owner has all rights on it, and nobody else has any.
    pub const fn owned_by(owner: ShortServerId) -> Self {
        Self {
            owner: owner.get(),
            acl: Vec::new(),
        }
    }
}

/// Why there is no plan for what was said.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There is no LwM2M Server Account (TS 5.2.2).
    #[error("there is no account of a server")]
    NoAccount,
    /// The Security and the Server Object Instance of an account have not the same Short Server ID,
    /// or the Security Object Instance is of a Bootstrap-Server.
    #[error("the account of server {0} is not consistent")]
    Account(ShortServerId),
    /// The new account of the Bootstrap-Server is that of another server.
    #[error("the account of the bootstrap-server is not one")]
    BootstrapAccount,
    /// Two servers would have the same Short Server ID (TS 5.2.2).
    #[error("there are two servers {0}")]
    TwoServers(ShortServerId),
    /// There would be several servers without an Access Control Object Instance (TS 7.3.1.3).
    #[error("several servers need access control")]
    NoAccessControl,
    /// What a Discover found isn't the whole configuration: it has no Bootstrap-Server account, or
    /// more than one.
    #[error("the account of the bootstrap-server was not found")]
    NotFound,
    /// There are more Instances than an Object can have.
    #[error("there are too many Object Instances")]
    TooMany,
    /// The key material isn't used by this security mode.
    #[error("the security mode has no keys")]
    NoKeys,
    /// A value doesn't fit its definition.
    #[error("{0}")]
    Value(#[from] WriteError),
}

/// One server: Delete of all accounts, and the new one. The Bootstrap-Server's own is kept or
/// replaced.
pub fn one_server(own: BootstrapAccount, account: Account) -> Result<Plan, PlanError> {
    several_servers(own, [account], [])
}

/// Several servers and the Access Control Object Instances that they need (TS 7.3.1.3), in the place
/// of what the client has of both.
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

/// Delete of all that can be deleted (`/`), and these servers with their access control.
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
        plan = replace_own(plan, instance, security)?;
    }
    let mut taken = BTreeSet::from([own_instance]);
    let mut servers = BTreeSet::new();
    let mut instances = BTreeSet::new();
    for account in accounts {
        let id = account.id()?;
        if !servers.insert(id) {
            return Err(PlanError::TwoServers(id));
        }
        plan = account.write(plan, free(&mut taken)?, free(&mut instances)?)?;
    }
    match servers.len() {
        0 => return Err(PlanError::NoAccount),
        1 => {}
        _ if access.is_empty() => return Err(PlanError::NoAccessControl),
        _ => {}
    }
    Ok(write_access(plan, access)?.finish())
}

/// Adds a server to what a client has, as a Discover of `/` found it (TS 7.3.1.3). `rights` says who
/// may do what, for each Object Instance that is there and will be, except for those of Objects 0 and
/// 2, and for each of their Objects, who may create Instances of it.
///
/// The Access Control Object is written anew: a Discover doesn't tell what the Instances that are
/// there are about.
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
    mut rights: impl FnMut(AclTarget) -> Rights,
) -> Result<Plan, PlanError> {
    let id = account.id()?;
    found.bootstrap_account().ok_or(PlanError::NotFound)?;
    let servers: BTreeSet<_> = found.servers().map(|(server, _)| server).collect();
    if servers.contains(&id) {
        return Err(PlanError::TwoServers(id));
    }
    let security = free(&mut found.instances_of(ObjectId::SECURITY).collect())?;
    let server = free(&mut found.instances_of(ObjectId::SERVER).collect())?;
    let mut plan = account.write(Plan::new(), security, server)?;
    if servers.is_empty() {
        return Ok(plan.finish());
    }
    let mut targets: BTreeSet<_> = found
        .instances()
        .map(|(object, instance, _)| (object, instance))
        .chain([(ObjectId::SERVER, server)])
        .collect();
    let controlled =
        |object: ObjectId| ![ObjectId::SECURITY, ObjectId::ACCESS_CONTROL].contains(&object);
    targets.retain(|(object, _)| controlled(*object));
    let mut access = Vec::new();
    for object in found
        .objects()
        .into_iter()
        .filter(|object| controlled(*object))
    {
        let acl = rights(AclTarget::Object(object)).acl;
        if !acl.is_empty() {
            access.push(AccessControl {
                target: AclTarget::Object(object),
                acl,
                owner: AccessControl::NOBODY,
            });
        }
    }
    for (object, instance) in targets {
        let target = AclTarget::Instance(object, instance);
        let Rights { owner, acl } = rights(target);
        access.push(AccessControl { target, acl, owner });
    }
    if found
        .instances_of(ObjectId::ACCESS_CONTROL)
        .next()
        .is_some()
    {
        plan = plan.try_delete(Path::Object(ObjectId::ACCESS_CONTROL));
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
    Ok(replace_own(Plan::new(), instance, security)?.finish())
}

fn replace_own(
    plan: Plan,
    instance: InstanceId,
    security: typed::Security,
) -> Result<Plan, PlanError> {
    if !security.bootstrap_server {
        return Err(PlanError::BootstrapAccount);
    }
    let path = Path::Instance(ObjectId::SECURITY, instance);
    Ok(plan.write(path, content([(instance, security)])?))
}

impl Account {
    /// The Short Server ID, which both halves have.
    fn id(&self) -> Result<ShortServerId, PlanError> {
        let id = self.server.short_server_id;
        if self.security.short_server_id == Some(id) && !self.security.bootstrap_server {
            Ok(id)
        } else {
            Err(PlanError::Account(id))
        }
    }

    fn write(
        self,
        plan: Plan,
        security: InstanceId,
        server: InstanceId,
    ) -> Result<Plan, PlanError> {
        let Self {
            security: keys,
            server: parameters,
        } = self;
        Ok(plan
            .write(
                Path::Instance(ObjectId::SECURITY, security),
                content([(security, keys)])?,
            )
            .write(
                Path::Instance(ObjectId::SERVER, server),
                content([(server, parameters)])?,
            ))
    }
}

/// One Write of all Access Control Object Instances, if there are any.
fn write_access(plan: Plan, access: Vec<AccessControl>) -> Result<Plan, PlanError> {
    if access.is_empty() {
        return Ok(plan);
    }
    let mut taken = BTreeSet::new();
    let numbered = access
        .into_iter()
        .map(|instance| Ok((free(&mut taken)?, instance)))
        .collect::<Result<Vec<_>, PlanError>>()?;
    let path = Path::Object(ObjectId::ACCESS_CONTROL);
    Ok(plan.write(path, content(numbered)?))
}

/// The first Instance that isn't taken, which is taken from then on.
fn free(taken: &mut BTreeSet<InstanceId>) -> Result<InstanceId, PlanError> {
    let mut all = (0..u16::MAX).filter_map(InstanceId::new);
    let first = all.find(|id| !taken.contains(id));
    let first = first.ok_or(PlanError::TooMany)?;
    taken.insert(first);
    Ok(first)
}

/// The values of these Object Instances.
fn content<T: Typed>(
    instances: impl IntoIterator<Item = (InstanceId, T)>,
) -> Result<Content, PlanError> {
    let object = T::DEFINITION.id;
    let mut tree = ObjectTree::new();
    tree.add(Store::of(instances).checked()?);
    let mut content = Content::new();
    let mut refused = None;
    for instance in tree.instances(object) {
        for resource in tree.resources(object, instance) {
            let id: ResourceId = resource.id;
            tree.visit(Path::Resource(object, instance, id), |path, value| {
                if !T::accepts(id, &value) {
                    refused = Some(WriteError::Refused(path));
                }
                content.insert(path, value.to_owned());
            });
        }
    }
    refused.map_or(Ok(content), |error| Err(error.into()))
}
