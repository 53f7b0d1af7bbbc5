//! How bootstraps end.

use lwm2m_core::{Code, ContentFormat, Instant, Operation};

use super::{
    bootstraps::{Bootstrap, State},
    event::{BootstrapFailure, BootstrapServerEvent, FailedStep, StepFailure},
    id::BootstrapId,
    parts::BootstrapServer,
    plan::StepHead,
};
use crate::{
    coap::{MessageBuf, Responder},
    machine::Peer,
};

/// How long a client that was refused because there is no room should wait, in seconds.
const RETRY_AFTER: u32 = 60;

impl<P: Peer> BootstrapServer<P> {
    /// Answers a Bootstrap-Request with this code.
    pub(super) fn answer(&mut self, now: Instant, responder: Responder, code: Code) {
        let mut message = MessageBuf::response(code);
        if code == Code::SERVICE_UNAVAILABLE && message.max_age(RETRY_AFTER).is_err() {
            return self.endpoint.ignore(responder);
        }
        // If it can't be answered any more, the client asks again.
        let _ = self.endpoint.respond(now, responder, message);
    }

    /// Ends a bootstrap. A request that waits is answered 5.03, unless the caller has answered it; a
    /// step under way is forgotten, so that its answer is ignored.
    pub(super) fn end(
        &mut self,
        now: Instant,
        id: BootstrapId,
        outcome: Result<(), BootstrapFailure>,
    ) {
        if let Some(bootstrap) = self.bootstraps.remove(id) {
            let Bootstrap { client, state, .. } = bootstrap;
            let may_have_finished = leaves_open(&state, &outcome);
            match state {
                State::Waiting(Some(responder)) => {
                    self.answer(now, responder, Code::SERVICE_UNAVAILABLE);
                }
                State::Commanding(commanded) => {
                    self.endpoint.cancel(now, commanded.request);
                }
                State::Waiting(None) | State::Paused => {}
            }
            let count = if outcome.is_ok() {
                &mut self.stats.finished
            } else {
                &mut self.stats.failed
            };
            *count = count.saturating_add(1);
            self.events.push_back(BootstrapServerEvent::Ended {
                bootstrap: id,
                endpoint_name: client.endpoint_name,
                peer: client.peer,
                outcome,
                may_have_finished,
            });
        }
    }

    /// Ends a bootstrap because of this step.
    pub(super) fn fail(
        &mut self,
        now: Instant,
        id: BootstrapId,
        step: StepHead,
        format: ContentFormat,
        failure: StepFailure,
    ) {
        let index = self.bootstraps.get(id).map_or(0, |found| found.work.index);
        let step = FailedStep {
            index,
            operation: step.operation,
            path: step.path,
            format: (step.operation == Operation::BootstrapWrite).then_some(format),
        };
        self.end(now, id, Err(BootstrapFailure::Step { step, failure }));
    }

    /// Ends a bootstrap whose time is over.
    pub(super) fn expire(&mut self, now: Instant, id: BootstrapId) {
        let found = self.bootstraps.get(id);
        let failure = match found.map(|bootstrap| &bootstrap.state) {
            Some(State::Waiting(Some(_))) => BootstrapFailure::NoPlan,
            _ => BootstrapFailure::Silence,
        };
        self.end(now, id, Err(failure));
    }

    /// Ends the bootstraps of this name and of this peer, as another one takes their place.
    pub(super) fn supersede(&mut self, now: Instant, name: &str, peer: &P) {
        let of_name = self.bootstraps.find_name(name);
        let of_peer = self.bootstraps.find_peer(peer);
        for id in of_name.into_iter().chain(of_peer) {
            self.end(now, id, Err(BootstrapFailure::Superseded));
        }
    }
}

/// Whether a client that was sent a Bootstrap-Finish may have carried it out, although this is how its
/// bootstrap ends.
fn leaves_open(state: &State, outcome: &Result<(), BootstrapFailure>) -> bool {
    match outcome {
        Ok(()) => false,
        Err(BootstrapFailure::Step { step, failure }) => {
            step.operation == Operation::BootstrapFinish && failure.leaves_open()
        }
        Err(_) => match state {
            State::Commanding(commanded) => commanded.step.operation == Operation::BootstrapFinish,
            State::Waiting(_) | State::Paused => false,
        },
    }
}
