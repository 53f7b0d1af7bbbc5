//! The network: nodes, links, datagrams on their way, and the clock.

use core::{any::Any, fmt, time::Duration};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use lwm2m_core::Instant;
use lwm2m_statemachine::Datagram;

use crate::{Address, Fate, Handle, Link, Node, NodeId, Random, Record, record};

/// Steps without a move of the clock after which the nodes are taken to keep each other, or
/// themselves, busy for ever.
const STEPS_PER_MOMENT: u32 = 20_000;
/// Calls of `handle_timeout` of one node, in one moment, without any datagram or event.
const IDLE_WAKEUPS: u32 = 1_000;
/// Datagrams and events of one node between two calls.
const OUTPUTS_PER_CALL: u32 = 100_000;

/// Any number of nodes, joined by links, in virtual time.
///
/// Time passes in [`step`](Self::step) and the `run` calls only: from one thing that is due to the
/// next. Two runs of one seed with the same calls are identical to the byte.
///
/// # Panics
///
/// The calls that let time pass panic if the nodes go on without end in one moment: a node whose
/// `poll_timeout` lies in the past while it does nothing, or that answers itself for ever.
pub struct Network {
    seed: u64,
    now: Instant,
    /// Decides what happens to datagrams.
    random: Random,
    /// Decides what the test asks it to decide, so that what tests draw does not change the links.
    choices: Random,
    nodes: Vec<Slot>,
    links: BTreeMap<(NodeId, NodeId), Link>,
    default_link: Link,
    /// By time of arrival, then by order of sending.
    in_flight: BTreeMap<(Instant, u64), Packet>,
    copies: u64,
    wakeups: BTreeSet<(Instant, NodeId)>,
    lateness: Duration,
    spurious: f64,
    steps_in_moment: u32,
    records: Vec<Record>,
}

struct Slot {
    name: String,
    node: Option<Box<dyn Node>>,
    address: u32,
    /// How far its clock is ahead of the network's, in milliseconds.
    clock: i64,
    /// What it asked for last, by its own clock, and when that is in [`Network::wakeups`].
    deadline: Option<Instant>,
    wakeup: Option<Instant>,
    idle_wakeups: u32,
}

struct Packet {
    /// The index of its record; none if it was injected.
    record: usize,
    from: Address,
    to: Address,
    payload: Rc<[u8]>,
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
            records: Vec::new(),
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
            clock: 0,
            deadline: None,
            wakeup: None,
            idle_wakeups: 0,
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

    /// Lets the application of a node make a call, at the node's time; then drains the node.
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

    /// Replaces a node, as a reboot does: its address and its clock stay, its state is what the
    /// new one brings, and what was sent to the old one may still arrive.
    pub fn reboot<N: Node>(&mut self, handle: Handle<N>, node: N) {
        self.slot_mut(handle.id).node = Some(Box::new(node));
        self.settle(handle.id);
    }

    /// Switches a node off: it hears and does nothing until it is [rebooted](Self::reboot).
    pub fn switch_off(&mut self, node: impl Into<NodeId>) {
        let id = node.into();
        self.slot_mut(id).node = None;
        self.settle(id);
    }

    /// Gives a node another address, as a NAT does behind its back. What is sent to the old one
    /// gets nowhere.
    pub fn change_address(&mut self, node: impl Into<NodeId>) -> Address {
        let id = node.into();
        self.slot_mut(id).address += 1;
        self.address(id)
    }

    /// Sets how many milliseconds the clock of a node is ahead of the network's.
    pub fn set_clock(&mut self, node: impl Into<NodeId>, ahead: i64) {
        let id = node.into();
        self.slot_mut(id).clock = ahead;
        self.schedule(id, true);
    }

    /// How late nodes are woken at most.
    pub const fn set_lateness(&mut self, lateness: Duration) {
        self.lateness = lateness;
    }

    /// How likely a node is woken without need after it took a datagram.
    pub const fn set_spurious_wakeups(&mut self, probability: f64) {
        self.spurious = probability;
    }

    // Links.

    /// What links are like that nothing else is said of.
    pub fn set_default_link(&mut self, link: Link) {
        self.default_link = link;
    }

    /// The link from one node to another, one way, to be changed.
    pub fn link(&mut self, from: impl Into<NodeId>, to: impl Into<NodeId>) -> &mut Link {
        let default = &self.default_link;
        let ends = (from.into(), to.into());
        self.links.entry(ends).or_insert_with(|| default.clone())
    }

    /// Cuts or mends both ways between two nodes.
    pub fn partition(&mut self, a: impl Into<NodeId>, b: impl Into<NodeId>, cut: bool) {
        let (a, b) = (a.into(), b.into());
        self.link(a, b).partitioned = cut;
        self.link(b, a).partitioned = cut;
    }

    /// Sends a datagram that no node made, as an attacker or a node from before the run may.
    pub fn inject(&mut self, from: Address, to: Address, payload: &[u8]) {
        self.send(from, to, payload);
    }

    // Time.

    /// Does what is due next and moves the clock there; false if nothing will ever be due.
    pub fn step(&mut self) -> bool {
        self.step_until(Instant::MAX)
    }

    /// Runs until nothing will ever be due, or `limit` of time has passed; true in the first case.
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

    /// Runs until `done` holds, which is asked after each step, or `limit` has passed. Says
    /// whether it held.
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

    /// All datagrams, in the order of their sending.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How many copies of datagrams are on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The datagrams, one a line: when, from whom, to whom, what, and what became of it, with
    /// the milliseconds after which its copies arrived.
    pub fn chart(&self) -> String {
        self.chart_of(&self.records)
    }

    /// What is printed when a test fails: the seed, and the chart of the last datagrams.
    pub fn report(&self) -> String {
        const SHOWN: usize = 400;
        let hidden = self.records.len().saturating_sub(SHOWN);
        let last = self.records.get(hidden..).unwrap_or_default();
        format!(
            "seed {}, at {}, {} datagrams, the first {hidden} not shown:\n{}",
            self.seed,
            self.now,
            self.records.len(),
            self.chart_of(last)
        )
    }

    fn chart_of(&self, records: &[Record]) -> String {
        record::chart(records, |address| {
            let name = self
                .nodes
                .get(address.node.0 as usize)
                .map_or("nobody", |slot| &slot.name);
            match address.number {
                0 => name.to_string(),
                number => format!("{name}@{number}"),
            }
        })
    }

    // The steps, in the order in which a datagram meets them.

    fn next_due(&self) -> Option<Instant> {
        let packet = self.in_flight.keys().next().map(|(at, _)| *at);
        let wakeup = self.wakeups.first().map(|(at, _)| *at);
        packet.into_iter().chain(wakeup).min()
    }

    /// Does what is due next, if that is not after `end`.
    fn step_until(&mut self, end: Instant) -> bool {
        let Some(due) = self.next_due().filter(|due| *due <= end) else {
            return false;
        };
        self.advance(due);
        self.steps_in_moment += 1;
        assert!(
            self.steps_in_moment <= STEPS_PER_MOMENT,
            "livelock: {STEPS_PER_MOMENT} steps at {}",
            self.now
        );
        match self.in_flight.first_entry() {
            Some(first) if first.key().0 <= self.now => {
                let packet = first.remove();
                self.deliver(&packet);
            }
            _ => {
                if let Some((_, id)) = self.wakeups.pop_first() {
                    self.slot_mut(id).wakeup = None;
                    self.slot_mut(id).deadline = None;
                    self.wake(id);
                }
            }
        }
        true
    }

    fn advance(&mut self, to: Instant) {
        if to > self.now {
            self.now = to;
            self.steps_in_moment = 0;
        }
    }

    fn deliver(&mut self, packet: &Packet) {
        let id = packet.to.node;
        let channel = self.link_between(packet.from.node, id).channel;
        let now = self.time_of(id);
        let arrived = self.now;
        let Some(slot) = self.nodes.get_mut(id.0 as usize) else {
            return;
        };
        let Some(node) = slot
            .node
            .as_deref_mut()
            .filter(|_| slot.address == packet.to.number)
        else {
            return;
        };
        if let Some(record) = self.records.get_mut(packet.record) {
            record.arrivals.push(arrived);
        }
        let mut datagram = Datagram::new(packet.from, &packet.payload);
        datagram.channel = channel;
        node.handle_datagram(now, datagram);
        self.settle(id);
        if self.random.chance(self.spurious) {
            self.wake(id);
        }
    }

    fn wake(&mut self, id: NodeId) {
        let now = self.time_of(id);
        let Some(node) = self.slot_mut(id).node.as_deref_mut() else {
            return;
        };
        node.handle_timeout(now);
        let progress = self.settle(id);
        let slot = self.slot_mut(id);
        if progress || slot.deadline.is_none_or(|deadline| deadline > now) {
            slot.idle_wakeups = 0;
            return;
        }
        slot.idle_wakeups += 1;
        assert!(
            slot.idle_wakeups <= IDLE_WAKEUPS,
            "livelock: {} asks to be woken at {}, is woken at {now}, and does nothing",
            slot.name,
            slot.deadline.unwrap_or_default(),
        );
    }

    /// Drains a node and notes when it is to be woken. Says whether there was anything to drain.
    fn settle(&mut self, id: NodeId) -> bool {
        let now = self.time_of(id);
        let mut outputs = 0;
        loop {
            let before = outputs;
            while let Some(node) = self.slot_mut(id).node.as_deref_mut() {
                let mut payload = Vec::new();
                let Some(to) = node.poll_transmit(&mut payload) else {
                    break;
                };
                outputs += 1;
                self.check_outputs(id, outputs);
                self.send(self.address(id), to, &payload);
            }
            while let Some(node) = self.slot_mut(id).node.as_deref_mut()
                && node.poll_event(now)
            {
                outputs += 1;
                self.check_outputs(id, outputs);
            }
            if outputs == before {
                break;
            }
        }
        if let Some(node) = self.slot(id).node.as_deref() {
            node.check(now);
        }
        self.schedule(id, false);
        outputs > 0
    }

    fn check_outputs(&self, id: NodeId, outputs: u32) {
        assert!(
            outputs <= OUTPUTS_PER_CALL,
            "livelock: {} has {OUTPUTS_PER_CALL} datagrams and events after one call",
            self.slot(id).name
        );
    }

    /// Notes when a node is to be woken.
    fn schedule(&mut self, id: NodeId, clock_moved: bool) {
        let deadline = match self.slot(id).node.as_deref() {
            Some(node) => node.poll_timeout(),
            None => None,
        };
        let slot = self.slot(id);
        let (old, clock) = (slot.wakeup, slot.clock);
        // A lateness is drawn once for each deadline, else it would add up.
        if slot.deadline == deadline && !clock_moved {
            return;
        }
        let wakeup = deadline.map(|deadline| {
            let deadline = Instant::from_millis(deadline.as_millis().saturating_add_signed(-clock));
            deadline.max(self.now) + self.random.duration(self.lateness)
        });
        if let Some(old) = old {
            self.wakeups.remove(&(old, id));
        }
        if let Some(wakeup) = wakeup {
            self.wakeups.insert((wakeup, id));
        }
        let slot = self.slot_mut(id);
        slot.deadline = deadline;
        slot.wakeup = wakeup;
    }

    /// Puts a datagram on its way, or not.
    fn send(&mut self, from: Address, to: Address, payload: &[u8]) {
        let link = self.link_between(from.node, to.node).clone();
        let random = &mut self.random;
        let fate = if link.partitioned {
            Fate::Partitioned
        } else if payload.len() > link.mtu {
            Fate::TooLong
        } else if random.chance(link.loss) {
            Fate::Lost
        } else if random.chance(link.duplication) {
            Fate::Duplicated
        } else {
            Fate::Delivered
        };
        let copies = match fate {
            Fate::Delivered => 1,
            Fate::Duplicated => 2,
            Fate::Lost | Fate::TooLong | Fate::Partitioned => 0,
        };
        let bytes: Rc<[u8]> = payload.into();
        for _ in 0..copies {
            let arrival = self.now + link.draw_latency(&mut self.random);
            self.copies += 1;
            self.in_flight.insert(
                (arrival, self.copies),
                Packet {
                    record: self.records.len(),
                    from,
                    to,
                    payload: Rc::clone(&bytes),
                },
            );
        }
        self.records.push(Record {
            sent: self.now,
            from,
            to,
            payload: payload.to_vec(),
            fate,
            arrivals: Vec::new(),
        });
    }

    fn link_between(&self, from: NodeId, to: NodeId) -> &Link {
        self.links.get(&(from, to)).unwrap_or(&self.default_link)
    }

    /// What the clock of a node shows.
    fn time_of(&self, id: NodeId) -> Instant {
        let clock = self.slot(id).clock;
        Instant::from_millis(self.now.as_millis().saturating_add_signed(clock))
    }

    fn slot(&self, id: NodeId) -> &Slot {
        self.nodes
            .get(id.0 as usize)
            .expect("a node of this network")
    }

    fn slot_mut(&mut self, id: NodeId) -> &mut Slot {
        self.nodes
            .get_mut(id.0 as usize)
            .expect("a node of this network")
    }
}

impl Drop for Network {
    /// Says how to see it again, if the test failed.
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
            .field("records", &self.records.len())
            .finish_non_exhaustive()
    }
}
