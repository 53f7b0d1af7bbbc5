//! Writes, Creates, Deletes and Bootstrap-Writes, whole or not at all (TS 5.2.7.4, 5.4.3, 5.4.6,
//! 5.4.7, 7.3.2).

mod named;
mod part;
mod pending;

use lwm2m_core::{
    InstanceId, ObjectId, Path, WriteMode,
    codec::{Event, Sink},
};

use self::{part::Part, pending::Pending};
use super::{
    change::Change, check::CheckedChanges, error::WriteError, objects::Objects, target::may_delete,
};

/// Changes to the tree that are being collected: any number of operations on any Objects, which
/// [`ObjectTree::commit`](crate::ObjectTree::commit) applies whole or not at all.
///
/// A Write, Create or Bootstrap-Write is begun with its target; its payload follows as events, for
/// which a transaction is a [`Sink`]. Each event is checked against the definition and the tree,
/// and no value is checked again later. Each operation sees the results of those before it. Nothing
/// happens to the tree before the commit.
///
/// The caller checks access rights: for each target before its operation begins, and, where rights
/// below the target may differ, by a sink between the decoder and the transaction.
///
/// After an error, a transaction accepts nothing more, and [`finish`](Self::finish) returns the
/// error.
///
/// ```
/// use lwm2m_core::{InstanceId, Path, Value, WriteMode, codec::Content};
/// use lwm2m_objects::{DEVICE, LOCATION, ObjectTree, SERVER, Store};
///
/// let (lifetime, timezone): (Path, Path) = ("/1/0/1".parse()?, "/3/0/15".parse()?);
/// let mut tree = ObjectTree::new();
/// tree.add(Store::new(&SERVER).with(InstanceId::ZERO, 1, 60));
/// tree.add(Store::new(&DEVICE).with(InstanceId::ZERO, 15, "Europe/Paris"));
///
/// let mut transaction = tree.transaction();
/// for (path, value) in [(lifetime, Value::from(300)), (timezone, "Asia/Tokyo".into())] {
///     transaction.write(path, WriteMode::Replace)?;
///     Content::from_iter([(path, value)]).push(&mut transaction)?;
/// }
/// let changes = transaction.finish()?;
/// assert_eq!(tree.commit(&changes)?, [lifetime, timezone]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(
    missing_debug_implementations,
    reason = "borrows trait objects; values may be secrets"
)]
pub struct Transaction<'t> {
    objects: &'t Objects,
    pending: Pending,
    /// The operation whose payload is being read.
    part: Option<Part<'t>>,
    /// What the last Create that has ended has assigned.
    assigned: Option<InstanceId>,
    failure: Option<WriteError>,
}

impl<'t> Transaction<'t> {
    pub(super) const fn new(objects: &'t Objects) -> Self {
        Self {
            objects,
            pending: Pending::new(),
            part: None,
            assigned: None,
            failure: None,
        }
    }

    /// Begins a Write of an Object Instance or a Resource that is there (TS 5.4.3).
    ///
    /// # Errors
    ///
    /// [`WriteError::NotFound`] and [`WriteError::NotWritable`] for the target, and those of the
    /// previous operation.
    pub fn write(&mut self, target: Path, mode: WriteMode) -> Result<(), WriteError> {
        self.begin(|objects, pending| Part::write(objects, pending, target, mode))
    }

    /// Begins a Create on an Object (TS 5.4.6).
    ///
    /// # Errors
    ///
    /// [`WriteError::NotFound`] and [`WriteError::NotManaged`] for the Object, and those of the
    /// previous operation.
    pub fn create(&mut self, object: ObjectId) -> Result<(), WriteError> {
        self.begin(|objects, pending| Part::create(objects, pending, Path::Object(object)))
    }

    /// Begins a Bootstrap-Write of an Object, an Object Instance or a Resource (TS 5.2.7.4).
    ///
    /// # Errors
    ///
    /// [`WriteError::NotFound`] without the Object, [`WriteError::NotWritable`] for any other
    /// target, and those of the previous operation.
    pub fn bootstrap_write(&mut self, target: Path) -> Result<(), WriteError> {
        self.begin(|objects, _| Part::bootstrap_write(objects, target))
    }

    /// Deletes an Object Instance for a server (TS 5.4.7).
    ///
    /// # Errors
    ///
    /// [`WriteError::NotFound`] without the target, [`WriteError::NotManaged`] if it can't be
    /// deleted, and those of the previous operation.
    pub fn delete(&mut self, target: Path) -> Result<(), WriteError> {
        self.end_part()?;
        self.pending.advance();
        let deleted = self.try_delete(target);
        self.note(deleted)
    }

    /// Adds a change by the Client itself, such as those of [access control](crate::access). It
    /// only has to fit the definition: servers may not be allowed to make it.
    ///
    /// # Errors
    ///
    /// [`WriteError::NotWritable`], [`WriteError::WrongType`] and [`WriteError::OutOfRange`] for a
    /// change that does not fit the definition, [`WriteError::TooMany`] for another Object Instance
    /// than 0 of a single-instance Object, [`WriteError::NotFound`] without the Object, and those
    /// of the previous operation.
    pub fn change(&mut self, change: Change) -> Result<(), WriteError> {
        self.end_part()?;
        let changed = self.pending.draft.change(self.objects, change);
        self.note(changed)
    }

    /// The changes so far, in the order in which they came. Those for Resources that a payload
    /// leaves out are added when it ends.
    pub fn changes(&self) -> &[Change] {
        self.pending.draft.changes()
    }

    /// The identifier of the Object Instance that the last [`create`](Self::create) makes, if the Client
    /// chose it because the payload names none: the answer tells it (TS 8.2.5).
    pub fn assigned(&self) -> Option<InstanceId> {
        let open = self.part.as_ref();
        open.map_or(self.assigned, Part::assigned)
    }

    /// Ends the last payload, and returns all changes.
    ///
    /// # Errors
    ///
    /// The first error of the transaction; [`WriteError::Missing`] if a Create lacks a mandatory
    /// Resource that servers write, [`WriteError::NotSupplied`] for another one, and [`WriteError::Structure`] if a payload is empty that must not be.
    pub fn finish(mut self) -> Result<CheckedChanges, WriteError> {
        self.end_part()?;
        Ok(self.pending.draft.finish(self.objects))
    }

    fn begin(
        &mut self,
        part: impl FnOnce(&'t Objects, &Pending) -> Result<Part<'t>, WriteError>,
    ) -> Result<(), WriteError> {
        self.end_part()?;
        self.pending.advance();
        let begun = part(self.objects, &self.pending).map(|part| self.part = Some(part));
        self.note(begun)
    }

    fn try_delete(&mut self, target: Path) -> Result<(), WriteError> {
        let (Path::Instance(id, instance), pending) = (target, &mut self.pending) else {
            let found = target == Path::Root || self.objects.locate(target).is_some();
            let refused = if found {
                WriteError::NotManaged
            } else {
                WriteError::NotFound
            };
            return Err(refused(target));
        };
        let object = self.objects.get(id);
        let object = object.filter(|object| pending.has_instance(*object, instance));
        let object = object.ok_or(WriteError::NotFound(target))?;
        if !may_delete(object) {
            return Err(WriteError::NotManaged(target));
        }
        pending.draft.delete(target)
    }

    fn end_part(&mut self) -> Result<(), WriteError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let Some(part) = self.part.take() else {
            return Ok(());
        };
        self.assigned = part.assigned();
        let ended = part.end(&mut self.pending);
        self.note(ended)
    }

    const fn note(&mut self, done: Result<(), WriteError>) -> Result<(), WriteError> {
        if let Err(error) = done {
            self.failure = Some(error);
        }
        done
    }
}

impl Sink for Transaction<'_> {
    type Error = WriteError;

    fn event(&mut self, event: Event<'_>) -> Result<(), WriteError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let part = self.part.as_mut();
        let part = part.ok_or(WriteError::Structure(Path::Root))?;
        let taken = part.event(event, &mut self.pending);
        self.note(taken)
    }
}
