//! The orders in a transaction to a machine.

use lwm2m_core::{Path, ValueRef};

use super::{
    face::{Ask, Face},
    machine::Machine,
};
use crate::tree::{Change, WriteError};

/// The orders of a transaction to one machine. A reset comes before a package, whatever their
/// order: one Write may have an empty Package and a Package URI.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan<'c> {
    /// The machine starts again.
    pub(crate) reset: bool,
    delivery: Option<(Path, Delivery<'c>)>,
}

/// The orders of commits that are not settled yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pending {
    pub(crate) reset: bool,
    pub(crate) delivery: bool,
}

/// What a change orders a machine to do.
#[derive(Clone, Copy, Debug)]
enum Order<'c> {
    /// To end with the Object Instance.
    Delete,
    /// To reset: Package or Package URI is empty.
    Reset,
    /// To take a package.
    Deliver(Delivery<'c>),
}

/// A package, or where it is.
#[derive(Clone, Copy, Debug)]
enum Delivery<'c> {
    Package(&'c [u8]),
    Uri(&'c str),
}

impl<'c> Plan<'c> {
    /// The plan of these changes, which are all for one machine.
    ///
    /// # Errors
    ///
    /// [`WriteError::Refused`] for the second of two packages.
    pub(crate) fn of<F: Face>(changes: &'c [Change]) -> Result<Self, WriteError> {
        let mut plan = Self::default();
        changes
            .iter()
            .try_for_each(|change| plan.add::<F>(change))?;
        Ok(plan)
    }

    /// Adds a change.
    ///
    /// # Errors
    ///
    /// [`WriteError::Refused`] for the second of two packages.
    pub(crate) fn add<F: Face>(&mut self, change: &'c Change) -> Result<(), WriteError> {
        match Order::of::<F>(change) {
            Some(Order::Delete) => {
                // An earlier package was for the machine that is deleted.
                self.reset = true;
                self.delivery = None;
            }
            Some(Order::Reset) => self.reset = true,
            Some(Order::Deliver(delivery)) => {
                let at = change.path();
                if self.delivery.is_some() {
                    return Err(WriteError::Refused(at));
                }
                self.delivery = Some((at, delivery));
            }
            None => {}
        }
        Ok(())
    }

    /// Whether the machine will accept the package.
    ///
    /// # Errors
    ///
    /// [`WriteError::NotWritable`] if it has a package, or will have one once earlier commits are
    /// settled.
    pub(crate) fn check<F: Face>(
        &self,
        machine: &Machine<F>,
        pending: Pending,
    ) -> Result<(), WriteError> {
        let Some((at, delivery)) = self.delivery else {
            return Ok(());
        };
        if pending.delivery && !self.reset {
            return Err(WriteError::NotWritable(at));
        }
        let may = if self.reset || pending.reset {
            delivery.may_go_to(&Machine::with(machine.face().clone()))
        } else {
            delivery.may_go_to(machine)
        };
        may.map_err(|_| WriteError::NotWritable(at))
    }

    /// The orders that are not settled yet after this plan.
    pub(crate) const fn after(&self, pending: Pending) -> Pending {
        Pending {
            reset: self.reset || pending.reset,
            delivery: self.delivery.is_some() || pending.delivery && !self.reset,
        }
    }

    /// Passes the package to the machine, which accepts it, as [`check`](Self::check) has made
    /// sure.
    pub(crate) fn deliver<F: Face>(&self, machine: &mut Machine<F>, ask: &mut Ask<'_, F>) {
        let _ = match self.delivery {
            Some((_, Delivery::Package(package))) => machine.write_package(package, ask),
            Some((_, Delivery::Uri(uri))) => machine.write_package_uri(uri, ask),
            None => Ok(()),
        };
    }
}

/// Whether a change is an order to a machine.
pub(crate) fn is_order<F: Face>(change: &Change) -> bool {
    Order::of::<F>(change).is_some()
}

/// Whether a path is Package or Package URI.
pub(crate) fn is_package<F: Face>(path: Path) -> bool {
    let resource = path.resource();
    resource == Some(F::PACKAGE) || resource == Some(F::PACKAGE_URI)
}

/// Whether a later change cancels an earlier order. A reset cancels everything before it; a
/// package cancels an earlier package only.
pub(crate) fn supersedes<F: Face>(later: &Change, earlier: &Change) -> bool {
    match Order::of::<F>(later) {
        Some(Order::Reset) => true,
        Some(Order::Deliver(_)) => matches!(Order::of::<F>(earlier), Some(Order::Deliver(_))),
        Some(Order::Delete) | None => false,
    }
}

impl<'c> Order<'c> {
    fn of<F: Face>(change: &'c Change) -> Option<Self> {
        let (path, value) = match change {
            Change::Delete { .. } => return Some(Self::Delete),
            Change::Set { path, value } => (path, value),
            _ => return None,
        };
        let resource = path.resource()?;
        let (delivery, is_empty) = match value.as_ref() {
            ValueRef::Opaque(package) if resource == F::PACKAGE => {
                (Delivery::Package(package), F::is_empty(package))
            }
            ValueRef::String(uri) if resource == F::PACKAGE_URI => {
                (Delivery::Uri(uri), uri.is_empty())
            }
            _ => return None,
        };
        match (is_empty, F::EMPTY_RESETS) {
            (false, _) => Some(Self::Deliver(delivery)),
            (true, true) => Some(Self::Reset),
            (true, false) => None,
        }
    }
}

impl Delivery<'_> {
    fn may_go_to<F: Face>(self, machine: &Machine<F>) -> Result<(), F::Refused> {
        match self {
            Self::Package(package) => machine.may_write_package(package),
            Self::Uri(uri) => machine.may_write_package_uri(uri),
        }
    }
}
