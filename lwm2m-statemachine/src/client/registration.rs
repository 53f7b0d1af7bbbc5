//! The Client Registration interface, for one server (TS 5.3).
//!
//! ```text
//! Offline ─ start ─> Connecting ─ connected ─> Registering ─ 2.01 ─> Registered ─> Deregistering
//!                        ^                         │                     │               │
//!                        └──────── Waiting <───────┴── failed, lost ─────┘            Offline
//! ```

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};
use core::{fmt, time::Duration};

use lwm2m_core::{Code, ContentFormat, Instant, Method, ShortServerId};
use lwm2m_objects::{Account, ObjectTree, Typed, typed};

use super::{
    discover::object_list,
    event::{ConnectionId, RegistrationFailure},
    location::Location,
};
use crate::coap::{Endpoint, MessageBuf, MessageRef, OptionError, RequestId, RequestOptions};

/// The registration with one server.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) account: Account,
    state: State,
    /// When something is due.
    pub(super) deadline: Option<Instant>,
    /// The same, as the machine's timer queue has it.
    pub(super) armed: Option<Instant>,
    /// How often in a row it failed.
    failures: u32,
    /// A De-register was asked for while the Register is under way: it follows the answer.
    leaving: bool,
    /// The last connection without security, and to which URI. Its datagrams may still arrive on
    /// the next one to there.
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
    /// The Update that is under way, what it says, and when it was sent.
    update: Option<(RequestId, Parameters, Instant)>,
    /// An Update was asked for while one is under way, whether or not there is anything to tell.
    again: bool,
}

/// What a Register tells, and an Update when it changes (TS Tables 7, 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) lifetime: u32,
    pub(super) binding: lwm2m_core::BindingMode,
    /// The object list, in link-format.
    pub(super) objects: Vec<u8>,
}

/// What a registration wants its machine to do or to tell.
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

/// What a registration needs from its machine.
pub(super) struct Context<'c> {
    pub(super) now: Instant,
    pub(super) tree: &'c ObjectTree,
    pub(super) endpoint: &'c mut Endpoint<ConnectionId>,
    pub(super) endpoint_name: &'c str,
    pub(super) max_transmit_wait: Duration,
    /// How long to wait after so many failures in a row.
    pub(super) retry_after: &'c mut dyn FnMut(u32) -> Duration,
}

impl Context<'_> {
    /// What the server of this account is to know; nothing if its Server Object Instance is
    /// unusable.
    fn parameters(&self, account: Account) -> Option<Parameters> {
        let server = typed::Server::load(self.tree, account.server_instance)?;
        Some(Parameters {
            lifetime: server.lifetime,
            binding: server.binding,
            objects: object_list(self.tree),
        })
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

    /// A connection was asked for, by this name. Tells the one before if both lead to the same
    /// place without security, and what was sent on that one may arrive on this.
    pub(super) fn connecting(
        &mut self,
        connection: ConnectionId,
        security: Option<&typed::Security>,
    ) -> Option<ConnectionId> {
        self.deadline = None;
        self.leaving = false;
        self.state = State::Connecting(connection);
        let open = security.filter(|security| security.mode == typed::SecurityMode::NoSec);
        let next = open.map(|security| (connection, security.server_uri.clone()));
        let before = core::mem::replace(&mut self.last, next)?;
        let (_, uri) = self.last.as_ref()?;
        (before.1 == *uri).then_some(before.0)
    }

    /// The connection is up: Register.
    pub(super) fn connected(
        &mut self,
        context: &mut Context<'_>,
        connection: ConnectionId,
    ) -> Option<Outcome> {
        match self.state {
            State::Connecting(own) if own == connection => self.register(context, connection),
            _ => None,
        }
    }

    /// Sends the Register (TS 8.2.4).
    fn register(&mut self, context: &mut Context<'_>, connection: ConnectionId) -> Option<Outcome> {
        self.deadline = None;
        self.state = State::Waiting(Some(connection));
        let request = context.parameters(self.account).and_then(|parameters| {
            let message = register_message(context.endpoint_name, &parameters).ok()?;
            let options = RequestOptions::default();
            let sent = context
                .endpoint
                .request(context.now, connection, message, options);
            Some((sent.ok()?, parameters))
        });
        match request {
            Some((request, sent)) => {
                self.state = State::Registering {
                    connection,
                    request,
                    sent,
                    at: context.now,
                };
                None
            }
            None => Some(self.fail(context, RegistrationFailure::Unsendable)),
        }
    }

    /// An answer to a request that [`owns`](Self::owns) says is ours.
    pub(super) fn answered(
        &mut self,
        context: &mut Context<'_>,
        response: &MessageRef<'_>,
    ) -> Option<Outcome> {
        match core::mem::replace(&mut self.state, State::Offline) {
            State::Registering {
                connection,
                sent,
                at,
                ..
            } => Some(self.registered(context, connection, sent, at, response)),
            State::Registered(registered) => Some(self.updated(context, registered, response)),
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
        context: &mut Context<'_>,
        connection: ConnectionId,
        known: Parameters,
        at: Instant,
        response: &MessageRef<'_>,
    ) -> Outcome {
        self.state = State::Waiting(Some(connection));
        if response.code() != Code::CREATED {
            return self.fail(context, RegistrationFailure::Refused(response.code()));
        }
        let location = match Location::of(response) {
            Ok(location) => location,
            Err(reason) => return self.fail(context, reason),
        };
        self.failures = 0;
        self.deadline = Some(at + update_after(known.lifetime, context.max_transmit_wait));
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
        context: &mut Context<'_>,
        mut registered: Registered,
        response: &MessageRef<'_>,
    ) -> Outcome {
        let connection = registered.connection;
        match (response.code(), registered.update.take()) {
            (Code::CHANGED, Some((_, sent, at))) => {
                self.deadline = Some(at + update_after(sent.lifetime, context.max_transmit_wait));
                registered.known = sent;
                self.state = State::Registered(registered);
                Outcome::Updated
            }
            // The server does not know the registration: register anew, at once (TS 8.2.4).
            (Code::NOT_FOUND, _) => {
                let reason = RegistrationFailure::Refused(Code::NOT_FOUND);
                let outcome = self.register(context, connection);
                outcome.unwrap_or(Outcome::Failed {
                    reason,
                    retry: Some(context.now),
                })
            }
            (code, _) => {
                self.state = State::Waiting(Some(connection));
                self.fail(context, RegistrationFailure::Refused(code))
            }
        }
    }

    /// A request of ours got no answer.
    pub(super) fn unanswered(
        &mut self,
        context: &mut Context<'_>,
        reason: RegistrationFailure,
    ) -> Outcome {
        match self.state {
            State::Deregistering { .. } => {
                self.state = State::Offline;
                self.deadline = None;
                Outcome::DeregisterFailed(reason)
            }
            _ => self.fail(context, reason),
        }
    }

    /// The connection is lost, or could not be made.
    pub(super) fn disconnected(&mut self, context: &mut Context<'_>) -> Outcome {
        let deregistering = matches!(self.state, State::Deregistering { .. });
        self.state = State::Waiting(None);
        if deregistering {
            self.state = State::Offline;
            self.deadline = None;
            return Outcome::DeregisterFailed(RegistrationFailure::Disconnected);
        }
        self.fail(context, RegistrationFailure::Disconnected)
    }

    /// Waits, longer with each failure in a row.
    fn fail(&mut self, context: &mut Context<'_>, reason: RegistrationFailure) -> Outcome {
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
        let retry = context.now + (context.retry_after)(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.deadline = Some(retry);
        Outcome::Failed {
            reason,
            retry: Some(retry),
        }
    }

    /// The deadline has come: the lifetime wants an Update, or the next attempt begins.
    pub(super) fn due(&mut self, context: &mut Context<'_>) -> Option<Outcome> {
        self.deadline = None;
        match self.state {
            State::Registered(_) => self.update(context),
            State::Waiting(None) => Some(Outcome::Connect),
            State::Waiting(Some(connection)) => self.register(context, connection),
            _ => None,
        }
    }

    /// After an answer: the De-register or the Update that was asked for meanwhile, or the Update
    /// that a change asks for.
    pub(super) fn follow_up(&mut self, context: &mut Context<'_>) -> Option<Outcome> {
        let State::Registered(registered) = &mut self.state else {
            return None;
        };
        if core::mem::take(&mut self.leaving) {
            return self.deregister(context);
        }
        if core::mem::take(&mut registered.again) {
            self.update(context)
        } else {
            self.refresh(context)
        }
    }

    /// Sends an Update if something that the server knows has changed (TS 5.3.2). While one is under
    /// way, its answer comes first: [`follow_up`](Self::follow_up) looks again.
    pub(super) fn refresh(&mut self, context: &mut Context<'_>) -> Option<Outcome> {
        let State::Registered(registered) = &self.state else {
            return None;
        };
        if registered.update.is_some() {
            return None;
        }
        let parameters = context.parameters(self.account)?;
        if parameters == registered.known {
            return None;
        }
        self.update(context)
    }

    /// Sends an Update with what has changed and nothing else (TS 5.3.2, Table 9).
    pub(super) fn update(&mut self, context: &mut Context<'_>) -> Option<Outcome> {
        let State::Registered(registered) = &mut self.state else {
            return None;
        };
        if registered.update.is_some() {
            registered.again = true;
            return None;
        }
        let parameters = context.parameters(self.account);
        let parameters = parameters.unwrap_or_else(|| registered.known.clone());
        let request = update_message(&registered.location, &registered.known, &parameters).ok();
        let request = request.and_then(|message| {
            let options = RequestOptions::default();
            context
                .endpoint
                .request(context.now, registered.connection, message, options)
                .ok()
        });
        match request {
            Some(request) => {
                registered.update = Some((request, parameters, context.now));
                None
            }
            None => Some(self.fail(context, RegistrationFailure::Unsendable)),
        }
    }

    /// Sends a De-register (TS 5.3.3); without a registration there is none to send.
    ///
    /// While the Register is under way the server may have taken it, so its answer is waited for.
    pub(super) fn deregister(&mut self, context: &mut Context<'_>) -> Option<Outcome> {
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
        let message = registered.location.request(Method::Delete).ok();
        let request = message.and_then(|message| {
            let options = RequestOptions::default();
            context
                .endpoint
                .request(context.now, registered.connection, message, options)
                .ok()
        });
        match request {
            Some(request) => {
                self.state = State::Deregistering {
                    connection: registered.connection,
                    request,
                };
                None
            }
            None => Some(Outcome::DeregisterFailed(RegistrationFailure::Unsendable)),
        }
    }
}

/// When an Update follows: early enough that all its retransmissions fit into the lifetime, and
/// never before half of it.
fn update_after(lifetime: u32, max_transmit_wait: Duration) -> Duration {
    let lifetime = Duration::from_secs(lifetime.into());
    lifetime.saturating_sub(max_transmit_wait.min(lifetime / 2))
}

/// `POST /rd?ep=…&lt=…&lwm2m=1.0&b=…` with the object list (TS 8.2.4).
fn register_message(
    endpoint_name: &str,
    parameters: &Parameters,
) -> Result<MessageBuf, OptionError> {
    let mut message =
        MessageBuf::request_with_capacity(Method::Post, 96 + parameters.objects.len());
    message
        .uri_path("rd")?
        .content_format(ContentFormat::LINK_FORMAT)?;
    query(&mut message, format_args!("ep={endpoint_name}"))?;
    query(&mut message, format_args!("lt={}", parameters.lifetime))?;
    query(
        &mut message,
        format_args!("lwm2m={}", lwm2m_core::Version::INITIAL),
    )?;
    query(&mut message, format_args!("b={}", parameters.binding))?;
    message.payload(&parameters.objects);
    Ok(message)
}

/// `POST /{location}` with what has changed.
fn update_message(
    location: &Location,
    known: &Parameters,
    now: &Parameters,
) -> Result<MessageBuf, OptionError> {
    let mut message = location.request(Method::Post)?;
    let objects = (known.objects != now.objects).then_some(&now.objects);
    if objects.is_some() {
        message.content_format(ContentFormat::LINK_FORMAT)?;
    }
    if known.lifetime != now.lifetime {
        query(&mut message, format_args!("lt={}", now.lifetime))?;
    }
    if known.binding != now.binding {
        query(&mut message, format_args!("b={}", now.binding))?;
    }
    if let Some(objects) = objects {
        message.payload(objects);
    }
    Ok(message)
}

fn query(message: &mut MessageBuf, query: fmt::Arguments<'_>) -> Result<(), OptionError> {
    message.uri_query_display(&query).map(drop)
}
