//! What follows from a Finish (TS 5.2.3.3, 5.2.6, E.1.3).

use core::time::Duration;

use lwm2m_core::Code;
use lwm2m_kit::{account, path};
use lwm2m_objects::typed::{Security, Server};
use lwm2m_statemachine::{
    ClientEvent, Session,
    client::{BootstrapRefusal, BootstrapState, Inbound, InboundRefusal},
};

use super::{Station, bootstrap_server, finish, has, of_bootstrap, tree, with};
use crate::{
    hosts::{open, secured},
    observe::observe,
    support::server_id,
};

const DAY: u32 = 86_400;

/// Registered with one server, and a bootstrap is under way.
fn one_server() -> Station {
    let mut station = Station::registered([open("one", 101, DAY)]);
    station.begin();
    station
}

/// TS 5.2.6.
#[test]
fn an_inconsistent_configuration_is_told_and_may_be_mended() {
    let mut station = Station::begun();
    let (security, server) = open("one", 101, DAY);
    station.write(1, security);
    assert_eq!(station.code(finish()), Code::NOT_ACCEPTABLE);
    let [ClientEvent::BootstrapInconsistent { account, reason }] = station.events()[..] else {
        panic!("not told");
    };
    assert_eq!((account, reason.path), (of_bootstrap(), path("/0/1/10")));
    assert!(station.is_silent());
    assert_eq!(station.linked(), [of_bootstrap()]);
    station.write(10, server);
    station.finish();
    station.finished();
}

#[test]
fn a_finish_without_a_write_on_a_configured_client_is_right_and_nothing_changes() {
    let mut station = one_server();
    let before = station.snapshot();
    let link = station.link(account(1));
    station.finish();
    station.finished();
    assert!(station.snapshot() == before);
    assert_eq!(station.link(account(1)), link);
    assert!(station.client.is_registered(account(1)));
    assert!(station.others.is_empty() && station.is_silent());
}

/// TS 5.2.5, 8.2.4.
#[test]
fn only_the_account_that_is_reached_in_another_way_is_registered_anew() {
    let accounts = [open("one", 101, DAY), open("two", 102, DAY)];
    let mut objects = tree(accounts);
    objects.add(lwm2m_objects::Store::new(&lwm2m_objects::ACCESS_CONTROL));
    give_rights(&mut objects);
    let mut station = Station::started(objects);
    station.connect_all(Session::New);
    station.accept_all();
    station.begin();
    let [one, two] = [1, 2].map(|of| station.link(account(of)));
    let (security, server) = secured("one", 101, DAY);
    station.write(1, security);
    station.write(10, server);
    station.finish();
    station.finished();
    assert_ne!(station.link(account(1)), one, "a new session");
    assert_eq!(station.link(account(2)), two);
    assert!(station.others.is_empty() && station.is_silent());
    station.connect(account(1), Session::New);
    station.register(account(1));
}

/// Rights on what is there, so that two accounts are consistent (TS 7.3.1.3).
fn give_rights(tree: &mut lwm2m_objects::ObjectTree) {
    use lwm2m_objects::{Change, access};

    let there = ["/1/10", "/1/11", "/3/0"].map(|at| Change::Create { path: path(at) });
    let owners = access::created(tree, server_id(101), &there).unwrap();
    tree.change(owners).unwrap();
}

#[test]
fn a_change_of_the_lifetime_alone_is_told_by_an_update() {
    let mut station = one_server();
    station.write(10, Server::new(server_id(101), 5000));
    assert!(
        station.others.is_empty(),
        "nothing counts before the Finish"
    );
    station.finish();
    let (of, update) = station.others.remove(0);
    assert_eq!(of, account(1));
    assert_eq!(update.path(), "/rd/1");
    assert_eq!(update.queries(), ["lt=5000"]);
}

/// TS E.1.3: the usual order of deployed servers. The rights and observations of a server that comes back stay.
#[test]
fn a_server_that_goes_and_comes_back_in_one_bootstrap_has_lost_nothing() {
    let mut station = Station::registered([open("one", 101, DAY)]);
    let link = station.link(account(1));
    station.request(link, observe(0, "/3/0/9"));
    station.sent();
    station.events();
    station.begin();
    station.delete("/0");
    station.delete("/1");
    let (security, server) = open("one", 101, DAY);
    station.write(1, security);
    station.write(10, server);
    station.finish();
    station.finished();
    assert_eq!(station.link(account(1)), link);
    assert!(station.others.is_empty() && station.is_silent());
    assert_eq!(station.client.reporting().observations().count(), 1);
    let now = station.now;
    station.client.set(now, path("/3/0/9"), 3).unwrap();
    station.pass(Duration::ZERO);
    let (of, notification) = station.only();
    assert_eq!(
        (of, notification.payload()),
        (account(1), &b"\xc1\x09\x03"[..])
    );
}

/// TS E.1.3, 5: over the old session, after the answer to the Finish, then the connection ends.
#[test]
fn a_server_that_is_gone_is_told_by_a_deregister() {
    let mut station = Station::registered([open("one", 101, DAY)]);
    let link = station.link(account(1));
    station.request(link, observe(0, "/3/0/9"));
    station.sent();
    station.events();
    station.begin();
    station.delete("/0");
    let (security, server) = open("two", 102, DAY);
    station.write(2, security);
    station.write(12, server);
    assert!(station.others.is_empty());
    assert_eq!(station.client.reporting().observations().count(), 1);
    station.finish();
    let (of, deregister) = station.others.remove(0);
    assert_eq!((of, deregister.to), (account(1), link));
    assert_eq!(
        (deregister.code(), deregister.path()),
        (Code::DELETE, "/rd/1".into())
    );
    assert_eq!(station.client.reporting().observations().count(), 0);
    station.answer_code(&deregister, Code::DELETED);
    assert_eq!(station.linked(), [of_bootstrap(), account(2)]);
}

/// TS 5.2.3.3: the purge of the old account takes place before the answer, which leaves on the old session.
#[test]
fn a_new_account_of_the_bootstrap_server_replaces_the_old_one() {
    let mut station = one_server();
    let link = station.bootstrap_link();
    let new = Security {
        server_uri: "coap://new-bootstrap".into(),
        ..bootstrap_server()
    };
    station.write(9, new);
    assert!(has(&station, "/0/0"));
    let answer = station.command_on(link, finish());
    assert_eq!((answer.code(), answer.to), (Code::CHANGED, link));
    assert!(!has(&station, "/0/0"));
    assert!(has(&station, "/0/9"));
    station.finished();
    station.pass(Duration::from_secs(100));
    assert_eq!(station.linked(), [account(1)], "the old session ends");
    let now = station.now;
    let unknown = Err(InboundRefusal::Unknown);
    let from = Inbound::Account(of_bootstrap());
    assert_eq!(station.client.inbound(now, from), unknown);
    station.client.bootstrapping().begin(now).unwrap();
    assert_eq!(station.linked(), [account(1), account(9)]);
}

#[test]
fn two_new_accounts_of_bootstrap_servers_are_refused_and_the_old_one_stays() {
    let mut station = one_server();
    let before = station.snapshot();
    station.write(8, bootstrap_server());
    station.write(9, bootstrap_server());
    assert_eq!(station.code(finish()), Code::NOT_ACCEPTABLE);
    station.lose(of_bootstrap());
    assert!(station.snapshot() == before);
}

/// TS E.1, Resource 12.
fn timing_out(seconds: u32) -> Security {
    Security {
        bootstrap_account_timeout: Some(seconds),
        ..bootstrap_server()
    }
}

/// A Client whose Bootstrap-Server's account is `security`, after a bootstrap that gave it a server.
fn bootstrapped(security: Security) -> Station {
    let mut station = Station::started(with(security, []));
    station.connect(of_bootstrap(), Session::New);
    let request = station.bootstrap_request();
    station.answer_code(&request, Code::CHANGED);
    station.write_account(open("one", 101, DAY));
    station.events();
    station.finish();
    station.finished();
    station.connect(account(1), Session::New);
    station.accept_all();
    station
}

#[test]
fn the_account_of_the_bootstrap_server_is_purged_some_time_after_a_bootstrap() {
    let mut station = bootstrapped(timing_out(1000));
    station.pass(Duration::from_secs(400));
    let now = station.now;
    let left = station.client.bootstrapping().account_timeout(now);
    assert_eq!(left, Some(Duration::from_secs(600)));
    station.pass(Duration::from_millis(599_999));
    assert!(has(&station, "/0/0"));
    station.pass(Duration::from_millis(1));
    assert!(!has(&station, "/0/0"));
    let account = of_bootstrap();
    assert_eq!(
        station.events(),
        [ClientEvent::BootstrapAccountPurged { account }]
    );
    assert!(station.is_silent(), "E.1.3 has nothing to do with it");
    // TS 5.2.4, step 5: no bootstrap is possible any more.
    let now = station.now;
    let begun = station.client.bootstrapping().begin(now);
    assert_eq!(begun, Err(BootstrapRefusal::NoAccount));
    station.lose(lwm2m_kit::account(1));
    station.pass(Duration::from_secs(100_000));
    let now = station.now;
    let state = station.client.bootstrapping().state(now);
    assert_eq!(state, BootstrapState::Registering);
}

#[test]
fn without_a_timeout_or_with_zero_the_account_stays() {
    for security in [bootstrap_server(), timing_out(0)] {
        let mut station = bootstrapped(security);
        let now = station.now;
        assert_eq!(station.client.bootstrapping().account_timeout(now), None);
        station.pass(Duration::from_secs(80_000));
        assert!(has(&station, "/0/0"));
    }
}

/// An unsuccessful bootstrap begins no time.
#[test]
fn the_time_of_the_account_begins_with_success() {
    let mut station = Station::started(with(timing_out(1000), []));
    station.connect(of_bootstrap(), Session::New);
    let request = station.bootstrap_request();
    station.answer_code(&request, Code::CHANGED);
    station.lose(of_bootstrap());
    station.pass(Duration::from_secs(5000));
    assert!(has(&station, "/0/0"));
}

#[test]
fn the_time_of_the_account_goes_on_after_a_restart() {
    let mut station = bootstrapped(timing_out(1000));
    station.pass(Duration::from_secs(400));
    let now = station.now;
    let left = station.client.bootstrapping().account_timeout(now).unwrap();
    let saved = station.snapshot();
    let mut objects = with(timing_out(1000), []);
    objects.restore(&saved).unwrap();
    let mut station = Station::new(objects);
    let now = station.now;
    let mut bootstrapping = station.client.bootstrapping();
    assert!(bootstrapping.resume_account_timeout(now, left));
    station.start();
    station.connect_all(Session::New);
    station.accept_all();
    station.pass(left);
    assert!(!has(&station, "/0/0"));
}

#[test]
fn the_purge_waits_for_a_bootstrap_that_is_under_way() {
    let mut station = bootstrapped(timing_out(1000));
    station.pass(Duration::from_secs(900));
    station.begin();
    station.pass(Duration::from_secs(200));
    assert!(has(&station, "/0/0"));
    station.delete("/1/10");
    station.lose(of_bootstrap());
    station.pass(Duration::from_millis(1));
    assert!(!has(&station, "/0/0"));
    assert!(has(&station, "/1/10"));
}

/// TS 5.2.3.2.
#[cfg(feature = "smartcard")]
#[test]
fn what_the_bootstrap_server_has_written_is_no_longer_the_smartcards() {
    use lwm2m_core::ObjectId;
    use lwm2m_kit::instance;
    use lwm2m_statemachine::smartcard::{BootstrapFile, CardContents};

    let mut station = one_server();
    // Security Object Instances 1 and 2, and Server Object Instance 10, without anything in them.
    let file = b"\x00\x02\x00\x10\x00\x00\x00\x00\x04\x00\x01\x00\x02\x00\x01\x00\x00\x02\x00\x0A";
    let file = BootstrapFile::decode(file).unwrap();
    station
        .client
        .restore_card_contents(CardContents::of(&file));
    let (security, _) = open("two", 101, DAY);
    station.write(1, security);
    let provides = |station: &Station, object, id| {
        station
            .client
            .card_contents()
            .provides(object, instance(id))
    };
    assert!(
        provides(&station, ObjectId::SECURITY, 1),
        "not before the Finish"
    );
    assert_eq!(station.code(finish()), Code::CHANGED);
    assert!(!provides(&station, ObjectId::SECURITY, 1));
    assert!(provides(&station, ObjectId::SECURITY, 2));
    assert!(provides(&station, ObjectId::SERVER, 10));
    // So it stays when the card goes.
    let now = station.now;
    station.client.smartcard(now, None).unwrap();
    assert!(has(&station, "/0/1"));
}

/// TS E.2: a binding with SMS needs a number of the device, which an Update would have to tell.
#[test]
fn a_binding_with_sms_needs_a_number_of_the_device() {
    for (config, expected) in [
        (crate::mobile::config(), Code::CHANGED),
        (
            lwm2m_statemachine::ClientConfig::new("example-client", [5; 32]),
            Code::NOT_ACCEPTABLE,
        ),
    ] {
        let mut objects = tree([]);
        let device = lwm2m_objects::typed::Device {
            supported_binding: lwm2m_core::BindingMode::UQS,
            ..lwm2m_objects::typed::Device::example()
        };
        objects.add(lwm2m_objects::Store::of([(lwm2m_kit::instance(0), device)]));
        let mut station = Station::with(config, objects);
        station.start();
        station.connect(of_bootstrap(), Session::New);
        let (_, request) = station.only();
        station.answer_code(&request, Code::CHANGED);
        let (_, mut server) = open("one", 101, DAY);
        server.binding = lwm2m_core::BindingMode::US;
        station.write_account((crate::mobile::no_sec(), server));
        assert_eq!(station.code(finish()), expected);
    }
}
