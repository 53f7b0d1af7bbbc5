//! What becomes of operations that wait when their client registers anew or has other Objects.

use alloc::vec::Vec;

use lwm2m_core::{ObjectId, Operation, Path};

use super::{
    calls::CallKey,
    event::Outcome,
    id::RegistrationId,
    registrar::{ObjectList, Registration},
    sending::Sleepers,
};
use crate::machine::Peer;

impl<P: Peer> Sleepers<'_, P> {
    /// A client has registered or updated its registration: what waits for it is sent, in Queue Mode one
    /// operation after the other.
    pub(super) fn registered(&mut self, registration: RegistrationId) {
        if self.is_in_queue_mode(registration) {
            self.heard_from(registration);
        } else {
            self.end_queue_mode(registration);
        }
    }

    /// A client has registered anew. What wasn't under way goes on, if the client still has what it was
    /// made for; what was under way isn't sent again, as the client may have done it and restarted. The
    /// client has no observations now, so none is cancelled (TS 5.5.1).
    pub(super) fn hand_over(
        &mut self,
        (old, was): (RegistrationId, &Registration<P>),
        new: RegistrationId,
    ) {
        self.server.queue.replace(old, new);
        let client = self.server.registrar.get(new);
        if client.is_some_and(|client| client.sms_number() == was.sms_number()) {
            self.server.triggers.replace(old, new);
        }
        let held = self.server.calls.held_for(old);
        let waiting = held.filter(|(_, call, held)| {
            held.request.is_none() && call.operation != Operation::CancelObservation
        });
        let waiting: Vec<CallKey> = waiting.map(|(key, ..)| key).collect();
        for key in waiting {
            let deadline = self.server.queue.deadline(key);
            self.server.queue.set_deadline(key, None);
            if let Some(key) = self.server.calls.hand_over(key, new) {
                self.server.queue.set_deadline(key, deadline);
            }
        }
        let version = self.server.registrar.get(new).map(Registration::version);
        if version == Some(was.version()) {
            self.end_outdated(new, was.object_list());
        } else {
            self.end_waiting(new, |_| true);
        }
    }

    /// Ends what waits and was made for other Objects than the client has now: below another path, or in
    /// another version.
    pub(super) fn end_outdated(&mut self, registration: RegistrationId, before: &ObjectList) {
        let Some(client) = self.server.registrar.get(registration) else {
            return;
        };
        let list = client.object_list();
        let has_moved = list.alternate_path() != before.alternate_path();
        let held = self.server.calls.held_for(registration);
        let changed: Vec<ObjectId> = held
            .filter_map(|(_, call, _)| call.path.object())
            .filter(|object| has_moved || list.announced(*object) != before.announced(*object))
            .collect();
        self.end_waiting(registration, |path| {
            path.object()
                .is_some_and(|object| changed.contains(&object))
        });
    }

    /// Ends those operations that wait for a client and concern such a path.
    fn end_waiting(&mut self, registration: RegistrationId, is_meant: impl Fn(&Path) -> bool) {
        let held = self.server.calls.held_for(registration);
        let meant = held.filter(|(_, call, held)| held.request.is_none() && is_meant(&call.path));
        let meant: Vec<CallKey> = meant.map(|(key, ..)| key).collect();
        for key in meant {
            if let Some(ended) = self.server.calls.take(key) {
                self.server.answered(self.now, ended, Outcome::Outdated);
            }
        }
    }
}
