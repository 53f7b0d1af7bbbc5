//! What is checked of a certificate (TS 7.1.9).

use core::time::Duration;
use std::sync::Arc;

use openssl::asn1::Asn1Time;
use openssl::nid::Nid;
use openssl::x509::X509Ref;

use crate::secure::credentials::KnownClients;
use crate::secure::names::{Names, address, literal};
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
                if !names(shown).name(host) {
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

/// The names in it.
pub(super) fn names(certificate: &X509Ref) -> Names {
    let mut names = Names::default();
    for entry in certificate.subject_name().entries_by_nid(Nid::COMMONNAME) {
        if let Ok(name) = entry.data().to_string() {
            names.common.push(name);
        }
    }
    for name in certificate.subject_alt_names().into_iter().flatten() {
        if let Some(dns) = name.dnsname() {
            names.dns.push(dns.to_owned());
        } else if let Some(uri) = name.uri() {
            names.uris.push(uri.to_owned());
        } else if let Some(octets) = name.ipaddress() {
            names.addresses.extend(address(octets));
        }
    }
    names
}

/// Whether a name may stand in the server_name extension: not an address (RFC 6066 §3).
pub(super) fn is_domain(host: &str) -> bool {
    !host.is_empty() && literal(host).is_none()
}
