//! What a server holds of a registration, in bytes of heap. One test, because the counter is that
//! of the whole process.

mod server_common;

use std::alloc::System;

use lwm2m_core::Code;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use server_common::{Request, World};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The bounds of the configuration, in bytes, which are the default ones.
const UNKNOWN_PARAMETERS: usize = 512;

fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// What a registration with these queries beside those of a plain one takes more than that.
fn more_than_plain(queries: &[&str]) -> Option<usize> {
    let queries = [&["ep=device", "lt=60", "lwm2m=1.0"], queries].concat();
    let mut world = World::new();
    world.register();
    let plain = held();
    let request = Request {
        queries: &queries,
        ..Request::default()
    };
    let code = world.request(&request).code();
    world.events();
    (code == Code::CREATED).then(|| held().saturating_sub(plain))
}

fn unknown_parameters_take_what_the_bound_says() {
    for (parameter, most) in [("", 512), ("a", 256), ("a=1", 128), ("site=north", 46)] {
        let queries = vec![parameter; most];
        let more = more_than_plain(&queries).expect("as many as the bound allows");
        assert!(
            more <= 2 * UNKNOWN_PARAMETERS,
            "{most} times {parameter:?}: {more} bytes"
        );
        let queries = vec![parameter; most + 1];
        assert_eq!(more_than_plain(&queries), None, "{parameter:?}");
    }
    // All that fits the largest datagram.
    assert_eq!(more_than_plain(&vec![""; 60_000]), None);
}

#[test]
fn what_a_client_says_is_held_within_the_bounds() {
    unknown_parameters_take_what_the_bound_says();
}
