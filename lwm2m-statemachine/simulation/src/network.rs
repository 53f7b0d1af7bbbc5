//! The network: nodes, links, datagrams in flight, and the clock.

use core::{any::Any, fmt, time::Duration};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lwm2m_core::Instant;

use crate::{
    Address, Handle, Link, Node, NodeId, Note, Random, Record, chart::chart, record::History,
};

/// Any number of nodes, joined by links, in virtual time.
///
/// Time passes only in [`step`](Self::step) and the `run` calls, from one deadline to the next. Two
/// runs of one seed with the same calls are identical to the byte.
///
/// # Panics
///
/// The calls that let time pass panic if the nodes never come to rest within one moment: because
/// the `poll_timeout` of an idle node stays in the past, or because nodes answer each other
/// forever.
pub struct Network {
    pub(crate) seed: u64,
    pub(crate) now: Instant,
    /// Decides what happens to datagrams.
    pub(crate) random: Random,
    /// Draws for the test, so that the test's draws don't change what links do.
    choices: Random,
    pub(crate) nodes: Vec<Slot>,
    pub(crate) links: BTreeMap<(NodeId, NodeId), Link>,
    pub(crate) default_link: Link,
    /// By time of arrival, then by order of sending.
    pub(crate) in_flight: BTreeMap<(Instant, u64), Packet>,
    pub(crate) copies: u64,
    pub(crate) wakeups: BTreeSet<(Instant, NodeId)>,
    pub(crate) lateness: Duration,
    pub(crate) spurious: f64,
    pub(crate) steps_in_moment: u32,
    pub(crate) history: History,
}

pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) node: Option<Box<dyn Node>>,
    pub(crate) address: u32,
    /// Whether it is asleep: it receives nothing and isn't woken.
    pub(crate) asleep: bool,
    /// How far its clock is ahead of the network's, in milliseconds.
    pub(crate) clock: i64,
    /// What it asked for last, by its own clock, and when that is in [`Network::wakeups`].
    pub(crate) deadline: Option<Instant>,
    pub(crate) wakeup: Option<Instant>,
}

impl Slot {
    /// The node, if it receives anything.
    pub(crate) fn awake(&mut self) -> Option<&mut dyn Node> {
        if self.asleep {
            return None;
        }
        self.node.as_deref_mut()
    }
}

pub(crate) struct Packet {
    /// The number of its record.
    pub(crate) record: u64,
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) payload: Rc<[u8]>,
}

impl Network {
    /// A network without nodes. All randomness in it comes from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            now: Instant::ZERO,
            random: Random::new(seed, 0),
            choices: Random::new(seed, 1),
            nodes: Vec::new(),
            links: BTreeMap::new(),
            default_link: Link::default(),
            in_flight: BTreeMap::new(),
            copies: 0,
            wakeups: BTreeSet::new(),
            lateness: Duration::ZERO,
            spurious: 0.0,
            steps_in_moment: 0,
            history: History::new(),
        }
    }

    /// The seed.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The network's time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Random numbers for the test's own choices, and seeds for its machines.
    pub const fn random(&mut self) -> &mut Random {
        &mut self.choices
    }

    // Nodes.

    /// Adds a node.
    pub fn add<N: Node>(&mut self, name: &str, node: N) -> Handle<N> {
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(Slot {
            name: name.to_string(),
            node: Some(Box::new(node)),
            address: 0,
            asleep: false,
            clock: 0,
            deadline: None,
            wakeup: None,
        });
        self.settle(id);
        Handle::new(id)
    }

    /// Where a node is reached now.
    pub fn address(&self, node: impl Into<NodeId>) -> Address {
        let node = node.into();
        Address {
            node,
            number: self.slot(node).address,
        }
    }

    /// Looks at a node.
    ///
    /// # Panics
    ///
    /// If it is switched off, or the handle belongs to another network.
    pub fn node<N: Node>(&self, handle: Handle<N>) -> &N {
        let node: &dyn Any = self.slot(handle.id).node.as_deref().expect("switched off");
        node.downcast_ref().expect("a handle of this network")
    }

    /// Makes a call to a node, at the node's time, and drains it.
    ///
    /// # Panics
    ///
    /// As [`node`](Self::node).
    pub fn with<N: Node, R>(
        &mut self,
        handle: Handle<N>,
        call: impl FnOnce(&mut N, Instant) -> R,
    ) -> R {
        let now = self.time_of(handle.id);
        let node: &mut dyn Any = self
            .slot_mut(handle.id)
            .node
            .as_deref_mut()
            .expect("switched off");
        let node = node.downcast_mut().expect("a handle of this network");
        let result = call(node, now);
        self.settle(handle.id);
        result
    }

    /// Replaces a node, as a reboot without state does. Address and clock stay; datagrams to the
    /// old node may still arrive.
    pub fn reboot<N: Node>(&mut self, handle: Handle<N>, node: N) {
        let slot = self.slot_mut(handle.id);
        slot.node = Some(Box::new(node));
        slot.asleep = false;
        self.note(handle, "reboots");
        self.settle(handle.id);
    }

    /// Reboots a node with state: `restart` makes the new one from the old one, and may keep what a
    /// device would have stored.
    ///
    /// # Panics
    ///
    /// As [`node`](Self::node).
    pub fn reboot_with<N: Node>(&mut self, handle: Handle<N>, restart: impl FnOnce(N) -> N) {
        let node: Box<dyn Any> = self.slot_mut(handle.id).node.take().expect("switched off");
        let node: Box<N> = node.downcast().expect("a handle of this network");
        self.reboot(handle, restart(*node));
    }

    /// Switches a node off: it receives and does nothing until it is [rebooted](Self::reboot).
    pub fn switch_off(&mut self, node: impl Into<NodeId>) {
        let id = node.into();
        self.slot_mut(id).node = None;
        self.note(id, "is switched off");
        self.settle(id);
    }

    /// Lets a node sleep: until [`wake`](Self::wake) it receives nothing and isn't called, but
    /// keeps its state.
    pub fn sleep(&mut self, node: impl Into<NodeId>) {
        let id = node.into();
        self.slot_mut(id).asleep = true;
        self.note(id, "falls asleep");
        self.schedule(id, true);
    }

    /// Wakes a node that is asleep, with all that is overdue.
    pub fn wake(&mut self, node: impl Into<NodeId>) {
        let id = node.into();
        self.slot_mut(id).asleep = false;
        self.note(id, "wakes up");
        self.settle(id);
    }

    /// Gives a node another address, as a NAT does unnoticed. Datagrams to the old one are lost.
    pub fn change_address(&mut self, node: impl Into<NodeId>) -> Address {
        let id = node.into();
        self.slot_mut(id).address += 1;
        let address = self.address(id);
        self.note(id, &format!("has address {} from now on", address.number));
        address
    }

    /// Sets how many milliseconds the clock of a node is ahead of the network's.
    pub fn set_clock(&mut self, node: impl Into<NodeId>, ahead: i64) {
        let id = node.into();
        self.slot_mut(id).clock = ahead;
        self.note(id, &format!("has its clock {ahead} ms ahead"));
        self.schedule(id, true);
    }

    /// Lets the clock of a node jump, forwards as after a long sleep, or backwards.
    pub fn jump_clock(&mut self, node: impl Into<NodeId>, millis: i64) {
        let id = node.into();
        let clock = self.slot(id).clock.saturating_add(millis);
        self.set_clock(id, clock);
    }

    /// Sets how late nodes are woken at most.
    pub const fn set_lateness(&mut self, lateness: Duration) {
        self.lateness = lateness;
    }

    /// Sets how likely a node is woken without need after a datagram.
    pub const fn set_spurious_wakeups(&mut self, probability: f64) {
        self.spurious = probability;
    }

    // Links.

    /// Sets the link of all pairs of nodes without one of their own.
    pub fn set_default_link(&mut self, link: Link) {
        self.default_link = link;
    }

    /// The link from one node to another, one way.
    pub fn link(&mut self, from: impl Into<NodeId>, to: impl Into<NodeId>) -> &mut Link {
        let default = &self.default_link;
        let ends = (from.into(), to.into());
        self.links.entry(ends).or_insert_with(|| default.clone())
    }

    /// Cuts or restores both ways between two nodes.
    pub fn partition(&mut self, a: impl Into<NodeId>, b: impl Into<NodeId>, cut: bool) {
        let (a, b) = (a.into(), b.into());
        self.link(a, b).partitioned = cut;
        self.link(b, a).partitioned = cut;
        let other = self.slot(b).name.clone();
        let what = if cut { "is cut off from" } else { "reaches" };
        self.note(a, &format!("{what} {other}"));
    }

    /// Sends a datagram that no node made, as an attacker may.
    pub fn inject(&mut self, from: Address, to: Address, payload: &[u8]) {
        self.send(from, to, payload);
    }

    // Time.

    /// Moves the clock to what is due next and does it; false if nothing is due ever again.
    pub fn step(&mut self) -> bool {
        self.step_until(Instant::MAX)
    }

    /// Runs until nothing is due ever again, or `limit` has passed; true in the first case.
    pub fn run_to_rest(&mut self, limit: Duration) -> bool {
        let end = self.now + limit;
        while self.step_until(end) {}
        if self.next_due().is_none() {
            return true;
        }
        self.now = end;
        false
    }

    /// Runs for this long.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step_until(end) {}
        self.advance(end);
    }

    /// Runs until `done`, which is checked after each step, or until `limit` has passed; true in
    /// the first case.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            if done(self) {
                return true;
            }
            if !self.step_until(end) {
                self.advance(end);
                return false;
            }
        }
    }

    // What happened.

    /// Writes a note about a node into the chart. The network itself notes what is done to nodes.
    pub fn note(&mut self, node: impl Into<NodeId>, text: &str) {
        self.history.note(self.now, node.into(), text.to_string());
    }

    /// The datagrams in the order in which they were sent: all, or at least the last ones, as
    /// [`keep_records`](Self::keep_records) says.
    pub fn records(&self) -> &[Record] {
        self.history.records()
    }

    /// The notes in order, as far back as the records go.
    pub fn notes(&self) -> &[Note] {
        self.history.notes()
    }

    /// Sets how many records are kept at least, for long runs; all by default.
    pub const fn keep_records(&mut self, count: usize) {
        self.history.set_limit(count);
    }

    /// How many datagrams were sent, and how many of these were lost.
    pub const fn datagrams(&self) -> (u64, u64) {
        (self.history.sent(), self.history.lost())
    }

    /// A hash of all bytes of all datagrams, their fates, all times and all notes: two runs with
    /// the same digest are the same, in practice.
    pub const fn digest(&self) -> u64 {
        self.history.digest()
    }

    /// How many copies of datagrams are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The sequence chart of the records, with a column for each node. A row has the time at which
    /// a datagram was sent, its arrow, what it says, its fate, and the milliseconds after which its
    /// copies arrived. An arrow that ends in an x was lost, one with two heads arrived twice.
    pub fn chart(&self) -> String {
        self.chart_of_last(usize::MAX)
    }

    /// What is printed when a test fails: the seed, and the chart of the last datagrams.
    pub fn report(&self) -> String {
        const SHOWN: usize = 400;
        let shown = self.records().len().min(SHOWN);
        format!(
            "seed {}, at {}, the last {shown} of {} datagrams:\n{}",
            self.seed,
            self.now,
            self.history.sent(),
            self.chart_of_last(shown)
        )
    }

    fn chart_of_last(&self, count: usize) -> String {
        let names: Vec<&str> = self.nodes.iter().map(|slot| &*slot.name).collect();
        let hidden = self.records().len().saturating_sub(count);
        let records = self.records().get(hidden..).unwrap_or_default();
        let first = self.history.forgotten() + hidden as u64;
        chart(&names, records, first, self.notes())
    }
}

impl Drop for Network {
    /// Prints how to reproduce a failure.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.report());
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("seed", &self.seed)
            .field("now", &self.now)
            .field("nodes", &self.nodes.len())
            .field("in_flight", &self.in_flight.len())
            .field("sent", &self.history.sent())
            .finish_non_exhaustive()
    }
}
