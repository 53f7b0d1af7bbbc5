//! Multiple Resources without Resource Instances, in each format (TS 6.4.3, 6.4.4).

use lwm2m_core::{
    Code, ContentFormat, InstanceId, ObjectId, Path, Value,
    codec::{Content, Scope},
};
use lwm2m_objects::{Change, Registry, Store, access, example, typed};
use lwm2m_statemachine::{ClientConfig, coap::MessageBuf, payload};

use crate::support::{Bench, get, path, server_id, tree};

/// A Client with the Access Control Object of TS Appendix F after Server 1 is gone: its empty array
/// says that no server may create instances of Firmware Update.
fn bench() -> Bench {
    let mut appendix_f = example::client();
    let leaving = access::unbootstrapped(&appendix_f, example::SERVER_1);
    appendix_f.change(leaving).unwrap();
    let access_control: &Store = appendix_f.object_as(ObjectId::ACCESS_CONTROL).unwrap();
    let mut tree = tree(typed::Server::new(server_id(102), 86_400));
    tree.add(access_control.clone());
    let mut bench = Bench::with_tree(ClientConfig::new("example-client", [7; 32]), tree);
    bench.accept_register();
    bench
}

fn read(bench: &mut Bench, at: &str, format: ContentFormat) -> Result<Content, Code> {
    let mut request: MessageBuf = get(at);
    request.accept(format).unwrap();
    let answer = bench.request(b"abc", request);
    if answer.code() != Code::CONTENT {
        return Err(answer.code());
    }
    assert_eq!(answer.message().content_format(), Some(format));
    let mut content = Content::new();
    let types = Registry::default();
    payload::decode(
        format,
        answer.payload(),
        Scope::answer(path(at)),
        &types,
        &mut content,
    )
    .unwrap();
    Ok(content)
}

/// The paths with a value.
fn values(content: &Content) -> Vec<(Path, Value)> {
    let values = content.values();
    values.map(|(path, value)| (path, value.clone())).collect()
}

#[test]
fn json_leaves_out_an_empty_array_that_tlv_carries() {
    let mut bench = bench();
    for at in ["/2", "/2/4"] {
        let tlv = read(&mut bench, at, ContentFormat::TLV).unwrap();
        let json = read(&mut bench, at, ContentFormat::JSON).unwrap();
        assert_eq!(values(&tlv), values(&json), "{at}");
        let owner = (path("/2/4/3"), Value::Integer(65535));
        assert!(values(&json).contains(&owner), "{at}: {json:?}");
        // TLV shows the empty array.
        let array = path("/2/4/2");
        let has = |content: &Content| {
            let mut entries = content.entries().iter();
            entries.any(|entry| entry.path == array && entry.value.is_none())
        };
        assert!(has(&tlv) && !has(&json), "{at}");
    }
}

/// JSON can't represent the empty array alone.
#[test]
fn an_empty_array_that_is_the_target_is_not_acceptable_in_json() {
    let mut bench = bench();
    let at = "/2/4/2";
    let json = read(&mut bench, at, ContentFormat::JSON);
    assert_eq!(json.err(), Some(Code::NOT_ACCEPTABLE));
    let tlv = read(&mut bench, at, ContentFormat::TLV).unwrap();
    assert_eq!(values(&tlv), []);
}

/// An Object Instance with nothing else still exists.
#[test]
fn an_instance_that_has_only_an_empty_array_is_read_in_json() {
    let mut tree = tree(typed::Server::new(server_id(102), 86_400));
    let store = Store::of::<typed::AccessControl>([]).with_instance(InstanceId::ZERO);
    tree.add(store.supporting([2]));
    let path = path("/2/0/2");
    tree.change([Change::Clear { path }]).unwrap();
    let mut bench = Bench::with_tree(ClientConfig::new("example-client", [7; 32]), tree);
    bench.accept_register();
    let mut request = get("/2/0");
    request.accept(ContentFormat::JSON).unwrap();
    let answer = bench.request(b"abc", request);
    assert_eq!(answer.code(), Code::CONTENT);
    assert_eq!(answer.payload(), br#"{"bn":"/2/0/","e":[]}"#);
}
