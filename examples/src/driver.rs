//! A blocking driver: one machine on UDP sockets.
//!
//! ```no_run
//! use core::time::Duration;
//! use std::net::SocketAddr;
//! use lwm2m_examples::driver::{Clock, Driver, Names};
//! use lwm2m_statemachine::Machine;
//!
//! fn serve(machine: impl Machine<Peer = SocketAddr>) -> std::io::Result<()> {
//!     let mut driver = Driver::bind("127.0.0.1:5683", Clock::start(), machine, Names::direct())?;
//!     loop {
//!         while let Some(_event) = driver.next_event()? {
//!             // Act on it, with calls to `driver.machine`.
//!         }
//!         driver.wait(Duration::from_secs(60))?;
//!     }
//! }
//! ```

mod names;
mod sockets;

use core::{fmt, net::SocketAddr, time::Duration};
use std::{
    collections::VecDeque,
    io,
    net::{ToSocketAddrs, UdpSocket},
    thread, time,
};

use lwm2m_core::Instant;
use lwm2m_statemachine::{Datagram, Machine};

pub use self::names::Names;
use self::sockets::{Peers, Received, Sockets};
use crate::uri;

/// The longest datagram that UDP carries.
const LONGEST_DATAGRAM: usize = 65_535;
/// How many datagrams are taken before the application sees their events.
const BATCH: usize = 64;
/// How long the thread of a deaf driver sleeps at once.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// A machine on sockets.
///
/// The loop of a program is: [`next_event`](Self::next_event) until there is none, then
/// [`wait`](Self::wait). Calls to the [`machine`](Self::machine) take [`now`](Self::now).
pub struct Driver<M: Machine> {
    /// The machine, for the calls of the application.
    pub machine: M,
    /// Which peer is at which address, for the first socket.
    pub names: Names<M::Peer>,
    address: SocketAddr,
    sockets: Sockets<M::Peer>,
    clock: Clock,
    events: VecDeque<M::Event>,
    /// Datagrams that the machine rejected, at most [`BATCH`].
    useless: VecDeque<(SocketAddr, M::DatagramError)>,
    tap: Option<Tap>,
    /// Whether the machine's radio is off.
    is_deaf: bool,
    buffer: Vec<u8>,
}

/// The clock of the machines: milliseconds since it was started. It never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: time::Instant,
}

/// Is shown every datagram.
pub type Tap = Box<dyn FnMut(Captured<'_>) + Send>;

/// A datagram as it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured<'a> {
    /// When.
    pub at: Instant,
    /// Whether this driver sent it, or received it.
    pub sent: bool,
    /// Whom it is from.
    pub from: SocketAddr,
    /// Whom it is for.
    pub to: SocketAddr,
    /// Its bytes.
    pub payload: &'a [u8],
}

impl<M: Machine> Driver<M> {
    /// Drives `machine` on a socket of this address; port 0 chooses a free one.
    pub fn bind(
        address: impl ToSocketAddrs,
        clock: Clock,
        machine: M,
        names: Names<M::Peer>,
    ) -> io::Result<Self> {
        let mut sockets = Sockets::new()?;
        Ok(Self {
            machine,
            names,
            address: sockets.add(UdpSocket::bind(address)?, Peers::Driver)?,
            sockets,
            clock,
            events: VecDeque::new(),
            useless: VecDeque::new(),
            tap: None,
            is_deaf: false,
            buffer: vec![0; LONGEST_DATAGRAM],
        })
    }

    /// Shows every datagram to `tap`.
    #[must_use]
    pub fn with_tap(mut self, tap: Option<Tap>) -> Self {
        self.tap = tap;
        self
    }

    /// Adds a socket with peers of its own, such as the one for DTLS beside the one without
    /// security. Returns where it is reached.
    pub fn listen(
        &mut self,
        address: impl ToSocketAddrs,
        names: Names<M::Peer>,
    ) -> io::Result<SocketAddr> {
        let socket = UdpSocket::bind(address)?;
        self.sockets.add(socket, Peers::Named(names))
    }

    /// Where the first socket is reached.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The time to give to the machine.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Opens a socket for this peer alone, on an address that reaches it: for one that the first
    /// socket doesn't reach, or can't tell from another one at the same address.
    pub fn open(&mut self, peer: M::Peer, remote: SocketAddr) -> io::Result<()> {
        let socket = UdpSocket::bind(uri::local_address(remote)?)?;
        self.sockets.add(socket, Peers::One { peer, remote })?;
        Ok(())
    }

    /// Forgets the address of a peer, and closes its socket if it has one of its own.
    pub fn close(&mut self, peer: &M::Peer) {
        self.names.remove(peer);
        self.sockets.close(peer);
    }

    /// Turns the radio off: what arrives from now on is dropped, and isn't shown either. It is on again when the
    /// machine has something to send, or by [`hear`](Self::hear).
    pub const fn turn_deaf(&mut self) {
        self.is_deaf = true;
    }

    /// Turns the radio on. What has arrived while it was off is lost.
    pub fn hear(&mut self) {
        if self.is_deaf {
            self.is_deaf = false;
            self.sockets.discard(&mut self.buffer);
        }
    }

    /// Whether the radio is off.
    pub const fn is_deaf(&self) -> bool {
        self.is_deaf
    }

    /// Replaces the machine, as a reboot does. What the old one has queued is sent, its events are
    /// lost.
    pub fn replace(&mut self, machine: M, names: Names<M::Peer>) -> io::Result<()> {
        self.settle();
        self.events.clear();
        self.sockets.close_all();
        self.machine = machine;
        self.names = names;
        Ok(())
    }

    /// Sends what the machine has to send, then returns its next event.
    pub fn next_event(&mut self) -> io::Result<Option<M::Event>> {
        self.settle();
        Ok(self.events.pop_front())
    }

    /// The next datagram that the machine rejected: its sender and the reason. This is for people
    /// to see; the machine has dealt with it. Old ones are forgotten.
    pub fn next_useless(&mut self) -> Option<(SocketAddr, M::DatagramError)> {
        self.useless.pop_front()
    }

    /// Waits for datagrams and deadlines, `at_most` this long, and lets the machine act on them.
    pub fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        self.settle();
        let until_due = match self.machine.poll_timeout() {
            Some(deadline) => deadline.saturating_duration_since(self.now()),
            None => Duration::MAX,
        };
        let patience = if self.events.is_empty() {
            until_due.min(at_most)
        } else {
            Duration::ZERO
        };
        if self.is_deaf {
            thread::sleep(patience.min(LONGEST_SLEEP));
        } else {
            self.sockets.wait(patience)?;
            self.take_arrived()?;
        }

        let now = self.now();
        if self
            .machine
            .poll_timeout()
            .is_some_and(|deadline| deadline <= now)
        {
            self.machine.handle_timeout(now);
        }
        self.settle();
        Ok(())
    }

    /// Hands what has arrived to the machine, a [`BATCH`] at most.
    fn take_arrived(&mut self) -> io::Result<()> {
        for _ in 0..BATCH {
            let received = self.sockets.receive(&self.names, &mut self.buffer)?;
            let Some(received) = received else {
                break;
            };
            self.take(received);
        }
        Ok(())
    }

    /// Hands the datagram in the buffer to the machine, if its sender has a name.
    fn take(&mut self, received: Received<M::Peer>) {
        let Received {
            length,
            from,
            to,
            peer,
        } = received;
        let payload = self.buffer.get(..length).unwrap_or_default();
        let now = self.clock.now();
        if let Some(tap) = &mut self.tap {
            tap(Captured {
                at: now,
                sent: false,
                from,
                to,
                payload,
            });
        }
        if let Some(peer) = peer {
            let datagram = Datagram::new(peer, payload);
            if let Err(error) = self.machine.handle_datagram(now, datagram) {
                if self.useless.len() >= BATCH {
                    self.useless.pop_front();
                }
                self.useless.push_back((from, error));
            }
        }
        self.settle();
    }

    /// Drains the machine after each call: sends its datagrams, takes its events. An event may be the
    /// reason for another datagram, such as a goodbye, which has to leave before the application sees
    /// the event.
    fn settle(&mut self) {
        self.send_all();
        loop {
            while let Some(event) = self.machine.poll_event() {
                self.events.push_back(event);
            }
            if !self.send_all() {
                return;
            }
        }
    }

    /// Sends the machine's datagrams. Returns whether there was one.
    fn send_all(&mut self) -> bool {
        let mut any = false;
        while let Some(transmit) = self.machine.poll_transmit() {
            any = true;
            // Before it is sent: its answer is to be heard.
            if self.is_deaf {
                self.is_deaf = false;
                self.sockets.discard(&mut self.buffer);
            }
            // A closed connection has no address, so the datagram is lost.
            let Some((socket, from, to)) = self.sockets.way(&self.names, &transmit.to) else {
                continue;
            };
            // Before it is sent, so that it is shown before its answer.
            if let Some(tap) = &mut self.tap {
                tap(Captured {
                    at: self.clock.now(),
                    sent: true,
                    from,
                    to,
                    payload: transmit.payload,
                });
            }
            // What fails concerns this datagram alone, such as a peer that can't be reached or an
            // address that can't be sent to. It is lost, as on the way; the machine retransmits it.
            let _ = socket.send_to(transmit.payload, to);
        }
        any
    }
}

impl<M: Machine> fmt::Debug for Driver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Clock {
    /// A clock that shows zero now.
    pub fn start() -> Self {
        Self {
            started: time::Instant::now(),
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        Instant::ZERO + Duration::from_millis(self.millis())
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
