//! How requests and notifications are sent.

use core::time::Duration;

use super::{body::Resource, event::RequestId};
use crate::machine::Channel;

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOptions {
    /// Whether it is sent again until the peer has it; yes by default.
    pub confirmable: bool,
    /// What it travels on; over SMS nothing is sent again (TS 8.6.2).
    pub channel: Channel,
    /// How long the response may take once the request is acknowledged or, if it is sent once,
    /// from when it is sent; as configured by default. If it takes several blocks, this is for each.
    pub timeout: Option<Duration>,
    /// The request, a GET with Observe: 1, ends this observation: it is sent with its token
    /// (RFC 7641 §3.6). The observation is forgotten at once.
    pub cancels: Option<RequestId>,
    /// Whether the blocks of the response are handed on one by one, as
    /// [`Incoming::ResponseBlock`](super::Incoming::ResponseBlock), the last one as [`Incoming::Response`](super::Incoming::Response); not by default: then
    /// the response comes as a whole. No observation is streamed.
    pub stream: bool,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self {
            confirmable: true,
            channel: Channel::Udp,
            timeout: None,
            cancels: None,
            stream: false,
        }
    }
}

/// How a notification is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyOptions {
    /// Whether it is sent again until the peer has it; no by default. RFC 7641 §4.5 asks for one
    /// at least every 24 hours: see [`Endpoint::notify_observer`](super::Endpoint::notify_observer).
    pub confirmable: bool,
    /// What it travels on; over SMS nothing is sent again (TS 8.6.2).
    pub channel: Channel,
    /// What is observed, from the [`Responder`](super::Responder) of the request. If the notification takes several
    /// blocks, they are kept for the client to ask for; without it, the application is asked
    /// again, and the client sees by the ETag whether it is the same body.
    pub resource: Option<Resource>,
}
