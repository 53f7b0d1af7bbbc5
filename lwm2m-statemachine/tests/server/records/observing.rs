//! Operations and observations after a restart, of clients that aren't in Queue Mode.

use lwm2m_core::{Code, Value};
use lwm2m_statemachine::{
    ObservationId, Outcome, RegistrationId, ServerEvent,
    coap::{MessageBuf, MessageType, Token},
    server::EndReason,
};

use super::seconds;
use crate::support::{Request, World, path};

impl World {
    /// Observes the battery, which the client accepts.
    fn observe_battery(&mut self, id: RegistrationId) -> (ObservationId, Token) {
        let now = self.now;
        self.server.observe(now, id, path("/3/0/9"), None).unwrap();
        let request = self.sent_one();
        let token = request.message().token();
        let mut answer = MessageBuf::response(Code::CONTENT);
        answer.observe(10).unwrap().payload(b"80");
        self.answer(&request, answer);
        match self.event() {
            ServerEvent::Answered {
                outcome: Outcome::Observing { observation, .. },
                ..
            } => (observation, token),
            event => panic!("{event:?}"),
        }
    }

    /// The client sends a notification; returns what it is told as.
    fn notified(&mut self, token: Token, sequence: u32) -> Option<ObservationId> {
        let mut message = MessageBuf::response(Code::CONTENT);
        message.observe(sequence).unwrap().payload(b"79");
        let message_id = self.next_message_id();
        let wire = message.finish(MessageType::Confirmable, message_id, token);
        self.deliver(1, wire.as_ref());
        let told = self.events().into_iter().find_map(|event| match event {
            ServerEvent::Notification {
                observation,
                content,
                ..
            } => {
                let content = content.unwrap();
                let values: Vec<_> = content.values().map(|(_, value)| value).collect();
                assert_eq!(values, [&Value::Integer(79)]);
                Some(observation)
            }
            _ => None,
        });
        let answer = self.sent_one();
        assert_eq!(answer.kind(), MessageType::Acknowledgement);
        told
    }
}

#[test]
fn an_observation_goes_on_with_its_token_and_its_handle() {
    let mut world = World::new();
    let (id, _) = world.register();
    let (observation, token) = world.observe_battery(id);
    world.restart(seconds(3));
    assert_eq!(world.notified(token, 11), Some(observation));
    // Order goes on, too (RFC 7641 §3.4).
    assert_eq!(world.notified(token, 9), None);
    assert_eq!(world.notified(token, 12), Some(observation));
    let now = world.now;
    world.server.cancel_observation(now, observation).unwrap();
    let cancel = world.sent_one();
    assert_eq!(cancel.message().token(), token);
    assert_eq!(cancel.message().observe(), Some(1));
}

#[test]
fn a_number_is_old_for_128_seconds_also_over_a_restart() {
    for (elapsed, is_told) in [(100, false), (129, true)] {
        let mut world = World::new();
        let (id, _) = world.register_as(&Request {
            queries: &["ep=device", "lt=600", "lwm2m=1.0"],
            ..Request::default()
        });
        let (_, token) = world.observe_battery(id);
        world.restart(seconds(elapsed));
        assert_eq!(world.notified(token, 3).is_some(), is_told, "{elapsed}");
    }
}

#[test]
fn two_observations_of_one_path_are_told_apart() {
    let mut world = World::new();
    let (id, _) = world.register();
    let [one, other] = [(); 2].map(|()| world.observe_battery(id));
    world.restart(seconds(3));
    assert_eq!(world.notified(other.1, 11), Some(other.0));
    assert_eq!(world.notified(one.1, 11), Some(one.0));
    assert_eq!(world.server.usage().observations, 2);
}

#[test]
fn an_observation_for_which_there_is_no_room_ends() {
    let mut world = World::new();
    let (id, _) = world.register();
    let [one, other] = [(); 2].map(|()| world.observe_battery(id));
    let record = world.record(id);
    let mut narrow = super::config();
    narrow.bounds.observations = 1;
    world.boot(narrow);
    world.restore(record, seconds(1)).unwrap();
    assert!(matches!(
        world.event(),
        ServerEvent::ObservationEnded { observation, reason: EndReason::Restarted, .. }
            if observation == other.0
    ));
    assert_eq!(world.notified(one.1, 11), Some(one.0));
}

#[test]
fn what_was_under_way_ends_as_nobody_knows_what_has_become_of_it() {
    let mut world = World::new();
    let (id, _) = world.register();
    let now = world.now;
    let read = world.server.read(now, id, path("/3/0/9"), None).unwrap();
    let observe = world.server.observe(now, id, path("/3/0/9"), None).unwrap();
    let sent = world.sent_one();
    world.restart(seconds(1));
    let events = world.events().into_iter();
    let ended = events.map(|event| match event {
        ServerEvent::Answered {
            operation, outcome, ..
        } => (operation, outcome),
        event => panic!("{event:?}"),
    });
    let ended: Vec<_> = ended.collect();
    let lost = || Outcome::Restarted { sent: true };
    assert_eq!(ended, [(read, lost()), (observe, lost())]);
    assert!(world.sent().is_empty());
    assert_eq!(world.server.usage().operations, 0);
    // Its answer means nothing any more.
    world.answer_code(&sent, Code::CONTENT);
    assert!(world.events().is_empty());
}
