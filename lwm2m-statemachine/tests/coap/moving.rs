//! Observations of a device that comes back as another peer: in a new secure session, or at another
//! address.

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::{
    Channel, Datagram,
    coap::{
        BlockOption, Config, DatagramError, Endpoint, Event, FailureReason, Incoming, MessageBuf,
        MessageRef, MessageType, Overload, RequestId, RequestOptions, RestoreError, Token,
    },
};

use crate::support::*;

/// Where the device is at first, as in [`receive`].
const OLD: &str = "peer";
const NEW: &str = "new";

fn observe() -> MessageBuf {
    let mut message = MessageBuf::request(Method::Get);
    message.observe(0).unwrap().uri_path("x").unwrap();
    message
}

/// An observation at the old peer, whose first answer has the number 10.
fn observation(node: &mut Node) -> (RequestId, Token) {
    let (id, message_id, of) = request_of(node, observe(), RequestOptions::default());
    let answer = observe_answer(10, "a");
    let answer = message(answer, MessageType::Acknowledgement, message_id, of);
    let answer = receive(node, T0, &answer).unwrap();
    assert!(matches!(
        answer,
        Some(Incoming::Response {
            observing: true,
            ..
        })
    ));
    (id, of)
}

/// What became of a confirmable notification.
#[derive(Debug, PartialEq)]
enum Met {
    /// It was handed on and acknowledged.
    Taken,
    /// It was acknowledged alone.
    Old,
    /// It was rejected.
    Rejected,
}

/// A confirmable notification from a peer; `follows` says whether it is the device.
fn notify(
    node: &mut Node,
    from: &'static str,
    (id, of): (RequestId, Token),
    number: u32,
    follows: bool,
) -> Met {
    let message_id = 40_000 + u16::try_from(number).unwrap();
    let datagram = message(observe_answer(number, "b"), CON, message_id, of);
    let mut asked = |request| {
        assert_eq!(request, id);
        follows
    };
    let datagram = Datagram::new(from, &datagram);
    let incoming = node.receive_following(T0, &datagram, &mut asked);
    let met = match incoming {
        Ok(Some(Incoming::Notification {
            request,
            observing: true,
            body,
            ..
        })) => {
            assert_eq!((request, &*body), (id, &b"b"[..]));
            Met::Taken
        }
        Ok(None) => Met::Old,
        Err(DatagramError::Unmatched) => Met::Rejected,
        other => panic!("{other:?}"),
    };
    let answer = if met == Met::Rejected { RST } else { ACK };
    let [sent] = <[_; 1]>::try_from(lwm2m_kit::sent(node)).unwrap();
    assert_eq!((sent.to, sent.bytes), (from, empty(answer, message_id)));
    met
}

fn move_to(node: &mut Node, id: RequestId) -> Result<(), RestoreError> {
    node.move_observation(T0, id, NEW, Channel::Udp)
}

#[test]
fn an_observation_moves_with_its_token_and_its_order() {
    let mut node = node();
    let of = observation(&mut node);
    move_to(&mut node, of.0).unwrap();
    assert!(sent(&mut node).is_empty());
    assert_eq!(notify(&mut node, NEW, of, 10, false), Met::Old);
    assert_eq!(notify(&mut node, NEW, of, 11, false), Met::Taken);
    assert_eq!(notify(&mut node, OLD, of, 12, false), Met::Rejected);
    // It is cancelled there.
    let cancels = RequestOptions {
        cancels: Some(of.0),
        ..RequestOptions::default()
    };
    let mut cancel = MessageBuf::request(Method::Get);
    cancel.observe(1).unwrap().uri_path("x").unwrap();
    assert!(node.request(T0, OLD, cancel, cancels).is_err());
    let mut cancel = MessageBuf::request(Method::Get);
    cancel.observe(1).unwrap().uri_path("x").unwrap();
    node.request(T0, NEW, cancel, cancels).unwrap();
    let wire = sent_one(&mut node);
    let request = MessageRef::parse(&wire).unwrap();
    assert_eq!((request.token(), request.observe()), (of.1, Some(1)));
    run_until_quiet(&mut node);
}

#[test]
fn a_notification_of_a_device_that_came_back_moves_the_observation() {
    let mut node = node();
    let of = observation(&mut node);
    assert_eq!(notify(&mut node, NEW, of, 11, false), Met::Rejected);
    assert_eq!(notify(&mut node, NEW, of, 12, true), Met::Taken);
    // A copy is acknowledged again, without a question.
    assert_eq!(notify(&mut node, NEW, of, 12, false), Met::Old);
    assert_eq!(notify(&mut node, NEW, of, 13, false), Met::Taken);
    // What is late from the old peer is not newer, and not rejected.
    assert_eq!(notify(&mut node, OLD, of, 11, true), Met::Old);
    assert_eq!(notify(&mut node, NEW, of, 14, false), Met::Taken);
    assert_eq!(notify(&mut node, OLD, of, 15, true), Met::Taken);
    assert_eq!(node.usage().requests, 1);
    assert!(node.cancel(T0, of.0));
    assert_eq!(notify(&mut node, OLD, of, 16, true), Met::Rejected);
    run_until_quiet(&mut node);
}

#[test]
fn an_observation_that_waits_for_its_first_answer_begins_with_a_notification_from_elsewhere() {
    let mut node = node();
    let (id, _, of) = request_of(&mut node, observe(), RequestOptions::default());
    let datagram = message(observe_answer(10, "a"), NON, 7, of);
    let datagram = Datagram::new(NEW, &datagram);
    let incoming = node.receive_following(T0, &datagram, &mut |_| true);
    assert!(matches!(
        incoming,
        Ok(Some(Incoming::Response { request, observing: true, .. })) if request == id
    ));
    // The request isn't sent again.
    node.handle_timeout(T0 + seconds(5));
    assert!(sent(&mut node).is_empty());
    assert_eq!(notify(&mut node, NEW, (id, of), 11, false), Met::Taken);
    assert!(node.cancel(T0, id));
    run_until_quiet(&mut node);
}

#[test]
fn nothing_but_a_notification_is_taken_from_elsewhere() {
    let mut node = node();
    let (_, message_id, of) = request(&mut node, RequestOptions::default());
    for kind in [CON, NON, MessageType::Acknowledgement] {
        let answer = message(content("a"), kind, message_id, of);
        let answer = Datagram::new(NEW, &answer);
        let unasked = &mut |_| panic!("no observation has the token");
        let incoming = node.receive_following(T0, &answer, unasked);
        assert!(matches!(incoming, Err(DatagramError::Unmatched)));
    }
    assert_eq!(node.usage().requests, 1);
}

/// The first block of a body of several.
fn in_blocks(mut answer: MessageBuf) -> MessageBuf {
    let block = BlockOption::new(0, true, 16).unwrap();
    answer.block2(block).unwrap().payload(b"0123456789abcdef");
    answer
}

/// A notification whose first block of several comes from this peer.
fn first_block(node: &mut Node, from: &'static str, (_, of): (RequestId, Token), number: u32) {
    let mut large = MessageBuf::response(Code::CONTENT);
    large.observe(number).unwrap();
    let large = in_blocks(large);
    let message_id = 50_000 + u16::try_from(number).unwrap();
    let datagram = message(large, NON, message_id, of);
    let datagram = Datagram::new(from, &datagram);
    let incoming = node.receive_following(T0, &datagram, &mut |_| true);
    assert!(matches!(incoming, Ok(None)), "{incoming:?}");
    let [next] = <[_; 1]>::try_from(lwm2m_kit::sent(node)).unwrap();
    assert_eq!(next.to, from);
    assert_eq!(next.message().block2().map(BlockOption::number), Some(1));
}

fn lost(observing: bool) -> impl Fn(&Event<&'static str>) -> bool {
    move |event| {
        let Event::NotificationLost {
            peer,
            reason,
            observing: goes_on,
            ..
        } = event
        else {
            return false;
        };
        let expected = (OLD, FailureReason::PeerDropped, observing);
        (*peer, *reason, *goes_on) == expected
    }
}

#[test]
fn blocks_that_were_on_their_way_are_lost_and_those_of_the_next_come_from_the_new_peer() {
    let mut node = node();
    let of = observation(&mut node);
    first_block(&mut node, OLD, of, 11);
    move_to(&mut node, of.0).unwrap();
    let events = lwm2m_kit::events(&mut node);
    assert!(
        matches!(&*events, [event] if lost(true)(event)),
        "{events:?}"
    );
    assert_eq!(node.usage().requests, 1);
    // A newer one that comes from elsewhere takes the place of one whose blocks are being fetched.
    first_block(&mut node, NEW, of, 12);
    first_block(&mut node, "third", of, 13);
    assert!(lwm2m_kit::events(&mut node).is_empty());
    assert_eq!(node.usage().requests, 2);
    assert!(node.cancel(T0, of.0));
    run_until_quiet(&mut node);
}

#[test]
fn a_last_notification_whose_blocks_are_lost_ends_the_observation() {
    let last = |node: &mut Node| {
        let of = observation(node);
        let last = in_blocks(MessageBuf::response(Code::CONTENT));
        let last = message(last, NON, 7, of.1);
        assert!(matches!(receive(node, T0, &last), Ok(None)));
        sent(node);
        of
    };
    let mut node = node();
    let of = last(&mut node);
    assert_eq!(
        move_to(&mut node, of.0),
        Err(RestoreError::NotAnObservation)
    );
    let events = lwm2m_kit::events(&mut node);
    assert!(
        matches!(&*events, [event] if lost(false)(event)),
        "{events:?}"
    );
    run_until_quiet(&mut node);

    // As long as they are being fetched, nothing newer comes.
    let mut node = Endpoint::new(Config::new([5; 32]));
    let of = last(&mut node);
    assert_eq!(notify(&mut node, NEW, of, 12, true), Met::Old);
    let events = run_until_quiet(&mut node);
    assert!(events.iter().any(|event| matches!(
        event,
        Event::NotificationLost {
            reason: FailureReason::Timeout,
            observing: false,
            ..
        }
    )));
}

#[test]
fn a_session_that_ends_takes_everything_with_it_but_observations() {
    let mut node = node();
    let of = observation(&mut node);
    let (read, _, _) = request(&mut node, RequestOptions::default());
    // It waits for NSTART.
    let waits = node.request(T0, OLD, get("y"), RequestOptions::default());
    let begins = node.request(T0, OLD, observe(), RequestOptions::default());
    let post = message(MessageBuf::request(Method::Post), CON, 7, token(b"1"));
    let incoming = receive(&mut node, T0, &post).unwrap();
    let answer = MessageBuf::response(Code::CHANGED);
    node.respond(T0, responder(incoming), answer).unwrap();
    sent(&mut node);

    node.end_session(T0, &OLD);
    let failed: Vec<_> = lwm2m_kit::events(&mut node)
        .into_iter()
        .map(|event| match event {
            Event::RequestFailed {
                request,
                reason: FailureReason::PeerDropped,
                ..
            } => request,
            event => panic!("{event:?}"),
        })
        .collect();
    let open = [read, waits.unwrap(), begins.unwrap()];
    assert!(failed.len() == 3 && open.iter().all(|request| failed.contains(request)));
    let usage = node.usage();
    assert_eq!(
        (usage.requests, usage.records, usage.transmissions),
        (1, 0, 0)
    );
    assert!(sent(&mut node).is_empty());

    // The observation goes on elsewhere.
    assert_eq!(notify(&mut node, NEW, of, 11, true), Met::Taken);
    // The old peer is forgotten with it.
    node.end_session(T0, &OLD);
    assert_eq!(node.usage().peers, 1);
    node.end_session(T0, &"nobody");
    assert!(node.cancel(T0, of.0));
    run_until_quiet(&mut node);
}

#[test]
fn blocks_of_a_notification_are_lost_with_the_session() {
    let mut node = node();
    let of = observation(&mut node);
    first_block(&mut node, OLD, of, 11);
    node.end_session(T0, &OLD);
    let events = lwm2m_kit::events(&mut node);
    assert!(
        matches!(&*events, [event] if lost(true)(event)),
        "{events:?}"
    );
    assert_eq!(notify(&mut node, NEW, of, 12, true), Met::Taken);
    assert!(node.cancel(T0, of.0));
    run_until_quiet(&mut node);
}

#[test]
fn what_cannot_be_moved_stays_where_it_is() {
    let mut config = Config::new([5; 32]);
    config.bounds.requests_per_peer = 1;
    let mut node: Node = Endpoint::new(config);
    let (read, message_id, of) = request(&mut node, RequestOptions::default());
    assert_eq!(
        move_to(&mut node, read),
        Err(RestoreError::NotAnObservation)
    );
    let answer = message(content("a"), MessageType::Acknowledgement, message_id, of);
    assert!(matches!(receive(&mut node, T0, &answer), Ok(Some(_))));

    let of = observation(&mut node);
    node.request(T0, NEW, get("x"), RequestOptions::default())
        .unwrap();
    sent(&mut node);
    let full = Err(RestoreError::Overload(Overload::Messages));
    assert_eq!(move_to(&mut node, of.0), full);
    // A notification from there is neither acknowledged nor rejected: it comes again.
    let datagram = message(observe_answer(11, "b"), CON, 7, of.1);
    let datagram = Datagram::new(NEW, &datagram);
    let incoming = node.receive_following(T0, &datagram, &mut |_| true);
    assert!(matches!(incoming, Err(DatagramError::Overload)));
    assert!(sent(&mut node).is_empty());

    assert_eq!(notify(&mut node, OLD, of, 12, false), Met::Taken);
    assert!(node.cancel(T0, of.0));
    assert_eq!(
        move_to(&mut node, of.0),
        Err(RestoreError::NotAnObservation)
    );
}
