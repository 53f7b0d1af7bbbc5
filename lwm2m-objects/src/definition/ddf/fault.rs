//! What can be wrong with a file.

use alloc::{borrow::Cow, boxed::Box, string::String};

use lwm2m_core::ObjectId;
use thiserror::Error;

use super::{MOST_ATTRIBUTES, MOST_LEVELS, MOST_NAMESPACES};
use crate::definition::DefinitionError;

/// A fault in a file: where it is, and what was expected and found there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{line}:{column}: {fault}")]
pub struct DdfError {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What the fault costs.
    pub severity: Severity,
    /// The Object with the fault, if its identifier is known.
    pub object: Option<ObjectId>,
    /// What is wrong.
    pub fault: DdfFault,
}

/// What a fault costs.
///
/// A fault costs nothing, an Object or the file, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing: the Object can be used. The [module](super) says how the fault is read.
    Warning,
    /// The Object, which is left out. The other Objects of the file are kept.
    Object,
    /// The whole file.
    File,
}

/// What is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DdfFault {
    /// More bytes than [`Limits::bytes`](super::Limits::bytes).
    #[error("expected at most {limit} bytes, found {found}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// The size of the file.
        found: usize,
    },
    /// More `<` or `=` than [`Limits::markup`](super::Limits::markup).
    #[error("expected at most {limit} times {character}, found it once more")]
    TooMuchMarkup {
        /// `<` or `=`.
        character: char,
        /// The limit.
        limit: usize,
    },
    /// Elements nested deeper than 16 levels.
    #[error("expected elements in at most {MOST_LEVELS} levels, found one below them")]
    TooDeep,
    /// An element with more than 16 attributes.
    #[error("expected at most {MOST_ATTRIBUTES} attributes of an element, found {0}")]
    TooManyAttributes(usize),
    /// A file with more than 64 declarations of namespaces.
    #[error("expected at most {MOST_NAMESPACES} declarations of namespaces, found another")]
    TooManyNamespaces,
    /// Neither UTF-8 nor UTF-16 with a byte-order mark.
    #[error("expected UTF-8, or UTF-16 with a byte-order mark, found {found}")]
    Encoding {
        /// The bytes that were found.
        found: Cow<'static, str>,
    },
    /// A document type declaration, which could define entities.
    #[error("expected no document type declaration, found one")]
    DocumentType,
    /// The XML is not well-formed.
    #[error("expected {expected}, found {found}")]
    Malformed {
        /// What XML expects at this place.
        expected: Cow<'static, str>,
        /// What is there.
        found: Cow<'static, str>,
    },
    /// The root element is not that of the schema.
    #[error("expected the root element LWM2M, found {found}")]
    Root {
        /// The root element, or that there is none.
        found: Cow<'static, str>,
    },
    /// The element at this place lacks an element or an attribute.
    #[error("expected {0} in this element, found none")]
    Missing(&'static str),
    /// An element that is there twice.
    #[error("expected the element {0} once, found it again")]
    Repeated(&'static str),
    /// The schema does not allow this text in the element or attribute.
    #[error("expected {expected} in {name}, found {found:?}")]
    Value {
        /// The element or attribute.
        name: &'static str,
        /// What the schema allows.
        expected: &'static str,
        /// The text, cut off after 40 characters.
        found: Box<str>,
    },
    /// The definition breaks a rule of the template.
    #[error("{0}")]
    Definition(DefinitionError),
}

impl DdfFault {
    /// The fault of a text that isn't one of those expected in an element or attribute.
    pub(super) fn value(name: &'static str, expected: &'static str, found: &str) -> Self {
        Self::Value {
            name,
            expected,
            found: excerpt(found),
        }
    }
}

/// How much of a file is quoted in a fault, in characters.
const LONGEST_EXCERPT: usize = 40;

/// The beginning of a text, to quote it.
pub(super) fn excerpt(text: &str) -> Box<str> {
    match text.char_indices().nth(LONGEST_EXCERPT) {
        None => text.into(),
        Some((end, _)) => {
            let mut cut = String::from(text.get(..end).unwrap_or_default());
            cut.push('…');
            cut.into()
        }
    }
}

/// A fault that makes the whole file unreadable, and its offset in the text.
#[derive(Debug)]
pub(super) struct At {
    pub(super) offset: usize,
    pub(super) fault: DdfFault,
}

impl At {
    pub(super) fn new(offset: usize, fault: DdfFault) -> Self {
        Self { offset, fault }
    }

    /// The fault with its line and column.
    pub(super) fn locate(self, text: &str) -> DdfError {
        let mut place = Place::START;
        place.advance(text, self.offset);
        place.error(Severity::File, None, self.fault)
    }
}

/// A place in a text, which only moves forward.
#[derive(Debug)]
pub(super) struct Place {
    offset: usize,
    line: u32,
    column: u32,
}

impl Place {
    pub(super) const START: Self = Self {
        offset: 0,
        line: 1,
        column: 1,
    };

    /// Moves to an offset. The text in between is scanned once.
    pub(super) fn advance(&mut self, text: &str, offset: usize) {
        let between = text.get(self.offset..offset).unwrap_or_default();
        for character in between.chars() {
            if character == '\n' {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            } else {
                self.column = self.column.saturating_add(1);
            }
        }
        self.offset = self.offset.saturating_add(between.len());
    }

    pub(super) fn error(
        &self,
        severity: Severity,
        object: Option<ObjectId>,
        fault: DdfFault,
    ) -> DdfError {
        DdfError {
            line: self.line,
            column: self.column,
            severity,
            object,
            fault,
        }
    }
}
