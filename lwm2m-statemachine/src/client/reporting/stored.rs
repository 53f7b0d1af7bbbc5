//! Notifications that are stored while the Client is offline (TS E.2, Resource 6).

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use lwm2m_core::{InstanceId, Instant, Path};

use super::{
    super::{event::AccountId, timers::ObservationId},
    schedule::Told,
};
use crate::{
    coap::{NotificationId, Resource},
    machine::Past,
};

/// How often a stored notification is sent that the server doesn't acknowledge, or whose blocks it doesn't fetch.
const MOST_ATTEMPTS: u8 = 3;

/// A stored notification.
#[derive(Debug)]
pub(super) struct StoredNotification {
    pub(super) observation: ObservationId,
    /// When it would have been sent.
    pub(super) at: Past,
    pub(super) payload: Vec<u8>,
    pub(super) told: Told,
    /// Counts up through all accounts.
    pub(super) number: u64,
    /// How often it was acknowledged, but not fetched whole.
    attempts: u8,
}

/// The stored notifications of all accounts, each in the order in which they became due.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) by_account: BTreeMap<AccountId, Queue>,
    /// How many an account may have, and how many bytes of payload.
    most: usize,
    most_bytes: usize,
    next: u64,
}

/// The stored notifications of one account.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) notifications: VecDeque<StoredNotification>,
    bytes: usize,
    /// How many had to go: for newer ones, because their server may not read them any more, or because it
    /// didn't fetch them.
    pub(super) dropped: u64,
    /// Of observations without a newer one: what had counted for those that went.
    pub(super) owed: BTreeMap<ObservationId, Vec<Path>>,
    under_way: Option<UnderWay>,
    /// How often in a row what was sent of an observation wasn't acknowledged.
    unanswered: Option<(ObservationId, u8)>,
    /// When to try again if there was no room to send one, or when the blocks of the one under way are no
    /// longer asked for, as the machine's timer queue has it.
    pub(super) retry: Option<Instant>,
}

/// The notification that is being sent.
#[derive(Debug)]
pub(super) struct UnderWay {
    notification: NotificationId,
    pub(super) observation: ObservationId,
    /// Those of the observation up to this number are in it.
    through: u64,
    /// If an Object is observed: all the Object Instances that are in it, in ascending order. What is sent may
    /// outlast what was stored, which goes for newer ones.
    pub(super) shown: Vec<InstanceId>,
    is_acknowledged: bool,
    blocks: Blocks,
}

/// The notification under way has come to its end, so what is stored for its account may go on.
#[derive(Clone, Copy, Debug)]
#[must_use = "what is stored for the account waits until it is told to go on"]
pub(super) struct MayGoOn(pub(super) AccountId);

/// The notification under way, if there was one, isn't waited for any more.
#[derive(Clone, Copy, Debug)]
#[must_use = "the endpoint may keep a body for it, and what is stored waits for it"]
pub(super) struct Interrupted {
    pub(super) account: AccountId,
    /// The resource of which the endpoint keeps a body for it.
    pub(super) body: Option<Resource>,
}

/// The blocks of a notification after the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blocks {
    /// There are none.
    None,
    /// The endpoint keeps them, by this resource.
    Kept(Resource),
    /// All were served. Until then the request for the last one may be repeated.
    Served(Instant),
    /// They can't be fetched any more.
    Lost,
}

impl UnderWay {
    /// A notification that has what is stored for an observation, up to a number. The endpoint keeps
    /// the body of this resource for it, if any.
    pub(super) fn new(
        notification: NotificationId,
        body: Option<Resource>,
        observation: ObservationId,
        through: u64,
    ) -> Self {
        Self {
            notification,
            observation,
            through,
            shown: Vec::new(),
            is_acknowledged: false,
            blocks: body.map_or(Blocks::None, Blocks::Kept),
        }
    }

    /// The resource of which the endpoint keeps a body for it.
    const fn body(&self) -> Option<Resource> {
        match self.blocks {
            Blocks::Kept(resource) => Some(resource),
            Blocks::None | Blocks::Served(_) | Blocks::Lost => None,
        }
    }

    /// Whether it is known what became of it.
    fn is_settled(&self, now: Instant) -> bool {
        let blocks_are = match self.blocks {
            Blocks::None | Blocks::Lost => true,
            Blocks::Kept(_) => false,
            Blocks::Served(until) => until <= now,
        };
        self.is_acknowledged && blocks_are
    }

    /// Whether it has this one.
    fn has(&self, stored: &StoredNotification) -> bool {
        stored.observation == self.observation && stored.number <= self.through
    }
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

    /// Whether an account has more than it may, with so many others, and so many bytes of payload in them.
    pub(super) fn is_over(&self, account: AccountId, (others, bytes): (usize, usize)) -> bool {
        let queue = self.by_account.get(&account);
        let own = queue.map_or((0, 0), |queue| (queue.notifications.len(), queue.bytes));
        own.0 + others > self.most || own.1 + bytes > self.most_bytes
    }

    /// When the first one of an account would have been sent.
    pub(super) fn first_at(&self, account: AccountId) -> Option<Past> {
        let queue = self.by_account.get(&account)?;
        queue.notifications.front().map(|first| first.at)
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

    /// Whether one of an account is under way, or waits for its turn.
    pub(super) fn is_open(&self, account: AccountId) -> bool {
        let queue = self.by_account.get(&account);
        queue.is_some_and(|queue| !queue.notifications.is_empty() || queue.under_way.is_some())
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

    /// Stores a notification, perhaps over the bounds.
    pub(super) fn push(
        &mut self,
        account: AccountId,
        observation: ObservationId,
        at: Past,
        payload: Vec<u8>,
        mut told: Told,
    ) {
        let queue = self.by_account.entry(account).or_default();
        if payload.len() > self.most_bytes {
            // There is no room for it, whatever goes.
            queue.dropped += 1;
            return queue.owe(observation, told.counted);
        }
        if let Some(owed) = queue.owed.remove(&observation) {
            add_paths(&mut told.counted, owed);
        }
        queue.bytes += payload.len();
        queue.notifications.push_back(StoredNotification {
            observation,
            at,
            payload,
            told,
            number: self.next,
            attempts: 0,
        });
        self.next += 1;
    }

    /// The oldest one of an account, unless one is under way.
    pub(super) fn first(&self, account: AccountId) -> Option<&StoredNotification> {
        let queue = self.by_account.get(&account)?;
        let idle = queue.under_way.is_none();
        queue.notifications.front().filter(|_| idle)
    }

    /// Whether a notification of an observation is under way.
    pub(super) fn is_sending(&self, account: AccountId, observation: ObservationId) -> bool {
        let under_way = self.under_way(account);
        under_way.is_some_and(|under_way| under_way.observation == observation)
    }

    /// The resource of which the endpoint keeps a body for the notification under way.
    pub(super) fn body(&self, account: AccountId) -> Option<Resource> {
        self.under_way(account)?.body()
    }

    /// The notification under way.
    pub(super) fn under_way(&self, account: AccountId) -> Option<&UnderWay> {
        self.by_account.get(&account)?.under_way.as_ref()
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

    /// A notification with the first one is being sent.
    pub(super) fn sending(&mut self, account: AccountId, mut under_way: UnderWay) {
        if let Some(queue) = self.by_account.get_mut(&account) {
            let all = queue.notifications.iter();
            let sent = all.filter(|stored| under_way.has(stored));
            let shown = sent.flat_map(|stored| stored.told.shown.iter().flatten());
            let mut shown: Vec<InstanceId> = shown.copied().collect();
            shown.sort_unstable();
            shown.dedup();
            under_way.shown = shown;
            queue.under_way = Some(under_way);
        }
    }

    /// Whether this notification is one that was stored and is under way.
    pub(super) fn is_under_way(&self, account: AccountId, id: NotificationId) -> bool {
        let under_way = self.under_way(account);
        under_way.is_some_and(|under_way| under_way.notification == id)
    }

    /// The notification under way was acknowledged.
    pub(super) fn acknowledged(&mut self, account: AccountId, now: Instant) -> MayGoOn {
        if let Some(queue) = self.by_account.get_mut(&account)
            && let Some(under_way) = &mut queue.under_way
        {
            under_way.is_acknowledged = true;
            queue.unanswered = None;
        }
        self.settle(account, now)
    }

    /// The endpoint doesn't keep a body any more. If all its blocks were served, the request for the last
    /// one may be repeated `until` then. Returns the queue if the body is that of the notification under
    /// way.
    pub(super) fn body_released(
        &mut self,
        account: AccountId,
        resource: Resource,
        until: Option<Instant>,
    ) -> Option<&mut Queue> {
        let queue = self.by_account.get_mut(&account)?;
        let under_way = queue.under_way.as_mut()?;
        if under_way.blocks != Blocks::Kept(resource) {
            return None;
        }
        under_way.blocks = until.map_or(Blocks::Lost, Blocks::Served);
        Some(queue)
    }

    /// Does what follows from what became of the notification under way, if that is known.
    pub(super) fn settle(&mut self, account: AccountId, now: Instant) -> MayGoOn {
        if let Some(queue) = self.by_account.get_mut(&account) {
            queue.settle(now);
        }
        MayGoOn(account)
    }

    /// The notification under way has not arrived: it is sent again.
    pub(super) fn failed(&mut self, account: AccountId) -> Interrupted {
        let queue = self.by_account.get_mut(&account);
        let under_way = queue.and_then(|queue| queue.under_way.take());
        let body = under_way.and_then(|under_way| under_way.body());
        Interrupted { account, body }
    }

    /// What was sent of an observation wasn't acknowledged. Returns whether what is stored for it, if anything is, may
    /// be sent again.
    pub(super) fn unanswered(&mut self, account: AccountId, observation: ObservationId) -> bool {
        if self.of(account, observation).next().is_none() {
            return false;
        }
        let Some(queue) = self.by_account.get_mut(&account) else {
            return false;
        };
        let before = queue.unanswered.filter(|(of, _)| *of == observation);
        let count = before.map_or(1, |(_, count)| count.saturating_add(1));
        queue.unanswered = Some((observation, count));
        count < MOST_ATTEMPTS
    }

    /// The first one of an account can't be sent, or may not be.
    pub(super) fn drop_first(&mut self, account: AccountId) {
        if let Some(queue) = self.by_account.get_mut(&account)
            && queue.drop_first()
        {
            queue.dropped += 1;
        }
    }

    /// An observation ends as its server doesn't acknowledge: what is stored for it counts among what had to go.
    pub(super) fn count_lost(&mut self, account: AccountId, observation: ObservationId) {
        if let Some(queue) = self.by_account.get_mut(&account) {
            let all = queue.notifications.iter();
            let lost = all.filter(|stored| stored.observation == observation);
            let lost = u64::try_from(lost.count()).unwrap_or(u64::MAX);
            queue.dropped = queue.dropped.saturating_add(lost);
        }
    }

    /// An observation has ended: what is stored for it goes.
    pub(super) fn forget(&mut self, account: AccountId, observation: ObservationId) -> Interrupted {
        let under_way = self.by_account.get_mut(&account).and_then(|queue| {
            queue.keep(|stored| stored.observation != observation);
            queue.owed.remove(&observation);
            let ended = |under_way: &mut UnderWay| under_way.observation == observation;
            queue.under_way.take_if(ended)
        });
        let body = under_way.and_then(|under_way| under_way.body());
        Interrupted { account, body }
    }

    /// All that is stored for an account, the oldest first, and how many had to go. Nothing is stored for it any more.
    pub(super) fn take(&mut self, account: AccountId) -> (VecDeque<StoredNotification>, u64) {
        let queue = self.by_account.remove(&account).unwrap_or_default();
        (queue.notifications, queue.dropped)
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
    /// What was stored is gone once its notification has arrived whole. If its blocks weren't fetched, it
    /// is sent again.
    fn settle(&mut self, now: Instant) {
        let settled = |under_way: &mut UnderWay| under_way.is_settled(now);
        let Some(under_way) = self.under_way.take_if(settled) else {
            return;
        };
        if under_way.blocks != Blocks::Lost {
            return self.keep(|stored| !under_way.has(stored));
        }
        let mut all = self.notifications.iter_mut();
        let Some(first) = all.find(|stored| under_way.has(stored)) else {
            return;
        };
        first.attempts += 1;
        if first.attempts >= MOST_ATTEMPTS {
            let is_in_it = |stored: &StoredNotification| under_way.has(stored);
            while let Some(place) = self.notifications.iter().position(is_in_it) {
                self.drop_at(place);
                self.dropped += 1;
            }
        }
    }

    fn drop_first(&mut self) -> bool {
        self.drop_at(0)
    }

    /// Drops one. What had counted for it is told by the next one of its observation, if that has it;
    /// else it is owed. Returns false if there is none.
    fn drop_at(&mut self, place: usize) -> bool {
        let Some(first) = self.notifications.remove(place) else {
            return false;
        };
        self.bytes -= first.payload.len();
        let observation = first.observation;
        let mut newer = self.notifications.iter_mut().skip(place);
        let next = newer.find(|stored| stored.observation == observation);
        let mut counted = first.told.counted;
        if let Some(next) = next {
            let told = &mut next.told;
            let (covered, rest): (Vec<_>, _) = counted.iter().partition(|path| told.covers(**path));
            add_paths(&mut told.counted, covered);
            counted = rest;
            if counted.is_empty() {
                return true;
            }
        }
        self.owe(observation, counted);
        true
    }

    /// What had counted for a notification that is gone is told later; also if nothing had, as it was due
    /// after the Maximum Period.
    pub(super) fn owe(&mut self, observation: ObservationId, counted: Vec<Path>) {
        add_paths(self.owed.entry(observation).or_default(), counted);
    }

    fn keep(&mut self, keep: impl Fn(&StoredNotification) -> bool) {
        self.notifications.retain(keep);
        let sizes = self.notifications.iter().map(|stored| stored.payload.len());
        self.bytes = sizes.sum();
    }
}

/// Adds paths to others, each once.
fn add_paths(all: &mut Vec<Path>, more: Vec<Path>) {
    all.extend(more);
    all.sort_unstable();
    all.dedup();
}
