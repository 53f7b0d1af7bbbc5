//! Object Instances of every kind: which formats carry them and return them unchanged.

use lwm2m_core::{
    ContentFormat, DataType, InstanceId, ObjectLink, Path, Timestamp, Value,
    codec::{Content, EncodeError, Event, Scope, Sink},
};
use lwm2m_objects::{BUILT_IN, Multiplicity, Registry};
use lwm2m_statemachine::payload::{self, DecodeError, EncodeFailure};

use super::support::{
    FORMATS, Line, content, path, read, round_trip, there_and_back, told, types, written,
};

const TEXT: ContentFormat = ContentFormat::TEXT;
const OPAQUE: ContentFormat = ContentFormat::OPAQUE;
const TLV: ContentFormat = ContentFormat::TLV;
const JSON: ContentFormat = ContentFormat::JSON;

/// Exactly these formats carry the content.
fn check(base: &str, lines: &[Line], formats: &[ContentFormat]) {
    let base = path(base);
    let content = content(lines);
    let mut payloads = Vec::new();
    for format in FORMATS {
        if formats.contains(&format) {
            payloads.push((format, round_trip(format, &content, base, &types)));
        } else {
            let refused = written(format, &content, base);
            assert!(
                matches!(refused, Err(EncodeFailure::Content(_))),
                "{base} in {format}: {refused:?}"
            );
        }
    }
    there_and_back(&payloads, base, &types);
}

fn line(at: &str, value: impl Into<Value>) -> Line {
    (path(at), Some(value.into()), None)
}

fn empty(at: &str) -> Line {
    (path(at), None, None)
}

fn link(object: u16, instance: u16) -> Value {
    Value::ObjectLink(ObjectLink { object, instance })
}

/// Values of each data type, with the last digit of the Resource that holds them.
fn values() -> Vec<(u16, Value)> {
    let mut values = Vec::new();
    for text in ["", "U", "+02:00", "Zürich", "\"\\/\u{8}\u{0}\n\u{1F600}"] {
        values.push((0, text.into()));
    }
    // The lengths at which the Length of a TLV grows.
    for length in [7, 8, 255, 256, 65_535, 65_536] {
        values.push((0, "x".repeat(length).into()));
        values.push((4, vec![0xA5; length].into()));
    }
    // The numbers at which an integer of TLV grows, and one that a double can't hold.
    for bits in [0, 7, 8, 15, 16, 31, 32, 53, 54, 62] {
        let number = 1_i64 << bits;
        for number in [number - 1, number, -number, -number - 1] {
            values.push((1, number.into()));
            values.push((5, Value::Time(number)));
        }
    }
    values.extend([(1, i64::MAX.into()), (1, i64::MIN.into())]);
    for number in [
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        22.4,
        6.667e-11,
        1e21,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        f64::from(f32::MAX),
        f64::from(0.1_f32),
        9_007_199_254_740_993.0,
    ] {
        values.push((2, number.into()));
    }
    values.extend([(3, false.into()), (3, true.into())]);
    for octets in [&[][..], &[0], &[0xFF; 2], b"any octets", b"\xF0\x9F\x98"] {
        values.push((4, octets.into()));
    }
    values.extend([(6, link(66, 0)), (6, link(0, 65_535))]);
    values.push((6, Value::ObjectLink(ObjectLink::NULL)));
    values
}

#[test]
fn a_single_resource_of_each_data_type() {
    let mut seen = Vec::new();
    for (digit, value) in values() {
        let formats: &[_] = match digit {
            4 => &[TEXT, OPAQUE, TLV, JSON],
            _ => &[TEXT, TLV, JSON],
        };
        seen.extend(value.as_ref().data_type());
        // Identifiers of one byte and of two.
        for id in [digit, 5700 + digit] {
            let at = format!("/30000/2/{id}");
            let lines = [line(&at, value.clone())];
            check(&at, &lines, formats);
            check("/30000/2", &lines, &[TLV, JSON]);
            check("/30000", &lines, &[TLV, JSON]);
            check("/", &lines, &[JSON]);
        }
    }
    for data_type in [
        DataType::String,
        DataType::Integer,
        DataType::Float,
        DataType::Boolean,
        DataType::Opaque,
        DataType::Time,
        DataType::ObjectLink,
    ] {
        assert!(seen.contains(&data_type), "{data_type}");
    }
}

#[test]
fn numbers_that_only_tlv_can_write() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let lines = [line("/30000/0/2", number)];
        check("/30000/0/2", &lines, &[TLV]);
        check("/30000", &lines, &[TLV]);
    }
}

/// TLV and opaque carry raw bytes. Text could, but the meaning of raw bytes as text is unknown.
#[test]
fn bytes_of_unknown_type() {
    for bytes in [&b""[..], b"85", &[0xFF; 300]] {
        let lines = [line("/30000/0/9", Value::Raw(bytes.into()))];
        check("/30000/0/9", &lines, &[OPAQUE, TLV]);
        check("/30000/0", &lines, &[TLV]);
    }
}

/// All values of a data type in one multiple Resource.
fn multiples(instance: u16) -> Vec<Line> {
    let mut lines = Vec::new();
    for digit in 0..7 {
        let values = values().into_iter().filter(|(of, _)| *of == digit);
        // Identifiers of one byte and of two, up to the last.
        let ids = (0..4).chain(254..).chain([65_535]);
        for (id, (_, value)) in ids.zip(values) {
            lines.push(line(
                &format!("/30000/{instance}/{}/{id}", 40 + digit),
                value,
            ));
        }
    }
    lines
}

#[test]
fn multiple_resources_of_each_data_type() {
    let lines = multiples(2);
    check("/30000/2", &lines, &[TLV, JSON]);
    check("/30000", &lines, &[TLV, JSON]);
    check("/", &lines, &[JSON]);
    for digit in 0..7 {
        let base = format!("/30000/2/{}", 40 + digit);
        let mut lines = lines.clone();
        lines.retain(|(at, ..)| path(&base).contains(at));
        check(&base, &lines, &[TLV, JSON]);
        check(&base, &lines[..1], &[TLV, JSON]);
    }
}

#[test]
fn a_resource_instance_alone() {
    for (digit, value) in values() {
        let formats: &[_] = match digit {
            4 => &[TEXT, OPAQUE, JSON],
            _ => &[TEXT, JSON],
        };
        for id in [0, 65_535] {
            let at = format!("/30000/0/{digit}/{id}");
            check(&at, &[line(&at, value.clone())], formats);
        }
    }
}

/// JSON has names for values only, so it can't name what has no value.
#[test]
fn what_is_empty() {
    check("/30000/0/41", &[empty("/30000/0/41")], &[TLV]);
    check("/30000/0", &[empty("/30000/0/41")], &[TLV]);
    check("/30000", &[empty("/30000/0/41")], &[TLV]);
    check("/30000/0", &[empty("/30000/0")], &[TLV]);
    check("/30000", &[empty("/30000/0")], &[TLV]);
    check(
        "/30000",
        &[
            empty("/30000/0"),
            line("/30000/1/0", "not empty"),
            empty("/30000/2/41"),
            empty("/30000/2/42"),
            line("/30000/2/43/0", true),
            empty("/30000/65534"),
        ],
        &[TLV],
    );
}

/// An Object without Object Instances is an empty payload; in JSON only in an answer.
#[test]
fn an_object_without_object_instances() {
    let base = path("/30000");
    let content = content(&[empty("/30000")]);
    assert_eq!(round_trip(TLV, &content, base, &types), b"");
    let payload = written(JSON, &content, base).unwrap();
    let mut answer = Content::new();
    payload::decode(JSON, &payload, Scope::answer(base), &types, &mut answer).unwrap();
    assert_eq!(answer, content);
    let request = payload::decode(JSON, &payload, Scope::write(base), &types, &mut answer);
    assert!(matches!(request, Err(DecodeError::Malformed(_))));
}

#[test]
fn object_instances_of_all_types() {
    let mut lines = Vec::new();
    for (id, (digit, value)) in values().into_iter().enumerate() {
        // Single and multiple Resources in turn, no Resource ID twice.
        let id = 10 * id + usize::from(digit);
        lines.push(line(&format!("/30000/7/{id}"), value.clone()));
        let id = 3000 + id;
        lines.push(line(&format!("/30000/7/{id}/1"), value.clone()));
        lines.push(line(&format!("/30000/7/{id}/300"), value));
    }
    check("/30000/7", &lines, &[TLV, JSON]);
    check("/30000", &lines, &[TLV, JSON]);
}

#[test]
fn many_object_instances() {
    let mut lines = Vec::new();
    for instance in (0..300_u16).chain([65_533, 65_534]) {
        for (digit, value) in [
            (0, format!("instance {instance}").into()),
            (1, i64::from(instance).into()),
            (2, f64::from(instance).sqrt().into()),
            (3, (instance % 2 == 0).into()),
            (4, instance.to_be_bytes().to_vec().into()),
            (5, Value::Time(1_367_491_215 - i64::from(instance))),
            (6, link(30_000, instance)),
        ] {
            lines.push(line(&format!("/30000/{instance}/{digit}"), value.clone()));
            for id in 0..instance % 4 {
                let multiple = 40 + digit;
                let at = format!("/30000/{instance}/{multiple}/{id}");
                lines.push(line(&at, value.clone()));
            }
        }
    }
    check("/30000", &lines, &[TLV, JSON]);
}

#[test]
fn several_objects_are_for_json() {
    check(
        "/",
        &[
            line("/3/0/1", 1),
            line("/30000/0/0", "a"),
            line("/30000/1/40/0", "b"),
        ],
        &[JSON],
    );
}

/// The Objects of the specification by their own definitions, and Software Management.
#[test]
fn the_built_in_objects() {
    let registry = Registry::default();
    for definition in BUILT_IN {
        let object = definition.id;
        let instances = match definition.instances {
            Multiplicity::Single => 1,
            Multiplicity::Multiple => 3,
        };
        let mut lines = Vec::new();
        for instance in 0..instances {
            for resource in definition.resources.iter() {
                let Some(data_type) = resource.data_type else {
                    continue;
                };
                let value = |number: i64| match data_type {
                    DataType::String => format!("text {number}").into(),
                    DataType::Integer => number.into(),
                    DataType::Float => (0.5 + f64::from(instance)).into(),
                    DataType::Boolean => (number % 2 == 0).into(),
                    DataType::Opaque => number.to_le_bytes().to_vec().into(),
                    DataType::Time => Value::Time(number),
                    DataType::ObjectLink => link(object.get(), instance),
                    other => unreachable!("{other}"),
                };
                let at = format!("/{object}/{instance}/{}", resource.id);
                match resource.instances {
                    Multiplicity::Single => lines.push(line(&at, value(1000))),
                    Multiplicity::Multiple => {
                        lines.push(line(&format!("{at}/0"), value(0)));
                        lines.push(line(&format!("{at}/127"), value(-40_000)));
                    }
                }
            }
        }
        let all = content(&lines);
        let bases = [
            Path::Object(object),
            Path::Instance(object, InstanceId::ZERO),
        ];
        for base in bases {
            let mut lines = lines.clone();
            lines.retain(|(at, ..)| base.contains(at));
            let content = content(&lines);
            let payloads =
                [TLV, JSON].map(|format| (format, round_trip(format, &content, base, &registry)));
            there_and_back(&payloads, base, &registry);
        }
        // Each single value as text, too.
        for (at, value) in all.values().filter(|(at, _)| at.depth() == 3) {
            let single = Content::from_iter([(at, value.clone())]);
            let payloads = [TEXT, TLV, JSON]
                .map(|format| (format, round_trip(format, &single, at, &registry)));
            there_and_back(&payloads, at, &registry);
        }
    }
}

#[test]
fn values_over_time_are_for_answers_in_json() {
    let lines: Vec<Line> = [
        Timestamp::Absolute(1_367_491_215.0),
        Timestamp::Absolute(1_367_491_215.5),
        Timestamp::Relative(-30.0),
        Timestamp::Relative(0.0),
    ]
    .into_iter()
    .zip(1..)
    .map(|(time, value)| (path("/30000/0/1"), Some(Value::Integer(value)), Some(time)))
    .collect();
    let content = content(&lines);
    let base = path("/30000/0");
    let payload = written(JSON, &content, base).unwrap();
    let mut answer = Content::new();
    payload::decode(JSON, &payload, Scope::answer(base), &types, &mut answer).unwrap();
    assert_eq!(answer, content);
    assert!(matches!(
        payload::decode(
            JSON,
            &payload,
            Scope::write(base),
            &types,
            &mut Content::new()
        ),
        Err(DecodeError::Malformed(_))
    ));
    for (format, base) in [(TLV, base), (TEXT, path("/30000/0/1"))] {
        assert_eq!(
            written(format, &content, base),
            Err(EncodeFailure::Content(EncodeError::Time(path(
                "/30000/0/1"
            ))))
        );
    }
}

/// Takes the Object Instance without an identifier for that with the identifier 9.
struct Nine(Content, Option<InstanceId>);

impl Sink for Nine {
    type Error = EncodeError;

    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        self.0.event(match event {
            Event::Instance(id) => {
                self.1 = id;
                Event::Instance(InstanceId::new(9))
            }
            event => event,
        })
    }
}

#[test]
fn the_instance_of_a_create_with_and_without_identifier() {
    let lines: Vec<Line> = values()
        .into_iter()
        .zip(0_u16..)
        .map(|((digit, value), id)| line(&format!("/30000/9/{}", 10 * id + digit), value))
        .chain(multiples(9).into_iter().map(|(at, value, time)| {
            // Not among the single Resources.
            let mut ids: Vec<u16> = at.segments().collect();
            ids[2] += 20_000;
            (Path::of(&ids).unwrap(), value, time)
        }))
        .collect();
    let content = content(&lines);
    let object = 30_000.into();
    for format in [TLV, JSON] {
        for id in [None, InstanceId::new(9)] {
            let mut payload = Vec::new();
            payload::encode_create(format, &content, object, id, &mut payload).unwrap();
            let mut created = Nine(Content::new(), None);
            payload::decode(
                format,
                &payload,
                Scope::create(object),
                &types,
                &mut created,
            )
            .unwrap();
            assert_eq!(created.1, id);
            assert_eq!(told(&created.0), told(&content), "{format}");
        }
    }
}

/// The example instance of TS 6.4.3.1 in both formats, from the bytes of the one to those of the
/// other (6.4.4) and back.
#[test]
fn the_device_of_the_specification_from_tlv_to_json_and_back() {
    let tlv = b"\xC8\x00\x14Open Mobile Alliance\xC8\x01\x16Lightweight M2M Client\
        \xC8\x02\x09345000123\xC3\x031.0\x86\x06\x41\x00\x01\x41\x01\x05\
        \x88\x07\x08\x42\x00\x0E\xD8\x42\x01\x13\x88\x87\x08\x41\x00\x7D\x42\x01\x03\x84\
        \xC1\x09\x64\xC1\x0A\x0F\x83\x0B\x41\x00\x00\xC4\x0D\x51\x82\x42\x8F\
        \xC6\x0E+02:00\xC1\x10U";
    let json = concat!(
        r#"{"bn":"/3/0/","e":[{"n":"0","sv":"Open Mobile Alliance"},"#,
        r#"{"n":"1","sv":"Lightweight M2M Client"},{"n":"2","sv":"345000123"},"#,
        r#"{"n":"3","sv":"1.0"},{"n":"6/0","v":1},{"n":"6/1","v":5},{"n":"7/0","v":3800},"#,
        r#"{"n":"7/1","v":5000},{"n":"8/0","v":125},{"n":"8/1","v":900},{"n":"9","v":100},"#,
        r#"{"n":"10","v":15},{"n":"11/0","v":0},{"n":"13","v":1367491215},"#,
        r#"{"n":"14","sv":"+02:00"},{"n":"16","sv":"U"}]}"#,
    );
    assert_eq!((tlv.len(), json.len()), (121, 390));
    let payloads = [(TLV, tlv.to_vec()), (JSON, json.as_bytes().to_vec())];
    let (base, registry) = (path("/3/0"), Registry::default());
    there_and_back(&payloads, base, &registry);
    let contents = payloads.map(|(format, payload)| read(format, &payload, base, &registry));
    assert_eq!(contents[0], contents[1]);
    assert_eq!(contents[0].entries().len(), 16);
}
