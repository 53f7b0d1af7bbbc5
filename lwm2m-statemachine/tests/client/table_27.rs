//! Every answer of a Client has a code that TS Table 27 (8.5) lists for the operation.

use alloc::collections::{BTreeMap, BTreeSet};

use lwm2m_core::{
    Arguments, Code, ContentFormat, DataType, InstanceId, Method, ObjectId, ResourceId, Value,
    ValueRef,
};
use lwm2m_objects::{
    Answer, Change, ExecuteError, Execution, Object, ObjectDefinition, Operations, Range,
    ReadError, ResourceDefinition, ResourceSink, WriteError, firmware::FirmwareUpdateObject, typed,
};
use lwm2m_statemachine::{ClientConfig, coap::BlockOption};

use crate::{
    creating::jobs,
    request::{Request, Way, code},
    support::{Bench, server_id, tree},
};

/// The operations of Device Management and Information Reporting with their codes. 5.00 is allowed
/// for each, where no other code describes the error (TS 8.5).
const TABLE_27: [(&str, &str); 9] = [
    ("Create", "2.01 4.00 4.01 4.04 4.05 4.15"),
    ("Read", "2.05 4.00 4.01 4.04 4.05 4.06"),
    ("Write", "2.04 2.31 4.00 4.01 4.04 4.05 4.08 4.13 4.15"),
    ("Delete", "2.02 4.00 4.01 4.04 4.05"),
    ("Execute", "2.04 4.00 4.01 4.04 4.05"),
    ("Write-Attributes", "2.04 4.00 4.01 4.04 4.05"),
    ("Discover", "2.05 4.00 4.01 4.04 4.05"),
    ("Observe", "2.05 4.00 4.01 4.04 4.05 4.06"),
    ("Cancel", "2.05 4.00 4.01 4.04 4.05 4.06"),
];

/// Codes that this Client doesn't use: it has a more precise code (4.08 where an Observe, or its cancellation, asks for a later block).
const NOT_ANSWERED: [(&str, &str); 3] =
    [("Observe", "4.00"), ("Cancel", "4.00"), ("Delete", "4.00")];

/// RFC 7959 §2.9: for a body in blocks, whatever the operation.
const OF_BLOCKS: [Code; 3] = [
    Code::CONTINUE,
    Code::REQUEST_ENTITY_INCOMPLETE,
    Code::REQUEST_ENTITY_TOO_LARGE,
];

fn codes(texts: &str) -> BTreeSet<Code> {
    let code = |text: &str| {
        let (class, detail) = text.split_once('.').unwrap();
        Code::new(class.parse().unwrap(), detail.parse().unwrap())
    };
    texts.split(' ').map(code).collect()
}

static RESOURCES: [ResourceDefinition; 5] = [
    ResourceDefinition::new(0, "Sensor", Operations::Read, DataType::Float).mandatory(),
    ResourceDefinition::new(1, "Level", Operations::ReadWrite, DataType::Integer)
        .with_range(Range::Numbers(5, 30))
        .mandatory(),
    ResourceDefinition::executable(2, "Act").mandatory(),
    ResourceDefinition::new(3, "Secret", Operations::Write, DataType::Opaque).mandatory(),
    ResourceDefinition::new(4, "Levels", Operations::ReadWrite, DataType::Integer)
        .multiple()
        .mandatory(),
];
static FAULTY: ObjectDefinition = ObjectDefinition::new(
    ObjectId::new(26241),
    "Faulty",
    "urn:oma:lwm2m:x:26241",
    &RESOURCES,
);

/// An Object that fails in every possible way.
struct Faulty;

impl Object for Faulty {
    fn definition(&self) -> &ObjectDefinition {
        &FAULTY
    }

    fn read(
        &self,
        _: InstanceId,
        resource: ResourceId,
        out: &mut ResourceSink<'_>,
    ) -> Result<(), ReadError> {
        match resource.get() {
            1 => out.value(ValueRef::Integer(20)),
            4 => Ok(()),
            _ => Err(ReadError::Unavailable),
        }
    }

    fn prepare(&self, changes: &[Change]) -> Result<(), WriteError> {
        changes.iter().try_for_each(|change| match change {
            Change::Set { path, value } if *value == Value::Integer(13) => {
                Err(WriteError::Refused(*path))
            }
            _ => Ok(()),
        })
    }

    fn apply(&mut self, _: &[Change]) {}

    fn execute(
        &mut self,
        instance: InstanceId,
        resource: ResourceId,
        arguments: &Arguments<'_>,
    ) -> Result<Execution, ExecuteError> {
        let path = lwm2m_core::Path::Resource(ObjectId::new(26241), instance, resource);
        match arguments.as_str() {
            "0" => Err(ExecuteError::NotFound(path)),
            "1" => Err(ExecuteError::NotExecutable(path)),
            "2" => Err(ExecuteError::Arguments),
            "3" => Err(ExecuteError::Failed),
            _ => Ok(Execution::Done),
        }
    }
}

/// A Client that assembles at most 100 bytes.
fn bench() -> Bench {
    let mut tree = tree(typed::Server::new(server_id(101), 86_400));
    let firmware = FirmwareUpdateObject::new(typed::FirmwareUpdate::default(), |_| Answer::Done);
    tree.add(firmware.unwrap());
    tree.add(Faulty);
    tree.add(
        jobs()
            .with(InstanceId::ZERO, 1, 5)
            .with(InstanceId::ZERO, 0, 0),
    );
    let mut config = ClientConfig::new("codes", [7; 32]);
    config.coap.bounds.body = 100;
    let mut bench = Bench::with_tree(config, tree);
    bench.accept_register();
    bench
}

const PATHS: [&str; 26] = [
    "/",
    "/x",
    "/0",
    "/0/0",
    "/0/0/0",
    "/1",
    "/1/0",
    "/1/0/1",
    "/1/0/8",
    "/3",
    "/3/0",
    "/3/0/0",
    "/3/0/4",
    "/3/0/7",
    "/3/0/14",
    "/3/0/99",
    "/3/0/7/0",
    "/3/9",
    "/5/0/0",
    "/9",
    "/9/0/1",
    "/26241",
    "/26241/0",
    "/26241/0/0",
    "/26242",
    "/26242/0",
];
const PATHS_TO_CHANGE: [&str; 5] = [
    "/26241/0/1",
    "/26241/0/2",
    "/26241/0/3",
    "/26241/0/4",
    "/26241/1/2",
];
const EXECUTABLE: [&str; 4] = ["/1/0/8", "/3/0/4", "/26241/0/2", "/26241/1/2"];
const FORMATS: [Option<ContentFormat>; 7] = [
    None,
    Some(ContentFormat::TEXT),
    Some(ContentFormat::OPAQUE),
    Some(ContentFormat::TLV),
    Some(ContentFormat::JSON),
    Some(ContentFormat::LINK_FORMAT),
    Some(ContentFormat::new(9999)),
];
const PAYLOADS: [&[u8]; 14] = [
    b"",
    b"0",
    b"1",
    b"2",
    b"3",
    b"13",
    b"20",
    b"+01:00",
    b"0='x'",
    b"\xff",
    b"\xC1\x01\x14",
    b"\xC1\x09\x14",
    b"\xC1\x01\x14\xC1\x01\x14, in blocks",
    br#"{"e":[{"n":"14","sv":"Z"}]}"#,
];

/// The operation of a request (TS Tables 25, 26).
fn operation(request: &Request) -> &'static str {
    let has_value = request.format.is_some() || !request.payload.is_empty();
    let depth = request.path.split('/').filter(|id| !id.is_empty()).count();
    match (request.method, request.observe) {
        (Method::Get, _) if request.accept == Some(ContentFormat::LINK_FORMAT) => "Discover",
        (Method::Get, Some(0)) => "Observe",
        (Method::Get, Some(1)) => "Cancel",
        (Method::Get, _) => "Read",
        (Method::Put, _) if request.query.is_some() && !has_value => "Write-Attributes",
        (Method::Delete, _) => "Delete",
        (Method::Post, _) if depth < 2 => "Create",
        (Method::Post, _) if EXECUTABLE.contains(&request.path) || !has_value => "Execute",
        (Method::Put | Method::Post, _) => "Write",
        (other, _) => unreachable!("{other:?}"),
    }
}

/// All combinations of the parts above.
fn requests() -> Vec<Request> {
    let mut requests = Vec::new();
    for path in PATHS.into_iter().chain(PATHS_TO_CHANGE) {
        for accept in FORMATS {
            for observe in [None, Some(0), Some(1), Some(7)] {
                requests.push(Request {
                    accept,
                    observe,
                    ..Request::new(Method::Get, path)
                });
            }
        }
        requests.push(Request::new(Method::Delete, path));
        for method in [Method::Put, Method::Post] {
            for format in FORMATS {
                let request = Request {
                    format,
                    ..Request::new(method, path)
                };
                requests.extend(PAYLOADS.map(|payload| Request {
                    payload,
                    ..request.clone()
                }));
                for query in ["pmin=1", "pmin=x", "gt=1"] {
                    requests.extend([b"" as &[u8], b"20"].map(|payload| Request {
                        payload,
                        query: Some(query),
                        ..request.clone()
                    }));
                }
            }
        }
    }
    requests
}

/// The answers to a block out of order, and to one beyond the end.
fn answers_to_blocks(request: &Request) -> Vec<Code> {
    let block = |number, more| BlockOption::new(number, more, 16).unwrap();
    let upload = |bench: &mut Bench, number| {
        let mut message = request.head();
        let block = block(number, true);
        message.block1(block).unwrap().payload(&[b'1'; 16]);
        code(bench, message)
    };
    if request.method == Method::Get {
        let mut message = request.head();
        message.block2(block(1000, false)).unwrap();
        return vec![code(&mut bench(), message)];
    }
    let mut codes = vec![upload(&mut bench(), 5)];
    let mut large = bench();
    for number in 0..10 {
        codes.push(upload(&mut large, number));
        if codes.last() != Some(&Code::CONTINUE) {
            break;
        }
    }
    codes
}

#[test]
fn every_answer_is_one_of_table_27_for_its_operation() {
    let mut seen: BTreeMap<&str, BTreeSet<Code>> = BTreeMap::new();
    for request in requests() {
        let operation = operation(&request);
        let (_, allowed) = TABLE_27
            .iter()
            .find(|(name, _)| *name == operation)
            .unwrap();
        let allowed = codes(allowed);
        let seen = seen.entry(operation).or_default();
        let mut check = |code: Code, in_blocks: bool| {
            let allowed = allowed.contains(&code) || code == Code::INTERNAL_SERVER_ERROR;
            let of_blocks = in_blocks && OF_BLOCKS.contains(&code);
            assert!(allowed || of_blocks, "{operation}, {request:?}: {code}");
            seen.insert(code);
        };
        for code in request.codes(&mut bench(), Way::Whole) {
            check(code, false);
        }
        if request.payload.len() > 16 {
            for code in request.codes(&mut bench(), Way::Blocks) {
                check(code, true);
            }
        }
        if request.payload.is_empty() {
            for code in answers_to_blocks(&request) {
                check(code, true);
            }
        }
    }
    // And there is a request for each of them.
    for (operation, all) in TABLE_27 {
        let mut expected = codes(all);
        if let Some((_, not)) = NOT_ANSWERED.iter().find(|(name, _)| *name == operation) {
            expected = &expected - &codes(not);
        }
        let missing = &expected - &seen[operation];
        assert!(missing.is_empty(), "{operation}: {missing:?}");
    }
    for operation in ["Read", "Observe", "Cancel", "Execute"] {
        let failed = seen[operation].contains(&Code::INTERNAL_SERVER_ERROR);
        assert!(failed, "{operation}");
    }
}
