//! Observations: each begins once and ends once, and what it tells goes forward.

use std::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{Code, Path};
use lwm2m_statemachine::{
    AccountId, Client,
    coap::{MessageRef, Token},
};

use super::numbers;

type Observation = (AccountId, Token, Path);

#[derive(Debug, Default)]
pub(super) struct Observations {
    /// Those that there were before the call, in the order in which they began.
    known: Vec<Observation>,
    /// What the Client has told since.
    begun: Vec<(AccountId, Path)>,
    ended: Vec<(AccountId, Path)>,
    /// The newest counter that each observation has told, and the messages that told one: they may be
    /// sent again.
    counters: BTreeMap<(usize, Token), u32>,
    told: BTreeSet<(usize, u16, Token)>,
}

impl Observations {
    pub(super) fn begins(&mut self, account: AccountId, path: Path) {
        self.begun.push((account, path));
    }

    pub(super) fn ends(&mut self, account: AccountId, path: Path) {
        self.ended.push((account, path));
    }

    /// After a call: those that are gone have ended, each with an event; those that are new have begun,
    /// in place of one with the same token if there was one.
    pub(super) fn settle(&mut self, client: &Client) {
        let now: Vec<Observation> = client
            .reporting()
            .observations()
            .map(|found| (found.account, found.token, found.path))
            .collect();
        let is_in = |all: &[Observation], one: &Observation| {
            all.iter().any(|other| (other.0, other.1) == (one.0, one.1))
        };
        let begun = core::mem::take(&mut self.begun);
        let mut ended = core::mem::take(&mut self.ended);
        for begun in &begun {
            let is_there = now.iter().any(|found| (found.0, found.2) == *begun);
            if !is_there {
                take(&mut ended, begun);
            }
        }
        for gone in self.known.iter().filter(|known| !is_in(&now, known)) {
            take(&mut ended, &(gone.0, gone.2));
        }
        assert!(ended.is_empty(), "{ended:?} ended, and there are {now:?}");
        for new in now.iter().filter(|now| !is_in(&self.known, now)) {
            let told = begun.contains(&(new.0, new.2));
            assert!(told, "{new:?} has begun without a word");
        }
        self.known = now;
    }

    /// The Client has sent this. Counters grow, also when they were stored: whatever is told of an
    /// observation is told in the order in which it became true.
    pub(super) fn judge(&mut self, server: usize, datagram: &[u8]) {
        let Ok(message) = MessageRef::parse(datagram) else {
            return;
        };
        if message.code() != Code::CONTENT || message.observe().is_none() {
            return;
        }
        let token = message.token();
        let Some(newest) = numbers::counters(message.payload()).pop_last() else {
            return;
        };
        if !self.told.insert((server, message.message_id(), token)) {
            return;
        }
        let before = self.counters.insert((server, token), newest);
        assert!(
            before.is_none_or(|before| before <= newest),
            "counter {newest} after {before:?}"
        );
    }
}

fn take(from: &mut Vec<(AccountId, Path)>, one: &(AccountId, Path)) {
    let at = from.iter().position(|other| other == one);
    from.swap_remove(at.unwrap_or_else(|| panic!("{one:?} has ended without a word")));
}
