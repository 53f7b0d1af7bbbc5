//! The five calls that drive a bootstrap-server.

use alloc::collections::VecDeque;

use lwm2m_core::Instant;

use super::{event::BootstrapServerEvent, parts::BootstrapServer};
use crate::{
    coap::{DatagramError, Incoming},
    downlink::Origin,
    machine::{Datagram, Machine, Peer, Transmit},
};

/// How many bootstraps end by time in one call, so that many that end at once don't block the rest.
const ENDED_AT_ONCE: usize = 1000;

/// How many events an empty queue may keep room for.
const SPARE_ROOM: usize = 64;

impl<P: Peer> BootstrapServer<P> {
    /// Takes a datagram. Any bytes are safe: the machine goes on working, and an error only informs.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "as in the contract of all machines"
    )]
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, P>,
    ) -> Result<(), DatagramError> {
        let incoming = self.endpoint.receive(now, &datagram);
        let origin = Origin {
            peer: &datagram.from,
            channel: datagram.channel,
            identity: datagram.identity,
        };
        let result = incoming.map(|incoming| match incoming {
            // Requests to a multicast group are ignored.
            Some(
                Incoming::Request { responder, .. } | Incoming::RequestBlock { responder, .. },
            ) if datagram.multicast => self.endpoint.ignore(responder),
            Some(Incoming::Request {
                responder, request, ..
            }) => self.handle_request(now, &origin, responder, &request, false),
            Some(Incoming::RequestBlock {
                responder, request, ..
            }) => self.handle_request(now, &origin, responder, &request, true),
            Some(incoming) => self.handle_incoming(now, incoming),
            None => {}
        });
        self.handle_endpoint_events(now);
        result
    }

    /// Does what is due at `now`. Early, late and repeated calls do no harm.
    ///
    /// At most 1,000 bootstraps end by time in one call; if there are more,
    /// [`poll_timeout`](Self::poll_timeout) asks for the next call at once.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.handle_endpoint_events(now);
        for _ in 0..ENDED_AT_ONCE {
            let Some(id) = self.bootstraps.pop_due(now) else {
                break;
            };
            self.expire(now, id);
        }
        // With the last exchange of a peer, the peer may be due to be forgotten.
        self.endpoint.handle_timeout(now);
        self.handle_endpoint_events(now);
    }

    /// The next datagram to send. Every call but the other polls may change it.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, P>> {
        self.endpoint.poll_transmit()
    }

    /// The next event. Every call but the other polls may change it.
    pub fn poll_event(&mut self) -> Option<BootstrapServerEvent<P>> {
        let event = self.events.pop_front();
        if event.is_none() && self.events.capacity() > SPARE_ROOM {
            self.events = VecDeque::new();
        }
        event
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` if there is nothing to
    /// wait for. Every call but the other polls may change it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [
            self.endpoint.poll_timeout(),
            self.bootstraps.next_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }
}

impl<P: Peer> Machine for BootstrapServer<P> {
    type Peer = P;
    type Event = BootstrapServerEvent<P>;
    type DatagramError = DatagramError;

    fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, P>,
    ) -> Result<(), DatagramError> {
        self.handle_datagram(now, datagram)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_, P>> {
        self.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<BootstrapServerEvent<P>> {
        self.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }
}
