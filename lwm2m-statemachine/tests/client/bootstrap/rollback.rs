//! A bootstrap without a good Finish leaves nothing (TS 5.2.3.3, step 3).

use core::time::Duration;

use lwm2m_core::{Code, ContentFormat};
use lwm2m_kit::{account, path};
use lwm2m_objects::{
    Change,
    typed::{Security, SecurityMode},
};
use lwm2m_statemachine::{client::Inbound, coap::MessageBuf};

use super::{Station, bootstrap_server, delete, discover, finish, of_bootstrap, put, write};
use crate::hosts::open;

const DAY: u32 = 86_400;

/// The commands of a bootstrap that gives the Client another server, and another account of the Bootstrap-Server, up
/// to the Finish.
fn commands() -> Vec<MessageBuf> {
    let (security, server) = open("new", 201, 300);
    let bootstrap = Security {
        server_uri: "coap://another-bootstrap".into(),
        ..bootstrap_server()
    };
    vec![
        delete("/0"),
        delete("/1"),
        discover("/"),
        write(5, security),
        write(7, server),
        put("/1/7/1", ContentFormat::TEXT, b"600"),
        put("/3/0/14", ContentFormat::TEXT, b"+09:00"),
        put("/1/7/1", ContentFormat::TEXT, b"no number"),
        write(6, bootstrap),
    ]
}

/// A way in which a bootstrap ends.
type End = fn(&mut Station);

const ENDS: &[(&str, End)] = &[
    ("the connection is lost", |station| {
        station.lose(of_bootstrap());
    }),
    ("the application aborts", |station| {
        let now = station.now;
        assert!(station.client.bootstrapping().abort(now));
    }),
    ("the application asks for another one", |station| {
        let now = station.now;
        station.client.bootstrapping().begin(now).unwrap();
    }),
    ("the Bootstrap-Server begins another one", |station| {
        let (now, from) = (station.now, Inbound::Account(of_bootstrap()));
        station.client.inbound(now, from).unwrap();
    }),
    ("time", |station| station.pass(Duration::from_secs(247))),
    ("time, and the Client is called late", |station| {
        station.sleep(Duration::from_secs(1000));
    }),
    ("the network is gone", |station| {
        let now = station.now;
        station.client.go_offline(now);
    }),
    ("the application leaves", |station| {
        let now = station.now;
        station.client.deregister(now);
    }),
];

fn begun() -> Station {
    let mut station = Station::secured([open("one", 101, DAY)]);
    station.begin();
    station
}

#[test]
fn wherever_a_bootstrap_ends_before_its_finish_the_tree_is_as_before() {
    for (how, end) in ENDS {
        for count in 0..=commands().len() {
            let mut station = begun();
            let before = station.snapshot();
            for command in commands().into_iter().take(count) {
                station.command(command);
            }
            // What is saved meanwhile is the state before, too.
            assert!(station.snapshot() == before, "{how}, after {count}");
            end(&mut station);
            assert!(!station.client.tree().is_holding(), "{how}, after {count}");
            assert!(station.snapshot() == before, "{how}, after {count}");
        }
    }
}

#[test]
fn after_its_finish_nothing_takes_a_bootstrap_back() {
    for (how, end) in ENDS {
        let mut station = begun();
        for command in commands() {
            station.command(command);
        }
        station.finish();
        let after = station.snapshot();
        station.finished();
        if *how == "the application aborts" {
            let now = station.now;
            assert!(!station.client.bootstrapping().abort(now));
        } else if how.starts_with("the Bootstrap-Server") || how.starts_with("the application asks")
        {
            // The account is another one.
            let now = station.now;
            assert!(
                station
                    .client
                    .inbound(now, Inbound::Account(account(6)))
                    .is_ok()
            );
        } else {
            end(&mut station);
        }
        assert!(station.snapshot() == after, "{how}");
    }
}

#[test]
fn what_the_application_sets_meanwhile_stays() {
    let mut station = begun();
    let (zone, battery) = (path("/3/0/14"), path("/3/0/9"));
    let code = station.code(put("/3/0/14", ContentFormat::TEXT, b"+09:00"));
    assert_eq!(code, Code::CHANGED);
    let now = station.now;
    station.client.set(now, zone, "+02:00").unwrap();
    station.client.set(now, battery, 7).unwrap();
    station.lose(of_bootstrap());
    let tree = station.client.tree();
    assert_eq!(tree.get(zone), Some("+02:00".into()));
    assert_eq!(tree.get(battery), Some(7.into()));
}

/// An account that the application makes while a bootstrap is under way isn't taken back with that.
#[test]
fn what_the_application_creates_meanwhile_stays() {
    let mut station = begun();
    station.delete("/0");
    let (security, server) = open("own", 77, DAY);
    let changes: Vec<Change> = [
        crate::hosts::create(20, security),
        crate::hosts::create(21, server),
    ]
    .concat();
    let now = station.now;
    station.client.change(now, changes).unwrap();
    assert_eq!(station.linked(), [of_bootstrap(), account(1)]);
    station.lose(of_bootstrap());
    assert!(super::has(&station, "/0/20"));
    assert!(super::has(&station, "/0/1"));
    assert_eq!(station.linked(), [account(1), account(20)]);
}

/// TS 5.2.6: the transaction stays open for repair.
#[test]
fn a_refused_finish_keeps_nothing_and_loses_nothing() {
    let mut station = begun();
    let before = station.snapshot();
    station.delete("/0");
    assert_eq!(station.code(finish()), Code::NOT_ACCEPTABLE);
    assert!(station.snapshot() == before);
    assert!(station.client.tree().is_holding());
    station.lose(of_bootstrap());
    assert!(station.snapshot() == before);
}

/// Neither what the Bootstrap-Server writes, nor what the application does meanwhile.
#[test]
fn a_client_shows_no_keys_while_a_bootstrap_is_under_way() {
    const KEY: &[u8] = b"a secret key";
    let mut station = begun();
    let (mut security, server) = open("own", 77, DAY);
    security.mode = SecurityMode::PreSharedKey;
    security.secret_key = KEY.to_vec();
    station.write(5, security.clone());
    station.delete("/0");
    let changes: Vec<Change> = [
        crate::hosts::create(20, security),
        crate::hosts::create(21, server),
    ]
    .concat();
    let now = station.now;
    station.client.change(now, changes).unwrap();
    let events = station.events();
    let shown = format!("{:?}{events:?}", station.client);
    let as_numbers = format!("{:?}", &KEY[..4]);
    let as_numbers = as_numbers.trim_matches(['[', ']']);
    assert!(!shown.contains("a secret key") && !shown.contains(as_numbers));
}
