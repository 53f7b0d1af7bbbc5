//! To which session of an address a datagram goes, and how many there may be.

use core::time::Duration;

use lwm2m_core::Instant;
use lwm2m_examples::secure::{
    credentials::ClientCredentials,
    pure::{Pure, PureSession},
    record,
    session::{DtlsSession, DtlsStack, Output, SessionError},
    sessions::{Bounds, End, Event, Sessions, Useless},
};

use lwm2m_objects::typed;

use crate::{
    keys::key,
    world::{client_stack, known_psk, psk, server_stack},
};

const NOW: Instant = Instant::ZERO;
const ADDRESS: u32 = 7;

fn client() -> PureSession {
    client_of(&known_psk())
}

fn client_of(account: &typed::Security) -> PureSession {
    let keys = ClientCredentials::of(account, "server").unwrap();
    client_stack().connect(NOW, &keys).unwrap()
}

fn sessions(bounds: Bounds) -> Sessions<u32, Pure> {
    Sessions::new(server_stack(), bounds)
}

/// What a session has to send, each record in a datagram of its own.
fn records_of(session: &mut PureSession) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    session.drain(&mut |output| {
        if let Output::Datagram(mut rest) = output {
            while let Some(record) = record::first(rest) {
                let (one, others) = rest.split_at(13 + record.fragment.len());
                all.push(one.to_vec());
                rest = others;
            }
        }
    });
    all
}

/// One flight of the client, and the answers to it. Returns what happened at the server.
fn turn(sessions: &mut Sessions<u32, Pure>, address: u32, client: &mut PureSession) -> Vec<String> {
    let mut events = Vec::new();
    for datagram in records_of(client) {
        let taken = sessions.handle_datagram(NOW, &address, &datagram, &mut |event| {
            events.push(match event {
                Event::Connected { number, .. } => format!("connected {number}"),
                Event::Payload { payload, .. } => String::from_utf8_lossy(payload).into_owned(),
                Event::Ended { number, why, .. } => format!("ended {number}: {why}"),
                Event::Failed { why, .. } => format!("failed: {why}"),
            });
        });
        taken.unwrap();
    }
    while let Some((to, datagram)) = sessions.poll_transmit() {
        if to == address {
            client.handle_datagram(NOW, &datagram).unwrap();
        }
    }
    events
}

/// The three flights of a client.
fn connect(
    sessions: &mut Sessions<u32, Pure>,
    address: u32,
    client: &mut PureSession,
) -> Vec<String> {
    let turns = [(); 3].map(|()| turn(sessions, address, client));
    turns.concat()
}

#[test]
fn the_last_message_of_a_handshake_finds_it_beside_the_old_session() {
    let mut sessions = sessions(Bounds::server(1));
    let mut old = client();
    assert_eq!(connect(&mut sessions, ADDRESS, &mut old), ["connected 0"]);
    let mut new = client();
    for _ in 0..2 {
        assert_eq!(turn(&mut sessions, ADDRESS, &mut new), [""; 0]);
        // The old one is served until the new one is complete.
        old.send(NOW, b"still here").unwrap();
        assert_eq!(turn(&mut sessions, ADDRESS, &mut old), ["still here"]);
    }
    let events = turn(&mut sessions, ADDRESS, &mut new);
    let [connected, ended] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(ended, &format!("ended 0: {}", End::Replaced));
    assert!(connected.starts_with("connected "), "{connected}");
    new.send(NOW, b"here").unwrap();
    assert_eq!(turn(&mut sessions, ADDRESS, &mut new), ["here"]);
    old.send(NOW, b"gone").unwrap();
    assert_eq!(turn(&mut sessions, ADDRESS, &mut old), [""; 0]);
    assert_eq!(sessions.usage().addresses, 1);
}

/// A session is refused that a peer begins at this address. It has another one.
fn assert_refused_without_loss(bounds: Bounds, at: u32) {
    let mut sessions = sessions(bounds);
    let mut first = client();
    assert_eq!(connect(&mut sessions, ADDRESS, &mut first), ["connected 0"]);
    let mut second = client();
    for _ in 0..2 {
        assert_eq!(turn(&mut sessions, at, &mut second), [""; 0]);
    }
    for datagram in records_of(&mut second) {
        let taken = sessions.handle_datagram(NOW, &at, &datagram, &mut |event| match event {
            Event::Connected { refused, .. } => refused.set(true),
            other => panic!("{other:?}"),
        });
        taken.unwrap();
    }
    let usage = sessions.usage();
    assert_eq!((usage.established, usage.addresses), (1, 1));
    assert_eq!((usage.unproved, usage.proved), (0, 0));
    // The refused one is closed.
    let mut closed = false;
    while let Some((to, datagram)) = sessions.poll_transmit() {
        assert_eq!(to, at);
        second.handle_datagram(NOW, &datagram).unwrap();
        second.drain(&mut |output| closed |= matches!(output, Output::Closed));
    }
    assert!(closed);
    first.send(NOW, b"still here").unwrap();
    assert_eq!(turn(&mut sessions, ADDRESS, &mut first), ["still here"]);
}

#[test]
fn a_refused_session_leaves_the_one_that_its_peer_has_elsewhere() {
    assert_refused_without_loss(Bounds::device(1), ADDRESS + 1);
}

#[test]
fn a_refused_session_leaves_the_one_before_at_its_address() {
    for bounds in [Bounds::device(1), Bounds::server(1)] {
        assert_refused_without_loss(bounds, ADDRESS);
    }
}

#[test]
fn a_client_that_begins_again_within_a_handshake_gets_in() {
    let mut sessions = sessions(Bounds::server(1));
    let mut first = client();
    turn(&mut sessions, ADDRESS, &mut first);
    turn(&mut sessions, ADDRESS, &mut first);
    assert_eq!(sessions.usage().proved, 1);
    let mut second = client();
    turn(&mut sessions, ADDRESS, &mut second);
    assert_eq!((sessions.usage().unproved, sessions.usage().proved), (1, 1));
    turn(&mut sessions, ADDRESS, &mut second);
    assert_eq!((sessions.usage().unproved, sessions.usage().proved), (0, 1));
    let events = turn(&mut sessions, ADDRESS, &mut second);
    assert!(
        matches!(&events[..], [event] if event.starts_with("connected")),
        "{events:?}"
    );
    let usage = sessions.usage();
    assert_eq!(
        (usage.proved, usage.established, usage.addresses),
        (0, 1, 1)
    );
}

#[test]
fn forged_records_do_not_end_a_handshake() {
    let mut sessions = sessions(Bounds::server(1));
    let mut client = client();
    turn(&mut sessions, ADDRESS, &mut client);
    turn(&mut sessions, ADDRESS, &mut client);
    let flight = records_of(&mut client);
    let (finished, before) = flight.split_last().unwrap();
    let forged = (1..100_u8).map(|bits| {
        let mut forged = finished.clone();
        *forged.last_mut().unwrap() ^= bits;
        // Its sequence number.
        forged[10] = bits;
        forged
    });
    let forged: Vec<_> = forged.collect();
    let mut connected = false;
    for datagram in before.iter().chain(&forged).chain([finished]) {
        let taken = sessions.handle_datagram(NOW, &ADDRESS, datagram, &mut |event| {
            assert!(matches!(event, Event::Connected { .. }), "{event:?}");
            connected = true;
        });
        taken.unwrap();
    }
    assert!(connected);
}

/// A ClientHello of somebody else.
fn forged(hello: &[u8], number: u32) -> Vec<u8> {
    let mut hello = hello.to_vec();
    // In the random, behind the headers of record and message, and the version.
    for at in [27, 55] {
        hello[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
    hello
}

#[test]
fn a_flood_at_the_bound_within_a_round_trip_leaves_some_in() {
    let mut through = 0;
    for seed in 0..40 {
        let mut bounds = Bounds::server(1);
        bounds.unproved = 64;
        bounds.seed = seed;
        let mut sessions = sessions(bounds);
        let mut client = client();
        let hello = records_of(&mut client).remove(0);
        sessions
            .handle_datagram(NOW, &ADDRESS, &hello, &mut |_| {})
            .unwrap();
        let (_, request) = sessions.poll_transmit().unwrap();
        for number in 0..96 {
            let hello = forged(&hello, number);
            sessions
                .handle_datagram(NOW, &(100 + number), &hello, &mut |_| {})
                .unwrap();
            while sessions.poll_transmit().is_some() {}
        }
        assert_eq!(sessions.usage().unproved, 64);
        client.handle_datagram(NOW, &request).unwrap();
        turn(&mut sessions, ADDRESS, &mut client);
        through += sessions.usage().proved;
    }
    // 60 % are expected; if the oldest had to go, none would get through.
    assert!((12..36).contains(&through), "{through}");
}

#[test]
fn an_address_has_few_handshakes_that_are_unproved() {
    let mut sessions = sessions(Bounds::server(1));
    let mut other = client();
    turn(&mut sessions, 1, &mut other);
    let hello = records_of(&mut client()).remove(0);
    for number in 0..5_000 {
        let hello = forged(&hello, number);
        sessions
            .handle_datagram(NOW, &ADDRESS, &hello, &mut |_| {})
            .unwrap();
        assert!(sessions.usage().unproved <= 1 + 8);
        while sessions.poll_transmit().is_some() {}
    }
    // Nobody else has had to go.
    turn(&mut sessions, 1, &mut other);
    assert_eq!(sessions.usage().proved, 1);
}

/// A part of a handshake message that never becomes whole.
fn fragment(number: u8) -> Vec<u8> {
    let message = [16, 0, 2, 0, 0, 9, 0, 0, number, 0, 0, 1, 7];
    let header = [22, 254, 253, 0, 0, 0, 0, 0, 0, 1, number, 0, 13];
    [header, message].concat()
}

#[test]
fn forged_fragments_end_no_handshake_before_its_time() {
    let mut sessions = sessions(Bounds::server(1));
    let mut client = client();
    turn(&mut sessions, ADDRESS, &mut client);
    turn(&mut sessions, ADDRESS, &mut client);
    for number in 1..100 {
        let taken = sessions.handle_datagram(NOW, &ADDRESS, &fragment(number), &mut |event| {
            panic!("{event:?}");
        });
        taken.unwrap();
    }
    assert_eq!(sessions.usage().proved, 1);
    // A quarter of the time of a handshake.
    let mut failed = Vec::new();
    for second in 0..=10 {
        assert!(failed.is_empty(), "{failed:?} before {second} s");
        sessions.handle_timeout(Instant::from_secs(second), &mut |event| {
            failed.push(format!("{event:?}"));
        });
    }
    assert_eq!(failed.len(), 1, "{failed:?}");
}

#[test]
fn a_client_that_offers_too_little_is_told() {
    /// The extension of an extended master secret (RFC 7627), and one that nobody knows.
    const EXTENSION: [u8; 4] = [0, 23, 0, 0];
    const UNKNOWN: [u8; 4] = [0xfa, 0xfa, 0, 0];
    let mut sessions = sessions(Bounds::server(1));
    let mut client = client();
    let mut failed = Vec::new();
    for _ in 0..2 {
        assert!(failed.is_empty(), "{failed:?} without a cookie");
        for mut datagram in records_of(&mut client) {
            let mut places = datagram.windows(4);
            let at = places.position(|bytes| bytes == EXTENSION).unwrap();
            datagram[at..at + 4].copy_from_slice(&UNKNOWN);
            let taken = sessions.handle_datagram(NOW, &ADDRESS, &datagram, &mut |event| {
                failed.push(matches!(
                    event,
                    Event::Failed {
                        why: SessionError::Incompatible(_),
                        ..
                    }
                ));
            });
            taken.unwrap();
        }
        while let Some((_, datagram)) = sessions.poll_transmit() {
            client.handle_datagram(NOW, &datagram).unwrap();
        }
    }
    assert_eq!(failed, [true]);
    assert_eq!(sessions.usage().addresses, 0);
}

#[test]
fn handshakes_that_go_no_further_are_bounded_and_end() {
    let mut bounds = Bounds::server(1);
    bounds.proved = 4;
    bounds.handshake_for = Duration::from_secs(20);
    let mut sessions = sessions(bounds);
    let mut clients: Vec<_> = (0..10).map(|address| (address, client())).collect();
    for (address, client) in &mut clients {
        turn(&mut sessions, *address, client);
        turn(&mut sessions, *address, client);
        assert!(sessions.usage().proved <= 4);
    }
    assert_eq!(sessions.usage().addresses, 4);
    let (last, client) = clients.last_mut().unwrap();
    let events = turn(&mut sessions, *last, client);
    assert!(
        matches!(&events[..], [event] if event.starts_with("connected")),
        "{events:?}"
    );
    let mut failed = 0;
    for second in 0..=20 {
        sessions.handle_timeout(Instant::from_secs(second), &mut |event| {
            assert!(matches!(event, Event::Failed { .. }), "{event:?}");
            failed += 1;
        });
    }
    assert_eq!((failed, sessions.usage().addresses), (3, 1));
}

#[test]
fn a_device_whose_address_changes_leaves_no_more_than_one_session_behind() {
    let mut sessions = sessions(Bounds::server(1));
    let mut ended = Vec::new();
    for address in 0..20 {
        let events = connect(&mut sessions, address, &mut client());
        let connected = events.iter().filter(|event| event.starts_with("connected"));
        assert_eq!(connected.count(), 1, "{events:?}");
        ended.extend(
            events
                .into_iter()
                .filter(|event| event.starts_with("ended")),
        );
        assert!(sessions.usage().established <= 2);
    }
    assert_eq!(ended.len(), 18);
    let why = End::Superseded.to_string();
    assert!(ended.iter().all(|event| event.ends_with(&why)), "{ended:?}");
    assert_eq!(sessions.usage().addresses, 2);
}

#[test]
fn one_key_does_not_displace_the_sessions_of_others() {
    let mut bounds = Bounds::server(1);
    bounds.established = 4;
    let mut sessions = sessions(bounds);
    let mut sleeper = client_of(&psk("other", &key(2)));
    connect(&mut sessions, 0, &mut sleeper);
    let mut used = client();
    connect(&mut sessions, 1, &mut used);
    for address in 2..12 {
        let events = connect(&mut sessions, address, &mut client());
        assert!(
            events.iter().any(|event| event.starts_with("connected")),
            "{events:?}"
        );
        // The one that is idle for longest goes, not the oldest.
        used.send(NOW, b"in use").unwrap();
        assert_eq!(turn(&mut sessions, 1, &mut used), ["in use"]);
    }
    assert_eq!(sessions.usage().established, 3);
    sleeper.send(NOW, b"awake").unwrap();
    assert_eq!(turn(&mut sessions, 0, &mut sleeper), ["awake"]);
}

#[test]
fn what_belongs_to_no_session_is_useless() {
    let mut established = client();
    let mut other = sessions(Bounds::server(1));
    connect(&mut other, ADDRESS, &mut established);
    established.send(NOW, b"hello").unwrap();
    let mut sessions = sessions(Bounds::server(1));
    for datagram in records_of(&mut established) {
        let taken = sessions.handle_datagram(NOW, &ADDRESS, &datagram, &mut |_| {});
        assert_eq!(taken, Err(Useless::NoSession));
    }
    let taken = sessions.handle_datagram(NOW, &ADDRESS, b"hello", &mut |_| {});
    assert_eq!(taken, Err(Useless::NoRecord));
    assert_eq!(sessions.poll_timeout(), None);
}
