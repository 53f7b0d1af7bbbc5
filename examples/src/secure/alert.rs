//! Alerts: what they say (RFC 5246 §7.2, RFC 4279 §2).

use super::session::Refusal;

/// `decrypt_error`: the last message of the handshake isn't under the expected key.
pub const DECRYPT_ERROR: u8 = 51;

/// The alert that tells a peer why its proof isn't accepted. An unknown identity is told as another key is, so that
/// nobody can find out by trial which identities there are (RFC 4279 §2).
pub const fn of_refusal(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::UnknownIdentity => DECRYPT_ERROR,
        Refusal::NoCertificate => 40,
        Refusal::Expired => 45,
        Refusal::OtherKey
        | Refusal::OtherCertificate
        | Refusal::OtherName
        | Refusal::NotYetValid
        | Refusal::Malformed => 42,
    }
}

/// The name of an alert, and what a person may look at; empty for one that is rare.
pub(super) const fn meaning(alert: u8) -> &'static str {
    match alert {
        20 => " (bad_record_mac): is the key the same?",
        40 => " (handshake_failure): is there a common cipher suite, and is the key known?",
        42 => " (bad_certificate): is the certificate known there?",
        45 => " (certificate_expired): the certificate has expired",
        46 => " (certificate_unknown): is the certificate known there?",
        48 => " (unknown_ca): is the certificate known there?",
        51 => " (decrypt_error): is the identity known, and the key the same?",
        115 => " (unknown_psk_identity): the identity is unknown there",
        _ => "",
    }
}
