//! The link-format documents of a Client: its object list, and the answers to Discover
//! (TS 5.3.1, 5.4.2).

use alloc::vec::Vec;

use lwm2m_core::{
    Attributes, Code, ContentFormat, InstanceId, ObjectId, Path, ShortServerId, Version,
};
use lwm2m_linkformat::{
    DiscoverAttributeWriter, DiscoverWriter, RegistrationRoot, RegistrationWriter, RootPath,
};
use lwm2m_objects::{Object, ObjectTree};

use super::{attributes::AttributeStore, refusal::Refusal};
use crate::coap::MessageBuf;

/// The list of Objects and Object Instances, without the Security Object. It announces JSON if all of
/// them support it (TS 5.3.1).
pub(super) fn object_list(tree: &ObjectTree, path: RootPath<'_>) -> Vec<u8> {
    let listed = || {
        let objects = tree.objects();
        objects.filter(|object| object.definition().id != ObjectId::SECURITY)
    };
    let content_formats: &[_] = if listed().all(Object::supports_json) {
        &[ContentFormat::JSON]
    } else {
        &[]
    };
    // Old servers look for the resource type.
    let root = RegistrationRoot {
        path,
        content_formats,
        resource_type: true,
    };
    let mut list = Vec::with_capacity(96);
    let mut writer = RegistrationWriter::new(&mut list, root);
    for object in listed() {
        let id = object.definition().id;
        writer.object(id, version(object), tree.instances(id));
    }
    list
}

/// The version of an Object, where TS Table 19 requires it.
fn version(object: &dyn Object) -> Option<Version> {
    let version = object.definition().version;
    (version != Version::INITIAL).then_some(version)
}

/// Discover (TS 5.4.2). Of an Object it lists the Object, its Instances and their Resources; of an
/// Object Instance, the Instance and its Resources; each with the attributes that the server has set at
/// that level. Of a Resource it lists the Resource alone, with what it inherits from the levels above.
pub(super) fn discover(
    tree: &ObjectTree,
    attributes: &AttributeStore,
    server: ShortServerId,
    path: Path,
) -> Result<MessageBuf, Refusal> {
    let id = match (path, path.object()) {
        (Path::ResourceInstance(..), _) | (_, None) => return Err(Refusal::NotSupported),
        (_, Some(id)) => id,
    };
    let (object, _) = tree.locate(path).ok_or(Refusal::NotFound)?;
    let mut answer = MessageBuf::response_with_capacity(Code::CONTENT, 256);
    answer.content_format(ContentFormat::LINK_FORMAT)?;
    let mut list = List {
        tree,
        attributes,
        server,
        links: DiscoverWriter::new(answer.payload_mut(), RootPath::default()),
    };
    match (path.instance(), path.resource()) {
        (_, Some(_)) => list.resource(path, attributes.effective(server, path)),
        (Some(instance), None) => list.object_instance(id, instance),
        (None, None) => list.object(id, version(object)),
    }
    Ok(answer)
}

/// The answer to a Discover of one server.
struct List<'d> {
    tree: &'d ObjectTree,
    attributes: &'d AttributeStore,
    server: ShortServerId,
    links: DiscoverWriter<'d, 'static>,
}

impl List<'_> {
    fn object(&mut self, id: ObjectId, version: Option<Version>) {
        let path = Path::Object(id);
        let mut link = self.links.link(path);
        if let Some(version) = version {
            link = link.version(version);
        }
        set_attributes(link, self.attributes.own(self.server, path));
        for instance in self.tree.instances(id) {
            self.object_instance(id, instance);
        }
    }

    fn object_instance(&mut self, object: ObjectId, instance: InstanceId) {
        let path = Path::Instance(object, instance);
        let own = self.attributes.own(self.server, path);
        set_attributes(self.links.link(path), own);
        for found in self.tree.resources(object, instance) {
            let path = Path::Resource(object, instance, found.id);
            self.resource(path, self.attributes.own(self.server, path));
        }
    }

    fn resource(&mut self, path: Path, attributes: Attributes) {
        let mut link = self.links.link(path);
        // The attribute is an 8-bit number (TS Table 3); a larger dimension is left out.
        let dimension = self.tree.dimension(path).map(u8::try_from);
        if let Some(Ok(dimension)) = dimension {
            link = link.dimension(dimension);
        }
        set_attributes(link, attributes);
    }
}

fn set_attributes(link: DiscoverAttributeWriter<'_>, attributes: Attributes) {
    // Each value has been checked when it was set.
    let _ = link.attributes(&attributes);
}
