//! B.2.5 Data Format.

use lwm2m_core::{Code, ContentFormat, Method, Value, WriteMode, codec::Content};
use lwm2m_kit::path;
use lwm2m_statemachine::Outcome;

use super::{
    clients::{Registered, content_in, register_with, server},
    management::content,
};
use crate::{steps::step, tlv};

/// What a Resource or an Object Instance has, and the payload that says so.
struct Case {
    at: &'static str,
    values: Vec<(&'static str, Value)>,
    payload: Vec<u8>,
    /// Whether the Server writes exactly that.
    writes: bool,
}

/// The Server asks for the format and reads it; it writes it, and says so.
fn carries(format: ContentFormat, cases: Vec<Case>) {
    let mut bench = server();
    let objects = "</1/0>,</3/0>,</5/0>,</6/0>";
    let client = register_with("ep=x&lt=86400&lwm2m=1.0", objects);
    let Registered { id, .. } = bench.registered(&client);
    for case in cases {
        let (at, payload) = (path(case.at), &case.payload);
        step(case.at);
        let values = case.values.into_iter();
        let values: Content = values.map(|(at, value)| (path(at), value)).collect();
        let read = bench.machine.read(bench.now, id, at, Some(format));
        let asked = bench.expect_asked(Method::Get, case.at);
        assert_eq!(asked.message().accept(), Some(format));
        bench.answer(&asked, content_in(format, payload));
        let got = content(bench.expect_answered(read.expect("is registered")));
        assert_eq!(got, values);
        if case.writes {
            let mode = WriteMode::Replace;
            let write = bench
                .machine
                .write(bench.now, id, at, mode, Some(format), &values);
            let asked = bench.expect_asked(Method::Put, case.at);
            assert_eq!(asked.message().content_format(), Some(format));
            assert_eq!(asked.payload(), payload, "what is written at {}", case.at);
            bench.answer_code(&asked, Code::CHANGED);
            let outcome = bench.expect_answered(write.expect("is registered"));
            assert_eq!(outcome, Outcome::Changed);
        }
    }
}

fn one(at: &'static str, value: impl Into<Value>, payload: impl AsRef<[u8]>) -> Case {
    Case {
        at,
        values: vec![(at, value.into())],
        payload: payload.as_ref().to_vec(),
        writes: true,
    }
}

fn only_read(case: Case) -> Case {
    Case {
        writes: false,
        ..case
    }
}

pub(crate) fn lwm2m_df_001_s_m() {
    carries(
        ContentFormat::TEXT,
        vec![
            one("/3/0/14", "+02:00", "+02:00"),
            one("/1/0/1", 86_400, "86400"),
            one("/1/0/6", true, "1"),
            one("/3/0/13", Value::Time(1_367_491_215), "1367491215"),
            only_read(one("/6/0/0", -43.5, "-43.5")),
        ],
    );
}

pub(crate) fn lwm2m_df_002_s_m() {
    let image = vec![0, 0xFF, 0x0A, 0x80];
    carries(
        ContentFormat::OPAQUE,
        vec![one("/5/0/0", image.clone(), image)],
    );
}

pub(crate) fn lwm2m_df_003_s_m() {
    let all = [
        tlv::resource(0, "Open Mobile Alliance"),
        tlv::multiple(6, [(0, [1]), (1, [5])]),
        tlv::integer(9, 100),
    ]
    .concat();
    carries(
        ContentFormat::TLV,
        vec![
            one("/3/0/14", "+02:00", tlv::resource(14, "+02:00")),
            one("/1/0/1", 86_400, tlv::integer(1, 86_400)),
            Case {
                at: "/3/0",
                values: vec![
                    ("/3/0/0", "Open Mobile Alliance".into()),
                    ("/3/0/6/0", 1.into()),
                    ("/3/0/6/1", 5.into()),
                    ("/3/0/9", 100.into()),
                ],
                payload: all,
                writes: true,
            },
        ],
    );
}

pub(crate) fn lwm2m_df_004_s_m() {
    carries(
        ContentFormat::JSON,
        vec![
            only_read(one(
                "/3/0/14",
                "+02:00",
                r#"{"bn":"/3/0/14","e":[{"sv":"+02:00"}]}"#,
            )),
            Case {
                at: "/3/0",
                values: vec![
                    ("/3/0/0", "Open Mobile Alliance".into()),
                    ("/3/0/6/0", 1.into()),
                    ("/3/0/6/1", 5.into()),
                    ("/3/0/9", 100.into()),
                ],
                payload: concat!(
                    r#"{"bn":"/3/0/","e":[{"n":"0","sv":"Open Mobile Alliance"},"#,
                    r#"{"n":"6/0","v":1},{"n":"6/1","v":5},{"n":"9","v":100}]}"#
                )
                .into(),
                writes: false,
            },
        ],
    );
    step("a Write in JSON has each value with its name and in the field of its type (TS 6.4.4)");
    let mut bench = server();
    let Registered { id, .. } = bench.registered(&super::clients::usual());
    let offset = Content::from_iter([(path("/3/0/14"), Value::from("+02:00"))]);
    let (mode, json) = (WriteMode::PartialUpdate, Some(ContentFormat::JSON));
    let write = bench
        .machine
        .write(bench.now, id, path("/3/0"), mode, json, &offset);
    let asked = bench.expect_asked(Method::Post, "/3/0");
    assert_eq!(asked.message().content_format(), json);
    let document: serde_json::Value = serde_json::from_slice(asked.payload()).expect("JSON");
    let name = |field: &serde_json::Value| field.as_str().unwrap_or_default().to_owned();
    let entry = &document["e"][0];
    assert_eq!(name(&document["bn"]) + &name(&entry["n"]), "/3/0/14");
    assert_eq!(entry["sv"], "+02:00");
    bench.answer_code(&asked, Code::CHANGED);
    let outcome = bench.expect_answered(write.expect("is registered"));
    assert_eq!(outcome, Outcome::Changed);
}
