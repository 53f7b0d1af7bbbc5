//! Which clients the server wakes by short messages, and how (TS 8.4).

use alloc::collections::BTreeMap;

use lwm2m_core::{InstanceId, ObjectId, Path, ResourceId};

use super::{
    id::{OperationId, RegistrationId},
    registrar::Registration,
};

/// Registration Update Trigger of the Server Object (TS E.2).
const UPDATE_TRIGGER: ResourceId = ResourceId::new(8);

/// How a client that is asleep is woken: see [`Waiting::set_trigger`](super::Waiting::set_trigger).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpdateTrigger<P> {
    /// The name of the client's [number](Registration::sms_number).
    pub peer: P,
    /// The Server Object Instance of this server. `None` is the one that the client
    /// [lists](Registration::server_instance), if it lists a single one.
    pub server_instance: Option<InstanceId>,
}

impl<P> UpdateTrigger<P> {
    /// A trigger to this peer, for the only Server Object Instance of the client.
    pub const fn new(peer: P) -> Self {
        Self {
            peer,
            server_instance: None,
        }
    }

    /// Where it is executed at this client.
    pub(super) fn path<Q>(&self, client: &Registration<Q>) -> Option<Path> {
        let instance = self.server_instance.or_else(|| client.server_instance());
        instance.map(path)
    }
}

/// The Registration Update Trigger of this Server Object Instance.
pub(super) const fn path(server_instance: InstanceId) -> Path {
    Path::Resource(ObjectId::SERVER, server_instance, UPDATE_TRIGGER)
}

/// Which clients are woken, and how.
#[derive(Debug)]
pub(super) struct Triggers<P> {
    clients: BTreeMap<RegistrationId, Triggered<P>>,
    sent: u64,
}

#[derive(Debug)]
struct Triggered<P> {
    by: UpdateTrigger<P>,
    /// Whether one was sent since the client fell asleep.
    is_sent: bool,
    /// The last one that the server has sent by itself.
    last: Option<OperationId>,
}

impl<P> Triggers<P> {
    pub(super) const fn new() -> Self {
        Self {
            clients: BTreeMap::new(),
            sent: 0,
        }
    }

    pub(super) fn set(&mut self, client: RegistrationId, by: UpdateTrigger<P>) {
        let before = self.clients.remove(&client);
        let triggered = Triggered {
            by,
            is_sent: before.as_ref().is_some_and(|before| before.is_sent),
            last: before.and_then(|before| before.last),
        };
        self.clients.insert(client, triggered);
    }

    /// How a client is to be woken, unless it was in this sleep.
    pub(super) fn unsent(&self, client: RegistrationId) -> Option<&UpdateTrigger<P>> {
        let triggered = self.clients.get(&client)?;
        (!triggered.is_sent).then_some(&triggered.by)
    }

    /// The server has sent one by itself. Returns the one before.
    pub(super) fn was_sent(
        &mut self,
        client: RegistrationId,
        now: OperationId,
    ) -> Option<OperationId> {
        self.sent = self.sent.saturating_add(1);
        let triggered = self.clients.get_mut(&client)?;
        triggered.is_sent = true;
        triggered.last.replace(now)
    }

    /// The application has sent one to a client that is asleep.
    pub(super) fn was_sent_by_application(&mut self, client: RegistrationId) {
        if let Some(triggered) = self.clients.get_mut(&client) {
            triggered.is_sent = true;
        }
    }

    /// A client has woken.
    pub(super) fn woken(&mut self, client: RegistrationId) {
        if let Some(triggered) = self.clients.get_mut(&client) {
            triggered.is_sent = false;
        }
    }

    /// A registration takes the place of another one of the same client.
    pub(super) fn replace(&mut self, old: RegistrationId, new: RegistrationId) {
        if let Some(triggered) = self.clients.remove(&old) {
            self.clients.insert(new, triggered);
        }
    }

    /// A client isn't to be woken.
    pub(super) fn forget(&mut self, client: RegistrationId) {
        self.clients.remove(&client);
    }

    /// How many the server has sent by itself.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }
}
