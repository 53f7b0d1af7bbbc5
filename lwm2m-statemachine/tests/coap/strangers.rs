//! What strangers make an endpoint remember doesn't shut out known peers. Without security a
//! stranger may use anyone's address.

use core::time::Duration;

use lwm2m_core::{Code, Instant, Method};
use lwm2m_statemachine::{
    Channel, Datagram,
    coap::{
        BlockOption, Config, DatagramError, Endpoint, Incoming, MessageBuf, MessageRef,
        MessageType, NotifyOptions, Overload, RequestOptions, SendError,
    },
};

use crate::support::*;

fn code_of(datagram: &[u8]) -> Code {
    MessageRef::parse(datagram).unwrap().code()
}

fn post(path: &str) -> MessageBuf {
    let mut message = MessageBuf::request(Method::Post);
    message.uri_path(path).unwrap();
    message
}

fn observe() -> MessageBuf {
    let mut message = MessageBuf::request(Method::Get);
    message.observe(0).unwrap().uri_path("x").unwrap();
    message
}

/// A request, answered with `code`; returns whether it was run, and what was sent.
fn run(
    node: &mut Node,
    from: &'static str,
    request: MessageBuf,
    id: u16,
    code: Code,
) -> (bool, Vec<u8>) {
    let datagram = message(request, CON, id, token(b"t"));
    let incoming = node.receive(T0, &Datagram::new(from, &datagram));
    let is_run = matches!(incoming, Ok(Some(_)));
    if let Ok(incoming @ Some(_)) = incoming {
        let answer = MessageBuf::response(code);
        node.respond(T0, responder(incoming), answer).unwrap();
    }
    (is_run, sent_one(node))
}

/// Bounds on records: of one peer, and of all of them.
fn few_records() -> [Config; 2] {
    let mut per_peer = Config::new([5; 32]);
    per_peer.bounds.records_per_peer = 16;
    let mut of_all = Config::new([5; 32]);
    of_all.bounds.records = 16;
    [per_peer, of_all]
}

/// Codes for requests without an effect (RFC 7252 §5.9.2, §5.9.3).
const REFUSALS: [Code; 10] = [
    Code::BAD_REQUEST,
    Code::UNAUTHORIZED,
    Code::FORBIDDEN,
    Code::NOT_FOUND,
    Code::METHOD_NOT_ALLOWED,
    Code::PRECONDITION_FAILED,
    Code::UNSUPPORTED_CONTENT_FORMAT,
    Code::new(5, 1),
    Code::SERVICE_UNAVAILABLE,
    Code::PROXYING_NOT_SUPPORTED,
];

/// Codes for requests that may have had an effect.
const OUTCOMES: [Code; 5] = [
    Code::CREATED,
    Code::CHANGED,
    Code::CONTENT,
    Code::INTERNAL_SERVER_ERROR,
    Code::new(5, 4),
];

// Requests.

#[test]
fn requests_that_are_refused_do_not_shut_their_sender_out() {
    for config in few_records() {
        for code in REFUSALS {
            let mut node: Node = Endpoint::new(config.clone());
            let (_, done) = run(&mut node, "peer", post("x"), 9_000, Code::CHANGED);
            for id in 0..600 {
                let (is_run, answer) = run(&mut node, "peer", post("y"), id, code);
                assert!(is_run && code_of(&answer) == code, "{code}");
            }
            let (is_run, answer) = run(&mut node, "peer", post("x"), 9_001, Code::CHANGED);
            assert!(is_run && code_of(&answer) == Code::CHANGED, "{code}");
            // A request that was run isn't run again, however many were refused since.
            let again = run(&mut node, "peer", post("x"), 9_000, Code::CREATED);
            assert_eq!(again, (false, done), "{code}");
            assert!(node.usage().records <= 16);
        }
    }
}

#[test]
fn requests_that_were_run_are_never_forgotten_for_want_of_room() {
    for config in few_records() {
        for code in OUTCOMES {
            let mut node: Node = Endpoint::new(config.clone());
            let answers: Vec<_> = (0..16)
                .map(|id| run(&mut node, "peer", post("x"), id, code).1)
                .collect();
            let (is_run, refused) = run(&mut node, "peer", post("x"), 100, code);
            assert!(!is_run, "{code}");
            assert_eq!(code_of(&refused), Code::SERVICE_UNAVAILABLE);
            for (id, answer) in (0..).zip(answers) {
                let again = run(&mut node, "peer", post("x"), id, Code::VALID);
                assert_eq!(again, (false, answer), "{code}");
            }
        }
    }
}

/// The application may declare a request repeatable.
#[test]
fn requests_that_are_said_to_be_repeatable_leave_room_for_records() {
    for config in few_records() {
        let mut node: Node = Endpoint::new(config);
        let mut runs = 0;
        for id in (0..600).chain([0]) {
            let datagram = message(post("x"), CON, id, token(b"t"));
            let responder = responder(receive(&mut node, T0, &datagram).unwrap()).repeatable();
            let answer = MessageBuf::response(Code::CREATED);
            node.respond(T0, responder, answer).unwrap();
            assert_eq!(code_of(&sent_one(&mut node)), Code::CREATED);
            runs += 1;
        }
        assert_eq!(runs, 601);
        // It is remembered while there is room.
        let again = message(post("x"), CON, 0, token(b"t"));
        assert!(receive(&mut node, T0, &again).unwrap().is_none());
    }
}

/// A stranger may use any number of addresses.
#[test]
fn refused_requests_from_many_addresses_leave_room_for_records() {
    let mut config = Config::new([5; 32]);
    config.bounds.records = 16;
    let mut node: Endpoint<u32> = Endpoint::new(config);
    let request = message(post("x"), CON, 1, token(b"t"));
    for stranger in 0..1000 {
        let incoming = node.receive(T0, &Datagram::new(stranger, &request));
        let responder = responder(incoming.unwrap());
        let answer = MessageBuf::response(Code::NOT_FOUND);
        node.respond(T0, responder, answer).unwrap();
        assert_eq!(
            code_of(node.poll_transmit().unwrap().payload),
            Code::NOT_FOUND
        );
    }
    assert!(node.usage().records <= 16);
}

/// Requests that the endpoint refuses by itself: options, methods, proxies, blocks.
#[test]
fn what_the_endpoint_refuses_leaves_room_for_records() {
    let block = |number, more| {
        let mut request = post("x");
        let block = BlockOption::new(number, more, 16).unwrap();
        request.block1(block).unwrap().payload(&[7; 16]);
        request
    };
    let with = |number: u16| {
        let mut request = MessageBuf::request(Method::Post);
        let number = lwm2m_statemachine::coap::OptionNumber::new(number);
        request.option(number, b"x").unwrap();
        request
    };
    let requests: [(&str, MessageBuf); 6] = [
        ("unknown option", with(9)),
        ("proxy", with(39)),
        ("unknown method", MessageBuf::new(Code::new(0, 7))),
        ("a first block", block(0, true)),
        ("a block without a first one", block(3, true)),
        ("a last block without a first one", block(3, false)),
    ];
    for config in few_records() {
        for (what, request) in &requests {
            let mut node: Node = Endpoint::new(config.clone());
            for id in 0..600 {
                let datagram = message(request.clone(), CON, id, token(b"t"));
                assert!(!matches!(receive(&mut node, T0, &datagram), Ok(Some(_))));
                let code = code_of(&sent_one(&mut node));
                assert_ne!(code, Code::SERVICE_UNAVAILABLE, "{what} {id}");
            }
            let (is_run, _) = run(&mut node, "peer", post("y"), 9_000, Code::CHANGED);
            assert!(is_run, "{what}");
        }
    }
}

/// An Observe that is answered without an Observe option is just a read.
#[test]
fn observations_that_are_not_taken_up_leave_room_for_records() {
    for config in few_records() {
        let mut node: Node = Endpoint::new(config);
        for id in 0..600 {
            assert!(run(&mut node, "peer", observe(), id, Code::CONTENT).0);
        }
        assert!(run(&mut node, "peer", post("x"), 9_000, Code::CHANGED).0);
    }
}

/// A copy of the request doesn't begin an observation again.
#[test]
fn observations_that_are_taken_up_are_not_begun_again() {
    let mut config = Config::new([5; 32]);
    config.bounds.records_per_peer = 2;
    let mut node: Node = Endpoint::new(config);
    let datagram = message(observe(), CON, 1, token(b"o"));
    let observer = responder(receive(&mut node, T0, &datagram).unwrap());
    node.respond(T0, observer, observe_answer(1, "a")).unwrap();
    let answer = sent_one(&mut node);
    for id in 100..200 {
        assert!(run(&mut node, "peer", get("x"), id, Code::CONTENT).0);
    }
    assert!(receive(&mut node, T0, &datagram).unwrap().is_none());
    assert_eq!(sent_one(&mut node), answer);
}

/// The application has run the request, even if its answer couldn't be supplied.
#[test]
fn a_request_whose_answer_failed_afterwards_was_run_all_the_same() {
    // The answer has no room, is aborted, or comes too late.
    for (serving, is_aborted) in [(0, false), (1, true), (1, false)] {
        let mut config = Config::new([5; 32]);
        config.bounds.records_per_peer = 4;
        config.bounds.serving.bodies = serving;
        config.transfer_lifetime = Some(seconds(10));
        let mut node: Node = Endpoint::new(config);
        let datagram = message(post("x"), CON, 1, token(b"t"));
        let responder = responder(receive(&mut node, T0, &datagram).unwrap());
        let source = node.bodies().source(None);
        let id = source.id();
        let success = MessageBuf::response(Code::CHANGED);
        node.respond(T0, responder, (success, source)).unwrap();
        if is_aborted {
            node.bodies().abort(T0, id);
        }
        node.handle_timeout(T0 + seconds(10));
        assert!(!sent(&mut node).is_empty());
        for id in 100..200 {
            run(&mut node, "peer", post("y"), id, Code::NOT_FOUND);
        }
        assert!(
            !matches!(receive(&mut node, T0, &datagram), Ok(Some(_))),
            "{serving} {is_aborted}"
        );
    }
}

// Message ids.

/// More answered non-confirmable requests from a victim's address than there are message ids.
fn exhaust_message_ids(node: &mut Node) {
    let mut refused = 0;
    for id in 0..70_000_u32 {
        let id = u16::try_from(id % 65_536).unwrap();
        // Its own records expire long before.
        let datagram = message(get("x"), NON, id, token(b"t"));
        if let Ok(Some(Incoming::Request { responder, .. })) = receive(node, T0, &datagram) {
            match node.respond(T0, responder, content("x")) {
                Ok(()) => {}
                Err(SendError::Overload(Overload::MessageIds)) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        sent(node);
    }
    assert!(refused > 0, "message ids are used again too early");
}

#[test]
fn answers_to_strangers_leave_message_ids_for_requests_and_notifications() {
    let mut node = node();
    exhaust_message_ids(&mut node);
    let message_id = |node: &mut Node| {
        let wire = sent_one(node);
        MessageRef::parse(&wire).unwrap().message_id()
    };
    let options = RequestOptions::default();
    node.request(T0, "peer", get("a"), options).unwrap();
    let mut used = vec![message_id(&mut node)];
    for channel in [Channel::Udp, Channel::Sms] {
        let options = NotifyOptions {
            channel,
            ..NotifyOptions::default()
        };
        let value = observe_answer(1, "x");
        node.notify(T0, "peer", token(b"n"), value, options)
            .unwrap();
        used.push(message_id(&mut node));
    }
    let options = RequestOptions {
        channel: Channel::Sms,
        ..RequestOptions::default()
    };
    node.request(T0, "peer", get("b"), options).unwrap();
    used.push(message_id(&mut node));
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), 4);
}

/// Each share is separate: answers are still sent when the application has used up its own.
#[test]
fn no_message_id_is_used_twice_whatever_it_is_used_for() {
    let mut node = node();
    let mut used = vec![false; 1 << 16];
    let mut mark_used = |node: &mut Node| {
        for wire in sent(node) {
            let id = MessageRef::parse(&wire).unwrap().message_id();
            assert!(
                !core::mem::replace(&mut used[usize::from(id)], true),
                "{id}"
            );
        }
    };
    let (mut answers, mut notifications) = (0, 0);
    for step in 0..200_000_u32 {
        if step % 2 == 0 {
            let id = u16::try_from(step / 2 % 65_536).unwrap();
            let datagram = message(get("x"), NON, id, token(b"t"));
            if let Ok(Some(Incoming::Request { responder, .. })) = receive(&mut node, T0, &datagram)
            {
                answers += u32::from(node.respond(T0, responder, content("x")).is_ok());
            }
        } else {
            let value = observe_answer(step, "x");
            let options = NotifyOptions::default();
            let sent = node.notify(T0, "peer", token(b"n"), value, options);
            notifications += u32::from(sent.is_ok());
        }
        mark_used(&mut node);
    }
    assert!(answers > 8_000, "{answers}");
    assert!(notifications > 40_000, "{notifications}");
}

// Messages that await an acknowledgement.

/// Separate responses, as many as may wait.
fn respond_separately(node: &mut Node, count: u16) -> usize {
    let mut taken = 0;
    for id in 0..count {
        let datagram = message(get("x"), CON, id, token(b"t"));
        let responder = responder(receive(node, T0, &datagram).unwrap());
        node.acknowledge(&responder);
        taken += usize::from(node.respond(T0, responder, content("x")).is_ok());
    }
    taken
}

#[test]
fn separate_responses_leave_room_for_confirmable_notifications() {
    let mut config = Config::new([5; 32]);
    config.bounds.transmissions_per_peer = 4;
    let mut node: Node = Endpoint::new(config);
    assert_eq!(respond_separately(&mut node, 10), 4);
    let options = NotifyOptions {
        confirmable: true,
        ..NotifyOptions::default()
    };
    let mut notify = |name: &[u8]| {
        let value = observe_answer(1, "x");
        node.notify(T0, "peer", token(name), value, options).is_ok()
    };
    let taken = [b"a", b"b", b"c", b"d", b"e"].map(|name| notify(name));
    assert_eq!(taken, [true, true, true, true, false]);
}

#[test]
fn what_is_sent_on_our_own_does_not_wait_for_all_separate_responses() {
    let mut node = node();
    respond_separately(&mut node, 100);
    let options = RequestOptions::default();
    for path in ["a", "b"] {
        node.request(T0, "peer", get(path), options).unwrap();
    }
    // One message is outstanding at a time (RFC 7252 §4.7); the peer rejects unsolicited ones.
    let mut order = Vec::new();
    for _ in 0..5 {
        for wire in sent(&mut node) {
            let read = MessageRef::parse(&wire).unwrap();
            if read.kind() != CON {
                continue;
            }
            order.push(read.code() == Code::GET);
            let reset = empty(RST, read.message_id());
            let _ = receive(&mut node, T0, &reset);
        }
    }
    // In turn.
    assert_eq!(order[..5], [false, true, false, true, false], "{order:?}");
}

// Notifications that are remembered for a Reset.

#[test]
fn first_answers_to_strangers_leave_notifications_remembered() {
    let mut config = Config::new([5; 32]);
    config.bounds.notifications_per_peer = 4;
    let mut node: Node = Endpoint::new(config);
    let (value, options) = (observe_answer(1, "x"), NotifyOptions::default());
    let notified = node
        .notify(T0, "peer", token(b"n"), value, options)
        .unwrap();
    let wire = sent_one(&mut node);
    let message_id = MessageRef::parse(&wire).unwrap().message_id();
    for id in 0..100 {
        let datagram = message(observe(), NON, id, token(b"s"));
        let responder = responder(receive(&mut node, T0, &datagram).unwrap());
        let answer = observe_answer(u32::from(id), "x");
        node.respond(T0, responder, answer).unwrap();
        sent(&mut node);
    }
    assert!(node.usage().notifications <= 8);
    assert!(matches!(
        receive(&mut node, T0, &empty(RST, message_id)),
        Ok(Some(Incoming::NotificationReset { notification, .. })) if notification == notified
    ));
    node.drop_peer(T0, &"peer");
    assert!(node.is_idle(), "{:?}", node.usage());
}

// Peers.

/// Made-up addresses, each with one request, confirmable or not.
fn strangers(node: &mut Endpoint<u32>, count: u32, code: Code) {
    for stranger in 0..count {
        let kind = if stranger % 2 == 0 { CON } else { NON };
        let request = message(post("x"), kind, 1, token(b"t"));
        let datagram = Datagram::new(1_000_000 + stranger, &request);
        let incoming = node.receive(T0, &datagram).unwrap();
        let answer = MessageBuf::response(code);
        node.respond(T0, responder(incoming), answer).unwrap();
        assert_eq!(code_of(node.poll_transmit().unwrap().payload), code);
    }
}

fn few_peers() -> Endpoint<u32> {
    let mut config = Config::new([5; 32]);
    config.bounds.peers = 8;
    Endpoint::new(config)
}

#[test]
fn sources_that_are_made_up_do_not_shut_out_who_is_new() {
    for code in [Code::NOT_FOUND, Code::SERVICE_UNAVAILABLE] {
        let mut node = few_peers();
        strangers(&mut node, 1000, code);
        assert_eq!(node.usage().peers, 8);
        // Neither a peer that asks nor one that is asked or notified.
        let request = message(post("x"), CON, 1, token(b"t"));
        let incoming = node.receive(T0, &Datagram::new(1, &request)).unwrap();
        let answer = MessageBuf::response(Code::CHANGED);
        node.respond(T0, responder(incoming), answer).unwrap();
        while node.poll_transmit().is_some() {}
        strangers(&mut node, 100, code);
        node.request(T0, 2, get("x"), RequestOptions::default())
            .unwrap();
        while node.poll_transmit().is_some() {}
        strangers(&mut node, 100, code);
        let (value, options) = (observe_answer(1, "x"), NotifyOptions::default());
        node.notify(T0, 3, token(b"n"), value, options).unwrap();
        assert_eq!(node.usage().peers, 8);
    }
}

#[test]
fn whom_we_deal_with_is_not_forgotten_for_strangers() {
    let mut node = few_peers();
    let mut datagrams = Vec::new();
    // Peers of a request that was run, of an unanswered one, of our open request, of our recent
    // request, and of a notification.
    let request = message(post("x"), CON, 1, token(b"t"));
    let incoming = node.receive(T0, &Datagram::new(1, &request)).unwrap();
    let answer = MessageBuf::response(Code::CHANGED);
    node.respond(T0, responder(incoming), answer).unwrap();
    let slow = message(post("slow"), CON, 1, token(b"t"));
    let incoming = node.receive(T0, &Datagram::new(2, &slow)).unwrap();
    let waiting = responder(incoming);
    let asked = node
        .request(T0, 3, get("x"), RequestOptions::default())
        .unwrap();
    let ended = node
        .request(T0, 4, get("x"), RequestOptions::default())
        .unwrap();
    while let Some(transmit) = node.poll_transmit() {
        datagrams.push((transmit.to, transmit.payload.to_vec()));
    }
    assert!(node.cancel(T0, ended));
    let (value, options) = (observe_answer(1, "x"), NotifyOptions::default());
    let notified = node.notify(T0, 5, token(b"n"), value, options).unwrap();
    let notification = node.poll_transmit().unwrap().payload.to_vec();
    let id_of = |wire: &[u8]| MessageRef::parse(wire).unwrap().message_id();

    strangers(&mut node, 1000, Code::NOT_FOUND);

    let again = node.receive(T0, &Datagram::new(1, &request)).unwrap();
    assert!(again.is_none(), "run again");
    let answer = MessageBuf::response(Code::CHANGED);
    assert_eq!(node.respond(T0, waiting, answer), Ok(()));
    let (_, wire) = datagrams.iter().find(|(to, _)| *to == 3).unwrap();
    let read = MessageRef::parse(wire).unwrap();
    let answer = content("x").finish(
        MessageType::Acknowledgement,
        read.message_id(),
        read.token(),
    );
    assert!(matches!(
        node.receive(T0, &Datagram::new(3, answer.as_ref())),
        Ok(Some(Incoming::Response { request, .. })) if request == asked
    ));
    // Its message ids are known: the next one is another.
    let (_, before) = datagrams.iter().find(|(to, _)| *to == 4).unwrap();
    while node.poll_transmit().is_some() {}
    node.request(T0, 4, get("x"), RequestOptions::default())
        .unwrap();
    let after = node.poll_transmit().unwrap().payload.to_vec();
    assert_eq!(id_of(&after), id_of(before).wrapping_add(1));
    let reset = empty(RST, id_of(&notification));
    assert!(matches!(
        node.receive(T0, &Datagram::new(5, &reset)),
        Ok(Some(Incoming::NotificationReset { notification, .. })) if notification == notified
    ));
}

/// A block of a body; returns whether the endpoint waits for the next one.
fn block(node: &mut Endpoint<u32>, now: Instant, from: u32, number: u32) -> bool {
    let mut request = post("x");
    let block = BlockOption::new(number, true, 16).unwrap();
    request.block1(block).unwrap().payload(&[7; 16]);
    let id = u16::try_from(number).unwrap();
    let datagram = message(request, CON, id, token(b"t"));
    let received = node.receive(now, &Datagram::new(from, &datagram));
    assert!(!matches!(received, Ok(Some(_))));
    let answer = node.poll_transmit().unwrap().payload.to_vec();
    while node.poll_event().is_some() {}
    code_of(&answer) == Code::CONTINUE
}

/// A stranger that begins a body and doesn't continue it doesn't fill the table.
#[test]
fn bodies_that_are_begun_do_not_shut_out_who_is_new() {
    let mut node = few_peers();
    // A peer whose body continues.
    assert!(block(&mut node, T0, 1, 0) && block(&mut node, T0, 1, 1));
    for stranger in 100..200 {
        assert!(block(&mut node, T0, stranger, 0), "{stranger}");
    }
    assert!(block(&mut node, T0, 1, 2));
    // The table is full of continuing bodies, until these stop.
    for stranger in 200..207 {
        assert!(block(&mut node, T0, stranger, 0) && block(&mut node, T0, stranger, 1));
    }
    assert!(!block(&mut node, T0, 300, 0));
    assert!(block(&mut node, T0 + seconds(5), 300, 0));
    assert_eq!(node.usage().peers, 8);
}

/// If the table is full of known peers, there is no room for another one.
#[test]
fn a_table_full_of_requests_takes_no_stranger() {
    let mut node = few_peers();
    for peer in 0..8 {
        node.request(T0, peer, get("x"), RequestOptions::default())
            .unwrap();
    }
    let request = message(post("x"), CON, 1, token(b"t"));
    assert!(matches!(
        node.receive(T0, &Datagram::new(99, &request)),
        Err(DatagramError::Overload)
    ));
}

/// A peer that is forgotten for others leaves nothing, and the rest expires in time.
#[test]
fn strangers_leave_nothing_behind() {
    let mut node = few_peers();
    strangers(&mut node, 1000, Code::NOT_FOUND);
    let mut now = Instant::ZERO;
    while let Some(next) = node.poll_timeout() {
        assert!(next > now);
        now = next;
        node.handle_timeout(now);
    }
    assert!(now <= T0 + Duration::from_secs(248));
    assert!(node.is_idle(), "{:?}", node.usage());
}
