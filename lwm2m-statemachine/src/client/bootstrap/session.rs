//! One bootstrap on one connection, from the connection to the Finish (TS 5.2.3.3, 5.2.3.4).
//!
//! ```text
//! by the Client  Connecting ─ connected ─> Requesting ─┐ 2.04, or a command
//!                                                      ├───────────────────> Open ─ Finish ─> Finished
//! by the server  Waiting ──────────────────────────────┘ a command
//! ```

use core::time::Duration;

use lwm2m_core::{BootstrapParameters, EndpointName, Instant, Method};

use super::super::{
    accounts::Access,
    event::{AccountId, BootstrapFailure, BootstrapInitiator, ConnectionId},
};
use crate::coap::{Endpoint, MessageBuf, OptionError, RequestId, RequestOptions};

/// One bootstrap.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) account: AccountId,
    /// What the connection is made with.
    pub(super) access: Access,
    pub(super) connection: ConnectionId,
    pub(super) by: BootstrapInitiator,
    stage: Stage,
    /// When it ends if nothing comes.
    deadline: Option<Instant>,
    /// When it ends whatever comes, once it is open.
    end: Option<Instant>,
}

/// How long a bootstrap may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long the next command, or the Finish, is waited for (TS 5.2.3.3).
    pub(super) exchange_lifetime: Duration,
    /// How long the Finish is waited for in all.
    pub(super) longest: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The application is asked for a connection.
    Connecting,
    /// The Bootstrap-Request is sent, and nothing has come.
    Requesting(RequestId),
    /// The Bootstrap-Server has begun the connection, and nothing has come.
    Waiting,
    /// The commands come. The answer to the Bootstrap-Request may come still.
    Open(Option<RequestId>),
    /// All is done. The answer to the Finish may have to be repeated.
    Finished,
}

/// What a request of the Bootstrap-Server means for its bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the first one.
    First,
    /// It is another one.
    Next,
    /// It comes too early or too late.
    Strange,
}

impl Session {
    /// The Client asks for a connection.
    pub(super) const fn connecting(
        account: AccountId,
        access: Access,
        connection: ConnectionId,
    ) -> Self {
        Self {
            account,
            access,
            connection,
            by: BootstrapInitiator::Client,
            stage: Stage::Connecting,
            deadline: None,
            end: None,
        }
    }

    /// The Bootstrap-Server has begun a connection; its first command is waited for until then.
    pub(super) const fn waiting(
        account: AccountId,
        access: Access,
        connection: ConnectionId,
        until: Instant,
    ) -> Self {
        Self {
            account,
            access,
            connection,
            by: BootstrapInitiator::BootstrapServer,
            stage: Stage::Waiting,
            deadline: Some(until),
            end: None,
        }
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the connection is up.
    pub(super) const fn is_up(&self) -> bool {
        !matches!(self.stage, Stage::Connecting)
    }

    /// Whether commands are taken. If they may be old, not before the answer to the Bootstrap-Request.
    pub(super) const fn takes_commands(&self, may_be_old: bool) -> bool {
        match self.stage {
            Stage::Connecting | Stage::Finished => false,
            Stage::Requesting(_) => !may_be_old,
            Stage::Waiting | Stage::Open(_) => true,
        }
    }

    /// Whether the commands come.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    pub(super) const fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Finished)
    }

    /// The Bootstrap-Request without an outcome.
    pub(super) const fn request(&self) -> Option<RequestId> {
        match self.stage {
            Stage::Requesting(request) => Some(request),
            Stage::Open(request) => request,
            Stage::Connecting | Stage::Waiting | Stage::Finished => None,
        }
    }

    /// The connection is up: the Bootstrap-Request is sent (TS 5.2.7.1). Returns whether it was waited for.
    pub(super) fn connected(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint<ConnectionId>,
        name: &EndpointName<'_>,
    ) -> Result<bool, BootstrapFailure> {
        if self.stage != Stage::Connecting {
            return Ok(false);
        }
        let message = bootstrap_request(name).map_err(|_| BootstrapFailure::Unusable)?;
        let options = RequestOptions::default();
        let request = endpoint.request(now, self.connection, message, options);
        let request = request.map_err(BootstrapFailure::Overload)?;
        self.stage = Stage::Requesting(request);
        Ok(true)
    }

    /// A request has come. Each one counts, whatever its answer: the Finish is waited for EXCHANGE_LIFETIME longer.
    pub(super) fn arrived(&mut self, now: Instant, limits: Limits) -> Arrival {
        match self.stage {
            Stage::Connecting | Stage::Finished => return Arrival::Strange,
            Stage::Open(_) => {
                self.wait(now, limits);
                return Arrival::Next;
            }
            Stage::Requesting(_) | Stage::Waiting => {}
        }
        self.open(now, limits);
        Arrival::First
    }

    /// The Bootstrap-Request was accepted. Returns whether that is the first sign of the Bootstrap-Server: its
    /// commands may come before its answer, and then the time counts from them.
    pub(super) fn accepted(&mut self, now: Instant, limits: Limits) -> bool {
        let is_first = matches!(self.stage, Stage::Requesting(_));
        if is_first {
            self.open(now, limits);
        }
        self.forget_request();
        is_first
    }

    /// The Bootstrap-Request got no answer. Returns whether that matters: not once there were commands.
    pub(super) fn unanswered(&mut self) -> bool {
        let matters = matches!(self.stage, Stage::Requesting(_));
        self.forget_request();
        matters
    }

    /// All is done; the answer to the Finish may be repeated until then.
    pub(super) fn finished(&mut self, until: Instant) {
        self.stage = Stage::Finished;
        self.deadline = Some(until);
    }

    fn open(&mut self, now: Instant, limits: Limits) {
        self.stage = Stage::Open(self.request());
        self.end = Some(now + limits.longest);
        self.wait(now, limits);
    }

    fn wait(&mut self, now: Instant, limits: Limits) {
        let next = now + limits.exchange_lifetime;
        self.deadline = Some(self.end.map_or(next, |end| end.min(next)));
    }

    const fn forget_request(&mut self) {
        if let Stage::Open(request) = &mut self.stage {
            *request = None;
        }
    }
}

/// `POST /bs?ep=…` (TS 8.2.3).
fn bootstrap_request(name: &EndpointName<'_>) -> Result<MessageBuf, OptionError> {
    let mut message = MessageBuf::request(Method::Post);
    message.uri_path("bs")?;
    let parameters = BootstrapParameters {
        endpoint: name.clone(),
    };
    for query in parameters.queries() {
        message.uri_query_display(&query)?;
    }
    Ok(message)
}
