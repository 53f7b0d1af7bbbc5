//! A batch of changes that a commit, an Object or the application has made. What follows from them is
//! decided for all at once.

use alloc::vec::Vec;

use lwm2m_core::{ObjectId, Path};
use lwm2m_objects::ObjectTree;

/// The paths of changes that servers can see.
#[derive(Debug)]
pub(super) struct Changed {
    /// In ascending order: what is below a path follows it.
    paths: Vec<Path>,
    /// Whether there are others in the Objects that make up accounts.
    accounts: bool,
    /// Whether there are others in the Security Object.
    security: bool,
}

impl Changed {
    /// Those of these paths that servers can read, by the definition.
    pub(super) fn of(tree: &ObjectTree, paths: impl IntoIterator<Item = Path>) -> Self {
        let (mut security, mut server) = (false, false);
        let paths = paths.into_iter().inspect(|path| {
            let object = path.object();
            // The root is above all Objects.
            security |= object.is_none_or(|id| id == ObjectId::SECURITY);
            server |= object.is_none_or(|id| id == ObjectId::SERVER);
        });
        let readable = |path: &Path| {
            let resource = tree.target(*path).resource();
            resource.is_none_or(|resource| resource.operations.readable())
        };
        let paths = sorted(paths.filter(readable));
        Self {
            paths,
            accounts: security || server,
            security,
        }
    }

    /// The paths, in ascending order.
    pub(super) fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Whether something has changed at `path`, below it, or as a whole with what is above it.
    pub(super) fn touches(&self, path: Path) -> bool {
        let at = self.paths.partition_point(|changed| *changed < path);
        let below = self.paths.get(at).is_some_and(|next| path.contains(next));
        let mut above = core::iter::successors(path.parent(), Path::parent);
        below || above.any(|above| self.paths.binary_search(&above).is_ok())
    }

    /// Whether accounts may have come, gone or changed (TS 5.2.2).
    pub(super) const fn touches_accounts(&self) -> bool {
        self.accounts
    }

    /// Whether another server may have become the only one, which has all rights (TS 7.3).
    pub(super) const fn touches_security(&self) -> bool {
        self.security
    }

    /// Whether rights may have changed: by Access Control Object Instances, or as a server has become the only
    /// one or is so no more (TS 7.3).
    pub(super) fn touches_rights(&self) -> bool {
        let is_server = |path: &Path| path.object() == Some(ObjectId::SERVER);
        let mut whole = self.paths.iter().filter(|path| path.resource().is_none());
        self.security || self.touches(ObjectId::ACCESS_CONTROL.into()) || whole.any(is_server)
    }

    /// Whether parameters of a registration may have changed (TS 5.3.1): values of the Server
    /// Object, or the set of Object Instances.
    pub(super) fn touches_registrations(&self) -> bool {
        let whole = |path: &Path| path.resource().is_none();
        self.touches(ObjectId::SERVER.into()) || self.paths.iter().any(whole)
    }
}

fn sorted(paths: impl Iterator<Item = Path>) -> Vec<Path> {
    let mut paths: Vec<Path> = paths.collect();
    paths.sort_unstable();
    paths
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn touches_what_is_at_a_path_above_or_below(
            paths in prop::collection::vec(prop::collection::vec(0u16..4, 0..=4), 0..8),
            path in prop::collection::vec(0u16..4, 0..=4),
        ) {
            let path = Path::of(&path).unwrap();
            let paths: Vec<Path> = paths.iter().map(|ids| Path::of(ids).unwrap()).collect();
            let touches = paths
                .iter()
                .any(|changed| path.contains(changed) || changed.contains(&path));
            let changed = Changed {
                paths: sorted(paths.into_iter()),
                accounts: false,
                security: false,
            };
            prop_assert_eq!(changed.touches(path), touches);
        }
    }
}
