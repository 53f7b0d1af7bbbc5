//! Bootstrap from Smartcard: the way to the bootstrap file on a card, and what it has (TS 5.2.3.2,
//! Appendix G).
//!
//! - [`Walk`]: finds and reads the file. It says which command to send to the card, and is fed the
//!   response, so that the caller only exchanges APDUs.
//! - [`BootstrapFile`]: the file, decoded.
//! - [`refresh()`]: applies the file to the tree, and takes away what the card no longer has.
//! - [`CardContents`]: which Object Instances come from the card, and whether it still has the same.
//!
//! # The loop
//!
//! The caller does what the walk's [`step`](Walk::step) says, and tells it the result. Here
//! `exchange` is the driver of the card reader:
//!
//! ```
//! use lwm2m_statemachine::smartcard::{BootstrapFile, Step, Walk, WalkConfig, WalkError};
//!
//! fn bootstrap_file(
//!     config: WalkConfig,
//!     mut exchange: impl FnMut(&[u8]) -> Vec<u8>,
//! ) -> Result<Option<Vec<u8>>, WalkError> {
//!     let mut walk = Walk::new(config);
//!     loop {
//!         match walk.step() {
//!             Step::Send { command, .. } => {
//!                 let response = exchange(command);
//!                 walk.answer(&response);
//!             }
//!             Step::VerifyPin(request) => {
//!                 println!("{:?} needs a PIN", request.label);
//!                 // Ask the user, and send VERIFY on that channel.
//!                 walk.pin(false);
//!             }
//!             Step::Done(outcome) => {
//!                 outcome?;
//!                 return Ok(walk.into_file());
//!             }
//!             other => unreachable!("{other:?} is not asked for"),
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The card's issuer tells the identifier, which the specification doesn't print.
//! let config = WalkConfig::new("2.23.43.7.1".parse()?);
//! // This card has no EF(DIR), so it has no Bootstrap Information.
//! let card = |command: &[u8]| match command {
//!     [0x00, 0x70, 0x00, ..] => vec![0x01, 0x90, 0x00],
//!     [0x00, 0x70, 0x80, ..] => vec![0x90, 0x00],
//!     _ => vec![0x6A, 0x82],
//! };
//! match bootstrap_file(config, card)? {
//!     Some(file) => println!("{:?}", BootstrapFile::decode(&file)?),
//!     None => println!("no Bootstrap Information"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The way
//!
//! EF(DIR) names the PKCS#15 application, which is selected by its identifier on a logical channel (TS
//! G.2.1). Its EF(ODF) points to data object directory files, the first of which has the highest
//! priority (TS G.1). One of their entries has the object identifier of a LwM2M bootstrap file, and the
//! path to it. Of the file only what counts is read: its header says how long that is.
//!
//! What isn't there (6A82) means that the card has no Bootstrap Information. Any other refusal, and
//! anything that isn't as it should be, is a [`WalkError`]. An application that can't be selected is passed
//! over first: it is the error only if no other one has the file. With the protocol T=0 a card asks for GET
//! RESPONSE (61xx) or for another length (6Cxx): the walk does so.
//!
//! # The PIN
//!
//! If the directory says that the file is private or can be modified, and there are PINs that are
//! enabled, or if the card refuses a command (6982), the walk stops with
//! [`VerifyPin`](Step::VerifyPin) (TS G.2.4). PINs never pass through the walk.
//!
//! # The secure channel
//!
//! The channel of TS Appendix H (SCP03) has keys and ciphers, which are the caller's. With
//! [`WalkConfig::secure_channel`] the walk stops once the application is selected, with
//! [`SecureChannel`](Step::SecureChannel): that is the place for INITIALIZE UPDATE and EXTERNAL
//! AUTHENTICATE. From then on the caller wraps each command that is marked
//! [`secured`](Step::Send::secured), and gives the walk the unwrapped response. A card that asks for GET
//! RESPONSE below the secure channel (61xx, 6Cxx) is answered by the caller before it unwraps.

mod apdu;
mod ber;
mod config;
mod contents;
mod control;
mod directory;
mod error;
mod exchange;
mod fetch;
mod file;
mod oid;
mod refresh;
mod step;
mod walk;

pub use self::{
    apdu::{LogicalChannel, Status},
    config::{ApplicationId, ChannelUse, WalkBounds, WalkConfig},
    contents::{CardChanges, CardContents},
    error::{CardFile, DataError, DataProblem, WalkError},
    file::{BootstrapFile, CardObject, FileError, FileProblem, MAX_FILE},
    oid::{ObjectIdentifier, ObjectIdentifierError},
    refresh::{BootstrapUnderWay, Refreshed, Refused, refresh},
    step::{PinRequest, Step},
    walk::Walk,
};
