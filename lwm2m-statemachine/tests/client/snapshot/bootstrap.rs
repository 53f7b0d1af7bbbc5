//! The Bootstrap Sequence, a bootstrap that is under way, and the purge.

use lwm2m_core::Code;
use lwm2m_kit::account;
use lwm2m_objects::typed::Security;
use lwm2m_statemachine::{AccountId, Session, client::BootstrapState};
use serde_json::json;

use super::{edited, saved, seconds};
use crate::{
    bootstrap::{Station, bootstrap_server, has, of_bootstrap, tree, with},
    hosts::{open, secured},
};

const SERVER: u16 = 1;

fn server() -> AccountId {
    account(SERVER)
}

/// The account of the Bootstrap-Server, with a Client Hold Off Time of 100 seconds, and a timeout.
fn holding_off(timeout: u32) -> Security {
    Security {
        client_hold_off_time: Some(100),
        bootstrap_account_timeout: Some(timeout),
        ..bootstrap_server()
    }
}

fn objects() -> lwm2m_objects::ObjectTree {
    with(holding_off(0), [secured("one", 101, 300)])
}

/// The only server has refused.
fn refused() -> Station {
    let mut station = Station::started(objects());
    station.connect(server(), Session::New);
    let register = station.register(server());
    station.answer_code(&register, Code::FORBIDDEN);
    station
}

fn state(station: &mut Station) -> BootstrapState {
    let now = station.now;
    station.client.bootstrapping().state(now)
}

/// TS 5.2.4, E.1 Resource 11.
#[test]
fn a_client_that_holds_off_goes_on_holding_off() {
    for (elapsed, left) in [(Some(seconds(30)), 50), (None, 80), (Some(seconds(500)), 0)] {
        let mut station = refused();
        station.pass(seconds(20));
        station.restart(objects(), elapsed);
        if left > 0 {
            let until = station.now + seconds(left);
            assert_eq!(state(&mut station), BootstrapState::HoldingOff { until });
            station.pass(seconds(left - 1));
            assert!(!station.linked().contains(&of_bootstrap()));
            station.pass(seconds(1));
        }
        assert!(station.linked().contains(&of_bootstrap()), "{elapsed:?}");
    }
}

#[test]
fn a_hold_off_is_no_longer_than_the_account_says() {
    let station = refused();
    let (_, saved) = saved(&station.client, station.now);
    let pointer = "/bootstrap/sequence/decision/HoldingOff";
    let absurd = edited(&saved, &[(pointer, json!(u64::MAX))]);
    let mut station = refused();
    station.boot(objects(), &absurd, Some(seconds(1)));
    let until = station.now + seconds(100);
    assert_eq!(state(&mut station), BootstrapState::HoldingOff { until });
}

/// The account is another one, which may succeed.
#[test]
fn a_server_that_is_another_one_has_not_failed() {
    let mut station = refused();
    let (_, saved) = saved(&station.client, station.now);
    let other = with(holding_off(0), [secured("two", 101, 300)]);
    station.boot(other, &saved, Some(seconds(1)));
    assert_eq!(state(&mut station), BootstrapState::Registering);
}

#[test]
fn in_a_bootstrap_a_snapshot_has_the_state_before_it() {
    let one = || tree([open("one", 101, 300)]);
    let mut station = Station::registered([open("one", 101, 300)]);
    station.begin();
    station.write_account(open("other", 102, 600));
    station.restart(one(), Some(seconds(50)));
    assert!(station.client.is_registered(server()));
    station.connect(server(), Session::Resumed);
    station.update(server());
}

/// TS E.1, Resource 12.
#[test]
fn the_account_of_the_bootstrap_server_is_purged_in_time() {
    let bootstrapped = || {
        let mut station = Station::started(with(holding_off(1000), []));
        station.pass(seconds(100));
        station.connect(of_bootstrap(), Session::New);
        let request = station.bootstrap_request();
        station.answer_code(&request, Code::CHANGED);
        station.write_account(open("one", 101, 10_000));
        station.finish();
        station.pass(seconds(200));
        station
    };
    for (elapsed, left) in [
        (Some(seconds(300)), 500),
        (None, 800),
        (Some(seconds(2000)), 0),
    ] {
        let mut station = bootstrapped();
        let (values, state) = saved(&station.client, station.now);
        let mut objects = with(holding_off(1000), []);
        objects.restore(&values).unwrap();
        station.boot(objects, &state, elapsed);
        if left > 0 {
            station.pass(seconds(left - 1));
            assert!(has(&station, "/0/0"), "{elapsed:?}");
        }
        station.pass(seconds(1));
        assert!(!has(&station, "/0/0"), "{elapsed:?}");
    }
    let mut station = bootstrapped();
    let (values, state) = saved(&station.client, station.now);
    let absurd = edited(&state, &[("/bootstrap/timeout/left", json!(u64::MAX))]);
    let mut objects = with(holding_off(1000), []);
    objects.restore(&values).unwrap();
    station.boot(objects, &absurd, Some(seconds(1)));
    station.pass(seconds(1000));
    assert!(!has(&station, "/0/0"));
}

/// TS 5.2.3.2.
#[cfg(feature = "smartcard")]
#[test]
fn what_comes_from_the_smartcard_is_known_after_a_restart() {
    use lwm2m_statemachine::smartcard::{BootstrapFile, CardContents};

    // Security Object Instances 1 and 2, and Server Object Instance 10, without anything in them.
    let file = b"\x00\x02\x00\x10\x00\x00\x00\x00\x04\x00\x01\x00\x02\x00\x01\x00\x00\x02\x00\x0A";
    let contents = CardContents::of(&BootstrapFile::decode(file).unwrap());
    let mut station = Station::new(objects());
    station.client.restore_card_contents(contents.clone());
    station.restart(objects(), Some(seconds(1)));
    assert!(!contents.is_empty());
    assert_eq!(*station.client.card_contents(), contents);
}
