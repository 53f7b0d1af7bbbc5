//! Software Management (Object 9): its two state machines, and the Object that serves them.
//!
//! Each Object Instance is one software component. Its Package Installation machine takes the
//! package, pushed or pulled as in [`firmware`](crate::firmware), verifies it, installs it and
//! removes it. Its Software Activation machine is alive only while the software is installed. The
//! application is asked by an [`Event`], and answers with an [`Answer`](crate::Answer). After
//! [`Later`](crate::Answer::Later) it reports the outcome by a call:
//!
//! | event | if `Done` | if `Later`, then | if `Failed` |
//! | --- | --- | --- | --- |
//! | [`Block`](Event::Block) | the next one | the next one | INITIAL with the error, the rest is dropped |
//! | [`Fetch`](Event::Fetch) | DOWNLOADED | [`progress`](Machine::progress), [`downloaded`](Machine::downloaded), [`failed`](Machine::failed) | INITIAL with the error |
//! | [`Verify`](Event::Verify) | DELIVERED | [`verified`](Machine::verified), [`verification_failed`](Machine::verification_failed) | INITIAL, integrity failure |
//! | [`Install`](Event::Install) | INSTALLED | [`installed`](Machine::installed), [`installation_failed`](Machine::installation_failed) | DELIVERED, installation failure |
//! | [`Uninstall`](Event::Uninstall), [`PrepareUpdate`](Event::PrepareUpdate) | INITIAL | INITIAL | registered: the state stays, uninstallation failure; candidate: INITIAL |
//! | [`Activate`](Event::Activate), [`Deactivate`](Event::Deactivate) | ACTIVE, INACTIVE | the same | the state stays, 5.00 |
//! | [`Discard`](Event::Discard) | | | |
//!
//! The candidate specification of 2015-02-17 and the registered Object have the same machines with
//! different numbers, so a [`Numbering`] is chosen when the Object is made. The transitions are a
//! table in [`Software`]'s implementation of [`Face`](crate::update::Face).

mod components;
mod machine;
mod object;
mod phase;
mod snapshot;
#[cfg(test)]
mod tests;

pub use self::{
    machine::{Event, Machine, Refused, Software},
    object::SoftwareManagementObject,
    phase::Phase,
    snapshot::{Snapshot, SnapshotError},
};
pub use crate::typed::software::values::{DownloadError, Numbering, State, UpdateResult};
