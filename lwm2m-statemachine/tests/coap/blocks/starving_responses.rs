//! Peers that fill the room for responses with responses that they don't end: honest peers get
//! through all the same, and each failed request has a reason.

use core::time::Duration;

use lwm2m_core::{Code, Instant};
use lwm2m_statemachine::{
    Datagram,
    coap::{
        Config, Event, FailureReason, Incoming, MessageBuf, MessageRef, MessageType, RequestId,
        RequestOptions,
    },
};

use super::{
    starving_requests::{HONEST, Node},
    support::{T0, block, get},
};

/// A client of many servers, which answer in blocks of 1,024 bytes.
struct Client {
    node: Node,
    now: Instant,
}

impl Client {
    fn new(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new([1; 32]);
        config.transmission.nstart = 64;
        configure(&mut config);
        Self {
            node: Node::new(config),
            now: T0,
        }
    }

    /// Asks a server, which answers with this many blocks, then stops or ends.
    fn ask(&mut self, peer: u32, blocks: u32, ends: bool) -> (RequestId, Option<usize>) {
        let id = self
            .node
            .request(self.now, peer, get("x"), RequestOptions::default())
            .unwrap();
        let mut length = None;
        for number in 0..blocks {
            let Some(asked) = self.asked() else { break };
            let more = number + 1 < blocks || !ends;
            length = self.answer(peer, &asked, number, more);
        }
        // Further requests aren't answered.
        while self.node.poll_transmit().is_some() {}
        (id, length)
    }

    fn asked(&mut self) -> Option<Vec<u8>> {
        self.node
            .poll_transmit()
            .map(|transmit| transmit.payload.to_vec())
    }

    fn answer(&mut self, peer: u32, asked: &[u8], number: u32, more: bool) -> Option<usize> {
        let asked = MessageRef::parse(asked).unwrap();
        let mut answer = MessageBuf::response(Code::CONTENT);
        answer.block2(block(number, more, 1024)).unwrap();
        answer.payload(&[7; 1024]);
        let kind = MessageType::Acknowledgement;
        let wire = answer.finish(kind, asked.message_id(), asked.token());
        match self
            .node
            .receive(self.now, &Datagram::new(peer, wire.as_ref()))
            .unwrap()
        {
            Some(Incoming::Response { body, .. }) => Some(body.len()),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    fn failed(&mut self) -> Vec<(RequestId, FailureReason)> {
        core::iter::from_fn(|| self.node.poll_event())
            .map(|event| match event {
                Event::RequestFailed {
                    request, reason, ..
                } => (request, reason),
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

/// Four servers must not get all room. Each answers sixteen requests with half a MiB and a block,
/// and stops.
#[test]
fn four_peers_with_half_answers_do_not_keep_others_out() {
    let mut client = Client::new(|_| {});
    for peer in 0..4 {
        for _ in 0..16 {
            client.ask(peer, 513, false);
        }
    }
    let bounds = client.node.config().bounds;
    assert!(client.node.usage().response_bytes <= 4 * bounds.responses.bytes_per_peer);
    client.failed();
    assert_eq!(client.ask(HONEST, 2, true).1, Some(2048));
    assert_eq!(client.failed(), []);
}

#[test]
fn the_largest_answer_that_does_not_come_on_gives_way_with_that_reason() {
    let mut client = Client::new(|config| {
        config.bounds.body = 1 << 18;
        config.bounds.responses.bytes = 600 << 10;
    });
    let begun: Vec<_> = (0..)
        .zip([20, 150, 50, 10, 125])
        .map(|(peer, blocks)| client.ask(peer, blocks, false).0)
        .collect();
    assert_eq!(client.failed(), []);
    client.now += Duration::from_secs(3);
    // That leaves no room for 250 blocks.
    assert_eq!(client.ask(HONEST, 250, true).1, Some(250 << 10));
    assert_eq!(client.failed(), [(begun[1], FailureReason::NoRoom)]);
}

#[test]
fn an_answer_that_comes_on_slowly_for_ever_fails_for_that_reason() {
    let mut client = Client::new(|config| config.transfer_deadline = Duration::from_secs(1000));
    let options = RequestOptions::default();
    let id = client.node.request(T0, 1, get("x"), options).unwrap();
    let mut number = 0;
    let failed = loop {
        let asked = client.asked().unwrap();
        assert_eq!(client.answer(1, &asked, number, true), None);
        number += 1;
        client.now += Duration::from_secs(1);
        client.node.handle_timeout(client.now);
        let failed = client.failed();
        if !failed.is_empty() {
            break failed;
        }
    };
    assert_eq!(failed, [(id, FailureReason::TooSlow)]);
    assert_eq!(client.now, T0 + Duration::from_secs(1000));
    assert_eq!(client.node.usage().response_bytes, 0);
}

/// What is delivered block by block takes no room, and may take any time.
#[test]
fn an_answer_that_is_handed_on_has_no_deadline() {
    let mut client = Client::new(|config| config.transfer_deadline = Duration::from_secs(100));
    let options = RequestOptions {
        stream: true,
        ..RequestOptions::default()
    };
    client.node.request(T0, 1, get("x"), options).unwrap();
    for number in 0..200 {
        let asked = client.asked().unwrap();
        let asked = MessageRef::parse(&asked).unwrap();
        let mut answer = MessageBuf::response(Code::CONTENT);
        answer.block2(block(number, number < 199, 16)).unwrap();
        answer.payload(&[7; 16]);
        let kind = MessageType::Acknowledgement;
        let wire = answer.finish(kind, asked.message_id(), asked.token());
        let incoming = client
            .node
            .receive(client.now, &Datagram::new(1, wire.as_ref()))
            .unwrap();
        assert!(incoming.is_some());
        client.now += Duration::from_secs(1);
        client.node.handle_timeout(client.now);
    }
    assert_eq!(client.failed(), []);
}
