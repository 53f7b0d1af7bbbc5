//! The example flows of RFC 7959 §3, by the fields of their messages.

use core::cell::Cell;
use std::rc::Rc;

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::coap::{Incoming, MessageBuf, NotifyOptions, Token};

use crate::support::{
    Pair, T0, Told, block, blockwise, body, config, content, get, observe, request, response, say,
    wire, words,
};

#[test]
fn figure_2_simple_get() {
    let mut pair = Pair::serving(1024, 128, |_, _| content(&body(300)));
    let id = pair.request(get("status"));
    pair.check_figure(&[
        "→ CON GET /status",
        "← ACK 2.05 2:0/1/128",
        "→ CON GET /status 2:1/0/128",
        "← ACK 2.05 2:1/1/128",
        "→ CON GET /status 2:2/0/128",
        "← ACK 2.05 2:2/0/128",
    ]);
    assert_eq!(pair.told, [Told::Response(id, Code::CONTENT, body(300))]);
    pair.run_to_rest();
}

const EARLY: [&str; 12] = [
    "→ CON GET /status 2:0/0/64",
    "← ACK 2.05 2:0/1/64",
    "→ CON GET /status 2:1/0/64",
    "← ACK 2.05 2:1/1/64",
    "→ CON GET /status 2:2/0/64",
    "← ACK 2.05 2:2/1/64",
    "→ CON GET /status 2:3/0/64",
    "← ACK 2.05 2:3/1/64",
    "→ CON GET /status 2:4/0/64",
    "← ACK 2.05 2:4/1/64",
    "→ CON GET /status 2:5/0/64",
    "← ACK 2.05 2:5/0/64",
];

#[test]
fn figure_3_get_with_early_negotiation() {
    let mut pair = Pair::serving(64, 1024, |_, _| content(&body(350)));
    let id = pair.request(get("status"));
    pair.check_figure(&EARLY);
    assert_eq!(pair.told, [Told::Response(id, Code::CONTENT, body(350))]);
    pair.run_to_rest();
}

#[test]
fn figure_4_get_with_late_negotiation() {
    let reads = Rc::new(Cell::new(0));
    let count = Rc::clone(&reads);
    let mut pair = Pair::serving(1024, 128, move |_, _| {
        count.set(count.get() + 1);
        content(&body(350))
    });
    let mut whole = Vec::new();
    let mut ask = |pair: &mut Pair, number: Option<u32>, answer: &str| {
        let block = number.map(|number| block(number, false, 64));
        let request = blockwise(Method::Get, "status", None, block, b"");
        let id = number.unwrap_or(0) as u16;
        let request = wire(request, id);
        let (incoming, mut said) = say(&mut pair.server, T0, "client", &request);
        if let Some(incoming) = incoming {
            (pair.serve)(&mut pair.server, T0, incoming);
            said = crate::support::sent(&mut pair.server);
        }
        assert_eq!(
            said.iter().map(|said| words(said)).collect::<Vec<_>>(),
            [answer]
        );
        let said = lwm2m_statemachine::coap::MessageRef::parse(&said[0]).unwrap();
        whole.extend_from_slice(said.payload());
    };
    ask(&mut pair, None, "ACK 2.05 2:0/1/128");
    ask(&mut pair, Some(2), "ACK 2.05 2:2/1/64");
    ask(&mut pair, Some(3), "ACK 2.05 2:3/1/64");
    ask(&mut pair, Some(4), "ACK 2.05 2:4/1/64");
    ask(&mut pair, Some(5), "ACK 2.05 2:5/0/64");
    assert_eq!(whole, body(350));
    assert_eq!(reads.get(), 1, "the body is rendered once");
    pair.run_to_rest();
}

#[test]
fn late_negotiation_by_the_client() {
    let mut pair = Pair::serving(64, 128, |_, _| response(Code::CHANGED, &body(200)));
    let id = pair.request(request(Method::Post, "status", b"x"));
    pair.check_figure(&[
        "→ CON POST /status",
        "← ACK 2.04 2:0/1/128",
        "→ CON POST /status 2:2/0/64",
        "← ACK 2.04 2:2/1/64",
        "→ CON POST /status 2:3/0/64",
        "← ACK 2.04 2:3/0/64",
    ]);
    assert_eq!(pair.told, [Told::Response(id, Code::CHANGED, body(200))]);
    pair.run_to_rest();
}

/// A pair that loses the first datagram with these words.
fn losing(line: &'static str) -> (Pair, Vec<String>) {
    let mut pair = Pair::serving(64, 1024, |_, _| content(&body(350)));
    let mut lost = false;
    pair.lose = Box::new(move |said| {
        let this = !lost && said == line;
        lost |= this;
        this
    });
    let mut lines: Vec<String> = EARLY.iter().map(|line| (*line).to_owned()).collect();
    let at = lines.iter().position(|said| said == line).unwrap();
    lines[at].push_str(" lost");
    (pair, lines)
}

#[test]
fn figure_5_get_with_a_lost_request() {
    let (mut pair, mut lines) = losing("→ CON GET /status 2:3/0/64");
    lines.insert(7, "→ CON GET /status 2:3/0/64".to_owned());
    let id = pair.request(get("status"));
    pair.check_figure(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(pair.told, [Told::Response(id, Code::CONTENT, body(350))]);
    pair.run_to_rest();
}

#[test]
fn figure_6_get_with_a_lost_acknowledgement() {
    let (mut pair, mut lines) = losing("← ACK 2.05 2:3/1/64");
    lines.insert(8, "← ACK 2.05 2:3/1/64".to_owned());
    lines.insert(8, "→ CON GET /status 2:3/0/64".to_owned());
    let id = pair.request(get("status"));
    pair.check_figure(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(pair.told, [Told::Response(id, Code::CONTENT, body(350))]);
    pair.run_to_rest();
}

#[test]
fn figure_7_simple_atomic_put() {
    let mut pair = Pair::serving(128, 1024, |_, got| {
        assert_eq!(got, body(300));
        response(Code::CHANGED, b"")
    });
    let id = pair.request(request(Method::Put, "options", &body(300)));
    pair.check_figure(&[
        "→ CON PUT /options 1:0/1/128",
        "← ACK 2.31 1:0/1/128",
        "→ CON PUT /options 1:1/1/128",
        "← ACK 2.31 1:1/1/128",
        "→ CON PUT /options 1:2/0/128",
        "← ACK 2.04 1:2/0/128",
    ]);
    assert_eq!(pair.told, [Told::Response(id, Code::CHANGED, vec![])]);
    pair.run_to_rest();
}

#[test]
fn figure_8_simple_stateless_put() {
    let mut server = config(2, 1024);
    server.stream_requests = true;
    let mut pair = Pair::new(config(1, 128), server);
    let mut got = Vec::new();
    pair.serve = Box::new(move |server, now, incoming| {
        let Incoming::RequestBlock {
            responder,
            request,
            offset,
            more,
            ..
        } = incoming
        else {
            panic!("{incoming:?}");
        };
        assert_eq!(offset, got.len());
        got.extend_from_slice(request.payload());
        assert!(more || got == body(300));
        server
            .respond(now, responder, response(Code::CHANGED, b""))
            .unwrap();
    });
    let id = pair.request(request(Method::Put, "options", &body(300)));
    pair.check_figure(&[
        "→ CON PUT /options 1:0/1/128",
        "← ACK 2.04 1:0/0/128",
        "→ CON PUT /options 1:1/1/128",
        "← ACK 2.04 1:1/0/128",
        "→ CON PUT /options 1:2/0/128",
        "← ACK 2.04 1:2/0/128",
    ]);
    assert_eq!(pair.told, [Told::Response(id, Code::CHANGED, vec![])]);
    pair.run_to_rest();
}

#[test]
fn figure_9_atomic_put_with_negotiation() {
    let mut pair = Pair::serving(128, 32, |_, got| {
        assert_eq!(got, body(220));
        response(Code::CHANGED, b"")
    });
    let id = pair.request(request(Method::Put, "options", &body(220)));
    pair.check_figure(&[
        "→ CON PUT /options 1:0/1/128",
        "← ACK 2.31 1:0/1/32",
        "→ CON PUT /options 1:4/1/32",
        "← ACK 2.31 1:4/1/32",
        "→ CON PUT /options 1:5/1/32",
        "← ACK 2.31 1:5/1/32",
        "→ CON PUT /options 1:6/0/32",
        "← ACK 2.04 1:6/0/32",
    ]);
    assert_eq!(pair.told, [Told::Response(id, Code::CHANGED, vec![])]);
    pair.run_to_rest();
}

/// Whom to notify.
type Observer = Cell<Option<(Token, NotifyOptions)>>;

/// A server that takes up an observation, and says with which token; the resource is `body(200)`
/// at first, and `body(300)` later.
fn observing(client: usize, server: usize) -> (Pair, Rc<Observer>) {
    let observer = Rc::new(Cell::new(None));
    let mut pair = Pair::new(config(1, client), config(2, server));
    let seen = Rc::clone(&observer);
    pair.serve = Box::new(move |server, now, incoming| match incoming {
        Incoming::Request {
            responder, request, ..
        } => {
            assert_eq!(request.observe(), Some(0), "only the first read is one");
            let options = NotifyOptions {
                confirmable: true,
                resource: Some(responder.resource()),
                ..NotifyOptions::default()
            };
            seen.set(Some((responder.token(), options)));
            let mut answer = MessageBuf::response(Code::CONTENT);
            answer.observe(62350).unwrap().payload(&body(200));
            server.respond(now, responder, answer).unwrap();
        }
        Incoming::Acknowledged { .. } => {}
        other => panic!("{other:?}"),
    });
    (pair, observer)
}

fn notify(pair: &mut Pair, observer: &Observer) {
    let (token, options) = observer.get().unwrap();
    let mut message = MessageBuf::response(Code::CONTENT);
    message.observe(62354).unwrap().payload(&body(300));
    pair.server
        .notify(pair.now, "client", token, message, options)
        .unwrap();
}

#[test]
fn figure_10_observe_with_block_wise_transfer() {
    let (mut pair, observer) = observing(1024, 128);
    let id = pair.request(observe("status"));
    pair.check_figure(&[
        "→ CON GET /status O:0",
        "← ACK 2.05 O:62350 2:0/1/128",
        "→ CON GET /status 2:1/0/128",
        "← ACK 2.05 2:1/0/128",
    ]);
    notify(&mut pair, &observer);
    pair.check_figure(&[
        "← CON 2.05 O:62354 2:0/1/128",
        "→ ACK",
        "→ CON GET /status 2:1/0/128",
        "← ACK 2.05 2:1/1/128",
        "→ CON GET /status 2:2/0/128",
        "← ACK 2.05 2:2/0/128",
    ]);
    assert_eq!(
        pair.told,
        [
            Told::Response(id, Code::CONTENT, body(200)),
            Told::Notification(id, body(300))
        ]
    );
    pair.client.cancel(pair.now, id);
    pair.run_to_rest();
}

#[test]
fn figure_11_observe_with_early_negotiation() {
    let (mut pair, observer) = observing(64, 1024);
    let id = pair.request(observe("status"));
    pair.check_figure(&[
        "→ CON GET /status O:0 2:0/0/64",
        "← ACK 2.05 O:62350 2:0/1/64",
        "→ CON GET /status 2:1/0/64",
        "← ACK 2.05 2:1/1/64",
        "→ CON GET /status 2:2/0/64",
        "← ACK 2.05 2:2/1/64",
        "→ CON GET /status 2:3/0/64",
        "← ACK 2.05 2:3/0/64",
    ]);
    notify(&mut pair, &observer);
    pair.check_figure(&[
        "← CON 2.05 O:62354 2:0/1/64",
        "→ ACK",
        "→ CON GET /status 2:1/0/64",
        "← ACK 2.05 2:1/1/64",
        "→ CON GET /status 2:2/0/64",
        "← ACK 2.05 2:2/1/64",
        "→ CON GET /status 2:3/0/64",
        "← ACK 2.05 2:3/1/64",
        "→ CON GET /status 2:4/0/64",
        "← ACK 2.05 2:4/0/64",
    ]);
    assert_eq!(pair.told.last(), Some(&Told::Notification(id, body(300))));
    pair.client.cancel(pair.now, id);
    pair.run_to_rest();
}

#[test]
fn figure_12_combined_block_wise_transfer() {
    let mut pair = Pair::serving(128, 128, |_, got| {
        assert_eq!(got, body(300));
        response(Code::CHANGED, &body(400))
    });
    let id = pair.request(request(Method::Post, "soap", &body(300)));
    pair.check_figure(&[
        "→ CON POST /soap 1:0/1/128",
        "← ACK 2.31 1:0/1/128",
        "→ CON POST /soap 1:1/1/128",
        "← ACK 2.31 1:1/1/128",
        "→ CON POST /soap 1:2/0/128",
        "← ACK 2.04 1:2/0/128 2:0/1/128",
        "→ CON POST /soap 2:1/0/128",
        "← ACK 2.04 2:1/1/128",
        "→ CON POST /soap 2:2/0/128",
        "← ACK 2.04 2:2/1/128",
        "→ CON POST /soap 2:3/0/128",
        "← ACK 2.04 2:3/0/128",
    ]);
    assert_eq!(pair.told, [Told::Response(id, Code::CHANGED, body(400))]);
    pair.run_to_rest();
}

#[test]
fn figure_13_combined_transfer_with_early_negotiation() {
    let mut pair = Pair::serving(1024, 1024, |_, got| {
        assert_eq!(got, body(300));
        response(Code::CHANGED, &body(150))
    });
    let whole = body(300);
    let mut answer = Vec::new();
    let small = |number| Some(block(number, false, 64));
    let steps = [
        (
            Some(block(0, true, 128)),
            None,
            &whole[..128],
            "ACK 2.31 1:0/1/128",
        ),
        (
            Some(block(1, true, 128)),
            None,
            &whole[128..256],
            "ACK 2.31 1:1/1/128",
        ),
        (
            Some(block(2, false, 128)),
            small(0),
            &whole[256..],
            "ACK 2.04 1:2/0/128 2:0/1/64",
        ),
        (None, small(1), b"", "ACK 2.04 2:1/1/64"),
        (None, small(2), b"", "ACK 2.04 2:2/0/64"),
    ];
    for (id, (block1, block2, payload, said)) in steps.into_iter().enumerate() {
        let message = blockwise(Method::Post, "soap", block1, block2, payload);
        let message = wire(message, id as u16);
        let (incoming, mut sent) = say(&mut pair.server, T0, "client", &message);
        if let Some(incoming) = incoming {
            (pair.serve)(&mut pair.server, T0, incoming);
            sent = crate::support::sent(&mut pair.server);
        }
        assert_eq!(words(&sent[0]), said);
        let sent = lwm2m_statemachine::coap::MessageRef::parse(&sent[0]).unwrap();
        answer.extend_from_slice(sent.payload());
    }
    assert_eq!(answer, body(150));
    pair.run_to_rest();
}
