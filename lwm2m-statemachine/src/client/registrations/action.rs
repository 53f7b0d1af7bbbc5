//! What an Execute in the Server Object asks of a registration (TS E.2).

use core::time::Duration;

use lwm2m_core::{InstanceId, ObjectId, Path};

/// What others ask of the registration of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Action {
    /// An Update is sent, if the Client is registered.
    Update,
    /// The same, and the server itself has asked for it: only it can take back for how long it wants none.
    UpdateForServer,
    /// An Update shows whether the server can be reached, and until it has, nothing else is sent to it.
    Confirm,
    /// The server is disabled, for its Disable Timeout.
    Disable,
    /// The server is disabled for this long.
    DisableFor(Duration),
}

impl Action {
    /// What the Execute of a Resource asks of the server of that Server Object Instance.
    pub(super) const fn of(executed: Path) -> Option<(InstanceId, Self)> {
        match executed {
            Path::Resource(ObjectId::SERVER, instance, resource) => match resource.get() {
                4 => Some((instance, Self::Disable)),
                8 => Some((instance, Self::Update)),
                _ => None,
            },
            _ => None,
        }
    }
}
