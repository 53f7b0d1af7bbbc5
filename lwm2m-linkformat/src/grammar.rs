//! The grammar of RFC 6690, section 2, piece by piece.
//!
//! A target is in brackets, names and tokens are made of their own characters, a quoted string
//! ends: nothing is guessed. Two things are read that the RFC does not write: blanks around `,`
//! and `;`, and characters in a target that a URI would escape.

use nom::{
    IResult, Parser,
    bytes::complete::{take_while, take_while1},
    character::complete::{anychar, char},
    combinator::{cut, opt, recognize},
    error::{ErrorKind, ParseError},
    multi::many0_count,
    sequence::{delimited, preceded},
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
    /// Every parser below that can fail is wrapped in [`or`], which gives the true reason.
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
pub(crate) fn target(text: &str) -> Piece<'_, &str> {
    delimited(
        or(Reason::Link, char('<')),
        take_while(is_target),
        or(Reason::TargetEnd, char('>')),
    )
    .parse(text)
}

/// `parmname [ "=" ( ptoken / quoted-string ) ]`
pub(crate) fn attribute(text: &str) -> Piece<'_, Attribute<'_>> {
    (
        or(Reason::AttributeName, take_while1(is_name)),
        opt(preceded(char('='), cut(value))),
    )
        .map(|(name, value)| Attribute { name, value })
        .parse(text)
}

/// `ptoken / quoted-string`
fn value(text: &str) -> Piece<'_, AttributeValue<'_>> {
    if text.starts_with('"') {
        quoted_string(text)
    } else {
        or(Reason::Value, take_while1(is_token))
            .map(AttributeValue::token)
            .parse(text)
    }
}

/// `<"> *( qdtext / quoted-pair ) <">` (RFC 2616, section 2.2)
fn quoted_string(text: &str) -> Piece<'_, AttributeValue<'_>> {
    let (rest, plain) = preceded(char('"'), qdtext).parse(text)?;
    if let Some(rest) = rest.strip_prefix('"') {
        return Ok((rest, AttributeValue::quoted(plain, false)));
    }
    let quoted_pair = (char('\\'), anychar);
    let escaped = recognize((qdtext, many0_count((quoted_pair, qdtext))));
    delimited(char('"'), escaped, or(Reason::QuoteEnd, char('"')))
        .map(|inner| AttributeValue::quoted(inner, true))
        .parse(text)
}

fn qdtext(text: &str) -> Piece<'_, &str> {
    take_while(|c| c != '"' && c != '\\').parse(text)
}

/// White space as it is seen around `,` and `;`.
pub(crate) fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
}

/// A parser of nom's that says what it wants if it fails.
fn or<'a, O>(
    reason: Reason,
    mut parser: impl Parser<&'a str, Output = O, Error = ()>,
) -> impl Parser<&'a str, Output = O, Error = Stop<'a>> {
    move |rest: &'a str| {
        parser
            .parse(rest)
            .map_err(|_| nom::Err::Error(Stop { rest, reason }))
    }
}

/// What may stand in a target: anything visible but brackets and `"`.
pub(crate) const fn is_target(c: char) -> bool {
    !matches!(c, '\0'..=' ' | '"' | '<' | '>' | '\x7F')
}

/// `attr-char` of RFC 5987, and the `*` of extended names.
pub(crate) const fn is_name(c: char) -> bool {
    matches!(c,
        'a'..='z' | 'A'..='Z' | '0'..='9'
        | '!' | '#' | '$' | '&' | '+' | '-' | '.' | '^' | '_' | '`' | '|' | '~' | '*')
}

/// `ptokenchar`: anything visible in ASCII but `"`, `,`, `;` and `\`.
pub(crate) const fn is_token(c: char) -> bool {
    matches!(c, '!'..='~') && !matches!(c, '"' | ',' | ';' | '\\')
}
