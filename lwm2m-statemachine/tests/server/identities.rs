//! Proven identities and the endpoint names that they may use (TS 7.1.5).

use lwm2m_core::{Code, Method};
use lwm2m_statemachine::{
    Identity, ServerEvent,
    server::{RefusalReason, identity_is_name},
};

use crate::support::{Request, World};

const NAME: &str = "urn:dev:os:32473-1";
const KEY: Identity<'_> = Identity::RawPublicKey(b"a SubjectPublicKeyInfo");

fn register(identity: Identity<'_>) -> Request<'_> {
    Request {
        queries: &["ep=urn:dev:os:32473-1", "lt=60", "lwm2m=1.0"],
        identity,
        ..Request::default()
    }
}

/// Whether the name is accepted; otherwise it is 4.00 for this identity.
#[track_caller]
fn may_register(world: &mut World, identity: Identity<'_>) -> bool {
    let code = world.request(&register(identity)).code();
    if code == Code::CREATED {
        world.events();
        return true;
    }
    assert_eq!(code, Code::BAD_REQUEST);
    let refusal = world.refusal();
    assert_eq!(refusal.reason, RefusalReason::Identity);
    assert_eq!(refusal.security, identity.security_mode());
    false
}

#[test]
fn a_name_is_a_psk_identity_or_any_name_of_a_certificate() {
    let mut world = World::new();
    for (identity, accepted) in [
        (Identity::Psk(NAME.as_bytes()), true),
        (Identity::Psk(b"32473-1"), false),
        (Identity::Psk(b"\xff"), false),
        // The common name, and a subject alternative name, be it a URN or not.
        (Identity::Certificate(&[NAME]), true),
        (
            Identity::Certificate(&["meter 1", "example.com", NAME]),
            true,
        ),
        (Identity::Certificate(&["32473-1"]), false),
        (Identity::Certificate(&[]), false),
        (Identity::RawPublicKey(NAME.as_bytes()), false),
    ] {
        assert_eq!(may_register(&mut world, identity), accepted, "{identity:?}");
    }
}

#[test]
fn the_table_maps_identities_to_endpoint_names_while_the_server_runs() {
    let gateway = Identity::Psk(b"gateway");
    let serial = Identity::Certificate(&["4711"]);
    let mut world = World::with(|config| config.identities.allow(&KEY, NAME));
    assert!(may_register(&mut world, KEY));
    for identity in [gateway, serial] {
        assert!(!may_register(&mut world, identity));
        world.server.identities_mut().allow(&identity, NAME);
        assert!(may_register(&mut world, identity));
    }
    assert_eq!(world.server.identities().len(), 3);
    // Equality counts besides.
    assert!(may_register(&mut world, Identity::Psk(NAME.as_bytes())));
    for identity in [KEY, gateway, serial] {
        assert_eq!(world.server.identities_mut().revoke(&identity, NAME), 1);
        assert!(!may_register(&mut world, identity));
    }
}

#[test]
fn the_table_alone_decides_if_the_check_allows_nothing() {
    let mut world = World::with(|config| {
        config.identity_check = |_, _| false;
        config.identities.allow(&KEY, NAME);
    });
    assert!(!may_register(&mut world, Identity::Psk(NAME.as_bytes())));
    assert!(may_register(&mut world, KEY));
}

/// Any two devices may have a name in common: that of their maker, or of their fleet.
#[test]
fn a_name_that_certificates_share_lets_none_use_the_endpoint_name_of_another() {
    let device = Identity::Certificate(&["serial 4711", "fleet.example"]);
    let another = Identity::Certificate(&["serial 4712", "fleet.example"]);
    let mut world = World::with(|config| config.identities.allow(&device, NAME));
    let identities = world.server.identities_mut();
    identities.allow(&another, "urn:dev:os:32473-2");
    assert!(may_register(&mut world, device));
    for identity in [another, Identity::Certificate(&["fleet.example"])] {
        assert!(!may_register(&mut world, identity));
    }
}

/// TS 5.3.1: whoever speaks another version may say anything.
#[test]
fn the_version_is_told_before_the_identity() {
    let mut world = World::new();
    let request = Request {
        queries: &["ep=urn:dev:os:32473-1", "lt=60", "lwm2m=2.0"],
        ..register(Identity::Psk(b"another"))
    };
    let code = world.request(&request).code();
    assert_eq!(code, Code::PRECONDITION_FAILED);
}

/// TS Table 27 has 4.00 and 4.04 for Update and De-register. To a client that may not use the name, the
/// location is one that doesn't exist.
#[test]
fn update_and_deregister_of_another_identity_are_4_04() {
    let mut world = World::with(|config| {
        config.identity_check =
            |identity, name| identity_is_name(identity, name) || *identity == KEY;
    });
    let (id, location) = world.register_as(&register(KEY));
    let path = ["rd", &*location];
    let at_location = |method, identity| Request {
        method,
        path: &path,
        format: None,
        queries: &[],
        payload: b"",
        identity,
        ..Request::default()
    };
    for identity in [
        Identity::None,
        Identity::Psk(b"another"),
        Identity::Certificate(&["another"]),
        Identity::RawPublicKey(b"another SubjectPublicKeyInfo"),
    ] {
        for method in [Method::Post, Method::Delete] {
            let code = world.request(&at_location(method, identity)).code();
            assert_eq!(code, Code::NOT_FOUND, "{method:?} {identity:?}");
            let refusal = world.refusal();
            assert_eq!(refusal.reason, RefusalReason::AnotherClient);
            assert_eq!(refusal.registration, Some(id));
        }
    }
    // Whoever may use the name could register under it, too: keys may be renewed.
    for identity in [KEY, Identity::Psk(NAME.as_bytes())] {
        let code = world.request(&at_location(Method::Post, identity)).code();
        assert_eq!(code, Code::CHANGED);
        assert!(matches!(world.event(), ServerEvent::Updated { .. }));
    }
}

#[test]
fn what_is_revoked_ends_with_the_registration() {
    let mut world = World::with(|config| config.identities.allow(&KEY, NAME));
    let (id, location) = world.register_as(&register(KEY));
    assert_eq!(world.server.identities_mut().revoke(&KEY, NAME), 1);
    let update = Request {
        path: &["rd", &location],
        format: None,
        queries: &[],
        payload: b"",
        ..register(KEY)
    };
    assert_eq!(world.request(&update).code(), Code::NOT_FOUND);
    assert_eq!(world.refusal().reason, RefusalReason::AnotherClient);
    assert!(world.server.registration(id).is_some());
}
