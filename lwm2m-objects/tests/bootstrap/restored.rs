//! Servers whose accounts are deleted and written again in one bootstrap keep what they had
//! (TS E.1.3).

use lwm2m_core::Value;
use lwm2m_kit::path;
use lwm2m_objects::{
    Answer, Change, ObjectTree, Store, Typed, firmware::FirmwareUpdateObject, typed,
};

use crate::session::{Session, client, control, instance, may_read, rights, server, two_servers};

/// All that is there, with its values: that which the bootstrap has left as it was.
#[track_caller]
fn as_before(session: Session) {
    let before = session.before.clone();
    assert_eq!(session.finished().snapshot(), before);
}

#[test]
fn the_usual_order_takes_nothing_from_servers_that_come_back() {
    for order in [
        &["DELETE /0", "DELETE /1", "/0/1", "/0/2", "/1/0", "/1/1"][..],
        &["DELETE /1", "DELETE /0", "/1", "/0"],
        &["DELETE /0", "/0", "/1"],
        &["DELETE /0/1", "/0/1", "/1/0", "DELETE /0/2", "/0/2", "/1/1"],
        &["DELETE /0/1", "DELETE /0/2", "/0", "/1"],
        &["DELETE /1", "/1"],
        &["DELETE /1/0", "/1/0"],
        &["DELETE /0", "/0", "/1", "DELETE /0", "/0", "/1"],
        &["DELETE /0", "DELETE /1", "DELETE /2", "/0", "/1", "/2"],
        // What it had written before.
        &["/0", "/1", "/2", "/9", "DELETE /0", "/0", "/1"],
    ] {
        let mut session = Session::new(two_servers);
        for command in order {
            match command.strip_prefix("DELETE ") {
                Some(target) => session.delete(target).unwrap(),
                None => session.write_again(command),
            }
        }
        assert_eq!(session.servers_gone(), [0; 0], "{order:?}");
        let before = session.before.clone();
        assert_eq!(session.finished().snapshot(), before, "{order:?}");
    }
}

/// An account that is overwritten with another Short Server ID comes back elsewhere.
#[test]
fn a_server_may_come_back_by_a_write() {
    let mut session = Session::new(two_servers);
    session.set("/0/1/10", 103);
    assert_eq!(session.servers_gone(), [101]);
    session.set("/0/1/10", 101);
    session.write_again("/1/0");
    as_before(session);
}

/// Only one of two comes back: all is as if only the other one had been deleted.
#[test]
fn the_rights_of_a_server_that_does_not_come_back_are_gone() {
    let mut session = Session::new(two_servers);
    session.delete("/0").unwrap();
    session.write_again("/0/2");
    session.write_again("/1/1");
    assert_eq!(session.servers_gone(), [101]);
    let tree = session.finished();

    let mut other = Session::new(two_servers);
    other.delete("/0/1").unwrap();
    let other = other.finished();
    assert_eq!(tree.snapshot(), other.snapshot());
    assert!(may_read(&tree, 102, 9, 1));
}

/// At another Object Instance ID, the rights on a Server Object Instance follow it.
#[test]
fn rights_follow_the_server_object_instance() {
    let mut session = Session::new(two_servers);
    session.delete("/0").unwrap();
    session.delete("/1").unwrap();
    session.write_again("/0");
    let mut moved = ObjectTree::new();
    moved.add(Store::of([
        (instance(4), typed::Server::new(server(102), 60)),
        (instance(6), typed::Server::new(server(101), 60)),
    ]));
    session.write("/1", &moved).unwrap();
    let tree = session.finished();
    for (control, at) in [(0, 6), (1, 4)] {
        let control = typed::AccessControl::load(&tree, instance(control)).unwrap();
        assert_eq!(
            control.target,
            typed::AclTarget::Instance(1.into(), instance(at))
        );
    }
    for (id, own, other) in [(101, 6, 4), (102, 4, 6)] {
        assert!(may_read(&tree, id, 1, own), "{id}");
        assert!(!may_read(&tree, id, 1, other), "{id}");
    }
}

/// What the Bootstrap-Server has written or deleted since is as it says.
#[test]
fn what_the_bootstrap_server_has_said_since_counts() {
    // It writes other rights in the same place, in another one, and an Object Instance.
    let mut session = Session::new(two_servers);
    session.delete("/0").unwrap();
    let mut other = client(
        &[],
        vec![
            control((3, 0), &[(0, 1)], 102),
            control((9, 1), &[(0, 3)], 101),
        ],
    );
    other.set(path("/9/0/0"), "other").unwrap();
    session.write("/2", &other).unwrap();
    session.write("/9/0", &other).unwrap();
    session.write_again("/0");
    session.write_again("/1");
    let tree = session.finished();
    let found = |text: &str| {
        rights(&tree)
            .iter()
            .filter(|line| line.contains(text))
            .count()
    };
    let owner = |id: u16, at| {
        let control = typed::AccessControl::load(&tree, instance(id)).unwrap();
        assert_eq!(control.target, typed::AclTarget::Instance(at, instance(0)));
        control.owner
    };
    assert_eq!(owner(0, 3.into()), 102);
    assert_eq!(found("ObjectId(3)"), 1, "{:?}", rights(&tree));
    assert_eq!(tree.get(path("/9/0/0")), Some("other".into()));
    // The others come back.
    assert!(tree.locate(path("/5/0")).is_some());
    assert!(may_read(&tree, 101, 5, 0) && may_read(&tree, 101, 9, 1));

    // It deletes the Object, or all.
    let mut session = Session::new(two_servers);
    session.delete("/0").unwrap();
    session.delete("/9").unwrap();
    session.write_again("/0");
    session.write_again("/1");
    let tree = session.finished();
    assert_eq!(tree.instances(9.into()).count(), 0);
    assert!(tree.locate(path("/5/0")).is_some());

    let mut session = Session::new(two_servers);
    session.delete("/").unwrap();
    session.write_again("/0/1");
    session.write_again("/1/0");
    let tree = session.finished();
    assert_eq!(tree.instances(2.into()).count(), 0);
    assert!(tree.locate(path("/5/0")).is_none());
}

/// TS E.1.3: default rights count, also for the server that comes back.
#[test]
fn default_rights_count_in_the_election() {
    let rights = || vec![control((9, 1), &[(0, 3), (101, 15), (102, 1)], 101)];
    let mut session = Session::new(|| client(&[101, 102, 103], rights()));
    session.delete("/0").unwrap();
    assert!(session.tree.locate(path("/9/1")).is_none());
    for back in ["/0/2", "/0/3", "/1/1", "/1/2"] {
        session.write_again(back);
    }
    let tree = session.finished();
    // 102 may read by its own entry, 103 may write by the default.
    assert_eq!(tree.get(path("/2/0/3")), Some(Value::Integer(103)));
    assert_eq!(tree.get(path("/9/1/0")), Some("b".into()));
}

/// A Finish that is refused leaves the bootstrap open. What comes back by then is restored at the next.
#[test]
fn a_second_finish_restores_what_comes_back_by_then() {
    let mut session = Session::new(two_servers);
    session.delete("/0").unwrap();
    session.write_again("/0");
    session.write_again("/1/0");
    assert!(session.finish().is_err());
    session.write_again("/1/1");
    as_before(session);

    let mut session = Session::new(two_servers);
    session.delete("/0").unwrap();
    session.write_again("/0/1");
    session.write_again("/1");
    assert!(session.finish().is_err());
    session.write_again("/0/2");
    as_before(session);
}

/// It is asked for as often as one likes.
#[test]
fn what_is_restored_is_not_restored_again() {
    let mut session = Session::new(two_servers);
    session.delete("/0").unwrap();
    session.write_again("/0");
    session.write_again("/1");
    assert_eq!(session.finish(), Ok(()));
    assert_eq!(session.gone.restored(&session.tree), []);
}

/// Nothing that the bootstrap itself has created is remembered, so it is bounded by what was there.
#[test]
fn what_the_bootstrap_has_created_is_not_remembered() {
    let mut session = Session::new(two_servers);
    let content = client(&[101, 102], vec![control((9, 7), &[(101, 15)], 101); 12]);
    session.write("/2", &content).unwrap();
    let mut sizes = Vec::new();
    for at in 10..60 {
        session.set(&format!("/9/{at}/0"), "new");
        session.set("/2/11/1", at);
        session.delete("/0/1").unwrap();
        session.write_again("/0/1");
        session.write_again("/1/0");
        session.write("/2/11", &content).unwrap();
        sizes.push(format!("{:?}", session.gone).len());
    }
    assert!(session.tree.locate(path("/9/59")).is_none());
    sizes.dedup();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
}

/// The values of an update machine are the machine's: the Object Instance comes back, and the machine
/// begins anew.
#[test]
fn an_object_with_behaviour_comes_back() {
    let make = || {
        let mut tree = two_servers();
        let config = typed::FirmwareUpdate::default();
        tree.add(FirmwareUpdateObject::new(config, |_| Answer::Done).unwrap());
        tree
    };
    let mut session = Session::new(make);
    session.delete("/0").unwrap();
    assert!(session.tree.locate(path("/5/0")).is_none());
    session.write_again("/0");
    session.write_again("/1");
    let tree = session.finished();
    assert!(tree.locate(path("/5/0")).is_some());
    assert_eq!(tree.get(path("/5/0/3")), Some(Value::Integer(0)));
    assert!(may_read(&tree, 101, 5, 0));
}

/// What only its application can complete is as consistent as it was, once it is back.
#[test]
fn what_lacked_something_before_may_come_back() {
    let make = || {
        let mut tree = two_servers();
        let path = path("/9/1/0");
        tree.change([Change::Remove { path }]).unwrap();
        tree
    };
    let mut session = Session::new(make);
    session.delete("/0").unwrap();
    assert!(session.tree.locate(path("/9/1")).is_none());
    session.write_again("/0");
    session.write_again("/1");
    as_before(session);
}

/// What the application has set meanwhile stays, and what the bootstrap has written elsewhere in the same
/// Object Instance as well.
#[test]
fn what_the_application_sets_meanwhile_comes_back_too() {
    let mut session = Session::new(two_servers);
    session.set("/9/1/1", "written");
    session.delete("/0").unwrap();
    assert_eq!(session.tree.set(path("/9/1/0"), "set"), Ok(true));
    session.write_again("/0");
    session.write_again("/1/0");
    assert!(session.finish().is_err());
    // It is back, goes once more, and is set again.
    session.tree.set(path("/9/1/0"), "between").unwrap();
    session.delete("/0").unwrap();
    session.tree.set(path("/9/0/1"), "2").unwrap();
    session.write_again("/0");
    session.write_again("/1");
    let tree = session.finished();
    for (at, value) in [
        ("/9/1/0", "between"),
        ("/9/1/1", "written"),
        ("/9/0/1", "2"),
    ] {
        assert_eq!(tree.get(path(at)), Some(value.into()), "{at}");
    }
}

/// Only so many Object Instances fit, and the Bootstrap-Server has written one in the place of another.
/// The rest comes back.
#[test]
fn what_no_longer_fits_hinders_nothing_else() {
    let make = || {
        let rights = vec![
            control((1, 0), &[(101, 15)], 101),
            control((9, 0), &[(101, 15)], 101),
            control((9, 1), &[(101, 15)], 101),
            control((3, 0), &[(101, 15), (102, 1)], 102),
        ];
        let mut tree = client(&[101, 102], rights);
        let software = |name| typed::SoftwareManagement::new(name, "1");
        let store = Store::of([(instance(0), software("a")), (instance(1), software("b"))]);
        tree.add(store.managed(2));
        tree
    };
    let mut session = Session::new(make);
    session.delete("/0").unwrap();
    session.delete("/1").unwrap();
    let mut other = client(&[], vec![]);
    other
        .change([Change::Create { path: path("/9/5") }])
        .unwrap();
    other.set(path("/9/5/0"), "other").unwrap();
    other.set(path("/9/5/1"), "1").unwrap();
    for resource in [7, 9, 12] {
        let from = path(&format!("/9/0/{resource}"));
        let value = other.get(from).unwrap();
        let at = path(&format!("/9/5/{resource}"));
        other.set(at, value).unwrap();
    }
    session.write("/9/5", &other).unwrap();
    session.write_again("/0");
    session.write_again("/1");
    let tree = session.finished();
    assert!(tree.instances(9.into()).eq([instance(0), instance(5)]));
    for (object, at) in [(1, 0), (3, 0), (9, 0)] {
        assert!(may_read(&tree, 101, object, at), "{object}");
    }
    assert_eq!(tree.instances(2.into()).count(), 3);
}

/// Rights that have gone with a Delete of what they are about don't come back when it is written again.
#[test]
fn rights_that_went_with_a_delete_do_not_come_back() {
    let mut session = Session::new(two_servers);
    session.delete("/0/1").unwrap();
    assert_eq!(session.tree.get(path("/2/5/3")), Some(Value::Integer(102)));
    session.delete("/9/1").unwrap();
    for again in ["/9/1", "/0/1", "/1/0"] {
        session.write_again(again);
    }
    let tree = session.finished();
    assert!(tree.locate(path("/9/1")).is_some());
    assert!(tree.locate(path("/2/5")).is_none());
    assert!(!may_read(&tree, 101, 9, 1));
}
