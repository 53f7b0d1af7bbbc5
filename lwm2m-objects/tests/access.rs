//! Access control (TS 7.3, E.1.3, Appendix F).

use lwm2m_core::{AccessRights, InstanceId, ObjectId, Operation, Path, ShortServerId, Value};
use lwm2m_kit::instance;
use lwm2m_objects::{
    ACCESS_CONTROL, Change, FIRMWARE_UPDATE, ObjectTree, Store, Typed, access, typed,
};

const R: AccessRights = AccessRights::READ;
const NONE: AccessRights = AccessRights::NONE;
const RWED: AccessRights = AccessRights::from_bits(0b0_1111);

fn server(id: u16) -> ShortServerId {
    ShortServerId::new(id).unwrap()
}

fn control(target: (u16, u16), acl: &[(u16, u16)], owner: u16) -> typed::AccessControl {
    let object = ObjectId::new(target.0);
    typed::AccessControl {
        target: InstanceId::new(target.1).map_or(typed::AclTarget::Object(object), |id| {
            typed::AclTarget::Instance(object, id)
        }),
        acl: acl
            .iter()
            .map(|(id, bits)| (*id, AccessRights::from_bits(*bits)))
            .collect(),
        owner,
    }
}

/// A tree with these servers and these Access Control Object Instances.
fn tree(servers: &[u16], controls: Vec<typed::AccessControl>) -> ObjectTree {
    let accounts = || {
        (0..)
            .map(instance)
            .zip(servers.iter().map(|id| server(*id)))
    };
    let mut tree = ObjectTree::new();
    tree.add(Store::of(
        accounts().map(|(at, id)| (at, typed::Security::no_sec("coap://s", id))),
    ));
    tree.add(Store::of(
        accounts().map(|(at, id)| (at, typed::Server::new(id, 86_400))),
    ));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    tree.add(Store::of((0..).map(instance).zip(controls)));
    tree
}

/// Tables 35 to 39 of Appendix F.
fn appendix_f() -> ObjectTree {
    tree(
        &[101, 102],
        vec![
            control((1, 0), &[(101, 0b1111)], 101),
            control((1, 1), &[(102, 0b1111)], 102),
            control((3, 0), &[(101, 0b1111), (102, 0b0001)], 101),
            control((4, 0), &[(101, 0b0001), (0, 0b0001)], 101),
            control((5, 65535), &[(101, 0b1_0000)], 65535),
        ],
    )
}

/// Creates of these Object Instances.
fn creates(object: u16, instances: impl IntoIterator<Item = u16>) -> Vec<Change> {
    let paths = instances
        .into_iter()
        .map(|id| Path::Instance(object.into(), instance(id)));
    paths.map(|path| Change::Create { path }).collect()
}

#[test]
fn the_example_of_appendix_f() {
    let tree = appendix_f();
    for (id, object, at, expected) in [
        (101, 1, 0, RWED),
        (102, 1, 0, NONE),
        (101, 1, 1, NONE),
        (102, 1, 1, RWED),
        (101, 3, 0, RWED),
        (102, 3, 0, R),
        (101, 4, 0, R),
        (102, 4, 0, R), // by default
    ] {
        let rights = access::rights(&tree, server(id), object.into(), instance(at));
        assert_eq!(rights, expected, "server {id} on /{object}/{at}");
    }
    assert!(access::may_create(&tree, server(101), 5.into()));
    assert!(!access::may_create(&tree, server(102), 5.into()));
    assert!(
        !access::may_create(&tree, server(101), 3.into()),
        "not provisioned"
    );
}

#[test]
fn a_single_server_has_every_right() {
    let tree = tree(&[101], vec![control((3, 0), &[(102, 1)], 102)]);
    assert_eq!(
        access::rights(&tree, server(101), 3.into(), instance(0)),
        RWED
    );
    assert_eq!(
        access::rights(&tree, server(101), 9.into(), instance(0)),
        RWED
    );
    assert!(access::may_create(&tree, server(101), 9.into()));
}

/// Every case of TS 7.3.2.1: owner or not, with or without an entry of its own, with or without
/// default rights.
#[test]
fn the_table_of_7_3_2_1() {
    for owner in [101, 102, 65535] {
        for own in [None, Some(0b0000), Some(0b0010)] {
            for default in [None, Some(0b0001)] {
                let mut acl = vec![(102, 0b1000)];
                acl.extend(own.map(|bits| (101, bits)));
                acl.extend(default.map(|bits| (0, bits)));
                let tree = tree(&[101, 102], vec![control((3, 0), &acl, owner)]);
                let expected = match (own, owner, default) {
                    (None, 101, _) => RWED, // A
                    // B: its own; C: the default
                    (Some(bits), _, _) | (None, _, Some(bits)) => AccessRights::from_bits(bits),
                    (None, _, None) => NONE,
                };
                let rights = access::rights(&tree, server(101), 3.into(), instance(0));
                assert_eq!(
                    rights, expected,
                    "owner {owner}, own {own:?}, default {default:?}"
                );
            }
        }
    }
}

/// TS 7.3.2.2 to 7.3.2.5, 8.5: every operation on every kind of target, with every single right, with
/// all rights and with none. A missing target is reported to every server. Then the right is checked,
/// then what the target supports.
#[test]
fn the_table_of_7_3_2() {
    use Operation::{
        CancelObservation, Create, Delete, Discover, Execute, Notify, Observe, Read, Write,
        WriteAttributes,
    };
    use access::Refusal::{Denied, NotFound, NotSupported};

    // A target, and what the operations lead to for a server with the right: Read, Observe and
    // Notify (R), Write (W), Execute (E), Delete (D), Discover and the end of an observation (-),
    // Write-Attributes (A), Create (C).
    type Row = (&'static str, [Result<(), access::Refusal>; 7]);
    const OK: Result<(), access::Refusal> = Ok(());
    const NO: Result<(), access::Refusal> = Err(NotSupported);
    const LOST: Result<(), access::Refusal> = Err(NotFound);
    const GONE: [Result<(), access::Refusal>; 7] = [Err(NotFound); 7];
    let rows: [Row; 15] = [
        //           R   W   E   D   -   A   C
        ("/", [NO, NO, NO, NO, NO, NO, NO]),
        ("/3", [OK, NO, NO, NO, OK, OK, NO]),
        ("/3/0", [OK, OK, NO, NO, OK, OK, NO]),
        // Servers create and delete instances of this Object.
        ("/9", [OK, NO, NO, NO, OK, OK, OK]),
        ("/9/0", [OK, OK, NO, OK, OK, OK, NO]),
        ("/3/0/0", [OK, NO, NO, NO, OK, OK, NO]),  // R
        ("/3/0/14", [OK, OK, NO, NO, OK, OK, NO]), // RW
        // Attributes are for what can be read (TS Table 4).
        ("/9/0/14", [NO, OK, NO, NO, OK, NO, NO]), // W
        ("/3/0/4", [NO, NO, OK, NO, OK, NO, NO]),  // E
        // A supported Resource may be written before it is there.
        ("/3/0/13", [LOST, OK, LOST, LOST, LOST, LOST, LOST]),
        ("/3/0/20", GONE), // not supported
        ("/3/0/99", GONE), // unknown
        ("/3/1", GONE),
        ("/6", GONE),
        ("/3/0/6/0", GONE), // TS 5.4 addresses no Resource Instance
    ];
    let operations: [(&[Operation], AccessRights); 7] = [
        (&[Read, Observe, Notify], AccessRights::READ),
        (&[Write], AccessRights::WRITE),
        (&[Execute], AccessRights::EXECUTE),
        (&[Delete], AccessRights::DELETE),
        (&[Discover, CancelObservation], NONE),
        (&[WriteAttributes], NONE),
        (&[Create], AccessRights::CREATE),
    ];
    for bits in [0, 1, 2, 4, 8, 16, 31] {
        let rights = AccessRights::from_bits(bits);
        let mut tree = tree(
            &[101, 102],
            vec![
                control((3, 0), &[(101, bits)], 65535),
                control((9, 0), &[(101, bits)], 65535),
                control((3, 65535), &[(101, bits)], 65535),
                control((9, 65535), &[(101, bits)], 65535),
            ],
        );
        let device = typed::Device {
            current_time: None,
            ..typed::Device::example()
        };
        let store = Store::of([(InstanceId::ZERO, device)]);
        tree.add(store.supporting([13]));
        let software = typed::SoftwareManagement {
            user_name: Some("user".into()),
            ..typed::SoftwareManagement::new("name", "1")
        };
        tree.add(Store::of([(InstanceId::ZERO, software)]).managed(2));
        for (at, outcomes) in rows {
            let path: Path = at.parse().unwrap();
            for ((operations, needed), allowed) in operations.iter().zip(outcomes) {
                // The only right on an Object is to create. A Read returns the instances on which
                // there is a right.
                let has_instance = path.depth() > 1;
                let of_object = path.depth() == 1 && *needed == AccessRights::CREATE;
                let has_right = !(has_instance || of_object) || rights.contains(*needed);
                let expected = match allowed {
                    Err(NotFound) => allowed,
                    _ if has_right => allowed,
                    _ => Err(Denied),
                };
                for operation in *operations {
                    let found = access::authorize(&tree, server(101), *operation, path);
                    assert_eq!(found, expected, "{operation:?} {at} with {rights}");
                }
            }
        }
        // No server accesses Security, whatever its rights.
        for operation in Operation::ALL.iter().copied() {
            for security in ["/0", "/0/0", "/0/9", "/0/0/0", "/0/0/0/0"] {
                let path = security.parse().unwrap();
                let found = access::authorize(&tree, server(101), operation, path);
                assert_eq!(found, Err(Denied), "{operation:?} {security}");
            }
        }
    }
}

/// TS 5.4.6, D.1: a single-instance Object has one, and a mandatory one keeps it.
#[test]
fn a_single_instance_is_created_once_and_a_mandatory_one_is_never_deleted() {
    use Operation::{Create, Delete};
    let mut tree = tree(&[101], vec![]);
    tree.add(Store::new(&FIRMWARE_UPDATE).managed(1));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]).managed(1));
    let may = |tree: &ObjectTree, operation, at: &str| {
        let path = at.parse().unwrap();
        access::authorize(tree, server(101), operation, path)
    };
    let not_supported = Err(access::Refusal::NotSupported);
    assert_eq!(may(&tree, Create, "/5"), Ok(()));
    assert_eq!(may(&tree, Create, "/3"), not_supported);
    assert_eq!(may(&tree, Delete, "/3/0"), not_supported);
    let firmware = Store::of([(InstanceId::ZERO, typed::FirmwareUpdate::default())]);
    tree.add(firmware.clone().managed(1));
    assert_eq!(may(&tree, Create, "/5"), not_supported);
    assert_eq!(may(&tree, Delete, "/5/0"), Ok(()));
    tree.add(firmware);
    assert_eq!(may(&tree, Delete, "/5/0"), not_supported);
}

/// TS 7.3.2.1: the owner's own entry counts, be it none; the default is for others.
#[test]
fn an_own_entry_of_none_shuts_the_owner_out() {
    let all = AccessRights::FULL.bits();
    for (acl, expected) in [
        (&[][..], RWED),
        (&[(0, all)], RWED),
        (&[(0, 0)], RWED),
        (&[(101, 0)], NONE),
        (&[(101, 0), (0, all)], NONE),
        (&[(101, 1), (0, all)], R),
    ] {
        let tree = tree(&[101, 102], vec![control((3, 0), acl, 101)]);
        let rights = access::rights(&tree, server(101), 3.into(), instance(0));
        assert_eq!(rights, expected, "{acl:?}");
    }
}

/// What the application makes has an owner, too: of each Object a server that may create its instances.
#[test]
fn what_the_client_creates_by_itself_is_owned_by_a_server() {
    let may_create = control((9, 65535), &[(102, 16), (103, 16)], 65535);
    let tree = tree(&[103, 102, 101], vec![may_create]);
    let owners = |tree: &ObjectTree, changes: &[Change]| -> Vec<Value> {
        let changes = access::created_by_client(tree, changes).unwrap();
        let owner = |change: &Change| match change {
            Change::Set { path, value } if path.resource() == Some(3.into()) => Some(value.clone()),
            _ => None,
        };
        changes.iter().filter_map(owner).collect()
    };
    let changes = [creates(6, [0]), creates(9, [0, 1])].concat();
    assert_eq!(owners(&tree, &changes), [101, 102, 102].map(Value::from));
    // Of a new account, the Server Object Instance belongs to its server; Security has no rights.
    let account = Change::Set {
        path: "/1/9/0".parse().unwrap(),
        value: 104.into(),
    };
    let account = [creates(0, [9]), creates(1, [9]), vec![account]].concat();
    assert_eq!(owners(&tree, &account), [104.into()]);
    // An Object Instance that is given rights already gets no others.
    let rights = access::created(&tree, server(103), &creates(6, [0])).unwrap();
    let given = [creates(6, [0]), rights].concat();
    assert_eq!(owners(&tree, &given), []);
    // A single server has every right, and without one nobody can own.
    assert_eq!(owners(&self::tree(&[101], vec![]), &changes), []);
    assert_eq!(owners(&self::tree(&[], vec![]), &changes), []);
}

#[test]
fn without_an_access_control_instance_there_is_no_right() {
    let tree = tree(&[101, 102], vec![]);
    assert_eq!(
        access::rights(&tree, server(101), 3.into(), instance(0)),
        NONE
    );
    assert!(!access::may_create(&tree, server(101), 3.into()));
}

#[test]
fn default_rights_do_not_let_create() {
    let tree = tree(
        &[101, 102],
        vec![control((5, 65535), &[(0, 0b1_0000)], 65535)],
    );
    assert!(!access::may_create(&tree, server(101), 5.into()));
}

#[test]
fn access_control_instances_are_read_by_all_and_written_by_their_owner() {
    let tree = appendix_f();
    let rights = |id, at| access::rights(&tree, server(id), 2.into(), instance(at));
    let read_write = AccessRights::from_bits(0b11);
    assert_eq!((rights(101, 0), rights(102, 0)), (read_write, R));
    assert_eq!(
        (rights(101, 4), rights(102, 4)),
        (R, R),
        "the Bootstrap interface's"
    );
}

/// TS 7.3.1.2.1: only the Bootstrap-Server says who may create instances of an Object, even if there
/// is no second server. The same holds for an instance that can't be read and may be about that.
#[test]
fn the_only_server_does_not_change_who_may_create() {
    let at = |text: &str| text.parse::<Path>().unwrap();
    for owner in [65535, 101] {
        let mut tree = tree(
            &[101],
            vec![
                control((5, 65535), &[(101, 0b1_0000)], owner),
                control((3, 0), &[], owner),
            ],
        );
        let may = |tree: &ObjectTree, operation, path: &str| {
            access::authorize(tree, server(101), operation, at(path))
        };
        let denied = Err(access::Refusal::Denied);
        assert_eq!(may(&tree, Operation::Read, "/2/0/2"), Ok(()));
        assert_eq!(may(&tree, Operation::Write, "/2/0/2"), denied);
        assert_eq!(may(&tree, Operation::Write, "/2/0"), denied);
        assert_eq!(may(&tree, Operation::Delete, "/2/0"), denied);
        // It may change the rights on an Object Instance.
        assert_eq!(may(&tree, Operation::Write, "/2/1/2"), Ok(()));
        assert_eq!(may(&tree, Operation::Write, "/2/1"), Ok(()));
        let target = Change::Remove { path: at("/2/1/1") };
        tree.change([target]).unwrap();
        assert_eq!(may(&tree, Operation::Read, "/2/1/3"), Ok(()));
        assert_eq!(may(&tree, Operation::Write, "/2/1/2"), denied);
    }
}

#[test]
fn a_created_instance_gets_an_access_control_instance_of_its_creator() {
    let mut tree = appendix_f();
    let changes = access::created(&tree, server(102), &creates(3, [7])).unwrap();
    tree.change(&changes[..]).unwrap();
    let at = |text: &str| text.parse::<Path>().unwrap();
    assert_eq!(tree.get(at("/2/5/0")), Some(Value::Integer(3)));
    assert_eq!(tree.get(at("/2/5/1")), Some(Value::Integer(7)));
    assert_eq!(tree.get(at("/2/5/2/102")), Some(Value::Integer(0b1111)));
    assert_eq!(tree.get(at("/2/5/3")), Some(Value::Integer(102)));
    assert_eq!(
        access::rights(&tree, server(102), 3.into(), instance(7)),
        RWED
    );
    assert_eq!(
        access::rights(&tree, server(101), 3.into(), instance(7)),
        NONE
    );

    let changes = access::deleted(&tree, 3.into(), instance(7));
    assert_eq!(changes, [Change::Delete { path: at("/2/5") }]);
    tree.change(&changes[..]).unwrap();
    assert!(tree.locate(at("/2/5")).is_none());
}

#[test]
fn a_single_server_creates_without_access_control() {
    let tree = tree(&[101], vec![]);
    assert_eq!(
        access::created(&tree, server(101), &creates(3, [7])),
        Ok(Vec::new())
    );
}

/// TS 7.3: a server with the only account has full rights, a server without one has none.
#[test]
fn without_an_account_there_is_no_right() {
    let tree = tree(&[], vec![control((3, 0), &[(102, 1)], 102)]);
    let rights = |id: u16| access::rights(&tree, server(id), 3.into(), instance(0));
    assert_eq!((rights(101), rights(102)), (NONE, R));
    assert!(!access::may_create(&tree, server(101), 3.into()));
}

/// The Object Instances of the Objects under test.
fn instances(tree: &ObjectTree) -> Vec<String> {
    [0, 1, 2, 3]
        .into_iter()
        .map(ObjectId::new)
        .flat_map(|object| {
            tree.instances(object)
                .map(move |id| Path::Instance(object, id).to_string())
        })
        .collect()
}

#[test]
fn unbootstrapping_takes_what_only_the_server_could_access() {
    let mut tree = appendix_f();
    let changes = access::unbootstrapped(&tree, server(102));
    tree.change(&changes[..]).unwrap();
    // Its account and the rights on it are deleted. The Device is shared and stays.
    assert_eq!(
        instances(&tree),
        ["/0/0", "/1/0", "/2/0", "/2/2", "/2/3", "/2/4", "/3/0"]
    );
    let at = |text: &str| text.parse::<Path>().unwrap();
    assert_eq!(tree.get(at("/2/2/2/102")), None);
    assert_eq!(tree.get(at("/2/2/2/101")), Some(Value::Integer(0b1111)));
    assert_eq!(tree.get(at("/2/2/3")), Some(Value::Integer(101)));

    // It was the owner of several Object Instances: shared ones get another owner, also by default
    // rights. The Bootstrap-Server keeps what it owns, and nobody may create.
    let mut tree = appendix_f();
    let changes = access::unbootstrapped(&tree, server(101));
    tree.change(&changes[..]).unwrap();
    assert_eq!(
        instances(&tree),
        ["/0/1", "/1/1", "/2/1", "/2/2", "/2/3", "/2/4", "/3/0"]
    );
    for (control, owner, gone) in [(2, 102, 101), (3, 102, 101), (4, 65535, 101)] {
        let owned = tree.get(at(&format!("/2/{control}/3")));
        assert_eq!(owned, Some(Value::Integer(owner)), "/2/{control}");
        assert_eq!(tree.get(at(&format!("/2/{control}/2/{gone}"))), None);
    }
    assert_eq!(tree.get(at("/2/2/2/102")), Some(Value::Integer(1)));
    assert_eq!(tree.get(at("/2/3/2/0")), Some(Value::Integer(1)));
}

/// TS E.1.3, 1: instances of optional Objects are deleted, single (5) or multiple (9). Only the
/// single instance of a mandatory Object (3) stays.
#[test]
fn unbootstrapping_takes_what_may_be_taken() {
    let controls = [3, 5, 9].map(|object| control((object, 0), &[(101, 0b1111)], 101));
    let mut tree = tree(&[101, 102], controls.into());
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::FirmwareUpdate::default(),
    )]));
    let software = typed::SoftwareManagement::new("name", "1");
    tree.add(Store::of([(InstanceId::ZERO, software)]));
    let changes = access::unbootstrapped(&tree, server(101));
    tree.change(&changes[..]).unwrap();
    for (object, left) in [(2, 0), (3, 1), (5, 0), (9, 0)] {
        assert_eq!(tree.instances(object.into()).count(), left, "/{object}");
    }
}

#[test]
fn unbootstrapping_an_owner_elects_another() {
    let at = |text: &str| text.parse::<Path>().unwrap();
    for (acl, owner) in [
        // Write and Delete count 1 each, Read and Execute 0.
        (vec![(101, 0b1111), (102, 0b0111), (103, 0b1010)], 103),
        (vec![(101, 0b1111), (102, 0b0010), (103, 0b1000)], 102), // a tie: the lowest
        (vec![(101, 0b1111), (102, 0b0001), (103, 0b1000)], 103), // not the sum of the bits
        (vec![(101, 0b1111), (103, 0b0001)], 103),
        (vec![(101, 0b1111), (0, 0b0010)], 102), // by default
    ] {
        let controls = vec![control((3, 0), &acl, 101)];
        let mut tree = tree(&[101, 102, 103], controls);
        let changes = access::unbootstrapped(&tree, server(101));
        tree.change(&changes[..]).unwrap();
        assert_eq!(
            tree.get(at("/2/0/3")),
            Some(Value::Integer(owner)),
            "{acl:?}"
        );
        assert_eq!(tree.get(at("/2/0/2/101")), None);
    }
}

/// TS E.1.3, 2: the sum of Write and Delete decides, whatever other rights two servers have; of
/// equals, the lowest Short Server ID. A server without a right doesn't become the owner.
#[test]
fn every_combination_of_rights_elects_by_write_and_delete() {
    let weight = |bits: u16| (bits >> 1 & 1) + (bits >> 3 & 1);
    for first in 0..16 {
        for second in 0..16 {
            let acl = [(101, 0b1111), (102, first), (103, second)];
            let controls = vec![control((3, 0), &acl, 101)];
            let mut tree = tree(&[101, 102, 103], controls);
            let changes = access::unbootstrapped(&tree, server(101));
            tree.change(&changes[..]).unwrap();
            let expected = match (first, second) {
                // It isn't shared: it is deleted with its Access Control Object Instance.
                (0, 0) => None,
                (_, 0) => Some(102),
                (0, _) => Some(103),
                _ if weight(first) >= weight(second) => Some(102),
                _ => Some(103),
            };
            let owner = tree.get("/2/0/3".parse().unwrap());
            assert_eq!(
                owner,
                expected.map(Value::Integer),
                "{first:#b} {second:#b}"
            );
        }
    }
}

#[test]
fn unbootstrapping_leaves_mandatory_single_instances() {
    let controls = vec![
        control((3, 0), &[(101, 0b1111)], 101),
        control((7, 65535), &[(101, 16), (102, 16)], 65535),
    ];
    let mut tree = tree(&[101, 102], controls);
    let changes = access::unbootstrapped(&tree, server(101));
    tree.change(&changes[..]).unwrap();
    assert_eq!(instances(&tree), ["/0/1", "/1/1", "/2/1", "/3/0"]);
    // Its entry about an Object is removed too.
    assert_eq!(tree.get("/2/1/2/101".parse().unwrap()), None);
    assert_eq!(
        tree.get("/2/1/2/102".parse().unwrap()),
        Some(Value::Integer(16))
    );
}

#[test]
fn unbootstrapping_nobody_changes_nothing() {
    assert_eq!(access::unbootstrapped(&appendix_f(), server(77)), []);
}

/// TS E.3: access control reads and writes the Resources by their numbers in the definition, and
/// changes nothing else.
#[test]
fn access_control_is_kept_in_the_resources_of_its_definition() {
    let mut tree = appendix_f();
    let created = access::created(&tree, server(101), &creates(9, [3])).unwrap();
    let names: Vec<_> = created
        .iter()
        .filter_map(|change| {
            let at = change.path();
            assert_eq!(at.object(), Some(ACCESS_CONTROL.id));
            let resource = at.resource()?;
            Some(&*ACCESS_CONTROL.resource(resource).unwrap().name)
        })
        .collect();
    let [object, at, acl, owner] = [
        "Object ID",
        "Object Instance ID",
        "ACL",
        "Access Control Owner",
    ];
    assert_eq!(names, [object, at, acl, acl, owner]);
    tree.change(&created[..]).unwrap();
    // The values can be read by the names in the definition.
    let id = |name| {
        let mut resources = ACCESS_CONTROL.resources.iter();
        resources.find(|resource| resource.name == name).unwrap().id
    };
    let value = |name| tree.get(Path::Resource(ACCESS_CONTROL.id, instance(5), id(name)));
    assert_eq!(value(object), Some(Value::Integer(9)));
    assert_eq!(value(at), Some(Value::Integer(3)));
    assert_eq!(value(owner), Some(Value::Integer(101)));
    let read = typed::AccessControl::load(&tree, instance(5)).unwrap();
    assert_eq!(read, control((9, 3), &[(101, 0b1111)], 101));
}

#[test]
fn several_created_instances_get_one_each_in_place_of_what_was_left() {
    let at = |text: &str| text.parse::<Path>().unwrap();
    let mut tree = tree(&[101, 102], vec![control((3, 7), &[(102, 0b1111)], 102)]);
    let changes = access::created(&tree, server(101), &creates(3, [7, 8]));
    tree.change(changes.unwrap()).unwrap();
    for id in [7, 8] {
        assert_eq!(
            access::rights(&tree, server(101), 3.into(), instance(id)),
            RWED
        );
        assert_eq!(
            access::rights(&tree, server(102), 3.into(), instance(id)),
            NONE
        );
    }
    assert!(tree.locate(at("/2/0")).is_none());
    assert_eq!(tree.instances(2.into()).count(), 2);
}

#[test]
fn a_single_server_that_uses_access_control_goes_on_using_it() {
    let tree = tree(&[101], vec![control((3, 0), &[(101, 0b1111)], 101)]);
    let changes = access::created(&tree, server(101), &creates(3, [7])).unwrap();
    assert!(matches!(changes[0], Change::Create { .. }));
    // The shortcut is for the server with the only account, not for another one.
    assert_eq!(
        access::rights(&tree, server(77), 3.into(), instance(0)),
        NONE
    );
}

#[test]
fn the_right_to_create_is_the_bootstrap_interfaces() {
    let controls = vec![control((5, 65535), &[(101, 0b1_0000)], 101)];
    let tree = tree(&[101, 102], controls);
    assert!(
        !access::may_create(&tree, server(101), 5.into()),
        "a server owns it"
    );
    assert_eq!(access::rights(&tree, server(101), 2.into(), instance(0)), R);
}

#[test]
fn unbootstrapping_deletes_nothing_twice() {
    let controls = vec![
        control((2, 0), &[(101, 0b1111)], 101),
        control((3, 0), &[(101, 1)], 101),
    ];
    let mut tree = tree(&[101, 102], controls);
    let changes = access::unbootstrapped(&tree, server(101));
    tree.change(&changes[..]).unwrap();
    assert_eq!(instances(&tree), ["/0/1", "/1/1", "/3/0"]);
}

/// No Access Control Object Instance is about another one: a Create of one adds no second one, which
/// could get the same identifier.
#[test]
fn created_access_control_instances_get_none_of_their_own() {
    let control = control((3, 0), &[(101, 0b1111)], 101);
    for servers in [&[101][..], &[101, 102]] {
        let tree = tree(servers, vec![control.clone()]);
        for id in [1, 5] {
            let created = access::created(&tree, server(101), &creates(2, [id]));
            assert_eq!(created, Ok(Vec::new()), "/2/{id}");
        }
    }
}

/// TS E.1.3: the Security Object Instance is deleted, with or without a Server Object Instance.
#[test]
fn unbootstrapping_works_without_a_server_object_instance() {
    let at = |text: &str| text.parse::<Path>().unwrap();
    let mut tree = appendix_f();
    tree.change([Change::Delete { path: at("/1/1") }]).unwrap();
    let changes = access::unbootstrapped(&tree, server(102));
    tree.change(&changes[..]).unwrap();
    assert_eq!(tree.get(at("/2/2/2/102")), None);
    assert_eq!(tree.get(at("/2/2/2/101")), Some(Value::Integer(0b1111)));
    // It owned this one, and nobody else had a right on it.
    assert_eq!(
        instances(&tree),
        ["/0/0", "/1/0", "/2/0", "/2/2", "/2/3", "/2/4", "/3/0"]
    );
}

/// TS E.3: neither Create, which is a right on Objects, nor the reserved bits give access to an
/// Object Instance.
#[test]
fn who_has_no_right_on_an_instance_does_not_share_it() {
    for bits in [0, 0b1_0000, 0xFFE0] {
        let control = control((9, 0), &[(102, bits)], 101);
        let mut tree = tree(&[101, 102], vec![control]);
        let software = typed::SoftwareManagement::new("name", "1");
        tree.add(Store::of([(InstanceId::ZERO, software)]));
        let changes = access::unbootstrapped(&tree, server(101));
        tree.change(&changes[..]).unwrap();
        assert_eq!(tree.instances(9.into()).count(), 0, "{bits:#b}");
        assert_eq!(tree.instances(2.into()).count(), 0, "{bits:#b}");
    }
}

/// The ACL is optional (TS E.3). Without it an owner has full rights (TS 7.3.2.1, A), and a Create
/// succeeds.
#[test]
fn who_creates_owns_without_an_acl_too() {
    let whole = control((3, 0), &[], 101);
    let store = Store::new(&ACCESS_CONTROL)
        .with(instance(0), 0, 3)
        .with(instance(0), 1, 0)
        .with(instance(0), 3, 101);
    let mut tree = tree(&[101, 102], vec![whole]);
    tree.add(store);
    let created = access::created(&tree, server(102), &creates(9, [4])).unwrap();
    tree.change(&created[..]).unwrap();
    let rights = |id| access::rights(&tree, server(id), 9.into(), instance(4));
    assert_eq!((rights(101), rights(102)), (NONE, RWED));
    let has_acl = tree.locate("/2/1/2".parse().unwrap()).is_some();
    assert!(!has_acl);
}
