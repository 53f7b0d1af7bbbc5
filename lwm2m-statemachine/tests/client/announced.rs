//! What a Client tells of itself: names, numbers, bindings, versions, and where its Objects are
//! (TS Tables 7 and 9, 5.3.1.1, 6.2.3, 8.2.2, 8.2.4).

use lwm2m_core::{BindingMode, Code, ContentFormat, Method, ObjectId, Version};
use lwm2m_kit::{account, instance};
use lwm2m_linkformat::RootPathError;
use lwm2m_objects::{
    Change, ObjectDefinition, Operations, ResourceDefinition, Store,
    typed::{Device, Server},
};
use lwm2m_statemachine::{
    Client, ClientConfig, ClientError, Session,
    coap::{BlockOption, MessageBuf},
};

use crate::{
    hosts::{Hosts, open, tree},
    observe::observe,
    support::{Bench, get, on, path, server_id},
};

const DAY: u32 = 86_400;

static RESOURCES: [ResourceDefinition; 1] = [ResourceDefinition::new(
    0,
    "Level",
    Operations::ReadWrite,
    lwm2m_core::DataType::Integer,
)];
static OLD: ObjectDefinition =
    ObjectDefinition::new(ObjectId::new(26300), "Old", "urn:x:26300", &RESOURCES).multiple();
static NEW: ObjectDefinition =
    ObjectDefinition::new(ObjectId::new(26301), "New", "urn:x:26301:2.3", &RESOURCES)
        .with_version(Version::new(2, 3));

fn at_lwm2m() -> ClientConfig {
    let mut config = ClientConfig::new("example-client", [7; 32]);
    config.announced.alternate_path = "/devices/lwm2m".into();
    config
}

/// Registered, with the Objects below `/devices/lwm2m`, and one of them of the server's to make.
fn below() -> Bench {
    let mut objects = crate::support::tree(Server::new(server_id(101), DAY));
    objects.add(Store::new(&OLD).managed(4));
    let mut bench = Bench::with_tree(at_lwm2m(), objects);
    bench.accept_register();
    bench
}

fn json(method: Method, at: &str, payload: &str) -> MessageBuf {
    let mut request = on(method, at);
    request.content_format(ContentFormat::JSON).unwrap();
    request.payload(payload.as_bytes());
    request
}

/// TS 8.2.2.
#[test]
fn the_object_list_tells_the_alternate_path() {
    let objects = crate::support::tree(Server::new(server_id(101), DAY));
    let mut bench = Bench::with_tree(at_lwm2m(), objects);
    let register = bench.sent();
    assert_eq!(register.path(), "/rd");
    let expected = "</devices/lwm2m>;rt=\"oma.lwm2m\";ct=11543,\
                    </devices/lwm2m/1/0>,</devices/lwm2m/3/0>";
    assert_eq!(str::from_utf8(register.payload()), Ok(expected));
}

#[test]
fn requests_are_served_below_the_alternate_path_alone() {
    let mut bench = below();
    for (request, code) in [
        (get("/devices/lwm2m/3/0/0"), Code::CONTENT),
        (observe(0, "/devices/lwm2m/3/0/9"), Code::CONTENT),
        (on(Method::Post, "/devices/lwm2m/3/0/4"), Code::CHANGED),
        // Also where an Object would be refused by its number.
        (get("/3/0/0"), Code::NOT_FOUND),
        (get("/0/0"), Code::NOT_FOUND),
        (observe(0, "/3/0/9"), Code::NOT_FOUND),
        (on(Method::Post, "/3/0/4"), Code::NOT_FOUND),
        (get("/devices/3/0/0"), Code::NOT_FOUND),
        (get("/devices"), Code::NOT_FOUND),
        (get("/lwm2m/3/0/0"), Code::NOT_FOUND),
        (get("/devices/lwm2m/devices/lwm2m/3"), Code::NOT_FOUND),
        (get("/devices/lwm2m/0/0"), Code::UNAUTHORIZED),
        (get("/devices/lwm2m/3/0/99"), Code::NOT_FOUND),
    ] {
        let target = format!("{request:?}");
        assert_eq!(bench.code(request), code, "{target}");
    }
}

#[test]
fn without_an_alternate_path_nothing_is_below_one() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(get("/devices/lwm2m/3/0/0")), Code::NOT_FOUND);
    assert_eq!(bench.code(get("/3/0/0")), Code::CONTENT);
}

#[test]
fn what_the_client_writes_has_no_alternate_path() {
    let mut bench = below();
    let mut discover = get("/devices/lwm2m/3");
    discover.accept(ContentFormat::LINK_FORMAT).unwrap();
    let answer = bench.request(b"d", discover);
    assert!(answer.payload().starts_with(b"</3>,</3/0>,"));
    let mut read = get("/devices/lwm2m/3/0/9");
    read.accept(ContentFormat::JSON).unwrap();
    let answer = bench.request(b"j", read);
    assert!(answer.payload().starts_with(br#"{"bn":"/3/0/9""#));
    let create = json(
        Method::Post,
        "/devices/lwm2m/26300",
        r#"{"bn":"/26300/0/","e":[{"n":"0","v":1}]}"#,
    );
    let mut create_unnamed = on(Method::Post, "/devices/lwm2m/26300");
    create_unnamed.content_format(ContentFormat::TLV).unwrap();
    create_unnamed.payload(b"\xC1\x00\x05");
    let (created, update) = bench.answered(b"c", create);
    assert_eq!(created.code(), Code::CREATED);
    assert!(created.location().is_empty());
    assert_eq!(update[0].path(), "/rd/a");
    let (created, _) = bench.answered(b"c", create_unnamed);
    assert_eq!(created.code(), Code::CREATED);
    assert_eq!(created.location(), ["26300", "1"]);
}

/// Servers name it or not.
#[test]
fn names_in_a_payload_are_read_with_the_alternate_path_and_without() {
    let mut bench = below();
    for (names, level) in [("/devices/lwm2m/1/0/", 500), ("/1/0/", 600)] {
        let payload = format!(r#"{{"bn":"{names}","e":[{{"n":"1","v":{level}}}]}}"#);
        let write = json(Method::Post, "/devices/lwm2m/1/0", &payload);
        let (answer, _) = bench.answered(b"w", write);
        assert_eq!(answer.code(), Code::CHANGED, "{names}");
        assert_eq!(bench.client.tree().get(path("/1/0/1")), Some(level.into()));
    }
    // Elsewhere than in the target it is still another path.
    let other = json(
        Method::Post,
        "/devices/lwm2m/1/0",
        r#"{"bn":"/devices/lwm2m/1/1/","e":[{"n":"1","v":7}]}"#,
    );
    assert_eq!(bench.code(other), Code::BAD_REQUEST);
}

#[test]
fn a_client_with_a_wrong_alternate_path_or_number_is_not_made() {
    let make = |change: fn(&mut ClientConfig)| {
        let mut config = ClientConfig::new("x", [0; 32]);
        change(&mut config);
        Client::new(config, tree([])).err()
    };
    assert_eq!(
        make(|config| config.announced.alternate_path = "/lwm2m/3".into()),
        Some(ClientError::AlternatePath(RootPathError::Numeric {
            segment: 1
        }))
    );
    assert_eq!(
        make(|config| config.announced.alternate_path = "lwm2m".into()),
        Some(ClientError::AlternatePath(RootPathError::NotAbsolute))
    );
    for number in ["+491700000000", "", "49 170", "1234567890123456"] {
        let mut config = ClientConfig::new("x", [0; 32]);
        config.announced.sms_number = Some(number.into());
        let error = Client::new(config, tree([])).err();
        assert!(
            matches!(error, Some(ClientError::SmsNumber(_))),
            "{number:?}: {error:?}"
        );
    }
    assert_eq!(
        make(|config| config.announced.sms_number = Some("491700000000".into())),
        None
    );
}

fn with_sms(binding: BindingMode) -> Hosts {
    let (mut security, mut server) = open("one", 101, DAY);
    security.sms.server_number = Some("491700000001".into());
    server.binding = binding;
    let mut objects = tree([(security, server)]);
    let supported_binding = BindingMode::UQS;
    objects.add(Store::of([(
        instance(0),
        Device {
            supported_binding,
            ..Device::example()
        },
    )]));
    let mut config = ClientConfig::new("example-client", [7; 32]);
    config.announced.sms_number = Some("491700000000".into());
    let mut hosts = Hosts::with(config, objects);
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    hosts
}

/// TS 8.6.2: the number says that the Client can be reached by SMS.
#[test]
fn a_server_whose_binding_has_sms_is_told_the_number_without_a_plus() {
    let mut hosts = with_sms(BindingMode::US);
    let register = hosts.register(account(0));
    assert_eq!(
        register.queries(),
        [
            "ep=example-client",
            "lt=86400",
            "sms=491700000000",
            "lwm2m=1.0",
            "b=US"
        ]
    );
    let mut hosts = with_sms(BindingMode::UQ);
    let register = hosts.register(account(0));
    assert_eq!(
        register.queries(),
        ["ep=example-client", "lt=86400", "lwm2m=1.0", "b=UQ"]
    );
    // It is told with the binding that asks for it, and once.
    hosts.accept(account(0), &register);
    let set = |hosts: &mut Hosts, binding: &str| {
        hosts
            .client
            .set(hosts.now, path("/1/10/7"), binding)
            .unwrap();
        let update = hosts.update(account(0));
        hosts.answer_code(&update, Code::CHANGED);
        update.queries()
    };
    assert_eq!(set(&mut hosts, "UQS"), ["sms=491700000000", "b=UQS"]);
    assert_eq!(set(&mut hosts, "US"), ["b=US"]);
    assert_eq!(set(&mut hosts, "U"), ["b=U"]);
}

/// The code that answers a Write of the binding, and the Update that follows it.
fn write_binding(hosts: &mut Hosts, binding: &str) -> (Code, Option<Vec<String>>) {
    let mut write = on(Method::Put, "/1/10/7");
    write.content_format(ContentFormat::TEXT).unwrap();
    write.payload(binding.as_bytes());
    let link = hosts.link(account(0));
    hosts.request(link, write);
    let mut sent = hosts.sent().into_iter().map(|(_, sent)| sent);
    let answer = sent.next().unwrap();
    let update = sent.next();
    assert_eq!(sent.next(), None);
    if let Some(update) = &update {
        hosts.answer_code(update, Code::CHANGED);
    }
    (answer.code(), update.map(|update| update.queries()))
}

/// TS 5.3.1.1, E.2: Resource 16 of the Device says what there is.
#[test]
fn a_server_may_choose_a_binding_that_the_client_supports_and_no_other() {
    let mut hosts = with_sms(BindingMode::U);
    hosts.accept_all();
    for (binding, told) in [
        ("UQ", "b=UQ"),
        ("US", "b=US"),
        ("UQS", "b=UQS"),
        ("U", "b=U"),
    ] {
        let (code, update) = write_binding(&mut hosts, binding);
        assert_eq!(code, Code::CHANGED, "{binding}");
        assert_eq!(update.unwrap().last().unwrap(), told);
    }
    let before = hosts.client.tree().get(path("/1/10/7"));
    for binding in ["SQ", "UQSQ", "X", "", "u", "U "] {
        let refused = write_binding(&mut hosts, binding);
        assert_eq!(refused, (Code::BAD_REQUEST, None), "{binding:?}");
        assert_eq!(hosts.client.tree().get(path("/1/10/7")), before);
    }
}

/// With other values in one Write: none of them is taken.
#[test]
fn a_write_with_a_binding_that_is_not_supported_changes_nothing() {
    let mut hosts = with_sms(BindingMode::U);
    hosts.accept_all();
    let link = hosts.link(account(0));
    let write = json(
        Method::Post,
        "/1/10",
        r#"{"e":[{"n":"/1/10/1","v":60},{"n":"/1/10/7","sv":"SQ"}]}"#,
    );
    hosts.request(link, write);
    assert_eq!(hosts.only().1.code(), Code::BAD_REQUEST);
    assert_eq!(
        hosts.client.tree().get(path("/1/10/1")),
        Some(i64::from(DAY).into())
    );
}

/// TS Table 19: an Object outside of the enabler, in another version than 1.0.
#[test]
fn the_object_list_tells_versions_where_they_are_needed() {
    let mut objects = tree([open("one", 101, DAY)]);
    objects.add(Store::new(&OLD).with(instance(0), 0, 1));
    objects.add(Store::new(&NEW).with(instance(0), 0, 1));
    let mut hosts = Hosts::new(objects);
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    let register = hosts.register(account(0));
    let expected = "</>;rt=\"oma.lwm2m\";ct=11543,</1/10>,</3/0>,</26300/0>,\
                    </26301>;ver=2.3,</26301/0>";
    assert_eq!(str::from_utf8(register.payload()), Ok(expected));
}

/// TS 5.3.2, Table 9: all Objects and Object Instances, but never Object 0, and no parameter of a
/// Register alone.
#[test]
fn an_update_after_a_create_tells_the_whole_list_and_only_that() {
    let mut objects = tree([open("one", 101, DAY), open("two", 102, DAY)]);
    objects.add(Store::new(&OLD));
    let mut hosts = Hosts::new(objects);
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    hosts.accept_all();
    let create = [
        Change::Create {
            path: path("/26300/7"),
        },
        Change::Set {
            path: path("/26300/7/0"),
            value: 1.into(),
        },
    ];
    hosts.client.change(hosts.now, create).unwrap();
    let sent = hosts.sent();
    assert_eq!(
        sent.len(),
        2,
        "every server is told, with rights or without"
    );
    let list = sent[0].1.payload();
    let text = str::from_utf8(list).unwrap();
    assert!(
        text.ends_with("</1/10>,</1/11>,</3/0>,</26300/7>"),
        "{text}"
    );
    for (_, update) in &sent {
        assert_eq!(update.payload(), list, "the list is the same for all");
        assert!(update.queries().is_empty());
        let format = update.message().content_format();
        assert_eq!(format, Some(ContentFormat::LINK_FORMAT));
    }
    // What the server knows is not told again.
    for (_, update) in &sent {
        hosts.answer_code(update, Code::CHANGED);
    }
    hosts.events();
    hosts.client.update(hosts.now, account(0));
    let update = hosts.update(account(0));
    assert!(update.payload().is_empty() && update.queries().is_empty());
}

/// What was sent and not accepted is still to be told.
#[test]
fn an_update_repeats_what_a_failed_one_said() {
    let mut hosts = Hosts::registered([open("one", 101, DAY)]);
    hosts.client.set(hosts.now, path("/1/10/1"), 500).unwrap();
    let update = hosts.update(account(0));
    hosts.answer_code(&update, Code::SERVICE_UNAVAILABLE);
    hosts.client.set(hosts.now, path("/1/10/7"), "UQ").unwrap();
    assert!(hosts.is_silent(), "not before Max-Age");
    hosts.pass(core::time::Duration::from_secs(60));
    let update = hosts.update(account(0));
    assert_eq!(update.queries(), ["lt=500", "b=UQ"]);
}

/// RFC 7959: whole only when the last block has come.
#[test]
fn a_list_that_is_too_large_for_a_message_is_registered_block_by_block() {
    let mut objects = tree([open("one", 101, DAY)]);
    let ids = (0..300).map(instance);
    objects.add(ids.fold(Store::new(&OLD), |store, id| store.with(id, 0, 1)));
    let mut config = ClientConfig::new("example-client", [7; 32]);
    config.coap.block_size = 256;
    let mut hosts = Hosts::with(config, objects);
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    let mut list = Vec::new();
    loop {
        let register = hosts.register(account(0));
        assert_eq!(register.queries()[0], "ep=example-client");
        list.extend_from_slice(register.payload());
        let block = register.message().block1().unwrap();
        assert!(!hosts.client.is_registered(account(0)));
        let code = if block.more() {
            Code::CONTINUE
        } else {
            Code::CREATED
        };
        let mut answer = MessageBuf::response(code);
        if !block.more() {
            answer.location_path("rd").unwrap();
            answer.location_path("0").unwrap();
        }
        let echo = BlockOption::new(block.number(), block.more(), 256).unwrap();
        answer.block1(echo).unwrap();
        hosts.answer(&register, answer);
        if !block.more() {
            break;
        }
    }
    assert!(hosts.client.is_registered(account(0)));
    let text = String::from_utf8(list).unwrap();
    assert!(
        text.len() > 3000 && text.ends_with("</26300/299>"),
        "{text}"
    );
    assert_eq!(text.matches("</26300/").count(), 300);
}

/// RFC 7959 §2.9.2, §2.9.3: a Register whose blocks the server has lost, or doesn't take, is tried again later,
/// from its first block.
#[test]
fn a_large_register_that_is_refused_at_a_block_begins_anew_later() {
    for code in [
        Code::REQUEST_ENTITY_INCOMPLETE,
        Code::REQUEST_ENTITY_TOO_LARGE,
        Code::BAD_REQUEST,
    ] {
        let mut objects = tree([open("one", 101, DAY)]);
        let ids = (0..300).map(instance);
        objects.add(ids.fold(Store::new(&OLD), |store, id| store.with(id, 0, 1)));
        let mut config = ClientConfig::new("example-client", [7; 32]);
        config.coap.block_size = 256;
        let mut hosts = Hosts::with(config, objects);
        hosts.client.start(hosts.now);
        hosts.connect_all(Session::New);
        let mut refusals = 0;
        let mut began = 0;
        for _ in 0..2000 {
            let Some((_, register)) = hosts.sent().into_iter().next() else {
                if hosts.client.is_registered(account(0)) {
                    break;
                }
                hosts.pass(core::time::Duration::from_secs(10));
                continue;
            };
            let block = register.message().block1().unwrap();
            began += usize::from(block.number() == 0);
            let is_refused = block.number() == 3 && refusals < 3;
            let mut answer = match (is_refused, block.more()) {
                (true, _) => MessageBuf::response(code),
                (_, true) => MessageBuf::response(Code::CONTINUE),
                (_, false) => MessageBuf::response(Code::CREATED),
            };
            if is_refused {
                refusals += 1;
            } else {
                if !block.more() {
                    answer.location_path("rd").unwrap();
                    answer.location_path("0").unwrap();
                }
                let size = block.size();
                let echo = BlockOption::new(block.number(), block.more(), size).unwrap();
                answer.block1(echo).unwrap();
            }
            hosts.answer(&register, answer);
        }
        assert!(hosts.client.is_registered(account(0)), "{code}");
        assert_eq!(refusals, 3, "{code}");
        assert!(began > 1, "{code}");
    }
}

#[test]
fn what_changes_while_the_register_is_under_way_is_told_after_it() {
    let mut hosts = Hosts::new(tree([open("one", 101, DAY)]));
    hosts.client.start(hosts.now);
    hosts.connect_all(Session::New);
    let register = hosts.register(account(0));
    hosts.client.set(hosts.now, path("/1/10/1"), 500).unwrap();
    assert!(hosts.is_silent());
    hosts.accept(account(0), &register);
    assert_eq!(hosts.update(account(0)).queries(), ["lt=500"]);
}
