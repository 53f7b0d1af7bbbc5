//! The machines of the components, and what a transaction does to them.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use lwm2m_core::{InstanceId, Value};

use super::{
    machine::{Machine, Software},
    snapshot::Snapshot,
};
use crate::{
    behaviour::update::plan::{self, Pending, Plan},
    tree::{Change, WriteError},
    typed::software::values::Numbering,
};

/// A machine for each Object Instance.
#[derive(Debug)]
pub(super) struct Components {
    numbering: Numbering,
    machines: BTreeMap<InstanceId, Machine>,
    /// The previous machines of Object Instances that were created (`None`) or deleted, as long as
    /// that may be undone.
    before: BTreeMap<InstanceId, Option<Machine>>,
    /// The Object Instances with a package that has been applied and is not settled yet.
    pending: BTreeSet<InstanceId>,
}

/// The orders of a transaction, by Object Instance.
pub(super) type Plans<'c> = BTreeMap<InstanceId, Plan<'c>>;

impl Components {
    pub(super) const fn new(numbering: Numbering) -> Self {
        Self {
            numbering,
            machines: BTreeMap::new(),
            before: BTreeMap::new(),
            pending: BTreeSet::new(),
        }
    }

    pub(super) const fn numbering(&self) -> Numbering {
        self.numbering
    }

    pub(super) fn get(&self, instance: InstanceId) -> Option<&Machine> {
        self.machines.get(&instance)
    }

    pub(super) fn get_mut(&mut self, instance: InstanceId) -> Option<&mut Machine> {
        self.machines.get_mut(&instance)
    }

    /// Gives an Object Instance a new machine.
    pub(super) fn insert(&mut self, instance: InstanceId) {
        self.machines.insert(instance, Machine::new(self.numbering));
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.numbering);
    }

    pub(super) fn now(&self) -> BTreeMap<InstanceId, &Machine> {
        let machines = self.machines.iter();
        machines.map(|(id, machine)| (*id, machine)).collect()
    }

    /// The machines as they were before the changes that may be undone.
    pub(super) fn before(&self) -> BTreeMap<InstanceId, &Machine> {
        let mut machines = self.now();
        for (id, before) in &self.before {
            match before {
                Some(machine) => machines.insert(*id, machine),
                None => machines.remove(id),
            };
        }
        machines
    }
}

/// The phases of a commit.
impl Components {
    /// Whether the machines will accept their packages.
    ///
    /// # Errors
    ///
    /// [`WriteError::Refused`] for two packages at once, [`WriteError::NotWritable`] for a package
    /// that a machine won't accept.
    pub(super) fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
        let mut plans = Plans::new();
        for change in changes {
            let Some((instance, plan)) = add_to(&mut plans, change)? else {
                continue;
            };
            if let Some(machine) = self.machines.get(&instance) {
                plan.check(machine, self.pending(instance))?;
            }
        }
        Ok(())
    }

    /// Creates and deletes machines with their Object Instances. A package is only marked as
    /// accepted.
    pub(super) fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            let Some(instance) = change.path().instance() else {
                continue;
            };
            match change {
                Change::Create { .. } => {
                    self.before.entry(instance).or_insert(None);
                    self.insert(instance);
                }
                Change::Delete { .. } => {
                    let machine = self.machines.remove(&instance);
                    self.before.entry(instance).or_insert(machine);
                }
                _ => {}
            }
        }
        for (instance, plan) in plans(changes) {
            if plan.after(self.pending(instance)).delivery {
                self.pending.insert(instance);
            } else {
                self.pending.remove(&instance);
            }
        }
    }

    /// Nothing can be undone from here on. The caller carries out the orders that it gets.
    pub(super) fn settle<'c>(&mut self, changes: &'c [Change]) -> Plans<'c> {
        self.before.clear();
        let plans = plans(changes);
        self.pending
            .retain(|instance| !plans.contains_key(instance));
        plans
    }

    pub(super) fn undo(&mut self) {
        self.pending.clear();
        for (instance, before) in core::mem::take(&mut self.before) {
            match before {
                Some(machine) => self.machines.insert(instance, machine),
                None => self.machines.remove(&instance),
            };
        }
    }

    /// The orders to a machine that are not settled yet. After a Delete, the machine is a new one
    /// already.
    fn pending(&self, instance: InstanceId) -> Pending {
        Pending {
            reset: false,
            delivery: self.pending.contains(&instance),
        }
    }
}

/// The state of a saved Object.
impl Components {
    pub(super) fn save(&self, machines: &BTreeMap<InstanceId, &Machine>) -> Vec<Value> {
        let machines = machines.iter();
        machines
            .flat_map(|(id, machine)| machine.snapshot().into_values(*id, self.numbering))
            .collect()
    }

    /// The machines of a saved Object, in its order; `None` if they are impossible.
    pub(super) fn saved(&self, state: &[Value]) -> Option<Vec<(InstanceId, Snapshot)>> {
        let machines = state.chunks(Snapshot::VALUES);
        machines
            .map(|values| Snapshot::from_values(values, self.numbering))
            .collect()
    }
}

/// Adds a change to the plan of its Object Instance, and returns that plan; `None` if the change
/// isn't an order.
fn add_to<'p, 'c>(
    plans: &'p mut Plans<'c>,
    change: &'c Change,
) -> Result<Option<(InstanceId, &'p Plan<'c>)>, WriteError> {
    let Some(instance) = change.path().instance() else {
        return Ok(None);
    };
    if !plan::is_order::<Software>(change) {
        return Ok(None);
    }
    let plan = plans.entry(instance).or_default();
    plan.add::<Software>(change)?;
    Ok(Some((instance, plan)))
}

/// The orders of a transaction that [`Components::prepare`] has accepted.
fn plans(changes: &[Change]) -> Plans<'_> {
    let mut plans = Plans::new();
    for change in changes {
        let _ = add_to(&mut plans, change);
    }
    plans
}
