//! Requests that fill the room for served bodies and don't fetch them: a client that reads gets to
//! the end all the same. Any address may be made up.

use core::time::Duration;

use lwm2m_core::{Code, Instant, Method};
use lwm2m_statemachine::coap::{Config, Incoming, MessageBuf};

use super::{
    starving_requests::{HONEST, Node, ask},
    support::{T0, block, body, config},
};

/// A block of a GET.
fn read(path: &str, number: u32) -> MessageBuf {
    let mut message = MessageBuf::request(Method::Get);
    message.uri_path(path).unwrap();
    message.block2(block(number, false, 64)).unwrap();
    message
}

/// A node that serves `body(300)` at any path, and counts how often it is asked.
struct Server {
    node: Node,
    now: Instant,
    rendered: usize,
}

impl Server {
    fn new(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(1, 64);
        configure(&mut config);
        Self {
            node: Node::new(config),
            now: T0,
            rendered: 0,
        }
    }

    fn ask(&mut self, peer: u32, path: &str, number: u32) -> String {
        let (now, rendered) = (self.now, &mut self.rendered);
        self.node.handle_timeout(now);
        ask(
            &mut self.node,
            now,
            peer,
            read(path, number),
            |node, incoming| {
                *rendered += 1;
                let Incoming::Request { responder, .. } = incoming else {
                    panic!("{incoming:?}");
                };
                let mut answer = MessageBuf::response(Code::CONTENT);
                answer.payload(&body(300));
                node.respond(now, responder, answer).unwrap();
            },
        )
    }
}

/// Requests from made-up addresses displace each other, not what is being read.
#[test]
fn a_flood_of_requests_does_not_displace_bodies_that_are_being_read() {
    let number = |config: &mut Config| config.bounds.serving.bodies = 8;
    let bytes = |config: &mut Config| config.bounds.serving.bytes = 8 * 300;
    for bound in [number, bytes] {
        let mut server = Server::new(bound);
        let mut peer = 0;
        for number in 0..5 {
            let said = server.ask(HONEST, "x", number);
            assert!(said.contains(&format!("2.05 2:{number}/")), "{said}");
            let flood = if number == 0 { 7 } else { 1000 };
            let before = server.rendered;
            for _ in 0..flood {
                server.ask(peer, "x", 0);
                peer += 1;
            }
            assert_eq!(server.rendered, before + flood);
            server.now += Duration::from_secs(2);
        }
        assert_eq!(server.rendered, 1 + 7 + 4 * 1000);
    }
}

/// Even before its second block is asked for, a displaced body does no harm: it is asked for again.
#[test]
fn a_body_that_a_flood_displaces_is_rendered_again_and_read_to_its_end() {
    let mut server = Server::new(|config| config.bounds.serving.bodies = 8);
    for number in 0..5 {
        let said = server.ask(HONEST, "x", number);
        assert!(said.contains(&format!("2.05 2:{number}/")), "{said}");
        (0..100).for_each(|peer| drop(server.ask(peer, &number.to_string(), 0)));
    }
    // Twice for the honest one: from its second block on the body is being read.
    assert_eq!(server.rendered, 5 * 100 + 2);
}

/// A reader that stops gives way to one that reads now, however much it has read.
#[test]
fn a_body_that_is_not_read_any_more_goes_before_one_that_has_just_been_asked_for() {
    let mut server = Server::new(|config| config.bounds.serving.bodies = 2);
    server.ask(1, "x", 0);
    server.ask(1, "x", 1);
    server.now += Duration::from_secs(3);
    server.ask(2, "x", 0);
    server.ask(3, "x", 0);
    server.ask(2, "x", 1);
    server.ask(3, "x", 1);
    assert_eq!(server.rendered, 3);
    server.ask(1, "x", 2);
    assert_eq!(server.rendered, 4, "that of 1 had to go");
}

/// Whoever begins again and again keeps a body for longer than one transfer may take, but not the room that others
/// need.
#[test]
fn a_body_that_is_begun_for_ever_gives_way_to_others() {
    let mut server = Server::new(|config| {
        config.bounds.serving.bodies = 2;
        config.transfer_lifetime = Some(Duration::from_secs(60));
        config.transfer_deadline = Duration::from_secs(100);
    });
    for round in 0..5 {
        server.now = T0 + Duration::from_secs(50 * round);
        server.ask(1, "x", 0);
        server.ask(1, "x", 1);
    }
    assert_eq!(server.rendered, 5, "once for each first block");
    server.ask(2, "x", 0);
    server.ask(3, "x", 0);
    server.ask(2, "x", 1);
    server.ask(3, "x", 1);
    assert_eq!(server.rendered, 7);
    assert!(server.ask(1, "x", 2).contains("2.05 2:2/1"));
    assert_eq!(server.rendered, 8, "that of 1 had to go");
}

/// A body isn't kept forever because one block is asked for again and again.
#[test]
fn a_body_that_is_read_for_ever_is_rendered_again() {
    let mut server = Server::new(|config| config.transfer_deadline = Duration::from_secs(1000));
    server.ask(1, "x", 0);
    for _ in 0..9 {
        server.now += Duration::from_secs(100);
        server.ask(1, "x", 1);
        assert_eq!(server.rendered, 1);
    }
    server.now += Duration::from_secs(100);
    assert!(server.ask(1, "x", 1).contains("2.05 2:1/1"));
    assert_eq!(server.rendered, 2);
}
