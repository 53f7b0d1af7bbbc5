//! An application on an endpoint, client and server at once, that knows a whole body from a torn
//! one.

use core::mem;
use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{Code, Instant, Method};
use lwm2m_simulation::{Address, Application, Random, body, body_number};
use lwm2m_statemachine::coap::{
    Endpoint, Event, MessageBuf, MessageRef, NotifyOptions, OwnedIncoming, RequestId,
    RequestOptions, Responder, SendError, Source, SourceId, Token, TransferId,
};

pub(crate) type Node = Endpoint<Address>;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its body, if any, had an effect.
    Success,
    Refused(Code),
    Failed,
    Cancelled,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The number of the body that was sent.
    pub(crate) sent: Option<u64>,
    observes: bool,
    outcome: Option<Outcome>,
}

/// Who observes.
#[derive(Clone, Copy, Debug)]
struct Observer {
    peer: Address,
    token: Token,
    options: NotifyOptions,
    sequence: u32,
}

pub(crate) struct Side {
    random: Random,
    block_size: usize,
    next: u64,
    pub(crate) asked: BTreeMap<RequestId, Asked>,
    /// How often each body took effect here.
    pub(crate) effects: BTreeMap<u64, u32>,
    pub(crate) observations: BTreeSet<RequestId>,
    observers: Vec<Observer>,
    /// Bodies that are supplied.
    sources: BTreeMap<SourceId, Vec<u8>>,
    /// Bodies that come block by block.
    streams: BTreeMap<TransferId, Vec<u8>>,
    downloads: BTreeMap<RequestId, Vec<u8>>,
    /// Answers that are given later.
    later: Vec<(Responder, MessageBuf)>,
    pub(crate) notified: u64,
    pub(crate) streamed: u64,
}

impl Side {
    pub(crate) fn new(random: Random, block_size: usize, first: u64) -> Self {
        Self {
            random,
            block_size,
            next: first,
            asked: BTreeMap::new(),
            effects: BTreeMap::new(),
            observations: BTreeSet::new(),
            observers: Vec::new(),
            sources: BTreeMap::new(),
            streams: BTreeMap::new(),
            downloads: BTreeMap::new(),
            later: Vec::new(),
            notified: 0,
            streamed: 0,
        }
    }

    /// A new body, of a few blocks.
    fn body(&mut self) -> (u64, Vec<u8>) {
        self.next += 1;
        let blocks = self.random.below(6) as usize;
        let more = 8 + self.random.below(self.block_size as u64) as usize;
        let number = self.next;
        (number, body(number, blocks * self.block_size + more))
    }

    /// Makes a request of some kind.
    pub(crate) fn act(&mut self, now: Instant, node: &mut Node, peer: Address) {
        let mut options = RequestOptions {
            confirmable: !self.random.chance(0.1),
            ..RequestOptions::default()
        };
        let path = ["a", "b", "stream"][self.random.below(3) as usize];
        let kind = self.random.below(6);
        let method = [Method::Get, Method::Put, Method::Post][(kind % 3) as usize];
        let mut message = MessageBuf::request(method);
        if kind == 3 {
            message.observe(0).unwrap();
        }
        message.uri_path(path).unwrap();
        let mut asked = Asked {
            sent: None,
            observes: kind == 3,
            outcome: None,
        };
        let id = if method == Method::Get {
            options.stream = kind == 0 && self.random.chance(0.3);
            node.request(now, peer, message, options)
        } else {
            let (number, body) = self.body();
            asked.sent = Some(number);
            if self.random.chance(0.3) {
                let size = self.random.chance(0.5).then_some(body.len() as u32);
                let source = node.source(size);
                self.sources.insert(source.id(), body);
                node.request_from(now, peer, message, source, options)
            } else {
                message.payload(&body);
                node.request(now, peer, message, options)
            }
        }
        .unwrap();
        self.asked.insert(id, asked);
    }

    /// Does something else: gives up a request, answers what waits, notifies.
    pub(crate) fn stir(&mut self, now: Instant, node: &mut Node) {
        for (responder, message) in mem::take(&mut self.later) {
            // The request may be too long ago.
            let _ = node.respond(now, responder, message);
        }
        if self.random.chance(0.1)
            && let Some((id, asked)) = self.asked.iter_mut().next_back()
            && asked.outcome.is_none()
        {
            assert!(node.cancel(now, *id));
            asked.outcome = Some(Outcome::Cancelled);
            self.downloads.remove(id);
        }
        let mut observers = mem::take(&mut self.observers);
        for observer in &mut observers {
            observer.sequence += 1;
            let mut message = MessageBuf::response(Code::CONTENT);
            message.observe(observer.sequence).unwrap();
            let body = self.body().1;
            let (peer, token) = (observer.peer, observer.token);
            if self.random.chance(0.4) {
                let source = node.source(self.random.chance(0.5).then_some(body.len() as u32));
                self.sources.insert(source.id(), body);
                node.notify_from(now, peer, token, message, source, observer.options)
            } else {
                message.payload(&body);
                node.notify(now, peer, token, message, observer.options)
            }
            .unwrap();
        }
        self.observers = observers;
    }

    /// Ends all that would go on.
    pub(crate) fn finish(&mut self, now: Instant, node: &mut Node) {
        for id in mem::take(&mut self.observations) {
            assert!(node.cancel(now, id));
        }
        self.observers.clear();
        self.stir(now, node);
    }

    fn outcome(&mut self, id: RequestId, outcome: Outcome) {
        let asked = self.asked.get_mut(&id).expect("an outcome of nothing");
        assert_eq!(asked.outcome, None, "a second outcome");
        asked.outcome = Some(outcome);
        self.downloads.remove(&id);
    }

    fn supply(
        &mut self,
        now: Instant,
        node: &mut Node,
        source: SourceId,
        offset: usize,
        length: usize,
    ) {
        if self.random.chance(0.02) {
            node.abort(now, source);
            return;
        }
        if self.random.chance(0.01) {
            // It is forgotten.
            return;
        }
        let body = &self.sources[&source];
        let start = offset.min(body.len());
        let end = body.len().min(start + length);
        let block = body[start..end].to_vec();
        let result = node.supply(now, source, offset, &block, end < body.len());
        // Another body may have taken its place since.
        assert!(matches!(result, Ok(()) | Err(SendError::NoSource)));
    }

    fn serve(
        &mut self,
        now: Instant,
        node: &mut Node,
        from: Address,
        responder: Responder,
        request: &MessageRef<'_>,
        body: &[u8],
    ) {
        let code = if request.code() == Code::GET {
            Code::CONTENT
        } else {
            let number = body_number(body).expect("a torn body");
            *self.effects.entry(number).or_default() += 1;
            Code::CHANGED
        };
        let mut message = MessageBuf::response(code);
        if request.observe() == Some(0) && request.code() == Code::GET {
            let options = NotifyOptions {
                confirmable: self.random.chance(0.5),
                resource: self.random.chance(0.7).then(|| responder.resource()),
                ..NotifyOptions::default()
            };
            self.observers.push(Observer {
                peer: from,
                token: responder.token(),
                options,
                sequence: 1,
            });
            message.observe(1).unwrap();
        }
        let answer = self.body().1;
        if self.random.chance(0.2) {
            let source: Source = node.source(Some(answer.len() as u32));
            self.sources.insert(source.id(), answer);
            node.respond_from(now, responder, message, source).unwrap();
            return;
        }
        message.payload(&answer);
        if self.random.chance(0.15) {
            self.later.push((responder, message));
        } else {
            node.respond(now, responder, message).unwrap();
        }
    }

    fn block_of_request(
        &mut self,
        now: Instant,
        node: &mut Node,
        from: Address,
        responder: Responder,
        request: &MessageRef<'_>,
        (key, offset, more): (TransferId, usize, bool),
    ) {
        if offset == 0 {
            if request.uri_path().next() != Some("stream") {
                node.assemble(now, responder, request).unwrap();
                return;
            }
            self.streams.insert(key, Vec::new());
        }
        if self.random.chance(0.02) {
            node.ignore(responder);
            if offset == 0 {
                self.streams.remove(&key);
            }
            return;
        }
        let stream = self.streams.entry(key).or_default();
        assert_eq!(stream.len(), offset, "a block out of turn");
        stream.extend_from_slice(request.payload());
        if more {
            node.respond(now, responder, MessageBuf::response(Code::CONTINUE))
                .unwrap();
            return;
        }
        let body = self.streams.remove(&key).unwrap();
        self.streamed += 1;
        self.serve(now, node, from, responder, request, &body);
    }

    fn incoming(&mut self, now: Instant, node: &mut Node, from: Address, incoming: OwnedIncoming) {
        match incoming {
            OwnedIncoming::Request {
                responder,
                request,
                body,
            } => {
                let request = request.message();
                let body = body.unwrap_or_else(|| request.payload().to_vec().into());
                self.serve(now, node, from, responder, &request, &body);
            }
            OwnedIncoming::RequestBlock {
                responder,
                transfer,
                request,
                offset,
                more,
            } => {
                let request = request.message();
                self.block_of_request(
                    now,
                    node,
                    from,
                    responder,
                    &request,
                    (transfer, offset, more),
                );
            }
            OwnedIncoming::ResponseBlock {
                request,
                response,
                offset,
            } => {
                let part = self.downloads.entry(request).or_default();
                assert_eq!(part.len(), offset, "a block out of turn");
                part.extend_from_slice(response.message().payload());
            }
            OwnedIncoming::Response {
                request,
                response,
                body,
                observing,
            } => {
                let response = response.message();
                let code = response.code();
                let mut whole = self.downloads.remove(&request).unwrap_or_default();
                whole.extend_from_slice(body.as_deref().unwrap_or(response.payload()));
                if code.is_success() {
                    assert!(body_number(&whole).is_some(), "a torn body");
                    self.outcome(request, Outcome::Success);
                } else {
                    self.outcome(request, Outcome::Refused(code));
                }
                assert!(!observing || self.asked[&request].observes);
                if observing {
                    self.observations.insert(request);
                }
            }
            OwnedIncoming::Notification {
                request,
                response,
                body,
                observing,
            } => {
                let response = response.message();
                let body = body.unwrap_or_else(|| response.payload().to_vec().into());
                // An error ends the observation, and says no more.
                let success = response.code().is_success();
                assert!(success || !observing);
                assert!(!success || body_number(&body).is_some(), "a torn body");
                self.notified += 1;
                assert!(self.observations.contains(&request));
                if !observing {
                    self.observations.remove(&request);
                }
            }
            OwnedIncoming::RequestReset { request } => self.outcome(request, Outcome::Failed),
            OwnedIncoming::NotificationReset { token, .. } => {
                self.observers
                    .retain(|observer| (observer.peer, observer.token) != (from, token));
            }
            OwnedIncoming::Acknowledged { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

impl Application for Side {
    type Machine = Node;

    fn handle_event(&mut self, now: Instant, node: &mut Node, event: Event<Address>) {
        match event {
            Event::Incoming { from, incoming } => self.incoming(now, node, from, incoming),
            Event::RequestFailed { request, .. } => self.outcome(request, Outcome::Failed),
            Event::BlockWanted {
                source,
                offset,
                length,
                ..
            } => self.supply(now, node, source, offset, length),
            Event::SourceClosed { source } => {
                assert!(self.sources.remove(&source).is_some(), "closed twice");
            }
            Event::NotificationLost {
                request, observing, ..
            } => assert!(observing && self.observations.contains(&request)),
            Event::TransferLost { transfer, .. } => {
                assert!(self.streams.remove(&transfer).is_some(), "lost twice");
            }
            Event::NotificationFailed { .. } | Event::ResponseFailed { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    fn peer(&mut self, address: Address) -> Option<Address> {
        Some(address)
    }

    fn address(&self, peer: &Address) -> Option<Address> {
        Some(*peer)
    }

    fn check(&self, _: Instant, node: &Node) {
        let (usage, bounds) = (node.usage(), node.config().bounds);
        assert!(usage.receiving <= bounds.receiving, "{usage:?}");
        assert!(usage.receiving_bytes <= bounds.receiving_bytes, "{usage:?}");
        assert!(usage.response_bytes <= bounds.response_bytes, "{usage:?}");
        assert!(usage.serving <= bounds.serving, "{usage:?}");
        assert!(usage.serving_bytes <= bounds.serving_bytes, "{usage:?}");
    }
}

impl Asked {
    pub(crate) const fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }
}

impl Side {
    /// Panics unless nothing is left.
    pub(crate) fn check_end(&self, node: &Node) {
        assert!(node.is_idle(), "{:?}", node.usage());
        assert!(self.sources.is_empty(), "sources that were not closed");
        assert!(self.streams.is_empty(), "bodies without an end");
        for asked in self.asked.values() {
            assert!(asked.outcome.is_some(), "no outcome: {asked:?}");
        }
    }
}
