//! From bytes to a tree of elements: encodings, bounds, well-formedness.

use alloc::{borrow::Cow, string::String};

use roxmltree::{Document, Error, ParsingOptions};

use super::{At, DdfError, DdfFault, Limits, MOST_ATTRIBUTES, MOST_LEVELS, MOST_NAMESPACES};

/// The text of a file, without its byte-order mark.
pub(super) fn decode<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Cow<'a, str>, DdfError> {
    if bytes.len() > limits.bytes {
        return Err(At::new(0, DdfFault::TooLarge(limits.bytes)).locate(""));
    }
    match bytes {
        [0xFE, 0xFF, text @ ..] => utf16(text, u16::from_be_bytes),
        [0xFF, 0xFE, text @ ..] => utf16(text, u16::from_le_bytes),
        text => utf8(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text)),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, DdfError> {
    match str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let good = str::from_utf8(good).unwrap_or_default();
            Err(At::new(good.len(), DdfFault::Encoding).locate(good))
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, DdfError> {
    let (units, rest) = bytes.as_chunks();
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(units.iter().copied().map(unit)) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => return Err(At::new(text.len(), DdfFault::Encoding).locate(&text)),
        }
    }
    if rest.is_empty() {
        Ok(Cow::Owned(text))
    } else {
        Err(At::new(text.len(), DdfFault::Encoding).locate(&text))
    }
}

/// The tree of a text that keeps the bounds.
pub(super) fn parse<'a>(text: &'a str, limits: &Limits) -> Result<Document<'a>, At> {
    bound(text, limits)?;
    let options = ParsingOptions {
        allow_dtd: false,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|error| malformed(text, &error))
}

/// Checks what the parser would only notice after it spent time or memory on it, and what it
/// reports without a place. What is not well-formed is left to it.
fn bound(text: &str, limits: &Limits) -> Result<(), At> {
    let too_much = DdfFault::TooMuchMarkup(limits.markup);
    for byte in [b'<', b'='] {
        let places = text.bytes().filter(|other| *other == byte);
        if places.count() > limits.markup {
            let mut places = text.bytes().enumerate().filter(|(_, other)| *other == byte);
            let offset = places.nth(limits.markup).map_or(0, |(at, _)| at);
            return Err(At::new(offset, too_much));
        }
    }
    let mut depth: usize = 0;
    let mut namespaces: usize = 0;
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(found) = rest.find('<') else {
            return Ok(());
        };
        let start = at.saturating_add(found);
        let markup = rest.get(found..).unwrap_or_default();
        let end = match markup.as_bytes() {
            [_, b'!', b'-', b'-', ..] => past(markup, "-->"),
            [_, b'!', b'[', ..] => past(markup, "]]>"),
            [_, b'!', b'D', ..] => return Err(At::new(start, DdfFault::DocumentType)),
            [_, b'?', ..] => past(markup, "?>"),
            [_, b'/', ..] => {
                depth = depth.saturating_sub(1);
                let end = markup.find('>');
                end.map_or(markup.len(), |at| at.saturating_add(1))
            }
            _ => {
                let (end, attributes, empty) = tag(markup);
                if attributes > MOST_ATTRIBUTES {
                    return Err(At::new(start, DdfFault::TooManyAttributes));
                }
                if attributes > 0 {
                    let tag = markup.get(..end).unwrap_or_default();
                    namespaces = namespaces.saturating_add(tag.matches("xmlns").count());
                }
                if namespaces > MOST_NAMESPACES {
                    return Err(At::new(start, DdfFault::TooManyNamespaces));
                }
                if depth >= MOST_LEVELS {
                    return Err(At::new(start, DdfFault::TooDeep));
                }
                depth = depth.saturating_add(usize::from(!empty));
                end
            }
        };
        at = start.saturating_add(end);
    }
}

/// Where a text ends that ends with this.
fn past(markup: &str, end: &str) -> usize {
    markup
        .find(end)
        .map_or(markup.len(), |at| at.saturating_add(end.len()))
}

/// Where a start tag ends, how many attributes it has, and whether it is an empty element's.
fn tag(markup: &str) -> (usize, usize, bool) {
    let mut attributes: usize = 0;
    let mut quote = None;
    let mut previous = 0;
    for (at, byte) in markup.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return (at.saturating_add(1), attributes, previous == b'/'),
            (None, b'=') => attributes = attributes.saturating_add(1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
        previous = byte;
    }
    (markup.len(), attributes, false)
}

fn malformed(text: &str, error: &Error) -> At {
    let what = match error {
        // These have no place; the first two are found at the end of the text.
        Error::UnclosedRootNode | Error::UnexpectedEndOfStream => {
            return At::new(text.len(), DdfFault::Malformed("the text ends too early"));
        }
        Error::NoRootNode => return At::new(text.len(), DdfFault::Root),
        Error::DtdDetected => return At::new(0, DdfFault::DocumentType),
        Error::UnexpectedCloseTag(..) => "an end tag of another element",
        Error::UnknownNamespace(..) => "a namespace that was not declared",
        Error::DuplicatedNamespace(..) => "a namespace declared twice",
        Error::UnknownEntityReference(..) => "an entity that XML does not define",
        Error::MalformedEntityReference(_) => "an & that begins no reference",
        Error::InvalidAttributeValue(_) => "a < in an attribute",
        Error::DuplicatedAttribute(..) => "an attribute that is there twice",
        Error::UnexpectedDeclaration(_) => "an XML declaration that is not at the start",
        Error::InvalidName(_) => "a name with a character that names do not have",
        Error::NonXmlChar(..) => "a character that XML does not have",
        Error::InvalidComment(_) => "a comment with -- in it",
        Error::InvalidCharacterData(_) => "a ]]> outside of CDATA",
        _ => "markup that is none",
    };
    At::new(offset(text, error.pos()), DdfFault::Malformed(what))
}

/// The offset of a line and column, both from 1; the column counts characters.
fn offset(text: &str, place: roxmltree::TextPos) -> usize {
    let mut start: usize = 0;
    for line in text.split_inclusive('\n').take(index(place.row)) {
        start = start.saturating_add(line.len());
    }
    let rest = text.get(start..).unwrap_or_default();
    let in_line = rest.char_indices().nth(index(place.col));
    start.saturating_add(in_line.map_or(rest.len(), |(at, _)| at))
}

fn index(number: u32) -> usize {
    usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX)
}
