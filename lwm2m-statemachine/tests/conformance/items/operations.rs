//! Discover, Create, Delete: tests 260 to 290, 1630 and 1635.

use lwm2m_core::{Code, ContentFormat};

use crate::{
    bench::{Bench, step},
    configurations::{c4, c12, c14},
    message::{Request, create, delete, discover, read, replace, update},
    objects,
    tlv::{self, Values, multiple},
};

/// Discover, whose answer is links.
#[track_caller]
pub(crate) fn links(bench: &mut Bench, path: &str) -> crate::message::Links {
    bench.request(&discover(path)).links()
}

pub(crate) fn ets_260_discover() {
    let mut bench = c4().registered();
    step("1. Discover /3");
    let found = links(&mut bench, "/3");
    assert_eq!(found.attributes("/3"), "");
    let resources = [1, 2, 3, 4, 6, 7, 8, 9, 11, 16].map(|id| format!("/3/0/{id}"));
    found.expect(&resources.each_ref().map(|path| &**path));
    for path in ["/3/0/6", "/3/0/7", "/3/0/8"] {
        assert_eq!(found.attributes(path), "dim=2");
    }
    step("2. Write-Attributes /3/0?pmin=10&pmax=200");
    bench.set_attributes("/3/0?pmin=10&pmax=200");
    step("3. Discover /3");
    let found = links(&mut bench, "/3");
    assert_eq!(found.attributes("/3/0"), "pmax=200;pmin=10");
    assert_eq!(
        found.attributes("/3/0/7"),
        "dim=2",
        "inherited ones are not listed"
    );
    step("4. Write-Attributes /3/0/7?lt=1&gt=6&st=1");
    bench.set_attributes("/3/0/7?lt=1&gt=6&st=1");
    step("5. Discover /3");
    let found = links(&mut bench, "/3");
    assert_eq!(found.attributes("/3/0"), "pmax=200;pmin=10");
    assert_eq!(found.attributes("/3/0/7"), "dim=2;gt=6;lt=1;st=1");
    step("6. Discover /3/0/7: one link, with what is inherited");
    let found = links(&mut bench, "/3/0/7");
    assert_eq!(found.targets(), ["/3/0/7"]);
    assert_eq!(
        found.attributes("/3/0/7"),
        "dim=2;gt=6;lt=1;pmax=200;pmin=10;st=1"
    );
}

/// The Identity of a Portfolio with these texts.
fn identity(texts: &[(u16, &str)]) -> Vec<u8> {
    multiple(0, texts.iter().copied())
}

fn portfolio(bench: &mut Bench, path: &str) -> Values {
    bench.values(path)
}

/// A Create that is refused leaves nothing.
#[track_caller]
fn refuse(bench: &mut Bench, request: &Request, code: Code) {
    let before = links(bench, "/16");
    bench.request(request).expect(code);
    assert_eq!(links(bench, "/16"), before, "nothing is created");
    bench.expect_nothing_asked();
}

pub(crate) fn ets_270_create_object_instance() {
    let mut bench = c12().registered();
    let two = identity(&[(0, "one"), (1, "two")]);
    step("POST /16 in TLV, without an Object Instance ID");
    let answer = bench
        .request(&create("/16").tlv(&two))
        .expect(Code::CREATED);
    assert_eq!(answer.location, ["16", "1"]);
    step("the Update lists it");
    bench
        .expect_update()
        .objects()
        .expect(&["/1/0", "/3/0", "/16/0", "/16/1"]);
    assert_eq!(
        portfolio(&mut bench, "/16/1").texts(0),
        [(0, "one"), (1, "two")]
    );
    step("an identifier that is taken: 4.00");
    let taken = tlv::instance(0, core::slice::from_ref(&two));
    refuse(&mut bench, &create("/16").tlv(taken), Code::BAD_REQUEST);
    step("without the mandatory Resource: 4.00");
    let nothing = tlv::instance(5, &[]);
    refuse(&mut bench, &create("/16").tlv(nothing), Code::BAD_REQUEST);
    step("without a Content-Format: 4.00");
    refuse(&mut bench, &create("/16").unnamed(&two), Code::BAD_REQUEST);
    step("in a format that isn't supported: 4.15");
    let cbor = ContentFormat::new(60);
    let unsupported = create("/16").content(cbor, &two);
    refuse(&mut bench, &unsupported, Code::UNSUPPORTED_CONTENT_FORMAT);
    step("an Object that isn't there: 4.04");
    refuse(&mut bench, &create("/99").tlv(&two), Code::NOT_FOUND);
    step("an optional Resource that isn't supported is ignored");
    let more = [two, multiple(2, [(0, [1, 2])]), tlv::resource(77, "?")].concat();
    let answer = bench
        .request(&create("/16").tlv(more))
        .expect(Code::CREATED);
    assert_eq!(answer.location, ["16", "2"]);
    bench.expect_update().objects().expect(&["/16/2"]);
    assert_eq!(portfolio(&mut bench, "/16/2").resources(), [0]);
}

pub(crate) fn ets_271_create_multiple_resource_instance() {
    let mut bench = c12().registered();
    step("POST /16/0 with one more instance of Resource 0");
    let more = identity(&[(7, "seventh")]);
    bench
        .request(&update("/16/0").tlv(more))
        .expect(Code::CHANGED);
    step("GET /16/0: the old ones and the new one");
    let values = portfolio(&mut bench, "/16/0");
    let ids: Vec<u16> = values.texts(0).iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [0, 1, 2, 3, 7]);
    assert_eq!(values.texts(0)[4], (7, "seventh"));
    assert_eq!(links(&mut bench, "/16/0").attributes("/16/0/0"), "dim=5");
    step("PUT /16/0/0 with two instances");
    let two = identity(&[(1, "b"), (2, "c")]);
    bench
        .request(&replace("/16/0/0").tlv(two))
        .expect(Code::CHANGED);
    step("GET /16/0: exactly these");
    let values = portfolio(&mut bench, "/16/0");
    assert_eq!(values.texts(0), [(1, "b"), (2, "c")]);
    step("Discover /16/0: dim follows");
    assert_eq!(links(&mut bench, "/16/0").attributes("/16/0/0"), "dim=2");
}

pub(crate) fn ets_290_delete_object_instance() {
    let mut bench = c12().registered();
    step("DELETE /16/0");
    bench.request(&delete("/16/0")).expect(Code::DELETED);
    step("the Update no longer lists it");
    let objects = bench.expect_update().objects();
    assert!(objects.has("/16") && !objects.has("/16/0"), "{objects:?}");
    step("GET /16/0");
    bench.request(&read("/16/0")).expect(Code::NOT_FOUND);
    step("DELETE /16: an Object can't be deleted");
    bench
        .request(&delete("/16"))
        .expect(Code::METHOD_NOT_ALLOWED);
    step("DELETE /16/99");
    bench.request(&delete("/16/99")).expect(Code::NOT_FOUND);

    step("with two servers: the Access Control Object Instance goes with it");
    let mut bench = c14().with(objects::portfolios()).registered();
    assert!(links(bench.server(1), "/2").has("/2/3"));
    bench
        .server(1)
        .request(&delete("/16/0"))
        .expect(Code::DELETED);
    for _ in 0..2 {
        let objects = bench.expect_update().objects();
        assert!(!objects.has("/16/0") && !objects.has("/2/3"), "{objects:?}");
    }
    bench
        .server(1)
        .request(&read("/2/3"))
        .expect(Code::NOT_FOUND);
}

pub(crate) fn ets_1630_create_portfolio() {
    let mut bench = c12().registered();
    step("Discover /16");
    let found = links(&mut bench, "/16");
    assert_eq!(found.attributes("/16/0/0"), "dim=4");
    step("POST /16 with two texts");
    let two = identity(&[(0, "one"), (1, "two")]);
    let answer = bench.request(&create("/16").tlv(two)).expect(Code::CREATED);
    assert_eq!(answer.location, ["16", "1"]);
    bench.expect_update().objects().expect(&["/16/0", "/16/1"]);
    step("Discover /16: the new one, too");
    let found = links(&mut bench, "/16");
    assert_eq!(found.attributes("/16/0/0"), "dim=4");
    assert_eq!(found.attributes("/16/1/0"), "dim=2");
    step("GET /16: both as Object Instances");
    let answer = bench.request(&read("/16").accept(ContentFormat::TLV));
    let portfolios = tlv::object(&answer.content(ContentFormat::TLV).payload);
    assert_eq!(portfolios.keys().copied().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(portfolios[&0].texts(0).len(), 4);
    assert_eq!(portfolios[&1].texts(0), [(0, "one"), (1, "two")]);
}

pub(crate) fn ets_1635_delete_portfolio() {
    let mut bench = c12().registered();
    let two = identity(&[(0, "one"), (1, "two")]);
    bench.request(&create("/16").tlv(two)).expect(Code::CREATED);
    bench.expect_update();
    step("Discover /16");
    links(&mut bench, "/16").expect(&["/16/0", "/16/1"]);
    for path in ["/16/0", "/16/1"] {
        step(&format!("DELETE {path}"));
        bench.request(&delete(path)).expect(Code::DELETED);
        bench.expect_update();
    }
    step("Discover /16: the Object alone");
    assert_eq!(links(&mut bench, "/16").targets(), ["/16"]);
}
