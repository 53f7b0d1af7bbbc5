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

use crate::uri;

/// The longest datagram that UDP carries.
const LONGEST_DATAGRAM: usize = 65_535;
/// How often sockets of one peer are looked at.
const GLANCE: Duration = Duration::from_millis(20);
/// How many datagrams are taken before the application sees their events.
const BATCH: usize = 64;

/// A machine on a socket.
///
/// The loop of a program is: [`next_event`](Self::next_event) until there is none, then
/// [`wait`](Self::wait). Calls to the [`machine`](Self::machine) take [`now`](Self::now).
pub struct Driver<M: Machine> {
    /// The machine, for the calls of the application.
    pub machine: M,
    /// Which peer is at which address.
    pub names: Names<M::Peer>,
    socket: UdpSocket,
    address: SocketAddr,
    /// Sockets of one peer each.
    channels: Vec<Channel<M::Peer>>,
    clock: Clock,
    events: VecDeque<M::Event>,
    /// Datagrams that the machine rejected, at most [`BATCH`].
    useless: VecDeque<(SocketAddr, M::DatagramError)>,
    tap: Option<Tap>,
    buffer: Vec<u8>,
}

/// A socket of its own for one peer.
struct Channel<P> {
    peer: P,
    socket: UdpSocket,
    /// Where the socket is reached.
    address: SocketAddr,
    /// Where the peer is.
    remote: SocketAddr,
}

/// The clock of the machines: milliseconds since it was started. It never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: time::Instant,
}

/// Which peer is at which address.
///
/// A server knows its peers by address: [`Names::direct`], or [`Names::converting`] if it calls them
/// otherwise. A client names its connections, and the
/// driver keeps their addresses: [`Names::table`].
#[derive(Clone, Debug)]
pub struct Names<P> {
    /// The known names; there are few.
    table: Vec<(P, SocketAddr)>,
    /// Converts an address to a name, and a name to an address, where the table has none.
    direct: Option<Direct<P>>,
}

type Direct<P> = (fn(SocketAddr) -> P, fn(&P) -> SocketAddr);

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
        let socket = UdpSocket::bind(address)?;
        Ok(Self {
            machine,
            names,
            address: socket.local_addr()?,
            socket,
            channels: Vec::new(),
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

    /// The time to give to the machine.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Opens a socket for this peer alone, on an address that reaches it: for one that the driver's
    /// own socket doesn't reach, or can't tell from another one at the same address. These sockets
    /// are looked at every 20 ms.
    pub fn open(&mut self, peer: M::Peer, remote: SocketAddr) -> io::Result<()> {
        let socket = UdpSocket::bind(uri::local_address(remote)?)?;
        socket.set_nonblocking(true)?;
        self.channels.push(Channel {
            peer,
            address: socket.local_addr()?,
            socket,
            remote,
        });
        Ok(())
    }

    /// Forgets the address of a peer, and closes its socket if it has one of its own.
    pub fn close(&mut self, peer: &M::Peer) {
        self.names.remove(peer);
        self.channels.retain(|channel| channel.peer != *peer);
    }

    /// Replaces the machine, as a reboot does. What the old one has queued is sent, its events are
    /// lost.
    pub fn replace(&mut self, machine: M, names: Names<M::Peer>) -> io::Result<()> {
        self.settle()?;
        self.events.clear();
        self.channels.clear();
        self.machine = machine;
        self.names = names;
        Ok(())
    }

    /// Sends what the machine has to send, then returns its next event.
    pub fn next_event(&mut self) -> io::Result<Option<M::Event>> {
        self.settle()?;
        Ok(self.events.pop_front())
    }

    /// The next datagram that the machine rejected: its sender and the reason. This is for people
    /// to see; the machine has dealt with it. Old ones are forgotten.
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
        let patience = if self.channels.is_empty() {
            patience
        } else {
            patience.min(GLANCE)
        };
        if !patience.is_zero() {
            self.socket.set_read_timeout(Some(patience))?;
            self.receive()?;
        }
        // Whatever else has arrived.
        self.socket.set_nonblocking(true)?;
        let mut left = BATCH;
        while left > 0 && self.receive()? {
            left -= 1;
        }
        self.socket.set_nonblocking(false)?;
        for index in 0..self.channels.len() {
            while left > 0 && self.receive_on(index)? {
                left -= 1;
            }
        }

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
        let (to, peer) = (self.address, self.names.peer(from));
        self.take(length, from, to, peer)?;
        Ok(true)
    }

    /// Takes one datagram from the socket of one peer.
    fn receive_on(&mut self, index: usize) -> io::Result<bool> {
        let Some(channel) = self.channels.get(index) else {
            return Ok(false);
        };
        let (length, from) = match channel.socket.recv_from(&mut self.buffer) {
            Ok(received) => received,
            Err(error) if is_no_datagram(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        let known = from == channel.remote;
        let (to, peer) = (channel.address, known.then(|| channel.peer.clone()));
        self.take(length, from, to, peer)?;
        Ok(true)
    }

    /// Hands the datagram in the buffer to the machine, if its sender has a name.
    fn take(
        &mut self,
        length: usize,
        from: SocketAddr,
        to: SocketAddr,
        peer: Option<M::Peer>,
    ) -> io::Result<()> {
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
                self.useless.truncate(BATCH - 1);
                self.useless.push_back((from, error));
            }
        }
        self.settle()
    }

    /// Drains the machine after each call: sends its datagrams, takes its events. An event may be the
    /// reason for another datagram, such as a goodbye, which has to leave before the application sees
    /// the event.
    fn settle(&mut self) -> io::Result<()> {
        self.send_all()?;
        loop {
            while let Some(event) = self.machine.poll_event() {
                self.events.push_back(event);
            }
            if !self.send_all()? {
                return Ok(());
            }
        }
    }

    /// Sends the machine's datagrams. Returns whether there was one.
    fn send_all(&mut self) -> io::Result<bool> {
        let mut any = false;
        while let Some(transmit) = self.machine.poll_transmit() {
            any = true;
            let mut channels = self.channels.iter();
            let channel = channels.find(|channel| channel.peer == transmit.to);
            let (socket, from, to) = if let Some(channel) = channel {
                (&channel.socket, channel.address, Some(channel.remote))
            } else {
                let to = self.names.address(&transmit.to);
                (&self.socket, self.address, to)
            };
            // A closed connection has no address, so the datagram is lost.
            let Some(to) = to else {
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
            match socket.send_to(transmit.payload, to) {
                Ok(_) => {}
                // Lost before it was sent; the machine retransmits it.
                Err(error) if is_lost(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(any)
    }
}

/// Whether there was nothing to receive, or the peer's host refused an earlier datagram.
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

/// Whether one datagram couldn't be sent, but the socket still works.
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

    /// The time.
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
        Self::converting(|address| address, |peer| *peer)
    }
}

impl<P: Peer> Names<P> {
    /// Every address has a name that is made of it, and leads back to it.
    pub const fn converting(name: fn(SocketAddr) -> P, address: fn(&P) -> SocketAddr) -> Self {
        Self {
            table: Vec::new(),
            direct: Some((name, address)),
        }
    }

    /// Names that are [inserted](Self::insert) one by one; datagrams from other addresses are
    /// dropped.
    pub const fn table() -> Self {
        Self {
            table: Vec::new(),
            direct: None,
        }
    }

    /// Gives an address a name, which replaces the one that it had.
    pub fn insert(&mut self, peer: P, address: SocketAddr) {
        self.table.retain(|(_, known)| *known != address);
        self.table.push((peer, address));
    }

    /// Whether an address has a name of its own.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.table.iter().any(|(_, known)| *known == address)
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
