//! Notifying many observations of one value costs the same per observation as notifying few:
//! allocations, and calls to the Object. One test, because the counter is global.

#[path = "client/support.rs"]
#[expect(
    dead_code,
    reason = "this needs less of the Client than its other tests"
)]
mod support;

use core::{cell::Cell, time::Duration};

use lwm2m_core::{Code, InstanceId, Method, ObjectId, ResourceId};
use lwm2m_kit::heap::{change, count, least};
use lwm2m_objects::{
    Change, DEVICE, Object, ObjectDefinition, ReadError, ResourceSink, Store, typed,
};
use lwm2m_statemachine::{
    ClientConfig,
    coap::{MessageBuf, MessageRef},
};

use support::{Bench, on, path, server_id, tree};

lwm2m_kit::count_allocations!();

/// The Device, whose calls are counted.
struct Counting {
    store: Store,
    calls: Cell<usize>,
}

impl Counting {
    fn call(&self) -> &Store {
        self.calls.set(self.calls.get() + 1);
        &self.store
    }
}

impl Object for Counting {
    fn definition(&self) -> &ObjectDefinition {
        self.store.definition()
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        self.call().next_instance(after)
    }

    fn has_instance(&self, instance: InstanceId) -> bool {
        self.call().has_instance(instance)
    }

    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        self.call().has(instance, resource)
    }

    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        self.call().read(instance, resource, out)
    }

    fn apply(&mut self, changes: &[Change]) {
        self.store.apply(changes);
    }
}

/// A Client with so many observations of this path by a server, which has set an attribute.
fn observed(count: u16, path: &str, attributes: &str) -> Bench {
    let mut config = ClientConfig::new("allocation", [7; 32]);
    config.most_observations = usize::from(count);
    let mut tree = tree(typed::Server::new(server_id(101), 86_400));
    tree.add(Counting {
        store: Store::new(&DEVICE).with(InstanceId::ZERO, 9, 50),
        calls: Cell::new(0),
    });
    let mut bench = Bench::with_tree(config, tree);
    bench.accept_register();
    if !attributes.is_empty() {
        let mut write = on(Method::Put, "/3/0/9");
        write.uri_query(attributes).unwrap();
        assert_eq!(bench.code(write), Code::CHANGED);
    }
    for token in 0..count {
        let mut observe = MessageBuf::request(Method::Get);
        observe.observe(0).unwrap();
        for segment in path.split('/').skip(1) {
            observe.uri_path(segment).unwrap();
        }
        // So that no more requests are remembered than there may be.
        bench.now += Duration::from_secs(1);
        let answer = bench.request(&token.to_be_bytes(), observe);
        assert!(answer.message().observe().is_some());
    }
    bench.events();
    bench
}

/// Changes the value; returns how many notifications leave.
fn notify(bench: &mut Bench) -> u16 {
    bench.now += Duration::from_secs(60);
    let level = bench.client.tree().object_as::<Counting>(ObjectId::DEVICE);
    let level = level.unwrap().store.get(path("/3/0/9")).cloned();
    let next = if level == Some(50.into()) { 60 } else { 50 };
    bench.client.handle_timeout(bench.now);
    bench.client.set(bench.now, path("/3/0/9"), next).unwrap();
    bench.client.handle_timeout(bench.now);
    let mut sent = 0;
    while let Some(transmit) = bench.client.poll_transmit() {
        let message = MessageRef::parse(transmit.payload).unwrap();
        assert_eq!(message.code(), Code::CONTENT);
        sent += 1;
    }
    sent
}

fn calls(bench: &Bench) -> usize {
    let device = bench.client.tree().object_as::<Counting>(ObjectId::DEVICE);
    device.unwrap().calls.take()
}

#[test]
fn a_thousand_observations_cost_as_much_each_as_ten() {
    for (path, attributes) in [
        ("/3/0/9", ""),
        ("/3/0/9", "pmin=5"),
        ("/3/0/9", "st=2"),
        ("/3/0", "gt=55"),
        ("/3", "pmax=3600"),
    ] {
        let cost = |observations| {
            let mut bench = observed(observations, path, attributes);
            // What the Client keeps grows once.
            for _ in 0..2 {
                assert_eq!(notify(&mut bench), observations);
            }
            calls(&bench);
            assert_eq!(notify(&mut bench), observations);
            let calls = calls(&bench);
            let allocations = least(|| count(&change(|| _ = notify(&mut bench))));
            (calls, allocations)
        };
        let (few, many) = (cost(10), cost(1_000));
        assert!(many.0 <= 100 * few.0, "calls: {few:?}, {many:?}");
        assert!(many.1 <= 100 * few.1, "allocations: {few:?}, {many:?}");
    }
}
