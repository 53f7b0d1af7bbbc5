//! What the commands list: values, Object Instances, accounts.

use lwm2m_core::{Attributes, InstanceId, ObjectId, Path};
use lwm2m_objects::{
    ObjectTree, Typed as _,
    typed::{AccessControl, AclTarget},
};
use serde_json::{Map, Value as Json};

use super::line::Line;

/// The values at a path and below it; none if there is nothing.
pub(super) fn values(tree: &ObjectTree, at: Path) -> Vec<Line> {
    let mut lines = Vec::new();
    for object in tree.objects() {
        let id = object.definition().id;
        for instance in tree.instances(id) {
            for resource in tree.resources(id, instance) {
                let path = Path::Resource(id, instance, resource.id);
                if !at.contains(&path) && !path.contains(&at) {
                    continue;
                }
                tree.visit(path, |path, value| {
                    if at.contains(&path) {
                        let line = Line::item("value").value(path, &value.to_owned());
                        lines.push(line.field(
                            "name",
                            &*resource.name,
                            in_brackets(&resource.name),
                        ));
                    }
                });
            }
        }
    }
    lines
}

fn in_brackets(name: &str) -> String {
    format!("({name})")
}

/// The Object Instances, with their owners and the rights of the servers.
pub(super) fn instances(tree: &ObjectTree) -> Vec<Line> {
    let controls = tree.instances(ObjectId::ACCESS_CONTROL);
    let controls: Vec<_> = controls
        .filter_map(|instance| AccessControl::load(tree, instance))
        .collect();
    let about = |target| controls.iter().find(|control| control.target == target);
    let mut lines = Vec::new();
    for object in tree.objects() {
        let definition = object.definition();
        let begin = |kind, path| {
            let line = Line::item(kind).path(path);
            line.field("name", &*definition.name, &definition.name)
        };
        if let Some(control) = about(AclTarget::Object(definition.id)) {
            lines.push(with_rights(begin("object", definition.id.into()), control));
        }
        for instance in tree.instances(definition.id) {
            let line = begin("instance", Path::Instance(definition.id, instance));
            let control = about(AclTarget::Instance(definition.id, instance));
            lines.push(match (control, target_of(tree, definition.id, instance)) {
                (Some(control), _) => with_rights(line, control),
                (None, Some(target)) => line.field("target", target.to_string(), target),
                (None, None) => line,
            });
        }
    }
    lines
}

/// Adds attributes, as an object of those that are set.
pub(super) fn with_attributes(line: Line, attributes: &Attributes) -> Line {
    let periods = [("pmin", attributes.pmin), ("pmax", attributes.pmax)];
    let thresholds = [
        ("gt", attributes.gt),
        ("lt", attributes.lt),
        ("st", attributes.st),
    ];
    let periods = periods
        .into_iter()
        .filter_map(|(name, seconds)| Some((name, Json::from(seconds?))));
    let thresholds = thresholds
        .into_iter()
        .filter_map(|(name, number)| Some((name, Json::from(number?))));
    let set: Map<_, _> = periods
        .chain(thresholds)
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    // As in a link, without the semicolon at the beginning.
    let shown = attributes.to_string();
    let shown = shown.trim_start_matches(';');
    line.field(
        "attributes",
        set,
        if shown.is_empty() { "none" } else { shown },
    )
}

/// What an Access Control Object Instance is about.
fn target_of(tree: &ObjectTree, object: ObjectId, instance: InstanceId) -> Option<Path> {
    if object != ObjectId::ACCESS_CONTROL {
        return None;
    }
    Some(match AccessControl::load(tree, instance)?.target {
        AclTarget::Object(object) => object.into(),
        AclTarget::Instance(object, instance) => Path::Instance(object, instance),
    })
}

fn with_rights(line: Line, control: &AccessControl) -> Line {
    let line = match control.owner {
        AccessControl::NOBODY => line.hidden("owner", Json::Null),
        owner => line.field("owner", owner, format_args!("owner={owner}")),
    };
    let entries = control.acl.iter();
    let rights: Map<_, _> = entries
        .clone()
        .map(|(server, rights)| (server.to_string(), rights.to_string().into()))
        .collect();
    let shown: Vec<_> = entries
        .map(|(server, rights)| format!("{server}:{rights}"))
        .collect();
    line.field("rights", rights, shown.join(" "))
}
