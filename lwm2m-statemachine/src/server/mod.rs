//! The LwM2M Server: registrations, operations and observations over one CoAP endpoint
//! (TS 5.3, 5.4, 5.5).
//!
//! It accepts Register, Update and De-register from any number of clients, and offers Read,
//! Discover, Write, Write-Attributes, Execute, Create, Delete, Observe and Cancel Observation as
//! calls. A call returns the handle of an operation, and exactly one
//! [`Answered`](ServerEvent::Answered) event says how the operation ended.
//!
//! It isn't a bootstrap-server (`/bs` is 4.04 here) and keeps no values. What the specification
//! leaves to the application is in [`ServerConfig`].
//!
//! # The loop
//!
//! A server does nothing on its own. The caller feeds it datagrams and the time, and drains it of
//! datagrams and events. This loop serves for ever on a socket:
//!
//! ```no_run
//! use std::{
//!     net::{SocketAddr, UdpSocket},
//!     time::{self, Duration},
//! };
//!
//! use lwm2m_core::Instant;
//! use lwm2m_statemachine::{Datagram, Server, ServerConfig, ServerEvent, server::Host};
//!
//! # fn fresh_random_bytes() -> [u8; 32] { [0; 32] }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let socket = UdpSocket::bind("[::]:5683")?;
//! let start = time::Instant::now();
//! let now = || Instant::ZERO + start.elapsed();
//! let config = ServerConfig::new(fresh_random_bytes());
//! let mut server = Server::with_hosts(config, |peer: &SocketAddr| Host::from(*peer));
//! let mut buffer = [0; 65_536];
//! loop {
//!     while let Some(event) = server.poll_event() {
//!         match event {
//!             ServerEvent::Registered { registration } => {
//!                 server.read(now(), registration, "/3/0".parse()?, None)?;
//!             }
//!             ServerEvent::Answered { outcome, .. } => println!("{outcome:?}"),
//!             _ => {}
//!         }
//!     }
//!     while let Some(transmit) = server.poll_transmit() {
//!         // What is lost here is sent again.
//!         let _ = socket.send_to(transmit.payload, transmit.to);
//!     }
//!     let wait = server.poll_timeout().map(|at| at.saturating_duration_since(now()));
//!     socket.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
//!     if let Ok((length, from)) = socket.recv_from(&mut buffer) {
//!         // The error only informs; the server goes on.
//!         let _ = server.handle_datagram(now(), Datagram::new(from, &buffer[..length]));
//!     }
//!     server.handle_timeout(now());
//! }
//! # }
//! ```
//!
//! # Secure sessions
//!
//! A secure session is a peer: give each new one, such as a DTLS session, a name of its own, and let
//! each [`Datagram`](crate::Datagram) say what the session has proved. A client that comes back in a new
//! session, or at another address, is recognised by its identity: a Register replaces its registration;
//! after an Update the registration and its observations go on there; and notifications are taken from
//! any session of the client, as one may overtake the Update, or come late. Tell the server with
//! [`Server::peer_gone`] when a session has ended.
//!
//! An Update or Register counts from whichever session it comes, and the last one wins. The network may
//! hold one back and deliver it when the client has left that session: it leads the registration back to
//! a peer where nobody answers. So close the older of the two sessions, and tell the server that it is
//! gone, when [`ServerEvent::PeerLeft`] says that a client has changed from one to the other, and no other
//! client is reached there. If that is the one to which the registration was led back, the next
//! notification heals it.
//!
//! # Queue Mode
//!
//! A client whose Binding is UQ, SQ or UQS (in later versions: that says `Q`) sleeps, and hears nothing then
//! (TS 5.3.1.1, 8.3). Call the server as for any other client: an operation waits until the client is
//! awake, which each of its messages says. [`ServerEvent::Awake`] and [`ServerEvent::Asleep`] tell of it,
//! [`Server::presence`] and [`Server::queued`] show it.
//!
//! - What waits is sent in order, one request after the answer to the one before, and nothing for the first
//!   time after the [awake time](QueueMode::awake).
//! - A request that isn't answered says that the client is asleep. A Read, Discover, Observe, Cancel
//!   Observation, Write-Attributes, Delete, or a Write that replaces waits for the next time: the client may
//!   have received it, and to do it twice is as good as once. After the first, a Delete may be answered
//!   4.04. An Execute, a Create, or a Write that updates ends with [`Outcome::Timeout`].
//! - Each operation ends by its [deadline](Waiting::set_deadline), can be [cancelled](Waiting::cancel), and
//!   ends with the registration. When the client registers anew, what waits goes on under the new
//!   registration, and what is under way ends with [`Outcome::ClientGone`].
//! - What waits has [bounds](QueueMode), in number and bytes.
//! - A client that takes short messages while it sleeps (UQS) can be [woken](Waiting::set_trigger) when
//!   something waits for it.
//!
//! # What it is made of
//!
//! - `registrar` decides about the requests of clients, and keeps the registrations.
//! - `definitions` finds the definition of an Object in the version that a client has.
//! - `calls` keeps operations, each queued with its message, sent with its request, or held with both, and
//!   observations.
//! - `queue` knows when clients in Queue Mode are awake, and when operations have to end.
//! - The server itself joins these `parts` to the endpoint. What arrives (`machine`) goes to the
//!   registrar or to the calls; `requests` sends what was decided, `answers` decodes what clients
//!   answer, `operations` has the calls of the application, `moving` follows clients to other peers,
//!   and `ending` tells the application what has ended; `failing` hears of exchanges that fail.
//! - `sending` hands an operation to the endpoint, `waking` does so while a client in Queue Mode is awake,
//!   `handing_over` has what waits go on after a new Register, and `waiting` has the calls about it.
//! - `record` is what of a client outlasts a restart of the server: `taking` makes it, `restoring` has the client go
//!   on if it is sound (`recorded`). `announcing` tells which records have changed (`keeping`), and `gate` has
//!   datagrams wait until these are stored.
//!   `by_sms` has the operations over SMS, and `triggering` wakes clients that way, those in
//!   `triggers`.

mod announcing;
mod answers;
mod by_sms;
mod calls;
mod config;
mod definitions;
mod ending;
mod event;
mod failing;
mod gate;
mod handing_over;
mod id;
mod keeping;
mod machine;
mod moving;
mod operations;
mod parts;
mod queue;
mod record;
mod recorded;
mod registrar;
mod requests;
mod restoring;
mod sending;
mod taking;
mod triggering;
mod triggers;
mod waiting;
mod waking;

pub use self::{
    announcing::Records,
    by_sms::BySms,
    calls::{CallError, Overload},
    config::{Holding, QueueMode, RecordKeeping, ServerBounds, ServerConfig, UnknownParameters},
    definitions::ClientDefinitions,
    event::{EndReason, Outcome, RecordChange, ServerEvent},
    gate::Unstored,
    id::{ObservationId, OperationId, RegistrationId, Revision},
    parts::{Server, ServerUsage},
    queue::Presence,
    record::Record,
    registrar::{
        Changes, EvictionReason, Location, RecordError, Refusal, RefusalReason, Registration,
    },
    triggers::UpdateTrigger,
    waiting::{QueuedOperation, Waiting},
};
pub use crate::downlink::{
    AnswerError, DiscoveredLink, Host, IdentityCheck, InvalidCall, NoSec, identity_is_name,
};
