//! Changes of the tree, whole or not at all, held or not.

use alloc::{borrow::Cow, vec::Vec};

use lwm2m_core::{DataType, InstanceId, ObjectId, Path, Value};

use crate::{
    definition::{Multiplicity, ResourceDefinition},
    tree::{
        ObjectTree, check_value,
        object::{Change, Object, WriteError},
    },
};

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
        let mut held = self.held.take();
        for run in runs(changes) {
            if let (Some(held), Some(id)) = (&mut held, object_of(run))
                && let Some(object) = self.object(id)
            {
                held.entry(id).or_default().commit(self, object, run);
            }
            self.apply(run);
        }
        self.held = held;
        if self.held.is_none() {
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

    /// Lets happen what follows from all that is held, and holds no longer. Of several values of a
    /// Resource only the last one counts, unless the Object
    /// [says otherwise](crate::Object::supersedes).
    pub fn keep(&mut self) {
        for (id, held) in self.held.take().unwrap_or_default() {
            if let Some(object) = self.object_mut(id) {
                held.settle(object);
            }
        }
    }

    /// Takes back all that is held, as if it had never been, and holds no longer. What the
    /// application has [`set`](Self::set) meanwhile stays, unless its Object Instance goes again, and
    /// but for a Package URI: update machines are as they were.
    pub fn roll_back(&mut self) {
        for (id, held) in self.held.take().unwrap_or_default() {
            if let Some(object) = self.object_mut(id) {
                let undo = held.undo(object);
                object.undo(&undo);
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
        let (Path::Resource(id, instance, resource)
        | Path::ResourceInstance(id, instance, resource, _)) = path
        else {
            return Err(WriteError::NotWritable(path));
        };
        let found = self.locate(Path::Instance(id, instance));
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
        let mut held = self.held.take();
        self.change(id, &run, |object, run| {
            for change in run {
                object.set(change);
            }
            match &mut held {
                Some(held) => held.entry(id).or_default().set(object, run),
                None => object.settle(run),
            }
        });
        self.held = held;
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
        if let Some(id) = object_of(run) {
            self.change(id, run, Object::apply);
        }
    }

    fn settle(&mut self, run: &[Change]) {
        if let Some(id) = object_of(run) {
            self.change(id, run, Object::settle);
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
