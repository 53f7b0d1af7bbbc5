//! The commands of the device.

use core::ops::ControlFlow;
use std::io;

use lwm2m_core::{
    Code, InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value, codec::TypeLookup as _,
};
use lwm2m_objects::{Change, DeviceObject, ErrorCode};
use lwm2m_statemachine::client::{
    AccountRole, AccountStatus, DeferredError, DeferredOperation, QueueState, RegistrationState,
};

use super::{
    command::{Command, USAGE},
    directory::Directory,
    line::Line,
    program::{Print, Program},
    show,
};
use crate::{given::Given, value};

/// Short Server ID, of the Server Object.
const SHORT_SERVER_ID: ResourceId = ResourceId::new(0);

/// Why a command fails, for the user.
type Failure = Box<dyn core::error::Error>;

impl Program<'_> {
    /// Carries out a command. Breaks if the program is to end.
    pub(super) fn obey(
        &mut self,
        command: Command,
        print: Print<'_>,
    ) -> io::Result<ControlFlow<()>> {
        let done = match command {
            Command::Quit => return Ok(ControlFlow::Break(())),
            Command::Reboot => return self.restart(print).map(ControlFlow::Continue),
            Command::Help => {
                for (written, what) in USAGE {
                    let shown = format_args!("{written:<26}{what}");
                    print(Line::item("help").field("usage", *written, shown));
                }
                Ok(())
            }
            Command::Get(path) => self.get(path, &mut *print),
            Command::List => {
                show::instances(self.driver.machine.client.tree())
                    .into_iter()
                    .for_each(&mut *print);
                Ok(())
            }
            Command::Accounts => {
                self.accounts().into_iter().for_each(&mut *print);
                Ok(())
            }
            Command::Observations => {
                self.observations().into_iter().for_each(&mut *print);
                Ok(())
            }
            Command::Attributes => {
                self.attributes().into_iter().for_each(&mut *print);
                Ok(())
            }
            command => self.change(command, &mut *print),
        };
        if let Err(error) = done {
            print(Line::new("error").word("message", error));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Carries out a command that changes something.
    fn change(&mut self, command: Command, print: Print<'_>) -> Result<(), Failure> {
        match command {
            Command::Set(path, text) => self.set(path, &text),
            Command::Add(path, given) => {
                let added = self.add(path, &given)?;
                print(Line::new("added").path(added));
                Ok(())
            }
            Command::Remove(path) => {
                self.remove(path)?;
                print(Line::new("removed").path(path));
                Ok(())
            }
            Command::Update(server) => self.update(server),
            Command::Bootstrap => {
                let now = self.driver.now();
                let mut bootstrap = self.driver.machine.client.bootstrapping();
                Ok(bootstrap.begin(now)?)
            }
            Command::Register => {
                self.register();
                Ok(())
            }
            Command::Deregister => self.deregister(print),
            Command::Offline(server) => self.offline(server, print),
            Command::Online(server) => self.online(server, print),
            Command::Error(code) => self.report_error(code),
            Command::Ask(path) => {
                let client = &mut self.driver.machine.client;
                client.deferred().defer(DeferredOperation::Execute, path);
                client.deferred().defer(DeferredOperation::Change, path);
                print(Line::new("asks").path(path));
                Ok(())
            }
            Command::Allow(number) => self.answer(number, Ok(()), print),
            Command::Refuse(number, code) => self.answer(number, Err(code), print),
            _ => Ok(()),
        }
    }

    fn get(&self, path: Option<Path>, print: Print<'_>) -> Result<(), Failure> {
        let at = path.unwrap_or(Path::Root);
        let values = show::values(self.driver.machine.client.tree(), at);
        if values.is_empty() {
            return Err(format!("there is no value at {at}").into());
        }
        values.into_iter().for_each(print);
        Ok(())
    }

    fn set(&mut self, path: Path, text: &str) -> Result<(), Failure> {
        let known = match path {
            Path::Resource(object, _, resource)
            | Path::ResourceInstance(object, _, resource, _) => self
                .driver
                .machine
                .client
                .tree()
                .data_type(object, resource),
            _ => None,
        };
        let data_type = known.ok_or_else(|| {
            format!("expected the path of a Resource that has values, found {path}")
        })?;
        let value = value::read(data_type, text).map_err(|error| format!("{path}: {error}"))?;
        let now = self.driver.now();
        self.driver.machine.client.set(now, path, value)?;
        Ok(())
    }

    /// Adds an Object Instance. A Server Object Instance belongs to its server, one of another Object
    /// to a server that may create it.
    fn add(&mut self, path: Path, given: &[Given]) -> Result<Path, Failure> {
        let tree = self.driver.machine.client.tree();
        let id = path.object().unwrap_or(ObjectId::SECURITY);
        let object = tree
            .object(id)
            .ok_or_else(|| format!("there is no Object {id}"))?;
        let instance = match path.instance() {
            Some(instance) => instance,
            None => object
                .free_instance(InstanceId::ZERO)
                .ok_or("there is no free Object Instance ID")?,
        };
        let path = Path::Instance(id, instance);
        let mut changes = vec![Change::Create { path }];
        for given in given {
            let data_type = self
                .driver
                .machine
                .client
                .tree()
                .data_type(id, given.resource);
            let (path, value) = given.value(id, instance, data_type)?;
            changes.push(Change::Set { path, value });
        }
        let set = |resource| Path::Resource(id, instance, resource);
        let server = changes.iter().find_map(|change| match change {
            Change::Set { path, value } if *path == set(SHORT_SERVER_ID) => number(value),
            _ => None,
        });
        let (now, client) = (self.driver.now(), &mut self.driver.machine.client);
        match server.filter(|_| id == ObjectId::SERVER) {
            Some(server) => client.change_as(now, server, changes)?,
            None => client.change(now, changes)?,
        }
        Ok(path)
    }

    /// Removes an Object Instance.
    fn remove(&mut self, path: Path) -> Result<(), Failure> {
        let (now, client) = (self.driver.now(), &mut self.driver.machine.client);
        let Some((object, _)) = client.tree().locate(path) else {
            return Err(format!("there is no {path}").into());
        };
        let definition = object.definition();
        let (least, _) = definition.instance_limits();
        if client.tree().instances(definition.id).count() <= least {
            let name = &definition.name;
            return Err(format!("{path} stays: {name} is mandatory (TS D.1)").into());
        }
        client.change(now, [Change::Delete { path }])?;
        Ok(())
    }

    /// Answers a request that a server waits for.
    fn answer(
        &mut self,
        number: u64,
        consent: Result<(), Code>,
        print: Print<'_>,
    ) -> Result<(), Failure> {
        let waiting = self.directory.waiting(number);
        let waiting = waiting.ok_or_else(|| format!("there is no request {number}"))?;
        let (now, client) = (self.driver.now(), &mut self.driver.machine.client);
        let sent = match waiting.operation {
            DeferredOperation::Execute => {
                client
                    .deferred()
                    .answer_execute(now, waiting.request, consent)
            }
            DeferredOperation::Read => client.deferred().answer_read(now, waiting.request, consent),
            _ => client
                .deferred()
                .answer_change(now, waiting.request, consent),
        };
        // It still waits after an answer that isn't valid.
        if !matches!(sent, Err(DeferredError::Invalid(_))) {
            self.directory.answered(number);
        }
        let code = sent?;
        let line = Line::new("answered").field("request", number, number);
        print(line.field("code", code.to_string(), format_args!("{code:?}")));
        if waiting.operation == DeferredOperation::Execute && code.is_success() {
            self.execute(waiting.path);
        }
        Ok(())
    }

    fn report_error(&mut self, code: ErrorCode) -> Result<(), Failure> {
        let now = self.driver.now();
        let client = &mut self.driver.machine.client;
        let reported = client.object(now, ObjectId::DEVICE, |device: &mut DeviceObject| {
            device.report(code);
        });
        reported.ok_or_else(|| "there is no Device Object".into())
    }
}

/// Registrations and links.
impl Program<'_> {
    fn accounts(&self) -> Vec<Line> {
        let accounts = self.driver.machine.client.accounts();
        accounts.map(|account| self.account(&account)).collect()
    }

    fn account(&self, account: &AccountStatus) -> Line {
        let line = self.directory.about(Line::item("account"), account.id);
        let line = line.word("state", state(account.state));
        let line = match account.queue_mode {
            Some(QueueState::Awake) => line.word("queue", "awake"),
            Some(QueueState::Asleep) => line.word("queue", "asleep"),
            _ => line,
        };
        let line = match self.directory.location(account.id) {
            Some(location) => line.word("location", location),
            None => line,
        };
        let uri = Path::Resource(
            ObjectId::SECURITY,
            account.id.instance(),
            ResourceId::new(0),
        );
        let line = match self.driver.machine.client.tree().get(uri) {
            Some(Value::String(uri)) => line.word("uri", uri),
            _ => line,
        };
        let cut = self.driver.machine.client.is_offline() || self.directory.is_cut(account.id);
        let line = line.field("offline", cut, if cut { "offline" } else { "" });
        match self
            .driver
            .machine
            .client
            .reporting()
            .stored(account.id)
            .waiting
        {
            0 => line.hidden("stored", 0),
            waiting => line.field("stored", waiting, format_args!("stored={waiting}")),
        }
    }

    fn update(&mut self, server: Option<ShortServerId>) -> Result<(), Failure> {
        let chosen = Directory::chosen(&self.driver.machine.client, server)?;
        let client = &self.driver.machine.client;
        let registered = chosen.into_iter().filter(|id| client.is_registered(*id));
        let registered: Vec<_> = registered.collect();
        if registered.is_empty() {
            return Err(match server {
                Some(server) => format!("the device is not registered with {server}"),
                None => "the device is not registered".into(),
            }
            .into());
        }
        let now = self.driver.now();
        for account in registered {
            self.driver.machine.client.update(now, account);
        }
        Ok(())
    }

    fn deregister(&mut self, print: Print<'_>) -> Result<(), Failure> {
        let states = self
            .driver
            .machine
            .client
            .accounts()
            .map(|account| account.state);
        let states: Vec<_> = states.collect();
        let any = |state| states.contains(&state);
        if !any(RegistrationState::Registered) && !any(RegistrationState::Registering) {
            return Err("the device is not registered".into());
        }
        let now = self.driver.now();
        self.driver.machine.client.deregister(now);
        // If a Register is under way and is accepted, the De-register follows.
        if !any(RegistrationState::Registered) {
            print(Line::new("stops").field("operation", "register", "registering"));
        }
        Ok(())
    }

    /// Loses the link: the registrations live on, and nothing is sent.
    fn offline(&mut self, server: Option<ShortServerId>, print: Print<'_>) -> Result<(), Failure> {
        let now = self.driver.now();
        let Some(server) = server else {
            if self.driver.machine.client.is_offline() {
                return Err("the device is offline already".into());
            }
            self.driver.machine.client.go_offline(now);
            print(Line::new("offline"));
            return Ok(());
        };
        for account in Directory::chosen(&self.driver.machine.client, Some(server))? {
            if !self.directory.cut(account) {
                return Err(format!("the link to {server} is cut already").into());
            }
            print(self.directory.about(Line::new("offline"), account));
            let status = self.driver.machine.client.account(account);
            if let Some(connection) = status.and_then(|status| status.connection) {
                self.driver.close(&connection);
                self.directory.disconnected(connection);
                self.driver.machine.lost(now, connection);
            }
        }
        Ok(())
    }

    /// Gets the link back.
    fn online(&mut self, server: Option<ShortServerId>, print: Print<'_>) -> Result<(), Failure> {
        let mut cut = Directory::chosen(&self.driver.machine.client, server)?;
        cut.retain(|account| self.directory.is_cut(*account));
        let whole = server.is_none() && self.driver.machine.client.is_offline();
        if cut.is_empty() && !whole {
            return Err(match server {
                Some(server) => format!("the link to {server} is not cut").into(),
                None => "the device is online already".into(),
            });
        }
        if whole {
            print(Line::new("online"));
            let now = self.driver.now();
            self.driver.machine.client.go_online(now);
        }
        for account in cut {
            let asked = self.directory.mend(account);
            print(self.directory.about(Line::new("online"), account));
            if let Some(asked) = asked {
                self.connect(account, &asked, print);
            } else {
                // The machine needn't wait for its next attempt.
                let now = self.driver.now();
                self.driver.machine.client.update(now, account);
            }
        }
        Ok(())
    }

    fn observations(&self) -> Vec<Line> {
        let observations = self.driver.machine.client.reporting().observations();
        let lines = observations.map(|observation| {
            let line = Line::item("observation");
            let line = self.directory.about(line, observation.account);
            line.path(observation.path)
                .hidden("token", observation.token.to_string())
        });
        lines.collect()
    }

    fn attributes(&self) -> Vec<Line> {
        let client = &self.driver.machine.client;
        let lines = client.accounts().flat_map(|account| {
            let server = match account.role {
                AccountRole::Server(server) => Some(server),
                _ => None,
            };
            let written = server.map(|server| client.reporting().attributes(server));
            written
                .into_iter()
                .flatten()
                .map(move |(path, attributes)| {
                    let line = self.directory.about(Line::item("attributes"), account.id);
                    show::with_attributes(line.path(path), &attributes)
                })
        });
        lines.collect()
    }
}

/// A state in one word.
const fn state(state: RegistrationState) -> &'static str {
    match state {
        RegistrationState::Resting => "resting",
        RegistrationState::Stopped => "stopped",
        RegistrationState::Registering => "registering",
        RegistrationState::Registered => "registered",
        RegistrationState::Deregistering => "deregistering",
        RegistrationState::Disabled => "disabled",
        _ => "other",
    }
}

fn number(value: &Value) -> Option<ShortServerId> {
    match value {
        Value::Integer(number) => ShortServerId::new(u16::try_from(*number).ok()?),
        _ => None,
    }
}
