//! A message that is queued, sent and retransmitted until it is acknowledged (RFC 7252 §4.2, §4.7).

use alloc::boxed::Box;

use lwm2m_core::Instant;

use super::peers::Share;
use crate::coap::{
    endpoint::table::Key, message::MessageType, message_buf::WireMessage, token::Token,
};

/// A confirmable message that has not been acknowledged, or a non-confirmable request that has not
/// been answered: it is outstanding or queued.
#[derive(Clone, Debug)]
pub(crate) struct Transmission {
    pub(crate) message: WireMessage,
    pub(crate) purpose: Purpose,
    /// The notification that replaces it at the next retransmission.
    pub(crate) newer: Option<Box<NewerNotification>>,
    pub(crate) message_id: u16,
    pub(super) kind: MessageType,
    /// How often it was sent or a retransmission was skipped; 0 if it was not sent yet.
    pub(super) sent: u8,
    /// When it was first sent with this message id.
    pub(super) first_sent: Instant,
    /// The timeout after the last transmission, in milliseconds.
    pub(super) wait: u64,
    /// When that timeout ends, if nothing was late.
    pub(super) due: Instant,
    pub(super) deadline: Option<Instant>,
}

impl Transmission {
    /// Of a confirmable message.
    pub(crate) const fn confirmable(message: WireMessage, purpose: Purpose) -> Self {
        Self::new(message, purpose, MessageType::Confirmable)
    }

    /// Of a non-confirmable request.
    pub(crate) const fn non_confirmable(message: WireMessage, request: Key) -> Self {
        let purpose = Purpose::Request(request);
        Self::new(message, purpose, MessageType::NonConfirmable)
    }

    /// Whether it was not sent yet.
    pub(crate) const fn waits(&self) -> bool {
        self.sent == 0
    }

    pub(crate) fn is_confirmable(&self) -> bool {
        self.kind == MessageType::Confirmable
    }

    const fn new(message: WireMessage, purpose: Purpose, kind: MessageType) -> Self {
        Self {
            message,
            purpose,
            newer: None,
            message_id: 0,
            kind,
            sent: 0,
            first_sent: Instant::ZERO,
            wait: 0,
            due: Instant::ZERO,
            deadline: None,
        }
    }
}

/// The message of a transmission, by its id in the layer above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Request(Key),
    /// A separate response. If it begins an observation, it has an id like a notification.
    Response {
        token: Token,
        first: Option<u64>,
    },
    Notification {
        id: u64,
        token: Token,
    },
    /// An abandoned non-confirmable request. It still counts against NSTART, because the peer has
    /// not responded, until its PROBING_RATE interval is over (RFC 7252 §4.7).
    Probe,
}

impl Purpose {
    /// Whether it is a notification with this token.
    pub(crate) fn notifies(self, token: Token) -> bool {
        matches!(self, Self::Notification { token: other, .. } if other == token)
    }

    /// Whether it is a separate response with this token.
    pub(crate) fn responds(self, token: Token) -> bool {
        matches!(self, Self::Response { token: other, .. } if other == token)
    }

    /// Whether it is a notification, or the response that begins an observation.
    pub(crate) const fn observes(self) -> bool {
        matches!(
            self,
            Self::Response { first: Some(_), .. } | Self::Notification { .. }
        )
    }

    /// Whether it is a response or a notification.
    pub(crate) const fn answers(self) -> bool {
        matches!(self, Self::Response { .. } | Self::Notification { .. })
    }

    pub(super) const fn share(self) -> Share {
        match self {
            Self::Request(_) | Self::Notification { .. } | Self::Probe => Share::Initiated,
            Self::Response { .. } => Share::Answers,
        }
    }
}

/// A notification that will replace one that is still being sent.
#[derive(Clone, Debug)]
pub(crate) struct NewerNotification {
    pub(crate) id: u64,
    pub(crate) confirmable: bool,
    pub(crate) message: WireMessage,
}
