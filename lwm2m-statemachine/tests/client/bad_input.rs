//! Whatever arrives, the Client continues to work (RFC 7252 §4.2, §4.3, §5.4.1).

use lwm2m_core::Code;
use lwm2m_statemachine::{
    Client, ClientConfig, ConnectionId, Datagram,
    coap::{MessageBuf, MessageType, OptionNumber, Token},
};
use proptest::prelude::*;

use crate::support::{Bench, get};

/// An unknown critical option.
const UNKNOWN_CRITICAL: OptionNumber = OptionNumber::new(65_001);

#[test]
fn truncated_and_corrupt_datagrams_are_rejected_or_ignored() {
    let mut bench = Bench::new();
    let wire = get("/3/0/0").finish(MessageType::Confirmable, 5, Token::new(b"tk").unwrap());
    for (bytes, reset) in [
        (&b""[..], false),
        (b"\x40\x01\x12", false),          // shorter than a header
        (b"\x80\x01\x00\x07", false),      // version 2
        (b"\x49\x01\x00\x07", true),       // token length 9
        (b"\x42\x01\x00\x08\x01", true),   // truncated token
        (b"\x40\x01\x00\x09\xb5rd", true), // truncated option
        (b"\x40\x01\x00\x0a\xf1x", true),  // reserved delta
        (b"\x40\x01\x00\x0b\xff", true),   // marker without payload
        (b"\x50\x01\x00\x0c\xff", false),  // the same, non-confirmable
        (b"\x40\x00\x00\x0d\x01", true),   // an Empty message that is not
        (b"\x40\x20\x00\x0e", true),       // a reserved code
        (b"\x60\x45\x12\x34", false),      // an acknowledgement of nothing
        (b"\x70\x00\x12\x34", false),      // a Reset of nothing
    ] {
        bench.datagram(bytes);
        let sent = bench.all_sent();
        assert_eq!(sent.len(), usize::from(reset), "{bytes:02x?}");
        if let [sent] = &sent[..] {
            assert_eq!(
                (sent.kind(), sent.code()),
                (MessageType::Reset, Code::EMPTY)
            );
        }
    }
    let truncated = &wire.as_ref()[..wire.as_ref().len() - 1];
    bench.datagram(truncated);
    bench.all_sent();
    bench.works();
}

#[test]
fn an_unknown_critical_option_is_a_bad_option_or_silence() {
    let mut bench = Bench::new();
    let request = || {
        let mut request = get("/3/0/0");
        request.option(UNKNOWN_CRITICAL, b"x").unwrap();
        request
    };
    assert_eq!(bench.code(request()), Code::BAD_OPTION);
    let wire = request().finish(MessageType::NonConfirmable, 5, Token::EMPTY);
    bench.datagram(wire.as_ref());
    for sent in bench.all_sent() {
        assert_eq!(
            sent.kind(),
            MessageType::Reset,
            "silence or a Reset (RFC 7252 §5.4.1)"
        );
    }
    bench.works();
}

#[test]
fn an_unknown_critical_option_in_a_response_rejects_it() {
    let mut bench = Bench::new();
    bench.client.update(bench.now, lwm2m_kit::account(0));
    let update = bench.sent();
    let response = || {
        let mut response = MessageBuf::response(Code::CHANGED);
        response.option(UNKNOWN_CRITICAL, b"x").unwrap();
        response
    };
    // In an acknowledgement it is dropped as if unmatched.
    bench.answer(&update, response());
    assert!(bench.all_sent().is_empty() && bench.events().is_empty());
    // In a confirmable response it is rejected with a Reset.
    let token = update.message().token();
    let wire = response().finish(MessageType::Confirmable, 0x55, token);
    bench.datagram(wire.as_ref());
    assert_eq!(bench.sent().kind(), MessageType::Reset);
    bench.works();
}

#[test]
fn a_peer_that_is_no_server_gets_silence() {
    let mut bench = Bench::new();
    let connection: ConnectionId = bench.connection;
    bench.client.disconnected(bench.now, connection);
    bench.all_sent();
    // The old connection is closed.
    let wire = get("/3/0/0").finish(MessageType::Confirmable, 5, Token::EMPTY);
    bench.datagram(wire.as_ref());
    assert!(bench.all_sent().is_empty());
}

#[test]
fn a_ping_is_answered_with_a_reset() {
    let mut bench = Bench::new();
    bench.datagram(&[0x40, 0, 0x12, 0x34]);
    let pong = bench.sent();
    assert_eq!(
        (pong.kind(), pong.message().message_id()),
        (MessageType::Reset, 0x1234)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_datagrams_do_no_harm(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..32),
    ) {
        let mut bench = Bench::new();
        for datagram in &datagrams {
            bench.datagram(datagram);
        }
        bench.all_sent();
        bench.events();
        bench.works();
    }

    #[test]
    fn the_same_input_gives_the_same_bytes(seed in any::<[u8; 32]>()) {
        let run = || {
            let server = lwm2m_objects::typed::Server::new(crate::support::server_id(1), 60);
            let config = ClientConfig::new("same", seed);
            let mut bench = Bench::with_config(config, server);
            let mut bytes: Vec<Vec<u8>> = Vec::new();
            for _ in 0..20 {
                let due = bench.client.poll_timeout().unwrap();
                bench.client.handle_timeout(due);
                bench.client.poll_event();
                while let Some(transmit) = bench.client.poll_transmit() {
                    bytes.push(transmit.payload.to_vec());
                }
            }
            bytes
        };
        prop_assert_eq!(run(), run());
    }
}

#[test]
fn a_client_can_be_moved_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Client>();
    is_send::<Datagram<'_, ConnectionId>>();
}
