//! Arbitrary datagrams, to whoever begins sessions or has others begin them.

use core::time::Duration;

use lwm2m_core::Instant;
use lwm2m_examples::secure::{
    client::SecureClient,
    credentials::{ClientCredentials, Expiry},
    listening::{ClientWay, ListeningClient},
    pure::{Pure, PureOptions},
    record::{self, HANDSHAKE},
    session::{DtlsSession as _, DtlsStack as _, Output},
    sessions::{Bounds, Event, Sessions, Usage},
};
use lwm2m_statemachine::{Datagram, Machine as _};
use proptest::prelude::*;

use crate::{
    inbound_world::{bootstrap_psk, bootstrapped, first_key, reaching_psk},
    world::{client_stack, known_psk, server_stack},
};

/// How many addresses the datagrams come from.
const ADDRESSES: u8 = 4;

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// A record of these bytes comes from an address.
    Record(u8, u8, u16, Vec<u8>),
    /// A handshake message of this type, number and content.
    Message(u8, u8, u8, Vec<u8>),
    /// A datagram of an honest handshake, with a change.
    Honest {
        from: u8,
        which: usize,
        at: usize,
        flip: u8,
    },
    /// These bytes come.
    Bytes(u8, Vec<u8>),
    /// This end begins a handshake.
    Connect(u8),
    /// Time passes, in milliseconds.
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..80);
    let from = || 0..ADDRESSES;
    let step = prop_oneof![
        (from(), 19_u8..26, 0_u16..3, bytes())
            .prop_map(|(from, kind, epoch, bytes)| Step::Record(from, kind, epoch, bytes)),
        (from(), 0_u8..24, 0_u8..6, bytes())
            .prop_map(|(from, kind, number, bytes)| Step::Message(from, kind, number, bytes)),
        (from(), 0_usize..8, 0_usize..200, any::<u8>()).prop_map(|(from, which, at, flip)| {
            Step::Honest {
                from,
                which,
                at,
                flip,
            }
        }),
        (from(), bytes()).prop_map(|(from, bytes)| Step::Bytes(from, bytes)),
        from().prop_map(Step::Connect),
        (0_u64..20_000).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..40)
}

fn record_of(content_type: u8, epoch: u16, fragment: &[u8]) -> Vec<u8> {
    let mut bytes = vec![content_type, 254, 253];
    bytes.extend(epoch.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 0, 9]);
    bytes.extend(u16::try_from(fragment.len()).unwrap().to_be_bytes());
    bytes.extend(fragment);
    bytes
}

/// The datagrams of a handshake, of both ends.
fn honest(keys: &ClientCredentials) -> Vec<Vec<u8>> {
    let now = Instant::ZERO;
    let mut ends = [
        client_stack().connect(now, keys).unwrap(),
        server_stack().accept(now).unwrap(),
    ];
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut flight: Vec<Vec<u8>> = Vec::new();
    for turn in 0..8 {
        let end = &mut ends[turn % 2];
        for datagram in core::mem::take(&mut flight) {
            let _ = end.handle_datagram(now, &datagram);
        }
        end.drain(&mut |output| {
            if let Output::Datagram(datagram) = output {
                flight.push(datagram.to_vec());
            }
        });
        all.extend(flight.iter().cloned());
    }
    all
}

/// From where, and what; nothing if it is another step.
fn datagram(step: &Step, honest: &[Vec<u8>]) -> Option<(u8, Vec<u8>)> {
    match step {
        Step::Record(from, kind, epoch, bytes) => Some((*from, record_of(*kind, *epoch, bytes))),
        Step::Message(from, kind, number, body) => {
            let length = u8::try_from(body.len()).unwrap();
            let mut message = vec![*kind, 0, 0, length, 0, *number, 0, 0, 0, 0, 0, length];
            message.extend(body);
            Some((*from, record_of(HANDSHAKE, 0, &message)))
        }
        Step::Honest {
            from,
            which,
            at,
            flip,
        } => {
            let mut datagram = honest.get(*which)?.clone();
            if let Some(byte) = datagram.get_mut(*at) {
                *byte ^= flip;
            }
            Some((*from, datagram))
        }
        Step::Bytes(from, bytes) => Some((*from, bytes.clone())),
        Step::Connect(_) | Step::Wait(_) => None,
    }
}

fn keys() -> ClientCredentials {
    ClientCredentials::of(&known_psk(), "server").unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No key is proved by chance, each handshake that was begun ends and is told, and nothing stays.
    #[test]
    fn an_end_that_begins_handshakes_stands_any_datagrams(steps in steps()) {
        let honest = honest(&keys());
        let mut bounds = Bounds::server(1);
        (bounds.proved, bounds.begun) = (2, 2);
        let mut sessions: Sessions<u8, Pure> = Sessions::new(server_stack(), bounds);
        let mut now = Instant::ZERO;
        let (mut begun, mut failed) = (0, 0);
        for step in &steps {
            let sink = &mut |event: Event<'_, u8>| {
                let text = format!("{event:?}");
                assert!(text.starts_with("Failed"), "{text}");
                failed += 1;
            };
            if let Some((from, datagram)) = datagram(step, &honest) {
                let _ = sessions.handle_datagram(now, &from, &datagram, sink);
            }
            match step {
                Step::Connect(to) => begun += usize::from(sessions.connect(now, to, &keys(), sink).is_ok()),
                Step::Wait(millis) => {
                    now += Duration::from_millis(*millis);
                    sessions.handle_timeout(now, sink);
                }
                _ => {}
            }
            while let Some((_, datagram)) = sessions.poll_transmit() {
                prop_assert!(record::first(&datagram).is_some());
            }
            let usage = sessions.usage();
            prop_assert!(usage.begun <= 2 && usage.proved <= 2 && usage.established == 0, "{usage:?}");
            prop_assert!(usage.addresses <= usize::from(ADDRESSES), "{usage:?}");
        }
        while let Some(at) = sessions.poll_timeout() {
            sessions.handle_timeout(at, &mut |_| failed += 1);
        }
        prop_assert_eq!(sessions.usage(), Usage::default());
        prop_assert!(failed >= begun, "{} of {}", failed, begun);
    }

    /// The same of a device; and one that has the key gets in afterwards.
    #[test]
    fn a_device_that_others_may_reach_stands_any_datagrams(steps in steps()) {
        let good = reaching_psk("device", &first_key());
        let honest = honest(&good);
        let client = bootstrapped([3; 32], &[bootstrap_psk(&first_key())]);
        let secure = SecureClient::new(client, client_stack());
        let listening = Pure::client(PureOptions::default());
        let mut device = ListeningClient::new(secure, listening, Bounds::device(1), Expiry::Accept);
        let mut now = Instant::ZERO;
        device.secure.client.start(now);
        for step in &steps {
            if let Some((from, datagram)) = datagram(step, &honest) {
                let datagram = Datagram::new(ClientWay::Inbound(from), &datagram);
                let _ = device.handle_datagram(now, datagram);
            }
            if let Step::Wait(millis) = step {
                now += Duration::from_millis(*millis);
                device.handle_timeout(now);
            }
            while let Some(transmit) = device.poll_transmit() {
                prop_assert!(record::first(transmit.payload).is_some());
            }
            while device.poll_event().is_some() {}
            let (usage, bounds) = (device.usage(), Bounds::device(1));
            prop_assert!(usage.unproved <= bounds.unproved && usage.proved <= bounds.proved, "{usage:?}");
            prop_assert_eq!(usage.established, 0);
        }
        let mut peer = client_stack().connect(now, &good).unwrap();
        for _ in 0..4 {
            let mut flight = Vec::new();
            peer.drain(&mut |output| {
                if let Output::Datagram(datagram) = output {
                    flight.push(datagram.to_vec());
                }
            });
            for datagram in flight {
                let datagram = Datagram::new(ClientWay::Inbound(ADDRESSES), &datagram);
                let _ = device.handle_datagram(now, datagram);
            }
            while let Some(transmit) = device.poll_transmit() {
                if transmit.to == ClientWay::Inbound(ADDRESSES) {
                    let payload = transmit.payload.to_vec();
                    peer.handle_datagram(now, &payload).unwrap();
                }
            }
        }
        prop_assert_eq!(device.usage().established, 1);
    }
}
