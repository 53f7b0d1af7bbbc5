//! The plans of a file, and which client gets which.

use core::fmt;
use std::{fs, io, path::Path as FilePath, rc::Rc};

use lwm2m_core::{InstanceId, Path};
use lwm2m_objects::Registry;
use lwm2m_statemachine::bootstrap_server::{
    Discovered, Plan,
    plans::{self, BootstrapAccount},
};

use super::{
    accounts::OwnAccount,
    document::{Mistake, Source, Table},
    keys::DeviceKeys,
    kind::{KEYS, Kind},
    pattern::Pattern,
    ready::{NoPlan, add, set, without_access_control},
};
use crate::{exit, secure::credentials::ClientCredentials};

/// The plans of a file, in its order.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    rules: Vec<Rc<Rule>>,
}

/// Who gets a plan, and which.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    kind: Kind,
    /// The Security Object Instance of the Bootstrap-Server. A Discover finds it if it isn't said.
    own: Option<InstanceId>,
    /// How the client itself is reached with security.
    device: Option<DeviceKeys>,
}

impl Plans {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Of a file that can't be read, and of a [`Mistake`] in it. No error repeats a value.
    pub fn read(file: &FilePath, registry: &Registry) -> io::Result<Self> {
        let text = fs::read_to_string(file).map_err(exit::about(file.display()))?;
        Ok(Self::parse(Source::new(file, &text), registry)?)
    }

    fn parse(source: Source<'_>, registry: &Registry) -> Result<Self, Mistake> {
        let document = source.parse()?;
        let root = Table::root(source, document.get_ref());
        root.only(&["plan"])?;
        let tables = root.tables("plan")?;
        if tables.is_empty() {
            return Err(root.mistake("plan", "expected at least one [[plan]]"));
        }
        let rules = tables.iter().map(|table| Rule::read(table, registry));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            rules: rules.into_iter().map(Rc::new).collect(),
        })
    }

    /// The first plan for this client.
    pub(super) fn find(&self, endpoint: &str) -> Option<Rc<Rule>> {
        let mut rules = self.rules.iter();
        rules.find(|rule| rule.pattern.fits(endpoint)).cloned()
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|rule| &**rule)
    }
}

impl Rule {
    fn read(table: &Table<'_>, registry: &Registry) -> Result<Self, Mistake> {
        table.only(&KEYS)?;
        let pattern = Pattern::new(table.required("endpoint")?);
        let own = table.number::<u16>("own", "an Object Instance of 0 to 65534")?;
        let own = own.map(|own| {
            let expected = "expected an Object Instance of 0 to 65534";
            InstanceId::new(own).ok_or_else(|| table.mistake("own", expected))
        });
        let device = table.table("device")?;
        let rule = Self {
            pattern,
            own: own.transpose()?,
            device: device.as_ref().map(DeviceKeys::read).transpose()?,
            kind: Kind::read(table, registry)?,
        };
        rule.check(table)?;
        Ok(rule)
    }

    /// The keys by which the client itself is reached (TS 5.2.3.4).
    pub(super) fn device(&self, endpoint: &str) -> Result<ClientCredentials, NoPlan> {
        let device = self.device.as_ref();
        let missing = || "the plan has no keys for it: [plan.device]".to_owned();
        let device = device.ok_or_else(missing)?;
        Ok(device.of(endpoint)?)
    }

    /// What the client is told first, and whether more follows from what it answers.
    pub(super) fn first(&self, endpoint: &str) -> Result<Plan, NoPlan> {
        match (&self.kind, self.own) {
            // What is there has to be known.
            (Kind::Add { .. } | Kind::Rotate(_), _) => Ok(Plan::new().discover(Path::Root)),
            (Kind::Steps(_), _) | (_, Some(_)) => self.then(endpoint, None),
            (Kind::Set { .. } | Kind::Replace(_), None) => Ok(Plan::new().try_discover(Path::Root)),
        }
    }

    /// What the client is told after a Discover, which it may have refused.
    pub(super) fn then(&self, endpoint: &str, found: Option<&Discovered>) -> Result<Plan, NoPlan> {
        match &self.kind {
            Kind::Set {
                wipe,
                bootstrap,
                servers,
                access,
                ..
            } => {
                let accounts = servers.iter().map(|server| server.of(endpoint));
                let accounts = accounts.collect::<Result<Vec<_>, _>>()?;
                let own = self.own_account(endpoint, bootstrap.as_ref(), found)?;
                set(*wipe, own, accounts, access)
            }
            Kind::Add { server, access } => {
                let found = found.ok_or_else(|| NoPlan::missing("answer to a Discover"))?;
                add(found, server.of(endpoint)?, access)
            }
            Kind::Rotate(server) => {
                let found = found.ok_or_else(|| NoPlan::missing("answer to a Discover"))?;
                let mut servers = found.servers();
                let instance = servers.find_map(|(id, at)| (id == server.id).then_some(at));
                let instance = instance.ok_or_else(|| {
                    NoPlan::missing(format_args!("account of server {}", server.id))
                })?;
                Ok(plans::rotate_keys(
                    instance,
                    &server.of(endpoint)?.security,
                )?)
            }
            Kind::Replace(account) => {
                let instance = self.own_instance(found)?;
                let security = account.of(endpoint)?;
                Ok(plans::replace_bootstrap_account(instance, security)?)
            }
            Kind::Steps(steps) => Ok(steps.iter().cloned().collect::<Plan>().finish()),
        }
    }

    /// What repairs a client that found inconsistent what it was told (TS 5.2.6): the same servers
    /// again, after a Delete of accounts and access control, or of all if the file says so. `None` if
    /// the plan says nothing of all servers.
    pub(super) fn repair(
        &self,
        endpoint: &str,
        found: Option<&Discovered>,
    ) -> Option<Result<Plan, NoPlan>> {
        let Kind::Set {
            repair_wipes,
            bootstrap,
            servers,
            access,
            ..
        } = &self.kind
        else {
            return None;
        };
        let plan = || {
            let accounts = servers.iter().map(|server| server.of(endpoint));
            let accounts = accounts.collect::<Result<Vec<_>, _>>()?;
            let own = self.own_account(endpoint, bootstrap.as_ref(), found)?;
            let plan = set(*repair_wipes, own, accounts, access)?;
            Ok(if *repair_wipes {
                plan
            } else {
                without_access_control(plan)
            })
        };
        Some(plan())
    }

    /// Where the account of the Bootstrap-Server is: where the file says, or where it was found, or
    /// where most clients have it if they have no Discover. A guess against what a client shows could
    /// cost it the account.
    fn own_instance(&self, found: Option<&Discovered>) -> Result<InstanceId, NoPlan> {
        match (self.own, found) {
            (Some(own), _) => Ok(own),
            (None, None) => Ok(InstanceId::ZERO),
            (None, Some(found)) => found.bootstrap_account().ok_or(NoPlan::Unclear),
        }
    }

    fn own_account(
        &self,
        endpoint: &str,
        new: Option<&OwnAccount>,
        found: Option<&Discovered>,
    ) -> Result<BootstrapAccount, NoPlan> {
        let instance = self.own_instance(found)?;
        Ok(match new {
            None => BootstrapAccount::Keep(instance),
            Some(new) => BootstrapAccount::Replace(instance, new.of(endpoint)?),
        })
    }

    /// Makes the plan once, so that what is wrong with it is known at the start.
    fn check(&self, table: &Table<'_>) -> Result<(), Mistake> {
        // What is of each client is only known then.
        let endpoint = match self.pattern.name() {
            Some(name) => name,
            None if self.kind.is_fixed() => "",
            None => return Ok(()),
        };
        let tables = table.tables("server")?;
        for (server, at) in self.kind.servers().into_iter().zip(&tables) {
            let own = BootstrapAccount::Keep(InstanceId::ZERO);
            let plan = server.of(endpoint).map_err(NoPlan::Missing);
            plan.and_then(|account| Ok(plans::one_server(own, account)?))
                .map_err(|error| at.own_mistake(error))?;
        }
        let whole = match &self.kind {
            Kind::Add { .. } | Kind::Rotate(_) => Ok(()),
            _ => self.then(endpoint, None).map(|_| ()),
        };
        whole.map_err(|error| table.own_mistake(error))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            Kind::Set { wipe: false, .. } => "set",
            Kind::Set { wipe: true, .. } => "wipe",
            Kind::Add { .. } => "add",
            Kind::Rotate(_) => "rotate",
            Kind::Replace(_) => "replace",
            Kind::Steps(_) => "steps",
        })?;
        for server in self.kind.servers() {
            write!(f, " {}", server.id)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lwm2m_core::{AccessRights, ObjectId, Value};
    use lwm2m_linkformat::BootstrapDiscoverLinks;
    use lwm2m_objects::typed::{AccessControl, SecurityMode};
    use lwm2m_statemachine::bootstrap_server::Step;

    use super::*;

    fn rule(text: &str) -> Rc<Rule> {
        let source = Source::new(FilePath::new("plans.toml"), text);
        let plans = Plans::parse(source, &Registry::default());
        let plans = plans.unwrap_or_else(|mistake| panic!("{mistake}"));
        plans.find("dev-1").expect("a plan")
    }

    /// The value that a plan writes at a path.
    fn written(plan: &Plan, at: &str) -> Option<Value> {
        let at: Path = at.parse().unwrap();
        plan.steps().iter().find_map(|step| match step {
            Step::Write { content, .. } => content.get(&at).cloned(),
            _ => None,
        })
    }

    #[test]
    fn each_security_mode_has_its_keys() {
        let server = |lines: &str| {
            let head = "[[plan]]\nendpoint = \"*\"\nown = 0\n[[plan.server]]\nid = 101\n";
            let rule = rule(&format!(
                "{head}uri = \"coaps://{{endpoint}}.example\"\n{lines}"
            ));
            rule.then("dev-1", None).unwrap()
        };
        for (lines, mode, keys) in [
            (
                "mode = \"psk\"\nkey = \"0a0b\"",
                SecurityMode::PreSharedKey,
                [&b"dev-1"[..], &[], &[10, 11]],
            ),
            (
                "mode = \"rpk\"\npublic-key = \"01\"\nprivate-key = \"02\"\nserver-public-key = \"03\"",
                SecurityMode::RawPublicKey,
                [&[1], &[3], &[2]],
            ),
            (
                "mode = \"certificate\"\ncertificate = \"01\"\nprivate-key = \"02\"\nserver-certificate = \"03\"",
                SecurityMode::Certificate,
                [&[1], &[3], &[2]],
            ),
            (
                "mode = \"est\"\nserver-certificate = \"03\"",
                SecurityMode::CertificateWithEst,
                [&[], &[3], &[]],
            ),
        ] {
            let plan = server(lines);
            let number = i64::from(mode.number());
            assert_eq!(written(&plan, "/0/1/2"), Some(number.into()), "{lines}");
            assert_eq!(
                written(&plan, "/0/1/0"),
                Some("coaps://dev-1.example".into())
            );
            for (resource, key) in (3..).zip(keys) {
                let at = format!("/0/1/{resource}");
                assert_eq!(
                    written(&plan, &at),
                    Some(Value::Opaque(key.to_vec())),
                    "{lines}: {at}"
                );
            }
        }
    }

    #[test]
    fn a_server_that_is_added_may_read_and_the_only_one_keeps_what_it_had() {
        let rule = rule(
            "[[plan]]\nendpoint = \"*\"\nkind = \"add\"\n\
             [[plan.server]]\nid = 103\nuri = \"coap://h\"\n\
             [[plan.access]]\non = \"/5/0\"\nowner = 103\n",
        );
        let links = "</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</3/0>,</5/0>,</9>";
        let found: Discovered = BootstrapDiscoverLinks::new(links)
            .collect::<Result<_, _>>()
            .unwrap();
        let plan = rule.then("any", Some(&found)).unwrap();
        let mut controls = Vec::new();
        for id in 0..20 {
            let value = |resource: &str| match written(&plan, &format!("/2/{id}/{resource}"))? {
                Value::Integer(number) => Some(number),
                _ => None,
            };
            if let (Some(object), Some(instance), Some(owner)) =
                (value("0"), value("1"), value("3"))
            {
                controls.push((object, instance, owner, value("2/103"), value("2/101")));
            }
        }
        let nobody = i64::from(AccessControl::NOBODY);
        let read = Some(i64::from(AccessRights::READ.bits()));
        let create = Some(i64::from(AccessRights::CREATE.bits()));
        let on_objects = [1, 3, 5, 9].map(|object| (object, nobody, nobody, None, create));
        let on_instances = [
            (1, 0, 101, read, None),
            (1, 1, 103, None, None),
            (3, 0, 101, read, None),
            (5, 0, 103, None, None),
        ];
        assert_eq!(controls, [&on_objects[..], &on_instances].concat());
        assert_eq!(written(&plan, "/0/2/10"), Some(103.into()));
        assert_eq!(found.instances_of(ObjectId::ACCESS_CONTROL).count(), 0);
        // There is nothing to repair it with.
        assert!(rule.repair("any", Some(&found)).is_none());
    }

    #[test]
    fn a_server_that_is_added_to_several_takes_no_rights_of_theirs() {
        let links = "</0/0>,</0/1>;ssid=101,</0/2>;ssid=102,\
                     </1/0>;ssid=101,</1/1>;ssid=102,</2/0>,</3/0>,</5>";
        let found: Discovered = BootstrapDiscoverLinks::new(links)
            .collect::<Result<_, _>>()
            .unwrap();
        let mut text = "[[plan]]\nendpoint = \"*\"\nkind = \"add\"\n\
                        [[plan.server]]\nid = 103\nuri = \"coap://h\"\n"
            .to_owned();
        for missing in ["/1", "/3", "/5", "/3/0"] {
            let told = rule(&text).then("any", Some(&found)).unwrap_err();
            let expected = format!(
                "the client has 2 servers; say with [[plan.access]] what they may do on {missing}"
            );
            assert_eq!(told.to_string(), expected);
            let said = match missing {
                "/3/0" => "owner = 101\nrights = { 102 = \"RE\" }",
                _ => "rights = { 101 = \"C\", 102 = \"C\" }",
            };
            text.push_str(&["[[plan.access]]\non = \"", missing, "\"\n", said, "\n"].concat());
        }
        let plan = rule(&text).then("any", Some(&found)).unwrap();
        let control = |on: [i64; 2]| {
            (0..20).find(|id| {
                let value = |resource| written(&plan, &format!("/2/{id}/{resource}"));
                [value(0), value(1)] == on.map(|number| Some(number.into()))
            })
        };
        // On /1/0, /1/1 and /3/0: each server owns its account.
        for (on, owner) in [([1, 0], 101), ([1, 1], 102), ([1, 2], 103), ([3, 0], 101)] {
            let id = control(on).unwrap();
            let found = written(&plan, &format!("/2/{id}/3"));
            assert_eq!(found, Some(i64::from(owner).into()), "{on:?}");
        }
        let kept = written(&plan, &format!("/2/{}/2/102", control([3, 0]).unwrap()));
        let bits = (AccessRights::READ | AccessRights::EXECUTE).bits();
        assert_eq!(kept, Some(i64::from(bits).into()));
    }
}
