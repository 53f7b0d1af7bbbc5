//! The requests of all peers, by handle and by token.

use lwm2m_core::Instant;

use crate::coap::endpoint::{
    config::millis,
    exchanges::freshness::Newest,
    index::Index,
    keys::PeerIndex,
    options::RequestOptions,
    table::{Chain, Key, Table},
};
use crate::{
    coap::{message_buf::WireMessage, token::Token},
    machine::{Channel, KeyedState},
};

/// A request that has no outcome yet, or an observation.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) token: Token,
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    /// While it waits for its acknowledgement.
    pub(crate) transmission: Option<Key>,
    /// If it was sent once.
    pub(crate) message_id: Option<u16>,
    pub(crate) deadline: Option<Instant>,
    /// The message that was sent, once no transmission holds it: the blocks of the response are
    /// requested with the same options.
    pub(crate) message: Option<WireMessage>,
}

impl Request {
    /// A request that is about to be sent.
    pub(super) const fn new(token: Token, kind: Kind, mode: Mode) -> Self {
        Self {
            token,
            kind,
            mode,
            transmission: None,
            message_id: None,
            deadline: None,
            message: None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Exchange,
    /// With Observe: 0.
    Observation {
        /// The newest answer.
        newest: Option<Newest>,
        /// Whether the application has received its response.
        answered: bool,
        /// Whether the newest answer is the last; its blocks are still arriving.
        over: bool,
    },
    /// With Observe: 1 and the token of an observation: notifications of it may still come.
    Cancellation,
    /// For a block of this request's body or of its response.
    Block {
        of: Key,
    },
    Ping,
}

impl Kind {
    /// An observation that has no answer yet.
    pub(super) const OBSERVATION: Self = Self::Observation {
        newest: None,
        answered: false,
        over: false,
    };

    /// Whether it is an observation that the application knows to have begun.
    pub(crate) const fn is_begun(&self) -> bool {
        matches!(self, Self::Observation { answered: true, .. })
    }
}

/// How a request is sent, and the requests for its blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    pub(crate) confirmable: bool,
    pub(crate) channel: Channel,
    /// Whether the application takes the blocks of the response one by one.
    pub(crate) streamed: bool,
    /// Whether any response is the outcome, even if it is one block of a larger body.
    pub(crate) single_block: bool,
    /// How long the response may take once the request has arrived, in milliseconds.
    pub(crate) timeout: u64,
}

impl Mode {
    pub(crate) fn new(options: RequestOptions, timeout: u64) -> Self {
        Self {
            confirmable: options.confirmable,
            channel: options.channel,
            streamed: options.stream,
            single_block: options.single_block,
            timeout: options.timeout.map_or(timeout, millis),
        }
    }
}

/// The requests of all peers.
#[derive(Debug)]
pub(super) struct RequestTable {
    table: Table<Request>,
    by_token: Index,
    keys: KeyedState,
}

impl RequestTable {
    pub(super) fn new(keys: KeyedState) -> Self {
        Self {
            table: Table::default(),
            by_token: Index::default(),
            keys,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn get(&self, key: Key) -> Option<&Request> {
        self.table.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Request> {
        self.table.get_mut(key)
    }

    pub(super) fn peer(&self, key: Key) -> Option<PeerIndex> {
        self.table.peer(key)
    }

    pub(super) fn oldest(&self, chain: Chain) -> Option<Key> {
        self.table.oldest(chain)
    }

    pub(super) fn find(&self, peer: PeerIndex, token: Token) -> Option<Key> {
        self.find_by(token, |owner, _| owner == peer)
    }

    /// The request with this token to any peer that fulfils this.
    pub(super) fn find_by(
        &self,
        token: Token,
        is_meant: impl Fn(PeerIndex, &Request) -> bool,
    ) -> Option<Key> {
        let index = self.by_token.find(hash(self.keys, token), |index| {
            self.table
                .at(index)
                .is_some_and(|(owner, request)| request.token == token && is_meant(owner, request))
        })?;
        self.table.key(index)
    }

    /// The requests of a chain, the oldest first.
    pub(super) fn of(&self, chain: Chain) -> impl Iterator<Item = (Key, &Request)> {
        self.table.of(chain)
    }

    /// Moves a request to another peer.
    pub(super) fn move_to(
        &mut self,
        key: Key,
        from: &mut Chain,
        to: (PeerIndex, &mut Chain),
    ) -> bool {
        self.table.move_to(key, from, to)
    }

    pub(super) fn insert(&mut self, peer: PeerIndex, chain: &mut Chain, request: Request) -> Key {
        let named = !matches!(request.kind, Kind::Ping);
        let token = request.token;
        let key = self.table.insert(peer, chain, request);
        if named {
            self.by_token.insert(hash(self.keys, token), key.index());
        }
        key
    }

    pub(super) fn remove(&mut self, key: Key, chain: &mut Chain) -> Option<Request> {
        let request = self.table.remove(key, chain)?;
        let hash = hash(self.keys, request.token);
        self.by_token.remove(hash, key.index());
        Some(request)
    }
}

/// Tokens are random, and no two requests have the same one, whatever their peers; so the peer isn't
/// part of it, and a request that moves to another peer stays where it is.
fn hash(keys: KeyedState, token: Token) -> u64 {
    let (bytes, length) = token.parts();
    keys.hash_numbers(bytes, length.into())
}
