//! What peers, resources and bodies are called inside an endpoint.

use core::ops::RangeInclusive;

/// Where a peer is in the table of peers. Another peer may have it once this one is forgotten.
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

/// A body in blocks: whose it is, and the fingerprint of the resource that it is sent to or read
/// from.
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
