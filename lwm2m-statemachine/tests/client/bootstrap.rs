//! Bootstrap (TS 5.2): the test is the Bootstrap-Server and the servers, message by message.

mod coming_back;
mod commands;
mod finish;
mod flows;
mod meanwhile;
mod moves;
mod requests;
mod rollback;
mod sequence;

use core::ops::{Deref, DerefMut};

use lwm2m_core::{
    Code, ContentFormat, InstanceId, Method, Path,
    codec::{Content, Scope},
};
use lwm2m_kit::{account, instance, path};
use lwm2m_objects::{
    Change, ObjectTree, SERVER, Snapshot, Store, Typed,
    typed::{Device, Security, Server},
};
use lwm2m_statemachine::{
    AccountId, ClientConfig, ClientEvent, ConnectionId, Session,
    coap::{MessageBuf, MessageType, Token},
    payload,
};

use crate::{
    hosts::{Hosts, create, secured},
    support::{Sent, on, server_id},
};

/// The account of the Bootstrap-Server.
pub(crate) fn of_bootstrap() -> AccountId {
    account(0)
}

/// How the Bootstrap-Server is reached.
pub(crate) fn bootstrap_server() -> Security {
    Security::no_sec("coap://bootstrap", server_id(7)).into_bootstrap_server()
}

/// A tree with the account of the Bootstrap-Server and these others: the Security Object Instances 1, 2 and so on, and
/// the Server Object Instances 10, 11 and so on.
pub(crate) fn tree(accounts: impl IntoIterator<Item = (Security, Server)>) -> ObjectTree {
    with(bootstrap_server(), accounts)
}

/// The same, with this account of the Bootstrap-Server.
pub(crate) fn with(
    bootstrap_server: Security,
    accounts: impl IntoIterator<Item = (Security, Server)>,
) -> ObjectTree {
    let (securities, servers): (Vec<_>, Vec<_>) = accounts.into_iter().unzip();
    let mut all = vec![bootstrap_server];
    all.extend(securities);
    let mut tree = ObjectTree::new();
    tree.add(Store::of((0..).map(instance).zip(all)));
    tree.add(if servers.is_empty() {
        Store::new(&SERVER)
    } else {
        Store::of((10..).map(instance).zip(servers))
    });
    tree.add(Store::of([(InstanceId::ZERO, Device::example())]));
    tree
}

/// A Client, and the test as its Bootstrap-Server.
pub(crate) struct Station {
    hosts: Hosts,
    next_message_id: u16,
    /// What was sent beside the answers to commands.
    pub(crate) others: Vec<(AccountId, Sent)>,
}

impl Deref for Station {
    type Target = Hosts;

    fn deref(&self) -> &Hosts {
        &self.hosts
    }
}

impl DerefMut for Station {
    fn deref_mut(&mut self) -> &mut Hosts {
        &mut self.hosts
    }
}

impl Station {
    /// A Client that isn't started.
    pub(crate) fn new(tree: ObjectTree) -> Self {
        Self::with(ClientConfig::new("example-client", [5; 32]), tree)
    }

    pub(crate) fn with(config: ClientConfig, tree: ObjectTree) -> Self {
        Self {
            hosts: Hosts::with(config, tree),
            next_message_id: 0x5000,
            others: Vec::new(),
        }
    }

    /// A Client that has started.
    pub(crate) fn started(tree: ObjectTree) -> Self {
        let mut station = Self::new(tree);
        station.start();
        station
    }

    /// A Client that is registered with all its servers.
    pub(crate) fn registered(accounts: impl IntoIterator<Item = (Security, Server)>) -> Self {
        let mut station = Self::started(tree(accounts));
        station.connect_all(Session::New);
        station.accept_all();
        station
    }

    /// The same, and the Bootstrap-Server has a key.
    pub(crate) fn secured(accounts: impl IntoIterator<Item = (Security, Server)>) -> Self {
        let (security, _) = secured("bootstrap", 7, 86_400);
        let mut station = Self::started(with(security.into_bootstrap_server(), accounts));
        station.connect_all(Session::New);
        station.accept_all();
        station
    }

    /// A Client without accounts of servers, whose Bootstrap-Request was accepted.
    pub(crate) fn begun() -> Self {
        let mut station = Self::started(tree([]));
        station.connect(of_bootstrap(), Session::New);
        let request = station.bootstrap_request();
        station.answer_code(&request, Code::CHANGED);
        assert!(matches!(
            station.events()[..],
            [ClientEvent::BootstrapStarted { .. }]
        ));
        station
    }

    pub(crate) fn start(&mut self) {
        let now = self.now;
        self.client.start(now);
    }

    /// The application asks for a bootstrap, and the Bootstrap-Server accepts it.
    pub(crate) fn begin(&mut self) {
        let now = self.now;
        self.client.bootstrapping().begin(now).unwrap();
        self.connect(of_bootstrap(), Session::New);
        let request = self.bootstrap_request();
        self.answer_code(&request, Code::CHANGED);
        assert!(matches!(
            self.events()[..],
            [ClientEvent::BootstrapStarted { .. }]
        ));
    }

    /// The only message to send now, which is a Bootstrap-Request.
    pub(crate) fn bootstrap_request(&mut self) -> Sent {
        let (of, sent) = self.only();
        assert_eq!((of, sent.code()), (of_bootstrap(), Code::POST));
        assert_eq!(sent.path(), "/bs");
        assert_eq!(sent.queries(), ["ep=example-client"]);
        assert_eq!(sent.kind(), MessageType::Confirmable);
        sent
    }

    /// The connection of the Bootstrap-Server.
    pub(crate) fn bootstrap_link(&mut self) -> ConnectionId {
        self.link(of_bootstrap())
    }

    /// Sends a command, and returns its answer. What else is sent comes after it.
    pub(crate) fn command(&mut self, command: MessageBuf) -> Sent {
        let link = self.bootstrap_link();
        self.command_on(link, command)
    }

    pub(crate) fn command_on(&mut self, link: ConnectionId, command: MessageBuf) -> Sent {
        self.next_message_id += 1;
        let (id, token) = (self.next_message_id, Token::new(b"bs").unwrap());
        let wire = command.finish(MessageType::Confirmable, id, token);
        self.datagram(link, wire.as_ref());
        let mut sent = self.sent();
        let (of, answer) = sent.remove(0);
        assert_eq!(of, of_bootstrap());
        assert_eq!(answer.message().message_id(), id);
        self.others.extend(sent);
        answer
    }

    /// The code of the answer to a command.
    pub(crate) fn code(&mut self, command: MessageBuf) -> Code {
        self.command(command).code()
    }

    /// Writes an Object Instance in TLV, as deployed servers do.
    pub(crate) fn write<T: Typed>(&mut self, at: u16, value: T) {
        let code = self.code(write(at, value));
        assert_eq!(code, Code::CHANGED);
    }

    /// Gives the Client an account of this server as `/0/1` and `/1/10`.
    pub(crate) fn write_account(&mut self, (security, server): (Security, Server)) {
        self.write(1, security);
        self.write(10, server);
    }

    pub(crate) fn delete(&mut self, path: &str) {
        let code = self.code(delete(path));
        assert_eq!(code, Code::DELETED, "{path}");
    }

    /// A Finish that is accepted.
    pub(crate) fn finish(&mut self) {
        assert_eq!(self.code(finish()), Code::CHANGED);
    }

    /// The paths that a bootstrap has changed, by the only event there is. What else happened is returned, too.
    pub(crate) fn finished(&mut self) -> Vec<Path> {
        let mut events = self.events();
        let at = events
            .iter()
            .position(|event| matches!(event, ClientEvent::BootstrapFinished { .. }));
        let Some(ClientEvent::BootstrapFinished { account, changed }) =
            at.map(|at| events.remove(at))
        else {
            panic!("not finished: {events:?}");
        };
        assert_eq!(account, of_bootstrap());
        assert_eq!(events, []);
        changed
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.client.tree().snapshot()
    }
}

/// A PUT with this payload.
pub(crate) fn put(path: &str, format: ContentFormat, body: &[u8]) -> MessageBuf {
    let mut message = on(Method::Put, path);
    message.content_format(format).unwrap();
    message.payload(body);
    message
}

/// A Write of an Object Instance.
pub(crate) fn write<T: Typed>(at: u16, value: T) -> MessageBuf {
    let target = Path::Instance(T::DEFINITION.id, instance(at));
    put(
        &target.to_string(),
        ContentFormat::TLV,
        &encoded(ContentFormat::TLV, target, at, value),
    )
}

/// The payload of a Write of an Object Instance.
pub(crate) fn encoded<T: Typed>(format: ContentFormat, target: Path, at: u16, value: T) -> Vec<u8> {
    let values = create(at, value)
        .into_iter()
        .filter_map(|change| match change {
            Change::Set { path, value } => Some((path, value)),
            _ => None,
        });
    let content: Content = values.collect();
    let mut body = Vec::new();
    payload::encode(format, &content, Scope::write(target), &mut body).unwrap();
    body
}

pub(crate) fn delete(path: &str) -> MessageBuf {
    on(Method::Delete, path)
}

pub(crate) fn discover(path: &str) -> MessageBuf {
    let mut message = on(Method::Get, path);
    message.accept(ContentFormat::LINK_FORMAT).unwrap();
    message
}

pub(crate) fn finish() -> MessageBuf {
    on(Method::Post, "/bs")
}

/// Whether the tree has this Object Instance.
pub(crate) fn has(station: &Station, at: &str) -> bool {
    station.client.tree().target(path(at)).exists()
}
