//! The Bootstrap-Server Account (TS 5.2.3.3).

use alloc::{collections::BTreeSet, vec::Vec};

use lwm2m_core::{InstanceId, ObjectId, Path};

use super::inconsistency::{Expected, Inconsistency};
use crate::{
    access::accounts::is_bootstrap_server,
    tree::{Change, ObjectTree},
};

/// The Security Object Instances of Bootstrap-Servers; there should be at most one.
pub(super) fn bootstrap_servers(tree: &ObjectTree) -> impl Iterator<Item = InstanceId> {
    let securities = tree.instances(ObjectId::SECURITY);
    securities.filter(move |instance| is_bootstrap_server(tree, *instance))
}

/// The changes that purge the Bootstrap-Server Account, for example after the Bootstrap-Server Account
/// Timeout (TS E.1, Resource 12). TS E.1.3 does not concern it: it has no rights.
pub fn purge(tree: &ObjectTree) -> Vec<Change> {
    bootstrap_servers(tree).map(delete).collect()
}

/// The changes that purge the former Bootstrap-Server Account, if the bootstrap that is
/// [held](ObjectTree::hold) has written another one (TS 5.2.3.3, step 3). There are none if there is
/// only one account, also if it was overwritten.
///
/// # Errors
///
/// [`Expected::OneBootstrapServer`] if it is not clear which account replaces the others, because the
/// bootstrap has written none or several of them.
pub fn replaced(tree: &ObjectTree) -> Result<Vec<Change>, Inconsistency> {
    let is_written = |at: &InstanceId| tree.is_held(ObjectId::SECURITY, *at);
    let (new, old): (Vec<_>, Vec<_>) = bootstrap_servers(tree).partition(is_written);
    match (&new[..], &old[..]) {
        ([], [] | [_]) => Ok(Vec::new()),
        ([_], _) => Ok(old.into_iter().map(delete).collect()),
        // What was written is to blame.
        ([.., last], _) | ([], [.., last]) => Err(Inconsistency {
            path: Path::Instance(ObjectId::SECURITY, *last),
            expected: Expected::OneBootstrapServer,
        }),
    }
}

/// Whether the bootstrap that is held has written the account of this Bootstrap-Server.
fn is_new(tree: &ObjectTree, instance: InstanceId) -> bool {
    !is_bootstrap_server(tree.settled(), instance)
}

/// The accounts of Bootstrap-Servers that a Delete of `/` or `/0` leaves: those that were there before
/// the bootstrap, or if none is left of them, those that it has written.
pub(super) fn kept(tree: &ObjectTree) -> BTreeSet<InstanceId> {
    let (new, former): (BTreeSet<_>, BTreeSet<_>) =
        bootstrap_servers(tree).partition(|instance| is_new(tree, *instance));
    if former.is_empty() { new } else { former }
}

/// Whether a Delete that names the account of this Bootstrap-Server takes it: it was written in this
/// bootstrap, and is not the only one.
pub(super) fn may_take_back(tree: &ObjectTree, instance: InstanceId) -> bool {
    is_new(tree, instance) && bootstrap_servers(tree).any(|other| other != instance)
}

const fn delete(instance: InstanceId) -> Change {
    Change::Delete {
        path: Path::Instance(ObjectId::SECURITY, instance),
    }
}
