//! The example client: TS Appendix F, Tables 29 to 41, written down from the specification.

extern crate alloc;

use alloc::collections::BTreeMap;
use core::fmt::Write as _;

use lwm2m_core::{ObjectId, Path, Value};
use lwm2m_objects::{ObjectTree, Typed, example, typed};

/// The values of the tables, by path; opaque ones in hexadecimal.
#[rustfmt::skip]
fn tables() -> BTreeMap<Path, String> {
    const IDENTITY: &str = "b313cc22-f969-42ec-ad42";

    // The keys, as the text representations below Table 32 print them.
    let point = "04 A0 9D CB 1B C7 39 E7 F1 9A FA 9A DC B1 94 49 68 BF BA 73 EF CE C2 9B 50 48 6E B4 4D 1B 29 C1 \
        93 44 99 70 A3 73 68 30 CB 2B D5 D7 EC 05 D2 BD 1F C0 7B 6D F5 E4 8B 54 CE 77 A6 A7 22 9C 3A 91 C2";
    let server_point = "04 82 C7 73 F3 78 D3 0C 27 83 A4 8E B8 11 B9 6C F6 A9 06 94 A8 56 4F 1E 7F 6D 36 61 52 F1 16 98 \
        95 0F 6F 7C 40 CD A5 85 33 4F 83 77 50 A1 02 F5 BF 25 50 8C EB 9E 55 DF C0 F1 2A 45 51 99 A4 C9 60";
    let secret = "9F 35 2D A1 64 95 74 8E 14 6F CB 53 70 B8 E9 6D 29 2C ED 55 67 A8 FA E5 5A 22 BB 67 D9 16 51 B8";
    // DER: ecPublicKey is 1.2.840.10045.2.1, prime256v1 is 1.2.840.10045.3.1.7.
    let (public, p256) = ("06 07 2A 86 48 CE 3D 02 01", "06 08 2A 86 48 CE 3D 03 01 07");
    let spki = |point: &str| digits(&format!("30 59 30 13 {public} {p256} 03 42 00 {point}"));
    let private = digits(&format!(
        "30 77 02 01 01 04 20 {secret} A0 0A {p256} A1 44 03 42 00 {point}"
    ));
    let hex = |text: &str| text.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });

    let rows = [
        // Table 30.
        ("/0/0/0", "coaps://bootstrap.example.com".into()),
        ("/0/0/1", "true".into()),
        ("/0/0/2", "0".into()),
        ("/0/0/3", hex(IDENTITY)),
        ("/0/0/4", String::new()),
        ("/0/0/5", "e129791359950cbb1c8c3c582913b551".into()),
        ("/0/0/11", "3600".into()),
        // Table 31.
        ("/0/1/0", "coaps://server1.example.com".into()),
        ("/0/1/1", "false".into()),
        ("/0/1/2", "0".into()),
        ("/0/1/3", hex(IDENTITY)),
        ("/0/1/4", String::new()),
        ("/0/1/5", "1ca2028d7197c778e9aef5ef69082bea".into()),
        ("/0/1/10", "101".into()),
        // Table 32.
        ("/0/2/0", "coaps://server2.example.com".into()),
        ("/0/2/1", "false".into()),
        ("/0/2/2", "1".into()),
        ("/0/2/3", spki(point)),
        ("/0/2/4", spki(server_point)),
        ("/0/2/5", private),
        ("/0/2/10", "102".into()),
        // Tables 33, 34.
        ("/1/0/0", "101".into()), ("/1/0/1", "86400".into()), ("/1/0/2", "300".into()), ("/1/0/3", "6000".into()),
        ("/1/0/5", "86400".into()), ("/1/0/6", "true".into()), ("/1/0/7", "U".into()),
        ("/1/1/0", "102".into()), ("/1/1/1", "86400".into()), ("/1/1/2", "60".into()), ("/1/1/3", "6000".into()),
        ("/1/1/5", "86400".into()), ("/1/1/6", "false".into()), ("/1/1/7", "UQ".into()),
        // Tables 35 to 39.
        ("/2/0/0", "1".into()), ("/2/0/1", "0".into()), ("/2/0/2/101", "15".into()), ("/2/0/3", "101".into()),
        ("/2/1/0", "1".into()), ("/2/1/1", "1".into()), ("/2/1/2/102", "15".into()), ("/2/1/3", "102".into()),
        ("/2/2/0", "3".into()), ("/2/2/1", "0".into()), ("/2/2/2/101", "15".into()), ("/2/2/2/102", "1".into()),
        ("/2/2/3", "101".into()),
        ("/2/3/0", "4".into()), ("/2/3/1", "0".into()), ("/2/3/2/101", "1".into()), ("/2/3/2/0", "1".into()),
        ("/2/3/3", "101".into()),
        ("/2/4/0", "5".into()), ("/2/4/1", "65535".into()), ("/2/4/2/101", "16".into()), ("/2/4/3", "65535".into()),
        // Table 40.
        ("/3/0/0", "Open Mobile Alliance".into()),
        ("/3/0/1", "Lightweight M2M Client".into()),
        ("/3/0/2", "345000123".into()),
        ("/3/0/3", "1.0".into()),
        ("/3/0/6/0", "1".into()), ("/3/0/6/1", "5".into()),
        ("/3/0/7/0", "3800".into()), ("/3/0/7/1", "5000".into()),
        ("/3/0/8/0", "125".into()), ("/3/0/8/1", "900".into()),
        ("/3/0/9", "100".into()),
        ("/3/0/10", "15".into()),
        ("/3/0/11/0", "0".into()),
        ("/3/0/13", "1367491215".into()),
        ("/3/0/14", "+02:00".into()),
        ("/3/0/16", "U".into()),
        // Table 41.
        ("/4/0/0", "0".into()),
        ("/4/0/1/0", "0".into()),
        ("/4/0/2", "92".into()),
        ("/4/0/3", "2".into()),
        ("/4/0/4/0", "192.168.0.100".into()),
        ("/4/0/5/0", "192.168.1.1".into()),
        ("/4/0/6", "5".into()),
        ("/4/0/7/0", "internet".into()),
    ];
    rows.map(|(path, value)| (path.parse().unwrap(), value)).into()
}

fn digits(hex: &str) -> String {
    hex.replace(' ', "").to_lowercase()
}

/// Every value of a tree, as text.
fn values(tree: &ObjectTree) -> BTreeMap<Path, String> {
    let mut values = BTreeMap::new();
    for object in tree.objects().map(|object| object.definition().id) {
        for instance in tree.instances(object) {
            for resource in tree.resources(object, instance) {
                tree.visit(
                    Path::Resource(object, instance, resource.id),
                    |path, value| {
                        let text = match value.to_owned() {
                            Value::String(text) => text,
                            opaque @ Value::Opaque(_) => opaque.to_string().replacen("0x", "", 1),
                            other => other.to_string(),
                        };
                        values.insert(path, text);
                    },
                );
            }
        }
    }
    values
}

#[test]
fn the_values_are_those_of_the_tables() {
    let (tables, values) = (tables(), values(&example::client()));
    for (path, expected) in &tables {
        assert_eq!(values.get(path), Some(expected), "{path}");
    }
    assert_eq!(values.len(), tables.len(), "{values:?}");
}

/// Table 29.
#[test]
fn the_object_instances_are_those_of_table_29() {
    let tree = example::client();
    let instances: Vec<_> = tree
        .objects()
        .map(|object| {
            let id = object.definition().id;
            (id.get(), tree.instances(id).count())
        })
        .collect();
    assert_eq!(instances, [(0, 3), (1, 2), (2, 5), (3, 1), (4, 1), (5, 0)]);
}

/// Table 39: Server 1 may create an instance of Firmware Update.
#[test]
fn a_firmware_update_instance_may_be_created() {
    assert!(example::client().create(ObjectId::FIRMWARE_UPDATE).is_ok());
}

#[test]
fn the_structs_read_back() {
    fn all<T: Typed + PartialEq + core::fmt::Debug>(tree: &ObjectTree, expected: &[T]) {
        let instances = tree.instances(T::DEFINITION.id);
        let read: Option<Vec<T>> = instances.map(|id| T::load(tree, id)).collect();
        assert_eq!(read.as_deref(), Some(expected));
    }
    let tree = example::client();
    all::<typed::Security>(&tree, &example::security());
    all::<typed::Server>(&tree, &example::servers());
    all::<typed::AccessControl>(&tree, &example::access_control());
    all::<typed::Device>(&tree, &[typed::Device::example()]);
    all::<typed::ConnectivityMonitoring>(&tree, &[example::connectivity_monitoring()]);
}
