//! What the Client has, and who may do what with it.

use std::sync::atomic::{AtomicU64, Ordering};

use lwm2m_core::{
    AccessRights, DataType, InstanceId, Instant, ObjectId, Path, ResourceId, ShortServerId, Value,
};
use lwm2m_objects::{
    Answer, Change, ConnectivityStatisticsObject, DeviceObject, InstanceSink, LargeValue, Object,
    ObjectDefinition, ObjectTree, Operations, ReadError, ResourceDefinition, ResourceSink, Store,
    firmware::{self, FirmwareUpdateObject},
    software::{self, Numbering, SoftwareManagementObject},
    typed::{self, AccessControl, AclTarget, FirmwareUpdate, SmsSecurity},
};

use super::{kind::Kind, numbers};

/// The server of the account with this number. The first three are there from the beginning.
pub(super) const SERVERS: [ShortServerId; 5] = [
    ShortServerId::new(101).unwrap(),
    ShortServerId::new(102).unwrap(),
    ShortServerId::new(103).unwrap(),
    ShortServerId::new(104).unwrap(),
    ShortServerId::new(105).unwrap(),
];
/// The account of the Bootstrap-Server.
pub(super) const BOOTSTRAP: u16 = 9;
pub(super) const THING: ObjectId = ObjectId::new(26_241);
/// Grows with every change of the application. No server can write it.
pub(super) const COUNTER: Path = Path::of(&[26_241, 0, 0]).unwrap();
pub(super) const REBOOT: Path = Path::of(&[3, 0, 4]).unwrap();
pub(super) const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();

/// What no server may ever see.
pub(super) const KEY: &[u8] = b"0123456789abcdef";

/// The number of the first values of the Things: as if an operation had written them.
const FIRST_NUMBERS: [u32; 2] = [0, 1];

static RESOURCES: [ResourceDefinition; 6] = [
    ResourceDefinition::new(0, "Counter", Operations::Read, DataType::Integer),
    ResourceDefinition::new(1, "Number", Operations::ReadWrite, DataType::Integer).mandatory(),
    ResourceDefinition::new(2, "Text", Operations::ReadWrite, DataType::String),
    ResourceDefinition::new(3, "Slots", Operations::ReadWrite, DataType::Integer).multiple(),
    ResourceDefinition::executable(4, "Run"),
    ResourceDefinition::new(5, "Blob", Operations::ReadWrite, DataType::Opaque),
];
static DEFINITION: ObjectDefinition =
    ObjectDefinition::new(THING, "Thing", "urn:oma:lwm2m:x:26241", &RESOURCES).multiple();

/// A value that is read from its Object piece by piece. Another version of it is there after some of them.
#[derive(Default)]
struct Log(AtomicU64);

const LOG: ObjectId = ObjectId::new(26_243);
const LOG_LENGTH: usize = 200;
const READS_OF_A_VERSION: u64 = 20;

static LOG_RESOURCES: [ResourceDefinition; 1] =
    [ResourceDefinition::new(0, "Log", Operations::Read, DataType::Opaque).mandatory()];
static LOG_DEFINITION: ObjectDefinition =
    ObjectDefinition::new(LOG, "Log", "urn:oma:lwm2m:x:26243", &LOG_RESOURCES);

impl Object for Log {
    fn definition(&self) -> &ObjectDefinition {
        &LOG_DEFINITION
    }

    fn read(
        &self,
        _: InstanceId,
        _: ResourceId,
        _: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        Err(ReadError::Unavailable)
    }

    fn read_instance(&self, _: InstanceId, _: &mut InstanceSink<'_>) -> Result<(), ReadError> {
        Ok(())
    }

    fn large(&self, _: InstanceId, _: ResourceId) -> Option<LargeValue> {
        Some(LargeValue {
            length: LOG_LENGTH,
            version: self.0.load(Ordering::Relaxed) / READS_OF_A_VERSION,
        })
    }

    fn read_piece(
        &self,
        _: InstanceId,
        _: ResourceId,
        offset: usize,
        piece: &mut [u8],
    ) -> Result<(), ReadError> {
        assert!(offset + piece.len() <= LOG_LENGTH, "beyond the end");
        self.0.fetch_add(1, Ordering::Relaxed);
        piece.fill(b'l');
        Ok(())
    }

    fn apply(&mut self, _: &[Change]) {}
}

pub(super) fn instance(id: u16) -> InstanceId {
    InstanceId::new(id).expect("an Object Instance ID")
}

/// The Thing with this number.
pub(super) fn thing(id: u16) -> Path {
    Path::Instance(THING, instance(id))
}

pub(super) fn tree(kind: Kind, now: Instant) -> ObjectTree {
    let mut tree = ObjectTree::new();
    let accounts = if kind.has_one_server() { 1 } else { 3 };
    let accounts = || (0..accounts).map(|account| (instance(account), account));
    let bootstrap = typed::Security::no_sec("coap://bootstrap", SERVERS[0]);
    let bootstrap = (instance(BOOTSTRAP), bootstrap.into_bootstrap_server());
    let securities = accounts().map(|(id, account)| (id, security(account)));
    tree.add(Store::of(securities.chain([bootstrap])));
    tree.add(Store::of(
        accounts().map(|(id, account)| (id, server(account, kind))),
    ));
    let controls = (0..).map(instance).zip(controls());
    let controls = controls.filter(|(_, control)| match control.target {
        AclTarget::Instance(ObjectId::SERVER, id) => accounts().any(|(account, _)| account == id),
        _ => true,
    });
    tree.add(Store::of(controls));
    let device = typed::Device {
        timezone: Some("UTC".into()),
        ..typed::Device::example()
    };
    tree.add(DeviceObject::new(device, now).expect("values in range"));
    tree.add(firmware(kind));
    let statistics = typed::ConnectivityStatistics {
        sms_tx_counter: Some(0),
        tx_data: Some(0),
        rx_data: Some(0),
        max_message_size: Some(0),
        average_message_size: Some(0),
        collection_period: Some(0),
        ..typed::ConnectivityStatistics::default()
    };
    tree.add(ConnectivityStatisticsObject::new(statistics));
    tree.add(software(kind));
    tree.add(things(0));
    tree.add(Log::default());
    if kind.has_left_factory() {
        tree.leave_factory();
    }
    tree
}

fn security(account: u16) -> typed::Security {
    let server = SERVERS[usize::from(account)];
    let security = if account == 1 {
        typed::Security::pre_shared_key("coaps://server1", server, "device", KEY)
    } else {
        typed::Security::no_sec(format!("coap://server{account}"), server)
    };
    security.with_sms(SmsSecurity {
        server_number: Some(number(account)),
        ..SmsSecurity::default()
    })
}

/// The telephone number of a server.
pub(super) fn number(account: u16) -> String {
    format!("4917000001{account:02}")
}

fn server(account: u16, kind: Kind) -> typed::Server {
    typed::Server {
        default_minimum_period: Some(0),
        notification_storing: account != 2,
        binding: kind.binding(),
        ..typed::Server::new(SERVERS[usize::from(account)], kind.lifetime())
    }
}

/// The changes that make an account.
pub(super) fn new_account(account: u16, kind: Kind) -> Vec<Change> {
    let id = instance(account);
    let mut tree = ObjectTree::new();
    tree.add(Store::of([(id, security(account))]));
    tree.add(Store::of([(id, server(account, kind))]));
    let mut changes = Vec::new();
    for object in [ObjectId::SECURITY, ObjectId::SERVER] {
        let path = Path::Instance(object, id);
        changes.push(Change::Create { path });
        for resource in tree.resources(object, id) {
            let path = Path::Resource(object, id, resource.id);
            tree.visit(path, |path, value| {
                let value = value.to_owned();
                changes.push(Change::Set { path, value });
            });
        }
    }
    changes
}

/// The Things. Counters begin with this number.
pub(super) fn things(counter: u32) -> Store {
    let texts = FIRST_NUMBERS.map(|number| numbers::operation(number).to_string());
    let values = FIRST_NUMBERS.map(|number| Value::Integer(numbers::operation(number).into()));
    let [first, second] = [instance(0), instance(1)];
    Store::new(&DEFINITION)
        .with(first, 0, i64::from(numbers::counter(counter)))
        .with(first, 1, values[0].clone())
        .with(first, 2, texts[0].as_str())
        .with_instances(first, 3, [(0, values[0].clone())])
        .with_executable(first, 4)
        .with(first, 5, vec![7; 100])
        .with(second, 1, values[1].clone())
        .with(second, 2, texts[1].as_str())
        .with_executable(second, 4)
        .managed(5)
}

/// The first server owns everything, and the second Thing alone; the others may use the first one.
fn controls() -> impl Iterator<Item = AccessControl> {
    let use_it = AccessRights::READ | AccessRights::WRITE | AccessRights::EXECUTE;
    let first = SERVERS[0].get();
    let all = [
        (ObjectId::SERVER, 0, None),
        (ObjectId::SERVER, 1, Some(use_it)),
        (ObjectId::SERVER, 2, Some(use_it)),
        (ObjectId::DEVICE, 0, Some(use_it)),
        (THING, 0, Some(use_it)),
        (THING, 1, None),
        (ObjectId::FIRMWARE_UPDATE, 0, Some(use_it)),
        (ObjectId::CONNECTIVITY_STATISTICS, 0, Some(use_it)),
        (ObjectId::SOFTWARE_MANAGEMENT, 0, Some(use_it)),
    ];
    let controls = all
        .into_iter()
        .map(move |(object, id, default)| AccessControl {
            target: AclTarget::Instance(object, instance(id)),
            acl: default.into_iter().map(|rights| (0, rights)).collect(),
            owner: first,
        });
    let creates = AccessControl {
        target: AclTarget::Object(THING),
        acl: vec![(first, AccessRights::CREATE)],
        owner: AccessControl::NOBODY,
    };
    let log = AccessControl::on_instance(LOG, InstanceId::ZERO, SERVERS[0]);
    controls.chain([creates, log.with_default(AccessRights::READ)])
}

fn firmware(kind: Kind) -> FirmwareUpdateObject {
    let firmware = FirmwareUpdate {
        package_uri: String::new(),
        state: firmware::State::Idle,
        result: firmware::UpdateResult::Initial,
        package_name: None,
        package_version: None,
        protocols: Vec::new(),
        delivery: firmware::DeliveryMethod::Both,
    };
    let is_slow = kind.is_slow_to_update();
    let firmware = FirmwareUpdateObject::new(firmware, move |event| match event {
        firmware::Event::Update | firmware::Event::Verify if is_slow => Answer::Later,
        _ => Answer::Done,
    });
    firmware.expect("names that fit")
}

fn software(kind: Kind) -> SoftwareManagementObject {
    let component = typed::SoftwareManagement {
        package_name: "component".into(),
        package_version: "1".into(),
        update_supported_objects: Some(false),
        ..typed::SoftwareManagement::default()
    };
    let is_slow = kind.is_slow_to_update();
    let object =
        SoftwareManagementObject::new(Numbering::Registered, move |_, event| match event {
            software::Event::Verify | software::Event::Install if is_slow => Answer::Later,
            _ => Answer::Done,
        });
    object
        .with(InstanceId::ZERO, component)
        .expect("values in range")
}
