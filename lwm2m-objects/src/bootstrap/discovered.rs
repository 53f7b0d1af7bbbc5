//! What a Bootstrap-Discover lists (TS 5.2.7.3).

use lwm2m_core::{InstanceId, ObjectId, Path, ShortServerId, Version};

use super::refusal::Refusal;
use crate::{
    access::accounts::{is_bootstrap_server, security_id, server_id},
    tree::{Object, ObjectTree},
};

/// An Object that a Bootstrap-Discover lists.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "borrows a trait object")]
pub struct DiscoveredObject<'t> {
    tree: &'t ObjectTree,
    object: &'t dyn Object,
}

impl<'t> DiscoveredObject<'t> {
    /// Which Object it is.
    pub fn id(&self) -> ObjectId {
        self.object.definition().id
    }

    /// Its version, where it has to be told: it isn't the Initial Version (TS 6.2.3, Table 19).
    pub fn version(&self) -> Option<Version> {
        let version = self.object.definition().version;
        (version != Version::INITIAL).then_some(version)
    }

    /// The Object Instances, in order, those of Security and Server Object with the Short Server ID
    /// (`ssid`) if they have one. The Bootstrap-Server's has none, even if it carries a number.
    pub fn instances(&self) -> impl Iterator<Item = (InstanceId, Option<ShortServerId>)> + use<'t> {
        let (tree, id) = (self.tree, self.id());
        tree.instances(id).map(move |instance| {
            let server = match id {
                ObjectId::SECURITY if is_bootstrap_server(tree, instance) => None,
                ObjectId::SECURITY => security_id(tree, instance),
                ObjectId::SERVER => server_id(tree, instance),
                _ => None,
            };
            (instance, server)
        })
    }
}

/// The Objects that a Bootstrap-Discover of `/` or of an Object lists (TS 5.2.7.3), the Security
/// Object included.
///
/// ```
/// use lwm2m_core::{ObjectId, ShortServerId};
/// use lwm2m_objects::{bootstrap, example};
///
/// let tree = example::client();
/// let found = bootstrap::discover(&tree, "/0".parse()?)?.next().unwrap();
/// let servers: Vec<_> = found.instances().map(|(_, server)| server).collect();
/// assert_eq!(servers, [None, Some(example::SERVER_1), Some(example::SERVER_2)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Refusal::NotFound`] (4.04) without the Object, [`Refusal::Target`] (4.00) for any other target
/// (TS Table 6).
pub fn discover(
    tree: &ObjectTree,
    target: Path,
) -> Result<impl Iterator<Item = DiscoveredObject<'_>>, Refusal> {
    let only = match target {
        Path::Root => None,
        Path::Object(id) if tree.object(id).is_none() => return Err(Refusal::NotFound(target)),
        Path::Object(id) => Some(id),
        _ => return Err(Refusal::Target(target)),
    };
    let objects = tree.objects().filter(move |object| {
        let id = object.definition().id;
        only.is_none_or(|only| only == id)
    });
    Ok(objects.map(|object| DiscoveredObject { tree, object }))
}
