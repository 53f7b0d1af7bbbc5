//! The grammar of RFC 6690, section 2, piece by piece.
//!
//! Three things are read that the RFC doesn't allow, because deployed clients send them: blanks
//! around `,` and `;`, characters in a target that a URI would escape, and several content formats
//! without quotes, `ct=60 110`.
//!
//! The pieces are combined with nom. They look at bytes instead of characters: the syntax is ASCII,
//! and lists are long.

// Measured: it halves the time to read a list.
#![expect(
    clippy::inline_always,
    reason = "small functions that are called once per byte or link"
)]

use nom::{
    IResult, Parser,
    combinator::recognize,
    error::{ErrorKind, ParseError},
    multi::many0_count,
    sequence::delimited,
};

use crate::{
    attribute::{Attribute, AttributeValue},
    class::{is_control, is_name, is_qdtext, is_target, is_token},
    error::Reason,
};

/// The result of a piece of the grammar: the rest of the text, and what was read.
pub(crate) type Piece<'a, T> = IResult<&'a str, T, Stop<'a>>;

/// Where the text stops following the grammar, and what was expected there.
#[derive(Debug)]
pub(crate) struct Stop<'a> {
    pub(crate) rest: &'a str,
    pub(crate) reason: Reason,
}

impl<'a> ParseError<&'a str> for Stop<'a> {
    /// Not used: whatever can fail below makes a [`Stop`] with the true reason.
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
            // Parsers of complete text don't ask for more.
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

/// The value of `ct`: `value`, or several numbers with blanks between them and without quotes.
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

/// The rest after blanks and a number, if they come next.
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
/// folded lines; RFC 9110, section 5.6.4, which obsoletes it, doesn't.
#[inline(always)]
fn quoted_string(text: &str) -> Piece<'_, AttributeValue<'_>> {
    let (rest, ()) = one('"', Reason::QuoteEnd).parse(text)?;
    let (rest, plain) = many(is_qdtext).parse(rest)?;
    match rest.strip_prefix('"') {
        Some(rest) => Ok((rest, AttributeValue::quoted(plain, false))),
        None => escaped_string(text),
    }
}

/// A quoted string that has quoted pairs, or is malformed.
#[cold]
fn escaped_string(text: &str) -> Piece<'_, AttributeValue<'_>> {
    let opening = one('"', Reason::QuoteEnd);
    let quoted_pair = (one('\\', Reason::QuoteEnd), text_char);
    let inner = recognize((many(is_qdtext), many0_count((quoted_pair, many(is_qdtext)))));
    delimited(opening, inner, closing_quote)
        .map(|inner| AttributeValue::quoted(inner, true))
        .parse(text)
}

/// The end of a quoted string.
fn closing_quote(text: &str) -> Piece<'_, ()> {
    if text.starts_with(is_control) {
        return Err(stop(text, Reason::ControlCharacter));
    }
    one('"', Reason::QuoteEnd).parse(text)
}

/// Skips the white space that is allowed around `,` and `;`.
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

/// Any one character that may stand in a quoted string.
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

/// As many bytes of a class as there are. Bytes outside of the class are ASCII.
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
