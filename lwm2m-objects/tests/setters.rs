//! All values that the application may set can be saved, and are restored equal.

#![cfg(feature = "serde")]

mod common;

use common::{device, firmware, software, statistics};
use lwm2m_core::{
    AccessRights, InstanceId, Instant, ObjectId, Path, ShortServerId, Value, codec::Content,
};
use lwm2m_objects::{
    Answer, Change, ConnectivityStatisticsObject, DeviceObject, ErrorCode, LocationObject,
    ObjectTree, Snapshot, Store, WriteError,
    firmware::{self, FirmwareUpdateObject, Protocol},
    software::{self, Numbering, SoftwareManagementObject},
    typed,
};
use proptest::{prelude::*, sample::Index};

const SERVER: ShortServerId = ShortServerId::new(1).unwrap();

/// Numbers and a text for a step to choose from: often at or beyond a bound.
#[derive(Clone, Debug)]
struct Draw {
    step: u8,
    byte: u8,
    number: i64,
    float: f64,
    text: String,
    place: Index,
}

fn draw() -> impl Strategy<Value = Draw> {
    let number = prop_oneof![
        any::<i64>(),
        -2..12_i64,
        Just(i64::MAX),
        Just(255),
        Just(65535)
    ];
    let float = prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(-0.0)
    ];
    let text = prop_oneof![
        "[a-z]{0,4}",
        Just("coap://h/p".to_owned()),
        (250..260_usize).prop_map(|length| format!("coap://h/{}", "p".repeat(length - 9))),
    ];
    let byte = prop_oneof![any::<u8>(), 0..12_u8];
    (any::<u8>(), byte, number, float, text, any::<Index>()).prop_map(
        |(step, byte, number, float, text, place)| Draw {
            step,
            byte,
            number,
            float,
            text,
            place,
        },
    )
}

impl Draw {
    fn short(&self) -> u16 {
        u16::try_from(self.number.rem_euclid(65536)).unwrap()
    }

    fn long(&self) -> u64 {
        self.number.cast_unsigned()
    }

    fn some_text(&self) -> Option<String> {
        (!self.byte.is_multiple_of(3)).then(|| self.text.clone())
    }

    /// A value of any data type.
    fn value(&self) -> Value {
        match self.byte % 7 {
            0 => Value::Integer(self.number),
            1 => Value::Float(self.float),
            2 => Value::from(self.text.as_str()),
            3 => Value::Boolean(self.number > 0),
            4 => Value::Opaque(self.text.clone().into_bytes()),
            5 => Value::Time(self.number),
            _ => Value::ObjectLink("3:0".parse().unwrap()),
        }
    }

    fn device(&self) -> typed::Device {
        typed::Device {
            power_sources: vec![self.power_source()],
            battery_level: Some(self.byte),
            error_codes: vec![self.byte, 0],
            battery_status: Some(self.byte / 2),
            manufacturer: self.some_text(),
            current_time: Some(self.number),
            reset_error_code: self.number > 0,
            ..typed::Device::example()
        }
    }

    fn power_source(&self) -> typed::PowerSource {
        typed::PowerSource {
            kind: self.byte,
            voltage: i32::try_from(self.number).unwrap_or(i32::MIN),
            current: i32::MAX,
        }
    }

    fn location(&self) -> typed::Location {
        typed::Location {
            altitude: Some(self.float),
            velocity: Some(self.text.clone().into_bytes()),
            ..typed::Location::new(self.float, -self.float, self.number)
        }
    }

    fn firmware(&self) -> typed::FirmwareUpdate {
        typed::FirmwareUpdate {
            package_name: self.some_text(),
            package_version: self.some_text(),
            protocols: vec![Protocol::Coap],
            ..typed::FirmwareUpdate::default()
        }
    }

    fn software(&self) -> typed::SoftwareManagement {
        typed::SoftwareManagement {
            user_name: self.some_text(),
            component_tree_length: Some(u32::MAX),
            ..typed::SoftwareManagement::new(self.text.clone(), self.text.clone())
        }
    }

    fn security(&self) -> typed::Security {
        let sms = typed::SmsSecurity {
            mode: Some(typed::SmsSecurityMode::Other(self.byte)),
            key_parameters: Some([self.byte; 6]),
            secret_keys: Some(vec![0; usize::from(self.byte)]),
            server_number: self.some_text(),
        };
        let server = ShortServerId::new(self.short()).unwrap_or(SERVER);
        typed::Security::no_sec(self.text.clone(), server).with_sms(sms)
    }

    fn access_control(&self) -> typed::AccessControl {
        typed::AccessControl {
            target: typed::AclTarget::Object(ObjectId::new(self.short())),
            acl: vec![(self.short(), AccessRights::from_bits(self.short()))],
            owner: self.short(),
        }
    }

    fn monitoring(&self) -> typed::ConnectivityMonitoring {
        typed::ConnectivityMonitoring {
            link_utilization: Some(self.byte),
            radio_signal_strength: i32::MIN,
            smnc: Some(self.short()),
            ip_addresses: vec![self.text.clone()],
            ..typed::ConnectivityMonitoring::default()
        }
    }
}

/// The Objects of a Client, made from any valid configuration.
fn made(draw: &Draw) -> ObjectTree {
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(InstanceId::ZERO, draw.security())]));
    let server = typed::Server::new(SERVER, u32::from(draw.short()));
    tree.add(Store::of([(InstanceId::ZERO, server)]));
    tree.add(Store::of([(InstanceId::ZERO, draw.access_control())]));
    tree.add(Store::of([(InstanceId::ZERO, draw.monitoring())]));
    let device = DeviceObject::new(draw.device(), Instant::ZERO);
    let example = || DeviceObject::new(typed::Device::example(), Instant::ZERO);
    tree.add(device.or_else(|_| example()).unwrap());
    tree.add(LocationObject::new(draw.location()));
    tree.add(ConnectivityStatisticsObject::new(
        typed::ConnectivityStatistics {
            tx_data: Some(draw.long()),
            ..typed::ConnectivityStatistics::ALL
        },
    ));
    let firmware = |config| {
        FirmwareUpdateObject::new(config, |event| match event {
            firmware::Event::Fetch { .. } | firmware::Event::Update => Answer::Later,
            _ => Answer::Done,
        })
    };
    let object = firmware(draw.firmware()).or_else(|_| firmware(typed::FirmwareUpdate::default()));
    tree.add(object.unwrap());
    let numbering = if draw.byte.is_multiple_of(2) {
        Numbering::Registered
    } else {
        Numbering::Candidate
    };
    let software = |config| {
        SoftwareManagementObject::new(numbering, |_, event| match event {
            software::Event::Fetch { .. } | software::Event::Verify | software::Event::Install => {
                Answer::Later
            }
            _ => Answer::Done,
        })
        .with(InstanceId::ZERO, config)
    };
    let object = software(draw.software())
        .or_else(|_| software(typed::SoftwareManagement::new("name", "1")));
    tree.add(object.unwrap());
    tree
}

/// One call of the application. A refused call changes nothing.
fn call(tree: &mut ObjectTree, draw: &Draw) {
    let now = Instant::from_millis(draw.long() % 1_000_000_000);
    let id = InstanceId::new(draw.short() % 3).unwrap();
    match draw.step % 26 {
        0..=5 => set(tree, draw),
        6 => device(tree).set_time(now, draw.number),
        7 => device(tree).report(ErrorCode::from_number(draw.byte).unwrap_or(ErrorCode::Sms)),
        8 => device(tree).reset_errors(),
        9 => {
            let _ = device(tree).set_power_source(draw.short(), draw.power_source());
        }
        10 => device(tree).remove_power_source(draw.short() % 3),
        11 => location(tree).moved(draw.location()),
        12 => {
            statistics(tree).start(now);
            statistics(tree).sent(now, usize::try_from(draw.long()).unwrap_or(usize::MAX));
        }
        13 => statistics(tree).received(now, usize::MAX),
        14 => statistics(tree).sms_sent(now),
        15 => {
            let _ = firmware(tree).set_package(draw.some_text(), draw.some_text());
        }
        16 => {
            let _ = firmware(tree).progress(draw.long());
        }
        17 => {
            let _ = firmware(tree).failed(firmware::DownloadError::Memory);
        }
        18 => {
            let _ = firmware(tree).downloaded();
        }
        19 => {
            let state = firmware::State::from_number(draw.byte % 4).unwrap();
            let result = firmware::UpdateResult::from_number(draw.byte % 10).unwrap();
            let snapshot = firmware::Snapshot {
                state,
                result,
                package_uri: draw.text.clone(),
                received: draw.long(),
            };
            let _ = firmware(tree).restore(snapshot);
        }
        20 => {
            let numbering = Numbering::Registered;
            let state = software::State::from_number(draw.byte % 5, numbering).unwrap();
            let result = software::UpdateResult::from_number(draw.byte, numbering);
            let snapshot = software::Snapshot {
                state,
                result: result.unwrap_or_default(),
                active: draw.number > 0,
                installing: draw.number % 2 > 0,
                package_uri: draw.text.clone(),
                received: draw.long(),
            };
            let _ = software(tree).restore(id, snapshot);
        }
        21 => {
            let _ = software(tree).progress(id, draw.long());
        }
        22 => {
            let _ = software(tree).downloaded(id);
        }
        23 => {
            let _ = software(tree).verified(id);
        }
        24 => {
            let _ = software(tree).failed(id, software::DownloadError::Device);
        }
        _ => {
            // Whoever makes the list of changes.
            let path = resource(tree, draw);
            let value = draw.value();
            let _ = tree.change([Change::Set { path, value }]);
        }
    }
}

/// A Resource of the tree, or an instance of it.
fn resource(tree: &ObjectTree, draw: &Draw) -> Path {
    let mut all = Vec::new();
    for object in tree.objects().map(lwm2m_objects::Object::definition) {
        for instance in tree.instances(object.id) {
            for resource in &*object.resources {
                let path = Path::Resource(object.id, instance, resource.id);
                let part = Path::ResourceInstance(
                    object.id,
                    instance,
                    resource.id,
                    u16::from(draw.byte).into(),
                );
                all.push(if resource.is_multiple() { part } else { path });
            }
        }
    }
    *draw.place.get(&all)
}

fn set(tree: &mut ObjectTree, draw: &Draw) {
    let path = resource(tree, draw);
    let _ = tree.set(path, draw.value());
}

fn location(tree: &mut ObjectTree) -> &mut LocationObject {
    tree.object_as_mut(ObjectId::LOCATION).unwrap()
}

/// All readable values, to compare; NaN is equal to itself.
fn told(tree: &ObjectTree) -> Vec<String> {
    let mut told = Vec::new();
    for object in tree.objects().map(lwm2m_objects::Object::definition) {
        for instance in tree.instances(object.id) {
            for resource in tree.resources(object.id, instance) {
                let path = Path::Resource(object.id, instance, resource.id);
                told.push(format!("{path}"));
                tree.visit(path, |path, value| told.push(format!("{path} {value:?}")));
            }
        }
    }
    told
}

proptest! {
    #[test]
    fn what_is_set_is_saved_and_comes_back(
        first in draw(),
        calls in prop::collection::vec(draw(), 0..40),
    ) {
        let mut tree = made(&first);
        for draw in &calls {
            call(&mut tree, draw);
        }
        let saved = serde_json::to_string(&tree.snapshot()).unwrap();
        let snapshot: Snapshot = serde_json::from_str(&saved).unwrap();
        let mut restarted = made(&first);
        prop_assert_eq!(restarted.restore(&snapshot), Ok(()));
        prop_assert_eq!(serde_json::to_string(&restarted.snapshot()).unwrap(), saved);
        prop_assert_eq!(told(&restarted), told(&tree));
    }
}

/// A value that doesn't fit is refused when it is set, and changes nothing.
#[test]
fn out_of_range_is_refused_by_the_setters() {
    let long = || Some("x".repeat(256));
    let at = |text: &str| text.parse::<Path>().unwrap();
    let range = |text: &str| Some(WriteError::OutOfRange(at(text)));

    let device = |device| DeviceObject::new(device, Instant::ZERO);
    let battery_level = Some(101);
    let error = device(typed::Device {
        battery_level,
        ..typed::Device::default()
    })
    .err();
    assert_eq!(error, range("/3/0/9"));
    let error_codes = vec![9];
    let error = device(typed::Device {
        error_codes,
        ..typed::Device::default()
    })
    .err();
    assert_eq!(error, range("/3/0/11/0"));
    let mut device = device(typed::Device::example()).unwrap();
    let source = typed::PowerSource {
        kind: 8,
        voltage: 1,
        current: 1,
    };
    assert_eq!(device.set_power_source(0, source).err(), range("/3/0/6/0"));
    let mut tree = ObjectTree::new();
    tree.add(device);
    assert_eq!(tree.get(at("/3/0/7/0")), Some(Value::Integer(3800)));

    let firmware = |config| FirmwareUpdateObject::new(config, |_| Answer::Done);
    let package_name = long();
    let config = typed::FirmwareUpdate {
        package_name,
        ..typed::FirmwareUpdate::default()
    };
    assert_eq!(firmware(config).err(), range("/5/0/6"));
    let mut firmware = firmware(typed::FirmwareUpdate::default()).unwrap();
    assert_eq!(
        firmware.set_package(Some("a".into()), long()).err(),
        range("/5/0/7")
    );
    tree.add(firmware);
    assert_eq!(tree.get(at("/5/0/6")), None);

    let software = SoftwareManagementObject::new(Numbering::Registered, |_, _| Answer::Done);
    let config = typed::SoftwareManagement::new("x".repeat(256), "1");
    assert_eq!(
        software.with(InstanceId::ZERO, config).err(),
        range("/9/0/0")
    );

    let server = typed::Security::no_sec("x".repeat(256), SERVER);
    let store = Store::of([(InstanceId::ZERO, server)]);
    assert_eq!(store.checked().err(), range("/0/0/0"));
    let content: Content = [(at("/3/0/9"), Value::Integer(101))].into_iter().collect();
    let mut write = tree.bootstrap_write(at("/3/0")).unwrap();
    assert_eq!(content.push(&mut write).err(), range("/3/0/9"));
}

/// A URI that is too long for Package URI is invalid, and is not kept.
#[test]
fn a_machine_keeps_no_uri_that_is_too_long() {
    let uri = format!("coap://h/{}", "p".repeat(247));
    let mut machine = firmware::Machine::new(firmware::DeliveryMethod::Both, []);
    machine
        .write_package_uri(&uri, &mut |_| Answer::Later)
        .unwrap();
    let invalid = firmware::UpdateResult::Download(firmware::DownloadError::InvalidUri);
    assert_eq!((machine.result(), machine.package_uri()), (invalid, ""));
    assert_eq!(machine.snapshot().check(), Ok(()));

    let mut machine = software::Machine::new(Numbering::Registered);
    machine
        .write_package_uri(&uri, &mut |_| Answer::Later)
        .unwrap();
    let invalid = software::UpdateResult::Download(software::DownloadError::InvalidUri);
    assert_eq!((machine.result(), machine.package_uri()), (invalid, ""));
    assert_eq!(machine.snapshot().check(Numbering::Registered), Ok(()));
}
