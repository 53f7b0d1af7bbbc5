//! The ready plans, as a client takes them.

use lwm2m_core::{
    AccessRights, BindingMode, Code, ContentFormat, InstanceId, Method, ObjectId, Path,
    codec::Scope,
};
use lwm2m_kit::instance;
use lwm2m_linkformat::BootstrapDiscoverLinks;
use lwm2m_objects::{
    ObjectTree, Store,
    typed::{self, AccessControl, AclTarget, SecurityMode, Typed},
};
use lwm2m_statemachine::{
    bootstrap_server::{
        Discovered, Plan, Step,
        plans::{self, Account, BootstrapAccount, PlanError, Rights},
    },
    payload,
};

use crate::support::{World, account, path, server_id};

/// What a client has that is to be bootstrapped: the account of the Bootstrap-Server at /0/0.
fn fresh() -> ObjectTree {
    let own = typed::Security::no_sec("coap://192.0.2.9", server_id(1)).into_bootstrap_server();
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, own)]).supporting([10, 11, 12]));
    tree.add(Store::new(typed::Server::DEFINITION));
    tree.add(Store::new(AccessControl::DEFINITION));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::default())]));
    tree
}

/// Carries a plan out on a tree, from the bytes of its commands, as TS 5.2.7 says.
fn carry_out(tree: &mut ObjectTree, plan: &Plan) {
    carry_out_in(&[ContentFormat::TLV], tree, plan);
}

/// The same, by a client that takes these formats.
fn carry_out_in(formats: &[ContentFormat], tree: &mut ObjectTree, plan: &Plan) {
    let mut world = World::new();
    let (bootstrap, command) = world.start(plan);
    let mut next = Some(command);
    while let Some(command) = next {
        let message = command.message();
        let target: Option<Path> = command.path().parse().ok();
        let format = message.content_format().unwrap_or(ContentFormat::TLV);
        let method = command.code().method();
        if method == Some(Method::Put) {
            if !formats.contains(&format) {
                world.answer_code(&command, Code::UNSUPPORTED_CONTENT_FORMAT);
                next = world.sent().pop();
                continue;
            }
            write(tree, target.unwrap(), format, command.payload());
        } else if method == Some(Method::Delete) {
            delete(tree, target.unwrap_or(Path::Root));
        }
        world.answer(&command, crate::support::success(&command));
        next = world.sent().pop();
    }
    assert_eq!(world.outcome(bootstrap), Ok(()));
}

fn write(tree: &mut ObjectTree, target: Path, format: ContentFormat, bytes: &[u8]) {
    let mut transaction = tree.bootstrap_write(target).unwrap();
    let types = lwm2m_objects::Registry::default();
    payload::decode(
        format,
        bytes,
        Scope::write(target),
        &types,
        &mut transaction,
    )
    .unwrap();
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
}

/// All but the account of the Bootstrap-Server and the Device, one by one.
fn delete(tree: &mut ObjectTree, target: Path) {
    for object in [
        ObjectId::SECURITY,
        ObjectId::SERVER,
        ObjectId::ACCESS_CONTROL,
    ] {
        let all: Vec<_> = tree.instances(object).collect();
        for id in all {
            let path = Path::Instance(object, id);
            let own = object == ObjectId::SECURITY
                && typed::Security::load(&*tree, id).is_some_and(|found| found.bootstrap_server);
            if !own && (target == Path::Root || target.contains(&path)) {
                let changes = [lwm2m_objects::Change::Delete { path }];
                tree.change(changes).unwrap();
            }
        }
    }
}

fn ids(tree: &ObjectTree, object: u16) -> Vec<u16> {
    tree.instances(ObjectId::new(object))
        .map(InstanceId::get)
        .collect()
}

/// The account that a client has at these Instances.
fn has(tree: &ObjectTree, security: u16, server: u16) -> Account {
    Account {
        security: typed::Security::load(tree, instance(security)).unwrap(),
        server: typed::Server {
            // The client decides whether it can be executed.
            disable: false,
            ..typed::Server::load(tree, instance(server)).unwrap()
        },
    }
}

fn secured(id: u16) -> Account {
    Account {
        security: typed::Security::pre_shared_key(
            "coaps://192.0.2.1",
            server_id(id),
            "id",
            [9; 16],
        ),
        server: typed::Server {
            default_minimum_period: Some(1),
            disable_timeout: Some(60),
            ..typed::Server::new(server_id(id), 3600)
        },
    }
}

fn access(object: u16, id: u16, owner: u16) -> AccessControl {
    AccessControl {
        target: AclTarget::Instance(ObjectId::new(object), instance(id)),
        acl: vec![(0, AccessRights::READ)],
        owner,
    }
}

#[test]
fn one_server() {
    let mut tree = fresh();
    let own = || BootstrapAccount::Keep(InstanceId::ZERO);
    carry_out(&mut tree, &plans::one_server(own(), secured(101)).unwrap());
    assert_eq!((ids(&tree, 0), ids(&tree, 1)), (vec![0, 1], vec![0]));
    assert_eq!(has(&tree, 1, 0), secured(101));
    // Another one, in its place.
    carry_out(&mut tree, &plans::one_server(own(), account(7)).unwrap());
    assert_eq!(ids(&tree, 0), [0, 1]);
    assert_eq!(has(&tree, 1, 0), account(7));
}

#[test]
fn the_account_of_the_bootstrap_server_is_kept_wherever_it_is_or_replaced() {
    let plan = plans::one_server(BootstrapAccount::Keep(instance(1)), account(7)).unwrap();
    assert!(
        plan.steps()
            .iter()
            .all(|step| step.path() != Some(path("/0/1")))
    );
    assert!(
        plan.steps()
            .iter()
            .any(|step| step.path() == Some(path("/0/0")))
    );

    let new = typed::Security::pre_shared_key("coaps://192.0.2.8", server_id(1), "id", [3; 16])
        .into_bootstrap_server();
    let mut tree = fresh();
    let own = BootstrapAccount::Replace(InstanceId::ZERO, new.clone());
    carry_out(&mut tree, &plans::one_server(own, account(7)).unwrap());
    assert_eq!(
        typed::Security::load(&tree, InstanceId::ZERO),
        Some(new.clone())
    );
    assert_eq!(has(&tree, 1, 0), account(7));

    let mut tree = fresh();
    let plan = plans::replace_bootstrap_account(InstanceId::ZERO, new.clone()).unwrap();
    carry_out(&mut tree, &plan);
    assert_eq!(typed::Security::load(&tree, InstanceId::ZERO), Some(new));
    let plan = plans::replace_bootstrap_account(InstanceId::ZERO, account(7).security);
    assert_eq!(plan, Err(PlanError::BootstrapAccount));
}

#[test]
fn several_servers_with_access_control() {
    for (wipe, format) in [
        (false, ContentFormat::TLV),
        (false, ContentFormat::JSON),
        (true, ContentFormat::JSON),
        (true, ContentFormat::TLV),
    ] {
        let mut tree = fresh();
        let own = BootstrapAccount::Keep(InstanceId::ZERO);
        let accounts = [secured(101), account(102)];
        let rights = [access(1, 0, 101), access(1, 1, 102), access(3, 0, 101)];
        let plan = if wipe {
            plans::wipe_and_set(own, accounts, rights.clone())
        } else {
            plans::several_servers(own, accounts, rights.clone())
        };
        carry_out_in(&[format], &mut tree, &plan.unwrap());
        assert_eq!(has(&tree, 1, 0), secured(101));
        assert_eq!(has(&tree, 2, 1), account(102));
        for (id, expected) in (0..).zip(rights) {
            assert_eq!(AccessControl::load(&tree, instance(id)), Some(expected));
        }
    }
}

#[test]
fn a_server_is_added_with_rights_on_every_instance_that_is_there() {
    let mut tree = fresh();
    let own = BootstrapAccount::Keep(InstanceId::ZERO);
    carry_out(&mut tree, &plans::one_server(own, secured(101)).unwrap());
    let answer = r#"lwm2m="1.0",</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</2>,</3/0>,</5>"#;
    let discovered = |answer: &str| -> Discovered {
        BootstrapDiscoverLinks::new(answer)
            .collect::<Result<_, _>>()
            .unwrap()
    };
    let rights = |target| match target {
        AclTarget::Object(object) if object == ObjectId::new(5) => Rights {
            owner: 101,
            acl: vec![(101, AccessRights::CREATE)],
        },
        AclTarget::Object(_) => Rights::owned_by(server_id(101)),
        AclTarget::Instance(ObjectId::SERVER, id) if id == instance(1) => {
            Rights::owned_by(server_id(102))
        }
        AclTarget::Instance(..) => Rights {
            owner: 101,
            acl: vec![(102, AccessRights::READ)],
        },
    };
    let plan = plans::add_server(&discovered(answer), account(102), rights).unwrap();
    carry_out(&mut tree, &plan);
    assert_eq!(has(&tree, 1, 0), secured(101), "the first one is as it was");
    assert_eq!(has(&tree, 2, 1), account(102));
    let controls: Vec<_> = tree
        .instances(ObjectId::ACCESS_CONTROL)
        .map(|id| AccessControl::load(&tree, id).unwrap())
        .collect();
    let on = |target| controls.iter().find(|control| control.target == target);
    let creating = on(AclTarget::Object(ObjectId::new(5))).unwrap();
    assert_eq!(creating.owner, AccessControl::NOBODY);
    for (object, id, owner) in [(1, 0, 101), (1, 1, 102), (3, 0, 101)] {
        let target = AclTarget::Instance(ObjectId::new(object), instance(id));
        assert_eq!(on(target).unwrap().owner, owner, "/{object}/{id}");
    }
    assert_eq!(controls.len(), 4);

    // A third one: what says who may do what is written anew.
    let answer = "</0/0>,</0/1>;ssid=101,</0/2>;ssid=102,</1/0>;ssid=101,</1/1>;ssid=102,</2/0>,</2/1>,</2/2>,</2/3>,</3/0>";
    let plan = plans::add_server(&discovered(answer), account(103), |_| {
        Rights::owned_by(server_id(101))
    });
    let plan = plan.unwrap();
    let deleted = plan.steps().iter();
    let deleted = deleted.filter(|step| matches!(step, Step::Delete(_)));
    let deleted: Vec<_> = deleted.filter_map(Step::path).collect();
    assert_eq!(deleted, ["/2/0", "/2/1", "/2/2", "/2/3"].map(path));
    carry_out(&mut tree, &plan);
    assert_eq!(has(&tree, 3, 2), account(103));
    assert_eq!(ids(&tree, 2).len(), 4);

    // The first one of all needs no access control.
    let plan = plans::add_server(&discovered("</0/0>"), account(7), |_| {
        panic!("nobody to share with")
    });
    assert_eq!(plan.unwrap().steps().len(), 3);
    for (answer, id, expected) in [
        (
            "</0/0>,</0/1>;ssid=101",
            101,
            PlanError::TwoServers(server_id(101)),
        ),
        ("</0/1>;ssid=101", 102, PlanError::NotFound),
        ("</0/0>,</0/1>", 102, PlanError::NotFound),
        // A Discover of /0 alone: /1/0 would be written over.
        (
            "</0/0>,</0/1>;ssid=101",
            102,
            PlanError::HalfFound(server_id(101)),
        ),
        (
            "</0/0>,</0/1>;ssid=101,</0/2>;ssid=103,</1/0>;ssid=101",
            102,
            PlanError::HalfFound(server_id(103)),
        ),
        (
            "</0/0>,</0/1>;ssid=101,</1/0>",
            102,
            PlanError::HalfFound(server_id(101)),
        ),
    ] {
        let plan = plans::add_server(&discovered(answer), account(id), rights);
        assert_eq!(plan, Err(expected));
    }
}

#[test]
fn keys_are_rotated_and_nothing_else() {
    let mut tree = fresh();
    let own = BootstrapAccount::Keep(InstanceId::ZERO);
    carry_out(&mut tree, &plans::one_server(own, secured(101)).unwrap());
    let new = typed::Security::pre_shared_key("coaps://other", server_id(5), "new", [8; 16]);
    let plan = plans::rotate_keys(instance(1), &new).unwrap();
    let paths: Vec<_> = plan.steps().iter().filter_map(Step::path).collect();
    assert_eq!(paths, [path("/0/1/3"), path("/0/1/5")]);
    carry_out(&mut tree, &plan);
    let found = has(&tree, 1, 0);
    let expected = typed::Security {
        public_key_or_identity: b"new".to_vec(),
        secret_key: vec![8; 16],
        ..secured(101).security
    };
    assert_eq!(found.security, expected);
    assert_eq!(found.server, secured(101).server);
    let none = plans::rotate_keys(instance(1), &account(7).security);
    assert_eq!(none, Err(PlanError::NoKeys));
}

#[test]
fn what_is_not_consistent_is_no_plan() {
    let own = || BootstrapAccount::Keep(InstanceId::ZERO);
    let mut other = account(101);
    other.server.short_server_id = server_id(102);
    let mut bootstrap = account(101);
    bootstrap.security = bootstrap.security.into_bootstrap_server();
    let mut invalid = account(101);
    invalid.server.lifetime = 0;
    for (accounts, expected) in [
        (vec![], PlanError::NoAccount),
        (vec![other], PlanError::Account(server_id(102))),
        (vec![bootstrap], PlanError::Account(server_id(101))),
        (
            vec![account(7), account(7)],
            PlanError::TwoServers(server_id(7)),
        ),
        (vec![account(7), account(8)], PlanError::NoAccessControl),
    ] {
        assert_eq!(plans::several_servers(own(), accounts, []), Err(expected));
    }
    assert!(matches!(
        plans::one_server(own(), invalid),
        Err(PlanError::Value(_))
    ));
    let wrong = BootstrapAccount::Replace(InstanceId::ZERO, account(7).security);
    assert_eq!(
        plans::one_server(wrong, account(8)),
        Err(PlanError::BootstrapAccount)
    );
}

#[test]
fn an_account_that_a_client_would_find_inconsistent_is_no_plan() {
    let id = || server_id(101);
    let psk = |uri: &str, key: &[u8]| typed::Security::pre_shared_key(uri, id(), "id", key);
    let refused = |security: typed::Security, binding| {
        let server = typed::Server {
            binding,
            ..typed::Server::new(id(), 60)
        };
        let account = Account { security, server };
        plans::one_server(BootstrapAccount::Keep(InstanceId::ZERO), account).err()
    };
    let udp = |security| refused(security, BindingMode::U);
    assert!(matches!(
        udp(psk("http://192.0.2.1", &[1; 16])),
        Some(PlanError::Uri(_))
    ));
    assert!(matches!(
        udp(psk("coaps://192.0.2.1/path", &[1; 16])),
        Some(PlanError::Uri(_))
    ));
    let scheme = |mode| Some(PlanError::Scheme(mode));
    assert_eq!(
        udp(psk("coap://192.0.2.1", &[1; 16])),
        scheme(SecurityMode::PreSharedKey)
    );
    assert_eq!(
        udp(typed::Security::no_sec("coaps://192.0.2.1", id())),
        scheme(SecurityMode::NoSec)
    );
    let missing = |resource: u16| Some(PlanError::MissingKey(resource.into()));
    assert_eq!(udp(psk("coaps://192.0.2.1", &[])), missing(5));
    let raw = |public: &[u8], private: &[u8], server: &[u8]| {
        typed::Security::raw_public_key("coaps://192.0.2.1", id(), public, private, server)
    };
    assert_eq!(udp(raw(&[], &[1], &[1])), missing(3));
    assert_eq!(udp(raw(&[1], &[1], &[])), missing(4));
    assert_eq!(udp(raw(&[1], &[], &[1])), missing(5));
    assert_eq!(udp(raw(&[1], &[1], &[1])), None);

    // SMS need a number.
    let without = || typed::Security::no_sec("coap://192.0.2.1", id());
    let with = || {
        without().with_sms(typed::SmsSecurity {
            server_number: Some("4915112345678".into()),
            ..typed::SmsSecurity::default()
        })
    };
    let no_number = Some(PlanError::NoNumber(id()));
    assert_eq!(refused(without(), BindingMode::UQS), no_number);
    assert_eq!(refused(with(), BindingMode::UQS), None);
    let number = typed::Security::no_sec("sms:+4915112345678", id());
    assert_eq!(refused(number, BindingMode::S), None);

    // The new account of the Bootstrap-Server, and new keys, are looked at as well.
    let own = psk("coaps://192.0.2.9", &[]).into_bootstrap_server();
    let plan = plans::replace_bootstrap_account(InstanceId::ZERO, own);
    assert_eq!(plan.err(), missing(5));
    let plan = plans::rotate_keys(instance(1), &psk("", &[]));
    assert_eq!(plan.err(), missing(5));
}

#[test]
fn access_control_that_a_client_would_find_inconsistent_is_no_plan() {
    let refused = |access: Vec<AccessControl>| {
        let own = BootstrapAccount::Keep(InstanceId::ZERO);
        plans::several_servers(own, [account(101), account(102)], access).err()
    };
    let device = AclTarget::Instance(ObjectId::DEVICE, InstanceId::ZERO);
    assert_eq!(refused(vec![access(3, 0, 102)]), None);
    assert_eq!(refused(vec![access(3, 0, u16::MAX)]), None);
    let unknown = |server| {
        Some(PlanError::UnknownServer {
            target: device,
            server,
        })
    };
    assert_eq!(refused(vec![access(3, 0, 7)]), unknown(7));
    assert_eq!(refused(vec![access(3, 0, 0)]), unknown(0));
    let shared = access(3, 0, 101).with(server_id(8), AccessRights::READ);
    assert_eq!(refused(vec![shared]), unknown(8));
    let twice = Some(PlanError::Target(device));
    assert_eq!(refused(vec![access(3, 0, 101), access(3, 0, 102)]), twice);
    for object in [0, 2] {
        let target = AclTarget::Instance(ObjectId::new(object), InstanceId::ZERO);
        let none = Some(PlanError::Target(target));
        assert_eq!(refused(vec![access(object, 0, 101)]), none);
    }
    let owned = AccessControl {
        owner: 101,
        ..AccessControl::on_object(ObjectId::new(5))
    };
    let alone = Some(PlanError::Owner(ObjectId::new(5)));
    assert_eq!(refused(vec![owned]), alone);

    // A server that is added may be named, another one may not.
    let answer = "</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</3/0>";
    let found: Discovered = BootstrapDiscoverLinks::new(answer)
        .collect::<Result<_, _>>()
        .unwrap();
    for (owner, is_known) in [(101, true), (102, true), (103, false)] {
        let plan = plans::add_server(&found, account(102), |_| Rights::owned_by(server_id(owner)));
        assert_eq!(plan.is_ok(), is_known, "{owner}");
    }
}
