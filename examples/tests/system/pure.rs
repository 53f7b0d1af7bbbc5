//! OpenSSL and `dimpl` with each other.

use lwm2m_examples::secure::credentials::{ClientCredentials, ServerCredentials};
use lwm2m_examples::secure::pure::{Pure, PureOptions};
use lwm2m_examples::secure::session::{DtlsSession, DtlsStack};

use super::support::{End, HOST, NOW, Pair, World, psk};

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
