//! Numbers as Appendix C writes them in plain text, for values and attributes.

/// Why text isn't a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberError {
    /// The text doesn't follow the notation from this offset on.
    Notation { offset: usize },
    /// A number, but too large for its type.
    Range,
}

/// `["-"] 1*DIGIT`. Leading zeros are read (conformance test 205 sends them), `+` and blanks
/// aren't.
pub(crate) fn parse_integer(text: &str) -> Result<i64, NumberError> {
    let end = integer_end(text.as_bytes(), 0)?;
    if end != text.len() {
        return Err(NumberError::Notation { offset: end });
    }
    text.parse().map_err(|_| NumberError::Range)
}

/// `["-"] 1*DIGIT ["." 1*DIGIT] [("e" / "E") ["+" / "-"] 1*DIGIT]`, finite, correctly rounded.
pub(crate) fn parse_float(text: &str) -> Result<f64, NumberError> {
    let bytes = text.as_bytes();
    let mut end = integer_end(bytes, 0)?;
    if bytes.get(end) == Some(&b'.') {
        end = digits_end(bytes, end.saturating_add(1))?;
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        end = end.saturating_add(1);
        if let Some(b'+' | b'-') = bytes.get(end) {
            end = end.saturating_add(1);
        }
        end = digits_end(bytes, end)?;
    }
    if end != bytes.len() {
        return Err(NumberError::Notation { offset: end });
    }
    let number: f64 = text
        .parse()
        .map_err(|_| NumberError::Notation { offset: 0 })?;
    if number.is_finite() {
        Ok(number)
    } else {
        Err(NumberError::Range)
    }
}

fn integer_end(bytes: &[u8], start: usize) -> Result<usize, NumberError> {
    let sign = usize::from(bytes.get(start) == Some(&b'-'));
    digits_end(bytes, start.saturating_add(sign))
}

/// The end of the digits that begin at `start`; there must be one.
fn digits_end(bytes: &[u8], start: usize) -> Result<usize, NumberError> {
    let rest = bytes.get(start..).unwrap_or_default();
    match rest.iter().take_while(|byte| byte.is_ascii_digit()).count() {
        0 => Err(NumberError::Notation { offset: start }),
        digits => Ok(start.saturating_add(digits)),
    }
}
