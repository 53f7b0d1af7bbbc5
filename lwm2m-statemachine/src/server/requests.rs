//! What the server does with a decision about a request of a client.

use lwm2m_core::Instant;

use super::{
    event::ServerEvent,
    parts::Server,
    registrar::{Decision, Effect},
};
use crate::{coap::Responder, machine::Peer};

impl<P: Peer> Server<P> {
    /// Answers a request, ends what ends with it, and tells the application.
    pub(super) fn carry_out(&mut self, now: Instant, responder: Responder, decision: Decision<P>) {
        let Decision { answer, effect } = decision;
        self.tell_departures(now);
        // A repeated Register may be handled again, as it replaces the first one. So no answer has
        // to be kept for it: without security, anybody could have the server keep any number of
        // them.
        let responder = match effect {
            Effect::Registered { .. } => responder.repeatable(),
            _ => responder,
        };
        if let Ok(message) = answer.message() {
            // The endpoint has just handed the responder out, so it accepts it. If it can't send
            // the answer, the client asks again.
            let _ = self.endpoint.respond(now, responder, message);
        }
        match effect {
            Effect::Registered {
                registration,
                replaced,
            } => {
                let mut left = None;
                if let Some((old, was)) = replaced {
                    self.end_all_of(now, old);
                    left = self.left_by(&was, registration);
                    self.events.push_back(ServerEvent::Replaced {
                        registration: old,
                        was,
                        by: registration,
                    });
                }
                self.events
                    .push_back(ServerEvent::Registered { registration });
                self.tell_left(registration, left);
            }
            Effect::Updated {
                registration,
                changes,
                left,
            } => {
                self.follow(now, registration, changes);
                self.events.push_back(ServerEvent::Updated {
                    registration,
                    changes,
                });
                self.tell_left(registration, left);
            }
            Effect::Deregistered(registration, was) => {
                self.end_all_of(now, registration);
                self.events
                    .push_back(ServerEvent::Deregistered { registration, was });
            }
            Effect::Refused(refusal) => self.events.push_back(ServerEvent::Refused(refusal)),
            Effect::Nothing => {}
        }
    }
}
