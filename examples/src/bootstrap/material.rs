//! Key material: in the file itself, or in files of its own, some of which are of one client each.

use core::fmt;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::document::{Mistake, Table};
use crate::keys;

/// What stands for the endpoint name.
const ENDPOINT: &str = "{endpoint}";

/// Text in which `{endpoint}` stands for the endpoint name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(String);

impl Template {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn fill(&self, endpoint: &str) -> String {
        self.0.replace(ENDPOINT, endpoint)
    }

    /// Whether it is the same for all clients.
    pub(super) fn is_fixed(&self) -> bool {
        !self.0.contains(ENDPOINT)
    }
}

/// Octets of a key or a certificate. [`Debug`](fmt::Debug) doesn't show them.
#[derive(Clone)]
pub(super) enum Material {
    /// These.
    Octets(Vec<u8>),
    /// Those of a file of this client.
    File(PathBuf, Content),
    /// Those that a list of identities and keys has for this identity.
    Listed(PathBuf, BTreeMap<Vec<u8>, Vec<u8>>),
}

/// What a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Hexadecimal digits.
    Hexadecimal,
    /// DER, or PEM with this label.
    Der(&'static str),
}

impl Material {
    /// Reads `KEY` in hexadecimal, or `KEY-file`.
    pub(super) fn read(table: &Table<'_>, key: &str, content: Content) -> Result<Self, Mistake> {
        let in_file = format!("{key}-file");
        match (table.string(key)?, table.string(&in_file)?) {
            (Some(digits), None) => keys::octets(digits)
                .map(Self::Octets)
                .map_err(|error| table.mistake(key, error)),
            (None, Some(name)) => {
                let file = table.folder().join(name);
                if name.contains(ENDPOINT) {
                    return Ok(Self::File(file, content));
                }
                let octets = content.read(&file);
                octets
                    .map(Self::Octets)
                    .map_err(|error| table.mistake(&in_file, error))
            }
            (Some(_), Some(_)) => {
                Err(table.mistake(&in_file, format_args!("there is {key} as well")))
            }
            (None, None) => {
                Err(table.mistake(key, format_args!("expected this key, or {key}-file")))
            }
        }
    }

    /// Reads a file with lines `IDENTITY:HEX`.
    pub(super) fn listed(table: &Table<'_>, key: &str) -> Result<Self, Mistake> {
        let file = table.folder().join(table.required(key)?);
        let listed = keys::read_keys(&file).map_err(|error| table.mistake(key, error))?;
        Ok(Self::Listed(file, listed.into_iter().collect()))
    }

    /// Whether all clients have the same.
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self, Self::Octets(_))
    }

    /// The octets of this client, which has this identity.
    ///
    /// # Errors
    ///
    /// Says what is missing, without any key.
    pub(super) fn of(&self, endpoint: &str, identity: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Octets(octets) => Ok(octets.clone()),
            Self::File(file, content) => {
                // The name comes from the network.
                if !endpoint.chars().all(is_part_of_a_file_name) || endpoint.starts_with('.') {
                    return Err(format!("{}: not with this name", file.display()));
                }
                let file = file.to_string_lossy().replace(ENDPOINT, endpoint);
                content.read(Path::new(&file))
            }
            Self::Listed(file, keys) => {
                let identity_shown = String::from_utf8_lossy(identity);
                let missing = || format!("{}: no key of {identity_shown:?}", file.display());
                keys.get(identity).cloned().ok_or_else(missing)
            }
        }
    }
}

/// An identity and the key of it. [`Debug`](fmt::Debug) shows no key.
#[derive(Clone, Debug)]
pub(super) struct PreSharedKey {
    pub(super) identity: Template,
    pub(super) key: Material,
}

impl PreSharedKey {
    pub(super) fn is_fixed(&self) -> bool {
        self.identity.is_fixed() && self.key.is_fixed()
    }
}

const fn is_part_of_a_file_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | ':' | '=' | '@')
}

impl Content {
    fn read(self, file: &Path) -> Result<Vec<u8>, String> {
        let about = |error: String| format!("{}: {error}", file.display());
        let bytes = fs::read(file).map_err(|error| about(error.to_string()))?;
        let octets = match self {
            Self::Hexadecimal => match core::str::from_utf8(&bytes) {
                Ok(digits) => keys::octets(digits.trim()),
                Err(_) => Err("expected hexadecimal digits".to_owned()),
            },
            Self::Der(label) => der(bytes, label),
        };
        octets.map_err(about)
    }
}

/// DER, of what is DER or PEM.
fn der(bytes: Vec<u8>, label: &str) -> Result<Vec<u8>, String> {
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

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Octets(_) => f.write_str("Octets(..)"),
            Self::File(file, _) => write!(f, "File({file:?})"),
            Self::Listed(file, _) => write!(f, "Listed({file:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_the_network_leads_to_no_other_folder() {
        let folder = std::env::temp_dir();
        let material = Material::File(folder.join("no-such-{endpoint}.hex"), Content::Hexadecimal);
        for name in ["../x", "a/b", "a\\b", "..", ".x", "a\0b", "~", "a b", "*"] {
            let told = material.of(name, b"").unwrap_err();
            assert!(told.ends_with("not with this name"), "{told}");
        }
        let told = material.of("urn:dev:1", b"").unwrap_err();
        assert!(told.contains("no-such-urn:dev:1.hex: "), "{told}");
    }

    #[test]
    fn pem_has_the_label_that_is_asked_for() {
        let pem = b"-----BEGIN PUBLIC KEY-----\nAQID\n-----END PUBLIC KEY-----\n";
        assert_eq!(der(pem.to_vec(), "PUBLIC KEY"), Ok(vec![1, 2, 3]));
        let told = der(pem.to_vec(), "CERTIFICATE").unwrap_err();
        assert_eq!(told, "expected CERTIFICATE, found PUBLIC KEY");
        assert_eq!(der(vec![0x30, 0], "CERTIFICATE"), Ok(vec![0x30, 0]));
    }

    #[test]
    fn a_key_is_not_shown() {
        let listed = [(b"a".to_vec(), vec![0xc0, 0xfe])].into_iter().collect();
        let listed = Material::Listed("keys".into(), listed);
        assert_eq!(listed.of("x", b"a"), Ok(vec![0xc0, 0xfe]));
        assert_eq!(listed.of("x", b"b").unwrap_err(), "keys: no key of \"b\"");
        let shown = format!("{listed:?} {:?}", Material::Octets(vec![0xc0, 0xfe]));
        assert_eq!(shown, "Listed(\"keys\") Octets(..)");
    }
}
