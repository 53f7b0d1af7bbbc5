//! The numbers of Resources with `gt`, `lt` or `st`: what was seen last, and what was sent last
//! (TS 5.1.2).

use alloc::{collections::BTreeMap, vec::Vec};
use core::cmp::Ordering;

use lwm2m_core::{NotificationConditions, Path, ValueRef};
use lwm2m_objects::ObjectTree;

/// Whether any of `gt`, `lt` and `st` is set. Then not every change of the value counts.
pub(super) const fn has_thresholds(conditions: &NotificationConditions) -> bool {
    conditions.gt.is_some() || conditions.lt.is_some() || conditions.st.is_some()
}

/// A number as its Resource has it. An Integer has more digits than fit into a Float.
#[derive(Clone, Copy, Debug)]
enum Number {
    Integer(i64),
    Float(f64),
}

impl Number {
    const fn of(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Integer(number) | ValueRef::Time(number) => Some(Self::Integer(number)),
            ValueRef::Float(number) => Some(Self::Float(number)),
            _ => None,
        }
    }

    const fn is_nan(self) -> bool {
        matches!(self, Self::Float(number) if number.is_nan())
    }

    /// On which side of a threshold it is; `None` if it isn't a number.
    fn side_of(self, threshold: f64) -> Option<Ordering> {
        match self {
            Self::Integer(number) => compare(number.into(), threshold),
            Self::Float(number) => number.partial_cmp(&threshold),
        }
    }

    /// Whether it is a step away from another one. The same number never is, even with a step of 0. What
    /// isn't a number is a step from each number.
    fn is_step_from(self, other: Self, step: f64) -> bool {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => {
                let variation = a.abs_diff(b);
                let side = compare(variation.into(), step);
                variation > 0 && side.is_some_and(Ordering::is_ge)
            }
            (Self::Float(a), Self::Float(b)) => {
                let variation = (a - b).abs();
                a.is_nan() != b.is_nan() || variation >= step && variation > 0.0
            }
            // The value of a Resource doesn't change its type.
            (Self::Integer(_), Self::Float(_)) | (Self::Float(_), Self::Integer(_)) => true,
        }
    }
}

/// Compares a whole number with a Float exactly.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the fraction is compared then, and what is beyond 128 bits is beyond the number"
)]
fn compare(number: i128, float: f64) -> Option<Ordering> {
    let whole = float as i128;
    let fraction = (whole as f64).partial_cmp(&float)?;
    Some(number.cmp(&whole).then(fraction))
}

/// Whether a value crosses a threshold, in either direction. Reaching it is crossing it; leaving it
/// afterwards isn't.
fn crosses(threshold: Option<f64>, before: Number, after: Number) -> bool {
    let sides = threshold.map(|threshold| (before.side_of(threshold), after.side_of(threshold)));
    match sides {
        Some((Some(Ordering::Less), Some(after))) => after.is_ge(),
        Some((Some(Ordering::Greater), Some(after))) => after.is_le(),
        _ => false,
    }
}

/// A number in a snapshot. Not every format has all Floats, so these are their bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum NumberRecord {
    Integer(i64),
    Float(u64),
}

impl NumberRecord {
    const fn of(number: Number) -> Self {
        match number {
            Number::Integer(number) => Self::Integer(number),
            Number::Float(number) => Self::Float(number.to_bits()),
        }
    }

    /// The number, if it is of the type of another one.
    const fn like(self, other: Number) -> Option<Number> {
        match (self, other) {
            (Self::Integer(number), Number::Integer(_)) => Some(Number::Integer(number)),
            (Self::Float(bits), Number::Float(_)) => Some(Number::Float(f64::from_bits(bits))),
            _ => None,
        }
    }
}

/// A number that is watched, in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct WatchedRecord {
    at: Path,
    seen: Option<NumberRecord>,
    sent: Option<NumberRecord>,
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
    seen: Option<Number>,
    /// The value of the last notification, or of the first answer; `None` if it had none.
    sent: Option<Number>,
    /// Whether the current look at the Resource has found it.
    found: bool,
}

impl Watched {
    /// Sees the next value; returns the one before. Crossings are between numbers: what isn't one is
    /// passed over.
    const fn see(&mut self, value: Number) -> Option<Number> {
        if value.is_nan() {
            return None;
        }
        self.seen.replace(value)
    }
}

impl Values {
    pub(super) const NONE: Self = Self(Vec::new());

    /// Begins to watch a Resource, unless it is watched already. Its present value is taken for the one
    /// that was sent last: without `gt`, `lt` and `st` every change counted, so any other one will be
    /// sent before a step matters.
    pub(super) fn watch(&mut self, tree: &ObjectTree, resource: Path) {
        if self.0.iter().any(|watched| resource.contains(&watched.at)) {
            return;
        }
        self.look(tree, resource, |watched, value| {
            let _ = watched.see(value);
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
            counts |= watched.see(value).is_some_and(|before| {
                crosses(conditions.gt, before, value) || crosses(conditions.lt, before, value)
            });
            let step = watched.sent.zip(conditions.st);
            counts |= step.is_some_and(|(sent, step)| value.is_step_from(sent, step));
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
                let _ = watched.see(value);
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

    pub(super) fn record(&self) -> Vec<WatchedRecord> {
        let record = |watched: &Watched| WatchedRecord {
            at: watched.at,
            seen: watched.seen.map(NumberRecord::of),
            sent: watched.sent.map(NumberRecord::of),
        };
        self.0.iter().map(record).collect()
    }

    /// What a snapshot has of these Resources, as far as the tree has numbers of that type there. Those that it doesn't
    /// have aren't watched.
    pub(super) fn restored(
        tree: &ObjectTree,
        resources: impl Iterator<Item = Path>,
        records: &[WatchedRecord],
    ) -> Self {
        let by_path = records.iter().map(|record| (record.at, record));
        let by_path: BTreeMap<Path, &WatchedRecord> = by_path.collect();
        let mut values = Self::default();
        for resource in resources {
            let mut known = by_path.range(resource..);
            if known.next().is_none_or(|(at, _)| !resource.contains(at)) {
                continue;
            }
            values.look(tree, resource, |watched, value| {
                let record = by_path.get(&watched.at);
                let restored = |number: Option<NumberRecord>| number?.like(value);
                watched.seen = record.and_then(|record| restored(record.seen));
                watched.sent = record.and_then(|record| restored(record.sent));
            });
        }
        values
    }

    /// Shows each number of a Resource, and marks what was found.
    fn look(
        &mut self,
        tree: &ObjectTree,
        resource: Path,
        mut each: impl FnMut(&mut Watched, Number),
    ) {
        for watched in &mut self.0 {
            watched.found &= !resource.contains(&watched.at);
        }
        tree.visit(resource, |at, value| {
            let Some(value) = Number::of(value) else {
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
