//! Changes that were applied and whose effects are still pending.

use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::RangeInclusive;

use lwm2m_core::{InstanceId, ResourceId, ResourceInstanceId};

use super::before::Before;
use crate::tree::{change::Change, object::Object};

/// Changes that were applied and whose effects are still pending.
#[derive(Default)]
pub(super) struct Unsettled {
    /// How many commits there were.
    commits: usize,
    /// In the order of the commits, and of the changes in each.
    changes: BTreeMap<Position, Change>,
    by_place: BTreeMap<Place, Vec<Position>>,
}

/// The number of a commit, and that of a change in it.
type Position = (usize, usize);

/// Where a change is, within its Object; what is below a place follows it.
type Place = (InstanceId, Option<ResourceId>, Option<ResourceInstanceId>);

impl Unsettled {
    /// Adds a commit, and drops earlier changes that it supersedes.
    pub(super) fn add(&mut self, object: &dyn Object, before: &Before, run: &[Change]) {
        let commit = self.commits;
        self.commits += 1;
        for (index, change) in run.iter().enumerate() {
            let path = change.path();
            let Some(instance) = path.instance() else {
                continue;
            };
            let place = (instance, path.resource(), path.resource_instance());
            match change {
                Change::Create { .. } => {}
                Change::Set { .. } => self.drop_superseded(object, change, place..=place),
                Change::Clear { .. } | Change::Remove { .. } => {
                    let last = (instance, place.1, Some(ResourceInstanceId::new(u16::MAX)));
                    self.drop_superseded(object, change, place..=last);
                }
                Change::Delete { .. } => {
                    self.drop_instance(instance);
                    if before.was_absent(instance) {
                        // As if it had never been there.
                        continue;
                    }
                }
            }
            if object.acts_on(change) {
                self.changes.insert((commit, index), change.clone());
                self.by_place
                    .entry(place)
                    .or_default()
                    .push((commit, index));
            }
        }
    }

    fn drop_superseded(
        &mut self,
        object: &dyn Object,
        later: &Change,
        places: RangeInclusive<Place>,
    ) {
        self.retain(places, |earlier| !object.supersedes(later, earlier));
    }

    /// A Delete cancels all that an Object Instance was given before.
    fn drop_instance(&mut self, instance: InstanceId) {
        const LAST: (Option<ResourceId>, Option<ResourceInstanceId>) = (
            Some(ResourceId::new(u16::MAX)),
            Some(ResourceInstanceId::new(u16::MAX)),
        );
        let places = (instance, None, None)..=(instance, LAST.0, LAST.1);
        self.retain(places, |_| false);
    }

    /// Drops the changes at these places that `keep` doesn't keep.
    fn retain(&mut self, places: RangeInclusive<Place>, keep: impl Fn(&Change) -> bool) {
        let mut empty = Vec::new();
        for (place, positions) in self.by_place.range_mut(places) {
            positions.retain(|position| {
                let kept = self.changes.get(position).is_some_and(&keep);
                if !kept {
                    self.changes.remove(position);
                }
                kept
            });
            if positions.is_empty() {
                empty.push(*place);
            }
        }
        for place in empty {
            self.by_place.remove(&place);
        }
    }

    /// The changes of each commit.
    pub(super) fn commits(self) -> impl Iterator<Item = Vec<Change>> {
        let mut rest = self.changes.into_iter().peekable();
        core::iter::from_fn(move || {
            let ((commit, _), first) = rest.next()?;
            let mut run = Vec::from([first]);
            while let Some((_, change)) = rest.next_if(|((other, _), _)| *other == commit) {
                run.push(change);
            }
            Some(run)
        })
    }
}
