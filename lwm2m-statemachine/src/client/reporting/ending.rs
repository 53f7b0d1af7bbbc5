//! How an observation ends.

use super::{
    super::{
        event::ClientEvent,
        timers::{ObservationId, Timer},
    },
    parts::{Context, Reporting},
    table::{Observation, Observer},
};

impl Reporting {
    /// Ends an observation, and tells the application.
    pub(super) fn end(&mut self, context: &mut Context<'_>, id: ObservationId) {
        if let Some(Observation { observer, path, .. }) = self.remove(context, id) {
            let account = observer.account;
            let event = ClientEvent::ObservationEnded { account, path };
            context.events.push_back(event);
        }
    }

    /// Removes an observation: no notification of it is sent any more.
    pub(super) fn remove(
        &mut self,
        context: &mut Context<'_>,
        id: ObservationId,
    ) -> Option<Observation> {
        let mut removed = self.table.remove(id)?;
        let Observer { account, .. } = removed.observer;
        let timer = Timer::Observation(id);
        context.timers.set(timer, &mut removed.deadline, None);
        self.stored.forget(account, id);
        if let Some(connection) = context.registrations.connection(account) {
            let token = removed.observer.token();
            context
                .endpoint
                .end_notifications(context.now, &connection, token);
        }
        Some(removed)
    }
}
