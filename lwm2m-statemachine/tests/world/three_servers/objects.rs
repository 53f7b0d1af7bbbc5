//! What the Client has, who may do what with it, and a copy of its values that is kept beside it.

use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{
    AccessRights, DataType, InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value, ValueRef,
    codec::{Content, Entry},
};
use lwm2m_objects::{
    Change, ObjectDefinition, ObjectTree, Operations, Range, ResourceDefinition, Store,
    typed::{self, AccessControl, AclTarget},
};

use super::{
    firmware::{self, Flash},
    plan::Plan,
};

/// The servers by Short Server ID. The last one may be hostile.
pub(crate) const SERVERS: [ShortServerId; 3] = [
    ShortServerId::new(101).unwrap(),
    ShortServerId::new(102).unwrap(),
    ShortServerId::new(103).unwrap(),
];

pub(crate) const GAUGE: ObjectId = ObjectId::new(26_241);
const FIRMWARE: ObjectId = ObjectId::new(5);
/// Grows with every change of the application. No server can write it.
pub(crate) const COUNTER: u16 = 0;
/// Goes up and down, by the application.
pub(crate) const LEVEL: u16 = 1;
/// The number of the Write that wrote it.
pub(crate) const NUMBER: u16 = 2;
/// The [`text`] of the Write that wrote it.
pub(crate) const TEXT: u16 = 3;
/// The numbers of Writes.
pub(crate) const SLOTS: u16 = 4;
pub(crate) const RUN: u16 = 5;
/// The largest number of a Write. What is beyond it is refused.
pub(crate) const MOST: i64 = 1_000_000;

static RESOURCES: [ResourceDefinition; 6] = [
    ResourceDefinition::new(COUNTER, "Counter", Operations::Read, DataType::Integer),
    ResourceDefinition::new(LEVEL, "Level", Operations::Read, DataType::Integer),
    ResourceDefinition::new(NUMBER, "Number", Operations::ReadWrite, DataType::Integer)
        .mandatory()
        .with_range(Range::Numbers(0, MOST)),
    ResourceDefinition::new(TEXT, "Text", Operations::ReadWrite, DataType::String),
    ResourceDefinition::new(SLOTS, "Slots", Operations::ReadWrite, DataType::Integer).multiple(),
    ResourceDefinition::executable(RUN, "Run"),
];

/// An Object of the tests, with every kind of Resource.
pub(crate) static DEFINITION: ObjectDefinition =
    ObjectDefinition::new(GAUGE, "Gauge", "urn:oma:lwm2m:x:26241", &RESOURCES).multiple();

/// How many Object Instances of it there may be.
pub(crate) const MOST_GAUGES: usize = 6;

pub(crate) fn gauge(instance: u16, resource: u16) -> Path {
    let instance = InstanceId::new(instance).expect("an Object Instance ID");
    Path::Resource(GAUGE, instance, resource.into())
}

/// A text that tells which Write it belongs to, and whether it is whole.
pub(crate) fn text(number: u32) -> String {
    let length = usize::try_from(number.wrapping_mul(0x9e37_79b9) >> 20).unwrap_or(0);
    let length = if number.is_multiple_of(3) {
        length / 3
    } else {
        length / 100
    };
    let mut text = number.to_string();
    while text.len() < length {
        text.push(char::from(b'a' + (text.len() % 26) as u8));
    }
    text
}

/// The number of a [`text`]; `None` if it isn't one as a whole.
pub(crate) fn text_number(whole: &str) -> Option<u32> {
    let digits = whole.find(|at: char| !at.is_ascii_digit());
    let number = whole.get(..digits.unwrap_or(whole.len()))?.parse().ok()?;
    (text(number) == whole).then_some(number)
}

/// The number of the operation that wrote this value, if it has one.
pub(crate) fn number_of(path: Path, value: ValueRef<'_>) -> Option<u32> {
    if path.object() != Some(GAUGE) {
        return None;
    }
    match (path.resource()?.get(), value) {
        (NUMBER | SLOTS, ValueRef::Integer(number)) => u32::try_from(number).ok(),
        (TEXT, ValueRef::String(text)) => Some(text_number(text).expect("a text that is whole")),
        _ => None,
    }
}

/// The tree of a Client whose three accounts are as the plan says.
pub(crate) fn tree(plan: &Plan, flash: &Flash) -> ObjectTree {
    let mut tree = ObjectTree::new();
    let numbers = [0, 1, 2].map(|id| InstanceId::new(id).expect("an Object Instance ID"));
    let accounts = || numbers.into_iter().zip(SERVERS).zip(&plan.accounts);
    tree.add(Store::of(accounts().map(|((id, server), account)| {
        let security = if account.secure {
            let uri = format!("coaps://server{id}");
            typed::Security::pre_shared_key(uri, server, "device", [7; 16])
        } else {
            typed::Security::no_sec(format!("coap://server{id}"), server)
        };
        (id, security)
    })));
    tree.add(Store::of(accounts().map(|((id, server), account)| {
        let server = typed::Server {
            default_minimum_period: Some(account.pmin),
            default_maximum_period: Some(account.pmax),
            notification_storing: account.stores,
            ..typed::Server::new(server, account.lifetime)
        };
        (id, server)
    })));
    tree.add(Store::of(controls().into_iter().enumerate().map(
        |(id, control)| {
            let id = u16::try_from(id).ok().and_then(InstanceId::new);
            (id.expect("an Object Instance ID"), control)
        },
    )));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    tree.add(firmware::object(flash));
    tree.add(
        Store::new(&DEFINITION)
            .with(numbers[0], COUNTER, 0)
            .with(numbers[0], LEVEL, 50)
            .with(numbers[0], NUMBER, 0)
            .with(numbers[0], TEXT, text(0))
            .with_instances(numbers[0], SLOTS, [(0, 0)])
            .with_executable(numbers[0], RUN)
            .with(numbers[1], COUNTER, 0)
            .with(numbers[1], LEVEL, 50)
            .with(numbers[1], NUMBER, 0)
            .with(numbers[1], TEXT, text(0))
            .with_instances(numbers[1], SLOTS, [(0, 0)])
            .managed(MOST_GAUGES),
    );
    tree
}

/// The first Gauge is everybody's but the last server's, which may only read it. The second one is the
/// first server's, and the others may read it. The first two servers may create more.
fn controls() -> Vec<AccessControl> {
    let [first, second, last] = SERVERS.map(ShortServerId::get);
    let zero = InstanceId::ZERO;
    let one = InstanceId::new(1).expect("an Object Instance ID");
    let two = InstanceId::new(2).expect("an Object Instance ID");
    let use_it = AccessRights::READ | AccessRights::WRITE | AccessRights::EXECUTE;
    let control = |target, owner, acl: &[(u16, AccessRights)]| AccessControl {
        target,
        acl: acl.to_vec(),
        owner,
    };
    let read = &[(0, AccessRights::READ)];
    vec![
        control(
            AclTarget::Object(GAUGE),
            AccessControl::NOBODY,
            &[
                (first, AccessRights::CREATE),
                (second, AccessRights::CREATE),
            ],
        ),
        control(
            AclTarget::Instance(GAUGE, zero),
            AccessControl::NOBODY,
            &[(0, use_it), (last, AccessRights::READ)],
        ),
        control(AclTarget::Instance(GAUGE, one), first, read),
        control(
            AclTarget::Instance(ObjectId::DEVICE, zero),
            AccessControl::NOBODY,
            read,
        ),
        control(
            AclTarget::Instance(FIRMWARE, zero),
            AccessControl::NOBODY,
            &[(first, use_it), (second, use_it)],
        ),
        control(AclTarget::Instance(ObjectId::SERVER, zero), first, read),
        control(AclTarget::Instance(ObjectId::SERVER, one), second, read),
        control(AclTarget::Instance(ObjectId::SERVER, two), last, read),
    ]
}

/// The Objects that are watched.
const WATCHED: [ObjectId; 2] = [ObjectId::SERVER, GAUGE];

/// The values that the Client should have: what was committed, by whomever, and nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Values(BTreeMap<Path, Option<Value>>);

impl Values {
    /// What a tree has.
    pub(crate) fn of(tree: &ObjectTree) -> Self {
        let mut values = BTreeMap::new();
        walk(tree, |path, value| {
            values.insert(path, value.map(|value| value.to_owned()));
        });
        Self(values)
    }

    /// Panics unless a tree has these values and no others.
    pub(crate) fn check(&self, tree: &ObjectTree) {
        let mut expected = self.0.iter();
        walk(tree, |path, value| {
            let next = expected.next();
            let same = next
                .is_some_and(|(at, next)| *at == path && next.as_ref().map(Value::as_ref) == value);
            assert!(same, "{path} is {value:?}, but there should be {next:?}");
        });
        let next = expected.next();
        assert_eq!(next, None, "a value is lost");
    }

    /// What changes make of it.
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            let path = change.path();
            if !path.object().is_some_and(|id| WATCHED.contains(&id)) {
                continue;
            }
            match change {
                Change::Set { value, .. } => {
                    if let Path::ResourceInstance(object, instance, resource, _) = path {
                        let multiple = Path::Resource(object, instance, resource);
                        self.0.insert(multiple, None);
                    }
                    self.0.insert(path, Some(value.clone()));
                }
                Change::Clear { .. } => {
                    self.remove(path);
                    self.0.insert(path, None);
                }
                Change::Remove { .. } | Change::Delete { .. } => self.remove(path),
                Change::Create { .. } => {
                    self.0.insert(path, None);
                }
            }
        }
    }

    /// Takes what a tree has at a path and below it.
    pub(crate) fn copy(&mut self, tree: &ObjectTree, path: Path) {
        self.remove(path);
        walk(tree, |at, value| {
            if path.contains(&at) {
                self.0.insert(at, value.map(|value| value.to_owned()));
            }
        });
    }

    /// The numbers of the operations that wrote what is below a path.
    pub(crate) fn numbers(&self, path: Path) -> BTreeSet<u32> {
        let below = self.0.iter().filter(|(at, _)| path.contains(at));
        below
            .filter_map(|(at, value)| number_of(*at, value.as_ref()?.as_ref()))
            .collect()
    }

    fn remove(&mut self, path: Path) {
        self.0.retain(|at, _| !path.contains(at));
    }
}

/// Visits what is watched of a tree, in the order of paths. What has no value of its own comes with
/// none.
fn walk(tree: &ObjectTree, mut visit: impl FnMut(Path, Option<ValueRef<'_>>)) {
    for object in WATCHED {
        for instance in tree.instances(object) {
            visit(Path::Instance(object, instance), None);
            for resource in tree.resources(object, instance) {
                let path = Path::Resource(object, instance, resource.id);
                if resource.operations.executable() {
                    continue;
                }
                if resource.is_multiple() {
                    visit(path, None);
                }
                tree.visit(path, |path, value| visit(path, Some(value)));
            }
        }
    }
}

/// Whether a server may read what is at the path of an Object Instance or below it.
pub(crate) fn may_read(tree: &ObjectTree, server: ShortServerId, path: Path) -> bool {
    let at = path.object().zip(path.instance());
    at.is_some_and(|(object, instance)| {
        let rights = lwm2m_objects::access::rights(tree, server, object, instance);
        rights.contains(AccessRights::READ)
    })
}

/// What a server should read at a path now.
pub(crate) fn readable(
    tree: &ObjectTree,
    server: ShortServerId,
    path: Path,
) -> BTreeMap<Path, Value> {
    let mut content = Content::new();
    let object = path.object().unwrap_or(GAUGE);
    let may = |instance| {
        let rights = lwm2m_objects::access::rights(tree, server, object, instance);
        rights.contains(AccessRights::READ)
    };
    let _ = tree.read(path, may, &mut content);
    last_values(&content)
}

/// The newest value of each path.
pub(crate) fn last_values(content: &Content) -> BTreeMap<Path, Value> {
    let values = content.values();
    values.map(|(path, value)| (path, value.clone())).collect()
}

/// Whether this is the path of a Counter.
pub(crate) fn is_counter(path: Path) -> bool {
    matches!(path, Path::Resource(GAUGE, _, resource) if resource == ResourceId::new(COUNTER))
}

/// The values of the Counters in a content, in its order.
pub(crate) fn counters(content: &Content) -> impl Iterator<Item = (Path, i64)> {
    let entries = content.entries().iter();
    entries.filter_map(|Entry { path, value, .. }| match (path, value) {
        (Path::Resource(GAUGE, _, resource), Some(Value::Integer(number)))
            if *resource == ResourceId::new(COUNTER) =>
        {
            Some((*path, *number))
        }
        _ => None,
    })
}
