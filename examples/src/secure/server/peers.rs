//! Who is at the other end: to the sockets, and to the machine.

use core::{fmt, net::SocketAddr};

use lwm2m_statemachine::{Channel, server::Host};

/// Where a datagram comes from, or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport<A> {
    /// An address, over the socket for CoAP.
    Udp(A),
    /// An address, over the socket for DTLS.
    Dtls(A),
    /// A number, by short messages without security.
    Sms(A),
    /// A number, by short messages with DTLS (TS 7.2.2).
    SmsDtls(A),
}

impl<A> Transport<A> {
    /// Where the peer is.
    pub const fn address(&self) -> &A {
        match self {
            Self::Udp(address)
            | Self::Dtls(address)
            | Self::Sms(address)
            | Self::SmsDtls(address) => address,
        }
    }
}

/// Who a client is to the server.
///
/// [`Debug`](fmt::Debug) shows what [`Display`](fmt::Display) does: so a Refusal names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurePeer<A> {
    /// One without security, at this address.
    Plain(A),
    /// One at the other end of a session. A client that makes a new session is another peer, also at
    /// the same address.
    Session {
        /// Where the client is.
        address: A,
        /// The session.
        number: u64,
    },
    /// One that sends short messages without security, from this number.
    Sms(A),
    /// One at the other end of a session by short messages.
    SmsSession {
        /// The number of the client.
        address: A,
        /// The session.
        number: u64,
    },
}

impl<A> SecurePeer<A> {
    /// Where the client is.
    pub const fn address(&self) -> &A {
        match self {
            Self::Plain(address)
            | Self::Sms(address)
            | Self::Session { address, .. }
            | Self::SmsSession { address, .. } => address,
        }
    }

    /// The channel of its session, and the number there; newer ones have higher numbers.
    pub(super) const fn session(&self) -> Option<(Channel, u64)> {
        match self {
            Self::Plain(_) | Self::Sms(_) => None,
            Self::Session { number, .. } => Some((Channel::Udp, *number)),
            Self::SmsSession { number, .. } => Some((Channel::Sms, *number)),
        }
    }

    /// The peer at the other end of a session.
    pub(super) fn of_session(channel: Channel, address: A, number: u64) -> Self {
        match channel {
            Channel::Sms => Self::SmsSession { address, number },
            _ => Self::Session { address, number },
        }
    }
}

/// Its address, with the scheme of its URI before that of a session, and before a number.
impl<A: fmt::Display> fmt::Display for SecurePeer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scheme(), self.address())
    }
}

impl<A: fmt::Debug> fmt::Debug for SecurePeer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.scheme(), self.address())
    }
}

impl<A> SecurePeer<A> {
    const fn scheme(&self) -> &'static str {
        match self {
            Self::Plain(_) => "",
            Self::Session { .. } => "coaps://",
            Self::Sms(_) => "coap+sms://",
            Self::SmsSession { .. } => "coaps+sms://",
        }
    }
}

impl SecurePeer<SocketAddr> {
    /// Its host, for [`Server::with_hosts`](lwm2m_statemachine::Server::with_hosts).
    pub fn host(&self) -> Host {
        Host::from(*self.address())
    }
}
