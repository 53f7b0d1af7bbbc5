mod device;
mod messages;

use std::collections::VecDeque;
use std::time::Duration;

use lwm2m_core::Instant;
use lwm2m_statemachine::{ConnectionId, coap::MessageType};

use self::device::Device;
use crate::program::Program;

/// A Client with three accounts, and whatever its servers, its network and its application may do:
/// requests of every kind with and without the right to it, right and wrong answers, blocks in any
/// order, datagrams of any bytes; connections that are made, resumed, lost or moved; a Client that is
/// offline, leaves and comes back; values and Object Instances that change; late answers; time.
///
/// It sends nothing while it is offline, to a connection that is gone, or to a server that it isn't
/// registered with, but for a Register; nothing but that once a lifetime is over; never a key; and
/// nothing that the server may not read. What it holds is bounded, no deadline stays in the past, and
/// once its servers answer and it has left, nothing is left.
pub fn client(data: &[u8]) {
    let mut program = Program::long(data);
    let mut world = World::new(program.byte());
    while let Some(step) = program.step() {
        world.step(step, &mut program);
    }
    world.finish();
}

/// How many datagrams of each side are remembered.
const REMEMBERED: usize = 16;

/// The world around the Client.
struct World {
    now: Instant,
    device: Device,
    /// The requests of the Client that have no answer yet, and what else it wants acknowledged.
    asked: VecDeque<(ConnectionId, Vec<u8>)>,
    told: VecDeque<(ConnectionId, Vec<u8>)>,
    /// The last datagrams to the Client.
    said: VecDeque<Vec<u8>>,
    message_id: u16,
}

impl World {
    fn new(kind: u8) -> Self {
        let now = Instant::from_secs(1);
        let mut world = Self {
            now,
            device: Device::new(kind),
            asked: VecDeque::new(),
            told: VecDeque::new(),
            said: VecDeque::new(),
            message_id: 0,
        };
        world.device.begin(now);
        world.device.client.start(now);
        world.drain();
        // Most programs are about what comes after the registration.
        if kind & 0x80 == 0 {
            world.device.connect_all(now);
            world.drain();
            world.answer_all();
        }
        world
    }

    fn step(&mut self, step: u8, program: &mut Program<'_>) {
        let now = self.now;
        self.device.begin(now);
        let choice = step >> 5;
        match step & 0x1f {
            0..=9 => {
                let datagram = messages::good_request(program, self.message_id(step));
                self.say(choice, datagram);
            }
            10..=13 => {
                let datagram = messages::request(program, self.message_id(step));
                self.say(choice, datagram);
            }
            14 | 15 => {
                let datagram = messages::block(program, self.message_id(step));
                self.say(choice, datagram);
            }
            16 | 17 => self.answer(choice < 6, program),
            18 | 19 => self.answer_all(),
            20 => self.acknowledge(choice),
            21 => {
                let length = program.byte() & 0x1f;
                let datagram = program.take(length.into()).to_vec();
                self.say(choice, datagram);
            }
            22 => self.repeat(choice, program),
            23 | 24 => self.pass(Duration::from_millis(u64::from(program.byte()) * 20)),
            25 => {
                let seconds = u64::from(program.byte());
                let far = if choice == 7 { 60 } else { 1 };
                self.pass(Duration::from_secs(seconds * far));
            }
            26..=28 => self.device.change(now, choice, program.byte()),
            29 => self.device.answer(now, choice < 6),
            30 => self.device.connection(now, choice, program.byte()),
            _ => self.device.call(now, program.byte() & 0x0f),
        }
        self.drain();
    }

    fn message_id(&mut self, step: u8) -> u16 {
        if step < 0xf0 {
            self.message_id += 1;
        }
        self.message_id
    }

    /// A datagram to the Client, on one of the connections that are up.
    fn say(&mut self, choice: u8, datagram: Vec<u8>) {
        if let Some(connection) = self.device.up(choice) {
            self.deliver(connection, datagram);
        }
    }

    fn deliver(&mut self, connection: ConnectionId, datagram: Vec<u8>) {
        self.device.begin(self.now);
        self.device.receive(self.now, connection, &datagram);
        self.said.push_back(datagram);
        if self.said.len() > REMEMBERED {
            self.said.pop_front();
        }
        self.drain();
    }

    /// The oldest request of the Client is answered, rightly or not.
    fn answer(&mut self, rightly: bool, program: &mut Program<'_>) {
        let Some((connection, request)) = self.asked.pop_front() else {
            return;
        };
        let message_id = self.message_id(0);
        let answer = if rightly {
            messages::accept(&request)
        } else {
            messages::answer(&request, program, message_id)
        };
        if let Some(answer) = answer {
            self.deliver(connection, answer);
        }
    }

    /// What the Client told last, or asked, is acknowledged or rejected.
    fn acknowledge(&mut self, choice: u8) {
        let from = if choice < 6 { &self.told } else { &self.asked };
        let Some((connection, message)) = from.back().cloned() else {
            return;
        };
        let kind = if choice & 1 == 0 {
            MessageType::Acknowledgement
        } else {
            MessageType::Reset
        };
        self.deliver(connection, messages::empty(kind, &message));
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
        self.say(choice, datagram);
    }

    /// Time passes, and the Client is called when it asks for it, or at the end only.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..20 {
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

    /// The Client is told the time.
    fn time(&mut self) {
        self.device.begin(self.now);
        self.device.client.handle_timeout(self.now);
        let due = self.device.client.poll_timeout();
        let says = self.drain();
        let is_past = due.is_some_and(|due| due <= self.now);
        assert!(says || !is_past, "woken at {}, and no progress", self.now);
    }

    /// Every request is answered rightly, every message acknowledged.
    fn answer_all(&mut self) {
        for _ in 0..64 {
            if let Some((connection, request)) = self.asked.pop_front() {
                if let Some(answer) = messages::accept(&request) {
                    self.deliver(connection, answer);
                }
            } else if let Some((connection, message)) = self.told.pop_front() {
                if messages::is_confirmable(&message) {
                    let empty = messages::empty(MessageType::Acknowledgement, &message);
                    self.deliver(connection, empty);
                }
            } else {
                return;
            }
        }
    }

    /// Takes what the Client sends and tells; false if there is nothing.
    fn drain(&mut self) -> bool {
        let mut any = false;
        for round in 0.. {
            assert!(round < 10_000, "it sends and tells without end");
            if let Some((connection, message)) = self.device.sent(self.now) {
                let queue = if messages::is_request(&message) {
                    &mut self.asked
                } else {
                    &mut self.told
                };
                queue.push_back((connection, message));
                if queue.len() > REMEMBERED {
                    queue.pop_front();
                }
            } else if !self.device.follow(self.now) {
                break;
            }
            any = true;
        }
        self.device.check();
        any
    }

    /// The servers answer, the Client leaves, and everything ends.
    fn finish(&mut self) {
        self.device.begin(self.now);
        self.device.come_online(self.now);
        self.drain();
        for round in 0.. {
            assert!(round < 3_000, "no end");
            self.device.begin(self.now);
            self.device.client.deregister(self.now);
            self.drain();
            self.device.begin(self.now);
            self.device.connect_all(self.now);
            self.drain();
            self.answer_all();
            let Some(due) = self.device.client.poll_timeout() else {
                break;
            };
            self.now = self.now.max(due);
            self.time();
        }
        self.device.check_idle();
    }
}
