//! Changes of the tree, whole or not at all, and taking them back.

use alloc::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use lwm2m_core::{DataType, InstanceId, ObjectId, Path, Value};

use crate::{
    definition::{Multiplicity, ResourceDefinition},
    object::{Change, WriteError},
    tree::{ObjectTree, check_value},
};

/// What was committed since the tree holds it, by Object.
pub(crate) type Held = BTreeMap<ObjectId, HeldChanges>;

#[derive(Default)]
pub(crate) struct HeldChanges {
    /// What was applied, commit by commit.
    applied: Vec<Vec<Change>>,
    /// What takes it back, the last commit first.
    undo: Vec<Change>,
}

impl HeldChanges {
    /// Notes what is applied. Nothing follows any more from what an Object Instance got that goes.
    fn add(&mut self, run: &[Change]) {
        for change in run {
            if let Change::Delete { path } = change {
                let void = |earlier: &Change| path.contains(&earlier.path());
                let applied = self.applied.iter_mut();
                applied.for_each(|earlier| earlier.retain(|earlier| !void(earlier)));
            }
        }
        self.applied.push(run.into());
    }
}

impl ObjectTree {
    /// Applies the changes of a transaction: whole, or not at all. Those of one Object are prepared
    /// and applied together, in their order.
    ///
    /// Tells what reads differently to servers afterwards, in ascending order and each once: Object
    /// Instances that have come or gone, and Resources that can be read and have another value now.
    /// The same value again is no difference. The Object hears of it all the same: to write a
    /// Package URI or a lifetime again may mean something to it, and what it then changes by itself
    /// [`poll_changed`](Self::poll_changed) tells.
    ///
    /// ```
    /// use lwm2m_core::{InstanceId, Path};
    /// use lwm2m_objects::{Change, DEVICE, ObjectTree, Store};
    ///
    /// let path: Path = "/3/0/14".parse()?;
    /// let mut tree = ObjectTree::new();
    /// tree.add(Store::new(&DEVICE).with(InstanceId::ZERO, 14, "+01:00"));
    /// let write = [Change::Set { path, value: "+02:00".into() }];
    /// assert_eq!(tree.commit(&write)?, [path]);
    /// assert_eq!(tree.commit(&write)?, []); // the same again
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError::NotWritable`], [`WriteError::WrongType`], [`WriteError::OutOfRange`] for a
    /// change that does not fit the definition, [`WriteError::TooMany`] for another Object Instance
    /// than 0 of a single-instance Object, [`WriteError::NotFound`] without the
    /// Object, and what its [`prepare`](crate::Object::prepare) refuses.
    pub fn commit(&mut self, changes: &[Change]) -> Result<Vec<Path>, WriteError> {
        let changes = &*by_object(changes);
        self.prepare(changes)?;
        let differences = runs(changes).flat_map(|run| self.differences(run));
        let differences = differences.collect();
        if self.held.is_some() {
            for run in runs(changes) {
                let undo = self.inverse(run);
                let held = self.held.as_mut().zip(object_of(run));
                if let Some((held, object)) = held {
                    let held = held.entry(object).or_default();
                    held.undo.splice(..0, undo);
                    held.add(run);
                }
                self.apply(run);
            }
        } else {
            runs(changes).for_each(|run| self.apply(run));
            runs(changes).for_each(|run| self.settle(run));
        }
        Ok(differences)
    }

    /// From now on, commits can be [taken back](Self::roll_back): the values are as committed, but
    /// what more follows from them, such as the download of a firmware package, waits until they
    /// are [kept](Self::keep). While commits are held nothing is [streamed](Self::stream).
    ///
    /// A Bootstrap is held until its Finish has been found whole.
    ///
    /// ```
    /// use lwm2m_core::{InstanceId, Path, Value};
    /// use lwm2m_objects::{Change, DEVICE, ObjectTree, Store};
    ///
    /// let path: Path = "/3/0/14".parse()?;
    /// let mut tree = ObjectTree::new();
    /// tree.add(Store::new(&DEVICE).with(InstanceId::ZERO, 14, "+01:00"));
    /// tree.hold();
    /// tree.commit(&[Change::Set { path, value: "+02:00".into() }])?;
    /// assert_eq!(tree.get(path), Some(Value::from("+02:00")));
    /// tree.roll_back();
    /// assert_eq!(tree.get(path), Some(Value::from("+01:00")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Whether commits are [held](Self::hold).
    pub const fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// Lets happen what follows from all that is held, and holds no longer.
    pub fn keep(&mut self) {
        for (id, held) in self.held.take().unwrap_or_default() {
            if let Some(object) = self.object_mut(id) {
                held.applied.iter().for_each(|run| object.settle(run));
            }
        }
    }

    /// Takes back all that is held, as if it had never been, and holds no longer. What the
    /// application has [`set`](Self::set) meanwhile stays where nothing was committed, but for a
    /// Package URI: update machines are as they were.
    pub fn roll_back(&mut self) {
        for (id, held) in self.held.take().unwrap_or_default() {
            if let Some(object) = self.object_mut(id) {
                object.undo(&held.undo);
            }
        }
    }

    /// The application's own change of a value, read-only Resources included. Checked against the
    /// data type and the range of the definition.
    ///
    /// Tells whether the Resource reads differently to servers afterwards, as
    /// [`commit`](Self::commit) does.
    ///
    /// ```
    /// use lwm2m_core::InstanceId;
    /// use lwm2m_objects::{DEVICE, ObjectTree, Store, WriteError};
    ///
    /// let timezone = "/3/0/15".parse()?;
    /// let device = Store::new(&DEVICE).with(InstanceId::ZERO, 9, 100);
    /// let mut tree = ObjectTree::new();
    /// tree.add(device.clone());
    /// let unsupported = Err(WriteError::NotSupported(timezone));
    /// assert_eq!(tree.set(timezone, "Europe/Paris"), unsupported);
    /// tree.add(device.supporting([15]));
    /// assert_eq!(tree.set(timezone, "Europe/Paris"), Ok(true));
    /// # Ok::<(), lwm2m_core::PathError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError::NotFound`] without the Object Instance, or a definition of the Resource;
    /// [`WriteError::NotSupported`] for an optional Resource that the Object was made without; and
    /// those of [`commit`](Self::commit).
    pub fn set(&mut self, path: Path, value: impl Into<Value>) -> Result<bool, WriteError> {
        let (Path::Resource(object, instance, resource)
        | Path::ResourceInstance(object, instance, resource, _)) = path
        else {
            return Err(WriteError::NotWritable(path));
        };
        let found = self.locate(Path::Instance(object, instance));
        let (object, _) = found.ok_or(WriteError::NotFound(path))?;
        let definition = object.definition().resource(resource);
        let definition = definition.ok_or(WriteError::NotFound(path))?;
        if !definition.operations.executable() && !object.supports(resource) {
            return Err(WriteError::NotSupported(path));
        }
        let value = match (definition.data_type, value.into()) {
            (Some(DataType::Time), Value::Integer(seconds)) => Value::Time(seconds),
            (_, value) => value,
        };
        let run = [Change::Set { path, value }];
        self.prepare(&run)?;
        let differs = !self.differences(&run).is_empty();
        self.apply(&run);
        match (&mut self.held, object_of(&run)) {
            // It stays, but what follows from it must not overtake what is held.
            (Some(held), Some(object)) => held.entry(object).or_default().add(&run),
            _ => self.settle(&run),
        }
        Ok(differs)
    }

    /// The first phase: every change fits its definition, and every Object agrees.
    fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
        for run in runs(changes) {
            let missing = run.first().map_or(Path::Root, Change::path);
            let object = object_of(run).and_then(|id| self.object(id));
            let object = object.ok_or(WriteError::NotFound(missing))?;
            let definition = object.definition();
            let single = definition.instances == Multiplicity::Single;
            for change in run {
                let path = change.path();
                let resource = path.resource();
                check(change, resource.and_then(|id| definition.resource(id)))?;
                // The instance of a single-instance Object is 0 (TS 5.4.6).
                let create = matches!(change, Change::Create { .. });
                if create && single && path.instance() != Some(InstanceId::ZERO) {
                    return Err(WriteError::TooMany(path));
                }
            }
            object.prepare(run)?;
        }
        Ok(())
    }

    fn apply(&mut self, run: &[Change]) {
        if let Some(object) = object_of(run).and_then(|id| self.object_mut(id)) {
            object.apply(run);
        }
    }

    fn settle(&mut self, run: &[Change]) {
        if let Some(object) = object_of(run).and_then(|id| self.object_mut(id)) {
            object.settle(run);
        }
    }

    /// What restores an Object as it is now, once `run` is applied.
    fn inverse(&self, run: &[Change]) -> Vec<Change> {
        let creations = run
            .iter()
            .filter(|change| matches!(change, Change::Create { .. }));
        let created: BTreeSet<Path> = creations.map(Change::path).collect();
        let mut seen = BTreeSet::new();
        let mut undo = Vec::new();
        for change in run {
            let path = change.path();
            let (Some(object), Some(instance)) = (path.object(), path.instance()) else {
                continue;
            };
            let whole = Path::Instance(object, instance);
            if seen.contains(&whole) {
                continue;
            }
            match (change, path.resource()) {
                (Change::Create { .. }, _) | (_, None) if self.locate(whole).is_none() => {
                    seen.insert(whole);
                    undo.push(Change::Delete { path: whole });
                }
                (_, Some(resource)) => {
                    let path = Path::Resource(object, instance, resource);
                    if seen.insert(path) {
                        self.as_it_is(path, &mut undo);
                    }
                }
                _ => {
                    if seen
                        .range(whole..)
                        .next()
                        .is_some_and(|at| whole.contains(at))
                    {
                        undo.retain(|change| !whole.contains(&change.path()));
                    }
                    seen.insert(whole);
                    if created.contains(&whole) {
                        // It goes, and comes again.
                        undo.push(Change::Delete { path: whole });
                    }
                    undo.push(Change::Create { path: whole });
                    let definition = self.definition(object);
                    for resource in definition.iter().flat_map(|object| &*object.resources) {
                        let path = Path::Resource(object, instance, resource.id);
                        if self.locate(path).is_some() || resource.operations.executable() {
                            self.as_it_is(path, &mut undo);
                        }
                    }
                }
            }
        }
        undo
    }

    /// The changes that make a Resource what it is now.
    fn as_it_is(&self, path: Path, undo: &mut Vec<Change>) {
        match self.locate(path) {
            Some((_, Some(resource))) if resource.operations.executable() => {}
            Some((_, Some(resource))) => {
                if resource.is_multiple() {
                    undo.push(Change::Clear { path });
                }
                self.visit(path, |path, value| {
                    let value = value.to_owned();
                    undo.push(Change::Set { path, value });
                });
            }
            _ => undo.push(Change::Remove { path }),
        }
    }
}

/// Changes with those of one Object behind each other, which do not depend on those of others.
fn by_object(changes: &[Change]) -> Cow<'_, [Change]> {
    let object = |change: &Change| change.path().object();
    let mut changes = Cow::Borrowed(changes);
    if !changes.is_sorted_by_key(object) {
        changes.to_mut().sort_by_key(object);
    }
    changes
}

/// Changes of one Object that follow each other.
fn runs(changes: &[Change]) -> impl Iterator<Item = &[Change]> {
    changes.chunk_by(|a, b| a.path().object() == b.path().object())
}

fn object_of(run: &[Change]) -> Option<ObjectId> {
    run.first()?.path().object()
}

/// Whether a change is one of what it is about.
fn check(change: &Change, resource: Option<&ResourceDefinition>) -> Result<(), WriteError> {
    let path = change.path();
    let has_values = |resource: &&ResourceDefinition| !resource.operations.executable();
    let resource = || {
        let resource = resource.filter(has_values);
        resource.ok_or(WriteError::NotWritable(path))
    };
    let fits = match (change, path) {
        (Change::Create { .. } | Change::Delete { .. }, Path::Instance(..)) => true,
        (Change::Set { value, .. }, Path::Resource(..) | Path::ResourceInstance(..)) => {
            let resource = resource()?;
            check_value(resource, path, &value.as_ref())?;
            resource.is_multiple() == path.resource_instance().is_some()
        }
        (Change::Clear { .. }, Path::Resource(..)) => resource()?.is_multiple(),
        (Change::Remove { .. }, Path::Resource(..)) => resource().map(|_| true)?,
        _ => return Err(WriteError::NotWritable(path)),
    };
    fits.then_some(()).ok_or(WriteError::WrongType(path))
}
