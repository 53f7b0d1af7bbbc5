//! Several accounts at one host. A server that knows the device by its name has one registration for all of
//! them, at one location, so that the end of one account must not end the registration of another (TS 5.3.1).

use core::time::Duration;

use lwm2m_core::{Code, Method, ObjectId};
use lwm2m_kit::{account, instance, path};
use lwm2m_objects::{ACCESS_CONTROL, Change, Store, typed::AccessControl};
use lwm2m_statemachine::{
    ClientEvent, RegistrationFailure, Session,
    client::{DeferredOperation, RegistrationState},
    coap::MessageBuf,
};

use crate::{
    hosts::{Hosts, create, delete, location, open, tree},
    support::{Sent, get, on, server_id},
};

const DAY: u32 = 86_400;

/// What ends the first account.
fn ends_the_first() -> [Change; 1] {
    [delete(ObjectId::SECURITY, 0)]
}

/// A Client with one account of a server that knows its name, and a second one at this host that is being
/// registered. Its Register is returned.
fn registering(first_lifetime: u32, host: &str) -> (Hosts, Sent) {
    let mut objects = tree([open("one", 101, first_lifetime)]);
    objects.add(Store::new(&ACCESS_CONTROL));
    let mut hosts = Hosts::new(objects);
    hosts.client.start(hosts.now);
    hosts.connect(account(0), Session::New);
    let register = hosts.register(account(0));
    accept(&mut hosts, &register);
    hosts.events();
    let (security, server) = open(host, 202, DAY);
    let second = [create(1, security), create(11, server)].concat();
    hosts.client.change(hosts.now, second).unwrap();
    // The first server hears of the new Server Object Instance.
    let (of, update) = hosts.only();
    assert_eq!((of, update.code()), (account(0), Code::POST));
    hosts.answer_code(&update, Code::CHANGED);
    hosts.events();
    hosts.connect(account(1), Session::New);
    let register = hosts.register(account(1));
    (hosts, register)
}

/// The location is the name of the device, whoever registers.
fn accept(hosts: &mut Hosts, register: &Sent) {
    let mut answer = MessageBuf::response(Code::CREATED);
    answer.location_path("rd").unwrap();
    answer.location_path("example-client").unwrap();
    hosts.answer(register, answer);
}

/// The only message to send now is the De-register of the first account.
fn leaves(hosts: &mut Hosts) -> Sent {
    let (of, sent) = hosts.only();
    assert_eq!((of, sent.code()), (account(0), Code::DELETE));
    assert_eq!(sent.path(), "/rd/example-client");
    sent
}

fn state(hosts: &Hosts, of: u16) -> RegistrationState {
    hosts.client.account(account(of)).unwrap().state
}

const LEFT: ClientEvent = ClientEvent::Deregistered {
    account: lwm2m_statemachine::AccountId::new(lwm2m_core::InstanceId::ZERO),
};

#[test]
fn an_account_whose_location_another_one_has_got_is_not_deregistered() {
    let (mut hosts, register) = registering(DAY, "one");
    accept(&mut hosts, &register);
    hosts.events();
    hosts.client.change(hosts.now, ends_the_first()).unwrap();
    assert!(hosts.is_silent());
    assert_eq!(hosts.events(), [LEFT]);
    assert_eq!(hosts.linked(), [account(1)]);
    assert!(hosts.client.is_registered(account(1)));
    assert_eq!(hosts.client.accounts().count(), 1);
}

#[test]
fn an_account_is_left_when_the_register_of_another_one_at_its_host_is_answered() {
    let (mut hosts, register) = registering(DAY, "one");
    hosts.client.change(hosts.now, ends_the_first()).unwrap();
    hosts.pass(Duration::from_secs(1));
    assert!(hosts.is_silent());
    assert_eq!(state(&hosts, 0), RegistrationState::Deregistering);
    assert!(!hosts.client.is_registered(account(0)));
    // It is served no longer.
    let link = hosts.link(account(0));
    hosts.request(link, get("/3/0/0"));
    assert!(hosts.is_silent());
    accept(&mut hosts, &register);
    assert!(hosts.is_silent());
    let told = hosts.events();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[1], LEFT);
    assert_eq!(hosts.linked(), [account(1)]);
    assert!(hosts.client.is_registered(account(1)));
}

/// The default port may be written, and a host has no case (RFC 7252 §6.1).
#[test]
fn one_host_may_be_written_in_several_ways() {
    for host in ["one:5683", "ONE", "one/"] {
        let (mut hosts, register) = registering(DAY, host);
        accept(&mut hosts, &register);
        hosts.events();
        hosts.client.change(hosts.now, ends_the_first()).unwrap();
        assert!(hosts.is_silent(), "{host}");
        assert_eq!(hosts.events(), [LEFT]);
        assert!(hosts.client.is_registered(account(1)));
    }
}

/// A server that gives each registration a location of its own has two of them.
#[test]
fn an_account_is_deregistered_if_another_one_at_its_host_has_got_another_location() {
    let (mut hosts, register) = registering(DAY, "one");
    hosts.client.change(hosts.now, ends_the_first()).unwrap();
    hosts.accept(account(1), &register);
    let deregister = leaves(&mut hosts);
    hosts.answer_code(&deregister, Code::DELETED);
    assert!(hosts.events().contains(&LEFT));
    assert_eq!(hosts.linked(), [account(1)]);
}

#[test]
fn an_equal_location_at_another_host_is_another_one() {
    for host in ["two", "one:5700"] {
        let (mut hosts, register) = registering(DAY, host);
        accept(&mut hosts, &register);
        hosts.client.change(hosts.now, ends_the_first()).unwrap();
        leaves(&mut hosts);
    }
}

#[test]
fn the_register_at_another_host_is_not_waited_for() {
    let (mut hosts, _) = registering(DAY, "two");
    hosts.client.change(hosts.now, ends_the_first()).unwrap();
    leaves(&mut hosts);
}

/// How a Register ends without a registration.
#[derive(Clone, Copy, Debug)]
enum End {
    Refused,
    Lost,
    Unanswered,
}

/// The De-register comes before the next attempt, which waits for its answer.
#[test]
fn an_account_is_deregistered_when_the_register_of_another_one_fails() {
    for end in [End::Refused, End::Lost, End::Unanswered] {
        let (mut hosts, register) = registering(DAY, "one");
        hosts.client.change(hosts.now, ends_the_first()).unwrap();
        assert!(hosts.is_silent());
        match end {
            End::Refused => hosts.answer_code(&register, Code::FORBIDDEN),
            End::Lost => hosts.lose(account(1)),
            End::Unanswered => {
                let failed =
                    |event: &ClientEvent| matches!(event, ClientEvent::RegistrationFailed { .. });
                let began = hosts.now;
                while !hosts.events().iter().any(failed) {
                    assert!(hosts.now < began + Duration::from_secs(100));
                    let sent = hosts.sent();
                    assert!(sent.iter().all(|(of, _)| *of == account(1)));
                    hosts.pass(Duration::from_secs(1));
                }
            }
        }
        let deregister = leaves(&mut hosts);
        hosts.pass(Duration::from_secs(1));
        hosts.answer_code(&deregister, Code::DELETED);
        assert!(hosts.events().contains(&LEFT), "{end:?}");
        assert!(!hosts.linked().contains(&account(0)), "{end:?}");
    }
}

/// The lifetime of a registration bounds how long its end waits.
#[test]
fn an_account_whose_lifetime_ends_while_it_waits_is_not_deregistered() {
    let (mut hosts, register) = registering(30, "one");
    hosts.client.change(hosts.now, ends_the_first()).unwrap();
    for _ in 0..40 {
        hosts.pass(Duration::from_secs(1));
        for (of, sent) in hosts.sent() {
            assert_eq!((of, sent.code()), (account(1), Code::POST));
        }
    }
    assert_eq!(
        hosts.events(),
        [ClientEvent::DeregisterFailed {
            account: account(0),
            reason: RegistrationFailure::Expired
        }]
    );
    assert_eq!(hosts.linked(), [account(1)]);
    hosts.accept(account(1), &register);
    assert!(hosts.is_silent());
}

#[test]
fn an_account_that_waits_to_be_left_ends_with_its_connection_and_offline() {
    for goes_offline in [false, true] {
        let (mut hosts, register) = registering(DAY, "one");
        hosts.client.change(hosts.now, ends_the_first()).unwrap();
        if goes_offline {
            hosts.client.go_offline(hosts.now);
        } else {
            hosts.lose(account(0));
        }
        let failed = ClientEvent::DeregisterFailed {
            account: account(0),
            reason: RegistrationFailure::Disconnected,
        };
        assert!(hosts.events().contains(&failed));
        assert_eq!(hosts.linked(), [account(1)]);
        assert!(hosts.client.account(account(0)).is_none());
        if !goes_offline {
            accept(&mut hosts, &register);
            assert!(hosts.client.is_registered(account(1)));
        }
        assert!(hosts.is_silent());
    }
}

/// Of the servers that are all left, none keeps the registration.
#[test]
fn accounts_at_one_location_are_both_deregistered_if_both_are_left() {
    let (mut hosts, register) = registering(DAY, "one");
    hosts.client.deregister(hosts.now);
    assert!(hosts.is_silent(), "the Register is waited for");
    accept(&mut hosts, &register);
    let sent = hosts.sent();
    assert_eq!(sent.len(), 2);
    for (_, deregister) in &sent {
        assert_eq!(deregister.code(), Code::DELETE);
    }
    hosts.answer_code(&sent[0].1, Code::DELETED);
    hosts.answer_code(&sent[1].1, Code::NOT_FOUND);
    let told = hosts.events();
    let left = told
        .iter()
        .filter(|event| matches!(event, ClientEvent::Deregistered { .. }));
    assert_eq!(left.count(), 2, "{told:?}");
    assert_eq!(hosts.linked(), []);
}

/// A Client that is started again while it waits has ended no registration that it believes in.
#[test]
fn a_client_that_starts_again_while_it_waits_keeps_the_newer_registration() {
    let (mut hosts, register) = registering(DAY, "one");
    hosts.client.deregister(hosts.now);
    hosts.client.start(hosts.now);
    assert!(hosts.is_silent());
    accept(&mut hosts, &register);
    assert!(hosts.is_silent());
    assert!(hosts.client.is_registered(account(1)));
    assert_eq!(hosts.linked(), [account(0), account(1)]);
    hosts.connect(account(0), Session::New);
    let again = hosts.register(account(0));
    accept(&mut hosts, &again);
    assert!(hosts.is_silent());
}

#[test]
fn an_account_that_gets_another_number_waits_for_the_register_of_another_one_too() {
    let (mut hosts, register) = registering(DAY, "one");
    let set = |at: &str| Change::Set {
        path: path(at),
        value: 303.into(),
    };
    let changes = [set("/0/0/10"), set("/1/10/0")];
    hosts.client.change(hosts.now, changes).unwrap();
    assert!(hosts.is_silent());
    accept(&mut hosts, &register);
    assert!(hosts.is_silent());
    assert!(hosts.events().contains(&LEFT));
    assert_eq!(hosts.linked(), [account(0), account(1)]);
    hosts.connect(account(0), Session::New);
    hosts.register(account(0));
}

/// A third account at the host is registered when the first one is left.
#[test]
fn a_register_waits_for_an_account_that_waits_to_be_left() {
    let (mut hosts, register) = registering(DAY, "one");
    hosts.client.change(hosts.now, ends_the_first()).unwrap();
    let (security, server) = open("one", 303, DAY);
    let third = [create(2, security), create(12, server)].concat();
    hosts.client.change(hosts.now, third).unwrap();
    assert_eq!(hosts.linked(), [account(0), account(1)]);
    hosts.accept(account(1), &register);
    let sent = hosts.sent();
    let [(second, update), (first, deregister)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((*first, deregister.code()), (account(0), Code::DELETE));
    // The second server hears of the new Server Object Instance.
    assert_eq!((*second, update.code()), (account(1), Code::POST));
    hosts.answer_code(update, Code::CHANGED);
    assert_eq!(hosts.linked(), [account(0), account(1)]);
    hosts.answer_code(deregister, Code::DELETED);
    assert_eq!(hosts.linked(), [account(1), account(2)]);
    hosts.connect(account(2), Session::New);
    let register = hosts.register(account(2));
    hosts.accept(account(2), &register);
    assert_eq!(
        hosts.events().pop(),
        Some(ClientEvent::Registered {
            account: account(2),
            location: location(account(2))
        })
    );
}

/// Which of them is first in the tree doesn't matter.
#[test]
fn an_account_waits_for_the_register_of_one_before_it_as_well() {
    let mut hosts = Hosts::new(tree([open("one", 101, DAY), open("one", 202, DAY)]));
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    let sent = hosts.sent();
    let [(_, first), (_, second)] = &sent[..] else {
        panic!("{sent:?}");
    };
    accept(&mut hosts, second);
    let changes = [delete(ObjectId::SECURITY, 1)];
    hosts.client.change(hosts.now, changes).unwrap();
    assert!(hosts.is_silent());
    accept(&mut hosts, first);
    assert!(hosts.is_silent());
    assert_eq!(hosts.linked(), [account(0)]);
    assert!(hosts.client.is_registered(account(0)));
}

/// The server deletes the old account itself, and the application takes its time to agree.
#[test]
fn the_answer_to_the_delete_of_an_account_without_a_deregister_leaves() {
    let (mut hosts, register) = registering(DAY, "one");
    accept(&mut hosts, &register);
    hosts.events();
    let mut deferred = hosts.client.deferred();
    deferred.defer(DeferredOperation::Change, path("/1"));
    // The first server alone has rights on its own account.
    let first = AccessControl::on_instance(ObjectId::SERVER, instance(10), server_id(101));
    let link = hosts.link(account(0));
    hosts.client.change(hosts.now, create(0, first)).unwrap();
    hosts.sent();
    hosts.request(link, on(Method::Delete, "/1/10"));
    hosts.pass(Duration::from_secs(1));
    let mut events = hosts.events().into_iter();
    let asked = events.find_map(|event| match event {
        ClientEvent::ChangeAsked { request, .. } => Some(request),
        _ => None,
    });
    hosts.pass(Duration::from_secs(1));
    hosts.sent();
    let (now, mut deferred) = (hosts.now, hosts.client.deferred());
    let answered = deferred.answer_change(now, asked.unwrap(), Ok(()));
    assert_eq!(answered, Ok(Code::DELETED));
    let left = |hosts: &mut Hosts| {
        let sent = hosts.sent().into_iter();
        let first = sent.filter(|(of, _)| *of == account(0));
        first.map(|(_, sent)| sent.code()).collect::<Vec<_>>()
    };
    assert_eq!(left(&mut hosts), [Code::DELETED]);
    for _ in 0..4 {
        hosts.pass(Duration::from_secs(1));
        assert!(
            left(&mut hosts).is_empty(),
            "no De-register, and nothing again"
        );
    }
    assert!(hosts.events().contains(&LEFT));
    assert_eq!(hosts.linked(), [account(1)]);
    assert!(hosts.client.is_registered(account(1)));
}
