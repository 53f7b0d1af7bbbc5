//! Writes whose blocks are passed to their Object as they arrive: a firmware image doesn't fit into
//! the memory of a Client (TS E.6).

use alloc::vec::Vec;

use lwm2m_core::Path;
use lwm2m_objects::{ObjectTree, Piece, WriteError};

use crate::coap::TransferId;

/// The Writes that are under way: one of each Resource.
#[derive(Debug, Default)]
pub(super) struct Streams(Vec<(TransferId, Path)>);

/// A block of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) transfer: TransferId,
    /// Where it begins in the body.
    pub(crate) offset: usize,
    /// Whether more blocks follow.
    pub(crate) more: bool,
}

impl Streams {
    /// How many Writes are under way.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// A Write begins. It replaces any other Write of the Resource.
    pub(super) fn begin(&mut self, transfer: TransferId, path: Path) {
        self.0.retain(|(_, other)| *other != path);
        self.0.push((transfer, path));
    }

    /// The Resource that a body is written to, unless another Write of it has begun since.
    pub(super) fn path(&self, transfer: TransferId) -> Option<Path> {
        let (_, path) = self.0.iter().find(|(other, _)| *other == transfer)?;
        Some(*path)
    }

    /// A Write is complete.
    pub(super) fn end(&mut self, transfer: TransferId) {
        self.0.retain(|(other, _)| *other != transfer);
    }

    /// No Write goes on.
    pub(super) fn abort_all(&mut self, tree: &mut ObjectTree) {
        let all: Vec<_> = self.0.iter().map(|(transfer, _)| *transfer).collect();
        for transfer in all {
            self.abort(tree, transfer);
        }
    }

    /// The rest of a Write won't arrive, or is refused.
    pub(super) fn abort(&mut self, tree: &mut ObjectTree, transfer: TransferId) {
        if let Some(path) = self.path(transfer) {
            self.end(transfer);
            // Its Object may be gone.
            let _ = tree.stream(path, Piece::Abort);
        }
    }
}

/// Hands a block on to the Object.
pub(super) fn write(
    tree: &mut ObjectTree,
    path: Path,
    block: Block,
    bytes: &[u8],
) -> Result<(), WriteError> {
    let begin = (block.offset == 0).then_some(Piece::Begin);
    let end = (!block.more).then_some(Piece::End);
    let pieces = [begin, Some(Piece::Bytes(bytes)), end];
    let mut pieces = pieces.into_iter().flatten();
    pieces.try_for_each(|piece| tree.stream(path, piece))
}
