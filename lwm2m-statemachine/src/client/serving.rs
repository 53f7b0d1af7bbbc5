//! What a Client does for its servers: operations (TS 5.4), observations and notifications
//! (TS 5.5).

use alloc::{collections::BTreeMap, vec::Vec};

use lwm2m_core::{Instant, ObjectId, Operation, Path, ResourceId, ShortServerId};
use lwm2m_objects::{ObjectTree, Typed, typed};

use super::{
    Client,
    changed::Changed,
    config::Reliability,
    dispatch::{self, Defaults, Effect, Served},
    event::{ClientEvent, ConnectionId},
    observation::{Observation, ObservationId, Observer, Periods},
    registration::Registration,
};
use crate::coap::{MessageBuf, MessageRef, NotificationId, NotifyOptions, Responder, Token};

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
        let Some(server) = self.server_at(from) else {
            self.endpoint.ignore(responder);
            return;
        };
        let observer = Observer {
            server,
            connection: from,
            entry: self.endpoint.observer(now, &responder),
        };
        let defaults = Defaults {
            single_resource_format: self.config.single_resource_format,
            observe: (self.observations.len() < self.config.most_observations
                || self.observations.contains(from, observer.token()))
            .then(|| self.observations.number()),
        };
        // Times are read as of now.
        self.tree.handle_timeout(now);
        let Served { answer, effect } = dispatch::serve(&mut self.tree, request, body, defaults);
        // The answer may not be sendable any more (the peer is gone); the effect stands.
        let _ = self.endpoint.respond(now, responder, answer);
        self.effect(now, observer, effect);
    }

    /// What follows from a request. The answer is queued already, so it leaves first.
    fn effect(&mut self, now: Instant, observer: Observer, effect: Effect) {
        let server = observer.server;
        match effect {
            Effect::None => {}
            Effect::Written {
                changes,
                differences,
            } => {
                self.follow(now, differences);
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
                    .add(now, observer, path, format, periods, &mut self.timers);
                self.events
                    .push_back(ClientEvent::Observed { server, path });
            }
            Effect::Cancel { path } => self.cancel(now, &observer, path),
        }
    }

    /// Ends the observation that has the token of the request (RFC 7641 §4.1). A token of none ends
    /// all of the server on this path and below, as deployed servers mean it (TS 8.2.6); not on the
    /// root, which is no target of the operation.
    fn cancel(&mut self, now: Instant, observer: &Observer, path: Path) {
        let (connection, token) = (observer.connection, observer.token());
        let one = self.observations.contains(connection, token);
        let is_target = Operation::CancelObservation.may_target(&path);
        self.end_observations(now, |observation| {
            if one {
                observation.observer.has(connection, token)
            } else {
                observation.observer.connection == connection
                    && is_target
                    && path.contains(&observation.path)
            }
        });
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
        let number = self.observations.number();
        let Some(observation) = self.observations.due(id) else {
            return;
        };
        observation.notify(now);
        let (path, format) = (observation.path, observation.format);
        let Observer {
            server,
            connection,
            entry,
        } = &mut observation.observer;
        let (server, connection, token) = (*server, *connection, entry.token());
        let options = NotifyOptions {
            confirmable: self.config.notifications == Reliability::Confirmable,
            resource: Some(entry.resource()),
            ..NotifyOptions::default()
        };
        match dispatch::content(&self.tree, path, format, Some(number)) {
            Ok(message) => {
                // Over the endpoint's bounds this one is lost; the next carries the newer value.
                let _ = self
                    .endpoint
                    .notify_observer(now, connection, entry, message, options);
                let periods = periods(&self.tree, &self.registrations, server);
                observation.arm(id, periods, &mut self.timers);
            }
            // What cannot be read any more ends the observation with its error (RFC 7641 §4.2).
            // None follows that could make up for its loss.
            Err(code) => {
                self.end_observations(now, |observation| {
                    observation.observer.has(connection, token)
                });
                let message = MessageBuf::response(code);
                let options = NotifyOptions {
                    confirmable: true,
                    ..options
                };
                let _ = self
                    .endpoint
                    .notify(now, connection, token, message, options);
            }
        }
    }

    /// A notification was rejected, or not acknowledged: its observation ends. One that came later
    /// with the same token is another.
    pub(super) fn unobserve(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        token: Token,
        notification: NotificationId,
    ) {
        self.end_observations(now, |observation| {
            observation.observer.has(connection, token) && observation.has_sent(notification)
        });
    }

    /// Ends observations, and what is still being sent of them.
    pub(super) fn end_observations(&mut self, now: Instant, of: impl Fn(&Observation) -> bool) {
        for ended in self.observations.end(&mut self.timers, of) {
            self.endpoint.end_notifications(
                now,
                &ended.observer.connection,
                ended.observer.token(),
            );
            self.events.push_back(ClientEvent::ObservationEnded {
                server: ended.observer.server,
                path: ended.path,
            });
        }
    }

    /// Something at these paths has changed: who observes it is to be notified, and every server to
    /// be told what it changes of what it knows. What nobody can read changes nothing for them.
    pub(super) fn follow(&mut self, now: Instant, paths: impl IntoIterator<Item = Path>) {
        let paths = paths.into_iter();
        let changed = Changed::new(paths.filter(|path| self.can_be_read(*path)));
        let mut known = BTreeMap::new();
        let periods = |server| {
            *known
                .entry(server)
                .or_insert_with(|| periods(&self.tree, &self.registrations, server))
        };
        self.observations
            .changed(&changed, periods, &mut self.timers);
        if changed.touches_registrations() {
            self.refresh(now);
        }
    }

    /// Whether servers can read what is at `path`, by its definition.
    fn can_be_read(&self, path: Path) -> bool {
        let object = path
            .object()
            .and_then(|object| self.tree.definition(object));
        let resource = object.zip(path.resource());
        let resource = resource.and_then(|(object, resource)| object.resource(resource));
        resource.is_none_or(|resource| resource.operations.readable())
    }

    /// What Objects have changed by themselves.
    pub(super) fn follow_objects(&mut self, now: Instant) {
        let changed: Vec<Path> = core::iter::from_fn(|| self.tree.poll_changed()).collect();
        if !changed.is_empty() {
            self.follow(now, changed);
        }
    }

    /// Whether operations that come on this connection are served.
    pub(super) fn serves(&self, connection: ConnectionId) -> bool {
        self.registrations.iter().any(|registration| {
            registration.connection() == Some(connection) && registration.is_registered()
        })
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
        .and_then(|registration| typed::Server::load(tree, registration.account.server_instance));
    let (minimum, maximum) = server
        .map(|server| (server.default_minimum_period, server.default_maximum_period))
        .unwrap_or_default();
    Periods::new(minimum, maximum)
}
