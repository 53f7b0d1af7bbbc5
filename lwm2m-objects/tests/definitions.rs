//! The built-in definitions against the tables of TS Appendix E and of Software Management, row by row.
//! The cells are copied from the specification; a comment says where its text has lost one.

use lwm2m_core::DataType;
use lwm2m_objects::{
    ACCESS_CONTROL, BUILT_IN, CONNECTIVITY_MONITORING, CONNECTIVITY_STATISTICS, DEVICE,
    FIRMWARE_UPDATE, LOCATION, Multiplicity, ObjectDefinition, Operations, Range, SECURITY, SERVER,
    SOFTWARE_MANAGEMENT, SOFTWARE_MANAGEMENT_CANDIDATE,
};

/// ID | Name | Operations | Instances | Mandatory | Type | Range or Enumeration | Units
struct Table {
    /// Name | Object ID | Instances | Mandatory | Object URN
    object: &'static str,
    resources: &'static str,
}

const E_1: Table = Table {
    object: "LwM2M Security | 0 | Multiple | Mandatory | urn:oma:lwm2m:oma:0",
    resources: "
        0 | LwM2M Server URI | | Single | Mandatory | String | 0-255 bytes |
        1 | Bootstrap-Server | | Single | Mandatory | Boolean | |
        2 | Security Mode | | Single | Mandatory | Integer | 0-4 |
        3 | Public Key or Identity | | Single | Mandatory | Opaque | |
        4 | Server Public Key | | Single | Mandatory | Opaque | |
        5 | Secret Key | | Single | Mandatory | Opaque | |
        6 | SMS Security Mode | | Single | Optional | Integer | 0-255 |
        7 | SMS Binding Key Parameters | | Single | Optional | Opaque | 6 bytes |
        8 | SMS Binding Secret Key(s) | | Single | Optional | Opaque | 16-32-48 bytes |
        9 | LwM2M Server SMS Number | | Single | Optional | String | |
        10 | Short Server ID | | Single | Optional | Integer | 1-65534 |
        11 | Client Hold Off Time | | Single | Optional | Integer | | s
        12 | Bootstrap-Server Account Timeout | | Single | Optional | Integer | | s",
};

const E_2: Table = Table {
    object: "LwM2M Server | 1 | Multiple | Mandatory | urn:oma:lwm2m:oma:1",
    // The unit of 1, 2 and 3 is lost in the column; their text speaks of seconds, as that of 5. The
    // table has 1-65535 for 0, and TS 6.3 reserves 65535: a Short Server ID ends at 65534.
    resources: "
        0 | Short Server ID | R | Single | Mandatory | Integer | 1-65534 |
        1 | Lifetime | RW | Single | Mandatory | Integer | | s
        2 | Default Minimum Period | RW | Single | Optional | Integer | | s
        3 | Default Maximum Period | RW | Single | Optional | Integer | | s
        4 | Disable | E | Single | Optional | | |
        5 | Disable Timeout | RW | Single | Optional | Integer | | s
        6 | Notification Storing When Disabled or Offline | RW | Single | Mandatory | Boolean | |
        7 | Binding | RW | Single | Mandatory | String | listed in 5.3.1.1 |
        8 | Registration Update Trigger | E | Single | Mandatory | | |",
};

const E_3: Table = Table {
    object: "LwM2M Access Control | 2 | Multiple | Optional | urn:oma:lwm2m:oma:2",
    resources: "
        0 | Object ID | R | Single | Mandatory | Integer | 1-65534 |
        1 | Object Instance ID | R | Single | Mandatory | Integer | 0-65535 |
        2 | ACL | RW | Multiple | Optional | Integer | 16-bit |
        3 | Access Control Owner | RW | Single | Mandatory | Integer | 0-65535 |",
};

const E_4: Table = Table {
    object: "Device | 3 | Single | Mandatory | urn:oma:lwm2m:oma:3",
    resources: "
        0 | Manufacturer | R | Single | Optional | String | |
        1 | Model Number | R | Single | Optional | String | |
        2 | Serial Number | R | Single | Optional | String | |
        3 | Firmware Version | R | Single | Optional | String | |
        4 | Reboot | E | Single | Mandatory | | |
        5 | Factory Reset | E | Single | Optional | | |
        6 | Available Power Sources | R | Multiple | Optional | Integer | 0-7 |
        7 | Power Source Voltage | R | Multiple | Optional | Integer | | mV
        8 | Power Source Current | R | Multiple | Optional | Integer | | mA
        9 | Battery Level | R | Single | Optional | Integer | 0-100 | %
        10 | Memory Free | R | Single | Optional | Integer | | KB
        11 | Error Code | R | Multiple | Mandatory | Integer | 0-8 |
        12 | Reset Error Code | E | Single | Optional | | |
        13 | Current Time | RW | Single | Optional | Time | |
        14 | UTC Offset | RW | Single | Optional | String | |
        15 | Timezone | RW | Single | Optional | String | |
        16 | Supported Binding and Modes | R | Single | Mandatory | String | |
        17 | Device Type | R | Single | Optional | String | |
        18 | Hardware Version | R | Single | Optional | String | |
        19 | Software Version | R | Single | Optional | String | |
        20 | Battery Status | R | Single | Optional | Integer | 0-6 |
        21 | Memory Total | R | Single | Optional | Integer | | KB
        22 | ExtDevInfo | R | Multiple | Optional | Objlnk | |",
};

const E_5: Table = Table {
    object: "Connectivity Monitoring | 4 | Single | Optional | urn:oma:lwm2m:oma:4",
    resources: "
        0 | Network Bearer | R | Single | Mandatory | Integer | |
        1 | Available Network Bearer | R | Multiple | Mandatory | Integer | |
        2 | Radio Signal Strength | R | Single | Mandatory | Integer | | dBm
        3 | Link Quality | R | Single | Optional | Integer | |
        4 | IP Addresses | R | Multiple | Mandatory | String | |
        5 | Router IP Addresses | R | Multiple | Optional | String | |
        6 | Link Utilization | R | Single | Optional | Integer | 0-100 | %
        7 | APN | R | Multiple | Optional | String | |
        8 | Cell ID | R | Single | Optional | Integer | |
        9 | SMNC | R | Single | Optional | Integer | |
        10 | SMCC | R | Single | Optional | Integer | |",
};

const E_6: Table = Table {
    object: "Firmware Update | 5 | Single | Optional | urn:oma:lwm2m:oma:5",
    // 5 lost its name's first word, type and range.
    resources: "
        0 | Package | W | Single | Mandatory | Opaque | |
        1 | Package URI | RW | Single | Mandatory | String | 0-255 bytes |
        2 | Update | E | Single | Mandatory | none | |
        3 | State | R | Single | Mandatory | Integer | 0-3 |
        5 | Update Result | R | Single | Mandatory | Integer | 0-9 |
        6 | PkgName | R | Single | Optional | String | 0-255 bytes |
        7 | PkgVersion | R | Single | Optional | String | 0-255 bytes |
        8 | Firmware Update Protocol Support | R | Multiple | Optional | Integer | |
        9 | Firmware Update Delivery Method | R | Single | Mandatory | Integer | |",
};

const E_7: Table = Table {
    object: "Location | 6 | Single | Optional | urn:oma:lwm2m:oma:6",
    resources: "
        0 | Latitude | R | Single | Mandatory | Float | | Deg
        1 | Longitude | R | Single | Mandatory | Float | | Deg
        2 | Altitude | R | Single | Optional | Float | | m
        3 | Radius | R | Single | Optional | Float | | m
        4 | Velocity | R | Single | Optional | Opaque | |
        5 | Timestamp | R | Single | Mandatory | Time | |
        6 | Speed | R | Single | Optional | Float | | Meters per second",
};

const E_8: Table = Table {
    object: "Connectivity Statistics | 7 | Single | Optional | urn:oma:lwm2m:oma:7",
    // The unit of 8 is cut off: "Secon".
    resources: "
        0 | SMS Tx Counter | R | Single | Optional | Integer | |
        1 | SMS Rx Counter | R | Single | Optional | Integer | |
        2 | Tx Data | R | Single | Optional | Integer | | Kilo-Bytes
        3 | Rx Data | R | Single | Optional | Integer | | Kilo-Bytes
        4 | Max Message Size | R | Single | Optional | Integer | | Byte
        5 | Average Message Size | R | Single | Optional | Integer | | Byte
        6 | Start | E | Single | Mandatory | | |
        7 | Stop | E | Single | Mandatory | | |
        8 | Collection Period | RW | Single | Optional | Integer | | Seconds",
};

const CANDIDATE: Table = Table {
    object: "Software Update | 9 | Multiple | Optional | urn:oma:lwm2m:oma:9",
    // The range of 7 is 1-4, its own description counts to 5; the operations of 5 are lost.
    resources: "
        0 | PkgName | R | Single | Mandatory | String | 0-255 bytes |
        1 | PkgVersion | R | Single | Mandatory | String | 0-255 bytes |
        2 | Package | W | Single | Mandatory | Opaque | |
        3 | Package URI | W | Single | Mandatory | String | 0-255 bytes |
        4 | Install | E | Single | Mandatory | | |
        5 | Checkpoint | R | Single | Optional | Objlnk | |
        6 | Uninstall | E | Single | Mandatory | | |
        7 | Update State | R | Single | Mandatory | Integer | 1-5 |
        8 | Update Supported Objects | RW | Single | Optional | Boolean | |
        9 | Update Result | R | Single | Mandatory | Integer | 0-10 |
        10 | Activate | E | Single | Mandatory | | |
        11 | Deactivate | E | Single | Mandatory | | |
        12 | Activation State | R | Single | Mandatory | Boolean | |
        13 | Package Settings | RW | Single | Optional | Objlnk | |",
};

/// The candidate's table with the differences of the registered Object.
const REGISTERED: Table = Table {
    object: "LwM2M Software Management | 9 | Multiple | Optional | urn:oma:lwm2m:oma:9",
    resources: "
        0 | PkgName | R | Single | Mandatory | String | 0-255 bytes |
        1 | PkgVersion | R | Single | Mandatory | String | 0-255 bytes |
        2 | Package | W | Single | Optional | Opaque | |
        3 | Package URI | W | Single | Optional | String | 0-255 bytes |
        4 | Install | E | Single | Mandatory | | |
        5 | Checkpoint | R | Single | Optional | Objlnk | |
        6 | Uninstall | E | Single | Mandatory | | |
        7 | Update State | R | Single | Mandatory | Integer | 0-4 |
        8 | Update Supported Objects | RW | Single | Optional | Boolean | |
        9 | Update Result | R | Single | Mandatory | Integer | 0 to 3, 50 to 54, 56 to 59 |
        10 | Activate | E | Single | Mandatory | | |
        11 | Deactivate | E | Single | Mandatory | | |
        12 | Activation State | R | Single | Mandatory | Boolean | |
        13 | Package Settings | RW | Single | Optional | Objlnk | |
        14 | User Name | W | Single | Optional | String | |
        15 | Password | W | Single | Optional | String | |
        16 | Status Reason | R | Single | Optional | String | |
        17 | Software Component Link | R | Multiple | Optional | Objlnk | |
        18 | Software Component tree length | R | Single | Optional | Integer | |",
};

#[test]
fn every_row_of_every_table_is_defined_as_the_specification_has_it() {
    for (table, definition) in [
        (E_1, &SECURITY),
        (E_2, &SERVER),
        (E_3, &ACCESS_CONTROL),
        (E_4, &DEVICE),
        (E_5, &CONNECTIVITY_MONITORING),
        (E_6, &FIRMWARE_UPDATE),
        (E_7, &LOCATION),
        (E_8, &CONNECTIVITY_STATISTICS),
        (REGISTERED, &SOFTWARE_MANAGEMENT),
        (CANDIDATE, &SOFTWARE_MANAGEMENT_CANDIDATE),
    ] {
        compare(&table, definition);
        assert_eq!(definition.validate(), Ok(()));
    }
}

fn compare(table: &Table, definition: &ObjectDefinition) {
    let [name, id, instances, mandatory, urn] = cells(table.object);
    assert_eq!(definition.name, name);
    assert_eq!(definition.id.to_string(), id, "{name}");
    assert_eq!(definition.instances, multiplicity(instances), "{name}");
    assert_eq!(definition.mandatory, mandatory == "Mandatory", "{name}");
    assert_eq!(definition.urn, urn, "{name}");

    let rows: Vec<&str> = table.resources.trim().lines().collect();
    assert_eq!(rows.len(), definition.resources.len(), "{name}");
    for (row, resource) in rows.iter().zip(definition.resources.iter()) {
        let [
            id,
            name,
            operations,
            instances,
            mandatory,
            data_type,
            values,
            units,
        ] = cells(row);
        assert_eq!(resource.id.to_string(), id, "{row}");
        assert_eq!(resource.name, name, "{row}");
        assert_eq!(resource.operations, operation(operations), "{row}");
        assert_eq!(resource.instances, multiplicity(instances), "{row}");
        assert!(["Mandatory", "Optional"].contains(&mandatory), "{row}");
        assert_eq!(resource.mandatory, mandatory == "Mandatory", "{row}");
        assert_eq!(resource.data_type, value_type(data_type), "{row}");
        assert_eq!(resource.range, range(values), "{row}");
        assert_eq!(resource.units, units, "{row}");
        assert!(!resource.description.is_empty(), "{row}");
    }
}

fn cells<const N: usize>(row: &'static str) -> [&'static str; N] {
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    cells.try_into().expect(row)
}

fn multiplicity(text: &str) -> Multiplicity {
    match text {
        "Single" => Multiplicity::Single,
        "Multiple" => Multiplicity::Multiple,
        _ => panic!("{text}"),
    }
}

fn operation(text: &str) -> Operations {
    match text {
        "" => Operations::None,
        "R" => Operations::Read,
        "W" => Operations::Write,
        "RW" => Operations::ReadWrite,
        "E" => Operations::Execute,
        _ => panic!("{text}"),
    }
}

fn value_type(text: &str) -> Option<DataType> {
    Some(match text {
        "" | "none" => return None,
        "String" => DataType::String,
        "Integer" => DataType::Integer,
        "Float" => DataType::Float,
        "Boolean" => DataType::Boolean,
        "Opaque" => DataType::Opaque,
        "Time" => DataType::Time,
        "Objlnk" => DataType::ObjectLink,
        _ => panic!("{text}"),
    })
}

/// The meaning of each range in the tables.
fn range(text: &str) -> Option<Range> {
    Some(match text {
        "" => return None,
        "0-255 bytes" => Range::Bytes(0, 255),
        "6 bytes" => Range::Bytes(6, 6),
        "16-32-48 bytes" => Range::Lengths(vec![16, 32, 48].into()),
        "16-bit" => Range::Bits(16),
        "listed in 5.3.1.1" => Range::OneOf(
            ["U", "UQ", "S", "SQ", "US", "UQS"]
                .map(Into::into)
                .to_vec()
                .into(),
        ),
        "0 to 3, 50 to 54, 56 to 59" => {
            Range::Values(vec![0, 1, 2, 3, 50, 51, 52, 53, 54, 56, 57, 58, 59].into())
        }
        "0-3" => Range::Numbers(0, 3),
        "0-4" => Range::Numbers(0, 4),
        "1-5" => Range::Numbers(1, 5),
        "0-6" => Range::Numbers(0, 6),
        "0-7" => Range::Numbers(0, 7),
        "0-8" => Range::Numbers(0, 8),
        "0-9" => Range::Numbers(0, 9),
        "0-10" => Range::Numbers(0, 10),
        "0-100" => Range::Numbers(0, 100),
        "0-255" => Range::Numbers(0, 255),
        "1-65534" => Range::Numbers(1, 65534),
        "1-65535" => Range::Numbers(1, 65535),
        "0-65535" => Range::Numbers(0, 65535),
        _ => panic!("{text}"),
    })
}

#[test]
fn the_objects_of_the_specification_and_software_management_are_built_in() {
    let ids: Vec<u16> = BUILT_IN.iter().map(|object| object.id.get()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6, 7, 9]);
}

#[test]
fn uninstall_of_the_registered_object_takes_an_argument() {
    let digits: Vec<u8> = SOFTWARE_MANAGEMENT
        .arguments(6.into())
        .map(|argument| argument.digit)
        .collect();
    assert_eq!(digits, [0, 1]);
    assert_eq!(SOFTWARE_MANAGEMENT.arguments(4.into()).count(), 0);
    assert_eq!(SOFTWARE_MANAGEMENT_CANDIDATE.arguments.len(), 0);
}
