//! Properties of reading and writing messages, also against `coap-lite`.

mod oracle;

use lwm2m_core::{Code, CodeKind};
use lwm2m_statemachine::{
    Datagram,
    coap::{Config, Endpoint, MessageBuf, MessageRef, MessageType, OptionNumber, Token},
};
use proptest::{collection::vec, prelude::*};

/// The parts of a message.
#[derive(Clone, Debug)]
struct Parts {
    kind: MessageType,
    code: Code,
    message_id: u16,
    token: Token,
    options: Vec<(u16, Vec<u8>)>,
    payload: Vec<u8>,
}

impl Parts {
    fn write(&self) -> Vec<u8> {
        let mut message = MessageBuf::response(self.code);
        for (number, value) in &self.options {
            message.option(OptionNumber::new(*number), value).unwrap();
        }
        message.payload(&self.payload);
        message
            .finish(self.kind, self.message_id, self.token)
            .into()
    }
}

fn kinds() -> impl Strategy<Value = MessageType> {
    prop_oneof![
        Just(MessageType::Confirmable),
        Just(MessageType::NonConfirmable),
        Just(MessageType::Acknowledgement),
        Just(MessageType::Reset),
    ]
}

/// An option, known or unknown, with a value of a legal length.
fn options() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let number = prop_oneof![0..70_u16, 200..400_u16, any::<u16>()];
    (number, vec(any::<u8>(), 0..300)).prop_map(|(number, mut value)| {
        let (shortest, longest) = OptionNumber::new(number).lengths().unwrap_or((0, 300));
        value.truncate(longest.into());
        value.resize(value.len().max(shortest.into()), b'x');
        (number, value)
    })
}

fn parts() -> impl Strategy<Value = Parts> {
    (
        kinds(),
        (1..=255_u8).prop_map(Code::from_byte),
        any::<u16>(),
        vec(any::<u8>(), 0..=8),
        vec(options(), 0..8),
        vec(any::<u8>(), 0..40),
    )
        .prop_map(|(kind, code, message_id, token, mut options, payload)| {
            options.sort();
            options.dedup_by(|one, other| {
                one.0 == other.0 && !OptionNumber::new(one.0).is_repeatable()
            });
            Parts {
                kind,
                code,
                message_id,
                token: Token::new(&token).unwrap(),
                options,
                payload,
            }
        })
}

fn register() -> Vec<u8> {
    let hex = "4402123401020304b2726411283d0e65703d75726e3a6465763a6f733a3030323343372d3030303\
               030310\
               86c743d3836343030096c776d326d3d312e3003623d55ff3c2f3e3b72743d226f6d612e6c776d326d\
               223b63743d31313534332c3c2f312f303e2c3c2f312f313e2c3c2f322f303e2c3c2f322f313e2c3c2\
               f322f323e2c3c2f322f333e2c3c2f322f343e2c3c2f332f303e2c3c2f342f303e2c3c2f353e";
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn a_register_is_read_and_written_to_the_byte() {
    let datagram = register();
    assert_eq!(datagram.len(), 161);
    let message = MessageRef::parse(&datagram).unwrap();
    assert_eq!(message.uri_path().collect::<Vec<_>>(), ["rd"]);
    assert_eq!(
        message.uri_query().collect::<Vec<_>>(),
        [
            "ep=urn:dev:os:0023C7-000001",
            "lt=86400",
            "lwm2m=1.0",
            "b=U"
        ]
    );
    let mut again = MessageBuf::request(message.code().method().unwrap());
    again.uri_path("rd").unwrap();
    again
        .content_format(message.content_format().unwrap())
        .unwrap();
    again
        .uri_query_display(&format_args!("ep={}", "urn:dev:os:0023C7-000001"))
        .unwrap();
    again
        .uri_query_display(&format_args!("lt={}", 86400))
        .unwrap();
    again
        .uri_query("lwm2m=1.0")
        .unwrap()
        .uri_query("b=U")
        .unwrap();
    again.payload(message.payload());
    let again = again.finish(message.kind(), message.message_id(), message.token());
    assert_eq!(again.as_ref(), datagram);
}

fn we_read(message: &MessageRef<'_>) -> Parts {
    Parts {
        kind: message.kind(),
        code: message.code(),
        message_id: message.message_id(),
        token: message.token(),
        options: message
            .options()
            .map(|(number, value)| (number.number(), value.to_vec()))
            .collect(),
        payload: message.payload().to_vec(),
    }
}

fn assert_same(ours: &Parts, theirs: &Parts) {
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
}

proptest! {
    #[test]
    fn what_is_written_is_read(parts in parts()) {
        let datagram = parts.write();
        let message = MessageRef::parse(&datagram).unwrap();
        assert_same(&we_read(&message), &parts);
        let owned = message.to_owned();
        assert_same(&we_read(&owned.message()), &parts);
    }

    #[test]
    fn a_message_cut_off_is_refused_or_shorter(parts in parts(), cut in any::<prop::sample::Index>()) {
        let datagram = parts.write();
        let shorter = &datagram[..cut.index(datagram.len())];
        match MessageRef::parse(shorter) {
            Ok(message) => prop_assert!(
                message.payload().len() < parts.payload.len()
                    || message.options().count() < parts.options.len()
                    || (message.payload().is_empty() && parts.payload.len() == 1)
            ),
            Err(error) => prop_assert!(error.offset <= shorter.len()),
        }
    }

    /// Whatever arrives, the endpoint continues to work, and all that it holds expires.
    #[test]
    fn arbitrary_datagrams_do_an_endpoint_no_harm(
        datagrams in vec(
            prop_oneof![
                vec(any::<u8>(), 0..40),
                parts().prop_map(|parts| parts.write()),
            ],
            0..20,
        ),
        multicast in any::<bool>(),
    ) {
        let mut now = lwm2m_core::Instant::ZERO;
        let mut node = Endpoint::new(Config::new([9; 32]));
        for datagram in &datagrams {
            let datagram = Datagram { multicast, ..Datagram::new(1_u8, datagram) };
            let _ = node.receive(now, &datagram);
            while let Some(transmit) = node.poll_transmit() {
                let sent = MessageRef::parse(transmit.payload).unwrap();
                if multicast {
                    prop_assert_ne!(sent.kind(), MessageType::Reset);
                    prop_assert!(sent.code().kind() != CodeKind::Response || sent.code().is_success());
                }
            }
        }
        let ping = Datagram::new(2_u8, &[0x40, 0, 0, 1]);
        node.receive(now, &ping).unwrap();
        prop_assert_eq!(node.poll_transmit().unwrap().payload, [0x70, 0, 0, 1]);
        for _ in 0..1000 {
            while node.poll_transmit().is_some() {}
            while node.poll_event().is_some() {}
            let Some(next) = node.poll_timeout() else { break };
            now = next;
            node.handle_timeout(now);
        }
        prop_assert!(node.is_idle(), "{:?}", node.usage());
    }
}
