//! Servers whose accounts come from a smartcard (TS 5.2.3.2).

use core::time::Duration;

use lwm2m_core::{BindingMode, Code, InstanceId, ObjectId};
use lwm2m_kit::{account, instance, path};
use lwm2m_objects::{
    ObjectTree, Store,
    typed::{AccessControl, AclTarget, Device},
};
use lwm2m_statemachine::{AccountId, ClientConfig, ClientEvent, Session};

use crate::hosts::{Hosts, delete, open, tree};

/// The bootstrap file of server 101 in Security Object Instance 5 and Server Object Instance 6, with
/// this last character of the host and a lifetime of 100 seconds.
fn file(host: u8) -> Vec<u8> {
    [
        &b"\x00\x02\x00\x36"[..], // two Objects, 54 bytes
        b"\x00\x00\x00\x00\x1D\x08\x05\x1A",
        b"\xC8\x00\x08coap://",
        &[host],
        b"\xC1\x01\x00\xC1\x02\x03\xC0\x03\xC0\x04\xC0\x05",
        b"\xC1\x0A\x65",
        b"\x00\x01\x00\x00\x0F\x08\x06\x0C",
        b"\xC1\x00\x65\xC1\x01\x64\xC1\x06\x00\xC1\x07U",
    ]
    .concat()
}

const CARD: AccountId = AccountId::new(InstanceId::new(5).unwrap());

fn asked(hosts: &mut Hosts) -> usize {
    let events = hosts.events();
    let asked = |event: &&ClientEvent| **event == ClientEvent::SmartcardAsked;
    events.iter().filter(asked).count()
}

/// The card has this file: nothing is refused.
fn has(hosts: &mut Hosts, file: Option<&[u8]>) {
    let refreshed = hosts.client.smartcard(hosts.now, file).unwrap();
    assert_eq!(refreshed.refused, None);
}

/// A Client that is registered with the server of its card, and with those of this tree.
fn registered(tree: ObjectTree) -> Hosts {
    let mut hosts = Hosts::new(tree);
    has(&mut hosts, Some(&file(b'a')));
    hosts.client.start(hosts.now);
    assert_eq!(asked(&mut hosts), 1);
    has(&mut hosts, Some(&file(b'a')));
    hosts.connect_all(Session::New);
    assert_eq!(asked(&mut hosts), 0);
    hosts.accept_all();
    hosts
}

/// A Client whose card was looked at, so that it asks for a connection to the server of the card.
fn connecting() -> Hosts {
    let mut hosts = Hosts::new(tree([]));
    has(&mut hosts, Some(&file(b'a')));
    assert_eq!(asked(&mut hosts), 0);
    hosts.client.start(hosts.now);
    assert_eq!(asked(&mut hosts), 1);
    assert!(hosts.linked().is_empty());
    has(&mut hosts, Some(&file(b'a')));
    assert_eq!(hosts.linked(), [CARD]);
    hosts
}

#[test]
fn one_look_serves_for_a_connection_and_the_register_on_it() {
    let mut hosts = connecting();
    hosts.pass(Duration::from_millis(9_999));
    hosts.connect(CARD, Session::New);
    assert_eq!(asked(&mut hosts), 0);
    let register = hosts.register(CARD);
    // The next one needs a look of its own.
    hosts.answer_code(&register, Code::SERVICE_UNAVAILABLE);
    hosts.events();
    hosts.pass(Duration::from_secs(90));
    assert_eq!(asked(&mut hosts), 1);
    assert!(hosts.is_silent());
    has(&mut hosts, Some(&file(b'a')));
    let register = hosts.register(CARD);
    hosts.accept(CARD, &register);
    assert!(hosts.client.is_registered(CARD));
}

#[test]
fn where_the_connection_takes_long_the_card_is_looked_at_again_before_the_register() {
    let mut hosts = connecting();
    hosts.pass(Duration::from_secs(10));
    hosts.connect(CARD, Session::New);
    assert_eq!(asked(&mut hosts), 1);
    assert!(hosts.is_silent());
    has(&mut hosts, Some(&file(b'a')));
    let register = hosts.register(CARD);
    hosts.accept(CARD, &register);
    assert_eq!(asked(&mut hosts), 0);
    assert!(hosts.client.is_registered(CARD));
}

#[test]
fn one_look_serves_for_a_connection_that_goes_on_and_the_update_on_it() {
    let mut hosts = registered(tree([]));
    hosts.lose(CARD);
    hosts.events();
    hosts.pass(Duration::from_secs(6));
    assert_eq!(asked(&mut hosts), 1);
    has(&mut hosts, Some(&file(b'a')));
    hosts.connect(CARD, Session::Resumed);
    assert_eq!(asked(&mut hosts), 0);
    hosts.update(CARD);
}

#[test]
fn the_card_is_looked_at_before_each_update() {
    let mut hosts = registered(tree([]));
    for _ in 0..3 {
        hosts.client.update(hosts.now, CARD);
        hosts.client.update(hosts.now, CARD);
        assert_eq!(asked(&mut hosts), 1, "once for all that wait");
        assert!(hosts.is_silent());
        has(&mut hosts, Some(&file(b'a')));
        let update = hosts.update(CARD);
        hosts.answer_code(&update, Code::CHANGED);
        assert_eq!(asked(&mut hosts), 0);
    }
}

#[test]
fn a_periodic_update_waits_for_the_look_without_a_deadline_in_the_past() {
    let mut hosts = registered(tree([]));
    // The lifetime is 100 seconds, the Update is due after half of it.
    hosts.pass(Duration::from_secs(60));
    assert_eq!(asked(&mut hosts), 1);
    assert!(hosts.is_silent());
    let next = hosts
        .client
        .poll_timeout()
        .expect("the end of the lifetime");
    assert!(next > hosts.now);
    has(&mut hosts, Some(&file(b'a')));
    let update = hosts.update(CARD);
    hosts.answer_code(&update, Code::CHANGED);
    // Without an answer of the application, the registration comes to its end.
    hosts.pass(Duration::from_secs(99));
    assert!(hosts.client.is_registered(CARD));
    hosts.pass(Duration::from_secs(2));
    assert!(!hosts.client.is_registered(CARD));
    assert!(hosts.is_silent());
}

#[test]
fn a_changed_account_is_disabled_before_anything_is_sent() {
    let mut hosts = registered(tree([]));
    let old = hosts.link(CARD);
    hosts.client.update(hosts.now, CARD);
    assert_eq!(asked(&mut hosts), 1);
    has(&mut hosts, Some(&file(b'b')));
    // Nothing was sent to the old server: there is another connection.
    assert_ne!(hosts.link(CARD), old);
    assert!(hosts.is_silent());
    assert_eq!(
        hosts.client.tree().get(path("/0/5/0")),
        Some("coap://b".into())
    );
    hosts.connect(CARD, Session::New);
    assert_eq!(asked(&mut hosts), 0);
    let register = hosts.register(CARD);
    hosts.accept(CARD, &register);
    assert!(hosts.client.is_registered(CARD));
}

/// A tree with another server, which has rights, as each of several servers does.
fn with_another() -> ObjectTree {
    let mut objects = tree([open("x", 107, 1000)]);
    let control = AccessControl {
        target: AclTarget::Instance(ObjectId::SERVER, instance(10)),
        acl: [].into(),
        owner: 107,
    };
    objects.add(Store::of([(instance(0), control)]));
    objects
}

#[test]
fn a_removed_card_takes_its_servers_with_it_and_no_others() {
    let mut hosts = registered(with_another());
    let other = account(0);
    assert!(hosts.client.is_registered(other) && hosts.client.is_registered(CARD));
    hosts.client.update(hosts.now, other);
    assert_eq!(asked(&mut hosts), 0, "that one isn't from the card");
    let update = hosts.update(other);
    hosts.answer_code(&update, Code::CHANGED);
    hosts.client.update(hosts.now, CARD);
    assert_eq!(asked(&mut hosts), 1);
    has(&mut hosts, None);
    // TS E.1.3: the server is told that the Client has left, and the other one what is gone.
    let sent = hosts.sent();
    let codes: Vec<_> = sent.iter().map(|(of, sent)| (*of, sent.code())).collect();
    assert_eq!(codes, [(other, Code::POST), (CARD, Code::DELETE)]);
    hosts.answer_code(&sent[0].1, Code::CHANGED);
    hosts.answer_code(&sent[1].1, Code::DELETED);
    assert_eq!(hosts.linked(), [other]);
    assert_eq!(hosts.client.account(CARD), None);
    assert_eq!(hosts.client.tree().get(path("/1/6/0")), None);
    assert!(hosts.client.card_contents().is_empty());
}

#[test]
fn a_bad_card_disables_its_account() {
    let mut hosts = registered(tree([]));
    hosts.client.update(hosts.now, CARD);
    assert_eq!(asked(&mut hosts), 1);
    let refreshed = hosts
        .client
        .smartcard(hosts.now, Some(&[0xFF; 64]))
        .unwrap();
    assert!(refreshed.refused.is_some());
    let deregister = hosts.deregister(CARD);
    hosts.answer_code(&deregister, Code::DELETED);
    assert!(hosts.linked().is_empty());
    // Once it is good again, so is the account.
    has(&mut hosts, Some(&file(b'a')));
    assert_eq!(asked(&mut hosts), 0);
    assert_eq!(hosts.linked(), [CARD]);
}

#[test]
fn what_the_application_has_deleted_does_not_come_back_from_the_same_card() {
    let mut hosts = registered(tree([]));
    let both = [delete(ObjectId::SECURITY, 5), delete(ObjectId::SERVER, 6)];
    hosts.client.change(hosts.now, both).unwrap();
    let deregister = hosts.deregister(CARD);
    hosts.answer_code(&deregister, Code::DELETED);
    has(&mut hosts, Some(&file(b'a')));
    assert_eq!(hosts.client.account(CARD), None);
    // Another one is applied whole.
    has(&mut hosts, Some(&file(b'b')));
    assert_eq!(hosts.linked(), [CARD]);
}

#[test]
fn a_look_clears_what_waits_and_nothing_later() {
    let mut hosts = registered(tree([]));
    // A look that nobody has asked for.
    has(&mut hosts, Some(&file(b'a')));
    hosts.client.update(hosts.now, CARD);
    assert_eq!(asked(&mut hosts), 1);
    assert!(hosts.is_silent());
}

#[test]
fn the_contents_are_given_back_after_a_restart() {
    let before = registered(tree([]));
    let snapshot = before.client.tree().snapshot();
    let contents = before.client.card_contents().clone();
    let mut objects = tree([]);
    objects.restore(&snapshot).unwrap();
    let mut hosts = Hosts::new(objects);
    hosts.client.restore_card_contents(contents);
    // The card was removed while the device was off.
    has(&mut hosts, None);
    hosts.client.start(hosts.now);
    assert!(hosts.linked().is_empty());
    assert_eq!(asked(&mut hosts), 0);
}

/// A Client that is started and asks for its card first.
fn started_with_a_card(tree: ObjectTree) -> Hosts {
    let mut config = ClientConfig::new("example-client", [3; 32]);
    config.bootstrap.smartcard = true;
    let mut hosts = Hosts::with(config, tree);
    hosts.client.start(hosts.now);
    assert_eq!(asked(&mut hosts), 1);
    assert!(hosts.linked().is_empty());
    hosts
}

#[test]
fn the_client_begins_with_what_the_card_has() {
    let mut hosts = started_with_a_card(tree([]));
    has(&mut hosts, Some(&file(b'a')));
    assert_eq!(
        asked(&mut hosts),
        0,
        "one look is enough for the connection"
    );
    assert_eq!(hosts.linked(), [CARD]);
}

#[test]
fn without_bootstrap_information_on_the_card_the_client_begins_with_what_the_factory_gave_it() {
    for file in [None, Some(&[0; 16][..]), Some(&[0xFF; 16])] {
        let mut hosts = started_with_a_card(tree([open("x", 107, 1000)]));
        hosts.client.smartcard(hosts.now, file).unwrap();
        assert_eq!(asked(&mut hosts), 0);
        assert_eq!(hosts.linked(), [account(0)]);
    }
}

/// A walk that ends in an error doesn't say that the card is gone.
#[test]
fn a_card_that_can_not_be_read_holds_its_servers_back_and_is_asked_for_again() {
    let mut hosts = registered(tree([]));
    let before = hosts.client.tree().snapshot();
    hosts.client.update(hosts.now, CARD);
    let mut last = Duration::ZERO;
    for most in [5, 10, 20] {
        assert_eq!(asked(&mut hosts), 1);
        let next = hosts.client.smartcard_unread(hosts.now);
        let wait = next.saturating_duration_since(hosts.now);
        let most = Duration::from_secs(most);
        assert!((most / 2..=most).contains(&wait) && wait > last, "{wait:?}");
        last = wait;
        // Whatever else waits meanwhile, the card isn't asked for sooner.
        hosts.client.update(hosts.now, CARD);
        hosts.pass(wait.saturating_sub(Duration::from_millis(1)));
        assert_eq!(asked(&mut hosts), 0);
        assert!(hosts.is_silent());
        hosts.pass(Duration::from_millis(1));
    }
    assert_eq!(asked(&mut hosts), 1);
    assert!(hosts.client.tree().snapshot() == before);
    has(&mut hosts, Some(&file(b'a')));
    let update = hosts.update(CARD);
    hosts.answer_code(&update, Code::CHANGED);
    // The next failure is the first of its row, and a look ends the wait.
    hosts.client.update(hosts.now, CARD);
    assert_eq!(asked(&mut hosts), 1);
    let next = hosts.client.smartcard_unread(hosts.now);
    assert!(next <= hosts.now + Duration::from_secs(5));
    has(&mut hosts, Some(&file(b'a')));
    let update = hosts.update(CARD);
    hosts.answer_code(&update, Code::CHANGED);
    hosts.pass(Duration::from_secs(10));
    assert_eq!(asked(&mut hosts), 0);
}

#[test]
fn where_a_card_can_not_be_read_the_registration_comes_to_its_end_and_the_account_stays() {
    let mut hosts = registered(tree([]));
    hosts.client.update(hosts.now, CARD);
    for _ in 0..8 {
        if asked(&mut hosts) > 0 {
            hosts.client.smartcard_unread(hosts.now);
        }
        hosts.pass(Duration::from_secs(20));
        assert!(hosts.is_silent());
    }
    assert!(!hosts.client.is_registered(CARD));
    assert!(hosts.client.account(CARD).is_some());
    has(&mut hosts, Some(&file(b'a')));
    let register = hosts.register(CARD);
    hosts.accept(CARD, &register);
}

/// TS 5.2.4, step 2.
#[test]
fn where_the_card_can_not_be_read_at_the_start_the_factory_comes_next_and_the_card_again() {
    let mut hosts = started_with_a_card(with_another());
    let next = hosts.client.smartcard_unread(hosts.now);
    assert_eq!(asked(&mut hosts), 0);
    assert_eq!(hosts.linked(), [account(0)]);
    hosts.pass(next.saturating_duration_since(hosts.now));
    assert_eq!(asked(&mut hosts), 1);
    has(&mut hosts, Some(&file(b'a')));
    assert_eq!(hosts.linked(), [account(0), CARD]);
}

#[test]
fn a_client_that_is_stopped_does_not_ask_again_for_a_card_that_could_not_be_read() {
    let mut hosts = started_with_a_card(tree([]));
    let next = hosts.client.smartcard_unread(hosts.now);
    hosts.client.deregister(hosts.now);
    hosts.pass(next.saturating_duration_since(hosts.now));
    assert_eq!(asked(&mut hosts), 0);
    assert_eq!(hosts.client.poll_timeout(), None);
    hosts.client.start(hosts.now);
    assert_eq!(asked(&mut hosts), 1);
}

/// The bootstrap file of a server that has a number.
fn mobile_file() -> Vec<u8> {
    [
        &b"\x00\x02\x00\x42"[..], // two Objects, 66 bytes
        b"\x00\x00\x00\x00\x29\x08\x05\x26",
        b"\xC8\x00\x08coap://a",
        b"\xC1\x01\x00\xC1\x02\x03\xC0\x03\xC0\x04\xC0\x05",
        b"\xC1\x06\x03", // no security over SMS
        b"\xC7\x09+491700",
        b"\xC1\x0A\x65",
        b"\x00\x01\x00\x00\x0F\x08\x06\x0C",
        b"\xC1\x00\x65\xC1\x01\x64\xC1\x06\x00\xC1\x07U",
    ]
    .concat()
}

#[test]
fn the_card_is_looked_at_before_a_connection_over_another_transport() {
    let (mut objects, file) = (tree([]), mobile_file());
    let device = Device {
        supported_binding: BindingMode::UQS,
        ..Device::example()
    };
    objects.add(Store::of([(InstanceId::ZERO, device)]));
    let mut config = ClientConfig::new("example-client", [3; 32]);
    config.announced.sms_number = Some("491700000000".into());
    let mut hosts = Hosts::with(config, objects);
    has(&mut hosts, Some(&file));
    hosts.client.start(hosts.now);
    assert_eq!(asked(&mut hosts), 1);
    has(&mut hosts, Some(&file));
    hosts.connect_all(Session::New);
    hosts.accept_all();
    hosts.client.set(hosts.now, path("/1/6/7"), "S").unwrap();
    assert_eq!(asked(&mut hosts), 1);
    has(&mut hosts, Some(&file));
    let update = hosts.update(CARD);
    hosts.answer_code(&update, Code::CHANGED);
    // A second connection is not for `Hosts`.
    let connects = |hosts: &mut Hosts| {
        let events = lwm2m_kit::events(&mut hosts.client);
        let asks = |event: &ClientEvent| matches!(event, ClientEvent::SmartcardAsked);
        let connects = |event: &ClientEvent| matches!(event, ClientEvent::Connect { .. });
        (events.iter().any(asks), events.iter().any(connects))
    };
    assert_eq!(connects(&mut hosts), (true, false));
    has(&mut hosts, Some(&file));
    assert_eq!(connects(&mut hosts), (false, true));
}
