//! Bodies that the application supplies block by block.

use alloc::collections::BTreeMap;

use lwm2m_core::Instant;

use crate::{
    coap::endpoint::{
        Endpoint,
        body::{Source, SourceId},
        event::{Event, FailureReason, SendError},
        keys::BodyKey,
        table::Key,
    },
    machine::Peer,
};

/// What a source is the body of.
#[derive(Clone, Copy, Debug)]
pub(in crate::coap::endpoint) enum Owner {
    Request(Key),
    Response(BodyKey),
}

/// The sources that are in use.
#[derive(Clone, Debug, Default)]
pub(in crate::coap::endpoint) struct Sources {
    owners: BTreeMap<SourceId, Owner>,
    next: u64,
}

impl Sources {
    pub(in crate::coap::endpoint) fn len(&self) -> usize {
        self.owners.len()
    }

    pub(super) fn begin(&mut self, id: SourceId, owner: Owner) {
        self.owners.insert(id, owner);
    }

    pub(super) fn end(&mut self, id: SourceId) {
        self.owners.remove(&id);
    }
}

impl<P: Peer> Endpoint<P> {
    /// A body that is not at hand as a whole: for
    /// [`request_from`](Self::request_from), [`respond_from`](Self::respond_from) and
    /// [`notify_from`](Self::notify_from). Whenever a block of it is needed,
    /// [`Event::BlockWanted`] asks for it, mostly in their order, but an earlier one may be needed
    /// again; nothing but the block under way is held. In the end, whatever that is, comes one
    /// [`Event::SourceClosed`]: at the latest when a block is not supplied within
    /// [`transfer_lifetime`](super::super::Config::transfer_lifetime). If the call that sends it
    /// returns an error, that is its end.
    ///
    /// `size` is that of the whole body in bytes, if it is known: the peer is told (Size1, Size2).
    pub const fn source(&mut self, size: Option<u32>) -> Source {
        let id = SourceId(self.sources.next);
        self.sources.next = self.sources.next.wrapping_add(1);
        Source { id, size }
    }

    /// Supplies a block that [`Event::BlockWanted`] asked for: as many bytes as it asked for if
    /// `more` follow, at most as many if these are the last. The last block of a response or
    /// notification is not empty, unless it is the first one, too. Of a body that is shorter than
    /// `offset` it is the empty one.
    pub fn supply(
        &mut self,
        now: Instant,
        source: SourceId,
        offset: usize,
        block: &[u8],
        more: bool,
    ) -> Result<(), SendError> {
        match self.sources.owners.get(&source) {
            None => Err(SendError::NoSource),
            Some(Owner::Request(key)) => self.supply_request(now, *key, offset, block, more),
            Some(Owner::Response(key)) => self.supply_response(now, *key, offset, block, more),
        }
    }

    /// Gives up a body that cannot be supplied. A request fails with
    /// [`FailureReason::Aborted`], as does a confirmable notification that waits for its first
    /// block; a block of a response that was asked for is answered 5.00.
    pub fn abort(&mut self, now: Instant, source: SourceId) {
        match self.sources.owners.get(&source).copied() {
            None => {}
            Some(Owner::Request(key)) => self.fail_request(now, key, FailureReason::Aborted),
            Some(Owner::Response(key)) => self.abort_response(now, key),
        }
    }

    /// A source is of no use any more.
    pub(super) fn close_source(&mut self, source: SourceId) {
        self.sources.end(source);
        self.events.push_back(Event::SourceClosed { source });
    }
}
