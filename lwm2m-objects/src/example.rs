//! The example client of the specification (TS Appendix F): `example-client`, a simple imaginary
//! device with a cellular interface and two LwM2M Servers.
//!
//! Its values are those of the specification. The keys are public, for tests and demonstrations
//! only.
//!
//! ```
//! use lwm2m_core::{ObjectId, Value};
//! use lwm2m_objects::example;
//!
//! let tree = example::client();
//! assert_eq!(tree.get("/3/0/0".parse()?), Some(Value::from("Open Mobile Alliance")));
//! assert_eq!(tree.instances(ObjectId::FIRMWARE_UPDATE).count(), 0);
//! # Ok::<(), lwm2m_core::PathError>(())
//! ```

use lwm2m_core::{AccessRights, BindingMode, InstanceId, ObjectId, ShortServerId};

use crate::{
    definition::builtin::FIRMWARE_UPDATE,
    tree::{ObjectTree, Store},
    typed::{
        AccessControl, AclTarget, ConnectivityMonitoring, Device, FirmwareUpdate, Security, Server,
        Typed as _,
    },
};

/// The Endpoint Client Name.
pub const ENDPOINT_NAME: &str = "example-client";

/// The Short Server ID of Server 1, which controls the access rights of both.
pub const SERVER_1: ShortServerId = ShortServerId::new(101).unwrap();

/// The Short Server ID of Server 2.
pub const SERVER_2: ShortServerId = ShortServerId::new(102).unwrap();

/// The Objects of the example client (Table 29): Security, Server, Access Control, Device,
/// Connectivity Monitoring, and Firmware Update without an instance, which Server 1 may create.
pub fn client() -> ObjectTree {
    let mut tree = ObjectTree::new();
    tree.add(Store::of(numbered(security())));
    tree.add(Store::of(numbered(servers())));
    tree.add(Store::of(numbered(access_control())));
    tree.add(Store::of(numbered([Device::example()])));
    tree.add(Store::of(numbered([connectivity_monitoring()])));
    let firmware = Store::new(&FIRMWARE_UPDATE).managed(1);
    tree.add(firmware.initially(|store, id| FirmwareUpdate::default().store(store, id)));
    tree
}

/// Object Instances from 0 on.
fn numbered<T, const N: usize>(instances: [T; N]) -> impl Iterator<Item = (InstanceId, T)> {
    let ids = (0..=u16::MAX).filter_map(InstanceId::new);
    ids.zip(instances)
}

/// The Bootstrap-Server, Server 1 and Server 2 (Tables 30 to 32).
pub fn security() -> [Security; 3] {
    const IDENTITY: &str = "b313cc22-f969-42ec-ad42";

    let bootstrap = Security {
        client_hold_off_time: Some(3600),
        ..Security::pre_shared_key(
            "coaps://bootstrap.example.com",
            SERVER_1,
            IDENTITY,
            const { hex::<16>(b"e129791359950cbb1c8c3c582913b551") },
        )
        .into_bootstrap_server()
    };
    let server_1 = Security::pre_shared_key(
        "coaps://server1.example.com",
        SERVER_1,
        IDENTITY,
        const { hex::<16>(b"1ca2028d7197c778e9aef5ef69082bea") },
    );
    let server_2 = Security::raw_public_key(
        "coaps://server2.example.com",
        SERVER_2,
        CLIENT_PUBLIC_KEY,
        CLIENT_PRIVATE_KEY,
        SERVER_PUBLIC_KEY,
    );
    [bootstrap, server_1, server_2]
}

/// Server 1 and Server 2 (Tables 33, 34).
pub fn servers() -> [Server; 2] {
    let server = Server {
        default_maximum_period: Some(6000),
        disable_timeout: Some(86_400),
        ..Server::new(SERVER_1, 86_400)
    };
    let server_1 = Server {
        default_minimum_period: Some(300),
        ..server.clone()
    };
    let server_2 = Server {
        short_server_id: SERVER_2,
        default_minimum_period: Some(60),
        notification_storing: false,
        binding: BindingMode::UQ,
        ..server
    };
    [server_1, server_2]
}

/// The access rights (Tables 35 to 39).
pub fn access_control() -> [AccessControl; 5] {
    const ALL_BUT_CREATE: AccessRights = AccessControl::OWNER_RIGHTS;
    const READ: AccessRights = AccessRights::READ;
    const SECOND: InstanceId = InstanceId::new(1).unwrap();

    let on = |object, instance, acl: &[(u16, AccessRights)], owner: u16| AccessControl {
        target: AclTarget::Instance(object, instance),
        acl: acl.into(),
        owner,
    };
    [
        on(
            ObjectId::SERVER,
            InstanceId::ZERO,
            &[(101, ALL_BUT_CREATE)],
            101,
        ),
        on(ObjectId::SERVER, SECOND, &[(102, ALL_BUT_CREATE)], 102),
        on(
            ObjectId::DEVICE,
            InstanceId::ZERO,
            &[(101, ALL_BUT_CREATE), (102, READ)],
            101,
        ),
        on(
            ObjectId::CONNECTIVITY_MONITORING,
            InstanceId::ZERO,
            &[(0, READ), (101, READ)],
            101,
        ),
        AccessControl {
            target: AclTarget::Object(ObjectId::FIRMWARE_UPDATE),
            acl: [(101, AccessRights::CREATE)].into(),
            owner: AccessControl::NOBODY,
        },
    ]
}

/// A GSM interface (Table 41).
pub fn connectivity_monitoring() -> ConnectivityMonitoring {
    ConnectivityMonitoring {
        network_bearer: 0,
        available_network_bearers: [0].into(),
        radio_signal_strength: 92,
        link_quality: Some(2),
        ip_addresses: ["192.168.0.100".into()].into(),
        router_ip_addresses: ["192.168.1.1".into()].into(),
        link_utilization: Some(5),
        apns: ["internet".into()].into(),
        ..ConnectivityMonitoring::default()
    }
}

/// A `SubjectPublicKeyInfo` of P-256.
const CLIENT_PUBLIC_KEY: [u8; 91] = hex(b"3059301306072a8648ce3d020106082a8648ce3d03010703420004\
    a09dcb1bc739e7f19afa9adcb1944968bfba73efcec29b50486eb44d1b29c193\
    449970a3736830cb2bd5d7ec05d2bd1fc07b6df5e48b54ce77a6a7229c3a91c2");

/// A `SubjectPublicKeyInfo` of P-256.
const SERVER_PUBLIC_KEY: [u8; 91] = hex(b"3059301306072a8648ce3d020106082a8648ce3d03010703420004\
    82c773f378d30c2783a48eb811b96cf6a90694a8564f1e7f6d366152f1169895\
    0f6f7c40cda585334f837750a102f5bf25508ceb9e55dfc0f12a455199a4c960");

/// The private key of P-256 with its public key.
const CLIENT_PRIVATE_KEY: [u8; 121] = hex(b"30770201010420\
    9f352da16495748e146fcb5370b8e96d292ced5567a8fae55a22bb67d91651b8\
    a00a06082a8648ce3d030107a14403420004\
    a09dcb1bc739e7f19afa9adcb1944968bfba73efcec29b50486eb44d1b29c193\
    449970a3736830cb2bd5d7ec05d2bd1fc07b6df5e48b54ce77a6a7229c3a91c2");

/// Bytes from hexadecimal digits. In a constant, a wrong digit or length is a compile error.
#[cfg_attr(
    not(test),
    expect(
        clippy::panic,
        clippy::indexing_slicing,
        reason = "evaluated by the compiler"
    )
)]
const fn hex<const N: usize>(digits: &[u8]) -> [u8; N] {
    const fn digit(digit: u8) -> u8 {
        match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => panic!("not a hexadecimal digit"),
        }
    }
    assert!(digits.len() == 2 * N, "the wrong number of digits");
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = digit(digits[2 * at]) << 4 | digit(digits[2 * at + 1]);
        at += 1;
    }
    bytes
}
