//! OpenSSL and `dimpl` with each other.

use lwm2m_examples::secure::credentials::{ClientCredentials, ProvenIdentity, ServerCredentials};
use lwm2m_examples::secure::pure::{Pure, PureOptions};
use lwm2m_examples::secure::session::{DtlsSession, DtlsStack, Refusal, SessionError};
use lwm2m_examples::secure::sessions::{Bounds, Sessions};

use super::support::{End, HOST, NOW, Pair, Paper, World, psk};

/// A session between two libraries.
fn between<C: DtlsStack, S: DtlsStack>(
    client: &mut C,
    server: &mut S,
    credentials: &ClientCredentials,
) -> Pair<C::Session, S::Session> {
    let mut pair = Pair {
        client: End::new(client.connect(NOW, credentials).unwrap()),
        server: End::new(server.accept(NOW).unwrap()),
        passed: Vec::new(),
    };
    pair.client.wait(NOW);
    pair.settle(NOW);
    pair
}

/// Data passes, then a goodbye.
fn assert_works<C: DtlsSession, S: DtlsSession>(mut pair: Pair<C, S>) {
    pair.assert_works();
    assert!(!pair.client.resumed() && !pair.server.resumed());
    pair.client.close();
    pair.settle(NOW);
    assert!(pair.server.closed);
}

fn pure_server(world: &World) -> Pure {
    let credentials = ServerCredentials {
        clients: world.clients.clone(),
        certificate: Some(world.server.clone()),
    };
    Pure::server(PureOptions::default(), &credentials).unwrap()
}

#[test]
fn pre_shared_keys_work_in_both_directions() {
    let world = World::new();
    let mut pure = Pure::client(PureOptions::default());
    assert_works(between(&mut pure, &mut world.server_stack(), &psk()));
    let mut pure = pure_server(&world);
    assert_works(between(&mut world.client_stack(), &mut pure, &psk()));
}

#[test]
fn certificates_work_in_both_directions() {
    let world = World::new();
    let credentials = world.certificate(HOST);
    let mut pure = Pure::client(PureOptions::default());
    assert_works(between(&mut pure, &mut world.server_stack(), &credentials));
    let mut pure = pure_server(&world);
    assert_works(between(&mut world.client_stack(), &mut pure, &credentials));
}

#[test]
fn each_library_names_a_certificate_s_owner_alike() {
    let world = World::new();
    let credentials = world.certificate(HOST);
    let mut client = world.client_stack();
    let with_pure = between(&mut client, &mut pure_server(&world), &credentials);
    let with_system = between(&mut client, &mut world.server_stack(), &credentials);
    assert_eq!(with_pure.server.connected, with_system.server.connected);
    assert!(with_pure.server.connected.is_some());
}

/// A certificate of a server, the hosts that it names, and those that it doesn't.
const NAMED: &[(Paper<'_>, &[&str], &[&str])] = &[
    (
        PAPER,
        &["lwm2m.example", "LWM2M.Example", "lwm2m.example."],
        &["lwm2m.example..", "other.example", "192.0.2.7"],
    ),
    (
        Paper {
            dns: &["a.example", "b.example."],
            ..PAPER
        },
        &["a.example", "b.example"],
        &["lwm2m.example"],
    ),
    // The Common Name counts beside an address or a URI, and an address in it beside anything.
    (
        Paper {
            addresses: &["192.0.2.7", "2001:db8::7"],
            ..PAPER
        },
        &["lwm2m.example", "192.0.2.7", "[2001:db8::7]"],
        &["192.0.2.8"],
    ),
    (
        Paper {
            uris: &["coaps://[2001:db8::2:1]:5684", "coaps://192.0.2.9/rd"],
            ..PAPER
        },
        &["lwm2m.example", "[2001:db8:0::2:1]", "192.0.2.9"],
        &["[2001:db8::2:2]"],
    ),
    (
        Paper {
            common: "192.0.2.7",
            dns: &["a.example"],
            ..PAPER
        },
        &["192.0.2.7", "a.example"],
        &["192.0.2.8"],
    ),
    (
        Paper {
            dns: &["192.0.2.7"],
            ..PAPER
        },
        &[],
        &["192.0.2.7", "lwm2m.example"],
    ),
    (
        Paper {
            dns: &["*.example"],
            ..PAPER
        },
        &[],
        &["a.example"],
    ),
    // The leftmost Common Name is the last one in the encoding.
    (
        Paper {
            more_common: &["first.example", "192.0.2.7"],
            ..PAPER
        },
        &["lwm2m.example"],
        &["first.example", "192.0.2.7"],
    ),
];

const PAPER: Paper<'_> = Paper::new();

#[test]
fn each_library_finds_the_same_hosts_in_a_certificate() {
    let mut pure = Pure::client(PureOptions::default());
    for (paper, named, others) in NAMED {
        let world = World::with_server(paper.sign());
        let mut server = world.server_stack();
        let named = named.iter().map(|host| (host, None));
        let refused = SessionError::Refused(Refusal::OtherName);
        let others = others.iter().map(|host| (host, Some(&refused)));
        for (host, error) in named.chain(others) {
            let credentials = world.certificate(host);
            let with_pure = between(&mut pure, &mut server, &credentials).client.error;
            let mut system = world.client_stack();
            let with_system = between(&mut system, &mut server, &credentials).client.error;
            assert_eq!(with_pure.as_ref(), error, "dimpl, {host}");
            assert_eq!(with_system.as_ref(), error, "OpenSSL, {host}");
        }
    }
}

#[test]
fn each_library_tells_the_same_names_of_a_client() {
    let paper = Paper {
        more_common: &["Köln", HOST],
        dns: &["device.example", HOST],
        uris: &["urn:dev:os:7"],
        addresses: &["192.0.2.7"],
        ..PAPER
    };
    let mut world = World::new();
    world.client = paper.sign();
    let known = world.client.certificate.clone();
    world.clients.certificates.lock().unwrap().push(known);
    let credentials = world.certificate(HOST);
    let mut client = world.client_stack();
    let with_pure = between(&mut client, &mut pure_server(&world), &credentials);
    let with_system = between(&mut client, &mut world.server_stack(), &credentials);
    let names = ["Köln", HOST, "device.example", "urn:dev:os:7"].map(String::from);
    let expected = Some((ProvenIdentity::Certificate(names.to_vec()), false));
    assert_eq!(with_pure.server.connected, expected);
    assert_eq!(with_system.server.connected, expected);
}

#[test]
fn a_cookie_whose_secret_is_gone_is_answered_with_another_one() {
    let world = World::new();
    let mut bounds = Bounds::server(1);
    bounds.unproved = 1;
    let mut sessions = Sessions::new(pure_server(&world), bounds);
    let mut client = End::new(world.client_stack().connect(NOW, &psk()).unwrap());
    let other = End::new(world.client_stack().connect(NOW, &psk()).unwrap());
    let mut take = |from: u32, datagram: &[u8]| {
        let taken = sessions.handle_datagram(NOW, &from, datagram, &mut |_| {});
        taken.unwrap();
        let all = core::iter::from_fn(|| sessions.poll_transmit());
        all.map(|(_, datagram)| datagram).collect::<Vec<_>>()
    };
    let request = take(1, &client.out.pop_front().unwrap());
    take(2, other.out.front().unwrap());
    client.take(NOW, &request[0]);
    while let Some(datagram) = client.out.pop_front() {
        for answer in take(1, &datagram) {
            client.take(NOW, &answer);
        }
    }
    assert_eq!(client.error, None);
    assert!(client.connected.is_some());
}
