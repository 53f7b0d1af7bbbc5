//! What may be repeated after a request that wasn't answered, and what not.

use core::time::Duration;

use lwm2m_core::{AttributesUpdate, Code, InstanceId, WriteMode, codec::Content};
use lwm2m_statemachine::{
    OperationId, Outcome, ServerEvent,
    coap::{FailureReason, MessageBuf},
};

use super::world::{AWAKE, SILENCE, Sleeper, outcomes, paths};
use crate::support::path;

type Begin = fn(&mut Sleeper) -> OperationId;

#[test]
fn what_was_not_answered_and_does_no_harm_is_sent_again_when_the_client_wakes() {
    let all: [Begin; 6] = [
        |client| client.read("/3/0/9"),
        |client| client.observe().unwrap(),
        |client| client.write("Troll", WriteMode::Replace),
        |client| {
            let (now, id) = (client.now, client.id);
            client.server.discover(now, id, path("/3")).unwrap()
        },
        |client| {
            let (now, id) = (client.now, client.id);
            let update = AttributesUpdate::from_queries(["pmin=10"]).unwrap();
            let at = path("/3/0/9");
            client
                .server
                .write_attributes(now, id, at, &update)
                .unwrap()
        },
        |client| {
            let (now, id) = (client.now, client.id);
            client.server.delete(now, id, path("/9/1")).unwrap()
        },
    ];
    for begin in all {
        let mut client = Sleeper::awake();
        let operation = begin(&mut client);
        let first = client.pass_sending(SILENCE).remove(0);
        assert!(matches!(client.events()[..], [ServerEvent::Asleep { .. }]));
        let waiting: Vec<_> = client.server.queued(client.id).collect();
        assert!(waiting[0].was_sent && !waiting[0].is_under_way);

        let again = client.wake().remove(0);
        assert_eq!((again.code(), again.path()), (first.code(), first.path()));
        assert_eq!(again.queries(), first.queries());
        assert_eq!(again.payload(), first.payload());
        // Another message, so that the client doesn't take it for a copy of the first.
        assert_ne!(again.message().message_id(), first.message().message_id());
        client.answer_code(&again, Code::NOT_FOUND);
        let code = Code::NOT_FOUND;
        let events = client.events();
        assert_eq!(outcomes(&events), [(operation, Outcome::Refused { code })]);
    }
}

#[test]
fn an_execute_a_create_and_a_write_by_post_end_without_answer_and_are_never_repeated() {
    let all: [Begin; 3] = [
        Sleeper::reboot,
        |client| client.write("Troll", WriteMode::PartialUpdate),
        |client| {
            let (now, id) = (client.now, client.id);
            let object = path("/9").object().unwrap();
            let instance = Some(InstanceId::ZERO);
            let content = Content::new();
            let created = client
                .server
                .create(now, id, object, instance, None, &content);
            created.unwrap()
        },
    ];
    for begin in all {
        let mut client = Sleeper::asleep();
        let operation = begin(&mut client);
        assert_eq!(client.wake().len(), 1);
        client.pass(SILENCE);
        let events = client.events();
        assert_eq!(outcomes(&events), [(operation, Outcome::Timeout)]);
        assert!(matches!(events.last(), Some(ServerEvent::Asleep { .. })));
        client.sent();
        assert!(client.wake().is_empty());
    }
}

#[test]
fn what_was_not_answered_keeps_its_place() {
    let mut client = Sleeper::awake();
    client.read("/3/0/9");
    client.read("/3/0/13");
    client.pass(SILENCE);
    client.read("/3/0/1");
    client.sent();
    let mut sent = client.wake();
    for at in ["/3/0/9", "/3/0/13", "/3/0/1"] {
        assert_eq!(paths(&sent), [at]);
        client.answer_code(&sent[0], Code::NOT_FOUND);
        sent = client.sent();
    }
    assert!(sent.is_empty());
}

#[test]
fn what_failed_although_the_client_answered_ends_with_its_reason() {
    let mut client = Sleeper::with("b=UQ", |config| config.coap.bounds.body = 100);
    let operation = client.read("/3/0");
    let request = client.sent_one();
    let mut response = MessageBuf::response(Code::CONTENT);
    response
        .block2(lwm2m_statemachine::coap::BlockOption::new(0, true, 64).unwrap())
        .unwrap()
        .payload(&[0; 64]);
    response
        .clone()
        .uint(lwm2m_statemachine::coap::OptionNumber::SIZE2, 1000)
        .ok();
    client.answer(&request, response);
    let second = client.sent_one();
    let mut response = MessageBuf::response(Code::CONTENT);
    response
        .block2(lwm2m_statemachine::coap::BlockOption::new(1, true, 64).unwrap())
        .unwrap()
        .payload(&[0; 64]);
    client.answer(&second, response);
    let reason = FailureReason::TooLarge;
    assert_eq!(client.outcome(operation), Outcome::Failed { reason });
}

#[test]
fn a_body_in_blocks_whose_blocks_are_not_answered_begins_anew_when_the_client_wakes() {
    let mut client = Sleeper::with("b=UQ", |config| config.coap.block_size = 16);
    let text = "Antarctica/Troll, or any other that takes some blocks";
    let operation = client.write(text, WriteMode::Replace);
    let first = client.sent_one();
    let mut go_on = MessageBuf::response(Code::CONTINUE);
    go_on.block1(first.message().block1().unwrap()).unwrap();
    client.answer(&first, go_on.clone());
    client.pass(SILENCE);
    assert!(matches!(client.events()[..], [ServerEvent::Asleep { .. }]));
    client.sent();

    let mut request = client.wake().remove(0);
    assert_eq!(request.message().block1(), first.message().block1());
    for _ in 0..10 {
        let block = request.message().block1().unwrap();
        let code = if block.more() {
            Code::CONTINUE
        } else {
            Code::CHANGED
        };
        let mut answer = MessageBuf::response(code);
        answer.block1(block).unwrap();
        client.answer(&request, answer);
        match client.sent().pop() {
            Some(next) => request = next,
            None => break,
        }
    }
    assert_eq!(client.outcome(operation), Outcome::Changed);
}

#[test]
fn a_request_may_be_repeated_at_every_wake_until_its_deadline() {
    let mut client = Sleeper::asleep();
    let operation = client.read("/3/0/9");
    let deadline = client.now + Duration::from_secs(1000);
    client
        .server
        .waiting()
        .set_deadline(operation, deadline)
        .unwrap();
    for _ in 0..3 {
        assert_eq!(client.wake().len(), 1);
        client.pass(SILENCE);
        client.sent();
        assert!(outcomes(&client.events()).is_empty());
    }
    let left = deadline.saturating_duration_since(client.now);
    client.pass(left);
    let sent = true;
    assert_eq!(client.outcome(operation), Outcome::DeadlinePassed { sent });
    assert!(client.wake().is_empty());
    client.pass(AWAKE);
}
