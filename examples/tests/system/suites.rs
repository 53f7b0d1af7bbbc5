//! Each cipher suite of TS 7.1.7 to 7.1.9.

use lwm2m_examples::secure::credentials::ProvenIdentity;
use lwm2m_examples::secure::session::{DtlsStack, StackError};
use lwm2m_examples::secure::suite::Suite;

use super::support::{HOST, IDENTITY, NOW, Pair, World, psk};

/// The suite of the ServerHello: after two headers, version, random and session ID.
fn chosen(datagram: &[u8]) -> Option<u16> {
    let hello = datagram.strip_prefix(&[22])?.get(12..)?;
    let body = hello.strip_prefix(&[2])?.get(11..)?;
    let (length, rest) = body.get(34..)?.split_first()?;
    let suite = rest.get(usize::from(*length)..)?.first_chunk()?;
    Some(u16::from_be_bytes(*suite))
}

/// Passes the handshake, and looks for the ServerHello.
fn chosen_in(world: &World, certificates: bool) -> (Pair, Option<u16>) {
    let credentials = if certificates {
        world.certificate(HOST)
    } else {
        psk()
    };
    let (mut client, mut server) = (world.client_stack(), world.server_stack());
    let mut pair = Pair::try_begin(&mut client, &mut server, &credentials).unwrap();
    let mut suite = None;
    loop {
        let to_server = pair.pass_to_server(NOW);
        let seen = pair.server.out.iter().find_map(|datagram| chosen(datagram));
        suite = suite.or(seen);
        if !(pair.pass_to_client(NOW) | to_server) {
            break;
        }
    }
    (pair, suite)
}

#[test]
fn each_suite_alone_connects_and_carries_data() {
    for suite in Suite::ALL {
        let world = World::offering(&[suite]);
        let (mut pair, chosen) = chosen_in(&world, !suite.is_psk());
        pair.assert_works();
        assert_eq!(chosen, Some(suite.number()), "{suite}");
        assert_eq!(suite.to_string(), suite.name());
    }
}

#[test]
fn a_server_with_all_suites_takes_what_the_client_likes_best() {
    let world = World::new();
    let (mut pair, psk) = chosen_in(&world, false);
    pair.assert_works();
    let (mut pair, certificates) = chosen_in(&world, true);
    pair.assert_works();
    assert_eq!(psk, Some(Suite::PskAes128Ccm8.number()));
    assert_eq!(certificates, Some(Suite::EcdheEcdsaAes128Ccm8.number()));
}

#[test]
fn each_end_learns_who_the_other_is() {
    let world = World::new();
    let pair = world.pair(&psk());
    let identity = ProvenIdentity::Psk(IDENTITY.to_vec());
    assert_eq!(pair.server.connected, Some((identity.clone(), false)));
    assert_eq!(pair.client.connected, Some((identity, false)));

    let pair = world.pair(&world.certificate(HOST));
    let names = |names: &[&str]| {
        ProvenIdentity::Certificate(names.iter().map(|&name| name.to_owned()).collect())
    };
    let client = names(&["urn:dev:7", "urn:dev:os:7"]);
    assert_eq!(pair.server.connected, Some((client, false)));
    assert_eq!(pair.client.connected, Some((names(&[HOST]), false)));
}

#[test]
fn no_common_suite_is_an_error_of_the_server() {
    let client = World::offering(&[Suite::PskAes128Ccm8]);
    let server = World::offering(&[Suite::PskAes128CbcSha256]);
    let (mut client_stack, mut server_stack) = (client.client_stack(), server.server_stack());
    let pair = Pair::between(&mut client_stack, &mut server_stack, &psk());
    let error = pair.server.error.unwrap();
    assert!(error.to_string().contains("no shared cipher"), "{error}");
    assert_eq!(pair.client.connected, None);
}

#[test]
fn keys_without_a_suite_for_them_can_t_connect() {
    let world = World::offering(&[Suite::PskAes128Ccm8]);
    let result = world.client_stack().connect(NOW, &world.certificate(HOST));
    assert!(matches!(result, Err(StackError::Unsupported(_))));
}
