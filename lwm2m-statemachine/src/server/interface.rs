//! The Client Registration interface: Register, Update and De-register (TS 5.3, 8.2.4).

use alloc::boxed::Box;

use lwm2m_core::{
    Code, ContentFormat, Instant, Method, Operation, Parameter, RegisterParameters,
    UpdateParameters,
};

use super::{
    Server,
    event::{Changes, EndReason, ServerEvent},
    location::{Location, RD},
    objects::ObjectList,
    parameters::Given,
    refusal::{Refusal, RefusalReason},
    registration::{Rare, Registration, RegistrationId, set},
    room::Standing,
};
use crate::{
    coap::{Body, MessageBuf, MessageRef, OptionError, Responder},
    machine::{Channel, Identity, Peer},
};

/// When a client that was refused for want of room may try again, in seconds.
const RETRY_AFTER: u32 = 60;

/// From where a request came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a, P> {
    pub(super) peer: &'a P,
    pub(super) channel: Channel,
    pub(super) identity: Identity<'a>,
}

impl<P> Origin<'_, P> {
    /// That of a client of which only a Register is known.
    fn standing(&self) -> Standing {
        if self.is_secure() {
            Standing::Proven
        } else {
            Standing::Unconfirmed
        }
    }

    pub(super) fn is_secure(&self) -> bool {
        self.identity != Identity::None
    }
}

/// An answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Created(Location),
    Code(Code),
}

impl Answer {
    fn message(self) -> Result<MessageBuf, OptionError> {
        match self {
            Self::Created(location) => {
                let mut message = MessageBuf::response(Code::CREATED);
                message
                    .location_path(RD)?
                    .location_path(location.token().as_str())?;
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

/// Why a request has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// It is none of this interface.
    NoOperation(Code),
    /// It is refused; the registration is what its location names.
    Refused(Operation, Option<RegistrationId>, RefusalReason),
}

impl Failure {
    fn code(self) -> Code {
        match self {
            Self::NoOperation(code) => code,
            Self::Refused(_, _, reason) => reason.code(),
        }
    }
}

/// What the path of a request leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Rd,
    /// A location; none if no registration ever has it.
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

/// What a request asks for, and whom it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Register,
    Update(RegistrationId),
    Deregister(RegistrationId),
}

/// What happened beside the answer; its events come after it.
#[derive(Debug)]
enum Effect<P> {
    Registered {
        registration: RegistrationId,
        replaced: Option<(RegistrationId, Box<Registration<P>>)>,
    },
    Updated(RegistrationId, Changes),
    Deregistered(RegistrationId),
}

impl<P: Peer> Server<P> {
    /// Answers a request, then tells the application what it changed.
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        responder: Responder,
        request: &MessageRef<'_>,
        body: &Body<'_>,
    ) {
        match self.dispatch(now, origin, request, body) {
            Ok((answer, effect)) => {
                // One Register takes the place of the other. Without security anybody can make
                // the server accept any number of them, under the address of any client.
                let responder = match effect {
                    Effect::Registered { .. } => responder.repeatable(),
                    Effect::Updated(..) | Effect::Deregistered(_) => responder,
                };
                self.answer(now, responder, answer);
                self.follow(now, effect);
            }
            Err(failure) => self.refuse(now, origin, responder, request, failure),
        }
    }

    /// Decides about a request by the first block of its body: a Register or an Update is put
    /// together, for all else nothing is held.
    pub(super) fn handle_first_block(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        responder: Responder,
        request: &MessageRef<'_>,
    ) {
        match self.asked(now, origin, request) {
            Ok(Asked::Register | Asked::Update(_)) => {
                // As above: the endpoint has the responder from a moment ago.
                let _ = self.endpoint.assemble(now, responder, request);
            }
            // A De-register has no body.
            Ok(Asked::Deregister(_)) => {
                let failure = Failure::NoOperation(Code::BAD_REQUEST);
                self.refuse(now, origin, responder, request, failure);
            }
            Err(failure) => self.refuse(now, origin, responder, request, failure),
        }
    }

    /// Answers a request with its failure, and tells the application of one that is refused.
    fn refuse(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        responder: Responder,
        request: &MessageRef<'_>,
        failure: Failure,
    ) {
        self.answer(now, responder, Answer::Code(failure.code()));
        if let Failure::Refused(operation, registration, reason) = failure {
            self.events.push_back(ServerEvent::Refused(Refusal {
                operation,
                reason,
                peer: origin.peer.clone(),
                channel: origin.channel,
                security: origin.identity.security_mode(),
                endpoint_name: self.name_in(request, registration),
                registration,
            }));
        }
    }

    fn answer(&mut self, now: Instant, responder: Responder, answer: Answer) {
        if let Ok(message) = answer.message() {
            // The endpoint has the responder from a moment ago; what it cannot send, the client
            // asks for again.
            let _ = self.endpoint.respond(now, responder, message);
        }
    }

    /// Tells the application what happened, and ends what ends with it.
    fn follow(&mut self, now: Instant, effect: Effect<P>) {
        match effect {
            Effect::Registered {
                registration,
                replaced,
            } => {
                if let Some((old, was)) = replaced {
                    self.end_all_of(now, old);
                    self.events.push_back(ServerEvent::Replaced {
                        registration: old,
                        was,
                        by: registration,
                    });
                }
                self.events
                    .push_back(ServerEvent::Registered { registration });
            }
            Effect::Updated(registration, changes) => {
                if changes.peer {
                    self.end_observations(now, registration, EndReason::PeerChanged);
                }
                self.events.push_back(ServerEvent::Updated {
                    registration,
                    changes,
                });
            }
            Effect::Deregistered(registration) => {
                if let Some(was) = self.forget(now, registration) {
                    self.events
                        .push_back(ServerEvent::Deregistered { registration, was });
                }
            }
        }
    }

    fn dispatch(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        request: &MessageRef<'_>,
        body: &[u8],
    ) -> Result<(Answer, Effect<P>), Failure> {
        match self.asked(now, origin, request)? {
            Asked::Register => self
                .register(now, origin, request, body)
                .map_err(|reason| Failure::Refused(Operation::Register, None, reason)),
            Asked::Update(id) => self
                .update(now, origin, id, request, body)
                .map_err(|reason| Failure::Refused(Operation::Update, Some(id), reason)),
            Asked::Deregister(id) => {
                let answer = Answer::Code(Code::DELETED);
                Ok((answer, Effect::Deregistered(id)))
            }
        }
    }

    /// What a request asks for, by its method and path, of whoever may ask for it.
    fn asked(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        request: &MessageRef<'_>,
    ) -> Result<Asked, Failure> {
        let method = request.code().method();
        match (Target::of(request), method) {
            (Target::Rd, Some(Method::Post)) => Ok(Asked::Register),
            (Target::Location(location), Some(Method::Post)) => {
                let refused = |(id, reason)| Failure::Refused(Operation::Update, id, reason);
                let id = self.client(now, origin, location).map_err(refused)?;
                Ok(Asked::Update(id))
            }
            (Target::Location(location), Some(Method::Delete)) => {
                let refused = |(id, reason)| Failure::Refused(Operation::Deregister, id, reason);
                let id = self.client(now, origin, location).map_err(refused)?;
                Ok(Asked::Deregister(id))
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

    /// The registration of this location, for its client; else what the location names, and why it
    /// is not for whoever asks. Who may not use a location is not told that it exists.
    fn client(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        location: Option<Location>,
    ) -> Result<RegistrationId, (Option<RegistrationId>, RefusalReason)> {
        let found = location.and_then(|location| self.registrations.find_location(location));
        let unknown = (None, RefusalReason::UnknownLocation);
        let id = found.ok_or(unknown)?;
        let registration = self.registrations.get(id).ok_or(unknown)?;
        if registration.expires_at() <= now {
            self.expire(now, id);
            Err(unknown)
        } else if self.is_client(origin, registration) {
            Ok(id)
        } else {
            Err((Some(id), RefusalReason::AnotherClient))
        }
    }

    /// Whether a request is from the client of this registration: it has a proven identity that
    /// may use the endpoint name, from wherever it comes; without one, it comes from where the
    /// client registered.
    fn is_client(&self, origin: &Origin<'_, P>, registration: &Registration<P>) -> bool {
        if registration.is_secure() {
            let name = registration.endpoint_name();
            origin.is_secure() && (self.settings.identity_check)(&origin.identity, name)
        } else {
            registration.peer == *origin.peer
        }
    }

    /// TS 5.3.1.
    fn register(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        request: &MessageRef<'_>,
        body: &[u8],
    ) -> Result<(Answer, Effect<P>), RefusalReason> {
        let mut unknown = self.unknown_parameters();
        let parameters =
            RegisterParameters::read(request.uri_query(), self.settings.versions, |query| {
                unknown.take(query)
            })?;
        let unknown = unknown.finish()?;
        // After the version: the payload of another version is no concern of ours.
        check_content_format(request)?;
        let name = parameters.endpoint.as_str();
        self.check_name(origin, name)?;
        let objects = self.object_list(body)?;
        let rare = Rare {
            sms: parameters.sms,
            parameters: unknown,
        };
        let mut registration = Registration {
            endpoint_name: name.into(),
            peer: origin.peer.clone(),
            channel: origin.channel,
            standing: origin.standing(),
            updated_since: false,
            location: self.registrations.free_location(),
            lifetime: parameters.lifetime,
            version: parameters.version,
            binding: parameters.binding,
            objects,
            rare: rare.boxed(),
            registered: now,
            updated: now,
            expiry: now,
            pending_observes: 0,
        };
        registration.expiry = self.settings.expiry(&registration);
        let old = self.admit(now, &registration)?;
        let location = registration.location;
        let replaced = old.and_then(|old| Some((old, self.registrations.remove(old)?)));
        let id = self
            .registrations
            .insert(registration)
            .ok_or(RefusalReason::NoRoom)?;
        Ok((
            Answer::Created(location),
            Effect::Registered {
                registration: id,
                replaced: replaced.map(|(old, was)| (old, Box::new(was))),
            },
        ))
    }

    /// TS 5.3.2.
    fn update(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        id: RegistrationId,
        request: &MessageRef<'_>,
        body: &[u8],
    ) -> Result<(Answer, Effect<P>), RefusalReason> {
        check_content_format(request)?;
        let registration = self.registrations.get(id);
        let registration = registration.ok_or(RefusalReason::UnknownLocation)?;
        let mut unknown = self.unknown_parameters();
        let parameters =
            UpdateParameters::read(request.uri_query(), registration.binding, |query| {
                unknown.take(query)
            })?;
        let objects = match body {
            [] => None,
            body => Some(self.object_list(body)?),
        };
        let rare = if unknown.is_empty() && parameters.sms.is_none() {
            None
        } else {
            Some(registration.rare_with(&unknown, parameters.sms)?)
        };
        let more = registration.growth(objects.as_ref(), rare.as_ref());
        // It has its location, so it was sent to where it is.
        self.confirm(id);
        if more > 0 {
            self.make_room_for_update(now, id, more)?;
        }
        let settings = &self.settings;
        let changes = self.registrations.change(id, |registration| {
            let mut changes =
                rare.map_or_else(Changes::default, |rare| registration.set_rare(rare));
            changes.lifetime = set(&mut registration.lifetime, parameters.lifetime);
            changes.binding = set(&mut registration.binding, parameters.binding);
            changes.objects = set(&mut registration.objects, objects);
            changes.peer = set(&mut registration.peer, Some(origin.peer.clone()));
            registration.channel = origin.channel;
            registration.updated = now;
            registration.updated_since = true;
            registration.expiry = settings.expiry(registration);
            changes
        });
        let changes = changes.unwrap_or_default();
        Ok((Answer::Code(Code::CHANGED), Effect::Updated(id, changes)))
    }

    fn object_list(&self, body: &[u8]) -> Result<ObjectList, RefusalReason> {
        let list = ObjectList::parse(body, &self.settings.bounds)?;
        // The list is a mandatory parameter (TS Table 7).
        if list.is_empty() {
            return Err(RefusalReason::NoObjects);
        }
        Ok(list)
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

    fn unknown_parameters(&self) -> Given {
        let limit = self.settings.bounds.unknown_parameters;
        Given::new(self.settings.unknown_parameters, limit)
    }
}

/// The payload is a list of links (TS 5.3.1). A request without a Content-Format is taken at its
/// word; Table 27 has no 4.15 for one with another.
fn check_content_format(request: &MessageRef<'_>) -> Result<(), RefusalReason> {
    match request.content_format() {
        None | Some(ContentFormat::LINK_FORMAT) => Ok(()),
        Some(format) => Err(RefusalReason::ContentFormat(format)),
    }
}
