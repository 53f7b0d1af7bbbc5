//! The commands of the Bootstrap-Server, and their codes (TS 5.2.7, Table 27).

use lwm2m_core::{
    Code, ContentFormat, Method, ObjectId, Path, Value,
    codec::{Content, Scope},
};
use lwm2m_kit::path;
use lwm2m_objects::{Change, ObjectTree, typed::Server};
use lwm2m_statemachine::{
    ClientEvent,
    client::BootstrapFailure,
    coap::{BlockOption, MessageType, Token},
};

use super::{Station, bootstrap_server, delete, discover, encoded, finish, has, put, write};
use crate::{
    hosts::{create, open},
    observe::observe,
    support::{get, on, server_id},
};

const DAY: u32 = 86_400;

/// Deletes, then Object Instances in TLV without a wrapper, with empty opaque values for the keys that NoSec doesn't need.
#[test]
fn the_usual_commands_of_deployed_servers_are_taken() {
    let mut station = Station::begun();
    station.delete("/0");
    station.delete("/1");
    let bootstrap = [
        b"\xc8\x00\x10coap://bootstrap".as_slice(),
        b"\xc1\x01\x01\xc1\x02\x03\xc0\x03\xc0\x04\xc0\x05",
    ]
    .concat();
    let code = station.code(put("/0/0", ContentFormat::TLV, &bootstrap));
    assert_eq!(code, Code::CHANGED);
    let server = [
        b"\xc8\x00\x0ccoap://one:1".as_slice(),
        b"\xc1\x01\x00\xc1\x02\x03\xc0\x03\xc0\x04\xc0\x05\xc1\x0a\x65",
    ]
    .concat();
    let code = station.code(put("/0/1", ContentFormat::TLV, &server));
    assert_eq!(code, Code::CHANGED);
    let registered = b"\xc1\x00\x65\xc2\x01\x0e\x10\xc1\x06\x01\xc1\x07U";
    let code = station.code(put("/1/0", ContentFormat::TLV, registered));
    assert_eq!(code, Code::CHANGED);
    station.finish();
    station.finished();
    station.connect(lwm2m_kit::account(1), lwm2m_statemachine::Session::New);
    let register = station.register(lwm2m_kit::account(1));
    assert!(register.queries().contains(&"lt=3600".to_owned()));
}

#[test]
fn whole_objects_are_written_with_several_instances() {
    let mut station = Station::begun();
    let (one, of_one) = open("one", 101, DAY);
    let (two, of_two) = open("two", 102, 60);
    let object = |object: ObjectId, changes: Vec<Change>| {
        let values = changes.into_iter().filter_map(|change| match change {
            Change::Set { path, value } => Some((path, value)),
            _ => None,
        });
        let content: Content = values.collect();
        let mut body = Vec::new();
        let scope = Scope::write(Path::Object(object));
        lwm2m_statemachine::payload::encode(ContentFormat::TLV, &content, scope, &mut body)
            .unwrap();
        put(&format!("/{object}"), ContentFormat::TLV, &body)
    };
    let securities = [create(1, one), create(2, two)].concat();
    let servers = [create(1, of_one), create(2, of_two)].concat();
    let code = station.code(object(ObjectId::SECURITY, securities));
    assert_eq!(code, Code::CHANGED);
    let code = station.code(object(ObjectId::SERVER, servers));
    assert_eq!(code, Code::CHANGED);
    // Instances that the payload doesn't have stay (TS 5.2.7.4).
    assert!(has(&station, "/0/0"));
    assert!(has(&station, "/0/2"));
    assert!(has(&station, "/1/1"));
}

#[test]
fn json_is_taken_and_so_are_text_and_opaque_for_a_resource() {
    let mut station = Station::begun();
    let server = Server::new(server_id(101), 300);
    let target = path("/1/4");
    let json = encoded(ContentFormat::JSON, target, 4, server);
    let code = station.code(put("/1/4", ContentFormat::JSON, &json));
    assert_eq!(code, Code::CHANGED);
    let lifetime = path("/1/4/1");
    let value = |station: &Station, at| station.client.tree().get(at);
    assert_eq!(value(&station, lifetime), Some(300.into()));
    let code = station.code(put("/1/4/1", ContentFormat::TEXT, b"500"));
    assert_eq!(code, Code::CHANGED);
    assert_eq!(value(&station, lifetime), Some(500.into()));
    let code = station.code(put("/1/4/1", ContentFormat::TLV, b"\xc1\x01\x3c"));
    assert_eq!(code, Code::CHANGED);
    assert_eq!(value(&station, lifetime), Some(60.into()));
    station.write(1, open("one", 101, DAY).0);
    let code = station.code(put("/0/1/5", ContentFormat::OPAQUE, b"\x01\x02"));
    assert_eq!(code, Code::CHANGED);
    let key = value(&station, path("/0/1/5"));
    assert_eq!(key, Some(vec![1, 2].into()));
}

/// TS 5.2.7.4: an optional Resource that the Client doesn't support is ignored in an Object Instance, and read-only
/// Resources are written.
#[test]
fn what_a_write_names_beside_what_the_client_has_is_ignored_but_not_as_a_target() {
    let mut station = Station::begun();
    let payload = b"\xc1\x00\x65\xc1\x01\x3c\xc1\x06\x01\xc1\x07U\xc1\x63\x07";
    let code = station.code(put("/1/0", ContentFormat::TLV, payload));
    assert_eq!(code, Code::CHANGED);
    let code = station.code(put("/1/0/99", ContentFormat::TEXT, b"7"));
    assert_eq!(code, Code::BAD_REQUEST);
    let code = station.code(put("/3/0/0", ContentFormat::TEXT, b"maker"));
    assert_eq!(code, Code::CHANGED);
    let maker = station.client.tree().get(path("/3/0/0"));
    assert_eq!(maker, Some("maker".into()));
}

/// All values of an Object, those of a bootstrap that is under way included.
fn dump(tree: &ObjectTree, at: &str) -> Vec<(Path, Value)> {
    let object = path(at).object().unwrap();
    let mut values = Vec::new();
    for instance in tree.instances(object) {
        for resource in tree.resources(object, instance) {
            let at = Path::Resource(object, instance, resource.id);
            tree.visit(at, |at, value| values.push((at, value.to_owned())));
        }
    }
    values
}

/// TS Table 27: the codes of this interface are its own.
#[test]
fn what_is_wrong_with_a_command_is_told_by_the_codes_of_this_interface() {
    let mut station = Station::begun();
    let tlv = ContentFormat::TLV;
    let commands = [
        (put("/77", tlv, b""), Code::BAD_REQUEST),
        (put("/77/0", tlv, b"\xc1\x00\x65"), Code::BAD_REQUEST),
        (put("/77/0/1", ContentFormat::TEXT, b"1"), Code::BAD_REQUEST),
        (put("/1/0", tlv, b"\xc1\x00"), Code::BAD_REQUEST),
        (put("/1/0", tlv, b"\xc2\x00\x00\x00"), Code::BAD_REQUEST),
        (on(Method::Put, "/1/0"), Code::BAD_REQUEST),
        (put("/", tlv, b""), Code::BAD_REQUEST),
        (put("/3/0/11/0", tlv, b""), Code::BAD_REQUEST),
        (put("/1/x", tlv, b""), Code::BAD_REQUEST),
        (put("/bs", tlv, b""), Code::BAD_REQUEST),
        (
            put("/1/0", ContentFormat::LINK_FORMAT, b""),
            Code::UNSUPPORTED_CONTENT_FORMAT,
        ),
        (
            put("/1/0", ContentFormat::TEXT, b"1"),
            Code::UNSUPPORTED_CONTENT_FORMAT,
        ),
        (delete("/1/9"), Code::BAD_REQUEST),
        (delete("/77"), Code::BAD_REQUEST),
        (delete("/77/0"), Code::BAD_REQUEST),
        (delete("/3/0"), Code::BAD_REQUEST),
        (delete("/0/0"), Code::BAD_REQUEST),
        (delete("/3/0/1"), Code::BAD_REQUEST),
        (delete("/bs"), Code::BAD_REQUEST),
        (discover("/77"), Code::NOT_FOUND),
        (discover("/3/0"), Code::BAD_REQUEST),
        (discover("/3/0/1"), Code::BAD_REQUEST),
        (discover("/bs"), Code::BAD_REQUEST),
        (get("/3"), Code::BAD_REQUEST),
        (get("/bs"), Code::BAD_REQUEST),
        (on(Method::Post, "/3/0/4"), Code::BAD_REQUEST),
        (on(Method::Post, "/1"), Code::BAD_REQUEST),
        (finish(), Code::NOT_ACCEPTABLE),
    ];
    for (number, (command, code)) in commands.into_iter().enumerate() {
        let tree = station.client.tree();
        let before: Vec<_> = ["/0", "/1", "/3"].map(|at| dump(tree, at)).into();
        assert_eq!(station.code(command), code, "command {number}");
        let tree = station.client.tree();
        let after: Vec<_> = ["/0", "/1", "/3"].map(|at| dump(tree, at)).into();
        assert_eq!(after, before, "command {number}");
    }
}

/// TS 5.2.7.5, D.1.
#[test]
fn a_delete_of_all_leaves_the_bootstrap_server_and_the_device() {
    let mut station = Station::begun();
    station.write_account(open("one", 101, DAY));
    station.delete("/");
    for (at, is_there) in [
        ("/0/0", true),
        ("/0/1", false),
        ("/1/10", false),
        ("/3/0", true),
    ] {
        assert_eq!(has(&station, at), is_there, "{at}");
    }
}

/// TS 5.2.7.3.
#[test]
fn discover_lists_the_accounts_with_their_servers() {
    let mut station = Station::begun();
    station.write_account(open("one", 101, DAY));
    let answer = station.command(discover("/0"));
    let links = Some(ContentFormat::LINK_FORMAT);
    assert_eq!(answer.message().content_format(), links);
    assert_eq!(answer.payload(), br#"lwm2m="1.0",</0/0>,</0/1>;ssid=101"#);
    let answer = station.command(discover("/"));
    let all = br#"lwm2m="1.0",</0/0>,</0/1>;ssid=101,</1/10>;ssid=101,</3/0>"#;
    assert_eq!(answer.payload(), all);
}

/// TS 8.2.2: the alternate path is not for this interface.
#[test]
fn the_alternate_path_is_not_used_in_a_bootstrap() {
    let mut config = lwm2m_statemachine::ClientConfig::new("example-client", [5; 32]);
    config.announced.alternate_path = "/lwm2m".into();
    let mut station = Station::with(config, super::tree([]));
    station.start();
    station.connect(super::of_bootstrap(), lwm2m_statemachine::Session::New);
    let request = station.bootstrap_request();
    station.answer_code(&request, Code::CHANGED);
    let answer = station.command(discover("/0"));
    assert_eq!(answer.payload(), br#"lwm2m="1.0",</0/0>"#);
    assert_eq!(station.code(delete("/lwm2m/1")), Code::BAD_REQUEST);
    assert_eq!(
        station.code(on(Method::Post, "/lwm2m/bs")),
        Code::BAD_REQUEST
    );
}

/// TS E.2: what can be executed comes from the Object.
#[test]
fn a_server_that_was_written_without_disable_can_be_disabled() {
    let mut station = Station::begun();
    station.write_account(open("one", 101, DAY));
    station.finish();
    station.finished();
    let of_server = lwm2m_kit::account(1);
    station.connect(of_server, lwm2m_statemachine::Session::New);
    station.accept_all();
    let link = station.link(of_server);
    station.request(link, on(Method::Post, "/1/10/4"));
    let sent = station.sent();
    assert_eq!(sent[0].1.code(), Code::CHANGED);
}

/// RFC 7959: a Write whose body comes in blocks.
#[test]
fn a_write_in_blocks_is_assembled() {
    let mut station = Station::begun();
    let (security, _) = open("a-host-with-a-name-that-takes-its-room", 101, DAY);
    let target = path("/0/1");
    let body = encoded(ContentFormat::TLV, target, 1, security);
    let blocks: Vec<_> = body.chunks(16).collect();
    assert!(blocks.len() > 2);
    for (number, block) in blocks.iter().enumerate() {
        let more = number + 1 < blocks.len();
        let number = u32::try_from(number).unwrap();
        let option = BlockOption::new(number, more, 16).unwrap();
        let mut message = on(Method::Put, "/0/1");
        message.content_format(ContentFormat::TLV).unwrap();
        message.block1(option).unwrap().payload(block);
        let code = station.code(message);
        let expected = if more { Code::CONTINUE } else { Code::CHANGED };
        assert_eq!(code, expected, "block {number}");
    }
    assert!(has(&station, "/0/1"));
}

/// Each block begins EXCHANGE_LIFETIME anew: the Bootstrap-Server is there.
#[test]
fn a_write_in_blocks_may_take_its_time() {
    let mut station = Station::begun();
    let (security, _) = open("a-host-with-a-name-that-takes-its-room", 101, DAY);
    let body = encoded(ContentFormat::TLV, path("/0/1"), 1, security);
    let blocks: Vec<_> = body.chunks(16).collect();
    assert!(blocks.len() > 3);
    for (number, block) in blocks.iter().enumerate() {
        let more = number + 1 < blocks.len();
        let option = BlockOption::new(u32::try_from(number).unwrap(), more, 16).unwrap();
        let mut message = on(Method::Put, "/0/1");
        message.content_format(ContentFormat::TLV).unwrap();
        message.block1(option).unwrap().payload(block);
        let expected = if more { Code::CONTINUE } else { Code::CHANGED };
        assert_eq!(station.code(message), expected, "block {number}");
        station.pass(core::time::Duration::from_secs(90));
        assert_eq!(station.events(), []);
    }
}

/// Nobody else is served meanwhile, so a Bootstrap-Server that never comes to its Finish isn't waited for.
#[test]
fn a_bootstrap_has_an_end_even_if_commands_come() {
    let mut station = Station::begun();
    let begun = station.now;
    let events = loop {
        assert_eq!(station.code(discover("/")), Code::CONTENT);
        station.pass(core::time::Duration::from_secs(200));
        let events = station.events();
        if !events.is_empty() {
            break events;
        }
    };
    let reason = BootstrapFailure::NotFinished;
    let [ClientEvent::BootstrapFailed { reason: told, .. }] = events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(told, reason);
    assert_eq!(station.now.saturating_duration_since(begun).as_secs(), 3600);
}

/// The Client isn't a server for the Bootstrap-Server beyond this interface, and nothing is observed.
#[test]
fn a_non_confirmable_command_is_taken_too() {
    let mut station = Station::begun();
    let link = station.bootstrap_link();
    let wire = write(1, bootstrap_server()).finish(MessageType::NonConfirmable, 77, Token::EMPTY);
    station.datagram(link, wire.as_ref());
    let (_, answer) = station.only();
    assert_eq!(answer.code(), Code::CHANGED);
    assert!(has(&station, "/0/1"));
    assert_eq!(station.code(observe(0, "/3/0")), Code::BAD_REQUEST);
}
