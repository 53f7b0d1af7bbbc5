//! A body that is served, those that wait for its blocks, and how it ends.

use alloc::vec::Vec;

use bytes::Bytes;
use lwm2m_core::{Code, Instant};

use super::super::{
    message::{busy, incomplete},
    step::{Step, Steps},
};
use crate::{
    coap::{
        endpoint::{
            body::{Resource, Source, SourceId},
            context::OpenRequest,
            event::FailureReason,
            keys::{BodyKey, PeerIndex},
            notice::Notice,
            table::Key,
        },
        message_buf::MessageBuf,
        option::BlockOption,
    },
    machine::Channel,
};

#[derive(Clone, Debug)]
pub(super) struct ServedBody {
    /// The channel of its blocks.
    pub(super) channel: Channel,
    /// The response without its payload and without the options of a block.
    pub(super) head: MessageBuf,
    pub(super) etag: Vec<u8>,
    pub(super) content: Content,
    /// The resource by which its end is watched, if it is.
    pub(super) watched: Option<Resource>,
    /// Whether a block other than the first was asked for, and it counts as being read.
    pub(super) is_read: bool,
    /// How many transfers of it have begun, and not come to their last block.
    pub(super) readers: u32,
    /// Its place in the order.
    pub(super) place: u64,
    /// When its first and its last transfer began, and when it was last asked for.
    pub(super) first_begun: Instant,
    pub(super) begun: Instant,
    pub(super) asked: Instant,
    pub(super) deadline: Option<Instant>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Bytes(Bytes),
    Source(SuppliedBody),
    /// Its bytes were evicted. The ETag still identifies the body.
    Gone,
}

/// A body that the application supplies block by block.
#[derive(Clone, Debug)]
pub(super) struct SuppliedBody {
    pub(super) source: SourceId,
    /// Its size in bytes, if known.
    pub(super) size: Option<u32>,
    /// The recipients that wait for a block.
    pub(super) waiters: Vec<Waiter>,
}

impl SuppliedBody {
    pub(super) const fn new(source: &Source, waiters: Vec<Waiter>) -> Self {
        Self {
            source: source.id,
            size: source.size,
            waiters,
        }
    }
}

/// A recipient that waits for a block of a body that the application supplies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) recipient: Recipient,
    pub(super) block: BlockOption,
    /// The Observe option of a notification, or of the first response to an observation.
    pub(super) observe: Option<u32>,
    /// Whether the request had a Block2 option.
    pub(super) is_explicit: bool,
}

impl Waiter {
    /// For a request with a Block2 option.
    pub(super) const fn for_block(recipient: Recipient, block: BlockOption) -> Self {
        Self {
            recipient,
            block,
            observe: None,
            is_explicit: true,
        }
    }
}

/// Where a block goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Recipient {
    /// Into the answer to this request.
    Request(OpenRequest),
    /// Into the answer to a repetition of the request of this record.
    Repetition(Key),
    /// Into a notification.
    Observer {
        notice: Notice,
        /// The observed resource, if known, by which the other blocks are requested.
        resource: Option<u64>,
    },
}

impl Recipient {
    /// Whether it still waits: a request does as long as its record exists.
    pub(super) fn is_known(&self, is_known: &dyn Fn(Key) -> bool) -> bool {
        match self {
            Self::Request(OpenRequest { record, .. }) | Self::Repetition(record) => {
                is_known(*record)
            }
            Self::Observer { .. } => true,
        }
    }
}

/// Why a body is no longer served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::coap::endpoint) enum ServingEnd {
    /// Its last block was served.
    Served,
    /// There is no room for it.
    NoRoom,
    /// A newer body has replaced it.
    Replaced,
    /// The application didn't supply a block in time, or no block was asked for.
    Late,
    /// The application can't supply it; requests are answered with this code.
    Aborted(Code),
    PeerDropped,
    /// The observation has ended.
    Unwanted,
}

impl ServingEnd {
    /// What is told of a body that is watched.
    const fn result(self) -> Result<(), FailureReason> {
        match self {
            Self::Served => Ok(()),
            Self::NoRoom => Err(FailureReason::NoRoom),
            Self::Replaced | Self::Unwanted => Err(FailureReason::Superseded),
            Self::Late => Err(FailureReason::Timeout),
            Self::Aborted(_) => Err(FailureReason::Aborted),
            Self::PeerDropped => Err(FailureReason::PeerDropped),
        }
    }
}

impl Content {
    /// The recipients that wait for a block.
    pub(super) fn waiters(&self) -> &[Waiter] {
        match self {
            Self::Source(supplied) => &supplied.waiters,
            Self::Bytes(_) | Self::Gone => &[],
        }
    }

    /// The size of the body in bytes, if known.
    pub(super) fn size(&self) -> Option<u32> {
        match self {
            Self::Bytes(bytes) => Some(u32::try_from(bytes.len()).unwrap_or(u32::MAX)),
            Self::Source(supplied) => supplied.size,
            Self::Gone => None,
        }
    }

    /// The notification that waits for its first block.
    pub(super) fn notification(&self) -> Option<Notice> {
        self.waiters()
            .iter()
            .find_map(|waiter| match waiter.recipient {
                Recipient::Observer { notice, .. } => Some(notice),
                Recipient::Request(_) | Recipient::Repetition(_) => None,
            })
    }

    /// How many bytes it takes.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Source(_) | Self::Gone => 0,
        }
    }
}

impl ServedBody {
    pub(super) const fn new(
        now: Instant,
        channel: Channel,
        head: MessageBuf,
        etag: Vec<u8>,
        content: Content,
        is_read: bool,
    ) -> Self {
        Self {
            channel,
            head,
            etag,
            content,
            watched: None,
            is_read,
            readers: 1,
            place: 0,
            first_begun: now,
            begun: now,
            asked: now,
            deadline: None,
        }
    }

    pub(super) const fn order(&self, key: BodyKey) -> (bool, u64, BodyKey) {
        (self.is_read, self.place, key)
    }

    /// The body with the lowest rank goes first. A body that was read on is being read if it was
    /// asked for at `busy_since` or later.
    pub(super) fn rank(&self, busy_since: Instant) -> (bool, u64) {
        (self.is_read && self.asked >= busy_since, self.place)
    }
}

/// Tells the end of a body to those that watch it.
pub(super) fn tell_released(
    peer: PeerIndex,
    watched: Option<Resource>,
    end: ServingEnd,
    steps: &mut Steps,
) {
    steps.extend(watched.map(|resource| Step::BodyReleased {
        peer,
        resource,
        result: end.result(),
    }));
}

/// What is to be done for a recipient whose block won't come.
pub(super) fn block_lost(peer: PeerIndex, recipient: Recipient, end: ServingEnd) -> Option<Step> {
    match recipient {
        Recipient::Request(OpenRequest { record, .. }) => {
            let message = refusal(end)?;
            Some(Step::Answer { record, message })
        }
        Recipient::Repetition(record) => {
            let message = refusal(end)?;
            Some(Step::AnswerAgain { record, message })
        }
        Recipient::Observer { notice, .. } => {
            let reason = match end {
                ServingEnd::Replaced => FailureReason::Superseded,
                ServingEnd::Served | ServingEnd::NoRoom => FailureReason::NotSent,
                ServingEnd::Late | ServingEnd::Aborted(_) => FailureReason::Aborted,
                ServingEnd::PeerDropped => FailureReason::PeerDropped,
                ServingEnd::Unwanted => return None,
            };
            notice.confirmable.then_some(Step::NotificationFailed {
                peer,
                notice,
                reason,
            })
        }
    }
}

/// The answer to a request whose block won't come.
fn refusal(end: ServingEnd) -> Option<MessageBuf> {
    match end {
        // The client has blocks of a different body.
        ServingEnd::Replaced => Some(incomplete()),
        ServingEnd::Aborted(code) => Some(MessageBuf::response(code)),
        ServingEnd::Served | ServingEnd::NoRoom | ServingEnd::Late | ServingEnd::Unwanted => {
            Some(busy())
        }
        ServingEnd::PeerDropped => None,
    }
}
