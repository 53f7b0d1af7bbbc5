//! Changes of the tree, whole or not at all, held or not.

use alloc::vec::Vec;

use lwm2m_core::{DataType, ObjectId, Path, Value, WriteMode};

use super::{
    ObjectTree,
    change::Change,
    check::CheckedChanges,
    differences::{differences, differs, is_same, resource_of},
    error::WriteError,
    object::Object,
    transaction::Transaction,
};

impl ObjectTree {
    /// Begins a transaction, of any operations on any Objects.
    pub const fn transaction(&self) -> Transaction<'_> {
        Transaction::new(&self.objects)
    }

    /// Begins a transaction with a [`Write`](Transaction::write) of an Object Instance or a Resource
    /// (TS 5.4.3); a decoder pushes into it.
    pub fn write(&self, path: Path, mode: WriteMode) -> Result<Transaction<'_>, WriteError> {
        let mut transaction = self.transaction();
        transaction.write(path, mode)?;
        Ok(transaction)
    }

    /// Begins a transaction with a [`Create`](Transaction::create) on an Object (TS 5.4.6); a
    /// decoder pushes into it.
    pub fn create(&self, object: ObjectId) -> Result<Transaction<'_>, WriteError> {
        let mut transaction = self.transaction();
        transaction.create(object)?;
        Ok(transaction)
    }

    /// Begins a transaction with a [`Bootstrap-Write`](Transaction::bootstrap_write) (TS 5.2.7.4);
    /// a decoder pushes into it.
    pub fn bootstrap_write(&self, path: Path) -> Result<Transaction<'_>, WriteError> {
        let mut transaction = self.transaction();
        transaction.bootstrap_write(path)?;
        Ok(transaction)
    }

    /// The changes that a Delete of an Object Instance makes (TS 5.4.7).
    pub fn delete(&self, path: Path) -> Result<CheckedChanges, WriteError> {
        let mut transaction = self.transaction();
        transaction.delete(path)?;
        transaction.finish()
    }

    /// Checks changes by the Client itself, as [`Transaction::change`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Transaction::change`].
    pub fn check(&self, changes: impl Into<Vec<Change>>) -> Result<CheckedChanges, WriteError> {
        CheckedChanges::of(&self.objects, changes.into())
    }

    /// Applies the changes of a transaction, whole or not at all. Those of one Object are prepared
    /// and applied together, in their order.
    ///
    /// Returns what reads differently to servers afterwards, in ascending order and each once:
    /// Object Instances that were created or deleted, and Resources that can be read and have
    /// another value now. Writing the same value again is no difference, but the Object is told of
    /// it: writing a Package URI or a lifetime again may mean something. What the Object then
    /// changes by itself is reported by [`poll_changed`](Self::poll_changed).
    ///
    /// ```
    /// use lwm2m_core::{InstanceId, Path};
    /// use lwm2m_objects::{Change, DEVICE, ObjectTree, Store};
    ///
    /// let path: Path = "/3/0/14".parse()?;
    /// let mut tree = ObjectTree::new();
    /// tree.add(Store::new(&DEVICE).with(InstanceId::ZERO, 14, "+01:00"));
    /// let write = tree.check([Change::Set { path, value: "+02:00".into() }])?;
    /// assert_eq!(tree.commit(&write)?, [path]);
    /// assert_eq!(tree.commit(&write)?, []); // the same again
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError::CheckedElsewhere`] for changes that this tree hasn't checked, or not since an
    /// Object was [added](Self::add), and what an Object refuses to [`prepare`](Object::prepare).
    pub fn commit(&mut self, changes: &CheckedChanges) -> Result<Vec<Path>, WriteError> {
        if !changes.are_by(&self.objects) {
            return Err(WriteError::CheckedElsewhere);
        }
        let mut found = Vec::new();
        for (id, changes) in changes.by_object() {
            self.prepare(id, changes)?;
            differences(&self.objects, changes, &mut found);
        }
        for (id, changes) in changes.by_object() {
            self.held.commit(&self.objects, id, changes);
            self.apply(id, changes, Object::apply);
        }
        if !self.held.is_holding() {
            for (id, changes) in changes.by_object() {
                self.apply(id, changes, Object::settle);
            }
        }
        Ok(found)
    }

    /// [Checks](Self::check) and [commits](Self::commit) changes by the Client itself.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check) and [`commit`](Self::commit).
    pub fn change(&mut self, changes: impl Into<Vec<Change>>) -> Result<Vec<Path>, WriteError> {
        let changes = self.check(changes)?;
        self.commit(&changes)
    }

    /// From now on, commits can be [rolled back](Self::roll_back). The values are as committed, but
    /// their effects, such as the download of a firmware package, wait until the commits are
    /// [kept](Self::keep). While commits are held, nothing is [streamed](Self::stream).
    ///
    /// A Bootstrap is held until its Finish has been checked.
    ///
    /// ```
    /// use lwm2m_core::{InstanceId, Path, Value};
    /// use lwm2m_objects::{Change, DEVICE, ObjectTree, Store};
    ///
    /// let path: Path = "/3/0/14".parse()?;
    /// let mut tree = ObjectTree::new();
    /// tree.add(Store::new(&DEVICE).with(InstanceId::ZERO, 14, "+01:00"));
    /// tree.hold();
    /// tree.change([Change::Set { path, value: "+02:00".into() }])?;
    /// assert_eq!(tree.get(path), Some(Value::from("+02:00")));
    /// tree.roll_back();
    /// assert_eq!(tree.get(path), Some(Value::from("+01:00")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hold(&mut self) {
        self.held.hold();
    }

    /// Whether commits are [held](Self::hold).
    pub const fn is_holding(&self) -> bool {
        self.held.is_holding()
    }

    /// Carries out the effects of everything that is held, and stops holding. Of several values of
    /// a Resource only the last one counts, unless the Object [says otherwise](Object::supersedes).
    pub fn keep(&mut self) {
        for (id, held) in self.held.release() {
            if let Some(object) = self.object_mut(id) {
                held.settle(object);
            }
        }
    }

    /// Rolls back everything that is held, as if it had never happened, and stops holding. Values
    /// that the application has [`set`](Self::set) meanwhile stay, with two exceptions: those of an
    /// Object Instance that is removed again, and Package URIs, because update machines are put
    /// back as they were.
    pub fn roll_back(&mut self) {
        for (id, held) in self.held.release() {
            if let Some(object) = self.object_mut(id) {
                let undo = held.undo(object);
                object.undo(&undo);
            }
        }
    }

    /// Sets a value for the application, also of a read-only Resource. It is checked against the
    /// data type and the range of the definition.
    ///
    /// Returns whether the Resource reads differently to servers afterwards. An Object Instance that a
    /// commit has deleted that is [held](Self::hold) is still there for the application: it has the value
    /// if the commit is rolled back, or if what TS E.1.3 took is
    /// [restored](crate::bootstrap::Unbootstrapped::restored).
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
    /// those of [`change`](Self::change).
    pub fn set(&mut self, path: Path, value: impl Into<Value>) -> Result<bool, WriteError> {
        let (Path::Resource(id, instance, resource)
        | Path::ResourceInstance(id, instance, resource, _)) = path
        else {
            return Err(WriteError::NotWritable(path));
        };
        let at = Path::Instance(id, instance);
        let found = self.settled().target(at);
        let is_gone = self.locate(at).is_none();
        let object = self.object(id).filter(|_| !is_gone || found.exists());
        let object = object.ok_or(WriteError::NotFound(path))?;
        let definition = object.definition().resource(resource);
        let definition = definition.ok_or(WriteError::NotFound(path))?;
        if !definition.operations.executable() && !object.supports(resource) {
            return Err(WriteError::NotSupported(path));
        }
        let value = match (definition.data_type, value.into()) {
            (Some(DataType::Time), Value::Integer(seconds)) => Value::Time(seconds),
            (_, value) => value,
        };
        let changes = self.check([Change::Set { path, value }])?;
        if is_gone {
            return self.set_gone(at, &changes);
        }
        self.prepare(id, &changes)?;
        let differs = changes
            .iter()
            .any(|set| differs(&self.objects, resource_of(path), &[set]));
        self.apply(id, &changes, |object, changes| {
            for change in changes {
                object.set(change);
            }
        });
        if self.held.is_holding() {
            self.held.set(&self.objects, id, &changes);
            if id == ObjectId::ACCESS_CONTROL {
                self.access.forget_before();
            }
        } else {
            self.apply(id, &changes, Object::settle);
        }
        Ok(differs)
    }

    /// Sets a value of an Object Instance that a commit that is held has deleted. It has it if it comes
    /// back.
    fn set_gone(&mut self, at: Path, changes: &[Change]) -> Result<bool, WriteError> {
        let (Some(id), [change @ Change::Set { path, value }]) = (at.object(), changes) else {
            return Ok(false);
        };
        let whole = [Change::Create { path: at }, change.clone()];
        match self.prepare(id, &whole) {
            // Whether there is room for the Object Instance is another matter.
            Err(error) if error.path() == *path => return Err(error),
            _ => {}
        }
        let target = self.settled().target(*path);
        let resource = target.resource();
        let mut differs = resource.is_some_and(|resource| resource.operations.readable());
        target.visit(|at, old| differs &= at != *path || !is_same(old, value.as_ref()));
        self.held.set_gone(id, change);
        if id == ObjectId::ACCESS_CONTROL {
            self.access.forget_before();
        }
        Ok(differs)
    }

    /// The first phase: an Object agrees to its changes.
    fn prepare(&self, id: ObjectId, changes: &[Change]) -> Result<(), WriteError> {
        let object = self
            .object(id)
            .ok_or(WriteError::NotFound(Path::Object(id)))?;
        object.prepare(changes)
    }

    /// Has an Object do something with its changes.
    fn apply(
        &mut self,
        id: ObjectId,
        changes: &[Change],
        apply: impl FnOnce(&mut dyn Object, &[Change]),
    ) {
        if let Some(object) = self.objects.get_mut(id) {
            apply(object, changes);
            if id == ObjectId::ACCESS_CONTROL {
                self.access.follow(&self.objects, changes);
            } else {
                self.forget_access(id);
            }
        }
    }
}
