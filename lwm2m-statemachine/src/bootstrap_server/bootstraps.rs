//! The bootstraps, found by handle, endpoint name, peer or request, and by deadline.
//!
//! The indices hold a handle for each bootstrap and compare with the bootstrap itself, so that its
//! name is kept once. What is empty takes no memory.

use alloc::boxed::Box;
use core::hash::{BuildHasher, Hash};

use hashbrown::{HashMap, HashTable};
use lwm2m_core::{ContentFormat, Instant};
use slab::Slab;

use super::{
    id::BootstrapId,
    packed::PackedSteps,
    plan::{RefusedFormats, Step, StepHead},
};
use crate::{
    coap::{RequestId, Responder},
    downlink::Host,
    machine::{Channel, HandleState, KeyedState, Peer, Random, TimerQueue},
};

/// Whom a bootstrap is of.
#[derive(Debug)]
pub(super) struct Client<P> {
    pub(super) endpoint_name: Box<str>,
    pub(super) peer: P,
    pub(super) channel: Channel,
    pub(super) standing: Standing,
    /// Its host, if it has no proven identity.
    pub(super) host: Option<Host>,
}

/// Who says that a client is the one of its endpoint name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The client alone.
    Unproven,
    /// The transport has proved it.
    Proven,
    /// The application, which has begun the bootstrap.
    Begun,
}

/// One bootstrap.
#[derive(Debug)]
pub(super) struct Bootstrap<P> {
    pub(super) client: Client<P>,
    pub(super) state: State,
    pub(super) work: Work,
    deadline: Option<Instant>,
}

impl<P: PartialEq> Client<P> {
    pub(super) fn is_unproven(&self) -> bool {
        self.standing == Standing::Unproven
    }

    /// Whether its bootstrap ends when this client asks for one. A client without a proven identity
    /// doesn't end that of one with; and one that was begun it ends as the peer that was asked for.
    pub(super) fn gives_way_to(&self, other: &Self) -> bool {
        match self.standing {
            Standing::Unproven => true,
            Standing::Proven => !other.is_unproven(),
            Standing::Begun => !other.is_unproven() || self.peer == other.peer,
        }
    }
}

/// How far a bootstrap has come.
#[derive(Debug)]
pub(super) enum State {
    /// Its request waits for a plan, with the right to answer it unless that is done.
    Waiting(Option<Responder>),
    /// A step waits for its answer.
    Commanding(Commanded),
    /// It waits for more steps.
    Paused,
}

/// A step that was sent.
#[derive(Debug)]
pub(super) struct Commanded {
    pub(super) request: RequestId,
    pub(super) step: StepHead,
    /// The format of a Write.
    pub(super) format: ContentFormat,
    /// The formats of this Write that the client has refused.
    pub(super) refused: RefusedFormats,
    /// When it was sent first.
    pub(super) at: Instant,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) steps: PackedSteps,
    /// The number of the step that is being carried out, or is the next one.
    pub(super) index: usize,
    /// The formats that the client has refused so far.
    pub(super) refused: RefusedFormats,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) waiting: usize,
    pub(super) unproven: usize,
    pub(super) unproven_waiting: usize,
    pub(super) plan_bytes: usize,
}

#[derive(Debug)]
pub(super) struct Bootstraps<P> {
    entries: Slab<Entry<P>>,
    by_name: HashTable<BootstrapId>,
    by_peer: HashTable<BootstrapId>,
    by_request: HashMap<RequestId, BootstrapId, HandleState>,
    by_host: HashMap<Host, usize, KeyedState>,
    timers: TimerQueue<BootstrapId>,
    counts: Counts,
    /// For names and peers.
    keys: KeyedState,
    /// The serial number of the next bootstrap.
    next: u32,
}

#[derive(Debug)]
struct Entry<P> {
    serial: u32,
    bootstrap: Bootstrap<P>,
}

impl<P: Peer> Bootstraps<P> {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            entries: Slab::new(),
            by_name: HashTable::new(),
            by_peer: HashTable::new(),
            by_request: HashMap::with_hasher(HandleState::new(random)),
            by_host: HashMap::with_hasher(random.hash_keys()),
            timers: TimerQueue::new(),
            counts: Counts::default(),
            keys: random.hash_keys(),
            next: 0,
        }
    }

    pub(super) fn get(&self, id: BootstrapId) -> Option<&Bootstrap<P>> {
        find(&self.entries, id)
    }

    fn get_mut(&mut self, id: BootstrapId) -> Option<&mut Bootstrap<P>> {
        find_mut(&mut self.entries, id)
    }

    /// The bootstrap of this endpoint name.
    pub(super) fn find_name(&self, name: &str) -> Option<BootstrapId> {
        let is_it = |id: &BootstrapId| self.name(*id) == Some(name);
        self.by_name.find(self.keys.hash_one(name), is_it).copied()
    }

    /// The bootstrap of this peer.
    pub(super) fn find_peer(&self, peer: &P) -> Option<BootstrapId> {
        let is_it = |id: &BootstrapId| self.peer(*id) == Some(peer);
        self.by_peer.find(self.keys.hash_one(peer), is_it).copied()
    }

    /// The bootstrap whose step was sent with this request.
    pub(super) fn find_request(&self, request: RequestId) -> Option<BootstrapId> {
        self.by_request.get(&request).copied()
    }

    fn name(&self, id: BootstrapId) -> Option<&str> {
        Some(&self.get(id)?.client.endpoint_name)
    }

    fn peer(&self, id: BootstrapId) -> Option<&P> {
        Some(&self.get(id)?.client.peer)
    }

    /// Adds a bootstrap. There is no other of the name or of the peer.
    pub(super) fn insert(&mut self, client: Client<P>, state: State) -> BootstrapId {
        let name = self.keys.hash_one(&*client.endpoint_name);
        let peer = self.keys.hash_one(&client.peer);
        if let Some(host) = client.host {
            *self.by_host.entry(host).or_default() += 1;
        }
        let serial = self.next;
        self.next = self.next.wrapping_add(1);
        let index = self.entries.insert(Entry {
            serial,
            bootstrap: Bootstrap {
                client,
                state,
                work: Work::default(),
                deadline: None,
            },
        });
        // There are never as many, as each takes more than a byte.
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let id = BootstrapId { serial, index };
        self.count(id, true);
        let Self {
            entries,
            by_name,
            by_peer,
            keys,
            ..
        } = self;
        by_name.insert_unique(name, id, |id| {
            hash(*keys, entries, *id, |client| &*client.endpoint_name)
        });
        by_peer.insert_unique(peer, id, |id| {
            hash(*keys, entries, *id, |client| &client.peer)
        });
        id
    }

    /// Takes a bootstrap out.
    pub(super) fn remove(&mut self, id: BootstrapId) -> Option<Bootstrap<P>> {
        self.count(id, false);
        self.set_deadline(id, None);
        let client = &self.get(id)?.client;
        let name = self.keys.hash_one(&*client.endpoint_name);
        let peer = self.keys.hash_one(&client.peer);
        let removed = self.entries.try_remove(id.place())?.bootstrap;
        if self.entries.is_empty() {
            self.entries = Slab::new();
        }
        for (index, hash) in [(&mut self.by_name, name), (&mut self.by_peer, peer)] {
            if let Ok(entry) = index.find_entry(hash, |other| *other == id) {
                entry.remove();
            }
            if index.is_empty() {
                *index = HashTable::new();
            }
        }
        if let State::Commanding(commanded) = &removed.state {
            self.forget_request(commanded.request);
        }
        if let Some(host) = removed.client.host {
            self.forget_host(host);
        }
        self.counts.plan_bytes = self
            .counts
            .plan_bytes
            .saturating_sub(removed.work.steps.len());
        Some(removed)
    }

    fn forget_request(&mut self, request: RequestId) {
        self.by_request.remove(&request);
        if self.by_request.is_empty() {
            self.by_request = HashMap::with_hasher(*self.by_request.hasher());
        }
    }

    fn forget_host(&mut self, host: Host) {
        if let Some(count) = self.by_host.get_mut(&host) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_host.remove(&host);
            }
        }
        if self.by_host.is_empty() {
            self.by_host = HashMap::with_hasher(*self.by_host.hasher());
        }
    }

    /// Puts a bootstrap into another state. Returns the one before.
    pub(super) fn change(&mut self, id: BootstrapId, state: State) -> Option<State> {
        self.count(id, false);
        if let State::Commanding(commanded) = &state {
            self.by_request.insert(commanded.request, id);
        }
        let bootstrap = self.get_mut(id)?;
        let before = core::mem::replace(&mut bootstrap.state, state);
        if let State::Commanding(commanded) = &before {
            self.forget_request(commanded.request);
        }
        self.count(id, true);
        Some(before)
    }

    /// Takes the right to answer the request of a bootstrap, once.
    pub(super) fn take_responder(&mut self, id: BootstrapId) -> Option<Responder> {
        match &mut self.get_mut(id)?.state {
            State::Waiting(responder) => responder.take(),
            _ => None,
        }
    }

    /// Gives a bootstrap steps in the place of those that it had.
    pub(super) fn give(&mut self, id: BootstrapId, steps: PackedSteps) {
        if let Some(bootstrap) = find_mut(&mut self.entries, id) {
            let bytes = &mut self.counts.plan_bytes;
            *bytes = bytes.saturating_add(steps.len());
            let before = core::mem::replace(&mut bootstrap.work.steps, steps);
            *bytes = bytes.saturating_sub(before.len());
        }
    }

    /// Takes the next step of a bootstrap. If there is none, the plan takes no more memory.
    pub(super) fn next_step(&mut self, id: BootstrapId) -> Option<Step> {
        let step = self.get_mut(id)?.work.steps.advance();
        if step.is_none() {
            self.give(id, PackedSteps::default());
        }
        step
    }

    /// A step of a bootstrap is done.
    pub(super) fn step_done(&mut self, id: BootstrapId) {
        if let Some(bootstrap) = self.get_mut(id) {
            let index = &mut bootstrap.work.index;
            *index = index.saturating_add(1);
        }
    }

    /// The client has refused a format.
    pub(super) fn refuses(&mut self, id: BootstrapId, format: ContentFormat) {
        if let Some(bootstrap) = self.get_mut(id) {
            let _ = bootstrap.work.refused.other(format);
        }
    }

    pub(super) fn set_deadline(&mut self, id: BootstrapId, deadline: Option<Instant>) {
        if let Some(bootstrap) = find_mut(&mut self.entries, id) {
            self.timers.set(id, &mut bootstrap.deadline, deadline);
        }
    }

    /// Whether the deadline of a bootstrap has come, although it wasn't taken out yet.
    pub(super) fn is_due(&self, id: BootstrapId, now: Instant) -> bool {
        let deadline = self.get(id).and_then(|bootstrap| bootstrap.deadline);
        deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Takes a bootstrap whose deadline has come; from then on it has none.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<BootstrapId> {
        let id = self.timers.pop_due(now)?;
        if let Some(bootstrap) = self.get_mut(id) {
            bootstrap.deadline = None;
        }
        Some(id)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Counts a bootstrap in its state, or no longer.
    fn count(&mut self, id: BootstrapId, more: bool) {
        let Some(bootstrap) = find(&self.entries, id) else {
            return;
        };
        let waits = matches!(bootstrap.state, State::Waiting(_));
        let unproven = bootstrap.client.is_unproven();
        let counts = &mut self.counts;
        for (count, counts) in [
            (&mut counts.waiting, waits),
            (&mut counts.unproven, unproven),
            (&mut counts.unproven_waiting, waits && unproven),
        ] {
            let one = usize::from(counts);
            *count = if more {
                count.saturating_add(one)
            } else {
                count.saturating_sub(one)
            };
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many bootstraps without a proven identity this host has.
    pub(super) fn count_at(&self, host: Host) -> usize {
        self.by_host.get(&host).copied().unwrap_or(0)
    }
}

fn find<P>(entries: &Slab<Entry<P>>, id: BootstrapId) -> Option<&Bootstrap<P>> {
    let entry = entries.get(id.place())?;
    (entry.serial == id.serial).then_some(&entry.bootstrap)
}

fn find_mut<P>(entries: &mut Slab<Entry<P>>, id: BootstrapId) -> Option<&mut Bootstrap<P>> {
    let entry = entries.get_mut(id.place())?;
    (entry.serial == id.serial).then_some(&mut entry.bootstrap)
}

fn hash<P, K: Hash + ?Sized>(
    keys: KeyedState,
    entries: &Slab<Entry<P>>,
    id: BootstrapId,
    key: impl Fn(&Client<P>) -> &K,
) -> u64 {
    let bootstrap = find(entries, id);
    bootstrap.map_or(0, |bootstrap| keys.hash_one(key(&bootstrap.client)))
}
