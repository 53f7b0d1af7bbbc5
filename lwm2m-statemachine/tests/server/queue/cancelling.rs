//! Operations that are cancelled, and observations that are cancelled by an operation that waits.

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat};
use lwm2m_statemachine::{
    ObservationId, Outcome, ServerEvent,
    coap::{MessageBuf, MessageType, Token},
    server::{CallError, EndReason},
};

use super::world::{SILENCE, Sleeper, outcomes};

#[test]
fn an_operation_that_waits_is_cancelled_and_never_sent() {
    let mut client = Sleeper::asleep();
    let [first, second] = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    let now = client.now;
    client.server.waiting().cancel(now, first).unwrap();
    let sent = false;
    assert_eq!(client.outcome(first), Outcome::Cancelled { sent });
    let again = client.server.waiting().cancel(now, first);
    assert_eq!(again, Err(CallError::UnknownOperation));
    let sent = client.wake();
    assert_eq!(sent[0].path(), "/3/0/13");
    client.answer_code(&sent[0], Code::NOT_FOUND);
    assert_eq!(outcomes(&client.events())[0].0, second);
}

#[test]
fn an_operation_under_way_is_cancelled_and_the_next_one_sent() {
    let mut client = Sleeper::awake();
    let [first, _] = ["/3/0/9", "/3/0/13"].map(|at| client.read(at));
    client.sent_one();
    let now = client.now;
    client.server.waiting().cancel(now, first).unwrap();
    let sent = true;
    assert_eq!(client.outcome(first), Outcome::Cancelled { sent });
    assert_eq!(client.sent_one().path(), "/3/0/13");
    client.pass(Duration::from_secs(1));
}

/// A client that is asleep, with an observation, and the token of that.
fn observed() -> (Sleeper, ObservationId, Token) {
    let mut client = Sleeper::awake();
    let operation = client.observe().unwrap();
    let request = client.sent_one();
    let mut response = MessageBuf::response(Code::CONTENT);
    response.observe(1).unwrap().payload(b"85");
    client.answer(&request, response);
    let Outcome::Observing { observation, .. } = client.outcome(operation) else {
        panic!("it isn't observed");
    };
    client.fall_asleep();
    (client, observation, request.message().token())
}

#[test]
fn a_cancellation_waits_while_the_observation_is_over_for_the_application() {
    let (mut client, observation, token) = observed();
    let now = client.now;
    let operation = client.server.cancel_observation(now, observation).unwrap();
    assert!(matches!(
        client.event(),
        ServerEvent::ObservationEnded {
            reason: EndReason::Cancelled,
            ..
        }
    ));
    assert!(client.sent().is_empty());
    let again = client.server.cancel_observation(now, observation);
    assert_eq!(again, Err(CallError::UnknownObservation));
    let dropped = client.server.drop_observation(now, observation);
    assert_eq!(dropped, Err(CallError::UnknownObservation));

    // Its notification isn't told, but it says that the client is awake; it isn't rejected.
    client.notify(token, 2, "84");
    let request = client.sent_one();
    let message = request.message();
    assert_eq!((message.observe(), message.token()), (Some(1), token));
    assert_eq!(message.accept(), Some(ContentFormat::TEXT));
    assert!(matches!(client.events()[..], [ServerEvent::Awake { .. }]));
    client.answer_text(&request, "84");
    assert!(matches!(client.outcome(operation), Outcome::Content(_)));
    // From now on it is rejected.
    client.notify(token, 3, "83");
    assert_eq!(client.sent_one().kind(), MessageType::Reset);
    assert_eq!(client.server.usage().observations, 0);
}

#[test]
fn a_cancellation_that_was_not_answered_is_sent_again_with_its_token() {
    let (mut client, observation, token) = observed();
    let now = client.now;
    let operation = client.server.cancel_observation(now, observation).unwrap();
    client.events();
    for sequence in [2, 3] {
        let sent = client.wake();
        assert_eq!(sent[0].message().token(), token);
        client.pass(SILENCE);
        assert!(outcomes(&client.events()).is_empty());
        client.sent();
        // A notification wakes the client, and the cancellation is sent a third time.
        client.notify(token, sequence, "84");
        let sent = client.sent_one();
        assert_eq!(
            (sent.message().observe(), sent.message().token()),
            (Some(1), token)
        );
        client.pass(SILENCE);
        client.sent();
        client.events();
    }
    let sent = client.wake();
    client.answer_text(&sent[0], "84");
    let outcome = outcomes(&client.events()).pop().unwrap();
    assert!(matches!(outcome, (id, Outcome::Content(_)) if id == operation));
    assert_eq!(client.server.usage().observations, 0);
    assert_eq!(client.server.usage().coap.requests, 0);
}

#[test]
fn a_cancellation_that_is_cancelled_itself_leaves_a_reset_to_the_next_notification() {
    let (mut client, observation, token) = observed();
    let now = client.now;
    let operation = client.server.cancel_observation(now, observation).unwrap();
    client.server.waiting().cancel(now, operation).unwrap();
    client.events();
    client.notify(token, 2, "84");
    assert_eq!(client.sent_one().kind(), MessageType::Reset);
    assert!(client.events().is_empty());
    assert_eq!(client.server.usage().coap.requests, 0);
}

#[test]
fn a_cancellation_is_outdated_once_the_client_has_ended_the_observation() {
    let (mut client, observation, token) = observed();
    let now = client.now;
    let operation = client.server.cancel_observation(now, observation).unwrap();
    client.events();
    // The last notification.
    let response = MessageBuf::response(Code::NOT_FOUND);
    let message_id = client.next_message_id();
    let wire = response.finish(MessageType::NonConfirmable, message_id, token);
    client.deliver(1, wire.as_ref());
    let events = client.events();
    assert_eq!(outcomes(&events), [(operation, Outcome::Outdated)]);
    assert!(client.sent().is_empty());
}

#[test]
fn an_observation_of_a_client_that_is_awake_is_cancelled_at_once() {
    let (mut client, observation, _) = observed();
    client.wake();
    let now = client.now;
    let operation = client.server.cancel_observation(now, observation).unwrap();
    assert!(matches!(
        client.event(),
        ServerEvent::ObservationEnded { .. }
    ));
    let request = client.sent_one();
    client.answer_text(&request, "84");
    assert!(matches!(client.outcome(operation), Outcome::Content(_)));
    assert_eq!(client.server.usage().observations, 0);
}
