//! The memory that sessions take. `-- --nocapture` shows the figures.

#![expect(
    clippy::std_instead_of_alloc,
    reason = "programs run on a computer with an operating system"
)]

#[path = "../secure/keys.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
mod keys;

use lwm2m_core::Instant;
use lwm2m_examples::secure::{
    credentials::ClientCredentials,
    pure::{Pure, PureOptions, PureSession},
    session::{DtlsSession, DtlsStack, Output},
    sessions::{Bounds, Sessions},
};
use lwm2m_kit::heap;

use self::keys::{certified, key, server_credentials};

lwm2m_kit::count_allocations!();

const NOW: Instant = Instant::ZERO;
/// How many sessions are measured at a time.
const COUNT: u32 = 100;

fn psk() -> ClientCredentials {
    ClientCredentials::PreSharedKey {
        identity: b"device".to_vec(),
        key: key(1),
    }
}

fn certificate() -> ClientCredentials {
    let device = certified("device");
    ClientCredentials::Certificate {
        certificate: device.certificate,
        private_key: device.private_key,
        server_certificate: certified("server").certificate,
        host: "server".into(),
    }
}

fn server() -> Sessions<u32, Pure> {
    let stack = Pure::server(PureOptions::default(), &server_credentials()).unwrap();
    let mut bounds = Bounds::server(1);
    // All clients here have the same identity.
    bounds.per_identity = usize::MAX;
    Sessions::new(stack, bounds)
}

fn datagrams(session: &mut impl DtlsSession) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    session.drain(&mut |output| {
        if let Output::Datagram(datagram) = output {
            datagrams.push(datagram.to_vec());
        }
    });
    datagrams
}

/// Lets a client at this address connect.
fn connect(sessions: &mut Sessions<u32, Pure>, address: u32, client: &mut PureSession) {
    for _ in 0..10 {
        for datagram in datagrams(client) {
            let taken = sessions.handle_datagram(NOW, &address, &datagram, &mut |_| {});
            taken.unwrap();
        }
        while let Some((_, datagram)) = sessions.poll_transmit() {
            client.handle_datagram(NOW, &datagram).unwrap();
        }
    }
}

/// The bytes of a session at each end.
fn established(keys: &ClientCredentials) -> [usize; 2] {
    let mut stack = Pure::client(PureOptions::default());
    let mut sessions = server();
    connect(&mut sessions, 0, &mut stack.connect(NOW, keys).unwrap());
    let mut clients = Vec::with_capacity(COUNT as usize);
    let before = heap::held();
    for address in 1..=COUNT {
        let mut client = stack.connect(NOW, keys).unwrap();
        connect(&mut sessions, address, &mut client);
        clients.push(client);
    }
    assert_eq!(sessions.usage().established, COUNT as usize + 1);
    let both = heap::held() - before;
    drop(clients);
    let of_server = heap::held() - before;
    let of_clients = both - of_server;
    // The vector of clients had its room before.
    let inline = size_of::<PureSession>();
    [
        of_clients / COUNT as usize + inline,
        of_server / COUNT as usize,
    ]
}

/// A ClientHello of its own for each number.
fn hello(hello: &[u8], number: u32) -> Vec<u8> {
    let mut hello = hello.to_vec();
    // In the random, behind the headers of record and message, and the version.
    for at in [27, 55] {
        hello[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
    hello
}

/// The bytes of a server after so many forged ClientHellos.
fn flooded(counts: [u32; 3]) -> [usize; 3] {
    let mut stack = Pure::client(PureOptions::default());
    let mut client = stack.connect(NOW, &psk()).unwrap();
    let genuine = datagrams(&mut client).remove(0);
    let mut sessions = server();
    let before = heap::held();
    let mut sent = 0;
    counts.map(|count| {
        while sent < count {
            sent += 1;
            let hello = hello(&genuine, sent);
            let taken = sessions.handle_datagram(NOW, &sent, &hello, &mut |_| {});
            taken.unwrap();
            while sessions.poll_transmit().is_some() {}
        }
        heap::held() - before
    })
}

#[test]
fn sessions_and_a_flood_take_bounded_memory() {
    println!("size_of::<PureSession>(): {}", size_of::<PureSession>());
    for (name, keys) in [("a key", psk()), ("a certificate", certificate())] {
        let [client, server] = established(&keys);
        println!("a session with {name}: client {client} bytes, server {server} bytes");
        assert!(client < 20 * 1024 && server < 10 * 1024);
    }
    let unproved = u32::try_from(Bounds::server(1).unproved).unwrap();
    let [full, later, last] = flooded([unproved, 2 * unproved, 100_000]);
    println!(
        "an unproved handshake: {} bytes; after 100,000: {last} bytes in all",
        full / Bounds::server(1).unproved
    );
    assert!(later < full + full / 10, "{full} {later}");
    assert!(last < full + full / 10, "{full} {last}");
}
