//! Stored notifications in blocks, and changes of rights that concern other Object Instances (TS 7.3, E.2
//! Resource 6; RFC 7959 §2.6).

use core::time::Duration;

use lwm2m_core::{AccessRights, Code, ContentFormat, Method, ObjectId};
use lwm2m_objects::typed::{self, AccessControl, AclTarget};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent,
    coap::{BlockOption, MessageBuf, MessageRef, MessageType},
};

use crate::{
    creating::{create, job, jobs},
    observe::observe,
    reporting::{attributes, sensors},
    servers::{Two, access, access_control},
    support::{get, on, path, server_id},
};

const BLOCK: usize = 16;

/// Asks for the place in blocks.
fn in_blocks(mut request: MessageBuf, number: u32) -> MessageBuf {
    let block = BlockOption::new(number, false, BLOCK).unwrap();
    request.accept(ContentFormat::TLV).unwrap();
    request.block2(block).unwrap();
    request
}

fn etag(message: &[u8]) -> Vec<u8> {
    let message = MessageRef::parse(message).unwrap();
    message.etag().unwrap().to_vec()
}

/// The only notification that is to send now, which the first server acknowledges.
fn notified(two: &mut Two) -> Vec<u8> {
    two.client.handle_timeout(two.now);
    let sent = two.sent();
    let [(0, notification)] = &sent[..] else {
        panic!("{sent:?}");
    };
    let message = MessageRef::parse(notification).unwrap();
    assert_eq!(message.kind(), MessageType::Confirmable);
    let id = message.message_id().to_be_bytes();
    two.datagram(0, &[0x60, 0, id[0], id[1]]);
    notification.clone()
}

/// What was sent is Updates, which are accepted.
fn accept_updates(two: &mut Two, sent: Vec<(usize, Vec<u8>)>) {
    for (server, bytes) in sent {
        let update = MessageRef::parse(&bytes).unwrap();
        assert_eq!(update.code(), Code::POST, "to server {server}");
        let (id, token) = (update.message_id(), update.token());
        let answer = MessageBuf::response(Code::CHANGED);
        let wire = answer.finish(MessageType::Acknowledgement, id, token);
        two.datagram(server, wire.as_ref());
    }
}

/// The first server fetches a stored place, and another one is stored behind it. The second server may create
/// jobs, which are nothing to the first one. Returns the first block.
fn fetching() -> (Two, Vec<u8>) {
    let servers = [101, 102].map(|id| typed::Server::new(server_id(id), 86_400));
    let may_create = AccessControl {
        target: AclTarget::Object(ObjectId::new(26242)),
        acl: vec![(102, AccessRights::CREATE)],
        owner: 65_535,
    };
    let mut two = Two::with(servers, |tree| {
        tree.add(sensors());
        tree.add(jobs());
        let of_sensor = access(26241, 0, [AccessRights::READ; 2]);
        tree.add(access_control([of_sensor, may_create]).managed(8));
    });
    let begin = in_blocks(observe(0, "/26241/0/3"), 0);
    assert_eq!(two.code(0, begin), Code::CONTENT);
    two.client.go_offline(two.now);
    for letter in ["a", "b"] {
        let place = letter.repeat(40);
        two.client.set(two.now, path("/26241/0/3"), place).unwrap();
        two.client.handle_timeout(two.now);
    }
    two.client.go_online(two.now);
    let updates = two.sent();
    accept_updates(&mut two, updates);
    let first = notified(&mut two);
    assert_eq!(two.sent(), []);
    (two, first)
}

/// The second server creates a job, and both hear of it.
fn created(two: &mut Two, id: u8) {
    let mut sent = two.told(1, b"c", create(&job(id)));
    let answered = sent.iter().position(|(server, bytes)| {
        let message = MessageRef::parse(bytes).unwrap();
        *server == 1 && message.code() == Code::CREATED
    });
    sent.remove(answered.expect("a job"));
    accept_updates(two, sent);
}

#[test]
fn what_is_fetched_of_a_stored_value_outlasts_what_other_servers_create() {
    let (mut two, first) = fetching();
    let mut body = MessageRef::parse(&first).unwrap().payload().to_vec();
    for number in 1..3 {
        for id in 0..2 {
            created(&mut two, u8::try_from(number).unwrap() * 2 - 2 + id);
        }
        let answer = two.answer_to(0, b"b", in_blocks(get("/26241/0/3"), number));
        let message = MessageRef::parse(&answer).unwrap();
        assert_eq!(message.code(), Code::CONTENT, "block {number}");
        assert_eq!(etag(&answer), etag(&first));
        body.extend_from_slice(message.payload());
    }
    assert!(body.ends_with(&[b'a'; 40]));
    two.now += Duration::from_secs(3);
    let next = notified(&mut two);
    assert_ne!(etag(&next), etag(&first));
    let status = two.client.reporting().stored(lwm2m_kit::account(0));
    assert_eq!(status.dropped, 0);
}

/// The right that is lost is the one that counts (TS 7.3.2.5).
#[test]
fn what_is_fetched_of_a_stored_value_ends_with_the_right_to_read_it() {
    let (mut two, _) = fetching();
    two.client.set(two.now, path("/2/0/2/101"), 0).unwrap();
    let block = in_blocks(get("/26241/0/3"), 1);
    assert_eq!(two.code(0, block), Code::UNAUTHORIZED);
    two.client.handle_timeout(two.now);
    assert_eq!(two.sent(), []);
}

/// A notification that has several stored ones is sent no further if one of them has what may not be read any
/// more (TS 7.3.2.5).
#[test]
fn a_history_ends_with_the_right_to_read_any_of_it() {
    let servers = [101, 102].map(|id| typed::Server::new(server_id(id), 86_400));
    let mut config = ClientConfig::new("two", [1; 32]);
    config.storing.batches_json = true;
    let mut two = Two::with_config(config, servers, |tree| {
        tree.add(sensors());
        let all = AccessControl::OWNER_RIGHTS;
        let rights = [[all; 2], [AccessRights::NONE, all]];
        let each = [0, 1].map(|id| access(26241, id, rights[usize::from(id)]));
        tree.add(access_control(each));
    });
    let mut begin = observe(0, "/26241");
    begin.accept(ContentFormat::JSON).unwrap();
    assert_eq!(two.code(0, begin), Code::CONTENT);
    two.client.go_offline(two.now);
    let write = |two: &mut Two, at: &str, value: i64| {
        two.client.set(two.now, path(at), value).unwrap();
        two.client.handle_timeout(two.now);
    };
    write(&mut two, "/26241/0/1", 21);
    write(&mut two, "/2/1/2/101", 1);
    write(&mut two, "/26241/1/1", 31);
    two.client.go_online(two.now);
    let updates = two.sent();
    accept_updates(&mut two, updates);
    two.client.handle_timeout(two.now);
    let sent = two.sent();
    let [(0, history)] = &sent[..] else {
        panic!("{sent:?}");
    };
    let payload = MessageRef::parse(history).unwrap().payload();
    let payload = core::str::from_utf8(payload).unwrap();
    assert!(payload.contains("31"), "{payload}");
    write(&mut two, "/2/1/2/101", 0);
    two.now += Duration::from_secs(4);
    two.client.handle_timeout(two.now);
    for (server, bytes) in two.sent() {
        let message = MessageRef::parse(&bytes).unwrap();
        let payload = core::str::from_utf8(message.payload()).unwrap();
        assert!(!payload.contains("31"), "to {server}: {payload}");
    }
}

/// Two servers and two sensors, which the first server may read. At most two notifications are stored for each.
fn storing_two() -> Two {
    let servers = [101, 102].map(|id| typed::Server::new(server_id(id), 86_400));
    let mut config = ClientConfig::new("two", [1; 32]);
    config.storing.most = 2;
    config.storing.batches_json = true;
    Two::with_config(config, servers, |tree| {
        tree.add(sensors());
        let all = AccessControl::OWNER_RIGHTS;
        let each = [0, 1].map(|id| access(26241, id, [AccessRights::READ, all]));
        tree.add(access_control(each));
    })
}

fn write(two: &mut Two, at: &str, value: i64) {
    two.client.set(two.now, path(at), value).unwrap();
    two.client.handle_timeout(two.now);
}

/// The only notification that is to send now.
#[track_caller]
fn only(two: &mut Two) -> Vec<u8> {
    let mut sent = two.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    let (server, notification) = sent.remove(0);
    assert_eq!(server, 0);
    notification
}

/// The Client is back, and nothing that was stored has been sent.
fn back(two: &mut Two) {
    two.client.go_online(two.now);
    let updates = two.sent();
    accept_updates(two, updates);
    two.client.handle_timeout(two.now);
}

/// What is sent is judged by what it has, also if that is stored no more (TS 7.3.2.5).
#[test]
fn a_notification_that_is_sent_again_ends_with_the_right_even_if_newer_ones_took_its_place() {
    let mut two = storing_two();
    for (token, at) in [(b"a", "/26241/0/1"), (b"b", "/26241/1/1")] {
        let answer = two.answer_to(0, token, observe(0, at));
        assert_eq!(MessageRef::parse(&answer).unwrap().code(), Code::CONTENT);
    }
    two.client.go_offline(two.now);
    write(&mut two, "/26241/0/1", 21);
    write(&mut two, "/26241/1/1", 31);
    back(&mut two);
    let first = only(&mut two);
    assert_eq!(MessageRef::parse(&first).unwrap().token().as_bytes(), b"a");
    write(&mut two, "/26241/1/1", 32);
    let status = two.client.reporting().stored(lwm2m_kit::account(0));
    assert_eq!((status.waiting, status.dropped), (2, 1));
    assert_eq!(two.sent(), []);
    write(&mut two, "/2/0/2/101", 0);
    let second = only(&mut two);
    assert_eq!(MessageRef::parse(&second).unwrap().token().as_bytes(), b"b");
    two.now += Duration::from_secs(4);
    two.client.handle_timeout(two.now);
    let again = two.sent();
    assert_eq!(again, [(0, second)], "the first one isn't sent again");
}

/// The same of blocks: the next one is a request like any other (TS 7.3).
#[test]
fn blocks_of_a_history_end_with_the_right_even_if_newer_ones_took_the_place_of_a_part() {
    let mut two = storing_two();
    let mut begin = observe(0, "/26241");
    begin.accept(ContentFormat::JSON).unwrap();
    let block = BlockOption::new(0, false, BLOCK).unwrap();
    begin.block2(block).unwrap();
    assert_eq!(two.code(0, begin), Code::CONTENT);
    // That the second sensor can be read again is no news for a while.
    let period = attributes("/26241/1", "pmin=1000");
    assert_eq!(two.code(0, period), Code::CHANGED);
    two.client.go_offline(two.now);
    write(&mut two, "/26241/0/1", 21);
    write(&mut two, "/2/1/2/101", 0);
    write(&mut two, "/26241/0/1", 22);
    write(&mut two, "/2/1/2/101", 1);
    back(&mut two);
    let first = only(&mut two);
    let id = MessageRef::parse(&first).unwrap().message_id();
    let [high, low] = id.to_be_bytes();
    two.datagram(0, &[0x60, 0, high, low]);
    write(&mut two, "/26241/0/1", 23);
    let status = two.client.reporting().stored(lwm2m_kit::account(0));
    assert_eq!((status.waiting, status.dropped), (2, 1));
    assert_eq!(two.sent(), []);
    let ask = |number| {
        let mut request = get("/26241");
        let block = BlockOption::new(number, false, BLOCK).unwrap();
        request.accept(ContentFormat::JSON).unwrap();
        request.block2(block).unwrap();
        request
    };
    let served = two.answer_to(0, b"g", ask(1));
    assert_eq!(etag(&served), etag(&first), "it may still be read");
    write(&mut two, "/2/1/2/101", 0);
    let second = only(&mut two);
    assert_ne!(etag(&second), etag(&first));
    let served = two.answer_to(0, b"g", ask(2));
    assert_ne!(etag(&served), etag(&first), "it may be read no more");
}

/// What shows an Object Instance that another server has deleted isn't sent, as nobody has a right on what is gone
/// (TS 7.3.1.2.2, 7.3.2.5). It is counted, and the newest state is told.
#[test]
fn what_is_stored_of_a_deleted_instance_is_dropped_counted_and_made_up_for() {
    let servers = [101, 102].map(|id| typed::Server::new(server_id(id), 86_400));
    let mut two = Two::with(servers, |tree| {
        tree.add(sensors());
        let all = AccessControl::OWNER_RIGHTS;
        let each = [0, 1].map(|id| access(26241, id, [AccessRights::READ, all]));
        tree.add(access_control(each).managed(2));
    });
    for (token, begin) in [
        (b"o", in_blocks(observe(0, "/26241"), 0)),
        (b"r", observe(0, "/26241/0/1")),
    ] {
        let answer = two.answer_to(0, token, begin);
        assert_eq!(MessageRef::parse(&answer).unwrap().code(), Code::CONTENT);
    }
    two.client.go_offline(two.now);
    // Two of the Object, and one of the Resource.
    write(&mut two, "/26241/1/1", 31);
    write(&mut two, "/26241/0/1", 21);
    back(&mut two);
    let first = notified(&mut two);
    assert_eq!(MessageRef::parse(&first).unwrap().token().as_bytes(), b"o");
    while two.client.poll_event().is_some() {}

    let mut sent = two.told(1, b"d", on(Method::Delete, "/26241/1"));
    sent.retain(|(server, _)| *server == 0);
    let [(0, resource)] = &sent[..] else {
        panic!("{sent:?}");
    };
    let resource = MessageRef::parse(resource).unwrap();
    assert_eq!(resource.token().as_bytes(), b"r");
    let status = two.client.reporting().stored(lwm2m_kit::account(0));
    assert_eq!((status.waiting, status.dropped), (1, 2));

    let [high, low] = resource.message_id().to_be_bytes();
    two.datagram(0, &[0x60, 0, high, low]);
    two.client.handle_timeout(two.now);
    let mut sent = two.sent();
    let is_notification = |message: &MessageRef<'_>| message.observe().is_some();
    sent.retain(|(_, bytes)| is_notification(&MessageRef::parse(bytes).unwrap()));
    let [(0, newest)] = &sent[..] else {
        panic!("{sent:?}");
    };
    let newest = MessageRef::parse(newest).unwrap();
    assert_eq!(newest.token().as_bytes(), b"o");
    let dropped = ClientEvent::NotificationsDropped {
        account: lwm2m_kit::account(0),
        dropped: 2,
    };
    let mut events = core::iter::from_fn(|| two.client.poll_event());
    assert!(events.any(|event| event == dropped));
}
