//! The deadlines of a Client. The CoAP endpoint has its own timer queue.

use lwm2m_core::Path;

use super::event::{AccountId, DeferredId};
use crate::TimerQueue;

/// The deadlines of a Client.
pub(super) type Timers = TimerQueue<Timer>;

/// What a deadline is for. Those of the same moment are handled in this order: an Update goes out
/// before a notification (TS 8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// An attempt to register, or an Update.
    Registration(AccountId),
    /// Another attempt to send what is stored for an account.
    Stored(AccountId),
    /// What is kept for a server that was disabled isn't asked for any more.
    Kept(AccountId),
    /// A notification.
    Observation(ObservationId),
    /// The application's answer to a request.
    Deferred(DeferredId),
    /// The next attempt of the download for this Resource, or its end.
    Download(Path),
    /// The next step of the Bootstrap Sequence, the end of a bootstrap, or of the Bootstrap-Server's account.
    Bootstrap,
    /// The next step of a Reboot or a Factory Reset.
    Flow,
    /// Another look at the smartcard.
    #[cfg(feature = "smartcard")]
    Smartcard,
}

/// An observation. Identifiers are in the order in which the observations began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ObservationId(pub(super) u64);
