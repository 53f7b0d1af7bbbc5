//! From bytes to a tree of elements: encodings, bounds, well-formedness.

use alloc::{borrow::Cow, format, string::String};

use roxmltree::{Document, Error, ParsingOptions};

use super::{
    Limits, MOST_ATTRIBUTES, MOST_LEVELS, MOST_NAMESPACES,
    fault::{At, DdfError, DdfFault, excerpt},
};

/// The text of a file, without its byte-order mark.
pub(super) fn decode<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Cow<'a, str>, DdfError> {
    if bytes.len() > limits.bytes {
        let fault = DdfFault::TooLarge {
            limit: limits.bytes,
            found: bytes.len(),
        };
        return Err(At::new(0, fault).locate(""));
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
            let found = match bytes.get(good.len()) {
                Some(byte) if error.error_len().is_some() => {
                    format!("the byte 0x{byte:02X}").into()
                }
                _ => Cow::Borrowed("the end of the file within a character"),
            };
            Err(unreadable(good, found))
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, DdfError> {
    let (units, rest) = bytes.as_chunks();
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(units.iter().copied().map(unit)) {
        match character {
            Ok(character) => text.push(character),
            Err(error) => {
                let found = format!("half a character, 0x{:04X}", error.unpaired_surrogate());
                return Err(unreadable(&text, found.into()));
            }
        }
    }
    if rest.is_empty() {
        Ok(Cow::Owned(text))
    } else {
        Err(unreadable(&text, Cow::Borrowed("half a unit of two bytes")))
    }
}

/// The error where the encoding is wrong, which is behind the text that could be read.
fn unreadable(text: &str, found: Cow<'static, str>) -> DdfError {
    At::new(text.len(), DdfFault::Encoding { found }).locate(text)
}

/// The tree of a text, if that is within the bounds.
pub(super) fn parse<'a>(text: &'a str, limits: &Limits) -> Result<Document<'a>, At> {
    bound(text, limits)?;
    let options = ParsingOptions {
        allow_dtd: false,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|error| malformed(text, &error))
}

/// Checks the bounds before the parser spends time or memory, and what the parser reports without a
/// place. The parser itself finds what is not well-formed.
fn bound(text: &str, limits: &Limits) -> Result<(), At> {
    for byte in [b'<', b'='] {
        let places = text.bytes().filter(|other| *other == byte);
        if places.count() > limits.markup {
            let mut places = text.bytes().enumerate().filter(|(_, other)| *other == byte);
            let offset = places.nth(limits.markup).map_or(0, |(at, _)| at);
            let fault = DdfFault::TooMuchMarkup {
                character: byte.into(),
                limit: limits.markup,
            };
            return Err(At::new(offset, fault));
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
                    return Err(At::new(start, DdfFault::TooManyAttributes(attributes)));
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

/// Where the text ends that ends with this.
fn past(markup: &str, end: &str) -> usize {
    markup
        .find(end)
        .map_or(markup.len(), |at| at.saturating_add(end.len()))
}

/// Where a start tag ends, how many attributes it has, and whether its element is empty.
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
    let offset = match error {
        // These errors have no place. The first two are found at the end of the text.
        Error::UnclosedRootNode | Error::UnexpectedEndOfStream => text.len(),
        Error::NoRootNode => {
            let found = Cow::Borrowed("no element");
            return At::new(text.len(), DdfFault::Root { found });
        }
        Error::DtdDetected => return At::new(0, DdfFault::DocumentType),
        error => offset(text, error.pos()),
    };
    let expected = expected(error);
    let found = match error {
        Error::UnexpectedCloseTag(_, name, _) => format!("that of {}", excerpt(name)).into(),
        Error::NonXmlChar(character, _) => format!("{character:?}").into(),
        _ => found(text.get(offset..).unwrap_or_default()),
    };
    At::new(offset, DdfFault::Malformed { expected, found })
}

/// What XML expects where this error is.
fn expected(error: &Error) -> Cow<'static, str> {
    Cow::Borrowed(match error {
        Error::UnclosedRootNode => "the end tags of all elements",
        Error::UnexpectedEndOfStream => "the rest of the markup",
        Error::UnexpectedCloseTag(name, ..) => {
            return format!("the end tag of {}", excerpt(name)).into();
        }
        Error::UnknownNamespace(..) => "a prefix that is declared",
        Error::DuplicatedNamespace(..) => "each namespace declared once",
        Error::UnknownEntityReference(..) => "one of the entities amp, lt, gt, quot and apos",
        Error::MalformedEntityReference(_) => "a reference after &",
        Error::InvalidAttributeValue(_) => "no < in an attribute",
        Error::DuplicatedAttribute(..) => "each attribute once",
        Error::UnexpectedDeclaration(_) => "the XML declaration at the start only",
        Error::InvalidName(_) => "a name",
        Error::NonXmlChar(..) => "characters that XML has",
        Error::InvalidComment(_) => "no -- in a comment",
        Error::InvalidCharacterData(_) => "no ]]> outside of CDATA",
        Error::InvalidChar(character, ..) => {
            return format!("{:?}", char::from(*character)).into();
        }
        Error::InvalidChar2(what, ..) | Error::InvalidString(what, _) => what,
        _ => "markup of XML",
    })
}

/// The text at a place, up to the end of the line.
fn found(rest: &str) -> Cow<'static, str> {
    match rest.lines().next().map(str::trim_end) {
        None => Cow::Borrowed("the end of the file"),
        Some("") => Cow::Borrowed("the end of the line"),
        Some(line) => format!("{:?}", excerpt(line)).into(),
    }
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
