use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use lwm2m_core::{Code, Instant, Method};
use lwm2m_statemachine::{
    Channel, Datagram,
    coap::{
        Config, Endpoint, Event, Incoming, MessageBuf, NotifyOptions, Observer, RequestId,
        RequestOptions, Responder, SourceId,
    },
};

use crate::program::Program;

/// Two endpoints and anything that may happen between them: requests, notifications, block-wise
/// bodies, late and missing answers, cancellations; datagrams that are lost, repeated, delayed,
/// changed or forged; time.
///
/// Each request has one outcome, and each body source is closed once. What they hold is bounded, no
/// deadline stays in the past, and in the end no state is left. As long as no datagram was changed
/// or forged, no request's body takes effect twice.
pub fn coap_endpoint(data: &[u8]) {
    let mut program = Program::new(data);
    let mut world = World::new(program.byte());
    while let Some(step) = program.step() {
        world.step(step, &mut program);
    }
    world.finish();
}

/// MAX_LATENCY: the longest time that a datagram is in flight (RFC 7252 §4.8.2).
const MAX_LATENCY: Duration = Duration::from_secs(100);
const PATHS: [&str; 3] = ["a", "b", "stream"];

struct World {
    now: Instant,
    sides: [Side; 2],
    /// The datagrams in flight: since when, and to which side.
    network: VecDeque<(Instant, usize, Vec<u8>)>,
    next: u64,
    effects: BTreeMap<u64, u32>,
    /// Whether no datagram was changed or forged, and no endpoint was told to forget anything.
    honest: bool,
}

struct Side {
    node: Endpoint<u8>,
    /// The requests without an outcome; the program refers to them by index.
    open: Vec<RequestId>,
    observations: Vec<RequestId>,
    observers: Vec<Observer>,
    /// Requests to be answered, and the number of the body that took effect.
    responders: Vec<(Responder, Option<u64>)>,
    sources: BTreeMap<SourceId, Vec<u8>>,
    wanted: Vec<(SourceId, usize, usize)>,
    sequence: u32,
}

impl World {
    fn new(kind: u8) -> Self {
        let side = |index: u8| {
            let mut config = Config::new([index; 32]);
            config.block_size = 16 << (kind % 4);
            config.stream_requests = kind & 0x10 != 0;
            config.transmission.nstart = 1 + u16::from(kind >> 7);
            if kind & 0x20 != 0 {
                config.transfer_deadline = Duration::from_secs(60);
                let bounds = &mut config.bounds;
                bounds.peers = 2;
                (bounds.records, bounds.records_per_peer) = (12, 8);
                (bounds.requests_per_peer, bounds.transmissions_per_peer) = (6, 4);
                bounds.notifications_per_peer = 3;
                (bounds.body, bounds.receiving.bytes) = (50, 75);
                (bounds.receiving.bodies, bounds.receiving.bodies_per_peer) = (3, 2);
                (bounds.request_body, bounds.receiving.bytes_per_peer) = (38, 50);
                (bounds.responses.bytes, bounds.responses.bytes_per_peer) = (75, 50);
                (bounds.serving.bodies, bounds.serving.bytes) = (2, 75);
                (bounds.answers.bytes, bounds.answers.bytes_per_peer) = (200, 150);
            }
            Side {
                node: Endpoint::new(config),
                open: Vec::new(),
                observations: Vec::new(),
                observers: Vec::new(),
                responders: Vec::new(),
                sources: BTreeMap::new(),
                wanted: Vec::new(),
                sequence: 0,
            }
        };
        Self {
            now: Instant::from_secs(1),
            sides: [side(0), side(1)],
            network: VecDeque::new(),
            next: 0,
            effects: BTreeMap::new(),
            honest: true,
        }
    }

    /// A body that holds its own number.
    fn body(&mut self, length: u8) -> Vec<u8> {
        self.next += 1;
        let mut body = self.next.to_be_bytes().to_vec();
        // Five of the smallest blocks reach the same code as more of them.
        body.resize(8 + usize::from(length) / 4, 0x55);
        body
    }

    fn step(&mut self, step: u8, program: &mut Program<'_>) {
        let index = usize::from(step >> 7);
        match step & 0x0f {
            0..=2 => self.request(index, program.byte(), program.byte()),
            3 | 4 => {
                // One of the oldest datagrams arrives; a copy of it may stay in flight.
                let choice = program.byte();
                let at = usize::from(choice & 0x0f) % self.network.len().max(1);
                let Some((since, to, payload)) = self.network.remove(at) else {
                    return;
                };
                if choice & 0x80 != 0 {
                    self.network.push_back((since, to, payload.clone()));
                }
                self.arrive(to, &payload);
            }
            5 => {
                for _ in 0..program.byte() {
                    let Some((_, to, payload)) = self.network.pop_front() else {
                        break;
                    };
                    self.arrive(to, &payload);
                    // Events come before what the next datagram brings.
                    self.drain();
                }
            }
            6 => drop(self.network.pop_front()),
            7 => {
                if let Some((_, to, mut payload)) = self.network.pop_front() {
                    self.honest = false;
                    let at = usize::from(program.byte()) % payload.len().max(1);
                    let change = program.byte();
                    if let Some(byte) = payload.get_mut(at) {
                        *byte ^= change;
                    }
                    self.arrive(to, &payload);
                }
            }
            8 => {
                self.honest = false;
                let length = program.byte();
                let payload = program.take(length.into()).to_vec();
                self.arrive(index, &payload);
            }
            9 | 10 => self.tick(Duration::from_millis(u64::from(program.byte()) * 100)),
            11 => self.tick(Duration::from_secs(u64::from(program.byte()) * 4)),
            12 => self.stir(index, program.byte(), program.byte()),
            13 => self.notify(index, program.byte(), program.byte()),
            14 => self.supply(index, program.byte()),
            _ => {
                let other = 1 - index as u8;
                let side = &mut self.sides[index];
                match program.byte() {
                    0x77 => {
                        self.honest = false;
                        side.node.drop_peer(self.now, &other);
                    }
                    // An effect can't be undone.
                    0x78 => side.node.close_peer(self.now, &other),
                    _ => return,
                }
                side.observers.clear();
            }
        }
        self.drain();
        self.check();
    }

    fn request(&mut self, index: usize, kind: u8, length: u8) {
        let method =
            [Method::Get, Method::Put, Method::Post, Method::Delete][usize::from(kind % 4)];
        let mut message = MessageBuf::request(method);
        if kind & 0x10 != 0 {
            message.observe(0).unwrap();
        }
        let path = PATHS[usize::from(kind >> 2 & 3).min(2)];
        message.uri_path(path).unwrap();
        let options = RequestOptions {
            confirmable: kind & 0x20 == 0,
            channel: if kind & 0xe0 == 0xe0 {
                Channel::Sms
            } else {
                Channel::Udp
            },
            stream: kind & 0x40 != 0,
            ..RequestOptions::default()
        };
        let body = self.body(length);
        let (now, to) = (self.now, 1 - index as u8);
        let side = &mut self.sides[index];
        let sent = if method == Method::Get {
            side.node.request(now, to, message, options)
        } else if kind & 0x80 != 0 {
            let source = side.node.bodies().source(Some(body.len() as u32));
            let id = source.id();
            let sent = side.node.request(now, to, (message, source), options);
            if sent.is_ok() {
                side.sources.insert(id, body);
            }
            sent
        } else {
            message.payload(&body);
            side.node.request(now, to, message, options)
        };
        // `TooManyMessages` and the like are valid answers.
        side.open.extend(sent);
    }

    fn arrive(&mut self, to: usize, payload: &[u8]) {
        let datagram = Datagram::new(1 - to as u8, payload);
        let side = &mut self.sides[to];
        let Ok(Some(incoming)) = side.node.receive(self.now, &datagram) else {
            return;
        };
        match incoming {
            Incoming::Request {
                responder,
                request,
                body,
            } => {
                let number = body.first_chunk::<8>().copied().map(u64::from_be_bytes);
                let number = number.filter(|_| request.code() != Code::GET);
                if let Some(number) = number {
                    let times = self.effects.entry(number).or_default();
                    *times += 1;
                    assert!(*times == 1 || !self.honest, "took effect twice");
                }
                if request.observe() == Some(0) && side.observers.len() < 4 {
                    side.observers
                        .push(side.node.observer(self.now, &responder));
                }
                side.responders.push((responder, number));
            }
            Incoming::RequestBlock {
                responder,
                request,
                offset,
                more,
                ..
            } => {
                let streamed = request.uri_path().next() == Some("stream");
                if offset == 0 && !streamed {
                    side.node.assemble(self.now, responder, &request).unwrap();
                } else {
                    let code = if more { Code::CONTINUE } else { Code::CHANGED };
                    let _ = side
                        .node
                        .respond(self.now, responder, MessageBuf::response(code));
                }
            }
            Incoming::ResponseBlock { request, .. } => assert!(side.open.contains(&request)),
            Incoming::Response {
                request, observing, ..
            } => {
                side.close(request);
                if observing {
                    side.observations.push(request);
                }
            }
            Incoming::Notification {
                request, observing, ..
            } => {
                assert!(side.observations.contains(&request));
                if !observing {
                    side.observations.retain(|other| *other != request);
                }
            }
            Incoming::RequestReset { request } => side.end(request),
            Incoming::NotificationReset { token, .. } => {
                side.observers.retain(|observer| observer.token() != token);
            }
            _ => {}
        }
    }

    fn tick(&mut self, duration: Duration) {
        self.now += duration;
        // How long an endpoint remembers depends on this.
        let oldest = self.now - MAX_LATENCY;
        self.network.retain(|(since, ..)| *since >= oldest);
        for side in &mut self.sides {
            side.node.handle_timeout(self.now);
        }
    }

    /// Answers or ignores the oldest request, or gives up one of our own.
    fn stir(&mut self, index: usize, kind: u8, length: u8) {
        let now = self.now;
        let body = self.body(length);
        let side = &mut self.sides[index];
        if kind & 0x0f == 0 {
            if !side.open.is_empty() {
                let at = usize::from(kind >> 4) % side.open.len();
                let request = side.open.remove(at);
                assert!(side.node.cancel(now, request));
            }
            return;
        }
        if side.responders.is_empty() {
            return;
        }
        let (responder, number) = side.responders.remove(0);
        let code = [Code::CONTENT, Code::CHANGED, Code::NOT_FOUND][usize::from(kind % 3)];
        let mut message = MessageBuf::response(code);
        if kind & 0x10 != 0 {
            message.observe(side.sequence).unwrap();
        }
        match kind & 0x0f {
            1 => {
                // It may be repeated, and then it is a new request.
                self.honest = false;
                side.node.ignore(responder);
            }
            2 => {
                side.node.acknowledge(&responder);
                side.responders.push((responder, number));
            }
            3..=5 => {
                let source = side.node.bodies().source(None);
                let id = source.id();
                if side.node.respond(now, responder, (message, source)).is_ok() {
                    side.sources.insert(id, body);
                }
            }
            _ => {
                message.payload(&body);
                // It may be too late.
                let answered = side.node.respond(now, responder, message);
                if let Some(number) = number
                    && answered.is_ok()
                    && code == Code::NOT_FOUND
                {
                    // It had no effect, so it may have one when it is repeated.
                    self.effects.remove(&number);
                }
            }
        }
    }

    fn notify(&mut self, index: usize, kind: u8, length: u8) {
        let body = self.body(length);
        let (now, to) = (self.now, 1 - index as u8);
        let side = &mut self.sides[index];
        let Some(observer) = side.observers.first_mut() else {
            return;
        };
        side.sequence += 1;
        let mut message = MessageBuf::response(Code::CONTENT);
        message.observe(side.sequence).unwrap();
        let options = NotifyOptions {
            confirmable: kind & 1 != 0,
            resource: (kind & 2 != 0).then_some(observer.resource()),
            channel: if kind & 8 != 0 {
                Channel::Sms
            } else {
                Channel::Udp
            },
        };
        if kind & 4 == 0 {
            message.payload(&body);
            let node = &mut side.node;
            let _ = if kind & 32 != 0 {
                node.notify_observer(now, to, observer, message, options)
            } else {
                node.notify(now, to, observer.token(), message, options)
            };
            return;
        }
        let source = side
            .node
            .bodies()
            .source((kind & 16 != 0).then_some(body.len() as u32));
        let id = source.id();
        let sent = side
            .node
            .notify(now, to, observer.token(), (message, source), options);
        if sent.is_ok() {
            side.sources.insert(id, body);
        }
    }

    /// Supplies the block that is wanted, another one, or none.
    fn supply(&mut self, index: usize, kind: u8) {
        let now = self.now;
        let side = &mut self.sides[index];
        if side.wanted.is_empty() {
            return;
        }
        let (source, offset, length) = side.wanted.remove(0);
        if kind == 0 {
            side.node.bodies().abort(now, source);
            return;
        }
        let Some(body) = side.sources.get(&source) else {
            return;
        };
        let rest = body.get(offset..).unwrap_or(&[]);
        let block = rest.get(..length).unwrap_or(rest).to_vec();
        let more = rest.len() > length;
        if kind == 1 {
            let _ = side
                .node
                .bodies()
                .supply(now, source, offset ^ 16, &block, more);
            side.wanted.push((source, offset, length));
        } else {
            // It may not be wanted any more.
            let _ = side.node.bodies().supply(now, source, offset, &block, more);
        }
    }

    fn drain(&mut self) {
        for index in 0..2 {
            let side = &mut self.sides[index];
            while let Some(transmit) = side.node.poll_transmit() {
                assert!(transmit.payload.len() >= 4);
                if self.network.len() < 64 {
                    self.network.push_back((
                        self.now,
                        transmit.to.into(),
                        transmit.payload.to_vec(),
                    ));
                }
            }
            while let Some(event) = side.node.poll_event() {
                match event {
                    Event::RequestFailed { request, .. } => side.end(request),
                    Event::NotificationLost {
                        request, observing, ..
                    } => {
                        assert!(side.observations.contains(&request));
                        if !observing {
                            side.observations.retain(|other| *other != request);
                        }
                    }
                    Event::BlockWanted {
                        source,
                        offset,
                        length,
                        ..
                    } => {
                        assert!(side.sources.contains_key(&source));
                        side.wanted.push((source, offset, length));
                    }
                    Event::SourceClosed { source } => {
                        assert!(side.sources.remove(&source).is_some(), "closed twice");
                        side.wanted.retain(|(other, ..)| *other != source);
                    }
                    _ => {}
                }
            }
        }
    }

    fn check(&self) {
        for side in &self.sides {
            let (usage, bounds) = (side.node.usage(), side.node.config().bounds);
            assert!(usage.peers <= bounds.peers);
            assert!(usage.records <= bounds.records);
            assert!(usage.answer_bytes <= bounds.answers.bytes);
            assert!(usage.receiving.bodies <= bounds.receiving.bodies);
            assert!(usage.receiving.bytes <= bounds.receiving.bytes);
            assert!(usage.response_bytes <= bounds.responses.bytes);
            assert!(usage.serving.bodies <= bounds.serving.bodies);
            assert!(usage.serving.bytes <= bounds.serving.bytes);
        }
    }

    /// No datagram arrives and no block is supplied any more: everything ends.
    fn finish(&mut self) {
        for index in 0..2 {
            let side = &mut self.sides[index];
            for observation in core::mem::take(&mut side.observations) {
                assert!(side.node.cancel(self.now, observation));
            }
            for (responder, _) in core::mem::take(&mut side.responders) {
                side.node.ignore(responder);
            }
        }
        for round in 0.. {
            self.drain();
            self.network.clear();
            let timeouts = self
                .sides
                .iter()
                .filter_map(|side| side.node.poll_timeout());
            let Some(next) = timeouts.min() else { break };
            assert!(round < 10_000, "no end");
            self.now = self.now.max(next);
            self.tick(Duration::ZERO);
            for side in &self.sides {
                let timeout = side.node.poll_timeout();
                assert!(timeout.is_none_or(|at| at > self.now), "no progress");
            }
        }
        for side in &self.sides {
            assert!(side.node.is_idle(), "{:?}", side.node.usage());
            assert!(side.open.is_empty(), "requests without outcome");
            assert!(side.sources.is_empty(), "bodies that were not closed");
        }
    }
}

impl Side {
    /// Records the only outcome of a request.
    fn close(&mut self, request: RequestId) {
        let at = self.open.iter().position(|other| *other == request);
        self.open.remove(at.expect("a second outcome"));
    }

    /// The end of a request or, after its outcome, of an observation.
    fn end(&mut self, request: RequestId) {
        if self.observations.contains(&request) {
            self.observations.retain(|other| *other != request);
        } else {
            self.close(request);
        }
    }
}
