//! A LwM2M Server with DTLS below it, beside clients without.

use core::{fmt, hash::Hash, net::SocketAddr};
use std::collections::VecDeque;

use lwm2m_core::Instant;
use lwm2m_statemachine::{
    Channel, Datagram, Machine, Peer, Server, ServerEvent, Transmit,
    coap::DatagramError,
    server::{Host, RegistrationId},
};
use thiserror::Error;

use super::{
    credentials::ProvenIdentity,
    session::{DtlsStack, SessionError},
    sessions::{Bounds, End, Event, Sessions, Usage, Useless},
};

/// How much news waits for the application; older ones are forgotten.
const NEWS: usize = 1024;

/// A [`Server`] whose clients come over DTLS, or without security.
///
/// Drive it as any machine. Its peers are [`Transport`] addresses: those of the socket for `coap`, and
/// those of the socket for `coaps`. For the calls of the application there is the
/// [`server`](Self::server) inside, whose peers are [`SecurePeer`]s.
///
/// When a client [changes](ServerEvent::PeerLeft) from one session to another, the older one is closed: what
/// the network holds back of it doesn't lead the client back there. As long as other clients are reached in
/// it, it stays open; a client that was led back to it can't be reached until its next Update or notification.
pub struct SecureServer<A, D: DtlsStack> {
    /// The machine inside, for the calls of the application. Feed and drain it only through this one.
    pub server: Server<SecurePeer<A>>,
    sessions: Sessions<A, D>,
    news: VecDeque<SessionNews<A>>,
    /// The events that were looked at and not fetched yet.
    events: VecDeque<ServerEvent<SecurePeer<A>>>,
    /// The time of the last call.
    now: Instant,
    /// What is being sent.
    buffer: Vec<u8>,
}

/// Where a datagram comes from, or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport<A> {
    /// An address, over the socket for CoAP.
    Udp(A),
    /// An address, over the socket for DTLS.
    Dtls(A),
}

/// Who a client is to the server.
///
/// [`Debug`](fmt::Debug) shows what [`Display`](fmt::Display) does: so a Refusal names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurePeer<A> {
    /// One without security, at this address.
    Plain(A),
    /// One at the other end of a session. A client that makes a new session is another peer, also at
    /// the same address.
    Session {
        /// Where the client is.
        address: A,
        /// The session.
        number: u64,
    },
}

/// What became of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionNews<A> {
    /// A client has connected.
    Connected {
        /// Its name from now on.
        peer: SecurePeer<A>,
        /// What it has proved.
        identity: ProvenIdentity,
        /// Whether it has resumed a session.
        resumed: bool,
    },
    /// A session has ended. Registrations live on: the client may come back in another session.
    Ended {
        /// The name that is gone.
        peer: SecurePeer<A>,
        /// Why.
        why: End,
    },
    /// A client couldn't connect: its identity is unknown, or its key is another one.
    Failed {
        /// Where it is.
        address: A,
        /// Why.
        why: SessionError,
    },
}

/// Why a datagram was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SecureDatagramError {
    /// As CoAP.
    #[error("{0}")]
    Coap(#[from] DatagramError),
    /// As DTLS.
    #[error("{0}")]
    Dtls(#[from] Useless),
    /// DTLS isn't sent to groups.
    #[error("DTLS to a group")]
    Multicast,
}

impl<A: Clone + Eq + Hash, D: DtlsStack> SecureServer<A, D> {
    /// Puts DTLS below a server. `stack` has the keys.
    pub fn new(server: Server<SecurePeer<A>>, stack: D, bounds: Bounds) -> Self {
        Self {
            server,
            sessions: Sessions::new(stack, bounds),
            news: VecDeque::new(),
            events: VecDeque::new(),
            now: Instant::ZERO,
            buffer: Vec::new(),
        }
    }

    /// What became of sessions. Fetch it when the events are drained; the oldest is forgotten when more
    /// than 1,024 wait.
    pub fn next_news(&mut self) -> Option<SessionNews<A>> {
        self.news.pop_front()
    }

    /// Ends a session with a goodbye. The registration lives on.
    pub fn close(&mut self, now: Instant, peer: &SecurePeer<A>) {
        self.now = now;
        if let SecurePeer::Session { number, .. } = peer {
            let (sessions, mut inside) = self.parts();
            sessions.close(now, *number, &mut |event| inside.take(now, &event));
        }
    }

    /// What a peer has proved, as long as its session lives.
    pub fn identity(&self, peer: &SecurePeer<A>) -> Option<&ProvenIdentity> {
        match peer {
            SecurePeer::Plain(_) => None,
            SecurePeer::Session { number, .. } => self.sessions.peer(*number),
        }
    }

    /// How many sessions there are.
    pub fn usage(&self) -> Usage {
        self.sessions.usage()
    }

    /// The sessions, and what their events go to.
    fn parts(&mut self) -> (&mut Sessions<A, D>, Inside<'_, A>) {
        let inside = Inside {
            server: &mut self.server,
            news: &mut self.news,
            result: Ok(()),
        };
        (&mut self.sessions, inside)
    }

    fn handle_secured(
        &mut self,
        now: Instant,
        from: &A,
        datagram: &[u8],
    ) -> Result<(), SecureDatagramError> {
        let (sessions, mut inside) = self.parts();
        let taken =
            sessions.handle_datagram(now, from, datagram, &mut |event| inside.take(now, &event));
        let result = inside.result;
        self.close_older(now);
        taken?;
        Ok(result?)
    }

    /// Closes the older session of each client that has changed to another.
    fn close_older(&mut self, now: Instant) {
        while let Some(event) = self.server.poll_event() {
            let older = self.older_session(&event);
            self.events.push_back(event);
            match older {
                Some(Older::Unused(number)) => {
                    let (sessions, mut inside) = self.parts();
                    sessions.close(now, number, &mut |event| inside.take(now, &event));
                }
                Some(Older::LedBackTo(registration)) => self.server.client_gone(now, registration),
                Some(Older::Left) | None => {}
            }
        }
    }

    /// The older one of the sessions between which a client has changed, if that is what this event says.
    fn older_session(&self, event: &ServerEvent<SecurePeer<A>>) -> Option<Older> {
        let ServerEvent::PeerLeft { registration, peer } = event else {
            return None;
        };
        let reached = self.server.registration(*registration)?.peer();
        let (left, now) = (peer.number()?, reached.number()?);
        let (older, is_led_back) = if now < left {
            (reached, true)
        } else {
            (peer, false)
        };
        let is_used = self.server.is_reached_by_others(older, *registration);
        Some(match (is_used, is_led_back) {
            (false, _) => Older::Unused(left.min(now)),
            (true, true) => Older::LedBackTo(*registration),
            (true, false) => Older::Left,
        })
    }

    /// Seals the next datagrams of the server, until one can leave.
    fn next_transmit(&mut self) -> Option<Transport<A>> {
        loop {
            if let Some((to, datagram)) = self.sessions.poll_transmit() {
                self.buffer = datagram;
                return Some(Transport::Dtls(to));
            }
            let transmit = self.server.poll_transmit()?;
            self.buffer.clear();
            self.buffer.extend_from_slice(transmit.payload);
            match transmit.to {
                SecurePeer::Plain(to) => return Some(Transport::Udp(to)),
                SecurePeer::Session { number, .. } => self.seal(number),
            }
        }
    }

    /// Seals what is in the buffer. What is for a session that is gone is lost, as on any network.
    fn seal(&mut self, number: u64) {
        let (now, payload) = (self.now, core::mem::take(&mut self.buffer));
        let (sessions, mut inside) = self.parts();
        let sent = sessions.send(now, number, &payload, &mut |event| inside.take(now, &event));
        drop(sent);
        self.buffer = payload;
    }
}

/// The older one of the sessions between which a client has changed.
enum Older {
    /// No other client is reached in this one.
    Unused(u64),
    /// Others are reached in it, and the client has left it.
    Left,
    /// Others are reached in it, and the client of this registration was led back to it.
    LedBackTo(RegistrationId),
}

/// What the events of sessions go to.
struct Inside<'s, A> {
    server: &'s mut Server<SecurePeer<A>>,
    news: &'s mut VecDeque<SessionNews<A>>,
    result: Result<(), DatagramError>,
}

impl<A: Clone + Eq + Hash> Inside<'_, A> {
    fn take(&mut self, now: Instant, event: &Event<'_, A>) {
        match *event {
            Event::Connected {
                address,
                number,
                peer,
                resumed,
            } => self.tell(SessionNews::Connected {
                peer: session(address, number),
                identity: peer.clone(),
                resumed,
            }),
            Event::Payload {
                address,
                number,
                peer,
                payload,
            } => {
                let result = peer.with(|identity| {
                    let datagram = Datagram {
                        from: session(address, number),
                        payload,
                        channel: Channel::Udp,
                        multicast: false,
                        identity,
                    };
                    self.server.handle_datagram(now, datagram)
                });
                self.result = self.result.and(result);
            }
            Event::Ended {
                address,
                number,
                why,
            } => {
                let peer = session(address, number);
                self.server.peer_gone(now, &peer);
                let why = why.clone();
                self.tell(SessionNews::Ended { peer, why });
            }
            Event::Failed { address, why } => self.tell(SessionNews::Failed {
                address: address.clone(),
                why: why.clone(),
            }),
        }
    }

    fn tell(&mut self, news: SessionNews<A>) {
        if self.news.len() >= NEWS {
            self.news.pop_front();
        }
        self.news.push_back(news);
    }
}

fn session<A: Clone>(address: &A, number: u64) -> SecurePeer<A> {
    SecurePeer::Session {
        address: address.clone(),
        number,
    }
}

impl<A: Peer, D: DtlsStack> Machine for SecureServer<A, D> {
    type Peer = Transport<A>;
    type Event = ServerEvent<SecurePeer<A>>;
    type DatagramError = SecureDatagramError;

    fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, Transport<A>>,
    ) -> Result<(), SecureDatagramError> {
        self.now = now;
        match datagram.from {
            Transport::Dtls(_) if datagram.multicast => Err(SecureDatagramError::Multicast),
            Transport::Dtls(from) => self.handle_secured(now, &from, datagram.payload),
            Transport::Udp(from) => {
                let datagram = Datagram {
                    from: SecurePeer::Plain(from),
                    payload: datagram.payload,
                    channel: datagram.channel,
                    multicast: datagram.multicast,
                    identity: datagram.identity,
                };
                Ok(self.server.handle_datagram(now, datagram)?)
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let (sessions, mut inside) = self.parts();
        sessions.handle_timeout(now, &mut |event| inside.take(now, &event));
        self.server.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_, Transport<A>>> {
        let to = self.next_transmit()?;
        Some(Transmit {
            to,
            payload: &self.buffer,
        })
    }

    fn poll_event(&mut self) -> Option<ServerEvent<SecurePeer<A>>> {
        self.events.pop_front().or_else(|| self.server.poll_event())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [self.server.poll_timeout(), self.sessions.poll_timeout()];
        deadlines.into_iter().flatten().min()
    }
}

impl<A, D: DtlsStack> fmt::Debug for SecureServer<A, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureServer")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl<A> SecurePeer<A> {
    /// Where the client is.
    pub const fn address(&self) -> &A {
        match self {
            Self::Plain(address) | Self::Session { address, .. } => address,
        }
    }

    /// The number of its session; newer ones have higher numbers.
    const fn number(&self) -> Option<u64> {
        match self {
            Self::Plain(_) => None,
            Self::Session { number, .. } => Some(*number),
        }
    }
}

/// Its address, with `coaps://` before that of a session.
impl<A: fmt::Display> fmt::Display for SecurePeer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(address) => write!(f, "{address}"),
            Self::Session { address, .. } => write!(f, "coaps://{address}"),
        }
    }
}

impl<A: fmt::Debug> fmt::Debug for SecurePeer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(address) => write!(f, "{address:?}"),
            Self::Session { address, .. } => write!(f, "coaps://{address:?}"),
        }
    }
}

impl SecurePeer<SocketAddr> {
    /// Its host, for [`Server::with_hosts`].
    pub fn host(&self) -> Host {
        Host::from(*self.address())
    }
}
