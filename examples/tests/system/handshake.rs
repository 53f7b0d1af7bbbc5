//! Who gets in, and who doesn't (TS 7.1.5 to 7.1.9); how long it may take, and how long its datagrams
//! may be.

use core::time::Duration;

use lwm2m_core::Instant;
use lwm2m_examples::secure::credentials::{
    ClientCredentials, Expiry, OwnCertificate, ServerCredentials,
};
use lwm2m_examples::secure::record::ALERT;
use lwm2m_examples::secure::session::{DtlsSession, DtlsStack, Refusal, SessionError, StackError};
use lwm2m_examples::secure::suite::Suite;
use lwm2m_examples::secure::system::{LEAST_MTU, POLL, Settings, System};

use super::support::{CLOCK, HOST, IDENTITY, NOW, Pair, Paper, World, psk};

/// `handshake_failure` (RFC 5246 §7.2.2).
const HANDSHAKE_FAILURE: u8 = 40;
/// `decrypt_error` (RFC 5246 §7.2.2).
const DECRYPT_ERROR: u8 = 51;
/// `unknown_psk_identity` (RFC 4279 §2).
const UNKNOWN_PSK_IDENTITY: u8 = 115;

fn deadline() -> Instant {
    NOW + Settings::default().handshake
}

/// Lets both ends wait, until nothing is due any more.
fn wait_for_the_end(pair: &mut Pair) {
    let ends = [&mut pair.client, &mut pair.server];
    for end in ends {
        while let Some(due) = end.session.poll_timeout() {
            end.wait(due);
        }
    }
}

fn another_key() -> ClientCredentials {
    ClientCredentials::PreSharedKey {
        identity: IDENTITY.to_vec(),
        key: vec![0x43; 16],
    }
}

#[test]
fn another_key_is_told_after_a_while_at_both_ends() {
    let world = World::new();
    let mut pair = world.pair(&another_key());
    assert_eq!((&pair.client.error, &pair.server.error), (&None, &None));
    // Until then another message of the client may come.
    let told = NOW + Settings::default().grace;
    let before = Instant::from_millis(told.as_millis() - 1);
    pair.server.wait(before);
    assert_eq!(pair.server.error, None);
    pair.server.out.clear();
    pair.server.wait(told);
    assert_eq!(pair.server.error, Some(SessionError::Unreadable));
    assert_eq!(pair.server.out.len(), 1);
    pair.pass_to_client(told);
    assert_eq!(pair.client.error, None);
    pair.client.wait(told + Settings::default().grace);
    let alert = SessionError::Alert(DECRYPT_ERROR);
    assert_eq!(pair.client.error, Some(alert));
    assert!(pair.client.connected.is_none() && pair.server.connected.is_none());
}

#[test]
fn another_key_ends_with_the_time_if_the_server_says_nothing() {
    let mut world = World::new();
    world.settings.hides_identities = true;
    let mut pair = world.pair(&another_key());
    wait_for_the_end(&mut pair);
    assert_eq!(pair.client.error, Some(SessionError::Timeout));
    assert_eq!(pair.server.error, Some(SessionError::Unreadable));
    let of_alert = |sent: &Vec<u8>| sent.first() == Some(&ALERT);
    assert!(!pair.server.out.iter().any(of_alert));
}

#[test]
fn a_forged_last_message_does_not_keep_a_client_out_whose_own_comes_in_time() {
    for suite in [Suite::PskAes128Ccm8, Suite::PskAes128CbcSha256] {
        let world = World::offering(&[suite]);
        let (mut client, mut server) = (world.client_stack(), world.server_stack());
        let mut pair = Pair::try_begin(&mut client, &mut server, &psk()).unwrap();
        for _ in 0..2 {
            pair.pass_to_server(NOW);
            while pair.pass_to_client(NOW) {}
        }
        // The client's last flight: its Finished is the only sealed record.
        let flight: Vec<_> = pair.client.out.drain(..).collect();
        for datagram in &flight {
            let mut forged = datagram.clone();
            *forged.last_mut().unwrap() ^= 1;
            pair.server.take(NOW, &forged);
        }
        assert!(pair.server.connected.is_none() && pair.server.error.is_none());
        let later = Instant::from_millis((NOW + Settings::default().grace).as_millis() - 1);
        pair.server.wait(later);
        pair.client.out.extend(flight);
        pair.settle(later);
        pair.assert_works();
    }
}

#[test]
fn an_unknown_identity_ends_with_the_server_s_alert() {
    let world = World::new();
    let credentials = ClientCredentials::PreSharedKey {
        identity: b"urn:dev:8".to_vec(),
        key: vec![0x42; 16],
    };
    let mut pair = world.pair(&credentials);
    let refused = SessionError::Refused(Refusal::UnknownIdentity);
    assert_eq!(pair.server.error, Some(refused));
    wait_for_the_end(&mut pair);
    let alert = SessionError::Alert(UNKNOWN_PSK_IDENTITY);
    assert_eq!(pair.client.error, Some(alert));
}

/// The client refuses the certificate of the server, and says so.
fn assert_refused(world: &World, credentials: &ClientCredentials, refusal: Refusal) {
    let mut pair = world.pair(credentials);
    assert_eq!(pair.client.error, Some(SessionError::Refused(refusal)));
    wait_for_the_end(&mut pair);
    let alert = SessionError::Alert(HANDSHAKE_FAILURE);
    assert_eq!(pair.server.error, Some(alert));
    assert!(pair.client.connected.is_none() && pair.server.connected.is_none());
}

#[test]
fn the_server_s_certificate_is_matched_exactly() {
    let world = World::new();
    let mut credentials = world.certificate(HOST);
    if let ClientCredentials::Certificate {
        server_certificate, ..
    } = &mut credentials
    {
        // The same names, another key.
        *server_certificate = Paper::default().sign().certificate;
    }
    assert_refused(&world, &credentials, Refusal::OtherCertificate);
}

#[test]
fn the_server_s_certificate_names_the_host() {
    let world = World::new();
    let credentials = world.certificate("other.example");
    assert_refused(&world, &credentials, Refusal::OtherName);

    let paper = Paper {
        common: "somebody",
        dns: &["a.example", HOST],
        uris: &["coaps://[2001:db8::2:1]/"],
        ..Paper::default()
    };
    let world = World::with_server(paper.sign());
    for host in [HOST, "A.EXAMPLE", "[2001:db8::2:1]"] {
        world.pair(&world.certificate(host)).assert_works();
    }
    let credentials = world.certificate("somebody");
    assert_refused(&world, &credentials, Refusal::OtherName);
}

#[test]
fn an_expired_certificate_is_the_caller_s_choice() {
    let expired = Paper {
        until: 1_000_000_000,
        ..Paper::default()
    };
    let not_yet = Paper {
        from: 4_000_000_000,
        ..Paper::default()
    };
    for (paper, refusal) in [(expired, Refusal::Expired), (not_yet, Refusal::NotYetValid)] {
        let mut world = World::with_server(paper.sign());
        let credentials = world.certificate(HOST);
        world.settings.expiry = Expiry::Refuse(CLOCK);
        assert_refused(&world, &credentials, refusal);
        world.settings.expiry = Expiry::Accept;
        world.pair(&credentials).assert_works();
    }
    let mut world = World::new();
    world.settings.expiry = Expiry::Refuse(CLOCK);
    world.pair(&world.certificate(HOST)).assert_works();
}

#[test]
fn a_client_s_certificate_that_nobody_knows_is_refused() {
    let mut world = World::new();
    world.client = Paper::default().sign();
    let mut pair = world.pair(&world.certificate(HOST));
    let refused = SessionError::Refused(Refusal::OtherCertificate);
    assert_eq!(pair.server.error, Some(refused));
    wait_for_the_end(&mut pair);
    let alert = SessionError::Alert(HANDSHAKE_FAILURE);
    assert_eq!(pair.client.error, Some(alert));
}

#[test]
fn a_server_without_a_certificate_has_pre_shared_keys() {
    let world = World::new();
    let credentials = ServerCredentials {
        clients: world.clients.clone(),
        certificate: None,
    };
    let mut server = System::with_server(Settings::default(), &credentials).unwrap();
    let mut client = world.client_stack();
    Pair::between(&mut client, &mut server, &psk()).assert_works();
    let pair = Pair::between(&mut client, &mut server, &world.certificate(HOST));
    assert!(pair.server.error.is_some());
    assert!(pair.client.connected.is_none());
}

#[test]
fn keys_that_can_t_be_read_are_told_at_once() {
    let world = World::new();
    let own = world.client.clone();
    let with = |certificate: &[u8], private_key: &[u8], server_certificate: &[u8]| {
        ClientCredentials::Certificate {
            certificate: certificate.to_vec(),
            private_key: private_key.to_vec(),
            server_certificate: server_certificate.to_vec(),
            host: HOST.to_owned(),
        }
    };
    let theirs = &world.server;
    let text_with_zero = ClientCredentials::PreSharedKey {
        identity: b"a\0b".to_vec(),
        key: vec![1; 16],
    };
    for (credentials, expected) in [
        (
            with(b"x", &own.private_key, &theirs.certificate),
            "certificate of the Client",
        ),
        (
            with(&own.certificate, b"x", &theirs.certificate),
            "private key of the Client",
        ),
        (
            with(&own.certificate, &theirs.private_key, &theirs.certificate),
            "private key of the Client",
        ),
        (
            with(&own.certificate, &own.private_key, b"x"),
            "certificate of the server",
        ),
        (text_with_zero, "PSK identity"),
    ] {
        match world.client_stack().connect(NOW, &credentials) {
            Err(StackError::Malformed { what, .. }) => assert_eq!(what, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let mixed = OwnCertificate {
        private_key: own.private_key,
        ..theirs.clone()
    };
    let credentials = ServerCredentials {
        clients: world.clients.clone(),
        certificate: Some(mixed),
    };
    let result = System::with_server(Settings::default(), &credentials);
    assert!(matches!(result, Err(StackError::Malformed { .. })));
}

#[test]
fn raw_public_keys_are_not_offered() {
    let credentials = ClientCredentials::RawPublicKey {
        public_key: vec![1],
        private_key: vec![2],
        server_public_key: vec![3],
    };
    let result = World::new().client_stack().connect(NOW, &credentials);
    assert_eq!(
        result.unwrap_err(),
        StackError::Unsupported("raw public keys")
    );
}

#[test]
fn a_library_without_keys_of_a_server_accepts_nobody() {
    let result = World::new().client_stack().accept(NOW);
    assert!(matches!(result, Err(StackError::Library(_))));
}

#[test]
fn a_handshake_without_an_answer_ends_in_the_caller_s_time() {
    let world = World::new();
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let mut pair = Pair::try_begin(&mut client, &mut server, &psk()).unwrap();
    assert_eq!(pair.client.session.poll_timeout(), Some(NOW + POLL));
    let just_before = Instant::from_millis(deadline().as_millis() - 1);
    pair.client.wait(just_before);
    pair.server.wait(just_before);
    assert_eq!((&pair.client.error, &pair.server.error), (&None, &None));
    assert_eq!(pair.client.session.poll_timeout(), Some(deadline()));
    pair.client.wait(deadline());
    pair.server.wait(deadline());
    for end in [&pair.client, &pair.server] {
        assert_eq!(end.error, Some(SessionError::Timeout));
        assert_eq!(end.session.poll_timeout(), None);
    }
}

#[test]
fn nothing_is_sent_before_the_handshake_is_complete_or_after_the_end() {
    let world = World::new();
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let mut pair = Pair::try_begin(&mut client, &mut server, &psk()).unwrap();
    let not_established = Err(SessionError::NotEstablished);
    assert_eq!(pair.client.session.send(NOW, b"x"), not_established);
    pair.settle(NOW);
    pair.assert_works();
    let too_long = vec![0; 20_000];
    assert_eq!(
        pair.client.session.send(NOW, &too_long),
        Err(SessionError::TooLong)
    );
    pair.assert_works();
    pair.client.close();
    pair.settle(NOW);
    assert_eq!(pair.client.session.send(NOW, b"x"), not_established);
    assert!(pair.server.closed);
    assert_eq!(pair.server.session.send(NOW, b"x"), not_established);
    assert_eq!((&pair.client.error, &pair.server.error), (&None, &None));
}

/// A pair that loses one of its datagrams.
struct Lossy {
    pair: Pair,
    /// How many pass before that one.
    before: u32,
}

impl Lossy {
    /// Passes what there is.
    fn pass(&mut self, now: Instant) {
        loop {
            for to_server in [true, false] {
                let out = if to_server {
                    &mut self.pair.client.out
                } else {
                    &mut self.pair.server.out
                };
                if out.is_empty() {
                    continue;
                }
                if self.before == 0 {
                    out.pop_front();
                }
                self.before = self.before.wrapping_sub(1);
                if to_server {
                    self.pair.pass_to_server(now);
                } else {
                    self.pair.pass_to_client(now);
                }
            }
            if self.pair.client.out.is_empty() && self.pair.server.out.is_empty() {
                return;
            }
        }
    }

    fn is_settled(&self) -> bool {
        let ends = [&self.pair.client, &self.pair.server];
        ends.iter()
            .all(|end| end.connected.is_some() || end.error.is_some())
    }
}

#[test]
fn a_lost_datagram_is_sent_again_by_the_computer_s_clock() {
    let mut world = World::new();
    // The clock of the caller runs ahead.
    world.settings.handshake = Duration::from_secs(1_000_000);
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let mut pairs: Vec<_> = (0..6)
        .map(|before| Lossy {
            pair: Pair::try_begin(&mut client, &mut server, &psk()).unwrap(),
            before,
        })
        .collect();
    let mut now = NOW;
    loop {
        for lossy in &mut pairs {
            lossy.pass(now);
        }
        if pairs.iter().all(Lossy::is_settled) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        now += POLL;
        for lossy in &mut pairs {
            lossy.pair.client.wait(now);
            lossy.pair.server.wait(now);
        }
    }
    for lossy in &mut pairs {
        lossy.pair.assert_works();
    }
}

/// As many names as make a certificate of several datagrams.
fn long_certificate() -> OwnCertificate {
    let names: Vec<String> = (0..120)
        .map(|n| format!("host-{n}.lwm2m.example"))
        .collect();
    let mut dns: Vec<&str> = names.iter().map(String::as_str).collect();
    dns.push(HOST);
    let paper = Paper {
        dns: &dns,
        ..Paper::default()
    };
    paper.sign()
}

#[test]
fn the_datagrams_of_a_handshake_are_no_longer_than_the_mtu() {
    let mut world = World::with_server(long_certificate());
    for mtu in [Settings::default().mtu, 576, LEAST_MTU] {
        world.settings.mtu = mtu;
        let mut pair = world.pair(&world.certificate(HOST));
        let longest = pair.passed.iter().max().copied().unwrap();
        assert!(longest <= usize::from(mtu), "{longest} of {mtu}");
        assert!(longest > usize::from(mtu) * 4 / 5, "{longest} of {mtu}");
        pair.assert_works();
    }
    assert_eq!(Settings::default().mtu, 1_280 - 40 - 8);
}

#[test]
fn the_datagrams_of_an_sms_are_too_short() {
    let settings = Settings {
        mtu: 140,
        ..Settings::default()
    };
    let result = System::new(settings);
    assert!(matches!(result, Err(StackError::Unsupported(_))));
}
