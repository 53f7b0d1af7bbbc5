//! Sessions by short messages (TS 7.2.2, 8.6.2).

use core::time::Duration;

use lwm2m_core::{ContentFormat, Instant, ShortServerId, Value, codec::Content};
use lwm2m_examples::secure::{
    client::{FailedBecause, InboundSmsError},
    credentials::{ClientCredentials, UnusableAccount},
    pure::{Pure, PureOptions, SMS_PAYLOAD},
    record::{self, APPLICATION_DATA},
    server::{SecureDatagramError, SecurePeer, SecureServer, SessionNews, Transport},
    session::{SHORT_MESSAGE, SessionError},
    sessions::Bounds,
};
use lwm2m_objects::typed::{self, SmsSecurity, SmsSecurityMode};
use lwm2m_simulation::Link;
use lwm2m_statemachine::{
    Channel, ClientEvent, ConnectionId, Datagram, Machine as _, Server, ServerConfig,
    client::InboundRefusal, server::Outcome,
};

use crate::world::{
    ACCOUNT, DAY, Setup, Sizes, TIMEZONE, World, known_psk, known_psk_by_sms, server_stack,
};

/// A network for short messages, each of which takes from 2 to 6 seconds.
fn sms_link() -> Link {
    Link::new(Duration::from_secs(2))
        .jittering(Duration::from_secs(4))
        .with_mtu(SHORT_MESSAGE)
        .over(Channel::Sms)
}

#[test]
fn a_device_is_managed_in_a_session_by_short_messages() {
    for seed in 0..20 {
        let mut world = World::new(seed, sms_link().losing(0.05), known_psk_by_sms()).registered();
        assert!(matches!(world.peer(), SecurePeer::SmsSession { .. }));
        world.read_in_the_end();
        // Nothing is sent again, so each may get lost.
        let mut tries = 0..10;
        while !matches!(world.write("Europe/Rome"), Outcome::Changed) {
            tries.next().expect("ten Writes have failed");
            world.await_registration();
        }
        while !matches!(world.observe(), Outcome::Observing { .. }) {
            tries.next().expect("ten calls have failed");
            world.await_registration();
        }
        let mut levels = 10_i64..20;
        while world.notified().is_empty() {
            world.set_level(levels.next().expect("a notification"));
            world.network.run_for(Duration::from_secs(30));
        }
        for sent in world.network.records() {
            assert!(sent.payload.len() <= SHORT_MESSAGE, "{sent:?}");
            assert!(record::first(&sent.payload).is_some(), "{sent:?}");
        }
        let server = &world.network.node(world.server).machine;
        assert_eq!(server.usage().addresses, 0);
        assert!(server.usage_of_sms().established > 0);
    }
}

/// How many records with CoAP messages the server sends for a Read that no answer comes to.
fn sent_for_a_read(link: Link, account: typed::Security) -> usize {
    let mut world = World::new(1, link, account).registered();
    let (client, server) = (world.client, world.server);
    world.network.run_for(Duration::from_secs(300));
    let before = world.network.records().len();
    world.network.link(client, server).loss = 1.0;
    assert!(matches!(
        world.read(crate::world::MANUFACTURER),
        Outcome::Timeout
    ));
    let from = world.network.address(server);
    let sent = world.network.records()[before..].iter();
    sent.filter(|sent| sent.from == from && sent.payload.first() == Some(&APPLICATION_DATA))
        .count()
}

#[test]
fn nothing_is_retransmitted_in_a_session_by_short_messages() {
    // TS 8.6.2; over UDP it is sent four times more (RFC 7252 §4.2).
    assert_eq!(sent_for_a_read(sms_link(), known_psk_by_sms()), 1);
    assert_eq!(sent_for_a_read(Link::default(), known_psk()), 5);
}

/// How many records with CoAP messages the device sends for an Update that gets no answer.
fn sent_for_an_update(link: Link, account: typed::Security) -> usize {
    let mut world = World::new(1, link, account).registered();
    let (client, server) = (world.client, world.server);
    world.network.run_for(Duration::from_secs(300));
    let before = world.network.records().len();
    world.network.link(server, client).loss = 1.0;
    world.network.with(client, |host, now| {
        host.machine.client.update(now, ACCOUNT);
    });
    world.network.run_for(Duration::from_secs(60));
    let from = world.network.address(client);
    let sent = world.network.records()[before..].iter();
    sent.filter(|sent| sent.from == from && sent.payload.first() == Some(&APPLICATION_DATA))
        .count()
}

#[test]
fn a_device_retransmits_nothing_in_a_session_by_short_messages() {
    assert_eq!(sent_for_an_update(sms_link(), known_psk_by_sms()), 1);
    assert_eq!(sent_for_an_update(Link::default(), known_psk()), 5);
}

#[test]
fn a_handshake_by_short_messages_waits_nine_seconds_first() {
    let mut world = World::new(1, sms_link().losing(1.0), known_psk_by_sms());
    world.start();
    world.network.run_for(Duration::from_secs(80));
    let records = world.network.records().iter();
    let sent: Vec<Instant> = records.map(|record| record.sent).collect();
    // TS 7.2.2.1.5, with a jitter of a quarter.
    assert_eq!(sent.len(), 4, "{sent:?}");
    for (pair, wait) in sent.windows(2).zip([9_000_u64, 18_000, 36_000]) {
        let waited = pair[1].saturating_duration_since(pair[0]);
        let waited = u64::try_from(waited.as_millis()).unwrap();
        assert!(waited.abs_diff(wait) <= wait / 4 + 1, "{sent:?}");
    }
}

#[test]
fn a_wrong_key_for_short_messages_is_told_and_nothing_is_registered() {
    let account = typed::Security {
        secret_key: vec![9; 16],
        ..known_psk_by_sms()
    };
    let mut world = World::new(1, sms_link(), account);
    world.start();
    let server = world.server;
    let failed = world.network.run_until(DAY, |network| {
        network.node(server).machine.usage_of_sms().proved > 0
    });
    assert!(failed, "no handshake");
    world.network.run_for(Duration::from_secs(600));
    assert!(!world.failures().is_empty());
    let server = &world.network.node(server).machine.server;
    assert_eq!(server.find("device"), None);
}

#[test]
fn a_handshake_with_a_message_too_long_for_a_short_message_fails_at_once() {
    // The library isn't told how short datagrams are. Its second ClientHello, with the cookie, has 146 bytes.
    let setup = Setup {
        client_by_sms: Pure::client(PureOptions::default()),
        ..Setup::default()
    };
    let link = Link::new(Duration::from_secs(2)).over(Channel::Sms);
    let mut world = World::set_up(1, link, known_psk_by_sms(), &setup);
    world.start();
    world.network.run_for(Duration::from_millis(3_999));
    assert_eq!(world.failures(), []);
    world.network.run_for(Duration::from_millis(1));
    let failures = world.failures();
    let reasons: Vec<_> = failures.iter().map(|failure| &failure.reason).collect();
    assert_eq!(reasons, [&FailedBecause::Session(SessionError::TooLong)]);
    // Once the connection is closed, the Client tries again later.
    let device = world.network.node(world.client);
    let ended = device
        .application
        .events
        .iter()
        .filter_map(|event| match event {
            ClientEvent::Disconnect { .. } => Some("closed"),
            ClientEvent::RegistrationFailed { retry: Some(_), .. } => Some("tries again"),
            _ => None,
        });
    assert_eq!(ended.collect::<Vec<_>>(), ["closed", "tries again"]);
    for sent in world.network.records() {
        assert!(sent.payload.len() <= SHORT_MESSAGE, "{sent:?}");
    }
}

#[test]
fn a_server_without_sessions_by_short_messages_takes_none() {
    let config = ServerConfig::new([7; 32]);
    let mut server = SecureServer::new(Server::new(config), server_stack(), Bounds::server(1));
    let datagram = Datagram::new(Transport::SmsDtls(1_u32), &[22; 40]);
    let taken = server.handle_datagram(Instant::ZERO, datagram);
    assert_eq!(taken, Err(SecureDatagramError::NoSms));
    assert_eq!(server.usage_of_sms().addresses, 0);
}

#[test]
fn the_keys_for_short_messages_are_those_of_the_sms_binding_or_of_the_account() {
    let account = |mode, key_parameters, secret_keys: Option<Vec<u8>>| typed::Security {
        sms: SmsSecurity {
            mode,
            key_parameters,
            secret_keys,
            server_number: None,
        },
        ..typed::Security::pre_shared_key(
            "coaps://server",
            ShortServerId::new(101).unwrap(),
            "device",
            [1; 16],
        )
    };
    let dtls = Some(SmsSecurityMode::Dtls);
    let own = ClientCredentials::PreSharedKey {
        identity: vec![5; 6],
        key: vec![6; 16],
    };
    let common = ClientCredentials::PreSharedKey {
        identity: b"device".to_vec(),
        key: vec![1; 16],
    };
    let (parameters, keys) = (Some([5; 6]), Some(vec![6; 16]));
    for (account, expected) in [
        (account(dtls, parameters, keys.clone()), Ok(own)),
        (account(dtls, None, None), Ok(common)),
        (account(dtls, parameters, None), Err(UnusableAccount::Empty)),
        (account(dtls, None, keys), Err(UnusableAccount::Empty)),
        (account(None, None, None), Err(UnusableAccount::Sms)),
        (
            account(Some(SmsSecurityMode::NoSec), None, None),
            Err(UnusableAccount::NoSec),
        ),
        (
            account(Some(SmsSecurityMode::SecurePacketStructure), None, None),
            Err(UnusableAccount::Sms),
        ),
    ] {
        assert_eq!(ClientCredentials::of_sms(&account), expected);
    }
    let id = ShortServerId::new(101).unwrap();
    let without = typed::Security {
        sms: SmsSecurity {
            mode: dtls,
            ..SmsSecurity::default()
        },
        ..typed::Security::no_sec("coap://server", id)
    };
    assert_eq!(
        ClientCredentials::of_sms(&without),
        Err(UnusableAccount::Sms)
    );
}

/// A device by SMS whose machine makes messages of this length.
fn with_messages_of(sms: usize) -> World {
    let setup = Setup {
        sizes: Sizes {
            sms,
            ..Sizes::default()
        },
        ..Setup::default()
    };
    World::set_up(1, sms_link(), known_psk_by_sms(), &setup).registered()
}

#[test]
fn a_large_notification_is_sent_in_blocks_or_not_at_all() {
    // Longer than two short messages.
    let zone = "x".repeat(300);
    for (sms, arrives) in [(SMS_PAYLOAD, true), (1_024, false)] {
        let mut world = with_messages_of(sms);
        let text = Some(ContentFormat::TEXT);
        let observed = world.ask(|server, client, now| {
            server.observe(now, client, TIMEZONE, text).unwrap();
        });
        assert!(
            matches!(observed, Outcome::Observing { .. }),
            "{observed:?}"
        );
        let before = world.notified().len();
        world.network.with(world.client, |host, now| {
            host.machine
                .client
                .set(now, TIMEZONE, zone.as_str())
                .unwrap();
        });
        world.network.run_for(Duration::from_secs(600));
        let content = Content::from_iter([(TIMEZONE, Value::from(zone.as_str()))]);
        let notified = &world.notified()[before..];
        assert_eq!(notified.contains(&content), arrives, "{notified:?}");
        for sent in world.network.records() {
            assert!(sent.payload.len() <= SHORT_MESSAGE, "{sent:?}");
        }
        let unsent = world.network.with(world.client, |host, _| {
            core::iter::from_fn(|| host.machine.next_unsent()).collect::<Vec<_>>()
        });
        assert_eq!(unsent.is_empty(), arrives, "{unsent:?}");
        assert!(
            unsent.iter().all(|unsent| unsent.length > 300),
            "{unsent:?}"
        );
        // The session goes on.
        assert_eq!(world.failures(), []);
        world.read_in_the_end();
    }
}

#[test]
fn a_server_sends_in_blocks_by_sms_or_tells_what_it_did_not_send() {
    let zone = "x".repeat(300);
    for (sms, arrives) in [(SMS_PAYLOAD, true), (1_024, false)] {
        let mut world = with_messages_of(sms);
        world.news();
        let written = world.write(&zone);
        let is_written = matches!(written, Outcome::Changed);
        assert_eq!(is_written, arrives, "{written:?}");
        for sent in world.network.records() {
            assert!(sent.payload.len() <= SHORT_MESSAGE, "{sent:?}");
        }
        let peer = world.peer();
        let news = world.news();
        let is_unsent = |news: &_| matches!(news, SessionNews::Unsent { peer: to, length } if *to == peer && *length > 300);
        assert_eq!(news.iter().any(is_unsent), !arrives, "{news:?}");
        world.read_in_the_end();
    }
}

const NUMBER: &str = "4915112345678";
/// An Execute of the Registration Update Trigger, without confirmation: POST /1/0/8.
const TRIGGER: &[u8] = b"\x51\x02\x00\x07a\xb11\x010\x018";

/// An account over UDP whose short messages are secured like this.
fn triggered(mode: SmsSecurityMode) -> typed::Security {
    typed::Security {
        sms: SmsSecurity {
            mode: Some(mode),
            server_number: Some(NUMBER.to_owned()),
            ..SmsSecurity::default()
        },
        ..known_psk()
    }
}

/// What a device has sent, and on which connections.
type Sent = Vec<(ConnectionId, Vec<u8>)>;

impl World {
    /// A short message comes to the device, outside of a session. Returns what the device sends at once.
    fn short_message(
        &mut self,
        number: &str,
        message: &[u8],
    ) -> (Result<ConnectionId, InboundSmsError>, Sent) {
        let client = self.client;
        self.network.with(client, |host, now| {
            let taken = host.machine.inbound_sms(now, number, message);
            let mut sent = Vec::new();
            while let Some(transmit) = host.machine.poll_transmit() {
                sent.push((transmit.to, transmit.payload.to_vec()));
            }
            (taken, sent)
        })
    }
}

#[test]
fn a_short_message_without_security_triggers_an_update_in_the_session() {
    let account = triggered(SmsSecurityMode::NoSec);
    for number in [NUMBER, "+4915112345678"] {
        let mut world = World::new(1, Link::default(), account.clone()).registered();
        let own = world.network.with(world.client, |host, _| {
            host.machine.client.accounts().next().unwrap().connection
        });
        let (taken, sent) = world.short_message(number, TRIGGER);
        let by_sms = taken.unwrap();
        assert_ne!(Some(by_sms), own);
        let [(_, answer)] = &*sent
            .iter()
            .filter(|(to, _)| *to == by_sms)
            .collect::<Vec<_>>()
        else {
            panic!("{sent:?}");
        };
        // 2.04, by SMS; the Update, over DTLS.
        assert_eq!(answer[1], 0x44, "{answer:?}");
        let update = sent.iter().find(|(to, _)| Some(*to) == own);
        let (_, update) = update.expect("an Update");
        let record = record::first(update).expect("a record");
        assert_eq!(record.content_type, APPLICATION_DATA);
        // A further one comes on the same connection.
        let (again, _) = world.short_message(number, TRIGGER);
        assert_eq!(again, Ok(by_sms));
    }
}

#[test]
fn a_short_message_that_is_not_expected_is_met_with_silence() {
    let unknown = Err(InboundSmsError::Refused(InboundRefusal::Unknown));
    let unprotected = Err(InboundSmsError::Unprotected);
    for (mode, number, refused) in [
        (SmsSecurityMode::NoSec, "4915199999999", unknown),
        (SmsSecurityMode::NoSec, "", unknown),
        (SmsSecurityMode::SecurePacketStructure, NUMBER, unprotected),
        (SmsSecurityMode::Other(204), NUMBER, unprotected),
    ] {
        let mut world = World::new(1, Link::default(), triggered(mode)).registered();
        assert_eq!(world.short_message(number, TRIGGER), (refused, vec![]));
    }
    // One in a session by short messages can't be replaced by one without.
    let mut world = World::new(1, sms_link(), known_psk_by_sms()).registered();
    assert_eq!(world.short_message(NUMBER, TRIGGER), (unprotected, vec![]));
    // The Client isn't registered yet.
    let mut world = World::new(1, Link::default(), triggered(SmsSecurityMode::NoSec));
    let not_served = Err(InboundSmsError::Refused(InboundRefusal::NotServed));
    assert_eq!(world.short_message(NUMBER, TRIGGER), (not_served, vec![]));
    // No message of CoAP.
    let mut world = World::new(1, Link::default(), triggered(SmsSecurityMode::NoSec)).registered();
    let (taken, sent) = world.short_message(NUMBER, b"hello");
    assert!(matches!(taken, Err(InboundSmsError::Coap(_))), "{taken:?}");
    assert_eq!(sent, []);
}
