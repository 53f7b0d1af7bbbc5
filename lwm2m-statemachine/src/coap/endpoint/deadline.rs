//! What an endpoint is to be woken for.

use lwm2m_core::Instant;

/// What an endpoint is to be woken for next; see
/// [`Endpoint::next_deadline`](super::Endpoint::next_deadline).
///
/// It may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deadline {
    /// A message is retransmitted or given up, or message ids are free again.
    Transmission,
    /// A request is acknowledged without an answer, or a message that was received is forgotten.
    Record,
    /// An answer to a group's request is sent.
    Leisure,
    /// The message ids of a peer are forgotten.
    Peer,
    /// The response to a request is given up.
    Response,
    /// A notification that was sent once is forgotten.
    Notification,
    /// A body in blocks is given up.
    Body,
}

impl Deadline {
    /// The first of these.
    pub(super) fn first<const N: usize>(
        deadlines: [(Option<Instant>, Self); N],
    ) -> Option<(Instant, Self)> {
        deadlines
            .into_iter()
            .filter_map(|(moment, deadline)| Some((moment?, deadline)))
            .min_by_key(|(moment, _)| *moment)
    }
}
