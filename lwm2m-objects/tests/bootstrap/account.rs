//! The Bootstrap-Server Account (TS 5.2.3.3, step 3; E.1, Resource 12).

use lwm2m_kit::path;
use lwm2m_objects::{
    ObjectTree, Store,
    bootstrap::{self, Expected, Refusal},
    typed,
};

use crate::session::{Session, instance, instances, server, two_servers};

/// A Security Object with another Bootstrap-Server at this place.
fn another(at: u16) -> ObjectTree {
    let account = typed::Security::no_sec("coap://other", server(1)).into_bootstrap_server();
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(instance(at), account)]));
    tree
}

#[test]
fn a_purge_takes_the_account_and_nothing_else() {
    let mut tree = two_servers();
    let before = instances(&tree);
    tree.change(bootstrap::purge(&tree)).unwrap();
    assert_eq!(instances(&tree), before[1..]);
    assert_eq!(bootstrap::purge(&tree), []);
    assert_eq!(bootstrap::check(&tree, |_| true), Ok(()));
}

#[test]
fn the_account_that_was_written_replaces_the_one_before() {
    let mut session = Session::new(two_servers);
    session.write("/0/7", &another(7)).unwrap();
    let tree = session.finished();
    assert!(tree.locate(path("/0/0")).is_none());
    assert!(tree.locate(path("/0/7")).is_some());
}

/// The place of a LwM2M Server's account may become the Bootstrap-Server's.
#[test]
fn an_account_of_a_server_may_become_the_one_that_replaces() {
    let mut session = Session::new(two_servers);
    session.write("/0/1", &another(1)).unwrap();
    assert_eq!(session.servers_gone(), [101]);
    let tree = session.finished();
    assert!(tree.locate(path("/0/0")).is_none());
    assert_eq!(tree.get(path("/0/1/1")), Some(true.into()));
}

#[test]
fn an_account_that_is_overwritten_is_the_only_one() {
    let mut session = Session::new(two_servers);
    session.write("/0/0", &another(0)).unwrap();
    let tree = session.finished();
    assert_eq!(tree.get(path("/0/0/0")), Some("coap://other".into()));
    assert_eq!(bootstrap::replaced(&tree), Ok(vec![]));
}

/// Which of two that were written is to stay, nobody can tell: the former one stays alone, once the
/// bootstrap is rolled back.
#[test]
fn of_two_accounts_that_were_written_none_replaces() {
    for places in [[7, 8], [0, 7]] {
        let mut session = Session::new(two_servers);
        for at in places {
            session.write(&format!("/0/{at}"), &another(at)).unwrap();
        }
        let refused = session.finish().unwrap_err();
        assert_eq!(refused.expected, Expected::OneBootstrapServer, "{places:?}");
        // It names one that was written, not the one that was there.
        assert_eq!(refused.path, path(&format!("/0/{}", places[1])));
        session.tree.roll_back();
        assert_eq!(session.tree.snapshot(), session.before);
    }
}

/// An account that was written by mistake can be taken back, by name or with all accounts of servers. The
/// former one stays.
#[test]
fn an_account_that_was_written_can_be_taken_back() {
    let mut session = Session::new(two_servers);
    for at in [7, 8] {
        session.write(&format!("/0/{at}"), &another(at)).unwrap();
    }
    session.delete("/0/8").unwrap();
    assert_eq!(
        session.delete("/0/0"),
        Err(Refusal::Stays(path("/0/0"))),
        "the former one"
    );
    let tree = session.finished();
    assert!(tree.locate(path("/0/0")).is_none());
    assert!(tree.locate(path("/0/7")).is_some());

    for whole in ["/0", "/"] {
        let mut session = Session::new(two_servers);
        for at in [7, 8] {
            session.write(&format!("/0/{at}"), &another(at)).unwrap();
        }
        session.delete(whole).unwrap();
        let accounts = session.tree.instances(0.into());
        assert!(accounts.eq([instance(0)]), "{whole}");
    }
}

/// Once the former account is overwritten, the one that was written stays: there has to be one.
#[test]
fn the_last_account_of_a_bootstrap_server_stays() {
    let mut session = Session::new(two_servers);
    session.write("/0/7", &another(7)).unwrap();
    session.set("/0/0/1", false);
    assert_eq!(session.delete("/0/7"), Err(Refusal::Stays(path("/0/7"))));
    session.delete("/0").unwrap();
    assert!(session.tree.instances(0.into()).eq([instance(7)]));
}

/// Two that were there before are inconsistent as well, and none of them is taken.
#[test]
fn two_accounts_that_were_there_before_are_inconsistent() {
    let mut tree = two_servers();
    tree.set(path("/0/2/1"), true).unwrap();
    let refused = bootstrap::replaced(&tree).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "/0/2: expected at most one Bootstrap-Server Account"
    );
    assert_eq!(bootstrap::check(&tree, |_| true), Err(refused));
}
