//! Every JSON example of the specification, and the forms that deployed stacks send.

use lwm2m_core::{
    DataType::{self, Float, Integer, ObjectLink as Link, Opaque, String as Text, Time},
    ObjectId, ObjectLink, Path, ResourceId, Timestamp, Value,
    codec::{Content, Entry, Scope},
};
use lwm2m_json::{Encoder, decode};
use lwm2m_kit::path;

/// The Device Object, and the Objects 65, 66, 67 and 72 of the examples.
fn types(object: ObjectId, resource: ResourceId) -> Option<DataType> {
    Some(match (object.get(), resource.get()) {
        (3, 6..=11) | (65, 2) => Integer,
        (3, 13) => Time,
        (72, 2) => Float,
        (65, 0) | (66, 2) => Link,
        (5, 0) => Opaque,
        (3 | 65..=67, _) => Text,
        _ => return None,
    })
}

fn read(payload: &str, base: &str, scope: fn(Path) -> Scope) -> Content {
    let mut content = Content::new();
    decode(payload.as_bytes(), scope(path(base)), &types, &mut content).unwrap();
    content
}

fn write(content: &Content, base: &str) -> String {
    let mut payload = b"before".to_vec();
    let mut encoder = Encoder::new(&mut payload, Scope::write(path(base)));
    content.push(&mut encoder).unwrap();
    encoder.finish().unwrap();
    String::from_utf8(payload.split_off(6)).unwrap()
}

/// Removes the white space around tokens. No string begins or ends with white space.
fn compact(payload: &str) -> String {
    let mut inside = false;
    payload
        .chars()
        .filter(|char| {
            inside ^= *char == '"';
            inside || !char.is_whitespace()
        })
        .collect()
}

fn device() -> Content {
    Content::from_iter([
        (path("/3/0/0"), Value::from("Open Mobile Alliance")),
        (path("/3/0/1"), Value::from("Lightweight M2M Client")),
        (path("/3/0/2"), Value::from("345000123")),
        (path("/3/0/3"), Value::from("1.0")),
        (path("/3/0/6/0"), Value::from(1)),
        (path("/3/0/6/1"), Value::from(5)),
        (path("/3/0/7/0"), Value::from(3800)),
        (path("/3/0/7/1"), Value::from(5000)),
        (path("/3/0/8/0"), Value::from(125)),
        (path("/3/0/8/1"), Value::from(900)),
        (path("/3/0/9"), Value::from(100)),
        (path("/3/0/10"), Value::from(15)),
        (path("/3/0/11/0"), Value::from(0)),
        (path("/3/0/13"), Value::Time(1_367_491_215)),
        (path("/3/0/14"), Value::from("+02:00")),
        (path("/3/0/16"), Value::from("U")),
    ])
}

/// TS 6.4.4, first example: Read /3/0.
const DEVICE: &str = r#"{"bn":"/3/0/",
"e":[
  {"n":"0", "sv": "Open Mobile Alliance"},
  {"n":"1", "sv": "Lightweight M2M Client"},
  {"n":"2", "sv":"345000123"},
  {"n":"3", "sv":"1.0"},
  {"n":"6/0","v":1},
  {"n":"6/1","v":5},
  {"n":"7/0","v":3800},
  {"n":"7/1","v":5000},
  {"n":"8/0","v":125},
  {"n":"8/1","v":900},
  {"n":"9","v":100},
  {"n":"10","v":15},
  {"n":"11/0","v":0},
  {"n":"13","v":1367491215},
  {"n":"14","sv":"+02:00"},
  {"n":"16","sv":"U"}]
}"#;

#[test]
fn device_of_6_4_4() {
    assert_eq!(read(DEVICE, "/3/0", Scope::answer), device());
    assert_eq!(read(DEVICE, "/3/0", Scope::write), device());
    let payload = write(&device(), "/3/0");
    assert_eq!(payload, compact(DEVICE));
    assert_eq!(payload.len(), 390);
}

#[test]
fn historical_temperature_of_6_4_4() {
    let payload = r#"{"bn":"/72/",
        "e":[
        {"n":"1/2","v":22.4,"t":-5},
        {"n":"1/2","v":22.9,"t":-30},
        {"n":"1/2","v":24.1,"t":-50}],
        "bt":25462634
    }"#;
    let content = read(payload, "/72", Scope::answer);
    let expected = [
        (22.4, 25_462_629.0),
        (22.9, 25_462_604.0),
        (24.1, 25_462_584.0),
    ];
    assert_eq!(
        content.entries(),
        expected.map(|(value, seconds)| Entry {
            path: path("/72/1/2"),
            value: Some(Value::Float(value)),
            time: Some(Timestamp::Absolute(seconds)),
        })
    );
    // The encoder writes no Base Time, so relative and absolute times can be in one payload.
    let payload = write(&content, "/72");
    assert_eq!(
        payload,
        r#"{"bn":"/72/","e":[{"n":"1/2","v":22.4,"t":25462629},{"n":"1/2","v":22.9,"t":25462604},{"n":"1/2","v":24.1,"t":25462584}]}"#
    );
    assert_eq!(read(&payload, "/72", Scope::answer), content);
    let payload = write(&content, "/72/1/2");
    assert!(payload.starts_with(r#"{"bn":"/72/1/2","e":[{"v":22.4,"t":25462629},{"#));
    assert_eq!(read(&payload, "/72/1/2", Scope::answer), content);
}

#[test]
fn linked_objects_of_6_4_4() {
    let payload = r#"{ "bn":"/",
        "e":[
        {"n":"65/0/0/0","ov":"66:0"},
        {"n":"65/0/0/1","ov":"66:1"},
        {"n":"65/0/1","sv":"8613800755500"},
        {"n":"65/0/2","v":1},
        {"n":"66/0/0","sv":"myService1"},
        {"n":"66/0/1","sv":"Internet.15.234"},
        {"n":"66/0/2","ov":"67:0"},
        {"n":"66/1/0","sv":"myService2"},
        {"n":"66/1/1","sv":"Internet.15.235"},
        {"n":"66/1/2","ov":"FFFF:FFFF"},
        {"n":"67/0/0","sv":"85.76.76.84"},
        {"n":"67/0/1","sv":"85.76.255.255"}]
    }"#;
    let link = |object, instance| Value::ObjectLink(ObjectLink { object, instance });
    let expected = Content::from_iter([
        (path("/65/0/0/0"), link(66, 0)),
        (path("/65/0/0/1"), link(66, 1)),
        (path("/65/0/1"), Value::from("8613800755500")),
        (path("/65/0/2"), Value::from(1)),
        (path("/66/0/0"), Value::from("myService1")),
        (path("/66/0/1"), Value::from("Internet.15.234")),
        (path("/66/0/2"), link(67, 0)),
        (path("/66/1/0"), Value::from("myService2")),
        (path("/66/1/1"), Value::from("Internet.15.235")),
        (path("/66/1/2"), Value::ObjectLink(ObjectLink::NULL)),
        (path("/67/0/0"), Value::from("85.76.76.84")),
        (path("/67/0/1"), Value::from("85.76.255.255")),
    ]);
    // It answers Read /65/0: the other Objects are linked.
    assert_eq!(read(payload, "/65/0", Scope::answer), expected);
    // Appendix C writes the null link in decimal.
    let canonical = compact(payload).replace("FFFF:FFFF", "65535:65535");
    assert_eq!(write(&expected, "/"), canonical);
    assert_eq!(read(&canonical, "/65/0", Scope::answer), expected);
}

#[test]
fn single_resource_of_6_4_4() {
    let payload = r#"{"bn":"/3/0/0",
        "e":[
            {"sv":"Open Mobile Alliance"}]
        }"#;
    let content = Content::from_iter([(path("/3/0/0"), Value::from("Open Mobile Alliance"))]);
    assert_eq!(read(payload, "/3/0/0", Scope::answer), content);
    assert_eq!(read(payload, "/3/0/0", Scope::write), content);
    assert_eq!(write(&content, "/3/0/0"), compact(payload));
}

/// Other forms that are seen on the wire.
#[test]
fn what_deployed_stacks_send() {
    let battery = Content::from_iter([(path("/3/0/9"), Value::from(100))]);
    for payload in [
        // Members in any order, Base Name last.
        r#"{"e":[{"v":100,"n":"9"}],"bn":"/3/0/"}"#,
        // No Base Name: Name is the whole path.
        r#"{"e":[{"n":"/3/0/9","v":100}]}"#,
        // Base Name is the whole path, Name there and empty.
        r#"{"bn":"/3/0/9","e":[{"n":"","v":100}]}"#,
        // Integers with fractions and exponents.
        r#"{"bn":"/3/0/","e":[{"n":"9","v":100.0}]}"#,
        r#"{"bn":"/3/0/","e":[{"n":"9","v":1.0E2}]}"#,
        r#"{"bn":"/3/0/","e":[{"n":"9","v":1000e-1}]}"#,
        // Escaped slashes, which some writers prefer.
        r#"{"bn":"\/3\/0\/","e":[{"n":"9","v":100}]}"#,
        // Members of SenML that LwM2M has no use for, and others.
        r#"{"ver":1,"bu":"%","bn":"/3/0/","x":[{"e":[]},null],"e":[{"n":"9","u":"%","v":100,"ut":60}]}"#,
    ] {
        for scope in [Scope::write, Scope::answer] {
            assert_eq!(read(payload, "/3/0", scope), battery, "{payload}");
        }
    }
    let time = Content::from_iter([(path("/3/0/13"), Value::Time(1_367_491_215))]);
    let payload = r#"{"bn":"/3/0/13","e":[{"v":1.367491215E9}]}"#;
    assert_eq!(read(payload, "/3/0/13", Scope::write), time);
}

#[test]
fn base_time_and_time_are_added() {
    let absolute = |seconds| Some(Timestamp::Absolute(seconds));
    let relative = |seconds| Some(Timestamp::Relative(seconds));
    for (base_time, time, expected) in [
        ("", "", None),
        (r#""bt":0,"#, "", relative(0.0)),
        ("", r#","t":0"#, relative(0.0)),
        ("", r#","t":-12.5"#, relative(-12.5)),
        (r#""bt":-10,"#, r#","t":-5"#, relative(-15.0)),
        (r#""bt":1e9,"#, "", absolute(1e9)),
        ("", r#","t":1367491215"#, absolute(1_367_491_215.0)),
        (
            r#""bt":1367491215,"#,
            r#","t":-0.5"#,
            absolute(1_367_491_214.5),
        ),
    ] {
        let payload = format!(r#"{{{base_time}"bn":"/3/0/9","e":[{{"v":1{time}}}]}}"#);
        let content = read(&payload, "/3/0/9", Scope::answer);
        let [entry] = content.entries() else {
            panic!("one entry")
        };
        assert_eq!(entry.time, expected, "{payload}");
    }
    // A missing time means zero, so a request may have it.
    let payload = r#"{"bn":"/3/0/9","bt":0,"e":[{"v":1,"t":0}]}"#;
    let content = read(payload, "/3/0/9", Scope::write);
    assert!(content.entries().iter().all(|entry| entry.time.is_none()));
}

#[test]
fn entries_may_come_in_any_order() {
    let payload = r#"{"bn":"/","e":[
        {"n":"3/0/7/1","v":5000},{"n":"5/0/0","sv":"AQID"},{"n":"3/0/7/0","v":3800}]}"#;
    let content = read(payload, "/", Scope::answer);
    let paths: Vec<Path> = content.values().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/3/0/7/1", "/5/0/0", "/3/0/7/0"].map(path));
    assert_eq!(
        content.get(&path("/5/0/0")),
        Some(&Value::Opaque(vec![1, 2, 3]))
    );
}

#[test]
fn an_object_without_instances_is_an_empty_array() {
    let mut object = Content::new();
    let payload = r#"{"bn":"/65/","e":[]}"#;
    let types = |_: ObjectId, _: ResourceId| None;
    decode(
        payload.as_bytes(),
        Scope::answer(path("/65")),
        &types,
        &mut object,
    )
    .unwrap();
    let [entry] = object.entries() else {
        panic!("one entry")
    };
    assert_eq!((entry.path, &entry.value), (path("/65"), &None));
    assert_eq!(write(&object, "/65"), payload);
}
