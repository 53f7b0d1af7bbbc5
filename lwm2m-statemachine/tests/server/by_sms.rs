//! Requests over SMS to clients that have registered over UDP (TS 5.3.1.1, 8.4, 8.6.2).

use core::time::Duration;

use lwm2m_core::{
    Arguments, AttributesUpdate, Code, Method, ObjectId, Value, WriteMode, codec::Content,
};
use lwm2m_kit::instance;
use lwm2m_statemachine::{
    Channel, Identity, Outcome, RegistrationId, ServerEvent,
    coap::{MessageBuf, MessageType},
    server::CallError,
};

use crate::support::{Peer, Request, Sent, World, path};

/// Where the number of the client leads to.
const NUMBER: Peer = 50;
const DEVICE: Identity<'_> = Identity::Psk(b"device");

fn registered(binding: &str, identity: Identity<'_>) -> (World, RegistrationId, String) {
    let mut world = World::new();
    let binding = format!("b={binding}");
    let (registration, location) = world.register_as(&Request {
        queries: &["ep=device", "lt=86400", "lwm2m=1.0", "sms=4917", &binding],
        identity,
        ..Request::default()
    });
    (world, registration, location)
}

fn answer(world: &mut World, request: &Sent, code: Code) {
    world.channel = Channel::Sms;
    world.answer_code(request, code);
    world.channel = Channel::Udp;
}

fn update(world: &mut World, from: Peer, location: &str, identity: Identity<'_>) {
    let reply = world.request(&Request {
        from,
        method: Method::Post,
        path: &["rd", location],
        format: None,
        queries: &[],
        payload: b"",
        identity,
    });
    assert_eq!(reply.code(), Code::CHANGED);
}

#[test]
fn a_trigger_over_sms_is_answered_over_sms_while_the_update_comes_over_udp() {
    let (mut world, id, location) = registered("UQS", Identity::None);
    let now = world.now;
    let mut by_sms = world.server.by_sms(id, NUMBER);
    let operation = by_sms.trigger_update(now, instance(3)).unwrap();
    let request = world.sent_one();
    assert_eq!((request.to, &*request.path()), (NUMBER, "/1/3/8"));
    assert_eq!(
        (request.kind(), request.code()),
        (MessageType::Confirmable, Code::POST)
    );
    // It takes minutes, and isn't retransmitted.
    world.pass(Duration::from_secs(170));
    assert!(world.sent().is_empty());
    assert!(matches!(world.event(), ServerEvent::Asleep { .. }));
    update(&mut world, 1, &location, Identity::None);
    let woken = world.events();
    assert!(
        matches!(
            woken[..],
            [ServerEvent::Updated { .. }, ServerEvent::Awake { .. }]
        ),
        "{woken:?}"
    );
    world.pass(Duration::from_secs(90));
    answer(&mut world, &request, Code::CHANGED);
    assert_eq!(world.outcome(operation), Outcome::Changed);
    // What follows goes to where the client has registered.
    let operation = world.server.read(world.now, id, path("/3/0"), None);
    let request = world.sent_one();
    assert_eq!(request.to, 1);
    world.answer(&request, MessageBuf::response(Code::NOT_FOUND));
    world.outcome(operation.unwrap());
}

/// The client comes back in another session, and the trigger isn't over because of that.
#[test]
fn a_trigger_goes_on_when_the_client_comes_back_in_another_session() {
    let (mut world, id, location) = registered("US", DEVICE);
    let now = world.now;
    let by_udp = world.server.read(now, id, path("/3/0"), None).unwrap();
    let mut by_sms = world.server.by_sms(id, NUMBER);
    let trigger = by_sms.trigger_update(now, instance(0)).unwrap();
    let request = world.sent().pop().unwrap();
    update(&mut world, 2, &location, DEVICE);
    let ended = world.events().into_iter().filter_map(|event| match event {
        ServerEvent::Answered {
            operation, outcome, ..
        } => Some((operation, outcome)),
        _ => None,
    });
    assert_eq!(ended.collect::<Vec<_>>(), [(by_udp, Outcome::PeerGone)]);
    answer(&mut world, &request, Code::CHANGED);
    assert_eq!(world.outcome(trigger), Outcome::Changed);
}

/// TS Table 8: with both, the server chooses.
#[test]
fn each_request_to_a_client_with_both_goes_over_the_transport_that_is_chosen() {
    let (mut world, id, _) = registered("US", Identity::None);
    let now = world.now;
    let mut by_sms = world.server.by_sms(id, NUMBER);
    by_sms.read(now, path("/3/0/0"), None).unwrap();
    by_sms.discover(now, path("/3")).unwrap();
    by_sms.delete(now, path("/3/0")).unwrap();
    let none = Arguments::NONE;
    by_sms.execute(now, path("/3/0/4"), &none).unwrap();
    let at = path("/3/0/15");
    let content = Content::from_iter([(at, Value::from("Europe/Berlin"))]);
    by_sms
        .write(now, at, WriteMode::Replace, None, &content)
        .unwrap();
    let update = AttributesUpdate::from_queries(["pmin=10"]).unwrap();
    by_sms.write_attributes(now, at, &update).unwrap();
    let content = Content::from_iter([(path("/1/4/1"), Value::from(60))]);
    by_sms
        .create(now, ObjectId::SERVER, Some(instance(4)), None, &content)
        .unwrap();
    world
        .server
        .execute(now, id, path("/3/0/4"), &none)
        .unwrap();
    let sent = world.sent();
    let requests = sent.iter().map(|sent| (sent.to, sent.code(), sent.path()));
    let requests: Vec<_> = requests.collect();
    let of = |to, code, path: &str| (to, code, path.to_owned());
    assert_eq!(
        requests,
        [
            of(NUMBER, Code::GET, "/3/0/0"),
            of(NUMBER, Code::GET, "/3"),
            of(NUMBER, Code::DELETE, "/3/0"),
            of(NUMBER, Code::POST, "/3/0/4"),
            of(NUMBER, Code::PUT, "/3/0/15"),
            of(NUMBER, Code::PUT, "/3/0/15"),
            of(NUMBER, Code::POST, "/1"),
            of(1, Code::POST, "/3/0/4"),
        ]
    );
    // Over SMS each waits for a round trip of minutes, and then ends.
    world.pass(Duration::from_secs(361));
    assert_eq!(world.events().len(), 1, "the one over UDP");
    world.pass(Duration::from_secs(1));
    let ended = world.events();
    let timeout = |event: &ServerEvent<Peer>| {
        matches!(
            event,
            ServerEvent::Answered {
                outcome: Outcome::Timeout,
                ..
            }
        )
    };
    assert!(ended.len() == 7 && ended.iter().all(timeout), "{ended:?}");
}

#[test]
fn a_client_whose_binding_has_no_sms_is_not_reached_over_it() {
    for binding in ["U", "UQ"] {
        let (mut world, id, _) = registered(binding, Identity::None);
        let now = world.now;
        let mut by_sms = world.server.by_sms(id, NUMBER);
        let refused = by_sms.trigger_update(now, instance(0));
        assert_eq!(refused, Err(CallError::NoSms), "{binding}");
        assert!(world.sent().is_empty());
    }
}

/// A session that is gone doesn't matter to SMS.
#[test]
fn a_client_whose_session_is_gone_is_woken_over_sms() {
    for (binding, waits) in [("US", false), ("UQS", true)] {
        let (mut world, id, _) = registered(binding, DEVICE);
        let now = world.now;
        world.server.peer_gone(now, &1);
        let read = world.server.read(now, id, path("/3/0"), None);
        assert_eq!(read.is_ok(), waits, "{read:?}");
        let mut by_sms = world.server.by_sms(id, NUMBER);
        by_sms.trigger_update(now, instance(0)).unwrap();
        assert_eq!(world.sent_one().to, NUMBER);
    }
}

/// Who answers for a number hasn't shown that the address of the Register is its own.
#[test]
fn an_answer_over_sms_does_not_confirm_an_address() {
    let (mut world, id, _) = registered("US", Identity::None);
    let now = world.now;
    let mut by_sms = world.server.by_sms(id, NUMBER);
    by_sms.read(now, path("/3/0/0"), None).unwrap();
    let request = world.sent_one();
    answer(&mut world, &request, Code::NOT_FOUND);
    assert!(!world.server.registration(id).unwrap().is_confirmed());
    world.server.read(now, id, path("/3/0/0"), None).unwrap();
    let request = world.sent_one();
    world.answer_code(&request, Code::NOT_FOUND);
    assert!(world.server.registration(id).unwrap().is_confirmed());
}
