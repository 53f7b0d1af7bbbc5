//! Whatever is in a snapshot: the Client holds no more than it may, tells nothing that it may not, and registers.

use core::time::Duration;
use std::sync::LazyLock;

use lwm2m_core::Code;
use lwm2m_kit::account;
use lwm2m_objects::{
    ObjectTree,
    typed::{Security, Server},
};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientEvent, Session,
    client::{ClientSnapshot, RegistrationState},
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{BOOT, saved, seconds};
use crate::{
    attributes::write_attributes,
    disable::{disables, registers, state as state_of},
    hosts::{Hosts, tree},
    observe::observe,
    reporting::sensors,
    support::server_id,
};

/// The keys of the accounts, which no server may ever see.
const SECRET: [u8; 16] = *b"never told to 1!";

const MOST_OBSERVATIONS: usize = 8;
const MOST_STORED: usize = 6;
const MOST_ATTRIBUTES: usize = 8;

fn objects() -> ObjectTree {
    let account = |host: &str, id| {
        let server = Server {
            default_minimum_period: Some(0),
            default_maximum_period: Some(600),
            disable: true,
            disable_timeout: Some(60),
            ..Server::new(server_id(id), 10_000)
        };
        let security = Security::pre_shared_key(host, server_id(id), "me", SECRET);
        (security, server)
    };
    let mut tree = tree([account("coaps://one", 101)]);
    tree.add(sensors());
    tree
}

fn config() -> ClientConfig {
    let mut config = ClientConfig::new("example-client", [9; 32]);
    config.most_observations = MOST_OBSERVATIONS;
    config.most_attributes = MOST_ATTRIBUTES;
    config.storing.most = MOST_STORED;
    config
}

fn registered() -> Hosts {
    let mut hosts = Hosts::with(config(), objects());
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    hosts.accept_all();
    hosts
}

fn json_of(hosts: &Hosts) -> Json {
    let (_, state) = saved(&hosts.client, hosts.now);
    serde_json::to_value(state).unwrap()
}

/// With all that there can be of a server that can't be reached.
fn full() -> Json {
    let mut hosts = registered();
    for (at, queries) in [
        ("/26241", "pmin=1&pmax=300"),
        ("/26241/0/1", "gt=30&lt=10&st=2"),
    ] {
        let answer = hosts.ask(b"w", write_attributes(at, queries));
        assert_eq!(answer.code(), Code::CHANGED);
    }
    for (token, at) in [
        (b"a", "/26241"),
        (b"b", "/26241/0"),
        (b"c", "/26241/0/1"),
        (b"d", "/3/0/9"),
    ] {
        let answer = hosts.ask(token, observe(0, at));
        assert_eq!(answer.code(), Code::CONTENT);
    }
    hosts.pass(seconds(5));
    hosts.set_level(50);
    hosts.pass(seconds(5));
    hosts.sent();
    hosts.client.go_offline(hosts.now);
    for level in [25, 5, 55] {
        hosts.set_level(level);
        hosts.pass(seconds(5));
    }
    json_of(&hosts)
}

/// With what is kept for a server since it was disabled, and what is observed and stored while it is disabled once more.
fn disabled() -> Json {
    let mut hosts = registered();
    for (token, at, levels) in [(b"a", "/26241/0/1", [25, 5]), (b"b", "/26241/0", [35, 15])] {
        let answer = hosts.ask(token, observe(0, at));
        assert_eq!(answer.code(), Code::CONTENT);
        disables(&mut hosts, account(0), account(0));
        for level in levels {
            hosts.set_level(level);
            hosts.pass(seconds(1));
        }
        if token == b"a" {
            hosts.pass(seconds(60));
            registers(&mut hosts, account(0));
        }
    }
    json_of(&hosts)
}

/// All places of a document.
fn places(json: &Json, at: &str, all: &mut Vec<String>) {
    all.push(at.into());
    match json {
        Json::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{place}"), all);
            }
        }
        Json::Object(fields) => {
            for (name, item) in fields {
                places(item, &format!("{at}/{name}"), all);
            }
        }
        _ => {}
    }
}

/// What may stand at a place instead.
fn replacement() -> impl Strategy<Value = Json> {
    let numbers = [
        0,
        1,
        2,
        11542,
        11543,
        65534,
        65535,
        86_400_000,
        u64::MAX / 2,
        u64::MAX,
    ];
    let texts = [
        "",
        "/",
        "/0",
        "/0/0",
        "/0/0/5",
        "/1/10/1",
        "/3/0/9",
        "/26241",
        "/26241/0/2",
        "/26241/7",
        "Udp",
        "Sms",
        "UQ",
        "example-client",
    ];
    prop_oneof![
        prop::sample::select(numbers.to_vec()).prop_map(|number| json!(number)),
        any::<u32>().prop_map(|number| json!(number)),
        any::<i8>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        any::<bool>().prop_map(|is_true| json!(is_true)),
        prop::sample::select(texts.to_vec()).prop_map(|text| json!(text)),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| json!(bytes)),
        Just(json!(null)),
        Just(json!([])),
    ]
}

#[derive(Clone, Debug)]
enum Mutation {
    Replace(prop::sample::Index, Json),
    /// What is at one place is at another one, too.
    Copy(prop::sample::Index, prop::sample::Index),
    /// The items of a list are there many times.
    Repeat(prop::sample::Index),
    /// The first item of a list is gone.
    Remove(prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        4 => (place(), replacement()).prop_map(|(at, json)| Mutation::Replace(at, json)),
        2 => (place(), place()).prop_map(|(from, to)| Mutation::Copy(from, to)),
        1 => place().prop_map(Mutation::Repeat),
        1 => place().prop_map(Mutation::Remove),
    ]
}

fn pick(index: prop::sample::Index, places: &[String]) -> &str {
    &places[index.index(places.len())]
}

fn mutate(json: &mut Json, mutation: &Mutation) {
    let mut all = Vec::new();
    places(json, "", &mut all);
    let all_lists = all.iter().filter(|at| json.pointer(at).unwrap().is_array());
    let lists: Vec<String> = all_lists.cloned().collect();
    match mutation {
        Mutation::Replace(at, by) => *json.pointer_mut(pick(*at, &all)).unwrap() = by.clone(),
        Mutation::Copy(from, to) => {
            let copy = json.pointer(pick(*from, &all)).unwrap().clone();
            *json.pointer_mut(pick(*to, &all)).unwrap() = copy;
        }
        Mutation::Repeat(at) if !lists.is_empty() => {
            if let Some(Json::Array(items)) = json.pointer_mut(pick(*at, &lists)) {
                let all = core::iter::repeat_n(items.clone(), 10);
                *items = all.flatten().take(200).collect();
            }
        }
        Mutation::Remove(at) if !lists.is_empty() => {
            if let Some(Json::Array(items)) = json.pointer_mut(pick(*at, &lists))
                && !items.is_empty()
            {
                items.remove(0);
            }
        }
        _ => {}
    }
}

/// The Client holds no more than it may.
fn check_bounds(client: &Client) {
    let usage = client.usage();
    assert_eq!(usage.accounts, 1);
    assert!(usage.observations <= MOST_OBSERVATIONS, "{usage:?}");
    assert!(usage.stored_notifications <= MOST_STORED, "{usage:?}");
    assert!(usage.attributes <= MOST_ATTRIBUTES, "{usage:?}");
}

/// Answers what is sent: an Update with this code, a Register well. Nothing has a key in it.
fn serve(hosts: &mut Hosts, update: Code) {
    for (of, sent) in hosts.sent() {
        let has_secret = sent
            .payload()
            .windows(SECRET.len())
            .any(|bytes| bytes == SECRET);
        assert!(!has_secret, "a key is told");
        match &*sent.path() {
            "/rd" => hosts.accept(of, &sent),
            // A response, or a notification.
            _ if sent.code().class() != 0 => {}
            _ => hosts.answer_code(&sent, update),
        }
    }
}

fn live(state: &ClientSnapshot, elapsed: u64, session: Session, update: Code) {
    let mut hosts = Hosts::with(config(), objects());
    hosts.now = BOOT;
    let elapsed = Some(Duration::from_millis(elapsed));
    hosts.client = Client::restore(config(), objects(), state, BOOT, elapsed).unwrap();
    check_bounds(&hosts.client);
    hosts.client.start(BOOT);
    // As long as a server could ask to be left alone.
    hosts.pass(seconds(1));
    let mut is_known = false;
    for _ in 0..10 {
        // The longest Disable Timeout is in the range of these.
        if state_of(&hosts, account(0)) == RegistrationState::Disabled {
            hosts.now += seconds(u64::from(u32::MAX));
            hosts.client.handle_timeout(hosts.now);
        }
        if hosts.linked().is_empty() {
            hosts.pass(seconds(10_000));
        }
        for account in hosts.linked() {
            hosts.connect(account, session);
        }
        serve(&mut hosts, update);
        hosts.client.handle_timeout(hosts.now);
        serve(&mut hosts, update);
        check_bounds(&hosts.client);
        let events = hosts.events();
        is_known |= events.iter().any(|event| {
            matches!(
                event,
                ClientEvent::Registered { .. } | ClientEvent::Updated { .. }
            )
        });
        if is_known && hosts.client.is_registered(account(0)) {
            break;
        }
    }
    assert!(is_known && hosts.client.is_registered(account(0)));
    for step in 0..20 {
        hosts.set_level(step * 7 % 60);
        hosts.pass(seconds(40));
        serve(&mut hosts, Code::CHANGED);
        check_bounds(&hosts.client);
    }
}

#[test]
fn what_is_whole_holds_all() {
    let state = serde_json::from_value(full()).unwrap();
    let elapsed = Some(seconds(1));
    let client = Client::restore(config(), objects(), &state, BOOT, elapsed).unwrap();
    let usage = client.usage();
    assert_eq!((usage.observations, usage.attributes), (4, 2));
    assert!(usage.stored_notifications >= 3, "{usage:?}");
    check_bounds(&client);
}

#[test]
fn what_is_whole_holds_all_of_a_disabled_server() {
    let json = disabled();
    let count = |pointer| json.pointer(pointer).unwrap().as_array().unwrap().len();
    assert_eq!(count("/reporting/kept/0/notifications"), 2);
    assert_eq!(count("/reporting/queues/0/notifications"), 2);
    let is_unobserved = json.pointer("/reporting/observations/0/is_unobserved");
    assert_eq!(is_unobserved, Some(&json!(true)));
    let state = serde_json::from_value(json.clone()).unwrap();
    let elapsed = Some(seconds(1));
    let client = Client::restore(config(), objects(), &state, BOOT, elapsed).unwrap();
    // What was kept and stored, and the value of now, which isn't the last one.
    assert!(client.usage().stored_notifications >= 4);
    check_bounds(&client);
}

proptest! {
    #[test]
    fn a_client_registers_whatever_it_has_saved(
        mutations in prop::collection::vec(mutation(), 1..6),
        elapsed in prop_oneof![Just(0), 0..20_000_000_u64, Just(u64::MAX)],
        is_disabled in any::<bool>(),
        is_resumed in any::<bool>(),
        is_known in any::<bool>(),
    ) {
        static FULL: LazyLock<Json> = LazyLock::new(full);
        static DISABLED: LazyLock<Json> = LazyLock::new(disabled);
        let mut json = if is_disabled { DISABLED.clone() } else { FULL.clone() };
        for mutation in &mutations {
            mutate(&mut json, mutation);
        }
        if let Ok(state) = serde_json::from_value::<ClientSnapshot>(json) {
            let session = if is_resumed { Session::Resumed } else { Session::New };
            let update = if is_known { Code::CHANGED } else { Code::NOT_FOUND };
            live(&state, elapsed, session, update);
        }
    }
}
