//! Writes that arrive block by block and go on to their Object as they come: a firmware image does
//! not fit in a Client (TS E.6).

use alloc::vec::Vec;

use lwm2m_core::{Code, Instant, Path};
use lwm2m_objects::{Piece, WriteError};

use super::{Client, admission, dispatch, event::ConnectionId};
use crate::coap::{MessageBuf, MessageRef, Responder, TransferId};

/// The Writes that are under way: one of each Resource.
#[derive(Debug, Default)]
pub(super) struct Streams(Vec<(TransferId, Path)>);

impl Streams {
    fn begin(&mut self, transfer: TransferId, path: Path) {
        // The Object takes one Write of a Resource at a time: the newer one.
        self.0.retain(|(_, other)| *other != path);
        self.0.push((transfer, path));
    }

    fn path(&self, transfer: TransferId) -> Option<Path> {
        let (_, path) = self.0.iter().find(|(other, _)| *other == transfer)?;
        Some(*path)
    }

    fn end(&mut self, transfer: TransferId) -> Option<Path> {
        let at = self.0.iter().position(|(other, _)| *other == transfer)?;
        Some(self.0.swap_remove(at).1)
    }
}

impl Client {
    /// A block of a request. What no Object takes piece by piece is put together.
    pub(super) fn serve_block(
        &mut self,
        now: Instant,
        from: ConnectionId,
        responder: Responder,
        request: &MessageRef<'_>,
        (transfer, offset, more): (TransferId, usize, bool),
    ) {
        if self.server_at(from).is_none() {
            self.endpoint.ignore(responder);
            return;
        }
        self.tree.handle_timeout(now);
        if offset == 0 {
            // If an answer cannot be sent any more, the peer is gone.
            match self.streamed(request) {
                Ok(Some(path)) => self.streams.begin(transfer, path),
                Ok(None) => {
                    let _ = self.endpoint.assemble(now, responder, request);
                    return;
                }
                Err(code) => {
                    let answer = MessageBuf::response(code);
                    let _ = self.endpoint.respond(now, responder, answer);
                    return;
                }
            }
        }
        let result = self.write_piece(transfer, offset, request.payload(), more);
        let code = match result {
            Some(Ok(())) if more => Code::CONTINUE,
            Some(Ok(())) => Code::CHANGED,
            Some(Err(error)) => dispatch::write_code(error),
            // Another Write of the Resource has begun since.
            None => Code::REQUEST_ENTITY_INCOMPLETE,
        };
        if code != Code::CONTINUE {
            self.streams.end(transfer);
        }
        let _ = self
            .endpoint
            .respond(now, responder, MessageBuf::response(code));
    }

    fn write_piece(
        &mut self,
        transfer: TransferId,
        offset: usize,
        bytes: &[u8],
        more: bool,
    ) -> Option<Result<(), WriteError>> {
        let path = self.streams.path(transfer)?;
        let begin = (offset == 0).then_some(Piece::Begin);
        let end = (!more).then_some(Piece::End);
        let pieces = [begin, Some(Piece::Bytes(bytes)), end];
        let result = pieces
            .into_iter()
            .flatten()
            .try_for_each(|piece| self.tree.stream(path, piece));
        Some(result)
    }

    /// The Resource that a request writes whose Object takes the value piece by piece, by its first
    /// block; with an error the rest need not come.
    fn streamed(&self, request: &MessageRef<'_>) -> Result<Option<Path>, Code> {
        let classified = admission::classify(&self.tree, request, !request.payload().is_empty())?;
        classified.admit(&self.tree)?;
        Ok(classified.streamed(&self.tree))
    }

    /// The rest of a Write will not come.
    pub(super) fn stream_lost(&mut self, transfer: TransferId) {
        if let Some(path) = self.streams.end(transfer) {
            // Its Object may be gone.
            let _ = self.tree.stream(path, Piece::Abort);
        }
    }
}
