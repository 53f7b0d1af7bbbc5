use alloc::{
    string::{String, ToString},
    vec,
};

use proptest::prelude::*;

use super::*;
use crate::{
    ObjectLink, Timestamp,
    codec::{self, Content, EncodeError, Event},
};

fn written(value: &ValueRef<'_>) -> Result<String, TextError> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn read(data_type: DataType, text: &str) -> Result<Value, TextError> {
    super::read(data_type, text.as_bytes()).map(ReadValue::into_value)
}

fn notation(data_type: DataType, offset: usize) -> Result<Value, TextError> {
    Err(TextError::Notation { offset, data_type })
}

#[test]
fn the_examples_of_appendix_c() {
    for (value, text) in [
        (Value::from("Open Mobile Alliance"), "Open Mobile Alliance"),
        (Value::from(-750), "-750"),
        (Value::from(6.667e-11), "0.00000000006667"),
        (Value::from(false), "0"),
        (Value::from(true), "1"),
        (Value::Opaque(vec![1, 2, 3, 4, 5]), "AQIDBAU="),
        (Value::Time(1_476_186_613), "1476186613"),
        (
            Value::ObjectLink(ObjectLink {
                object: 66,
                instance: 1,
            }),
            "66:1",
        ),
        (Value::ObjectLink(ObjectLink::NULL), "65535:65535"),
    ] {
        assert_eq!(written(&value.as_ref()).as_deref(), Ok(text));
        assert_eq!(read(value.data_type().unwrap(), text), Ok(value));
    }
}

#[test]
fn floats_are_written_without_exponent_and_read_back_exactly() {
    let smallest = alloc::format!("0.{}5", "0".repeat(323));
    let largest = alloc::format!("17976931348623157{}", "0".repeat(292));
    for (number, text) in [
        (5e-324, smallest.as_str()),
        (f64::MAX, &largest),
        (f64::MIN, &alloc::format!("-{largest}")),
        (-0.0, "-0"),
        (0.0, "0"),
        (1e21, "1000000000000000000000"),
        (0.1, "0.1"),
        (-42.2, "-42.2"),
        (1.0, "1"),
    ] {
        assert_eq!(written(&ValueRef::Float(number)).as_deref(), Ok(text));
        let Ok(Value::Float(back)) = read(DataType::Float, text) else {
            panic!("{text}");
        };
        assert_eq!(back.to_bits(), number.to_bits(), "{text}");
    }
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            written(&ValueRef::Float(number)),
            Err(TextError::Range(DataType::Float))
        );
    }
}

#[test]
fn floats_are_read_with_exponent_and_leading_zeros() {
    for (text, number) in [
        ("6.667e-11", 6.667e-11),
        ("1E+3", 1000.0),
        ("-007.50", -7.5),
        ("15", 15.0),
        ("1e-999", 0.0),
        ("0.1000000000000000055511151231257827", 0.1),
    ] {
        assert_eq!(read(DataType::Float, text), Ok(number.into()), "{text}");
    }
    for (text, offset) in [
        ("", 0),
        ("-", 1),
        ("+1", 0),
        (" 1", 0),
        ("1 ", 1),
        ("1\n", 1),
        (".5", 0),
        ("5.", 2),
        ("1e", 2),
        ("1e+", 3),
        ("1.5e1.5", 5),
        ("--1", 1),
        ("nan", 0),
        ("inf", 0),
        ("-infinity", 1),
        ("1_0", 1),
        ("0x10", 1),
        ("1,5", 1),
    ] {
        assert_eq!(
            read(DataType::Float, text),
            notation(DataType::Float, offset),
            "{text}"
        );
    }
    assert_eq!(
        read(DataType::Float, "-1e999"),
        Err(TextError::Range(DataType::Float))
    );
}

#[test]
fn integers_are_exact_over_64_bits() {
    for (text, number) in [
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("-0", 0),
        ("007", 7),
        ("-007", -7),
        ("00000000000000000000000001", 1),
    ] {
        assert_eq!(read(DataType::Integer, text), Ok(number.into()), "{text}");
        assert_eq!(read(DataType::Time, text), Ok(Value::Time(number)));
    }
    for text in ["9223372036854775808", "-9223372036854775809"] {
        assert_eq!(
            read(DataType::Integer, text),
            Err(TextError::Range(DataType::Integer))
        );
        assert_eq!(
            read(DataType::Time, text),
            Err(TextError::Range(DataType::Time))
        );
    }
    for (text, offset) in [
        ("", 0),
        ("-", 1),
        ("+1", 0),
        (" 1", 0),
        ("1 ", 1),
        ("1.0", 1),
        ("1e3", 1),
        ("٣", 0),
    ] {
        assert_eq!(
            read(DataType::Integer, text),
            notation(DataType::Integer, offset),
            "{text}"
        );
    }
}

#[test]
fn booleans_links_and_base64_have_one_notation() {
    for text in ["", "2", "00", "true", "1 "] {
        assert_eq!(
            read(DataType::Boolean, text),
            notation(DataType::Boolean, 0),
            "{text}"
        );
    }
    assert_eq!(
        read(DataType::ObjectLink, "66"),
        notation(DataType::ObjectLink, 0)
    );
    assert_eq!(
        read(DataType::ObjectLink, "0066:00"),
        Ok(ObjectLink {
            object: 66,
            instance: 0
        }
        .into())
    );
    assert_eq!(read(DataType::Opaque, ""), Ok(Value::Opaque(vec![])));
    for (text, offset) in [
        ("AQIDBAU", 7),  // no padding
        ("AQID*AU=", 4), // not of the alphabet
        ("AQIDBAV=", 6), // bits that stand for nothing
        ("AQID\nBAU=", 4),
        ("_-8=", 0), // the URL alphabet
    ] {
        assert_eq!(
            read(DataType::Opaque, text),
            notation(DataType::Opaque, offset),
            "{text}"
        );
    }
}

#[test]
fn strings_are_utf8_and_errors_speak() {
    assert_eq!(read(DataType::String, ""), Ok("".into()));
    assert_eq!(
        super::read(DataType::String, b"ab\xFF"),
        Err(TextError::Utf8 { offset: 2 })
    );
    assert_eq!(
        read(DataType::Boolean, "2").unwrap_err().to_string(),
        "offset 0: expected 0 or 1"
    );
    assert_eq!(written(&ValueRef::Raw(b"x")), Err(TextError::Untyped));
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

#[test]
fn a_payload_is_decoded_into_a_sink() {
    let integer = |_, _| Some(DataType::Integer);
    for at in ["/3/0/9", "/3/0/7/1"] {
        let mut content = Content::new();
        decode(b"100", Scope::write(path(at)), &integer, &mut content).unwrap();
        assert_eq!(content.get(&path(at)), Some(&Value::Integer(100)));
        assert_eq!(content.entries().len(), 1);
    }
    let mut content = Content::new();
    decode(
        b"100",
        Scope::write(path("/3/0/9")),
        &codec::Untyped,
        &mut content,
    )
    .unwrap();
    assert_eq!(
        content.get(&path("/3/0/9")),
        Some(&Value::Raw(b"100".to_vec()))
    );
    for at in ["/", "/3", "/3/0"] {
        assert_eq!(
            decode(
                b"100",
                Scope::write(path(at)),
                &integer,
                &mut Content::new()
            ),
            Err(DecodeFailure::Malformed(TextError::Path(path(at))))
        );
    }
    assert_eq!(
        decode(
            b"x",
            Scope::write(path("/3/0/9")),
            &integer,
            &mut Content::new()
        ),
        Err(DecodeFailure::Malformed(TextError::Notation {
            offset: 0,
            data_type: DataType::Integer
        }))
    );
}

fn encoded(at: &str, content: &Content) -> Result<String, EncodeError> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, Scope::write(path(at)));
    content.push(&mut encoder)?;
    encoder.finish()?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn the_encoder_takes_exactly_one_value() {
    let one = |at: &str| Content::from_iter([(path(at), Value::from(100))]);
    let two = |a: &str, b: &str| Content::from_iter([(path(a), 100), (path(b), 200)]);
    let refused = |text: &str| Err(EncodeError::OutsidePath(path(text)));
    assert_eq!(encoded("/3/0/9", &one("/3/0/9")).as_deref(), Ok("100"));
    assert_eq!(encoded("/3/0/7/1", &one("/3/0/7/1")).as_deref(), Ok("100"));
    for (at, content, result) in [
        ("/3/0", one("/3/0/9"), Err(EncodeError::SingleValue)),
        ("/3/0/7", one("/3/0/7/1"), Err(EncodeError::SingleValue)),
        ("/3/0/7/1", two("/3/0/7/1", "/3/0/7/2"), refused("/3/0/7/2")),
        (
            "/3/0/9",
            two("/3/0/9", "/3/0/9"),
            Err(EncodeError::SingleValue),
        ),
        ("/3/0/7/1", one("/3/0/7"), Err(EncodeError::SingleValue)),
        ("/3/0/9", one("/3/0/10"), refused("/3/0/10")),
        ("/3/0/9", one("/3/1/9"), refused("/3/1")),
        ("/3/0/9", one("/4/0/9"), refused("/4")),
        (
            "/3/0/9",
            Content::new(),
            Err(EncodeError::Empty(path("/3/0/9"))),
        ),
        (
            "/3/0/9",
            Content::from_iter([(path("/3/0/9"), f64::NAN)]),
            Err(EncodeError::Value(path("/3/0/9"))),
        ),
    ] {
        assert_eq!(encoded(at, &content), result, "{at}");
    }
}

#[test]
fn the_encoder_checks_times_and_structure() {
    let integer = |time| Event::Resource {
        id: 9.into(),
        value: ValueRef::Integer(1),
        time,
    };
    let result = |last: Event<'_>| {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, Scope::write(path("/3/0/9")));
        encoder.event(Event::Object(3.into()))?;
        encoder.event(Event::Instance(Some(crate::InstanceId::ZERO)))?;
        encoder.event(last)?;
        encoder.finish()
    };
    let time = Some(Timestamp::Relative(0.0));
    for (last, error) in [
        (integer(time), EncodeError::Time(path("/3/0/9"))),
        (
            Event::EndMultiple,
            EncodeError::Structure(codec::Step::EndMultiple),
        ),
        (integer(None), EncodeError::Structure(codec::Step::End)),
    ] {
        assert_eq!(result(last), Err(error));
    }
}

#[test]
fn an_error_stays_and_leaves_the_buffer_as_it_was() {
    let mut out = b"before".to_vec();
    let mut encoder = Encoder::new(&mut out, Scope::write(path("/3/0/9")));
    let two = Content::from_iter([(path("/3/0/9"), 1), (path("/3/0/9"), 2)]);
    let error = Err(EncodeError::SingleValue);
    assert_eq!(two.push(&mut encoder), error);
    assert_eq!(encoder.event(Event::EndInstance), error);
    assert_eq!(encoder.event(Event::EndObject), error);
    assert_eq!(encoder.finish(), error);
    assert_eq!(out, b"before");

    let one = Content::from_iter([(path("/3/0/9"), 1)]);
    let mut encoder = Encoder::new(&mut out, Scope::write(path("/3/0/9")));
    one.push(&mut encoder).unwrap();
    drop(encoder);
    assert_eq!(out, b"before", "without its end it is no payload");
    let mut encoder = Encoder::new(&mut out, Scope::write(path("/3/0/9")));
    one.push(&mut encoder).unwrap();
    encoder.finish().unwrap();
    assert_eq!(out, b"before1");
}

fn data_type() -> impl Strategy<Value = DataType> {
    prop::sample::select(DataType::ALL)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".*".prop_map(Value::String),
        any::<i64>().prop_map(Value::Integer),
        any::<u64>()
            .prop_map(f64::from_bits)
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(Value::Float),
        any::<bool>().prop_map(Value::Boolean),
        any::<Vec<u8>>().prop_map(Value::Opaque),
        any::<i64>().prop_map(Value::Time),
        any::<(u16, u16)>().prop_map(|(object, instance)| ObjectLink { object, instance }.into()),
    ]
}

proptest! {
    #[test]
    fn what_is_written_reads_back_equal(value in value()) {
        let text = written(&value.as_ref()).unwrap();
        let back = read(value.data_type().unwrap(), &text).unwrap();
        prop_assert_eq!(&back, &value);
        if let (Value::Float(back), Value::Float(number)) = (&back, &value) {
            prop_assert_eq!(back.to_bits(), number.to_bits());
            prop_assert!(text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'.')));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        data_type in data_type(),
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..24),
            "[-+0-9.eE:=AQ ]{0,24}".prop_map(String::into_bytes),
        ],
    ) {
        match super::read(data_type, &payload) {
            Ok(value) => {
                // A value that was read has a text, which reads back as the same value.
                let text = written(&value.as_ref()).unwrap();
                prop_assert_eq!(read(data_type, &text), Ok(value.into_value()));
            }
            Err(TextError::Utf8 { offset } | TextError::Notation { offset, .. }) => {
                prop_assert!(offset <= payload.len());
            }
            Err(_) => {}
        }
    }
}
