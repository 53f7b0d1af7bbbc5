//! What one server may read, and what governs its notifications (TS 5.1, 7.3.2.5).

use lwm2m_core::{
    AccessRights, DefaultPeriods, InstanceId, NotificationConditions, ObjectId, Path, ResourceId,
    ShortServerId, Value,
};
use lwm2m_objects::{ObjectTree, Operations, access};

use super::{super::attributes::AttributeStore, values::has_thresholds};

/// Resources of the Server Object (TS E.2).
const DEFAULT_MINIMUM_PERIOD: ResourceId = ResourceId::new(2);
const DEFAULT_MAXIMUM_PERIOD: ResourceId = ResourceId::new(3);
const NOTIFICATION_STORING: ResourceId = ResourceId::new(6);

/// The tree and the attributes as one server sees them.
pub(super) struct View<'v> {
    pub(super) tree: &'v ObjectTree,
    attributes: &'v AttributeStore,
    server: ShortServerId,
    periods: DefaultPeriods,
    observed: Option<Observed>,
}

/// What a server sees of a path that it observes, looked up once.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each answers a question of its own"
)]
pub(super) struct Observed {
    path: Path,
    exists: bool,
    may_read: bool,
    /// Whether it is a Resource whose value the server can read now.
    has_value: bool,
    is_uniform: bool,
    conditions: NotificationConditions,
}

impl<'v> View<'v> {
    pub(super) const fn new(
        tree: &'v ObjectTree,
        attributes: &'v AttributeStore,
        server: ShortServerId,
        periods: DefaultPeriods,
    ) -> Self {
        Self {
            tree,
            attributes,
            server,
            periods,
            observed: None,
        }
    }

    /// Looks a path up, for views that [know](Self::knowing) it.
    pub(super) fn look_up(&self, path: Path) -> Observed {
        let target = self.tree.target(path);
        let (exists, may_read) = (target.exists(), self.may_read(path));
        let operations = target.resource().map(|resource| resource.operations);
        let is_readable = operations.is_some_and(Operations::readable);
        Observed {
            path,
            exists,
            may_read,
            has_value: exists && may_read && is_readable,
            is_uniform: self.is_uniform(path),
            conditions: self.conditions(path),
        }
    }

    /// The same view, which knows what was looked up in it.
    pub(super) const fn knowing(mut self, observed: Observed) -> Self {
        self.observed = Some(observed);
        self
    }

    /// What is known of a path.
    fn known(&self, path: Path) -> Option<&Observed> {
        self.observed.as_ref().filter(|known| known.path == path)
    }

    /// What governs the notifications of what is at `path`: the attributes of its level and of those
    /// above, and the default periods of the account.
    pub(super) fn conditions(&self, path: Path) -> NotificationConditions {
        if let Some(known) = self.known(path) {
            return known.conditions;
        }
        let attributes = self.attributes.effective(self.server, path);
        attributes.conditions(self.periods)
    }

    /// Whether the server may read what is at `path`. An Object may always be read: it has the Object
    /// Instances that the server may read.
    pub(super) fn may_read(&self, path: Path) -> bool {
        if let Some(known) = self.known(path) {
            return known.may_read;
        }
        match (path.object(), path.instance()) {
            (Some(object), Some(instance)) => self.may_read_instance(object, instance),
            _ => true,
        }
    }

    pub(super) fn may_read_instance(&self, object: ObjectId, instance: InstanceId) -> bool {
        access::rights(self.tree, self.server, object, instance).contains(AccessRights::READ)
    }

    /// The Object Instances of an Object that the server may read.
    pub(super) fn instances(&self, object: ObjectId) -> impl Iterator<Item = InstanceId> {
        let instances = self.tree.instances(object);
        instances.filter(move |instance| self.may_read_instance(object, *instance))
    }

    /// The Resources at `path` and below it that the server may read.
    pub(super) fn resources(&self, path: Path) -> impl Iterator<Item = Path> {
        let of_all = match path {
            Path::Object(object) => Some(self.instances(object).map(move |id| (object, id))),
            _ => None,
        };
        let of_one = path.object().zip(path.instance());
        let of_one = of_one.filter(|(object, id)| self.may_read_instance(*object, *id));
        let instances = of_all.into_iter().flatten().chain(of_one);
        instances.flat_map(move |(object, instance)| {
            readable(self.tree, object, instance, path.resource())
        })
    }

    /// The Resources at `path` and below it that have `gt`, `lt` or `st`, whether or not the server may
    /// read them.
    pub(super) fn with_thresholds(&self, path: Path) -> impl Iterator<Item = Path> {
        let own = self.attributes.below(self.server, path).map(|(at, _)| at);
        own.filter(|at| has_thresholds(&self.conditions(*at)) && self.exists(*at))
    }

    /// Whether the server has set nothing below `path`, so that all there has the same conditions.
    pub(super) fn is_uniform(&self, path: Path) -> bool {
        if let Some(known) = self.known(path) {
            return known.is_uniform;
        }
        let mut own = self.attributes.below(self.server, path);
        own.all(|(at, _)| at == path)
    }

    /// The shortest Maximum Period of what the server may read at `path` and below it.
    pub(super) fn maximum(&self, path: Path) -> Option<u32> {
        if self.is_uniform(path) {
            let has_value = self.known(path).is_some_and(|known| known.has_value)
                || self.resources(path).next().is_some();
            return has_value.then(|| self.conditions(path).pmax).flatten();
        }
        let each = self.resources(path);
        each.filter_map(|resource| self.conditions(resource).pmax)
            .min()
    }

    /// Whether there is something at `path`.
    pub(super) fn exists(&self, path: Path) -> bool {
        match self.known(path) {
            Some(known) => known.exists,
            None => self.tree.target(path).exists(),
        }
    }
}

/// The default periods of an account (TS E.2), by its Server Object Instance.
pub(super) fn default_periods(tree: &ObjectTree, account: Option<InstanceId>) -> DefaultPeriods {
    let seconds = |resource| match value(tree, account, resource)? {
        // A negative period isn't one.
        Value::Integer(seconds) => u32::try_from(seconds).ok(),
        _ => None,
    };
    DefaultPeriods {
        pmin: seconds(DEFAULT_MINIMUM_PERIOD).unwrap_or(0),
        pmax: seconds(DEFAULT_MAXIMUM_PERIOD),
    }
}

/// Whether notifications to a server are stored while the Client is offline (TS E.2, Resource 6). By
/// default they are.
pub(super) fn stores(tree: &ObjectTree, account: Option<InstanceId>) -> bool {
    value(tree, account, NOTIFICATION_STORING) != Some(Value::Boolean(false))
}

fn value(tree: &ObjectTree, account: Option<InstanceId>, resource: ResourceId) -> Option<Value> {
    tree.get(Path::Resource(ObjectId::SERVER, account?, resource))
}

/// The Resources of an Object Instance that can be read, or that one of them.
fn readable(
    tree: &ObjectTree,
    object: ObjectId,
    instance: InstanceId,
    only: Option<ResourceId>,
) -> impl Iterator<Item = Path> {
    let one = only.and_then(|id| {
        let target = tree.target(Path::Resource(object, instance, id));
        target.resource().filter(|_| target.exists())
    });
    let all = only.is_none().then(|| tree.resources(object, instance));
    let resources = all.into_iter().flatten().chain(one);
    resources
        .filter(|resource| resource.operations.readable())
        .map(move |resource| Path::Resource(object, instance, resource.id))
}
