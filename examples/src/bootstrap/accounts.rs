//! Accounts of a file: of servers, and of the Bootstrap-Server itself (TS 5.2.2), and the keys by which that reaches
//! a device (TS 5.2.3.4).

use lwm2m_core::{BindingMode, ShortServerId};
use lwm2m_objects::typed::{self, SecurityMode, SmsSecurity, SmsSecurityMode};
use lwm2m_statemachine::bootstrap_server::plans::Account;

use super::{
    document::{Mistake, Table},
    material::{Content, Material, PreSharedKey, Template},
};
use crate::secure::credentials::ClientCredentials;

/// What an account may say, whichever mode it has, besides [`OF_KEYS`].
const OF_ALL: [&str; 4] = ["mode", "uri", "sms-number", "sms-mode"];

/// What an account says of keys, for all modes.
const OF_KEYS: [&str; 14] = [
    "identity",
    "key",
    "key-file",
    "psk-file",
    "public-key",
    "public-key-file",
    "private-key",
    "private-key-file",
    "server-public-key",
    "server-public-key-file",
    "certificate",
    "certificate-file",
    "server-certificate",
    "server-certificate-file",
];

/// What is said of the keys by which a device is reached. They are this program's, and the device's.
const OF_DEVICES: [&str; 15] = [
    "mode",
    "identity",
    "key",
    "key-file",
    "psk-file",
    "public-key",
    "public-key-file",
    "private-key",
    "private-key-file",
    "device-public-key",
    "device-public-key-file",
    "certificate",
    "certificate-file",
    "device-certificate",
    "device-certificate-file",
];

const OF_SERVERS: [&str; 7] = [
    "id",
    "lifetime",
    "binding",
    "pmin",
    "pmax",
    "disable-timeout",
    "storing",
];

const OF_BOOTSTRAP: [&str; 2] = ["hold-off", "account-timeout"];

/// No number of a server is needed to reach a device.
const ANY: ShortServerId = ShortServerId::new(1).unwrap();

const SECONDS: &str = "a number of seconds";

/// The account of a server.
#[derive(Clone, Debug)]
pub(super) struct ServerAccount {
    pub(super) id: ShortServerId,
    reached: Reached,
    server: typed::Server,
}

/// A new account of the Bootstrap-Server.
#[derive(Clone, Debug)]
pub(super) struct OwnAccount {
    reached: Reached,
    hold_off: Option<u32>,
    timeout: Option<u32>,
}

/// The keys by which this program reaches a device, as the DTLS client (TS 7.1.6).
#[derive(Clone, Debug)]
pub(super) struct DeviceKeys(Keys);

/// How a server is reached, and with which keys.
#[derive(Clone, Debug)]
struct Reached {
    uri: Template,
    keys: Keys,
    sms: SmsSecurity,
}

/// Keys by security mode (TS E.1.1).
#[derive(Clone, Debug)]
enum Keys {
    NoSec,
    PreSharedKey(PreSharedKey),
    /// Public and private key, and the server's.
    RawPublicKey([Material; 3]),
    /// Certificate and private key, and the server's certificate.
    Certificate([Material; 3]),
    /// The server's certificate; the client enrols for its own.
    Est(Material),
}

impl Keys {
    /// The keys of this mode, and what the `peer` has, if keys are given to both.
    fn read(table: &Table<'_>, mode: &str, peer: &str) -> Result<Option<Self>, Mistake> {
        Ok(Some(match mode {
            "psk" => Self::PreSharedKey(pre_shared_key(table)?),
            "rpk" => {
                let key = |name: &str| Material::read(table, name, Content::Der("PUBLIC KEY"));
                let [public, peer] = [key("public-key")?, key(&format!("{peer}-public-key"))?];
                Self::RawPublicKey([public, private_key(table)?, peer])
            }
            "certificate" => {
                let own = certificate(table, "certificate")?;
                let peer = certificate(table, &format!("{peer}-certificate"))?;
                Self::Certificate([own, private_key(table)?, peer])
            }
            _ => return Ok(None),
        }))
    }

    /// What an account of this mode says of keys; each may be in a file.
    const fn names(&self) -> &'static [&'static str] {
        match self {
            Self::NoSec => &[],
            Self::PreSharedKey(_) => &["identity", "key", "psk"],
            Self::RawPublicKey(_) => &[
                "public-key",
                "private-key",
                "server-public-key",
                "device-public-key",
            ],
            Self::Certificate(_) => &[
                "certificate",
                "private-key",
                "server-certificate",
                "device-certificate",
            ],
            Self::Est(_) => &["server-certificate"],
        }
    }

    /// Nothing is said that is of another mode.
    fn check_others(&self, table: &Table<'_>, mode: &str, all: &[&str]) -> Result<(), Mistake> {
        let of_mode = self.names();
        for key in all {
            if table.has(key) && !of_mode.contains(&key.trim_end_matches("-file")) {
                return Err(table.mistake(key, format_args!("not with mode = {mode:?}")));
            }
        }
        Ok(())
    }

    /// The mode, and Resources 3, 4 and 5 for this client (TS E.1). The error says what is missing.
    fn of(&self, endpoint: &str) -> Result<(SecurityMode, [Vec<u8>; 3]), String> {
        let of = |material: &Material, identity: &[u8]| material.of(endpoint, identity);
        let all = |[own, private, server]: &[Material; 3]| -> Result<[Vec<u8>; 3], String> {
            let name = endpoint.as_bytes();
            Ok([of(own, name)?, of(server, name)?, of(private, name)?])
        };
        let none = Vec::new;
        Ok(match self {
            Keys::NoSec => (SecurityMode::NoSec, [none(), none(), none()]),
            Keys::PreSharedKey(PreSharedKey { identity, key }) => {
                let identity = identity.fill(endpoint).into_bytes();
                let key = of(key, &identity)?;
                (SecurityMode::PreSharedKey, [identity, none(), key])
            }
            Keys::RawPublicKey(keys) => (SecurityMode::RawPublicKey, all(keys)?),
            Keys::Certificate(keys) => (SecurityMode::Certificate, all(keys)?),
            Keys::Est(server) => {
                let server = of(server, endpoint.as_bytes())?;
                (SecurityMode::CertificateWithEst, [none(), server, none()])
            }
        })
    }

    fn is_fixed(&self) -> bool {
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

impl DeviceKeys {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, Mistake> {
        table.only(&OF_DEVICES)?;
        let mode = table.required("mode")?;
        let keys = Keys::read(table, mode, "device")?;
        let keys = keys.ok_or_else(|| table.mistake("mode", "expected psk, rpk or certificate"))?;
        keys.check_others(table, mode, &OF_DEVICES[1..])?;
        Ok(Self(keys))
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

impl ServerAccount {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, Mistake> {
        table.only(&[&OF_SERVERS[..], &OF_ALL, &OF_KEYS].concat())?;
        let id = table
            .number("id", "a Short Server ID of 1 to 65534")?
            .and_then(ShortServerId::new);
        let id =
            id.ok_or_else(|| table.mistake("id", "expected a Short Server ID of 1 to 65534"))?;
        let binding = match table.string("binding")? {
            None => BindingMode::U,
            Some(text) => text
                .parse()
                .map_err(|_| table.mistake("binding", "expected U, UQ, S, SQ, US or UQS"))?,
        };
        Ok(Self {
            id,
            reached: Reached::read(table)?,
            server: typed::Server {
                default_minimum_period: table.number("pmin", SECONDS)?,
                default_maximum_period: table.number("pmax", SECONDS)?,
                disable_timeout: table.number("disable-timeout", SECONDS)?,
                notification_storing: table.boolean("storing")?.unwrap_or(true),
                binding,
                ..typed::Server::new(id, table.number("lifetime", SECONDS)?.unwrap_or(86_400))
            },
        })
    }

    /// The account for this client. The error says what is missing.
    pub(super) fn of(&self, endpoint: &str) -> Result<Account, String> {
        Ok(Account {
            security: self.reached.security(endpoint, Some(self.id))?,
            server: self.server.clone(),
        })
    }

    /// Whether all clients have the same.
    pub(super) fn is_fixed(&self) -> bool {
        self.reached.is_fixed()
    }
}

impl OwnAccount {
    pub(super) fn read(table: &Table<'_>) -> Result<Self, Mistake> {
        table.only(&[&OF_BOOTSTRAP[..], &OF_ALL, &OF_KEYS].concat())?;
        Ok(Self {
            reached: Reached::read(table)?,
            hold_off: table.number("hold-off", SECONDS)?,
            timeout: table.number("account-timeout", SECONDS)?,
        })
    }

    /// The account for this client. The error says what is missing.
    pub(super) fn of(&self, endpoint: &str) -> Result<typed::Security, String> {
        Ok(typed::Security {
            client_hold_off_time: self.hold_off,
            bootstrap_account_timeout: self.timeout,
            ..self.reached.security(endpoint, None)?
        })
    }

    /// Whether all clients have the same.
    pub(super) fn is_fixed(&self) -> bool {
        self.reached.is_fixed()
    }
}

impl Reached {
    fn read(table: &Table<'_>) -> Result<Self, Mistake> {
        let uri = table.required("uri")?;
        let mode = mode(table, uri)?;
        let keys = match mode {
            None | Some("nosec") => Keys::NoSec,
            Some("est") => Keys::Est(certificate(table, "server-certificate")?),
            Some(mode) => Keys::read(table, mode, "server")?.ok_or_else(|| {
                table.mistake("mode", "expected nosec, psk, rpk, certificate or est")
            })?,
        };
        keys.check_others(table, mode.unwrap_or("nosec"), &OF_KEYS)?;
        Ok(Self {
            uri: Template::new(uri),
            keys,
            sms: sms(table)?,
        })
    }

    /// The Security Object Instance, of a Bootstrap-Server if there is no Short Server ID.
    fn security(
        &self,
        endpoint: &str,
        id: Option<ShortServerId>,
    ) -> Result<typed::Security, String> {
        let (mode, [own, server, secret]) = self.keys.of(endpoint)?;
        Ok(typed::Security {
            server_uri: self.uri.fill(endpoint),
            bootstrap_server: id.is_none(),
            mode,
            public_key_or_identity: own,
            server_public_key: server,
            secret_key: secret,
            sms: self.sms.clone(),
            short_server_id: id,
            client_hold_off_time: None,
            bootstrap_account_timeout: None,
        })
    }

    fn is_fixed(&self) -> bool {
        self.keys.is_fixed() && self.uri.is_fixed()
    }
}

/// The security mode that is said. It can be left out if the URI tells that there is none.
fn mode<'s>(table: &Table<'s>, uri: &str) -> Result<Option<&'s str>, Mistake> {
    let mode = table.string("mode")?;
    let scheme = uri.split(':').next().unwrap_or_default();
    // `{endpoint}` may stand for the scheme, too.
    let is_open = !Template::new(scheme).is_fixed();
    let is_secured = scheme.eq_ignore_ascii_case("coaps");
    let what = match mode {
        None if is_secured => "expected this key with coaps://: psk, rpk, certificate or est",
        None if is_open => "expected this key, as the URI doesn't tell whether there is security",
        Some("nosec") if is_secured => "expected psk, rpk, certificate or est with coaps://",
        Some(mode) if mode != "nosec" && scheme.eq_ignore_ascii_case("coap") => {
            "expected nosec with coap://"
        }
        _ => return Ok(mode),
    };
    Err(table.mistake("mode", what))
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

/// How SMS are secured, which for SMS with keys takes steps of their own.
fn sms(table: &Table<'_>) -> Result<SmsSecurity, Mistake> {
    let mode = match table.string("sms-mode")? {
        None => None,
        Some("nosec") => Some(SmsSecurityMode::NoSec),
        Some(_) => return Err(table.mistake("sms-mode", "expected nosec")),
    };
    Ok(SmsSecurity {
        mode,
        server_number: table.string("sms-number")?.map(str::to_owned),
        ..SmsSecurity::default()
    })
}
