//! The names in a certificate, and whether they name a host (TS 7.1.9).
//!
//! Pure data: a library fills in what it has read, and the rules are here, the same for all.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The names of a certificate, by their kind, as they are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The Common Names of the subject, in the order of their encoding.
    pub common: Vec<String>,
    /// The dNSNames of `SubjectAltName`.
    pub dns: Vec<String>,
    /// The URIs of `SubjectAltName`.
    pub uris: Vec<String>,
    /// The iPAddresses of `SubjectAltName`.
    pub addresses: Vec<IpAddr>,
}

impl Names {
    /// What the holder may be called: the Common Names, then the dNSNames and the URIs, without
    /// repetition. An address is where something is, not what it is called.
    pub fn into_all(self) -> Vec<String> {
        let mut all = Vec::new();
        for name in self.common.into_iter().chain(self.dns).chain(self.uris) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    /// Whether they name the host of a URI.
    ///
    /// A domain name is a dNSName or, where there is none, the leftmost Common Name (RFC 7252
    /// §9.1.3.3, RFC 6125 §6.4.4). An IP address is the leftmost Common Name or the host of a URI
    /// (TS 7.1.9), or an iPAddress (RFC 5280 §4.2.1.6). No wildcard names anything.
    pub fn name(&self, host: &str) -> bool {
        let Some(wanted) = literal(host) else {
            return if self.dns.is_empty() {
                self.leftmost().is_some_and(|name| same_domain(name, host))
            } else {
                self.dns.iter().any(|name| same_domain(name, host))
            };
        };
        let of_uris = self.uris.iter().filter_map(|uri| host_of(uri));
        let mut texts = self.leftmost().into_iter().chain(of_uris);
        self.addresses.contains(&wanted) || texts.any(|text| literal(text) == Some(wanted))
    }

    /// The Common Name that is leftmost when the subject is written out, which is from its end (RFC 4514
    /// §2.1): the most specific one.
    fn leftmost(&self) -> Option<&str> {
        self.common.last().map(String::as_str)
    }
}

/// The address in an iPAddress (RFC 5280 §4.2.1.6).
pub fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    let octets = <[u8; 16]>::try_from(octets).ok()?;
    Some(Ipv6Addr::from(octets).into())
}

/// The address that the host of a URI is, with its brackets if it is one of IPv6, or without.
pub fn literal(host: &str) -> Option<IpAddr> {
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

/// Whether a name is the domain (RFC 6125 §6.4.1), of which each may end with the dot of the root.
fn same_domain(name: &str, domain: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    !domain.is_empty() && name.eq_ignore_ascii_case(domain)
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
        assert!(!names(&["lwm2m.example"], &[], &[], &[]).name("lwm2m.example.."));
        assert!(!names(&[""], &[], &[], &[]).name(""));
        assert!(!names(&[], &[], &[], &[]).name("lwm2m.example"));
    }

    #[test]
    fn the_leftmost_common_name_counts() {
        let two = names(&["192.0.2.7", "lwm2m.example"], &[], &[], &[]);
        assert!(two.name("lwm2m.example"));
        assert!(!two.name("192.0.2.7"));
        let two = names(&["lwm2m.example", "192.0.2.7"], &[], &[], &[]);
        assert!(!two.name("lwm2m.example"));
        assert!(two.name("192.0.2.7"));
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
            names(&["2001:DB8::2:1"], &["other.example"], &[], &[]),
            names(&["[2001:db8::2:1]"], &[], &[], &[]),
            names(&[], &[], &["coaps://[2001:db8::2:1]:5684/"], &[]),
            names(&[], &["other.example"], &[], &["2001:db8::2:1"]),
        ] {
            assert!(named.name("[2001:db8:0::2:1]"), "{named:?}");
            assert!(!named.name("[2001:db8::2:2]"), "{named:?}");
        }
        assert!(names(&[], &[], &["coaps://user@192.0.2.7:5684/rd"], &[]).name("192.0.2.7"));
        assert!(!names(&[], &["192.0.2.7"], &[], &[]).name("192.0.2.7"));
        assert!(!names(&[], &[], &["coaps://"], &[]).name("192.0.2.7"));
    }

    #[test]
    fn an_address_beside_the_subject_leaves_the_common_name() {
        let named = names(&["lwm2m.example"], &[], &["urn:dev:os:1"], &["192.0.2.7"]);
        assert!(named.name("lwm2m.example"));
    }

    #[test]
    fn a_holder_is_called_by_each_name_once() {
        let named = names(&["a", "b"], &["b", "c"], &["urn:a"], &["192.0.2.7"]);
        assert_eq!(named.into_all(), ["a", "b", "c", "urn:a"]);
    }

    #[test]
    fn an_address_has_four_or_sixteen_bytes() {
        assert_eq!(address(&[192, 0, 2, 7]), literal("192.0.2.7"));
        let mut octets = [0; 16];
        octets[15] = 1;
        assert_eq!(address(&octets), literal("::1"));
        assert_eq!(address(&[192, 0, 2]), None);
        assert_eq!(address(&[]), None);
    }
}
