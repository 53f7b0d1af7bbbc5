//! The accounts of the Client, and the plans that set them.

use lwm2m_core::{
    AccessRights, ContentFormat, InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value,
    codec::Content,
};
use lwm2m_kit::{instance, server_id};
use lwm2m_objects::{
    ObjectTree, Store, Typed,
    typed::{self, AccessControl, AclTarget},
};
use lwm2m_statemachine::bootstrap_server::{
    Discovered, Plan,
    plans::{self, Rights},
};

use super::model::Values;

pub(super) const ENDPOINT: &str = "device";

/// How many servers there are, from 0 on.
pub(super) const SERVERS: usize = 3;

/// The line of the Bootstrap-Server, behind those of the servers.
pub(super) const BOOTSTRAP: usize = SERVERS;

/// What all keys begin with.
const SECRET: &str = "SECRET";

/// An account of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) server: usize,
    /// Which of its keys.
    pub(super) key: u32,
    /// In seconds.
    pub(super) lifetime: u32,
}

/// What servers and Client know each other by, as far as a session depends on it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Identity {
    security: Vec<(Path, Option<Value>)>,
    server_instance: InstanceId,
}

/// The account of a server among these values.
pub(super) fn account_of(values: &Values, server: usize) -> Option<Identity> {
    let id = i64::from(short_server_id(server).get());
    let of = |object: ObjectId, resource: u16| {
        let resource = ResourceId::new(resource);
        let mut all = values.instances(object).into_iter();
        all.find(|at| values.integer(Path::Resource(object, *at, resource)) == Some(id))
    };
    let security = of(ObjectId::SECURITY, 10)?;
    Some(Identity {
        security: values.below(Path::Instance(ObjectId::SECURITY, security)),
        server_instance: of(ObjectId::SERVER, 0)?,
    })
}

pub(super) fn short_server_id(server: usize) -> ShortServerId {
    server_id(101 + server as u16)
}

pub(super) fn uri(line: usize) -> String {
    if line == BOOTSTRAP {
        "coaps://bootstrap".into()
    } else {
        format!("coaps://server{line}")
    }
}

/// The line to this URI.
pub(super) fn line(at: &str) -> usize {
    let mut all = 0..=BOOTSTRAP;
    let line = all.find(|line| uri(*line) == at);
    line.expect("the URI of one of them")
}

fn key(of: &str, number: u32) -> String {
    format!("{SECRET}{of}{number:08}")
}

impl Account {
    fn security(&self) -> typed::Security {
        let id = short_server_id(self.server);
        let key = key(&format!("s{}", self.server), self.key);
        typed::Security::pre_shared_key(uri(self.server), id, ENDPOINT, key)
    }

    fn server(&self) -> typed::Server {
        typed::Server {
            default_minimum_period: Some(0),
            ..typed::Server::new(short_server_id(self.server), self.lifetime)
        }
    }

    fn both(&self) -> plans::Account {
        plans::Account {
            security: self.security(),
            server: self.server(),
        }
    }
}

/// The account of the Bootstrap-Server, with its first, second, … key.
pub(super) fn bootstrap_account(number: u32, hold_off: u32) -> typed::Security {
    typed::Security {
        bootstrap_server: true,
        short_server_id: None,
        client_hold_off_time: Some(hold_off),
        ..typed::Security::pre_shared_key(
            uri(BOOTSTRAP),
            short_server_id(0),
            ENDPOINT,
            key("bs", number),
        )
    }
}

/// A tree of a Client with the account of its Bootstrap-Server and these.
pub(super) fn tree(hold_off: u32, accounts: &[Account]) -> ObjectTree {
    let mut tree = ObjectTree::new();
    let own = (InstanceId::ZERO, bootstrap_account(0, hold_off));
    let others = accounts
        .iter()
        .map(|account| (at(account, 1), account.security()));
    tree.add(Store::of([own].into_iter().chain(others)));
    let mut servers = Store::new(typed::Server::DEFINITION);
    if !accounts.is_empty() {
        servers = Store::of(
            accounts
                .iter()
                .map(|account| (at(account, 0), account.server())),
        );
    }
    tree.add(servers);
    let mut rights = Store::new(AccessControl::DEFINITION);
    if accounts.len() > 1 {
        rights = Store::of((0..).map(instance).zip(access(accounts)));
    }
    tree.add(rights);
    let device = typed::Device {
        battery_level: Some(50),
        memory_free: Some(0),
        ..typed::Device::example()
    };
    tree.add(Store::of([(InstanceId::ZERO, device)]));
    tree
}

/// The Object Instance of an account, of which the first server has this one.
fn at(account: &Account, first: u16) -> InstanceId {
    instance(first + account.server as u16)
}

/// Each server owns its Server Object Instance; the first one owns the Device, which the others read.
fn access(accounts: &[Account]) -> Vec<AccessControl> {
    let ids: Vec<_> = accounts
        .iter()
        .map(|account| short_server_id(account.server))
        .collect();
    let own = accounts.iter().map(|account| {
        let id = short_server_id(account.server);
        AccessControl::on_instance(ObjectId::SERVER, at(account, 0), id)
    });
    let device = AccessControl {
        acl: others(&ids),
        ..AccessControl::on_instance(ObjectId::DEVICE, InstanceId::ZERO, ids[0])
    };
    own.chain([device]).collect()
}

fn others(ids: &[ShortServerId]) -> Vec<(u16, AccessRights)> {
    let others = ids.iter().skip(1);
    others.map(|id| (id.get(), AccessRights::READ)).collect()
}

/// How a plan writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) format: Option<ContentFormat>,
    /// Whether an Object is written as a whole.
    pub(super) whole: bool,
    /// Whether it begins with a Delete of `/`.
    pub(super) wipes: bool,
}

impl Style {
    fn write(self, plan: Plan, path: Path, content: Content) -> Plan {
        match self.format {
            Some(format) => plan.write_in(format, path, content),
            None => plan.write(path, content),
        }
    }

    /// Writes these Object Instances.
    fn write_all<T: Typed + Clone>(self, mut plan: Plan, all: &[(InstanceId, T)]) -> Plan {
        if self.whole {
            return self.write(plan, Path::Object(T::DEFINITION.id), content(all));
        }
        for one in all {
            let path = Path::Instance(T::DEFINITION.id, one.0);
            plan = self.write(plan, path, content(core::slice::from_ref(one)));
        }
        plan
    }

    /// These accounts in the place of all that there are, without the Finish.
    pub(super) fn set(self, accounts: &[Account]) -> Plan {
        let plan = if self.wipes {
            Plan::new().delete(Path::Root)
        } else {
            Plan::new()
                .delete(Path::Object(ObjectId::SECURITY))
                .try_delete(Path::Object(ObjectId::SERVER))
                .try_delete(Path::Object(ObjectId::ACCESS_CONTROL))
        };
        let all: Vec<_> = accounts
            .iter()
            .map(|one| (at(one, 1), one.security()))
            .collect();
        let plan = self.write_all(plan, &all);
        let all: Vec<_> = accounts
            .iter()
            .map(|one| (at(one, 0), one.server()))
            .collect();
        self.write_rights(self.write_all(plan, &all), accounts)
    }

    fn write_rights(self, plan: Plan, accounts: &[Account]) -> Plan {
        if accounts.len() < 2 {
            return plan;
        }
        let all: Vec<_> = (0..).map(instance).zip(access(accounts)).collect();
        self.write_all(plan, &all)
    }

    /// Another account of the Bootstrap-Server, at the same Object Instance or at another one.
    pub(super) fn replace_own(self, plan: Plan, at: InstanceId, own: typed::Security) -> Plan {
        self.write_all(plan, &[(at, own)])
    }
}

/// What goes on with what a Discover found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// Another account.
    Add(Account),
    /// One account less, if there are several.
    Take,
    /// Another key of a server.
    Rotate(u32),
}

impl Change {
    /// The steps, if what was found allows that.
    pub(super) fn of(self, found: &Discovered, style: Style) -> Option<Plan> {
        let mut servers: Vec<_> = found.servers().collect();
        servers.sort_unstable();
        let number = |id: ShortServerId| usize::from(id.get() - 101);
        match self {
            Self::Add(account) => {
                let ids: Vec<_> = servers
                    .iter()
                    .map(|(id, _)| *id)
                    .chain([short_server_id(account.server)])
                    .collect();
                let rights = |target| match target {
                    // Each server owns its own account.
                    AclTarget::Instance(ObjectId::SERVER, at) => {
                        let mut all = found.instances();
                        let own = all.find(|(object, instance, _)| {
                            (*object, *instance) == (ObjectId::SERVER, at)
                        });
                        let own = own.and_then(|(.., id)| id);
                        Rights::owned_by(own.unwrap_or(short_server_id(account.server)))
                    }
                    AclTarget::Instance(..) => Rights {
                        owner: ids[0].get(),
                        acl: others(&ids),
                    },
                    AclTarget::Object(_) => Rights::owned_by(ids[0]),
                };
                plans::add_server(found, account.both(), rights).ok()
            }
            Self::Take => {
                let (gone, security) = servers.pop().filter(|_| !servers.is_empty())?;
                let mut all = found.instances();
                let server = all.find_map(|(object, instance, id)| {
                    (object == ObjectId::SERVER && id == Some(gone)).then_some(instance)
                })?;
                let plan = Plan::new()
                    .delete(Path::Instance(ObjectId::SECURITY, security))
                    // It may have gone with the account (TS E.1.3).
                    .try_delete(Path::Instance(ObjectId::SERVER, server))
                    .try_delete(Path::Object(ObjectId::ACCESS_CONTROL));
                let left: Vec<_> = servers
                    .iter()
                    .map(|(id, _)| Account {
                        server: number(*id),
                        key: 0,
                        lifetime: 0,
                    })
                    .collect();
                Some(style.write_rights(plan, &left).finish())
            }
            Self::Rotate(key) => {
                let (id, security) = *servers.first()?;
                let account = Account {
                    server: number(id),
                    key,
                    lifetime: 0,
                };
                plans::rotate_keys(security, &account.security()).ok()
            }
        }
    }
}

/// The values of these Object Instances.
fn content<T: Typed + Clone>(all: &[(InstanceId, T)]) -> Content {
    let mut tree = ObjectTree::new();
    tree.add(Store::of(all.iter().cloned()));
    let mut content = Content::new();
    for (path, value) in Values::of(&tree).below(Path::Root) {
        if let Some(value) = value {
            content.insert(path, value);
        }
    }
    content
}

/// Panics if a key is in this text, as text or as numbers.
pub(super) fn check_secret(shown: &str, what: &str) {
    let numbers = format!("{:?}", SECRET.as_bytes());
    let is_shown = shown.contains(SECRET) || shown.contains(numbers.trim_matches(['[', ']']));
    assert!(!is_shown, "a key is shown by {what}: {shown}");
}
