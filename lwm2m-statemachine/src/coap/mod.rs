//! CoAP (RFC 7252, RFC 7641, RFC 7959): the message codec and an endpoint for many peers.
//!
//! [`MessageRef`] reads a message where it lies, [`MessageBuf`] writes one; both stand alone.
//! [`Endpoint`] joins them with time.

mod endpoint;
mod message;
mod message_buf;
mod option;
mod token;

pub use self::{
    endpoint::{
        Body, Bounds, Config, DatagramError, Endpoint, Event, FailureReason, Incoming,
        NotificationId, NotifyOptions, OwnedIncoming, RequestId, RequestOptions, Resource,
        Responder, SendError, Source, SourceId, TransferId, TransmissionParameters, Usage,
    },
    message::{FormatError, MessageRef, MessageType, Options, OwnedMessage, ParseError, Strings},
    message_buf::{MessageBuf, OptionError, WireMessage},
    option::{BlockOption, OptionNumber, OptionSet},
    token::Token,
};
