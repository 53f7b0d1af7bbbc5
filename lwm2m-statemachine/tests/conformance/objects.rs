//! Objects 10, 11 and 16, which the test specification uses: the Resources that its tests touch.

use lwm2m_core::{DataType, ObjectId, ObjectLink, Version};
use lwm2m_kit::instance;
use lwm2m_objects::{
    ObjectDefinition,
    Operations::{Read, ReadWrite},
    ResourceDefinition, Store,
};

const SERVING_PLMN_RATE_CONTROL: ResourceDefinition =
    ResourceDefinition::new(6, "Serving PLMN Rate control", Read, DataType::Integer);

const ACTIVATED_PROFILE_NAMES: ResourceDefinition =
    ResourceDefinition::new(11, "Activated Profile Names", Read, DataType::ObjectLink)
        .multiple()
        .mandatory();

static CELLULAR_RESOURCES: &[ResourceDefinition] =
    &[SERVING_PLMN_RATE_CONTROL, ACTIVATED_PROFILE_NAMES];

/// Cellular Connectivity in version 1.0.
static CELLULAR_CONNECTIVITY: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(10),
    "Cellular Connectivity",
    "urn:oma:lwm2m:ext:10",
    CELLULAR_RESOURCES,
);

static CELLULAR_RESOURCES_1_1: &[ResourceDefinition] = &[
    SERVING_PLMN_RATE_CONTROL,
    ACTIVATED_PROFILE_NAMES,
    ResourceDefinition::new(13, "Supported Power Saving Modes", Read, DataType::Integer),
    ResourceDefinition::new(
        14,
        "Active Power Saving Modes",
        ReadWrite,
        DataType::Integer,
    ),
];

/// Cellular Connectivity in version 1.1, which has power saving modes.
static CELLULAR_CONNECTIVITY_1_1: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(10),
    "Cellular Connectivity",
    "urn:oma:lwm2m:ext:10:1.1",
    CELLULAR_RESOURCES_1_1,
)
.with_version(Version::new(1, 1));

static APN_RESOURCES: &[ResourceDefinition] = &[
    ResourceDefinition::new(0, "Profile name", ReadWrite, DataType::String).mandatory(),
    ResourceDefinition::new(1, "APN", ReadWrite, DataType::String),
    ResourceDefinition::new(3, "Enable status", ReadWrite, DataType::Boolean),
    ResourceDefinition::new(4, "Authentication Type", ReadWrite, DataType::Integer).mandatory(),
];

/// APN Connection Profile.
static APN_CONNECTION_PROFILE: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(11),
    "APN Connection Profile",
    "urn:oma:lwm2m:ext:11",
    APN_RESOURCES,
)
.multiple();

static PORTFOLIO_RESOURCES: &[ResourceDefinition] = &[
    ResourceDefinition::new(0, "Identity", ReadWrite, DataType::String)
        .multiple()
        .mandatory(),
    ResourceDefinition::executable(1, "GetAuthData"),
    ResourceDefinition::new(2, "AuthData", Read, DataType::Opaque).multiple(),
    ResourceDefinition::new(3, "AuthStatus", Read, DataType::Integer).multiple(),
];

/// Portfolio: texts about the device, by their index.
static PORTFOLIO: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(16),
    "Portfolio",
    "urn:oma:lwm2m:ext:16",
    PORTFOLIO_RESOURCES,
)
.multiple();

/// The profile that is there.
const PROFILE: ObjectLink = ObjectLink {
    object: 11,
    instance: 0,
};

/// Object 10 in version 1.0 with its Object Instance.
pub(crate) fn cellular_connectivity() -> Store {
    with_cellular(Store::new(&CELLULAR_CONNECTIVITY))
}

/// Object 10 in version 1.1 with its Object Instance: two power saving modes, of which one is active.
pub(crate) fn cellular_connectivity_1_1() -> Store {
    with_cellular(Store::new(&CELLULAR_CONNECTIVITY_1_1))
        .with(instance(0), 13, 3)
        .with(instance(0), 14, 1)
}

fn with_cellular(store: Store) -> Store {
    store
        .with(instance(0), 6, 10)
        .with_instances(instance(0), 11, [(0, PROFILE)])
}

/// Object 11 with one profile; servers may create more.
pub(crate) fn apn_connection_profiles() -> Store {
    Store::new(&APN_CONNECTION_PROFILE)
        .managed(4)
        .with(instance(0), 0, "default")
        .with(instance(0), 1, "internet")
        .with(instance(0), 3, true)
        .with(instance(0), 4, 0)
}

/// Object 16 with one Portfolio of four texts; servers may create more.
pub(crate) fn portfolios() -> Store {
    let identity = ["host id", "maker", "model", "version"];
    Store::new(&PORTFOLIO)
        .managed(8)
        .with_instances(instance(0), 0, (0..).zip(identity))
        .with_executable(instance(0), 1)
}
