//! LwM2M Server Accounts (TS 3.2, 5.2.2): what an account needs, and the effects of one that cannot be
//! read.

use lwm2m_core::{AccessRights, InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value};
use lwm2m_kit::path;
use lwm2m_objects::{Change, ObjectTree, Store, Typed, access, accounts, typed};

const FIRST: ShortServerId = ShortServerId::new(101).unwrap();
const SECOND: ShortServerId = ShortServerId::new(102).unwrap();
const ONE: InstanceId = InstanceId::new(1).unwrap();

const MODES: [typed::SecurityMode; 5] = [
    typed::SecurityMode::PreSharedKey,
    typed::SecurityMode::RawPublicKey,
    typed::SecurityMode::Certificate,
    typed::SecurityMode::NoSec,
    typed::SecurityMode::CertificateWithEst,
];

/// Which of Resources 3, 4 and 5 each mode needs (TS 7.1.7 to 7.1.11).
fn needed(mode: typed::SecurityMode) -> &'static [u16] {
    match mode {
        typed::SecurityMode::PreSharedKey => &[3, 5],
        typed::SecurityMode::RawPublicKey | typed::SecurityMode::Certificate => &[3, 4, 5],
        typed::SecurityMode::NoSec => &[],
        typed::SecurityMode::CertificateWithEst => &[4],
    }
}

/// Two accounts. The second has this mode and these keys. Only the second server has rights on the
/// Device.
fn two_accounts(mode: typed::SecurityMode, keys: &[u16]) -> ObjectTree {
    let first = typed::Security::no_sec("coap://one", FIRST);
    let second = keys.iter().fold(
        Store::of([(InstanceId::ZERO, first)])
            .with(ONE, 0, "coaps://two")
            .with(ONE, 1, false)
            .with(ONE, 2, i64::from(mode.number()))
            .with(ONE, 10, 102),
        |store, key| store.with(ONE, *key, &b"key"[..]),
    );
    let mut tree = ObjectTree::new();
    tree.add(second.checked().unwrap());
    tree.add(Store::of([
        (InstanceId::ZERO, typed::Server::new(FIRST, 60)),
        (ONE, typed::Server::new(SECOND, 60)),
    ]));
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::AccessControl {
            target: typed::AclTarget::Instance(ObjectId::DEVICE, InstanceId::ZERO),
            acl: vec![(0, AccessRights::READ)],
            owner: 102,
        },
    )]));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    tree
}

/// The first server has the rights that the Access Control Object gives it, and no others.
#[track_caller]
fn access_is_controlled(tree: &ObjectTree, situation: &str) {
    let rights = |instance| access::rights(tree, FIRST, ObjectId::DEVICE, instance);
    assert_eq!(rights(InstanceId::ZERO), AccessRights::READ, "{situation}");
    assert_eq!(rights(ONE), AccessRights::NONE, "{situation}");
    assert!(
        !access::may_create(tree, FIRST, ObjectId::DEVICE),
        "{situation}"
    );
}

/// Deletes the second account and checks what is left.
#[track_caller]
fn the_second_account_can_be_taken(mut tree: ObjectTree, situation: &str) {
    let changes = access::unbootstrapped(&tree, SECOND);
    tree.change(&changes[..]).unwrap();
    for gone in ["/0/1", "/1/1"] {
        assert!(tree.locate(path(gone)).is_none(), "{situation}: {gone}");
    }
    let owner = tree.get(path("/2/0/3"));
    assert_eq!(owner, Some(Value::Integer(101)), "{situation}");
    let rights = access::rights(&tree, FIRST, ObjectId::DEVICE, ONE);
    assert_eq!(rights, typed::AccessControl::OWNER_RIGHTS, "{situation}");
}

#[test]
fn an_account_needs_the_keys_of_its_mode_and_no_others() {
    for mode in MODES {
        let tree = two_accounts(mode, needed(mode));
        let servers: Vec<_> = accounts(&tree).iter().map(|found| found.server).collect();
        assert_eq!(servers, [FIRST, SECOND], "{mode:?}");
        let security = typed::Security::load(&tree, ONE).unwrap();
        assert_eq!(security.mode, mode);
        for (key, value) in [
            (3, &security.public_key_or_identity),
            (4, &security.server_public_key),
            (5, &security.secret_key),
        ] {
            let expected = if needed(mode).contains(&key) {
                &b"key"[..]
            } else {
                b""
            };
            assert_eq!(value, expected, "{mode:?} {key}");
        }
        let told: Vec<u16> = mode.key_resources().iter().map(|id| id.get()).collect();
        assert_eq!(told, needed(mode), "{mode:?}");
        access_is_controlled(&tree, &format!("{mode:?}"));
        the_second_account_can_be_taken(tree, &format!("{mode:?}"));
    }
}

/// A key that a mode doesn't need may be there without octets: deployed Bootstrap-Servers write it.
#[test]
fn keys_that_a_mode_does_not_need_may_be_empty() {
    for mode in MODES {
        let mut tree = two_accounts(mode, &[3, 4, 5]);
        for key in [3, 4, 5].iter().filter(|key| !needed(mode).contains(key)) {
            let at = Path::Resource(ObjectId::SECURITY, ONE, ResourceId::new(*key));
            tree.set(at, &b""[..]).unwrap();
        }
        assert_eq!(accounts(&tree).len(), 2, "{mode:?}");
    }
}

/// An account without a key that its mode needs cannot be used to connect. The rights of the other
/// server don't change, and the account can be deleted.
#[test]
fn an_account_without_a_key_that_its_mode_needs_opens_no_rights() {
    for mode in MODES {
        for missing in needed(mode) {
            let keys = needed(mode).iter().filter(|key| *key != missing);
            let tree = two_accounts(mode, &keys.copied().collect::<Vec<_>>());
            let situation = format!("{mode:?} without {missing}");
            assert_eq!(typed::Security::load(&tree, ONE), None, "{situation}");
            assert_eq!(accounts(&tree).len(), 1, "{situation}");
            access_is_controlled(&tree, &situation);
            the_second_account_can_be_taken(tree, &situation);
        }
    }
}

/// The same for any other part that is missing: each Resource, and each of the two instances.
#[test]
fn an_account_that_cannot_be_read_opens_no_rights() {
    let all = || two_accounts(typed::SecurityMode::RawPublicKey, &[3, 4, 5]);
    for (object, resources) in [(0, &[0, 1, 2, 3, 4, 5, 10][..]), (1, &[0, 1, 6, 7])] {
        for resource in resources {
            let mut tree = all();
            let at = Path::Resource(object.into(), ONE, ResourceId::new(*resource));
            tree.change([Change::Remove { path: at }]).unwrap();
            assert_eq!(accounts(&tree).len(), 1, "without {at}");
            access_is_controlled(&tree, &format!("without {at}"));
        }
        let mut tree = all();
        let at = Path::Instance(object.into(), ONE);
        tree.change([Change::Delete { path: at }]).unwrap();
        assert_eq!(accounts(&tree).len(), 1, "without {at}");
        access_is_controlled(&tree, &format!("without {at}"));
    }
}

/// A server whose own account cannot be read is not the only one either: there is no account.
#[test]
fn the_only_account_has_to_be_whole() {
    let mut tree = two_accounts(typed::SecurityMode::NoSec, &[]);
    let changes = access::unbootstrapped(&tree, SECOND);
    tree.change(&changes[..]).unwrap();
    let rights = |tree: &ObjectTree| access::rights(tree, FIRST, ObjectId::DEVICE, ONE);
    assert_eq!(rights(&tree), typed::AccessControl::OWNER_RIGHTS);
    for at in ["/0/0/0", "/0/0/2", "/0/0/10", "/1/0/0", "/1/0/1"] {
        let resource = path(at);
        let value = tree.get(resource).unwrap();
        tree.change([Change::Remove { path: resource }]).unwrap();
        assert_eq!(rights(&tree), AccessRights::NONE, "without {at}");
        tree.set(resource, value).unwrap();
        assert_eq!(
            rights(&tree),
            typed::AccessControl::OWNER_RIGHTS,
            "with {at}"
        );
    }
}

/// A Bootstrap-Server's account isn't one of a LwM2M Server, whatever can be read of it and whatever
/// Short Server ID it has.
#[test]
fn a_bootstrap_server_is_no_second_server() {
    for number in [101, 102, 7] {
        let store = Store::of([(
            InstanceId::ZERO,
            typed::Security::no_sec("coap://one", FIRST),
        )]);
        let store = store.with(ONE, 1, true).with(ONE, 10, number);
        let mut tree = ObjectTree::new();
        tree.add(store.checked().unwrap());
        tree.add(Store::of([(
            InstanceId::ZERO,
            typed::Server::new(FIRST, 60),
        )]));
        tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
        assert_eq!(accounts(&tree).len(), 1);
        let rights = access::rights(&tree, FIRST, ObjectId::DEVICE, InstanceId::ZERO);
        assert_eq!(rights, typed::AccessControl::OWNER_RIGHTS, "{number}");
        assert_eq!(access::unbootstrapped(&tree, SECOND), [], "{number}");
    }
}

/// TS E.1.3, 4: the Server Object Instance is deleted, however incomplete it is.
#[test]
fn unbootstrapping_takes_a_server_instance_that_has_only_its_short_server_id() {
    let mut tree = two_accounts(typed::SecurityMode::NoSec, &[]);
    let rest = [1, 6, 7].map(|id| Change::Remove {
        path: Path::Resource(ObjectId::SERVER, ONE, ResourceId::new(id)),
    });
    tree.change(&rest).unwrap();
    the_second_account_can_be_taken(tree, "/1/1/0 alone");
}

/// An account that cannot be read still counts for Object Instances that it has rights on. They are
/// not deleted with the account of another server, and it may become their owner.
#[test]
fn what_is_shared_with_an_account_that_cannot_be_read_stays() {
    let mut tree = two_accounts(typed::SecurityMode::PreSharedKey, &[3]);
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::AccessControl {
            target: typed::AclTarget::Instance(7.into(), InstanceId::ZERO),
            acl: vec![(102, AccessRights::READ)],
            owner: 101,
        },
    )]));
    let changes = access::unbootstrapped(&tree, FIRST);
    tree.change(&changes[..]).unwrap();
    assert_eq!(tree.get(path("/2/0/3")), Some(Value::Integer(102)));
}

/// TS E.1.3, 2: the entry of the server is removed, even if the owner or the target of the Access
/// Control Object Instance can't be read.
#[test]
fn unbootstrapping_takes_entries_out_of_access_control_that_cannot_be_read() {
    for missing in ["/2/0/0", "/2/0/1", "/2/0/3"] {
        let mut tree = two_accounts(typed::SecurityMode::NoSec, &[]);
        let entry = Change::Set {
            path: path("/2/0/2/102"),
            value: Value::Integer(1),
        };
        let lost = Change::Remove {
            path: path(missing),
        };
        tree.change([entry, lost]).unwrap();
        let changes = access::unbootstrapped(&tree, SECOND);
        tree.change(&changes[..]).unwrap();
        assert_eq!(tree.get(path("/2/0/2/102")), None, "without {missing}");
        let default = tree.get(path("/2/0/2/0"));
        assert_eq!(default, Some(Value::Integer(1)), "without {missing}");
        assert!(tree.locate(path("/0/1")).is_none(), "without {missing}");
    }
}

/// The two instances of an account are paired by their Short Server ID, whatever their order.
#[test]
fn accounts_are_told_in_the_order_of_their_security_instances() {
    let number = |id| ShortServerId::new(id).unwrap();
    let at = |id| InstanceId::new(id).unwrap();
    let securities = [7, 3, 9, 5].map(|id| typed::Security::no_sec("coap://s", number(id)));
    let servers = [9, 3, 5, 7].map(|id| typed::Server::new(number(id), 60));
    let mut tree = ObjectTree::new();
    tree.add(Store::of((0..).map(at).zip(securities)));
    tree.add(Store::of((0..).map(at).zip(servers)));
    let found: Vec<_> = accounts(&tree)
        .iter()
        .map(|account| {
            let instances = (account.security_instance, account.server_instance);
            (account.server.get(), instances.0.get(), instances.1.get())
        })
        .collect();
    assert_eq!(found, [(7, 0, 3), (3, 1, 1), (9, 2, 0), (5, 3, 2)]);
}
