//! Writes in blocks (RFC 7959, TS E.6): a firmware image goes straight to its Object, everything
//! else is assembled first.

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::Mutex;

use lwm2m_core::{Code, ContentFormat, Method, Value};
use lwm2m_objects::{
    Answer,
    firmware::{DownloadError, Event, FirmwareUpdateObject, State, UpdateResult},
    typed,
};
use lwm2m_statemachine::{
    ClientConfig,
    coap::{BlockOption, MessageBuf},
};

use crate::support::{Bench, on, path, server_id, tree};

/// The bytes in the flash, and whether they were verified.
type Flash = Arc<Mutex<(Vec<u8>, bool)>>;

/// A client with the Firmware Update Object that assembles at most 100 bytes.
fn bench() -> (Bench, Flash) {
    let flash = Flash::default();
    let written = Arc::clone(&flash);
    let server = typed::Server::new(server_id(101), 86_400);
    let mut tree = tree(server);
    let firmware = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), move |event| {
        let mut flash = written.lock().unwrap();
        match event {
            Event::Block { offset, bytes } => {
                flash.0.truncate(usize::try_from(offset).unwrap());
                flash.0.extend_from_slice(bytes);
            }
            Event::Verify => flash.1 = true,
            Event::Discard => *flash = Default::default(),
            other => panic!("{other:?}"),
        }
        Answer::Done
    });
    tree.add(firmware.unwrap());
    let mut config = ClientConfig::new("example-client", [7; 32]);
    config.coap.bounds.body = 100;
    let mut bench = Bench::with_tree(config, tree);
    bench.accept_register();
    (bench, flash)
}

fn image() -> Vec<u8> {
    (0..1000_u32).map(|at| at.to_le_bytes()[0] ^ 7).collect()
}

/// Block `number` of a Write, of 64 bytes.
fn block(
    method: Method,
    path: &str,
    format: ContentFormat,
    body: &[u8],
    number: u32,
) -> MessageBuf {
    let start = number as usize * 64;
    let end = body.len().min(start + 64);
    let option = BlockOption::new(number, end < body.len(), 64).unwrap();
    let mut request = on(method, path);
    request.content_format(format).unwrap();
    request.block1(option).unwrap().payload(&body[start..end]);
    request
}

fn state(bench: &mut Bench) -> (State, UpdateResult) {
    let now = bench.now;
    let firmware = path("/5").object().unwrap();
    bench
        .client
        .object(now, firmware, |object: &mut FirmwareUpdateObject| {
            (object.machine().state(), object.machine().result())
        })
        .unwrap()
}

#[test]
fn a_firmware_image_goes_on_to_its_object_block_by_block() {
    for method in [Method::Put, Method::Post] {
        let (mut bench, flash) = bench();
        let image = image();
        for number in 0..16 {
            let code = bench.code(block(
                method,
                "/5/0/0",
                ContentFormat::OPAQUE,
                &image,
                number,
            ));
            let written = image.len().min(64 * (number as usize + 1));
            assert_eq!(flash.lock().unwrap().0, image[..written]);
            if number < 15 {
                assert_eq!(code, Code::CONTINUE);
                assert_eq!(state(&mut bench).0, State::Downloading);
            } else {
                assert_eq!(code, Code::CHANGED);
            }
        }
        assert_eq!(*flash.lock().unwrap(), (image, true));
        assert_eq!(state(&mut bench).0, State::Downloaded);
        bench.works();
    }
}

/// RFC 7959 §2.5: the format is that of the body. Some servers send it with the first block only.
#[test]
fn an_image_is_of_the_format_that_its_first_block_says() {
    let (mut bench, flash) = bench();
    let image = image();
    for (number, payload) in image.chunks(64).enumerate() {
        let more = (number + 1) * 64 < image.len();
        let option = BlockOption::new(u32::try_from(number).unwrap(), more, 64).unwrap();
        let mut request = on(Method::Put, "/5/0/0");
        if number == 0 {
            request.content_format(ContentFormat::OPAQUE).unwrap();
        }
        request.block1(option).unwrap().payload(payload);
        let code = if more { Code::CONTINUE } else { Code::CHANGED };
        assert_eq!(bench.code(request), code);
    }
    assert_eq!(*flash.lock().unwrap(), (image, true));
}

#[test]
fn an_image_that_stops_coming_is_given_up() {
    for end in 0..2 {
        let (mut bench, flash) = bench();
        for number in 0..3 {
            bench.code(block(
                Method::Put,
                "/5/0/0",
                ContentFormat::OPAQUE,
                &image(),
                number,
            ));
        }
        if end == 0 {
            bench.pass(Duration::from_secs(300));
        } else {
            let connection = bench.connection;
            bench.client.disconnected(bench.now, connection);
        }
        assert_eq!(*flash.lock().unwrap(), (vec![], false));
        assert_eq!(
            state(&mut bench),
            (
                State::Idle,
                UpdateResult::Download(DownloadError::ConnectionLost)
            )
        );
    }
}

#[test]
fn an_image_may_begin_anew() {
    let (mut bench, flash) = bench();
    let (old, image) = (vec![1; 500], image());
    for number in 0..3 {
        bench.code(block(
            Method::Put,
            "/5/0/0",
            ContentFormat::OPAQUE,
            &old,
            number,
        ));
    }
    for number in 0..16 {
        bench.code(block(
            Method::Put,
            "/5/0/0",
            ContentFormat::OPAQUE,
            &image,
            number,
        ));
    }
    assert_eq!(*flash.lock().unwrap(), (image, true));
    assert_eq!(state(&mut bench).0, State::Downloaded);
}

/// A refusal of the Object ends the Write: here an image while there is one.
#[test]
fn a_refused_image_is_refused_with_its_first_block() {
    let (mut bench, _) = bench();
    for number in 0..16 {
        bench.code(block(
            Method::Put,
            "/5/0/0",
            ContentFormat::OPAQUE,
            &image(),
            number,
        ));
    }
    let again = bench.code(block(
        Method::Put,
        "/5/0/0",
        ContentFormat::OPAQUE,
        &image(),
        0,
    ));
    assert_eq!(again, Code::METHOD_NOT_ALLOWED);
    let next = bench.code(block(
        Method::Put,
        "/5/0/0",
        ContentFormat::OPAQUE,
        &image(),
        1,
    ));
    assert_eq!(next, Code::REQUEST_ENTITY_INCOMPLETE);
}

/// What would be refused as a whole is refused with its first block, and nothing of it is held.
#[test]
fn a_body_is_refused_at_its_first_block() {
    let (mut bench, _) = bench();
    let body = [b'x'; 100];
    for (method, path, format, code) in [
        (Method::Put, "/9/0/9", ContentFormat::TEXT, Code::NOT_FOUND),
        (
            Method::Post,
            "/3/0/99",
            ContentFormat::TEXT,
            Code::NOT_FOUND,
        ),
        (
            Method::Post,
            "/rd",
            ContentFormat::LINK_FORMAT,
            Code::NOT_FOUND,
        ),
        (
            Method::Put,
            "/0/0/0",
            ContentFormat::TEXT,
            Code::UNAUTHORIZED,
        ),
        (
            Method::Put,
            "/3/0/0",
            ContentFormat::TEXT,
            Code::METHOD_NOT_ALLOWED,
        ),
    ] {
        let first = block(method, path, format, &body, 0);
        assert_eq!(bench.code(first), code, "{path}");
        let second = block(method, path, format, &body, 1);
        assert_eq!(bench.code(second), Code::REQUEST_ENTITY_INCOMPLETE);
    }
    bench.works();
}

/// Everything else is assembled, up to the bound, and written as a whole.
#[test]
fn other_writes_are_put_together() {
    let (mut bench, _) = bench();
    let text = "+01:00".repeat(12);
    for (number, code) in [(0, Code::CONTINUE), (1, Code::CHANGED)] {
        let write = block(
            Method::Put,
            "/3/0/14",
            ContentFormat::TEXT,
            text.as_bytes(),
            number,
        );
        assert_eq!(bench.code(write), code);
    }
    let offset = bench.client.tree().get(path("/3/0/14"));
    assert_eq!(offset, Some(Value::String(text)));
    let large = vec![b'x'; 200];
    let write = |number| block(Method::Put, "/3/0/14", ContentFormat::TEXT, &large, number);
    assert_eq!(bench.code(write(0)), Code::CONTINUE);
    assert_eq!(bench.code(write(1)), Code::REQUEST_ENTITY_TOO_LARGE);
    // Not the Package in another format than opaque.
    let write = block(Method::Put, "/5/0/0", ContentFormat::TLV, &large, 0);
    assert_eq!(bench.code(write), Code::CONTINUE);
    assert_eq!(state(&mut bench).0, State::Idle);
}
