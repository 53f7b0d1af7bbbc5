//! Keys of peers, resources and bodies inside an endpoint.

use core::ops::RangeInclusive;

/// The index of a peer in the table of peers. It may be reused once the peer is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PeerIndex(pub(super) u32);

impl PeerIndex {
    pub(super) const MAX: Self = Self(u32::MAX);

    pub(super) const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl From<PeerIndex> for u64 {
    fn from(peer: PeerIndex) -> Self {
        peer.0.into()
    }
}

/// A body in blocks: its peer, and the fingerprint of the resource that it is sent to or read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BodyKey {
    pub(super) peer: PeerIndex,
    pub(super) resource: u64,
}

impl BodyKey {
    pub(super) const fn new(peer: PeerIndex, resource: u64) -> Self {
        Self { peer, resource }
    }

    /// All keys of one peer, in their order.
    pub(super) const fn all_of(peer: PeerIndex) -> RangeInclusive<Self> {
        Self::new(peer, 0)..=Self::new(peer, u64::MAX)
    }
}
