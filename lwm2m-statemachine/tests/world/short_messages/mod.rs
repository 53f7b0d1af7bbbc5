//! A Client that is reached over UDP and over SMS, and its server, which changes the binding back and forth
//! while operations run (TS 5.3.1.1, 8.4, 8.6.2).
//!
//! Short messages have 140 bytes, take seconds to minutes, overtake each other, come twice, or are lost. Now and
//! then the device can't make a connection.
//!
//! What holds for every seed:
//!
//! - Every operation has exactly one outcome.
//! - No Write is run twice, whichever transports its copies come by.
//! - The registration ends only with a new session, or when the server says that it doesn't know it. Its lifetime
//!   is never over on either side.
//! - Every message over SMS fits into 140 bytes.
//! - Once the network works, the Client is registered over the transport that its binding says, and is reached
//!   there.

mod device;
mod platform;
mod world;

use self::world::{Plan, World};
use crate::seeds;

const SEEDS: u64 = 400;

#[test]
fn all_that_must_hold_holds_for_all_seeds() {
    let count = SEEDS * seeds::factor();
    let summary = seeds::run(0..count, |seed| World::new(Plan::new(seed)).run().0);
    for (what, count) in &summary.tally {
        println!("  {what:<56} {count:>9}");
    }
    for what in [
        "binding told",
        "binding written",
        "connection not made",
        "connection over SMS",
        "connection over UDP",
        "no SMS in the binding",
        "not answered",
        "notification",
        "operation answered",
        "operation not answered",
        "registered anew",
        "short message that the client didn't wait for",
    ] {
        let happened = summary.tally.get(what).copied().unwrap_or_default();
        assert!(happened >= count / 20, "{what}: {happened}");
    }
}

#[test]
fn two_runs_of_a_seed_are_identical_to_the_byte() {
    seeds::assert_reproducible(0..10, |seed| World::new(Plan::new(seed)).run());
}

#[test]
fn one_seed_is_shown() {
    let Ok(seed) = std::env::var("SIMULATION_SEED") else {
        return;
    };
    let (summary, network) = World::new(Plan::new(seed.parse().unwrap())).run();
    println!("{}{summary:#?}", network.chart());
}
