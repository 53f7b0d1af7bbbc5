//! Every format error, told apart; every accessor.

use alloc::{vec, vec::Vec};

use super::*;
use crate::coap::option::OptionFault;

fn error(datagram: &[u8]) -> (FormatError, usize, Option<(MessageType, u16)>) {
    let error = MessageRef::parse(datagram).unwrap_err();
    (error.format, error.offset, error.header)
}

const CON: Option<(MessageType, u16)> = Some((MessageType::Confirmable, 0x1234));

#[test]
fn a_datagram_shorter_than_the_header_is_told() {
    for length in 0..4 {
        let datagram = &[0x40, 0, 0x12, 0x34][..length];
        assert_eq!(error(datagram), (FormatError::Header, length, None));
    }
}

#[test]
fn another_version_is_told_without_header() {
    for version in [0, 2, 3] {
        assert_eq!(
            error(&[version << 6, 0, 0x12, 0x34]),
            (FormatError::Version(version), 0, None)
        );
    }
}

#[test]
fn reserved_token_lengths_are_told() {
    for length in 9..=15 {
        let mut datagram = vec![0x40 | length, 1, 0x12, 0x34];
        datagram.extend([0; 15]);
        assert_eq!(error(&datagram), (FormatError::TokenLength(length), 0, CON));
    }
}

#[test]
fn a_token_cut_off_is_told() {
    assert_eq!(
        error(&[0x42, 1, 0x12, 0x34, 7]),
        (FormatError::Token, 5, CON)
    );
}

#[test]
fn an_empty_message_has_nothing_after_its_header() {
    assert!(MessageRef::parse(&[0x40, 0, 0x12, 0x34]).is_ok());
    for datagram in [
        &[0x40, 0, 0x12, 0x34, 0xff][..],
        &[0x41, 0, 0x12, 0x34, 1],
        &[0x41, 0, 0x12, 0x34],
        &[0x4f, 0, 0x12, 0x34],
    ] {
        assert_eq!(error(datagram), (FormatError::Empty, 4, CON));
    }
}

#[test]
fn reserved_nibbles_are_told() {
    for low in 0..15 {
        assert_eq!(
            error(&[0x40, 1, 0x12, 0x34, 0xf0 | low, 0]),
            (FormatError::OptionDelta, 4, CON)
        );
        assert_eq!(
            error(&[0x40, 1, 0x12, 0x34, low << 4 | 0x0f, 0, 0, 0, 0]),
            (FormatError::OptionLength, 4, CON)
        );
    }
}

#[test]
fn an_option_header_cut_off_is_told() {
    for option in [
        &[0xd0][..],
        &[0xe0],
        &[0xe0, 1],
        &[0x0d],
        &[0x0e],
        &[0x0e, 1],
        &[0xdd, 1],
        &[0xee, 1, 1, 1],
    ] {
        let mut datagram = vec![0x40, 1, 0x12, 0x34];
        datagram.extend(option);
        assert_eq!(
            error(&datagram),
            (FormatError::OptionHeader, datagram.len(), CON),
            "{option:x?}"
        );
    }
}

#[test]
fn an_option_value_cut_off_is_told() {
    assert_eq!(
        error(&[0x40, 1, 0x12, 0x34, 0xb2, b'r']),
        (FormatError::OptionValue(OptionNumber::URI_PATH), 6, CON)
    );
    assert_eq!(
        error(&[0x40, 1, 0x12, 0x34, 0xbd, 0]),
        (FormatError::OptionValue(OptionNumber::URI_PATH), 6, CON)
    );
}

#[test]
fn an_option_number_above_65535_is_told() {
    // 65535 = 269 + 0xfef2 is the last one that fits.
    let last = [0x40, 1, 0x12, 0x34, 0xe0, 0xfe, 0xf2];
    let message = MessageRef::parse(&last).unwrap();
    assert_eq!(
        message.options().collect::<Vec<_>>(),
        [(OptionNumber::new(65535), &[][..])]
    );
    assert_eq!(
        error(&[0x40, 1, 0x12, 0x34, 0xe0, 0xfe, 0xf3]),
        (FormatError::OptionNumber, 4, CON)
    );
    let mut beyond = last.to_vec();
    beyond.push(0x10);
    assert_eq!(error(&beyond), (FormatError::OptionNumber, 7, CON));
}

#[test]
fn a_marker_without_payload_is_told() {
    assert_eq!(
        error(&[0x40, 1, 0x12, 0x34, 0xff]),
        (FormatError::Payload, 4, CON)
    );
    assert_eq!(
        error(&[0x40, 1, 0x12, 0x34, 0xb1, b'x', 0xff]),
        (FormatError::Payload, 6, CON)
    );
}

#[test]
fn extended_deltas_and_lengths_are_read() {
    // Uri-Query of 13 bytes, then Size1 by a delta of 45, then an option 1000 of 269 bytes.
    let mut datagram = vec![0x51, 1, 0xff, 0xfe, 9, 0xdd, 2, 0];
    datagram.extend([b'q'; 13]);
    datagram.extend([0xd1, 32, 5]);
    datagram.extend([0xee, 0x02, 0x9f, 0, 0]);
    datagram.extend([7; 269]);
    datagram.extend([0xff, 0xff, 0x00]);
    let message = MessageRef::parse(&datagram).unwrap();
    assert_eq!(message.kind(), MessageType::NonConfirmable);
    assert_eq!(message.message_id(), 0xfffe);
    assert_eq!(message.token().as_bytes(), [9]);
    assert_eq!(message.uri_query().collect::<Vec<_>>(), ["qqqqqqqqqqqqq"]);
    assert_eq!(message.size1(), Some(5));
    let options: Vec<_> = message
        .options()
        .map(|(number, value)| (number.number(), value.len()))
        .collect();
    assert_eq!(options, [(15, 13), (60, 1), (1000, 269)]);
    assert_eq!(message.payload(), [0xff, 0x00]);
    assert_eq!(message.unrecognised(), None);
}

/// A GET with these option bytes.
fn with_options(options: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0x40, 1, 0, 1];
    datagram.extend(options);
    datagram
}

#[test]
fn critical_options_that_are_unknown_or_illegal_are_unrecognised() {
    for (options, unrecognised) in [
        (&[0x90][..], Some(9)),                        // unknown and critical
        (&[0xa0], None),                               // unknown and elective
        (&[0xd0, 0], None),                            // 13 is unknown and critical: below
        (&[0x30], Some(3)),                            // Uri-Host must not be empty
        (&[0x31, b'h', 0x01, b'h'], Some(3)),          // nor repeated
        (&[0x51, 0], Some(5)),                         // If-None-Match is empty
        (&[0x73, 0, 0, 0], Some(7)),                   // Uri-Port of 3 bytes
        (&[0x60, 0x00], None),                         // a second Observe is ignored
        (&[0xb1, 0xc3], Some(11)),                     // a path that is not UTF-8
        (&[0xb2, 0xc3, 0xa4], None),                   // one that is
        (&[0xb0, 0x00, 0x00], None),                   // empty segments
        (&[0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None), // option 0 is elective
    ] {
        let expected = if options == [0xd0, 0] {
            Some(13)
        } else {
            unrecognised
        };
        let datagram = with_options(options);
        let message = MessageRef::parse(&datagram).unwrap();
        assert_eq!(
            message.unrecognised().map(OptionNumber::number),
            expected,
            "{options:x?}"
        );
    }
}

#[test]
fn illegal_elective_options_are_as_if_absent() {
    // Content-Format of 3 bytes, Max-Age of 5; ETag of 9 bytes, then one of 1.
    let datagram = with_options(&[0xc3, 1, 2, 3, 0x25, 1, 2, 3, 4, 5]);
    let message = MessageRef::parse(&datagram).unwrap();
    assert_eq!(message.content_format(), None);
    assert_eq!(message.max_age(), 60);
    assert!(!message.has(OptionNumber::CONTENT_FORMAT));
    let datagram = with_options(&[0x49, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 7]);
    assert_eq!(MessageRef::parse(&datagram).unwrap().etag(), Some(&[7][..]));
}

#[test]
fn illegal_segments_of_a_location_are_left_out() {
    // "a", one that is not UTF-8, one of 256 bytes, "b"; then a Uri-Query.
    let mut options = vec![0x81, b'a', 0x01, 0xc3, 0x0d, 243];
    options.extend([b'x'; 256]);
    options.extend([0x01, b'b', 0x71, b'q']);
    let datagram = with_options(&options);
    let message = MessageRef::parse(&datagram).unwrap();
    assert_eq!(message.unrecognised(), None);
    assert_eq!(message.location_path().collect::<Vec<_>>(), ["a", "b"]);
    let mut query = message.uri_query();
    assert_eq!((query.next(), query.next()), (Some("q"), None));
}

#[test]
fn a_message_that_outlives_its_datagram_stays_the_same() {
    let datagram = [0x42, 1, 0x12, 0x34, 8, 9, 0xb1, b'x', 0xff, b'h', b'i'];
    let owned = MessageRef::parse(&datagram).unwrap().to_owned();
    assert_eq!(owned.payload(), b"hi");
    let message = owned.message();
    assert_eq!(
        (message.kind(), message.code()),
        (CON.unwrap().0, Code::GET)
    );
    assert_eq!(message.message_id(), 0x1234);
    assert_eq!(message.token().as_bytes(), [8, 9]);
    assert_eq!(message.uri_path().collect::<Vec<_>>(), ["x"]);
    assert_eq!(message.payload(), b"hi");
    let empty = MessageRef::parse(&datagram[..8]).unwrap().to_owned();
    assert_eq!(
        (empty.payload(), empty.message().payload()),
        (&[][..], &[][..])
    );
}

#[test]
fn only_the_first_of_a_repeated_elective_option_counts() {
    let datagram = with_options(&[0x61, 1, 0x01, 2, 0x61, 40, 0x01, 50]);
    let message = MessageRef::parse(&datagram).unwrap();
    assert_eq!(message.observe(), Some(1));
    assert_eq!(message.content_format(), Some(ContentFormat::LINK_FORMAT));
}

#[test]
fn typed_options_are_read() {
    let datagram = with_options(&[
        0x33, b'h', b'.', b'x', 0x12, 1, 2, 0x20, 0x12, 0x16, 0x33, 0x11, b'l', 0x31, b'p', 0x12,
        0x2d, 0x16, 0x21, 60, 0x11, b'q', 0x22, 0x2d, 0x16, 0x31, b'k', 0x31, 0x1a, 0x41, 0x2e,
        0x11, 99, 0xd1, 19, 9,
    ]);
    let message = MessageRef::parse(&datagram).unwrap();
    assert_eq!(message.uri_host(), Some("h.x"));
    assert_eq!(message.etag(), Some(&[1, 2][..]));
    assert_eq!(message.observe(), Some(0));
    assert_eq!(message.uri_port(), Some(5683));
    assert_eq!(message.location_path().collect::<Vec<_>>(), ["l"]);
    assert_eq!(message.uri_path().collect::<Vec<_>>(), ["p"]);
    assert_eq!(message.content_format(), Some(ContentFormat::TLV));
    assert_eq!(message.max_age(), 60);
    assert_eq!(message.uri_query().collect::<Vec<_>>(), ["q"]);
    assert_eq!(message.accept(), Some(ContentFormat::TLV));
    assert_eq!(message.location_query().collect::<Vec<_>>(), ["k"]);
    let block = message.block2().unwrap();
    assert_eq!((block.number(), block.more(), block.size()), (1, true, 64));
    let block = message.block1().unwrap();
    assert_eq!(
        (block.number(), block.more(), block.size()),
        (2, true, 1024)
    );
    assert_eq!(message.size2(), Some(99));
    assert_eq!(message.size1(), Some(9));
    assert_eq!(message.unrecognised(), None);
}

#[test]
fn a_reserved_block_size_is_no_block() {
    let datagram = with_options(&[0xd1, 10, 0x07]);
    let message = MessageRef::parse(&datagram).unwrap();
    assert!(message.has(OptionNumber::BLOCK2));
    assert_eq!(message.block2(), None);
}

/// RFC 7252 §5.4.1, §5.4.3, §5.4.5: a tool tells all that is wrong, in one message.
#[test]
fn every_offending_option_is_told_with_its_reason() {
    let options = [
        0x30, // Uri-Host, empty
        0x32, 0xc3, 0x28, // Observe
        0x51, b'a', // Uri-Path
        0x01, 0xff, // Uri-Path
        0x02, b'.', b'.', // Uri-Path
        0x62, 0x00, 0x2a, // Accept
        0x00, // Accept
        0x61, 0x0f, // Block2 of the reserved size
        0xe1, 0xfc, 0xdc, 7, // option 65024
    ];
    let datagram = with_options(&options);
    let message = MessageRef::parse(&datagram).unwrap();
    let offending: Vec<_> = message
        .offending()
        .map(|option| (option.number.number(), option.value, option.fault))
        .collect();
    let length = OptionFault::Length {
        length: 0,
        shortest: 1,
        longest: 255,
    };
    assert_eq!(
        offending,
        [
            (3, &[][..], length),
            (11, &[0xff], OptionFault::NotUtf8),
            (11, b"..", OptionFault::Value),
            (17, &[], OptionFault::Repeated),
            (23, &[0x0f], OptionFault::Value),
            (65_024, &[7], OptionFault::Unknown),
        ]
    );
    let legal = with_options(b"\xb1\x33\x01\x30");
    assert_eq!(MessageRef::parse(&legal).unwrap().offending().count(), 0);
}
