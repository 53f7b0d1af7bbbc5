//! Identifiers of bodies that are transferred in blocks.

use core::{
    fmt,
    hash::{Hash, Hasher},
};

use crate::coap::{message_buf::MessageBuf, option::BlockOption};

/// Represents a missing block option: a value with the reserved size (RFC 7959 §2.2).
pub(super) const NO_BLOCK: u32 = u32::MAX;

/// Identifies a body that is received block by block, uniquely within an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub(super) u64);

/// Identifies a body that the application supplies block by block, uniquely within an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub(super) u64);

/// The right to send a body that is supplied block by block, once; see
/// [`Bodies::source`](super::Bodies::source).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a body is to be sent"]
pub struct Source {
    pub(super) id: SourceId,
    /// The size of the whole body in bytes, if it is known beforehand.
    pub(super) size: Option<u32>,
}

impl Source {
    /// The id by which blocks are requested.
    pub const fn id(&self) -> SourceId {
        self.id
    }
}

/// A message to send: its body is the payload of the message, or comes from a [`Source`].
///
/// Calls that send take it as `impl Into<Outgoing>`: pass a [`MessageBuf`], or a pair of a message
/// and the source of its body.
///
/// ```
/// use lwm2m_core::{Instant, Method};
/// use lwm2m_statemachine::coap::{Config, Endpoint, MessageBuf, RequestOptions};
///
/// let now = Instant::ZERO;
/// let mut endpoint = Endpoint::new(Config::new([1; 32]));
/// endpoint.request(now, "peer", MessageBuf::request(Method::Get), RequestOptions::default())?;
/// let source = endpoint.bodies().source(Some(100_000));
/// let put = MessageBuf::request(Method::Put);
/// endpoint.request(now, "peer", (put, source), RequestOptions::default())?;
/// # Ok::<(), lwm2m_statemachine::coap::SendError>(())
/// ```
#[derive(Debug)]
#[must_use = "a message is to be sent"]
pub struct Outgoing {
    pub(super) message: MessageBuf,
    pub(super) source: Option<Source>,
}

impl From<MessageBuf> for Outgoing {
    fn from(message: MessageBuf) -> Self {
        Self {
            message,
            source: None,
        }
    }
}

impl From<(MessageBuf, Source)> for Outgoing {
    fn from((message, source): (MessageBuf, Source)) -> Self {
        Self {
            message,
            source: Some(source),
        }
    }
}

/// The resource that a request addresses. Requests for further blocks of a body are recognised by
/// it. See [`NotifyOptions::resource`](crate::coap::NotifyOptions::resource).
///
/// It is the same whatever block size the request asks for.
#[derive(Clone, Copy)]
pub struct Resource {
    pub(super) key: u64,
    /// The value of its Block2 option, or [`NO_BLOCK`]: the client wants blocks of this size.
    pub(super) block2: u32,
}

impl fmt::Debug for Resource {
    /// Without the fingerprint, whose keys peers must not learn.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").finish_non_exhaustive()
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Resource {}

impl Hash for Resource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl Resource {
    /// Not a resource: no request addresses it.
    pub(crate) const NONE: Self = Self {
        key: 0,
        block2: NO_BLOCK,
    };

    /// The Block2 option of the request.
    pub(crate) fn block2(&self) -> Option<BlockOption> {
        BlockOption::from_value(self.block2)
    }
}
