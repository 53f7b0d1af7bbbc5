//! The Client Registration interface, for one server (TS 5.3).
//!
//! ```text
//! Offline ─ start ─> Connecting ─ connected ─> Registering ─ 2.01 ─> Registered ─> Deregistering
//!                        ^                         │                     │               │
//!                        └──────── Waiting <───────┴── failed, lost ─────┘            Offline
//! ```

use alloc::string::{String, ToString as _};
use core::time::Duration;

use lwm2m_core::{Code, EndpointName, Instant, Method, ShortServerId};
use lwm2m_objects::{
    Account, ObjectTree,
    typed::{Security, SecurityMode},
};

use super::{
    super::event::{ConnectionId, RegistrationFailure},
    location::Location,
    parameters::Parameters,
    retry::Retry,
};
use crate::coap::{Endpoint, MessageBuf, MessageRef, RequestId, RequestOptions};

/// The registration with one server.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) account: Account,
    state: State,
    /// When the next step is due.
    pub(super) deadline: Option<Instant>,
    /// The deadline that the timer queue has.
    pub(super) armed: Option<Instant>,
    /// The number of consecutive failures.
    failures: u32,
    /// A De-register was asked for while the Register is under way. It follows the answer.
    leaving: bool,
    /// The last connection without security, and its URI. Its datagrams may still arrive on the next
    /// connection to the same URI.
    last: Option<(ConnectionId, String)>,
}

#[derive(Debug)]
enum State {
    /// Not wanted: before the start, and after a De-register.
    Offline,
    /// The application is asked for a connection.
    Connecting(ConnectionId),
    /// The Register is under way.
    Registering {
        connection: ConnectionId,
        request: RequestId,
        sent: Parameters,
        at: Instant,
    },
    Registered(Registered),
    /// The De-register is under way.
    Deregistering {
        connection: ConnectionId,
        request: RequestId,
    },
    /// Until the deadline, when the next attempt begins. A connection that is up is kept.
    Waiting(Option<ConnectionId>),
}

#[derive(Debug)]
struct Registered {
    connection: ConnectionId,
    location: Location,
    /// What the server knows.
    known: Parameters,
    /// The Update that is under way, its parameters, and when it was sent.
    update: Option<(RequestId, Parameters, Instant)>,
    /// An Update was asked for while one is under way. It is sent even if nothing has changed.
    again: bool,
}

/// What a step of a registration asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Ask the application for a new connection.
    Connect,
    Registered {
        location: String,
    },
    Updated,
    Failed {
        reason: RegistrationFailure,
        retry: Option<Instant>,
    },
    Deregistered,
    /// The server does not know that the Client has left.
    DeregisterFailed(RegistrationFailure),
    /// Close the connection: there is no registration to end.
    Disconnect,
}

/// What a registration needs for a step.
pub(super) struct Step<'c> {
    pub(super) now: Instant,
    pub(super) tree: &'c ObjectTree,
    pub(super) endpoint: &'c mut Endpoint<ConnectionId>,
    pub(super) endpoint_name: &'c EndpointName<'static>,
    pub(super) max_transmit_wait: Duration,
    pub(super) retry: &'c mut Retry,
}

impl Step<'_> {
    /// Sends a request to the server of a connection.
    fn request(
        &mut self,
        connection: ConnectionId,
        message: MessageBuf,
    ) -> Result<RequestId, RegistrationFailure> {
        let options = RequestOptions::default();
        self.endpoint
            .request(self.now, connection, message, options)
            .map_err(RegistrationFailure::Overload)
    }
}

impl Registration {
    pub(super) const fn new(account: Account) -> Self {
        Self {
            account,
            state: State::Offline,
            deadline: None,
            armed: None,
            failures: 0,
            leaving: false,
            last: None,
        }
    }

    pub(super) const fn server(&self) -> ShortServerId {
        self.account.server
    }

    /// The connection, if there is one or one is asked for.
    pub(super) const fn connection(&self) -> Option<ConnectionId> {
        match &self.state {
            State::Offline => None,
            State::Waiting(connection) => *connection,
            State::Connecting(connection)
            | State::Registering { connection, .. }
            | State::Registered(Registered { connection, .. })
            | State::Deregistering { connection, .. } => Some(*connection),
        }
    }

    /// Whether operations of the server are served: not before the registration's answer
    /// (TS 5.4), not after the De-register is sent.
    pub(super) const fn is_registered(&self) -> bool {
        matches!(self.state, State::Registered(_))
    }

    pub(super) const fn is_offline(&self) -> bool {
        matches!(self.state, State::Offline)
    }

    /// Whether this request is one of ours.
    pub(super) fn owns(&self, request: RequestId) -> bool {
        match &self.state {
            State::Registering { request: own, .. } | State::Deregistering { request: own, .. } => {
                *own == request
            }
            State::Registered(registered) => registered
                .update
                .as_ref()
                .is_some_and(|(own, ..)| *own == request),
            _ => false,
        }
    }

    /// A connection with this name has been asked for. Returns the one before if both are to the
    /// same URI without security, so that a datagram of the old one may arrive on the new one.
    pub(super) fn connecting(
        &mut self,
        connection: ConnectionId,
        security: Option<&Security>,
    ) -> Option<ConnectionId> {
        self.deadline = None;
        self.leaving = false;
        self.state = State::Connecting(connection);
        let open = security.filter(|security| security.mode == SecurityMode::NoSec);
        let next = open.map(|security| (connection, security.server_uri.clone()));
        let before = core::mem::replace(&mut self.last, next)?;
        let (_, uri) = self.last.as_ref()?;
        (before.1 == *uri).then_some(before.0)
    }

    /// The connection is up: Register.
    pub(super) fn connected(
        &mut self,
        step: &mut Step<'_>,
        connection: ConnectionId,
    ) -> Option<Outcome> {
        match self.state {
            State::Connecting(own) if own == connection => self.register(step, connection),
            _ => None,
        }
    }

    /// Sends the Register (TS 8.2.4).
    fn register(&mut self, step: &mut Step<'_>, connection: ConnectionId) -> Option<Outcome> {
        self.deadline = None;
        self.state = State::Waiting(Some(connection));
        match self.send_register(step, connection) {
            Ok((request, sent)) => {
                self.state = State::Registering {
                    connection,
                    request,
                    sent,
                    at: step.now,
                };
                None
            }
            Err(reason) => Some(self.fail(step, reason)),
        }
    }

    fn send_register(
        &self,
        step: &mut Step<'_>,
        connection: ConnectionId,
    ) -> Result<(RequestId, Parameters), RegistrationFailure> {
        let parameters = Parameters::of(step.tree, self.account);
        let parameters = parameters.ok_or(RegistrationFailure::Unusable)?;
        let message = parameters.register(step.endpoint_name);
        let message = message.map_err(|_| RegistrationFailure::Unusable)?;
        Ok((step.request(connection, message)?, parameters))
    }

    /// Takes the answer to a request that this registration [`owns`](Self::owns).
    pub(super) fn answered(
        &mut self,
        step: &mut Step<'_>,
        response: &MessageRef<'_>,
    ) -> Option<Outcome> {
        match core::mem::replace(&mut self.state, State::Offline) {
            State::Registering {
                connection,
                sent,
                at,
                ..
            } => Some(self.registered(step, connection, sent, at, response)),
            State::Registered(registered) => Some(self.updated(step, registered, response)),
            State::Deregistering { .. } => {
                self.deadline = None;
                Some(match response.code() {
                    // 4.04: there is no such registration, which is what was asked for.
                    Code::DELETED | Code::NOT_FOUND => Outcome::Deregistered,
                    code => Outcome::DeregisterFailed(RegistrationFailure::Refused(code)),
                })
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    fn registered(
        &mut self,
        step: &mut Step<'_>,
        connection: ConnectionId,
        known: Parameters,
        at: Instant,
        response: &MessageRef<'_>,
    ) -> Outcome {
        self.state = State::Waiting(Some(connection));
        if response.code() != Code::CREATED {
            return self.fail(step, RegistrationFailure::Refused(response.code()));
        }
        let location = match Location::of(response) {
            Ok(location) => location,
            Err(reason) => return self.fail(step, reason),
        };
        self.failures = 0;
        self.deadline = Some(at + known.update_after(step.max_transmit_wait));
        let path = location.to_string();
        self.state = State::Registered(Registered {
            connection,
            location,
            known,
            update: None,
            again: false,
        });
        Outcome::Registered { location: path }
    }

    fn updated(
        &mut self,
        step: &mut Step<'_>,
        mut registered: Registered,
        response: &MessageRef<'_>,
    ) -> Outcome {
        let connection = registered.connection;
        match (response.code(), registered.update.take()) {
            (Code::CHANGED, Some((_, sent, at))) => {
                self.deadline = Some(at + sent.update_after(step.max_transmit_wait));
                registered.known = sent;
                self.state = State::Registered(registered);
                Outcome::Updated
            }
            // The server does not know the registration: register anew, at once (TS 8.2.4).
            (Code::NOT_FOUND, _) => {
                let reason = RegistrationFailure::Refused(Code::NOT_FOUND);
                let outcome = self.register(step, connection);
                outcome.unwrap_or(Outcome::Failed {
                    reason,
                    retry: Some(step.now),
                })
            }
            (code, _) => {
                self.state = State::Waiting(Some(connection));
                self.fail(step, RegistrationFailure::Refused(code))
            }
        }
    }

    /// A request got no answer.
    pub(super) fn unanswered(
        &mut self,
        step: &mut Step<'_>,
        reason: RegistrationFailure,
    ) -> Outcome {
        match self.state {
            State::Deregistering { .. } => {
                self.state = State::Offline;
                self.deadline = None;
                Outcome::DeregisterFailed(reason)
            }
            _ => self.fail(step, reason),
        }
    }

    /// The connection is lost, or could not be made.
    pub(super) fn disconnected(&mut self, step: &mut Step<'_>) -> Outcome {
        let deregistering = matches!(self.state, State::Deregistering { .. });
        self.state = State::Waiting(None);
        if deregistering {
            self.state = State::Offline;
            self.deadline = None;
            return Outcome::DeregisterFailed(RegistrationFailure::Disconnected);
        }
        self.fail(step, RegistrationFailure::Disconnected)
    }

    /// Waits before the next attempt, longer with each failure in a row.
    fn fail(&mut self, step: &mut Step<'_>, reason: RegistrationFailure) -> Outcome {
        let connection = match self.state {
            State::Waiting(connection) => connection,
            _ => self.connection(),
        };
        if core::mem::take(&mut self.leaving) {
            self.state = State::Offline;
            self.deadline = None;
            return Outcome::Failed {
                reason,
                retry: None,
            };
        }
        self.state = State::Waiting(connection);
        let retry = step.now + step.retry.after(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.deadline = Some(retry);
        Outcome::Failed {
            reason,
            retry: Some(retry),
        }
    }

    /// The deadline has passed: an Update is due, or the next attempt begins.
    pub(super) fn due(&mut self, step: &mut Step<'_>) -> Option<Outcome> {
        self.deadline = None;
        match self.state {
            State::Registered(_) => self.update(step),
            State::Waiting(None) => Some(Outcome::Connect),
            State::Waiting(Some(connection)) => self.register(step, connection),
            _ => None,
        }
    }

    /// After an answer: the De-register or the Update that was asked for meanwhile, or the Update
    /// that a change asks for.
    pub(super) fn follow_up(&mut self, step: &mut Step<'_>) -> Option<Outcome> {
        let State::Registered(registered) = &mut self.state else {
            return None;
        };
        if core::mem::take(&mut self.leaving) {
            return self.deregister(step);
        }
        if core::mem::take(&mut registered.again) {
            self.update(step)
        } else {
            self.refresh(step)
        }
    }

    /// Sends an Update if something that the server knows has changed (TS 5.3.2). While one is under
    /// way, its answer comes first: [`follow_up`](Self::follow_up) looks again.
    pub(super) fn refresh(&mut self, step: &mut Step<'_>) -> Option<Outcome> {
        let State::Registered(registered) = &self.state else {
            return None;
        };
        if registered.update.is_some() {
            return None;
        }
        let parameters = Parameters::of(step.tree, self.account)?;
        if parameters == registered.known {
            return None;
        }
        self.update(step)
    }

    /// Sends an Update with what has changed and nothing else (TS 5.3.2, Table 9).
    pub(super) fn update(&mut self, step: &mut Step<'_>) -> Option<Outcome> {
        let State::Registered(registered) = &mut self.state else {
            return None;
        };
        if registered.update.is_some() {
            registered.again = true;
            return None;
        }
        let parameters = Parameters::of(step.tree, self.account);
        let parameters = parameters.unwrap_or_else(|| registered.known.clone());
        let message = parameters.update(&registered.known, &registered.location);
        let message = message.map_err(|_| RegistrationFailure::Unusable);
        match message.and_then(|message| step.request(registered.connection, message)) {
            Ok(request) => {
                registered.update = Some((request, parameters, step.now));
                None
            }
            Err(reason) => Some(self.fail(step, reason)),
        }
    }

    /// Sends a De-register (TS 5.3.3); without a registration there is none to send.
    ///
    /// While the Register is under way the server may have taken it, so its answer is waited for.
    pub(super) fn deregister(&mut self, step: &mut Step<'_>) -> Option<Outcome> {
        match self.state {
            State::Registering { .. } => {
                self.leaving = true;
                return None;
            }
            State::Deregistering { .. } => return None,
            _ => {}
        }
        self.deadline = None;
        let connection = self.connection();
        let State::Registered(registered) = core::mem::replace(&mut self.state, State::Offline)
        else {
            return connection.map(|_| Outcome::Disconnect);
        };
        let connection = registered.connection;
        let message = registered.location.request(Method::Delete);
        let message = message.map_err(|_| RegistrationFailure::NoLocation);
        match message.and_then(|message| step.request(connection, message)) {
            Ok(request) => {
                self.state = State::Deregistering {
                    connection,
                    request,
                };
                None
            }
            Err(reason) => Some(Outcome::DeregisterFailed(reason)),
        }
    }
}
