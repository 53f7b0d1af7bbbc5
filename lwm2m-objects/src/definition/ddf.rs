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
//! assert_eq!(error.to_string(), "2:3: expected ObjectID in this element, found none");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Faults
//!
//! [`read_all`] finds all faults of a file at once, and what can be used all the same; [`read`] and
//! [`Report::strict`] draw the line at errors and at warnings.
//!
//! A fault is a [warning](Severity::Warning), and the Object stays, if it is clear what is defined:
//!
//! - an executable Resource with a type, or with another `MultipleInstances` than `Single`: it has
//!   no values;
//! - a Resource that has values but no type, or one that is not known: its values are raw;
//! - a URN of another class than the range of the Object ID;
//! - a text that only describes (names, descriptions, units, `LWM2MVersion`) that is there twice,
//!   of which the first counts, or is not understood;
//! - an argument that is not understood, is there twice, or is of no executable Resource: it is left
//!   out.
//!
//! Any other fault [costs its Object](Severity::Object), because it leaves open which Object or
//! Resource is meant, or what can be done with it: identifiers, versions and URNs that are missing,
//! not understood or contradict each other; a Resource ID that comes twice; operations,
//! multiplicities and "mandatory" that are not understood. Only a file that is no XML, or of another
//! kind, or over the limits is [refused whole](Severity::File).
//!
//! ```
//! use lwm2m_objects::ddf;
//!
//! let report = ddf::read_all(
//!     br#"<LWM2M>
//! <Object><ObjectID>30000</ObjectID><Resources>
//!   <Item ID="0"><Operations>R</Operations></Item>
//! </Resources></Object>
//! <Object><ObjectID>thirty</ObjectID></Object></LWM2M>"#,
//! );
//! assert_eq!(report.objects.len(), 1);
//! let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
//! assert_eq!(
//!     faults,
//!     [
//!         "3:3: definition of /30000, Resource 0: expected a data type, as the Resource is not \
//!          executable, found none",
//!         "5:19: expected a number of 0 to 65535 in ObjectID, found \"thirty\"",
//!     ]
//! );
//! ```

mod argument;
mod document;
mod element;
mod fault;
mod read;
mod report;
mod resource;
mod write;

pub use self::{
    fault::{DdfError, DdfFault, Severity},
    read::{read, read_all, read_all_within, read_within},
    report::Report,
    write::{DdfWriteError, write},
};

/// How large a file may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// The size of the file in bytes.
    pub bytes: usize,
    /// How many `<` there may be, and how many `=`; memory is at most some 500 bytes for each.
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

/// Whether XML 1.0 has the character at all.
fn is_xml(character: char) -> bool {
    matches!(
        character,
        '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..
    )
}
