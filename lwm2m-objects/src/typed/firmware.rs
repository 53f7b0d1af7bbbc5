//! Firmware Update (TS E.6).

pub(crate) mod values;

use alloc::{string::String, vec::Vec};

use lwm2m_core::{InstanceId, ObjectId};

use self::values::{DeliveryMethod, Protocol, State, UpdateResult};
use super::{Typed, Values};
use crate::{
    definition::{ObjectDefinition, builtin::FIRMWARE_UPDATE},
    tree::{Store, TreeView},
};

/// The instance of the Firmware Update Object. Fields that are `None` or empty aren't instantiated,
/// except for the URI. [`FirmwareUpdateObject`](crate::firmware::FirmwareUpdateObject) does the
/// updating.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FirmwareUpdate {
    /// Where to fetch the package (Resource 1).
    pub package_uri: String,
    /// Resource 3.
    pub state: State,
    /// Resource 5.
    pub result: UpdateResult,
    /// The package's name (Resource 6).
    pub package_name: Option<String>,
    /// The package's version (Resource 7).
    pub package_version: Option<String>,
    /// The protocols to fetch packages with; CoAP alone if empty (Resource 8).
    pub protocols: Vec<Protocol>,
    /// The ways a package may come (Resource 9).
    pub delivery: DeliveryMethod,
}

impl Typed for FirmwareUpdate {
    const DEFINITION: &'static ObjectDefinition = &FIRMWARE_UPDATE;

    fn store(self, store: Store, instance: InstanceId) -> Store {
        let protocols = self.protocols.into_iter().map(Protocol::number);
        store
            .with(instance, 0, Vec::new())
            .with(instance, 1, self.package_uri)
            .with(instance, 3, i64::from(self.state.number()))
            .with(instance, 5, i64::from(self.result.number()))
            .with_some(instance, 6, self.package_name)
            .with_some(instance, 7, self.package_version)
            .with_instances(instance, 8, (0..=u16::MAX).zip(protocols.map(i64::from)))
            .with(instance, 9, i64::from(self.delivery.number()))
    }

    fn load<'t>(tree: impl Into<TreeView<'t>>, instance: InstanceId) -> Option<Self> {
        let values = Values::new(tree.into(), ObjectId::FIRMWARE_UPDATE, instance)?;
        let protocols = values.numbers(8).into_iter();
        let protocols = protocols.filter_map(|(_, number)| u8::try_from(number).ok());
        Some(Self {
            package_uri: values.string(1)?,
            state: State::from_number(values.number(3)?)?,
            result: UpdateResult::from_number(values.number(5)?)?,
            package_name: values.string(6),
            package_version: values.string(7),
            protocols: protocols.filter_map(Protocol::from_number).collect(),
            delivery: DeliveryMethod::from_number(values.number(9)?)?,
        })
    }
}
