//! What an attacker sends who has no key.

use core::time::Duration;

use lwm2m_core::Instant;
use lwm2m_examples::secure::{
    client::FailedBecause,
    library::GRACE,
    pure::{Pure, PureOptions},
    record::{self, ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, HELLO_VERIFY_REQUEST},
    server::{SecureDatagramError, SecureServer, Transport},
    session::SessionError,
    sessions::{Bounds, Usage, Useless},
};
use lwm2m_simulation::{Address, Link};
use lwm2m_statemachine::{Datagram, Machine, Server, ServerConfig};
use proptest::prelude::*;

use crate::{
    keys::server_credentials,
    world::{Setup, World, device, known_certificate, known_psk, server_stack},
};

/// A record, with a header that may be a lie.
fn record(content_type: u8, epoch: u16, sequence: u8, fragment: &[u8]) -> Vec<u8> {
    let mut bytes = vec![content_type, 254, 253];
    bytes.extend(epoch.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 0, sequence]);
    bytes.extend(u16::try_from(fragment.len()).unwrap().to_be_bytes());
    bytes.extend(fragment);
    bytes
}

fn fatal_alert(description: u8) -> Vec<u8> {
    record(ALERT, 0, 0, &[2, description])
}

impl World {
    /// What the device has sent.
    fn sent_by_client(&self) -> Vec<Vec<u8>> {
        let client = self.network.address(self.client);
        let records = self.network.records().iter();
        let sent = records.filter(|record| record.from.node == client.node);
        sent.map(|record| record.payload.clone()).collect()
    }

    fn sent_by_server(&self) -> Vec<Vec<u8>> {
        let server = self.network.address(self.server);
        let records = self.network.records().iter();
        let sent = records.filter(|record| record.from.node == server.node);
        sent.map(|record| record.payload.clone()).collect()
    }

    /// Sends in the name of the device.
    fn forge(&mut self, payload: &[u8]) {
        let (from, to) = (
            self.network.address(self.client),
            self.network.address(self.server),
        );
        self.network.inject(from, to, payload);
    }

    /// Sends in the name of the server.
    fn forge_to_client(&mut self, payload: &[u8]) {
        let (from, to) = (
            self.network.address(self.server),
            self.network.address(self.client),
        );
        self.network.inject(from, to, payload);
    }

    fn usage(&self) -> Usage {
        self.network.node(self.server).machine.usage()
    }

    /// Whether the server has heard of nothing, and the session lives on.
    fn assert_unharmed(&mut self, events: usize) {
        self.network.run_for(Duration::from_secs(1));
        assert_eq!(
            self.network.node(self.server).application.events.len(),
            events
        );
        assert_eq!(self.news(), []);
        assert_eq!(self.failures(), []);
        assert_eq!(self.usage().established, 1);
        self.assert_read();
    }

    fn events(&self) -> usize {
        self.network.node(self.server).application.events.len()
    }
}

#[test]
fn a_repeated_datagram_is_dropped() {
    let mut world = World::new(1, Link::default(), known_psk()).registered();
    world.assert_read();
    world.news();
    let (events, peer) = (world.events(), world.peer());
    for _ in 0..3 {
        for datagram in world.sent_by_client() {
            world.forge(&datagram);
        }
        for datagram in world.sent_by_server() {
            world.forge_to_client(&datagram);
        }
        world.network.run_for(Duration::from_secs(1));
    }
    world.assert_unharmed(events);
    assert_eq!(world.peer(), peer);
    let usage = world.usage();
    assert_eq!((usage.unproved, usage.proved), (0, 0));
}

#[test]
fn a_forged_record_is_dropped() {
    let mut world = World::new(1, Link::default(), known_psk()).registered();
    world.assert_read();
    world.news();
    let events = world.events();
    let sent = world.sent_by_client().pop().unwrap();
    // Each byte of a genuine record is another one, and the record is newer than all before.
    for index in 0..sent.len() {
        let mut forged = sent.clone();
        forged[10] = 200;
        forged[index] ^= 0x55;
        world.forge(&forged);
    }
    // Each with a number of its own, so that none is taken for a copy of another.
    let mut sequence = 100;
    for content_type in [CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, 25] {
        for epoch in [0, 1, 2] {
            for fragment in [&[][..], &[1], &[2, 40], &[2, 0], &[0; 40]] {
                sequence += 1;
                let forged = record(content_type, epoch, sequence, fragment);
                world.forge(&forged);
                world.forge_to_client(&forged);
            }
        }
    }
    for garbage in [&b""[..], b"x", b"\x40\x01\x00\x07", &[22; 100]] {
        world.forge(garbage);
        world.forge_to_client(garbage);
    }
    world.assert_unharmed(events);
}

#[test]
fn an_alert_that_anybody_can_send_ends_no_handshake() {
    for seed in 0..20 {
        let link = Link::new(Duration::from_millis(20)).jittering(Duration::from_millis(20));
        let mut world = World::new(seed, link, known_psk());
        world.start();
        for _ in 0..40 {
            for description in [40, 0, 115] {
                world.forge(&fatal_alert(description));
                world.forge_to_client(&fatal_alert(description));
            }
            world.network.run_for(Duration::from_millis(10));
        }
        world.await_registration();
        assert_eq!(world.failures(), []);
        let events = world.events();
        world.news();
        world.forge(&fatal_alert(40));
        world.forge_to_client(&fatal_alert(40));
        world.assert_unharmed(events);
    }
}

#[test]
fn an_alert_that_a_slow_peer_disproves_ends_no_handshake() {
    let mut options = PureOptions::default();
    options.grace = GRACE;
    options.tells_refusal = true;
    let setup = Setup {
        server: Pure::server(options, &server_credentials()).unwrap(),
        client: Pure::client(options),
        ..Setup::default()
    };
    for account in [known_psk(), known_certificate()] {
        // A handshake takes 4.2 s, longer than an alert may stand alone.
        let link = Link::new(Duration::from_millis(700));
        let mut world = World::set_up(1, link, account, &setup);
        world.start();
        for _ in 0..42 {
            world.forge(&fatal_alert(51));
            world.forge_to_client(&fatal_alert(51));
            world.network.run_for(Duration::from_millis(100));
        }
        world.await_registration();
        assert_eq!(world.failures(), []);
        world.assert_read();
    }
}

#[test]
fn an_alert_is_the_reason_when_nothing_else_comes() {
    let mut world = World::new(1, Link::default(), known_psk());
    let (client, server) = (world.client, world.server);
    let at = world.network.address(server);
    let mut options = PureOptions::default();
    options.grace = GRACE;
    let stack = Pure::client(options);
    world
        .network
        .reboot(client, device("device", known_psk(), at, stack));
    world.network.partition(client, server, true);
    world.start();
    world.network.link(server, client).partitioned = false;
    world.forge_to_client(&fatal_alert(40));
    world
        .network
        .run_for(GRACE.saturating_sub(Duration::from_millis(1)));
    assert_eq!(world.failures(), []);
    world.network.run_for(Duration::from_secs(1));
    let failures = world.failures();
    let reasons: Vec<_> = failures.iter().map(|failure| &failure.reason).collect();
    let alert = FailedBecause::Session(SessionError::Alert(40));
    assert_eq!(reasons, [&alert]);
}

#[test]
fn forged_handshake_messages_delay_a_device_at_worst() {
    for seed in 0..20 {
        let link = Link::new(Duration::from_millis(20)).jittering(Duration::from_millis(20));
        let mut world = World::new(seed, link, known_psk());
        world.start();
        for _ in 0..40 {
            let random = world.network.random().seed();
            let kind = random[0] % 21;
            let number = random[1] % 6;
            let body = &random[2..];
            let length = u8::try_from(body.len()).unwrap();
            let mut message = vec![kind, 0, 0, length, 0, number, 0, 0, 0, 0, 0, length];
            message.extend(body);
            for epoch in [0, 1] {
                let forged = record(HANDSHAKE, epoch, number, &message);
                world.forge(&forged);
                world.forge_to_client(&forged);
                let forged = record(CHANGE_CIPHER_SPEC, epoch, number, &[1]);
                world.forge(&forged);
                world.forge_to_client(&forged);
            }
            world.network.run_for(Duration::from_millis(10));
        }
        world.await_registration();
        world.assert_read();
    }
}

/// The first ClientHello of a device.
fn client_hello() -> Vec<u8> {
    let mut world = World::new(1, Link::default(), known_psk());
    world.start();
    world.sent_by_client().remove(0)
}

/// The ClientHello with another random.
fn with_random(hello: &[u8], number: u32) -> Vec<u8> {
    /// Behind the headers of record and message, and the version.
    const RANDOM: usize = 13 + 12 + 2;
    let mut hello = hello.to_vec();
    hello[RANDOM..RANDOM + 4].copy_from_slice(&number.to_be_bytes());
    hello[RANDOM + 28..RANDOM + 32].copy_from_slice(&number.to_be_bytes());
    hello
}

/// The ClientHello with a cookie that nobody has baked.
fn with_cookie(hello: &[u8]) -> Vec<u8> {
    /// Where the cookie's length is: behind the random and an empty session id.
    const COOKIE: usize = 13 + 12 + 2 + 32 + 1;
    let mut longer = hello.to_vec();
    longer[COOKIE] = 32;
    let at = COOKIE + 1;
    longer.splice(at..at, [7; 32]);
    // The lengths of the record, of the message and of its fragment.
    for length in [12, 13 + 3, 13 + 11] {
        longer[length] += 32;
    }
    longer
}

#[test]
fn a_flood_of_hellos_takes_bounded_memory_and_shuts_nobody_out() {
    const FORGED: u32 = 100_000;
    /// In a millisecond. It displaces 8 % of the handshakes within a round trip, and the clients' next
    /// attempt comes after a second.
    const RATE: u32 = 2;
    let link = Link::new(Duration::from_millis(20));
    let bounds = Bounds::server(1);
    let hello = client_hello();
    let mut world = World::new(1, link, known_psk());
    world.network.keep_records(100);
    let (client, server) = (world.client, world.server);
    let mut number = 0;
    let mut flood = |world: &mut World| {
        for _ in 0..RATE {
            number += 1;
            let from = Address {
                number,
                ..world.network.address(client)
            };
            let hello = with_random(&hello, number);
            let from = Transport::Dtls(from);
            world.network.with(server, |host, now| {
                let datagram = Datagram::new(from, &hello);
                host.machine.handle_datagram(now, datagram).unwrap();
            });
        }
        let usage = world.usage();
        assert!(usage.unproved <= bounds.unproved, "{usage:?}");
        assert!(usage.addresses <= bounds.unproved + 1, "{usage:?}");
        world.network.run_for(Duration::from_millis(1));
    };
    for _ in 0..1_000 {
        flood(&mut world);
    }
    assert_eq!(world.usage().unproved, bounds.unproved);
    world.start();
    for _ in 1_000..FORGED / RATE {
        flood(&mut world);
    }
    assert!(
        world
            .network
            .node(server)
            .machine
            .server
            .find("device")
            .is_some()
    );
    world.assert_read();
    assert_eq!(number, FORGED);
    world.network.run_for(bounds.unproved_for);
    let usage = world.usage();
    assert_eq!((usage.unproved, usage.proved), (0, 0));
    assert_eq!((usage.established, usage.addresses), (1, 1));
}

#[test]
fn forged_hellos_from_the_address_of_a_device_do_not_keep_it_out() {
    let hello = client_hello();
    for seed in 0..8 {
        let mut world = World::with_bounds(1, Link::default(), known_psk(), Bounds::server(seed));
        world.start();
        for number in 0..200 {
            world.forge(&with_random(&hello, number));
            world.network.run_for(Duration::from_millis(1));
        }
        world.await_registration();
        // By chance they displace its handshake; then it has tried again.
        world.failures();
        let (events, peer) = (world.events(), world.peer());
        world.news();
        for number in 1000..1200 {
            world.forge(&with_random(&hello, number));
        }
        world.assert_unharmed(events);
        assert_eq!(world.peer(), peer);
    }
}

#[test]
fn a_cookie_of_nobody_counts_as_none() {
    let hello = with_cookie(&client_hello());
    let bounds = Bounds::server(1);
    let config = ServerConfig::new([1; 32]);
    let mut server = SecureServer::new(Server::new(config), server_stack(), bounds);
    let datagram = Datagram::new(Transport::Dtls(1_u32), &hello[..]);
    server.handle_datagram(Instant::ZERO, datagram).unwrap();
    let usage = server.usage();
    assert_eq!((usage.unproved, usage.proved), (1, 0));
    let request = server.poll_transmit().unwrap().payload.to_vec();
    let request = record::first(&request).unwrap();
    assert_eq!(request.handshake_type(), Some(HELLO_VERIFY_REQUEST));
    assert_eq!(server.poll_transmit(), None);
}

#[test]
fn a_cookie_is_not_sent_again_by_itself() {
    let hello = client_hello();
    let config = ServerConfig::new([1; 32]);
    let mut server = SecureServer::new(Server::new(config), server_stack(), Bounds::server(1));
    let datagram = Datagram::new(Transport::Dtls(1_u32), &hello[..]);
    server.handle_datagram(Instant::ZERO, datagram).unwrap();
    assert!(server.poll_transmit().is_some());
    for second in 0..20 {
        server.handle_timeout(Instant::from_secs(second));
        assert_eq!(server.poll_transmit(), None);
    }
    assert_eq!(server.usage(), Usage::default());
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn plain_and_secured_datagrams_do_not_mix() {
    let mut world = World::new(1, Link::default(), known_psk()).registered();
    world.assert_read();
    world.news();
    let events = world.events();
    let (client, server) = (world.client, world.server);
    let address = world.network.address(client);
    // A Register without security, on the socket for DTLS.
    let register = b"\x44\x02\x01\x02abcd\xb2rd\x41\x65p=x\xff</1>";
    let genuine = world.sent_by_client().pop().unwrap();
    world.network.with(server, |host, now| {
        let coap = Datagram::new(Transport::Dtls(address), &register[..]);
        let error = host.machine.handle_datagram(now, coap);
        assert_eq!(error, Err(SecureDatagramError::Dtls(Useless::NoRecord)));
        // A record on the socket for CoAP.
        let dtls = Datagram::new(Transport::Udp(address), &genuine);
        let error = host.machine.handle_datagram(now, dtls);
        assert!(matches!(error, Err(SecureDatagramError::Coap(_))));
        let mut group = Datagram::new(Transport::Dtls(address), &genuine);
        group.multicast = true;
        let error = host.machine.handle_datagram(now, group);
        assert_eq!(error, Err(SecureDatagramError::Multicast));
    });
    world.assert_unharmed(events);
}

proptest! {
    #[test]
    fn any_bytes_are_safe(
        datagrams in proptest::collection::vec(
            (0_u32..3, 19_u8..26, 0_u16..3, proptest::collection::vec(any::<u8>(), 0..60)),
            1..30,
        ),
    ) {
        let hello = client_hello();
        let config = ServerConfig::new([1; 32]);
        let mut server = SecureServer::new(Server::new(config), server_stack(), Bounds::server(1));
        let mut now = Instant::ZERO;
        for (from, content_type, epoch, fragment) in datagrams {
            let mut datagram = if content_type == HANDSHAKE {
                with_random(&hello, from)
            } else {
                record(content_type, epoch, 1, &fragment)
            };
            for (index, flip) in fragment.iter().enumerate().skip(40) {
                if let Some(byte) = datagram.get_mut(13 + index) {
                    *byte ^= flip;
                }
            }
            let _ = server.handle_datagram(now, Datagram::new(Transport::Dtls(from), &datagram));
            while server.poll_transmit().is_some() {}
            now += Duration::from_millis(500);
            server.handle_timeout(now);
        }
        prop_assert_eq!(server.usage().established, 0);
    }
}
