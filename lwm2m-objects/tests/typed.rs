//! Typed Objects: a struct is stored in the tree and loaded back equal. Secrets are not shown.

use core::fmt::Debug;

use lwm2m_core::{
    AccessRights, BindingMode, InstanceId, ObjectId, ObjectLink, Path, ShortServerId, Value,
};
use lwm2m_objects::{
    Change, Object, ObjectTree, SOFTWARE_MANAGEMENT_CANDIDATE, Store, Typed, WriteError, firmware,
    software, typed,
};

const SECRET: &[u8] = b"0123456789abcdef";

fn server_id() -> ShortServerId {
    ShortServerId::new(101).unwrap()
}

fn certificates() -> typed::Certificates<'static> {
    typed::Certificates {
        certificate: b"certificate",
        private_key: SECRET,
        server_certificate: b"server's certificate",
    }
}

/// One of each mode (TS E.1.1), with everything that an instance can have.
fn securities() -> [typed::Security; 6] {
    let sms = typed::SmsSecurity {
        mode: Some(typed::SmsSecurityMode::SecurePacketStructure),
        key_parameters: Some(*b"012345"),
        secret_keys: Some(SECRET.into()),
        server_number: Some("+358409876543".into()),
    };
    let uri = "coaps://192.0.2.1";
    let id = server_id();
    [
        typed::Security::pre_shared_key(uri, id, SECRET, SECRET),
        typed::Security::raw_public_key(uri, id, "public key", SECRET, "server's public key"),
        typed::Security::certificate(uri, id, certificates()),
        typed::Security::no_sec("coap://192.0.2.1", id).with_sms(sms),
        typed::Security::certificate_with_est(uri, id, certificates()),
        typed::Security {
            client_hold_off_time: Some(10),
            bootstrap_account_timeout: Some(0),
            ..typed::Security::pre_shared_key(uri, id, SECRET, SECRET).into_bootstrap_server()
        },
    ]
}

fn server() -> typed::Server {
    typed::Server {
        default_minimum_period: Some(1),
        default_maximum_period: Some(60),
        disable: true,
        disable_timeout: Some(3600),
        notification_storing: false,
        binding: BindingMode::UQS,
        ..typed::Server::new(server_id(), 300)
    }
}

fn device() -> typed::Device {
    let link = |object, instance| ObjectLink { object, instance };
    typed::Device {
        factory_reset: true,
        error_codes: [2, 7].into(),
        reset_error_code: true,
        timezone: Some("Europe/Helsinki".into()),
        supported_binding: BindingMode::UQ,
        device_type: Some("sensor".into()),
        hardware_version: Some("B".into()),
        software_version: Some("4.2".into()),
        battery_status: Some(6),
        memory_total: Some(64),
        external_devices: [link(3, 1), link(66, 0)].into(),
        power_sources: [typed::PowerSource {
            kind: 7,
            voltage: -1,
            current: 0,
        }]
        .into(),
        ..typed::Device::example()
    }
}

fn monitoring() -> typed::ConnectivityMonitoring {
    typed::ConnectivityMonitoring {
        network_bearer: 6,
        available_network_bearers: [6, 21].into(),
        radio_signal_strength: -97,
        link_quality: Some(-9),
        ip_addresses: ["192.0.2.1".into(), "2001:db8::1".into()].into(),
        router_ip_addresses: ["2001:db8::ff".into()].into(),
        link_utilization: Some(100),
        apns: ["internet".into()].into(),
        cell_id: Some(268_435_455),
        smnc: Some(999),
        smcc: Some(244),
    }
}

fn statistics() -> typed::ConnectivityStatistics {
    typed::ConnectivityStatistics {
        sms_tx_counter: Some(1),
        tx_data: Some(2),
        average_message_size: Some(3),
        collection_period: Some(u32::MAX),
        ..typed::ConnectivityStatistics::default()
    }
}

fn firmware_update() -> typed::FirmwareUpdate {
    typed::FirmwareUpdate {
        package_uri: "coap://192.0.2.1/fw".into(),
        state: firmware::State::Downloaded,
        result: firmware::UpdateResult::UpdateFailed,
        package_name: Some("fw".into()),
        package_version: Some("2".into()),
        protocols: [firmware::Protocol::Coaps, firmware::Protocol::Http].into(),
        delivery: firmware::DeliveryMethod::Pull,
    }
}

fn location() -> typed::Location {
    typed::Location {
        altitude: Some(8.5),
        radius: Some(10.0),
        velocity: Some([0, 1, 2, 3].into()),
        speed: Some(0.25),
        ..typed::Location::new(-43.5723, 153.21760, -1)
    }
}

fn software_management() -> typed::SoftwareManagement {
    let link = |object, instance| ObjectLink { object, instance };
    typed::SoftwareManagement {
        checkpoint: Some(ObjectLink::NULL),
        state: software::State::Installed,
        update_supported_objects: Some(true),
        result: software::UpdateResult::Installed,
        active: true,
        package_settings: Some(link(33_000, 2)),
        ..typed::SoftwareManagement::new("app", "1.0")
    }
}

/// Resources that the registered Object has and the candidate doesn't.
fn software_management_registered() -> typed::SoftwareManagement {
    typed::SoftwareManagement {
        user_name: Some(str::from_utf8(SECRET).unwrap().into()),
        password: Some(str::from_utf8(SECRET).unwrap().into()),
        status_reason: Some("as told".into()),
        components: [ObjectLink {
            object: 14,
            instance: 3,
        }]
        .into(),
        component_tree_length: Some(2),
        ..software_management()
    }
}

fn in_tree(store: Store) -> ObjectTree {
    let mut tree = ObjectTree::new();
    tree.add(store);
    tree
}

#[track_caller]
fn reads_back<T: Typed + Clone + PartialEq + Debug>(instance: T) {
    let id = InstanceId::ZERO;
    let tree = in_tree(Store::of([(id, instance.clone())]));
    assert_eq!(T::load(&tree, id), Some(instance));
    assert_eq!(T::load(&tree, InstanceId::new(1).unwrap()), None);
    assert_eq!(T::load(&ObjectTree::new(), id), None);
}

#[test]
fn structs_read_back() {
    securities().into_iter().for_each(reads_back);
    reads_back(server());
    reads_back(typed::Server::new(server_id(), 1));
    reads_back(device());
    reads_back(typed::Device::default());
    reads_back(monitoring());
    reads_back(typed::ConnectivityMonitoring::default());
    reads_back(statistics());
    reads_back(typed::ConnectivityStatistics::ALL);
    reads_back(typed::ConnectivityStatistics::default());
    reads_back(firmware_update());
    reads_back(typed::FirmwareUpdate::default());
    reads_back(location());
    reads_back(typed::Location::new(0.0, 0.0, 0));
    reads_back(software_management_registered());
    reads_back(typed::SoftwareManagement::default());
}

/// The candidate numbering has other numbers and fewer Resources.
#[test]
fn the_candidate_of_software_management_reads_back() {
    let store = Store::new(&SOFTWARE_MANAGEMENT_CANDIDATE);
    let id = InstanceId::ZERO;
    let tree = in_tree(software_management_registered().store(store, id));
    let get = |at: &str| tree.get(at.parse().unwrap());
    assert_eq!(get("/9/0/7"), Some(Value::Integer(5)));
    assert_eq!(get("/9/0/14"), None);
    assert_eq!(
        typed::SoftwareManagement::load(&tree, id),
        Some(software_management())
    );
}

/// TS E.1.1: the meaning of the Resources, by mode.
#[test]
fn key_material_has_the_form_of_its_mode() {
    let [psk, rpk, certificate, no_sec, est, _] = securities();
    assert!(
        psk.material()
            == typed::KeyMaterial::PreSharedKey {
                identity: SECRET,
                key: SECRET
            }
    );
    assert!(
        rpk.material()
            == typed::KeyMaterial::RawPublicKey {
                public_key: b"public key",
                private_key: SECRET,
                server_public_key: b"server's public key",
            }
    );
    assert!(certificate.material() == typed::KeyMaterial::Certificate(certificates()));
    assert!(no_sec.material() == typed::KeyMaterial::NoSec);
    assert!(est.material() == typed::KeyMaterial::CertificateWithEst(certificates()));
}

/// TS E.1, Resource 2 and 6.
#[test]
fn security_modes_have_their_numbers() {
    let modes = securities().map(|security| security.mode.number());
    assert_eq!(modes, [0, 1, 2, 3, 4, 0]);
    for number in 0..5 {
        let mode = typed::SecurityMode::from_number(number);
        assert_eq!(mode.map(typed::SecurityMode::number), Some(number));
    }
    assert_eq!(typed::SecurityMode::from_number(5), None);
    for number in 0..=u8::MAX {
        assert_eq!(typed::SmsSecurityMode::from_number(number).number(), number);
    }
    assert_eq!(typed::SmsSecurityMode::Dtls.number(), 1);
    assert_eq!(typed::SmsSecurityMode::SecurePacketStructure.number(), 2);
    assert_eq!(typed::SmsSecurityMode::NoSec.number(), 3);
}

/// A time that the Client can't keep to is refused, and so is a lifetime of 0.
#[test]
fn times_of_a_server_instance_have_32_bits() {
    let server = typed::Server {
        default_minimum_period: Some(1),
        default_maximum_period: Some(1),
        disable_timeout: Some(1),
        ..typed::Server::new(server_id(), 60)
    };
    let most = i64::from(u32::MAX);
    let mut tree = in_tree(Store::of([(InstanceId::ZERO, server)]));
    for (resource, least) in [(1, 1), (2, 0), (3, 0), (5, 0)] {
        let path: Path = format!("/1/0/{resource}").parse().unwrap();
        for seconds in [least - 1, most + 1, i64::MIN, i64::MAX] {
            assert_eq!(tree.set(path, seconds), Err(WriteError::Refused(path)));
        }
        for seconds in [least, most] {
            assert!(tree.set(path, seconds).is_ok());
        }
    }
    let read = typed::Server::load(&tree, InstanceId::ZERO).unwrap();
    assert_eq!(read.lifetime, u32::MAX);
    let most = Some(u32::MAX);
    assert_eq!(read.default_minimum_period, most);
    assert_eq!(read.default_maximum_period, most);
    assert_eq!(read.disable_timeout, most);
}

/// A time that the Client can't keep to is refused, and not ignored.
#[test]
fn times_of_a_security_instance_have_32_bits() {
    let most = i64::from(u32::MAX);
    for resource in [11, 12] {
        let mut tree = in_tree(Store::of([(InstanceId::ZERO, securities()[5].clone())]));
        let path: Path = format!("/0/0/{resource}").parse().unwrap();
        for seconds in [-1, most + 1, i64::MIN, i64::MAX] {
            assert_eq!(tree.set(path, seconds), Err(WriteError::Refused(path)));
        }
        for seconds in [0, most] {
            assert!(tree.set(path, seconds).is_ok());
            let security = typed::Security::load(&tree, InstanceId::ZERO).unwrap();
            let read = match resource {
                11 => security.client_hold_off_time,
                _ => security.bootstrap_account_timeout,
            };
            assert_eq!(read.map(i64::from), Some(seconds));
        }
    }
}

/// Neither the text of the secret, nor its bytes in decimal or hexadecimal.
#[track_caller]
fn hides_the_secret(shown: &str) {
    for form in [
        "0123",
        "cdef",
        "48, 49, 50",
        "101, 102",
        "30313233",
        "65, 66",
        "0x30",
        "0x30, 0x31",
    ] {
        assert!(!shown.contains(form), "{shown}");
    }
}

#[test]
fn debug_shows_no_secret() {
    for security in securities() {
        hides_the_secret(&format!("{security:?} {security:#?}"));
        hides_the_secret(&format!(
            "{:?} {:?}",
            security.material(),
            security.sms.clone()
        ));
        hides_the_secret(&format!("{:?}", certificates()));
        let store = Store::of([(InstanceId::ZERO, security)]);
        hides_the_secret(&format!("{store:?}"));
        let saved = Object::save(&store).unwrap();
        hides_the_secret(&format!("{saved:?} {:?}", saved.instances[0].resources));
        let tree = in_tree(store);
        hides_the_secret(&format!("{tree:?} {:?}", tree.snapshot()));
    }
    for (at, value) in [
        ("/0/0/3", Value::from(SECRET)),
        ("/0/0/5", Value::from(SECRET)),
        ("/0/0/8", Value::from(SECRET)),
        ("/9/0/14", Value::from(str::from_utf8(SECRET).unwrap())),
        ("/9/0/15", Value::from(str::from_utf8(SECRET).unwrap())),
    ] {
        let path: Path = at.parse().unwrap();
        hides_the_secret(&format!("{:?}", Change::Set { path, value }));
    }
    hides_the_secret(&format!("{:?}", software_management_registered()));
}

#[cfg(feature = "serde")]
#[test]
fn structs_serialise() {
    #[track_caller]
    fn serialises<T>(value: &T)
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + Debug,
    {
        let text = serde_json::to_string(value).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
    }
    securities().iter().for_each(serialises);
    serialises(&server());
    serialises(&device());
    serialises(&monitoring());
    serialises(&statistics());
    serialises(&firmware_update());
    serialises(&location());
    serialises(&software_management_registered());
    serialises(&firmware::Snapshot {
        state: firmware::State::Downloading,
        package_uri: "coap://192.0.2.1/fw".into(),
        received: 1024,
        ..firmware::Snapshot::default()
    });
    serialises(&software::Snapshot {
        state: software::State::Delivered,
        result: software::UpdateResult::InstallationFailed,
        installing: true,
        ..software::Snapshot::default()
    });
}

/// Rights and Short Server IDs have 16 bits (TS E.3).
#[test]
fn access_control_is_in_range() {
    let control = typed::AccessControl {
        target: typed::AclTarget::Instance(ObjectId::DEVICE, InstanceId::ZERO),
        acl: vec![(101, AccessRights::READ)],
        owner: 101,
    };
    let mut tree = in_tree(Store::of([(InstanceId::ZERO, control)]));
    for at in ["/2/0/0", "/2/0/1", "/2/0/2/101", "/2/0/3"] {
        let path: Path = at.parse().unwrap();
        for number in [-1, 65536, i64::MIN, i64::MAX] {
            assert_eq!(tree.set(path, number), Err(WriteError::OutOfRange(path)));
        }
    }
}
