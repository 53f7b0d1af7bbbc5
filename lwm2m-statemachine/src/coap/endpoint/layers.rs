//! The three layers side by side.

use lwm2m_core::Instant;

use super::{
    blockwise::{BlockWise, SentRequest, TransferMode},
    config::Config,
    context::OpenRequest,
    deadline::Deadline,
    events::Events,
    exchanges::{Below, Exchanges, Mode},
    messages::{MessageKeys, Messages, Transmission},
    table::Key,
    usage::Usage,
};
use crate::{
    coap::option::OptionSet,
    machine::{Peer, Random},
};

/// The message layer, exchanges and block-wise transfer. None of them calls another: effects of a
/// call on the other layers are handled here, in [`routing`](super::routing) and above it.
#[derive(Debug)]
pub(super) struct Layers<P> {
    pub(super) messages: Messages<P>,
    pub(super) exchanges: Exchanges,
    pub(super) blockwise: BlockWise,
    pub(super) events: Events<P>,
    /// The critical options that requests may carry.
    pub(super) understood: OptionSet,
}

impl<P: Peer> Layers<P> {
    pub(super) fn new(config: &Config) -> Self {
        let mut random = Random::new(config.seed);
        let (peers, records) = (random.hash_keys(), random.hash_keys());
        let exchanges = Exchanges::new(config, random.hash_keys());
        let blockwise = BlockWise::new(config, &mut random);
        let keys = MessageKeys {
            peers,
            records,
            message_ids: random.hash_keys(),
        };
        Self {
            messages: Messages::new(config, &keys, random),
            exchanges,
            blockwise,
            events: Events::new(),
            understood: config.understood,
        }
    }

    /// Exchanges, and what they borrow for a call.
    pub(super) const fn exchanges(&mut self) -> (&mut Exchanges, Below<'_, P>) {
        let below = Below {
            messages: &mut self.messages,
            events: &mut self.events,
        };
        (&mut self.exchanges, below)
    }

    /// A request that has no answer yet, by its record.
    pub(super) fn open_request(&self, record: Key) -> Option<OpenRequest> {
        let (peer, context) = self.messages.context(record)?;
        Some(OpenRequest {
            peer,
            record,
            context: *context,
        })
    }

    /// A request of ours, and the peer it was sent to.
    pub(super) fn sent_request(&self, request: Key) -> Option<SentRequest> {
        let peer = self.exchanges.requests.peer(request)?;
        Some(SentRequest { peer, request })
    }

    /// Whether nothing was sent of this request yet.
    pub(super) fn is_unsent(&self, request: Key) -> bool {
        let Some(of) = self.sent_request(request) else {
            return false;
        };
        if self.blockwise.has_transfer(of) {
            return self.blockwise.is_unsent(of, |block| self.waits(block));
        }
        self.waits(request)
    }

    /// Whether the message of this request waits for others to the same peer.
    fn waits(&self, request: Key) -> bool {
        let request = self.exchanges.requests.get(request);
        let transmission = request.and_then(|request| request.transmission);
        let transmission = transmission.and_then(|key| self.messages.transmission(key));
        transmission.is_some_and(Transmission::waits)
    }
}

impl<P> Layers<P> {
    /// What is due next, and when.
    pub(super) fn next_deadline(&self) -> Option<(Instant, Deadline)> {
        let bodies = self.blockwise.next_deadline();
        [
            self.messages.next_deadline(),
            self.exchanges.next_deadline(),
            bodies.map(|moment| (moment, Deadline::Body)),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(moment, _)| *moment)
    }

    /// How much state is held.
    pub(super) fn usage(&self) -> Usage {
        let mut usage = self.messages.usage();
        self.exchanges.add_usage(&mut usage);
        self.blockwise.add_usage(&mut usage);
        usage
    }

    /// Whether there are no peers, nothing left to send and no pending events.
    pub(super) fn is_idle(&self) -> bool {
        let holds_nothing = self.usage() == Usage::default() && self.next_deadline().is_none();
        let waits_for_nothing = self.messages.is_idle() && self.events.is_empty();
        holds_nothing && waits_for_nothing && self.blockwise.is_empty()
    }
}

/// How the application has a request sent, for block-wise transfer.
pub(super) const fn transfer_mode(mode: Mode) -> TransferMode {
    TransferMode {
        channel: mode.channel,
        is_streamed: mode.streamed,
    }
}
