//! From flat entries to structure: opens and closes what lies between one path and the next.

use super::{Event, Sink};
use crate::{InstanceId, ObjectId, Path, ResourceId, Timestamp, ValueRef};

/// A position in a payload's structure, for sources whose entries are flat: JSON, and
/// [`Content`](super::Content).
///
/// Each call pushes the ends and beginnings between the last place and the next, so that the sink
/// sees the nested sequence of the [module](super).
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    object: Option<ObjectId>,
    instance: Option<InstanceId>,
    /// A multiple one.
    resource: Option<ResourceId>,
}

impl Cursor {
    /// Nothing is open yet.
    pub const fn new() -> Self {
        Self {
            object: None,
            instance: None,
            resource: None,
        }
    }

    /// Pushes a value: of a Resource, or of a Resource Instance. `path` above Resource level does
    /// nothing but move.
    #[inline]
    pub fn value<S: Sink + ?Sized>(
        &mut self,
        path: Path,
        value: ValueRef<'_>,
        time: Option<Timestamp>,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        match path {
            Path::Resource(object, instance, id) => {
                self.enter(Some(object), Some(instance), None, sink)?;
                sink.event(Event::Resource { id, value, time })
            }
            Path::ResourceInstance(object, instance, resource, id) => {
                self.enter(Some(object), Some(instance), Some(resource), sink)?;
                sink.event(Event::ResourceInstance { id, value, time })
            }
            path => self.open(path, sink),
        }
    }

    /// Makes `path` the innermost thing that is open: an Object, an Object Instance, or a multiple
    /// Resource. (A Resource Instance cannot be open: its multiple Resource is.)
    pub fn open<S: Sink + ?Sized>(&mut self, path: Path, sink: &mut S) -> Result<(), S::Error> {
        self.enter(path.object(), path.instance(), path.resource(), sink)
    }

    /// Closes all that is open.
    pub fn finish<S: Sink + ?Sized>(mut self, sink: &mut S) -> Result<(), S::Error> {
        self.enter(None, None, None, sink)
    }

    /// Makes this, and nothing else, open. Mostly it is: the last value was of the same thing.
    #[inline]
    fn enter<S: Sink + ?Sized>(
        &mut self,
        object: Option<ObjectId>,
        instance: Option<InstanceId>,
        resource: Option<ResourceId>,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        if self.resource == resource && self.instance == instance && self.object == object {
            return Ok(());
        }
        self.go(object, instance, resource, sink)
    }

    fn go<S: Sink + ?Sized>(
        &mut self,
        object: Option<ObjectId>,
        instance: Option<InstanceId>,
        resource: Option<ResourceId>,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let same_object = self.object == object;
        let same_instance = same_object && self.instance == instance;
        let same_resource = same_instance && self.resource == resource;
        if self.resource.is_some() && !same_resource {
            sink.event(Event::EndMultiple)?;
            self.resource = None;
        }
        if self.instance.is_some() && !same_instance {
            sink.event(Event::EndInstance)?;
            self.instance = None;
        }
        if self.object.is_some() && !same_object {
            sink.event(Event::EndObject)?;
            self.object = None;
        }
        if let (None, Some(id)) = (self.object, object) {
            sink.event(Event::Object(id))?;
            self.object = object;
        }
        if let (None, Some(id)) = (self.instance, instance) {
            sink.event(Event::Instance(Some(id)))?;
            self.instance = instance;
        }
        if let (None, Some(id)) = (self.resource, resource) {
            sink.event(Event::Multiple(id))?;
            self.resource = resource;
        }
        Ok(())
    }
}

/// The other direction: where a nested sequence stands.
///
/// Follows the events and tells the path of each, so that sinks need not keep it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    pub(crate) object: Option<ObjectId>,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) resource: Option<ResourceId>,
}

impl Position {
    /// Before the first event.
    pub(crate) const START: Self = Self {
        object: None,
        instance: None,
        resource: None,
    };

    /// Takes the next event; tells the path it speaks of. `None` if the order is broken, or if an
    /// Object Instance has no identifier.
    pub(crate) fn follow(&mut self, event: &Event<'_>) -> Option<Path> {
        match (*event, self.object, self.instance, self.resource) {
            (Event::Object(id), None, None, None) => {
                self.object = Some(id);
                Some(Path::Object(id))
            }
            (Event::Instance(Some(id)), Some(object), None, None) => {
                self.instance = Some(id);
                Some(Path::Instance(object, id))
            }
            (Event::Resource { id, .. }, Some(object), Some(instance), None) => {
                Some(Path::Resource(object, instance, id))
            }
            (Event::Multiple(id), Some(object), Some(instance), None) => {
                self.resource = Some(id);
                Some(Path::Resource(object, instance, id))
            }
            (Event::ResourceInstance { id, .. }, Some(o), Some(i), Some(r)) => {
                Some(Path::ResourceInstance(o, i, r, id))
            }
            (Event::EndMultiple, Some(object), Some(instance), Some(id)) => {
                self.resource = None;
                Some(Path::Resource(object, instance, id))
            }
            (Event::EndInstance, Some(object), Some(id), None) => {
                self.instance = None;
                Some(Path::Instance(object, id))
            }
            (Event::EndObject, Some(id), None, None) => {
                self.object = None;
                Some(Path::Object(id))
            }
            _ => None,
        }
    }
}
