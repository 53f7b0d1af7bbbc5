//! The general writer (RFC 6690).

use alloc::vec::Vec;
use core::fmt::{self, Write};

use thiserror::Error;

use crate::{
    class::{is_control, is_name, is_token},
    uri,
};

/// Appends links to a vector.
///
/// What was in the vector stays. A comma stands between two links, and none after the last.
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

/// Why a part of a link is refused. Nothing of that part was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkWriteError {
    /// A target that isn't a URI reference (RFC 3986, section 4.1). Other characters must be
    /// percent-encoded.
    #[error("character {index} of the target cannot stand there in a URI reference")]
    Target {
        /// Which character, in bytes from the beginning of the target.
        index: usize,
    },
    /// An `anchor` that isn't a URI reference (RFC 6690, section 2).
    #[error("character {index} of the anchor cannot stand there in a URI reference")]
    Anchor {
        /// Which character, in bytes from the beginning of the value.
        index: usize,
    },
    /// The name of an attribute is empty or has a character that isn't allowed in names.
    #[error("character {index} cannot stand in the name of an attribute")]
    Name {
        /// Which character, in bytes from the beginning of the name.
        index: usize,
    },
    /// A token is empty or has a character that is allowed in quoted strings only.
    #[error("character {index} cannot stand in a token")]
    Token {
        /// Which character, in bytes from the beginning of the token.
        index: usize,
    },
    /// A quoted string with a control character other than the tab (RFC 2616, section 2.2).
    #[error("character {index} cannot stand in a quoted string")]
    Quoted {
        /// Which character, in bytes from the beginning of the string.
        index: usize,
    },
}

impl<'b> LinkWriter<'b> {
    /// A writer that appends to `out`.
    pub const fn new(out: &'b mut Vec<u8>) -> Self {
        Self { out, first: true }
    }

    /// Begins a link to a URI reference (RFC 3986, section 4.1). The returned writer adds its
    /// attributes.
    pub fn link(&mut self, target: &str) -> Result<AttributeWriter<'_>, LinkWriteError> {
        uri::check_reference(target).map_err(|index| LinkWriteError::Target { index })?;
        self.begin();
        self.out.extend_from_slice(target.as_bytes());
        self.out.push(b'>');
        Ok(AttributeWriter { out: self.out })
    }

    /// Begins a link to a path of numbers below a prefix. The prefix may come from a lenient reader,
    /// so characters that a URI can't have are percent-encoded.
    #[inline]
    pub(crate) fn raw_link(
        &mut self,
        prefix: &str,
        path: impl IntoIterator<Item = u16>,
    ) -> AttributeWriter<'_> {
        self.begin();
        append_path(self.out, prefix);
        for number in path {
            append_segment(self.out, number);
        }
        self.out.push(b'>');
        AttributeWriter { out: self.out }
    }

    /// Writes the comma after the previous link and the bracket before the target.
    #[inline]
    fn begin(&mut self) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.push(b'<');
    }

    /// How long the document is, with what was in the vector before.
    pub(crate) const fn len(&self) -> usize {
        self.out.len()
    }

    /// Cuts the vector to this length.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.out.truncate(length);
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
            Some(index) => return Err(LinkWriteError::Token { index }),
            None if value.is_empty() => return Err(LinkWriteError::Token { index: 0 }),
            None => check_anchor(name, value)?,
        }
        Ok(self.raw(format_args!(";{name}={value}")))
    }

    /// An attribute whose value is a quoted string: `;name="value"`, with escapes where needed.
    pub fn quoted(self, name: &str, value: &str) -> Result<Self, LinkWriteError> {
        check_name(name)?;
        if let Some(index) = value.find(is_control) {
            return Err(LinkWriteError::Quoted { index });
        }
        check_anchor(name, value)?;
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

    /// An attribute that is known to be well-formed.
    pub(crate) fn raw(self, attribute: fmt::Arguments<'_>) -> Self {
        append(self.out, attribute);
        self
    }

    /// The same, if there is a value.
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

/// Checks that the value of `anchor` is a URI reference too.
fn check_anchor(name: &str, value: &str) -> Result<(), LinkWriteError> {
    if name != "anchor" {
        return Ok(());
    }
    uri::check_reference(value).map_err(|index| LinkWriteError::Anchor { index })
}

/// Appends a path whose percent-encoding is valid, and percent-encodes what a URI can't have.
fn append_path(out: &mut Vec<u8>, path: &str) {
    for part in path.as_bytes().chunk_by(|a, b| stands(*a) == stands(*b)) {
        match part.first() {
            Some(byte) if stands(*byte) => out.extend_from_slice(part),
            _ => part
                .iter()
                .for_each(|byte| append(out, format_args!("%{byte:02X}"))),
        }
    }
}

/// Whether a byte of a path is written as it is.
fn stands(byte: u8) -> bool {
    byte == b'%' || uri::is_path(byte)
}

/// Appends a slash and a number. Lists consist of these, and formatting takes ten times as long.
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
        // Writing numbers and text into a vector can't fail.
        None => _ = Bytes(out).write_fmt(text),
    }
}
