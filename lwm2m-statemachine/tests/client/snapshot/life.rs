//! Power cuts at any moment of a life: the server sees a registration that goes on, and observations whose values go
//! forward, unless what was saved is older than what was sent.

use alloc::collections::BTreeMap;
use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, Instant, Path};
use lwm2m_kit::path;
use lwm2m_objects::{ObjectTree, typed::Server};
use lwm2m_statemachine::{
    Session,
    coap::{MessageBuf, MessageType, Token},
};
use proptest::prelude::*;

use super::{BOOT, Saved, config, reporting::is_newer, saved, seconds};
use crate::{
    attributes::write_attributes,
    hosts::{Hosts, secured, tree},
    observe::observe,
    reporting::sensors,
    support::Sent,
};

const LIFETIME: u64 = 3_000;
const OBSERVED: [&str; 2] = ["/26241/0/1", "/26241/1/1"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Set(usize),
    Pass(u64),
    Observe(usize),
    Cancel(usize),
    Attributes(usize, &'static str),
    Offline,
    Online,
    /// The power is off for so many seconds. What was saved so many steps before is restored.
    Cut(u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let which = || 0..OBSERVED.len();
    let queries = [
        "pmin=0",
        "pmin=20",
        "pmin=5&pmax=60",
        "pmax=600",
        "pmax&pmin",
    ];
    prop_oneof![
        4 => which().prop_map(Step::Set),
        3 => (0..200_u64).prop_map(Step::Pass),
        1 => (0..4_000_u64).prop_map(Step::Pass),
        2 => which().prop_map(Step::Observe),
        1 => which().prop_map(Step::Cancel),
        1 => (which(), prop::sample::select(queries.to_vec()))
            .prop_map(|(which, queries)| Step::Attributes(which, queries)),
        1 => Just(Step::Offline),
        2 => Just(Step::Online),
        3 => (0..300_u64).prop_map(|off| Step::Cut(off, 0)),
        1 => (0..4_000_u64, 0..6_usize).prop_map(|(off, back)| Step::Cut(off, back)),
    ]
}

fn objects() -> ObjectTree {
    let (security, server) = secured("one", 101, LIFETIME.try_into().unwrap());
    let server = Server {
        default_minimum_period: Some(0),
        ..server
    };
    let mut tree = tree([(security, server)]);
    tree.add(sensors());
    tree
}

/// What the server knows of an observation.
struct Known {
    which: usize,
    number: u32,
    at: Duration,
    value: i64,
}

/// What was saved, and what was true then.
struct Moment {
    saved: Saved,
    at: Duration,
    registrations: usize,
    counted: Duration,
    tokens: Vec<u8>,
}

struct Life {
    hosts: Hosts,
    /// How late it was in the world when the clock of the device began.
    began: Duration,
    next: i64,
    values: [i64; 2],
    observations: BTreeMap<u8, Known>,
    /// How many registrations there were, and until when the server keeps the last one.
    registrations: usize,
    until: Duration,
    /// Until when the Client counts on it. After a snapshot from before an Update, that is earlier.
    counted: Duration,
    /// Whether the Client knows the last one.
    is_known: bool,
    is_offline: bool,
    /// Whether something may be sent again that was stored.
    repeats: bool,
    /// What was saved after each step.
    saved: Vec<Moment>,
}

impl Life {
    fn new() -> Self {
        let mut hosts = Hosts::with(config(), objects());
        hosts.now = Instant::ZERO;
        hosts.client.start(hosts.now);
        let mut life = Self {
            hosts,
            began: Duration::ZERO,
            next: 1000,
            values: [20; 2],
            observations: BTreeMap::new(),
            registrations: 0,
            until: Duration::ZERO,
            counted: Duration::ZERO,
            is_known: false,
            is_offline: false,
            repeats: false,
            saved: Vec::new(),
        };
        life.serve();
        life.save();
        life
    }

    fn time(&self) -> Duration {
        self.began + self.hosts.now.saturating_duration_since(Instant::ZERO)
    }

    fn save(&mut self) {
        self.saved.push(Moment {
            saved: saved(&self.hosts.client, self.hosts.now),
            at: self.time(),
            registrations: self.registrations,
            counted: self.counted,
            tokens: self.observations.keys().copied().collect(),
        });
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Set(which) => self.set(which),
            Step::Pass(seconds) => self.pass(seconds),
            Step::Attributes(which, queries) => {
                self.ask(b"w", write_attributes(OBSERVED[which], queries));
            }
            Step::Observe(which) => self.observe(which),
            Step::Cancel(which) => {
                let mut of = self
                    .observations
                    .iter()
                    .filter(|(_, known)| known.which == which);
                if let Some(token) = of.next().map(|(token, _)| *token)
                    && self.ask(&[token], observe(1, OBSERVED[which])).is_some()
                {
                    self.observations.remove(&token);
                }
            }
            Step::Offline => {
                self.hosts.client.go_offline(self.hosts.now);
                self.is_offline = true;
            }
            Step::Online => {
                self.hosts.client.go_online(self.hosts.now);
                self.is_offline = false;
            }
            Step::Cut(off, back) => self.cut(seconds(off), back),
        }
        self.serve();
        self.save();
    }

    /// A value that there was never before.
    fn set(&mut self, which: usize) {
        self.next += 1;
        self.values[which] = self.next;
        let (now, at) = (self.hosts.now, path(OBSERVED[which]));
        self.hosts.client.set(now, at, self.next).unwrap();
        self.hosts.client.handle_timeout(now);
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.hosts.pass(Duration::from_secs(1));
            self.serve();
        }
    }

    fn observe(&mut self, which: usize) {
        let Some(token) = (0..40).find(|token| !self.observations.contains_key(token)) else {
            return;
        };
        let mut request = observe(0, OBSERVED[which]);
        request.accept(ContentFormat::TEXT).unwrap();
        if let Some(answer) = self.ask(&[token], request) {
            assert_eq!(answer.code(), Code::CONTENT);
            let known = Known {
                which,
                number: answer.message().observe().unwrap(),
                at: self.time(),
                value: value(&answer),
            };
            self.observations.insert(token, known);
        }
    }

    /// The answer to a request, if the server can reach the Client.
    fn ask(&mut self, token: &[u8], request: MessageBuf) -> Option<Sent> {
        let is_registered = self.is_known && self.time() < self.counted;
        if self.is_offline || !is_registered || self.hosts.linked().is_empty() {
            return None;
        }
        Some(self.hosts.ask(token, request))
    }

    /// The device restarts. What is newer than its snapshot has the values of now; the server has heard of all of it
    /// only if there is nothing newer.
    fn cut(&mut self, off: Duration, back: usize) {
        let place = self.saved.len().saturating_sub(back + 1);
        self.saved.truncate(place + 1);
        let moment = self.saved.pop().unwrap();
        let (values, state) = moment.saved;
        let elapsed = (self.time() + off).saturating_sub(moment.at);
        let mut tree = objects();
        tree.restore(&values).unwrap();
        if back > 0 {
            self.repeats = true;
            for (which, at) in OBSERVED.into_iter().enumerate() {
                self.next += 1;
                self.values[which] = self.next;
                tree.set(path(at), self.next).unwrap();
            }
            self.observations
                .retain(|token, _| moment.tokens.contains(token));
        }
        self.is_known = moment.registrations == self.registrations;
        self.counted = moment.counted;
        self.began =
            (self.time() + off).saturating_sub(BOOT.saturating_duration_since(Instant::ZERO));
        self.hosts.boot(tree, &state, Some(elapsed));
        self.is_offline = false;
    }

    /// All connections are resumed, and all that is sent is answered.
    fn serve(&mut self) {
        for _ in 0..100 {
            for account in self.hosts.linked() {
                // It may be up already.
                self.hosts.connect(account, Session::Resumed);
            }
            let all = self.hosts.sent();
            if all.is_empty() {
                break;
            }
            for (_, sent) in all {
                self.answer(&sent);
            }
            self.hosts.client.handle_timeout(self.hosts.now);
        }
        self.hosts.events();
    }

    fn answer(&mut self, sent: &Sent) {
        let now = self.time();
        if sent.code().method().is_none() {
            return self.notified(sent);
        }
        if sent.path() == "/rd" {
            let is_over = self.counted <= now || !self.is_known;
            assert!(is_over, "a Register at {now:?}, before {:?}", self.counted);
            self.registrations += 1;
            self.is_known = true;
            self.observations.clear();
            let mut answer = MessageBuf::response(Code::CREATED);
            answer.location_path("rd").unwrap();
            answer
                .location_path(&self.registrations.to_string())
                .unwrap();
            (self.until, self.counted) = (now + seconds(LIFETIME), now + seconds(LIFETIME));
            return self.hosts.answer(sent, answer);
        }
        let is_its = sent.path() == format!("/rd/{}", self.registrations);
        if is_its && now < self.until {
            (self.until, self.counted) = (now + seconds(LIFETIME), now + seconds(LIFETIME));
            self.hosts.answer_code(sent, Code::CHANGED);
        } else {
            self.is_known = false;
            self.hosts.answer_code(sent, Code::NOT_FOUND);
        }
    }

    fn notified(&mut self, sent: &Sent) {
        let now = self.time();
        let message = sent.message();
        let id = message.message_id().to_be_bytes();
        let known = self.observations.get_mut(&message.token().as_bytes()[0]);
        let kind = match known {
            // A Reset: it was cancelled.
            None => 0x70,
            Some(known) => {
                let number = message.observe().expect("a notification");
                let is_new = is_newer(number, known.number) || now > known.at + seconds(128);
                assert!(is_new, "{number} after {}", known.number);
                let goes_forward = value(sent) >= known.value;
                assert!(goes_forward || self.repeats, "a value goes back");
                (known.number, known.at, known.value) = (number, now, value(sent));
                0x60
            }
        };
        if kind == 0x70 || message.kind() == MessageType::Confirmable {
            self.hosts.datagram(sent.to, &[kind, 0, id[0], id[1]]);
        }
    }

    /// In the end the server knows the value of now of everything that it observes.
    fn finish(&mut self) {
        self.step(Step::Online);
        self.pass(30);
        assert!(self.is_known);
        let begun: Vec<(Path, Token)> = self
            .hosts
            .client
            .reporting()
            .observations()
            .map(|observation| (observation.path, observation.token))
            .collect();
        for (token, known) in &self.observations {
            let at = path(OBSERVED[known.which]);
            assert!(begun.contains(&(at, Token::new(&[*token]).unwrap())));
            assert_eq!(known.value, self.values[known.which], "{at}");
        }
    }
}

fn value(sent: &Sent) -> i64 {
    let text = core::str::from_utf8(sent.payload()).unwrap();
    text.parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_life_with_power_cuts_is_one_life(steps in prop::collection::vec(step(), 1..40)) {
        let mut life = Life::new();
        for step in steps {
            life.step(step);
        }
        life.finish();
    }
}
