//! An endpoint for many peers, in three layers (RFC 7252, RFC 7641, RFC 7959).
//!
//! ```text
//! requesting · responding · notifying                  the calls of the application
//! bodies · connections · open                          the same
//! machine                                              Endpoint: datagrams, time, polls
//! arriving · matching · sending                        what goes through the layers, up and down
//! peers · routing                                      what a call of one layer leads to in the others
//! blockwise                                            bodies larger than a block
//! exchanges                                            requests, responses, notifications
//! messages                                             peers, records, transmissions, message ids
//! ```
//!
//! Each layer owns its state and calls none above it: what it has to say comes as a return value, an
//! outcome or a step. `layers::Layers` holds the three side by side.

mod arriving;
mod blockwise;
mod bodies;
mod body;
mod config;
mod connections;
mod context;
mod deadline;
mod event;
mod events;
mod exchanges;
mod fingerprint;
mod index;
mod keys;
mod layers;
mod machine;
mod matching;
mod messages;
mod notice;
mod notifying;
mod open;
mod options;
mod peers;
mod requesting;
mod responding;
mod routing;
mod sending;
mod table;
mod usage;

pub use self::{
    bodies::Bodies,
    body::{Outgoing, Resource, Source, SourceId, TransferId},
    config::{BodyBounds, Bounds, ByteBounds, Config, TransmissionParameters},
    deadline::Deadline,
    event::{
        Body, DatagramError, Event, FailureReason, Incoming, InvalidSend, NotificationId, Overload,
        OwnedIncoming, RequestId, Responder, SendError,
    },
    exchanges::{Observer, RestoreError, SavedNewest, SavedObservation},
    machine::Endpoint,
    options::{NotifyOptions, RequestOptions},
    usage::{BodyUsage, Usage},
};
