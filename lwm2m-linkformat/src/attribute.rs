//! An attribute of a link, and its value: a token or a quoted string.

use alloc::borrow::Cow;
use core::{fmt, iter::FusedIterator};

/// An attribute of a [`Link`](crate::Link).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its name, as it is written.
    pub name: &'a str,
    /// Its value, unless it has none.
    pub value: Option<AttributeValue<'a>>,
}

/// The value of an attribute.
///
/// It equals the text that it stands for, whether it is quoted or not; two values are equal if they
/// are written alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeValue<'a> {
    /// As it is written, without the quotes.
    raw: &'a str,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Token,
    Quoted,
    /// Quoted, and there are escapes in it.
    Escaped,
}

impl<'a> AttributeValue<'a> {
    pub(crate) const fn token(raw: &'a str) -> Self {
        let form = Form::Token;
        Self { raw, form }
    }

    pub(crate) const fn quoted(raw: &'a str, escaped: bool) -> Self {
        let form = if escaped { Form::Escaped } else { Form::Quoted };
        Self { raw, form }
    }

    /// Whether it is written as a quoted string.
    pub const fn is_quoted(&self) -> bool {
        !matches!(self.form, Form::Token)
    }

    /// As it is written, without the quotes and with its escapes.
    pub const fn raw(&self) -> &'a str {
        self.raw
    }

    /// What it stands for; allocates only if there are escapes.
    pub fn unquoted(&self) -> Cow<'a, str> {
        match self.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.chars().collect()),
        }
    }

    /// What it stands for, if there are no escapes.
    pub const fn as_str(&self) -> Option<&'a str> {
        match self.form {
            Form::Token | Form::Quoted => Some(self.raw),
            Form::Escaped => None,
        }
    }

    /// What it stands for, one character after the other.
    #[inline]
    pub fn chars(&self) -> Unquoted<'a> {
        Unquoted {
            chars: self.raw.chars(),
            escaped: matches!(self.form, Form::Escaped),
        }
    }

    /// How many bytes it has in the document.
    pub(crate) fn written_length(&self) -> usize {
        let quotes = if self.is_quoted() { 2 } else { 0 };
        self.raw.len().saturating_add(quotes)
    }
}

impl PartialEq<str> for AttributeValue<'_> {
    fn eq(&self, other: &str) -> bool {
        match self.as_str() {
            Some(text) => text == other,
            None => self.chars().eq(other.chars()),
        }
    }
}

impl PartialEq<&str> for AttributeValue<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Display for AttributeValue<'_> {
    /// What it stands for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;

        match self.as_str() {
            Some(text) => f.write_str(text),
            None => self.chars().try_for_each(|c| f.write_char(c)),
        }
    }
}

/// The characters that an [`AttributeValue`] stands for.
#[derive(Clone, Debug)]
pub struct Unquoted<'a> {
    chars: core::str::Chars<'a>,
    escaped: bool,
}

impl Default for Unquoted<'_> {
    /// No characters.
    fn default() -> Self {
        AttributeValue::token("").chars()
    }
}

impl Iterator for Unquoted<'_> {
    type Item = char;

    #[inline]
    fn next(&mut self) -> Option<char> {
        match self.chars.next() {
            Some('\\') if self.escaped => self.chars.next(),
            next => next,
        }
    }
}

impl FusedIterator for Unquoted<'_> {}
