//! B.1.4 Information Reporting.

use lwm2m_core::{AccessRights, Code, ContentFormat};
use lwm2m_statemachine::coap::MessageType;

use crate::{
    bench::step,
    configurations::{c4, c14, c14_where},
    message::{discover, read, replace},
    tlv::{self, integer_value, multiple},
};

pub(crate) fn lwm2m_ir_001_c_m() {
    let mut bench = c4().registered();
    step("a Resource, an Object Instance and an Object: each a token of its own");
    let resource = bench.observe("/3/0/9");
    let instance = bench.observe("/3/0");
    let object = bench.observe("/3");
    assert_eq!(resource.first.values().integer(9), 100);
    assert_eq!(instance.first.values().integer(9), 100);
    assert_eq!(tlv::object(&object.first.payload)[&0].integer(9), 100);
    step("the same Resource again, with another token");
    let again = bench.observe("/3/0/9");
    bench.pass(1);
    bench.set("/3/0/9", 99);
    for observation in [&resource, &instance, &object, &again] {
        bench.expect_notified(observation, (bench.now, 0));
    }
    step("the format is the one that was asked for");
    let json = bench.request(&read("/3/0/9").observe(0).accept(ContentFormat::JSON));
    assert!(json.observe.is_some());
    assert_eq!(json.into_json()["e"][0]["v"], 99);
    step("what can't be read can't be observed");
    for (path, code) in [
        ("/3/0/4", Code::METHOD_NOT_ALLOWED),
        ("/3/0/10", Code::NOT_FOUND),
        ("/9", Code::NOT_FOUND),
    ] {
        let answer = bench.request(&read(path).observe(0)).expect(code);
        assert_eq!(answer.observe, None);
    }
    step("without the right to read: 4.01");
    let mut bench = c14().registered();
    bench
        .server(2)
        .request(&read("/1/0/1").observe(0))
        .expect(Code::UNAUTHORIZED);
}

pub(crate) fn lwm2m_ir_002_c_m() {
    step("non-confirmable or confirmable, as it is configured");
    for (setup, kind) in [
        (c4(), MessageType::NonConfirmable),
        (c4().confirmable(), MessageType::Confirmable),
    ] {
        let mut bench = setup.registered();
        let observation = bench.observe("/3/0/9");
        let mut number = observation.first.observe.expect("a number");
        for level in [99, 98, 97] {
            bench.pass(1);
            bench.set("/3/0/9", level);
            let all = bench.notifications(&observation);
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].kind, kind);
            assert_eq!(all[0].answer.values().integer(9), level);
            let next = all[0].answer.observe.expect("a number");
            assert!(next > number, "Observe grows: {number}, {next}");
            number = next;
        }
    }
    step("the same value again is no change");
    let mut bench = c4().registered();
    bench.observe("/3/0/9");
    bench.set("/3/0/9", 100);
    bench.pass(60);
    bench.expect_quiet();

    step("the right to read is taken away: no notification, and the observation stays");
    let mut bench = c14_where(2, AccessRights::READ).registered();
    let observation = bench.server(2).observe("/3/0/3");
    let rights = |rights: i64| multiple(2, [(2, integer_value(rights))]);
    let device = "/2/2";
    let none = replace(&format!("{device}/2")).tlv(rights_of_both(0));
    bench.server(1).request(&none).expect(Code::CHANGED);
    bench.pass(1);
    bench.set("/3/0/3", "1.1");
    bench.pass(60);
    bench.expect_quiet();
    step("it is given back: the observation goes on");
    let read_again = crate::message::update(device).tlv(rights(1));
    bench.server(1).request(&read_again).expect(Code::CHANGED);
    bench.pass(60);
    bench.notifications(&observation);
    bench.set("/3/0/3", "1.2");
    let answer = bench.expect_notified(&observation, (bench.now, 0));
    assert_eq!(answer.values().text(3), "1.2");
}

/// The first server's own rights, and these of the second.
fn rights_of_both(second: i64) -> Vec<u8> {
    multiple(2, [(1, integer_value(15)), (2, integer_value(second))])
}

pub(crate) fn lwm2m_ir_003_c_m() {
    let mut bench = c4().registered();
    step("Observe 1 with the token of one of two on the same path ends that one");
    let first = bench.observe("/3/0/9");
    let second = bench.observe("/3/0/9");
    let answer = bench.cancel(&first);
    assert_eq!(
        answer.values().integer(9),
        100,
        "the answer is that of a Read"
    );
    bench.pass(1);
    bench.set("/3/0/9", 99);
    assert!(bench.notifications(&first).is_empty());
    assert_eq!(bench.notifications(&second).len(), 1);
    step("a Reset for a notification ends its observation");
    bench.reject(&second);
    bench.pass(1);
    bench.set("/3/0/9", 98);
    assert_eq!(bench.notifications(&second).len(), 1);
    bench.pass(1);
    bench.set("/3/0/9", 97);
    bench.pass(400);
    bench.expect_quiet();
    step("what is observed can still be discovered and read");
    bench.request(&discover("/3/0/9")).expect(Code::CONTENT);
    step("the observation of one server ends, that of another goes on");
    let mut bench = c14_where(2, AccessRights::READ).registered();
    let of_first = bench.server(1).observe("/3/0/3");
    let of_second = bench.server(2).observe("/3/0/3");
    bench.server(1).cancel(&of_first);
    bench.pass(1);
    bench.set("/3/0/3", "1.1");
    assert!(bench.notifications(&of_first).is_empty());
    assert_eq!(bench.notifications(&of_second).len(), 1);
}
