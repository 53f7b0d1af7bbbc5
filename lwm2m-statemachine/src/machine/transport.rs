//! The sans-IO contract between a machine and its transport.

use core::hash::Hash;

use lwm2m_core::Instant;

/// The caller's name for a peer: a socket address, an MSISDN, a session of a secure transport, a
/// slot of a radio. Every suitable type implements it.
///
/// A machine recognises duplicates by the name of their sender (RFC 7252 §4.5), so a copy of a
/// message must not arrive under another name. Addresses fulfil that, and so do secure sessions,
/// since they discard each other's messages. If connections without security have names of their
/// own, see [`Endpoint::close_peer`](crate::coap::Endpoint::close_peer). The
/// `Client` takes care of that itself.
pub trait Peer: Clone + Eq + Hash {}

impl<T: Clone + Eq + Hash> Peer for T {}

/// A datagram that has arrived, with what only the transport knows about it.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a, P> {
    /// Its sender.
    pub from: P,
    /// Its bytes.
    pub payload: &'a [u8],
    /// The channel it came on.
    pub channel: Channel,
    /// Whether it was sent to a group; such a datagram is never answered with a Reset or an error
    /// (RFC 7252 §8.1, §8.2).
    pub multicast: bool,
    /// What the secure transport proved about the sender.
    pub identity: Identity<'a>,
}

impl<'a, P> Datagram<'a, P> {
    /// A unicast datagram over a UDP-like channel without security.
    pub const fn new(from: P, payload: &'a [u8]) -> Self {
        Self {
            from,
            payload,
            channel: Channel::Udp,
            multicast: false,
            identity: Identity::None,
        }
    }
}

/// The kind of channel that carries a message.
///
/// It may grow: LwM2M 1.1 adds TCP and non-IP channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Channel {
    /// UDP, DTLS, or anything else that may lose, repeat and reorder datagrams (TS 8.6.1).
    #[default]
    Udp,
    /// SMS: CoAP's retransmission is off (TS 8.6.2).
    Sms,
}

/// What the secure transport has *proved* about a peer. Endpoint names are checked against it (TS
/// 7.1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity<'a> {
    /// Nothing: NoSec mode (TS 7.1.10).
    #[default]
    None,
    /// It holds the key of this PSK identity (TS 7.1.7).
    Psk(&'a [u8]),
    /// It holds the private key of this SubjectPublicKeyInfo (TS 7.1.8).
    RawPublicKey(&'a [u8]),
    /// It holds the private key of a certificate with these names: the common name, and the
    /// subject's alternative names (TS 7.1.9).
    Certificate(&'a [&'a str]),
}

/// A datagram to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'a, P> {
    /// Its receiver.
    pub to: P,
    /// Its bytes, borrowed from the machine until its next call.
    pub payload: &'a [u8],
}

/// The five calls that drive every machine of this crate.
///
/// There is one rule: after each call that feeds a machine, and after each call of the application,
/// drain [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event), then ask
/// [`poll_timeout`](Self::poll_timeout) how long to wait. `now` never goes back.
pub trait Machine {
    /// The caller's name for a peer.
    type Peer: Peer;
    /// Something that the application must know or do.
    type Event;
    /// Why a datagram was not used.
    type DatagramError;

    /// Takes a datagram. Any bytes are safe: the machine goes on working, and an error only
    /// informs.
    fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, Self::Peer>,
    ) -> Result<(), Self::DatagramError>;

    /// Does what is due at `now`. Early, late and repeated calls do no harm.
    fn handle_timeout(&mut self, now: Instant);

    /// The next datagram to send. Every call but the other polls may change it.
    fn poll_transmit(&mut self) -> Option<Transmit<'_, Self::Peer>>;

    /// The next event. Every call but the other polls may change it.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` if there is nothing to
    /// wait for. Every call but the other polls may change it.
    fn poll_timeout(&self) -> Option<Instant>;
}
