//! The processing instruction that defines an argument.

use alloc::{borrow::Cow, string::String};

use lwm2m_core::ResourceId;

use super::{element::sixteen_bits, fault::DdfFault, is_xml, resource::data_type};
use crate::definition::{ArgumentDefinition, Range};

/// Reads the attributes of the instruction.
pub(super) fn argument(text: &str) -> Result<ArgumentDefinition, DdfFault> {
    attributes(text).map_err(|NoArgument| {
        let expected = "resource=\"7\" digit=\"1\", then name, type, range, units and description";
        DdfFault::value("lwm2m-argument", expected, text)
    })
}

/// Why text defines no argument.
struct NoArgument;

fn attributes(mut text: &str) -> Result<ArgumentDefinition, NoArgument> {
    let mut next = |name| {
        let attribute = attribute(text, name)?;
        Ok(attribute.map(|(value, rest)| {
            text = rest;
            value
        }))
    };
    let resource = next("resource")?.and_then(|text| sixteen_bits(&text));
    let digit = next("digit")?.and_then(|text| match text.as_bytes() {
        [digit @ b'0'..=b'9'] => Some(digit.wrapping_sub(b'0')),
        _ => None,
    });
    let name = next("name")?.unwrap_or_default();
    let data_type = data_type(&next("type")?.unwrap_or_default());
    let (data_type, _) = data_type.ok_or(NoArgument)?;
    let range = next("range")?.unwrap_or_default();
    let units = next("units")?.unwrap_or_default();
    let description = next("description")?.unwrap_or_default();
    if !text.trim_start().is_empty() {
        return Err(NoArgument);
    }
    Ok(ArgumentDefinition {
        resource: ResourceId::new(resource.ok_or(NoArgument)?),
        digit: digit.ok_or(NoArgument)?,
        name: Cow::Owned(name),
        data_type,
        range: Range::read(&range, data_type),
        units: Cow::Owned(units),
        description: Cow::Owned(description),
    })
}

/// The value of an attribute, if it comes next, and the text after it.
fn attribute<'a>(text: &'a str, name: &str) -> Result<Option<(String, &'a str)>, NoArgument> {
    let Some(rest) = text.trim_start().strip_prefix(name) else {
        return Ok(None);
    };
    let rest = rest.strip_prefix("=\"").ok_or(NoArgument)?;
    let (value, rest) = rest.split_once('"').ok_or(NoArgument)?;
    Ok(Some((unescape(value).ok_or(NoArgument)?, rest)))
}

/// Resolves the references that the writer makes: those predefined in XML, and decimal character
/// references.
fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('&');
    let mut plain = String::from(parts.next()?);
    for part in parts {
        let (reference, rest) = part.split_once(';')?;
        plain.push(match reference {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => char::from_u32(reference.strip_prefix('#')?.parse().ok()?)?,
        });
        plain.push_str(rest);
    }
    plain.chars().all(is_xml).then_some(plain)
}
