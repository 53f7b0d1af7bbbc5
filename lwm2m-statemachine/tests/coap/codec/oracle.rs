//! `coap-lite` as an oracle: both codecs read and write the same. Where they differ, a test says
//! which is right, by which section.

use coap_lite::{
    CoapOption, MessageClass, Packet,
    block_handler::BlockValue,
    option_value::{OptionValueU16, OptionValueU32},
};
use lwm2m_core::{Code, ContentFormat};
use lwm2m_statemachine::coap::{
    BlockOption, FormatError, MessageBuf, MessageRef, MessageType, OptionError, OptionNumber, Token,
};
use proptest::{collection::vec, prelude::*};

use super::{Parts, assert_same, parts, we_read};

/// What `coap-lite` reads, as our parts; `None` if it refuses.
fn peer_reads(datagram: &[u8]) -> Option<Parts> {
    let packet = Packet::from_bytes(datagram).ok()?;
    let kind = match packet.header.get_type() {
        coap_lite::MessageType::Confirmable => MessageType::Confirmable,
        coap_lite::MessageType::NonConfirmable => MessageType::NonConfirmable,
        coap_lite::MessageType::Acknowledgement => MessageType::Acknowledgement,
        coap_lite::MessageType::Reset => MessageType::Reset,
    };
    let options = packet
        .options()
        .flat_map(|(number, values)| values.iter().map(|value| (*number, value.clone())))
        .collect();
    Some(Parts {
        kind,
        code: Code::from_byte(packet.header.code.into()),
        message_id: packet.header.message_id,
        token: Token::new(packet.get_token()).unwrap(),
        options,
        payload: packet.payload,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_by_coap_lite(parts in parts()) {
        let theirs = peer_reads(&parts.write()).unwrap();
        assert_same(&parts, &theirs);
    }

    #[test]
    fn what_coap_lite_writes_is_read(parts in parts()) {
        let mut packet = Packet::new();
        packet.header.set_type(match parts.kind {
            MessageType::Confirmable => coap_lite::MessageType::Confirmable,
            MessageType::NonConfirmable => coap_lite::MessageType::NonConfirmable,
            MessageType::Acknowledgement => coap_lite::MessageType::Acknowledgement,
            MessageType::Reset => coap_lite::MessageType::Reset,
        });
        packet.header.code = MessageClass::from(parts.code.to_byte());
        packet.header.message_id = parts.message_id;
        packet.set_token(parts.token.to_vec());
        for (number, value) in &parts.options {
            packet.add_option(CoapOption::from(*number), value.clone());
        }
        packet.payload.clone_from(&parts.payload);
        let datagram = packet.to_bytes_with_limit(usize::MAX).unwrap();
        assert_same(&we_read(&MessageRef::parse(&datagram).unwrap()), &parts);
    }

    #[test]
    fn arbitrary_bytes_are_read_as_coap_lite_reads_them_or_refused(
        start in prop_oneof![Just(0x40_u8), 0x40..0x80_u8, any::<u8>()],
        rest in vec(any::<u8>(), 0..60),
    ) {
        let mut datagram = vec![start];
        datagram.extend(rest);
        match (MessageRef::parse(&datagram), peer_reads(&datagram)) {
            (Ok(message), Some(theirs)) => assert_same(&we_read(&message), &theirs),
            (Ok(message), None) => panic!("coap-lite refuses {message:?}"),
            // See `what_coap_lite_reads_and_must_not`.
            (Err(error), Some(_)) => prop_assert!(
                matches!(
                    error.format,
                    FormatError::Version(_) | FormatError::Empty | FormatError::Payload
                ),
                "{error}"
            ),
            (Err(_), None) => {}
        }
    }

    /// Numeric options: both read the same value.
    #[test]
    fn numbers_are_read_as_coap_lite_reads_them(value in vec(any::<u8>(), 0..=6)) {
        let read = |number: u16| -> (Vec<u8>, Packet) {
            let datagram = with_option(number, &value);
            let packet = Packet::from_bytes(&datagram).unwrap();
            (datagram, packet)
        };
        let long = |packet: &Packet, option| {
            Some(packet.get_first_option_as::<OptionValueU32>(option)?.ok()?.0)
        };
        let short = |packet: &Packet, option| {
            Some(packet.get_first_option_as::<OptionValueU16>(option)?.ok()?.0)
        };

        let (datagram, packet) = read(6);
        let theirs = packet.get_observe_value().and_then(Result::ok);
        // See `an_observe_value_of_four_bytes_is_none`.
        let legal = value.len() <= 3;
        prop_assert_eq!(parse(&datagram).observe(), theirs.filter(|_| legal));

        let (datagram, packet) = read(12);
        let ours = parse(&datagram).content_format().map(ContentFormat::number);
        prop_assert_eq!(ours, short(&packet, CoapOption::ContentFormat));
        let (datagram, packet) = read(17);
        let ours = parse(&datagram).accept().map(ContentFormat::number);
        prop_assert_eq!(ours, short(&packet, CoapOption::Accept));

        let (datagram, packet) = read(14);
        let theirs = long(&packet, CoapOption::MaxAge).unwrap_or(60);
        prop_assert_eq!(parse(&datagram).max_age(), theirs);
        let (datagram, packet) = read(28);
        prop_assert_eq!(parse(&datagram).size2(), long(&packet, CoapOption::Size2));
        let (datagram, packet) = read(60);
        prop_assert_eq!(parse(&datagram).size1(), long(&packet, CoapOption::Size1));
    }

    /// Blocks up to number 4095, the last that fits in what coap-lite reads.
    #[test]
    fn blocks_are_read_and_written_as_by_coap_lite(
        number in 0..4096_u32,
        more: bool,
        exponent in 0..7_u32,
    ) {
        let size = 16 << exponent;
        let ours = BlockOption::new(number, more, size).unwrap();
        let theirs = BlockValue::new(number as usize, more, size).unwrap();
        let bytes = Vec::<u8>::from(theirs);
        let mut message = MessageBuf::response(Code::CONTENT);
        message.block2(ours).unwrap();
        let datagram: Vec<u8> = message
            .finish(MessageType::NonConfirmable, 1, Token::EMPTY)
            .into();
        let packet = Packet::from_bytes(&datagram).unwrap();
        prop_assert_eq!(packet.get_first_option(CoapOption::Block2), Some(&bytes));
        prop_assert_eq!(BlockOption::read(&bytes), Some(ours));
        prop_assert_eq!(parse(&datagram).block2(), Some(ours));
    }
}

fn parse(datagram: &[u8]) -> MessageRef<'_> {
    MessageRef::parse(datagram).unwrap()
}

/// A response with one option, and the option's bytes as they are.
fn with_option(number: u16, value: &[u8]) -> Vec<u8> {
    let mut packet = Packet::new();
    packet.header.code = MessageClass::from(Code::CONTENT.to_byte());
    packet.add_option(CoapOption::from(number), value.to_vec());
    packet.to_bytes_unlimited().unwrap()
}

#[test]
fn what_coap_lite_reads_and_must_not() {
    for (datagram, format) in [
        // Other versions than 1 are to be ignored (RFC 7252 §3).
        (&[0x00, 1, 0, 1][..], FormatError::Version(0)),
        (&[0x80, 1, 0, 1], FormatError::Version(2)),
        (&[0xc0, 1, 0, 1], FormatError::Version(3)),
        // A payload marker with no payload behind it is a format error (RFC 7252 §3).
        (&[0x40, 1, 0, 1, 0xff], FormatError::Payload),
        // So is a token, an option or a payload in an Empty message (RFC 7252 §4.1).
        (&[0x41, 0, 0, 1, 7], FormatError::Empty),
        (&[0x40, 0, 0, 1, 0xb1, b'x'], FormatError::Empty),
        (&[0x40, 0, 0, 1, 0xff, b'x'], FormatError::Empty),
    ] {
        assert!(Packet::from_bytes(datagram).is_ok(), "{datagram:x?}");
        let error = MessageRef::parse(datagram).unwrap_err();
        assert_eq!(error.format, format, "{datagram:x?}");
    }
}

/// A length of 14 is followed by 16 bits to which 269 is added (RFC 7252 §3.1): up to 65,804 bytes.
/// coap-lite adds in 16 bits, and refuses what these do not hold. No UDP datagram is that long.
#[test]
fn the_longest_option_values_are_read_though_not_by_coap_lite() {
    for (length, theirs) in [(65_535, true), (65_536, false), (65_804, false)] {
        let mut datagram = vec![0x40, 1, 0, 1, 0xee];
        datagram.extend((2_000 - 269_u16).to_be_bytes());
        datagram.extend(u16::try_from(length - 269).unwrap().to_be_bytes());
        datagram.resize(datagram.len() + length, b'x');
        let message = parse(&datagram);
        let options: Vec<_> = message.options().collect();
        assert_eq!(options.len(), 1);
        assert_eq!(options[0].0, OptionNumber::new(2_000));
        assert_eq!(options[0].1.len(), length);
        assert_eq!(Packet::from_bytes(&datagram).is_ok(), theirs, "{length}");
    }
}

/// Observe has 0 to 3 bytes (RFC 7641 §2), and an elective option of another length is to be
/// ignored (RFC 7252 §5.4.1, §5.4.3). coap-lite reads up to four.
#[test]
fn an_observe_value_of_four_bytes_is_none() {
    let datagram = with_option(6, &[0, 0, 0, 1]);
    let packet = Packet::from_bytes(&datagram).unwrap();
    assert_eq!(packet.get_observe_value().and_then(Result::ok), Some(1));
    let message = parse(&datagram);
    assert_eq!(message.observe(), None);
    assert_eq!(message.unrecognised(), None);
}

/// A block option has up to 3 bytes, 20 bits of them for the number (RFC 7959 §2.1, §2.2).
/// coap-lite reads two bytes, and ends at block 4095: with blocks of 1024 bytes, at 4 MiB.
#[test]
fn blocks_beyond_4095_are_read_though_not_by_coap_lite() {
    for (number, size) in [(4096, 1024), (10_239, 1024), (1_048_575, 16)] {
        let block = BlockOption::new(number, true, size).unwrap();
        let mut message = MessageBuf::response(Code::CONTENT);
        message.block2(block).unwrap();
        let datagram: Vec<u8> = message
            .finish(MessageType::NonConfirmable, 1, Token::EMPTY)
            .into();
        assert_eq!(parse(&datagram).block2(), Some(block));
        let packet = Packet::from_bytes(&datagram).unwrap();
        let theirs = packet.get_first_option_as::<BlockValue>(CoapOption::Block2);
        assert!(theirs.unwrap().is_err());
    }
}

/// The size 7 is reserved: never to be sent, and answered 4.00 in a request (RFC 7959 §2.2).
/// coap-lite takes it for 2048 bytes.
#[test]
fn a_block_of_the_reserved_size_is_none() {
    let datagram = with_option(23, &[0x0f]);
    let packet = Packet::from_bytes(&datagram).unwrap();
    let theirs = packet.get_first_option_as::<BlockValue>(CoapOption::Block2);
    assert_eq!(theirs.unwrap().unwrap().size(), 2048);
    assert_eq!(parse(&datagram).block2(), None);
    assert_eq!(BlockOption::new(0, true, 2048), None);
}

/// Where an option must not be repeated, every occurrence after the first counts as not
/// recognised (RFC 7252 §5.4.5): if elective, it is ignored; if critical, the message has a bad
/// option. coap-lite returns all of them and leaves that to the application.
#[test]
fn a_repeated_option_is_told_though_not_by_coap_lite() {
    let datagram = [0x40, 1, 0, 1, 0x31, b'a', 0x01, b'b', 0x30, 0x01, 1];
    let message = parse(&datagram);
    assert_eq!(message.unrecognised(), Some(OptionNumber::URI_HOST));
    assert_eq!(message.observe(), Some(0), "the first one");
    let packet = Packet::from_bytes(&datagram).unwrap();
    let hosts = packet.get_option(CoapOption::UriHost).unwrap();
    assert_eq!(hosts.len(), 2);
}

#[test]
fn what_coap_lite_writes_and_must_not() {
    // Token lengths from 9 on are reserved, never to be sent (RFC 7252 §3): here no such token can
    // be made.
    let mut packet = Packet::new();
    packet.header.code = MessageClass::from(Code::GET.to_byte());
    packet.set_token(vec![7; 9]);
    let error = MessageRef::parse(&packet.to_bytes().unwrap()).unwrap_err();
    assert_eq!(error.format, FormatError::TokenLength(9));
    assert!(Token::new(&[7; 9]).is_none());

    // A value longer than an option can be (RFC 7252 §3.1): coap-lite writes a wrong length, and
    // the rest of the value is read as options. Ours is an error before anything is written.
    let long = vec![0; 65_805];
    let mut packet = Packet::new();
    packet.header.code = MessageClass::from(Code::GET.to_byte());
    packet.add_option(CoapOption::Unknown(2_000), long.clone());
    let datagram = packet.to_bytes_unlimited().unwrap();
    let (_, value) = parse(&datagram).options().next().unwrap();
    assert_eq!(value.len(), 269);
    let error = MessageBuf::response(Code::CONTENT)
        .option(OptionNumber::new(2_000), &long)
        .unwrap_err();
    let expected = OptionError::Length {
        option: OptionNumber::new(2_000),
        length: 65_805,
    };
    assert_eq!(error, expected);
}
