//! Device Management & Service Enablement (TS 5.4, 8.2.5, 8.5).

use lwm2m_core::{AccessRights, Code, ContentFormat, InstanceId, Method, ObjectId, Value};
use lwm2m_kit::account;
use lwm2m_objects::{Change, Store, typed};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent,
    coap::{BlockOption, MessageBuf, MessageType, Token},
};

use crate::support::{Bench, get, on, path, server_id, tree};

/// TS 6.4.3.1, with the lengths that it gives.
pub(crate) const DEVICE_TLV: &[u8] = b"\xC8\x00\x14Open Mobile Alliance\
    \xC8\x01\x16Lightweight M2M Client\
    \xC8\x02\x09345000123\
    \xC3\x031.0\
    \x86\x06\x41\x00\x01\x41\x01\x05\
    \x88\x07\x08\x42\x00\x0E\xD8\x42\x01\x13\x88\
    \x87\x08\x41\x00\x7D\x42\x01\x03\x84\
    \xC1\x09\x64\
    \xC1\x0A\x0F\
    \x83\x0B\x41\x00\x00\
    \xC4\x0D\x51\x82\x42\x8F\
    \xC6\x0E+02:00\
    \xC1\x10U";

fn accept(path: &str, format: ContentFormat) -> MessageBuf {
    let mut request = get(path);
    request.accept(format).unwrap();
    request
}

fn with_payload(method: Method, path: &str, format: ContentFormat, payload: &[u8]) -> MessageBuf {
    let mut request = on(method, path);
    request.content_format(format).unwrap().payload(payload);
    request
}

#[test]
fn read_of_the_device_instance_is_the_example_of_ts_6_4_3_1() {
    let mut bench = Bench::new();
    for request in [get("/3/0"), accept("/3/0", ContentFormat::TLV)] {
        let answer = bench.request(b"abc", request);
        assert_eq!(answer.code(), Code::CONTENT);
        assert_eq!(answer.message().content_format(), Some(ContentFormat::TLV));
        assert_eq!(answer.payload(), DEVICE_TLV);
    }
    let answer = bench.request(b"abc", get("/3"));
    assert_eq!(answer.payload()[..3], [0x08, 0x00, 0x79]);
    assert_eq!(&answer.payload()[3..], DEVICE_TLV);
}

#[test]
fn read_of_a_resource_in_each_format() {
    let mut bench = Bench::new();
    for (request, format, payload) in [
        (
            accept("/3/0/0", ContentFormat::TEXT),
            ContentFormat::TEXT,
            &b"Open Mobile Alliance"[..],
        ),
        (
            accept("/3/0/9", ContentFormat::TLV),
            ContentFormat::TLV,
            b"\xC1\x09\x64",
        ),
        (get("/3/0/9"), ContentFormat::TLV, b"\xC1\x09\x64"),
        (
            accept("/3/0/9", ContentFormat::JSON),
            ContentFormat::JSON,
            br#"{"bn":"/3/0/9","e":[{"v":100}]}"#,
        ),
        (
            get("/3/0/6"),
            ContentFormat::TLV,
            b"\x86\x06\x41\x00\x01\x41\x01\x05",
        ),
    ] {
        let answer = bench.request(b"", request);
        assert_eq!(answer.code(), Code::CONTENT);
        assert_eq!(answer.message().content_format(), Some(format));
        assert_eq!(answer.payload(), payload);
    }
}

#[test]
fn a_read_in_blocks_is_not_torn_by_a_change() {
    let block = |number| {
        let mut request = get("/3/0");
        let option = BlockOption::new(number, false, 32).unwrap();
        request.block2(option).unwrap();
        request
    };
    let mut bench = Bench::new();
    let read = |bench: &mut Bench, change: bool| {
        let mut body = Vec::new();
        let mut etags = Vec::new();
        for number in 0.. {
            let answer = bench.request(b"b", block(number));
            assert_eq!(answer.code(), Code::CONTENT);
            body.extend_from_slice(answer.payload());
            let message = answer.message();
            etags.push(message.etag().map(<[u8]>::to_vec));
            if !message.block2().unwrap().more() {
                break;
            }
            if change {
                let level = i64::from(number);
                bench.client.set(bench.now, path("/3/0/9"), level).unwrap();
                // Other requests are served meanwhile.
                bench.works();
            }
        }
        assert!(etags[0].is_some());
        etags.dedup();
        assert_eq!(etags.len(), 1);
        body
    };
    assert_eq!(read(&mut bench, true), DEVICE_TLV);
    // Then it is read again.
    let now = read(&mut bench, false);
    assert_ne!(now, DEVICE_TLV);
    assert_eq!(now, bench.request(b"", get("/3/0")).payload());
}

#[test]
fn a_single_resource_is_text_where_the_configuration_says_so() {
    let mut config = ClientConfig::new("text", [3; 32]);
    config.single_resource_format = ContentFormat::TEXT;
    let mut bench = Bench::with_config(config, typed::Server::new(server_id(101), 300));
    bench.accept_register();
    let answer = bench.request(b"", get("/3/0/9"));
    assert_eq!(
        (answer.message().content_format(), answer.payload()),
        (Some(ContentFormat::TEXT), &b"100"[..])
    );
    let answer = bench.request(b"", get("/3/0/6"));
    assert_eq!(answer.message().content_format(), Some(ContentFormat::TLV));
}

#[test]
fn read_that_cannot_be_answered() {
    let mut bench = Bench::new();
    for (request, code) in [
        (get("/0"), Code::UNAUTHORIZED),
        (get("/0/0"), Code::UNAUTHORIZED),
        (get("/0/0/5"), Code::UNAUTHORIZED),
        (get("/9"), Code::NOT_FOUND),
        (get("/3/1"), Code::NOT_FOUND),
        (get("/3/0/17"), Code::NOT_FOUND),
        (get("/3/0/4"), Code::METHOD_NOT_ALLOWED),
        (get("/3/65535"), Code::NOT_FOUND),
        (get("/65539/0"), Code::NOT_FOUND),
        (get("/well-known/core"), Code::NOT_FOUND),
        (get("/"), Code::METHOD_NOT_ALLOWED),
        (accept("/3/0", ContentFormat::TEXT), Code::NOT_ACCEPTABLE),
        (accept("/3/0/6", ContentFormat::TEXT), Code::NOT_ACCEPTABLE),
        (
            accept("/3/0/0", ContentFormat::OPAQUE),
            Code::NOT_ACCEPTABLE,
        ),
        (accept("/3/0", ContentFormat::new(60)), Code::NOT_ACCEPTABLE),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(bench.code(request), code, "{shown}");
    }
    bench.works();
}

#[test]
fn the_security_object_is_shut_to_every_operation() {
    let mut bench = Bench::new();
    let mut observe = MessageBuf::request(Method::Get);
    observe
        .observe(0)
        .unwrap()
        .uri_path("0")
        .unwrap()
        .uri_path("0")
        .unwrap();
    let mut attributes = on(Method::Put, "/0/0");
    attributes.uri_query("pmin=1").unwrap();
    for request in [
        get("/0"),
        accept("/0/0", ContentFormat::LINK_FORMAT),
        observe,
        attributes,
        with_payload(Method::Put, "/0/0/0", ContentFormat::TEXT, b"coap://evil"),
        with_payload(Method::Post, "/0/0", ContentFormat::TLV, b"\xC1\x01\x01"),
        with_payload(Method::Post, "/0", ContentFormat::TLV, b""),
        on(Method::Post, "/0/0/4"),
        on(Method::Delete, "/0/0"),
        get("/0/99/99"),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(bench.code(request), Code::UNAUTHORIZED, "{shown}");
    }
    assert!(bench.events().is_empty());
}

#[test]
fn discover_tells_objects_instances_resources_and_dimensions() {
    let mut bench = Bench::new();
    let answer = bench.request(b"d", accept("/3", ContentFormat::LINK_FORMAT));
    assert_eq!(
        answer.message().content_format(),
        Some(ContentFormat::LINK_FORMAT)
    );
    assert_eq!(
        core::str::from_utf8(answer.payload()).unwrap(),
        "</3>,</3/0>,</3/0/0>,</3/0/1>,</3/0/2>,</3/0/3>,</3/0/4>,</3/0/6>;dim=2,</3/0/7>;dim=2,\
         </3/0/8>;dim=2,</3/0/9>,</3/0/10>,</3/0/11>;dim=1,</3/0/13>,</3/0/14>,</3/0/16>"
    );
    let answer = bench.request(b"d", accept("/1/0", ContentFormat::LINK_FORMAT));
    let expected: &[u8] = b"</1/0>,</1/0/0>,</1/0/1>,</1/0/6>,</1/0/7>,</1/0/8>";
    assert_eq!(answer.payload(), expected);
    let answer = bench.request(b"d", accept("/3/0/7", ContentFormat::LINK_FORMAT));
    assert_eq!(answer.payload(), b"</3/0/7>;dim=2");
    for (at, code) in [
        ("/9", Code::NOT_FOUND),
        ("/3/0/17", Code::NOT_FOUND),
        ("/", Code::METHOD_NOT_ALLOWED),
    ] {
        assert_eq!(
            bench.code(accept(at, ContentFormat::LINK_FORMAT)),
            code,
            "{at}"
        );
    }
}

/// TS Table 3: `dim` is a number of 0 to 255.
#[test]
fn discover_leaves_out_a_dimension_above_255() {
    for (entries, expected) in [
        (255, "</2/0/2>;dim=255"),
        (256, "</2/0/2>"),
        (65_535, "</2/0/2>"),
    ] {
        let rights = typed::AccessControl {
            target: typed::AclTarget::Instance(ObjectId::DEVICE, InstanceId::ZERO),
            acl: (0..entries).map(|id| (id, AccessRights::READ)).collect(),
            owner: 101,
        };
        let mut tree = tree(typed::Server::new(server_id(101), 86_400));
        tree.add(Store::of([(InstanceId::ZERO, rights)]));
        let config = ClientConfig::new("example-client", [7; 32]);
        let mut bench = Bench::with_tree(config, tree);
        bench.accept_register();
        let answer = bench.request(b"d", accept("/2/0/2", ContentFormat::LINK_FORMAT));
        assert_eq!(core::str::from_utf8(answer.payload()), Ok(expected));
    }
}

#[test]
fn write_of_a_resource_by_put_and_by_post() {
    for method in [Method::Put, Method::Post] {
        let mut bench = Bench::new();
        let request = with_payload(method, "/3/0/14", ContentFormat::TEXT, b"+01:00");
        assert_eq!(bench.code(request), Code::CHANGED);
        assert_eq!(
            bench.client.tree().get(path("/3/0/14")),
            Some(Value::from("+01:00"))
        );
        assert_eq!(
            bench.events(),
            [ClientEvent::Written {
                account: account(0),
                changes: vec![Change::Set {
                    path: path("/3/0/14"),
                    value: "+01:00".into()
                }],
            }]
        );
    }
}

#[test]
fn write_of_an_instance_bare_or_wrapped() {
    // Current Time and UTC Offset, as bare Resources and in the Object Instance.
    for payload in [
        &b"\xC1\x0D\x07\xC3\x0EUTC"[..],
        b"\x08\x00\x08\xC1\x0D\x07\xC3\x0EUTC",
    ] {
        let mut bench = Bench::new();
        let request = with_payload(Method::Post, "/3/0", ContentFormat::TLV, payload);
        assert_eq!(bench.code(request), Code::CHANGED);
        assert_eq!(
            bench.client.tree().get(path("/3/0/13")),
            Some(Value::Time(7))
        );
        assert_eq!(
            bench.client.tree().get(path("/3/0/14")),
            Some(Value::from("UTC"))
        );
    }
}

#[test]
fn write_of_an_instance_in_json() {
    let mut bench = Bench::new();
    let json = br#"{"bn":"/3/0/","e":[{"n":"14","sv":"Z"},{"n":"13","v":9}]}"#;
    let request = with_payload(Method::Put, "/3/0", ContentFormat::JSON, json);
    assert_eq!(bench.code(request), Code::CHANGED);
    assert_eq!(
        bench.client.tree().get(path("/3/0/13")),
        Some(Value::Time(9))
    );
    assert_eq!(
        bench.client.tree().get(path("/3/0/0")),
        Some(Value::from("Open Mobile Alliance"))
    );
}

#[test]
fn other_requests_are_served_while_a_body_is_coming() {
    let json = br#"{"bn":"/3/0/","e":[{"n":"13","v":9},{"n":"14","sv":"+02:00"}]}"#;
    let mut bench = Bench::new();
    let last = (json.len() - 1) / 16;
    for (number, payload) in json.chunks(16).enumerate() {
        let mut request = on(Method::Post, "/3/0");
        let option = BlockOption::new(u32::try_from(number).unwrap(), number < last, 16);
        request.content_format(ContentFormat::JSON).unwrap();
        request.block1(option.unwrap()).unwrap().payload(payload);
        let code = bench.code(request);
        if number == last {
            assert_eq!(code, Code::CHANGED);
            break;
        }
        assert_eq!(code, Code::CONTINUE);
        // Nothing has been written.
        assert_ne!(
            bench.client.tree().get(path("/3/0/13")),
            Some(Value::Time(9))
        );
        bench.works();
        let offset = if number % 2 == 0 { b"Z" } else { b"A" };
        let write = with_payload(Method::Put, "/3/0/14", ContentFormat::TEXT, offset);
        assert_eq!(bench.code(write), Code::CHANGED);
    }
    let value = |at| bench.client.tree().get(path(at));
    assert_eq!(value("/3/0/13"), Some(Value::Time(9)));
    assert_eq!(value("/3/0/14"), Some(Value::from("+02:00")));
}

/// RFC 7959 §2.5: the format is that of the body. Some servers send it with the first block only.
#[test]
fn a_write_in_blocks_is_of_the_format_that_its_first_block_says() {
    let json = br#"{"bn":"/3/0/","e":[{"n":"13","v":9},{"n":"14","sv":"+02:00"}]}"#;
    let mut bench = Bench::new();
    for (number, payload) in json.chunks(16).enumerate() {
        let more = (number + 1) * 16 < json.len();
        let option = BlockOption::new(u32::try_from(number).unwrap(), more, 16).unwrap();
        let mut request = on(Method::Post, "/3/0");
        if number == 0 {
            request.content_format(ContentFormat::JSON).unwrap();
        }
        request.block1(option).unwrap().payload(payload);
        let code = if more { Code::CONTINUE } else { Code::CHANGED };
        assert_eq!(bench.code(request), code);
    }
    let value = |at| bench.client.tree().get(path(at));
    assert_eq!(value("/3/0/13"), Some(Value::Time(9)));
    assert_eq!(value("/3/0/14"), Some(Value::from("+02:00")));
}

/// TS 5.4.3: of the Resource itself, and within its Object Instance.
#[test]
fn post_merges_an_array_and_put_replaces_it() {
    let both = [(101, 1), (102, 3)];
    let written = [(102, 15), (103, 1)];
    for (method, at, expected) in [
        (Method::Post, "/2/0/2", vec![(101, 1), (102, 15), (103, 1)]),
        (Method::Post, "/2/0", vec![(101, 1), (102, 15), (103, 1)]),
        (Method::Put, "/2/0/2", written.to_vec()),
        (Method::Put, "/2/0", written.to_vec()),
    ] {
        let rights = typed::AccessControl {
            target: typed::AclTarget::Instance(ObjectId::DEVICE, InstanceId::ZERO),
            acl: both
                .map(|(id, bits)| (id, AccessRights::from_bits(bits)))
                .into(),
            owner: 101,
        };
        let mut tree = tree(typed::Server::new(server_id(101), 86_400));
        tree.add(Store::of([(InstanceId::ZERO, rights)]));
        let mut bench = Bench::with_tree(ClientConfig::new("arrays", [7; 32]), tree);
        bench.accept_register();
        // The array, with the owner if it is the Object Instance that is written.
        let mut payload = b"\x86\x02\x41\x66\x0F\x41\x67\x01".to_vec();
        if at == "/2/0" {
            payload.extend_from_slice(b"\xC1\x03\x65");
        }
        let request = with_payload(method, at, ContentFormat::TLV, &payload);
        assert_eq!(bench.code(request), Code::CHANGED, "{method:?} {at}");
        let mut found = Vec::new();
        bench.client.tree().visit(path("/2/0/2"), |at, value| {
            let id = at.resource_instance().unwrap().get();
            found.push((id, value.to_owned()));
        });
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(id, bits)| (id, Value::Integer(bits)))
            .collect();
        assert_eq!(found, expected, "{method:?} {at}");
    }
}

#[test]
fn write_that_is_refused_changes_nothing() {
    let mut bench = Bench::new();
    let before = bench.request(b"", get("/3/0")).payload().to_vec();
    let text = |at, value: &'static [u8]| with_payload(Method::Put, at, ContentFormat::TEXT, value);
    let tlv = |at, value: &'static [u8]| with_payload(Method::Put, at, ContentFormat::TLV, value);
    let mut without_format = on(Method::Put, "/3/0/14");
    without_format.payload(b"x");
    for (request, code) in [
        (without_format, Code::BAD_REQUEST),
        (
            with_payload(Method::Put, "/3/0/14", ContentFormat::new(60), b"x"),
            Code::UNSUPPORTED_CONTENT_FORMAT,
        ),
        (
            with_payload(Method::Put, "/3/0/14", ContentFormat::LINK_FORMAT, b"x"),
            Code::UNSUPPORTED_CONTENT_FORMAT,
        ),
        (text("/3/0/13", b"noon"), Code::BAD_REQUEST),
        (text("/3/0/0", b"me"), Code::METHOD_NOT_ALLOWED),
        (text("/3/0/4", b"me"), Code::METHOD_NOT_ALLOWED),
        (text("/3/0/99", b"me"), Code::NOT_FOUND),
        (text("/3/1/14", b"me"), Code::NOT_FOUND),
        (tlv("/3/0", b"\xC1\x0D"), Code::BAD_REQUEST), // truncated
        (tlv("/3/0", b"\xC3\x0D\x01\x02\x03"), Code::BAD_REQUEST), // three bytes are no integer
        (
            tlv("/3/0", b"\xC3\x0EUTC\xC1\x09\x05"),
            Code::METHOD_NOT_ALLOWED,
        ), // 9 is read-only
        (
            tlv("/3/0", b"\xC3\x0EUTC\xC1\x63\x05"),
            Code::METHOD_NOT_ALLOWED,
        ), // 99 is unknown
        (
            tlv("/3", b"\x08\x00\x05\xC3\x0EUTC"),
            Code::METHOD_NOT_ALLOWED,
        ),
        (text("/1/0/1", b"0"), Code::BAD_REQUEST),
        (text("/1/0/7", b"UQSQ"), Code::BAD_REQUEST),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(bench.code(request), code, "{shown}");
    }
    assert_eq!(bench.request(b"", get("/3/0")).payload(), before);
    assert!(bench.events().is_empty());
}

#[test]
fn execute_is_answered_and_told_to_the_application() {
    let mut bench = Bench::new();
    let mut with_arguments = on(Method::Post, "/3/0/4");
    with_arguments.payload(b"0='now',1");
    let text = with_payload(Method::Post, "/3/0/4", ContentFormat::TEXT, b"5");
    for (request, arguments) in [
        (on(Method::Post, "/3/0/4"), ""),
        (with_arguments, "0='now',1"),
        (text, "5"),
    ] {
        assert_eq!(bench.code(request), Code::CHANGED);
        assert_eq!(
            bench.events(),
            [ClientEvent::Execute {
                account: account(0),
                path: path("/3/0/4"),
                arguments: arguments.into(),
            }]
        );
    }
}

/// TS E.2, Resource 4: the Client does it itself.
#[test]
fn disable_is_an_execute_that_the_application_is_not_told_of() {
    let disable = || on(Method::Post, "/1/0/4");
    let server = typed::Server::new(server_id(101), 86_400);
    let mut without = Bench::registered(server.clone());
    assert_eq!(without.code(disable()), Code::NOT_FOUND);
    assert!(without.client.is_registered(account(0)));
    let mut bench = Bench::registered(typed::Server {
        disable: true,
        ..server
    });
    let (answer, others) = bench.answered(b"d", disable());
    assert_eq!(answer.code(), Code::CHANGED);
    assert_eq!(others.len(), 1);
    assert_eq!(others[0].code(), Code::DELETE);
    assert_eq!(bench.events(), []);
    assert!(!bench.client.is_registered(account(0)));
}

#[test]
fn execute_that_is_refused() {
    let mut bench = Bench::new();
    let mut bad = on(Method::Post, "/3/0/4");
    bad.payload(b"10,'");
    let mut twice = on(Method::Post, "/3/0/4");
    twice.payload(b"0='a',1,0");
    let mut utf8 = on(Method::Post, "/3/0/4");
    utf8.payload(b"\xff");
    for (request, code) in [
        (bad, Code::BAD_REQUEST),
        (twice, Code::BAD_REQUEST),
        (utf8, Code::BAD_REQUEST),
        (
            with_payload(Method::Post, "/3/0/4", ContentFormat::TLV, b""),
            Code::BAD_REQUEST,
        ),
        (on(Method::Post, "/3/0/5"), Code::NOT_FOUND),
        (on(Method::Post, "/3/0/9"), Code::METHOD_NOT_ALLOWED),
        (on(Method::Post, "/3/0/7/0"), Code::NOT_FOUND),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(bench.code(request), code, "{shown}");
    }
    assert!(bench.events().is_empty());
}

#[test]
fn a_retransmitted_execute_runs_once_and_gets_the_same_answer() {
    let mut bench = Bench::new();
    let wire = on(Method::Post, "/3/0/4").finish(MessageType::Confirmable, 77, Token::EMPTY);
    bench.datagram(wire.as_ref());
    let first = bench.sent();
    bench.datagram(wire.as_ref());
    let second = bench.sent();
    assert_eq!(first.message().message_id(), second.message().message_id());
    assert_eq!(second.code(), Code::CHANGED);
    assert_eq!(bench.events().len(), 1);
}
