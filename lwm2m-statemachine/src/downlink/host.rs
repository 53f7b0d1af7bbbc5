//! What many peers may have in common.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A property that many peers may share, such as an address without its port. The application
/// derives it from a peer; see `with_hosts` of a `Server` and of a `BootstrapServer`.
///
/// ```
/// use core::net::{Ipv6Addr, SocketAddr};
/// use lwm2m_statemachine::downlink::Host;
///
/// let [one, other]: [SocketAddr; 2] = ["192.0.2.1:5683", "192.0.2.1:40000"].map(|text| text.parse().unwrap());
/// assert_eq!(Host::from(one), Host::from(other));
/// // The owner of an IPv6 address also has the rest of its /64 network.
/// let [one, other]: [Ipv6Addr; 2] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().unwrap());
/// assert_eq!(Host::from(one), Host::from(other));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(u64);

impl Host {
    /// The host with this number. The application decides what the numbers mean.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl From<Ipv4Addr> for Host {
    fn from(address: Ipv4Addr) -> Self {
        Self(address.to_bits().into())
    }
}

impl From<Ipv6Addr> for Host {
    /// The network of 64 bits, or the IPv4 address that is mapped.
    fn from(address: Ipv6Addr) -> Self {
        match address.to_ipv4_mapped() {
            Some(address) => address.into(),
            None => Self(u64::try_from(address.to_bits() >> 64).unwrap_or(0)),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => address.into(),
        }
    }
}

impl From<SocketAddr> for Host {
    fn from(address: SocketAddr) -> Self {
        address.ip().into()
    }
}

/// How the application derives the host of a peer.
pub(crate) type HostOf<P> = fn(&P) -> Host;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_addresses_without_ports() {
        let host = |text: &str| Host::from(text.parse::<SocketAddr>().unwrap());
        assert_eq!(host("192.0.2.1:1"), host("192.0.2.1:2"));
        assert_ne!(host("192.0.2.1:1"), host("192.0.2.2:1"));
        assert_eq!(host("[::ffff:192.0.2.1]:1"), host("192.0.2.1:1"));
        assert_eq!(host("[2001:db8:0:1::1]:1"), host("[2001:db8:0:1:f::]:2"));
        assert_ne!(host("[2001:db8:0:1::1]:1"), host("[2001:db8:0:2::1]:1"));
        assert_eq!(
            Host::from(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Host::new(0x7f00_0001)
        );
    }
}
