//! What an Object takes of several things that are asked of it.

use alloc::vec::Vec;

use super::{change::Change, object::Object};

/// Of groups of changes, those that an Object takes together. One that doesn't fit with those before
/// it is left out, whole.
///
/// If all fit, the Object is asked once; if not, once for each group more.
pub(crate) fn fitting<K>(
    object: &dyn Object,
    mut groups: Vec<(K, Vec<Change>)>,
) -> Vec<(K, Vec<Change>)> {
    let all = groups.iter().flat_map(|(_, changes)| changes);
    let mut taken: Vec<Change> = all.cloned().collect();
    if object.prepare(&taken).is_ok() {
        return groups;
    }
    taken.clear();
    groups.retain(|(_, changes)| {
        let before = taken.len();
        taken.extend_from_slice(changes);
        let fits = object.prepare(&taken).is_ok();
        if !fits {
            taken.truncate(before);
        }
        fits
    });
    groups
}
