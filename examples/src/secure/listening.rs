//! A LwM2M Client that is the DTLS server of its Bootstrap-Server (TS 5.2.3.4, 7.1.6).

mod accounts;

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::Instant;
use lwm2m_statemachine::{
    AccountId, Channel, ClientEvent, ConnectionId, Datagram, Machine, Peer, Transmit,
    client::{Inbound, InboundRefusal},
    coap::DatagramError,
    server::Host,
};
use thiserror::Error;

use self::accounts::{Accounts, Dates};
use super::{
    client::{ClientDatagramError, SecureClient},
    credentials::{Expiry, ProvenIdentity},
    deliver::{deliver, from_peer},
    news::News,
    record,
    session::{DtlsStack, SessionError, StackError},
    sessions::{Bounds, End, Event, Sessions, Usage, Useless},
};

/// How much news waits for the application; older ones are forgotten.
const NEWS: usize = 64;

/// A [`SecureClient`] with which its Bootstrap-Server may begin a session.
///
/// Drive it as any machine. What comes from the server of a connection is from [`ClientWay::Own`], and
/// everything else that reaches the Client's socket from [`ClientWay::Inbound`]; so from the address of a
/// connection nobody can begin another one meanwhile. A ClientHello from there begins
/// a handshake with the keys of the Bootstrap-Server's account, as they are at that moment: the identity tells
/// which account. Who has no such keys gets no answer but a HelloVerifyRequest or, for an identity that is unknown,
/// what the library says of it.
///
/// When the handshake is complete, the Client [takes or refuses](lwm2m_statemachine::Client::inbound) the
/// connection. A refused one is closed. The end of one that is taken needs nothing of the application, so no
/// [`ClientEvent::Disconnect`] tells it.
pub struct ListeningClient<A, D: DtlsStack> {
    /// The Client with its own connections, for the calls of the application. Feed and drain it only through
    /// this one.
    pub secure: SecureClient<D>,
    sessions: Sessions<A, D>,
    /// The accounts whose keys the library has: `read`, or none if they can't be used.
    accounts: Accounts,
    /// The accounts as they were read last.
    read: Accounts,
    /// What is done about the dates of certificates.
    dates: Dates,
    taken: Taken,
    news: News<InboundNews<A>>,
    /// The time of the last call.
    now: Instant,
    /// What is being sent.
    buffer: Vec<u8>,
}

/// Where a datagram of a Client comes from, or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientWay<A> {
    /// A connection that the Client has asked for.
    Own(ConnectionId),
    /// An address that belongs to none.
    Inbound(A),
}

/// What became of a session that was begun by the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InboundNews<A> {
    /// The Client has taken it.
    Taken {
        /// Where the Bootstrap-Server is.
        address: A,
        /// Its account.
        account: AccountId,
        /// The Client's name for it.
        connection: ConnectionId,
    },
    /// The Client doesn't take it now, so it was closed.
    Refused {
        /// Where the Bootstrap-Server is.
        address: A,
        /// Why.
        why: InboundRefusal,
    },
    /// It has ended.
    Ended {
        /// The name that is gone.
        connection: ConnectionId,
        /// Why.
        why: End,
    },
    /// It couldn't be made: the identity is unknown, or the key is another one.
    Failed {
        /// Where the other side is.
        address: A,
        /// Why.
        why: SessionError,
    },
    /// A message to the Bootstrap-Server wasn't sent, since no record takes it, or the record is longer than
    /// [`Bounds::datagram`]. The session goes on, and the message is lost.
    Unsent {
        /// The session.
        connection: ConnectionId,
        /// How long the message is, in bytes.
        length: usize,
    },
    /// The keys of the accounts can't be used. Nobody can begin a session until they change.
    Unusable(StackError),
}

/// Why a datagram was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListeningDatagramError {
    /// On a connection of the Client's own.
    #[error("{0}")]
    Own(#[from] ClientDatagramError),
    /// As CoAP, in a session that the other side has begun.
    #[error("{0}")]
    Coap(#[from] DatagramError),
    /// As DTLS.
    #[error("{0}")]
    Dtls(#[from] Useless),
    /// No account of a Bootstrap-Server has keys for DTLS, or it was sent to a group.
    #[error("nobody may begin a session")]
    NotExpected,
}

/// The sessions that the Client has taken, by both names.
#[derive(Debug, Default)]
struct Taken {
    connections: BTreeMap<u64, ConnectionId>,
    numbers: BTreeMap<ConnectionId, u64>,
    /// Connections whose session is gone, and of which the Client's events may still tell.
    gone: BTreeSet<ConnectionId>,
}

impl Taken {
    fn insert(&mut self, number: u64, connection: ConnectionId) {
        self.connections.insert(number, connection);
        self.numbers.insert(connection, number);
    }

    fn connection(&self, number: u64) -> Option<ConnectionId> {
        self.connections.get(&number).copied()
    }

    fn number(&self, connection: ConnectionId) -> Option<u64> {
        self.numbers.get(&connection).copied()
    }

    fn remove(&mut self, number: u64) -> Option<ConnectionId> {
        let connection = self.connections.remove(&number)?;
        self.numbers.remove(&connection);
        self.gone.insert(connection);
        Some(connection)
    }
}

impl<A: Peer, D: DtlsStack> ListeningClient<A, D> {
    /// Lets a Bootstrap-Server begin sessions. `stack` needs no keys: it is given those of the accounts. For
    /// `bounds` see [`Bounds::device`]. `expiry` says what is done about the dates of the Bootstrap-Server's
    /// certificate (TS 7.1.9).
    ///
    /// So that nobody can find out by trial which identities there are, `stack` has to keep to itself that it doesn't
    /// know one: `Pure` does, and OpenSSL with `hides_identities` in its settings, which isn't the default.
    pub fn new(secure: SecureClient<D>, stack: D, bounds: Bounds, expiry: Expiry) -> Self {
        Self {
            secure,
            sessions: Sessions::new(stack, bounds),
            accounts: Accounts::default(),
            read: Accounts::default(),
            dates: Dates::new(expiry, D::names, D::validity),
            taken: Taken::default(),
            news: News::new(NEWS),
            now: Instant::ZERO,
            buffer: Vec::new(),
        }
    }

    /// Tells hosts apart, so that one host takes one share of the handshakes: see [`Sessions::with_hosts`]. For
    /// socket addresses it is `|address| Host::from(*address)`.
    #[must_use]
    pub fn with_hosts(mut self, host_of: fn(&A) -> Host) -> Self {
        self.sessions = self.sessions.with_hosts(host_of);
        self
    }

    /// What became of sessions that the other side began. Fetch it when the events are drained; the oldest is
    /// forgotten when more than 64 wait.
    pub fn next_news(&mut self) -> Option<InboundNews<A>> {
        self.news.fetch()
    }

    /// How many sessions the other side has begun.
    pub fn usage(&self) -> Usage {
        self.sessions.usage()
    }

    fn handle_inbound(
        &mut self,
        now: Instant,
        from: &A,
        datagram: &[u8],
    ) -> Result<(), ListeningDatagramError> {
        self.secure.pass_to(now);
        self.dates.pass_to(now);
        let first = record::first(datagram);
        let is_handshake = |record: record::Record<'_>| record.handshake_type().is_some();
        // The last message of a handshake is encrypted: its keys have to be those of this moment, too.
        if first.is_some_and(is_handshake) || self.sessions.usage().proved > 0 {
            self.renew_keys();
        }
        let begins = |record: &record::Record<'_>| {
            record.client_hello().is_some() || record.continues_client_hello()
        };
        // A session under the old keys goes on.
        let is_for_none =
            first.as_ref().is_some_and(begins) || self.sessions.usage().addresses == 0;
        if self.accounts.is_empty() && is_for_none {
            return Err(ListeningDatagramError::NotExpected);
        }
        let (sessions, mut inside) = self.parts();
        let taken =
            sessions.handle_datagram(now, from, datagram, &mut |event| inside.take(now, &event));
        let result = inside.result;
        taken?;
        Ok(result?)
    }

    /// Gives the library the keys of the accounts, if they are others than before. Anybody can cause it, so keys
    /// that can't be used are tried once.
    fn renew_keys(&mut self) {
        let accounts = Accounts::of(&self.secure.client);
        if accounts == self.read {
            return;
        }
        self.read = accounts.clone();
        self.accounts = accounts;
        if let Err(error) = self.sessions.serve(&self.accounts.credentials(&self.dates)) {
            self.news.tell(InboundNews::Unusable(error));
            self.accounts = Accounts::default();
            // The keys of before mustn't stay. A library that can't do without any is asked for no session.
            let without = self.accounts.credentials(&self.dates);
            drop(self.sessions.serve(&without));
        }
    }

    /// The sessions, and what their events go to.
    fn parts(&mut self) -> (&mut Sessions<A, D>, Inside<'_, A, D>) {
        let inside = Inside {
            secure: &mut self.secure,
            accounts: &self.accounts,
            taken: &mut self.taken,
            news: &mut self.news,
            result: Ok(()),
        };
        (&mut self.sessions, inside)
    }

    /// Where the next datagram goes, which is in the buffer then.
    fn next_transmit(&mut self) -> Option<ClientWay<A>> {
        loop {
            if let Some((to, datagram)) = self.sessions.poll_transmit() {
                self.buffer = datagram;
                return Some(ClientWay::Inbound(to));
            }
            let transmit = self.secure.poll_transmit()?;
            let to = transmit.to;
            self.buffer.clear();
            self.buffer.extend_from_slice(transmit.payload);
            let Some(number) = self.taken.number(to) else {
                return Some(ClientWay::Own(to));
            };
            let (now, payload) = (self.now, core::mem::take(&mut self.buffer));
            let (sessions, mut inside) = self.parts();
            // What is for a session that is gone is lost, as on any network.
            let sent = sessions.send(now, number, &payload, &mut |event| inside.take(now, &event));
            if sent == Err(SessionError::TooLong) {
                let (connection, length) = (to, payload.len());
                inside.news.tell(InboundNews::Unsent { connection, length });
            }
            self.buffer = payload;
        }
    }
}

/// What the events of sessions go to.
struct Inside<'s, A, D: DtlsStack> {
    secure: &'s mut SecureClient<D>,
    accounts: &'s Accounts,
    taken: &'s mut Taken,
    news: &'s mut News<InboundNews<A>>,
    result: Result<(), DatagramError>,
}

impl<A: Peer, D: DtlsStack> Inside<'_, A, D> {
    fn take(&mut self, now: Instant, event: &Event<'_, A>) {
        match *event {
            Event::Connected {
                address,
                number,
                peer,
                refused,
                ..
            } => refused.set(!self.takes(now, address, number, peer)),
            Event::Payload {
                number,
                peer,
                payload,
                ..
            } => {
                let Some(connection) = self.taken.connection(number) else {
                    return;
                };
                let way = (connection, Channel::Udp);
                let result = deliver(&mut self.secure.client, now, way, peer, payload);
                self.result = self.result.and(result);
            }
            Event::Ended { number, why, .. } => {
                if let Some(connection) = self.taken.remove(number) {
                    self.secure.lost(now, connection);
                    let why = why.clone();
                    self.news.tell(InboundNews::Ended { connection, why });
                }
            }
            Event::Failed { address, why } => {
                let (address, why) = (address.clone(), why.clone());
                self.news.tell(InboundNews::Failed { address, why });
            }
        }
    }

    /// Asks the Client whether it takes the connection.
    fn takes(&mut self, now: Instant, address: &A, number: u64, peer: &ProvenIdentity) -> bool {
        let address = address.clone();
        let account = self.accounts.prove(peer, D::names);
        let account = account.ok_or(InboundRefusal::Unknown);
        let taken = account.and_then(|account| {
            let connection = self.secure.client.inbound(now, Inbound::Account(account))?;
            Ok((account, connection))
        });
        match taken {
            Ok((account, connection)) => {
                self.secure.adopt(connection);
                self.taken.insert(number, connection);
                let news = InboundNews::Taken {
                    address,
                    account,
                    connection,
                };
                self.news.tell(news);
                true
            }
            Err(why) => {
                self.news.tell(InboundNews::Refused { address, why });
                false
            }
        }
    }
}

impl<A: Peer, D: DtlsStack> Machine for ListeningClient<A, D> {
    type Peer = ClientWay<A>;
    type Event = ClientEvent;
    type DatagramError = ListeningDatagramError;

    fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, ClientWay<A>>,
    ) -> Result<(), ListeningDatagramError> {
        self.now = now;
        match datagram.from {
            ClientWay::Own(connection) => {
                let datagram = from_peer(&datagram, connection);
                Ok(self.secure.handle_datagram(now, datagram)?)
            }
            ClientWay::Inbound(_) if datagram.multicast => Err(ListeningDatagramError::NotExpected),
            ClientWay::Inbound(from) => self.handle_inbound(now, &from, datagram.payload),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let (sessions, mut inside) = self.parts();
        sessions.handle_timeout(now, &mut |event| inside.take(now, &event));
        self.secure.handle_timeout(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_, ClientWay<A>>> {
        let to = self.next_transmit()?;
        Some(Transmit {
            to,
            payload: &self.buffer,
        })
    }

    fn poll_event(&mut self) -> Option<ClientEvent> {
        loop {
            let Some(event) = self.secure.poll_event() else {
                self.taken.gone.clear();
                return None;
            };
            let ClientEvent::Disconnect { connection } = &event else {
                return Some(event);
            };
            if self.taken.gone.remove(connection) {
                continue;
            }
            let Some(number) = self.taken.number(*connection) else {
                return Some(event);
            };
            // Its last words have been sealed: the event waits for them.
            let now = self.now;
            let (sessions, mut inside) = self.parts();
            sessions.close(now, number, &mut |event| inside.take(now, &event));
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [self.secure.poll_timeout(), self.sessions.poll_timeout()];
        deadlines.into_iter().flatten().min()
    }
}

impl<A, D: DtlsStack> fmt::Debug for ListeningClient<A, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListeningClient")
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}
