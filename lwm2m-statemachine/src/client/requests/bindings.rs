//! Which bindings a server may choose (TS 5.3.1.1, E.2).

use lwm2m_core::{BindingMode, InstanceId, ObjectId, Path, ResourceId, ShortServerId, Value};
use lwm2m_objects::{Change, ObjectTree};

use super::super::accounts;

/// What the Client can be told to use.
#[derive(Clone, Copy, Debug)]
pub(super) struct UsableBindings {
    /// Whether the device has a number of its own.
    pub(super) has_number: bool,
}

impl UsableBindings {
    /// Whether the Client supports a binding: the Device Object says so, and the device has the number that one with
    /// SMS needs.
    pub(super) fn supports(self, tree: &ObjectTree, binding: BindingMode) -> bool {
        is_supported(tree, binding) && (self.has_number || !binding.has_sms())
    }

    /// Whether each binding that changes set is one that the Client supports. One with SMS needs the number
    /// of the device and that of the server, too: without them none finds the other (TS 8.6.2, E.1).
    pub(super) fn fit<'c>(
        self,
        tree: &ObjectTree,
        changes: &(impl Iterator<Item = &'c Change> + Clone),
    ) -> bool {
        /// Binding of the Server Object (TS E.2).
        const BINDING: ResourceId = ResourceId::new(7);
        changes.clone().all(|change| match change {
            Change::Set {
                path: Path::Resource(ObjectId::SERVER, instance, BINDING),
                value: Value::String(text),
            } => text.parse().is_ok_and(|binding: BindingMode| {
                let server = server(tree, changes.clone(), *instance);
                let has_number =
                    || server.is_some_and(|server| accounts::has_sms_number(tree, server));
                self.supports(tree, binding) && (!binding.has_sms() || has_number())
            }),
            _ => true,
        })
    }
}

/// Whether the Device Object says that the Client supports a binding (TS E.4).
fn is_supported(tree: &ObjectTree, binding: BindingMode) -> bool {
    /// Supported Binding and Modes.
    const SUPPORTED: Path = Path::of(&[3, 0, 16]).unwrap();
    match tree.get(SUPPORTED) {
        Some(Value::String(supported)) => binding.is_supported_by(&supported),
        _ => true,
    }
}

/// The server that a Server Object Instance will be about.
fn server<'c>(
    tree: &ObjectTree,
    mut changes: impl Iterator<Item = &'c Change>,
    of: InstanceId,
) -> Option<ShortServerId> {
    /// Short Server ID of the Server Object (TS E.2).
    const SERVER: ResourceId = ResourceId::new(0);
    let set = changes.find_map(|change| match change {
        Change::Set {
            path: Path::Resource(ObjectId::SERVER, instance, SERVER),
            value: Value::Integer(number),
        } if *instance == of => Some(*number),
        _ => None,
    });
    match set {
        Some(number) => ShortServerId::new(u16::try_from(number).ok()?),
        None => accounts::server_of(tree, of),
    }
}
