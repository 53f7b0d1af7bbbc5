//! Looking at the values of one Resource.

use lwm2m_core::{
    InstanceId, ObjectId, Path, ValueRef,
    codec::{EncodeError, Event, Sink},
};

use super::{error::ReadError, sink::ResourceSink};
use crate::definition::ResourceDefinition;

/// Visits what `read` pushes: the value of a Resource, or each of its Resource Instances.
pub(super) fn visit(
    path: (ObjectId, InstanceId),
    resource: &ResourceDefinition,
    read: impl FnOnce(&mut ResourceSink<'_>) -> Result<(), ReadError>,
    mut visitor: impl FnMut(Path, ValueRef<'_>),
) {
    let ((object, instance), id) = (path, resource.id);
    let mut sink = Visit(|event: Event<'_>| match event {
        Event::Resource { value, .. } => visitor(Path::Resource(object, instance, id), value),
        Event::ResourceInstance { id: at, value, .. } => {
            visitor(Path::ResourceInstance(object, instance, id, at), value);
        }
        _ => {}
    });
    let mut out = ResourceSink {
        definition: resource,
        sink: &mut sink,
    };
    // A value that is not available isn't visited.
    let _ = read(&mut out);
}

/// A sink that hands its events to a closure.
struct Visit<F>(F);

impl<F: FnMut(Event<'_>)> Sink for Visit<F> {
    type Error = EncodeError;

    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        (self.0)(event);
        Ok(())
    }
}
