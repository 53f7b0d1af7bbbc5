//! B.2.4 Information Reporting.

use lwm2m_core::{Code, ContentFormat, Method};
use lwm2m_kit::path;
use lwm2m_statemachine::{
    ObservationId, Outcome, Server,
    coap::{MessageBuf, MessageType, Token},
    server::EndReason,
};

use super::{
    bench::{Bench, Peer, Sent},
    clients::{Event, Registered, server, usual},
};
use crate::steps::step;

/// A battery level with its number, as a client sends it that is observed.
fn level(sequence: u32, text: &str) -> MessageBuf {
    let mut answer = MessageBuf::response(Code::CONTENT);
    answer.observe(sequence).expect("one option");
    answer.payload(text.as_bytes());
    answer
}

/// The Server observes the battery level; the client agrees. Returns the request, too.
#[track_caller]
fn observing(bench: &mut Bench<Server<Peer>>, client: &Registered) -> (ObservationId, Sent) {
    let text = Some(ContentFormat::TEXT);
    let observe = bench
        .machine
        .observe(bench.now, client.id, path("/3/0/9"), text);
    let asked = bench.expect_asked(Method::Get, "/3/0/9");
    let message = asked.message();
    assert_eq!((message.observe(), message.accept()), (Some(0), text));
    bench.answer(&asked, level(1, "85"));
    match bench.expect_answered(observe.expect("is registered")) {
        Outcome::Observing {
            observation,
            content: Ok(content),
        } => {
            assert_eq!(content.get(&path("/3/0/9")), Some(&85.into()));
            (observation, asked)
        }
        outcome => panic!("expected an observation, got {outcome:?}"),
    }
}

impl Bench<Server<Peer>> {
    /// The next notification is of this observation, with this value.
    #[track_caller]
    fn expect_notified(&mut self, observation: ObservationId, value: i64) {
        match self.told() {
            Event::Notification {
                observation: of,
                content: Ok(content),
                ..
            } => {
                assert_eq!(of, observation);
                assert_eq!(content.get(&path("/3/0/9")), Some(&value.into()));
            }
            event => panic!("expected a notification, got {event:?}"),
        }
    }
}

pub(crate) fn lwm2m_ir_001_s_m() {
    let mut bench = server();
    let client = bench.registered(&usual());
    step("an Observe of a Resource, an Object Instance and an Object has Observe: 0 (TS 5.5.1)");
    observing(&mut bench, &client);
    for at in ["/3/0", "/3"] {
        let observe = bench.machine.observe(bench.now, client.id, path(at), None);
        let asked = bench.expect_asked(Method::Get, at);
        assert_eq!(asked.message().observe(), Some(0));
        step("a client that refuses isn't observed");
        let code = Code::METHOD_NOT_ALLOWED;
        bench.answer_code(&asked, code);
        let outcome = bench.expect_answered(observe.expect("is registered"));
        assert_eq!(outcome, Outcome::Refused { code });
    }
    assert_eq!(bench.machine.usage().observations, 1);
    step("one that answers without the option doesn't notify (RFC 7641 4.1)");
    let text = Some(ContentFormat::TEXT);
    let at = path("/3/0/9");
    let observe = bench.machine.observe(bench.now, client.id, at, text);
    let asked = bench.expect_asked(Method::Get, "/3/0/9");
    bench.answer(&asked, super::clients::level());
    let outcome = bench.expect_answered(observe.expect("is registered"));
    assert!(matches!(outcome, Outcome::Content(_)), "{outcome:?}");
    assert_eq!(bench.machine.usage().observations, 1);
}

pub(crate) fn lwm2m_ir_002_s_m() {
    let mut bench = server();
    let client = bench.registered(&usual());
    let (observation, asked) = observing(&mut bench, &client);
    let token = asked.message().token();
    step("a notification with the token of the Observe is told (TS 5.5.2)");
    bench.notify(token, MessageType::NonConfirmable, level(2, "84"));
    bench.expect_notified(observation, 84);
    step("a confirmable one is acknowledged");
    bench.notify(token, MessageType::Confirmable, level(3, "83"));
    bench.expect_notified(observation, 83);
    bench.expect_last_acknowledged();
    step("an older one that comes late isn't told (RFC 7641 3.4)");
    bench.notify(token, MessageType::NonConfirmable, level(2, "84"));
    bench.expect_no_event();
    step("one with another token is rejected");
    let other = Token::new(b"other").expect("at most 8 bytes");
    bench.notify(other, MessageType::Confirmable, level(4, "82"));
    bench.expect_no_event();
    bench.expect_last_rejected();
    step("an error ends the observation (RFC 7641 3.2)");
    let gone = MessageBuf::response(Code::NOT_FOUND);
    bench.notify(token, MessageType::Confirmable, gone);
    match bench.told() {
        Event::ObservationEnded {
            observation: ended,
            reason,
            ..
        } => {
            let code = Code::NOT_FOUND;
            assert_eq!((ended, reason), (observation, EndReason::Refused(code)));
        }
        event => panic!("expected the end, got {event:?}"),
    }
}

pub(crate) fn lwm2m_ir_003_s_m() {
    let mut bench = server();
    let client = bench.registered(&usual());
    step("by a request with Observe: 1 and the same token (TS 5.5.3, 8.2.6)");
    let (observation, asked) = observing(&mut bench, &client);
    let token = asked.message().token();
    let cancel = bench.machine.cancel_observation(bench.now, observation);
    let cancels = bench.expect_asked(Method::Get, "/3/0/9");
    let message = cancels.message();
    assert_eq!((message.observe(), message.token()), (Some(1), token));
    bench.answer(&cancels, super::clients::level());
    let events = bench.events();
    let [
        Event::ObservationEnded {
            observation: ended,
            reason: EndReason::Cancelled,
            ..
        },
        Event::Answered { operation, .. },
    ] = &*events
    else {
        panic!("expected the end and the answer, got {events:?}");
    };
    assert_eq!((*ended, Ok(*operation)), (observation, cancel));
    step("a notification after that is rejected");
    bench.notify(token, MessageType::Confirmable, level(7, "80"));
    bench.expect_no_event();
    bench.expect_last_rejected();

    step("by a Reset to the next notification (TS 8.2.6)");
    let (observation, asked) = observing(&mut bench, &client);
    let dropped = bench.machine.drop_observation(bench.now, observation);
    dropped.expect("the observation");
    let ended = bench.told();
    assert!(matches!(ended, Event::ObservationEnded { .. }), "{ended:?}");
    bench.expect_nothing_asked();
    let token = asked.message().token();
    bench.notify(token, MessageType::NonConfirmable, level(2, "84"));
    bench.expect_no_event();
    bench.expect_last_rejected();
}
