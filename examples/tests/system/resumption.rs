//! Sessions that go on (RFC 5246 §7.3).

use core::time::Duration;

use lwm2m_core::ShortServerId;
use lwm2m_examples::secure::credentials::{
    Account, ClientCredentials, Expiry, ProvenIdentity, WallClock,
};
use lwm2m_examples::secure::session::{DtlsStack, Refusal, SessionError};
use lwm2m_examples::secure::suite::Suite;
use lwm2m_objects::typed;

use super::support::{End, HOST, IDENTITY, KEY, NOW, Pair, Paper, World, psk};

fn resumes(pair: &Pair) -> bool {
    assert_eq!(pair.client.resumed(), pair.server.resumed());
    pair.client.resumed()
}

#[test]
fn a_session_goes_on_with_every_suite_and_the_identity_stays() {
    for suite in Suite::ALL {
        let world = World::offering(&[suite]);
        let (mut client, mut server) = (world.client_stack(), world.server_stack());
        let credentials = if suite.is_psk() {
            psk()
        } else {
            world.certificate(HOST)
        };
        let mut first = Pair::between(&mut client, &mut server, &credentials);
        first.assert_works();
        assert!(!resumes(&first));
        let identities = [&first.client, &first.server].map(|end| {
            let (peer, _) = end.connected.as_ref().unwrap();
            peer.clone()
        });
        // Without a goodbye, as a Client that sleeps.
        drop(first);
        for _ in 0..2 {
            let mut again = Pair::between(&mut client, &mut server, &credentials);
            again.assert_works();
            assert!(resumes(&again), "{suite}");
            for (end, identity) in [&again.client, &again.server].into_iter().zip(&identities) {
                assert_eq!(end.connected.as_ref().map(|(peer, _)| peer), Some(identity));
            }
        }
    }
}

#[test]
fn a_goodbye_leaves_the_session_for_later() {
    let world = World::new();
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let mut first = Pair::between(&mut client, &mut server, &psk());
    first.client.close();
    first.settle(NOW);
    assert!(first.server.closed);
    drop(first);
    let mut again = Pair::between(&mut client, &mut server, &psk());
    again.assert_works();
    assert!(resumes(&again));
}

#[test]
fn a_resumed_handshake_is_shorter() {
    let world = World::new();
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let credentials = world.certificate(HOST);
    let first = Pair::between(&mut client, &mut server, &credentials);
    let again = Pair::between(&mut client, &mut server, &credentials);
    let bytes = |pair: &Pair| pair.passed.iter().sum::<usize>();
    assert!(resumes(&again));
    assert!(bytes(&again) < bytes(&first), "{:?}", again.passed);
}

#[test]
fn other_keys_begin_anew() {
    let world = World::new();
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    Pair::between(&mut client, &mut server, &psk()).assert_works();
    let key = vec![0x55; 16];
    let keys = [(IDENTITY.to_vec(), key.clone())];
    world.clients.keys.lock().unwrap().extend(keys);
    let credentials = ClientCredentials::PreSharedKey {
        identity: IDENTITY.to_vec(),
        key,
    };
    let mut pair = Pair::between(&mut client, &mut server, &credentials);
    pair.assert_works();
    assert!(!resumes(&pair));
}

#[test]
fn accounts_with_the_same_keys_share_no_session() {
    let world = World::new();
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let id = ShortServerId::new(101).unwrap();
    let of_server = typed::Security::pre_shared_key("coaps://lwm2m.example", id, IDENTITY, KEY);
    let accounts = [
        typed::Security {
            bootstrap_server: true,
            short_server_id: None,
            ..of_server.clone()
        },
        typed::Security {
            server_uri: "coaps://lwm2m.example:15684".into(),
            ..of_server.clone()
        },
        of_server,
    ];
    // Each with a full handshake first, whatever the others did; none overwrites another's.
    for resumed in [false, true] {
        for account in &accounts {
            let account = Account::of(account);
            let mut pair = Pair {
                client: End::new(client.connect_for(NOW, &account, &psk()).unwrap()),
                server: End::new(server.accept(NOW).unwrap()),
                passed: Vec::new(),
            };
            pair.settle(NOW);
            pair.assert_works();
            assert_eq!(resumes(&pair), resumed, "{account:?}");
        }
    }
}

#[test]
fn a_server_does_not_resume_what_its_operator_has_changed() {
    let world = World::new();
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    Pair::between(&mut client, &mut server, &psk()).assert_works();
    world.clients.keys.lock().unwrap().clear();
    let pair = Pair::between(&mut client, &mut server, &psk());
    assert!(pair.server.connected.is_none() && pair.client.connected.is_none());
    assert!(pair.server.error.is_some());

    let credentials = world.certificate(HOST);
    Pair::between(&mut client, &mut server, &credentials).assert_works();
    world.clients.certificates.lock().unwrap().clear();
    let pair = Pair::between(&mut client, &mut server, &credentials);
    assert!(pair.server.connected.is_none() && pair.client.connected.is_none());
    assert!(pair.server.error.is_some());
}

#[test]
fn a_new_server_has_a_full_handshake() {
    let world = World::new();
    let mut client = world.client_stack();
    Pair::between(&mut client, &mut world.server_stack(), &psk()).assert_works();
    let mut pair = Pair::between(&mut client, &mut world.server_stack(), &psk());
    pair.assert_works();
    assert!(!resumes(&pair));
}

#[test]
fn a_new_client_has_a_full_handshake() {
    let world = World::new();
    let mut server = world.server_stack();
    Pair::between(&mut world.client_stack(), &mut server, &psk()).assert_works();
    let mut pair = Pair::between(&mut world.client_stack(), &mut server, &psk());
    pair.assert_works();
    assert!(!resumes(&pair));
}

#[test]
fn the_sessions_kept_are_bounded() {
    let mut world = World::new();
    world.settings.sessions = 2;
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let accounts: Vec<_> = (0..3_u8)
        .map(|n| ClientCredentials::PreSharedKey {
            identity: vec![b'a' + n],
            key: vec![n; 16],
        })
        .collect();
    for account in &accounts {
        if let ClientCredentials::PreSharedKey { identity, key } = account {
            let known = [(identity.clone(), key.clone())];
            world.clients.keys.lock().unwrap().extend(known);
        }
        Pair::between(&mut client, &mut server, account).assert_works();
    }
    let resumed: Vec<_> = [2, 1, 0]
        .map(|n| Pair::between(&mut client, &mut server, &accounts[n]))
        .iter()
        .map(resumes)
        .collect();
    assert_eq!(resumed, [true, true, false]);
}

#[test]
fn no_session_is_kept_if_none_may_be() {
    let mut world = World::new();
    world.settings.sessions = 0;
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    for _ in 0..2 {
        let mut pair = Pair::between(&mut client, &mut server, &psk());
        pair.assert_works();
        assert!(!resumes(&pair));
    }
}

#[test]
fn two_sessions_of_one_account_live_side_by_side() {
    let world = World::new();
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let mut first = Pair::between(&mut client, &mut server, &psk());
    let mut second = Pair::between(&mut client, &mut server, &psk());
    first.assert_works();
    second.assert_works();
    let identity = ProvenIdentity::Psk(IDENTITY.to_vec());
    assert_eq!(second.server.connected, Some((identity, true)));
}

#[test]
fn a_certificate_that_expires_meanwhile_does_not_go_on() {
    let expired = Paper {
        until: 1_000_000_000,
        ..Paper::default()
    };
    let mut world = World::with_server(expired.sign());
    let clock = WallClock {
        at: NOW,
        since_epoch: Duration::from_secs(999_999_999),
    };
    world.settings.expiry = Expiry::Refuse(clock);
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let credentials = world.certificate(HOST);
    Pair::between(&mut client, &mut server, &credentials).assert_works();
    let later = NOW + Duration::from_secs(2);
    let mut pair = Pair {
        client: End::new(client.connect(later, &credentials).unwrap()),
        server: End::new(server.accept(later).unwrap()),
        passed: Vec::new(),
    };
    pair.settle(later);
    let refused = SessionError::Refused(Refusal::Expired);
    assert_eq!(pair.client.error, Some(refused));
    assert_eq!(pair.client.connected, None);
    assert!(pair.server.closed);
}
