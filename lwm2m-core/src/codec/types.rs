//! Data types, for formats that don't carry them.

use crate::{DataType, ObjectId, ResourceId};

/// Tells a decoder the data type of a Resource: text, opaque and TLV don't carry it, and JSON is
/// checked against it.
///
/// `None` means that there is no definition. Then the value has what the format says of it: in JSON
/// the type that its field tells, in the others [`ValueRef::Raw`](crate::ValueRef::Raw).
///
/// Closures are lookups, and [`Untyped`] knows nothing.
pub trait TypeLookup {
    /// The data type of this Resource of this Object.
    fn data_type(&self, object: ObjectId, resource: ResourceId) -> Option<DataType>;
}

impl<F: Fn(ObjectId, ResourceId) -> Option<DataType>> TypeLookup for F {
    fn data_type(&self, object: ObjectId, resource: ResourceId) -> Option<DataType> {
        self(object, resource)
    }
}

/// The [`TypeLookup`] without any definitions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untyped;

impl TypeLookup for Untyped {
    fn data_type(&self, _: ObjectId, _: ResourceId) -> Option<DataType> {
        None
    }
}
