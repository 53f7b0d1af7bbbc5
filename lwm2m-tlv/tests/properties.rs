//! Properties of all payloads.

extern crate alloc;

mod common;

use alloc::collections::BTreeMap;

use common::{Tell, told};
use lwm2m_core::{
    DataType, InstanceId, ObjectId, ObjectLink, Path, ResourceId, Value,
    codec::{DecodeFailure, Event, Scope, Sink},
};
use lwm2m_tlv::{Encoder, Reader, decode};
use proptest::{collection, prelude::*};

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

fn value(data_type: Option<DataType>) -> BoxedStrategy<Value> {
    let bytes = || collection::vec(any::<u8>(), 0..300);
    match data_type {
        Some(DataType::String) => any::<String>().prop_map(Value::String).boxed(),
        Some(DataType::Integer) => integer().prop_map(Value::Integer).boxed(),
        Some(DataType::Time) => integer().prop_map(Value::Time).boxed(),
        Some(DataType::Float) => prop_oneof![any::<f64>(), any::<f32>().prop_map(f64::from)]
            .prop_map(Value::Float)
            .boxed(),
        Some(DataType::Boolean) => any::<bool>().prop_map(Value::Boolean).boxed(),
        Some(DataType::Opaque) => bytes().prop_map(Value::Opaque).boxed(),
        Some(DataType::ObjectLink) => any::<(u16, u16)>()
            .prop_map(|(object, instance)| Value::ObjectLink(ObjectLink { object, instance }))
            .boxed(),
        Some(other) => unreachable!("{other}"),
        None => bytes().prop_map(Value::Raw).boxed(),
    }
}

/// Of all sizes.
fn integer() -> impl Strategy<Value = i64> {
    (any::<i64>(), 0..64).prop_map(|(number, shift)| number >> shift)
}

fn id() -> impl Strategy<Value = u16> {
    prop_oneof![0..20_u16, any::<u16>()]
}

#[derive(Clone, Debug)]
enum Node {
    Single(Value),
    Multiple(BTreeMap<u16, Value>),
}

fn node() -> impl Strategy<Value = (u16, Node)> {
    id().prop_flat_map(|id| {
        let value = || value(types(0.into(), id.into()));
        let instances = collection::btree_map(self::id(), value(), 0..5);
        let node = prop_oneof![
            2 => value().prop_map(Node::Single),
            1 => instances.prop_map(Node::Multiple),
        ];
        (Just(id), node)
    })
}

fn nodes() -> impl Strategy<Value = Vec<(u16, Node)>> {
    collection::vec(node(), 0..12)
}

fn push_node<S: Sink>(id: u16, node: &Node, sink: &mut S) -> Result<(), S::Error> {
    match node {
        Node::Single(value) => sink.event(Event::Resource {
            id: id.into(),
            value: value.as_ref(),
            time: None,
        }),
        Node::Multiple(values) => {
            sink.event(Event::Multiple(id.into()))?;
            for (id, value) in values {
                sink.event(Event::ResourceInstance {
                    id: (*id).into(),
                    value: value.as_ref(),
                    time: None,
                })?;
            }
            sink.event(Event::EndMultiple)
        }
    }
}

type Instances = Vec<(Option<InstanceId>, Vec<(u16, Node)>)>;

fn push<S: Sink>(object: u16, instances: &Instances, sink: &mut S) -> Result<(), S::Error> {
    sink.event(Event::Object(object.into()))?;
    for (id, nodes) in instances {
        sink.event(Event::Instance(*id))?;
        for (id, node) in nodes {
            push_node(*id, node, sink)?;
        }
        sink.event(Event::EndInstance)?;
    }
    sink.event(Event::EndObject)
}

fn instance_id() -> impl Strategy<Value = InstanceId> {
    id().prop_map(|id| InstanceId::new(id).unwrap_or(InstanceId::ZERO))
}

fn encoded(base: Path, object: u16, instances: &Instances) -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut encoder = Encoder::new(&mut buffer, Scope::write(base));
    push(object, instances, &mut encoder).unwrap();
    encoder.finish().unwrap();
    buffer
}

fn pushed(object: u16, instances: &Instances) -> String {
    let mut tell = Tell(String::new());
    let Ok(()) = push(object, instances, &mut tell);
    tell.0
}

/// Decodes into an encoder.
fn again(payload: &[u8], base: Path) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    let mut encoder = Encoder::new(&mut buffer, Scope::write(base));
    match decode(payload, Scope::write(base), &types, &mut encoder) {
        Ok(()) => encoder.finish().unwrap(),
        Err(DecodeFailure::Malformed(_)) => return None,
        Err(DecodeFailure::Sink(error)) => panic!("decoded, but not encoded: {error}"),
    }
    Some(buffer)
}

/// The TLVs of the pull reader are at their offsets.
fn look(payload: &[u8], reader: Reader<'_>) {
    for tlv in reader.flatten() {
        assert!(tlv.offset < tlv.value_offset);
        assert_eq!(&payload[tlv.value_offset..][..tlv.value.len()], tlv.value);
        tlv.nested()
            .into_iter()
            .for_each(|nested| look(payload, nested));
    }
}

/// Bytes for every path and every way to read them.
fn read_in_all_ways(payload: &[u8]) -> Result<(), TestCaseError> {
    look(payload, Reader::new(payload));
    let paths: [&[u16]; 7] = [
        &[],
        &[3],
        &[3, 0],
        &[3, 0, 0],
        &[3, 0, 1],
        &[3, 0, 7],
        &[3, 0, 7, 1],
    ];
    for ids in paths {
        let base = Path::of(ids).unwrap();
        let Some(canonical) = again(payload, base) else {
            prop_assert!(told(payload, base, &types).is_err());
            continue;
        };
        let events = told(payload, base, &types);
        prop_assert_eq!(&told(&canonical, base, &types), &events);
        prop_assert_eq!(again(&canonical, base), Some(canonical));
    }
    let _ = decode(
        payload,
        Scope::create(3.into()),
        &types,
        &mut Tell(String::new()),
    );
    Ok(())
}

proptest! {
    #[test]
    fn an_object_comes_back(
        object in id(),
        instances in collection::vec((instance_id().prop_map(Some), nodes()), 0..4),
    ) {
        let base = Path::Object(object.into());
        let payload = encoded(base, object, &instances);
        prop_assert_eq!(told(&payload, base, &types), Ok(pushed(object, &instances)));
        prop_assert_eq!(again(&payload, base), Some(payload));
    }

    #[test]
    fn an_object_instance_comes_back(object in id(), id in instance_id(), nodes in nodes()) {
        let base = Path::Instance(object.into(), id);
        let instances = vec![(Some(id), nodes)];
        let payload = encoded(base, object, &instances);
        prop_assert_eq!(told(&payload, base, &types), Ok(pushed(object, &instances)));
        prop_assert_eq!(&again(&payload, base), &Some(payload));

        // With the Object Instance around them it reads the same.
        let wrapped = encoded(Path::Object(object.into()), object, &instances);
        prop_assert_eq!(told(&wrapped, base, &types), Ok(pushed(object, &instances)));
    }

    #[test]
    fn a_resource_comes_back(object in id(), instance in instance_id(), node in node()) {
        let base = Path::Resource(object.into(), instance, node.0.into());
        let instances = vec![(Some(instance), vec![node])];
        let payload = encoded(base, object, &instances);
        prop_assert_eq!(told(&payload, base, &types), Ok(pushed(object, &instances)));
        prop_assert_eq!(again(&payload, base), Some(payload));
    }

    #[test]
    fn a_create_comes_back(object in id(), nodes in nodes()) {
        let instances = vec![(None, nodes)];
        let payload = encoded(Path::Object(object.into()), object, &instances);
        let mut tell = Tell(String::new());
        decode(&payload, Scope::create(object.into()), &types, &mut tell).unwrap();
        prop_assert_eq!(tell.0, pushed(object, &instances));
    }

    #[test]
    fn any_bytes_are_read_or_refused(payload in collection::vec(any::<u8>(), 0..64)) {
        read_in_all_ways(&payload)?;
    }

    /// Nearly valid payloads: a few bytes are changed, and the end is cut off.
    #[test]
    fn damaged_payloads_are_read_or_refused(
        instances in collection::vec((instance_id().prop_map(Some), nodes()), 0..3),
        base in prop_oneof![Just(Path::Object(3.into())), Just(Path::Instance(3.into(), InstanceId::ZERO))],
        damage in collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        length in any::<prop::sample::Index>(),
    ) {
        let instances = match base {
            Path::Object(_) => instances,
            _ => instances.into_iter().take(1).map(|(_, nodes)| (Some(InstanceId::ZERO), nodes)).collect(),
        };
        let mut payload = encoded(base, 3, &instances);
        for (index, byte) in damage {
            if !payload.is_empty() {
                let index = index.index(payload.len());
                payload[index] = byte;
            }
        }
        if length.index(2) == 1 {
            payload.truncate(length.index(payload.len() + 1));
        }
        read_in_all_ways(&payload)?;
    }
}
