//! What a Client stores while it is asleep, and what becomes of it (TS E.2, Resource 6).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lwm2m_statemachine::{
    Client,
    coap::{MessageRef, MessageType, Token},
};

use super::setup::{ACCOUNT, COUNTER};

/// The values that are stored for each observation of the counter, oldest first, as an observer of the Client sees
/// it.
#[derive(Debug, Default)]
pub(super) struct Stored {
    waiting: VecDeque<(Token, i64)>,
    /// The counter now.
    value: i64,
    delivered: Vec<i64>,
    /// The message ids of what was sent for each observation since something was acknowledged last.
    sent: BTreeMap<Token, BTreeSet<u16>>,
    /// How many went with an observation of which nothing was acknowledged three times.
    given_up: u64,
    /// How many the Client has told that it dropped.
    dropped: u64,
}

/// How often what is stored is sent before its observation ends (RFC 7641 §4.5).
const ATTEMPTS: usize = 3;

impl Stored {
    /// The values whose notification was acknowledged.
    pub(super) fn delivered(&self) -> &[i64] {
        &self.delivered
    }

    /// The counter has this value from now on.
    pub(super) const fn measured(&mut self, value: i64) {
        self.value = value;
    }

    /// The Client sends this.
    pub(super) fn sends(&mut self, datagram: &[u8]) {
        let Ok(message) = MessageRef::parse(datagram) else {
            return;
        };
        let is_stored = |(token, _): &(Token, i64)| *token == message.token();
        if message.kind() == MessageType::Confirmable && self.waiting.iter().any(is_stored) {
            let sent = self.sent.entry(message.token()).or_default();
            sent.insert(message.message_id());
        }
    }

    /// The Client has told that so many had to go. There is room for all, so these are of observations that the server
    /// doesn't want any more.
    pub(super) fn dropped(&mut self, count: u64) {
        self.dropped += count;
        assert!(
            self.dropped <= self.given_up,
            "what was stored is given up too early"
        );
    }

    /// Something has happened to the Client.
    pub(super) fn look(&mut self, client: &Client) {
        let stored = client.reporting().stored(ACCOUNT);
        if self.waiting.is_empty() && stored.waiting == 0 {
            return;
        }
        // With an observation goes what is stored for it.
        let observations = observations(client);
        let is_given_up = |token: &Token| {
            let sent = self.sent.get(token);
            !observations.contains(token) && sent.is_some_and(|sent| sent.len() >= ATTEMPTS)
        };
        let given_up = self.waiting.iter().filter(|(token, _)| is_given_up(token));
        self.given_up += given_up.count() as u64;
        self.waiting
            .retain(|(token, _)| observations.contains(token));
        if let Some(sent) = self.waiting.len().checked_sub(stored.waiting) {
            for (token, value) in self.waiting.drain(..sent) {
                self.sent.remove(&token);
                self.delivered.push(value);
            }
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
