//! Whose certificate is accepted.

use core::time::Duration;

use lwm2m_core::Instant;
use lwm2m_examples::secure::{
    certificate::{self, ExpectedServer, Expiry, WallClock},
    credentials::{ClientCredentials, OwnCertificate, ProvenIdentity},
    names::Names,
    pure::{Pure, PureOptions},
    session::{DtlsSession, DtlsStack, Output, Refusal, SessionError, StackError},
};

use crate::{
    keys::{Certified, certified},
    world::{known_certificate, server_stack},
};

fn check(shown: &OwnCertificate, host: &str, expiry: Expiry) -> Result<(), Refusal> {
    let expected = ExpectedServer {
        certificate: shown.certificate.clone(),
        host: host.to_owned(),
    };
    expected.check(Instant::from_secs(60), &shown.certificate, expiry)
}

#[test]
fn a_certificate_must_be_the_very_one_and_name_the_host() {
    let server = certified("server");
    assert_eq!(check(&server, "server", Expiry::Accept), Ok(()));
    assert_eq!(check(&server, "SERVER.", Expiry::Accept), Ok(()));
    let other_host = check(&server, "other", Expiry::Accept);
    assert_eq!(other_host, Err(Refusal::OtherName));
    let expected = ExpectedServer {
        certificate: certified("impostor").certificate,
        host: "server".into(),
    };
    let shown = expected.check(Instant::ZERO, &server.certificate, Expiry::Accept);
    assert_eq!(shown, Err(Refusal::OtherCertificate));
    let garbage = OwnCertificate {
        certificate: vec![0x30, 3, 1, 2],
        private_key: Vec::new(),
    };
    let garbage = check(&garbage, "server", Expiry::Accept);
    assert_eq!(garbage, Err(Refusal::Malformed));
}

#[test]
fn a_host_named_beside_the_subject_counts_instead_of_the_common_name() {
    let server = Certified::new("server").dns("lwm2m.example").make();
    assert_eq!(check(&server, "lwm2m.example", Expiry::Accept), Ok(()));
    let by_common_name = check(&server, "server", Expiry::Accept);
    assert_eq!(by_common_name, Err(Refusal::OtherName));
    // A URI names no host of a server, so the common name counts.
    let server = Certified::new("server").uri("urn:dev:os:1").make();
    assert_eq!(check(&server, "server", Expiry::Accept), Ok(()));
}

#[test]
fn an_address_is_named_as_an_address() {
    let server = Certified::new("server").ip(&[192, 0, 2, 1]).make();
    assert_eq!(check(&server, "192.0.2.1", Expiry::Accept), Ok(()));
    let other = check(&server, "192.0.2.2", Expiry::Accept);
    assert_eq!(other, Err(Refusal::OtherName));
    let mut octets = [0; 16];
    octets[15] = 1;
    let server = Certified::new("server").ip(&octets).make();
    assert_eq!(check(&server, "[::1]", Expiry::Accept), Ok(()));
    // A host name that looks like an address is none.
    let server = Certified::new("server").dns("192.0.2.1").make();
    let as_name = check(&server, "192.0.2.1", Expiry::Accept);
    assert_eq!(as_name, Err(Refusal::OtherName));
    let server = certified("192.0.2.1");
    assert_eq!(check(&server, "192.0.2.1", Expiry::Accept), Ok(()));
}

#[test]
fn the_dates_count_if_the_application_says_so() {
    let year = ["250101000000Z", "251231235959Z"];
    let server = Certified::new("server").valid(year).make();
    assert_eq!(check(&server, "server", Expiry::Accept), Ok(()));
    // 2025-01-01, 00:00 UTC.
    let begin = Duration::from_secs(1_735_689_600);
    let end = begin + Duration::from_secs(365 * 86_400 - 1);
    let checked_at = |since_epoch| {
        // It is checked a minute after the machines' zero.
        let at = Instant::from_secs(60);
        let clock = WallClock { at, since_epoch };
        check(&server, "server", Expiry::Refuse(clock))
    };
    let second = Duration::from_secs(1);
    let before = checked_at(begin.saturating_sub(second));
    assert_eq!(before, Err(Refusal::NotYetValid));
    assert_eq!((checked_at(begin), checked_at(end)), (Ok(()), Ok(())));
    assert_eq!(checked_at(end + second), Err(Refusal::Expired));
    // The time goes on with the machines'.
    let clock = WallClock {
        at: Instant::from_secs(59),
        since_epoch: end,
    };
    let a_second_later = check(&server, "server", Expiry::Refuse(clock));
    assert_eq!(a_second_later, Err(Refusal::Expired));
}

#[test]
fn the_names_are_the_common_name_and_those_beside_it() {
    let certificate = Certified::new("device")
        .dns("device.example")
        .uri("urn:dev:os:1")
        .ip(&[192, 0, 2, 1])
        .make();
    let names = certificate::names(&certificate.certificate).map(Names::into_all);
    let expected = ["device", "device.example", "urn:dev:os:1"].map(String::from);
    assert_eq!(names, Ok(expected.to_vec()));
}

fn keys_for(host: &str) -> ClientCredentials {
    ClientCredentials::of(&known_certificate(), host).unwrap()
}

/// What becomes of a handshake: for the client, and for the server.
fn shake_hands(
    client: &mut Pure,
    keys: &ClientCredentials,
) -> [Result<Option<ProvenIdentity>, SessionError>; 2] {
    let now = Instant::ZERO;
    let mut ends = [
        client.connect(now, keys).unwrap(),
        server_stack().accept(now).unwrap(),
    ];
    let mut results = [Ok(None), Ok(None)];
    let mut flight: Vec<Vec<u8>> = Vec::new();
    for turn in 0..20 {
        let which = turn % 2;
        let (end, result) = (&mut ends[which], &mut results[which]);
        for datagram in core::mem::take(&mut flight) {
            if result.is_ok()
                && let Err(error) = end.handle_datagram(now, &datagram)
            {
                *result = Err(error);
            }
        }
        end.drain(&mut |output| match output {
            Output::Datagram(datagram) => flight.push(datagram.to_vec()),
            Output::Connected { peer, .. } => *result = Ok(Some(peer.clone())),
            _ => {}
        });
    }
    results
}

#[test]
fn both_ends_learn_whose_certificate_it_is() {
    let mut client = Pure::client(PureOptions::default());
    let named = |name: &str| Ok(Some(ProvenIdentity::Certificate(vec![name.into()])));
    let ends = shake_hands(&mut client, &keys_for("server"));
    assert_eq!(ends, [named("server"), named("device")]);
}

#[test]
fn a_client_refuses_a_server_with_another_certificate_or_name() {
    let mut client = Pure::client(PureOptions::default());
    let [result, at_server] = shake_hands(&mut client, &keys_for("elsewhere"));
    assert_eq!(result, Err(SessionError::Refused(Refusal::OtherName)));
    assert_eq!(at_server, Ok(None));

    let mut keys = keys_for("server");
    if let ClientCredentials::Certificate {
        server_certificate, ..
    } = &mut keys
    {
        *server_certificate = certified("impostor").certificate;
    }
    let [result, _] = shake_hands(&mut client, &keys);
    let expected = SessionError::Refused(Refusal::OtherCertificate);
    assert_eq!(result, Err(expected));
}

#[test]
fn a_client_refuses_an_expired_server_if_the_application_says_so() {
    let mut options = PureOptions::default();
    options.expiry = Expiry::Refuse(WallClock {
        at: Instant::ZERO,
        // In 2040.
        since_epoch: Duration::from_secs(70 * 365 * 86_400),
    });
    let [result, _] = shake_hands(&mut Pure::client(options), &keys_for("server"));
    assert_eq!(result, Err(SessionError::Refused(Refusal::Expired)));
}

#[test]
fn a_server_refuses_a_certificate_that_it_does_not_know() {
    let stranger = certified("stranger");
    let mut keys = keys_for("server");
    if let ClientCredentials::Certificate {
        certificate,
        private_key,
        ..
    } = &mut keys
    {
        *certificate = stranger.certificate;
        *private_key = stranger.private_key;
    }
    let mut client = Pure::client(PureOptions::default());
    let [result, at_server] = shake_hands(&mut client, &keys);
    assert_eq!(result, Ok(None));
    let expected = SessionError::Refused(Refusal::OtherCertificate);
    assert_eq!(at_server, Err(expected));
}

#[test]
fn a_certificate_without_its_key_is_no_proof() {
    let mut keys = keys_for("server");
    if let ClientCredentials::Certificate { private_key, .. } = &mut keys {
        *private_key = certified("stranger").private_key;
    }
    let mut client = Pure::client(PureOptions::default());
    let [result, at_server] = shake_hands(&mut client, &keys);
    assert_eq!((result, at_server), (Ok(None), Ok(None)));
}

#[test]
fn what_the_library_cannot_do_or_read_is_an_error() {
    let mut client = Pure::client(PureOptions::default());
    let raw = ClientCredentials::RawPublicKey {
        public_key: vec![1],
        private_key: vec![2],
        server_public_key: vec![3],
    };
    let raw = client.connect(Instant::ZERO, &raw);
    assert!(matches!(raw, Err(StackError::Unsupported(_))), "{raw:?}");
    let mut keys = keys_for("server");
    if let ClientCredentials::Certificate { private_key, .. } = &mut keys {
        private_key.truncate(20);
    }
    let cut = client.connect(Instant::ZERO, &keys);
    assert!(matches!(cut, Err(StackError::Malformed { .. })), "{cut:?}");
    let none = client.accept(Instant::ZERO);
    assert!(matches!(none, Err(StackError::Unsupported(_))), "{none:?}");
}
