//! How an observation ends.

use super::{
    super::{
        event::{AccountId, ClientEvent},
        timers::{ObservationId, Timer},
    },
    parts::{Context, Reporting},
    table::Observation,
};
use crate::coap::Resource;

impl Reporting {
    /// Ends an observation, and tells the application. No notification of it is sent any more.
    pub(super) fn end(&mut self, context: &mut Context<'_>, id: ObservationId) {
        self.quieten(context, id);
        self.finish(context, id);
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
    pub(super) fn finish(&mut self, context: &mut Context<'_>, id: ObservationId) {
        if let Some(Observation { observer, path, .. }) = self.remove(context, id) {
            let account = observer.account;
            let event = ClientEvent::ObservationEnded { account, path };
            context.events.push_back(event);
        }
    }

    /// Removes an observation, and what is stored for it.
    pub(super) fn remove(
        &mut self,
        context: &mut Context<'_>,
        id: ObservationId,
    ) -> Option<Observation> {
        let mut removed = self.table.remove(id)?;
        let timer = Timer::Observation(id);
        context.timers.set(timer, &mut removed.deadline, None);
        let account = removed.observer.account;
        let body = self.stored.forget(account, id);
        abandon(context, account, body);
        Some(removed)
    }
}

/// The server fetches no more of a body. What is stored needn't wait for the end of it.
pub(super) fn abandon(context: &mut Context<'_>, account: AccountId, body: Option<Resource>) {
    if let Some(body) = body
        && let Some(connection) = context.registrations.connection(account)
    {
        let now = context.now;
        context.endpoint.bodies().abandon(now, &connection, body);
    }
}
