//! The Client and its driver: a socket, and a way to send short messages.

use std::collections::BTreeMap;

use lwm2m_core::{BindingMode, InstanceId, Instant, Path, ShortServerId, Transport, Value};
use lwm2m_objects::{Change, ObjectTree, Store, typed};
use lwm2m_simulation::{Address, Ledger, Node, Random};
use lwm2m_statemachine::{
    AccountId, Client, ClientConfig, ClientEvent, ConnectionId, Datagram, RegistrationFailure,
    Session, client::Inbound,
};

use super::platform::Tally;

pub(super) const ENDPOINT: &str = "device";
pub(super) const ACCOUNT: AccountId = AccountId::new(InstanceId::ZERO);
const SERVER: ShortServerId = ShortServerId::new(101).unwrap();
/// Each value is written once.
pub(super) const OFFSET: Path = Path::of(&[3, 0, 14]).unwrap();
pub(super) const BINDING: Path = Path::of(&[1, 0, 7]).unwrap();
pub(super) const BATTERY: Path = Path::of(&[3, 0, 9]).unwrap();
const NUMBER: &str = "491700000001";

/// Where the server is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) socket: Address,
    pub(super) number: Address,
}

/// The Client, and what its driver knows.
pub(super) struct Device {
    pub(super) client: Client,
    reach: Reach,
    random: Random,
    /// How often a connection can't be made.
    failing: f64,
    /// Connections that are up.
    up: BTreeMap<ConnectionId, Address>,
    /// Connections that will be up, or fail.
    asked: Vec<(Instant, ConnectionId, Address)>,
    was_registered: bool,
    /// How often the registration has ended, and how often there was a reason for it.
    pub(super) ends: (u64, u64),
    /// What was written.
    written: Ledger<u64, String>,
    pub(super) tally: Tally,
}

impl Device {
    pub(super) fn new(client: Client, reach: Reach, random: Random, failing: f64) -> Self {
        Self {
            client,
            reach,
            random,
            failing,
            up: BTreeMap::new(),
            asked: Vec::new(),
            was_registered: false,
            ends: (0, 0),
            written: Ledger::new(),
            tally: Tally::new(),
        }
    }

    /// From now on every connection can be made.
    pub(super) const fn heal(&mut self) {
        self.failing = 0.0;
    }

    /// Whether the Client has a connection over SMS of its own that is up.
    pub(super) fn is_over_sms(&self) -> bool {
        let status = self.client.account(ACCOUNT).unwrap();
        let at = status.connection.and_then(|up| self.up.get(&up));
        at == Some(&self.reach.number)
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// Looks at what a call has done to the registration.
    fn look(&mut self) {
        let is_registered = self.client.is_registered(ACCOUNT);
        if self.was_registered && !is_registered {
            self.ends.0 += 1;
        }
        self.was_registered = is_registered;
    }

    fn handle(&mut self, now: Instant, event: ClientEvent) {
        match event {
            ClientEvent::Connect {
                connection,
                transport,
                ..
            } => {
                let (at, what) = match transport {
                    Transport::Sms => (self.reach.number, "connection over SMS"),
                    _ => (self.reach.socket, "connection over UDP"),
                };
                self.count(what);
                let after = self.random.duration(core::time::Duration::from_secs(30));
                self.asked.push((now + after, connection, at));
            }
            ClientEvent::Disconnect { connection } => {
                self.up.remove(&connection);
                self.asked.retain(|asked| asked.1 != connection);
            }
            ClientEvent::Registered { .. } => self.count("registered"),
            ClientEvent::Updated { .. } => self.count("updated"),
            ClientEvent::RegistrationFailed { reason, .. } => {
                match reason {
                    RegistrationFailure::Refused(_) => self.ends.1 += 1,
                    RegistrationFailure::Expired => panic!("the lifetime is over"),
                    _ => {}
                }
                self.count("not answered");
            }
            ClientEvent::Written { changes, .. } => {
                for change in changes {
                    match change {
                        Change::Set {
                            path: OFFSET,
                            value: Value::String(text),
                        } => self.written.delivered(text),
                        Change::Set { path: BINDING, .. } => self.count("binding written"),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

impl Node for Device {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        let mut up = self.up.iter();
        let known = up.find(|(_, at)| **at == datagram.from);
        let connection = match known {
            Some((connection, _)) => *connection,
            None if datagram.from == self.reach.number => {
                let from = Inbound::Sms { number: NUMBER };
                let Ok(connection) = self.client.inbound(now, from) else {
                    return;
                };
                self.up.insert(connection, datagram.from);
                self.count("short message that the client didn't wait for");
                connection
            }
            None => return,
        };
        let _ = self
            .client
            .handle_datagram(now, Datagram::new(connection, datagram.payload));
        self.look();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
        self.look();
        let is_due = |asked: &(Instant, ConnectionId, Address)| asked.0 <= now;
        let due: Vec<_> = self.asked.iter().copied().filter(is_due).collect();
        self.asked.retain(|asked| !is_due(asked));
        for (_, connection, at) in due {
            if self.random.chance(self.failing) {
                self.client.disconnected(now, connection);
                self.count("connection not made");
            } else {
                self.up.insert(connection, at);
                self.ends.1 += u64::from(self.was_registered);
                self.client.connected(now, connection, Session::New);
            }
            self.look();
        }
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        while let Some(transmit) = self.client.poll_transmit() {
            if let Some(to) = self.up.get(&transmit.to) {
                let most = if *to == self.reach.number { 140 } else { 1280 };
                assert!(transmit.payload.len() <= most, "too long for a message");
                datagram.extend_from_slice(transmit.payload);
                return Some(*to);
            }
        }
        None
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        let event = self.client.poll_event();
        event.is_some_and(|event| {
            self.handle(now, event);
            true
        })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let asked = self.asked.iter().map(|asked| asked.0);
        self.client.poll_timeout().into_iter().chain(asked).min()
    }
}

/// A Client with one account, without security on either channel.
pub(super) fn client(seed: [u8; 32], binding: BindingMode, lifetime: u32) -> Client {
    let security = typed::Security::no_sec("coap://server", SERVER).with_sms(typed::SmsSecurity {
        mode: Some(typed::SmsSecurityMode::NoSec),
        server_number: Some(NUMBER.into()),
        ..typed::SmsSecurity::default()
    });
    let account = typed::Server {
        binding,
        default_minimum_period: Some(0),
        ..typed::Server::new(SERVER, lifetime)
    };
    let device = typed::Device {
        supported_binding: BindingMode::UQS,
        ..typed::Device::example()
    };
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, account)]));
    tree.add(Store::of([(InstanceId::ZERO, device)]));
    let mut config = ClientConfig::new(ENDPOINT, seed);
    config.announced.sms_number = Some("491700000000".into());
    config.retry.most = core::time::Duration::from_secs(600);
    Client::new(config, tree).unwrap()
}
