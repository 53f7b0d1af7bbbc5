//! Responses and notifications whose body the application supplies block by block.

use alloc::vec::Vec;
use core::mem;

use lwm2m_core::{Code, Instant};

use super::{Content, Kept, Waiting, Who, kept::Observer, may_be_split, observe_of};
use crate::{
    coap::{
        endpoint::{
            Endpoint, NotifyOptions, TimerKey,
            blockwise::{
                OpenRequest,
                limits::{block_at, is_block},
                message::{self, BlockOptions, busy, incomplete},
                source::Owner,
            },
            body::{Resource, Source, SourceId},
            context::RequestContext,
            event::{Event, FailureReason, NotificationId, Responder, SendError},
            exchanges::notifications::Notice,
            keys::{BodyKey, PeerIndex},
            messages::records::State,
        },
        message_buf::MessageBuf,
        option::{BlockOption, Uint},
        token::Token,
    },
    machine::Peer,
};

/// Why a block that is waited for will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::coap::endpoint) enum Loss {
    /// Another body has taken the place of its own.
    Replaced,
    /// There is no room for the body.
    NoRoom,
    /// The application has not supplied it in time.
    Late,
    /// The application cannot supply it.
    Aborted,
    PeerDropped,
    /// The observation is over: nobody waits for it any more.
    Unwanted,
}

impl<P: Peer> Endpoint<P> {
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
            return Err(SendError::Code(message.code()));
        }
        let record = responder.record;
        let (Some(State::Open(asked) | State::Acknowledged(asked)), Some(peer)) = (
            self.records.get(record).map(|record| &record.state),
            self.records.peer(record),
        ) else {
            return Err(SendError::NotOpen);
        };
        let asked = *asked;
        if responder.is_repeatable {
            self.spare_record(record);
        }
        let key = BodyKey::new(peer, asked.resource);
        let block = asked.block2();
        let (size, offset) = self.wanted(&asked, &message, source.size);
        let Some(wanted) = block_at(offset, false, size) else {
            return Err(SendError::TooLarge);
        };
        let etag = self.etag_of(&message, None);
        let waiting = Waiting {
            who: Who::Request(record),
            block: wanted,
            observe: observe_of(&message),
            explicit: block.is_some(),
        };
        let mut waiting = Vec::from([waiting]);
        waiting.splice(..0, self.take_beginners(key));
        let mut blocks: Vec<_> = waiting.iter().map(|waiting| waiting.block).collect();
        blocks.sort_unstable_by_key(|block| block.value());
        blocks.dedup();
        let (id, content) = self.begin_source(source, key, waiting);
        if self.keep(now, key, &message, etag, content, offset > 0) {
            // A body that there is no room for after all ends with this answer.
            let asking = OpenRequest {
                peer,
                record,
                context: asked,
            };
            let _ = self.answer_block(now, &asking, MessageBuf::response(message.code()));
            for block in blocks {
                self.want_block(peer, id, block);
            }
            Ok(())
        } else {
            self.close_source(id);
            self.answer(now, record, busy())
        }
    }

    /// The requests that wait for the first block of the source of this key: they have nothing of
    /// it, and are as well served by another one.
    fn take_beginners(&mut self, key: BodyKey) -> Vec<Waiting> {
        let Some(Kept {
            content: Content::Source { waiting, .. },
            ..
        }) = self.serving.bodies.get_mut(&key)
        else {
            return Vec::new();
        };
        let (mut beginners, others) =
            mem::take(waiting)
                .into_iter()
                .partition::<Vec<_>, _>(|waiting| {
                    waiting.block.number() == 0 && matches!(waiting.who, Who::Request(_))
                });
        *waiting = others;
        // Whose request is too long ago waits no more.
        beginners.retain(|waiting| match waiting.who {
            Who::Request(record) => self.records.get(record).is_some(),
            Who::Again(_) | Who::Observer(_) => false,
        });
        beginners
    }

    /// Sends a notification that is no error like [`notify`](Self::notify); its body comes from a source, of which
    /// [`Event::BlockWanted`] asks for the first block now. The notification leaves when that is
    /// supplied. The client then asks for the others: they come from the same source if
    /// `options.resource` says what is observed; else the source is closed, and the application is
    /// asked again.
    ///
    /// A newer notification of the same token takes the place of one that still waits for its
    /// first block. Of a confirmable one that cannot be supplied,
    /// [`Event::NotificationFailed`] tells.
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
            return Err(SendError::Code(message.code()));
        }
        let resource = options.resource.unwrap_or(Resource::NONE);
        let asked = RequestContext::of_notification(token, resource, options.channel);
        let block = asked.block2();
        let (size, _) = self.wanted(&asked, &message, source.size);
        let Some(wanted) = block_at(0, false, size) else {
            return Err(SendError::TooLarge);
        };
        let peer = self.enter(now, to).ok_or(SendError::TooManyPeers)?;
        let older = self.serving.notice(peer, token);
        let notice = self.new_notice(peer, token, options);
        let waiting = Waiting {
            who: Who::Observer(Observer {
                notice,
                resource: options.resource.map(|resource| resource.key),
            }),
            block: wanted,
            observe: observe_of(&message),
            explicit: block.is_some(),
        };
        // Until its first block is sent, nobody can ask for another one, and no request that is
        // answered meanwhile is to take its place: it is kept apart.
        let key = BodyKey::new(peer, self.random.next_u64());
        let etag = self.etag_of(&message, None);
        let (id, content) = self.begin_source(source, key, Vec::from([waiting]));
        if self.keep(now, key, &message, etag, content, false) {
            if let Some(older) = older {
                self.forget_serving(now, older, Loss::Replaced);
            }
            self.want_block(peer, id, wanted);
            Ok(NotificationId(notice.id))
        } else {
            self.sources.end(id);
            self.peers.release(peer);
            Err(SendError::TooManyMessages)
        }
    }

    /// A body of which the first block is waited for.
    #[expect(clippy::needless_pass_by_value, reason = "used up: one body")]
    fn begin_source(
        &mut self,
        source: Source,
        key: BodyKey,
        waiting: Vec<Waiting>,
    ) -> (SourceId, Content) {
        let id = source.id;
        self.sources.begin(id, Owner::Response(key));
        let content = Content::Source {
            id,
            size: source.size,
            waiting,
        };
        (id, content)
    }

    pub(super) fn want_block(&mut self, peer: PeerIndex, source: SourceId, block: BlockOption) {
        if let Some(peer) = self.peers.name(peer) {
            self.events.push_back(Event::BlockWanted {
                source,
                peer,
                offset: block.offset(),
                length: block.size(),
            });
        }
    }

    /// The application has a block of the body of a response or notification.
    pub(in crate::coap::endpoint::blockwise) fn supply_response(
        &mut self,
        now: Instant,
        key: BodyKey,
        offset: usize,
        block: &[u8],
        more: bool,
    ) -> Result<(), SendError> {
        let peer = key.peer;
        let Some(Kept {
            head,
            content: Content::Source { waiting, size, .. },
            ..
        }) = self.serving.bodies.get_mut(&key)
        else {
            return Err(SendError::NoSource);
        };
        let total = *size;
        let wanted = waiting
            .iter()
            .map(|waiting| waiting.block)
            .find(|wanted| wanted.offset() == offset && is_block(block.len(), more, wanted.size()));
        let Some(wanted) = wanted else {
            return Err(SendError::BlockNotWanted);
        };
        let (found, others) = waiting
            .iter()
            .copied()
            .partition::<Vec<_>, _>(|waiting| waiting.block == wanted);
        // A notification is not among the others: it is alone until it is sent.
        *waiting = others;
        let over = !more && waiting.is_empty();
        let beyond = offset > 0 && block.is_empty();
        let answers: Vec<_> = found
            .into_iter()
            .map(|found| {
                if beyond {
                    return (found.who, MessageBuf::response(Code::BAD_REQUEST));
                }
                let whole = offset == 0 && !more && !found.explicit;
                let block1 = match found.who {
                    Who::Request(record) => {
                        self.records.asked(record).and_then(RequestContext::block1)
                    }
                    Who::Again(_) | Who::Observer(_) => None,
                };
                let observe = found.observe.map(Uint::new);
                let own = BlockOptions {
                    observe: observe.as_ref().map(Uint::as_bytes),
                    block2: BlockOption::new(wanted.number(), more, wanted.size())
                        .filter(|_| !whole),
                    block1: block1
                        .and_then(|block| BlockOption::new(block.number(), false, block.size())),
                    size2: total.filter(|_| offset == 0 && !whole),
                    ..BlockOptions::default()
                };
                let answer = message::message(head.code(), head.options(), own, block);
                (found.who, answer)
            })
            .collect();
        self.prolong(now, key, offset > 0);
        if over {
            self.forget_serving(now, key, Loss::NoRoom);
        }
        let mut result = Ok(());
        for (who, answer) in answers {
            match who {
                Who::Request(record) => {
                    let asked = self.records.asked(record).copied();
                    match asked.filter(|_| offset > 0 && more) {
                        Some(asked) => {
                            let asking = OpenRequest {
                                peer,
                                record,
                                context: asked,
                            };
                            self.send_block_of_body(now, &asking, wanted, answer);
                        }
                        // The request may be too long ago; then nobody waits for the block.
                        None => drop(self.send_answer(now, record, answer)),
                    }
                }
                Who::Again(record) => self.send_block_again(record, answer),
                Who::Observer(observer) => {
                    if more {
                        self.move_source(now, key, observer.resource);
                    }
                    result = self.notice_supplied(now, peer, observer.notice, answer);
                }
            }
        }
        self.peers.release(peer);
        result
    }

    /// The first block of a notification goes: the others are asked for under its resource, if
    /// that is known.
    fn move_source(&mut self, now: Instant, from: BodyKey, resource: Option<u64>) {
        let Some(resource) = resource else {
            self.forget_serving(now, from, Loss::NoRoom);
            return;
        };
        let to = BodyKey::new(from.peer, resource);
        self.forget_serving(now, to, Loss::Replaced);
        let Some(mut kept) = self.serving.remove(from) else {
            return;
        };
        self.timers
            .set(TimerKey::Serving(from), &mut kept.deadline, None);
        if let Content::Source { id, .. } = kept.content {
            self.sources.begin(id, Owner::Response(to));
        }
        self.serving.insert(to, kept);
        self.prolong(now, to, false);
    }

    /// Sends a notification whose first block has come.
    fn notice_supplied(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        notice: Notice,
        message: MessageBuf,
    ) -> Result<(), SendError> {
        let sent = self.send_notification(now, peer, notice, message);
        if sent.is_err() && notice.confirmable {
            let reason = FailureReason::NotSent;
            self.notification_failed(peer, notice.id, notice.token, reason);
        }
        sent
    }

    /// The application cannot supply the body of a response or notification.
    pub(in crate::coap::endpoint::blockwise) fn abort_response(
        &mut self,
        now: Instant,
        key: BodyKey,
    ) {
        self.forget_serving(now, key, Loss::Aborted);
        self.peers.release(key.peer);
    }

    /// The notification to this observer that waits for its first block.
    pub(in crate::coap::endpoint) fn awaited_notice(
        &self,
        peer: PeerIndex,
        token: Token,
    ) -> Option<Notice> {
        let key = self.serving.notice(peer, token)?;
        self.serving.bodies.get(&key)?.content.notice()
    }

    /// Takes back the notification to this observer that waits for its first block.
    pub(in crate::coap::endpoint) fn end_notice(
        &mut self,
        now: Instant,
        peer: PeerIndex,
        token: Token,
        loss: Loss,
    ) {
        if let Some(key) = self.serving.notice(peer, token) {
            self.forget_serving(now, key, loss);
        }
    }

    /// Tells who waits for a block that it will not come.
    pub(super) fn block_lost(&mut self, now: Instant, peer: PeerIndex, who: Who, loss: Loss) {
        match who {
            Who::Request(record) | Who::Again(record) => {
                let answer = match loss {
                    // The client has blocks of another body than there is now.
                    Loss::Replaced => incomplete(),
                    Loss::Aborted => MessageBuf::response(Code::INTERNAL_SERVER_ERROR),
                    Loss::NoRoom | Loss::Late | Loss::Unwanted => busy(),
                    Loss::PeerDropped => return,
                };
                match who {
                    Who::Again(_) => self.send_block_again(record, answer),
                    // The request may be too long ago.
                    _ => drop(self.send_answer(now, record, answer)),
                }
            }
            Who::Observer(observer) => {
                let reason = match loss {
                    Loss::Replaced => FailureReason::Superseded,
                    Loss::NoRoom => FailureReason::NotSent,
                    Loss::Late | Loss::Aborted => FailureReason::Aborted,
                    Loss::PeerDropped => FailureReason::PeerDropped,
                    Loss::Unwanted => return,
                };
                if observer.notice.confirmable {
                    let (id, token) = (observer.notice.id, observer.notice.token);
                    self.notification_failed(peer, id, token, reason);
                }
            }
        }
    }
}
