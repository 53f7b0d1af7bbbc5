//! What a card has, in the tree: applied, followed and taken away (TS 5.2.3.2).

use lwm2m_core::{BindingMode, InstanceId, ObjectId, Path, Value, Version};
use lwm2m_kit::{path, server_id};
use lwm2m_objects::{
    ACCESS_CONTROL, DEVICE, ObjectTree, SECURITY, SERVER, Store, WriteError, accounts,
    bootstrap::Expected, example,
};
use lwm2m_statemachine::smartcard::{BootstrapUnderWay, CardContents, Refreshed, Refused, refresh};

use crate::card::{FILE, byte};

/// A client that has nothing yet.
fn tree() -> ObjectTree {
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
fn tlv(kind: u8, id: u8, value: &[u8]) -> Vec<u8> {
    [&[kind | 0x08, id, byte(value.len())], value].concat()
}

fn resource(id: u8, value: &[u8]) -> Vec<u8> {
    tlv(0xC0, id, value)
}

/// An Object of version 1.0.
fn object(id: u16, instances: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let instances: Vec<u8> = instances
        .iter()
        .flat_map(|(id, resources)| tlv(0x00, *id, resources))
        .collect();
    let [high, low] = id.to_be_bytes();
    [&[high, low, 0x00, 0x00, byte(instances.len())], &*instances].concat()
}

fn file(objects: &[Vec<u8>]) -> Vec<u8> {
    let collection = objects.concat();
    let [.., high, low] = collection.len().to_be_bytes();
    [&[0x00, byte(objects.len()), high, low], &*collection].concat()
}

/// The Security Object Instance of a server in NoSec mode.
fn security(id: u8, host: &str) -> Vec<u8> {
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
fn secured(id: u8, host: &str, key: &[u8]) -> Vec<u8> {
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

fn bootstrap_server(host: &str) -> Vec<u8> {
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

fn server(id: u8, lifetime: u8) -> Vec<u8> {
    [
        resource(0, &[id]),
        resource(1, &[lifetime]),
        resource(6, &[0]),
        resource(7, b"U"),
    ]
    .concat()
}

/// An Access Control Object Instance about `/1/instance`, owned by a server.
fn control(instance: u8, owner: u8) -> Vec<u8> {
    [
        resource(0, &[1]),
        resource(1, &[instance]),
        resource(3, &[owner]),
    ]
    .concat()
}

/// The file with server 101.
fn one_server(host: &str, lifetime: u8) -> Vec<u8> {
    file(&[
        object(0, &[(0, security(101, host))]),
        object(1, &[(0, server(101, lifetime))]),
    ])
}

/// The file with servers 101 and 102.
fn two_servers() -> Vec<u8> {
    file(&[
        object(0, &[(0, security(101, "a")), (1, security(102, "b"))]),
        object(1, &[(0, server(101, 60)), (1, server(102, 60))]),
        object(2, &[(0, control(0, 101)), (1, control(1, 102))]),
    ])
}

fn supports_udp(binding: BindingMode) -> bool {
    binding.is_supported_by("UQ")
}

fn follow(tree: &mut ObjectTree, before: &CardContents, file: Option<&[u8]>) -> Refreshed {
    refresh(tree, before, file, supports_udp).expect("no bootstrap is under way")
}

/// A tree with what the card has, and its contents.
fn with(file: &[u8]) -> (ObjectTree, CardContents) {
    let mut tree = tree();
    let applied = follow(&mut tree, &CardContents::default(), Some(file));
    assert_eq!(applied.refused, None);
    (tree, applied.contents)
}

fn servers(tree: &ObjectTree) -> Vec<u16> {
    accounts(tree)
        .iter()
        .map(|account| account.server.get())
        .collect()
}

fn paths(texts: &[&str]) -> Vec<Path> {
    texts.iter().map(|text| path(text)).collect()
}

#[test]
fn the_file_of_a_card_makes_an_account() {
    let (tree, contents) = with(FILE);
    assert_eq!(servers(&tree), [101]);
    let uri = Value::from("coap://192.0.2.1");
    assert_eq!(tree.get(path("/0/0/0")), Some(uri));
    assert_eq!(tree.get(path("/1/0/1")), Some(86_400.into()));
    assert!(contents.paths().eq(paths(&["/0/0", "/1/0"])));
    assert!(contents.provides_account(&accounts(&tree)[0]));
    assert!(!contents.provides(ObjectId::DEVICE, 0.try_into().unwrap()));
    assert!(!tree.is_holding());
    assert!(
        tree.locate(path("/1/0/4")).is_some(),
        "Disable is the Object's"
    );
}

#[test]
fn an_unchanged_card_writes_nothing_again() {
    let (mut tree, contents) = with(FILE);
    // A server has written its lifetime.
    tree.set(path("/1/0/1"), 300).unwrap();
    let before = tree.snapshot();
    let mut padded = FILE.to_vec();
    padded.resize(500, 0xFF);
    for file in [FILE, &padded] {
        let same = follow(&mut tree, &contents, Some(file));
        assert!(same.changes.is_empty() && same.paths.is_empty() && same.servers.is_empty());
        assert_eq!((same.contents, same.refused), (contents.clone(), None));
    }
    assert!(tree.snapshot() == before);
}

#[test]
fn a_changed_instance_is_written_and_the_others_stay() {
    let (mut tree, contents) = with(&one_server("a", 60));
    tree.set(path("/1/0/1"), 300).unwrap();
    let account = accounts(&tree)[0];
    let moved = follow(&mut tree, &contents, Some(&one_server("b", 60)));
    assert_eq!(moved.refused, None);
    assert_eq!(moved.changes.changed, paths(&["/0/0"]));
    assert!(moved.changes.concern(&account));
    assert!(moved.changes.added.is_empty() && moved.changes.removed.is_empty());
    assert_eq!(tree.get(path("/0/0/0")), Some(Value::from("coap://b")));
    assert_eq!(
        tree.get(path("/1/0/1")),
        Some(300.into()),
        "the server's value"
    );
    // It is compared with the file of now from here on.
    let same = follow(&mut tree, &moved.contents, Some(&one_server("b", 60)));
    assert!(same.changes.is_empty());
}

#[test]
fn what_the_card_no_longer_has_is_deleted() {
    let (mut tree, contents) = with(&two_servers());
    assert_eq!(servers(&tree), [101, 102]);
    let one = file(&[
        object(0, &[(1, security(102, "b"))]),
        object(1, &[(1, server(102, 60))]),
        object(2, &[(1, control(1, 102))]),
    ]);
    let gone = follow(&mut tree, &contents, Some(&one));
    assert_eq!(gone.refused, None);
    assert_eq!(gone.changes.removed, paths(&["/0/0", "/1/0", "/2/0"]));
    assert_eq!(gone.servers, [server_id(101)]);
    assert!(gone.paths.contains(&path("/1/0")));
    assert_eq!(servers(&tree), [102]);
    assert!(
        tree.instances(ObjectId::ACCESS_CONTROL)
            .map(InstanceId::get)
            .eq([1])
    );
    assert!(gone.contents.paths().eq(paths(&["/0/1", "/1/1", "/2/1"])));
}

#[test]
fn a_removed_card_takes_all_of_it_away_and_nothing_else() {
    let mut tree = tree();
    tree.change(example_account()).unwrap();
    let both = file(&[
        object(0, &[(0, security(101, "a")), (7, bootstrap_server("c"))]),
        object(1, &[(0, server(101, 60))]),
        object(2, &[(0, control(0, 101)), (1, control(9, 109))]),
    ]);
    let applied = follow(&mut tree, &CardContents::default(), Some(&both));
    assert_eq!(applied.refused, None);
    assert_eq!(servers(&tree), [101, 109]);
    let removed = follow(&mut tree, &applied.contents, None);
    assert_eq!(removed.refused, None);
    assert_eq!(removed.servers, [server_id(101)]);
    assert_eq!(servers(&tree), [109]);
    assert!(
        tree.instances(ObjectId::SECURITY)
            .map(InstanceId::get)
            .eq([9])
    );
    assert!(removed.contents.is_empty());
    let again = follow(&mut tree, &removed.contents, None);
    assert!(again.changes.is_empty());
}

/// The account of server 109, from the factory.
fn example_account() -> Vec<lwm2m_objects::Change> {
    use lwm2m_core::ShortServerId;
    use lwm2m_objects::{Change, typed};

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

#[test]
fn a_card_may_have_the_account_of_a_bootstrap_server_alone() {
    let (mut tree, contents) = with(&file(&[object(0, &[(0, bootstrap_server("c"))])]));
    assert!(servers(&tree).is_empty());
    assert_eq!(tree.instances(ObjectId::SECURITY).count(), 1);
    // And it may take it back.
    let removed = follow(&mut tree, &contents, None);
    assert_eq!((removed.refused, removed.servers), (None, Vec::new()));
    assert_eq!(tree.instances(ObjectId::SECURITY).count(), 0);
}

#[test]
fn another_bootstrap_server_on_the_card_takes_the_place_of_the_one_there_is() {
    let (mut tree, contents) = with(&file(&[object(0, &[(0, bootstrap_server("c"))])]));
    let mut contents = contents;
    contents.supersede(ObjectId::SECURITY, 0.try_into().unwrap());
    let other = file(&[object(0, &[(1, bootstrap_server("d"))])]);
    let replaced = follow(&mut tree, &contents, Some(&other));
    assert_eq!(replaced.refused, None);
    assert!(
        tree.instances(ObjectId::SECURITY)
            .map(InstanceId::get)
            .eq([1])
    );
}

#[test]
fn a_server_with_another_number_is_another_server() {
    let (mut tree, contents) = with(&one_server("a", 60));
    let other = file(&[
        object(0, &[(0, security(105, "a"))]),
        object(1, &[(0, server(105, 60))]),
    ]);
    let changed = follow(&mut tree, &contents, Some(&other));
    assert_eq!(changed.refused, None);
    assert_eq!(changed.servers, [server_id(101)]);
    assert_eq!(servers(&tree), [105]);
}

#[test]
fn servers_may_change_places_on_the_card() {
    let (mut tree, contents) = with(&two_servers());
    let swapped = file(&[
        object(0, &[(0, security(102, "b")), (1, security(101, "a"))]),
        object(1, &[(0, server(101, 60)), (1, server(102, 60))]),
        object(2, &[(0, control(0, 101)), (1, control(1, 102))]),
    ]);
    let changed = follow(&mut tree, &contents, Some(&swapped));
    assert_eq!((changed.refused, changed.servers), (None, Vec::new()));
    assert_eq!(changed.changes.changed, paths(&["/0/0", "/0/1"]));
    assert_eq!(servers(&tree), [102, 101]);
    assert_eq!(tree.get(path("/2/0/3")), Some(101.into()));
}

#[test]
fn a_server_that_moves_to_another_instance_keeps_its_rights() {
    let (mut tree, contents) = with(&two_servers());
    let moved = file(&[
        object(0, &[(5, security(101, "a")), (1, security(102, "b"))]),
        object(1, &[(0, server(101, 60)), (1, server(102, 60))]),
        object(2, &[(0, control(0, 101)), (1, control(1, 102))]),
    ]);
    let changed = follow(&mut tree, &contents, Some(&moved));
    assert_eq!((changed.refused, changed.servers), (None, Vec::new()));
    assert_eq!(servers(&tree), [102, 101]);
    assert_eq!(tree.get(path("/2/0/3")), Some(101.into()));
    assert_eq!(tree.get(path("/1/0/0")), Some(101.into()));
}

/// Applies a file that is refused to a tree with server 101, and returns why. The old account, which
/// isn't on the card any more, is gone.
fn refused(bad: &[u8]) -> Refused {
    let (mut tree, contents) = with(&one_server("a", 60));
    let before = tree.snapshot();
    let refreshed = follow(&mut tree, &contents, Some(bad));
    assert!(
        servers(&tree).is_empty(),
        "the account of before is disabled"
    );
    assert_eq!(refreshed.servers, [server_id(101)]);
    assert!(!tree.is_holding() && tree.snapshot() != before);
    // What was there before the card is as it was: nothing of the bad file is left.
    for object in [
        ObjectId::SECURITY,
        ObjectId::SERVER,
        ObjectId::ACCESS_CONTROL,
    ] {
        assert_eq!(tree.instances(object).count(), 0);
    }
    assert!(refreshed.contents.is_empty());
    // A good one makes all well again.
    let good = follow(&mut tree, &refreshed.contents, Some(&one_server("a", 60)));
    assert_eq!(good.refused, None);
    assert_eq!(servers(&tree), [101]);
    refreshed.refused.expect("it is refused")
}

#[test]
fn a_damaged_file_disables_what_was_there() {
    let mut bad = one_server("a", 60);
    bad[1] = 3;
    assert!(matches!(refused(&bad), Refused::File(_)));
    assert!(matches!(refused(&[]), Refused::File(_)));
    assert!(matches!(refused(&[0xFF; 40]), Refused::File(_)));
}

#[test]
fn a_file_is_applied_whole_or_not_at_all() {
    let good = [
        object(0, &[(0, security(101, "b"))]),
        object(1, &[(0, server(101, 61))]),
    ];
    let with = |last: Vec<u8>| refused(&file(&[&good[..], &[last]].concat()));
    // An Object that the client doesn't have.
    let unknown = with(object(77, &[(0, Vec::new())]));
    assert_eq!(unknown, Refused::Write(WriteError::NotFound(path("/77/0"))));
    // A value of the wrong length, behind 68 bytes and three headers.
    let wrong = with(object(3, &[(0, resource(9, &[1, 2, 3]))]));
    let Refused::File(error) = wrong else {
        panic!("{wrong}");
    };
    let text = "at byte 79 of the bootstrap file: 3 bytes aren't a valid Integer";
    assert_eq!(error.to_string(), text);
    // A value out of range.
    let range = with(object(3, &[(0, resource(9, &[101]))]));
    assert_eq!(
        range,
        Refused::Write(WriteError::OutOfRange(path("/3/0/9")))
    );
    // A second instance of a single-instance Object.
    let many = with(object(3, &[(1, Vec::new())]));
    assert_eq!(many, Refused::Write(WriteError::TooMany(path("/3/1"))));
    // Another version.
    let mut version = object(3, &[(0, Vec::new())]);
    version.splice(2..3, [2, 5]);
    let expected = Refused::Version {
        object: ObjectId::DEVICE,
        card: Version::new(2, 5),
        client: Version::INITIAL,
    };
    assert_eq!(with(version), expected);
}

#[test]
fn a_file_that_leaves_the_tree_inconsistent_is_refused() {
    let expected = |file: &[u8]| match refused(file) {
        Refused::Inconsistent(error) => (error.path, error.expected),
        other => panic!("{other}"),
    };
    let security_alone = file(&[object(0, &[(0, security(102, "b"))])]);
    let missing = Expected::ServerInstance(server_id(102));
    assert_eq!(expected(&security_alone), (path("/0/0/10"), missing));
    let without_key = file(&[
        object(0, &[(0, secured(101, "b", b""))]),
        object(1, &[(0, server(101, 61))]),
    ]);
    assert_eq!(expected(&without_key), (path("/0/0/5"), Expected::Key));
}

#[test]
fn what_a_bootstrap_server_has_written_is_not_the_cards() {
    let (mut tree, mut contents) = with(&one_server("a", 60));
    let at = 0.try_into().unwrap();
    contents.supersede(ObjectId::SECURITY, at);
    contents.supersede(ObjectId::SERVER, at);
    tree.set(path("/0/0/0"), "coap://other").unwrap();
    assert!(contents.is_empty());
    assert!(!contents.provides_account(&accounts(&tree)[0]));
    // The card still has the same: it doesn't overwrite it.
    let same = follow(&mut tree, &contents, Some(&one_server("a", 60)));
    assert!(same.changes.is_empty());
    assert_eq!(tree.get(path("/0/0/0")), Some(Value::from("coap://other")));
    // A removed card doesn't delete it.
    let removed = follow(&mut tree, &same.contents, None);
    assert!(removed.changes.is_empty());
    assert_eq!(servers(&tree), [101]);
    // A card with something else is applied again.
    let changed = follow(&mut tree, &same.contents, Some(&one_server("c", 60)));
    assert_eq!(changed.changes.added, paths(&["/0/0"]));
    assert_eq!(tree.get(path("/0/0/0")), Some(Value::from("coap://c")));
    assert!(changed.contents.paths().eq(paths(&["/0/0"])));
}

#[test]
fn the_single_instance_of_a_mandatory_object_stays() {
    let mut tree = example::client();
    let device = file(&[object(3, &[(0, resource(15, b"Asia/Tokyo"))])]);
    let applied = follow(&mut tree, &CardContents::default(), Some(&device));
    assert_eq!(applied.refused, None);
    let removed = follow(&mut tree, &applied.contents, None);
    assert_eq!(removed.refused, None);
    assert!(tree.locate(path("/3/0")).is_some());
    assert!(removed.contents.is_empty());
}

#[test]
fn a_card_waits_while_a_bootstrap_is_under_way() {
    let mut tree = tree();
    tree.hold();
    let refreshed = refresh(
        &mut tree,
        &CardContents::default(),
        Some(FILE),
        supports_udp,
    );
    assert_eq!(refreshed, Err(BootstrapUnderWay));
    assert!(tree.is_holding());
}

#[test]
fn keys_are_in_no_debug_output_and_no_error() {
    let key = b"0123456789abcdef";
    let good = file(&[
        object(0, &[(0, secured(101, "b", key))]),
        object(1, &[(0, server(101, 61))]),
    ]);
    let (mut tree, contents) = with(&good);
    let bad = file(&[object(
        0,
        &[(0, secured(101, "c", key)), (1, secured(102, "d", key))],
    )]);
    let refreshed = follow(&mut tree, &contents, Some(&bad));
    let text = format!("{contents:?} {refreshed:?} {}", refreshed.refused.unwrap());
    assert!(
        !text.contains("0123") && !text.contains("48, 49, 50"),
        "{text}"
    );
    assert_eq!(format!("{contents:?}"), "{/0/0, /1/0}");
}

#[cfg(feature = "serde")]
#[test]
fn contents_survive_a_restart() {
    let (mut tree, mut contents) = with(&one_server("a", 60));
    contents.supersede(ObjectId::SERVER, 0.try_into().unwrap());
    let saved = serde_json::to_string(&contents).unwrap();
    let restored: CardContents = serde_json::from_str(&saved).unwrap();
    assert_eq!(restored, contents);
    let removed = follow(&mut tree, &restored, None);
    assert_eq!(removed.changes.removed, paths(&["/0/0"]));
}
