//! Where datagrams and the passing of time go: each to the part that handles it.

use lwm2m_core::{CodeKind, Instant};

use super::{
    accounts::{Caller, Origin},
    bootstrap::Bootstrap,
    event::{BootstrapFailure, ConnectionId, RegistrationFailure},
    parts::Parts,
    registrations::{self, Registrations},
    requests::Block,
    statistics,
    timers::Timer,
};
use crate::{
    coap::{DatagramError, Incoming, MessageRef},
    machine::Datagram,
};

/// What arrives, and what is due.
impl Parts {
    /// Takes a datagram, unless it is met with silence.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_, ConnectionId>,
    ) -> Result<(), DatagramError> {
        self.expire(now);
        self.fall_asleep(now);
        let connection = datagram.from;
        let is_in_use =
            self.registrations.is_up(connection) || self.downloads.at(connection).is_some();
        let is_of_bootstrap = self.bootstrap.is_up(connection);
        if self.registrations.is_offline() || !(is_in_use || is_of_bootstrap) {
            return Ok(());
        }
        let datagram = &Datagram {
            channel: self.registrations.channel(connection),
            ..*datagram
        };
        statistics::received(&mut self.tree, now, datagram);
        let origin = self.origin(now, connection);
        let is_request = is_request(datagram.payload);
        // Requests before the registration is answered, after its lifetime and in a bootstrap are met with silence:
        // no acknowledgement and no Reset, so that a retransmission still works (TS 5.3, 5.4). The answer to a
        // Bootstrap-Finish may have to be repeated.
        let is_served = origin.is_some() || self.bootstrap.may_repeat(connection);
        if is_request {
            if !is_served {
                return Ok(());
            }
            // Each block counts, also where the endpoint answers it by itself: EXCHANGE_LIFETIME begins anew.
            if origin.is_some_and(|origin| origin.caller == Caller::BootstrapServer) {
                self.bootstrap(now, |bootstrap, context| {
                    bootstrap.arrived(context, connection);
                });
            }
        }
        let received = self.endpoint.receive(now, datagram);
        let has_woken = received.is_ok()
            && registrations::note(&mut self.registrations, now, connection, is_request);
        let result = received.map(|incoming| {
            if let Some(incoming) = incoming {
                self.route(now, connection, origin, incoming);
            }
        });
        self.drain(now);
        self.follow_objects(now);
        if has_woken {
            // After the answer (TS 8.3).
            self.register(now, Registrations::refresh);
        }
        result
    }

    /// Whose requests are served on a connection: during a bootstrap those of the Bootstrap-Server alone (TS 5.4,
    /// 5.5).
    fn origin(&self, now: Instant, connection: ConnectionId) -> Option<Origin> {
        let (account, caller) = match self.bootstrap.caller(now, connection) {
            Some(account) => (account, Caller::BootstrapServer),
            None if self.tree.is_holding() => return None,
            None => self.registrations.caller(now, connection)?,
        };
        Some(Origin {
            caller,
            account,
            connection,
        })
    }

    /// Does what is due, in the order in which it may be sent.
    pub(super) fn do_what_is_due(&mut self, now: Instant) {
        self.expire(now);
        // Called late, nothing but an Update leaves after the awake time (TS 8.3).
        self.fall_asleep(now);
        self.advance_objects(now);
        self.endpoint.handle_timeout(now);
        self.drain(now);
        // An Update goes out before notifications that were due earlier (TS 8.3).
        self.register(now, Registrations::due);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Registration(account) => self.register(now, |registrations, context| {
                    registrations.timer(context, account);
                }),
                Timer::Observation(id) => {
                    self.report(now, |reporting, context| reporting.due_in_turn(context, id));
                }
                Timer::Stored(account) => {
                    self.report(now, |reporting, context| {
                        reporting.stored_due(context, account);
                    });
                }
                Timer::Kept(account) => {
                    self.report(now, |reporting, context| {
                        reporting.kept_due(context, account);
                    });
                }
                Timer::Deferred(id) => {
                    let effect = self.request(now, |requests, context| requests.due(context, id));
                    self.follow_request(now, effect);
                }
                Timer::Bootstrap => self.bootstrap(now, Bootstrap::due),
                Timer::Flow => self.step_flow(now),
                #[cfg(feature = "smartcard")]
                Timer::Smartcard => {
                    self.register(now, |registrations, _| registrations.card_due());
                }
                Timer::Download(path) => {
                    self.download(now, |downloads, context| downloads.due(context, path));
                    self.follow_objects(now);
                }
            }
        }
        self.fall_asleep(now);
    }
}

/// Incoming messages go to the part that handles them.
impl Parts {
    /// Handles an incoming message.
    fn route(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        origin: Option<Origin>,
        incoming: Incoming<'_>,
    ) {
        match (incoming, origin) {
            (
                Incoming::Request {
                    responder,
                    request,
                    body,
                },
                Some(origin),
            ) => {
                self.advance_objects(now);
                let effect = self.request(now, |requests, context| {
                    requests.serve(context, origin, responder, &request, &body)
                });
                self.follow_request(now, effect);
            }
            (
                Incoming::RequestBlock {
                    responder,
                    transfer,
                    request,
                    offset,
                    more,
                },
                Some(origin),
            ) => {
                let block = Block {
                    transfer,
                    offset,
                    more,
                };
                self.advance_objects(now);
                self.request(now, |requests, context| {
                    requests.serve_block(context, origin, responder, &request, block);
                });
            }
            (
                Incoming::Request { responder, .. } | Incoming::RequestBlock { responder, .. },
                None,
            ) => self.endpoint.ignore(responder),
            (incoming, _) => self.route_response(now, connection, &incoming),
        }
    }

    /// Handles an incoming message that isn't a request.
    fn route_response(&mut self, now: Instant, connection: ConnectionId, incoming: &Incoming<'_>) {
        match *incoming {
            Incoming::Response {
                request,
                ref response,
                ..
            } if self.download(now, |downloads, context| {
                downloads.answered(context, request, response)
            }) => {}
            Incoming::Response {
                request,
                ref response,
                ..
            } if self.bootstrap.owns(request) => self.bootstrap(now, |bootstrap, context| {
                bootstrap.answered(context, response);
            }),
            Incoming::Response {
                request,
                ref response,
                ..
            } => self.register(now, |registrations, context| {
                registrations.answered(context, request, response);
            }),
            Incoming::RequestReset { request }
                if self.download(now, |downloads, context| {
                    downloads.unanswered(context, request)
                }) => {}
            Incoming::RequestReset { request } if self.bootstrap.owns(request) => {
                self.bootstrap(now, |bootstrap, context| {
                    bootstrap.unanswered(context, BootstrapFailure::Reset);
                });
            }
            Incoming::RequestReset { request } => self.register(now, |registrations, context| {
                registrations.unanswered(context, request, RegistrationFailure::Reset);
            }),
            Incoming::NotificationReset {
                token,
                notification,
            } => self.report_on(now, connection, |reporting, context, account| {
                reporting.rejected(context, account, token, notification);
            }),
            Incoming::Acknowledged {
                token,
                notification,
            } => self.report_on(now, connection, |reporting, context, account| {
                reporting.acknowledged(context, account, token, notification);
            }),
            _ => {}
        }
    }
}

/// Whether the bytes are a CoAP request.
fn is_request(datagram: &[u8]) -> bool {
    MessageRef::parse(datagram).is_ok_and(|message| message.code().kind() == CodeKind::Request)
}
