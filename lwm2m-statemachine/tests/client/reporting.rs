//! When notifications are due: pmin, pmax, gt, lt and st of each Resource (TS 5.1.2, 5.5.2), to the
//! millisecond.

use core::time::Duration;

use lwm2m_core::{
    AccessRights, Code, CodeKind, ContentFormat, DataType, InstanceId, Method, ObjectId, Value,
};
use lwm2m_objects::{
    ObjectDefinition, Operations, ResourceDefinition, Store,
    typed::{self, AccessControl},
};
use lwm2m_statemachine::{
    ClientConfig, Reliability,
    coap::{MessageBuf, MessageRef, MessageType},
};

use crate::{
    observe::observe,
    servers::{Two, access, access_control},
    support::{Bench, Sent, on, path, server_id, tree},
};

static RESOURCES: [ResourceDefinition; 5] = [
    ResourceDefinition::new(0, "Temperature", Operations::Read, DataType::Float).mandatory(),
    ResourceDefinition::new(1, "Set Point", Operations::ReadWrite, DataType::Integer),
    ResourceDefinition::new(2, "Cells", Operations::Read, DataType::Integer).multiple(),
    ResourceDefinition::new(3, "Place", Operations::ReadWrite, DataType::String),
    ResourceDefinition::new(4, "Secret", Operations::Write, DataType::String),
];
/// Numbers of every kind.
pub(crate) static SENSOR: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(26241),
    "Sensor",
    "urn:oma:lwm2m:x:26241",
    &RESOURCES,
)
.multiple();

/// Two sensors that read 20.
pub(crate) fn sensors() -> Store {
    sensors_of([0, 1])
}

pub(crate) fn sensors_of<const N: usize>(ids: [u16; N]) -> Store {
    let instances = ids.into_iter().filter_map(InstanceId::new);
    instances.fold(Store::new(&SENSOR).managed(4), |store, id| {
        store
            .with(id, 0, 20.0)
            .with(id, 1, 20)
            .with_instances(id, 2, [(0, 100), (1, 100)])
            .with(id, 3, "cellar")
            .with(id, 4, "secret")
    })
}

/// A Write-Attributes (TS 5.4.4).
pub(crate) fn attributes(at: &str, queries: &str) -> MessageBuf {
    let mut request = on(Method::Put, at);
    for query in queries.split('&') {
        request.uri_query(query).unwrap();
    }
    request
}

fn text(at: &str, value: &str) -> MessageBuf {
    let mut request = on(Method::Put, at);
    request
        .content_format(ContentFormat::TEXT)
        .unwrap()
        .payload(value.as_bytes());
    request
}

/// A Client with two sensors; the test is its only server.
pub(crate) struct Sensors(pub(crate) Bench);

impl Sensors {
    pub(crate) fn new() -> Self {
        Self::with(ClientConfig::new("sensors", [5; 32]))
    }

    pub(crate) fn with(config: ClientConfig) -> Self {
        let mut tree = tree(typed::Server {
            default_minimum_period: Some(0),
            ..typed::Server::new(server_id(101), 86_400)
        });
        tree.add(sensors());
        let mut bench = Bench::with_tree(config, tree);
        bench.accept_register();
        Self(bench)
    }

    /// Writes attributes.
    pub(crate) fn write(&mut self, at: &str, queries: &str) {
        assert_eq!(self.0.code(attributes(at, queries)), Code::CHANGED);
    }

    pub(crate) fn observe(&mut self, token: &[u8], at: &str) {
        let answer = self.0.request(token, observe(0, at));
        assert_eq!(answer.code(), Code::CONTENT);
        assert!(answer.message().observe().is_some());
    }

    pub(crate) fn set(&mut self, at: &str, value: impl Into<Value>) {
        self.0.client.set(self.0.now, path(at), value).unwrap();
    }

    /// After how many milliseconds the next notification leaves, within so many; and the notification.
    pub(crate) fn next(&mut self, within: u64) -> Option<(u64, Sent)> {
        let start = self.0.now;
        let end = start + Duration::from_millis(within);
        loop {
            self.0.client.handle_timeout(self.0.now);
            let mut sent = self.0.all_sent();
            assert!(sent.len() <= 1, "one at a time");
            if let Some(sent) = sent.pop() {
                let after = self.0.now.saturating_duration_since(start);
                return Some((u64::try_from(after.as_millis()).unwrap(), sent));
            }
            let Some(next) = self.0.client.poll_timeout().filter(|next| *next <= end) else {
                self.0.now = end;
                return None;
            };
            self.0.now = next.max(self.0.now);
        }
    }

    /// Only after how many milliseconds.
    pub(crate) fn after(&mut self, within: u64) -> Option<u64> {
        self.next(within).map(|(after, _)| after)
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        assert_eq!(self.after(millis), None, "nothing is due yet");
    }
}

const HOUR: u64 = 3_600_000;

#[test]
fn each_resource_of_an_instance_is_judged_by_its_own_periods() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0", "pmin=10&pmax=60");
    sensors.write("/26241/0/1", "pmin=2");
    sensors.write("/26241/0/3", "pmin=5&pmax=40");
    sensors.observe(b"i", "/26241/0");
    // The Resource with the shortest Maximum Period makes all due.
    assert_eq!(sensors.after(HOUR), Some(40_000));
    assert_eq!(sensors.after(HOUR), Some(40_000));
    // Each change waits for the Minimum Period of its Resource.
    sensors.set("/26241/0/0", 21.0);
    assert_eq!(sensors.after(HOUR), Some(10_000));
    sensors.pass(1);
    sensors.set("/26241/0/1", 21);
    assert_eq!(sensors.after(HOUR), Some(1999));
    // The earliest one sends all, and sending restarts all.
    sensors.set("/26241/0/0", 22.0);
    sensors.set("/26241/0/3", "attic");
    assert_eq!(sensors.after(HOUR), Some(5000));
    assert_eq!(sensors.after(HOUR), Some(40_000));
}

#[test]
fn an_observation_of_an_object_sees_the_attributes_of_each_instance() {
    let mut sensors = Sensors::new();
    sensors.write("/26241", "pmin=30");
    sensors.write("/26241/1", "pmin=3");
    sensors.observe(b"o", "/26241");
    sensors.set("/26241/0/0", 21.0);
    sensors.pass(29_999);
    assert_eq!(sensors.after(HOUR), Some(1));
    sensors.set("/26241/0/0", 22.0);
    sensors.set("/26241/1/0", 22.0);
    assert_eq!(sensors.after(HOUR), Some(3000));
    sensors.pass(HOUR);
}

/// TS 5.1.1, rules 3 to 5, and the defaults of TS E.2.
#[test]
fn the_lowest_level_that_sets_an_attribute_decides_and_the_account_last() {
    let mut sensors = Sensors::new();
    assert_eq!(sensors.0.code(text("/1/0/2", "7")), Code::CHANGED);
    for (at, queries, expected) in [
        ("", "", 7000),
        ("/26241", "pmin=6", 6000),
        ("/26241/0", "pmin=5", 5000),
        ("/26241/0/0", "pmin=4", 4000),
        ("/26241/0", "pmin", 4000),
        ("/26241/0/0", "pmin", 6000),
        ("/26241", "pmin", 7000),
    ] {
        if !at.is_empty() {
            sensors.write(at, queries);
        }
        sensors.observe(b"t", "/26241/0/0");
        let value = sensors.0.client.tree().get(path("/26241/0/0"));
        let Some(Value::Float(value)) = value else {
            panic!("{value:?}");
        };
        sensors.set("/26241/0/0", value + 1.0);
        assert_eq!(sensors.after(HOUR), Some(expected), "{at} {queries}");
    }
}

#[test]
fn what_counts_within_the_minimum_period_is_notified_at_its_end_even_if_undone() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0/0", "pmin=10");
    sensors.observe(b"t", "/26241/0/0");
    sensors.set("/26241/0/0", 21.0);
    sensors.pass(4000);
    sensors.set("/26241/0/0", 20.0);
    let (after, sent) = sensors.next(HOUR).unwrap();
    assert_eq!((after, sent.payload()[0]), (6000, 0xC4));
    assert_eq!(sent.payload()[2..], 20_f32.to_be_bytes());
    // At the end of the Minimum Period or later, a change is notified at once.
    sensors.pass(9999);
    sensors.set("/26241/0/0", 21.0);
    assert_eq!(sensors.after(HOUR), Some(1));
    sensors.pass(10_000);
    sensors.set("/26241/0/0", 22.0);
    assert_eq!(sensors.after(HOUR), Some(0));
}

#[test]
fn with_thresholds_only_crossings_count_between_successive_values() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0/0", "gt=50&lt=10");
    sensors.observe(b"t", "/26241/0/0");
    for (value, notified) in [
        (49.0, false),
        // Reaching the threshold is crossing it; leaving it isn't.
        (50.0, true),
        (51.0, false),
        (90.0, false),
        (50.0, true),
        (49.5, false),
        (50.5, true),
        (20.0, true),
        (10.0, true),
        (9.0, false),
        (60.0, true),
        (9.0, true),
    ] {
        sensors.set("/26241/0/0", value);
        let expected = notified.then_some(0);
        assert_eq!(sensors.after(1000), expected, "{value}");
    }
}

#[test]
fn a_step_is_against_the_value_that_was_sent_last() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0/0", "st=5");
    sensors.observe(b"t", "/26241/0/0");
    for (value, notified) in [
        (24.9, false),
        // Against the first answer.
        (25.0, true),
        (29.0, false),
        (21.0, false),
        (20.0, true),
        (15.1, false),
        (24.9, false),
        (15.0, true),
    ] {
        sensors.set("/26241/0/0", value);
        let expected = notified.then_some(0);
        assert_eq!(sensors.after(1000), expected, "{value}");
    }
}

#[test]
fn the_maximum_period_sends_a_value_that_a_step_is_then_against() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0/0", "st=5&pmax=60");
    sensors.observe(b"t", "/26241/0/0");
    sensors.pass(10_000);
    sensors.set("/26241/0/0", 24.0);
    assert_eq!(sensors.after(HOUR), Some(50_000));
    sensors.set("/26241/0/0", 28.0);
    assert_eq!(sensors.after(1000), None);
    sensors.set("/26241/0/0", 29.0);
    assert_eq!(sensors.after(1000), Some(0));
}

#[test]
fn each_instance_of_a_multiple_resource_counts_on_its_own() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0/2", "st=10&lt=50");
    sensors.observe(b"t", "/26241/0/2");
    // Nine each is no step of eighteen.
    sensors.set("/26241/0/2/0", 91);
    sensors.set("/26241/0/2/1", 91);
    assert_eq!(sensors.after(1000), None);
    sensors.set("/26241/0/2/1", 90);
    assert_eq!(sensors.after(1000), Some(0));
    // Both were sent, so both begin anew.
    sensors.set("/26241/0/2/0", 82);
    assert_eq!(sensors.after(1000), None);
    sensors.set("/26241/0/2/0", 81);
    assert_eq!(sensors.after(1000), Some(0));
}

#[test]
fn a_resource_with_thresholds_does_not_speak_for_its_neighbours() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0/0", "st=5");
    sensors.observe(b"i", "/26241/0");
    sensors.set("/26241/0/0", 21.0);
    assert_eq!(sensors.after(1000), None);
    sensors.set("/26241/0/1", 21);
    assert_eq!(sensors.after(1000), Some(0));
    // All was sent: the step is now against 21.
    sensors.set("/26241/0/0", 25.5);
    assert_eq!(sensors.after(1000), None);
    sensors.set("/26241/0/0", 26.0);
    assert_eq!(sensors.after(1000), Some(0));
}

#[test]
fn what_the_observer_cannot_read_and_the_same_value_are_no_change() {
    let mut sensors = Sensors::new();
    sensors.observe(b"i", "/26241/0");
    assert_eq!(sensors.0.code(text("/26241/0/4", "other")), Code::CHANGED);
    assert_eq!(sensors.0.code(text("/26241/0/3", "cellar")), Code::CHANGED);
    assert_eq!(sensors.after(1000), None);
    assert_eq!(sensors.0.code(text("/26241/0/3", "attic")), Code::CHANGED);
    assert_eq!(sensors.after(1000), Some(0));
}

#[test]
fn written_attributes_arm_running_observations_at_once() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0/0", "pmin=3600");
    sensors.observe(b"t", "/26241/0/0");
    sensors.pass(5000);
    sensors.set("/26241/0/0", 21.0);
    sensors.pass(5000);
    // It has counted; with a shorter Minimum Period it is due.
    sensors.write("/26241/0/0", "pmin=20");
    assert_eq!(sensors.after(HOUR), Some(10_000));
    sensors.set("/26241/0/0", 22.0);
    sensors.pass(15_000);
    sensors.write("/26241/0/0", "pmin=10");
    assert_eq!(sensors.after(HOUR), Some(0));
    // A Maximum Period counts from the last notification.
    sensors.pass(4000);
    sensors.write("/26241/0/0", "pmax=10");
    assert_eq!(sensors.after(HOUR), Some(6000));
    sensors.pass(4000);
    sensors.write("/26241/0/0", "pmin&pmax");
    sensors.pass(HOUR);
    // From now on only steps count, against the value that was sent.
    sensors.write("/26241/0/0", "st=2");
    sensors.set("/26241/0/0", 23.0);
    assert_eq!(sensors.after(1000), None);
    // A smaller step has been taken already.
    sensors.write("/26241/0/0", "st=1");
    assert_eq!(sensors.after(1000), Some(0));
    sensors.write("/26241/0/0", "st");
    sensors.set("/26241/0/0", 23.1);
    assert_eq!(sensors.after(1000), Some(0));
}

/// TS 5.1.2: pmax is not smaller than pmin. Where the levels disagree, there is none.
#[test]
fn a_maximum_period_below_the_minimum_period_is_none() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0", "pmax=10");
    sensors.write("/26241/0/0", "pmin=20");
    sensors.observe(b"t", "/26241/0/0");
    sensors.pass(HOUR);
    sensors.write("/26241/0/0", "pmin=10");
    assert_eq!(sensors.after(HOUR), Some(0));
    assert_eq!(sensors.after(HOUR), Some(10_000));
}

#[test]
fn attributes_of_one_server_never_touch_another() {
    let servers = [101, 102].map(|id| typed::Server::new(server_id(id), 86_400));
    let mut two = Two::with(servers, |tree| {
        tree.add(sensors());
        let both = [AccessRights::READ; 2];
        tree.add(access_control([access(26241, 0, both)]));
    });
    assert_eq!(
        two.code(0, attributes("/26241/0/0", "st=5&pmin=10")),
        Code::CHANGED
    );
    for server in [0, 1] {
        assert_eq!(two.code(server, observe(0, "/26241/0/0")), Code::CONTENT);
    }
    let mut told = Vec::new();
    for value in [21.0, 30.0] {
        let now = two.now;
        two.client.set(now, path("/26241/0/0"), value).unwrap();
        two.client.handle_timeout(now);
        told.extend(two.sent().into_iter().map(|(server, _)| server));
    }
    assert_eq!(told, [1, 1]);
    two.now += Duration::from_secs(10);
    two.client.handle_timeout(two.now);
    let told: Vec<_> = two.sent().into_iter().map(|(server, _)| server).collect();
    assert_eq!(told, [0]);
}

/// TS 7.3.2.5.
#[test]
fn without_the_right_to_read_there_is_silence_until_the_right_is_back() {
    let all = AccessControl::OWNER_RIGHTS;
    let rights = |second| access(26241, 0, [all, second]);
    let servers = [101, 102].map(|id| typed::Server {
        default_maximum_period: Some(60),
        ..typed::Server::new(server_id(id), 86_400)
    });
    let mut two = Two::with(servers, |tree| {
        tree.add(sensors());
        tree.add(access_control([rights(AccessRights::READ)]));
    });
    assert_eq!(two.code(1, observe(0, "/26241/0/0")), Code::CONTENT);
    let grant = |two: &mut Two, bits: i64| {
        let now = two.now;
        two.client.set(now, path("/2/0/2/102"), bits).unwrap();
        two.client.handle_timeout(now);
        two.sent().len()
    };
    let later = |two: &mut Two, seconds| {
        two.now += Duration::from_secs(seconds);
        two.client.handle_timeout(two.now);
        two.sent().len()
    };
    assert_eq!(later(&mut two, 60), 1);
    assert_eq!(grant(&mut two, 0), 0);
    // Neither the Maximum Period nor a change makes one due, and nothing waits for either.
    let now = two.now;
    two.client.set(now, path("/26241/0/0"), 21.0).unwrap();
    assert_eq!(later(&mut two, 0), 0);
    assert_eq!(later(&mut two, 600), 0);
    // The Maximum Period has passed meanwhile.
    assert_eq!(grant(&mut two, 1), 1);
    assert_eq!(later(&mut two, 59), 0);
    assert_eq!(later(&mut two, 1), 1);
    // What changed without the right is news when the right is back.
    assert_eq!(grant(&mut two, 0), 0);
    let now = two.now;
    two.client.set(now, path("/26241/0/0"), 22.0).unwrap();
    assert_eq!(later(&mut two, 1), 0);
    assert_eq!(grant(&mut two, 1), 1);
}

/// TS 7.3.2.5: what changed without the right is one change, from the last value that could be read.
#[test]
fn thresholds_that_are_set_without_the_right_hold_when_it_is_back() {
    let servers = [101, 102].map(|id| typed::Server::new(server_id(id), 86_400));
    let all = AccessControl::OWNER_RIGHTS;
    let mut two = Two::with(servers, |tree| {
        tree.add(sensors());
        tree.add(access_control([access(26241, 0, [all; 2])]));
    });
    assert_eq!(two.code(1, observe(0, "/26241/0/0")), Code::CONTENT);
    let set = |two: &mut Two, at, value: Value| {
        let now = two.now;
        two.client.set(now, path(at), value).unwrap();
        two.client.handle_timeout(now);
        two.sent().len()
    };
    assert_eq!(set(&mut two, "/2/0/2/102", 0.into()), 0);
    assert_eq!(
        two.code(1, attributes("/26241/0/0", "lt=15")),
        Code::CHANGED
    );
    assert_eq!(set(&mut two, "/26241/0/0", 16.0.into()), 0);
    assert_eq!(set(&mut two, "/26241/0/0", 10.0.into()), 0);
    assert_eq!(set(&mut two, "/2/0/2/102", 1.into()), 1);
}

/// TS 5.4.7, RFC 7641 §4.2.
#[test]
fn a_deleted_instance_ends_its_observations_for_all_servers() {
    let all = AccessControl::OWNER_RIGHTS;
    let servers = [101, 102].map(|id| typed::Server {
        default_minimum_period: Some(60),
        ..typed::Server::new(server_id(id), 86_400)
    });
    let mut two = Two::with(servers, |tree| {
        tree.add(sensors());
        tree.add(access_control([
            access(26241, 0, [all; 2]),
            access(26241, 1, [all; 2]),
        ]));
    });
    for server in [0, 1] {
        for (token, at) in [
            (b"i", "/26241/0"),
            (b"r", "/26241/0/0"),
            (b"n", "/26241/1"),
            (b"o", "/26241"),
        ] {
            let answer = two.answer_to(server, token, observe(0, at));
            let answer = MessageRef::parse(&answer).unwrap();
            assert_eq!(answer.code(), Code::CONTENT);
        }
    }
    let mut sent = two.told(0, b"d", on(Method::Delete, "/26241/0"));
    let answer = sent.remove(0).1;
    assert_eq!(MessageRef::parse(&answer).unwrap().code(), Code::DELETED);
    // The Updates with the remaining Object Instances go first.
    let mut deleted = Vec::new();
    for (server, bytes) in sent {
        let update = MessageRef::parse(&bytes).unwrap();
        let answer = MessageBuf::response(Code::CHANGED).finish(
            MessageType::Acknowledgement,
            update.message_id(),
            update.token(),
        );
        two.datagram(server, answer.as_ref());
        while let Some((server, bytes)) = two.sent().pop() {
            let id = MessageRef::parse(&bytes)
                .unwrap()
                .message_id()
                .to_be_bytes();
            two.datagram(server, &[0x60, 0, id[0], id[1]]);
            deleted.push((server, bytes));
        }
    }
    let mut ended: Vec<_> = deleted
        .iter()
        .map(|(server, bytes)| (*server, MessageRef::parse(bytes).unwrap()))
        .filter(|(_, message)| message.code() == Code::NOT_FOUND)
        .map(|(server, message)| (server, message.token().as_bytes().to_vec()))
        .collect();
    ended.sort();
    let expected = [(0, b"i"), (0, b"r"), (1, b"i"), (1, b"r")];
    assert_eq!(
        ended,
        expected.map(|(server, token)| (server, token.to_vec()))
    );
    // The Object has changed, and goes on.
    two.now += Duration::from_secs(60);
    two.client.handle_timeout(two.now);
    let told = two.sent().into_iter();
    let told = told.filter(|(_, bytes)| {
        let message = MessageRef::parse(bytes).unwrap();
        message.token().as_bytes() == b"o"
    });
    assert_eq!(told.count(), 2);
}

/// Tokens of what is sent within some seconds, acknowledged one by one.
fn acknowledged(sensors: &mut Sensors, seconds: u64) -> Vec<(Code, Vec<u8>)> {
    let mut all = Vec::new();
    let end = sensors.0.now + Duration::from_secs(seconds);
    while sensors.0.now < end {
        sensors.0.client.handle_timeout(sensors.0.now);
        while let Some(sent) = sensors.0.all_sent().pop() {
            let message = sent.message();
            let id = message.message_id();
            if message.code().kind() == CodeKind::Request {
                sensors.0.answer(&sent, MessageBuf::response(Code::CHANGED));
                continue;
            }
            all.push((message.code(), message.token().as_bytes().to_vec()));
            sensors.0.datagram(&[[0x60, 0], id.to_be_bytes()].concat());
        }
        sensors.0.now += Duration::from_millis(100);
    }
    all.sort();
    all
}

#[test]
fn notifications_without_room_to_send_them_follow_when_there_is_some() {
    let mut config = ClientConfig::new("narrow", [5; 32]);
    config.notifications = Reliability::Confirmable;
    config.coap.bounds.transmissions_per_peer = 2;
    let mut sensors = Sensors::with(config);
    let tokens = [b"1", b"2", b"3", b"4", b"5"];
    for token in tokens {
        sensors.observe(token, "/26241/0/1");
    }
    sensors.set("/26241/0/1", 21);
    let all = acknowledged(&mut sensors, 5);
    assert_eq!(all, tokens.map(|token| (Code::CONTENT, token.to_vec())));
    // So do the errors that end observations.
    let now = sensors.0.now;
    sensors
        .0
        .client
        .object(now, SENSOR.id, |store: &mut Store| {
            *store = sensors_of([1]);
        });
    sensors.0.client.changed(now, path("/26241/0"));
    let all = acknowledged(&mut sensors, 5);
    assert_eq!(all, tokens.map(|token| (Code::NOT_FOUND, token.to_vec())));
    assert_eq!(sensors.0.client.reporting().observations().count(), 0);
}

/// TS 7.3.2.5: however much of it changes.
#[test]
fn many_changes_that_cannot_be_read_notify_nobody() {
    const SENSORS: usize = 66;
    let servers = [101, 102].map(|id| typed::Server::new(server_id(id), 86_400));
    let mut two = Two::with(servers, |tree| {
        let ids = core::array::from_fn::<u16, SENSORS, _>(|id| u16::try_from(id).unwrap());
        tree.add(sensors_of(ids));
        let (read, none) = (AccessRights::READ, AccessRights::NONE);
        let rights = [(0, read), (65, none)];
        tree.add(access_control(
            rights.map(|(sensor, rights)| access(26241, sensor, [read, rights])),
        ));
    });
    two.answer_to(1, b"o", observe(0, "/26241"));
    let now = two.now;
    for sensor in 1..SENSORS {
        let at = path(&format!("/26241/{sensor}/1"));
        two.client.set(now, at, 21).unwrap();
    }
    two.client.handle_timeout(now);
    assert_eq!(two.sent(), []);
    // One of them that can be read later is told.
    two.client.set(now, path("/2/1/2/102"), 1).unwrap();
    two.client.handle_timeout(now);
    let sent = two.sent();
    let codes = sent.iter().map(|(server, bytes)| {
        let message = MessageRef::parse(bytes).unwrap();
        (*server, message.code(), message.observe().is_some())
    });
    assert!(codes.eq([(1, Code::CONTENT, true)]));
}

/// TS 5.1.2: whole numbers are compared as such, up to the ends of 64 bits, where a Float has no more room
/// for the last digits.
#[test]
fn large_integers_are_told_apart() {
    const LARGE: i64 = 1 << 53;
    for (attributes, first, then, counts) in [
        ("st=1", LARGE, LARGE + 1, true),
        ("st=2", LARGE, LARGE + 1, false),
        ("st=1.5", LARGE, LARGE + 1, false),
        ("st=1", i64::MAX - 1, i64::MAX, true),
        ("st=1", i64::MIN, i64::MIN + 1, true),
        ("st=18446744073709551615", i64::MIN, i64::MAX, false),
        ("st=18446744073709549568", i64::MIN, i64::MAX, true),
        ("gt=9007199254740992", LARGE + 1, LARGE + 3, false),
        ("gt=9007199254740992", LARGE - 1, LARGE, true),
        ("gt=9007199254740994", LARGE + 1, LARGE + 2, true),
        ("lt=9223372036854775807", i64::MAX - 1, i64::MAX, false),
        ("lt=-9223372036854775808", i64::MIN + 1, i64::MIN, true),
        ("gt=0.5", 0, 1, true),
        ("gt=-0.5", 0, -1, true),
        ("gt=-0.5", 0, 1, false),
    ] {
        let mut sensors = Sensors::new();
        sensors.set("/26241/0/1", first);
        sensors.write("/26241/0/1", attributes);
        sensors.observe(b"t", "/26241/0/1");
        sensors.set("/26241/0/1", then);
        let told = sensors.after(1000).is_some();
        assert_eq!(told, counts, "{attributes}: {first} {then}");
    }
}

/// A value that isn't a number is no step from a number and no number is one from it, so a server hears of
/// either. Crossings are between numbers.
#[test]
fn what_is_no_number_is_a_step_and_no_crossing() {
    let nan = f64::NAN;
    for (attributes, walk) in [
        (
            "st=5",
            &[(nan, true), (nan, false), (20.0, true), (21.0, false)][..],
        ),
        (
            "gt=50",
            &[(nan, false), (60.0, true), (nan, false), (70.0, false)],
        ),
        (
            "st=5",
            &[
                (f64::INFINITY, true),
                (f64::INFINITY, false),
                (f64::NEG_INFINITY, true),
                (20.0, true),
            ],
        ),
        (
            "st=0",
            &[(20.0, false), (-0.0, true), (0.0, false), (5e-324, true)],
        ),
        (
            "gt=0",
            &[(-0.0, true), (0.0, false), (-1.0, false), (0.0, true)],
        ),
        ("gt=50", &[(f64::INFINITY, true), (f64::NEG_INFINITY, true)]),
    ] {
        let mut sensors = Sensors::new();
        sensors.write("/26241/0/0", attributes);
        sensors.observe(b"t", "/26241/0/0");
        for (value, counts) in walk {
            sensors.set("/26241/0/0", *value);
            let told = sensors.after(1000).is_some();
            assert_eq!(told, *counts, "{attributes}: {value} of {walk:?}");
        }
    }
}
