//! The view of the tree before the commits that are held: what registrations and notifications have
//! during a bootstrap (TS 5.2.3.3).

mod common;

use lwm2m_core::{
    AccessRights, InstanceId, ObjectId, Path, ShortServerId, Value,
    codec::{Content, EncodeError},
};
use lwm2m_kit::path;
use lwm2m_objects::{
    Change, ObjectTree, ReadError, Store, TreeView, Typed, WriteError, access, accounts, bootstrap,
    example, typed,
};

use self::common::{create, delete, set};

const ONE: InstanceId = InstanceId::new(1).unwrap();

/// All that a view shows: Object Instances, Resources and values.
fn shown(view: TreeView<'_>) -> Vec<(Path, Option<Value>)> {
    let mut shown = Vec::new();
    let ids: Vec<ObjectId> = view
        .objects()
        .map(|object| object.definition().id)
        .collect();
    for object in ids {
        for instance in view.instances(object) {
            shown.push((Path::Instance(object, instance), None));
            for resource in view.resources(object, instance) {
                let at = Path::Resource(object, instance, resource.id);
                shown.push((at, None));
                view.visit(at, |at, value| shown.push((at, Some(value.to_owned()))));
            }
        }
    }
    shown
}

fn read(view: TreeView<'_>, at: &str) -> Result<Content, ReadError> {
    let mut content = Content::new();
    view.read(path(at), |_| true, &mut content)?;
    Ok(content)
}

/// Changes of every kind, on several Objects.
fn changes() -> Vec<Change> {
    vec![
        delete("/0/1"),
        delete("/1/0"),
        create("/1/0"),
        set("/1/0/0", 103),
        set("/1/0/1", 7),
        set("/1/1/1", 8),
        Change::Remove {
            path: path("/1/1/2"),
        },
        create("/1/5"),
        set("/1/5/0", 105),
        delete("/2/3"),
        Change::Clear {
            path: path("/2/2/2"),
        },
        set("/2/2/2/0", 1),
        set("/2/2/3", 102),
        create("/5/0"),
    ]
}

#[test]
fn the_settled_view_has_what_was_before() {
    let mut tree = example::client();
    let before = shown(tree.view());
    let whole = read(tree.view(), "/1").unwrap();
    assert_eq!(shown(tree.settled()), before, "nothing is held");
    tree.hold();
    assert_eq!(shown(tree.settled()), before, "nothing has changed");
    tree.change(changes()).unwrap();
    assert_ne!(shown(tree.view()), before);
    assert_eq!(shown(tree.settled()), before);
    assert_eq!(read(tree.settled(), "/1").unwrap(), whole);
    assert_ne!(read(tree.view(), "/1").unwrap(), whole);
    let absent = read(tree.settled(), "/1/5").unwrap_err();
    assert_eq!(absent, ReadError::NotFound(path("/1/5")));
    assert_eq!(tree.settled().dimension(path("/2/2/2")), Some(2));
    assert_eq!(tree.view().dimension(path("/2/2/2")), Some(1));
    tree.roll_back();
    assert_eq!(shown(tree.view()), before);
}

/// After the hold both views are the same, whichever way it ends.
#[test]
fn when_the_hold_ends_all_is_settled() {
    let mut tree = example::client();
    tree.hold();
    tree.change(changes()).unwrap();
    tree.keep();
    assert_eq!(shown(tree.settled()), shown(tree.view()));
    assert_eq!(
        tree.settled().get(path("/1/0/0")),
        Some(Value::Integer(103))
    );
}

/// What the application sets is not part of the bootstrap: it is seen, also where that has written.
#[test]
fn the_settled_view_has_what_the_application_sets() {
    let mut tree = example::client();
    tree.hold();
    tree.change([set("/3/0/14", "+02:00"), delete("/4/0"), create("/4/0")])
        .unwrap();
    assert_eq!(tree.settled().get(path("/3/0/14")), Some("+02:00".into()));
    tree.set(path("/3/0/9"), 42).unwrap();
    tree.set(path("/3/0/14"), "+03:00").unwrap();
    tree.set(path("/4/0/2"), 50).unwrap();
    for (at, value) in [
        ("/3/0/9", Value::Integer(42)),
        ("/3/0/14", "+03:00".into()),
        ("/4/0/2", Value::Integer(50)),
    ] {
        assert_eq!(tree.settled().get(path(at)), Some(value), "{at}");
    }
    let settled = shown(tree.settled());
    tree.roll_back();
    assert_eq!(shown(tree.view()), settled);
}

/// An Object Instance that the bootstrap has deleted is still there for the application.
#[test]
fn the_application_sets_what_a_held_delete_has_taken() {
    let mut tree = example::client();
    tree.hold();
    tree.change([delete("/4/0")]).unwrap();
    assert_eq!(tree.set(path("/4/0/2"), 50), Ok(true));
    assert_eq!(tree.set(path("/4/0/2"), 50), Ok(false));
    assert_eq!(tree.set(path("/4/0/4/5"), "10.0.0.5"), Ok(true));
    assert_eq!(tree.settled().get(path("/4/0/2")), Some(Value::Integer(50)));
    assert_eq!(tree.get(path("/4/0/2")), None);
    assert_eq!(
        tree.set(path("/4/0/2"), "good"),
        Err(WriteError::WrongType(path("/4/0/2")))
    );
    assert_eq!(
        tree.set(path("/4/1/2"), 50),
        Err(WriteError::NotFound(path("/4/1/2")))
    );
    let saved = tree.snapshot();
    let settled = shown(tree.settled());
    tree.roll_back();
    assert_eq!(shown(tree.view()), settled);
    assert_eq!(tree.get(path("/4/0/2")), Some(Value::Integer(50)));
    assert_eq!(tree.get(path("/4/0/4/5")), Some("10.0.0.5".into()));
    assert_eq!(tree.snapshot(), saved);

    // What a kept commit has deleted is gone.
    tree.hold();
    tree.change([delete("/4/0")]).unwrap();
    tree.set(path("/4/0/2"), 51).unwrap();
    tree.keep();
    assert_eq!(tree.get(path("/4/0/2")), None);
    assert_eq!(
        tree.set(path("/4/0/2"), 52),
        Err(WriteError::NotFound(path("/4/0/2")))
    );
}

/// Typed instances, accounts and rights are read from it as well.
#[test]
fn accounts_and_rights_before_the_hold_are_found() {
    let mut tree = example::client();
    let before = accounts(&tree);
    let servers = [example::SERVER_1, example::SERVER_2];
    let rights = |view: TreeView<'_>| {
        servers.map(|server| {
            let device = access::rights(view, server, ObjectId::DEVICE, InstanceId::ZERO);
            (device, access::may_create(view, server, 5.into()))
        })
    };
    let rights_before = rights(tree.view());
    let server = typed::Server::load(&tree, ONE).unwrap();
    tree.hold();
    let command = bootstrap::delete(&tree, path("/0/2")).unwrap();
    tree.commit(command.changes()).unwrap();
    assert_eq!(accounts(&tree).len(), 1);
    assert_eq!(accounts(tree.settled()), before);
    assert_eq!(typed::Server::load(&tree, ONE), None);
    assert_eq!(typed::Server::load(tree.settled(), ONE), Some(server));
    assert_ne!(rights(tree.view()), rights_before);
    assert_eq!(rights(tree.settled()), rights_before);
    let reads = |view| {
        access::authorize(
            view,
            example::SERVER_2,
            lwm2m_core::Operation::Read,
            path("/3/0"),
        )
    };
    assert_eq!(reads(tree.settled()), Ok(()));
}

/// A server that is alone before the bootstrap has all rights, also when a second account is half
/// written.
#[test]
fn a_server_that_was_alone_is_alone_until_the_finish() {
    let server = ShortServerId::new(101).unwrap();
    let mut tree = ObjectTree::new();
    let security = typed::Security::no_sec("coap://one", server);
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::Server::new(server, 60),
    )]));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    let all = typed::AccessControl::OWNER_RIGHTS;
    let rights =
        |view: TreeView<'_>| access::rights(view, server, ObjectId::DEVICE, InstanceId::ZERO);
    assert_eq!(rights(tree.view()), all);
    tree.hold();
    tree.change([create("/0/1"), set("/0/1/1", false)]).unwrap();
    assert_eq!(rights(tree.view()), AccessRights::NONE);
    assert_eq!(rights(tree.settled()), all);
}

/// An error of the encoder is no value: the view hands it on.
#[test]
fn the_settled_view_hands_on_what_the_sink_says() {
    struct Full;
    impl lwm2m_core::codec::Sink for Full {
        type Error = EncodeError;
        fn event(&mut self, event: lwm2m_core::codec::Event<'_>) -> Result<(), EncodeError> {
            match event {
                lwm2m_core::codec::Event::Resource { .. } => Err(EncodeError::SingleValue),
                _ => Ok(()),
            }
        }
    }
    let mut tree = example::client();
    tree.hold();
    tree.change([set("/1/0/1", 7)]).unwrap();
    let found = tree.settled().read(path("/1/0"), |_| true, &mut Full);
    assert_eq!(found, Err(ReadError::Encode(EncodeError::SingleValue)));
}
