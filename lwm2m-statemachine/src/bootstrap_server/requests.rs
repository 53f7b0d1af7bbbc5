//! What the bootstrap-server does with requests (TS 5.2.7.1).

use alloc::boxed::Box;

use lwm2m_core::{BootstrapParameters, Code, Instant, Method, Parameter, UnknownParameter};

use super::{
    bootstraps::{Client, Standing, State},
    config::Acceptance,
    event::{BootstrapServerEvent, Requester},
    parts::BootstrapServer,
    refusal::{Refusal, RefusalReason},
};
use crate::{
    coap::{MessageRef, Responder},
    downlink::{BS, NameDenied, Origin},
    machine::Peer,
};

impl<P: Peer> BootstrapServer<P> {
    /// Handles a request, or the first block of one.
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        responder: Responder,
        request: &MessageRef<'_>,
        in_blocks: bool,
    ) {
        let mut path = request.uri_path();
        if (path.next(), path.next()) != (Some(BS), None) {
            return self.answer(now, responder, Code::NOT_FOUND);
        }
        if request.code().method() != Some(Method::Post) {
            return self.answer(now, responder, Code::METHOD_NOT_ALLOWED);
        }
        let accepted = if in_blocks {
            Err(RefusalReason::Body)
        } else {
            self.accept(origin, request)
        };
        match accepted {
            Ok(client) => self.request(now, origin, responder, client),
            Err(reason) => self.refuse_request(now, origin, responder, request, reason),
        }
    }

    /// The client that asks for a bootstrap, if it may.
    fn accept(
        &self,
        origin: &Origin<'_, P>,
        request: &MessageRef<'_>,
    ) -> Result<Client<P>, RefusalReason> {
        // Later versions of LwM2M have more parameters, which say nothing that is needed here.
        let parameters =
            BootstrapParameters::read(request.uri_query(), |_| UnknownParameter::Accept)?;
        let name = parameters.endpoint.as_str();
        let denied = |denied| match denied {
            NameDenied::Identity => RefusalReason::Identity,
            NameDenied::NoSec => RefusalReason::NoSec,
        };
        self.policy.names.check(origin, name).map_err(denied)?;
        let (standing, host_of) = if origin.is_secure() {
            (Standing::Proven, None)
        } else {
            (Standing::Unproven, self.policy.host_of)
        };
        let client = Client {
            endpoint_name: name.into(),
            peer: origin.peer.clone(),
            channel: origin.channel,
            standing,
            host: host_of.map(|host_of| host_of(origin.peer)),
        };
        self.check_room(&client)?;
        Ok(client)
    }

    /// Whether there is room for this client, in the place of the bootstraps that it had.
    fn check_room(&self, client: &Client<P>) -> Result<(), RefusalReason> {
        let of_name = self.bootstraps.find_name(&client.endpoint_name);
        let of_peer = self.bootstraps.find_peer(&client.peer);
        let of_peer = of_peer.filter(|id| of_name != Some(*id));
        let mut counts = *self.bootstraps.counts();
        let mut all = self.bootstraps.len();
        let mut of_host = client.host.map(|host| self.bootstraps.count_at(host));
        for id in of_name.into_iter().chain(of_peer) {
            let Some(old) = self.bootstraps.get(id) else {
                continue;
            };
            if !old.client.gives_way_to(client) {
                return Err(RefusalReason::Secured);
            }
            let waits = usize::from(matches!(old.state, State::Waiting(_)));
            let unproven = usize::from(old.client.is_unproven());
            all = all.saturating_sub(1);
            counts.waiting = counts.waiting.saturating_sub(waits);
            counts.unproven = counts.unproven.saturating_sub(unproven);
            counts.unproven_waiting = counts.unproven_waiting.saturating_sub(waits * unproven);
            if old.client.host == client.host {
                of_host = of_host.map(|count| count.saturating_sub(1));
            }
        }
        let bounds = &self.policy.bounds;
        if of_host.is_some_and(|count| count >= bounds.per_host) {
            return Err(RefusalReason::Host(bounds.per_host));
        }
        let full = all >= bounds.bootstraps || counts.waiting >= bounds.waiting;
        let full_for_unproven = counts.unproven >= bounds.unproven
            || counts.unproven_waiting >= bounds.unproven_waiting;
        if full || client.is_unproven() && full_for_unproven {
            return Err(RefusalReason::NoRoom);
        }
        Ok(())
    }

    /// A client asks for a bootstrap; the one that it had ends.
    fn request(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        responder: Responder,
        client: Client<P>,
    ) {
        self.supersede(now, &client.endpoint_name, &client.peer);
        let told = Requester {
            endpoint_name: client.endpoint_name.clone(),
            peer: client.peer.clone(),
            channel: client.channel,
            identity: origin.identity.into(),
        };
        let (responder, wait) = match self.policy.acceptance {
            Acceptance::WithPlan => (Some(responder), self.policy.plan_time),
            Acceptance::AtOnce => {
                self.answer(now, responder, Code::CHANGED);
                (None, self.policy.waits(client.channel).silence)
            }
        };
        let id = self.bootstraps.insert(client, State::Waiting(responder));
        self.bootstraps.set_deadline(id, Some(now + wait));
        self.stats.requested = self.stats.requested.saturating_add(1);
        self.events.push_back(BootstrapServerEvent::Requested {
            bootstrap: id,
            client: told,
        });
    }

    fn refuse_request(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        responder: Responder,
        request: &MessageRef<'_>,
        reason: RefusalReason,
    ) {
        let code = reason.code();
        self.answer(now, responder, code);
        let count = if code == Code::SERVICE_UNAVAILABLE {
            &mut self.stats.overloaded
        } else {
            &mut self.stats.refused
        };
        *count = count.saturating_add(1);
        self.events
            .push_back(BootstrapServerEvent::Refused(Refusal {
                reason,
                peer: origin.peer.clone(),
                channel: origin.channel,
                security: origin.identity.security_mode(),
                endpoint_name: name_in(request),
            }));
    }
}

/// The endpoint name that a request says, valid or not.
fn name_in(request: &MessageRef<'_>) -> Option<Box<str>> {
    request.uri_query().find_map(|query| {
        let value = query.strip_prefix(Parameter::EndpointName.key())?;
        value.strip_prefix('=').map(Box::from)
    })
}
