//! How sessions behave, and what the library makes of it.

use core::time::Duration;
use std::sync::Arc;

use dimpl::{Config, ConfigBuilder, DtlsCertificate, crypto::Dtls12CipherSuite};

use crate::secure::{
    certificate::Expiry,
    session::{SHORT_MESSAGE, StackError},
};

/// The suites for certificates. None is among those of TS 7.1.9; the peers have to have one of these
/// beside them.
pub(super) const CERTIFICATE_SUITES: [Dtls12CipherSuite; 2] = [
    Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256,
    Dtls12CipherSuite::ECDHE_ECDSA_AES256_GCM_SHA384,
];

/// The longest CoAP message that fits into a short message over DTLS, with `TLS_PSK_WITH_AES_128_CCM_8`
/// (TS 7.2.2.1.6): 140 bytes without header, nonce and tag, 13, 8 and 8 bytes.
pub const SMS_PAYLOAD: usize = SHORT_MESSAGE - 29;

/// How sessions behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PureOptions {
    /// The longest datagram of a handshake, in bytes; 1,150 by default. Over SMS it is 140 (TS 7.2.2).
    pub mtu: usize,
    /// After how much time without an answer a flight is sent again; each further time it is twice as
    /// long. 1 s by default (RFC 6347 §4.2.4.1); over SMS it is 9 s (TS 7.2.2).
    pub first_timeout: Duration,
    /// How long a handshake may take, 40 s by default. A server that doesn't know the identity, or has
    /// another key, may say nothing, so a program that shall tell soon needs less.
    pub handshake_within: Duration,
    /// After something that the library can't make sense of, such as records under another key, a
    /// handshake has this time to be complete nevertheless, and after an alert without protection it has this time to
    /// go on; 10 s by default. It should be longer than the peer takes to send a flight again.
    pub grace: Duration,
    /// Whether a peer that isn't accepted is told by an alert without protection, an unknown identity and another key
    /// in the same way and after the same time; not by default.
    pub tells_refusal: bool,
    /// What a Client does with the dates of the server's certificate.
    pub expiry: Expiry,
}

impl PureOptions {
    /// Those of sessions by short messages (TS 7.2.2): datagrams of 140 bytes, a first timer of 9 s, and 4
    /// minutes for a handshake.
    ///
    /// Keys are pre-shared there (TS 7.2.2.1.4). Of the 140 bytes, 29 are DTLS's: the machines have to keep to
    /// [`SMS_PAYLOAD`] bytes ([`Config::sms_size`](lwm2m_statemachine::coap::Config::sms_size)), since short
    /// messages aren't concatenated (TS 7.2.2.1.2).
    pub fn sms() -> Self {
        Self {
            mtu: SHORT_MESSAGE,
            first_timeout: Duration::from_secs(9),
            handshake_within: Duration::from_secs(240),
            grace: Duration::from_secs(60),
            ..Self::default()
        }
    }
}

impl Default for PureOptions {
    fn default() -> Self {
        Self {
            mtu: 1150,
            first_timeout: Duration::from_secs(1),
            handshake_within: Duration::from_secs(40),
            grace: Duration::from_secs(10),
            tells_refusal: false,
            expiry: Expiry::Accept,
        }
    }
}

impl PureOptions {
    /// A configuration with these suites, to be completed.
    pub(super) fn builder(&self, suites: &[Dtls12CipherSuite]) -> ConfigBuilder {
        /// More than a handshake over SMS has datagrams in flight.
        const DATAGRAMS: usize = 64;
        /// The deadline ends a handshake, not the number of attempts.
        const ATTEMPTS: usize = 30;
        Config::builder()
            .mtu(self.mtu)
            .flight_start_rto(self.first_timeout)
            .flight_retries(ATTEMPTS)
            .handshake_timeout(self.handshake_within)
            .max_queue_rx(DATAGRAMS)
            .max_queue_tx(DATAGRAMS)
            .dtls12_cipher_suites(suites)
            .dtls13_cipher_suites(&[])
    }
}

/// The configuration.
pub(super) fn build(builder: ConfigBuilder) -> Result<Arc<Config>, StackError> {
    let config = builder.build();
    let config = config.map_err(|error| StackError::Library(error.to_string()))?;
    Ok(Arc::new(config))
}

/// A certificate and its key, if the library can read the key; else it would panic later.
pub(super) fn own_certificate(
    config: &Config,
    certificate: &[u8],
    private_key: &[u8],
) -> Result<DtlsCertificate, StackError> {
    let malformed = |what, reason| StackError::Malformed { what, reason };
    if certificate.is_empty() {
        return Err(malformed("certificate", String::from("it is empty")));
    }
    let keys = config.crypto_provider().key_provider;
    if let Err(error) = keys.load_private_key(private_key) {
        return Err(malformed("private key", format!("{error:?}")));
    }
    Ok(DtlsCertificate {
        certificate: certificate.to_vec(),
        private_key: private_key.to_vec(),
    })
}
