//! The effective attributes of observations, found slowly from what servers have set (TS 5.1.1, 5.1.2).

use std::collections::BTreeMap;

use lwm2m_core::{Attributes, ObjectId, Path, Value};
use lwm2m_statemachine::Client;

use super::{
    device::Device,
    objects::{self, SERVERS},
};

/// What a server has set, and what holds where it has set nothing.
pub(crate) struct Periods {
    own: BTreeMap<Path, Attributes>,
    default_minimum: Option<u32>,
    default_maximum: Option<u32>,
}

impl Periods {
    pub(crate) fn of(client: &Client, server: usize) -> Self {
        let instance = Device::account(server).instance();
        let default = |resource: u16| {
            let path = Path::Resource(ObjectId::SERVER, instance, resource.into());
            match client.tree().get(path) {
                Some(Value::Integer(seconds)) => u32::try_from(seconds).ok(),
                _ => None,
            }
        };
        Self {
            own: client.reporting().attributes(SERVERS[server]).collect(),
            default_minimum: default(2),
            default_maximum: default(3),
        }
    }

    /// The lowest level that has it wins.
    fn lowest<T>(&self, resource: Path, get: impl Fn(&Attributes) -> Option<T>) -> Option<T> {
        let mut levels = core::iter::successors(Some(resource), Path::parent);
        levels.find_map(|level| self.own.get(&level).and_then(&get))
    }

    /// Whether every change of a Resource is told at once.
    pub(crate) fn tells_each_change(&self, resource: Path) -> bool {
        let pmin = self.lowest(resource, |at| at.pmin).or(self.default_minimum);
        let threshold = self.lowest(resource, |at| at.gt.or(at.lt).or(at.st));
        pmin.unwrap_or(0) == 0 && threshold.is_none()
    }

    /// The Maximum Period of a Resource, in seconds.
    pub(crate) fn maximum(&self, resource: Path) -> Option<u32> {
        self.lowest(resource, |at| at.pmax).or(self.default_maximum)
    }

    /// The shortest Maximum Period of the Resources that can be read at a path, in seconds.
    pub(crate) fn shortest_maximum(
        &self,
        client: &Client,
        server: usize,
        path: Path,
    ) -> Option<u32> {
        let values = objects::readable(client.tree(), SERVERS[server], path);
        let resources = values.keys().map(|at| match *at {
            Path::ResourceInstance(object, instance, resource, _) => {
                Path::Resource(object, instance, resource)
            }
            at => at,
        });
        resources.filter_map(|at| self.maximum(at)).min()
    }
}
