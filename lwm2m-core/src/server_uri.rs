//! Where a LwM2M Server is: the LwM2M Server URI (TS E.1, Resource 0; RFC 7252 §6).

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use thiserror::Error;

use crate::Msisdn;

/// A LwM2M Server URI (`/0/x/0`): how a server is reached, and where.
///
/// Parsing borrows and allocates nothing. `host` and `port` together are what
/// `std::net::ToSocketAddrs` takes, `(host, port)`:
///
/// ```
/// use lwm2m_core::ServerUri;
///
/// let uri = ServerUri::parse("coap://[2001:db8::1]")?;
/// assert_eq!(uri, ServerUri::Coap { host: "2001:db8::1", port: 5683 });
/// let uri = ServerUri::parse("coaps://lwm2m.example.org:5700/")?;
/// assert_eq!(uri, ServerUri::Coaps { host: "lwm2m.example.org", port: 5700 });
///
/// // A path would be ignored, so it is an error.
/// let error = ServerUri::parse("coap://192.0.2.1/path").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "offset 17: expected the end: the URI of a server has no path and no query"
/// );
/// # Ok::<(), lwm2m_core::ServerUriError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerUri<'a> {
    /// `coap://host[:port]`: CoAP over UDP, without security (RFC 7252 §6.1).
    Coap {
        /// A DNS name, an IPv4 address, or an IPv6 address without its brackets.
        host: &'a str,
        /// The UDP port, 1 to 65535; 5683 by default.
        port: u16,
    },
    /// `coaps://host[:port]`: CoAP over DTLS (RFC 7252 §6.2).
    Coaps {
        /// A DNS name, an IPv4 address, or an IPv6 address without its brackets.
        host: &'a str,
        /// The UDP port, 1 to 65535; 5684 by default.
        port: u16,
    },
    /// `sms:+number` or `tel:+number`: CoAP over SMS (TS 8.6.2).
    ///
    /// TS 1.0 has the number in LwM2M Server SMS Number (`/0/x/9`) instead. Deployed devices use both
    /// schemes for a server that is reached by SMS alone.
    Sms(Msisdn),
}

/// Text that isn't a LwM2M Server URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("offset {offset}: expected {expected}")]
#[non_exhaustive]
pub struct ServerUriError {
    /// Where, in bytes from the beginning.
    pub offset: usize,
    /// What the grammar asks for there.
    pub expected: ServerUriExpected,
}

/// What the grammar of a LwM2M Server URI asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerUriExpected {
    /// One of the schemes of [`ServerUri`].
    Scheme,
    /// `//`, after `coap:` or `coaps:`.
    Slashes,
    /// A host. User information (`user@`) and percent-encoding are not part of one.
    Host,
    /// An IPv4 address, as the last part of the host is a number.
    Ipv4,
    /// An IPv6 address and the bracket that closes it.
    Ipv6,
    /// `:` and a port, a path, a query, or the end, after the bracket of an IPv6 address.
    PortOrEnd,
    /// A port of 1 to 65535.
    Port,
    /// The telephone number of an SMS URI.
    Number,
    /// The end: the URI of a server has neither a path nor a query.
    End,
    /// Anything but a fragment, which no CoAP URI has (RFC 7252 §6.1).
    NoFragment,
}

impl<'a> ServerUri<'a> {
    /// The default port of `coap` (RFC 7252 §6.1).
    pub const COAP_PORT: u16 = 5683;

    /// The default port of `coaps` (RFC 7252 §6.2).
    pub const COAPS_PORT: u16 = 5684;

    /// Reads the URI of a server. One slash at the end is allowed, as TS 7.1.9 writes it.
    pub fn parse(text: &'a str) -> Result<Self, ServerUriError> {
        match Self::split(text)? {
            (uri, "" | "/") => Ok(uri),
            (_, rest) => {
                let rest = rest.strip_prefix('/').unwrap_or(rest);
                Err(error_at(text, rest, ServerUriExpected::End))
            }
        }
    }

    /// Reads the URI of a resource of a server, such as a firmware package: the server, and path and
    /// query exactly as written. These begin with `/` or `?`, or are empty.
    ///
    /// ```
    /// use lwm2m_core::ServerUri;
    ///
    /// let (server, resource) = ServerUri::split("coap://192.0.2.1/firmware?v=2")?;
    /// assert_eq!(server, ServerUri::Coap { host: "192.0.2.1", port: 5683 });
    /// assert_eq!(resource, "/firmware?v=2");
    /// # Ok::<(), lwm2m_core::ServerUriError>(())
    /// ```
    pub fn split(text: &'a str) -> Result<(Self, &'a str), ServerUriError> {
        let unknown = error_at(text, text, ServerUriExpected::Scheme);
        let (scheme, rest) = text.split_once(':').ok_or(unknown)?;
        let is = |known: &str| scheme.eq_ignore_ascii_case(known);
        if is("sms") || is("tel") {
            return Ok((Self::Sms(number(text, rest)?), ""));
        }
        let secure = is("coaps");
        if !secure && !is("coap") {
            return Err(unknown);
        }
        let rest =
            rest.strip_prefix("//")
                .ok_or(error_at(text, rest, ServerUriExpected::Slashes))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if let Some(fragment) = resource.find('#') {
            return Err(ServerUriError {
                offset: offset(text, resource) + fragment,
                expected: ServerUriExpected::NoFragment,
            });
        }
        let (host, port) = host_and_port(text, authority)?;
        let server = if secure {
            let port = port.unwrap_or(Self::COAPS_PORT);
            Self::Coaps { host, port }
        } else {
            let port = port.unwrap_or(Self::COAP_PORT);
            Self::Coap { host, port }
        };
        Ok((server, resource))
    }

    /// The address, if the host is one. The caller resolves a DNS name.
    ///
    /// ```
    /// use lwm2m_core::ServerUri;
    ///
    /// let address = ServerUri::parse("coap://[::1]:5700")?.address();
    /// assert_eq!(address, Some("[::1]:5700".parse().unwrap()));
    /// assert_eq!(ServerUri::parse("coap://localhost")?.address(), None);
    /// # Ok::<(), lwm2m_core::ServerUriError>(())
    /// ```
    pub fn address(&self) -> Option<SocketAddr> {
        match *self {
            Self::Coap { host, port } | Self::Coaps { host, port } => {
                let ip: IpAddr = host.parse().ok()?;
                Some(SocketAddr::new(ip, port))
            }
            Self::Sms(_) => None,
        }
    }
}

/// The host without brackets, and the port if one is written (RFC 3986 §3.2).
fn host_and_port<'a>(
    text: &str,
    authority: &'a str,
) -> Result<(&'a str, Option<u16>), ServerUriError> {
    let (host, port) = if let Some(literal) = authority.strip_prefix('[') {
        let malformed = error_at(text, literal, ServerUriExpected::Ipv6);
        let (host, rest) = literal.split_once(']').ok_or(malformed)?;
        host.parse::<Ipv6Addr>().map_err(|_| malformed)?;
        match rest.strip_prefix(':') {
            Some(port) => (host, port),
            None if rest.is_empty() => (host, rest),
            None => return Err(error_at(text, rest, ServerUriExpected::PortOrEnd)),
        }
    } else {
        // An IPv6 address without brackets has more than one colon.
        if authority.matches(':').nth(1).is_some() {
            return Err(error_at(text, authority, ServerUriExpected::Host));
        }
        let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
        check_host(text, host)?;
        (host, port)
    };
    // A colon without a port means the default (RFC 3986 §3.2.3).
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port @ 1..) if digits => Ok((host, Some(port))),
        _ => Err(error_at(text, port, ServerUriExpected::Port)),
    }
}

/// Checks a host without brackets: an IPv4 address, or a name of labels between dots.
fn check_host(text: &str, host: &str) -> Result<(), ServerUriError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if let Some(at) = host.find(|c| !is_allowed(c)) {
        return Err(ServerUriError {
            offset: offset(text, host) + at,
            expected: ServerUriExpected::Host,
        });
    }
    // The dot of the root may be written.
    let labels = host.strip_suffix('.').unwrap_or(host);
    if let Some(empty) = labels.split('.').find(|label| label.is_empty()) {
        return Err(error_at(text, empty, ServerUriExpected::Host));
    }
    let last = labels.rsplit('.').next().unwrap_or_default();
    let is_numeric = last.bytes().all(|byte| byte.is_ascii_digit());
    if is_numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err(error_at(text, host, ServerUriExpected::Ipv4));
    }
    Ok(())
}

/// The number of an SMS URI, with or without `//` and `+` before it.
fn number(text: &str, rest: &str) -> Result<Msisdn, ServerUriError> {
    let digits = rest.strip_prefix("//").unwrap_or(rest);
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let malformed = error_at(text, digits, ServerUriExpected::Number);
    digits.parse().map_err(|_| malformed)
}

fn error_at(text: &str, part: &str, expected: ServerUriExpected) -> ServerUriError {
    ServerUriError {
        offset: offset(text, part),
        expected,
    }
}

/// The offset of a part of the text.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(text.as_ptr().addr())
}

impl fmt::Display for ServerUri<'_> {
    /// The URI, with the brackets of an IPv6 address and with the port; an SMS URI as `tel:+…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match *self {
            Self::Coap { host, port } => ("coap", host, port),
            Self::Coaps { host, port } => ("coaps", host, port),
            Self::Sms(number) => return write!(f, "tel:+{number}"),
        };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

impl fmt::Display for ServerUriExpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "coap://, coaps://, sms: or tel:",
            Self::Slashes => "// and a host",
            Self::Host => {
                "a host: a DNS name, an IPv4 address, or an IPv6 address in brackets ([::1])"
            }
            Self::Ipv4 => "an IPv4 address such as 192.0.2.1",
            Self::Ipv6 => "an IPv6 address and ']'",
            Self::PortOrEnd => "':' and a port, or the end",
            Self::Port => "a port of 1 to 65535",
            Self::Number => "a telephone number of 1 to 15 digits",
            Self::End => "the end: the URI of a server has no path and no query",
            Self::NoFragment => "a URI without a fragment ('#')",
        })
    }
}

#[cfg(test)]
mod tests;
