//! Packages that the Client fetches for Firmware Update and Software Management.

use alloc::sync::Arc;

use lwm2m_core::{InstanceId, ResourceId};
use lwm2m_objects::{
    Answer, FetchFailure, FetchOrder, Fetched, Object as _, ObjectTree,
    firmware::{self, DownloadError, FirmwareUpdateObject, State},
    software::{self, Numbering, SoftwareManagementObject},
    typed,
};

use super::{Log, asked, integer, package, path, uri};
use crate::common::{create, delete, firmware, set, software};

fn with_firmware() -> (ObjectTree, Log) {
    let log = Log::default();
    let told = Arc::clone(&log);
    let object = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), move |event| {
        told.lock().unwrap().push(match event {
            firmware::Event::Block { offset, bytes } => format!("{offset}+{}", bytes.len()),
            other => format!("{other:?}"),
        });
        Answer::Done
    });
    let mut tree = ObjectTree::new();
    tree.add(object.unwrap());
    (tree, log)
}

fn with_software() -> (ObjectTree, Log) {
    let log = Log::default();
    let told = Arc::clone(&log);
    let application = move |id: InstanceId, event: software::Event<'_>| {
        told.lock().unwrap().push(match event {
            software::Event::Block { offset, bytes } => format!("{id} {offset}+{}", bytes.len()),
            other => format!("{id} {other:?}"),
        });
        Answer::Done
    };
    let component = typed::SoftwareManagement::new("one", "1");
    let object = SoftwareManagementObject::new(Numbering::Registered, application)
        .with(InstanceId::ZERO, component)
        .unwrap()
        .managed(3);
    let mut tree = ObjectTree::new();
    tree.add(object);
    (tree, log)
}

fn orders(tree: &mut ObjectTree) -> Vec<String> {
    let orders = core::iter::from_fn(|| tree.poll_fetch());
    orders
        .map(|order| match order {
            FetchOrder::Begin { path, uri } => format!("{path} begin {uri}"),
            FetchOrder::Stop { path } => format!("{path} stop"),
        })
        .collect()
}

fn bytes(tree: &mut ObjectTree, at: &str, offset: u64, length: usize) -> bool {
    let bytes = &vec![7; length][..];
    tree.fetched(path(at), Fetched::Bytes { offset, bytes })
}

#[test]
fn the_client_is_asked_for_coap_and_the_application_for_the_rest() {
    let (mut tree, log) = with_firmware();
    uri(&mut tree, "/5/0/1", "coap://h/p").unwrap();
    assert_eq!(orders(&mut tree), ["/5/0/1 begin coap://h/p"]);
    assert_eq!(asked(&log), [""; 0]);
    assert_eq!((integer(&tree, "/5/0/3"), integer(&tree, "/5/0/5")), (1, 0));

    let (mut tree, log) = with_software();
    uri(&mut tree, "/9/0/3", "http://h/p").unwrap();
    assert_eq!(orders(&mut tree), [""; 0]);
    assert_eq!(
        asked(&log),
        [r#"0 Fetch { uri: "http://h/p", offset: 0 }"#, "0 Verify"]
    );

    // Without the protocol in Resource 8 nobody fetches (TS E.6).
    let (mut tree, log) = with_firmware();
    uri(&mut tree, "/5/0/1", "coaps://h/p").unwrap();
    assert_eq!((orders(&mut tree), asked(&log)), (vec![], vec![]));
    assert_eq!(integer(&tree, "/5/0/5"), 9);
}

#[test]
fn what_is_fetched_comes_as_if_it_were_pushed() {
    let (mut tree, log) = with_firmware();
    uri(&mut tree, "/5/0/1", "coap://h/p").unwrap();
    orders(&mut tree);
    assert!(bytes(&mut tree, "/5/0/1", 0, 64));
    assert!(bytes(&mut tree, "/5/0/1", 64, 10));
    assert_eq!(firmware(&mut tree).machine().received(), 74);
    assert!(tree.fetched(path("/5/0/1"), Fetched::End));
    assert_eq!(asked(&log), ["0+64", "64+10", "Verify"]);
    assert_eq!(integer(&tree, "/5/0/3"), 2);
    assert_eq!(orders(&mut tree), [""; 0], "it is over");
    assert!(!bytes(&mut tree, "/5/0/1", 74, 10), "no more is taken");

    let (mut tree, log) = with_software();
    uri(&mut tree, "/9/0/3", "coaps://h/p").unwrap();
    assert_eq!(orders(&mut tree), ["/9/0/3 begin coaps://h/p"]);
    assert!(bytes(&mut tree, "/9/0/3", 0, 64));
    assert!(tree.fetched(path("/9/0/3"), Fetched::End));
    assert_eq!(asked(&log), ["0 0+64", "0 Verify"]);
    assert_eq!(integer(&tree, "/9/0/7"), 3);
}

/// Nothing is taken for another Resource, or for an Object Instance that needs nothing.
#[test]
fn what_nobody_has_asked_for_is_not_taken() {
    let (mut tree, log) = with_firmware();
    assert!(!bytes(&mut tree, "/5/0/1", 0, 64));
    uri(&mut tree, "/5/0/1", "coap://h/p").unwrap();
    assert!(!bytes(&mut tree, "/5/0/0", 0, 64));
    assert!(!bytes(&mut tree, "/5/0", 0, 64));
    assert!(!bytes(&mut tree, "/9/0/3", 0, 64));
    assert_eq!(asked(&log), [""; 0]);
}

#[test]
fn a_failure_becomes_the_update_result() {
    for (failure, of_firmware, of_software) in [
        (FetchFailure::ConnectionLost, 4, 52),
        (FetchFailure::InvalidUri, 7, 56),
        (FetchFailure::Protocol, 9, 56),
        (FetchFailure::Storage, 2, 50),
        (FetchFailure::Integrity, 5, 53),
    ] {
        let (mut tree, log) = with_firmware();
        uri(&mut tree, "/5/0/1", "coap://h/p").unwrap();
        assert!(tree.fetched(path("/5/0/1"), Fetched::Failed(failure)));
        assert_eq!(integer(&tree, "/5/0/3"), 0);
        assert_eq!(integer(&tree, "/5/0/5"), of_firmware);
        assert_eq!(asked(&log), ["Discard"]);

        let (mut tree, log) = with_software();
        uri(&mut tree, "/9/0/3", "coap://h/p").unwrap();
        assert!(tree.fetched(path("/9/0/3"), Fetched::Failed(failure)));
        assert_eq!(integer(&tree, "/9/0/7"), 0);
        assert_eq!(integer(&tree, "/9/0/9"), of_software);
        assert_eq!(asked(&log), ["0 Discard"]);
    }
}

/// The Client stops when the package isn't needed any more, and only if it has begun.
#[test]
fn the_client_is_told_to_stop() {
    let reset = |tree: &mut ObjectTree| uri(tree, "/5/0/1", "").unwrap();
    let empty = |tree: &mut ObjectTree| package(tree, "/5/0/0", b"\0").unwrap();
    let failed = |tree: &mut ObjectTree| {
        firmware(tree).failed(DownloadError::PackageType).unwrap();
    };
    let downloaded = |tree: &mut ObjectTree| firmware(tree).downloaded().unwrap();
    for stop in [reset, empty, failed, downloaded] {
        let (mut tree, _) = with_firmware();
        stop_nothing(&mut tree);
        uri(&mut tree, "/5/0/1", "coap://h/p").unwrap();
        orders(&mut tree);
        stop(&mut tree);
        assert_eq!(orders(&mut tree), ["/5/0/1 stop"]);
        assert!(!bytes(&mut tree, "/5/0/1", 0, 64));
    }
    let (mut tree, _) = with_software();
    uri(&mut tree, "/9/0/3", "coap://h/p").unwrap();
    orders(&mut tree);
    tree.change([delete("/9/0")]).unwrap();
    assert_eq!(orders(&mut tree), ["/9/0/3 stop"]);
}

fn stop_nothing(tree: &mut ObjectTree) {
    uri(tree, "/5/0/1", "").unwrap();
    assert_eq!(orders(tree), [""; 0]);
}

/// Of a reset and a new URI in one commit, the Client hears of the new one.
#[test]
fn a_new_uri_takes_the_place_of_the_old_one() {
    let (mut tree, _) = with_firmware();
    uri(&mut tree, "/5/0/1", "coap://h/one").unwrap();
    orders(&mut tree);
    let changes = [set("/5/0/0", &b"\0"[..]), set("/5/0/1", "coap://h/two")];
    tree.change(changes).unwrap();
    assert_eq!(orders(&mut tree), ["/5/0/1 begin coap://h/two"]);

    let (mut tree, _) = with_software();
    uri(&mut tree, "/9/0/3", "coap://h/one").unwrap();
    orders(&mut tree);
    let again = [
        delete("/9/0"),
        create("/9/0"),
        set("/9/0/3", "coap://h/two"),
    ];
    tree.change(again).unwrap();
    assert_eq!(orders(&mut tree), ["/9/0/3 begin coap://h/two"]);
}

/// While a bootstrap may be rolled back, nothing is fetched.
#[test]
fn a_held_uri_is_fetched_once_it_is_kept() {
    let (mut tree, _) = with_firmware();
    tree.hold();
    tree.change([set("/5/0/1", "coap://h/p")]).unwrap();
    assert_eq!(orders(&mut tree), [""; 0]);
    tree.keep();
    assert_eq!(orders(&mut tree), ["/5/0/1 begin coap://h/p"]);
}

/// After a restart it is fetched again from the beginning, as nothing tells whether it is the same.
#[test]
fn a_download_begins_again_after_a_restart() {
    let (mut tree, _) = with_firmware();
    uri(&mut tree, "/5/0/1", "coap://h/p").unwrap();
    bytes(&mut tree, "/5/0/1", 0, 64);
    let saved = tree.snapshot();
    let (mut tree, _) = with_firmware();
    tree.restore(&saved).unwrap();
    assert_eq!(firmware(&mut tree).machine().state(), State::Downloading);
    assert_eq!(orders(&mut tree), ["/5/0/1 begin coap://h/p"]);
    // Another state takes its place.
    let (idle, _) = with_firmware();
    tree.restore(&idle.snapshot()).unwrap();
    assert_eq!(orders(&mut tree), ["/5/0/1 stop"]);

    let (mut tree, _) = with_software();
    uri(&mut tree, "/9/0/3", "coap://h/p").unwrap();
    orders(&mut tree);
    let saved = tree.snapshot();
    tree.restore(&saved).unwrap();
    assert_eq!(orders(&mut tree), ["/9/0/3 begin coap://h/p"]);
}

/// The application doesn't take a block: it knows, so nothing is discarded.
#[test]
fn a_refused_block_ends_the_download() {
    let object = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), |event| match event {
        firmware::Event::Block { offset: 64.., .. } => Answer::Failed(DownloadError::Memory),
        firmware::Event::Block { .. } => Answer::Done,
        other => panic!("{other:?}"),
    });
    let mut tree = ObjectTree::new();
    tree.add(object.unwrap());
    uri(&mut tree, "/5/0/1", "coap://h/p").unwrap();
    assert!(bytes(&mut tree, "/5/0/1", 0, 64));
    assert!(!bytes(&mut tree, "/5/0/1", 64, 64));
    assert_eq!((integer(&tree, "/5/0/3"), integer(&tree, "/5/0/5")), (0, 3));
}

/// An Object that fetches nothing.
#[test]
fn other_objects_order_nothing() {
    let mut tree = ObjectTree::new();
    let location = typed::Location::new(51.5, 0.1, 1);
    tree.add(lwm2m_objects::LocationObject::new(location));
    assert_eq!(tree.poll_fetch(), None);
    assert!(!bytes(&mut tree, "/6/0/1", 0, 64));
    let (mut tree, _) = with_software();
    let resource = ResourceId::new(3);
    let nothing = Fetched::End;
    assert!(!software(&mut tree).fetched(InstanceId::ZERO, resource, nothing));
}
