//! Software Management (Object 9).

pub(crate) mod values;

use alloc::{string::String, vec::Vec};
use core::fmt;

use lwm2m_core::{InstanceId, ObjectId, ObjectLink};

use self::values::{Numbering, State, UpdateResult};
use super::{Typed, Values};
use crate::{
    definition::{ObjectDefinition, builtin::SOFTWARE_MANAGEMENT},
    tree::{Object, Store, TreeView},
};

/// An instance of the Software Management Object. Fields that are `None` or empty aren't
/// instantiated, except for name and version.
/// [`SoftwareManagementObject`](crate::software::SoftwareManagementObject) does the installing.
///
/// In a store of
/// [`SOFTWARE_MANAGEMENT_CANDIDATE`](crate::SOFTWARE_MANAGEMENT_CANDIDATE), Resources 14 to 18
/// are left out, and states and results have the numbers of the candidate.
/// [`Debug`](fmt::Debug) shows neither user name nor password.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SoftwareManagement {
    /// The package's name (Resource 0).
    pub package_name: String,
    /// The package's version (Resource 1).
    pub package_version: String,
    /// An Object with conditions for the update (Resource 5).
    pub checkpoint: Option<ObjectLink>,
    /// Resource 7.
    pub state: State,
    /// Whether servers are told at once when the supported Objects have changed (Resource 8).
    pub update_supported_objects: Option<bool>,
    /// Resource 9.
    pub result: UpdateResult,
    /// Whether the software may be used (Resource 12).
    pub active: bool,
    /// An Object with the software's settings (Resource 13).
    pub package_settings: Option<ObjectLink>,
    /// The user name for Package URI (Resource 14).
    pub user_name: Option<String>,
    /// The password for Package URI (Resource 15).
    pub password: Option<String>,
    /// The reason for the state or the result (Resource 16).
    pub status_reason: Option<String>,
    /// The components that were installed (Resource 17).
    pub components: Vec<ObjectLink>,
    /// How many components there are below (Resource 18).
    pub component_tree_length: Option<u32>,
}

impl SoftwareManagement {
    /// A package of this name and version, and nothing more.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            package_name: name.into(),
            package_version: version.into(),
            ..Self::default()
        }
    }
}

impl Typed for SoftwareManagement {
    const DEFINITION: &'static ObjectDefinition = &SOFTWARE_MANAGEMENT;

    fn store(self, store: Store, instance: InstanceId) -> Store {
        let numbering = Numbering::of(store.definition());
        store
            .with(instance, 0, self.package_name)
            .with(instance, 1, self.package_version)
            .with_some(instance, 5, self.checkpoint)
            .with(instance, 7, i64::from(self.state.number(numbering)))
            .with_some(instance, 8, self.update_supported_objects)
            .with(instance, 9, i64::from(self.result.number(numbering)))
            .with(instance, 12, self.active)
            .with_some(instance, 13, self.package_settings)
            .with_some(instance, 14, self.user_name)
            .with_some(instance, 15, self.password)
            .with_some(instance, 16, self.status_reason)
            .with_instances(instance, 17, (0..=u16::MAX).zip(self.components))
            .with_some(instance, 18, self.component_tree_length.map(i64::from))
    }

    fn load<'t>(tree: impl Into<TreeView<'t>>, instance: InstanceId) -> Option<Self> {
        let tree = tree.into();
        let values = Values::new(tree, ObjectId::SOFTWARE_MANAGEMENT, instance)?;
        let numbering = Numbering::of(tree.definition(ObjectId::SOFTWARE_MANAGEMENT)?);
        Some(Self {
            package_name: values.string(0)?,
            package_version: values.string(1)?,
            checkpoint: values.link(5),
            state: State::from_number(values.number(7)?, numbering)?,
            update_supported_objects: values.boolean(8),
            result: UpdateResult::from_number(values.number(9)?, numbering)?,
            active: values.boolean(12)?,
            package_settings: values.link(13),
            user_name: values.string(14),
            password: values.string(15),
            status_reason: values.string(16),
            components: values.links(17),
            component_tree_length: values.number(18),
        })
    }
}

impl fmt::Debug for SoftwareManagement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareManagement")
            .field("package_name", &self.package_name)
            .field("package_version", &self.package_version)
            .field("checkpoint", &self.checkpoint)
            .field("state", &self.state)
            .field("update_supported_objects", &self.update_supported_objects)
            .field("result", &self.result)
            .field("active", &self.active)
            .field("package_settings", &self.package_settings)
            .field("status_reason", &self.status_reason)
            .field("components", &self.components)
            .field("component_tree_length", &self.component_tree_length)
            .finish_non_exhaustive()
    }
}
