//! Registrations and attributes.

use lwm2m_core::{Code, InstanceId, Value};
use lwm2m_kit::{account, events};
use lwm2m_objects::{
    Change, LOCATION, ObjectTree, Store,
    typed::{Security, Server},
};
use lwm2m_statemachine::{Client, ClientEvent, Session, client::ClientSnapshot, coap::MessageBuf};
use serde_json::{Value as Json, json};

use super::{BOOT, config, edited, saved, seconds};
use crate::{
    attributes::write_attributes,
    hosts::{Hosts, open, secured, tree},
    support::{Sent, path, server_id},
};

const LIFETIME: u64 = 300;

fn one() -> (Security, Server) {
    secured("one", 101, 300)
}

/// Registered for 300 seconds, 100 seconds ago.
fn registered() -> Hosts {
    let mut hosts = Hosts::registered([one()]);
    hosts.pass(seconds(100));
    assert!(hosts.is_silent());
    hosts
}

fn is_registered(hosts: &Hosts) -> bool {
    hosts.client.is_registered(account(0))
}

#[test]
fn a_registration_goes_on_with_an_update_where_the_session_is_resumed() {
    let mut hosts = registered();
    hosts.restart(tree([one()]), Some(seconds(50)));
    assert!(is_registered(&hosts));
    let update = hosts.resumes();
    assert_eq!(update.queries(), ["lt=300", "b=U"]);
    assert_eq!(update.payload(), b"");
    assert_eq!(
        hosts.events(),
        [ClientEvent::Updated {
            account: account(0)
        }]
    );
}

/// RFC 7252 §4.4: the server knows the device by its address.
#[test]
fn so_it_does_without_security_at_the_same_address() {
    let one = || open("one", 101, 300);
    let mut hosts = Hosts::registered([one()]);
    hosts.restart(tree([one()]), Some(seconds(50)));
    hosts.resumes();
}

#[test]
fn a_new_session_begins_with_a_register() {
    let mut hosts = registered();
    hosts.restart(tree([one()]), Some(seconds(50)));
    hosts.connect_all(Session::New);
    hosts.register(account(0));
}

#[test]
fn nobody_is_notified_and_nothing_is_sent_before_the_update_is_answered() {
    let mut hosts = registered();
    hosts.restart(tree([one()]), Some(seconds(50)));
    let update = hosts.resume().remove(0);
    let link = hosts.link(account(0));
    // The server may ask already, as it knows the registration.
    hosts.request(link, crate::support::get("/3/0/0"));
    assert_eq!(hosts.only().1.code(), Code::CONTENT);
    hosts.answer_code(&update, Code::CHANGED);
    assert!(hosts.is_silent());
}

#[test]
fn if_nobody_knows_for_how_long_nothing_ran_the_registration_is_over() {
    let mut hosts = registered();
    hosts.restart(tree([one()]), None);
    assert!(!is_registered(&hosts));
    hosts.registers();
}

#[test]
fn a_lifetime_goes_on_while_nothing_runs() {
    for (elapsed, goes_on) in [(199_999, true), (200_000, false)] {
        let mut hosts = registered();
        let elapsed = core::time::Duration::from_millis(elapsed);
        hosts.restart(tree([one()]), Some(elapsed));
        assert_eq!(is_registered(&hosts), goes_on, "{elapsed:?}");
    }
    let mut hosts = registered();
    hosts.restart(tree([one()]), Some(seconds(150)));
    hosts.pass(seconds(LIFETIME - 250 - 1));
    assert!(is_registered(&hosts));
    hosts.pass(seconds(1));
    assert!(!is_registered(&hosts));
}

#[test]
fn a_server_that_has_forgotten_the_registration_gets_a_register() {
    let mut hosts = registered();
    hosts.restart(tree([one()]), Some(seconds(50)));
    let update = hosts.resume().remove(0);
    hosts.answer_code(&update, Code::NOT_FOUND);
    let register = hosts.register(account(0));
    hosts.accept(account(0), &register);
    assert!(is_registered(&hosts));
}

/// TS 5.3.2: an Update tells what has changed.
#[test]
fn the_first_update_tells_what_has_changed_since_the_server_was_told() {
    let mut hosts = registered();
    let mut tree = tree([one()]);
    tree.add(Store::new(&LOCATION));
    hosts.restart(tree, Some(seconds(50)));
    let update = hosts.resumes();
    let links = core::str::from_utf8(update.payload()).unwrap();
    assert!(links.contains("</6>"), "{links}");

    let mut hosts = registered();
    let (_, state) = saved(&hosts.client, hosts.now);
    hosts.boot(
        self::tree([secured("one", 101, 600)]),
        &state,
        Some(seconds(50)),
    );
    assert_eq!(hosts.resumes().queries(), ["lt=600", "b=U"]);
}

/// The power went after the server had been told something that was not saved yet: tree and snapshot are older.
#[test]
fn a_server_that_was_told_a_newer_lifetime_than_the_snapshot_has_is_told_that_of_now() {
    let mut hosts = registered();
    let (_, state) = saved(&hosts.client, hosts.now);
    hosts.client.set(hosts.now, path("/1/10/1"), 60).unwrap();
    let update = hosts.update(account(0));
    assert_eq!(update.queries(), ["lt=60"]);
    hosts.answer_code(&update, Code::CHANGED);
    hosts.boot(tree([one()]), &state, Some(seconds(5)));
    assert_eq!(hosts.resumes().queries(), ["lt=300", "b=U"]);
}

/// A device may look at its network and its Objects before it starts the Client.
#[test]
fn what_the_application_does_before_the_start_does_not_end_the_registration() {
    let hosts = registered();
    let (_, state) = saved(&hosts.client, hosts.now);
    let restored = |act: &dyn Fn(&mut Client)| {
        let config = config();
        let mut tree = tree([one()]);
        tree.add(Store::new(&LOCATION));
        let elapsed = Some(seconds(50));
        let mut client = Client::restore(config, tree, &state, BOOT, elapsed).unwrap();
        act(&mut client);
        client.start(BOOT);
        client.go_online(BOOT);
        assert!(client.is_registered(account(0)));
        let deregistered =
            |event: &ClientEvent| matches!(event, ClientEvent::DeregisterFailed { .. });
        assert!(!events(&mut client).iter().any(deregistered));
    };
    restored(&|client| client.go_offline(BOOT));
    restored(&|client| client.set(BOOT, path("/1/10/1"), 600).unwrap());
    restored(&|client| client.handle_timeout(BOOT));
    restored(&|client| {
        let set = |at: &str, value: Value| Change::Set {
            path: path(at),
            value,
        };
        let found = [
            Change::Create { path: path("/6/0") },
            set("/6/0/0", 51.5.into()),
            set("/6/0/1", 0.1.into()),
            set("/6/0/5", Value::Time(1_700_000_000)),
        ];
        client.change(BOOT, found).unwrap();
    });
    // Its end is the application's to say.
    let mut client =
        Client::restore(config(), tree([one()]), &state, BOOT, Some(seconds(50))).unwrap();
    client.deregister(BOOT);
    assert!(!client.is_registered(account(0)));
}

/// An Update that got no answer may have told the server.
#[test]
fn what_the_server_may_have_been_told_is_told_again() {
    let mut hosts = registered();
    hosts.client.set(hosts.now, path("/1/10/1"), 600).unwrap();
    assert_eq!(hosts.update(account(0)).queries(), ["lt=600"]);
    hosts.client.set(hosts.now, path("/1/10/1"), 300).unwrap();
    hosts.restart(tree([one()]), Some(seconds(50)));
    assert_eq!(hosts.resumes().queries(), ["lt=300", "b=U"]);
}

#[test]
fn an_account_that_is_another_one_registers() {
    let psk = |uri: &str, id, name: &str, key| {
        let security = Security::pre_shared_key(uri, server_id(id), name, [key; 16]);
        tree([(security, Server::new(server_id(id), 300))])
    };
    for (what, objects, goes_on) in [
        ("the same", psk("coaps://one", 101, "me", 7), true),
        ("key", psk("coaps://one", 101, "me", 8), true),
        ("identity", psk("coaps://one", 101, "you", 7), false),
        ("URI", psk("coaps://two", 101, "me", 7), false),
        ("Short Server ID", psk("coaps://one", 102, "me", 7), false),
        ("mode", tree([open("one", 101, 300)]), false),
        ("none", tree([]), false),
    ] {
        let mut hosts = registered();
        let (_, state) = saved(&hosts.client, hosts.now);
        hosts.boot(objects, &state, Some(seconds(1)));
        assert_eq!(is_registered(&hosts), goes_on, "{what}");
    }
}

#[test]
fn another_device_registers() {
    let hosts = registered();
    let (_, state) = saved(&hosts.client, hosts.now);
    let boot = |state: &ClientSnapshot| {
        let (now, elapsed) = (BOOT, Some(seconds(1)));
        Client::restore(config(), tree([one()]), state, now, elapsed).unwrap()
    };
    assert!(boot(&state).is_registered(account(0)));
    for edit in [("/endpoint", json!("other")), ("/version", json!(2))] {
        let client = boot(&edited(&state, &[edit]));
        assert!(!client.is_registered(account(0)));
    }
}

#[test]
fn a_damaged_registration_is_none() {
    let long = "x".repeat(300);
    let longs: Vec<&str> = [&*long; 2].to_vec();
    for (at, value) in [
        ("location", json!([])),
        ("location", json!(longs)),
        ("location", json!([long])),
        ("expires", json!(300_001)),
        ("expires", json!(u64::MAX)),
        ("expires", json!(0)),
        ("channel", json!("Sms")),
        ("known/lifetime", json!(1)),
    ] {
        let mut hosts = registered();
        let (_, state) = saved(&hosts.client, hosts.now);
        let state = edited(&state, &[(&format!("/registrations/0/lease/{at}"), value)]);
        hosts.boot(tree([one()]), &state, Some(seconds(1)));
        assert!(!is_registered(&hosts), "{at}");
        hosts.registers();
    }
}

#[test]
fn each_of_several_servers_goes_on_by_itself() {
    let accounts = || [secured("one", 101, 300), secured("two", 102, 1000)];
    let mut hosts = Hosts::registered(accounts());
    hosts.restart(tree(accounts()), Some(seconds(500)));
    assert!(!is_registered(&hosts));
    assert!(hosts.client.is_registered(account(1)));
    let paths: Vec<_> = hosts.resume().iter().map(Sent::path).collect();
    assert_eq!(paths, ["/rd", "/rd/1"]);
}

/// RFC 7252 §5.9.3.4.
#[test]
fn a_server_that_wants_no_register_for_a_while_gets_none_after_a_restart() {
    let asked = || {
        let mut hosts = Hosts::new(tree([one()]));
        hosts.client.start(hosts.now);
        hosts.connect_all(Session::New);
        let register = hosts.register(account(0));
        let mut answer = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
        answer.max_age(1000).unwrap();
        hosts.answer(&register, answer);
        hosts
    };
    let mut hosts = asked();
    hosts.restart(tree([one()]), Some(seconds(400)));
    assert_eq!(hosts.linked(), []);
    hosts.pass(seconds(599));
    assert_eq!(hosts.linked(), []);
    hosts.pass(seconds(1));
    assert_eq!(hosts.linked(), [account(0)]);
    // Nobody knows whether that is over.
    let mut hosts = asked();
    hosts.restart(tree([one()]), None);
    assert_eq!(hosts.linked(), [account(0)]);
    // Nor is a longer wait believed than a server could have asked for.
    let hosts = asked();
    let (_, state) = saved(&hosts.client, hosts.now);
    let absurd = [("/registrations/0/attempts/not_for", json!(u64::MAX))];
    let mut hosts = Hosts::new(tree([one()]));
    hosts.boot(tree([one()]), &edited(&state, &absurd), Some(seconds(1)));
    hosts.pass(seconds(86_400));
    assert_eq!(hosts.linked(), [account(0)]);
}

#[test]
fn a_device_that_has_left_its_servers_doesnt_come_back_by_itself() {
    let mut hosts = registered();
    hosts.client.deregister(hosts.now);
    let (values, state) = saved(&hosts.client, hosts.now);
    let mut objects = tree([one()]);
    objects.restore(&values).unwrap();
    let elapsed = Some(seconds(1));
    let mut client = Client::restore(config(), objects, &state, BOOT, elapsed).unwrap();
    assert!(!client.is_registered(account(0)));
    client.handle_timeout(BOOT);
    assert_eq!(events(&mut client), []);
}

/// The next Register, after a wait.
fn next_register(hosts: &mut Hosts) -> Sent {
    for _ in 0..100 {
        if let Some((_, register)) = hosts.sent().pop() {
            assert_eq!(register.path(), "/rd");
            return register;
        }
        let due = hosts.client.poll_timeout().expect("a next attempt");
        hosts.pass(due.saturating_duration_since(hosts.now));
    }
    panic!("no Register");
}

#[test]
fn attempts_in_a_row_go_on_after_a_restart() {
    let mut hosts = Hosts::new(tree([one()]));
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    let mut waits = Vec::new();
    for _ in 0..2 {
        for _ in 0..3 {
            let register = next_register(&mut hosts);
            hosts.answer_code(&register, Code::INTERNAL_SERVER_ERROR);
            let retry = hosts.events().into_iter().find_map(|event| match event {
                ClientEvent::RegistrationFailed { retry, .. } => retry,
                _ => None,
            });
            waits.push(retry.unwrap().saturating_duration_since(hosts.now));
        }
        hosts.restart(tree([one()]), Some(seconds(1)));
        hosts.connect_all(Session::New);
    }
    // The first attempt doesn't wait, but its failure is one more in the row.
    for (wait, full) in waits.iter().zip([5, 10, 20, 40, 80, 160]) {
        assert!(
            (seconds(full) / 2..=seconds(full)).contains(wait),
            "{waits:?}"
        );
    }
}

fn attributes(client: &Client) -> Vec<String> {
    let set = client.reporting().attributes(server_id(101));
    set.map(|(at, set)| format!("{at}{set}")).collect()
}

fn with_attributes() -> Hosts {
    let mut hosts = registered();
    let link = hosts.link(account(0));
    for (at, queries) in [
        ("/3", "pmin=10"),
        ("/3/0", "pmax=60"),
        ("/3/0/9", "gt=50&lt=42.2&st=0.1"),
    ] {
        hosts.request(link, write_attributes(at, queries));
        assert_eq!(hosts.only().1.code(), Code::CHANGED);
    }
    hosts
}

/// TS 5.1: they go with the account, and not with the registration.
#[test]
fn attributes_stay_even_if_the_registration_is_over() {
    for elapsed in [Some(seconds(1)), Some(seconds(10_000)), None] {
        let mut hosts = with_attributes();
        hosts.restart(tree([one()]), elapsed);
        assert_eq!(
            attributes(&hosts.client),
            ["/3;pmin=10", "/3/0;pmax=60", "/3/0/9;gt=50;lt=42.2;st=0.1"]
        );
    }
}

#[test]
fn attributes_that_could_not_be_written_are_not_restored() {
    let boot = |objects: ObjectTree, edits: &[(&str, Json)], most| {
        let hosts = with_attributes();
        let (_, state) = saved(&hosts.client, hosts.now);
        let mut config = config();
        config.most_attributes = most;
        let (state, now) = (edited(&state, edits), BOOT);
        let client = Client::restore(config, objects, &state, now, Some(seconds(1))).unwrap();
        attributes(&client)
    };
    let objects = || tree([one()]);
    assert_eq!(boot(objects(), &[], 2), ["/3;pmin=10", "/3/0;pmax=60"]);
    assert_eq!(boot(tree([secured("one", 102, 300)]), &[], 64), [""; 0]);
    let mut without = objects();
    without.add(Store::of([(
        InstanceId::ZERO,
        lwm2m_objects::typed::Device::default(),
    )]));
    assert_eq!(boot(without, &[], 64), ["/3;pmin=10", "/3/0;pmax=60"]);
    for (pointer, value) in [
        ("path", json!("/")),
        ("path", json!("/0/0/5")),
        ("path", json!("/3/0/4")),
        ("path", json!("/3/0/6/0")),
        ("path", json!("/9")),
        ("path", json!("/3/0/0")),
        ("server", json!(102)),
        ("attributes/st", json!(-1.0)),
        ("attributes/pmin", json!(100)),
    ] {
        let mut edits = vec![(format!("/attributes/2/{pointer}"), value)];
        // A step makes no sense for text, and periods may be of the wrong order.
        if pointer == "attributes/pmin" {
            edits.push(("/attributes/2/attributes/pmax".into(), json!(10)));
        }
        let edits: Vec<_> = edits.iter().map(|(at, to)| (&**at, to.clone())).collect();
        let left = boot(objects(), &edits, 64);
        assert_eq!(left, ["/3;pmin=10", "/3/0;pmax=60"], "{pointer}");
    }
}

#[test]
fn a_snapshot_changes_nothing_and_shows_nothing() {
    let mut hosts = with_attributes();
    let timeout = hosts.client.poll_timeout();
    let (_, state) = saved(&hosts.client, hosts.now);
    assert_eq!(saved(&hosts.client, hosts.now).1, state);
    assert_eq!(hosts.client.poll_timeout(), timeout);
    assert!(hosts.is_silent());
    assert_eq!(
        format!("{state:?}"),
        "ClientSnapshot { registrations: 1, attributes: 3, observations: 0, .. }"
    );
}
