//! An endpoint's memory grows only with what it remembers, not with what it has seen. One
//! test, because the counter is global.

use core::time::Duration;

use lwm2m_core::{Code, Instant, Method};
use lwm2m_kit::heap::held;
use lwm2m_statemachine::{
    Datagram,
    coap::{
        BlockOption, Config, Endpoint, Incoming, MessageBuf, MessageRef, MessageType,
        NotifyOptions, RequestOptions, Token,
    },
};

lwm2m_kit::count_allocations!();

/// Runs a first round that may leave something, then others that leave no more than a few bytes.
fn assert_steady(what: &str, mut round: impl FnMut()) {
    round();
    let settled = held();
    for _ in 0..3 {
        round();
        let grown = held().saturating_sub(settled);
        assert!(grown < 16 * 1024, "{what}: {grown} bytes more");
    }
}

/// A request of the peer, answered or ignored.
fn request(node: &mut Endpoint<u32>, now: Instant, peer: u32, id: u16, code: Option<Code>) {
    let wire = MessageBuf::request(Method::Get).finish(MessageType::Confirmable, id, Token::EMPTY);
    let incoming = node.receive(now, &Datagram::new(peer, wire.as_ref()));
    if let Ok(Some(Incoming::Request { responder, .. })) = incoming {
        match code {
            Some(code) => node
                .respond(now, responder, MessageBuf::response(code))
                .unwrap(),
            None => node.ignore(responder),
        }
    }
    while node.poll_transmit().is_some() {}
}

/// Makes a node hold partial request and response bodies until it takes no more. Returns their size
/// in bytes, as reported and as measured.
fn half_bodies(bound: usize) -> [(usize, usize); 2] {
    const BLOCKS: u32 = 65;
    let now = Instant::from_secs(1);
    let config = || {
        let mut config = Config::new([4; 32]);
        (config.bounds.receiving.bytes, config.bounds.responses.bytes) = (bound, bound);
        config.bounds.records_per_peer = 4;
        config
    };
    let block = |number| BlockOption::new(number, true, 1024).unwrap();

    let mut server: Endpoint<u32> = Endpoint::new(config());
    let before = held();
    for (peer, number) in (0..100).flat_map(|peer| (0..BLOCKS).map(move |number| (peer, number))) {
        let mut put = MessageBuf::request(Method::Put);
        put.block1(block(number)).unwrap().payload(&[7; 1024]);
        let id = u16::try_from(number).unwrap();
        let wire = put.finish(MessageType::NonConfirmable, id, Token::EMPTY);
        let incoming = server.receive(now, &Datagram::new(peer, wire.as_ref()));
        assert!(matches!(incoming, Ok(None)));
        while server.poll_transmit().is_some() {}
    }
    let requests = (server.usage().receiving.bytes, held() - before);

    let mut client: Endpoint<u32> = Endpoint::new(config());
    let before = held();
    for peer in 0..100 {
        let options = RequestOptions::default();
        let message = MessageBuf::request(Method::Get);
        client.request(now, peer, message, options).unwrap();
        for number in 0..BLOCKS {
            let Some(asked) = client.poll_transmit().map(|asked| asked.payload.to_vec()) else {
                break;
            };
            let asked = MessageRef::parse(&asked).unwrap();
            let mut answer = MessageBuf::response(Code::CONTENT);
            answer.block2(block(number)).unwrap().payload(&[7; 1024]);
            let kind = MessageType::Acknowledgement;
            let wire = answer.finish(kind, asked.message_id(), asked.token());
            let incoming = client.receive(now, &Datagram::new(peer, wire.as_ref()));
            assert!(matches!(incoming, Ok(None)));
        }
        while client.poll_transmit().is_some() {}
        while client.poll_event().is_some() {}
    }
    [requests, (client.usage().response_bytes, held() - before)]
}

/// Makes a node keep bodies that were written piece by piece. Returns their size in bytes, as
/// reported and as measured.
fn kept_bodies() -> (usize, usize) {
    const PIECES: usize = 65;
    let now = Instant::from_secs(1);
    let mut config = Config::new([5; 32]);
    config.bounds.records_per_peer = 4;
    let mut node: Endpoint<u32> = Endpoint::new(config);
    let before = held();
    for peer in 0..32 {
        let get = MessageBuf::request(Method::Get);
        let wire = get.finish(MessageType::NonConfirmable, 1, Token::EMPTY);
        let incoming = node.receive(now, &Datagram::new(peer, wire.as_ref()));
        let Ok(Some(Incoming::Request { responder, .. })) = incoming else {
            panic!("{incoming:?}");
        };
        let mut answer = MessageBuf::response(Code::CONTENT);
        for _ in 0..PIECES {
            answer.payload(&[7; 1024]);
        }
        node.respond(now, responder, answer).unwrap();
        while node.poll_transmit().is_some() {}
    }
    assert_eq!(node.usage().serving.bytes, 32 * PIECES * 1024);
    (node.usage().serving.bytes, held() - before)
}

/// Makes a node keep answers until older ones go. Returns their size in bytes, as reported and as
/// measured.
fn kept_answers(bound: usize) -> (usize, usize) {
    let now = Instant::from_secs(1);
    let mut config = Config::new([6; 32]);
    config.bounds.answers.bytes = bound;
    let mut node: Endpoint<u32> = Endpoint::new(config);
    let before = held();
    for (peer, id) in (0..64).flat_map(|peer| (0..256).map(move |id| (peer, id))) {
        let method = [Method::Get, Method::Post][usize::from(id % 2)];
        let request = MessageBuf::request(method);
        let wire = request.finish(MessageType::Confirmable, id, Token::EMPTY);
        let incoming = node.receive(now, &Datagram::new(peer, wire.as_ref()));
        let Ok(Some(Incoming::Request { responder, .. })) = incoming else {
            panic!("{incoming:?}");
        };
        let mut answer = MessageBuf::response(Code::CONTENT);
        answer.payload(&[7; 1000]);
        node.respond(now, responder, answer).unwrap();
        while node.poll_transmit().is_some() {}
    }
    // The rest of what is remembered.
    let records = node.usage().records * 128;
    let allocated = held() - before;
    (node.usage().answer_bytes, allocated.saturating_sub(records))
}

#[test]
fn what_is_held_is_what_is_remembered() {
    // A server that is notified every ten seconds.
    let mut node: Endpoint<u32> = Endpoint::new(Config::new([1; 32]));
    let mut now = Instant::from_secs(1);
    let mut observe = MessageBuf::request(Method::Get);
    observe.observe(0).unwrap();
    node.request(now, 0, observe, RequestOptions::default())
        .unwrap();
    let wire = node.poll_transmit().unwrap().payload.to_vec();
    let message = MessageRef::parse(&wire).unwrap();
    let (id, token) = (message.message_id(), message.token());
    let notification = |kind, id, sequence| {
        let mut message = MessageBuf::response(Code::CONTENT);
        message.observe(sequence).unwrap();
        message.finish(kind, id, token)
    };
    let first = notification(MessageType::Acknowledgement, id, 0);
    node.receive(now, &Datagram::new(0, first.as_ref()))
        .unwrap();
    let mut sequence = 0;
    assert_steady("notified", || {
        for _ in 0..20_000_u16 {
            sequence += 1;
            now += Duration::from_secs(10);
            node.handle_timeout(now);
            let id = u16::try_from(sequence & 0xffff).unwrap();
            let wire = notification(MessageType::NonConfirmable, id, sequence);
            let incoming = node.receive(now, &Datagram::new(0, wire.as_ref()));
            assert!(matches!(incoming, Ok(Some(Incoming::Notification { .. }))));
        }
    });

    // Ignored requests, and answers that are forgotten for lack of room, all at once.
    let mut config = Config::new([2; 32]);
    config.bounds.records_per_peer = 8;
    config.bounds.records = 64;
    for code in [None, Some(Code::CONTENT)] {
        let mut node: Endpoint<u32> = Endpoint::new(config.clone());
        request(&mut node, now, 0, 1, Some(Code::CHANGED));
        assert_steady("requested", || {
            for id in 0..20_000 {
                request(&mut node, now, 1 + u32::from(id) % 100, id, code);
            }
        });
        assert!(node.usage().records <= 64);
    }

    // A client that notifies, and whose notifications are rejected.
    let mut node: Endpoint<u32> = Endpoint::new(Config::new([3; 32]));
    let mut notify = |node: &mut Endpoint<u32>, reject| {
        let mut message = MessageBuf::response(Code::CONTENT);
        message.observe(1).unwrap();
        let token = Token::new(b"token").unwrap();
        node.notify(now, 0, token, message, NotifyOptions::default())
            .unwrap();
        let wire = node.poll_transmit().unwrap().payload.to_vec();
        if reject {
            let reset = [0x70, 0, wire[2], wire[3]];
            node.receive(now, &Datagram::new(0, &reset)).unwrap();
        }
        // Message ids are used again only after a while.
        now += Duration::from_millis(10);
    };
    notify(&mut node, false);
    assert_steady("rejected", || {
        (0..20_000).for_each(|_| notify(&mut node, true));
    });

    // Partial bodies: a growing vector may take twice the size of its content.
    let bound = 2 << 20;
    for (said, allocated) in half_bodies(bound) {
        assert!((bound / 2..=bound).contains(&said), "{said}");
        let beside = allocated.saturating_sub(said);
        assert!(beside < bound / 8, "{allocated} bytes for {said}");
    }
    let (said, allocated) = kept_bodies();
    assert!(allocated < said + said / 8, "{allocated} bytes for {said}");

    // Answers to requests with and without an effect.
    let (said, allocated) = kept_answers(bound);
    assert!((bound / 2..=bound).contains(&said), "{said}");
    assert!(allocated < said + bound / 8, "{allocated} bytes for {said}");
}
