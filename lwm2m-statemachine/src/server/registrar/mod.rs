//! The Client Registration interface: Register, Update and De-register (TS 5.3, 8.2.4).
//!
//! The registrar decides about a request: what to answer, and what else has happened. It sends
//! nothing. Registrations share no data, so a server can be one of many, each with a part of the
//! peers.
//!
//! - `policy` is what the application has decided, `admission` makes room for a registration.
//! - `registrations` finds a registration by handle, name or location, and the next one that expires;
//!   `eviction` orders those that may be evicted, `pages` stores them.
//! - `registration`, `objects` and `parameters` are what one client said; `record` is that as plain data.

mod admission;
mod eviction;
mod location;
mod objects;
mod pages;
mod parameters;
mod policy;
mod record;
mod refusal;
mod registration;
mod registrations;

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use lwm2m_core::{
    Code, ContentFormat, Instant, Method, Operation, Parameter, RegisterParameters,
    UpdateParameters,
};

use self::{
    admission::Admission,
    eviction::Standing,
    location::RD,
    policy::Policy,
    registration::{Announced, Contact, OptionalParameters, Update},
    registrations::Registrations,
};
pub(super) use self::{admission::Departure, objects::ObjectList, record::RegistrationRecord};
pub use self::{
    admission::EvictionReason,
    location::Location,
    record::RecordError,
    refusal::{Refusal, RefusalReason},
    registration::{Changes, Registration},
};
use super::{config::ServerConfig, id::RegistrationId};
use crate::{
    coap::{MessageBuf, MessageRef, OptionError, OptionNumber},
    downlink::{HostOf, Origin},
    machine::{IdentityTable, Peer, Random},
};

/// How long a client that was refused because there is no room should wait, in seconds.
const RETRY_AFTER: u32 = 60;

/// The registered clients.
#[derive(Debug)]
pub(super) struct Registrar<P> {
    registrations: Registrations<P>,
    policy: Policy,
    /// Registrations that have ended since the last [`take_departures`](Self::take_departures).
    departures: Vec<Departure<P>>,
}

/// The decision about a request.
#[derive(Debug)]
pub(super) struct Decision<P> {
    pub(super) answer: Answer,
    pub(super) effect: Effect<P>,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Created(Location),
    Code(Code),
}

impl Answer {
    pub(super) fn message(self) -> Result<MessageBuf, OptionError> {
        match self {
            Self::Created(location) => {
                let mut message = MessageBuf::response(Code::CREATED);
                message
                    .location_path(RD)?
                    .option(OptionNumber::LOCATION_PATH, location.token().as_bytes())?;
                Ok(message)
            }
            Self::Code(code) => {
                let mut message = MessageBuf::response(code);
                if code == Code::SERVICE_UNAVAILABLE {
                    message.max_age(RETRY_AFTER)?;
                }
                Ok(message)
            }
        }
    }
}

/// What happened apart from the answer; its events come after it.
#[derive(Debug)]
pub(super) enum Effect<P> {
    Registered {
        registration: RegistrationId,
        replaced: Option<(RegistrationId, Box<Registration<P>>)>,
    },
    Updated {
        registration: RegistrationId,
        changes: Changes,
        /// The Objects before, if they have changed.
        objects_before: Option<ObjectList>,
        /// The peer that the client has left, unless it was gone.
        left: Option<P>,
    },
    Deregistered(RegistrationId, Box<Registration<P>>),
    Refused(Refusal<P>),
    /// It wasn't a request of this interface.
    Nothing,
}

/// A request of this interface, and the registration it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Register,
    Update(RegistrationId),
    Deregister(RegistrationId),
}

/// Why a request has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// It isn't one of this interface.
    NoOperation(Code),
    /// It is refused; the registration is the one that its location names.
    Refused(Operation, Option<RegistrationId>, RefusalReason),
}

/// What the path of a request leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Rd,
    /// A location; `None` if no registration can have it.
    Location(Option<Location>),
    Nothing,
}

impl Target {
    fn of(request: &MessageRef<'_>) -> Self {
        let mut path = request.uri_path();
        match (path.next(), path.next(), path.next()) {
            (Some(RD), None, _) => Self::Rd,
            (Some(RD), Some(token), None) => Self::Location(Location::from_token(token)),
            _ => Self::Nothing,
        }
    }
}

/// The requests of clients.
impl<P: Peer> Registrar<P> {
    /// Decides about a whole request.
    pub(super) fn decide(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        request: &MessageRef<'_>,
        body: &[u8],
    ) -> Decision<P> {
        self.accept(now, origin, request, body)
            .unwrap_or_else(|failure| self.fail(origin, request, failure))
    }

    /// Decides about a request by the first block of its body. The body of a Register or an Update is
    /// put together: `None`. Nothing is held of any other.
    pub(super) fn decide_by_first_block(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        request: &MessageRef<'_>,
    ) -> Option<Decision<P>> {
        let failure = match self.classify(now, origin, request) {
            Ok(Request::Register | Request::Update(_)) => return None,
            // A De-register has no body.
            Ok(Request::Deregister(_)) => Failure::NoOperation(Code::BAD_REQUEST),
            Err(failure) => failure,
        };
        Some(self.fail(origin, request, failure))
    }

    /// The decision about a request that fails.
    fn fail(
        &self,
        origin: &Origin<'_, P>,
        request: &MessageRef<'_>,
        failure: Failure,
    ) -> Decision<P> {
        match failure {
            Failure::NoOperation(code) => Decision {
                answer: Answer::Code(code),
                effect: Effect::Nothing,
            },
            Failure::Refused(operation, registration, reason) => Decision {
                answer: Answer::Code(reason.code()),
                effect: Effect::Refused(Refusal {
                    operation,
                    reason,
                    peer: origin.peer.clone(),
                    channel: origin.channel,
                    security: origin.identity.security_mode(),
                    endpoint_name: self.name_in(request, registration),
                    registration,
                }),
            },
        }
    }

    fn accept(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        request: &MessageRef<'_>,
        body: &[u8],
    ) -> Result<Decision<P>, Failure> {
        match self.classify(now, origin, request)? {
            Request::Register => self
                .register(now, origin, request, body)
                .map_err(|reason| Failure::Refused(Operation::Register, None, reason)),
            Request::Update(id) => self
                .update(now, origin, id, request, body)
                .map_err(|reason| Failure::Refused(Operation::Update, Some(id), reason)),
            Request::Deregister(id) => {
                let was = self.registrations.remove(id);
                let was = was.ok_or(Failure::NoOperation(Code::NOT_FOUND))?;
                Ok(Decision {
                    answer: Answer::Code(Code::DELETED),
                    effect: Effect::Deregistered(id, Box::new(was)),
                })
            }
        }
    }

    /// Which request it is, by method and path, if its sender may make it.
    fn classify(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        request: &MessageRef<'_>,
    ) -> Result<Request, Failure> {
        let method = request.code().method();
        match (Target::of(request), method) {
            (Target::Rd, Some(Method::Post)) => Ok(Request::Register),
            (Target::Location(location), Some(Method::Post)) => {
                let refused = |(id, reason)| Failure::Refused(Operation::Update, id, reason);
                let id = self.client(now, origin, location).map_err(refused)?;
                Ok(Request::Update(id))
            }
            (Target::Location(location), Some(Method::Delete)) => {
                let refused = |(id, reason)| Failure::Refused(Operation::Deregister, id, reason);
                let id = self.client(now, origin, location).map_err(refused)?;
                Ok(Request::Deregister(id))
            }
            (Target::Location(location), _) => {
                let unknown = |(_, reason): (_, RefusalReason)| Failure::NoOperation(reason.code());
                self.client(now, origin, location).map_err(unknown)?;
                Err(Failure::NoOperation(Code::METHOD_NOT_ALLOWED))
            }
            (Target::Rd, _) => Err(Failure::NoOperation(Code::METHOD_NOT_ALLOWED)),
            (Target::Nothing, _) => Err(Failure::NoOperation(Code::NOT_FOUND)),
        }
    }

    /// The registration of this location, for its client. For anyone else, the registration that the
    /// location names and why it isn't theirs; the answer doesn't tell that it exists.
    fn client(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        location: Option<Location>,
    ) -> Result<RegistrationId, (Option<RegistrationId>, RefusalReason)> {
        let found = location.and_then(|location| self.registrations.find_location(location));
        let unknown = (None, RefusalReason::UnknownLocation);
        let id = found.ok_or(unknown)?;
        if self.is_client(now, origin, id) {
            Ok(id)
        } else if self.admission(now).expire_if_due(id) {
            Err(unknown)
        } else {
            Err((Some(id), RefusalReason::AnotherClient))
        }
    }

    /// TS 5.3.1.
    fn register(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        request: &MessageRef<'_>,
        body: &[u8],
    ) -> Result<Decision<P>, RefusalReason> {
        let registration = self.read_register(now, origin, request, body)?;
        let location = registration.location;
        let name = self.registrations.hash_name(registration.endpoint_name());
        let old = self.admission(now).admit(&registration, name)?;
        let (id, replaced) = if let Some(old) = old {
            let replaced = self.registrations.replace(old, registration);
            let (id, was) = replaced.ok_or(RefusalReason::NoRoom)?;
            (id, Some((old, Box::new(was))))
        } else {
            let id = self.registrations.insert(registration, name);
            (id.ok_or(RefusalReason::NoRoom)?, None)
        };
        Ok(Decision {
            answer: Answer::Created(location),
            effect: Effect::Registered {
                registration: id,
                replaced,
            },
        })
    }

    /// What a Register says, as the registration that it asks for.
    fn read_register(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        request: &MessageRef<'_>,
        body: &[u8],
    ) -> Result<Registration<P>, RefusalReason> {
        let mut unknown = self.policy.unknown_parameters();
        let parameters =
            RegisterParameters::read(request.uri_query(), self.policy.versions, |query| {
                unknown.take(query)
            })?;
        let unknown = unknown.finish()?;
        // After the version: the payload may have another form in another version.
        check_content_format(request)?;
        let name = parameters.endpoint.as_str();
        self.policy.check_name(origin, name)?;
        let optional = OptionalParameters {
            sms: parameters.sms,
            unknown,
        };
        let mut registration = Registration {
            endpoint_name: name.into(),
            announced: Announced {
                lifetime: parameters.lifetime,
                version: parameters.version,
                binding: parameters.binding,
                objects: self.policy.object_list(body)?,
                optional: optional.boxed(),
            },
            contact: Contact {
                peer: origin.peer.clone(),
                channel: origin.channel,
                standing: Standing::of(origin),
                updated_since: false,
                peer_gone: false,
            },
            location: self.registrations.free_location(),
            registered: now.into(),
            updated: now.into(),
            expiry: now,
        };
        registration.expiry = self.policy.expiry(&registration);
        Ok(registration)
    }

    /// TS 5.3.2.
    fn update(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        id: RegistrationId,
        request: &MessageRef<'_>,
        body: &[u8],
    ) -> Result<Decision<P>, RefusalReason> {
        check_content_format(request)?;
        let registration = self.registrations.get(id);
        let registration = registration.ok_or(RefusalReason::UnknownLocation)?;
        let mut unknown = self.policy.unknown_parameters();
        let parameters =
            UpdateParameters::read(request.uri_query(), registration.binding(), |query| {
                unknown.take(query)
            })?;
        let objects = match body {
            [] => None,
            body => Some(self.policy.object_list(body)?),
        };
        let update = Update {
            lifetime: parameters.lifetime,
            binding: parameters.binding,
            objects,
            optional: registration.optional_with(&unknown, parameters.sms)?,
        };
        let more = registration.growth(&update);
        // The client knows its location, so it receives what is sent to it.
        self.confirm(id);
        if more > 0 {
            self.admission(now).make_room_for_update(id, more)?;
        }
        let policy = &self.policy;
        let result = self.registrations.change(id, |registration| {
            let left = registration.left_for(origin.peer, origin.channel);
            let (changes, objects) = registration.update(now, origin, update);
            registration.expiry = policy.expiry(registration);
            (changes, objects, left)
        });
        let (changes, objects_before, left) = result.unwrap_or_default();
        Ok(Decision {
            answer: Answer::Code(Code::CHANGED),
            effect: Effect::Updated {
                registration: id,
                changes,
                objects_before,
                left,
            },
        })
    }

    /// The name of this registration, or what the request says.
    fn name_in(
        &self,
        request: &MessageRef<'_>,
        registration: Option<RegistrationId>,
    ) -> Option<Box<str>> {
        let registration = registration.and_then(|id| self.registrations.get(id));
        let known = registration.map(Registration::endpoint_name);
        let mut said = request.uri_query().filter_map(|query| {
            query
                .strip_prefix(Parameter::EndpointName.key())?
                .strip_prefix('=')
        });
        known.or_else(|| said.next()).map(Box::from)
    }

    fn admission(&mut self, now: Instant) -> Admission<'_, P> {
        Admission {
            registrations: &mut self.registrations,
            departures: &mut self.departures,
            policy: &self.policy,
            now,
        }
    }
}

/// Where clients are reached.
impl<P: Peer> Registrar<P> {
    /// Whether a message is from the client of this registration, whose lifetime isn't over.
    pub(super) fn is_client(
        &self,
        now: Instant,
        origin: &Origin<'_, P>,
        id: RegistrationId,
    ) -> bool {
        let registration = self.registrations.get(id);
        registration
            .filter(|registration| registration.expires_at() > now)
            .is_some_and(|registration| self.policy.is_client(origin, registration))
    }

    /// A peer is gone: the registrations there stay, and their clients can't be reached. Returns them.
    pub(super) fn peer_gone(&mut self, peer: &P) -> Vec<RegistrationId> {
        self.registrations.peer_gone(peer)
    }

    /// A client with a proven identity isn't where it was heard last: its registration stays, and it
    /// can't be reached. Returns whether there is one.
    pub(super) fn client_gone(&mut self, id: RegistrationId) -> bool {
        let set = |registration: &mut Registration<P>| {
            let is_secure = registration.is_secure();
            registration.contact.peer_gone |= is_secure;
            is_secure
        };
        self.registrations.change(id, set).unwrap_or(false)
    }

    /// Whether a client with a proven identity is reached at this peer, other than this one.
    pub(super) fn is_reached_by_others(&self, peer: &P, than: RegistrationId) -> bool {
        self.registrations.is_reached_by_others(peer, than)
    }

    /// Whether a client has registered from there: what comes from it over SMS may come from elsewhere.
    pub(super) fn is_reached_at(&self, origin: &Origin<'_, P>, id: RegistrationId) -> bool {
        let registration = self.registrations.get(id);
        registration.is_some_and(|registration| {
            registration.peer() == origin.peer && registration.channel() == origin.channel
        })
    }

    /// Something other than a request of this interface came from a client. If its peer was gone, it
    /// is reached there from now on: returns whether that is so.
    pub(super) fn heard(&mut self, origin: &Origin<'_, P>, id: RegistrationId) -> bool {
        let registration = self.registrations.get(id);
        let moves = registration
            .filter(|registration| !registration.is_reachable())
            .is_some_and(|registration| self.policy.is_client(origin, registration));
        if moves {
            let set = |registration: &mut Registration<P>| registration.contact.set(origin);
            self.registrations.change(id, set);
        }
        moves
    }
}

/// The passing of time, and proof of reachability by answers.
impl<P: Peer> Registrar<P> {
    /// Ends a registration if its time is over, though [`expire_next`](Self::expire_next) wasn't
    /// called since. Tells whether it ended.
    pub(super) fn expire_if_due(&mut self, now: Instant, id: RegistrationId) -> bool {
        self.admission(now).expire_if_due(id)
    }

    /// Ends the registration that has expired first. Tells whether there was one.
    pub(super) fn expire_next(&mut self, now: Instant) -> bool {
        self.admission(now).expire_next()
    }

    /// When the next registration expires.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.registrations.next_expiry()
    }

    /// The registrations that have gone since the last call, in their order.
    pub(super) fn take_departures(&mut self) -> Vec<Departure<P>> {
        core::mem::take(&mut self.departures)
    }

    /// A client has shown that it receives what is sent to it.
    pub(super) fn confirm(&mut self, id: RegistrationId) {
        let registration = self.registrations.get(id);
        if registration.is_some_and(|registration| !registration.is_confirmed()) {
            let policy = &self.policy;
            self.registrations.change(id, |registration| {
                registration.contact.standing = Standing::Confirmed;
                registration.expiry = policy.expiry(registration);
            });
        }
    }
}

/// A restart of the server.
impl<P: Peer> Registrar<P> {
    /// A registration as plain data.
    pub(super) fn record(&self, now: Instant, id: RegistrationId) -> Option<RegistrationRecord<P>> {
        let registration = self.registrations.get(id)?;
        Some(RegistrationRecord::of(now, id, registration))
    }

    /// Restores a registration, if there is room. No other one is evicted for it. `downtime` is how old the record
    /// is.
    pub(super) fn restore(
        &mut self,
        now: Instant,
        record: RegistrationRecord<P>,
        downtime: Duration,
    ) -> Result<RegistrationId, RecordError> {
        let id = record.id;
        let registration = record.registration(now, downtime, &self.policy)?;
        let (known, location) = (&self.registrations, registration.location);
        let name = known.hash_name(registration.endpoint_name());
        let same_name = known.find_hashed(registration.endpoint_name(), name);
        let same_location = known.find_location(location);
        let others = [same_name, same_location, known.in_place_of(id)];
        if others.iter().any(Option::is_some) {
            return Err(RecordError::InUse);
        }
        self.admission(now).admit_restored(id, &registration)?;
        let restored = self.registrations.restore(id, registration, name);
        restored.map(|()| id).ok_or(RecordError::InUse)
    }
}

/// What is registered.
impl<P> Registrar<P> {
    pub(super) fn new(
        config: &ServerConfig,
        random: &mut Random,
        host_of: Option<HostOf<P>>,
    ) -> Self {
        Self {
            registrations: Registrations::new(random, host_of),
            policy: Policy::new(config),
            departures: Vec::new(),
        }
    }

    pub(super) const fn identities(&self) -> &IdentityTable {
        self.policy.identities()
    }

    pub(super) const fn identities_mut(&mut self) -> &mut IdentityTable {
        self.policy.identities_mut()
    }

    pub(super) fn get(&self, id: RegistrationId) -> Option<&Registration<P>> {
        self.registrations.get(id)
    }

    /// The registration that is kept where this one is or was: the one that has replaced it, if its client
    /// has registered anew since.
    pub(super) fn in_place_of(&self, id: RegistrationId) -> Option<RegistrationId> {
        self.registrations.in_place_of(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RegistrationId, &Registration<P>)> {
        self.registrations.iter()
    }

    pub(super) fn find(&self, endpoint_name: &str) -> Option<RegistrationId> {
        self.registrations.find(endpoint_name)
    }

    pub(super) fn len(&self) -> usize {
        self.registrations.len()
    }

    /// What the registrations take, in bytes of heap.
    pub(super) fn bytes(&self) -> usize {
        self.registrations.bytes()
    }

    /// How many hosts have registrations without a proven identity.
    pub(super) fn hosts(&self) -> usize {
        self.registrations.hosts()
    }
}

/// The payload is a list of links (TS 5.3.1). Without a Content-Format it is read as one; Table 27 has
/// no 4.15 for another format.
fn check_content_format(request: &MessageRef<'_>) -> Result<(), RefusalReason> {
    match request.content_format() {
        None | Some(ContentFormat::LINK_FORMAT) => Ok(()),
        Some(format) => Err(RefusalReason::ContentFormat(format)),
    }
}

#[cfg(test)]
mod tests;
