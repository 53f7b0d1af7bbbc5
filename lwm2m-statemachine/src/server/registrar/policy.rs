//! What the application has decided about registrations.

use core::time::Duration;

use lwm2m_core::{EnablerVersions, Instant};

use super::{
    objects::ObjectList, origin::Origin, parameters::GivenParameters, refusal::RefusalReason,
    registration::Registration,
};
use crate::{
    machine::IdentityTable,
    server::config::{IdentityCheck, NoSec, ServerBounds, ServerConfig, UnknownParameters},
};

/// What the application has decided about registrations.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) versions: EnablerVersions,
    pub(super) bounds: ServerBounds,
    unknown_parameters: UnknownParameters,
    identity_check: IdentityCheck,
    pub(super) identities: IdentityTable,
    no_sec: NoSec,
    grace: Duration,
}

impl Policy {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self {
            versions: config.versions,
            bounds: config.bounds,
            unknown_parameters: config.unknown_parameters,
            identity_check: config.identity_check,
            identities: config.identities.clone(),
            no_sec: config.no_sec,
            grace: config.grace,
        }
    }

    /// Whether a client may register under this name at all (TS 7.1.5, 7.1.10).
    pub(super) fn check_name<P>(
        &self,
        origin: &Origin<'_, P>,
        name: &str,
    ) -> Result<(), RefusalReason> {
        match (origin.is_secure(), self.no_sec) {
            (true, _) if self.may_use(origin, name) => Ok(()),
            (true, _) => Err(RefusalReason::Identity),
            (false, NoSec::Accept) => Ok(()),
            (false, NoSec::Only(may_register)) if may_register(name) => Ok(()),
            (false, NoSec::Only(_) | NoSec::Refuse) => Err(RefusalReason::NoSec),
        }
    }

    /// Whether the proven identity may use this name.
    fn may_use<P>(&self, origin: &Origin<'_, P>, name: &str) -> bool {
        let identity = &origin.identity;
        (self.identity_check)(identity, name) || self.identities.allows(identity, name)
    }

    /// Whether a request is from the client of this registration: it has a proven identity that may
    /// use the endpoint name, wherever it comes from; without one, it comes from where the client
    /// registered. Whoever may use the name could register under it as well, so it needn't be the
    /// identity of the Register: keys may be renewed.
    pub(super) fn is_client<P: PartialEq>(
        &self,
        origin: &Origin<'_, P>,
        registration: &Registration<P>,
    ) -> bool {
        if registration.is_secure() {
            origin.is_secure() && self.may_use(origin, registration.endpoint_name())
        } else {
            registration.peer() == origin.peer
        }
    }

    /// The list of Objects that a Register or an Update carries (TS Table 7).
    pub(super) fn object_list(&self, body: &[u8]) -> Result<ObjectList, RefusalReason> {
        let list = ObjectList::parse(body, &self.bounds)?;
        if list.is_empty() {
            return Err(RefusalReason::NoObjects);
        }
        Ok(list)
    }

    /// For the unknown parameters of a request.
    pub(super) const fn unknown_parameters(&self) -> GivenParameters {
        GivenParameters::new(self.unknown_parameters, self.bounds.unknown_parameters)
    }

    /// When a registration ends unless it is updated.
    pub(super) fn expiry<P>(&self, registration: &Registration<P>) -> Instant {
        let lifetime = registration.lifetime().as_duration();
        let mut kept = lifetime.min(self.bounds.lifetime);
        if !registration.is_confirmed() {
            kept = kept.min(self.bounds.unconfirmed_lifetime);
        }
        registration.updated_at() + kept + self.grace
    }
}
