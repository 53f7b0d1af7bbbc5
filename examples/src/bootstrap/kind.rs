//! What a plan of a file does.

use lwm2m_core::{AccessRights, Path};
use lwm2m_objects::{
    Registry,
    typed::{AccessControl, AclTarget},
};
use lwm2m_statemachine::bootstrap_server::Step;

use super::{
    accounts::{OwnAccount, ServerAccount},
    document::{Mistake, Table},
    steps,
};
use crate::device::Right;

/// The keys of a plan.
pub(super) const KEYS: [&str; 9] = [
    "endpoint",
    "kind",
    "device",
    "own",
    "repair",
    "bootstrap",
    "server",
    "access",
    "step",
];

/// What a plan does.
#[derive(Debug)]
pub(super) enum Kind {
    /// Delete of what there is of accounts, or with `wipe` of all, and these in its place.
    Set {
        wipe: bool,
        /// Whether a client that finds this inconsistent is wiped.
        repair_wipes: bool,
        bootstrap: Option<OwnAccount>,
        servers: Vec<ServerAccount>,
        access: Vec<AccessControl>,
    },
    /// One more server.
    Add {
        server: ServerAccount,
        /// What it may do with what is there, unless `access` says more.
        access: Vec<AccessControl>,
    },
    /// New keys of an account.
    Rotate(ServerAccount),
    /// A new account of the Bootstrap-Server.
    Replace(OwnAccount),
    /// These steps, and a Bootstrap-Finish.
    Steps(Vec<Step>),
}

impl Kind {
    pub(super) fn read(table: &Table<'_>, registry: &Registry) -> Result<Self, Mistake> {
        let kind = table.string("kind")?.unwrap_or("set");
        let expected: &[&str] = match kind {
            "set" => &["own", "repair", "bootstrap", "server", "access"],
            "wipe" => &["own", "bootstrap", "server", "access"],
            "add" => &["server", "access"],
            "rotate" => &["server"],
            "replace" => &["own", "bootstrap"],
            "steps" => &["step"],
            _ => {
                let what = "expected set, wipe, add, rotate, replace or steps";
                return Err(table.mistake("kind", what));
            }
        };
        for key in KEYS {
            let is_of_all = ["endpoint", "device", "kind"].contains(&key);
            if table.has(key) && !is_of_all && !expected.contains(&key) {
                let what = format!("not with kind = {kind:?}");
                return Err(table.mistake(key, what));
            }
        }
        let repair_wipes = match table.string("repair")? {
            None | Some("accounts") => kind == "wipe",
            Some("wipe") => true,
            Some(_) => return Err(table.mistake("repair", "expected accounts or wipe")),
        };
        let servers = table.tables("server")?;
        let servers = servers.iter().map(ServerAccount::read);
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        let bootstrap = table.table("bootstrap")?;
        let bootstrap = bootstrap
            .map(|table| OwnAccount::read(&table))
            .transpose()?;
        let access = table.tables("access")?;
        let access = access.iter().map(access_control);
        let access = access.collect::<Result<Vec<_>, _>>()?;
        Ok(match kind {
            "add" => Self::Add {
                server: only(table, servers)?,
                access,
            },
            "rotate" => Self::Rotate(only(table, servers)?),
            "replace" => {
                let missing = || table.mistake("bootstrap", "expected this table");
                Self::Replace(bootstrap.ok_or_else(missing)?)
            }
            "steps" => {
                let steps = table.tables("step")?;
                let steps = steps.iter().map(|step| steps::read(step, registry));
                Self::Steps(steps.collect::<Result<_, _>>()?)
            }
            kind => Self::Set {
                wipe: kind == "wipe",
                repair_wipes,
                bootstrap,
                servers,
                access,
            },
        })
    }

    /// Whether all clients get the same.
    pub(super) fn is_fixed(&self) -> bool {
        let own = match self {
            Self::Set { bootstrap, .. } => bootstrap.as_ref(),
            Self::Replace(own) => Some(own),
            _ => None,
        };
        let servers = self.servers();
        own.is_none_or(OwnAccount::is_fixed) && servers.iter().all(|server| server.is_fixed())
    }

    pub(super) fn servers(&self) -> Vec<&ServerAccount> {
        match self {
            Self::Set { servers, .. } => servers.iter().collect(),
            Self::Add { server, .. } | Self::Rotate(server) => vec![server],
            Self::Replace(_) | Self::Steps(_) => Vec::new(),
        }
    }
}

/// The only server of a plan that is about one.
fn only(table: &Table<'_>, servers: Vec<ServerAccount>) -> Result<ServerAccount, Mistake> {
    let [server] = <[_; 1]>::try_from(servers)
        .map_err(|_| table.mistake("server", "expected one [[plan.server]]"))?;
    Ok(server)
}

/// `on = "/3/0"`, `owner = 101` and `rights = { 102 = "RW" }`.
fn access_control(table: &Table<'_>) -> Result<AccessControl, Mistake> {
    table.only(&["on", "owner", "rights"])?;
    let on = table.required("on")?;
    let target = match on.parse() {
        Ok(Path::Object(object)) => AclTarget::Object(object),
        Ok(Path::Instance(object, instance)) => AclTarget::Instance(object, instance),
        _ => return Err(table.mistake("on", "expected an Object or an Object Instance")),
    };
    let owner = table.number("owner", "a Short Server ID of 1 to 65534")?;
    let mut acl: Vec<(u16, AccessRights)> = Vec::new();
    if let Some(rights) = table.table("rights")? {
        for (server, letters) in rights.strings()? {
            let right = format!("{on}={server}:{letters}").parse::<Right>();
            let right = right.map_err(|error| rights.mistake(server, error))?;
            acl.push((right.server, right.rights));
        }
    }
    Ok(AccessControl {
        target,
        acl,
        owner: owner.unwrap_or(AccessControl::NOBODY),
    })
}
