//! How a network runs, from one deadline to the next.

use std::rc::Rc;

use lwm2m_core::Instant;
use lwm2m_statemachine::Datagram;

use crate::{
    Address, Fate, Link, Network, NodeId, Record,
    network::{Packet, Slot},
};

/// Steps within one moment after which the nodes are assumed to keep each other, or themselves,
/// busy forever.
const STEPS_PER_MOMENT: u32 = 20_000;
/// Datagrams and events of one node between two calls.
const OUTPUTS_PER_CALL: u32 = 100_000;

/// The steps of a datagram, in order.
impl Network {
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let packet = self.in_flight.keys().next().map(|(at, _)| *at);
        let wakeup = self.wakeups.first().map(|(at, _)| *at);
        packet.into_iter().chain(wakeup).min()
    }

    /// Does what is due next, if that is not after `end`.
    pub(crate) fn step_until(&mut self, end: Instant) -> bool {
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
                    self.rouse(id);
                }
            }
        }
        true
    }

    pub(crate) fn advance(&mut self, to: Instant) {
        if to > self.now {
            self.now = to;
            self.steps_in_moment = 0;
        }
    }

    fn deliver(&mut self, packet: &Packet) {
        let id = packet.to.node;
        let channel = self.link_between(packet.from.node, id).channel;
        let now = self.time_of(id);
        let Some(slot) = self.nodes.get_mut(id.0 as usize) else {
            return;
        };
        if slot.address != packet.to.number {
            return;
        }
        let Some(node) = slot.awake() else {
            return;
        };
        self.history.arrived(packet.record, self.now);
        let mut datagram = Datagram::new(packet.from, &packet.payload);
        datagram.channel = channel;
        node.handle_datagram(now, datagram);
        self.settle(id);
        if self.random.chance(self.spurious) {
            self.rouse(id);
        }
    }

    /// Calls the node because it is due, or without need.
    fn rouse(&mut self, id: NodeId) {
        let now = self.time_of(id);
        let Some(node) = self.slot_mut(id).awake() else {
            return;
        };
        node.handle_timeout(now);
        let progress = self.settle(id);
        let slot = self.slot(id);
        assert!(
            progress || slot.deadline.is_none_or(|deadline| deadline > now),
            "livelock: {} asks to be woken at {}, is woken at {now}, and does nothing",
            slot.name,
            slot.deadline.unwrap_or_default(),
        );
    }

    /// Drains a node and notes when to wake it; true if there was anything to drain.
    pub(crate) fn settle(&mut self, id: NodeId) -> bool {
        let now = self.time_of(id);
        let mut outputs = 0;
        loop {
            let before = outputs;
            while let Some(node) = self.slot_mut(id).awake() {
                let mut payload = Vec::new();
                let Some(to) = node.poll_transmit(&mut payload) else {
                    break;
                };
                outputs += 1;
                self.check_outputs(id, outputs);
                self.send(self.address(id), to, &payload);
            }
            while let Some(node) = self.slot_mut(id).awake()
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

    /// Notes when to wake a node.
    pub(crate) fn schedule(&mut self, id: NodeId, clock_moved: bool) {
        let deadline = match self.slot_mut(id).awake() {
            Some(node) => node.poll_timeout(),
            None => None,
        };
        let slot = self.slot(id);
        let (old, clock) = (slot.wakeup, slot.clock);
        // A lateness is drawn once for each deadline; otherwise it would add up.
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

    /// Sends a datagram, or loses it.
    pub(crate) fn send(&mut self, from: Address, to: Address, payload: &[u8]) {
        let link = self.links.get(&(from.node, to.node));
        let link = link.unwrap_or(&self.default_link);
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
            let arrival = self.now + link.draw_latency(random);
            self.copies += 1;
            let packet = Packet {
                record: self.history.sent(),
                from,
                to,
                payload: Rc::clone(&bytes),
            };
            self.in_flight.insert((arrival, self.copies), packet);
        }
        self.history.push(Record {
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
    pub(crate) fn time_of(&self, id: NodeId) -> Instant {
        let clock = self.slot(id).clock;
        Instant::from_millis(self.now.as_millis().saturating_add_signed(clock))
    }

    pub(crate) fn slot(&self, id: NodeId) -> &Slot {
        self.nodes
            .get(id.0 as usize)
            .expect("a node of this network")
    }

    pub(crate) fn slot_mut(&mut self, id: NodeId) -> &mut Slot {
        self.nodes
            .get_mut(id.0 as usize)
            .expect("a node of this network")
    }
}
