//! Clients that are asleep over UDP and take short messages at any time (UQS, TS Table 8): the server wakes
//! them by itself when something waits for them (TS 8.4).

use lwm2m_core::{Arguments, Instant};

use super::{
    calls::CallError,
    definitions::ClientDefinitions,
    event::{Outcome, ServerEvent},
    id::{OperationId, RegistrationId},
    parts::Server,
    sending::{self, Sleepers},
};
use crate::{
    downlink::{Call, QueuedRequest},
    machine::{Channel, Peer},
};

impl<P: Peer> Sleepers<'_, P> {
    /// Wakes a client by SMS if it is asleep, the application wants that, and something waits for which it
    /// wasn't woken before; once in a sleep, unless that wasn't answered.
    pub(super) fn trigger(&mut self, registration: RegistrationId) {
        let (server, now) = (&mut *self.server, self.now);
        let is_asleep = server.queue.awake_until(registration).is_none();
        if !is_asleep || !server.calls.waits_untriggered(registration) {
            return;
        }
        // Without room, the next operation tries again.
        let Some(Ok(operation)) = server.send_trigger(now, registration) else {
            return;
        };
        server.calls.note_triggered(registration);
        let before = server.triggers.was_sent(registration, operation);
        if let Some(OperationId(key)) = before
            && let Some(ended) = server.calls.take(key)
        {
            server.give_up(now, ended, Outcome::Cancelled { sent: true });
        }
        server.events.push_back(ServerEvent::Triggered {
            registration,
            operation,
        });
    }
}

impl<P: Peer> Server<P> {
    /// Sends a trigger to a client that takes one, unless one was sent in this sleep and may still wake it.
    fn send_trigger(
        &mut self,
        now: Instant,
        registration: RegistrationId,
    ) -> Option<Result<OperationId, CallError>> {
        let by = self.triggers.unsent(registration)?;
        let client = self.registrar.get(registration)?;
        let is_reached = client.takes_triggers() && client.channel() == Channel::Udp;
        if !is_reached || client.expires_at() <= now {
            return None;
        }
        let call = Call::Execute(by.path(client)?, Arguments::NONE);
        let definitions = ClientDefinitions::new(&self.registry, client);
        let message = match call.message(client.alternate_path(), &definitions) {
            Ok(message) => message,
            Err(error) => return Some(Err(error.into())),
        };
        let queued = QueuedRequest {
            message,
            cancels: None,
        };
        let way = (&mut self.calls, &mut self.endpoint);
        let peer = by.peer.clone();
        let call = (registration, call.pending());
        let sent = sending::call(now, way, (&peer, Channel::Sms), call, queued);
        if sent.is_ok() {
            self.records().note_to(registration, &peer);
        }
        Some(sent)
    }
}
