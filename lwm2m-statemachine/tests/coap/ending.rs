//! A peer gets no further answers and notifications: what is being sent to it ends, what waits leaves or not.

use lwm2m_core::Code;
use lwm2m_statemachine::coap::{MessageBuf, MessageRef, NotifyOptions, RequestOptions};

use crate::support::*;

/// A confirmable notification, which leaves as soon as no other message is outstanding.
fn notify(node: &mut Node, name: &[u8]) {
    let options = NotifyOptions {
        confirmable: true,
        ..NotifyOptions::default()
    };
    let value = observe_answer(1, "n");
    node.notify(T0, "peer", token(name), value, options)
        .unwrap();
}

/// A separate response to a request with this token.
fn respond(node: &mut Node, name: &[u8], answer: MessageBuf) {
    let id = u16::from(name[0]);
    let datagram = message(get("x"), CON, id, token(name));
    let responder = responder(receive(node, T0, &datagram).unwrap());
    node.acknowledge(&responder);
    assert_eq!(sent_one(node), empty(ACK, id));
    node.respond(T0, responder, answer).unwrap();
}

fn changed() -> MessageBuf {
    MessageBuf::response(Code::CHANGED)
}

/// What is sent now: the type, the code and the token of each message.
fn now(node: &mut Node) -> Vec<(lwm2m_statemachine::coap::MessageType, Code, Vec<u8>)> {
    let read = |wire: Vec<u8>| {
        let read = MessageRef::parse(&wire).unwrap();
        (read.kind(), read.code(), read.token().as_bytes().to_vec())
    };
    sent(node).into_iter().map(read).collect()
}

/// Their requests have been carried out (RFC 7252 §5.2.2), so each leaves once, in their order.
#[test]
fn responses_that_wait_leave_once_when_answers_end() {
    let mut node = node();
    notify(&mut node, b"n");
    assert_eq!(now(&mut node), [(CON, Code::CONTENT, b"n".to_vec())]);
    respond(&mut node, b"a", changed());
    respond(&mut node, b"b", content("b"));
    let options = RequestOptions::default();
    node.request(T0, "peer", get("r"), options).unwrap();
    assert_eq!(now(&mut node), []);
    node.finish_answers(T0, &"peer");
    let left = now(&mut node);
    assert_eq!(
        left[..2],
        [
            (NON, Code::CHANGED, b"a".to_vec()),
            (NON, Code::CONTENT, b"b".to_vec())
        ]
    );
    // They keep nothing waiting.
    assert_eq!(left.len(), 3);
    assert_eq!((left[2].0, left[2].1), (CON, Code::GET));
    assert_eq!(node.usage().transmissions, 1);
    node.finish_answers(T0, &"peer");
    assert_eq!(now(&mut node), []);
}

#[test]
fn what_is_being_sent_is_not_sent_again_when_answers_end() {
    let mut node = node();
    respond(&mut node, b"a", changed());
    assert_eq!(now(&mut node), [(CON, Code::CHANGED, b"a".to_vec())]);
    node.finish_answers(T0, &"peer");
    assert_eq!(node.usage().transmissions, 0);
    assert!(run_until_quiet(&mut node).is_empty());
    assert_eq!(now(&mut node), []);
}

/// The observation that such a response would begin has ended.
#[test]
fn no_notification_leaves_when_answers_end() {
    let mut node = node();
    notify(&mut node, b"n");
    assert_eq!(now(&mut node), [(CON, Code::CONTENT, b"n".to_vec())]);
    notify(&mut node, b"m");
    respond(&mut node, b"o", observe_answer(1, "first"));
    notify(&mut node, b"n");
    node.finish_answers(T0, &"peer");
    assert_eq!(now(&mut node), []);
    assert_eq!(node.usage().transmissions, 0);
    assert!(run_until_quiet(&mut node).is_empty());
}

/// Others are sent what they were sent.
#[test]
fn the_answers_to_another_peer_do_not_end() {
    let mut node = node();
    notify(&mut node, b"n");
    now(&mut node);
    node.finish_answers(T0, &"another");
    assert_eq!(node.usage().transmissions, 1);
    let due = node.poll_timeout().unwrap();
    node.handle_timeout(due);
    assert_eq!(now(&mut node), [(CON, Code::CONTENT, b"n".to_vec())]);
}

/// After the end of a lifetime nothing may leave.
#[test]
fn answers_that_end_at_once_are_not_sent_at_all() {
    let mut node = node();
    notify(&mut node, b"n");
    now(&mut node);
    respond(&mut node, b"a", changed());
    node.end_answers(T0, &"peer");
    assert_eq!(now(&mut node), []);
    assert_eq!(node.usage().transmissions, 0);
    assert!(run_until_quiet(&mut node).is_empty());
}
