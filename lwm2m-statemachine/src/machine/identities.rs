//! The lookup table of proven identities and endpoint names (TS 7.1.5).

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
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
    /// By endpoint name, as certificates may share names: the sets of names that may use it.
    certificate: BTreeMap<Box<str>, BTreeSet<Names>>,
}

/// Endpoint names by the bytes of an identity.
type Rows<K> = BTreeMap<Box<K>, BTreeSet<Box<str>>>;

/// Names of a certificate, in their order, each once; at least one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Names(Box<[Box<str>]>);

impl Names {
    fn new(names: &[&str]) -> Option<Self> {
        let names: BTreeSet<&str> = names.iter().copied().collect();
        let names: Vec<Box<str>> = names.into_iter().map(Box::from).collect();
        (!names.is_empty()).then(|| Self(names.into()))
    }

    /// Whether a certificate with these names has all of them.
    fn are_among(&self, names: &[&str]) -> bool {
        self.0.iter().all(|name| names.contains(&&**name))
    }

    fn are_part_of(&self, others: &Self) -> bool {
        self.0.iter().all(|name| others.0.contains(name))
    }
}

impl IdentityTable {
    /// Allows the holder of this identity to use an endpoint name. Of a certificate, the given names count
    /// together: a certificate that has all of them is allowed, whatever else it has. So a name that many
    /// have, such as that of their fleet, allows nothing as long as it isn't given alone.
    /// [`Identity::None`] proves nothing, and neither does a certificate without names, so they can't be
    /// entered.
    pub fn allow(&mut self, identity: &Identity<'_>, endpoint_name: &str) {
        match identity {
            Identity::None => {}
            Identity::Psk(identity) => add(&mut self.psk, (*identity).into(), endpoint_name),
            Identity::RawPublicKey(key) => {
                add(&mut self.raw_public_key, (*key).into(), endpoint_name);
            }
            Identity::Certificate(names) => {
                if let Some(names) = Names::new(names) {
                    let allowed = self.certificate.entry(endpoint_name.into());
                    allowed.or_default().insert(names);
                }
            }
        }
    }

    /// Takes back what was [allowed](Self::allow): the table no longer [allows](Self::allows) it. Returns
    /// how many pairs of an identity and an endpoint name have gone. A registration that stands isn't
    /// ended, but the client can no longer update it.
    ///
    /// Of a certificate, some of the names that were entered together are enough: for this endpoint name,
    /// all that they are among goes, and so does all that is among them. A name that many certificates have
    /// revokes it for all of them.
    #[must_use = "if it is 0, nothing was revoked"]
    pub fn revoke(&mut self, identity: &Identity<'_>, endpoint_name: &str) -> usize {
        match identity {
            Identity::None => 0,
            Identity::Psk(identity) => remove(&mut self.psk, identity, endpoint_name),
            Identity::RawPublicKey(key) => remove(&mut self.raw_public_key, key, endpoint_name),
            Identity::Certificate(names) => self.revoke_certificate(names, endpoint_name),
        }
    }

    fn revoke_certificate(&mut self, names: &[&str], endpoint_name: &str) -> usize {
        let (Some(given), Some(allowed)) =
            (Names::new(names), self.certificate.get_mut(endpoint_name))
        else {
            return 0;
        };
        let before = allowed.len();
        allowed.retain(|entered| !entered.are_part_of(&given) && !given.are_part_of(entered));
        let after = allowed.len();
        if after == 0 {
            self.certificate.remove(endpoint_name);
        }
        before.saturating_sub(after)
    }

    /// Whether the table allows the holder of this identity to use an endpoint name.
    pub fn allows(&self, identity: &Identity<'_>, endpoint_name: &str) -> bool {
        match identity {
            Identity::None => false,
            Identity::Psk(identity) => has(&self.psk, identity, endpoint_name),
            Identity::RawPublicKey(key) => has(&self.raw_public_key, key, endpoint_name),
            Identity::Certificate(names) => {
                let allowed = self.certificate.get(endpoint_name);
                let mut allowed = allowed.into_iter().flatten();
                allowed.any(|entered| entered.are_among(names))
            }
        }
    }

    /// How many pairs of an identity and an endpoint name there are.
    pub fn len(&self) -> usize {
        let keys = self.psk.values().chain(self.raw_public_key.values());
        let certificates = self.certificate.values().map(BTreeSet::len);
        keys.map(BTreeSet::len).chain(certificates).sum()
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn add<K: Ord + ?Sized>(rows: &mut Rows<K>, key: Box<K>, endpoint_name: &str) {
    rows.entry(key).or_default().insert(endpoint_name.into());
}

/// Returns how many pairs have gone.
fn remove<K: Ord + ?Sized>(rows: &mut Rows<K>, key: &K, endpoint_name: &str) -> usize
where
    Box<K>: Borrow<K>,
{
    let Some(names) = rows.get_mut(key) else {
        return 0;
    };
    let is_removed = names.remove(endpoint_name);
    if names.is_empty() {
        rows.remove(key);
    }
    usize::from(is_removed)
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
                assert_eq!(table.revoke(kind, name), 1);
                assert_eq!(table.revoke(kind, name), 0);
                assert_eq!(table.revoke(kind, "never allowed"), 0);
                assert!(!table.allows(kind, name));
            }
        }
        assert!(table.is_empty());
        assert_eq!(table, IdentityTable::default());
    }

    #[test]
    fn nothing_proven_is_allowed_nothing_and_a_certificate_needs_all_names() {
        let mut table = IdentityTable::default();
        for nothing in [Identity::None, Identity::Certificate(&[])] {
            table.allow(&nothing, "a");
            assert!(table.is_empty() && !table.allows(&nothing, "a"));
            assert_eq!(table.revoke(&nothing, "a"), 0);
        }
        let both = Identity::Certificate(&["cn", "urn:dev:os:1", "cn"]);
        table.allow(&both, "a");
        table.allow(&Identity::Certificate(&["urn:dev:os:1", "cn"]), "a");
        assert_eq!(table.len(), 1);
        for (names, allowed) in [
            (&["cn"][..], false),
            (&["another", "urn:dev:os:1"], false),
            (&["urn:dev:os:1", "another", "cn"], true),
            (&["cn", "cn"], false),
            (&[], false),
        ] {
            let identity = Identity::Certificate(names);
            assert_eq!(table.allows(&identity, "a"), allowed, "{names:?}");
            assert!(!table.allows(&identity, "b"));
        }
        assert!(!table.allows(&Identity::None, "a"));
    }

    #[test]
    fn what_is_revoked_of_a_certificate_is_not_allowed_by_fewer_of_its_names() {
        let all = Identity::Certificate(&["cn", "serial"]);
        let (one, other) = (
            Identity::Certificate(&["serial"]),
            Identity::Certificate(&["other", "cn"]),
        );
        let mut table = IdentityTable::default();
        for identity in [&all, &one, &other] {
            table.allow(identity, "a");
        }
        assert_eq!(table.len(), 3);
        assert_eq!(table.revoke(&all, "b"), 0);
        assert_eq!(table.revoke(&all, "a"), 2);
        assert!(!table.allows(&all, "a") && !table.allows(&one, "a"));
        assert!(table.allows(&other, "a"));
        assert_eq!(table.revoke(&other, "a"), 1);
        assert_eq!(table, IdentityTable::default());
    }

    #[test]
    fn some_of_the_names_that_were_entered_revoke_what_all_of_them_were_allowed() {
        let device = Identity::Certificate(&["serial", "fleet"]);
        let another = Identity::Certificate(&["another", "fleet"]);
        let mut table = IdentityTable::default();
        for identity in [&device, &another] {
            table.allow(identity, "a");
            table.allow(identity, "b");
        }
        // Only some of these were entered together. No names revoke nothing.
        for names in [
            &["serial", "another"][..],
            &["unknown"],
            &["serial", ""],
            &[],
        ] {
            assert_eq!(table.revoke(&Identity::Certificate(names), "a"), 0);
        }
        let serial = Identity::Certificate(&["serial", "serial"]);
        assert_eq!(table.revoke(&serial, "a"), 1);
        assert!(!table.allows(&device, "a") && table.allows(&another, "a"));
        assert!(table.allows(&device, "b"));
        let fleet = Identity::Certificate(&["fleet"]);
        assert_eq!(table.revoke(&fleet, "b"), 2);
        assert_eq!(table.len(), 1);
        assert_eq!(table.revoke(&fleet, "a"), 1);
        assert_eq!(table, IdentityTable::default());
    }
}
