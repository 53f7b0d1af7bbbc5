//! What a server holds of a registration, in bytes of heap. One test, because the counter is that
//! of the whole process.

mod server_common;

use std::alloc::System;

use lwm2m_core::Code;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use server_common::{LINKS, Request, World};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The bounds of the configuration, in bytes, which are the default ones.
const UNKNOWN_PARAMETERS: usize = 512;
const ALTERNATE_PATH: usize = 255;

fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// What a registration with these queries beside those of a plain one, or with this payload, takes
/// more than a plain one; `None` if it is refused.
fn more_than_plain(queries: &[&str], payload: &str) -> Option<usize> {
    let queries = [&["ep=device", "lt=60", "lwm2m=1.0"], queries].concat();
    let mut world = World::new();
    world.register();
    let plain = held();
    let request = Request {
        queries: &queries,
        payload: payload.as_bytes(),
        ..Request::default()
    };
    let code = world.request(&request).code();
    world.events();
    (code == Code::CREATED).then(|| held().saturating_sub(plain))
}

fn unknown_parameters_take_what_the_bound_says() {
    for (parameter, most) in [("", 512), ("a", 256), ("a=1", 128), ("site=north", 46)] {
        let queries = vec![parameter; most];
        let more = more_than_plain(&queries, LINKS).expect("as many as the bound allows");
        assert!(
            more <= 2 * UNKNOWN_PARAMETERS,
            "{most} times {parameter:?}: {more} bytes"
        );
        let queries = vec![parameter; most + 1];
        assert_eq!(more_than_plain(&queries, LINKS), None, "{parameter:?}");
    }
    // All that fits the largest datagram.
    assert_eq!(more_than_plain(&vec![""; 60_000], LINKS), None);
}

fn an_alternate_path_takes_what_the_bound_says() {
    // Few segments, and many.
    for segments in ["x".repeat(254), "x/".repeat(127), "%20".repeat(84)] {
        let path = format!("/{}", segments.trim_end_matches('/'));
        let register = |path: &str| {
            let payload = format!(r#"<{path}>;rt="oma.lwm2m",<{path}/1/0>,<{path}/3/0>"#);
            more_than_plain(&[], &payload)
        };
        let more = register(&path).expect("as long as the bound allows");
        assert!(more <= 2 * ALTERNATE_PATH, "{path}: {more} bytes");
        assert_eq!(register(&format!("{path}/yyy")), None);
    }
}

#[test]
fn what_a_client_says_is_held_within_the_bounds() {
    unknown_parameters_take_what_the_bound_says();
    an_alternate_path_takes_what_the_bound_says();
}
