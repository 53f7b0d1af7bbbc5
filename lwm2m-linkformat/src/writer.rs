//! The general writer (RFC 6690).

use alloc::vec::Vec;
use core::fmt::{self, Write};

use thiserror::Error;

use crate::grammar::{is_name, is_target, is_token};

/// Appends links to a vector.
///
/// What was in the vector stays; a comma stands between two links, none after the last.
///
/// ```
/// use lwm2m_linkformat::LinkWriter;
///
/// let mut payload = Vec::new();
/// let mut links = LinkWriter::new(&mut payload);
/// links.link("/s")?.token("ct", "40")?.quoted("title", r#"a "b""#)?;
/// links.link("/s/1")?.flag("obs")?;
/// assert_eq!(payload, br#"</s>;ct=40;title="a \"b\"",</s/1>;obs"#);
/// # Ok::<(), lwm2m_linkformat::LinkWriteError>(())
/// ```
#[derive(Debug)]
pub struct LinkWriter<'b> {
    out: &'b mut Vec<u8>,
    first: bool,
}

/// What a link cannot be written with. Nothing of the part that is refused was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkWriteError {
    /// A target with a blank, a control character, `"`, `<` or `>`.
    #[error("character {index} cannot stand in a target")]
    Target {
        /// Which character, in bytes from the beginning of the target.
        index: usize,
    },
    /// The name of an attribute is empty, or has a character that no name has.
    #[error("character {index} cannot stand in the name of an attribute")]
    Name {
        /// Which character, in bytes from the beginning of the name.
        index: usize,
    },
    /// A token is empty, or has a character that only a quoted string can have.
    #[error("character {index} cannot stand in a token")]
    Token {
        /// Which character, in bytes from the beginning of the token.
        index: usize,
    },
}

impl<'b> LinkWriter<'b> {
    /// A writer that appends to `out`.
    pub const fn new(out: &'b mut Vec<u8>) -> Self {
        Self { out, first: true }
    }

    /// Begins a link. It has the attributes that are written to what this returns.
    pub fn link(&mut self, target: &str) -> Result<AttributeWriter<'_>, LinkWriteError> {
        match target.bytes().position(|byte| !is_target(byte)) {
            Some(index) => Err(LinkWriteError::Target { index }),
            None => Ok(self.raw_link(target, [])),
        }
    }

    /// Begins a link to a target that is known to be one: the numbers of a path below a prefix.
    #[inline]
    pub(crate) fn raw_link(
        &mut self,
        prefix: &str,
        path: impl IntoIterator<Item = u16>,
    ) -> AttributeWriter<'_> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.push(b'<');
        self.out.extend_from_slice(prefix.as_bytes());
        for number in path {
            append_segment(self.out, number);
        }
        self.out.push(b'>');
        AttributeWriter { out: self.out }
    }

    /// Begins with an element without a target (TS 5.2.7.3).
    pub(crate) fn raw_element(&mut self, element: fmt::Arguments<'_>) {
        self.first = false;
        append(self.out, element);
    }
}

/// Appends attributes to the link that was begun last.
#[derive(Debug)]
pub struct AttributeWriter<'b> {
    out: &'b mut Vec<u8>,
}

impl AttributeWriter<'_> {
    /// An attribute whose value is a token: `;name=value`.
    pub fn token(self, name: &str, value: &str) -> Result<Self, LinkWriteError> {
        check_name(name)?;
        match value.bytes().position(|byte| !is_token(byte)) {
            Some(index) => Err(LinkWriteError::Token { index }),
            None if value.is_empty() => Err(LinkWriteError::Token { index: 0 }),
            None => Ok(self.raw(format_args!(";{name}={value}"))),
        }
    }

    /// An attribute whose value is a quoted string: `;name="value"`, with escapes where needed.
    pub fn quoted(self, name: &str, value: &str) -> Result<Self, LinkWriteError> {
        check_name(name)?;
        append(self.out, format_args!(";{name}=\""));
        for part in value.split_inclusive(['"', '\\']) {
            let plain = part.strip_suffix(['"', '\\']).unwrap_or(part);
            self.out.extend_from_slice(plain.as_bytes());
            if let Some(special) = part.strip_prefix(plain).filter(|rest| !rest.is_empty()) {
                append(self.out, format_args!("\\{special}"));
            }
        }
        self.out.push(b'"');
        Ok(self)
    }

    /// An attribute without a value: `;name`.
    pub fn flag(self, name: &str) -> Result<Self, LinkWriteError> {
        check_name(name)?;
        Ok(self.raw(format_args!(";{name}")))
    }

    /// An attribute that is known to be one.
    pub(crate) fn raw(self, attribute: fmt::Arguments<'_>) -> Self {
        append(self.out, attribute);
        self
    }

    /// An attribute that is known to be one, if there is a value.
    pub(crate) fn optional(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.raw(format_args!(";{name}={value}")),
            None => self,
        }
    }
}

fn check_name(name: &str) -> Result<(), LinkWriteError> {
    match name.bytes().position(|byte| !is_name(byte)) {
        Some(index) => Err(LinkWriteError::Name { index }),
        None if name.is_empty() => Err(LinkWriteError::Name { index: 0 }),
        None => Ok(()),
    }
}

/// A slash and a number: lists are made of these, and formatting takes ten times as long.
fn append_segment(out: &mut Vec<u8>, number: u16) {
    let digit = |unit: u16| b'0' | u8::try_from(number / unit % 10).unwrap_or(0);
    match number {
        ..10 => out.extend_from_slice(&[b'/', digit(1)]),
        10..100 => out.extend_from_slice(&[b'/', digit(10), digit(1)]),
        100..1000 => out.extend_from_slice(&[b'/', digit(100), digit(10), digit(1)]),
        _ => append(out, format_args!("/{number}")),
    }
}

fn append(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    struct Bytes<'b>(&'b mut Vec<u8>);

    impl Write for Bytes<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }

    match text.as_str() {
        Some(text) => out.extend_from_slice(text.as_bytes()),
        // Neither a vector nor the numbers and texts that are written here can fail.
        None => _ = Bytes(out).write_fmt(text),
    }
}
