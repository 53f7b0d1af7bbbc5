use std::time::Duration;

use lwm2m_core::{Code, InstanceId, Instant, Method, ShortServerId};
use lwm2m_kit::{account, events, sent};
use lwm2m_objects::{
    ObjectTree, Store,
    typed::{Device, Security, Server},
};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Session,
    client::{ClientSnapshot, RegistrationState},
    coap::{MessageBuf, MessageType},
};

/// No server may ever see it.
const KEY: [u8; 16] = *b"never to be told";

const MOST: usize = 8;

/// What a device has saved, in JSON. Whatever it is, the Client holds no more than it may, tells no key, and is
/// registered in the end; and what it saves again can be read.
pub fn snapshot(data: &[u8]) {
    let Ok(state) = serde_json::from_slice::<ClientSnapshot>(data) else {
        return;
    };
    for (elapsed, session) in [
        (Some(Duration::from_secs(1)), Session::Resumed),
        (Some(Duration::from_secs(1)), Session::New),
        (None, Session::Resumed),
    ] {
        let mut boot = Boot::new(&state, elapsed);
        boot.check();
        boot.live(session);
        let again = boot.client.snapshot(boot.now);
        let text = serde_json::to_string(&again).expect("JSON has all of it");
        let read: ClientSnapshot = serde_json::from_str(&text).expect("it was written so");
        assert_eq!(read, again);
    }
}

fn tree() -> ObjectTree {
    let id = ShortServerId::new(101).expect("a Short Server ID");
    let server = Server {
        default_minimum_period: Some(0),
        default_maximum_period: Some(60),
        disable: true,
        disable_timeout: Some(60),
        ..Server::new(id, 10_000)
    };
    let security = Security::pre_shared_key("coaps://server", id, "me", KEY);
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, security)]));
    tree.add(Store::of([(InstanceId::ZERO, server)]));
    tree.add(Store::of([(InstanceId::ZERO, Device::example())]));
    tree
}

fn config() -> ClientConfig {
    let mut config = ClientConfig::new("device", [1; 32]);
    config.most_observations = MOST;
    config.most_attributes = MOST;
    config.storing.most = MOST;
    config
}

/// A device that has restarted, and its server.
struct Boot {
    client: Client,
    now: Instant,
    link: Option<ConnectionId>,
}

impl Boot {
    fn new(state: &ClientSnapshot, elapsed: Option<Duration>) -> Self {
        let now = Instant::from_secs(5);
        let client = Client::restore(config(), tree(), state, now, elapsed);
        Self {
            client: client.expect("no snapshot is an error"),
            now,
            link: None,
        }
    }

    fn check(&self) {
        let usage = self.client.usage();
        assert_eq!(usage.accounts, 1);
        assert!(usage.observations <= MOST, "{usage:?}");
        assert!(usage.attributes <= MOST, "{usage:?}");
        assert!(usage.stored_notifications <= MOST, "{usage:?}");
    }

    /// It starts and registers, and goes on for some minutes.
    fn live(&mut self, session: Session) {
        self.client.start(self.now);
        for _ in 0..10 {
            self.serve(session);
            if self.client.is_registered(account(0)) && self.link.is_some() {
                break;
            }
            let status = self.client.account(account(0)).expect("the account");
            if status.state == RegistrationState::Disabled {
                // The longest Disable Timeout.
                self.pass(u32::MAX.into());
            }
            // As long as a server could have asked to be left alone, in all.
            self.pass(10_000);
        }
        assert!(self.client.is_registered(account(0)));
        for level in 0..10 {
            let battery = "/3/0/9".parse().expect("a path");
            self.client
                .set(self.now, battery, level)
                .expect("the tree has it");
            self.pass(30);
            self.serve(session);
        }
        assert!(self.client.is_registered(account(0)));
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.client.handle_timeout(self.now);
        let next = self.client.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "a past deadline");
    }

    /// Makes the connection, and answers all that is sent.
    fn serve(&mut self, session: Session) {
        for _ in 0..20 {
            for event in events(&mut self.client) {
                match event {
                    ClientEvent::Connect { connection, .. } => {
                        self.link = Some(connection);
                        self.client.connected(self.now, connection, session);
                    }
                    ClientEvent::Disconnect { .. } => self.link = None,
                    _ => {}
                }
            }
            let all = sent(&mut self.client);
            if all.is_empty() {
                return;
            }
            for sent in all {
                let has_key = sent.bytes.windows(KEY.len()).any(|bytes| bytes == KEY);
                assert!(!has_key, "a key is told");
                self.answer(&sent);
            }
            self.client.handle_timeout(self.now);
            self.check();
        }
    }

    fn answer(&mut self, sent: &lwm2m_kit::Sent<ConnectionId>) {
        let message = sent.message();
        if message.kind() != MessageType::Confirmable {
            return;
        }
        let (id, token) = (message.message_id(), message.token());
        let bytes: Vec<u8> = if message.code().method().is_none() {
            let id = id.to_be_bytes();
            vec![0x60, 0, id[0], id[1]]
        } else {
            let is_delete = message.code().method() == Some(Method::Delete);
            let code = if is_delete {
                Code::DELETED
            } else {
                Code::CHANGED
            };
            let mut answer = MessageBuf::response(code);
            if sent.path() == "/rd" {
                answer = MessageBuf::response(Code::CREATED);
                answer.location_path("rd").expect("a segment");
                answer.location_path("1").expect("a segment");
            }
            let kind = MessageType::Acknowledgement;
            answer.finish(kind, id, token).into()
        };
        let datagram = Datagram::new(sent.to, &bytes);
        // The error only informs.
        let _ = self.client.handle_datagram(self.now, datagram);
    }
}

#[cfg(test)]
mod tests {
    use lwm2m_kit::request;
    use lwm2m_statemachine::coap::Token;

    use super::*;

    fn registered() -> Boot {
        let mut client = Client::new(config(), tree()).unwrap();
        let now = Instant::from_secs(1000);
        client.start(now);
        let mut boot = Boot {
            client,
            now,
            link: None,
        };
        boot.serve(Session::New);
        boot
    }

    fn observe(path: &str) -> MessageBuf {
        let mut observe = MessageBuf::request(Method::Get);
        observe.observe(0).unwrap();
        for segment in path.split('/').skip(1) {
            observe.uri_path(segment).unwrap();
        }
        observe
    }

    impl Boot {
        /// The server sends a request, whose number is told apart.
        fn ask(&mut self, number: u8, request: MessageBuf) {
            let token = Token::new(&[number]).unwrap();
            let wire = request.finish(MessageType::Confirmable, number.into(), token);
            let datagram = Datagram::new(self.link.unwrap(), wire.as_ref());
            self.client.handle_datagram(self.now, datagram).unwrap();
            self.serve(Session::New);
        }

        fn measure(&mut self, levels: [i64; 2]) {
            for level in levels {
                let battery = "/3/0/9".parse().unwrap();
                self.client.set(self.now, battery, level).unwrap();
                self.pass(5);
            }
        }
    }

    /// A Client that is observed, with attributes, and with something stored.
    fn offline() -> ClientSnapshot {
        let mut boot = registered();
        let mut attributes = request(Method::Put, "/3/0/9");
        attributes.uri_query("gt=50").unwrap();
        attributes.uri_query("st=2").unwrap();
        let requests = [
            attributes,
            observe("/3/0/9"),
            observe("/3"),
            observe("/3/0"),
        ];
        for (number, request) in (1..).zip(requests) {
            boot.ask(number, request);
        }
        boot.client.go_offline(boot.now);
        boot.measure([10, 60]);
        boot.client.snapshot(boot.now)
    }

    /// A Client that keeps something for a server since that was disabled, and stores something while it is disabled once
    /// more.
    fn disabled() -> ClientSnapshot {
        let mut boot = registered();
        for (number, path) in [(1, "/3/0/9"), (3, "/3/0")] {
            boot.ask(number, observe(path));
            boot.ask(number + 1, request(Method::Post, "/1/0/4"));
            boot.measure([10, 60]);
            if number == 1 {
                boot.pass(60);
                boot.serve(Session::New);
            }
        }
        boot.client.snapshot(boot.now)
    }

    /// The content of a seed. Print it anew with `cargo test -- --nocapture` if the content has another version.
    fn assert_is(seed: &[u8], state: &ClientSnapshot) {
        let text = serde_json::to_string(state).unwrap();
        println!("{text}");
        let seed = serde_json::from_slice::<ClientSnapshot>(seed);
        assert_eq!(seed.unwrap(), *state);
    }

    #[test]
    fn a_seed_is_what_a_client_saves_that_is_offline() {
        let state = offline();
        assert_is(
            include_bytes!("../seeds/snapshot/all_that_there_is"),
            &state,
        );
        let boot = Boot::new(&state, Some(Duration::from_secs(1)));
        let usage = boot.client.usage();
        assert_eq!((usage.observations, usage.attributes), (3, 1));
        assert!(usage.stored_notifications >= 4, "{usage:?}");
    }

    #[test]
    fn a_seed_is_what_a_client_saves_whose_server_is_disabled() {
        let state = disabled();
        assert_is(include_bytes!("../seeds/snapshot/disabled"), &state);
        let mut boot = Boot::new(&state, Some(Duration::from_secs(1)));
        let usage = boot.client.usage();
        assert_eq!(usage.observations, 0);
        assert!(usage.stored_notifications >= 4, "{usage:?}");
        boot.client.start(boot.now);
        let status = boot.client.account(account(0)).unwrap();
        assert_eq!(status.state, RegistrationState::Disabled);
    }
}
