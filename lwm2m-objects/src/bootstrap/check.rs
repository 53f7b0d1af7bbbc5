//! The check at the Finish (TS 5.2.2, 5.2.6, E.1).

mod accounts;
mod mandatory;
mod rights;

use lwm2m_core::BindingMode;

use super::inconsistency::Inconsistency;
use crate::tree::ObjectTree;

/// Checks whether the configuration is consistent, as a Bootstrap-Finish asks (TS 5.2.6). `supports`
/// says which bindings the Client supports, for example those of Resource 16 of the Device Object.
///
/// It looks at all Object Instances as they are, also those that can't be used:
///
/// - There is at least one LwM2M Server Account, and at most one Bootstrap-Server Account.
/// - Each Security Object Instance of a LwM2M Server has a Short Server ID of its own, with exactly one
///   Server Object Instance, and each Server Object Instance belongs to one of them.
/// - Each Security Object Instance has a URI that fits its mode, and the keys that the mode needs. The
///   URI of a Bootstrap-Server may be empty: it may be one that always begins by itself.
/// - The bindings are supported, and those with SMS have a number.
/// - With several accounts there are Access Control Object Instances. Their owners and entries are
///   servers of the Client; those about an Object have no owner. There is one about each target.
/// - Of other Objects, what a bootstrap that is [held](ObjectTree::hold) has changed has its mandatory
///   Resources. Before that they are not expected, as an Object Instance may be built by several Writes.
///
/// What servers and the application have left before the bootstrap is not held against it: Object
/// Instances that are as they were, and owners and entries that were unknown before.
///
/// ```
/// use lwm2m_objects::{bootstrap, example};
///
/// let mut tree = example::client();
/// assert_eq!(bootstrap::check(&tree, |_| true), Ok(()));
/// let command = bootstrap::delete(&tree, "/1/1".parse()?)?;
/// tree.commit(command.changes())?;
/// assert_eq!(
///     bootstrap::check(&tree, |_| true).unwrap_err().to_string(),
///     "/0/2/10: expected a Server Object Instance with Short Server ID 102",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The first [`Inconsistency`], in the order of the paths as far as possible.
pub fn check(
    tree: &ObjectTree,
    supports: impl Fn(BindingMode) -> bool,
) -> Result<(), Inconsistency> {
    let servers = accounts::check(tree.view(), &supports)?;
    rights::check(tree, &servers)?;
    let mut held = tree.held_instances();
    held.try_for_each(|(object, instance)| mandatory::check(tree, object, instance))
}
