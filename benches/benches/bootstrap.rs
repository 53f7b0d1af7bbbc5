//! Whole bootstraps by one machine in memory; beside it, `coap-lite` parses and writes the same
//! datagrams.
//!
//! Many clients are under way at the same time. In their turn, each answers the Delete that it was
//! told some time ago, does as it is told up to the Bootstrap-Finish, and asks for a bootstrap anew: a
//! request, a plan of five steps with a pre-shared key, 13 datagrams, two events. If the cost of that
//! doesn't depend on how many there are, neither does the machine.

use core::{hint::black_box, time::Duration};

use coap_lite::Packet;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lwm2m_core::{Code, InstanceId, Instant, Method, ShortServerId};
use lwm2m_objects::typed;
use lwm2m_statemachine::{
    BootstrapServer, BootstrapServerConfig, BootstrapServerEvent, Datagram,
    bootstrap_server::{
        Plan,
        plans::{self, Account, BootstrapAccount},
    },
    coap::{MessageBuf, MessageRef, MessageType, Token},
};

/// How long it is until it is the turn of a client again: less than the time in which an answer has to
/// come (MAX_TRANSMIT_WAIT), and long enough that old exchanges are forgotten.
const ROUND: Duration = Duration::from_secs(60);

/// How many rounds it takes until as much is forgotten as is new (EXCHANGE_LIFETIME).
const WARM_UP: usize = 5;

/// A bootstrap-server, and clients that were told to delete `/0`.
struct Fleet {
    machine: BootstrapServer<u32>,
    plan: Plan,
    clients: Vec<Player>,
    /// Whose turn it is.
    next: usize,
    /// How many turns there were.
    turns: u64,
    finished: u64,
}

/// A client that is played by hand.
struct Player {
    name: String,
    message_id: u16,
    /// The token of the command that it has acknowledged.
    told: Token,
}

/// Sees each datagram.
type Seen<'s> = &'s mut dyn FnMut(&[u8]);

impl Fleet {
    fn new(clients: usize) -> Self {
        let id = ShortServerId::new(101).expect("an identifier");
        let account = Account {
            security: typed::Security::pre_shared_key(
                "coaps://192.0.2.1",
                id,
                "urn:dev:os:0023C7-000001",
                [7; 16],
            ),
            server: typed::Server::new(id, 86_400),
        };
        let own = BootstrapAccount::Keep(InstanceId::ZERO);
        let players = (0..clients).map(|client| Player {
            name: format!("ep=urn:dev:os:0023C7-{client:06}"),
            message_id: 0,
            told: Token::EMPTY,
        });
        let mut config = BootstrapServerConfig::new([1; 32]);
        config.bounds.unproven = clients.max(config.bounds.unproven);
        let mut fleet = Self {
            machine: BootstrapServer::new(config),
            plan: plans::one_server(own, account).expect("a plan"),
            clients: players.collect(),
            next: 0,
            turns: 0,
            finished: 0,
        };
        for client in 0..clients {
            fleet.ask(Instant::ZERO, client, &mut |_| ());
        }
        for _ in 0..clients * WARM_UP {
            fleet.turn(&mut |_| ());
        }
        let turns = fleet.turns;
        assert_eq!(fleet.finished, turns, "each turn is a whole bootstrap");
        assert_eq!(fleet.machine.usage().under_way, clients);
        fleet
    }

    /// The turn of the next client: the rest of its bootstrap, and the beginning of another one.
    fn turn(&mut self, seen: Seen<'_>) {
        let client = self.next;
        self.next = (self.next + 1) % self.clients.len();
        self.turns += 1;
        let millis = u64::try_from(ROUND.as_millis()).expect("a minute");
        let now = Instant::from_millis(self.turns * millis / self.clients.len() as u64);
        self.machine.handle_timeout(now);
        let player = &mut self.clients[client];
        player.message_id = player.message_id.wrapping_add(1);
        let answer = MessageBuf::response(Code::DELETED);
        let answer = answer.finish(MessageType::NonConfirmable, player.message_id, player.told);
        self.arrive(now, client, answer.as_ref(), seen);
        while let Some(answer) = self.hear(seen) {
            self.arrive(now, client, &answer, seen);
        }
        while let Some(event) = self.machine.poll_event() {
            let BootstrapServerEvent::Ended { outcome, .. } = event else {
                panic!("{event:?}");
            };
            outcome.expect("a whole bootstrap");
            self.finished += 1;
        }
        self.ask(now, client, seen);
    }

    /// A client asks for a bootstrap, gets a plan, and acknowledges the first command.
    fn ask(&mut self, now: Instant, client: usize, seen: Seen<'_>) {
        let player = &mut self.clients[client];
        player.message_id = player.message_id.wrapping_add(1);
        let mut request = MessageBuf::request(Method::Post);
        request.uri_path("bs").expect("it fits");
        request.uri_query(&player.name).expect("it fits");
        let request = request.finish(MessageType::Confirmable, player.message_id, Token::EMPTY);
        self.arrive(now, client, request.as_ref(), seen);
        let event = self.machine.poll_event();
        let Some(BootstrapServerEvent::Requested { bootstrap, .. }) = event else {
            panic!("{event:?}");
        };
        self.machine
            .start(now, bootstrap, &self.plan)
            .expect("room");
        while let Some(transmit) = self.machine.poll_transmit() {
            seen(transmit.payload);
            let command = MessageRef::parse(transmit.payload).expect("a message");
            if command.code().method().is_some() {
                self.clients[client].told = command.token();
                let [high, low] = command.message_id().to_be_bytes();
                self.arrive(now, client, &[0x60, 0, high, low], seen);
            }
        }
    }

    fn arrive(&mut self, now: Instant, client: usize, datagram: &[u8], seen: Seen<'_>) {
        seen(datagram);
        let peer = u32::try_from(client).expect("few clients");
        let _ = self
            .machine
            .handle_datagram(now, Datagram::new(peer, datagram));
    }

    /// The answer to the next command, as a client that does as it is told gives it.
    fn hear(&mut self, seen: Seen<'_>) -> Option<Vec<u8>> {
        let transmit = self.machine.poll_transmit()?;
        seen(transmit.payload);
        let command = MessageRef::parse(transmit.payload).expect("a message");
        let code = match command.code().method()? {
            Method::Delete => Code::DELETED,
            _ => Code::CHANGED,
        };
        let (id, token) = (command.message_id(), command.token());
        let answer = MessageBuf::response(code).finish(MessageType::Acknowledgement, id, token);
        Some(answer.as_ref().to_vec())
    }
}

fn bootstrap(c: &mut Criterion) {
    let mut datagrams: Vec<Vec<u8>> = Vec::new();
    Fleet::new(1).turn(&mut |datagram| datagrams.push(datagram.to_vec()));
    assert_eq!(datagrams.len(), 13);

    let mut group = c.benchmark_group("bootstrap");
    for clients in [100, 1000, 10_000] {
        // Only what is asked for is made, so that a tool that counts instructions sees nothing else.
        let mut fleet = None;
        let id = BenchmarkId::new("a client of those under way", clients);
        group.bench_function(id, |b| {
            let fleet = fleet.get_or_insert_with(|| Fleet::new(clients));
            b.iter(|| fleet.turn(&mut |_| ()));
            assert_eq!(fleet.finished, fleet.turns);
        });
    }
    group.bench_function("coap-lite, all datagrams parsed and written", |b| {
        b.iter(|| {
            for datagram in &datagrams {
                let packet = Packet::from_bytes(black_box(datagram)).expect("a message");
                black_box(packet.to_bytes().expect("it fits"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, bootstrap);
criterion_main!(benches);
