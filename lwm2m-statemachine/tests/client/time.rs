//! Objects get the time before any call, and at their deadlines.

use core::time::Duration;

use lwm2m_core::{
    Arguments, Code, ContentFormat, DataType, InstanceId, Instant, Method, ObjectId, Path,
    ResourceId, ValueRef,
};
use lwm2m_objects::{
    Change, ExecuteError, Execution, Object, ObjectDefinition, Operations, Piece, ReadError,
    ResourceDefinition, ResourceSink, WriteError, typed,
};
use lwm2m_statemachine::{
    ClientConfig,
    coap::{BlockOption, MessageBuf},
};

use crate::{
    observe::observe,
    support::{Bench, Sent, get, on, path, server_id, tree},
};

static RESOURCES: [ResourceDefinition; 5] = [
    ResourceDefinition::new(0, "Now", Operations::Read, DataType::Integer).mandatory(),
    ResourceDefinition::new(1, "Written", Operations::ReadWrite, DataType::Integer).mandatory(),
    ResourceDefinition::executable(2, "Act").mandatory(),
    ResourceDefinition::new(3, "Stream", Operations::Write, DataType::Opaque).mandatory(),
    ResourceDefinition::new(4, "Last", Operations::Read, DataType::Integer).mandatory(),
];
static CLOCK: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(26241),
    "Clock",
    "urn:oma:lwm2m:x:26241",
    &RESOURCES,
);

/// An Object that keeps the last time that it got, and the time of the last change.
#[derive(Default)]
struct Clock {
    now: Instant,
    last: Instant,
    /// Its deadline.
    alarm: Option<Instant>,
    has_rung: bool,
}

impl Object for Clock {
    fn definition(&self) -> &ObjectDefinition {
        &CLOCK
    }

    fn read(
        &self,
        _: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        let at = if resource.get() == 0 {
            self.now
        } else {
            self.last
        };
        out.value(ValueRef::Integer(i64::try_from(at.as_millis()).unwrap()))
    }

    fn apply(&mut self, _: &[Change]) {
        self.last = self.now;
    }

    fn execute(
        &mut self,
        _: InstanceId,
        _: ResourceId,
        _: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        self.last = self.now;
        Ok(Execution::Done)
    }

    fn streams(&self, resource: ResourceId) -> bool {
        resource.get() == 3
    }

    fn stream(&mut self, _: InstanceId, _: ResourceId, _: Piece<'_>) -> Result<(), WriteError> {
        self.last = self.now;
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.alarm.take_if(|alarm| *alarm <= now).is_some() {
            self.last = now;
            self.has_rung = true;
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.alarm
    }

    fn poll_changed(&mut self) -> Option<Path> {
        core::mem::take(&mut self.has_rung).then(|| path("/26241/0/4"))
    }
}

fn bench() -> Bench {
    let server = typed::Server {
        default_maximum_period: Some(60),
        ..typed::Server::new(server_id(101), 86_400)
    };
    let mut tree = tree(server);
    tree.add(Clock::default());
    let mut bench = Bench::with_tree(ClientConfig::new("clock", [7; 32]), tree);
    bench.accept_register();
    // Time passes, and nothing is due.
    bench.now += Duration::from_millis(12_345);
    bench
}

fn text_of(path: &str) -> MessageBuf {
    let mut read = get(path);
    read.accept(ContentFormat::TEXT).unwrap();
    read
}

fn last(bench: &Bench) -> Instant {
    bench
        .client
        .tree()
        .object_as::<Clock>(CLOCK.id)
        .unwrap()
        .last
}

fn text(sent: &Sent) -> String {
    String::from_utf8(sent.payload().to_vec()).unwrap()
}

#[test]
fn a_read_tells_values_as_of_now() {
    let mut bench = bench();
    let answer = bench.request(b"r", text_of("/26241/0/0"));
    assert_eq!(text(&answer), bench.now.as_millis().to_string());
}

#[test]
fn a_notification_tells_values_as_of_when_it_is_sent() {
    let mut bench = bench();
    let mut request = observe(0, "/26241/0/0");
    request.accept(ContentFormat::TEXT).unwrap();
    bench.request(b"o", request);
    bench.now += Duration::from_secs(61);
    bench.client.handle_timeout(bench.now);
    assert_eq!(text(&bench.sent()), bench.now.as_millis().to_string());
}

#[test]
fn what_an_object_changes_when_its_time_comes_is_notified_at_once() {
    let mut bench = bench();
    let mut request = observe(0, "/26241/0/4");
    request.accept(ContentFormat::TEXT).unwrap();
    bench.request(b"o", request);
    let alarm = bench.now + Duration::from_secs(5);
    let set = |clock: &mut Clock| clock.alarm = Some(alarm);
    bench.client.object(bench.now, CLOCK.id, set).unwrap();
    assert_eq!(
        text(&bench.pass_until_sent()),
        alarm.as_millis().to_string()
    );
    assert_eq!(bench.now, alarm);
}

#[test]
fn a_write_and_an_execute_are_done_now() {
    for request in [
        on(Method::Put, "/26241/0/1"),
        on(Method::Post, "/26241/0/2"),
    ] {
        let mut bench = bench();
        let mut request = request;
        request.content_format(ContentFormat::TEXT).unwrap();
        request.payload(b"1");
        assert_eq!(bench.code(request), Code::CHANGED);
        assert_eq!(last(&bench), bench.now);
    }
}

#[test]
fn each_piece_of_a_write_is_taken_when_it_comes() {
    let mut bench = bench();
    for number in 0..3 {
        bench.now += Duration::from_secs(1);
        let mut block = on(Method::Put, "/26241/0/3");
        let option = BlockOption::new(number, number < 2, 16).unwrap();
        block.content_format(ContentFormat::OPAQUE).unwrap();
        block.block1(option).unwrap().payload(&[7; 16]);
        bench.code(block);
        assert_eq!(last(&bench), bench.now, "block {number}");
    }
}

#[test]
fn the_application_meets_an_object_that_knows_the_time() {
    let mut bench = bench();
    let known = bench
        .client
        .object(bench.now, CLOCK.id, |clock: &mut Clock| clock.now);
    assert_eq!(known, Some(bench.now));
    assert!(bench.client.tree().get(path("/26241/0/0")).is_some());
}
