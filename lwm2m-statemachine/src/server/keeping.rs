//! Which records have changed since the application was told, and what waits until it has stored them.

use alloc::{boxed::Box, collections::BTreeMap};

use lwm2m_core::Instant;

use super::{
    config::RecordKeeping,
    gate::{Gate, Unstored},
    id::{RegistrationId, Revision},
};
use crate::machine::{Peer, Random};

/// The changes of records. It is empty unless the application keeps records.
#[derive(Debug)]
pub(super) struct Keeping<P> {
    is_on: bool,
    /// The change that was announced last.
    last: Revision,
    /// What was announced and isn't polled yet: it tells of later changes, too.
    unpolled: BTreeMap<RegistrationId, Revision>,
    /// Only if datagrams wait.
    gate: Option<Box<Gate<P>>>,
}

impl<P: Peer> Keeping<P> {
    pub(super) fn new(keeping: RecordKeeping, random: &mut Random) -> Self {
        let gate = match keeping {
            RecordKeeping::Durable(bounds) => Some(Box::new(Gate::new(bounds, random.hash_keys()))),
            RecordKeeping::Off | RecordKeeping::Announced => None,
        };
        Self {
            is_on: keeping != RecordKeeping::Off,
            last: Revision::default(),
            unpolled: BTreeMap::new(),
            gate,
        }
    }

    pub(super) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// The record of this client has changed. Returns the number of the change, and whether it has to be announced.
    pub(super) fn change(&mut self, client: RegistrationId) -> (Revision, bool) {
        if let Some(announced) = self.unpolled.get(&client) {
            return (*announced, false);
        }
        let revision = self.end(client);
        self.unpolled.insert(client, revision);
        (revision, true)
    }

    /// There is no record of this client any more.
    pub(super) fn end(&mut self, client: RegistrationId) -> Revision {
        self.unpolled.remove(&client);
        self.last = self.last.next();
        self.last
    }

    /// The application was told of this change.
    pub(super) fn polled(&mut self, client: RegistrationId, revision: Revision) {
        if self.unpolled.get(&client) == Some(&revision) {
            self.unpolled.remove(&client);
        }
    }

    /// What is sent to this peer waits until the change is stored.
    pub(super) fn wait(&mut self, peer: &P, revision: Revision) {
        if let Some(gate) = &mut self.gate {
            gate.close(peer, revision);
        }
    }

    pub(super) fn set_now(&mut self, now: Instant) {
        if let Some(gate) = &mut self.gate {
            gate.set_now(now);
        }
    }

    pub(super) const fn gate(&mut self) -> Option<&mut Gate<P>> {
        match &mut self.gate {
            Some(gate) => Some(gate),
            None => None,
        }
    }

    pub(super) fn usage(&self) -> Unstored {
        let gate = self.gate.as_ref();
        gate.map_or_else(Unstored::default, |gate| gate.usage())
    }

    /// Everything up to this change is stored, if it was announced.
    pub(super) fn stored(&mut self, revision: Revision) {
        let revision = revision.min(self.last);
        if let Some(gate) = &mut self.gate {
            gate.stored(revision);
        }
    }
}
