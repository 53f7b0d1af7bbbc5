//! CoAP (RFC 7252, RFC 7641, RFC 7959): the message codec and an endpoint for many peers.
//!
//! [`MessageRef`] reads a message where it lies, [`MessageBuf`] writes one; both stand alone.
//! [`Endpoint`] joins them with time; its documentation has a request and its response.
//!
//! # Large bodies
//!
//! A body larger than [`Config::block_size`] goes in blocks (RFC 7959), by itself: who sends it
//! hands over one message, who receives it gets it whole, up to [`Bounds::body`]. Nothing else is
//! to be done. An application that does not want to hold a body
//!
//! - **receives a request block by block**: with [`Config::stream_requests`] the blocks come as
//!   [`Incoming::RequestBlock`], each to be answered; [`Endpoint::assemble`] has the rest of one put
//!   together after all. [`Event::TransferLost`] tells of one that will not end.
//! - **receives a response block by block**: with [`RequestOptions::stream`] they come as
//!   [`Incoming::ResponseBlock`], the last one as [`Incoming::Response`].
//! - **supplies a body block by block**: a [`Source`] takes its place, in
//!   [`Endpoint::request_from`], [`respond_from`](Endpoint::respond_from) or
//!   [`notify_from`](Endpoint::notify_from); [`Event::BlockWanted`] asks for a block by its offset,
//!   [`Endpoint::supply`] hands it over, and [`Event::SourceClosed`] is the end.
//!
//! A client that wants one block of a response alone asks for it with
//! [`MessageBuf::block2`]; the response is that block.
//!
//! Bodies are held within [`Bounds`]. Each peer has a share, a body has
//! [an end](Config::transfer_deadline) however regularly its blocks come, and when there is no room
//! the bodies that do not come on, or are not read on, give way. An endpoint that serves anybody
//! decides by the first block: nothing is held of a request until the application has accepted that
//! with [`Code::CONTINUE`](lwm2m_core::Code::CONTINUE) or [`Endpoint::assemble`], nor if it is
//! refused.
//!
//! ```
//! use lwm2m_core::{Code, Instant, Method};
//! use lwm2m_statemachine::{
//!     Datagram,
//!     coap::{Config, Endpoint, Event, Incoming, MessageBuf, RequestOptions},
//! };
//!
//! let now = Instant::ZERO;
//! let image: Vec<u8> = (0..5000_u32).map(|n| n as u8).collect();
//! let mut client = Endpoint::new(Config::new([1; 32]));
//! let mut config = Config::new([2; 32]);
//! config.stream_requests = true;
//! let mut server = Endpoint::new(config);
//!
//! // The client has a body that it will be asked for.
//! let mut message = MessageBuf::request(Method::Put);
//! message.uri_path("image")?;
//! let source = client.source(Some(5000));
//! client.request_from(now, "server", message, source, RequestOptions::default())?;
//!
//! let mut written = Vec::new();
//! let outcome = loop {
//!     // It supplies the block that is wanted.
//!     while let Some(event) = client.poll_event() {
//!         if let Event::BlockWanted { source, offset, length, .. } = event {
//!             let end = image.len().min(offset + length);
//!             client.supply(now, source, offset, &image[offset..end], end < image.len())?;
//!         }
//!     }
//!     // The server writes each block where it belongs, and asks for the next one.
//!     let datagram = client.poll_transmit().unwrap().payload.to_vec();
//!     let datagram = Datagram::new("client", &datagram);
//!     let incoming = server.receive(now, &datagram)?;
//!     let Some(Incoming::RequestBlock { responder, request, offset, more, .. }) = incoming else {
//!         panic!("no block");
//!     };
//!     assert_eq!(offset, written.len());
//!     written.extend_from_slice(request.payload());
//!     let code = if more { Code::CONTINUE } else { Code::CHANGED };
//!     server.respond(now, responder, MessageBuf::response(code))?;
//!     // The client hears of the last answer.
//!     let datagram = server.poll_transmit().unwrap().payload.to_vec();
//!     let datagram = Datagram::new("server", &datagram);
//!     if let Some(Incoming::Response { response, .. }) = client.receive(now, &datagram)? {
//!         break response.code();
//!     }
//! };
//! assert_eq!(outcome, Code::CHANGED);
//! assert_eq!(written, image);
//! assert!(matches!(client.poll_event(), Some(Event::SourceClosed { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Without security
//!
//! Anybody can send a datagram under anybody's address. An endpoint that serves peers without
//! security therefore does work and holds memory for strangers, within [`Bounds`], and what it
//! holds for them makes room for those it deals with.
//!
//! It also answers to addresses that were made up. A reply that is longer than its request makes
//! it an amplifier (RFC 7252 §11.3):
//!
//! - A `Server` answers who is not registered with at most three times the bytes that it got. A
//!   Register is accepted from anybody, though, and each request that the application then makes of
//!   the new client is sent five times if no answer comes: with three Reads, about eight times the
//!   bytes of the Register.
//! - A `Client` without security answers a Read of 8 to 16 bytes with a block of up to
//!   [`Config::block_size`]: 22 to 65 times the bytes, if the sender uses the address of a server it
//!   is registered with.
//!
//! What helps: security, which leaves an endpoint only peers that have proved who they are; a
//! network or a filter that drops forged addresses; a smaller [`Config::block_size`]; to ask
//! nothing of a client that registers without security until it has sent an Update, which needs
//! the location that only it was told. The Echo option (RFC 9175 §2.3), by which a server makes
//! sure that a client is reached at its address before it sends it more, is not implemented.
//!
//! # Observing
//!
//! Who observes is a client whose request carried Observe: 0. The endpoint that serves it does not
//! keep the list of observers (RFC 7641 §4.1): the application does, as it knows the resources.
//! An entry is a peer and an [`Observer`], which has the token; peer and token tell entries apart.
//! It begins with a successful answer that carries an Observe option, replacing an entry of the
//! same peer and token, and ends
//!
//! - with a request of that token that carries Observe: 1,
//! - with [`Incoming::NotificationReset`] of that token, if it [is one of this
//!   observation](Observer::has_sent),
//! - with [`Event::NotificationFailed`] of that token, likewise, if the reason is
//!   [`Timeout`](FailureReason::Timeout), or [`Event::ResponseFailed`],
//! - with a notification that is an error, which carries no Observe option.
//!
//! The numbers in Observe options rise with each answer and notification, and begin anew after 24
//! bits. One notification in 24 hours is confirmable (RFC 7641 §4.5):
//! [`Endpoint::notify_observer`] sees to that, if the observer is told what [was not sent after
//! all](Observer::was_not_sent). Of non-confirmable ones no more than one every three seconds is to
//! be sent to a client (§4.5.1); that is for the application. The newest value takes the place of
//! one that is still being sent: see [`Endpoint::notify`].
//!
//! ```
//! use lwm2m_core::{Code, Instant, Method};
//! use lwm2m_statemachine::{
//!     Datagram,
//!     coap::{Config, Endpoint, Incoming, MessageBuf, NotifyOptions, RequestOptions},
//! };
//!
//! let now = Instant::ZERO;
//! let mut client = Endpoint::new(Config::new([1; 32]));
//! let mut server = Endpoint::new(Config::new([2; 32]));
//!
//! // The client asks.
//! let mut message = MessageBuf::request(Method::Get);
//! message.observe(0)?.uri_path("clock")?;
//! let observation = client.request(now, "server", message, RequestOptions::default())?;
//!
//! // The server answers, and notes who observes.
//! let datagram = client.poll_transmit().unwrap().payload.to_vec();
//! let datagram = Datagram::new("client", &datagram);
//! let Some(Incoming::Request { responder, request, .. }) = server.receive(now, &datagram)? else {
//!     panic!("no request");
//! };
//! assert_eq!(request.observe(), Some(0));
//! let mut observer = server.observer(now, &responder);
//! let mut answer = MessageBuf::response(Code::CONTENT);
//! answer.observe(1)?.payload(b"12:00");
//! server.respond(now, responder, answer)?;
//! let datagram = server.poll_transmit().unwrap().payload.to_vec();
//! let datagram = Datagram::new("server", &datagram);
//! assert!(matches!(
//!     client.receive(now, &datagram)?,
//!     Some(Incoming::Response { observing: true, .. })
//! ));
//!
//! // Time goes on: a notification.
//! let mut notification = MessageBuf::response(Code::CONTENT);
//! notification.observe(2)?.payload(b"12:01");
//! let options = NotifyOptions::default();
//! server.notify_observer(now, "client", &mut observer, notification, options)?;
//! let datagram = server.poll_transmit().unwrap().payload.to_vec();
//! let datagram = Datagram::new("server", &datagram);
//! let Some(Incoming::Notification { request, body, .. }) = client.receive(now, &datagram)? else {
//!     panic!("no notification");
//! };
//! assert_eq!((request, &*body), (observation, &b"12:01"[..]));
//!
//! // The client has seen enough.
//! let mut message = MessageBuf::request(Method::Get);
//! message.observe(1)?.uri_path("clock")?;
//! let options = RequestOptions { cancels: Some(observation), ..RequestOptions::default() };
//! client.request(now, "server", message, options)?;
//! let datagram = client.poll_transmit().unwrap().payload.to_vec();
//! let datagram = Datagram::new("client", &datagram);
//! let Some(Incoming::Request { responder, request, .. }) = server.receive(now, &datagram)? else {
//!     panic!("no request");
//! };
//! assert_eq!((request.observe(), responder.token()), (Some(1), observer.token()));
//! # server.ignore(responder);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Observations across a restart
//!
//! [`Endpoint::save_observation`] gives an observation of ours as plain data, which the feature `serde`
//! serialises; [`Endpoint::restore_observation`] of a new endpoint takes it back. Notifications are
//! then matched, kept in order, fetched in blocks and cancelled as if nothing had happened. Where it is
//! known how long no endpoint ran, add that to [`SavedNewest::age`].

mod endpoint;
mod message;
mod message_buf;
mod option;
mod token;

pub use self::{
    endpoint::{
        Body, BodyBounds, BodyUsage, Bounds, ByteBounds, Config, DatagramError, Deadline, Endpoint,
        Event, FailureReason, Incoming, InvalidSend, NotificationId, NotifyOptions, Observer,
        Overload, OwnedIncoming, RequestId, RequestOptions, Resource, Responder, RestoreError,
        SavedNewest, SavedObservation, SendError, Source, SourceId, TransferId,
        TransmissionParameters, Usage,
    },
    message::{
        FormatError, MessageRef, MessageType, OffendingOption, OffendingOptions, Options,
        OwnedMessage, ParseError, Strings,
    },
    message_buf::{MessageBuf, OptionError, WireMessage},
    option::{BlockOption, OptionFault, OptionNumber, OptionSet},
    token::Token,
};
