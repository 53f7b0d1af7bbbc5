//! `coap` URIs: where they lead, and what they ask for (RFC 7252 §6).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::{
    io,
    net::{ToSocketAddrs, UdpSocket},
};

use lwm2m_core::{ContentFormat, Method};
use lwm2m_statemachine::coap::{MessageBuf, OptionError, OptionNumber};

use crate::exit;

/// A `coap` URI as an argument of a program.
pub fn check(uri: &str) -> Result<String, &'static str> {
    match split(uri) {
        Some((authority, _)) if !authority.is_empty() => Ok(uri.to_owned()),
        _ if uri.starts_with("coaps://") => Err("there is no DTLS here, only coap://"),
        _ => Err("expected a URI such as coap://localhost:5683"),
    }
}

/// Where a `coap` URI leads.
pub fn resolve(uri: &str) -> io::Result<SocketAddr> {
    resolve_to(uri, |_| true).map_err(exit::about(uri))
}

/// Where it leads, among the addresses that `fits` lets pass.
pub fn resolve_to(uri: &str, fits: impl Fn(&SocketAddr) -> bool) -> io::Result<SocketAddr> {
    let invalid = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
    let (authority, _) =
        split(uri).ok_or_else(|| invalid("expected a URI such as coap://localhost:5683"))?;
    let with_port = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && !host.is_empty() => authority.to_owned(),
        _ => format!("{authority}:5683"),
    };
    with_port
        .to_socket_addrs()?
        .find(fits)
        .ok_or_else(|| invalid("the host has no address that can be reached from here"))
}

/// An address, with a free port, from which this host reaches a server.
pub fn local_address(server: SocketAddr) -> io::Result<SocketAddr> {
    let any: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    // Connecting sends nothing, it only chooses a route.
    let probe = UdpSocket::bind(SocketAddr::new(any, 0))?;
    probe.connect(server)?;
    Ok(SocketAddr::new(probe.local_addr()?.ip(), 0))
}

/// A request for what a URI names: its host if that is a name, its path and its query. Characters
/// that a URI has to write with a percent sign are taken as they are typed. Options go in the order
/// of their numbers, so those that lie between are said here.
pub fn request(
    method: Method,
    uri: &str,
    observe: Option<u32>,
    format: Option<ContentFormat>,
) -> Result<MessageBuf, OptionError> {
    let (authority, rest) = split(uri).unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    let mut message = MessageBuf::request(method);
    if !host.starts_with('[') && host.parse::<Ipv4Addr>().is_err() {
        message.option(OptionNumber::URI_HOST, host.as_bytes())?;
    }
    if let Some(value) = observe {
        message.observe(value)?;
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !path.is_empty() {
        for segment in path.split('/') {
            message.uri_path(segment)?;
        }
    }
    if let Some(format) = format {
        message.content_format(format)?;
    }
    for argument in query.split('&').filter(|argument| !argument.is_empty()) {
        message.uri_query(argument)?;
    }
    Ok(message)
}

/// The authority, and what follows the slash behind it.
fn split(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("coap://")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_lead_to_addresses() {
        for (uri, address) in [
            ("coap://127.0.0.1:5700", "127.0.0.1:5700"),
            ("coap://127.0.0.1", "127.0.0.1:5683"),
            ("coap://127.0.0.1:5700/", "127.0.0.1:5700"),
            ("coap://127.0.0.1:5700/a:b/c", "127.0.0.1:5700"),
            ("coap://[::1]:5700", "[::1]:5700"),
            ("coap://[::1]", "[::1]:5683"),
        ] {
            assert_eq!(resolve(uri).unwrap(), address.parse().unwrap(), "{uri}");
        }
        for uri in ["coaps://127.0.0.1", "127.0.0.1:5683", "coap://"] {
            assert!(resolve(uri).is_err(), "{uri}");
        }
        assert!(resolve_to("coap://127.0.0.1", SocketAddr::is_ipv6).is_err());
    }

    #[test]
    fn what_is_no_uri_is_told_before_it_is_used() {
        for uri in ["coap://[::1]/a?b", "coap://example.org"] {
            assert_eq!(check(uri).as_deref(), Ok(uri));
        }
        assert!(check("coaps://example.org").unwrap_err().contains("DTLS"));
        for uri in ["", "coap://", "coap:///a", "example.org:5683", "http://a"] {
            assert!(check(uri).unwrap_err().contains("expected"), "{uri}");
        }
    }

    #[test]
    fn uris_become_options() {
        for (uri, options) in [
            ("coap://127.0.0.1", vec![]),
            ("coap://[::1]:5700/", vec![]),
            ("coap://127.0.0.1:5700/a/b:c", vec![(11, "a"), (11, "b:c")]),
            // A slash at the end is an empty segment more (RFC 7252 §6.4).
            ("coap://[::1]/a/", vec![(11, "a"), (11, "")]),
            (
                "coap://example.org:5700/a?b=c&d",
                vec![(3, "example.org"), (11, "a"), (15, "b=c"), (15, "d")],
            ),
        ] {
            let message = request(Method::Get, uri, None, None).unwrap();
            let asked = message
                .options()
                .map(|(number, value)| (number.number(), core::str::from_utf8(value).unwrap()));
            assert_eq!(asked.collect::<Vec<_>>(), options, "{uri}");
        }
    }

    #[test]
    fn what_lies_between_is_in_its_place() {
        let uri = "coap://example.org/a?b";
        let message = request(Method::Put, uri, Some(0), Some(ContentFormat::OPAQUE)).unwrap();
        let numbers = message.options().map(|(number, _)| number.number());
        assert_eq!(numbers.collect::<Vec<_>>(), [3, 6, 11, 12, 15]);
    }
}
