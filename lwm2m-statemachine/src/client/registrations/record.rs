//! What of a registration outlasts a restart (TS 5.3).

use alloc::{string::String, vec::Vec};

use bytes::Bytes;
use lwm2m_core::{BindingMode, InstanceId, Instant, Lifetime, Msisdn};
use lwm2m_objects::ObjectTree;

use super::{
    super::{
        event::AccountId,
        mark::Mark,
        retry::{Attempts, AttemptsRecord},
        span::{Downtime, Span},
    },
    awake::Awake,
    disabled::Disabled,
    lease::Lease,
    location::Location,
    parameters::{Parameters, Told},
    registration::Registration,
    step::Step,
};
use crate::machine::Channel;

/// The registration of an account, in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(in crate::client) struct RegistrationRecord {
    account: InstanceId,
    mark: Mark,
    lease: Option<LeaseRecord>,
    /// For how long its server is still disabled (TS E.2, Resource 4).
    disabled: Option<Span>,
    attempts: AttemptsRecord,
}

/// What the server has granted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct LeaseRecord {
    location: Vec<String>,
    known: KnownRecord,
    expires: Span,
    update: Span,
    /// The server believed that the Client was asleep, and there was nothing to tell (TS 8.3).
    is_asleep: bool,
    channel: Channel,
}

/// What the server has accepted last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct KnownRecord {
    lifetime: Lifetime,
    binding: BindingMode,
    sms: Option<Msisdn>,
    objects: String,
}

impl RegistrationRecord {
    /// What is kept of a registration; `None` if its account is about to be another one, or can't be used.
    pub(super) fn of(own: &Registration, tree: &ObjectTree, now: Instant) -> Option<Self> {
        let is_disabled = own.disabled.is_on();
        if own.is_leaving && !is_disabled || !own.is_usable() {
            return None;
        }
        let lease = own.lease.as_ref();
        let lease = lease.filter(|_| !is_disabled && !own.has_expired(now));
        Some(Self {
            account: own.account.id.instance(),
            mark: Mark::of(tree.settled(), own.account.id)?,
            lease: lease.map(|lease| LeaseRecord::of(lease, now)),
            disabled: own.disabled.remaining(now).map(Span::of),
            attempts: own.attempts.record(now),
        })
    }

    pub(super) const fn account(&self) -> AccountId {
        AccountId::new(self.account)
    }

    /// The registration goes on with what was kept, as after the loss of the connection: the server hears an Update
    /// first, if the connection continues the one before, else a Register. If the Client was asleep for it, that waits
    /// until there is something to tell.
    ///
    /// Returns whether the account is the one that it was.
    pub(super) fn restore(
        &self,
        own: &mut Registration,
        step: &mut Step<'_>,
        downtime: Downtime,
    ) -> bool {
        if !own.is_usable() || Mark::of(step.tree, own.account.id) != Some(self.mark) {
            return false;
        }
        own.attempts = Attempts::restored(self.attempts, downtime);
        own.disabled = Disabled::restored(self.disabled, downtime);
        // One that is disabled has been left.
        let lease = self.lease.as_ref().filter(|_| self.disabled.is_none());
        let (Some(lease), Some(now)) = (lease, own.parameters(step)) else {
            return true;
        };
        let access = own.account.access;
        let has = |channel| access.is_some_and(|access| access.has(channel));
        let lease = lease.restored(&now, downtime);
        own.lease = lease.filter(|lease| has(lease.channel));
        own.is_restored = own.lease.is_some();
        true
    }
}

impl LeaseRecord {
    fn of(lease: &Lease, now: Instant) -> Self {
        Self {
            location: lease.location.segments().map(String::from).collect(),
            known: KnownRecord::of(&lease.known),
            expires: Span::until(lease.expires, now),
            update: Span::until(lease.update_at, now),
            is_asleep: lease.is_asleep() && !lease.update_asked,
            channel: lease.channel,
        }
    }

    /// The registration, if its lifetime surely isn't over. `now` is what the server should know.
    fn restored(&self, now: &Parameters, downtime: Downtime) -> Option<Lease> {
        let location = Location::new(self.location.clone()).ok()?;
        let known = self.known.restored(now);
        let expires = downtime.until(self.expires)?;
        let is_granted = self.expires.as_duration() <= known.lifetime();
        // Then it sleeps on, until it has something to tell.
        let is_asleep = self.is_asleep && known.queues();
        is_granted.then(|| Lease {
            location,
            known,
            // The device may have run on after the snapshot, and have told the server something else.
            unsure: Told::REACH,
            expires,
            update_at: downtime.until_at_latest(self.update).min(expires),
            update_asked: !is_asleep,
            is_stale: true,
            is_confirmed: false,
            channel: self.channel,
            moves: Attempts::default(),
            awake: if is_asleep {
                Awake::asleep(downtime.now)
            } else {
                Awake::new(downtime.now)
            },
        })
    }
}

impl KnownRecord {
    fn of(known: &Parameters) -> Self {
        Self {
            lifetime: known.lifetime,
            binding: known.binding,
            sms: known.sms,
            objects: String::from_utf8_lossy(&known.objects).into_owned(),
        }
    }

    /// Of another object list it is kept only that it is another one: the next Update tells that of now.
    fn restored(&self, now: &Parameters) -> Parameters {
        let is_same = self.objects.as_bytes() == now.objects;
        Parameters {
            lifetime: self.lifetime,
            binding: self.binding,
            sms: self.sms,
            objects: if is_same {
                now.objects.clone()
            } else {
                Bytes::new()
            },
        }
    }
}
