//! From elements to definitions.

use alloc::{borrow::Cow, string::String, vec::Vec};

use lwm2m_core::{DataType, ObjectId, ResourceId, Version};
use roxmltree::Node;

use super::{
    At, DdfError, DdfFault, Limits,
    argument::argument,
    document::{decode, parse},
};
use crate::definition::{
    Multiplicity, ObjectDefinition, Operations, Range, ResourceDefinition, Urn, UrnClass,
};

/// The namespace of `xml:space`.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Reads all Objects of a file within the default [`Limits`]; the definitions are
/// [valid](ObjectDefinition::validate). See the [module](super) for what is understood.
pub fn read(file: &[u8]) -> Result<Vec<ObjectDefinition>, DdfError> {
    read_within(file, &Limits::default())
}

/// Reads all Objects of a file within these limits.
pub fn read_within(file: &[u8], limits: &Limits) -> Result<Vec<ObjectDefinition>, DdfError> {
    let text = decode(file, limits)?;
    let document = parse(&text, limits).map_err(|error| error.locate(&text))?;
    objects(document.root_element()).map_err(|error| error.locate(&text))
}

fn objects(root: Node<'_, '_>) -> Result<Vec<ObjectDefinition>, At> {
    if !root.tag_name().name().eq_ignore_ascii_case("LWM2M") {
        return Err(at(root, DdfFault::Root));
    }
    let objects = elements(root, "Object").map(object);
    let objects: Vec<_> = objects.collect::<Result<_, _>>()?;
    if objects.is_empty() {
        return Err(at(root, DdfFault::Missing("Object")));
    }
    Ok(objects)
}

fn object(node: Node<'_, '_>) -> Result<ObjectDefinition, At> {
    let [
        name,
        description,
        id,
        urn,
        enabler,
        version,
        instances,
        mandatory,
        resources,
        more_description,
    ] = fields(
        node,
        [
            "Name",
            "Description1",
            "ObjectID",
            "ObjectURN",
            "LWM2MVersion",
            "ObjectVersion",
            "MultipleInstances",
            "Mandatory",
            "Resources",
            "Description2",
        ],
    )?;
    let id_node = id.ok_or_else(|| at(node, DdfFault::Missing("ObjectID")))?;
    let id = ObjectId::new(number(&text(Some(id_node)), id_node, "ObjectID")?);
    let (urn, version) = identity(id, urn, version)?;
    let mut items = match resources {
        Some(resources) => elements(resources, "Item")
            .map(|item| Ok((resource(item)?, item.range().start)))
            .collect::<Result<Vec<_>, At>>()?,
        None => Vec::new(),
    };
    // A stable sort: of two with the same number, the later one is reported.
    items.sort_by_key(|(resource, _)| resource.id);
    let (resources, offsets): (Vec<_>, Vec<_>) = items.into_iter().unzip();
    let mut arguments = node
        .children()
        .filter_map(|child| child.pi().map(|instruction| (child, instruction)))
        .filter(|(_, instruction)| instruction.target == "lwm2m-argument")
        .map(|(child, instruction)| {
            argument(instruction.value.unwrap_or_default())
                .map_err(|fault| At::new(child.range().start, fault))
        })
        .collect::<Result<Vec<_>, _>>()?;
    arguments.sort_by_key(|argument| (argument.resource, argument.digit));

    let definition = ObjectDefinition {
        id,
        name: owned(text(name)),
        urn: Cow::Owned(urn),
        version,
        enabler: match enabler {
            Some(node) => self::version(node, "LWM2MVersion")?.unwrap_or(Version::INITIAL),
            None => Version::INITIAL,
        },
        instances: multiplicity(instances)?,
        mandatory: self::mandatory(mandatory)?,
        description: self::description(description, more_description),
        resources: Cow::Owned(resources),
        arguments: Cow::Owned(arguments),
    };
    definition.validate().map_err(|error| {
        let place = error.resource.and_then(|id| {
            let mut places = definition.resources.iter().zip(&offsets).rev();
            places.find_map(|(resource, offset)| (resource.id == id).then_some(*offset))
        });
        let offset = place.unwrap_or(node.range().start);
        At::new(offset, DdfFault::Definition(error))
    })?;
    Ok(definition)
}

/// The URN and the version of an Object; each is known from the other, if need be.
fn identity(
    id: ObjectId,
    urn: Option<Node<'_, '_>>,
    version: Option<Node<'_, '_>>,
) -> Result<(String, Version), At> {
    let version = match version {
        Some(node) => self::version(node, "ObjectVersion")?,
        None => None,
    };
    let urn_text = text(urn);
    let parsed: Option<Urn> = match urn {
        Some(node) if !urn_text.is_empty() => {
            let expected = "an Object URN such as urn:oma:lwm2m:x:30000";
            let urn = urn_text.parse();
            Some(urn.map_err(|_| value(node, "ObjectURN", expected))?)
        }
        _ => None,
    };
    let Some(parsed) = parsed else {
        let urn = Urn {
            // What is reserved has none, which the rules of definitions tell.
            class: UrnClass::of(id).unwrap_or(UrnClass::Oma),
            object: id,
            explicit_version: version.filter(|version| *version != Version::INITIAL),
        };
        return Ok((alloc::format!("{urn}"), urn.version()));
    };
    match (version, parsed.explicit_version) {
        // Also where the two differ: that is no valid definition.
        (Some(version), Some(_)) => Ok((urn_text.into_owned(), version)),
        (Some(version), None) if version != Version::INITIAL => {
            Ok((alloc::format!("{urn_text}:{version}"), version))
        }
        _ => Ok((urn_text.into_owned(), parsed.version())),
    }
}

fn resource(node: Node<'_, '_>) -> Result<ResourceDefinition, At> {
    let id = node
        .attribute("ID")
        .ok_or_else(|| at(node, DdfFault::Missing("ID")))?;
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
    )?;
    let (data_type, unsigned) = match data_type {
        Some(node) => self::data_type(&text(Some(node)))
            .ok_or_else(|| value(node, "Type", "a data type of Appendix C"))?,
        None => (None, false),
    };
    let mut definition = ResourceDefinition {
        id: ResourceId::new(number(id.trim(), node, "ID")?),
        name: owned(text(name)),
        operations: self::operations(operations)?,
        instances: multiplicity(instances)?,
        mandatory: self::mandatory(mandatory)?,
        data_type,
        range: Range::read(&text(range), data_type),
        units: owned(text(units)),
        description: owned(text(description)),
    };
    if unsigned {
        restrict(&mut definition);
    }
    Ok(definition)
}

/// Lets an integer be 0 or greater. Words that no longer say the range say it in the description.
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

/// The elements of this name below a node.
fn elements<'a, 'input>(
    node: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children()
        .filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// The elements of these names below a node, each at most once.
fn fields<'a, 'input, const N: usize>(
    node: Node<'a, 'input>,
    names: [&'static str; N],
) -> Result<[Option<Node<'a, 'input>>; N], At> {
    let mut found = [None; N];
    for child in node.children().filter(Node::is_element) {
        let name = match child.tag_name().name() {
            // As Appendix J spells what the schema of Appendix K has.
            "LwM2MVersion" => "LWM2MVersion",
            name => name,
        };
        let mut fields = names.iter().zip(&mut found);
        if let Some((name, slot)) = fields.find(|(field, _)| **field == name)
            && slot.replace(child).is_some()
        {
            return Err(at(child, DdfFault::Repeated(name)));
        }
    }
    Ok(found)
}

/// The text of an element, comments left out, without white space around it unless it says so.
fn text<'a>(node: Option<Node<'a, '_>>) -> Cow<'a, str> {
    let Some(node) = node else {
        return Cow::Borrowed("");
    };
    let mut texts = node.children().filter_map(|child| match child {
        text if text.is_text() => text.text(),
        _ => None,
    });
    let mut text = Cow::Borrowed(texts.next().unwrap_or_default());
    for more in texts {
        text.to_mut().push_str(more);
    }
    if node.attribute((XML, "space")) == Some("preserve") {
        return text;
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().into()),
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    match text {
        Cow::Borrowed("") => Cow::Borrowed(""),
        text => Cow::Owned(text.into_owned()),
    }
}

fn description(first: Option<Node<'_, '_>>, second: Option<Node<'_, '_>>) -> Cow<'static, str> {
    let (first, second) = (text(first), text(second));
    match (first.is_empty(), second.is_empty()) {
        (false, false) => Cow::Owned(alloc::format!("{first}\n\n{second}")),
        (_, true) => owned(first),
        (true, _) => owned(second),
    }
}

fn at(node: Node<'_, '_>, fault: DdfFault) -> At {
    At::new(node.range().start, fault)
}

/// A fault in the text of an element.
fn value(node: Node<'_, '_>, name: &'static str, expected: &'static str) -> At {
    let place = node.first_child().unwrap_or(node);
    at(place, DdfFault::Value { name, expected })
}

fn number(text: &str, node: Node<'_, '_>, name: &'static str) -> Result<u16, At> {
    sixteen_bits(text).ok_or_else(|| value(node, name, "a number of 0 to 65535"))
}

/// A decimal number without a sign.
pub(super) fn sixteen_bits(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn version(node: Node<'_, '_>, name: &'static str) -> Result<Option<Version>, At> {
    let text = text(Some(node));
    if text.is_empty() {
        return Ok(None);
    }
    let version = text
        .parse()
        .map_err(|_| value(node, name, "a version such as 1.0"));
    version.map(Some)
}

fn multiplicity(node: Option<Node<'_, '_>>) -> Result<Multiplicity, At> {
    let choice = [
        ("Single", Multiplicity::Single),
        ("Multiple", Multiplicity::Multiple),
    ];
    choose(node, "MultipleInstances", "Single or Multiple", choice)
}

fn mandatory(node: Option<Node<'_, '_>>) -> Result<bool, At> {
    let choice = [("Optional", false), ("Mandatory", true)];
    choose(node, "Mandatory", "Mandatory or Optional", choice)
}

/// One of two; the first if the element is missing or empty.
fn choose<T: Copy>(
    node: Option<Node<'_, '_>>,
    name: &'static str,
    expected: &'static str,
    choice: [(&str, T); 2],
) -> Result<T, At> {
    let [(_, default), _] = choice;
    let text = text(node);
    match node {
        Some(node) if !text.is_empty() => choice
            .iter()
            .find(|(name, _)| text.eq_ignore_ascii_case(name))
            .map(|(_, chosen)| *chosen)
            .ok_or_else(|| value(node, name, expected)),
        _ => Ok(default),
    }
}

fn operations(node: Option<Node<'_, '_>>) -> Result<Operations, At> {
    const NAMES: [(&str, Operations); 7] = [
        ("", Operations::None),
        ("R", Operations::Read),
        ("W", Operations::Write),
        ("RW", Operations::ReadWrite),
        ("R/W", Operations::ReadWrite),
        ("WR", Operations::ReadWrite),
        ("E", Operations::Execute),
    ];
    let Some(node) = node else {
        return Ok(Operations::None);
    };
    let text = text(Some(node));
    let mut names = NAMES.iter();
    names
        .find(|(name, _)| name.eq_ignore_ascii_case(&text))
        .map(|(_, operations)| *operations)
        .ok_or_else(|| value(node, "Operations", "R, W, RW, E or nothing"))
}

/// The type of this name, and whether it has no negative values.
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
