//! How much an endpoint holds.

/// How much an endpoint holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Peers of whom anything is kept.
    pub peers: usize,
    /// Messages received that are remembered.
    pub records: usize,
    /// How many bytes the answers take that are kept with them.
    pub answer_bytes: usize,
    /// Requests without an outcome, and observations.
    pub requests: usize,
    /// Confirmable messages that are not acknowledged, and non-confirmable requests that are not
    /// answered.
    pub transmissions: usize,
    /// Notifications sent once that are remembered.
    pub notifications: usize,
    /// Message ids that an acknowledgement or a Reset may name.
    pub message_ids: usize,
    /// Deadlines.
    pub timers: usize,
    /// Bodies of requests that are coming in blocks.
    pub receiving: BodyUsage,
    /// How many bytes bodies of responses take that are put together from blocks.
    pub response_bytes: usize,
    /// Bodies of responses that may be asked for block by block.
    pub serving: BodyUsage,
    /// Bodies that the application supplies.
    pub sources: usize,
}

/// How many bodies are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyUsage {
    /// Their number.
    pub bodies: usize,
    /// How many bytes they take.
    pub bytes: usize,
}
