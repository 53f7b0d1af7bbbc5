//! The options of a message, one after the other (RFC 7252 §3.1).

use core::str;

use thiserror::Error;

use crate::coap::option::OptionNumber;

/// Why the format of a datagram is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The header has 4 bytes (RFC 7252 §3).
    #[error("shorter than the header")]
    Header,
    /// Another protocol, or a version other than 1 (RFC 7252 §3).
    #[error("version {0} instead of 1")]
    Version(u8),
    /// Token lengths 9 to 15 are reserved (RFC 7252 §3).
    #[error("reserved token length {0}")]
    TokenLength(u8),
    /// The datagram ends within the token.
    #[error("token cut off")]
    Token,
    /// An Empty message has nothing after its message id (RFC 7252 §4.1).
    #[error("bytes after the header of an Empty message")]
    Empty,
    /// 15 as option delta is reserved for the payload marker (RFC 7252 §3.1).
    #[error("reserved option delta 15")]
    OptionDelta,
    /// 15 as option length is reserved (RFC 7252 §3.1).
    #[error("reserved option length 15")]
    OptionLength,
    /// The datagram ends within an option's delta or length.
    #[error("option header cut off")]
    OptionHeader,
    /// The datagram ends within the value of this option.
    #[error("value of {0} cut off")]
    OptionValue(OptionNumber),
    /// The deltas add up to more than 65535.
    #[error("option number above 65535")]
    OptionNumber,
    /// A payload marker without a payload (RFC 7252 §3).
    #[error("payload marker without payload")]
    Payload,
}

/// What follows where an option may begin.
pub(super) enum Step<'a> {
    Option {
        number: u16,
        value: &'a [u8],
        rest: &'a [u8],
    },
    /// No option: the payload marker, or the end.
    End,
}

/// Reads one option. An error holds the number of bytes left where it was detected.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "the loops around it are the hot paths"
)]
pub(super) fn next_option(bytes: &[u8], number: u16) -> Result<Step<'_>, (FormatError, usize)> {
    let Some((&head, mut rest)) = bytes.split_first() else {
        return Ok(Step::End);
    };
    if head == 0xff {
        return if rest.is_empty() {
            Err((FormatError::Payload, 1))
        } else {
            Ok(Step::End)
        };
    }
    let mut delta = u32::from(head >> 4);
    let mut length = usize::from(head & 0x0f);
    if delta >= 13 {
        if delta == 15 {
            return Err((FormatError::OptionDelta, bytes.len()));
        }
        (delta, rest) = extended(delta == 14, rest)?;
    }
    if length >= 13 {
        if length == 15 {
            return Err((FormatError::OptionLength, bytes.len()));
        }
        let (extended, after) = extended(length == 14, rest)?;
        length = extended as usize;
        rest = after;
    }
    let Ok(number) = u16::try_from(u32::from(number) + delta) else {
        return Err((FormatError::OptionNumber, bytes.len()));
    };
    match rest.split_at_checked(length) {
        Some((value, rest)) => Ok(Step::Option {
            number,
            value,
            rest,
        }),
        None => Err((FormatError::OptionValue(OptionNumber::new(number)), 0)),
    }
}

/// The one or two bytes that extend a delta or length of 13 or 14.
#[inline]
fn extended(two: bool, bytes: &[u8]) -> Result<(u32, &[u8]), (FormatError, usize)> {
    if two {
        bytes
            .split_first_chunk::<2>()
            .map(|(value, rest)| (u32::from(u16::from_be_bytes(*value)) + 269, rest))
    } else {
        bytes
            .split_first()
            .map(|(value, rest)| (u32::from(*value) + 13, rest))
    }
    .ok_or((FormatError::OptionHeader, 0))
}

/// The options of a message; see [`MessageRef::options`](crate::coap::MessageRef::options).
#[derive(Clone, Debug)]
pub struct Options<'a> {
    rest: &'a [u8],
    number: u16,
}

impl<'a> Options<'a> {
    /// Iterates over options that have been checked or were written here.
    pub(in crate::coap) const fn new(options: &'a [u8]) -> Self {
        Self {
            rest: options,
            number: 0,
        }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (OptionNumber, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match next_option(self.rest, self.number) {
            Ok(Step::Option {
                number,
                value,
                rest,
            }) => {
                (self.number, self.rest) = (number, rest);
                Some((OptionNumber::new(number), value))
            }
            // The format was checked when the message was read.
            Ok(Step::End) | Err(_) => None,
        }
    }
}

/// The values of a repeatable text option.
#[derive(Clone, Debug)]
pub struct Strings<'a> {
    options: Options<'a>,
    number: OptionNumber,
}

impl<'a> Strings<'a> {
    pub(super) const fn new(options: Options<'a>, number: OptionNumber) -> Self {
        Self { options, number }
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a str;

    /// The next value; illegal ones are skipped (RFC 7252 §5.4.3).
    fn next(&mut self) -> Option<&'a str> {
        loop {
            let (number, value) = self.options.next()?;
            if number == self.number
                && number.is_legal(value, false)
                && let Ok(text) = str::from_utf8(value)
            {
                return Some(text);
            }
            if number > self.number {
                self.options.rest = &[];
                return None;
            }
        }
    }
}
