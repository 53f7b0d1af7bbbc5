//! Queue Mode (TS 8.3): how long the Client is awake for a server, when the device may power down, and what wakes it.

mod by_sms;
mod disabled;
mod notifying;
mod others;
mod servers;

use core::time::Duration;

use lwm2m_core::{BindingMode, Code, Instant};
use lwm2m_kit::{account, get};
use lwm2m_objects::typed;
use lwm2m_statemachine::{
    ClientConfig, ClientEvent,
    client::{DeferredOperation, QueueState},
    coap::{BlockOption, MessageBuf, MessageType, Token},
};

use crate::{
    observe::observe,
    reporting::sensors,
    support::{Bench, Sent, on, path, server_id, tree},
};

/// MAX_TRANSMIT_WAIT (RFC 7252 §4.8.2).
pub(crate) const AWAKE: Duration = Duration::from_secs(93);

/// A second.
const SECOND: Duration = Duration::from_secs(1);

/// When an Update prolongs a lifetime of a day, from the registration on: as long before its end as it may take.
const UPDATE: Duration = update_after(0);

/// The same, counted from so many seconds after the registration.
const fn update_after(seconds: u64) -> Duration {
    Duration::from_secs(86_400 - 93 - seconds)
}

/// The account of a server that has chosen this binding, without default periods.
pub(crate) fn server(binding: BindingMode) -> typed::Server {
    typed::Server {
        binding,
        default_minimum_period: Some(0),
        ..typed::Server::new(server_id(101), 86_400)
    }
}

pub(crate) fn config() -> ClientConfig {
    ClientConfig::new("sleeper", [4; 32])
}

/// A Client that is registered with a server, and has two sensors.
pub(crate) fn registered(config: ClientConfig, server: typed::Server) -> Bench {
    let mut tree = tree(server);
    tree.add(sensors());
    let mut bench = Bench::with_tree(config, tree);
    bench.accept_register();
    bench
}

/// The same in Queue Mode.
pub(crate) fn sleeper() -> Bench {
    registered(config(), server(BindingMode::UQ))
}

impl Bench {
    pub(crate) fn queue_state(&self) -> Option<QueueState> {
        self.client.account(account(0)).unwrap().queue_mode
    }

    /// The moments until which the device may power down, as the application is told.
    pub(crate) fn told_to_sleep(&mut self) -> Vec<Option<Instant>> {
        let events = self.events().into_iter();
        let told = events.filter_map(|event| match event {
            ClientEvent::MaySleep { until } => Some(until),
            _ => None,
        });
        told.collect()
    }

    /// The awake time begins now. When it is over, the device may power down until a moment after now.
    pub(crate) fn falls_asleep(&mut self, until: Option<Duration>) {
        self.told_to_sleep();
        let until = until.map(|until| self.now + until);
        self.pass(Duration::from_millis(92_999));
        assert_eq!(self.told_to_sleep(), []);
        assert_eq!(self.queue_state(), Some(QueueState::Awake));
        self.pass(Duration::from_millis(1));
        assert_eq!(self.queue_state(), Some(QueueState::Asleep));
        assert_eq!(self.told_to_sleep(), [until]);
        assert!(self.client.may_sleep());
        assert_eq!(self.client.poll_timeout(), until);
    }

    /// The next message is the Update; it is accepted.
    pub(crate) fn accept_update(&mut self) {
        let update = self.sent();
        assert_eq!((update.code(), &*update.path()), (Code::POST, "/rd/a"));
        self.answer(&update, MessageBuf::response(Code::CHANGED));
        self.client.handle_timeout(self.now);
    }

    pub(crate) fn acknowledge(&mut self, sent: &Sent) {
        assert_eq!(sent.kind(), MessageType::Confirmable);
        let empty = MessageBuf::new(Code::EMPTY);
        let id = sent.message().message_id();
        let wire = empty.finish(MessageType::Acknowledgement, id, Token::EMPTY);
        self.datagram(wire.as_ref());
    }

    /// Nothing is sent for so long.
    pub(crate) fn is_silent(&mut self, time: Duration) {
        self.pass(time);
        assert_eq!(self.all_sent().len(), 0);
    }
}

#[test]
fn the_client_is_awake_for_93_seconds_and_then_the_device_may_sleep_until_the_update() {
    let mut bench = sleeper();
    assert_eq!(bench.queue_state(), Some(QueueState::Awake));
    bench.falls_asleep(Some(UPDATE));
}

#[test]
fn each_message_either_way_begins_the_awake_time_anew() {
    let mut bench = sleeper();
    bench.pass(50 * SECOND);
    bench.request(b"t", observe(0, "/26241/0/1"));
    bench.pass(50 * SECOND);
    // A notification that nobody acknowledges.
    bench.client.set(bench.now, path("/26241/0/1"), 21).unwrap();
    bench.client.handle_timeout(bench.now);
    assert_eq!(bench.sent().kind(), MessageType::NonConfirmable);
    bench.falls_asleep(Some(update_after(100)));
}

#[test]
fn the_awake_time_is_configured() {
    let mut config = config();
    config.queue_mode.awake = Some(10 * SECOND);
    let mut bench = registered(config, server(BindingMode::UQ));
    bench.pass(Duration::from_millis(9_999));
    assert_eq!(bench.told_to_sleep(), []);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.told_to_sleep().len(), 1);
}

#[test]
fn without_queue_mode_the_client_never_sleeps() {
    let mut bench = registered(config(), server(BindingMode::U));
    assert_eq!(bench.queue_state(), None);
    bench.pass(1000 * SECOND);
    assert_eq!(bench.told_to_sleep(), []);
    assert!(!bench.client.may_sleep());
}

/// The endpoint forgets message ids after EXCHANGE_LIFETIME.
#[test]
fn nothing_wakes_the_device_that_does_not_show_outside() {
    let mut bench = sleeper();
    bench.request(b"t", get("/3/0/0"));
    bench.falls_asleep(Some(UPDATE));
    assert!(bench.client.usage().coap.records > 0);
    // Being called all the same does no harm, and is not told again.
    for _ in 0..10 {
        bench.now += 40 * SECOND;
        bench.client.handle_timeout(bench.now);
    }
    assert_eq!(bench.client.usage().coap.records, 0);
    assert_eq!(bench.told_to_sleep(), []);
}

#[test]
fn an_update_that_is_due_wakes_the_client_and_it_is_awake_for_its_time_again() {
    let mut bench = sleeper();
    bench.falls_asleep(Some(UPDATE));
    bench.is_silent(update_after(94));
    bench.pass(SECOND);
    bench.accept_update();
    assert!(!bench.client.may_sleep());
    bench.falls_asleep(Some(UPDATE));
}

#[test]
fn the_application_wakes_the_client_with_an_update_or_with_what_servers_know() {
    let mut bench = sleeper();
    bench.falls_asleep(Some(UPDATE));
    bench.client.update(bench.now, account(0));
    bench.accept_update();
    bench.falls_asleep(Some(UPDATE));
    bench.client.set(bench.now, path("/1/0/1"), 7200).unwrap();
    bench.accept_update();
    bench.falls_asleep(Some(Duration::from_secs(7200 - 93)));
}

/// TS 5.3: nothing is sent after the lifetime but a Register.
#[test]
fn a_device_that_wakes_too_late_registers() {
    let mut bench = sleeper();
    bench.falls_asleep(Some(UPDATE));
    bench.now += Duration::from_secs(86_400);
    bench.client.handle_timeout(bench.now);
    bench.accept_register_again();
    bench.falls_asleep(Some(UPDATE));
}

impl Bench {
    fn accept_register_again(&mut self) {
        let register = self.sent();
        assert_eq!(register.path(), "/rd");
        self.answer(&register, crate::support::created());
        self.events();
    }
}

/// The server sends its own retransmissions of what it sent before.
#[test]
fn a_request_that_still_arrives_is_answered_and_then_the_server_hears_an_update() {
    let mut bench = sleeper();
    bench.falls_asleep(Some(UPDATE));
    let (answer, more) = bench.answered(b"t", get("/3/0/0"));
    assert_eq!(answer.code(), Code::CONTENT);
    let [update] = &more[..] else {
        panic!("{more:?}")
    };
    assert_eq!(update.path(), "/rd/a");
    bench.answer(update, MessageBuf::response(Code::CHANGED));
    bench.falls_asleep(Some(UPDATE));
}

/// What isn't a request of the server doesn't wake the Client, whoever sends it.
#[test]
fn what_can_not_be_a_request_wakes_nobody() {
    let mut bench = sleeper();
    bench.falls_asleep(Some(UPDATE));
    for bytes in [&b"\x40\x00"[..], b"noise", b"\x70\x00\x12\x34", b""] {
        bench.datagram(bytes);
    }
    assert_eq!(bench.all_sent().len(), 0);
    assert!(bench.client.may_sleep());
}

#[test]
fn an_update_that_is_not_answered_keeps_the_client_awake_until_it_has_failed() {
    let mut bench = sleeper();
    bench.falls_asleep(Some(UPDATE));
    bench.client.update(bench.now, account(0));
    let mut failed = None;
    while failed.is_none() {
        bench.pass(SECOND);
        bench.all_sent();
        failed = bench.events().into_iter().find_map(|event| match event {
            ClientEvent::RegistrationFailed { retry, .. } => Some(retry.unwrap()),
            ClientEvent::MaySleep { .. } => panic!("the Update is under way"),
            _ => None,
        });
    }
    // The next one is sent in time, asleep or not.
    let retry = failed.unwrap();
    bench.pass(retry.saturating_duration_since(bench.now));
    bench.accept_update();
    bench.falls_asleep(Some(UPDATE));
}

#[test]
fn a_confirmable_notification_keeps_the_client_awake_until_it_is_acknowledged() {
    let mut config = config();
    config.notifications = lwm2m_statemachine::Reliability::Confirmable;
    let mut bench = registered(config, server(BindingMode::UQ));
    bench.request(b"t", observe(0, "/26241/0/1"));
    bench.client.set(bench.now, path("/26241/0/1"), 21).unwrap();
    bench.client.handle_timeout(bench.now);
    let notification = bench.sent();
    // Its last retransmission may leave after a minute, and its answer come later.
    bench.pass(60 * SECOND);
    bench.all_sent();
    bench.acknowledge(&notification);
    bench.falls_asleep(Some(update_after(60)));
}

#[test]
fn a_request_that_the_application_answers_keeps_the_client_awake() {
    let mut config = config();
    config.deferring.answer_within = 140 * SECOND;
    let mut bench = registered(config, server(BindingMode::UQ));
    bench
        .client
        .deferred()
        .defer(DeferredOperation::Execute, path("/3/0/4"));
    let request = on(lwm2m_core::Method::Post, "/3/0/4");
    let wire = request.finish(MessageType::Confirmable, 9, Token::new(b"d").unwrap());
    bench.datagram(wire.as_ref());
    bench.pass(130 * SECOND);
    bench.all_sent();
    let events = bench.events();
    let asked = events.iter().find_map(|event| match event {
        ClientEvent::ExecuteAsked { request, .. } => Some(*request),
        ClientEvent::MaySleep { .. } => panic!("a request waits"),
        _ => None,
    });
    let refusal = Code::METHOD_NOT_ALLOWED;
    let now = bench.now;
    bench
        .client
        .deferred()
        .answer_execute(now, asked.unwrap(), Err(refusal))
        .unwrap();
    let answer = bench.sent();
    assert_eq!(answer.code(), refusal);
    bench.acknowledge(&answer);
    bench.falls_asleep(Some(update_after(130)));
}

/// The server fetches the rest of a body, or may do so.
#[test]
fn a_body_that_is_fetched_in_blocks_keeps_the_client_awake() {
    let mut bench = sleeper();
    let block = |number| {
        let mut request = get("/3");
        request
            .block2(BlockOption::new(number, false, 16).unwrap())
            .unwrap();
        request
    };
    let answer = bench.request(b"b", block(0));
    assert!(answer.message().block2().unwrap().more());
    bench.pass(AWAKE + SECOND);
    assert_eq!(bench.told_to_sleep(), []);
    let mut number = 1;
    loop {
        let answer = bench.request(b"b", block(number));
        if !answer.message().block2().unwrap().more() {
            break;
        }
        number += 1;
    }
    bench.pass(AWAKE);
    assert_eq!(bench.told_to_sleep().len(), 1);
}

#[test]
fn a_body_that_is_written_in_blocks_keeps_the_client_awake() {
    let mut bench = sleeper();
    let mut request = on(lwm2m_core::Method::Put, "/26241/0/3");
    request
        .content_format(lwm2m_core::ContentFormat::TEXT)
        .unwrap()
        .block1(BlockOption::new(0, true, 16).unwrap())
        .unwrap()
        .payload(b"0123456789abcdef");
    let answer = bench.request(b"b", request);
    assert_eq!(answer.code(), Code::CONTINUE);
    bench.pass(AWAKE + SECOND);
    assert_eq!(bench.told_to_sleep(), []);
    // It isn't waited for any longer than the endpoint keeps it.
    bench.pass(300 * SECOND);
    assert_eq!(bench.told_to_sleep().len(), 1);
}
