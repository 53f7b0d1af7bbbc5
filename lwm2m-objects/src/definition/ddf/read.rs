//! From a file to definitions.

use alloc::{
    borrow::Cow,
    string::{String, ToString},
    vec::Vec,
};

use lwm2m_core::{ObjectId, ResourceId, Version};
use roxmltree::Node;

use super::{
    Limits,
    argument::argument,
    document::{decode, parse},
    element::{
        elements, fields, mandatory, multiplicity, number, owned, start, text, text_start, version,
    },
    fault::{At, DdfError, DdfFault, Severity, excerpt},
    report::{Findings, Report},
    resource::resource,
};
use crate::definition::{
    ArgumentDefinition, DefinitionFault, ObjectDefinition, ResourceDefinition, Urn, UrnClass,
    UrnError,
};

/// Reads all Objects of a file within the default [`Limits`], or returns the first error. Warnings
/// are ignored; [`read_all`] reports them, and [`Report::strict`] treats them as errors. See the
/// [module](super) for what is understood, and what is an error.
pub fn read(file: &[u8]) -> Result<Vec<ObjectDefinition>, DdfError> {
    read_within(file, &Limits::default())
}

/// Like [`read`], within these limits.
pub fn read_within(file: &[u8], limits: &Limits) -> Result<Vec<ObjectDefinition>, DdfError> {
    read_all_within(file, limits).complete()
}

/// Reads the usable Objects of a file within the default [`Limits`], and reports all of its faults. A
/// fault of one Object doesn't affect the others.
pub fn read_all(file: &[u8]) -> Report {
    read_all_within(file, &Limits::default())
}

/// Like [`read_all`], within these limits.
pub fn read_all_within(file: &[u8], limits: &Limits) -> Report {
    let text = match decode(file, limits) {
        Ok(text) => text,
        Err(error) => return Report::refused(error),
    };
    let document = parse(&text, limits);
    let read = document.and_then(|document| {
        let mut findings = Findings::default();
        let objects = objects(document.root_element(), &mut findings)?;
        Ok(findings.report(objects, &text))
    });
    read.unwrap_or_else(|at| Report::refused(at.locate(&text)))
}

fn objects(root: Node<'_, '_>, findings: &mut Findings) -> Result<Vec<ObjectDefinition>, At> {
    let name = root.tag_name().name();
    if !name.eq_ignore_ascii_case("LWM2M") {
        let found = excerpt(name).into_string().into();
        return Err(At::new(start(root), DdfFault::Root { found }));
    }
    if elements(root, "Object").next().is_none() {
        return Err(At::new(start(root), DdfFault::Missing("Object")));
    }
    let objects = elements(root, "Object").filter_map(|node| {
        let definition = object(node, findings);
        let usable = findings.end_object();
        definition.filter(|_| usable)
    });
    Ok(objects.collect())
}

fn object(node: Node<'_, '_>, findings: &mut Findings) -> Option<ObjectDefinition> {
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
        findings,
    );
    let id = identifier(node, id, findings);
    let identity = identity(id, urn, version, findings);
    let enabler = self::enabler(enabler, findings);
    let instances = multiplicity(instances, findings);
    let mandatory = self::mandatory(mandatory, findings);
    let resources = self::resources(resources, findings);
    let arguments = arguments(node, &resources, findings);
    let (urn_text, version) = identity?;
    let definition = ObjectDefinition {
        id: id?,
        name: owned(text(name)),
        urn: Cow::Owned(urn_text),
        version,
        enabler,
        instances,
        mandatory,
        description: self::description(description, more_description),
        resources: Cow::Owned(resources),
        arguments: Cow::Owned(arguments),
    };
    rules(&definition, urn.map_or(start(node), text_start), findings);
    Some(definition)
}

/// Reports the rules that the definition breaks; those of the URN, which stands at `urn`.
fn rules(definition: &ObjectDefinition, urn: usize, findings: &mut Findings) {
    for error in definition.faults() {
        let severity = match error.fault {
            // Reported already, at the Resource.
            DefinitionFault::NoType | DefinitionFault::Duplicate => continue,
            fault if fault.is_warning() => Severity::Warning,
            _ => Severity::Object,
        };
        findings.rule(urn, severity, error.resource, error.fault);
    }
}

fn identifier(
    object: Node<'_, '_>,
    id: Option<Node<'_, '_>>,
    findings: &mut Findings,
) -> Option<ObjectId> {
    let Some(node) = id else {
        findings.error(start(object), DdfFault::Missing("ObjectID"));
        return None;
    };
    let id = number(&text(id), text_start(node), "ObjectID", findings).map(ObjectId::new)?;
    findings.identify(id);
    Some(id)
}

/// The URN and the version of an Object. Each is taken from the other if it is missing.
fn identity(
    id: Option<ObjectId>,
    urn: Option<Node<'_, '_>>,
    version: Option<Node<'_, '_>>,
    findings: &mut Findings,
) -> Option<(String, Version)> {
    let stated = self::version(version, "ObjectVersion");
    let stated = stated.unwrap_or_else(|fault| {
        findings.error(version.map_or(0, text_start), fault);
        None
    });
    let urn_text = text(urn);
    let Some(node) = urn.filter(|_| !urn_text.is_empty()) else {
        let (id, version) = (id?, stated.unwrap_or_default());
        // A reserved Object ID has no class; the rules of definitions report that.
        let class = UrnClass::of(id).unwrap_or(UrnClass::Oma);
        return Some((Urn::new(class, id, version).to_string(), version));
    };
    let parsed: Urn = match urn_text.parse() {
        Ok(urn) => urn,
        Err(error) => {
            let expected = match error {
                UrnError::Prefix => "an Object URN that begins with urn:oma:lwm2m:",
                UrnError::Class => "a URN with the class oma, ext or x",
                UrnError::Object(_) => "a URN with an Object ID of 0 to 65535 after the class",
                UrnError::Version(_) => {
                    "a URN that ends with an Object ID or a version such as 1.0"
                }
            };
            let fault = DdfFault::value("ObjectURN", expected, &urn_text);
            findings.error(text_start(node), fault);
            return None;
        }
    };
    Some(match (stated, parsed.explicit_version) {
        // Also if the two differ; the rules of definitions report that.
        (Some(version), Some(_)) => (urn_text.into_owned(), version),
        (Some(version), None) => {
            let urn = if version == Version::INITIAL {
                urn_text.into_owned()
            } else {
                Urn::new(parsed.class, parsed.object, version).to_string()
            };
            (urn, version)
        }
        (None, _) => (urn_text.into_owned(), parsed.version()),
    })
}

/// The lowest version of the Enabler; any version, if the text is not understood.
fn enabler(node: Option<Node<'_, '_>>, findings: &mut Findings) -> Version {
    match version(node, "LWM2MVersion") {
        Ok(version) => version.unwrap_or_default(),
        Err(fault) => {
            findings.warn(node.map_or(0, text_start), fault);
            Version::INITIAL
        }
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

/// The Resources, in ascending order of their identifiers.
fn resources(node: Option<Node<'_, '_>>, findings: &mut Findings) -> Vec<ResourceDefinition> {
    let items = node.into_iter().flat_map(|node| elements(node, "Item"));
    let read = items.filter_map(|item| Some((resource(item, findings)?, start(item))));
    let mut read: Vec<_> = read.collect();
    // A stable sort: of two with the same number, the later one is at fault.
    read.sort_by_key(|(resource, _)| resource.id);
    let mut previous: Option<ResourceId> = None;
    for (resource, offset) in &read {
        if previous.replace(resource.id) == Some(resource.id) {
            let fault = DefinitionFault::Duplicate;
            findings.rule(*offset, Severity::Object, previous, fault);
        }
    }
    read.into_iter().map(|(resource, _)| resource).collect()
}

/// The arguments of these Resources, in ascending order. Invalid ones are left out.
fn arguments(
    object: Node<'_, '_>,
    resources: &[ResourceDefinition],
    findings: &mut Findings,
) -> Vec<ArgumentDefinition> {
    let instructions = object.children().filter_map(|child| {
        let instruction = child.pi()?;
        (instruction.target == "lwm2m-argument")
            .then(|| (start(child), instruction.value.unwrap_or_default()))
    });
    let mut read = Vec::new();
    for (offset, text) in instructions {
        match argument(text) {
            Ok(argument) => read.push((argument, offset)),
            Err(fault) => findings.warn(offset, fault),
        }
    }
    let place = |argument: &ArgumentDefinition| (argument.resource, argument.digit);
    read.sort_by_key(|(argument, _)| place(argument));
    let mut arguments: Vec<ArgumentDefinition> = Vec::new();
    for (argument, offset) in read {
        let id = argument.resource;
        let of = resources.binary_search_by_key(&id, |resource| resource.id);
        let of = of.ok().and_then(|at| resources.get(at));
        let fault = if !of.is_some_and(|resource| resource.operations.executable()) {
            DefinitionFault::ArgumentResource
        } else if arguments.last().map(place) == Some(place(&argument)) {
            DefinitionFault::ArgumentOrder {
                digit: argument.digit,
            }
        } else {
            arguments.push(argument);
            continue;
        };
        findings.rule(offset, Severity::Warning, Some(id), fault);
    }
    arguments
}
