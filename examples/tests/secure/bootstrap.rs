//! Bootstraps over DTLS, which either side begins (TS 5.2.3.3, 5.2.3.4, 7.1.6).

use core::time::Duration;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use lwm2m_core::{InstanceId, Instant, Path, ShortServerId, Value, codec::Content};
use lwm2m_examples::secure::{
    client::FailedBecause,
    credentials::{Expiry, KnownClients, OwnCertificate, ServerCredentials, WallClock},
    listening::InboundNews,
    pure::{Pure, PureOptions},
    server::{SecurePeer, SecureServer, SessionNews},
    session::{Refusal, SessionError},
    sessions::{Bounds, End},
};
use lwm2m_objects::{Snapshot, typed};
use lwm2m_simulation::{Address, Fate, Host, Link};
use lwm2m_statemachine::{
    AccountId, BootstrapServerEvent, ClientEvent, Server, ServerConfig,
    bootstrap_server::{
        Plan, ProvenIdentity,
        plans::{self, Account, BootstrapAccount},
    },
    client::BootstrapState,
};

use crate::{
    inbound_world::{
        BOOTSTRAP_ACCOUNT, NAME, Yard, all_expired, bootstrap_certificate, bootstrap_psk,
        first_key, reaching_certificate, reaching_psk,
    },
    keys::{Certified, certified, key, server_credentials},
    world::{DAY, ServerSide, known_certificate, server_stack},
};

const SERVER: ShortServerId = ShortServerId::new(101).unwrap();
/// Where the plans put the account of the server.
const SERVER_ACCOUNT: AccountId = AccountId::new(InstanceId::new(1).unwrap());

/// The account of the server, with this key.
fn server_psk(key: &[u8]) -> typed::Security {
    typed::Security::pre_shared_key("coaps://server", SERVER, NAME, key)
}

/// One server with this key, and the Bootstrap-Server's own account.
fn plan_with(own: BootstrapAccount, key: &[u8]) -> Plan {
    let account = Account {
        security: server_psk(key),
        server: typed::Server::new(SERVER, 86_400),
    };
    plans::one_server(own, account).unwrap()
}

/// One server with this key.
fn plan(key: &[u8]) -> Plan {
    plan_with(BootstrapAccount::Keep(InstanceId::ZERO), key)
}

/// The beginning of a plan: it deletes all, and writes nothing.
fn deletes_all() -> Plan {
    Plan::new().delete(Path::Root).discover(Path::Root)
}

/// The account of a Bootstrap-Server that the device asks at once.
fn asked(account: typed::Security) -> typed::Security {
    typed::Security {
        client_hold_off_time: None,
        ..account
    }
}

/// The clients that a server knows, which change.
#[derive(Default)]
struct Changing(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Changing {
    /// The server knows the device by this key from now on.
    fn know(&self, key: &[u8]) {
        let mut known = self.0.lock().unwrap();
        known.insert(NAME.as_bytes().to_vec(), key.to_vec());
    }

    /// A library with them, and themselves.
    fn stack() -> (Pure, Arc<Self>) {
        let clients = Arc::new(Self::default());
        let credentials = ServerCredentials {
            clients: Arc::<Self>::clone(&clients),
            certificate: None,
        };
        let stack = Pure::server(PureOptions::default(), &credentials).unwrap();
        (stack, clients)
    }
}

impl KnownClients for Changing {
    fn pre_shared_key(&self, identity: &[u8]) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(identity).cloned()
    }

    fn accepts_certificate(&self, _: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::OtherCertificate)
    }
}

impl Yard {
    /// What the Bootstrap-Server tells clients that ask.
    fn offer(&mut self, plan: Plan) {
        self.network.with(self.bootstrap, |host, _| {
            host.application.plan = Some(plan);
        });
    }

    /// Begins a session with this key, and a bootstrap in it. Returns the peer in the session.
    fn bootstrap_with(&mut self, key: &[u8], plan: &Plan) -> SecurePeer<Address> {
        self.news();
        self.reach(&reaching_psk(NAME, key));
        self.run(2);
        let peer = self.reached();
        self.begin(peer, plan);
        peer
    }

    fn is_registered(&self) -> bool {
        let client = &self.network.node(self.device).machine.secure.client;
        let server = &self.network.node(self.server).machine.server;
        client.is_registered(SERVER_ACCOUNT) && server.find(NAME).is_some()
    }

    fn await_registration(&mut self) {
        let (device, server) = (self.device, self.server);
        let registered = self.network.run_until(DAY, |network| {
            let client = &network.node(device).machine.secure.client;
            client.is_registered(SERVER_ACCOUNT)
                && network.node(server).machine.server.find(NAME).is_some()
        });
        assert!(registered, "no registration in a day");
    }

    /// How many bootstraps of the device have been finished.
    fn finished(&self) -> usize {
        let events = &self.network.node(self.device).application.events;
        let finished = |event: &&_| matches!(event, ClientEvent::BootstrapFinished { .. });
        events.iter().filter(finished).count()
    }

    /// How many have failed.
    fn failed(&self) -> usize {
        let events = &self.network.node(self.device).application.events;
        let failed = |event: &&_| matches!(event, ClientEvent::BootstrapFailed { .. });
        events.iter().filter(failed).count()
    }

    /// Whether the device has no account of a server, for now.
    fn is_bare(&self) -> bool {
        let client = &self.network.node(self.device).machine.secure.client;
        client.tree().get(Path::of(&[0, 1, 0]).unwrap()).is_none()
    }

    /// What the device would have after a restart.
    fn saved(&self) -> Snapshot {
        let client = &self.network.node(self.device).machine.secure.client;
        client.tree().snapshot()
    }
}

/// A network that loses, repeats and reorders every kind of datagram.
fn bad_link() -> Link {
    Link::new(Duration::from_millis(20))
        .jittering(Duration::from_millis(50))
        .losing(0.15)
        .duplicating(0.2)
        .reordering(0.3, Duration::from_secs(2))
}

#[test]
fn a_device_asks_for_a_bootstrap_in_a_session_and_registers_in_another() {
    for (account, identity) in [
        (
            bootstrap_psk(&first_key()),
            ProvenIdentity::Psk(NAME.as_bytes().into()),
        ),
        (
            bootstrap_certificate(),
            ProvenIdentity::Certificate([NAME.into()].into()),
        ),
    ] {
        let mut yard = Yard::new(1, Link::default(), &[asked(account)]);
        yard.offer(plan(&first_key()));
        let mut yard = yard.started();
        yard.await_registration();
        assert_eq!((yard.finished(), yard.failed()), (1, 0));
        let bootstrap = &yard.network.node(yard.bootstrap).application;
        let requested = bootstrap.events.iter().find_map(|event| match event {
            BootstrapServerEvent::Requested { client, .. } => Some(client.identity.clone()),
            _ => None,
        });
        assert_eq!(requested, Some(identity));
        assert!(matches!(bootstrap.outcomes()[..], [Ok(())]));
        assert_eq!(yard.key(SERVER_ACCOUNT), first_key());
        // The session of the bootstrap is over, with a goodbye.
        yard.run(300);
        let news = yard.news();
        let ended = |news: &_| {
            matches!(
                news,
                SessionNews::Ended {
                    why: End::Closed,
                    ..
                }
            )
        };
        assert!(news.iter().any(ended), "{news:?}");
    }
}

#[test]
fn a_bootstrap_server_begins_a_bootstrap_and_the_device_registers() {
    for (account, keys) in [
        (
            bootstrap_psk(&first_key()),
            reaching_psk(NAME, &first_key()),
        ),
        (bootstrap_certificate(), reaching_certificate("bootstrap")),
    ] {
        let mut yard = Yard::new(1, Link::default(), &[account]).started();
        yard.reach(&keys);
        yard.run(2);
        let peer = yard.reached();
        yard.begin(peer, &plan(&first_key()));
        yard.await_registration();
        assert_eq!((yard.finished(), yard.failed()), (1, 0));
        let bootstrap = &yard.network.node(yard.bootstrap).application;
        assert!(matches!(bootstrap.outcomes()[..], [Ok(())]));
        // The device never asked for a connection to it.
        let device = &yard.network.node(yard.device).application;
        let connects = device.events.iter().filter_map(|event| match event {
            ClientEvent::Connect { account, .. } => Some(*account),
            _ => None,
        });
        assert_eq!(connects.collect::<Vec<_>>(), [SERVER_ACCOUNT]);
        yard.run(300);
        let device = &yard.network.node(yard.device).machine;
        assert_eq!(device.usage().addresses, 0);
    }
}

#[test]
fn bootstraps_get_through_bad_networks() {
    for seed in 0..10 {
        let mut yard = Yard::new(seed, bad_link(), &[asked(bootstrap_psk(&first_key()))]);
        yard.offer(plan(&first_key()));
        let mut yard = yard.started();
        yard.await_registration();
        assert_eq!(yard.key(SERVER_ACCOUNT), first_key());

        let mut yard = Yard::new(seed, bad_link(), &[bootstrap_psk(&first_key())]).started();
        let mut tries = 0..10;
        while yard.finished() == 0 {
            tries.next().expect("ten bootstraps have failed");
            yard.reach(&reaching_psk(NAME, &first_key()));
            yard.run(60);
            let news = yard.news();
            let connected = news.iter().find_map(|news| match news {
                SessionNews::Connected { peer, .. } => Some(*peer),
                _ => None,
            });
            if let Some(peer) = connected {
                yard.begin(peer, &plan(&first_key()));
                yard.run(600);
            }
        }
        yard.await_registration();
    }
}

#[test]
fn a_new_key_of_a_server_is_used_from_the_next_session_on() {
    let (stack, clients) = Changing::stack();
    clients.know(&key(3));
    let accounts = [bootstrap_psk(&first_key()), server_psk(&key(3))];
    let mut yard = Yard::with_server(1, Link::default(), &accounts, stack).started();
    yard.await_registration();
    let server = |yard: &Yard| {
        let server = &yard.network.node(yard.server).machine.server;
        let registration = server.find(NAME).expect("a registration");
        *server.registration(registration).unwrap().peer()
    };
    let before = server(&yard);
    // The server takes the new key alone; the session under the old one goes on.
    clients.know(&key(4));
    yard.bootstrap_with(&first_key(), &plan(&key(4)));
    yard.run(30);
    assert_eq!(yard.finished(), 1);
    assert_eq!(yard.key(SERVER_ACCOUNT), key(4));
    assert!(yard.is_registered());
    assert_ne!(server(&yard), before);
}

#[test]
fn a_new_key_of_the_bootstrap_server_is_used_from_the_next_session_on() {
    let mut yard = Yard::new(1, Link::default(), &[bootstrap_psk(&first_key())]).started();
    let own = BootstrapAccount::Replace(InstanceId::ZERO, bootstrap_psk(&key(5)));
    // The rest of the plan, and the answer to its Finish, are in the session under the old key.
    yard.bootstrap_with(&first_key(), &plan_with(own, &first_key()));
    yard.await_registration();
    let outcomes = yard.network.node(yard.bootstrap).application.outcomes();
    assert!(matches!(outcomes[..], [Ok(())]), "{outcomes:?}");
    assert_eq!(yard.key(BOOTSTRAP_ACCOUNT), key(5));
    yard.run(300);
    yard.inbound();
    yard.reach(&reaching_psk(NAME, &first_key()));
    yard.run(120);
    let failed = yard.inbound();
    assert!(
        matches!(&failed[..], [InboundNews::Failed { .. }]),
        "{failed:?}"
    );
    yard.bootstrap_with(&key(5), &plan(&first_key()));
    yard.run(30);
    assert_eq!(yard.finished(), 2);
}

#[test]
fn the_old_key_counts_until_the_bootstrap_is_finished() {
    let mut yard = Yard::new(1, Link::default(), &[bootstrap_psk(&first_key())]).started();
    let secret = Path::of(&[0, 0, 5]).unwrap();
    let content = Content::from_iter([(secret, Value::Opaque(key(5)))]);
    yard.bootstrap_with(&first_key(), &Plan::new().write(secret, content));
    yard.run(5);
    // It was written, and doesn't count yet.
    assert_eq!(yard.key(BOOTSTRAP_ACCOUNT), key(5));
    // The Bootstrap-Server has lost its session, and begins anew.
    yard.network.change_address(yard.bootstrap);
    yard.bootstrap_with(&first_key(), &plan(&first_key()));
    yard.await_registration();
    assert_eq!(yard.key(BOOTSTRAP_ACCOUNT), first_key());
}

#[test]
fn another_key_costs_the_account_nothing() {
    let accounts = [bootstrap_psk(&first_key()), server_psk(&first_key())];
    let mut yard = Yard::new(1, Link::default(), &accounts).started();
    yard.await_registration();
    let before = yard.saved();
    for (identity, wrong) in [(NAME, key(9)), ("nobody", first_key())] {
        yard.reach(&reaching_psk(identity, &wrong));
        yard.run(120);
        assert_eq!(yard.saved(), before);
    }
    assert!(yard.is_registered());
    assert_eq!((yard.finished(), yard.failed()), (0, 0));
    // The true one comes in.
    yard.bootstrap_with(&first_key(), &plan(&first_key()));
    yard.run(30);
    assert_eq!(yard.finished(), 1);
}

#[test]
fn another_key_does_not_disturb_a_bootstrap_that_is_under_way() {
    let mut yard = Yard::new(1, Link::default(), &[bootstrap_psk(&first_key())]).started();
    yard.bootstrap_with(&first_key(), &deletes_all());
    yard.run(2);
    yard.network.change_address(yard.bootstrap);
    yard.reach(&reaching_psk(NAME, &key(9)));
    yard.run(30);
    assert_eq!((yard.finished(), yard.failed()), (0, 0));
    let device = &yard.network.node(yard.device).machine;
    assert_eq!(device.usage().established, 1);
}

#[test]
fn a_bootstrap_server_with_another_key_is_asked_again_and_the_account_stays() {
    let mut yard = Yard::new(1, Link::default(), &[asked(bootstrap_psk(&key(9)))]);
    yard.offer(plan(&first_key()));
    let mut yard = yard.started();
    let before = yard.saved();
    yard.run(3_600);
    assert!(yard.failed() > 1, "{}", yard.failed());
    assert_eq!(yard.saved(), before);
    assert_eq!(yard.finished(), 0);
}

#[test]
fn a_session_that_is_lost_leaves_all_as_it_was() {
    let accounts = [bootstrap_psk(&first_key()), server_psk(&first_key())];
    for says_goodbye in [true, false] {
        let mut yard = Yard::new(1, Link::default(), &accounts).started();
        yard.await_registration();
        let before = yard.saved();
        let begins = deletes_all();
        let peer = yard.bootstrap_with(&first_key(), &begins);
        yard.run(2);
        assert!(yard.is_bare());
        if says_goodbye {
            yard.network
                .with(yard.bootstrap, |host, now| host.machine.close(now, &peer));
            yard.run(2);
        } else {
            let (bootstrap, device) = (yard.bootstrap, yard.device);
            yard.network.partition(bootstrap, device, true);
            yard.run(250);
        }
        assert_eq!(yard.saved(), before);
        assert_eq!((yard.finished(), yard.failed()), (0, 1));
        assert!(yard.is_registered());
    }
}

#[test]
fn a_wrong_key_of_a_server_leads_to_another_bootstrap() {
    let mut yard = Yard::new(1, Link::default(), &[asked(bootstrap_psk(&first_key()))]);
    yard.offer(plan(&key(9)));
    let mut yard = yard.started();
    let device = yard.device;
    let finished = yard.network.run_until(DAY, |network| {
        let events = &network.node(device).application.events;
        let finished = |event: &_| matches!(event, ClientEvent::BootstrapFinished { .. });
        events.iter().any(finished)
    });
    assert!(finished, "no bootstrap in a day");
    yard.offer(plan(&first_key()));
    yard.await_registration();
    assert_eq!(yard.finished(), 2);
    assert_eq!(yard.key(BOOTSTRAP_ACCOUNT), first_key());
}

#[test]
fn no_datagram_of_a_bootstrap_is_without_dtls() {
    let mut yard = Yard::new(1, Link::default(), &[asked(bootstrap_psk(&first_key()))]);
    yard.offer(plan(&first_key()));
    let mut yard = yard.started();
    yard.await_registration();
    for sent in yard.network.records() {
        assert_eq!(sent.fate, Fate::Delivered);
        assert!(
            lwm2m_examples::secure::record::first(&sent.payload).is_some(),
            "{sent:?}"
        );
    }
}

impl Yard {
    /// How many bootstraps the device has asked for.
    fn requested(&self) -> usize {
        let events = &self.network.node(self.bootstrap).application.events;
        let requested = |event: &&_| matches!(event, BootstrapServerEvent::Requested { .. });
        events.iter().filter(requested).count()
    }
}

/// A device in 2040, whose server has a certificate until 2036. Without reason it asks its Bootstrap-Server after a
/// day at the earliest.
fn expired_yard(expiry: Expiry) -> Yard {
    let server = typed::Security {
        short_server_id: Some(SERVER),
        ..known_certificate()
    };
    let accounts = [bootstrap_psk(&first_key()), server];
    Yard::with_dates(1, Link::default(), &accounts, server_stack(), expiry)
}

#[test]
fn a_server_s_expired_certificate_leads_to_a_bootstrap() {
    let mut yard = expired_yard(all_expired());
    yard.offer(plan(&first_key()));
    let mut yard = yard.started();
    yard.run(60);
    assert_eq!((yard.requested(), yard.finished()), (1, 1));
    yard.await_registration();
    assert_eq!(yard.key(SERVER_ACCOUNT), first_key());
    // Where the dates don't matter, there is no reason.
    let mut yard = expired_yard(Expiry::Accept).started();
    yard.run(60);
    assert_eq!(yard.requested(), 0);
    assert!(yard.is_registered());
}

#[test]
fn a_server_s_certificate_that_is_not_valid_yet_leads_to_no_bootstrap() {
    // The clock of the device starts in 1970.
    let mut yard = expired_yard(Expiry::Refuse(WallClock {
        at: Instant::ZERO,
        since_epoch: Duration::ZERO,
    }));
    yard.offer(plan(&first_key()));
    let mut yard = yard.started();
    yard.run(600);
    assert_eq!(yard.requested(), 0);
    let failures = yard.network.with(yard.device, |host, _| {
        core::iter::from_fn(|| host.machine.secure.next_failure()).collect::<Vec<_>>()
    });
    let not_yet = FailedBecause::Session(SessionError::Refused(Refusal::NotYetValid));
    assert!(!failures.is_empty());
    assert!(
        failures.iter().all(|failure| failure.reason == not_yet),
        "{failures:?}"
    );
}

#[test]
fn an_expired_certificate_does_not_cut_a_hold_off_short() {
    let mut yard = expired_yard(all_expired());
    let (device, server) = (yard.device, yard.server);
    yard.network.partition(device, server, true);
    let mut yard = yard.started();
    let is_holding_off = |yard: &mut Yard| {
        let state = yard.network.with(device, |host, now| {
            host.machine.secure.client.bootstrapping().state(now)
        });
        matches!(state, BootstrapState::HoldingOff { .. })
    };
    let mut hours = 0..48;
    while !is_holding_off(&mut yard) {
        hours.next().expect("no hold-off");
        yard.run(3_600);
    }
    yard.network.partition(device, server, false);
    yard.run(6 * 3_600);
    let expired = FailedBecause::Session(SessionError::Refused(Refusal::Expired));
    let failures = yard.network.with(device, |host, _| {
        core::iter::from_fn(|| host.machine.secure.next_failure()).collect::<Vec<_>>()
    });
    let has_expired = failures.iter().any(|failure| failure.reason == expired);
    assert!(has_expired, "{failures:?}");
    assert!(is_holding_off(&mut yard));
    assert_eq!(yard.requested(), 0);
}

#[test]
fn a_bootstrap_that_brings_no_other_certificate_is_not_repeated_for_it() {
    let mut yard = expired_yard(all_expired());
    yard.offer(Plan::new().discover(Path::Root).finish());
    let mut yard = yard.started();
    yard.run(6 * 3600);
    assert_eq!((yard.requested(), yard.finished()), (1, 1));
    let failures = yard.network.with(yard.device, |host, _| {
        core::iter::from_fn(|| host.machine.secure.next_failure()).count()
    });
    assert!(failures > 1, "{failures}");
}

/// The account of a server with this certificate.
fn server_with(certificate: &OwnCertificate) -> typed::Security {
    let device = certified(NAME);
    let keys = typed::Certificates {
        certificate: &device.certificate,
        private_key: &device.private_key,
        server_certificate: &certificate.certificate,
    };
    typed::Security::certificate("coaps://server", SERVER, keys)
}

impl Yard {
    /// Another server, for the account with this host.
    fn add_server(&mut self, host: &str) {
        let server = Server::new(ServerConfig::new(self.network.random().seed()));
        let server = SecureServer::new(server, server_stack(), Bounds::server(1));
        let server = Host::new(server, ServerSide::default());
        let server = self.network.add(host, server);
        let at = self.network.address(server);
        self.network.with(self.device, |device, _| {
            device.application.others.insert(host.to_owned(), at);
        });
    }

    /// The server shows this certificate from now on, and the next bootstrap brings that one.
    fn show_and_offer(&mut self, shown: &OwnCertificate, next: &OwnCertificate) {
        let credentials = ServerCredentials {
            certificate: Some(shown.clone()),
            ..server_credentials()
        };
        let keys = Pure::server(PureOptions::default(), &credentials).unwrap();
        let server = Server::new(ServerConfig::new(self.network.random().seed()));
        let server = SecureServer::new(server, keys, Bounds::server(1));
        self.network
            .reboot(self.server, Host::new(server, ServerSide::default()));
        let plan = plans::rotate_keys(SERVER_ACCOUNT.instance(), &server_with(next));
        self.offer(plan.unwrap());
    }
}

#[test]
fn bootstraps_that_bring_expired_certificates_in_turn_follow_ever_more_slowly() {
    const BOOTSTRAPS: usize = 6;
    let until_2035 = Certified::new("server").valid(["260101000000Z", "351231235959Z"]);
    let certificates = [certified("server"), until_2035.make()];
    let [first, second] = &certificates;
    // As long as one server is left, the Bootstrap Sequence begins no bootstrap.
    let left = typed::Security {
        short_server_id: ShortServerId::new(102),
        ..typed::Security::pre_shared_key("coaps://left", SERVER, NAME, first_key())
    };
    let accounts = [bootstrap_psk(&first_key()), server_with(first), left];
    let link = Link::new(Duration::from_millis(20));
    let mut yard = Yard::with_dates(1, link, &accounts, server_stack(), all_expired());
    yard.show_and_offer(first, second);
    yard.add_server("left");
    let mut yard = yard.started();
    let bootstrap = yard.bootstrap;
    let mut requested = Vec::new();
    while requested.len() < BOOTSTRAPS {
        let before = requested.len();
        let is_next = yard.network.run_until(DAY, |network| {
            let events = &network.node(bootstrap).application.events;
            let is_request = |event: &&_| matches!(event, BootstrapServerEvent::Requested { .. });
            events.iter().filter(is_request).count() > before
        });
        assert!(is_next, "no further bootstrap in a day: {requested:?}");
        requested.push(yard.network.now());
        let [shown, next] = [before + 1, before + 2].map(|number| &certificates[number % 2]);
        yard.show_and_offer(shown, next);
    }
    let waits = requested
        .windows(2)
        .map(|pair| pair[1].saturating_duration_since(pair[0]));
    let waits: Vec<_> = waits.map(|wait| wait.as_secs()).collect();
    // The next connection after the wait begins it.
    for (wait, least) in waits.iter().zip([60, 120, 240, 480, 960]) {
        assert!((least..DAY.as_secs()).contains(wait), "{waits:?}");
    }
    assert_eq!(yard.finished(), BOOTSTRAPS - 1);
}
