//! What the Client fetches for its Objects: firmware and software by a CoAP URI (TS E.6, Resource 1;
//! RFC 7959 §2.4). The test is the file server.

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::Mutex;

use lwm2m_core::{Code, ContentFormat, InstanceId, Method, ObjectId, Value};
use lwm2m_objects::{
    Answer, FetchFailure, ObjectTree, Store,
    firmware::{DownloadError, Event, FirmwareUpdateObject, Protocol},
    software::{self, Numbering, SoftwareManagementObject},
    typed,
};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, ConnectionId, Datagram, Session,
    client::DownloadOutcome,
    coap::{BlockOption, MessageBuf, MessageType, OptionNumber, Token},
};

use crate::support::{Bench, Sent, get, on, path, server_id, tree};

mod hostile;
mod starting;

const URI: &str = "coap://files.example.org/fw/image?v=2";

/// What the application has of the package.
#[derive(Default)]
struct Flash {
    bytes: Vec<u8>,
    verified: usize,
    /// The most bytes that fit.
    room: Option<usize>,
    /// Whether what arrives is no good.
    is_damaged: bool,
}

impl Flash {
    fn take(&mut self, event: Event<'_>) -> Answer<DownloadError> {
        match event {
            Event::Block { offset, bytes } => {
                let offset = usize::try_from(offset).unwrap();
                assert!(offset <= self.bytes.len(), "no gap");
                self.bytes.truncate(offset);
                self.bytes.extend_from_slice(bytes);
                if self.room.is_some_and(|room| self.bytes.len() > room) {
                    return Answer::Failed(DownloadError::Storage);
                }
            }
            Event::Verify if self.is_damaged => return Answer::Failed(DownloadError::Integrity),
            Event::Verify => self.verified += 1,
            Event::Discard => self.bytes.clear(),
            other => panic!("{other:?}"),
        }
        Answer::Done
    }
}

/// A Client that fetches, and the file server that it fetches from.
struct Rig {
    bench: Bench,
    flash: Arc<Mutex<Flash>>,
    /// The connection to the file server.
    connection: Option<ConnectionId>,
    image: Vec<u8>,
    etag: Option<&'static [u8]>,
    /// The largest block that the server sends.
    block_size: usize,
    /// The numbers of the blocks that were asked for.
    asked: Vec<u32>,
    events: Vec<ClientEvent>,
}

fn image(length: usize, seed: usize) -> Vec<u8> {
    let bytes = (0..length).map(|at| (at * 31 + at / 251 + seed) % 251);
    bytes.map(|byte| u8::try_from(byte).unwrap()).collect()
}

fn config() -> ClientConfig {
    let mut config = ClientConfig::new("example-client", [7; 32]);
    config.downloads.block_size = 64;
    config
}

impl Rig {
    fn new() -> Self {
        let server = typed::Server::new(server_id(101), 86_400);
        Self::with(config(), tree(server))
    }

    fn with(config: ClientConfig, mut tree: ObjectTree) -> Self {
        let flash = Arc::new(Mutex::new(Flash::default()));
        let application = Arc::clone(&flash);
        let update = typed::FirmwareUpdate {
            protocols: [Protocol::Coap, Protocol::Coaps].into(),
            ..typed::FirmwareUpdate::default()
        };
        let firmware =
            FirmwareUpdateObject::new(update, move |event| application.lock().unwrap().take(event));
        tree.add(firmware.unwrap());
        let mut bench = Bench::with_tree(config, tree);
        bench.accept_register();
        Self {
            bench,
            flash,
            connection: None,
            image: image(1000, 0),
            etag: Some(b"one"),
            block_size: 1024,
            asked: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The server writes Package URI.
    fn write_uri(&mut self, uri: &str) {
        let mut request = on(Method::Put, "/5/0/1");
        request.content_format(ContentFormat::TEXT).unwrap();
        request.payload(uri.as_bytes());
        assert_eq!(self.bench.code(request), Code::CHANGED);
        self.note_events();
    }

    fn note_events(&mut self) {
        self.events.extend(self.bench.events());
    }

    /// The connection that is asked for is up.
    fn connect(&mut self) {
        self.note_events();
        let connection = self.asked_connection().expect("a connection is asked for");
        self.connection = Some(connection);
        self.bench
            .client
            .connected(self.bench.now, connection, Session::New);
    }

    /// The connection that was asked for last.
    fn asked_connection(&self) -> Option<ConnectionId> {
        let mut events = self.events.iter().rev();
        let asked = events.find_map(|event| match event {
            ClientEvent::ConnectForDownload { connection, .. } => Some(*connection),
            _ => None,
        });
        asked.filter(|asked| Some(*asked) != self.connection)
    }

    /// The request for the next block, which is the only message.
    fn request(&mut self) -> Option<Sent> {
        let mut all = lwm2m_kit::sent(&mut self.bench.client);
        assert!(all.len() <= 1, "one message at a time");
        let request = all.pop()?;
        assert_eq!(Some(request.to), self.connection);
        let message = request.message();
        assert_eq!((message.code(), message.observe()), (Code::GET, None));
        Some(request)
    }

    /// The answer of the file server to a request.
    fn block(&self, request: &Sent) -> MessageBuf {
        let asked = request.message().block2().unwrap();
        let size = asked.size().min(self.block_size);
        let start = asked.offset();
        if start >= self.image.len() {
            return MessageBuf::response(Code::BAD_REQUEST);
        }
        let mut response = MessageBuf::response(Code::CONTENT);
        if let Some(etag) = self.etag {
            response.etag(etag).unwrap();
        }
        response.content_format(ContentFormat::OPAQUE).unwrap();
        let end = self.image.len().min(start + size);
        let more = end < self.image.len();
        let number = u32::try_from(start / size).unwrap();
        let block = BlockOption::new(number, more, size).unwrap();
        response.block2(block).unwrap();
        let length = u32::try_from(self.image.len()).unwrap();
        response.uint(OptionNumber::SIZE2, length).unwrap();
        response.payload(&self.image[start..end]);
        response
    }

    fn answer(&mut self, request: &Sent, response: MessageBuf) {
        let message = request.message();
        let wire = response.finish(
            MessageType::Acknowledgement,
            message.message_id(),
            message.token(),
        );
        let datagram = Datagram::new(request.to, wire.as_ref());
        let handled = self.bench.client.handle_datagram(self.bench.now, datagram);
        handled.expect("an answer");
        self.note_events();
    }

    /// Serves this many blocks, or all that are asked for.
    fn serve(&mut self, most: usize) {
        for _ in 0..most {
            let Some(request) = self.request() else {
                return;
            };
            self.asked
                .push(request.message().block2().unwrap().number());
            let response = self.block(&request);
            self.answer(&request, response);
        }
    }

    /// Answers the next request with this code.
    fn refuse(&mut self, code: Code) {
        let request = self.request().expect("a request");
        self.answer(&request, MessageBuf::response(code));
    }

    /// Resources 3 and 5.
    fn state(&self) -> (i64, i64) {
        let number = |at| match self.bench.client.tree().get(path(at)) {
            Some(Value::Integer(number)) => number,
            other => panic!("{other:?}"),
        };
        (number("/5/0/3"), number("/5/0/5"))
    }

    fn outcome(&self) -> Option<DownloadOutcome> {
        self.events.iter().rev().find_map(|event| match event {
            ClientEvent::DownloadEnded { outcome, .. } => Some(*outcome),
            _ => None,
        })
    }

    fn interruptions(&self) -> usize {
        let is_one =
            |event: &&ClientEvent| matches!(event, ClientEvent::DownloadInterrupted { .. });
        self.events.iter().filter(is_one).count()
    }

    /// The package is there and was verified once, and nothing of the download is left.
    #[track_caller]
    fn expect_complete(&mut self) {
        assert_eq!(self.state(), (2, 0));
        let flash = self.flash.lock().unwrap();
        assert!(
            flash.bytes == self.image,
            "the bytes are those of the image"
        );
        assert_eq!(flash.verified, 1);
        drop(flash);
        let bytes = u64::try_from(self.image.len()).unwrap();
        assert_eq!(self.outcome(), Some(DownloadOutcome::Complete { bytes }));
        self.expect_over();
    }

    #[track_caller]
    fn expect_failed(&mut self, result: i64, failure: FetchFailure) {
        assert_eq!(self.state(), (0, result));
        assert_eq!(self.outcome(), Some(DownloadOutcome::Failed(failure)));
        assert_eq!(self.flash.lock().unwrap().bytes, [0; 0], "it is discarded");
        self.expect_over();
    }

    #[track_caller]
    fn expect_over(&mut self) {
        assert_eq!(self.bench.client.downloads().all().count(), 0);
        if let Some(connection) = self.connection {
            let closed = ClientEvent::Disconnect { connection };
            assert!(self.events.contains(&closed), "the connection is closed");
        }
    }

    /// Time passes until the next request, which isn't answered meanwhile.
    fn pass(&mut self, duration: Duration) {
        self.bench.pass(duration);
        self.note_events();
    }

    /// Loses what is sent now and later, until the Client pauses.
    fn lose_until_it_pauses(&mut self) {
        let before = self.interruptions();
        for _ in 0..100 {
            lwm2m_kit::sent(&mut self.bench.client);
            let due = self.bench.client.poll_timeout().expect("something is due");
            self.bench.now = self.bench.now.max(due);
            self.bench.client.handle_timeout(self.bench.now);
            self.note_events();
            if self.interruptions() > before {
                return;
            }
        }
        panic!("it does not pause");
    }
}

#[test]
fn firmware_by_a_coap_uri_is_fetched_block_by_block() {
    let mut rig = Rig::new();
    rig.write_uri(URI);
    assert_eq!(rig.state(), (1, 0));
    let asked = rig.events.iter().find_map(|event| match event {
        ClientEvent::ConnectForDownload {
            path,
            uri,
            security,
            ..
        } => Some((*path, uri.clone(), security.clone())),
        _ => None,
    });
    assert_eq!(asked, Some((path("/5/0/1"), URI.into(), None)));

    rig.connect();
    let request = rig.request().unwrap();
    let message = request.message();
    assert_eq!(message.uri_host(), Some("files.example.org"));
    assert_eq!(request.path(), "/fw/image");
    assert_eq!(request.queries(), ["v=2"]);
    let block = message.block2().unwrap();
    assert_eq!((block.number(), block.size()), (0, 64));
    let response = rig.block(&request);
    rig.answer(&request, response);
    let download = rig.bench.client.downloads().all().next().unwrap();
    assert_eq!((download.received, download.announced), (64, Some(1000)));

    rig.serve(100);
    assert_eq!(rig.asked, (1..16).collect::<Vec<u32>>());
    rig.expect_complete();
    rig.bench.works();
}

#[test]
fn a_package_of_one_message_is_whole() {
    let mut rig = Rig::new();
    rig.image = image(40, 0);
    rig.write_uri(URI);
    rig.connect();
    let request = rig.request().unwrap();
    let mut response = MessageBuf::response(Code::CONTENT);
    response.payload(&rig.image);
    rig.answer(&request, response);
    rig.expect_complete();
}

/// RFC 7959 §2.4: the server may choose a smaller size.
#[test]
fn the_server_may_choose_smaller_blocks() {
    let mut rig = Rig::new();
    rig.block_size = 16;
    rig.write_uri(URI);
    rig.connect();
    rig.serve(100);
    assert_eq!(rig.asked, (0..63).collect::<Vec<u32>>());
    rig.expect_complete();
}

#[test]
fn a_download_goes_on_at_its_block_after_the_connection_was_lost() {
    let mut rig = Rig::new();
    rig.write_uri(URI);
    rig.connect();
    rig.serve(5);
    lwm2m_kit::sent(&mut rig.bench.client);
    let lost = rig.connection.unwrap();
    rig.bench.client.disconnected(rig.bench.now, lost);
    rig.note_events();
    assert_eq!(rig.state(), (1, 0));
    assert_eq!(rig.asked_connection(), None, "not at once");
    rig.pass(Duration::from_secs(6));
    rig.connect();
    rig.serve(100);
    // Block 5 was asked for, and is asked for again.
    assert_eq!(rig.asked, (0..16).collect::<Vec<u32>>());
    rig.expect_complete();
}

#[test]
fn a_download_goes_on_at_its_block_after_silence() {
    let mut rig = Rig::new();
    rig.write_uri(URI);
    rig.connect();
    rig.serve(5);
    for _ in 0..2 {
        rig.lose_until_it_pauses();
        assert_eq!(rig.state(), (1, 0));
    }
    rig.pass(Duration::from_secs(11));
    rig.serve(100);
    assert_eq!(rig.asked, (0..16).collect::<Vec<u32>>());
    rig.expect_complete();
}

/// Nothing is sent and no connection is asked for; on return the download goes on at its block.
#[test]
fn a_download_rests_while_the_client_is_offline() {
    for has_begun in [false, true] {
        let mut rig = Rig::new();
        if has_begun {
            rig.write_uri(URI);
            rig.connect();
            rig.serve(5);
        }
        rig.bench.client.go_offline(rig.bench.now);
        rig.note_events();
        if has_begun {
            let closed = ClientEvent::Disconnect {
                connection: rig.connection.unwrap(),
            };
            assert!(rig.events.contains(&closed));
        } else {
            let uri = Value::from(URI);
            rig.bench
                .client
                .set(rig.bench.now, path("/5/0/1"), uri)
                .unwrap();
        }
        // Longer than a download may be silent.
        rig.pass(Duration::from_secs(7200));
        assert!(lwm2m_kit::sent(&mut rig.bench.client).is_empty());
        assert_eq!(rig.asked_connection(), None);
        assert_eq!(rig.state(), (1, 0));
        rig.bench.client.go_online(rig.bench.now);
        let update = rig.bench.all_sent().remove(0);
        rig.bench
            .answer(&update, MessageBuf::response(Code::CHANGED));
        rig.connect();
        rig.serve(100);
        assert_eq!(rig.asked, (0..16).collect::<Vec<u32>>());
        rig.expect_complete();
    }
}

/// RFC 7959 §2.4: blocks of two bodies are never mixed.
#[test]
fn another_image_begins_anew() {
    for is_interrupted in [false, true] {
        let mut rig = Rig::new();
        rig.write_uri(URI);
        rig.connect();
        rig.serve(5);
        rig.image = image(700, 99);
        rig.etag = Some(b"two");
        if is_interrupted {
            rig.lose_until_it_pauses();
            rig.pass(Duration::from_secs(6));
        }
        rig.serve(100);
        let asked: Vec<u32> = (0..6).chain(0..11).collect();
        assert_eq!(rig.asked, asked);
        rig.expect_complete();
    }
}

/// Without an ETag the first block tells whether it is still the same image.
#[test]
fn without_an_etag_the_first_block_is_compared_after_a_loss() {
    for changes in [false, true] {
        let mut rig = Rig::new();
        rig.etag = None;
        rig.write_uri(URI);
        rig.connect();
        rig.serve(5);
        rig.lose_until_it_pauses();
        if changes {
            rig.image = image(1000, 99);
        }
        rig.pass(Duration::from_secs(6));
        rig.serve(100);
        let asked: Vec<u32> = if changes {
            (0..5).chain([0]).chain(0..16).collect()
        } else {
            (0..5).chain([0]).chain(5..16).collect()
        };
        assert_eq!(rig.asked, asked);
        rig.expect_complete();
    }
}

/// The server has lost its place, or the image has become shorter.
#[test]
fn a_server_that_has_lost_its_place_is_asked_from_the_beginning() {
    for code in [Code::REQUEST_ENTITY_INCOMPLETE, Code::BAD_REQUEST] {
        let mut rig = Rig::new();
        rig.write_uri(URI);
        rig.connect();
        rig.serve(5);
        rig.refuse(code);
        rig.serve(100);
        rig.expect_complete();
    }
}

#[test]
fn an_image_that_changes_all_the_time_fails() {
    let mut rig = Rig::new();
    rig.write_uri(URI);
    rig.connect();
    for times in 0..20 {
        rig.etag = Some(if times % 2 == 0 { b"one" } else { b"two" });
        rig.serve(1);
    }
    rig.expect_failed(5, FetchFailure::Integrity);
    // Each of the restarts that are configured, and the first attempt.
    let begun = rig.asked.iter().filter(|number| **number == 0).count();
    assert_eq!(begun, 4);
}

/// TS E.6, Resource 5.
#[test]
fn the_answers_of_the_file_server_become_update_results() {
    for (code, result, failure) in [
        (Code::NOT_FOUND, 7, FetchFailure::InvalidUri),
        (Code::BAD_REQUEST, 7, FetchFailure::InvalidUri),
        (Code::FORBIDDEN, 7, FetchFailure::InvalidUri),
        (Code::METHOD_NOT_ALLOWED, 7, FetchFailure::InvalidUri),
        (Code::BAD_OPTION, 9, FetchFailure::Protocol),
        (Code::NOT_IMPLEMENTED, 9, FetchFailure::Protocol),
        (Code::CREATED, 5, FetchFailure::Integrity),
    ] {
        let mut rig = Rig::new();
        rig.write_uri(URI);
        rig.connect();
        rig.refuse(code);
        rig.expect_failed(result, failure);
        // Another attempt is possible.
        rig.write_uri(URI);
        rig.connect();
        rig.serve(100);
        rig.expect_complete();
    }
}

#[test]
fn an_empty_package_is_none() {
    let mut rig = Rig::new();
    rig.write_uri(URI);
    rig.connect();
    rig.refuse(Code::CONTENT);
    rig.expect_failed(5, FetchFailure::Integrity);
    assert_eq!(rig.flash.lock().unwrap().verified, 0);
}

#[test]
fn another_block_than_the_one_that_was_asked_for_fails() {
    let mut rig = Rig::new();
    rig.write_uri(URI);
    rig.connect();
    rig.serve(1);
    let request = rig.request().unwrap();
    let mut response = MessageBuf::response(Code::CONTENT);
    response.etag(b"one").unwrap();
    let block = BlockOption::new(4, true, 64).unwrap();
    response.block2(block).unwrap().payload(&[0; 64]);
    rig.answer(&request, response);
    rig.expect_failed(5, FetchFailure::Integrity);
}

#[test]
fn an_error_of_the_server_is_waited_out() {
    let mut rig = Rig::new();
    rig.write_uri(URI);
    rig.connect();
    rig.serve(3);
    rig.refuse(Code::INTERNAL_SERVER_ERROR);
    assert!(rig.request().is_none());
    rig.pass(Duration::from_secs(5));
    rig.serve(3);
    // 5.03 says how long (RFC 7252 §5.9.3.4).
    let request = rig.request().unwrap();
    let mut busy = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
    busy.max_age(100).unwrap();
    rig.answer(&request, busy);
    rig.pass(Duration::from_secs(99));
    assert!(rig.request().is_none());
    rig.pass(Duration::from_secs(1));
    rig.serve(100);
    assert_eq!(rig.asked, (0..16).collect::<Vec<u32>>());
    rig.expect_complete();
}

/// Result 4, after as much silence as is configured.
#[test]
fn a_server_that_stays_silent_is_given_up() {
    let mut config = config();
    config.downloads.silence = Duration::from_secs(600);
    let server = typed::Server::new(server_id(101), 86_400);
    let mut rig = Rig::with(config, tree(server));
    rig.write_uri(URI);
    rig.connect();
    rig.serve(5);
    let last = rig.bench.now;
    while rig.state() == (1, 0) {
        lwm2m_kit::sent(&mut rig.bench.client);
        rig.bench.now = rig.bench.client.poll_timeout().unwrap();
        rig.bench.client.handle_timeout(rig.bench.now);
        rig.note_events();
    }
    assert_eq!(rig.bench.now, last + Duration::from_secs(600));
    assert!(rig.interruptions() > 1);
    rig.expect_failed(4, FetchFailure::ConnectionLost);
}

/// Blocks that trickle in don't keep a download alive for ever.
#[test]
fn a_download_takes_no_longer_than_is_configured() {
    let mut config = config();
    config.downloads.within = Duration::from_secs(60);
    let server = typed::Server::new(server_id(101), 86_400);
    let mut rig = Rig::with(config, tree(server));
    rig.write_uri(URI);
    rig.connect();
    for _ in 0..11 {
        rig.serve(1);
        // The request for the next block is lost once.
        lwm2m_kit::sent(&mut rig.bench.client);
        rig.pass(Duration::from_secs(5));
    }
    assert_eq!(rig.state(), (1, 0));
    rig.pass(Duration::from_secs(5));
    rig.expect_failed(4, FetchFailure::ConnectionLost);
}

/// What it takes is counted on from before.
#[test]
fn the_time_for_which_a_client_is_offline_does_not_count() {
    let mut config = config();
    config.downloads.within = Duration::from_secs(60);
    let server = typed::Server::new(server_id(101), 86_400);
    let mut rig = Rig::with(config, tree(server));
    rig.write_uri(URI);
    rig.connect();
    rig.serve(3);
    rig.request();
    rig.pass(Duration::from_secs(29));
    for _ in 0..2 {
        rig.bench.client.go_offline(rig.bench.now);
        rig.pass(Duration::from_secs(1000));
        rig.bench.client.go_online(rig.bench.now);
        lwm2m_kit::sent(&mut rig.bench.client);
        rig.connect();
        rig.serve(1);
        rig.request();
        assert_eq!(rig.state(), (1, 0));
        rig.pass(Duration::from_secs(15));
    }
    assert_eq!(rig.state(), (1, 0));
    rig.pass(Duration::from_secs(1));
    rig.expect_failed(4, FetchFailure::ConnectionLost);
}

#[test]
fn a_package_that_is_too_large_fails() {
    for (largest, size) in [(999, 1000), (500, 1000)] {
        let mut config = config();
        config.downloads.largest = largest;
        let server = typed::Server::new(server_id(101), 86_400);
        let mut rig = Rig::with(config, tree(server));
        rig.image = image(size, 0);
        rig.write_uri(URI);
        rig.connect();
        rig.serve(100);
        assert_eq!(rig.asked, [0], "the first block announces the size");
        rig.expect_failed(2, FetchFailure::Storage);
    }
}

#[test]
fn the_application_may_refuse_a_block_or_the_whole() {
    let mut rig = Rig::new();
    rig.flash.lock().unwrap().room = Some(200);
    rig.write_uri(URI);
    rig.connect();
    rig.serve(100);
    assert_eq!(rig.state(), (0, 2));
    assert_eq!(rig.outcome(), Some(DownloadOutcome::Refused));
    assert_eq!(rig.asked, [0, 1, 2, 3]);
    rig.expect_over();

    let mut rig = Rig::new();
    rig.flash.lock().unwrap().is_damaged = true;
    rig.write_uri(URI);
    rig.connect();
    rig.serve(100);
    assert_eq!(rig.state(), (0, 5));
    rig.expect_over();
}

#[test]
fn a_uri_that_cannot_be_had_fails_without_a_connection() {
    for (uri, result) in [
        ("coap://user@files.example.org/fw", 7),
        ("coap://files.example.org/%zz", 7),
        ("coap://files.example.org/fw#part", 7),
        ("no uri", 7),
        ("ftp://files.example.org/fw", 9),
        ("coap+tcp://files.example.org/fw", 9),
    ] {
        let mut rig = Rig::new();
        rig.write_uri(uri);
        assert_eq!(rig.state(), (0, result), "{uri}");
        assert_eq!(rig.asked_connection(), None, "{uri}");
        rig.expect_over();
    }
}

/// The application finds no such host.
#[test]
fn the_application_may_give_up_a_download() {
    let mut rig = Rig::new();
    rig.write_uri(URI);
    rig.connection = rig.asked_connection();
    let (now, failure) = (rig.bench.now, FetchFailure::InvalidUri);
    let client = &mut rig.bench.client;
    assert!(client.downloads().give_up(now, path("/5/0/1"), failure));
    assert!(!client.downloads().give_up(now, path("/5/0/1"), failure));
    rig.note_events();
    rig.expect_failed(7, failure);
}

/// TS E.6, Resource 3: an empty Package or Package URI resets the state machine.
#[test]
fn an_empty_package_or_uri_stops_a_download() {
    let empty_package = || {
        let mut request = on(Method::Put, "/5/0/0");
        request.content_format(ContentFormat::OPAQUE).unwrap();
        request
    };
    let empty_uri = || {
        let mut request = on(Method::Put, "/5/0/1");
        request.content_format(ContentFormat::TEXT).unwrap();
        request
    };
    for reset in [empty_package, empty_uri] {
        let mut rig = Rig::new();
        rig.write_uri(URI);
        rig.connect();
        rig.serve(3);
        let under_way = rig.request().unwrap();
        assert_eq!(rig.bench.code(reset()), Code::CHANGED);
        rig.note_events();
        assert_eq!(rig.state(), (0, 0));
        assert_eq!(rig.outcome(), Some(DownloadOutcome::Stopped));
        rig.expect_over();
        // What still arrives changes nothing.
        let response = rig.block(&under_way);
        let message = under_way.message();
        let (id, token) = (message.message_id(), message.token());
        let wire = response.finish(MessageType::Acknowledgement, id, token);
        let late = Datagram::new(under_way.to, wire.as_ref());
        let result = rig.bench.client.handle_datagram(rig.bench.now, late);
        assert_eq!(result, Ok(()));
        assert_eq!(rig.state(), (0, 0));
        assert_eq!(rig.flash.lock().unwrap().bytes, [0; 0]);
        // A new one begins at the beginning.
        rig.asked.clear();
        rig.write_uri(URI);
        rig.connect();
        rig.serve(100);
        assert_eq!(rig.asked, (0..16).collect::<Vec<u32>>());
        rig.expect_complete();
    }
}

/// TS 7.1.4, item 3.
#[test]
fn a_coaps_uri_comes_with_the_keys_of_the_account_at_that_host() {
    let server = typed::Server::new(server_id(101), 86_400);
    let keys = typed::Security::pre_shared_key(
        "coaps://files.example.org:5700",
        server_id(101),
        "urn:dev:1",
        [7; 16],
    );
    let mut tree = tree(server);
    tree.add(Store::of([(InstanceId::ZERO, keys.clone())]));
    let mut rig = Rig::with(config(), tree);
    rig.write_uri("coaps://files.example.org/fw");
    let security = rig.events.iter().find_map(|event| match event {
        ClientEvent::ConnectForDownload { security, .. } => Some(security.clone()),
        _ => None,
    });
    assert_eq!(security, Some(Some(keys)));
    rig.connect();
    rig.serve(100);
    rig.expect_complete();
}

/// TS 5.4: a file server is no LwM2M Server.
#[test]
fn requests_of_the_file_server_are_met_with_silence() {
    let mut rig = Rig::new();
    rig.write_uri(URI);
    rig.connect();
    let request = rig.request().unwrap();
    let wire = get("/3/0").finish(MessageType::Confirmable, 7, Token::new(b"x").unwrap());
    let datagram = Datagram::new(request.to, wire.as_ref());
    let _ = rig.bench.client.handle_datagram(rig.bench.now, datagram);
    assert!(rig.request().is_none());
    let response = rig.block(&request);
    rig.answer(&request, response);
    rig.serve(100);
    rig.expect_complete();
}

type Packages = Arc<Mutex<Vec<(u16, Vec<u8>)>>>;

/// Object 9: each component has its own download, as many at once as is configured.
#[test]
fn software_is_fetched_one_component_after_the_other() {
    let packages = Packages::default();
    let arriving = Arc::clone(&packages);
    let application = move |component: InstanceId, event: software::Event<'_>| {
        let mut packages = arriving.lock().unwrap();
        match event {
            software::Event::Block { offset: 0, bytes } => {
                packages.push((component.get(), bytes.to_vec()));
            }
            software::Event::Block { bytes, .. } => {
                packages.last_mut().unwrap().1.extend_from_slice(bytes);
            }
            software::Event::Verify => {}
            other => panic!("{other:?}"),
        }
        Answer::Done
    };
    let server = typed::Server::new(server_id(101), 86_400);
    let mut tree = tree(server);
    let mut object = SoftwareManagementObject::new(Numbering::Registered, application);
    for id in 0..3 {
        let component = typed::SoftwareManagement::new("name", "1");
        object = object.with(lwm2m_kit::instance(id), component).unwrap();
    }
    tree.add(object);
    let mut config = config();
    config.downloads.most = 1;
    let mut rig = Rig::with(config, tree);
    for id in 0..3 {
        let uri = format!("coap://192.0.2.1/package/{id}");
        let mut request = on(Method::Put, &format!("/9/{id}/3"));
        request.content_format(ContentFormat::TEXT).unwrap();
        request.payload(uri.as_bytes());
        assert_eq!(rig.bench.code(request), Code::CHANGED);
    }
    let state = |rig: &Rig, id: u16| rig.bench.client.tree().get(path(&format!("/9/{id}/7")));
    for id in 0..3 {
        assert_eq!(state(&rig, id), Some(Value::Integer(1)), "DOWNLOAD STARTED");
        rig.connect();
        assert_eq!(
            rig.bench.client.downloads().all().count(),
            3 - usize::from(id)
        );
        let request = rig.request().unwrap();
        assert_eq!(request.path(), format!("/package/{id}"));
        assert_eq!(request.message().uri_host(), None);
        let response = rig.block(&request);
        rig.answer(&request, response);
        rig.serve(100);
        assert_eq!(state(&rig, id), Some(Value::Integer(3)), "DELIVERED");
    }
    let expected: Vec<_> = (0..3).map(|id| (id, rig.image.clone())).collect();
    assert_eq!(*packages.lock().unwrap(), expected);
    rig.expect_over();
}

/// Results 52 and 56 of the registered Object, 5 and 8 of the candidate.
#[test]
fn a_failed_download_of_software_has_its_own_results() {
    for (numbering, lost, invalid) in [
        (Numbering::Registered, 52, 56),
        (Numbering::Candidate, 5, 8),
    ] {
        for (failure, result) in [
            (FetchFailure::ConnectionLost, lost),
            (FetchFailure::InvalidUri, invalid),
        ] {
            let server = typed::Server::new(server_id(101), 86_400);
            let mut tree = tree(server);
            let component = typed::SoftwareManagement::new("name", "1");
            let object = SoftwareManagementObject::new(numbering, |_, _| Answer::Done);
            tree.add(object.with(InstanceId::ZERO, component).unwrap());
            let mut rig = Rig::with(config(), tree);
            let mut request = on(Method::Put, "/9/0/3");
            request.content_format(ContentFormat::TEXT).unwrap();
            request.payload(URI.as_bytes());
            assert_eq!(rig.bench.code(request), Code::CHANGED);
            let now = rig.bench.now;
            rig.bench
                .client
                .downloads()
                .give_up(now, path("/9/0/3"), failure);
            let read = rig.bench.client.tree().get(path("/9/0/9"));
            assert_eq!(read, Some(Value::Integer(result)));
        }
    }
}

/// An application that fetches itself is asked, as for other schemes.
#[test]
fn the_application_may_fetch_itself() {
    let fetched = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&fetched);
    let server = typed::Server::new(server_id(101), 86_400);
    let mut tree = tree(server);
    let firmware = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), move |event| {
        if let Event::Fetch { uri, offset } = event {
            log.lock().unwrap().push((uri.to_owned(), offset));
        }
        Answer::Later
    });
    tree.add(firmware.unwrap().pulled_by_application());
    let mut bench = Bench::with_tree(config(), tree);
    bench.accept_register();
    let mut request = on(Method::Put, "/5/0/1");
    request.content_format(ContentFormat::TEXT).unwrap();
    request.payload(URI.as_bytes());
    assert_eq!(bench.code(request), Code::CHANGED);
    assert_eq!(*fetched.lock().unwrap(), [(URI.to_owned(), 0)]);
    assert_eq!(bench.client.downloads().all().count(), 0);
    let firmware = ObjectId::FIRMWARE_UPDATE;
    let now = bench.now;
    let downloaded = bench
        .client
        .object(now, firmware, FirmwareUpdateObject::downloaded);
    assert_eq!(downloaded, Some(Ok(())));
}

/// Messages are lost, connections break and the image changes: what arrives in the end is one image,
/// whole, or the download has failed and nothing is left of it.
#[test]
fn whatever_is_lost_the_package_is_whole() {
    let (mut whole, mut changed) = (0, 0);
    for seed in 0..300_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut one_in = |limit: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random.is_multiple_of(limit)
        };
        let mut rig = Rig::new();
        rig.etag = (seed % 3 != 0).then_some(b"one");
        rig.write_uri(URI);
        rig.connect();
        for _ in 0..2000 {
            if rig.state().0 != 1 {
                break;
            }
            rig.note_events();
            if rig.asked_connection().is_some() {
                rig.connect();
            }
            // With an ETag it may change at any time, without one at its beginning only.
            let at_start = rig
                .bench
                .client
                .downloads()
                .all()
                .all(|known| known.received == 0);
            if one_in(40) && (rig.etag.is_some() || at_start) && changed < 1000 {
                changed += 1;
                rig.image = image(500 + changed, changed);
                rig.etag = rig
                    .etag
                    .map(|etag| if etag == b"one" { &b"two"[..] } else { b"one" });
            }
            for request in lwm2m_kit::sent(&mut rig.bench.client) {
                let is_download = Some(request.to) == rig.connection;
                if !is_download || one_in(4) || request.code() != Code::GET {
                    continue;
                }
                let response = rig.block(&request);
                if !one_in(4) {
                    let message = request.message();
                    let (id, token) = (message.message_id(), message.token());
                    let wire = response.finish(MessageType::Acknowledgement, id, token);
                    let datagram = Datagram::new(request.to, wire.as_ref());
                    // It may be late.
                    let _ = rig.bench.client.handle_datagram(rig.bench.now, datagram);
                }
            }
            if one_in(60) && rig.asked_connection().is_none() {
                let lost = rig.connection.expect("a connection");
                rig.bench.client.disconnected(rig.bench.now, lost);
                rig.note_events();
            }
            if let Some(due) = rig.bench.client.poll_timeout() {
                rig.bench.now = rig.bench.now.max(due);
                rig.bench.client.handle_timeout(rig.bench.now);
            }
            rig.note_events();
        }
        match rig.state() {
            (2, 0) => {
                whole += 1;
                rig.expect_complete();
            }
            state => {
                assert!(matches!(state, (0, 4 | 5)), "seed {seed}: {state:?}");
                assert_eq!(rig.flash.lock().unwrap().bytes, [0; 0], "seed {seed}");
                rig.expect_over();
            }
        }
    }
    assert!(
        whole > 200 && changed > 50,
        "{whole} whole, {changed} changes"
    );
}
