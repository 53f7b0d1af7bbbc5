//! B.1.5 Data Format.

use lwm2m_core::{Code, ContentFormat};
use lwm2m_objects::typed;

use crate::{
    bench::{Bench, step},
    configurations::{c1, c4, c6, c7, c12, with_device},
    items::firmware,
    message::{read, replace, update},
    tlv::{integer, integer_value, multiple, resource},
};

#[track_caller]
fn payload(bench: &mut Bench, path: &str, format: ContentFormat) -> Vec<u8> {
    let answer = bench.request(&read(path).accept(format));
    answer.content(format).payload
}

pub(crate) fn lwm2m_df_001_c_o() {
    let mut bench = c6().registered();
    step("each type as TS Appendix C writes it");
    for (path, text) in [
        ("/3/0/0", "Open Mobile Alliance"),
        ("/3/0/9", "100"),
        ("/3/0/13", "1367492200"),
        ("/1/0/6", "1"),
    ] {
        assert_eq!(bench.text(path), text, "{path}");
    }
    let mut location = c7().registered();
    assert_eq!(location.text("/6/0/0"), "-43.5723");
    assert_eq!(location.text("/6/0/4"), "AFoAIA==");
    step("and it is written so");
    for (path, text) in [("/3/0/14", "+02:00"), ("/1/0/2", "15"), ("/1/0/6", "0")] {
        bench
            .request(&replace(path).text(text))
            .expect(Code::CHANGED);
        assert_eq!(bench.text(path), text, "{path}");
    }
    step("a multiple Resource is no text");
    let answer = bench.request(&read("/3/0/6").accept(ContentFormat::TEXT));
    answer.expect(Code::NOT_ACCEPTABLE);
}

pub(crate) fn lwm2m_df_002_c_o() {
    step("the bytes of the value are the payload, to read and to write");
    let mut bench = c7().registered();
    let velocity = payload(&mut bench, "/6/0/4", ContentFormat::OPAQUE);
    assert_eq!(velocity, [0x00, 0x5A, 0x00, 0x20]);
    let flash = firmware::flash();
    let mut bench = firmware::c8(&flash).registered();
    let package = firmware::package(300);
    bench
        .request(&replace("/5/0/0").opaque(&package))
        .expect(Code::CHANGED);
    assert_eq!(flash.lock().expect("the flash").stored, package);
    step("what is no Opaque");
    let answer = bench.request(&read("/3/0/3").accept(ContentFormat::OPAQUE));
    answer.expect(Code::NOT_ACCEPTABLE);
}

/// The Device of TS Appendix F as TS 6.4.3.1 writes it.
fn example_device() -> Vec<u8> {
    let numbers = |id, values: [i64; 2]| multiple(id, (0..).zip(values.map(integer_value)));
    [
        resource(0, "Open Mobile Alliance"),
        resource(1, "Lightweight M2M Client"),
        resource(2, "345000123"),
        resource(3, "1.0"),
        numbers(6, [1, 5]),
        numbers(7, [3800, 5000]),
        numbers(8, [125, 900]),
        integer(9, 100),
        integer(10, 15),
        multiple(11, [(0, [0])]),
        integer(13, 1_367_491_215),
        resource(14, "+02:00"),
        resource(16, "U"),
    ]
    .concat()
}

pub(crate) fn lwm2m_df_003_c_m() {
    step("an Object Instance, as in TS 6.4.3.1: 121 bytes");
    let device = typed::Device {
        current_time: None,
        ..typed::Device::example()
    };
    let mut bench = with_device(device).registered();
    bench.set("/3/0/13", lwm2m_core::Value::Time(1_367_491_215));
    let bytes = example_device();
    assert_eq!(bytes.len(), 121);
    assert_eq!(payload(&mut bench, "/3/0", ContentFormat::TLV), bytes);
    step("an Object, as in TS 6.4.3.2: 124 bytes");
    let object = payload(&mut bench, "/3", ContentFormat::TLV);
    assert_eq!(object, [&[0x08, 0x00, 0x79], &*bytes].concat());
    step("a Resource and an array alone");
    assert_eq!(
        payload(&mut bench, "/3/0/9", ContentFormat::TLV),
        [0xC1, 0x09, 0x64]
    );
    let array = payload(&mut bench, "/3/0/6", ContentFormat::TLV);
    assert_eq!(array, multiple(6, [(0, [1]), (1, [5])]));
    step("what is cut off or of another length is refused");
    let mut bench = c1().registered();
    for wrong in [&[0xC4, 0x01, 0, 0][..], &[0xC3, 0x01, 0, 0, 20], &[0xC1]] {
        bench
            .request(&update("/1/0").tlv(wrong))
            .expect(Code::BAD_REQUEST);
    }
    assert_eq!(bench.text("/1/0/1"), "86400");
    step("it is the format of answers without Accept");
    bench.request(&read("/3/0")).content(ContentFormat::TLV);
}

pub(crate) fn lwm2m_df_004_c_o() {
    let mut bench = c4().registered();
    step("a Resource, an array and an Object Instance");
    let json = |bench: &mut Bench, path: &str| {
        bench
            .request(&read(path).accept(ContentFormat::JSON))
            .into_json()
    };
    let level = json(&mut bench, "/3/0/9");
    assert_eq!(level["e"].as_array().map(Vec::len), Some(1));
    assert_eq!(level["e"][0]["v"], 100);
    let sources = json(&mut bench, "/3/0/6");
    let values = sources["e"].as_array().expect("entries").iter();
    assert_eq!(
        values.map(|entry| entry["v"].clone()).collect::<Vec<_>>(),
        [1, 5]
    );
    let device = json(&mut bench, "/3/0");
    let text = device["e"].as_array().expect("entries").iter();
    let texts: Vec<_> = text.filter_map(|entry| entry["sv"].as_str()).collect();
    assert_eq!(texts[0], "Open Mobile Alliance");
    step("and it is written so");
    let mut bench = c12().registered();
    let texts = r#"{"bn":"/16/0/0/","e":[{"n":"1","sv":"b"},{"n":"4","sv":"é\u0041"}]}"#;
    bench
        .request(&replace("/16/0/0").json(texts))
        .expect(Code::CHANGED);
    assert_eq!(bench.values("/16/0").texts(0), [(1, "b"), (4, "éA")]);
    step("what is no document of this format is refused");
    for wrong in [
        "",
        "{",
        "[]",
        r#"{"e":[{"n":"1"}]}"#,
        r#"{"e":[{"n":"0/1","v":1}]}"#,
    ] {
        bench
            .request(&update("/16/0").json(wrong))
            .expect(Code::BAD_REQUEST);
    }
    assert_eq!(bench.values("/16/0").texts(0), [(1, "b"), (4, "éA")]);
}
