//! What the walk to the bootstrap file has to be told.

use alloc::vec::Vec;
use core::num::NonZeroU8;

use super::{apdu::LogicalChannel, oid::ObjectIdentifier};

/// How a card is walked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WalkConfig {
    /// The object identifier of a LwM2M bootstrap file in the data object directory (TS G.3.2), which
    /// the specification doesn't print. The card's issuer tells it.
    pub object_identifier: ObjectIdentifier,
    /// What the identifier of a PKCS#15 application begins with: those of PKCS#15 itself
    /// (`A000000063` and `PKCS-15`) and of ISO/IEC 7816-15 (`E828BD080F`).
    pub applications: Vec<ApplicationId>,
    /// The logical channel; [`Open`](ChannelUse::Open) by default (TS G.2.1).
    pub channel: ChannelUse,
    /// Whether the walk stops once the PKCS#15 application is selected, for the secure channel of TS
    /// Appendix H. Off by default.
    pub secure_channel: bool,
    /// How many bytes are read at a time, 255 by default. Under a secure channel a response has
    /// padding and a check value, so that 239 fit.
    pub piece: NonZeroU8,
    /// What the walk does at most.
    pub bounds: WalkBounds,
}

/// Which logical channel is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelUse {
    /// The walk opens one and closes it at its end.
    #[default]
    Open,
    /// The caller has opened this one, or it is the basic one.
    Number(LogicalChannel),
}

/// What a walk does at most, whatever the card answers. A bootstrap file has
/// [`MAX_FILE`](super::MAX_FILE) bytes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalkBounds {
    /// How many commands are sent, 1024 by default.
    pub commands: u16,
    /// How many bytes of EF(DIR), EF(ODF) and each EF(DODF) are read, 4096 by default.
    pub directory: usize,
    /// How many records of EF(DIR) are read, 32 by default, 254 at most.
    pub records: u8,
    /// How many PKCS#15 applications, and how many data object directory files of one, are looked at; 8
    /// by default.
    pub candidates: usize,
}

impl Default for WalkBounds {
    fn default() -> Self {
        Self {
            commands: 1024,
            directory: 4096,
            records: 32,
            candidates: 8,
        }
    }
}

impl WalkConfig {
    /// The defaults, for this object identifier.
    pub fn new(object_identifier: ObjectIdentifier) -> Self {
        let known = [PKCS_15, ISO_7816_15].map(|prefix| ApplicationId(prefix.to_vec()));
        Self {
            object_identifier,
            applications: known.into(),
            channel: ChannelUse::Open,
            secure_channel: false,
            piece: NonZeroU8::MAX,
            bounds: WalkBounds::default(),
        }
    }
}

/// The identifier of an application on a card, 5 to 16 bytes (ISO/IEC 7816-4, 8.2.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApplicationId(Vec<u8>);

/// The registered provider identifier of RSA Security, and `PKCS-15`.
const PKCS_15: &[u8] = b"\xA0\x00\x00\x00\x63PKCS-15";

/// The registered identifier of ISO/IEC 7816-15.
const ISO_7816_15: &[u8] = &[0xE8, 0x28, 0xBD, 0x08, 0x0F];

impl ApplicationId {
    /// The identifier of these bytes, if they are 5 to 16.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        matches!(bytes.len(), 5..=16).then(|| Self(bytes.to_vec()))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether an identifier begins with this one.
    pub(super) fn begins(&self, identifier: &[u8]) -> bool {
        identifier.starts_with(&self.0)
    }
}
