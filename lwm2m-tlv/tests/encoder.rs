//! What the encoder writes, leaves out and refuses.

mod common;

use common::{bytes, path};
use lwm2m_core::{
    InstanceId, ObjectLink, Path, ResourceId, Timestamp, ValueRef,
    codec::{EncodeError, Event, Scope, Sink, Step},
};
use lwm2m_tlv::{Encoder, MAX_LENGTH, Reader};

const END_INSTANCE: Event<'_> = Event::EndInstance;
const END_OBJECT: Event<'_> = Event::EndObject;

fn object(id: u16) -> Event<'static> {
    Event::Object(id.into())
}

fn instance(id: u16) -> Event<'static> {
    Event::Instance(InstanceId::new(id))
}

fn multiple(id: u16) -> Event<'static> {
    Event::Multiple(id.into())
}

fn resource(id: u16, value: ValueRef<'_>) -> Event<'_> {
    Event::Resource {
        id: id.into(),
        value,
        time: None,
    }
}

fn number(id: u16) -> Event<'static> {
    resource(id, ValueRef::Integer(1))
}

fn number_instance(id: u16) -> Event<'static> {
    Event::ResourceInstance {
        id: id.into(),
        value: ValueRef::Integer(1),
        time: None,
    }
}

/// The payload; checks that a failure leaves the buffer as it was and that an error stays.
fn written(base: &str, events: &[Event<'_>]) -> Result<Vec<u8>, EncodeError> {
    let mut buffer = b"before".to_vec();
    let mut encoder = Encoder::new(&mut buffer, Scope::write(path(base)));
    let outcome = events.iter().try_for_each(|event| encoder.event(*event));
    if let Err(error) = outcome {
        assert_eq!(encoder.event(object(3)), Err(error));
        assert_eq!(encoder.event(END_OBJECT), Err(error));
    }
    let finished = encoder.finish();
    if let Err(error) = outcome {
        assert_eq!(finished, Err(error));
    }
    let payload = buffer.strip_prefix(b"before").unwrap().to_vec();
    match finished {
        Ok(()) => Ok(payload),
        Err(error) => {
            assert_eq!(payload, []);
            Err(error)
        }
    }
}

#[test]
fn the_path_is_left_out() {
    let events = [
        object(3),
        instance(0),
        multiple(7),
        number_instance(2),
        Event::EndMultiple,
        END_INSTANCE,
        END_OBJECT,
    ];
    assert_eq!(written("/3", &events), Ok(bytes("05 00 83 07 41 02 01")));
    assert_eq!(written("/3/0", &events), Ok(bytes("83 07 41 02 01")));
    assert_eq!(written("/3/0/7", &events), Ok(bytes("83 07 41 02 01")));
    let mut events = events.to_vec();
    events[1] = Event::Instance(None);
    assert_eq!(written("/3", &events), Ok(bytes("83 07 41 02 01")));
}

#[test]
fn a_resource_path_has_its_one_resource() {
    let events = [object(3), instance(0), number(9), END_INSTANCE, END_OBJECT];
    assert_eq!(written("/3/0/9", &events), Ok(bytes("C1 09 01")));
    // There must be one value, and no second.
    let empty = [object(3), instance(0), END_INSTANCE, END_OBJECT];
    let structure = |step| Err(EncodeError::Structure(step));
    assert_eq!(written("/3/0/9", &empty), structure(Step::End));
    assert_eq!(written("/3/0/9", &[]), structure(Step::End));
    let mut twice = events.to_vec();
    twice.insert(3, number(9));
    assert_eq!(written("/3/0/9", &twice), structure(Step::Resource));
    twice[3] = multiple(9);
    assert_eq!(written("/3/0/9", &twice), structure(Step::Multiple));
}

#[test]
fn what_is_empty_is_written() {
    let empty = [object(3), instance(4), END_INSTANCE, END_OBJECT];
    assert_eq!(written("/3", &empty), Ok(bytes("00 04")));
    assert_eq!(written("/3/4", &empty), Ok(vec![]));
    let multiple = [multiple(300), Event::EndMultiple, END_INSTANCE, END_OBJECT];
    let events = [&[object(3), instance(4)], &multiple[..]].concat();
    assert_eq!(written("/3", &events), Ok(bytes("03 04 A0 01 2C")));
    assert_eq!(written("/3/4/300", &events), Ok(bytes("A0 01 2C")));
    assert_eq!(written("/3", &[object(3), END_OBJECT]), Ok(vec![]));
    assert_eq!(written("/3", &[]), Ok(vec![]));
}

/// An Object, an Object Instance and a multiple Resource may be opened again.
#[test]
fn what_is_opened_again_is_written_again() {
    let once = [object(3), instance(0), number(9), END_INSTANCE, END_OBJECT];
    let twice = [once, once].concat();
    assert_eq!(
        written("/3", &twice),
        Ok(bytes("03 00 C1 09 01 03 00 C1 09 01"))
    );
    assert_eq!(written("/3/0", &twice), Ok(bytes("C1 09 01 C1 09 01")));
}

#[test]
fn identifiers_are_as_short_as_they_can_be() {
    for (id, hex) in [
        (0, "C1 00 01"),
        (255, "C1 FF 01"),
        (256, "E1 01 00 01"),
        (65535, "E1 FF FF 01"),
    ] {
        let events = [object(3), instance(0), number(id), END_INSTANCE, END_OBJECT];
        assert_eq!(written("/3/0", &events), Ok(bytes(hex)));
        let events = [object(3), instance(id.min(65534)), END_INSTANCE, END_OBJECT];
        let header = bytes(hex).len() - 1;
        assert_eq!(written("/3", &events).unwrap().len(), header);
    }
}

/// The capacity of the buffer makes no difference, and a payload that fits isn't moved.
#[test]
fn the_room_in_the_buffer_makes_no_difference() {
    let numbers = [
        (1, "01"),
        (-129, "FF 7F"),
        (40_000, "00 00 9C 40"),
        (1 << 31, "00 00 00 00 80 00 00 00"),
    ];
    let texts = [("", ""), ("+02:00", "2B 30 32 3A 30 30")];
    let values = numbers.map(|(number, hex)| (ValueRef::Integer(number), hex));
    let values = values
        .into_iter()
        .chain(texts.map(|(text, hex)| (ValueRef::String(text), hex)));
    for (value, hex) in values {
        let value_bytes = bytes(hex);
        for (id, id_bytes) in [(9, &[0x09][..]), (5700, &[0x16, 0x44])] {
            let length = u8::try_from(value_bytes.len()).unwrap();
            let wide = if id_bytes.len() == 2 { 0x20 } else { 0 };
            let mut tlv = match length {
                ..8 => vec![0xC0 | wide | length],
                _ => vec![0xC8 | wide],
            };
            tlv.extend(id_bytes);
            tlv.extend((length >= 8).then_some(length));
            tlv.extend(&value_bytes);
            for room in 0..16 {
                let mut buffer = Vec::with_capacity(room);
                let before = buffer.capacity();
                let mut encoder = Encoder::new(&mut buffer, Scope::write(path("/3/0")));
                let events = [object(3), instance(0), resource(id, value)];
                for event in events.into_iter().chain([END_INSTANCE, END_OBJECT]) {
                    encoder.event(event).unwrap();
                }
                encoder.finish().unwrap();
                assert_eq!(buffer, tlv, "{value:?} with room for {room}");
                if room >= tlv.len() {
                    assert_eq!(buffer.capacity(), before);
                }
            }
        }
    }
}

/// Lengths of values, and of multiple Resources and Object Instances, whose lengths are written
/// once they are known.
#[test]
fn lengths_are_as_short_as_they_can_be() {
    for (length, header) in [
        (0, "C0 05"),
        (7, "C7 05"),
        (8, "C8 05 08"),
        (255, "C8 05 FF"),
        (256, "D0 05 01 00"),
        (65535, "D0 05 FF FF"),
        (65536, "D8 05 01 00 00"),
        (MAX_LENGTH, "D8 05 FF FF FF"),
    ] {
        let header = bytes(header);
        let value = vec![b'x'; length];
        let opaque = resource(5, ValueRef::Opaque(&value));
        let payload = written(
            "/3/0",
            &[object(3), instance(0), opaque, END_INSTANCE, END_OBJECT],
        );
        let payload = payload.unwrap();
        assert!(payload.starts_with(&header));
        assert_eq!(&payload[header.len()..], value);

        // The same length for a multiple Resource around one Resource Instance, whose header has
        // `own` bytes.
        let Some(rest) = [2_usize, 3, 4, 5].into_iter().find_map(|own| {
            let rest = length.checked_sub(own)?;
            let size = [7, 255, 65535, MAX_LENGTH]
                .iter()
                .position(|max| rest <= *max);
            (size == Some(own - 2)).then_some(rest)
        }) else {
            continue;
        };
        let nested = Event::ResourceInstance {
            id: 0.into(),
            value: ValueRef::Raw(&value[..rest]),
            time: None,
        };
        let events = [
            object(3),
            instance(0),
            multiple(5),
            nested,
            Event::EndMultiple,
            END_INSTANCE,
            END_OBJECT,
        ];
        let payload = written("/3/0", &events).unwrap();
        assert_eq!(payload.len(), header.len() + length);
        assert_eq!(payload[0], header[0] & 0b1011_1111, "a multiple Resource");
        assert_eq!(payload[1..header.len()], header[1..]);
        let tlv = Reader::new(&payload).next().unwrap().unwrap();
        let tlv = tlv.nested().unwrap().next().unwrap().unwrap();
        assert_eq!(tlv.value, &value[..rest]);
    }
}

#[test]
fn what_is_too_long_is_refused() {
    let too_long = Err(EncodeError::TooLong { limit: MAX_LENGTH });
    let value = vec![0; MAX_LENGTH + 1];
    let opaque = resource(5, ValueRef::Opaque(&value));
    assert_eq!(written("/3/0", &[object(3), instance(0), opaque]), too_long);
    // Two halves are too long for an Object Instance TLV, but not for bare Resources.
    let half = resource(5, ValueRef::Raw(&value[..MAX_LENGTH / 2]));
    let events = [object(3), instance(0), half, half, END_INSTANCE];
    assert_eq!(written("/3", &events), too_long);
    let events = [&events[..], &[END_OBJECT]].concat();
    let header = 5;
    assert_eq!(
        written("/3/0", &events).map(|payload| payload.len()),
        Ok(2 * (header + MAX_LENGTH / 2))
    );
    let half = Event::ResourceInstance {
        id: 0.into(),
        value: ValueRef::Raw(&value[..MAX_LENGTH / 2]),
        time: None,
    };
    let events = [
        object(3),
        instance(0),
        multiple(5),
        half,
        half,
        Event::EndMultiple,
    ];
    assert_eq!(written("/3/0/5", &events), too_long);
}

#[test]
fn floats_have_4_bytes_if_these_carry_the_value() {
    for (float, length) in [
        (0.0, 4),
        (-0.0, 4),
        (1.5, 4),
        (f64::from(f32::MAX), 4),
        (f64::from(f32::from_bits(1)), 4),
        (f64::INFINITY, 4),
        (f64::NEG_INFINITY, 4),
        (f64::NAN, 8),
        (0.1, 8),
        (f64::MAX, 8),
        (f64::MIN_POSITIVE, 8),
        (16_777_217.0, 8),
    ] {
        let value = ValueRef::Float(float);
        let events = [
            object(3),
            instance(0),
            resource(5, value),
            END_INSTANCE,
            END_OBJECT,
        ];
        let payload = written("/3/0", &events).unwrap();
        let tlv = Reader::new(&payload).next().unwrap().unwrap();
        assert_eq!(tlv.value.len(), length, "{float}");
        let read = tlv.decode(lwm2m_core::DataType::Float).unwrap();
        let ValueRef::Float(read) = read else {
            panic!("{read:?}");
        };
        assert_eq!(read.to_bits(), float.to_bits());
    }
}

#[test]
fn object_links_and_booleans() {
    let link = ObjectLink {
        object: 66,
        instance: 1,
    };
    let events = [
        object(65),
        instance(0),
        resource(0, ValueRef::ObjectLink(link)),
        resource(1, ValueRef::ObjectLink(ObjectLink::NULL)),
        resource(2, ValueRef::Boolean(false)),
        resource(3, ValueRef::Boolean(true)),
        END_INSTANCE,
        END_OBJECT,
    ];
    let payload = bytes("C4 00 00 42 00 01 C4 01 FF FF FF FF C1 02 00 C1 03 01");
    assert_eq!(written("/65/0", &events), Ok(payload));
}

/// Every event in every state is accepted where the grammar of the codec contract has it, and refused
/// elsewhere.
#[test]
fn events_out_of_order_are_refused() {
    let places: [&[Event<'_>]; 4] = [
        &[],
        &[object(3)],
        &[object(3), instance(0)],
        &[object(3), instance(0), multiple(7)],
    ];
    let events = [
        (object(3), 0),
        (instance(0), 1),
        (END_OBJECT, 1),
        (number(9), 2),
        (multiple(7), 2),
        (END_INSTANCE, 2),
        (number_instance(0), 3),
        (Event::EndMultiple, 3),
    ];
    for base in ["/3", "/3/0"] {
        for (place, before) in places.iter().enumerate() {
            for (event, allowed) in events {
                let mut buffer = Vec::new();
                let mut encoder = Encoder::new(&mut buffer, Scope::write(path(base)));
                before
                    .iter()
                    .try_for_each(|event| encoder.event(*event))
                    .unwrap();
                let expected = if place == allowed {
                    Ok(())
                } else {
                    Err(EncodeError::Structure(event.step()))
                };
                assert_eq!(encoder.event(event), expected, "{event:?} at {place}");
            }
            if place > 0 {
                assert_eq!(
                    written(base, before),
                    Err(EncodeError::Structure(Step::End))
                );
            }
        }
    }
}

#[test]
fn an_instance_without_identifier_stands_alone() {
    let unnamed = Event::Instance(None);
    let structure = Err(EncodeError::Structure(Step::Instance));
    for (base, events) in [
        ("/3", &[object(3), unnamed, END_INSTANCE, unnamed][..]),
        ("/3", &[object(3), unnamed, END_INSTANCE, instance(0)]),
        ("/3", &[object(3), instance(0), END_INSTANCE, unnamed]),
        ("/3/0", &[object(3), unnamed]),
        ("/3/0/9", &[object(3), unnamed]),
    ] {
        assert_eq!(written(base, events), structure, "{events:?}");
    }
}

#[test]
fn what_is_outside_the_path_is_refused() {
    for (base, events, outside) in [
        ("/3", &[object(4)][..], "/4"),
        ("/3/0", &[object(4)], "/4"),
        ("/3/0/9", &[object(4)], "/4"),
        ("/3/0", &[object(3), instance(1)], "/3/1"),
        ("/3/0/9", &[object(3), instance(1)], "/3/1"),
        ("/3/0/9", &[object(3), instance(0), number(8)], "/3/0/8"),
        ("/3/0/9", &[object(3), instance(0), multiple(8)], "/3/0/8"),
    ] {
        let error = EncodeError::OutsidePath(path(outside));
        assert_eq!(written(base, events), Err(error));
    }
    // TLV has no payload of several Objects or of a Resource Instance.
    for base in ["/", "/3/0/7/1"] {
        let structure = |step| Err(EncodeError::Structure(step));
        assert_eq!(written(base, &[object(3)]), structure(Step::Object));
        assert_eq!(written(base, &[]), structure(Step::End));
    }
}

#[test]
fn times_are_refused() {
    let time = Some(Timestamp::Absolute(1.0));
    let value = ValueRef::Integer(1);
    let id = 9.into();
    let timed = Event::Resource { id, value, time };
    let error = |text: &str| Err(EncodeError::Time(path(text)));
    assert_eq!(
        written("/3", &[object(3), instance(2), timed]),
        error("/3/2/9")
    );
    let unnamed = Event::Instance(None);
    assert_eq!(written("/3", &[object(3), unnamed, timed]), error("/3"));
    let id = 1.into();
    let timed = Event::ResourceInstance { id, value, time };
    assert_eq!(
        written("/3/0", &[object(3), instance(0), multiple(7), timed]),
        error("/3/0/7/1")
    );
}

/// An encoder that is dropped before its end, because its source failed, leaves nothing.
#[test]
fn what_is_not_finished_is_taken_back() {
    let mut buffer = b"before".to_vec();
    let base = Path::Resource(3.into(), InstanceId::ZERO, ResourceId::new(9));
    let mut encoder = Encoder::new(&mut buffer, Scope::write(base));
    encoder.event(object(3)).unwrap();
    encoder.event(instance(0)).unwrap();
    encoder.event(number(9)).unwrap();
    drop(encoder);
    assert_eq!(buffer, b"before");
}
