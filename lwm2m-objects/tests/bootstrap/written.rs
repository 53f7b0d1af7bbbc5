//! Bootstrap-Write (TS 5.2.7.4), and what follows from one (TS E.1.3).

use lwm2m_core::{
    InstanceId, Path, Value,
    codec::{Event, Sink},
};
use lwm2m_kit::path;
use lwm2m_objects::{ObjectTree, Store, Typed, WriteError, accounts, typed};

use crate::session::{Session, client, control, server, two_servers};

/// The events of one Object Instance with these Resources.
fn write(tree: &mut ObjectTree, at: &str, values: &[(u16, Value)]) -> Result<(), WriteError> {
    let mut transaction = tree.bootstrap_write(path(at))?;
    transaction.event(Event::Instance(path(at).instance()))?;
    for (id, value) in values {
        let (id, value, time) = ((*id).into(), value.as_ref(), None);
        transaction.event(Event::Resource { id, value, time })?;
    }
    transaction.event(Event::EndInstance)?;
    let changes = transaction.finish()?;
    tree.commit(&changes)?;
    Ok(())
}

#[test]
fn another_short_server_id_is_a_delete_and_a_new_account() {
    let mut session = Session::new(two_servers);
    session.set("/0/1/10", 103);
    assert_eq!(session.servers_gone(), [101]);
    for gone in ["/1/0", "/2/0", "/5/0", "/2/3"] {
        assert!(session.tree.locate(path(gone)).is_none(), "{gone}");
    }
    assert_eq!(session.tree.get(path("/2/2/3")), Some(Value::Integer(102)));
    // The new server has no Server Object Instance yet.
    assert_eq!(session.tree.get(path("/0/1/10")), Some(Value::Integer(103)));
    let found: Vec<_> = accounts(&session.tree)
        .iter()
        .map(|found| found.server)
        .collect();
    assert_eq!(found, [server(102)]);
}

#[test]
fn an_account_that_becomes_the_bootstrap_servers_is_deleted() {
    let mut session = Session::new(two_servers);
    session.set("/0/2/1", true);
    assert_eq!(session.servers_gone(), [102]);
    assert!(session.tree.locate(path("/1/1")).is_none());
}

/// All in one commit: it is whole or not at all, and rolled back as one.
#[test]
fn two_accounts_that_change_places_have_not_gone() {
    let mut session = Session::new(two_servers);
    let mut other = two_servers();
    other.set(path("/0/1/10"), 102).unwrap();
    other.set(path("/0/2/10"), 101).unwrap();
    session.write("/0", &other).unwrap();
    assert_eq!(session.servers_gone(), [0; 0]);
    assert_eq!(session.tree.get(path("/0/1/10")), Some(Value::Integer(102)));
    session.tree.roll_back();
    assert_eq!(session.tree.snapshot(), session.before);
}

/// The Server Object Instance of another server stays, although the one that goes owned it before.
#[test]
fn a_server_object_instance_that_was_overwritten_before_stays() {
    let rights = || {
        vec![
            control((1, 0), &[(101, 15)], 101),
            control((3, 0), &[(0, 1)], 102),
        ]
    };
    let mut session = Session::new(|| client(&[101, 102], rights()));
    session.set("/1/0/0", 102);
    session.set("/0/1/10", 104);
    assert_eq!(session.servers_gone(), [101]);
    assert_eq!(session.tree.get(path("/1/0/0")), Some(Value::Integer(102)));
    assert_eq!(session.tree.get(path("/2/0/3")), Some(Value::Integer(102)));
}

/// A key that changes is no Delete.
#[test]
fn a_write_of_the_same_short_server_id_takes_nothing() {
    let mut session = Session::new(two_servers);
    session.set("/0/1/5", &b"another key here"[..]);
    session.write_again("/0/2");
    session.write_again("/1");
    assert_eq!(session.servers_gone(), [0; 0]);
    assert_eq!(
        session.instances(),
        crate::session::instances(&two_servers())
    );
}

/// Executable Resources come from the Object: the payload has none, and Disable works.
#[test]
fn executables_come_from_the_object_not_from_the_payload() {
    let values = [
        (0, Value::Integer(101)),
        (1, Value::Integer(60)),
        (6, Value::Boolean(true)),
        (7, "U".into()),
    ];
    let empty = || Store::of::<typed::Server>([]);
    let named = || {
        let with = typed::Server {
            disable: true,
            ..typed::Server::new(server(9), 60)
        };
        Store::of([(InstanceId::new(7).unwrap(), with)])
    };
    for store in [empty(), named()] {
        let mut tree = ObjectTree::new();
        tree.add(store);
        write(&mut tree, "/1/0", &values).unwrap();
        assert!(tree.locate(path("/1/0/4")).is_some(), "Disable");
        assert!(
            tree.locate(path("/1/0/8")).is_some(),
            "Registration Update Trigger"
        );
        assert!(
            typed::Server::load(&tree, InstanceId::ZERO)
                .unwrap()
                .disable
        );
        // It is still there when the Bootstrap-Server overwrites the Object Instance.
        write(&mut tree, "/1/0", &values).unwrap();
        assert!(
            tree.locate(path("/1/0/4")).is_some(),
            "Disable, after the second Write"
        );
    }
}

#[test]
fn read_only_resources_are_written() {
    let mut session = Session::new(two_servers);
    session.set("/3/0/0", "Another Manufacturer");
    session.set("/1/0/0", 101);
    let manufacturer = session.tree.get(path("/3/0/0"));
    assert_eq!(manufacturer, Some("Another Manufacturer".into()));
}

/// An optional Resource that the Client doesn't support is ignored in an Object Instance, and refused
/// as the target; what is executable or unknown as well.
#[test]
fn what_is_not_supported_is_ignored_within_and_refused_as_the_target() {
    let values = [
        (0, Value::Integer(101)),
        (1, Value::Integer(60)),
        (2, Value::Integer(5)),
        (6, Value::Boolean(true)),
        (7, "U".into()),
        (4242, "what is that".into()),
    ];
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::Server::new(server(9), 60),
    )]));
    write(&mut tree, "/1/0", &values).unwrap();
    assert_eq!(tree.get(path("/1/0/2")), None);
    assert_eq!(tree.get(path("/1/0/0")), Some(Value::Integer(101)));
    for (target, value) in [
        ("/1/0/2", Value::Integer(5)),
        ("/1/0/8", "".into()),
        ("/1/0/4242", "what is that".into()),
    ] {
        let id = path(target).resource().unwrap().get();
        let refused = write(&mut tree, target, &[(id, value)]);
        assert_eq!(
            refused,
            Err(WriteError::Structure(path(target))),
            "{target}"
        );
    }
}

/// Replaced is one Object Instance, never all of the Object.
#[test]
fn a_write_of_an_object_leaves_the_object_instances_that_it_does_not_name() {
    let mut session = Session::new(two_servers);
    let mut other = two_servers();
    other
        .change([lwm2m_objects::Change::Delete { path: path("/9/1") }])
        .unwrap();
    other.set(path("/9/0/0"), "other").unwrap();
    session.write("/9", &other).unwrap();
    assert_eq!(session.tree.instances(9.into()).count(), 3);
    assert_eq!(session.tree.get(path("/9/0/0")), Some("other".into()));
    assert_eq!(session.tree.get(path("/9/1/0")), Some("b".into()));
}

/// A Write of a Resource makes its Object Instance.
#[test]
fn a_write_of_a_resource_needs_no_object_instance() {
    let mut session = Session::new(two_servers);
    session.set("/1/9/0", 103);
    assert_eq!(session.tree.get(path("/1/9/0")), Some(Value::Integer(103)));
    let at = Path::Instance(1.into(), InstanceId::new(9).unwrap());
    assert!(session.tree.target(at).exists());
}
