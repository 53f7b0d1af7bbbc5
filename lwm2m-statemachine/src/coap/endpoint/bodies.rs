//! Bodies that the application supplies block by block, and those that are kept for peers.

use lwm2m_core::{Code, Instant};

use super::{
    blockwise::SuppliedBlock,
    body::{Resource, Source, SourceId},
    event::SendError,
    layers::Layers,
    machine::Endpoint,
};
use crate::machine::Peer;

/// The bodies of an [`Endpoint`]: those that the application supplies block by block, and those that
/// are kept until peers have fetched them (RFC 7959). [`Endpoint::bodies`] returns it.
#[derive(Debug)]
pub struct Bodies<'e, P: Peer> {
    layers: &'e mut Layers<P>,
}

impl<P: Peer> Endpoint<P> {
    /// The bodies that are transferred in blocks.
    pub const fn bodies(&mut self) -> Bodies<'_, P> {
        Bodies {
            layers: &mut self.layers,
        }
    }
}

impl<P: Peer> Bodies<'_, P> {
    /// Creates the source of a body that the application supplies block by block, to be passed with
    /// its message to [`Endpoint::request`], [`Endpoint::respond`] or
    /// [`Endpoint::notify`]. Whenever a block of it is needed,
    /// [`Event::BlockWanted`](super::Event::BlockWanted) requests it, usually in order, but an
    /// earlier block may be needed again; only the current block is held. Every source ends with
    /// exactly one [`Event::SourceClosed`](super::Event::SourceClosed), at the latest when a block
    /// is not supplied within [`transfer_lifetime`](super::Config::transfer_lifetime). If the call
    /// that is given the source returns an error, the source has ended.
    ///
    /// `size` is the size of the whole body in bytes, if known; it is sent to the peer (Size1,
    /// Size2).
    pub const fn source(&mut self, size: Option<u32>) -> Source {
        self.layers.blockwise.source(size)
    }

    /// Supplies a block that [`Event::BlockWanted`](super::Event::BlockWanted) requested: exactly
    /// the requested length if `more` bytes follow, at most that length for the last block. The
    /// last block of a response or notification must not be empty unless it is also the first. If
    /// the body is shorter than `offset`, supply an empty block.
    pub fn supply(
        &mut self,
        now: Instant,
        source: SourceId,
        offset: usize,
        block: &[u8],
        more: bool,
    ) -> Result<(), SendError> {
        let block = SuppliedBlock {
            offset,
            bytes: block,
            more,
        };
        self.layers.blockwise.supply(now, source, block)?;
        self.layers.do_steps(now)
    }

    /// Gives up a body that cannot be supplied. A request fails with
    /// [`FailureReason::Aborted`](super::FailureReason::Aborted), as does a confirmable
    /// notification that waits for its first block; a request for a block of a response is answered
    /// 5.00.
    pub fn abort(&mut self, now: Instant, source: SourceId) {
        self.abort_with(now, source, Code::INTERNAL_SERVER_ERROR);
    }

    /// Gives up a body like [`abort`](Self::abort). A request for a block of a response is answered
    /// with this code, for example because the peer has lost the right to read it.
    pub fn abort_with(&mut self, now: Instant, source: SourceId, code: Code) {
        self.layers.blockwise.abort(source, code);
        let _ = self.layers.do_steps(now);
    }

    /// Whether a body of this resource is kept for a peer because some of its blocks have not been
    /// requested yet. If so, [`Event::BodyReleased`](super::Event::BodyReleased) reports once that it
    /// is not kept any more.
    ///
    /// A notification in several blocks is acknowledged with its first one; the client then fetches the
    /// others (RFC 7959 §2.6). Another notification, or any response with a body of the same resource,
    /// replaces what it fetches. A caller that wants each notification to arrive whole therefore
    /// watches its body after the call that sends it, and sends the next one when both the
    /// acknowledgement and the event have come.
    ///
    /// A body is kept until its last block was served to all that fetch it (once one has it, the others are
    /// waited for only for a few seconds without a request), until no block of it was requested for
    /// [`Config::transfer_lifetime`](super::Config::transfer_lifetime), for
    /// [`Config::transfer_deadline`](super::Config::transfer_deadline) at most after its first block was
    /// last sent, and as long as there is room.
    pub fn watch(&mut self, peer: &P, resource: Resource) -> bool {
        let peer = self.layers.messages.find(peer);
        peer.is_some_and(|peer| self.layers.blockwise.watch_body(peer, resource))
    }

    /// Whether the body that is kept of this resource is [watched](Self::watch). If not, what was watched is no
    /// longer kept, even if [`Event::BodyReleased`](super::Event::BodyReleased) hasn't been taken yet, and another
    /// body may have its place.
    pub fn is_watched(&self, peer: &P, resource: Resource) -> bool {
        let peer = self.layers.messages.find(peer);
        peer.is_some_and(|peer| self.layers.blockwise.is_body_watched(peer, resource))
    }

    /// A receiver of the body that is kept of this resource fetches no more of it: it has rejected the
    /// notification. The body goes unless somebody else fetches it, too, and asks for a block within a few
    /// seconds (ACK_TIMEOUT * ACK_RANDOM_FACTOR, RFC 7252 §4.8). It isn't watched any more: no
    /// [`Event::BodyReleased`](super::Event::BodyReleased) follows.
    pub fn abandon(&mut self, now: Instant, peer: &P, resource: Resource) {
        let Some(peer) = self.layers.messages.find(peer) else {
            return;
        };
        self.layers.blockwise.abandon_body(now, peer, resource);
        let _ = self.layers.do_steps(now);
        self.layers.messages.release(peer);
    }

    /// The bodies that are kept in memory for a peer aren't served any more, such as after a change of what it
    /// may read. A request for a block of one is passed to the application again, like one for a body for
    /// which there was no room: with the same ETag the transfer goes on, with another one the answer is 4.08.
    /// The body of the resource that is `except`ed goes on, for example because the peer may still read it.
    pub fn withdraw(&mut self, now: Instant, peer: &P, except: Option<Resource>) {
        if let Some(peer) = self.layers.messages.find(peer) {
            self.layers.blockwise.withdraw_bodies(peer, except);
            let _ = self.layers.do_steps(now);
        }
    }
}
