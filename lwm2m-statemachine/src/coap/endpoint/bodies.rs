//! Bodies that the application takes or supplies block by block.

use lwm2m_core::Instant;

use super::{
    Endpoint, NotifyOptions,
    blockwise::{SuppliedBlock, SuppliedNotification, may_be_split},
    body::{Resource, Source, SourceId},
    context::RequestContext,
    event::{InvalidSend, NotificationId, Overload, Responder, SendError},
    keys::BodyKey,
};
use crate::{
    coap::{message::MessageRef, message_buf::MessageBuf, token::Token},
    machine::Peer,
};

impl<P: Peer> Endpoint<P> {
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
            .messages
            .record_peer(record)
            .ok_or(SendError::NotOpen)?;
        let body = BodyKey::new(peer, responder.resource.key);
        let answer = self
            .blockwise
            .assemble(now, body, record, request.payload())?;
        self.do_steps(now)?;
        self.decide(now, record, answer)
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
        self.blockwise.source(size)
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
        self.blockwise.supply(now, source, block)?;
        self.do_steps(now)
    }

    /// Gives up a body that cannot be supplied. A request fails with
    /// [`FailureReason::Aborted`](super::FailureReason::Aborted), as does a confirmable notification that waits for its first
    /// block; a block of a response that was asked for is answered 5.00.
    pub fn abort(&mut self, now: Instant, source: SourceId) {
        self.blockwise.abort(source);
        let _ = self.do_steps(now);
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
        let asking = self.open_request(record).ok_or(SendError::NotOpen)?;
        if responder.is_repeatable {
            self.messages.spare_record(record);
        }
        let refused = {
            let (random, is_known) = self.messages.random_and_records();
            let body = (&message, &source);
            self.blockwise
                .respond_from(now, &asking, body, random, &is_known)?
        };
        self.do_steps(now)?;
        match refused {
            Some(refusal) => self.send_answer(now, record, refusal),
            None => Ok(()),
        }
    }

    /// Sends a notification that is no error like [`notify`](Self::notify); its body comes from a
    /// source, of which [`Event::BlockWanted`](super::Event::BlockWanted) asks for the first block
    /// now. The notification leaves when that is supplied. The client then asks for the others: they
    /// come from the same source if `options.resource` says what is observed; else the source is
    /// closed, and the application is asked again.
    ///
    /// A newer notification of the same token takes the place of one that still waits for its
    /// first block. Of a confirmable one that cannot be supplied,
    /// [`Event::NotificationFailed`](super::Event::NotificationFailed) tells.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one body")]
    pub fn notify_from(
        &mut self,
        now: Instant,
        to: P,
        token: Token,
        message: MessageBuf,
        source: Source,
        options: NotifyOptions,
    ) -> Result<NotificationId, SendError> {
        if !may_be_split(message.code()) {
            return Err(SendError::Invalid(InvalidSend::Code(message.code())));
        }
        let resource = options.resource.unwrap_or(Resource::NONE);
        let context = RequestContext::of_notification(token, resource, options.channel);
        let block = self
            .blockwise
            .first_block(&context, &message, &source)
            .ok_or(SendError::Invalid(InvalidSend::TooLarge))?;
        let peer = self
            .enter(now, to)
            .ok_or(SendError::Overload(Overload::Peers))?;
        let notice = self.new_notice(peer, token, options);
        let notification = SuppliedNotification {
            notice,
            resource: options.resource,
            block,
        };
        let random = self.messages.random();
        let is_kept =
            self.blockwise
                .notify_from(now, peer, notification, (&message, &source), random);
        self.do_steps(now)?;
        if is_kept {
            return Ok(NotificationId(notice.id));
        }
        self.messages.release(peer);
        Err(SendError::Overload(Overload::Messages))
    }
}
