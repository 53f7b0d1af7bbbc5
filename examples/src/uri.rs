//! The address of a `coap` or `coaps` URI, and the request of one (RFC 7252 §6).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::{io, net::UdpSocket};

use lwm2m_core::{ContentFormat, Method, ServerUri, ServerUriExpected};
use lwm2m_statemachine::coap::{MessageBuf, OptionError, OptionNumber};

use crate::{address, exit, secure::library::LibraryName};

/// The URI of a server as an argument of a program: it has no path.
pub fn server(uri: &str) -> Result<String, String> {
    parts(uri)?;
    if LibraryName::ALL.is_empty() && uri.starts_with("coaps:") {
        return Err("this program is built without DTLS: expected coap://".to_owned());
    }
    match ServerUri::parse(uri) {
        Ok(_) => Ok(uri.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The URI of a resource as an argument of a program.
pub fn resource(uri: &str) -> Result<String, String> {
    parts(uri)?;
    if uri.starts_with("coaps:") {
        return Err("there are no keys for it: expected coap://".to_owned());
    }
    Ok(uri.to_owned())
}

/// The host of a URI.
pub fn host(uri: &str) -> &str {
    parts(uri).map_or("", |(host, _, _)| host)
}

/// The address of a `coap` or `coaps` URI.
pub fn resolve(uri: &str) -> io::Result<SocketAddr> {
    resolve_to(uri, |_| true).map_err(exit::about(uri))
}

/// Its address, among those that `fits` accepts.
pub fn resolve_to(uri: &str, fits: impl Fn(&SocketAddr) -> bool) -> io::Result<SocketAddr> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let (host, port, _) = parts(uri).map_err(invalid)?;
    let mut addresses = address::resolve(host, port)?.into_iter();
    addresses
        .find(fits)
        .ok_or_else(|| invalid("the host has no address that can be reached from here".to_owned()))
}

/// Host, port, and the rest. The errors say what these programs don't support.
fn parts(uri: &str) -> Result<(&str, u16, &str), String> {
    match ServerUri::split(uri) {
        Ok((ServerUri::Coap { host, port } | ServerUri::Coaps { host, port }, rest)) => {
            Ok((host, port, rest))
        }
        Err(error) if error.expected != ServerUriExpected::Scheme => Err(error.to_string()),
        _ => Err("expected a URI such as coap://localhost:5683".to_owned()),
    }
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

/// A request for a URI: its host if that is a name, its path and its query. Nothing is
/// percent-decoded. Options are written in the order of their numbers, so those in between are
/// parameters.
pub fn request(
    method: Method,
    uri: &str,
    observe: Option<u32>,
    format: Option<ContentFormat>,
) -> Result<MessageBuf, OptionError> {
    let (host, _, rest) = parts(uri).unwrap_or_default();
    let mut message = MessageBuf::request(method);
    if host.parse::<IpAddr>().is_err() {
        message.option(OptionNumber::URI_HOST, host.as_bytes())?;
    }
    if let Some(value) = observe {
        message.observe(value)?;
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if let Some(path) = path.strip_prefix('/').filter(|path| !path.is_empty()) {
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
            ("coaps://127.0.0.1", "127.0.0.1:5684"),
        ] {
            assert_eq!(resolve(uri).unwrap(), address.parse().unwrap(), "{uri}");
        }
        for uri in ["127.0.0.1:5683", "coap://"] {
            assert!(resolve(uri).is_err(), "{uri}");
        }
        assert!(resolve_to("coap://127.0.0.1", SocketAddr::is_ipv6).is_err());
    }

    #[test]
    fn what_is_no_uri_is_told_before_it_is_used() {
        for check in [server, resource] {
            assert_eq!(check("coap://example.org"), Ok("coap://example.org".into()));
            for uri in ["", "coap://", "coap:///a", "example.org:5683", "http://a"] {
                assert!(check(uri).unwrap_err().contains("expected"), "{uri}");
            }
        }
        let secured = "coaps://example.org";
        assert!(resource(secured).unwrap_err().contains("keys"));
        if LibraryName::ALL.is_empty() {
            assert!(server(secured).unwrap_err().contains("DTLS"));
        } else {
            assert_eq!(server(secured).as_deref(), Ok(secured));
        }
        assert_eq!(host(secured), "example.org");
        assert_eq!(
            resource("coap://[::1]/a?b").as_deref(),
            Ok("coap://[::1]/a?b")
        );
        assert!(server("coap://[::1]/a?b").unwrap_err().contains("no path"));
    }

    #[test]
    fn uris_become_options() {
        for (uri, options) in [
            ("coap://127.0.0.1", vec![]),
            ("coap://[::1]:5700/", vec![]),
            ("coap://127.0.0.1:5700/a/b:c", vec![(11, "a"), (11, "b:c")]),
            // A trailing slash is one more, empty segment (RFC 7252 §6.4).
            ("coap://[::1]/a/", vec![(11, "a"), (11, "")]),
            ("coap://127.0.0.1?b=c", vec![(15, "b=c")]),
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
