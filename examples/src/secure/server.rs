//! A LwM2M Server or Bootstrap-Server with DTLS below it, beside clients without.
//!
//! `peers` says who is at the other end, `machine` what is asked of the machine above.

mod machine;
mod peers;

use core::fmt;
use std::collections::VecDeque;

use lwm2m_core::Instant;
use lwm2m_statemachine::{
    Channel, Datagram, Machine, Peer, Server, Transmit, coap::DatagramError, server::Host,
};
use thiserror::Error;

pub use self::{
    machine::ServerMachine,
    peers::{SecurePeer, Transport},
};
use super::{
    credentials::{ClientCredentials, ProvenIdentity},
    deliver::{deliver, from_peer},
    news::News,
    session::{DtlsStack, SessionError},
    sessions::{Bounds, ConnectError, End, Event, Sessions, Usage, Useless},
};

/// How much news waits for the application; older ones are forgotten.
const NEWS: usize = 1024;

/// A [`Server`] or a [`BootstrapServer`](lwm2m_statemachine::BootstrapServer) whose clients come over DTLS,
/// or without security.
///
/// Drive it as any machine. Its peers are [`Transport`] addresses: those of the socket for `coap`, those
/// of the socket for `coaps`, and the numbers of short messages. For the calls of the application there is
/// the [`server`](Self::server) inside, whose peers are [`SecurePeer`]s.
///
/// When a client [changes](lwm2m_statemachine::ServerEvent::PeerLeft) from one session to another, the older
/// one is closed: what the network holds back of it doesn't lead the client back there. As long as other
/// clients are reached in it, it stays open; a client that was led back to it can't be reached until its next
/// Update or notification.
pub struct SecureServer<A, D: DtlsStack, M: Machine = Server<SecurePeer<A>>> {
    /// The machine inside, for the calls of the application. Feed and drain it only through this one.
    pub server: M,
    sessions: Sessions<A, D>,
    /// Those by short messages.
    by_sms: Option<Sessions<A, D>>,
    news: News<SessionNews<A>>,
    /// The events that were looked at and not fetched yet.
    events: VecDeque<M::Event>,
    /// The time of the last call.
    now: Instant,
    /// What is being sent.
    buffer: Vec<u8>,
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
    /// A message for a client wasn't sent, since its record would be longer than the channel takes
    /// ([`Bounds::datagram`]). So that it is sent in blocks, the machine's
    /// [`Config::sms_size`](lwm2m_statemachine::coap::Config::sms_size) has to leave room for the record.
    Unsent {
        /// The client.
        peer: SecurePeer<A>,
        /// How long the message is, in bytes.
        length: usize,
    },
    /// A client couldn't connect: its identity is unknown, or its key is another one. Or a client couldn't be
    /// reached.
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
    /// There are no sessions by short messages.
    #[error("DTLS over SMS, which this server hasn't")]
    NoSms,
}

impl<A: Peer, D: DtlsStack, M: ServerMachine<A>> SecureServer<A, D, M> {
    /// Puts DTLS below a server. `stack` has the keys.
    pub fn new(server: M, stack: D, bounds: Bounds) -> Self {
        Self {
            server,
            sessions: Sessions::new(stack, bounds),
            by_sms: None,
            news: News::new(NEWS),
            events: VecDeque::new(),
            now: Instant::ZERO,
            buffer: Vec::new(),
        }
    }

    /// Tells the hosts of addresses over UDP apart, so that one host takes one share of the handshakes: see
    /// [`Sessions::with_hosts`]. For socket addresses it is `|address| Host::from(*address)`. A phone number is a
    /// host of its own.
    #[must_use]
    pub fn with_hosts(mut self, host_of: fn(&A) -> Host) -> Self {
        self.sessions = self.sessions.with_hosts(host_of);
        self
    }

    /// The server with sessions by short messages as well (TS 7.2.2). `stack` has the keys for them, and the
    /// length of datagrams and the timers of SMS; for `bounds` see [`Bounds::sms`].
    #[must_use]
    pub fn with_sms(mut self, stack: D, bounds: Bounds) -> Self {
        self.by_sms = Some(Sessions::new(stack, bounds));
        self
    }

    /// What became of sessions. Fetch it when the events are drained; the oldest is forgotten when more
    /// than 1,024 wait.
    pub fn next_news(&mut self) -> Option<SessionNews<A>> {
        self.news.fetch()
    }

    /// Begins a session with a client over UDP, as the DTLS client: for a server-initiated bootstrap
    /// (TS 7.1.6). [`SessionNews::Connected`] or [`SessionNews::Failed`] follows.
    ///
    /// The keys are those of the client's account: with a certificate, `host` is the endpoint name, which the
    /// certificate of the client has to name.
    pub fn connect(
        &mut self,
        now: Instant,
        address: &A,
        credentials: &ClientCredentials,
    ) -> Result<(), ConnectError> {
        self.now = now;
        let (Some(sessions), mut inside) = self.parts(Channel::Udp) else {
            return Ok(());
        };
        sessions.connect(now, address, credentials, &mut |event| {
            inside.take(now, &event);
        })
    }

    /// Ends a session with a goodbye. The registration lives on.
    pub fn close(&mut self, now: Instant, peer: &SecurePeer<A>) {
        self.now = now;
        if let Some((channel, number)) = peer.session()
            && let (Some(sessions), mut inside) = self.parts(channel)
        {
            sessions.close(now, number, &mut |event| inside.take(now, &event));
        }
    }

    /// What a peer has proved, as long as its session lives.
    pub fn identity(&self, peer: &SecurePeer<A>) -> Option<&ProvenIdentity> {
        match peer.session()? {
            (Channel::Sms, number) => self.by_sms.as_ref()?.peer(number),
            (_, number) => self.sessions.peer(number),
        }
    }

    /// How many sessions there are over UDP.
    pub fn usage(&self) -> Usage {
        self.sessions.usage()
    }

    /// How many sessions there are by short messages.
    pub fn usage_of_sms(&self) -> Usage {
        let sessions = self.by_sms.as_ref();
        sessions.map(Sessions::usage).unwrap_or_default()
    }

    /// The sessions of a channel, and what their events go to.
    fn parts(&mut self, channel: Channel) -> (Option<&mut Sessions<A, D>>, Inside<'_, A, M>) {
        let inside = Inside {
            server: &mut self.server,
            news: &mut self.news,
            channel,
            result: Ok(()),
        };
        let sessions = match channel {
            Channel::Sms => self.by_sms.as_mut(),
            _ => Some(&mut self.sessions),
        };
        (sessions, inside)
    }

    fn handle_secured(
        &mut self,
        now: Instant,
        channel: Channel,
        from: &A,
        datagram: &[u8],
    ) -> Result<(), SecureDatagramError> {
        let (sessions, mut inside) = self.parts(channel);
        let sessions = sessions.ok_or(SecureDatagramError::NoSms)?;
        let taken =
            sessions.handle_datagram(now, from, datagram, &mut |event| inside.take(now, &event));
        let result = inside.result;
        self.follow_events(now);
        taken?;
        Ok(result?)
    }

    fn handle_plain(
        &mut self,
        now: Instant,
        from: SecurePeer<A>,
        channel: Channel,
        datagram: &Datagram<'_, Transport<A>>,
    ) -> Result<(), SecureDatagramError> {
        let mut datagram = from_peer(datagram, from);
        datagram.channel = channel;
        Ok(self.server.handle_datagram(now, datagram)?)
    }

    /// Looks at the events of the machine, and closes sessions that nobody uses any more.
    fn follow_events(&mut self, now: Instant) {
        while let Some(event) = self.server.poll_event() {
            let unused = self.server.follow(now, &event);
            self.events.push_back(event);
            if let Some(peer) = unused {
                self.close(now, &peer);
            }
        }
    }

    /// Seals the next datagrams of the server, until one can leave.
    fn next_transmit(&mut self) -> Option<Transport<A>> {
        loop {
            if let Some((to, datagram)) = self.sessions.poll_transmit() {
                self.buffer = datagram;
                return Some(Transport::Dtls(to));
            }
            let by_sms = self.by_sms.as_mut().and_then(Sessions::poll_transmit);
            if let Some((to, datagram)) = by_sms {
                self.buffer = datagram;
                return Some(Transport::SmsDtls(to));
            }
            let transmit = self.server.poll_transmit()?;
            self.buffer.clear();
            self.buffer.extend_from_slice(transmit.payload);
            match transmit.to {
                SecurePeer::Plain(to) => return Some(Transport::Udp(to)),
                SecurePeer::Sms(to) => return Some(Transport::Sms(to)),
                peer => self.seal(peer),
            }
        }
    }

    /// Seals what is in the buffer. What is for a session that is gone is lost, as on any network.
    fn seal(&mut self, peer: SecurePeer<A>) {
        let Some((channel, number)) = peer.session() else {
            return;
        };
        let (now, payload) = (self.now, core::mem::take(&mut self.buffer));
        if let (Some(sessions), mut inside) = self.parts(channel) {
            let sent = sessions.send(now, number, &payload, &mut |event| inside.take(now, &event));
            if sent == Err(SessionError::TooLong) {
                let length = payload.len();
                inside.tell(SessionNews::Unsent { peer, length });
            }
        }
        self.buffer = payload;
    }
}

/// What the events of sessions go to.
struct Inside<'s, A, M> {
    server: &'s mut M,
    news: &'s mut News<SessionNews<A>>,
    /// Of the sessions.
    channel: Channel,
    result: Result<(), DatagramError>,
}

impl<A: Peer, M: ServerMachine<A>> Inside<'_, A, M> {
    fn take(&mut self, now: Instant, event: &Event<'_, A>) {
        match *event {
            Event::Connected {
                address,
                number,
                peer,
                resumed,
                ..
            } => self.tell(SessionNews::Connected {
                peer: self.peer(address, number),
                identity: peer.clone(),
                resumed,
            }),
            Event::Payload {
                address,
                number,
                peer,
                payload,
            } => {
                let way = (self.peer(address, number), self.channel);
                let result = deliver(self.server, now, way, peer, payload);
                self.result = self.result.and(result);
            }
            Event::Ended {
                address,
                number,
                why,
            } => {
                let peer = self.peer(address, number);
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

    fn peer(&self, address: &A, number: u64) -> SecurePeer<A> {
        SecurePeer::of_session(self.channel, address.clone(), number)
    }

    fn tell(&mut self, news: SessionNews<A>) {
        self.news.tell(news);
    }
}

impl<A: Peer, D: DtlsStack, M: ServerMachine<A>> Machine for SecureServer<A, D, M> {
    type Peer = Transport<A>;
    type Event = M::Event;
    type DatagramError = SecureDatagramError;

    fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, Transport<A>>,
    ) -> Result<(), SecureDatagramError> {
        self.now = now;
        let payload = datagram.payload;
        match &datagram.from {
            Transport::Dtls(_) | Transport::SmsDtls(_) if datagram.multicast => {
                Err(SecureDatagramError::Multicast)
            }
            Transport::Dtls(from) => self.handle_secured(now, Channel::Udp, from, payload),
            Transport::SmsDtls(from) => self.handle_secured(now, Channel::Sms, from, payload),
            Transport::Udp(from) => {
                let (from, channel) = (SecurePeer::Plain(from.clone()), datagram.channel);
                self.handle_plain(now, from, channel, &datagram)
            }
            Transport::Sms(from) => {
                let from = SecurePeer::Sms(from.clone());
                self.handle_plain(now, from, Channel::Sms, &datagram)
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        for channel in [Channel::Udp, Channel::Sms] {
            if let (Some(sessions), mut inside) = self.parts(channel) {
                sessions.handle_timeout(now, &mut |event| inside.take(now, &event));
            }
        }
        self.server.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_, Transport<A>>> {
        let to = self.next_transmit()?;
        Some(Transmit {
            to,
            payload: &self.buffer,
        })
    }

    fn poll_event(&mut self) -> Option<M::Event> {
        self.events.pop_front().or_else(|| self.server.poll_event())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [
            self.server.poll_timeout(),
            self.sessions.poll_timeout(),
            self.by_sms.as_ref().and_then(Sessions::poll_timeout),
        ];
        deadlines.into_iter().flatten().min()
    }
}

impl<A, D: DtlsStack, M: Machine> fmt::Debug for SecureServer<A, D, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureServer")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
