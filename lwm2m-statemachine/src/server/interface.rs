//! The Client Registration interface: Register, Update and De-register (TS 5.3, 8.2.4).

use alloc::{boxed::Box, vec::Vec};

use lwm2m_core::{
    Code, ContentFormat, Instant, Method, RegisterParameters, UnknownParameter, UpdateParameters,
};

use super::{
    Server,
    config::UnknownParameters,
    event::{Changes, EndReason, ServerEvent},
    location::{Location, RD},
    objects::{ListError, ObjectList},
    registration::{Rare, Registration, RegistrationId},
};
use crate::{
    Channel, Identity, Peer,
    coap::{Body, MessageBuf, MessageRef, OptionError, Responder},
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
    fn is_secure(&self) -> bool {
        self.identity != Identity::None
    }
}

/// An answer to a request of this interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Created(Location),
    Code(Code),
    /// No room: 5.03, and when to try again.
    Full,
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
            Self::Code(code) => Ok(MessageBuf::response(code)),
            Self::Full => {
                let mut message = MessageBuf::response(Code::SERVICE_UNAVAILABLE);
                message.max_age(RETRY_AFTER)?;
                Ok(message)
            }
        }
    }
}

/// What the path of a request leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Rd,
    Location(Location),
    Nothing,
}

impl Target {
    fn of(request: &MessageRef<'_>) -> Self {
        let mut path = request.uri_path();
        match (path.next(), path.next(), path.next()) {
            (Some(RD), None, _) => Self::Rd,
            (Some(RD), Some(token), None) => {
                Location::from_token(token).map_or(Self::Nothing, Self::Location)
            }
            _ => Self::Nothing,
        }
    }
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
        let (answer, effect) = match self.dispatch(now, origin, request, body) {
            Ok((answer, effect)) => (answer, Some(effect)),
            Err(answer) => (answer, None),
        };
        if let Ok(message) = answer.message() {
            // The endpoint has the responder from a moment ago; what it cannot send, the client
            // asks for again.
            let _ = self.endpoint.respond(now, responder, message);
        }
        match effect {
            None => {}
            Some(Effect::Registered {
                registration,
                replaced,
            }) => {
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
            Some(Effect::Updated(registration, changes)) => {
                if changes.peer {
                    self.end_observations(now, registration, EndReason::PeerChanged);
                }
                self.events.push_back(ServerEvent::Updated {
                    registration,
                    changes,
                });
            }
            Some(Effect::Deregistered(registration)) => {
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
    ) -> Result<(Answer, Effect<P>), Answer> {
        match (Target::of(request), request.code().method()) {
            (Target::Nothing, _) => Err(Answer::Code(Code::NOT_FOUND)),
            (Target::Rd, Some(Method::Post)) => self.register(now, origin, request, body),
            (Target::Rd, _) => Err(Answer::Code(Code::METHOD_NOT_ALLOWED)),
            (Target::Location(location), method) => {
                let registration = self.registrations.find_location(location);
                if let Some(registration) = registration {
                    self.expire_if_due(now, registration);
                }
                // Who may not use the location is not told that it exists.
                let registration = registration
                    .filter(|id| self.is_client(origin, *id))
                    .ok_or(Answer::Code(Code::NOT_FOUND))?;
                match method {
                    Some(Method::Post) => self.update(now, origin, registration, request, body),
                    Some(Method::Delete) => Ok((
                        Answer::Code(Code::DELETED),
                        Effect::Deregistered(registration),
                    )),
                    _ => Err(Answer::Code(Code::METHOD_NOT_ALLOWED)),
                }
            }
        }
    }

    /// Whether a request is from the client of this registration: it has a proven identity that
    /// may use the endpoint name, from wherever it comes; without one, it comes from where the
    /// client registered.
    fn is_client(&self, origin: &Origin<'_, P>, id: RegistrationId) -> bool {
        self.registrations.get(id).is_some_and(|registration| {
            if registration.secure {
                origin.is_secure()
                    && (self.settings.identity_check)(
                        &origin.identity,
                        registration.endpoint_name(),
                    )
            } else {
                registration.peer == *origin.peer
            }
        })
    }

    /// TS 5.3.1.
    fn register(
        &mut self,
        now: Instant,
        origin: &Origin<'_, P>,
        request: &MessageRef<'_>,
        body: &[u8],
    ) -> Result<(Answer, Effect<P>), Answer> {
        check_content_format(request)?;
        let mut unknown = self.unknown_parameters();
        let parameters =
            RegisterParameters::read(request.uri_query(), self.settings.version, |query| {
                unknown.take(query)
            })
            .map_err(|error| Answer::Code(error.code()))?;
        let unknown = unknown.finish()?;
        let name = parameters.endpoint.as_str();
        if origin.is_secure() && !(self.settings.identity_check)(&origin.identity, name) {
            return Err(Answer::Code(Code::BAD_REQUEST));
        }
        let objects = self.object_list(body)?;
        if let Some(old) = self.registrations.find(name) {
            self.expire_if_due(now, old);
        }
        if self.registrations.len() >= self.settings.bounds.registrations
            && let Some(expired) = self.registrations.pop_expired(now)
        {
            self.expire(now, expired);
        }
        let old = self.registrations.find(name);
        if let Some(old) = old.and_then(|old| self.registrations.get(old)) {
            // A client that proved who it is cannot be pushed out by one that did not.
            if old.secure && !origin.is_secure() {
                return Err(Answer::Code(Code::FORBIDDEN));
            }
        } else if self.registrations.len() >= self.settings.bounds.registrations {
            return Err(Answer::Full);
        }
        let location = self.registrations.free_location();
        let rare = Rare {
            sms: parameters.sms,
            parameters: unknown.into_iter().map(Box::from).collect(),
        };
        let registration = Registration {
            endpoint_name: name.into(),
            peer: origin.peer.clone(),
            channel: origin.channel,
            secure: origin.is_secure(),
            location,
            lifetime: parameters.lifetime,
            version: parameters.version,
            binding: parameters.binding,
            objects,
            rare: rare.boxed(),
            registered: now,
            updated: now,
            expiry: None,
            pending_observes: 0,
        };
        let replaced = old.and_then(|old| Some((old, self.registrations.remove(old)?)));
        let id = self
            .registrations
            .insert(registration)
            .ok_or(Answer::Full)?;
        self.extend(now, id);
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
    ) -> Result<(Answer, Effect<P>), Answer> {
        check_content_format(request)?;
        let mut unknown = self.unknown_parameters();
        let parameters = UpdateParameters::read(request.uri_query(), |query| unknown.take(query))
            .map_err(|error| Answer::Code(error.code()))?;
        let unknown = unknown.finish()?;
        let objects = match body {
            [] => None,
            body => Some(self.object_list(body)?),
        };
        let limit = self.settings.bounds.unknown_parameters;
        let registration = self.registrations.get_mut(id);
        let registration = registration.ok_or(Answer::Code(Code::NOT_FOUND))?;
        let mut changes = Changes::default();

        let mut rare = registration.rare.as_deref().cloned().unwrap_or_default();
        changes.parameters = rare.merge(&unknown, limit)?;
        changes.sms_number = set(&mut rare.sms, parameters.sms.map(Some));
        registration.rare = rare.boxed();
        changes.lifetime = set(&mut registration.lifetime, parameters.lifetime);
        changes.binding = set(&mut registration.binding, parameters.binding);
        changes.objects = set(&mut registration.objects, objects);
        changes.peer = set(&mut registration.peer, Some(origin.peer.clone()));
        registration.channel = origin.channel;
        registration.updated = now;
        self.extend(now, id);
        Ok((Answer::Code(Code::CHANGED), Effect::Updated(id, changes)))
    }

    /// Lets the registration live for its Lifetime, and the grace, from now on.
    fn extend(&mut self, now: Instant, id: RegistrationId) {
        if let Some(registration) = self.registrations.get(id) {
            let expiry = now + registration.lifetime.as_duration() + self.settings.grace;
            self.registrations.set_expiry(id, Some(expiry));
        }
    }

    fn object_list(&self, body: &[u8]) -> Result<ObjectList, Answer> {
        let list = ObjectList::parse(body, self.settings.bounds.objects);
        let list = list.map_err(|error| match error {
            ListError::Malformed(_) => Answer::Code(Code::BAD_REQUEST),
            ListError::TooLong => Answer::Code(Code::REQUEST_ENTITY_TOO_LARGE),
        })?;
        // The list is a mandatory parameter (TS Table 7).
        if list.is_empty() {
            return Err(Answer::Code(Code::BAD_REQUEST));
        }
        Ok(list)
    }

    fn unknown_parameters<'q>(&self) -> Unknown<'q> {
        Unknown {
            policy: self.settings.unknown_parameters,
            left: Some(self.settings.bounds.unknown_parameters),
            queries: Vec::new(),
        }
    }
}

/// The payload is a list of links (TS 5.3.1); a request that does not say so is believed.
fn check_content_format(request: &MessageRef<'_>) -> Result<(), Answer> {
    match request.content_format() {
        None | Some(ContentFormat::LINK_FORMAT) => Ok(()),
        Some(_) => Err(Answer::Code(Code::UNSUPPORTED_CONTENT_FORMAT)),
    }
}

/// Sets what the client gave; tells whether that changed it.
fn set<T: PartialEq>(slot: &mut T, given: Option<T>) -> bool {
    match given {
        Some(value) if *slot != value => {
            *slot = value;
            true
        }
        _ => false,
    }
}

/// The unknown parameters of one request.
struct Unknown<'q> {
    policy: UnknownParameters,
    /// How many bytes there is still room for; `None` once there was not.
    left: Option<usize>,
    queries: Vec<&'q str>,
}

impl<'q> Unknown<'q> {
    fn take(&mut self, query: &'q str) -> UnknownParameter {
        if self.policy == UnknownParameters::Refuse {
            return UnknownParameter::Refuse;
        }
        self.left = self.left.and_then(|left| left.checked_sub(query.len()));
        if self.left.is_some() {
            self.queries.push(query);
        }
        UnknownParameter::Accept
    }

    fn finish(self) -> Result<Vec<&'q str>, Answer> {
        self.left
            .ok_or(Answer::Code(Code::REQUEST_ENTITY_TOO_LARGE))?;
        Ok(self.queries)
    }
}

impl Rare {
    fn boxed(self) -> Option<Box<Self>> {
        (self.sms.is_some() || !self.parameters.is_empty()).then(|| Box::new(self))
    }

    /// Takes the unknown parameters of an Update: each in place of the one with its name, if there
    /// is one. Tells whether that changed anything; over `limit` bytes, nothing changes.
    fn merge(&mut self, unknown: &[&str], limit: usize) -> Result<bool, Answer> {
        let name = |query: &str| query.split('=').next().map(Box::<str>::from);
        let kept = self.parameters.iter().filter(|old| {
            let is_it = |new: &&str| name(new) == name(old);
            !unknown.iter().any(is_it)
        });
        let merged: Box<[Box<str>]> = kept
            .cloned()
            .chain(unknown.iter().map(|query| Box::from(*query)))
            .collect();
        if merged.iter().map(|query| query.len()).sum::<usize>() > limit {
            return Err(Answer::Code(Code::REQUEST_ENTITY_TOO_LARGE));
        }
        Ok(set(&mut self.parameters, Some(merged)))
    }
}
