//! The cost of work, in calls to Objects.

use core::cell::Cell;

use lwm2m_core::{
    Code, ContentFormat, DataType, InstanceId, Method, ObjectId, Path, ResourceId, Value,
};
use lwm2m_objects::{
    Change, Object, ObjectDefinition, Operations, ReadError, ResourceDefinition, ResourceSink,
    Store, typed::Server,
};
use lwm2m_statemachine::{ClientConfig, Session};

use crate::{
    hosts::{self, Hosts, secured},
    observe::observe,
    support::{Bench, on, path, server_id, tree},
};

static RESOURCES: [ResourceDefinition; 1] =
    [
        ResourceDefinition::new(0, "Values", Operations::ReadWrite, DataType::Integer)
            .multiple()
            .mandatory(),
    ];
static VALUES: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(26241),
    "Values",
    "urn:oma:lwm2m:x:26241",
    &RESOURCES,
)
.multiple();

/// A Store that counts its calls, and that changes by itself.
struct Counting {
    store: Store,
    reads: Cell<usize>,
    walks: Cell<usize>,
    changed: Vec<Path>,
}

impl Counting {
    fn new(store: Store) -> Self {
        Self {
            store,
            reads: Cell::new(0),
            walks: Cell::new(0),
            changed: Vec::new(),
        }
    }
}

impl Object for Counting {
    fn definition(&self) -> &ObjectDefinition {
        self.store.definition()
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        self.walks.set(self.walks.get() + 1);
        self.store.next_instance(after)
    }

    fn has_instance(&self, instance: InstanceId) -> bool {
        self.store.has_instance(instance)
    }

    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        self.store.has(instance, resource)
    }

    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        self.store.read(instance, resource, out)
    }

    fn apply(&mut self, changes: &[Change]) {
        self.store.apply(changes);
    }

    fn poll_changed(&mut self) -> Option<Path> {
        self.changed.pop()
    }
}

/// A Client with an Object of this many Instances and this many observations.
fn bench(instances: u16, observations: u8) -> Bench {
    let server = Server {
        default_minimum_period: Some(0),
        ..Server::new(server_id(101), 86_400)
    };
    let mut tree = tree(server.clone());
    tree.add(Counting::new(Store::of([(InstanceId::ZERO, server)])));
    let ids = (0..instances).map(|id| InstanceId::new(id).unwrap());
    let store = ids.fold(Store::new(&VALUES), |store, id| {
        store.with_instances(id, 0, [(0, 0)])
    });
    tree.add(Counting::new(store));
    let mut bench = Bench::with_tree(ClientConfig::new("growth", [7; 32]), tree);
    bench.accept_register();
    for token in 0..observations {
        bench.request(&[token], observe(0, "/26241/0"));
    }
    bench
}

/// The calls since the last look: Reads, and steps over its Instances.
fn counted(bench: &Bench, object: ObjectId) -> (usize, usize) {
    let object: &Counting = bench.client.tree().object_as(object).unwrap();
    (object.reads.take(), object.walks.take())
}

/// Resource Instances 0 to `count`, all 7, as TLV.
fn array(count: u16) -> Vec<u8> {
    let mut payload = Vec::new();
    for id in 0..count {
        payload.push(0x61);
        payload.extend(id.to_be_bytes());
        payload.push(7);
    }
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0x98, 0, length[1], length[2], length[3]], &*payload].concat()
}

#[test]
fn a_write_of_many_values_looks_at_the_periods_of_each_server_once() {
    let reads = |values, observations| {
        let mut bench = bench(1, observations);
        let mut write = on(Method::Put, "/26241/0/0");
        write.content_format(ContentFormat::TLV).unwrap();
        write.payload(&array(values));
        counted(&bench, ObjectId::SERVER);
        assert_eq!(bench.code(write), Code::CHANGED);
        let periods = counted(&bench, ObjectId::SERVER).0;
        bench.client.handle_timeout(bench.now);
        assert_eq!(bench.all_sent().len(), usize::from(observations));
        periods
    };
    let least = reads(1, 1);
    assert!(least > 0);
    assert_eq!(reads(10_000, 64), least);
}

#[test]
fn many_object_instances_that_come_and_go_are_listed_once() {
    let walks = |changes: u16| {
        let mut bench = bench(50, 1);
        let object = VALUES.id;
        counted(&bench, object);
        let act = |object: &mut Counting| {
            let paths =
                (0..changes).map(|id| Path::Instance(VALUES.id, InstanceId::new(id).unwrap()));
            object.changed = paths.collect();
        };
        bench.client.object(bench.now, object, act).unwrap();
        counted(&bench, object).1
    };
    let least = walks(1);
    assert!(least > 50);
    assert_eq!(walks(2_000), least);
}

/// It is the same for all (TS 5.3.2).
#[test]
fn the_object_list_is_made_once_for_all_servers() {
    let walks = |servers: u16, change: &dyn Fn(&mut Hosts)| {
        let accounts = (0..servers).map(|of| secured(&format!("host{of}"), 101 + of, 86_400));
        let mut tree = hosts::tree(accounts);
        let values = Store::new(&VALUES).with_instances(InstanceId::ZERO, 0, [(0, 0)]);
        tree.add(Counting::new(values));
        let mut hosts = Hosts::new(tree);
        hosts.client.start(hosts.now);
        hosts.connect_all(Session::New);
        hosts.accept_all();
        let walked = |hosts: &Hosts| {
            let object: &Counting = hosts.client.tree().object_as(VALUES.id).unwrap();
            object.walks.take()
        };
        walked(&hosts);
        change(&mut hosts);
        let updates = hosts.sent().len();
        (updates, walked(&hosts))
    };
    let set = |at: &str, value: Value| Change::Set {
        path: path(at),
        value,
    };
    let lifetime = |hosts: &mut Hosts| {
        let change = [set("/1/10/1", 3600.into())];
        hosts.client.change(hosts.now, change).unwrap();
    };
    let account = |hosts: &mut Hosts| {
        let (security, server) = secured("new", 301, 86_400);
        let changes = [hosts::create(20, security), hosts::create(20, server)].concat();
        hosts.client.change(hosts.now, changes).unwrap();
    };
    let object = |hosts: &mut Hosts| {
        let changes = hosts::create(20, Server::new(server_id(302), 60));
        hosts.client.change(hosts.now, changes).unwrap();
    };
    let (updates, once) = walks(1, &lifetime);
    assert_eq!(updates, 1);
    assert!(once > 0);
    assert_eq!(walks(6, &lifetime), (1, once));
    assert_eq!(walks(6, &account), (6, once));
    assert_eq!(walks(6, &object), (6, once));
    // Nothing that they know has changed.
    let unknown = |hosts: &mut Hosts| {
        hosts.client.set(hosts.now, path("/3/0/9"), 5).unwrap();
    };
    assert_eq!(walks(6, &unknown), (0, 0));
}

/// A change looks at the observations that it concerns, and at no others.
#[test]
fn a_change_costs_nothing_for_observations_of_other_paths() {
    let calls = |others: u8| {
        let mut bench = bench(3, 0);
        bench.request(b"a change", observe(0, "/26241/0"));
        for token in 0..others {
            let at = if token % 2 == 0 {
                "/26241/1"
            } else {
                "/26241/2/0"
            };
            bench.request(&[token], observe(0, at));
        }
        let object = VALUES.id;
        counted(&bench, object);
        let change = |object: &mut Counting| {
            let id = InstanceId::ZERO;
            object.changed = vec![Path::Resource(VALUES.id, id, ResourceId::new(0))];
        };
        bench.client.object(bench.now, object, change).unwrap();
        bench.client.handle_timeout(bench.now);
        assert_eq!(bench.all_sent().len(), 1);
        counted(&bench, object)
    };
    assert_eq!(calls(50), calls(0));
}
