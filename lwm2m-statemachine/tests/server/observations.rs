//! Information reporting by the server: Observe, Notify and both ways to cancel (TS 5.5, 8.2.6).

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, Method, Value, codec::Content};
use lwm2m_statemachine::{
    Channel, Identity, ObservationId, Outcome, RegistrationId, ServerEvent,
    coap::{self, BlockOption, FailureReason, MessageBuf, MessageType, Token},
    server::{AnswerError, CallError, EndReason, Overload},
};

use crate::support::{Request, Sent, World, path};

fn battery(level: i64) -> Content {
    Content::from_iter([(path("/3/0/9"), Value::Integer(level))])
}

fn level(observe: Option<u32>, payload: &[u8]) -> MessageBuf {
    let mut message = MessageBuf::response(Code::CONTENT);
    if let Some(observe) = observe {
        message.observe(observe).unwrap();
    }
    message.payload(payload);
    message
}

/// A client whose battery is observed.
struct Observed {
    world: World,
    registration: RegistrationId,
    location: String,
    observation: ObservationId,
    token: Token,
    sequence: u32,
}

impl Observed {
    fn new() -> Self {
        let mut world = World::new();
        let (registration, location) = world.register_as(&Request {
            queries: &["ep=device", "lt=86400", "lwm2m=1.0"],
            identity: Identity::Psk(b"device"),
            ..Request::default()
        });
        let text = Some(ContentFormat::TEXT);
        let operation = world
            .server
            .observe(world.now, registration, path("/3/0/9"), text)
            .unwrap();
        let request = world.sent_one();
        assert_eq!(
            (request.message().code(), request.path()),
            (Code::GET, "/3/0/9".into())
        );
        assert_eq!(
            (request.message().observe(), request.message().accept()),
            (Some(0), text)
        );
        world.answer(&request, level(Some(1), b"85"));
        let Outcome::Observing {
            observation,
            content,
        } = world.outcome(operation)
        else {
            panic!("not observing");
        };
        assert_eq!(content, Ok(battery(85)));
        assert_eq!(observation.registration(), registration);
        assert_eq!(world.server.usage().observations, 1);
        Self {
            world,
            registration,
            location,
            observation,
            token: request.message().token(),
            sequence: 1,
        }
    }

    /// The client sends a notification; returns its message id.
    fn notify(&mut self, kind: MessageType, message: MessageBuf) -> u16 {
        let message_id = 5000 + self.world.next_message_id();
        let wire = message.finish(kind, message_id, self.token);
        self.world.deliver(1, wire.as_ref());
        message_id
    }

    fn notify_level(&mut self, kind: MessageType, value: i64) -> u16 {
        self.sequence += 1;
        let message = level(Some(self.sequence), value.to_string().as_bytes());
        self.notify(kind, message)
    }

    /// Checks that the observation has ended for this reason, after `before` other events.
    #[track_caller]
    fn ended(&mut self, reason: EndReason) {
        match self.world.event() {
            ServerEvent::ObservationEnded {
                registration,
                observation,
                reason: told,
            } => {
                assert_eq!(
                    (registration, observation),
                    (self.registration, self.observation)
                );
                assert_eq!(told, reason);
            }
            event => panic!("{event:?}"),
        }
        self.is_over();
    }

    /// Checks that a notification is answered with a Reset and has no effect.
    fn is_over(&mut self) {
        assert_eq!(self.world.server.usage().observations, 0);
        self.world.sent();
        for kind in [MessageType::Confirmable, MessageType::NonConfirmable] {
            let message_id = self.notify_level(kind, 1);
            assert!(self.world.events().is_empty());
            let reset = self.world.sent_one();
            assert_eq!(
                (reset.message().kind(), reset.message().message_id()),
                (MessageType::Reset, message_id)
            );
        }
        assert_eq!(
            self.world
                .server
                .drop_observation(self.world.now, self.observation),
            Err(CallError::UnknownObservation)
        );
        assert_eq!(
            self.world
                .server
                .cancel_observation(self.world.now, self.observation),
            Err(CallError::UnknownObservation)
        );
        assert_eq!(self.world.server.usage().coap.requests, 0);
        self.world.assert_works();
    }

    fn acknowledged(&mut self, message_id: u16) {
        let ack: Sent = self.world.sent_one();
        assert_eq!(
            (ack.message().kind(), ack.message().message_id()),
            (MessageType::Acknowledgement, message_id)
        );
    }

    fn content(&mut self) -> Result<Content, AnswerError> {
        match self.world.event() {
            ServerEvent::Notification {
                registration,
                observation,
                content,
            } => {
                assert_eq!(
                    (registration, observation),
                    (self.registration, self.observation)
                );
                content
            }
            event => panic!("{event:?}"),
        }
    }
}

#[test]
fn notifications_of_both_types_are_told_with_typed_values() {
    let mut client = Observed::new();
    for (kind, value) in [
        (MessageType::NonConfirmable, 84),
        (MessageType::Confirmable, 83),
        (MessageType::NonConfirmable, 82),
    ] {
        client.world.now += Duration::from_secs(1);
        let message_id = client.notify_level(kind, value);
        assert_eq!(client.content(), Ok(battery(value)));
        if kind == MessageType::Confirmable {
            client.acknowledged(message_id);
        }
    }
    assert!(client.world.sent().is_empty());
    assert_eq!(client.world.server.usage().observations, 1);
}

#[test]
fn late_and_repeated_notifications_are_not_told() {
    let mut client = Observed::new();
    client.sequence = 10;
    client.notify_level(MessageType::NonConfirmable, 80);
    assert_eq!(client.content(), Ok(battery(80)));
    client.sequence = 5;
    client.notify_level(MessageType::NonConfirmable, 84);
    assert!(client.world.events().is_empty());
    client.sequence = 11;
    let wire = level(Some(12), b"79").finish(MessageType::Confirmable, 9, client.token);
    for _ in 0..2 {
        client.world.deliver(1, wire.as_ref());
        client.acknowledged(9);
    }
    assert_eq!(client.content(), Ok(battery(79)));
}

#[test]
fn a_notification_that_means_nothing_is_told_and_the_observation_goes_on() {
    let mut client = Observed::new();
    client.notify(MessageType::NonConfirmable, level(Some(2), b"many"));
    assert!(matches!(client.content(), Err(AnswerError::Malformed(_))));
    let mut strange = MessageBuf::response(Code::CONTENT);
    strange
        .observe(3)
        .unwrap()
        .content_format(ContentFormat::new(60))
        .unwrap();
    strange.payload(b"\xa0");
    client.notify(MessageType::NonConfirmable, strange);
    assert_eq!(
        client.content(),
        Err(AnswerError::Format(ContentFormat::new(60)))
    );
    client.sequence = 3;
    client.notify_level(MessageType::NonConfirmable, 70);
    assert_eq!(client.content(), Ok(battery(70)));
}

#[test]
fn an_error_in_place_of_a_notification_ends_the_observation() {
    let mut client = Observed::new();
    let message_id = client.notify(
        MessageType::Confirmable,
        MessageBuf::response(Code::NOT_FOUND),
    );
    client.acknowledged(message_id);
    client.ended(EndReason::Refused(Code::NOT_FOUND));
}

#[test]
fn a_notification_without_observe_is_the_last() {
    let mut client = Observed::new();
    client.notify(MessageType::NonConfirmable, level(None, b"60"));
    let events = client.world.events();
    let [
        ServerEvent::Notification { content, .. },
        ServerEvent::ObservationEnded {
            reason,
            observation,
            ..
        },
    ] = &*events
    else {
        panic!("{events:?}");
    };
    assert_eq!((content, reason), (&Ok(battery(60)), &EndReason::Completed));
    assert_eq!(observation, &client.observation);
    client.is_over();
}

#[test]
fn cancel_with_a_request_carries_observe_1_and_the_same_token() {
    let mut client = Observed::new();
    let world = &mut client.world;
    let operation = world
        .server
        .cancel_observation(world.now, client.observation)
        .unwrap();
    assert!(matches!(
        world.event(),
        ServerEvent::ObservationEnded {
            reason: EndReason::Cancelled,
            ..
        }
    ));
    let request = world.sent_one();
    let message = request.message();
    assert_eq!(
        (message.code(), request.path()),
        (Code::GET, "/3/0/9".into())
    );
    assert_eq!(
        (message.observe(), message.token()),
        (Some(1), client.token)
    );
    assert_eq!(message.accept(), Some(ContentFormat::TEXT));
    world.answer(&request, level(None, b"77"));
    assert_eq!(world.outcome(operation), Outcome::Content(battery(77)));
    client.is_over();
}

#[test]
fn cancel_without_a_request_rejects_the_next_notification() {
    let mut client = Observed::new();
    let world = &mut client.world;
    world
        .server
        .drop_observation(world.now, client.observation)
        .unwrap();
    assert!(world.sent().is_empty());
    client.ended(EndReason::Cancelled);
}

#[test]
fn observations_end_with_their_registration() {
    let deregister = |client: &mut Observed| {
        let leave = Request {
            method: Method::Delete,
            path: &["rd", &client.location],
            format: None,
            queries: &[],
            payload: b"",
            identity: Identity::Psk(b"device"),
            ..Request::default()
        };
        assert_eq!(client.world.request(&leave).code(), Code::DELETED);
    };
    let replace = |client: &mut Observed| {
        let again = Request {
            identity: Identity::Psk(b"device"),
            ..Request::default()
        };
        assert_eq!(client.world.request(&again).code(), Code::CREATED);
    };
    let expire = |client: &mut Observed| client.world.pass(Duration::from_secs(86_400));
    let ends: [&dyn Fn(&mut Observed); 3] = [&deregister, &replace, &expire];
    for end in ends {
        let mut client = Observed::new();
        end(&mut client);
        let events = client.world.events();
        let Some(ServerEvent::ObservationEnded {
            observation,
            reason,
            ..
        }) = events.first()
        else {
            panic!("{events:?}");
        };
        assert_eq!(
            (*observation, *reason),
            (client.observation, EndReason::RegistrationGone)
        );
        let rest = events.iter().skip(1);
        assert!(rest.clone().count() > 0);
        for event in rest {
            assert!(
                !matches!(event, ServerEvent::ObservationEnded { .. }),
                "{event:?}"
            );
        }
        client.is_over();
    }
}

#[test]
fn an_observe_that_the_client_does_not_take_up_is_a_read() {
    let mut world = World::new();
    let (id, _) = world.register();
    let operation = world
        .server
        .observe(world.now, id, path("/3/0/9"), None)
        .unwrap();
    let request = world.sent_one();
    world.answer(&request, level(None, b"85"));
    assert_eq!(world.outcome(operation), Outcome::Content(battery(85)));
    assert_eq!(world.server.usage().observations, 0);
    assert_eq!(world.server.usage().coap.requests, 0);
}

#[test]
fn an_undecodable_first_answer_still_begins_the_observation() {
    let mut world = World::new();
    let (id, _) = world.register();
    let operation = world
        .server
        .observe(world.now, id, path("/3/0/9"), None)
        .unwrap();
    let request = world.sent_one();
    world.answer(&request, level(Some(1), b"many"));
    match world.outcome(operation) {
        Outcome::Observing { content, .. } => assert!(content.is_err()),
        outcome => panic!("{outcome:?}"),
    }
    assert_eq!(world.server.usage().observations, 1);
}

#[test]
fn observe_in_the_answer_to_something_else_begins_nothing() {
    let mut world = World::new();
    let (id, _) = world.register();
    let operation = world
        .server
        .read(world.now, id, path("/3/0/9"), None)
        .unwrap();
    let request = world.sent_one();
    world.answer(&request, level(Some(1), b"85"));
    assert_eq!(world.outcome(operation), Outcome::Content(battery(85)));
    assert_eq!(world.server.usage().observations, 0);
    let wire =
        level(Some(2), b"84").finish(MessageType::NonConfirmable, 7, request.message().token());
    world.deliver(1, wire.as_ref());
    assert!(world.events().is_empty());
    assert_eq!(world.sent_one().message().kind(), MessageType::Reset);
}

#[test]
fn observations_of_one_path_are_two_and_bounded() {
    let mut world = World::with(|config| config.bounds.observations = 2);
    let (id, _) = world.register();
    let mut observations = Vec::new();
    for _ in 0..2 {
        let operation = world
            .server
            .observe(world.now, id, path("/3/0/9"), None)
            .unwrap();
        let request = world.sent_one();
        world.answer(&request, level(Some(1), b"85"));
        match world.outcome(operation) {
            Outcome::Observing { observation, .. } => {
                observations.push((observation, request.message().token()));
            }
            outcome => panic!("{outcome:?}"),
        }
    }
    assert_eq!(
        world.server.observe(world.now, id, path("/3/0/9"), None),
        Err(CallError::Overload(Overload::Observations(2)))
    );
    for (at, (expected, token)) in (100..).zip(observations) {
        let wire = level(Some(2), b"84").finish(MessageType::NonConfirmable, at, token);
        world.deliver(1, wire.as_ref());
        match world.event() {
            ServerEvent::Notification { observation, .. } => assert_eq!(observation, expected),
            event => panic!("{event:?}"),
        }
    }
}

#[test]
fn observes_without_an_answer_count_as_observations() {
    let mut world = World::with(|config| config.bounds.observations = 1);
    let (id, _) = world.register();
    let too_many = Err(CallError::Overload(Overload::Observations(1)));
    let observe = |world: &mut World| {
        let server = &mut world.server;
        server.observe(world.now, id, path("/3/0/9"), None)
    };

    // Refused, rejected, or never answered: there is room again.
    let operation = observe(&mut world).unwrap();
    assert_eq!(observe(&mut world), too_many);
    let request = world.sent_one();
    world.answer_code(&request, Code::NOT_FOUND);
    let code = Code::NOT_FOUND;
    assert_eq!(world.outcome(operation), Outcome::Refused { code });

    let operation = observe(&mut world).unwrap();
    assert_eq!(observe(&mut world), too_many);
    let request = world.sent_one();
    world.reset(&request);
    assert_eq!(world.outcome(operation), Outcome::Reset);

    let operation = observe(&mut world).unwrap();
    assert_eq!(observe(&mut world), too_many);
    let request = world.sent_one();
    world.answer(&request, level(None, b"85"));
    assert_eq!(world.outcome(operation), Outcome::Content(battery(85)));

    // Accepted: there is no room until it is cancelled.
    let operation = observe(&mut world).unwrap();
    assert_eq!(observe(&mut world), too_many);
    let request = world.sent_one();
    world.answer(&request, level(Some(1), b"85"));
    let Outcome::Observing { observation, .. } = world.outcome(operation) else {
        panic!("not observing");
    };
    assert_eq!(observe(&mut world), too_many);
    assert_eq!(world.server.usage().observations, 1);
    // Other operations aren't affected.
    let (server, now) = (&mut world.server, world.now);
    server.read(now, id, path("/3/0/9"), None).unwrap();
    server.drop_observation(now, observation).unwrap();
    observe(&mut world).unwrap();
}

/// The last notification shows that it is the last, and comes with its first block only.
#[test]
fn an_observation_whose_last_notification_is_lost_ends() {
    let mut observed = Observed::new();
    let mut last = MessageBuf::response(Code::CONTENT);
    last.block2(BlockOption::new(0, true, 16).unwrap()).unwrap();
    last.payload(&[b'1'; 16]);
    observed.notify(MessageType::NonConfirmable, last);
    let block = observed.world.sent_one();
    assert_eq!(
        block.message().block2().map(BlockOption::number),
        Some(1),
        "the rest is asked for"
    );
    observed.world.reset(&block);
    observed.ended(EndReason::Lost(FailureReason::Reset));
}

/// A client over SMS without a free message id: the observation isn't cancelled by half.
#[test]
fn a_cancellation_that_cannot_be_sent_leaves_the_observation() {
    let mut world = World::new();
    world.channel = Channel::Sms;
    let (registration, _) = world.register_as(&Request {
        queries: &["ep=device", "lt=86400", "lwm2m=1.0", "b=S"],
        ..Request::default()
    });
    let now = world.now;
    let observe = |world: &mut World| {
        let text = Some(ContentFormat::TEXT);
        let operation = world
            .server
            .observe(now, registration, path("/3/0/9"), text)
            .unwrap();
        let request = world.sent_one();
        world.answer(&request, level(Some(1), b"85"));
        let Outcome::Observing { observation, .. } = world.outcome(operation) else {
            panic!("not observing");
        };
        (observation, request)
    };
    let (observation, request) = observe(&mut world);
    // As many as there are message ids.
    let refused = loop {
        match world.server.read(now, registration, path("/3/0"), None) {
            Ok(_) => {
                let read = world.sent_one();
                world.answer_code(&read, Code::NOT_FOUND);
                world.events();
            }
            Err(error) => break error,
        }
    };
    assert_eq!(
        refused,
        CallError::Overload(Overload::Endpoint(coap::Overload::MessageIds))
    );
    assert_eq!(
        world.server.cancel_observation(now, observation),
        Err(CallError::Overload(Overload::Endpoint(
            coap::Overload::MessageIds
        )))
    );
    // It continues in the server and in its endpoint.
    assert_eq!(world.server.usage().observations, 1);
    let (message_id, token) = (world.next_message_id(), request.message().token());
    let wire = level(Some(2), b"86").finish(MessageType::NonConfirmable, message_id, token);
    world.deliver(1, wire.as_ref());
    assert!(matches!(
        world.event(),
        ServerEvent::Notification { observation: of, .. } if of == observation
    ));
    // It can be cancelled when the client no longer recognises copies: EXCHANGE_LIFETIME over SMS.
    world.now += Duration::from_secs(407);
    assert!(
        world
            .server
            .cancel_observation(world.now, observation)
            .is_ok()
    );
    assert_eq!(world.server.usage().observations, 0);
}
