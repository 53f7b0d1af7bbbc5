//! Files that aren't applied, and what becomes of what was there (TS 5.2.3.2).

use lwm2m_core::{ObjectId, Version};
use lwm2m_kit::{path, server_id};
use lwm2m_objects::{Change, WriteError, bootstrap::Expected};
use lwm2m_statemachine::smartcard::Refused;

use crate::provisioned::{
    control, factory_account, file, follow, object, one_server, paths, resource, secured, security,
    server, servers, two_servers, with,
};

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
    // Another major version.
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
fn what_went_with_a_disabled_account_comes_back_with_it() {
    let (mut tree, contents) = with(&one_server("a", 60));
    // Only the Security Object Instance is changed, and it is bad. The Server Object Instance goes with
    // it.
    let bad = file(&[
        object(0, &[(0, security(101, ""))]),
        object(1, &[(0, server(101, 60))]),
    ]);
    let disabled = follow(&mut tree, &contents, Some(&bad));
    assert_eq!(disabled.changes.changed, paths(&["/0/0"]));
    assert!(disabled.refused.is_some());
    assert!(servers(&tree).is_empty());
    let good = follow(&mut tree, &disabled.contents, Some(&one_server("a", 60)));
    assert_eq!(good.changes.added, paths(&["/0/0", "/1/0"]));
    assert_eq!((good.refused, servers(&tree)), (None, vec![101]));
}

#[test]
fn a_file_with_rights_of_a_server_that_it_does_not_have_is_refused() {
    let (mut tree, contents) = with(&two_servers());
    let rights_left = file(&[
        object(0, &[(1, security(102, "b"))]),
        object(1, &[(1, server(102, 60))]),
        object(2, &[(0, control(0, 101)), (1, control(1, 102))]),
    ]);
    let refused = follow(&mut tree, &contents, Some(&rights_left));
    let Some(Refused::Inconsistent(error)) = refused.refused else {
        panic!("{:?}", refused.refused);
    };
    assert_eq!(
        (error.path, error.expected),
        (path("/2/0/3"), Expected::Owner)
    );
    assert_eq!(refused.servers, [server_id(101)]);
    assert_eq!(servers(&tree), [102], "what is the same stays");
}

/// A key of the card's account, other accounts on the card, and what is inconsistent then.
type Fault<'f> = (Option<&'f [u8]>, &'f [(u8, Vec<u8>)], &'f str, Expected);

/// TS 5.2.3.2: the new Bootstrap Information is applied.
#[test]
fn an_account_of_others_that_rests_does_not_stand_in_the_way_of_the_card() {
    let card = |host: &str, key: Option<&[u8]>, extra: &[(u8, Vec<u8>)]| {
        let own = key.map_or_else(|| security(101, host), |key| secured(101, host, key));
        file(&[
            object(0, &[&[(0, own)], extra].concat()),
            object(1, &[(0, server(101, 60))]),
            object(2, &[(0, control(0, 101))]),
        ])
    };
    let resting = || {
        let (mut tree, contents) = with(&card("a", None, &[]));
        tree.change(factory_account()).unwrap();
        // Server 109 has deleted its Server Object Instance.
        let gone = path("/1/9");
        tree.change([Change::Delete { path: gone }]).unwrap();
        assert_eq!(servers(&tree), [101]);
        (tree, contents)
    };
    let (mut tree, contents) = resting();
    let moved = follow(&mut tree, &contents, Some(&card("b", None, &[])));
    assert_eq!((moved.refused, moved.servers), (None, Vec::new()));
    assert_eq!(servers(&tree), [101]);
    assert_eq!(tree.get(path("/0/0/0")), Some("coap://b".into()));
    assert!(tree.locate(path("/0/9")).is_some());
    // What the card brings is looked at, before and behind that account, and also in its place.
    let missing = Expected::ServerInstance(server_id(105));
    let no_server = Expected::ServerInstance(server_id(109));
    let faults: [Fault<'_>; 3] = [
        (Some(b""), &[], "/0/0/5", Expected::Key),
        (None, &[(10, security(105, "c"))], "/0/10/10", missing),
        (None, &[(9, security(109, "x"))], "/0/9/10", no_server),
    ];
    for (key, extra, at, expected) in faults {
        let (mut tree, contents) = resting();
        let bad = card("b", key, extra);
        let refreshed = follow(&mut tree, &contents, Some(&bad));
        let Some(Refused::Inconsistent(error)) = refreshed.refused else {
            panic!("{:?}", refreshed.refused);
        };
        assert_eq!((error.path, error.expected), (path(at), expected));
        assert!(servers(&tree).is_empty());
    }
}
