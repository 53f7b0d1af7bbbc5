//! The heap that a server needs for a large answer of small values. One test, because the
//! counter is global.

#[path = "server/support.rs"]
mod support;

use lwm2m_core::{Code, ContentFormat};
use lwm2m_kit::heap::change;
use lwm2m_statemachine::{
    Outcome, ServerConfig, ServerEvent,
    coap::{BlockOption, MessageBuf},
    server::{AnswerError, ServerBounds},
};

use support::{Sent, World, path};

lwm2m_kit::count_allocations!();

const BLOCK: usize = 1024;

/// What the server allocates besides the values of an answer: the next requests, events, tables.
const REST: usize = 16 << 10;

/// As many small values as fit in `size` bytes.
fn repeated(begin: &str, value: &[u8], end: &str, size: usize) -> Vec<u8> {
    let count = (size - begin.len() - end.len()) / value.len();
    [begin.as_bytes(), &value.repeat(count), end.as_bytes()].concat()
}

/// The smallest values of each format.
fn answers(size: usize) -> [(ContentFormat, Vec<u8>); 5] {
    let json = repeated(r#"{"bn":"/3/0/9","e":[{"v":1}"#, br#",{"v":1}"#, "]}", size);
    [
        // Resources without a value, multiple Resources without one, and Objects without anything.
        (ContentFormat::TLV, repeated("", &[0xC0, 0x00], "", size)),
        (ContentFormat::TLV, repeated("", &[0x80, 0x06], "", size)),
        (ContentFormat::JSON, json),
        (
            ContentFormat::LINK_FORMAT,
            repeated("</>", b",</>", "", size),
        ),
        // One value of many bytes.
        (ContentFormat::TEXT, vec![b'a'; size]),
    ]
}

/// A world with one client, and a request to it.
fn asked(format: ContentFormat, observe: bool, configure: fn(&mut ServerConfig)) -> (World, Sent) {
    let mut world = World::with(configure);
    let (client, _) = world.register();
    let now = world.now;
    let target = match format {
        ContentFormat::TEXT => path("/3/0/0"),
        ContentFormat::JSON => path("/3/0/9"),
        _ => path("/3/0"),
    };
    let asked = match format {
        ContentFormat::LINK_FORMAT => world.server.discover(now, client, target),
        _ if observe => world.server.observe(now, client, target, None),
        _ => world.server.read(now, client, target, None),
    };
    asked.unwrap();
    let request = world.sent_one();
    (world, request)
}

/// Answers block by block; returns the bytes that were allocated for the last one.
fn allocated_for(
    world: &mut World,
    mut request: Sent,
    format: ContentFormat,
    body: &[u8],
    observe: bool,
) -> usize {
    let blocks = body.chunks(BLOCK);
    let last = blocks.len() - 1;
    let mut allocated = 0;
    for (number, part) in blocks.enumerate() {
        let mut message = MessageBuf::response(Code::CONTENT);
        if observe && number == 0 {
            message.observe(1).unwrap();
        }
        message.content_format(format).unwrap();
        let option = BlockOption::new(u32::try_from(number).unwrap(), number < last, BLOCK);
        message.block2(option.unwrap()).unwrap().payload(part);
        allocated = change(|| world.answer(&request, message)).bytes_allocated;
        if number < last {
            request = world.sent_one();
        }
    }
    allocated
}

fn outcome(world: &mut World) -> Outcome {
    match world.event() {
        ServerEvent::Answered { outcome, .. } => outcome,
        event => panic!("{event:?}"),
    }
}

/// Even if a body of the largest size has the smallest values.
fn what_is_kept_of_an_answer_is_bounded() {
    let limit = ServerBounds::default().answer;
    let size = 1 << 20;
    for observe in [false, true] {
        for (format, body) in answers(size) {
            let (mut world, request) = asked(format, observe, |_| {});
            let observe = observe && format != ContentFormat::LINK_FORMAT;
            let allocated = allocated_for(&mut world, request, format, &body, observe);
            println!("{format}, {} bytes: {allocated} bytes", body.len());
            assert!(allocated <= limit + REST, "{format}: {allocated}");
            let too_large = AnswerError::TooLarge { limit };
            match outcome(&mut world) {
                Outcome::Content(_) if format == ContentFormat::TEXT && !observe => {}
                Outcome::Observing { content: Ok(_), .. } if format == ContentFormat::TEXT => {}
                Outcome::Undecodable(error) if !observe => assert_eq!(error, too_large),
                Outcome::Observing {
                    content: Err(error),
                    ..
                } => assert_eq!(error, too_large),
                outcome => panic!("{format}: {outcome:?}"),
            }
        }
    }
}

/// The configured bound is exact, to the value.
fn the_bound_is_that_of_the_configuration() {
    fn tight(config: &mut ServerConfig) {
        config.bounds.answer = 10_000;
    }
    let mut kept = Vec::new();
    for count in 1..100 {
        let (mut world, request) = asked(ContentFormat::TLV, false, tight);
        let body = [0xC1, 0x09, 0x64].repeat(count);
        let allocated = allocated_for(&mut world, request, ContentFormat::TLV, &body, false);
        assert!(allocated <= 10_000 + REST);
        match outcome(&mut world) {
            Outcome::Content(content) => kept.push(content.entries().len()),
            Outcome::Undecodable(error) => {
                assert_eq!(error, AnswerError::TooLarge { limit: 10_000 });
            }
            outcome => panic!("{outcome:?}"),
        }
    }
    // 128 bytes each, including those of the Object and its Object Instance.
    assert!(kept.iter().copied().eq(1..=kept.len()), "{kept:?}");
    assert!((70..78).contains(&kept.len()), "{}", kept.len());
}

#[test]
fn an_answer_takes_what_the_bound_says() {
    what_is_kept_of_an_answer_is_bounded();
    the_bound_is_that_of_the_configuration();
}
