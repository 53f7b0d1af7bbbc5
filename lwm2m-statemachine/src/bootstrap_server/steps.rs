//! Steps of plans: how they are sent, and what follows from their answers (TS 5.2.7, Table 27).

use lwm2m_core::{Code, ContentFormat, Instant, Operation};

use super::{
    bootstraps::{Commanded, State},
    event::{BootstrapServerEvent, PauseReason, StepFailure},
    id::BootstrapId,
    parts::BootstrapServer,
    plan::{RefusedFormats, Step, StepHead},
};
use crate::{
    coap::{Event, FailureReason, Incoming, MessageRef, RequestId, RequestOptions, SendError},
    downlink::bootstrap_links,
    machine::Peer,
};

/// The client takes no format that there is for a Write.
const REFUSED_FORMATS: StepFailure = StepFailure::Refused(Code::UNSUPPORTED_CONTENT_FORMAT);

/// A step in the format in which it is to be sent.
#[derive(Debug)]
struct Sending {
    step: Step,
    format: ContentFormat,
    refused: RefusedFormats,
}

impl<P: Peer> BootstrapServer<P> {
    /// Sends the next step of a bootstrap, or pauses if there is none.
    pub(super) fn advance(&mut self, now: Instant, id: BootstrapId) {
        let Some(step) = self.bootstraps.next_step(id) else {
            return self.pause(id, PauseReason::StepsDone);
        };
        let known = self.bootstraps.get(id).map(|found| found.work.refused);
        let format = step.format();
        let format = format.unwrap_or_else(|| known.unwrap_or_default().preferred());
        self.send(
            now,
            id,
            &Sending {
                step,
                format,
                refused: RefusedFormats::default(),
            },
        );
    }

    pub(super) fn pause(&mut self, id: BootstrapId, reason: PauseReason) {
        self.bootstraps.change(id, State::Paused);
        self.events.push_back(BootstrapServerEvent::Paused {
            bootstrap: id,
            reason,
        });
    }

    fn send(&mut self, now: Instant, id: BootstrapId, sending: &Sending) {
        match self.try_send(now, id, sending) {
            Ok(request) => {
                self.stats.commands = self.stats.commands.saturating_add(1);
                self.bootstraps.change(
                    id,
                    State::Commanding(Commanded {
                        request,
                        step: sending.step.head(),
                        format: sending.format,
                        refused: sending.refused,
                        at: now,
                    }),
                );
            }
            Err(failure) => self.fail(now, id, sending.step.head(), sending.format, failure),
        }
    }

    fn try_send(
        &mut self,
        now: Instant,
        id: BootstrapId,
        sending: &Sending,
    ) -> Result<RequestId, StepFailure> {
        let command = sending.step.command(sending.format);
        let message = command
            .message(&self.registry)
            .map_err(StepFailure::Invalid)?;
        let found = self.bootstraps.get(id);
        let client = &found.ok_or(StepFailure::Timeout)?.client;
        let options = RequestOptions {
            channel: client.channel,
            ..RequestOptions::default()
        };
        let peer = client.peer.clone();
        self.endpoint
            .request(now, peer, message, options)
            .map_err(|error| match error {
                SendError::Invalid(error) => StepFailure::Invalid(error.into()),
                SendError::Overload(overload) => StepFailure::Overload(overload),
                // These aren't about requests.
                SendError::NoObservation | SendError::NotOpen | SendError::NoSource => {
                    StepFailure::Failed(FailureReason::PeerDropped)
                }
            })
    }

    /// Handles anything but a request.
    pub(super) fn handle_incoming(&mut self, now: Instant, incoming: Incoming<'_>) {
        match incoming {
            Incoming::Response {
                request,
                response,
                body,
                ..
            } => self.handle_response(now, request, &response, &body),
            Incoming::RequestReset { request } => {
                self.step_failed(now, request, StepFailure::Reset);
            }
            // Nothing is observed, notified or streamed.
            _ => {}
        }
    }

    /// Handles the events of the endpoint.
    pub(super) fn handle_endpoint_events(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::RequestFailed {
                request, reason, ..
            } = event
            {
                self.step_failed(now, request, reason.into());
            }
            // If the 2.04 to a Bootstrap-Request is lost, the commands are valid all the same.
        }
    }

    fn step_failed(&mut self, now: Instant, request: RequestId, failure: StepFailure) {
        if let Some((id, commanded)) = self.take_commanded(request) {
            self.fail(now, id, commanded.step, commanded.format, failure);
        }
    }

    /// The step that was sent with this request. Until another is sent, its bootstrap pauses.
    fn take_commanded(&mut self, request: RequestId) -> Option<(BootstrapId, Commanded)> {
        let id = self.bootstraps.find_request(request)?;
        match self.bootstraps.change(id, State::Paused)? {
            State::Commanding(commanded) => Some((id, commanded)),
            _ => None,
        }
    }

    fn handle_response(
        &mut self,
        now: Instant,
        request: RequestId,
        response: &MessageRef<'_>,
        body: &[u8],
    ) {
        let Some(id) = self.bootstraps.find_request(request) else {
            return;
        };
        if self.bootstraps.is_due(id, now) {
            return self.expire(now, id);
        }
        let Some((id, commanded)) = self.take_commanded(request) else {
            return;
        };
        self.heard_of(now, id, &commanded);
        let code = response.code();
        let step = commanded.step;
        match (step.operation, code) {
            (Operation::BootstrapWrite, Code::UNSUPPORTED_CONTENT_FORMAT) => {
                return self.try_other_format(now, id, &commanded);
            }
            (Operation::BootstrapFinish, Code::NOT_ACCEPTABLE) => {
                self.bootstraps.step_done(id);
                return self.pause(id, PauseReason::Inconsistent);
            }
            _ => {}
        }
        match (
            self.read_answer(id, step, response, body),
            step.optional_discover(),
        ) {
            (Ok(()), _) if step.operation == Operation::BootstrapFinish => {
                return self.end(now, id, Ok(()));
            }
            (Ok(()), _) => {}
            (Err(failure), Some(path)) => {
                self.events.push_back(BootstrapServerEvent::NotDiscovered {
                    bootstrap: id,
                    path,
                    failure,
                });
            }
            (Err(failure), None) => return self.fail(now, id, step, commanded.format, failure),
        }
        self.bootstraps.step_done(id);
        self.advance(now, id);
    }

    /// What an answer says. That of a Discover is handed to the application.
    fn read_answer(
        &mut self,
        id: BootstrapId,
        step: StepHead,
        response: &MessageRef<'_>,
        body: &[u8],
    ) -> Result<(), StepFailure> {
        let (operation, code) = (step.operation, response.code());
        if step.may_be_refused_with(code) {
            return Ok(());
        }
        if code != operation.success() {
            return Err(if operation.allows(code) {
                StepFailure::Refused(code)
            } else {
                StepFailure::Unexpected(code)
            });
        }
        if let (Operation::BootstrapDiscover, Some(path)) = (operation, step.path) {
            let limit = self.policy.bounds.answer;
            let links = bootstrap_links(response, body, limit).map_err(StepFailure::Undecodable)?;
            self.events.push_back(BootstrapServerEvent::Discovered {
                bootstrap: id,
                path,
                found: links.into(),
            });
        }
        Ok(())
    }

    /// A client has answered a command, so it received that. It gives up EXCHANGE_LIFETIME after that
    /// moment, which is at the earliest when the command was sent first, and with a body in blocks at
    /// the earliest when its last block may have been.
    fn heard_of(&mut self, now: Instant, id: BootstrapId, commanded: &Commanded) {
        let Some(bootstrap) = self.bootstraps.get(id) else {
            return;
        };
        let waits = self.policy.waits(bootstrap.client.channel);
        let patience = waits.patience.as_millis();
        let patience = u64::try_from(patience).unwrap_or(u64::MAX);
        let latest = Instant::from_millis(now.as_millis().saturating_sub(patience));
        let received = commanded.at.max(latest);
        let deadline = received + waits.silence;
        self.bootstraps.set_deadline(id, Some(deadline));
    }

    /// The client doesn't take the format of a Write.
    fn try_other_format(&mut self, now: Instant, id: BootstrapId, commanded: &Commanded) {
        let Commanded {
            step: head,
            format,
            mut refused,
            ..
        } = *commanded;
        self.bootstraps.refuses(id, format);
        let found = self.bootstraps.get(id);
        let step = found.and_then(|bootstrap| bootstrap.work.steps.current());
        let other = refused.other(format);
        let (Some(step), Some(format)) = (step, other) else {
            return self.fail(now, id, head, format, REFUSED_FORMATS);
        };
        // A format that can't carry the content leaves the refusal as it is.
        if step.command(format).message(&self.registry).is_err() {
            return self.fail(now, id, head, commanded.format, REFUSED_FORMATS);
        }
        self.send(
            now,
            id,
            &Sending {
                step,
                format,
                refused,
            },
        );
    }
}
