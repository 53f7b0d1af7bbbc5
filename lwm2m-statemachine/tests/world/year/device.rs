//! A device that reports every hour, and sleeps between its reports or not.

use core::time::Duration;

use lwm2m_core::{BindingMode, InstanceId, Instant, Path, ShortServerId};
use lwm2m_objects::{ObjectTree, Snapshot, Store, typed};
use lwm2m_simulation::{Address, Node, Random};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Session, client::ClientSnapshot,
};

use super::{HOUR, Way};

/// What is reported: the number of the hour.
pub(super) const COUNTER: Path = Path::of(&[3, 0, 10]).unwrap();
/// In seconds.
pub(super) const LIFETIME: u32 = 86_400;
const SERVER: ShortServerId = ShortServerId::new(101).unwrap();

pub(super) struct Device {
    way: Way,
    awake: Option<Duration>,
    server: Address,
    random: Random,
    /// While it has power.
    client: Option<Client>,
    /// What it has saved, and when.
    saved: Option<(Instant, Snapshot, ClientSnapshot)>,
    /// When it needs power again, if it has none.
    wakes: Option<Instant>,
    socket: Option<ConnectionId>,
    session: Session,
    hours: u32,
    /// Since when the radio is up, if it is.
    up_since: Option<Instant>,
    /// How often it was powered up.
    pub(super) periods: u64,
    up: Duration,
    /// What was sent and received.
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
}

impl Device {
    pub(super) fn new(way: Way, awake: Option<Duration>, server: Address, seed: u64) -> Self {
        Self {
            way,
            awake,
            server,
            random: Random::new(seed, 7),
            client: None,
            saved: None,
            wakes: Some(Instant::ZERO),
            socket: None,
            session: Session::New,
            hours: 0,
            up_since: None,
            periods: 0,
            up: Duration::ZERO,
            datagrams: 0,
            bytes: 0,
        }
    }

    /// How long the radio was up in all.
    pub(super) fn up(&self, now: Instant) -> Duration {
        let since = self.up_since.unwrap_or(now);
        self.up + now.saturating_duration_since(since)
    }

    fn next_report(&self) -> Instant {
        Instant::ZERO + HOUR * (self.hours + 1)
    }

    fn power_up(&mut self, now: Instant) {
        let config = self.config();
        let mut tree = tree(self.way);
        let mut client = match self.saved.take() {
            Some((at, values, client)) => {
                tree.restore(&values).unwrap();
                let elapsed = now.saturating_duration_since(at);
                Client::restore(config, tree, &client, now, Some(elapsed)).unwrap()
            }
            None => Client::new(config, tree).unwrap(),
        };
        client.start(now);
        (self.client, self.wakes) = (Some(client), None);
    }

    fn config(&mut self) -> ClientConfig {
        let mut config = ClientConfig::new("device", self.random.seed());
        config.queue_mode.awake = self.awake;
        config.queue_mode.wakes_to_notify = self.way != Way::Stores;
        config
    }

    /// Its Client may sleep until then.
    fn power_down(&mut self, now: Instant, until: Option<Instant>) {
        let since = self.up_since.take().unwrap_or(now);
        self.up += now.saturating_duration_since(since);
        if !matches!(self.way, Way::Restores | Way::Registers) {
            return;
        }
        self.socket = None;
        let client = self.client.take().expect("it has told");
        if self.way == Way::Restores {
            self.saved = Some((now, client.tree().snapshot(), client.snapshot(now)));
            self.wakes = until;
        }
    }

    /// A call may have woken the Client.
    fn look(&mut self, now: Instant) {
        let is_awake = self.client.as_ref().is_some_and(|it| !it.may_sleep());
        if is_awake && self.up_since.is_none() {
            self.up_since = Some(now);
            self.periods += 1;
        }
    }

    fn handle(&mut self, now: Instant, event: &ClientEvent) {
        match *event {
            ClientEvent::MaySleep { until } => self.power_down(now, until),
            ClientEvent::Connect { connection, .. } => {
                self.socket = Some(connection);
                let client = self.client.as_mut().expect("it has asked");
                client.connected(now, connection, self.session);
                // Without its state it can't know what the server knows.
                if self.way != Way::Registers {
                    self.session = Session::Resumed;
                }
            }
            ClientEvent::RegistrationFailed { ref reason, .. } => panic!("{reason}"),
            ClientEvent::NotificationsDropped { .. } => panic!("there is room for a day"),
            _ => {}
        }
    }
}

impl Node for Device {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        assert!(self.up_since.is_some(), "it comes while the radio is off");
        self.datagrams += 1;
        self.bytes += datagram.payload.len() as u64;
        let connection = self.socket.expect("a socket");
        let datagram = Datagram::new(connection, datagram.payload);
        let client = self.client.as_mut().expect("the radio is up");
        client.handle_datagram(now, datagram).unwrap();
        self.look(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        let reports = now >= self.next_report();
        let needs_power = reports || self.wakes.is_some_and(|at| at <= now);
        if self.client.is_none() && needs_power {
            self.power_up(now);
        }
        if reports {
            self.hours += 1;
        }
        if let Some(client) = &mut self.client {
            if reports {
                client.set(now, COUNTER, i64::from(self.hours)).unwrap();
            }
            client.handle_timeout(now);
        }
        self.look(now);
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        let transmit = self.client.as_mut()?.poll_transmit()?;
        assert!(self.up_since.is_some(), "the radio is off");
        assert_eq!(Some(transmit.to), self.socket);
        datagram.extend_from_slice(transmit.payload);
        self.datagrams += 1;
        self.bytes += datagram.len() as u64;
        Some(self.server)
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        let event = self.client.as_mut().and_then(Client::poll_event);
        let Some(event) = event else {
            return false;
        };
        self.handle(now, &event);
        self.look(now);
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let client = self.client.as_ref().and_then(Client::poll_timeout);
        let all = [client, self.wakes, Some(self.next_report())];
        all.into_iter().flatten().min()
    }
}

fn tree(way: Way) -> ObjectTree {
    let security = typed::Security::no_sec("coap://server", SERVER);
    let binding = match way {
        Way::Awake => BindingMode::U,
        _ => BindingMode::UQ,
    };
    let account = typed::Server {
        binding,
        ..typed::Server::new(SERVER, LIFETIME)
    };
    let device = typed::Device {
        memory_free: Some(0),
        ..typed::Device::example()
    };
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, account)]));
    tree.add(Store::of([(InstanceId::ZERO, device)]));
    tree
}
