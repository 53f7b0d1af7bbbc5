//! The check at the Finish (TS 5.2.2, 5.2.6, 7.3.1, E.1, E.2).

use lwm2m_core::{BindingMode, ServerUriError, Value};
use lwm2m_kit::path;
use lwm2m_objects::{
    Change, ObjectTree,
    bootstrap::{self, Expected},
    example,
};

use crate::{
    common::{create, delete, set},
    session::{Session, client, control, server, two_servers},
};

/// The check after these changes, which are held.
fn after(changes: impl Into<Vec<Change>>) -> Result<(), (String, Expected)> {
    let mut tree = two_servers();
    tree.hold();
    tree.change(changes).unwrap();
    checked(&tree)
}

fn checked(tree: &ObjectTree) -> Result<(), (String, Expected)> {
    let found = bootstrap::check(tree, |binding| binding.is_supported_by("UQSQ"));
    found.map_err(|found| (found.path.to_string(), found.expected))
}

fn expected(at: &str, expected: Expected) -> Result<(), (String, Expected)> {
    Err((at.into(), expected))
}

fn remove(at: &str) -> Change {
    Change::Remove { path: path(at) }
}

#[test]
fn a_configured_client_is_consistent() {
    assert_eq!(checked(&two_servers()), Ok(()));
    assert_eq!(checked(&example::client()), Ok(()));
    assert_eq!(checked(&client(&[101], vec![])), Ok(()));
    let mut session = Session::new(two_servers);
    assert_eq!(session.finish(), Ok(()));
    // Without a Bootstrap-Server Account, too.
    assert_eq!(after([delete("/0/0")]), Ok(()));
}

#[test]
fn there_is_an_account_of_a_server() {
    let none = client(&[], vec![]);
    assert_eq!(checked(&none), expected("/0", Expected::ServerAccount));
    let mut session = Session::new(two_servers);
    session.delete("/").unwrap();
    let found = session.finish().unwrap_err();
    assert_eq!(
        (found.path, found.expected),
        (path("/0"), Expected::ServerAccount)
    );
}

#[test]
fn every_security_object_instance_of_a_server_has_its_own_short_server_id() {
    let id = Expected::ShortServerId;
    assert_eq!(after([remove("/0/1/10")]), expected("/0/1/10", id));
    let taken = Expected::AnotherId(server(101));
    assert_eq!(after([set("/0/2/10", 101)]), expected("/0/2/10", taken));
    assert_eq!(after([remove("/1/1/0")]), expected("/1/1/0", id));
    assert_eq!(after([set("/1/1/0", 101)]), expected("/1/1/0", taken));
    // The number of a Bootstrap-Server is none.
    assert_eq!(after([set("/0/0/10", 101)]), Ok(()));
}

#[test]
fn accounts_have_both_object_instances() {
    let server_instance = Expected::ServerInstance(server(102));
    assert_eq!(
        after([delete("/1/1")]),
        expected("/0/2/10", server_instance)
    );
    let security_instance = Expected::SecurityInstance(server(102));
    assert_eq!(
        after([delete("/0/2")]),
        expected("/1/1/0", security_instance)
    );
    let other = Expected::SecurityInstance(server(103));
    assert_eq!(after([set("/1/1/0", 103)]), expected("/1/1/0", other));
}

#[test]
fn there_is_at_most_one_bootstrap_server() {
    let one = Expected::OneBootstrapServer;
    assert_eq!(after([set("/0/2/1", true)]), expected("/0/2", one));
}

#[test]
fn what_is_mandatory_is_there() {
    for at in [
        "/0/0/0", "/0/1/0", "/0/1/1", "/1/0/1", "/1/0/6", "/1/0/7", "/2/2/0", "/2/2/1", "/2/2/3",
        "/9/0/0", "/9/2/1",
    ] {
        assert_eq!(
            after([remove(at)]),
            expected(at, Expected::Mandatory),
            "{at}"
        );
    }
    assert_eq!(
        after([remove("/0/1/2")]),
        expected("/0/1/2", Expected::SecurityMode)
    );
    // An Object Instance that the bootstrap creates, without its values.
    let name = expected("/9/7/0", Expected::Mandatory);
    assert_eq!(after([create("/9/7")]), name);
    assert_eq!(after([create("/9/7"), delete("/9/7")]), Ok(()));
}

/// What lacked something before the bootstrap is not for this bootstrap to mend.
#[test]
fn other_objects_are_as_before() {
    let mut tree = two_servers();
    tree.change([remove("/9/0/0")]).unwrap();
    tree.hold();
    tree.change([set("/9/1/0", "other")]).unwrap();
    assert_eq!(checked(&tree), Ok(()));
    tree.change([set("/9/0/1", "other")]).unwrap();
    assert_eq!(checked(&tree), expected("/9/0/0", Expected::Mandatory));
}

#[test]
fn keys_are_needed_as_the_mode_says() {
    for (mode, needed) in [
        (0, &[3, 5][..]),
        (1, &[3, 4, 5]),
        (2, &[3, 4, 5]),
        (3, &[]),
        (4, &[4]),
    ] {
        let uri = if mode == 3 {
            "coap://one"
        } else {
            "coaps://one"
        };
        let with = |missing: Option<u16>, octets: &'static [u8]| {
            let mut changes = vec![set("/0/1/2", mode), set("/0/1/0", uri)];
            for key in [3_u16, 4, 5] {
                let at = format!("/0/1/{key}");
                let has = needed.contains(&key) && missing != Some(key);
                changes.push(if has {
                    set(&at, &b"key"[..])
                } else {
                    set(&at, octets)
                });
                if !has && octets == b"none" {
                    changes.push(remove(&at));
                }
            }
            after(changes)
        };
        for octets in [&b""[..], b"none"] {
            assert_eq!(with(None, octets), Ok(()), "mode {mode}");
            for key in needed {
                let at = format!("/0/1/{key}");
                let found = with(Some(*key), octets);
                assert_eq!(found, expected(&at, Expected::Key), "mode {mode}, {at}");
            }
        }
    }
}

#[test]
fn the_uri_fits_the_mode() {
    let scheme = || expected("/0/1/0", Expected::SchemeOfMode);
    assert_eq!(after([set("/0/1/0", "coap://one")]), scheme());
    assert_eq!(after([set("/0/1/2", 3)]), scheme());
    assert_eq!(
        after([set("/0/1/2", 3), set("/0/1/0", "coap://one")]),
        Ok(())
    );
    for wrong in ["", "one", "http://one", "coaps://one/rd", "coaps://"] {
        let (at, found) = after([set("/0/1/0", wrong)]).unwrap_err();
        assert_eq!(at, "/0/1/0");
        assert!(
            matches!(found, Expected::ServerUri(ServerUriError { .. })),
            "{wrong}"
        );
    }
    // A Bootstrap-Server that always begins by itself needs none.
    assert_eq!(after([set("/0/0/0", "")]), Ok(()));
}

#[test]
fn the_binding_is_supported() {
    let mut tree = two_servers();
    tree.set(path("/1/1/7"), "UQ").unwrap();
    for supports in [BindingMode::UQ, BindingMode::U] {
        let found = bootstrap::check(&tree, |binding| binding == supports);
        assert_eq!(found.unwrap_err().expected, Expected::SupportedBinding);
    }
    assert_eq!(bootstrap::check(&tree, BindingMode::has_udp), Ok(()));
}

#[test]
fn a_binding_with_sms_needs_the_number_of_the_server() {
    for binding in ["S", "SQ", "US", "UQS"] {
        let without = after([set("/1/1/7", binding)]);
        assert_eq!(
            without,
            expected("/0/2/9", Expected::SmsNumber),
            "{binding}"
        );
        let mut tree = client(&[101], vec![]);
        tree.set(path("/1/0/7"), binding).unwrap();
        tree.change([set("/0/1/9", "+4912345")]).unwrap();
        assert_eq!(checked(&tree), Ok(()), "{binding}");
    }
}

/// Over UDP, nobody can be reached at a number.
#[test]
fn a_binding_without_sms_needs_a_uri_with_a_host() {
    for uri in ["sms:+4912345", "tel:+4912345"] {
        for binding in ["U", "UQ"] {
            let found = after([set("/0/2/0", uri), set("/1/1/7", binding)]);
            assert_eq!(found, expected("/0/2/0", Expected::UriOfBinding), "{uri}");
        }
        for binding in ["S", "SQ"] {
            assert_eq!(after([set("/0/2/0", uri), set("/1/1/7", binding)]), Ok(()));
        }
    }
}

#[test]
fn several_servers_need_access_control() {
    let without = client(&[101, 102], vec![]);
    assert_eq!(checked(&without), expected("/2", Expected::AccessControl));
    let mut session = Session::new(two_servers);
    session.delete("/2").unwrap();
    let found = session.finish().unwrap_err();
    assert_eq!(
        (found.path, found.expected),
        (path("/2"), Expected::AccessControl)
    );
}

#[test]
fn owners_and_entries_are_servers_of_the_client() {
    for (changes, at, what) in [
        (set("/2/6/3", 101), "/2/6/3", Some(Expected::NoOwner)),
        (set("/2/2/3", 103), "/2/2/3", Some(Expected::Owner)),
        (set("/2/2/3", 0), "/2/2/3", Some(Expected::Owner)),
        (set("/2/2/3", 102), "/2/2/3", None),
        (set("/2/2/3", 65535), "/2/2/3", None),
        (set("/2/2/2/103", 1), "/2/2/2/103", Some(Expected::AclEntry)),
        (
            set("/2/2/2/65535", 1),
            "/2/2/2/65535",
            Some(Expected::AclEntry),
        ),
        (set("/2/2/2/0", 1), "/2/2/2/0", None),
        (
            set("/2/6/2/103", 16),
            "/2/6/2/103",
            Some(Expected::AclEntry),
        ),
    ] {
        let wanted = what.map_or(Ok(()), |what| expected(at, what));
        assert_eq!(after([changes.clone()]), wanted, "{changes:?}");
    }
    // With a single server as well.
    let mut tree = client(&[101], vec![control((3, 0), &[(101, 1)], 101)]);
    tree.hold();
    tree.change([set("/2/0/2/102", 1)]).unwrap();
    assert_eq!(checked(&tree), expected("/2/0/2/102", Expected::AclEntry));
}

/// An owner of rights writes owners and entries as it likes. No bootstrap fails afterwards.
#[test]
fn what_a_server_has_made_of_its_rights_blocks_no_bootstrap() {
    let make = || {
        let mut tree = two_servers();
        tree.change([set("/2/2/2/999", 1), set("/2/3/3", 998)])
            .unwrap();
        tree
    };
    let mut session = Session::new(make);
    assert_eq!(session.finish(), Ok(()));
    session.delete("/0").unwrap();
    session.delete("/1").unwrap();
    session.write_again("/0");
    session.write_again("/1");
    assert_eq!(session.finish(), Ok(()));
    assert_eq!(
        session.tree.get(path("/2/2/2/999")),
        Some(Value::Integer(1))
    );
    // An unknown one in another place is the bootstrap's.
    for (changed, at, what) in [
        (set("/2/3/2/999", 1), "/2/3/2/999", Expected::AclEntry),
        (set("/2/2/3", 999), "/2/2/3", Expected::Owner),
    ] {
        let mut tree = make();
        tree.hold();
        tree.change([changed]).unwrap();
        assert_eq!(checked(&tree), expected(at, what));
    }
}

/// Which of two rights on one target are in force, nobody could tell.
#[test]
fn there_are_no_other_rights_on_a_target() {
    let another = Expected::AnotherTarget;
    let same = [set("/2/2/0", 9), set("/2/2/1", 0)];
    assert_eq!(after(same.clone()), expected("/2/2", another));
    // They were there before, and the bootstrap has not made them.
    let mut tree = two_servers();
    tree.change(same).unwrap();
    tree.hold();
    assert_eq!(checked(&tree), Ok(()));
    tree.change([set("/2/2/2/102", 1)]).unwrap();
    assert_eq!(checked(&tree), Ok(()));
}

/// A server that was known and is gone is not left in the rights.
#[test]
fn a_server_that_is_gone_is_unknown() {
    let mut tree = two_servers();
    tree.hold();
    tree.change([delete("/0/2"), delete("/1/1")]).unwrap();
    assert_eq!(checked(&tree), expected("/2/1/2/102", Expected::AclEntry));
}

#[test]
fn a_lifetime_is_one() {
    // The typed Object refuses these itself.
    let mut tree = client(&[101], vec![]);
    let mut raw = lwm2m_objects::Store::new(&lwm2m_objects::SERVER);
    for (id, value) in [(0, Value::Integer(101)), (6, true.into()), (7, "U".into())] {
        raw = raw.with(crate::session::instance(0), id, value);
    }
    for seconds in [0, -1, i64::from(u32::MAX) + 1] {
        tree.add(raw.clone().with(crate::session::instance(0), 1, seconds));
        assert_eq!(checked(&tree), expected("/1/0/1", Expected::Lifetime));
    }
    tree.add(raw.with(crate::session::instance(0), 1, i64::from(u32::MAX)));
    assert_eq!(checked(&tree), Ok(()));
}

/// What can't be read as an account hides nothing, and no account is left out.
#[test]
fn a_consistent_tree_has_an_account_for_every_server() {
    let tree = two_servers();
    assert_eq!(checked(&tree), Ok(()));
    assert_eq!(lwm2m_objects::accounts(&tree).len(), 2);
    for instance in ["/0/1", "/0/2", "/1/0", "/1/1"] {
        for resource in 0..=10 {
            let mut tree = two_servers();
            if tree
                .change([remove(&format!("{instance}/{resource}"))])
                .is_ok()
                && checked(&tree).is_ok()
            {
                let found = lwm2m_objects::accounts(&tree).len();
                assert_eq!(found, 2, "without {instance}/{resource}");
            }
        }
    }
}

/// Neither the error nor its text has a value.
#[test]
fn an_inconsistency_shows_no_key() {
    let secret = "very secret";
    let found = {
        let mut tree = two_servers();
        tree.hold();
        tree.change([set("/0/1/5", secret.as_bytes()), set("/0/1/3", &b""[..])])
            .unwrap();
        bootstrap::check(&tree, |_| true).unwrap_err()
    };
    assert_eq!(
        found.to_string(),
        "/0/1/3: expected octets, which the Security Mode needs"
    );
    assert!(!format!("{found:?} {found}").contains(secret));
}
