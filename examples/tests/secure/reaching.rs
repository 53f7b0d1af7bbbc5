//! Sessions that the server begins, as the DTLS client (TS 7.1.6).

use core::time::Duration;

use lwm2m_core::Instant;
use lwm2m_examples::secure::{
    credentials::{ClientCredentials, ProvenIdentity},
    pure::Pure,
    sessions::{Bounds, ConnectError, Event, Sessions},
};
use lwm2m_objects::typed;

use crate::{
    keys::key,
    world::{client_stack, known_certificate, known_psk, psk, server_stack},
};

const NOW: Instant = Instant::ZERO;
/// Where the one that accepts is.
const THERE: u32 = 7;
/// Where the one that connects is.
const HERE: u32 = 8;

/// The one that connects, and the one that accepts.
struct Ends {
    here: Sessions<u32, Pure>,
    there: Sessions<u32, Pure>,
    /// What has happened, here and there.
    told: [Vec<String>; 2],
}

fn credentials(account: &typed::Security) -> ClientCredentials {
    ClientCredentials::of(account, "server").unwrap()
}

fn tell(told: &mut Vec<String>, event: &Event<'_, u32>) {
    told.push(match event {
        Event::Connected { peer, .. } => format!("connected {peer}"),
        Event::Payload { payload, .. } => String::from_utf8_lossy(payload).into_owned(),
        Event::Ended { why, .. } => format!("ended: {why}"),
        Event::Failed { address, why } => format!("{address} failed: {why}"),
    });
}

impl Ends {
    fn new(bounds: Bounds) -> Self {
        Self {
            here: Sessions::new(client_stack(), bounds),
            there: Sessions::new(server_stack(), Bounds::server(1)),
            told: [Vec::new(), Vec::new()],
        }
    }

    fn connect(&mut self, account: &typed::Security) -> Result<(), ConnectError> {
        let [here, _] = &mut self.told;
        let keys = credentials(account);
        self.here
            .connect(NOW, &THERE, &keys, &mut |event| tell(here, &event))
    }

    /// Takes all datagrams to the other end, until there are none.
    fn run(&mut self) {
        let [here, there] = &mut self.told;
        loop {
            let mut any = false;
            while let Some((to, datagram)) = self.here.poll_transmit() {
                assert_eq!(to, THERE);
                any = true;
                let _ = self
                    .there
                    .handle_datagram(NOW, &HERE, &datagram, &mut |event| tell(there, &event));
            }
            while let Some((to, datagram)) = self.there.poll_transmit() {
                assert_eq!(to, HERE);
                any = true;
                let _ = self
                    .here
                    .handle_datagram(NOW, &THERE, &datagram, &mut |event| tell(here, &event));
            }
            if !any {
                return;
            }
        }
    }
}

#[test]
fn a_session_that_is_begun_here_is_one_at_both_ends() {
    for account in [known_psk(), known_certificate()] {
        let mut ends = Ends::new(Bounds::server(1));
        ends.connect(&account).unwrap();
        assert_eq!(ends.here.usage().begun, 1);
        ends.run();
        let [here, there] = &ends.told;
        assert!(here[0].starts_with("connected "), "{here:?}");
        assert!(there[0].starts_with("connected "), "{there:?}");
        for sessions in [&ends.here, &ends.there] {
            let usage = sessions.usage();
            assert_eq!((usage.proved, usage.begun, usage.established), (0, 0, 1));
        }
        ends.here.send(NOW, 0, b"over there", &mut |_| {}).unwrap();
        ends.there.send(NOW, 0, b"over here", &mut |_| {}).unwrap();
        ends.run();
        assert_eq!(ends.told[0][1], "over here");
        assert_eq!(ends.told[1][1], "over there");
        ends.here.close(NOW, 0, &mut |_| {});
        ends.run();
        assert_eq!(ends.told[1][2], "ended: the peer has closed the session");
        assert_eq!(ends.here.usage().addresses, 0);
        assert_eq!(ends.there.usage().addresses, 0);
    }
}

#[test]
fn a_handshake_with_a_message_that_is_too_long_for_a_datagram_fails_at_once_at_either_end() {
    let mut short = Bounds::server(1);
    // Less than a ClientHello.
    short.datagram = 40;
    let mut ends = Ends::new(short);
    ends.connect(&known_certificate()).unwrap();
    assert_eq!(ends.told[0].len(), 1, "{:?}", ends.told);
    assert!(ends.told[0][0].contains("too long"), "{:?}", ends.told);
    assert_eq!(ends.here.usage().addresses, 0);
    // Less than a certificate.
    short.datagram = 200;
    let mut ends = Ends::new(Bounds::server(1));
    ends.there = Sessions::new(server_stack(), short);
    ends.connect(&known_certificate()).unwrap();
    ends.run();
    assert_eq!(ends.told[1].len(), 1, "{:?}", ends.told);
    assert!(ends.told[1][0].contains("too long"), "{:?}", ends.told);
    assert_eq!(ends.there.usage().addresses, 0);
}

#[test]
fn what_is_proved_of_a_client_that_accepts_is_the_identity_of_its_key() {
    let mut ends = Ends::new(Bounds::server(1));
    ends.connect(&known_psk()).unwrap();
    ends.run();
    let proven = ProvenIdentity::Psk(b"device".to_vec());
    assert_eq!(ends.here.peer(0), Some(&proven));
    assert_eq!(ends.there.peer(0), Some(&proven));
}

#[test]
fn a_client_that_can_t_be_reached_is_told_once() {
    for account in [known_psk(), psk("device", &key(9)), psk("nobody", &key(1))] {
        let mut ends = Ends::new(Bounds::server(1));
        ends.connect(&account).unwrap();
        if account != known_psk() {
            ends.run();
        }
        let [here, _] = &mut ends.told;
        while let Some(at) = ends.here.poll_timeout() {
            ends.here
                .handle_timeout(at, &mut |event| tell(here, &event));
        }
        assert_eq!(here.len(), 1, "{here:?}");
        assert!(here[0].starts_with("7 failed: "), "{here:?}");
        assert_eq!(ends.here.usage().addresses, 0);
    }
}

#[test]
fn handshakes_that_are_begun_here_are_bounded() {
    let mut bounds = Bounds::server(1);
    bounds.begun = 2;
    let mut ends = Ends::new(bounds);
    let keys = credentials(&known_psk());
    for to in [1, 2] {
        ends.here.connect(NOW, &to, &keys, &mut |_| {}).unwrap();
    }
    let busy = ends.here.connect(NOW, &3, &keys, &mut |_| {});
    assert_eq!(busy, Err(ConnectError::Busy(2)));
    assert_eq!(ends.here.usage().begun, 2);
}

#[test]
fn no_second_handshake_is_begun_with_the_same_address() {
    let mut ends = Ends::new(Bounds::server(1));
    ends.connect(&known_psk()).unwrap();
    assert_eq!(ends.connect(&known_psk()), Err(ConnectError::UnderWay));
    ends.run();
    assert_eq!(ends.told[0], ["connected \"device\" (PSK)"]);
}

/// Both ends begin a handshake with the other one.
fn crossing(account: &typed::Security) -> Ends {
    let mut ends = Ends::new(Bounds::server(1));
    ends.here = Sessions::new(server_stack(), Bounds::server(1));
    ends.there = Sessions::new(server_stack(), Bounds::server(1));
    ends.connect(account).unwrap();
    let keys = credentials(account);
    ends.there.connect(NOW, &HERE, &keys, &mut |_| {}).unwrap();
    ends
}

#[test]
fn a_handshake_that_the_peer_begins_goes_on_beside_it() {
    let account = known_psk();
    let mut ends = crossing(&account);
    // What is sent from here is lost, and sent again in time.
    while ends.here.poll_transmit().is_some() {}
    ends.run();
    let connected = "connected \"device\" (PSK)";
    assert_eq!(ends.told[0][..], [connected]);
    let usage = ends.here.usage();
    assert_eq!((usage.proved, usage.begun, usage.established), (0, 1, 1));
    while ends.here.usage().begun > 0 {
        let [here, _] = &mut ends.told;
        let at = ends.here.poll_timeout().unwrap();
        ends.here
            .handle_timeout(at, &mut |event| tell(here, &event));
        ends.run();
    }
    let ended = "ended: the peer has begun a new session";
    assert_eq!(ends.told[0][1..], [connected, ended]);
    let usage = ends.here.usage();
    assert_eq!((usage.proved, usage.begun, usage.established), (0, 0, 1));
}

#[test]
fn two_handshakes_that_cross_are_both_completed() {
    for account in [known_psk(), known_certificate()] {
        let mut ends = crossing(&account);
        ends.run();
        for told in &ends.told {
            let connected = told.iter().filter(|told| told.starts_with("connected "));
            assert_eq!(connected.count(), 2, "{told:?}");
            let failed = told.iter().any(|told| told.contains("failed"));
            assert!(!failed, "{told:?}");
        }
        for sessions in [&ends.here, &ends.there] {
            let usage = sessions.usage();
            assert_eq!((usage.proved, usage.begun, usage.established), (0, 0, 1));
        }
    }
}

#[test]
fn a_session_that_is_begun_here_replaces_the_one_of_its_address() {
    let mut ends = Ends::new(Bounds::server(1));
    ends.connect(&known_psk()).unwrap();
    ends.run();
    ends.connect(&known_psk()).unwrap();
    // The old one is served meanwhile.
    ends.there.send(NOW, 0, b"still here", &mut |_| {}).unwrap();
    ends.run();
    let [here, there] = &ends.told;
    let connected = "connected \"device\" (PSK)";
    let ended = "ended: the peer has begun a new session";
    assert_eq!(here[..], [connected, "still here", connected, ended]);
    assert_eq!(there[..], [connected, connected, ended]);
    assert_eq!(ends.here.usage().established, 1);
}

#[test]
fn a_handshake_that_is_begun_here_ends_by_time() {
    let mut bounds = Bounds::server(1);
    bounds.handshake_for = Duration::from_secs(5);
    let mut ends = Ends::new(bounds);
    ends.connect(&known_psk()).unwrap();
    let [here, _] = &mut ends.told;
    let until = NOW + Duration::from_secs(5);
    ends.here
        .handle_timeout(until, &mut |event| tell(here, &event));
    assert_eq!(here.len(), 1, "{here:?}");
    assert_eq!(ends.here.poll_timeout(), None);
}
