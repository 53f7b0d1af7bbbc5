//! Arguments of Execute (TS 5.4.5).

use alloc::string::String;
use core::fmt;

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::take_while,
    character::complete::char as character,
    combinator::{eof, opt, recognize},
    sequence::preceded,
};
use thiserror::Error;

/// The arguments of an Execute: validated once, borrowed from the payload.
///
/// ```text
/// arglist = arg *( "," arg )
/// arg     = DIGIT [ "=" "'" *CHAR "'" ]
/// CHAR    = %x21 / %x23-26 / %x28-5B / %x5D-7E   ; no space, no ", no ', no \
/// ```
///
/// An empty payload has no arguments. The specification gives a repeated argument no meaning, so such
/// a list is refused.
///
/// ```
/// use lwm2m_core::Arguments;
///
/// let arguments = Arguments::parse(b"7,0='https://www.oma.org'")?;
/// assert_eq!(arguments.value(0), Some("https://www.oma.org"));
/// assert!(arguments.contains(7));
/// assert_eq!(arguments.iter().count(), 2);
/// # Ok::<(), lwm2m_core::ArgumentsError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(into = "&str", try_from = "&str", bound(deserialize = "'de: 'a"))
)]
pub struct Arguments<'a> {
    /// Follows the grammar.
    text: &'a str,
}

/// One argument of an Execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Argument<'a> {
    /// Which argument: 0 to 9.
    pub digit: u8,
    /// Its value, without the quotes.
    #[cfg_attr(feature = "serde", serde(borrow))]
    pub value: Option<&'a str>,
}

/// Why a payload isn't a list of arguments. The answer to such an Execute is 4.00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArgumentsError {
    /// The grammar asks for something else here.
    #[error("offset {offset}: expected {expected}")]
    Syntax {
        /// Where, in bytes from the beginning.
        offset: usize,
        /// What the grammar asks for.
        expected: ArgumentsExpected,
    },
    /// An argument was given before.
    #[error("offset {offset}: argument {digit} was given before")]
    Duplicate {
        /// Where, in bytes from the beginning: the later one.
        offset: usize,
        /// Which argument.
        digit: u8,
    },
}

/// What the grammar of arguments asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgumentsExpected {
    /// A digit: an argument begins.
    Digit,
    /// `=`, `,` or the end, after a digit.
    ValueOrNext,
    /// The quote that begins a value.
    OpeningQuote,
    /// A character of a value, or the quote that ends it.
    ClosingQuote,
    /// `,` or the end, after a value.
    Next,
}

/// Why [`ArgumentsBuilder`] refuses an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// Arguments are 0 to 9.
    #[error("expected an argument of 0 to 9, not {0}")]
    Digit(u8),
    /// The argument is in the list already.
    #[error("argument {0} was given before")]
    Duplicate(u8),
    /// The value has a byte that the grammar doesn't allow.
    #[error("offset {offset} of the value: expected printable ASCII but space, quotes and '\\'")]
    Value {
        /// Where, in bytes from the beginning of the value.
        offset: usize,
    },
}

impl<'a> Arguments<'a> {
    /// No arguments.
    pub const NONE: Self = Self { text: "" };

    /// Reads the payload of an Execute.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ArgumentsError> {
        let mut seen = Digits::default();
        let mut rest = payload;
        while !rest.is_empty() {
            let at = |rest: &[u8]| payload.len().saturating_sub(rest.len());
            let (after, (digit, _)) = argument(rest).map_err(|error| syntax(error, payload))?;
            if !seen.insert(digit) {
                let offset = at(rest);
                return Err(ArgumentsError::Duplicate { offset, digit });
            }
            rest = after;
        }
        // A comma at the end asks for one more argument.
        if payload.last() == Some(&b',') {
            return Err(ArgumentsError::Syntax {
                offset: payload.len(),
                expected: ArgumentsExpected::Digit,
            });
        }
        // All of the grammar is ASCII.
        let text = str::from_utf8(payload).unwrap_or_default();
        Ok(Self { text })
    }

    /// The list as it travels.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether there are no arguments.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The arguments in their order; at most ten.
    pub fn iter(&self) -> ArgumentsIter<'a> {
        ArgumentsIter {
            rest: self.text.as_bytes(),
        }
    }

    /// The argument with this digit.
    pub fn get(&self, digit: u8) -> Option<Argument<'a>> {
        self.iter().find(|argument| argument.digit == digit)
    }

    /// The value of the argument with this digit, if it is given and has one.
    pub fn value(&self, digit: u8) -> Option<&'a str> {
        self.get(digit)?.value
    }

    /// Whether the argument with this digit is given.
    pub fn contains(&self, digit: u8) -> bool {
        self.get(digit).is_some()
    }
}

impl fmt::Display for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl<'a> TryFrom<&'a str> for Arguments<'a> {
    type Error = ArgumentsError;

    fn try_from(text: &'a str) -> Result<Self, ArgumentsError> {
        Self::parse(text.as_bytes())
    }
}

impl<'a> From<Arguments<'a>> for &'a str {
    fn from(arguments: Arguments<'a>) -> Self {
        arguments.text
    }
}

impl<'a> IntoIterator for Arguments<'a> {
    type Item = Argument<'a>;
    type IntoIter = ArgumentsIter<'a>;

    fn into_iter(self) -> ArgumentsIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Arguments<'a> {
    type Item = Argument<'a>;
    type IntoIter = ArgumentsIter<'a>;

    fn into_iter(self) -> ArgumentsIter<'a> {
        self.iter()
    }
}

/// The arguments of a list, in their order; see [`Arguments::iter`].
#[derive(Clone, Debug)]
pub struct ArgumentsIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for ArgumentsIter<'a> {
    type Item = Argument<'a>;

    fn next(&mut self) -> Option<Argument<'a>> {
        let (rest, (digit, value)) = argument(self.rest).ok()?;
        self.rest = rest;
        // ASCII, as the grammar has it.
        let value = value.map(|value| str::from_utf8(value).unwrap_or_default());
        Some(Argument { digit, value })
    }
}

/// Builds the payload of an Execute.
///
/// ```
/// use lwm2m_core::ArgumentsBuilder;
///
/// let mut builder = ArgumentsBuilder::new();
/// builder.push(2, Some("10.3"))?.push(5, None)?;
/// assert_eq!(builder.arguments().as_str(), "2='10.3',5");
/// # Ok::<(), lwm2m_core::ArgumentError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArgumentsBuilder {
    text: String,
    seen: Digits,
}

impl ArgumentsBuilder {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            text: String::new(),
            seen: Digits(0),
        }
    }

    /// Adds an argument at the end; with an error, nothing is added.
    pub fn push(&mut self, digit: u8, value: Option<&str>) -> Result<&mut Self, ArgumentError> {
        if digit > 9 {
            return Err(ArgumentError::Digit(digit));
        }
        let bytes = value.unwrap_or_default().bytes();
        if let Some(offset) = bytes.into_iter().position(|byte| !is_char(byte)) {
            return Err(ArgumentError::Value { offset });
        }
        if !self.seen.insert(digit) {
            return Err(ArgumentError::Duplicate(digit));
        }
        if !self.text.is_empty() {
            self.text.push(',');
        }
        self.text.push(char::from(b'0'.saturating_add(digit)));
        if let Some(value) = value {
            self.text.push_str("='");
            self.text.push_str(value);
            self.text.push('\'');
        }
        Ok(self)
    }

    /// The list so far.
    pub fn arguments(&self) -> Arguments<'_> {
        Arguments { text: &self.text }
    }

    /// The payload.
    pub fn finish(self) -> String {
        self.text
    }
}

/// A set of digits.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Digits(u16);

impl Digits {
    /// Whether the digit was not there.
    fn insert(&mut self, digit: u8) -> bool {
        let new = !self.contains(digit);
        self.0 |= Self::bit(digit);
        new
    }

    fn contains(self, digit: u8) -> bool {
        self.0 & Self::bit(digit) != 0
    }

    fn bit(digit: u8) -> u16 {
        1u16.checked_shl(digit.into()).unwrap_or(0)
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = (0..=9).filter(|digit| self.contains(*digit));
        f.debug_set().entries(digits).finish()
    }
}

impl fmt::Display for ArgumentsExpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digit => "a digit",
            Self::ValueOrNext => "'=', ',' or the end",
            Self::OpeningQuote => "a single quote that begins a value",
            Self::ClosingQuote => "a character of a value or the single quote that ends it",
            Self::Next => "',' or the end",
        })
    }
}

/// What a parser reports: how much input was left, and what it asks for there.
#[derive(Debug)]
struct Fault {
    left: usize,
    expected: ArgumentsExpected,
}

impl nom::error::ParseError<&[u8]> for Fault {
    fn from_error_kind(input: &[u8], _: nom::error::ErrorKind) -> Self {
        Self {
            left: input.len(),
            expected: ArgumentsExpected::Digit,
        }
    }

    fn append(_: &[u8], _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

fn syntax(error: nom::Err<Fault>, payload: &[u8]) -> ArgumentsError {
    let fault = match error {
        nom::Err::Error(fault) | nom::Err::Failure(fault) => fault,
        // Complete parsers never ask for more.
        nom::Err::Incomplete(_) => Fault {
            left: 0,
            expected: ArgumentsExpected::Digit,
        },
    };
    ArgumentsError::Syntax {
        offset: payload.len().saturating_sub(fault.left),
        expected: fault.expected,
    }
}

/// Names what a parser asks for.
fn asking<'a, O>(
    expected: ArgumentsExpected,
    mut parser: impl Parser<&'a [u8], Output = O, Error = Fault>,
) -> impl FnMut(&'a [u8]) -> IResult<&'a [u8], O, Fault> {
    move |input| {
        parser
            .parse(input)
            .map_err(|error| error.map(|fault| Fault { expected, ..fault }))
    }
}

type Parsed<'a> = (u8, Option<&'a [u8]>);

/// `arg`, and the comma after it or the end.
fn argument(input: &[u8]) -> IResult<&[u8], Parsed<'_>, Fault> {
    let (input, digit) = asking(ArgumentsExpected::Digit, digit).parse(input)?;
    let (input, equals) = opt(character('=')).parse(input)?;
    if equals.is_none() {
        let (input, _) = asking(ArgumentsExpected::ValueOrNext, next).parse(input)?;
        return Ok((input, (digit, None)));
    }
    let (input, value) = preceded(
        asking(ArgumentsExpected::OpeningQuote, character('\'')),
        take_while(is_char),
    )
    .parse(input)?;
    let (input, _) = asking(ArgumentsExpected::ClosingQuote, character('\'')).parse(input)?;
    let (input, _) = asking(ArgumentsExpected::Next, next).parse(input)?;
    Ok((input, (digit, Some(value))))
}

/// `DIGIT`
fn digit(input: &[u8]) -> IResult<&[u8], u8, Fault> {
    nom::character::complete::satisfy(|character| character.is_ascii_digit())
        .map_opt(|character| u8::try_from(character.to_digit(10)?).ok())
        .parse(input)
}

/// The comma before the next argument, or the end.
fn next(input: &[u8]) -> IResult<&[u8], &[u8], Fault> {
    alt((recognize(character(',')), eof)).parse(input)
}

/// `CHAR`
fn is_char(byte: u8) -> bool {
    matches!(byte, b'!' | 0x23..=0x26 | 0x28..=0x5B | 0x5D..=0x7E)
}

#[cfg(test)]
mod tests;
