//! From definitions to XML.

use alloc::string::{String, ToString};
use core::fmt::Write as _;

use lwm2m_core::{DataType, Version};
use thiserror::Error;

use super::is_xml;
use crate::definition::{
    ArgumentDefinition, DefinitionError, Multiplicity, ObjectDefinition, Operations,
    ResourceDefinition,
};

/// Why definitions cannot be written as XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DdfWriteError {
    /// A definition [cannot be used](ObjectDefinition::check), and would not be read back.
    #[error("{0}")]
    Definition(#[from] DefinitionError),
    /// A text has a character that XML does not allow.
    #[error("expected characters that XML has, found {0:?}")]
    Character(char),
}

/// Writes Objects as one file, in the schema of TS Appendix K. [Reading](super::read) it gives equal
/// definitions, except for a type or multiplicity that an executable Resource should not have.
///
/// ```
/// use lwm2m_objects::{BUILT_IN, ddf};
///
/// let text = ddf::write(BUILT_IN)?;
/// assert_eq!(ddf::read(text.as_bytes())?, BUILT_IN.map(Clone::clone));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub fn write<'a>(
    definitions: impl IntoIterator<Item = &'a ObjectDefinition>,
) -> Result<String, DdfWriteError> {
    let mut writer = Writer(String::new());
    writer.line(0, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    writer.line(
        0,
        "<LWM2M xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:noNamespaceSchemaLocation=\"http://openmobilealliance.org/tech/profiles/LWM2M.xsd\">",
    );
    for definition in definitions {
        definition.check()?;
        writer.object(definition)?;
    }
    writer.line(0, "</LWM2M>");
    Ok(writer.0)
}

struct Writer(String);

impl Writer {
    fn object(&mut self, object: &ObjectDefinition) -> Result<(), DdfWriteError> {
        self.line(1, "<Object ObjectType=\"MODefinition\">");
        self.element(2, "Name", &object.name)?;
        self.element(2, "Description1", &object.description)?;
        self.element(2, "ObjectID", &object.id.to_string())?;
        self.element(2, "ObjectURN", &object.urn)?;
        for (name, version) in [
            ("LWM2MVersion", object.enabler),
            ("ObjectVersion", object.version),
        ] {
            if version != Version::INITIAL {
                self.element(2, name, &version.to_string())?;
            }
        }
        self.element(2, "MultipleInstances", multiplicity(object.instances))?;
        self.element(2, "Mandatory", mandatory(object.mandatory))?;
        self.line(2, "<Resources>");
        for resource in object.resources.iter() {
            self.resource(resource)?;
        }
        self.line(2, "</Resources>");
        self.element(2, "Description2", "")?;
        for argument in object.arguments.iter() {
            self.argument(argument)?;
        }
        self.line(1, "</Object>");
        Ok(())
    }

    fn resource(&mut self, resource: &ResourceDefinition) -> Result<(), DdfWriteError> {
        let operations = match resource.operations {
            Operations::None => "",
            Operations::Read => "R",
            Operations::Write => "W",
            Operations::ReadWrite => "RW",
            Operations::Execute => "E",
        };
        let range = resource.range.as_ref().map(ToString::to_string);
        self.indent(3);
        self.format(format_args!("<Item ID=\"{}\">\n", resource.id));
        self.element(4, "Name", &resource.name)?;
        self.element(4, "Operations", operations)?;
        self.element(4, "MultipleInstances", multiplicity(resource.instances))?;
        self.element(4, "Mandatory", mandatory(resource.mandatory))?;
        self.element(4, "Type", &data_type(resource.data_type))?;
        self.element(4, "RangeEnumeration", &range.unwrap_or_default())?;
        self.element(4, "Units", &resource.units)?;
        self.element(4, "Description", &resource.description)?;
        self.line(3, "</Item>");
        Ok(())
    }

    fn argument(&mut self, argument: &ArgumentDefinition) -> Result<(), DdfWriteError> {
        let range = argument.range.as_ref().map(ToString::to_string);
        self.indent(2);
        self.format(format_args!(
            "<?lwm2m-argument resource=\"{}\" digit=\"{}\"",
            argument.resource, argument.digit
        ));
        for (name, text) in [
            ("name", &*argument.name),
            ("type", &data_type(argument.data_type)),
            ("range", &range.unwrap_or_default()),
            ("units", &argument.units),
            ("description", &argument.description),
        ] {
            self.format(format_args!(" {name}=\""));
            self.text(text)?;
            self.0.push('"');
        }
        self.0.push_str("?>\n");
        Ok(())
    }

    fn element(&mut self, level: usize, name: &str, text: &str) -> Result<(), DdfWriteError> {
        self.indent(level);
        if text.is_empty() {
            self.format(format_args!("<{name}/>\n"));
            return Ok(());
        }
        let space = if text.trim() == text {
            ""
        } else {
            " xml:space=\"preserve\""
        };
        self.format(format_args!("<{name}{space}>"));
        self.text(text)?;
        self.format(format_args!("</{name}>\n"));
        Ok(())
    }

    /// Text with the markup characters of elements and instructions escaped.
    fn text(&mut self, text: &str) -> Result<(), DdfWriteError> {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // A reader turns carriage returns into line feeds.
                '\r' => self.0.push_str("&#13;"),
                _ if is_xml(character) => self.0.push(character),
                _ => return Err(DdfWriteError::Character(character)),
            }
        }
        Ok(())
    }

    fn line(&mut self, level: usize, text: &str) {
        self.indent(level);
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn indent(&mut self, level: usize) {
        (0..level).for_each(|_| self.0.push_str("  "));
    }

    fn format(&mut self, arguments: core::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.0.write_fmt(arguments);
    }
}

fn multiplicity(multiplicity: Multiplicity) -> &'static str {
    match multiplicity {
        Multiplicity::Single => "Single",
        Multiplicity::Multiple => "Multiple",
    }
}

fn mandatory(mandatory: bool) -> &'static str {
    if mandatory { "Mandatory" } else { "Optional" }
}

fn data_type(data_type: Option<DataType>) -> String {
    data_type
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}
