//! B.2.1 Bootstrap Interface.

use lwm2m_core::{Code, ContentFormat, InstanceId, Method, ShortServerId};
use lwm2m_kit::path;
use lwm2m_objects::typed;
use lwm2m_statemachine::{
    BootstrapId, BootstrapServer, BootstrapServerConfig, BootstrapServerEvent, Channel,
    bootstrap_server::{
        BootstrapFailure, NoSec, PauseReason, Plan, RefusalReason, Requester, StepFailure,
        plans::{self, Account, BootstrapAccount},
    },
    coap::MessageBuf,
};

use super::bench::{Bench, Peer, Sent};
use crate::{
    message::{Request, request},
    steps::step,
    tlv::Values,
};

const NAME: &str = "urn:dev:os:0023C7-000001";
const URI: &str = "coaps://server.example.com";
const KEY: &[u8] = b"a key of 16 byte";
const SERVER: ShortServerId = ShortServerId::new(1).unwrap();

type Event = BootstrapServerEvent<Peer>;

fn bootstrap_server() -> Bench<BootstrapServer<Peer>> {
    Bench::of(BootstrapServer::new(BootstrapServerConfig::new([7; 32])))
}

/// Bootstrap-Request (TS 5.2.7.1).
fn bootstrap_request() -> Request {
    request(Method::Post, &format!("/bs?ep={NAME}"))
}

/// A server with a key, in the place of all that there are: Delete `/0` and `/1`, Write `/0/1` and
/// `/1/0`, Finish.
fn one_server() -> Plan {
    let account = Account {
        security: typed::Security::pre_shared_key(URI, SERVER, "identity", KEY),
        server: typed::Server::new(SERVER, 86_400),
    };
    let own = BootstrapAccount::Keep(InstanceId::ZERO);
    plans::one_server(own, account).expect("a plan")
}

/// What an application does.
impl Bench<BootstrapServer<Peer>> {
    /// It begins a bootstrap with the client that speaks.
    #[track_caller]
    fn begin(&mut self, client: Peer, plan: &Plan) -> BootstrapId {
        let begun = self
            .machine
            .begin(self.now, NAME, client, Channel::Udp, plan);
        begun.expect("a bootstrap")
    }

    #[track_caller]
    fn start(&mut self, bootstrap: BootstrapId, plan: &Plan) {
        let started = self.machine.start(self.now, bootstrap, plan);
        started.expect("the request waits");
    }

    #[track_caller]
    fn resume(&mut self, bootstrap: BootstrapId, plan: &Plan) {
        let resumed = self.machine.resume(self.now, bootstrap, plan);
        resumed.expect("the bootstrap is paused");
    }

    /// A client asks for a bootstrap.
    #[track_caller]
    fn expect_requested(&mut self) -> (BootstrapId, Requester<Peer>) {
        match self.event() {
            Event::Requested { bootstrap, client } => (bootstrap, client),
            event => panic!("expected a Bootstrap-Request, got {event:?}"),
        }
    }

    #[track_caller]
    fn expect_paused(&mut self, bootstrap: BootstrapId, why: PauseReason) {
        match self.event() {
            Event::Paused {
                bootstrap: paused,
                reason,
            } => assert_eq!((paused, reason), (bootstrap, why)),
            event => panic!("expected a pause, got {event:?}"),
        }
    }

    #[track_caller]
    fn expect_ended(&mut self, bootstrap: BootstrapId) -> Result<(), BootstrapFailure> {
        match self.event() {
            Event::Ended {
                bootstrap: ended,
                outcome,
                endpoint_name,
                ..
            } => {
                assert_eq!((ended, &*endpoint_name), (bootstrap, NAME));
                outcome
            }
            event => panic!("expected the end of a bootstrap, got {event:?}"),
        }
    }

    /// The commands of [`one_server`], which the client obeys.
    #[track_caller]
    fn obey_one_server(&mut self) {
        for object in ["/0", "/1"] {
            let delete = self.expect_asked(Method::Delete, object);
            self.answer_code(&delete, Code::DELETED);
        }
        for instance in ["/0/1", "/1/0"] {
            let write = self.expect_asked(Method::Put, instance);
            self.answer_code(&write, Code::CHANGED);
        }
        self.obey_finish();
    }

    /// Bootstrap-Finish, to which the client agrees.
    #[track_caller]
    fn obey_finish(&mut self) {
        let finish = self.expect_finish();
        self.answer_code(&finish, Code::CHANGED);
    }

    /// Bootstrap-Finish: `POST /bs`, without queries and payload.
    #[track_caller]
    fn expect_finish(&mut self) -> Sent {
        let finish = self.expect_asked(Method::Post, "/bs");
        assert!(finish.queries().is_empty() && finish.payload().is_empty());
        finish
    }
}

/// The Write of the server's Security Object Instance, in TLV.
#[track_caller]
fn expect_security(write: &Sent) {
    let format = write.message().content_format();
    assert_eq!(format, Some(ContentFormat::TLV));
    let values = Values::of(write.payload());
    assert_eq!(values.text(0), URI);
    assert!(!values.boolean(1), "not the account of a Bootstrap-Server");
    assert_eq!(values.integer(2), 0, "pre-shared keys");
    assert_eq!((values.text(3), values.bytes(5)), ("identity", KEY));
    assert_eq!(values.integer(10), 1);
}

/// The Write of its Server Object Instance, in TLV.
#[track_caller]
fn expect_server(write: &Sent) {
    let values = Values::of(write.payload());
    assert_eq!((values.integer(0), values.integer(1)), (1, 86_400));
    assert_eq!(values.text(7), "U");
}

pub(crate) fn lwm2m_boot_005_s_m() {
    as_a_bootstrap_that_the_client_asked_for();
    with_a_discover_first();
    in_json_and_repaired();
    that_fails();
}

/// TS 5.2.3.4: steps 1 and 2 of a client-initiated bootstrap, without the request.
fn as_a_bootstrap_that_the_client_asked_for() {
    step("a device is there: the commands come without its request");
    let mut bench = bootstrap_server();
    let bootstrap = bench.begin(1, &one_server());
    let delete = bench.expect_asked(Method::Delete, "/0");
    step("one command after the answer to the one before");
    bench.expect_nothing_asked();
    bench.answer_code(&delete, Code::DELETED);
    step("an Object other than 0 may be kept (TS 5.2.7.5)");
    let delete = bench.expect_asked(Method::Delete, "/1");
    bench.answer_code(&delete, Code::BAD_REQUEST);
    step("the account of the server, in two Writes; the answer to the first is separate");
    let write = bench.expect_asked(Method::Put, "/0/1");
    expect_security(&write);
    bench.answer_later(&write, 20, MessageBuf::response(Code::CHANGED));
    let write = bench.expect_asked(Method::Put, "/1/0");
    expect_server(&write);
    bench.answer_code(&write, Code::CHANGED);
    bench.expect_no_event();
    step("Finish");
    bench.obey_finish();
    assert_eq!(bench.expect_ended(bootstrap), Ok(()));
    step("nothing follows");
    bench.pass(86_400);
    bench.expect_nothing_asked();
}

/// TS 5.2.7.3: what the client has, before it is told what to change.
fn with_a_discover_first() {
    step("Discover of / first");
    let mut bench = bootstrap_server();
    let bootstrap = bench.begin(1, &Plan::new().discover(path("/")));
    let discover = bench.expect_asked(Method::Get, "");
    let accept = discover.message().accept();
    assert_eq!(accept, Some(ContentFormat::LINK_FORMAT));
    let links = br#"lwm2m="1.0",</0/0>;ssid=101,</0/1>,</0/2>;ssid=102,</1/0>;ssid=101,</1/1>;ssid=102,</3/0>,</4>"#;
    let mut found = MessageBuf::response(Code::CONTENT);
    let format = found.content_format(ContentFormat::LINK_FORMAT);
    format.expect("one option");
    found.payload(links);
    bench.answer(&discover, found);
    let events = bench.events();
    let [
        Event::Discovered { found, .. },
        Event::Paused {
            reason: PauseReason::StepsDone,
            ..
        },
    ] = &*events
    else {
        panic!("expected what was found, got {events:?}");
    };
    step("the Bootstrap-Server's own account is the one without a Short Server ID");
    assert_eq!(found.bootstrap_account(), InstanceId::new(1));
    let servers: Vec<_> = found.servers().map(|(id, _)| id.get()).collect();
    assert_eq!(servers, [101, 102]);
    step("what is told depends on it: one server goes");
    let plan = Plan::new().delete(path("/0/2")).delete(path("/1/1"));
    bench.resume(bootstrap, &plan.finish());
    for instance in ["/0/2", "/1/1"] {
        let delete = bench.expect_asked(Method::Delete, instance);
        bench.answer_code(&delete, Code::DELETED);
    }
    bench.obey_finish();
    assert_eq!(bench.expect_ended(bootstrap), Ok(()));
}

/// TS 5.2.6, Table 27: 4.15 and 4.06 aren't the end.
fn in_json_and_repaired() {
    step("a client that doesn't read TLV is told the same in JSON");
    let mut bench = bootstrap_server();
    let bootstrap = bench.begin(1, &one_server());
    for object in ["/0", "/1"] {
        let delete = bench.expect_asked(Method::Delete, object);
        bench.answer_code(&delete, Code::DELETED);
    }
    let write = bench.expect_asked(Method::Put, "/0/1");
    bench.answer_code(&write, Code::UNSUPPORTED_CONTENT_FORMAT);
    for instance in ["/0/1", "/1/0"] {
        let write = bench.expect_asked(Method::Put, instance);
        let format = write.message().content_format();
        assert_eq!(format, Some(ContentFormat::JSON), "of {instance}");
        let json: serde_json::Value = serde_json::from_slice(write.payload()).expect("JSON");
        let entries = json["e"].as_array().expect("entries");
        let base = json["bn"].as_str().unwrap_or_default();
        let id = entries.iter().find(|entry| {
            let name = format!("{base}{}", entry["n"].as_str().unwrap_or_default());
            [format!("{instance}/10"), "/1/0/0".into()].contains(&name)
        });
        assert_eq!(id.expect("a Short Server ID")["v"], 1, "{json}");
        bench.answer_code(&write, Code::CHANGED);
    }
    step("4.06 to the Finish: the application may repair, and finish again");
    let finish = bench.expect_finish();
    bench.answer_code(&finish, Code::NOT_ACCEPTABLE);
    bench.expect_paused(bootstrap, PauseReason::Inconsistent);
    bench.resume(bootstrap, &Plan::new().delete(path("/0/3")).finish());
    let delete = bench.expect_asked(Method::Delete, "/0/3");
    bench.answer_code(&delete, Code::DELETED);
    bench.obey_finish();
    assert_eq!(bench.expect_ended(bootstrap), Ok(()));
}

/// TS 5.2.3.3: the client considers the bootstrap failed, too, EXCHANGE_LIFETIME after the last command.
fn that_fails() {
    let mut bench = bootstrap_server();
    step("a command that is refused ends it, and is named");
    let bootstrap = bench.begin(1, &one_server());
    let delete = bench.expect_asked(Method::Delete, "/0");
    bench.answer_code(&delete, Code::BAD_REQUEST);
    let failure = bench.expect_ended(bootstrap).expect_err("refused");
    let BootstrapFailure::Step { step: at, failure } = failure else {
        panic!("expected a failed step, got {failure:?}");
    };
    assert_eq!((at.index, at.path), (0, Some(path("/0"))));
    assert_eq!(failure, StepFailure::Refused(Code::BAD_REQUEST));

    step("so does a client that doesn't answer: nothing more is sent");
    let bootstrap = bench.begin(1, &one_server());
    bench.expect_asked(Method::Delete, "/0");
    bench.pass(247);
    let failure = bench.expect_ended(bootstrap).expect_err("no answer");
    let timeout = StepFailure::Timeout;
    assert!(
        matches!(failure, BootstrapFailure::Step { failure, .. } if failure == timeout),
        "{failure:?}"
    );
    bench.expect_nothing_asked();

    step("and an application that is silent for EXCHANGE_LIFETIME");
    let bootstrap = bench.begin(1, &Plan::new().delete(path("/0")));
    let delete = bench.expect_asked(Method::Delete, "/0");
    bench.answer_code(&delete, Code::DELETED);
    bench.expect_paused(bootstrap, PauseReason::StepsDone);
    bench.pass(246);
    bench.expect_no_event();
    bench.pass(1);
    let silence = Err(BootstrapFailure::Silence);
    assert_eq!(bench.expect_ended(bootstrap), silence);

    step("a client that asks itself meanwhile is told all from the beginning");
    let begun = bench.begin(1, &one_server());
    let delete = bench.expect_asked(Method::Delete, "/0");
    let token = bench.ask(&bootstrap_request());
    let superseded = bench.events();
    let [
        Event::Ended {
            bootstrap,
            outcome: Err(BootstrapFailure::Superseded),
            ..
        },
        Event::Requested {
            bootstrap: asked, ..
        },
    ] = &*superseded
    else {
        panic!("expected another bootstrap, got {superseded:?}");
    };
    assert_eq!(*bootstrap, begun);
    bench.answer_code(&delete, Code::DELETED);
    bench.expect_nothing_asked();
    bench.start(*asked, &one_server());
    bench.answered(&token).expect(Code::CHANGED);
    bench.obey_one_server();
    assert_eq!(bench.expect_ended(*asked), Ok(()));
}

pub(crate) fn lwm2m_boot_010_s_m() {
    only_with_a_proven_name();
    only_in_the_session_of_the_request();
    step("a Server has no Bootstrap Interface, and a Bootstrap-Server no other");
    let mut bench = bootstrap_server();
    let register = format!("/rd?ep={NAME}&lt=60&lwm2m=1.0");
    let register = request(Method::Post, &register).links("</1/0>,</3/0>");
    bench.request(&register).expect(Code::NOT_FOUND);
    let mut server = super::clients::server();
    server.request(&bootstrap_request()).expect(Code::NOT_FOUND);
}

/// TS 7.1.5: the name is compared with the identity that the session proves.
fn only_with_a_proven_name() {
    let mut config = BootstrapServerConfig::new([7; 32]);
    config.no_sec = NoSec::Refuse;
    let mut bench = Bench::of(BootstrapServer::new(config));
    step("a client with the key of its name is bootstrapped");
    let token = bench.session(1, NAME).ask(&bootstrap_request());
    let (bootstrap, client) = bench.expect_requested();
    assert_eq!((&*client.endpoint_name, client.peer), (NAME, 1));
    bench.start(bootstrap, &one_server());
    bench.answered(&token).expect(Code::CHANGED);
    bench.obey_one_server();
    assert_eq!(bench.expect_ended(bootstrap), Ok(()));
    step("one with the key of another name, or with none, is refused with 4.00");
    bench.session(2, "urn:dev:os:0023C7-000002");
    for (client, reason) in [(2, RefusalReason::Identity), (3, RefusalReason::NoSec)] {
        let answer = bench.client(client).request(&bootstrap_request());
        answer.expect(Code::BAD_REQUEST);
        match bench.event() {
            Event::Refused(refusal) => assert_eq!(refusal.reason, reason),
            event => panic!("expected a refusal, got {event:?}"),
        }
    }
    step("without a name, too");
    let answer = bench.client(1).request(&request(Method::Post, "/bs"));
    answer.expect(Code::BAD_REQUEST);
    assert!(matches!(bench.event(), Event::Refused(_)));
}

/// TS 5.2.5: a bootstrap has a session of its own, and keys go nowhere else.
fn only_in_the_session_of_the_request() {
    let mut bench = bootstrap_server();
    step("another session doesn't answer for the client");
    let token = bench.session(1, NAME).ask(&bootstrap_request());
    let (first, _) = bench.expect_requested();
    bench.start(first, &one_server());
    bench.answered(&token).expect(Code::CHANGED);
    let delete = bench.expect_asked(Method::Delete, "/0");
    bench.session(2, "urn:dev:os:0023C7-000002");
    bench.answer_from(2, &delete, MessageBuf::response(Code::DELETED));
    bench.expect_nothing_asked();
    step("a new session of the client is a new bootstrap, and gets all commands");
    let token = bench.session(3, NAME).ask(&bootstrap_request());
    let events = bench.events();
    let [
        Event::Ended {
            outcome: Err(BootstrapFailure::Superseded),
            ..
        },
        Event::Requested {
            bootstrap: second, ..
        },
    ] = &*events
    else {
        panic!("expected another bootstrap, got {events:?}");
    };
    bench.start(*second, &one_server());
    bench.answered(&token).expect(Code::CHANGED);
    let delete = bench.expect_asked(Method::Delete, "/0");
    bench.answer_code(&delete, Code::DELETED);
    bench.expect_asked(Method::Delete, "/1");
    step("the session is lost before the keys are told: they are told nobody");
    bench.machine.peer_gone(bench.now, &3);
    let gone = Err(BootstrapFailure::PeerGone);
    assert_eq!(bench.expect_ended(*second), gone);
    bench.pass(300);
    bench.expect_nothing_asked();
    step("keys are in what is sent, and in nothing that is told or shown");
    let plan = one_server();
    expect_no_key(&format!("{plan:?}"));
    let third = bench.begin(3, &plan);
    let delete = bench.expect_asked(Method::Delete, "/0");
    bench.answer_code(&delete, Code::DELETED);
    let delete = bench.expect_asked(Method::Delete, "/1");
    bench.answer_code(&delete, Code::DELETED);
    let write = bench.expect_asked(Method::Put, "/0/1");
    expect_security(&write);
    expect_no_key(&format!("{:?}", bench.machine));
    bench.answer_code(&write, Code::BAD_REQUEST);
    let events = bench.events();
    expect_no_key(&format!("{events:?}"));
    assert!(
        matches!(&*events, [Event::Ended { bootstrap, .. }] if *bootstrap == third),
        "{events:?}"
    );
}

/// Neither as text nor as numbers.
#[track_caller]
fn expect_no_key(shown: &str) {
    let numbers = format!("{KEY:?}");
    let numbers = numbers.trim_matches(['[', ']']);
    let text = core::str::from_utf8(KEY).expect("UTF-8");
    assert!(
        !shown.contains(numbers) && !shown.contains(text),
        "a key is shown: {shown}"
    );
}
