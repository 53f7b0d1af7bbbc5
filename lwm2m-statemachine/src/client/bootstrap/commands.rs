//! The commands of the Bootstrap-Server: Write, Delete and Discover, and the check at the Finish (TS 5.2.6, 5.2.7).

use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

use lwm2m_core::{BindingMode, Code, ContentFormat, ObjectId, Path, Version, codec::Scope};
use lwm2m_linkformat::BootstrapDiscoverWriter;
use lwm2m_objects::{
    Change, Object, ObjectTree,
    bootstrap::{self, CommandChanges, Inconsistency, Unbootstrapped},
};

use super::super::refusal::Refusal;
use crate::{coap::MessageBuf, downlink::payload};

/// What the Bootstrap-Server has changed since it began. The tree holds the changes.
pub(in crate::client) struct Commands {
    /// How many Object Instances there may be.
    most_instances: usize,
    /// What servers have lost with their accounts, if they don't come back (TS E.1.3).
    unbootstrapped: Unbootstrapped,
    /// What reads differently, as far as it has been told.
    changed: BTreeSet<Path>,
    /// The Object Instances that it has written.
    written: BTreeSet<Path>,
}

impl Commands {
    pub(super) fn new(most_instances: usize) -> Self {
        Self {
            most_instances,
            unbootstrapped: Unbootstrapped::default(),
            changed: BTreeSet::new(),
            written: BTreeSet::new(),
        }
    }

    /// Write (TS 5.2.7.4): the decoder pushes into the transaction.
    pub(in crate::client) fn write(
        &mut self,
        tree: &mut ObjectTree,
        path: Path,
        format: Option<ContentFormat>,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let format = format.ok_or(Refusal::Malformed)?;
        let mut transaction = tree.bootstrap_write(path)?;
        payload::decode(format, body, Scope::write(path), tree, &mut transaction)?;
        let changes = transaction.finish()?;
        let instances = changes.iter().filter_map(|change| {
            let path = change.path();
            Some(Path::Instance(path.object()?, path.instance()?))
        });
        let instances: BTreeSet<Path> = instances.collect();
        let command = bootstrap::written(tree, changes)?;
        self.check_room(tree, &command)?;
        self.commit(tree, command)?;
        self.written.extend(instances);
        Ok(())
    }

    /// Delete (TS 5.2.7.5), with what goes with the account of a server (TS E.1.3).
    pub(in crate::client) fn delete(
        &mut self,
        tree: &mut ObjectTree,
        path: Path,
    ) -> Result<(), Refusal> {
        let command = bootstrap::delete(tree, path)?;
        self.commit(tree, command)
    }

    /// Whether the configuration is consistent at the Finish (TS 5.2.6), with the bindings that the Client supports. Servers whose accounts have come back have
    /// their rights again, and a former account of the Bootstrap-Server is purged (TS 5.2.3.3).
    pub(in crate::client) fn settle(
        &mut self,
        tree: &mut ObjectTree,
        supports: impl Fn(&ObjectTree, BindingMode) -> bool,
    ) -> Result<(), Inconsistency> {
        let restored = self.unbootstrapped.restored(tree);
        self.changed.extend(tree.change(restored)?);
        let replaced = bootstrap::replaced(tree)?;
        self.changed.extend(tree.change(replaced)?);
        bootstrap::check(tree, |binding| supports(tree, binding))
    }

    /// The Object Instances that the Bootstrap-Server has written.
    pub(super) fn written(&self) -> Vec<Path> {
        self.written.iter().copied().collect()
    }

    /// All that reads differently, with the Security Object, which nobody reads. The bootstrap is over.
    pub(super) fn take(&mut self) -> Vec<Path> {
        let ended = core::mem::replace(self, Self::new(self.most_instances));
        let mut changed = ended.changed;
        changed.retain(|path| path.object() != Some(ObjectId::SECURITY));
        changed.insert(ObjectId::SECURITY.into());
        changed.into_iter().collect()
    }

    /// Checks that there is room for the Object Instances that a Write makes.
    fn check_room(&self, tree: &ObjectTree, command: &CommandChanges) -> Result<(), Refusal> {
        let is_new = |change: &&Change| matches!(change, Change::Create { .. });
        let new = command.changes().iter().filter(is_new).count();
        let objects = tree.objects();
        let instances = |object: &dyn Object| tree.instances(object.definition().id).count();
        let there: usize = objects.map(instances).sum();
        // What it takes the place of isn't counted twice: a Write that makes none always fits.
        if new > 0 && there.saturating_add(new) > self.most_instances {
            return Err(Refusal::Failed);
        }
        Ok(())
    }

    fn commit(&mut self, tree: &mut ObjectTree, command: CommandChanges) -> Result<(), Refusal> {
        let changed = tree.commit(command.changes())?;
        self.unbootstrapped.follow(command);
        self.changed.extend(changed);
        Ok(())
    }
}

impl fmt::Debug for Commands {
    /// Shows no values, because they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands")
            .field("most_instances", &self.most_instances)
            .field("changed", &self.changed)
            .finish_non_exhaustive()
    }
}

/// Discover (TS 5.2.7.3), never below an alternate path (TS 8.2.2).
pub(in crate::client) fn discover(tree: &ObjectTree, path: Path) -> Result<MessageBuf, Refusal> {
    let objects = bootstrap::discover(tree, path)?;
    let mut answer = MessageBuf::response_with_capacity(Code::CONTENT, 256);
    answer.content_format(ContentFormat::LINK_FORMAT)?;
    let mut links = BootstrapDiscoverWriter::new(answer.payload_mut(), Version::INITIAL);
    for object in objects {
        links.object(object.id(), object.version(), object.instances());
    }
    Ok(answer)
}
