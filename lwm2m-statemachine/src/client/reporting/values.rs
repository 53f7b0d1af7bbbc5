//! The numbers of Resources with `gt`, `lt` or `st`: what was seen last, and what was sent last
//! (TS 5.1.2).

use alloc::vec::Vec;

use lwm2m_core::{NotificationConditions, Path};
use lwm2m_objects::ObjectTree;

/// Whether any of `gt`, `lt` and `st` is set. Then not every change of the value counts.
pub(super) const fn has_thresholds(conditions: &NotificationConditions) -> bool {
    conditions.gt.is_some() || conditions.lt.is_some() || conditions.st.is_some()
}

/// Whether a value crosses a threshold, in either direction. Reaching it is crossing it; leaving it
/// afterwards isn't.
fn crosses(threshold: Option<f64>, before: f64, after: f64) -> bool {
    threshold.is_some_and(|threshold| {
        before < threshold && threshold <= after || before > threshold && threshold >= after
    })
}

/// Whether a value is a step away from the one that was sent last. The same value never is, even with a
/// step of 0.
fn steps(step: Option<f64>, sent: f64, value: f64) -> bool {
    let variation = (value - sent).abs();
    step.is_some_and(|step| variation >= step && variation > 0.0)
}

/// The numbers that one observation watches, by path. Of a multiple Resource each Resource Instance
/// counts on its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(Vec<Watched>);

#[derive(Clone, Debug)]
struct Watched {
    /// A Resource, or a Resource Instance.
    at: Path,
    /// The value that crossings are judged from; `None` while the Resource Instance isn't there.
    seen: Option<f64>,
    /// The value of the last notification, or of the first answer; `None` if it had none.
    sent: Option<f64>,
    /// Whether the current look at the Resource has found it.
    found: bool,
}

impl Values {
    /// Begins to watch a Resource, unless it is watched already. Its present value is taken for the one
    /// that was sent last: without `gt`, `lt` and `st` every change counted, so any other one will be
    /// sent before a step matters.
    pub(super) fn watch(&mut self, tree: &ObjectTree, resource: Path) {
        if self.0.iter().any(|watched| resource.contains(&watched.at)) {
            return;
        }
        self.look(tree, resource, |watched, value| {
            watched.seen = Some(value);
            watched.sent = Some(value);
        });
    }

    /// Looks at a Resource again: whether a value of it has crossed a threshold since the last look, or
    /// is a step away from what was sent last. A Resource Instance that has come or gone hasn't
    /// crossed anything.
    pub(super) fn judge(
        &mut self,
        tree: &ObjectTree,
        resource: Path,
        conditions: &NotificationConditions,
    ) -> bool {
        let mut counts = false;
        self.look(tree, resource, |watched, value| {
            let before = watched.seen.replace(value);
            counts |= before.is_some_and(|before| {
                crosses(conditions.gt, before, value) || crosses(conditions.lt, before, value)
            });
            counts |= watched
                .sent
                .is_some_and(|sent| steps(conditions.st, sent, value));
        });
        for watched in &mut self.0 {
            if resource.contains(&watched.at) && !watched.found {
                watched.seen = None;
            }
        }
        counts
    }

    /// A notification with the present values was sent. `resources` are those in it that have `gt`,
    /// `lt` or `st`. Of the others, those that `keep` accepts stay watched as they are.
    pub(super) fn sent(
        &mut self,
        tree: &ObjectTree,
        resources: impl Iterator<Item = Path>,
        keep: impl Fn(Path) -> bool,
    ) {
        self.0.retain(|watched| keep(watched.at));
        for resource in resources {
            self.look(tree, resource, |watched, value| {
                watched.seen = Some(value);
                watched.sent = Some(value);
            });
        }
    }

    /// What was sent last is what these have.
    pub(super) fn restore(&mut self, sent: &Self) {
        for watched in &mut self.0 {
            let place = sent.0.binary_search_by(|known| known.at.cmp(&watched.at));
            let known = place.ok().and_then(|place| sent.0.get(place));
            watched.sent = known.and_then(|known| known.sent);
        }
    }

    /// Shows each number of a Resource, and marks what was found.
    fn look(&mut self, tree: &ObjectTree, resource: Path, mut each: impl FnMut(&mut Watched, f64)) {
        for watched in &mut self.0 {
            watched.found &= !resource.contains(&watched.at);
        }
        tree.visit(resource, |at, value| {
            let Some(value) = value.as_number() else {
                return;
            };
            let place = self.0.binary_search_by(|watched| watched.at.cmp(&at));
            let place = place.unwrap_or_else(|place| {
                let watched = Watched {
                    at,
                    seen: None,
                    sent: None,
                    found: true,
                };
                self.0.insert(place, watched);
                place
            });
            if let Some(watched) = self.0.get_mut(place) {
                watched.found = true;
                each(watched, value);
            }
        });
    }
}
