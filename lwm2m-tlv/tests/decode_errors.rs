//! Which payloads are read for which path, and the errors of the others.

mod common;

use common::{bytes, events, events_of_create, path};
use lwm2m_core::{
    DataType, InstanceId, ObjectId, ResourceId, ValueRef,
    codec::{DecodeFailure, Event, Scope, Sink, TypeLookup},
};
use lwm2m_tlv::{DecodeError, Kind, Kinds, Problem, Reader, decode};

const INSTANCE_OR_RESOURCES: Kinds = Kinds::INSTANCES.or(Kinds::RESOURCES);
const RESOURCE_OR_INSTANCES: Kinds = Kinds::RESOURCES.or(Kinds::RESOURCE_INSTANCES);

fn refused(base: &str, hex: &str, offset: usize, problem: Problem) {
    let error = DecodeError { offset, problem };
    assert_eq!(events(base, hex), Err(error), "{base}: {hex}");
}

fn kind(found: Kind, expected: Kinds) -> Problem {
    Problem::Kind { found, expected }
}

#[test]
fn an_object_has_object_instances() {
    assert_eq!(events("/3", ""), Ok("O3 /O".into()));
    assert_eq!(
        events("/3", "00 00 03 02 C1 09 64"),
        Ok("O3 I0 /I I2 R9=raw 64 /I /O".into())
    );
    // Repeated: opened twice, for the receiver to decide.
    assert_eq!(events("/3", "00 00 00 00"), Ok("O3 I0 /I I0 /I /O".into()));
    refused("/3", "C1 09 64", 0, kind(Kind::Resource, Kinds::INSTANCES));
    let multiple = kind(Kind::MultipleResource, Kinds::INSTANCES);
    refused("/3", "00 00 80 06", 2, multiple);
    let lost = kind(Kind::ResourceInstance, Kinds::INSTANCES);
    refused("/3", "41 00 01", 0, lost);
    refused("/3", "00 00 20 FF FF", 2, Problem::ReservedId);
}

#[test]
fn an_object_instance_has_resources_or_is_wrapped() {
    assert_eq!(events("/3/0", ""), Ok("O3 I0 /I /O".into()));
    for hex in ["C1 09 64 80 06", "05 00 C1 09 64 80 06"] {
        assert_eq!(
            events("/3/0", hex),
            Ok("O3 I0 R9=raw 64 M6 /M /I /O".into())
        );
    }
    assert_eq!(events("/3/0", "00 00"), Ok("O3 I0 /I /O".into()));
    let id = |found, expected| Problem::Id { found, expected };
    refused("/3/0", "03 01 C1 09 64", 0, id(1, 0));
    refused("/3/0", "20 FF FF", 0, id(65535, 0));
    // Not two of them, and nothing beside it.
    refused("/3/0", "00 00 00 00", 2, Problem::Trailing);
    refused("/3/0", "00 00 C1 09 64", 2, Problem::Trailing);
    let instance = kind(Kind::ObjectInstance, Kinds::RESOURCES);
    refused("/3/0", "C1 09 64 00 00", 3, instance);
    let lost = kind(Kind::ResourceInstance, INSTANCE_OR_RESOURCES);
    refused("/3/0", "41 00 01", 0, lost);
}

#[test]
fn a_resource_has_one_tlv_or_resource_instances() {
    assert_eq!(
        events("/3/0/9", "C1 09 64"),
        Ok("O3 I0 R9=raw 64 /I /O".into())
    );
    for hex in ["86 07 41 00 01 41 01 05", "41 00 01 41 01 05"] {
        assert_eq!(
            events("/3/0/7", hex),
            Ok("O3 I0 M7 r0=raw 01 r1=raw 05 /M /I /O".into())
        );
    }
    assert_eq!(events("/3/0/7", "80 07"), Ok("O3 I0 M7 /M /I /O".into()));
    let id = |found, expected| Problem::Id { found, expected };
    refused("/3/0/9", "", 0, Problem::Missing);
    refused("/3/0/9", "C1 0A 64", 0, id(10, 9));
    refused("/3/0/9", "80 0A", 0, id(10, 9));
    refused("/3/0/9", "C1 09 64 C1 09 64", 3, Problem::Trailing);
    refused("/3/0/9", "C1 09 64 41 00 01", 3, Problem::Trailing);
    let instance = kind(Kind::ObjectInstance, RESOURCE_OR_INSTANCES);
    refused("/3/0/9", "03 00 C1 09 64", 0, instance);
    let resource = kind(Kind::Resource, Kinds::RESOURCE_INSTANCES);
    refused("/3/0/9", "41 00 01 C1 09 64", 3, resource);
}

#[test]
fn a_create_may_leave_the_identifier_open() {
    let create = |hex| events_of_create(3, hex);
    assert_eq!(
        create("C1 09 64 80 06"),
        Ok("O3 I R9=raw 64 M6 /M /I /O".into())
    );
    assert_eq!(create("03 05 C1 09 64"), Ok("O3 I5 R9=raw 64 /I /O".into()));
    assert_eq!(create(""), Ok("O3 I /I /O".into()));
    let error = |offset, problem| Err(DecodeError { offset, problem });
    let instance = kind(Kind::ObjectInstance, Kinds::RESOURCES);
    assert_eq!(create("C1 09 64 00 05"), error(3, instance));
    let resource = kind(Kind::Resource, Kinds::INSTANCES);
    assert_eq!(create("00 05 C1 09 64"), error(2, resource));
    let lost = kind(Kind::ResourceInstance, INSTANCE_OR_RESOURCES);
    assert_eq!(create("41 00 01"), error(0, lost));
}

#[test]
fn no_other_path_has_a_payload() {
    for base in ["/", "/3/0/7/0"] {
        refused(base, "C1 09 64", 0, Problem::Base(path(base)));
    }
}

/// TS 6.4.3: three levels, each with its own kinds.
#[test]
fn nesting_is_that_of_the_specification() {
    let in_instance = |found| kind(found, Kinds::RESOURCES);
    refused("/3", "02 00 00 00", 2, in_instance(Kind::ObjectInstance));
    refused("/3", "02 00 40 00", 2, in_instance(Kind::ResourceInstance));
    for (hex, found) in [
        ("02 00", Kind::ObjectInstance),
        ("82 00", Kind::MultipleResource),
        ("C2 00", Kind::Resource),
    ] {
        let in_multiple = kind(found, Kinds::RESOURCE_INSTANCES);
        let nested = format!("82 07 {} 00", &hex.replace("2 ", "0 ")[..2]);
        refused("/3/0", &nested, 2, in_multiple);
        refused("/3/0/7", &nested, 2, in_multiple);
        refused("/3", &format!("04 00 {nested}"), 4, in_multiple);
    }
    // The pull reader has the same rules below the first level.
    for (hex, offset, expected) in [
        ("02 00 00 00", 2, Kinds::RESOURCES),
        ("82 00 C0 00", 2, Kinds::RESOURCE_INSTANCES),
    ] {
        let payload = bytes(hex);
        let outer = Reader::new(&payload).next().unwrap().unwrap();
        let mut nested = outer.nested().unwrap();
        let error = nested.next().unwrap().unwrap_err();
        assert_eq!(error.offset, offset);
        assert!(matches!(error.problem, Problem::Kind { expected: e, .. } if e == expected));
        assert!(nested.next().is_none());
    }
}

#[test]
fn what_is_cut_off_is_told() {
    let length = |length, available| Problem::Length { length, available };
    for (hex, problem) in [
        ("C1", Problem::Header),
        ("E1", Problem::Header),
        ("E1 00", Problem::Header),
        ("C8 00", Problem::Header),
        ("D0 00 01", Problem::Header),
        ("D8 00 00 01", Problem::Header),
        ("C1 00", length(1, 0)),
        ("C7 00 01 02", length(7, 2)),
        ("C8 00 08 01", length(8, 1)),
        ("D0 00 01 00 01", length(256, 1)),
        ("D8 00 FF FF FF 01", length(0xFF_FFFF, 1)),
    ] {
        refused("/3/0", hex, 0, problem);
        // The same after something, within something, and at the end of the pull reader.
        refused("/3/0", &format!("C1 09 64 {hex}"), 3, problem);
        let size = bytes(hex).len();
        refused("/3", &format!("08 00 {size:02X} {hex}"), 3, problem);
        let payload = bytes(hex);
        let mut reader = Reader::new(&payload);
        assert_eq!(reader.next(), Some(Err(DecodeError { offset: 0, problem })));
        assert_eq!(reader.next(), None);
    }
    // A nested TLV must not exceed the one around it, whatever follows that.
    refused("/3", "02 00 C1 09 00 00", 2, length(1, 0));
    refused("/3/0", "82 07 42 00 C1 09 64", 2, length(2, 0));
}

/// TS 6.4.3, Table 21: bits 2 to 0 of the Type mean nothing if there is a Length, and lengths and
/// identifiers need not be in their shortest form.
#[test]
fn longer_headers_than_needed_are_read() {
    for hex in [
        "C1 09 64",
        "E1 00 09 64",
        "C8 09 01 64",
        "CF 09 01 64",
        "D7 09 00 01 64",
        "DF 09 00 00 01 64",
        "FF 00 09 00 00 01 64",
    ] {
        assert_eq!(events("/3/0", hex), Ok("O3 I0 R9=raw 64 /I /O".into()));
    }
}

/// Appendix C, TLV Format. The value begins at byte 3.
#[test]
fn values_are_of_their_data_type() {
    let all = [1, 2, 4, 8];
    for (data_type, lengths) in [
        (DataType::Integer, &all[..]),
        (DataType::Time, &all),
        (DataType::Float, &all[2..]),
        (DataType::Boolean, &all[..1]),
        (DataType::ObjectLink, &all[2..3]),
    ] {
        for length in 0..=9_u8 {
            let mut payload = vec![0xC8, 9, length];
            payload.extend((0..length).map(|_| 1));
            let read = |payload: &[u8]| {
                decode(
                    payload,
                    Scope::write(path("/3/0")),
                    &|_, _| Some(data_type),
                    &mut Ignore,
                )
            };
            let expected = data_type;
            let problem = Problem::ValueLength {
                expected,
                length: length.into(),
            };
            let error = DecodeFailure::Malformed(DecodeError { offset: 3, problem });
            let outcome = if lengths.contains(&length) {
                Ok(())
            } else {
                Err(error)
            };
            assert_eq!(read(&payload), outcome, "{data_type} of {length} bytes");
        }
    }
}

#[test]
fn booleans_are_0_or_1() {
    let boolean = |_: ObjectId, _: ResourceId| Some(DataType::Boolean);
    for other in 2..=255 {
        let problem = Problem::Boolean(other);
        let error = DecodeError { offset: 5, problem };
        assert_eq!(
            decode(
                &[0x84, 9, 0x61, 1, 0, other],
                Scope::write(path("/3/0")),
                &boolean,
                &mut Ignore
            ),
            Err(DecodeFailure::Malformed(error))
        );
    }
}

#[test]
fn strings_are_utf_8() {
    let string = |_: ObjectId, _: ResourceId| Some(DataType::String);
    for (text, offset) in [
        (&b"a\xC3"[..], 3),
        (b"\xFF", 2),
        (b"ab\xC0\x80", 4),
        (b"\xED\xA0\x80", 2),
    ] {
        let mut payload = vec![0xC0 | u8::try_from(text.len()).unwrap(), 9];
        payload.extend(text);
        let problem = Problem::Utf8;
        assert_eq!(
            decode(&payload, Scope::write(path("/3/0")), &string, &mut Ignore),
            Err(DecodeFailure::Malformed(DecodeError { offset, problem }))
        );
    }
}

/// The lookup gets the Object of the path and the Resource of the TLV, for Resource Instances too.
#[test]
fn data_types_are_looked_up_by_object_and_resource() {
    let types = |object: ObjectId, resource: ResourceId| match (object.get(), resource.get()) {
        (3, 9) => Some(DataType::Integer),
        (3, 300) => Some(DataType::Boolean),
        _ => None,
    };
    let mut values = Values(Vec::new());
    let payload = bytes("C1 09 64 A3 01 2C 41 09 01 C1 0A 64");
    decode(&payload, Scope::write(path("/3/0")), &types, &mut values).unwrap();
    assert_eq!(values.0, ["100", "true", "0x64"]);
    let types: &dyn TypeLookup = &types;
    let mut values = Values(Vec::new());
    decode(&payload, Scope::write(path("/4/0")), types, &mut values).unwrap();
    assert_eq!(values.0, ["0x64", "0x01", "0x64"]);
}

#[test]
fn a_refusal_of_the_sink_ends_the_walk() {
    struct Refuse(usize);

    impl Sink for Refuse {
        type Error = usize;

        fn event(&mut self, _: Event<'_>) -> Result<(), usize> {
            self.0 -= 1;
            if self.0 == 0 { Err(7) } else { Ok(()) }
        }
    }

    let payload = bytes("03 00 80 06 80");
    for event in 1..=5 {
        let outcome = decode(
            &payload,
            Scope::write(path("/3")),
            &|_, _| None,
            &mut Refuse(event),
        );
        let malformed = DecodeError {
            offset: 4,
            problem: Problem::Header,
        };
        let expected = match event {
            1..=4 => DecodeFailure::Sink(7),
            _ => DecodeFailure::Malformed(malformed),
        };
        assert_eq!(outcome, Err(expected));
    }
}

#[test]
fn errors_read_well() {
    let error = |base, hex| events(base, hex).unwrap_err().to_string();
    assert_eq!(
        error("/3", "C1 09 64"),
        "at byte 0: a Resource where the payload has an Object Instance"
    );
    assert_eq!(
        error("/3/0", "82 07 C0 00"),
        "at byte 2: a Resource where the payload has a Resource Instance"
    );
    assert_eq!(
        error("/3/0", "C7 00 01"),
        "at byte 0: a value of 7 bytes where 1 are left"
    );
    assert_eq!(
        Kinds::ANY.to_string(),
        "an Object Instance or a Resource or a multiple Resource or a Resource Instance"
    );
}

#[test]
fn errors_are_readable_when_they_are_debugged() {
    let error = |base, hex| format!("{:?}", events(base, hex).unwrap_err());
    assert_eq!(
        error("/3/0/7", "00 00"),
        "DecodeError { offset: 0, problem: Kind { found: ObjectInstance, \
         expected: {Resource, MultipleResource, ResourceInstance} } }"
    );
    assert_eq!(format!("{:?}", Kinds::INSTANCES), "{ObjectInstance}");
}

struct Ignore;

impl Sink for Ignore {
    type Error = core::convert::Infallible;

    fn event(&mut self, event: Event<'_>) -> Result<(), Self::Error> {
        if let Event::Instance(id) = event {
            assert_eq!(id, Some(InstanceId::ZERO));
        }
        Ok(())
    }
}

struct Values(Vec<String>);

impl Sink for Values {
    type Error = core::convert::Infallible;

    fn event(&mut self, event: Event<'_>) -> Result<(), Self::Error> {
        let (Event::Resource { value, .. } | Event::ResourceInstance { value, .. }) = event else {
            return Ok(());
        };
        assert_eq!(
            matches!(value, ValueRef::Raw(_)),
            value.data_type().is_none()
        );
        self.0.push(value.to_string());
        Ok(())
    }
}
