//! The link-format documents of a Client: its object list, and the answers to Discover
//! (TS 5.3.1, 5.4.2).

use alloc::vec::Vec;

use lwm2m_core::{Code, ContentFormat, InstanceId, ObjectId, Path, Version};
use lwm2m_linkformat::{DiscoverWriter, RegistrationRoot, RegistrationWriter, RootPath};
use lwm2m_objects::{Object, ObjectTree};

use super::refusal::Refusal;
use crate::coap::MessageBuf;

/// The list of Objects and Object Instances, without the Security Object (TS 5.3.1).
pub(super) fn object_list(tree: &ObjectTree) -> Vec<u8> {
    // Every Object supports JSON. Old servers look for the resource type.
    let root = RegistrationRoot {
        content_formats: &[ContentFormat::JSON],
        resource_type: true,
        ..RegistrationRoot::default()
    };
    let mut list = Vec::with_capacity(96);
    let mut writer = RegistrationWriter::new(&mut list, root);
    for object in tree.objects() {
        let definition = object.definition();
        if definition.id != ObjectId::SECURITY {
            writer.object(
                definition.id,
                version(object),
                tree.instances(definition.id),
            );
        }
    }
    list
}

/// The version of an Object, where TS Table 19 requires it.
fn version(object: &dyn Object) -> Option<Version> {
    let version = object.definition().version;
    (version != Version::INITIAL).then_some(version)
}

/// Discover (TS 5.4.2). Of an Object it lists the Object, its Instances and their Resources; of an
/// Object Instance, the Instance and its Resources; of a Resource, the Resource alone.
pub(super) fn discover(tree: &ObjectTree, path: Path) -> Result<MessageBuf, Refusal> {
    let id = match (path, path.object()) {
        (Path::ResourceInstance(..), _) | (_, None) => return Err(Refusal::NotSupported),
        (_, Some(id)) => id,
    };
    let (object, _) = tree.locate(path).ok_or(Refusal::NotFound)?;
    let mut answer = MessageBuf::response_with_capacity(Code::CONTENT, 256);
    answer.content_format(ContentFormat::LINK_FORMAT)?;
    let mut links = DiscoverWriter::new(answer.payload_mut(), RootPath::default());
    match (path.instance(), path.resource()) {
        (_, Some(_)) => resource(tree, path, &mut links),
        (Some(instance), None) => object_instance(tree, id, instance, &mut links),
        (None, None) => {
            let link = links.link(path);
            if let Some(version) = version(object) {
                let _ = link.version(version);
            }
            for instance in tree.instances(id) {
                object_instance(tree, id, instance, &mut links);
            }
        }
    }
    Ok(answer)
}

fn object_instance(
    tree: &ObjectTree,
    object: ObjectId,
    instance: InstanceId,
    links: &mut DiscoverWriter<'_, '_>,
) {
    links.link(Path::Instance(object, instance));
    for found in tree.resources(object, instance) {
        resource(tree, Path::Resource(object, instance, found.id), links);
    }
}

fn resource(tree: &ObjectTree, path: Path, links: &mut DiscoverWriter<'_, '_>) {
    let link = links.link(path);
    // The attribute is an 8-bit number (TS Table 3); a larger dimension is left out.
    let dimension = tree.dimension(path).map(u8::try_from);
    if let Some(Ok(dimension)) = dimension {
        let _ = link.dimension(dimension);
    }
}
