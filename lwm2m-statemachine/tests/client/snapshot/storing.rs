//! What is stored while a server can't be reached (TS E.2, Resource 6).

use lwm2m_core::{Code, ContentFormat, Value};
use lwm2m_kit::{account, get, path};
use lwm2m_objects::{ObjectTree, Store, typed::Server};
use lwm2m_statemachine::{
    Client, ClientEvent,
    coap::{BlockOption, MessageBuf, MessageType},
};
use serde_json::json;

use super::{BOOT, config, edited, reporting::objects, saved, seconds};
use crate::{hosts::Hosts, observe::observe, support::Sent};

impl Hosts {
    /// The levels that are stored, one after another.
    fn store(&mut self, levels: &[i64]) {
        for level in levels {
            self.pass(seconds(1));
            self.set_level(*level);
        }
        assert!(self.is_silent());
    }

    fn acknowledge(&mut self, sent: &Sent) {
        assert_eq!(sent.kind(), MessageType::Confirmable);
        let id = sent.message().message_id().to_be_bytes();
        self.datagram(sent.to, &[0x60, 0, id[0], id[1]]);
        self.client.handle_timeout(self.now);
    }

    /// What was stored, acknowledged one by one, each with the last byte of its payload.
    fn stored(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut newest = 0;
        while let Some((_, sent)) = self.sent().pop() {
            let number = sent.message().observe().unwrap();
            assert!(number > newest);
            newest = number;
            all.push(*sent.payload().last().unwrap());
            self.acknowledge(&sent);
        }
        all
    }

    fn waiting(&self) -> (usize, u64) {
        let stored = self.client.reporting().stored(account(0));
        (stored.waiting, stored.dropped)
    }
}

fn offline() -> Hosts {
    let mut hosts = Hosts::with_sensors();
    hosts.observe(b"a", "/26241/0/1");
    hosts.client.go_offline(hosts.now);
    hosts.events();
    hosts
}

/// TS 8.3.
#[test]
fn what_is_stored_is_sent_after_the_update_in_order_and_confirmable() {
    let mut hosts = offline();
    hosts.store(&[1, 2, 3]);
    assert_eq!(hosts.waiting(), (3, 0));
    hosts.restart(objects(), Some(seconds(10)));
    assert_eq!(hosts.waiting(), (3, 0));
    hosts.resumes();
    assert_eq!(hosts.stored(), [1, 2, 3]);
    hosts.set_level(4);
    assert_eq!(hosts.notified(b"a").0, 4);
}

/// What was under way has perhaps not arrived.
#[test]
fn what_was_not_acknowledged_before_the_restart_is_sent_again() {
    let mut hosts = offline();
    hosts.store(&[1, 2, 3]);
    hosts.client.go_online(hosts.now);
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::CHANGED);
    let (_, first) = hosts.only();
    hosts.acknowledge(&first);
    assert_eq!(*hosts.only().1.payload().last().unwrap(), 2);
    hosts.restart(objects(), Some(seconds(10)));
    hosts.resumes();
    assert_eq!(hosts.stored(), [2, 3]);
}

#[test]
fn no_more_is_stored_than_there_may_be() {
    let mut hosts = offline();
    hosts.store(&[1, 2, 3, 4]);
    let (_, state) = saved(&hosts.client, hosts.now);
    let boot = |most, most_bytes| {
        let mut config = config();
        config.storing.most = most;
        config.storing.most_bytes = most_bytes;
        let client = Client::restore(config, objects(), &state, BOOT, Some(seconds(10)));
        let stored = client.unwrap().reporting().stored(account(0));
        (stored.waiting, stored.dropped)
    };
    assert_eq!(boot(64, 1000), (4, 0));
    assert_eq!(boot(3, 1000), (3, 1));
    assert_eq!(boot(64, 0), (0, 4));
}

#[test]
fn how_many_had_to_go_is_still_told() {
    let bounded = || {
        let mut config = config();
        config.storing.most = 2;
        config
    };
    let mut hosts = Hosts::with(bounded(), objects());
    hosts.client.start(hosts.now);
    hosts.connect_all(lwm2m_statemachine::Session::New);
    hosts.accept_all();
    hosts.observe(b"a", "/26241/0/1");
    hosts.client.go_offline(hosts.now);
    hosts.store(&[1, 2, 3, 4, 5]);
    assert_eq!(hosts.waiting(), (2, 3));
    hosts.restart(objects(), Some(seconds(10)));
    assert_eq!(hosts.waiting(), (2, 3));
    hosts.resumes();
    assert_eq!(hosts.stored(), [4, 5]);
    let dropped = ClientEvent::NotificationsDropped {
        account: account(0),
        dropped: 3,
    };
    assert!(hosts.events().contains(&dropped));
}

#[test]
fn a_server_that_wants_nothing_stored_hears_the_value_of_the_return() {
    let forgetful = || -> ObjectTree {
        let mut tree = objects();
        let server = Server {
            notification_storing: false,
            default_minimum_period: Some(0),
            ..Server::new(crate::support::server_id(101), 1_000_000)
        };
        tree.add(Store::of([(lwm2m_kit::instance(10), server)]));
        tree
    };
    let mut hosts = Hosts::new(forgetful());
    hosts.client.start(hosts.now);
    hosts.connect_all(lwm2m_statemachine::Session::New);
    hosts.accept_all();
    hosts.observe(b"a", "/26241/0/1");
    hosts.client.go_offline(hosts.now);
    hosts.store(&[1, 2]);
    hosts.restart(forgetful(), Some(seconds(10)));
    assert_eq!(hosts.waiting().0, 0);
    hosts.resumes();
    assert_eq!(hosts.notified(b"a").0, 2);
}

/// The age of what is stored goes on (TS 6.4.4).
#[test]
fn what_is_stored_has_its_age_in_a_batch() {
    let batching = || {
        let mut config = config();
        config.storing.batches_json = true;
        config
    };
    let mut hosts = Hosts::with_sensors();
    let mut request = observe(0, "/26241/0/1");
    request.accept(ContentFormat::JSON).unwrap();
    hosts.ask(b"j", request);
    hosts.client.go_offline(hosts.now);
    hosts.store(&[1, 2]);
    let (values, state) = saved(&hosts.client, hosts.now);
    let mut tree = objects();
    tree.restore(&values).unwrap();
    hosts.now = BOOT;
    hosts.links.clear();
    let elapsed = Some(seconds(3600));
    hosts.client = Client::restore(batching(), tree, &state, BOOT, elapsed).unwrap();
    hosts.client.start(BOOT);
    hosts.resumes();
    let (_, batch) = hosts.only();
    let text = core::str::from_utf8(batch.payload()).unwrap();
    // They were stored a second apart, an hour ago.
    assert!(text.contains("-3600") && text.contains("-3601"), "{text}");
}

#[test]
fn what_is_damaged_is_not_sent() {
    let mut hosts = offline();
    hosts.store(&[1, 2, 3]);
    let (_, state) = saved(&hosts.client, hosts.now);
    let waiting = |pointer: &str, value| {
        let pointer = format!("/reporting/queues/0/{pointer}");
        let state = edited(&state, &[(&pointer, value)]);
        let client = Client::restore(config(), objects(), &state, BOOT, Some(seconds(10)));
        client.unwrap().reporting().stored(account(0)).waiting
    };
    let second = "notifications/1";
    assert_eq!(waiting("dropped", json!(u64::MAX)), 3);
    assert_eq!(waiting("account", json!(1)), 0);
    assert_eq!(waiting(&format!("{second}/observation"), json!(1)), 2);
    assert_eq!(
        waiting(&format!("{second}/observation"), json!(u32::MAX)),
        2
    );
    assert_eq!(waiting(&format!("{second}/payload"), json!([0xC8])), 2);
    assert_eq!(waiting(&format!("{second}/told/shown"), json!([0, 1])), 2);
}

/// A value that takes several blocks.
fn large(byte: u8) -> String {
    char::from(byte).to_string().repeat(2000)
}

/// RFC 7959 §2.6: the server asks for the other blocks by the resource.
#[test]
fn blocks_of_what_is_stored_are_served_after_a_restart() {
    for accept in [false, true] {
        let mut hosts = Hosts::with_sensors();
        let name = path("/26241/0/3");
        let request = |number: Option<u32>| {
            let mut request = match number {
                None => observe(0, "/26241/0/3"),
                Some(_) => get("/26241/0/3"),
            };
            if accept {
                request.accept(ContentFormat::TLV).unwrap();
            }
            let block = number.and_then(|number| BlockOption::new(number, false, 1024));
            if let Some(block) = block {
                request.block2(block).unwrap();
            }
            request
        };
        hosts.ask(b"l", request(None));
        hosts.client.go_offline(hosts.now);
        for byte in *b"xy" {
            let value = Value::String(large(byte));
            hosts.client.set(hosts.now, name, value).unwrap();
            hosts.pass(seconds(1));
        }
        assert_eq!(hosts.waiting().0, 2);
        hosts.restart(objects(), Some(seconds(10)));
        hosts.resumes();
        let (_, first) = hosts.only();
        let block = first.message().block2().unwrap();
        assert_eq!((block.number(), block.more()), (0, true));
        assert_eq!(first.payload().last(), Some(&b'x'));
        hosts.acknowledge(&first);
        let rest: MessageBuf = request(Some(1));
        let second = hosts.ask(b"m", rest);
        assert_eq!(second.payload().last(), Some(&b'x'), "{accept}");
    }
}
