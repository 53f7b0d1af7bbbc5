//! The observations, found by their identifiers, their tokens and their paths.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use lwm2m_core::{ContentFormat, Instant, Path, ShortServerId};

use super::{
    super::{event::AccountId, refusal::Refusal, timers::ObservationId},
    schedule::Schedule,
};
use crate::coap::{self, NotificationId, Token};

/// The observer, identified by its request. The connection is looked up when something is sent.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::client) struct Observer {
    pub(in crate::client) server: ShortServerId,
    pub(in crate::client) account: AccountId,
    pub(in crate::client) entry: coap::Observer,
}

impl Observer {
    pub(in crate::client) const fn token(&self) -> Token {
        self.entry.token()
    }
}

/// One observation relationship.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) observer: Observer,
    pub(super) path: Path,
    /// The format of the notifications is that of the first answer (RFC 7641 §4.2).
    pub(super) format: ContentFormat,
    pub(super) schedule: Schedule,
    /// The error that it is to end with, such as that its Object Instance was deleted. It only waits to
    /// tell the server.
    pub(super) ends_with: Option<Refusal>,
    /// The confirmable notification that has no outcome yet.
    open: Option<NotificationId>,
    /// When the next notification is due, as the machine's timer queue has it.
    pub(super) deadline: Option<Instant>,
}

impl Observation {
    pub(super) const fn new(
        observer: Observer,
        path: Path,
        format: ContentFormat,
        schedule: Schedule,
    ) -> Self {
        Self {
            observer,
            path,
            format,
            schedule,
            ends_with: None,
            open: None,
            deadline: None,
        }
    }

    /// A notification was sent.
    pub(super) fn note_sent(&mut self, notification: NotificationId) {
        let is_confirmable = self.observer.entry.last_confirmable() == Some(notification);
        // One that waits for the outcome of another may take its place, and is then confirmable.
        if is_confirmable || self.open.is_some() {
            self.open = Some(notification);
        }
    }

    /// A confirmable notification was acknowledged. One that waited for that is sent as it was to be.
    pub(super) fn note_acknowledged(&mut self, notification: NotificationId) {
        let confirmable = self.observer.entry.last_confirmable();
        self.open = self
            .open
            .filter(|open| *open > notification && confirmable == Some(*open));
    }

    /// A confirmable notification could not be sent.
    pub(super) fn note_not_sent(&mut self, notification: NotificationId) {
        self.observer.entry.was_not_sent(notification);
        let _ = self.open.take_if(|open| *open == notification);
    }

    /// Whether a confirmable notification has no outcome yet, and perhaps waits to be sent.
    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether a confirmable notification has no outcome yet. It won't have one.
    pub(super) fn take_open(&mut self) -> bool {
        let open = self.open.take();
        if let Some(notification) = open {
            self.observer.entry.was_not_sent(notification);
        }
        open.is_some()
    }

    /// The entry as it is if the confirmable notification that has no outcome yet won't have one, and whether there is
    /// one.
    pub(super) fn settled(&self) -> (coap::Observer, bool) {
        let mut entry = self.observer.entry.clone();
        if let Some(notification) = self.open {
            entry.was_not_sent(notification);
        }
        (entry, self.open.is_some())
    }

    /// Whether a notification to its observer is one of this observation, and not of an earlier one
    /// with the same token.
    pub(super) fn has_sent(&self, notification: NotificationId) -> bool {
        self.observer.entry.has_sent(notification)
    }
}

/// All observations. Every look into it takes time logarithmic in their number, and in proportion to
/// what it finds.
#[derive(Debug, Default)]
pub(super) struct Table {
    by_id: BTreeMap<ObservationId, Observation>,
    by_token: BTreeMap<(AccountId, Token), ObservationId>,
    by_path: BTreeSet<(Path, ObservationId)>,
    /// Those that have no observer any more: they have no token, and are none of their account's.
    unobserved: BTreeSet<(AccountId, ObservationId)>,
    next: u64,
}

impl Table {
    /// Those that have an observer.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Observation> {
        let all = self.by_id.iter();
        all.filter(|(id, observation)| {
            let key = (observation.observer.account, **id);
            !self.unobserved.contains(&key)
        })
        .map(|(_, observation)| observation)
    }

    /// Whether one goes on without its observer.
    pub(super) fn is_unobserved(&self, id: ObservationId) -> bool {
        let observation = self.by_id.get(&id);
        observation.is_some_and(|known| self.unobserved.contains(&(known.observer.account, id)))
    }

    pub(super) fn get(&self, id: ObservationId) -> Option<&Observation> {
        self.by_id.get(&id)
    }

    /// Whether a notification of an observation was sent with this handle.
    pub(super) fn has_sent(&self, id: ObservationId, notification: NotificationId) -> bool {
        let observation = self.get(id);
        observation.is_some_and(|observation| observation.has_sent(notification))
    }

    pub(super) fn get_mut(&mut self, id: ObservationId) -> Option<&mut Observation> {
        self.by_id.get_mut(&id)
    }

    /// Adds an observation. There is none of the same account and token.
    pub(super) fn insert(&mut self, observation: Observation) -> ObservationId {
        let id = ObservationId(self.next);
        self.next += 1;
        let (account, token) = (observation.observer.account, observation.observer.token());
        self.by_token.insert((account, token), id);
        self.by_path.insert((observation.path, id));
        self.by_id.insert(id, observation);
        id
    }

    pub(super) fn remove(&mut self, id: ObservationId) -> Option<Observation> {
        let observation = self.by_id.remove(&id)?;
        let (account, token) = (observation.observer.account, observation.observer.token());
        if !self.unobserved.remove(&(account, id)) {
            self.by_token.remove(&(account, token));
        }
        self.by_path.remove(&(observation.path, id));
        Some(observation)
    }

    /// An observation goes on without its observer.
    pub(super) fn make_unobserved(&mut self, id: ObservationId) {
        if let Some(observation) = self.by_id.get(&id) {
            let (account, token) = (observation.observer.account, observation.observer.token());
            self.by_token.remove(&(account, token));
            self.unobserved.insert((account, id));
        }
    }

    /// Those that go on without their observer, the server of this account.
    pub(super) fn unobserved(&self, account: AccountId) -> Vec<ObservationId> {
        let range = (account, FIRST)..=(account, LAST);
        self.unobserved.range(range).map(|(_, id)| *id).collect()
    }

    /// Those that go on without an observer.
    pub(super) fn all_unobserved(&self) -> Vec<ObservationId> {
        self.unobserved.iter().map(|(_, id)| *id).collect()
    }

    /// The observation of an account that began with this token.
    pub(super) fn find(&self, account: AccountId, token: Token) -> Option<ObservationId> {
        self.by_token.get(&(account, token)).copied()
    }

    /// All observations, with those that have no observer.
    pub(super) fn all(&self) -> Vec<ObservationId> {
        self.by_id.keys().copied().collect()
    }

    /// The observations of an account.
    pub(super) fn of(&self, account: AccountId) -> Vec<ObservationId> {
        self.ids_of(account).collect()
    }

    /// The accounts that have observations.
    pub(super) fn accounts(&self) -> BTreeSet<AccountId> {
        self.by_token.keys().map(|(account, _)| *account).collect()
    }

    /// How many observations an account has.
    pub(super) fn count_of(&self, account: AccountId) -> usize {
        self.ids_of(account).count()
    }

    fn ids_of(&self, account: AccountId) -> impl Iterator<Item = ObservationId> {
        let from = self.by_token.range((account, Token::EMPTY)..);
        let of_account = from.take_while(move |((owner, _), _)| *owner == account);
        of_account.map(|(_, id)| *id)
    }

    /// The observations of a path and of what is below it.
    pub(super) fn below(&self, path: Path) -> Vec<ObservationId> {
        let from = self.by_path.range((path, FIRST)..);
        let below = from.take_while(|(at, _)| path.contains(at));
        below.map(|(_, id)| *id).collect()
    }

    /// The observations of a path, and of what is above and below it.
    pub(super) fn around(&self, path: Path) -> Vec<ObservationId> {
        let above = core::iter::successors(path.parent(), Path::parent);
        let above = above.flat_map(|at| self.by_path.range((at, FIRST)..=(at, LAST)));
        let mut around: Vec<_> = above.map(|(_, id)| *id).collect();
        around.append(&mut self.below(path));
        around
    }
}

const FIRST: ObservationId = ObservationId(0);
const LAST: ObservationId = ObservationId(u64::MAX);

#[cfg(test)]
mod tests {
    use lwm2m_core::InstanceId;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The indexes find what a look at all observations finds.
        #[test]
        fn what_is_around_a_path_is_found(
            paths in prop::collection::vec(prop::collection::vec(0u16..4, 1..=3), 0..20),
            path in prop::collection::vec(0u16..4, 0..=4),
        ) {
            let path = Path::of(&path).unwrap();
            let mut by_path = BTreeSet::new();
            let mut around = Vec::new();
            for (id, at) in (0..).map(ObservationId).zip(&paths) {
                let at = Path::of(at).unwrap();
                by_path.insert((at, id));
                if at.contains(&path) || path.contains(&at) {
                    around.push(id);
                }
            }
            let table = Table { by_path, ..Table::default() };
            let mut found = table.around(path);
            found.sort_unstable();
            prop_assert_eq!(found, around);
        }
    }

    #[test]
    fn the_observations_of_an_account_are_those_of_no_other() {
        let account = |number| AccountId::new(InstanceId::new(number).unwrap());
        let token = |byte: u8| Token::new(&[byte]).unwrap();
        let mut table = Table::default();
        for number in 0..3 {
            for byte in 0..3_u8 {
                let id = ObservationId(u64::from(number * 10 + u16::from(byte)));
                table.by_token.insert((account(number), token(byte)), id);
            }
        }
        assert_eq!(table.of(account(1)), [10, 11, 12].map(ObservationId));
        assert_eq!(table.of(account(3)), []);
    }
}
