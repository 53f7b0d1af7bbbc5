//! A change of the binding between UDP and SMS while a bootstrap is under way (TS 5.2, 5.3.2).

use lwm2m_core::{BindingMode, Code, Transport};
use lwm2m_kit::{account, instance, path};
use lwm2m_objects::{Store, typed::Device};
use lwm2m_statemachine::{
    ClientEvent, ConnectionId, Session,
    coap::{MessageType, Token},
};

use super::{Station, of_bootstrap, tree};
use crate::{hosts::open, mobile, observe::observe, support::Sent};

/// Registered over UDP with a server that observes the battery, and an Update that tells another binding is
/// under way.
fn told() -> (Station, Sent) {
    let (_, mut server) = open("one", 101, 86_400);
    server.binding = BindingMode::U;
    let mut objects = tree([(mobile::no_sec(), server)]);
    let device = Device {
        supported_binding: BindingMode::UQS,
        ..Device::example()
    };
    objects.add(Store::of([(instance(0), device)]));
    let mut station = Station::with(mobile::config(), objects);
    station.start();
    station.connect_all(Session::New);
    station.accept_all();
    let udp = station.link(account(1));
    station.request(udp, observe(0, "/3/0/9"));
    station.sent();
    station.events();
    let now = station.now;
    station.client.set(now, path("/1/10/7"), "S").unwrap();
    let update = station.update(account(1));
    (station, update)
}

/// As [`Station::begin`], whatever else happens.
fn begin(station: &mut Station) {
    let now = station.now;
    station.client.bootstrapping().begin(now).unwrap();
    station.connect(of_bootstrap(), Session::New);
    let request = station.bootstrap_request();
    station.answer_code(&request, Code::CHANGED);
    station.events();
}

/// The connection over SMS that is asked for, if one is, and the connections that end.
fn asked(station: &mut Station) -> (Option<ConnectionId>, Vec<ConnectionId>) {
    let (mut asked, mut ended) = (None, Vec::new());
    for event in lwm2m_kit::events(&mut station.client) {
        match event {
            ClientEvent::Connect {
                connection,
                transport: Transport::Sms,
                ..
            } => asked = Some(connection),
            ClientEvent::Disconnect { connection } => ended.push(connection),
            ClientEvent::ObservationEnded { path, .. } => panic!("{path} is not observed"),
            _ => {}
        }
    }
    (asked, ended)
}

/// As [`Station::finish`], whatever else happens.
fn finish(station: &mut Station) {
    let link = station.bootstrap_link();
    let wire = super::finish().finish(MessageType::Confirmable, 0x77, Token::EMPTY);
    station.datagram(link, wire.as_ref());
}

fn goes_on(station: &mut Station) {
    assert!(station.client.is_registered(account(1)));
    assert_eq!(station.client.reporting().observations().count(), 1);
}

#[test]
fn a_registration_does_not_move_before_the_end_of_a_bootstrap() {
    let (mut station, update) = told();
    begin(&mut station);
    station.answer_code(&update, Code::CHANGED);
    assert_eq!(asked(&mut station), (None, vec![]));
    goes_on(&mut station);
    finish(&mut station);
    assert!(asked(&mut station).0.is_some());
    goes_on(&mut station);
}

#[test]
fn a_connection_for_a_move_that_is_up_in_a_bootstrap_is_asked_for_again_after_it() {
    let (mut station, update) = told();
    station.answer_code(&update, Code::CHANGED);
    let (sms, ended) = asked(&mut station);
    assert_eq!(ended, []);
    let sms = sms.unwrap();
    begin(&mut station);
    let now = station.now;
    station.client.connected(now, sms, Session::New);
    assert_eq!(asked(&mut station), (None, vec![sms]));
    goes_on(&mut station);
    finish(&mut station);
    let (again, _) = asked(&mut station);
    assert_ne!(again.unwrap(), sms);
    goes_on(&mut station);
}
