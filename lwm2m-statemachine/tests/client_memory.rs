//! What a registered Client without work holds, and what each observation adds, in bytes of heap. One
//! test, because the counter is global.

#[path = "client/support.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "this needs less of the Client than its other tests"
)]
mod support;

use core::time::Duration;

use lwm2m_core::Method;
use lwm2m_kit::heap::held;
use lwm2m_objects::typed;
use lwm2m_statemachine::{Client, ClientConfig, coap::MessageBuf};

use support::{Bench, server_id, tree};

lwm2m_kit::count_allocations!();

/// Longer than any exchange is remembered (EXCHANGE_LIFETIME).
const LATER: Duration = Duration::from_secs(300);

/// Nothing happens until what exchanges have left is forgotten.
fn rest(bench: &mut Bench) {
    bench.events();
    bench.now += LATER;
    bench.client.handle_timeout(bench.now);
    while bench.client.poll_transmit().is_some() {}
    bench.events();
}

/// Observes a Resource, or cancels the observation, once for each token.
fn observe(bench: &mut Bench, observe: u32, count: u16) {
    for token in 0..count {
        let mut request = MessageBuf::request(Method::Get);
        request.observe(observe).unwrap();
        for segment in ["3", "0", "9"] {
            request.uri_path(segment).unwrap();
        }
        // So that no more requests are remembered than there may be.
        bench.now += Duration::from_secs(1);
        let answer = bench.request(&token.to_be_bytes(), request);
        assert_eq!(answer.message().observe().is_some(), observe == 0);
        bench.events();
    }
    rest(bench);
}

#[test]
fn a_client_holds_little_and_little_for_each_observation() {
    let mut config = ClientConfig::new("memory", [7; 32]);
    config.most_observations = 2_000;
    // The values of the Objects are not counted.
    let tree = tree(typed::Server::new(server_id(101), 1_000_000));
    let before = held();
    let mut bench = Bench::with_tree(config, tree);
    bench.accept_register();
    rest(&mut bench);
    let idle = held() - before;
    let in_place = size_of::<Client>();
    println!("{idle} bytes of heap and {in_place} in place, without observations");
    assert!(idle <= 6_000 && in_place <= 6_000, "{idle}, {in_place}");

    // The thread of the test harness may still be starting, and allocate meanwhile: the first round isn't
    // measured.
    observe(&mut bench, 0, 100);
    observe(&mut bench, 1, 100);
    for count in [100, 1_000, 2_000] {
        let before = held();
        observe(&mut bench, 0, count);
        let each = (held() - before) / usize::from(count);
        observe(&mut bench, 1, count);
        let left = held().saturating_sub(before);
        println!("{each} bytes for each of {count} observations, {left} for all afterwards");
        assert!(each <= 640, "{each} bytes for each of {count}");
        // Small containers are kept.
        assert!(left <= 4_000, "{left} bytes after {count}");
    }
}
