//! What the application sends: requests, answers and notifications, in blocks if necessary.

use lwm2m_core::{CodeKind, Instant};

use super::{
    blockwise::{SentRequest, ServingEnd, SuppliedNotification, may_be_split},
    body::{Outgoing, Resource, Source},
    context::RequestContext,
    event::{InvalidSend, NotificationId, Overload, RequestId, Responder, SendError},
    keys::BodyKey,
    layers::{Layers, transfer_mode},
    options::{NotifyOptions, RequestOptions},
};
use crate::{
    coap::{message_buf::MessageBuf, option::OptionNumber, token::Token},
    machine::Peer,
};

impl<P: Peer> Layers<P> {
    /// Sends a request.
    pub(super) fn request(
        &mut self,
        now: Instant,
        to: P,
        outgoing: Outgoing,
        options: RequestOptions,
    ) -> Result<RequestId, SendError> {
        let Outgoing {
            mut message,
            source,
        } = outgoing;
        if message.code().kind() != CodeKind::Request {
            return Err(SendError::Invalid(InvalidSend::Code(message.code())));
        }
        if source.is_some() {
            return self.upload(now, to, message, source, options);
        }
        let channel = options.channel;
        if options.cancels.is_none() && self.blockwise.is_large(channel, &message) {
            return self.upload(now, to, message, None, options);
        }
        self.blockwise.prefer_blocks(channel, &mut message);
        let Some(RequestId(observation)) = options.cancels else {
            let peer = self.enter_for_request(now, to)?;
            let requests = &mut self.exchanges.requests;
            let key = requests.send(now, &mut self.messages, peer, message, options)?;
            return Ok(RequestId(key));
        };
        let peer = self.messages.find(&to).ok_or(SendError::NoObservation)?;
        let (messages, requests) = (&mut self.messages, &mut self.exchanges.requests);
        let of = (peer, observation);
        let key = requests.send_cancellation(now, messages, of, message, options)?;
        self.remove_request(now, observation);
        Ok(RequestId(key))
    }

    /// Sends a request whose body is transferred in blocks, from the message or the source.
    fn upload(
        &mut self,
        now: Instant,
        to: P,
        message: MessageBuf,
        source: Option<Source>,
        options: RequestOptions,
    ) -> Result<RequestId, SendError> {
        let mode = self.exchanges.requests.mode(options);
        let transfer = transfer_mode(mode);
        let upload = self.blockwise.upload(transfer, message, source)?;
        let peer = self.enter_for_request(now, to)?;
        let requests = &mut self.exchanges.requests;
        let request = requests.open(now, &mut self.messages, peer, mode)?;
        let of = SentRequest { peer, request };
        self.blockwise.begin_upload(now, of, upload);
        let _ = self.do_steps(now);
        Ok(RequestId(request))
    }

    /// Answers a request.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one answer")]
    pub(super) fn respond(
        &mut self,
        now: Instant,
        responder: Responder,
        outgoing: Outgoing,
    ) -> Result<(), SendError> {
        let Outgoing { message, source } = outgoing;
        let code = message.code();
        let Some(source) = source else {
            if code.kind() != CodeKind::Response {
                return Err(SendError::Invalid(InvalidSend::Code(code)));
            }
            if responder.is_repeatable {
                self.messages.spare_record(responder.record);
            }
            return self.decide(now, responder.record, message);
        };
        if !may_be_split(code) {
            return Err(SendError::Invalid(InvalidSend::Code(code)));
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
        let Some(refusal) = refused else {
            return Ok(());
        };
        let (exchanges, mut below) = self.exchanges();
        exchanges.answer(now, &mut below, record, refusal)
    }

    /// Sends a notification.
    pub(super) fn notify(
        &mut self,
        now: Instant,
        to: P,
        token: Token,
        outgoing: Outgoing,
        options: NotifyOptions,
    ) -> Result<NotificationId, SendError> {
        let Outgoing { message, source } = outgoing;
        let code = message.code();
        if let Some(source) = source {
            if !may_be_split(code) {
                return Err(SendError::Invalid(InvalidSend::Code(code)));
            }
            return self.notify_from(now, to, token, (&message, &source), options);
        }
        if code.kind() != CodeKind::Response {
            return Err(SendError::Invalid(InvalidSend::Code(code)));
        }
        let peer = self.enter(now, to);
        let peer = peer.ok_or(SendError::Overload(Overload::Peers))?;
        let resource = options.resource.unwrap_or(Resource::NONE);
        let context = RequestContext::of_notification(token, resource, options.channel);
        let message = self.blockwise.notify(now, peer, &context, message);
        let _ = self.do_steps(now);
        let in_blocks = message.has(OptionNumber::BLOCK2);
        let replaced = self.blockwise.awaited_notification(peer, token);
        let (exchanges, mut below) = self.exchanges();
        let notice = exchanges.notifications.begin(token, options, replaced);
        let sent = exchanges.notify(now, &mut below, peer, notice, message);
        if sent.is_ok() {
            let replaced = ServingEnd::Replaced;
            self.blockwise.end_notification(peer, token, replaced);
        } else if in_blocks {
            let body = BodyKey::new(peer, resource.key);
            self.blockwise.notification_not_sent(body);
        }
        let _ = self.do_steps(now);
        sent.map(|()| NotificationId(notice.id))
    }

    /// Sends a notification once the first block of its body has been supplied.
    fn notify_from(
        &mut self,
        now: Instant,
        to: P,
        token: Token,
        (message, source): (&MessageBuf, &Source),
        options: NotifyOptions,
    ) -> Result<NotificationId, SendError> {
        let resource = options.resource.unwrap_or(Resource::NONE);
        let context = RequestContext::of_notification(token, resource, options.channel);
        let block = self
            .blockwise
            .first_block(&context, message, source)
            .ok_or(SendError::Invalid(InvalidSend::TooLarge))?;
        let peer = self.enter(now, to);
        let peer = peer.ok_or(SendError::Overload(Overload::Peers))?;
        let replaced = self.blockwise.awaited_notification(peer, token);
        let notifications = &mut self.exchanges.notifications;
        let notice = notifications.begin(token, options, replaced);
        let notification = SuppliedNotification {
            notice,
            resource: options.resource,
            block,
        };
        let (random, _) = self.messages.random_and_records();
        let body = (message, source);
        let is_kept = self
            .blockwise
            .notify_from(now, peer, notification, body, random);
        self.do_steps(now)?;
        if is_kept {
            return Ok(NotificationId(notice.id));
        }
        self.messages.release(peer);
        Err(SendError::Overload(Overload::Messages))
    }
}
