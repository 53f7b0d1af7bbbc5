//! The Objects of the device, and who may do what with them.

use core::time::Duration;
use std::{collections::BTreeMap, io, time::SystemTime};

use lwm2m_core::{
    AccessRights, InstanceId, Instant, ObjectId, ObjectLink, Path, ShortServerId, Value,
};
use lwm2m_objects::{
    ConnectivityStatisticsObject, DeviceObject, LocationObject, ObjectDefinition, ObjectTree,
    Snapshot, Store, ddf,
    firmware::{FirmwareUpdateObject, State},
    typed::{self, AccessControl, AclTarget},
};

use super::{
    firmware::Played,
    invalid,
    settings::{ServerAt, Settings},
    software::Component,
    thermostat::{self, THERMOSTAT, Thermostats},
    world::{self, CURRENT_TIME},
};

const FIRMWARE_VERSION: Path = Path::of(&[3, 0, 3]).unwrap();
/// What the device knows of Object 3442; a server may be given the same file.
const TEST_OBJECT: &[u8] = include_bytes!("../../objects/3442.xml");
const FIRST: ShortServerId = ShortServerId::new(1).unwrap();
/// The entry of an ACL for the servers that have none of their own.
const DEFAULT: u16 = 0;

/// The Objects, and the applications of those that need one.
pub(super) struct Objects {
    pub(super) tree: ObjectTree,
    pub(super) firmware: Played,
    pub(super) software: Component,
}

/// The Objects of a device that starts for the first time.
pub(super) fn new(settings: &Settings, now: Instant) -> io::Result<Objects> {
    let mut tree = ObjectTree::new();
    let ids = (0..=u16::MAX).filter_map(InstanceId::new);
    let servers = || ids.clone().zip(&settings.servers);
    let accounts =
        servers().map(|(id, server)| (id, settings.keys.account(&server.uri, server.id)));
    let bootstrap = settings.bootstrap.iter().map(|uri| {
        // It has no Short Server ID.
        let account = settings.keys.account(uri, FIRST);
        account.into_bootstrap_server()
    });
    let behind = ids.clone().skip(settings.servers.len());
    tree.add(Store::of(accounts.chain(behind.zip(bootstrap))));
    tree.add(Store::of(
        servers().map(|(id, server)| (id, account(settings, server))),
    ));
    let unix = unix_time();
    let device = DeviceObject::new(device(settings, unix), now).map_err(invalid)?;
    tree.add(device);
    tree.add(Store::of([(InstanceId::ZERO, connectivity())]));
    let (firmware, played) = Played::object().map_err(invalid)?;
    tree.add(firmware);
    tree.add(LocationObject::new(world::location(0.0, unix)));
    let mut statistics = ConnectivityStatisticsObject::new(typed::ConnectivityStatistics::ALL);
    statistics.start(now);
    tree.add(statistics);
    let (software, component) = Component::object()?;
    tree.add(software);
    tree.add(Thermostats::new()?);
    tree.add(test_object()?);
    let controls = access_control(settings, &tree)?;
    tree.add(Store::of(ids.zip(controls)).managed(usize::from(u16::MAX)));
    // What a Factory Reset restores.
    tree.leave_factory();
    Ok(Objects {
        tree,
        firmware: played,
        software: component,
    })
}

/// The Objects of a device that starts again: with all their values, and with the new firmware if
/// one was being installed.
pub(super) fn restarted(
    settings: &Settings,
    now: Instant,
    saved: &Snapshot,
) -> io::Result<Objects> {
    let mut objects = new(settings, now)?;
    let tree = &mut objects.tree;
    tree.restore(saved).map_err(invalid)?;
    let firmware: Option<&mut FirmwareUpdateObject> = tree.object_as_mut(ObjectId::FIRMWARE_UPDATE);
    if let Some(firmware) = firmware
        && firmware.machine().state() == State::Updating
    {
        firmware.updated().map_err(invalid)?;
        if let Some(Value::String(version)) = tree.get(FIRMWARE_VERSION) {
            tree.set(FIRMWARE_VERSION, next_version(&version))
                .map_err(invalid)?;
        }
    }
    Ok(objects)
}

/// The Objects of a device that was without power for so long, if that is known.
pub(super) fn woken(
    settings: &Settings,
    now: Instant,
    saved: &Snapshot,
    elapsed: Option<Duration>,
) -> io::Result<Objects> {
    let mut objects = restarted(settings, now, saved)?;
    let tree = &mut objects.tree;
    // Its clock has a battery.
    if let (Some(Value::Time(time)), Some(elapsed)) = (tree.get(CURRENT_TIME), elapsed) {
        let seconds = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
        let time = Value::Time(time.saturating_add(seconds));
        tree.set(CURRENT_TIME, time).map_err(invalid)?;
    }
    Ok(objects)
}

/// The version whose last number is greater by one.
fn next_version(version: &str) -> String {
    let last = version.rfind('.').map_or(0, |dot| dot + 1);
    let (kept, number) = version.split_at(last);
    match number.parse::<u32>() {
        Ok(number) => format!("{kept}{}", number.saturating_add(1)),
        Err(_) => format!("{version}.1"),
    }
}

fn account(settings: &Settings, server: &ServerAt) -> typed::Server {
    let account = &settings.account;
    typed::Server {
        default_minimum_period: Some(account.minimum_period),
        default_maximum_period: Some(account.maximum_period),
        notification_storing: account.storing,
        disable: true,
        // A day, as without one (TS E.2): so a server can write it.
        disable_timeout: Some(86_400),
        binding: account.binding,
        ..typed::Server::new(server.id, account.lifetime)
    }
}

/// The device of TS Appendix F, with the time of now and a bit more.
fn device(settings: &Settings, unix: i64) -> typed::Device {
    typed::Device {
        memory_free: Some(40_000),
        memory_total: Some(65_536),
        current_time: Some(unix),
        timezone: Some("Europe/Paris".into()),
        factory_reset: true,
        reset_error_code: true,
        device_type: Some("thermostat hub".into()),
        hardware_version: Some("1.0".into()),
        software_version: Some("1.0".into()),
        battery_status: Some(0),
        supported_binding: settings.account.binding,
        ..typed::Device::example()
    }
}

fn connectivity() -> typed::ConnectivityMonitoring {
    const LTE: u8 = 6;
    const WLAN: u8 = 21;
    typed::ConnectivityMonitoring {
        network_bearer: WLAN,
        available_network_bearers: [LTE, WLAN].into(),
        radio_signal_strength: -65,
        link_quality: Some(3),
        ip_addresses: ["192.168.0.100".into()].into(),
        router_ip_addresses: ["192.168.0.1".into()].into(),
        link_utilization: Some(5),
        ..typed::ConnectivityMonitoring::default()
    }
}

/// Seconds since 1970.
fn unix_time() -> i64 {
    let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    passed.map_or(0, |passed| i64::try_from(passed.as_secs()).unwrap_or(0))
}

/// Who may do what. The first server owns every Object Instance but the Server Object Instances of
/// the others, and may create thermostats. The others may read what isn't an account.
fn access_control(settings: &Settings, tree: &ObjectTree) -> io::Result<Vec<AccessControl>> {
    let Some(first) = settings.servers.first() else {
        return Ok(Vec::new());
    };
    let mut controls = BTreeMap::new();
    for object in tree.objects() {
        let object = object.definition().id;
        if object == ObjectId::SECURITY {
            continue;
        }
        for instance in tree.instances(object) {
            let control = AccessControl {
                target: AclTarget::Instance(object, instance),
                acl: match object {
                    ObjectId::SERVER => Vec::new(),
                    _ => [(DEFAULT, AccessRights::READ)].into(),
                },
                owner: match object {
                    ObjectId::SERVER => owner_of_account(settings, instance),
                    _ => first.id.get(),
                },
            };
            controls.insert(Path::Instance(object, instance), control);
        }
    }
    let creators = AccessControl {
        target: AclTarget::Object(THERMOSTAT),
        acl: [(first.id.get(), AccessRights::CREATE)].into(),
        owner: AccessControl::NOBODY,
    };
    controls.insert(Path::Object(THERMOSTAT), creators);
    for owner in &settings.owners {
        at(&mut controls, owner.path)?.owner = owner.server.get();
    }
    for right in &settings.rights {
        let control = match right.path {
            Path::Object(object) if tree.object(object).is_some() => {
                controls.entry(right.path).or_insert(AccessControl {
                    target: AclTarget::Object(object),
                    acl: Vec::new(),
                    owner: AccessControl::NOBODY,
                })
            }
            path => at(&mut controls, path)?,
        };
        control.acl.retain(|(server, _)| *server != right.server);
        control.acl.push((right.server, right.rights));
    }
    Ok(controls.into_values().collect())
}

/// The server of this Server Object Instance.
fn owner_of_account(settings: &Settings, instance: InstanceId) -> u16 {
    let server = settings.servers.get(usize::from(instance.get()));
    server.map_or(AccessControl::NOBODY, |server| server.id.get())
}

fn at(controls: &mut BTreeMap<Path, AccessControl>, path: Path) -> io::Result<&mut AccessControl> {
    let missing = || {
        let message = format!("{path} has no owner and no rights: the device has no such Instance");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    };
    controls.get_mut(&path).ok_or_else(missing)
}

/// The Objects of the device that aren't built in.
pub(super) fn definitions() -> io::Result<Vec<ObjectDefinition>> {
    Ok(vec![test_definition()?, thermostat::definition()?])
}

fn test_definition() -> io::Result<ObjectDefinition> {
    let definition = ddf::read(TEST_OBJECT).map_err(invalid)?.into_iter().next();
    definition.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// An Object with a Resource of each data type.
#[expect(
    clippy::approx_constant,
    reason = "what Object 3442 has at first, not the ratio of a circle"
)]
fn test_object() -> io::Result<Store> {
    let device = ObjectLink {
        object: 3,
        instance: 0,
    };
    Store::from_definition(test_definition()?)
        .map_err(invalid)?
        .with(InstanceId::ZERO, 110, "initial value")
        .with(InstanceId::ZERO, 120, 1024)
        .with(InstanceId::ZERO, 130, 3.14159)
        .with(InstanceId::ZERO, 140, true)
        .with(
            InstanceId::ZERO,
            150,
            &[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef][..],
        )
        .with(InstanceId::ZERO, 160, Value::Time(946_684_800))
        .with(InstanceId::ZERO, 170, device)
        .checked()
        .map_err(invalid)
}

#[cfg(test)]
mod tests {
    use lwm2m_core::{Operation, ShortServerId};
    use lwm2m_objects::access;

    use super::*;

    fn settings() -> Settings {
        let server = |number, uri: &str| ServerAt {
            id: ShortServerId::new(number).unwrap(),
            uri: uri.into(),
        };
        Settings::new("me", vec![server(101, "coap://a"), server(102, "coap://b")])
    }

    fn tree(settings: &Settings) -> ObjectTree {
        new(settings, Instant::ZERO).unwrap().tree
    }

    /// Whether a server may do this.
    fn may(tree: &ObjectTree, server: u16, operation: Operation, path: &str) -> bool {
        let server = ShortServerId::new(server).unwrap();
        access::authorize(tree, server, operation, path.parse().unwrap()).is_ok()
    }

    #[test]
    fn versions_go_up() {
        for (version, next) in [("1.0", "1.1"), ("1.9", "1.10"), ("3", "4"), ("a", "a.1")] {
            assert_eq!(next_version(version), next);
        }
    }

    #[test]
    fn the_device_has_objects_0_to_7_and_9_and_its_own() {
        let tree = tree(&settings());
        for object in [0, 1, 2, 3, 4, 5, 6, 7, 9, 3442, 26241] {
            let instances = tree.instances(ObjectId::new(object)).count();
            assert!(instances > 0, "{object}");
        }
        assert_eq!(tree.instances(THERMOSTAT).count(), 2);
    }

    #[test]
    fn the_clock_of_a_device_goes_on_while_its_power_is_off() {
        let time = |tree: &ObjectTree| match tree.get(CURRENT_TIME) {
            Some(Value::Time(time)) => time,
            other => panic!("{other:?}"),
        };
        let before = tree(&settings());
        for (elapsed, passed) in [(Some(Duration::from_secs(3600)), 3600), (None, 0)] {
            let saved = before.snapshot();
            let woken = woken(&settings(), Instant::ZERO, &saved, elapsed).unwrap();
            assert_eq!(time(&woken.tree), time(&before) + passed);
        }
    }

    #[test]
    fn the_first_server_owns_and_the_others_read() {
        let tree = tree(&settings());
        for (server, operation, path, allowed) in [
            (101, Operation::Write, "/3/0/14", true),
            (102, Operation::Read, "/3/0/14", true),
            (102, Operation::Write, "/3/0/14", false),
            (102, Operation::Execute, "/3/0/4", false),
            (101, Operation::Create, "/26241", true),
            (102, Operation::Create, "/26241", false),
            (101, Operation::Read, "/1/1", false),
            (102, Operation::Write, "/1/1", true),
            (102, Operation::Read, "/1/0", false),
        ] {
            assert_eq!(
                may(&tree, server, operation, path),
                allowed,
                "{server} {path}"
            );
        }
    }

    #[test]
    fn owners_and_rights_are_as_the_settings_say() {
        let mut settings = settings();
        settings.owners.push("/26241/1=102".parse().unwrap());
        for right in ["/3/0=102:RE", "/26241=102:C", "/6/0=0:-"] {
            settings.rights.push(right.parse().unwrap());
        }
        let tree = tree(&settings);
        for (server, operation, path, allowed) in [
            (102, Operation::Write, "/26241/1/2", true),
            (101, Operation::Write, "/26241/1/2", false),
            (102, Operation::Write, "/26241/0/2", false),
            (102, Operation::Execute, "/3/0/4", true),
            (102, Operation::Write, "/3/0/14", false),
            (102, Operation::Create, "/26241", true),
            (101, Operation::Create, "/26241", true),
            (101, Operation::Read, "/6/0", true),
            (102, Operation::Read, "/6/0", false),
        ] {
            assert_eq!(
                may(&tree, server, operation, path),
                allowed,
                "{server} {path}"
            );
        }
    }

    #[test]
    fn rights_on_what_is_not_there_are_an_error() {
        let mut settings = settings();
        settings.rights.push("/26241/9=102:R".parse().unwrap());
        let error = new(&settings, Instant::ZERO).err().unwrap().to_string();
        assert!(error.contains("/26241/9"), "{error}");
    }
}
