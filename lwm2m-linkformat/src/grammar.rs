//! The grammar of RFC 6690, section 2, piece by piece.
//!
//! A target is in brackets, names and tokens are made of their own characters, a quoted string
//! ends: nothing is guessed. Three things are read that the RFC does not write: blanks around `,`
//! and `;`, characters in a target that a URI would escape, and several content formats without
//! quotes, `ct=60 110`, as deployed clients send them.
//!
//! The pieces are put together with nom; what they are made of looks at bytes instead of
//! characters, because all that matters here is ASCII, and lists are long.

// Measured: lists are read in half the time.
#![expect(
    clippy::inline_always,
    reason = "what is inlined is small, and called once per byte or link"
)]

use nom::{
    IResult, Parser,
    combinator::recognize,
    error::{ErrorKind, ParseError},
    multi::many0_count,
    sequence::delimited,
};

use crate::{Attribute, AttributeValue, Reason};

/// A piece of the grammar: what is left of the text, and what was read.
pub(crate) type Piece<'a, T> = IResult<&'a str, T, Stop<'a>>;

/// Where the grammar stops, and what it wants there.
#[derive(Debug)]
pub(crate) struct Stop<'a> {
    pub(crate) rest: &'a str,
    pub(crate) reason: Reason,
}

impl<'a> ParseError<&'a str> for Stop<'a> {
    /// Not used: what can fail below makes its own [`Stop`], with the true reason.
    fn from_error_kind(rest: &'a str, _: ErrorKind) -> Self {
        let reason = Reason::Separator;
        Self { rest, reason }
    }

    fn append(_: &'a str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

impl<'a> From<nom::Err<Stop<'a>>> for Stop<'a> {
    fn from(error: nom::Err<Self>) -> Self {
        match error {
            nom::Err::Error(stop) | nom::Err::Failure(stop) => stop,
            // Parsers of complete text do not ask for more.
            nom::Err::Incomplete(_) => Self {
                rest: "",
                reason: Reason::Separator,
            },
        }
    }
}

/// `"<" URI-Reference ">"`
#[inline(always)]
pub(crate) fn target(text: &str) -> Piece<'_, &str> {
    delimited(
        one('<', Reason::Link),
        many(is_target),
        one('>', Reason::TargetEnd),
    )
    .parse(text)
}

/// `parmname [ "=" ( ptoken / quoted-string ) ]`
#[inline(always)]
pub(crate) fn attribute(text: &str) -> Piece<'_, Attribute<'_>> {
    let (rest, name) = some(is_name, Reason::AttributeName).parse(text)?;
    let Some(rest) = rest.strip_prefix('=') else {
        return Ok((rest, Attribute { name, value: None }));
    };
    let (rest, value) = if name == "ct" {
        content_formats(rest)?
    } else {
        value(rest)?
    };
    let value = Some(value);
    Ok((rest, Attribute { name, value }))
}

/// The value of `ct`: `value`, or several numbers with blanks between them that lack the quotes.
fn content_formats(text: &str) -> Piece<'_, AttributeValue<'_>> {
    let (mut rest, first) = value(text)?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if first.is_quoted() || !is_number(first.raw()) {
        return Ok((rest, first));
    }
    while let Some(after) = after_another_number(rest) {
        rest = after;
    }
    let length = text.len().saturating_sub(rest.len());
    let numbers = text.get(..length).unwrap_or_default();
    Ok((rest, AttributeValue::token(numbers)))
}

/// What follows blanks and a number, if that is what comes next.
fn after_another_number(text: &str) -> Option<&str> {
    let number = text.strip_prefix(' ')?.trim_start_matches(' ');
    let after = number.trim_start_matches(|char: char| char.is_ascii_digit());
    let ends = !after.bytes().next().is_some_and(is_token);
    (ends && after.len() < number.len()).then_some(after)
}

/// `ptoken / quoted-string`
#[inline(always)]
fn value(text: &str) -> Piece<'_, AttributeValue<'_>> {
    if text.starts_with('"') {
        quoted_string(text)
    } else {
        some(is_token, Reason::Value)
            .map(AttributeValue::token)
            .parse(text)
    }
}

/// `<"> *( qdtext / quoted-pair ) <">` (RFC 2616, section 2.2)
///
/// The tab is the only control character in it. RFC 2616 also allows escaped control characters and
/// folded lines. RFC 9110, section 5.6.4, which obsoletes it, does not, and neither do we.
#[inline(always)]
fn quoted_string(text: &str) -> Piece<'_, AttributeValue<'_>> {
    let (rest, ()) = one('"', Reason::QuoteEnd).parse(text)?;
    let (rest, plain) = many(is_qdtext).parse(rest)?;
    match rest.strip_prefix('"') {
        Some(rest) => Ok((rest, AttributeValue::quoted(plain, false))),
        None => escaped_string(text),
    }
}

/// A quoted string that holds quoted pairs, or is malformed.
#[cold]
fn escaped_string(text: &str) -> Piece<'_, AttributeValue<'_>> {
    let opening = one('"', Reason::QuoteEnd);
    let quoted_pair = (one('\\', Reason::QuoteEnd), text_char);
    let inner = recognize((many(is_qdtext), many0_count((quoted_pair, many(is_qdtext)))));
    delimited(opening, inner, closing_quote)
        .map(|inner| AttributeValue::quoted(inner, true))
        .parse(text)
}

/// What ends a quoted string.
fn closing_quote(text: &str) -> Piece<'_, ()> {
    if text.starts_with(is_control) {
        return Err(stop(text, Reason::ControlCharacter));
    }
    one('"', Reason::QuoteEnd).parse(text)
}

/// Skips white space as it is seen around `,` and `;`.
#[inline(always)]
pub(crate) fn skip_blanks(text: &str) -> &str {
    match text.as_bytes() {
        [b' ' | b'\t' | b'\r' | b'\n', ..] => skip_some_blanks(text),
        _ => text,
    }
}

#[cold]
#[inline(never)]
fn skip_some_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
}

/// This character.
#[inline(always)]
fn one<'a>(one: char, reason: Reason) -> impl Parser<&'a str, Output = (), Error = Stop<'a>> {
    move |text: &'a str| match text.strip_prefix(one) {
        Some(rest) => Ok((rest, ())),
        None => Err(stop(text, reason)),
    }
}

/// One character that may stand in a quoted string, whatever it is.
fn text_char(text: &str) -> Piece<'_, ()> {
    let mut chars = text.chars();
    match chars.next() {
        Some(char) if is_control(char) => {
            let (rest, reason) = (text, Reason::ControlCharacter);
            Err(nom::Err::Failure(Stop { rest, reason }))
        }
        Some(_) => Ok((chars.as_str(), ())),
        None => Err(stop(text, Reason::QuoteEnd)),
    }
}

/// Whether it cannot stand in a quoted string, not even after a backslash.
pub(crate) fn is_control(char: char) -> bool {
    char.is_ascii_control() && char != '\t'
}

/// As many bytes of a class as there are. Bytes that are not of it are ASCII.
#[inline(always)]
fn many<'a>(
    class: impl Fn(u8) -> bool,
) -> impl Parser<&'a str, Output = &'a str, Error = Stop<'a>> {
    move |text: &'a str| {
        let end = text.bytes().position(|byte| !class(byte));
        let (piece, rest) = text
            .split_at_checked(end.unwrap_or(text.len()))
            .unwrap_or((text, ""));
        Ok((rest, piece))
    }
}

/// Like [`many`], at least one.
#[inline(always)]
fn some<'a>(
    class: impl Fn(u8) -> bool,
    reason: Reason,
) -> impl Parser<&'a str, Output = &'a str, Error = Stop<'a>> {
    let mut many = many(class);
    move |text: &'a str| match many.parse(text)? {
        (_, "") => Err(stop(text, reason)),
        piece => Ok(piece),
    }
}

#[cold]
const fn stop(rest: &str, reason: Reason) -> nom::Err<Stop<'_>> {
    nom::Err::Error(Stop { rest, reason })
}

/// What may stand in a target: anything visible but brackets and `"`.
#[inline(always)]
pub(crate) fn is_target(byte: u8) -> bool {
    is(TARGET, byte)
}

/// `attr-char` of RFC 5987, and the `*` of extended names.
#[inline(always)]
pub(crate) fn is_name(byte: u8) -> bool {
    is(NAME, byte)
}

/// `ptokenchar`: anything visible in ASCII but `"`, `,`, `;` and `\`.
#[inline(always)]
pub(crate) fn is_token(byte: u8) -> bool {
    is(TOKEN, byte)
}

/// `qdtext`: anything but `"`, `\` and control characters, the tab apart.
#[inline(always)]
fn is_qdtext(byte: u8) -> bool {
    is(QDTEXT, byte)
}

#[inline(always)]
fn is(class: u8, byte: u8) -> bool {
    CLASSES
        .get(usize::from(byte))
        .is_some_and(|classes| classes & class != 0)
}

const TARGET: u8 = 1;
const NAME: u8 = 2;
const TOKEN: u8 = 4;
const QDTEXT: u8 = 8;

/// The classes of each byte.
#[cfg_attr(
    not(test),
    expect(
        clippy::indexing_slicing,
        reason = "evaluated by the compiler; there are as many places as bytes"
    )
)]
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0u8;
    loop {
        let class = &mut classes[byte as usize];
        if !matches!(byte, b'\0'..=b' ' | b'"' | b'<' | b'>' | b'\x7F') {
            *class |= TARGET;
        }
        if matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9')
            || matches!(byte, b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b'-' | b'.')
            || matches!(byte, b'^' | b'_' | b'`' | b'|' | b'~')
        {
            *class |= NAME;
        }
        if matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b',' | b';' | b'\\') {
            *class |= TOKEN;
        }
        if !matches!(byte, b'"' | b'\\') && (byte == b'\t' || !byte.is_ascii_control()) {
            *class |= QDTEXT;
        }
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};
