//! How much state an endpoint holds.

/// How much state an endpoint holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Peers with any state.
    pub peers: usize,
    /// Records of received messages.
    pub records: usize,
    /// The bytes of the answers kept with those records.
    pub answer_bytes: usize,
    /// Requests without an outcome, and observations.
    pub requests: usize,
    /// Unacknowledged confirmable messages, and unanswered non-confirmable requests.
    pub transmissions: usize,
    /// Remembered notifications that were sent once.
    pub notifications: usize,
    /// Message ids that an acknowledgement or a Reset may name.
    pub message_ids: usize,
    /// Deadlines.
    pub timers: usize,
    /// Request bodies being received in blocks.
    pub receiving: BodyUsage,
    /// The bytes of response bodies being assembled from blocks.
    pub response_bytes: usize,
    /// Response bodies that are kept to be requested block by block.
    pub serving: BodyUsage,
    /// Bodies that the application supplies.
    pub sources: usize,
}

/// The bodies held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyUsage {
    /// Their number.
    pub bodies: usize,
    /// Their bytes.
    pub bytes: usize,
}
