//! The device in Queue Mode: how it sleeps, and what wakes it.

use core::net::SocketAddr;
use std::net::UdpSocket;

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::coap::{MessageBuf, MessageRef, MessageType, Token};

use crate::support::{PATIENCE, Program, client, server};

/// The device, whose world stands still, at this server.
pub(crate) fn sleeper(uri: &str, arguments: &[&str]) -> Program {
    let queues = ["--server", uri, "--queue-mode", "--awake", "1"];
    let stands_still = ["--drain", "86400", "--step", "86400"];
    client(&[&queues[..], &stands_still, arguments].concat())
}

/// A server that believes as long as the device that this is awake, and the device, which is asleep.
fn server_and_sleeper(arguments: &[&str]) -> (Program, Program) {
    let (mut server, uri) = server(&["--awake", "1"]);
    let mut device = sleeper(&uri, arguments);
    device.expect("registered 101 /rd/");
    let registered = server.expect("registered me /rd/");
    assert!(registered.contains(" binding=UQ "), "{registered}");
    device.expect("asleep for ");
    server.expect("asleep me");
    (server, device)
}

/// The battery is observed, and the device asleep again.
pub(crate) fn observe_battery(server: &mut Program, device: &mut Program) {
    server.say("observe me /3/0/9");
    server.expect("waiting me observe /3/0/9");
    device.say("update");
    device.expect("awake");
    server.expect("answer me observe /3/0/9 2.05");
    device.expect("asleep for ");
    server.expect("asleep me");
}

/// A server with security, its URI, and the arguments for a device that has the key.
#[cfg(feature = "dtls")]
pub(crate) fn secure_server() -> (Program, String, [&'static str; 4]) {
    let key = "000102030405060708090a0b0c0d0e0f";
    let keys = ["--psk-identity", "me", "--psk-key", key];
    let listens = ["--awake", "1", "--listen-secure", "127.0.0.1:0"];
    let (mut server, _) = server(&[&listens[..], &keys].concat());
    let listening = server.expect("listening coaps://");
    let uri = listening.replace("listening ", "");
    (server, uri, keys)
}

/// A server that says nothing unless the test has it say something.
struct Host {
    socket: UdpSocket,
    device: SocketAddr,
}

impl Host {
    /// One where the device has registered at once.
    fn with_device(arguments: &[&str]) -> (Self, Program) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let device = sleeper(
            &format!("coap://{}", socket.local_addr().unwrap()),
            arguments,
        );
        let (_, address) = socket.peek_from(&mut [0; 1500]).unwrap();
        let host = Self {
            socket,
            device: address,
        };
        let mut created = MessageBuf::response(Code::CREATED);
        created.location_path("rd").unwrap();
        created.location_path("7").unwrap();
        host.accept("/rd", created);
        (host, device)
    }

    fn receive(&self) -> Vec<u8> {
        let mut buffer = [0; 1500];
        let length = self.socket.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    /// The next that comes is a POST to this path.
    fn accept(&self, path: &str, answer: MessageBuf) {
        let request = self.receive();
        let request = MessageRef::parse(&request).unwrap();
        let asked: Vec<&str> = request.uri_path().collect();
        assert_eq!(
            (request.code(), format!("/{}", asked.join("/"))),
            (Code::POST, path.into())
        );
        let kind = MessageType::Acknowledgement;
        self.send(answer, kind, request.message_id(), request.token());
    }

    fn send(&self, message: MessageBuf, kind: MessageType, message_id: u16, token: Token) {
        let wire = message.finish(kind, message_id, token);
        self.socket.send_to(wire.as_ref(), self.device).unwrap();
    }

    fn read_manufacturer(&self, message_id: u16) {
        let mut read = MessageBuf::request(Method::Get);
        for segment in ["3", "0", "0"] {
            read.uri_path(segment).unwrap();
        }
        self.send(read, MessageType::Confirmable, message_id, Token::EMPTY);
    }
}

#[test]
fn what_waits_for_a_device_that_sleeps_is_answered_after_its_update() {
    let (mut server, mut device) = server_and_sleeper(&["--sleep"]);
    server.say("read me /3/0/0");
    server.expect("waiting me read /3/0/0 operation=");
    device.say("update");
    assert_eq!(device.next(), "awake");
    assert_eq!(device.next(), "updated 101");
    server.expect("updated me /rd/");
    server.expect("answer me read /3/0/0 2.05");
    device.expect("asleep for ");
}

#[test]
fn a_device_that_sleeps_hears_nothing() {
    let (host, mut device) = Host::with_device(&["--sleep"]);
    device.expect("asleep for ");
    host.read_manufacturer(1);
    device.say("accounts");
    device.expect("  101 registered asleep /rd/7 ");
    device.say("update");
    device.expect("awake");
    host.accept("/rd/7", MessageBuf::response(Code::CHANGED));
    device.expect("updated 101");
    // The one from before isn't answered.
    host.read_manufacturer(2);
    let answer = host.receive();
    let answer = MessageRef::parse(&answer).unwrap();
    assert_eq!((answer.code(), answer.message_id()), (Code::CONTENT, 2));
}

#[test]
fn a_device_that_is_idle_hears_what_comes_and_begins_with_an_update() {
    let (host, mut device) = Host::with_device(&[]);
    device.expect("idle for ");
    host.read_manufacturer(1);
    let answer = host.receive();
    let answer = MessageRef::parse(&answer).unwrap();
    assert_eq!((answer.code(), answer.message_id()), (Code::CONTENT, 1));
    host.accept("/rd/7", MessageBuf::response(Code::CHANGED));
    device.expect("updated 101");
    device.expect("idle for ");
}

#[test]
fn a_device_sleeps_until_its_registration_has_to_be_updated() {
    let (mut server, mut device) = server_and_sleeper(&["--sleep", "--lifetime", "6"]);
    for _ in 0..2 {
        device.expect("awake");
        device.expect("updated 101");
        server.expect("updated me /rd/");
        device.expect("asleep for ");
    }
}

#[test]
fn a_device_whose_server_is_disabled_sleeps_until_it_registers_again() {
    let (mut server, mut device) = server_and_sleeper(&["--sleep"]);
    server.say("write me /1/0/5 2");
    server.say("exec me /1/0/4");
    server.expect("waiting me exec /1/0/4 operation=");
    device.say("update");
    server.expect("answer me exec /1/0/4 2.04");
    server.expect("deregistered me");
    device.expect("disabled 101 for 2 s");
    device.expect("asleep for 2 s");
    device.expect("awake");
    device.expect("registered 101 /rd/");
    server.expect("registered me /rd/");
}

#[test]
fn a_value_that_is_observed_wakes_the_device_and_its_notification_follows_the_update() {
    let (mut server, mut device) = server_and_sleeper(&["--sleep"]);
    observe_battery(&mut server, &mut device);
    // Nobody observes it.
    device.say("set /3/0/10 1");
    device.say("set /3/0/9 42");
    assert_eq!(device.next(), "awake");
    assert_eq!(device.next(), "updated 101");
    server.expect("updated me /rd/");
    server.expect("notify me /3/0/9 observation=");
    assert!(server.next().contains("42"));
    device.expect("asleep for ");
}

#[test]
fn a_device_that_does_not_wake_for_notifications_sends_them_after_the_next_update() {
    let (mut server, mut device) = server_and_sleeper(&["--sleep", "--no-waking"]);
    observe_battery(&mut server, &mut device);
    device.say("set /3/0/9 42");
    device.say("get /3/0/9");
    // It may have told that it sleeps for another time.
    let mut line = device.next();
    while line.starts_with("asleep for ") {
        line = device.next();
    }
    assert!(line.contains("/3/0/9 = 42"), "{line}");
    device.say("update");
    assert_eq!(device.next(), "awake");
    server.expect("updated me /rd/");
    server.expect("notify me /3/0/9 observation=");
    assert!(server.next().contains("42"));
}

#[cfg(feature = "dtls")]
#[test]
fn a_device_with_a_key_goes_on_in_the_session_from_before_it_slept() {
    let (mut server, uri, keys) = secure_server();
    let mut device = sleeper(&uri, &[&keys[..], &["--sleep"]].concat());
    device.expect("registered 101 /rd/");
    server.expect("registered me /rd/");
    device.expect("asleep for ");
    server.expect("asleep me");
    server.say("read me /3/0/0");
    server.expect("waiting me read /3/0/0 operation=");
    device.say("update");
    // It doesn't connect.
    assert_eq!(device.next(), "awake");
    assert_eq!(device.next(), "updated 101");
    server.expect("answer me read /3/0/0 2.05");
    device.expect("asleep for ");
}
