//! What counts as a change (TS 5.1.2, 5.5.2).

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, DataType, InstanceId, Method, ObjectId};
use lwm2m_objects::{ObjectDefinition, Operations, ResourceDefinition, Store, typed};
use lwm2m_statemachine::{ClientConfig, ClientEvent};

use crate::{
    observe::observe,
    support::{Bench, on, path, server_id, tree},
};

/// An Object with a write-only Resource, among others.
static RESOURCES: [ResourceDefinition; 4] = [
    ResourceDefinition::new(0, "Name", Operations::ReadWrite, DataType::String),
    ResourceDefinition::new(1, "Key", Operations::Write, DataType::Opaque),
    ResourceDefinition::new(2, "Levels", Operations::ReadWrite, DataType::Integer).multiple(),
    ResourceDefinition::executable(3, "Erase"),
];
static KEYS: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(26241),
    "Keys",
    "urn:oma:lwm2m:x:26241",
    &RESOURCES,
);

fn keys() -> Bench {
    let store = Store::new(&KEYS)
        .with(InstanceId::ZERO, 0, "front")
        .with(InstanceId::ZERO, 1, &b"key"[..])
        .with_instances(InstanceId::ZERO, 2, [(0, 1), (1, 2)])
        .with_executable(InstanceId::ZERO, 3);
    let mut tree = tree(typed::Server::new(server_id(101), 86_400));
    tree.add(store);
    let mut bench = Bench::with_tree(ClientConfig::new("keys", [9; 32]), tree);
    bench.accept_register();
    for (token, at) in (b'a'..).zip(["/26241", "/26241/0", "/26241/0/0", "/26241/0/2"]) {
        bench.request(&[token], observe(0, at));
    }
    bench
}

/// The tokens of the notifications.
fn notified(bench: &mut Bench) -> String {
    bench.pass(Duration::from_secs(1));
    let sent = bench.all_sent();
    let tokens = sent
        .iter()
        .flat_map(|sent| sent.message().token().as_bytes().to_vec());
    let mut tokens: Vec<u8> = tokens.collect();
    tokens.sort_unstable();
    String::from_utf8(tokens).unwrap()
}

/// TS 5.1.2 speaks of changes of a value that is read.
#[test]
fn what_reads_the_same_after_a_write_notifies_nobody() {
    const NAME_AND_KEY: &[u8] = b"\xC5\x00front\xC5\x01other";
    for (method, at, format, payload, tokens) in [
        // The same value again, alone and with all others.
        (
            Method::Put,
            "/26241/0/0",
            ContentFormat::TEXT,
            &b"front"[..],
            "",
        ),
        (
            Method::Put,
            "/26241/0/2",
            ContentFormat::TLV,
            b"\x86\x02\x41\x00\x01\x41\x01\x02",
            "",
        ),
        (
            Method::Post,
            "/26241/0/2",
            ContentFormat::TLV,
            b"\x83\x02\x41\x01\x02",
            "",
        ),
        // A Resource that can't be read.
        (
            Method::Put,
            "/26241/0/1",
            ContentFormat::OPAQUE,
            b"other",
            "",
        ),
        (
            Method::Post,
            "/26241/0",
            ContentFormat::TLV,
            NAME_AND_KEY,
            "",
        ),
        // Any difference.
        (
            Method::Put,
            "/26241/0/0",
            ContentFormat::TEXT,
            b"back",
            "abc",
        ),
        (
            Method::Post,
            "/26241/0/2",
            ContentFormat::TLV,
            b"\x83\x02\x41\x01\x03",
            "abd",
        ),
        (
            Method::Put,
            "/26241/0/2",
            ContentFormat::TLV,
            b"\x83\x02\x41\x01\x02",
            "abd",
        ),
        // A Replace removes the array, and leaves the name as it is.
        (
            Method::Put,
            "/26241/0",
            ContentFormat::TLV,
            NAME_AND_KEY,
            "abd",
        ),
    ] {
        let mut bench = keys();
        let mut write = on(method, at);
        write.content_format(format).unwrap().payload(payload);
        assert_eq!(bench.code(write), Code::CHANGED);
        let shown = format!("{method:?} {at} {payload:?}");
        assert_eq!(notified(&mut bench), tokens, "{shown}");
        // The application is told of each Write all the same.
        let events = bench.events();
        let written = |event: &ClientEvent| matches!(event, ClientEvent::Written { .. });
        assert!(events.iter().any(written), "{shown}");
    }
}

#[test]
fn what_reads_the_same_after_the_application_changed_it_notifies_nobody() {
    let mut bench = keys();
    let now = bench.now;
    let levels = bench.client.tree().get(path("/26241/0/2/1")).unwrap();
    bench.client.set(now, path("/26241/0/0"), "front").unwrap();
    bench.client.set(now, path("/26241/0/2/1"), levels).unwrap();
    bench
        .client
        .set(now, path("/26241/0/1"), &b"other"[..])
        .unwrap();
    bench.client.changed(now, path("/26241/0/1"));
    bench.client.changed(now, path("/26241/0/3"));
    assert_eq!(notified(&mut bench), "");
    bench.client.set(now, path("/26241/0/2/1"), 3).unwrap();
    assert_eq!(notified(&mut bench), "abd");
    bench.client.changed(bench.now, path("/26241/0/0"));
    assert_eq!(notified(&mut bench), "abc");
}
