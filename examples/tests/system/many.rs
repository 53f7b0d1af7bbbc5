//! The sessions of a server, with OpenSSL below.

use lwm2m_examples::secure::credentials::ProvenIdentity;
use lwm2m_examples::secure::session::{DtlsStack, SessionError};
use lwm2m_examples::secure::sessions::{Bounds, Event, Sessions, Useless};
use lwm2m_examples::secure::system::{System, SystemSession};

use super::support::{End, HOST, IDENTITY, NOW, World, psk};

/// A server, and what it has told.
struct Server {
    sessions: Sessions<u32, System>,
    told: Vec<Told>,
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Connected(ProvenIdentity, bool),
    Payload(Vec<u8>),
    Ended,
    Failed(SessionError),
}

impl Server {
    fn new(world: &World) -> Self {
        Self::with_bounds(world, Bounds::server(1))
    }

    fn with_bounds(world: &World, bounds: Bounds) -> Self {
        Self {
            sessions: Sessions::new(world.server_stack(), bounds),
            told: Vec::new(),
        }
    }

    fn take(&mut self, from: u32, datagram: &[u8]) {
        let told = &mut self.told;
        let taken = self
            .sessions
            .handle_datagram(NOW, &from, datagram, &mut |event| {
                told.push(match event {
                    Event::Connected { peer, resumed, .. } => {
                        Told::Connected(peer.clone(), resumed)
                    }
                    Event::Payload { payload, .. } => Told::Payload(payload.to_vec()),
                    Event::Ended { .. } => Told::Ended,
                    Event::Failed { why, .. } => Told::Failed(why.clone()),
                });
            });
        taken.unwrap();
    }

    /// Passes what there is to pass with one client.
    fn settle(&mut self, from: u32, client: &mut End<SystemSession>) {
        loop {
            while let Some(datagram) = client.out.pop_front() {
                self.take(from, &datagram);
            }
            let mut came = false;
            while let Some((to, datagram)) = self.sessions.poll_transmit() {
                came = true;
                if to == from {
                    client.take(NOW, &datagram);
                }
            }
            if !came && client.out.is_empty() {
                return;
            }
        }
    }

    fn told(&mut self) -> Vec<Told> {
        core::mem::take(&mut self.told)
    }
}

fn identity() -> ProvenIdentity {
    ProvenIdentity::Psk(IDENTITY.to_vec())
}

#[test]
fn a_client_that_has_lost_its_session_gets_in_on_the_same_address() {
    let world = World::new();
    let mut server = Server::new(&world);
    let mut old = End::new(world.client_stack().connect(NOW, &psk()).unwrap());
    server.settle(7, &mut old);
    assert_eq!(server.told(), [Told::Connected(identity(), false)]);

    let mut new = End::new(world.client_stack().connect(NOW, &psk()).unwrap());
    server.settle(7, &mut new);
    let told = server.told();
    assert!(
        told.contains(&Told::Connected(identity(), false)),
        "{told:?}"
    );
    let sealed = new.seal(b"back");
    server.take(7, &sealed);
    assert_eq!(server.told(), [Told::Payload(b"back".to_vec())]);
}

#[test]
fn a_client_resumes_from_another_address() {
    let world = World::new();
    let mut server = Server::new(&world);
    let mut stack = world.client_stack();
    let credentials = world.certificate(HOST);
    for (address, resumed) in [(1, false), (2, true), (2, true)] {
        let mut client = End::new(stack.connect(NOW, &credentials).unwrap());
        server.settle(address, &mut client);
        let (_, session) = client.connected.clone().unwrap();
        assert_eq!(session, resumed);
        let told = server.told();
        let connected = |told: &Told| matches!(told, Told::Connected(_, of) if *of == resumed);
        assert!(told.iter().any(connected), "{told:?}");
    }
}

/// The ClientHello with another random, as from somebody else.
fn forged(hello: &[u8], number: u32) -> Vec<u8> {
    let mut hello = hello.to_vec();
    // The random, behind two headers and the version.
    hello[27..31].copy_from_slice(&number.to_be_bytes());
    hello[55..59].copy_from_slice(&number.to_be_bytes());
    hello
}

#[test]
fn a_cookie_counts_without_its_handshake() {
    let world = World::new();
    for credentials in [psk(), world.certificate(HOST)] {
        let mut bounds = Bounds::server(1);
        bounds.unproved = 4;
        let mut server = Server::with_bounds(&world, bounds);
        let mut client = End::new(world.client_stack().connect(NOW, &credentials).unwrap());
        let hello = client.out.pop_front().unwrap();
        server.take(7, &hello);
        let (_, request) = server.sessions.poll_transmit().unwrap();
        // Far more than there is room for.
        for number in 0..200 {
            server.take(100 + number, &forged(&hello, number));
            while server.sessions.poll_transmit().is_some() {}
        }
        client.take(NOW, &request);
        let returned = client.out.front().unwrap().clone();
        // From elsewhere, or changed, the cookie is of no use.
        for (address, at) in [(8, None), (7, Some(70)), (7, Some(30))] {
            let mut returned = returned.clone();
            if let Some(byte) = at.and_then(|at: usize| returned.get_mut(at)) {
                *byte ^= 1;
            }
            let taken = server
                .sessions
                .handle_datagram(NOW, &address, &returned, &mut |_| {});
            assert_eq!(taken, Err(Useless::NoHandshake));
        }
        server.settle(7, &mut client);
        assert!(client.connected.is_some());
        let sealed = client.seal(b"here");
        server.take(7, &sealed);
        assert!(server.told().contains(&Told::Payload(b"here".to_vec())));
    }
}

#[test]
fn a_wrong_cookie_ends_no_handshake() {
    let world = World::new();
    let mut server = Server::new(&world);
    let mut client = End::new(world.client_stack().connect(NOW, &psk()).unwrap());
    let hello = client.out.pop_front().unwrap();
    server.take(7, &hello);
    let (_, request) = server.sessions.poll_transmit().unwrap();
    client.take(NOW, &request);
    let mut wrong = client.out.front().unwrap().clone();
    wrong[70] ^= 1;
    server.take(7, &wrong);
    assert_eq!(server.sessions.poll_transmit(), None);
    server.settle(7, &mut client);
    assert_eq!(server.told(), [Told::Connected(identity(), false)]);
}

#[test]
fn hellos_from_everywhere_leave_room_for_a_client() {
    let world = World::new();
    let mut server = Server::new(&world);
    let mut stack = world.client_stack();
    let mut first = End::new(stack.connect(NOW, &psk()).unwrap());
    server.settle(0, &mut first);
    server.told();
    let hello = End::new(stack.connect(NOW, &psk()).unwrap()).out;
    let mut hello = hello.front().unwrap().clone();
    for address in 1..5_000_u32 {
        // The random, behind two headers and the version.
        hello[27..31].copy_from_slice(&address.to_be_bytes());
        server.take(address, &hello);
        while server.sessions.poll_transmit().is_some() {}
    }
    let mut late = End::new(world.client_stack().connect(NOW, &psk()).unwrap());
    server.settle(9_999, &mut late);
    assert_eq!(server.told(), [Told::Connected(identity(), false)]);
    let sealed = first.seal(b"here");
    server.take(0, &sealed);
    assert_eq!(server.told(), [Told::Payload(b"here".to_vec())]);
}
