//! Access control of two servers, on every way in and out (TS 7.3.2): what a server may not do is
//! 4.01 and has no effect.

use alloc::sync::Arc;
use core::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use lwm2m_core::{
    AccessRights, Code, ContentFormat, InstanceId, Method, ObjectId, Path, ResourceId, ValueRef,
};
use lwm2m_kit::account;
use lwm2m_objects::{
    Answer, Change, Object, ObjectDefinition, ReadError, ResourceSink, SECURITY, Store,
    firmware::{FirmwareUpdateObject, State},
    typed::{AccessControl, AclTarget, FirmwareUpdate, Server},
};
use lwm2m_statemachine::{
    ClientEvent,
    coap::{BlockOption, MessageBuf, MessageRef},
};

use crate::{
    observe::observe,
    reporting::sensors,
    servers::{Two, access, access_control},
    support::{get, on, path, server_id},
};

const NONE: AccessRights = AccessRights::NONE;
const READ: AccessRights = AccessRights::READ;
const WRITE: AccessRights = AccessRights::WRITE;
const EXECUTE: AccessRights = AccessRights::EXECUTE;

fn servers() -> [Server; 2] {
    [101, 102].map(|id| Server::new(server_id(id), 86_400))
}

/// Two servers of which the second has these rights on the Device, and the first has all.
fn two(second: AccessRights) -> Two {
    let all = AccessControl::OWNER_RIGHTS;
    Two::with(servers(), |tree| {
        tree.add(access_control([access(3, 0, [all, second])]));
        let firmware = FirmwareUpdateObject::new(FirmwareUpdate::default(), |_| Answer::Done);
        tree.add(firmware.unwrap());
    })
}

fn written(at: &str, value: &[u8]) -> MessageBuf {
    let mut request = on(Method::Put, at);
    request.content_format(ContentFormat::TEXT).unwrap();
    request.payload(value);
    request
}

fn discover(at: &str) -> MessageBuf {
    let mut request = get(at);
    request.accept(ContentFormat::LINK_FORMAT).unwrap();
    request
}

#[test]
fn each_operation_needs_its_right_and_no_other() {
    type Request = fn() -> MessageBuf;
    let operations: [(Request, AccessRights, Code); 8] = [
        (|| get("/3/0/9"), READ, Code::CONTENT),
        (|| get("/3/0"), READ, Code::CONTENT),
        (|| observe(0, "/3/0/9"), READ, Code::CONTENT),
        (|| written("/3/0/14", b"+01:00"), WRITE, Code::CHANGED),
        (|| on(Method::Post, "/3/0/4"), EXECUTE, Code::CHANGED),
        (|| get("/3"), NONE, Code::CONTENT),
        (|| discover("/3/0"), NONE, Code::CONTENT),
        (|| discover("/3/0/4"), NONE, Code::CONTENT),
    ];
    for (request, needed, success) in operations {
        for rights in [NONE, READ, WRITE, EXECUTE, AccessControl::OWNER_RIGHTS] {
            let mut two = two(rights);
            let expected = if rights.contains(needed) {
                success
            } else {
                Code::UNAUTHORIZED
            };
            let shown = format!("{:?} {rights}", request());
            assert_eq!(two.code(1, request()), expected, "{shown}");
            assert_eq!(two.code(0, request()), success, "{shown}");
        }
    }
}

/// The target (4.04), the right (4.01), the operation (4.05), the formats.
#[test]
fn the_right_comes_after_the_target_and_before_the_operation() {
    let unknown = |request: fn(&mut MessageBuf)| {
        move |at: &str, method| {
            let mut message = on(method, at);
            request(&mut message);
            message
        }
    };
    let format = unknown(|message| {
        message.content_format(ContentFormat::new(9999)).unwrap();
    });
    let accept = unknown(|message| {
        message.accept(ContentFormat::new(9999)).unwrap();
    });
    for (rights, request, code) in [
        (NONE, get("/0/0/0"), Code::UNAUTHORIZED),
        (NONE, get("/3/1"), Code::NOT_FOUND),
        (NONE, get("/3/0/99"), Code::NOT_FOUND),
        (NONE, get("/3/0/4"), Code::UNAUTHORIZED),
        (READ, get("/3/0/4"), Code::METHOD_NOT_ALLOWED),
        (NONE, accept("/3/0/9", Method::Get), Code::UNAUTHORIZED),
        (READ, accept("/3/0/9", Method::Get), Code::NOT_ACCEPTABLE),
        (READ, format("/3/0/14", Method::Put), Code::UNAUTHORIZED),
        (
            WRITE,
            format("/3/0/14", Method::Put),
            Code::UNSUPPORTED_CONTENT_FORMAT,
        ),
        (NONE, written("/3/0/9", b"1"), Code::UNAUTHORIZED),
        (WRITE, written("/3/0/9", b"1"), Code::METHOD_NOT_ALLOWED),
        // On an Object Instance the right to execute comes first as well.
        (WRITE, on(Method::Post, "/3/0"), Code::UNAUTHORIZED),
        (EXECUTE, on(Method::Post, "/3/0"), Code::METHOD_NOT_ALLOWED),
        // So they do where the Object can't be created or deleted.
        (NONE, on(Method::Delete, "/3/0"), Code::UNAUTHORIZED),
        (NONE, on(Method::Post, "/3"), Code::UNAUTHORIZED),
    ] {
        let shown = format!("{rights} {request:?}");
        assert_eq!(two(rights).code(1, request), code, "{shown}");
    }
}

#[test]
fn a_read_of_an_object_tells_what_may_be_read_be_it_nothing() {
    for (rights, length) in [(NONE, 0), (READ, 124)] {
        let answer = two(rights).answer(1, get("/3"));
        let answer = MessageRef::parse(&answer).unwrap();
        assert_eq!(answer.code(), Code::CONTENT);
        assert_eq!(answer.payload().len(), length, "{rights}");
    }
}

#[test]
fn what_is_refused_is_not_done_and_not_told() {
    let mut two = two(READ);
    for request in [written("/3/0/14", b"+01:00"), on(Method::Post, "/3/0/4")] {
        assert_eq!(two.code(1, request), Code::UNAUTHORIZED);
    }
    assert_eq!(two.client.poll_event(), None);
    let offset = two.client.tree().get(path("/3/0/14"));
    assert_eq!(offset, Some("+02:00".into()));
}

/// Only the owner, the first server, may change the rights.
#[test]
fn rights_are_changed_by_their_owner_and_count_at_once() {
    let mut two = two(NONE);
    let mut grant = on(Method::Post, "/2/0");
    grant.content_format(ContentFormat::TLV).unwrap();
    // Resource 2, Resource Instance 102: Read.
    grant.payload(&[0x83, 0x02, 0x41, 0x66, 0x01]);
    assert_eq!(two.code(1, get("/2/0")), Code::CONTENT);
    assert_eq!(two.code(1, grant.clone()), Code::UNAUTHORIZED);
    assert_eq!(two.code(1, get("/3/0/9")), Code::UNAUTHORIZED);
    assert_eq!(two.code(0, grant), Code::CHANGED);
    assert_eq!(two.code(1, get("/3/0/9")), Code::CONTENT);
}

/// Block `number` of a body, of 16 bytes.
fn block(at: &str, format: ContentFormat, body: &[u8], number: usize) -> MessageBuf {
    let chunk = body.chunks(16).nth(number).unwrap();
    let more = (number + 1) * 16 < body.len();
    let mut request = on(Method::Put, at);
    request.content_format(format).unwrap();
    let option = BlockOption::new(u32::try_from(number).unwrap(), more, 16).unwrap();
    request.block1(option).unwrap().payload(chunk);
    request
}

#[test]
fn a_body_in_blocks_is_refused_at_its_first_one() {
    for (at, format) in [
        ("/3/0/14", ContentFormat::TEXT),
        ("/5/0/0", ContentFormat::OPAQUE),
    ] {
        let mut two = two(READ);
        let first = block(at, format, &[b'x'; 40], 0);
        assert_eq!(two.code(1, first), Code::UNAUTHORIZED, "{at}");
        let second = block(at, format, &[b'x'; 40], 1);
        assert_eq!(two.code(1, second), Code::REQUEST_ENTITY_INCOMPLETE, "{at}");
        assert_eq!(state(&mut two), State::Idle);
    }
}

fn state(two: &mut Two) -> State {
    let (now, id) = (two.now, ObjectId::FIRMWARE_UPDATE);
    let state = |firmware: &mut FirmwareUpdateObject| firmware.machine().state();
    two.client.object(now, id, state).unwrap()
}

/// Gives the second server these rights on an Object Instance; the first has all others.
fn set_rights(two: &mut Two, object: u16, second: AccessRights) {
    let now = two.now;
    let all = AccessControl::OWNER_RIGHTS;
    let replaced = two
        .client
        .object(now, ObjectId::ACCESS_CONTROL, |store: &mut Store| {
            *store = access_control([access(object, 0, [all, second])]);
        });
    replaced.unwrap();
    two.client.changed(now, path("/2"));
}

/// A body that is assembled, and one that streams.
#[test]
fn a_right_that_is_lost_between_blocks_is_missing_at_the_end() {
    for (object, at, format) in [
        (3, "/3/0/14", ContentFormat::TEXT),
        (5, "/5/0/0", ContentFormat::OPAQUE),
    ] {
        let mut two = two(NONE);
        set_rights(&mut two, object, WRITE);
        let body = [b'x'; 40];
        for number in 0..2 {
            let code = two.code(1, block(at, format, &body, number));
            assert_eq!(code, Code::CONTINUE, "{at}");
        }
        set_rights(&mut two, object, READ);
        let code = two.code(1, block(at, format, &body, 2));
        assert_eq!(code, Code::UNAUTHORIZED, "{at}");
        assert_eq!(two.client.poll_event(), None);
        assert_eq!(
            two.client.tree().get(path("/3/0/14")),
            Some("+02:00".into())
        );
        assert_eq!(state(&mut two), State::Idle, "it is given up");
    }
}

#[test]
fn a_streamed_write_passes_with_the_right() {
    let mut two = two(NONE);
    set_rights(&mut two, 5, WRITE);
    let body = [b'x'; 40];
    let codes =
        [0, 1, 2].map(|number| two.code(1, block("/5/0/0", ContentFormat::OPAQUE, &body, number)));
    assert_eq!(codes, [Code::CONTINUE, Code::CONTINUE, Code::CHANGED]);
    assert_eq!(state(&mut two), State::Downloaded);
}

/// TS 7.3.2.5: silence, and the observation continues when the right is back.
#[test]
fn a_notification_needs_the_right_to_read() {
    let mut two = Two::with(servers(), |tree| {
        tree.add(access_control([access(3, 0, [READ, READ])]));
    });
    for server in 0..2 {
        assert_eq!(two.code(server, observe(0, "/3/0/9")), Code::CONTENT);
    }
    assert_eq!(two.notified(Some(90), Duration::ZERO), [0, 1]);
    set_rights(&mut two, 3, NONE);
    assert_eq!(two.notified(Some(80), Duration::from_secs(10)), [0]);
    // It missed a change.
    set_rights(&mut two, 3, READ);
    assert_eq!(two.notified(None, Duration::ZERO), [1]);
    assert_eq!(two.notified(None, Duration::from_secs(10)), [0; 0]);
}

/// One change, and observations of several paths and formats: each is notified with what a Read by its
/// server gives, which is not the same for both.
#[test]
fn each_server_is_notified_with_what_it_may_read() {
    let all = AccessControl::OWNER_RIGHTS;
    let mut two = Two::with(servers(), |tree| {
        let rights = [(0, NONE), (1, READ)].map(|(id, second)| access(26241, id, [all, second]));
        tree.add(access_control(rights));
        tree.add(sensors());
    });
    let in_format = |mut request: MessageBuf, format| {
        request.accept(format).unwrap();
        request
    };
    let formats = [ContentFormat::TLV, ContentFormat::JSON];
    let mut observations = Vec::new();
    for token in 0..24_u8 {
        let (server, format) = (usize::from(token % 2), formats[usize::from(token / 2 % 2)]);
        let at = ["/26241", "/26241/1"][usize::from(token / 4 % 2)];
        let request = in_format(observe(0, at), format);
        two.told(server, &[token], request);
        observations.push((server, at, format));
    }
    let change = [0, 1].map(|id| Change::Set {
        path: path(&format!("/26241/{id}/0")),
        value: 21.0.into(),
    });
    two.client.change(two.now, change).unwrap();
    two.client.handle_timeout(two.now);
    let sent = two.sent();
    assert_eq!(sent.len(), observations.len());
    for (number, (server, notification)) in sent.into_iter().enumerate() {
        let (observer, at, format) = observations[number];
        let answer = two.answer(observer, in_format(get(at), format));
        let [notification, answer] =
            [&notification, &answer].map(|bytes| MessageRef::parse(bytes).unwrap());
        assert_eq!(server, observer);
        assert_eq!(usize::from(notification.token().as_bytes()[0]), number);
        assert_eq!(notification.content_format(), answer.content_format());
        assert_eq!(notification.payload(), answer.payload(), "{at} {format}");
    }
}

#[test]
fn an_observation_can_be_cancelled_without_a_right() {
    let mut two = two(READ);
    assert_eq!(two.code(1, observe(0, "/3/0/9")), Code::CONTENT);
    set_rights(&mut two, 3, NONE);
    // It doesn't bypass the right to read.
    let answer = two.answer(1, observe(1, "/3/0/9"));
    let answer = MessageRef::parse(&answer).unwrap();
    assert_eq!(answer.code(), Code::UNAUTHORIZED);
    assert!(answer.payload().is_empty());
    set_rights(&mut two, 3, READ);
    let events: Vec<_> = core::iter::from_fn(|| two.client.poll_event()).collect();
    let ended = ClientEvent::ObservationEnded {
        account: account(1),
        path: path("/3/0/9"),
    };
    assert!(events.contains(&ended), "{events:?}");
    assert_eq!(two.notified(Some(70), Duration::from_secs(1)), [0; 0]);
}

/// TS 7.3.1.2.1: who may create instances of an Object is for the Bootstrap-Server alone, also with
/// a single server.
#[test]
fn who_may_create_is_not_for_servers() {
    let mut bench = crate::support::Bench::with_tree(
        lwm2m_statemachine::ClientConfig::new("alone", [7; 32]),
        {
            let mut tree = crate::support::tree(Server::new(server_id(101), 86_400));
            tree.add(Store::of([(
                InstanceId::ZERO,
                AccessControl {
                    target: AclTarget::Object(ObjectId::FIRMWARE_UPDATE),
                    acl: vec![(101, AccessRights::CREATE)],
                    owner: AccessControl::NOBODY,
                },
            )]));
            tree
        },
    );
    bench.accept_register();
    assert_eq!(bench.code(get("/2/0")), Code::CONTENT);
    assert_eq!(bench.code(written("/2/0/3", b"101")), Code::UNAUTHORIZED);
}

/// A Security Object of the application's own, which may get a second account by itself.
struct Provisioned {
    both: Arc<AtomicBool>,
    told: bool,
}

impl Object for Provisioned {
    fn definition(&self) -> &ObjectDefinition {
        &SECURITY
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        let next = after.map_or(0, |after| after.get() + 1);
        let count = 1 + u16::from(self.both.load(Ordering::Relaxed));
        InstanceId::new(next).filter(|_| next < count)
    }

    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        out.value(match resource.get() {
            0 => ValueRef::String("coap://server"),
            1 => ValueRef::Boolean(false),
            2 => ValueRef::Integer(3),
            10 => ValueRef::Integer(101 + i64::from(instance.get())),
            _ => return Err(ReadError::Unavailable),
        })
    }

    fn has(&self, instance: InstanceId, resource: ResourceId) -> bool {
        self.has_instance(instance) && [0, 1, 2, 10].contains(&resource.get())
    }

    fn apply(&mut self, _: &[Change]) {}

    fn poll_changed(&mut self) -> Option<Path> {
        let told = core::mem::replace(&mut self.told, self.both.load(Ordering::Relaxed));
        (told != self.told).then(|| path("/0/1"))
    }
}

/// A server is alone until another account comes, and not for one request longer.
#[test]
fn an_account_that_an_object_gets_by_itself_counts_before_the_next_answer() {
    let both = Arc::new(AtomicBool::new(false));
    let mut tree = crate::support::tree(Server::new(server_id(101), 86_400));
    tree.add(Provisioned {
        both: Arc::clone(&both),
        told: false,
    });
    let config = lwm2m_statemachine::ClientConfig::new("alone", [7; 32]);
    let mut bench = crate::support::Bench::with_tree(config, tree);
    bench.accept_register();
    assert_eq!(bench.code(get("/3/0/9")), Code::CONTENT);
    both.store(true, Ordering::Relaxed);
    let (answer, _) = bench.answered(b"r", get("/3/0/9"));
    assert_eq!(answer.code(), Code::UNAUTHORIZED);
}
