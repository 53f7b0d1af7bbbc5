//! Changes of records are told, and what depends on them waits until they are stored.

use lwm2m_core::{Arguments, Code, Method};
use lwm2m_statemachine::{
    Outcome, RegistrationId, ServerEvent,
    coap::{MessageBuf, MessageType, Token},
    server::{Holding, RecordChange, RecordKeeping, Revision},
};

use super::seconds;
use crate::support::{LINKS, Peer, Sent, World, path};

fn announcing() -> World {
    World::with(|config| config.records = RecordKeeping::Announced)
}

fn durable(holding: Holding) -> World {
    World::with(|config| config.records = RecordKeeping::Durable(holding))
}

fn longest(time: u64) -> Holding {
    let mut holding = Holding::default();
    holding.longest = seconds(time);
    holding
}

/// A change, as it was told.
type Told = (RegistrationId, String, RecordChange);

impl World {
    /// Gives the server a request of this client, and doesn't look at what it answers.
    fn ask(&mut self, from: Peer, method: Method, path: &[&str], queries: &[&str]) {
        let mut message = MessageBuf::request(method);
        for segment in path {
            message.uri_path(segment).unwrap();
        }
        for query in queries {
            message.uri_query(query).unwrap();
        }
        if path == ["rd"] {
            message.payload(LINKS.as_bytes());
        }
        let message_id = self.next_message_id();
        let token = Token::new(&message_id.to_be_bytes()).unwrap();
        let wire = message.finish(MessageType::Confirmable, message_id, token);
        self.deliver(from, wire.as_ref());
    }

    fn ask_to_register(&mut self, from: Peer, name: &str) {
        let name = format!("ep={name}");
        let queries = [&*name, "lt=600", "lwm2m=1.0"];
        self.ask(from, Method::Post, &["rd"], &queries);
    }

    /// The changes that are told now, and the number of the last one.
    fn changes(&mut self) -> (Vec<Told>, Option<Revision>) {
        let mut last = None;
        let events = self.events().into_iter();
        let changes = events.filter_map(|event| match event {
            ServerEvent::Record {
                registration,
                endpoint_name,
                change,
                revision,
            } => {
                assert!(Some(revision) > last);
                last = Some(revision);
                Some((registration, endpoint_name.into(), change))
            }
            _ => None,
        });
        (changes.collect(), last)
    }

    /// What is told now is stored; returns how many changes that were.
    fn store(&mut self) -> usize {
        let (changes, last) = self.changes();
        let now = self.now;
        if let Some(last) = last {
            self.server.records().stored(now, last);
        }
        changes.len()
    }

    fn client(&self, name: &str) -> RegistrationId {
        self.server.find(name).unwrap()
    }
}

#[test]
fn nothing_is_told_unless_the_application_keeps_records() {
    let mut world = World::new();
    world.ask_to_register(1, "device");
    assert_eq!(world.sent_one().code(), Code::CREATED);
    assert_eq!(world.changes().0, []);
}

#[test]
fn each_change_is_told_once_with_what_it_is() {
    let mut world = announcing();
    world.ask_to_register(1, "device");
    let location = world.sent_one().location();
    let id = world.client("device");
    let told = |change| vec![(id, String::from("device"), change)];
    assert_eq!(world.changes().0, told(RecordChange::New));
    let location: Vec<&str> = location.iter().map(String::as_str).collect();
    world.ask(1, Method::Post, &location, &[]);
    assert_eq!(world.changes().0, told(RecordChange::Changed));

    // What happens before the event is polled is in the same record.
    let now = world.now;
    let read = path("/3/0/9");
    for _ in 0..3 {
        world.server.read(now, id, read, None).unwrap();
    }
    assert_eq!(world.changes().0, told(RecordChange::Changed));
    assert_eq!(world.changes().0, []);
    let sent = world.sent();
    let request = sent.last().unwrap();
    world.answer_code(request, Code::NOT_FOUND);
    assert_eq!(world.changes().0, told(RecordChange::Changed));
    world.ask(1, Method::Delete, &location, &[]);
    assert_eq!(world.changes().0.pop(), told(RecordChange::Gone).pop());
    assert!(world.server.records().get(now, id).is_none());
}

#[test]
fn a_new_registration_takes_the_place_of_the_old_one() {
    let mut world = announcing();
    world.ask_to_register(1, "device");
    world.changes();
    world.ask_to_register(1, "device");
    let id = world.client("device");
    let changes = world.changes().0;
    assert_eq!(changes, [(id, "device".into(), RecordChange::New)]);
}

#[test]
fn that_a_registration_expires_or_is_evicted_is_told() {
    let mut world = World::with(|config| {
        config.records = RecordKeeping::Announced;
        config.bounds.registrations = 1;
        config.bounds.probation = seconds(0);
    });
    world.ask_to_register(1, "first");
    let first = world.client("first");
    world.changes();
    world.ask_to_register(2, "second");
    let second = world.client("second");
    let gone = |id, name: &str| (id, name.to_owned(), RecordChange::Gone);
    let new = (second, "second".into(), RecordChange::New);
    assert_eq!(world.changes().0, [gone(first, "first"), new]);
    world.pass(seconds(601));
    assert_eq!(world.changes().0, [gone(second, "second")]);
}

#[test]
fn an_answer_waits_until_what_it_says_is_stored() {
    let mut world = durable(Holding::default());
    world.ask_to_register(1, "device");
    assert!(world.sent().is_empty());
    assert_eq!(world.server.usage().unstored.datagrams, 1);
    assert_eq!(world.store(), 1);
    let answer = world.sent_one();
    assert_eq!((answer.to, answer.code()), (1, Code::CREATED));

    // An Update, and the end.
    let location = answer.location();
    let location: Vec<&str> = location.iter().map(String::as_str).collect();
    for (method, code) in [
        (Method::Post, Code::CHANGED),
        (Method::Delete, Code::DELETED),
    ] {
        world.ask(1, method, &location, &[]);
        assert!(world.sent().is_empty());
        assert!(world.store() > 0);
        assert_eq!(world.sent_one().code(), code);
    }
    assert_eq!(world.server.usage().unstored.datagrams, 0);
    assert_eq!(world.server.usage().unstored.lost, 0);
}

#[test]
fn what_is_refused_has_no_record_and_does_not_wait() {
    let mut world = durable(Holding::default());
    world.ask(1, Method::Post, &["rd"], &["ep=device"]);
    assert_eq!(world.sent_one().code(), Code::BAD_REQUEST);
}

/// Those that wait are of other clients.
#[test]
fn a_client_waits_for_its_own_record_alone() {
    let mut world = durable(Holding::default());
    world.ask_to_register(1, "device");
    world.store();
    world.sent();
    world.ask_to_register(2, "other");
    let (device, now) = (world.client("device"), world.now);
    world.store();
    let reached: Vec<Peer> = world.sent().iter().map(|sent| sent.to).collect();
    assert_eq!(reached, [2]);
    let nothing = Arguments::NONE;
    world
        .server
        .execute(now, device, path("/3/0/4"), &nothing)
        .unwrap();
    world.ask(3, Method::Get, &["nothing"], &[]);
    let reached: Vec<Peer> = world.sent().iter().map(|sent| sent.to).collect();
    assert_eq!(reached, [3]);
    world.store();
    assert_eq!(world.sent_one().path(), "/3/0/4");
}

#[test]
fn later_changes_do_not_hold_up_what_waits_for_earlier_ones() {
    let mut world = durable(Holding::default());
    world.ask_to_register(1, "device");
    assert!(world.sent().is_empty());
    let (_, first) = world.changes();
    let (id, now) = (world.client("device"), world.now);
    world.server.read(now, id, path("/3/0/9"), None).unwrap();
    assert!(world.sent().is_empty());
    world.server.records().stored(now, first.unwrap());
    assert_eq!(world.sent_one().code(), Code::CREATED);
    world.store();
    assert_eq!(world.sent_one().path(), "/3/0/9");
}

#[test]
fn nothing_is_stored_that_was_not_told() {
    let mut world = durable(Holding::default());
    world.ask_to_register(1, "device");
    let (_, first) = world.changes();
    world.sent();
    // Nobody knows of this one yet.
    world.ask_to_register(1, "device");
    assert!(world.sent().is_empty());
    let now = world.now;
    world.server.records().stored(now, first.unwrap());
    let answers: Vec<Sent> = world.sent();
    assert_eq!(answers.len(), 1);
}

#[test]
fn what_waits_for_too_long_is_as_if_it_were_lost() {
    let mut world = durable(longest(2));
    world.ask_to_register(1, "device");
    assert!(world.sent().is_empty());
    world.now += seconds(3);
    world.store();
    assert!(world.sent().is_empty());
    assert_eq!(world.server.usage().unstored.lost, 1);
    // The client sends its Register again.
    world.ask_to_register(1, "device");
    world.store();
    assert_eq!(world.sent_one().code(), Code::CREATED);
}

#[test]
fn no_more_waits_than_there_may() {
    let mut few = Holding::default();
    few.datagrams = 4;
    let mut world = durable(few);
    for peer in 1..=10 {
        world.ask_to_register(peer, &format!("device-{peer}"));
        assert!(world.sent().is_empty());
    }
    let usage = world.server.usage();
    assert_eq!((usage.unstored.datagrams, usage.unstored.lost), (4, 6));
    // More changes than are told apart hold up everybody.
    world.ask(99, Method::Get, &["nothing"], &[]);
    assert!(world.sent().is_empty());
    world.store();
    assert_eq!(world.sent().len(), 4);
    world.ask(98, Method::Get, &["nothing"], &[]);
    assert_eq!(world.sent_one().code(), Code::NOT_FOUND);
}

/// A crash between the call and its storing has nothing to end, one after it has.
#[test]
fn a_request_that_left_is_in_the_record_that_was_stored_before() {
    let mut world = durable(Holding::default());
    world.ask_to_register(1, "device");
    world.store();
    world.sent();
    let (id, now) = (world.client("device"), world.now);
    let before = world.record(id);
    let nothing = Arguments::NONE;
    let reboot = world
        .server
        .execute(now, id, path("/3/0/4"), &nothing)
        .unwrap();
    assert!(world.sent().is_empty());
    let (_, revision) = world.changes();
    let after = world.record(id);
    world.server.records().stored(now, revision.unwrap());
    assert_eq!(world.sent_one().path(), "/3/0/4");
    for (record, ends) in [(before, false), (after, true)] {
        world.boot(super::config());
        world.restore(record, seconds(1)).unwrap();
        assert!(world.sent().is_empty());
        if ends {
            let lost = Outcome::Restarted { sent: true };
            assert_eq!(world.outcome(reboot), lost);
        } else {
            assert!(world.events().is_empty());
        }
    }
}
