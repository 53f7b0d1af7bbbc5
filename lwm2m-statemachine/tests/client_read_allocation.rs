//! A Client allocates nothing to answer a Read but the buffer of the answer, from datagram to
//! datagram. One test, because the counter is global.

#[path = "client/support.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "this needs less of the Client than its other tests"
)]
mod support;

use core::time::Duration;

use lwm2m_core::{AccessRights, Code, ContentFormat, ObjectId};
use lwm2m_kit::{
    heap::{change, count, least},
    instance,
};
use lwm2m_objects::{
    ObjectTree, Store,
    typed::{AccessControl, AclTarget, Device, Security, Server},
};
use lwm2m_statemachine::{
    ClientConfig, Datagram,
    coap::{MessageRef, MessageType, Token},
};

use support::{Bench, get, server_id};

lwm2m_kit::count_allocations!();

/// A request each second for longer than EXCHANGE_LIFETIME, so that as many are forgotten as come.
const READS: u16 = 300;

/// The Device, of whose Object Instance the first of so many servers may read.
fn tree(servers: u16) -> ObjectTree {
    let ids = || (0..servers).map(|id| (instance(id), server_id(101 + id)));
    let mut tree = ObjectTree::new();
    let security = |id| Security::no_sec("coap://server", id);
    tree.add(Store::of(ids().map(|(at, id)| (at, security(id)))));
    let server = |id| Server::new(id, 86_400);
    tree.add(Store::of(ids().map(|(at, id)| (at, server(id)))));
    tree.add(Store::of([(instance(0), Device::example())]));
    let access = AccessControl {
        target: AclTarget::Instance(ObjectId::DEVICE, instance(0)),
        acl: vec![(101, AccessRights::READ)],
        owner: 102,
    };
    tree.add(Store::of([(instance(0), access)]));
    tree
}

/// Reads this path again and again.
fn read(bench: &mut Bench, path: &str, length: usize) {
    let mut request = get(path);
    request.accept(ContentFormat::TLV).unwrap();
    let token = Token::new(b"read").unwrap();
    let request = request.finish(MessageType::Confirmable, 0, token);
    let mut datagram = [0; 64];
    let request = {
        let bytes = request.as_ref();
        let room = &mut datagram[..bytes.len()];
        room.copy_from_slice(bytes);
        room
    };
    for _ in 0..READS {
        bench.now += Duration::from_secs(1);
        request[2..4].copy_from_slice(&bench.message_id().to_be_bytes());
        bench.client.handle_timeout(bench.now);
        // An Update may be due.
        while bench.client.poll_transmit().is_some() {}
        let datagram = Datagram::new(bench.connection, request);
        bench.client.handle_datagram(bench.now, datagram).unwrap();
        let answer = bench.client.poll_transmit().expect("an answer");
        let answer = MessageRef::parse(answer.payload).unwrap();
        assert_eq!(
            (answer.code(), answer.payload().len()),
            (Code::CONTENT, length)
        );
    }
}

#[test]
fn a_read_allocates_the_buffer_of_its_answer_alone() {
    for (servers, path, length) in [(1, "/3/0", 121), (2, "/3/0", 121), (2, "/3/0/9", 3)] {
        let config = ClientConfig::new("allocation", [7; 32]);
        let mut bench = Bench::with_tree(config, tree(servers));
        // The other servers are never connected to.
        while bench.client.poll_event().is_some() {}
        bench.accept_register();
        // The tables of what is remembered grow once.
        read(&mut bench, path, length);
        // One more is for the request that the test itself makes.
        let allocations = least(|| count(&change(|| read(&mut bench, path, length))));
        assert_eq!(allocations, usize::from(READS) + 1, "{path}, {servers}");
    }
}
