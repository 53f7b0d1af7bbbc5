//! Addresses of sockets, by number or by name.

use core::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
    str::FromStr,
};
use std::{io, net::ToSocketAddrs as _};

use crate::exit;

/// Host and port as an argument of a program: `127.0.0.1:5683`, `[::1]:5683`, `localhost:5683`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

impl HostPort {
    /// The address; the first one of a name.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        let addresses = resolve(&self.host, self.port).map_err(exit::about(self))?;
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let first = addresses.first().ok_or_else(unknown);
        first.copied().map_err(exit::about(self))
    }
}

impl FromStr for HostPort {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: address.ip().to_string(),
                port: address.port(),
            });
        }
        let malformed = "expected HOST:PORT such as localhost:5683 or [::1]:5683";
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !host.contains([':', '[', ']']) => Ok(Self {
                host: host.to_owned(),
                port: port.parse().map_err(|_| malformed)?,
            }),
            _ => Err(malformed),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The addresses of a host in the order of the system, but `::1` last: `localhost` often has both,
/// and so all programs take it for 127.0.0.1.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    addresses.sort_by_key(|address| address.ip() == Ipv6Addr::LOCALHOST);
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_number_or_a_name() {
        for (text, address) in [
            ("127.0.0.1:5683", "127.0.0.1:5683"),
            ("[::1]:0", "[::1]:0"),
            ("localhost:5683", "127.0.0.1:5683"),
        ] {
            let read: HostPort = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
            assert_eq!(read.resolve().unwrap(), address.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_address_is_told() {
        for text in [
            "",
            "localhost",
            "127.0.0.1",
            ":5683",
            "::1:5683",
            "[::1]",
            "[a]:5683",
            "a:b",
            "a:65536",
        ] {
            let error = text.parse::<HostPort>().unwrap_err();
            assert!(error.contains("localhost:5683"), "{text}");
        }
    }
}
