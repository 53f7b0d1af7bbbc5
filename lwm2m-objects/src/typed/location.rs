//! Location (TS E.7).

use alloc::vec::Vec;

use lwm2m_core::{InstanceId, ObjectId, Value};

use super::{Typed, Values};
use crate::{
    definition::{ObjectDefinition, builtin::LOCATION},
    tree::{Store, TreeView},
};

/// The instance of the Location Object: where the device was at a point in time. Fields that are
/// `None` aren't instantiated.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Location {
    /// The latitude in degrees of WGS 84; south is negative (Resource 0).
    pub latitude: f64,
    /// The longitude in degrees of WGS 84; west is negative (Resource 1).
    pub longitude: f64,
    /// The altitude, in metres above sea level (Resource 2).
    pub altitude: Option<f64>,
    /// The radius in metres around the point within which the device is, with a confidence of 95 %
    /// (Resource 3).
    pub radius: Option<f64>,
    /// The velocity, encoded as in 3GPP TS 23.032 (Resource 4).
    pub velocity: Option<Vec<u8>>,
    /// The time of the measurement, in seconds of Unix time (Resource 5).
    pub timestamp: i64,
    /// The speed, in metres per second (Resource 6).
    pub speed: Option<f64>,
}

impl Location {
    /// A point in two dimensions.
    pub const fn new(latitude: f64, longitude: f64, timestamp: i64) -> Self {
        Self {
            latitude,
            longitude,
            altitude: None,
            radius: None,
            velocity: None,
            timestamp,
            speed: None,
        }
    }

    /// The values by Resource ID, in order.
    pub(crate) fn values(&self) -> [(u16, Option<Value>); 7] {
        let float = |number: Option<f64>| number.map(Value::Float);
        [
            (0, float(Some(self.latitude))),
            (1, float(Some(self.longitude))),
            (2, float(self.altitude)),
            (3, float(self.radius)),
            (4, self.velocity.clone().map(Value::Opaque)),
            (5, Some(Value::Time(self.timestamp))),
            (6, float(self.speed)),
        ]
    }
}

impl Typed for Location {
    const DEFINITION: &'static ObjectDefinition = &LOCATION;

    fn store(self, store: Store, instance: InstanceId) -> Store {
        let values = self.values().into_iter();
        values.fold(store, |store, (id, value)| {
            store.with_some(instance, id, value)
        })
    }

    fn load<'t>(tree: impl Into<TreeView<'t>>, instance: InstanceId) -> Option<Self> {
        let values = Values::new(tree.into(), ObjectId::LOCATION, instance)?;
        Some(Self {
            latitude: values.float(0)?,
            longitude: values.float(1)?,
            altitude: values.float(2),
            radius: values.float(3),
            velocity: values.opaque(4),
            timestamp: values.number(5)?,
            speed: values.float(6),
        })
    }
}
