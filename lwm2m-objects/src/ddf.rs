//! Object definition files (DDF): XML of the LwM2M schema (TS Appendix J and K).
//!
//! [`read`] takes the schema of Appendix K and what registered files have beyond it:
//!
//! - the types `Unsigned Integer`, which is Integer with a range from 0 on, and `Corelnk`, which is
//!   String; `none` for no type;
//! - `LWM2MVersion` and `ObjectVersion`, at any place; a version that only one of `ObjectVersion`
//!   and `ObjectURN` has counts for both;
//! - several Objects in one file, Resources in any order, and elements that it does not know;
//! - elements without text, or none at all where there is a plain default: no description, units or
//!   range, no operations, single, optional; a missing URN is that of the range that OMNA keeps
//!   for the Object ID (`oma` to 1023, `ext` from 2048 to 10240, `x` above);
//! - comments, CDATA, a byte-order mark, UTF-16, white space around values (kept only under
//!   `xml:space="preserve"`).
//!
//! The description is that of `Description1`, followed by that of `Description2`. The schema has no
//! place for the arguments of executable Resources: they are processing instructions in an Object,
//! so that files stay valid. Every attribute but the first two may be left out:
//!
//! ```xml
//! <?lwm2m-argument resource="7" digit="1" name="Keep" type="Integer" range="0..2" units=""
//!     description="How many"?>
//! ```
//!
//! Files come from strangers: a document type declaration is refused, and with it all entities but
//! the five of XML; size, markup, depth, attributes and namespaces are [bounded](Limits).
//!
//! ```
//! use lwm2m_objects::{Registry, ddf};
//!
//! let file = br#"<LWM2M><Object ObjectType="MODefinition">
//!   <Name>Tank</Name><ObjectID>30000</ObjectID><ObjectURN>urn:oma:lwm2m:x:30000</ObjectURN>
//!   <MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory>
//!   <Resources>
//!     <Item ID="0"><Name>Level</Name><Operations>R</Operations><Type>Unsigned Integer</Type></Item>
//!   </Resources>
//! </Object></LWM2M>"#;
//! let mut registry = Registry::default();
//! for definition in ddf::read(file)? {
//!     registry.add(definition)?;
//! }
//! assert!(registry.resource(30000.into(), 0.into()).is_some());
//!
//! let error = ddf::read(b"<LWM2M>\n  <Object/>\n</LWM2M>").unwrap_err();
//! assert_eq!(error.to_string(), "2:3: ObjectID is missing here");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod argument;
mod document;
mod read;
mod write;

use thiserror::Error;

pub use self::{
    read::{read, read_within},
    write::{DdfWriteError, write},
};
use crate::definition::DefinitionError;

/// How large a file may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// The size of the file in bytes.
    pub bytes: usize,
    /// How many `<` there may be, and how many `=`; memory is at most some 150 bytes for each.
    pub markup: usize,
}

impl Default for Limits {
    /// 1 MiB and 65,536, several times what the largest registered file needs.
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            markup: 1 << 16,
        }
    }
}

/// How deep elements may be nested, how many attributes an element may have, and how often a file
/// may declare a namespace: the schema has five levels, two attributes and one namespace. A parser
/// takes for each declaration as long as all those around it are.
const MOST_LEVELS: usize = 16;
const MOST_ATTRIBUTES: usize = 16;
const MOST_NAMESPACES: usize = 64;

/// Why a file is refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{line}:{column}: {fault}")]
pub struct DdfError {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong there.
    pub fault: DdfFault,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DdfFault {
    /// More bytes than [`Limits::bytes`].
    #[error("the file is larger than {0} bytes")]
    TooLarge(usize),
    /// More `<` or `=` than [`Limits::markup`].
    #[error("more than {0} times < or =")]
    TooMuchMarkup(usize),
    /// Elements nested deeper than 16 levels.
    #[error("elements are nested deeper than 16 levels")]
    TooDeep,
    /// An element with more than 16 attributes.
    #[error("an element has more than 16 attributes")]
    TooManyAttributes,
    /// A file with more than 64 declarations of namespaces.
    #[error("the file declares more than 64 namespaces")]
    TooManyNamespaces,
    /// Neither UTF-8 nor UTF-16 with a byte-order mark.
    #[error("the text is neither UTF-8 nor UTF-16 with a byte-order mark")]
    Encoding,
    /// A document type declaration, which could define entities.
    #[error("a document type declaration is refused")]
    DocumentType,
    /// No well-formed XML.
    #[error("not well-formed: {0}")]
    Malformed(&'static str),
    /// Another element than the schema begins with.
    #[error("expected the root element LWM2M")]
    Root,
    /// An element, or an attribute, that is missing in the element at this place.
    #[error("{0} is missing here")]
    Missing(&'static str),
    /// An element that is there twice.
    #[error("the element {0} is there twice")]
    Repeated(&'static str),
    /// A text that the schema does not allow in this element or attribute.
    #[error("expected {expected} in {name}")]
    Value {
        /// The element or attribute.
        name: &'static str,
        /// What may stand in it.
        expected: &'static str,
    },
    /// The definition breaks a rule of the template.
    #[error("{0}")]
    Definition(DefinitionError),
}

/// Whether XML 1.0 has the character at all.
fn is_xml(character: char) -> bool {
    matches!(
        character,
        '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..
    )
}

/// A fault and the offset in the text where it is.
#[derive(Clone, Copy, Debug)]
struct At {
    offset: usize,
    fault: DdfFault,
}

impl At {
    fn new(offset: usize, fault: DdfFault) -> Self {
        Self { offset, fault }
    }

    /// The same with a line and a column.
    fn locate(self, text: &str) -> DdfError {
        let before = text.get(..self.offset).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
        DdfError {
            line: number(lines),
            column: number(line.chars().count()),
            fault: self.fault,
        }
    }
}
