//! How an observation ends.

use super::{
    super::{
        event::ClientEvent,
        timers::{ObservationId, Timer},
    },
    parts::{Context, Reporting},
    stored::{Interrupted, MayGoOn},
    table::Observation,
};

impl Reporting {
    /// Ends an observation, and tells the application. No notification of it is sent any more.
    #[must_use]
    pub(super) fn end(&mut self, context: &mut Context<'_>, id: ObservationId) -> Option<MayGoOn> {
        self.quieten(context, id);
        self.finish(context, id)
    }

    /// Stops sending what is under way of an observation.
    pub(super) fn quieten(&self, context: &mut Context<'_>, id: ObservationId) {
        if let Some(Observation { observer, .. }) = self.table.get(id)
            && let Some(connection) = context.registrations.connection(observer.account)
        {
            let (now, token) = (context.now, observer.token());
            context.endpoint.end_notifications(now, &connection, token);
        }
    }

    /// Ends an observation, and tells the application. What is under way of it is sent.
    #[must_use]
    pub(super) fn finish(
        &mut self,
        context: &mut Context<'_>,
        id: ObservationId,
    ) -> Option<MayGoOn> {
        let path = self.table.get(id)?.path;
        let rest = self.remove(context, id)?;
        let account = rest.0;
        let event = ClientEvent::ObservationEnded { account, path };
        context.events.push_back(event);
        Some(rest)
    }

    /// Removes an observation, and what is stored for it.
    #[must_use]
    pub(super) fn remove(
        &mut self,
        context: &mut Context<'_>,
        id: ObservationId,
    ) -> Option<MayGoOn> {
        let mut removed = self.table.remove(id)?;
        let timer = Timer::Observation(id);
        context.timers.set(timer, &mut removed.deadline, None);
        let interrupted = self.stored.forget(removed.observer.account, id);
        Some(abandon(context, interrupted))
    }
}

/// The server fetches no more of a body. What is stored needn't wait for the end of it. If the answer to a request
/// has taken the place of the body, that answer is fetched.
pub(super) fn abandon(context: &mut Context<'_>, interrupted: Interrupted) -> MayGoOn {
    let Interrupted { account, body } = interrupted;
    if let Some(body) = body
        && let Some(connection) = context.registrations.connection(account)
    {
        let now = context.now;
        let mut bodies = context.endpoint.bodies();
        if bodies.is_watched(&connection, body) {
            bodies.abandon(now, &connection, body);
        }
    }
    MayGoOn(account)
}
