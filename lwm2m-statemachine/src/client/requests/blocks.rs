//! Bodies that don't pass through memory: values that are read from their Object block by block, and bodies that go
//! to it as they come.

use lwm2m_core::{Code, Operation};
use lwm2m_objects::{ObjectTree, access};

use super::{
    super::{
        accounts::{Caller, Origin},
        refusal::Refusal,
    },
    admission::classify,
    large::LargeRead,
    parts::{Context, Requests, refuse},
    streams::{self, Block},
};
use crate::coap::{MessageBuf, MessageRef, Responder, SendError, SourceId, TransferId};

impl Requests {
    /// Answers with a body that is taken from its Object block by block.
    pub(super) fn respond_from(
        &mut self,
        context: &mut Context<'_>,
        responder: Responder,
        answer: MessageBuf,
        read: LargeRead,
    ) -> Result<(), SendError> {
        let source = context
            .endpoint
            .bodies()
            .source(u32::try_from(read.length()).ok());
        self.large.begin(source.id(), read);
        let id = source.id();
        let sent = context
            .endpoint
            .respond(context.now, responder, (answer, source));
        if sent.is_err() {
            self.large.end(id);
        }
        sent
    }

    /// The endpoint needs a block of an answer.
    pub(in crate::client) fn supply(
        &mut self,
        context: &mut Context<'_>,
        source: SourceId,
        offset: usize,
        length: usize,
    ) {
        let (now, endpoint) = (context.now, &mut *context.endpoint);
        match self.large.piece(context.tree, source, offset, length) {
            Ok(piece) => {
                // An error says that nobody needs it any more.
                let _ = endpoint
                    .bodies()
                    .supply(now, source, offset, &piece.bytes, piece.more);
            }
            // Another value is read anew.
            Err(Refusal::Incomplete) => endpoint.bodies().abort(now, source),
            Err(refusal) => endpoint.bodies().abort_with(now, source, refusal.code()),
        }
    }

    /// The endpoint needs no more blocks of an answer.
    pub(in crate::client) fn source_closed(&mut self, source: SourceId) {
        self.large.end(source);
    }

    /// A block of a request. The body is assembled unless its Object takes it piece by piece.
    pub(in crate::client) fn serve_block(
        &mut self,
        context: &mut Context<'_>,
        origin: Origin,
        responder: Responder,
        request: &MessageRef<'_>,
        block: Block,
    ) {
        if block.offset == 0 {
            let has_payload = !request.payload().is_empty();
            let classified = classify(
                context.tree,
                &self.root,
                origin.caller,
                request,
                has_payload,
            );
            let streamed = classified.and_then(|classified| {
                classified.admit(context.tree)?;
                Ok(classified.streamed(context.tree))
            });
            match streamed {
                Ok(Some(path)) => self.streams.begin(block.transfer, path),
                Ok(None) => {
                    // If an answer can no longer be sent, the peer is gone.
                    let _ = context.endpoint.assemble(context.now, responder, request);
                    return;
                }
                // The remaining blocks aren't needed.
                Err(refusal) => return refuse(context, responder, refusal),
            }
        }
        let code = match self.write_block(context.tree, origin, request.payload(), block) {
            Ok(()) if block.more => Code::CONTINUE,
            Ok(()) => Code::CHANGED,
            Err(refusal) => refusal.code(),
        };
        if code != Code::CONTINUE {
            self.streams.end(block.transfer);
        }
        let answer = MessageBuf::response(code);
        let _ = context.endpoint.respond(context.now, responder, answer);
    }

    /// Passes a block on to its Object, if the server may still write there. The first block has been
    /// admitted.
    fn write_block(
        &mut self,
        tree: &mut ObjectTree,
        origin: Origin,
        bytes: &[u8],
        block: Block,
    ) -> Result<(), Refusal> {
        let path = self.streams.path(block.transfer);
        let path = path.ok_or(Refusal::Incomplete)?;
        let may_write = match origin.caller {
            _ if block.offset == 0 => Ok(()),
            Caller::Server(server) => access::authorize(&*tree, server, Operation::Write, path),
            Caller::BootstrapServer => Err(access::Refusal::NotSupported),
        };
        if let Err(refusal) = may_write {
            self.streams.abort(tree, block.transfer);
            return Err(refusal.into());
        }
        Ok(streams::write(tree, path, block, bytes)?)
    }

    /// The rest of a streamed body won't arrive.
    pub(in crate::client) fn stream_lost(&mut self, tree: &mut ObjectTree, transfer: TransferId) {
        self.streams.abort(tree, transfer);
    }
}
