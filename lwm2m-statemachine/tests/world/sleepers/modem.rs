//! The modem of a device: it takes short messages while the device sleeps, and wakes it (UQS, TS 8.4).

use core::mem;

use lwm2m_core::{Code, Instant};
use lwm2m_simulation::{Address, Node, Random};
use lwm2m_statemachine::{
    Channel, Datagram,
    coap::{Config, Endpoint, Incoming, MessageBuf},
};

/// What a modem says to its device.
pub(super) const WAKE: &[u8] = b"wake";

pub(super) struct Modem {
    endpoint: Endpoint<Address>,
    /// Where its device is now.
    pub(super) device: Address,
    wakes: bool,
}

impl Modem {
    pub(super) fn new(device: Address, seed: u64) -> Self {
        let mut random = Random::new(seed, 5);
        Self {
            endpoint: Endpoint::new(Config::new(random.seed())),
            device,
            wakes: false,
        }
    }
}

impl Node for Modem {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        assert_eq!(datagram.channel, Channel::Sms);
        if let Ok(Some(Incoming::Request {
            responder, request, ..
        })) = self.endpoint.receive(now, &datagram)
        {
            let path: Vec<&str> = request.uri_path().collect();
            assert_eq!(
                (request.code(), &path[..]),
                (Code::POST, &["1", "0", "8"][..])
            );
            let answer = MessageBuf::response(Code::CHANGED);
            self.endpoint.respond(now, responder, answer).unwrap();
            self.wakes = true;
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        if let Some(transmit) = self.endpoint.poll_transmit() {
            datagram.extend_from_slice(transmit.payload);
            return Some(transmit.to);
        }
        let wakes = mem::take(&mut self.wakes);
        wakes.then(|| {
            datagram.extend_from_slice(WAKE);
            self.device
        })
    }

    fn poll_event(&mut self, _: Instant) -> bool {
        self.endpoint.poll_event().is_some()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }
}
