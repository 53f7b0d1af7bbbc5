//! B.1.3 Device Management and Service Enablement: the operations.

use lwm2m_core::{Code, ContentFormat};
use lwm2m_kit as kit;
use lwm2m_statemachine::ClientEvent;

use crate::{
    bench::{Bench, step},
    configurations::{c3, c4, c5, c6, c12, c14},
    items::operations::links,
    message::{
        Request, create, delete, discover, execute, read, replace, update, write_attributes,
    },
    tlv::{self, integer, multiple, resource},
};

/// Each request has this code.
#[track_caller]
fn expect_codes(bench: &mut Bench, cases: &[(Request, Code, &str)]) {
    for (request, code, why) in cases {
        step(why);
        bench.request(request).expect(*code);
    }
}

pub(crate) fn lwm2m_dmse_001_c_m() {
    let mut bench = c4().registered();
    step("a Resource, and an array of Resource Instances");
    assert_eq!(bench.values("/3/0/9").integer(9), 100);
    assert_eq!(bench.values("/3/0/6").integers(6), [(0, 1), (1, 5)]);
    step("an Object Instance: what can be read, and nothing else");
    let resources = bench.values("/3/0").resources();
    assert_eq!(resources, [0, 1, 2, 3, 6, 7, 8, 9, 11, 16]);
    step("an Object: its Object Instances");
    let answer = bench.request(&read("/3")).content(ContentFormat::TLV);
    let device = tlv::object(&answer.payload);
    assert_eq!(device[&0].resources(), resources);
    let cases = [
        (read("/9"), Code::NOT_FOUND, "an Object that isn't there"),
        (
            read("/3/1"),
            Code::NOT_FOUND,
            "an Object Instance that isn't there",
        ),
        (
            read("/3/0/10"),
            Code::NOT_FOUND,
            "a Resource that isn't there",
        ),
        (
            read("/3/0/4"),
            Code::METHOD_NOT_ALLOWED,
            "a Resource that is executable",
        ),
        (
            read("/3/0").accept(ContentFormat::TEXT),
            Code::NOT_ACCEPTABLE,
            "an Object Instance as text",
        ),
        (
            read("/3/0/9").accept(ContentFormat::new(60)),
            Code::NOT_ACCEPTABLE,
            "a format that isn't supported",
        ),
    ];
    expect_codes(&mut bench, &cases);
    step("an Object without Object Instances: nothing in it");
    let mut bench = c12().registered();
    bench.request(&delete("/16/0")).expect(Code::DELETED);
    bench.expect_update();
    let empty = bench.request(&read("/16")).content(ContentFormat::TLV);
    assert!(empty.payload.is_empty());
}

pub(crate) fn lwm2m_dmse_002_c_m() {
    let mut bench = c4().registered();
    bench.set_attributes("/3?pmin=10");
    bench.set_attributes("/3/0?pmax=60");
    bench.set_attributes("/3/0/7?gt=50&lt=42.2");
    step("an Object: its attributes, its Object Instances, and their Resources");
    let found = links(&mut bench, "/3");
    assert_eq!(found.targets()[0], "/3");
    assert_eq!(found.attributes("/3"), "pmin=10");
    found.expect(&["/3/0/0", "/3/0/4", "/3/0/16"]);
    step("an Object Instance: its attributes, and those of its Resources");
    let found = links(&mut bench, "/3/0");
    assert_eq!(found.attributes("/3/0"), "pmax=60");
    assert_eq!(found.attributes("/3/0/6"), "dim=2");
    assert_eq!(found.attributes("/3/0/7"), "dim=2;gt=50;lt=42.2");
    assert!(!found.has("/3") && !found.has("/3/0/10"), "{found:?}");
    step("a Resource: what it inherits, too");
    let found = links(&mut bench, "/3/0/7");
    let all = "dim=2;gt=50;lt=42.2;pmax=60;pmin=10";
    assert_eq!(found.attributes("/3/0/7"), all);
    assert_eq!(found.targets().len(), 1);
    step("the default periods of the server are no attributes");
    assert_eq!(
        links(&mut bench, "/3/0/4").attributes("/3/0/4"),
        "pmax=60;pmin=10"
    );
    let cases = [
        (
            discover("/9"),
            Code::NOT_FOUND,
            "an Object that isn't there",
        ),
        (
            discover("/3/0/10"),
            Code::NOT_FOUND,
            "a Resource that isn't there",
        ),
    ];
    expect_codes(&mut bench, &cases);
    step("no right is needed (TS 7.3.2)");
    let mut bench = c14().registered();
    links(bench.server(2), "/1/0").expect(&["/1/0", "/1/0/1"]);
}

pub(crate) fn lwm2m_dmse_003_c_m() {
    let mut bench = c3().registered();
    let before = bench.values("/1/0");
    step("Replace of an Object Instance: optional Resources that aren't named go");
    let most = [
        integer(1, 86_400),
        integer(3, 200),
        resource(6, [1]),
        resource(7, "U"),
    ];
    bench
        .request(&replace("/1/0").tlv(most.concat()))
        .expect(Code::CHANGED);
    assert_eq!(bench.values("/1/0").resources(), [0, 1, 3, 6, 7]);
    step("Partial Update: the others stay, and new ones come");
    bench
        .request(&update("/1/0").tlv(integer(2, 1)))
        .expect(Code::CHANGED);
    let after = bench.values("/1/0");
    assert_eq!(after.resources(), [0, 1, 2, 3, 6, 7]);
    assert_eq!((after.integer(2), after.integer(3)), (1, 200));
    assert_eq!(after.integer(0), before.integer(0));
    step("one Resource is wrong: nothing is written");
    let wrong = [integer(2, 7), resource(6, [2])].concat();
    bench
        .request(&update("/1/0").tlv(wrong))
        .expect(Code::BAD_REQUEST);
    let read_only = [integer(2, 7), integer(0, 9)].concat();
    bench
        .request(&update("/1/0").tlv(read_only))
        .expect(Code::METHOD_NOT_ALLOWED);
    assert_eq!(bench.values("/1/0"), after);
    let cases = [
        (
            replace("/1/1").tlv([]),
            Code::NOT_FOUND,
            "an Object Instance that isn't there",
        ),
        (
            replace("/3/0/0").text("x"),
            Code::METHOD_NOT_ALLOWED,
            "what can only be read",
        ),
        (
            replace("/1/0/4").text("x"),
            Code::METHOD_NOT_ALLOWED,
            "what can only be executed",
        ),
        (
            replace("/1").tlv(integer(1, 1)),
            Code::METHOD_NOT_ALLOWED,
            "an Object",
        ),
        (
            replace("/1/0/1").content(ContentFormat::new(60), [1]),
            Code::UNSUPPORTED_CONTENT_FORMAT,
            "a format that isn't supported",
        ),
        (
            replace("/1/0/1").unnamed("60"),
            Code::BAD_REQUEST,
            "no Content-Format",
        ),
        (
            replace("/1/0/1").text("sixty"),
            Code::BAD_REQUEST,
            "a value of another type",
        ),
    ];
    expect_codes(&mut bench, &cases);
    assert_eq!(bench.values("/1/0"), after);
}

pub(crate) fn lwm2m_dmse_004_c_m() {
    let mut bench = c4().registered();
    step("each level has its own; what has no value is unset");
    for target in [
        "/3?pmin=1&pmax=2",
        "/3/0?pmin=3",
        "/3/0/9?pmin=4&pmax=50&st=2.5",
    ] {
        bench.set_attributes(target);
    }
    let all = "pmax=50;pmin=4;st=2.5";
    assert_eq!(links(&mut bench, "/3/0/9").attributes("/3/0/9"), all);
    bench.set_attributes("/3/0/9?pmin&pmax");
    assert_eq!(
        links(&mut bench, "/3/0/9").attributes("/3/0/9"),
        "pmax=2;pmin=3;st=2.5"
    );
    bench.set_attributes("/3?pmin&pmax");
    step("whole or not at all");
    let refused = [
        (
            write_attributes("/3/0/9?pmin=9&gt=x"),
            Code::BAD_REQUEST,
            "what is no number",
        ),
        (
            write_attributes("/3/0/9?pmin=9&pmax=8"),
            Code::BAD_REQUEST,
            "pmax below pmin",
        ),
        (
            write_attributes("/3/0/9?pmin=9&dim=2"),
            Code::BAD_REQUEST,
            "dim can't be written",
        ),
        (
            write_attributes("/3/0/9?lt=1&gt=5"),
            Code::BAD_REQUEST,
            "lt + 2 st not below gt",
        ),
        (
            write_attributes("/3/0?gt=9"),
            Code::BAD_REQUEST,
            "gt of an Object Instance",
        ),
        (
            write_attributes("/3?st=9"),
            Code::BAD_REQUEST,
            "st of an Object",
        ),
        (
            write_attributes("/3/0/0?gt=9"),
            Code::BAD_REQUEST,
            "gt of a String",
        ),
        (
            write_attributes("/3/0/4?pmin=9"),
            Code::METHOD_NOT_ALLOWED,
            "an executable",
        ),
        (
            write_attributes("/3/0/10?pmin=9"),
            Code::NOT_FOUND,
            "what isn't there",
        ),
    ];
    expect_codes(&mut bench, &refused);
    assert_eq!(
        links(&mut bench, "/3/0/9").attributes("/3/0/9"),
        "pmin=3;st=2.5"
    );
    step("no right is needed, and another server has its own (TS 7.3.2, 5.1.1)");
    let mut bench = c14().registered();
    bench.server(2).set_attributes("/1/0/1?pmin=5");
    assert_eq!(
        links(bench.server(2), "/1/0/1").attributes("/1/0/1"),
        "pmin=5"
    );
    assert_eq!(links(bench.server(1), "/1/0/1").attributes("/1/0/1"), "");
}

pub(crate) fn lwm2m_dmse_011_c_m() {
    let mut bench = c12().registered();
    step("an executable Resource with arguments, which the application gets");
    let arguments = "2='10.3',0";
    bench
        .request(&execute("/16/0/1").text(arguments))
        .expect(Code::CHANGED);
    let executed = |event: &ClientEvent| {
        matches!(event, ClientEvent::Execute { path, arguments: told, .. }
            if *path == kit::path("/16/0/1") && told == arguments)
    };
    let events = bench.events();
    assert!(events.iter().any(executed), "{events:?}");
    step("an Object Instance can't be executed");
    bench
        .request(&execute("/16/0"))
        .expect(Code::METHOD_NOT_ALLOWED);
    let mut bench = c6().registered();
    let cases = [
        (
            execute("/3/0/12").text("0=x"),
            Code::BAD_REQUEST,
            "arguments that are none",
        ),
        (
            execute("/3/0/12").text("1,1"),
            Code::BAD_REQUEST,
            "an argument twice",
        ),
        (
            execute("/3/0/12").tlv([]),
            Code::BAD_REQUEST,
            "another Content-Format",
        ),
        (
            execute("/3/0/9"),
            Code::METHOD_NOT_ALLOWED,
            "what can only be read",
        ),
        (execute("/3/0/40"), Code::NOT_FOUND, "what isn't there"),
        (
            execute("/3/1/4"),
            Code::NOT_FOUND,
            "an Object Instance that isn't there",
        ),
    ];
    expect_codes(&mut bench, &cases);
    step("without the right: 4.01");
    let mut bench = c14().registered();
    bench
        .server(2)
        .request(&execute("/3/0/4"))
        .expect(Code::UNAUTHORIZED);
}

pub(crate) fn lwm2m_dmse_012_c_m() {
    let mut bench = c12().registered();
    let texts = |text| multiple(0, [(0, text)]);
    step("the server names the Object Instance: no Location-Path is needed");
    let named = tlv::instance(7, &[texts("seven")]);
    let answer = bench
        .request(&create("/16").tlv(named))
        .expect(Code::CREATED);
    assert!(answer.location.is_empty() || answer.location == ["16", "7"]);
    bench.expect_update().objects().expect(&["/16/0", "/16/7"]);
    step("several: all of them");
    let two = [
        tlv::instance(2, &[texts("two")]),
        tlv::instance(3, &[texts("three")]),
    ];
    bench
        .request(&create("/16").tlv(two.concat()))
        .expect(Code::CREATED);
    bench.expect_update().objects().expect(&["/16/2", "/16/3"]);
    step("several, of which one can't be: none of them");
    let two = [
        tlv::instance(4, &[texts("four")]),
        tlv::instance(7, &[texts("again")]),
    ];
    bench
        .request(&create("/16").tlv(two.concat()))
        .expect(Code::BAD_REQUEST);
    bench.request(&read("/16/4")).expect(Code::NOT_FOUND);
    step("in JSON");
    let json = r#"{"bn":"/16/5/","e":[{"n":"0/0","sv":"five"}]}"#;
    bench
        .request(&create("/16").json(json))
        .expect(Code::CREATED);
    bench.expect_update();
    assert_eq!(bench.values("/16/5").texts(0), [(0, "five")]);
    step("what the payload doesn't have isn't made");
    assert_eq!(bench.values("/16/5").resources(), [0]);
    step("no more Object Instances than there may be");
    for id in 16..=18 {
        let more = tlv::instance(id, &[texts("more")]);
        bench
            .request(&create("/16").tlv(more))
            .expect(Code::CREATED);
        bench.expect_update();
    }
    let ninth = tlv::instance(19, &[texts("more")]);
    let answer = bench.request(&create("/16").tlv(ninth));
    assert!(!answer.code.is_success(), "{answer:?}");
    bench.request(&read("/16/19")).expect(Code::NOT_FOUND);
    bench.expect_nothing_asked();
    step("without the right to create: 4.01");
    let mut bench = c14().with(crate::objects::portfolios()).registered();
    let answer = bench.server(2).request(&create("/16").tlv(texts("x")));
    answer.expect(Code::UNAUTHORIZED);
}

pub(crate) fn lwm2m_dmse_013_c_m() {
    let mut bench = c12().registered();
    bench.set_attributes("/16/0?pmin=60");
    let observation = bench.observe("/16/0/0");
    step("DELETE: 2.02; the observation below it ends with 4.04");
    bench.request(&delete("/16/0")).expect(Code::DELETED);
    bench.expect_update();
    let last = bench.ended(&observation);
    assert_eq!(last.code, Code::NOT_FOUND);
    step("attributes below it are gone: a new Object Instance has none");
    let again = tlv::instance(0, &[multiple(0, [(0, "again")])]);
    bench
        .request(&create("/16").tlv(again))
        .expect(Code::CREATED);
    bench.expect_update();
    assert_eq!(links(&mut bench, "/16/0").attributes("/16/0"), "");
    bench.pass(120);
    bench.expect_quiet();
    let cases = [
        (delete("/16/0/0"), Code::METHOD_NOT_ALLOWED, "a Resource"),
        (delete("/16"), Code::METHOD_NOT_ALLOWED, "an Object"),
        (delete("/16/1"), Code::NOT_FOUND, "what isn't there"),
    ];
    expect_codes(&mut bench, &cases);
    step("an Object Instance of the Client");
    let mut bench = c5().registered();
    bench
        .request(&delete("/4/0"))
        .expect(Code::METHOD_NOT_ALLOWED);
    step("without the right: 4.01");
    let mut bench = c14().registered();
    bench
        .server(2)
        .request(&delete("/3/0"))
        .expect(Code::UNAUTHORIZED);
}
