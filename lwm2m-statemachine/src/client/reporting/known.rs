//! What many observations have in common is looked up once: while the reporting is called, neither the
//! tree nor the attributes change.

use alloc::vec::Vec;

use lwm2m_core::{ContentFormat, DefaultPeriods, Path, ShortServerId};

use super::view::Observed;

/// What the observations of a few servers and paths have in common.
#[derive(Debug, Default)]
pub(in crate::client) struct Known {
    pub(super) periods: Recent<ShortServerId, DefaultPeriods>,
    pub(super) observed: Recent<(ShortServerId, Path), Observed>,
    pub(super) bodies: Bodies,
}

/// What was looked up last, by key.
#[derive(Debug)]
pub(super) struct Recent<K, V>([Option<(K, V)>; 4]);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self([const { None }; 4])
    }
}

impl<K: PartialEq, V> Recent<K, V> {
    fn find(&mut self, key: &K) -> Option<&mut V> {
        let mut known = self.0.iter_mut().flatten();
        let found = known.find(|(known, _)| known == key);
        found.map(|(_, value)| value)
    }

    /// Keeps a value, in the place of the one that was put first.
    fn put(&mut self, key: K, value: V) {
        self.0.rotate_right(1);
        let [latest, ..] = &mut self.0;
        *latest = Some((key, value));
    }
}

impl<K: Copy + PartialEq, V: Copy> Recent<K, V> {
    /// The value of a key, looked up if it isn't known.
    pub(super) fn get(&mut self, key: K, look_up: impl FnOnce() -> V) -> V {
        if let Some(known) = self.find(&key) {
            return *known;
        }
        let value = look_up();
        self.put(key, value);
        value
    }
}

/// What the payload of a notification depends on. A server gets only what it may read.
pub(super) type BodyKey = (ShortServerId, Path, ContentFormat);

/// The payloads of the last notifications. The one that many observations get is encoded twice: only
/// the second time it is kept.
#[derive(Debug, Default)]
pub(super) struct Bodies(Recent<BodyKey, Option<Vec<u8>>>);

impl Bodies {
    /// The payload, if it is known.
    pub(super) fn find(&mut self, key: BodyKey) -> Option<&[u8]> {
        self.0.find(&key)?.as_deref()
    }

    /// A payload was encoded.
    pub(super) fn encoded(&mut self, key: BodyKey, payload: &[u8]) {
        match self.0.find(&key) {
            Some(body) => *body = Some(payload.to_vec()),
            None => self.0.put(key, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_values_are_looked_up_once() {
        let mut recent = Recent::default();
        let mut looks = Vec::new();
        for key in [1, 2, 1, 3, 4, 1, 2, 5, 2, 1] {
            let value = recent.get(key, || {
                looks.push(key);
                10 * key
            });
            assert_eq!(value, 10 * key);
        }
        assert_eq!(looks, [1, 2, 3, 4, 5, 1]);
    }

    /// A payload that only one observation gets isn't copied.
    #[test]
    fn a_payload_is_kept_when_it_is_wanted_again() {
        let key = |path: &str, format| {
            let server = ShortServerId::new(1).unwrap();
            (server, path.parse::<Path>().unwrap(), format)
        };
        let tlv = key("/3/0", ContentFormat::TLV);
        let mut bodies = Bodies::default();
        for expected in [None, None, Some(&b"body"[..])] {
            assert_eq!(bodies.find(tlv), expected);
            if expected.is_none() {
                bodies.encoded(tlv, b"body");
            }
        }
        assert_eq!(bodies.find(key("/3/0", ContentFormat::JSON)), None);
        assert_eq!(bodies.find(key("/3", ContentFormat::TLV)), None);
    }
}
