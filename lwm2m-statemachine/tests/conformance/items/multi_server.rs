//! Several servers: tests 950 and 951.

use lwm2m_core::Method;

use crate::{
    bench::step,
    configurations::{ENDPOINT, c14},
    items::operations::links,
};

pub(crate) fn ets_950_multi_servers_registration() {
    let mut bench = c14().started();
    let mut lifetimes = Vec::new();
    for _ in 0..2 {
        step("the Client registers with the data of the account");
        let register = bench.expect_asked(Method::Post, "/rd");
        assert_eq!(register.query("ep").as_deref(), Some(ENDPOINT));
        assert_eq!(register.query("lwm2m").as_deref(), Some("1.0"));
        let binding = register.query("b").unwrap_or_else(|| "U".into());
        assert_eq!(binding, "U");
        let lifetime = register.query("lt").expect("a lifetime");
        let uri = bench.uri_of(&register);
        lifetimes.push((uri, lifetime));
        let objects = register.objects();
        objects.expect(&["/1/0", "/1/1", "/2/0", "/2/1", "/2/2", "/3/0"]);
        bench.accept_register(&register);
    }
    lifetimes.sort();
    let expected = [
        ("coaps://server1.example.com", "86400"),
        ("coaps://server2.example.com", "3600"),
    ];
    let expected = expected.map(|(uri, lifetime)| (uri.into(), lifetime.into()));
    assert_eq!(lifetimes, expected);
    step("both are served");
    for server in [1, 2] {
        assert_eq!(bench.server(server).text("/3/0/0"), "Open Mobile Alliance");
    }
}

pub(crate) fn ets_951_multi_servers_and_attributes() {
    let mut bench = c14().registered();
    step("1. server 1: Write-Attributes /3/0?pmin=2&pmax=10");
    bench.server(1).set_attributes("/3/0?pmin=2&pmax=10");
    step("2. server 2: Write-Attributes /3/0?pmin=15&pmax=50");
    bench.server(2).set_attributes("/3/0?pmin=15&pmax=50");
    for (server, expected) in [(1, "pmax=10;pmin=2"), (2, "pmax=50;pmin=15")] {
        step(&format!("server {server}: Discover /3/0"));
        let found = links(bench.server(server), "/3/0");
        assert_eq!(found.attributes("/3/0"), expected);
        let resources = [0, 1, 2, 3, 11, 16].map(|id| format!("/3/0/{id}"));
        found.expect(&resources.each_ref().map(|path| &**path));
    }
}
