//! From the element `Item` to the definition of a Resource.

use lwm2m_core::{DataType, ResourceId};
use roxmltree::Node;

use super::{
    element::{fields, mandatory, multiplicity, number, owned, start, text, text_start},
    fault::{DdfFault, Severity},
    report::Findings,
};
use crate::definition::{DefinitionFault, Multiplicity, Operations, Range, ResourceDefinition};

/// Reads a Resource; `None` if it has no identifier.
pub(super) fn resource(node: Node<'_, '_>, findings: &mut Findings) -> Option<ResourceDefinition> {
    let [
        name,
        operations,
        instances,
        mandatory,
        data_type,
        range,
        units,
        description,
    ] = fields(
        node,
        [
            "Name",
            "Operations",
            "MultipleInstances",
            "Mandatory",
            "Type",
            "RangeEnumeration",
            "Units",
            "Description",
        ],
        findings,
    );
    let mut item = Item {
        offset: start(node),
        id: identifier(node, findings),
        operations: self::operations(operations, findings),
        findings,
    };
    let (data_type, unsigned) = item.data_type(data_type);
    let mut definition = ResourceDefinition {
        instances: item.instances(instances),
        mandatory: self::mandatory(mandatory, item.findings),
        id: item.id?,
        name: owned(text(name)),
        operations: item.operations?,
        data_type,
        range: Range::read(&text(range), data_type),
        units: owned(text(units)),
        description: owned(text(description)),
    };
    if unsigned {
        restrict(&mut definition);
    }
    Some(definition)
}

/// A Resource while it is read.
struct Item<'f> {
    /// Where it is.
    offset: usize,
    id: Option<ResourceId>,
    /// `None` if they are not understood; then nothing else is checked against them.
    operations: Option<Operations>,
    findings: &'f mut Findings,
}

impl Item<'_> {
    /// The data type, and whether it is unsigned. An executable Resource has none.
    fn data_type(&mut self, node: Option<Node<'_, '_>>) -> (Option<DataType>, bool) {
        let text = text(node);
        let offset = node.map_or(self.offset, text_start);
        let Some((data_type, unsigned)) = data_type(&text) else {
            let fault = DdfFault::value("Type", DATA_TYPES, &text);
            self.findings.warn(offset, fault);
            return (None, false);
        };
        let fault = match (self.operations, data_type) {
            (Some(Operations::Execute), Some(found)) => DefinitionFault::ExecutableType(found),
            (Some(Operations::Execute) | None, None) | (_, Some(_)) => {
                return (data_type, unsigned);
            }
            (Some(_), None) => DefinitionFault::NoType,
        };
        self.broken(offset, fault);
        (None, false)
    }

    /// Whether it is multiple. An executable Resource is not, whatever the file says.
    fn instances(&mut self, node: Option<Node<'_, '_>>) -> Multiplicity {
        if self.operations != Some(Operations::Execute) {
            return multiplicity(node, self.findings);
        }
        let text = text(node);
        let offset = node.map_or(self.offset, text_start);
        if text.eq_ignore_ascii_case("Multiple") {
            self.broken(offset, DefinitionFault::ExecutableMultiple);
        } else if !text.is_empty() && !text.eq_ignore_ascii_case("Single") {
            let fault = DdfFault::value("MultipleInstances", "Single", &text);
            self.findings.warn(offset, fault);
        }
        Multiplicity::Single
    }

    fn broken(&mut self, offset: usize, fault: DefinitionFault) {
        self.findings
            .rule(offset, Severity::Warning, self.id, fault);
    }
}

fn identifier(node: Node<'_, '_>, findings: &mut Findings) -> Option<ResourceId> {
    let Some(id) = node.attribute("ID") else {
        findings.error(start(node), DdfFault::Missing("ID"));
        return None;
    };
    number(id.trim(), start(node), "ID", findings).map(ResourceId::new)
}

fn operations(node: Option<Node<'_, '_>>, findings: &mut Findings) -> Option<Operations> {
    const NAMES: [(&str, Operations); 7] = [
        ("", Operations::None),
        ("R", Operations::Read),
        ("W", Operations::Write),
        ("RW", Operations::ReadWrite),
        ("R/W", Operations::ReadWrite),
        ("WR", Operations::ReadWrite),
        ("E", Operations::Execute),
    ];
    let text = text(node);
    let mut names = NAMES.iter();
    let found = names.find(|(name, _)| name.eq_ignore_ascii_case(&text));
    if let (None, Some(node)) = (found, node) {
        let fault = DdfFault::value("Operations", "R, W, RW, E or nothing", &text);
        findings.error(text_start(node), fault);
    }
    found.map(|(_, operations)| *operations)
}

/// Limits an Integer to 0 and above. A range in words moves to the description.
fn restrict(definition: &mut ResourceDefinition) {
    definition.range = Some(match definition.range.take() {
        Some(Range::Numbers(from, to)) if to >= 0 => Range::Numbers(from.max(0), to),
        Some(Range::Words(words)) => {
            let description = definition.description.to_mut();
            if !description.is_empty() {
                description.push_str("\n\n");
            }
            description.push_str(&words);
            Range::Numbers(0, i64::MAX)
        }
        Some(range) => range,
        None => Range::Numbers(0, i64::MAX),
    });
}

/// The types that [`data_type`] knows.
const DATA_TYPES: &str =
    "String, Integer, Unsigned Integer, Float, Boolean, Opaque, Time, Objlnk, Corelnk or none";

/// The type with this name, and whether it is unsigned.
pub(super) fn data_type(name: &str) -> Option<(Option<DataType>, bool)> {
    const NAMES: [(&str, Option<DataType>); 12] = [
        ("", None),
        ("none", None),
        ("String", Some(DataType::String)),
        ("Integer", Some(DataType::Integer)),
        ("Float", Some(DataType::Float)),
        ("Boolean", Some(DataType::Boolean)),
        ("Opaque", Some(DataType::Opaque)),
        ("Time", Some(DataType::Time)),
        ("Objlnk", Some(DataType::ObjectLink)),
        ("Corelnk", Some(DataType::String)),
        ("Unsigned Integer", Some(DataType::Integer)),
        ("UnsignedInteger", Some(DataType::Integer)),
    ];
    let (found, data_type) = NAMES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some((*data_type, found.starts_with("Unsigned")))
}
