//! The sockets of a driver.

use core::{net::SocketAddr, time::Duration};
use std::{io, net};

use lwm2m_statemachine::Peer;
use mio::{Events, Interest, Poll, Token, net::UdpSocket};

use super::names::Names;

/// How many readiness events are taken at once; sockets beyond it are found the next time.
const READY_AT_ONCE: usize = 64;
/// How many datagrams of a socket are dropped at once: more than the kernel keeps, and fewer than keep a driver busy to
/// which somebody sends all the time.
const MOST_DISCARDED: usize = 4096;
/// How long is waited at once: the kernel counts in milliseconds, and has a bound of its own.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// UDP sockets that are waited for together.
#[derive(Debug)]
pub(super) struct Sockets<P> {
    poll: Poll,
    ready: Events,
    bound: Vec<Bound<P>>,
    next_token: usize,
    /// The place of the socket that is read first, so that none waits for the others.
    turn: usize,
}

#[derive(Debug)]
struct Bound<P> {
    token: Token,
    udp: UdpSocket,
    /// Where it is reached.
    address: SocketAddr,
    peers: Peers<P>,
    /// Whether a datagram may wait. Readiness is told once, until a read finds nothing.
    readable: bool,
}

/// Whom a socket reaches.
#[derive(Debug)]
pub(super) enum Peers<P> {
    /// Those of the driver's own table.
    Driver,
    /// Those of a table of its own.
    Named(Names<P>),
    /// One peer.
    One {
        peer: P,
        /// Where the peer is.
        remote: SocketAddr,
    },
}

impl<P: Peer> Peers<P> {
    /// The name of a sender, if it has one. `names` are those of the driver.
    fn sender(&self, names: &Names<P>, from: SocketAddr) -> Option<P> {
        match self {
            // Who has no port takes no answer (RFC 768), so it is nobody.
            _ if from.port() == 0 => None,
            Self::Driver => names.peer(from),
            Self::Named(names) => names.peer(from),
            Self::One { peer, remote } => (from == *remote).then(|| peer.clone()),
        }
    }
}

/// A datagram, of which the bytes are in the buffer.
#[derive(Debug)]
pub(super) struct Received<P> {
    pub(super) length: usize,
    pub(super) from: SocketAddr,
    /// The socket's own address.
    pub(super) to: SocketAddr,
    /// Its sender's name, if it has one.
    pub(super) peer: Option<P>,
}

impl<P: Peer> Sockets<P> {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            ready: Events::with_capacity(READY_AT_ONCE),
            bound: Vec::new(),
            next_token: 0,
            turn: 0,
        })
    }

    /// Adds a socket. Returns where it is reached.
    pub(super) fn add(
        &mut self,
        socket: net::UdpSocket,
        peers: Peers<P>,
    ) -> io::Result<SocketAddr> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let mut udp = UdpSocket::from_std(socket);
        let token = Token(self.next_token);
        self.next_token += 1;
        let registry = self.poll.registry();
        registry.register(&mut udp, token, Interest::READABLE)?;
        self.bound.push(Bound {
            token,
            udp,
            address,
            peers,
            readable: true,
        });
        Ok(address)
    }

    /// Closes the socket of one peer.
    pub(super) fn close(&mut self, peer: &P) {
        let is_of = |peers: &Peers<P>| matches!(peers, Peers::One { peer: one, .. } if one == peer);
        self.bound.retain(|socket| !is_of(&socket.peers));
    }

    /// Closes all sockets of one peer.
    pub(super) fn close_all(&mut self) {
        let is_of_one = |peers: &Peers<P>| matches!(peers, Peers::One { .. });
        self.bound.retain(|socket| !is_of_one(&socket.peers));
    }

    /// Waits until a datagram has arrived, this long at most.
    pub(super) fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        let some_left = self.bound.iter().any(|socket| socket.readable);
        let patience = if some_left { Duration::ZERO } else { at_most };
        match self
            .poll
            .poll(&mut self.ready, Some(patience.min(LONGEST_WAIT)))
        {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        for event in &self.ready {
            for socket in &mut self.bound {
                socket.readable |= socket.token == event.token();
            }
        }
        Ok(())
    }

    /// The next datagram that has arrived.
    pub(super) fn receive(
        &mut self,
        names: &Names<P>,
        buffer: &mut [u8],
    ) -> io::Result<Option<Received<P>>> {
        let count = self.bound.len();
        for _ in 0..count {
            let place = self.turn % count;
            self.turn = place + 1;
            let Some(socket) = self.bound.get_mut(place) else {
                break;
            };
            while socket.readable {
                let (length, from) = match socket.udp.recv_from(buffer) {
                    Ok(received) => received,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        socket.readable = false;
                        break;
                    }
                    // The host of a peer refused an earlier datagram.
                    Err(error) if is_passing(&error) => continue,
                    Err(error) => return Err(error),
                };
                let peer = socket.peers.sender(names, from);
                return Ok(Some(Received {
                    length,
                    from,
                    to: socket.address,
                    peer,
                }));
            }
        }
        Ok(None)
    }

    /// Drops what has arrived at any socket.
    pub(super) fn discard(&mut self, buffer: &mut [u8]) {
        for socket in &mut self.bound {
            for _ in 0..MOST_DISCARDED {
                match socket.udp.recv_from(buffer) {
                    Ok(_) => {}
                    Err(error) if is_passing(&error) => {}
                    // There is no more, or the next read tells what is wrong.
                    Err(_) => break,
                }
            }
        }
    }

    /// The way to a peer: the socket, its address, and the peer's. A socket of one peer comes first.
    pub(super) fn way(
        &self,
        names: &Names<P>,
        to: &P,
    ) -> Option<(&UdpSocket, SocketAddr, SocketAddr)> {
        let alone = |socket: &Bound<P>| match &socket.peers {
            Peers::One { peer, remote } if peer == to => Some(*remote),
            _ => None,
        };
        let shared = |socket: &Bound<P>| match &socket.peers {
            Peers::Driver => names.address(to),
            Peers::Named(names) => names.address(to),
            Peers::One { .. } => None,
        };
        let find = |remote: &dyn Fn(&Bound<P>) -> Option<SocketAddr>| {
            let mut sockets = self.bound.iter();
            sockets.find_map(|socket| Some((&socket.udp, socket.address, remote(socket)?)))
        };
        find(&alone).or_else(|| find(&shared))
    }
}

/// Whether an error says nothing of the socket itself.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_port_is_nobody_on_any_socket() {
        let names = Names::direct();
        let somebody: SocketAddr = "192.0.2.7:5683".parse().unwrap();
        let nobody: SocketAddr = "192.0.2.7:0".parse().unwrap();
        let of_one = |remote| Peers::One {
            peer: remote,
            remote,
        };
        for (peers, from, sender) in [
            (Peers::Driver, somebody, Some(somebody)),
            (Peers::Driver, nobody, None),
            (Peers::Named(Names::direct()), somebody, Some(somebody)),
            (Peers::Named(Names::direct()), nobody, None),
            (of_one(somebody), somebody, Some(somebody)),
            (of_one(somebody), "192.0.2.7:5684".parse().unwrap(), None),
            (of_one(nobody), nobody, None),
        ] {
            assert_eq!(peers.sender(&names, from), sender, "{peers:?} {from}");
        }
    }
}
