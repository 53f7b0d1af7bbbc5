//! The DTLS sessions of a server, by the address of the peer. Also of a client that is the DTLS server of its
//! Bootstrap-Server (TS 7.1.6).
//!
//! An address has at most one established session. Beside it a handshake may go on: a client that has
//! lost its session, as a reboot does, begins anew on the same address (RFC 6347 §4.2.8). The old
//! session lives until the new one is complete, since anybody can send a ClientHello with a forged
//! address. So each new ClientHello, told by its random, begins a handshake of its own.
//!
//! A handshake is *unproved* as long as the server has answered with nothing but a
//! HelloVerifyRequest: the peer hasn't shown that it receives at its address. Then it is *proved*. A client gets in if
//! its handshake is still there when its cookie comes back, or if the library can
//! [go on without it](DtlsStack::accept_again).
//!
//! A session that [this end begins](Sessions::connect) has no ClientHello of the peer. It goes on beside one that the
//! peer begins meanwhile.
//!
//! An identity has few established sessions, the two used last by default. So a client whose address
//! changes leaves no more than that behind, and a client with a valid key can't displace the others.
//!
//! How many there are of each, and who has to go when there are too many, is in [`Bounds`]' module.

mod bounds;
mod chance;
mod event;
mod shares;
mod table;

use core::{cell::Cell, hash::Hash};
use std::collections::VecDeque;

use lwm2m_core::Instant;
use lwm2m_statemachine::server::Host;

pub use self::{
    bounds::{Bounds, Usage},
    event::{ConnectError, End, Event, Useless},
};
use self::{
    event::{Sink, tell_end},
    table::{Entry, Known, Stage, Table},
};
use super::{
    credentials::{ClientCredentials, ProvenIdentity, ServerCredentials},
    record::{
        self, ALERT, CERTIFICATE, ClientHello, HELLO_VERIFY_REQUEST, Record, SERVER_HELLO,
        SERVER_HELLO_DONE,
    },
    session::{DtlsSession, DtlsStack, Output, SessionError, StackError},
};

/// All sessions of a server. `K` is the address of a peer, `D` the library.
#[derive(Debug)]
pub struct Sessions<K, D: DtlsStack> {
    stack: D,
    table: Table<K, D::Session>,
    transmits: VecDeque<(K, Vec<u8>)>,
}

impl<K: Clone + Eq + Hash, D: DtlsStack> Sessions<K, D> {
    /// No sessions yet. `stack` has the keys of the server.
    pub fn new(stack: D, bounds: Bounds) -> Self {
        Self {
            stack,
            table: Table::new(bounds),
            transmits: VecDeque::new(),
        }
    }

    /// Tells hosts apart: `host_of` returns the host of an address, always the same for the same address. So a host
    /// with many addresses, such as ports, has to make do with one share of [`Bounds::proved`]. Without it, each
    /// address is a host of its own.
    #[must_use]
    pub fn with_hosts(mut self, host_of: fn(&K) -> Host) -> Self {
        self.table.set_hosts(host_of);
        self
    }

    /// Takes these keys for sessions that begin from now on, instead of those before. Established sessions go on.
    /// Handshakes that peers have begun end without a word, as a key of before would complete them: the peers begin
    /// anew.
    pub fn serve(&mut self, credentials: &ServerCredentials) -> Result<(), StackError> {
        self.table.remove_handshakes_of_peers();
        self.stack.serve(credentials)
    }

    /// Begins a session as the DTLS client, such as for a server-initiated bootstrap (TS 7.1.6).
    /// [`Event::Connected`] or [`Event::Failed`] follows.
    pub fn connect(
        &mut self,
        now: Instant,
        to: &K,
        credentials: &ClientCredentials,
        sink: Sink<'_, K>,
    ) -> Result<(), ConnectError> {
        if let Some(bound) = self.table.begun_are_many() {
            return Err(ConnectError::Busy(bound));
        }
        if self.table.at(to).begun.is_some() {
            return Err(ConnectError::UnderWay);
        }
        let session = self.stack.connect(now, credentials)?;
        let number = self.table.add_begun(now, to.clone(), session);
        // The ClientHello.
        if self.feed_outputs(number, sink).is_too_long {
            self.fail(number, SessionError::TooLong, sink);
        }
        self.table.set_timer(number);
        Ok(())
    }

    /// Takes a datagram. Any bytes are safe; an error only informs.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: &K,
        datagram: &[u8],
        sink: Sink<'_, K>,
    ) -> Result<(), Useless> {
        let record = record::first(datagram).ok_or(Useless::NoRecord)?;
        if let Some(hello) = record.client_hello() {
            let number = self.handshake_of(now, from, &hello, datagram)?;
            self.table.greet(from, number);
            self.feed(now, number, Some(datagram), sink);
            return Ok(());
        }
        if record.continues_client_hello() {
            let number = self.table.greeted(from).ok_or(Useless::NoHandshake)?;
            self.feed(now, number, Some(datagram), sink);
            return Ok(());
        }
        let known = self.table.at(from);
        let places = places(known, datagram);
        for message in record::records(datagram).filter_map(|record| record.handshake_type()) {
            match message {
                SERVER_HELLO => self.table.answer(from, true),
                SERVER_HELLO_DONE => self.table.answer(from, false),
                _ => {}
            }
        }
        let mut any = false;
        for number in places.into_iter().flatten() {
            any = true;
            if self.feed(now, number, Some(datagram), sink) {
                break;
            }
        }
        any.then_some(()).ok_or(Useless::NoSession)
    }

    /// Does what is due at `now`. Early, late and repeated calls do no harm.
    pub fn handle_timeout(&mut self, now: Instant, sink: Sink<'_, K>) {
        while let Some(number) = self.table.pop_due(now) {
            match self.table.overdue(now, number) {
                Some(Stage::Established) => self.leave(now, number, &End::Expired, sink),
                Some(Stage::Proved | Stage::Begun) => {
                    self.fail(number, SessionError::Timeout, sink);
                }
                Some(Stage::Unproved) => drop(self.table.remove(number)),
                None => drop(self.feed(now, number, None, sink)),
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.table.next_deadline()
    }

    /// The next datagram to send, and where to.
    pub fn poll_transmit(&mut self) -> Option<(K, Vec<u8>)> {
        self.transmits.pop_front()
    }

    /// Sends a datagram on an established session. A record that would be longer than [`Bounds::datagram`] isn't
    /// sent, and the session goes on: [`SessionError::TooLong`].
    pub fn send(
        &mut self,
        now: Instant,
        number: u64,
        payload: &[u8],
        sink: Sink<'_, K>,
    ) -> Result<(), SessionError> {
        let entry = self.table.get_mut(number);
        let entry = entry.filter(|entry| entry.stage == Stage::Established);
        let entry = entry.ok_or(SessionError::NotEstablished)?;
        match entry.session.send(now, payload) {
            Ok(()) if self.feed_outputs(number, sink).is_too_long => Err(SessionError::TooLong),
            Ok(()) => Ok(()),
            Err(SessionError::TooLong) => Err(SessionError::TooLong),
            Err(error) => {
                self.fail(number, error.clone(), sink);
                Err(error)
            }
        }
    }

    /// Ends a session with a goodbye.
    pub fn close(&mut self, now: Instant, number: u64, sink: Sink<'_, K>) {
        self.leave(now, number, &End::Left, sink);
    }

    /// What an established session's peer has proved.
    pub fn peer(&self, number: u64) -> Option<&ProvenIdentity> {
        self.table.get(number)?.peer.as_ref()
    }

    /// How many sessions there are.
    pub fn usage(&self) -> Usage {
        self.table.usage()
    }

    /// The handshake that a ClientHello belongs to, or a new one.
    fn handshake_of(
        &mut self,
        now: Instant,
        from: &K,
        hello: &ClientHello<'_>,
        datagram: &[u8],
    ) -> Result<u64, Useless> {
        if let Some(number) = self.table.find_hello(from, &hello.random) {
            return Ok(number);
        }
        let peer = self.table.number_of(from);
        let session = if hello.cookie.is_empty() {
            let session = self.stack.accept_from(now, peer);
            session.map_err(|_| Useless::NotServed)?
        } else {
            let session = self.stack.accept_again(now, peer, datagram);
            session.ok_or(Useless::NoHandshake)?
        };
        Ok(self.table.add(now, from.clone(), &hello.random, session))
    }

    /// Gives a session a datagram, or the time. Returns whether the datagram was the peer's for sure.
    fn feed(
        &mut self,
        now: Instant,
        number: u64,
        datagram: Option<&[u8]>,
        sink: Sink<'_, K>,
    ) -> bool {
        let Some(entry) = self.table.get_mut(number) else {
            return false;
        };
        let is_handshake = entry.stage != Stage::Established;
        let result = match datagram {
            Some(datagram) => entry.session.handle_datagram(now, datagram),
            None => entry.session.handle_timeout(now),
        };
        let came = self.feed_outputs(number, sink);
        if came.is_refused {
            self.leave(now, number, &End::Left, sink);
            return true;
        }
        if came.is_connected {
            self.table.establish(now, number);
            self.make_room(now, number, sink);
        } else if came.is_proved {
            self.table.prove(number);
        } else if came.is_authentic {
            self.table.touch(now, number);
        }
        if came.is_closed {
            self.leave(now, number, &End::Closed, sink);
        } else if let Err(error) = result {
            self.fail(number, error, sink);
        } else if is_handshake && came.is_too_long {
            // It would be as long when it is repeated.
            self.fail(number, SessionError::TooLong, sink);
        }
        self.table.set_timer(number);
        came.is_authentic || came.is_connected || came.is_closed
    }

    /// Hands out what a session has made.
    fn feed_outputs(&mut self, number: u64, sink: Sink<'_, K>) -> Came {
        let mut came = Came::default();
        let longest = self.table.longest();
        let Some((old, entry)) = self.table.with_established(number) else {
            return came;
        };
        let Entry {
            address,
            session,
            peer: proven,
            ..
        } = entry;
        let transmits = &mut self.transmits;
        session.drain(&mut |output| match output {
            Output::Datagram(datagram) => {
                came.is_proved |= is_more_than_a_cookie(datagram);
                if datagram.len() > longest {
                    came.is_too_long = true;
                    return;
                }
                transmits.push_back((address.clone(), datagram.to_vec()));
            }
            Output::Connected { peer, resumed } => {
                *proven = Some(peer.clone());
                came.is_connected = true;
                let refused = &Cell::new(false);
                sink(Event::Connected {
                    address,
                    number,
                    peer,
                    resumed,
                    refused,
                });
                came.is_refused = refused.get();
                if let Some(number) = old.filter(|_| !came.is_refused) {
                    let why = &End::Replaced;
                    sink(Event::Ended {
                        address,
                        number,
                        why,
                    });
                }
            }
            Output::Payload(payload) => {
                came.is_authentic = true;
                if let Some(peer) = &*proven {
                    sink(Event::Payload {
                        address,
                        number,
                        peer,
                        payload,
                    });
                }
            }
            Output::Closed => came.is_closed = true,
        });
        came
    }

    /// Ends established sessions beyond the bounds, now that there is this one.
    fn make_room(&mut self, now: Instant, number: u64, sink: Sink<'_, K>) {
        while let Some(old) = self.table.superseded(number) {
            self.leave(now, old, &End::Superseded, sink);
        }
        while let Some(number) = self.table.dispensable() {
            self.leave(now, number, &End::Displaced, sink);
        }
    }

    /// Says goodbye, and ends a session.
    fn leave(&mut self, now: Instant, number: u64, why: &End, sink: Sink<'_, K>) {
        if let Some(mut entry) = self.table.remove(number) {
            entry.session.close(now);
            let Entry {
                address, session, ..
            } = &mut entry;
            session.drain(&mut |output| {
                if let Output::Datagram(datagram) = output {
                    self.transmits
                        .push_back((address.clone(), datagram.to_vec()));
                }
            });
            tell_end(&entry, number, why, sink);
        }
    }

    /// Ends a session after an error.
    fn fail(&mut self, number: u64, error: SessionError, sink: Sink<'_, K>) {
        if let Some(entry) = self.table.remove(number) {
            tell_end(&entry, number, &End::Failed(error), sink);
        }
    }
}

/// What came out of a session.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "any of them may be true")]
struct Came {
    /// Something that only the holder of the keys can have sent.
    is_authentic: bool,
    is_connected: bool,
    /// It is connected, but isn't wanted.
    is_refused: bool,
    is_closed: bool,
    /// A message that goes to peers only that have returned a cookie.
    is_proved: bool,
    /// A datagram that is longer than the network takes.
    is_too_long: bool,
}

/// Which sessions of an address a datagram may belong to that begins none, the likeliest first.
///
/// What is encrypted, only its own session can make sense of; to a handshake it is one more forged record, which it
/// outlives. Of two handshakes, the types of the messages tell which end their sender is. Both ends send
/// certificates, a server only between its ServerHello and its ServerHelloDone.
fn places(known: Known, datagram: &[u8]) -> [Option<u64>; 3] {
    let Known {
        established,
        proved,
        begun,
        is_answered,
    } = known;
    if proved.is_some() && begun.is_some() {
        let messages = || record::records(datagram).filter_map(|record| record.handshake_type());
        if messages().any(record::is_of_client) {
            return [proved, None, None];
        }
        if messages().any(record::is_of_server) {
            return [begun, None, None];
        }
        if messages().any(|message| message == CERTIFICATE) {
            return [if is_answered { begun } else { proved }, None, None];
        }
    }
    let is_new = proved.is_some() || begun.is_some();
    let is_sealed = record::first(datagram).is_some_and(|record| record.epoch > 0);
    [established.filter(|_| is_sealed || !is_new), begun, proved]
}

/// An alert proves nothing: it may answer a first ClientHello.
fn is_more_than_a_cookie(datagram: &[u8]) -> bool {
    let proves = |record: Record<'_>| {
        record.content_type != ALERT && record.handshake_type() != Some(HELLO_VERIFY_REQUEST)
    };
    record::first(datagram).is_some_and(proves)
}
