//! Create and Delete (TS 5.4.6, 5.4.7, 7.3): by servers and by the application.

use core::time::Duration;

use lwm2m_core::{
    AccessRights, Code, ContentFormat, DataType, InstanceId, Method, ObjectId, Path, Value,
};
use lwm2m_kit::account;
use lwm2m_objects::{
    Change, FIRMWARE_UPDATE, ObjectDefinition, ObjectTree, Operations, ResourceDefinition, Store,
    WriteError, access as rights,
    typed::{AccessControl, AclTarget, FirmwareUpdate, Server, Typed as _},
};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent,
    client::RegistrationState,
    coap::{MessageBuf, MessageRef, MessageType, Token},
};

use crate::{
    attributes::write_attributes,
    observe::observe,
    servers::{Two, access, access_control},
    support::{Bench, get, on, path, server_id, tree},
};

static RESOURCES: [ResourceDefinition; 4] = [
    ResourceDefinition::new(0, "Runs", Operations::Read, DataType::Integer).mandatory(),
    ResourceDefinition::new(1, "Interval", Operations::ReadWrite, DataType::Integer).mandatory(),
    ResourceDefinition::new(2, "Note", Operations::ReadWrite, DataType::String),
    ResourceDefinition::executable(3, "Run").mandatory(),
];
static JOB: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(26242),
    "Job",
    "urn:oma:lwm2m:x:26242",
    &RESOURCES,
)
.multiple();

/// An Object whose instances servers create and delete, with none.
pub(crate) fn jobs() -> Store {
    let jobs = Store::new(&JOB).managed(4).supporting([2]);
    jobs.initially(|store, id| store.with(id, 0, 0))
}

fn post(at: &str, format: ContentFormat, payload: &[u8]) -> MessageBuf {
    let mut request = on(Method::Post, at);
    request.content_format(format).unwrap().payload(payload);
    request
}

/// Creates jobs with this payload in TLV.
pub(crate) fn create(payload: &[u8]) -> MessageBuf {
    post("/26242", ContentFormat::TLV, payload)
}

/// An Object Instance of its own with this identifier and an Interval of 7.
pub(crate) const fn job(id: u8) -> [u8; 6] {
    [0x08, id, 0x03, 0xC1, 0x01, 0x07]
}

fn bench(add: impl FnOnce(&mut ObjectTree)) -> Bench {
    let mut tree = tree(Server::new(server_id(101), 86_400));
    tree.add(jobs());
    add(&mut tree);
    let mut bench = Bench::with_tree(ClientConfig::new("create", [7; 32]), tree);
    bench.accept_register();
    bench
}

/// The answer to a request that changes the Object Instances, and the object list of the Update that
/// follows it.
fn changed(bench: &mut Bench, request: MessageBuf) -> (Code, Vec<String>, String) {
    let (answer, others) = bench.answered(b"c", request);
    let [update] = &others[..] else {
        panic!("expected one Update: {others:?}");
    };
    assert_eq!(update.path(), "/rd/a");
    let list = String::from_utf8(update.payload().to_vec()).unwrap();
    bench.answer(update, MessageBuf::response(Code::CHANGED));
    let instances = list.split(',').filter(|link| link.contains("26242"));
    let instances: Vec<&str> = instances.collect();
    (answer.code(), answer.location(), instances.join(","))
}

#[test]
fn the_client_chooses_an_identifier_and_tells_it() {
    let mut bench = bench(|_| ());
    for (id, list) in [("0", "</26242/0>"), ("1", "</26242/0>,</26242/1>")] {
        let location = ["26242", id].map(String::from).to_vec();
        let expected = (Code::CREATED, location, list.to_owned());
        assert_eq!(changed(&mut bench, create(b"\xC1\x01\x07")), expected);
        let events = bench.events();
        let created = ClientEvent::Created {
            account: account(0),
            instances: vec![path(&format!("/26242/{id}"))],
        };
        assert!(events.contains(&created), "{events:?}");
    }
    // In JSON, too.
    let json = post(
        "/26242",
        ContentFormat::JSON,
        br#"{"bn":"/26242/","e":[{"n":"1","v":7}]}"#,
    );
    let (code, location, _) = changed(&mut bench, json);
    assert_eq!(
        (code, location.join("/")),
        (Code::CREATED, "26242/2".to_owned())
    );
}

#[test]
fn a_server_chooses_identifiers_and_creates_several_or_none() {
    let mut bench = bench(|_| ());
    let both = [job(7), job(9)].concat();
    let expected = (Code::CREATED, vec![], "</26242/7>,</26242/9>".to_owned());
    assert_eq!(changed(&mut bench, create(&both)), expected);
    // One of them is taken, or has no mandatory Resource, or is one too many.
    for (payload, shown) in [
        ([job(5), job(7)].concat(), "taken"),
        ([&job(5)[..], b"\x08\x06\x03\xC1\x02x"].concat(), "without"),
        ([job(4), job(5), job(6)].concat(), "too many"),
    ] {
        assert_eq!(bench.code(create(&payload)), Code::BAD_REQUEST, "{shown}");
        let there: Vec<InstanceId> = bench.client.tree().instances(JOB.id).collect();
        assert_eq!(there, [7, 9].map(|id| InstanceId::new(id).unwrap()));
    }
}

/// TS 6.1, 7.3.2.4: what is mandatory and read-only is for the Client to set up; what else it doesn't know
/// of is ignored.
#[test]
fn what_is_mandatory_is_there_when_the_answer_leaves() {
    let mut bench = bench(|_| ());
    // Runs, which servers don't set, and an unknown Resource.
    let request = create(b"\xC1\x00\x63\xC1\x01\x07\xC1\x63\x01");
    let (code, ..) = changed(&mut bench, request);
    assert_eq!(code, Code::CREATED);
    let answer = bench.request(b"r", get("/26242/0"));
    assert_eq!(answer.payload(), b"\xC1\x00\x00\xC1\x01\x07");
}

#[test]
fn without_a_mandatory_value_a_create_fails_as_a_whole() {
    let mut bench = bench(|tree| {
        let jobs = Store::new(&JOB).managed(3);
        tree.add(jobs.initially(|store, _| store));
    });
    let code = bench.code(create(b"\xC1\x01\x07"));
    assert_eq!(code, Code::INTERNAL_SERVER_ERROR);
    assert_eq!(bench.client.tree().instances(JOB.id).count(), 0);
    assert!(bench.events().is_empty());
}

#[test]
fn a_single_instance_is_created_once_and_is_0() {
    let mut bench = bench(|tree| {
        let firmware = Store::new(&FIRMWARE_UPDATE).managed(1);
        tree.add(firmware.initially(|store, id| FirmwareUpdate::default().store(store, id)));
    });
    // Package and Package URI.
    let body = b"\xC1\x00p\xC1\x01u";
    let wrapped = |id: u8| [&[0x08, id, 6], &body[..]].concat();
    let firmware = |payload: &[u8]| post("/5", ContentFormat::TLV, payload);
    assert_eq!(bench.code(firmware(&wrapped(1))), Code::BAD_REQUEST);
    let (answer, _) = bench.answered(b"c", firmware(body));
    assert_eq!(
        (answer.code(), answer.location().join("/")),
        (Code::CREATED, "5/0".to_owned())
    );
    for again in [&body[..], &wrapped(0), &wrapped(1), b"\xFF"] {
        let (answer, _) = bench.answered(b"c", firmware(again));
        assert_eq!(answer.code(), Code::METHOD_NOT_ALLOWED);
    }
}

/// Two servers, of which the first may create jobs. Both have rights on the first job.
fn two(rights: [AccessRights; 2]) -> Two {
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    Two::with(servers, |tree| {
        let may_create = AccessControl {
            target: AclTarget::Object(JOB.id),
            // The default entry never grants it.
            acl: vec![(101, AccessRights::CREATE), (0, AccessRights::CREATE)],
            owner: AccessControl::NOBODY,
        };
        tree.add(access_control([may_create, access(26242, 0, rights)]));
        tree.add(
            jobs()
                .with(InstanceId::ZERO, 0, 0)
                .with(InstanceId::ZERO, 1, 5),
        );
    })
}

const ALL: AccessRights = AccessControl::OWNER_RIGHTS;
const READ: AccessRights = AccessRights::READ;

fn controls(two: &Two) -> Vec<AccessControl> {
    let tree = two.client.tree();
    let ids = tree.instances(ObjectId::ACCESS_CONTROL);
    ids.filter_map(|id| AccessControl::load(tree, id)).collect()
}

#[test]
fn who_creates_an_instance_owns_it_from_the_same_moment() {
    let mut two = two([ALL, READ]);
    assert_eq!(two.code(1, create(&job(7))), Code::UNAUTHORIZED);
    assert_eq!(controls(&two).len(), 2);
    assert_eq!(two.code(0, create(&job(7))), Code::CREATED);
    let instance = InstanceId::new(7).unwrap();
    let owned = AccessControl {
        target: AclTarget::Instance(JOB.id, instance),
        acl: vec![(101, ALL)],
        owner: 101,
    };
    assert_eq!(controls(&two).last(), Some(&owned));
    assert_eq!(two.code(0, get("/26242/7/1")), Code::CONTENT);
    assert_eq!(two.code(1, get("/26242/7/1")), Code::UNAUTHORIZED);
    // What is refused leaves nothing of either.
    assert_eq!(two.code(0, create(&job(7))), Code::BAD_REQUEST);
    assert_eq!(controls(&two).len(), 3);
}

/// TS 7.3.1.2.1: only the Bootstrap-Server says who may create.
#[test]
fn nobody_creates_what_is_not_announced_for_creation() {
    let mut two = two([ALL, READ]);
    for (at, code) in [
        ("/3", Code::UNAUTHORIZED),
        ("/2", Code::UNAUTHORIZED),
        ("/0", Code::UNAUTHORIZED),
        ("/9", Code::NOT_FOUND),
    ] {
        let request = post(at, ContentFormat::TLV, b"\xC1\x01\x07");
        assert_eq!(two.code(0, request), code, "{at}");
    }
}

/// The messages to each server, beside this number of Updates, which are answered.
fn after_updates(two: &mut Two, count: usize) -> [Vec<(Code, MessageType)>; 2] {
    let mut others = [vec![], vec![]];
    let mut updates = [0, 0];
    loop {
        let sent = two.sent();
        if sent.is_empty() {
            break;
        }
        for (server, bytes) in sent {
            let message = MessageRef::parse(&bytes).unwrap();
            if message.code() == Code::POST {
                updates[server] += 1;
                let answer = MessageBuf::response(Code::CHANGED).finish(
                    MessageType::Acknowledgement,
                    message.message_id(),
                    message.token(),
                );
                two.datagram(server, answer.as_ref());
            } else {
                others[server].push((message.code(), message.kind()));
            }
        }
    }
    assert_eq!(updates, [count; 2]);
    others
}

/// Every server is told by an Update; observations on the Object Instance and below it end with 4.04.
#[test]
fn a_delete_ends_what_all_servers_have_below_it() {
    let mut two = two([READ, ALL]);
    for (server, at) in [(0, "/26242/0/1"), (1, "/26242/0")] {
        assert_eq!(two.code(server, observe(0, at)), Code::CONTENT);
        let code = two.code(server, write_attributes(at, "pmin=100"));
        assert_eq!(code, Code::CHANGED);
    }
    assert_eq!(
        two.code(0, on(Method::Delete, "/26242/0")),
        Code::UNAUTHORIZED
    );
    while two.client.poll_event().is_some() {}
    let delete = on(Method::Delete, "/26242/0");
    let delete = delete.finish(MessageType::Confirmable, 0x7777, Token::EMPTY);
    two.datagram(1, delete.as_ref());
    let [first, second] = after_updates(&mut two, 1);
    let gone = (Code::NOT_FOUND, MessageType::Confirmable);
    assert_eq!(first, [gone]);
    assert_eq!(
        second,
        [(Code::DELETED, MessageType::Acknowledgement), gone]
    );
    let events: Vec<_> = core::iter::from_fn(|| two.client.poll_event()).collect();
    let deleted = ClientEvent::Deleted {
        account: account(1),
        path: path("/26242/0"),
    };
    assert!(events.contains(&deleted), "{events:?}");
    for server in [101, 102] {
        assert_eq!(
            two.client.reporting().attributes(server_id(server)).next(),
            None
        );
    }
    // Its Access Control Object Instance goes, the one of the Object stays.
    assert_eq!(controls(&two).len(), 1);
    two.now += Duration::from_secs(200);
    two.client.handle_timeout(two.now);
    assert_eq!(two.code(0, get("/26242/0")), Code::NOT_FOUND);
}

fn set(at: &str, value: impl Into<Value>) -> Change {
    Change::Set {
        path: path(at),
        value: value.into(),
    }
}

fn made(at: &str) -> [Change; 3] {
    [
        Change::Create { path: path(at) },
        set(&format!("{at}/0"), 3),
        set(&format!("{at}/1"), 60),
    ]
}

/// An application makes Object Instances as well; of two servers one owns them, so that there is somebody who
/// gives rights.
#[test]
fn what_the_application_makes_has_an_owner() {
    let mut two = two([ALL, READ]);
    let now = two.now;
    two.client.change(now, made("/26242/4")).unwrap();
    two.client
        .change_as(now, server_id(102), made("/26242/5"))
        .unwrap();
    after_updates(&mut two, 2);
    for (server, at, code) in [
        (0, "/26242/4/0", Code::CONTENT),
        (1, "/26242/4/0", Code::UNAUTHORIZED),
        (0, "/26242/5/0", Code::UNAUTHORIZED),
        (1, "/26242/5/0", Code::CONTENT),
    ] {
        assert_eq!(two.code(server, get(at)), code, "{server} {at}");
    }
    // Whole or not at all.
    let taken = [&made("/26242/6")[..], &made("/26242/4")].concat();
    let refused = two.client.change(now, taken);
    assert_eq!(refused, Err(WriteError::Exists(path("/26242/4"))));
    assert_eq!(controls(&two).len(), 4);
    assert!(!two.client.tree().target(path("/26242/6")).exists());
}

/// As if a server had deleted it.
#[test]
fn what_the_application_deletes_takes_everything_with_it() {
    let mut two = two([READ, READ]);
    assert_eq!(two.code(1, observe(0, "/26242/0/1")), Code::CONTENT);
    let code = two.code(0, write_attributes("/26242/0/1", "pmin=1"));
    assert_eq!(code, Code::CHANGED);
    let (now, job) = (two.now, path("/26242/0"));
    two.client
        .change(now, [Change::Delete { path: job }])
        .unwrap();
    let [first, second] = after_updates(&mut two, 1);
    assert_eq!(first, []);
    assert_eq!(second, [(Code::NOT_FOUND, MessageType::Confirmable)]);
    assert_eq!(
        two.client.reporting().attributes(server_id(101)).next(),
        None
    );
    assert_eq!(controls(&two).len(), 1);
}

/// One that comes back in the same moment was never gone for its observers.
#[test]
fn an_instance_that_is_replaced_at_once_stays_observed() {
    let mut two = two([READ, READ]);
    assert_eq!(two.code(1, observe(0, "/26242/0/1")), Code::CONTENT);
    let (now, job): (_, Path) = (two.now, path("/26242/0"));
    let replaced = [&[Change::Delete { path: job }][..], &made("/26242/0")].concat();
    two.client.change_as(now, server_id(102), replaced).unwrap();
    two.client.handle_timeout(now);
    let [first, second] = after_updates(&mut two, 1);
    assert_eq!(first, []);
    assert_eq!(second, [(Code::CONTENT, MessageType::NonConfirmable)]);
}

/// Servers may delete Server Object Instances here, if they have the right to.
fn deletable_accounts() -> Two {
    let servers = [101, 102].map(|id| Server::new(server_id(id), 86_400));
    Two::with(servers.clone(), |tree| {
        let ids = [0, 1].map(|id| InstanceId::new(id).unwrap());
        tree.add(Store::of(ids.into_iter().zip(servers)).managed(2));
        tree.add(access_control([
            access(1, 0, [ALL, READ]),
            access(1, 1, [READ, ALL]),
            access(3, 0, [ALL, READ]),
        ]));
    })
}

/// Its account has no Server Object Instance then, and rests until a bootstrap or the application mends it.
#[test]
fn a_server_that_deletes_its_server_instance_is_answered_and_then_left() {
    let mut two = deletable_accounts();
    assert_eq!(two.code(1, on(Method::Delete, "/1/0")), Code::UNAUTHORIZED);
    let delete = on(Method::Delete, "/1/1");
    let delete = delete.finish(MessageType::Confirmable, 0x7777, Token::EMPTY);
    two.datagram(1, delete.as_ref());
    let sent = two.sent();
    let messages = sent.iter().map(|(server, bytes)| {
        let message = MessageRef::parse(bytes).unwrap();
        let path: Vec<&str> = message.uri_path().collect();
        (*server, message.code(), path.join("/"))
    });
    let messages: Vec<_> = messages.collect();
    let expected = [
        (1, Code::DELETED, String::new()),
        (1, Code::DELETE, "rd/a".to_owned()),
        (0, Code::POST, "rd/a".to_owned()),
    ];
    for message in &expected {
        assert!(messages.contains(message), "{messages:?}");
    }
    assert_eq!(messages.len(), 3);
    let at = |expected: &_| messages.iter().position(|message| message == expected);
    assert!(at(&expected[0]) < at(&expected[1]), "the answer goes first");
    for (server, bytes) in &sent {
        let message = MessageRef::parse(bytes).unwrap();
        let code = match message.code() {
            Code::DELETE => Code::DELETED,
            Code::POST => Code::CHANGED,
            _ => continue,
        };
        let (id, token) = (message.message_id(), message.token());
        let answer = MessageBuf::response(code).finish(MessageType::Acknowledgement, id, token);
        two.datagram(*server, answer.as_ref());
    }
    let rests = |two: &Two, id| {
        let status = two.client.account(account(id)).unwrap();
        status.state == RegistrationState::Resting
    };
    assert!(rests(&two, 1) && !rests(&two, 0));
    // The rights on it go as well. Nothing is served, and nothing is tried again.
    assert_eq!(controls(&two).len(), 2);
    two.datagram(
        1,
        get("/3/0")
            .finish(MessageType::Confirmable, 0x7778, Token::EMPTY)
            .as_ref(),
    );
    assert_eq!(two.sent(), []);
    while two.client.poll_event().is_some() {}
    two.now += Duration::from_secs(3000);
    two.client.handle_timeout(two.now);
    assert_eq!(two.client.poll_event(), None);
    // The application mends it.
    let repaired = [
        Change::Create { path: path("/1/1") },
        set("/1/1/0", 102),
        set("/1/1/1", 86_400),
        set("/1/1/6", true),
        set("/1/1/7", "U"),
    ];
    two.client.change(two.now, repaired).unwrap();
    assert!(!rests(&two, 1));
}

/// TS 7.3.1.3: with the second account access control counts. A bootstrap gives the rights, or the
/// application.
#[test]
fn a_second_account_makes_rights_count_and_the_application_gives_them() {
    let mut bench = bench(|tree| tree.add(Store::of::<AccessControl>([])));
    assert_eq!(bench.code(get("/3/0/9")), Code::CONTENT);
    let second = [
        Change::Create { path: path("/0/1") },
        set("/0/1/0", "coap://two"),
        set("/0/1/1", false),
        set("/0/1/2", 3),
        set("/0/1/10", 102),
        Change::Create { path: path("/1/1") },
        set("/1/1/0", 102),
        set("/1/1/1", 86_400),
        set("/1/1/6", true),
        set("/1/1/7", "U"),
    ];
    let now = bench.now;
    bench.client.change(now, second).unwrap();
    bench.all_sent();
    let (refused, _) = bench.answered(b"r", get("/3/0/9"));
    assert_eq!(refused.code(), Code::UNAUTHORIZED);
    let device = [Change::Create { path: path("/3/0") }];
    let given = rights::created(bench.client.tree(), server_id(101), &device).unwrap();
    bench.client.change(now, given).unwrap();
    bench.all_sent();
    let (read, _) = bench.answered(b"r", get("/3/0/9"));
    assert_eq!(read.code(), Code::CONTENT);
}
