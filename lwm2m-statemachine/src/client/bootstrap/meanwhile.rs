//! What others change while a bootstrap is under way. What follows from it waits: what the Bootstrap-Server has
//! written so far is in the tree, and nobody may learn of it.

use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};
use core::fmt;

use lwm2m_core::{Path, ShortServerId};
use lwm2m_objects::Change;

/// The application's changes while the tree holds those of the Bootstrap-Server. They are rare, and large.
#[derive(Debug, Default)]
pub(in crate::client) struct Meanwhile(Option<Box<Changes>>);

/// The changes of the application.
#[derive(Default)]
pub(in crate::client) struct Changes {
    /// What servers hear of at the end.
    pub(in crate::client) told: News,
    /// What servers hear of with the next Update only (Object 9, Resource 8).
    pub(in crate::client) held: News,
    /// What was changed as a whole, in order, and for which owner. A roll back takes it along.
    pub(in crate::client) own: Vec<Own>,
}

/// What a roll back leaves.
#[derive(Default)]
pub(in crate::client) struct News {
    /// What reads differently.
    pub(in crate::client) paths: BTreeSet<Path>,
    /// The Object Instances of Objects that have come.
    pub(in crate::client) came: Vec<Change>,
}

/// What the application has changed as a whole, and who owns what is new, if it says so.
pub(in crate::client) type Own = (Option<ShortServerId>, Vec<Change>);

impl Meanwhile {
    /// Something reads differently, whoever has changed it. If it `is_held`, the next Update tells it.
    pub(in crate::client) fn changed(
        &mut self,
        paths: impl IntoIterator<Item = Path>,
        is_held: bool,
    ) {
        self.news(is_held).paths.extend(paths);
    }

    /// The application has made changes. Of values that it sets again and again, the last ones are kept.
    pub(in crate::client) fn committed(
        &mut self,
        owner: Option<ShortServerId>,
        changes: Vec<Change>,
    ) {
        let values = only_values(&changes);
        // Earlier ones are made again in vain, unless something else was changed between them.
        let own = &mut self.0.get_or_insert_default().own;
        if let Some(values) = &values {
            let mut at = own.len();
            while let Some(before) = at.checked_sub(1)
                && let Some((_, earlier)) = own.get(before)
                && let Some(earlier) = only_values(earlier)
            {
                if earlier.is_subset(values) {
                    own.remove(before);
                }
                at = before;
            }
        }
        own.push((owner, changes));
    }

    /// Objects have come with these Object Instances. If they are `is_held`, the next Update tells of them.
    pub(in crate::client) fn came(&mut self, created: Vec<Change>, is_held: bool) {
        self.news(is_held).came.extend(created);
    }

    /// The bootstrap is over. Returns all of it.
    pub(in crate::client) fn take(&mut self) -> Changes {
        self.0.take().map(|all| *all).unwrap_or_default()
    }

    fn news(&mut self, is_held: bool) -> &mut News {
        let all = self.0.get_or_insert_default();
        if is_held {
            &mut all.held
        } else {
            &mut all.told
        }
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

impl fmt::Debug for Changes {
    /// Shows no values, because they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("told", &self.told)
            .field("held", &self.held)
            .field("own", &self.own.len())
            .finish()
    }
}

impl fmt::Debug for News {
    /// Shows no values, because they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("News")
            .field("paths", &self.paths)
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
        let own = meanwhile.take().own;
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
        let own = meanwhile.take().own;
        let own: Vec<_> = own.into_iter().map(|(_, changes)| changes).collect();
        assert_eq!(own, all.map(Vec::from));
    }
}
