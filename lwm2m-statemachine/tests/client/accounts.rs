//! Accounts, by their Security Object Instances, that come, change and go at run time (TS 5.2.2, 5.2.5).

use core::time::Duration;

use lwm2m_core::{Code, Method, ObjectId};
use lwm2m_kit::{account, instance, path};
use lwm2m_objects::{
    Change, SECURITY, Store,
    typed::{Security, Server, SmsSecurity},
};
use lwm2m_statemachine::{
    AccountId, ClientEvent, ConnectionId, Session,
    client::{AccountRole, AccountStatus, Inbound, RegistrationState},
};

use crate::{
    hosts::{Hosts, create, delete, location, open, secured, tree},
    observe::observe,
    support::{get, on, server_id},
};

const DAY: u32 = 86_400;

fn bootstrap() -> Security {
    Security::no_sec("coap://bootstrap", server_id(7)).into_bootstrap_server()
}

fn statuses(hosts: &Hosts) -> Vec<AccountStatus> {
    hosts.client.accounts().collect()
}

fn state(hosts: &Hosts, of: AccountId) -> RegistrationState {
    hosts.client.account(of).unwrap().state
}

#[test]
fn accounts_are_named_by_their_security_object_instances() {
    let (one, server) = open("one", 101, DAY);
    let broken = Security {
        short_server_id: None,
        ..Security::no_sec("coap://broken", server_id(9))
    };
    let mut objects = tree([]);
    objects.add(Store::of([
        (instance(3), bootstrap()),
        (instance(5), broken),
        (instance(8), one),
    ]));
    objects.add(Store::of([(instance(0), server)]));
    let mut hosts = Hosts::new(objects);
    let told = |hosts: &Hosts| -> Vec<_> {
        let all = statuses(hosts).into_iter();
        all.map(|status| (status.id, status.role, status.state))
            .collect()
    };
    let others = [
        (
            account(3),
            AccountRole::BootstrapServer,
            RegistrationState::Resting,
        ),
        (account(5), AccountRole::Unknown, RegistrationState::Resting),
    ];
    let role = AccountRole::Server(server_id(101));
    let of_server = |state| [&others[..], &[(account(8), role, state)]].concat();
    assert_eq!(told(&hosts), of_server(RegistrationState::Stopped));
    hosts.client.start(hosts.now);
    assert_eq!(hosts.linked(), [account(8)]);
    assert_eq!(told(&hosts), of_server(RegistrationState::Registering));
    let status = hosts.client.account(account(8)).unwrap();
    assert_eq!(status.server_instance, Some(instance(0)));
    assert_eq!(status.connection, Some(hosts.link(account(8))));
    hosts.connect_all(Session::New);
    hosts.accept_all();
    assert_eq!(told(&hosts), of_server(RegistrationState::Registered));
    assert_eq!(hosts.client.account(account(0)), None);
}

#[test]
fn an_account_that_comes_is_registered_and_the_others_hear_of_its_server_instance() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let (security, server) = open("two", 102, DAY);
    let changes = [create(1, security), create(11, server)].concat();
    hosts.client.change(hosts.now, changes).unwrap();
    assert_eq!(hosts.linked(), [account(0), account(1)]);
    // The Object Instances of the Server Object have changed (TS 5.3.2).
    let update = hosts.update(account(0));
    assert!(update.payload().ends_with(b"</1/10>,</1/11>,</3/0>"));
    hosts.answer_code(&update, Code::CHANGED);
    hosts.connect(account(1), Session::New);
    let register = hosts.register(account(1));
    assert!(register.payload().ends_with(b"</1/10>,</1/11>,</3/0>"));
}

#[test]
fn an_account_that_comes_before_the_start_waits_for_it() {
    let mut hosts = Hosts::new(tree([]));
    let (security, server) = open("two", 102, DAY);
    let changes = [create(4, security), create(11, server)].concat();
    hosts.client.change(hosts.now, changes).unwrap();
    assert_eq!(state(&hosts, account(4)), RegistrationState::Stopped);
    assert_eq!(hosts.linked(), []);
    hosts.client.start(hosts.now);
    assert_eq!(hosts.linked(), [account(4)]);
}

/// TS 5.2.5, 8.2.4: what a connection is made with.
#[test]
fn an_account_whose_uri_or_keys_change_is_connected_and_registered_anew_and_no_other() {
    let set = |at: &str, value: &str| Change::Set {
        path: path(at),
        value: value.into(),
    };
    let set_bytes = |at: &str, value: &[u8]| Change::Set {
        path: path(at),
        value: value.to_vec().into(),
    };
    for change in [
        set("/0/1/0", "coaps://moved"),
        set_bytes("/0/1/3", b"another identity"),
        set_bytes("/0/1/5", &[8; 16]),
        set("/0/1/9", "491700000001"),
    ] {
        let (mut security, server) = secured("two", 102, DAY);
        security.sms = SmsSecurity {
            server_number: Some("491700000000".into()),
            ..SmsSecurity::default()
        };
        let mut hosts = Hosts::registered([secured("one", 101, DAY), (security, server)]);
        let (first, second) = (hosts.link(account(0)), hosts.link(account(1)));
        hosts.client.change(hosts.now, [change.clone()]).unwrap();
        assert!(hosts.is_silent(), "{change:?}");
        assert_eq!(hosts.link(account(0)), first);
        assert_ne!(hosts.link(account(1)), second, "{change:?}");
        // A resumed session of other keys is none: it's as new as the connection.
        hosts.connect(account(1), Session::Resumed);
        let register = hosts.register(account(1));
        hosts.accept(account(1), &register);
        assert!(hosts.client.is_registered(account(1)));
    }
}

/// What was granted to other keys doesn't go on, whatever the next session is.
#[test]
fn an_account_whose_keys_change_without_a_connection_is_registered_anew() {
    let mut hosts = Hosts::registered([secured("one", 101, DAY)]);
    hosts.lose(account(0));
    let keys = Change::Set {
        path: path("/0/0/5"),
        value: vec![8; 16].into(),
    };
    hosts.client.change(hosts.now, [keys]).unwrap();
    assert!(!hosts.client.is_registered(account(0)));
    // It isn't held up by what failed with the old ones.
    assert_eq!(hosts.linked(), [account(0)]);
    hosts.connect(account(0), Session::Resumed);
    hosts.register(account(0));
}

#[test]
fn an_account_that_can_no_longer_be_read_is_left_over_its_old_session() {
    let mut hosts = Hosts::registered([secured("one", 101, DAY)]);
    let link = hosts.link(account(0));
    let without_keys = Store::new(&SECURITY)
        .with(instance(0), 0, "coaps://one")
        .with(instance(0), 1, false)
        .with(instance(0), 2, 0)
        .with(instance(0), 10, 101);
    let replace = |store: &mut Store| *store = without_keys;
    let (now, id) = (hosts.now, ObjectId::SECURITY);
    hosts.client.object(now, id, replace).unwrap();
    let deregister = hosts.deregister(account(0));
    assert_eq!(deregister.to, link);
    hosts.answer_code(&deregister, Code::DELETED);
    assert_eq!(hosts.linked(), []);
    assert_eq!(state(&hosts, account(0)), RegistrationState::Resting);
}

/// TS 7.1.7: "MUST NOT be used".
#[test]
fn a_key_that_the_mode_does_not_use_changes_nothing() {
    let mut hosts = Hosts::registered([secured("one", 101, DAY)]);
    let link = hosts.link(account(0));
    let unused = Change::Set {
        path: path("/0/0/4"),
        value: b"what is it for?".to_vec().into(),
    };
    hosts.client.change(hosts.now, [unused]).unwrap();
    assert!(hosts.is_silent());
    assert_eq!(hosts.link(account(0)), link);
}

#[test]
fn an_account_with_another_mode_is_connected_and_registered_anew() {
    let mut hosts = Hosts::registered([secured("one", 101, DAY)]);
    let link = hosts.link(account(0));
    let set = |at: &str, value: lwm2m_core::Value| Change::Set {
        path: path(at),
        value,
    };
    let changes = [set("/0/0/0", "coap://one".into()), set("/0/0/2", 3.into())];
    hosts.client.change(hosts.now, changes).unwrap();
    assert_ne!(hosts.link(account(0)), link);
    hosts.connect(account(0), Session::New);
    hosts.register(account(0));
}

/// Another server: the registration with the one before ends.
#[test]
fn an_account_that_gets_another_short_server_id_leaves_the_old_server_first() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let link = hosts.link(account(0));
    let set = |at: &str| Change::Set {
        path: path(at),
        value: 102.into(),
    };
    let changes = [set("/0/0/10"), set("/1/10/0")];
    hosts.client.change(hosts.now, changes).unwrap();
    let deregister = hosts.deregister(account(0));
    assert_eq!(deregister.to, link);
    assert!(!hosts.client.is_registered(account(0)));
    hosts.answer_code(&deregister, Code::DELETED);
    assert_eq!(
        hosts.events(),
        [ClientEvent::Deregistered {
            account: account(0)
        }]
    );
    assert_ne!(hosts.link(account(0)), link);
    hosts.connect(account(0), Session::New);
    hosts.register(account(0));
    let role = AccountRole::Server(server_id(102));
    assert_eq!(statuses(&hosts)[0].role, role);
}

/// TS 5.3.2: an Update is enough.
#[test]
fn an_account_whose_server_instance_alone_changes_is_updated_on_its_connection() {
    let mut hosts = Hosts::registered([open("one", 101, DAY), open("two", 102, DAY)]);
    let links = hosts.links.clone();
    let changes = [
        Change::Set {
            path: path("/1/11/1"),
            value: 300.into(),
        },
        Change::Set {
            path: path("/1/11/6"),
            value: false.into(),
        },
    ];
    hosts.client.change(hosts.now, changes).unwrap();
    let update = hosts.update(account(1));
    assert_eq!(update.queries(), ["lt=300"]);
    assert!(update.payload().is_empty());
    assert_eq!(hosts.links, links);
}

/// The account goes on with an Instance of another number.
#[test]
fn a_server_instance_that_is_replaced_in_one_commit_is_an_update() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let link = hosts.link(account(0));
    let mut changes = vec![delete(ObjectId::SERVER, 10)];
    changes.extend(create(20, Server::new(server_id(101), 500)));
    hosts.client.change(hosts.now, changes).unwrap();
    let update = hosts.update(account(0));
    assert_eq!(update.queries(), ["lt=500"]);
    assert!(update.payload().ends_with(b"</1/20>,</3/0>"));
    assert_eq!(hosts.link(account(0)), link);
    let status = hosts.client.account(account(0)).unwrap();
    assert_eq!(status.server_instance, Some(instance(20)));
}

#[test]
fn an_account_that_goes_is_deregistered_and_its_connection_closed() {
    let mut hosts = Hosts::registered([open("one", 101, DAY), open("two", 102, DAY)]);
    let link = hosts.link(account(1));
    let changes = [delete(ObjectId::SECURITY, 1), delete(ObjectId::SERVER, 11)];
    hosts.client.change(hosts.now, changes).unwrap();
    let sent = hosts.sent();
    let [(of, deregister), (other, update)] = &sent[..] else {
        panic!("{sent:?}");
    };
    // In either order: they go to different servers.
    let (deregister, update) = if *of == account(1) {
        (deregister, update)
    } else {
        assert_eq!(*other, account(1));
        (update, deregister)
    };
    assert_eq!((deregister.to, deregister.code()), (link, Code::DELETE));
    assert_eq!(update.path(), location(account(0)));
    assert!(update.payload().ends_with(b"</1/10>,</3/0>"));
    // It is there until the server has answered.
    assert_eq!(state(&hosts, account(1)), RegistrationState::Deregistering);
    hosts.answer_code(deregister, Code::DELETED);
    let gone = ClientEvent::Deregistered {
        account: account(1),
    };
    assert_eq!(hosts.events(), [gone]);
    assert_eq!(hosts.linked(), [account(0)]);
    assert_eq!(statuses(&hosts).len(), 1);
}

#[test]
fn an_account_that_goes_without_a_connection_leaves_nothing_behind() {
    let mut hosts = Hosts::registered([open("one", 101, DAY), open("two", 102, DAY)]);
    hosts.lose(account(1));
    let changes = [delete(ObjectId::SECURITY, 1)];
    hosts.client.change(hosts.now, changes).unwrap();
    assert!(hosts.is_silent());
    assert!(matches!(
        hosts.events()[..],
        [ClientEvent::DeregisterFailed { account: of, .. }] if of == account(1)
    ));
    assert_eq!(statuses(&hosts).len(), 1);
    hosts.pass(Duration::from_secs(600));
    assert_eq!(hosts.linked(), [account(0)]);
}

#[test]
fn an_account_that_goes_and_comes_back_registers_after_the_deregister() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let old = hosts.link(account(0));
    let (security, server) = open("one", 101, DAY);
    let changes = [delete(ObjectId::SECURITY, 0), delete(ObjectId::SERVER, 10)];
    hosts.client.change(hosts.now, changes).unwrap();
    let deregister = hosts.deregister(account(0));
    let changes = [create(0, security), create(10, server)].concat();
    hosts.client.change(hosts.now, changes).unwrap();
    assert!(hosts.is_silent());
    hosts.answer_code(&deregister, Code::DELETED);
    assert_ne!(hosts.link(account(0)), old);
    hosts.connect(account(0), Session::New);
    hosts.register(account(0));
}

/// TS 5.2.2: a server that deletes its own Server Object Instance gets the answer first.
#[test]
fn an_account_without_a_server_instance_leaves_its_server_and_rests() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let link = hosts.link(account(0));
    hosts.request(link, on(Method::Delete, "/1/10"));
    let sent = hosts.sent();
    let [(_, answer), (_, deregister)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(answer.code(), Code::DELETED);
    assert_eq!(deregister.code(), Code::DELETE);
    assert_eq!(deregister.path(), location(account(0)));
    // Nothing more is answered.
    hosts.request(link, get("/3/0/0"));
    assert!(hosts.is_silent());
    hosts.answer_code(deregister, Code::DELETED);
    assert_eq!(hosts.linked(), []);
    assert_eq!(state(&hosts, account(0)), RegistrationState::Resting);
    hosts.pass(Duration::from_secs(2 * u64::from(DAY)));
    assert_eq!(hosts.linked(), []);
    assert!(hosts.is_silent());
    // Until a Server Object Instance is there again.
    let server = Server::new(server_id(101), DAY);
    hosts.client.change(hosts.now, create(0, server)).unwrap();
    assert_eq!(hosts.linked(), [account(0)]);
    hosts.connect(account(0), Session::New);
    hosts.register(account(0));
}

/// TS 5.2.5: its own session each.
#[test]
fn accounts_of_one_uri_have_connections_of_their_own() {
    let mut hosts = Hosts::registered([open("same", 101, DAY), open("same", 102, DAY)]);
    let (first, second) = (hosts.link(account(0)), hosts.link(account(1)));
    assert_ne!(first, second);
    hosts.client.update(hosts.now, account(1));
    let update = hosts.update(account(1));
    assert_eq!(update.to, second);
    // The answer counts only on the connection of the request.
    let other = lwm2m_kit::Sent {
        to: first,
        ..update.clone()
    };
    hosts.answer_code(&other, Code::CHANGED);
    assert_eq!(hosts.events(), []);
    hosts.answer_code(&update, Code::CHANGED);
    assert_eq!(
        hosts.events(),
        [ClientEvent::Updated {
            account: account(1)
        }]
    );
}

/// A Client that is registered with a server, and whose Bootstrap-Server, at the same URI, has begun a
/// connection. Returns the connections of the server and of the Bootstrap-Server.
fn at_one_uri() -> (Hosts, ConnectionId, ConnectionId) {
    let (security, server) = open("same", 101, DAY);
    let bootstrap = Security {
        server_uri: security.server_uri.clone(),
        ..bootstrap()
    };
    let mut objects = tree([]);
    objects.add(Store::of([
        (instance(0), security),
        (instance(1), bootstrap),
    ]));
    objects.add(Store::of([(instance(10), server)]));
    let mut hosts = Hosts::new(objects);
    hosts.client.start(hosts.now);
    // Nothing is asked for of the Bootstrap-Server: the other account's connection isn't for it.
    assert_eq!(hosts.linked(), [account(0)]);
    hosts.connect_all(Session::New);
    hosts.accept_all();
    let from = Inbound::Account(account(1));
    let of_bootstrap = hosts.client.inbound(hosts.now, from).unwrap();
    let before = hosts.links.insert(account(1), of_bootstrap);
    assert_eq!(before, None);
    let of_server = hosts.link(account(0));
    (hosts, of_server, of_bootstrap)
}

/// Whose the connections are, by the Client.
fn connections(hosts: &Hosts) -> [Option<ConnectionId>; 2] {
    [0, 1].map(|of| hosts.client.account(account(of)).unwrap().connection)
}

/// TS 5.2.5: the session of the Bootstrap-Server is its own, whatever its URI.
#[test]
fn a_bootstrap_server_at_the_uri_of_a_server_has_a_connection_of_its_own() {
    let (mut hosts, of_server, of_bootstrap) = at_one_uri();
    assert_ne!(of_server, of_bootstrap);
    assert_eq!(connections(&hosts), [Some(of_server), Some(of_bootstrap)]);
    assert!(hosts.is_silent());
    hosts.client.update(hosts.now, account(0));
    let update = hosts.update(account(0));
    assert_eq!(update.to, of_server);
    // The answer counts only on the connection of the request.
    let other = lwm2m_kit::Sent {
        to: of_bootstrap,
        ..update.clone()
    };
    hosts.answer_code(&other, Code::CHANGED);
    assert_eq!(hosts.events(), []);
    hosts.answer_code(&update, Code::CHANGED);
    let account = account(0);
    assert_eq!(hosts.events(), [ClientEvent::Updated { account }]);
}

/// TS 8.2.3: the same request is of another interface on each connection.
#[test]
fn requests_of_a_bootstrap_server_at_the_uri_of_a_server_are_never_served_as_the_servers() {
    let (mut hosts, of_server, of_bootstrap) = at_one_uri();
    // To which account the answer goes, and its code.
    let mut asked = |link, request| {
        hosts.request(link, request);
        let (of, answer) = hosts.only();
        (of, answer.code())
    };
    let to_server = asked(of_server, get("/3/0/0"));
    assert_eq!(to_server, (account(0), Code::CONTENT));
    let to_server = asked(of_server, observe(0, "/3/0/9"));
    assert_eq!(to_server, (account(0), Code::CONTENT));
    for _ in 0..2 {
        let to_bootstrap = asked(of_bootstrap, get("/3/0/0"));
        assert_eq!(to_bootstrap, (account(1), Code::BAD_REQUEST));
    }
    // Nor is an observation of one ended, or begun, by the other.
    let to_bootstrap = asked(of_bootstrap, observe(0, "/3/0/9"));
    assert_eq!(to_bootstrap, (account(1), Code::BAD_REQUEST));
    let observed: Vec<_> = hosts.client.reporting().observations().collect();
    assert!(
        matches!(&observed[..], [one] if one.account == account(0)),
        "{observed:?}"
    );
}

#[test]
fn losing_the_connection_of_a_bootstrap_server_leaves_that_of_a_server_at_its_uri() {
    let (mut hosts, of_server, _) = at_one_uri();
    hosts.lose(account(1));
    assert_eq!(connections(&hosts), [Some(of_server), None]);
    assert!(hosts.client.is_registered(account(0)));
    assert_eq!(hosts.linked(), [account(0)]);
    hosts.request(of_server, get("/3/0/0"));
    let (of, answer) = hosts.only();
    assert_eq!((of, answer.code()), (account(0), Code::CONTENT));
}

#[test]
fn losing_the_connection_of_a_server_leaves_that_of_a_bootstrap_server_at_its_uri() {
    let (mut hosts, of_server, of_bootstrap) = at_one_uri();
    hosts.lose(account(0));
    assert_eq!(connections(&hosts)[1], Some(of_bootstrap));
    // The server gets a new one, and not that of the Bootstrap-Server.
    hosts.pass(Duration::from_secs(60));
    let again = hosts.link(account(0));
    assert!(![of_server, of_bootstrap].contains(&again));
    hosts.connect(account(0), Session::Resumed);
    assert_eq!(hosts.update(account(0)).to, again);
    assert_eq!(connections(&hosts), [Some(again), Some(of_bootstrap)]);
    hosts.request(of_bootstrap, get("/3/0/0"));
    let sent = hosts.sent();
    let codes: Vec<_> = sent.iter().map(|(of, sent)| (*of, sent.code())).collect();
    assert_eq!(codes, [(account(1), Code::BAD_REQUEST)]);
}

#[test]
fn a_bootstrap_server_that_goes_leaves_a_server_at_its_uri() {
    let (mut hosts, of_server, _) = at_one_uri();
    let changes = [delete(ObjectId::SECURITY, 1)];
    hosts.client.change(hosts.now, changes).unwrap();
    assert_eq!(hosts.linked(), [account(0)]);
    assert_eq!(hosts.link(account(0)), of_server);
    assert!(hosts.is_silent());
    assert!(hosts.client.is_registered(account(0)));
}

/// TS 5.2.2: the number is unique, so the second account of it can't be used.
#[test]
fn a_second_account_of_a_number_that_comes_at_run_time_rests() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let (security, _) = open("two", 101, DAY);
    hosts.client.change(hosts.now, create(1, security)).unwrap();
    assert!(hosts.is_silent());
    assert_eq!(hosts.linked(), [account(0)]);
    assert_eq!(state(&hosts, account(1)), RegistrationState::Resting);
    assert!(hosts.client.is_registered(account(0)));
}

#[test]
fn a_call_for_an_account_that_is_not_there_does_nothing() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    hosts.client.update(hosts.now, account(9));
    assert!(hosts.is_silent());
    assert_eq!(hosts.events(), []);
    assert!(!hosts.client.is_registered(account(9)));
}

/// The values that an Object holds are accounts, too.
#[test]
fn an_account_that_the_application_changes_in_its_object_is_connected_anew() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let link = hosts.link(account(0));
    let moved = Store::of([(instance(0), open("moved", 101, DAY).0)]);
    hosts
        .client
        .object(hosts.now, ObjectId::SECURITY, |store: &mut Store| {
            *store = moved;
        })
        .unwrap();
    assert_ne!(hosts.link(account(0)), link);
}
