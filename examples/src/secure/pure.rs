//! DTLS 1.2 with the library `dimpl`: pure Rust, without unsafe code.
//!
//! It has `TLS_PSK_WITH_AES_128_CCM_8` (TS 7.1.7), and for certificates
//! `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256` and its like, but not the suites of TS 7.1.9 (see
//! [`suite`](crate::secure::suite)). It has no raw public keys, and resumes no session: each new connection is a
//! whole handshake, and the Client registers anew (TS 8.2.4).
//!
//! # Time
//!
//! Time is what is passed in; randomness is the library's own, so no two runs are the same to the byte. The
//! first timer can be set ([`PureOptions::first_timeout`]), and virtual time works.
//!
//! Making a configuration takes the time of hundreds of handshakes, since the library tests its ciphers each
//! time. So those of eight accounts are kept ready.
//!
//! # Length of datagrams
//!
//! [`PureOptions::mtu`] bounds the datagrams of a handshake, down to the 140 bytes of a short message
//! (TS 7.2.2.1.1). What is sent later is as long as the machine makes it.
//!
//! # Peers
//!
//! A peer without extended master secret (RFC 7627) is refused, and so are some older devices. An end that accepts
//! has either keys or certificates in one session; the first suite of the ClientHello that it has decides.
//!
//! To a wrong key and an unknown identity the library sends no alert: the client would wait until its own time is over.
//! An end that shall tell them ([`PureOptions::tells_refusal`]) sends one itself. The library has no event for the identity of a client; it is what the key was asked for with, within the call.
//!
//! # Hostile datagrams
//!
//! An established session ignores what isn't a valid record, isn't authentic or has come before. During a
//! handshake the library reports an error for an alert without protection, and for records that it can't make sense of; it goes on
//! if it is called again. So such an error ends the handshake only if nothing disproves it in time
//! ([`PureOptions::grace`]). The queue of fragments can be filled by forged ones and stays full; then the
//! peer begins anew.
//!
//! The secret of a cookie is that of its session. A cookie that comes back when its handshake is gone counts as none,
//! and is answered with another one.

mod clock;
mod end;
mod options;
mod server;

use core::fmt;
use std::{collections::VecDeque, sync::Arc};

use dimpl::{Config, Dtls, PskResolver, crypto::Dtls12CipherSuite};
use lwm2m_core::Instant;

use self::{
    clock::Clock,
    end::Role,
    options::{CERTIFICATE_SUITES, build, own_certificate},
    server::Server,
};
pub use self::{
    end::PureSession,
    options::{PureOptions, SMS_PAYLOAD},
};
use super::{
    certificate::{self, ExpectedServer},
    credentials::{ClientCredentials, ServerCredentials, Validity},
    names::Names,
    record,
    session::{DtlsSession, DtlsStack, Refusal, StackError},
};

/// How many accounts the keys are kept ready of.
const CONFIGURATIONS: usize = 8;

/// The library. A clone has the same keys and configurations.
#[derive(Clone)]
pub struct Pure {
    options: PureOptions,
    clock: Clock,
    /// Making a configuration takes far longer than a handshake, so those used last are kept.
    configurations: VecDeque<(Vec<u8>, Vec<u8>, Arc<Config>)>,
    /// That of all accounts with certificates.
    certificates: Option<Arc<Config>>,
    server: Option<Arc<Server>>,
}

impl Pure {
    /// The library for a Client.
    pub fn client(options: PureOptions) -> Self {
        Self {
            options,
            clock: Clock::start(),
            configurations: VecDeque::new(),
            certificates: None,
            server: None,
        }
    }

    /// The library for a server with these keys.
    pub fn server(
        options: PureOptions,
        credentials: &ServerCredentials,
    ) -> Result<Self, StackError> {
        let mut pure = Self::client(options);
        pure.serve(credentials)?;
        Ok(pure)
    }

    fn psk_client(&mut self, identity: &[u8], key: &[u8]) -> Result<Arc<Config>, StackError> {
        let known = self.configurations.iter();
        let mut known = known.filter(|known| known.0 == identity && known.1 == key);
        if let Some((_, _, config)) = known.next() {
            return Ok(Arc::clone(config));
        }
        let builder = self.options.builder(&[Dtls12CipherSuite::PSK_AES128_CCM_8]);
        let keys = Arc::new(OwnKey(key.to_vec()));
        let config = build(builder.with_psk_client(identity.to_vec(), keys))?;
        self.configurations.truncate(CONFIGURATIONS - 1);
        self.configurations
            .push_front((identity.to_vec(), key.to_vec(), Arc::clone(&config)));
        Ok(config)
    }

    fn certificate_client(&mut self) -> Result<Arc<Config>, StackError> {
        if let Some(config) = &self.certificates {
            return Ok(Arc::clone(config));
        }
        let config = build(self.options.builder(&CERTIFICATE_SUITES))?;
        self.certificates = Some(Arc::clone(&config));
        Ok(config)
    }
}

impl DtlsStack for Pure {
    type Session = PureSession;

    fn connect(
        &mut self,
        now: Instant,
        credentials: &ClientCredentials,
    ) -> Result<PureSession, StackError> {
        let moment = self.clock.moment(now);
        let (dtls, role) = match credentials {
            ClientCredentials::PreSharedKey { identity, key } => {
                let config = self.psk_client(identity, key)?;
                let identity = identity.clone();
                (
                    Dtls::new_12_psk(config, moment),
                    Role::PskClient { identity },
                )
            }
            ClientCredentials::Certificate {
                certificate,
                private_key,
                server_certificate,
                host,
            } => {
                let config = self.certificate_client()?;
                let own = own_certificate(&config, certificate, private_key)?;
                let role = Role::CertificateClient {
                    expected: ExpectedServer {
                        certificate: server_certificate.clone(),
                        host: host.clone(),
                    },
                    expiry: self.options.expiry,
                    is_shown: false,
                };
                (Dtls::new_12(config, own, moment), role)
            }
            ClientCredentials::RawPublicKey { .. } => {
                return Err(StackError::Unsupported("raw public keys"));
            }
        };
        PureSession::connect(now, self.clock, dtls, role, &self.options)
    }

    fn serve(&mut self, credentials: &ServerCredentials) -> Result<(), StackError> {
        self.server = Some(Arc::new(Server::new(&self.options, credentials)?));
        Ok(())
    }

    fn names(certificate: &[u8]) -> Result<Names, Refusal> {
        certificate::names(certificate)
    }

    fn validity(certificate: &[u8]) -> Result<Validity, Refusal> {
        certificate::validity(certificate)
    }

    fn accept(&mut self, _: Instant) -> Result<PureSession, StackError> {
        let server = self.server.as_ref();
        let server = server.ok_or(StackError::Unsupported("keys of a server"))?;
        Ok(PureSession::accept(self.clock, Arc::clone(server)))
    }

    /// The secret of the cookie went with its session. So the cookie counts as none (RFC 6347 §4.2.1): the
    /// answer is another HelloVerifyRequest, with the numbers that the client expects. A client of this library
    /// takes no second one, so it has to begin anew.
    fn accept_again(&mut self, now: Instant, _: u64, hello: &[u8]) -> Option<PureSession> {
        let first = record::without_cookie(hello)?;
        let mut session = self.accept(now).ok()?;
        session.handle_datagram(now, &first).ok()?;
        session.drain(&mut |_| {});
        Some(session)
    }
}

impl fmt::Debug for Pure {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pure")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The one key of a Client.
struct OwnKey(Vec<u8>);

impl PskResolver for OwnKey {
    fn resolve(&self, _: &[u8]) -> Option<Vec<u8>> {
        Some(self.0.clone())
    }
}
