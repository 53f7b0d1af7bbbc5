//! The calls that answer requests, and supply bodies block by block.

use lwm2m_core::{CodeKind, Instant};

use super::{
    blockwise::{SuppliedBlock, may_be_split},
    body::{Source, SourceId},
    event::{InvalidSend, Responder, SendError},
    keys::BodyKey,
    machine::Endpoint,
};
use crate::{
    coap::{message::MessageRef, message_buf::MessageBuf},
    machine::Peer,
};

impl<P: Peer> Endpoint<P> {
    /// Answers a request: with its acknowledgement if that was not sent yet, else separately. What
    /// came to a group is answered at some moment within DEFAULT_LEISURE, and not at all with an
    /// error (RFC 7252 §8.2).
    ///
    /// The code says what became of the request. With a refusal (4.xx, 5.01, 5.03 or 5.05) nothing
    /// was done for it: it may be run if a copy of it comes after its record went for want of
    /// room. Any other request is remembered until its end, so that it does not run twice: if
    /// something was done before it failed, answer 5.00.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one answer")]
    pub fn respond(
        &mut self,
        now: Instant,
        responder: Responder,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        if message.code().kind() != CodeKind::Response {
            return Err(SendError::Invalid(InvalidSend::Code(message.code())));
        }
        if responder.is_repeatable {
            self.layers.messages.spare_record(responder.record);
        }
        self.layers.decide(now, responder.record, message)
    }

    /// Treats a request as if it had never come: no acknowledgement, no Reset, and when it comes
    /// again it is new. Too late if it was acknowledged: then it just has no answer.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one answer")]
    pub fn ignore(&mut self, responder: Responder) {
        let key = responder.record;
        if let Some(asking) = self.layers.open_request(key) {
            // If it has a block of a body, that may come again.
            if self.layers.blockwise.ignored(&asking) {
                self.layers.messages.let_go(asking.peer);
                self.layers.messages.spare_record(key);
            }
        }
        self.layers.messages.ignore(key);
    }

    /// Acknowledges a request whose answer will take a while, as happens by itself after the
    /// configured delay. Does nothing if it needs none.
    pub fn acknowledge(&mut self, responder: &Responder) {
        self.layers.messages.acknowledge(responder.record);
    }

    /// Answers a request with a success like [`respond`](Self::respond); the body comes from a
    /// source. With an
    /// ETag of the application's the client can go on even after the endpoint has forgotten the
    /// source and the application has made another one.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one answer")]
    pub fn respond_from(
        &mut self,
        now: Instant,
        responder: Responder,
        message: MessageBuf,
        source: Source,
    ) -> Result<(), SendError> {
        if !may_be_split(message.code()) {
            return Err(SendError::Invalid(InvalidSend::Code(message.code())));
        }
        let record = responder.record;
        let asking = self.layers.open_request(record).ok_or(SendError::NotOpen)?;
        if responder.is_repeatable {
            self.layers.messages.spare_record(record);
        }
        let refused = {
            let (random, is_known) = self.layers.messages.random_and_records();
            let body = (&message, &source);
            self.layers
                .blockwise
                .respond_from(now, &asking, body, random, &is_known)?
        };
        self.layers.do_steps(now)?;
        match refused {
            Some(refusal) => self.layers.send_answer(now, record, refusal),
            None => Ok(()),
        }
    }

    /// Has the rest of a request assembled whose first block the application was given, instead of
    /// handing it on block by block. The block is answered here: 2.31, 4.13 if the body is or will
    /// be too large, 5.03 if there is no room.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one answer")]
    pub fn assemble(
        &mut self,
        now: Instant,
        responder: Responder,
        request: &MessageRef<'_>,
    ) -> Result<(), SendError> {
        let record = responder.record;
        let peer = self
            .layers
            .messages
            .record_peer(record)
            .ok_or(SendError::NotOpen)?;
        let body = BodyKey::new(peer, responder.resource.key);
        let answer = self
            .layers
            .blockwise
            .assemble(now, body, record, request.payload())?;
        self.layers.do_steps(now)?;
        self.layers.decide(now, record, answer)
    }

    /// A body that is not at hand as a whole: for
    /// [`request_from`](Self::request_from), [`respond_from`](Self::respond_from) and
    /// [`notify_from`](Self::notify_from). Whenever a block of it is needed,
    /// [`Event::BlockWanted`](super::Event::BlockWanted) asks for it, mostly in their order, but an
    /// earlier one may be needed again; nothing but the block under way is held. In the end, whatever
    /// that is, comes one [`Event::SourceClosed`](super::Event::SourceClosed): at the latest when a
    /// block is not supplied within [`transfer_lifetime`](super::Config::transfer_lifetime). If the
    /// call that sends it returns an error, that is its end.
    ///
    /// `size` is that of the whole body in bytes, if it is known: the peer is told (Size1, Size2).
    pub const fn source(&mut self, size: Option<u32>) -> Source {
        self.layers.blockwise.source(size)
    }

    /// Supplies a block that [`Event::BlockWanted`](super::Event::BlockWanted) asked for: as many
    /// bytes as it asked for if `more` follow, at most as many if these are the last. The last block
    /// of a response or notification is not empty, unless it is the first one, too. Of a body that is
    /// shorter than `offset` it is the empty one.
    pub fn supply(
        &mut self,
        now: Instant,
        source: SourceId,
        offset: usize,
        block: &[u8],
        more: bool,
    ) -> Result<(), SendError> {
        let block = SuppliedBlock {
            offset,
            bytes: block,
            more,
        };
        self.layers.blockwise.supply(now, source, block)?;
        self.layers.do_steps(now)
    }

    /// Gives up a body that cannot be supplied. A request fails with
    /// [`FailureReason::Aborted`](super::FailureReason::Aborted), as does a confirmable notification that waits for its first
    /// block; a block of a response that was asked for is answered 5.00.
    pub fn abort(&mut self, now: Instant, source: SourceId) {
        self.layers.blockwise.abort(source);
        let _ = self.layers.do_steps(now);
    }
}
