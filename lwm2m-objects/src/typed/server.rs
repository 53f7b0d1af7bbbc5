//! LwM2M Server (TS E.2).

use alloc::string::ToString;

use lwm2m_core::{BindingMode, InstanceId, ObjectId, ResourceId, ShortServerId, ValueRef};

use super::{Typed, Values};
use crate::{
    definition::{ObjectDefinition, builtin::SERVER},
    tree::{Store, TreeView},
};

/// An instance of the Server Object: the Client's parameters for a LwM2M Server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Server {
    /// The Short Server ID, which its Security Object Instance has too (Resource 0).
    pub short_server_id: ShortServerId,
    /// The lifetime of the registration, in seconds (Resource 1).
    pub lifetime: u32,
    /// The default of `pmin`, in seconds (Resource 2).
    pub default_minimum_period: Option<u32>,
    /// The default of `pmax`, in seconds (Resource 3).
    pub default_maximum_period: Option<u32>,
    /// Whether the server may disable itself (Resource 4).
    pub disable: bool,
    /// How long the server is disabled, in seconds; 86400 if absent (Resource 5).
    pub disable_timeout: Option<u32>,
    /// Whether notifications are kept while the server is disabled or the Client offline
    /// (Resource 6).
    pub notification_storing: bool,
    /// The transport binding and mode (Resource 7).
    pub binding: BindingMode,
}

impl Server {
    /// A server with default values: notifications are stored, the binding is U.
    pub const fn new(short_server_id: ShortServerId, lifetime: u32) -> Self {
        Self {
            short_server_id,
            lifetime,
            default_minimum_period: None,
            default_maximum_period: None,
            disable: false,
            disable_timeout: None,
            notification_storing: true,
            binding: BindingMode::U,
        }
    }
}

impl Typed for Server {
    const DEFINITION: &'static ObjectDefinition = &SERVER;

    fn store(self, store: Store, instance: InstanceId) -> Store {
        let store = store
            .with(instance, 0, i64::from(self.short_server_id.get()))
            .with(instance, 1, i64::from(self.lifetime))
            .with_some(instance, 2, self.default_minimum_period.map(i64::from))
            .with_some(instance, 3, self.default_maximum_period.map(i64::from))
            .with_some(instance, 5, self.disable_timeout.map(i64::from))
            .with(instance, 6, self.notification_storing)
            .with(instance, 7, self.binding.to_string());
        if self.disable {
            store.with_executable(instance, 4)
        } else {
            store
        }
    }

    /// Times have 32 bits, and a lifetime is not 0.
    fn accepts(resource: ResourceId, value: &ValueRef<'_>) -> bool {
        match (resource.get(), value) {
            (1, ValueRef::Integer(seconds)) => (1..=i64::from(u32::MAX)).contains(seconds),
            (_, ValueRef::Integer(number)) => (0..=i64::from(u32::MAX)).contains(number),
            _ => true,
        }
    }

    fn load<'t>(tree: impl Into<TreeView<'t>>, instance: InstanceId) -> Option<Self> {
        let values = Values::new(tree.into(), ObjectId::SERVER, instance)?;
        Some(Self {
            short_server_id: ShortServerId::new(values.number(0)?)?,
            lifetime: values.number(1)?,
            default_minimum_period: values.number(2),
            default_maximum_period: values.number(3),
            disable: values.has(4),
            disable_timeout: values.number(5),
            notification_storing: values.boolean(6)?,
            binding: values.string(7)?.parse().ok()?,
        })
    }
}
