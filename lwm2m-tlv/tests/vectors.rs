//! Every TLV example of TS 6.4.3, byte for byte in both directions.

mod common;

use common::bytes;
use lwm2m_core::{
    DataType, ObjectId, ObjectLink, Path, ResourceId, Value, ValueRef,
    codec::{Content, Scope},
};
use lwm2m_tlv::{Encoder, Kind, Reader, decode};

/// TS 6.4.3.1: the Device Object Instance, 121 bytes.
const DEVICE: &str = "
    C8 00 14 4F 70 65 6E 20 4D 6F 62 69 6C 65 20 41 6C 6C 69 61 6E 63 65
    C8 01 16 4C 69 67 68 74 77 65 69 67 68 74 20 4D 32 4D 20 43 6C 69 65 6E 74
    C8 02 09 33 34 35 30 30 30 31 32 33
    C3 03 31 2E 30
    86 06 41 00 01 41 01 05
    88 07 08 42 00 0E D8 42 01 13 88
    87 08 41 00 7D 42 01 03 84
    C1 09 64
    C1 0A 0F
    83 0B 41 00 00
    C4 0D 51 82 42 8F
    C6 0E 2B 30 32 3A 30 30
    C1 10 55";

/// The data types of the examples (TS Appendix E, and Figure 28 for 65 and 66).
fn types(object: ObjectId, resource: ResourceId) -> Option<DataType> {
    Some(match (object.get(), resource.get()) {
        (1, 6) => DataType::Boolean,
        (3, 13) => DataType::Time,
        (1, 7) | (3, 0..=3 | 14 | 16) | (65, 1) | (66, 0 | 1) => DataType::String,
        (65, 0) | (66, 2) => DataType::ObjectLink,
        (1, 0 | 1) | (2, 0..=3) | (3, 6..=11) | (65, 2) => DataType::Integer,
        _ => return None,
    })
}

fn device() -> Vec<(&'static str, Value)> {
    vec![
        ("/3/0/0", "Open Mobile Alliance".into()),
        ("/3/0/1", "Lightweight M2M Client".into()),
        ("/3/0/2", "345000123".into()),
        ("/3/0/3", "1.0".into()),
        ("/3/0/6/0", 1.into()),
        ("/3/0/6/1", 5.into()),
        ("/3/0/7/0", 3800.into()),
        ("/3/0/7/1", 5000.into()),
        ("/3/0/8/0", 125.into()),
        ("/3/0/8/1", 900.into()),
        ("/3/0/9", 100.into()),
        ("/3/0/10", 15.into()),
        ("/3/0/11/0", 0.into()),
        ("/3/0/13", Value::Time(1_367_491_215)),
        ("/3/0/14", "+02:00".into()),
        ("/3/0/16", "U".into()),
    ]
}

#[test]
fn single_object_instance_6_4_3_1() {
    both_ways("/3/0", 121, DEVICE, &device());
}

#[test]
fn single_instance_object_6_4_3_2_a() {
    both_ways("/3", 124, &format!("08 00 79 {DEVICE}"), &device());
}

#[test]
fn two_object_instances_6_4_3_2_b() {
    let hex = "
        08 00 0E  C1 00 01  C1 01 00  83 02 41 7F 07  C1 03 7F
        08 02 12  C1 00 03  C1 01 00  87 02 41 7F 07 61 01 36 01  C1 03 7F";
    let values = [
        ("/2/0/0", 1.into()),
        ("/2/0/1", 0.into()),
        ("/2/0/2/127", 7.into()),
        ("/2/0/3", 127.into()),
        ("/2/2/0", 3.into()),
        ("/2/2/1", 0.into()),
        ("/2/2/2/127", 7.into()),
        ("/2/2/2/310", 1.into()),
        ("/2/2/3", 127.into()),
    ];
    both_ways("/2", 38, hex, &values);
}

#[test]
fn one_object_instance_of_many_6_4_3_2_c() {
    let hex = "08 00 0F  C1 00 01  C4 01 00 01 51 80  C1 06 01  C1 07 55";
    let values = [
        ("/1/0/0", 1.into()),
        ("/1/0/1", 86_400.into()),
        ("/1/0/6", true.into()),
        ("/1/0/7", "U".into()),
    ];
    both_ways("/1", 18, hex, &values);
}

#[test]
fn object_links_6_4_3_3_example_1() {
    let hex = "
        88 00 0C 44 00 00 42 00 00 44 01 00 42 00 01
        C8 01 0D 38 36 31 33 38 30 30 37 35 35 35 30 30
        C4 02 12 34 56 78";
    let values = [
        ("/65/0/0/0", link(66, 0)),
        ("/65/0/0/1", link(66, 1)),
        ("/65/0/1", "8613800755500".into()),
        ("/65/0/2", 0x1234_5678.into()),
    ];
    both_ways("/65/0", 37, hex, &values);
}

#[test]
fn object_links_6_4_3_3_example_2() {
    let hex = "
        08 00 26
        C8 00 0B 6D 79 53 65 72 76 69 63 65 20 31
        C8 01 0F 49 6E 74 65 72 6E 65 74 2E 31 35 2E 32 33 34
        C4 02 00 43 00 00
        08 01 26
        C8 00 0B 6D 79 53 65 72 76 69 63 65 20 32
        C8 01 0F 49 6E 74 65 72 6E 65 74 2E 31 35 2E 32 33 35
        C4 02 FF FF FF FF";
    let values = [
        ("/66/0/0", "myService 1".into()),
        ("/66/0/1", "Internet.15.234".into()),
        ("/66/0/2", link(67, 0)),
        ("/66/1/0", "myService 2".into()),
        ("/66/1/1", "Internet.15.235".into()),
        ("/66/1/2", Value::ObjectLink(ObjectLink::NULL)),
    ];
    both_ways("/66", 82, hex, &values);
}

/// The example of an Object is also what a Create with chosen identifiers carries.
#[test]
fn a_create_with_identifiers_reads_the_same() {
    let payload = bytes(&format!("08 00 79 {DEVICE}"));
    let mut content = Content::new();
    decode(
        &payload,
        Scope::create(ObjectId::DEVICE),
        &types,
        &mut content,
    )
    .unwrap();
    assert_eq!(content, contents(&device()));
}

#[test]
fn the_reader_shows_the_nesting_of_6_4_3_2_a() {
    let payload = bytes(&format!("08 00 79 {DEVICE}"));
    let mut payload = Reader::new(&payload);
    let instance = payload.next().unwrap().unwrap();
    assert!(payload.next().is_none());
    assert_eq!(instance.kind, Kind::ObjectInstance);
    assert_eq!((instance.offset, instance.value_offset), (0, 3));

    let resources: Vec<_> = instance.nested().unwrap().map(Result::unwrap).collect();
    let multiple = Kind::MultipleResource;
    let shape: Vec<_> = resources.iter().map(|tlv| (tlv.kind, tlv.id)).collect();
    assert_eq!(shape.len(), 13);
    assert_eq!(shape[4..7], [(multiple, 6), (multiple, 7), (multiple, 8)]);
    assert_eq!(shape[12], (Kind::Resource, 16));

    let voltages = resources[5];
    assert_eq!(voltages.offset, 3 + 23 + 25 + 12 + 5 + 8);
    let voltages: Vec<_> = voltages.nested().unwrap().map(Result::unwrap).collect();
    assert_eq!(voltages[1].kind, Kind::ResourceInstance);
    assert_eq!(voltages[1].offset, resources[5].offset + 3 + 4);
    assert_eq!(
        voltages[1].decode(DataType::Integer),
        Ok(ValueRef::Integer(5000))
    );
    assert!(voltages[1].nested().is_none());
}

/// Appendix C: the numbers in its text, and the limits of each length.
#[test]
fn values_of_appendix_c() {
    let values: [(&str, Value); 15] = [
        ("C2 05 FD 12", (-750).into()),
        ("C4 05 57 FC D1 F5", Value::Time(1_476_186_613)),
        ("C8 05 08 3D D2 53 7B F2 D9 3A D5", 6.667e-11_f64.into()),
        ("C4 05 3F C0 00 00", 1.5.into()),
        ("C1 05 7F", 127.into()),
        ("C2 05 00 80", 128.into()),
        ("C1 05 80", (-128).into()),
        ("C2 05 FF 7F", (-129).into()),
        ("C4 05 00 00 80 00", 32_768.into()),
        ("C4 05 FF FF 7F FF", (-32_769).into()),
        ("C8 05 08 00 00 00 00 80 00 00 00", 2_147_483_648.into()),
        ("C8 05 08 80 00 00 00 00 00 00 00", i64::MIN.into()),
        ("C1 05 00", false.into()),
        ("C0 05", "".into()),
        ("C0 05", Vec::new().into()),
    ];
    for (hex, value) in values {
        let types = |_, _| value.data_type();
        let base: Path = "/9/0/5".parse().unwrap();
        let mut content = Content::new();
        decode(&bytes(hex), Scope::write(base), &types, &mut content).unwrap();
        assert_eq!(content.get(&base), Some(&value), "{hex}");
        assert_eq!(encoded(&content, base), bytes(hex), "{value}");
    }
}

fn both_ways(base: &str, length: usize, hex: &str, values: &[(&str, Value)]) {
    let base: Path = base.parse().unwrap();
    let payload = bytes(hex);
    assert_eq!(payload.len(), length);
    let mut content = Content::new();
    decode(&payload, Scope::write(base), &types, &mut content).unwrap();
    assert_eq!(content, contents(values));
    assert_eq!(encoded(&content, base), payload);
}

fn encoded(content: &Content, base: Path) -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut encoder = Encoder::new(&mut buffer, Scope::write(base));
    content.push(&mut encoder).unwrap();
    encoder.finish().unwrap();
    buffer
}

fn contents(values: &[(&str, Value)]) -> Content {
    let values = values.iter();
    values
        .map(|(path, value)| (path.parse::<Path>().unwrap(), value.clone()))
        .collect()
}

fn link(object: u16, instance: u16) -> Value {
    Value::ObjectLink(ObjectLink { object, instance })
}
