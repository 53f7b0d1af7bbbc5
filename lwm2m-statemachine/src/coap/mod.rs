//! CoAP (RFC 7252, RFC 7641, RFC 7959): the message codec and an endpoint for many peers.
//!
//! [`MessageRef`] reads a message in place and [`MessageBuf`] writes one; both can be used on their
//! own. [`Endpoint`] is the protocol state machine; its documentation shows a request and its
//! response.
//!
//! # Large bodies
//!
//! A body larger than [`Config::block_size`] is transferred in blocks (RFC 7959) automatically: the
//! sending application passes one message, and the receiving application gets the whole body, up to
//! [`Bounds::body`]. An application that does not want to hold a whole body can
//!
//! - **receive a request block by block**: with [`Config::stream_requests`] each block arrives as
//!   an [`Incoming::RequestBlock`], which must be answered. [`Endpoint::assemble`] makes the
//!   endpoint assemble the rest of a body instead. [`Event::TransferLost`] reports a transfer that
//!   will not complete.
//! - **receive a response block by block**: with [`RequestOptions::stream`] the blocks arrive as
//!   [`Incoming::ResponseBlock`], the last one as [`Incoming::Response`].
//! - **supply a body block by block**: pass a [`Source`] with the message to [`Endpoint::request`],
//!   [`respond`](Endpoint::respond) or [`notify`](Endpoint::notify);
//!   [`Event::BlockWanted`] requests a block by its offset, [`Bodies::supply`] supplies it, and
//!   [`Event::SourceClosed`] reports that no more blocks are needed.
//!
//! A client that wants only a single block of a response requests it with [`MessageBuf::block2`] and
//! [`RequestOptions::single_block`]; the response is that block.
//!
//! [`Bounds`] limits the memory for bodies. Each peer has a share, each body has a
//! [deadline](Config::transfer_deadline) however regularly its blocks arrive, and stalled transfers
//! are evicted when room is needed. With [`Config::stream_requests`] an application can decide by
//! the first block: the endpoint stores nothing for the body until the application accepts that
//! block with [`Code::CONTINUE`](lwm2m_core::Code::CONTINUE) or [`Endpoint::assemble`], and nothing
//! if it refuses it.
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
//! let source = client.bodies().source(Some(5000));
//! client.request(now, "server", (message, source), RequestOptions::default())?;
//!
//! let mut written = Vec::new();
//! let outcome = loop {
//!     // It supplies the block that is wanted.
//!     while let Some(event) = client.poll_event() {
//!         if let Event::BlockWanted { source, offset, length, .. } = event {
//!             let end = image.len().min(offset + length);
//!             client.bodies().supply(now, source, offset, &image[offset..end], end < image.len())?;
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
//! Source addresses can be forged. An endpoint that serves peers without security therefore does
//! work and holds memory for unknown senders, within [`Bounds`]; state held for them is evicted
//! first when peers the endpoint communicates with need room.
//!
//! It also replies to forged addresses. A reply longer than its request makes the endpoint an
//! amplifier (RFC 7252 §11.3):
//!
//! - A `Server` answers an unregistered sender with at most three times the bytes it received.
//!   However, it accepts a Register from any sender, and each request that the application then
//!   sends to the new client is transmitted five times if there is no answer: with three Reads,
//!   about eight times the bytes of the Register.
//! - A `Client` without security answers a Read of 8 to 16 bytes with a block of up to
//!   [`Config::block_size`]: 22 to 65 times the bytes, if the sender forges the address of a server
//!   that the client is registered with.
//!
//! Mitigations: security, which limits an endpoint to authenticated peers; a network or a filter
//! that drops forged addresses; a smaller [`Config::block_size`]; sending no requests to a client
//! that registers without security until it has sent an Update, which requires the location that
//! only that client received. The Echo option (RFC 9175 §2.3), with which a server verifies that a
//! client is reachable at its address, is not implemented.
//!
//! # Observing
//!
//! An observer is a client whose request carried Observe: 0. The serving endpoint does not keep the
//! list of observers (RFC 7641 §4.1); the application does, because it knows the resources. An
//! entry consists of a peer and an [`Observer`], which holds the token; peer and token identify the
//! entry. An entry is added by a successful response that carries an Observe option, replacing any
//! entry with the same peer and token. It is removed
//!
//! - by a request with that token that carries Observe: 1,
//! - by [`Incoming::NotificationReset`] with that token, if the notification [belongs to this
//!   observation](Observer::has_sent),
//! - by [`Event::NotificationFailed`] with that token, under the same condition and if the reason
//!   is [`Timeout`](FailureReason::Timeout), or by [`Event::ResponseFailed`],
//! - by sending a notification with an error code, which carries no Observe option.
//!
//! The sequence numbers in Observe options increase with each response and notification, and wrap
//! around after 24 bits. At least one notification every 24 hours must be confirmable (RFC 7641
//! §4.5): [`Endpoint::notify_observer`] ensures this, provided that the application reports
//! [notifications that were not sent](Observer::was_not_sent). On average, no more than one
//! non-confirmable notification every three seconds should be sent to a client (§4.5.1); the
//! application must ensure this. A newer value replaces one whose transmission is still in
//! progress: see [`Endpoint::notify`].
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
//! [`Endpoint::save_observation`] returns a client-side observation as plain data, which can be
//! serialised with the `serde` feature; [`Endpoint::restore_observation`] restores it in a new
//! endpoint. Notifications are then matched, ordered and fetched in blocks, and the observation can
//! be cancelled, as before. If the downtime is known, add it to [`SavedNewest::age`].

mod endpoint;
mod message;
mod message_buf;
mod option;
mod token;

pub use self::{
    endpoint::{
        Bodies, Body, BodyBounds, BodyUsage, Bounds, ByteBounds, Config, DatagramError, Deadline,
        Endpoint, Event, FailureReason, Incoming, InvalidSend, NotificationId, NotifyOptions,
        Observer, Outgoing, Overload, OwnedIncoming, RequestId, RequestOptions, Resource,
        Responder, RestoreError, SavedNewest, SavedObservation, SendError, Source, SourceId,
        TransferId, TransmissionParameters, Usage,
    },
    message::{
        FormatError, MessageRef, MessageType, OffendingOption, OffendingOptions, Options,
        OwnedMessage, ParseError, Strings,
    },
    message_buf::{MessageBuf, OptionError, WireMessage},
    option::{BlockOption, OptionFault, OptionNumber, OptionSet},
    token::Token,
};
