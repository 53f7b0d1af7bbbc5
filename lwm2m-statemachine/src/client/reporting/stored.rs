//! Notifications that are stored while the Client is offline (TS E.2, Resource 6).

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use lwm2m_core::{Instant, Path};

use super::{
    super::{event::AccountId, timers::ObservationId},
    schedule::Told,
};
use crate::coap::NotificationId;

/// A stored notification.
#[derive(Debug)]
pub(super) struct StoredNotification {
    pub(super) observation: ObservationId,
    /// When it would have been sent.
    pub(super) at: Instant,
    pub(super) payload: Vec<u8>,
    pub(super) told: Told,
    /// Counts up through all accounts.
    pub(super) number: u64,
}

/// The stored notifications of all accounts, each in the order in which they became due.
#[derive(Debug)]
pub(super) struct Stored {
    by_account: BTreeMap<AccountId, Queue>,
    /// How many an account may have, and how many bytes of payload.
    most: usize,
    most_bytes: usize,
    next: u64,
}

/// The stored notifications of one account.
#[derive(Debug, Default)]
pub(super) struct Queue {
    notifications: VecDeque<StoredNotification>,
    bytes: usize,
    /// How many had to go for newer ones.
    dropped: u64,
    /// Of observations without a newer one: what had counted for those that went.
    owed: BTreeMap<ObservationId, Vec<Path>>,
    under_way: Option<UnderWay>,
    /// When to try again if there was no room to send one, as the machine's timer queue has it.
    pub(super) retry: Option<Instant>,
}

/// The notification that is being sent.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    notification: NotificationId,
    observation: ObservationId,
    /// Those of the observation up to this number are in it.
    through: u64,
}

impl Stored {
    pub(super) const fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            by_account: BTreeMap::new(),
            most,
            most_bytes,
            next: 0,
        }
    }

    /// Whether an account has none.
    pub(super) fn is_empty(&self, account: AccountId) -> bool {
        let queue = self.by_account.get(&account);
        queue.is_none_or(|queue| queue.notifications.is_empty())
    }

    /// Whether everything that was stored for an account is gone.
    pub(super) fn is_done(&self, account: AccountId) -> bool {
        let queue = self.by_account.get(&account);
        queue.is_some_and(|queue| queue.notifications.is_empty() && queue.under_way.is_none())
    }

    /// How many an account has, and how many had to go.
    pub(super) fn count(&self, account: AccountId) -> (usize, u64) {
        let queue = self.by_account.get(&account);
        queue.map_or((0, 0), |queue| (queue.notifications.len(), queue.dropped))
    }

    /// How many all accounts have.
    pub(super) fn len(&self) -> usize {
        let queues = self.by_account.values();
        queues.map(|queue| queue.notifications.len()).sum()
    }

    /// Stores a notification. Over a bound, the oldest ones go.
    pub(super) fn push(
        &mut self,
        account: AccountId,
        observation: ObservationId,
        at: Instant,
        payload: Vec<u8>,
        mut told: Told,
    ) {
        let queue = self.by_account.entry(account).or_default();
        if let Some(owed) = queue.owed.remove(&observation) {
            told.counted.extend(owed);
        }
        queue.bytes += payload.len();
        queue.notifications.push_back(StoredNotification {
            observation,
            at,
            payload,
            told,
            number: self.next,
        });
        self.next += 1;
        while queue.notifications.len() > self.most || queue.bytes > self.most_bytes {
            if !queue.drop_first() {
                break;
            }
            queue.dropped += 1;
        }
    }

    /// The oldest one of an account, unless one is under way.
    pub(super) fn first(&self, account: AccountId) -> Option<&StoredNotification> {
        let queue = self.by_account.get(&account)?;
        let idle = queue.under_way.is_none();
        queue.notifications.front().filter(|_| idle)
    }

    /// Those of an observation, the oldest first.
    pub(super) fn of(
        &self,
        account: AccountId,
        observation: ObservationId,
    ) -> impl Iterator<Item = &StoredNotification> {
        let queue = self.by_account.get(&account);
        let all = queue.into_iter().flat_map(|queue| &queue.notifications);
        all.filter(move |stored| stored.observation == observation)
    }

    /// The notification `id` is being sent. It has what is stored for an observation, up to a number.
    pub(super) fn sending(
        &mut self,
        account: AccountId,
        id: NotificationId,
        observation: ObservationId,
        through: u64,
    ) {
        if let Some(queue) = self.by_account.get_mut(&account) {
            queue.under_way = Some(UnderWay {
                notification: id,
                observation,
                through,
            });
        }
    }

    /// Whether this notification is one that was stored and is under way.
    pub(super) fn is_under_way(&self, account: AccountId, id: NotificationId) -> bool {
        let under_way = self.by_account.get(&account).and_then(|all| all.under_way);
        under_way.is_some_and(|under_way| under_way.notification == id)
    }

    /// The notification under way has arrived.
    pub(super) fn arrived(&mut self, account: AccountId) {
        if let Some(queue) = self.by_account.get_mut(&account)
            && let Some(under_way) = queue.under_way.take()
        {
            queue.keep(|stored| {
                stored.observation != under_way.observation || stored.number > under_way.through
            });
        }
    }

    /// The notification under way has not arrived: it is sent again.
    pub(super) fn failed(&mut self, account: AccountId) {
        if let Some(queue) = self.by_account.get_mut(&account) {
            queue.under_way = None;
        }
    }

    /// The first one of an account can't be sent.
    pub(super) fn drop_first(&mut self, account: AccountId) {
        if let Some(queue) = self.by_account.get_mut(&account) {
            queue.drop_first();
        }
    }

    /// An observation has ended: what is stored for it goes.
    pub(super) fn forget(&mut self, account: AccountId, observation: ObservationId) {
        if let Some(queue) = self.by_account.get_mut(&account) {
            queue.keep(|stored| stored.observation != observation);
            queue.owed.remove(&observation);
            let ended = |under_way: &mut UnderWay| under_way.observation == observation;
            let _ = queue.under_way.take_if(ended);
        }
    }

    /// The queue of an account, for its timer.
    pub(super) fn queue_mut(&mut self, account: AccountId) -> Option<&mut Queue> {
        self.by_account.get_mut(&account)
    }

    /// Nothing is stored for an account any more. Returns how many had to go, and what had counted for
    /// those of them that no newer one makes up for.
    pub(super) fn clear(
        &mut self,
        account: AccountId,
    ) -> (u64, BTreeMap<ObservationId, Vec<Path>>) {
        let queue = self.by_account.remove(&account).unwrap_or_default();
        (queue.dropped, queue.owed)
    }
}

impl Queue {
    /// Drops the first one. What had counted for it is told by the next one of its observation, if that
    /// has it; else it is owed. Returns false if there is none.
    fn drop_first(&mut self) -> bool {
        let Some(first) = self.notifications.pop_front() else {
            return false;
        };
        self.bytes -= first.payload.len();
        let observation = first.observation;
        let mut newer = self.notifications.iter_mut();
        let next = newer.find(|stored| stored.observation == observation);
        let mut counted = first.told.counted;
        if let Some(next) = next {
            let told = &mut next.told;
            let (covered, rest): (Vec<_>, _) = counted.iter().partition(|path| told.covers(**path));
            told.counted.extend(covered);
            counted = rest;
            if counted.is_empty() {
                return true;
            }
        }
        self.owed
            .entry(observation)
            .or_default()
            .append(&mut counted);
        true
    }

    fn keep(&mut self, keep: impl Fn(&StoredNotification) -> bool) {
        self.notifications.retain(keep);
        let sizes = self.notifications.iter().map(|stored| stored.payload.len());
        self.bytes = sizes.sum();
    }
}
