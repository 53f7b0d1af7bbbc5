//! Reasons for which an endpoint must be woken.

use lwm2m_core::Instant;

/// Why an endpoint must be woken next; see
/// [`Endpoint::next_deadline`](super::Endpoint::next_deadline).
///
/// It may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deadline {
    /// A message is retransmitted or times out, or message ids become free again.
    Transmission,
    /// A request gets an Empty acknowledgement, or the record of a received message expires.
    Record,
    /// An answer to a multicast request is sent.
    Leisure,
    /// The message ids of a peer expire.
    Peer,
    /// The response to a request times out.
    Response,
    /// The record of a notification that was sent once expires.
    Notification,
    /// A block-wise transfer times out.
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
