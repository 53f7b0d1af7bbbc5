//! The server, its driver with the sessions, and its application with what it believes in.

use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{Code, CodeKind, Instant, Path, Value, codec::Content};
use lwm2m_simulation::{Address, Node};
use lwm2m_statemachine::{
    Datagram, Identity, ObservationId, OperationId, Outcome, Server, ServerEvent,
    coap::{MessageRef, MessageType, Token},
    server::{CallError, EndReason, RefusalReason},
};

use super::device::{COUNTER, DEVICE, ENDPOINT};

pub(super) type Tally = BTreeMap<&'static str, u64>;

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The identity of another session than the one of the registration isn't told with
    /// notifications.
    HidesIdentity,
    /// Notifications of all sessions but the first are missed.
    MissesOthers,
    /// The application takes a notification after the one that follows it.
    SwapsNotifications,
}

/// An observation that the server believes in.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) path: Path,
    pub(super) token: Token,
    /// The value that was heard last: of the Counter, unless it is of another Resource.
    pub(super) value: Option<i64>,
}

pub(super) struct Platform {
    pub(super) server: Server<Address>,
    fault: Fault,
    /// Whether the driver closes the older one of the sessions between which the Client changes.
    closes_older: bool,
    /// The sessions that are over.
    closed: BTreeSet<Address>,
    /// The first session in which anything came.
    first: Option<Address>,
    /// The tokens of what came, by session and message id.
    received: BTreeMap<(Address, u16), Token>,
    /// The tokens with which paths were observed last.
    tokens: BTreeMap<Path, Token>,
    pub(super) asked: BTreeMap<OperationId, Path>,
    pub(super) outcomes: BTreeMap<OperationId, Outcome>,
    pub(super) watched: BTreeMap<ObservationId, Watched>,
    ended: BTreeSet<ObservationId>,
    held: Option<(ObservationId, Content)>,
    pub(super) tally: Tally,
}

impl Platform {
    pub(super) fn new(server: Server<Address>, fault: Fault, closes_older: bool) -> Self {
        Self {
            server,
            fault,
            closes_older,
            closed: BTreeSet::new(),
            first: None,
            received: BTreeMap::new(),
            tokens: BTreeMap::new(),
            asked: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            watched: BTreeMap::new(),
            ended: BTreeSet::new(),
            held: None,
            tally: Tally::new(),
        }
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// The driver closes a session.
    pub(super) fn close(&mut self, now: Instant, session: Address) {
        if self.closed.insert(session) {
            self.server.peer_gone(now, &session);
        }
    }

    pub(super) fn is_closed(&self, session: Address) -> bool {
        self.closed.contains(&session)
    }

    /// Where the Client is reached, and whether it is.
    pub(super) fn client(&self) -> Option<(Address, bool)> {
        let client = self.server.find(ENDPOINT)?;
        let client = self.server.registration(client)?;
        Some((*client.peer(), client.is_reachable()))
    }

    /// Whether an observation of this path is there, or was asked for.
    fn observes(&self, path: Path) -> bool {
        let mut open = self.asked.iter();
        open.any(|(id, asked)| *asked == path && !self.outcomes.contains_key(id))
            || self.watched.values().any(|watched| watched.path == path)
    }

    pub(super) fn read(&mut self, now: Instant, path: Path) {
        if let Some(client) = self.server.find(ENDPOINT) {
            let called = self.server.read(now, client, path, None);
            self.note(called, path);
        }
    }

    pub(super) fn observe(&mut self, now: Instant, path: Path) {
        if let Some(client) = self.server.find(ENDPOINT).filter(|_| !self.observes(path)) {
            let called = self.server.observe(now, client, path, None);
            self.note(called, path);
        }
    }

    pub(super) fn cancel(&mut self, now: Instant, path: Path) {
        let mut all = self.watched.iter();
        if let Some((id, _)) = all.find(|(_, watched)| watched.path == path) {
            let called = self.server.cancel_observation(now, *id);
            self.note(called, path);
        }
    }

    fn note(&mut self, called: Result<OperationId, CallError>, path: Path) {
        let is_reachable = self.client().is_some_and(|(_, reached)| reached);
        assert_eq!(
            called == Err(CallError::PeerGone),
            !is_reachable,
            "{called:?}"
        );
        match called {
            Ok(operation) => assert_eq!(self.asked.insert(operation, path), None),
            Err(CallError::PeerGone) => self.count("call refused: the peer is gone"),
            Err(error) => panic!("{error}"),
        }
    }

    fn hears(&mut self, observation: ObservationId, content: &Content) {
        let watched = self.watched.get_mut(&observation).expect("not watched");
        let resource = if watched.path == DEVICE {
            COUNTER
        } else {
            watched.path
        };
        let Some(Value::Integer(value)) = content.get(&resource) else {
            panic!("{content:?} of {}", watched.path);
        };
        let goes_back = watched.path == COUNTER && watched.value > Some(*value);
        assert!(!goes_back, "{value} goes back");
        watched.value = Some(*value);
    }

    fn ends(&mut self, operation: OperationId, outcome: Outcome) {
        let path = *self.asked.get(&operation).expect("not asked for");
        let what = match &outcome {
            Outcome::Observing {
                observation,
                content,
            } => {
                assert!(!self.ended.contains(observation), "begins twice");
                let watched = Watched {
                    path,
                    token: self.tokens[&path],
                    value: None,
                };
                let before = self.watched.insert(*observation, watched);
                assert!(before.is_none(), "begins twice");
                self.hears(*observation, content.as_ref().expect("values"));
                "operation answered"
            }
            Outcome::Content(_) => "operation answered",
            Outcome::PeerGone => "operation ended: the peer is gone",
            Outcome::Timeout => "operation ended: no answer",
            Outcome::ClientGone => "operation ended: registered anew",
            Outcome::Reset => "operation ended: rejected",
            Outcome::Failed { .. } => "operation ended: failed",
            outcome => panic!("{outcome:?}"),
        };
        self.count(what);
        let before = self.outcomes.insert(operation, outcome);
        assert!(before.is_none(), "a second outcome");
    }

    fn notified(&mut self, observation: ObservationId, content: Content) {
        if self.fault == Fault::SwapsNotifications {
            let Some((other, before)) = self.held.take() else {
                self.held = Some((observation, content));
                return;
            };
            self.hears(observation, &content);
            if self.watched.contains_key(&other) {
                self.hears(other, &before);
            }
            return;
        }
        self.hears(observation, &content);
    }

    /// The Client has changed from this session to another. Newer ones have higher addresses.
    fn changes_session(&mut self, now: Instant, left: Address) {
        let (reached, _) = self.client().expect("registered");
        let leads_back = reached < left;
        if self.closes_older {
            self.close(now, left.min(reached));
        }
        self.count(match (leads_back, self.closes_older) {
            (false, true) => "older session closed after an Update",
            (true, true) => "older session closed after a late Update",
            (_, false) => "session left open after an Update",
        });
    }

    fn take(&mut self, now: Instant, event: ServerEvent<Address>) {
        match event {
            ServerEvent::PeerLeft { peer, .. } => self.changes_session(now, peer),
            ServerEvent::Updated { changes, .. } if changes.peer => {
                self.count("Update from another peer");
            }
            ServerEvent::Reachable { .. } => self.count("reachable by a notification"),
            ServerEvent::Answered {
                operation, outcome, ..
            } => self.ends(operation, outcome),
            ServerEvent::Notification {
                observation,
                content: Ok(content),
                ..
            } => self.notified(observation, content),
            ServerEvent::Notification { .. } => self.count("notification lost"),
            ServerEvent::ObservationEnded {
                observation,
                reason,
                ..
            } => {
                assert!(self.watched.remove(&observation).is_some(), "never began");
                assert!(self.ended.insert(observation), "ends twice");
                self.count(match reason {
                    EndReason::Cancelled => "observation cancelled",
                    EndReason::RegistrationGone => "observation ended: registered anew",
                    EndReason::Refused(_) => "observation ended: by the client",
                    reason => panic!("{reason}"),
                });
            }
            // An Update of before the last Register, which comes late.
            ServerEvent::Refused(refusal) if refusal.reason == RefusalReason::UnknownLocation => {
                self.count("Update refused: registered anew");
            }
            ServerEvent::Refused(refusal) => panic!("{refusal}"),
            _ => {}
        }
    }

    /// What the driver and the faults make of a response that isn't an acknowledgement; false if it is
    /// missed.
    fn admits(&mut self, datagram: &mut Datagram<'_, Address>, message: &MessageRef<'_>) -> bool {
        let from = datagram.from;
        self.received
            .insert((from, message.message_id()), message.token());
        let is_there = self.client().is_some_and(|(peer, _)| peer == from);
        let is_notification = message.observe().is_some() && message.code() == Code::CONTENT;
        if is_notification {
            self.count(if is_there {
                "notification from where the client was registered"
            } else {
                "notification from another session"
            });
        }
        if self.fault == Fault::HidesIdentity && !is_there {
            datagram.identity = Identity::None;
        }
        !(self.fault == Fault::MissesOthers && is_notification && self.first != Some(from))
    }

    /// Nothing that the application believes in is rejected.
    fn check_sent(&mut self, to: Address, datagram: &[u8]) {
        let message = MessageRef::parse(datagram).expect("the server sends messages");
        match (message.kind(), message.observe()) {
            (MessageType::Reset, _) => {
                let token = self.received.get(&(to, message.message_id()));
                let mut all = self.watched.values();
                let rejected = all.find(|watched| Some(&watched.token) == token);
                if let Some(Watched { path, .. }) = rejected {
                    panic!("a notification of {path} is rejected");
                }
            }
            (_, Some(0)) if message.code().method().is_some() => {
                let path: Vec<&str> = message.uri_path().collect();
                let path = format!("/{}", path.join("/")).parse().expect("a path");
                self.tokens.insert(path, message.token());
            }
            _ => {}
        }
    }
}

impl Node for Platform {
    fn handle_datagram(&mut self, now: Instant, mut datagram: Datagram<'_, Address>) {
        if self.is_closed(datagram.from) {
            return;
        }
        self.first.get_or_insert(datagram.from);
        datagram.identity = Identity::Psk(ENDPOINT.as_bytes());
        let message = MessageRef::parse(datagram.payload).expect("the client sends messages");
        let is_response = message.code().kind() == CodeKind::Response;
        if is_response
            && message.kind() != MessageType::Acknowledgement
            && !self.admits(&mut datagram, &message)
        {
            return;
        }
        // The error only informs.
        let _ = self.server.handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        loop {
            let transmit = self.server.poll_transmit()?;
            let (to, payload) = (transmit.to, transmit.payload.to_vec());
            self.check_sent(to, &payload);
            if !self.is_closed(to) {
                *datagram = payload;
                return Some(to);
            }
        }
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        let event = self.server.poll_event();
        event.is_some_and(|event| {
            self.take(now, event);
            true
        })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }
}
