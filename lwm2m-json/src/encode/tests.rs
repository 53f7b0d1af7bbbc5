use alloc::{format, string::String, vec};

use lwm2m_core::{
    ObjectLink, Value,
    codec::{Content, Scope},
};
use lwm2m_kit::path;

use super::*;

/// The payload; checks that a failure leaves the buffer as it was and that an error stays.
fn write(events: &[Event<'_>], base: Path) -> Result<String, EncodeError> {
    let mut payload = b"before".to_vec();
    let mut encoder = Encoder::new(&mut payload, Scope::write(base));
    let mut result = events.iter().try_for_each(|event| encoder.event(*event));
    if let Err(error) = result {
        for event in [OBJECT, INSTANCE, RESOURCE, Event::EndInstance] {
            assert_eq!(encoder.event(event), Err(error));
        }
        assert_eq!(encoder.finish(), Err(error));
    } else {
        result = encoder.finish();
    }
    let text = String::from_utf8(payload).unwrap();
    let text = text.strip_prefix("before").unwrap();
    assert_eq!(text.is_empty(), result.is_err(), "{text}");
    result.map(|()| text.into())
}

fn write_values(values: &[(&str, Value)], base: &str) -> Result<String, EncodeError> {
    let values = values.iter().map(|(at, value)| (path(at), value.clone()));
    let mut payload = Vec::new();
    let mut encoder = Encoder::new(&mut payload, Scope::write(path(base)));
    values.collect::<Content>().push(&mut encoder)?;
    encoder.finish()?;
    Ok(String::from_utf8(payload).unwrap())
}

const OBJECT: Event<'_> = Event::Object(ObjectId::DEVICE);
const INSTANCE: Event<'_> = Event::Instance(Some(InstanceId::ZERO));
const UNNAMED: Event<'_> = Event::Instance(None);
const MULTIPLE: Event<'_> = Event::Multiple(ResourceId::new(7));
const RESOURCE: Event<'_> = value(ValueRef::Integer(1), None);
const RESOURCE_INSTANCE: Event<'_> = Event::ResourceInstance {
    id: ResourceInstanceId::new(2),
    value: ValueRef::Integer(3),
    time: None,
};

const fn value(value: ValueRef<'_>, time: Option<Timestamp>) -> Event<'_> {
    let id = ResourceId::new(9);
    Event::Resource { id, value, time }
}

#[test]
fn names_are_relative_to_the_base() {
    let values = [("/3/0/7/2", Value::from(1)), ("/3/0/7/10", Value::from(2))];
    for (base, payload) in [
        (
            "/",
            r#"{"bn":"/","e":[{"n":"3/0/7/2","v":1},{"n":"3/0/7/10","v":2}]}"#,
        ),
        (
            "/3",
            r#"{"bn":"/3/","e":[{"n":"0/7/2","v":1},{"n":"0/7/10","v":2}]}"#,
        ),
        (
            "/3/0",
            r#"{"bn":"/3/0/","e":[{"n":"7/2","v":1},{"n":"7/10","v":2}]}"#,
        ),
        (
            "/3/0/7",
            r#"{"bn":"/3/0/7/","e":[{"n":"2","v":1},{"n":"10","v":2}]}"#,
        ),
    ] {
        assert_eq!(write_values(&values, base).as_deref(), Ok(payload));
    }
    assert_eq!(
        write_values(&values[..1], "/3/0/7/2").as_deref(),
        Ok(r#"{"bn":"/3/0/7/2","e":[{"v":1}]}"#)
    );
}

#[test]
fn values_are_in_their_fields() {
    for (value, field) in [
        (Value::from(""), r#""sv":"""#),
        (
            Value::from("ü\"\\/\u{8}\u{C}\n\r\t\0\u{1F}\u{7F}𝄞"),
            "\"sv\":\"ü\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u{7F}𝄞\"",
        ),
        (Value::Integer(i64::MIN), r#""v":-9223372036854775808"#),
        (Value::Integer(i64::MAX), r#""v":9223372036854775807"#),
        (Value::Time(1_367_491_215), r#""v":1367491215"#),
        (Value::Float(-22.4), r#""v":-22.4"#),
        (Value::Float(1.0), r#""v":1.0"#),
        (Value::Float(6.667e-11), r#""v":6.667e-11"#),
        (Value::Float(f64::MAX), r#""v":1.7976931348623157e308"#),
        (Value::Boolean(true), r#""bv":true"#),
        (Value::Boolean(false), r#""bv":false"#),
        (Value::Opaque(vec![]), r#""sv":"""#),
        (Value::Opaque(vec![1]), r#""sv":"AQ==""#),
        (Value::Opaque(vec![0xFB, 0xFF, 0xFE]), r#""sv":"+//+""#),
        (
            Value::ObjectLink(ObjectLink {
                object: 66,
                instance: 0,
            }),
            r#""ov":"66:0""#,
        ),
        (Value::ObjectLink(ObjectLink::NULL), r#""ov":"65535:65535""#),
    ] {
        let payload = write_values(&[("/3/0/9", value)], "/3/0/9").unwrap();
        assert_eq!(
            payload,
            alloc::format!(r#"{{"bn":"/3/0/9","e":[{{{field}}}]}}"#)
        );
    }
}

#[test]
fn what_json_cannot_carry_is_refused() {
    let at = path("/3/0/9");
    for wrong in [
        ValueRef::Float(f64::NAN),
        ValueRef::Float(f64::INFINITY),
        ValueRef::Float(f64::NEG_INFINITY),
        ValueRef::Raw(&[1]),
    ] {
        let events = [OBJECT, INSTANCE, value(wrong, None)];
        assert_eq!(write(&events, path("/3/0")), Err(EncodeError::Value(at)));
    }
    for wrong in [
        Timestamp::Absolute(0.0),
        Timestamp::Absolute(-1.0),
        Timestamp::Absolute(f64::INFINITY),
        Timestamp::Relative(1.0),
        Timestamp::Relative(f64::NAN),
        Timestamp::Relative(f64::NEG_INFINITY),
    ] {
        let events = [OBJECT, INSTANCE, value(ValueRef::Integer(1), Some(wrong))];
        assert_eq!(write(&events, path("/3/0")), Err(EncodeError::Time(at)));
    }
}

#[test]
fn times_are_seconds() {
    for (time, text) in [
        (Timestamp::Absolute(1_367_491_215.0), "1367491215"),
        (Timestamp::Absolute(1_367_491_215.25), "1367491215.25"),
        (Timestamp::Relative(-5.0), "-5"),
        (Timestamp::Relative(0.0), "0"),
    ] {
        let value = value(ValueRef::Integer(1), Some(time));
        let events = [
            OBJECT,
            INSTANCE,
            value,
            Event::EndInstance,
            Event::EndObject,
        ];
        assert_eq!(
            write(&events, path("/3/0/9")).unwrap(),
            alloc::format!(r#"{{"bn":"/3/0/9","e":[{{"v":1,"t":{text}}}]}}"#)
        );
    }
}

#[test]
fn empty_things_are_refused_but_the_whole_object() {
    let root = Path::Root;
    let empty = |text| Err(EncodeError::Empty(path(text)));
    let object = [OBJECT, Event::EndObject];
    assert_eq!(
        write(&object, path("/3")).unwrap(),
        r#"{"bn":"/3/","e":[]}"#
    );
    assert_eq!(write(&[], root).unwrap(), r#"{"bn":"/","e":[]}"#);
    assert_eq!(write(&object, root), empty("/3"));
    assert_eq!(write(&[], path("/3/0")), empty("/3/0"));
    let instance = [OBJECT, INSTANCE, Event::EndInstance];
    assert_eq!(write(&instance, path("/3/0")), empty("/3/0"));
    let unnamed = [OBJECT, UNNAMED, Event::EndInstance];
    assert_eq!(write(&unnamed, path("/3")), empty("/3"));
    let multiple = [OBJECT, INSTANCE, RESOURCE, MULTIPLE, Event::EndMultiple];
    assert_eq!(write(&multiple, path("/3/0")), empty("/3/0/7"));
}

/// JSON can't carry what is empty. An answer leaves it out, unless it is itself the target.
#[test]
fn an_answer_leaves_out_what_is_empty() {
    const EMPTY: [Event<'_>; 2] = [MULTIPLE, Event::EndMultiple];
    let answer = |parts: &[&[Event<'_>]], base: &str| {
        let mut payload = Vec::new();
        let mut encoder = Encoder::new(&mut payload, Scope::answer(path(base)));
        parts
            .concat()
            .into_iter()
            .try_for_each(|event| encoder.event(event))?;
        encoder.finish()?;
        Ok(String::from_utf8(payload).unwrap())
    };
    let is = |payload: &str| Ok::<_, EncodeError>(payload.into());
    let open: &[Event<'_>] = &[OBJECT, INSTANCE];
    let end: &[Event<'_>] = &[Event::EndInstance, Event::EndObject];
    let full = [MULTIPLE, RESOURCE_INSTANCE, Event::EndMultiple];
    let resource = r#"{"bn":"/3/0/","e":[{"n":"9","v":1}]}"#;
    assert_eq!(
        answer(&[open, &EMPTY, &[RESOURCE], end], "/3/0"),
        is(resource)
    );
    assert_eq!(
        answer(&[open, &[RESOURCE], &EMPTY, end], "/3/0"),
        is(resource)
    );
    assert_eq!(
        answer(&[open, &EMPTY, &full, &EMPTY, &[RESOURCE], end], "/3"),
        is(r#"{"bn":"/3/","e":[{"n":"0/7/2","v":3},{"n":"0/9","v":1}]}"#)
    );
    let nothing = is(r#"{"bn":"/3/0/","e":[]}"#);
    assert_eq!(answer(&[open, &EMPTY, end], "/3/0"), nothing);
    assert_eq!(answer(&[open, end], "/3/0"), nothing);
    let second = Event::Instance(InstanceId::new(1));
    let empty_instance = [INSTANCE, Event::EndInstance];
    let instances = [&[OBJECT][..], &empty_instance, &[second, RESOURCE], end];
    let in_second = is(r#"{"bn":"/3/","e":[{"n":"1/9","v":1}]}"#);
    assert_eq!(answer(&instances, "/3"), in_second);
    let instances = [
        &[OBJECT][..],
        &[second, RESOURCE, Event::EndInstance],
        &empty_instance,
    ];
    let instances = [&instances.concat()[..], &[Event::EndObject]];
    assert_eq!(answer(&instances, "/3"), in_second);
    let object = [OBJECT, Event::EndObject];
    assert_eq!(answer(&[&object], "/"), is(r#"{"bn":"/","e":[]}"#));

    // The empty array is the target.
    let empty = |text| Err(EncodeError::Empty(path(text)));
    assert_eq!(answer(&[open, &EMPTY, end], "/3/0/7"), empty("/3/0/7"));
    assert_eq!(answer(&[open, end], "/3/0/7"), empty("/3/0"));
    assert_eq!(answer(&[], "/3/0/7"), empty("/3/0/7"));
    // Everything else is an error in an answer, too.
    let outside = Err(EncodeError::OutsidePath(path("/3/0")));
    assert_eq!(answer(&[open, &EMPTY, end], "/3/1"), outside);
    let structure = Err(EncodeError::Structure(Step::End));
    assert_eq!(answer(&[open, &[MULTIPLE]], "/3/0"), structure);
}

#[test]
fn what_is_outside_of_the_base_is_refused() {
    let value = |at| [(at, Value::from(1))];
    for (base, at, outside) in [
        ("/4", "/3/0/9", "/3"),
        ("/3/1", "/3/0/9", "/3/0"),
        ("/3/0/8", "/3/0/9", "/3/0/9"),
        ("/3/0/8", "/3/0/9/1", "/3/0/9"),
        ("/3/0/9/1", "/3/0/9", "/3/0/9"),
        ("/3/0/9/1", "/3/0/9/2", "/3/0/9/2"),
    ] {
        let error = EncodeError::OutsidePath(path(outside));
        assert_eq!(write_values(&value(at), base), Err(error));
    }
}

#[test]
fn an_instance_without_identifier_is_alone_and_has_a_single_resource() {
    let end = [Event::EndInstance, Event::EndObject];
    let multiple = [MULTIPLE, RESOURCE_INSTANCE, Event::EndMultiple];
    let write = |parts: &[&[Event<'_>]], base| write(&parts.concat(), path(base));
    assert_eq!(
        write(&[&[OBJECT, UNNAMED], &multiple, &[RESOURCE], &end], "/3").unwrap(),
        r#"{"bn":"/3/","e":[{"n":"7/2","v":3},{"n":"9","v":1}]}"#
    );
    // It would be read as the identifier of an Object Instance, which can't be 65535.
    let last = Event::Resource {
        id: u16::MAX.into(),
        value: ValueRef::Boolean(true),
        time: None,
    };
    assert_eq!(
        write(&[&[OBJECT, UNNAMED, last], &end], "/3"),
        Err(EncodeError::Value(path("/3/0/65535")))
    );
    let structure = |step| Err(EncodeError::Structure(step));
    assert_eq!(
        write(&[&[OBJECT, UNNAMED], &multiple, &end], "/3"),
        structure(Step::EndInstance)
    );
    for (one, other) in [(UNNAMED, INSTANCE), (INSTANCE, UNNAMED), (UNNAMED, UNNAMED)] {
        assert_eq!(
            write(&[&[OBJECT, one, RESOURCE, Event::EndInstance, other]], "/3"),
            structure(Step::Instance)
        );
    }
    for base in ["/", "/3/0"] {
        assert_eq!(
            write(&[&[OBJECT, UNNAMED]], base),
            structure(Step::Instance)
        );
    }
}

#[test]
fn what_is_not_finished_is_taken_back() {
    let mut payload = b"before".to_vec();
    let mut encoder = Encoder::new(&mut payload, Scope::write(Path::Root));
    for event in [OBJECT, INSTANCE, RESOURCE] {
        encoder.event(event).unwrap();
    }
    drop(encoder);
    assert_eq!(payload, b"before");
}

#[test]
fn broken_order_is_refused() {
    let open = [OBJECT, INSTANCE, MULTIPLE];
    let events = [
        OBJECT,
        INSTANCE,
        MULTIPLE,
        RESOURCE,
        RESOURCE_INSTANCE,
        Event::EndMultiple,
        Event::EndInstance,
        Event::EndObject,
    ];
    let allowed: [&[Step]; 4] = [
        &[Step::Object],
        &[Step::Instance, Step::EndObject],
        &[Step::Resource, Step::Multiple, Step::EndInstance],
        &[Step::ResourceInstance, Step::EndMultiple],
    ];
    for (depth, allowed) in allowed.iter().enumerate() {
        for event in events {
            let mut sequence = open[..depth].to_vec();
            sequence.push(event);
            let structure = Err(EncodeError::Structure(event.step()));
            let refused = write(&sequence, Path::Root) == structure;
            assert_eq!(refused, !allowed.contains(&event.step()), "{sequence:?}");
        }
        if depth > 0 {
            let end = Err(EncodeError::Structure(Step::End));
            assert_eq!(write(&open[..depth], Path::Root), end);
        }
    }
}

/// A Resource is single or multiple. If events say both, so do the names, or there is an error.
#[test]
fn a_resource_that_is_both_keeps_its_names_right() {
    let end = [Event::EndInstance, Event::EndObject];
    let multiple = [
        Event::Multiple(ResourceId::new(9)),
        RESOURCE_INSTANCE,
        Event::EndMultiple,
    ];
    let base = path("/3/0/9");
    assert_eq!(
        write(
            &[&[OBJECT, INSTANCE, RESOURCE][..], &multiple, &end].concat(),
            base
        )
        .unwrap(),
        r#"{"bn":"/3/0/9","e":[{"v":1},{"n":"/2","v":3}]}"#
    );
    assert_eq!(
        write(
            &[&[OBJECT, INSTANCE][..], &multiple, &[RESOURCE]].concat(),
            base
        ),
        Err(EncodeError::Structure(Step::Resource))
    );
}

/// Entries are written in pieces of bounded length, which have room for the longest of each kind.
#[test]
fn the_longest_names_have_room_for_any_value() {
    let link = ObjectLink {
        object: 65534,
        instance: 65534,
    };
    let texts = (20..26).map(|len| Value::String("x".repeat(len)));
    let values = [
        Value::Integer(i64::MIN),
        Value::Float(f64::MIN_POSITIVE),
        Value::Boolean(false),
        Value::Opaque(vec![0; 100]),
        Value::ObjectLink(link),
    ];
    for value in values.into_iter().chain(texts) {
        let longest = "/65535/65534/65535/65535";
        let payload = write_values(&[(longest, value.clone())], "/").unwrap();
        let document: serde_json::Value = serde_json::from_str(&payload).unwrap();
        let entry = &document["e"][0];
        assert_eq!(entry["n"], longest[1..]);
        match value {
            Value::String(text) => assert_eq!(entry["sv"], text),
            Value::Integer(number) => assert_eq!(entry["v"], number),
            Value::Float(number) => assert_eq!(entry["v"], number),
            Value::Boolean(truth) => assert_eq!(entry["bv"], truth),
            Value::ObjectLink(_) => assert_eq!(entry["ov"], "65534:65534"),
            _ => assert_eq!(entry["sv"].as_str().unwrap().len(), 136),
        }
    }
}

/// The capacity of the buffer makes no difference.
#[test]
fn the_room_in_the_buffer_makes_no_difference() {
    let long = "a".repeat(600);
    for capacity in (0..=200).step_by(8).chain([400, 2_000]) {
        for len in (0..=600).step_by(7) {
            let text = &long[..len];
            let values = [(0, text), (1, "\n"), (2, text), (3, "end")];
            let mut payload = Vec::with_capacity(capacity);
            let mut encoder = Encoder::new(&mut payload, Scope::write(path("/3/0")));
            encoder.event(OBJECT).unwrap();
            encoder.event(INSTANCE).unwrap();
            for (id, text) in values {
                let (id, value) = (id.into(), ValueRef::String(text));
                let time = None;
                encoder.event(Event::Resource { id, value, time }).unwrap();
            }
            encoder.event(Event::EndInstance).unwrap();
            encoder.event(Event::EndObject).unwrap();
            encoder.finish().unwrap();
            let expected = format!(
                r#"{{"bn":"/3/0/","e":[{{"n":"0","sv":"{text}"}},{{"n":"1","sv":"\n"}},{{"n":"2","sv":"{text}"}},{{"n":"3","sv":"end"}}]}}"#
            );
            assert_eq!(payload, expected.as_bytes(), "{capacity} {len}");
        }
    }
}
