//! Firmware Update (TS E.6): its state machine, and the Object that serves it.
//!
//! A server *pushes* a package into Package, and the application gets it block by block, or has
//! the Client *pull* it: the application is asked to fetch what Package URI names. Nothing of the
//! package is held here. What the application is asked are [`Event`]s, each of which it answers
//! with an [`Answer`](crate::Answer); what it said it would finish
//! [`Later`](crate::Answer::Later) ends with a call:
//!
//! | event | if `Done` | if `Later`, then | if `Failed` |
//! | --- | --- | --- | --- |
//! | [`Block`](Event::Block) | the next one | the next one | Idle with the error, the rest is dropped |
//! | [`Verify`](Event::Verify) | Downloaded | [`downloaded`](Machine::downloaded), [`failed`](Machine::failed) | Idle with the error |
//! | [`Fetch`](Event::Fetch) | Downloaded | [`progress`](Machine::progress), [`downloaded`](Machine::downloaded), [`failed`](Machine::failed) | Idle with the error |
//! | [`Update`](Event::Update) | Idle, 1 | [`updated`](Machine::updated), [`update_failed`](Machine::update_failed) | Downloaded, 8 |
//! | [`Discard`](Event::Discard) | | | |
//!
//! A reboot in the middle is survived with a [`Snapshot`]: a pull goes on where it was, what was
//! pushed in part is lost, and the application tells how an update under way went.
//!
//! # A device that reboots into its new firmware
//!
//! ```
//! use lwm2m_core::{Arguments, Instant, ObjectId, Value};
//! use lwm2m_objects::{
//!     Answer, Change, DeviceObject, ObjectTree,
//!     firmware::{DownloadError, Event, FirmwareUpdateObject},
//!     typed,
//! };
//!
//! /// What the device has at every start.
//! fn start(version: &str) -> Result<ObjectTree, Box<dyn std::error::Error>> {
//!     let device = typed::Device { firmware_version: Some(version.into()), ..typed::Device::default() };
//!     let mut tree = ObjectTree::new();
//!     tree.add(DeviceObject::new(device, Instant::ZERO)?);
//!     tree.add(FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), |event| match event {
//!         // Pushed: goes where new firmware goes, which is from offset 0 on erased first.
//!         Event::Block { offset, .. } if offset > 1_000_000 => Answer::Failed(DownloadError::Storage),
//!         Event::Block { .. } => Answer::Done,
//!         Event::Verify => Answer::Done, // the signature is good
//!         // Pulled: a task of its own gets what is there from `offset` on; `downloaded` tells its end.
//!         Event::Fetch { .. } => Answer::Later,
//!         Event::Update => Answer::Later, // not before the server has its answer
//!         Event::Discard => Answer::Done, // no update any more, whatever is under way
//!     })?);
//!     Ok(tree)
//! }
//!
//! fn firmware(tree: &mut ObjectTree) -> Option<&mut FirmwareUpdateObject> {
//!     tree.object_as_mut(ObjectId::FIRMWARE_UPDATE)
//! }
//!
//! // A server writes Package URI; the download ends.
//! let mut tree = start("1.0")?;
//! tree.commit(&[Change::Set { path: "/5/0/1".parse()?, value: "coap://192.0.2.1/fw".into() }])?;
//! firmware(&mut tree).unwrap().downloaded()?;
//!
//! // It executes Update. Once the answer has left, the device saves what there is, and reboots.
//! tree.execute("/5/0/2".parse()?, &Arguments::NONE)?;
//! let saved = tree.snapshot();
//!
//! // The next start. The new firmware may not support all that the old one did (TS E.6.3).
//! let mut tree = start("2.0")?;
//! tree.restore(&saved.supported_by(&tree)?)?;
//! tree.set("/3/0/3".parse()?, "2.0")?; // what was saved is of the old one
//! firmware(&mut tree).unwrap().updated()?; // or `update_failed`, if the old one still runs
//! assert_eq!(tree.get("/5/0/3".parse()?), Some(Value::Integer(0))); // Idle
//! assert_eq!(tree.get("/5/0/5".parse()?), Some(Value::Integer(1))); // updated successfully
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod machine;
mod object;
mod snapshot;
#[cfg(test)]
mod tests;

pub use self::{
    machine::{Event, Firmware, Machine, NotNow},
    object::FirmwareUpdateObject,
    snapshot::{Snapshot, SnapshotError},
};
pub use crate::typed::firmware::values::{
    DeliveryMethod, DownloadError, Protocol, State, UpdateResult,
};
