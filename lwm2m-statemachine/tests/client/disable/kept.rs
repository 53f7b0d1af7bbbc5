//! What would have been notified while a server was disabled goes out on the observation that it makes of the same
//! after it has registered again (TS E.2, Resources 4 and 6).

use lwm2m_core::{Code, ContentFormat};
use lwm2m_kit::account;
use lwm2m_objects::typed::Server;
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, Reliability, Session,
    client::ReportingStatus,
    coap::{MessageBuf, MessageType, Token},
};

use super::{DAY, acknowledge, disables, may_be_disabled, registers, seconds};
use crate::{
    hosts::{Hosts, tree},
    observe::observe,
    reporting::sensors,
    support::{Sent, path},
};

pub(crate) const SET_POINT: &str = "/26241/0/1";
const OTHER: &str = "/26241/1/1";

/// Registered with one server that may be disabled for a minute, which observes a number with each of these tokens.
pub(crate) fn observed(config: ClientConfig, server: Server, tokens: &[&[u8]]) -> Hosts {
    let (security, _) = may_be_disabled("one", 101, Some(60));
    let mut tree = tree([(security, server)]);
    tree.add(sensors());
    let mut hosts = Hosts::with(config, tree);
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    hosts.accept_all();
    for token in tokens {
        let answer = observes(&mut hosts, token, observe(0, SET_POINT)).remove(0);
        assert_eq!(answer.code(), Code::CONTENT);
    }
    hosts.events();
    hosts
}

fn config() -> ClientConfig {
    ClientConfig::new("example-client", [3; 32])
}

pub(crate) fn server() -> Server {
    may_be_disabled("one", 101, Some(60)).1
}

/// The server observes something with this token. What is sent then.
pub(crate) fn observes(hosts: &mut Hosts, token: &[u8], request: MessageBuf) -> Vec<Sent> {
    let link = hosts.link(account(0));
    let id = 0x4000 + u16::from(token[0]);
    let wire = request.finish(MessageType::Confirmable, id, Token::new(token).unwrap());
    hosts.datagram(link, wire.as_ref());
    let sent = hosts.sent();
    sent.into_iter().map(|(_, sent)| sent).collect()
}

pub(crate) fn set(hosts: &mut Hosts, value: i64) {
    let now = hosts.now;
    hosts.client.set(now, path(SET_POINT), value).unwrap();
    hosts.client.handle_timeout(now);
}

fn set_other(hosts: &mut Hosts, value: i64) {
    let now = hosts.now;
    hosts.client.set(now, path(OTHER), value).unwrap();
    hosts.client.handle_timeout(now);
}

/// The value of a notification in TLV.
fn value(sent: &Sent) -> u8 {
    *sent.payload().last().unwrap()
}

/// The server is disabled; the value changes to these, and the time is over.
pub(crate) fn disabled_while(hosts: &mut Hosts, values: &[i64]) {
    disables(hosts, account(0), account(0));
    for value in values {
        set(hosts, *value);
        hosts.pass(seconds(1));
    }
    assert!(hosts.is_silent());
    hosts.pass(seconds(60));
}

/// The values of the notifications that follow the answer to an Observe with this token, acknowledged one by one.
pub(crate) fn told(hosts: &mut Hosts, token: &[u8], request: MessageBuf) -> Vec<u8> {
    let mut sent = observes(hosts, token, request);
    let mut told = vec![value(&sent.remove(0))];
    let mut last = None;
    while let Some(notification) = sent.pop() {
        assert!(sent.is_empty(), "one at a time");
        let message = notification.message();
        assert_eq!(message.token().as_bytes(), token);
        let number = message.observe();
        assert!(number > last, "they grow");
        last = number;
        told.push(value(&notification));
        if notification.kind() == MessageType::Confirmable {
            acknowledge(hosts, &notification);
        }
        let now = hosts.now;
        hosts.client.handle_timeout(now);
        sent = hosts.sent().into_iter().map(|(_, sent)| sent).collect();
    }
    told
}

pub(crate) fn stored(hosts: &Hosts) -> (usize, u64) {
    let reporting: ReportingStatus<'_> = hosts.client.reporting();
    let stored = reporting.stored(account(0));
    (stored.waiting, stored.dropped)
}

pub(crate) fn dropped(hosts: &mut Hosts) -> u64 {
    let events = hosts.events().into_iter();
    let counts = events.filter_map(|event| match event {
        ClientEvent::NotificationsDropped { dropped, .. } => Some(dropped),
        _ => None,
    });
    counts.sum()
}

#[test]
fn what_would_have_been_notified_is_sent_on_the_next_observation_oldest_first() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    disabled_while(&mut hosts, &[21, 22, 23]);
    assert_eq!(stored(&hosts), (3, 0));
    registers(&mut hosts, account(0));
    assert!(hosts.is_silent(), "the observations are over");
    assert_eq!(stored(&hosts), (3, 0));
    let values = told(&mut hosts, b"b", observe(0, SET_POINT));
    assert_eq!(values, [23, 21, 22, 23]);
    assert_eq!(stored(&hosts), (0, 0));
    assert_eq!(dropped(&mut hosts), 0);
    // And then it goes on as any observation.
    set(&mut hosts, 24);
    let sent = hosts.only().1;
    assert_eq!(value(&sent), 24);
}

/// TS 5.5.1: the De-register ends them, and so it's told.
#[test]
fn the_observations_of_a_disabled_server_are_over() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    let sent = super::asks(&mut hosts, account(0), super::disable());
    let ended = ClientEvent::ObservationEnded {
        account: account(0),
        path: path(SET_POINT),
    };
    assert!(hosts.events().contains(&ended));
    assert_eq!(hosts.client.reporting().observations().count(), 0);
    assert_eq!(hosts.client.usage().observations, 0);
    hosts.answer_code(&sent[1].1, Code::DELETED);
    hosts.pass(seconds(60));
    registers(&mut hosts, account(0));
    set(&mut hosts, 21);
    assert!(hosts.is_silent());
}

/// The server has the present value from its answer; what is past must not be the last word.
#[test]
fn the_last_word_is_the_value_of_now() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    disabled_while(&mut hosts, &[21, 22]);
    registers(&mut hosts, account(0));
    set(&mut hosts, 29);
    let values = told(&mut hosts, b"b", observe(0, SET_POINT));
    assert_eq!(values, [29, 21, 22, 29]);
}

#[test]
fn without_storing_nothing_is_kept() {
    let server = Server {
        notification_storing: false,
        ..server()
    };
    let mut hosts = observed(config(), server, &[b"a"]);
    disabled_while(&mut hosts, &[21, 22]);
    assert_eq!(stored(&hosts), (0, 0));
    registers(&mut hosts, account(0));
    assert_eq!(told(&mut hosts, b"b", observe(0, SET_POINT)), [22]);
}

#[test]
fn what_was_observed_twice_is_kept_once() {
    let mut hosts = observed(config(), server(), &[b"a", b"c"]);
    disabled_while(&mut hosts, &[21]);
    assert_eq!(stored(&hosts), (1, 0));
    registers(&mut hosts, account(0));
    assert_eq!(told(&mut hosts, b"b", observe(0, SET_POINT)), [21, 21]);
    assert_eq!(told(&mut hosts, b"d", observe(0, SET_POINT)), [21]);
}

/// RFC 7641 §4.2: all notifications of an observation have one format.
#[test]
fn another_path_or_another_format_takes_nothing() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    disabled_while(&mut hosts, &[21]);
    registers(&mut hosts, account(0));
    let mut json = observe(0, SET_POINT);
    json.accept(ContentFormat::JSON).unwrap();
    assert_eq!(observes(&mut hosts, b"b", json).len(), 1);
    let other = observe(0, "/26241/1/1");
    assert_eq!(observes(&mut hosts, b"c", other).len(), 1);
    assert_eq!(stored(&hosts), (1, 0));
    assert_eq!(told(&mut hosts, b"d", observe(0, SET_POINT)), [21, 21]);
}

/// The Maximum Period, else the lifetime: ten days.
#[test]
fn what_is_not_asked_for_in_time_is_dropped_and_counted() {
    for (pmax, waits) in [(Some(40), 40), (None, 10 * u64::from(DAY))] {
        let server = Server {
            default_maximum_period: pmax,
            ..server()
        };
        let mut hosts = observed(config(), server, &[b"a"]);
        disabled_while(&mut hosts, &[21]);
        registers(&mut hosts, account(0));
        hosts.events();
        let kept = stored(&hosts).0;
        assert!(kept >= 1);
        let mut left = waits - 1;
        while left > 0 {
            let step = left.min(u64::from(DAY));
            hosts.pass(seconds(step));
            left -= step;
            for (_, update) in hosts.sent() {
                hosts.answer_code(&update, Code::CHANGED);
            }
        }
        assert_eq!(dropped(&mut hosts), 0);
        hosts.pass(seconds(1));
        assert_eq!(dropped(&mut hosts), kept as u64);
        assert_eq!(stored(&hosts), (0, 0));
        for (_, update) in hosts.sent() {
            hosts.answer_code(&update, Code::CHANGED);
        }
        assert_eq!(told(&mut hosts, b"b", observe(0, SET_POINT)), [21]);
    }
}

#[test]
fn over_the_bound_the_oldest_ones_go_and_are_counted() {
    let mut config = config();
    config.storing.most = 2;
    let mut hosts = observed(config, server(), &[b"a"]);
    disabled_while(&mut hosts, &[21, 22, 23, 24]);
    assert_eq!(stored(&hosts), (2, 2));
    registers(&mut hosts, account(0));
    hosts.events();
    assert_eq!(told(&mut hosts, b"b", observe(0, SET_POINT)), [24, 23, 24]);
    assert_eq!(dropped(&mut hosts), 2);
}

/// What waits for its observation, and what waits for the network.
#[test]
fn what_is_kept_and_what_is_stored_have_one_bound() {
    let mut config = config();
    config.storing.most = 3;
    let mut hosts = observed(config, server(), &[b"a"]);
    disabled_while(&mut hosts, &[21, 22]);
    registers(&mut hosts, account(0));
    observes(&mut hosts, b"c", observe(0, OTHER));
    let now = hosts.now;
    hosts.client.go_offline(now);
    hosts.events();
    for (level, expected) in [(31, (3, 0)), (32, (3, 1)), (33, (3, 0)), (34, (3, 1))] {
        hosts.pass(seconds(1));
        set_other(&mut hosts, level);
        assert_eq!(stored(&hosts), expected, "the oldest go first: {level}");
    }
    assert_eq!(dropped(&mut hosts), 2, "nothing is kept any more");
    let now = hosts.now;
    hosts.client.go_online(now);
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::CHANGED);
    hosts.client.handle_timeout(now);
    for level in [32, 33, 34] {
        let sent = hosts.only().1;
        assert_eq!(value(&sent), level);
        acknowledge(&mut hosts, &sent);
        hosts.client.handle_timeout(now);
    }
    assert!(hosts.is_silent());
    assert_eq!(dropped(&mut hosts), 1);
    assert_eq!(told(&mut hosts, b"b", observe(0, SET_POINT)), [22]);
}

/// What was stored while the Client was offline isn't sent yet when the server is disabled.
#[test]
fn what_was_stored_before_is_kept_with_it() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    let now = hosts.now;
    hosts.client.go_offline(now);
    set(&mut hosts, 21);
    hosts.pass(seconds(1));
    let now = hosts.now;
    hosts.client.go_online(now);
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::CHANGED);
    let now = hosts.now;
    hosts.client.handle_timeout(now);
    let notification = hosts.only().1;
    assert_eq!(value(&notification), 21);
    disabled_while(&mut hosts, &[22]);
    registers(&mut hosts, account(0));
    assert_eq!(told(&mut hosts, b"b", observe(0, SET_POINT)), [22, 21, 22]);
}

/// RFC 7641 §4.5, TS 8.3: what the server didn't acknowledge was live, but something is stored behind it.
#[test]
fn a_live_notification_that_is_not_acknowledged_takes_nothing_that_is_stored_with_it() {
    let mut config = config();
    config.notifications = Reliability::Confirmable;
    let mut hosts = observed(config, server(), &[b"a"]);
    disabled_while(&mut hosts, &[21]);
    registers(&mut hosts, account(0));
    observes(&mut hosts, b"c", observe(0, OTHER));
    set_other(&mut hosts, 31);
    let live = hosts.only().1;
    assert_eq!(live.kind(), MessageType::Confirmable);
    // Both wait behind it.
    observes(&mut hosts, b"b", observe(0, SET_POINT));
    set_other(&mut hosts, 32);
    assert!(hosts.is_silent());
    assert_eq!(stored(&hosts), (2, 0));
    let update = loop {
        let due = hosts.client.poll_timeout().unwrap();
        hosts.now = due.max(hosts.now);
        hosts.client.handle_timeout(due);
        let sent = hosts.sent();
        if let Some((_, next)) = sent.into_iter().find(|(_, sent)| sent.bytes != live.bytes) {
            break next;
        }
    };
    assert_eq!(update.code(), Code::POST, "the Update comes first");
    hosts.answer_code(&update, Code::CHANGED);
    for (token, level) in [(b"b", 21), (b"c", 32)] {
        let sent = hosts.only().1;
        assert_eq!(sent.message().token().as_bytes(), token);
        assert_eq!(value(&sent), level);
        acknowledge(&mut hosts, &sent);
    }
    assert!(hosts.is_silent());
    assert_eq!(hosts.client.reporting().observations().count(), 2);
    assert_eq!(dropped(&mut hosts), 0);
}

/// Disabled twice before it has observed anything.
#[test]
fn what_is_not_asked_for_yet_outlasts_another_disable() {
    let mut config = config();
    config.storing.most = 3;
    let mut hosts = observed(config, server(), &[b"a"]);
    disabled_while(&mut hosts, &[21, 22]);
    registers(&mut hosts, account(0));
    disabled_while(&mut hosts, &[25]);
    registers(&mut hosts, account(0));
    assert_eq!(stored(&hosts), (2, 0));
    assert_eq!(
        told(&mut hosts, b"b", observe(0, SET_POINT)),
        [25, 21, 22, 25]
    );
    disabled_while(&mut hosts, &[26, 27]);
    registers(&mut hosts, account(0));
    assert_eq!(told(&mut hosts, b"c", observe(0, SET_POINT)), [27, 26, 27]);
}

#[test]
fn what_is_kept_of_an_object_instance_that_is_gone_goes() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    disables(&mut hosts, account(0), account(0));
    set(&mut hosts, 21);
    hosts.pass(seconds(1));
    let now = hosts.now;
    let gone = lwm2m_objects::Change::Delete {
        path: path("/26241/0"),
    };
    hosts.client.change(now, [gone]).unwrap();
    hosts.pass(seconds(60));
    registers(&mut hosts, account(0));
    assert_eq!(dropped(&mut hosts), 1);
    assert_eq!(stored(&hosts), (0, 0));
}

/// Another registration that isn't the one after Disable: the server has forgotten all.
#[test]
fn what_is_kept_goes_with_the_registration() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    disabled_while(&mut hosts, &[21]);
    registers(&mut hosts, account(0));
    let now = hosts.now;
    hosts.client.deregister(now);
    assert_eq!(stored(&hosts), (0, 0));
    assert_eq!(dropped(&mut hosts), 1);
}

#[test]
fn what_is_kept_goes_with_the_account() {
    let mut hosts = observed(config(), server(), &[b"a"]);
    disables(&mut hosts, account(0), account(0));
    set(&mut hosts, 21);
    hosts.pass(seconds(1));
    assert_eq!(stored(&hosts), (1, 0));
    let now = hosts.now;
    hosts.client.set(now, path("/0/0/0"), "coap://two").unwrap();
    assert_eq!(stored(&hosts), (0, 0));
    assert_eq!(hosts.client.usage().stored_notifications, 0);
}

/// It is due at the end of each Maximum Period, although nothing changes.
#[test]
fn the_maximum_period_counts_while_the_server_is_disabled() {
    let server = Server {
        default_maximum_period: Some(20),
        ..server()
    };
    let mut hosts = observed(config(), server, &[b"a"]);
    disabled_while(&mut hosts, &[]);
    assert_eq!(stored(&hosts), (3, 0));
}
