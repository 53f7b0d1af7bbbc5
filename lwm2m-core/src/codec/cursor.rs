//! From flat entries to structure: opens and closes what lies between one path and the next.

use super::{Event, Sink};
use crate::{Path, Timestamp, ValueRef};

/// A position in a payload's structure, for sources whose entries are flat: JSON, and
/// [`Content`](super::Content).
///
/// Each call pushes the ends and beginnings between the last place and the next, so that the sink
/// sees the nested sequence of the [module](super).
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    /// The innermost thing that is open. A `Resource` here is a multiple one.
    open: Path,
}

impl Default for Cursor {
    fn default() -> Self {
        Self::new()
    }
}

impl Cursor {
    /// Nothing is open yet.
    pub const fn new() -> Self {
        Self { open: Path::Root }
    }

    /// Pushes a value: of a Resource, or of a Resource Instance. `path` above Resource level does
    /// nothing but move.
    pub fn value<S: Sink + ?Sized>(
        &mut self,
        path: Path,
        value: ValueRef<'_>,
        time: Option<Timestamp>,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        match path {
            Path::Resource(object, instance, id) => {
                self.open(Path::Instance(object, instance), sink)?;
                sink.event(Event::Resource { id, value, time })
            }
            Path::ResourceInstance(object, instance, resource, id) => {
                self.open(Path::Resource(object, instance, resource), sink)?;
                sink.event(Event::ResourceInstance { id, value, time })
            }
            path => self.open(path, sink),
        }
    }

    /// Makes `path` the innermost thing that is open: an Object, an Object Instance, or a multiple
    /// Resource. (A Resource Instance cannot be open: its multiple Resource is.)
    pub fn open<S: Sink + ?Sized>(&mut self, path: Path, sink: &mut S) -> Result<(), S::Error> {
        let path = if path.resource_instance().is_some() {
            path.parent().unwrap_or(path)
        } else {
            path
        };
        if path == self.open {
            return Ok(());
        }
        while !self.open.contains(&path) {
            self.close_one(sink)?;
        }
        if self.open.object().is_none()
            && let Some(object) = path.object()
        {
            sink.event(Event::Object(object))?;
            self.open = Path::Object(object);
        }
        if let (Path::Object(object), Some(instance)) = (self.open, path.instance()) {
            sink.event(Event::Instance(Some(instance)))?;
            self.open = Path::Instance(object, instance);
        }
        if let (Path::Instance(object, instance), Some(resource)) = (self.open, path.resource()) {
            sink.event(Event::Multiple(resource))?;
            self.open = Path::Resource(object, instance, resource);
        }
        Ok(())
    }

    /// Closes all that is open.
    pub fn finish<S: Sink + ?Sized>(mut self, sink: &mut S) -> Result<(), S::Error> {
        while self.open != Path::Root {
            self.close_one(sink)?;
        }
        Ok(())
    }

    fn close_one<S: Sink + ?Sized>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        let end = match self.open {
            Path::Root => return Ok(()),
            Path::Object(_) => Event::EndObject,
            Path::Instance(..) => Event::EndInstance,
            Path::Resource(..) | Path::ResourceInstance(..) => Event::EndMultiple,
        };
        sink.event(end)?;
        self.open = self.open.parent().unwrap_or(Path::Root);
        Ok(())
    }
}

/// The other direction: where a nested sequence stands.
///
/// Follows the events and tells the path of each, so that sinks need not keep it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    pub(crate) object: Option<crate::ObjectId>,
    pub(crate) instance: Option<crate::InstanceId>,
    pub(crate) resource: Option<crate::ResourceId>,
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
