//! Records that aren't restored, each alone.

use lwm2m_core::Code;
use lwm2m_statemachine::{
    RegistrationId,
    server::{NoSec, Record, RecordError, RefusalReason},
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::seconds;
use crate::support::{Peer, Request, World, path};

/// A record with a change at this pointer, if that is a record still.
fn edited(record: &Record<Peer>, pointer: &str, value: Json) -> Record<Peer> {
    let mut state = serde_json::to_value(record).unwrap();
    *state.pointer_mut(pointer).expect(pointer) = value;
    serde_json::from_value(state).unwrap()
}

/// Two clients; the first has an observation, and an operation that waits.
fn two() -> (World, [RegistrationId; 2]) {
    let mut world = World::new();
    let (first, _) = world.register_as(&Request {
        queries: &["ep=device", "lt=86400", "lwm2m=1.0", "b=UQ"],
        ..Request::default()
    });
    let now = world.now;
    world
        .server
        .observe(now, first, path("/3/0/9"), None)
        .unwrap();
    let request = world.sent_one();
    let mut answer = lwm2m_statemachine::coap::MessageBuf::response(Code::CONTENT);
    answer.observe(1).unwrap().payload(b"80");
    world.answer(&request, answer);
    world.pass(seconds(91));
    let now = world.now;
    world.server.delete(now, first, path("/1/0")).unwrap();
    world.events();
    let (second, _) = world.register_as(&Request {
        from: 2,
        queries: &["ep=other", "lt=86400", "lwm2m=1.0"],
        ..Request::default()
    });
    (world, [first, second])
}

/// What is said of a record with this change, while the other client goes on.
fn refused(pointer: &str, value: Json) -> Option<RecordError> {
    let (mut world, [first, second]) = two();
    let [record, other] = [first, second].map(|id| world.record(id));
    world.boot(super::config());
    let restored = world.restore(edited(&record, pointer, value), seconds(1));
    if restored.is_err() {
        assert!(world.events().is_empty() && world.sent().is_empty());
        let usage = world.server.usage();
        assert_eq!(
            (usage.registrations, usage.observations, usage.operations),
            (0, 0, 0)
        );
    }
    // The first client may be awake by its record.
    world.sent();
    world.restore(other, seconds(1)).unwrap();
    world.events();
    world.assert_works();
    restored.err()
}

proptest! {
    /// Whatever is read, the server goes on, within its bounds.
    #[test]
    fn no_damage_does_harm(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        elapsed in 0_u64..100_000,
    ) {
        let (mut world, [first, second]) = two();
        let [mut bytes, other] =
            [first, second].map(|id| postcard::to_allocvec(&world.record(id)).unwrap());
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        world.boot(super::config());
        if let Ok(record) = postcard::from_bytes::<Record<Peer>>(&bytes) {
            let _ = world.restore(record, seconds(elapsed));
        }
        let other: Record<Peer> = postcard::from_bytes(&other).unwrap();
        let _ = world.restore(other, seconds(1));
        prop_assert!(world.server.usage().registrations <= 2);
        world.pass(seconds(1000));
        world.sent();
        // What is kept can be saved again.
        world.records();
        world.pass(seconds(200_000));
        world.sent();
        world.events();
        world.assert_works();
        prop_assert_eq!(world.server.usage().operations, 0);
    }
}

#[test]
fn what_contradicts_itself_is_damaged() {
    for (pointer, value) in [
        ("/registration/endpoint_name", json!("")),
        ("/registration/endpoint_name", json!("x".repeat(300))),
        ("/registration/announced/objects/places", json!([])),
        ("/registration/contact/peer_gone", json!(true)),
        ("/serials/operations", json!(0)),
        ("/serials/operations", json!(u64::MAX)),
        ("/serials/observations", json!(0)),
        ("/observations/0/serial", json!(7)),
        ("/observations/0/path", json!("/3/0/8")),
        ("/observations/0/saved/request", json!([0x40, 0x01, 0, 0])),
        ("/observations/0/saved/request", json!([])),
        ("/operations/0/call/path", json!("/1/1")),
        ("/operations/0/call/operation", json!("Execute")),
        ("/operations/0/held/message", json!([0x40, 0x02, 0, 0])),
        ("/operations/0/held/message", json!([1, 2, 3])),
        ("/operations/0/held/cancels", json!({ "Observed": 0 })),
        ("/operations/0/held/called_for/index", json!(9)),
    ] {
        let error = refused(pointer, value.clone());
        assert_eq!(error, Some(RecordError::Damaged), "{pointer} {value}");
    }
}

#[test]
fn what_is_the_same_record_goes_on() {
    for (pointer, value) in [
        (
            "/registration/announced/objects/formats",
            json!([11_542, 11_542, 0]),
        ),
        (
            "/registration/announced/objects/places",
            json!(["/3/0", "/1/0", "/3/0", "/"]),
        ),
        (
            "/registration/announced/objects/alternate_path",
            json!("no path"),
        ),
        (
            "/registration/registered",
            json!({ "secs": u64::MAX, "nanos": 0 }),
        ),
        ("/sleep/awake", json!({ "secs": u64::MAX, "nanos": 0 })),
        (
            "/operations/0/held/left",
            json!({ "secs": u64::MAX, "nanos": 0 }),
        ),
        (
            "/observations/0/saved/response_timeout",
            json!({ "secs": u64::MAX, "nanos": 0 }),
        ),
    ] {
        assert_eq!(refused(pointer, value.clone()), None, "{pointer} {value}");
    }
}

#[test]
fn a_record_of_another_version_is_refused() {
    assert_eq!(refused("/version", json!(2)), Some(RecordError::Version(2)));
}

#[test]
fn a_handle_takes_no_more_room_than_there_may_be() {
    let error = refused("/registration/id/index", json!(u32::MAX));
    assert_eq!(error, Some(RecordError::Damaged));
    let (mut world, [_, second]) = two();
    let record = edited(
        &world.record(second),
        "/registration/id/index",
        json!(u32::MAX),
    );
    world.boot(super::config());
    let error = world.restore(record, seconds(1));
    assert_eq!(error, Err(RecordError::Refused(RefusalReason::NoRoom)));
}

#[test]
fn a_client_that_could_not_register_now_is_refused() {
    let (mut world, [_, second]) = two();
    let record = world.record(second);
    let old = edited(&record, "/registration/announced/version", json!("2.0"));
    let long = edited(
        &record,
        "/registration/announced/parameters",
        json!(vec!["x".repeat(255); 9]),
    );
    for (record, configure, reason) in [
        (
            &record,
            (|config| config.no_sec = NoSec::Refuse) as fn(&mut lwm2m_statemachine::ServerConfig),
            RefusalReason::NoSec,
        ),
        (
            &record,
            |config| config.bounds.registrations = 0,
            RefusalReason::NoRoom,
        ),
        (
            &record,
            |config| config.bounds.bytes = 10,
            RefusalReason::NoRoom,
        ),
        (
            &record,
            |config| config.bounds.objects = 1,
            RefusalReason::TooManyObjects(1),
        ),
        (&long, |_| {}, RefusalReason::UnknownParameters(512)),
    ] {
        let mut again = super::config();
        configure(&mut again);
        world.boot(again);
        let error = world.restore(record.clone(), seconds(1));
        assert_eq!(error, Err(RecordError::Refused(reason)));
    }
    world.boot(super::config());
    let Err(RecordError::Refused(reason)) = world.restore(old, seconds(1)) else {
        panic!("restored");
    };
    assert_eq!(reason.code(), Code::PRECONDITION_FAILED);
}

#[test]
fn what_is_registered_is_not_restored_over() {
    let (mut world, [first, second]) = two();
    let [record, other] = [first, second].map(|id| world.record(id));
    let same_name = edited(&other, "/registration/endpoint_name", json!("device"));
    world.boot(super::config());
    world.restore(record.clone(), seconds(1)).unwrap();
    for record in [record, same_name] {
        assert_eq!(world.restore(record, seconds(1)), Err(RecordError::InUse));
    }
    world.restore(other, seconds(1)).unwrap();
}

#[test]
fn a_record_shows_no_location_no_token_and_no_value() {
    let (mut world, [first, _]) = two();
    let shown = format!("{:?}", world.record(first));
    assert!(shown.contains("device"), "{shown}");
    let json = serde_json::to_value(world.record(first)).unwrap();
    let location = json["registration"]["location"].to_string();
    assert!(location.len() > 5 && !shown.contains(&location));
    for secret in ["token", "message", "location", "peer"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
