//! How observations begin and end (TS 5.5.1, 5.5.3).

use alloc::vec::Vec;

use lwm2m_core::{ContentFormat, Path};

use super::{
    super::{
        event::{AccountId, ClientEvent},
        refusal::Refusal,
        timers::Timer,
    },
    parts::{Context, Reporting},
    schedule::Schedule,
    table::{Observation, Observer},
};
use crate::coap::Token;

/// What an observation begins with.
#[derive(Debug, PartialEq)]
pub(in crate::client) struct NewObservation {
    pub(in crate::client) observer: Observer,
    pub(in crate::client) path: Path,
    /// The format of the notifications is that of the first answer (RFC 7641 §4.2).
    pub(in crate::client) format: ContentFormat,
}

/// Which observations of an account a Cancel Observation ends (TS 5.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Cancellation {
    /// The one with the token of the request (RFC 7641 §4.1).
    Token(Token),
    /// Those on this path and below it, if none has the token: that is what deployed servers mean
    /// (TS 8.2.6).
    Below(Path),
}

impl Cancellation {
    /// Whether it ends an observation with this token and path.
    pub(in crate::client) fn ends(self, token: Token, path: Path) -> bool {
        match self {
            Self::Token(cancelled) => cancelled == token,
            Self::Below(above) => above.contains(&path),
        }
    }
}

impl Reporting {
    /// The number for the first answer to an Observe with this token (RFC 7641 §4.4); `None` if
    /// there is no room for the observation.
    pub(in crate::client) fn number_for(
        &mut self,
        account: AccountId,
        token: Token,
    ) -> Option<u32> {
        let fits = self.table.count_of(account) < self.most || self.contains(account, token);
        fits.then(|| self.numbers.next())
    }

    pub(in crate::client) fn contains(&self, account: AccountId, token: Token) -> bool {
        self.table.find(account, token).is_some()
    }

    /// The observers and what they observe, in the order in which they began.
    pub(in crate::client) fn observed(&self) -> impl Iterator<Item = (&Observer, Path)> {
        let all = self.table.iter();
        all.map(|observation| (&observation.observer, observation.path))
    }

    /// The Object Instances below a path that are observed, or below which something is.
    pub(in crate::client) fn instances_below(&self, path: Path) -> impl Iterator<Item = Path> {
        let below = self.table.below(path).into_iter();
        below.filter_map(|id| {
            let at = self.table.get(id)?.path;
            Some(Path::Instance(at.object()?, at.instance()?))
        })
    }

    /// How many notifications are stored for an account, and how many had to go.
    pub(in crate::client) fn stored(&self, account: AccountId) -> (usize, u64) {
        let (stored, kept) = (self.stored.count(account), self.kept.count(account));
        (stored.0 + kept.0, stored.1.saturating_add(kept.1))
    }

    /// How many notifications are stored.
    pub(in crate::client) fn all_stored(&self) -> usize {
        self.stored.len() + self.kept.len()
    }

    /// Begins an observation whose first answer is sent now. One of the same account and token is
    /// replaced (RFC 7641 §4.1).
    pub(in crate::client) fn observe(&mut self, context: &mut Context<'_>, new: NewObservation) {
        let NewObservation {
            observer,
            path,
            format,
        } = new;
        let account = observer.account;
        let replaced = self.table.find(account, observer.token());
        let rest = replaced.and_then(|id| {
            self.quieten(context, id);
            self.remove(context, id)
        });
        let view = context.view(&observer, path);
        let schedule = Schedule::new(&view, path, context.now);
        let observation = Observation::new(observer, path, format, schedule);
        let id = self.table.insert(observation);
        self.arm(context, id);
        let event = ClientEvent::Observed { account, path };
        context.events.push_back(event);
        // What was under way of it has gone; what is stored for others goes on.
        self.go_on(context, rest);
        self.take_up(context, id);
    }

    /// Cancel Observation (TS 5.5.3).
    pub(in crate::client) fn cancel(
        &mut self,
        context: &mut Context<'_>,
        account: AccountId,
        cancellation: Cancellation,
    ) {
        let mut ended = match cancellation {
            Cancellation::Token(token) => Vec::from_iter(self.table.find(account, token)),
            Cancellation::Below(path) => self.table.below(path),
        };
        ended.retain(|id| {
            let found = self.table.get(*id);
            found.is_some_and(|found| found.observer.account == account)
        });
        let ended = ended.into_iter().filter_map(|id| self.end(context, id));
        // Nothing of one that ends is sent in between.
        let rest = ended.last();
        self.go_on(context, rest);
    }

    /// The registration of an account has ended: so do its observations, and what is stored for them
    /// (TS 5.5.1).
    pub(in crate::client) fn end_account(&mut self, context: &mut Context<'_>, account: AccountId) {
        for id in self.table.of(account) {
            // All that is stored goes.
            let _ = self.end(context, id);
        }
        self.forget_unobserved(context, account);
        let _ = self.clear_stored(context, account);
    }

    /// An Object Instance is gone, and with it the observations of all servers on it and below it. The
    /// observers get a 4.04 at once, or when they can be reached (RFC 7641 §4.2).
    pub(in crate::client) fn gone(&mut self, context: &mut Context<'_>, path: Path) {
        for id in self.table.below(path) {
            if let Some(observation) = self.table.get_mut(id) {
                observation.ends_with = Some(Refusal::NotFound);
                let timer = Timer::Observation(id);
                context.timers.set(timer, &mut observation.deadline, None);
            }
            self.due(context, id);
        }
    }
}
