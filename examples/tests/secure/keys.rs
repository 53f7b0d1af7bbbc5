//! Keys, and certificates that are made of them.

use std::{collections::BTreeMap, sync::Arc};

use lwm2m_examples::secure::{
    credentials::{KnownClients, OwnCertificate, ServerCredentials},
    session::Refusal,
};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};

/// The key of the device `number`.
pub(crate) fn key(number: u8) -> Vec<u8> {
    vec![number; 16]
}

/// Who is known: identities with their keys, and certificates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) keys: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) certificates: Vec<Vec<u8>>,
}

impl KnownClients for Known {
    fn pre_shared_key(&self, identity: &[u8]) -> Option<Vec<u8>> {
        self.keys.get(identity).cloned()
    }

    fn accepts_certificate(&self, certificate: &[u8]) -> Result<(), Refusal> {
        let known = self.certificates.iter().any(|known| known == certificate);
        known.then_some(()).ok_or(Refusal::OtherCertificate)
    }
}

/// The server with its certificate, and its clients: `device` and `other`, by key and by certificate.
pub(crate) fn server_credentials() -> ServerCredentials {
    let keys = [("device", 1), ("other", 2)];
    let keys = keys.map(|(name, number)| (name.as_bytes().to_vec(), key(number)));
    let clients = Known {
        keys: keys.into(),
        certificates: vec![certified("device").certificate],
    };
    ServerCredentials {
        clients: Arc::new(clients),
        certificate: Some(certified("server")),
    }
}

/// The certificate of this name, and its key.
pub(crate) fn certified(name: &str) -> OwnCertificate {
    Certified::new(name).make()
}

/// What a certificate says.
#[derive(Clone, Debug)]
pub(crate) struct Certified {
    key: SigningKey,
    common_name: String,
    /// As general names (RFC 5280 §4.2.1.6): their tag, and what they are.
    alternative: Vec<(u8, Vec<u8>)>,
    /// From and until, as `YYMMDDHHMMSSZ`.
    validity: [&'static str; 2],
}

impl Certified {
    pub(crate) fn new(name: &str) -> Self {
        let seed = name.bytes().fold(1, u8::wrapping_add);
        Self {
            key: SigningKey::from_slice(&[seed | 1; 32]).unwrap(),
            common_name: name.to_owned(),
            alternative: Vec::new(),
            validity: ["260101000000Z", "361231235959Z"],
        }
    }

    pub(crate) fn dns(mut self, name: &str) -> Self {
        self.alternative.push((0x82, name.into()));
        self
    }

    pub(crate) fn uri(mut self, name: &str) -> Self {
        self.alternative.push((0x86, name.into()));
        self
    }

    pub(crate) fn ip(mut self, octets: &[u8]) -> Self {
        self.alternative.push((0x87, octets.to_vec()));
        self
    }

    pub(crate) fn valid(mut self, validity: [&'static str; 2]) -> Self {
        self.validity = validity;
        self
    }

    /// Signed with its own key.
    pub(crate) fn make(&self) -> OwnCertificate {
        let signed_with = sequence(&[oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2])]);
        let point = self.key.verifying_key().to_sec1_point(false);
        let mut bits = vec![0];
        bits.extend_from_slice(point.as_bytes());
        let public_key = der(0x03, &bits);
        let name = self.name();
        let validity = self.validity.map(|time| der(0x17, time.as_bytes()));
        let mut parts = vec![
            der(0xa0, &der(0x02, &[2])),
            der(0x02, &[1]),
            signed_with.clone(),
            name.clone(),
            sequence(&validity),
            name,
            sequence(&[algorithm(), public_key.clone()]),
        ];
        parts.extend(self.extensions());
        let body = sequence(&parts);
        let signature: Signature = self.key.sign(&body);
        let mut bits = vec![0];
        bits.extend_from_slice(signature.to_der().as_bytes());
        let certificate = sequence(&[body, signed_with, der(0x03, &bits)]);

        let own = sequence(&[
            der(0x02, &[1]),
            der(0x04, &self.key.to_bytes()),
            der(0xa1, &public_key),
        ]);
        let private_key = sequence(&[der(0x02, &[0]), algorithm(), der(0x04, &own)]);
        OwnCertificate {
            certificate,
            private_key,
        }
    }

    fn name(&self) -> Vec<u8> {
        let text = der(0x0c, self.common_name.as_bytes());
        let attribute = sequence(&[oid(&[0x55, 4, 3]), text]);
        sequence(&[der(0x31, &attribute)])
    }

    fn extensions(&self) -> Option<Vec<u8>> {
        if self.alternative.is_empty() {
            return None;
        }
        let names = self.alternative.iter().map(|(tag, name)| der(*tag, name));
        let names: Vec<_> = names.collect();
        let names = sequence(&[oid(&[0x55, 0x1d, 0x11]), der(0x04, &sequence(&names))]);
        Some(der(0xa3, &sequence(&[names])))
    }
}

/// An elliptic curve's key, on P-256.
fn algorithm() -> Vec<u8> {
    let key = oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]);
    let curve = oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
    sequence(&[key, curve])
}

fn oid(bytes: &[u8]) -> Vec<u8> {
    der(0x06, bytes)
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &parts.concat())
}

/// A value in DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut bytes = vec![tag];
    match length {
        [0, short @ 0..0x80] => bytes.push(short),
        [0, length] => bytes.extend([0x81, length]),
        [high, low] => bytes.extend([0x82, high, low]),
    }
    bytes.extend_from_slice(content);
    bytes
}
