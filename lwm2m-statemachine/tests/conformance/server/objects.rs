//! B.2.8 Objects: the Server knows the Resources of each by its definition in TS Appendix E.

use lwm2m_core::{Arguments, Code, ContentFormat, Method, Value, WriteMode, codec::Content};
use lwm2m_kit::path;
use lwm2m_statemachine::Outcome;

use super::{
    clients::{content_in, register_with, server},
    management::content,
};
use crate::{steps::step, tlv};

/// What the Server does with an Object Instance.
struct Managed {
    at: &'static str,
    /// What the client answers to a Read, in TLV, which names no types, and the values that it means.
    reads: Vec<(Vec<u8>, &'static str, Value)>,
    /// What the Server writes, and the Resource in TLV.
    writes: Vec<(&'static str, Value, Vec<u8>)>,
    executes: &'static [&'static str],
}

fn manages(managed: Managed) {
    let mut bench = server();
    let object = format!("<{}>", managed.at);
    let client = bench.registered(&register_with("ep=x&lt=86400&lwm2m=1.0", &object));
    step("values that are read have the types of Appendix E");
    let tlv = ContentFormat::TLV;
    let at = path(managed.at);
    let read = bench.machine.read(bench.now, client.id, at, Some(tlv));
    let asked = bench.expect_asked(Method::Get, managed.at);
    let entries = managed.reads.iter().map(|(entry, ..)| &**entry);
    let payload = entries.collect::<Vec<_>>().concat();
    bench.answer(&asked, content_in(tlv, &payload));
    let got = content(bench.expect_answered(read.expect("is registered")));
    let meant = managed.reads.into_iter();
    let meant: Content = meant.map(|(_, at, value)| (path(at), value)).collect();
    assert_eq!(got, meant);
    step("so have values that are written");
    for (at, value, payload) in managed.writes {
        let replace = WriteMode::Replace;
        let values = Content::from_iter([(path(at), value)]);
        let write = bench
            .machine
            .write(bench.now, client.id, path(at), replace, None, &values);
        let asked = bench.expect_asked(Method::Put, at);
        assert_eq!(asked.payload(), payload, "what is written at {at}");
        bench.answer_code(&asked, Code::CHANGED);
        let outcome = bench.expect_answered(write.expect("is registered"));
        assert_eq!(outcome, Outcome::Changed);
    }
    step("what can be executed");
    for at in managed.executes {
        let none = Arguments::NONE;
        let execute = bench.machine.execute(bench.now, client.id, path(at), &none);
        let asked = bench.expect_asked(Method::Post, at);
        assert!(asked.payload().is_empty());
        bench.answer_code(&asked, Code::CHANGED);
        let outcome = bench.expect_answered(execute.expect("is registered"));
        assert_eq!(outcome, Outcome::Changed);
    }
}

pub(crate) fn lwm2m_obj_002_s_m() {
    manages(Managed {
        at: "/1/0",
        reads: vec![
            (tlv::integer(0, 101), "/1/0/0", 101.into()),
            (tlv::integer(1, 86_400), "/1/0/1", 86_400.into()),
            (tlv::integer(2, 300), "/1/0/2", 300.into()),
            (tlv::integer(6, 1), "/1/0/6", true.into()),
            (tlv::resource(7, "UQ"), "/1/0/7", "UQ".into()),
        ],
        writes: vec![
            ("/1/0/1", 60.into(), tlv::integer(1, 60)),
            ("/1/0/3", 6000.into(), tlv::integer(3, 6000)),
            ("/1/0/6", false.into(), tlv::integer(6, 0)),
            ("/1/0/7", "U".into(), tlv::resource(7, "U")),
        ],
        executes: &["/1/0/4", "/1/0/8"],
    });
}

pub(crate) fn lwm2m_obj_003_s_o() {
    manages(Managed {
        at: "/2/3",
        reads: vec![
            (tlv::integer(0, 1), "/2/3/0", 1.into()),
            (tlv::integer(1, 0), "/2/3/1", 0.into()),
            (tlv::multiple(2, [(101, [15])]), "/2/3/2/101", 15.into()),
            (tlv::integer(3, 101), "/2/3/3", 101.into()),
        ],
        writes: vec![("/2/3/3", 102.into(), tlv::integer(3, 102))],
        executes: &[],
    });
}

pub(crate) fn lwm2m_obj_004_s_m() {
    manages(Managed {
        at: "/3/0",
        reads: vec![
            (tlv::resource(0, "OMA"), "/3/0/0", "OMA".into()),
            (tlv::multiple(11, [(0, [0])]), "/3/0/11/0", 0.into()),
            (
                tlv::integer(13, 1_367_491_215),
                "/3/0/13",
                Value::Time(1_367_491_215),
            ),
            (tlv::resource(16, "U"), "/3/0/16", "U".into()),
        ],
        writes: vec![
            (
                "/3/0/13",
                Value::Time(1_367_491_216),
                tlv::integer(13, 1_367_491_216),
            ),
            ("/3/0/14", "+02:00".into(), tlv::resource(14, "+02:00")),
        ],
        executes: &["/3/0/4", "/3/0/5", "/3/0/12"],
    });
}

pub(crate) fn lwm2m_obj_005_s_o() {
    manages(Managed {
        at: "/4/0",
        reads: vec![
            (tlv::integer(0, 0), "/4/0/0", 0.into()),
            (tlv::integer(2, -92), "/4/0/2", (-92).into()),
            (
                tlv::multiple(4, [(0, "192.0.2.1")]),
                "/4/0/4/0",
                "192.0.2.1".into(),
            ),
        ],
        writes: vec![],
        executes: &[],
    });
}

pub(crate) fn lwm2m_obj_006_s_o() {
    let uri = "coap://[2001:db8::1]/image";
    manages(Managed {
        at: "/5/0",
        reads: vec![
            (tlv::integer(3, 2), "/5/0/3", 2.into()),
            (tlv::integer(5, 0), "/5/0/5", 0.into()),
            (tlv::integer(9, 2), "/5/0/9", 2.into()),
        ],
        writes: vec![
            ("/5/0/0", vec![0, 0xFF].into(), tlv::resource(0, [0, 0xFF])),
            ("/5/0/1", uri.into(), tlv::resource(1, uri)),
        ],
        executes: &["/5/0/2"],
    });
}

pub(crate) fn lwm2m_obj_007_s_o() {
    manages(Managed {
        at: "/6/0",
        reads: vec![
            (
                tlv::resource(0, (-43.5_f32).to_be_bytes()),
                "/6/0/0",
                (-43.5).into(),
            ),
            (
                tlv::resource(1, 151.25_f64.to_be_bytes()),
                "/6/0/1",
                151.25.into(),
            ),
            (
                tlv::integer(5, 1_367_491_215),
                "/6/0/5",
                Value::Time(1_367_491_215),
            ),
        ],
        writes: vec![],
        executes: &[],
    });
}

pub(crate) fn lwm2m_obj_008_s_o() {
    manages(Managed {
        at: "/7/0",
        reads: vec![
            (tlv::integer(2, 4096), "/7/0/2", 4096.into()),
            (tlv::integer(3, 9), "/7/0/3", 9.into()),
        ],
        writes: vec![("/7/0/8", 600.into(), tlv::integer(8, 600))],
        executes: &["/7/0/6", "/7/0/7"],
    });
}
