//! Properties of arbitrary Objects.

use alloc::collections::BTreeMap;

use lwm2m_core::{
    ContentFormat, DataType, ObjectLink, Path, ResourceId, Value,
    codec::{Content, EncodeError, Scope},
};
use lwm2m_statemachine::payload::{self, EncodeFailure};
use proptest::{collection, prelude::*};

use super::support::{
    FORMATS, Line, content, read, round_trip, there_and_back, told, types, written,
};

/// A value for this Resource. Numbers are finite and types known if all formats must carry it.
fn value(resource: u16, for_all: bool) -> BoxedStrategy<Value> {
    let bytes = || collection::vec(any::<u8>(), 0..300);
    // Of all sizes.
    let integer = || (any::<i64>(), 0..64).prop_map(|(number, shift)| number >> shift);
    match types(0.into(), ResourceId::new(resource)) {
        Some(DataType::String) => any::<String>().prop_map(Value::String).boxed(),
        Some(DataType::Integer) => integer().prop_map(Value::Integer).boxed(),
        Some(DataType::Time) => integer().prop_map(Value::Time).boxed(),
        Some(DataType::Float) => prop_oneof![any::<f64>(), any::<f32>().prop_map(f64::from)]
            .prop_filter("a finite number", move |number| {
                number.is_finite() || !for_all
            })
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

/// Small numbers, and any.
fn id() -> impl Strategy<Value = u16> {
    prop_oneof![0..20_u16, any::<u16>()]
}

/// A Resource's identifier: one with a definition, if all formats must carry it.
fn resource_id(for_all: bool) -> impl Strategy<Value = u16> {
    id().prop_filter("a Resource with a definition", move |id| {
        !for_all || types(0.into(), ResourceId::new(*id)).is_some()
    })
}

#[derive(Clone, Debug)]
enum Resource {
    Single(Value),
    Multiple(BTreeMap<u16, Value>),
}

type Instances = BTreeMap<u16, BTreeMap<u16, Resource>>;

/// The Object Instances of an Object, one at least. If all formats must carry them, none is empty.
fn instances(for_all: bool) -> impl Strategy<Value = Instances> {
    let least = usize::from(for_all);
    let resource = resource_id(for_all).prop_flat_map(move |id| {
        let value = || value(id, for_all);
        let instances = collection::btree_map(self::id(), value(), least..5);
        let resource = prop_oneof![
            2 => value().prop_map(Resource::Single),
            1 => instances.prop_map(Resource::Multiple),
        ];
        (Just(id), resource)
    });
    let resources = collection::vec(resource, least..8).prop_map(BTreeMap::from_iter);
    collection::btree_map(prop_oneof![0..20_u16, 0..65_535_u16], resources, 1..5)
}

fn lines(object: u16, instances: &Instances) -> Vec<Line> {
    let at = |ids: &[u16]| Path::of(ids).unwrap();
    let mut lines = Vec::new();
    for (instance, resources) in instances {
        if resources.is_empty() {
            lines.push((at(&[object, *instance]), None, None));
        }
        for (id, resource) in resources {
            match resource {
                Resource::Single(value) => {
                    let path = at(&[object, *instance, *id]);
                    lines.push((path, Some(value.clone()), None));
                }
                Resource::Multiple(values) if values.is_empty() => {
                    lines.push((at(&[object, *instance, *id]), None, None));
                }
                Resource::Multiple(values) => lines.extend(values.iter().map(|(inner, value)| {
                    let path = at(&[object, *instance, *id, *inner]);
                    (path, Some(value.clone()), None)
                })),
            }
        }
    }
    lines
}

/// The content at and below the path that some value has at this depth.
fn below(lines: &[Line], choice: prop::sample::Index, depth: usize) -> (Path, Content) {
    let ids: Vec<u16> = choice.get(lines).0.segments().collect();
    let base = Path::of(&ids[..depth.min(ids.len())]).unwrap();
    let lines: Vec<_> = lines
        .iter()
        .filter(|(path, ..)| base.contains(path))
        .cloned()
        .collect();
    (base, content(&lines))
}

/// What each format can carry (TS 6.4, and our rules for JSON where it is silent).
fn carries(format: ContentFormat, content: &Content, base: Path) -> bool {
    let one = match content.entries() {
        [entry] if entry.path == base => entry.value.as_ref(),
        _ => None,
    };
    let writable = |value: &Value| match value {
        Value::Float(number) => number.is_finite(),
        Value::Raw(_) => false,
        _ => true,
    };
    match format {
        ContentFormat::TEXT => one.is_some_and(writable),
        ContentFormat::OPAQUE => {
            one.is_some_and(|value| matches!(value, Value::Opaque(_) | Value::Raw(_)))
        }
        ContentFormat::TLV => (1..=3).contains(&base.depth()),
        _ => content
            .entries()
            .iter()
            .all(|entry| entry.value.as_ref().is_some_and(writable)),
    }
}

proptest! {
    /// What every format can carry comes back with the same values, and with the same bytes after a
    /// detour through another format.
    #[test]
    fn tlv_to_json_and_back(
        object in id(),
        instances in instances(true),
        choice in any::<prop::sample::Index>(),
        depth in 1usize..=3,
    ) {
        let (base, content) = below(&lines(object, &instances), choice, depth);
        let payloads = [ContentFormat::TLV, ContentFormat::JSON]
            .map(|format| (format, round_trip(format, &content, base, &types)));
        there_and_back(&payloads, base, &types);
    }

    /// A format carries a content and returns it, or refuses it with an error, as predicted.
    #[test]
    fn each_format_carries_what_it_can(
        object in id(),
        instances in instances(false),
        choice in any::<prop::sample::Index>(),
        depth in 0usize..=4,
    ) {
        let (base, content) = below(&lines(object, &instances), choice, depth);
        let mut payloads = Vec::new();
        for format in FORMATS {
            if carries(format, &content, base) {
                payloads.push((format, round_trip(format, &content, base, &types)));
            } else {
                let refused = written(format, &content, base);
                prop_assert!(matches!(refused, Err(EncodeFailure::Content(_))), "{}: {:?}", format, refused);
            }
        }
        there_and_back(&payloads, base, &types);
    }

    /// Arbitrary bytes: no panic, and what is read survives writing and reading again.
    #[test]
    fn arbitrary_bytes(
        payload in collection::vec(any::<u8>(), 0..64),
        base in prop::sample::select(vec!["/", "/3", "/3/0", "/3/0/1", "/3/0/4", "/3/0/9", "/3/0/1/2"]),
    ) {
        let base: Path = base.parse().unwrap();
        for format in FORMATS {
            let mut content = Content::new();
            if payload::decode(format, &payload, Scope::write(base), &types, &mut content).is_err() {
                continue;
            }
            match written(format, &content, base) {
                Ok(again) => prop_assert_eq!(told(&read(format, &again, base, &types)), told(&content)),
                // Bytes of unknown type are read from text, but not written as text.
                Err(EncodeFailure::Content(EncodeError::Value(_))) => {
                    prop_assert_eq!(format, ContentFormat::TEXT);
                }
                Err(error) => prop_assert!(false, "{}: {}", format, error),
            }
        }
    }
}
