//! Definitions, and round trips through the formats.

use lwm2m_core::{
    ContentFormat, DataType, ObjectId, Path, ResourceId, Timestamp, Value,
    codec::{Content, Cursor, Scope, TypeLookup},
};
pub(crate) use lwm2m_kit::path;
use lwm2m_statemachine::payload::{self, DecodeError, EncodeFailure};

pub(crate) const FORMATS: [ContentFormat; 4] = [
    ContentFormat::TEXT,
    ContentFormat::OPAQUE,
    ContentFormat::TLV,
    ContentFormat::JSON,
];

/// The last digit of a Resource ID decides the data type; 7 to 9 have no definition.
pub(crate) fn types(_: ObjectId, resource: ResourceId) -> Option<DataType> {
    Some(match resource.get() % 10 {
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

/// A line of a content; without a value, it is empty.
pub(crate) type Line = (Path, Option<Value>, Option<Timestamp>);

pub(crate) fn content(lines: &[Line]) -> Content {
    let mut content = Content::new();
    let mut cursor = Cursor::new();
    for (path, value, time) in lines {
        match value {
            Some(value) => cursor.value(*path, value.as_ref(), *time, &mut content),
            None => cursor.open(*path, &mut content),
        }
        .unwrap();
    }
    cursor.finish(&mut content).unwrap();
    content
}

/// A content in a form to compare: here NaN equals NaN, and -0 isn't 0.
pub(crate) fn told(content: &Content) -> String {
    format!("{:?}", content.entries())
}

pub(crate) fn written(
    format: ContentFormat,
    content: &Content,
    base: Path,
) -> Result<Vec<u8>, EncodeFailure> {
    let mut payload = b"before".to_vec();
    payload::encode(format, content, Scope::write(base), &mut payload)?;
    Ok(payload.split_off(6))
}

pub(crate) fn read(
    format: ContentFormat,
    payload: &[u8],
    base: Path,
    types: &impl TypeLookup,
) -> Content {
    let mut content = Content::new();
    payload::decode(format, payload, Scope::write(base), types, &mut content).unwrap();
    content
}

/// Writes and reads, as request and as answer; returns the payload.
pub(crate) fn round_trip(
    format: ContentFormat,
    content: &Content,
    base: Path,
    types: &impl TypeLookup,
) -> Vec<u8> {
    let payload = written(format, content, base)
        .unwrap_or_else(|error| panic!("{base} in {format}: {error}"));
    assert_eq!(
        told(&read(format, &payload, base, types)),
        told(content),
        "{base} in {format}"
    );
    let mut answer = Content::new();
    payload::decode(format, &payload, Scope::answer(base), types, &mut answer).unwrap();
    assert_eq!(told(&answer), told(content), "{base} in {format}, answered");
    payload
}

/// A payload in another format, decoder pushing into encoder.
pub(crate) fn transcoded(
    (from, to): (ContentFormat, ContentFormat),
    payload: &[u8],
    base: Path,
    types: &impl TypeLookup,
) -> Vec<u8> {
    let mut written = Vec::new();
    let mut encoder = payload::Encoder::new(to, &mut written, Scope::write(base)).unwrap();
    let outcome = payload::decode(from, payload, Scope::write(base), types, &mut encoder);
    assert!(
        matches!(outcome, Ok(())),
        "{base} from {from} to {to}: {outcome:?}",
        outcome = outcome.map_err(|error: DecodeError<_>| error.to_string())
    );
    encoder.finish().unwrap();
    written
}

/// From each of these formats into each other and back: the same bytes.
pub(crate) fn there_and_back(
    payloads: &[(ContentFormat, Vec<u8>)],
    base: Path,
    types: &impl TypeLookup,
) {
    for (from, payload) in payloads {
        for (to, other) in payloads {
            let there = transcoded((*from, *to), payload, base, types);
            assert_eq!(there, *other, "{base} from {from} to {to}");
            let back = transcoded((*to, *from), &there, base, types);
            assert_eq!(back, *payload, "{base} from {from} to {to} and back");
        }
    }
}
