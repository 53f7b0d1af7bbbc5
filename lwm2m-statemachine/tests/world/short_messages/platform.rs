//! The server and its application, and the network that carries short messages.

use std::collections::{BTreeMap, VecDeque};

use lwm2m_core::{Arguments, InstanceId, Instant, Path, Value, WriteMode, codec::Content};
use lwm2m_simulation::{Address, Ledger, Node};
use lwm2m_statemachine::{
    Channel, Datagram, OperationId, Outcome, RegistrationId, Server, ServerEvent, server::CallError,
};

use super::device::{BATTERY, ENDPOINT, OFFSET};

/// How often what has happened.
pub(super) type Tally = BTreeMap<&'static str, u64>;

/// The server, and what it was asked.
pub(super) struct Platform {
    pub(super) server: Server<Address>,
    /// Where short messages to the device go.
    number: Address,
    pub(super) asked: Ledger<OperationId, ()>,
    offsets: u32,
    pub(super) tally: Tally,
}

impl Platform {
    pub(super) fn new(server: Server<Address>, number: Address) -> Self {
        Self {
            server,
            number,
            asked: Ledger::new(),
            offsets: 0,
            tally: Tally::new(),
        }
    }

    pub(super) fn client(&self) -> Option<RegistrationId> {
        self.server.find(ENDPOINT)
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    fn note(&mut self, called: Result<OperationId, CallError>) {
        match called {
            Ok(operation) => self.asked.asked(operation),
            Err(CallError::NoSms) => self.count("no SMS in the binding"),
            Err(CallError::Overload(_)) => self.count("no room for an operation"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Asks for something, over the transport of the registration or over SMS.
    pub(super) fn operate(&mut self, now: Instant, choice: u64, by_sms: bool) {
        let Some(client) = self.client() else {
            return;
        };
        let (server, number) = (&mut self.server, self.number);
        let none = Arguments::NONE;
        let called = match (choice, by_sms) {
            (0, true) => server
                .by_sms(client, number)
                .trigger_update(now, InstanceId::ZERO),
            (0, false) => server.execute(now, client, Path::of(&[1, 0, 8]).unwrap(), &none),
            (1 | 2, true) => server.by_sms(client, number).read(now, BATTERY, None),
            (1 | 2, false) => server.read(now, client, BATTERY, None),
            (3, _) => server.observe(now, client, BATTERY, None),
            (_, by_sms) => {
                self.offsets += 1;
                let offset = format!("{:06}", self.offsets);
                let content = resource(OFFSET, offset);
                let mode = WriteMode::Replace;
                if by_sms {
                    let mut by_sms = server.by_sms(client, number);
                    by_sms.write(now, OFFSET, mode, None, &content)
                } else {
                    server.write(now, client, OFFSET, mode, None, &content)
                }
            }
        };
        self.note(called);
    }

    /// Writes the binding.
    pub(super) fn bind(&mut self, now: Instant, path: Path, binding: &str) {
        if let Some(client) = self.client() {
            let content = resource(path, binding.into());
            let mode = WriteMode::Replace;
            let called = self.server.write(now, client, path, mode, None, &content);
            self.note(called);
        }
    }

    /// The channel on which the client is reached.
    pub(super) fn channel(&self) -> Option<Channel> {
        let client = self.server.registration(self.client()?)?;
        Some(client.channel())
    }
}

fn resource(path: Path, text: String) -> Content {
    Content::from_iter([(path, Value::String(text))])
}

impl Node for Platform {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        let _ = self.server.handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        let transmit = self.server.poll_transmit()?;
        let most = if transmit.to == self.number {
            140
        } else {
            1280
        };
        assert!(transmit.payload.len() <= most, "too long for a message");
        datagram.extend_from_slice(transmit.payload);
        Some(transmit.to)
    }

    fn poll_event(&mut self, _: Instant) -> bool {
        let Some(event) = self.server.poll_event() else {
            return false;
        };
        match event {
            ServerEvent::Answered {
                operation, outcome, ..
            } => {
                let what = match outcome {
                    Outcome::Timeout => "operation not answered",
                    Outcome::ClientGone => "operation ended by another registration",
                    Outcome::Failed { .. } | Outcome::Reset => "operation failed",
                    _ => "operation answered",
                };
                self.asked.settled(&operation, what);
                self.count(what);
            }
            ServerEvent::Updated { changes, .. } if changes.binding => self.count("binding told"),
            ServerEvent::Replaced { .. } => self.count("registered anew"),
            ServerEvent::Notification { .. } => self.count("notification"),
            ServerEvent::Expired { .. } => panic!("the registration has expired"),
            _ => {}
        }
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }
}

/// Takes short messages from each side to the other: its address is the number of both.
pub(super) struct Carrier {
    pub(super) sides: [Option<Address>; 2],
    waiting: VecDeque<(Address, Vec<u8>)>,
}

impl Carrier {
    pub(super) const fn new() -> Self {
        Self {
            sides: [None; 2],
            waiting: VecDeque::new(),
        }
    }
}

impl Node for Carrier {
    fn handle_datagram(&mut self, _: Instant, datagram: Datagram<'_, Address>) {
        let [one, other] = self.sides.map(Option::unwrap);
        let to = if datagram.from == one { other } else { one };
        self.waiting.push_back((to, datagram.payload.to_vec()));
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        let (to, payload) = self.waiting.pop_front()?;
        datagram.extend_from_slice(&payload);
        Some(to)
    }

    fn poll_event(&mut self, _: Instant) -> bool {
        false
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
