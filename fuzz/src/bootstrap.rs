mod commands;
mod device;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use lwm2m_core::{Code, Instant, Method};
use lwm2m_statemachine::{
    ConnectionId,
    coap::{MessageBuf, MessageRef, MessageType},
};

use self::device::{COUNTER, Device, Kind, LIFETIME};
use crate::program::Program;

/// A Client with the account of a Bootstrap-Server and up to two servers, and whatever the Bootstrap-Server may
/// send: commands that make sense and others, whole or in blocks, any bytes, repeated and changed; connections that
/// are made, fail, are lost, or begun by it; right and wrong answers; an application that sets values, asks for
/// bootstraps and gives them up, goes offline, leaves and comes back; power cuts; time.
///
/// What holds:
///
/// - What a restart would find is the tree of before with what the application has set, or, after the event, what
///   was finished; and that is consistent.
/// - A bootstrap that starts ends once. Without one, the tree holds back nothing.
/// - No key is sent, or in an event. Nothing is sent on a connection that isn't up.
/// - No deadline stays in the past. Once the Client has left its servers and given up, nothing is left.
pub fn bootstrap(data: &[u8]) {
    let mut program = Program::long(data);
    let mut world = World::new(Kind::new(program.byte()));
    while let Some(step) = program.step() {
        world.step(step, &mut program);
    }
    world.finish();
}

/// How many datagrams of each side are remembered.
const REMEMBERED: usize = 16;

struct World {
    now: Instant,
    device: Device,
    /// What the Client has sent.
    sent: VecDeque<(ConnectionId, Vec<u8>)>,
    /// The last datagrams to it.
    said: VecDeque<Vec<u8>>,
    message_id: u16,
}

impl World {
    fn new(kind: Kind) -> Self {
        let mut world = Self {
            now: Instant::from_secs(1),
            device: Device::new(kind),
            sent: VecDeque::new(),
            said: VecDeque::new(),
            message_id: 0,
        };
        world.device.client.start(world.now);
        world.drain();
        world
    }

    fn step(&mut self, step: u8, program: &mut Program<'_>) {
        let (now, choice) = (self.now, step >> 5);
        match step & 0x1f {
            0..=9 => self.command(&commands::good(program.byte()), choice),
            10 | 11 => {
                for command in commands::usual() {
                    self.command(&command, choice & 1);
                }
            }
            12 => {
                let choices = [(); 4].map(|()| program.byte());
                self.command(&commands::odd(choices), choice);
            }
            13 => {
                let length = usize::from(program.byte() & 0x1f);
                let datagram = program.take(length).to_vec();
                self.say(choice < 7, datagram);
            }
            14 => self.repeat(choice, program),
            15..=17 => self.answer_all(),
            18 => self.answer(Some(choice)),
            19 => drop(self.sent.pop_front()),
            20 | 21 => self.device.connect(now, true),
            22 => self.device.connect(now, choice < 4),
            23 => self.device.lose(now, choice),
            24 => self
                .device
                .inbound(now, [0, 0, 0, 0, 0, 7, 1, 2][usize::from(choice)]),
            // It may be impossible now.
            25 => drop(self.device.client.bootstrapping().begin(now)),
            26 => drop(self.device.client.bootstrapping().abort(now)),
            27 => self.device.set(now, COUNTER, program.byte().into()),
            28 => self
                .device
                .set(now, LIFETIME, i64::from(program.byte()) + 1),
            29 => self.pass(Duration::from_millis(u64::from(program.byte()) * 50)),
            30 => self.pass(Duration::from_secs(u64::from(program.byte()) * 2)),
            _ => self.call(choice),
        }
        self.drain();
    }

    fn call(&mut self, choice: u8) {
        let client = &mut self.device.client;
        match choice {
            0 | 1 => client.go_offline(self.now),
            2 | 3 => client.go_online(self.now),
            4 => client.deregister(self.now),
            5 => client.start(self.now),
            _ => {
                self.device.restart();
                self.sent.clear();
                self.device.client.start(self.now);
            }
        }
    }

    /// A command, in blocks, confirmable or not, or on the connection of a server.
    fn command(&mut self, command: &commands::Command, choice: u8) {
        let kind = if choice == 6 {
            MessageType::NonConfirmable
        } else {
            MessageType::Confirmable
        };
        for datagram in command.datagrams(kind, self.message_id, matches!(choice, 4 | 5)) {
            self.say(choice < 7, datagram);
            self.message_id = self.message_id.wrapping_add(1);
        }
    }

    fn say(&mut self, by_bootstrap_server: bool, datagram: Vec<u8>) {
        self.device
            .receive(self.now, by_bootstrap_server, &datagram);
        self.said.push_back(datagram);
        if self.said.len() > REMEMBERED {
            self.said.pop_front();
        }
        self.drain();
    }

    /// An earlier datagram arrives again, perhaps changed.
    fn repeat(&mut self, choice: u8, program: &mut Program<'_>) {
        let (which, change) = (program.byte(), program.byte());
        let at = usize::from(which & 0x0f) % self.said.len().max(1);
        let Some(mut datagram) = self.said.get(at).cloned() else {
            return;
        };
        if which & 0x80 != 0 {
            let at = usize::from(program.byte()) % datagram.len().max(1);
            if let Some(byte) = datagram.get_mut(at) {
                *byte ^= change;
            }
        }
        self.say(choice < 7, datagram);
    }

    /// The oldest message of the Client is answered: rightly, or wrongly in one of several ways.
    fn answer(&mut self, wrongly: Option<u8>) {
        let Some((connection, datagram)) = self.sent.pop_front() else {
            return;
        };
        let message = MessageRef::parse(&datagram).expect("the Client sends messages");
        let mut kind = MessageType::Acknowledgement;
        let method = message.code().method();
        let code = match (method, wrongly) {
            (None, _) if message.kind() != MessageType::Confirmable => return,
            (None, _) => Code::EMPTY,
            (_, Some(0)) => Code::BAD_REQUEST,
            (_, Some(1)) => Code::FORBIDDEN,
            (_, Some(2)) => Code::SERVICE_UNAVAILABLE,
            (_, Some(3)) => Code::NOT_FOUND,
            (_, Some(4)) => Code::EMPTY,
            (_, Some(5..)) => {
                kind = MessageType::Reset;
                Code::EMPTY
            }
            (Some(Method::Delete), None) => Code::DELETED,
            (_, None) if message.uri_path().eq(["rd"]) => Code::CREATED,
            (_, None) => Code::CHANGED,
        };
        let mut answer = MessageBuf::new(code);
        if code == Code::CREATED {
            answer.location_path("rd").expect("a segment");
            answer.location_path("1").expect("a segment");
        }
        let is_empty = code == Code::EMPTY;
        let token = if is_empty {
            lwm2m_statemachine::coap::Token::EMPTY
        } else {
            message.token()
        };
        let wire = answer.finish(kind, message.message_id(), token);
        self.device.answer(self.now, connection, wire.as_ref());
        self.drain();
    }

    fn answer_all(&mut self) {
        for _ in 0..64 {
            self.answer(None);
        }
    }

    /// Time passes, and the Client is called when it asks for it.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..200 {
            let due = self.device.client.poll_timeout();
            let Some(due) = due.filter(|due| *due < end) else {
                break;
            };
            self.now = self.now.max(due);
            self.time();
        }
        self.now = end;
        self.time();
    }

    /// The Client is told the time, and is done with this moment then.
    fn time(&mut self) {
        for again in 0.. {
            self.device.client.handle_timeout(self.now);
            self.drain();
            let due = self.device.client.poll_timeout();
            if due.is_none_or(|due| due > self.now) {
                return;
            }
            assert!(again < 4, "its deadline stays at {due:?}, now {}", self.now);
        }
    }

    fn drain(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "it sends and tells without end");
            if !self.device.sends(&mut self.sent) && !self.device.tells() {
                break;
            }
        }
        while self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
        self.device.check();
    }

    /// All answer, the Client leaves, and everything ends.
    fn finish(&mut self) {
        self.device.client.go_online(self.now);
        self.drain();
        self.device.client.bootstrapping().abort(self.now);
        self.drain();
        for round in 0.. {
            assert!(round < 3_000, "no end");
            self.device.client.deregister(self.now);
            self.drain();
            self.device.connect(self.now, true);
            self.drain();
            self.answer_all();
            let Some(due) = self.device.client.poll_timeout() else {
                break;
            };
            self.now = self.now.max(due);
            self.time();
        }
        lwm2m_kit::assert_only_accounts_left(&self.device.client);
    }
}
