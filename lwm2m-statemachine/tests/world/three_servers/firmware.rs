//! The firmware of the Client (TS E.6): packages that servers write in blocks, or that the Client
//! fetches from a file server.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use lwm2m_core::{Code, Instant};
use lwm2m_objects::{
    Answer,
    firmware::{DownloadError, Event, FirmwareUpdateObject, Protocol},
    typed,
};
use lwm2m_simulation::{Address, Node};
use lwm2m_statemachine::{
    Datagram,
    coap::{BlockOption, MessageBuf, MessageRef, MessageType},
};

/// What stands for the file server where a server is meant.
pub(crate) const FILES: usize = 3;

/// What is written of a package. It outlives a reboot.
pub(crate) type Flash = Arc<Mutex<Vec<u8>>>;

/// A package that tells its number, and whether it is whole.
pub(crate) fn package(number: u32) -> Vec<u8> {
    let length = 20 + usize::try_from(number.wrapping_mul(0x9e37_79b9) >> 25).unwrap_or(0);
    let mut bytes = number.to_be_bytes().to_vec();
    while bytes.len() < length {
        let digit = bytes.len() * 31 + bytes.len() / 16 + number as usize;
        bytes.push(digit as u8);
    }
    bytes
}

pub(crate) fn uri(number: u32) -> String {
    format!("coap://files/{number}")
}

/// Whether these are the bytes of a [`package`].
fn is_whole(bytes: &[u8]) -> bool {
    let number = bytes.first_chunk().copied().map(u32::from_be_bytes);
    number.is_some_and(|number| package(number) == bytes)
}

/// The Object of a device with this flash.
///
/// # Panics
///
/// If blocks leave a gap, or if what is verified is not a package that some server has.
pub(crate) fn object(flash: &Flash) -> FirmwareUpdateObject {
    let update = typed::FirmwareUpdate {
        protocols: [Protocol::Coap].into(),
        ..typed::FirmwareUpdate::default()
    };
    let flash = Arc::clone(flash);
    let take = move |event: Event<'_>| -> Answer<DownloadError> {
        let mut flash = flash.lock().expect("a flash");
        match event {
            Event::Block { offset, bytes } => {
                let offset = usize::try_from(offset).expect("an offset");
                assert!(offset <= flash.len(), "a gap in the package");
                flash.truncate(offset);
                flash.extend_from_slice(bytes);
            }
            Event::Verify => assert!(is_whole(&flash), "a torn package: {flash:?}"),
            Event::Discard => flash.clear(),
            other => panic!("{other:?}"),
        }
        Answer::Done
    };
    FirmwareUpdateObject::new(update, take).expect("an Object")
}

/// A CoAP server with packages, which keeps no state (RFC 7959 §2.4).
#[derive(Default)]
pub(crate) struct FileServer {
    queue: VecDeque<(Address, Vec<u8>)>,
}

impl FileServer {
    fn answer(request: &MessageRef<'_>) -> MessageBuf {
        let number = request.uri_path().next().and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|_| request.code() == Code::GET) else {
            return MessageBuf::response(Code::NOT_FOUND);
        };
        let package = package(number);
        let (at, size) = request
            .block2()
            .map_or((0, 64), |block| (block.number(), block.size()));
        let mut blocks = package.chunks(size).skip(at as usize);
        let Some(block) = blocks.next() else {
            return MessageBuf::response(Code::BAD_REQUEST);
        };
        let option = BlockOption::new(at, blocks.next().is_some(), size).expect("a block");
        let mut answer = MessageBuf::response(Code::CONTENT);
        answer.etag(&number.to_be_bytes()).expect("an ETag");
        answer.block2(option).expect("a block");
        answer.payload(block);
        answer
    }
}

impl Node for FileServer {
    fn handle_datagram(&mut self, _: Instant, datagram: Datagram<'_, Address>) {
        let message = MessageRef::parse(datagram.payload).expect("the Client sends messages");
        if message.kind() == MessageType::Confirmable {
            let (id, token) = (message.message_id(), message.token());
            let answer = Self::answer(&message).finish(MessageType::Acknowledgement, id, token);
            let answer = answer.as_ref().to_vec();
            self.queue.push_back((datagram.from, answer));
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        let (to, bytes) = self.queue.pop_front()?;
        *datagram = bytes;
        Some(to)
    }

    fn poll_event(&mut self, _: Instant) -> bool {
        false
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
