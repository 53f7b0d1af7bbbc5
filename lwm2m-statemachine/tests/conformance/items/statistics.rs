//! Connectivity Statistics: tests 901 to 935.

use lwm2m_core::Code;
use lwm2m_objects::{CONNECTIVITY_STATISTICS, Store};

use crate::{
    bench::step,
    configurations::{c1, c9},
    items::{
        connectivity::{
            create_where_none_is, create_where_one_is, delete_of_the_clients, delete_the_one,
        },
        operations::links,
    },
    message::replace,
    tlv::integer,
};

pub(crate) fn ets_905_collection_period() {
    let mut bench = c9().registered();
    step("GET /7/0");
    assert_eq!(bench.values("/7/0").integer(8), 0);
    step("PUT /7/0/8");
    bench
        .request(&replace("/7/0/8").text("120"))
        .expect(Code::CHANGED);
    step("GET /7/0");
    assert_eq!(bench.values("/7/0").integer(8), 120);
}

pub(crate) fn ets_920_multiple_resource_instances() {
    step("the Object has no multiple Resource: no link has a dimension");
    let mut bench = c9().registered();
    let found = links(&mut bench, "/7/0");
    for target in found.targets() {
        assert_eq!(found.attributes(target), "", "of {target}");
    }
    let mut resources = CONNECTIVITY_STATISTICS.resources.iter();
    assert!(resources.all(|resource| !resource.is_multiple()));
}

pub(crate) fn ets_930_create() {
    create_where_one_is(&mut c9().registered(), "/7", &integer(8, 60));
    let empty = Store::new(&CONNECTIVITY_STATISTICS).managed(1);
    let mut bench = c1().with(empty).registered();
    let values = create_where_none_is(&mut bench, "/7", &integer(8, 60));
    assert_eq!(values.integer(8), 60);
}

pub(crate) fn ets_935_delete() {
    delete_of_the_clients(&mut c9().registered(), "/7");
    let empty = Store::new(&CONNECTIVITY_STATISTICS).managed(1);
    let mut bench = c1().with(empty).registered();
    create_where_none_is(&mut bench, "/7", &integer(8, 60));
    delete_the_one(&mut bench, "/7");
}
