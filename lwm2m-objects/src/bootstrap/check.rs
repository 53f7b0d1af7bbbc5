//! The check at the Finish (TS 5.2.2, 5.2.6, E.1).

mod accounts;
mod judge;
mod mandatory;
mod rights;

use lwm2m_core::BindingMode;

use self::judge::Checked;
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
    check_except(tree, supports, |_| false)
}

/// The same [check], which passes over what `is_known` accepts: what was there before is no fault of
/// what was written since, for example. Once something of an Object Instance is passed over, the rest of
/// it isn't looked at.
///
/// ```
/// use lwm2m_objects::{bootstrap, example};
///
/// let mut tree = example::client();
/// for server in ["/1/0", "/1/1"] {
///     let command = bootstrap::delete(&tree, server.parse()?)?;
///     tree.commit(command.changes())?;
/// }
/// let mut paths = Vec::new();
/// bootstrap::check_except(&tree, |_| true, |found| {
///     paths.push(found.path);
///     true
/// })?;
/// assert_eq!(paths, ["/0/1/10".parse()?, "/0/2/10".parse()?]);
/// let first = |found: &bootstrap::Inconsistency| found.path == paths[0];
/// let found = bootstrap::check_except(&tree, |_| true, first).unwrap_err();
/// assert_eq!(found.path, paths[1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The first [`Inconsistency`] that isn't passed over.
pub fn check_except(
    tree: &ObjectTree,
    supports: impl Fn(BindingMode) -> bool,
    mut is_known: impl FnMut(&Inconsistency) -> bool,
) -> Result<(), Inconsistency> {
    let view = tree.view();
    let mut judge = |checked: Checked| {
        checked.or_else(|found| if is_known(&found) { Ok(()) } else { Err(found) })
    };
    let servers = accounts::check(view, &supports, &mut judge)?;
    rights::check(tree, &servers, &mut judge)?;
    for (object, instance) in tree.held_instances() {
        judge(mandatory::check(tree, object, instance))?;
    }
    Ok(())
}
