//! Properties of all payloads.

use std::collections::HashMap;

use lwm2m_core::{
    DataType, InstanceId, ObjectId, ObjectLink, Path, ResourceId, Timestamp, Value,
    codec::{Content, DecodeFailure, EncodeError, Entry, Scope, Sink, Untyped, WithInstance},
};
use lwm2m_json::{DecodeError, Encoder, decode};
use proptest::{collection::vec, prelude::*};

/// All values that JSON can carry.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(Value::String),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>()
            .prop_filter("no NaN, no infinities", |number| number.is_finite())
            .prop_map(Value::Float),
        any::<bool>().prop_map(Value::Boolean),
        vec(any::<u8>(), 0..20).prop_map(Value::Opaque),
        any::<i64>().prop_map(Value::Time),
        any::<(u16, u16)>()
            .prop_map(|(object, instance)| Value::ObjectLink(ObjectLink { object, instance })),
    ]
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    prop_oneof![
        3 => Just(None),
        1 => any::<f64>().prop_filter_map("finite", |seconds| {
            seconds.is_finite().then_some(Some(if seconds > 0.0 {
                Timestamp::Absolute(seconds)
            } else {
                Timestamp::Relative(seconds)
            }))
        }),
    ]
}

/// A Resource or a Resource Instance; few identifiers, so that Instances are often the same.
fn path() -> impl Strategy<Value = Path> {
    let id = || prop_oneof![0u16..3, Just(65534u16), 9u16..12];
    (id(), id(), id(), prop::option::of(any::<u16>())).prop_map(|(o, i, r, ri)| {
        let ids = [o, i, r, ri.unwrap_or_default()];
        Path::of(&ids[..3 + usize::from(ri.is_some())]).unwrap()
    })
}

/// Any values at any places, each Resource having one data type.
fn content() -> impl Strategy<Value = Vec<Entry>> {
    vec((path(), value(), time()), 1..20).prop_map(|entries| {
        let mut types = HashMap::new();
        let fits = |entry: &Entry| {
            let data_type = entry
                .value
                .as_ref()
                .and_then(|value| value.as_ref().data_type());
            let resource = (entry.path.object(), entry.path.resource());
            *types.entry(resource).or_insert(data_type) == data_type
        };
        let entries = entries.into_iter().map(|(path, value, time)| Entry {
            path,
            value: Some(value),
            time,
        });
        entries.filter(fits).collect()
    })
}

fn types(entries: &[Entry]) -> impl Fn(ObjectId, ResourceId) -> Option<DataType> {
    let types: HashMap<_, _> = entries
        .iter()
        .filter_map(|entry| {
            let resource = (entry.path.object()?, entry.path.resource()?);
            Some((resource, entry.value.as_ref()?.as_ref().data_type()?))
        })
        .collect();
    move |object, resource| types.get(&(object, resource)).copied()
}

/// Pushes entries as a source of flat entries does.
fn push<S: Sink>(entries: &[Entry], sink: &mut S) -> Result<(), S::Error> {
    let mut cursor = lwm2m_core::codec::Cursor::new();
    for entry in entries {
        if let Some(value) = &entry.value {
            cursor.value(entry.path, value.as_ref(), entry.time, sink)?;
        }
    }
    cursor.finish(sink)
}

fn write(entries: &[Entry], base: Path) -> Result<Vec<u8>, EncodeError> {
    let mut payload = Vec::new();
    let mut encoder = Encoder::new(&mut payload, Scope::write(base));
    push(entries, &mut encoder)?;
    encoder.finish()?;
    Ok(payload)
}

type Failure = DecodeFailure<DecodeError, EncodeError>;

fn read(
    payload: &[u8],
    base: Path,
    entries: &[Entry],
    scope: fn(Path) -> Scope,
) -> Result<Content, Failure> {
    let mut content = Content::new();
    decode(payload, scope(base), &types(entries), &mut content)?;
    Ok(content)
}

/// Reorders the members of a document, and puts white space between all tokens.
fn rearranged(document: &serde_json::Value) -> String {
    use serde_json::Value::{Array, Object};
    match document {
        Object(members) => {
            let members = members.iter().rev();
            let members = members.map(|(name, value)| {
                let name = serde_json::to_string(name).unwrap();
                format!("\t{name} :\r\n{} ", rearranged(value))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Array(elements) => {
            let elements: Vec<_> = elements.iter().map(rearranged).collect();
            format!("[ {} ] ", elements.join(" , "))
        }
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(entries in content()) {
        let payload = write(&entries, Path::Root).unwrap();
        let content = read(&payload, Path::Root, &entries, Scope::answer).unwrap();
        prop_assert_eq!(content.entries(), &entries[..]);
        // Other parsers read it, and the order of members and white space mean nothing.
        let document: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let again = rearranged(&document);
        let content = read(again.as_bytes(), Path::Root, &entries, Scope::answer).unwrap();
        prop_assert_eq!(content.entries(), &entries[..]);
    }

    #[test]
    fn it_is_for_every_base_above_the_values(entries in content(), depth in 0usize..=4) {
        let ids: Vec<u16> = entries[0].path.segments().collect();
        let base = Path::of(&ids[..depth.min(ids.len())]).unwrap();
        let mut entries = entries;
        entries.retain(|entry| base.contains(&entry.path));
        for entry in &mut entries {
            entry.time = None;
        }
        if base.resource().is_some() {
            // One Resource is single or multiple.
            let level = entries[0].path.depth();
            entries.retain(|entry| entry.path.depth() == level);
        }
        let payload = write(&entries, base).unwrap();
        for scope in [Scope::write, Scope::answer] {
            let content = read(&payload, base, &entries, scope).unwrap();
            prop_assert_eq!(content.entries(), &entries[..]);
        }
    }

    #[test]
    fn an_instance_without_identifier_too(entries in content(), single in 0..u16::MAX) {
        // All in one instance, and at least one Resource single.
        let mut unnamed: Vec<Entry> = Vec::new();
        for entry in entries {
            let ids: Vec<u16> = entry.path.segments().collect();
            let ids = [&[16, 0], &ids[2..]].concat();
            unnamed.push(Entry { path: Path::of(&ids).unwrap(), time: None, ..entry });
        }
        unnamed.push(Entry {
            path: Path::of(&[16, 0, single]).unwrap(),
            value: Some(Value::from(true)),
            time: None,
        });
        unnamed.retain(|entry| entry.value.as_ref().is_some_and(|value| matches!(value, Value::Boolean(_))));
        let mut payload = Vec::new();
        let mut encoder = Encoder::new(&mut payload, Scope::write(Path::Object(ObjectId::new(16))));
        push(&unnamed, &mut WithInstance::new(&mut encoder, None)).unwrap();
        encoder.finish().unwrap();

        let mut content = Content::new();
        let mut named = WithInstance::new(&mut content, Some(InstanceId::ZERO));
        decode(&payload, Scope::create(ObjectId::new(16)), &Untyped, &mut named).unwrap();
        prop_assert_eq!(content.entries(), &unnamed[..]);
    }

    #[test]
    fn no_bytes_make_it_panic(payload in vec(any::<u8>(), 0..200)) {
        let mut content = Content::new();
        let _ = decode(&payload, Scope::answer(Path::Root), &Untyped, &mut content);
        let _ = decode(&payload, Scope::create(ObjectId::DEVICE), &Untyped, &mut content);
    }

    /// A slightly changed payload is read or refused, and what is read can be written and read
    /// again.
    #[test]
    fn neither_do_bent_payloads(entries in content(), bends in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut payload = write(&entries, Path::Root).unwrap();
        for (index, byte) in bends {
            let index = index.index(payload.len());
            payload[index] = byte;
        }
        match read(&payload, Path::Root, &entries, Scope::answer) {
            Err(DecodeFailure::Malformed(error)) => prop_assert!(error.offset <= payload.len()),
            Err(DecodeFailure::Sink(error)) => prop_assert!(false, "{}", error),
            Ok(content) => {
                let again = write(content.entries(), Path::Root).unwrap();
                let copy = read(&again, Path::Root, &entries, Scope::answer).unwrap();
                prop_assert_eq!(copy, content);
            }
        }
    }

    /// Without definitions, fields have the values that `serde_json` reads.
    #[test]
    fn values_are_those_of_serde_json(entries in content()) {
        let payload = write(&entries, Path::Root).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let mut content = Content::new();
        decode(&payload, Scope::answer(Path::Root), &Untyped, &mut content).unwrap();
        let theirs = document["e"].as_array().unwrap();
        prop_assert_eq!(theirs.len(), content.entries().len());
        for (theirs, ours) in theirs.iter().zip(content.entries()) {
            prop_assert_eq!(format!("/{}", theirs["n"].as_str().unwrap()), ours.path.to_string());
            match ours.value.as_ref().unwrap() {
                Value::String(text) => prop_assert_eq!(theirs["sv"].as_str(), Some(&text[..])),
                Value::Integer(number) => prop_assert_eq!(theirs["v"].as_i64(), Some(*number)),
                Value::Float(number) => prop_assert_eq!(theirs["v"].as_f64(), Some(*number)),
                Value::Boolean(truth) => prop_assert_eq!(theirs["bv"].as_bool(), Some(*truth)),
                Value::ObjectLink(link) => {
                    let text = link.to_string();
                    prop_assert_eq!(theirs["ov"].as_str(), Some(&text[..]));
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
