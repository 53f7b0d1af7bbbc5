//! Where an Object pushes its values on a Read.

use lwm2m_core::{
    ResourceInstanceId, ValueRef,
    codec::{EncodeError, Event, Sink},
};

use super::error::ReadError;
use crate::definition::ResourceDefinition;

/// Where an [`Object`](crate::Object) pushes the values of an Object Instance. Nothing is allocated
/// on the way to the encoder.
#[expect(missing_debug_implementations, reason = "borrows a trait object")]
pub struct InstanceSink<'s> {
    pub(super) sink: &'s mut dyn Sink<Error = EncodeError>,
}

impl InstanceSink<'_> {
    /// Pushes the value of a Resource, or its Resource Instances, by calling `read`. Call it in
    /// ascending order of the Resources. A Resource that servers can't read is left out.
    pub fn resource(
        &mut self,
        definition: &ResourceDefinition,
        read: impl FnOnce(&mut ResourceSink<'_>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        if !definition.operations.readable() {
            return Ok(());
        }
        let sink = &mut *self.sink;
        if !definition.is_multiple() {
            return read(&mut ResourceSink { definition, sink });
        }
        sink.event(Event::Multiple(definition.id))?;
        read(&mut ResourceSink { definition, sink })?;
        Ok(self.sink.event(Event::EndMultiple)?)
    }
}

/// Where an [`Object`](crate::Object) pushes the value of a Resource. Nothing is allocated on the way
/// to the encoder.
#[expect(missing_debug_implementations, reason = "borrows a trait object")]
pub struct ResourceSink<'s> {
    pub(super) definition: &'s ResourceDefinition,
    pub(super) sink: &'s mut dyn Sink<Error = EncodeError>,
}

impl ResourceSink<'_> {
    /// Pushes the value of a single Resource.
    pub fn value(&mut self, value: ValueRef<'_>) -> Result<(), ReadError> {
        if self.definition.is_multiple() {
            return Err(ReadError::Unavailable);
        }
        let id = self.definition.id;
        Ok(self.sink.event(Event::Resource {
            id,
            value,
            time: None,
        })?)
    }

    /// Pushes the value of one Resource Instance of a multiple Resource. Call it in ascending order.
    pub fn instance(
        &mut self,
        id: ResourceInstanceId,
        value: ValueRef<'_>,
    ) -> Result<(), ReadError> {
        if !self.definition.is_multiple() {
            return Err(ReadError::Unavailable);
        }
        Ok(self.sink.event(Event::ResourceInstance {
            id,
            value,
            time: None,
        })?)
    }
}
