//! What a smartcard has provisioned, and how that differs from what it has now (TS 5.2.3.2).

use alloc::{collections::BTreeMap, vec::Vec};
use core::{fmt, hash::Hasher};

use lwm2m_core::{InstanceId, ObjectId, Path};
use lwm2m_objects::{Account, ObjectTree};
use siphasher::sip128::{Hasher128, SipHasher24};

use super::file::{BootstrapFile, CardInstance};

/// The Object Instances that a smartcard has provisioned, each with a fingerprint of what it was on
/// the card. So a Client knows which Object Instances come from the card, and whether the card still
/// has the same, whatever servers have written to them since.
///
/// Save it with the values of the tree, so that what a removed card has left is deleted after a
/// restart, too.
///
/// It has no values, and [`Debug`](fmt::Debug) shows only paths.
///
/// ```
/// use lwm2m_statemachine::smartcard::{BootstrapFile, CardContents};
///
/// let lifetime = |seconds| [0, 1, 0, 10, 0, 1, 0, 0, 5, 0x03, 0, 0xC1, 1, seconds];
/// let (before, now) = (lifetime(60), lifetime(90));
/// let of = |file| CardContents::of(&BootstrapFile::decode(file).unwrap());
/// assert!(of(&before).compare(&of(&before)).is_empty());
/// let changes = of(&before).compare(&of(&now));
/// assert_eq!(changes.changed, ["/1/0".parse()?]);
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(from = "Vec<(Place, Known)>", into = "Vec<(Place, Known)>")
)]
pub struct CardContents {
    known: BTreeMap<Place, Known>,
}

type Place = (ObjectId, InstanceId);

/// What is known of an Object Instance of the card.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Known {
    /// Of its version and its Resources on the card.
    fingerprint: (u64, u64),
    /// Whether what the tree has is no longer the card's.
    superseded: bool,
}

/// How the contents of a card differ from those of before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardChanges {
    /// Object Instances that the card didn't have.
    pub added: Vec<Path>,
    /// Object Instances that the card has with other contents.
    pub changed: Vec<Path>,
    /// Object Instances from the card that it no longer has.
    pub removed: Vec<Path>,
}

impl CardContents {
    /// What a file has.
    pub fn of(file: &BootstrapFile<'_>) -> Self {
        let known = file.instances().map(|instance| {
            let known = Known {
                fingerprint: fingerprint(&instance),
                superseded: false,
            };
            ((instance.object, instance.instance), known)
        });
        Self {
            known: known.collect(),
        }
    }

    /// The Object Instances of the tree that come from the card, in ascending order.
    pub fn paths(&self) -> impl Iterator<Item = Path> {
        let known = self.known.iter().filter(|(_, known)| !known.superseded);
        known.map(|(place, _)| path_of(*place))
    }

    /// Whether an Object Instance of the tree comes from the card.
    pub fn provides(&self, object: ObjectId, instance: InstanceId) -> bool {
        let known = self.known.get(&(object, instance));
        known.is_some_and(|known| !known.superseded)
    }

    /// Whether a LwM2M Server was provisioned from the card: one of the two Object Instances of its
    /// account comes from it. At each Register and Update of such a server the Client looks whether
    /// the card still has the same (TS 5.2.3.2).
    pub fn provides_account(&self, account: &Account) -> bool {
        self.provides(ObjectId::SECURITY, account.security_instance)
            || self.provides(ObjectId::SERVER, account.server_instance)
    }

    /// Whether no Object Instance of the tree comes from the card.
    pub fn is_empty(&self) -> bool {
        self.paths().next().is_none()
    }

    /// Notes that a Bootstrap-Server has written or deleted an Object Instance, or that a server has
    /// deleted it. It is no longer the card's, until the card has something else for it; if it was
    /// deleted, until the card has anything else.
    pub fn supersede(&mut self, object: ObjectId, instance: InstanceId) {
        if let Some(known) = self.known.get_mut(&(object, instance)) {
            known.superseded = true;
        }
    }

    /// How what the card has now differs from this.
    pub fn compare(&self, now: &Self) -> CardChanges {
        let mut changes = CardChanges::default();
        for (place, known) in &now.known {
            match self.known.get(place) {
                None => changes.added.push(path_of(*place)),
                Some(before) if before.fingerprint != known.fingerprint => {
                    // What isn't the card's is not taken away, but overwritten.
                    let list = if before.superseded {
                        &mut changes.added
                    } else {
                        &mut changes.changed
                    };
                    list.push(path_of(*place));
                }
                Some(_) => {}
            }
        }
        let gone = self.paths().filter(|path| !now.has(*path));
        changes.removed.extend(gone);
        changes
    }

    /// These contents, in which what is [superseded](Self::supersede) before stays so if it is the
    /// same now.
    pub(super) fn after(mut self, before: &Self) -> Self {
        for (place, known) in &mut self.known {
            let same = before.known.get(place);
            let same = same.filter(|before| before.fingerprint == known.fingerprint);
            known.superseded |= same.is_some_and(|before| before.superseded);
        }
        self
    }

    /// Takes back what was deleted since it came from the card, as the card has something new. Returns
    /// it.
    pub(super) fn reclaim(&mut self, tree: &ObjectTree) -> Vec<Path> {
        let mut reclaimed = Vec::new();
        for (place, known) in &mut self.known {
            let path = path_of(*place);
            if known.superseded && tree.locate(path).is_none() {
                known.superseded = false;
                reclaimed.push(path);
            }
        }
        reclaimed
    }

    /// The Object Instances from the card that the tree doesn't have, in ascending order.
    pub(super) fn missing(&self, tree: &ObjectTree) -> impl Iterator<Item = Path> {
        self.paths().filter(|path| tree.locate(*path).is_none())
    }

    /// These contents without what the tree doesn't have.
    pub(super) fn within(mut self, tree: &ObjectTree) -> Self {
        self.known
            .retain(|place, known| known.superseded || tree.locate(path_of(*place)).is_some());
        self
    }

    fn has(&self, path: Path) -> bool {
        let place = path.object().zip(path.instance());
        place.is_some_and(|place| self.known.contains_key(&place))
    }
}

impl CardChanges {
    /// Whether the card has what it had.
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// Whether anything is to be written.
    pub(super) const fn has_news(&self) -> bool {
        !self.added.is_empty() || !self.changed.is_empty()
    }

    /// More that is new.
    pub(super) fn add(&mut self, paths: Vec<Path>) {
        self.added.extend(paths);
        self.added.sort_unstable();
    }

    /// Whether an Object Instance is to be written.
    pub(super) fn write(&self, path: Path) -> bool {
        // Both lists are in ascending order.
        let mut lists = [&self.added, &self.changed].into_iter();
        lists.any(|list| list.binary_search(&path).is_ok())
    }

    /// Whether the account of a server isn't any more what it was: one of its Object Instances is
    /// changed or removed. The server must not be sent anything with the account of before.
    pub fn concern(&self, account: &Account) -> bool {
        let of_account = [
            Path::Instance(ObjectId::SECURITY, account.security_instance),
            Path::Instance(ObjectId::SERVER, account.server_instance),
        ];
        let mut gone = self.changed.iter().chain(&self.removed);
        gone.any(|path| of_account.contains(path))
    }
}

const fn path_of((object, instance): Place) -> Path {
    Path::Instance(object, instance)
}

/// A fingerprint of what the card has of an Object Instance. It has to be the same after a restart,
/// so its key is fixed. Only the card's issuer could find two contents with the same one, and gains
/// nothing by it.
fn fingerprint(instance: &CardInstance<'_>) -> (u64, u64) {
    let mut hasher = SipHasher24::new_with_keys(0, 0);
    match instance.version {
        Some(version) => hasher.write(&[version.major, version.minor]),
        None => hasher.write(&[0]),
    }
    hasher.write(instance.resources);
    hasher.finish128().as_u64()
}

impl fmt::Debug for CardContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.paths()).finish()
    }
}

#[cfg(feature = "serde")]
impl From<Vec<(Place, Known)>> for CardContents {
    fn from(known: Vec<(Place, Known)>) -> Self {
        Self {
            known: known.into_iter().collect(),
        }
    }
}

#[cfg(feature = "serde")]
impl From<CardContents> for Vec<(Place, Known)> {
    fn from(contents: CardContents) -> Self {
        contents.known.into_iter().collect()
    }
}
