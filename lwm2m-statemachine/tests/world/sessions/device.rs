//! The driver of the Client: one session at a time.

use lwm2m_core::{InstanceId, Instant, Path, ShortServerId};
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_simulation::{Address, Application};
use lwm2m_statemachine::{AccountId, Client, ClientConfig, ClientEvent, ConnectionId};

pub(super) const ENDPOINT: &str = "device";
pub(super) const ACCOUNT: AccountId = AccountId::new(InstanceId::ZERO);
const SERVER: ShortServerId = ShortServerId::new(101).unwrap();

/// What the world sets: it only grows.
pub(super) const COUNTER: Path = Path::of(&[3, 0, 10]).unwrap();
pub(super) const BATTERY: Path = Path::of(&[3, 0, 9]).unwrap();
pub(super) const DEVICE: Path = Path::of(&[3, 0]).unwrap();

#[derive(Debug)]
pub(super) struct Device {
    server: Address,
    /// The connection that the Client asked for.
    pub(super) asked: Option<ConnectionId>,
    /// The connection that is up.
    pub(super) connection: Option<ConnectionId>,
}

impl Device {
    pub(super) const fn new(server: Address) -> Self {
        Self {
            server,
            asked: None,
            connection: None,
        }
    }
}

impl Application for Device {
    type Machine = Client;

    fn handle_event(&mut self, _: Instant, _: &mut Client, event: ClientEvent) {
        match event {
            ClientEvent::Connect { connection, .. } => self.asked = Some(connection),
            ClientEvent::Disconnect { connection } => {
                for known in [&mut self.asked, &mut self.connection] {
                    known.take_if(|known| *known == connection);
                }
            }
            _ => {}
        }
    }

    fn peer(&mut self, address: Address) -> Option<ConnectionId> {
        self.connection.filter(|_| self.server == address)
    }

    fn address(&self, connection: &ConnectionId) -> Option<Address> {
        (self.connection == Some(*connection)).then_some(self.server)
    }
}

/// A Client with one account, with the key of which the driver makes sessions.
pub(super) fn client(seed: [u8; 32], block_size: usize, storing: bool) -> Client {
    let security = typed::Security::pre_shared_key("coaps://server", SERVER, ENDPOINT, "key");
    let account = typed::Server {
        default_minimum_period: Some(0),
        notification_storing: storing,
        ..typed::Server::new(SERVER, 86_400)
    };
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, account)]));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    let mut config = ClientConfig::new(ENDPOINT, seed);
    config.coap.block_size = block_size;
    Client::new(config, tree).unwrap()
}
