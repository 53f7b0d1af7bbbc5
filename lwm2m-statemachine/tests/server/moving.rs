//! Clients that come back as another peer: in a new secure session, or at another address (TS 5.5.1,
//! 7.1.5, 8.2.4).

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat, Method, Value};
use lwm2m_statemachine::{
    Channel, Datagram, Identity, ObservationId, OperationId, Outcome, RegistrationId, ServerEvent,
    coap::{BlockOption, FailureReason, MessageBuf, MessageType, Token},
    server::{AnswerError, CallError, EndReason, RefusalReason},
};

use crate::support::{Peer, Request, Sent, World, path};

const DEVICE: Identity<'_> = Identity::Psk(b"device");
const CON: MessageType = MessageType::Confirmable;

/// A client with a proven identity, registered from peer 1, whose battery is observed.
struct Client {
    world: World,
    registration: RegistrationId,
    location: String,
    observation: ObservationId,
    token: Token,
    sequence: u32,
}

/// What became of a confirmable notification.
#[derive(Debug, PartialEq)]
enum Met {
    /// The application has its value, and it was acknowledged.
    Taken,
    /// It was acknowledged alone.
    Old,
    /// It was rejected.
    Rejected,
}

fn level(observe: u32, value: i64) -> MessageBuf {
    let mut message = MessageBuf::response(Code::CONTENT);
    message.observe(observe).unwrap();
    message.payload(value.to_string().as_bytes());
    message
}

impl Client {
    fn new() -> Self {
        Self::in_world(World::new(), DEVICE)
    }

    fn in_world(mut world: World, identity: Identity<'_>) -> Self {
        let (registration, location) = world.register_as(&Request {
            queries: &["ep=device", "lt=86400", "lwm2m=1.0"],
            identity,
            ..Request::default()
        });
        let text = Some(ContentFormat::TEXT);
        let observe = world
            .server
            .observe(world.now, registration, path("/3/0/9"), text);
        let request = world.sent_one();
        world.answer(&request, level(1, 85));
        let Outcome::Observing { observation, .. } = world.outcome(observe.unwrap()) else {
            panic!("not observing");
        };
        Self {
            world,
            registration,
            location,
            observation,
            token: request.message().token(),
            sequence: 1,
        }
    }

    fn deliver(&mut self, from: Peer, identity: Identity<'_>, bytes: &[u8]) {
        let mut datagram = Datagram::new(from, bytes);
        datagram.identity = identity;
        let _ = self.world.server.handle_datagram(self.world.now, datagram);
    }

    /// A confirmable notification with the next number. `before` are the events before its own.
    fn notify(&mut self, from: Peer, identity: Identity<'_>) -> (Met, Vec<ServerEvent<Peer>>) {
        self.sequence += 1;
        self.notify_as(from, identity, self.sequence)
    }

    fn notify_as(
        &mut self,
        from: Peer,
        identity: Identity<'_>,
        sequence: u32,
    ) -> (Met, Vec<ServerEvent<Peer>>) {
        let message_id = 5000 + self.world.next_message_id();
        let value = i64::from(sequence);
        let wire = level(sequence, value).finish(CON, message_id, self.token);
        self.deliver(from, identity, wire.as_ref());
        let answer = self.world.sent_one();
        let mut events = self.world.events();
        assert_eq!(
            (answer.to, answer.message().message_id()),
            (from, message_id)
        );
        let met = if answer.message().kind() == MessageType::Reset {
            assert!(events.is_empty(), "{events:?}");
            Met::Rejected
        } else if let Some(ServerEvent::Notification {
            observation,
            content,
            ..
        }) = events.last()
        {
            assert_eq!(*observation, self.observation);
            let content = content.as_ref().unwrap();
            assert_eq!(content.get(&path("/3/0/9")), Some(&Value::Integer(value)));
            events.pop();
            Met::Taken
        } else {
            Met::Old
        };
        (met, events)
    }

    /// The same, if nothing else happens.
    #[track_caller]
    fn met(&mut self, from: Peer, identity: Identity<'_>) -> Met {
        let (met, events) = self.notify(from, identity);
        assert!(events.is_empty(), "{events:?}");
        met
    }

    fn update(&mut self, from: Peer, identity: Identity<'_>) -> Code {
        let location = self.location.clone();
        let reply = self.world.request(&Request {
            from,
            path: &["rd", &location],
            format: None,
            queries: &[],
            payload: b"",
            identity,
            ..Request::default()
        });
        reply.code()
    }

    /// An Update from another peer, which is followed. The events come with it.
    #[track_caller]
    fn moves(&mut self, to: Peer) -> Vec<ServerEvent<Peer>> {
        let before = self.world.server.registration(self.registration).unwrap();
        let (from, is_same_channel) = (*before.peer(), before.channel() == self.world.channel);
        let leaves = before.is_reachable() && is_same_channel;
        assert_eq!(self.update(to, DEVICE), Code::CHANGED);
        let mut events = self.world.events();
        if leaves {
            let left = events.pop();
            assert_eq!(self.left(left.as_ref()), Some(from));
        }
        match events.pop() {
            Some(ServerEvent::Updated {
                registration,
                changes,
            }) => assert!(registration == self.registration && changes.peer),
            event => panic!("{event:?}"),
        }
        assert_eq!(self.peer(), to);
        events
    }

    /// The peer that the client has left, if that is what this event says.
    fn left(&self, event: Option<&ServerEvent<Peer>>) -> Option<Peer> {
        let Some(ServerEvent::PeerLeft { registration, peer }) = event else {
            return None;
        };
        assert_eq!(*registration, self.world.server.find("device").unwrap());
        Some(*peer)
    }

    fn peer(&self) -> Peer {
        let registration = self.world.server.registration(self.registration);
        *registration.unwrap().peer()
    }

    fn read(&mut self) -> Result<OperationId, CallError> {
        let (now, server) = (self.world.now, &mut self.world.server);
        server.read(now, self.registration, path("/3/0/0"), None)
    }

    fn gone(&mut self, peer: Peer) {
        let now = self.world.now;
        self.world.server.peer_gone(now, &peer);
    }

    /// The client leaves; nothing is left of it.
    fn leave(mut self) {
        let (location, from) = (self.location.clone(), self.peer());
        let reply = self.world.request(&Request {
            from,
            method: Method::Delete,
            path: &["rd", &location],
            format: None,
            queries: &[],
            payload: b"",
            identity: DEVICE,
        });
        assert_eq!(reply.code(), Code::DELETED);
        self.world.events();
        self.check_forgotten();
    }

    fn check_forgotten(mut self) {
        self.world.pass(Duration::from_secs(600));
        let usage = self.world.server.usage();
        assert_eq!((usage.registrations, usage.operations), (0, 0));
        assert_eq!((usage.observations, usage.events), (0, 0));
        let coap = usage.coap;
        assert_eq!((coap.peers, coap.records, coap.requests), (0, 0, 0));
    }
}

/// The outcome of these operations, in their order; there are no other events.
#[track_caller]
fn all_gone(events: &[ServerEvent<Peer>], operations: &[OperationId]) {
    let ended: Vec<OperationId> = events
        .iter()
        .map(|event| match event {
            ServerEvent::Answered {
                operation,
                outcome: Outcome::PeerGone,
                ..
            } => *operation,
            event => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(ended, operations);
}

#[test]
fn observations_go_on_after_an_update_from_a_new_session() {
    let mut client = Client::new();
    assert_eq!(client.met(1, DEVICE), Met::Taken);
    assert!(client.moves(2).is_empty());
    // The order of notifications goes on (RFC 7641 §3.4).
    assert_eq!(client.notify_as(2, DEVICE, 2).0, Met::Old);
    assert_eq!(client.met(2, DEVICE), Met::Taken);
    // And on.
    assert!(client.moves(3).is_empty());
    assert_eq!(client.met(3, DEVICE), Met::Taken);
    assert!(client.moves(1).is_empty());
    assert_eq!(client.met(1, DEVICE), Met::Taken);
    assert_eq!(client.world.server.usage().observations, 1);
    client.leave();
}

#[test]
fn a_register_in_a_new_session_ends_observations() {
    let mut client = Client::new();
    let again = Request {
        from: 2,
        identity: DEVICE,
        ..Request::default()
    };
    assert_eq!(client.world.request(&again).code(), Code::CREATED);
    let events = client.world.events();
    assert!(matches!(
        &*events,
        [
            ServerEvent::ObservationEnded {
                reason: EndReason::RegistrationGone,
                ..
            },
            ServerEvent::Replaced { .. },
            ServerEvent::Registered { .. },
            ServerEvent::PeerLeft { peer: 1, .. },
        ]
    ));
    for peer in [1, 2] {
        assert_eq!(client.met(peer, DEVICE), Met::Rejected);
    }
}

/// The driver closes the session: an Update that was held back there would lead the registration back.
#[test]
fn a_session_that_its_client_has_left_is_told_and_can_be_closed() {
    let mut client = Client::new();
    let before = client.peer();
    client.moves(2);
    client.gone(before);
    assert!(client.world.events().is_empty() && client.world.sent().is_empty());
    let registration = client.world.server.registration(client.registration);
    assert!(registration.unwrap().is_reachable());
    client.read().unwrap();
    assert_eq!(client.world.sent_one().to, 2);
    assert_eq!(client.met(2, DEVICE), Met::Taken);
    // An Update in the session that it is reached in leaves nothing.
    assert_eq!(client.update(2, DEVICE), Code::CHANGED);
    let event = client.world.event();
    assert!(matches!(event, ServerEvent::Updated { changes, .. } if !changes.peer));
    client.leave();
}

/// A Reset would end the observation at the client (RFC 7641 §3.6).
#[test]
fn a_late_notification_of_the_old_session_is_not_rejected() {
    let mut client = Client::new();
    client.moves(2);
    assert_eq!(client.met(2, DEVICE), Met::Taken);
    assert_eq!(client.notify_as(1, DEVICE, 1).0, Met::Old);
    assert_eq!(client.met(1, DEVICE), Met::Taken);
    // It moves nothing: requests go to the new session.
    assert_eq!(client.peer(), 2);
    client.read().unwrap();
    assert_eq!(client.world.sent_one().to, 2);
    assert_eq!(client.met(2, DEVICE), Met::Taken);
    client.leave();
}

/// TS 8.3: an Update comes first. A notification that overtakes it must not cost the observation.
#[test]
fn a_notification_of_a_new_session_before_its_update_is_taken() {
    let mut client = Client::new();
    assert_eq!(client.met(2, DEVICE), Met::Taken);
    // Until there is an Update, the client is reached in the old session.
    assert_eq!(client.peer(), 1);
    assert_eq!(client.met(1, DEVICE), Met::Taken);
    assert_eq!(client.met(2, DEVICE), Met::Taken);
    client.moves(2);
    assert_eq!(client.met(2, DEVICE), Met::Taken);
    client.leave();
}

#[test]
fn nobody_else_sends_notifications_of_a_client() {
    let stranger = Identity::Psk(b"another");
    let mut client = Client::new();
    for identity in [Identity::None, stranger] {
        assert_eq!(client.met(2, identity), Met::Rejected);
    }
    // Nor if its peer is gone.
    client.gone(1);
    for identity in [Identity::None, stranger] {
        assert_eq!(client.met(2, identity), Met::Rejected);
    }
    assert_eq!(client.notify(2, DEVICE).0, Met::Taken);
    client.leave();
}

/// TS 8.2.4: another address is a Register there.
#[test]
fn without_security_nothing_follows_a_client_to_another_address() {
    let mut client = Client::in_world(World::new(), Identity::None);
    for identity in [Identity::None, DEVICE] {
        assert_eq!(client.met(2, identity), Met::Rejected);
        assert_eq!(client.update(2, identity), Code::NOT_FOUND);
        let refusal = client.world.refusal();
        assert_eq!(refusal.reason, RefusalReason::AnotherClient);
    }
    assert_eq!(client.met(1, Identity::None), Met::Taken);
    // An address can't be gone: nothing but it says who the client is.
    let operation = client.read().unwrap();
    client.world.sent();
    client.gone(1);
    assert_eq!(client.world.outcome(operation), Outcome::PeerGone);
    assert_eq!(client.met(1, Identity::None), Met::Taken);
    client.read().unwrap();
    assert_eq!(client.world.sent_one().to, 1);
}

#[test]
fn what_waits_for_an_answer_from_the_old_session_ends_with_the_update() {
    let mut client = Client::new();
    let operations = [(); 3].map(|()| client.read().unwrap());
    // The others wait for NSTART.
    let request = client.world.sent_one();
    let events = client.moves(2);
    all_gone(&events, &operations);
    client.world.pass(Duration::from_secs(300));
    assert!(client.world.sent().is_empty());
    // What comes late from there is nobody's.
    client.world.answer_code(&request, Code::CONTENT);
    assert!(client.world.events().is_empty());
    assert_eq!(client.met(2, DEVICE), Met::Taken);
    client.leave();
}

/// TS 8.4: a trigger by SMS is answered by SMS, and its Update comes over UDP.
#[test]
fn what_waits_for_an_answer_over_another_channel_goes_on() {
    let mut client = Client::new();
    client.world.channel = Channel::Sms;
    client.moves(2);
    let operation = client.read().unwrap();
    let request = client.world.sent_one();
    assert_eq!(request.to, 2);
    client.world.channel = Channel::Udp;
    assert!(client.moves(3).is_empty());
    client.world.channel = Channel::Sms;
    client.world.answer_code(&request, Code::FORBIDDEN);
    let refused = Outcome::Refused {
        code: Code::FORBIDDEN,
    };
    assert_eq!(client.world.outcome(operation), refused);
    assert_eq!(client.met(3, DEVICE), Met::Taken);
}

#[test]
fn requests_to_a_peer_that_is_gone_end_and_others_are_not_made() {
    let mut client = Client::new();
    let operations = [(); 3].map(|()| client.read().unwrap());
    client.world.sent();
    client.gone(1);
    let mut events = client.world.events();
    events.sort_by_key(|event| match event {
        ServerEvent::Answered { operation, .. } => operations.iter().position(|at| at == operation),
        _ => None,
    });
    all_gone(&events, &operations);
    let registration = client.world.server.registration(client.registration);
    assert!(registration.is_some_and(|registration| !registration.is_reachable()));

    let (now, id) = (client.world.now, client.observation);
    assert_eq!(client.read(), Err(CallError::PeerGone));
    let cancelled = client.world.server.cancel_observation(now, id);
    assert_eq!(cancelled, Err(CallError::PeerGone));
    client.gone(1);
    client.gone(77);
    assert!(client.world.sent().is_empty() && client.world.events().is_empty());
    let usage = client.world.server.usage();
    assert_eq!((usage.operations, usage.observations), (0, 1));
    assert_eq!((usage.coap.requests, usage.coap.records), (1, 0));

    // The next Update of that identity says where the client is.
    assert!(client.moves(2).is_empty());
    client.read().unwrap();
    assert_eq!(client.world.sent_one().to, 2);
    assert_eq!(client.met(2, DEVICE), Met::Taken);
    client.leave();
}

#[test]
fn a_notification_says_where_a_client_is_whose_peer_was_gone() {
    let mut client = Client::new();
    let before = client.world.server.registration(client.registration);
    let expires = before.unwrap().expires_at();
    client.world.pass(Duration::from_secs(60));
    client.gone(1);
    // The same name, if the driver uses it again, or another one.
    for peer in [1, 2] {
        let (met, events) = client.notify(peer, DEVICE);
        assert_eq!(met, Met::Taken);
        let [ServerEvent::Reachable { registration }] = &*events else {
            panic!("{events:?}");
        };
        assert_eq!((*registration, client.peer()), (client.registration, peer));
        let registration = client.world.server.registration(*registration).unwrap();
        assert!(registration.is_reachable() && registration.expires_at() == expires);
        client.read().unwrap();
        assert_eq!(client.world.sent_one().to, peer);
        assert_eq!(client.met(peer, DEVICE), Met::Taken);
        client.gone(peer);
        assert_eq!(client.world.events().len(), 1);
    }
    // Of an older one it is known that it comes late.
    let (met, events) = client.notify_as(3, DEVICE, 1);
    assert!(met == Met::Old && events.is_empty());
    assert_eq!(client.read(), Err(CallError::PeerGone));
    client.moves(3);
    client.leave();
}

#[test]
fn a_registration_whose_peer_is_gone_stays_until_its_lifetime_is_over() {
    let mut client = Client::new();
    client.gone(1);
    client.world.pass(Duration::from_secs(86_399));
    assert!(
        client
            .world
            .server
            .registration(client.registration)
            .is_some()
    );
    client.world.pass(Duration::from_secs(1));
    let events = client.world.events();
    assert!(matches!(
        &*events,
        [
            ServerEvent::ObservationEnded {
                reason: EndReason::RegistrationGone,
                ..
            },
            ServerEvent::Expired { .. },
        ]
    ));
    assert_eq!(client.met(2, DEVICE), Met::Rejected);
    client.check_forgotten();
}

/// TS 5.3.1: what comes at the end of the lifetime comes too late, though nobody has called the server
/// for it.
#[test]
fn a_notification_at_the_end_of_the_lifetime_is_nobody_s() {
    for (is_gone, from) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
        let mut client = Client::new();
        if is_gone {
            client.gone(1);
        }
        client.world.now += Duration::from_secs(86_399);
        let (met, before) = client.notify(from, DEVICE);
        assert_eq!(met, Met::Taken);
        assert_eq!(before.len(), usize::from(is_gone));
        client.gone(from);
        client.world.now += Duration::from_secs(1);
        for peer in [3, from] {
            let (met, events) = client.notify(peer, DEVICE);
            match met {
                Met::Rejected => assert!(events.is_empty(), "{events:?}"),
                // The endpoint knew it from there.
                met => {
                    assert_eq!((met, peer), (Met::Old, from));
                    assert!(matches!(
                        &*events,
                        [
                            ServerEvent::ObservationEnded {
                                reason: EndReason::RegistrationGone,
                                ..
                            },
                            ServerEvent::Expired { .. },
                        ]
                    ));
                }
            }
        }
        assert_eq!(client.met(from, DEVICE), Met::Rejected);
        client.check_forgotten();
    }
}

#[test]
fn an_answer_at_the_end_of_the_lifetime_is_nobody_s() {
    let mut world = World::with(|config| {
        config.bounds.unconfirmed_lifetime = Duration::from_secs(30);
    });
    let (registration, _) = world.register();
    let now = world.now + Duration::from_secs(29);
    let ask = |world: &mut World| {
        let read = world.server.read(now, registration, path("/3/0/0"), None);
        (read.unwrap(), world.sent_one())
    };
    let (_, request) = ask(&mut world);
    world.now += Duration::from_secs(30);
    // It would confirm the client, which would be kept for its whole lifetime.
    world.answer_code(&request, Code::NOT_FOUND);
    assert!(matches!(
        &*world.events(),
        [
            ServerEvent::Answered {
                outcome: Outcome::ClientGone,
                ..
            },
            ServerEvent::Expired { .. },
        ]
    ));
    assert_eq!(world.server.usage().registrations, 0);
}

#[test]
fn an_observation_is_cancelled_where_the_client_is_reached() {
    let mut client = Client::new();
    client.moves(2);
    // It was heard in the old session last.
    assert_eq!(client.met(1, DEVICE), Met::Taken);
    let (now, id) = (client.world.now, client.observation);
    client.world.server.cancel_observation(now, id).unwrap();
    let request = client.world.sent_one();
    let message = request.message();
    assert_eq!((request.to, message.token()), (2, client.token));
    assert_eq!(message.observe(), Some(1));
    client.world.events();
    client.world.answer_code(&request, Code::CONTENT);
    client.world.events();
    client.leave();
}

#[test]
fn an_observation_without_room_at_the_new_peer_ends() {
    let world = World::with(|config| config.coap.bounds.requests_per_peer = 1);
    let mut client = Client::in_world(world, DEVICE);
    let (other, _) = client.world.register_as(&Request {
        from: 2,
        queries: &["ep=other", "lt=60", "lwm2m=1.0"],
        ..Request::default()
    });
    let now = client.world.now;
    let read = client.world.server.read(now, other, path("/3/0/0"), None);
    read.unwrap();
    client.world.sent();
    let events = client.moves(2);
    assert!(matches!(
        &*events,
        [ServerEvent::ObservationEnded {
            observation,
            reason: EndReason::PeerChanged,
            ..
        }] if *observation == client.observation
    ));
    assert_eq!(client.met(2, DEVICE), Met::Rejected);
}

fn first_block(sequence: u32) -> MessageBuf {
    let mut message = MessageBuf::response(Code::CONTENT);
    message.observe(sequence).unwrap();
    let block = BlockOption::new(0, true, 16).unwrap();
    message.block2(block).unwrap().payload(&[b'7'; 16]);
    message
}

#[test]
fn a_notification_whose_blocks_were_on_their_way_is_lost_and_told() {
    let update = |client: &mut Client| assert_eq!(client.update(2, DEVICE), Code::CHANGED);
    let gone = |client: &mut Client| client.gone(1);
    let ends: [&dyn Fn(&mut Client); 2] = [&update, &gone];
    for end in ends {
        let mut client = Client::new();
        client.sequence += 1;
        let first = first_block(client.sequence);
        let first = first.finish(MessageType::NonConfirmable, 7, client.token);
        client.deliver(1, DEVICE, first.as_ref());
        let next: Sent = client.world.sent_one();
        assert_eq!(next.message().block2().map(BlockOption::number), Some(1));
        end(&mut client);
        let events = client.world.events();
        assert!(events.iter().any(|event| matches!(
            event,
            ServerEvent::Notification {
                content: Err(AnswerError::Lost(FailureReason::PeerDropped)),
                ..
            }
        )));
        assert_eq!(client.notify(2, DEVICE).0, Met::Taken);
    }
}

/// They come from the old session, late, and the cancellation goes to the new one.
#[test]
fn a_notification_whose_blocks_are_on_their_way_is_lost_with_a_cancellation() {
    for is_last in [false, true] {
        let mut client = Client::new();
        client.moves(2);
        let first = if is_last {
            let mut message = MessageBuf::response(Code::CONTENT);
            let block = BlockOption::new(0, true, 16).unwrap();
            message.block2(block).unwrap().payload(&[b'7'; 16]);
            message
        } else {
            first_block(2)
        };
        let first = first.finish(MessageType::NonConfirmable, 7, client.token);
        client.deliver(1, DEVICE, first.as_ref());
        assert_eq!(client.world.sent_one().to, 1);
        let (now, id) = (client.world.now, client.observation);
        let cancelled = client.world.server.cancel_observation(now, id);
        assert_eq!(cancelled.is_err(), is_last);
        let events = client.world.events();
        let lost = FailureReason::PeerDropped;
        let is_told = match &*events {
            [
                ServerEvent::Notification {
                    content: Err(AnswerError::Lost(reason)),
                    ..
                },
                ServerEvent::ObservationEnded {
                    reason: EndReason::Cancelled,
                    ..
                },
            ] => !is_last && *reason == lost,
            [
                ServerEvent::ObservationEnded {
                    reason: EndReason::Lost(reason),
                    ..
                },
            ] => is_last && *reason == lost,
            _ => false,
        };
        assert!(is_told, "{events:?}");
        client.world.pass(Duration::from_secs(1));
        assert!(client.world.events().is_empty());
    }
}

/// A gateway: several clients in one session.
#[test]
fn clients_of_one_session_move_one_by_one() {
    let mut world = World::with(|config| config.identity_check = |_, _| true);
    let gateway = Identity::Psk(b"gateway");
    let clients = ["a", "b", "c"].map(|name| {
        let name = format!("ep={name}");
        world.register_as(&Request {
            queries: &[&name, "lt=86400", "lwm2m=1.0"],
            identity: gateway,
            ..Request::default()
        })
    });
    let now = world.now;
    world.server.peer_gone(now, &1);
    let update = Request {
        from: 2,
        path: &["rd", &clients[1].1],
        format: None,
        queries: &[],
        payload: b"",
        identity: gateway,
        ..Request::default()
    };
    assert_eq!(world.request(&update).code(), Code::CHANGED);
    let reached = clients.each_ref().map(|(id, _)| {
        let read = world.server.read(now, *id, path("/3/0/0"), None);
        read.map(|_| world.sent_one().to)
    });
    let gone = Err(CallError::PeerGone);
    assert_eq!(reached, [gone, Ok(2), gone]);
    world.server.peer_gone(now, &2);
    let registration = world.server.registration(clients[1].0).unwrap();
    assert!(!registration.is_reachable());
}

/// The driver closes a session when the last of its clients has left it.
#[test]
fn a_session_that_a_client_has_left_may_have_others() {
    let mut world = World::with(|config| config.identity_check = |_, _| true);
    let register = |name| Request {
        queries: name,
        identity: Identity::Psk(b"gateway"),
        ..Request::default()
    };
    let (a, b) = (
        ["ep=a", "lt=60", "lwm2m=1.0"],
        ["ep=b", "lt=60", "lwm2m=1.0"],
    );
    let (id_of_a, of_a) = world.register_as(&register(&a));
    let (id_of_b, _) = world.register_as(&register(&b));
    assert!(world.server.is_reached_by_others(&1, id_of_a));
    let update = Request {
        from: 2,
        path: &["rd", &of_a],
        format: None,
        queries: &[],
        payload: b"",
        ..register(&[])
    };
    assert_eq!(world.request(&update).code(), Code::CHANGED);
    assert!(matches!(
        &*world.events(),
        [
            ServerEvent::Updated { .. },
            ServerEvent::PeerLeft { registration, peer: 1 },
        ] if *registration == id_of_a
    ));
    let others = |world: &World, peer, id| world.server.is_reached_by_others(&peer, id);
    assert!(others(&world, 1, id_of_a) && !others(&world, 1, id_of_b));
    assert!(others(&world, 2, id_of_b) && !others(&world, 2, id_of_a));
    assert!(!others(&world, 3, id_of_a));
    let again = Request {
        from: 2,
        ..register(&b)
    };
    assert_eq!(world.request(&again).code(), Code::CREATED);
    assert!(matches!(
        &*world.events(),
        [
            ServerEvent::Replaced { .. },
            ServerEvent::Registered { registration },
            ServerEvent::PeerLeft { registration: of, peer: 1 },
        ] if of == registration
    ));
    assert!(!others(&world, 1, id_of_a));
    // Who is gone isn't reached.
    let now = world.now;
    world.server.client_gone(now, id_of_a);
    let id_of_b = world.server.find("b").unwrap();
    assert!(others(&world, 2, id_of_a) && !others(&world, 2, id_of_b));
}

/// It was led back to a session in which others are reached.
#[test]
fn a_client_can_be_gone_while_its_peer_goes_on() {
    let mut client = Client::new();
    let operation = client.read().unwrap();
    client.world.sent();
    let (now, id) = (client.world.now, client.registration);
    for _ in 0..2 {
        client.world.server.client_gone(now, id);
    }
    all_gone(&client.world.events(), &[operation]);
    assert_eq!(client.read(), Err(CallError::PeerGone));
    assert!(client.world.sent().is_empty());
    // Its observation is still there, and its next notification says where it is.
    let (met, events) = client.notify(2, DEVICE);
    assert!(met == Met::Taken && matches!(&*events, [ServerEvent::Reachable { .. }]));
    assert_eq!(client.peer(), 2);
    client.read().unwrap();
    assert_eq!(client.world.sent_one().to, 2);
    // So does its next Update, which leaves nothing.
    client.world.server.client_gone(now, id);
    assert_eq!(client.world.events().len(), 1);
    assert!(client.moves(3).is_empty());
    client.read().unwrap();
    client.world.sent();
    client.leave();
}

/// Without a proven identity, a client is its peer.
#[test]
fn a_client_without_a_proven_identity_is_not_gone() {
    let mut world = World::new();
    let (id, _) = world.register_as(&Request::default());
    let now = world.now;
    world.server.client_gone(now, id);
    assert!(world.server.registration(id).unwrap().is_reachable());
    assert!(!world.server.is_reached_by_others(&1, id));
}
