//! What the program `server` shows of a client that sleeps, and of what waits for it.

use std::net::UdpSocket;

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::coap::{MessageBuf, MessageRef, MessageType, Token};

use crate::support::{PATIENCE, server};

/// A device in Queue Mode, which says nothing unless the test has it say something.
struct Device {
    socket: UdpSocket,
    message_id: u16,
    location: Vec<String>,
}

impl Device {
    /// One that has registered as `me`.
    fn registered(server: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut device = Self {
            socket,
            message_id: 0,
            location: Vec::new(),
        };
        let mut register = MessageBuf::request(Method::Post);
        register.uri_path("rd").unwrap();
        for query in ["ep=me", "lt=86400", "lwm2m=1.0", "b=UQ"] {
            register.uri_query(query).unwrap();
        }
        register.payload(b"</1/0>,</3/0>");
        device.send(register);
        let answer = device.receive();
        let answer = MessageRef::parse(&answer).unwrap();
        assert_eq!(answer.code(), Code::CREATED);
        device.location = answer.location_path().map(String::from).collect();
        device
    }

    fn send(&mut self, request: MessageBuf) {
        self.message_id += 1;
        let wire = request.finish(MessageType::Confirmable, self.message_id, Token::EMPTY);
        self.socket.send(wire.as_ref()).unwrap();
    }

    fn receive(&self) -> Vec<u8> {
        let mut buffer = [0; 1500];
        let length = self.socket.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    /// It wakes, and says so.
    fn update(&mut self) {
        let mut update = MessageBuf::request(Method::Post);
        for segment in &self.location {
            update.uri_path(segment).unwrap();
        }
        self.send(update);
        let answer = self.receive();
        assert_eq!(MessageRef::parse(&answer).unwrap().code(), Code::CHANGED);
    }

    /// Answers the next request, for this path.
    fn answer(&self, path: &str) {
        let request = self.receive();
        let request = MessageRef::parse(&request).unwrap();
        let asked: Vec<&str> = request.uri_path().collect();
        assert_eq!(format!("/{}", asked.join("/")), path);
        let answer = MessageBuf::response(Code::NOT_FOUND);
        let kind = MessageType::Acknowledgement;
        let wire = answer.finish(kind, request.message_id(), request.token());
        self.socket.send(wire.as_ref()).unwrap();
    }
}

#[test]
fn a_server_shows_who_sleeps_and_what_waits_which_can_be_withdrawn() {
    let (mut server, uri) = server(&["--awake", "1"]);
    let mut device = Device::registered(uri.trim_start_matches("coap://"));
    server.expect("registered me /rd/");
    server.expect("awake me");
    server.expect("asleep me");
    server.say("read me /3/0/0");
    let read = server.expect("waiting me read /3/0/0 operation=");
    server.say("exec me /3/0/4");
    server.expect("waiting me exec /3/0/4 operation=");
    server.say("list");
    server.expect("registered me /rd/");
    assert_eq!(server.next(), "asleep me");
    let listed = server.next();
    assert!(listed.starts_with(&read), "{listed}");
    server.expect("waiting me exec /3/0/4 operation=");
    let number = read.rsplit('=').next().unwrap();
    server.say(&format!("withdraw {number}"));
    server.expect("failed me read /3/0/0 withdrawn");
    device.update();
    server.expect("awake me");
    device.answer("/3/0/4");
    server.expect("answer me exec /3/0/4 4.04");
    server.expect("asleep me");
    server.say("quit");
    assert!(server.ends());
}
