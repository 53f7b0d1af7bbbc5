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

    /// The application has made changes. Of values that it sets again and again, the last ones are kept.
    pub(in crate::client) fn committed(
        &mut self,
        owner: Option<ShortServerId>,
        changes: Vec<Change>,
    ) {
        let values = only_values(&changes);
        // Earlier ones are made again in vain, unless something else was changed between them.
        if let Some(values) = &values {
            let mut at = self.own.len();
            while let Some(before) = at.checked_sub(1)
                && let Some((_, earlier)) = self.own.get(before)
                && let Some(earlier) = only_values(earlier)
            {
                if earlier.is_subset(values) {
                    self.own.remove(before);
                }
                at = before;
            }
        }
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

/// The paths of these changes, if they do nothing but set values.
fn only_values(changes: &[Change]) -> Option<BTreeSet<Path>> {
    let paths = changes.iter().map(|change| match change {
        Change::Set { path, .. } => Some(*path),
        _ => None,
    });
    paths.collect()
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

#[cfg(test)]
mod tests {
    use lwm2m_core::Value;

    use super::*;

    fn set(path: &str, value: i64) -> Change {
        let path = path.parse().unwrap();
        let value = Value::Integer(value);
        Change::Set { path, value }
    }

    #[test]
    fn of_values_that_are_set_again_the_last_ones_are_kept() {
        let mut meanwhile = Meanwhile::default();
        for value in 0..1000 {
            meanwhile.committed(None, [set("/3/0/9", value)].into());
            meanwhile.committed(None, [set("/3/0/9", value), set("/3/0/13", value)].into());
            meanwhile.committed(None, [set("/3/0/10", value)].into());
        }
        let both = (None, [set("/3/0/9", 999), set("/3/0/13", 999)].into());
        let (_, own, _) = meanwhile.take();
        assert_eq!(own, [both, (None, [set("/3/0/10", 999)].into())]);
    }

    #[test]
    fn what_is_set_before_an_object_instance_goes_and_comes_stays_before_it() {
        let mut meanwhile = Meanwhile::default();
        let path = "/6/0".parse().unwrap();
        let all = [
            [set("/6/0/0", 1)],
            [Change::Delete { path }],
            [set("/6/0/0", 2)],
        ];
        for changes in &all {
            meanwhile.committed(None, changes.to_vec());
        }
        let (_, own, _) = meanwhile.take();
        let own: Vec<_> = own.into_iter().map(|(_, changes)| changes).collect();
        assert_eq!(own, all.map(Vec::from));
    }
}
