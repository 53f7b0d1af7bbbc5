//! A device that does what no Client does: it wakes with a notification and no Update, acknowledges and never answers,
//! and is silent now and then. It is a CoAP endpoint, and a radio that is on now and then.

use core::time::Duration;
use std::collections::BTreeMap;

use lwm2m_core::{Code, CodeKind, Instant, Method};
use lwm2m_simulation::{Address, Node, Random};
use lwm2m_statemachine::{
    Datagram,
    coap::{
        Config, Endpoint, Event, Incoming, MessageBuf, MessageRef, NotifyOptions, RequestOptions,
        Responder, Token,
    },
};

use super::{modem::WAKE, setup::Setup, world::Fault};

/// How long a device listens after its last message: MAX_TRANSMIT_WAIT.
const LISTENS: Duration = Duration::from_secs(93);

pub(super) struct Scripted {
    name: String,
    server: Address,
    endpoint: Endpoint<Address>,
    random: Random,
    fault: Fault,
    /// As it says with its next Update or Register.
    binding: &'static str,
    /// That of Queue Mode.
    queues: &'static str,
    location: Option<Vec<String>>,
    /// When it falls asleep, or wakes.
    until: Instant,
    is_asleep: bool,
    /// Whether its own request wasn't answered yet.
    is_asking: bool,
    /// What it answers later.
    later: Vec<(Instant, Responder, MessageBuf)>,
    observed: Option<(Token, u32)>,
    /// What it has done that must not be done twice.
    done: BTreeMap<(String, Vec<u8>), u32>,
    /// How many datagrams came while it was asleep.
    pub(super) missed: u32,
}

impl Scripted {
    pub(super) fn new(setup: &Setup, seed: u64) -> Self {
        let mut random = Random::new(seed, 7);
        let mut config = Config::new(random.seed());
        config.bounds.peers = 4;
        let queues = if setup.has_modem() { "b=UQS" } else { "b=UQ" };
        Self {
            name: setup.name.clone(),
            server: setup.server,
            endpoint: Endpoint::new(config),
            // It wakes for the first time within five minutes.
            until: Instant::from_millis(random.below(300_000)),
            random,
            fault: setup.fault,
            binding: queues,
            queues,
            location: None,
            is_asleep: true,
            is_asking: false,
            later: Vec::new(),
            observed: None,
            done: BTreeMap::new(),
            missed: 0,
        }
    }

    /// It begins at once.
    pub(super) const fn beginning(mut self, now: Instant) -> Self {
        self.until = now;
        self
    }

    /// Leaves Queue Mode, or comes back to it.
    pub(super) fn change_binding(&mut self) {
        self.binding = match self.binding {
            "b=U" => self.queues,
            _ => "b=U",
        };
    }

    fn listen(&mut self, now: Instant) {
        let time = match self.fault {
            Fault::DeviceSleepsTooEarly => LISTENS / 3,
            _ => LISTENS,
        };
        self.until = now + time;
    }

    /// It wakes, and says so.
    fn wake(&mut self, now: Instant) {
        self.is_asleep = false;
        self.listen(now);
        match self.observed {
            Some((token, sequence)) if self.location.is_some() && self.random.chance(0.4) => {
                self.observed = Some((token, sequence + 1));
                let message = content(Some(sequence + 1));
                let options = NotifyOptions {
                    confirmable: self.random.chance(0.5),
                    ..NotifyOptions::default()
                };
                let to = self.server;
                let _ = self.endpoint.notify(now, to, token, message, options);
            }
            _ => self.register(now),
        }
    }

    /// Sends an Update, or a Register if it has no registration.
    fn register(&mut self, now: Instant) {
        let mut message = MessageBuf::request(Method::Post);
        if let Some(location) = &self.location {
            for segment in location {
                message.uri_path(segment).unwrap();
            }
            message.uri_query(self.binding).unwrap();
        } else {
            message.uri_path("rd").unwrap();
            let name = format!("ep={}", self.name);
            for query in [&name, "lt=3000", "lwm2m=1.0", self.binding] {
                message.uri_query(query).unwrap();
            }
            message.payload(b"</1/0>,</3/0>,</26241/0>");
            // The server begins its observations anew.
            self.observed = None;
        }
        let options = RequestOptions::default();
        let sent = self.endpoint.request(now, self.server, message, options);
        self.is_asking = sent.is_ok();
    }

    fn serve(&mut self, now: Instant, responder: Responder, request: &MessageRef<'_>, body: &[u8]) {
        if self.random.chance(0.05) {
            self.endpoint.ignore(responder);
            return;
        }
        let path = request
            .uri_path()
            .fold(String::new(), |path, segment| path + "/" + segment);
        let answer = match (request.code().method(), request.observe()) {
            (Some(Method::Get), observe) => {
                match observe {
                    Some(0) => self.observed = Some((responder.token(), 1)),
                    Some(_) => self.observed = None,
                    None => {}
                }
                content((observe == Some(0)).then_some(1))
            }
            (Some(Method::Post), _) => {
                let is_create = path == "/26241";
                let times = self.done.entry((path, body.to_vec())).or_default();
                *times += 1;
                assert!(*times == 1, "{body:?} runs twice at {}", self.name);
                MessageBuf::response(if is_create {
                    Code::CREATED
                } else {
                    Code::CHANGED
                })
            }
            (Some(Method::Delete), _) => MessageBuf::response(Code::DELETED),
            _ => MessageBuf::response(Code::CHANGED),
        };
        match self.random.below(10) {
            // Its application hangs: the request is acknowledged, and never answered.
            0 => drop(responder),
            1 | 2 => {
                let at = now + self.random.duration(Duration::from_secs(40));
                self.later.push((at, responder, answer));
            }
            _ => drop(self.endpoint.respond(now, responder, answer)),
        }
    }

    fn answered(&mut self, response: &MessageRef<'_>, now: Instant) {
        self.is_asking = false;
        match response.code() {
            Code::CREATED => {
                let location = response.location_path();
                self.location = Some(location.map(String::from).collect());
            }
            Code::CHANGED => {}
            // The server doesn't know it any more.
            _ => {
                self.location = None;
                self.register(now);
            }
        }
    }
}

/// A battery level, which is observed if there is a sequence number.
fn content(sequence: Option<u32>) -> MessageBuf {
    let mut message = MessageBuf::response(Code::CONTENT);
    if let Some(sequence) = sequence {
        message.observe(sequence).unwrap();
    }
    message.payload(b"50");
    message
}

impl Node for Scripted {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        if datagram.payload == WAKE {
            self.is_asleep = false;
            self.listen(now);
            self.register(now);
            return;
        }
        if self.is_asleep {
            self.missed += 1;
            return;
        }
        self.listen(now);
        let is_request = MessageRef::parse(datagram.payload)
            .is_ok_and(|message| message.code().kind() == CodeKind::Request);
        if is_request && self.fault == Fault::DeviceForgets {
            self.endpoint.drop_peer(now, &datagram.from);
        }
        match self.endpoint.receive(now, &datagram) {
            Ok(Some(Incoming::Request {
                responder,
                request,
                body,
            })) => {
                self.serve(now, responder, &request, &body);
            }
            Ok(Some(Incoming::Response { response, .. })) => self.answered(&response, now),
            Ok(Some(Incoming::NotificationReset { .. })) => self.observed = None,
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.is_asleep {
            if now >= self.until {
                self.wake(now);
            }
            return;
        }
        self.endpoint.handle_timeout(now);
        while let Some(at) = self.later.iter().position(|(at, ..)| *at <= now) {
            let (_, responder, answer) = self.later.remove(at);
            let _ = self.endpoint.respond(now, responder, answer);
            self.listen(now);
        }
        // It doesn't sleep while an exchange is open.
        let is_busy = self.is_asking || !self.later.is_empty();
        if now >= self.until && !is_busy && self.endpoint.usage().transmissions == 0 {
            self.is_asleep = true;
            self.until =
                now + Duration::from_secs(300) + self.random.duration(Duration::from_secs(1400));
        }
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        let transmit = self.endpoint.poll_transmit()?;
        datagram.extend_from_slice(transmit.payload);
        Some(transmit.to)
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        match self.endpoint.poll_event() {
            None => return false,
            Some(Event::RequestFailed { .. }) => {
                self.is_asking = false;
                self.listen(now);
            }
            Some(_) => {}
        }
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.is_asleep {
            return Some(self.until);
        }
        let answers = self.later.iter().map(|(at, ..)| *at);
        let is_busy =
            self.is_asking || !self.later.is_empty() || self.endpoint.usage().transmissions > 0;
        let sleeps = (!is_busy).then_some(self.until);
        answers
            .chain(self.endpoint.poll_timeout())
            .chain(sleeps)
            .min()
    }
}
