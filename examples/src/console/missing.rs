//! Notes about Objects and Resources without a definition, each printed once.

use core::fmt;
use std::collections::BTreeSet;

use lwm2m_core::{ObjectId, Path, ResourceId, Version};
use lwm2m_statemachine::{
    Peer,
    server::{RegistrationId, Server},
};

/// A definition that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Missing {
    /// There is none of this Object.
    Object(ObjectId),
    /// There are only definitions of other versions.
    Version(ObjectId, Version),
    /// The definition of the Object lacks this Resource.
    Resource(ObjectId, ResourceId),
}

/// The consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    ShownRaw,
    WrittenAsText,
}

/// The notes that were printed.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeSet<(Missing, Effect)>);

impl Missing {
    /// What is missing for the Resource at this path of a client.
    pub(super) fn of<P: Peer>(
        server: &Server<P>,
        registration: RegistrationId,
        path: Path,
    ) -> Option<Self> {
        let (object, resource) = (path.object()?, path.resource()?);
        match server.definitions(registration)?.object(object) {
            Some(found) if found.resource(resource).is_some() => None,
            Some(_) => Some(Self::Resource(object, resource)),
            None if server.registry().object(object).is_some() => {
                let version = server.registration(registration)?.object_version(object)?;
                Some(Self::Version(object, version))
            }
            None => Some(Self::Object(object)),
        }
    }
}

impl Notes {
    /// The note, unless it was printed before.
    pub(super) fn note(&mut self, missing: Missing, effect: Effect) -> Option<String> {
        let new = self.0.insert((missing, effect));
        new.then(|| format!("no definition of {missing}: {effect}; load one with --ddf"))
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(object) => write!(f, "Object {object}"),
            Self::Version(object, version) => write!(f, "Object {object} in version {version}"),
            Self::Resource(object, resource) => write!(f, "Resource {resource} of Object {object}"),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ShownRaw => "values are shown raw",
            Self::WrittenAsText => "values are written as text",
        })
    }
}
