//! The Content-Format and the `ETag` of a body, which its first block has. Later blocks may leave
//! them out (RFC 7959 §2.4, §2.5); a block with different ones belongs to another body.

use lwm2m_core::{Code, ContentFormat, Method};
use lwm2m_statemachine::{
    Datagram,
    coap::{Endpoint, Incoming, MessageBuf, MessageRef, MessageType, RequestOptions},
};

use super::{
    exact::{Exact, Role},
    support::{Node, T0, block, body, config, get, refused, sent, wire, words},
};

const OPAQUE: Option<ContentFormat> = Some(ContentFormat::OPAQUE);

/// An exchange after which the application has one complete body, of this length and format.
#[track_caller]
fn whole(role: Role, lines: &str, length: usize, format: Option<ContentFormat>) {
    let mut exact = Exact::new(role, config(1, 1024), 0);
    exact.run(lines);
    assert_eq!(exact.got, [length]);
    assert_eq!(exact.formats, [format]);
}

#[test]
fn later_blocks_of_a_response_may_leave_out_its_content_format() {
    whole(
        Role::Client,
        "!c GET /x
         → CON 1 GET /x
         ← ACK 1 2.05 CF:42 2:0/1/16 [0..16]
         → CON 2 GET /x 2:1/0/16
         ← ACK 2 2.05 2:1/1/16 [16..32]
         → CON 3 GET /x 2:2/0/16
         ← ACK 3 2.05 CF:42 2:2/1/16 [32..48]
         → CON 4 GET /x 2:3/0/16
         ← ACK 4 2.05 2:3/0/16 [48..52]",
        52,
        OPAQUE,
    );
}

#[test]
fn later_blocks_of_the_response_to_an_upload_may_leave_out_its_content_format() {
    let lines = "!c POST /x 20
         → CON 1 POST /x 1:0/1/16 S1:20 RT [0..16]
         ← ACK 1 2.31 1:0/1/16
         → CON 2 POST /x 1:1/0/16 RT [16..20]
         ← ACK 2 2.04 1:1/0/16 CF:42 2:0/1/16 [0..16]
         → CON 3 POST /x 2:1/0/16 RT
         ← ACK 3 2.04 2:1/0/16 [16..20]";
    let mut exact = Exact::new(Role::Client, config(1, 16), 0);
    exact.run(lines);
    assert_eq!(
        (&exact.got[..], &exact.formats[..]),
        (&[20][..], &[OPAQUE][..])
    );
}

#[test]
fn later_blocks_of_a_notification_may_leave_out_its_content_format() {
    let mut exact = Exact::new(Role::Client, config(1, 1024), 0);
    exact.run(
        "!c observe /x
         → CON 1 GET /x O:0
         ← ACK 1 2.05 O:1 CF:42 [0..5]
         ← NON 9 @1 2.05 O:2 CF:42 2:0/1/16 [0..16]
         → CON 2 GET /x 2:1/0/16
         ← ACK 2 2.05 2:1/0/16 [16..20]",
    );
    assert_eq!(exact.got, [5, 20]);
    assert_eq!(exact.formats, [OPAQUE, OPAQUE]);
}

/// A body without a format has none: a later block with one belongs to another body.
#[test]
fn a_later_block_of_a_response_with_a_format_that_the_first_did_not_name_is_of_another_body() {
    whole(
        Role::Client,
        "!c GET /x
         → CON 1 GET /x
         ← ACK 1 2.05 2:0/1/16 [0..16]
         → CON 2 GET /x 2:1/0/16
         ← ACK 2 2.05 CF:42 2:1/0/16 [16..20]
         → CON 3 GET /x 2:0/0/1024 RT
         ← ACK 3 2.05 2:0/1/16 [0..16]
         → CON 4 GET /x 2:1/0/16 RT
         ← ACK 4 2.05 2:1/0/16 [16..20]",
        20,
        None,
    );
}

/// A client has to compare `ETag`s (RFC 7959 §2.4). A block without one says nothing about its
/// body.
#[test]
fn blocks_of_a_response_without_an_etag_say_nothing_of_their_body() {
    whole(
        Role::Client,
        "!c GET /x
         → CON 1 GET /x
         ← ACK 1 2.05 E:aa CF:42 2:0/1/16 [0..16]
         → CON 2 GET /x 2:1/0/16
         ← ACK 2 2.05 2:1/0/16 [16..20]",
        20,
        OPAQUE,
    );
    whole(
        Role::Client,
        "!c GET /x
         → CON 1 GET /x
         ← ACK 1 2.05 2:0/1/16 [0..16]
         → CON 2 GET /x 2:1/0/16
         ← ACK 2 2.05 E:aa 2:1/1/16 [16..32]
         → CON 3 GET /x 2:2/0/16
         ← ACK 3 2.05 2:2/0/16 [32..36]",
        36,
        None,
    );
}

#[test]
fn two_blocks_of_a_response_with_different_etags_are_of_two_bodies_whatever_is_between() {
    whole(
        Role::Client,
        "!c GET /x
         → CON 1 GET /x
         ← ACK 1 2.05 2:0/1/16 [0..16]
         → CON 2 GET /x 2:1/0/16
         ← ACK 2 2.05 E:aa 2:1/1/16 [16..32]
         → CON 3 GET /x 2:2/0/16
         ← ACK 3 2.05 2:2/1/16 [32..48]
         → CON 4 GET /x 2:3/0/16
         ← ACK 4 2.05 E:bb 2:3/0/16 [48..52]
         → CON 5 GET /x 2:0/0/1024 RT
         ← ACK 5 2.05 E:bb 2:0/0/64 [0..36]",
        36,
        None,
    );
}

#[test]
fn an_error_to_a_later_block_is_not_of_the_format_of_the_body() {
    whole(
        Role::Client,
        "!c GET /x
         → CON 1 GET /x
         ← ACK 1 2.05 CF:42 2:0/1/16 [0..16]
         → CON 2 GET /x 2:1/0/16
         ← ACK 2 4.04 [0..9]",
        9,
        None,
    );
}

#[test]
fn blocks_of_a_response_that_are_handed_on_are_of_the_format_of_the_first() {
    let mut node: Node = Endpoint::new(config(3, 1024));
    let options = RequestOptions {
        stream: true,
        ..RequestOptions::default()
    };
    node.request(T0, "peer", get("x"), options).unwrap();
    let mut formats = Vec::new();
    for number in 0..3 {
        let asked = sent(&mut node).remove(0);
        let asked = MessageRef::parse(&asked).unwrap();
        let mut answer = MessageBuf::response(Code::CONTENT);
        if number == 0 {
            answer.content_format(ContentFormat::OPAQUE).unwrap();
        }
        answer.block2(block(number, number < 2, 16)).unwrap();
        answer.payload(&body(16));
        let kind = MessageType::Acknowledgement;
        let answer = answer.finish(kind, asked.message_id(), asked.token());
        let incoming = node.receive(T0, &Datagram::new("peer", answer.as_ref()));
        match incoming.unwrap() {
            Some(
                Incoming::ResponseBlock { response, .. } | Incoming::Response { response, .. },
            ) => formats.push((response.content_format(), response.to_owned())),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(formats.len(), 3);
    for (format, owned) in formats {
        assert_eq!((format, owned.message().content_format()), (OPAQUE, OPAQUE));
    }
}

#[test]
fn later_blocks_of_a_request_may_leave_out_its_content_format() {
    whole(
        Role::Server,
        "→ CON 1 PUT /x CF:42 1:0/1/16 [0..16]
         ← ACK 1 2.31 1:0/1/16
         → CON 2 PUT /x 1:1/1/16 [16..32]
         ← ACK 2 2.31 1:1/1/16
         → CON 3 PUT /x CF:42 1:2/1/16 [32..48]
         ← ACK 3 2.31 1:2/1/16
         → CON 4 PUT /x 1:3/0/16 [48..52]
         ← ACK 4 2.04 1:3/0/16",
        52,
        OPAQUE,
    );
}

#[test]
fn a_later_block_of_a_request_with_a_format_that_the_first_did_not_name_is_of_another_body() {
    whole(
        Role::Server,
        "→ CON 1 PUT /x 1:0/1/16 [0..16]
         ← ACK 1 2.31 1:0/1/16
         → CON 2 PUT /x CF:42 1:1/0/16 [16..20]
         ← ACK 2 4.08 1:1/0/16
         → CON 3 PUT /x 1:1/0/16 [16..20]
         ← ACK 3 2.04 1:1/0/16",
        20,
        None,
    );
}

#[test]
fn blocks_of_a_request_that_are_handed_on_are_of_the_format_of_the_first() {
    let mut config = config(1, 1024);
    config.stream_requests = true;
    let mut exact = Exact::new(Role::Server, config, 0);
    exact.run(
        "→ CON 1 PUT /x CF:42 1:0/1/16 [0..16]
         ← ACK 1 2.04 1:0/0/16
         → CON 2 PUT /x 1:1/1/16 [16..32]
         ← ACK 2 2.04 1:1/0/16
         → CON 3 PUT /x 1:2/0/16 [32..36]
         ← ACK 3 2.04 1:2/0/16",
    );
    assert_eq!(exact.got, [16, 16, 4]);
    assert_eq!(exact.formats, [OPAQUE; 3]);
}

/// A block that is repeated in a new message is a repetition, with or without the format.
#[test]
fn a_repeated_block_of_a_request_may_leave_out_the_content_format() {
    let mut node: Node = Endpoint::new(config(1, 1024));
    let put = |number, format: Option<ContentFormat>, id| {
        let mut message = MessageBuf::request(Method::Put);
        message.uri_path("x").unwrap();
        if let Some(format) = format {
            message.content_format(format).unwrap();
        }
        message.block1(block(number, true, 16)).unwrap();
        message.payload(&body(16));
        wire(message, id)
    };
    refused(&mut node, T0, "peer", &put(0, OPAQUE, 1));
    refused(&mut node, T0, "peer", &put(1, None, 2));
    for (format, id) in [(None, 3), (OPAQUE, 4)] {
        let said = refused(&mut node, T0, "peer", &put(1, format, id));
        assert_eq!(words(&said), "ACK 2.31 1:1/1/16");
    }
}
