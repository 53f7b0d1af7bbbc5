//! Whether a server has the only account is known at once, however accounts are added and removed.

use lwm2m_core::{AccessRights, InstanceId, ObjectId, Path, ShortServerId, Value};
use lwm2m_objects::{
    Change, ObjectTree, Store, access,
    typed::{AccessControl, Device, Security, Server},
};

const ONE: ShortServerId = ShortServerId::new(101).unwrap();
const TWO: ShortServerId = ShortServerId::new(102).unwrap();
const SECOND: InstanceId = InstanceId::new(1).unwrap();

fn securities(servers: &[ShortServerId]) -> Store {
    let ids = [InstanceId::ZERO, SECOND].into_iter();
    Store::of(ids.zip(servers.iter().map(|id| Security::no_sec("coap://s", *id))))
}

/// With the Security Object Instances of these servers, and a Server Object Instance of the first.
fn tree(servers: &[ShortServerId]) -> ObjectTree {
    let mut tree = ObjectTree::new();
    tree.add(securities(servers));
    tree.add(Store::of([(InstanceId::ZERO, Server::new(ONE, 60))]));
    tree.add(Store::of([(InstanceId::ZERO, Device::default())]));
    tree
}

/// Whether the first server has the rights of a server with the only account.
fn is_alone(tree: &ObjectTree) -> bool {
    let rights = access::rights(tree, ONE, ObjectId::DEVICE, InstanceId::ZERO);
    assert!(rights == AccessControl::OWNER_RIGHTS || rights == AccessRights::NONE);
    rights == AccessControl::OWNER_RIGHTS
}

fn second() -> Path {
    Path::Instance(ObjectId::SECURITY, SECOND)
}

fn delete_second(tree: &mut ObjectTree) {
    let path = second();
    tree.change([Change::Delete { path }]).unwrap();
}

#[test]
fn a_server_is_alone_from_when_the_last_other_account_goes() {
    let mut tree = tree(&[ONE, TWO]);
    assert!(!is_alone(&tree));
    delete_second(&mut tree);
    assert!(is_alone(&tree));
}

#[test]
fn a_server_is_alone_until_another_account_comes() {
    let mut tree = tree(&[ONE]);
    assert!(is_alone(&tree));
    let number = Path::Resource(ObjectId::SECURITY, SECOND, 10.into());
    let create = Change::Create { path: second() };
    let value = Value::Integer(102);
    let set = Change::Set {
        path: number,
        value,
    };
    tree.change([create, set]).unwrap();
    assert!(!is_alone(&tree));
}

#[test]
fn a_commit_that_is_taken_back_leaves_a_server_as_it_was() {
    let mut tree = tree(&[ONE, TWO]);
    tree.hold();
    delete_second(&mut tree);
    assert!(is_alone(&tree));
    tree.roll_back();
    assert!(!is_alone(&tree));
}

#[test]
fn what_the_application_does_to_the_accounts_counts() {
    let mut tree = tree(&[ONE]);
    assert!(is_alone(&tree));
    // Its Short Server ID changes, so that the account is incomplete.
    let number: Path = "/1/0/0".parse().unwrap();
    tree.set(number, 102).unwrap();
    assert!(!is_alone(&tree));
    tree.set(number, 101).unwrap();
    assert!(is_alone(&tree));
    // Another Object replaces the accounts.
    tree.add(securities(&[ONE, TWO]));
    assert!(!is_alone(&tree));
    tree.add(securities(&[ONE]));
    assert!(is_alone(&tree));
    // The application changes the Object directly.
    let store: &mut Store = tree.object_as_mut(ObjectId::SECURITY).unwrap();
    *store = securities(&[TWO]);
    assert!(!is_alone(&tree));
}

#[test]
fn a_snapshot_that_is_put_back_counts() {
    let saved = tree(&[ONE, TWO]).snapshot();
    let mut tree = tree(&[ONE]);
    assert!(is_alone(&tree));
    tree.restore(&saved).unwrap();
    assert!(!is_alone(&tree));
}
