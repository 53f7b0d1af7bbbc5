//! How OpenSSL is told what it may do.

use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslVersion,
};

use super::kept::{Facts, OfClients, Psk};
use super::{Settings, library, read_certificate, read_private_key};
use crate::secure::credentials::{KnownClients, ServerCredentials};
use crate::secure::session::{Refusal, StackError};
use crate::secure::suite::Suite;

/// `SSL_OP_NO_ENCRYPT_THEN_MAC`, which the crate doesn't name. With encrypt-then-MAC (RFC 7366) OpenSSL ends
/// a session at a record whose MAC is wrong, which anybody can send; without, it drops the record, as
/// RFC 6347 §4.1.2.7 wants it.
const NO_ENCRYPT_THEN_MAC: SslOptions = SslOptions::from_bits_retain(1 << 19);

/// The context of all sessions as a client. What belongs to an account, each session adds.
pub(super) fn of_client(settings: &Settings) -> Result<SslContext, StackError> {
    let mut context = common(settings.suites()).map_err(library)?;
    // Each session keeps its own.
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_psk_client_callback(|ssl, _hint, identity, key| {
        // An empty key ends the handshake.
        let psk = Facts::of(ssl).and_then(|facts| facts.psk());
        Ok(psk
            .and_then(|psk| {
                copy(&[&psk.identity[..], &[0]].concat(), identity)?;
                copy(&psk.key, key)
            })
            .unwrap_or(0))
    });
    Ok(context.build())
}

/// The context of all sessions as a server.
pub(super) fn of_server(
    settings: &Settings,
    credentials: &ServerCredentials,
) -> Result<SslContext, StackError> {
    let can = |suite: &Suite| suite.is_psk() || credentials.certificate.is_some();
    let suites = settings.suites().filter(can);
    let mut context = common(suites).map_err(library)?;
    if let Some(own) = &credentials.certificate {
        let certificate = read_certificate("certificate of the server", &own.certificate)?;
        let key = read_private_key("private key of the server", &own.private_key)?;
        context.set_certificate(&certificate).map_err(library)?;
        // Of another certificate, it is refused.
        context
            .set_private_key(&key)
            .map_err(|error| StackError::Malformed {
                what: "private key of the server",
                reason: super::words(&error),
            })?;
    }
    psk_of(
        &mut context,
        Arc::clone(&credentials.clients),
        settings.hides_identities,
    );
    cookies(&mut context);
    let kept = OfClients::new(settings.sessions);
    resumption(&mut context, kept, Arc::clone(&credentials.clients)).map_err(library)?;
    Ok(context.build())
}

fn common(suites: impl Iterator<Item = Suite> + Clone) -> Result<SslContextBuilder, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::dtls())?;
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_cipher_list(&cipher_list(suites.clone()))?;
    context.set_security_level(security_level(suites));
    // RFC 7251 §2 demands this curve. No SHA-1, which level 0 would let in.
    context.set_groups_list("P-256:P-384")?;
    context.set_sigalgs_list("ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512")?;
    context.set_options(
        // The MTU is told, not asked for; after lost flights OpenSSL would ask for a lower one.
        SslOptions::NO_QUERY_MTU
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_COMPRESSION
            | NO_ENCRYPT_THEN_MAC,
    );
    Ok(context)
}

/// Level 2, 112 bits, has every suite up to OpenSSL 3.1. Since 3.2 OpenSSL counts the tag of CCM_8 as 64
/// bits of strength, and only level 0 has it.
fn security_level(mut suites: impl Iterator<Item = Suite>) -> u32 {
    const TAGS_COUNT: i64 = 0x3020_0000;
    let short_tag = |suite| matches!(suite, Suite::PskAes128Ccm8 | Suite::EcdheEcdsaAes128Ccm8);
    let needs_none = openssl::version::number() >= TAGS_COUNT && suites.any(short_tag);
    if needs_none { 0 } else { 2 }
}

pub(super) fn cipher_list(suites: impl Iterator<Item = Suite>) -> String {
    let names: Vec<_> = suites.map(cipher_name).collect();
    names.join(":")
}

/// The suite that OpenSSL calls so.
pub(super) fn suite_of(name: &str) -> Option<Suite> {
    let mut all = Suite::ALL.into_iter();
    all.find(|&suite| cipher_name(suite) == name)
}

/// What OpenSSL calls it.
fn cipher_name(suite: Suite) -> &'static str {
    match suite {
        Suite::PskAes128Ccm8 => "PSK-AES128-CCM8",
        Suite::PskAes128CbcSha256 => "PSK-AES128-CBC-SHA256",
        Suite::EcdheEcdsaAes128Ccm8 => "ECDHE-ECDSA-AES128-CCM8",
        Suite::EcdheEcdsaAes128CbcSha256 => "ECDHE-ECDSA-AES128-SHA256",
        Suite::EcdheEcdsaAes128GcmSha256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
    }
}

/// Looks the key of an identity up, and leaves both for the session.
fn psk_of(context: &mut SslContextBuilder, clients: Arc<dyn KnownClients>, hides: bool) {
    context.set_psk_server_callback(move |ssl, identity, buffer| {
        let Some(facts) = Facts::of(ssl) else {
            return Ok(0);
        };
        let identity = identity.unwrap_or_default();
        let Some(key) = clients.pre_shared_key(identity) else {
            facts.refuse(Refusal::UnknownIdentity);
            // OpenSSL answers an empty key with unknown_psk_identity. It drops records under another key.
            let nobody_s = buffer.get_mut(..16).filter(|_| hides);
            return match nobody_s {
                Some(key) => openssl::rand::rand_bytes(key).map(|()| key.len()),
                None => Ok(0),
            };
        };
        let length = copy(&key, buffer).unwrap_or(0);
        facts.use_psk(Psk {
            identity: identity.to_vec(),
            key,
        });
        Ok(length)
    });
}

fn copy(from: &[u8], to: &mut [u8]) -> Option<usize> {
    to.get_mut(..from.len())?.copy_from_slice(from);
    Some(from.len())
}

/// A HelloVerifyRequest (RFC 6347 §4.2.1). The session knows the cookie before OpenSSL asks.
fn cookies(context: &mut SslContextBuilder) {
    context.set_options(SslOptions::COOKIE_EXCHANGE);
    context.set_cookie_generate_cb(|ssl, buffer| {
        let cookie = Facts::of(ssl).map(|facts| facts.cookie());
        Ok(cookie.and_then(|cookie| copy(&cookie, buffer)).unwrap_or(0))
    });
    context.set_cookie_verify_cb(|ssl, cookie| {
        Facts::of(ssl).is_some_and(|facts| facts.cookie() == cookie)
    });
}

/// Sessions are kept here and not in OpenSSL, which would resume one whose client isn't known any
/// more. Tickets (RFC 5077) would leave this server without that choice, and make its flight longer.
#[allow(unsafe_code, reason = "what it demands is shown at the call")]
fn resumption(
    context: &mut SslContextBuilder,
    kept: OfClients,
    clients: Arc<dyn KnownClients>,
) -> Result<(), ErrorStack> {
    context.set_options(SslOptions::NO_TICKET);
    context.set_session_id_context(b"lwm2m")?;
    context.set_session_cache_mode(SslSessionCacheMode::SERVER | SslSessionCacheMode::NO_INTERNAL);
    let keeper = kept.clone();
    context.set_new_session_callback(move |ssl, session| keeper.keep(ssl, session));
    // SAFETY: only this context's own callback fills `kept`, so each session in it belongs to this
    // context.
    unsafe {
        context.set_get_session_callback(move |_, id| kept.get(id, &*clients));
    }
    Ok(())
}
