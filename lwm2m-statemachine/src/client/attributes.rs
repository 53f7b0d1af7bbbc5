//! The NOTIFICATION class attributes that servers have set (TS 5.1, 5.4.4).
//!
//! They are kept for each server apart, at the level at which it has set them. They stay when the
//! registration ends and begins anew, and go with the account of the server and with the Object Instance
//! that they are about.

use alloc::{collections::BTreeMap, vec::Vec};

use lwm2m_core::{
    AttributeLevel, Attributes, AttributesUpdate, Change, DataType, ObjectId, Operation, Path,
    ShortServerId,
};
use lwm2m_objects::{ObjectTree, Target};

use super::refusal::Refusal;

/// The attributes of all servers.
#[derive(Clone, Debug)]
pub(super) struct AttributeStore {
    /// No set in it is empty, and neither is what a server has.
    by_server: BTreeMap<ShortServerId, BTreeMap<Path, Attributes>>,
    /// At how many paths a server may have attributes.
    most: usize,
}

impl AttributeStore {
    /// At how many paths servers have attributes.
    pub(super) fn len(&self) -> usize {
        self.by_server.values().map(BTreeMap::len).sum()
    }

    /// No attributes; `most` is the bound on the paths at which one server has some.
    pub(super) const fn new(most: usize) -> Self {
        Self {
            by_server: BTreeMap::new(),
            most,
        }
    }

    /// Write-Attributes (TS 5.4.4) on a target that has been admitted, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] for an attribute that the target can't have, and for a set that breaks a
    /// rule of TS 5.1.2; [`Refusal::Failed`] over the bound.
    pub(super) fn write(
        &mut self,
        server: ShortServerId,
        target: &Target<'_>,
        update: &AttributesUpdate,
    ) -> Result<(), Refusal> {
        let path = target.path();
        let level = AttributeLevel::of(&path).ok_or(Refusal::NotSupported)?;
        if names_thresholds(update) && !is_number(target) {
            return Err(Refusal::Malformed);
        }
        let mut attributes = self.own(server, path);
        let updated = attributes.update(level, update);
        updated.map_err(|_| Refusal::Malformed)?;
        self.set(server, path, attributes)
    }

    fn set(
        &mut self,
        server: ShortServerId,
        path: Path,
        attributes: Attributes,
    ) -> Result<(), Refusal> {
        let paths = self.by_server.entry(server).or_default();
        let fits = paths.len() < self.most || paths.contains_key(&path);
        let result = if attributes.is_empty() {
            paths.remove(&path);
            Ok(())
        } else if fits {
            paths.insert(path, attributes);
            Ok(())
        } else {
            Err(Refusal::Failed)
        };
        self.drop_empty();
        result
    }

    /// What a server has set at exactly this level.
    pub(super) fn own(&self, server: ShortServerId, path: Path) -> Attributes {
        let of_server = self.by_server.get(&server);
        let own = of_server.and_then(|paths| paths.get(&path));
        own.copied().unwrap_or_default()
    }

    /// What a server has set for a Resource: at its own level, else at that of its Object Instance, else
    /// at that of its Object (TS 5.1.1, rules 3 to 5). The default periods of the Server Object aren't
    /// among it.
    pub(super) fn effective(&self, server: ShortServerId, path: Path) -> Attributes {
        let Some(paths) = self.by_server.get(&server) else {
            return Attributes::NONE;
        };
        let levels = core::iter::successors(Some(path), Path::parent);
        let own = levels.filter_map(|level| paths.get(&level));
        own.fold(Attributes::NONE, |lower, own| lower.or(own))
    }

    /// What a server has set at a path and below it, by path.
    pub(super) fn below(
        &self,
        server: ShortServerId,
        path: Path,
    ) -> impl Iterator<Item = (Path, Attributes)> {
        let of_server = self.by_server.get(&server).into_iter();
        of_server.flat_map(move |paths| below(paths, path))
    }

    /// The Object Instances below a path on which, or below which, a server has set attributes.
    pub(super) fn instances_below(&self, path: Path) -> impl Iterator<Item = Path> {
        let of_servers = self.by_server.values();
        let all = of_servers.flat_map(move |paths| below(paths, path));
        all.filter_map(|(at, _)| Some(Path::Instance(at.object()?, at.instance()?)))
    }

    /// An Object Instance is gone: so are the attributes of all servers on it and below it.
    pub(super) fn remove_below(&mut self, path: Path) {
        for paths in self.by_server.values_mut() {
            let gone: Vec<Path> = below(paths, path).map(|(at, _)| at).collect();
            for at in gone {
                paths.remove(&at);
            }
        }
        self.drop_empty();
    }

    /// Keeps the attributes of the servers that still have an account.
    pub(super) fn retain(&mut self, has_account: impl Fn(ShortServerId) -> bool) {
        self.by_server.retain(|server, _| has_account(*server));
    }

    fn drop_empty(&mut self) {
        self.by_server.retain(|_, paths| !paths.is_empty());
    }
}

/// What a server has set at one level, in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct AttributesRecord {
    server: ShortServerId,
    path: Path,
    attributes: Attributes,
}

impl AttributeStore {
    pub(super) fn record(&self) -> Vec<AttributesRecord> {
        let of_servers = self.by_server.iter();
        let all = of_servers.flat_map(|(server, paths)| {
            paths.iter().map(|(path, attributes)| AttributesRecord {
                server: *server,
                path: *path,
                attributes: *attributes,
            })
        });
        all.collect()
    }

    /// Writes what a snapshot has, where a server could write it now, whatever its rights. What it couldn't is left
    /// out.
    pub(super) fn restore(
        &mut self,
        tree: &ObjectTree,
        has_account: impl Fn(ShortServerId) -> bool,
        records: &[AttributesRecord],
    ) {
        for record in records {
            let target = tree.target(record.path);
            let operation = Operation::WriteAttributes;
            let is_there = record
                .path
                .object()
                .is_some_and(|id| id != ObjectId::SECURITY)
                && target.exists_for(operation)
                && target.supports(operation)
                && has_account(record.server);
            if is_there {
                // It is refused whole, or written whole.
                let update = record.attributes.into();
                let _ = self.write(record.server, &target, &update);
            }
        }
    }
}

/// The attributes at a path and below it: what is below a path follows it.
fn below(
    paths: &BTreeMap<Path, Attributes>,
    path: Path,
) -> impl Iterator<Item = (Path, Attributes)> {
    let from = paths.range(path..);
    from.take_while(move |(at, _)| path.contains(at))
        .map(|(at, attributes)| (*at, *attributes))
}

/// Whether an update sets or unsets what only a number can have (TS Table 4).
fn names_thresholds(update: &AttributesUpdate) -> bool {
    [update.gt, update.lt, update.st]
        .iter()
        .any(|change| *change != Change::Keep)
}

/// Whether the target is a Resource whose values are numbers. A Time has its own data type
/// (TS Appendix C).
fn is_number(target: &Target<'_>) -> bool {
    let data_type = target.resource().and_then(|resource| resource.data_type);
    matches!(data_type, Some(DataType::Integer | DataType::Float))
}
