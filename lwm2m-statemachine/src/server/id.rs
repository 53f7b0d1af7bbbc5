//! The handles that an application has for registrations, operations and observations.

use core::fmt;

use crate::downlink::Key;

/// The handle of a registration. It is never reused: a client that registers anew has a new handle.
///
/// A registration that is [restored](crate::server::Records::restore) has its handle again, and the first new
/// handle after each start is random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RegistrationId {
    /// Where the registration is kept.
    pub(super) index: u32,
    /// Which of all registrations that were kept there.
    pub(super) serial: u32,
}

impl fmt::Display for RegistrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.serial)
    }
}

/// The number of a change of records: later ones are higher. It begins anew with each start of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// That of the next change.
    pub(super) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The handle of an operation; never used again.
///
/// It is the same after a [restart](crate::server::Records::restore).
///
/// Its registration is the one that the operation was made for. An operation that waits goes on, with its
/// handle, when the client registers anew.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct OperationId(pub(super) Key<RegistrationId>);

/// The handle of an observation; never used again. It is the same after a
/// [restart](crate::server::Records::restore).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct ObservationId(pub(super) Key<RegistrationId>);

/// What the last two share.
macro_rules! handle {
    ($name:ident) => {
        impl $name {
            /// The registration it belongs to.
            pub fn registration(&self) -> RegistrationId {
                self.0.client
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.serial.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    concat!(stringify!($name), "({}/{})"),
                    self.0.client, self.0.serial
                )
            }
        }
    };
}

handle!(OperationId);
handle!(ObservationId);
