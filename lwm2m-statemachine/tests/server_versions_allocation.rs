//! Finding definitions by version allocates nothing: the answer of a client that announced versions
//! costs as many allocations as that of one that didn't. One test, because the counter is global.

#[path = "server/support.rs"]
mod support;

use lwm2m_core::{Code, ContentFormat, Path, Version};
use lwm2m_kit::heap::{change, count, least};
use lwm2m_objects::{DEVICE, ObjectDefinition};
use lwm2m_statemachine::{Outcome, RegistrationId, coap::MessageBuf};

use support::{Request, World};

lwm2m_kit::count_allocations!();

fn newer_device() -> ObjectDefinition {
    let mut newer = DEVICE.clone().with_version(Version::new(1, 1));
    newer.urn = "urn:oma:lwm2m:oma:3:1.1".into();
    newer
}

/// How often the server allocates for an answer with two values.
fn allocations(world: &mut World, client: RegistrationId) -> usize {
    least(|| {
        let path: Path = "/3/0".parse().unwrap();
        let operation = world.server.read(world.now, client, path, None).unwrap();
        let request = world.sent_one();
        let mut message = MessageBuf::response(Code::CONTENT);
        message.content_format(ContentFormat::TLV).unwrap();
        message.payload(b"\xc1\x09\x55\xc1\x0a\x07");
        let change = change(|| world.answer(&request, message));
        let outcome = world.outcome(operation);
        assert!(matches!(outcome, Outcome::Content(_)), "{outcome:?}");
        count(&change)
    })
}

#[test]
fn definitions_are_found_by_version_without_an_allocation() {
    let mut world = World::with(|config| config.registry.add(newer_device()).unwrap());
    let mut register = |from, name, payload: &str| {
        let request = Request {
            from,
            queries: &[name, "lt=60", "lwm2m=1.0"],
            payload: payload.as_bytes(),
            ..Request::default()
        };
        let client = world.register_as(&request).0;
        allocations(&mut world, client)
    };
    let silent = register(1, "ep=silent", "</3/0>");
    let known = register(
        1,
        "ep=known",
        "</3>;ver=1.1,</3/0>,</5>;ver=1.1,</9>;ver=2.0",
    );
    let unknown = register(1, "ep=unknown", "</3>;ver=1.9,</3/0>");
    assert!(silent > 0);
    assert_eq!((known, unknown), (silent, silent));
}
