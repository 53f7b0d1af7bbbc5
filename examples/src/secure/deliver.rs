//! How datagrams get from a session, or past it, to the machine above.

use lwm2m_core::Instant;
use lwm2m_statemachine::{Channel, Datagram, Machine};

use super::credentials::ProvenIdentity;

/// Gives a machine what has come in a session, with what its peer has proved.
pub(super) fn deliver<M: Machine>(
    machine: &mut M,
    now: Instant,
    (from, channel): (M::Peer, Channel),
    proven: &ProvenIdentity,
    payload: &[u8],
) -> Result<(), M::DatagramError> {
    proven.with(|identity| {
        let datagram = Datagram {
            from,
            payload,
            channel,
            multicast: false,
            identity,
        };
        machine.handle_datagram(now, datagram)
    })
}

/// The same datagram, from the peer as another machine calls it.
pub(super) fn from_peer<'d, P, Q>(datagram: &Datagram<'d, P>, from: Q) -> Datagram<'d, Q> {
    Datagram {
        from,
        payload: datagram.payload,
        channel: datagram.channel,
        multicast: datagram.multicast,
        identity: datagram.identity,
    }
}
