//! The active transfers, and the room for responses that are assembled.
//!
//! Each peer has its share. When all room is used, [`holders`](super::super::holders) decides which
//! peer gives way: its largest response fails.

use alloc::{boxed::Box, collections::BTreeMap};

use lwm2m_core::Instant;

use super::super::{
    holders::{Holders, Newcomer},
    limits::{Room, Sizes, Times},
    step::{SentRequest, Step, Steps},
    transfer::{Limits, Transfer, TransferStep},
};
use crate::{
    coap::{
        endpoint::{Usage, event::FailureReason, keys::PeerIndex, table::Key},
        message::MessageRef,
        message_buf::WireMessage,
    },
    machine::{Channel, TimerQueue},
};

/// The active transfers.
#[derive(Debug)]
pub(super) struct Transfers {
    /// Boxed, as a map allocates several entries at once.
    entries: BTreeMap<SentRequest, Box<Entry>>,
    /// The peers whose responses are being assembled.
    holders: Holders,
    /// With the same deadline, the earlier request fails first.
    timers: TimerQueue<(Key, PeerIndex)>,
    sizes: Sizes,
    room: Room,
    times: Times,
}

#[derive(Debug)]
struct Entry {
    transfer: Transfer,
    channel: Channel,
    /// When the application must have supplied a block, or the response must be complete.
    deadline: Option<Instant>,
}

impl Transfers {
    pub(super) fn new(sizes: Sizes, room: Room, times: Times) -> Self {
        Self {
            entries: BTreeMap::new(),
            holders: Holders::default(),
            timers: TimerQueue::new(),
            sizes,
            room,
            times,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.holders.bodies() == 0
    }

    /// Adds how much is held.
    pub(super) fn add_usage(&self, usage: &mut Usage) {
        usage.response_bytes = self.holders.bytes();
        usage.timers = usage.timers.saturating_add(self.timers.len());
    }

    pub(super) fn contains(&self, of: SentRequest) -> bool {
        self.entries.contains_key(&of)
    }

    pub(super) fn get(&self, of: SentRequest) -> Option<&Transfer> {
        self.entries.get(&of).map(|entry| &entry.transfer)
    }

    pub(super) fn get_mut(&mut self, of: SentRequest) -> Option<&mut Transfer> {
        self.entries.get_mut(&of).map(|entry| &mut entry.transfer)
    }

    /// A transfer begins.
    pub(super) fn insert(&mut self, of: SentRequest, transfer: Transfer, channel: Channel) {
        let entry = Entry {
            transfer,
            channel,
            deadline: None,
        };
        self.entries.insert(of, Box::new(entry));
    }

    /// A transfer begins with the first block of a response, which is still to be taken.
    pub(super) fn begin_download(
        &mut self,
        of: SentRequest,
        channel: Channel,
        template: WireMessage,
        is_streamed: bool,
    ) {
        let limits = self.limits(of.peer, channel);
        let transfer = Transfer::download(template, limits, is_streamed);
        self.insert(of, transfer, channel);
    }

    /// A transfer ends.
    pub(super) fn remove(&mut self, now: Instant, of: SentRequest) -> Option<Transfer> {
        let mut entry = self.entries.remove(&of)?;
        self.timers.set(timer(of), &mut entry.deadline, None);
        self.count(now, of.peer, entry.transfer.held(), 0);
        Some(entry.transfer)
    }

    /// Sets the deadline for a block that the application is to supply, or clears it.
    pub(super) fn await_supply(&mut self, now: Instant, of: SentRequest, is_wanted: bool) {
        if let Some(entry) = self.entries.get_mut(&of) {
            let channel = entry.channel;
            let deadline = is_wanted.then(|| self.times.next_block(now, channel));
            self.timers.set(timer(of), &mut entry.deadline, deadline);
        }
    }

    /// The next deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    pub(super) fn peek_due(&mut self, now: Instant) -> Option<Instant> {
        self.timers.peek_due(now)
    }

    pub(super) fn end_due(&mut self) {
        self.timers.end_round();
    }

    /// The next transfer whose deadline has passed, and the reason why it fails.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(SentRequest, FailureReason)> {
        let (request, peer) = self.timers.pop_due(now)?;
        let of = SentRequest { peer, request };
        let entry = self.entries.get_mut(&of)?;
        entry.deadline = None;
        let reason = if entry.transfer.is_put_together() {
            FailureReason::TooSlow
        } else {
            FailureReason::Aborted
        };
        Some((of, reason))
    }

    /// Passes a response to its transfer, and makes room for it if necessary.
    pub(super) fn take(
        &mut self,
        now: Instant,
        of: SentRequest,
        response: &MessageRef<'_>,
        steps: &mut Steps,
    ) -> Option<TransferStep> {
        let step = self.try_to_take(now, of, response)?;
        if !matches!(step, TransferStep::Failed(FailureReason::NoRoom)) {
            return Some(step);
        }
        let newcomer = Newcomer {
            peer: of.peer,
            needed: response.payload().len(),
            announced: self.get_mut(of)?.announced(),
        };
        if self.make_room(now, newcomer, steps) {
            self.try_to_take(now, of, response)
        } else {
            Some(step)
        }
    }

    fn try_to_take(
        &mut self,
        now: Instant,
        of: SentRequest,
        response: &MessageRef<'_>,
    ) -> Option<TransferStep> {
        let channel = self.entries.get(&of)?.channel;
        let limits = self.limits(of.peer, channel);
        let entry = self.entries.get_mut(&of)?;
        let before = entry.transfer.held();
        let step = entry.transfer.take(response, limits);
        let after = entry.transfer.held();
        // The response must be complete in time, counted from its first block.
        if entry.deadline.is_none() && entry.transfer.is_put_together() {
            let deadline = Some(self.times.whole(now));
            self.timers.set(timer(of), &mut entry.deadline, deadline);
        }
        self.count(now, of.peer, before, after);
        self.holders.hear(now, of.peer, before > 0);
        Some(step)
    }

    /// The limits for a response from this peer.
    fn limits(&self, peer: PeerIndex, channel: Channel) -> Limits {
        let room = self.room.bytes.saturating_sub(self.holders.bytes());
        let share = self.room.bytes_per_peer;
        Limits {
            size: self.sizes.preferred_of_peer(channel),
            body: self.room.largest,
            room: room.min(share.saturating_sub(self.holders.bytes_of(peer))),
        }
    }

    /// A response from this peer took `before` bytes and now takes `after`.
    fn count(&mut self, now: Instant, peer: PeerIndex, before: usize, after: usize) {
        if before == 0 && after > 0 {
            self.holders.enter(now, peer);
        }
        self.holders.change(peer, before, after);
        if before > 0 && after == 0 {
            self.holders.leave(peer);
        }
    }

    /// Makes room for more bytes of a response. Returns whether there is room.
    fn make_room(&mut self, now: Instant, newcomer: Newcomer, steps: &mut Steps) -> bool {
        let all = self.room.bytes;
        let own = self.holders.bytes_of(newcomer.peer);
        let share = self.room.bytes_per_peer.min(all);
        if own.saturating_add(newcomer.needed) > share {
            return false;
        }
        let silence = self.times.silence;
        while self.holders.bytes().saturating_add(newcomer.needed) > all {
            let peer = self.holders.to_give_way(now, newcomer, silence);
            let Some(largest) = peer.and_then(|peer| self.largest_of(peer)) else {
                return false;
            };
            // Its bytes are released at once; the transfer ends when the step is done.
            if let Some(transfer) = self.get_mut(largest) {
                let held = transfer.held();
                transfer.discard();
                self.count(now, largest.peer, held, 0);
            }
            steps.push(Step::TransferFailed {
                request: largest.request,
                reason: FailureReason::NoRoom,
            });
        }
        true
    }

    /// The request to this peer whose response takes the most bytes.
    fn largest_of(&self, peer: PeerIndex) -> Option<SentRequest> {
        let held = self
            .entries
            .range(SentRequest::all_of(peer))
            .map(|(of, entry)| (entry.transfer.held(), *of))
            .filter(|(held, _)| *held > 0);
        held.max_by_key(|(held, _)| *held).map(|(_, of)| of)
    }
}

const fn timer(of: SentRequest) -> (Key, PeerIndex) {
    (of.request, of.peer)
}
