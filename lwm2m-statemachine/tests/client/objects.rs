//! Objects that come and go in a running Client (TS 5.3.2; Object 9, Update Supported Objects).

use alloc::sync::Arc;
use core::{
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use lwm2m_core::{
    AccessRights, BindingMode, Code, ContentFormat, DataType, InstanceId, Method, ObjectId, Path,
    ResourceId, Value, ValueRef,
};
use lwm2m_kit::{account, instance};
use lwm2m_objects::{
    Answer, Change, Object, ObjectDefinition, ObjectTree, Operations, ReadError,
    ResourceDefinition, ResourceSink, Store,
    firmware::FirmwareUpdateObject,
    software::{Numbering, SoftwareManagementObject},
    typed,
};
use lwm2m_statemachine::{
    ClientConfig, ClientEvent, ConnectionId,
    client::{DownloadOutcome, ObjectSet},
    coap::{MessageBuf, MessageRef, MessageType, Token},
};

use crate::{
    observe::observe,
    reporting::attributes,
    servers::{Two, access, access_control},
    support::{Bench, Sent, get, on, path, server_id, tree},
};

static RESOURCES: [ResourceDefinition; 1] =
    [ResourceDefinition::new(0, "Level", Operations::Read, DataType::Integer).mandatory()];
static OWN: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(26241),
    "Own",
    "urn:oma:lwm2m:x:26241",
    &RESOURCES,
)
.multiple();

/// An Object of the application's own with as many Object Instances.
fn own(instances: u16) -> Store {
    let ids = (0..instances).map(instance);
    ids.fold(Store::new(&OWN), |store, id| store.with(id, 0, 7))
}

/// With Software Management of one component.
fn software_tree() -> ObjectTree {
    software_tree_of(typed::Server::new(server_id(101), 3600))
}

fn software_tree_of(server: typed::Server) -> ObjectTree {
    let mut tree = tree(server);
    let component = typed::SoftwareManagement {
        update_supported_objects: Some(false),
        ..typed::SoftwareManagement::new("name", "1")
    };
    let object = SoftwareManagementObject::new(Numbering::Registered, |_, _| Answer::Done);
    tree.add(object.with(InstanceId::ZERO, component).unwrap());
    tree
}

fn bench() -> Bench {
    bench_of(software_tree())
}

fn bench_of(tree: ObjectTree) -> Bench {
    let config = ClientConfig::new("example-client", [7; 32]);
    let mut bench = Bench::with_tree(config, tree);
    bench.accept_register();
    bench
}

fn add(bench: &mut Bench, component: Option<u16>, instances: u16) {
    let component = component.map(instance);
    let add = |objects: &mut ObjectSet<'_>| objects.add(own(instances));
    let now = bench.now;
    bench.client.change_objects(now, component, add).unwrap();
}

fn remove(bench: &mut Bench, component: Option<u16>, id: u16) -> bool {
    let mut removed = false;
    let component = component.map(instance);
    let remove = |objects: &mut ObjectSet<'_>| removed = objects.remove(id.into());
    let now = bench.now;
    bench.client.change_objects(now, component, remove).unwrap();
    removed
}

/// The Update lists these Object Instances; it is answered.
#[track_caller]
fn expect_update(bench: &mut Bench, update: &Sent, lists: &[&str], lacks: &[&str]) {
    assert_eq!((update.code(), &*update.path()), (Code::POST, "/rd/a"));
    let text = core::str::from_utf8(update.payload()).unwrap().to_owned();
    for listed in lists {
        assert!(
            text.split(',').any(|link| link == *listed),
            "{listed}: {text}"
        );
    }
    for absent in lacks {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    bench.answer(update, MessageBuf::response(Code::CHANGED));
}

#[test]
fn servers_hear_of_objects_that_come_and_go() {
    let mut bench = bench();
    assert_eq!(bench.code(get("/26241/0")), Code::NOT_FOUND);
    add(&mut bench, None, 2);
    let update = bench.sent();
    expect_update(&mut bench, &update, &["</26241/0>", "</26241/1>"], &[]);
    assert_eq!(bench.code(get("/26241/0")), Code::CONTENT);
    // Another one in its place, with fewer Object Instances.
    add(&mut bench, None, 1);
    let update = bench.sent();
    expect_update(&mut bench, &update, &["</26241/0>"], &["</26241/1>"]);
    assert!(remove(&mut bench, None, 26241));
    let update = bench.sent();
    expect_update(&mut bench, &update, &["</3/0>"], &["26241"]);
    assert_eq!(bench.code(get("/26241/0")), Code::NOT_FOUND);
    assert!(!remove(&mut bench, None, 26241));
    assert!(bench.all_sent().is_empty(), "nothing has changed");
}

/// TS 8.3, and Update Supported Objects (`/9/x/8`) false: the next Update tells, and none is made for it.
#[test]
fn a_client_that_sleeps_is_not_woken_to_tell_of_objects_that_wait_for_the_next_update() {
    let server = typed::Server {
        binding: BindingMode::UQ,
        ..typed::Server::new(server_id(101), 3600)
    };
    let mut bench = bench_of(software_tree_of(server));
    bench.pass(Duration::from_secs(93));
    assert!(bench.client.may_sleep());
    bench.client.disconnected(bench.now, bench.connection);
    bench.events();
    add(&mut bench, Some(0), 1);
    let asks = |event: &ClientEvent| matches!(event, ClientEvent::Connect { .. });
    assert!(!bench.events().iter().any(asks));
    add(&mut bench, None, 2);
    assert!(bench.events().iter().any(asks));
}

/// An Object without Object Instances is listed as well (TS 5.3.1).
#[test]
fn an_object_without_instances_is_told_too() {
    let mut bench = bench();
    add(&mut bench, None, 0);
    let update = bench.sent();
    expect_update(&mut bench, &update, &["</26241>"], &[]);
}

#[test]
fn mandatory_objects_stay() {
    let mut bench = bench();
    for id in [0, 1, 3] {
        assert!(!remove(&mut bench, None, id), "{id}");
    }
    assert!(bench.all_sent().is_empty());
    bench.works();
}

/// Object 9: if Update Supported Objects is false, the next periodic Update tells; if it is true, one
/// is sent at once.
#[test]
fn update_supported_objects_decides_when_servers_hear_of_software() {
    let mut bench = bench();
    add(&mut bench, Some(0), 1);
    assert!(bench.all_sent().is_empty());
    assert_eq!(bench.code(get("/26241/0")), Code::CONTENT, "it is there");
    // Meanwhile other values change.
    bench.client.set(bench.now, path("/3/0/9"), 42).unwrap();
    assert!(bench.all_sent().is_empty());
    let update = bench.pass_until_sent();
    expect_update(&mut bench, &update, &["</26241/0>"], &[]);

    let mut at_once = on(Method::Put, "/9/0/8");
    at_once
        .content_format(ContentFormat::TEXT)
        .unwrap()
        .payload(b"1");
    assert_eq!(bench.code(at_once), Code::CHANGED);
    assert!(remove(&mut bench, Some(0), 26241));
    let update = bench.sent();
    expect_update(&mut bench, &update, &["</9/0>"], &["26241"]);
    // A component that isn't there says nothing.
    add(&mut bench, Some(5), 1);
    assert!(bench.all_sent().is_empty());
}

/// An Update for another reason tells it, too.
#[test]
fn what_waits_for_an_update_goes_with_the_next_one() {
    let mut bench = bench();
    add(&mut bench, Some(0), 1);
    bench.client.update(bench.now, account(0));
    let update = bench.sent();
    expect_update(&mut bench, &update, &["</26241/0>"], &[]);
}

/// Software Management: the Object Instances of Objects that are no longer supported are deleted.
#[test]
fn what_belongs_to_an_object_goes_with_it() {
    let mut tree = software_tree();
    let target = typed::AclTarget::Instance(26241.into(), InstanceId::ZERO);
    tree.add(Store::of([(
        InstanceId::ZERO,
        typed::AccessControl {
            target,
            acl: [(101, AccessRights::READ)].into(),
            owner: 101,
        },
    )]));
    tree.add(own(1));
    let mut bench = bench_of(tree);
    for (token, at) in [
        (&b"object"[..], "/26241"),
        (b"instance", "/26241/0"),
        (b"resource", "/26241/0/0"),
        (b"other", "/3/0/9"),
    ] {
        let mut observe = MessageBuf::request(Method::Get);
        observe.observe(0).unwrap();
        for segment in at.split('/').skip(1) {
            observe.uri_path(segment).unwrap();
        }
        assert_eq!(bench.request(token, observe).code(), Code::CONTENT, "{at}");
    }
    let mut attributes = on(Method::Put, "/26241/0");
    attributes.uri_query("pmin=10").unwrap();
    assert_eq!(bench.code(attributes), Code::CHANGED);
    bench.events();

    assert!(remove(&mut bench, None, 26241));
    let update = bench.sent();
    expect_update(&mut bench, &update, &["</3/0>"], &["26241", "</2/0>"]);
    // Each observer hears it; one message after the other is acknowledged.
    for _ in 0..3 {
        let end = bench.sent();
        assert_eq!(
            (end.code(), end.kind()),
            (Code::NOT_FOUND, MessageType::Confirmable)
        );
        let id = end.message().message_id();
        let empty = MessageBuf::new(Code::EMPTY);
        let wire = empty.finish(MessageType::Acknowledgement, id, Token::EMPTY);
        bench.datagram(wire.as_ref());
    }
    assert!(bench.all_sent().is_empty());
    let events = bench.events();
    let is_end = |event: &&ClientEvent| matches!(event, ClientEvent::ObservationEnded { .. });
    assert_eq!(events.iter().filter(is_end).count(), 3);
    let client = &bench.client;
    assert_eq!(client.reporting().attributes(server_id(101)).count(), 0);
    assert_eq!(client.tree().instances(ObjectId::ACCESS_CONTROL).count(), 0);
    // The one of another Object lives on.
    bench.client.set(bench.now, path("/3/0/9"), 42).unwrap();
    bench.pass(Duration::from_secs(1));
    assert!(!bench.all_sent().is_empty());
}

/// With access control, what comes has an owner (TS 7.3.1.2.2).
#[test]
fn what_comes_has_an_owner() {
    let mut tree = software_tree();
    let servers = [101, 102].map(server_id);
    let security = |at: usize| typed::Security::no_sec("coap://192.0.2.1", servers[at]);
    tree.add(Store::of([
        (instance(0), security(0)),
        (instance(1), security(1)),
    ]));
    let server = |at: usize| typed::Server::new(servers[at], 3600);
    tree.add(Store::of([
        (instance(0), server(0)),
        (instance(1), server(1)),
    ]));
    let target = typed::AclTarget::Instance(ObjectId::DEVICE, InstanceId::ZERO);
    tree.add(
        Store::of([(
            InstanceId::ZERO,
            typed::AccessControl {
                target,
                acl: [].into(),
                owner: 101,
            },
        )])
        .managed(10),
    );
    let config = ClientConfig::new("example-client", [7; 32]);
    let mut client = lwm2m_statemachine::Client::new(config, tree).unwrap();
    let now = lwm2m_core::Instant::ZERO;
    client
        .change_objects(now, None, |objects| objects.add(own(1)))
        .unwrap();
    let tree = client.tree();
    let controls: Vec<InstanceId> = tree.instances(ObjectId::ACCESS_CONTROL).collect();
    let about: Vec<_> = controls
        .iter()
        .map(|id| tree.get(path(&format!("/2/{id}/0"))))
        .collect();
    assert!(about.contains(&Some(Value::Integer(26241))), "{about:?}");
}

/// An Object whose Object Instances come and go by themselves. It tells that it has changed, not how.
struct Slots {
    filled: Arc<AtomicU16>,
    told: Option<u16>,
}

impl Object for Slots {
    fn definition(&self) -> &ObjectDefinition {
        &OWN
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        let next = after.map_or(0, |after| after.get() + 1);
        InstanceId::new(next).filter(|_| next < self.filled.load(Ordering::Relaxed))
    }

    fn read(
        &self,
        _: InstanceId,
        _: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        out.value(ValueRef::Integer(7))
    }

    fn apply(&mut self, _: &[Change]) {}

    fn poll_changed(&mut self) -> Option<Path> {
        let filled = self.filled.load(Ordering::Relaxed);
        let told = self.told.as_mut()?;
        (core::mem::replace(told, filled) != filled).then(|| path("/26241"))
    }
}

/// RFC 7641 §4.2, TS 7.3.1.2.2: what belongs to Object Instances that are gone ends, also if only the change
/// of their Object as a whole is told, by the Object or by the application.
#[test]
fn what_belongs_to_instances_ends_with_a_change_of_the_whole_object() {
    for tells_itself in [true, false] {
        let filled = Arc::new(AtomicU16::new(3));
        let servers = [101, 102].map(|id| typed::Server::new(server_id(id), 86_400));
        let mut two = Two::with(servers, |tree| {
            let controls = [0, 1, 2].map(|id| access(26241, id, [AccessRights::READ; 2]));
            tree.add(access_control(controls));
            tree.add(Slots {
                filled: Arc::clone(&filled),
                told: tells_itself.then_some(3),
            });
        });
        for (server, token, at) in [
            (0, b"r", "/26241/1/0"),
            (1, b"i", "/26241/2"),
            (1, b"o", "/26241"),
            (1, b"s", "/26241/0"),
        ] {
            let answer = two.answer_to(server, token, observe(0, at));
            assert_eq!(MessageRef::parse(&answer).unwrap().code(), Code::CONTENT);
        }
        for at in ["/26241/0", "/26241/1", "/26241/2/0"] {
            assert_eq!(two.code(0, attributes(at, "pmin=1")), Code::CHANGED);
        }
        filled.store(1, Ordering::Relaxed);
        if !tells_itself {
            two.client.changed(two.now, path("/26241"));
        }
        two.client.handle_timeout(two.now);
        let mut told = Vec::new();
        for _ in 0..2 {
            for (server, sent) in two.sent() {
                let message = MessageRef::parse(&sent).unwrap();
                if message.code().is_success() || message.code() == Code::NOT_FOUND {
                    told.push((server, message.token().as_bytes()[0], message.code()));
                    continue;
                }
                // The Update comes before what is confirmable.
                let changed = MessageBuf::response(Code::CHANGED).finish(
                    MessageType::Acknowledgement,
                    message.message_id(),
                    message.token(),
                );
                two.datagram(server, changed.as_ref());
            }
        }
        told.sort_by_key(|(server, token, _)| (*server, *token));
        let expected = [
            (0, b'r', Code::NOT_FOUND),
            (1, b'i', Code::NOT_FOUND),
            (1, b'o', Code::CONTENT),
            // It may have changed as well.
            (1, b's', Code::CONTENT),
        ];
        assert_eq!(told, expected, "tells itself: {tells_itself}");
        let observed: Vec<_> = two
            .client
            .reporting()
            .observations()
            .map(|found| found.path)
            .collect();
        assert_eq!(observed, [path("/26241"), path("/26241/0")]);
        let attributes = two
            .client
            .reporting()
            .attributes(server_id(101))
            .map(|(at, _)| at);
        assert_eq!(attributes.collect::<Vec<_>>(), [path("/26241/0")]);
        let controls: Vec<_> = two
            .client
            .tree()
            .instances(ObjectId::ACCESS_CONTROL)
            .collect();
        assert_eq!(controls, [InstanceId::ZERO]);
    }
}

/// Nobody would take what arrives.
#[test]
fn a_download_ends_with_its_object() {
    let mut tree = tree(typed::Server::new(server_id(101), 3600));
    let update = typed::FirmwareUpdate::default();
    tree.add(FirmwareUpdateObject::new(update, |_| Answer::Done).unwrap());
    let mut bench = bench_of(tree);
    let uri = "coap://files.example.org/image";
    bench.client.set(bench.now, path("/5/0/1"), uri).unwrap();
    let [ClientEvent::ConnectForDownload { connection, .. }] = bench.events()[..] else {
        panic!("no connection asked for");
    };
    assert!(remove(&mut bench, None, 5));
    let ended = ClientEvent::DownloadEnded {
        path: path("/5/0/1"),
        outcome: DownloadOutcome::Stopped,
    };
    let closed = ClientEvent::Disconnect { connection };
    assert_eq!(bench.events(), [closed, ended]);
    assert_eq!(bench.client.usage().downloads, 0);
}

/// Four components, of which two may be fetched at once.
fn fetching_software() -> (Bench, Vec<ConnectionId>) {
    let mut tree = tree(typed::Server::new(server_id(101), 3600));
    let mut object = SoftwareManagementObject::new(Numbering::Registered, |_, _| Answer::Done);
    for id in 0..4 {
        let component = typed::SoftwareManagement::new("name", "1");
        object = object.with(instance(id), component).unwrap();
    }
    tree.add(object);
    let mut bench = bench_of(tree);
    for id in 0..4 {
        let mut request = on(Method::Put, &format!("/9/{id}/3"));
        request.content_format(ContentFormat::TEXT).unwrap();
        request.payload(b"coap://files.example.org/package");
        assert_eq!(bench.code(request), Code::CHANGED);
    }
    let asked = bench.events().into_iter().filter_map(|event| match event {
        ClientEvent::ConnectForDownload { connection, .. } => Some(connection),
        _ => None,
    });
    let asked: Vec<_> = asked.collect();
    assert_eq!(asked.len(), 2);
    (bench, asked)
}

/// Those that have only waited have no connection, and are asked for none.
fn expect_stopped(bench: &mut Bench, asked: &[ConnectionId], of: impl Iterator<Item = u16>) {
    let mut events = bench.events();
    events.retain(|event| match event {
        ClientEvent::Disconnect { .. } | ClientEvent::DownloadEnded { .. } => true,
        ClientEvent::ConnectForDownload { .. } => panic!("{event:?}"),
        _ => false,
    });
    let closed = asked.iter().map(|connection| ClientEvent::Disconnect {
        connection: *connection,
    });
    for expected in closed {
        assert!(events.contains(&expected), "{events:?}");
    }
    let paths: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            ClientEvent::DownloadEnded { path, outcome } => {
                assert_eq!(*outcome, DownloadOutcome::Stopped);
                Some(*path)
            }
            _ => None,
        })
        .collect();
    assert_eq!(events.len(), asked.len() + paths.len());
    let of = of.map(|id| path(&format!("/9/{id}/3")));
    assert_eq!(paths, of.collect::<Vec<_>>());
}

#[test]
fn downloads_that_wait_for_others_end_with_their_object_without_a_connection() {
    let (mut bench, asked) = fetching_software();
    assert!(remove(&mut bench, None, 9));
    expect_stopped(&mut bench, &asked, 0..4);
    assert_eq!(bench.client.usage().downloads, 0);
}

/// All that an Object orders at once counts before anything new is begun.
#[test]
fn downloads_that_are_stopped_at_once_take_no_connection_from_each_other() {
    let (mut bench, asked) = fetching_software();
    let deleted = (0..4).map(|id| Change::Delete {
        path: Path::Instance(ObjectId::new(9), instance(id)),
    });
    let now = bench.now;
    bench
        .client
        .change(now, deleted.collect::<Vec<_>>())
        .unwrap();
    expect_stopped(&mut bench, &asked, 0..4);
    assert_eq!(bench.client.usage().downloads, 0);
}
