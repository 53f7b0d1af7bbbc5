//! What is checked of a certificate (TS 7.1.9).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use std::sync::Arc;

use openssl::asn1::Asn1Time;
use openssl::nid::Nid;
use openssl::x509::{GeneralNameRef, X509Ref};

use crate::secure::credentials::KnownClients;
use crate::secure::session::Refusal;

/// What one side expects of the other's certificate.
pub(super) enum Expected {
    /// A client: this certificate of its server, for this host; valid at this time since 1970, if that
    /// matters.
    Server {
        certificate: Vec<u8>,
        host: String,
        time: Option<Duration>,
    },
    /// A server: what its operator says.
    Client(Arc<dyn KnownClients>),
}

impl Expected {
    /// Whether it is this one. That the peer holds its private key, OpenSSL checks.
    pub(super) fn check(&self, shown: &X509Ref) -> Result<(), Refusal> {
        let shown_der = shown.to_der().map_err(|_| Refusal::Malformed)?;
        match self {
            Self::Client(clients) => clients.accepts_certificate(&shown_der),
            Self::Server {
                certificate,
                host,
                time,
            } => {
                if shown_der != *certificate {
                    return Err(Refusal::OtherCertificate);
                }
                if !Names::of(shown).name(host) {
                    return Err(Refusal::OtherName);
                }
                let is_valid = time.is_none_or(|time| is_valid(shown, time));
                is_valid.then_some(()).ok_or(Refusal::Expired)
            }
        }
    }
}

/// Whether it is valid at this time since 1970.
fn is_valid(certificate: &X509Ref, time: Duration) -> bool {
    let Ok(seconds) = time.as_secs().try_into() else {
        return false;
    };
    Asn1Time::from_unix(seconds)
        .is_ok_and(|time| certificate.not_before() <= time && certificate.not_after() >= time)
}

/// The names of a certificate, by their kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    common: Vec<String>,
    dns: Vec<String>,
    uris: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl Names {
    pub(super) fn of(certificate: &X509Ref) -> Self {
        let mut names = Self::default();
        for entry in certificate.subject_name().entries_by_nid(Nid::COMMONNAME) {
            if let Ok(name) = entry.data().to_string() {
                names.common.push(name);
            }
        }
        for name in certificate.subject_alt_names().into_iter().flatten() {
            names.push(&name);
        }
        names
    }

    fn push(&mut self, name: &GeneralNameRef) {
        if let Some(dns) = name.dnsname() {
            self.dns.push(dns.to_owned());
        } else if let Some(uri) = name.uri() {
            self.uris.push(uri.to_owned());
        } else if let Some(bytes) = name.ipaddress() {
            self.addresses.extend(address(bytes));
        }
    }

    /// All of them as text, without repetition: Common Names first.
    pub(super) fn into_all(self) -> Vec<String> {
        let addresses = self.addresses.iter().map(ToString::to_string);
        let mut all = Vec::new();
        for name in self
            .common
            .into_iter()
            .chain(self.dns)
            .chain(self.uris)
            .chain(addresses)
        {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    /// Whether they name the host of a URI. A domain name is a dNSName or, where there is none, the
    /// Common Name (RFC 6125 §6.4.4); an address is a Common Name, the host of a URI (TS 7.1.9) or an
    /// iPAddress.
    pub(super) fn name(&self, host: &str) -> bool {
        if let Some(wanted) = literal(host) {
            return self.addresses.contains(&wanted)
                || self.common.iter().any(|name| literal(name) == Some(wanted))
                || self
                    .uris
                    .iter()
                    .filter_map(|uri| host_of(uri))
                    .any(|named| literal(named) == Some(wanted));
        }
        let presented = if self.dns.is_empty() {
            &self.common
        } else {
            &self.dns
        };
        presented.iter().any(|name| matches(name, host))
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    let bytes = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(bytes).into())
}

/// An address as it stands in a URI: IPv6 in brackets, or without.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

/// The host of a URI, an IPv6 address with its brackets (RFC 3986 §3.2).
fn host_of(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit('@').next()?;
    if let Some(end) = place.find(']') {
        return place.get(..=end);
    }
    place.split(':').next()
}

/// Whether a name of a certificate is the domain (RFC 6125 §6.4.1). `*` has no meaning here: the
/// certificate is the one that the Client was given.
fn matches(presented: &str, domain: &str) -> bool {
    let presented = presented.strip_suffix('.').unwrap_or(presented);
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    !domain.is_empty() && presented.eq_ignore_ascii_case(domain)
}

/// Whether a name may stand in the server_name extension: not an address (RFC 6066 §3).
pub(super) fn is_domain(host: &str) -> bool {
    !host.is_empty() && literal(host).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(common: &[&str], dns: &[&str], uris: &[&str], addresses: &[&str]) -> Names {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Names {
            common: owned(common),
            dns: owned(dns),
            uris: owned(uris),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn a_domain_is_a_dns_name_or_the_common_name() {
        assert!(names(&["lwm2m.example"], &[], &[], &[]).name("LwM2M.Example"));
        assert!(names(&["other"], &["lwm2m.example"], &[], &[]).name("lwm2m.example."));
        assert!(!names(&["lwm2m.example"], &["other.example"], &[], &[]).name("lwm2m.example"));
        assert!(!names(&["lwm2m.example"], &[], &[], &[]).name("xlwm2m.example"));
        assert!(!names(&[""], &[], &[], &[]).name(""));
        assert!(!names(&[], &[], &[], &[]).name("lwm2m.example"));
    }

    #[test]
    fn a_star_is_no_name() {
        let star = names(&["*"], &["*.lwm2m.example"], &[], &[]);
        assert!(!star.name("eu.lwm2m.example"));
        assert!(!star.name("lwm2m.example"));
    }

    #[test]
    fn an_address_is_a_common_name_a_uri_or_an_address() {
        for named in [
            names(&["2001:DB8::2:1"], &[], &[], &[]),
            names(&[], &[], &["coaps://[2001:db8::2:1]:5684/"], &[]),
            names(&[], &["other.example"], &[], &["2001:db8::2:1"]),
        ] {
            assert!(named.name("[2001:db8:0::2:1]"), "{named:?}");
            assert!(!named.name("[2001:db8::2:2]"), "{named:?}");
        }
        assert!(names(&[], &[], &["coaps://user@192.0.2.7:5684/rd"], &[]).name("192.0.2.7"));
        assert!(!names(&[], &["192.0.2.7"], &[], &[]).name("192.0.2.7"));
    }
}
