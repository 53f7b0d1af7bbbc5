//! The interface of the layer of exchanges.

use lwm2m_core::Instant;

use super::{notifications::Notifications, requests::Requests};
use crate::{
    coap::endpoint::{
        config::Config, deadline::Deadline, keys::PeerIndex, messages::Messages, table::Key,
        usage::Usage,
    },
    machine::{KeyedState, Peer},
};

/// Our requests and notifications.
#[derive(Debug)]
pub(crate) struct Exchanges {
    pub(crate) requests: Requests,
    pub(crate) notifications: Notifications,
}

/// A pending item of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenExchange {
    Request(Key),
    Transmission(Key),
}

impl Exchanges {
    pub(crate) fn new(config: &Config, token_keys: KeyedState) -> Self {
        Self {
            requests: Requests::new(config, token_keys),
            notifications: Notifications::new(config),
        }
    }

    /// The first item to end when everything pending with this peer is ended.
    pub(crate) fn first_open<P: Peer>(
        &self,
        messages: &Messages<P>,
        peer: PeerIndex,
    ) -> Option<OpenExchange> {
        let requests = messages.exchanges(peer)?.requests;
        let request = self.requests.oldest(requests);
        request.map(OpenExchange::Request).or_else(|| {
            let transmission = messages.oldest_transmission(peer);
            transmission.map(OpenExchange::Transmission)
        })
    }

    /// What is due next, and when.
    pub(crate) fn next_deadline(&self) -> Option<(Instant, Deadline)> {
        Deadline::first([
            (self.requests.next_deadline(), Deadline::Response),
            (self.notifications.next_deadline(), Deadline::Notification),
        ])
    }

    /// Adds the usage of this layer.
    pub(crate) fn add_usage(&self, usage: &mut Usage) {
        let (requests, timers) = self.requests.len();
        usage.requests = requests;
        usage.notifications = self.notifications.len();
        usage.timers = usage.timers.saturating_add(timers);
    }
}
