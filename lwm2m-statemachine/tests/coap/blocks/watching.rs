//! Bodies that the application watches, to know when the last block of a notification was fetched
//! (RFC 7959 §2.6).

use core::time::Duration;

use lwm2m_core::{Code, Instant, Method};
use lwm2m_statemachine::{
    Datagram,
    coap::{
        Config, Event, FailureReason, Incoming, MessageBuf, MessageType, NotifyOptions, Resource,
        Token,
    },
};

use super::{
    starving_requests::{Node, ask},
    support::{T0, block, body, config, observe},
};

pub(super) const PEER: u32 = 1;
const OTHER: u32 = 2;

/// A node with a resource that peers observe.
pub(super) struct Observed {
    pub(super) node: Node,
    pub(super) now: Instant,
    token: Token,
    pub(super) resource: Resource,
    sequence: u32,
}

impl Observed {
    pub(super) fn new(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(1, 64);
        configure(&mut config);
        let mut node = Node::new(config);
        let token = Token::new(b"t").unwrap();
        let request = observe("x").finish(MessageType::NonConfirmable, 9000, token);
        let datagram = Datagram::new(PEER, request.as_ref());
        let Ok(Some(Incoming::Request { responder, .. })) = node.receive(T0, &datagram) else {
            panic!("a request");
        };
        let resource = responder.resource();
        let mut answer = MessageBuf::response(Code::CONTENT);
        answer.observe(1).unwrap();
        node.respond(T0, responder, answer).unwrap();
        while node.poll_transmit().is_some() {}
        Self {
            node,
            now: T0,
            token,
            resource,
            sequence: 1,
        }
    }

    pub(super) fn notify(&mut self, body: &[u8]) {
        self.sequence += 1;
        let mut message = MessageBuf::response(Code::CONTENT);
        message.observe(self.sequence).unwrap();
        message.payload(body);
        let options = NotifyOptions {
            resource: Some(self.resource),
            ..NotifyOptions::default()
        };
        self.node
            .notify(self.now, PEER, self.token, message, options)
            .unwrap();
        while self.node.poll_transmit().is_some() {}
    }

    pub(super) fn watch(&mut self) -> bool {
        self.node.bodies().watch(&PEER, self.resource)
    }

    /// A block is asked for. The application would answer with this body.
    pub(super) fn get(&mut self, peer: u32, number: u32, body: &[u8]) -> String {
        let mut request = MessageBuf::request(Method::Get);
        request.uri_path("x").unwrap();
        request.block2(block(number, false, 64)).unwrap();
        let now = self.now;
        ask(&mut self.node, now, peer, request, |node, incoming| {
            let Incoming::Request { responder, .. } = incoming else {
                panic!("{incoming:?}");
            };
            let mut answer = MessageBuf::response(Code::CONTENT);
            answer.payload(body);
            node.respond(now, responder, answer).unwrap();
        })
    }

    /// How the body has ended, if it has.
    pub(super) fn released(&mut self) -> Option<Result<(), FailureReason>> {
        let event = self.node.poll_event()?;
        let Event::BodyReleased {
            peer,
            resource,
            result,
        } = event
        else {
            panic!("{event:?}");
        };
        assert_eq!((peer, resource), (PEER, self.resource));
        assert!(self.node.poll_event().is_none(), "only once");
        Some(result)
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.node.handle_timeout(self.now);
    }
}

#[test]
fn a_watched_body_ends_with_its_last_block() {
    let mut observed = Observed::new(|_| {});
    assert!(!observed.watch(), "nothing is kept");
    observed.notify(&body(64));
    assert!(!observed.watch(), "it has no other blocks");
    observed.notify(&body(150));
    assert!(observed.watch());
    for number in [1, 1, 2] {
        assert_eq!(observed.released(), None);
        let said = observed.get(PEER, number, b"");
        assert!(said.contains(&format!("2.05 2:{number}/")), "{said}");
    }
    assert_eq!(observed.released(), Some(Ok(())));
    assert!(!observed.watch());
}

#[test]
fn a_body_that_is_not_watched_ends_in_silence() {
    let mut observed = Observed::new(|_| {});
    observed.notify(&body(150));
    observed.get(PEER, 2, b"");
    assert_eq!(observed.released(), None);
}

#[test]
fn a_watched_body_ends_with_a_newer_one_but_not_with_an_equal_one() {
    let mut observed = Observed::new(|_| {});
    observed.notify(&body(150));
    assert!(observed.watch());
    // Someone else's is another body.
    observed.get(OTHER, 0, &body(200));
    observed.get(PEER, 0, &body(150));
    assert_eq!(observed.released(), None);
    observed.get(PEER, 0, &body(200));
    assert_eq!(observed.released(), Some(Err(FailureReason::Superseded)));
    assert!(observed.watch(), "the newer one");
    observed.notify(&body(300));
    assert_eq!(observed.released(), Some(Err(FailureReason::Superseded)));
}

#[test]
fn a_watched_body_ends_if_no_block_of_it_is_asked_for() {
    let lifetime = Some(Duration::from_secs(30));
    let mut observed = Observed::new(|config| config.transfer_lifetime = lifetime);
    observed.notify(&body(150));
    assert!(observed.watch());
    observed.wait(29);
    observed.get(PEER, 1, b"");
    observed.wait(29);
    assert_eq!(observed.released(), None);
    observed.wait(1);
    assert_eq!(observed.released(), Some(Err(FailureReason::Timeout)));
    assert!(!observed.watch());
}

#[test]
fn a_watched_body_may_be_evicted() {
    let number: fn(&mut Config) = |config| config.bounds.serving.bodies = 1;
    let bytes: fn(&mut Config) = |config| config.bounds.serving.bytes = 300;
    for bound in [number, bytes] {
        let mut observed = Observed::new(bound);
        observed.notify(&body(200));
        assert!(observed.watch());
        observed.get(OTHER, 0, &body(200));
        assert_eq!(observed.released(), Some(Err(FailureReason::NoRoom)));
        assert!(!observed.watch());
    }
}

#[test]
fn a_watched_body_ends_with_its_peer() {
    let mut observed = Observed::new(|_| {});
    observed.notify(&body(150));
    assert!(observed.watch());
    let now = observed.now;
    observed.node.close_peer(now, &PEER);
    assert_eq!(observed.released(), Some(Err(FailureReason::PeerDropped)));
    assert!(!observed.watch());
}
