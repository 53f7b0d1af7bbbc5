//! A Bootstrap-Server begins a session with a device, which is the DTLS server (TS 7.1.6).

use core::time::Duration;

use lwm2m_core::{InstanceId, Instant, ShortServerId};
use lwm2m_examples::secure::client::SecureClient;
use lwm2m_examples::secure::credentials::{ClientCredentials, Expiry};
use lwm2m_examples::secure::listening::{ClientWay, InboundNews, ListeningClient};
use lwm2m_examples::secure::record::{self, ALERT};
use lwm2m_examples::secure::session::{Refusal, SessionError};
use lwm2m_examples::secure::sessions::{Bounds, Sessions};
use lwm2m_examples::secure::system::{Settings, System};
use lwm2m_objects::{ObjectTree, Store, typed};
use lwm2m_statemachine::{Client, ClientConfig, Datagram, Machine as _};

use super::support::{HOST, IDENTITY, KEY, NOW, World};

const BOOTSTRAP_SERVER: u32 = 1;
const DEVICE: u32 = 2;

struct Ends {
    now: Instant,
    device: ListeningClient<u32, System>,
    bootstrap: Sessions<u32, System>,
    /// The content types of what the device has sent.
    sent: Vec<u8>,
}

impl Ends {
    /// `hides`: whether the device keeps to itself that it doesn't know an identity.
    fn new(world: &World, account: typed::Security, hides: bool) -> Self {
        let mut tree = ObjectTree::new();
        tree.add(Store::of([(InstanceId::ZERO, account)]));
        tree.add(Store::of::<typed::Server>([]));
        tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
        let client = Client::new(ClientConfig::new("urn:dev:7", [7; 32]), tree).unwrap();
        let mut secure = SecureClient::new(client, world.client_stack());
        secure.client.start(NOW);
        let listening = System::new(Settings {
            hides_identities: hides,
            ..world.settings.clone()
        });
        Self {
            now: NOW,
            device: ListeningClient::new(
                secure,
                listening.unwrap(),
                Bounds::device(1),
                Expiry::Accept,
            ),
            bootstrap: Sessions::new(world.client_stack(), Bounds::server(1)),
            sent: Vec::new(),
        }
    }

    fn reach(&mut self, keys: &ClientCredentials) {
        let begun = self.bootstrap.connect(self.now, &DEVICE, keys, &mut |_| {});
        begun.unwrap();
        self.run();
    }

    fn run(&mut self) {
        while let Some((_, datagram)) = self.bootstrap.poll_transmit() {
            let from = ClientWay::Inbound(BOOTSTRAP_SERVER);
            let datagram = Datagram::new(from, &datagram);
            let _ = self.device.handle_datagram(self.now, datagram);
            while let Some(transmit) = self.device.poll_transmit() {
                if transmit.to != ClientWay::Inbound(BOOTSTRAP_SERVER) {
                    continue;
                }
                let payload = transmit.payload.to_vec();
                self.sent
                    .extend(record::records(&payload).map(|record| record.content_type));
                let _ = self
                    .bootstrap
                    .handle_datagram(self.now, &DEVICE, &payload, &mut |_| {});
            }
        }
    }

    /// Lets the time of a handshake pass.
    fn wait(&mut self) {
        self.now += Duration::from_secs(20);
        self.device.handle_timeout(self.now);
        self.run();
    }

    fn news(&mut self) -> Vec<InboundNews<u32>> {
        core::iter::from_fn(|| self.device.next_news()).collect()
    }
}

/// The account of the Bootstrap-Server: with the key of the world, or with its certificates, of which the device
/// has the server's.
fn accounts(world: &World) -> [typed::Security; 2] {
    let id = ShortServerId::new(101).unwrap();
    let uri = format!("coaps://{HOST}");
    let keys = typed::Certificates {
        certificate: &world.client.certificate,
        private_key: &world.client.private_key,
        server_certificate: &world.server.certificate,
    };
    [
        typed::Security::pre_shared_key(&uri, id, IDENTITY, KEY),
        typed::Security::certificate(&uri, id, keys),
    ]
    .map(typed::Security::into_bootstrap_server)
}

fn psk(identity: &[u8], key: &[u8]) -> ClientCredentials {
    ClientCredentials::PreSharedKey {
        identity: identity.to_vec(),
        key: key.to_vec(),
    }
}

#[test]
fn a_device_is_reached_with_its_key_or_certificate() {
    let world = World::new();
    let reaching = ClientCredentials::Certificate {
        certificate: world.server.certificate.clone(),
        private_key: world.server.private_key.clone(),
        server_certificate: world.client.certificate.clone(),
        host: "urn:dev:7".to_owned(),
    };
    for (account, keys) in accounts(&world)
        .into_iter()
        .zip([psk(IDENTITY, KEY), reaching])
    {
        let mut ends = Ends::new(&world, account, true);
        ends.reach(&keys);
        let news = ends.news();
        assert!(matches!(&news[..], [InboundNews::Taken { .. }]), "{news:?}");
        assert_eq!(ends.bootstrap.usage().established, 1);
    }
}

#[test]
fn an_unknown_identity_is_told_or_gets_the_silence_of_another_key() {
    let world = World::new();
    let [account, _] = accounts(&world);
    let mut sent = Vec::new();
    for (keys, hides) in [
        (psk(b"nobody", KEY), false),
        (psk(b"nobody", KEY), true),
        (psk(IDENTITY, &[9; 16]), true),
    ] {
        let mut ends = Ends::new(&world, account.clone(), hides);
        ends.reach(&keys);
        ends.wait();
        let news = ends.news();
        let [InboundNews::Failed { why, .. }] = &news[..] else {
            panic!("{news:?}");
        };
        let is_unknown = *why == SessionError::Refused(Refusal::UnknownIdentity);
        assert_eq!(is_unknown, keys == psk(b"nobody", KEY), "{why:?}");
        assert_eq!(ends.device.usage().addresses, 0);
        sent.push(ends.sent);
    }
    assert!(sent[0].contains(&ALERT));
    assert!(!sent[1].contains(&ALERT));
    assert_eq!(sent[1], sent[2]);
}
