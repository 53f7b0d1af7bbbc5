//! What of a client outlasts a restart of the server, as plain data.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, time::Duration};

use lwm2m_core::{ContentFormat, Path};

use super::{
    id::{OperationId, RegistrationId},
    registrar::RegistrationRecord,
    triggers::UpdateTrigger,
};
use crate::{coap::SavedObservation, downlink::PendingCall};

/// The version of the content. Another one isn't restored.
pub(super) const VERSION: u16 = 1;

/// A registration with all that belongs to it, as plain data: what the client said, where it is reached and
/// whether it has proved its identity, its observations with their tokens, the operations that have no outcome
/// yet, and whether it is awake. See [`Records`](super::Records).
///
/// With the feature `serde` it serialises, in formats that describe themselves and in those that don't. It has no
/// moments, because the clock may begin anew. It has what was to be written, and what lets others speak for the
/// client; [`Debug`](fmt::Debug) shows nothing of that.
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Record<P> {
    pub(super) version: u16,
    pub(super) registration: RegistrationRecord<P>,
    /// In ascending order of their serial numbers.
    pub(super) observations: Vec<ObservationRecord>,
    /// Likewise.
    pub(super) operations: Vec<OperationRecord>,
    pub(super) sleep: SleepRecord<P>,
    pub(super) serials: Serials,
}

/// The serial numbers that come next: none is given out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Serials {
    pub(super) operations: u64,
    pub(super) observations: u64,
}

#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct ObservationRecord {
    pub(super) serial: u64,
    pub(super) path: Path,
    pub(super) accept: Option<ContentFormat>,
    pub(super) is_over: bool,
    /// `None` if its last notification was being fetched.
    pub(super) saved: Option<SavedObservation<()>>,
}

#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct OperationRecord {
    pub(super) serial: u64,
    pub(super) call: PendingCall,
    /// `None` if the endpoint alone has its message, which is lost with the endpoint.
    pub(super) held: Option<Box<HeldRecord>>,
}

/// What is held of an operation in Queue Mode (TS 8.3).
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct HeldRecord {
    pub(super) message: Vec<u8>,
    pub(super) cancels: Option<CancelledRecord>,
    pub(super) is_under_way: bool,
    pub(super) was_sent: bool,
    pub(super) is_triggered: bool,
    pub(super) called_for: RegistrationId,
    /// What is left until its deadline.
    pub(super) left: Duration,
}

/// The observation that a held operation cancels.
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum CancelledRecord {
    /// The one with this serial number.
    Observed(u64),
    Saved(Box<SavedObservation<()>>),
}

/// When a client sleeps, and how it is woken.
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct SleepRecord<P> {
    /// How much longer it is awake.
    pub(super) awake: Option<Duration>,
    pub(super) awake_time: Option<Duration>,
    pub(super) trigger: Option<UpdateTrigger<P>>,
    /// The trigger that was sent in this sleep.
    pub(super) triggered: Option<OperationId>,
}

impl<P> Record<P> {
    /// The handle of the registration.
    pub const fn registration(&self) -> RegistrationId {
        self.registration.id
    }

    /// The Endpoint Client Name.
    pub fn endpoint_name(&self) -> &str {
        &self.registration.endpoint_name
    }

    /// Where the client was reached.
    pub const fn peer(&self) -> &P {
        self.registration.peer()
    }

    /// The secure session with the client ended with the process, or is another peer now. It is for this client as
    /// if its [peer were gone](crate::Server::peer_gone): it is reached again once it was heard from another one.
    /// A client without a proven identity is known by its peer alone, so nothing changes for that.
    pub fn end_session(&mut self) {
        self.registration.end_session();
    }

    /// The same record with other names for the peers, if these don't outlast a restart.
    pub fn map_peer<Q>(self, mut name: impl FnMut(P) -> Q) -> Record<Q> {
        let trigger = self.sleep.trigger.map(|trigger| UpdateTrigger {
            peer: name(trigger.peer),
            server_instance: trigger.server_instance,
        });
        Record {
            version: self.version,
            registration: self.registration.of_peer(name),
            observations: self.observations,
            operations: self.operations,
            sleep: SleepRecord {
                awake: self.sleep.awake,
                awake_time: self.sleep.awake_time,
                trigger,
                triggered: self.sleep.triggered,
            },
            serials: self.serials,
        }
    }
}

impl<P> fmt::Debug for Record<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("registration", &self.registration.id)
            .field("endpoint_name", &self.registration.endpoint_name)
            .field("observations", &self.observations.len())
            .field("operations", &self.operations.len())
            .finish_non_exhaustive()
    }
}
