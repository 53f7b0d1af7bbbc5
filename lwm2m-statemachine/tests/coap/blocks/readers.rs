//! A body that several read: it is kept for each of them, but not for those that have given up
//! (RFC 7959 §2.4, §2.6).

use core::time::Duration;

use lwm2m_core::Method;
use lwm2m_statemachine::{
    Datagram,
    coap::{FailureReason, Incoming, MessageBuf, MessageType, Token},
};

use super::{
    starving_requests::Node,
    support::{block, body, config},
    watching::{Observed, PEER},
};

/// How long a client waits at most before it repeats a request, and a little more.
const REPETITION: u64 = 4;

/// A notification in three blocks that one observer fetches, and a Read of the same.
fn two_readers() -> Observed {
    let mut observed = Observed::new(|_| {});
    observed.notify(&body(150));
    observed.read_first(&body(150));
    observed
}

impl Observed {
    /// The first block is read.
    fn read_first(&mut self, body: &[u8]) {
        let said = self.get(PEER, 0, body);
        assert!(said.contains("2.05 2:0/1/64"), "{said}");
    }

    /// A later block comes from the body that is kept: the application has nothing like it.
    fn reads_on(&mut self, number: u32) {
        let said = self.get(PEER, number, b"else");
        assert!(said.contains(&format!("2.05 2:{number}/")), "{said}");
    }

    fn kept(&self) -> usize {
        self.node.usage().serving.bodies
    }

    fn abandon(&mut self) {
        let now = self.now;
        self.node.bodies().abandon(now, &PEER, self.resource);
    }
}

#[test]
fn a_body_is_kept_until_each_of_its_readers_has_the_last_block() {
    let mut observed = two_readers();
    assert!(observed.watch());
    for number in [1, 1, 2] {
        observed.reads_on(number);
    }
    assert_eq!(observed.released(), Some(Ok(())), "one has all of it");
    assert_eq!(observed.kept(), 1);
    observed.wait(REPETITION - 2);
    observed.reads_on(2);
    assert_eq!(observed.kept(), 0);
    assert_eq!(observed.released(), None);
}

/// Whoever reads on after the first one has come to the end has as much time as ever.
#[test]
fn a_reader_that_shows_itself_has_its_time() {
    let mut observed = two_readers();
    for number in [1, 2] {
        observed.reads_on(number);
    }
    observed.wait(REPETITION - 2);
    observed.reads_on(1);
    observed.wait(100);
    observed.reads_on(2);
    assert_eq!(observed.kept(), 0);
}

/// It can't be told from another reader, so the body is kept for it for as long as a client waits before it
/// repeats a request, and no longer.
#[test]
fn a_reader_that_has_begun_again_is_not_waited_for_twice() {
    let mut observed = Observed::new(|_| {});
    observed.notify(&body(150));
    for _ in 0..3 {
        observed.read_first(&body(150));
    }
    observed.reads_on(1);
    observed.reads_on(2);
    assert_eq!(observed.kept(), 1);
    assert!(observed.watch());
    observed.wait(REPETITION);
    assert_eq!(observed.kept(), 0);
    assert_eq!(observed.released(), Some(Err(FailureReason::Timeout)));
    assert_eq!(observed.node.usage().timers, 0);
}

#[test]
fn one_of_two_readers_may_give_up() {
    let mut observed = two_readers();
    assert!(observed.watch());
    observed.abandon();
    assert_eq!(observed.kept(), 1);
    observed.reads_on(1);
    observed.wait(100);
    observed.reads_on(2);
    assert_eq!(observed.kept(), 0);
    assert_eq!(observed.released(), None, "nobody watches it");
}

#[test]
fn a_body_that_is_given_up_is_kept_for_others_only_if_they_show_themselves() {
    let mut observed = two_readers();
    observed.abandon();
    observed.wait(REPETITION);
    assert_eq!(observed.kept(), 0);
    let mut observed = two_readers();
    observed.abandon();
    observed.abandon();
    assert_eq!(observed.kept(), 0);
    observed.abandon();
    assert_eq!(observed.kept(), 0);
}

/// The first reader's time is over, but not that of the second one.
#[test]
fn each_transfer_of_a_body_may_take_as_long_as_any() {
    let mut observed = Observed::new(|config| {
        config.transfer_lifetime = Some(Duration::from_secs(60));
        config.transfer_deadline = Duration::from_secs(100);
    });
    observed.notify(&body(150));
    observed.wait(50);
    observed.reads_on(1);
    observed.wait(49);
    observed.read_first(&body(150));
    observed.wait(50);
    observed.reads_on(1);
    observed.wait(49);
    observed.reads_on(2);
    observed.wait(REPETITION);
    assert_eq!(observed.kept(), 0);
}

/// Requests for blocks of any size are for the same body.
#[test]
fn a_resource_is_the_same_whatever_block_size_is_asked_for() {
    let mut node = Node::new(config(1, 64));
    let mut resource = |path: &str, size: Option<usize>, id: u16| {
        let mut request = MessageBuf::request(Method::Get);
        request.observe(0).unwrap().uri_path(path).unwrap();
        if let Some(size) = size {
            request.block2(block(0, false, size)).unwrap();
        }
        let token = Token::new(&id.to_be_bytes()).unwrap();
        let wire = request.finish(MessageType::Confirmable, id, token);
        let datagram = Datagram::new(PEER, wire.as_ref());
        match node.receive(super::support::T0, &datagram) {
            Ok(Some(Incoming::Request { responder, .. })) => responder.resource(),
            other => panic!("{other:?}"),
        }
    };
    let (any, small) = (resource("x", None, 1), resource("x", Some(16), 2));
    assert_eq!(any, small);
    assert_ne!(any, resource("y", None, 3));
}
