//! The registrar without an endpoint.

use alloc::string::{String, ToString};
use core::time::Duration;

use super::*;
use crate::{
    coap::{MessageType, Token},
    machine::{Channel, Identity},
};

const NOW: Instant = Instant::from_millis(1_000);

fn registrar(configure: impl FnOnce(&mut ServerConfig)) -> Registrar<u8> {
    let mut config = ServerConfig::new([1; 32]);
    configure(&mut config);
    Registrar::new(&config, &mut Random::new([2; 32]), None)
}

/// A request from this peer to this path with these queries and this payload, decided at `now`.
fn decide(
    registrar: &mut Registrar<u8>,
    now: Instant,
    peer: u8,
    path: &str,
    queries: &[&str],
    payload: &str,
) -> Decision<u8> {
    let mut message = MessageBuf::request(Method::Post);
    for segment in path.split('/').skip(1) {
        message.uri_path(segment).unwrap();
    }
    for query in queries {
        message.uri_query(query).unwrap();
    }
    message.payload(payload.as_bytes());
    let wire = message.finish(MessageType::Confirmable, 1, Token::EMPTY);
    let request = MessageRef::parse(wire.as_ref()).unwrap();
    let origin = Origin {
        peer: &peer,
        channel: Channel::Udp,
        identity: Identity::None,
    };
    registrar.decide(now, &origin, &request, request.payload())
}

fn register(registrar: &mut Registrar<u8>, now: Instant, peer: u8, name: &str) -> Decision<u8> {
    let endpoint = "ep=".to_string() + name;
    let queries = [&*endpoint, "lt=60", "lwm2m=1.0"];
    decide(registrar, now, peer, "/rd", &queries, "</1/0>,</3/0>")
}

fn registered(decision: &Decision<u8>) -> (RegistrationId, String) {
    match (decision.answer, &decision.effect) {
        (Answer::Created(location), Effect::Registered { registration, .. }) => {
            (*registration, location.to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_register_is_answered_with_its_location_where_only_its_client_updates() {
    let mut registrar = registrar(|_| {});
    let (id, location) = registered(&register(&mut registrar, NOW, 7, "device"));
    assert_eq!(registrar.find("device"), Some(id));

    let updated = decide(&mut registrar, NOW, 7, &location, &["lt=90"], "");
    assert_eq!(updated.answer, Answer::Code(Code::CHANGED));
    let Effect::Updated {
        registration: same,
        changes,
        ..
    } = updated.effect
    else {
        panic!("{updated:?}");
    };
    let lifetime = Changes {
        lifetime: true,
        ..Changes::default()
    };
    assert_eq!((same, changes), (id, lifetime));

    let stranger = decide(&mut registrar, NOW, 8, &location, &[], "");
    assert_eq!(stranger.answer, Answer::Code(Code::NOT_FOUND));
    match stranger.effect {
        Effect::Refused(refusal) => assert_eq!(refusal.reason, RefusalReason::AnotherClient),
        effect => panic!("{effect:?}"),
    }
    assert!(registrar.take_departures().is_empty());
}

#[test]
fn a_register_of_the_same_name_replaces_and_one_without_room_evicts() {
    let mut registrar = registrar(|config| config.bounds.registrations = 1);
    let (first, _) = registered(&register(&mut registrar, NOW, 1, "a"));
    let again = register(&mut registrar, NOW, 1, "a");
    let (second, _) = registered(&again);
    match again.effect {
        Effect::Registered { replaced, .. } => assert_eq!(replaced.unwrap().0, first),
        effect => panic!("{effect:?}"),
    }
    assert!(registrar.take_departures().is_empty());

    let refused = register(&mut registrar, NOW, 2, "b");
    assert_eq!(refused.answer, Answer::Code(Code::SERVICE_UNAVAILABLE));
    let after_probation = NOW + Duration::from_secs(10);
    registered(&register(&mut registrar, after_probation, 2, "b"));
    let [departure] = <[_; 1]>::try_from(registrar.take_departures()).unwrap();
    let evicted = Some(EvictionReason::Registrations);
    assert_eq!(
        (departure.registration, departure.evicted),
        (second, evicted)
    );
}

#[test]
fn what_has_expired_departs_once() {
    let mut registrar = registrar(|_| {});
    let (id, location) = registered(&register(&mut registrar, NOW, 1, "a"));
    let end = NOW + Duration::from_secs(60);
    assert_eq!(registrar.next_expiry(), Some(end));
    let late = decide(&mut registrar, end, 1, &location, &[], "");
    assert_eq!(late.answer, Answer::Code(Code::NOT_FOUND));
    let [departure] = <[_; 1]>::try_from(registrar.take_departures()).unwrap();
    assert_eq!((departure.registration, departure.evicted), (id, None));
    assert!(!registrar.expire_next(end) && !registrar.expire_if_due(end, id));
    assert_eq!(registrar.len(), 0);
}
