//! Datagrams of somebody else.

use lwm2m_core::Instant;
use lwm2m_examples::secure::session::{DtlsSession, SessionError};
use lwm2m_examples::secure::suite::Suite;
use lwm2m_examples::secure::system::Settings;

use super::support::{End, HOST, NOW, Pair, World, psk};

/// A record (RFC 6347 §4.1).
fn record(content_type: u8, epoch: u8, sequence: u8, fragment: &[u8]) -> Vec<u8> {
    let length = u16::try_from(fragment.len()).unwrap().to_be_bytes();
    let header = [content_type, 254, 253, 0, epoch, 0, 0, 0, 0, 0, sequence];
    [&header[..], &length, fragment].concat()
}

/// A ClientHello with no more than a header that fits.
fn hello() -> Vec<u8> {
    let mut hello = vec![1, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 60];
    hello.extend([0xFE; 60]);
    record(22, 0, 9, &hello)
}

fn hostile() -> Vec<Vec<u8>> {
    let mut all = vec![
        Vec::new(),
        vec![0],
        vec![22],
        b"\x40\x01\x12\x34\xb1a".to_vec(),
        (0..=255).collect(),
        hello(),
        // Longer than the datagram.
        record(23, 1, 200, &[1; 40])[..30].to_vec(),
    ];
    for epoch in [0, 1, 2] {
        for content_type in [0, 20, 21, 22, 23, 24, 25, 255] {
            all.push(record(content_type, epoch, 200, &[2, 40]));
            all.push(record(content_type, epoch, 201, &[1, 0]));
            all.push(record(content_type, epoch, 202, &[0x5A; 40]));
            all.push(record(content_type, epoch, 203, &[]));
            all.push(record(content_type, epoch, 204, &[1]));
        }
    }
    all
}

fn assert_unmoved(end: &End, datagram: &[u8]) {
    assert_eq!(end.error, None, "{datagram:02x?}");
    assert!(end.out.is_empty(), "answered {datagram:02x?}");
    assert!(end.payloads.is_empty() && !end.closed, "{datagram:02x?}");
}

#[test]
fn an_established_session_is_moved_by_nothing_forged() {
    for suite in Suite::ALL {
        let world = World::offering(&[suite]);
        let mut pair = world.pair(&world.keys_for(suite));
        pair.assert_works();
        for datagram in hostile() {
            pair.client.take(NOW, &datagram);
            assert_unmoved(&pair.client, &datagram);
            pair.server.take(NOW, &datagram);
            assert_unmoved(&pair.server, &datagram);
        }
        pair.assert_works();
    }
}

#[test]
fn each_changed_bit_of_a_record_is_seen() {
    for suite in Suite::ALL {
        let world = World::offering(&[suite]);
        let mut pair = world.pair(&world.keys_for(suite));
        let sealed = pair.client.seal(b"hello");
        for bit in 0..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            pair.server.take(NOW, &forged);
            assert_unmoved(&pair.server, &forged);
        }
        pair.server.take(NOW, &sealed);
        assert_eq!(pair.server.payloads.pop().as_deref(), Some(&b"hello"[..]));
        pair.assert_works();
    }
}

#[test]
fn forged_records_of_any_length_are_dropped_in_and_after_a_handshake() {
    for suite in Suite::ALL {
        let world = World::offering(&[suite]);
        let (mut client, mut server) = (world.client_stack(), world.server_stack());
        let keys = world.keys_for(suite);
        let mut pair = Pair::try_begin(&mut client, &mut server, &keys).unwrap();
        loop {
            for length in 0..=100 {
                let forged = record(23, 1, 250, &vec![0x5A; length]);
                pair.client.take(NOW, &forged);
                pair.server.take(NOW, &forged);
                for end in [&pair.client, &pair.server] {
                    assert_eq!(end.error, None, "{suite}, {length}");
                }
            }
            if !(pair.pass_to_server(NOW) | pair.pass_to_client(NOW)) {
                break;
            }
        }
        pair.assert_works();
    }
}

#[test]
fn a_record_counts_once_in_whatever_order() {
    let world = World::new();
    let mut pair = world.pair(&psk());
    let records: Vec<_> = (0..5_u8).map(|n| pair.client.seal(&[n])).collect();
    for n in [3, 0, 4, 0, 2, 1, 3, 4] {
        pair.server.take(NOW, &records[n]);
    }
    let numbers: Vec<u8> = pair.server.payloads.drain(..).flatten().collect();
    assert_eq!(numbers, [3, 0, 4, 2, 1]);
    pair.assert_works();
}

#[test]
fn several_records_may_share_a_datagram() {
    let world = World::new();
    let mut pair = world.pair(&psk());
    let first = pair.client.seal(b"first");
    let forged = record(23, 1, 250, &[3; 40]);
    let second = pair.client.seal(b"second");
    pair.server.take(NOW, &[first, forged, second].concat());
    assert_eq!(pair.server.payloads, [&b"first"[..], b"second"]);
}

#[test]
fn a_payload_of_any_length_is_read_after_a_datagram_of_any_length() {
    let world = World::new();
    let mut pair = world.pair(&psk());
    for length in [1, 16_384, 2, 16_383] {
        let payload = vec![7; length];
        let sealed = pair.client.seal(&payload);
        pair.server.take(NOW, &record(23, 1, 250, &vec![3; 65_000]));
        pair.server.take(NOW, &sealed);
        assert_eq!(pair.server.payloads.pop(), Some(payload));
    }
}

#[test]
fn a_spoofed_alert_does_not_end_a_handshake() {
    let world = World::new();
    for credentials in [psk(), world.certificate(HOST)] {
        // Before each datagram, to both.
        let (mut client, mut server) = (world.client_stack(), world.server_stack());
        let mut pair = Pair::try_begin(&mut client, &mut server, &credentials).unwrap();
        loop {
            for description in [0, 10, 40, 115] {
                for level in [1, 2, 3] {
                    let alert = record(21, 0, 7, &[level, description]);
                    pair.client.take(NOW, &alert);
                    pair.server.take(NOW, &alert);
                }
            }
            if !(pair.pass_to_server(NOW) | pair.pass_to_client(NOW)) {
                break;
            }
        }
        pair.assert_works();
        assert_eq!(pair.client.session.poll_timeout(), None);
    }
}

#[test]
fn an_alert_that_nothing_disproves_ends_a_handshake_before_its_time() {
    let world = World::new();
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let mut pair = Pair::try_begin(&mut client, &mut server, &psk()).unwrap();
    pair.client.take(NOW, &record(21, 0, 7, &[2, 40]));
    let until = NOW + Settings::default().grace;
    let before = Instant::from_millis(until.as_millis() - 1);
    pair.client.wait(before);
    assert_eq!(pair.client.error, None);
    assert_eq!(pair.client.session.poll_timeout(), Some(until));
    pair.client.wait(until);
    assert_eq!(pair.client.error, Some(SessionError::Alert(40)));
}

#[test]
fn an_alert_is_disproved_when_the_handshake_goes_on() {
    let world = World::new();
    // With each datagram that follows; the last one ends the handshake.
    for followed_by in 1..=3 {
        let (mut client, mut server) = (world.client_stack(), world.server_stack());
        let mut pair = Pair::try_begin(&mut client, &mut server, &psk()).unwrap();
        for step in 1..=followed_by {
            if step == followed_by {
                pair.client.take(NOW, &record(21, 0, 7, &[2, 40]));
            }
            while !pair.client.out.is_empty() {
                pair.pass_to_server(NOW);
            }
            pair.pass_to_client(NOW);
        }
        pair.client.wait(NOW + Settings::default().grace);
        assert_eq!(pair.client.error, None, "{followed_by}");
        pair.settle(NOW);
        pair.assert_works();
    }
}

#[test]
fn garbage_does_not_end_a_handshake() {
    let world = World::new();
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let mut pair = Pair::try_begin(&mut client, &mut server, &psk()).unwrap();
    // OpenSSL can't tell a forged message with the right number from the peer's.
    let garbage: Vec<_> = hostile()
        .into_iter()
        .filter(|datagram| *datagram != hello())
        .collect();
    loop {
        for datagram in &garbage {
            pair.client.take(NOW, datagram);
            pair.server.take(NOW, datagram);
            assert_eq!(pair.client.error, None, "{datagram:02x?}");
            assert_eq!(pair.server.error, None, "{datagram:02x?}");
        }
        if !(pair.pass_to_server(NOW) | pair.pass_to_client(NOW)) {
            break;
        }
    }
    pair.assert_works();
}

/// Delivers each datagram twice, and all of them once more in the end.
fn deliver_twice(pair: &mut Pair) {
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    loop {
        if let Some(datagram) = pair.client.out.pop_front() {
            pair.server.take(NOW, &datagram);
            pair.server.take(NOW, &datagram);
            to_server.push(datagram);
        } else if let Some(datagram) = pair.server.out.pop_front() {
            pair.client.take(NOW, &datagram);
            pair.client.take(NOW, &datagram);
            to_client.push(datagram);
        } else {
            break;
        }
    }
    for datagram in to_server {
        pair.server.take(NOW, &datagram);
        assert_unmoved(&pair.server, &datagram);
    }
    for datagram in to_client {
        pair.client.take(NOW, &datagram);
        assert_unmoved(&pair.client, &datagram);
    }
}

#[test]
fn repeated_datagrams_do_no_harm() {
    for suite in Suite::ALL {
        let world = World::offering(&[suite]);
        let credentials = world.keys_for(suite);
        let (mut client, mut server) = (world.client_stack(), world.server_stack());
        // A full handshake, then a resumed one.
        for resumed in [false, true] {
            let mut pair = Pair::try_begin(&mut client, &mut server, &credentials).unwrap();
            deliver_twice(&mut pair);
            pair.assert_works();
            assert_eq!(pair.server.resumed(), resumed, "{suite}");
        }
    }
}

#[test]
fn a_client_hello_is_answered_with_a_cookie_and_nothing_costly() {
    let world = World::new();
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let mut pair = Pair::try_begin(&mut client, &mut server, &psk()).unwrap();
    let hello = pair.client.out.pop_front().unwrap();
    pair.server.take(NOW, &hello);
    let answer = pair.server.out.pop_front().unwrap();
    // HelloVerifyRequest (RFC 6347 §4.2.1).
    assert_eq!((answer[0], answer[13]), (22, 3));
    assert!(answer.len() < hello.len());
    assert!(pair.server.out.is_empty());
}

#[test]
fn a_goodbye_without_protection_is_none() {
    let world = World::new();
    let mut pair = world.pair(&psk());
    pair.server.take(NOW, &record(21, 0, 200, &[1, 0]));
    assert!(!pair.server.closed);
    pair.assert_works();
    pair.client.close();
    pair.settle(NOW);
    assert!(pair.server.closed);
}
