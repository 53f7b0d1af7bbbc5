//! Queries: tests 201 to 204 and 652.

use alloc::collections::BTreeMap;

use lwm2m_core::{Code, ContentFormat};

use crate::{
    bench::step,
    configurations::{c1, c6, c7, location},
    message::read,
    tlv::{self, Kind},
};

pub(crate) fn ets_201_query_plain_text() {
    let mut bench = c1().registered();
    for (path, expected) in [
        ("/3/0/0", "Open Mobile Alliance"),
        ("/3/0/1", "Lightweight M2M Client"),
        ("/3/0/2", "345000123"),
    ] {
        step(&format!("GET {path}, Accept text"));
        assert_eq!(bench.text(path), expected);
    }
}

pub(crate) fn ets_202_query_opaque() {
    let mut bench = c7().registered();
    step("GET /6/0/4, Accept opaque");
    let answer = bench.request(&read("/6/0/4").accept(ContentFormat::OPAQUE));
    let answer = answer.content(ContentFormat::OPAQUE);
    assert_eq!(Some(answer.payload), location().velocity);
    step("GET /3/0/0, Accept opaque: it is no Opaque");
    let answer = bench.request(&read("/3/0/0").accept(ContentFormat::OPAQUE));
    answer.expect(Code::NOT_ACCEPTABLE);
}

/// The texts of the Device of C.1.
const DEVICE: [(u16, &str); 5] = [
    (0, "Open Mobile Alliance"),
    (1, "Lightweight M2M Client"),
    (2, "345000123"),
    (3, "1.0"),
    (16, "U"),
];

pub(crate) fn ets_203_query_tlv() {
    let mut bench = c1().registered();
    step("GET /3/0, Accept TLV");
    let answer = bench.request(&read("/3/0").accept(ContentFormat::TLV));
    let values = answer.values();
    assert_eq!(values.resources(), [0, 1, 2, 3, 11, 16]);
    for (resource, expected) in DEVICE {
        assert_eq!(values.text(resource), expected, "Resource {resource}");
    }
    assert_eq!(values.integers(11), [(0, 0)]);
    for entry in tlv::read(&answer.payload) {
        let multiple = entry.id == 11;
        let expected = if multiple {
            Kind::Multiple
        } else {
            Kind::Resource
        };
        assert_eq!(entry.kind, expected, "of Resource {}", entry.id);
    }
}

pub(crate) fn ets_204_query_json() {
    let mut bench = c1().registered();
    step("GET /3/0, Accept JSON");
    let document = bench
        .request(&read("/3/0").accept(ContentFormat::JSON))
        .into_json();
    let object = document.as_object().expect("a JSON object");
    for key in object.keys() {
        assert!(["bn", "bt", "e"].contains(&&**key), "the key {key}");
    }
    let base = document["bn"].as_str().unwrap_or("");
    let mut found = BTreeMap::new();
    for entry in document["e"].as_array().expect("the entries under e") {
        let entry = entry.as_object().expect("a JSON object");
        let values = ["v", "bv", "ov", "sv"];
        let present = values.iter().filter(|key| entry.contains_key(**key));
        assert_eq!(present.count(), 1, "exactly one value in {entry:?}");
        for key in entry.keys() {
            let known = ["n", "t"].contains(&&**key) || values.contains(&&**key);
            assert!(known, "the key {key}");
        }
        let name = entry["n"].as_str().expect("a name");
        found.insert(format!("{base}{name}"), entry.clone());
    }
    for (resource, expected) in DEVICE {
        assert_eq!(found[&format!("/3/0/{resource}")]["sv"], expected);
    }
    assert_eq!(found["/3/0/11/0"]["v"], 0, "no error");
    assert_eq!(found.len(), 6, "nothing else is there: {found:?}");
}

pub(crate) fn ets_652_firmware_version() {
    let mut bench = c6().registered();
    step("GET /3/0/3 without Accept: in the preferred format");
    let answer = bench.request(&read("/3/0/3")).expect(Code::CONTENT);
    match answer.format.unwrap_or(ContentFormat::TEXT) {
        ContentFormat::TEXT => assert_eq!(answer.payload, b"1.0"),
        ContentFormat::TLV => assert_eq!(answer.values().text(3), "1.0"),
        other => panic!("expected text or TLV, got {other}"),
    }
    step("GET /3/0/3, Accept text");
    assert_eq!(bench.text("/3/0/3"), "1.0");
}
