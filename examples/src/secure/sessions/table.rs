//! Where the sessions are kept, and how each of them is found.

use core::{hash::Hash, time::Duration};
use std::collections::{BTreeSet, HashMap};

use lwm2m_core::Instant;
use lwm2m_statemachine::TimerQueue;

use crate::secure::{credentials::ProvenIdentity, session::DtlsSession};

/// Bounds of what peers can make a server hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Handshakes of peers that haven't returned a cookie; 1,024 by default. When there are as many, a
    /// new one displaces any of them, by chance.
    ///
    /// Of what a client needs from one round trip of T seconds, forged ClientHellos at a rate of r each
    /// second leave (1 − 1/`unproved`)^(r·T): 37 % of the handshakes if r·T is `unproved`, 14 % if it is
    /// twice as much. A client tries again. It loses nothing if the library can
    /// [go on](crate::secure::session::DtlsStack::accept_again) without the handshake.
    pub unproved: usize,
    /// Of them, those of one address; 8 by default, and at least 1. When there are as many, a new one
    /// displaces any of them.
    pub unproved_per_address: usize,
    /// What the displacement by chance begins with; 0 by default. With a random one nobody can foresee
    /// whom it hits.
    pub seed: u64,
    /// How long such a handshake is kept; 10 s by default. It is as long as a client may take to return
    /// the cookie, which over SMS is more.
    pub unproved_for: Duration,
    /// Other handshakes; 1,024 by default. When there are as many, a new one displaces the oldest.
    pub proved: usize,
    /// How long a handshake may take in all; 60 s by default. The library may have a shorter bound.
    pub handshake_for: Duration,
    /// Established sessions; 100,000 by default. When there are as many, a new one displaces the one
    /// that is idle for longest.
    pub established: usize,
    /// Established sessions of one identity; 2 by default, and at least 1. When there are as many, a new
    /// one supersedes the one that is idle for longest.
    ///
    /// A client whose address changes, as behind a NAT, leaves a session at each of them. So this also
    /// bounds what one key can take of [`established`](Self::established). Clients that share an
    /// identity share its sessions.
    pub per_identity: usize,
    /// How long an established session may be idle; 30 days by default. A sleeping client comes back to
    /// its session after any time (TS 8.3).
    pub idle: Duration,
}

impl Bounds {
    /// Those of sessions by short messages (TS 7.2.2): a cookie may take 2 minutes to come back, and a
    /// handshake 5 minutes in all.
    pub fn sms() -> Self {
        Self {
            unproved_for: Duration::from_secs(120),
            handshake_for: Duration::from_secs(300),
            ..Self::default()
        }
    }
}

impl Bounds {
    /// Those of a device with which its Bootstrap-Server may begin a session: 16 handshakes whose peers haven't
    /// returned a cookie, 4 others, and 2 sessions, which may be idle for 10 minutes.
    pub fn device() -> Self {
        Self {
            unproved: 16,
            unproved_per_address: 4,
            proved: 4,
            established: 2,
            per_identity: 1,
            idle: Duration::from_secs(600),
            ..Self::default()
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            unproved: 1024,
            unproved_per_address: 8,
            seed: 0,
            unproved_for: Duration::from_secs(10),
            proved: 1024,
            handshake_for: Duration::from_secs(60),
            established: 100_000,
            per_identity: 2,
            idle: DAY.saturating_mul(30),
        }
    }
}

/// How many sessions a server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Handshakes of peers that haven't returned a cookie.
    pub unproved: usize,
    /// Other handshakes.
    pub proved: usize,
    /// Established sessions.
    pub established: usize,
    /// Addresses with a session or a handshake.
    pub addresses: usize,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Unproved,
    Proved,
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

impl<K, S> Entry<K, S> {
    /// Whether this end has begun it.
    pub(super) const fn is_own(&self) -> bool {
        self.hello.is_none()
    }
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
    /// The oldest comes first: numbers ascend.
    proved: BTreeSet<u64>,
    /// By turn: the one that is idle for longest comes first.
    established: BTreeSet<(u64, u64)>,
    /// The established ones of each identity.
    identities: HashMap<ProvenIdentity, Vec<u64>>,
    timers: TimerQueue<u64>,
    next: u64,
    chance: Chance,
}

/// The sessions of an address.
#[derive(Debug, Default)]
struct AtAddress {
    established: Option<u64>,
    proved: Option<u64>,
    /// The one whose ClientHello has arrived last.
    greeted: Option<u64>,
    unproved: Vec<u64>,
    /// All of them.
    sessions: usize,
}

/// Numbers that look random (SplitMix64).
#[derive(Clone, Copy, Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Any of them.
    fn pick(&mut self, all: &[u64]) -> Option<u64> {
        let count = u64::try_from(all.len()).ok()?;
        let index = self.next().checked_rem(count)?;
        all.get(usize::try_from(index).ok()?).copied()
    }
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
            proved: BTreeSet::new(),
            established: BTreeSet::new(),
            identities: HashMap::new(),
            timers: TimerQueue::new(),
            next: 0,
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
        let established = self.peers.get(&entry.address)?.established;
        Some((established.filter(|old| *old != number), entry))
    }

    /// The established session of an address, and its proved handshake.
    pub(super) fn at(&self, address: &K) -> (Option<u64>, Option<u64>) {
        let at = self.peers.get(address);
        at.map_or((None, None), |at| (at.established, at.proved))
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
            established: self.established.len(),
            addresses: self.peers.len(),
        }
    }

    /// The bound of proved handshakes, if there are as many.
    pub(super) fn handshakes_are_many(&self) -> Option<usize> {
        let bound = self.bounds.proved;
        (self.proved.len() >= bound).then_some(bound)
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
        self.insert(now, address, Some(hello), session)
    }

    /// Adds a handshake that this end has begun.
    pub(super) fn add_own(&mut self, now: Instant, address: K, session: S) -> u64 {
        self.insert(now, address, None, session)
    }

    fn insert(&mut self, now: Instant, address: K, hello: Option<Hello>, session: S) -> u64 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        let at = self.peers.entry(address.clone()).or_default();
        at.sessions = at.sessions.saturating_add(1);
        at.unproved.push(number);
        let place = self.unproved.len();
        self.unproved.push(number);
        let entry = Entry {
            address,
            session: Box::new(session),
            stage: Stage::Unproved,
            peer: None,
            hello,
            began: now,
            used: now,
            turn: 0,
            place,
            timer: None,
        };
        self.entries.insert(number, entry);
        number
    }

    /// The peer has shown that it is at its address. Returns the handshake that has to go for it.
    pub(super) fn prove(&mut self, number: u64) -> Option<(u64, Entry<K, S>)> {
        let entry = self.entries.get_mut(&number);
        let entry = entry.filter(|entry| entry.stage == Stage::Unproved)?;
        entry.stage = Stage::Proved;
        let place = entry.place;
        let at = self.peers.entry(entry.address.clone()).or_default();
        let before = at.proved.replace(number);
        at.unproved.retain(|it| *it != number);
        self.leave_unproved(place);
        self.proved.insert(number);
        let too_many = self.proved.len() > self.bounds.proved;
        let oldest = self.proved.first().copied().filter(|_| too_many);
        let gone = before.or(oldest)?;
        Some((gone, self.remove(gone)?))
    }

    /// The handshake is complete: it replaces the session of its address.
    pub(super) fn establish(&mut self, now: Instant, number: u64) {
        let turn = self.next_turn();
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        let before = core::mem::replace(&mut entry.stage, Stage::Established);
        entry.used = now;
        entry.turn = turn;
        let place = entry.place;
        self.proved.remove(&number);
        self.established.insert((turn, number));
        if let Some(peer) = &entry.peer {
            let of_peer = self.identities.entry(peer.clone()).or_default();
            of_peer.push(number);
        }
        let at = self.peers.entry(entry.address.clone()).or_default();
        at.proved.take_if(|proved| *proved == number);
        at.unproved.retain(|it| *it != number);
        let old = at.established.replace(number);
        if before == Stage::Unproved {
            self.leave_unproved(place);
        }
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
        let mut entry = self.entries.remove(&number)?;
        self.timers.set(number, &mut entry.timer, None);
        if entry.stage == Stage::Unproved {
            self.leave_unproved(entry.place);
        }
        self.proved.remove(&number);
        self.established.remove(&(entry.turn, number));
        self.leave_identity(&entry, number);
        if let Some(hello) = entry.hello {
            self.hellos.remove(&(entry.address.clone(), hello));
        }
        if let Some(at) = self.peers.get_mut(&entry.address) {
            at.established.take_if(|it| *it == number);
            at.proved.take_if(|it| *it == number);
            at.greeted.take_if(|it| *it == number);
            at.unproved.retain(|it| *it != number);
            at.sessions = at.sessions.saturating_sub(1);
            if at.sessions == 0 {
                self.peers.remove(&entry.address);
            }
        }
        Some(entry)
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
            Stage::Proved => entry.began + self.bounds.handshake_for,
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
            Stage::Proved => entry
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
