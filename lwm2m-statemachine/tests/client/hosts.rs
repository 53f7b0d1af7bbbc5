//! A Client of any number of servers, and the test as all of them.

use alloc::collections::BTreeMap;
use core::time::Duration;

use lwm2m_core::{Code, InstanceId, Instant, ObjectId, Path};
use lwm2m_kit::{instance, sent};
use lwm2m_objects::{
    Change, ObjectTree, Store,
    typed::{Device, Security, Server, Typed},
};
use lwm2m_statemachine::{
    AccountId, Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Session,
    coap::{MessageBuf, MessageType, Token},
};

use crate::support::{Sent, server_id};

/// A Client, and what is connected to it.
pub(crate) struct Hosts {
    pub(crate) client: Client,
    pub(crate) now: Instant,
    /// The connections that are asked for or up.
    pub(crate) links: BTreeMap<AccountId, ConnectionId>,
    kept: Vec<ClientEvent>,
    next_message_id: u16,
}

/// A tree with these accounts: the Security Object Instances 0, 1 and so on, and the Server Object
/// Instances 10, 11 and so on.
pub(crate) fn tree(accounts: impl IntoIterator<Item = (Security, Server)>) -> ObjectTree {
    let (securities, servers): (Vec<_>, Vec<_>) = accounts.into_iter().unzip();
    let mut tree = ObjectTree::new();
    tree.add(Store::of(instances(0).zip(securities)));
    tree.add(Store::of(instances(10).zip(servers)).managed(8));
    tree.add(Store::of([(InstanceId::ZERO, Device::example())]));
    tree
}

fn instances(first: u16) -> impl Iterator<Item = InstanceId> {
    (first..).map(instance)
}

/// An account without security, of a server at this host.
pub(crate) fn open(host: &str, id: u16, lifetime: u32) -> (Security, Server) {
    let id = server_id(id);
    let security = Security::no_sec(format!("coap://{host}"), id);
    (security, Server::new(id, lifetime))
}

/// An account with a pre-shared key.
pub(crate) fn secured(host: &str, id: u16, lifetime: u32) -> (Security, Server) {
    let id = server_id(id);
    let security = Security::pre_shared_key(format!("coaps://{host}"), id, "me", [7; 16]);
    (security, Server::new(id, lifetime))
}

/// What creates this Object Instance.
pub(crate) fn create<T: Typed>(at: u16, value: T) -> Vec<Change> {
    let at = instance(at);
    let object = T::DEFINITION.id;
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(at, value)]));
    let values = T::DEFINITION.resources.iter().filter_map(|resource| {
        let path = Path::Resource(object, at, resource.id);
        let value = tree.get(path)?;
        Some(Change::Set { path, value })
    });
    let created = Change::Create {
        path: Path::Instance(object, at),
    };
    core::iter::once(created).chain(values).collect()
}

/// What deletes this Object Instance.
pub(crate) fn delete(object: ObjectId, at: u16) -> Change {
    Change::Delete {
        path: Path::Instance(object, instance(at)),
    }
}

impl Hosts {
    /// A Client that isn't started.
    pub(crate) fn new(tree: ObjectTree) -> Self {
        Self::with(ClientConfig::new("example-client", [3; 32]), tree)
    }

    pub(crate) fn with(config: ClientConfig, tree: ObjectTree) -> Self {
        Self {
            client: Client::new(config, tree).unwrap(),
            now: Instant::from_secs(1000),
            links: BTreeMap::new(),
            kept: Vec::new(),
            next_message_id: 0x6000,
        }
    }

    /// A Client that is registered with all its servers.
    pub(crate) fn registered(accounts: impl IntoIterator<Item = (Security, Server)>) -> Self {
        let mut hosts = Self::new(tree(accounts));
        hosts.client.start(hosts.now);
        hosts.connect_all(Session::New);
        hosts.accept_all();
        hosts
    }

    /// The events, without those of connections, which only change the links.
    pub(crate) fn events(&mut self) -> Vec<ClientEvent> {
        let mut told = core::mem::take(&mut self.kept);
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Connect {
                    connection,
                    account,
                    ..
                } => {
                    let before = self.links.insert(account, connection);
                    assert_eq!(before, None, "a second connection of {account}");
                }
                ClientEvent::Disconnect { connection } => {
                    let before = self.links.len();
                    self.links.retain(|_, link| *link != connection);
                    assert_eq!(self.links.len() + 1, before, "not a link: {connection}");
                }
                event => told.push(event),
            }
        }
        told
    }

    /// The accounts that a connection is asked for or up.
    pub(crate) fn linked(&mut self) -> Vec<AccountId> {
        let events = self.events();
        self.kept.extend(events);
        self.links.keys().copied().collect()
    }

    pub(crate) fn link(&mut self, account: AccountId) -> ConnectionId {
        assert!(self.linked().contains(&account), "no link of {account}");
        self.links[&account]
    }

    /// The connection that is asked for is up.
    pub(crate) fn connect(&mut self, account: AccountId, session: Session) {
        let link = self.link(account);
        self.client.connected(self.now, link, session);
    }

    pub(crate) fn connect_all(&mut self, session: Session) {
        for account in self.linked() {
            self.connect(account, session);
        }
    }

    /// The connection of an account is lost.
    pub(crate) fn lose(&mut self, account: AccountId) {
        let link = self.link(account);
        self.links.remove(&account);
        self.client.disconnected(self.now, link);
    }

    /// The messages to send now, each with its account.
    pub(crate) fn sent(&mut self) -> Vec<(AccountId, Sent)> {
        self.linked();
        let all = sent(&mut self.client).into_iter();
        all.map(|sent| {
            let mut links = self.links.iter();
            let of = links.find(|(_, link)| **link == sent.to);
            (*of.expect("a link that is in use").0, sent)
        })
        .collect()
    }

    /// The only message to send now.
    pub(crate) fn only(&mut self) -> (AccountId, Sent) {
        let mut all = self.sent();
        assert_eq!(all.len(), 1, "exactly one message: {all:?}");
        all.remove(0)
    }

    /// The only message to send now, which is a Register of this account.
    pub(crate) fn register(&mut self, account: AccountId) -> Sent {
        let (of, sent) = self.only();
        assert_eq!(
            (of, sent.code(), &*sent.path()),
            (account, Code::POST, "/rd")
        );
        sent
    }

    /// The only message to send now, which is an Update of this account.
    pub(crate) fn update(&mut self, account: AccountId) -> Sent {
        let (of, sent) = self.only();
        let path = location(account);
        assert_eq!((of, sent.code(), sent.path()), (account, Code::POST, path));
        sent
    }

    /// The only message to send now, which is a De-register of this account.
    pub(crate) fn deregister(&mut self, account: AccountId) -> Sent {
        let (of, sent) = self.only();
        let path = location(account);
        assert_eq!(
            (of, sent.code(), sent.path()),
            (account, Code::DELETE, path)
        );
        sent
    }

    /// Whether nothing is to send now.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.sent().is_empty()
    }

    /// A piggybacked answer.
    pub(crate) fn answer(&mut self, to: &Sent, answer: MessageBuf) {
        let (id, token) = (to.message().message_id(), to.message().token());
        let wire = answer.finish(MessageType::Acknowledgement, id, token);
        self.datagram(to.to, wire.as_ref());
    }

    /// A piggybacked answer without anything but this code.
    pub(crate) fn answer_code(&mut self, to: &Sent, code: Code) {
        self.answer(to, MessageBuf::response(code));
    }

    /// Accepts a Register.
    pub(crate) fn accept(&mut self, account: AccountId, register: &Sent) {
        assert_eq!(register.path(), "/rd");
        let mut answer = MessageBuf::response(Code::CREATED);
        answer.location_path("rd").unwrap();
        answer.location_path(&number(account)).unwrap();
        self.answer(register, answer);
    }

    /// Accepts every Register that is to send now.
    pub(crate) fn accept_all(&mut self) {
        for (account, register) in self.sent() {
            self.accept(account, &register);
            assert_eq!(
                self.events(),
                [ClientEvent::Registered {
                    account,
                    location: location(account)
                }]
            );
        }
    }

    pub(crate) fn datagram(&mut self, from: ConnectionId, bytes: &[u8]) {
        let datagram = Datagram::new(from, bytes);
        let _ = self.client.handle_datagram(self.now, datagram);
    }

    /// Gives the Client a confirmable request; returns its message id.
    pub(crate) fn request(&mut self, from: ConnectionId, request: MessageBuf) -> u16 {
        self.next_message_id += 1;
        let token = Token::new(b"r").unwrap();
        let wire = request.finish(MessageType::Confirmable, self.next_message_id, token);
        self.datagram(from, wire.as_ref());
        self.next_message_id
    }

    /// Time passes, and the Client is called at its deadlines.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            let next = self.client.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a past deadline");
        }
        self.now = end;
    }

    /// Time passes, and the Client is called only afterwards.
    pub(crate) fn sleep(&mut self, duration: Duration) {
        self.now += duration;
        self.client.handle_timeout(self.now);
    }
}

fn number(account: AccountId) -> String {
    account.instance().get().to_string()
}

/// Where the registration of an account is.
pub(crate) fn location(account: AccountId) -> String {
    format!("/rd/{}", number(account))
}
