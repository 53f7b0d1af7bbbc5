//! Making room for a registration: which other ones are evicted.

use alloc::{boxed::Box, vec::Vec};

use lwm2m_core::Instant;
use thiserror::Error;

use super::{
    eviction::Standing,
    pages::PAGE,
    policy::Policy,
    refusal::RefusalReason,
    registration::Registration,
    registrations::{NameHash, Registrations, weight},
};
use crate::{downlink::Host, machine::Peer, server::id::RegistrationId};

/// How many registrations are evicted for one request at most: a large one may need the room of
/// several.
const EVICTED_AT_ONCE: usize = 64;

/// Why a registration was evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvictionReason {
    /// There were as many as
    /// [`ServerBounds::registrations`](crate::server::ServerBounds::registrations).
    #[error("too many registrations")]
    Registrations,
    /// They took as much as [`ServerBounds::bytes`](crate::server::ServerBounds::bytes).
    #[error("the registrations take too many bytes")]
    Bytes,
    /// Its host had as many as
    /// [`ServerBounds::registrations_per_host`](crate::server::ServerBounds::registrations_per_host).
    #[error("too many registrations of its host")]
    Host,
}

/// A registration that has expired or was evicted.
#[derive(Debug)]
pub(in crate::server) struct Departure<P> {
    pub(in crate::server) registration: RegistrationId,
    pub(in crate::server) was: Box<Registration<P>>,
    /// `None` if it has expired.
    pub(in crate::server) evicted: Option<EvictionReason>,
}

/// What room is needed for.
#[derive(Clone, Copy, Debug)]
struct Need {
    /// Of the client that asks.
    standing: Standing,
    /// What the registration will take, in bytes.
    weight: usize,
    /// What is registered now under the name, as long as it is there.
    instead_of: Option<RegistrationId>,
    /// The host that will have one more without a proven identity.
    host: Option<Host>,
}

/// The registrations at the moment of a request, and those that have gone since.
#[derive(Debug)]
pub(super) struct Admission<'a, P> {
    pub(super) registrations: &'a mut Registrations<P>,
    pub(super) departures: &'a mut Vec<Departure<P>>,
    pub(super) policy: &'a Policy,
    pub(super) now: Instant,
}

impl<P: Peer> Admission<'_, P> {
    /// Makes room for a registration; others may be evicted. Returns the one of the same name, which
    /// it replaces.
    pub(super) fn admit(
        &mut self,
        registration: &Registration<P>,
        name: NameHash,
    ) -> Result<Option<RegistrationId>, RefusalReason> {
        let instead_of = self
            .registrations
            .find_hashed(registration.endpoint_name(), name);
        let instead_of = instead_of.filter(|old| !self.expire_if_due(*old));
        let old = instead_of.and_then(|old| self.registrations.get(old));
        let standing = registration.contact.standing;
        // A client with a proven identity can't be evicted for one without.
        if old.is_some_and(Registration::is_secure) && standing != Standing::Proven {
            return Err(RefusalReason::Secured);
        }
        let host = |registration: &Registration<P>| match registration.contact.standing {
            Standing::Proven => None,
            _ => self.registrations.host_of(registration.peer()),
        };
        let host_of_old = old.and_then(host);
        self.make_room(&Need {
            standing,
            weight: weight(registration),
            instead_of,
            host: host(registration).filter(|host| host_of_old != Some(*host)),
        })?;
        Ok(instead_of)
    }

    /// Makes room for an Update that makes its registration this many bytes larger.
    pub(super) fn make_room_for_update(
        &mut self,
        id: RegistrationId,
        more: usize,
    ) -> Result<(), RefusalReason> {
        let registration = self.registrations.get(id);
        let registration = registration.ok_or(RefusalReason::UnknownLocation)?;
        let need = Need {
            standing: registration.contact.standing,
            weight: weight(registration).saturating_add(more),
            instead_of: Some(id),
            host: None,
        };
        self.make_room(&need)
    }

    /// Whether there is room for a registration from before a restart, under its handle. None is evicted for
    /// it.
    pub(super) fn admit_restored(
        &self,
        id: RegistrationId,
        registration: &Registration<P>,
    ) -> Result<(), RefusalReason> {
        let standing = registration.contact.standing;
        let unproven = standing != Standing::Proven;
        let host = self.registrations.host_of(registration.peer());
        let host = host.filter(|_| unproven);
        let need = Need {
            standing,
            weight: weight(registration),
            instead_of: None,
            host,
        };
        let (bounds, index) = (&self.policy.bounds, usize::try_from(id.index));
        // Handles are given out from the lowest number on.
        let is_beyond = index.map_or(true, |index| index / PAGE > bounds.registrations / PAGE);
        if is_beyond || self.full(&need).is_some() {
            return Err(RefusalReason::NoRoom);
        }
        let most = bounds.registrations_per_host;
        if host.is_some_and(|host| self.registrations.count_at(host) >= most) {
            return Err(RefusalReason::Host(most));
        }
        Ok(())
    }

    /// Ends a registration if its time is over, even if no timeout was handled since. Returns whether
    /// it has ended.
    pub(super) fn expire_if_due(&mut self, id: RegistrationId) -> bool {
        let registration = self.registrations.get(id);
        let due = registration.is_some_and(|registration| registration.expires_at() <= self.now);
        if due {
            self.remove(id, None);
        }
        due
    }

    /// Ends the registration that has expired first, if one has.
    pub(super) fn expire_next(&mut self) -> bool {
        let expired = self.registrations.pop_expired(self.now);
        if let Some(expired) = expired {
            self.remove(expired, None);
        }
        expired.is_some()
    }

    /// Makes room for what is needed: expired registrations go first, then those of clients that have
    /// proved the least.
    fn make_room(&mut self, need: &Need) -> Result<(), RefusalReason> {
        if let Some(host) = need.host {
            self.make_room_at(host)?;
        }
        for _ in 0..EVICTED_AT_ONCE {
            let Some(full) = self.full(need) else {
                return Ok(());
            };
            if !self.expire_next() {
                let dispensable = self.dispensable(need).ok_or(RefusalReason::NoRoom)?;
                self.remove(dispensable, Some(full));
            }
        }
        self.full(need)
            .map_or(Ok(()), |_| Err(RefusalReason::NoRoom))
    }

    /// Makes room for one more registration of a host without a proven identity: another of the same
    /// host goes. So a host that uses up its share can't shut out a client behind the same address.
    fn make_room_at(&mut self, host: Host) -> Result<(), RefusalReason> {
        let bound = self.policy.bounds.registrations_per_host;
        if self.registrations.count_at(host) >= bound {
            let oldest = self.registrations.oldest_unconfirmed_at(host);
            let oldest = oldest.ok_or(RefusalReason::Host(bound))?;
            self.remove(oldest, Some(EvictionReason::Host));
        }
        Ok(())
    }

    /// Which bound would be exceeded.
    fn full(&self, need: &Need) -> Option<EvictionReason> {
        let (bounds, held) = (&self.policy.bounds, &*self.registrations);
        let old = need.instead_of.and_then(|old| held.get(old));
        let others = held.len().saturating_sub(usize::from(old.is_some()));
        let bytes = held.bytes().saturating_sub(old.map_or(0, weight));
        if others >= bounds.registrations {
            Some(EvictionReason::Registrations)
        } else if bytes.saturating_add(need.weight) > bounds.bytes {
            Some(EvictionReason::Bytes)
        } else {
            None
        }
    }

    /// The registration to evict. A client with a proven identity evicts any without; a client
    /// without one evicts only those that weren't confirmed within the probation. A registration
    /// with a proven identity is never evicted, and neither is the one that is replaced, as it
    /// makes no room.
    fn dispensable(&mut self, need: &Need) -> Option<RegistrationId> {
        if let Some(old) = need.instead_of {
            self.registrations.defer(old);
        }
        let another = |id: &RegistrationId| need.instead_of != Some(*id);
        let oldest = self.registrations.oldest_unconfirmed().filter(another);
        if need.standing == Standing::Proven {
            return oldest.or_else(|| self.registrations.idle_confirmed().filter(another));
        }
        let probation = self.policy.bounds.probation;
        oldest.filter(|id| {
            let registration = self.registrations.get(*id);
            registration.is_some_and(|one| one.registered_at() + probation <= self.now)
        })
    }

    fn remove(&mut self, registration: RegistrationId, evicted: Option<EvictionReason>) {
        if let Some(was) = self.registrations.remove(registration) {
            self.departures.push(Departure {
                registration,
                was: Box::new(was),
                evicted,
            });
        }
    }
}
