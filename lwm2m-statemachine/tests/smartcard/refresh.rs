//! What a card has, in the tree: applied, followed and taken away (TS 5.2.3.2).

use lwm2m_core::{InstanceId, ObjectId, Path, Value};
use lwm2m_kit::{path, server_id};
use lwm2m_objects::{Change, accounts, example};
use lwm2m_statemachine::smartcard::{BootstrapUnderWay, CardContents, refresh};
use proptest::prelude::*;

use crate::{
    card::FILE,
    provisioned::{
        bootstrap_server, control, factory_account, file, follow, object, one_server, paths,
        resource, secured, security, server, servers, supports_udp, tree, two_servers, with,
    },
};

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
    tree.change(factory_account()).unwrap();
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
fn a_card_that_changes_waits_while_a_bootstrap_is_under_way() {
    let (mut tree, contents) = with(FILE);
    tree.hold();
    let same = follow(&mut tree, &contents, Some(FILE));
    assert_eq!((&same.contents, same.refused), (&contents, None));
    for file in [Some(&one_server("b", 60)[..]), Some(&FILE[..9]), None] {
        let refreshed = refresh(&mut tree, &contents, file, supports_udp);
        assert_eq!(refreshed, Err(BootstrapUnderWay));
    }
    assert!(tree.is_holding());
    assert_eq!(servers(&tree), [101]);
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

#[test]
fn what_the_tree_has_lost_is_applied_again() {
    let (_, contents) = with(&one_server("a", 60));
    // The device has been reset to what it was in the factory.
    let mut tree = tree();
    let again = follow(&mut tree, &contents, Some(&one_server("a", 60)));
    assert_eq!(again.changes.added, paths(&["/0/0", "/1/0"]));
    assert_eq!(servers(&tree), [101]);
}

/// A file with some servers, each with its rights or without, some of which are inconsistent.
fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let of_server = (0_u8..4, 0_u8..4, 0_u8..4, 1_u8..3, any::<bool>());
    prop::collection::vec(of_server, 0..4).prop_map(|servers| {
        let (mut securities, mut all, mut controls) = (Vec::new(), Vec::new(), Vec::new());
        for (place, id, other, lifetime, with_rights) in servers {
            securities.push((place, security(101 + id, "a")));
            all.push((other, server(101 + id, lifetime)));
            if with_rights {
                controls.push((other, control(other, 101 + id)));
            }
        }
        file(&[
            object(0, &securities),
            object(1, &all),
            object(2, &controls),
        ])
    })
}

proptest! {
    #[test]
    fn a_card_is_followed_whole_or_not_at_all(files in prop::collection::vec(any_file(), 1..6)) {
        let (mut tree, mut contents) = (tree(), CardContents::default());
        let empty = tree.snapshot();
        for file in &files {
            let followed = follow(&mut tree, &contents, Some(file));
            contents = followed.contents;
            // What the tree has is what the card has, and what of it is left if the file is refused.
            let objects = [ObjectId::SECURITY, ObjectId::SERVER, ObjectId::ACCESS_CONTROL];
            let there = objects.into_iter().flat_map(|object| {
                tree.instances(object).map(move |instance| Path::Instance(object, instance))
            });
            prop_assert!(contents.paths().eq(there));
            if followed.refused.is_none() {
                let same = follow(&mut tree, &contents, Some(file));
                prop_assert!(same.changes.is_empty());
            }
        }
        let removed = follow(&mut tree, &contents, None);
        prop_assert_eq!(removed.refused, None);
        prop_assert!(tree.snapshot() == empty);
    }
}

#[test]
fn what_was_deleted_comes_back_when_the_card_has_anything_new() {
    let (mut tree, mut contents) = with(&one_server("a", 60));
    for object in [ObjectId::SECURITY, ObjectId::SERVER] {
        let at = InstanceId::ZERO;
        contents.supersede(object, at);
        let path = Path::Instance(object, at);
        tree.change([Change::Delete { path }]).unwrap();
    }
    let same = follow(&mut tree, &contents, Some(&one_server("a", 60)));
    assert!(same.changes.is_empty() && servers(&tree).is_empty());
    let other = follow(&mut tree, &same.contents, Some(&one_server("b", 60)));
    assert_eq!(other.changes.added, paths(&["/0/0", "/1/0"]));
    assert_eq!((other.refused, servers(&tree)), (None, vec![101]));
}
