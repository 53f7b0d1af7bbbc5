//! Queue Mode of all registrations: for which servers the Client is awake, and whether the device may power down as
//! far as they are concerned (TS 8.3).

use lwm2m_core::{BindingMode, Instant, ObjectId, Path, ResourceId, Value};
use lwm2m_objects::ObjectTree;

use super::{
    super::event::{AccountId, ConnectionId, QueueState},
    card::CardWatch,
    context::QueueTerms,
    lease::Lease,
    link::Link,
    registration::Registration,
};

/// Binding of the Server Object (TS E.2).
const BINDING: ResourceId = ResourceId::new(7);

/// All registrations, as far as Queue Mode is concerned.
pub(in crate::client) struct Queue<'r> {
    pub(super) all: &'r [Registration],
    pub(super) card: &'r CardWatch,
    pub(super) terms: QueueTerms,
    pub(super) is_started: bool,
}

impl<'r> Queue<'r> {
    /// The registrations in Queue Mode for whose servers the Client is awake and has nothing of a registration
    /// under way, and until when.
    pub(in crate::client) fn awake_until(
        self,
        now: Instant,
    ) -> impl Iterator<Item = (AccountId, Instant)> {
        let all = self.all.iter();
        all.filter_map(move |known| {
            let lease = known.lease.as_ref()?;
            let is_meant = lease.queue_state() == Some(QueueState::Awake) && self.rests(known);
            let is_due = !known.is_offline && is_due(known, lease, now);
            let until = lease.awake.until(self.terms.awake)?;
            (is_meant && !is_due).then_some((known.account.id, until))
        })
    }

    /// Whether the Client is asleep for the server of an account, and a notification that is due wakes it: not if an
    /// Update is waited for already.
    pub(in crate::client) fn wakes_to_notify(&self, account: AccountId) -> bool {
        let mut all = self.all.iter();
        let known = all.find(|known| known.account.id == account);
        let known = known.filter(|known| self.terms.wakes_to_notify && !known.is_offline);
        let lease = known.and_then(|known| known.lease.as_ref());
        lease.is_some_and(|lease| lease.is_asleep() && !lease.update_asked)
    }

    /// All connections to the server of an account.
    pub(in crate::client) fn connections(
        &self,
        account: AccountId,
    ) -> impl Iterator<Item = ConnectionId> + use<'r> {
        let of = self.all.iter().find(|known| known.account.id == account);
        of.into_iter().flat_map(|known| known.links.all())
    }

    /// Whether the device may power down as far as its registrations are concerned: a server without Queue Mode
    /// expects it awake. And one of them is, or will be, in Queue Mode.
    pub(in crate::client) fn allows_sleep(&self, tree: &ObjectTree) -> bool {
        let mut all = self.all.iter();
        let queues = |known: &Registration| {
            let lease = known.lease.as_ref();
            lease.is_some_and(Lease::is_asleep) || self.will_queue(tree, known)
        };
        all.all(|known| self.lets_sleep(known)) && self.all.iter().any(queues)
    }

    /// Whether the device may power down as far as one registration is concerned: the server believes that it is
    /// asleep or is disabled, or there is no registration, and none is on its way before the next attempt.
    fn lets_sleep(&self, known: &Registration) -> bool {
        self.rests(known)
            && match &known.lease {
                Some(lease) => lease.is_asleep(),
                None if known.disabled.until().is_some() => matches!(known.links.own, Link::None),
                None if known.is_wanted(self.is_started) => {
                    known.is_offline || known.attempts.next().is_some()
                }
                None => matches!(known.links.own, Link::None),
            }
    }

    /// Whether a registration has no request under way, asks for no connection, and doesn't wait for a look at the
    /// smartcard.
    fn rests(&self, known: &Registration) -> bool {
        let waits = known.exchange.is_some() || known.ended.is_some() || known.is_leaving;
        let waits = waits || known.is_restored;
        !waits && known.links.own.asked().is_none() && !self.card.holds(known.account.id)
    }

    /// Whether there is no registration now, and the next one, which may be that after Disable, will be in Queue Mode.
    fn will_queue(&self, tree: &ObjectTree, known: &Registration) -> bool {
        let will_be = known.is_wanted(self.is_started) || known.disabled.until().is_some();
        let instance = known.account.server_instance;
        let instance = instance.filter(|_| known.lease.is_none() && will_be);
        let binding = instance.and_then(|instance| {
            match tree.get(Path::Resource(ObjectId::SERVER, instance, BINDING))? {
                Value::String(binding) => binding.parse::<BindingMode>().ok(),
                _ => None,
            }
        });
        binding.is_some_and(|binding| binding.queues_udp() || binding.queues_sms())
    }
}

/// Whether a step is due, and waits for no other attempt.
fn is_due(known: &Registration, lease: &Lease, now: Instant) -> bool {
    let next = known.attempts.next();
    (lease.is_update_due(now) || lease.is_stale) && next.is_none_or(|next| next <= now)
}

/// A message was received or sent on a connection. If it is a request of the server, and the Client was asleep for
/// that, it is awake now, and has an Update to send. Returns whether it has woken so.
pub(super) fn note(
    all: &mut [Registration],
    now: Instant,
    connection: ConnectionId,
    is_request: bool,
) -> bool {
    let known = all.iter_mut().find(|known| known.links.has(connection));
    let Some(lease) = known.and_then(|known| known.lease.as_mut()) else {
        return false;
    };
    lease.awake.note(now);
    let wakes = is_request && lease.is_asleep();
    if wakes {
        lease.wake();
    }
    wakes
}
