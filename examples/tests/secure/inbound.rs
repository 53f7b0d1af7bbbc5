//! Sessions that a Bootstrap-Server begins with a device, which is the DTLS server (TS 5.2.3.4, 7.1.6).

use core::time::Duration;

use lwm2m_core::{Instant, ShortServerId};
use lwm2m_examples::secure::{
    credentials::{ClientCredentials, Expiry},
    listening::{ClientWay, InboundNews, ListeningDatagramError},
    pure::{Pure, PureSession},
    record::{self, ALERT},
    session::{DtlsSession as _, DtlsStack as _, Output, Refusal, SessionError},
    sessions::{Bounds, End},
};
use lwm2m_objects::{Change, typed};
use lwm2m_simulation::{Address, Link};
use lwm2m_statemachine::{
    BootstrapServerEvent, ClientEvent, Datagram, Machine as _, bootstrap_server::Plan,
    client::InboundRefusal,
};

use crate::{
    inbound_world::{
        BOOTSTRAP_ACCOUNT, Yard, all_expired, bootstrap_certificate, bootstrap_psk, first_key,
        reaching_certificate, reaching_psk,
    },
    keys::key,
    world::{client_stack, server_stack},
};

fn yard() -> Yard {
    Yard::new(1, Link::default(), &[bootstrap_psk(&first_key())]).started()
}

fn good() -> ClientCredentials {
    reaching_psk("device", &first_key())
}

/// A plan that asks for something.
fn plan() -> Plan {
    Plan::new().discover("/".parse().unwrap())
}

/// Whether a session of the device was taken for the account.
fn is_taken(news: &InboundNews<Address>) -> bool {
    matches!(news, InboundNews::Taken { account, .. } if *account == BOOTSTRAP_ACCOUNT)
}

#[test]
fn a_bootstrap_server_reaches_a_device_with_its_key_or_certificate() {
    for (account, keys) in [
        (bootstrap_psk(&first_key()), good()),
        (bootstrap_certificate(), reaching_certificate("bootstrap")),
    ] {
        let mut yard = Yard::new(1, Link::default(), &[account]).started();
        yard.reach(&keys);
        yard.run(2);
        let inbound = yard.inbound();
        assert!(
            matches!(&inbound[..], [taken] if is_taken(taken)),
            "{inbound:?}"
        );
        let peer = yard.reached();
        yard.begin(peer, &plan());
        yard.run(2);
        let events = &yard.network.node(yard.bootstrap).application.events;
        let found = |event: &_| matches!(event, BootstrapServerEvent::Discovered { .. });
        assert!(events.iter().any(found), "{events:?}");
    }
}

#[test]
fn a_handshake_with_a_device_gets_through_a_bad_network() {
    for seed in 0..10 {
        let link = Link::new(Duration::from_millis(20))
            .jittering(Duration::from_millis(50))
            .losing(0.2)
            .duplicating(0.2)
            .reordering(0.3, Duration::from_secs(2));
        let mut yard = Yard::new(seed, link, &[bootstrap_psk(&first_key())]).started();
        let mut tries = 0..5;
        loop {
            tries.next().expect("five handshakes have failed");
            yard.reach(&good());
            yard.run(60);
            if yard.inbound().iter().any(is_taken) {
                break;
            }
        }
        yard.reached();
    }
}

#[test]
fn another_key_and_an_unknown_identity_get_the_same_silence() {
    let mut lengths = Vec::new();
    for keys in [
        reaching_psk("device", &key(9)),
        reaching_psk("nobody", &first_key()),
    ] {
        let mut yard = yard();
        yard.reach(&keys);
        yard.run(120);
        let inbound = yard.inbound();
        let [InboundNews::Failed { why, .. }] = &inbound[..] else {
            panic!("{inbound:?}");
        };
        let is_unknown = matches!(why, SessionError::Refused(Refusal::UnknownIdentity));
        assert_eq!(is_unknown, keys != reaching_psk("device", &key(9)));
        let sent = yard.sent_by_device();
        let is_alert = |datagram: &&Vec<u8>| {
            record::first(datagram).is_some_and(|record| record.content_type == ALERT)
        };
        assert_eq!(sent.iter().filter(is_alert).count(), 0);
        let each: Vec<usize> = sent.iter().map(Vec::len).collect();
        lengths.push(each);
        assert_eq!(yard.news().len(), 1);
        let device = &yard.network.node(yard.device).machine;
        assert_eq!(device.usage().addresses, 0);
    }
    assert_eq!(lengths[0], lengths[1]);
}

#[test]
fn another_certificate_and_one_that_doesn_t_name_the_host_are_refused() {
    let other = typed::Security {
        server_uri: "coaps://elsewhere".to_owned(),
        ..bootstrap_certificate()
    };
    for (account, own, refusal) in [
        (bootstrap_certificate(), "other", Refusal::OtherCertificate),
        (other, "bootstrap", Refusal::OtherName),
    ] {
        let mut yard = Yard::new(1, Link::default(), &[account]).started();
        yard.reach(&reaching_certificate(own));
        yard.run(120);
        let inbound = yard.inbound();
        let [InboundNews::Failed { why, .. }] = &inbound[..] else {
            panic!("{inbound:?}");
        };
        assert_eq!(why, &SessionError::Refused(refusal));
    }
}

#[test]
fn a_bootstrap_server_s_expired_certificate_is_refused_if_the_application_says_so() {
    for (expiry, is_refused) in [(all_expired(), true), (Expiry::Accept, false)] {
        let accounts = [bootstrap_certificate()];
        let mut yard =
            Yard::with_dates(1, Link::default(), &accounts, server_stack(), expiry).started();
        yard.reach(&reaching_certificate("bootstrap"));
        yard.run(120);
        let inbound = yard.inbound();
        let expired = SessionError::Refused(Refusal::Expired);
        match &inbound[..] {
            [InboundNews::Failed { why, .. }] if is_refused => assert_eq!(why, &expired),
            [taken, ..] if !is_refused => assert!(is_taken(taken), "{taken:?}"),
            _ => panic!("{inbound:?}"),
        }
    }
}

/// Gives the device, one by one, the records of the last flight of a handshake, and calls `before_finished` before
/// the last one.
fn finish_slowly(before_finished: impl FnOnce(&mut Yard)) -> Yard {
    let mut yard = yard();
    let (device, from) = (yard.device, yard.network.address(yard.bootstrap));
    let mut session = client_stack().connect(Instant::ZERO, &good()).unwrap();
    let give = |yard: &mut Yard, datagram: &[u8]| {
        yard.network.with(device, |host, now| {
            let datagram = Datagram::new(ClientWay::Inbound(from), datagram);
            let _ = host.machine.handle_datagram(now, datagram);
            let mut answers = Vec::new();
            while let Some(transmit) = host.machine.poll_transmit() {
                if transmit.to == ClientWay::Inbound(from) {
                    answers.push(transmit.payload.to_vec());
                }
            }
            answers
        })
    };
    let flight = |session: &mut PureSession| {
        let mut records = Vec::new();
        session.drain(&mut |output| {
            if let Output::Datagram(mut rest) = output {
                while let Some(record) = record::first(rest) {
                    let (one, others) = rest.split_at(13 + record.fragment.len());
                    records.push(one.to_vec());
                    rest = others;
                }
            }
        });
        records
    };
    for _ in 0..2 {
        for record in flight(&mut session) {
            for answer in give(&mut yard, &record) {
                session.handle_datagram(Instant::ZERO, &answer).unwrap();
            }
        }
    }
    let last = flight(&mut session);
    let (finished, before) = last.split_last().unwrap();
    assert_eq!(record::first(finished).unwrap().epoch, 1);
    for record in before {
        give(&mut yard, record);
    }
    before_finished(&mut yard);
    give(&mut yard, finished);
    yard
}

#[test]
fn a_handshake_that_was_begun_with_a_key_of_before_is_not_completed() {
    let mut yard = finish_slowly(|_| {});
    let inbound = yard.inbound();
    assert!(matches!(&inbound[..], [taken] if is_taken(taken)));
    let mut yard = finish_slowly(|yard| {
        let device = yard.device;
        yard.network.with(device, |host, now| {
            let path = "/0/0/5".parse().unwrap();
            let value = lwm2m_core::Value::Opaque(key(5));
            let change = Change::Set { path, value };
            host.machine.secure.client.change(now, [change]).unwrap();
        });
    });
    assert_eq!(yard.inbound(), []);
    let usage = yard.network.node(yard.device).machine.usage();
    assert_eq!(usage.addresses, 0);
}

#[test]
fn a_device_without_such_an_account_answers_nothing() {
    let plain = typed::Security {
        server_uri: "coap://bootstrap".to_owned(),
        mode: typed::SecurityMode::NoSec,
        ..bootstrap_psk(&[])
    };
    for accounts in [&[][..], &[plain]] {
        let mut yard = Yard::new(1, Link::default(), accounts).started();
        let before = yard.sent_by_device().len();
        yard.reach(&good());
        yard.run(20);
        assert_eq!(yard.sent_by_device().len(), before);
        let device = &yard.network.node(yard.device).machine;
        assert_eq!(device.usage().addresses, 0);
    }
    // Neither is an application datagram of nobody.
    let mut yard = Yard::new(1, Link::default(), &[]).started();
    let from = yard.network.address(yard.bootstrap);
    let taken = yard.network.with(yard.device, |host, now| {
        let datagram = Datagram::new(ClientWay::Inbound(from), b"hello");
        host.machine.handle_datagram(now, datagram)
    });
    assert_eq!(taken, Err(ListeningDatagramError::NotExpected));
}

#[test]
fn a_session_that_the_client_does_not_take_is_closed() {
    // It isn't started.
    let mut yard = Yard::new(1, Link::default(), &[bootstrap_psk(&first_key())]);
    yard.reach(&good());
    yard.run(5);
    let inbound = yard.inbound();
    assert!(
        matches!(
            &inbound[..],
            [InboundNews::Refused {
                why: InboundRefusal::NotServed,
                ..
            }]
        ),
        "{inbound:?}"
    );
    let news = format!("{:?}", yard.news());
    assert!(news.contains("Closed"), "{news}");
    let device = &yard.network.node(yard.device).machine;
    assert_eq!(device.usage().addresses, 0);
}

#[test]
fn an_answer_that_is_too_long_for_a_datagram_is_told_and_the_session_goes_on() {
    let mut accounts = vec![bootstrap_psk(&first_key())];
    accounts.extend((201..225).map(|id| {
        let id = ShortServerId::new(id).unwrap();
        typed::Security::pre_shared_key("coaps://server", id, "device", first_key())
    }));
    let mut bounds = Bounds::device(1);
    bounds.datagram = 300;
    let mut yard = Yard::with_bounds(1, &accounts, bounds).started();
    yard.reach(&good());
    yard.run(2);
    let inbound = yard.inbound();
    let [InboundNews::Taken { connection, .. }] = inbound[..] else {
        panic!("{inbound:?}");
    };
    let peer = yard.reached();
    yard.begin(peer, &plan());
    yard.run(2);
    // It tells of all the accounts.
    let inbound = yard.inbound();
    assert!(
        matches!(inbound[..], [InboundNews::Unsent { connection: to, length }, ..] if to == connection && length > 300),
        "{inbound:?}"
    );
    let device = &yard.network.node(yard.device).machine;
    assert_eq!(device.usage().established, 1);
}

#[test]
fn the_second_session_of_a_bootstrap_server_takes_the_place_of_the_first() {
    let mut yard = yard();
    yard.reach(&good());
    yard.run(2);
    let first = yard.inbound();
    let Some(InboundNews::Taken { connection, .. }) = first.first() else {
        panic!("{first:?}");
    };
    // From another address, so that both can be there.
    yard.network.change_address(yard.bootstrap);
    yard.reach(&good());
    yard.run(5);
    let second = yard.inbound();
    assert!(second.iter().any(is_taken), "{second:?}");
    let ended = |news: &_| matches!(news, InboundNews::Ended { connection: gone, .. } if gone == connection);
    assert_eq!(second.iter().filter(|news| ended(*news)).count(), 1);
    let device = yard.network.node(yard.device);
    assert_eq!(device.machine.usage().established, 1);
    // The end of a session that was taken is nothing to the application.
    let events = &device.application.events;
    let told = |event: &_| matches!(event, ClientEvent::Disconnect { connection: gone } if gone == connection);
    assert!(!events.iter().any(told), "{events:?}");
}

/// Gives a device many ClientHellos, which must all be refused, and nothing sent.
fn assert_answers_no_hello(yard: &mut Yard) {
    let hello = first_datagram(&mut client_stack(), &good());
    let (device, before) = (yard.device, yard.sent_by_device().len());
    let node = yard.network.address(yard.bootstrap).node;
    for number in 100..200 {
        let from = ClientWay::Inbound(Address { node, number });
        let taken = yard.network.with(device, |host, now| {
            host.machine
                .handle_datagram(now, Datagram::new(from, &hello))
        });
        assert_eq!(taken, Err(ListeningDatagramError::NotExpected));
    }
    yard.run(20);
    assert_eq!(yard.sent_by_device().len(), before);
}

#[test]
fn keys_that_cannot_be_used_are_tried_and_told_once() {
    let account = typed::Security {
        secret_key: vec![7; 20],
        ..bootstrap_certificate()
    };
    let mut yard = Yard::new(1, Link::default(), &[account]).started();
    assert_answers_no_hello(&mut yard);
    let inbound = yard.inbound();
    assert!(
        matches!(&inbound[..], [InboundNews::Unusable(_)]),
        "{inbound:?}"
    );
}

#[test]
fn keys_that_cannot_be_used_leave_none_of_those_before() {
    let mut yard = yard();
    yard.reach(&good());
    yard.run(2);
    assert!(yard.inbound().iter().any(is_taken));
    let peer = yard.reached();
    // Certificates, with a key that is none.
    let device = yard.device;
    yard.network.with(device, |host, now| {
        let set = |path: &str, value| Change::Set {
            path: path.parse().unwrap(),
            value,
        };
        let junk = || lwm2m_core::Value::Opaque(vec![7; 20]);
        let changes = [
            set("/0/0/2", lwm2m_core::Value::Integer(2)),
            set("/0/0/3", junk()),
            set("/0/0/4", junk()),
            set("/0/0/5", junk()),
        ];
        host.machine.secure.client.change(now, changes).unwrap();
    });
    yard.network.with(yard.bootstrap, |host, now| {
        host.machine.close(now, &peer);
    });
    yard.run(2);
    yard.inbound();
    assert_answers_no_hello(&mut yard);
    yard.reach(&good());
    yard.run(120);
    let inbound = yard.inbound();
    assert!(
        matches!(&inbound[..], [InboundNews::Unusable(_)]),
        "{inbound:?}"
    );
}

#[test]
fn the_keys_are_those_of_the_account_at_that_moment() {
    let mut yard = yard();
    yard.reach(&good());
    yard.run(2);
    assert!(yard.inbound().iter().any(is_taken));
    let peer = yard.reached();
    let device = yard.device;
    yard.network.with(device, |host, now| {
        let path = "/0/0/5".parse().unwrap();
        let value = lwm2m_core::Value::Opaque(key(5));
        let key = Change::Set { path, value };
        host.machine.secure.client.change(now, [key]).unwrap();
    });
    yard.run(2);
    assert_eq!(yard.key(BOOTSTRAP_ACCOUNT), key(5));
    yard.network.with(yard.bootstrap, |host, now| {
        host.machine.close(now, &peer);
    });
    yard.run(2);
    yard.inbound();
    yard.reach(&good());
    yard.run(120);
    let failed = yard.inbound();
    assert!(
        matches!(&failed[..], [InboundNews::Failed { .. }]),
        "{failed:?}"
    );
    yard.reach(&reaching_psk("device", &key(5)));
    yard.run(2);
    assert!(yard.inbound().iter().any(is_taken));
}

#[test]
fn a_session_in_which_nothing_comes_is_closed() {
    let mut yard = yard();
    yard.reach(&good());
    yard.run(2);
    assert!(yard.inbound().iter().any(is_taken));
    // EXCHANGE_LIFETIME (RFC 7252 §4.8.2).
    yard.run(248);
    let ended = yard.inbound();
    assert!(
        matches!(&ended[..], [InboundNews::Ended { why: End::Left, .. }]),
        "{ended:?}"
    );
    let device = &yard.network.node(yard.device).machine;
    assert_eq!(device.usage().addresses, 0);
    let news = format!("{:?}", yard.news());
    assert!(news.contains("Closed"), "{news}");
}

#[test]
fn a_flood_of_hellos_takes_bounded_memory_of_a_device() {
    let mut yard = yard();
    let hello = first_datagram(&mut client_stack(), &good());
    let device = yard.device;
    let node = yard.network.address(yard.bootstrap).node;
    for number in 100..1100 {
        let from = Address { node, number };
        yard.network.with(device, |host, now| {
            let datagram = Datagram::new(ClientWay::Inbound(from), &hello);
            let _ = host.machine.handle_datagram(now, datagram);
        });
    }
    let usage = yard.network.node(device).machine.usage();
    assert_eq!(usage.unproved, Bounds::device(1).unproved);
    assert_eq!(usage.addresses, Bounds::device(1).unproved);
    yard.run(60);
    let usage = yard.network.node(device).machine.usage();
    assert_eq!(usage.addresses, 0);
    yard.reach(&good());
    yard.run(2);
    assert!(yard.inbound().iter().any(is_taken));
}

/// The ClientHello of a session.
fn first_datagram(stack: &mut Pure, keys: &ClientCredentials) -> Vec<u8> {
    let mut session = stack.connect(Instant::ZERO, keys).unwrap();
    let mut first = Vec::new();
    session.drain(&mut |output| {
        if let Output::Datagram(datagram) = output {
            first = datagram.to_vec();
        }
    });
    first
}
