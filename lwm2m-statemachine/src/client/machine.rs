//! The five calls that drive a Client.

use lwm2m_core::Instant;

use super::{
    calls::Client,
    event::{ClientEvent, ConnectionId},
    registrations, statistics,
};
use crate::{
    coap::DatagramError,
    machine::{Datagram, Machine, Transmit},
};

/// The five calls.
impl Machine for Client {
    type Peer = ConnectionId;
    type Event = ClientEvent;
    type DatagramError = DatagramError;

    fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, ConnectionId>,
    ) -> Result<(), DatagramError> {
        self.parts.receive(now, &datagram)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.parts.do_what_is_due(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_, ConnectionId>> {
        let transmit = self.parts.endpoint.poll_transmit()?;
        let now = self.parts.last_call.at;
        registrations::note(&mut self.parts.registrations, now, transmit.to, false);
        let channel = || self.parts.registrations.channel(transmit.to);
        let counted = statistics::sent(&mut self.parts.tree, transmit.payload, channel);
        self.parts.last_call.counted = counted.or(self.parts.last_call.counted);
        Some(transmit)
    }

    fn poll_event(&mut self) -> Option<ClientEvent> {
        let event = self.parts.events.pop_front();
        event.or_else(|| self.parts.poll_sleep())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.parts.next_deadline()
    }
}

/// The five calls again, so that the trait need not be in scope.
impl Client {
    /// See [`Machine::handle_datagram`].
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, ConnectionId>,
    ) -> Result<(), DatagramError> {
        Machine::handle_datagram(self, now, datagram)
    }

    /// See [`Machine::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        Machine::handle_timeout(self, now);
    }

    /// See [`Machine::poll_transmit`].
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, ConnectionId>> {
        Machine::poll_transmit(self)
    }

    /// See [`Machine::poll_event`].
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        Machine::poll_event(self)
    }

    /// See [`Machine::poll_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        Machine::poll_timeout(self)
    }
}
