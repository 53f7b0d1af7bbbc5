//! A host whose peers have proved who they are, by the keys of their sessions.

use lwm2m_core::Instant;
use lwm2m_simulation::{Address, Application, Host, Node};
use lwm2m_statemachine::{Datagram, Identity};

use super::accounts::ENDPOINT;

pub(super) struct Secure<A: Application>(pub(super) Host<A>);

impl<A: Application> Node for Secure<A> {
    fn handle_datagram(&mut self, now: Instant, mut datagram: Datagram<'_, Address>) {
        datagram.identity = Identity::Psk(ENDPOINT.as_bytes());
        self.0.handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        self.0.poll_transmit(datagram)
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        self.0.poll_event(now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn check(&self, now: Instant) {
        self.0.check(now);
    }
}
