//! A device that is ready for its Bootstrap-Server, and a bootstrap that this begins over DTLS (TS 5.2.3.4, 7.1.6).

use core::net::{Ipv4Addr, SocketAddr};
use std::{
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Instant,
};

use lwm2m_core::{InstanceId, ShortServerId, Value};
use lwm2m_examples::{
    driver::{Clock, Driver, Names},
    secure::{
        client::SecureClient,
        credentials::Expiry,
        library::LibraryName,
        listening::{ClientWay, ListeningClient},
        pure::{Pure, PureOptions},
        sessions::Bounds,
    },
};
use lwm2m_kit::path;
use lwm2m_objects::{ObjectTree, SERVER, Store, typed};
use lwm2m_statemachine::{Client, ClientConfig, ClientEvent};

use crate::{
    bootstrap::{File, program},
    certified::certified,
    expiry::Files,
    support::PATIENCE,
};

const KEY: [u8; 8] = [0xc0, 0xff, 0xee, 0x00, 0xc0, 0xff, 0xee, 0x00];

/// What a plan says of a camera.
const PSK: &str = "mode = \"psk\"\nkey = \"c0ffee00c0ffee00\"";

const PLANS: &str = r#"
[[plan]]
endpoint = "camera-?"
[plan.device]
mode = "psk"
key = "c0ffee00c0ffee00"
[[plan.server]]
id = 101
uri = "coap://192.0.2.1"

[[plan]]
endpoint = "lamp-?"
[[plan.server]]
id = 101
uri = "coap://192.0.2.1"
"#;

/// Keys of the program itself. Without any it has no DTLS.
const PROGRAM_KEYS: [&str; 6] = [
    "--listen-secure",
    "127.0.0.1:0",
    "--psk-identity",
    "another",
    "--psk-key",
    "00010203",
];

const ANY: ShortServerId = ShortServerId::new(1).unwrap();

/// A device with this name and account, which waits a day before it asks its Bootstrap-Server.
fn camera(name: &str, account: typed::Security) -> Client {
    let account = typed::Security {
        client_hold_off_time: Some(86_400),
        ..account.into_bootstrap_server()
    };
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, account)]));
    tree.add(Store::new(&SERVER));
    tree.add(Store::of([(InstanceId::ZERO, typed::Device::example())]));
    Client::new(ClientConfig::new(name, [7; 32]), tree).unwrap()
}

/// Where the device is ready, and what is at `/0/1/0` once its bootstrap is over.
fn ready(name: &'static str, account: typed::Security) -> (SocketAddr, JoinHandle<Option<Value>>) {
    let (sender, address) = mpsc::channel();
    let device = thread::spawn(move || {
        let stack = || Pure::client(PureOptions::default());
        let secure = SecureClient::new(camera(name, account), stack());
        let machine = ListeningClient::new(secure, stack(), Bounds::device(1), Expiry::Accept);
        let ways = Names::by(ClientWay::Inbound, |way| match way {
            ClientWay::Inbound(address) => Some(*address),
            ClientWay::Own(_) => None,
        });
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut driver = Driver::bind(here, Clock::start(), machine, ways).unwrap();
        let now = driver.now();
        driver.machine.secure.client.start(now);
        sender.send(driver.address()).unwrap();
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            while let Some(event) = driver.next_event().unwrap() {
                if matches!(event, ClientEvent::BootstrapFinished { .. }) {
                    // What is sent last leaves with the wait.
                    driver.wait(core::time::Duration::ZERO).unwrap();
                    return driver.machine.secure.client.tree().get(path("/0/1/0"));
                }
            }
            driver.wait(core::time::Duration::from_millis(100)).unwrap();
        }
        None
    });
    (address.recv().unwrap(), device)
}

#[test]
fn a_bootstrap_may_begin_over_dtls_with_the_key_of_the_device() {
    let file = File::new("ready", PLANS);
    let (mut program, _) = program(&file, &PROGRAM_KEYS);
    let account = typed::Security::pre_shared_key("coaps://bootstrap", ANY, "camera-1", KEY);
    let (address, device) = ready("camera-1", account);
    program.say(&format!("begin camera-1 coaps://{address}"));
    program.expect("connected \"camera-1\" (PSK) from coaps://127.0.0.1:");
    assert_eq!(program.next(), "started camera-1 set 101");
    program.expect("finished camera-1");
    assert_eq!(device.join().unwrap(), Some("coap://192.0.2.1".into()));

    // One whose key the file doesn't say, and one that it doesn't know.
    program.say(&format!("begin lamp-1 coaps://{address}"));
    let told = program.expect("stopped lamp-1 ");
    assert!(told.ends_with("no keys for it: [plan.device]"), "{told}");
    program.say(&format!("begin stranger coaps://{address}"));
    program.expect("stopped stranger ");
}

#[test]
fn a_bootstrap_may_begin_over_dtls_with_the_certificate_of_the_device() {
    let files = Files::new("ready");
    let [own, device] = ["bootstrap", "camera-1"].map(certified);
    let [certificate, private_key] = files.write("bootstrap", &own);
    let [of_device, _] = files.write("camera-1", &device);
    files.write("camera-2", &certified("camera-2"));
    let keys = [
        "mode = \"certificate\"",
        &format!("certificate-file = {certificate:?}"),
        &format!("private-key-file = {private_key:?}"),
        &format!(
            "device-certificate-file = {:?}",
            of_device.replace("camera-1", "{endpoint}")
        ),
    ];
    let plans = PLANS.replace(PSK, &keys.join("\n"));
    let file = File::new("certified", &plans);
    let (mut program, _) = program(&file, &PROGRAM_KEYS);
    let account = typed::Security::certificate(
        "coaps://bootstrap",
        ANY,
        typed::Certificates {
            certificate: &device.certificate,
            private_key: &device.private_key,
            server_certificate: &own.certificate,
        },
    );
    let (address, device) = ready("camera-1", account);

    // Who is there has to show the certificate that the plan has, and one without a file has none to show.
    program.say(&format!("begin camera-2 coaps://{address}"));
    let told = program.expect("stopped camera-2 ");
    assert!(
        told.ends_with("the certificate isn't the expected one"),
        "{told}"
    );
    program.say(&format!("begin camera-3 coaps://{address}"));
    let told = program.expect("stopped camera-3 ");
    assert!(told.contains("camera-3.der: "), "{told}");

    program.say(&format!("begin camera-1 coaps://{address}"));
    program.expect("connected [\"camera-1\"] (X.509) from coaps://127.0.0.1:");
    assert_eq!(program.next(), "started camera-1 set 101");
    program.expect("finished camera-1");
    assert_eq!(device.join().unwrap(), Some("coap://192.0.2.1".into()));
}

/// Raw public keys are read, but no library of this program takes them (TS 7.1.8).
#[test]
fn a_program_whose_library_has_no_raw_public_keys_says_so() {
    let keys =
        "mode = \"rpk\"\npublic-key = \"01\"\nprivate-key = \"c0ffee\"\ndevice-public-key = \"03\"";
    let file = File::new("raw", &PLANS.replace(PSK, keys));
    for library in LibraryName::ALL {
        let library = ["--dtls-library", &library.to_string()];
        let (mut program, _) = program(&file, &[&PROGRAM_KEYS[..], &library].concat());
        program.say("begin camera-1 coaps://127.0.0.1:5684");
        let told = program.expect("stopped camera-1 ");
        assert_eq!(
            told,
            "stopped camera-1 this DTLS library has no raw public keys"
        );
        program.say("stats");
        program.expect("stats requested=0 refused=0 overloaded=0 begun=0 ");
    }
}

/// Without keys of its own the program has no DTLS.
#[test]
fn a_program_without_keys_says_that_it_can_not_reach_a_device() {
    let file = File::new("without", PLANS);
    let (mut program, _) = program(&file, &[]);
    program.say("begin camera-1 coaps://127.0.0.1:5684");
    program.expect("stopped camera-1 ");
    program.say("list");
    program.say("stats");
    program.expect("stats requested=0 refused=0 overloaded=0 begun=0 ");
}
