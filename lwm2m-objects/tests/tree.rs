//! Read and Write of the object tree (TS 5.4.1, 5.4.3, 7.3.2).

use lwm2m_core::{
    Arguments, InstanceId, ObjectId, ObjectLink, Path, Timestamp, Value, WriteMode,
    codec::{Content, EncodeError, Event, Sink},
};
use lwm2m_kit::path;
use lwm2m_objects::{
    Change, DEVICE, ExecuteError, Execution, ObjectTree, ReadError, Store, WriteError, typed,
};

fn server_id(id: u16) -> lwm2m_core::ShortServerId {
    lwm2m_core::ShortServerId::new(id).unwrap()
}

/// Security and Server of one account, and the Device of Appendix F.
fn tree() -> ObjectTree {
    let server = typed::Server {
        default_minimum_period: Some(300),
        default_maximum_period: Some(6000),
        disable_timeout: Some(86400),
        ..typed::Server::new(server_id(101), 86400)
    };
    let security = typed::Security::no_sec("coap://server1.example.com", server_id(101));
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, server)]));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    tree
}

fn read(tree: &ObjectTree, at: &str) -> Result<Content, ReadError> {
    let mut content = Content::new();
    tree.read(path(at), |_| true, &mut content)
        .map(|()| content)
}

/// Pushes values as a decoder would, and commits.
fn write(
    tree: &mut ObjectTree,
    at: &str,
    mode: WriteMode,
    values: &[(&str, Value)],
) -> Result<Vec<Change>, WriteError> {
    let mut transaction = tree.write(path(at), mode)?;
    let content: Content = values
        .iter()
        .map(|(at, value)| (path(at), value.clone()))
        .collect();
    content.push(&mut transaction)?;
    let changes = transaction.finish()?;
    tree.commit(&changes)?;
    Ok(changes.into_changes())
}

#[test]
fn read_of_an_instance_tells_all_that_is_readable_in_order() {
    let content = read(&tree(), "/3/0").unwrap();
    let paths: Vec<String> = content
        .entries()
        .iter()
        .map(|entry| entry.path.to_string())
        .collect();
    assert_eq!(
        paths,
        [
            "/3/0/0",
            "/3/0/1",
            "/3/0/2",
            "/3/0/3",
            "/3/0/6/0",
            "/3/0/6/1",
            "/3/0/7/0",
            "/3/0/7/1",
            "/3/0/8/0",
            "/3/0/8/1",
            "/3/0/9",
            "/3/0/10",
            "/3/0/11/0",
            "/3/0/13",
            "/3/0/14",
            "/3/0/16"
        ]
    );
    assert_eq!(
        content.get(&path("/3/0/13")),
        Some(&Value::Time(1_367_491_215))
    );
    assert_eq!(read(&tree(), "/3").unwrap(), content);
}

#[test]
fn read_of_an_object_leaves_out_instances_without_right() {
    let mut content = Content::new();
    tree().read(path("/3"), |_| false, &mut content).unwrap();
    assert_eq!(content.values().count(), 0);
    assert_eq!(content.entries().len(), 1, "the Object itself, empty");
}

#[test]
fn what_cannot_be_read_says_why() {
    let tree = tree();
    for (at, error) in [
        ("/9", ReadError::NotFound(path("/9"))),
        ("/3/1", ReadError::NotFound(path("/3/1"))),
        ("/3/0/17", ReadError::NotFound(path("/3/0/17"))), // optional, not instantiated
        ("/3/0/99", ReadError::NotFound(path("/3/0/99"))),
        ("/3/0/4", ReadError::NotReadable(path("/3/0/4"))), // executable
        ("/0/0/5", ReadError::NotReadable(path("/0/0/5"))), // Bootstrap interface only
        ("/3/0/7/0", ReadError::NotReadable(path("/3/0/7/0"))),
        ("/", ReadError::NotReadable(Path::Root)),
    ] {
        assert_eq!(read(&tree, at), Err(error), "{at}");
    }
    // An instance without readable Resources is empty.
    assert_eq!(read(&tree, "/0/0").unwrap().values().count(), 0);
}

#[test]
fn partial_update_sets_what_it_names_and_leaves_the_rest() {
    let mut tree = tree();
    let values = [
        ("/1/0/1", Value::Integer(60)),
        ("/1/0/7", Value::from("UQ")),
    ];
    let changes = write(&mut tree, "/1/0", WriteMode::PartialUpdate, &values).unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!(tree.get(path("/1/0/1")), Some(Value::Integer(60)));
    assert_eq!(tree.get(path("/1/0/7")), Some(Value::from("UQ")));
    assert_eq!(tree.get(path("/1/0/2")), Some(Value::Integer(300)));
}

#[test]
fn replace_removes_writable_optional_resources_that_are_absent_and_no_others() {
    let mut tree = tree();
    let values = [
        ("/1/0/1", Value::Integer(60)),
        ("/1/0/3", Value::Integer(7)),
    ];
    write(&mut tree, "/1/0", WriteMode::Replace, &values).unwrap();
    let left: Vec<u16> = tree
        .resources(1.into(), InstanceId::ZERO)
        .map(|resource| resource.id.get())
        .collect();
    // 2 and 5 are removed; 0 is read-only, 6 and 7 are mandatory, 8 is executable.
    assert_eq!(left, [0, 1, 3, 6, 7, 8]);
    // A removed Resource is still supported: a Write adds it again.
    write(
        &mut tree,
        "/1/0/2",
        WriteMode::Replace,
        &[("/1/0/2", Value::Integer(5))],
    )
    .unwrap();
    assert_eq!(tree.get(path("/1/0/2")), Some(Value::Integer(5)));
}

#[test]
fn a_refused_write_changes_nothing() {
    let refused = [
        // Read-only: the whole payload is refused (TS 7.3.2.3).
        (
            "/1/0",
            vec![("/1/0/1", 60.into()), ("/1/0/0", Value::Integer(7))],
            "NotWritable(/1/0/0)",
        ),
        // Unknown to the Client, in a payload.
        (
            "/1/0",
            vec![("/1/0/1", 60.into()), ("/1/0/99", Value::Integer(7))],
            "NotWritable(/1/0/99)",
        ),
        (
            "/1/0",
            vec![("/1/0/1", 60.into()), ("/1/0/7", Value::Integer(7))],
            "WrongType(/1/0/7)",
        ),
        (
            "/1/0",
            vec![("/1/0/1", 60.into()), ("/1/0/7", Value::from("X"))],
            "OutOfRange(/1/0/7)",
        ),
        (
            "/1/0",
            vec![("/1/0/2", 60.into()), ("/1/0/1", Value::Integer(0))],
            "Refused(/1/0/1)",
        ),
        (
            "/1/0",
            vec![("/1/0/1", 60.into()), ("/1/0/1", Value::Integer(61))],
            "Duplicate(/1/0/1)",
        ),
        (
            "/1/0",
            vec![("/1/0/1", 60.into()), ("/1/0/1/0", Value::Integer(61))],
            "WrongType(/1/0/1)",
        ),
        (
            "/1/0",
            vec![("/1/0/1", 60.into()), ("/1/1/1", Value::Integer(61))],
            "Structure(/1/0)",
        ),
        (
            "/1/0/1",
            vec![("/1/0/1", 60.into()), ("/1/0/2", Value::Integer(61))],
            "Structure(/1/0/1)",
        ),
        ("/1/0/1", vec![], "Structure(/1/0/1)"),
        (
            "/1/0/0",
            vec![("/1/0/0", Value::Integer(5))],
            "NotWritable(/1/0/0)",
        ),
        (
            "/1/0/99",
            vec![("/1/0/99", Value::Integer(5))],
            "NotFound(/1/0/99)",
        ),
        (
            "/3/0/15",
            vec![("/3/0/15", Value::from("Europe/Paris"))],
            "NotFound(/3/0/15)",
        ),
        (
            "/1/1/1",
            vec![("/1/1/1", Value::Integer(5))],
            "NotFound(/1/1/1)",
        ),
        ("/1", vec![("/1/0/1", Value::Integer(5))], "NotWritable(/1)"),
        ("/9/0", vec![], "NotFound(/9/0)"),
    ];
    for (at, values, expected) in refused {
        let mut tree = tree();
        let before = [read(&tree, "/1").unwrap(), read(&tree, "/3").unwrap()];
        let error = write(&mut tree, at, WriteMode::PartialUpdate, &values).unwrap_err();
        let name = format!("{error:?}");
        let name = name.split('(').next().unwrap();
        let at_path = match error {
            WriteError::NotFound(path)
            | WriteError::NotWritable(path)
            | WriteError::WrongType(path)
            | WriteError::OutOfRange(path)
            | WriteError::Duplicate(path)
            | WriteError::Structure(path)
            | WriteError::Refused(path) => path,
            other => panic!("{other}"),
        };
        assert_eq!(format!("{name}({at_path})"), expected, "{at}");
        assert_eq!(
            [read(&tree, "/1").unwrap(), read(&tree, "/3").unwrap()],
            before,
            "{at}"
        );
    }
}

#[test]
fn a_value_with_a_time_is_not_written() {
    let tree = tree();
    let mut transaction = tree.write(path("/1/0"), WriteMode::PartialUpdate).unwrap();
    transaction.event(Event::Object(1.into())).unwrap();
    transaction
        .event(Event::Instance(Some(InstanceId::ZERO)))
        .unwrap();
    let event = Event::Resource {
        id: 1.into(),
        value: lwm2m_core::ValueRef::Integer(60),
        time: Some(Timestamp::Relative(-5.0)),
    };
    assert_eq!(
        transaction.event(event),
        Err(WriteError::Timed(path("/1/0/1")))
    );
}

/// A Store with one multiple writable Resource, such as that of Portfolio (16).
fn portfolio() -> ObjectTree {
    use lwm2m_core::{DataType, ObjectId};
    use lwm2m_objects::{ObjectDefinition, Operations, ResourceDefinition};
    static RESOURCES: &[ResourceDefinition] =
        &[
            ResourceDefinition::new(0, "Identity", Operations::ReadWrite, DataType::String)
                .multiple()
                .mandatory(),
        ];
    static PORTFOLIO: ObjectDefinition = ObjectDefinition::new(
        ObjectId::new(16),
        "Portfolio",
        "urn:oma:lwm2m:oma:16",
        RESOURCES,
    )
    .multiple();
    let mut tree = ObjectTree::new();
    tree.add(Store::new(&PORTFOLIO).with_instances(InstanceId::ZERO, 0, [(0, "a"), (1, "b")]));
    tree
}

#[test]
fn partial_update_merges_resource_instances_and_replace_replaces_the_array() {
    let mut tree = portfolio();
    let added = [
        ("/16/0/0/1", Value::from("B")),
        ("/16/0/0/3", Value::from("d")),
    ];
    write(&mut tree, "/16/0", WriteMode::PartialUpdate, &added).unwrap();
    assert_eq!(tree.dimension(path("/16/0/0")), Some(3));
    assert_eq!(tree.get(path("/16/0/0/0")), Some(Value::from("a")));
    assert_eq!(tree.get(path("/16/0/0/1")), Some(Value::from("B")));

    let replaced = [("/16/0/0/7", Value::from("x"))];
    write(&mut tree, "/16/0/0", WriteMode::Replace, &replaced).unwrap();
    assert_eq!(tree.dimension(path("/16/0/0")), Some(1));
    assert_eq!(tree.get(path("/16/0/0/0")), None);

    write(
        &mut tree,
        "/16/0",
        WriteMode::Replace,
        &[("/16/0/0/8", Value::from("y"))],
    )
    .unwrap();
    assert_eq!(tree.dimension(path("/16/0/0")), Some(1));
    assert_eq!(tree.get(path("/16/0/0/8")), Some(Value::from("y")));
}

#[test]
fn a_multiple_resource_can_be_written_empty() {
    let mut tree = portfolio();
    let mut transaction = tree.write(path("/16/0/0"), WriteMode::Replace).unwrap();
    for event in [
        Event::Object(16.into()),
        Event::Instance(Some(InstanceId::ZERO)),
        Event::Multiple(0.into()),
        Event::EndMultiple,
        Event::EndInstance,
        Event::EndObject,
    ] {
        transaction.event(event).unwrap();
    }
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    assert_eq!(tree.dimension(path("/16/0/0")), Some(0));
}

#[test]
fn execute_reaches_executable_resources_only() {
    let mut tree = tree();
    let none = Arguments::default();
    assert_eq!(
        tree.execute(path("/3/0/4"), &none),
        Ok(Execution::Application)
    );
    for (at, error) in [
        ("/3/0/9", ExecuteError::NotExecutable(path("/3/0/9"))),
        ("/3/0", ExecuteError::NotExecutable(path("/3/0"))),
        ("/3", ExecuteError::NotExecutable(path("/3"))),
        ("/3/0/7/0", ExecuteError::NotExecutable(path("/3/0/7/0"))),
        ("/3/0/5", ExecuteError::NotFound(path("/3/0/5"))), // optional, not instantiated
        ("/3/1/4", ExecuteError::NotFound(path("/3/1/4"))),
    ] {
        assert_eq!(tree.execute(path(at), &none), Err(error), "{at}");
    }
}

#[test]
fn the_application_sets_what_a_server_cannot_write() {
    let mut tree = tree();
    tree.set(path("/3/0/9"), 42).unwrap();
    tree.set(path("/3/0/7/1"), 4900).unwrap();
    assert_eq!(tree.get(path("/3/0/9")), Some(Value::Integer(42)));
    assert_eq!(tree.get(path("/3/0/7/1")), Some(Value::Integer(4900)));
    assert_eq!(
        tree.set(path("/3/0/9"), 101),
        Err(WriteError::OutOfRange(path("/3/0/9")))
    );
    assert_eq!(
        tree.set(path("/3/0/9"), "full"),
        Err(WriteError::WrongType(path("/3/0/9")))
    );
    assert_eq!(
        tree.set(path("/3/0/7"), 1),
        Err(WriteError::WrongType(path("/3/0/7")))
    );
    assert_eq!(
        tree.set(path("/3/1/9"), 1),
        Err(WriteError::NotFound(path("/3/1/9")))
    );
    assert_eq!(
        tree.set(path("/3/0/22/0"), ObjectLink::NULL),
        Err(WriteError::NotSupported(path("/3/0/22/0"))),
        "a Resource that the device does not support"
    );
}

#[test]
fn a_sink_that_refuses_stops_the_read() {
    struct Refuse;
    impl Sink for Refuse {
        type Error = EncodeError;
        fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
            match event {
                Event::Resource { .. } => Err(EncodeError::SingleValue),
                _ => Ok(()),
            }
        }
    }
    let result = tree().read(path("/3/0"), |_| true, &mut Refuse);
    assert_eq!(result, Err(ReadError::Encode(EncodeError::SingleValue)));
}

#[test]
fn typed_instances_read_back_equal_and_hide_their_keys() {
    use lwm2m_objects::Typed;
    let security = typed::Security::pre_shared_key("coaps://s", server_id(7), *b"id", *b"hunter2");
    let device = typed::Device {
        factory_reset: true,
        reset_error_code: true,
        ..typed::Device::example()
    };
    let mut tree = tree();
    tree.add(Store::of([(InstanceId::ZERO, security.clone())]));
    tree.add(Store::of([(InstanceId::ZERO, device.clone())]));
    assert_eq!(
        typed::Security::load(&tree, InstanceId::ZERO),
        Some(security.clone())
    );
    assert_eq!(typed::Device::load(&tree, InstanceId::ZERO), Some(device));
    let server = typed::Server::load(&tree, InstanceId::ZERO).unwrap();
    assert_eq!(
        (server.lifetime, server.default_maximum_period),
        (86400, Some(6000))
    );
    assert_eq!(
        typed::Server::load(&tree, InstanceId::new(1).unwrap()),
        None
    );

    let shown = format!("{security:?} {tree:?}");
    assert!(
        !shown.contains("104, 117, 110") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn definitions_are_in_order_and_keep_the_rules_of_the_template() {
    for object in lwm2m_objects::BUILT_IN {
        assert!(object.resources.is_sorted_by(|a, b| a.id < b.id));
        assert_eq!(object.urn, format!("urn:oma:lwm2m:oma:{}", object.id));
        for resource in object.resources.iter() {
            // An executable Resource has no type and is single (TS D.1).
            assert_eq!(
                resource.operations.executable(),
                resource.data_type.is_none()
            );
            assert!(!(resource.operations.executable() && resource.is_multiple()));
            assert_eq!(object.resource(resource.id), Some(resource));
        }
    }
    assert_eq!(DEVICE.resource(23.into()), None);
}

/// What is removed is gone with all that was known of it, held changes included.
#[test]
fn an_object_can_be_removed() {
    let mut tree = ObjectTree::new();
    let device = || Store::of([(InstanceId::ZERO, typed::Device::example())]);
    tree.add(device());
    tree.hold();
    tree.change([Change::Set {
        path: path("/3/0/14"),
        value: "+05:00".into(),
    }])
    .unwrap();
    assert!(tree.remove(ObjectId::DEVICE));
    assert!(!tree.remove(ObjectId::DEVICE));
    assert!(tree.object(ObjectId::DEVICE).is_none());
    assert_eq!(tree.get(path("/3/0/14")), None);
    tree.add(device());
    tree.roll_back();
    assert_eq!(tree.get(path("/3/0/14")), Some(Value::from("+02:00")));
}
