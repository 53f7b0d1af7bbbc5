//! What an X.509 certificate says (TS 7.1.9, RFC 5280).

use core::{net::IpAddr, str::FromStr};

use lwm2m_core::Instant;
use x509_cert::{
    Certificate,
    attr::AttributeTypeAndValue,
    der::{Decode, Tag, Tagged, asn1::ObjectIdentifier},
    ext::pkix::{SubjectAltName, name::GeneralName},
};

pub use super::credentials::{Expiry, WallClock};
use super::session::Refusal;

/// The attribute type of a common name (RFC 5280 Appendix A).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The server that a Client expects (TS 7.1.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedServer {
    /// Its X.509 in DER (Resource 4).
    pub certificate: Vec<u8>,
    /// The host of its URI.
    pub host: String,
}

impl ExpectedServer {
    /// Whether this is the certificate of the expected server: the same to the byte, with a name that
    /// is the host's, and valid if that matters.
    pub fn check(&self, now: Instant, certificate: &[u8], expiry: Expiry) -> Result<(), Refusal> {
        if certificate != self.certificate {
            return Err(Refusal::OtherCertificate);
        }
        let certificate = read(certificate)?;
        if !names_host(&certificate, &self.host) {
            return Err(Refusal::OtherName);
        }
        match expiry {
            Expiry::Accept => Ok(()),
            Expiry::Refuse(clock) => {
                let time = clock.time(now);
                let validity = certificate.tbs_certificate().validity();
                let from = validity.not_before.to_unix_duration();
                let until = validity.not_after.to_unix_duration();
                let valid = (from..=until).contains(&time);
                valid.then_some(()).ok_or(Refusal::Expired)
            }
        }
    }
}

/// The names of a certificate in DER: the common names, then the subject's alternative names that are
/// host names or URIs.
pub fn names(certificate: &[u8]) -> Result<Vec<String>, Refusal> {
    let certificate = read(certificate)?;
    let alternative = alternative_names(&certificate);
    let alternative = alternative.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) | GeneralName::UniformResourceIdentifier(name) => {
            Some(name.as_str().to_owned())
        }
        _ => None,
    });
    Ok(common_names(&certificate).chain(alternative).collect())
}

fn read(certificate: &[u8]) -> Result<Certificate, Refusal> {
    Certificate::from_der(certificate).map_err(|_| Refusal::Malformed)
}

fn common_names(certificate: &Certificate) -> impl Iterator<Item = String> {
    let subject = certificate.tbs_certificate().subject().iter();
    subject.filter_map(common_name)
}

fn common_name(attribute: &AttributeTypeAndValue) -> Option<String> {
    let readable = matches!(
        attribute.value.tag(),
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String
    );
    let text = (attribute.oid == COMMON_NAME && readable).then(|| attribute.value.value())?;
    String::from_utf8(text.to_vec()).ok()
}

fn alternative_names(certificate: &Certificate) -> Vec<GeneralName> {
    let names = certificate.tbs_certificate().get_extension();
    let names: Option<(bool, SubjectAltName)> = names.ok().flatten();
    names.map(|(_, names)| names.0).unwrap_or_default()
}

/// Whether the certificate names this host. The common name counts only if no alternative name is a
/// host's (RFC 6125 §6.4.4); wildcards don't.
fn names_host(certificate: &Certificate, host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let address = IpAddr::from_str(host).ok();
    let without_root = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let is_host = |name: &str| {
        address.map_or_else(
            || without_root(name) == without_root(host),
            |address| IpAddr::from_str(name) == Ok(address),
        )
    };
    let mut hosts_named = false;
    for name in alternative_names(certificate) {
        let found = match name {
            GeneralName::DnsName(name) => address.is_none() && is_host(name.as_str()),
            GeneralName::IpAddress(name) => match address {
                Some(IpAddr::V4(address)) => name.as_bytes() == address.octets(),
                Some(IpAddr::V6(address)) => name.as_bytes() == address.octets(),
                None => false,
            },
            _ => continue,
        };
        if found {
            return true;
        }
        hosts_named = true;
    }
    !hosts_named && common_names(certificate).any(|name| is_host(&name))
}
