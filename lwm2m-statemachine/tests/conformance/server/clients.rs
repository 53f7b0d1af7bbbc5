//! Scripted clients of a Server: they register, are reached, and leave.

use lwm2m_core::{Code, ContentFormat, Method};
use lwm2m_kit::path;
use lwm2m_statemachine::{
    ObservationId, OperationId, Outcome, RegistrationId, Server, ServerConfig, ServerEvent,
    coap::MessageBuf,
    server::{Changes, RefusalReason, Registration},
};

use super::bench::{Bench, Peer};
use crate::message::{Answer, Request, request};

pub(super) const NAME: &str = "urn:dev:os:0023C7-000001";

/// The Objects of a small client.
pub(super) const OBJECTS: &str = "</1/0>,</3/0>";

pub(super) type Event = ServerEvent<Peer>;

pub(super) fn server() -> Bench<Server<Peer>> {
    server_with(|_| {})
}

pub(super) fn server_with(configure: impl FnOnce(&mut ServerConfig)) -> Bench<Server<Peer>> {
    let mut config = ServerConfig::new([7; 32]);
    configure(&mut config);
    Bench::of(Server::new(config))
}

/// Register (TS 5.3.1) with these parameters.
pub(super) fn register(parameters: &str) -> Request {
    register_with(parameters, OBJECTS)
}

/// Register with this list besides.
pub(super) fn register_with(parameters: &str, objects: &str) -> Request {
    request(Method::Post, &format!("/rd?{parameters}")).links(objects)
}

/// Register with the parameters that must be there.
pub(super) fn usual() -> Request {
    register(&format!("ep={NAME}&lt=86400&lwm2m=1.0"))
}

/// A Client that is registered, and where.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) id: RegistrationId,
    pub(super) location: String,
}

impl Registered {
    /// Update (TS 5.3.2) with these parameters.
    pub(super) fn update(&self, parameters: &str) -> Request {
        request(Method::Post, &format!("{}?{parameters}", self.location))
    }

    /// De-register (TS 5.3.3).
    pub(super) fn deregister(&self) -> Request {
        request(Method::Delete, &self.location)
    }
}

impl Bench<Server<Peer>> {
    /// The only event since the last call, but for those that say who is awake (TS 8.3).
    #[track_caller]
    pub(super) fn told(&mut self) -> Event {
        let mut events = self.events();
        events.retain(|event| !matches!(event, Event::Awake { .. } | Event::Asleep { .. }));
        assert_eq!(events.len(), 1, "expected one event, got {events:?}");
        events.remove(0)
    }

    /// The Register is accepted: 2.01, and a location under `/rd`.
    #[track_caller]
    pub(super) fn registered(&mut self, request: &Request) -> Registered {
        let answer = self.request(request).expect(Code::CREATED);
        let location = location(&answer);
        match self.told() {
            Event::Registered { registration: id } => Registered { id, location },
            event => panic!("expected a registration, got {event:?}"),
        }
    }

    /// The Update is accepted; what it has changed.
    #[track_caller]
    pub(super) fn updated(&mut self, client: &Registered, request: &Request) -> Changes {
        self.request(request).expect(Code::CHANGED);
        match self.told() {
            Event::Updated {
                registration,
                changes,
            } => {
                assert_eq!(registration, client.id);
                changes
            }
            event => panic!("expected an Update, got {event:?}"),
        }
    }

    /// The request is refused with this code, and changes nothing.
    #[track_caller]
    pub(super) fn expect_refused(&mut self, request: &Request, code: Code) -> RefusalReason {
        let before = format!("{:?}", self.machine.registrations().collect::<Vec<_>>());
        self.request(request).expect(code);
        let reason = match self.told() {
            Event::Refused(refusal) => {
                assert_eq!(refusal.code(), code);
                refusal.reason
            }
            event => panic!("expected a refusal, got {event:?}"),
        };
        let after = format!("{:?}", self.machine.registrations().collect::<Vec<_>>());
        assert_eq!(before, after, "the registrations");
        reason
    }

    #[track_caller]
    pub(super) fn expect_expired(&mut self, client: &Registered) {
        match self.told() {
            Event::Expired { registration, .. } => assert_eq!(registration, client.id),
            event => panic!("expected the end of the Lifetime, got {event:?}"),
        }
        self.expect_unknown(client);
    }

    /// There is no such registration any more.
    #[track_caller]
    pub(super) fn expect_unknown(&mut self, client: &Registered) {
        assert!(self.machine.registration(client.id).is_none());
        for request in [client.update(""), client.deregister()] {
            let reason = self.expect_refused(&request, Code::NOT_FOUND);
            assert_eq!(reason, RefusalReason::UnknownLocation);
        }
        let read = self.machine.read(self.now, client.id, path("/3/0"), None);
        read.expect_err("no such registration");
        self.expect_nothing_asked();
    }

    #[track_caller]
    pub(super) fn of_client(&self, client: &Registered) -> &Registration<Peer> {
        let registration = self.machine.registration(client.id);
        registration.expect("the registration")
    }

    /// The Server reads, and the request goes to the client that speaks.
    #[track_caller]
    pub(super) fn expect_reached(&mut self, client: &Registered) {
        let read = self
            .machine
            .read(self.now, client.id, path("/3/0/9"), None)
            .expect("the client is registered");
        let asked = self.expect_asked(Method::Get, "/3/0/9");
        self.answer(&asked, level());
        let outcome = self.expect_answered(read);
        assert!(matches!(outcome, Outcome::Content(_)), "{outcome:?}");
    }

    #[track_caller]
    pub(super) fn expect_answered(&mut self, operation: OperationId) -> Outcome {
        match self.told() {
            Event::Answered {
                operation: ended,
                outcome,
                ..
            } if ended == operation => outcome,
            event => panic!("expected an outcome, got {event:?}"),
        }
    }

    /// The Server observes, and the client agrees.
    #[track_caller]
    pub(super) fn observing(&mut self, client: &Registered) -> ObservationId {
        let observe = self
            .machine
            .observe(self.now, client.id, path("/3/0/9"), None)
            .expect("the client is registered");
        let asked = self.expect_asked(Method::Get, "/3/0/9");
        let mut answer = MessageBuf::response(Code::CONTENT);
        answer.observe(1).expect("one option");
        answer.payload(b"85");
        self.answer(&asked, answer);
        match self.expect_answered(observe) {
            Outcome::Observing { observation, .. } => observation,
            outcome => panic!("expected an observation, got {outcome:?}"),
        }
    }
}

/// A battery level as text.
pub(super) fn level() -> MessageBuf {
    lwm2m_kit::response(Code::CONTENT, b"85")
}

/// 2.05 in this format.
pub(super) fn content_in(format: ContentFormat, payload: &[u8]) -> MessageBuf {
    let mut answer = MessageBuf::response(Code::CONTENT);
    answer.content_format(format).expect("one option");
    answer.payload(payload);
    answer
}

/// Where a Client has been registered: under `/rd`.
#[track_caller]
pub(super) fn location(answer: &Answer) -> String {
    let [rd, rest @ ..] = &*answer.location else {
        panic!("expected a Location-Path");
    };
    assert!(rd == "rd" && !rest.is_empty(), "{:?}", answer.location);
    format!("/{}", answer.location.join("/"))
}
