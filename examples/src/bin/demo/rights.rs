//! Who may do what, from the Access Control Object.

use std::collections::BTreeMap;

use lwm2m_core::{
    AccessRights, InstanceId, ObjectId, Path, ResourceInstanceId, Value, codec::Content,
};
use lwm2m_objects::typed::{AccessControl, AclTarget};

use crate::stage::SERVERS;

/// A table with one line for each target, from all Access Control Object Instances.
pub(crate) fn table(content: &Content) -> Vec<String> {
    let mut instances: BTreeMap<InstanceId, AccessControl> = BTreeMap::new();
    for (path, value) in content.values() {
        if let (Some(id), Some(resource), Value::Integer(number)) =
            (path.instance(), path.resource(), value)
        {
            let control = instances.entry(id).or_insert(AccessControl {
                target: AclTarget::Object(ObjectId::new(0)),
                acl: Vec::new(),
                owner: AccessControl::NOBODY,
            });
            let number = u16::try_from(*number).unwrap_or_default();
            let entry = path.resource_instance();
            read(
                control,
                resource.get(),
                entry.map(ResourceInstanceId::get),
                number,
            );
        }
    }
    let mut lines = vec![format!("{:18}{:<6}{}", "", SERVERS[0], SERVERS[1])];
    for control in instances.values() {
        let (path, what) = match control.target {
            AclTarget::Object(object) => (Path::Object(object), "new ones"),
            AclTarget::Instance(object, instance) => (Path::Instance(object, instance), ""),
        };
        let rights = SERVERS.map(|server| {
            let rights = control.rights_of(server);
            // The right on an Object is in an entry of the server's own.
            let rights = match control.target {
                AclTarget::Object(_) => own(control, server.get()),
                AclTarget::Instance(..) => rights,
            };
            rights.to_string()
        });
        let target = format!("{path} {what}");
        lines.push(format!("  {target:16}{:<6}{}", rights[0], rights[1]));
    }
    lines
}

/// Takes one value of an instance.
fn read(control: &mut AccessControl, resource: u16, entry: Option<u16>, number: u16) {
    match (resource, entry) {
        (0, _) => control.target = AclTarget::Object(ObjectId::new(number)),
        (1, _) => {
            if let (AclTarget::Object(object), Some(id)) = (control.target, InstanceId::new(number))
            {
                control.target = AclTarget::Instance(object, id);
            }
        }
        (2, Some(server)) => control.acl.push((server, AccessRights::from_bits(number))),
        (3, _) => control.owner = number,
        _ => {}
    }
}

fn own(control: &AccessControl, server: u16) -> AccessRights {
    let entry = control.acl.iter().find(|(id, _)| *id == server);
    entry.map_or(AccessRights::NONE, |(_, rights)| *rights)
}
