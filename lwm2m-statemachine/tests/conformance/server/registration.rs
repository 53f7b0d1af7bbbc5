//! B.2.2 Client Registration.

use lwm2m_core::{
    BindingMode, Code, ContentFormat, EnablerVersions, InstanceId, Method, ObjectId, Version,
};
use lwm2m_kit::path;
use lwm2m_statemachine::{
    Channel, Outcome,
    server::{Changes, EndReason, NoSec, RefusalReason},
};

use super::clients::{
    Event, NAME, OBJECTS, Registered, location, register, register_with, server, server_with, usual,
};
use crate::{message::request, steps::step};

pub(crate) fn lwm2m_cr_001_s_m() {
    let mut bench = server();
    step("2.01 with a location; the client is reached where the Register came from");
    let first = bench.client(5).registered(&usual());
    assert_eq!(*bench.of_client(&first).peer(), 5);
    bench.expect_reached(&first);
    step("a Register that is repeated is the same one");
    let token = bench.repeat();
    assert_eq!(location(&bench.answered(&token)), first.location);
    bench.expect_no_event();
    step("two clients have two registrations");
    let other = bench
        .client(6)
        .registered(&register("ep=other&lt=60&lwm2m=1.0"));
    assert_ne!(other.location, first.location);
    assert_eq!(bench.machine.registrations().count(), 2);
    step("a client that has forgotten its registration: the new one takes its place");
    bench.client(7);
    let answer = bench.request(&usual()).expect(Code::CREATED);
    let events = bench.events();
    let [
        Event::Replaced {
            registration, by, ..
        },
        Event::Registered { registration: new },
    ] = &*events
    else {
        panic!("expected another registration, got {events:?}");
    };
    assert_eq!((*registration, by), (first.id, new));
    let second = Registered {
        id: *new,
        location: location(&answer),
    };
    bench.client(5).expect_unknown(&first);
    bench.client(7).expect_reached(&second);
    bench.client(6).expect_reached(&other);
    step("with the Register, observations end");
    let observation = bench.client(7).observing(&second);
    let answer = bench.request(&usual()).expect(Code::CREATED);
    let events = bench.events();
    let [
        Event::ObservationEnded {
            observation: ended,
            reason: EndReason::RegistrationGone,
            ..
        },
        Event::Replaced { .. },
        Event::Registered { registration: new },
    ] = &*events
    else {
        panic!("expected the end of an observation, got {events:?}");
    };
    assert_eq!(*ended, observation);
    let third = Registered {
        id: *new,
        location: location(&answer),
    };
    bench.expect_reached(&third);
}

pub(crate) fn lwm2m_cr_002_s_m() {
    let mut bench = server();
    step("the name is kept byte for byte");
    for name in ["urn:imei:35 2099/00176148?é", "m", &"x".repeat(252)] {
        let client = bench.registered(&register(&format!("ep={name}&lt=60&lwm2m=1.0")));
        assert_eq!(bench.of_client(&client).endpoint_name(), name);
        assert_eq!(bench.machine.find(name), Some(client.id));
    }
    step("none, an empty one, or two: 4.00");
    for parameters in [
        "lt=60&lwm2m=1.0",
        "ep=&lt=60&lwm2m=1.0",
        "ep=a&ep=b&lt=60&lwm2m=1.0",
    ] {
        bench.expect_refused(&register(parameters), Code::BAD_REQUEST);
    }
    step("the name of a client whose session proves another identity: 4.00 (TS 7.1.5)");
    let secure = bench.session(2, NAME).registered(&usual());
    assert!(bench.of_client(&secure).is_secure());
    bench.session(3, "urn:dev:os:0023C7-000002");
    let reason = bench.expect_refused(&usual(), Code::BAD_REQUEST);
    assert_eq!(reason, RefusalReason::Identity);
    step("the name of a secure client, without security: 4.03");
    let reason = bench.client(4).expect_refused(&usual(), Code::FORBIDDEN);
    assert_eq!(reason, RefusalReason::Secured);
    step("a client that the Server doesn't admit: 4.03");
    let mut bench = server_with(|config| config.no_sec = NoSec::Only(|name| name == NAME));
    let reason = bench.expect_refused(&register("ep=x&lt=60&lwm2m=1.0"), Code::FORBIDDEN);
    assert_eq!(reason, RefusalReason::NoSec);
    bench.registered(&usual());
}

pub(crate) fn lwm2m_cr_003_s_m() {
    let mut bench = server();
    step("the registration lives as long as it says");
    let client = bench.registered(&register("ep=x&lt=60&lwm2m=1.0"));
    assert_eq!(bench.of_client(&client).lifetime().as_secs(), 60);
    bench.pass(59);
    bench.expect_reached(&client);
    bench.pass(1);
    bench.expect_expired(&client);
    step("an Update begins it anew");
    let client = bench.registered(&register("ep=x&lt=60&lwm2m=1.0"));
    bench.pass(59);
    assert_eq!(
        bench.updated(&client, &client.update("")),
        Changes::default()
    );
    bench.pass(59);
    bench.expect_reached(&client);
    step("and may give another one");
    let changes = bench.updated(&client, &client.update("lt=100"));
    assert!(changes.lifetime);
    bench.pass(99);
    bench.expect_reached(&client);
    bench.pass(1);
    bench.expect_expired(&client);
    step("the longest");
    let client = bench.registered(&register("ep=x&lt=4294967295&lwm2m=1.0"));
    bench.expect_reached(&client);
    bench.pass(1000 * 86_400);
    bench.expect_reached(&client);
    step("none, or one that is no number of seconds: 4.00");
    for lifetime in [
        "lwm2m=1.0",
        "lwm2m=1.0&lt=",
        "lwm2m=1.0&lt=0",
        "lwm2m=1.0&lt=-1",
        "lwm2m=1.0&lt=1.5",
        "lwm2m=1.0&lt=4294967296",
        "lwm2m=1.0&lt=60&lt=60",
    ] {
        let register = register(&format!("ep=y&{lifetime}"));
        bench.expect_refused(&register, Code::BAD_REQUEST);
    }
}

pub(crate) fn lwm2m_cr_004_s_m() {
    let mut bench = server();
    step("1.0");
    let client = bench.registered(&usual());
    assert_eq!(bench.of_client(&client).version(), Version::new(1, 0));
    step("a later minor version, another major one: 4.12, whatever else is wrong");
    for version in ["1.1", "2.0", "0.9"] {
        for rest in ["ep=x&lt=60", "ep=x", "lt=60"] {
            let register = register(&format!("{rest}&lwm2m={version}"));
            bench.expect_refused(&register, Code::PRECONDITION_FAILED);
        }
    }
    step("none, or one that is none: 4.00");
    for version in [
        "",
        "&lwm2m=",
        "&lwm2m=1",
        "&lwm2m=one",
        "&lwm2m=1.0&lwm2m=1.0",
    ] {
        let register = register(&format!("ep=x&lt=60{version}"));
        bench.expect_refused(&register, Code::BAD_REQUEST);
    }
    step("a Server of 1.1 accepts both, and no 1.2");
    let versions = EnablerVersions::up_to(Version::new(1, 1));
    let mut bench = server_with(|config| config.versions = versions);
    for (name, minor) in [("x", 0), ("y", 1)] {
        let client = bench.registered(&register(&format!("ep={name}&lt=60&lwm2m=1.{minor}")));
        assert_eq!(bench.of_client(&client).version(), Version::new(1, minor));
    }
    let later = register("ep=z&lt=60&lwm2m=1.2");
    bench.expect_refused(&later, Code::PRECONDITION_FAILED);
}

pub(crate) fn lwm2m_cr_005_s_m() {
    let mut bench = server();
    step("without one it is U");
    let client = bench.registered(&usual());
    assert_eq!(bench.of_client(&client).binding(), BindingMode::U);
    step("each of TS 5.3.1.1, in Register and in Update");
    for (text, binding) in [
        ("UQ", BindingMode::UQ),
        ("S", BindingMode::S),
        ("SQ", BindingMode::SQ),
        ("US", BindingMode::US),
        ("UQS", BindingMode::UQS),
        ("U", BindingMode::U),
    ] {
        let parameters = format!("ep={text}&lt=60&lwm2m=1.0&b={text}");
        let other = bench.registered(&register(&parameters));
        assert_eq!(bench.of_client(&other).binding(), binding);
        let changes = bench.updated(&client, &client.update(&format!("b={text}")));
        assert!(changes.binding, "{text}");
        assert_eq!(bench.of_client(&client).binding(), binding);
    }
    step("others: 4.00");
    for binding in ["UQSQ", "USQ", "Q", "u", "X", ""] {
        let parameters = format!("ep=x&lt=60&lwm2m=1.0&b={binding}");
        bench.expect_refused(&register(&parameters), Code::BAD_REQUEST);
        let update = client.update(&format!("b={binding}"));
        bench.expect_refused(&update, Code::BAD_REQUEST);
    }
    step("a client that registers over SMS is reached over it, until it speaks UDP again");
    let parameters = "ep=mobile&lt=60&lwm2m=1.0&b=US&sms=358401234567";
    let mobile = bench.sms(2).registered(&register(parameters));
    assert_eq!(bench.of_client(&mobile).channel(), Channel::Sms);
    bench.expect_reached(&mobile);
}

pub(crate) fn lwm2m_cr_006_s_m() {
    let mut bench = server();
    step("without one there is none");
    let client = bench.registered(&usual());
    assert!(bench.of_client(&client).sms_number().is_none());
    step("an Update gives one, and another one");
    for number in ["358401234567", "49"] {
        let changes = bench.updated(&client, &client.update(&format!("sms={number}")));
        assert!(changes.sms_number);
        let kept = bench.of_client(&client).sms_number();
        assert_eq!(kept.expect("a number").as_str(), number);
    }
    step("an Update without one leaves it");
    bench.updated(&client, &client.update("lt=60"));
    assert!(bench.of_client(&client).sms_number().is_some());
    step("in a Register");
    let parameters = "ep=x&lt=60&lwm2m=1.0&b=US&sms=358401234567";
    let other = bench.registered(&register(parameters));
    let kept = bench.of_client(&other).sms_number();
    assert_eq!(kept.expect("a number").as_str(), "358401234567");
    step("one that is no MSISDN: 4.00");
    for number in ["", "+358401234567", "soon", "1234567890123456"] {
        let parameters = format!("ep=y&lt=60&lwm2m=1.0&sms={number}");
        bench.expect_refused(&register(&parameters), Code::BAD_REQUEST);
        let update = client.update(&format!("sms={number}"));
        bench.expect_refused(&update, Code::BAD_REQUEST);
    }
}

pub(crate) fn lwm2m_cr_007_s_m() {
    let mut bench = server();
    step("Objects without Instances (TS 5.3.1)");
    let parameters = "ep=x&lt=60&lwm2m=1.0";
    let mut client = |objects: &str| {
        let answer = bench.request(&register_with(parameters, objects));
        answer.expect(Code::CREATED);
        let events = bench.events();
        let Some(Event::Registered { registration }) = events.last() else {
            panic!("expected a registration, got {events:?}");
        };
        let registration = bench.machine.registration(*registration);
        let registration = registration.expect("a registration");
        let instance = |instance: Option<InstanceId>| instance.map(InstanceId::get);
        let objects = registration.objects();
        let objects: Vec<_> = objects
            .map(|(object, at)| (object.get(), instance(at)))
            .collect();
        (
            objects,
            registration.object_version(ObjectId::new(10)),
            registration.announces(ContentFormat::JSON),
            registration.alternate_path().to_string(),
        )
    };
    let (objects, version, json, root) = client("</1>,</2>,</3>,</4>,</5>");
    assert_eq!(objects, [1, 2, 3, 4, 5].map(|object| (object, None)));
    assert_eq!((version, json, &*root), (None, false, "/"));
    step("the example client, which does JSON");
    let example =
        "</>;ct=11543,</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,</5>";
    let (objects, _, json, _) = client(example);
    let instances = [
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 1),
        (2, 2),
        (2, 3),
        (2, 4),
        (3, 0),
        (4, 0),
    ];
    let mut expected = instances.map(|(object, at)| (object, Some(at))).to_vec();
    expected.push((5, None));
    assert_eq!(objects, expected);
    assert!(json);
    step("versions (TS 6.2.2)");
    let (_, version, ..) = client(r#"</1/0>,</3/0>,</10>;ver="1.1",</10/0>"#);
    assert_eq!(version, Some(Version::new(1, 1)));
    let (_, version, ..) = client("</1/0>,</3/0>,</10/0>");
    assert_eq!(version, Some(Version::new(1, 0)));
    step("an alternate path (TS 8.2.2)");
    let (objects, _, _, root) = client(r#"</lwm2m>;rt="oma.lwm2m",</lwm2m/1/0>,</lwm2m/3/0>"#);
    assert_eq!(objects, [(1, Some(0)), (3, Some(0))]);
    assert_eq!(root, "/lwm2m");
    step("what isn't known is ignored, and Object 0 isn't part of the list");
    let (objects, ..) =
        client(r#"</0/0>,</1/0>;vendor="a, b",</3/0>;if="x",</31024/12>,</sensors>"#);
    let expected = [(1, Some(0)), (3, Some(0)), (31_024, Some(12))];
    assert_eq!(objects, expected);
    step("none, or one that is none, or in another format: 4.00");
    for objects in ["", "<", "</3/0> </1/0>", "</3/70000>", "</sensors>"] {
        let register = register_with("ep=y&lt=60&lwm2m=1.0", objects);
        bench.expect_refused(&register, Code::BAD_REQUEST);
    }
    let register = register("ep=y&lt=60&lwm2m=1.0").text(OBJECTS);
    bench.expect_refused(&register, Code::BAD_REQUEST);
}

pub(crate) fn lwm2m_cr_008_s_m() {
    let mut bench = server();
    let client = bench.registered(&usual());
    step("without parameters it only extends");
    bench.pass(80_000);
    let changes = bench.updated(&client, &client.update(""));
    assert_eq!(changes, Changes::default());
    bench.pass(80_000);
    bench.expect_reached(&client);
    step("what it says is new, and what it doesn't say stays");
    let observation = bench.observing(&client);
    let changes = bench.updated(&client, &client.update("lt=6000"));
    assert!(changes.lifetime && !changes.binding && !changes.objects);
    let list = client.update("").links("</1/0>,</3/0>,</12/0>,</12/2>");
    let changes = bench.updated(&client, &list);
    assert!(changes.objects && !changes.lifetime);
    let registration = bench.of_client(&client);
    assert_eq!(registration.lifetime().as_secs(), 6000);
    assert_eq!(registration.endpoint_name(), NAME);
    assert!(registration.has(&path("/12/2")));
    step("the list is whole: what it hasn't is gone");
    let list = client.update("b=UQ&lt=7000").links("</1/0>,</3/0>,</12/2>");
    let changes = bench.updated(&client, &list);
    assert!(changes.objects && changes.lifetime && changes.binding);
    let registration = bench.of_client(&client);
    assert!(registration.has(&path("/12/2")) && !registration.has(&path("/12/0")));
    step("observations go on");
    let dropped = bench.machine.drop_observation(bench.now, observation);
    dropped.expect("the observation is there");
    assert!(matches!(bench.told(), Event::ObservationEnded { .. }));
    step("one that isn't right changes nothing: 4.00");
    for update in [
        client.update("lt=0"),
        client.update("lt=60&b=X"),
        client.update("lt=60").links("<"),
        client.update("lt=60").text(OBJECTS),
    ] {
        bench.expect_refused(&update, Code::BAD_REQUEST);
    }
    step("a location that there isn't, or that is another client's: 4.04");
    let unknown = request(Method::Post, "/rd/AAAAAAAAAAA");
    bench.expect_refused(&unknown, Code::NOT_FOUND);
    let update = client.update("lt=60");
    let reason = bench.client(2).expect_refused(&update, Code::NOT_FOUND);
    assert_eq!(reason, RefusalReason::AnotherClient);
    step("the Lifetime is over: 4.04");
    bench.client(1).pass(7000);
    bench.expect_expired(&client);
    step("from another address of a client whose identity is proven: it is reached there");
    let client = bench.session(3, NAME).registered(&usual());
    let update = client.update("");
    bench
        .session(4, NAME)
        .request(&update)
        .expect(Code::CHANGED);
    let events = bench.events();
    let [
        Event::Updated { changes, .. },
        Event::PeerLeft { peer: 3, .. },
    ] = &*events
    else {
        panic!("expected an Update from another peer, got {events:?}");
    };
    assert!(changes.peer);
    bench.expect_reached(&client);
}

pub(crate) fn lwm2m_cr_009_s_m() {
    let mut bench = server();
    let client = bench.registered(&usual());
    step("2.02; what was asked and observed ends, and nothing is left");
    let observation = bench.observing(&client);
    let read = bench
        .machine
        .read(bench.now, client.id, path("/3/0"), None)
        .expect("the client is registered");
    bench.expect_asked(Method::Get, "/3/0");
    bench.request(&client.deregister()).expect(Code::DELETED);
    let events = bench.events();
    let [
        Event::Answered {
            operation,
            outcome: Outcome::ClientGone,
            ..
        },
        Event::ObservationEnded {
            observation: ended,
            reason: EndReason::RegistrationGone,
            ..
        },
        Event::Deregistered { registration, was },
    ] = &*events
    else {
        panic!("expected the end of a registration, got {events:?}");
    };
    assert_eq!((*operation, *ended), (read, observation));
    assert_eq!((*registration, was.endpoint_name()), (client.id, NAME));
    assert_eq!(bench.machine.registrations().count(), 0);
    step("a De-register that is repeated has the same answer; another one 4.04");
    let token = bench.repeat();
    bench.answered(&token).expect(Code::DELETED);
    bench.expect_unknown(&client);
    step("the client may register anew");
    let client = bench.registered(&usual());
    step("nobody else de-registers it");
    let deregister = client.deregister();
    let reason = bench.client(2).expect_refused(&deregister, Code::NOT_FOUND);
    assert_eq!(reason, RefusalReason::AnotherClient);
    bench.client(1).expect_reached(&client);
}
