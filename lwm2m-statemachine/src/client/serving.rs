//! What a Client does for its servers: operations (TS 5.4), observations and notifications
//! (TS 5.5).

use lwm2m_core::{Instant, ObjectId, Path, ResourceId, ShortServerId};
use lwm2m_objects::{Change, ObjectTree, Server, Typed};

use super::{
    Client,
    config::Reliability,
    dispatch::{self, Defaults, Effect, Served},
    event::{ClientEvent, ConnectionId},
    observation::{Observation, ObservationId, Periods},
    registration::Registration,
};
use crate::coap::{MessageBuf, MessageRef, NotifyOptions, Responder, Token};

/// Registration Update Trigger of the Server Object (TS E.2).
const REGISTRATION_UPDATE_TRIGGER: ResourceId = ResourceId::new(8);

/// From requests to answers and effects.
impl Client {
    pub(super) fn serve(
        &mut self,
        now: Instant,
        from: ConnectionId,
        responder: Responder,
        request: &MessageRef<'_>,
        body: &[u8],
    ) {
        // Who is no server of ours, or not yet, gets silence (TS 5.4).
        let registered = self.registrations.iter().find(|registration| {
            registration.connection() == Some(from) && registration.is_registered()
        });
        let Some(server) = registered.map(Registration::server) else {
            self.endpoint.ignore(responder);
            return;
        };
        let defaults = Defaults {
            single_resource_format: self.config.single_resource_format,
            may_observe: self.observations.len() < self.config.most_observations,
        };
        let token = responder.token();
        let Served { answer, effect } = dispatch::serve(&mut self.tree, request, body, defaults);
        // The answer may not be sendable any more (the peer is gone); the effect stands.
        let _ = self.endpoint.respond(now, responder, answer);
        self.effect(now, (server, from, token), effect);
    }

    /// What follows from a request. The answer is queued already, so it leaves first.
    pub(super) fn effect(
        &mut self,
        now: Instant,
        requester: (ShortServerId, ConnectionId, Token),
        effect: Effect,
    ) {
        let (server, connection, token) = requester;
        match effect {
            Effect::None => {}
            Effect::Written(changes) => {
                let periods = |server| periods(&self.tree, &self.registrations, server);
                for path in changes.iter().map(Change::path) {
                    self.observations.changed(path, periods, &mut self.timers);
                }
                self.refresh(now);
                self.events
                    .push_back(ClientEvent::Written { server, changes });
            }
            Effect::Execute { path, arguments } => match self.triggered(path) {
                Some(server) => self.update(now, server),
                None => self.events.push_back(ClientEvent::Execute {
                    server,
                    path,
                    arguments,
                }),
            },
            Effect::Observe { path, format } => {
                let periods = periods(&self.tree, &self.registrations, server);
                self.observations
                    .add(now, requester, path, format, periods, &mut self.timers);
                self.events
                    .push_back(ClientEvent::Observed { server, path });
            }
            Effect::Cancel { path } => self.end_observations(|observation| {
                let own = observation.token == token && observation.path == path;
                let below = observation.path != path && path.contains(&observation.path);
                observation.connection == connection && (own || below)
            }),
        }
    }

    /// The server whose Registration Update Trigger this is.
    pub(super) fn triggered(&self, path: Path) -> Option<ShortServerId> {
        match path {
            Path::Resource(ObjectId::SERVER, instance, REGISTRATION_UPDATE_TRIGGER) => self
                .registrations
                .iter()
                .find(|registration| registration.account.server_instance == instance)
                .map(Registration::server),
            _ => None,
        }
    }
}

/// Observations.
impl Client {
    /// A notification is due (TS 5.5.2). It tells the value of this moment.
    pub(super) fn notify(&mut self, now: Instant, id: ObservationId) {
        let Some(observation) = self.observations.due(id) else {
            return;
        };
        let (sequence, confirm) = observation.notify(now);
        let (connection, token) = (observation.connection, observation.token);
        let (server, path, format) = (observation.server, observation.path, observation.format);
        let confirmable = confirm || self.config.notifications == Reliability::Confirmable;
        let message = dispatch::content(&self.tree, path, format, Some(sequence));
        let gone = message.is_err();
        // What cannot be read any more ends the observation with its error (RFC 7641 §4.2).
        let message = message.unwrap_or_else(MessageBuf::response);
        let options = NotifyOptions {
            confirmable,
            ..NotifyOptions::default()
        };
        let sent = self
            .endpoint
            .notify(now, connection, token, message, options);
        if gone {
            self.unobserve(connection, token);
        } else {
            // Over the endpoint's bounds this one is lost; the next carries the newer value.
            let _ = sent;
            let periods = periods(&self.tree, &self.registrations, server);
            if let Some(observation) = self.observations.get_mut(id) {
                observation.arm(id, periods, &mut self.timers);
            }
        }
    }

    pub(super) fn unobserve(&mut self, connection: ConnectionId, token: Token) {
        self.end_observations(|observation| {
            observation.connection == connection && observation.token == token
        });
    }

    pub(super) fn end_observations(&mut self, of: impl Fn(&Observation) -> bool) {
        for (server, path) in self.observations.end(&mut self.timers, of) {
            self.events
                .push_back(ClientEvent::ObservationEnded { server, path });
        }
    }
}

/// The periods of an observation: the defaults of the Server Object (TS E.2).
pub(super) fn periods(
    tree: &ObjectTree,
    registrations: &[Registration],
    server: ShortServerId,
) -> Periods {
    let registration = registrations
        .iter()
        .find(|registration| registration.server() == server);
    let server = registration
        .and_then(|registration| Server::load(tree, registration.account.server_instance));
    let (minimum, maximum) = server
        .map(|server| (server.default_minimum_period, server.default_maximum_period))
        .unwrap_or_default();
    Periods::new(minimum, maximum)
}
