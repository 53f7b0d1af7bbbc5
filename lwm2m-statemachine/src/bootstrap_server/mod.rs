//! The LwM2M Bootstrap-Server: what clients need to reach their servers, written by plans over one
//! CoAP endpoint (TS 5.2, 8.2.3).
//!
//! A client asks for a bootstrap, and the application answers with a [`Plan`]; or the application
//! [begins](BootstrapServer::begin) one on its own. The machine sends the steps of the plan one by
//! one, checks each answer against TS Table 27, and tells how the bootstrap ended: once, whatever
//! happens.
//!
//! - A Write that is answered 4.15 is sent again in the other format.
//! - A plan may begin with a Discover and go on with steps that depend on what it found: see
//!   [`Paused`](BootstrapServerEvent::Paused). So may one whose Bootstrap-Finish was answered 4.06.
//! - A client that is told nothing for EXCHANGE_LIFETIME gives up and is as it was before (TS
//!   5.2.3.3). So no bootstrap goes on after that; the plan begins anew at the client's next request.
//! - A fresh request of the same client, which is the same endpoint name or the same peer, ends the
//!   bootstrap that it had.
//!
//! Keys are in plans, and on their way to the client. They are in no event, no error and no
//! [`Debug`](core::fmt::Debug) output.
//!
//! # The loop
//!
//! The caller feeds the machine datagrams and the time, and drains it of datagrams and events. Here
//! the client is played by hand, and the clock stands still:
//!
//! ```
//! use lwm2m_core::{Code, InstanceId, Instant, Method, ShortServerId};
//! use lwm2m_objects::typed;
//! use lwm2m_statemachine::{
//!     BootstrapServer, BootstrapServerConfig, BootstrapServerEvent, Datagram,
//!     bootstrap_server::plans::{self, Account, BootstrapAccount},
//!     coap::{MessageBuf, MessageRef, MessageType, Token},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The seed is from a source of randomness, fresh at every start.
//! let mut machine: BootstrapServer<&str> = BootstrapServer::new(BootstrapServerConfig::new([1; 32]));
//! let now = Instant::ZERO;
//!
//! // The client's request, which comes from the network.
//! let mut request = MessageBuf::request(Method::Post);
//! request.uri_path("bs")?.uri_query("ep=meter-1")?;
//! let request = request.finish(MessageType::Confirmable, 1, Token::EMPTY);
//! machine.handle_datagram(now, Datagram::new("192.0.2.9:5683", request.as_ref()))?;
//!
//! let mut told = Vec::new();
//! loop {
//!     while let Some(event) = machine.poll_event() {
//!         match event {
//!             BootstrapServerEvent::Requested { bootstrap, client } => {
//!                 let id = ShortServerId::new(101).unwrap();
//!                 let account = Account {
//!                     security: typed::Security::no_sec("coap://192.0.2.1", id),
//!                     server: typed::Server::new(id, 86_400),
//!                 };
//!                 let own = BootstrapAccount::Keep(InstanceId::ZERO);
//!                 println!("{:?} asks for a bootstrap", client.endpoint_name);
//!                 machine.start(now, bootstrap, &plans::one_server(own, account)?)?;
//!             }
//!             BootstrapServerEvent::Ended { outcome, .. } => {
//!                 outcome?;
//!                 assert_eq!(told, ["/0", "/1", "/0/1", "/1/0", "/bs"]);
//!                 return Ok(());
//!             }
//!             _ => {}
//!         }
//!     }
//!     // The network takes a command to the client, and its answer back.
//!     let Some(transmit) = machine.poll_transmit() else { continue };
//!     let (to, command) = (transmit.to, MessageRef::parse(transmit.payload)?);
//!     let code = match command.code().method() {
//!         Some(Method::Delete) => Code::DELETED,
//!         Some(_) => Code::CHANGED,
//!         None => continue, // the 2.04 to the request
//!     };
//!     told.push(command.uri_path().map(|segment| format!("/{segment}")).collect::<String>());
//!     let (id, token) = (command.message_id(), command.token());
//!     let answer = MessageBuf::response(code).finish(MessageType::Acknowledgement, id, token);
//!     machine.handle_datagram(now, Datagram::new(to, answer.as_ref()))?;
//! }
//! # }
//! ```
//!
//! # What it is made of
//!
//! - `plan` says what a client is to be told, as data; [`plans`] has ready ones; `packed` keeps one in
//!   a single piece of memory.
//! - `bootstraps` keeps what is under way, each waiting for its plan, for an answer, or for more
//!   steps, and its deadline.
//! - The machine itself joins the two to the endpoint (`parts`): `requests` decides about what clients
//!   ask, `steps` sends commands and reads their answers, `ending` tells how it ended, `calls` is what
//!   the application says, and `machine` takes what arrives.

mod bootstraps;
mod calls;
mod config;
mod ending;
mod event;
mod found;
mod id;
mod identity;
mod machine;
mod packed;
mod parts;
mod plan;
pub mod plans;
mod refusal;
mod requests;
mod steps;

pub use self::{
    calls::{RefuseWith, StartError},
    config::{Acceptance, BootstrapBounds, BootstrapServerConfig},
    event::{
        BootstrapFailure, BootstrapServerEvent, FailedStep, PauseReason, Requester, StepFailure,
    },
    found::Discovered,
    id::BootstrapId,
    identity::ProvenIdentity,
    parts::{BootstrapServer, BootstrapServerStats, BootstrapServerUsage},
    plan::{InvalidPlan, Plan, Step},
    refusal::{Refusal, RefusalReason},
};
pub use crate::downlink::{AnswerError, Host, IdentityCheck, InvalidCall, NoSec, identity_is_name};
pub use lwm2m_linkformat::BootstrapDiscoverLink;
