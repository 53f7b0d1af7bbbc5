//! A LwM2M Client with DTLS below its secured connections.

mod expired;
mod failure;
mod sms;

use core::fmt;
use std::collections::{BTreeMap, VecDeque};

use lwm2m_core::Instant;
use lwm2m_objects::typed;
use lwm2m_statemachine::{
    AccountId, Channel, Client, ClientEvent, ConnectionId, Datagram, Machine, RegistrationFailure,
    Session, Transmit,
};

use self::expired::Renewals;
pub use self::failure::{
    ClientDatagramError, ConnectionFailure, FailedBecause, InboundSmsError, Unsent,
};
use super::{
    credentials::{Account, ClientCredentials, ProvenIdentity, UnusableAccount},
    deliver::deliver,
    news::News,
    session::{DtlsSession, DtlsStack, Output, Refusal, SHORT_MESSAGE, SessionError, StackError},
};

/// How many failures wait for the application; older ones are forgotten.
const FAILURES: usize = 64;

/// A [`Client`] whose connections are secured as their accounts say.
///
/// Drive it as any machine. On [`ClientEvent::Connect`] call [`open`](Self::open), and from then on pass
/// in what arrives from the server. All else about connections is told to the Client by this machine:
/// that it is up, lost, or couldn't be made; then it asks for another one by itself. A session counts as
/// lost, too, if a Register or an Update gets no answer on it. If the certificate of a LwM2M Server has expired and
/// that matters ([`Expiry`](super::credentials::Expiry)), the Client begins a bootstrap, once for each certificate
/// (TS 7.1.9). Until such a server registers the device, the next one follows after a minute at the earliest, and then
/// after twice as long each time, up to a day.
///
/// [`ClientEvent::Disconnect`] comes once for each connection that is over, also for one that has failed,
/// when the last words of its session have been polled. A socket that is closed then doesn't leak. Only
/// for a connection that you tell to be [lost](Self::lost) there is none.
pub struct SecureClient<D: DtlsStack> {
    /// The machine inside, for the calls of the application. Feed and drain it only through this one.
    pub client: Client,
    stack: D,
    /// The library as it is set for short messages.
    sms: Option<D>,
    links: BTreeMap<ConnectionId, Link<D::Session>>,
    transmits: VecDeque<(ConnectionId, Vec<u8>)>,
    /// The Client's events that were looked at and not fetched yet.
    events: VecDeque<ClientEvent>,
    /// Connections that are over, and that the application closes when all is sent.
    held: VecDeque<ConnectionId>,
    /// Those that the application has been told to close since the Client's last event. The Client may
    /// have an event of its own for one that has failed meanwhile.
    over: Vec<ConnectionId>,
    failures: News<ConnectionFailure>,
    unsent: News<Unsent>,
    renewals: Renewals,
    /// Connections whose servers don't answer.
    silent: Vec<ConnectionId>,
    /// The time of the last call.
    now: Instant,
    /// What is being sent.
    buffer: Vec<u8>,
}

enum Link<S> {
    Plain,
    Secured {
        session: Box<S>,
        channel: Channel,
        /// Once it is established.
        peer: Option<ProvenIdentity>,
    },
}

impl<D: DtlsStack> SecureClient<D> {
    /// Puts DTLS below a Client.
    pub const fn new(client: Client, stack: D) -> Self {
        Self {
            client,
            stack,
            sms: None,
            links: BTreeMap::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            held: VecDeque::new(),
            over: Vec::new(),
            failures: News::new(FAILURES),
            unsent: News::new(FAILURES),
            renewals: Renewals::new(),
            silent: Vec::new(),
            now: Instant::ZERO,
            buffer: Vec::new(),
        }
    }

    /// Makes a connection as its account says. `host` is the host of its URI. Without security it is
    /// up at once, as a new one; else a handshake begins. If it can't, the Client is told,
    /// [`next_failure`](Self::next_failure) tells why, and [`ClientEvent::Disconnect`] follows.
    pub fn open(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        security: &typed::Security,
        host: &str,
    ) {
        self.now = now;
        match ClientCredentials::of(security, host) {
            Ok(credentials) => {
                self.open_with(now, connection, &Account::of(security), &credentials);
            }
            Err(UnusableAccount::NoSec) => self.open_plain(now, connection, Session::New),
            Err(error) => self.fail(now, connection, error.into()),
        }
    }

    /// Makes a connection without security: `session` is [`Session::Resumed`] if its local address is
    /// the same as before (TS 8.2.4).
    pub fn open_plain(&mut self, now: Instant, connection: ConnectionId, session: Session) {
        self.now = now;
        self.links.insert(connection, Link::Plain);
        self.client.connected(now, connection, session);
    }

    /// Makes a connection with these keys, such as one for a download. If the library can, it goes on with
    /// an earlier session of the same account and keys.
    pub fn open_with(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        account: &Account,
        credentials: &ClientCredentials,
    ) {
        self.now = now;
        let session = self.stack.connect_for(now, account, credentials);
        self.begin(now, connection, Channel::Udp, session);
    }

    /// Begins a handshake, if the library could.
    fn begin(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        channel: Channel,
        session: Result<D::Session, StackError>,
    ) {
        match session {
            Ok(session) => {
                let link = Link::Secured {
                    session: Box::new(session),
                    channel,
                    peer: None,
                };
                self.links.insert(connection, link);
                // Nothing has arrived, so no datagram is useless.
                let _ = self.settle(now, connection, Ok(()));
            }
            Err(error) => self.fail(now, connection, error.into()),
        }
    }

    /// A connection that is secured elsewhere: what the Client sends on it comes out as it is. The Client has
    /// named it.
    pub(super) fn adopt(&mut self, connection: ConnectionId) {
        self.links.insert(connection, Link::Plain);
    }

    /// Time has passed, in which nothing came on a connection of the Client's own.
    pub(super) const fn pass_to(&mut self, now: Instant) {
        self.now = now;
    }

    /// A connection couldn't be made, or its socket is lost: the Client asks for another one. The
    /// application has closed what it had of it.
    pub fn lost(&mut self, now: Instant, connection: ConnectionId) {
        self.now = now;
        self.links.remove(&connection);
        self.client.disconnected(now, connection);
    }

    /// Why connections have failed since the last call, the oldest first; their names are over. Fetch it
    /// when the events are drained; the oldest is forgotten when more than 64 wait.
    pub fn next_failure(&mut self) -> Option<ConnectionFailure> {
        self.failures.fetch()
    }

    /// What wasn't sent since the last call, the oldest first. Fetch it when the events are drained; the oldest is
    /// forgotten when more than 64 wait.
    pub fn next_unsent(&mut self) -> Option<Unsent> {
        self.unsent.fetch()
    }

    /// What the server of a connection has proved, as long as the session lives.
    pub fn identity(&self, connection: ConnectionId) -> Option<&ProvenIdentity> {
        match self.links.get(&connection)? {
            Link::Plain => None,
            Link::Secured { peer, .. } => peer.as_ref(),
        }
    }

    /// Looks at what came of a call to a session.
    fn settle(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        mut result: Result<(), SessionError>,
    ) -> Result<(), ClientDatagramError> {
        let Some(Link::Secured {
            session,
            channel,
            peer,
        }) = self.links.get_mut(&connection)
        else {
            return Ok(());
        };
        let mut coap = Ok(());
        let mut is_closed = false;
        let is_handshake = peer.is_none();
        let (client, transmits) = (&mut self.client, &mut self.transmits);
        let mut too_long = None;
        session.drain(&mut |output| match output {
            Output::Datagram(datagram)
                if *channel == Channel::Sms && datagram.len() > SHORT_MESSAGE =>
            {
                too_long = Some(datagram.len());
            }
            Output::Datagram(datagram) => transmits.push_back((connection, datagram.to_vec())),
            Output::Connected {
                peer: proven,
                resumed,
            } => {
                *peer = Some(proven.clone());
                let session = if resumed {
                    Session::Resumed
                } else {
                    Session::New
                };
                client.connected(now, connection, session);
            }
            Output::Payload(payload) => {
                if let Some(peer) = &*peer {
                    let way = (connection, *channel);
                    let result = deliver(client, now, way, peer, payload);
                    coap = coap.and(result);
                }
            }
            Output::Closed => is_closed = true,
        });
        match too_long {
            // It would be as long when it is repeated.
            Some(_) if is_handshake => result = result.and(Err(SessionError::TooLong)),
            Some(length) => self.leave_unsent(connection, length),
            None => {}
        }
        if is_closed {
            self.fail(now, connection, FailedBecause::Closed);
        } else if let Err(error) = result {
            self.fail(now, connection, error.into());
        }
        Ok(coap?)
    }

    fn fail(&mut self, now: Instant, connection: ConnectionId, reason: FailedBecause) {
        let is_expired = reason == SessionError::Refused(Refusal::Expired).into();
        self.failures.tell(ConnectionFailure { connection, reason });
        let expired = is_expired.then(|| self.server_of(connection)).flatten();
        self.hold(connection);
        self.lost(now, connection);
        if let Some(account) = expired {
            self.renew(now, account);
        }
    }

    fn leave_unsent(&mut self, connection: ConnectionId, length: usize) {
        self.unsent.tell(Unsent { connection, length });
    }

    /// Has the application close a connection, once.
    fn hold(&mut self, connection: ConnectionId) {
        if !self.over.contains(&connection) {
            self.over.push(connection);
            self.held.push_back(connection);
        }
    }

    /// Looks at the Client's events, and does what follows: the last words of a session are ready to be sent when
    /// the call that ended it returns.
    fn follow_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Disconnect { connection } => {
                    self.close(connection);
                    if self.over.contains(&connection) {
                        continue;
                    }
                    self.over.push(connection);
                }
                ClientEvent::RegistrationFailed {
                    account,
                    reason: RegistrationFailure::Timeout,
                    ..
                } => self.silent.extend(self.connection_of(account)),
                ClientEvent::Registered { account, .. } => self.renewals.registered(account),
                _ => {}
            }
            self.events.push_back(event);
        }
        self.over.clear();
    }

    /// Sends the Client's next datagram into its connection; false if there is none.
    fn seal_next(&mut self) -> bool {
        let Some(transmit) = self.client.poll_transmit() else {
            return false;
        };
        let (to, payload) = (transmit.to, transmit.payload);
        match self.links.get_mut(&to) {
            Some(Link::Plain) => self.transmits.push_back((to, payload.to_vec())),
            Some(Link::Secured { session, .. }) => {
                let length = payload.len();
                let sent = session.send(self.now, payload);
                // It is lost, as what is too long for the network.
                if sent == Err(SessionError::TooLong) {
                    self.leave_unsent(to, length);
                    return true;
                }
                // Nothing has arrived, so no datagram is useless.
                let _ = self.settle(self.now, to, sent);
            }
            // The connection is closed, so it is lost.
            None => {}
        }
        true
    }

    /// Says goodbye on a connection that is no longer needed.
    fn close(&mut self, connection: ConnectionId) {
        while self.seal_next() {}
        if let Some(Link::Secured { mut session, .. }) = self.links.remove(&connection) {
            session.close(self.now);
            session.drain(&mut |output| {
                if let Output::Datagram(datagram) = output {
                    self.transmits.push_back((connection, datagram.to_vec()));
                }
            });
        }
    }

    /// Ends the session with a server that doesn't answer, so that the Client makes a new one. A server
    /// that has restarted drops the records of a session that it doesn't know (RFC 6347 §4.1.2.7).
    fn give_up(&mut self, now: Instant, connection: ConnectionId) {
        if let Some(Link::Secured { peer: Some(_), .. }) = self.links.get(&connection) {
            self.close(connection);
            self.fail(now, connection, FailedBecause::Silent);
        }
    }

    fn connection_of(&self, account: AccountId) -> Option<ConnectionId> {
        self.client.account(account)?.connection
    }

    fn deadlines(&self) -> impl Iterator<Item = (ConnectionId, Instant)> {
        self.links.iter().filter_map(|(connection, link)| {
            let Link::Secured { session, .. } = link else {
                return None;
            };
            Some((*connection, session.poll_timeout()?))
        })
    }
}

impl<D: DtlsStack> Machine for SecureClient<D> {
    type Peer = ConnectionId;
    type Event = ClientEvent;
    type DatagramError = ClientDatagramError;

    fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, ConnectionId>,
    ) -> Result<(), ClientDatagramError> {
        self.now = now;
        let connection = datagram.from;
        let result = match self.links.get_mut(&connection) {
            Some(Link::Plain) => {
                let result = self.client.handle_datagram(now, datagram);
                result.map_err(ClientDatagramError::from)
            }
            Some(Link::Secured { session, .. }) => {
                let result = session.handle_datagram(now, datagram.payload);
                self.settle(now, connection, result)
            }
            None => Err(ClientDatagramError::Closed),
        };
        self.follow_events();
        result
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let due = self.deadlines().filter(|(_, at)| *at <= now);
        let due: Vec<ConnectionId> = due.map(|(connection, _)| connection).collect();
        for connection in due {
            if let Some(Link::Secured { session, .. }) = self.links.get_mut(&connection) {
                let result = session.handle_timeout(now);
                // Nothing has arrived, so no datagram is useless.
                let _ = self.settle(now, connection, result);
            }
        }
        for connection in core::mem::take(&mut self.silent) {
            self.give_up(now, connection);
        }
        self.client.handle_timeout(now);
        self.follow_events();
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_, ConnectionId>> {
        while self.transmits.is_empty() && self.seal_next() {}
        let (to, datagram) = self.transmits.pop_front()?;
        self.buffer = datagram;
        Some(Transmit {
            to,
            payload: &self.buffer,
        })
    }

    fn poll_event(&mut self) -> Option<ClientEvent> {
        self.follow_events();
        let next = self.events.front();
        let closes = matches!(next, Some(ClientEvent::Disconnect { .. }));
        if !self.held.is_empty() || closes {
            // The last words leave before the application closes their sockets.
            if !self.transmits.is_empty() {
                return None;
            }
        }
        let held = self.held.pop_front();
        let held = held.map(|connection| ClientEvent::Disconnect { connection });
        held.or_else(|| self.events.pop_front())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // What is held comes out in the next round, and a silent server is given up.
        let is_idle = self.held.is_empty() && self.silent.is_empty();
        let held = (!is_idle).then_some(self.now);
        let sessions = self.deadlines().map(|(_, at)| at);
        let client = self.client.poll_timeout();
        sessions.chain(client).chain(held).min()
    }
}

impl<D: DtlsStack> fmt::Debug for SecureClient<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureClient")
            .field("connections", &self.links.len())
            .finish_non_exhaustive()
    }
}
