//! Keys by security mode: those that an account of a file has for a client (TS E.1), and those by which this program
//! reaches a device (TS 5.2.3.4).

use lwm2m_core::ShortServerId;
use lwm2m_objects::typed::{self, SecurityMode};

use super::{
    document::{Mistake, Table},
    material::{Content, Material, PreSharedKey, Template},
};
use crate::secure::credentials::ClientCredentials;

/// No number of a server is needed to reach a device.
const ANY: ShortServerId = ShortServerId::new(1).unwrap();

/// What is said of the keys of one's own, for all modes.
const OWN: [&str; 10] = [
    "identity",
    "key",
    "key-file",
    "psk-file",
    "public-key",
    "public-key-file",
    "private-key",
    "private-key-file",
    "certificate",
    "certificate-file",
];

/// The keys by which this program reaches a device, as the DTLS client (TS 7.1.6). They are this program's, and the
/// device's.
#[derive(Clone, Debug)]
pub(super) struct DeviceKeys(Keys);

/// Keys by security mode (TS E.1.1), of the DTLS client and of its peer.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    NoSec,
    PreSharedKey(PreSharedKey),
    /// Public and private key, and the peer's.
    RawPublicKey([Material; 3]),
    /// Certificate and private key, and the peer's certificate.
    Certificate([Material; 3]),
    /// The server's certificate; the client enrols for its own.
    Est(Material),
}

/// Whom the keys are for, as the DTLS server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// A server that a client has an account of.
    Server,
    /// A device that this program reaches.
    Device,
}

impl DeviceKeys {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, Mistake> {
        table.only(&[&["mode"][..], &Peer::Device.all()].concat())?;
        let mode = table.required("mode")?;
        Ok(Self(Keys::read(table, mode, Peer::Device)?))
    }

    /// The keys for this device, whose certificate names it. The error says what is missing.
    pub(super) fn of(&self, endpoint: &str) -> Result<ClientCredentials, String> {
        let (mode, [own, device, secret]) = self.0.of(endpoint)?;
        let keys = typed::Security {
            mode,
            public_key_or_identity: own,
            server_public_key: device,
            secret_key: secret,
            ..typed::Security::no_sec("", ANY)
        };
        ClientCredentials::of(&keys, endpoint).map_err(|error| error.to_string())
    }
}

impl Keys {
    /// The keys of this mode, and nothing that is of another.
    pub(super) fn read(table: &Table<'_>, mode: &str, peer: Peer) -> Result<Self, Mistake> {
        let [public_key, _, shown, _] = peer.keys();
        let keys = match (mode, peer) {
            ("nosec", Peer::Server) => Self::NoSec,
            ("psk", _) => Self::PreSharedKey(pre_shared_key(table)?),
            ("rpk", _) => {
                let key = |name| Material::read(table, name, Content::Der("PUBLIC KEY"));
                let [own, peer] = [key("public-key")?, key(public_key)?];
                Self::RawPublicKey([own, private_key(table)?, peer])
            }
            ("certificate", _) => {
                let [own, peer] = [
                    certificate(table, "certificate")?,
                    certificate(table, shown)?,
                ];
                Self::Certificate([own, private_key(table)?, peer])
            }
            ("est", Peer::Server) => Self::Est(certificate(table, shown)?),
            _ => return Err(table.mistake("mode", peer.modes())),
        };
        keys.check_others(table, mode, peer)?;
        Ok(keys)
    }

    /// Nothing is said that is of another mode.
    fn check_others(&self, table: &Table<'_>, mode: &str, peer: Peer) -> Result<(), Mistake> {
        let of_mode = self.names(peer);
        for key in peer.all() {
            if table.has(key) && !of_mode.contains(&key.trim_end_matches("-file")) {
                return Err(table.mistake(key, format_args!("not with mode = {mode:?}")));
            }
        }
        Ok(())
    }

    /// What is said of the keys of this mode; each may be in a file.
    fn names(&self, peer: Peer) -> Vec<&'static str> {
        let [public_key, _, certificate, _] = peer.keys();
        match self {
            Self::NoSec => Vec::new(),
            Self::PreSharedKey(_) => vec!["identity", "key", "psk"],
            Self::RawPublicKey(_) => vec!["public-key", "private-key", public_key],
            Self::Certificate(_) => vec!["certificate", "private-key", certificate],
            Self::Est(_) => vec![certificate],
        }
    }

    /// The mode, and Resources 3, 4 and 5 for this client (TS E.1). The error says what is missing.
    pub(super) fn of(&self, endpoint: &str) -> Result<(SecurityMode, [Vec<u8>; 3]), String> {
        let of = |material: &Material, identity: &[u8]| material.of(endpoint, identity);
        let all = |[own, private, server]: &[Material; 3]| -> Result<[Vec<u8>; 3], String> {
            let name = endpoint.as_bytes();
            Ok([of(own, name)?, of(server, name)?, of(private, name)?])
        };
        let none = Vec::new;
        Ok(match self {
            Self::NoSec => (SecurityMode::NoSec, [none(), none(), none()]),
            Self::PreSharedKey(PreSharedKey { identity, key }) => {
                let identity = identity.fill(endpoint).into_bytes();
                let key = of(key, &identity)?;
                (SecurityMode::PreSharedKey, [identity, none(), key])
            }
            Self::RawPublicKey(keys) => (SecurityMode::RawPublicKey, all(keys)?),
            Self::Certificate(keys) => (SecurityMode::Certificate, all(keys)?),
            Self::Est(server) => {
                let server = of(server, endpoint.as_bytes())?;
                (SecurityMode::CertificateWithEst, [none(), server, none()])
            }
        })
    }

    /// Whether all clients have the same.
    pub(super) fn is_fixed(&self) -> bool {
        match self {
            Self::NoSec => true,
            Self::PreSharedKey(key) => key.is_fixed(),
            Self::RawPublicKey(keys) | Self::Certificate(keys) => {
                keys.iter().all(Material::is_fixed)
            }
            Self::Est(server) => server.is_fixed(),
        }
    }
}

impl Peer {
    /// What is said of its keys.
    const fn keys(self) -> [&'static str; 4] {
        match self {
            Self::Server => [
                "server-public-key",
                "server-public-key-file",
                "server-certificate",
                "server-certificate-file",
            ],
            Self::Device => [
                "device-public-key",
                "device-public-key-file",
                "device-certificate",
                "device-certificate-file",
            ],
        }
    }

    /// What is said of keys, for all modes.
    pub(super) fn all(self) -> Vec<&'static str> {
        [&OWN[..], &self.keys()].concat()
    }

    const fn modes(self) -> &'static str {
        match self {
            Self::Server => "expected nosec, psk, rpk, certificate or est",
            Self::Device => "expected psk, rpk or certificate",
        }
    }
}

/// An identity, which is the endpoint name if there is none, and its key.
fn pre_shared_key(table: &Table<'_>) -> Result<PreSharedKey, Mistake> {
    let identity = table.string("identity")?.unwrap_or("{endpoint}");
    let key = if table.has("psk-file") {
        for other in ["key", "key-file"] {
            if table.has(other) {
                return Err(table.mistake(other, "there is psk-file as well"));
            }
        }
        Material::listed(table, "psk-file")?
    } else {
        Material::read(table, "key", Content::Hexadecimal)?
    };
    Ok(PreSharedKey {
        identity: Template::new(identity),
        key,
    })
}

fn private_key(table: &Table<'_>) -> Result<Material, Mistake> {
    Material::read(table, "private-key", Content::Der("PRIVATE KEY"))
}

fn certificate(table: &Table<'_>, name: &str) -> Result<Material, Mistake> {
    Material::read(table, name, Content::Der("CERTIFICATE"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::document::Source, *};

    fn read(text: &str) -> Result<DeviceKeys, Mistake> {
        let source = Source::new(Path::new("plans.toml"), text);
        let document = source.parse()?;
        DeviceKeys::read(&Table::root(source, document.get_ref()))
    }

    #[test]
    fn a_device_is_reached_with_the_keys_of_each_mode() {
        for (text, keys) in [
            (
                "mode = 'psk'\nidentity = 'id-{endpoint}'\nkey = '0a0b'",
                ClientCredentials::PreSharedKey {
                    identity: b"id-dev-1".to_vec(),
                    key: vec![10, 11],
                },
            ),
            (
                "mode = 'rpk'\npublic-key = '01'\nprivate-key = '02'\ndevice-public-key = '03'",
                ClientCredentials::RawPublicKey {
                    public_key: vec![1],
                    private_key: vec![2],
                    server_public_key: vec![3],
                },
            ),
            (
                "mode = 'certificate'\ncertificate = '01'\nprivate-key = '02'\ndevice-certificate = '03'",
                ClientCredentials::Certificate {
                    certificate: vec![1],
                    private_key: vec![2],
                    server_certificate: vec![3],
                    host: "dev-1".to_owned(),
                },
            ),
        ] {
            let read = read(text).unwrap().of("dev-1").unwrap();
            assert!(read == keys, "{text}: {read:?}");
        }
    }

    #[test]
    fn a_device_has_no_keys_of_a_server() {
        for key in ["server-public-key", "server-certificate-file"] {
            let told = read(&format!("mode = 'rpk'\n{key} = 'c0ffee'")).unwrap_err();
            let told = told.to_string();
            let expected =
                format!("plans.toml:2: {key}: unknown key; expected one of mode, identity, ");
            assert!(told.starts_with(&expected), "{told}");
            assert!(
                told.ends_with(", device-certificate, device-certificate-file"),
                "{told}"
            );
        }
    }
}
