//! Object Instances as plain structs with named fields, for configuration and reading back.
//!
//! ```
//! use lwm2m_core::{InstanceId, ShortServerId};
//! use lwm2m_objects::{ObjectTree, Store, Typed, typed};
//!
//! let id = ShortServerId::new(101).unwrap();
//! let mut tree = ObjectTree::new();
//! tree.add(Store::of([(InstanceId::ZERO, typed::Server::new(id, 86_400))]));
//! tree.set("/1/0/1".parse()?, 300)?;
//! let server = typed::Server::load(&tree, InstanceId::ZERO).unwrap();
//! assert_eq!(server.lifetime, 300);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access_control;
mod connectivity;
mod device;
pub(crate) mod firmware;
mod location;
mod security;
mod server;
pub(crate) mod software;

use alloc::{string::String, vec::Vec};

use lwm2m_core::{
    InstanceId, ObjectId, ObjectLink, Path, ResourceId, ResourceInstanceId, Value, ValueRef,
};

pub(crate) use self::access_control::PartialAccessControl;
pub use self::{
    access_control::AccessControl,
    connectivity::{ConnectivityMonitoring, ConnectivityStatistics},
    device::{Device, PowerSource},
    firmware::FirmwareUpdate,
    location::Location,
    security::{Certificates, KeyMaterial, Security, SecurityMode, SmsSecurity, SmsSecurityMode},
    server::Server,
    software::SoftwareManagement,
};
pub use crate::tree::AclTarget;
use crate::{
    definition::ObjectDefinition,
    tree::{Store, TreeView},
};

/// An Object Instance as a struct.
pub trait Typed: Sized {
    /// The definition of the Object.
    const DEFINITION: &'static ObjectDefinition;

    /// Puts the instance into a store of the Object.
    #[must_use]
    fn store(self, store: Store, instance: InstanceId) -> Store;

    /// Whether a Resource accepts a value that fits its definition. This is for rules that data type
    /// and range can't express.
    fn accepts(resource: ResourceId, value: &ValueRef<'_>) -> bool {
        let _ = (resource, value);
        true
    }

    /// Reads the instance back, from a `&ObjectTree` or a [`TreeView`]; `None` if it isn't there or
    /// lacks a mandatory Resource.
    fn load<'t>(tree: impl Into<TreeView<'t>>, instance: InstanceId) -> Option<Self>;
}

impl Store {
    /// An Object with these instances. It supports the Resources that they have, or all of its
    /// definition if there are none. Values that don't fit the definition are left out, which
    /// [`checked`](Self::checked) reports.
    ///
    /// ```
    /// use lwm2m_core::{InstanceId, ShortServerId};
    /// use lwm2m_objects::{Store, typed};
    ///
    /// let id = ShortServerId::new(101).unwrap();
    /// let security = typed::Security::no_sec("coap://127.0.0.1:5683", id);
    /// let store = Store::of([(InstanceId::ZERO, security)]);
    /// assert!(store.get("/0/0/0".parse().unwrap()).is_some());
    /// ```
    pub fn of<T: Typed>(instances: impl IntoIterator<Item = (InstanceId, T)>) -> Self {
        let empty = Self::new(T::DEFINITION).accepting(T::accepts);
        instances
            .into_iter()
            .fold(empty, |store, (id, instance)| instance.store(store, id))
    }

    /// Sets a value, if there is one.
    fn with_some(
        self,
        instance: InstanceId,
        resource: u16,
        value: Option<impl Into<Value>>,
    ) -> Self {
        match value {
            Some(value) => self.with(instance, resource, value),
            None => self,
        }
    }
}

/// The values of one Object Instance, by Resource ID and type.
pub(crate) struct Values<'t> {
    tree: TreeView<'t>,
    object: ObjectId,
    instance: InstanceId,
}

impl<'t> Values<'t> {
    fn new(tree: TreeView<'t>, object: ObjectId, instance: InstanceId) -> Option<Self> {
        let target = tree.target(Path::Instance(object, instance));
        target.exists().then(|| Self::of(tree, object, instance))
    }

    /// Those of an Object Instance that is known to be there.
    pub(crate) const fn of(tree: TreeView<'t>, object: ObjectId, instance: InstanceId) -> Self {
        Self {
            tree,
            object,
            instance,
        }
    }

    fn get(&self, resource: u16) -> Option<Value> {
        self.tree.get(self.path(resource))
    }

    pub(crate) fn string(&self, resource: u16) -> Option<String> {
        match self.get(resource)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn opaque(&self, resource: u16) -> Option<Vec<u8>> {
        match self.get(resource)? {
            Value::Opaque(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self, resource: u16) -> Option<bool> {
        match self.get(resource)? {
            Value::Boolean(truth) => Some(truth),
            _ => None,
        }
    }

    /// An integer, if it fits the type.
    pub(crate) fn number<N: TryFrom<i64>>(&self, resource: u16) -> Option<N> {
        match self.get(resource)? {
            Value::Integer(number) | Value::Time(number) => N::try_from(number).ok(),
            _ => None,
        }
    }

    fn float(&self, resource: u16) -> Option<f64> {
        match self.get(resource)? {
            Value::Float(number) => Some(number),
            _ => None,
        }
    }

    fn link(&self, resource: u16) -> Option<ObjectLink> {
        match self.get(resource)? {
            Value::ObjectLink(link) => Some(link),
            _ => None,
        }
    }

    /// Whether the Object Instance has the Resource, which may be executable.
    fn has(&self, resource: u16) -> bool {
        self.tree.target(self.path(resource)).exists()
    }

    /// The integers of a multiple Resource.
    fn numbers(&self, resource: u16) -> Vec<(ResourceInstanceId, i64)> {
        self.multiple(resource, |id, value| match value {
            ValueRef::Integer(number) => Some((id, number)),
            _ => None,
        })
    }

    /// The texts of a multiple Resource.
    fn strings(&self, resource: u16) -> Vec<String> {
        self.multiple(resource, |_, value| match value {
            ValueRef::String(text) => Some(text.into()),
            _ => None,
        })
    }

    /// The links of a multiple Resource.
    fn links(&self, resource: u16) -> Vec<ObjectLink> {
        self.multiple(resource, |_, value| match value {
            ValueRef::ObjectLink(link) => Some(link),
            _ => None,
        })
    }

    /// The values of a multiple Resource, by Resource Instance ID.
    fn multiple<T>(
        &self,
        resource: u16,
        read: impl Fn(ResourceInstanceId, ValueRef<'_>) -> Option<T>,
    ) -> Vec<T> {
        let mut values = Vec::new();
        self.tree.visit(self.path(resource), |at, value| {
            values.extend(at.resource_instance().and_then(|id| read(id, value)));
        });
        values
    }

    pub(crate) fn path(&self, resource: u16) -> Path {
        Path::Resource(self.object, self.instance, ResourceId::new(resource))
    }
}
