//! What a bootstrap needs of the Client, and what it asks for.

use alloc::vec::Vec;

use lwm2m_core::{Instant, Path};
use lwm2m_objects::ObjectTree;

use super::super::{
    event::{AccountStatus, ClientEvent, ConnectionId},
    timers::Timers,
};
use crate::coap::Endpoint;

/// What a bootstrap needs for a step.
pub(in crate::client) struct Context<'c> {
    pub(in crate::client) now: Instant,
    pub(in crate::client) tree: &'c mut ObjectTree,
    pub(in crate::client) endpoint: &'c mut Endpoint<ConnectionId>,
    pub(in crate::client) timers: &'c mut Timers,
    /// What has become of each account.
    pub(in crate::client) accounts: &'c [AccountStatus],
    /// Names a new connection.
    pub(in crate::client) new_connection: &'c mut dyn FnMut() -> ConnectionId,
}

/// What a bootstrap asks of the Client.
#[derive(Debug)]
pub(in crate::client) enum Report {
    /// Register at every server (TS 5.2.4, step 3).
    Register,
    /// Tell the application.
    Tell(ClientEvent),
    /// The connection is no longer needed.
    Close(ConnectionId),
    /// The commands begin: nothing else is served.
    Opened,
    /// These Object Instances are the Bootstrap-Server's.
    Written(Vec<Path>),
    /// What was held is kept: these paths read differently.
    Kept(Vec<Path>),
    /// What was held is rolled back.
    RolledBack,
    /// These paths read differently.
    Changed(Vec<Path>),
}
