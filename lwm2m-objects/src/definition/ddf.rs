//! Object definition files (DDF): XML of the LwM2M schema (TS Appendix J and K).
//!
//! [`read`] accepts the schema of Appendix K, and what registered files have beyond it:
//!
//! - the types `Unsigned Integer`, which is Integer with a range from 0 on, and `Corelnk`, which is
//!   String; `none` for no type;
//! - `LWM2MVersion` and `ObjectVersion` at any place; if only one of `ObjectVersion` and `ObjectURN`
//!   has a version, it counts for both;
//! - several Objects in one file, Resources in any order, and unknown elements;
//! - empty and missing elements that have a plain default: no description, units or range, no
//!   operations, single, optional; a missing URN takes the class of the Object ID (`oma` to 1023,
//!   `ext` from 2048 to 10240, `x` above);
//! - comments, CDATA, a byte-order mark, UTF-16, and white space around values, which is kept only
//!   under `xml:space="preserve"`.
//!
//! The description is `Description1` followed by `Description2`. The schema has no place for the
//! arguments of executable Resources. They are written as processing instructions in an Object, so
//! that files stay valid. All attributes but the first two may be left out:
//!
//! ```xml
//! <?lwm2m-argument resource="7" digit="1" name="Keep" type="Integer" range="0..2" units=""
//!     description="How many"?>
//! ```
//!
//! Files are not trusted. A document type declaration is refused, and with it all entities but the
//! five of XML. Size, markup, depth, attributes and namespaces are [bounded](Limits).
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
//! [`read_all`] finds all faults of a file at once, and the Objects that can be used all the same.
//! [`read`] fails at the first error, [`Report::strict`] at the first warning.
//!
//! A fault is a [warning](Severity::Warning), and the Object is kept, if it is clear what is defined:
//!
//! - an executable Resource with a type, or with `MultipleInstances` other than `Single`: it has no
//!   values;
//! - a Resource with values but without a known type: its values are raw;
//! - a URN whose class is not that of the Object ID;
//! - a descriptive text (name, description, units, `LWM2MVersion`) that is not understood, or is
//!   there twice: the first counts;
//! - an argument that is not understood, is there twice, or belongs to no executable Resource: it is
//!   left out.
//!
//! Any other fault [costs its Object](Severity::Object), because it leaves open which Object or
//! Resource is meant, or what can be done with it. Examples are identifiers, versions and URNs that
//! are missing, not understood or contradict each other; a Resource ID that is there twice;
//! operations, multiplicities and "mandatory" that are not understood. A whole file is
//! [refused](Severity::File) only if it isn't XML, is of another kind, or exceeds the limits.
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

/// The limits of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// The size of the file in bytes.
    pub bytes: usize,
    /// The number of `<`, and the number of `=`. Each takes about 500 bytes of memory at most.
    pub markup: usize,
}

impl Default for Limits {
    /// 1 MiB and 65,536: several times what the largest registered file needs.
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            markup: 1 << 16,
        }
    }
}

/// How deep elements may be nested, how many attributes an element may have, and how often a file
/// may declare a namespace. The schema has five levels, two attributes and one namespace. For each
/// declaration, the parser takes time for all declarations around it.
const MOST_LEVELS: usize = 16;
const MOST_ATTRIBUTES: usize = 16;
const MOST_NAMESPACES: usize = 64;

/// Whether XML 1.0 allows the character.
fn is_xml(character: char) -> bool {
    matches!(
        character,
        '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..
    )
}
