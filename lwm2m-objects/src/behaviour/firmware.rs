//! Firmware Update (TS E.6): its state machine, and the Object that serves it.
//!
//! A server *pushes* a package into Package, and the application gets it block by block. Or it has
//! the Client *pull* the package. What a `coap` or `coaps` URI names, the Client fetches itself, and the
//! application gets it block by block as well; it is asked to fetch what other URIs name. Nothing of
//! the package is kept here. The application is asked by an [`Event`], and answers with an
//! [`Answer`](crate::Answer). After [`Later`](crate::Answer::Later) it reports the outcome by a
//! call:
//!
//! | event | if `Done` | if `Later`, then | if `Failed` |
//! | --- | --- | --- | --- |
//! | [`Block`](Event::Block) | the next one | the next one | Idle with the error, the rest is dropped |
//! | [`Verify`](Event::Verify) | Downloaded | [`downloaded`](Machine::downloaded), [`failed`](Machine::failed) | Idle with the error |
//! | [`Fetch`](Event::Fetch) | Downloaded | [`progress`](Machine::progress), [`downloaded`](Machine::downloaded), [`failed`](Machine::failed) | Idle with the error |
//! | [`Update`](Event::Update) | Idle, 1 | [`updated`](Machine::updated), [`update_failed`](Machine::update_failed) | Downloaded, 8 |
//! | [`Discard`](Event::Discard) | | | |
//!
//! A [`Snapshot`] carries the update across a reboot. A pull continues where it was, an unfinished
//! push is lost, and the application reports how an update that was under way went. The transitions
//! are a table in [`Firmware`]'s implementation of [`Face`](crate::update::Face).
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
//!     let firmware = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), |event| match event {
//!         // Pushed: written into the flash, which is erased at offset 0.
//!         Event::Block { offset, .. } if offset > 1_000_000 => Answer::Failed(DownloadError::Storage),
//!         Event::Block { .. } => Answer::Done,
//!         Event::Verify => Answer::Done, // the signature is good
//!         // Pulled: a task downloads it from `offset` on, and then calls `downloaded`.
//!         Event::Fetch { .. } => Answer::Later,
//!         Event::Update => Answer::Later, // after the server has got its response
//!         Event::Discard => Answer::Done, // the task ends, the flash may be erased
//!     })?;
//!     tree.add(firmware.pulled_by_application()); // else a Client fetches what it can
//!     Ok(tree)
//! }
//!
//! fn firmware(tree: &mut ObjectTree) -> Option<&mut FirmwareUpdateObject> {
//!     tree.object_as_mut(ObjectId::FIRMWARE_UPDATE)
//! }
//!
//! // A server writes Package URI, and the download succeeds.
//! let mut tree = start("1.0")?;
//! tree.change([Change::Set { path: "/5/0/1".parse()?, value: "coap://192.0.2.1/fw".into() }])?;
//! firmware(&mut tree).unwrap().downloaded()?;
//!
//! // The server executes Update. Once the response has been sent, the device saves its state and reboots.
//! tree.execute("/5/0/2".parse()?, &Arguments::NONE)?;
//! let saved = tree.snapshot();
//!
//! // The next start. The new firmware may support fewer Objects than the old one did (TS E.6.3).
//! let mut tree = start("2.0")?;
//! tree.restore(&saved.supported_by(&tree)?)?;
//! tree.set("/3/0/3".parse()?, "2.0")?; // the snapshot has the old version
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
