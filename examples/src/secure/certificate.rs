//! What an X.509 certificate says (TS 7.1.9, RFC 5280).

use lwm2m_core::Instant;
use x509_cert::{
    Certificate,
    attr::AttributeTypeAndValue,
    der::{Decode, Tag, Tagged, asn1::ObjectIdentifier},
    ext::pkix::{SubjectAltName, name::GeneralName},
};

pub use super::credentials::{Expiry, WallClock};
use super::{
    credentials::Validity,
    names::{Names, address},
    session::Refusal,
};

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
        if !names_of(&certificate).name(&self.host) {
            return Err(Refusal::OtherName);
        }
        expiry.check(now, || Ok(validity_of(&certificate)))
    }
}

/// When a certificate in DER is valid.
pub fn validity(certificate: &[u8]) -> Result<Validity, Refusal> {
    Ok(validity_of(&read(certificate)?))
}

fn validity_of(certificate: &Certificate) -> Validity {
    let validity = certificate.tbs_certificate().validity();
    Validity {
        from: validity.not_before.to_unix_duration(),
        until: validity.not_after.to_unix_duration(),
    }
}

/// The names in a certificate in DER.
pub fn names(certificate: &[u8]) -> Result<Names, Refusal> {
    Ok(names_of(&read(certificate)?))
}

fn read(certificate: &[u8]) -> Result<Certificate, Refusal> {
    Certificate::from_der(certificate).map_err(|_| Refusal::Malformed)
}

fn names_of(certificate: &Certificate) -> Names {
    let subject = certificate.tbs_certificate().subject().iter();
    let mut names = Names {
        common: subject.filter_map(common_name).collect(),
        ..Names::default()
    };
    for name in alternative_names(certificate) {
        match name {
            GeneralName::DnsName(name) => names.dns.push(name.as_str().to_owned()),
            GeneralName::UniformResourceIdentifier(uri) => names.uris.push(uri.as_str().to_owned()),
            GeneralName::IpAddress(octets) => names.addresses.extend(address(octets.as_bytes())),
            _ => {}
        }
    }
    names
}

/// A common name, in each of its string types but UniversalString (RFC 5280 §4.1.2.4).
fn common_name(attribute: &AttributeTypeAndValue) -> Option<String> {
    if attribute.oid != COMMON_NAME {
        return None;
    }
    let text = attribute.value.value();
    match attribute.value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            String::from_utf8(text.to_vec()).ok()
        }
        // Latin-1, as all take it.
        Tag::TeletexString => Some(text.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (units, []) = text.as_chunks::<2>() else {
                return None;
            };
            let units = units.iter().copied().map(u16::from_be_bytes);
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

fn alternative_names(certificate: &Certificate) -> Vec<GeneralName> {
    let names = certificate.tbs_certificate().get_extension();
    let names: Option<(bool, SubjectAltName)> = names.ok().flatten();
    names.map(|(_, names)| names.0).unwrap_or_default()
}
