//! The Client under a script. What it sends is written down with its time.

use alloc::collections::BTreeMap;
use core::time::Duration;

use lwm2m_core::{
    AccessRights, Code, ContentFormat, DataType, InstanceId, Instant, Method, ObjectId, Path,
    ResourceId, ResourceInstanceId,
    codec::{Content as Payload, Scope},
};
use lwm2m_objects::{
    ObjectDefinition, ObjectTree, Operations, ResourceDefinition, Store,
    typed::{AccessControl, AclTarget, Device as DeviceObject, Security, Server},
};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Reliability,
    client::{AccountId, Session},
    coap::{MessageBuf, MessageRef, MessageType, Token},
    downlink::payload,
};

use super::{
    rules::{Kind, Message},
    script::{Act, Array, Event, INSTANCES, OBJECTS, Place, SERVERS, Script, resource},
    world::{Content, first_rights, first_values},
};
use crate::support::{created, on, path, server_id};

static RESOURCES: [ResourceDefinition; 7] = [
    ResourceDefinition::new(0, "Integer", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(1, "Float", Operations::ReadWrite, DataType::Float),
    ResourceDefinition::new(2, "Boolean", Operations::ReadWrite, DataType::Boolean),
    ResourceDefinition::new(3, "String", Operations::ReadWrite, DataType::String),
    ResourceDefinition::new(4, "Integers", Operations::ReadWrite, DataType::Integer).multiple(),
    ResourceDefinition::new(5, "Floats", Operations::ReadWrite, DataType::Float).multiple(),
    ResourceDefinition::new(6, "Secret", Operations::Write, DataType::Integer),
];
static TWO: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(OBJECTS[0]),
    "Two",
    "urn:oma:lwm2m:x:26300",
    &RESOURCES,
)
.multiple();
static ONE: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(OBJECTS[1]),
    "One",
    "urn:oma:lwm2m:x:26301",
    &RESOURCES,
);

/// A message of the Client that the test may have to answer.
type Header = (u16, Token);

pub(super) struct Device {
    client: Client,
    /// Milliseconds since the beginning.
    at: u64,
    events: usize,
    connections: [ConnectionId; SERVERS],
    /// The connections that the Client has asked for.
    asked: [Option<ConnectionId>; SERVERS],
    /// The Updates that wait for an answer.
    updates: [Option<Header>; SERVERS],
    /// The places of the observations.
    places: BTreeMap<(usize, Token), Place>,
    /// The last notification with each token: its message id, when it came, whether it was
    /// non-confirmable.
    last: BTreeMap<(usize, Token), (u16, u64, bool)>,
    /// The last Observe numbers.
    numbers: BTreeMap<(usize, Token), u32>,
    /// The request that is being answered.
    request: Option<(usize, u16, Place)>,
    next_message_id: u16,
    messages: Vec<Message>,
}

/// What the Client sends in a case.
pub(super) fn run(script: &Script, events: &[Event], end: u64) -> Vec<Message> {
    let mut device = Device::registered(script);
    for event in events {
        device.pass(event.at);
        device.events += 1;
        device.act(&event.act);
        device.pass(event.at);
    }
    device.pass(end);
    device.messages
}

fn instance(id: u16) -> InstanceId {
    InstanceId::new(id).unwrap()
}

fn short_id(server: usize) -> u16 {
    101 + u16::try_from(server).unwrap()
}

fn access(id: (u16, u16), rights: AccessRights) -> AccessControl {
    AccessControl {
        target: AclTarget::Instance(ObjectId::new(id.0), instance(id.1)),
        acl: (0..SERVERS)
            .map(|server| (short_id(server), rights))
            .collect(),
        owner: AccessControl::NOBODY,
    }
}

fn values_of(definition: &'static ObjectDefinition) -> Store {
    let mut store = Store::new(definition);
    for (_, id) in INSTANCES
        .iter()
        .filter(|(object, _)| definition.id == ObjectId::new(*object))
    {
        for resource in resource::READABLE {
            let values = first_values(resource);
            store = if is_multiple(resource) {
                store.with_instances(instance(*id), resource, values)
            } else {
                store.with(instance(*id), resource, values[&0].clone())
            };
        }
        store = store.with(instance(*id), resource::SECRET, 0);
    }
    store.checked().unwrap()
}

const fn is_multiple(resource: u16) -> bool {
    matches!(resource, resource::INTEGERS | resource::FLOATS)
}

fn tree(script: &Script) -> ObjectTree {
    let ids = || (0..).filter_map(InstanceId::new);
    let servers = (0..SERVERS).map(|server| {
        let (minimum, maximum) = script.periods[server];
        Server {
            default_minimum_period: minimum,
            default_maximum_period: maximum,
            notification_storing: script.storing[server],
            ..Server::new(server_id(short_id(server)), 86_400)
        }
    });
    let security = (0..SERVERS)
        .map(|server| Security::no_sec(format!("coap://{server}"), server_id(short_id(server))));
    let own =
        (0..SERVERS).map(|server| access((1, u16::try_from(server).unwrap()), first_rights()));
    let controls = INSTANCES.map(|id| access(id, first_rights()));
    let mut tree = ObjectTree::new();
    tree.add(Store::of(ids().zip(security)));
    tree.add(Store::of(ids().zip(servers)).supporting([2, 3]));
    tree.add(Store::of(ids().zip(controls.into_iter().chain(own))));
    tree.add(Store::of([(InstanceId::ZERO, DeviceObject::default())]));
    tree.add(values_of(&TWO));
    tree.add(values_of(&ONE));
    tree
}

fn config(script: &Script) -> ClientConfig {
    let mut config = ClientConfig::new("model", [3; 32]);
    if script.confirmable {
        config.notifications = Reliability::Confirmable;
    }
    // A lost connection is asked for again at once.
    config.retry.first = Duration::from_millis(1);
    config.retry.most = Duration::from_millis(10);
    // Nothing that is stored is dropped.
    config.storing.most = usize::MAX;
    config.storing.most_bytes = usize::MAX;
    config
}

impl Device {
    fn registered(script: &Script) -> Self {
        let mut client = Client::new(config(script), tree(script)).unwrap();
        client.start(instant(0));
        let connections = [(); SERVERS].map(|()| match client.poll_event() {
            Some(ClientEvent::Connect { connection, .. }) => connection,
            event => panic!("{event:?}"),
        });
        let mut device = Self {
            client,
            at: 0,
            events: 0,
            connections,
            asked: [None; SERVERS],
            updates: [None; SERVERS],
            places: BTreeMap::new(),
            last: BTreeMap::new(),
            numbers: BTreeMap::new(),
            request: None,
            next_message_id: 0x7000,
            messages: Vec::new(),
        };
        for (server, connection) in connections.into_iter().enumerate() {
            device
                .client
                .connected(instant(0), connection, Session::New);
            device.collect();
            let (id, token) = device.updates[server].take().unwrap();
            let created = created().finish(MessageType::Acknowledgement, id, token);
            device.datagram(server, created.as_ref());
        }
        device.collect();
        device
    }

    fn now(&self) -> Instant {
        instant(self.at)
    }

    fn datagram(&mut self, server: usize, bytes: &[u8]) {
        let datagram = Datagram::new(self.connections[server], bytes);
        let _ = self.client.handle_datagram(instant(self.at), datagram);
    }

    /// Time passes, and the Client is called at its deadlines.
    fn pass(&mut self, until: u64) {
        self.collect();
        while let Some(due) = self
            .client
            .poll_timeout()
            .filter(|due| *due <= instant(until))
        {
            let due = due.saturating_duration_since(instant(0));
            self.at = self.at.max(millis(due));
            self.client.handle_timeout(self.now());
            self.collect();
        }
        self.at = until;
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Lose { server } => {
                self.updates[server] = None;
                self.client
                    .disconnected(self.now(), self.connections[server]);
            }
            Act::Find { server, .. } => {
                let connection = self.asked[server]
                    .take()
                    .expect("a connection is asked for");
                self.connections[server] = connection;
                self.client
                    .connected(self.now(), connection, Session::Resumed);
            }
            Act::GoOffline => {
                self.updates = [None; SERVERS];
                self.client.go_offline(self.now());
            }
            Act::GoOnline { .. } => self.client.go_online(self.now()),
            Act::Return { server } => {
                let (id, token) = self.updates[server].take().expect("an Update");
                let changed = MessageBuf::response(Code::CHANGED);
                let changed = changed.finish(MessageType::Acknowledgement, id, token);
                self.datagram(server, changed.as_ref());
            }
            Act::Reset { server, token } => self.reset(server, token),
            Act::Set {
                resource,
                id,
                ref value,
            } => self.set(at(resource, id), value.clone()),
            Act::SetPeriod {
                server,
                resource,
                seconds,
            } => self.set(own(server, resource), i64::from(seconds)),
            Act::SetStoring { server, storing } => self.set(own(server, 6), storing),
            Act::SetRights {
                server,
                instance,
                rights,
            } => {
                let at = INSTANCES
                    .iter()
                    .position(|id| Place::instance(*id) == instance);
                let rule = path(&format!("/2/{}/2/{}", at.unwrap(), short_id(server)));
                self.set(rule, i64::from(rights.bits()));
            }
            _ => self.ask(act),
        }
    }

    fn set(&mut self, path: Path, value: impl Into<lwm2m_core::Value>) {
        self.client.set(instant(self.at), path, value).unwrap();
    }

    fn reset(&mut self, server: usize, token: u8) {
        let last = self.last.get(&(server, token_of(token)));
        if let Some((id, at, true)) = last.copied()
            && self.at <= at + 10_000
        {
            let [high, low] = id.to_be_bytes();
            self.datagram(server, &[0x70, 0, high, low]);
        }
    }

    /// A request of a server.
    fn ask(&mut self, act: &Act) {
        self.next_message_id += 1;
        let mut token = token_of(0xFF);
        let (server, place, message) = match *act {
            Act::Observe {
                server,
                token: with,
                place,
            } => {
                token = token_of(with);
                self.places.insert((server, token), place);
                (server, place, observe(0, place))
            }
            Act::Cancel {
                server,
                token: with,
                place,
            } => {
                token = token_of(with);
                (server, place, observe(1, place))
            }
            Act::WriteAttributes {
                server,
                place,
                ref queries,
            } => {
                let mut message = on(Method::Put, &place.path().to_string());
                for (name, value) in queries {
                    let query = match value {
                        Some(value) => format!("{name}={value}"),
                        None => (*name).to_owned(),
                    };
                    message.uri_query(&query).unwrap();
                }
                (server, place, message)
            }
            Act::Write {
                server,
                resource,
                replace,
                ref values,
            } => {
                let method = if replace { Method::Put } else { Method::Post };
                let values = BTreeMap::from([(resource, values.clone())]);
                (server, resource, write(method, resource, &values))
            }
            Act::WriteInstance {
                server,
                instance,
                ref values,
            } => {
                let values = values.iter().map(|(id, values)| {
                    let id = Some(*id);
                    (
                        Place {
                            resource: id,
                            ..instance
                        },
                        values.clone(),
                    )
                });
                let message = write(Method::Post, instance, &values.collect());
                (server, instance, message)
            }
            Act::WritePeriod {
                server,
                resource,
                seconds,
            } => {
                let path = own(server, resource).to_string();
                let mut message = on(Method::Put, &path);
                message.content_format(ContentFormat::TEXT).unwrap();
                message.payload(seconds.to_string().as_bytes());
                (server, Place::object(1), message)
            }
            _ => unreachable!("no request"),
        };
        let id = self.next_message_id;
        self.request = Some((server, id, place));
        let message = message.finish(MessageType::Confirmable, id, token);
        self.datagram(server, message.as_ref());
        self.collect();
        assert_eq!(self.request, None, "no answer");
    }

    /// Writes down what the Client sends, and acknowledges what it wants to have acknowledged.
    fn collect(&mut self) {
        loop {
            while let Some(event) = self.client.poll_event() {
                if let ClientEvent::Connect {
                    connection,
                    account,
                    ..
                } = event
                {
                    let server = (0..SERVERS).find(|server| account_of(*server) == account);
                    self.asked[server.unwrap()] = Some(connection);
                }
            }
            let Some(transmit) = self.client.poll_transmit() else {
                return;
            };
            let to = transmit.to;
            let bytes = transmit.payload.to_vec();
            let server = self
                .connections
                .iter()
                .position(|connection| *connection == to);
            self.receive(server.expect("a connection that is up"), &bytes);
        }
    }

    fn receive(&mut self, server: usize, bytes: &[u8]) {
        let message = MessageRef::parse(bytes).unwrap();
        let (id, token) = (message.message_id(), message.token());
        if message.code().method().is_some() {
            self.updates[server] = Some((id, token));
            return;
        }
        if message.kind() == MessageType::Acknowledgement {
            let (asker, request, place) = self.request.take().expect("a request");
            assert_eq!((server, id), (asker, request));
            let kind = Kind::Answer {
                code: message.code(),
                content: content(place, &message),
            };
            self.observed(server, &message);
            return self.note(server, kind);
        }
        assert_eq!(message.code(), Code::CONTENT);
        let confirmable = message.kind() == MessageType::Confirmable;
        self.last
            .insert((server, token), (id, self.at, !confirmable));
        self.observed(server, &message);
        let place = self.places[&(server, token)];
        self.note(
            server,
            Kind::Notification {
                token: token.as_bytes()[0],
                content: content(place, &message),
                due: self.at,
            },
        );
        if confirmable {
            let [high, low] = id.to_be_bytes();
            self.datagram(server, &[0x60, 0, high, low]);
        }
    }

    /// The numbers of an observation grow.
    fn observed(&mut self, server: usize, message: &MessageRef<'_>) {
        if let Some(number) = message.observe() {
            let last = self.numbers.insert((server, message.token()), number);
            assert!(last.is_none_or(|last| last < number), "Observe numbers");
        }
    }

    fn note(&mut self, server: usize, kind: Kind) {
        self.messages.push(Message {
            at: self.at,
            events: self.events,
            server,
            kind,
        });
    }
}

fn instant(at: u64) -> Instant {
    Instant::from_secs(1000) + Duration::from_millis(at)
}

/// Full milliseconds: the Client is never woken between two.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap()
}

fn account_of(server: usize) -> AccountId {
    AccountId::new(instance(u16::try_from(server).unwrap()))
}

fn token_of(token: u8) -> Token {
    Token::new(&[token]).unwrap()
}

/// A Resource of a server's own Server Object Instance.
fn own(server: usize, resource: u16) -> Path {
    path(&format!("/1/{server}/{resource}"))
}

/// The path of a value.
fn at(resource: Place, id: u16) -> Path {
    match (resource.path(), resource.resource) {
        (Path::Resource(object, instance, resource), Some(number)) if is_multiple(number) => {
            Path::ResourceInstance(object, instance, resource, id.into())
        }
        (path, _) => path,
    }
}

fn observe(value: u32, place: Place) -> MessageBuf {
    crate::observe::observe(value, &place.path().to_string())
}

fn write(method: Method, place: Place, values: &Content) -> MessageBuf {
    let entries = values.iter().flat_map(|(resource, values)| {
        let values = values.iter();
        values.map(|(id, value)| (at(*resource, *id), value.clone()))
    });
    let entries: Payload = entries.collect();
    let mut payload = Vec::new();
    let scope = Scope::write(place.path());
    payload::encode(ContentFormat::TLV, &entries, scope, &mut payload).unwrap();
    let mut message = on(method, &place.path().to_string());
    message.content_format(ContentFormat::TLV).unwrap();
    message.payload(&payload);
    message
}

/// The values of a message about a place.
fn content(place: Place, message: &MessageRef<'_>) -> Content {
    let mut content = Content::new();
    if message.payload().is_empty() {
        return content;
    }
    assert_eq!(message.content_format(), Some(ContentFormat::TLV));
    let types = |_: ObjectId, resource: ResourceId| {
        let mut definitions = RESOURCES.iter();
        definitions.find(|known| known.id == resource)?.data_type
    };
    let mut payload = Payload::new();
    let scope = Scope::answer(place.path());
    payload::decode(
        ContentFormat::TLV,
        message.payload(),
        scope,
        &types,
        &mut payload,
    )
    .unwrap();
    for (path, value) in payload.values() {
        let id = (path.object().unwrap(), path.instance().unwrap());
        let resource = path.resource().unwrap().get();
        let place = Place::resource((id.0.get(), id.1.get()), resource);
        let values: &mut Array = content.entry(place).or_default();
        let id = path.resource_instance().map_or(0, ResourceInstanceId::get);
        assert_eq!(values.insert(id, value.clone()), None, "{path} twice");
    }
    content
}
