//! What the server does with a decision about a request of a client.

use alloc::boxed::Box;

use lwm2m_core::Instant;

use super::{
    event::ServerEvent,
    id::RegistrationId,
    parts::Server,
    registrar::{Decision, Effect, Registration},
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
                // Before what else changes in its record.
                self.records().note_new(registration);
                let left = replaced.and_then(|old| self.replaced(now, old, registration));
                self.events
                    .push_back(ServerEvent::Registered { registration });
                self.tell_left(registration, left);
                self.sleepers(now).registered(registration);
            }
            Effect::Updated {
                registration,
                changes,
                objects_before,
                left,
            } => {
                self.follow(now, registration, changes);
                if changes.sms_number {
                    self.triggers.unset(registration);
                }
                if let Some(before) = objects_before {
                    self.sleepers(now).end_outdated(registration, &before);
                }
                self.events.push_back(ServerEvent::Updated {
                    registration,
                    changes,
                });
                self.records().note(registration);
                self.tell_left(registration, left);
                self.sleepers(now).registered(registration);
            }
            Effect::Deregistered(registration, was) => {
                self.end_all_of(now, registration);
                self.records().note_gone(registration, &was);
                self.events
                    .push_back(ServerEvent::Deregistered { registration, was });
            }
            Effect::Refused(refusal) => self.events.push_back(ServerEvent::Refused(refusal)),
            Effect::Nothing => {}
        }
    }

    /// A client has registered anew. Returns the peer that it has left.
    fn replaced(
        &mut self,
        now: Instant,
        (old, was): (RegistrationId, Box<Registration<P>>),
        by: RegistrationId,
    ) -> Option<P> {
        self.sleepers(now).hand_over((old, &was), by);
        self.end_all_of(now, old);
        let left = self.left_by(&was, by);
        self.events.push_back(ServerEvent::Replaced {
            registration: old,
            was,
            by,
        });
        left
    }
}
