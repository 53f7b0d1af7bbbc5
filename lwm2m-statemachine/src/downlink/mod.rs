//! A typed call to a client, and how it ends (TS 5.4, 5.5).
//!
//! `call` makes a request of a call, and `answer` an `Outcome` of the response; `bootstrap` does both
//! for the commands of the Bootstrap interface (TS 5.2.7). A `ledger` keeps the calls that wait for
//! their answer, by client. [`payload`] turns values into bytes and back, by Content-Format. Nothing
//! here knows what a registration is: what identifies a client is a type parameter, and so is the
//! handle of an observation in an outcome.
//!
//! Who the clients are is here, too: where a request of theirs came from, whether its sender may use
//! an endpoint name, and which host it is.

#[cfg(feature = "server")]
mod answer;
#[cfg(feature = "bootstrap-server")]
mod bootstrap;
#[cfg(feature = "server")]
mod call;
#[cfg(any(feature = "server", feature = "bootstrap-server"))]
mod host;
#[cfg(feature = "server")]
mod ledger;
#[cfg(any(feature = "server", feature = "bootstrap-server"))]
mod naming;
#[cfg(any(feature = "server", feature = "bootstrap-server"))]
mod origin;
#[cfg(any(feature = "server", feature = "bootstrap-server"))]
mod outcome;
pub mod payload;
#[cfg(any(feature = "server", feature = "bootstrap-server"))]
mod request;

#[cfg(feature = "bootstrap-server")]
pub(crate) use self::bootstrap::{BS, Command, bootstrap_links};
#[cfg(feature = "server")]
pub(crate) use self::{
    answer::{PendingCall, content},
    call::Call,
    ledger::{CallState, Cancelled, Entry, HeldRequest, Key, Ledger, PlacedCall, QueuedRequest},
};
#[cfg(any(feature = "server", feature = "bootstrap-server"))]
pub use self::{
    host::Host,
    naming::{IdentityCheck, NoSec, identity_is_name},
    outcome::{AnswerError, DiscoveredLink, Outcome},
    request::InvalidCall,
};
#[cfg(any(feature = "server", feature = "bootstrap-server"))]
pub(crate) use self::{
    host::HostOf,
    naming::{NameDenied, NamePolicy},
    origin::Origin,
};
