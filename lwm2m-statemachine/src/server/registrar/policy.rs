//! What the application has decided about registrations.

use core::time::Duration;

use lwm2m_core::{EnablerVersions, Instant, ParameterError, Version};

use super::{
    eviction::Standing, objects::ObjectList, parameters::GivenParameters, refusal::RefusalReason,
    registration::Registration,
};
use crate::{
    downlink::{NameDenied, NamePolicy, Origin},
    machine::IdentityTable,
    server::config::{ServerBounds, ServerConfig, UnknownParameters},
};

/// What the application has decided about registrations.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) versions: EnablerVersions,
    pub(super) bounds: ServerBounds,
    unknown_parameters: UnknownParameters,
    names: NamePolicy,
    grace: Duration,
}

impl Policy {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self {
            versions: config.versions,
            bounds: config.bounds,
            unknown_parameters: config.unknown_parameters,
            names: NamePolicy {
                identity_check: config.identity_check,
                identities: config.identities.clone(),
                no_sec: config.no_sec,
            },
            grace: config.grace,
        }
    }

    /// Whether a client may register under this name at all (TS 7.1.5, 7.1.10).
    pub(super) fn check_name<P>(
        &self,
        origin: &Origin<'_, P>,
        name: &str,
    ) -> Result<(), RefusalReason> {
        self.names
            .check(origin, name)
            .map_err(|denied| match denied {
                NameDenied::Identity => RefusalReason::Identity,
                NameDenied::NoSec => RefusalReason::NoSec,
            })
    }

    /// Whether a client that has registered before a restart could do so now (TS 5.3.1, 7.1.10).
    pub(super) fn check_restored(
        &self,
        name: &str,
        version: Version,
        standing: Standing,
    ) -> Result<(), RefusalReason> {
        let accepted = self.versions;
        if !accepted.contains(version) {
            let (query, client) = (0, version);
            return Err(RefusalReason::Parameter(ParameterError::Version {
                query,
                client,
                accepted,
            }));
        }
        if standing != Standing::Proven && !self.names.serves_unproven(name) {
            return Err(RefusalReason::NoSec);
        }
        Ok(())
    }

    pub(super) const fn identities(&self) -> &IdentityTable {
        &self.names.identities
    }

    pub(super) const fn identities_mut(&mut self) -> &mut IdentityTable {
        &mut self.names.identities
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
            origin.is_secure()
                && self
                    .names
                    .allows(&origin.identity, registration.endpoint_name())
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
        registration.updated.after(kept + self.grace)
    }
}
