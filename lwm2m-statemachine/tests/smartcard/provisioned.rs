//! Bootstrap files, written by hand, and the tree of a client that follows a card.

use lwm2m_core::{BindingMode, InstanceId, ObjectId, Path, ShortServerId};
use lwm2m_kit::path;
use lwm2m_objects::{
    ACCESS_CONTROL, Change, DEVICE, ObjectTree, SECURITY, SERVER, Store, accounts, typed,
};
use lwm2m_statemachine::smartcard::{CardContents, Refreshed, refresh};

use crate::card::byte;

/// A client that has nothing yet.
pub(crate) fn tree() -> ObjectTree {
    let mut tree = ObjectTree::new();
    tree.add(Store::new(&SECURITY).supporting(0..=12));
    tree.add(Store::new(&SERVER).supporting(0..=8));
    tree.add(Store::new(&ACCESS_CONTROL).supporting(0..=3));
    tree.add(
        Store::new(&DEVICE)
            .supporting([9, 15, 16])
            .with_executable(InstanceId::ZERO, 4),
    );
    tree
}

/// A TLV with an identifier of one byte and a length of one byte.
pub(crate) fn tlv(kind: u8, id: u8, value: &[u8]) -> Vec<u8> {
    [&[kind | 0x08, id, byte(value.len())], value].concat()
}

pub(crate) fn resource(id: u8, value: &[u8]) -> Vec<u8> {
    tlv(0xC0, id, value)
}

/// An Object of version 1.0.
pub(crate) fn object(id: u16, instances: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let instances: Vec<u8> = instances
        .iter()
        .flat_map(|(id, resources)| tlv(0x00, *id, resources))
        .collect();
    let [high, low] = id.to_be_bytes();
    [&[high, low, 0x00, 0x00, byte(instances.len())], &*instances].concat()
}

pub(crate) fn file(objects: &[Vec<u8>]) -> Vec<u8> {
    let collection = objects.concat();
    let [.., high, low] = collection.len().to_be_bytes();
    [&[0x00, byte(objects.len()), high, low], &*collection].concat()
}

/// The Security Object Instance of a server in NoSec mode.
pub(crate) fn security(id: u8, host: &str) -> Vec<u8> {
    [
        resource(0, format!("coap://{host}").as_bytes()),
        resource(1, &[0]),
        resource(2, &[3]),
        resource(3, &[]),
        resource(4, &[]),
        resource(5, &[]),
        resource(10, &[id]),
    ]
    .concat()
}

/// The same, with a key.
pub(crate) fn secured(id: u8, host: &str, key: &[u8]) -> Vec<u8> {
    [
        resource(0, format!("coaps://{host}").as_bytes()),
        resource(1, &[0]),
        resource(2, &[0]),
        resource(3, b"meter"),
        resource(4, &[]),
        resource(5, key),
        resource(10, &[id]),
    ]
    .concat()
}

pub(crate) fn bootstrap_server(host: &str) -> Vec<u8> {
    [
        resource(0, format!("coap://{host}").as_bytes()),
        resource(1, &[1]),
        resource(2, &[3]),
        resource(3, &[]),
        resource(4, &[]),
        resource(5, &[]),
    ]
    .concat()
}

pub(crate) fn server(id: u8, lifetime: u8) -> Vec<u8> {
    [
        resource(0, &[id]),
        resource(1, &[lifetime]),
        resource(6, &[0]),
        resource(7, b"U"),
    ]
    .concat()
}

/// An Access Control Object Instance about `/1/instance`, owned by a server.
pub(crate) fn control(instance: u8, owner: u8) -> Vec<u8> {
    [
        resource(0, &[1]),
        resource(1, &[instance]),
        resource(3, &[owner]),
    ]
    .concat()
}

/// The file with server 101.
pub(crate) fn one_server(host: &str, lifetime: u8) -> Vec<u8> {
    file(&[
        object(0, &[(0, security(101, host))]),
        object(1, &[(0, server(101, lifetime))]),
    ])
}

/// The file with servers 101 and 102.
pub(crate) fn two_servers() -> Vec<u8> {
    file(&[
        object(0, &[(0, security(101, "a")), (1, security(102, "b"))]),
        object(1, &[(0, server(101, 60)), (1, server(102, 60))]),
        object(2, &[(0, control(0, 101)), (1, control(1, 102))]),
    ])
}

pub(crate) fn supports_udp(binding: BindingMode) -> bool {
    binding.is_supported_by("UQ")
}

pub(crate) fn follow(
    tree: &mut ObjectTree,
    before: &CardContents,
    file: Option<&[u8]>,
) -> Refreshed {
    refresh(tree, before, file, supports_udp).expect("no bootstrap is under way")
}

/// A tree with what the card has, and its contents.
pub(crate) fn with(file: &[u8]) -> (ObjectTree, CardContents) {
    let mut tree = tree();
    let applied = follow(&mut tree, &CardContents::default(), Some(file));
    assert_eq!(applied.refused, None);
    (tree, applied.contents)
}

pub(crate) fn servers(tree: &ObjectTree) -> Vec<u16> {
    accounts(tree)
        .iter()
        .map(|account| account.server.get())
        .collect()
}

pub(crate) fn paths(texts: &[&str]) -> Vec<Path> {
    texts.iter().map(|text| path(text)).collect()
}

/// The account of server 109, from the factory.
pub(crate) fn factory_account() -> Vec<Change> {
    let id = ShortServerId::new(109).unwrap();
    let instance = InstanceId::new(9).unwrap();
    let create = |object| Change::Create {
        path: Path::Instance(object, instance),
    };
    let mut source = ObjectTree::new();
    source.add(Store::of([(
        instance,
        typed::Security::no_sec("coap://x", id),
    )]));
    source.add(Store::of([(instance, typed::Server::new(id, 86_400))]));
    let mut changes = Vec::new();
    for object in [ObjectId::SECURITY, ObjectId::SERVER] {
        changes.push(create(object));
        for resource in source.resources(object, instance) {
            let path = Path::Resource(object, instance, resource.id);
            if let Some(value) = source.get(path) {
                changes.push(Change::Set { path, value });
            }
        }
    }
    changes
}
