//! Two ends in memory, and keys for them.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use lwm2m_core::Instant;
use lwm2m_examples::secure::credentials::{
    ClientCredentials, KnownClients, OwnCertificate, ProvenIdentity, ServerCredentials, WallClock,
};
use lwm2m_examples::secure::session::{
    DtlsSession, DtlsStack, Output, Refusal, SessionError, StackError,
};
use lwm2m_examples::secure::suite::Suite;
use lwm2m_examples::secure::system::{Settings, System, SystemSession};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};

pub(crate) const NOW: Instant = Instant::from_secs(1_000);
pub(crate) const HOST: &str = "lwm2m.example";
pub(crate) const IDENTITY: &[u8] = b"urn:dev:7";
pub(crate) const KEY: &[u8] = &[0x42; 16];

/// The time of day at [`NOW`]: 2026-11-30.
pub(crate) const CLOCK: WallClock = WallClock {
    at: NOW,
    since_epoch: Duration::from_secs(1_796_000_000),
};

/// What the operator knows. Tests change it under a server.
#[derive(Default)]
pub(crate) struct Clients {
    pub(crate) keys: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    pub(crate) certificates: Mutex<Vec<Vec<u8>>>,
}

impl KnownClients for Clients {
    fn pre_shared_key(&self, identity: &[u8]) -> Option<Vec<u8>> {
        self.keys.lock().unwrap().get(identity).cloned()
    }

    fn accepts_certificate(&self, certificate: &[u8]) -> Result<(), Refusal> {
        let known = self.certificates.lock().unwrap();
        if known.iter().any(|known| known == certificate) {
            return Ok(());
        }
        Err(Refusal::OtherCertificate)
    }
}

/// What a certificate says.
pub(crate) struct Paper<'a> {
    pub(crate) common: &'a str,
    pub(crate) dns: &'a [&'a str],
    pub(crate) uris: &'a [&'a str],
    pub(crate) addresses: &'a [&'a str],
    /// Common Names that come before `common` in the encoding.
    pub(crate) more_common: &'a [&'a str],
    /// Seconds since 1970.
    pub(crate) from: i64,
    pub(crate) until: i64,
}

impl Default for Paper<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Paper<'_> {
    pub(crate) const fn new() -> Self {
        Self {
            common: HOST,
            dns: &[],
            uris: &[],
            addresses: &[],
            more_common: &[],
            from: 0,
            // The year 2100.
            until: 4_102_444_800,
        }
    }

    /// Signed by itself.
    pub(crate) fn sign(&self) -> OwnCertificate {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        for common in self.more_common.iter().chain([&self.common]) {
            name.append_entry_by_nid(Nid::COMMONNAME, common).unwrap();
        }
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        let time = |seconds| Asn1Time::from_unix(seconds).unwrap();
        builder.set_not_before(&time(self.from)).unwrap();
        builder.set_not_after(&time(self.until)).unwrap();
        if self.dns.len() + self.uris.len() + self.addresses.len() > 0 {
            let mut names = SubjectAlternativeName::new();
            self.dns.iter().for_each(|dns| _ = names.dns(dns));
            self.uris.iter().for_each(|uri| _ = names.uri(uri));
            self.addresses.iter().for_each(|ip| _ = names.ip(ip));
            let extension = names.build(&builder.x509v3_context(None, None)).unwrap();
            builder.append_extension(extension).unwrap();
        }
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        OwnCertificate {
            certificate: builder.build().to_der().unwrap(),
            private_key: key.private_key_to_pkcs8().unwrap(),
        }
    }
}

/// A client and a server that know each other, by PSK and by certificate.
pub(crate) struct World {
    pub(crate) clients: Arc<Clients>,
    pub(crate) settings: Settings,
    pub(crate) server: OwnCertificate,
    pub(crate) client: OwnCertificate,
}

impl World {
    pub(crate) fn new() -> Self {
        let server = Paper::default().sign();
        let client = Paper {
            common: "urn:dev:7",
            uris: &["urn:dev:os:7"],
            ..Paper::default()
        };
        let client = client.sign();
        let clients = Clients::default();
        let certificate = client.certificate.clone();
        clients.certificates.lock().unwrap().push(certificate);
        let known = (IDENTITY.to_vec(), KEY.to_vec());
        clients.keys.lock().unwrap().extend([known]);
        Self {
            clients: Arc::new(clients),
            settings: Settings::default(),
            server,
            client,
        }
    }

    pub(crate) fn with_server(server: OwnCertificate) -> Self {
        Self {
            server,
            ..Self::new()
        }
    }

    pub(crate) fn offering(suites: &[Suite]) -> Self {
        let mut world = Self::new();
        world.settings.suites = suites.to_vec();
        world
    }

    /// The Client's keys for a suite.
    pub(crate) fn keys_for(&self, suite: Suite) -> ClientCredentials {
        if suite.is_psk() {
            psk()
        } else {
            self.certificate(HOST)
        }
    }

    pub(crate) fn certificate(&self, host: &str) -> ClientCredentials {
        ClientCredentials::Certificate {
            certificate: self.client.certificate.clone(),
            private_key: self.client.private_key.clone(),
            server_certificate: self.server.certificate.clone(),
            host: host.to_owned(),
        }
    }

    pub(crate) fn client_stack(&self) -> System {
        System::new(self.settings.clone()).unwrap()
    }

    pub(crate) fn server_stack(&self) -> System {
        System::with_server(
            self.settings.clone(),
            &ServerCredentials {
                clients: self.clients.clone(),
                certificate: Some(self.server.clone()),
            },
        )
        .unwrap()
    }

    /// A pair of new libraries, and one session between them.
    pub(crate) fn pair(&self, credentials: &ClientCredentials) -> Pair {
        Pair::between(
            &mut self.client_stack(),
            &mut self.server_stack(),
            credentials,
        )
    }
}

/// The keys of the account that the server knows.
pub(crate) fn psk() -> ClientCredentials {
    ClientCredentials::PreSharedKey {
        identity: IDENTITY.to_vec(),
        key: KEY.to_vec(),
    }
}

/// One end, and what has come out of it.
pub(crate) struct End<S = SystemSession> {
    pub(crate) session: S,
    pub(crate) out: VecDeque<Vec<u8>>,
    pub(crate) connected: Option<(ProvenIdentity, bool)>,
    pub(crate) payloads: Vec<Vec<u8>>,
    pub(crate) closed: bool,
    pub(crate) error: Option<SessionError>,
}

impl<S: DtlsSession> End<S> {
    pub(crate) fn new(session: S) -> Self {
        let mut end = Self {
            session,
            out: VecDeque::new(),
            connected: None,
            payloads: Vec::new(),
            closed: false,
            error: None,
        };
        end.drain();
        end
    }

    fn drain(&mut self) {
        let Self {
            session,
            out,
            connected,
            payloads,
            closed,
            ..
        } = self;
        session.drain(&mut |output| match output {
            Output::Datagram(datagram) => out.push_back(datagram.to_vec()),
            Output::Connected { peer, resumed } => {
                assert!(connected.is_none(), "connected twice");
                *connected = Some((peer.clone(), resumed));
            }
            Output::Payload(payload) => payloads.push(payload.to_vec()),
            Output::Closed => *closed = true,
        });
    }

    pub(crate) fn take(&mut self, now: Instant, datagram: &[u8]) {
        let result = self.session.handle_datagram(now, datagram);
        self.settle(result);
    }

    pub(crate) fn wait(&mut self, now: Instant) {
        let result = self.session.handle_timeout(now);
        self.settle(result);
    }

    fn settle(&mut self, result: Result<(), SessionError>) {
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
        self.drain();
    }

    /// A sealed datagram.
    pub(crate) fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        self.session.send(NOW, payload).unwrap();
        self.drain();
        self.out.pop_back().unwrap()
    }

    pub(crate) fn close(&mut self) {
        self.session.close(NOW);
        self.drain();
    }

    pub(crate) fn resumed(&self) -> bool {
        self.connected.as_ref().is_some_and(|(_, resumed)| *resumed)
    }
}

/// A client and a server.
pub(crate) struct Pair<C = SystemSession, S = SystemSession> {
    pub(crate) client: End<C>,
    pub(crate) server: End<S>,
    /// The length of each datagram that has passed.
    pub(crate) passed: Vec<usize>,
}

impl Pair {
    /// Begins a session and lets it settle.
    pub(crate) fn between(
        client: &mut System,
        server: &mut System,
        credentials: &ClientCredentials,
    ) -> Self {
        let mut pair = Self::try_begin(client, server, credentials).unwrap();
        pair.settle(NOW);
        pair
    }

    /// Begins a session; nothing passes yet.
    pub(crate) fn try_begin(
        client: &mut System,
        server: &mut System,
        credentials: &ClientCredentials,
    ) -> Result<Self, StackError> {
        Ok(Self {
            client: End::new(client.connect(NOW, credentials)?),
            server: End::new(server.accept(NOW)?),
            passed: Vec::new(),
        })
    }
}

impl<C: DtlsSession, S: DtlsSession> Pair<C, S> {
    /// Passes what there is to pass, both ways, until both are silent.
    pub(crate) fn settle(&mut self, now: Instant) {
        while self.pass_to_server(now) | self.pass_to_client(now) {}
    }

    pub(crate) fn pass_to_server(&mut self, now: Instant) -> bool {
        let Some(datagram) = self.client.out.pop_front() else {
            return false;
        };
        self.passed.push(datagram.len());
        self.server.take(now, &datagram);
        true
    }

    pub(crate) fn pass_to_client(&mut self, now: Instant) -> bool {
        let Some(datagram) = self.server.out.pop_front() else {
            return false;
        };
        self.passed.push(datagram.len());
        self.client.take(now, &datagram);
        true
    }

    /// Both are connected, and data passes both ways.
    pub(crate) fn assert_works(&mut self) {
        for end in [&self.client.error, &self.server.error] {
            assert_eq!(*end, None);
        }
        assert!(self.client.connected.is_some(), "client not connected");
        assert!(self.server.connected.is_some(), "server not connected");
        for payload in [&b"a"[..], &[7; 1_100]] {
            let datagram = self.client.seal(payload);
            self.server.take(NOW, &datagram);
            assert_eq!(self.server.payloads.pop().as_deref(), Some(payload));
            let datagram = self.server.seal(payload);
            self.client.take(NOW, &datagram);
            assert_eq!(self.client.payloads.pop().as_deref(), Some(payload));
        }
    }
}
