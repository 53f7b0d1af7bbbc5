//! What others change while a bootstrap is under way. What follows from it waits: what the Bootstrap-Server has
//! written so far is in the tree, and nobody may learn of it.

use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

use lwm2m_core::{Path, ShortServerId};
use lwm2m_objects::Change;

/// The application's changes while the tree holds those of the Bootstrap-Server.
#[derive(Default)]
pub(in crate::client) struct Meanwhile {
    /// What reads differently.
    paths: BTreeSet<Path>,
    /// What was changed as a whole, in order, and for which owner. A roll back takes it along.
    own: Vec<Own>,
    /// The Object Instances of Objects that have come. A roll back leaves them.
    came: Vec<Change>,
}

/// What the application has changed as a whole, and who owns what is new, if it says so.
pub(in crate::client) type Own = (Option<ShortServerId>, Vec<Change>);

impl Meanwhile {
    /// Something reads differently, whoever has changed it.
    pub(in crate::client) fn changed(&mut self, paths: impl IntoIterator<Item = Path>) {
        self.paths.extend(paths);
    }

    /// The application has made changes.
    pub(in crate::client) fn committed(
        &mut self,
        owner: Option<ShortServerId>,
        changes: Vec<Change>,
    ) {
        self.own.push((owner, changes));
    }

    /// Objects have come with these Object Instances.
    pub(in crate::client) fn came(&mut self, created: Vec<Change>) {
        self.came.extend(created);
    }

    /// The bootstrap is over. Returns all of it.
    pub(in crate::client) fn take(&mut self) -> (BTreeSet<Path>, Vec<Own>, Vec<Change>) {
        let Self { paths, own, came } = core::mem::take(self);
        (paths, own, came)
    }
}

impl fmt::Debug for Meanwhile {
    /// Shows no values, because they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meanwhile")
            .field("paths", &self.paths)
            .field("own", &self.own.len())
            .field("came", &self.came.len())
            .finish()
    }
}
