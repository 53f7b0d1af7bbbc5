//! Applying what a smartcard has to the tree, and taking away what it no longer has (TS 5.2.3.2).

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use lwm2m_core::{
    BindingMode, ObjectId, Path, ShortServerId, Version,
    codec::{DecodeFailure, Scope},
};
use lwm2m_objects::{
    Change, CheckedChanges, ObjectTree, WriteError,
    bootstrap::{self, CommandChanges, Expected, Inconsistency, Unbootstrapped},
};
use lwm2m_tlv::decode;
use thiserror::Error;

use super::{
    contents::{CardChanges, CardContents},
    file::{BootstrapFile, CardInstance, FileError, FileProblem},
};

/// Has the tree follow the card: applies what the card has that is new, and takes away what came from
/// the card and is changed or gone (TS 5.2.3.2). Ask at the start, and at each Register and Update of a
/// server that [comes from the card](CardContents::provides_account), before anything is sent.
///
/// `before` is what the last refresh returned; nothing at first. `file` is the bootstrap file that the
/// card has now. It is `None` if there is none, or no card: all that came from it is deleted. `supports`
/// says which bindings the Client supports.
///
/// The file goes the way of a Bootstrap-Write. It is applied whole, if the tree is
/// [consistent](bootstrap::check) with it, or not at all. What was inconsistent before, and isn't written
/// by the card, doesn't count. What is the same as before isn't written again, so that what servers have
/// set stays. If a file can't be applied, what came from the card and isn't there any more or is there
/// with other contents is deleted all the same: it must not be used.
///
/// ```
/// use lwm2m_objects::{ObjectTree, SECURITY, SERVER, Store};
/// use lwm2m_statemachine::smartcard::{self, CardContents};
///
/// let mut tree = ObjectTree::new();
/// tree.add(Store::new(&SECURITY).supporting(0..=12));
/// tree.add(Store::new(&SERVER).supporting(0..=8));
/// let file = b"\x00\x02\x00\x35\
///     \x00\x00\x00\x00\x19\x08\x00\x16\
///     \xC5\x00coap:\xC1\x01\x00\xC1\x02\x03\xC0\x03\xC0\x04\xC0\x05\xC1\x0A\x65\
///     \x00\x01\x00\x00\x12\x08\x00\x0F\
///     \xC1\x00\x65\xC4\x01\x00\x01\x51\x80\xC1\x06\x00\xC1\x07U";
/// let nothing = CardContents::default();
/// let refreshed = smartcard::refresh(&mut tree, &nothing, Some(file), |_| true)?;
/// let refused = refreshed.refused.expect("the URI has no host");
/// assert!(refused.to_string().starts_with("/0/0/0: expected the URI of a server"));
/// assert_eq!(tree.get("/1/0/0".parse()?), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`BootstrapUnderWay`] if the card has changed while the commits of a bootstrap are
/// [held](ObjectTree::hold); ask again afterwards.
pub fn refresh(
    tree: &mut ObjectTree,
    before: &CardContents,
    file: Option<&[u8]>,
    supports: impl Fn(BindingMode) -> bool,
) -> Result<Refreshed, BootstrapUnderWay> {
    if tree.is_holding() {
        return unchanged(before, file);
    }
    // What the tree has lost is as if it had never come from the card.
    let before = &before.clone().within(tree);
    let decoded = file.map_or(Ok(BootstrapFile::default()), BootstrapFile::decode);
    let (now, refused) = match decoded {
        Ok(file) => {
            let mut now = CardContents::of(&file).after(before);
            let mut changes = before.compare(&now);
            if changes.has_news() {
                changes.add(now.reclaim(tree));
            }
            match apply(tree, &file, &now, &changes, supports) {
                Ok(followed) => return Ok(followed.refreshed(now, changes, None)),
                Err(refused) => (now, refused),
            }
        }
        // Nothing of before is there any more.
        Err(error) => (CardContents::default(), Refused::File(error)),
    };
    Ok(disable(tree, before, &now, refused))
}

/// What a [`refresh`] has done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refreshed {
    /// What the tree has from the card now, for the next refresh.
    pub contents: CardContents,
    /// How the card differed from what it was. If this is empty, nothing has happened.
    pub changes: CardChanges,
    /// The servers whose accounts are gone, in ascending order. Their observations end (TS E.1.3).
    pub servers: Vec<ShortServerId>,
    /// What reads differently to servers, as by [`ObjectTree::commit`]. A path may be there twice.
    pub paths: Vec<Path>,
    /// Why the file wasn't applied. Then what is added in [`changes`](Self::changes) isn't in the tree,
    /// and what is changed or removed was deleted.
    pub refused: Option<Refused>,
}

/// Why a bootstrap file isn't applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// The file isn't one, or a value isn't of the data type of its Resource.
    #[error("{0}")]
    File(#[from] FileError),
    /// The version of an Object has another major number than the Client's.
    #[error("Object {object} of version {card} on the card, expected {}.x", .client.major)]
    Version {
        /// Which Object.
        object: ObjectId,
        /// Its version on the card.
        card: Version,
        /// Its version in the tree.
        client: Version,
    },
    /// The tree doesn't take it.
    #[error("{0}")]
    Write(#[from] WriteError),
    /// With it, the configuration would not be consistent (TS 5.2.6).
    #[error("{0}")]
    Inconsistent(#[from] Inconsistency),
}

/// A bootstrap is under way, so what has changed on the card has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a bootstrap is under way")]
pub struct BootstrapUnderWay;

/// While a bootstrap is under way, the card may only be what it was.
fn unchanged(before: &CardContents, file: Option<&[u8]>) -> Result<Refreshed, BootstrapUnderWay> {
    let file = file.map_or(Ok(BootstrapFile::default()), BootstrapFile::decode);
    let now = CardContents::of(&file.map_err(|_| BootstrapUnderWay)?).after(before);
    let changes = before.compare(&now);
    if !changes.is_empty() {
        return Err(BootstrapUnderWay);
    }
    Ok(Followed::default().refreshed(now, changes, None))
}

/// Applies a file whole, or not at all.
fn apply(
    tree: &mut ObjectTree,
    file: &BootstrapFile<'_>,
    now: &CardContents,
    changes: &CardChanges,
    supports: impl Fn(BindingMode) -> bool,
) -> Result<Followed, Refused> {
    if changes.is_empty() {
        return Ok(Followed::default());
    }
    let known = inconsistencies(tree, &supports);
    tree.hold();
    let applied = try_apply(tree, file, now, changes, &known, supports);
    if applied.is_ok() {
        tree.keep();
    } else {
        tree.roll_back();
    }
    applied
}

fn try_apply(
    tree: &mut ObjectTree,
    file: &BootstrapFile<'_>,
    now: &CardContents,
    changes: &CardChanges,
    known: &[Inconsistency],
    supports: impl Fn(BindingMode) -> bool,
) -> Result<Followed, Refused> {
    let mut followed = Followed::default();
    // All at once: servers may have changed places.
    followed.write(tree, file, |path| changes.write(path))?;
    followed.delete_all(tree, &changes.removed)?;
    // Other Object Instances of the card may have gone with a server that it no longer has. The file is
    // applied whole, so they come back, and the check looks at them.
    let lost: Vec<Path> = now.missing(tree).collect();
    followed.write(tree, file, |path| lost.binary_search(&path).is_ok())?;
    followed.change(tree, followed.gone.restored(tree))?;
    followed.change(tree, bootstrap::replaced(tree)?)?;
    if !file.is_empty() {
        let writes = |path| changes.write(path) || lost.binary_search(&path).is_ok();
        check(tree, known, writes, supports)?;
    }
    followed.servers = followed.gone.servers(tree).collect();
    Ok(followed)
}

/// The Bootstrap-Writes of some of the Object Instances of a file.
fn written(
    tree: &ObjectTree,
    file: &BootstrapFile<'_>,
    which: impl Fn(Path) -> bool,
) -> Result<CheckedChanges, Refused> {
    let mut transaction = tree.transaction();
    for instance in file.instances().filter(|instance| which(instance.path())) {
        let path = instance.path();
        check_version(tree, &instance)?;
        transaction.bootstrap_write(path)?;
        let decoded = decode(
            instance.resources,
            Scope::write(path),
            tree,
            &mut transaction,
        );
        decoded.map_err(|failure| match failure {
            DecodeFailure::Malformed(error) => {
                let offset = instance.offset.saturating_add(error.offset);
                FileProblem::Tlv(error.problem).at(offset).into()
            }
            DecodeFailure::Sink(error) => Refused::Write(error),
        })?;
    }
    Ok(transaction.finish()?)
}

/// The Objects that the LwM2M Enabler defines (TS E).
const OBJECTS_OF_ENABLER: RangeInclusive<u16> = 0..=7;

/// Versions of one major number are compatible (TS 6.2.2). Where the file leaves the version open, it is
/// 1.0, but of an Object of the LwM2M Enabler it is whichever that defines (TS G.3.3).
fn check_version(tree: &ObjectTree, instance: &CardInstance<'_>) -> Result<(), Refused> {
    let object = instance.object;
    let card = match instance.version {
        None if OBJECTS_OF_ENABLER.contains(&object.get()) => return Ok(()),
        version => version.unwrap_or_default(),
    };
    match tree.definition(object).map(|definition| definition.version) {
        Some(client) if client.major != card.major => Err(Refused::Version {
            object,
            card,
            client,
        }),
        // An Object that isn't there is for the Bootstrap-Write to refuse.
        _ => Ok(()),
    }
}

/// What is inconsistent in the tree.
fn inconsistencies(
    tree: &ObjectTree,
    supports: impl Fn(BindingMode) -> bool,
) -> Vec<Inconsistency> {
    let mut found = Vec::new();
    let all = bootstrap::check_except(tree, supports, |one| {
        found.push(*one);
        true
    });
    debug_assert_eq!(all, Ok(()), "all of it is passed over");
    found
}

/// The check at a Finish. What was known before isn't held against the card, as far as the card doesn't
/// write it. A card may have the account of a Bootstrap-Server alone (TS 5.2.2).
fn check(
    tree: &ObjectTree,
    known: &[Inconsistency],
    writes: impl Fn(Path) -> bool,
    supports: impl Fn(BindingMode) -> bool,
) -> Result<(), Refused> {
    let has_account = tree.instances(ObjectId::SECURITY).next().is_some();
    let is_written = |path: Path| match (path.object(), path.instance()) {
        (Some(object), Some(instance)) => writes(Path::Instance(object, instance)),
        _ => false,
    };
    let passes = |found: &Inconsistency| match found.expected {
        Expected::ServerAccount => has_account,
        _ => known.contains(found) && !is_written(found.path),
    };
    Ok(bootstrap::check_except(tree, supports, passes)?)
}

/// Deletes what came from the card and is changed or gone.
fn disable(
    tree: &mut ObjectTree,
    before: &CardContents,
    now: &CardContents,
    refused: Refused,
) -> Refreshed {
    let changes = before.compare(now);
    let mut followed = Followed::default();
    for path in changes.removed.iter().chain(&changes.changed) {
        // What an Object refuses to delete stays the card's, and the next refresh tries again.
        let _ = followed.delete(tree, *path);
    }
    followed.servers = followed.gone.servers(tree).collect();
    let contents = before.clone().within(tree);
    followed.refreshed(contents, changes, Some(refused))
}

/// What was done to the tree so far.
#[derive(Default)]
struct Followed {
    gone: Unbootstrapped,
    servers: Vec<ShortServerId>,
    paths: Vec<Path>,
}

impl Followed {
    fn commit(&mut self, tree: &mut ObjectTree, command: CommandChanges) -> Result<(), WriteError> {
        self.paths.extend(tree.commit(command.changes())?);
        self.gone.follow(command);
        Ok(())
    }

    fn write(
        &mut self,
        tree: &mut ObjectTree,
        file: &BootstrapFile<'_>,
        which: impl Fn(Path) -> bool,
    ) -> Result<(), Refused> {
        let written = written(tree, file, which)?;
        let command = bootstrap::written(tree, written)?;
        Ok(self.commit(tree, command)?)
    }

    fn change(&mut self, tree: &mut ObjectTree, changes: Vec<Change>) -> Result<(), WriteError> {
        self.paths.extend(tree.change(changes)?);
        Ok(())
    }

    /// Deletes Object Instances. The last ones are the first: rights of the card's that would go with a
    /// server have to go by their own name, or they would come back with it.
    fn delete_all(&mut self, tree: &mut ObjectTree, paths: &[Path]) -> Result<(), WriteError> {
        let mut paths = paths.iter().rev();
        paths.try_for_each(|path| self.delete(tree, *path))
    }

    /// Deletes an Object Instance, with what follows from it. The single instance of a mandatory Object
    /// stays (TS D.1).
    fn delete(&mut self, tree: &mut ObjectTree, path: Path) -> Result<(), WriteError> {
        match bootstrap::delete(tree, path) {
            Ok(command) => self.commit(tree, command),
            // By its name it can't be deleted. But the card may take its own account back.
            Err(bootstrap::Refusal::Stays(_)) if path.object() == Some(ObjectId::SECURITY) => {
                self.change(tree, Vec::from([Change::Delete { path }]))
            }
            Err(bootstrap::Refusal::Changes(error)) => Err(error),
            // It went with its server, or it stays.
            Err(_) => Ok(()),
        }
    }

    fn refreshed(
        self,
        contents: CardContents,
        changes: CardChanges,
        refused: Option<Refused>,
    ) -> Refreshed {
        Refreshed {
            contents,
            changes,
            servers: self.servers,
            paths: self.paths,
            refused,
        }
    }
}
