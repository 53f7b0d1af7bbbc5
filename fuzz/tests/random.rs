//! Runs the targets whose input is a program on random programs, without a fuzzer: much faster than
//! with one, and blind. `RANDOM_PROGRAMS` is how many each of them gets (500 by default).

use lwm2m_fuzz::{LONGEST_LONG_PROGRAM, TARGETS};

const PROGRAMS: [&str; 5] = [
    "bootstrap",
    "bootstrap_server",
    "client",
    "client_server",
    "coap_endpoint",
];

/// The next number of a sequence (xorshift64).
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn every_target_holds_on_random_programs() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse().expect(name))
    };
    let count: u64 = number("RANDOM_PROGRAMS").unwrap_or(500);
    let first: u64 = number("RANDOM_SEED").unwrap_or(1);
    for (name, check) in TARGETS.iter().filter(|(name, _)| PROGRAMS.contains(name)) {
        for seed in first..first + count {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let length = 4 + next(&mut state) as usize % (LONGEST_LONG_PROGRAM - 3);
            let program: Vec<u8> = (0..length)
                .map(|_| (next(&mut state) >> 32) as u8)
                .collect();
            let held = std::panic::catch_unwind(|| check(&program));
            assert!(held.is_ok(), "{name} on seed {seed}: {program:02x?}");
        }
    }
}
