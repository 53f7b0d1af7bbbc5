//! Clients that leave a session for a newer one at another address, and what the network holds back
//! meanwhile.

use lwm2m_core::{Code, ContentFormat, Instant, Method, Path};
use lwm2m_examples::secure::{
    credentials::ClientCredentials,
    pure::{Pure, PureSession},
    server::{SecureDatagramError, SecurePeer, SecureServer, SessionNews, Transport},
    session::{DtlsSession, DtlsStack, Output},
    sessions::{Bounds, End, Useless},
};
use lwm2m_statemachine::{
    Datagram, Identity, Machine, Server, ServerConfig, ServerEvent,
    coap::{MessageBuf, MessageRef, MessageType, Token},
};

use crate::world::{client_stack, known_psk, server_stack};

const NOW: Instant = Instant::ZERO;

type Secured = SecureServer<u32, Pure>;

fn server() -> Secured {
    let server = Server::new(ServerConfig::new([7; 32]));
    // What has to end is closed by the server, not for want of room.
    let mut bounds = Bounds::server(1);
    bounds.per_identity = 8;
    let mut secured = SecureServer::new(server, server_stack(), bounds);
    let identities = secured.server.identities_mut();
    for name in ["second", "third"] {
        identities.allow(&Identity::Psk(b"device"), name);
    }
    secured
}

/// One end of a session, at an address of its own.
struct Device {
    address: u32,
    session: PureSession,
    message_id: u16,
    /// Records that wait to be sent.
    records: Vec<Vec<u8>>,
    /// What the server has sent in the session.
    received: Vec<Vec<u8>>,
    closed: bool,
}

impl Device {
    /// A session with the key of the device.
    fn connected(server: &mut Secured, address: u32) -> Self {
        let keys = ClientCredentials::of(&known_psk(), "server").unwrap();
        let mut device = Self {
            address,
            session: client_stack().connect(NOW, &keys).unwrap(),
            message_id: 0,
            records: Vec::new(),
            received: Vec::new(),
            closed: false,
        };
        for _ in 0..3 {
            device.turn(server);
        }
        assert!(matches!(
            server.next_news(),
            Some(SessionNews::Connected { .. })
        ));
        device
    }

    /// What the session has to send.
    fn records(&mut self) -> Vec<Vec<u8>> {
        let (records, received) = (&mut self.records, &mut self.received);
        let closed = &mut self.closed;
        self.session.drain(&mut |output| match output {
            Output::Datagram(datagram) => records.push(datagram.to_vec()),
            Output::Payload(payload) => received.push(payload.to_vec()),
            Output::Closed => *closed = true,
            Output::Connected { .. } => {}
        });
        core::mem::take(records)
    }

    /// What the session has to send arrives, and what the server sends to it.
    fn turn(&mut self, server: &mut Secured) {
        for record in self.records() {
            deliver(server, self.address, &record).unwrap();
        }
        while let Some(transmit) = server.poll_transmit() {
            if transmit.to == Transport::Dtls(self.address) {
                let _ = self.session.handle_datagram(NOW, transmit.payload);
            }
        }
        self.records = self.records();
    }

    fn send(&mut self, request: MessageBuf) {
        self.message_id += 1;
        let token = Token::new(&self.message_id.to_be_bytes()).unwrap();
        let wire = request.finish(MessageType::Confirmable, self.message_id, token);
        self.session.send(NOW, wire.as_ref()).unwrap();
    }

    /// A request, which must be answered. Returns the code and the location.
    fn request(&mut self, server: &mut Secured, request: MessageBuf) -> (Code, Vec<String>) {
        self.send(request);
        self.turn(server);
        let [answer] = &core::mem::take(&mut self.received)[..] else {
            panic!("not one answer");
        };
        let answer = MessageRef::parse(answer).unwrap();
        let location = answer.location_path().map(String::from).collect();
        (answer.code(), location)
    }

    /// Registers under this name, and returns the token of the location.
    fn register(&mut self, server: &mut Secured, name: &str) -> String {
        let (code, location) = self.request(server, register(name));
        assert_eq!(code, Code::CREATED);
        location.into_iter().nth(1).expect("a location")
    }

    fn update(&mut self, server: &mut Secured, location: &str) {
        let answer = self.request(server, update(location));
        assert_eq!(answer.0, Code::CHANGED);
    }

    /// The record of a request that the network holds back.
    fn held_back(&mut self, request: MessageBuf) -> Vec<u8> {
        self.send(request);
        let [record] = <[_; 1]>::try_from(self.records()).unwrap();
        record
    }
}

fn deliver(server: &mut Secured, address: u32, record: &[u8]) -> Result<(), SecureDatagramError> {
    server.handle_datagram(NOW, Datagram::new(Transport::Dtls(address), record))
}

fn register(name: &str) -> MessageBuf {
    let mut message = MessageBuf::request(Method::Post);
    message.uri_path("rd").unwrap();
    for query in ["lwm2m=1.0", "lt=86400", &format!("ep={name}")] {
        message.uri_query(query).unwrap();
    }
    message.payload(b"</1/0>,</3/0>");
    message
}

fn update(location: &str) -> MessageBuf {
    let mut message = MessageBuf::request(Method::Post);
    message.uri_path("rd").unwrap().uri_path(location).unwrap();
    message
}

fn deregister(location: &str) -> MessageBuf {
    let mut message = MessageBuf::request(Method::Delete);
    message.uri_path("rd").unwrap().uri_path(location).unwrap();
    message
}

/// An observation of the first client.
struct Observed {
    token: Token,
}

impl Observed {
    /// The device accepts an observation of "device".
    fn by(server: &mut Secured, device: &mut Device) -> Self {
        let registration = server.server.find("device").unwrap();
        let level = Path::of(&[3, 0, 9]).unwrap();
        let observed = server.server.observe(NOW, registration, level, None);
        observed.unwrap();
        device.turn(server);
        let request = device.received.pop().expect("a request");
        let request = MessageRef::parse(&request).unwrap();
        let token = request.token();
        let observed = Self { token };
        let answer = observed.notification(1, MessageType::Acknowledgement, request.message_id());
        device.session.send(NOW, &answer).unwrap();
        device.turn(server);
        observed
    }

    fn notification(&self, observe: u32, kind: MessageType, message_id: u16) -> Vec<u8> {
        let mut message = MessageBuf::response(Code::CONTENT);
        message.observe(observe).unwrap();
        message.content_format(ContentFormat::TEXT).unwrap();
        message.payload(b"85");
        let message = message.finish(kind, message_id, self.token);
        message.as_ref().to_vec()
    }

    /// The next notification comes from there.
    fn notify(&self, server: &mut Secured, device: &mut Device) {
        let notification = self.notification(2, MessageType::NonConfirmable, 100);
        device.session.send(NOW, &notification).unwrap();
        device.turn(server);
    }
}

fn is_reachable(server: &Secured, name: &str) -> bool {
    let inside = &server.server;
    let registration = inside.registration(inside.find(name).expect("a registration"));
    registration.expect("a registration").is_reachable()
}

/// Where a client is reached.
#[track_caller]
fn reached(server: &Secured, name: &str) -> u32 {
    assert!(is_reachable(server, name));
    let inside = &server.server;
    let registration = inside.registration(inside.find(name).unwrap());
    *registration.unwrap().peer().address()
}

/// The addresses of the sessions that were closed since the last call.
fn closed(server: &mut Secured) -> Vec<u32> {
    let mut all = Vec::new();
    while let Some(news) = server.next_news() {
        if let SessionNews::Ended { peer, why } = news {
            assert_eq!(why, End::Left);
            all.push(*peer.address());
        }
    }
    all
}

#[test]
fn what_was_held_back_of_a_session_that_a_client_has_left_counts_no_more() {
    let of_update = |location: &str| update(location);
    let of_register = |_: &str| register("device");
    let late: [&dyn Fn(&str) -> MessageBuf; 2] = [&of_update, &of_register];
    for late in late {
        for comes_anew in [false, true] {
            let mut server = server();
            let mut old = Device::connected(&mut server, 1);
            let location = old.register(&mut server, "device");
            let late = old.held_back(late(&location));
            let mut new = Device::connected(&mut server, 2);
            assert_eq!(reached(&server, "device"), 1);
            if comes_anew {
                new.register(&mut server, "device");
            } else {
                new.update(&mut server, &location);
            }
            assert_eq!(closed(&mut server), [1]);
            let told = lwm2m_kit::events(&mut server);
            assert!(matches!(
                told.last(),
                Some(ServerEvent::PeerLeft {
                    peer: SecurePeer::Session { address: 1, .. },
                    ..
                })
            ));
            let useless = SecureDatagramError::Dtls(Useless::NoSession);
            assert_eq!(deliver(&mut server, 1, &late), Err(useless));
            assert_eq!(reached(&server, "device"), 2);
            assert!(lwm2m_kit::events(&mut server).is_empty());
        }
    }
}

#[test]
fn a_client_learns_that_its_old_session_was_closed() {
    let mut server = server();
    let mut old = Device::connected(&mut server, 1);
    let location = old.register(&mut server, "device");
    let mut new = Device::connected(&mut server, 2);
    new.send(update(&location));
    for record in new.records() {
        deliver(&mut server, 2, &record).unwrap();
    }
    assert!(!old.closed);
    old.turn(&mut server);
    assert!(old.closed && old.received.is_empty());
}

/// As in a gateway.
#[test]
fn a_session_is_closed_when_the_last_of_its_clients_has_left_it() {
    let mut server = server();
    let mut old = Device::connected(&mut server, 1);
    let first = old.register(&mut server, "device");
    let second = old.register(&mut server, "second");
    let mut new = Device::connected(&mut server, 2);
    new.update(&mut server, &first);
    assert_eq!(closed(&mut server), [0_u32; 0]);
    assert_eq!(
        (reached(&server, "device"), reached(&server, "second")),
        (2, 1)
    );
    old.update(&mut server, &second);
    new.update(&mut server, &second);
    assert_eq!(closed(&mut server), [1]);
    assert_eq!(
        (reached(&server, "device"), reached(&server, "second")),
        (2, 2)
    );
}

/// An Update was held back of a session in which the server never heard of the client.
#[test]
fn a_client_that_was_led_back_is_found_by_its_next_notification() {
    let mut server = server();
    let mut first = Device::connected(&mut server, 1);
    let location = first.register(&mut server, "device");
    let observed = Observed::by(&mut server, &mut first);

    let mut second = Device::connected(&mut server, 2);
    let late = second.held_back(update(&location));
    let mut third = Device::connected(&mut server, 3);
    third.update(&mut server, &location);
    assert_eq!(closed(&mut server), [1]);
    deliver(&mut server, 2, &late).unwrap();
    assert_eq!(closed(&mut server), [2]);
    assert!(!is_reachable(&server, "device"));

    observed.notify(&mut server, &mut third);
    assert_eq!(reached(&server, "device"), 3);
}

/// As in a gateway: neither session can be closed if others are reached in both.
#[test]
fn a_client_that_was_led_back_closes_no_session_in_which_another_is_reached() {
    for third_comes in [false, true] {
        let mut server = server();
        let mut old = Device::connected(&mut server, 1);
        let first = old.register(&mut server, "device");
        let second = old.register(&mut server, "second");
        let observed = Observed::by(&mut server, &mut old);
        let late = old.held_back(update(&first));
        let mut new = Device::connected(&mut server, 2);
        new.update(&mut server, &first);
        if third_comes {
            new.register(&mut server, "third");
        }
        deliver(&mut server, 1, &late).unwrap();
        assert_eq!(closed(&mut server), [0_u32; 0]);
        assert_eq!(reached(&server, "second"), 1);
        // Nothing is sent to where it was led back to.
        assert!(!is_reachable(&server, "device"));

        observed.notify(&mut server, &mut new);
        assert_eq!(reached(&server, "device"), 2);
        if third_comes {
            assert_eq!(reached(&server, "third"), 2);
        }
        old.turn(&mut server);
        old.received.clear();
        old.update(&mut server, &second);
        new.update(&mut server, &second);
        assert_eq!(closed(&mut server), [1]);
    }
}

#[test]
fn a_client_that_was_led_back_is_found_by_its_next_update() {
    let mut server = server();
    let mut old = Device::connected(&mut server, 1);
    let first = old.register(&mut server, "device");
    old.register(&mut server, "second");
    let late = old.held_back(update(&first));
    let mut new = Device::connected(&mut server, 2);
    new.update(&mut server, &first);
    deliver(&mut server, 1, &late).unwrap();
    assert!(!is_reachable(&server, "device"));
    new.update(&mut server, &first);
    assert_eq!(closed(&mut server), [0_u32; 0]);
    assert_eq!(reached(&server, "device"), 2);
}

#[test]
fn the_newer_session_stays_open() {
    let mut server = server();
    let mut old = Device::connected(&mut server, 1);
    let first = old.register(&mut server, "device");
    let second = old.register(&mut server, "second");
    let late = old.held_back(update(&first));
    let mut new = Device::connected(&mut server, 2);
    new.update(&mut server, &first);
    assert_eq!(closed(&mut server), [0_u32; 0]);
    let answer = new.request(&mut server, deregister(&second));
    assert_eq!(answer.0, Code::DELETED);
    deliver(&mut server, 1, &late).unwrap();
    assert_eq!(closed(&mut server), [1]);
    new.update(&mut server, &first);
    assert_eq!(reached(&server, "device"), 2);
}
