//! A request whose body, or whose response's body, is transferred in blocks, and the handling of
//! its responses (RFC 7959 §2.4, §2.5, §2.7).

use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;
use lwm2m_core::{Code, ContentFormat};

use super::{
    held::append,
    limits::{block_at, is_block},
    message::{BlockOptions, REQUEST_TAG, message},
    step::{SentRequest, Step, SuppliedBlock},
};
use crate::coap::{
    endpoint::{
        body::{Source, SourceId},
        event::FailureReason,
        table::Key,
    },
    message::MessageRef,
    message_buf::{MessageBuf, WireMessage},
    option::OptionNumber,
};

/// How often a transfer starts over from block 0.
const RESTARTS: u8 = 4;

/// A request that takes several exchanges.
#[derive(Debug)]
pub(super) struct Transfer {
    /// The request as it would be without blocks, but without its payload.
    template: WireMessage,
    phase: Phase,
    /// The current request for a block.
    pub(super) block: Option<Key>,
    /// The fingerprint of the resource that its body is sent to.
    pub(super) resource: Option<u64>,
    restarts: u8,
    tag: Tagged,
    /// Whether the blocks of the response are passed on one by one.
    streamed: bool,
    /// Whether the application asked for a single block: then any response is the outcome.
    alone: bool,
}

/// Whether requests for blocks of the response carry a separate Request-Tag. They do once the
/// transfer has started over, because the server may be serving another body to another reader.
#[derive(Clone, Copy, Debug)]
enum Tagged {
    No,
    Due,
    With([u8; 2]),
}

#[derive(Debug)]
enum Phase {
    Upload(Upload),
    Download(Download),
}

#[derive(Debug)]
struct Upload {
    body: Content,
    /// The size of the next block.
    size: usize,
    /// Where the next block, or the current one, begins.
    offset: usize,
    /// The length of the current block, and whether more follow.
    length: usize,
    more: bool,
    /// Whether the application has been asked for it.
    wanted: bool,
}

/// Where the body of a request comes from.
#[derive(Debug)]
pub(super) enum Content {
    Bytes(Bytes),
    Source(Source),
}

impl Content {
    /// The length of the body, if known.
    pub(super) fn size(&self) -> Option<u32> {
        match self {
            Self::Bytes(body) => Some(u32::try_from(body.len()).unwrap_or(u32::MAX)),
            Self::Source(source) => source.size,
        }
    }
}

#[derive(Debug)]
struct Download {
    /// The size of the next block.
    size: usize,
    /// Where it begins.
    offset: usize,
    /// The bytes received so far; empty if blocks are passed on.
    body: Vec<u8>,
    /// The announced size; 0 if there is none.
    announced: usize,
    /// What the first block says about the whole. Later blocks must agree, but may omit the format.
    code: Code,
    content_format: Option<ContentFormat>,
    /// The first ETag received.
    etag: Option<Tag>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag {
    bytes: [u8; 8],
    length: usize,
}

impl Tag {
    fn of(response: &MessageRef<'_>) -> Option<Self> {
        let tag = response.etag()?;
        let mut bytes = [0; 8];
        bytes.get_mut(..tag.len())?.copy_from_slice(tag);
        Some(Self {
            bytes,
            length: tag.len(),
        })
    }
}

/// The limits for a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The preferred size of a block of a response.
    pub(super) size: usize,
    /// The size of the largest body that is assembled.
    pub(super) body: usize,
    /// How many more bytes it may take.
    pub(super) room: usize,
}

/// The result of a response.
#[derive(Debug)]
pub(super) enum TransferStep {
    /// Request or send the next block.
    Next,
    /// Request the next block, and pass this one to the application.
    Block {
        offset: usize,
        format: Option<ContentFormat>,
    },
    /// The response is complete. There is no body if its blocks were passed on.
    Whole {
        body: Option<Bytes>,
        format: Option<ContentFormat>,
    },
    /// This message is the whole response.
    Done,
    Failed(FailureReason),
}

/// What to send next.
#[derive(Debug)]
pub(super) enum Ask {
    Message(MessageBuf),
    /// The application has to supply the block.
    Source {
        source: SourceId,
        offset: usize,
        length: usize,
    },
    Failed(FailureReason),
}

impl Ask {
    /// As a step of the endpoint.
    pub(super) fn into_step(self, of: SentRequest) -> Step {
        let request = of.request;
        match self {
            Self::Message(message) => Step::SendBlock { request, message },
            Self::Source {
                source,
                offset,
                length,
            } => Step::WantBlock {
                source,
                peer: of.peer,
                offset,
                length,
            },
            Self::Failed(reason) => Step::TransferFailed { request, reason },
        }
    }
}

impl Transfer {
    /// A request whose body is sent in blocks.
    pub(super) fn upload(
        template: WireMessage,
        body: Content,
        size: usize,
        streamed: bool,
        resource: u64,
    ) -> Self {
        Self {
            template,
            phase: Phase::Upload(Upload {
                body,
                size,
                offset: 0,
                length: 0,
                more: false,
                wanted: false,
            }),
            block: None,
            resource: Some(resource),
            restarts: 0,
            tag: Tagged::No,
            streamed,
            alone: false,
        }
    }

    /// A request whose response arrives in blocks. The first one is still to be
    /// [taken](Self::take).
    pub(super) fn download(template: WireMessage, limits: Limits, streamed: bool) -> Self {
        Self {
            alone: asks_for_block(&template),
            template,
            phase: Phase::Download(Download::new(limits)),
            block: None,
            resource: None,
            restarts: 0,
            tag: Tagged::No,
            streamed,
        }
    }

    /// Whether nothing of the body was sent yet: `waits` tells whether the request for a block was sent.
    pub(super) fn is_unsent(&self, waits: impl Fn(Key) -> bool) -> bool {
        let is_first = match &self.phase {
            Phase::Upload(upload) => upload.offset == 0 && self.restarts == 0,
            Phase::Download(_) => false,
        };
        is_first && self.block.is_none_or(waits)
    }

    /// Whether a response is being assembled.
    pub(super) const fn is_put_together(&self) -> bool {
        matches!(self.phase, Phase::Download(_)) && !self.streamed
    }

    /// The announced size of the response; 0 if there is none.
    pub(super) const fn announced(&self) -> usize {
        match &self.phase {
            Phase::Download(download) => download.announced,
            Phase::Upload(_) => 0,
        }
    }

    /// How many bytes the assembled response takes.
    pub(super) const fn held(&self) -> usize {
        match &self.phase {
            Phase::Download(download) => download.body.capacity(),
            Phase::Upload(_) => 0,
        }
    }

    /// Releases the received part of the response: the transfer has failed.
    pub(super) fn discard(&mut self) {
        if let Phase::Download(download) = &mut self.phase {
            download.body = Vec::new();
        }
    }

    /// The request as it would be without blocks.
    pub(super) const fn template(&self) -> &WireMessage {
        &self.template
    }

    /// The template of the request, which outlives the transfer.
    pub(super) fn into_template(self) -> WireMessage {
        self.template
    }

    /// The source that the request's body comes from.
    pub(super) const fn source(&self) -> Option<SourceId> {
        match &self.phase {
            Phase::Upload(Upload {
                body: Content::Source(source),
                ..
            }) => Some(source.id),
            _ => None,
        }
    }

    /// Takes the response to the current block. After [`NoRoom`](FailureReason::NoRoom) the same
    /// response may be taken again.
    pub(super) fn take(&mut self, response: &MessageRef<'_>, limits: Limits) -> TransferStep {
        match &mut self.phase {
            _ if self.alone => TransferStep::Done,
            Phase::Upload(upload) => match upload.take(response, &mut self.restarts) {
                Some(step) => step,
                None if is_in_blocks(response) => self.begin_download(response, limits),
                None => TransferStep::Done,
            },
            Phase::Download(_) => self.continue_download(response, limits),
        }
    }

    /// What to send next; `new_tag` makes a new Request-Tag.
    pub(super) fn ask(&mut self, new_tag: impl FnOnce() -> [u8; 2]) -> Ask {
        match &mut self.phase {
            Phase::Upload(upload) => match &upload.body {
                Content::Source(source) => {
                    upload.wanted = true;
                    Ask::Source {
                        source: source.id,
                        offset: upload.offset,
                        length: upload.size,
                    }
                }
                Content::Bytes(body) => {
                    let rest = body.get(upload.offset..).unwrap_or(&[]);
                    let block = rest.get(..upload.size).unwrap_or(rest);
                    upload.length = block.len();
                    upload.more = rest.len() > block.len();
                    let total = u32::try_from(body.len()).ok();
                    upload.message(&self.template, block, total)
                }
            },
            Phase::Download(download) => {
                if let Tagged::Due = self.tag {
                    self.tag = Tagged::With(new_tag());
                }
                let tag = match &self.tag {
                    Tagged::With(tag) => Some(&tag[..]),
                    Tagged::No | Tagged::Due => None,
                };
                download.message(&self.template, tag)
            }
        }
    }

    /// What to send, now that the application has supplied a block of the body; `None` if it isn't
    /// the requested block.
    pub(super) fn supplied(&mut self, block: SuppliedBlock<'_>) -> Option<Ask> {
        let Phase::Upload(upload) = &mut self.phase else {
            return None;
        };
        let Content::Source(source) = &upload.body else {
            return None;
        };
        let is_next = block.offset == upload.offset && block.fits(upload.size);
        if !is_next || !mem::take(&mut upload.wanted) {
            return None;
        }
        upload.length = block.bytes.len();
        upload.more = block.more;
        let total = source.size;
        Some(upload.message(&self.template, block.bytes, total))
    }

    fn begin_download(&mut self, response: &MessageRef<'_>, limits: Limits) -> TransferStep {
        self.phase = Phase::Download(Download::new(limits));
        self.continue_download(response, limits)
    }

    /// Starts over from the first block if that is safe, but not endlessly.
    fn begin_again(&mut self, limits: Limits, otherwise: TransferStep) -> TransferStep {
        let reads = MessageRef::parse(self.template.as_ref())
            .is_ok_and(|template| template.code() == Code::GET);
        if !reads || self.streamed || self.restarts >= RESTARTS {
            return otherwise;
        }
        self.restarts += 1;
        self.tag = Tagged::Due;
        self.phase = Phase::Download(Download::new(limits));
        TransferStep::Next
    }

    fn continue_download(&mut self, response: &MessageRef<'_>, limits: Limits) -> TransferStep {
        let Phase::Download(download) = &mut self.phase else {
            return TransferStep::Failed(FailureReason::Blocks);
        };
        let code = response.code();
        if !code.is_success() {
            // An error for a block is an error for the whole. But if the server has lost its
            // place, or the body has become shorter, the transfer can start over.
            let lost = matches!(code, Code::REQUEST_ENTITY_INCOMPLETE | Code::BAD_REQUEST)
                && download.offset > 0;
            return if lost {
                self.begin_again(limits, TransferStep::Done)
            } else {
                TransferStep::Done
            };
        }
        if download.offset == 0 {
            download.describe(response);
        }
        let Some(block) = response.block2() else {
            if download.offset == 0 {
                // It fits into one message after all.
                return TransferStep::Done;
            }
            return self.begin_again(limits, TransferStep::Failed(FailureReason::BodyChanged));
        };
        if !download.describes(response) {
            // Blocks of two bodies are never mixed (RFC 7959 §2.4).
            return self.begin_again(limits, TransferStep::Failed(FailureReason::BodyChanged));
        }
        let payload = response.payload();
        let fits = is_block(payload.len(), block.more(), block.size());
        if block.offset() != download.offset || !fits {
            return TransferStep::Failed(FailureReason::Blocks);
        }
        let offset = download.offset;
        if !self.streamed
            && let Some(step) = download.put(response, block.more(), limits)
        {
            return step;
        }
        let end = offset.saturating_add(payload.len());
        let format = download.content_format;
        if !block.more() {
            let body = Bytes::from(mem::take(&mut download.body));
            let body = (!self.streamed).then_some(body);
            return TransferStep::Whole { body, format };
        }
        download.offset = end;
        download.size = download.size.min(block.size());
        if self.streamed {
            TransferStep::Block { offset, format }
        } else {
            TransferStep::Next
        }
    }
}

impl Upload {
    /// Takes the response to a block; `None` if it is the response to the whole request.
    fn take(&mut self, response: &MessageRef<'_>, restarts: &mut u8) -> Option<TransferStep> {
        let code = response.code();
        let smaller = response
            .block1()
            .map_or(self.size, |block| block.size().min(self.size));
        if code.is_success() {
            let continues = code == Code::CONTINUE;
            if !self.more && !continues {
                return None;
            }
            if !self.more || !continues && response.block1().is_none() {
                // The server wants more than there is, or mistook this block for the whole body: it
                // hasn't executed the request.
                return Some(TransferStep::Failed(FailureReason::Blocks));
            }
            // The server wants the next block, whether it has acted on this one or waits for all
            // (2.31); from now on of this size (RFC 7959 §2.5).
            self.size = smaller;
            self.offset = self.offset.saturating_add(self.length);
            return Some(TransferStep::Next);
        }
        let too_large = code == Code::REQUEST_ENTITY_TOO_LARGE;
        let incomplete = code == Code::REQUEST_ENTITY_INCOMPLETE && *restarts < RESTARTS;
        if too_large && smaller < self.size {
            // The block is too large, not the body (RFC 7959 §2.9.3).
            self.size = smaller;
            return Some(TransferStep::Next);
        }
        if incomplete && self.offset > 0 {
            *restarts += 1;
            self.offset = 0;
            return Some(TransferStep::Next);
        }
        None
    }

    fn message(&self, template: &WireMessage, block: &[u8], total: Option<u32>) -> Ask {
        let option = block_at(self.offset, self.more, self.size);
        let (Some(option), Ok(template)) = (option, MessageRef::parse(template.as_ref())) else {
            return Ask::Failed(FailureReason::TooLarge);
        };
        let own = BlockOptions {
            block1: Some(option),
            size1: total.filter(|_| self.offset == 0),
            ..BlockOptions::default()
        };
        Ask::Message(message(template.code(), template.options(), own, block))
    }
}

impl Download {
    const fn new(limits: Limits) -> Self {
        Self {
            size: limits.size,
            offset: 0,
            body: Vec::new(),
            announced: 0,
            code: Code::CONTENT,
            content_format: None,
            etag: None,
        }
    }

    fn describe(&mut self, first: &MessageRef<'_>) {
        self.announced = first.size2().map_or(0, |size| size as usize);
        self.code = first.code();
        self.content_format = first.content_format();
        self.etag = Tag::of(first);
    }

    /// Whether a block may belong to this body: it describes the whole as the earlier ones did. If
    /// both have an `ETag`, these are compared (RFC 7959 §2.4).
    fn describes(&mut self, response: &MessageRef<'_>) -> bool {
        let format = response.content_format();
        let etag = Tag::of(response);
        self.etag = self.etag.or(etag);
        self.code == response.code()
            && (format.is_none() || format == self.content_format)
            && (etag.is_none() || etag == self.etag)
    }

    /// Appends a block, unless the step that is returned is due instead.
    fn put(
        &mut self,
        response: &MessageRef<'_>,
        more: bool,
        limits: Limits,
    ) -> Option<TransferStep> {
        let payload = response.payload();
        let end = self.offset.saturating_add(payload.len());
        let announced = response.size2().map_or(0, |size| size as usize);
        let whole = if more { announced.max(end) } else { end };
        if whole > limits.body {
            return Some(TransferStep::Failed(FailureReason::TooLarge));
        }
        if self.offset == 0 && !more {
            return Some(TransferStep::Done);
        }
        let largest = if more { limits.body } else { end };
        let appended = append(&mut self.body, payload, largest, limits.room);
        (!appended).then_some(TransferStep::Failed(FailureReason::NoRoom))
    }

    fn message(&self, template: &WireMessage, tag: Option<&[u8]>) -> Ask {
        let option = block_at(self.offset, false, self.size);
        let (Some(option), Ok(template)) = (option, MessageRef::parse(template.as_ref())) else {
            return Ask::Failed(FailureReason::TooLarge);
        };
        let own = BlockOptions {
            block2: Some(option),
            request_tag: tag,
            ..BlockOptions::default()
        };
        let options = template
            .options()
            .filter(|(number, _)| tag.is_none() || *number != REQUEST_TAG);
        Ask::Message(message(template.code(), options, own, &[]))
    }
}

/// Whether a response is one block of several.
pub(in crate::coap::endpoint) fn is_in_blocks(response: &MessageRef<'_>) -> bool {
    response.code().is_success()
        && response.has(OptionNumber::BLOCK2)
        && response
            .block2()
            .is_some_and(|block| block.number() > 0 || block.more())
}

/// Whether the application asked for a single block.
fn asks_for_block(template: &WireMessage) -> bool {
    MessageRef::parse(template.as_ref())
        .ok()
        .and_then(|template| template.block2())
        .is_some_and(|block| block.number() > 0)
}
