//! The Objects that the specification defines (TS Appendix E), as definitions.

use alloc::borrow::Cow;

use lwm2m_core::{
    DataType::{Boolean, Integer, ObjectLink, Opaque, String, Time},
    ObjectId, ResourceId, Version,
};

use crate::definition::{
    Multiplicity::{Multiple, Single},
    ObjectDefinition,
    Operations::{Execute, None as NoAccess, Read, ReadWrite},
    Range::{Bytes, Numbers, OneOf},
    ResourceDefinition,
};

const MANDATORY: bool = true;
const OPTIONAL: bool = false;

/// An Object and its Resources, written as the tables of Appendix E are: for the Object its ID,
/// name, instances, whether it is mandatory, and URN; for a Resource its ID, name, operations,
/// instances, whether it is mandatory, type, range or enumeration, and units.
macro_rules! object {
    (
        $(#[$doc:meta])*
        $object:ident: $object_id:expr, $object_name:literal, $object_instances:expr,
            $object_mandatory:expr, $urn:literal;
        $(
            $id:literal, $name:literal, $operations:expr, $instances:expr, $mandatory:expr,
            $data_type:expr, $range:expr, $units:literal;
        )*
    ) => {
        $(#[$doc])*
        pub static $object: ObjectDefinition = {
            static RESOURCES: &[ResourceDefinition] = &[$(ResourceDefinition {
                id: ResourceId::new($id),
                name: Cow::Borrowed($name),
                operations: $operations,
                instances: $instances,
                mandatory: $mandatory,
                data_type: $data_type,
                range: $range,
                units: Cow::Borrowed($units),
            }),*];
            ObjectDefinition {
                id: $object_id,
                name: Cow::Borrowed($object_name),
                urn: Cow::Borrowed($urn),
                version: Version::INITIAL,
                instances: $object_instances,
                mandatory: $object_mandatory,
                resources: Cow::Borrowed(RESOURCES),
            }
        };
    };
}

object! {
    /// LwM2M Security (TS E.1).
    SECURITY: ObjectId::SECURITY, "LwM2M Security", Multiple, MANDATORY, "urn:oma:lwm2m:oma:0";
    0, "LwM2M Server URI", NoAccess, Single, MANDATORY, Some(String), Some(Bytes(0, 255)), "";
    1, "Bootstrap-Server", NoAccess, Single, MANDATORY, Some(Boolean), None, "";
    2, "Security Mode", NoAccess, Single, MANDATORY, Some(Integer), Some(Numbers(0, 4)), "";
    3, "Public Key or Identity", NoAccess, Single, MANDATORY, Some(Opaque), None, "";
    4, "Server Public Key", NoAccess, Single, MANDATORY, Some(Opaque), None, "";
    5, "Secret Key", NoAccess, Single, MANDATORY, Some(Opaque), None, "";
    6, "SMS Security Mode", NoAccess, Single, OPTIONAL, Some(Integer), Some(Numbers(0, 255)), "";
    7, "SMS Binding Key Parameters", NoAccess, Single, OPTIONAL, Some(Opaque), Some(Bytes(6, 6)), "";
    8, "SMS Binding Secret Key(s)", NoAccess, Single, OPTIONAL, Some(Opaque), Some(Bytes(16, 48)), "";
    9, "LwM2M Server SMS Number", NoAccess, Single, OPTIONAL, Some(String), None, "";
    10, "Short Server ID", NoAccess, Single, OPTIONAL, Some(Integer), Some(Numbers(1, 65534)), "";
    11, "Client Hold Off Time", NoAccess, Single, OPTIONAL, Some(Integer), None, "s";
    12, "Bootstrap-Server Account Timeout", NoAccess, Single, OPTIONAL, Some(Integer), None, "s";
}

object! {
    /// LwM2M Server (TS E.2).
    SERVER: ObjectId::SERVER, "LwM2M Server", Multiple, MANDATORY, "urn:oma:lwm2m:oma:1";
    0, "Short Server ID", Read, Single, MANDATORY, Some(Integer), Some(Numbers(1, 65535)), "";
    1, "Lifetime", ReadWrite, Single, MANDATORY, Some(Integer), None, "s";
    2, "Default Minimum Period", ReadWrite, Single, OPTIONAL, Some(Integer), None, "s";
    3, "Default Maximum Period", ReadWrite, Single, OPTIONAL, Some(Integer), None, "s";
    4, "Disable", Execute, Single, OPTIONAL, None, None, "";
    5, "Disable Timeout", ReadWrite, Single, OPTIONAL, Some(Integer), None, "s";
    6, "Notification Storing When Disabled or Offline", ReadWrite, Single, MANDATORY, Some(Boolean), None, "";
    7, "Binding", ReadWrite, Single, MANDATORY, Some(String), Some(OneOf(&["U", "UQ", "S", "SQ", "US", "UQS"])), "";
    8, "Registration Update Trigger", Execute, Single, MANDATORY, None, None, "";
}

object! {
    /// Device (TS E.4).
    DEVICE: ObjectId::DEVICE, "Device", Single, MANDATORY, "urn:oma:lwm2m:oma:3";
    0, "Manufacturer", Read, Single, OPTIONAL, Some(String), None, "";
    1, "Model Number", Read, Single, OPTIONAL, Some(String), None, "";
    2, "Serial Number", Read, Single, OPTIONAL, Some(String), None, "";
    3, "Firmware Version", Read, Single, OPTIONAL, Some(String), None, "";
    4, "Reboot", Execute, Single, MANDATORY, None, None, "";
    5, "Factory Reset", Execute, Single, OPTIONAL, None, None, "";
    6, "Available Power Sources", Read, Multiple, OPTIONAL, Some(Integer), Some(Numbers(0, 7)), "";
    7, "Power Source Voltage", Read, Multiple, OPTIONAL, Some(Integer), None, "mV";
    8, "Power Source Current", Read, Multiple, OPTIONAL, Some(Integer), None, "mA";
    9, "Battery Level", Read, Single, OPTIONAL, Some(Integer), Some(Numbers(0, 100)), "%";
    10, "Memory Free", Read, Single, OPTIONAL, Some(Integer), None, "KB";
    11, "Error Code", Read, Multiple, MANDATORY, Some(Integer), Some(Numbers(0, 8)), "";
    12, "Reset Error Code", Execute, Single, OPTIONAL, None, None, "";
    13, "Current Time", ReadWrite, Single, OPTIONAL, Some(Time), None, "";
    14, "UTC Offset", ReadWrite, Single, OPTIONAL, Some(String), None, "";
    15, "Timezone", ReadWrite, Single, OPTIONAL, Some(String), None, "";
    16, "Supported Binding and Modes", Read, Single, MANDATORY, Some(String), None, "";
    17, "Device Type", Read, Single, OPTIONAL, Some(String), None, "";
    18, "Hardware Version", Read, Single, OPTIONAL, Some(String), None, "";
    19, "Software Version", Read, Single, OPTIONAL, Some(String), None, "";
    20, "Battery Status", Read, Single, OPTIONAL, Some(Integer), Some(Numbers(0, 6)), "";
    21, "Memory Total", Read, Single, OPTIONAL, Some(Integer), None, "KB";
    22, "ExtDevInfo", Read, Multiple, OPTIONAL, Some(ObjectLink), None, "";
}

/// The definitions that every [`Registry`](crate::Registry) begins with, by Object ID.
pub static BUILT_IN: [&ObjectDefinition; 3] = [&SECURITY, &SERVER, &DEVICE];
