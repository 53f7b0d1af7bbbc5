mod answers;
mod application;
mod device;
mod kind;
mod messages;
mod numbers;
mod objects;
mod observations;
mod operations;
mod outcomes;
#[cfg(test)]
mod tests;
mod values;

use std::collections::VecDeque;
use std::time::Duration;

use lwm2m_core::Instant;
use lwm2m_statemachine::{ConnectionId, coap::MessageType};

use self::{
    device::{DOWNLOAD, Device},
    kind::{ALTERNATE_PATH, Kind},
    messages::Upload,
    objects::BOOTSTRAP,
    operations::Origin,
};
use crate::program::Program;

/// A Client with up to five accounts, and whatever its servers, its network and its application may do:
/// requests of every kind with and without the right to it, right and wrong answers, blocks in any
/// order, datagrams of any bytes; connections that are made, resumed, lost, moved, or begun by the other
/// side; a Client that is offline, leaves, reboots and comes back; values, rights, Object Instances,
/// Objects and accounts that change; late answers; time. Its Bootstrap-Server is silent: see `bootstrap`.
///
/// What holds, each where it is named:
///
/// - No operation takes effect twice; what was reported as done was done, and what was refused was not;
///   an operation takes effect whole; nobody sees or changes what they have no right to (`operations`,
///   `device`).
/// - The tree has the values that were committed, and no others (`values`).
/// - Each observation begins once and ends once, and its values, also those that were stored, go forward
///   (`observations`).
/// - Each request of the Client has one outcome, each download one end, and each request that the
///   application is asked about one answer or end (`outcomes`, `device`).
/// - It sends nothing while it is offline, to a connection that isn't up, or to a server that it isn't
///   registered with, but for a Register; nothing but that once a lifetime is over; never a key
///   (`device`).
/// - What it holds is bounded. No deadline stays in the past, and no time is spent on being woken for
///   nothing. Once its servers answer and it has left, nothing is left (`device`, here).
pub fn client(data: &[u8]) {
    let mut program = Program::long(data);
    let mut world = World::new(Kind::read(&mut program));
    while let Some(step) = program.step() {
        world.step(step, &mut program);
    }
    world.finish();
}

/// How many datagrams of each side are remembered.
const REMEMBERED: usize = 16;

/// How often a Client may ask to be woken within a second, for each thing that it may have a deadline
/// for.
const WAKES: usize = 16;

/// The world around the Client.
struct World {
    now: Instant,
    device: Device,
    /// The requests of the Client that have no answer yet, and what else it wants acknowledged.
    asked: VecDeque<(ConnectionId, Vec<u8>)>,
    told: VecDeque<(ConnectionId, Vec<u8>)>,
    /// The last datagrams to the Client, with the operations that they complete.
    said: VecDeque<(Vec<u8>, Option<u32>)>,
    /// What is being uploaded.
    upload: Option<Upload>,
    message_id: u16,
}

impl World {
    fn new(kind: Kind) -> Self {
        let now = Instant::from_secs(1);
        let mut world = Self {
            now,
            device: Device::new(kind, now),
            asked: VecDeque::new(),
            told: VecDeque::new(),
            said: VecDeque::new(),
            upload: None,
            message_id: 0,
        };
        world.device.client.start(now);
        world.drain();
        if !kind.begins_unregistered() {
            world.device.begin();
            world.device.connect_all(now);
            world.drain();
            world.answer_all();
        }
        world
    }

    fn step(&mut self, step: u8, program: &mut Program<'_>) {
        let now = self.now;
        self.device.begin();
        let choice = step >> 5;
        match step & 0x1f {
            0..=9 => self.operate(step, program),
            10..=14 => {
                let (root, id) = (self.root(), self.message_id(step));
                let datagram = match step & 0x1f {
                    14 => messages::block(program, root, id),
                    _ => messages::request(program, root, id),
                };
                self.say(choice, datagram, None);
            }
            15 => self.upload(step, program),
            16 | 17 => self.answer(choice < 6, program),
            18 | 19 => self.answer_all(),
            20 => self.acknowledge(choice),
            21 => {
                let length = program.byte() & 0x1f;
                let datagram = program.take(length.into()).to_vec();
                self.say(choice, datagram, None);
            }
            22 => self.repeat(choice, program),
            23 | 24 => self.pass(Duration::from_millis(u64::from(program.byte()) * 20)),
            25 => {
                let seconds = u64::from(program.byte());
                let far = if choice == 7 { 60 } else { 1 };
                self.pass(Duration::from_secs(seconds * far));
            }
            26..=28 => self.device.change(now, choice, program.byte()),
            29 => self.device.answer(now, choice),
            30 => self.device.connection(now, choice, program.byte()),
            _ => self.device.call(now, program.byte()),
        }
        self.drain();
        self.device.check();
    }

    /// Where the Client has its Objects.
    fn root(&self) -> &'static str {
        if self.device.kind.has_alternate_path() {
            ALTERNATE_PATH
        } else {
            ""
        }
    }

    fn message_id(&mut self, step: u8) -> u16 {
        if step < 0xf0 {
            self.message_id += 1;
        }
        self.message_id
    }

    /// A server asks for something that makes sense.
    fn operate(&mut self, step: u8, program: &mut Program<'_>) {
        let request = messages::choose(program);
        let Some(connection) = self.device.up(step >> 5) else {
            return;
        };
        let writes = request.writes();
        let number = match writes {
            Some(_) => self.device.book.operations.next(),
            None => 0,
        };
        let datagram = request.request(self.root(), self.message_id(step), number);
        let origin = Origin {
            completes: None,
            writes,
        };
        self.deliver(connection, datagram, &origin);
    }

    /// The next block of a body arrives, or one is left out.
    fn upload(&mut self, step: u8, program: &mut Program<'_>) {
        let mut upload = match self.upload.take() {
            Some(upload) => upload,
            None => Upload::new(program.byte(), self.device.book.operations.next()),
        };
        let is_at_end = upload.is_at_end();
        let datagram = upload.block(self.root(), self.message_id(step));
        let number = upload.number;
        if !is_at_end {
            self.upload = Some(upload);
        }
        // The others are lost.
        if step >> 5 < 7 && self.say(step >> 5, datagram, is_at_end.then_some(number)) {
            // Changed, it may complete the body after all.
            if let Some((_, completes)) = self.said.back_mut() {
                *completes = Some(number);
            }
        }
    }

    /// A datagram to the Client, on one of the connections that are up.
    fn say(&mut self, choice: u8, datagram: Vec<u8>, completes: Option<u32>) -> bool {
        let connection = self.device.up(choice);
        if let Some(connection) = connection {
            let origin = Origin {
                completes,
                writes: None,
            };
            self.deliver(connection, datagram, &origin);
        }
        connection.is_some()
    }

    fn deliver(&mut self, connection: ConnectionId, datagram: Vec<u8>, origin: &Origin) {
        self.device.begin();
        self.device.receive(self.now, connection, &datagram, origin);
        self.said.push_back((datagram, origin.completes));
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
        if rightly {
            return self.accept(connection, &request);
        }
        let message_id = self.message_id(0);
        self.may_have_no_outcome(connection);
        if let Some(answer) = answers::answer(&request, program, message_id) {
            self.deliver(connection, answer, &Origin::default());
        }
    }

    /// A request is answered rightly. If the answer was waited for, the request has its outcome.
    fn accept(&mut self, connection: ConnectionId, request: &[u8]) {
        let Some(answer) = answers::accept(request) else {
            return;
        };
        let outcomes = &self.device.book.outcomes;
        let at = self.device.at(connection);
        let at = at.filter(|at| at.is_up && ![DOWNLOAD, BOOTSTRAP.into()].contains(&at.server));
        let awaited = at.and_then(|at| {
            let before = outcomes.awaited(&self.device.client, at.server, request)?;
            Some((at.server, before))
        });
        self.deliver(connection, answer, &Origin::default());
        if let Some((server, before)) = awaited {
            let after = self.device.book.outcomes.count(server);
            assert!(
                after > before,
                "a request to server {server} has no outcome"
            );
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
        let empty = answers::empty(kind, &message);
        self.may_have_no_outcome(connection);
        self.deliver(connection, empty, &Origin::default());
    }

    /// What is under way may go on in another way, so that the right answer is no longer waited for.
    fn may_have_no_outcome(&mut self, connection: ConnectionId) {
        if let Some(at) = self.device.at(connection) {
            self.device.book.outcomes.gives_up(at.server);
        }
    }

    /// An earlier datagram arrives again, perhaps changed.
    fn repeat(&mut self, choice: u8, program: &mut Program<'_>) {
        let (which, change) = (program.byte(), program.byte());
        let at = usize::from(which & 0x0f) % self.said.len().max(1);
        let Some((mut datagram, completes)) = self.said.get(at).cloned() else {
            return;
        };
        if which & 0x80 != 0 {
            let at = usize::from(program.byte()) % datagram.len().max(1);
            if let Some(byte) = datagram.get_mut(at) {
                *byte ^= change;
            }
        }
        self.say(choice, datagram, completes);
    }
}

/// Time, and the end.
impl World {
    /// Time passes, and the Client is called when it asks for it, or at the end only.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        let seconds = duration.as_secs() as usize + 1;
        let usage = self.device.client.usage();
        let deadlines = usage.timers + usage.coap.timers + usage.accounts + 4;
        let most = WAKES * deadlines * seconds;
        for wakes in 0..200 {
            let due = self.device.client.poll_timeout();
            let Some(due) = due.filter(|due| *due < end) else {
                break;
            };
            assert!(wakes < most, "woken {wakes} times in {seconds} s");
            self.now = self.now.max(due);
            self.time();
        }
        self.now = end;
        self.time();
    }

    /// The Client is told the time.
    fn time(&mut self) {
        self.device.begin();
        self.device.client.handle_timeout(self.now);
        let due = self.device.client.poll_timeout();
        let says = self.drain();
        let is_past = due.is_some_and(|due| due <= self.now);
        assert!(says || !is_past, "woken at {}, and no progress", self.now);
        // Once it has said everything, it is done with this moment.
        for again in 0.. {
            let due = self.device.client.poll_timeout();
            if due.is_none_or(|due| due > self.now) {
                break;
            }
            assert!(again < 4, "its deadline stays at {due:?}, now {}", self.now);
            self.device.begin();
            self.device.client.handle_timeout(self.now);
            self.drain();
        }
    }

    /// Every request is answered rightly, every message acknowledged.
    fn answer_all(&mut self) {
        for _ in 0..64 {
            if let Some((connection, request)) = self.asked.pop_front() {
                self.accept(connection, &request);
            } else if let Some((connection, message)) = self.told.pop_front() {
                if answers::is_confirmable(&message) {
                    let empty = answers::empty(MessageType::Acknowledgement, &message);
                    self.deliver(connection, empty, &Origin::default());
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
                let queue = if answers::is_request(&message) {
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
        self.device.settle();
        any
    }

    /// The servers answer, the Client leaves, and everything ends.
    fn finish(&mut self) {
        self.device.begin();
        self.device.client.go_online(self.now);
        self.device.end_inbound(self.now);
        self.drain();
        for round in 0.. {
            assert!(round < 3_000, "no end");
            self.device.begin();
            self.device.client.deregister(self.now);
            self.drain();
            self.device.begin();
            self.device.connect_all(self.now);
            self.drain();
            self.answer_all();
            let Some(due) = self.device.client.poll_timeout() else {
                break;
            };
            self.now = self.now.max(due);
            self.time();
        }
        self.device.check();
        self.device.check_idle();
    }
}
