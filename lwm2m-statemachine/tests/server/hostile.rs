//! Clients and strangers that begin bodies in blocks and don't end them (RFC 7959): honest clients
//! are served all the same. Without security any address may be made up (TS 7.1.10).

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, Instant, Method, Operation};
use lwm2m_statemachine::{
    Datagram, Outcome, RegistrationId, Server, ServerConfig, ServerEvent,
    coap::{BlockOption, FailureReason, MessageBuf, MessageType, Token},
    server::{AnswerError, RefusalReason},
};

/// The honest client.
const HONEST: u32 = u32::MAX;

/// A list of Object Instances that takes three blocks of 64 bytes.
fn list() -> Vec<u8> {
    let links: Vec<_> = (0..20).map(|instance| format!("</7/{instance}>")).collect();
    links.join(",").into_bytes()
}

struct World {
    server: Server<u32>,
    now: Instant,
    next: u16,
}

type Sent = lwm2m_kit::Sent<u32>;

impl World {
    fn new() -> Self {
        Self {
            server: Server::new(ServerConfig::new([7; 32])),
            now: Instant::from_secs(1000),
            next: 0,
        }
    }

    fn deliver(&mut self, from: u32, bytes: &[u8]) {
        let datagram = Datagram::new(from, bytes);
        let _ = self.server.handle_datagram(self.now, datagram);
    }

    fn sent(&mut self) -> Vec<Sent> {
        lwm2m_kit::sent(&mut self.server)
    }

    fn events(&mut self) -> Vec<ServerEvent<u32>> {
        lwm2m_kit::events(&mut self.server)
    }

    /// Sends a confirmable request; returns its answer.
    fn ask(&mut self, from: u32, request: MessageBuf) -> Sent {
        self.next = self.next.wrapping_add(1);
        let token = Token::new(&self.next.to_be_bytes()).unwrap();
        let wire = request.finish(MessageType::Confirmable, self.next, token);
        self.deliver(from, wire.as_ref());
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1);
        let answer = sent.remove(0);
        assert_eq!(answer.to, from);
        answer
    }

    fn code(&mut self, from: u32, request: MessageBuf) -> Code {
        self.ask(from, request).message().code()
    }

    /// Registers with the list in blocks of 64 bytes; `meanwhile` happens after each.
    #[track_caller]
    fn register(
        &mut self,
        from: u32,
        name: &str,
        mut meanwhile: impl FnMut(&mut Self),
    ) -> (RegistrationId, String) {
        let list = list();
        let blocks = list.chunks(64).count();
        for (number, payload) in list.chunks(64).enumerate() {
            let more = number + 1 < blocks;
            let number = u32::try_from(number).unwrap();
            let answer = self.ask(from, register(name, number, more, payload));
            if more {
                assert_eq!(answer.message().code(), Code::CONTINUE, "block {number}");
                meanwhile(self);
                continue;
            }
            assert_eq!(answer.message().code(), Code::CREATED);
            let location = answer.message().location_path().last().unwrap().to_owned();
            match self.events().pop() {
                Some(ServerEvent::Registered { registration }) => return (registration, location),
                other => panic!("{other:?}"),
            }
        }
        panic!("no list");
    }

    fn held(&self) -> (usize, usize) {
        let usage = self.server.usage().coap;
        (usage.receiving.bodies, usage.receiving.bytes)
    }
}

fn block(number: u32, more: bool, size: usize) -> BlockOption {
    BlockOption::new(number, more, size).unwrap()
}

/// A block of a Register.
fn register(name: &str, number: u32, more: bool, payload: &[u8]) -> MessageBuf {
    let size = if payload.len() > 64 { 1024 } else { 64 };
    let mut message = MessageBuf::request(Method::Post);
    message.uri_path("rd").unwrap();
    message.content_format(ContentFormat::LINK_FORMAT).unwrap();
    for query in [&*format!("ep={name}"), "lt=86400", "lwm2m=1.0"] {
        message.uri_query(query).unwrap();
    }
    message.block1(block(number, more, size)).unwrap();
    message.payload(payload);
    message
}

/// The first block of anything else.
fn first(method: Method, path: &[&str]) -> MessageBuf {
    let mut message = MessageBuf::request(method);
    for segment in path {
        message.uri_path(segment).unwrap();
    }
    message.block1(block(0, true, 1024)).unwrap();
    message.payload(&[7; 1024]);
    message
}

#[test]
fn a_body_is_refused_at_its_first_block_unless_it_is_of_a_register_or_an_update() {
    let mut world = World::new();
    let (id, location) = world.register(1, "device", |_| {});
    let location = ["rd", &location];
    let unknown = ["rd", "AAAAAAAAAAA"];
    for (from, method, path, code) in [
        (1, Method::Put, &["x"][..], Code::NOT_FOUND),
        (1, Method::Post, &["x"], Code::NOT_FOUND),
        (1, Method::Post, &[], Code::NOT_FOUND),
        (1, Method::Post, &["rd", "a", "b"], Code::NOT_FOUND),
        (1, Method::Post, &["bs"], Code::NOT_FOUND),
        (1, Method::Put, &["rd"], Code::METHOD_NOT_ALLOWED),
        (1, Method::Post, &unknown, Code::NOT_FOUND),
        (1, Method::Put, &location, Code::METHOD_NOT_ALLOWED),
        (1, Method::Delete, &location, Code::BAD_REQUEST),
        (2, Method::Post, &location, Code::NOT_FOUND),
        (2, Method::Delete, &location, Code::NOT_FOUND),
    ] {
        let answer = world.code(from, first(method, path));
        assert_eq!(answer, code, "{method:?} {path:?}");
        assert_eq!(world.held(), (0, 0));
    }
    let refused: Vec<_> = world
        .events()
        .into_iter()
        .map(|event| match event {
            ServerEvent::Refused(refusal) => (refusal.operation, refusal.reason, refusal.peer),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        refused,
        [
            (Operation::Update, RefusalReason::UnknownLocation, 1),
            (Operation::Update, RefusalReason::AnotherClient, 2),
            (Operation::Deregister, RefusalReason::AnotherClient, 2),
        ]
    );
    assert!(world.server.registration(id).is_some());
    // The one of its client is accepted.
    assert_eq!(
        world.code(1, first(Method::Post, &location)),
        Code::CONTINUE
    );
    assert_eq!(world.held(), (1, 1024));
}

#[test]
fn an_update_in_blocks_is_taken_from_its_client() {
    let mut world = World::new();
    let (id, location) = world.register(1, "device", |_| {});
    let links = b"</3/0>,</7/0>,</7/1>";
    for (number, payload) in links.chunks(16).enumerate() {
        let mut message = MessageBuf::request(Method::Post);
        message.uri_path("rd").unwrap().uri_path(&location).unwrap();
        let more = number == 0;
        message
            .block1(block(u32::try_from(number).unwrap(), more, 16))
            .unwrap()
            .payload(payload);
        let expected = if more { Code::CONTINUE } else { Code::CHANGED };
        assert_eq!(world.code(1, message), expected);
    }
    assert!(matches!(
        world.events()[..],
        [ServerEvent::Updated { registration, .. }] if registration == id
    ));
}

#[test]
fn a_first_block_that_came_to_a_group_is_ignored() {
    let mut world = World::new();
    let token = Token::new(b"t").unwrap();
    let wire =
        register("device", 0, true, &[b'x'; 64]).finish(MessageType::NonConfirmable, 1, token);
    let mut datagram = Datagram::new(1, wire.as_ref());
    datagram.multicast = true;
    world.server.handle_datagram(world.now, datagram).unwrap();
    assert!(world.sent().is_empty());
    assert_eq!(world.held(), (0, 0));
}

/// Only four peers, with 32,832 blocks to paths that don't exist.
#[test]
fn blocks_to_paths_that_do_not_exist_keep_nobody_from_registering() {
    let mut world = World::new();
    for peer in 0..4 {
        for path in 0..16 {
            for number in 0..513 {
                let mut message = MessageBuf::request(Method::Put);
                message.uri_path(&path.to_string()).unwrap();
                message.block1(block(number, true, 1024)).unwrap();
                message.payload(&[7; 1024]);
                let code = world.code(peer, message);
                let expected = match number {
                    0 => Code::NOT_FOUND,
                    _ => Code::REQUEST_ENTITY_INCOMPLETE,
                };
                assert_eq!(code, expected);
            }
        }
    }
    assert_eq!(world.held(), (0, 0));
    world.register(HONEST, "device", |_| {});
}

/// More first blocks than there may be bodies, before and while a client registers.
#[test]
fn a_flood_of_registers_that_stop_keeps_nobody_from_registering() {
    let mut world = World::new();
    let mut peer = 0;
    let mut flood = |world: &mut World, count: u32| {
        for _ in 0..count {
            let message = register("x", 0, true, &[b'x'; 64]);
            assert_eq!(world.code(peer, message), Code::CONTINUE);
            peer += 1;
        }
    };
    flood(&mut world, 66_000);
    assert_eq!(world.held().0, 1 << 16);
    for name in ["a", "b", "c"] {
        world.register(HONEST, name, |world| {
            flood(world, 1000);
            world.now += Duration::from_millis(500);
        });
    }
}

/// First blocks under other names from a client's address, before and while it registers.
#[test]
fn first_blocks_in_the_name_of_a_client_do_not_keep_it_from_registering() {
    let mut world = World::new();
    let mut names = 0..;
    let mut flood = |world: &mut World| {
        for name in names.by_ref().take(100) {
            let message = register(&format!("spoofed {name}"), 0, true, &[b'x'; 64]);
            assert_eq!(world.code(HONEST, message), Code::CONTINUE);
        }
    };
    flood(&mut world);
    let mut second = false;
    world.register(HONEST, "device", |world| {
        if core::mem::replace(&mut second, true) {
            flood(world);
        }
    });
    assert_eq!(world.held().0, 3);
}

/// Registers of the largest size, from more addresses than there is room for.
#[test]
fn large_registers_that_stop_keep_nobody_from_registering() {
    let mut world = World::new();
    let bound = ServerConfig::new([7; 32]).coap.bounds.receiving.bytes;
    for peer in 0..300 {
        for number in 0..60 {
            let message = register("x", number, true, &[b'x'; 1024]);
            assert_eq!(world.code(peer, message), Code::CONTINUE);
            assert!(world.held().1 <= bound);
        }
    }
    assert!(world.held().1 > bound - (1 << 17));
    world.register(HONEST, "device", |_| {});
}

#[test]
fn a_list_of_more_than_64_kib_is_refused_when_that_is_seen() {
    let mut world = World::new();
    for number in 0..64 {
        let message = register("x", number, true, &[b'x'; 1024]);
        assert_eq!(world.code(1, message), Code::CONTINUE);
    }
    let answer = world.ask(1, register("x", 64, true, &[b'x'; 1024]));
    let message = answer.message();
    assert_eq!(message.code(), Code::REQUEST_ENTITY_TOO_LARGE);
    assert_eq!(message.size1(), Some(1 << 16));
    assert_eq!(world.held(), (0, 0));
}

/// A client answers a request of the server with a block of a body.
fn part(world: &mut World, to: u32, request: &Sent, observe: bool, number: u32, more: bool) {
    let mut answer = MessageBuf::response(Code::CONTENT);
    if observe {
        answer.observe(1).unwrap();
    }
    answer.content_format(ContentFormat::TEXT).unwrap();
    answer.block2(block(number, more, 1024)).unwrap();
    answer.payload(&[b'7'; 1024]);
    let (id, token) = (request.message().message_id(), request.message().token());
    let wire = answer.finish(MessageType::Acknowledgement, id, token);
    world.deliver(to, wire.as_ref());
}

/// Four clients send sixteen notifications of half a MiB and a block, each held in a MiB, and stop:
/// 32,832 blocks. Another one is read in two.
#[test]
fn large_notifications_that_stop_keep_no_read_from_its_answer() {
    let mut world = World::new();
    let value = "/3/0/0".parse().unwrap();
    let mut lost = Vec::new();
    for peer in 0..4 {
        let (id, _) = world.register(peer, &format!("hostile {peer}"), |_| {});
        for _ in 0..16 {
            world.server.observe(world.now, id, value, None).unwrap();
            let request = world.sent().remove(0);
            let token = request.message().token();
            let mut answer = MessageBuf::response(Code::CONTENT);
            answer.observe(1).unwrap().payload(b"small");
            let id = request.message().message_id();
            let wire = answer.finish(MessageType::Acknowledgement, id, token);
            world.deliver(peer, wire.as_ref());
            assert!(matches!(
                world.events()[..],
                [ServerEvent::Answered {
                    outcome: Outcome::Observing { .. },
                    ..
                }]
            ));
            let mut notification = MessageBuf::response(Code::CONTENT);
            notification.observe(2).unwrap();
            notification.content_format(ContentFormat::TEXT).unwrap();
            notification.block2(block(0, true, 1024)).unwrap();
            notification.payload(&[b'7'; 1024]);
            world.next = world.next.wrapping_add(1);
            let wire = notification.finish(MessageType::NonConfirmable, world.next, token);
            world.deliver(peer, wire.as_ref());
            for number in 1..513 {
                let Some(request) = world.sent().pop() else {
                    break;
                };
                part(&mut world, request.to, &request, false, number, true);
            }
            // The last request is acknowledged but not answered, so that the next one is sent.
            if let Some(request) = world.sent().pop() {
                let [high, low] = request.message().message_id().to_be_bytes();
                world.deliver(request.to, &[0x60, 0, high, low]);
            }
            lost.extend(world.events());
        }
    }
    // A notification beyond the share of its client is lost, with a reason.
    assert!(!lost.is_empty());
    for event in lost {
        match event {
            ServerEvent::Notification { content, .. } => assert_eq!(
                content.unwrap_err(),
                AnswerError::Lost(FailureReason::NoRoom)
            ),
            other => panic!("{other:?}"),
        }
    }
    let (id, _) = world.register(HONEST, "device", |_| {});
    let operation = world.server.read(world.now, id, value, None).unwrap();
    let request = world.sent().remove(0);
    part(&mut world, HONEST, &request, false, 0, true);
    let request = world.sent().remove(0);
    part(&mut world, HONEST, &request, false, 1, false);
    match &world.events()[..] {
        [
            ServerEvent::Answered {
                operation: of,
                outcome: Outcome::Content(_),
                ..
            },
        ] => assert_eq!(*of, operation),
        other => panic!("{other:?}"),
    }
}
