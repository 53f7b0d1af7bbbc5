//! A Client of which an Object isn't served in JSON (TS 5.3.1, 6.4, 8.5).

use lwm2m_core::{Code, ContentFormat, DataType, InstanceId, Method, ObjectId, ResourceId};
use lwm2m_kit::instance;
use lwm2m_objects::{
    Change, Object, ObjectDefinition, Operations, ReadError, ResourceDefinition, ResourceSink,
    Store, WriteError, typed::Server,
};
use lwm2m_statemachine::{ClientConfig, client::ObjectSet, coap::MessageBuf};

use crate::{
    request::{Request, Way},
    support::{Bench, path, server_id, tree},
};

static RESOURCES: [ResourceDefinition; 1] =
    [ResourceDefinition::new(0, "Level", Operations::ReadWrite, DataType::Integer).mandatory()];
static LEVELS: ObjectDefinition =
    ObjectDefinition::new(ObjectId::new(26241), "Levels", "urn:x:26241", &RESOURCES).multiple();

/// Values that are served in each format but JSON.
struct Levels(Store);

impl Object for Levels {
    fn definition(&self) -> &ObjectDefinition {
        self.0.definition()
    }

    fn next_instance(&self, after: Option<InstanceId>) -> Option<InstanceId> {
        self.0.next_instance(after)
    }

    fn supports_json(&self) -> bool {
        false
    }

    fn is_managed(&self) -> bool {
        true
    }

    fn read(
        &self,
        instance: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        self.0.read(instance, resource, out)
    }

    fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
        self.0.prepare(changes)
    }

    fn apply(&mut self, changes: &[Change]) {
        self.0.apply(changes);
    }
}

/// Not registered yet; with the Object that isn't served in JSON, or with one that is.
fn client(json: bool) -> Bench {
    let mut objects = tree(Server::new(server_id(101), 86_400));
    let levels = Store::new(&LEVELS).with(instance(0), 0, 20).managed(4);
    if json {
        objects.add(levels);
    } else {
        objects.add(Levels(levels));
    }
    Bench::with_tree(ClientConfig::new("example-client", [7; 32]), objects)
}

fn registered(json: bool) -> Bench {
    let mut bench = client(json);
    bench.accept_register();
    bench
}

/// TS 5.3.1: `ct` says that all Objects are.
#[test]
fn json_is_announced_only_if_every_object_is_served_in_it() {
    let objects = ",</1/0>,</3/0>,</26241/0>";
    for (json, root) in [
        (true, r#"</>;rt="oma.lwm2m";ct=11543"#),
        (false, r#"</>;rt="oma.lwm2m""#),
    ] {
        let register = client(json).sent();
        let list = str::from_utf8(register.payload()).unwrap();
        assert_eq!(list, format!("{root}{objects}"));
    }
}

/// The code that ends a request.
fn answered(bench: &mut Bench, request: &Request, way: Way) -> Code {
    *request.codes(bench, way).last().unwrap()
}

/// A request for the content of a path in JSON.
fn asked(at: &'static str, observe: Option<u32>) -> Request {
    Request {
        accept: Some(ContentFormat::JSON),
        observe,
        ..Request::new(Method::Get, at)
    }
}

/// Requests with a payload in JSON: a Write of a Resource, of an Object Instance, and a Create.
fn written() -> [Request; 4] {
    let with = |method, at, payload| Request {
        format: Some(ContentFormat::JSON),
        payload,
        ..Request::new(method, at)
    };
    [
        with(
            Method::Put,
            "/26241/0/0",
            br#"{"bn":"/26241/0/0","e":[{"v":1}]}"#,
        ),
        with(
            Method::Put,
            "/26241/0",
            br#"{"bn":"/26241/0/","e":[{"n":"0","v":1}]}"#,
        ),
        with(
            Method::Post,
            "/26241/0",
            br#"{"bn":"/26241/0/","e":[{"n":"0","v":1}]}"#,
        ),
        with(
            Method::Post,
            "/26241",
            br#"{"bn":"/26241/1/","e":[{"n":"0","v":1}]}"#,
        ),
    ]
}

/// TS Table 27: a format that isn't supported is 4.06 for the answer, and 4.15 for the payload.
#[test]
fn json_of_an_object_that_is_not_served_in_it_is_refused_and_of_others_not() {
    for at in ["/26241", "/26241/0", "/26241/0/0"] {
        for observe in [None, Some(0), Some(1)] {
            let request = asked(at, observe);
            for (json, expected) in [(true, Code::CONTENT), (false, Code::NOT_ACCEPTABLE)] {
                let code = answered(&mut registered(json), &request, Way::Whole);
                assert_eq!(code, expected, "{request:?}");
            }
        }
    }
    let unsupported = Code::UNSUPPORTED_CONTENT_FORMAT;
    for request in written() {
        for way in [Way::Whole, Way::Blocks] {
            let mut bench = registered(false);
            let code = answered(&mut bench, &request, way);
            assert_eq!(code, unsupported, "{request:?}");
            assert_eq!(bench.client.tree().get(path("/26241/0/0")), Some(20.into()));
            assert_eq!(bench.client.tree().get(path("/26241/1/0")), None);
            let code = answered(&mut registered(true), &request, way);
            assert!(
                [Code::CHANGED, Code::CREATED].contains(&code),
                "{request:?}: {code}"
            );
        }
    }
    // The other Objects of the same Client.
    let code = answered(&mut registered(false), &asked("/3/0", None), Way::Whole);
    assert_eq!(code, Code::CONTENT);
}

#[test]
fn an_object_that_is_not_served_in_json_is_served_in_tlv_and_text() {
    let mut bench = registered(false);
    let mut read = |at, accept| {
        let mut request: MessageBuf = crate::support::get(at);
        if let Some(accept) = accept {
            request.accept(accept).unwrap();
        }
        let answer = bench.request(b"r", request);
        (answer.code(), answer.message().content_format())
    };
    for (at, accept, format) in [
        ("/26241", None, ContentFormat::TLV),
        ("/26241/0", Some(ContentFormat::TLV), ContentFormat::TLV),
        ("/26241/0/0", Some(ContentFormat::TEXT), ContentFormat::TEXT),
    ] {
        assert_eq!(read(at, accept), (Code::CONTENT, Some(format)), "{at}");
    }
    let text = Request {
        format: Some(ContentFormat::TEXT),
        payload: b"5",
        ..Request::new(Method::Put, "/26241/0/0")
    };
    assert_eq!(answered(&mut bench, &text, Way::Whole), Code::CHANGED);
    assert_eq!(bench.client.tree().get(path("/26241/0/0")), Some(5.into()));
}

/// An Object that comes at run time counts, too.
#[test]
fn json_is_no_longer_announced_once_an_object_comes_that_is_not_served_in_it() {
    let mut bench = Bench::new();
    let levels = Levels(Store::new(&LEVELS).with(instance(0), 0, 20).managed(4));
    let add = |objects: &mut ObjectSet<'_>| objects.add(levels);
    bench.client.change_objects(bench.now, None, add).unwrap();
    let update = bench.sent();
    assert_eq!(update.path(), "/rd/a");
    let list = str::from_utf8(update.payload()).unwrap();
    assert!(!list.contains("ct="), "{list}");
}
