//! An application on an endpoint, client and server at once, that does at random what an endpoint
//! can, and checks whatever it is told.

mod acts;
pub(crate) mod book;
mod serving;

use core::time::Duration;
use std::collections::BTreeMap;

use lwm2m_core::{Code, Instant};
use lwm2m_simulation::{Address, Application, NodeId, Random, body, body_number};
use lwm2m_statemachine::{
    Channel,
    coap::{
        Endpoint, Event, FailureReason, MessageRef, NotificationId, OwnedIncoming, RequestId,
        SourceId, Token, TransferId,
    },
};

use self::{
    book::{Shared, token_key},
    serving::{Later, Observer},
};

pub(crate) type Node = Endpoint<Address>;

/// Sequence numbers of notifications (RFC 7641 §4.4) have 24 bits.
const SEQUENCES: u32 = 1 << 24;

/// The sequence number of a notification, by its index in its observation. It wraps soon, to test
/// that.
const fn sequence_of(count: u32) -> u32 {
    count.wrapping_sub(3) % SEQUENCES
}

const fn count_of(sequence: u32) -> u32 {
    sequence.wrapping_add(3) % SEQUENCES
}

/// A request that has no outcome yet, or an observation.
#[derive(Clone, Copy, Debug)]
struct OpenRequest {
    peer: Address,
    /// Identifies its answers and its effect.
    number: Option<u64>,
    /// Whether it changes something.
    effect: bool,
    observes: bool,
    ping: bool,
    /// The observation, if it is established.
    observing: Option<Observing>,
}

#[derive(Clone, Copy, Debug)]
struct Observing {
    /// Its token, once a notification has come that isn't in blocks; those have tokens of their
    /// own.
    token: Option<Token>,
    /// The sequence number and the time of the last notification; `None` if it came in blocks.
    last: Option<(u32, Instant)>,
}

/// The refusals that a random peer or its endpoint may make.
const REFUSALS: [Code; 6] = [
    Code::NOT_FOUND,
    // A block beyond the end of a body that has become shorter.
    Code::BAD_REQUEST,
    Code::REQUEST_ENTITY_INCOMPLETE,
    Code::REQUEST_ENTITY_TOO_LARGE,
    Code::SERVICE_UNAVAILABLE,
    // The application aborted a source.
    Code::INTERNAL_SERVER_ERROR,
];

/// What a random peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habits {
    /// All that an endpoint can do.
    Everything,
    /// It exchanges large bodies, and serves nearly every request.
    Bodies,
}

pub(crate) struct RandomPeer {
    book: Shared,
    random: Random,
    habits: Habits,
    /// Distinguishes its requests from those of earlier incarnations.
    incarnation: u32,
    /// Identifies what its machine remembers; changes when a clock jump has made it forget.
    memory: u32,
    /// How often each peer was dropped, and so forgotten.
    drops: BTreeMap<Address, u32>,
    block_size: usize,
    /// Whether the endpoint's bounds make it forget early what may be repeated without harm.
    forgetful: bool,
    /// The nodes that are reached by SMS.
    sms: Vec<NodeId>,
    asked: BTreeMap<RequestId, OpenRequest>,
    observers: Vec<Observer>,
    /// Bodies that are supplied.
    sources: BTreeMap<SourceId, Vec<u8>>,
    /// Request bodies that arrive block by block.
    streams: BTreeMap<TransferId, Vec<u8>>,
    /// Response bodies that arrive block by block.
    downloads: BTreeMap<RequestId, Vec<u8>>,
    /// Answers that are given later.
    later: BTreeMap<(Instant, u64), Later>,
    laters: u64,
}

impl RandomPeer {
    pub(crate) fn new(
        book: &Shared,
        random: Random,
        habits: Habits,
        block_size: usize,
        forgetful: bool,
    ) -> Self {
        let incarnation = book.borrow_mut().incarnation();
        Self {
            book: book.clone(),
            random,
            habits,
            incarnation,
            memory: incarnation,
            drops: BTreeMap::new(),
            block_size,
            forgetful,
            sms: Vec::new(),
            asked: BTreeMap::new(),
            observers: Vec::new(),
            sources: BTreeMap::new(),
            streams: BTreeMap::new(),
            downloads: BTreeMap::new(),
            later: BTreeMap::new(),
            laters: 0,
        }
    }

    /// From now on this node is reached by SMS.
    pub(crate) fn reach_by_sms(&mut self, node: NodeId) {
        self.sms.push(node);
    }

    /// The application after a reboot; with state it still knows its observers.
    pub(crate) fn rebooted(&mut self, with_state: bool) -> Self {
        let mut book = self.book.borrow_mut();
        let incarnation = self.incarnation;
        book.requests.void(|(of, _)| *of == incarnation);
        book.notifications.void(|(of, _)| *of == incarnation);
        let observing = self.asked.values().filter_map(|asked| asked.observing);
        for token in observing.filter_map(|observing| observing.token) {
            book.newest.insert(token_key(token), None);
        }
        drop(book);
        let random = self.random.clone();
        let (block_size, forgetful) = (self.block_size, self.forgetful);
        let mut next = Self::new(&self.book, random, self.habits, block_size, forgetful);
        next.sms.clone_from(&self.sms);
        if with_state {
            next.observers = core::mem::take(&mut self.observers);
        }
        next
    }

    /// A clock jump has made the machine forget messages that may still be repeated.
    pub(crate) fn forgets(&mut self) {
        self.memory = self.book.borrow_mut().incarnation();
    }

    fn count(&self, what: &'static str) {
        self.book.borrow_mut().count(what);
    }

    fn channel(&self, peer: Address) -> Channel {
        if self.sms.contains(&peer.node) {
            Channel::Sms
        } else {
            Channel::Udp
        }
    }

    fn does_everything(&self) -> bool {
        self.habits == Habits::Everything
    }

    /// A new body, tiny, of one block or of a few.
    fn body(&mut self) -> (u64, Vec<u8>) {
        let kinds = if self.does_everything() { 3 } else { 1 };
        let length = match 3 - kinds + self.random.below(kinds) {
            0 => 8 + self.random.below(9),
            1 => 8 + self.random.below(self.block_size as u64 - 7),
            _ => 8 + self.random.below(6 * self.block_size as u64),
        };
        let number = self.book.borrow_mut().number();
        (number, body(number, length as usize))
    }

    /// A body that fits in any block.
    fn small_body(&mut self) -> (u64, Vec<u8>) {
        let length = 8 + self.random.below(9) as usize;
        let number = self.book.borrow_mut().number();
        (number, body(number, length))
    }

    fn settled(&mut self, id: RequestId, outcome: &'static str) {
        let asking = (self.incarnation, id);
        self.book.borrow_mut().requests.settled(&asking, outcome);
        self.downloads.remove(&id);
    }

    /// An observation has ended.
    fn observation_over(&mut self, id: RequestId) {
        let asked = self.asked.remove(&id);
        let observing = asked.and_then(|asked| asked.observing);
        if let Some(token) = observing.and_then(|observing| observing.token) {
            self.book.borrow_mut().newest.insert(token_key(token), None);
        }
        self.downloads.remove(&id);
    }

    fn notification_settled(&mut self, id: NotificationId, outcome: &'static str) {
        let key = (self.incarnation, id);
        let ledger = &mut self.book.borrow_mut().notifications;
        // A Reset to a superseded notification is about the observation.
        if outcome == "reset" && ledger.outcome(&key) == Some("superseded") {
            return;
        }
        // A non-confirmable one is entered only if it has an outcome.
        if !ledger.is_open(&key) && ledger.outcome(&key).is_none() {
            ledger.asked(key);
        }
        ledger.settled(&key, outcome);
    }

    fn failed(&mut self, id: RequestId, reason: FailureReason) {
        let observing = self.asked.get(&id).and_then(|asked| asked.observing);
        if observing.is_some() {
            assert_eq!(reason, FailureReason::PeerDropped, "of an observation");
            self.count("observation dropped");
            self.observation_over(id);
            return;
        }
        self.settled(id, reason_name(reason));
        self.asked.remove(&id);
    }

    /// A complete response or notification has arrived.
    fn answered(
        &mut self,
        now: Instant,
        id: RequestId,
        response: &MessageRef<'_>,
        (whole, in_blocks): (&[u8], bool),
        observing: bool,
        first: bool,
    ) {
        let asked = self.asked.get_mut(&id).expect("an answer to nothing");
        assert!(!asked.ping, "an answer to a ping");
        let (code, sequence) = (response.code(), response.observe());
        let success = code.is_success();
        assert!(
            asked.observes || !observing,
            "observes without having asked"
        );
        assert!(success || !observing, "observes what was refused");
        let mut book = self.book.borrow_mut();
        if success {
            let deleted = code == Code::DELETED;
            let number = body_number(whole);
            assert!(
                number.is_some() || deleted && whole.is_empty(),
                "a torn body"
            );
            if let (Some(number), Some(asked)) = (number, asked.number) {
                let answers = book.answers.get(&number).copied();
                assert_eq!(answers, Some(Some(asked)), "the answer to another request");
            }
            let effect = asked.number.filter(|_| asked.effect && first);
            assert!(
                effect.is_none_or(|number| book.effects.contains(&number)),
                "success without effect"
            );
        } else {
            assert!(REFUSALS.contains(&code), "refused with {code}");
        }
        if observing {
            let known = asked.observing.unwrap_or(Observing {
                token: None,
                last: None,
            });
            asked.observing = Some(Observing {
                last: None,
                ..known
            });
            if let Some(sequence) = sequence.filter(|_| !in_blocks) {
                if let Some((last, then)) = known.last {
                    let late = now > then + Duration::from_secs(128);
                    assert!(is_fresh(last, sequence) || late, "{sequence} after {last}");
                }
                asked.observing = Some(Observing {
                    token: Some(response.token()),
                    last: Some((sequence, now)),
                });
                let newest = book.newest.entry(token_key(response.token()));
                if let Some(newest) = newest.or_insert(Some(0)) {
                    *newest = (*newest).max(count_of(sequence));
                }
            }
        }
        if in_blocks {
            book.count("body assembled by the client");
        }
        drop(book);
        if !first {
            self.count(if success {
                "notification taken"
            } else {
                "error notification taken"
            });
        } else if success {
            self.settled(id, "success");
        } else {
            self.settled(id, refusal_name(code));
        }
        if !observing {
            self.observation_over(id);
        }
    }

    fn incoming(&mut self, now: Instant, node: &mut Node, from: Address, incoming: OwnedIncoming) {
        match incoming {
            OwnedIncoming::Request {
                responder,
                request,
                body,
            } => {
                let in_blocks = body.is_some();
                let request = request.message();
                let body = body.unwrap_or_else(|| request.payload().to_vec().into());
                if in_blocks {
                    self.count("body assembled by the server");
                }
                self.message_came(from, &request);
                if self.does_everything() && self.random.chance(0.05) {
                    self.ignore(node, from, responder, &request);
                } else {
                    self.serve(now, node, from, responder, &request, &body);
                }
            }
            OwnedIncoming::RequestBlock {
                responder,
                transfer,
                request,
                offset,
                more,
            } => {
                let request = request.message();
                self.message_came(from, &request);
                let place = (transfer, offset, more);
                self.serve_block(now, node, from, responder, &request, place);
            }
            OwnedIncoming::ResponseBlock {
                request,
                response,
                offset,
            } => {
                let part = self.downloads.entry(request).or_default();
                assert_eq!(part.len(), offset, "a block out of turn");
                part.extend_from_slice(response.message().payload());
                self.count("block streamed to the client");
            }
            OwnedIncoming::Response {
                request,
                response,
                body,
                observing,
            } => {
                let response = response.message();
                let streamed = self.downloads.remove(&request);
                let in_blocks = body.is_some() || streamed.is_some();
                let mut whole = streamed.unwrap_or_default();
                whole.extend_from_slice(body.as_deref().unwrap_or(response.payload()));
                self.answered(
                    now,
                    request,
                    &response,
                    (&whole, in_blocks),
                    observing,
                    true,
                );
            }
            OwnedIncoming::Notification {
                request,
                response,
                body,
                observing,
            } => {
                let response = response.message();
                let in_blocks = body.is_some();
                let whole = body.as_deref().unwrap_or(response.payload());
                self.answered(
                    now,
                    request,
                    &response,
                    (whole, in_blocks),
                    observing,
                    false,
                );
            }
            OwnedIncoming::RequestReset { request } => {
                let ping = self.asked.get(&request).is_some_and(|asked| asked.ping);
                self.settled(request, if ping { "pong" } else { "reset" });
                self.asked.remove(&request);
            }
            OwnedIncoming::Acknowledged {
                notification,
                token,
            } => {
                self.notification_settled(notification, "acknowledged");
                self.check_newest(from, token, notification);
            }
            OwnedIncoming::NotificationReset {
                notification,
                token,
            } => {
                self.notification_reset(from, token, notification);
            }
            other => panic!("{other:?}"),
        }
    }

    /// Panics if any state is left.
    pub(crate) fn check_end(&self, node: &Node) {
        assert!(node.is_idle(), "not idle: {:?}", node.usage());
        assert_eq!(node.poll_timeout(), None, "a deadline for nothing");
        assert!(self.sources.is_empty(), "sources that were not closed");
        assert!(self.downloads.is_empty(), "downloads without an end");
        assert!(self.streams.is_empty(), "bodies without an end");
        assert!(
            self.asked.is_empty(),
            "requests without an end: {:?}",
            self.asked
        );
        assert!(self.later.is_empty());
    }
}

impl Application for RandomPeer {
    type Machine = Node;

    fn handle_event(&mut self, now: Instant, node: &mut Node, event: Event<Address>) {
        match event {
            Event::Incoming { from, incoming } => self.incoming(now, node, from, incoming),
            Event::RequestFailed {
                request, reason, ..
            } => self.failed(request, reason),
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
            } => {
                self.count("notification lost");
                assert!(self.asked.contains_key(&request), "of no observation");
                if !observing {
                    self.count("observation lost");
                    self.observation_over(request);
                }
            }
            Event::NotificationFailed {
                notification,
                peer,
                token,
                reason,
            } => self.notification_failed(peer, token, notification, reason),
            Event::ResponseFailed { .. } => self.count("separate answer failed"),
            Event::TransferLost { transfer, .. } => {
                self.count("body lost");
                assert!(self.streams.remove(&transfer).is_some(), "lost twice");
            }
            other => panic!("{other:?}"),
        }
    }

    fn peer(&mut self, address: Address) -> Option<Address> {
        Some(address)
    }

    fn address(&self, peer: &Address) -> Option<Address> {
        Some(*peer)
    }

    fn handle_timeout(&mut self, now: Instant, node: &mut Node) {
        self.answer_due(now, node);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.later.keys().next().map(|(due, _)| *due)
    }

    fn check(&self, _: Instant, node: &Node) {
        let (usage, bounds) = (node.usage(), node.config().bounds);
        assert!(usage.peers <= bounds.peers, "{usage:?}");
        assert!(usage.records <= bounds.records, "{usage:?}");
        assert!(
            usage.receiving.bodies <= bounds.receiving.bodies,
            "{usage:?}"
        );
        assert!(usage.receiving.bytes <= bounds.receiving.bytes, "{usage:?}");
        assert!(usage.response_bytes <= bounds.responses.bytes, "{usage:?}");
        assert!(usage.serving.bodies <= bounds.serving.bodies, "{usage:?}");
        assert!(usage.serving.bytes <= bounds.serving.bytes, "{usage:?}");
        // The endpoint keeps every open request, and no source that the application has closed.
        assert!(usage.requests >= self.asked.len(), "{usage:?}");
        assert!(usage.sources <= self.sources.len(), "{usage:?}");
    }
}

/// Whether a sequence number is newer than another (RFC 7641 §3.4), without regard to time.
fn is_fresh(last: u32, next: u32) -> bool {
    let ahead = next.wrapping_sub(last) % SEQUENCES;
    ahead > 0 && ahead < SEQUENCES / 2
}

const fn reason_name(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::Timeout => "timeout",
        FailureReason::PeerDropped => "peer dropped",
        FailureReason::Superseded => "superseded",
        FailureReason::Reset => "rejected",
        FailureReason::BodyChanged => "body changed",
        FailureReason::TooLarge => "body too large",
        FailureReason::Blocks => "blocks do not fit",
        FailureReason::NoRoom => "no room",
        FailureReason::TooSlow => "too slow",
        FailureReason::NotSent => "not sent",
        FailureReason::Aborted => "aborted",
        _ => "another reason",
    }
}

fn refusal_name(code: Code) -> &'static str {
    match code {
        Code::NOT_FOUND => "refused 4.04",
        Code::BAD_REQUEST => "refused 4.00",
        Code::REQUEST_ENTITY_INCOMPLETE => "refused 4.08",
        Code::REQUEST_ENTITY_TOO_LARGE => "refused 4.13",
        Code::SERVICE_UNAVAILABLE => "refused 5.03",
        _ => "refused 5.00",
    }
}
