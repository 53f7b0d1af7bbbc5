//! A registration as plain data, for a restart of the server.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;

use lwm2m_core::{Binding, EndpointName, Instant, Lifetime, Msisdn, Version};
use thiserror::Error;

use super::{
    eviction::Standing,
    location::Location,
    objects::{ObjectList, ObjectsRecord},
    policy::Policy,
    refusal::RefusalReason,
    registration::{Announced, Contact, OptionalParameters, Registration},
};
use crate::{
    machine::{Channel, Past},
    server::id::RegistrationId,
};

/// Why a record isn't restored. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It was taken by a version of this crate whose records are others.
    #[error("records of version {0} can't be read")]
    Version(u16),
    /// It contradicts itself.
    #[error("the record is damaged")]
    Damaged,
    /// A client is registered under its endpoint name, its location or its handle.
    #[error("its endpoint name, location or handle is in use")]
    InUse,
    /// Its client couldn't register now: the configuration is another one than when it did.
    #[error("its client couldn't register now: {0}")]
    Refused(RefusalReason),
}

impl From<RefusalReason> for RecordError {
    fn from(reason: RefusalReason) -> Self {
        Self::Refused(reason)
    }
}

/// A registration as plain data. Moments are ages, as the clock may begin anew.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(in crate::server) struct RegistrationRecord<P> {
    pub(in crate::server) id: RegistrationId,
    pub(in crate::server) endpoint_name: String,
    location: Location,
    contact: ContactRecord<P>,
    announced: AnnouncedRecord,
    registered: Duration,
    updated: Duration,
}

/// Where the client is reached, and what it has shown of itself.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct ContactRecord<P> {
    peer: P,
    channel: Channel,
    standing: Standing,
    updated_since: bool,
    peer_gone: bool,
}

/// What the client said of itself.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct AnnouncedRecord {
    lifetime: Lifetime,
    version: Version,
    binding: Binding,
    objects: ObjectsRecord,
    sms: Option<Msisdn>,
    parameters: Vec<String>,
}

impl<P> RegistrationRecord<P> {
    pub(super) fn of(now: Instant, id: RegistrationId, registration: &Registration<P>) -> Self
    where
        P: Clone,
    {
        let Registration {
            contact, announced, ..
        } = registration;
        Self {
            id,
            endpoint_name: registration.endpoint_name().to_string(),
            location: registration.location,
            contact: ContactRecord {
                peer: contact.peer.clone(),
                channel: contact.channel,
                standing: contact.standing,
                updated_since: contact.updated_since,
                peer_gone: contact.peer_gone,
            },
            announced: AnnouncedRecord {
                lifetime: announced.lifetime,
                version: announced.version,
                binding: announced.binding,
                objects: announced.objects.record(),
                sms: registration.sms_number(),
                parameters: registration.parameters().map(String::from).collect(),
            },
            registered: registration.registered.age(now),
            updated: registration.updated.age(now),
        }
    }

    pub(in crate::server) const fn peer(&self) -> &P {
        &self.contact.peer
    }

    /// The session where the client was reached has ended. One without a proven identity is its peer.
    pub(in crate::server) fn end_session(&mut self) {
        self.contact.peer_gone |= self.contact.standing == Standing::Proven;
    }

    /// The same with another name for the peer.
    pub(in crate::server) fn of_peer<Q>(self, name: impl FnOnce(P) -> Q) -> RegistrationRecord<Q> {
        let contact = self.contact;
        RegistrationRecord {
            id: self.id,
            endpoint_name: self.endpoint_name,
            location: self.location,
            contact: ContactRecord {
                peer: name(contact.peer),
                channel: contact.channel,
                standing: contact.standing,
                updated_since: contact.updated_since,
                peer_gone: contact.peer_gone,
            },
            announced: self.announced,
            registered: self.registered,
            updated: self.updated,
        }
    }

    /// The registration, checked as a Register is. `downtime` is how old the record is.
    pub(super) fn registration(
        self,
        now: Instant,
        downtime: Duration,
        policy: &Policy,
    ) -> Result<Registration<P>, RecordError> {
        let (contact, announced) = (self.contact, self.announced);
        let objects = ObjectList::restored(&announced.objects, &policy.bounds)?;
        let name = EndpointName::new(&*self.endpoint_name).map_err(|_| RecordError::Damaged)?;
        if objects.is_empty() || (contact.peer_gone && contact.standing != Standing::Proven) {
            return Err(RecordError::Damaged);
        }
        policy.check_restored(name.as_str(), announced.version, contact.standing)?;
        let mut parameters = policy.unknown_parameters();
        for parameter in &announced.parameters {
            parameters.push(parameter);
        }
        let optional = OptionalParameters {
            sms: announced.sms,
            unknown: parameters.finish()?,
        };
        let past = |age: Duration| Past::before(now, age.saturating_add(downtime));
        let mut registration = Registration {
            endpoint_name: self.endpoint_name.into(),
            location: self.location,
            contact: Contact {
                peer: contact.peer,
                channel: contact.channel,
                standing: contact.standing,
                updated_since: contact.updated_since,
                peer_gone: contact.peer_gone,
            },
            announced: Announced {
                lifetime: announced.lifetime,
                version: announced.version,
                binding: announced.binding,
                objects,
                optional: optional.boxed(),
            },
            registered: past(self.registered),
            updated: past(self.updated),
            expiry: now,
        };
        registration.expiry = policy.expiry(&registration);
        Ok(registration)
    }
}
