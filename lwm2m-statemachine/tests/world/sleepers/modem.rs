//! The modem of a device: it takes short messages while the device sleeps, and wakes it (UQS, TS 8.4).

use std::collections::VecDeque;

use lwm2m_core::{Code, Instant};
use lwm2m_simulation::{Address, Node, Random};
use lwm2m_statemachine::{
    Channel, Datagram,
    coap::{Config, Endpoint, Incoming, MessageBuf},
};

/// What a modem that answers by itself says to its device.
pub(super) const WAKE: &[u8] = b"wake";

pub(super) struct Modem {
    server: Address,
    /// Where its device is now.
    pub(super) device: Address,
    /// With this it answers by itself. Otherwise the device does.
    endpoint: Option<Endpoint<Address>>,
    /// What goes where.
    waiting: VecDeque<(Address, Vec<u8>)>,
}

impl Modem {
    /// A modem whose device takes the messages.
    pub(super) const fn new(server: Address, device: Address) -> Self {
        Self {
            server,
            device,
            endpoint: None,
            waiting: VecDeque::new(),
        }
    }

    /// A modem that answers by itself.
    pub(super) fn answering(server: Address, device: Address, seed: u64) -> Self {
        let mut random = Random::new(seed, 5);
        Self {
            endpoint: Some(Endpoint::new(Config::new(random.seed()))),
            ..Self::new(server, device)
        }
    }

    /// The server sends nothing but triggers.
    fn answer(&mut self, now: Instant, datagram: &Datagram<'_, Address>) {
        let Some(endpoint) = &mut self.endpoint else {
            return;
        };
        if let Ok(Some(Incoming::Request {
            responder, request, ..
        })) = endpoint.receive(now, datagram)
        {
            let path: Vec<&str> = request.uri_path().collect();
            assert_eq!(
                (request.code(), &path[..]),
                (Code::POST, &["1", "0", "8"][..])
            );
            let answer = MessageBuf::response(Code::CHANGED);
            endpoint.respond(now, responder, answer).unwrap();
            self.waiting.push_back((self.device, WAKE.to_vec()));
        }
    }
}

impl Node for Modem {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        if datagram.from != self.server {
            let waiting = (self.server, datagram.payload.to_vec());
            return self.waiting.push_back(waiting);
        }
        assert_eq!(datagram.channel, Channel::Sms);
        if self.endpoint.is_some() {
            return self.answer(now, &datagram);
        }
        let waiting = (self.device, datagram.payload.to_vec());
        self.waiting.push_back(waiting);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.handle_timeout(now);
        }
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        if let Some((to, payload)) = self.waiting.pop_front() {
            datagram.extend_from_slice(&payload);
            return Some(to);
        }
        let transmit = self.endpoint.as_mut()?.poll_transmit()?;
        datagram.extend_from_slice(transmit.payload);
        Some(transmit.to)
    }

    fn poll_event(&mut self, _: Instant) -> bool {
        let event = self.endpoint.as_mut().and_then(Endpoint::poll_event);
        event.is_some()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.as_ref()?.poll_timeout()
    }
}
