//! Reporting while the Client is offline and its registration lives: what is stored, and what is sent on
//! the return (TS 5.5.1, 8.3, E.2 Resource 6).

mod unacknowledged;

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat};
use lwm2m_kit::{account, get};
use lwm2m_objects::{
    Store,
    typed::{self, AccessControl},
};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, ConnectionId, Reliability, Session,
    coap::{BlockOption, MessageBuf, MessageRef, MessageType, Token},
};

use crate::{
    observe::observe,
    reporting::{SENSOR, Sensors, sensors, sensors_of},
    servers::{Two, access, access_control},
    support::{Sent, path, server_id},
};

/// The values of Integer notifications in TLV.
fn values(sent: &[Sent]) -> Vec<u8> {
    sent.iter()
        .map(|sent| *sent.payload().last().unwrap())
        .collect()
}

impl Sensors {
    fn go_offline(&mut self) {
        self.0.client.go_offline(self.0.now);
        assert!(self.0.all_sent().is_empty());
    }

    /// Time passes while nothing may be sent.
    fn silent(&mut self, seconds: u64) {
        self.0.pass(Duration::from_secs(seconds));
        assert!(self.0.all_sent().is_empty());
    }

    /// The Update comes first; its answer is still to come.
    fn go_online(&mut self) -> Sent {
        self.0.client.go_online(self.0.now);
        let update = self.0.sent();
        assert_eq!(update.path(), "/rd/a");
        update
    }

    fn accept(&mut self, update: &Sent) {
        self.0.answer(update, MessageBuf::response(Code::CHANGED));
        self.0.client.handle_timeout(self.0.now);
    }

    /// Offline is over, and so is the Update.
    fn return_online(&mut self) {
        let update = self.go_online();
        self.accept(&update);
    }

    /// The connection is lost.
    fn lose(&mut self) {
        let lost = self.0.connection;
        self.0.client.disconnected(self.0.now, lost);
    }

    /// The connection that the Client asks for next.
    fn asked(&mut self) -> ConnectionId {
        loop {
            let mut events = self.0.events().into_iter();
            let asked = events.find_map(|event| match event {
                ClientEvent::Connect { connection, .. } => Some(connection),
                _ => None,
            });
            match asked {
                Some(asked) => return asked,
                None => self.silent(1),
            }
        }
    }

    /// That connection is up with the session of the last one, and the Update is answered.
    fn resume(&mut self, connection: ConnectionId) {
        self.0.connection = connection;
        let now = self.0.now;
        self.0.client.connected(now, connection, Session::Resumed);
        let update = self.0.sent();
        self.accept(&update);
    }

    /// Acknowledges a notification.
    fn acknowledge(&mut self, sent: &Sent) {
        assert_eq!(sent.kind(), MessageType::Confirmable);
        let id = sent.message().message_id();
        let bytes = [0x60, 0, id.to_be_bytes()[0], id.to_be_bytes()[1]];
        self.0.datagram(&bytes);
    }

    /// What was stored, acknowledged one by one.
    fn stored(&mut self) -> Vec<Sent> {
        let mut all: Vec<Sent> = Vec::new();
        loop {
            let mut sent = self.0.all_sent();
            assert!(sent.len() <= 1, "one at a time");
            let Some(sent) = sent.pop() else { break };
            if sent.kind() != MessageType::Confirmable {
                all.push(sent);
                break;
            }
            self.acknowledge(&sent);
            self.0.client.handle_timeout(self.0.now);
            all.push(sent);
        }
        let numbers = all.iter().map(|sent| sent.message().observe().unwrap());
        assert!(numbers.is_sorted_by(|a, b| a < b));
        all
    }
}

#[test]
fn what_would_have_been_notified_is_sent_after_the_update_oldest_first() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0/1", "pmin=10");
    sensors.observe(b"a", "/26241/0/1");
    sensors.observe(b"b", "/26241/1/1");
    sensors.go_offline();
    sensors.set("/26241/0/1", 21);
    sensors.set("/26241/0/1", 22);
    sensors.silent(10);
    sensors.set("/26241/1/1", 31);
    sensors.silent(10);
    sensors.set("/26241/0/1", 23);
    sensors.silent(10);
    let update = sensors.go_online();
    sensors.silent(1);
    sensors.accept(&update);
    // The Minimum Period doesn't space them.
    let sent = sensors.stored();
    assert_eq!(values(&sent), [22, 31, 23]);
    let tokens: Vec<_> = sent.iter().map(|sent| sent.message().token()).collect();
    let tokens: Vec<_> = tokens.iter().map(Token::as_bytes).collect();
    assert_eq!(tokens, [b"a", b"b", b"a"]);
    // It begins again with what was sent.
    sensors.set("/26241/0/1", 24);
    assert_eq!(sensors.after(60_000), Some(10_000));
}

#[test]
fn what_is_stored_is_sent_one_after_the_other_as_it_is_acknowledged() {
    let mut sensors = Sensors::new();
    sensors.observe(b"t", "/26241/0/1");
    sensors.go_offline();
    for value in [21, 22] {
        sensors.set("/26241/0/1", value);
        sensors.silent(1);
    }
    sensors.return_online();
    let first = sensors.0.sent();
    assert_eq!(values(core::slice::from_ref(&first)), [21]);
    // A change meanwhile waits for its turn.
    sensors.set("/26241/0/1", 23);
    sensors.silent(1);
    sensors.acknowledge(&first);
    assert_eq!(values(&sensors.stored()), [22, 23]);
    sensors.set("/26241/0/1", 24);
    let (after, next) = sensors.next(1000).unwrap();
    assert_eq!((after, next.kind()), (0, MessageType::NonConfirmable));
}

#[test]
fn what_was_on_its_way_when_the_connection_was_lost_is_sent_again() {
    let mut sensors = Sensors::new();
    sensors.observe(b"t", "/26241/0/1");
    sensors.go_offline();
    for value in [21, 22] {
        sensors.set("/26241/0/1", value);
        sensors.silent(1);
    }
    sensors.return_online();
    assert_eq!(values(&sensors.0.all_sent()), [21]);
    sensors.go_offline();
    sensors.silent(200);
    sensors.return_online();
    assert_eq!(values(&sensors.stored()), [21, 22]);
}

/// TS 8.3: after a lost link a resumed session goes on with an Update. RFC 7641 §4.5: a confirmable
/// notification that was under way is made up for.
#[test]
fn observations_survive_a_lost_link() {
    let mut config = ClientConfig::new("lost", [5; 32]);
    config.notifications = Reliability::Confirmable;
    let mut sensors = Sensors::with(config);
    sensors.observe(b"t", "/26241/0/1");
    sensors.set("/26241/0/1", 21);
    assert_eq!(sensors.after(1000), Some(0));
    sensors.lose();
    sensors.set("/26241/0/1", 22);
    let connect = sensors.asked();
    sensors.silent(10);
    sensors.set("/26241/0/1", 23);
    sensors.silent(10);
    sensors.resume(connect);
    let sent = sensors.stored();
    assert_eq!(values(&sent).last(), Some(&23));
    assert!(values(&sent).contains(&22));
    assert!(
        sent.iter()
            .all(|sent| sent.message().token().as_bytes() == b"t")
    );
}

/// TS 5.3, 5.5.1.
#[test]
fn what_is_stored_ends_with_the_lifetime() {
    let mut sensors = Sensors::new();
    sensors.observe(b"t", "/26241/0/1");
    sensors.go_offline();
    sensors.set("/26241/0/1", 21);
    sensors.silent(1);
    let stored = sensors.0.client.reporting().stored(account(0));
    assert_eq!(stored.waiting, 1);
    sensors.silent(86_400);
    let stored = sensors.0.client.reporting().stored(account(0));
    assert_eq!(stored.waiting, 0);
    assert_eq!(sensors.0.client.reporting().observations().count(), 0);
}

#[test]
fn without_storing_only_what_is_fresh_is_sent_on_the_return() {
    let mut sensors = Sensors::new();
    sensors.set("/1/0/6", false);
    sensors.observe(b"t", "/26241/0/1");
    sensors.observe(b"u", "/26241/1/1");
    sensors.go_offline();
    for value in [21, 22, 23] {
        sensors.set("/26241/0/1", value);
        sensors.silent(10);
    }
    sensors.return_online();
    // One for the change, with the value of now.
    let sent = sensors.0.all_sent();
    assert_eq!(values(&sent), [23]);
    assert_eq!(sent[0].message().token().as_bytes(), b"t");
    sensors.pass(3_600_000);
    sensors.set("/26241/1/1", 31);
    assert_eq!(sensors.after(1000), Some(0));
}

#[test]
fn over_the_bound_the_oldest_go_and_are_counted() {
    let mut config = ClientConfig::new("bound", [5; 32]);
    config.storing.most = 2;
    let mut sensors = Sensors::with(config);
    sensors.observe(b"t", "/26241/0/1");
    sensors.go_offline();
    for value in 21..26 {
        sensors.set("/26241/0/1", value);
        sensors.silent(1);
    }
    let stored = sensors.0.client.reporting().stored(account(0));
    assert_eq!((stored.waiting, stored.dropped), (2, 3));
    sensors.0.events();
    sensors.return_online();
    assert_eq!(values(&sensors.stored()), [24, 25]);
    let dropped = ClientEvent::NotificationsDropped {
        account: account(0),
        dropped: 3,
    };
    assert!(sensors.0.events().contains(&dropped));
    let stored = sensors.0.client.reporting().stored(account(0));
    assert_eq!((stored.waiting, stored.dropped), (0, 0));
}

#[test]
fn what_is_stored_has_a_bound_in_bytes() {
    let mut config = ClientConfig::new("bound", [5; 32]);
    config.storing.most_bytes = 100;
    let mut sensors = Sensors::with(config);
    sensors.observe(b"t", "/26241/0/3");
    sensors.go_offline();
    for place in ["a", "b", "c"] {
        sensors.set("/26241/0/3", place.repeat(40));
        sensors.silent(1);
    }
    sensors.return_online();
    assert_eq!(values(&sensors.stored()), [b'b', b'c']);
}

#[test]
fn an_observation_whose_stored_notifications_had_to_go_is_told_the_newest_value() {
    let mut config = ClientConfig::new("bound", [5; 32]);
    config.storing.most = 2;
    let mut sensors = Sensors::with(config);
    sensors.write("/26241/0/1", "pmin=60");
    sensors.observe(b"a", "/26241/0/1");
    sensors.observe(b"b", "/26241/1/1");
    sensors.go_offline();
    sensors.set("/26241/0/1", 21);
    sensors.silent(60);
    for value in [31, 32, 33] {
        sensors.set("/26241/1/1", value);
        sensors.silent(1);
    }
    sensors.return_online();
    assert_eq!(values(&sensors.stored()), [32, 33, 21]);
    assert_eq!(sensors.after(3_600_000), None);
}

/// TS 7.3.2.5: the right is looked at when something is sent.
#[test]
fn what_is_stored_is_not_sent_without_the_right_and_is_made_up_for() {
    let all = AccessControl::OWNER_RIGHTS;
    let servers = [101, 102].map(|id| typed::Server::new(server_id(id), 86_400));
    let mut two = Two::with(servers, |tree| {
        tree.add(sensors());
        tree.add(access_control([access(26241, 0, [all; 2])]));
    });
    for (token, at) in [(b"r", "/26241/0/1"), (b"o", "/26241")] {
        let answer = two.answer_to(1, token, observe(0, at));
        assert_eq!(MessageRef::parse(&answer).unwrap().code(), Code::CONTENT);
    }
    let set = |two: &mut Two, at, value: i64| {
        two.now += Duration::from_secs(1);
        two.client.set(two.now, path(at), value).unwrap();
        two.client.handle_timeout(two.now);
        let sent = two.sent().into_iter();
        let sent: Vec<_> = sent.filter(|(server, _)| *server == 1).collect();
        sent.len()
    };
    two.client.go_offline(two.now);
    assert_eq!(set(&mut two, "/26241/0/1", 21), 0);
    assert_eq!(set(&mut two, "/2/0/2/102", 0), 0);
    two.client.go_online(two.now);
    for (server, bytes) in two.sent() {
        let update = MessageRef::parse(&bytes).unwrap();
        let answer = MessageBuf::response(Code::CHANGED).finish(
            MessageType::Acknowledgement,
            update.message_id(),
            update.token(),
        );
        two.datagram(server, answer.as_ref());
    }
    two.client.handle_timeout(two.now);
    assert_eq!(two.sent(), []);
    assert_eq!(set(&mut two, "/2/0/2/102", 1), 2);
}

#[test]
fn a_deleted_instance_is_told_on_the_return() {
    let mut sensors = Sensors::new();
    sensors.set("/1/0/6", false);
    sensors.observe(b"t", "/26241/0/1");
    sensors.go_offline();
    let now = sensors.0.now;
    sensors
        .0
        .client
        .object(now, SENSOR.id, |store: &mut Store| {
            *store = sensors_of([1]);
        });
    sensors.0.client.changed(now, path("/26241/0"));
    sensors.silent(10);
    // Another one in its place is not what was observed.
    sensors
        .0
        .client
        .object(now, SENSOR.id, |store: &mut Store| {
            *store = sensors_of([0, 1]);
        });
    sensors.0.client.changed(now, path("/26241/0"));
    sensors.silent(10);
    sensors.return_online();
    let last = sensors.0.sent();
    assert_eq!(
        (last.kind(), last.code()),
        (MessageType::Confirmable, Code::NOT_FOUND)
    );
    sensors.acknowledge(&last);
    sensors.set("/26241/0/1", 22);
    sensors.pass(1000);
    assert_eq!(sensors.0.client.reporting().observations().count(), 0);
}

#[test]
fn a_step_is_against_what_was_stored() {
    let mut sensors = Sensors::new();
    sensors.write("/26241/0/1", "st=5&pmax=60");
    sensors.observe(b"t", "/26241/0/1");
    sensors.go_offline();
    for value in [24, 25, 29, 30] {
        sensors.set("/26241/0/1", value);
        sensors.silent(1);
    }
    // The Maximum Period goes on offline.
    sensors.silent(60);
    sensors.return_online();
    assert_eq!(values(&sensors.stored()), [25, 30, 30]);
}

#[test]
fn json_has_the_history_in_one_notification_if_it_is_configured() {
    let mut config = ClientConfig::new("batch", [5; 32]);
    config.storing.batches_json = true;
    let mut sensors = Sensors::with(config);
    let mut request = observe(0, "/26241/0/1");
    request.accept(ContentFormat::JSON).unwrap();
    assert_eq!(sensors.0.request(b"t", request).code(), Code::CONTENT);
    sensors.go_offline();
    for value in [21, 22] {
        sensors.set("/26241/0/1", value);
        sensors.silent(10);
    }
    sensors.return_online();
    let sent = sensors.stored();
    assert_eq!(sent.len(), 1);
    let payload = core::str::from_utf8(sent[0].payload()).unwrap();
    assert_eq!(
        payload,
        r#"{"bn":"/26241/0/1","e":[{"v":21,"t":-20},{"v":22,"t":-10}]}"#
    );
}

/// TS 5.5.3, 8.2.6.
#[test]
fn what_ends_an_observation_ends_what_is_stored_for_it() {
    let mut sensors = Sensors::new();
    sensors.observe(b"a", "/26241/0/1");
    sensors.observe(b"b", "/26241/1/1");
    sensors.go_offline();
    for at in ["/26241/0/1", "/26241/1/1", "/26241/0/1"] {
        let value = if at == "/26241/1/1" { 31 } else { 21 };
        sensors.set(at, value);
        sensors.silent(1);
    }
    sensors.set("/26241/0/1", 22);
    sensors.silent(1);
    sensors.return_online();
    let first = sensors.0.sent();
    // A Reset in place of an acknowledgement.
    let id = first.message().message_id().to_be_bytes();
    sensors.0.datagram(&[0x70, 0, id[0], id[1]]);
    sensors.0.client.handle_timeout(sensors.0.now);
    assert_eq!(values(&sensors.stored()), [31]);
    let ended = ClientEvent::ObservationEnded {
        account: account(0),
        path: path("/26241/0/1"),
    };
    assert!(sensors.0.events().contains(&ended));
}

#[test]
fn what_is_stored_for_a_registration_ends_with_it() {
    let mut sensors = Sensors::new();
    sensors.observe(b"t", "/26241/0/1");
    sensors.go_offline();
    sensors.set("/26241/0/1", 21);
    sensors.silent(1);
    let update = sensors.go_online();
    let unknown = MessageBuf::response(Code::NOT_FOUND);
    sensors.0.answer(&update, unknown);
    sensors.0.events();
    sensors.0.accept_register();
    sensors.pass(60_000);
    assert_eq!(sensors.0.client.reporting().observations().count(), 0);
    let stored = sensors.0.client.reporting().stored(account(0));
    assert_eq!((stored.waiting, stored.dropped), (0, 0));
}

/// RFC 7641 §3.6, TS 8.2.6: a Reset may be late. A server that rejects a notification from before an
/// offline period ends the observation all the same.
#[test]
fn a_reset_of_a_notification_from_before_an_offline_period_ends_the_observation() {
    for reliability in [Reliability::NonConfirmable, Reliability::Confirmable] {
        for is_lost in [false, true] {
            let mut config = ClientConfig::new("late", [5; 32]);
            config.notifications = reliability;
            let mut sensors = Sensors::with(config);
            sensors.observe(b"a", "/26241/0/1");
            sensors.observe(b"b", "/26241/1/1");
            sensors.set("/26241/0/1", 21);
            let (_, notification) = sensors.next(0).unwrap();
            if is_lost {
                sensors.lose();
                let connect = sensors.asked();
                sensors.silent(5);
                sensors.resume(connect);
            } else {
                sensors.go_offline();
                sensors.silent(5);
                sensors.return_online();
            }
            sensors.0.events();
            let id = notification.message().message_id().to_be_bytes();
            sensors.0.datagram(&[0x70, 0, id[0], id[1]]);
            sensors.0.client.handle_timeout(sensors.0.now);
            let ended = ClientEvent::ObservationEnded {
                account: account(0),
                path: path("/26241/0/1"),
            };
            let case = format!("{reliability:?}, lost: {is_lost}");
            assert_eq!(sensors.0.events(), [ended], "{case}");
            sensors.0.all_sent();
            sensors.set("/26241/0/1", 22);
            sensors.set("/26241/1/1", 31);
            let (_, sent) = sensors.next(1000).unwrap();
            assert_eq!(sent.message().token().as_bytes(), b"b", "{case}");
        }
    }
}

/// RFC 7641 §4.5: if the confirmable notification of a day was under way when the link went, the next
/// one is confirmable.
#[test]
fn the_confirmable_notification_of_a_day_is_made_up_for_after_an_offline_period() {
    let mut sensors = Sensors::new();
    sensors.set("/1/0/6", false);
    sensors.set("/1/0/1", 1_000_000);
    let update = sensors.0.sent();
    sensors.accept(&update);
    sensors.observe(b"a", "/26241/0/1");
    sensors.0.pass(Duration::from_secs(24 * 3600));
    assert!(sensors.0.all_sent().is_empty());
    sensors.set("/26241/0/1", 21);
    let (_, first) = sensors.next(0).unwrap();
    assert_eq!(first.kind(), MessageType::Confirmable);
    sensors.go_offline();
    sensors.silent(5);
    sensors.return_online();
    let again = sensors.0.sent();
    assert_eq!(again.kind(), MessageType::Confirmable);
    sensors.acknowledge(&again);
    sensors.set("/26241/0/1", 22);
    let (_, next) = sensors.next(0).unwrap();
    assert_eq!(next.kind(), MessageType::NonConfirmable);
}

/// What has arrived needs not be made up for: after an acknowledgement the newer one that waited is sent
/// as it was to be.
#[test]
fn a_notification_that_waited_for_an_acknowledgement_is_not_repeated_after_an_offline_period() {
    let mut sensors = Sensors::new();
    sensors.set("/1/0/1", 1_000_000);
    let update = sensors.0.sent();
    sensors.accept(&update);
    sensors.observe(b"a", "/26241/0/1");
    sensors.0.pass(Duration::from_secs(24 * 3600));
    sensors.set("/26241/0/1", 21);
    let (_, first) = sensors.next(0).unwrap();
    assert_eq!(first.kind(), MessageType::Confirmable);
    sensors.set("/26241/0/1", 22);
    sensors.pass(0);
    sensors.acknowledge(&first);
    let waited = sensors.0.sent();
    assert_eq!(waited.kind(), MessageType::NonConfirmable);
    sensors.go_offline();
    sensors.silent(5);
    sensors.return_online();
    sensors.pass(60_000);
}

/// A server may repeat its Observe while something that was stored for it is under way (RFC 7641 §3.3.1).
/// What is stored for other observations goes on.
#[test]
fn what_is_stored_goes_on_when_the_observation_of_what_is_under_way_begins_anew() {
    let mut sensors = Sensors::new();
    sensors.observe(b"a", "/26241/0/1");
    sensors.observe(b"b", "/26241/1/1");
    sensors.go_offline();
    sensors.set("/26241/0/1", 21);
    sensors.silent(1);
    sensors.set("/26241/1/1", 31);
    sensors.silent(1);
    sensors.return_online();
    let first = sensors.0.sent();
    assert_eq!(first.message().token().as_bytes(), b"a");
    let (_, after) = sensors.0.answered(b"a", observe(0, "/26241/0/1"));
    let [second] = &after[..] else {
        panic!("{after:?}");
    };
    assert_eq!(second.message().token().as_bytes(), b"b");
    sensors.acknowledge(second);
    sensors.set("/26241/0/1", 22);
    let (_, live) = sensors.next(0).unwrap();
    assert_eq!(live.message().token().as_bytes(), b"a");
}

/// What is larger than all that may be stored takes nothing of the rest with it.
#[test]
fn what_is_too_large_to_be_stored_drops_nothing_else() {
    let mut config = ClientConfig::new("large", [5; 32]);
    config.storing.most_bytes = 64;
    let mut sensors = Sensors::with(config);
    sensors.observe(b"a", "/26241/0/1");
    sensors.observe(b"b", "/26241/0/3");
    sensors.go_offline();
    sensors.set("/26241/0/1", 21);
    sensors.silent(1);
    sensors.set("/26241/0/3", "x".repeat(100));
    sensors.silent(1);
    let stored = sensors.0.client.reporting().stored(account(0));
    assert_eq!((stored.waiting, stored.dropped), (1, 1));
    sensors.return_online();
    let first = sensors.0.sent();
    assert_eq!(first.message().token().as_bytes(), b"a");
    sensors.acknowledge(&first);
    let (_, newest) = sensors.next(1000).unwrap();
    assert_eq!(newest.message().token().as_bytes(), b"b");
}

/// A stored notification that is under way is sent no further once the right to read is lost
/// (TS 7.3.2.5).
#[test]
fn what_is_stored_is_withdrawn_when_the_right_to_read_is_lost() {
    let all = AccessControl::OWNER_RIGHTS;
    let servers = [101, 102].map(|id| typed::Server::new(server_id(id), 86_400));
    let mut two = Two::with(servers, |tree| {
        tree.add(sensors());
        tree.add(access_control([access(26241, 0, [all; 2])]));
    });
    assert_eq!(two.code(1, observe(0, "/26241/0/1")), Code::CONTENT);
    two.client.go_offline(two.now);
    two.client.set(two.now, path("/26241/0/1"), 21).unwrap();
    two.client.handle_timeout(two.now);
    two.client.go_online(two.now);
    for (server, bytes) in two.sent() {
        let update = MessageRef::parse(&bytes).unwrap();
        let answer = MessageBuf::response(Code::CHANGED).finish(
            MessageType::Acknowledgement,
            update.message_id(),
            update.token(),
        );
        two.datagram(server, answer.as_ref());
    }
    two.client.handle_timeout(two.now);
    let [(1, stored)] = &two.sent()[..] else {
        panic!("what is stored for the second server");
    };
    let stored = MessageRef::parse(stored).unwrap();
    assert_eq!(stored.kind(), MessageType::Confirmable);
    two.client.set(two.now, path("/2/0/2/102"), 0).unwrap();
    two.now += Duration::from_secs(100);
    two.client.handle_timeout(two.now);
    assert_eq!(two.sent(), []);
    two.client.set(two.now, path("/2/0/2/102"), 1).unwrap();
    two.client.handle_timeout(two.now);
    assert_eq!(two.sent().len(), 1);
}

/// A server that rejects a stored notification fetches no more of it: what is stored for another
/// observation of the same path doesn't wait for that (RFC 7641 §3.6).
#[test]
fn what_is_stored_does_not_wait_for_the_blocks_of_a_rejected_notification() {
    let mut sensors = Sensors::new();
    for token in [b"t", b"u"] {
        let mut begin = observe(0, "/26241/0/3");
        begin
            .accept(ContentFormat::TLV)
            .unwrap()
            .block2(BlockOption::new(0, false, BLOCK).unwrap())
            .unwrap();
        assert_eq!(sensors.0.request(token, begin).code(), Code::CONTENT);
    }
    sensors.go_offline();
    sensors.set("/26241/0/3", place("a"));
    sensors.silent(1);
    sensors.return_online();
    let first = sensors.0.sent();
    assert!(first.message().block2().unwrap().more());
    let id = first.message().message_id().to_be_bytes();
    sensors.0.datagram(&[0x70, 0, id[0], id[1]]);
    sensors.0.client.handle_timeout(sensors.0.now);
    let next = sensors.0.sent();
    assert_ne!(next.message().token(), first.message().token());
    sensors.acknowledge(&next);
    assert_eq!(letter(&sensors.fetch(&next).0), "a");
    sensors.0.pass(Duration::from_secs(1000));
    let rest = sensors.0.all_sent();
    assert!(
        rest.iter().all(|sent| sent.code() == Code::POST),
        "{rest:?}"
    );
}

/// A place that takes three blocks of 16 bytes.
const BLOCK: usize = 16;

/// ACK_TIMEOUT * ACK_RANDOM_FACTOR (RFC 7252 §4.2, §4.8).
const REPETITION: Duration = Duration::from_secs(3);

fn place(letter: &str) -> String {
    letter.repeat(40)
}

/// The request for a block of the place.
fn block_of_place(number: u32) -> MessageBuf {
    let mut request = get("/26241/0/3");
    request
        .accept(ContentFormat::TLV)
        .unwrap()
        .block2(BlockOption::new(number, false, BLOCK).unwrap())
        .unwrap();
    request
}

/// The letter of a whole place, in TLV.
fn letter(body: &[u8]) -> String {
    let text = &body[body.len() - 40..];
    assert!(body.len() < 48 && text.iter().all(|byte| *byte == text[0]));
    char::from(text[0]).to_string()
}

impl Sensors {
    /// A place for each of these letters is stored for a server that wants blocks of 16 bytes.
    fn with_stored_places(letters: &[&str]) -> Self {
        let mut sensors = Self::new();
        let mut begin = observe(0, "/26241/0/3");
        begin
            .accept(ContentFormat::TLV)
            .unwrap()
            .block2(BlockOption::new(0, false, BLOCK).unwrap())
            .unwrap();
        assert_eq!(sensors.0.request(b"t", begin).code(), Code::CONTENT);
        sensors.go_offline();
        for letter in letters {
            sensors.set("/26241/0/3", place(letter));
            sensors.silent(1);
        }
        sensors.return_online();
        sensors
    }

    /// Asks for a block of the place. Returns the answer, and what is sent after it.
    fn block(&mut self, number: u32) -> (Sent, Vec<Sent>) {
        self.0.answered(b"blocks", block_of_place(number))
    }

    /// Fetches the later blocks of a notification. Returns the whole body, and what is sent after it.
    fn fetch(&mut self, first: &Sent) -> (Vec<u8>, Vec<Sent>) {
        let etag = first.message().etag().map(<[u8]>::to_vec);
        let mut body = first.payload().to_vec();
        for number in 1.. {
            let (answer, after) = self.block(number);
            let message = answer.message();
            assert_eq!(message.code(), Code::CONTENT);
            assert_eq!(message.etag().map(<[u8]>::to_vec), etag);
            body.extend_from_slice(message.payload());
            if !message.block2().unwrap().more() {
                return (body, after);
            }
            assert_eq!(after, [], "only blocks until the last one");
        }
        unreachable!("a last block");
    }

    /// A notification of the place, which is acknowledged; and its letter.
    fn fetched(&mut self, first: &Sent) -> (String, Vec<Sent>) {
        self.acknowledge(first);
        assert_eq!(self.0.all_sent(), []);
        let (body, after) = self.fetch(first);
        assert_eq!(after, [], "the last block may be asked for again");
        self.silent_until_repetition();
        self.0.client.handle_timeout(self.0.now);
        (letter(&body), self.0.all_sent())
    }

    /// Nothing is sent until a server would have repeated a request whose answer was lost.
    fn silent_until_repetition(&mut self) {
        let almost = REPETITION.saturating_sub(Duration::from_millis(1));
        self.0.pass(almost);
        assert_eq!(self.0.all_sent(), []);
        self.0.now += Duration::from_millis(1);
    }
}

/// RFC 7959 §2.6: the server fetches the other blocks of a notification. A newer one would replace them.
#[test]
fn a_stored_value_in_blocks_is_fetched_before_the_next_one_is_sent() {
    let mut sensors = Sensors::with_stored_places(&["a", "b", "c"]);
    let mut heard = Vec::new();
    let mut sent = vec![sensors.0.sent()];
    while let Some(first) = sent.pop() {
        let (letter, after) = sensors.fetched(&first);
        heard.push(letter);
        assert!(after.len() <= 1, "one at a time");
        sent = after;
    }
    assert_eq!(heard, ["a", "b", "c"]);
    assert_eq!(sensors.after(600_000), None);
}

/// The first acknowledgement is lost, and so are answers with blocks.
#[test]
fn a_stored_value_may_be_fetched_before_its_acknowledgement_arrives() {
    let mut sensors = Sensors::with_stored_places(&["a", "b", "c"]);
    let mut first = sensors.0.sent();
    for expected in ["a", "b", "c"] {
        let (body, after) = sensors.fetch(&first);
        assert_eq!(letter(&body), expected);
        assert_eq!(after, [], "it is not acknowledged yet");
        let again = sensors.0.pass_until_sent();
        assert_eq!(again.bytes, first.bytes, "a retransmission");
        sensors.acknowledge(&first);
        sensors.0.pass(REPETITION);
        let mut next = sensors.0.all_sent();
        if expected == "c" {
            assert_eq!(next, []);
        } else {
            first = next.remove(0);
        }
    }
    assert_eq!(sensors.0.client.reporting().stored(account(0)).waiting, 0);
}

/// Nobody acknowledges the answer with the last block. If it is lost, the server asks again; a newer
/// notification would end that.
#[test]
fn the_last_block_of_a_stored_value_may_be_asked_for_again() {
    let mut sensors = Sensors::with_stored_places(&["a", "b"]);
    let first = sensors.0.sent();
    sensors.acknowledge(&first);
    let (_, after) = sensors.block(1);
    assert_eq!(after, []);
    let token = Token::new(b"last").unwrap();
    let last = block_of_place(2).finish(MessageType::Confirmable, 0x6fff, token);
    let moment = Duration::from_millis(1);
    for pause in [REPETITION.saturating_sub(moment), moment] {
        sensors.0.datagram(last.as_ref());
        let answer = sensors.0.sent();
        assert_eq!(answer.message().block2(), BlockOption::new(2, false, BLOCK));
        sensors.0.pass(pause);
    }
    let next = sensors.0.sent();
    assert_ne!(next.message().etag(), first.message().etag());
}

/// Both are overdue when the Client is woken: one call does all that is due.
#[test]
fn what_waits_for_the_last_stored_value_follows_in_the_same_call() {
    let mut sensors = Sensors::with_stored_places(&["a"]);
    let first = sensors.0.sent();
    sensors.acknowledge(&first);
    let (_, after) = sensors.fetch(&first);
    assert_eq!(after, []);
    sensors.write("/26241/0/3", "pmax=4");
    sensors.0.now += Duration::from_secs(6);
    sensors.0.client.handle_timeout(sensors.0.now);
    let next = sensors.0.sent();
    assert_eq!(next.message().etag(), first.message().etag());
    assert!(sensors.0.client.poll_timeout().unwrap() > sensors.0.now);
}

/// The server asks for the Resource itself while it fetches: the body is another one.
#[test]
fn a_stored_value_that_a_read_has_replaced_is_sent_again() {
    let mut sensors = Sensors::with_stored_places(&["a", "b"]);
    let first = sensors.0.sent();
    sensors.acknowledge(&first);
    let (newer, after) = sensors.block(0);
    assert_ne!(newer.message().etag(), first.message().etag());
    assert_eq!(after, [], "what was read is fetched first");
    let (body, mut after) = sensors.fetch(&newer);
    assert_eq!(letter(&body), "b");
    let again = after.remove(0);
    assert_eq!(again.message().etag(), first.message().etag());
    let (a, mut after) = sensors.fetched(&again);
    let (b, _) = sensors.fetched(&after.remove(0));
    assert_eq!([a, b], ["a", "b"]);
}

/// RFC 7252 §4.8.2: nothing of an exchange arrives after EXCHANGE_LIFETIME.
#[test]
fn a_stored_value_that_is_not_fetched_is_sent_again_and_dropped_at_last() {
    const EXCHANGE_LIFETIME: u64 = 247_000;
    let mut sensors = Sensors::with_stored_places(&["a", "b"]);
    let mut first = sensors.0.sent();
    for _ in 1..3 {
        sensors.acknowledge(&first);
        let (after, again) = sensors.next(3_600_000).unwrap();
        assert_eq!(after, EXCHANGE_LIFETIME);
        assert_eq!(again.message().etag(), first.message().etag());
        first = again;
    }
    sensors.acknowledge(&first);
    let (_, next) = sensors.next(EXCHANGE_LIFETIME).unwrap();
    sensors.0.events();
    let (letter, after) = sensors.fetched(&next);
    assert_eq!((&*letter, after), ("b", Vec::new()));
    let dropped = ClientEvent::NotificationsDropped {
        account: account(0),
        dropped: 1,
    };
    assert!(sensors.0.events().contains(&dropped));
}

#[test]
fn what_is_fetched_of_a_cancelled_observation_is_not_waited_for() {
    let mut sensors = Sensors::new();
    let mut begin = observe(0, "/26241/0/3");
    begin
        .block2(BlockOption::new(0, false, BLOCK).unwrap())
        .unwrap();
    assert_eq!(sensors.0.request(b"t", begin).code(), Code::CONTENT);
    sensors.observe(b"u", "/26241/0/1");
    sensors.go_offline();
    sensors.set("/26241/0/3", place("a"));
    sensors.silent(1);
    sensors.set("/26241/0/1", 21);
    sensors.silent(1);
    sensors.return_online();
    let first = sensors.0.sent();
    sensors.acknowledge(&first);
    let mut cancel = observe(1, "/26241/0/3");
    cancel
        .block2(BlockOption::new(0, false, BLOCK).unwrap())
        .unwrap();
    let (_, after) = sensors.0.answered(b"t", cancel);
    assert_eq!(values(&after), [21]);
}

/// The answer to a request that ends or replaces the observation is in blocks itself, of another value. They are
/// served, whatever the value is meanwhile (RFC 7959 §2.4).
#[test]
fn the_answer_that_takes_the_place_of_a_stored_value_is_kept() {
    for value in [0, 1] {
        let mut sensors = Sensors::with_stored_places(&["a"]);
        let first = sensors.0.sent();
        sensors.acknowledge(&first);
        sensors.write("/26241/0/3", "pmin=1000");
        sensors.set("/26241/0/3", place("b"));
        let mut request = observe(value, "/26241/0/3");
        request
            .accept(ContentFormat::TLV)
            .unwrap()
            .block2(BlockOption::new(0, false, BLOCK).unwrap())
            .unwrap();
        let (answer, after) = sensors.0.answered(b"t", request);
        assert_eq!((answer.code(), after), (Code::CONTENT, Vec::new()));
        assert_ne!(answer.message().etag(), first.message().etag());
        sensors.set("/26241/0/3", place("c"));
        let (body, _) = sensors.fetch(&answer);
        assert_eq!(letter(&body), "b", "Observe {value}");
    }
}
