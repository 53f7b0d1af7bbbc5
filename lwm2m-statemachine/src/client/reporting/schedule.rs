//! When the notifications of one observation are due (TS 5.1.2, 5.5.2).
//!
//! `pmin`, `pmax`, `gt`, `lt` and `st` belong to Resources. Each Resource below the observed path is
//! judged by its own effective set; the earliest one that is due sends all, and restarts all.
//!
//! Something *counts* if a notification has to follow from it: a change of a Resource without `gt`,
//! `lt` and `st`, otherwise a crossing or a step. What has counted makes a notification due when the
//! Minimum Period of its Resource has passed since the last one, even if it was undone meanwhile. The
//! Maximum Period makes one due without anything that counts. What the server may not read makes
//! nothing due until it may read it again (TS 7.3.2.5).

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use lwm2m_core::{InstanceId, Instant, Path};

use super::{
    values::{Values, has_thresholds},
    view::View,
};
use crate::machine::Past;

/// How many places are told apart that have counted; if there are more, the observed path counts as
/// a whole.
pub(super) const MOST_COUNTED: usize = 64;

/// What decides when the next notification of an observation is due.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    path: Path,
    /// When the last notification, or the first answer, was sent.
    pub(super) sent: Past,
    /// Where something has counted since, in ascending order.
    pub(super) counted: Vec<Path>,
    pub(super) values: Values,
    pub(super) shown: Shown,
    /// The shortest Maximum Period of all Resources.
    pmax: Option<u32>,
    /// What the server really has, if something was stored since.
    pub(super) delivered: Option<Box<Delivered>>,
}

/// If an Object is observed: the Object Instances in what was sent last, in ascending order.
pub(super) type Shown = Option<Vec<InstanceId>>;

/// What the server has: the state of a [`Schedule`] when the last notification was sent, and not only
/// stored.
#[derive(Clone, Debug)]
pub(super) struct Delivered {
    pub(super) sent: Past,
    pub(super) values: Values,
    pub(super) shown: Shown,
}

/// What a stored notification tells.
#[derive(Debug)]
pub(super) struct Told {
    /// What had counted.
    pub(super) counted: Vec<Path>,
    /// What it will have sent.
    pub(super) values: Values,
    pub(super) shown: Shown,
}

impl Told {
    /// Whether it tells what has counted at this path.
    pub(super) fn covers(&self, path: Path) -> bool {
        match (&self.shown, path.instance()) {
            (Some(shown), Some(instance)) => shown.binary_search(&instance).is_ok(),
            _ => true,
        }
    }
}

impl Schedule {
    /// The first answer is sent at `now`.
    pub(super) fn new(view: &View<'_>, path: Path, now: Instant) -> Self {
        let mut schedule = Self::since(path, now.into());
        schedule.sent(view, now);
        schedule
    }

    /// The last notification, or the first answer, was sent then. It isn't known with which values.
    pub(super) const fn since(path: Path, sent: Past) -> Self {
        Self {
            path,
            sent,
            counted: Vec::new(),
            values: Values::NONE,
            shown: None,
            pmax: None,
            delivered: None,
        }
    }

    /// A notification with the present values was sent.
    pub(super) fn sent(&mut self, view: &View<'_>, now: Instant) {
        self.delivered = None;
        self.tell(view, now);
    }

    /// A notification with the present values was stored.
    pub(super) fn stored(&mut self, view: &View<'_>, now: Instant) -> Told {
        let delivered = Delivered {
            sent: self.sent,
            values: self.values.clone(),
            shown: self.shown.clone(),
        };
        let counted = self.counted.iter().copied();
        let counted = counted.filter(|path| may_be_sent(view, *path)).collect();
        self.tell(view, now);
        self.delivered.get_or_insert_with(|| Box::new(delivered));
        Told {
            counted,
            values: self.values.clone(),
            shown: self.shown.clone(),
        }
    }

    /// A stored notification is sent now: the periods begin again. `is_last` says that nothing newer is
    /// stored.
    pub(super) fn stored_sent(&mut self, told: &Told, now: Instant, is_last: bool) {
        self.sent = now.into();
        let delivered = || Delivered {
            sent: now.into(),
            values: told.values.clone(),
            shown: told.shown.clone(),
        };
        self.delivered = (!is_last).then(|| Box::new(delivered()));
    }

    /// What was stored since the last notification was sent is void, and what had counted for it counts
    /// again.
    pub(super) fn stored_lost(&mut self, counted: Vec<Path>) {
        if let Some(delivered) = self.delivered.take() {
            self.sent = delivered.sent;
            self.values.restore(&delivered.values);
            self.shown = delivered.shown;
        }
        for path in counted {
            self.count(path);
        }
    }

    fn tell(&mut self, view: &View<'_>, now: Instant) {
        self.sent = now.into();
        // What the server could not read was not sent.
        self.counted.retain(|path| !may_be_sent(view, *path));
        let with_thresholds = view.with_thresholds(self.path);
        let with_thresholds = with_thresholds.filter(|resource| view.may_read(*resource));
        let was_not_sent = |path| !view.may_read(path);
        self.values.sent(view.tree, with_thresholds, was_not_sent);
        if let Path::Object(object) = self.path {
            self.shown = Some(view.instances(object).collect());
        }
        self.pmax = view.maximum(self.path);
    }

    /// When the next notification is due; `None` if nothing that is known makes one due.
    pub(super) fn due(&self, view: &View<'_>) -> Option<Instant> {
        let after = |seconds: u32| self.sent.after(Duration::from_secs(seconds.into()));
        let counted = self.counted.iter().copied();
        let counted = counted.filter(|path| may_be_sent(view, *path));
        let pmin = counted.map(|path| minimum(view, path)).min();
        [pmin, self.pmax].into_iter().flatten().map(after).min()
    }

    /// Whether the server may still read all that was sent last.
    pub(super) fn is_readable(&self, view: &View<'_>) -> bool {
        let object = self.path.object();
        let mut shown = self.shown.iter().flatten();
        view.may_read(self.path)
            && shown.all(|id| object.is_some_and(|object| view.may_read_instance(object, *id)))
    }

    /// Something has changed at a path that is the observed one, above or below it.
    pub(super) fn changed(&mut self, view: &View<'_>, path: Path) {
        let at = if path.contains(&self.path) {
            self.path
        } else {
            path
        };
        match at {
            Path::ResourceInstance(object, instance, resource, _)
            | Path::Resource(object, instance, resource) => {
                self.resource_changed(view, Path::Resource(object, instance, resource));
            }
            Path::Instance(_, instance) if !view.exists(at) => self.instance_gone(at, instance),
            at if view.is_uniform(at) => self.count_for(view, at),
            at => {
                for resource in view.resources(at) {
                    self.resource_changed(view, resource);
                }
                // What can't be read yet is news when it can.
                if !view.may_read(at) {
                    self.count_for(view, at);
                }
            }
        }
        if at.resource().is_none() {
            self.pmax = view.maximum(self.path);
        }
    }

    fn resource_changed(&mut self, view: &View<'_>, resource: Path) {
        let conditions = view.conditions(resource);
        // A Resource that has come or gone may bring another Maximum Period.
        if !view.exists(resource) {
            self.pmax = view.maximum(self.path);
        } else if let Some(pmax) = conditions.pmax
            && view.may_read(resource)
        {
            self.pmax = Some(self.pmax.map_or(pmax, |shortest| shortest.min(pmax)));
        }
        // With thresholds, what can't be read is looked at when it can.
        let counts = !has_thresholds(&conditions)
            || view.may_read(resource) && self.values.judge(view.tree, resource, &conditions);
        if counts {
            self.count_for(view, resource);
        }
    }

    /// An Object Instance is gone from the observed Object.
    fn instance_gone(&mut self, at: Path, instance: InstanceId) {
        self.counted.retain(|path| !at.contains(path));
        let shown = self.shown.get_or_insert_default();
        if let Ok(place) = shown.binary_search(&instance) {
            shown.remove(place);
            self.count(at);
        }
    }

    /// Attributes, default periods or rights have changed: what counts is looked at again. A value that
    /// the server can read again is compared with the one that it could read before.
    pub(super) fn rearm(&mut self, view: &View<'_>) {
        for resource in view.with_thresholds(self.path) {
            // What can't be read now is compared when it can, if the server has a value of it.
            let may_read = view.may_read(resource);
            if may_read || self.has_shown(resource) {
                self.values.watch(view.tree, resource);
            }
            let conditions = view.conditions(resource);
            if may_read && self.values.judge(view.tree, resource, &conditions) {
                self.count(resource);
            }
        }
        if let Path::Object(object) = self.path {
            for instance in view.instances(object) {
                let shown = self.shown.get_or_insert_default();
                if shown.binary_search(&instance).is_err() {
                    self.count_resources(view, Path::Instance(object, instance));
                }
            }
        }
        self.pmax = view.maximum(self.path);
    }

    /// Whether the Object Instance of a path was in what was sent last.
    fn has_shown(&self, path: Path) -> bool {
        match (&self.shown, path.instance()) {
            (Some(shown), Some(instance)) => shown.binary_search(&instance).is_ok(),
            _ => true,
        }
    }

    /// An Object Instance can be read that wasn't sent before: its Resources count, unless only a
    /// crossing or a step does.
    fn count_resources(&mut self, view: &View<'_>, instance: Path) {
        if view.is_uniform(instance) {
            return self.count(instance);
        }
        for resource in view.resources(instance) {
            if !has_thresholds(&view.conditions(resource)) {
                self.count(resource);
            }
        }
    }

    /// What is observed has changed in a way that isn't known: a notification is due, as after any
    /// change.
    pub(super) fn count_all(&mut self) {
        self.count(self.path);
    }

    /// What has no `gt`, `lt` and `st` has changed in a way that isn't known.
    pub(super) fn count_plain(&mut self, view: &View<'_>) {
        for resource in plain(view, self.path) {
            self.count_for(view, resource);
        }
    }

    /// Something counts that the server may not be able to read. All of an Object Instance that the server
    /// neither has nor may read counts when it may: until then it needs no place here.
    fn count_for(&mut self, view: &View<'_>, path: Path) {
        if self.has_shown(path) || view.may_read(path) {
            self.count(path);
        }
    }

    /// Something counts.
    pub(super) fn count(&mut self, path: Path) {
        let Err(place) = self.counted.binary_search(&path) else {
            return;
        };
        if self.counted.len() < MOST_COUNTED {
            self.counted.insert(place, path);
        } else {
            self.counted.clear();
            self.counted.push(self.path);
        }
    }
}

/// The Resources at a path that the server may read, and of which every change counts.
pub(super) fn plain(view: &View<'_>, path: Path) -> impl Iterator<Item = Path> {
    let all = view.resources(path);
    all.filter(|resource| !has_thresholds(&view.conditions(*resource)))
}

/// Whether what has counted at a path may be sent: the server may read it, or an Object Instance that it
/// could read is gone.
fn may_be_sent(view: &View<'_>, path: Path) -> bool {
    view.may_read(path) || path.resource().is_none() && !view.exists(path)
}

/// The Minimum Period of what has counted at a path: of an Object Instance or an Object, the shortest
/// one of its Resources.
fn minimum(view: &View<'_>, path: Path) -> u32 {
    let of_all = view.conditions(path).pmin;
    if path.resource().is_some() || view.is_uniform(path) {
        return of_all;
    }
    let each = view.resources(path);
    let each = each.map(|resource| view.conditions(resource).pmin);
    each.min().unwrap_or(of_all)
}
