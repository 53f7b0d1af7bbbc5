//! Reads of values that aren't in memory as a whole: they are taken from their Object block by block, as
//! the server asks for them (RFC 7959).

use alloc::{collections::BTreeMap, vec, vec::Vec};

use lwm2m_core::{Code, ContentFormat, DataType, Operation, Path, ShortServerId};
use lwm2m_objects::{LargeValue, ObjectTree, Target, access};
use lwm2m_tlv::resource_header;

use super::super::refusal::Refusal;
use crate::coap::{MessageBuf, SourceId};

/// The answers that are under way. The endpoint bounds and ends them.
#[derive(Debug, Default)]
pub(super) struct LargeReads(BTreeMap<SourceId, LargeRead>);

/// One answer.
#[derive(Debug)]
pub(super) struct LargeRead {
    server: ShortServerId,
    path: Path,
    value: LargeValue,
    /// What stands before the value: its header in TLV.
    head: Vec<u8>,
}

/// A block of an answer.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Whether more follow.
    pub(super) more: bool,
}

impl LargeRead {
    /// The answer to a Read of a target whose value isn't in memory, in a format that doesn't look at the
    /// value: opaque, text, or TLV. `None` for anything else.
    pub(super) fn of(
        server: ShortServerId,
        target: &Target<'_>,
        format: ContentFormat,
    ) -> Option<Result<Self, Refusal>> {
        let value = target.large()?;
        let resource = target.resource()?;
        let mut head = Vec::new();
        match (format, resource.data_type?) {
            (ContentFormat::OPAQUE, DataType::Opaque) | (ContentFormat::TEXT, DataType::String) => {
            }
            (ContentFormat::TLV, _) => {
                if resource_header(resource.id, value.length, &mut head).is_err() {
                    return Some(Err(Refusal::NotAcceptable));
                }
            }
            _ => return None,
        }
        Some(Ok(Self {
            server,
            path: target.path(),
            value,
            head,
        }))
    }

    /// The answer without its body. The ETag changes with the value.
    pub(super) fn answer(&self, format: ContentFormat) -> Result<MessageBuf, Refusal> {
        let mut answer = MessageBuf::response(Code::CONTENT);
        answer.etag(&self.value.version.to_be_bytes())?;
        answer.content_format(format)?;
        Ok(answer)
    }

    /// The length of the body, in bytes.
    pub(super) const fn length(&self) -> usize {
        self.head.len().saturating_add(self.value.length)
    }

    /// A block of the body, if the server may still read the value, and it is the same.
    fn piece(&self, tree: &ObjectTree, offset: usize, length: usize) -> Result<Piece, Refusal> {
        let target = tree.target(self.path);
        access::authorize_target(tree, &target, self.server, Operation::Read)?;
        if target.large() != Some(self.value) {
            return Err(Refusal::Incomplete);
        }
        let left = self.length().saturating_sub(offset);
        let mut bytes = vec![0; length.min(left)];
        let head = self.head.get(offset..).unwrap_or_default();
        let of_head = head.len().min(bytes.len());
        let (start, rest) = bytes.split_at_mut(of_head);
        start.copy_from_slice(head.get(..of_head).unwrap_or_default());
        if !rest.is_empty() {
            target.read_piece(offset.saturating_sub(self.head.len()), rest)?;
        }
        Ok(Piece {
            more: bytes.len() < left,
            bytes,
        })
    }
}

impl LargeReads {
    /// How many answers are under way.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn begin(&mut self, source: SourceId, read: LargeRead) {
        self.0.insert(source, read);
    }

    /// The endpoint needs a block.
    pub(super) fn piece(
        &self,
        tree: &ObjectTree,
        source: SourceId,
        offset: usize,
        length: usize,
    ) -> Result<Piece, Refusal> {
        let read = self.0.get(&source).ok_or(Refusal::Incomplete)?;
        read.piece(tree, offset, length)
    }

    /// The endpoint needs no more blocks.
    pub(super) fn end(&mut self, source: SourceId) {
        self.0.remove(&source);
    }
}
