//! An Object of the application's own, whose values live elsewhere.

use lwm2m_core::{
    Arguments, DataType, InstanceId, ObjectId, ResourceId, Value, ValueRef, WriteMode,
    codec::Content,
};
use lwm2m_kit::path;
use lwm2m_objects::{
    Change, DEVICE, Execution, Object, ObjectDefinition, ObjectSnapshot, ObjectTree, Operations,
    Piece, ReadError, ResourceDefinition, ResourceSink, SnapshotError, Store, WriteError,
};

static RESOURCES: [ResourceDefinition; 6] = [
    ResourceDefinition::new(0, "Temperature", Operations::Read, DataType::Float).mandatory(),
    ResourceDefinition::new(1, "Set Point", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::executable(2, "Reset"),
    ResourceDefinition::new(3, "Code", Operations::Write, DataType::String),
    ResourceDefinition::new(4, "History", Operations::Read, DataType::Float).multiple(),
    ResourceDefinition::new(5, "Unsupported", Operations::ReadWrite, DataType::Integer),
];
static THERMOSTAT: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(26241),
    "Thermostat",
    "urn:oma:lwm2m:x:26241",
    &RESOURCES,
);

/// The reading of the thermometer, or none if it fails.
type Sensor = fn() -> Result<f64, ReadError>;

/// Implements what the trait requires, and which Resources it has.
struct Thermostat {
    sensor: Sensor,
    set_point: i64,
}

impl Thermostat {
    fn new(sensor: Sensor) -> Self {
        let set_point = 21;
        Self { sensor, set_point }
    }
}

impl Object for Thermostat {
    fn definition(&self) -> &ObjectDefinition {
        &THERMOSTAT
    }

    fn supports(&self, resource: ResourceId) -> bool {
        resource.get() <= 4
    }

    fn read(
        &self,
        _: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        match resource.get() {
            0 => out.value(ValueRef::Float((self.sensor)()?)),
            1 => out.value(ValueRef::Integer(self.set_point)),
            4 => {
                out.instance(1.into(), ValueRef::Float(1.5))?;
                out.instance(9.into(), ValueRef::Float(2.5))
            }
            other => panic!("{other} is not to be read"),
        }
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::Set { path, value } = change
                && let (Some(1), Value::Integer(set_point)) =
                    (path.resource().map(ResourceId::get), value)
            {
                self.set_point = *set_point;
            }
        }
    }
}

fn tree(sensor: Sensor) -> ObjectTree {
    let mut tree = ObjectTree::new();
    tree.add(Thermostat::new(sensor));
    tree.add(Store::new(&DEVICE).with(InstanceId::ZERO, 9, 50));
    tree
}

fn read(tree: &ObjectTree, at: &str) -> Result<Vec<String>, ReadError> {
    let mut content = Content::new();
    tree.read(path(at), |_| true, &mut content)?;
    let values = content.values();
    Ok(values
        .map(|(path, value)| format!("{path} = {value}"))
        .collect())
}

fn write(
    tree: &mut ObjectTree,
    at: &str,
    mode: WriteMode,
    values: &[(&str, Value)],
) -> Result<(), WriteError> {
    let mut transaction = tree.write(path(at), mode)?;
    let values = values.iter();
    let content: Content = values
        .map(|(at, value)| (path(at), value.clone()))
        .collect();
    content.push(&mut transaction)?;
    let changes = transaction.finish()?;
    tree.commit(&changes).map(drop)
}

#[test]
fn it_has_one_instance_with_all_that_it_supports_unless_it_says_otherwise() {
    let tree = tree(|| Ok(19.5));
    let instances: Vec<InstanceId> = tree.instances(THERMOSTAT.id).collect();
    assert_eq!(instances, [InstanceId::ZERO]);
    let resources: Vec<u16> = tree
        .resources(THERMOSTAT.id, InstanceId::ZERO)
        .map(|resource| resource.id.get())
        .collect();
    assert_eq!(resources, [0, 1, 2, 3, 4]);
    let other = InstanceId::new(1).unwrap();
    assert_eq!(tree.resources(THERMOSTAT.id, other).count(), 0);
    assert_eq!(tree.dimension(path("/26241/0/4")), Some(2));
    assert_eq!(tree.dimension(path("/26241/0/0")), None);
    assert_eq!(tree.dimension(path("/26241/0/5")), None);
}

#[test]
fn it_is_read_at_the_moment_of_the_read_and_asked_for_nothing_that_cannot_be_read() {
    let served = tree(|| Ok(19.5));
    let all = [
        "/26241/0/0 = 19.5",
        "/26241/0/1 = 21",
        "/26241/0/4/1 = 1.5",
        "/26241/0/4/9 = 2.5",
    ];
    assert_eq!(read(&served, "/26241").unwrap(), all);
    assert_eq!(read(&served, "/26241/0").unwrap(), all);
    assert_eq!(read(&served, "/26241/0/0").unwrap(), all[..1]);
    assert_eq!(read(&served, "/26241/0/4").unwrap(), all[2..]);
    for at in ["/26241/0/2", "/26241/0/3"] {
        assert_eq!(read(&served, at), Err(ReadError::NotReadable(path(at))));
    }
    for at in ["/26241/0/5", "/26241/0/6", "/26241/1", "/26241/1/0"] {
        assert_eq!(read(&served, at), Err(ReadError::NotFound(path(at))));
    }
    // If the sensor fails, only Reads that include it fail.
    let broken = tree(|| Err(ReadError::Unavailable));
    for at in ["/26241", "/26241/0", "/26241/0/0"] {
        assert_eq!(read(&broken, at), Err(ReadError::Unavailable), "{at}");
    }
    assert_eq!(read(&broken, "/26241/0/1").unwrap(), all[1..2]);
    // An executable Resource has no value, whatever the call.
    assert_eq!(served.get(path("/26241/0/2")), None);
    assert_eq!(broken.get(path("/26241/0/0")), None);
}

#[test]
fn what_is_written_has_been_checked_before() {
    let mut tree = tree(|| Ok(19.5));
    let set_point = |number: i64| ("/26241/0/1", Value::Integer(number));
    write(
        &mut tree,
        "/26241/0/1",
        WriteMode::Replace,
        &[set_point(22)],
    )
    .unwrap();
    assert_eq!(tree.get(path("/26241/0/1")), Some(Value::Integer(22)));
    write(
        &mut tree,
        "/26241/0",
        WriteMode::PartialUpdate,
        &[set_point(23)],
    )
    .unwrap();
    assert_eq!(tree.get(path("/26241/0/1")), Some(Value::Integer(23)));
    for mode in [WriteMode::Replace, WriteMode::PartialUpdate] {
        for (at, value, error) in [
            (
                "/26241/0/0",
                1.5.into(),
                WriteError::NotWritable(path("/26241/0/0")),
            ),
            (
                "/26241/0/1",
                1.5.into(),
                WriteError::WrongType(path("/26241/0/1")),
            ),
            (
                "/26241/0/2",
                "now".into(),
                WriteError::NotWritable(path("/26241/0/2")),
            ),
            (
                "/26241/0/5",
                Value::Integer(1),
                WriteError::NotWritable(path("/26241/0/5")),
            ),
        ] {
            let values = [set_point(30), (at, value)];
            assert_eq!(write(&mut tree, "/26241/0", mode, &values), Err(error));
            assert_eq!(tree.get(path("/26241/0/1")), Some(Value::Integer(23)));
        }
    }
    // A Resource that isn't supported can't be the target of a Write.
    let unsupported = [("/26241/0/5", Value::Integer(1))];
    assert_eq!(
        write(&mut tree, "/26241/0/5", WriteMode::Replace, &unsupported),
        Err(WriteError::NotFound(path("/26241/0/5")))
    );
    // It always has one Object Instance.
    let at = path("/26241/0");
    assert_eq!(tree.delete(at), Err(WriteError::NotManaged(at)));
    for change in [Change::Delete { path: at }, Change::Create { path: at }] {
        assert_eq!(tree.change([change]), Err(WriteError::Refused(at)));
    }
}

#[test]
fn what_it_leaves_out_has_plain_defaults() {
    let mut tree = tree(|| Ok(19.5));
    let none = Arguments::default();
    let executed = tree.execute(path("/26241/0/2"), &none);
    assert_eq!(executed, Ok(Execution::Application));
    let at = path("/26241/0/3");
    assert!(!tree.streams(at));
    assert_eq!(
        tree.stream(at, Piece::Begin),
        Err(WriteError::NotWritable(at))
    );
    let mut thermostat = Thermostat::new(|| Ok(1.0));
    assert_eq!(
        thermostat.stream(InstanceId::ZERO, 3.into(), Piece::Begin),
        Err(WriteError::NotWritable(at))
    );
    assert_eq!(thermostat.save(), None);
    let saved = ObjectSnapshot {
        object: THERMOSTAT.id,
        version: THERMOSTAT.version,
        instances: Vec::new(),
        state: Vec::new(),
    };
    let refused = Err(SnapshotError::Object(THERMOSTAT.id));
    assert_eq!(thermostat.check_saved(&saved), refused);
    assert_eq!(
        (thermostat.poll_timeout(), thermostat.poll_changed()),
        (None, None)
    );
}

/// An Object that pushes a single Resource as a multiple one, and the other way round.
struct Confused;

impl Object for Confused {
    fn definition(&self) -> &ObjectDefinition {
        &THERMOSTAT
    }

    fn read(
        &self,
        _: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        match resource.get() {
            4 => out.value(ValueRef::Float(1.0)),
            _ => out.instance(0.into(), ValueRef::Float(1.0)),
        }
    }

    fn apply(&mut self, _: &[Change]) {}
}

#[test]
fn a_payload_has_the_structure_of_the_definition_or_is_none() {
    let mut tree = ObjectTree::new();
    tree.add(Confused);
    for at in ["/26241/0/0", "/26241/0/4", "/26241/0"] {
        assert_eq!(read(&tree, at), Err(ReadError::Unavailable), "{at}");
    }
}

/// An Object that counts what is applied, and refuses a set point of 13.
struct Picky(usize);

impl Object for Picky {
    fn definition(&self) -> &ObjectDefinition {
        &THERMOSTAT
    }

    fn read(
        &self,
        _: InstanceId,
        _: ResourceId,
        _: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        Err(ReadError::Unavailable)
    }

    fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
        changes.iter().try_for_each(|change| match change {
            Change::Set {
                path,
                value: Value::Integer(13),
            } => Err(WriteError::Refused(*path)),
            _ => Ok(()),
        })
    }

    fn apply(&mut self, changes: &[Change]) {
        self.0 += changes.len();
    }
}

static TANK: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(30000),
    "Tank",
    "urn:oma:lwm2m:x:30000",
    &RESOURCES,
);

/// Objects are prepared and applied in the order of their identifiers. The Object that refuses is the
/// first, one in the middle, and the last one of a transaction.
#[test]
fn nothing_is_applied_before_every_object_has_agreed() {
    let set = |at: &str, value: i64| Change::Set {
        path: path(at),
        value: Value::Integer(value),
    };
    let device = set("/3/0/9", 7);
    let tank = set("/30000/0/1", 7);
    let unwanted = set("/26241/0/1", 13);
    for others in [vec![], vec![&device], vec![&tank], vec![&device, &tank]] {
        for hold in [false, true] {
            let mut tree = ObjectTree::new();
            tree.add(Picky(0));
            tree.add(Store::new(&DEVICE).with(InstanceId::ZERO, 9, 50));
            tree.add(Store::new(&TANK).with(InstanceId::ZERO, 1, 50));
            if hold {
                tree.hold();
            }
            let wanted = set("/26241/0/1", 14);
            let mut changes: Vec<Change> = others.iter().copied().cloned().collect();
            changes.extend([wanted.clone(), unwanted.clone()]);
            let refused = WriteError::Refused(unwanted.path());
            assert_eq!(tree.change(&changes[..]), Err(refused), "{changes:?}");
            let applied = |tree: &ObjectTree| tree.object_as::<Picky>(THERMOSTAT.id).unwrap().0;
            assert_eq!(applied(&tree), 0);
            for other in &others {
                assert_eq!(tree.get(other.path()), Some(Value::Integer(50)));
            }
            changes.pop();
            tree.change(&changes[..]).unwrap();
            assert_eq!(applied(&tree), 1);
            for other in &others {
                assert_eq!(tree.get(other.path()), Some(Value::Integer(7)));
            }
        }
    }
}

/// An Object that has a Store, whose values it reads as one more than they are.
struct OneMore(Store);

impl Object for OneMore {
    fn definition(&self) -> &ObjectDefinition {
        self.0.definition()
    }

    fn base(&self) -> Option<&dyn Object> {
        Some(&self.0)
    }

    fn base_mut(&mut self) -> Option<&mut dyn Object> {
        Some(&mut self.0)
    }

    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        match self.0.get(path(&format!("/30001/{instance}/{resource}"))) {
            Some(Value::Integer(value)) => out.value(ValueRef::Integer(value + 1)),
            _ => Err(ReadError::Unavailable),
        }
    }

    fn apply(&mut self, changes: &[Change]) {
        self.0.apply(changes);
    }
}

#[test]
fn what_an_object_does_not_override_is_that_of_its_base() {
    static RESOURCES: [ResourceDefinition; 2] = [
        ResourceDefinition::new(0, "Level", Operations::ReadWrite, DataType::Integer),
        ResourceDefinition::new(1, "Limit", Operations::ReadWrite, DataType::Integer),
    ];
    static LEVELS: ObjectDefinition = ObjectDefinition::new(
        ObjectId::new(30001),
        "Levels",
        "urn:oma:lwm2m:x:30001",
        &RESOURCES,
    )
    .multiple();
    let new = || OneMore(Store::new(&LEVELS).managed(2).with(InstanceId::ZERO, 0, 7));
    let mut tree = ObjectTree::new();
    tree.add(new());
    assert_eq!(tree.get(path("/30001/0/0")), Some(Value::Integer(8)));
    assert_eq!(
        tree.get(path("/30001/0/1")),
        None,
        "a Resource that isn't there"
    );

    let mut create = tree.create(LEVELS.id).unwrap();
    let wanted = Content::from_iter([(path("/30001/1/0"), 20)]);
    wanted.push(&mut create).unwrap();
    let create = create.finish().unwrap();
    tree.commit(&create).unwrap();
    let instances = |tree: &ObjectTree| tree.instances(LEVELS.id).collect::<Vec<_>>();
    let one = InstanceId::new(1).unwrap();
    assert_eq!(instances(&tree), [InstanceId::ZERO, one]);
    let third = Change::Create {
        path: path("/30001/2"),
    };
    assert!(tree.change([third]).is_err(), "there may be two");

    let mut restarted = ObjectTree::new();
    restarted.add(new());
    restarted.restore(&tree.snapshot()).unwrap();
    assert_eq!(instances(&restarted), [InstanceId::ZERO, one]);
    assert_eq!(restarted.get(path("/30001/1/0")), Some(Value::Integer(21)));
}
