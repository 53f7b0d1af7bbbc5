//! How a random peer answers requests, and notifies its observers.

use lwm2m_core::{Code, Instant};
use lwm2m_simulation::{Address, body_number};
use lwm2m_statemachine::{
    Channel,
    coap::{
        BlockOption, FailureReason, InvalidSend, MessageBuf, MessageRef, NotificationId,
        NotifyOptions, OptionNumber, Overload, Resource, Responder, SendError, Source, SourceId,
        Token, TransferId,
    },
};

use super::{
    Node, RandomPeer,
    book::{What, token_key},
    reason_name, sequence_of,
};

/// An answer that is given later.
pub(super) struct Later {
    responder: Responder,
    message: MessageBuf,
}

/// An observer.
#[derive(Clone, Debug)]
pub(super) struct Observer {
    peer: Address,
    token: Token,
    /// The number of its request.
    number: Option<u64>,
    resource: Option<Resource>,
    count: u32,
    /// Whether its notifications fit in one block, so that it is known which one it has.
    small: bool,
    /// Notifications that have no outcome yet, with their count.
    open: Vec<(NotificationId, u32)>,
}

impl RandomPeer {
    fn memory_of(&self, peer: Address) -> (u32, u32) {
        (self.memory, self.drops.get(&peer).copied().unwrap_or(0))
    }

    /// A message with a request is given to the application once.
    pub(super) fn message_came(&mut self, from: Address, request: &MessageRef<'_>) {
        // Over its bounds an endpoint forgets first what may be repeated: what reads, begins or
        // continues a body, or was refused, as bodies are where there is no room for them.
        let reads = request.code() == Code::GET && !request.has(OptionNumber::OBSERVE);
        let begins = request.block1().is_some_and(BlockOption::more);
        let continues = [request.block1(), request.block2()]
            .into_iter()
            .flatten()
            .any(|block| block.number() > 0);
        if self.forgetful && (reads || begins || continues || !self.does_everything()) {
            return;
        }
        let what = What::Message(request.message_id(), token_key(request.token()));
        let memory = self.memory_of(from);
        self.book.borrow_mut().delivered(memory, from, what);
    }

    pub(super) fn ignore(
        &mut self,
        node: &mut Node,
        from: Address,
        responder: Responder,
        request: &MessageRef<'_>,
    ) {
        self.count("request ignored");
        let what = What::Message(request.message_id(), token_key(request.token()));
        let memory = self.memory_of(from);
        self.book.borrow_mut().returned(memory, from, what);
        node.ignore(responder);
    }

    /// Answers a complete request in some way.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        node: &mut Node,
        from: Address,
        responder: Responder,
        request: &MessageRef<'_>,
        body: &[u8],
    ) {
        let named = request
            .uri_query()
            .find_map(|query| query.strip_prefix("q="))
            .and_then(|number| number.parse().ok());
        let code = match request.code() {
            Code::GET => Code::CONTENT,
            Code::DELETE => Code::DELETED,
            _ => Code::CHANGED,
        };
        let number = match code {
            Code::CHANGED => Some(body_number(body).expect("a torn body")),
            _ => named,
        };
        if self.does_everything() && self.random.chance(0.06) {
            if self.forgetful {
                let what = What::Message(request.message_id(), token_key(request.token()));
                let memory = self.memory_of(from);
                self.book.borrow_mut().returned(memory, from, what);
            }
            let refusal = MessageBuf::response(Code::NOT_FOUND);
            self.respond(now, node, responder, refusal);
            return;
        }
        if code != Code::CONTENT {
            let number = number.expect("a request without a number");
            let memory = self.memory_of(from);
            let mut book = self.book.borrow_mut();
            book.delivered(memory, from, What::Effect(number));
            book.effects.insert(number);
        }
        let mut message = MessageBuf::response(code);
        let mut small = false;
        match request.observe() {
            Some(0) if code == Code::CONTENT => {
                small = self.observed(from, &responder, number);
                message.observe(sequence_of(0)).unwrap();
            }
            Some(1) => {
                let token = responder.token();
                self.withdraw(now, node, |observer| {
                    (observer.peer, observer.token) == (from, token)
                });
            }
            _ => {}
        }
        if code == Code::DELETED {
            self.give(now, node, responder, message);
            return;
        }
        let (answer, body) = if small {
            self.small_body()
        } else {
            self.body()
        };
        self.book.borrow_mut().answers.insert(answer, number);
        if body.len() > self.block_size {
            self.count("answer in blocks");
        }
        if self.random.chance(0.2) {
            self.count("answer from a source");
            let size = self.random.chance(0.5).then_some(body.len() as u32);
            let source = node.bodies().source(size);
            self.sources.insert(source.id(), body);
            node.respond(now, responder, (message, source)).unwrap();
            return;
        }
        message.payload(&body);
        self.give(now, node, responder, message);
    }

    /// Answers at once or later.
    fn give(&mut self, now: Instant, node: &mut Node, responder: Responder, message: MessageBuf) {
        let delay = match self.random.below(20) {
            0..=2 => self.random.below(5_000),
            _ if !self.does_everything() => {
                self.respond(now, node, responder, message);
                return;
            }
            // By then the client may have given up, or the server may have forgotten the request.
            3 => self.random.below(400_000),
            4 => {
                self.count("acknowledged early");
                node.acknowledge(&responder);
                self.random.below(20_000)
            }
            _ => {
                self.respond(now, node, responder, message);
                return;
            }
        };
        self.laters += 1;
        let due = now + core::time::Duration::from_millis(delay);
        let later = Later { responder, message };
        self.later.insert((due, self.laters), later);
    }

    fn respond(
        &mut self,
        now: Instant,
        node: &mut Node,
        responder: Responder,
        message: MessageBuf,
    ) {
        match node.respond(now, responder, message) {
            Ok(()) => self.count("answer"),
            // Too late, the peer was dropped, or too much is queued for it.
            Err(SendError::NotOpen) => self.count("answer too late"),
            Err(SendError::Overload(Overload::Messages)) => self.count("answer over the bounds"),
            Err(other) => panic!("{other}"),
        }
    }

    pub(super) fn answer_due(&mut self, now: Instant, node: &mut Node) {
        while let Some(entry) = self.later.first_entry()
            && entry.key().0 <= now
        {
            let Later { responder, message } = entry.remove();
            self.count("answer given later");
            self.respond(now, node, responder, message);
        }
    }

    /// Answers a block of a request.
    pub(super) fn serve_block(
        &mut self,
        now: Instant,
        node: &mut Node,
        from: Address,
        responder: Responder,
        request: &MessageRef<'_>,
        (transfer, offset, more): (TransferId, usize, bool),
    ) {
        if offset == 0 {
            if request.uri_path().next() != Some("stream") {
                self.count("rest of a request assembled");
                node.assemble(now, responder, request).unwrap();
                return;
            }
            self.streams.insert(transfer, Vec::new());
        }
        if self.random.chance(0.02) {
            self.ignore(node, from, responder, request);
            if offset == 0 {
                self.streams.remove(&transfer);
            }
            return;
        }
        let stream = self.streams.entry(transfer).or_default();
        assert_eq!(stream.len(), offset, "a block out of turn");
        stream.extend_from_slice(request.payload());
        if more {
            let answer = MessageBuf::response(Code::CONTINUE);
            node.respond(now, responder, answer).unwrap();
            return;
        }
        let body = self.streams.remove(&transfer).unwrap();
        self.count("body streamed to the server");
        self.serve(now, node, from, responder, request, &body);
    }

    pub(super) fn supply(
        &mut self,
        now: Instant,
        node: &mut Node,
        source: SourceId,
        offset: usize,
        length: usize,
    ) {
        if self.random.chance(0.02) {
            self.count("source aborted");
            node.bodies().abort(now, source);
            return;
        }
        if !self.does_everything() && self.random.chance(0.01) {
            self.count("block never supplied");
            return;
        }
        self.count("block supplied");
        let body = &self.sources[&source];
        let start = offset.min(body.len());
        let end = body.len().min(start + length);
        let block = body[start..end].to_vec();
        match node
            .bodies()
            .supply(now, source, offset, &block, end < body.len())
        {
            Ok(()) => {}
            // Another body has replaced it, or nobody wants it any more.
            Err(SendError::NoSource) => self.count("block supplied for nothing"),
            Err(SendError::Invalid(InvalidSend::BlockNotWanted)) => self.count("block not wanted"),
            // The source of a notification, which then fails.
            Err(SendError::Overload(Overload::Messages)) => {
                self.count("notification over the bounds");
            }
            Err(SendError::Overload(Overload::Answer)) => {
                self.count("notification before its answer");
            }
            Err(other) => panic!("{other}"),
        }
    }

    // Observers.

    /// Adds an observer; returns whether its notifications are small.
    fn observed(&mut self, peer: Address, responder: &Responder, number: Option<u64>) -> bool {
        let token = responder.token();
        let is_known = |observer: &&Observer| (observer.peer, observer.token) == (peer, token);
        if let Some(known) = self.observers.iter().find(is_known) {
            // It asks for a block of the first notification, which is no longer kept.
            return known.small;
        }
        let small = self.does_everything() && self.random.chance(0.5);
        self.observers.push(Observer {
            peer,
            token,
            number,
            resource: self.random.chance(0.7).then(|| responder.resource()),
            count: 0,
            small,
            open: Vec::new(),
        });
        small
    }

    pub(super) fn observation_ended(&mut self, peer: Address, token: Token) {
        self.observers
            .retain(|observer| (observer.peer, observer.token) != (peer, token));
    }

    /// Forgets observers silently, with what is still being sent to them.
    pub(super) fn withdraw(
        &mut self,
        now: Instant,
        node: &mut Node,
        mut whom: impl FnMut(&Observer) -> bool,
    ) {
        for observer in self.observers.extract_if(.., |observer| whom(observer)) {
            self.book.borrow_mut().count("notifications taken back");
            node.end_notifications(now, &observer.peer, observer.token);
            // A notification by SMS may still have an outcome of its own.
            if self.sms.contains(&observer.peer.node) {
                continue;
            }
            let incarnation = self.incarnation;
            self.book.borrow_mut().notifications.void(|(of, id)| {
                *of == incarnation && observer.open.iter().any(|(open, _)| open == id)
            });
        }
    }

    /// Notifies all observers; the `last` time with an error.
    pub(super) fn notify(&mut self, now: Instant, node: &mut Node, last: bool) {
        for mut observer in core::mem::take(&mut self.observers) {
            let (peer, token) = (observer.peer, observer.token);
            let mut message;
            let mut source = None;
            if last {
                self.count("error notification");
                message = MessageBuf::response(Code::NOT_FOUND);
            } else {
                message = MessageBuf::response(Code::CONTENT);
                message.observe(sequence_of(observer.count + 1)).unwrap();
                let (number, body) = if observer.small {
                    self.small_body()
                } else {
                    self.body()
                };
                let answers = &mut self.book.borrow_mut().answers;
                answers.insert(number, observer.number);
                if !observer.small && self.random.chance(0.3) {
                    let supplied = node.bodies().source(Some(body.len() as u32));
                    self.sources.insert(supplied.id(), body);
                    source = Some(supplied);
                } else {
                    message.payload(&body);
                }
            }
            observer.count += 1;
            let confirmable = self.random.chance(0.5);
            let channel = self.channel(peer);
            let options = NotifyOptions {
                confirmable,
                channel,
                resource: observer.resource,
            };
            self.count(match (channel, confirmable) {
                (Channel::Sms, _) => "notification by SMS",
                (_, true) => "notification CON",
                (_, false) => "notification NON",
            });
            let from = source.as_ref().map(Source::id);
            let id = if let Some(source) = source {
                self.count("notification from a source");
                node.notify(now, peer, token, (message, source), options)
            } else {
                node.notify(now, peer, token, message, options)
            };
            if let (Err(_), Some(source)) = (&id, from) {
                self.sources.remove(&source);
            }
            match id {
                Ok(id) => {
                    let key = (self.incarnation, id);
                    if confirmable {
                        self.book.borrow_mut().notifications.asked(key);
                    }
                    observer.open.push((id, observer.count));
                }
                Err(SendError::Overload(Overload::Messages | Overload::Peers)) => {
                    self.count("notification over the bounds");
                }
                Err(SendError::Overload(Overload::Answer)) => {
                    self.count("notification before its answer");
                }
                Err(other) => panic!("{other}"),
            }
            if !last {
                self.observers.push(observer);
            }
        }
    }

    /// A client that has acknowledged a notification has it or a newer one.
    pub(super) fn check_newest(&mut self, peer: Address, token: Token, id: NotificationId) {
        let observer = self
            .observers
            .iter_mut()
            .find(|observer| (observer.peer, observer.token) == (peer, token));
        let Some(observer) = observer else { return };
        let Some(index) = observer.open.iter().position(|(open, _)| *open == id) else {
            return;
        };
        let (_, count) = observer.open.swap_remove(index);
        if !observer.small {
            return;
        }
        let book = self.book.borrow();
        if let Some(Some(newest)) = book.newest.get(&token_key(token)) {
            assert!(*newest >= count, "acknowledged {count}, but has {newest}");
        }
        drop(book);
        self.count("newest value checked");
    }

    pub(super) fn notification_reset(&mut self, peer: Address, token: Token, id: NotificationId) {
        self.notification_settled(id, "reset");
        self.observation_ended(peer, token);
    }

    pub(super) fn notification_failed(
        &mut self,
        peer: Address,
        token: Token,
        id: NotificationId,
        reason: FailureReason,
    ) {
        self.notification_settled(id, reason_name(reason));
        if reason != FailureReason::Superseded {
            // RFC 7641 §4.5: the client is gone.
            self.observation_ended(peer, token);
        }
    }
}
