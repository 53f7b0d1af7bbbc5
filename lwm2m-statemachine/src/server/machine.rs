//! The five calls that drive a server.

use alloc::collections::VecDeque;

use lwm2m_core::Instant;

use super::{event::ServerEvent, parts::Server};
use crate::{
    coap::{DatagramError, Incoming},
    downlink::Origin,
    machine::{Datagram, Machine, Peer, Transmit},
};

/// How many registrations expire in one call, or clients fall asleep, so that a fleet that disappears at
/// once doesn't block the rest.
const ENDED_AT_ONCE: usize = 1000;

/// How many events an empty queue may keep room for.
const SPARE_ROOM: usize = 64;

impl<P: Peer> Server<P> {
    /// Takes a datagram. Any bytes are safe: the server goes on working, and an error only informs.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "as in the contract of all machines"
    )]
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, P>,
    ) -> Result<(), DatagramError> {
        self.keeping.set_now(now);
        self.sleepers(now).handle_due(ENDED_AT_ONCE);
        let origin = Origin {
            peer: &datagram.from,
            channel: datagram.channel,
            identity: datagram.identity,
        };
        let (calls, registrar) = (&self.calls, &self.registrar);
        let mut is_client = |request| {
            let client = calls.registration_of(request);
            client.is_some_and(|client| registrar.is_client(now, &origin, client))
        };
        let incoming = self
            .endpoint
            .receive_following(now, &datagram, &mut is_client);
        let result = incoming.map(|incoming| match incoming {
            // Requests to a multicast group are ignored.
            Some(
                Incoming::Request { responder, .. } | Incoming::RequestBlock { responder, .. },
            ) if datagram.multicast => self.endpoint.ignore(responder),
            Some(Incoming::Request {
                responder,
                request,
                body,
            }) => {
                let decision = self.registrar.decide(now, &origin, &request, &body);
                self.carry_out(now, responder, decision);
            }
            // Only a first block comes here: the endpoint puts the others together.
            Some(Incoming::RequestBlock {
                responder, request, ..
            }) => match self.registrar.decide_by_first_block(now, &origin, &request) {
                Some(decision) => self.carry_out(now, responder, decision),
                // The endpoint has just handed the responder out, so it accepts it.
                None => drop(self.endpoint.assemble(now, responder, &request)),
            },
            Some(incoming) => self.handle_incoming(now, &origin, incoming),
            None => {}
        });
        self.handle_endpoint_events(now);
        result
    }

    /// Does what is due at `now`. Early, late and repeated calls do no harm.
    ///
    /// At most 1,000 registrations expire in one call, and at most 1,000 clients fall asleep or operations
    /// reach their deadline; if there are more, [`poll_timeout`](Self::poll_timeout) asks for the next call at once.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.keeping.set_now(now);
        self.sleepers(now).handle_due(ENDED_AT_ONCE);
        self.endpoint.handle_timeout(now);
        self.handle_endpoint_events(now);
        for _ in 0..ENDED_AT_ONCE {
            if !self.registrar.expire_next(now) {
                break;
            }
            self.tell_departures(now);
        }
    }

    /// To be called when a peer can't be reached any more: its secure session was closed, has expired
    /// or was evicted.
    ///
    /// Requests under way to it end at once with [`Outcome::PeerGone`](super::Outcome::PeerGone), or wait
    /// again if the client is in Queue Mode and they may be repeated; and what is remembered of its
    /// messages is dropped. Registrations of clients with a proven identity
    /// stay until their lifetime is over, with their observations; calls to them fail with
    /// [`CallError::PeerGone`](super::CallError::PeerGone), unless the client is in Queue Mode: then they
    /// wait. The next Update or notification that proves
    /// the identity moves the registration to the peer that it comes from.
    ///
    /// A client without a proven identity is known by its peer alone, so its registration isn't
    /// touched: it is reached there, as before.
    pub fn peer_gone(&mut self, now: Instant, peer: &P) {
        let clients = self.registrar.peer_gone(peer);
        self.endpoint.end_session(now, peer);
        self.handle_endpoint_events(now);
        for registration in clients {
            self.records().note(registration);
            self.sleepers(now).go_on(registration);
        }
        self.handle_endpoint_events(now);
    }

    /// The next datagram to send. Every call but the other polls may change it.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, P>> {
        let endpoint = &mut self.endpoint;
        let Some(gate) = self.keeping.gate() else {
            return endpoint.poll_transmit();
        };
        gate.next(|bytes| {
            let transmit = endpoint.poll_transmit()?;
            bytes.extend_from_slice(transmit.payload);
            Some(transmit.to)
        })
    }

    /// The next event. Every call but the other polls may change it.
    pub fn poll_event(&mut self) -> Option<ServerEvent<P>> {
        let event = self.events.pop_front();
        if let Some(ServerEvent::Record {
            registration,
            revision,
            ..
        }) = &event
        {
            self.keeping.polled(*registration, *revision);
        }
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
            self.queue.next_deadline(),
            self.registrar.next_expiry(),
        ];
        deadlines.into_iter().flatten().min()
    }
}

impl<P: Peer> Machine for Server<P> {
    type Peer = P;
    type Event = ServerEvent<P>;
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

    fn poll_event(&mut self) -> Option<ServerEvent<P>> {
        self.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }
}
