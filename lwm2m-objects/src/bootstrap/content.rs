//! What an Object Instance has.

use alloc::vec::Vec;

use lwm2m_core::Path;

use crate::{
    access::unbootstrapping::Place,
    tree::{Change, ObjectTree, TreeView},
};

/// The changes that create an Object Instance as it is.
pub(super) fn content(tree: TreeView<'_>, (object, instance): Place) -> Vec<Change> {
    let mut changes = Vec::from([Change::Create {
        path: Path::Instance(object, instance),
    }]);
    for resource in tree.resources(object, instance) {
        let path = Path::Resource(object, instance, resource.id);
        if resource.is_multiple() {
            changes.push(Change::Clear { path });
        }
        tree.visit(path, |path, value| {
            let value = value.to_owned();
            changes.push(Change::Set { path, value });
        });
    }
    changes
}

/// Whether an Object Instance has what it had before the commits that are held.
pub(super) fn is_as_before(tree: &ObjectTree, at: Place) -> bool {
    let (now, before) = (tree.view(), tree.settled());
    let is_there = |view: TreeView<'_>| view.target(Path::Instance(at.0, at.1)).exists();
    is_there(now) == is_there(before) && content(now, at) == content(before, at)
}
