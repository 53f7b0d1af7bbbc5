//! A server that observes what the device reports.

use core::time::Duration;
use std::collections::BTreeMap;

use lwm2m_core::{Instant, Value, codec::Content};
use lwm2m_simulation::{Address, Node};
use lwm2m_statemachine::{Datagram, Outcome, Server, ServerEvent};

use super::{HOUR, device::COUNTER};

pub(super) struct Platform {
    server: Server<Address>,
    /// How old each report was when it came.
    heard: BTreeMap<i64, Duration>,
    pub(super) registrations: u64,
}

impl Platform {
    pub(super) const fn new(server: Server<Address>) -> Self {
        Self {
            server,
            heard: BTreeMap::new(),
            registrations: 0,
        }
    }

    /// How many reports have come, and how old the oldest one was then.
    pub(super) fn heard(&self) -> (u64, Duration) {
        let oldest = self.heard.values().max().copied().unwrap_or_default();
        (self.heard.len() as u64, oldest)
    }

    /// A report has the number of its hour.
    fn hear(&mut self, now: Instant, content: &Content) {
        let Some(Value::Integer(number)) = content.get(&COUNTER) else {
            panic!("{content:?}");
        };
        let hours = u32::try_from(*number).unwrap();
        if hours > 0 {
            let age = now.saturating_duration_since(Instant::ZERO + HOUR * hours);
            self.heard.entry(*number).or_insert(age);
        }
    }
}

impl Node for Platform {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        self.server.handle_datagram(now, datagram).unwrap();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        let transmit = self.server.poll_transmit()?;
        datagram.extend_from_slice(transmit.payload);
        Some(transmit.to)
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        let Some(event) = self.server.poll_event() else {
            return false;
        };
        match event {
            ServerEvent::Registered { registration } => {
                self.registrations += 1;
                let observed = self.server.observe(now, registration, COUNTER, None);
                observed.unwrap();
            }
            ServerEvent::Answered {
                outcome:
                    Outcome::Observing {
                        content: Ok(content),
                        ..
                    },
                ..
            }
            | ServerEvent::Notification {
                content: Ok(content),
                ..
            } => self.hear(now, &content),
            ServerEvent::Answered { outcome, .. } => panic!("{outcome:?}"),
            ServerEvent::Expired { .. } => panic!("the registration has expired"),
            _ => {}
        }
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }
}
