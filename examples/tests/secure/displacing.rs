//! Whose handshakes have to go when there are too many: of who has no key, only its own.

use lwm2m_core::Instant;
use lwm2m_examples::secure::{
    credentials::ClientCredentials,
    pure::{Pure, PureSession},
    session::{DtlsSession as _, DtlsStack as _, Output},
    sessions::{Bounds, ConnectError, Event, Sessions},
};
use lwm2m_statemachine::server::Host;

use crate::{
    inbound_world::reaching_psk,
    keys::key,
    world::{client_stack, server_stack},
};

const NOW: Instant = Instant::ZERO;

/// A host, and one of its ports.
type Place = (u64, u16);

/// A server, and what it has told.
struct Crowded {
    sessions: Sessions<Place, Pure>,
    /// The library of the peers, which has their keys ready.
    peers: Pure,
    told: Vec<String>,
}

/// A peer that begins a handshake.
struct Stranger {
    place: Place,
    session: PureSession,
}

impl Crowded {
    fn new(bounds: Bounds) -> Self {
        let sessions = Sessions::new(server_stack(), bounds);
        Self {
            sessions: sessions.with_hosts(|(host, _)| Host::new(*host)),
            peers: client_stack(),
            told: Vec::new(),
        }
    }

    /// Gives the server what a peer has sent, and the peer what comes back.
    fn exchange(&mut self, peer: &mut Stranger) {
        for datagram in sent(&mut peer.session) {
            let told = &mut self.told;
            let _ = self.sessions.handle_datagram(
                NOW,
                &peer.place,
                &datagram,
                &mut |event: Event<'_, _>| told.push(format!("{event:?}")),
            );
        }
        while let Some((to, datagram)) = self.sessions.poll_transmit() {
            if to == peer.place {
                peer.session.handle_datagram(NOW, &datagram).unwrap();
            }
        }
    }

    /// A peer returns its cookie, and no more.
    fn prove(&mut self, place: Place, keys: &ClientCredentials) -> Stranger {
        let mut peer = Stranger {
            place,
            session: self.peers.connect(NOW, keys).unwrap(),
        };
        self.exchange(&mut peer);
        self.exchange(&mut peer);
        peer
    }

    /// Keyless peers return their cookies from one host.
    fn crowd(&mut self, host: u64, ports: u16) {
        let keys = reaching_psk("nobody", &key(9));
        for port in 0..ports {
            self.prove((host, port), &keys);
        }
    }

    /// Lets a peer go on to the end.
    fn finish(&mut self, mut peer: Stranger) -> bool {
        self.exchange(&mut peer);
        let connected = |told: &String| told.starts_with("Connected");
        self.told.iter().any(connected)
    }
}

fn sent(session: &mut PureSession) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    session.drain(&mut |output| {
        if let Output::Datagram(datagram) = output {
            sent.push(datagram.to_vec());
        }
    });
    sent
}

fn known() -> ClientCredentials {
    reaching_psk("device", &key(1))
}

#[test]
fn a_host_whose_peers_only_return_cookies_displaces_no_handshake_but_its_own() {
    let mut server = Bounds::server(1);
    server.proved = 8;
    for bounds in [server, Bounds::device(1)] {
        let mut crowded = Crowded::new(bounds);
        crowded.crowd(6, 2);
        let device = crowded.prove((1, 1), &known());
        crowded.crowd(7, 100);
        assert_eq!(crowded.sessions.usage().proved, bounds.proved);
        assert!(crowded.finish(device), "{:?}", crowded.told);
        // There is room for one that comes later, too.
        crowded.crowd(7, 100);
        crowded.told.clear();
        let other = crowded.prove((2, 1), &reaching_psk("other", &key(2)));
        assert!(crowded.finish(other), "{:?}", crowded.told);
        assert_eq!(crowded.sessions.usage().established, 2);
    }
}

#[test]
fn as_many_hosts_as_the_bound_within_a_round_trip_displace_the_oldest() {
    let mut bounds = Bounds::server(1);
    bounds.proved = 8;
    for (hosts, gets_in) in [(7, true), (8, false)] {
        let mut crowded = Crowded::new(bounds);
        let device = crowded.prove((1, 1), &known());
        for host in 100..100 + hosts {
            crowded.crowd(host, 1);
        }
        assert_eq!(crowded.finish(device), gets_in, "{hosts}");
    }
}

#[test]
fn peers_that_return_cookies_take_nothing_of_the_handshakes_that_are_begun_here() {
    let mut bounds = Bounds::server(1);
    bounds.proved = 4;
    bounds.begun = 2;
    let mut crowded = Crowded::new(bounds);
    crowded.crowd(7, 10);
    for port in [1, 2] {
        let begun = crowded
            .sessions
            .connect(NOW, &(1, port), &known(), &mut |_| {});
        assert_eq!(begun, Ok(()));
    }
    crowded.crowd(7, 100);
    let usage = crowded.sessions.usage();
    assert_eq!((usage.proved, usage.begun), (4, 2));
    assert_eq!(crowded.told, [""; 0]);
    let busy = crowded
        .sessions
        .connect(NOW, &(1, 3), &known(), &mut |_| {});
    assert_eq!(busy, Err(ConnectError::Busy(2)));
}

#[test]
fn a_handshake_that_is_begun_here_is_neither_kept_from_an_address_nor_displaced_there() {
    let there = (1, 1);
    let nobody = reaching_psk("nobody", &key(9));
    for before in [true, false] {
        let mut crowded = Crowded::new(Bounds::server(1));
        if before {
            crowded.prove(there, &nobody);
        }
        let begun = crowded.sessions.connect(NOW, &there, &known(), &mut |_| {});
        assert_eq!(begun, Ok(()));
        let hello = crowded.sessions.poll_transmit();
        assert!(hello.is_some(), "the ClientHello");
        let mut device = Sessions::new(server_stack(), Bounds::server(1));
        let mut waiting = hello;
        if !before {
            crowded.prove(there, &nobody);
        }
        while let Some((to, datagram)) = waiting.or_else(|| crowded.sessions.poll_transmit()) {
            assert_eq!(to, there);
            device
                .handle_datagram(NOW, &0_u8, &datagram, &mut |_| {})
                .unwrap();
            while let Some((_, datagram)) = device.poll_transmit() {
                let told = &mut crowded.told;
                let taken =
                    crowded
                        .sessions
                        .handle_datagram(NOW, &there, &datagram, &mut |event| {
                            told.push(format!("{event:?}"));
                        });
                taken.unwrap();
            }
            waiting = None;
        }
        let [connected] = &crowded.told[..] else {
            panic!("{:?}", crowded.told);
        };
        assert!(connected.starts_with("Connected"), "{connected}");
        assert_eq!(crowded.sessions.usage().begun, 0);
    }
}
