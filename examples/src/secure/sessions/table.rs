//! Where the sessions are kept, and how each of them is found.

use core::hash::{BuildHasher, Hash};
use std::{
    collections::{BTreeSet, HashMap},
    hash::RandomState,
};

use lwm2m_core::Instant;
use lwm2m_statemachine::{TimerQueue, server::Host};

use super::{
    bounds::{Bounds, Usage},
    chance::Chance,
    shares::Shares,
};
use crate::secure::{credentials::ProvenIdentity, session::DtlsSession};

/// How far a session is: see [`bounds`](super::bounds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Unproved,
    Proved,
    Begun,
    Established,
}

/// A session with what is known of it.
#[derive(Debug)]
pub(super) struct Entry<K, S> {
    pub(super) address: K,
    pub(super) session: Box<S>,
    pub(super) stage: Stage,
    /// Once it is established.
    pub(super) peer: Option<ProvenIdentity>,
    /// What began it; none if this end did.
    hello: Option<Hello>,
    began: Instant,
    /// When something authentic arrived last.
    used: Instant,
    /// Its place among the established sessions.
    turn: u64,
    /// Its place among the unproved ones.
    place: usize,
    timer: Option<Instant>,
}

/// A part of the random of a ClientHello, which tells it from others of the same address.
type Hello = [u8; 8];

#[derive(Debug)]
pub(super) struct Table<K, S> {
    bounds: Bounds,
    entries: HashMap<u64, Entry<K, S>>,
    /// All sessions by the ClientHello that began them, so that its copies begin no other.
    hellos: HashMap<(K, Hello), u64>,
    peers: HashMap<K, AtAddress>,
    unproved: Vec<u64>,
    proved: Shares,
    /// How many this end has begun.
    begun: usize,
    /// By turn: the one that is idle for longest comes first.
    established: BTreeSet<(u64, u64)>,
    /// The established ones of each identity.
    identities: HashMap<ProvenIdentity, Vec<u64>>,
    timers: TimerQueue<u64>,
    next: u64,
    chance: Chance,
    /// The host of an address; without it, each is a host of its own.
    host_of: Option<fn(&K) -> Host>,
    /// Makes numbers of addresses, which nobody can foresee.
    numbers: RandomState,
}

/// The sessions of an address but the unproved ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub(super) established: Option<u64>,
    pub(super) proved: Option<u64>,
    pub(super) begun: Option<u64>,
    /// Whether the one that is begun has got a ServerHello, and no ServerHelloDone yet.
    pub(super) is_answered: bool,
}

/// The sessions of an address.
#[derive(Debug, Default)]
struct AtAddress {
    known: Known,
    /// The one whose ClientHello has arrived last.
    greeted: Option<u64>,
    unproved: Vec<u64>,
    /// All of them.
    sessions: usize,
}

impl<K: Clone + Eq + Hash, S> Table<K, S> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            chance: Chance(bounds.seed),
            bounds,
            entries: HashMap::new(),
            hellos: HashMap::new(),
            peers: HashMap::new(),
            unproved: Vec::new(),
            proved: Shares::default(),
            begun: 0,
            established: BTreeSet::new(),
            identities: HashMap::new(),
            timers: TimerQueue::new(),
            next: 0,
            host_of: None,
            numbers: RandomState::new(),
        }
    }

    pub(super) fn set_hosts(&mut self, host_of: fn(&K) -> Host) {
        self.host_of = Some(host_of);
    }

    /// A number of an address.
    pub(super) fn number_of(&self, address: &K) -> u64 {
        self.numbers.hash_one(address)
    }

    fn host(&self, address: &K) -> Host {
        match self.host_of {
            Some(host_of) => host_of(address),
            None => Host::new(self.number_of(address)),
        }
    }

    pub(super) fn get(&self, number: u64) -> Option<&Entry<K, S>> {
        self.entries.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Entry<K, S>> {
        self.entries.get_mut(&number)
    }

    /// A session, and the established one of its address, if that is another one.
    pub(super) fn with_established(
        &mut self,
        number: u64,
    ) -> Option<(Option<u64>, &mut Entry<K, S>)> {
        let entry = self.entries.get_mut(&number)?;
        let established = self.peers.get(&entry.address)?.known.established;
        Some((established.filter(|old| *old != number), entry))
    }

    /// What there is at an address.
    pub(super) fn at(&self, address: &K) -> Known {
        let at = self.peers.get(address);
        at.map(|at| at.known).unwrap_or_default()
    }

    /// A flight of a server has begun to come from an address, or has ended.
    pub(super) fn answer(&mut self, address: &K, is_answered: bool) {
        if let Some(at) = self.peers.get_mut(address) {
            at.known.is_answered = is_answered;
        }
    }

    /// The session whose ClientHello has arrived last from an address, which its other parts belong to.
    pub(super) fn greeted(&self, address: &K) -> Option<u64> {
        self.peers.get(address)?.greeted
    }

    /// A ClientHello of this session has arrived.
    pub(super) fn greet(&mut self, address: &K, number: u64) {
        if let Some(at) = self.peers.get_mut(address) {
            at.greeted = Some(number);
        }
    }

    /// The session that this ClientHello has begun.
    pub(super) fn find_hello(&self, address: &K, random: &[u8; 32]) -> Option<u64> {
        let key = (address.clone(), hello(random));
        self.hellos.get(&key).copied()
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            unproved: self.unproved.len(),
            proved: self.proved.len(),
            begun: self.begun,
            established: self.established.len(),
            addresses: self.peers.len(),
        }
    }

    /// The longest datagram.
    pub(super) const fn longest(&self) -> usize {
        self.bounds.datagram
    }

    /// The bound of handshakes that this end has begun, if there are as many.
    pub(super) fn begun_are_many(&self) -> Option<usize> {
        let bound = self.bounds.begun;
        (self.begun >= bound).then_some(bound)
    }

    /// Adds a handshake that is unproved. Another one has to go if there are too many.
    pub(super) fn add(&mut self, now: Instant, address: K, random: &[u8; 32], session: S) -> u64 {
        let crowded = self.crowded(&address);
        if let Some(displaced) = crowded {
            self.remove(displaced);
        } else if self.unproved.len() >= self.bounds.unproved
            && let Some(displaced) = self.chance.pick(&self.unproved)
        {
            self.remove(displaced);
        }
        let hello = hello(random);
        self.hellos.insert((address.clone(), hello), self.next);
        let place = self.unproved.len();
        self.unproved.push(self.next);
        let at = self.peers.entry(address.clone()).or_default();
        at.unproved.push(self.next);
        let number = self.insert(now, address, Stage::Unproved, session);
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.hello = Some(hello);
            entry.place = place;
        }
        number
    }

    /// Adds a handshake that this end has begun.
    pub(super) fn add_begun(&mut self, now: Instant, address: K, session: S) -> u64 {
        let number = self.insert(now, address.clone(), Stage::Begun, session);
        self.begun = self.begun.saturating_add(1);
        let at = self.peers.entry(address).or_default();
        at.known.begun = Some(number);
        at.known.is_answered = false;
        number
    }

    fn insert(&mut self, now: Instant, address: K, stage: Stage, session: S) -> u64 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        let at = self.peers.entry(address.clone()).or_default();
        at.sessions = at.sessions.saturating_add(1);
        let entry = Entry {
            address,
            session: Box::new(session),
            stage,
            peer: None,
            hello: None,
            began: now,
            used: now,
            turn: 0,
            place: 0,
            timer: None,
        };
        self.entries.insert(number, entry);
        number
    }

    /// The peer of an unproved handshake has shown that it is at its address. A proved one may have to go for it.
    pub(super) fn prove(&mut self, number: u64) {
        let entry = self.entries.get_mut(&number);
        let Some(entry) = entry.filter(|entry| entry.stage == Stage::Unproved) else {
            return;
        };
        entry.stage = Stage::Proved;
        let (place, address) = (entry.place, entry.address.clone());
        let at = self.peers.entry(address.clone()).or_default();
        let before = at.known.proved.replace(number);
        at.unproved.retain(|it| *it != number);
        self.leave_unproved(place);
        self.proved.insert(self.host(&address), number);
        if let Some(before) = before {
            self.remove(before);
        } else if self.proved.len() > self.bounds.proved.max(1)
            && let Some(displaced) = self.proved.dispensable()
        {
            self.remove(displaced);
        }
    }

    /// The handshake is complete: it replaces the session of its address.
    pub(super) fn establish(&mut self, now: Instant, number: u64) {
        let turn = self.next_turn();
        self.leave_stage(number);
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        entry.stage = Stage::Established;
        entry.used = now;
        entry.turn = turn;
        self.established.insert((turn, number));
        if let Some(peer) = &entry.peer {
            let of_peer = self.identities.entry(peer.clone()).or_default();
            of_peer.push(number);
        }
        let at = self.peers.entry(entry.address.clone()).or_default();
        let old = at.known.established.replace(number);
        if let Some(old) = old {
            self.remove(old);
        }
    }

    /// Something authentic has arrived.
    pub(super) fn touch(&mut self, now: Instant, number: u64) {
        let turn = self.next_turn();
        let entry = self.entries.get_mut(&number);
        if let Some(entry) = entry.filter(|entry| entry.stage == Stage::Established) {
            self.established.remove(&(entry.turn, number));
            entry.used = now;
            entry.turn = turn;
            self.established.insert((turn, number));
        }
    }

    /// An established session that has to go because this one has the same identity.
    pub(super) fn superseded(&self, number: u64) -> Option<u64> {
        let peer = self.entries.get(&number)?.peer.as_ref()?;
        let of_peer = self.identities.get(peer)?;
        let bound = self.bounds.per_identity.max(1);
        let turn = |number: &u64| self.entries.get(number).map(|entry| entry.turn);
        let idle_longest = of_peer.iter().copied().min_by_key(turn);
        idle_longest.filter(|_| of_peer.len() > bound)
    }

    /// An established session that has to go.
    pub(super) fn dispensable(&self) -> Option<u64> {
        let too_many = self.established.len() > self.bounds.established;
        let (_, number) = self.established.first().filter(|_| too_many)?;
        Some(*number)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Entry<K, S>> {
        self.leave_stage(number);
        let mut entry = self.entries.remove(&number)?;
        self.timers.set(number, &mut entry.timer, None);
        self.leave_identity(&entry, number);
        if let Some(hello) = entry.hello {
            self.hellos.remove(&(entry.address.clone(), hello));
        }
        if let Some(at) = self.peers.get_mut(&entry.address) {
            at.greeted.take_if(|it| *it == number);
            at.sessions = at.sessions.saturating_sub(1);
            if at.sessions == 0 {
                self.peers.remove(&entry.address);
            }
        }
        Some(entry)
    }

    pub(super) fn remove_handshakes_of_peers(&mut self) {
        let is_of_peer = |stage| matches!(stage, Stage::Unproved | Stage::Proved);
        let entries = self.entries.iter();
        let of_peers = entries.filter(|(_, entry)| is_of_peer(entry.stage));
        let of_peers: Vec<u64> = of_peers.map(|(number, _)| *number).collect();
        for number in of_peers {
            self.remove(number);
        }
    }

    /// A session is no longer among those of its stage.
    fn leave_stage(&mut self, number: u64) {
        let Some(entry) = self.entries.get(&number) else {
            return;
        };
        let (address, place, turn) = (entry.address.clone(), entry.place, entry.turn);
        let Some(at) = self.peers.get_mut(&address) else {
            return;
        };
        match entry.stage {
            Stage::Unproved => {
                at.unproved.retain(|it| *it != number);
                self.leave_unproved(place);
            }
            Stage::Proved => {
                at.known.proved.take_if(|it| *it == number);
                self.proved.remove(self.host(&address), number);
            }
            Stage::Begun => {
                at.known.begun.take_if(|it| *it == number);
                self.begun = self.begun.saturating_sub(1);
            }
            Stage::Established => {
                at.known.established.take_if(|it| *it == number);
                self.established.remove(&(turn, number));
            }
        }
    }

    /// The unproved handshake that has to go for a new one of this address, if it has too many.
    fn crowded(&mut self, address: &K) -> Option<u64> {
        let at = self.peers.get(address)?;
        let too_many = at.unproved.len() >= self.bounds.unproved_per_address.max(1);
        too_many.then(|| self.chance.pick(&at.unproved)).flatten()
    }

    /// Takes a place among the unproved ones; the last one moves there.
    fn leave_unproved(&mut self, place: usize) {
        if place < self.unproved.len() {
            self.unproved.swap_remove(place);
        }
        let moved = self.unproved.get(place);
        if let Some(entry) = moved.and_then(|number| self.entries.get_mut(number)) {
            entry.place = place;
        }
    }

    fn leave_identity(&mut self, entry: &Entry<K, S>, number: u64) {
        if let Some(peer) = &entry.peer
            && let Some(of_peer) = self.identities.get_mut(peer)
        {
            of_peer.retain(|it| *it != number);
            if of_peer.is_empty() {
                self.identities.remove(peer);
            }
        }
    }

    fn next_turn(&mut self) -> u64 {
        self.next = self.next.saturating_add(1);
        self.next
    }

    // Time.

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Takes a session whose time has come. Its timer has to be set again.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u64> {
        let number = self.timers.pop_due(now)?;
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.timer = None;
        }
        Some(number)
    }

    /// The stage of a session that it has been in for too long.
    pub(super) fn overdue(&self, now: Instant, number: u64) -> Option<Stage> {
        let entry = self.entries.get(&number)?;
        (self.limit(entry) <= now).then_some(entry.stage)
    }

    fn limit(&self, entry: &Entry<K, S>) -> Instant {
        match entry.stage {
            Stage::Unproved => entry.began + self.bounds.unproved_for,
            Stage::Proved | Stage::Begun => entry.began + self.bounds.handshake_for,
            Stage::Established => entry.used + self.bounds.idle,
        }
    }
}

impl<K: Clone + Eq + Hash, S: DtlsSession> Table<K, S> {
    /// Sets the timer of a session: for its library, and for the end of its time.
    pub(super) fn set_timer(&mut self, number: u64) {
        let Some(entry) = self.entries.get(&number) else {
            return;
        };
        let limit = self.limit(entry);
        let deadline = match entry.stage {
            // A HelloVerifyRequest isn't repeated by itself: it could go to a victim (RFC 6347 §4.2.1).
            Stage::Unproved => limit,
            // An established one is looked at when it could be idle for too long, not reset with each
            // datagram.
            Stage::Established => match (entry.session.poll_timeout(), entry.timer) {
                (Some(due), _) => limit.min(due),
                (None, Some(timer)) => limit.min(timer),
                (None, None) => limit,
            },
            Stage::Proved | Stage::Begun => entry
                .session
                .poll_timeout()
                .map_or(limit, |due| limit.min(due)),
        };
        if let Some(entry) = self.entries.get_mut(&number) {
            self.timers.set(number, &mut entry.timer, Some(deadline));
        }
    }
}

fn hello(random: &[u8; 32]) -> Hello {
    let mut hello = Hello::default();
    for (to, from) in hello.iter_mut().zip(random.iter().rev()) {
        *to = *from;
    }
    hello
}
