//! Steps of a file, for plans that none of the ready ones is (TS 5.2.7).

use lwm2m_core::{ContentFormat, DataType, Path, codec::Content, codec::TypeLookup as _};
use lwm2m_objects::Registry;
use lwm2m_statemachine::bootstrap_server::Step;

use super::document::{Mistake, Table};
use crate::value;

const OPERATIONS: [&str; 5] = ["discover", "try-discover", "delete", "try-delete", "write"];

/// Reads a step: `delete = "/0"`, or `write = "/1/0/1"` with `value` or `values`.
pub(super) fn read(table: &Table<'_>, registry: &Registry) -> Result<Step, Mistake> {
    table.only(&[&OPERATIONS[..], &["value", "values", "format"]].concat())?;
    let mut named = OPERATIONS.into_iter().filter(|name| table.has(name));
    let (Some(operation), None) = (named.next(), named.next()) else {
        let all = OPERATIONS.join(", ");
        return Err(table.own_mistake(format_args!("expected one of {all}")));
    };
    let path = path(table, operation, table.required(operation)?)?;
    for key in ["value", "values", "format"] {
        if operation != "write" && table.has(key) {
            return Err(table.mistake(key, "expected with write alone"));
        }
    }
    Ok(match operation {
        "discover" => Step::Discover(path),
        "try-discover" => Step::TryDiscover(path),
        "delete" => Step::Delete(path),
        "try-delete" => Step::TryDelete(path),
        _ => Step::Write {
            path,
            content: content(table, path, registry)?,
            format: format(table)?,
        },
    })
}

fn path(table: &Table<'_>, key: &str, text: &str) -> Result<Path, Mistake> {
    text.parse().map_err(|error| table.mistake(key, error))
}

fn format(table: &Table<'_>) -> Result<Option<ContentFormat>, Mistake> {
    Ok(match table.string("format")? {
        None => None,
        Some("tlv") => Some(ContentFormat::TLV),
        Some("json") => Some(ContentFormat::JSON),
        Some("text") => Some(ContentFormat::TEXT),
        Some("opaque") => Some(ContentFormat::OPAQUE),
        Some(_) => return Err(table.mistake("format", "expected tlv, json, text or opaque")),
    })
}

/// The values at and below the path.
fn content(table: &Table<'_>, path: Path, registry: &Registry) -> Result<Content, Mistake> {
    let mut content = Content::new();
    match (table.string("value")?, table.table("values")?) {
        (Some(text), None) => add(&mut content, table, "value", path, text, registry)?,
        (None, Some(values)) => {
            for (key, text) in values.strings()? {
                let below = format!("{path}/{key}");
                let at = below.parse().map_err(|error| values.mistake(key, error))?;
                add(&mut content, &values, key, at, text, registry)?;
            }
        }
        _ => {
            let what = "expected either value, of a Resource, or values, by path below this one";
            return Err(table.mistake("write", what));
        }
    }
    Ok(content)
}

fn add(
    content: &mut Content,
    table: &Table<'_>,
    key: &str,
    path: Path,
    text: &str,
    registry: &Registry,
) -> Result<(), Mistake> {
    let data_type: Option<DataType> = path
        .object()
        .zip(path.resource())
        .and_then(|(object, resource)| registry.data_type(object, resource));
    let Some(data_type) = data_type else {
        let what = format!("{path}: expected a Resource with a known type; load it with --ddf");
        return Err(table.mistake(key, what));
    };
    // Of what a value is, the errors say nothing.
    let value = value::read(data_type, text).map_err(|error| table.mistake(key, error))?;
    content.insert(path, value);
    Ok(())
}
