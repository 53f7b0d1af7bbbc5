//! The Bootstrap Sequence (TS 5.2.4).

use core::time::Duration;

use lwm2m_core::Code;
use lwm2m_kit::account;
use lwm2m_objects::{
    ObjectTree, SECURITY, SERVER, Store,
    typed::{Device, Security},
};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, Session,
    client::{
        BootstrapFailure, BootstrapInitiator, BootstrapRefusal, BootstrapState, Inbound,
        InboundRefusal, RegistrationFailure,
    },
};

use super::{Station, bootstrap_server, finish, of_bootstrap, tree, with};
use crate::hosts::{create, open};

const DAY: u32 = 86_400;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An account of the Bootstrap-Server with this Client Hold Off Time.
fn holding_off(seconds: u32) -> Security {
    Security {
        client_hold_off_time: Some(seconds),
        ..bootstrap_server()
    }
}

fn state(station: &mut Station) -> BootstrapState {
    let now = station.now;
    station.client.bootstrapping().state(now)
}

/// The last server has gone, and the De-register hasn't reached it: nothing of its account is left.
#[test]
fn a_server_that_is_lost_while_it_is_left_leads_to_a_bootstrap() {
    let mut station = Station::registered([open("one", 101, DAY)]);
    let now = station.now;
    let gone = crate::hosts::delete(lwm2m_core::ObjectId::SECURITY, 1);
    station.client.change(now, [gone]).unwrap();
    let deregister = station.deregister(account(1));
    assert_eq!(deregister.code(), Code::DELETE);
    assert_eq!(station.linked(), [account(1)]);
    station.lose(account(1));
    assert!(matches!(
        station.events()[..],
        [ClientEvent::DeregisterFailed { .. }]
    ));
    assert_eq!(station.linked(), [of_bootstrap()]);
}

fn inbound(station: &mut Station) -> Result<(), InboundRefusal> {
    let (now, from) = (station.now, Inbound::Account(of_bootstrap()));
    let link = station.client.inbound(now, from)?;
    station.linked();
    station.links.insert(of_bootstrap(), link);
    Ok(())
}

/// Refuses the Register that is to send now.
fn refuse(station: &mut Station, of: u16, code: Code) {
    let register = station.register(account(of));
    station.answer_code(&register, code);
}

fn failures(station: &mut Station) -> Vec<BootstrapFailure> {
    let events = station.events().into_iter();
    events
        .filter_map(|event| match event {
            ClientEvent::BootstrapFailed { reason, .. } => Some(reason),
            _ => None,
        })
        .collect()
}

/// What has failed at another place, or with other keys, says nothing of an account.
#[test]
fn the_failures_of_an_account_that_is_reached_in_another_way_are_forgotten() {
    let mut station = Station::started(tree([open("one", 101, DAY)]));
    station.connect(account(1), Session::New);
    refuse(&mut station, 1, Code::FORBIDDEN);
    station.lose(of_bootstrap());
    assert!(matches!(
        state(&mut station),
        BootstrapState::Waiting { .. }
    ));
    let now = station.now;
    let uri = lwm2m_kit::path("/0/1/0");
    station.client.set(now, uri, "coap://two").unwrap();
    assert_eq!(station.linked(), [account(1)]);
    assert_eq!(state(&mut station), BootstrapState::Registering);
    station.pass(seconds(100));
    assert_eq!(station.linked(), [account(1)]);
    station.connect(account(1), Session::New);
    refuse(&mut station, 1, Code::FORBIDDEN);
    station.pass(seconds(100));
    assert!(station.linked().contains(&of_bootstrap()));
}

/// Without security, the rest of a bootstrap that was rolled back may arrive, and must not make another one.
#[test]
fn without_security_no_bootstrap_of_the_server_is_served_after_a_roll_back() {
    let mut station = Station::begun();
    station.write_account(open("one", 101, DAY));
    station.lose(of_bootstrap());
    assert_eq!(inbound(&mut station), Err(InboundRefusal::NotServed));
    station.pass(seconds(246));
    assert_eq!(inbound(&mut station), Err(InboundRefusal::NotServed));
    station.pass(seconds(1));
    assert_eq!(inbound(&mut station), Ok(()));
    station.write_account(open("one", 101, DAY));
    station.finish();
}

/// A good bootstrap whose server refuses the Register is no reason to begin the next one at once.
#[test]
fn bootstraps_that_lead_to_no_registration_are_spaced() {
    let mut station = Station::started(tree([]));
    let (mut begun, mut before) = (Vec::new(), None);
    for _ in 0..5 {
        while station.linked().contains(&of_bootstrap()) && Some(station.bootstrap_link()) == before
        {
            let due = station.client.poll_timeout().unwrap();
            let wait = due.saturating_duration_since(station.now);
            station.sleep(wait);
            for (of, register) in station.sent() {
                assert_eq!((of, register.path()), (account(1), "/rd".into()));
                station.answer_code(&register, Code::FORBIDDEN);
            }
        }
        begun.push(station.now);
        before = Some(station.bootstrap_link());
        station.connect(of_bootstrap(), Session::New);
        let request = station.bootstrap_request();
        station.answer_code(&request, Code::CHANGED);
        station.write_account(open("one", 101, DAY));
        station.finish();
        station.events();
        let mut registers = core::mem::take(&mut station.others);
        if registers.is_empty() {
            station.connect(account(1), Session::New);
            registers = station.sent();
        }
        for (of, register) in registers {
            assert_eq!(of, account(1));
            station.answer_code(&register, Code::FORBIDDEN);
        }
    }
    let waits = begun.windows(2);
    let waits: Vec<_> = waits
        .map(|two| two[1].saturating_duration_since(two[0]).as_secs_f32())
        .collect();
    for (wait, full) in waits.iter().zip([5.0, 10.0, 20.0, 40.0]) {
        assert!((full / 2.0..=full).contains(wait), "{waits:?}");
    }
}

/// TS 5.2.4: smartcard or a later account must come.
#[test]
fn a_client_without_any_account_starts_and_waits() {
    let mut empty = ObjectTree::new();
    empty.add(Store::new(&SECURITY));
    empty.add(Store::new(&SERVER));
    empty.add(Store::of([(lwm2m_kit::instance(0), Device::example())]));
    let mut station = Station::started(empty);
    station.pass(seconds(100_000));
    assert_eq!(station.events(), []);
    assert_eq!(state(&mut station), BootstrapState::Registering);
    assert_eq!(inbound(&mut station), Err(InboundRefusal::Unknown));
    let now = station.now;
    let begun = station.client.bootstrapping().begin(now);
    assert_eq!(begun, Err(BootstrapRefusal::NoAccount));
    let now = station.now;
    let changes = create(0, bootstrap_server());
    station.client.change(now, changes).unwrap();
    assert_eq!(station.linked(), [of_bootstrap()]);
}

#[test]
fn a_client_with_the_account_of_a_bootstrap_server_alone_is_bootstrapped_and_registers() {
    let mut station = Station::started(tree([]));
    assert_eq!(station.linked(), [of_bootstrap()]);
    let by = BootstrapInitiator::Client;
    let account = of_bootstrap();
    assert_eq!(
        state(&mut station),
        BootstrapState::Beginning { account, by }
    );
    station.connect(of_bootstrap(), Session::New);
    let request = station.bootstrap_request();
    station.answer_code(&request, Code::CHANGED);
    assert_eq!(
        station.events(),
        [ClientEvent::BootstrapStarted { account, by }]
    );
    assert_eq!(
        state(&mut station),
        BootstrapState::UnderWay { account, by }
    );
    station.write_account(open("one", 101, DAY));
    assert!(station.is_silent(), "nothing counts before the Finish");
    station.finish();
    let changed = station.finished();
    let changed: Vec<_> = changed.iter().map(ToString::to_string).collect();
    assert_eq!(changed[..2], ["/0", "/1/10"]);
    assert_eq!(state(&mut station), BootstrapState::Registering);
    station.connect(lwm2m_kit::account(1), Session::New);
    station.accept_all();
    // The Bootstrap-Server may repeat its Finish for a while; then its connection ends.
    assert!(station.linked().contains(&of_bootstrap()));
    station.pass(seconds(100));
    assert_eq!(station.linked(), [lwm2m_kit::account(1)]);
}

/// TS 5.2.4, steps 1 and 2.
#[test]
fn nothing_is_done_before_the_smartcard_was_tried() {
    let mut config = ClientConfig::new("example-client", [5; 32]);
    config.bootstrap.smartcard = true;
    let mut station = Station::with(config, tree([open("one", 101, DAY)]));
    let now = station.now;
    assert!(!station.client.bootstrapping().smartcard_tried(now));
    station.start();
    assert_eq!(station.events(), [ClientEvent::SmartcardAsked]);
    assert_eq!(state(&mut station), BootstrapState::Smartcard);
    assert_eq!(inbound(&mut station), Err(InboundRefusal::NotServed));
    let begun = station.client.bootstrapping().begin(now);
    assert_eq!(begun, Err(BootstrapRefusal::NotNow));
    station.start();
    station.pass(seconds(1000));
    assert_eq!(station.events(), []);
    let now = station.now;
    assert!(station.client.bootstrapping().smartcard_tried(now));
    assert!(!station.client.bootstrapping().smartcard_tried(now));
    assert_eq!(station.linked(), [account(1)]);
    inbound(&mut station).unwrap();
}

/// TS 5.2.4, step 1: if the smartcard has an account, the Client registers there.
#[test]
fn what_the_application_takes_from_the_smartcard_is_registered() {
    let mut config = ClientConfig::new("example-client", [5; 32]);
    config.bootstrap.smartcard = true;
    let mut station = Station::with(config, tree([]));
    station.start();
    let (security, server) = open("card", 55, DAY);
    let now = station.now;
    let changes = [create(4, security), create(5, server)].concat();
    station.client.change(now, changes).unwrap();
    assert_eq!(station.linked(), []);
    station.client.bootstrapping().smartcard_tried(now);
    assert_eq!(station.linked(), [account(4)]);
}

/// TS 5.2.4, step 4, Table 27.
#[test]
fn a_server_that_refuses_the_register_has_failed_at_once() {
    for code in [
        Code::BAD_REQUEST,
        Code::FORBIDDEN,
        Code::PRECONDITION_FAILED,
    ] {
        let mut station = Station::started(tree([open("one", 101, DAY)]));
        station.connect_all(Session::New);
        refuse(&mut station, 1, code);
        assert!(station.linked().contains(&of_bootstrap()), "{code}");
    }
}

#[test]
fn a_server_that_is_silent_or_can_not_has_failed_after_three_attempts() {
    let mut station = Station::started(tree([open("one", 101, DAY)]));
    station.connect_all(Session::New);
    let (mut registers, mut reasons) = (Vec::new(), Vec::new());
    while !station.linked().contains(&of_bootstrap()) {
        for (_, register) in station.sent() {
            let id = register.message().message_id();
            if registers.last() == Some(&id) {
                continue;
            }
            registers.push(id);
            if registers.len() == 2 {
                station.answer_code(&register, Code::INTERNAL_SERVER_ERROR);
            }
        }
        station.pass(seconds(1));
        reasons.extend(
            station
                .events()
                .into_iter()
                .filter_map(|event| match event {
                    ClientEvent::RegistrationFailed { reason, .. } => Some(reason),
                    _ => None,
                }),
        );
    }
    assert_eq!(registers.len(), 3);
    assert_eq!(
        reasons,
        [
            RegistrationFailure::Timeout,
            RegistrationFailure::Refused(Code::INTERNAL_SERVER_ERROR),
            RegistrationFailure::Timeout
        ]
    );
}

#[test]
fn how_many_attempts_fail_before_the_server_has_is_configured() {
    let mut config = ClientConfig::new("example-client", [5; 32]);
    config.bootstrap.attempts = 1;
    let mut station = Station::with(config, tree([open("one", 101, DAY)]));
    station.start();
    station.lose(account(1));
    assert!(station.linked().contains(&of_bootstrap()));
}

#[test]
fn one_of_two_servers_is_enough() {
    let accounts = [open("one", 101, DAY), open("two", 102, DAY)];
    let mut station = Station::started(tree(accounts));
    station.connect(account(1), Session::New);
    station.accept_all();
    station.connect(account(2), Session::New);
    refuse(&mut station, 2, Code::FORBIDDEN);
    station.pass(seconds(80_000));
    assert!(!station.linked().contains(&of_bootstrap()));
    assert_eq!(state(&mut station), BootstrapState::Registering);
}

#[test]
fn both_of_two_servers_have_to_fail() {
    let accounts = [open("one", 101, DAY), open("two", 102, DAY)];
    let mut station = Station::started(tree(accounts));
    station.connect(account(1), Session::New);
    refuse(&mut station, 1, Code::FORBIDDEN);
    assert!(!station.linked().contains(&of_bootstrap()));
    station.connect(account(2), Session::New);
    refuse(&mut station, 2, Code::FORBIDDEN);
    assert!(station.linked().contains(&of_bootstrap()));
}

/// The server has forgotten the registration; the Client registers anew, which says nothing of failing.
#[test]
fn a_server_that_refuses_an_update_has_not_failed() {
    let mut station = Station::registered([open("one", 101, DAY)]);
    let now = station.now;
    station.client.update(now, account(1));
    let update = station.update(account(1));
    station.answer_code(&update, Code::NOT_FOUND);
    assert_eq!(station.linked(), [account(1)]);
    let register = station.register(account(1));
    station.accept(account(1), &register);
    assert_eq!(station.linked(), [account(1)]);
}

/// TS E.1, Resource 11.
#[test]
fn the_hold_off_time_counts_from_the_moment_when_the_last_server_has_failed() {
    let mut station = Station::started(with(holding_off(60), [open("one", 101, DAY)]));
    station.connect_all(Session::New);
    station.pass(seconds(1));
    refuse(&mut station, 1, Code::FORBIDDEN);
    let until = station.now + seconds(60);
    assert_eq!(state(&mut station), BootstrapState::HoldingOff { until });
    station.pass(seconds(59));
    assert!(!station.linked().contains(&of_bootstrap()));
    station.pass(seconds(1));
    assert!(station.linked().contains(&of_bootstrap()));
}

/// TS 5.2.4, step 4.
#[test]
fn a_server_initiated_bootstrap_within_the_hold_off_time_cancels_ours() {
    let mut station = Station::started(with(holding_off(60), []));
    station.pass(seconds(30));
    assert_eq!(station.linked(), []);
    inbound(&mut station).unwrap();
    let (account, by) = (of_bootstrap(), BootstrapInitiator::BootstrapServer);
    assert_eq!(
        state(&mut station),
        BootstrapState::Beginning { account, by }
    );
    station.pass(seconds(60));
    assert!(station.is_silent(), "no Bootstrap-Request");
    station.write_account(open("one", 101, DAY));
    assert_eq!(
        station.events(),
        [ClientEvent::BootstrapStarted { account, by }]
    );
    station.finish();
    station.finished();
    station.connect(lwm2m_kit::account(1), Session::New);
    station.accept_all();
}

#[test]
fn if_a_server_initiated_bootstrap_fails_the_decision_is_made_anew() {
    let mut station = Station::started(with(holding_off(60), []));
    station.pass(seconds(30));
    inbound(&mut station).unwrap();
    station.pass(seconds(10));
    station.lose(of_bootstrap());
    let until = station.now + seconds(60);
    assert_eq!(state(&mut station), BootstrapState::HoldingOff { until });
    assert_eq!(
        station.events(),
        [ClientEvent::BootstrapFailed {
            account: of_bootstrap(),
            reason: BootstrapFailure::Disconnected,
            retry: Some(until),
        }]
    );
    station.pass(seconds(60));
    assert_eq!(station.linked(), [of_bootstrap()]);
}

/// A connection on which nothing comes is given up.
#[test]
fn a_bootstrap_server_that_connects_and_says_nothing_has_failed_after_exchange_lifetime() {
    let mut station = Station::started(with(holding_off(60), []));
    inbound(&mut station).unwrap();
    station.pass(seconds(246));
    assert_eq!(station.linked(), [of_bootstrap()]);
    station.pass(seconds(1));
    assert_eq!(failures(&mut station), [BootstrapFailure::NotFinished]);
    assert_eq!(station.linked(), []);
}

/// TS 5.2.4, step 5.
#[test]
fn a_server_initiated_bootstrap_is_possible_while_servers_are_registered() {
    let mut station = Station::registered([open("one", 101, DAY)]);
    inbound(&mut station).unwrap();
    station.write_account(open("moved", 101, DAY));
    station.finish();
    assert_eq!(station.linked(), [of_bootstrap(), account(1)]);
}

#[test]
fn a_second_connection_of_the_bootstrap_server_takes_the_place_of_the_first() {
    let mut station = Station::secured([open("one", 101, DAY)]);
    inbound(&mut station).unwrap();
    let before = station.snapshot();
    station.delete("/0");
    let (now, from) = (station.now, Inbound::Account(of_bootstrap()));
    let link = station.client.inbound(now, from).unwrap();
    assert!(station.snapshot() == before);
    assert_eq!(failures(&mut station), [BootstrapFailure::Replaced]);
    assert_eq!(station.linked(), [account(1)], "the first one is closed");
    station.links.insert(of_bootstrap(), link);
    assert_eq!(station.code(finish()), Code::CHANGED);
}

/// Anybody can send a datagram from another port.
#[test]
fn without_security_nobody_takes_the_place_of_a_bootstrap_that_is_under_way() {
    let mut station = Station::registered([open("one", 101, DAY)]);
    inbound(&mut station).unwrap();
    // Nothing has come on the first one.
    inbound(&mut station).unwrap();
    assert_eq!(failures(&mut station), [BootstrapFailure::Replaced]);
    station.write_account(open("one", 101, 600));
    station.events();
    let (now, from) = (station.now, Inbound::Account(of_bootstrap()));
    let second = station.client.inbound(now, from);
    assert_eq!(second, Err(InboundRefusal::NotServed));
    assert_eq!(failures(&mut station), []);
    station.finish();
    let update = station.others.remove(0);
    assert_eq!(
        (update.0, update.1.queries()),
        (account(1), vec!["lt=600".into()])
    );
    // It is over: the next one may begin.
    inbound(&mut station).unwrap();
}

#[test]
fn a_server_that_registers_ends_the_attempts() {
    let mut station = Station::started(tree([open("one", 101, DAY)]));
    station.connect_all(Session::New);
    refuse(&mut station, 1, Code::FORBIDDEN);
    station.lose(of_bootstrap());
    assert!(matches!(
        state(&mut station),
        BootstrapState::Waiting { .. }
    ));
    station.start();
    let links = station.linked();
    assert_eq!(links, [of_bootstrap(), account(1)]);
    let register = station.register(account(1));
    station.accept(account(1), &register);
    station.lose(of_bootstrap());
    assert_eq!(state(&mut station), BootstrapState::Registering);
    station.pass(seconds(50_000));
    assert_eq!(station.linked(), [account(1)]);
}

#[test]
fn the_application_asks_for_a_bootstrap_and_if_it_fails_nothing_else_changes() {
    let mut station = Station::new(tree([open("one", 101, DAY)]));
    let now = station.now;
    let begun = station.client.bootstrapping().begin(now);
    assert_eq!(begun, Err(BootstrapRefusal::NotNow));
    station.start();
    station.connect_all(Session::New);
    station.accept_all();
    station.begin();
    station.lose(of_bootstrap());
    assert_eq!(
        station.events(),
        [ClientEvent::BootstrapFailed {
            account: of_bootstrap(),
            reason: BootstrapFailure::Disconnected,
            retry: None,
        }]
    );
    assert_eq!(state(&mut station), BootstrapState::Registering);
}

#[test]
fn the_application_ends_a_bootstrap() {
    let mut station = Station::begun();
    station.write_account(open("one", 101, DAY));
    let now = station.now;
    assert!(station.client.bootstrapping().abort(now));
    assert!(!station.client.bootstrapping().abort(now));
    assert!(!super::has(&station, "/1/10"));
    assert_eq!(failures(&mut station), [BootstrapFailure::Aborted]);
    assert_eq!(station.linked(), []);
}

#[test]
fn a_client_that_is_to_leave_its_servers_asks_no_bootstrap_server() {
    let mut station = Station::begun();
    let now = station.now;
    station.client.deregister(now);
    assert_eq!(failures(&mut station), [BootstrapFailure::Aborted]);
    assert_eq!(state(&mut station), BootstrapState::Stopped);
    station.pass(seconds(100_000));
    assert_eq!(station.linked(), []);
    assert_eq!(inbound(&mut station), Err(InboundRefusal::NotServed));
    station.start();
    assert_eq!(station.linked(), [of_bootstrap()]);
}

#[test]
fn without_a_network_a_bootstrap_ends_and_begins_again_with_it() {
    let mut station = Station::begun();
    let now = station.now;
    station.client.go_offline(now);
    assert_eq!(failures(&mut station), [BootstrapFailure::Aborted]);
    station.pass(seconds(100_000));
    assert_eq!(station.linked(), []);
    assert_eq!(inbound(&mut station), Err(InboundRefusal::NotServed));
    let now = station.now;
    station.client.go_online(now);
    assert_eq!(station.linked(), [of_bootstrap()]);
}

/// TS 5.2.5: another key means another session.
#[test]
fn a_bootstrap_that_has_begun_with_another_account_ends() {
    let mut station = Station::started(tree([]));
    let old = station.bootstrap_link();
    let now = station.now;
    let at = lwm2m_kit::path("/0/0/0");
    station.client.set(now, at, "coap://other").unwrap();
    assert_eq!(failures(&mut station), [BootstrapFailure::AccountChanged]);
    station.pass(seconds(5));
    assert_ne!(station.bootstrap_link(), old);
}
