//! The accounts of a Client, by their Security Object Instances (TS 3.2, 5.2.2), and the caller of a
//! request.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::{
    hash::{Hash as _, Hasher as _},
    net::IpAddr,
};

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId, ServerUri, ShortServerId, Value};
use lwm2m_objects::{
    ObjectTree, TreeView, Typed as _, accounts,
    typed::{KeyMaterial, Security, SecurityMode, SmsSecurity, SmsSecurityMode},
};
use siphasher::sip::SipHasher13;

use super::{
    config::ClientError,
    event::{AccountId, AccountRole, ConnectionId},
};
use crate::machine::Channel;

/// The Resources that identify the server of an account (TS E.1, E.2).
const BOOTSTRAP_SERVER: ResourceId = ResourceId::new(1);
const OF_SECURITY: ResourceId = ResourceId::new(10);
const OF_SERVER: ResourceId = ResourceId::new(0);
/// LwM2M Server SMS Number (TS E.1).
const SMS_NUMBER: ResourceId = ResourceId::new(9);

/// The peer of a connection. It decides which requests are allowed, and by which rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// A LwM2M Server: Device Management and Information Reporting, with access control (TS 5.4,
    /// 5.5, 7.3).
    Server(ShortServerId),
    /// The Bootstrap-Server: its own interface, and no access control (TS 5.2).
    BootstrapServer,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) caller: Caller,
    pub(super) account: AccountId,
    pub(super) connection: ConnectionId,
}

/// What the tree says of an account. One that can't be read is there, too: it rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) id: AccountId,
    pub(super) role: AccountRole,
    /// The Server Object Instance of a server's account, if both Instances can be used.
    pub(super) server_instance: Option<InstanceId>,
    /// What a connection is made with; `None` if the Security Object Instance can't be used.
    pub(super) access: Option<Access>,
}

/// What a connection is made with: the URI, the mode and its keys, the Short Server ID and the SMS
/// parameters. A connection that was made with something else is made again (TS 5.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    /// Of all of it. The keys themselves are only in the tree.
    digest: u64,
    /// Of the scheme, the host and the port of the URI, however they are written.
    host: u64,
    server: Option<ShortServerId>,
    /// Whether its channel over UDP has no security.
    is_open: bool,
    /// Its channel over SMS, if the server has a number.
    sms: Option<SmsAccess>,
}

/// How a server is reached over SMS (TS 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SmsAccess {
    /// Whether the channel has no security.
    is_open: bool,
}

/// The secret of the digests, so that they tell nothing of the keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct DigestKey(pub(super) u64, pub(super) u64);

impl Account {
    /// The server, if it is one.
    pub(super) const fn server(&self) -> Option<ShortServerId> {
        match self.role {
            AccountRole::Server(server) => Some(server),
            AccountRole::BootstrapServer | AccountRole::Unknown => None,
        }
    }

    /// Whether it can be used for a registration.
    pub(super) const fn is_usable(&self) -> bool {
        self.server_instance.is_some() && self.access.is_some()
    }
}

impl Access {
    fn of(security: &Security, key: DigestKey) -> Self {
        let mut host = SipHasher13::new_with_keys(key.0, key.1);
        hash_host(&security.server_uri, &mut host);
        let mut digest = SipHasher13::new_with_keys(key.0, key.1);
        security.server_uri.hash(&mut digest);
        security.mode.number().hash(&mut digest);
        match security.material() {
            KeyMaterial::PreSharedKey { identity, key } => (identity, key).hash(&mut digest),
            KeyMaterial::RawPublicKey {
                public_key,
                private_key,
                server_public_key,
            } => (public_key, private_key, server_public_key).hash(&mut digest),
            KeyMaterial::Certificate(keys) | KeyMaterial::CertificateWithEst(keys) => {
                (keys.certificate, keys.private_key).hash(&mut digest);
                keys.server_certificate.hash(&mut digest);
            }
            KeyMaterial::NoSec => {}
        }
        security.short_server_id.hash(&mut digest);
        let sms = &security.sms;
        sms.mode.hash(&mut digest);
        (&sms.key_parameters, &sms.secret_keys).hash(&mut digest);
        sms.server_number.hash(&mut digest);
        Self {
            digest: digest.finish(),
            host: host.finish(),
            server: security.short_server_id,
            is_open: security.mode == SecurityMode::NoSec,
            sms: SmsAccess::of(sms),
        }
    }

    /// Whether the server can be reached over this channel.
    pub(super) const fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Udp => true,
            Channel::Sms => self.sms.is_some(),
        }
    }

    /// Whether this channel has no security.
    pub(super) const fn is_open_over(&self, channel: Channel) -> bool {
        match (channel, self.sms) {
            (Channel::Udp, _) => self.is_open,
            (Channel::Sms, Some(sms)) => sms.is_open,
            (Channel::Sms, None) => true,
        }
    }

    /// Whether both lead to one server: they have its host or its number in common. It may know the device
    /// by its name, whichever connection it comes by.
    pub(super) fn may_share_server(&self, other: &Self) -> bool {
        self.host == other.host || self.server.is_some() && self.server == other.server
    }
}

impl SmsAccess {
    fn of(sms: &SmsSecurity) -> Option<Self> {
        let number = sms.server_number.as_deref().unwrap_or_default();
        let is_secured = matches!(
            sms.mode,
            Some(SmsSecurityMode::Dtls | SmsSecurityMode::SecurePacketStructure)
        );
        (!number.is_empty()).then_some(Self {
            is_open: !is_secured,
        })
    }
}

/// What a URI leads to. Its default port may be left out, and a name has no case (RFC 7252 §6.1).
fn hash_host(uri: &str, hasher: &mut SipHasher13) {
    let (is_secure, host, port) = match ServerUri::parse(uri) {
        Ok(ServerUri::Coap { host, port }) => (false, host, port),
        Ok(ServerUri::Coaps { host, port }) => (true, host, port),
        _ => return uri.hash(hasher),
    };
    match host.parse::<IpAddr>() {
        Ok(address) => address.hash(hasher),
        Err(_) => host.to_ascii_lowercase().hash(hasher),
    }
    (is_secure, port).hash(hasher);
}

/// The accounts in the order of their Security Object Instances.
pub(super) fn of(tree: &ObjectTree, key: DigestKey) -> Vec<Account> {
    let usable: BTreeMap<_, _> = accounts(tree)
        .into_iter()
        .map(|account| (account.security_instance, account.server_instance))
        .collect();
    let securities = tree.instances(ObjectId::SECURITY);
    securities
        .map(|instance| Account {
            id: AccountId::new(instance),
            role: role(tree, instance),
            server_instance: usable.get(&instance).copied(),
            access: Security::load(tree, instance).map(|security| Access::of(&security, key)),
        })
        .collect()
}

/// What the connection of an account is made with; `None` if its Security Object Instance can't be used.
pub(super) fn access<'t>(
    tree: impl Into<TreeView<'t>>,
    account: AccountId,
    key: DigestKey,
) -> Option<Access> {
    let security = Security::load(tree, account.instance())?;
    Some(Access::of(&security, key))
}

/// Whether the server of an account has another one in its place. The Register there takes the place of
/// the registration here (TS 5.3.1).
pub(super) fn has_moved(accounts: &[Account], from: &Account) -> bool {
    let Some(server) = from.server() else {
        return false;
    };
    let is_of_server = |account: &&Account| account.is_usable() && account.server() == Some(server);
    let mut of_server = accounts.iter().filter(is_of_server);
    of_server
        .next()
        .is_some_and(|account| account.id != from.id)
}

/// Whose account it is, even if nothing else of it can be read. The Short Server ID of a
/// Bootstrap-Server doesn't count (TS E.1).
fn role(tree: &ObjectTree, security: InstanceId) -> AccountRole {
    let is_bootstrap_server = Path::Resource(ObjectId::SECURITY, security, BOOTSTRAP_SERVER);
    if tree.get(is_bootstrap_server) == Some(Value::Boolean(true)) {
        return AccountRole::BootstrapServer;
    }
    short_server_id(tree, ObjectId::SECURITY, security, OF_SECURITY)
        .map_or(AccountRole::Unknown, AccountRole::Server)
}

/// Checks that each Short Server ID is unique (TS 5.2.2).
pub(super) fn check(tree: &ObjectTree) -> Result<(), ClientError> {
    let securities = tree.instances(ObjectId::SECURITY);
    unique(
        securities.filter_map(|security| match role(tree, security) {
            AccountRole::Server(server) => Some(server),
            AccountRole::BootstrapServer | AccountRole::Unknown => None,
        }),
    )?;
    let servers = tree.instances(ObjectId::SERVER);
    unique(servers.filter_map(|id| short_server_id(tree, ObjectId::SERVER, id, OF_SERVER)))
}

/// Whether there is a Security Object Instance of this server.
pub(super) fn has_account(tree: &ObjectTree, server: ShortServerId) -> bool {
    let mut securities = tree.instances(ObjectId::SECURITY);
    securities.any(|security| role(tree, security) == AccountRole::Server(server))
}

/// Whether the account of this server has a number for short messages (TS E.1, Resource 9).
pub(super) fn has_sms_number(tree: &ObjectTree, server: ShortServerId) -> bool {
    let mut securities = tree.instances(ObjectId::SECURITY);
    securities.any(|security| {
        let number = Path::Resource(ObjectId::SECURITY, security, SMS_NUMBER);
        role(tree, security) == AccountRole::Server(server)
            && matches!(tree.get(number), Some(Value::String(number)) if !number.is_empty())
    })
}

/// The server that a Server Object Instance is about.
pub(super) fn server_of(tree: &ObjectTree, server_instance: InstanceId) -> Option<ShortServerId> {
    short_server_id(tree, ObjectId::SERVER, server_instance, OF_SERVER)
}

fn short_server_id(
    tree: &ObjectTree,
    object: ObjectId,
    instance: InstanceId,
    resource: ResourceId,
) -> Option<ShortServerId> {
    match tree.get(Path::Resource(object, instance, resource))? {
        Value::Integer(number) => ShortServerId::new(u16::try_from(number).ok()?),
        _ => None,
    }
}

fn unique(servers: impl Iterator<Item = ShortServerId>) -> Result<(), ClientError> {
    let mut seen = BTreeSet::new();
    for server in servers {
        if !seen.insert(server) {
            return Err(ClientError::DuplicateServer(server));
        }
    }
    Ok(())
}
