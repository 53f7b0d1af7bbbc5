//! Who gets in, and what becomes of sessions and registrations (TS 7.1.5, 8.2.4, 8.3).

use core::time::Duration;

use lwm2m_core::Instant;
use lwm2m_examples::secure::{
    client::FailedBecause,
    library::{GRACE, HANDSHAKE_WITHIN},
    pure::{Pure, PureOptions},
    server::{SecurePeer, SessionNews},
    session::{Refusal, SessionError},
    sessions::{Bounds, End},
};
use lwm2m_objects::typed;
use lwm2m_simulation::Link;
use lwm2m_statemachine::{
    ClientEvent, ConnectionId, RegistrationFailure, ServerEvent,
    client::FailureKind,
    server::{Outcome, RefusalReason},
};

use crate::{
    keys::{certified, key, server_credentials},
    world::{ACCOUNT, DAY, SERVER, Setup, URI, World, device, known_certificate, known_psk, psk},
};

/// `decrypt_error` and `bad_certificate` (RFC 5246 §7.2.2).
const DECRYPT_ERROR: u8 = 51;
const BAD_CERTIFICATE: u8 = 42;

/// Those of the programs.
fn told(tells_refusal: bool) -> PureOptions {
    let mut options = PureOptions::default();
    options.handshake_within = HANDSHAKE_WITHIN;
    options.grace = GRACE;
    options.tells_refusal = tells_refusal;
    options
}

/// A device that isn't let in by a server that says so or doesn't, after as many seconds.
fn turned_away(account: typed::Security, says_so: bool, seconds: u64) -> World {
    let setup = Setup {
        server: Pure::server(told(says_so), &server_credentials()).unwrap(),
        client: Pure::client(told(says_so)),
        ..Setup::default()
    };
    let mut world = World::set_up(1, Link::default(), account, &setup);
    world.start();
    world.network.run_for(Duration::from_secs(seconds));
    let server = world.network.node(world.server);
    assert_eq!(server.machine.server.usage().registrations, 0);
    world
}

#[test]
fn another_key_is_told_within_seconds_at_both_ends() {
    let mut world = turned_away(psk("device", &key(9)), true, 5);
    assert_eq!(reasons(&mut world), [SessionError::Alert(DECRYPT_ERROR)]);
    assert_eq!(refusals(&mut world), [SessionError::Unreadable]);
    // The Client tries again.
    let device = &world.network.node(world.client).application;
    let failed = |event: &ClientEvent| {
        matches!(
            event,
            ClientEvent::RegistrationFailed {
                reason: RegistrationFailure::Disconnected,
                retry: Some(_),
                ..
            }
        )
    };
    assert!(device.events.iter().any(failed), "{:?}", device.events);
}

#[test]
fn an_unknown_identity_is_told_within_seconds_at_both_ends() {
    let mut world = turned_away(psk("nobody", &key(1)), true, 5);
    // As another key is told.
    assert_eq!(reasons(&mut world), [SessionError::Alert(DECRYPT_ERROR)]);
    let unknown = SessionError::Refused(Refusal::UnknownIdentity);
    assert_eq!(refusals(&mut world), [unknown]);
}

#[test]
fn a_server_that_says_nothing_is_given_up_when_the_time_is_over() {
    for account in [psk("device", &key(9)), psk("nobody", &key(1))] {
        let mut world = turned_away(account, false, 9);
        assert_eq!(reasons(&mut world), []);
        assert_eq!(refusals(&mut world).len(), 1);
        world.network.run_for(Duration::from_secs(1));
        assert_eq!(reasons(&mut world), [SessionError::Timeout]);
    }
}

#[test]
fn a_certificate_that_is_not_known_is_told_within_seconds_at_both_ends() {
    let (stranger, server) = (certified("stranger"), certified("server"));
    let keys = typed::Certificates {
        certificate: &stranger.certificate,
        private_key: &stranger.private_key,
        server_certificate: &server.certificate,
    };
    let account = typed::Security::certificate(URI, SERVER, keys);
    let mut world = turned_away(account, true, 3);
    assert_eq!(reasons(&mut world), [SessionError::Alert(BAD_CERTIFICATE)]);
    let refused = SessionError::Refused(Refusal::OtherCertificate);
    assert_eq!(refusals(&mut world), [refused]);
}

/// Why the handshakes of the device have failed.
fn reasons(world: &mut World) -> Vec<SessionError> {
    let failures = world.failures().into_iter();
    let reasons = failures.map(|failure| match failure.reason {
        FailedBecause::Session(why) => why,
        other => panic!("{other:?}"),
    });
    reasons.collect()
}

/// Why the server has refused handshakes.
fn refusals(world: &mut World) -> Vec<SessionError> {
    let news = world.news().into_iter();
    let refusals = news.map(|news| match news {
        SessionNews::Failed { why, .. } => why,
        other => panic!("{other:?}"),
    });
    refusals.collect()
}

#[test]
fn an_account_that_the_library_cannot_secure_is_told_at_once() {
    let account = typed::Security::raw_public_key(URI, SERVER, [1; 91], [2; 138], [3; 91]);
    let mut world = World::new(1, Link::default(), account);
    world.start();
    let failures = world.failures();
    let reasons: Vec<_> = failures.iter().map(|failure| &failure.reason).collect();
    assert!(
        matches!(&*reasons, [FailedBecause::Stack(_)]),
        "{reasons:?}"
    );
}

#[test]
fn an_endpoint_name_that_is_not_the_identity_is_refused() {
    let mut world = World::new(1, Link::default(), known_psk());
    let at = world.network.address(world.server);
    let client = world.client;
    // The key of `other`, under the name of `device`.
    let account = psk("other", &key(2));
    let stack = Pure::client(PureOptions::default());
    world
        .network
        .reboot(client, device("device", account, at, stack));
    world.start();
    world.network.run_for(Duration::from_secs(5));
    let events = &world.network.node(world.server).application.events;
    let reason = events.iter().find_map(|event| match event {
        ServerEvent::Refused(refusal) => Some(refusal.reason),
        _ => None,
    });
    assert_eq!(reason, Some(RefusalReason::Identity), "{events:?}");
    let events = &world.network.node(world.client).application.events;
    let refused = events.iter().find_map(|event| match event {
        ClientEvent::RegistrationFailed { reason, .. } => Some(*reason),
        _ => None,
    });
    let refused = refused.expect("a failure");
    assert_eq!(refused.kind(), FailureKind::Refused, "{refused}");
    assert_eq!(refused.to_string(), "the server answered 4.00");
}

#[test]
fn the_name_in_a_certificate_is_the_endpoint_name() {
    let mut world = World::new(1, Link::default(), known_certificate()).registered();
    world.assert_read();
}

#[test]
fn a_closed_session_leaves_the_registration_and_the_next_one_registers_anew() {
    let mut world = World::new(1, Link::default(), known_psk()).registered();
    let (before, peer) = (world.registration(), world.peer());
    world.news();
    let server = world.server;
    world
        .network
        .with(server, |host, now| host.machine.close(now, &peer));
    let news = world.news();
    let left = SessionNews::Ended {
        peer,
        why: End::Left,
    };
    assert_eq!(news, [left]);
    assert_eq!(world.registration(), before);
    // The client has heard the goodbye, and comes back in a new session: it registers (TS 8.2.4).
    world.network.run_for(Duration::from_secs(120));
    let failures = world.failures();
    let reasons: Vec<_> = failures.iter().map(|failure| &failure.reason).collect();
    assert_eq!(reasons, [&FailedBecause::Closed]);
    assert_ne!(world.registration(), before);
    assert_ne!(world.peer(), peer);
    assert_eq!(world.peer().address(), peer.address());
    world.assert_read();
    let events = &world.network.node(world.client).application.events;
    let registered = |event: &&ClientEvent| matches!(event, ClientEvent::Registered { .. });
    assert_eq!(events.iter().filter(registered).count(), 2);
}

#[test]
fn a_goodbye_leaves_before_the_connection_is_closed() {
    let mut world = World::new(1, Link::default(), known_psk()).registered();
    let peer = world.peer();
    world.news();
    let client = world.client;
    world
        .network
        .with(client, |host, now| host.machine.client.deregister(now));
    world.network.run_for(Duration::from_secs(10));
    let device = world.network.node(world.client);
    assert!(!device.machine.client.is_registered(ACCOUNT));
    let closed = |event: &ClientEvent| matches!(event, ClientEvent::Disconnect { .. });
    assert!(device.application.events.iter().any(closed));
    let closed = SessionNews::Ended {
        peer,
        why: End::Closed,
    };
    assert_eq!(world.news(), [closed]);
}

/// The connections that the device has been asked to open and not to close. Each is closed once.
fn open_connections(world: &World) -> Vec<ConnectionId> {
    let mut open = Vec::new();
    for event in &world.network.node(world.client).application.events {
        match event {
            ClientEvent::Connect { connection, .. } => open.push(*connection),
            ClientEvent::Disconnect { connection } => {
                let place = open.iter().position(|one| one == connection);
                open.remove(place.expect("a connection that is open"));
            }
            _ => {}
        }
    }
    open
}

#[test]
fn connections_that_fail_are_closed() {
    for (account, reason) in [
        (psk("device", &key(9)), "handshake"),
        (psk("", &key(1)), "account"),
    ] {
        let mut world = World::new(1, Link::default(), account);
        world.start();
        world.network.run_for(7 * DAY);
        let failures = world.failures().len();
        assert!(failures >= 5, "{reason}: {failures}");
        assert!(open_connections(&world).len() <= 1, "{reason}");
    }
}

#[test]
fn connections_that_are_lost_are_closed_before_the_next_one_is_asked_for() {
    let mut world = World::new(1, Link::default(), known_psk()).registered();
    for round in 0..6 {
        let before = open_connections(&world);
        assert_eq!(before.len(), 1);
        if round % 2 == 0 {
            let (server, peer) = (world.server, world.peer());
            world
                .network
                .with(server, |host, now| host.machine.close(now, &peer));
            world.network.run_for(Duration::from_secs(120));
        } else {
            world.reboot_server();
            world.network.run_for(2 * DAY);
        }
        world.assert_read();
        let after = open_connections(&world);
        assert_eq!(after.len(), 1);
        assert_ne!(before, after);
        let events = &world.network.node(world.client).application.events;
        let place = |wanted: &dyn Fn(&ClientEvent) -> bool| events.iter().position(wanted);
        let closed = place(
            &|event| matches!(event, ClientEvent::Disconnect { connection } if before.contains(connection)),
        );
        let asked = place(
            &|event| matches!(event, ClientEvent::Connect { connection, .. } if after.contains(connection)),
        );
        assert!(closed < asked, "{closed:?} {asked:?}");
    }
}

#[test]
fn a_device_that_reboots_on_its_address_comes_back() {
    for seed in 0..20 {
        let link = Link::new(Duration::from_millis(20))
            .losing(0.1)
            .duplicating(0.2)
            .reordering(0.2, Duration::from_secs(1));
        let mut world = World::new(seed, link, known_psk()).registered();
        let (before, peer) = (world.registration(), world.peer());
        world.news();
        world.reboot(known_psk());
        let (server, client) = (world.server, world.client);
        let back = world.network.run_until(DAY, |network| {
            let server = &network.node(server).machine.server;
            network.node(client).machine.client.is_registered(ACCOUNT)
                && server.find("device").is_some_and(|now| now != before)
        });
        assert!(back, "no new registration in a day");
        let news = world.news();
        let replaced = SessionNews::Ended {
            peer,
            why: End::Replaced,
        };
        assert!(news.contains(&replaced), "{news:?}");
        world.read_in_the_end();
        let usage = world.network.node(server).machine.usage();
        assert_eq!(usage.established, 1);
    }
}

#[test]
fn a_server_that_has_lost_its_sessions_is_found_again() {
    let mut world = World::new(1, Link::default(), known_psk()).registered();
    world.reboot_server();
    let server = world.server;
    // The next Update isn't answered, since its records belong to no session.
    let back = world.network.run_until(2 * DAY, |network| {
        network.node(server).machine.server.find("device").is_some()
    });
    assert!(back, "no registration in two days");
    world.assert_read();
}

#[test]
fn a_new_address_is_a_new_session_and_the_client_registers_anew() {
    let mut world = World::new(1, Link::default(), known_psk()).registered();
    let peer = world.peer();
    let client = world.client;
    world.network.change_address(client);
    // What is sent to the old address is lost, and the server drops what comes from the new one: it
    // can't belong to a session there.
    assert!(matches!(world.observe(), Outcome::Timeout));
    // The application notices that its network is another one.
    world.network.with(client, |host, now| {
        let connection = host.machine.client.accounts().next();
        let connection = connection.and_then(|account| account.connection);
        host.machine.lost(now, connection.expect("a connection"));
    });
    world.network.run_for(Duration::from_secs(300));
    assert_ne!(world.peer().address(), peer.address());
    assert_eq!(world.peer().address(), &world.network.address(world.client));
    world.assert_read();
    let server = &world.network.node(world.server).machine;
    assert_eq!(server.server.usage().registrations, 1);
}

#[test]
fn an_idle_session_expires_and_the_longest_idle_one_makes_room() {
    let mut bounds = Bounds::server(1);
    bounds.idle = Duration::from_secs(3600);
    let mut world = World::with_bounds(1, Link::default(), known_psk(), bounds).registered();
    let peer = world.peer();
    world.news();
    world.network.run_for(Duration::from_secs(1800));
    world.assert_read();
    world.network.run_for(Duration::from_secs(3590));
    assert_eq!(world.news(), []);
    world.network.run_for(Duration::from_secs(20));
    let expired = SessionNews::Ended {
        peer,
        why: End::Expired,
    };
    assert_eq!(world.news().first(), Some(&expired));

    let mut bounds = Bounds::server(1);
    bounds.established = 1;
    let mut world = World::with_bounds(1, Link::default(), known_psk(), bounds).registered();
    let peer = world.peer();
    world.news();
    let at = world.network.address(world.server);
    let account = psk("other", &key(2));
    let stack = Pure::client(PureOptions::default());
    let other = device("other", account, at, stack);
    let other = world.network.add("other", other);
    world
        .network
        .with(other, |host, now| host.machine.client.start(now));
    world.network.run_for(Duration::from_secs(1));
    let displaced = SessionNews::Ended {
        peer,
        why: End::Displaced,
    };
    assert!(world.news().contains(&displaced));
    let usage = world.network.node(world.server).machine.usage();
    assert_eq!(usage.established, 1);
}

#[test]
fn a_device_without_security_is_served_beside_the_others() {
    let mut world = World::new(1, Link::default(), known_psk()).registered();
    let at = world.network.address(world.server);
    let account = typed::Security::no_sec("coap://server", SERVER);
    let plain = device("plain", account, at, Pure::client(PureOptions::default()));
    let plain = world.network.add("plain", plain);
    let address = world.network.address(plain);
    let server = world.server;
    world.network.with(server, |host, _| {
        host.application.plain.push(address);
    });
    world
        .network
        .with(plain, |host, now| host.machine.client.start(now));
    world.network.run_for(Duration::from_secs(5));
    let server = &world.network.node(server).machine.server;
    let registration = server.find("plain").expect("a registration");
    let registration = server.registration(registration).unwrap();
    assert_eq!(registration.peer(), &SecurePeer::Plain(address));
    assert!(!registration.is_secure());
    let registration = server.registration(world.registration()).unwrap();
    assert!(registration.is_secure());
}

#[test]
fn the_time_of_a_handshake_is_that_of_the_machines() {
    let mut world = World::new(1, Link::default().losing(1.0), known_psk());
    world.start();
    let sent: Vec<Instant> = {
        world.network.run_for(Duration::from_secs(20));
        let records = world.network.records().iter();
        records.map(|record| record.sent).collect()
    };
    // At 0 s, and with a jitter of a quarter after 1, 2, 4 and 8 s more (RFC 6347 §4.2.4.1).
    assert_eq!(sent.len(), 5, "{sent:?}");
    for (pair, wait) in sent.windows(2).zip([1000_u64, 2000, 4000, 8000]) {
        let waited = pair[1].saturating_duration_since(pair[0]);
        let waited = u64::try_from(waited.as_millis()).unwrap();
        assert!(waited.abs_diff(wait) <= wait / 4 + 1, "{sent:?}");
    }
}
