//! What follows from changes: of values, of attributes and default periods, of rights.

use alloc::vec::Vec;

use lwm2m_core::{ObjectId, Path, ShortServerId};
use lwm2m_objects::{
    Typed as _,
    typed::{AccessControl, AclTarget},
};

use super::{
    super::{changed::Changed, timers::ObservationId},
    ending::abandon,
    parts::{Context, Reporting, Way, set_timer},
};

impl Reporting {
    /// Takes notice of changes that servers can read, and of what decides about notifications.
    pub(in crate::client) fn changed(&mut self, context: &mut Context<'_>, changed: &Changed) {
        for path in changed.paths() {
            for id in self.table.around(*path) {
                self.value_changed(context, id, *path);
            }
        }
        self.conditions_changed(context, changed);
    }

    fn value_changed(&mut self, context: &mut Context<'_>, id: ObservationId, path: Path) {
        if let Some(observation) = self.table.get_mut(id) {
            let view = context.view(&observation.observer, observation.path);
            observation.schedule.changed(&view, path);
            let way = Way::of(&self.stored, context, &observation.observer);
            set_timer(context, id, observation, &view, way);
        }
    }

    /// A server has written attributes at `path`: its observations there are armed anew, at once.
    pub(in crate::client) fn rearm(
        &mut self,
        context: &mut Context<'_>,
        server: ShortServerId,
        path: Path,
    ) {
        let mut around = self.table.around(path);
        around.retain(|id| {
            let found = self.table.get(*id);
            found.is_some_and(|found| found.observer.server == server)
        });
        self.rearm_each(context, around);
    }

    /// Default periods, whether notifications are stored, rights and accounts may have changed.
    fn conditions_changed(&mut self, context: &mut Context<'_>, changed: &Changed) {
        let mut concerned = Vec::new();
        if changed.touches_security() {
            return self.rearm_each(context, self.table.all());
        }
        for path in changed.paths() {
            let Some(mut some) = self.concerned(context, *path) else {
                concerned = self.table.all();
                break;
            };
            concerned.append(&mut some);
        }
        concerned.sort_unstable();
        concerned.dedup();
        self.rearm_each(context, concerned);
    }

    /// The observations whose conditions or rights a change at `path` may change; `None` for all.
    fn concerned(&self, context: &Context<'_>, path: Path) -> Option<Vec<ObservationId>> {
        match (path.object()?, path.instance()) {
            (ObjectId::SERVER, Some(instance)) if path.resource().is_some() => {
                let account = context.registrations.account_of(instance);
                Some(account.map_or_else(Vec::new, |account| {
                    let mut of_account = self.table.of(account);
                    of_account.append(&mut self.table.unobserved(account));
                    of_account
                }))
            }
            (ObjectId::ACCESS_CONTROL, Some(instance)) => {
                // What a deleted one was about isn't known any more.
                match AccessControl::load(context.tree, instance)?.target {
                    AclTarget::Instance(object, instance) => {
                        Some(self.table.around(Path::Instance(object, instance)))
                    }
                    AclTarget::Object(_) => Some(Vec::new()),
                }
            }
            // Who has the only account has all rights (TS 7.3).
            (ObjectId::SERVER | ObjectId::ACCESS_CONTROL, _) => None,
            _ => Some(Vec::new()),
        }
    }

    /// What is under way of an observation, but may not be read any more, is sent no further. It is told
    /// when the right is back (TS 7.3.2.5).
    fn withdraw(&mut self, context: &mut Context<'_>, id: ObservationId) {
        let account = self.table.get(id).map(|found| found.observer.account);
        if let Some(account) = account
            && self.stored.is_sending(account, id)
            && !self.may_go_on(context, account)
        {
            let interrupted = self.stored.failed(account);
            self.quieten(context, id);
            let rest = abandon(context, interrupted);
            return self.send_stored(context, rest);
        }
        let open = self.table.get_mut(id).filter(|found| found.is_open());
        let Some(observation) = open else {
            return;
        };
        let view = context.view(&observation.observer, observation.path);
        if !observation.schedule.is_readable(&view) {
            observation.take_open();
            observation.schedule.count_all();
            self.quieten(context, id);
        }
    }

    fn rearm_each(&mut self, context: &mut Context<'_>, ids: Vec<ObservationId>) {
        for id in ids {
            self.withdraw(context, id);
            if let Some(observation) = self.table.get_mut(id) {
                let view = context.view(&observation.observer, observation.path);
                observation.schedule.rearm(&view);
                let way = Way::of(&self.stored, context, &observation.observer);
                set_timer(context, id, observation, &view, way);
            }
        }
    }
}
