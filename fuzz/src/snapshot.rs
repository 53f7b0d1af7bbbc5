use std::time::Duration;

use lwm2m_core::{Code, InstanceId, Instant, ShortServerId};
use lwm2m_kit::{account, events, sent};
use lwm2m_objects::{
    ObjectTree, Store,
    typed::{Device, Security, Server},
};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, ConnectionId, Datagram, Session,
    client::ClientSnapshot,
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
            let mut answer = MessageBuf::response(Code::CHANGED);
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
    use lwm2m_core::Method;
    use lwm2m_kit::request;
    use lwm2m_statemachine::coap::Token;

    use super::*;

    /// A Client that is observed, with attributes, and with something stored.
    fn saved() -> ClientSnapshot {
        let mut client = Client::new(config(), tree()).unwrap();
        let now = Instant::from_secs(1000);
        client.start(now);
        let mut boot = Boot {
            client,
            now,
            link: None,
        };
        boot.serve(Session::New);
        let mut attributes = request(Method::Put, "/3/0/9");
        attributes.uri_query("gt=50").unwrap();
        attributes.uri_query("st=2").unwrap();
        let observe = |path: &str| {
            let mut observe = MessageBuf::request(Method::Get);
            observe.observe(0).unwrap();
            for segment in path.split('/').skip(1) {
                observe.uri_path(segment).unwrap();
            }
            observe
        };
        let requests = [
            attributes,
            observe("/3/0/9"),
            observe("/3"),
            observe("/3/0"),
        ];
        for (id, request) in (1..).zip(requests) {
            let token = Token::new(&[id]).unwrap();
            let wire = request.finish(MessageType::Confirmable, id.into(), token);
            let datagram = Datagram::new(boot.link.unwrap(), wire.as_ref());
            boot.client.handle_datagram(boot.now, datagram).unwrap();
            boot.serve(Session::New);
        }
        boot.client.go_offline(boot.now);
        for level in [10, 60] {
            let battery = "/3/0/9".parse().unwrap();
            boot.client.set(boot.now, battery, level).unwrap();
            boot.pass(5);
        }
        boot.client.snapshot(boot.now)
    }

    /// Print it anew with `cargo test -- --nocapture` if the content has another version.
    #[test]
    fn the_seed_is_what_a_client_saves() {
        let state = saved();
        let text = serde_json::to_string(&state).unwrap();
        println!("{text}");
        let seed = include_bytes!("../seeds/snapshot/all_that_there_is");
        assert_eq!(
            serde_json::from_slice::<ClientSnapshot>(seed).unwrap(),
            state
        );
        let boot = Boot::new(&state, Some(Duration::from_secs(1)));
        let usage = boot.client.usage();
        assert_eq!((usage.observations, usage.attributes), (3, 1));
        assert!(usage.stored_notifications >= 4, "{usage:?}");
    }
}
