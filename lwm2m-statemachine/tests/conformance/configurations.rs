//! The configurations of the enabler test specification. Each has at least what its number asks for.

use lwm2m_core::{AccessRights, BindingMode, InstanceId, Instant, ObjectId, ShortServerId};
use lwm2m_kit::instance;
use lwm2m_objects::{
    ConnectivityStatisticsObject, DeviceObject, LocationObject, Object, ObjectTree, Store,
    Typed as _, example, typed,
    typed::{AccessControl, AclTarget, PowerSource},
};
use lwm2m_statemachine::{Client, ClientConfig, Reliability};

use crate::{bench::Bench, objects};

/// The Endpoint Client Name.
pub(crate) const ENDPOINT: &str = "urn:dev:os:0023C7-000001";

/// The URI of the Bootstrap-Server.
pub(crate) const BOOTSTRAP: &str = "coaps://bootstrap.example.com";

/// The Short Server ID of the first server.
pub(crate) const SERVER_1: ShortServerId = ShortServerId::new(1).unwrap();

/// The Short Server ID of the second server.
pub(crate) const SERVER_2: ShortServerId = ShortServerId::new(2).unwrap();

/// A Client that is about to start.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) config: ClientConfig,
    pub(crate) tree: ObjectTree,
}

impl Setup {
    /// A Client with these servers and this Device.
    fn of(servers: Vec<typed::Server>, device: typed::Device) -> Self {
        let mut tree = ObjectTree::new();
        let security = servers
            .iter()
            .map(|server| security(Some(server.short_server_id)));
        tree.add(Store::of(numbered(security)));
        tree.add(Store::of(numbered(servers)));
        let device = DeviceObject::new(device, Instant::ZERO);
        tree.add(device.expect("values in their ranges"));
        Self {
            config: ClientConfig::new(ENDPOINT, [7; 32]),
            tree,
        }
    }

    /// With one more Object, or another one in place of the one with its identifier.
    pub(crate) fn with(mut self, object: impl Object) -> Self {
        self.tree.add(object);
        self
    }

    /// Notifications are confirmable.
    pub(crate) fn confirmable(mut self) -> Self {
        self.config.notifications = Reliability::Confirmable;
        self
    }

    /// The Client is started and has its connections; nothing is answered yet.
    pub(crate) fn started(self) -> Bench {
        let client = Client::new(self.config, self.tree);
        Bench::started(client.expect("a configuration and a tree of a Client"))
    }

    /// The Client is registered at all its servers.
    #[track_caller]
    pub(crate) fn registered(self) -> Bench {
        let mut bench = self.started();
        bench.accept_registers();
        bench.events();
        bench
    }
}

/// Object Instances from 0 on.
pub(crate) fn numbered<T>(
    instances: impl IntoIterator<Item = T>,
) -> impl Iterator<Item = (InstanceId, T)> {
    (0..).map(instance).zip(instances)
}

fn security(id: Option<ShortServerId>) -> typed::Security {
    let id = id.expect("a Short Server ID");
    let uri = format!("coaps://server{id}.example.com");
    typed::Security::pre_shared_key(uri, id, "identity", *b"a key of 16 byte")
}

fn server_1() -> typed::Server {
    typed::Server::new(SERVER_1, 86_400)
}

/// A server with the optional Resources 2 to 5.
fn server_with_all() -> typed::Server {
    typed::Server {
        default_minimum_period: Some(1),
        default_maximum_period: Some(300),
        disable: true,
        disable_timeout: Some(86_400),
        ..server_1()
    }
}

/// Manufacturer, model, serial number, firmware version; a Device that speaks UDP.
fn device() -> typed::Device {
    typed::Device {
        manufacturer: Some("Open Mobile Alliance".into()),
        model_number: Some("Lightweight M2M Client".into()),
        serial_number: Some("345000123".into()),
        firmware_version: Some("1.0".into()),
        ..typed::Device::default()
    }
}

/// A Device with two power sources and a battery, that can queue.
fn device_with_power() -> typed::Device {
    let source = |kind, voltage, current| PowerSource {
        kind,
        voltage,
        current,
    };
    typed::Device {
        power_sources: vec![source(1, 3800, 125), source(5, 5000, 900)],
        battery_level: Some(100),
        supported_binding: BindingMode::UQ,
        ..device()
    }
}

/// One server, Objects 0, 1 and 3.
pub(crate) fn c1() -> Setup {
    Setup::of(vec![server_1()], device())
}

/// As C.1, with this lifetime.
pub(crate) fn c1_with_lifetime(seconds: u32) -> Setup {
    let server = typed::Server::new(SERVER_1, seconds);
    Setup::of(vec![server], device())
}

/// As C.1, with the optional Resources of the server.
pub(crate) fn c3() -> Setup {
    let device = typed::Device {
        supported_binding: BindingMode::UQ,
        ..device()
    };
    Setup::of(vec![server_with_all()], device)
}

/// As C.3, without a Disable Timeout.
pub(crate) fn c3_without_disable_timeout() -> Setup {
    let server = typed::Server {
        disable_timeout: None,
        ..server_with_all()
    };
    Setup::of(vec![server], device())
}

/// As C.3, with power sources and a battery.
pub(crate) fn c4() -> Setup {
    Setup::of(vec![server_with_all()], device_with_power())
}

/// As C.1, with Connectivity Monitoring.
pub(crate) fn c5() -> Setup {
    c1().with(Store::of(numbered([connectivity_monitoring()])))
}

/// The radio of the example client of TS Appendix F.
pub(crate) fn connectivity_monitoring() -> typed::ConnectivityMonitoring {
    example::connectivity_monitoring()
}

/// As C.4, with all Resources of the Device.
pub(crate) fn c6() -> Setup {
    let device = typed::Device {
        factory_reset: true,
        memory_free: Some(15),
        reset_error_code: true,
        current_time: Some(1_367_491_200),
        utc_offset: Some("+01:00".into()),
        timezone: Some("Europe/London".into()),
        device_type: Some("sensor".into()),
        hardware_version: Some("2".into()),
        software_version: Some("3".into()),
        battery_status: Some(0),
        memory_total: Some(128),
        ..device_with_power()
    };
    Setup::of(vec![server_with_all()], device)
}

/// As C.1, with Location.
pub(crate) fn c7() -> Setup {
    c1().with(LocationObject::new(location()))
}

/// A place, with a velocity, which is Opaque.
pub(crate) fn location() -> typed::Location {
    typed::Location {
        altitude: Some(44.0),
        radius: Some(12.5),
        velocity: Some(vec![0x00, 0x5A, 0x00, 0x20]),
        speed: Some(8.75),
        ..typed::Location::new(-43.5723, 153.2176, 1_367_491_215)
    }
}

/// As C.1, with Connectivity Statistics.
pub(crate) fn c9() -> Setup {
    let statistics = typed::ConnectivityStatistics::ALL;
    c1().with(ConnectivityStatisticsObject::new(statistics))
}

/// As C.1, with Cellular Connectivity 1.0.
pub(crate) fn c10() -> Setup {
    c1().with(objects::cellular_connectivity())
}

/// As C.1, with Cellular Connectivity 1.1 and an APN Connection Profile.
pub(crate) fn c11() -> Setup {
    c1().with(objects::cellular_connectivity_1_1())
        .with(objects::apn_connection_profiles())
}

/// As C.1, with a Portfolio.
pub(crate) fn c12() -> Setup {
    c1().with(objects::portfolios())
}

/// The account of a Bootstrap-Server at `/0/1`, and no server.
pub(crate) fn c13() -> Setup {
    c13_where(|_| {})
}

/// As C.13, with another account of the Bootstrap-Server.
pub(crate) fn c13_where(change: impl FnOnce(&mut typed::Security)) -> Setup {
    let mut setup = Setup::of(vec![server_1()], device());
    setup
        .tree
        .add(Store::of([(instance(1), bootstrap_server(change))]));
    setup.with(Store::new(typed::Server::DEFINITION))
}

/// As this configuration, with the account of a Bootstrap-Server at `/0/9`.
pub(crate) fn with_bootstrap_server(setup: Setup, servers: &[u16]) -> Setup {
    let own = (instance(9), bootstrap_server(|_| {}));
    let securities = numbered(servers.iter().map(|id| security(ShortServerId::new(*id))));
    setup.with(Store::of(securities.chain([own])))
}

fn bootstrap_server(change: impl FnOnce(&mut typed::Security)) -> typed::Security {
    let keys =
        typed::Security::pre_shared_key(BOOTSTRAP, SERVER_1, ENDPOINT, *b"bootstrapping key");
    let mut security = keys.into_bootstrap_server();
    change(&mut security);
    security
}

/// Two servers and Access Control: each server owns its account, the first one owns the Device, which
/// the second one may read.
pub(crate) fn c14() -> Setup {
    c14_where(2, AccessRights::READ)
}

/// As C.14, and a server has these rights on the Device and on a Portfolio, which the first one owns.
pub(crate) fn c14_where(server: u16, rights: AccessRights) -> Setup {
    c14_with(server, rights, None)
}

/// As C.14, and the second server may create Portfolios.
pub(crate) fn c14_creating() -> Setup {
    let create = AccessControl {
        target: AclTarget::Object(ObjectId::new(16)),
        acl: vec![(2, AccessRights::CREATE)],
        owner: AccessControl::NOBODY,
    };
    c14_with(2, AccessRights::NONE, Some(create))
}

fn c14_with(server: u16, rights: AccessRights, more: Option<AccessControl>) -> Setup {
    let own = AccessControl::OWNER_RIGHTS;
    let on = |object, id, acl: &[(u16, AccessRights)], owner| AccessControl {
        target: AclTarget::Instance(object, instance(id)),
        acl: acl.into(),
        owner,
    };
    let shared = [(1, own), (server, rights)];
    let access = [
        on(ObjectId::SERVER, 0, &[(1, own)], 1),
        on(ObjectId::SERVER, 1, &[(2, own)], 2),
        on(ObjectId::DEVICE, 0, &shared, 1),
        on(ObjectId::new(16), 0, &shared, 1),
    ];
    let second = typed::Server::new(SERVER_2, 3600);
    let device = typed::Device {
        utc_offset: Some("+01:00".into()),
        ..device()
    };
    Setup::of(vec![server_1(), second], device)
        .with(Store::of(numbered(access.into_iter().chain(more))))
}

/// As C.1, over UDP without security, with the server at this URI.
pub(crate) fn no_sec(uri: &str) -> Setup {
    c1().with(Store::of(numbered([typed::Security::no_sec(
        uri, SERVER_1,
    )])))
}

/// As C.1, with this binding, which the Device supports.
pub(crate) fn with_binding(binding: BindingMode) -> Setup {
    let server = typed::Server {
        binding,
        ..server_1()
    };
    let device = typed::Device {
        supported_binding: binding,
        ..device()
    };
    Setup::of(vec![server], device)
}

/// As C.1, with this Device, which doesn't do anything by itself.
pub(crate) fn with_device(device: typed::Device) -> Setup {
    c1().with(Store::of(numbered([device])).supporting([13]))
}
