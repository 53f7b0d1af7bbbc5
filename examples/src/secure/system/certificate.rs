//! What is checked of a certificate (TS 7.1.9).

use core::time::Duration;
use std::sync::Arc;

use lwm2m_core::Instant;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::nid::Nid;
use openssl::x509::X509Ref;

use crate::secure::credentials::{Expiry, KnownClients, Validity};
use crate::secure::names::{Names, address, literal};
use crate::secure::session::Refusal;

/// What one side expects of the other's certificate.
pub(super) enum Expected {
    /// A client: this certificate of its server, for this host; valid when the handshake begins, if that
    /// matters.
    Server {
        certificate: Vec<u8>,
        host: String,
        expiry: Expiry,
        now: Instant,
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
                expiry,
                now,
            } => {
                if shown_der != *certificate {
                    return Err(Refusal::OtherCertificate);
                }
                if !names(shown).name(host) {
                    return Err(Refusal::OtherName);
                }
                expiry.check(*now, || validity(shown))
            }
        }
    }
}

/// When it is valid.
pub(super) fn validity(certificate: &X509Ref) -> Result<Validity, Refusal> {
    let since_epoch = |time: &Asn1TimeRef| {
        let passed = Asn1Time::from_unix(0).and_then(|epoch| epoch.diff(time));
        let passed = passed.map_err(|_| Refusal::Malformed)?;
        let seconds = i64::from(passed.days) * 86_400 + i64::from(passed.secs);
        Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    };
    Ok(Validity {
        from: since_epoch(certificate.not_before())?,
        until: since_epoch(certificate.not_after())?,
    })
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
