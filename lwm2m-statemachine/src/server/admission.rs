//! Who may register, and who goes for it when there is no room.

use lwm2m_core::Instant;

use super::{
    Server, Settings,
    config::NoSec,
    event::{EvictionReason, ServerEvent},
    interface::Origin,
    refusal::RefusalReason,
    registration::{Registration, RegistrationId},
    registrations::weight,
    room::{Host, Standing},
};
use crate::machine::Peer;

/// How many registrations go at most for one request: those that a larger one takes the room of.
const EVICTED_AT_ONCE: usize = 64;

/// What there has to be room for.
#[derive(Clone, Copy, Debug)]
struct Need {
    /// Of whoever asks.
    standing: Standing,
    /// What the registration will take, in bytes.
    weight: usize,
    /// What is registered now under the name, as long as it is there.
    instead_of: Option<RegistrationId>,
    /// The host that will have one more without a proven identity.
    host: Option<Host>,
}

impl<P: Peer> Server<P> {
    /// Whether a client may register under this name at all (TS 7.1.5, 7.1.10).
    pub(super) fn check_name(
        &self,
        origin: &Origin<'_, P>,
        name: &str,
    ) -> Result<(), RefusalReason> {
        match (origin.is_secure(), self.settings.no_sec) {
            (true, _) if (self.settings.identity_check)(&origin.identity, name) => Ok(()),
            (true, _) => Err(RefusalReason::Identity),
            (false, NoSec::Accept) => Ok(()),
            (false, NoSec::Only(may_register)) if may_register(name) => Ok(()),
            (false, NoSec::Only(_) | NoSec::Refuse) => Err(RefusalReason::NoSec),
        }
    }

    /// Makes room for a registration; so others may go. Tells which one it takes the place of, as it
    /// has its name.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        registration: &Registration<P>,
    ) -> Result<Option<RegistrationId>, RefusalReason> {
        let instead_of = self.registrations.find(registration.endpoint_name());
        let instead_of = instead_of.filter(|old| !self.expire_if_due(now, *old));
        let old = instead_of.and_then(|old| self.registrations.get(old));
        let standing = registration.standing;
        // A client that proved who it is cannot be pushed out by one that did not.
        if old.is_some_and(Registration::is_secure) && standing != Standing::Proven {
            return Err(RefusalReason::Secured);
        }
        let host = |registration: &Registration<P>| match registration.standing {
            Standing::Proven => None,
            _ => self.registrations.host_of(registration.peer()),
        };
        let host_of_old = old.and_then(host);
        let need = Need {
            standing,
            weight: weight(registration),
            instead_of,
            host: host(registration).filter(|host| host_of_old != Some(*host)),
        };
        self.make_room(now, &need)?;
        Ok(instead_of)
    }

    /// Makes room for an Update with which its registration takes so many bytes more.
    pub(super) fn make_room_for_update(
        &mut self,
        now: Instant,
        id: RegistrationId,
        more: usize,
    ) -> Result<(), RefusalReason> {
        let registration = self.registrations.get(id);
        let registration = registration.ok_or(RefusalReason::UnknownLocation)?;
        let need = Need {
            standing: registration.standing,
            weight: weight(registration).saturating_add(more),
            instead_of: Some(id),
            host: None,
        };
        self.make_room(now, &need)
    }

    /// Makes room for what is needed: first what has expired goes, then who proved the least.
    fn make_room(&mut self, now: Instant, need: &Need) -> Result<(), RefusalReason> {
        if let Some(host) = need.host {
            self.make_room_at(now, host)?;
        }
        for _ in 0..EVICTED_AT_ONCE {
            let Some(full) = self.full(need) else {
                return Ok(());
            };
            if let Some(expired) = self.registrations.pop_expired(now) {
                self.expire(now, expired);
            } else {
                let dispensable = self.dispensable(now, need);
                self.evict(now, dispensable.ok_or(RefusalReason::NoRoom)?, full);
            }
        }
        self.full(need)
            .map_or(Ok(()), |_| Err(RefusalReason::NoRoom))
    }

    /// Makes room for one more of a host that proves no identity: another of its own goes. Whoever
    /// uses up what a host may have under its address does not keep it out.
    fn make_room_at(&mut self, now: Instant, host: Host) -> Result<(), RefusalReason> {
        let bound = self.settings.bounds.registrations_per_host;
        if self.registrations.count_at(host) >= bound {
            let oldest = self.registrations.oldest_unconfirmed_at(host);
            let oldest = oldest.ok_or(RefusalReason::Host(bound))?;
            self.evict(now, oldest, EvictionReason::Host);
        }
        Ok(())
    }

    /// What there is no room in.
    fn full(&self, need: &Need) -> Option<EvictionReason> {
        let (bounds, held) = (&self.settings.bounds, &self.registrations);
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

    /// The registration that goes for what is needed. Who proved an identity takes the place of any
    /// that did not; who did not, only of those that have shown nothing for a while. Who proved one
    /// never goes; and what is registered under the name goes anyway, which makes no room.
    fn dispensable(&mut self, now: Instant, need: &Need) -> Option<RegistrationId> {
        if let Some(old) = need.instead_of {
            self.registrations.spare(old);
        }
        let another = |id: &RegistrationId| need.instead_of != Some(*id);
        let oldest = self.registrations.oldest_unconfirmed().filter(another);
        if need.standing == Standing::Proven {
            return oldest.or_else(|| self.registrations.idle_confirmed().filter(another));
        }
        let probation = self.settings.bounds.probation;
        oldest.filter(|id| {
            let registration = self.registrations.get(*id);
            registration.is_some_and(|one| one.registered_at() + probation <= now)
        })
    }

    fn evict(&mut self, now: Instant, registration: RegistrationId, reason: EvictionReason) {
        if let Some(was) = self.forget(now, registration) {
            self.events.push_back(ServerEvent::Evicted {
                registration,
                was,
                reason,
            });
        }
    }

    /// A client has shown that it has what was sent to it.
    pub(super) fn confirm(&mut self, id: RegistrationId) {
        let registration = self.registrations.get(id);
        if registration.is_some_and(|registration| !registration.is_confirmed()) {
            let settings = &self.settings;
            self.registrations.change(id, |registration| {
                registration.standing = Standing::Confirmed;
                registration.expiry = settings.expiry(registration);
            });
        }
    }
}

impl Settings {
    /// When a registration ends unless it is updated again.
    pub(super) fn expiry<P>(&self, registration: &Registration<P>) -> Instant {
        let mut kept = registration
            .lifetime
            .as_duration()
            .min(self.bounds.lifetime);
        if !registration.is_confirmed() {
            kept = kept.min(self.bounds.unconfirmed_lifetime);
        }
        registration.updated + kept + self.grace
    }
}
