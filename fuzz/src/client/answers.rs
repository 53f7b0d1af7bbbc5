//! What the servers of a Client answer, and what they acknowledge.

use lwm2m_core::{Code, CodeKind};
use lwm2m_statemachine::coap::{BlockOption, MessageBuf, MessageRef, MessageType};

use super::messages::{pick, wire};
use crate::program::Program;

/// Answers by code; the first ones are the right ones.
const CODES: [Code; 12] = [
    Code::CREATED,
    Code::CHANGED,
    Code::DELETED,
    Code::CONTENT,
    Code::CONTINUE,
    Code::BAD_REQUEST,
    Code::FORBIDDEN,
    Code::NOT_FOUND,
    Code::REQUEST_ENTITY_TOO_LARGE,
    Code::PRECONDITION_FAILED,
    Code::INTERNAL_SERVER_ERROR,
    Code::SERVICE_UNAVAILABLE,
];

/// The package that a download fetches.
const PACKAGE: [u8; 50] = [9; 50];
const ETAG: &[u8] = b"one";

/// The right answer to a request of the Client.
pub(super) fn accept(request: &[u8]) -> Option<Vec<u8>> {
    let request = MessageRef::parse(request).ok()?;
    if request.code() == Code::GET {
        return Some(package(&request));
    }
    let is_register = request.code() == Code::POST && request.uri_path().eq(["rd"]);
    let more = request.block1().is_some_and(|block| block.more());
    let mut answer = MessageBuf::response(match request.code() {
        Code::POST if more => Code::CONTINUE,
        Code::POST if is_register => Code::CREATED,
        Code::POST => Code::CHANGED,
        Code::DELETE => Code::DELETED,
        _ => Code::NOT_FOUND,
    });
    if is_register && !more {
        answer.location_path("rd").ok()?;
        answer.location_path("7").ok()?;
    }
    if let Some(block) = request.block1() {
        answer.block1(block).ok()?;
    }
    let (id, token) = (request.message_id(), request.token());
    Some(wire(answer, MessageType::Acknowledgement, id, token))
}

/// A block of the package.
fn package(request: &MessageRef<'_>) -> Vec<u8> {
    let mut answer = MessageBuf::response(Code::CONTENT);
    let asked = request
        .block2()
        .map_or((0, 16), |block| (block.number(), block.size()));
    let (number, size) = (asked.0, asked.1.min(16));
    let start = (number as usize * size).min(PACKAGE.len());
    let end = (start + size).min(PACKAGE.len());
    let _ = answer.etag(ETAG);
    if let Some(block) = BlockOption::new(number, end < PACKAGE.len(), size) {
        let _ = answer.block2(block);
    }
    answer.payload(&PACKAGE[start..end]);
    let (id, token) = (request.message_id(), request.token());
    wire(answer, MessageType::Acknowledgement, id, token)
}

/// Any answer to a request of the Client.
pub(super) fn answer(
    request: &[u8],
    program: &mut Program<'_>,
    message_id: u16,
) -> Option<Vec<u8>> {
    let request = MessageRef::parse(request).ok()?;
    let (code, options) = (program.byte(), program.byte());
    let mut answer = MessageBuf::response(pick(&CODES, code));
    if options & 4 != 0 {
        answer.etag(ETAG).ok()?;
    }
    if options & 1 != 0 {
        for segment in ["rd", pick(&["7", "xx", "longer/than/that"], options >> 1)] {
            answer.location_path(segment).ok()?;
        }
    }
    let block = BlockOption::new((options >> 6).into(), options & 8 != 0, 16 << (options & 3));
    if options & 0x10 != 0 {
        answer.block2(block?).ok()?;
        answer.payload(&[3; 16]);
    }
    if options & 0x20 != 0 {
        answer.block1(block?).ok()?;
    }
    let (kind, id) = match code >> 4 & 3 {
        0 | 1 => (MessageType::Acknowledgement, request.message_id()),
        2 => (MessageType::Confirmable, message_id),
        _ => (MessageType::NonConfirmable, message_id),
    };
    Some(wire(answer, kind, id, request.token()))
}

/// An empty message with the id of another.
pub(super) fn empty(kind: MessageType, message: &[u8]) -> Vec<u8> {
    let kind = match kind {
        MessageType::Reset => 0x70,
        _ => 0x60,
    };
    let id = message.get(2..4).unwrap_or(&[0, 0]);
    [&[kind, 0], id].concat()
}

/// Whether the sender of this waits for an acknowledgement.
pub(super) fn is_confirmable(message: &[u8]) -> bool {
    MessageRef::parse(message).is_ok_and(|message| message.kind() == MessageType::Confirmable)
}

pub(super) fn is_request(message: &[u8]) -> bool {
    MessageRef::parse(message).is_ok_and(|message| message.code().kind() == CodeKind::Request)
}
