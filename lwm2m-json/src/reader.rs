//! JSON itself (RFC 8259): a strict reader that borrows and copies nothing.

use core::{mem, str::Chars};

use crate::error::{DecodeError, Problem};

/// How deep unknown members may be nested. (Known members need three levels.)
const MAX_DEPTH: u8 = 16;

type Result<T> = core::result::Result<T, DecodeError>;

/// A document and its unread rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Result<Self> {
        match core::str::from_utf8(payload) {
            Ok(text) => Ok(Self {
                text,
                rest: payload,
            }),
            Err(error) => Err(DecodeError::at(error.valid_up_to(), Problem::Utf8)),
        }
    }

    /// The offset of the next byte.
    #[inline(always)]
    pub(crate) fn offset(&self) -> usize {
        self.text.len().saturating_sub(self.rest.len())
    }

    /// An error at the next byte.
    #[cold]
    pub(crate) fn error<T>(&self, problem: Problem) -> Result<T> {
        Err(DecodeError::at(self.offset(), problem))
    }

    #[cold]
    fn expected<T>(&self, what: &'static str) -> Result<T> {
        self.error(Problem::Expected(what))
    }

    /// Begins an object or an array; `open` is its bracket.
    pub(crate) fn begin(&mut self, open: u8, what: &'static str) -> Result<()> {
        self.white_space();
        if self.eat(open) {
            Ok(())
        } else {
            self.expected(what)
        }
    }

    /// Goes to the next element of an array; returns whether there is one. `first` is true before
    /// the first call.
    #[inline(always)]
    pub(crate) fn next_element(&mut self, first: &mut bool) -> Result<bool> {
        self.next(b']', "',' or ']'", first)
    }

    /// Goes to the value of an object's next member; returns its name. `first` is true before the
    /// first call.
    #[inline(always)]
    pub(crate) fn next_member(&mut self, first: &mut bool) -> Result<Option<Text<'a>>> {
        if !self.next(b'}', "',' or '}'", first)? {
            return Ok(None);
        }
        let name = self.string("a member's name")?;
        self.begin(b':', "':'")?;
        self.white_space();
        Ok(Some(name))
    }

    #[inline(always)]
    fn next(&mut self, close: u8, what: &'static str, first: &mut bool) -> Result<bool> {
        self.white_space();
        let first = mem::take(first);
        if self.eat(close) {
            return Ok(false);
        }
        if !first {
            if !self.eat(b',') {
                return self.expected(what);
            }
            self.white_space();
        }
        Ok(true)
    }

    /// Reads a string, which must come next.
    #[inline(always)]
    pub(crate) fn string(&mut self, what: &'static str) -> Result<Text<'a>> {
        if !self.eat(b'"') {
            return self.expected(what);
        }
        let start = self.offset();
        let mut escaped = false;
        self.advance(plain_len(self.rest));
        while self.peek() != Some(b'"') {
            escaped = true;
            self.escape()?;
            self.advance(plain_len(self.rest));
        }
        let raw = self.since(start);
        self.advance(1);
        Ok(Text { raw, escaped })
    }

    /// Skips an escape sequence, which must come next.
    #[cold]
    fn escape(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'\\') => {
                let rest = self.text.get(self.offset()..).unwrap_or("");
                let mut chars = rest.chars();
                chars.next();
                if unescape(&mut chars).is_none() {
                    return self.error(Problem::Escape);
                }
                self.rest = chars.as_str().as_bytes();
                Ok(())
            }
            Some(_) => self.error(Problem::ControlCharacter),
            None => self.error(Problem::Unterminated),
        }
    }

    /// Reads a number, which must come next.
    #[inline(always)]
    pub(crate) fn number(&mut self, what: &'static str) -> Result<Number<'a>> {
        let start = self.offset();
        self.eat(b'-');
        if !self.eat(b'0') && !self.digits() {
            return self.expected(what);
        }
        let mut integer = true;
        if self.eat(b'.') {
            integer = false;
            if !self.digits() {
                return self.expected("a digit");
            }
        }
        if self.eat(b'e') || self.eat(b'E') {
            integer = false;
            let _ = self.eat(b'+') || self.eat(b'-');
            if !self.digits() {
                return self.expected("a digit");
            }
        }
        Ok(Number {
            raw: self.since(start),
            integer,
        })
    }

    /// Reads `true` or `false`, one of which must come next.
    pub(crate) fn boolean(&mut self, what: &'static str) -> Result<bool> {
        if self.word("true") {
            Ok(true)
        } else if self.word("false") {
            Ok(false)
        } else {
            self.expected(what)
        }
    }

    /// Skips any value.
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.skip_nested(MAX_DEPTH)
    }

    fn skip_nested(&mut self, levels: u8) -> Result<()> {
        self.white_space();
        let opens = matches!(self.peek(), Some(b'{' | b'['));
        let Some(inner) = levels.checked_sub(u8::from(opens)) else {
            return self.error(Problem::TooDeep { limit: MAX_DEPTH });
        };
        let mut first = true;
        match self.peek() {
            Some(b'{') => {
                self.advance(1);
                while self.next_member(&mut first)?.is_some() {
                    self.skip_nested(inner)?;
                }
            }
            Some(b'[') => {
                self.advance(1);
                while self.next_element(&mut first)? {
                    self.skip_nested(inner)?;
                }
            }
            Some(b'"') => {
                self.string("a string")?;
            }
            Some(b't' | b'f') => {
                self.boolean("'true' or 'false'")?;
            }
            Some(b'n') => {
                if !self.word("null") {
                    return self.expected("'null'");
                }
            }
            _ => {
                self.number("a value")?;
            }
        }
        Ok(())
    }

    /// Checks that the document ends here.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.white_space();
        if self.rest.is_empty() {
            Ok(())
        } else {
            self.error(Problem::Trailing)
        }
    }

    /// Whether only the end of the enclosing object can follow the next array. The array isn't read.
    ///
    /// If the document ends with `]` and `}` and no other array begins, that `]` ends this array, or
    /// the document is malformed. `false` may be wrong, `true` is not.
    pub(crate) fn last_array(&self) -> bool {
        let [end @ .., b'}'] = self.rest.trim_ascii_end() else {
            return false;
        };
        let ([_, array @ ..] | array) = self.rest;
        end.trim_ascii_end().ends_with(b"]") && !array.contains(&b'[')
    }

    #[inline(always)]
    fn white_space(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Skips digits; returns whether there was one.
    #[inline(always)]
    fn digits(&mut self) -> bool {
        let before = self.rest.len();
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.len() != before
    }

    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word.as_bytes());
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    #[inline(always)]
    fn eat(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    #[inline(always)]
    fn advance(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// The text since this offset.
    #[inline(always)]
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.offset()).unwrap_or_default()
    }
}

/// How many bytes of a string are plain: up to a quotation mark, a backslash or a control character.
#[inline(always)]
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    let mut len = 0usize;
    let mut rest = bytes;
    // Eight bytes at a time. Most strings end within the first eight.
    while let Some((chunk, after)) = rest.split_first_chunk() {
        let special = special_in(chunk);
        if special != 0 {
            let before = special.trailing_zeros() >> 3;
            return len.saturating_add(before as usize);
        }
        len = len.saturating_add(chunk.len());
        rest = after;
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1F);
    let before = rest.iter().position(special).unwrap_or(rest.len());
    len.saturating_add(before)
}

/// Whether all bytes of a string are plain.
#[inline(always)]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    // Some of the last bytes are checked twice, rather than one by one.
    let special = if let Some(last) = bytes.last_chunk() {
        let (chunks, _) = bytes.as_chunks();
        let all = chunks.iter().map(special_in);
        all.fold(special_in(last), |one, other| one | other)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [first, last] = [first, last].map(|four| u64::from(u32::from_le_bytes(*four)));
        special_bytes(first << 32 | last)
    } else {
        return plain_len(bytes) == bytes.len();
    };
    special == 0
}

#[inline(always)]
fn special_in(bytes: &[u8; 8]) -> u64 {
    special_bytes(u64::from_le_bytes(*bytes))
}

/// Finds the special bytes among eight. The lowest bit that is set is the highest bit of the first
/// special byte; the bits above it mean nothing.
#[inline(always)]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // Subtraction sets the highest bit of a smaller byte, unless it was set before.
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (equal(b'"') | equal(b'\\') | below(word, 0x20)) & HIGH
}

/// A string of the document. Its escape sequences are valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    /// The text between the quotation marks.
    pub(crate) raw: &'a str,
    /// Whether there are escape sequences in it.
    pub(crate) escaped: bool,
}

impl<'a> Text<'a> {
    /// The characters, without escape sequences.
    pub(crate) fn chars(self) -> impl Iterator<Item = char> + use<'a> {
        let mut chars = self.raw.chars();
        core::iter::from_fn(move || match chars.next()? {
            '\\' => unescape(&mut chars),
            char => Some(char),
        })
    }
}

/// Reads the rest of an escape sequence, after its backslash.
fn unescape(chars: &mut Chars<'_>) -> Option<char> {
    Some(match chars.next()? {
        char @ ('"' | '\\' | '/') => char,
        'b' => '\u{8}',
        'f' => '\u{C}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => match hex4(chars)? {
            high @ 0xD800..=0xDBFF => {
                let pair = chars.next() == Some('\\') && chars.next() == Some('u');
                let low = if pair { hex4(chars)? } else { 0 };
                let mut units = char::decode_utf16([high, low]);
                units.next()?.ok()?
            }
            unit => char::from_u32(u32::from(unit))?,
        },
        _ => return None,
    })
}

fn hex4(chars: &mut Chars<'_>) -> Option<u16> {
    let mut unit = 0;
    for _ in 0..4 {
        let digit = chars.next()?.to_digit(16)?;
        unit = unit << 4 | u16::try_from(digit).ok()?;
    }
    Some(unit)
}

/// A number of the document. Its grammar is valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    raw: &'a str,
    /// Whether it has neither a fraction nor an exponent.
    integer: bool,
}

/// The largest size up to which all integers are floats too.
const MAX_EXACT: u64 = 1 << 53;

impl Number<'_> {
    /// The number, if it is written as an integer of 64 bits.
    pub(crate) fn token_integer(self) -> Option<i64> {
        self.integer.then(|| self.raw.parse().ok()).flatten()
    }

    /// The number as an integer: a token without fraction and exponent over all of `i64`, any
    /// other if its value is integral and at most 2^53 in size.
    pub(crate) fn integer(self) -> Option<i64> {
        if self.integer {
            self.raw.parse().ok()
        } else {
            integral(self.raw)
        }
    }

    /// The nearest float, unless that is an infinity.
    pub(crate) fn float(self) -> Option<f64> {
        let number: f64 = self.raw.parse().ok()?;
        number.is_finite().then_some(number)
    }
}

/// The value of a decimal number, if it is integral and at most 2^53 in size. It is exact: a float
/// would round `0.99999999999999999`.
fn integral(raw: &str) -> Option<i64> {
    let (mantissa, exponent) = raw.split_once(['e', 'E']).unwrap_or((raw, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (sign, whole) = match whole.strip_prefix('-') {
        Some(whole) => (-1, whole),
        None => (1, whole),
    };
    // The digits up to the last nonzero one, and how many zeros follow.
    let mut digits = 0u64;
    let mut zeros = 0u32;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if digit == b'0' {
            zeros = zeros.saturating_add(u32::from(digits != 0));
        } else {
            let shift = 10u64.checked_pow(zeros.checked_add(1)?)?;
            digits = digits.checked_mul(shift)?;
            digits = digits.checked_add(u64::from(digit.saturating_sub(b'0')))?;
            zeros = 0;
        }
    }
    if digits == 0 {
        return Some(0);
    }
    // Their power of ten. If it is negative, there is a fraction.
    let power = exponent.parse::<i64>().ok()?;
    let power = power.checked_add(i64::from(zeros))?;
    let power = power.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let scale = 10u64.checked_pow(u32::try_from(power).ok()?)?;
    let size = digits.checked_mul(scale)?;
    let size = i64::try_from(size).ok().filter(|_| size <= MAX_EXACT)?;
    size.checked_mul(sign)
}

#[cfg(test)]
mod tests;
