//! An Object that is made without Object Instances supports all Resources of its definition. One that
//! is made with some supports the Resources that these have (TS 5.2.7.4, 5.4.6).

use lwm2m_core::{
    DataType, InstanceId, ObjectId, ObjectLink, Path, ResourceId, ShortServerId, Value, WriteMode,
    codec::{Content, Event, Sink},
};
use lwm2m_kit::path;
use lwm2m_objects::{
    Answer, BUILT_IN, Change, Object, ObjectDefinition, ObjectTree, ResourceDefinition,
    SOFTWARE_MANAGEMENT_CANDIDATE, Store, Transaction, WriteError, access, accounts,
    software::{Numbering, SoftwareManagementObject},
    typed,
};

const FIRST: ShortServerId = ShortServerId::new(101).unwrap();
const SECOND: ShortServerId = ShortServerId::new(102).unwrap();
const ONE: InstanceId = InstanceId::new(1).unwrap();

/// Every built-in Object without instances, in every way to make it.
fn declared_empty() -> Vec<Store> {
    let mut stores = vec![
        Store::of::<typed::Security>([]),
        Store::of::<typed::Server>([]),
        Store::of::<typed::AccessControl>([]),
        Store::of::<typed::Device>([]),
        Store::of::<typed::ConnectivityMonitoring>([]),
        Store::of::<typed::FirmwareUpdate>([]),
        Store::of::<typed::Location>([]),
        Store::of::<typed::ConnectivityStatistics>([]),
        Store::of::<typed::SoftwareManagement>([]),
        Store::new(&SOFTWARE_MANAGEMENT_CANDIDATE),
    ];
    for definition in BUILT_IN {
        stores.push(Store::new(definition));
        stores.push(Store::from_definition(definition.clone()).unwrap());
    }
    stores
}

/// A value that a Resource accepts.
fn value(resource: &ResourceDefinition) -> Value {
    let fits = |value: &Value| match &resource.range {
        Some(range) => range.allows(&value.as_ref()),
        None => true,
    };
    let candidates = match resource.data_type.unwrap() {
        DataType::String => vec![Value::from("text"), Value::from("U")],
        DataType::Integer => vec![Value::Integer(60), Value::Integer(1)],
        DataType::Float => vec![Value::Float(1.5)],
        DataType::Boolean => vec![Value::Boolean(true)],
        DataType::Opaque => [6, 16].map(|length| Value::Opaque(vec![7; length])).into(),
        DataType::Time => vec![Value::Time(1_367_491_215)],
        DataType::ObjectLink => vec![Value::ObjectLink(ObjectLink::NULL)],
        other => unreachable!("{other}"),
    };
    candidates.into_iter().find(fits).unwrap()
}

/// The values of a Resource by their paths: two for a multiple one.
fn values(definition: &ObjectDefinition, id: InstanceId, of: &ResourceDefinition) -> Vec<Path> {
    let at = Path::Resource(definition.id, id, of.id);
    let instances = [0, 7]
        .map(|instance: u16| Path::ResourceInstance(definition.id, id, of.id, instance.into()));
    if of.is_multiple() {
        instances.into()
    } else {
        vec![at]
    }
}

/// Pushes an Object Instance with all Resources that have a value.
fn push_all(
    transaction: &mut Transaction<'_>,
    definition: &ObjectDefinition,
    instance: InstanceId,
) -> Result<(), WriteError> {
    transaction.event(Event::Object(definition.id))?;
    transaction.event(Event::Instance(Some(instance)))?;
    for resource in &*definition.resources {
        if resource.operations.executable() {
            continue;
        }
        let value = value(resource);
        let (id, value, time) = (resource.id, value.as_ref(), None);
        if resource.is_multiple() {
            transaction.event(Event::Multiple(id))?;
            for id in [0_u16, 7] {
                let id = id.into();
                transaction.event(Event::ResourceInstance { id, value, time })?;
            }
            transaction.event(Event::EndMultiple)?;
        } else {
            transaction.event(Event::Resource { id, value, time })?;
        }
    }
    transaction.event(Event::EndInstance)?;
    transaction.event(Event::EndObject)
}

fn bootstrap_write(tree: &mut ObjectTree, object: ObjectId, instance: InstanceId) {
    let definition = tree.definition(object).unwrap().clone();
    let target = Path::Instance(object, instance);
    let mut transaction = tree.bootstrap_write(target).unwrap();
    push_all(&mut transaction, &definition, instance).unwrap();
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
}

/// Every Resource of the definition that `is` selects is there, with the value that was written.
#[track_caller]
fn has_all(
    tree: &ObjectTree,
    object: ObjectId,
    instance: InstanceId,
    is: impl Fn(&ResourceDefinition) -> bool,
) {
    let definition = tree.definition(object).unwrap();
    for resource in definition.resources.iter().filter(|resource| is(resource)) {
        let at = Path::Resource(object, instance, resource.id);
        assert!(tree.locate(at).is_some(), "{at} is not there");
        if resource.operations.executable() {
            continue;
        }
        for at in values(definition, instance, resource) {
            assert_eq!(tree.get(at), Some(value(resource)), "{at}");
        }
    }
}

fn with(store: Store) -> (ObjectTree, ObjectId) {
    let id = store.definition().id;
    let mut tree = ObjectTree::new();
    tree.add(store);
    (tree, id)
}

#[test]
fn a_bootstrap_write_of_all_resources_is_kept_whole() {
    for store in declared_empty() {
        let (mut tree, object) = with(store);
        let several =
            object != ObjectId::DEVICE && tree.definition(object).unwrap().instance_limits().1 > 1;
        for instance in [InstanceId::ZERO, ONE]
            .into_iter()
            .take(1 + usize::from(several))
        {
            bootstrap_write(&mut tree, object, instance);
            has_all(&tree, object, instance, |_| true);
        }
    }
}

/// The mandatory Resources that servers can't write.
fn initially(store: Store, instance: InstanceId) -> Store {
    let definition = store.definition().clone();
    definition.resources.iter().fold(store, |store, resource| {
        if !of_client(resource) {
            store
        } else if resource.is_multiple() {
            let values = [0, 7].map(|id| (id, value(resource)));
            store.with_instances(instance, resource.id.get(), values)
        } else {
            store.with(instance, resource.id.get(), value(resource))
        }
    })
}

fn of_client(resource: &ResourceDefinition) -> bool {
    let operations = resource.operations;
    resource.mandatory && !operations.writable() && !operations.executable()
}

/// A server cannot set read-only Resources. The Object supplies the mandatory ones, and the application
/// the others.
#[test]
fn a_create_of_all_resources_is_kept_whole() {
    for store in declared_empty() {
        let (mut tree, object) = with(store.managed(4).initially(initially));
        let definition = tree.definition(object).unwrap().clone();
        let mut transaction = tree.create(object).unwrap();
        push_all(&mut transaction, &definition, InstanceId::ZERO).unwrap();
        let changes = transaction.finish().unwrap();
        tree.commit(&changes).unwrap();
        let settable = |resource: &ResourceDefinition| {
            resource.operations.writable()
                || resource.operations.executable()
                || of_client(resource)
        };
        has_all(&tree, object, InstanceId::ZERO, settable);
        for resource in definition.resources.iter() {
            let at = Path::Resource(object, InstanceId::ZERO, resource.id);
            assert_eq!(tree.locate(at).is_some(), settable(resource), "{at}");
        }
        for resource in definition.resources.iter().filter(|of| !settable(of)) {
            for at in values(&definition, InstanceId::ZERO, resource) {
                tree.set(at, value(resource)).unwrap();
            }
        }
        has_all(&tree, object, InstanceId::ZERO, |_| true);
    }
}

/// The supported Resources don't change when Object Instances are rolled back, deleted, restored or
/// written in part.
#[test]
fn an_object_that_was_declared_empty_stays_so() {
    for store in declared_empty() {
        let at = Path::Instance(store.definition().id, InstanceId::ZERO);
        let (mut tree, object) = with(store.clone());
        let empty = tree.snapshot();
        tree.hold();
        bootstrap_write(&mut tree, object, InstanceId::ZERO);
        tree.roll_back();
        assert_eq!(tree.instances(object).count(), 0);
        bootstrap_write(&mut tree, object, InstanceId::ZERO);
        has_all(&tree, object, InstanceId::ZERO, |_| true);
        let full = tree.snapshot();

        tree.hold();
        tree.change([Change::Delete { path: at }]).unwrap();
        tree.roll_back();
        has_all(&tree, object, InstanceId::ZERO, |_| true);
        tree.change([Change::Delete { path: at }]).unwrap();
        bootstrap_write(&mut tree, object, InstanceId::ZERO);
        has_all(&tree, object, InstanceId::ZERO, |_| true);

        let (mut restarted, _) = with(store);
        restarted.restore(&full).unwrap();
        has_all(&restarted, object, InstanceId::ZERO, |_| true);
        restarted.restore(&empty).unwrap();
        bootstrap_write(&mut restarted, object, InstanceId::ZERO);
        has_all(&restarted, object, InstanceId::ZERO, |_| true);
    }
}

/// An Object Instance has the Resources that it was given, and not all that are supported. These are
/// in a registration and in a Discover.
#[test]
fn what_is_supported_is_not_there_before_it_is_written() {
    let (mut tree, object) = with(Store::of::<typed::Server>([]));
    assert_eq!(tree.instances(object).count(), 0);
    let mut transaction = tree.bootstrap_write(path("/1/0")).unwrap();
    transaction.event(Event::Object(object)).unwrap();
    transaction
        .event(Event::Instance(Some(InstanceId::ZERO)))
        .unwrap();
    for (id, value) in [(0, 101), (1, 60), (3, 300)] {
        let (value, id) = (Value::Integer(value), ResourceId::new(id));
        let (value, time) = (value.as_ref(), None);
        transaction
            .event(Event::Resource { id, value, time })
            .unwrap();
    }
    transaction.event(Event::EndInstance).unwrap();
    transaction.event(Event::EndObject).unwrap();
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
    let there = tree.resources(object, InstanceId::ZERO);
    let there: Vec<u16> = there.map(|resource| resource.id.get()).collect();
    // The Object adds Disable and Registration Update Trigger.
    assert_eq!(there, [0, 1, 3, 4, 8]);
}

/// An Object supports the Resources of the instances that it is made with, and those that are named.
/// Deleting the instances doesn't change that.
#[test]
fn an_object_that_was_made_with_instances_supports_what_they_have() {
    let server = || (InstanceId::ZERO, typed::Server::new(FIRST, 60));
    let named = |store: Store| store.supporting([3]);
    for (store, optional) in [
        (Store::of([server()]), &[][..]),
        (named(Store::of([server()])), &[3]),
        (named(Store::of::<typed::Server>([])), &[3]),
        (Store::of::<typed::Server>([]).supporting([]), &[]),
        (Store::of::<typed::Server>([]).with_instance(ONE), &[]),
        (Store::of::<typed::Server>([]).with_executable(ONE, 4), &[4]),
        (Store::of::<typed::Server>([]).with(ONE, 5, 60), &[5]),
        // A value that doesn't fit counts as an instance too.
        (Store::of::<typed::Server>([]).with(ONE, 5, "text"), &[]),
    ] {
        let (mut tree, object) = with(store);
        let all: Vec<_> = tree.instances(object).collect();
        for instance in all {
            let path = Path::Instance(object, instance);
            tree.change([Change::Delete { path }]).unwrap();
        }
        bootstrap_write(&mut tree, object, InstanceId::ZERO);
        let there = tree.resources(object, InstanceId::ZERO);
        let there = there.filter(|resource| !resource.mandatory);
        let there: Vec<u16> = there.map(|resource| resource.id.get()).collect();
        assert_eq!(there, optional);
    }
}

/// The Bootstrap interface writes two accounts and their rights into an empty tree. Then a server
/// creates an Object Instance, which is committed with its Access Control Object Instance.
#[test]
fn accounts_and_rights_are_provisioned_into_empty_objects() {
    let mut tree = ObjectTree::new();
    tree.add(Store::of::<typed::Security>([]));
    tree.add(Store::of::<typed::Server>([]));
    tree.add(Store::of::<typed::AccessControl>([]));
    tree.add(Store::of::<typed::SoftwareManagement>([]).managed(4));
    let provision = |tree: &mut ObjectTree, target: &str, resources: &[(u16, Value)]| {
        let target = path(target);
        let mut transaction = tree.bootstrap_write(target).unwrap();
        let mut push = |event| transaction.event(event).unwrap();
        push(Event::Object(target.object().unwrap()));
        push(Event::Instance(target.instance()));
        for (id, value) in resources {
            let (id, value, time) = (ResourceId::new(*id), value.as_ref(), None);
            push(Event::Resource { id, value, time });
        }
        push(Event::EndInstance);
        push(Event::EndObject);
        let changes = transaction.finish().unwrap();
        tree.commit(&changes).unwrap();
    };
    for (instance, server) in [(1, 101), (2, 102)] {
        provision(
            &mut tree,
            &format!("/0/{instance}"),
            &[
                (0, "coap://one".into()),
                (1, false.into()),
                (2, 3.into()),
                (10, server.into()),
            ],
        );
        let server = [
            (0, server.into()),
            (1, 60.into()),
            (2, 1.into()),
            (3, 9.into()),
            (5, 7.into()),
            (6, true.into()),
            (7, "U".into()),
        ];
        provision(&mut tree, &format!("/1/{instance}"), &server);
        for (resource, value) in server {
            let at = path(&format!("/1/{instance}/{resource}"));
            assert_eq!(tree.get(at), Some(value));
        }
    }
    let found: Vec<_> = accounts(&tree).iter().map(|found| found.server).collect();
    assert_eq!(found, [FIRST, SECOND]);

    let object = ObjectId::SOFTWARE_MANAGEMENT;
    let instance = Path::Instance(object, InstanceId::ZERO);
    let create = Change::Create { path: instance };
    let created = access::created(&tree, SECOND, core::slice::from_ref(&create)).unwrap();
    let changes = [&[create], &*created].concat();
    tree.change(&changes[..]).unwrap();
    let rights = |server| access::rights(&tree, server, object, InstanceId::ZERO);
    assert_eq!(rights(SECOND), typed::AccessControl::OWNER_RIGHTS);
    assert_eq!(rights(FIRST), lwm2m_core::AccessRights::NONE);
}

/// The same for software components, which have a machine each.
#[test]
fn software_that_is_created_keeps_its_optional_resources() {
    for numbering in [Numbering::Registered, Numbering::Candidate] {
        let object = SoftwareManagementObject::new(numbering, |_, _| Answer::Done).managed(2);
        let optional = |tree: &ObjectTree| {
            let there = tree.resources(ObjectId::SOFTWARE_MANAGEMENT, InstanceId::ZERO);
            let there = there.filter(|of| !of.mandatory && of.operations.writable());
            there.map(|resource| resource.id.get()).collect::<Vec<_>>()
        };
        let mut tree = ObjectTree::new();
        tree.add(object);
        let create = [Change::Create { path: path("/9/0") }];
        tree.change(&create).unwrap();
        let target = path("/9/0");
        let definition = numbering.definition();
        let mut transaction = tree.write(target, WriteMode::PartialUpdate).unwrap();
        transaction.event(Event::Object(definition.id)).unwrap();
        transaction
            .event(Event::Instance(Some(InstanceId::ZERO)))
            .unwrap();
        let mut written = Vec::new();
        for of in definition.resources.iter() {
            // Package and Package URI are for the machine.
            if of.mandatory || !of.operations.writable() || matches!(of.id.get(), 2 | 3) {
                continue;
            }
            written.push(of.id.get());
            let value = value(of);
            let (id, value, time) = (of.id, value.as_ref(), None);
            transaction
                .event(Event::Resource { id, value, time })
                .unwrap();
        }
        transaction.event(Event::EndInstance).unwrap();
        transaction.event(Event::EndObject).unwrap();
        let changes = transaction.finish().unwrap();
        tree.commit(&changes).unwrap();
        let kept: Vec<_> = optional(&tree)
            .into_iter()
            .filter(|id| !matches!(id, 2 | 3))
            .collect();
        assert_eq!(kept, written);
        assert!(!written.is_empty(), "{numbering:?}");
    }
}

/// Setting an optional Resource that the Object was made without is an error that says what to do.
/// Both ways solve it.
#[test]
fn setting_what_an_object_was_made_without_says_what_to_do() {
    let timezone = path("/3/0/15");
    let device = || Store::of([(InstanceId::ZERO, typed::Device::default())]);
    let (mut tree, _) = with(device());
    let error = tree.set(timezone, "Europe/Paris").unwrap_err();
    assert_eq!(error, WriteError::NotSupported(timezone));
    let told = error.to_string();
    for word in ["/3/0/15", "optional", "Store::with", "Store::supporting"] {
        assert!(told.contains(word), "{told}");
    }
    for store in [
        device().supporting([15]),
        device().with(InstanceId::ZERO, 15, "UTC"),
        Store::of::<typed::Device>([]),
    ] {
        let (mut tree, object) = with(store);
        if tree.instances(object).next().is_none() {
            tree.change([Change::Create { path: path("/3/0") }])
                .unwrap();
        }
        assert_eq!(tree.set(timezone, "Europe/Paris"), Ok(true));
    }
    // Unknown and executable Resources have the usual errors.
    let (mut tree, _) = with(device());
    let at = path("/3/0/99");
    assert_eq!(tree.set(at, 1), Err(WriteError::NotFound(at)));
    for executable in ["/3/0/4", "/3/0/5"].map(path) {
        let refused = Err(WriteError::NotWritable(executable));
        assert_eq!(tree.set(executable, 1), refused);
    }
}

/// A Resource in a snapshot that is restored is supported from then on.
#[test]
fn an_object_supports_what_is_put_back() {
    let device = |battery: bool| {
        let device = Store::of([(InstanceId::ZERO, typed::Device::default())]);
        let device = if battery {
            device.with(InstanceId::ZERO, 9, 100)
        } else {
            device
        };
        with(device).0
    };
    let (battery, timezone) = (path("/3/0/9"), path("/3/0/15"));
    let mut tree = device(false);
    let unsupported = Err(WriteError::NotSupported(battery));
    assert_eq!(tree.set(battery, 42), unsupported);
    tree.restore(&device(true).snapshot()).unwrap();
    assert_eq!(tree.set(battery, 42), Ok(true));
    let unsupported = Err(WriteError::NotSupported(timezone));
    assert_eq!(tree.set(timezone, "UTC"), unsupported);
}

/// What a Bootstrap-Server writes, Object Instance by Object Instance (TS 5.2.7.4).
fn provisioned() -> Vec<Vec<(Path, Value)>> {
    let all: [&[(&str, Value)]; 4] = [
        &[
            ("/0/1/0", "coap://one".into()),
            ("/0/1/1", false.into()),
            ("/0/1/2", 3.into()),
            ("/0/1/10", 101.into()),
        ],
        &[
            ("/1/0/0", 101.into()),
            ("/1/0/1", 60.into()),
            ("/1/0/3", 9.into()),
            ("/1/0/6", true.into()),
            ("/1/0/7", "U".into()),
        ],
        &[
            ("/2/0/0", 3.into()),
            ("/2/0/1", 0.into()),
            ("/2/0/2/101", 1.into()),
            ("/2/0/3", 101.into()),
        ],
        &[
            ("/3/0/0", "maker".into()),
            ("/3/0/11/0", 0.into()),
            ("/3/0/16", "U".into()),
        ],
    ];
    let values = |of: &[(&str, Value)]| {
        let values = of.iter().map(|(at, value)| (path(at), value.clone()));
        values.collect()
    };
    all.map(values).into()
}

fn write(tree: &mut ObjectTree, target: Path, values: &[(Path, Value)]) {
    let mut transaction = tree.bootstrap_write(target).unwrap();
    let content: Content = values.iter().cloned().collect();
    content.push(&mut transaction).unwrap();
    let changes = transaction.finish().unwrap();
    tree.commit(&changes).unwrap();
}

fn orders(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else {
        return vec![vec![]];
    };
    let mut all = Vec::new();
    for order in orders(last) {
        for at in 0..count {
            let mut order = order.clone();
            order.insert(at, last);
            all.push(order);
        }
    }
    all
}

/// Whole Object Instances or one Resource after the other, held or not: the result is the same, and
/// it is there after a restart.
#[test]
fn the_order_of_bootstrap_writes_does_not_matter() {
    let empty = || {
        let mut tree = ObjectTree::new();
        tree.add(Store::of::<typed::Security>([]));
        tree.add(Store::of::<typed::Server>([]));
        tree.add(Store::of::<typed::AccessControl>([]));
        tree.add(Store::of::<typed::Device>([]));
        tree
    };
    let instances = provisioned();
    let mut first = None;
    for order in orders(instances.len()) {
        for way in 0..8 {
            let (alone, backwards, hold) = (way & 1 != 0, way & 2 != 0, way & 4 != 0);
            let mut tree = empty();
            if hold {
                tree.hold();
            }
            for values in order.iter().map(|at| &instances[*at]) {
                let (object, instance) = (values[0].0.object(), values[0].0.instance());
                let whole = Path::Instance(object.unwrap(), instance.unwrap());
                let mut values = values.clone();
                if backwards && alone {
                    values.reverse();
                }
                for part in values.chunks(if alone { 1 } else { values.len() }) {
                    let of = Path::Resource(
                        whole.object().unwrap(),
                        whole.instance().unwrap(),
                        part[0].0.resource().unwrap(),
                    );
                    write(&mut tree, if alone { of } else { whole }, part);
                }
            }
            if hold {
                assert!(tree.snapshot() == empty().snapshot(), "{order:?} {way}");
                tree.keep();
            }
            let saved = tree.snapshot();
            assert!(
                *first.get_or_insert(saved.clone()) == saved,
                "{order:?} {way}"
            );
            for (at, value) in instances.iter().flatten() {
                assert_eq!(tree.get(*at).as_ref(), Some(value), "{order:?} {way}");
            }
            assert_eq!(accounts(&tree).len(), 1, "{order:?} {way}");
            let mut restarted = empty();
            restarted.restore(&saved).unwrap();
            assert!(restarted.snapshot() == saved, "{order:?} {way}");
        }
    }
}
