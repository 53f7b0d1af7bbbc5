//! The Objects that the specification defines (TS Appendix E), and Software Management (9), as
//! definitions.

use alloc::borrow::Cow;

use lwm2m_core::{
    DataType::{Boolean, Float, Integer, ObjectLink, Opaque, String, Time},
    ObjectId, ResourceId, Version,
};

use crate::definition::{
    ArgumentDefinition,
    Multiplicity::{Multiple, Single},
    ObjectDefinition,
    Operations::{Execute, None as NoAccess, Read, ReadWrite, Write},
    Range::{Bits, Bytes, Lengths, Numbers, OneOf, Values},
    ResourceDefinition,
};

const MANDATORY: bool = true;
const OPTIONAL: bool = false;

/// An Object and its Resources, in the columns of the tables of Appendix E. For the Object: ID,
/// name, instances, mandatory, URN, description. For a Resource: ID, name, operations, instances,
/// mandatory, type, range or enumeration, units, description.
macro_rules! object {
    (
        $(#[$doc:meta])*
        $object:ident: $object_id:expr, $object_name:literal, $object_instances:expr,
            $object_mandatory:expr, $urn:literal, $object_description:literal;
        $(
            $id:literal, $name:literal, $operations:expr, $instances:expr, $mandatory:expr,
            $data_type:expr, $range:expr, $units:literal, $description:literal;
        )*
        $(=> $($argument:expr),*)?
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
                description: Cow::Borrowed($description),
            }),*];
            static ARGUMENTS: &[ArgumentDefinition] = &[$($($argument),*)?];
            ObjectDefinition {
                id: $object_id,
                name: Cow::Borrowed($object_name),
                urn: Cow::Borrowed($urn),
                version: Version::INITIAL,
                enabler: Version::INITIAL,
                instances: $object_instances,
                mandatory: $object_mandatory,
                description: Cow::Borrowed($object_description),
                resources: Cow::Borrowed(RESOURCES),
                arguments: Cow::Borrowed(ARGUMENTS),
            }
        };
    };
}

object! {
    /// LwM2M Security (TS E.1).
    SECURITY: ObjectId::SECURITY, "LwM2M Security", Multiple, MANDATORY, "urn:oma:lwm2m:oma:0",
        "The keys for one server each, for the Bootstrap interface only";
    0, "LwM2M Server URI", NoAccess, Single, MANDATORY, Some(String), Some(Bytes(0, 255)), "", "Where the server is, a CoAP URI";
    1, "Bootstrap-Server", NoAccess, Single, MANDATORY, Some(Boolean), None, "", "Whether the server is a Bootstrap-Server";
    2, "Security Mode", NoAccess, Single, MANDATORY, Some(Integer), Some(Numbers(0, 4)), "", "0 PSK, 1 raw public key, 2 certificate, 3 NoSec, 4 certificate with EST";
    3, "Public Key or Identity", NoAccess, Single, MANDATORY, Some(Opaque), None, "", "The Client's certificate, public key or PSK identity";
    4, "Server Public Key", NoAccess, Single, MANDATORY, Some(Opaque), None, "", "The server's certificate or public key";
    5, "Secret Key", NoAccess, Single, MANDATORY, Some(Opaque), None, "", "The Client's private key or the pre-shared key";
    6, "SMS Security Mode", NoAccess, Single, OPTIONAL, Some(Integer), Some(Numbers(0, 255)), "", "1 DTLS, 2 secure packets, 3 NoSec, 4 multiplexed DTLS, from 204 on proprietary";
    7, "SMS Binding Key Parameters", NoAccess, Single, OPTIONAL, Some(Opaque), Some(Bytes(6, 6)), "", "KIc, KID, SPI and TAR";
    8, "SMS Binding Secret Key(s)", NoAccess, Single, OPTIONAL, Some(Opaque), Some(Lengths(Cow::Borrowed(&[16, 32, 48]))), "", "The keys of the SMS binding";
    9, "LwM2M Server SMS Number", NoAccess, Single, OPTIONAL, Some(String), None, "", "The server's MSISDN";
    10, "Short Server ID", NoAccess, Single, OPTIONAL, Some(Integer), Some(Numbers(1, 65534)), "", "Names the server; a Bootstrap-Server needs none";
    11, "Client Hold Off Time", NoAccess, Single, OPTIONAL, Some(Integer), None, "s", "How long to wait before the Client initiates a bootstrap";
    12, "Bootstrap-Server Account Timeout", NoAccess, Single, OPTIONAL, Some(Integer), None, "s", "When to purge the Bootstrap-Server's account; 0 is never";
}

object! {
    /// LwM2M Server (TS E.2).
    SERVER: ObjectId::SERVER, "LwM2M Server", Multiple, MANDATORY, "urn:oma:lwm2m:oma:1",
        "What one server each wants of the Client";
    0, "Short Server ID", Read, Single, MANDATORY, Some(Integer), Some(Numbers(1, 65534)), "", "Links to the Security Instance with the same number";
    1, "Lifetime", ReadWrite, Single, MANDATORY, Some(Integer), None, "s", "How long a registration lasts";
    2, "Default Minimum Period", ReadWrite, Single, OPTIONAL, Some(Integer), None, "s", "pmin of an observation that sets none; without it 0";
    3, "Default Maximum Period", ReadWrite, Single, OPTIONAL, Some(Integer), None, "s", "pmax of an observation that sets none";
    4, "Disable", Execute, Single, OPTIONAL, None, None, "", "De-registers and stays silent for the Disable Timeout";
    5, "Disable Timeout", ReadWrite, Single, OPTIONAL, Some(Integer), None, "s", "How long Disable lasts; without it 86400";
    6, "Notification Storing When Disabled or Offline", ReadWrite, Single, MANDATORY, Some(Boolean), None, "", "Whether notifications wait until the server can be reached again";
    7, "Binding", ReadWrite, Single, MANDATORY, Some(String), Some(OneOf(Cow::Borrowed(BINDINGS))), "", "The transports to use, Q with queue mode";
    8, "Registration Update Trigger", Execute, Single, MANDATORY, None, None, "", "Sends an Update";
}

/// The bindings of TS 5.3.1.1.
static BINDINGS: &[Cow<'static, str>] = &[
    Cow::Borrowed("U"),
    Cow::Borrowed("UQ"),
    Cow::Borrowed("S"),
    Cow::Borrowed("SQ"),
    Cow::Borrowed("US"),
    Cow::Borrowed("UQS"),
];

object! {
    /// LwM2M Access Control (TS E.3).
    ACCESS_CONTROL: ObjectId::ACCESS_CONTROL, "LwM2M Access Control", Multiple, OPTIONAL, "urn:oma:lwm2m:oma:2",
        "Who may do what with one Object Instance each";
    0, "Object ID", Read, Single, MANDATORY, Some(Integer), Some(Numbers(1, 65534)), "", "The Object that the rights are for";
    1, "Object Instance ID", Read, Single, MANDATORY, Some(Integer), Some(Numbers(0, 65535)), "", "The Object Instance; 65535 for the Create right on the Object";
    2, "ACL", ReadWrite, Multiple, OPTIONAL, Some(Integer), Some(Bits(16)), "", "Rights by Short Server ID, 0 for all others: 1 Read, 2 Write, 4 Execute, 8 Delete, 16 Create";
    3, "Access Control Owner", ReadWrite, Single, MANDATORY, Some(Integer), Some(Numbers(0, 65535)), "", "The server that may change this; 65535 for the Bootstrap interface only";
}

object! {
    /// Device (TS E.4).
    DEVICE: ObjectId::DEVICE, "Device", Single, MANDATORY, "urn:oma:lwm2m:oma:3",
        "What the device is, how it is, and its restart";
    0, "Manufacturer", Read, Single, OPTIONAL, Some(String), None, "", "Who made it";
    1, "Model Number", Read, Single, OPTIONAL, Some(String), None, "", "Which model it is";
    2, "Serial Number", Read, Single, OPTIONAL, Some(String), None, "", "Which one of the model it is";
    3, "Firmware Version", Read, Single, OPTIONAL, Some(String), None, "", "The firmware that runs";
    4, "Reboot", Execute, Single, MANDATORY, None, None, "", "Restarts the device";
    5, "Factory Reset", Execute, Single, OPTIONAL, None, None, "", "Puts the device back as it was delivered";
    6, "Available Power Sources", Read, Multiple, OPTIONAL, Some(Integer), Some(Numbers(0, 7)), "", "0 DC, 1 internal battery, 2 external battery, 4 Ethernet, 5 USB, 6 mains, 7 solar";
    7, "Power Source Voltage", Read, Multiple, OPTIONAL, Some(Integer), None, "mV", "By the Resource Instance ID of the power source";
    8, "Power Source Current", Read, Multiple, OPTIONAL, Some(Integer), None, "mA", "By the Resource Instance ID of the power source";
    9, "Battery Level", Read, Single, OPTIONAL, Some(Integer), Some(Numbers(0, 100)), "%", "What the internal battery still holds";
    10, "Memory Free", Read, Single, OPTIONAL, Some(Integer), None, "KB", "What can still be stored";
    11, "Error Code", Read, Multiple, MANDATORY, Some(Integer), Some(Numbers(0, 8)), "", "0 none, 1 battery low, 2 no external power, 3 GPS, 4 weak signal, 5 out of memory, 6 SMS, 7 IP, 8 peripheral";
    12, "Reset Error Code", Execute, Single, OPTIONAL, None, None, "", "Leaves one Error Code, 0";
    13, "Current Time", ReadWrite, Single, OPTIONAL, Some(Time), None, "", "The device's clock";
    14, "UTC Offset", ReadWrite, Single, OPTIONAL, Some(String), None, "", "As ISO 8601 writes it, UTC+X";
    15, "Timezone", ReadWrite, Single, OPTIONAL, Some(String), None, "", "By its name in the IANA database";
    16, "Supported Binding and Modes", Read, Single, MANDATORY, Some(String), None, "", "The transports that the Client has";
    17, "Device Type", Read, Single, OPTIONAL, Some(String), None, "", "What kind of device it is";
    18, "Hardware Version", Read, Single, OPTIONAL, Some(String), None, "", "The hardware's version";
    19, "Software Version", Read, Single, OPTIONAL, Some(String), None, "", "The version of the software above the firmware";
    20, "Battery Status", Read, Single, OPTIONAL, Some(Integer), Some(Numbers(0, 6)), "", "0 normal, 1 charging, 2 charged, 3 damaged, 4 low, 5 not installed, 6 unknown";
    21, "Memory Total", Read, Single, OPTIONAL, Some(Integer), None, "KB", "What can be stored in all";
    22, "ExtDevInfo", Read, Multiple, OPTIONAL, Some(ObjectLink), None, "", "Objects that tell more about the device";
}

object! {
    /// Connectivity Monitoring (TS E.5).
    CONNECTIVITY_MONITORING: ObjectId::CONNECTIVITY_MONITORING, "Connectivity Monitoring", Single, OPTIONAL, "urn:oma:lwm2m:oma:4",
        "The network that the device uses, as it is now";
    0, "Network Bearer", Read, Single, MANDATORY, Some(Integer), None, "", "In use: 0 to 20 cellular, 21 to 40 wireless, 41 to 50 wired";
    1, "Available Network Bearer", Read, Multiple, MANDATORY, Some(Integer), None, "", "Those that could be used";
    2, "Radio Signal Strength", Read, Single, MANDATORY, Some(Integer), None, "dBm", "The average that is received";
    3, "Link Quality", Read, Single, OPTIONAL, Some(Integer), None, "", "In the measure of the bearer";
    4, "IP Addresses", Read, Multiple, MANDATORY, Some(String), None, "", "The device's addresses";
    5, "Router IP Addresses", Read, Multiple, OPTIONAL, Some(String), None, "", "The next hop of each interface";
    6, "Link Utilization", Read, Single, OPTIONAL, Some(Integer), Some(Numbers(0, 100)), "%", "How busy the link to the next hop is";
    7, "APN", Read, Multiple, OPTIONAL, Some(String), None, "", "The access point names of a cellular bearer";
    8, "Cell ID", Read, Single, OPTIONAL, Some(Integer), None, "", "The serving cell";
    9, "SMNC", Read, Single, OPTIONAL, Some(Integer), None, "", "The serving network's code, 0 to 999";
    10, "SMCC", Read, Single, OPTIONAL, Some(Integer), None, "", "The serving network's country, 0 to 999";
}

object! {
    /// Firmware Update (TS E.6).
    FIRMWARE_UPDATE: ObjectId::FIRMWARE_UPDATE, "Firmware Update", Single, OPTIONAL, "urn:oma:lwm2m:oma:5",
        "Takes a firmware package and installs it";
    0, "Package", Write, Single, MANDATORY, Some(Opaque), None, "", "The package; empty or one zero byte resets the update";
    1, "Package URI", ReadWrite, Single, MANDATORY, Some(String), Some(Bytes(0, 255)), "", "Where to fetch the package; empty resets the update";
    2, "Update", Execute, Single, MANDATORY, None, None, "", "Installs the package that was downloaded";
    3, "State", Read, Single, MANDATORY, Some(Integer), Some(Numbers(0, 3)), "", "0 idle, 1 downloading, 2 downloaded, 3 updating";
    5, "Update Result", Read, Single, MANDATORY, Some(Integer), Some(Numbers(0, 9)), "", "0 initial, 1 done, 2 flash, 3 RAM, 4 connection, 5 integrity, 6 package type, 7 URI, 8 failed, 9 protocol";
    6, "PkgName", Read, Single, OPTIONAL, Some(String), Some(Bytes(0, 255)), "", "The package's name";
    7, "PkgVersion", Read, Single, OPTIONAL, Some(String), Some(Bytes(0, 255)), "", "The package's version";
    8, "Firmware Update Protocol Support", Read, Multiple, OPTIONAL, Some(Integer), None, "", "0 CoAP, 1 CoAPS, 2 HTTP, 3 HTTPS";
    9, "Firmware Update Delivery Method", Read, Single, MANDATORY, Some(Integer), None, "", "0 pull, 1 push, 2 both";
}

object! {
    /// Location (TS E.7).
    LOCATION: ObjectId::LOCATION, "Location", Single, OPTIONAL, "urn:oma:lwm2m:oma:6",
        "Where the device is, and how it moves";
    0, "Latitude", Read, Single, MANDATORY, Some(Float), None, "Deg", "In WGS 84";
    1, "Longitude", Read, Single, MANDATORY, Some(Float), None, "Deg", "In WGS 84";
    2, "Altitude", Read, Single, OPTIONAL, Some(Float), None, "m", "Above sea level";
    3, "Radius", Read, Single, OPTIONAL, Some(Float), None, "m", "How far off the point may be";
    4, "Velocity", Read, Single, OPTIONAL, Some(Opaque), None, "", "As 3GPP TS 23.032 encodes it";
    5, "Timestamp", Read, Single, MANDATORY, Some(Time), None, "", "When it was measured";
    6, "Speed", Read, Single, OPTIONAL, Some(Float), None, "Meters per second", "In whatever direction";
}

object! {
    /// Connectivity Statistics (TS E.8).
    CONNECTIVITY_STATISTICS: ObjectId::CONNECTIVITY_STATISTICS, "Connectivity Statistics", Single, OPTIONAL, "urn:oma:lwm2m:oma:7",
        "What was sent and received during a period";
    0, "SMS Tx Counter", Read, Single, OPTIONAL, Some(Integer), None, "", "SMS sent";
    1, "SMS Rx Counter", Read, Single, OPTIONAL, Some(Integer), None, "", "SMS received";
    2, "Tx Data", Read, Single, OPTIONAL, Some(Integer), None, "Kilo-Bytes", "Data sent";
    3, "Rx Data", Read, Single, OPTIONAL, Some(Integer), None, "Kilo-Bytes", "Data received";
    4, "Max Message Size", Read, Single, OPTIONAL, Some(Integer), None, "Byte", "The largest message";
    5, "Average Message Size", Read, Single, OPTIONAL, Some(Integer), None, "Byte", "The average message";
    6, "Start", Execute, Single, MANDATORY, None, None, "", "Sets the counters to 0 and counts, for the Collection Period or until Stop";
    7, "Stop", Execute, Single, MANDATORY, None, None, "", "Counts no longer";
    8, "Collection Period", ReadWrite, Single, OPTIONAL, Some(Integer), None, "Seconds", "How long to count; 0 is until Stop";
}

object! {
    /// Software Management, as registered with OMNA (version 1.0): Update State counts from 0,
    /// errors in Update Result from 50.
    SOFTWARE_MANAGEMENT: ObjectId::SOFTWARE_MANAGEMENT, "LwM2M Software Management", Multiple, OPTIONAL, "urn:oma:lwm2m:oma:9",
        "Installs, activates and removes one software component each";
    0, "PkgName", Read, Single, MANDATORY, Some(String), Some(Bytes(0, 255)), "", "The package's name";
    1, "PkgVersion", Read, Single, MANDATORY, Some(String), Some(Bytes(0, 255)), "", "The package's version";
    2, "Package", Write, Single, OPTIONAL, Some(Opaque), None, "", "The package";
    3, "Package URI", Write, Single, OPTIONAL, Some(String), Some(Bytes(0, 255)), "", "Where to fetch the package";
    4, "Install", Execute, Single, MANDATORY, None, None, "", "Installs the package that was delivered";
    5, "Checkpoint", Read, Single, OPTIONAL, Some(ObjectLink), None, "", "An Object with conditions for the update";
    6, "Uninstall", Execute, Single, MANDATORY, None, None, "", "Removes the software";
    7, "Update State", Read, Single, MANDATORY, Some(Integer), Some(Numbers(0, 4)), "", "0 initial, 1 download started, 2 downloaded, 3 delivered, 4 installed";
    8, "Update Supported Objects", ReadWrite, Single, OPTIONAL, Some(Boolean), None, "", "Whether changed Objects are told at once, not at the next Update";
    9, "Update Result", Read, Single, MANDATORY, Some(Integer), Some(Values(Cow::Borrowed(&[0, 1, 2, 3, 50, 51, 52, 53, 54, 56, 57, 58, 59]))), "", "0 initial, 1 downloading, 2 installed, 3 verified, 50 storage, 51 memory, 52 connection, 53 integrity, 54 package type, 56 URI, 57 device, 58 installation, 59 uninstallation";
    10, "Activate", Execute, Single, MANDATORY, None, None, "", "Lets the installed software be used";
    11, "Deactivate", Execute, Single, MANDATORY, None, None, "", "Keeps the installed software from being used";
    12, "Activation State", Read, Single, MANDATORY, Some(Boolean), None, "", "Whether the software may be used";
    13, "Package Settings", ReadWrite, Single, OPTIONAL, Some(ObjectLink), None, "", "An Object with the software's settings";
    14, "User Name", Write, Single, OPTIONAL, Some(String), None, "", "For the place that Package URI names";
    15, "Password", Write, Single, OPTIONAL, Some(String), None, "", "For the place that Package URI names";
    16, "Status Reason", Read, Single, OPTIONAL, Some(String), None, "", "Why the state or the result is what it is";
    17, "Software Component Link", Read, Multiple, OPTIONAL, Some(ObjectLink), None, "", "The components that were installed";
    18, "Software Component tree length", Read, Single, OPTIONAL, Some(Integer), None, "", "How many components there are below";
    =>
    ArgumentDefinition::new(6, 0, "Uninstall").with_description("Removes the software"),
    ArgumentDefinition::new(6, 1, "Update").with_description("Makes ready for another package in its place")
}

object! {
    /// Software Management, as in the candidate specification of 2015-02-17: Update State counts
    /// from 1, errors in Update Result from 3. A [`Registry`](crate::Registry) starts with
    /// [`SOFTWARE_MANAGEMENT`], which has the same Object ID.
    SOFTWARE_MANAGEMENT_CANDIDATE: ObjectId::SOFTWARE_MANAGEMENT, "Software Update", Multiple, OPTIONAL, "urn:oma:lwm2m:oma:9",
        "Installs, activates and removes one software component each";
    0, "PkgName", Read, Single, MANDATORY, Some(String), Some(Bytes(0, 255)), "", "The package's name";
    1, "PkgVersion", Read, Single, MANDATORY, Some(String), Some(Bytes(0, 255)), "", "The package's version";
    2, "Package", Write, Single, MANDATORY, Some(Opaque), None, "", "The package";
    3, "Package URI", Write, Single, MANDATORY, Some(String), Some(Bytes(0, 255)), "", "Where to fetch the package";
    4, "Install", Execute, Single, MANDATORY, None, None, "", "Installs the package that was delivered";
    5, "Checkpoint", Read, Single, OPTIONAL, Some(ObjectLink), None, "", "An Object with conditions for the update";
    6, "Uninstall", Execute, Single, MANDATORY, None, None, "", "Removes the software";
    7, "Update State", Read, Single, MANDATORY, Some(Integer), Some(Numbers(1, 5)), "", "1 initial, 2 download started, 3 downloaded, 4 delivered, 5 installed";
    8, "Update Supported Objects", ReadWrite, Single, OPTIONAL, Some(Boolean), None, "", "Whether changed Objects are told at once, not at the next Update";
    9, "Update Result", Read, Single, MANDATORY, Some(Integer), Some(Numbers(0, 10)), "", "0 initial, 1 downloading, 2 installed, 3 storage, 4 memory, 5 connection, 6 integrity, 7 package type, 8 URI, 9 device, 10 installation";
    10, "Activate", Execute, Single, MANDATORY, None, None, "", "Lets the installed software be used";
    11, "Deactivate", Execute, Single, MANDATORY, None, None, "", "Keeps the installed software from being used";
    12, "Activation State", Read, Single, MANDATORY, Some(Boolean), None, "", "Whether the software may be used";
    13, "Package Settings", ReadWrite, Single, OPTIONAL, Some(ObjectLink), None, "", "An Object with the software's settings";
}

/// The definitions that a [`Registry`](crate::Registry) starts with, by Object ID.
pub static BUILT_IN: [&ObjectDefinition; 9] = [
    &SECURITY,
    &SERVER,
    &ACCESS_CONTROL,
    &DEVICE,
    &CONNECTIVITY_MONITORING,
    &FIRMWARE_UPDATE,
    &LOCATION,
    &CONNECTIVITY_STATISTICS,
    &SOFTWARE_MANAGEMENT,
];
