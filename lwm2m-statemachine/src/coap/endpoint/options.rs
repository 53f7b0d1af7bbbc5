//! How requests and notifications are sent.

use core::time::Duration;

use super::{body::Resource, event::RequestId};
use crate::machine::Channel;

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOptions {
    /// Whether the request is confirmable, that is, retransmitted until it is acknowledged.
    /// Default: true.
    pub confirmable: bool,
    /// The channel it is sent on; nothing is retransmitted over SMS (TS 8.6.2).
    pub channel: Channel,
    /// How long to wait for the response, starting when the request is acknowledged or, if it is
    /// sent only once, when it is sent. Default:
    /// [`Config::response_timeout`](super::Config::response_timeout), and over SMS what
    /// [`Config::sms_latency`](super::Config::sms_latency) says. If the response takes several
    /// blocks, the timeout applies to each.
    pub timeout: Option<Duration>,
    /// The observation that this request, a GET with Observe: 1, ends: the request is sent with the
    /// token of the observation (RFC 7641 §3.6). The observation is removed immediately.
    pub cancels: Option<RequestId>,
    /// Whether the blocks of the response are passed to the application one by one, as
    /// [`Incoming::ResponseBlock`](super::Incoming::ResponseBlock), the last one as
    /// [`Incoming::Response`](super::Incoming::Response); By default the response is assembled.
    /// Observations are never streamed.
    pub stream: bool,
    /// Whether the response is the outcome even if it is only one block of a larger body: the
    /// application asks for each block itself ([`MessageBuf::block2`](crate::coap::MessageBuf::block2)).
    /// Without it, this is so for a request for a block other than the first. Observations always
    /// get the whole body.
    pub single_block: bool,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self {
            confirmable: true,
            channel: Channel::Udp,
            timeout: None,
            cancels: None,
            stream: false,
            single_block: false,
        }
    }
}

/// How a notification is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyOptions {
    /// Whether the notification is confirmable, that is, retransmitted until it is acknowledged.
    /// Default: false. RFC 7641 §4.5 requires a confirmable one at least every 24 hours: see
    /// [`Endpoint::notify_observer`](super::Endpoint::notify_observer).
    pub confirmable: bool,
    /// The channel it is sent on; nothing is retransmitted over SMS (TS 8.6.2).
    pub channel: Channel,
    /// The observed resource, from the [`Responder`](super::Responder) of the request. With it, the
    /// body of a notification that takes several blocks is kept, and the endpoint serves the
    /// client's requests for them. Without it, those requests are passed to the application, and
    /// the client detects by the ETag whether the body has changed.
    pub resource: Option<Resource>,
}
