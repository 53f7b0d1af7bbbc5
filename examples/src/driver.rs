//! A blocking driver: one machine, one UDP socket.
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

use core::{fmt, net::SocketAddr, time::Duration};
use std::{
    collections::VecDeque,
    io,
    net::{ToSocketAddrs, UdpSocket},
    time,
};

use lwm2m_core::Instant;
use lwm2m_statemachine::{Datagram, Machine, Peer};

/// The longest datagram that UDP carries.
const LONGEST_DATAGRAM: usize = 65_535;
/// How many datagrams are taken in one go, before the application sees what came of them.
const BATCH: usize = 64;

/// A machine on a socket.
///
/// The loop of a program is: [`next_event`](Self::next_event) until there is none, then
/// [`wait`](Self::wait). A call to the [`machine`](Self::machine) takes [`now`](Self::now).
pub struct Driver<M: Machine> {
    /// The machine, for the calls of the application.
    pub machine: M,
    /// Which peer is at which address.
    pub names: Names<M::Peer>,
    socket: UdpSocket,
    address: SocketAddr,
    clock: Clock,
    events: VecDeque<M::Event>,
    /// Datagrams that were of no use, at most [`BATCH`].
    useless: VecDeque<(SocketAddr, M::DatagramError)>,
    tap: Option<Tap>,
    buffer: Vec<u8>,
}

/// The clock of the machines: milliseconds since it was started, and never back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: time::Instant,
}

/// Which peer is at which address.
///
/// A server knows its peers by their addresses, that is [`Names::direct`]. A client gives out
/// names, connections, and has the driver find the addresses, that is [`Names::table`].
#[derive(Clone, Debug)]
pub struct Names<P> {
    /// The known ones; they are few.
    table: Vec<(P, SocketAddr)>,
    /// The name of an address, and the address of a name, that the table does not know.
    direct: Option<Direct<P>>,
}

type Direct<P> = (fn(SocketAddr) -> P, fn(&P) -> SocketAddr);

/// What sees every datagram.
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
    /// Drives `machine` on a socket of this address; of port 0, one that is free.
    pub fn bind(
        address: impl ToSocketAddrs,
        clock: Clock,
        machine: M,
        names: Names<M::Peer>,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        Ok(Self {
            machine,
            names,
            address: socket.local_addr()?,
            socket,
            clock,
            events: VecDeque::new(),
            useless: VecDeque::new(),
            tap: None,
            buffer: vec![0; LONGEST_DATAGRAM],
        })
    }

    /// Shows every datagram to `tap`.
    #[must_use]
    pub fn with_tap(mut self, tap: Option<Tap>) -> Self {
        self.tap = tap;
        self
    }

    /// Where the socket is reached.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The time, as the machine is to be told it.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Puts another machine in the place of this one, as a reboot does. What the old one queued is
    /// sent, what it had to say is lost.
    pub fn replace(&mut self, machine: M, names: Names<M::Peer>) -> io::Result<()> {
        self.settle()?;
        self.events.clear();
        self.machine = machine;
        self.names = names;
        Ok(())
    }

    /// Sends what the machine has to send, then gives out its next event.
    pub fn next_event(&mut self) -> io::Result<Option<M::Event>> {
        self.settle()?;
        Ok(self.events.pop_front())
    }

    /// The next datagram that was of no use to the machine: whom it was from, and why. For people to
    /// see; the machine has dealt with it. Those that nobody asks for in time are forgotten.
    pub fn next_useless(&mut self) -> Option<(SocketAddr, M::DatagramError)> {
        self.useless.pop_front()
    }

    /// Waits for datagrams and deadlines, `at_most` this long, and lets the machine act on them.
    pub fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        self.settle()?;
        let until_due = match self.machine.poll_timeout() {
            Some(deadline) => deadline.saturating_duration_since(self.now()),
            None => Duration::MAX,
        };
        let patience = if self.events.is_empty() {
            until_due.min(at_most)
        } else {
            Duration::ZERO
        };
        if !patience.is_zero() {
            self.socket.set_read_timeout(Some(patience))?;
            self.receive()?;
        }
        // Whatever else has come meanwhile.
        self.socket.set_nonblocking(true)?;
        let mut left = BATCH;
        while left > 0 && self.receive()? {
            left -= 1;
        }
        self.socket.set_nonblocking(false)?;

        let now = self.now();
        if self
            .machine
            .poll_timeout()
            .is_some_and(|deadline| deadline <= now)
        {
            self.machine.handle_timeout(now);
        }
        self.settle()
    }

    /// Takes one datagram; false if there is none.
    fn receive(&mut self) -> io::Result<bool> {
        let (length, from) = match self.socket.recv_from(&mut self.buffer) {
            Ok(received) => received,
            Err(error) if is_no_datagram(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        let payload = self.buffer.get(..length).unwrap_or_default();
        let now = self.clock.now();
        if let Some(tap) = &mut self.tap {
            tap(Captured {
                at: now,
                sent: false,
                from,
                to: self.address,
                payload,
            });
        }
        if let Some(peer) = self.names.peer(from) {
            let datagram = Datagram::new(peer, payload);
            if let Err(error) = self.machine.handle_datagram(now, datagram) {
                self.useless.truncate(BATCH - 1);
                self.useless.push_back((from, error));
            }
        }
        self.settle()?;
        Ok(true)
    }

    /// After each call to the machine: sends all that it has to send, takes all its events.
    fn settle(&mut self) -> io::Result<()> {
        while let Some(transmit) = self.machine.poll_transmit() {
            // A connection that is gone has no address: what was for it is lost.
            let Some(to) = self.names.address(&transmit.to) else {
                continue;
            };
            // Before it is sent, so that no answer is seen before it.
            if let Some(tap) = &mut self.tap {
                tap(Captured {
                    at: self.clock.now(),
                    sent: true,
                    from: self.address,
                    to,
                    payload: transmit.payload,
                });
            }
            match self.socket.send_to(transmit.payload, to) {
                Ok(_) => {}
                // Lost before it was on its way; repeating it is the machine's business.
                Err(error) if is_lost(&error) => {}
                Err(error) => return Err(error),
            }
        }
        while let Some(event) = self.machine.poll_event() {
            self.events.push_back(event);
        }
        Ok(())
    }
}

/// Whether there was nothing to receive, or an earlier datagram was refused by the peer's host.
fn is_no_datagram(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// Whether a datagram could not be sent, while the socket is as good as ever.
fn is_lost(error: &io::Error) -> bool {
    is_no_datagram(error)
        || matches!(
            error.kind(),
            io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::NetworkDown
                | io::ErrorKind::PermissionDenied
        )
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

    /// What it shows.
    pub fn now(&self) -> Instant {
        Instant::ZERO + Duration::from_millis(self.millis())
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Names<SocketAddr> {
    /// Every address is its own name.
    pub fn direct() -> Self {
        Self {
            table: Vec::new(),
            direct: Some((|address| address, |peer| *peer)),
        }
    }
}

impl<P: Peer> Names<P> {
    /// Names that are [entered](Self::insert) one by one; who has none is not heard.
    pub const fn table() -> Self {
        Self {
            table: Vec::new(),
            direct: None,
        }
    }

    /// Gives an address a name, in place of the one that it had.
    pub fn insert(&mut self, peer: P, address: SocketAddr) {
        self.table.retain(|(_, known)| *known != address);
        self.table.push((peer, address));
    }

    /// Forgets a name.
    pub fn remove(&mut self, peer: &P) {
        self.table.retain(|(known, _)| known != peer);
    }

    fn peer(&self, address: SocketAddr) -> Option<P> {
        let known = self.table.iter().find(|(_, known)| *known == address);
        match (known, self.direct) {
            (Some((peer, _)), _) => Some(peer.clone()),
            (None, direct) => direct.map(|(name, _)| name(address)),
        }
    }

    fn address(&self, peer: &P) -> Option<SocketAddr> {
        let known = self.table.iter().find(|(known, _)| known == peer);
        match (known, self.direct) {
            (Some((_, address)), _) => Some(*address),
            (None, direct) => direct.map(|(_, address)| address(peer)),
        }
    }
}
