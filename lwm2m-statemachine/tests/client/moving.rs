//! Servers whose accounts get another place in the tree: a Register and a De-register never race, so that
//! the end of the old registration can't be taken for that of the new one (TS 5.2.5, 5.3.1).

use alloc::collections::BTreeMap;
use core::time::Duration;

use lwm2m_core::{Code, InstanceId, Instant, ObjectId, Path, ResourceId};
use lwm2m_kit::{account, instance, path};
use lwm2m_objects::{Change, Store, typed::Security};
use lwm2m_statemachine::{
    AccountId, ClientEvent, ConnectionId, Session,
    client::{RegistrationFailure, RegistrationState},
    coap::{MessageBuf, MessageType},
};
use proptest::prelude::*;

use crate::{
    hosts::{Hosts, create, delete, open, secured, tree},
    support::Sent,
};

const DAY: u32 = 86_400;

/// What moves the Security Object Instance of an account.
fn moved(from: u16, to: u16, security: Security) -> Vec<Change> {
    let mut changes = vec![delete(ObjectId::SECURITY, from)];
    changes.extend(create(to, security));
    changes
}

fn state(hosts: &Hosts, of: u16) -> RegistrationState {
    hosts.client.account(account(of)).unwrap().state
}

/// Nothing that was sent is a De-register.
fn never_leaves(sent: &[(AccountId, Sent)]) {
    for (of, sent) in sent {
        assert_ne!(sent.code(), Code::DELETE, "{of}");
    }
}

/// The Register takes the place of the old registration (TS 5.3.1), so nothing ends it before.
#[test]
fn a_server_that_moves_to_another_instance_is_registered_anew_and_not_left() {
    for moving in [open("one", 101, DAY), secured("one", 101, DAY)] {
        let mut hosts = Hosts::registered([moving.clone()]);
        let old = hosts.link(account(0));
        let (now, changes) = (hosts.now, moved(0, 5, moving.0));
        hosts.client.change(now, changes).unwrap();
        assert!(hosts.is_silent());
        assert_eq!(hosts.linked(), [account(5)]);
        assert_ne!(hosts.link(account(5)), old);
        assert_eq!(hosts.client.accounts().count(), 1);
        hosts.connect(account(5), Session::New);
        let register = hosts.register(account(5));
        // It is lost, and so are its copies.
        for _ in 0..40 {
            hosts.pass(Duration::from_secs(30));
            let sent = hosts.sent();
            never_leaves(&sent);
        }
        hosts.accept(account(5), &register);
        let told = hosts.events();
        let left = |event: &ClientEvent| {
            matches!(
                event,
                ClientEvent::Deregistered { .. } | ClientEvent::DeregisterFailed { .. }
            )
        };
        assert!(!told.iter().any(left), "{told:?}");
    }
}

#[test]
fn a_server_that_moves_while_it_is_registered_with_is_registered_anew_at_once() {
    let moving = secured("one", 101, DAY);
    let mut hosts = Hosts::new(tree([moving.clone()]));
    hosts.client.start(hosts.now);
    hosts.connect(account(0), Session::New);
    hosts.register(account(0));
    let (now, changes) = (hosts.now, moved(0, 5, moving.0));
    hosts.client.change(now, changes).unwrap();
    assert!(hosts.is_silent());
    assert_eq!(hosts.linked(), [account(5)]);
    hosts.connect(account(5), Session::New);
    let register = hosts.register(account(5));
    hosts.accept(account(5), &register);
    assert!(hosts.client.is_registered(account(5)));
    hosts.pass(Duration::from_secs(600));
    assert!(hosts.is_silent());
}

/// Of two Instances with one Short Server ID the first counts (TS 5.2.2).
#[test]
fn a_server_whose_account_loses_its_server_instance_to_another_moves() {
    let (security, server) = secured("one", 101, DAY);
    let mut objects = tree([]);
    objects.add(Store::of([(instance(5), security.clone())]));
    objects.add(Store::of([(instance(10), server)]));
    let mut hosts = Hosts::new(objects);
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    hosts.accept_all();
    hosts.client.change(hosts.now, create(0, security)).unwrap();
    assert!(hosts.is_silent());
    assert_eq!(hosts.linked(), [account(0)]);
    hosts.connect(account(0), Session::New);
    hosts.register(account(0));
    assert_eq!(state(&hosts, 5), RegistrationState::Resting);
    // And back again, as the other one goes.
    let changes = [delete(ObjectId::SECURITY, 0)];
    hosts.client.change(hosts.now, changes).unwrap();
    assert!(hosts.is_silent());
    assert_eq!(hosts.linked(), [account(5)]);
    hosts.connect(account(5), Session::New);
    hosts.register(account(5));
}

#[test]
fn servers_that_change_places_are_registered_anew_and_not_left() {
    let mut hosts = Hosts::registered([secured("one", 101, DAY), secured("two", 102, DAY)]);
    let old = hosts.links.clone();
    let put = |at: &str, value: lwm2m_core::Value| Change::Set {
        path: path(at),
        value,
    };
    let changes = [
        put("/0/0/0", "coaps://two".into()),
        put("/0/0/10", 102.into()),
        put("/0/1/0", "coaps://one".into()),
        put("/0/1/10", 101.into()),
    ];
    hosts.client.change(hosts.now, changes).unwrap();
    assert!(hosts.is_silent());
    for of in [0, 1] {
        assert_ne!(hosts.link(account(of)), old[&account(of)]);
    }
    hosts.connect_all(Session::New);
    let sent = hosts.sent();
    assert_eq!(sent.len(), 2);
    for (of, register) in sent {
        hosts.accept(of, &register);
        assert!(hosts.client.is_registered(of));
    }
}

/// An account that can't be used doesn't register, so the server is left.
#[test]
fn a_server_that_moves_to_an_account_that_cannot_be_used_is_left() {
    let mut hosts = Hosts::registered([secured("one", 101, DAY)]);
    let broken = Path::Resource(ObjectId::SECURITY, instance(5), ResourceId::new(5));
    let (security, _) = secured("one", 101, DAY);
    let mut changes = moved(0, 5, security);
    changes.retain(|change| change.path() != broken);
    hosts.client.change(hosts.now, changes).unwrap();
    hosts.deregister(account(0));
}

/// How the De-register of a server ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Answered(Code),
    Unanswered,
    Lost,
    Offline,
}

/// A Register after a De-register of the same server: it waits until that has come to its end.
fn registers_after(end: End, comes_back: impl Fn(&mut Hosts) -> InstanceId) {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let changes = [delete(ObjectId::SECURITY, 0), delete(ObjectId::SERVER, 10)];
    hosts.client.change(hosts.now, changes).unwrap();
    let deregister = hosts.deregister(account(0));
    let at = AccountId::new(comes_back(&mut hosts));
    hosts.pass(Duration::from_secs(1));
    assert!(hosts.is_silent(), "{end:?}");
    assert_eq!(hosts.linked(), [account(0)], "{end:?}");
    match end {
        End::Answered(code) => hosts.answer_code(&deregister, code),
        End::Unanswered => {
            let began = hosts.now;
            while hosts.linked() == [account(0)] {
                let sent = hosts.sent();
                assert!(sent.iter().all(|(_, sent)| sent.code() == Code::DELETE));
                assert!(hosts.now < began + Duration::from_secs(100));
                hosts.pass(Duration::from_secs(1));
            }
            let failed = ClientEvent::DeregisterFailed {
                account: account(0),
                reason: RegistrationFailure::Timeout,
            };
            assert!(hosts.events().contains(&failed));
        }
        End::Lost => hosts.lose(account(0)),
        End::Offline => {
            hosts.client.go_offline(hosts.now);
            assert!(hosts.is_silent());
            assert_eq!(hosts.linked(), [], "nothing is asked for offline");
            hosts.client.go_online(hosts.now);
        }
    }
    assert_eq!(hosts.linked(), [at], "{end:?}");
    hosts.connect(at, Session::New);
    let register = hosts.register(at);
    hosts.accept(at, &register);
    hosts.pass(Duration::from_secs(600));
    assert!(hosts.is_silent(), "{end:?}");
    assert!(hosts.client.is_registered(at));
}

const ENDS: [End; 5] = [
    End::Answered(Code::DELETED),
    End::Answered(Code::NOT_FOUND),
    End::Unanswered,
    End::Lost,
    End::Offline,
];

#[test]
fn a_server_that_comes_back_as_another_account_is_registered_after_its_deregister() {
    for end in ENDS {
        registers_after(end, |hosts| {
            let (security, server) = open("another-host", 101, DAY);
            let changes = [create(5, security), create(10, server)].concat();
            hosts.client.change(hosts.now, changes).unwrap();
            instance(5)
        });
    }
}

/// It may know its clients by their names, whatever number it has itself.
#[test]
fn a_server_that_comes_back_with_another_number_is_registered_after_its_deregister() {
    for end in ENDS {
        registers_after(end, |hosts| {
            let (security, server) = open("one", 202, DAY);
            let changes = [create(5, security), create(10, server)].concat();
            hosts.client.change(hosts.now, changes).unwrap();
            instance(5)
        });
    }
}

#[test]
fn a_server_that_gets_another_number_and_instance_at_once_is_left_first() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let (security, server) = open("one", 202, DAY);
    let mut changes = vec![delete(ObjectId::SERVER, 10)];
    changes.extend(create(11, server));
    changes.extend(moved(0, 5, security));
    hosts.client.change(hosts.now, changes).unwrap();
    let deregister = hosts.deregister(account(0));
    assert_eq!(hosts.linked(), [account(0)]);
    hosts.answer_code(&deregister, Code::DELETED);
    assert_eq!(hosts.linked(), [account(5)]);
    hosts.connect(account(5), Session::New);
    hosts.register(account(5));
}

/// Going offline ends the De-register, but nobody connects instead.
#[test]
fn a_server_whose_deregister_ends_offline_is_not_connected_to_before_the_client_is_online() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let (security, server) = open("one", 202, DAY);
    let mut changes = vec![delete(ObjectId::SERVER, 10)];
    changes.extend(create(11, server));
    changes.extend(moved(0, 5, security));
    hosts.client.change(hosts.now, changes).unwrap();
    hosts.deregister(account(0));
    hosts.client.go_offline(hosts.now);
    assert_eq!(hosts.linked(), []);
    hosts.client.go_online(hosts.now);
    assert_eq!(hosts.linked(), [account(5)]);
}

/// Another server isn't waited for.
#[test]
fn the_deregister_of_a_server_holds_up_no_other() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    let (security, server) = open("two", 202, DAY);
    let mut changes = vec![delete(ObjectId::SERVER, 10)];
    changes.extend(create(11, server));
    changes.extend(moved(0, 5, security));
    hosts.client.change(hosts.now, changes).unwrap();
    hosts.deregister(account(0));
    assert_eq!(hosts.linked(), [account(0), account(5)]);
    hosts.connect(account(5), Session::New);
    hosts.register(account(5));
}

/// A server that knows the device by its name, so that all its registrations have one location, and a
/// network that loses, doubles and delays.
struct ByName {
    hosts: Hosts,
    is_known: bool,
    /// What was answered, by the connection and the message id.
    answered: BTreeMap<(ConnectionId, u16), Vec<u8>>,
    /// When what arrives at the server, and at the Client.
    to_server: Vec<(Instant, Sent)>,
    to_client: Vec<(Instant, ConnectionId, Vec<u8>)>,
    fates: Vec<(bool, bool, u16)>,
    next: usize,
}

impl ByName {
    fn new(fates: Vec<(bool, bool, u16)>) -> Self {
        Self {
            hosts: Hosts::new(tree([open("one", 101, DAY)])),
            is_known: false,
            answered: BTreeMap::new(),
            to_server: Vec::new(),
            to_client: Vec::new(),
            fates,
            next: 0,
        }
    }

    /// What becomes of a datagram: when its copies arrive.
    fn arrivals(&mut self) -> Vec<Instant> {
        let (is_lost, is_doubled, delay) = match self.fates.len() {
            0 => (false, false, 20),
            all => self.fates[self.next % all],
        };
        self.next += 1;
        let at = self.hosts.now + Duration::from_millis(delay.into());
        let copies = usize::from(!is_lost) + usize::from(is_doubled);
        vec![at; copies]
    }

    fn serve(&mut self, request: &Sent) {
        let message = request.message();
        let key = (request.to, message.message_id());
        let is_known = self.is_known;
        let answer = self.answered.entry(key).or_insert_with(|| {
            let mut answer = match (request.code(), &*request.path()) {
                (Code::POST, "/rd") => MessageBuf::response(Code::CREATED),
                (Code::POST, _) if is_known => MessageBuf::response(Code::CHANGED),
                (Code::DELETE, _) if is_known => MessageBuf::response(Code::DELETED),
                _ => MessageBuf::response(Code::NOT_FOUND),
            };
            match request.code() {
                Code::DELETE => self.is_known = false,
                _ if request.path() == "/rd" => {
                    self.is_known = true;
                    answer.location_path("rd").unwrap();
                    answer.location_path("example-client").unwrap();
                }
                _ => {}
            }
            let kind = MessageType::Acknowledgement;
            let wire = answer.finish(kind, message.message_id(), message.token());
            wire.as_ref().to_vec()
        });
        let answer = answer.clone();
        for at in self.arrivals() {
            self.to_client.push((at, request.to, answer.clone()));
        }
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.hosts.linked();
            for (_, sent) in self.hosts.sent() {
                for at in self.arrivals() {
                    self.to_server.push((at, sent.clone()));
                }
            }
            let now = self.hosts.now;
            let (due, later) = self.to_server.drain(..).partition(|(at, _)| *at <= now);
            self.to_server = later;
            let due: Vec<_> = due;
            for (_, request) in due {
                self.serve(&request);
            }
            let (due, later) = self.to_client.drain(..).partition(|(at, ..)| *at <= now);
            self.to_client = later;
            let due: Vec<_> = due;
            for (_, from, answer) in due {
                self.hosts.datagram(from, &answer);
            }
            for (account, link) in self.hosts.links.clone() {
                if self.hosts.client.account(account).is_some() {
                    self.hosts.client.connected(now, link, Session::New);
                }
            }
            self.hosts.pass(Duration::from_millis(500));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A device that believes in its registration has one, however its account moves.
    #[test]
    fn a_server_that_knows_names_keeps_the_registration_of_an_account_that_moves(
        fates in prop::collection::vec((prop::bool::weighted(0.4), any::<bool>(), 0u16..8000), 1..40),
        moves in prop::collection::vec((0u16..3, any::<bool>(), 0u64..120), 1..6),
    ) {
        let mut world = ByName::new(fates);
        world.hosts.client.start(world.hosts.now);
        world.pass(20);
        let mut at = 0;
        for (to, at_once, seconds) in moves {
            let now = world.hosts.now;
            let (security, _) = open("one", 101, DAY);
            if at_once {
                world.hosts.client.change(now, moved(at, to, security)).unwrap();
            } else {
                world.hosts.client.change(now, [delete(ObjectId::SECURITY, at)]).unwrap();
                world.hosts.client.change(now, create(to, security)).unwrap();
            }
            at = to;
            world.pass(seconds);
        }
        world.fates.clear();
        world.pass(400);
        prop_assert!(world.hosts.client.is_registered(account(at)));
        prop_assert!(world.is_known, "the server has forgotten it");
    }

    /// The new account is there before the old one goes, with another Short Server ID.
    #[test]
    fn a_server_that_knows_names_keeps_the_registration_that_is_made_before_the_old_one_ends(
        fates in prop::collection::vec((prop::bool::weighted(0.4), any::<bool>(), 0u16..8000), 1..40),
        moves in prop::collection::vec((0u64..20, 0u64..60), 1..6),
    ) {
        let mut world = ByName::new(fates);
        world.hosts.client.start(world.hosts.now);
        world.pass(20);
        let mut at = 0;
        for (both, afterwards) in moves {
            let (security, server) = open("one", 102 + at, DAY);
            let new = [create(at + 1, security), create(11 + at, server)].concat();
            world.hosts.client.change(world.hosts.now, new).unwrap();
            world.pass(both);
            let old = [delete(ObjectId::SECURITY, at), delete(ObjectId::SERVER, 10 + at)];
            world.hosts.client.change(world.hosts.now, old).unwrap();
            at += 1;
            world.pass(afterwards);
        }
        world.fates.clear();
        world.pass(400);
        prop_assert!(world.hosts.client.is_registered(account(at)));
        prop_assert!(world.is_known, "the server has forgotten it");
    }
}
