//! The calls of the application.

use lwm2m_core::{Code, Instant};
use thiserror::Error;

use super::{
    bootstraps::{Bootstrap, Client, Standing, State},
    event::BootstrapFailure,
    id::BootstrapId,
    packed::PackedSteps,
    parts::BootstrapServer,
    plan::{InvalidPlan, Plan},
};
use crate::machine::{Channel, Peer};

/// Why a plan isn't taken. Nothing has changed, except that a bootstrap whose time is over
/// [ends](super::BootstrapServerEvent::Ended).
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The bootstrap doesn't exist, or has ended.
    #[error("no such bootstrap")]
    UnknownBootstrap,
    /// The bootstrap isn't waiting for this: a request that waits is for
    /// [`start`](BootstrapServer::start), a bootstrap that is paused for
    /// [`resume`](BootstrapServer::resume).
    #[error("the bootstrap does not wait for this")]
    NotWaiting,
    /// The plan isn't valid; the same call fails again.
    #[error("{0}")]
    Plan(#[from] InvalidPlan),
    /// There are as many bootstraps as
    /// [`BootstrapBounds::bootstraps`](super::BootstrapBounds::bootstraps); the same call may succeed
    /// later.
    #[error("there are {0} bootstraps")]
    Bootstraps(usize),
    /// All plans together would take more than
    /// [`BootstrapBounds::plan_bytes`](super::BootstrapBounds::plan_bytes); the same call may succeed
    /// later.
    #[error("the plans would take more than {0} bytes")]
    PlanBytes(usize),
}

/// Why the application refuses a Bootstrap-Request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefuseWith {
    /// 4.00: it doesn't know the endpoint name (TS Table 27).
    UnknownEndpoint,
    /// 5.03: it has no time for it now. The client may ask again.
    Unavailable,
}

impl<P: Peer> BootstrapServer<P> {
    /// Gives a request its plan, which the machine copies. The request is answered 2.04, unless that is done, and the first
    /// step is sent.
    pub fn start(
        &mut self,
        now: Instant,
        bootstrap: BootstrapId,
        plan: &Plan,
    ) -> Result<(), StartError> {
        let found = self.living(now, bootstrap)?;
        let State::Waiting(responder) = &found.state else {
            return Err(StartError::NotWaiting);
        };
        // With the 2.04, the time of the client begins.
        let begins = responder.is_some();
        let channel = found.client.channel;
        let steps = self.check(plan)?;
        if let Some(responder) = self.bootstraps.take_responder(bootstrap) {
            self.answer(now, responder, Code::CHANGED);
        }
        if begins {
            let deadline = now + self.policy.waits(channel).silence;
            self.bootstraps.set_deadline(bootstrap, Some(deadline));
        }
        self.bootstraps.give(bootstrap, steps);
        self.advance(now, bootstrap);
        Ok(())
    }

    /// Refuses a request. It is answered with the code, unless it was answered at once; the event of
    /// its end follows.
    pub fn refuse(
        &mut self,
        now: Instant,
        bootstrap: BootstrapId,
        reason: RefuseWith,
    ) -> Result<(), StartError> {
        let found = self.living(now, bootstrap)?;
        if !matches!(found.state, State::Waiting(_)) {
            return Err(StartError::NotWaiting);
        }
        if let Some(responder) = self.bootstraps.take_responder(bootstrap) {
            let code = match reason {
                RefuseWith::UnknownEndpoint => Code::BAD_REQUEST,
                RefuseWith::Unavailable => Code::SERVICE_UNAVAILABLE,
            };
            self.answer(now, responder, code);
        }
        self.stats.refused = self.stats.refused.saturating_add(1);
        self.end(now, bootstrap, Err(BootstrapFailure::Refused));
        Ok(())
    }

    /// Gives a bootstrap that is [paused](super::BootstrapServerEvent::Paused) more steps: those that
    /// follow from what a Discover found, or those that repair what was inconsistent.
    pub fn resume(
        &mut self,
        now: Instant,
        bootstrap: BootstrapId,
        plan: &Plan,
    ) -> Result<(), StartError> {
        let found = self.living(now, bootstrap)?;
        if !matches!(found.state, State::Paused) {
            return Err(StartError::NotWaiting);
        }
        let steps = self.check(plan)?;
        self.bootstraps.give(bootstrap, steps);
        self.advance(now, bootstrap);
        Ok(())
    }

    /// Begins the bootstrap of a client that has made no request (TS 5.2.3.4). The caller knows that
    /// the client is ready for it, and that the peer is the client of this endpoint name: with
    /// security, the client is the DTLS server (TS 7.1.6).
    ///
    /// A bootstrap or a request of the same name or peer [ends](BootstrapFailure::Superseded).
    pub fn begin(
        &mut self,
        now: Instant,
        endpoint_name: &str,
        peer: P,
        channel: Channel,
        plan: &Plan,
    ) -> Result<BootstrapId, StartError> {
        let steps = self.check(plan)?;
        let most = self.policy.bounds.bootstraps;
        let replaces = self.bootstraps.find_name(endpoint_name).is_some()
            || self.bootstraps.find_peer(&peer).is_some();
        if !replaces && self.bootstraps.len() >= most {
            return Err(StartError::Bootstraps(most));
        }
        self.supersede(now, endpoint_name, &peer);
        let client = Client {
            endpoint_name: endpoint_name.into(),
            peer,
            channel,
            standing: Standing::Begun,
            host: None,
        };
        let bootstrap = self.bootstraps.insert(client, State::Waiting(None));
        let deadline = now + self.policy.waits(channel).silence;
        self.bootstraps.set_deadline(bootstrap, Some(deadline));
        self.stats.begun = self.stats.begun.saturating_add(1);
        self.bootstraps.give(bootstrap, steps);
        self.advance(now, bootstrap);
        Ok(bootstrap)
    }

    /// Ends a bootstrap. A request that waits is answered 5.03. A client that had begun gives up
    /// after EXCHANGE_LIFETIME (TS 5.2.3.3). Returns `false` if there is no such bootstrap.
    pub fn abort(&mut self, now: Instant, bootstrap: BootstrapId) -> bool {
        let found = self.bootstraps.get(bootstrap).is_some();
        self.end(now, bootstrap, Err(BootstrapFailure::Aborted));
        found
    }

    /// The connection to a peer is lost: its bootstrap ends, and nothing more is sent to it. A
    /// request that comes from it later is a new one.
    pub fn peer_gone(&mut self, now: Instant, peer: &P) {
        if let Some(bootstrap) = self.bootstraps.find_peer(peer) {
            // There is nobody to answer.
            if let Some(responder) = self.bootstraps.take_responder(bootstrap) {
                self.endpoint.ignore(responder);
            }
            self.end(now, bootstrap, Err(BootstrapFailure::PeerGone));
        }
        self.endpoint.close_peer(now, peer);
        self.handle_endpoint_events(now);
    }

    /// A bootstrap whose time isn't over.
    fn living(&mut self, now: Instant, id: BootstrapId) -> Result<&Bootstrap<P>, StartError> {
        if self.bootstraps.is_due(id, now) {
            self.expire(now, id);
        }
        let found = self.bootstraps.get(id);
        found.ok_or(StartError::UnknownBootstrap)
    }

    /// The steps of a plan, if there is room for them.
    fn check(&self, plan: &Plan) -> Result<PackedSteps, StartError> {
        let bounds = &self.policy.bounds;
        let (steps, limit) = (PackedSteps::from(plan), bounds.plan_bytes_each);
        let bytes = steps.len();
        if bytes > limit {
            return Err(InvalidPlan::TooLarge { bytes, limit }.into());
        }
        plan.check(&self.registry)?;
        let all = self.bootstraps.counts().plan_bytes;
        let all = all.saturating_add(bytes);
        if all > bounds.plan_bytes {
            return Err(StartError::PlanBytes(bounds.plan_bytes));
        }
        Ok(steps)
    }
}
