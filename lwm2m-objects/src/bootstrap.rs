//! The Bootstrap interface (TS 5.2): what its commands do to the tree, and whether what they leave is
//! consistent.
//!
//! These are functions over the tree. A Client carries out a bootstrap like this:
//!
//! 1. [`ObjectTree::hold`], so that all of it can be [rolled back](ObjectTree::roll_back).
//! 2. For each Write, [`ObjectTree::bootstrap_write`] and then [`written`]; for each Delete,
//!    [`delete`]. Either gives the [`CommandChanges`], for one [commit](ObjectTree::commit). After it,
//!    [`Unbootstrapped::follow`] remembers what TS E.1.3 took. A Discover is answered by [`discover`].
//! 3. At the Finish, what comes back is [restored](Unbootstrapped::restored), the former
//!    Bootstrap-Server Account is [replaced], and [`check`] says whether the configuration is consistent
//!    (TS 5.2.6). Then [`ObjectTree::keep`].
//!
//! ```
//! use lwm2m_core::{BindingMode, InstanceId, ObjectId, Path, ShortServerId, codec::Content};
//! use lwm2m_objects::{
//!     Store, Typed, bootstrap::{self, Unbootstrapped}, example, typed::Security,
//! };
//!
//! let mut tree = example::client();
//! let mut gone = Unbootstrapped::new();
//! tree.hold();
//!
//! // The Bootstrap-Server deletes all accounts but its own.
//! let command = bootstrap::delete(&tree, "/0".parse()?)?;
//! tree.commit(command.changes())?;
//! gone.follow(command);
//! let supported = |binding: BindingMode| binding.is_supported_by("UQ");
//! assert!(bootstrap::check(&tree, supported).is_err());
//! assert_eq!(gone.servers(&tree).count(), 2);
//!
//! // There is no Finish: all is as before.
//! tree.roll_back();
//! assert_eq!(bootstrap::check(&tree, supported), Ok(()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where the specification is silent:
//!
//! - A server goes with its last Security Object Instance, by a Delete, or by a Write of another Short
//!   Server ID.
//! - The single instance of a mandatory Object and the Bootstrap-Server's account are passed over by a
//!   Delete of more than them, and refuse one that names them.
//! - Rights on an Object Instance go with it, whoever deletes it (TS 7.3.1.2.2).
//! - A server whose account comes back in the same bootstrap has lost nothing that TS E.1.3 took, except
//!   what the Bootstrap-Server has written or deleted since.

mod account;
mod check;
mod commands;
mod content;
mod discovered;
mod inconsistency;
mod refusal;
mod unbootstrapped;

pub use self::{
    account::{purge, replaced},
    check::{check, check_except},
    commands::{CommandChanges, delete, written},
    discovered::{DiscoveredObject, discover},
    inconsistency::{Expected, Inconsistency},
    refusal::Refusal,
    unbootstrapped::Unbootstrapped,
};
#[cfg(doc)]
use crate::tree::ObjectTree;
