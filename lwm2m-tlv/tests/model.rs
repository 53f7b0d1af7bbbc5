//! The decoder against a plain model of the specification, which makes a list of every level and
//! copies freely.

mod common;

use common::{Tell, path, told};
use lwm2m_core::{
    DataType, InstanceId, ObjectId, ObjectLink, Path, ResourceId, Value,
    codec::{Event, Scope, Sink},
};
use lwm2m_tlv::decode;
use proptest::{collection, prelude::*};

const OBJECT: u16 = 3;
const INSTANCE: u16 = 0;
const RESOURCE: u16 = 7;

/// The Resources have every data type, and some have none.
fn types(_: ObjectId, resource: ResourceId) -> Option<DataType> {
    Some(match resource.get() % 8 {
        0 => DataType::String,
        1 => DataType::Integer,
        2 => DataType::Float,
        3 => DataType::Boolean,
        4 => DataType::Opaque,
        5 => DataType::Time,
        6 => DataType::ObjectLink,
        _ => return None,
    })
}

/// Bits 7 and 6 of the Type, the Identifier, and the Value.
type Tlv = (u8, u16, Vec<u8>);

const OBJECT_INSTANCE: u8 = 0b00;
const RESOURCE_INSTANCE: u8 = 0b01;
const MULTIPLE_RESOURCE: u8 = 0b10;
const RESOURCE_WITH_VALUE: u8 = 0b11;

/// TS 6.4.3, Table 21.
fn array(payload: &[u8]) -> Option<Vec<Tlv>> {
    let mut bytes = payload.iter().copied();
    let mut array = Vec::new();
    while let Some(first) = bytes.next() {
        let mut number = |size: u8| {
            (0..size).try_fold(0_usize, |number, _| {
                Some(number * 256 + usize::from(bytes.next()?))
            })
        };
        let id = number(1 + (first >> 5 & 1))?;
        let length = match first >> 3 & 0b11 {
            0 => usize::from(first & 0b111),
            size => number(size)?,
        };
        let value: Vec<u8> = bytes.by_ref().take(length).collect();
        if value.len() < length {
            return None;
        }
        array.push((first >> 6, u16::try_from(id).unwrap(), value));
    }
    Some(array)
}

/// Appendix C, TLV Format.
fn value(bytes: &[u8], data_type: Option<DataType>) -> Option<Value> {
    // Two's complement.
    let integer = || {
        if ![1, 2, 4, 8].contains(&bytes.len()) {
            return None;
        }
        let start = if bytes[0] < 0x80 { 0 } else { -1 };
        let number = bytes
            .iter()
            .fold(start, |number, byte| number * 256 + i128::from(*byte));
        i64::try_from(number).ok()
    };
    Some(match data_type {
        None => Value::Raw(bytes.to_vec()),
        Some(DataType::String) => Value::String(String::from_utf8(bytes.to_vec()).ok()?),
        Some(DataType::Integer) => Value::Integer(integer()?),
        Some(DataType::Time) => Value::Time(integer()?),
        Some(DataType::Float) => Value::Float(match bytes.len() {
            4 => f32::from_be_bytes(bytes.try_into().unwrap()).into(),
            8 => f64::from_be_bytes(bytes.try_into().unwrap()),
            _ => return None,
        }),
        Some(DataType::Boolean) => match bytes {
            [truth @ 0..=1] => Value::Boolean(*truth == 1),
            _ => return None,
        },
        Some(DataType::Opaque) => Value::Opaque(bytes.to_vec()),
        Some(DataType::ObjectLink) => match *bytes {
            [a, b, c, d] => Value::ObjectLink(ObjectLink {
                object: u16::from(a) * 256 + u16::from(b),
                instance: u16::from(c) * 256 + u16::from(d),
            }),
            _ => return None,
        },
        Some(other) => unreachable!("{other}"),
    })
}

/// The events of a payload, in the notation of [`Tell`].
struct Model(String);

impl Model {
    fn say(&mut self, event: Event<'_>) {
        let mut tell = Tell(String::new());
        let Ok(()) = tell.event(event);
        self.0.extend((!self.0.is_empty()).then_some(' '));
        self.0 += &tell.0;
    }

    fn multiple(&mut self, id: u16, array: &[Tlv]) -> Option<()> {
        self.say(Event::Multiple(id.into()));
        for (kind, inner, bytes) in array {
            if *kind != RESOURCE_INSTANCE {
                return None;
            }
            let value = value(bytes, types(OBJECT.into(), id.into()))?;
            self.say(Event::ResourceInstance {
                id: (*inner).into(),
                value: value.as_ref(),
                time: None,
            });
        }
        self.say(Event::EndMultiple);
        Some(())
    }

    fn resources(&mut self, resources: &[Tlv]) -> Option<()> {
        for (kind, id, bytes) in resources {
            match *kind {
                RESOURCE_WITH_VALUE => {
                    let value = value(bytes, types(OBJECT.into(), (*id).into()))?;
                    self.say(Event::Resource {
                        id: (*id).into(),
                        value: value.as_ref(),
                        time: None,
                    });
                }
                MULTIPLE_RESOURCE => self.multiple(*id, &array(bytes)?)?,
                _ => return None,
            }
        }
        Some(())
    }

    fn instance(&mut self, id: Option<u16>, resources: &[Tlv]) -> Option<()> {
        self.say(Event::Instance(match id {
            Some(id) => Some(InstanceId::new(id)?),
            None => None,
        }));
        self.resources(resources)?;
        self.say(Event::EndInstance);
        Some(())
    }

    fn instances(&mut self, instances: &[Tlv]) -> Option<()> {
        for (kind, id, bytes) in instances {
            if *kind != OBJECT_INSTANCE {
                return None;
            }
            self.instance(Some(*id), &array(bytes)?)?;
        }
        Some(())
    }
}

/// The events of a payload, if it is one of this path; `create` if it is that of a Create.
fn model(payload: &[u8], base: Path, create: bool) -> Option<String> {
    let array = array(payload)?;
    let kinds: Vec<u8> = array.iter().map(|(kind, ..)| *kind).collect();
    let mut model = Model(String::new());
    model.say(Event::Object(OBJECT.into()));
    match base.depth() {
        1 if create && kinds.first() != Some(&OBJECT_INSTANCE) => model.instance(None, &array)?,
        1 => model.instances(&array)?,
        2 => match &array[..] {
            [(OBJECT_INSTANCE, INSTANCE, _)] => model.instances(&array)?,
            resources => model.instance(Some(INSTANCE), resources)?,
        },
        3 => {
            model.say(Event::Instance(Some(InstanceId::ZERO)));
            match &array[..] {
                [(RESOURCE_WITH_VALUE | MULTIPLE_RESOURCE, id, _)]
                    if base.resource() == Some((*id).into()) =>
                {
                    model.resources(&array)?;
                }
                [_, ..] => model.multiple(base.resource()?.get(), &array)?,
                [] => return None,
            }
            model.say(Event::EndInstance);
        }
        _ => return None,
    }
    model.say(Event::EndObject);
    Some(model.0)
}

/// A header whose fields are as long as `wide` and `size` say, or as they must be.
fn tlv(kind: u8, id: u16, wide: bool, size: u8, ignored: u8, value: &[u8]) -> Vec<u8> {
    let wide = wide || id > 255;
    let length = u32::try_from(value.len()).unwrap();
    let least = match length {
        0..=7 => 0,
        8..=0xFF => 1,
        _ => 2,
    };
    let size = size.max(least);
    let low = if size == 0 {
        u8::try_from(length).unwrap()
    } else {
        ignored
    };
    let mut bytes = vec![kind << 6 | u8::from(wide) << 5 | size << 3 | low];
    bytes.extend(&id.to_be_bytes()[usize::from(!wide)..]);
    bytes.extend(&length.to_be_bytes()[4 - usize::from(size)..]);
    bytes.extend(value);
    bytes
}

/// One TLV around this value, mostly in its shortest form.
fn wrapped(kind: u8, value: impl Strategy<Value = Vec<u8>> + 'static) -> BoxedStrategy<Vec<u8>> {
    let id = prop_oneof![
        3 => Just(0_u16), 3 => Just(RESOURCE), 3 => 0..10_u16, 1 => any::<u16>(), 1 => Just(65535)
    ];
    let kind = prop_oneof![30 => Just(kind), 1 => 0..4_u8];
    let size = prop_oneof![4 => Just(0_u8), 1 => 0..4_u8];
    (kind, id, any::<bool>(), size, 0..8_u8, value)
        .prop_map(|(kind, id, wide, size, ignored, value)| {
            tlv(kind, id, wide, size, ignored, &value)
        })
        .boxed()
}

fn several(tlv: BoxedStrategy<Vec<u8>>, most: usize) -> BoxedStrategy<Vec<u8>> {
    collection::vec(tlv, 0..most)
        .prop_map(|tlvs| tlvs.concat())
        .boxed()
}

/// Values that often have a length of their data type.
fn some_value() -> BoxedStrategy<Vec<u8>> {
    let length = prop::sample::select(vec![0_usize, 1, 1, 2, 3, 4, 4, 5, 7, 8, 8, 9, 260]);
    let bytes = length.prop_flat_map(|length| {
        prop_oneof![
            collection::vec(0..2_u8, length),
            collection::vec(32..127_u8, length),
            collection::vec(any::<u8>(), length),
        ]
    });
    bytes.boxed()
}

/// Payloads of every path, valid or nearly valid.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let resource_instances = || several(wrapped(RESOURCE_INSTANCE, some_value()), 3);
    let resource = || wrapped(RESOURCE_WITH_VALUE, some_value());
    let multiple = || wrapped(MULTIPLE_RESOURCE, resource_instances());
    let resources = || several(prop_oneof![resource(), multiple()].boxed(), 3);
    let instance = || wrapped(OBJECT_INSTANCE, resources());
    prop_oneof![
        several(instance(), 3),
        instance(),
        resources(),
        resource(),
        multiple(),
        resource_instances(),
        collection::vec(any::<u8>(), 0..24),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Both read the same payloads as the same events, and refuse the same.
    #[test]
    fn the_decoder_reads_what_the_specification_says(
        payload in payload(),
        cut in prop_oneof![5 => Just(0_usize), 1 => 0..4_usize],
    ) {
        let payload = &payload[..payload.len().saturating_sub(cut)];
        for base in ["/3", "/3/0", "/3/0/7", "/3/0/1", "/3/0/7/0"].map(path) {
            prop_assert_eq!(told(payload, base, &types).ok(), model(payload, base, false), "{}", base);
        }
        let mut tell = Tell(String::new());
        let created = decode(payload, Scope::create(OBJECT.into()), &types, &mut tell);
        let base = Path::Object(OBJECT.into());
        prop_assert_eq!(created.ok().map(|()| tell.0), model(payload, base, true), "a Create");
    }
}
