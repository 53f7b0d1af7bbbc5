//! What all sessions of a server share.

use core::{cell::RefCell, panic::AssertUnwindSafe};
use std::{sync::Arc, time};

use dimpl::{Config, Dtls, DtlsCertificate, PskResolver, crypto::Dtls12CipherSuite};

use super::options::{CERTIFICATE_SUITES, PureOptions, build, own_certificate};
use crate::secure::{
    certificate,
    credentials::{KnownClients, ProvenIdentity, ServerCredentials},
    record::ClientHello,
    session::{Refusal, StackError},
};

const PSK_SUITE: Dtls12CipherSuite = Dtls12CipherSuite::PSK_AES128_CCM_8;

/// The keys of a server, ready for use.
pub(super) struct Server {
    options: PureOptions,
    config: Arc<Config>,
    certificate: Option<DtlsCertificate>,
    keys: Arc<Keys>,
}

/// Finds the keys of clients.
struct Keys {
    clients: AssertUnwindSafe<Arc<dyn KnownClients>>,
}

thread_local! {
    /// The identity whose key the library has asked for last. It asks within a call, so what is here
    /// after a call belongs to its session; no other way leads from a session to its identity.
    static ASKED: RefCell<Option<Asked>> = const { RefCell::new(None) };
}

/// An identity whose key the library has asked for.
pub(super) struct Asked {
    pub(super) identity: Vec<u8>,
    /// Whether there is one.
    pub(super) known: bool,
}

impl Server {
    pub(super) fn new(
        options: &PureOptions,
        credentials: &ServerCredentials,
    ) -> Result<Self, StackError> {
        let keys = Arc::new(Keys {
            clients: AssertUnwindSafe(Arc::clone(&credentials.clients)),
        });
        let mut suites = vec![PSK_SUITE];
        if credentials.certificate.is_some() {
            suites.extend(CERTIFICATE_SUITES);
        }
        let builder = options.builder(&suites);
        let resolver: Arc<dyn PskResolver> = Arc::<Keys>::clone(&keys);
        let config = build(builder.with_psk_server(None, resolver))?;
        let certificate = credentials.certificate.as_ref();
        let certificate = certificate
            .map(|own| own_certificate(&config, &own.certificate, &own.private_key))
            .transpose()?;
        Ok(Self {
            options: *options,
            config,
            certificate,
            keys,
        })
    }

    /// A session for this ClientHello. The library can do keys or certificates in one session, not
    /// both, so the client's preference decides.
    pub(super) fn begin(&self, now: time::Instant, hello: &ClientHello<'_>) -> Dtls {
        let config = Arc::clone(&self.config);
        let suites = [&[PSK_SUITE][..], &CERTIFICATE_SUITES].concat();
        let suites: Vec<u16> = suites.iter().map(Dtls12CipherSuite::as_u16).collect();
        match &self.certificate {
            Some(certificate) if hello.preferred(&suites) != Some(PSK_SUITE.as_u16()) => {
                Dtls::new_12(config, certificate.clone(), now)
            }
            _ => Dtls::new_12_psk(config, now),
        }
    }

    /// How its sessions behave.
    pub(super) const fn options(&self) -> &PureOptions {
        &self.options
    }

    /// Whom this certificate names, if it is accepted.
    pub(super) fn accept(&self, certificate: &[u8]) -> Result<ProvenIdentity, Refusal> {
        self.keys.clients.accepts_certificate(certificate)?;
        let names = certificate::names(certificate)?;
        Ok(ProvenIdentity::Certificate(names.into_all()))
    }
}

/// The identity whose key the library has asked for on this thread since the last call.
pub(super) fn take_asked() -> Option<Asked> {
    ASKED.take()
}

impl PskResolver for Keys {
    fn resolve(&self, identity: &[u8]) -> Option<Vec<u8>> {
        let key = self.clients.pre_shared_key(identity);
        ASKED.set(Some(Asked {
            identity: identity.to_vec(),
            known: key.is_some(),
        }));
        key
    }
}
