//! A firmware image of 10 MiB passes through endpoints that hold one block of it, in both
//! directions: the application supplies and takes it block by block. One test, because the counter
//! is global.

use core::time::Duration;

use lwm2m_core::{Code, Instant, Method};
use lwm2m_kit::heap::held;
use lwm2m_statemachine::{
    Datagram,
    coap::{Config, Endpoint, Event, Incoming, MessageBuf, RequestOptions},
};

lwm2m_kit::count_allocations!();

const IMAGE: usize = 10 << 20;
const BLOCK: usize = 1024;

/// The byte of the image at this offset.
fn byte(at: usize) -> u8 {
    (at / BLOCK * 31 + at).to_le_bytes()[0]
}

/// An application that checks each byte of the image and keeps none.
#[derive(Default)]
struct Flash {
    written: usize,
}

impl Flash {
    fn write(&mut self, offset: usize, block: &[u8]) {
        assert_eq!(offset, self.written);
        assert!(block.iter().zip(offset..).all(|(got, at)| *got == byte(at)));
        self.written += block.len();
    }
}

/// Two endpoints, and the maximum of the heap.
struct Pair {
    now: Instant,
    client: Endpoint<u8>,
    server: Endpoint<u8>,
    flash: Flash,
    before: usize,
    most: usize,
    answered: Option<Code>,
    /// The datagram in flight, in a buffer of its own.
    datagram: Vec<u8>,
}

impl Pair {
    fn new(configure: impl Fn(&mut Config)) -> Self {
        let node = |seed| {
            let mut config = Config::new([seed; 32]);
            config.stream_requests = true;
            configure(&mut config);
            Endpoint::new(config)
        };
        let datagram = Vec::with_capacity(2 * BLOCK);
        let before = held();
        Self {
            now: Instant::from_secs(1),
            client: node(1),
            server: node(2),
            flash: Flash::default(),
            before,
            most: 0,
            answered: None,
            datagram,
        }
    }

    /// Runs until the request is answered; 20 ms for each way.
    fn run(&mut self) {
        while self.answered.is_none() {
            self.supply();
            self.measure();
            let mut datagram = core::mem::take(&mut self.datagram);
            datagram.clear();
            if let Some(transmit) = self.client.poll_transmit() {
                datagram.extend_from_slice(transmit.payload);
                self.server_takes(&datagram);
            } else if let Some(transmit) = self.server.poll_transmit() {
                datagram.extend_from_slice(transmit.payload);
                self.client_takes(&datagram);
            }
            self.datagram = datagram;
            self.measure();
            self.now += Duration::from_millis(20);
            self.client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
        }
        assert!(self.answered.is_some_and(Code::is_success));
        assert_eq!(self.flash.written, IMAGE);
    }

    fn server_takes(&mut self, datagram: &[u8]) {
        let incoming = self.server.receive(self.now, &Datagram::new(1, datagram));
        match incoming.unwrap() {
            Some(Incoming::RequestBlock {
                responder,
                request,
                offset,
                more,
                ..
            }) => {
                self.flash.write(offset, request.payload());
                let code = if more { Code::CONTINUE } else { Code::CHANGED };
                self.server
                    .respond(self.now, responder, MessageBuf::response(code))
                    .unwrap();
            }
            Some(Incoming::Request { responder, .. }) => {
                let source = self
                    .server
                    .bodies()
                    .source(Some(u32::try_from(IMAGE).unwrap()));
                let head = MessageBuf::response(Code::CONTENT);
                self.server
                    .respond(self.now, responder, (head, source))
                    .unwrap();
            }
            None => {}
            other => panic!("{other:?}"),
        }
    }

    fn client_takes(&mut self, datagram: &[u8]) {
        let incoming = self.client.receive(self.now, &Datagram::new(2, datagram));
        match incoming.unwrap() {
            Some(Incoming::ResponseBlock {
                response, offset, ..
            }) => self.flash.write(offset, response.payload()),
            Some(Incoming::Response { response, .. }) => {
                if !response.payload().is_empty() {
                    self.flash.write(self.flash.written, response.payload());
                }
                self.answered = Some(response.code());
            }
            None => {}
            other => panic!("{other:?}"),
        }
    }

    /// Supplies what is wanted from the image, as from a file or flash.
    fn supply(&mut self) {
        for node in [&mut self.client, &mut self.server] {
            while let Some(event) = node.poll_event() {
                let Event::BlockWanted {
                    source,
                    offset,
                    length,
                    ..
                } = event
                else {
                    continue;
                };
                let mut block = [0; BLOCK];
                let block = &mut block[..length.min(IMAGE - offset)];
                for (byte_of, at) in block.iter_mut().zip(offset..) {
                    *byte_of = byte(at);
                }
                let more = offset + block.len() < IMAGE;
                node.bodies()
                    .supply(self.now, source, offset, block, more)
                    .unwrap();
            }
        }
    }

    fn measure(&mut self) {
        self.most = self.most.max(held().saturating_sub(self.before));
    }
}

/// A node that writes the image to another one.
fn put(configure: impl Fn(&mut Config)) -> usize {
    let mut pair = Pair::new(configure);
    let mut message = MessageBuf::request(Method::Put);
    message.uri_path("5").unwrap();
    let source = pair
        .client
        .bodies()
        .source(Some(u32::try_from(IMAGE).unwrap()));
    let options = RequestOptions::default();
    pair.client
        .request(pair.now, 2, (message, source), options)
        .unwrap();
    pair.run();
    pair.most
}

/// A node that reads the image from another one.
fn get(configure: impl Fn(&mut Config)) -> usize {
    let mut pair = Pair::new(configure);
    let mut message = MessageBuf::request(Method::Get);
    message.uri_path("image").unwrap();
    let options = RequestOptions {
        stream: true,
        ..RequestOptions::default()
    };
    pair.client.request(pair.now, 2, message, options).unwrap();
    pair.run();
    pair.most
}

/// With room for few records, as on a device, two endpoints need a few KiB: the current block,
/// recent messages and message ids. By default more is remembered: 512 requests of one peer,
/// without their blocks.
#[test]
fn an_image_of_10_mib_passes_through_a_few_kib() {
    let small = |config: &mut Config| config.bounds.records_per_peer = 4;
    for (what, held, most) in [
        ("written, small bounds", put(small), 12 << 10),
        ("read, small bounds", get(small), 12 << 10),
        ("written, default bounds", put(|_| {}), 160 << 10),
        ("read, default bounds", get(|_| {}), 160 << 10),
    ] {
        println!("{what}: at most {held} bytes in both endpoints");
        assert!(held < most, "{what}: {held} bytes");
    }
}
