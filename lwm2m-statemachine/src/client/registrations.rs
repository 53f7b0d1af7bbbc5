//! The registrations of a Client, and the connections that they are on (TS 5.3).

mod location;
mod parameters;
mod registration;
mod retry;

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use lwm2m_core::{EndpointName, InstanceId, Instant, ShortServerId};
use lwm2m_objects::{Account, ObjectTree, Typed as _, typed::Security};

use self::registration::{Outcome, Registration, Step};
pub(super) use self::retry::Retry;
use super::{
    accounts::Caller,
    event::{ClientEvent, ConnectionId, RegistrationFailure},
    timers::{Timer, Timers},
};
use crate::coap::{Endpoint, MessageRef, RequestId};

/// The registrations of a Client, one for each account, and the names of their connections.
#[derive(Debug)]
pub(super) struct Registrations {
    all: Vec<Registration>,
    endpoint_name: EndpointName<'static>,
    max_transmit_wait: Duration,
    retry: Retry,
    next_connection: u32,
    reports: VecDeque<Report>,
}

/// What registrations need for a step.
pub(super) struct Context<'c> {
    pub(super) now: Instant,
    pub(super) tree: &'c ObjectTree,
    pub(super) endpoint: &'c mut Endpoint<ConnectionId>,
    pub(super) timers: &'c mut Timers,
}

/// What registrations ask of the Client.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "few, and taken out at once")]
pub(super) enum Report {
    /// The registration on this connection has ended, and with it the server's observations and
    /// deferred requests.
    ServiceEnded(ConnectionId),
    /// Tell the application.
    Tell(ClientEvent),
    /// The connection is no longer needed.
    Close(ConnectionId),
}

impl Registrations {
    pub(super) fn new(
        accounts: Vec<Account>,
        endpoint_name: EndpointName<'static>,
        max_transmit_wait: Duration,
        retry: Retry,
    ) -> Self {
        Self {
            all: accounts.into_iter().map(Registration::new).collect(),
            endpoint_name,
            max_transmit_wait,
            retry,
            next_connection: 0,
            reports: VecDeque::new(),
        }
    }

    /// The next report. There may be new ones after every call that takes a [`Context`].
    pub(super) fn poll(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// Asks for a connection to every server that has none.
    pub(super) fn start(&mut self, context: &mut Context<'_>) {
        for server in self.servers() {
            if self.find(server).is_some_and(Registration::is_offline) {
                self.connect(context, server);
            }
        }
    }

    pub(super) fn connected(&mut self, context: &mut Context<'_>, connection: ConnectionId) {
        if let Some(server) = self.server_at(connection) {
            self.step(context, server, |registration, context| {
                registration.connected(context, connection)
            });
        }
    }

    /// A connection is lost, so it needn't be closed.
    pub(super) fn disconnected(&mut self, context: &mut Context<'_>, connection: ConnectionId) {
        if let Some(server) = self.server_at(connection) {
            let outcome = self.run(context, server, |registration, context| {
                Some(registration.disconnected(context))
            });
            self.act(context, server, None, outcome);
        }
    }

    /// Sends an Update to a server, if the Client is registered with it.
    pub(super) fn update(&mut self, context: &mut Context<'_>, server: ShortServerId) {
        self.step(context, server, Registration::update);
    }

    /// Sends an Update to every server whose information is out of date.
    pub(super) fn refresh(&mut self, context: &mut Context<'_>) {
        for server in self.servers() {
            self.step(context, server, Registration::refresh);
        }
    }

    /// De-registers from every server.
    pub(super) fn deregister(&mut self, context: &mut Context<'_>) {
        for server in self.servers() {
            self.step(context, server, Registration::deregister);
        }
    }

    /// The deadline of a registration has passed.
    pub(super) fn due(&mut self, context: &mut Context<'_>, server: ShortServerId) {
        if let Some(registration) = self.find_mut(server) {
            registration.armed = None;
        }
        self.step(context, server, Registration::due);
    }

    /// The answer to a request.
    pub(super) fn answered(
        &mut self,
        context: &mut Context<'_>,
        request: RequestId,
        response: &MessageRef<'_>,
    ) {
        if let Some(server) = self.owner(request) {
            self.step(context, server, |registration, context| {
                registration.answered(context, response)
            });
            // Something may have changed while the request was under way.
            self.step(context, server, Registration::follow_up);
        }
    }

    /// A request got no answer.
    pub(super) fn unanswered(
        &mut self,
        context: &mut Context<'_>,
        request: RequestId,
        reason: RegistrationFailure,
    ) {
        if let Some(server) = self.owner(request) {
            self.step(context, server, |registration, context| {
                Some(registration.unanswered(context, reason))
            });
        }
    }

    /// The caller on a connection, if requests on it are served: not before the Register is
    /// answered (TS 5.4).
    pub(super) fn caller(&self, connection: ConnectionId) -> Option<Caller> {
        let mut all = self.all.iter();
        let at = |registration: &&Registration| registration.connection() == Some(connection);
        let registration = all.find(at).filter(|at| at.is_registered())?;
        Some(Caller::Server(registration.server()))
    }

    /// Whether the Client is registered with a server.
    pub(super) fn is_registered(&self, server: ShortServerId) -> bool {
        self.find(server).is_some_and(Registration::is_registered)
    }

    /// The Server Object Instance of a server.
    pub(super) fn server_instance(&self, server: ShortServerId) -> Option<InstanceId> {
        Some(self.find(server)?.account.server_instance)
    }

    /// The server of a Server Object Instance.
    pub(super) fn server_of(&self, server_instance: InstanceId) -> Option<ShortServerId> {
        let mut all = self.all.iter();
        all.find(|registration| registration.account.server_instance == server_instance)
            .map(Registration::server)
    }

    fn servers(&self) -> Vec<ShortServerId> {
        self.all.iter().map(Registration::server).collect()
    }

    fn find(&self, server: ShortServerId) -> Option<&Registration> {
        let mut all = self.all.iter();
        all.find(|registration| registration.server() == server)
    }

    fn find_mut(&mut self, server: ShortServerId) -> Option<&mut Registration> {
        let mut all = self.all.iter_mut();
        all.find(|registration| registration.server() == server)
    }

    fn server_at(&self, connection: ConnectionId) -> Option<ShortServerId> {
        let mut all = self.all.iter();
        all.find(|registration| registration.connection() == Some(connection))
            .map(Registration::server)
    }

    fn owner(&self, request: RequestId) -> Option<ShortServerId> {
        let mut all = self.all.iter();
        all.find(|registration| registration.owns(request))
            .map(Registration::server)
    }

    /// Runs a step of a registration, and does what it asks for.
    fn step(
        &mut self,
        context: &mut Context<'_>,
        server: ShortServerId,
        step: impl FnOnce(&mut Registration, &mut Step<'_>) -> Option<Outcome>,
    ) {
        let connection = self.find(server).and_then(Registration::connection);
        let outcome = self.run(context, server, step);
        self.act(context, server, connection, outcome);
    }

    /// Runs a step of a registration; returns what it asks for.
    fn run(
        &mut self,
        context: &mut Context<'_>,
        server: ShortServerId,
        step: impl FnOnce(&mut Registration, &mut Step<'_>) -> Option<Outcome>,
    ) -> Option<Outcome> {
        let mut all = self.all.iter_mut();
        let registration = all.find(|registration| registration.server() == server)?;
        let before = registration.connection();
        let before = before.filter(|_| registration.is_registered());
        let outcome = step(
            registration,
            &mut Step {
                now: context.now,
                tree: context.tree,
                endpoint: context.endpoint,
                endpoint_name: &self.endpoint_name,
                max_transmit_wait: self.max_transmit_wait,
                retry: &mut self.retry,
            },
        );
        context.timers.set(
            Timer::Registration(server),
            &mut registration.armed,
            registration.deadline,
        );
        // Observations live as long as the registration (TS 5.5.1).
        if let Some(connection) = before
            && !registration.is_registered()
        {
            self.reports.push_back(Report::ServiceEnded(connection));
        }
        outcome
    }

    /// Does what a step asks for. `connection` is the one that the registration was on.
    fn act(
        &mut self,
        context: &mut Context<'_>,
        server: ShortServerId,
        connection: Option<ConnectionId>,
        outcome: Option<Outcome>,
    ) {
        let Some(outcome) = outcome else { return };
        let (event, closes) = match outcome {
            Outcome::Connect => return self.connect(context, server),
            Outcome::Disconnect => (None, true),
            Outcome::Registered { location } => {
                (Some(ClientEvent::Registered { server, location }), false)
            }
            Outcome::Updated => (Some(ClientEvent::Updated { server }), false),
            Outcome::Failed { reason, retry } => {
                let event = ClientEvent::RegistrationFailed {
                    server,
                    reason,
                    retry,
                };
                (Some(event), retry.is_none())
            }
            Outcome::Deregistered => (Some(ClientEvent::Deregistered { server }), true),
            Outcome::DeregisterFailed(reason) => {
                (Some(ClientEvent::DeregisterFailed { server, reason }), true)
            }
        };
        self.reports.extend(event.map(Report::Tell));
        self.reports
            .extend(connection.filter(|_| closes).map(Report::Close));
    }

    /// A name that no connection has had.
    pub(super) fn name_connection(&mut self) -> ConnectionId {
        let connection = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.wrapping_add(1);
        connection
    }

    /// Asks the application for a connection to a server.
    fn connect(&mut self, context: &mut Context<'_>, server: ShortServerId) {
        let connection = self.name_connection();
        let Some(registration) = self.find_mut(server) else {
            return;
        };
        let security = Security::load(context.tree, registration.account.security_instance);
        if let Some(before) = registration.connecting(connection, security.as_ref()) {
            // A copy of a request that arrives on the new connection isn't run again.
            context.endpoint.rename_peer(&before, connection);
        }
        if let Some(security) = security {
            self.reports.push_back(Report::Tell(ClientEvent::Connect {
                connection,
                server,
                uri: security.server_uri.clone(),
                security,
            }));
        }
    }
}
