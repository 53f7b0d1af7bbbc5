//! What a Client stores while it is asleep, and what becomes of it (TS E.2, Resource 6).

use std::collections::{BTreeSet, VecDeque};

use lwm2m_statemachine::{Client, coap::Token};

use super::setup::{ACCOUNT, COUNTER};

/// The values that are stored for each observation of the counter, oldest first, as an observer of the Client sees
/// it.
#[derive(Debug, Default)]
pub(super) struct Stored {
    waiting: VecDeque<(Token, i64)>,
    /// The counter now.
    value: i64,
    delivered: Vec<i64>,
    /// How many went with their observation.
    ended: u64,
}

impl Stored {
    /// The values whose notification was acknowledged.
    pub(super) fn delivered(&self) -> &[i64] {
        &self.delivered
    }

    /// The counter has this value from now on.
    pub(super) const fn measured(&mut self, value: i64) {
        self.value = value;
    }

    /// Something has happened to the Client.
    pub(super) fn look(&mut self, client: &Client) {
        let stored = client.reporting().stored(ACCOUNT);
        if self.waiting.is_empty() && stored.waiting == 0 {
            return;
        }
        // With an observation goes what is stored for it.
        let observations = observations(client);
        let before = self.waiting.len();
        self.waiting
            .retain(|(token, _)| observations.contains(token));
        self.ended += (before - self.waiting.len()) as u64;
        assert!(stored.dropped <= self.ended, "there is room for all");
        if let Some(sent) = self.waiting.len().checked_sub(stored.waiting) {
            let sent = self.waiting.drain(..sent).map(|(_, value)| value);
            self.delivered.extend(sent);
        } else {
            let new = observations.into_iter().map(|token| (token, self.value));
            self.waiting.extend(new);
            assert_eq!(self.waiting.len(), stored.waiting);
        }
    }
}

fn observations(client: &Client) -> BTreeSet<Token> {
    let all = client.reporting().observations();
    let all = all.filter(|observation| observation.path == COUNTER);
    all.map(|observation| observation.token).collect()
}
