//! Which characters may stand where (RFC 6690, section 2).

// Measured: it halves the time to read a list.
#![expect(
    clippy::inline_always,
    reason = "small functions that are called once per byte or link"
)]

/// Whether a character can't stand in a quoted string, not even after a backslash.
pub(crate) fn is_control(char: char) -> bool {
    char.is_ascii_control() && char != '\t'
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
pub(crate) fn is_qdtext(byte: u8) -> bool {
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
