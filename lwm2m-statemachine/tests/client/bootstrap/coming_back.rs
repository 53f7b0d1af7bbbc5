//! Servers that a bootstrap deletes and writes again, elsewhere or with what they own (TS 5.3.1, E.1.3).

use lwm2m_core::{AccessRights, Code, ContentFormat, Method, Value};
use lwm2m_kit::{account, instance, path};
use lwm2m_objects::{
    Answer, Store, access,
    firmware::{Event, FirmwareUpdateObject},
    typed::{self, AccessControl, AclTarget},
};
use lwm2m_statemachine::Session;

use super::{Station, of_bootstrap, put, tree};
use crate::{
    hosts::open,
    observe::observe,
    support::{on, server_id},
};

const DAY: u32 = 86_400;

/// An account is its Security Object Instance. The server isn't left meanwhile, and its rights and attributes stay; the
/// Register ends its observations, and the server makes them again (TS 5.5.1).
#[test]
fn a_server_that_comes_back_at_another_instance_is_registered_anew_and_not_left() {
    let mut station = Station::registered([open("one", 101, DAY)]);
    let link = station.link(account(1));
    let mut attributes = on(Method::Put, "/3/0/9");
    attributes.uri_query("pmin=10").unwrap();
    station.request(link, attributes);
    station.request(link, observe(0, "/3/0/9"));
    station.sent();
    station.events();
    station.begin();
    station.delete("/0");
    station.delete("/1");
    let (security, server) = open("one", 101, DAY);
    station.write(5, security);
    station.write(30, server);
    assert_eq!(station.client.reporting().observations().count(), 1);
    assert!(station.client.is_registered(account(1)));
    station.finish();
    assert!(station.others.is_empty(), "no De-register");
    assert_eq!(station.linked(), [of_bootstrap(), account(5)]);
    station.connect(account(5), Session::New);
    let register = station.register(account(5));
    station.accept(account(5), &register);
    assert!(station.client.is_registered(account(5)));
    let reporting = station.client.reporting();
    assert_eq!(reporting.observations().count(), 0);
    assert_eq!(reporting.attributes(server_id(101)).count(), 1);
}

/// Registered with two servers. The first one owns the firmware update, and has written a package.
fn downloaded() -> Station {
    let mut objects = tree([open("one", 101, DAY), open("two", 102, DAY)]);
    let own = |at: &str, owner| {
        let at = path(at);
        let (object, instance) = at.object().zip(at.instance()).unwrap();
        AccessControl {
            target: AclTarget::Instance(object, instance),
            owner,
            acl: [(owner, AccessControl::OWNER_RIGHTS)].into(),
        }
    };
    let controls = [
        own("/1/10", 101),
        own("/1/11", 102),
        own("/3/0", 102),
        own("/5/0", 101),
    ];
    objects.add(Store::of((0..).map(instance).zip(controls)).managed(20));
    let firmware = |_: Event<'_>| Answer::Done;
    let firmware = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), firmware);
    objects.add(firmware.unwrap());
    let mut station = Station::started(objects);
    station.connect_all(Session::New);
    station.accept_all();
    let link = station.link(account(1));
    let package = put("/5/0/0", ContentFormat::OPAQUE, b"a package");
    station.request(link, package);
    assert_eq!(station.only().1.code(), Code::CHANGED);
    station.events();
    assert_eq!(state(&station), Some(DOWNLOADED));
    station
}

const IDLE: Value = Value::Integer(0);
const DOWNLOADED: Value = Value::Integer(2);

fn state(station: &Station) -> Option<Value> {
    station.client.tree().get(path("/5/0/3"))
}

/// The Object Instance was gone, and the package with it. So the state says that there is none, whatever else comes back.
#[test]
fn an_update_that_went_with_its_server_begins_anew_when_that_comes_back() {
    for finishes in [true, false] {
        let mut station = downloaded();
        station.begin();
        station.delete("/0");
        assert_eq!(state(&station), None);
        for (at, (security, server)) in [(1, open("one", 101, DAY)), (2, open("two", 102, DAY))] {
            station.write(at, security);
            station.write(at + 9, server);
        }
        if finishes {
            station.finish();
        } else {
            station.lose(of_bootstrap());
        }
        let expected = if finishes { IDLE } else { DOWNLOADED };
        assert_eq!(state(&station), Some(expected), "finishes: {finishes}");
        let rights = |id| {
            let tree = station.client.tree();
            access::rights(tree, server_id(id), 5.into(), instance(0))
        };
        let all = AccessControl::OWNER_RIGHTS;
        assert_eq!([101, 102].map(rights), [all, AccessRights::NONE]);
    }
}
