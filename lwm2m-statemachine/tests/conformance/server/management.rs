//! B.2.3 Device Management and Service Enablement Interface.

use core::slice;

use lwm2m_core::{
    Arguments, Attributes, AttributesUpdate, Change, Code, ContentFormat, Method, ObjectId, Value,
    WriteMode, codec::Content,
};
use lwm2m_kit::{instance, path, response};
use lwm2m_statemachine::{Outcome, coap::MessageBuf};

use super::clients::{Registered, content_in, register_with, server, usual};
use crate::{steps::step, tlv};

/// The values of an outcome.
#[track_caller]
pub(super) fn content(outcome: Outcome) -> Content {
    match outcome {
        Outcome::Content(content) => content,
        outcome => panic!("expected values, got {outcome:?}"),
    }
}

pub(crate) fn lwm2m_dmse_001_s_m() {
    let mut bench = server();
    let client = bench.registered(&usual());
    step("a Read of a Resource, an Object Instance and an Object (TS 5.4.1)");
    let manufacturer = tlv::resource(0, "OMA");
    let of_instance = tlv::instance(0, slice::from_ref(&manufacturer));
    for (at, payload) in [
        ("/3/0/0", &manufacturer),
        ("/3/0", &manufacturer),
        ("/3", &of_instance),
    ] {
        let tlv = Some(ContentFormat::TLV);
        let read = bench.machine.read(bench.now, client.id, path(at), tlv);
        let asked = bench.expect_asked(Method::Get, at);
        assert_eq!(asked.message().accept(), tlv);
        assert!(asked.payload().is_empty());
        bench.answer(&asked, content_in(ContentFormat::TLV, payload));
        let content = content(bench.expect_answered(read.expect("is registered")));
        assert_eq!(content.get(&path("/3/0/0")), Some(&"OMA".into()));
    }
    step("what the client refuses, the application is told (TS Table 27)");
    for code in [
        Code::BAD_REQUEST,
        Code::UNAUTHORIZED,
        Code::NOT_FOUND,
        Code::METHOD_NOT_ALLOWED,
        Code::NOT_ACCEPTABLE,
    ] {
        let read = bench.machine.read(bench.now, client.id, path("/3/0"), None);
        let asked = bench.expect_asked(Method::Get, "/3/0");
        assert_eq!(asked.message().accept(), None, "the client chooses");
        bench.answer_code(&asked, code);
        let outcome = bench.expect_answered(read.expect("is registered"));
        assert_eq!(outcome, Outcome::Refused { code });
    }
    step("below the alternate path that the client has told (TS 8.2.2)");
    let objects = "</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/1/0>,</lwm2m/3/0>";
    let other = bench
        .client(2)
        .registered(&register_with("ep=other&lt=60&lwm2m=1.0", objects));
    let read = bench
        .machine
        .read(bench.now, other.id, path("/3/0/0"), None);
    let asked = bench.expect_asked(Method::Get, "/lwm2m/3/0/0");
    bench.answer(&asked, response(Code::CONTENT, b"OMA"));
    content(bench.expect_answered(read.expect("is registered")));
}

pub(crate) fn lwm2m_dmse_002_s_m() {
    let mut bench = server();
    let client = bench.registered(&usual());
    step("a Discover asks for link-format (TS 5.4.2)");
    let discover = bench.machine.discover(bench.now, client.id, path("/3/0"));
    let asked = bench.expect_asked(Method::Get, "/3/0");
    let links = ContentFormat::LINK_FORMAT;
    assert_eq!(asked.message().accept(), Some(links));
    step("paths, dimensions and the attributes for this Server are told");
    let payload = b"</3/0>;pmin=10,</3/0/6>;dim=8,</3/0/9>;pmax=60;gt=50;lt=42.2;st=2";
    bench.answer(&asked, content_in(links, payload));
    let found = match bench.expect_answered(discover.expect("is registered")) {
        Outcome::Links(found) => found,
        outcome => panic!("expected links, got {outcome:?}"),
    };
    let paths = ["/3/0", "/3/0/6", "/3/0/9"].map(path);
    assert_eq!(
        found.iter().map(|link| link.path).collect::<Vec<_>>(),
        paths
    );
    assert_eq!(found[0].attributes.pmin, Some(10));
    assert_eq!(found[1].dimension, Some(8));
    let of_level = Attributes {
        pmax: Some(60),
        gt: Some(50.0),
        lt: Some(42.2),
        st: Some(2.0),
        ..Attributes::default()
    };
    assert_eq!(found[2].attributes, of_level);
}

pub(crate) fn lwm2m_dmse_003_s_m() {
    let mut bench = server();
    let client = bench.registered(&usual());
    step("Replace is a PUT on a Resource or an Object Instance (TS 5.4.3)");
    let offset = Content::from_iter([(path("/3/0/14"), Value::from("+02:00"))]);
    let replace = WriteMode::Replace;
    for (at, mode, method) in [
        ("/3/0/14", replace, Method::Put),
        ("/3/0", replace, Method::Put),
        ("/3/0", WriteMode::PartialUpdate, Method::Post),
    ] {
        step("Partial Update is a POST; the values are in TLV, which every client has");
        let write = bench
            .machine
            .write(bench.now, client.id, path(at), mode, None, &offset);
        let asked = bench.expect_asked(method, at);
        assert_eq!(asked.message().content_format(), Some(ContentFormat::TLV));
        let values = tlv::Values::of(asked.payload());
        assert_eq!((values.resources(), values.text(14)), (vec![14], "+02:00"));
        bench.answer_code(&asked, Code::CHANGED);
        let outcome = bench.expect_answered(write.expect("is registered"));
        assert_eq!(outcome, Outcome::Changed);
    }
    step("what doesn't fit the type of the Resource isn't sent");
    let wrong = Content::from_iter([(path("/3/0/14"), Value::from(2))]);
    let write = bench
        .machine
        .write(bench.now, client.id, path("/3/0/14"), replace, None, &wrong);
    write.expect_err("an Integer for a String");
    bench.expect_nothing_asked();
}

/// A Write-Attributes with this one attribute, set and unset (TS 5.1.2, 5.4.4).
fn writes_attribute(queries: [&str; 2], update: impl Fn(bool) -> AttributesUpdate) {
    let mut bench = server();
    let client = bench.registered(&usual());
    for (query, sets) in queries.into_iter().zip([true, false]) {
        step(query);
        let update = update(sets);
        let at = path("/3/0/9");
        let write = bench
            .machine
            .write_attributes(bench.now, client.id, at, &update);
        let asked = bench.expect_asked(Method::Put, "/3/0/9");
        assert_eq!(asked.queries(), [query]);
        assert!(asked.payload().is_empty());
        assert_eq!(asked.message().content_format(), None);
        bench.answer_code(&asked, Code::CHANGED);
        let outcome = bench.expect_answered(write.expect("is registered"));
        assert_eq!(outcome, Outcome::Changed);
    }
}

const fn change<T: Copy>(sets: bool, value: T) -> Change<T> {
    if sets {
        Change::Set(value)
    } else {
        Change::Unset
    }
}

pub(crate) fn lwm2m_dmse_004_s_m() {
    let mut bench = server();
    let client = bench.registered(&usual());
    step("several attributes in one request, on each level (TS 5.4.4)");
    let update = AttributesUpdate {
        pmin: Change::Set(10),
        pmax: Change::Set(60),
        ..AttributesUpdate::default()
    };
    for at in ["/3", "/3/0", "/3/0/9"] {
        let write = bench
            .machine
            .write_attributes(bench.now, client.id, path(at), &update);
        let asked = bench.expect_asked(Method::Put, at);
        assert_eq!(asked.queries(), ["pmin=10", "pmax=60"]);
        bench.answer_code(&asked, Code::CHANGED);
        let outcome = bench.expect_answered(write.expect("is registered"));
        assert_eq!(outcome, Outcome::Changed);
    }
    step("what the client refuses");
    let write = bench
        .machine
        .write_attributes(bench.now, client.id, path("/3/0/9"), &update);
    let asked = bench.expect_asked(Method::Put, "/3/0/9");
    let code = Code::BAD_REQUEST;
    bench.answer_code(&asked, code);
    let outcome = bench.expect_answered(write.expect("is registered"));
    assert_eq!(outcome, Outcome::Refused { code });
}

pub(crate) fn lwm2m_dmse_005_s_m() {
    writes_attribute(["pmin=10", "pmin"], |sets| AttributesUpdate {
        pmin: change(sets, 10),
        ..AttributesUpdate::default()
    });
}

pub(crate) fn lwm2m_dmse_006_s_m() {
    writes_attribute(["pmax=60", "pmax"], |sets| AttributesUpdate {
        pmax: change(sets, 60),
        ..AttributesUpdate::default()
    });
}

pub(crate) fn lwm2m_dmse_007_s_m() {
    writes_attribute(["gt=42.5", "gt"], |sets| AttributesUpdate {
        gt: change(sets, 42.5),
        ..AttributesUpdate::default()
    });
}

pub(crate) fn lwm2m_dmse_008_s_m() {
    writes_attribute(["lt=-7", "lt"], |sets| AttributesUpdate {
        lt: change(sets, -7.0),
        ..AttributesUpdate::default()
    });
}

pub(crate) fn lwm2m_dmse_009_s_m() {
    writes_attribute(["st=0.5", "st"], |sets| AttributesUpdate {
        st: change(sets, 0.5),
        ..AttributesUpdate::default()
    });
}

pub(crate) fn lwm2m_dmse_010_s_m() {
    let mut bench = server();
    let client = bench.registered(&usual());
    step("an Execute is a POST, without arguments or with those of TS 5.4.5 as text");
    for (arguments, format, payload) in [
        ("", None, &b""[..]),
        ("5", Some(ContentFormat::TEXT), b"5"),
        ("0='reboot',9", Some(ContentFormat::TEXT), b"0='reboot',9"),
    ] {
        let arguments = Arguments::parse(arguments.as_bytes()).expect("arguments");
        let reboot = path("/3/0/4");
        let execute = bench
            .machine
            .execute(bench.now, client.id, reboot, &arguments);
        let asked = bench.expect_asked(Method::Post, "/3/0/4");
        let message = asked.message();
        assert_eq!(
            (message.content_format(), message.payload()),
            (format, payload)
        );
        bench.answer_code(&asked, Code::CHANGED);
        let outcome = bench.expect_answered(execute.expect("is registered"));
        assert_eq!(outcome, Outcome::Changed);
    }
    step("of a Resource that can't be executed");
    let none = Arguments::NONE;
    let execute = bench
        .machine
        .execute(bench.now, client.id, path("/3/0/0"), &none);
    let asked = bench.expect_asked(Method::Post, "/3/0/0");
    let code = Code::METHOD_NOT_ALLOWED;
    bench.answer_code(&asked, code);
    let outcome = bench.expect_answered(execute.expect("is registered"));
    assert_eq!(outcome, Outcome::Refused { code });
}

pub(crate) fn lwm2m_dmse_011_s_m() {
    let mut bench = server();
    let client = bench.registered(&usual());
    let object = ObjectId::SERVER;
    let values = Content::from_iter([(path("/1/2/1"), Value::from(60))]);
    step("with an identifier: a POST on the Object, the Object Instance in the TLV (TS 5.4.6)");
    let create = bench.machine.create(
        bench.now,
        client.id,
        object,
        Some(instance(2)),
        None,
        &values,
    );
    let asked = bench.expect_asked(Method::Post, "/1");
    let lifetime = tlv::integer(1, 60);
    assert_eq!(
        asked.payload(),
        tlv::instance(2, slice::from_ref(&lifetime))
    );
    bench.answer_code(&asked, Code::CREATED);
    let outcome = bench.expect_answered(create.expect("is registered"));
    assert_eq!(outcome, Outcome::Created { location: None });
    step("without: the client chooses, and says which");
    let create = bench
        .machine
        .create(bench.now, client.id, object, None, None, &values);
    let asked = bench.expect_asked(Method::Post, "/1");
    assert_eq!(asked.payload(), lifetime);
    let mut answer = MessageBuf::response(Code::CREATED);
    for segment in ["1", "7"] {
        answer.location_path(segment).expect("a segment");
    }
    bench.answer(&asked, answer);
    let location = Some(path("/1/7"));
    let outcome = bench.expect_answered(create.expect("is registered"));
    assert_eq!(outcome, Outcome::Created { location });
}

pub(crate) fn lwm2m_dmse_012_s_m() {
    let mut bench = server();
    let client = bench.registered(&usual());
    step("a Delete of an Object Instance (TS 5.4.7)");
    for (code, expected) in [
        (Code::DELETED, Outcome::Deleted),
        (
            Code::NOT_FOUND,
            Outcome::Refused {
                code: Code::NOT_FOUND,
            },
        ),
    ] {
        let delete = bench.machine.delete(bench.now, client.id, path("/1/2"));
        let asked = bench.expect_asked(Method::Delete, "/1/2");
        assert!(asked.payload().is_empty());
        bench.answer_code(&asked, code);
        let outcome = bench.expect_answered(delete.expect("is registered"));
        assert_eq!(outcome, expected);
    }
    step("of nothing else");
    let Registered { id, .. } = client;
    for at in ["/1", "/1/2/0"] {
        let delete = bench.machine.delete(bench.now, id, path(at));
        delete.expect_err("no Object Instance");
    }
    bench.expect_nothing_asked();
}
