//! What is written, to the byte.

use alloc::{string::String, vec, vec::Vec};

use super::*;
use crate::coap::MessageRef;

/// RFC 7252, Appendix A, Figure 16 in its shape: CON GET with a path.
#[test]
fn a_request_is_written() {
    let mut message = MessageBuf::request(Method::Get);
    message.uri_path("temperature").unwrap();
    let wire = message.finish(MessageType::Confirmable, 0x7d34, Token::EMPTY);
    assert_eq!(wire.as_ref(), b"\x40\x01\x7d\x34\xbbtemperature");
}

/// RFC 7252, Appendix A, Figure 17 in its shape: a piggybacked response with token and payload.
#[test]
fn a_response_is_written() {
    let mut message = MessageBuf::response(Code::CONTENT);
    message.payload(b"22.3 C");
    let token = Token::new(&[0x20]).unwrap();
    let wire = message.finish(MessageType::Acknowledgement, 0x7d35, token);
    assert_eq!(wire.as_ref(), b"\x61\x45\x7d\x35\x20\xff22.3 C");
    assert_eq!(Vec::from(wire), b"\x61\x45\x7d\x35\x20\xff22.3 C");
}

#[test]
fn the_head_fits_every_token() {
    for length in 0..=8 {
        let token = Token::new(&[0xaa; 8][..length]).unwrap();
        let mut message = MessageBuf::request(Method::Put);
        message.uri_path("x").unwrap();
        let wire = message.finish(MessageType::NonConfirmable, 1, token);
        let read = MessageRef::parse(wire.as_ref()).unwrap();
        assert_eq!(read.token(), token);
        assert_eq!(read.kind(), MessageType::NonConfirmable);
        assert_eq!(read.uri_path().collect::<Vec<_>>(), ["x"]);
    }
}

#[test]
fn the_marker_goes_if_no_payload_follows() {
    let mut message = MessageBuf::response(Code::CHANGED);
    message.payload_mut();
    message.payload(b"");
    let wire = message.finish(MessageType::Acknowledgement, 1, Token::EMPTY);
    assert_eq!(wire.as_ref(), [0x60, 0x44, 0, 1]);
}

#[test]
fn a_payload_that_was_cut_too_far_does_no_harm() {
    let mut message = MessageBuf::response(Code::CHANGED);
    message.payload_mut().clear();
    let wire = message.finish(MessageType::Acknowledgement, 1, Token::EMPTY);
    assert!(MessageRef::parse(wire.as_ref()).is_ok());
}

#[test]
fn options_are_refused_out_of_order() {
    let mut message = MessageBuf::request(Method::Get);
    message.uri_query("a").unwrap();
    assert_eq!(
        message.uri_path("b").unwrap_err(),
        OptionError::Order {
            option: OptionNumber::URI_PATH,
            after: OptionNumber::URI_QUERY
        }
    );
    message.accept(ContentFormat::TEXT).unwrap();
    assert_eq!(
        message.accept(ContentFormat::TEXT).unwrap_err(),
        OptionError::Repeated(OptionNumber::ACCEPT)
    );
    message.payload(b"x");
    assert_eq!(
        message.uint(OptionNumber::SIZE1, 1).unwrap_err(),
        OptionError::AfterPayload(OptionNumber::SIZE1)
    );
}

#[test]
fn options_are_refused_with_illegal_lengths() {
    let long = "x".repeat(256);
    let mut message = MessageBuf::request(Method::Get);
    for error in [
        message.uri_path(&long).unwrap_err(),
        message.uri_path_display(&long).unwrap_err(),
    ] {
        assert_eq!(
            error,
            OptionError::Length {
                option: OptionNumber::URI_PATH,
                length: 256
            }
        );
    }
    assert!(message.etag(&[]).is_err());
    message
        .option(OptionNumber::new(2048), &vec![0; 65_535])
        .unwrap();
    assert!(
        message
            .option(OptionNumber::new(2049), &vec![0; 65_536])
            .is_err()
    );
}

#[test]
fn a_refused_option_leaves_no_trace() {
    let long = "x".repeat(256);
    let mut message = MessageBuf::request(Method::Get);
    assert!(message.uri_path_display(&long).is_err());
    assert!(message.uri_path(&long).is_err());
    assert!(message.uri_path_display(&"..").is_err());
    assert!(!message.has(OptionNumber::URI_PATH));
    assert!(message.observe(0).unwrap().uri_path("x").is_ok());
    assert_eq!(message.options().count(), 2);
}

#[test]
fn dot_segments_are_refused() {
    let mut message = MessageBuf::request(Method::Get);
    for segment in [".", ".."] {
        assert_eq!(
            message.location_path(segment).unwrap_err(),
            OptionError::DotSegment(OptionNumber::LOCATION_PATH)
        );
        assert_eq!(
            message.uri_path(segment).unwrap_err(),
            OptionError::DotSegment(OptionNumber::URI_PATH)
        );
    }
    for segment in [".", ".."] {
        assert_eq!(
            message.uri_path_display(&segment).unwrap_err(),
            OptionError::DotSegment(OptionNumber::URI_PATH)
        );
    }
    assert!(message.uri_path("...").is_ok());
    assert!(message.uri_path("").is_ok());
    // An argument of the query may be one.
    assert!(message.uri_query("..").is_ok());
    assert!(message.uri_query_display(&".").is_ok());
}

/// RFC 7252 §3.1: up to 12 in four bits, up to 268 in a byte more, then in two bytes more. The
/// options are unknown ones, of which all lengths are legal.
#[test]
fn deltas_and_lengths_are_extended_from_13_and_from_269_on() {
    let steps: [(u16, u8, &[u8]); 8] = [
        (0, 0, &[]),
        (12, 12, &[]),
        (13, 13, &[0]),
        (14, 13, &[1]),
        (268, 13, &[255]),
        (269, 14, &[0, 0]),
        (270, 14, &[0, 1]),
        (65_525, 14, &[0xfe, 0xe8]),
    ];
    let same = |messages: Vec<MessageBuf>, expected: &[u8]| {
        for message in messages {
            let wire = message.finish(MessageType::Confirmable, 1, Token::EMPTY);
            assert_eq!(wire.as_ref(), expected);
        }
    };
    for (delta, nibble, extension) in steps {
        let first = if delta < 14 { 9 } else { 10 };
        let number = OptionNumber::new(first + delta);
        let mut begun = MessageBuf::request(Method::Get);
        begun.option(OptionNumber::new(first), &[]).unwrap();
        let mut messages = vec![begun; 3];
        messages[0].option(number, b"7").unwrap();
        messages[1].uint(number, b'7'.into()).unwrap();
        messages[2].display(number, &7).unwrap();
        let [_, first] = (first << 4).to_be_bytes();
        let head = [0x40, 1, 0, 1, first, nibble << 4 | 1];
        same(messages, &[&head, extension, b"7"].concat());
    }
    for (length, nibble, extension) in steps {
        let text = "y".repeat(length.into());
        let number = OptionNumber::new(2);
        let mut messages = vec![MessageBuf::request(Method::Get); 2];
        messages[0].option(number, text.as_bytes()).unwrap();
        messages[1].display(number, &text).unwrap();
        let head = [0x40, 1, 0, 1, 0x20 | nibble];
        same(messages, &[&head, extension, text.as_bytes()].concat());
    }
}

#[test]
fn long_options_are_written_and_read() {
    for length in [0, 1, 12, 13, 14, 254, 255] {
        let text = "y".repeat(length);
        let mut one = MessageBuf::request(Method::Get);
        one.uri_query(&text).unwrap().uri_query("z").unwrap();
        let mut other = MessageBuf::request(Method::Get);
        other.uri_query_display(&text).unwrap();
        other.uri_query_display(&'z').unwrap();
        let one = one.finish(MessageType::Confirmable, 1, Token::EMPTY);
        let other = other.finish(MessageType::Confirmable, 1, Token::EMPTY);
        assert_eq!(one.as_ref(), other.as_ref());
        let read = MessageRef::parse(one.as_ref()).unwrap();
        assert_eq!(read.uri_query().collect::<Vec<_>>(), [text.as_str(), "z"]);
    }
    for length in [268, 269, 300, 65_535] {
        let value = vec![1; 65_535];
        let mut message = MessageBuf::request(Method::Get);
        let number = OptionNumber::new(300);
        message.option(number, &value[..length]).unwrap();
        let wire = message.finish(MessageType::Confirmable, 1, Token::EMPTY);
        let read = MessageRef::parse(wire.as_ref()).unwrap();
        assert_eq!(
            read.options().collect::<Vec<_>>(),
            [(number, &value[..length])]
        );
    }
}

#[test]
fn typed_options_are_written() {
    let mut message = MessageBuf::response(Code::CREATED);
    message.etag(&[1]).unwrap().observe(0x0100_0002).unwrap();
    message
        .location_path("rd")
        .unwrap()
        .location_path("7")
        .unwrap();
    message.content_format(ContentFormat::TEXT).unwrap();
    message.max_age(3600).unwrap();
    message
        .block2(BlockOption::new(1, false, 512).unwrap())
        .unwrap();
    message
        .block1(BlockOption::new(2, true, 16).unwrap())
        .unwrap();
    assert!(message.has(OptionNumber::BLOCK1));
    assert_eq!(message.options().count(), 8);
    assert_eq!(message.payload_bytes(), b"");
    message.payload(b"ab").payload(b"c");
    assert_eq!(message.payload_bytes(), b"abc");
    let wire = message.finish(MessageType::Acknowledgement, 1, Token::EMPTY);
    let read = MessageRef::parse(wire.as_ref()).unwrap();
    assert_eq!(read.etag(), Some(&[1][..]));
    assert_eq!(read.observe(), Some(2));
    assert_eq!(read.location_path().collect::<String>(), "rd7");
    assert_eq!(read.content_format(), Some(ContentFormat::TEXT));
    assert_eq!(read.max_age(), 3600);
    assert_eq!(read.block2(), BlockOption::new(1, false, 512));
    assert_eq!(read.block1(), BlockOption::new(2, true, 16));
    assert_eq!(read.payload(), b"abc");
}

/// RFC 7252 §12.1: codes that this crate has no name for are written and read, too.
#[test]
fn a_message_of_any_code_is_written() {
    for byte in 1..=u8::MAX {
        let mut message = MessageBuf::new(Code::from_byte(byte));
        message.uri_path("x").unwrap().payload(b"y");
        let wire = message.finish(MessageType::NonConfirmable, 1, Token::EMPTY);
        assert_eq!(wire.as_ref(), [0x50, byte, 0, 1, 0xb1, b'x', 0xff, b'y']);
        assert_eq!(
            MessageRef::parse(wire.as_ref()).unwrap().code(),
            Code::from_byte(byte)
        );
    }
    let empty = MessageBuf::with_capacity(Code::EMPTY, 0);
    let wire = empty.finish(MessageType::Reset, 0x0102, Token::EMPTY);
    assert_eq!(wire.as_ref(), [0x70, 0, 1, 2]);
    assert!(MessageRef::parse(wire.as_ref()).is_ok());
}

/// RFC 7641 §2: the option has 3 bytes, of a larger number the lower 24 bits.
#[test]
fn of_an_observe_number_24_bits_are_written() {
    for (number, bytes) in [
        (0x00ff_ffff, &[0xff, 0xff, 0xff][..]),
        (0x0100_0000, &[]),
        (0x0100_0001, &[1]),
        (u32::MAX, &[0xff, 0xff, 0xff]),
    ] {
        let mut message = MessageBuf::response(Code::CONTENT);
        message.observe(number).unwrap();
        let (_, value) = message.options().next().unwrap();
        assert_eq!(value, bytes, "{number:#x}");
    }
}
