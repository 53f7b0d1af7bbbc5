//! A path, looked up once.

use core::fmt;

use lwm2m_core::{
    DataType, InstanceId, Operation, Path, ValueRef,
    codec::{EncodeError, Event, Sink},
};

use super::{
    error::ReadError,
    object::{LargeValue, Object},
    seen::Seen,
    sink::{InstanceSink, ResourceSink},
    visit::visit,
};
use crate::definition::{Multiplicity, ResourceDefinition};

/// A path, with the Object and the definition of the Resource that it leads to.
/// [`ObjectTree::target`](crate::ObjectTree::target) looks them up once for all questions.
///
/// ```
/// use lwm2m_core::Operation;
/// use lwm2m_objects::example;
///
/// let tree = example::client();
/// let reboot = tree.target("/3/0/4".parse()?);
/// assert!(reboot.exists() && reboot.supports(Operation::Execute));
/// assert!(!reboot.supports(Operation::Read));
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Target<'t> {
    path: Path,
    object: Option<Seen<'t>>,
    resource: Option<&'t ResourceDefinition>,
}

impl<'t> Target<'t> {
    pub(super) fn new(path: Path, object: Option<Seen<'t>>) -> Self {
        let resource = object.zip(path.resource());
        Self {
            path,
            object,
            resource: resource.and_then(|(seen, id)| seen.object().definition().resource(id)),
        }
    }

    /// The path.
    pub const fn path(&self) -> Path {
        self.path
    }

    /// The Object of the path.
    pub fn object(&self) -> Option<&'t dyn Object> {
        self.object.map(Seen::object)
    }

    /// The definition of the Resource that the path names, whether or not the Object Instance has it.
    pub const fn resource(&self) -> Option<&'t ResourceDefinition> {
        self.resource
    }

    /// Whether the path leads to something. A Resource Instance is not looked up: TS 1.0 has no paths
    /// to them (5.4).
    pub fn exists(&self) -> bool {
        let (Some(object), Some(instance)) = (self.object, self.path.instance()) else {
            return self.object.is_some();
        };
        match (self.path.resource(), self.resource) {
            (None, _) => object.has_instance(instance),
            (Some(_), Some(resource)) => {
                object.has_instance(instance) && object.has(instance, resource.id)
            }
            (Some(_), None) => false,
        }
    }

    /// Whether the target of a request is there. A Resource that its Object supports may be written
    /// before it is there. A Resource Instance never is: TS 1.0 has no paths to them (5.4).
    pub fn exists_for(&self, operation: Operation) -> bool {
        match (self.path, operation) {
            (Path::Root, _) => true,
            (Path::ResourceInstance(..), _) => false,
            (Path::Resource(_, instance, resource), Operation::Write) => {
                let defined = self.object.filter(|_| self.resource.is_some());
                defined.is_some_and(|seen| {
                    seen.has_instance(instance) && seen.object().supports(resource)
                })
            }
            _ => self.exists(),
        }
    }

    /// Whether the operation may have such a path, and whether the Resource or the Object allows it.
    /// Attributes are for what can be read (TS 5.1.2).
    pub fn supports(&self, operation: Operation) -> bool {
        let allows = self.resource.is_none_or(|resource| {
            let operations = resource.operations;
            match operation {
                Operation::Read
                | Operation::Observe
                | Operation::Notify
                | Operation::WriteAttributes => operations.readable(),
                Operation::Write => operations.writable(),
                Operation::Execute => operations.executable(),
                _ => true,
            }
        });
        let managed = match operation {
            Operation::Create => self.object().is_some_and(may_create),
            Operation::Delete => self.object().is_some_and(may_delete),
            _ => true,
        };
        self.path != Path::Root && operation.may_target(&self.path) && allows && managed
    }

    /// Visits the value of the Resource, or each of its Resource Instances, whether or not servers may
    /// read it.
    pub(super) fn visit(&self, visitor: impl FnMut(Path, ValueRef<'_>)) {
        let place = self.object.zip(self.path.instance()).zip(self.resource);
        let Some(((seen, instance), resource)) = place.filter(|_| self.exists()) else {
            return;
        };
        if resource.operations.executable() {
            return;
        }
        let at = (seen.object().definition().id, instance);
        let read = |out: &mut ResourceSink<'_>| seen.read(instance, resource.id, out);
        visit(at, resource, read, visitor);
    }

    /// What is known of the value, if its Object has it read [piece by piece](Object::large).
    pub fn large(&self) -> Option<LargeValue> {
        let (seen, instance) = self.object.zip(self.path.instance())?;
        let object = seen.unchanged(instance)?;
        let resource = self.resource.filter(|_| self.exists())?;
        let bytes = matches!(
            resource.data_type,
            Some(DataType::String | DataType::Opaque)
        );
        if !bytes || resource.is_multiple() || !resource.operations.readable() {
            return None;
        }
        object.large(instance, resource.id)
    }

    /// Reads a piece of a [large](Self::large) value; see [`Object::read_piece`].
    pub fn read_piece(&self, offset: usize, piece: &mut [u8]) -> Result<(), ReadError> {
        let found = self.object().zip(self.path.instance()).zip(self.resource);
        let ((object, instance), resource) = found.ok_or(ReadError::NotFound(self.path))?;
        object.read_piece(instance, resource.id, offset, piece)
    }

    /// Reads the target; see [`ObjectTree::read`](crate::ObjectTree::read).
    pub fn read(
        &self,
        allowed: impl Fn(InstanceId) -> bool,
        sink: &mut dyn Sink<Error = EncodeError>,
    ) -> Result<(), ReadError> {
        if matches!(self.path, Path::Root | Path::ResourceInstance(..)) {
            return Err(ReadError::NotReadable(self.path));
        }
        if !self.exists() {
            return Err(ReadError::NotFound(self.path));
        }
        let object = self.object.ok_or(ReadError::NotFound(self.path))?;
        sink.event(Event::Object(object.object().definition().id))?;
        match (self.path.instance(), self.resource) {
            (Some(instance), Some(resource)) => {
                if !resource.operations.readable() {
                    return Err(ReadError::NotReadable(self.path));
                }
                sink.event(Event::Instance(Some(instance)))?;
                InstanceSink { sink }
                    .resource(resource, |out| object.read(instance, resource.id, out))?;
                sink.event(Event::EndInstance)?;
            }
            (Some(instance), None) => read_instance(object, instance, sink)?,
            (None, _) => {
                for instance in object.instances().filter(|instance| allowed(*instance)) {
                    read_instance(object, instance, sink)?;
                }
            }
        }
        Ok(sink.event(Event::EndObject)?)
    }
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.path).finish()
    }
}

/// Whether a server may create one more Object Instance (TS 5.4.6): that of a single-instance Object is
/// created once.
fn may_create(object: &dyn Object) -> bool {
    let single = object.definition().instances == Multiplicity::Single;
    object.is_managed() && !(single && object.next_instance(None).is_some())
}

/// Whether a server may delete an Object Instance. The one instance of a mandatory Object has to be there
/// (TS D.1).
pub(super) fn may_delete(object: &dyn Object) -> bool {
    let (least, _) = object.definition().instance_limits();
    object.is_managed() && least == 0
}

fn read_instance(
    object: Seen<'_>,
    instance: InstanceId,
    sink: &mut dyn Sink<Error = EncodeError>,
) -> Result<(), ReadError> {
    sink.event(Event::Instance(Some(instance)))?;
    object.read_instance(instance, &mut InstanceSink { sink })?;
    Ok(sink.event(Event::EndInstance)?)
}
