//! The lookup table of proven identities and endpoint names (TS 7.1.5).

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
};
use core::borrow::Borrow;

use super::transport::Identity;

/// Which endpoint names the holders of proven identities may use, as a table: the "dedicated lookup
/// table" of TS 7.1.5. It is for identities that aren't the endpoint name: a raw public key, the key of
/// a gateway, a certificate with a serial number.
///
/// It grows only by what the application enters.
///
/// ```
/// use lwm2m_statemachine::{Identity, IdentityTable};
///
/// let key = Identity::RawPublicKey(b"SubjectPublicKeyInfo");
/// let mut table = IdentityTable::default();
/// table.allow(&key, "urn:dev:os:32473-1");
/// assert!(table.allows(&key, "urn:dev:os:32473-1"));
/// assert!(!table.allows(&key, "urn:dev:os:32473-2"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityTable {
    psk: Rows<[u8]>,
    raw_public_key: Rows<[u8]>,
    certificate: Rows<str>,
}

/// Endpoint names by the bytes of an identity.
type Rows<K> = BTreeMap<Box<K>, BTreeSet<Box<str>>>;

impl IdentityTable {
    /// Allows the holder of this identity to use an endpoint name. Of a certificate, each of the given
    /// names counts alone: a certificate that has any of them is allowed. [`Identity::None`] proves
    /// nothing, so it can't be entered.
    pub fn allow(&mut self, identity: &Identity<'_>, endpoint_name: &str) {
        match identity {
            Identity::None => {}
            Identity::Psk(identity) => add(&mut self.psk, (*identity).into(), endpoint_name),
            Identity::RawPublicKey(key) => {
                add(&mut self.raw_public_key, (*key).into(), endpoint_name);
            }
            Identity::Certificate(names) => {
                for name in *names {
                    add(&mut self.certificate, (*name).into(), endpoint_name);
                }
            }
        }
    }

    /// Takes back what was [allowed](Self::allow). A registration that stands isn't ended, but the
    /// client can no longer update it.
    pub fn revoke(&mut self, identity: &Identity<'_>, endpoint_name: &str) {
        match identity {
            Identity::None => {}
            Identity::Psk(identity) => remove(&mut self.psk, identity, endpoint_name),
            Identity::RawPublicKey(key) => remove(&mut self.raw_public_key, key, endpoint_name),
            Identity::Certificate(names) => {
                for name in *names {
                    remove(&mut self.certificate, name, endpoint_name);
                }
            }
        }
    }

    /// Whether the table allows the holder of this identity to use an endpoint name.
    pub fn allows(&self, identity: &Identity<'_>, endpoint_name: &str) -> bool {
        match identity {
            Identity::None => false,
            Identity::Psk(identity) => has(&self.psk, identity, endpoint_name),
            Identity::RawPublicKey(key) => has(&self.raw_public_key, key, endpoint_name),
            Identity::Certificate(names) => {
                let mut names = names.iter();
                names.any(|name| has(&self.certificate, name, endpoint_name))
            }
        }
    }

    /// How many pairs of an identity, or of a name of a certificate, and an endpoint name there are.
    pub fn len(&self) -> usize {
        let keys = self.psk.values().chain(self.raw_public_key.values());
        keys.chain(self.certificate.values())
            .map(BTreeSet::len)
            .sum()
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn add<K: Ord + ?Sized>(rows: &mut Rows<K>, key: Box<K>, endpoint_name: &str) {
    rows.entry(key).or_default().insert(endpoint_name.into());
}

fn remove<K: Ord + ?Sized>(rows: &mut Rows<K>, key: &K, endpoint_name: &str)
where
    Box<K>: Borrow<K>,
{
    if let Some(names) = rows.get_mut(key) {
        names.remove(endpoint_name);
        if names.is_empty() {
            rows.remove(key);
        }
    }
}

fn has<K: Ord + ?Sized>(rows: &Rows<K>, key: &K, endpoint_name: &str) -> bool {
    rows.get(key)
        .is_some_and(|names| names.contains(endpoint_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_identities_are_told_apart_and_rows_go_with_their_last_name() {
        let kinds = [
            Identity::Psk(b"one"),
            Identity::RawPublicKey(b"one"),
            Identity::Certificate(&["one"]),
        ];
        let mut table = IdentityTable::default();
        for (at, kind) in kinds.iter().enumerate() {
            table.allow(kind, "a");
            table.allow(kind, "b");
            for (other, kind) in kinds.iter().enumerate() {
                assert_eq!(table.allows(kind, "a"), other <= at);
            }
            assert!(!table.allows(kind, "one") && !table.allows(kind, ""));
        }
        assert_eq!(table.len(), 6);
        for name in ["a", "b"] {
            for kind in &kinds {
                table.revoke(kind, name);
                table.revoke(kind, "never allowed");
                assert!(!table.allows(kind, name));
            }
        }
        assert!(table.is_empty());
        assert_eq!(table, IdentityTable::default());
    }

    #[test]
    fn nothing_proven_is_allowed_nothing_and_any_name_of_a_certificate_counts() {
        let mut table = IdentityTable::default();
        table.allow(&Identity::None, "a");
        table.allow(&Identity::Certificate(&["cn", "urn:dev:os:1"]), "a");
        assert_eq!(table.len(), 2);
        for (names, allowed) in [
            (&["cn"][..], true),
            (&["another", "urn:dev:os:1"], true),
            (&["another"], false),
            (&[], false),
        ] {
            assert_eq!(table.allows(&Identity::Certificate(names), "a"), allowed);
        }
        assert!(!table.allows(&Identity::None, "a"));
    }
}
