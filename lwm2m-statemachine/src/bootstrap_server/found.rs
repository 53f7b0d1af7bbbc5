//! What a Bootstrap-Discover found (TS 5.2.7.3).

use alloc::vec::Vec;

use lwm2m_core::{InstanceId, ObjectId, ShortServerId, Version};
use lwm2m_linkformat::BootstrapDiscoverLink;

/// What a client has, as its answer to a Bootstrap-Discover says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovered {
    links: Vec<BootstrapDiscoverLink>,
}

impl Discovered {
    /// All links, in the order of the answer.
    pub fn links(&self) -> &[BootstrapDiscoverLink] {
        &self.links
    }

    /// The version of the Enabler, if the client told it.
    pub fn enabler(&self) -> Option<Version> {
        self.links.iter().find_map(|link| match link {
            BootstrapDiscoverLink::Enabler(version) => Some(*version),
            _ => None,
        })
    }

    /// The Objects, with or without Instances, in ascending order.
    pub fn objects(&self) -> Vec<ObjectId> {
        let objects = self.links.iter().filter_map(|link| match link {
            BootstrapDiscoverLink::Object { object, .. }
            | BootstrapDiscoverLink::Instance { object, .. } => Some(*object),
            BootstrapDiscoverLink::Enabler(_) => None,
        });
        let mut objects: Vec<_> = objects.collect();
        objects.sort_unstable();
        objects.dedup();
        objects
    }

    /// The Object Instances with their Short Server IDs, which only those of Objects 0 and 1 have, in
    /// the order of the answer.
    pub fn instances(&self) -> impl Iterator<Item = (ObjectId, InstanceId, Option<ShortServerId>)> {
        self.links.iter().filter_map(|link| match link {
            BootstrapDiscoverLink::Instance {
                object,
                instance,
                short_server_id,
                ..
            } => Some((*object, *instance, *short_server_id)),
            _ => None,
        })
    }

    /// The Object Instances of one Object.
    pub fn instances_of(&self, object: ObjectId) -> impl Iterator<Item = InstanceId> {
        self.instances()
            .filter_map(move |(of, instance, _)| (of == object).then_some(instance))
    }

    /// The Security Object Instance of the Bootstrap-Server: the one without a Short Server ID. It is
    /// `None` if there isn't exactly one.
    pub fn bootstrap_account(&self) -> Option<InstanceId> {
        let mut accounts = self.instances().filter_map(|(object, instance, server)| {
            (object == ObjectId::SECURITY && server.is_none()).then_some(instance)
        });
        let first = accounts.next()?;
        accounts.next().is_none().then_some(first)
    }

    /// The servers that have a Security Object Instance, with that.
    pub fn servers(&self) -> impl Iterator<Item = (ShortServerId, InstanceId)> {
        self.instances().filter_map(|(object, instance, server)| {
            (object == ObjectId::SECURITY)
                .then_some(server)?
                .map(|server| (server, instance))
        })
    }

    /// Whether there is a Server Object Instance of this server.
    pub(super) fn has_server_object(&self, server: ShortServerId) -> bool {
        self.instances()
            .any(|(object, _, of)| object == ObjectId::SERVER && of == Some(server))
    }
}

impl FromIterator<BootstrapDiscoverLink> for Discovered {
    fn from_iter<I: IntoIterator<Item = BootstrapDiscoverLink>>(links: I) -> Self {
        Self {
            links: links.into_iter().collect(),
        }
    }
}

impl From<Vec<BootstrapDiscoverLink>> for Discovered {
    fn from(links: Vec<BootstrapDiscoverLink>) -> Self {
        Self { links }
    }
}
