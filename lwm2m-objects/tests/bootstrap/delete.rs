//! Bootstrap-Delete (TS 5.2.7.5, D.1, E.1.3).

use lwm2m_core::Value;
use lwm2m_kit::path;
use lwm2m_objects::{
    Change, ObjectTree, Typed,
    bootstrap::{self, Refusal},
    typed,
};

use crate::session::{Session, client, control, instance, instances, may_read, two_servers};

#[test]
fn delete_of_the_root_leaves_the_bootstrap_server_and_what_is_single_and_mandatory() {
    let mut session = Session::new(two_servers);
    session.delete("/").unwrap();
    assert_eq!(session.instances(), ["/0/0", "/3/0"]);
    assert_eq!(session.servers_gone(), [101, 102]);
    // Again: nothing is left to delete, and that is no error.
    assert_eq!(session.delete("/"), Ok(()));
    assert_eq!(session.instances(), ["/0/0", "/3/0"]);
}

#[test]
fn delete_of_the_security_object_leaves_the_bootstrap_server() {
    let mut session = Session::new(two_servers);
    session.delete("/0").unwrap();
    // With their accounts go their Server Object Instances and what they alone could access. What the
    // Bootstrap-Server owns stays, without their entries.
    assert_eq!(
        session.instances(),
        ["/0/0", "/2/6", "/2/7", "/3/0", "/9/2"]
    );
    assert_eq!(session.tree.dimension(path("/2/6/2")), Some(0));
    assert_eq!(session.servers_gone(), [101, 102]);
    assert_eq!(session.delete("/0"), Ok(()));
}

#[test]
fn delete_of_an_account_takes_what_its_server_alone_could_access() {
    let mut session = Session::new(two_servers);
    session.delete("/0/1").unwrap();
    assert_eq!(session.servers_gone(), [101]);
    let expected = [
        "/0/0", "/0/2", "/1/1", "/2/1", "/2/2", "/2/4", "/2/5", "/2/6", "/2/7", "/3/0", "/9/0",
        "/9/1", "/9/2",
    ];
    assert_eq!(session.instances(), expected);
    // The other server is elected: it has a right of its own on the Device, and the default on /9/1.
    for control in ["/2/2/3", "/2/5/3"] {
        let owner = session.tree.get(path(control));
        assert_eq!(owner, Some(Value::Integer(102)), "{control}");
    }
}

/// With several servers in one Delete, the owner is elected among those that stay, and what only they
/// could access goes, whoever of them would have been elected first.
#[test]
fn owners_are_elected_among_those_that_stay() {
    let rights = || {
        vec![
            // 102 would be elected first, but it goes as well.
            control((3, 0), &[(101, 15), (102, 15), (103, 1), (104, 2)], 101),
            control((9, 0), &[(101, 15), (102, 15)], 101),
            control((9, 1), &[(103, 15), (102, 15)], 103),
        ]
    };
    let mut session = Session::new(|| {
        let mut tree = client(&[101, 102, 103, 104], rights());
        // The accounts of 103 and 104 stay: one is the Bootstrap-Server's by now, one can't be read.
        tree.change([Change::Remove {
            path: path("/0/4/10"),
        }])
        .unwrap();
        tree.change([Change::Delete { path: path("/0/3") }])
            .unwrap();
        tree
    });
    session.delete("/0").unwrap();
    assert_eq!(
        session.instances(),
        [
            "/0/0", "/1/2", "/1/3", "/2/0", "/2/2", "/3/0", "/5/0", "/9/1", "/9/2"
        ]
    );
    assert_eq!(session.tree.get(path("/2/0/3")), Some(Value::Integer(104)));
    assert_eq!(session.tree.get(path("/2/0/2/102")), None);
    assert_eq!(session.tree.get(path("/2/2/3")), Some(Value::Integer(103)));
}

#[test]
fn an_account_that_cannot_be_read_is_deleted() {
    let unreadable = || {
        let mut tree = client(&[101], vec![]);
        let removed = [0, 1, 2, 10].map(|id: u16| Change::Remove {
            path: path(&format!("/0/1/{id}")),
        });
        tree.change(removed).unwrap();
        tree
    };
    for target in ["/0/1", "/0", "/"] {
        let mut session = Session::new(unreadable);
        session.delete(target).unwrap();
        assert!(!session.instances().contains(&"/0/1".into()), "{target}");
    }
}

/// A server with a second Security Object Instance keeps its account.
#[test]
fn a_server_goes_with_its_last_security_object_instance() {
    let twice = || {
        let mut tree = two_servers();
        tree.set(path("/0/2/10"), 101).unwrap();
        tree
    };
    let mut session = Session::new(twice);
    session.delete("/0/2").unwrap();
    assert_eq!(session.servers_gone(), [0; 0]);
    assert!(session.tree.locate(path("/1/0")).is_some());
    session.delete("/0/1").unwrap();
    assert_eq!(session.servers_gone(), [101]);
    assert!(session.tree.locate(path("/1/0")).is_none());
}

#[test]
fn whole_objects_are_deleted() {
    let mut session = Session::new(two_servers);
    for (target, object) in [("/1", 1), ("/9", 9), ("/5", 5), ("/2", 2)] {
        session.delete(target).unwrap();
        assert_eq!(session.tree.instances(object.into()).count(), 0, "{target}");
        // It has no Object Instance, and is there.
        assert_eq!(session.delete(target), Ok(()), "{target}");
    }
    // No account has gone, and the Device stays.
    assert_eq!(session.delete("/3"), Ok(()));
    assert_eq!(session.instances(), ["/0/0", "/0/1", "/0/2", "/3/0"]);
    assert_eq!(session.servers_gone(), [0; 0]);
}

/// TS 7.3.1.2.2: whoever deletes an Object Instance.
#[test]
fn rights_go_with_what_they_are_about() {
    let mut session = Session::new(two_servers);
    session.delete("/9/1").unwrap();
    assert!(session.tree.locate(path("/2/5")).is_none());
    session.delete("/9").unwrap();
    for gone in ["/2/4", "/2/7"] {
        assert!(session.tree.locate(path(gone)).is_none(), "{gone}");
    }
    // Who may create instances of the Object is still said.
    assert!(session.tree.locate(path("/2/6")).is_some());
    assert!(may_read(&session.tree, 102, 3, 0));
}

#[test]
fn what_a_delete_refuses() {
    let mut session = Session::new(two_servers);
    let before = instances(&session.tree);
    for (target, refusal) in [
        ("/0/0", Refusal::Stays(path("/0/0"))),
        ("/3/0", Refusal::Stays(path("/3/0"))),
        ("/0/9", Refusal::NotFound(path("/0/9"))),
        ("/1/9", Refusal::NotFound(path("/1/9"))),
        ("/3/1", Refusal::NotFound(path("/3/1"))),
        ("/77", Refusal::NotFound(path("/77"))),
        ("/77/0", Refusal::NotFound(path("/77/0"))),
        ("/1/0/1", Refusal::Target(path("/1/0/1"))),
        ("/0/1/10", Refusal::Target(path("/0/1/10"))),
        ("/2/0/2/101", Refusal::Target(path("/2/0/2/101"))),
    ] {
        assert_eq!(session.delete(target), Err(refusal), "{target}");
    }
    assert_eq!(session.instances(), before);
}

/// Rights can't take the Bootstrap-Server's account, nor the Server Object Instance of another server.
#[test]
fn rights_on_an_account_do_not_take_it() {
    let rights = || vec![control((1, 1), &[(101, 15)], 101)];
    let mut session = Session::new(|| client(&[101, 102], rights()));
    session.delete("/0/1").unwrap();
    assert!(session.tree.locate(path("/1/1")).is_some());
    let control = typed::AccessControl::load(&session.tree, instance(0)).unwrap();
    assert_eq!(control.owner, 102);
}

#[test]
fn a_delete_is_rolled_back_whole() {
    for target in ["/", "/0", "/0/1", "/1", "/2", "/9", "/9/0"] {
        let mut session = Session::new(two_servers);
        session.delete(target).unwrap();
        assert_eq!(session.tree.snapshot(), session.before, "{target}");
        session.tree.roll_back();
        assert_eq!(session.tree.snapshot(), session.before, "{target}");
    }
}

/// A tree without the Access Control Object has nothing to look up.
#[test]
fn without_access_control_accounts_are_deleted_alone() {
    let mut tree: ObjectTree = two_servers();
    tree.remove(2.into());
    let command = bootstrap::delete(&tree, path("/0")).unwrap();
    tree.commit(command.changes()).unwrap();
    let expected = ["/0/0", "/3/0", "/5/0", "/9/0", "/9/1", "/9/2"];
    assert_eq!(instances(&tree), expected);
}

/// An Object that deletes nothing: the default of the trait.
struct Fixed(lwm2m_objects::Store);

impl lwm2m_objects::Object for Fixed {
    fn definition(&self) -> &lwm2m_objects::ObjectDefinition {
        self.0.definition()
    }

    fn read(
        &self,
        instance: lwm2m_core::InstanceId,
        resource: lwm2m_core::ResourceId,
        out: &mut lwm2m_objects::ResourceSink<'_>,
    ) -> Result<(), lwm2m_objects::ReadError> {
        self.0.read(instance, resource, out)
    }

    fn apply(&mut self, changes: &[Change]) {
        self.0.apply(changes);
    }
}

fn with_a_fixed_object() -> ObjectTree {
    let rights = vec![control((9, 0), &[(101, 15)], 101)];
    let mut tree = client(&[101, 102], rights);
    let software = typed::SoftwareManagement::new("fixed", "1");
    tree.add(Fixed(lwm2m_objects::Store::of([(instance(0), software)])));
    tree
}

/// What an Object doesn't let go stays, and the rest is deleted.
#[test]
fn what_an_object_does_not_delete_hinders_no_other_delete() {
    let mut session = Session::new(with_a_fixed_object);
    session.delete("/").unwrap();
    assert_eq!(session.instances(), ["/0/0", "/3/0", "/9/0"]);
    assert_eq!(session.delete("/9"), Ok(()));

    // With the account of its only server, nobody has rights on it.
    for whole in ["/0", "/0/1"] {
        let mut session = Session::new(with_a_fixed_object);
        session.delete(whole).unwrap();
        assert_eq!(session.servers_gone().first(), Some(&101), "{whole}");
        let control = typed::AccessControl::load(&session.tree, instance(0)).unwrap();
        assert_eq!((control.owner, control.acl), (65535, vec![]), "{whole}");
        assert!(session.tree.locate(path("/9/0")).is_some());
        assert!(session.tree.locate(path("/0/1")).is_none());
        // They come back with it.
        session.write_again("/0");
        session.write_again("/1");
        let before = session.before.clone();
        assert_eq!(session.finished().snapshot(), before, "{whole}");
    }

    // By name, it is refused.
    let session = Session::new(with_a_fixed_object);
    let command = bootstrap::delete(&session.tree, path("/9/0")).unwrap();
    let mut tree = session.tree;
    assert!(tree.commit(command.changes()).is_err());
}

/// Two servers have rights on one Object Instance, each in an Access Control Object Instance of its own:
/// it goes with the last of them.
#[test]
fn what_another_server_owns_as_well_stays() {
    let make = || {
        let rights = vec![
            control((9, 0), &[(101, 15)], 101),
            control((9, 0), &[(102, 15)], 102),
        ];
        client(&[101, 102], rights)
    };
    let mut session = Session::new(make);
    session.delete("/0/1").unwrap();
    assert!(session.tree.locate(path("/9/0")).is_some());
    assert!(session.tree.locate(path("/2/0")).is_none());
    assert!(session.tree.locate(path("/2/1")).is_some());
    session.delete("/0/2").unwrap();
    assert!(session.tree.locate(path("/9/0")).is_none());
    assert_eq!(session.tree.instances(2.into()).count(), 0);
    for (account, server) in [("/0/1", "/1/0"), ("/0/2", "/1/1")] {
        session.write_again(account);
        session.write_again(server);
    }
    let before = session.before.clone();
    assert_eq!(session.finished().snapshot(), before);

    // One of them alone brings it back as well, whichever it is.
    for (own, account, server) in [(101, "/0/1", "/1/0"), (102, "/0/2", "/1/1")] {
        let mut session = Session::new(make);
        session.delete("/0").unwrap();
        session.write_again(account);
        session.write_again(server);
        let tree = session.finished();
        assert!(may_read(&tree, own, 9, 0), "{own}");
        assert!(tree.instances(2.into()).count() == 1, "{own}");
    }
}
