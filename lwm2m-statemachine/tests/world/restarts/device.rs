//! A device, and what it has done.

use std::collections::BTreeMap;

use lwm2m_core::{BindingMode, InstanceId, Instant, ShortServerId};
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_simulation::{Address, Application, Host};
use lwm2m_statemachine::{AccountId, Client, ClientConfig, ClientEvent, ConnectionId, Session};

pub(super) const SERVER: ShortServerId = ShortServerId::new(101).unwrap();
pub(super) const ACCOUNT: AccountId = AccountId::new(InstanceId::ZERO);

/// In seconds; an Update comes after half of it.
const LIFETIME: u32 = 180;

#[derive(Debug)]
pub(super) struct Device {
    server: Address,
    connection: Option<ConnectionId>,
    pub(super) registered: usize,
    /// How often each Execute was run, by its arguments.
    pub(super) executed: BTreeMap<String, usize>,
}

pub(super) type DeviceHost = Host<Device>;

/// A device with this name.
pub(super) fn boot(name: &str, sleeps: bool, server: Address, seed: [u8; 32]) -> DeviceHost {
    let mut tree = ObjectTree::new();
    let security = typed::Security::no_sec("coap://server", SERVER);
    let binding = if sleeps {
        BindingMode::UQ
    } else {
        BindingMode::U
    };
    let account = typed::Server {
        default_minimum_period: Some(0),
        binding,
        ..typed::Server::new(SERVER, LIFETIME)
    };
    let device = typed::Device {
        reset_error_code: true,
        ..typed::Device::example()
    };
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, account)]));
    tree.add(Store::of([(InstanceId::ZERO, device)]));
    let client = Client::new(ClientConfig::new(name, seed), tree).unwrap();
    let device = Device {
        server,
        connection: None,
        registered: 0,
        executed: BTreeMap::new(),
    };
    Host::new(client, device)
}

impl Application for Device {
    type Machine = Client;

    fn handle_event(&mut self, now: Instant, client: &mut Client, event: ClientEvent) {
        match event {
            ClientEvent::Connect { connection, .. } => {
                self.connection = Some(connection);
                client.connected(now, connection, Session::New);
            }
            ClientEvent::Disconnect { connection } if self.connection == Some(connection) => {
                self.connection = None;
            }
            ClientEvent::Registered { .. } => self.registered += 1,
            ClientEvent::Execute { arguments, .. } => {
                *self.executed.entry(arguments).or_default() += 1;
            }
            _ => {}
        }
    }

    fn peer(&mut self, address: Address) -> Option<ConnectionId> {
        self.connection.filter(|_| self.server == address)
    }

    fn address(&self, connection: &ConnectionId) -> Option<Address> {
        let current = self.connection.is_none_or(|current| current == *connection);
        current.then_some(self.server)
    }
}
