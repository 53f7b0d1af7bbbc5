//! Keys and certificates as arguments of programs.
//!
//! A key file has a line for each identity, `IDENTITY:KEY`, with the key in hexadecimal. The last
//! colon of a line separates them, so identities such as `urn:dev:1` need no quoting. Empty lines and
//! those that begin with `#` say nothing. Certificates and private keys (PKCS #8) are PEM or DER.

use core::fmt;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use lwm2m_core::ShortServerId;
use lwm2m_objects::typed;

use crate::{
    address::HostPort,
    exit,
    secure::{
        credentials::{KnownClients, OwnCertificate, ServerCredentials},
        session::Refusal,
    },
};

/// The longest PSK identity and key that are taken (TS E.1.1.1).
const LONGEST_IDENTITY: usize = 128;
const LONGEST_KEY: usize = 64;

/// A pre-shared key in the command line.
#[derive(Args, Clone, Debug, Default)]
struct PskArguments {
    /// The PSK identity of the client
    #[arg(long, value_name = "TEXT", requires = "psk_key")]
    psk_identity: Option<String>,
    /// Its key, in hexadecimal
    ///
    /// Others on this computer may see it; --psk-file keeps it to itself.
    #[arg(
        long,
        value_name = "HEX",
        requires = "psk_identity",
        allow_hyphen_values = true,
        verbatim_doc_comment
    )]
    psk_key: Option<HexText>,
}

impl PskArguments {
    fn read(&self) -> io::Result<Option<Psk>> {
        let (Some(identity), Some(key)) = (&self.psk_identity, &self.psk_key) else {
            return Ok(None);
        };
        let parse = || {
            let HexKey(key) = key.0.parse()?;
            check(identity.as_bytes(), &key)?;
            Ok((identity.as_bytes().to_vec(), key))
        };
        let psk = parse().map_err(|error: String| io::Error::other(error));
        psk.map(Some).map_err(exit::about("--psk-key"))
    }
}

/// The keys of a client program, for all its servers with `coaps`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Keys, for servers with coaps://")]
pub struct ClientKeyArguments {
    #[command(flatten)]
    psk: PskArguments,
    /// A file with identity and key
    ///
    /// Of its lines IDENTITY:HEX, the first one counts.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "psk_identity",
        verbatim_doc_comment
    )]
    psk_file: Option<PathBuf>,
    /// The client's certificate
    ///
    /// X.509 in PEM or DER, of an EC key.
    #[arg(long, value_name = "FILE", requires_all = ["private_key", "server_certificate"],
        conflicts_with_all = ["psk_identity", "psk_file"], verbatim_doc_comment)]
    certificate: Option<PathBuf>,
    /// Its private key
    ///
    /// PKCS #8 in PEM or DER.
    #[arg(
        long,
        value_name = "FILE",
        requires = "certificate",
        verbatim_doc_comment
    )]
    private_key: Option<PathBuf>,
    /// The server's certificate
    ///
    /// The server has to show this one, and it has to name the host of the
    /// URI.
    #[arg(
        long,
        value_name = "FILE",
        requires = "certificate",
        verbatim_doc_comment
    )]
    server_certificate: Option<PathBuf>,
    /// Refuses a certificate outside of its dates
    ///
    /// By the clock of this computer. Without the option, the dates don't
    /// matter.
    #[arg(long, requires = "certificate", verbatim_doc_comment)]
    pub refuse_expired: bool,
}

/// The keys of a client for its servers with `coaps`. [`Debug`](fmt::Debug) shows none.
#[derive(Clone, Default)]
pub enum ClientKeys {
    /// None: for servers with `coap` alone.
    #[default]
    None,
    /// TS 7.1.7.
    PreSharedKey {
        /// The identity.
        identity: Vec<u8>,
        /// Its key.
        key: Vec<u8>,
    },
    /// TS 7.1.9. All are DER.
    Certificate {
        /// The client's.
        own: OwnCertificate,
        /// The server's.
        server: Vec<u8>,
    },
}

impl ClientKeyArguments {
    /// Reads the keys.
    pub fn read(&self) -> io::Result<ClientKeys> {
        if let Some((identity, key)) = self.psk.read()? {
            return Ok(ClientKeys::PreSharedKey { identity, key });
        }
        if let Some(file) = &self.psk_file {
            let first = read_keys(file)?.into_iter().next();
            let (identity, key) = first
                .ok_or_else(|| io::Error::other("expected a line IDENTITY:HEX, found none"))
                .map_err(exit::about(file.display()))?;
            return Ok(ClientKeys::PreSharedKey { identity, key });
        }
        let (Some(certificate), Some(private_key), Some(server)) = (
            &self.certificate,
            &self.private_key,
            &self.server_certificate,
        ) else {
            return Ok(ClientKeys::None);
        };
        Ok(ClientKeys::Certificate {
            own: own_certificate(certificate, private_key)?,
            server: read_der(server, "CERTIFICATE")?,
        })
    }
}

impl ClientKeys {
    /// The account of a server.
    pub fn account(&self, uri: &str, id: ShortServerId) -> typed::Security {
        match self {
            _ if !uri.starts_with("coaps:") => typed::Security::no_sec(uri, id),
            Self::None => typed::Security::no_sec(uri, id),
            Self::PreSharedKey { identity, key } => {
                typed::Security::pre_shared_key(uri, id, identity.clone(), key.clone())
            }
            Self::Certificate { own, server } => typed::Security {
                mode: typed::SecurityMode::Certificate,
                public_key_or_identity: own.certificate.clone(),
                server_public_key: server.clone(),
                secret_key: own.private_key.clone(),
                ..typed::Security::no_sec(uri, id)
            },
        }
    }

    /// Whether there are any.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl fmt::Debug for ClientKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::PreSharedKey { .. } => "PreSharedKey",
            Self::Certificate { .. } => "Certificate",
        })
    }
}

/// The keys of a server program.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Keys, for clients that come by coaps://")]
pub struct ServerKeyArguments {
    /// The address to listen on for DTLS
    ///
    /// With keys and without this option, port 5684 beside --listen.
    #[arg(long, value_name = "HOST:PORT", verbatim_doc_comment)]
    pub listen_secure: Option<HostPort>,
    /// Lets clients come without security
    ///
    /// Such a client may take any name that isn't in use with keys at the
    /// time.
    #[arg(long, verbatim_doc_comment)]
    pub allow_nosec: bool,
    #[command(flatten)]
    psk: PskArguments,
    /// A file with identities and keys
    ///
    /// Lines IDENTITY:HEX. The option may be repeated.
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    psk_file: Vec<PathBuf>,
    /// The server's certificate
    ///
    /// X.509 in PEM or DER, of an EC key.
    #[arg(
        long,
        value_name = "FILE",
        requires = "private_key",
        verbatim_doc_comment
    )]
    certificate: Option<PathBuf>,
    /// Its private key
    ///
    /// PKCS #8 in PEM or DER.
    #[arg(
        long,
        value_name = "FILE",
        requires = "certificate",
        verbatim_doc_comment
    )]
    private_key: Option<PathBuf>,
    /// The certificate of a client
    ///
    /// The client has to show this one. The option may be repeated.
    #[arg(
        long,
        value_name = "FILE",
        requires = "certificate",
        verbatim_doc_comment
    )]
    client_certificate: Vec<PathBuf>,
}

impl ServerKeyArguments {
    /// Reads the keys; `None` if there are none.
    ///
    /// # Errors
    ///
    /// Of a file that can't be read, a key that is none, and an address for DTLS without keys.
    pub fn read(&self) -> io::Result<Option<ServerCredentials>> {
        let mut clients = Clients::default();
        clients.keys.extend(self.psk.read()?);
        for file in &self.psk_file {
            clients.keys.extend(read_keys(file)?);
        }
        for file in &self.client_certificate {
            clients.certificates.insert(read_der(file, "CERTIFICATE")?);
        }
        let certificate = match (&self.certificate, &self.private_key) {
            (Some(certificate), Some(key)) => Some(own_certificate(certificate, key)?),
            _ => None,
        };
        if clients.keys.is_empty() && certificate.is_none() {
            return match self.listen_secure {
                Some(_) => Err(io::Error::other("expected keys, such as --psk-file"))
                    .map_err(exit::about("--listen-secure")),
                None => Ok(None),
            };
        }
        Ok(Some(ServerCredentials {
            clients: Arc::new(clients),
            certificate,
        }))
    }
}

/// The clients that are known by the arguments of a program.
#[derive(Default)]
struct Clients {
    keys: BTreeMap<Vec<u8>, Vec<u8>>,
    certificates: BTreeSet<Vec<u8>>,
}

impl KnownClients for Clients {
    fn pre_shared_key(&self, identity: &[u8]) -> Option<Vec<u8>> {
        self.keys.get(identity).cloned()
    }

    fn accepts_certificate(&self, certificate: &[u8]) -> Result<(), Refusal> {
        let known = self.certificates.contains(certificate);
        known.then_some(()).ok_or(Refusal::OtherCertificate)
    }
}

/// A pre-shared key in hexadecimal. [`Debug`](fmt::Debug) doesn't show it.
#[derive(Clone, PartialEq, Eq)]
struct HexKey(Vec<u8>);

impl fmt::Debug for HexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HexKey")
    }
}

impl core::str::FromStr for HexKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.as_bytes();
        let value = |digit: u8| char::from(digit).to_digit(16);
        let octet = |pair: &[u8]| match *pair {
            [high, low] => u8::try_from(value(high)? * 16 + value(low)?).ok(),
            _ => None,
        };
        let octets: Option<Vec<u8>> = digits.chunks(2).map(octet).collect();
        match octets {
            Some(octets) if !octets.is_empty() => Ok(Self(octets)),
            _ => Err("expected an even number of hexadecimal digits".to_owned()),
        }
    }
}

/// Octets in hexadecimal, at least one. The error doesn't repeat them.
pub(crate) fn octets(digits: &str) -> Result<Vec<u8>, String> {
    digits.parse().map(|HexKey(octets)| octets)
}

/// The text of a key. It is any text, since an error of the command line would quote it.
/// [`Debug`](fmt::Debug) doesn't show it.
#[derive(Clone)]
struct HexText(String);

impl From<String> for HexText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for HexText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HexText")
    }
}

/// Whether identity and key have the lengths that every server has to support (TS E.1.1.1).
fn check(identity: &[u8], key: &[u8]) -> Result<(), String> {
    if identity.is_empty() || identity.len() > LONGEST_IDENTITY {
        return Err(format!(
            "expected a PSK identity of 1 to {LONGEST_IDENTITY} bytes, found {}",
            identity.len()
        ));
    }
    if key.len() > LONGEST_KEY {
        return Err(format!(
            "expected a key of 1 to {LONGEST_KEY} bytes, found {}",
            key.len()
        ));
    }
    Ok(())
}

/// Identity and key.
pub(crate) type Psk = (Vec<u8>, Vec<u8>);

/// The identities and keys of a file, in its order.
pub(crate) fn read_keys(file: &Path) -> io::Result<Vec<Psk>> {
    let text = fs::read_to_string(file).map_err(exit::about(file.display()))?;
    parse_keys(&text)
        .map_err(io::Error::other)
        .map_err(exit::about(file.display()))
}

fn parse_keys(text: &str) -> Result<Vec<Psk>, String> {
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |error: String| format!("line {number}: {error}");
        // The line itself isn't shown: it may have a key.
        let (identity, key) = line
            .rsplit_once(':')
            .ok_or_else(|| at("expected IDENTITY:HEX".to_owned()))?;
        let HexKey(key) = key.parse().map_err(at)?;
        check(identity.as_bytes(), &key).map_err(at)?;
        keys.push((identity.as_bytes().to_vec(), key));
    }
    Ok(keys)
}

fn own_certificate(certificate: &Path, private_key: &Path) -> io::Result<OwnCertificate> {
    Ok(OwnCertificate {
        certificate: read_der(certificate, "CERTIFICATE")?,
        private_key: read_der(private_key, "PRIVATE KEY")?,
    })
}

/// The DER of a file that is PEM or DER.
fn read_der(file: &Path, label: &str) -> io::Result<Vec<u8>> {
    let bytes = fs::read(file).map_err(exit::about(file.display()))?;
    decode(bytes, label)
        .map_err(io::Error::other)
        .map_err(exit::about(file.display()))
}

#[cfg(any(feature = "dtls", feature = "dtls-openssl"))]
fn decode(bytes: Vec<u8>, label: &str) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(b"-----BEGIN ") {
        return Ok(bytes);
    }
    let (found, der) = pem_rfc7468::decode_vec(&bytes).map_err(|error| error.to_string())?;
    if found == label {
        Ok(der)
    } else {
        Err(format!("expected {label}, found {found}"))
    }
}

#[cfg(not(any(feature = "dtls", feature = "dtls-openssl")))]
#[expect(clippy::unnecessary_wraps, reason = "as with DTLS")]
fn decode(bytes: Vec<u8>, _: &str) -> Result<Vec<u8>, String> {
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_has_identities_with_colons() {
        let keys = parse_keys("# keys\n\nurn:dev:1:00ff\n  b:A0  \n").unwrap();
        let expected = [
            (b"urn:dev:1".to_vec(), vec![0, 0xff]),
            (b"b".to_vec(), vec![0xa0]),
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn what_is_wrong_with_a_key_file_is_told_without_its_keys() {
        let long = format!("a:{}", "00".repeat(LONGEST_KEY + 1));
        for (text, told) in [
            ("0011", "line 1: expected IDENTITY:HEX"),
            ("\na:001", "line 2: expected an even number"),
            ("a:0g", "line 1: expected an even number"),
            ("a:+1", "expected an even number"),
            ("a:", "expected an even number"),
            (":00", "expected a PSK identity of 1 to 128 bytes, found 0"),
            (&long, "expected a key of 1 to 64 bytes, found 65"),
        ] {
            let error = parse_keys(text).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn only_servers_with_coaps_get_keys() {
        let id = ShortServerId::new(101).unwrap();
        let keys = ClientKeys::PreSharedKey {
            identity: b"a".to_vec(),
            key: vec![1; 16],
        };
        let mode = |uri| keys.account(uri, id).mode;
        assert_eq!(mode("coap://a"), typed::SecurityMode::NoSec);
        assert_eq!(mode("coaps://a"), typed::SecurityMode::PreSharedKey);
    }
}
