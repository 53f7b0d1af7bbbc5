//! A Client with up to three servers, and the Bootstrap-Server that gives it their accounts. Between them is a
//! network that loses up to half of all datagrams, repeats, delays and reorders.
//!
//! The Bootstrap-Server is asked, or begins on its own. It sets accounts anew, adds one, takes one, changes
//! keys, replaces its own account, sends what isn't consistent and mends it, makes pauses, gives up, refuses.
//! Some accounts stay as they are, some change, some go, some come back. After each step of a bootstrap the
//! power may be cut, the connection lost, an answer lost, the line cut for a while, or either end gives up.
//! Meanwhile the application of the Client sets values, and servers observe.
//!
//! What holds for every seed:
//!
//! - Whatever happens, what is saved is the tree of before with what the application has set since; once the
//!   Finish is answered 2.04, it is exactly what the commands make of that, as a model of the specification
//!   has it. It is never anything between.
//! - Every bootstrap has one outcome at each end. If the Bootstrap-Server says that it is finished, the Client
//!   says so, too.
//! - No server hears a value or a list that is not in force.
//! - Where no datagram is lost, the registrations of accounts that stay do not end.
//! - Once the network works, the Client is registered at the servers that it has accounts of, with their keys,
//!   and at no other.
//! - No key is in an event, or in what a machine shows of itself.
//! - In the end the Bootstrap-Server keeps nothing. Two runs are identical to the byte.
//!
//! What would break these is planted, and found. Two thousand seeds run by default, 50,000 with
//!
//! ```sh
//! SIMULATION_FACTOR=25 cargo test --release -p lwm2m-statemachine --test world -- --nocapture bootstrap::all
//! ```
//!
//! `SIMULATION_SEED=1234 cargo test -p lwm2m-statemachine --test world -- --nocapture bootstrap::one` shows one
//! of them.

mod accounts;
mod book;
mod device;
mod model;
mod plan;
mod platform;
mod provisioner;
mod secure;
mod world;

use self::{
    plan::{Fault, Plan},
    world::World,
};
use crate::seeds;

const SEEDS: u64 = 2_000;

/// What must happen in so many seeds at least once in each twenty.
const DEEDS: &[&str] = &[
    "begun by the Client",
    "begun by the Bootstrap-Server",
    "finished at the Client",
    "failed at the Client",
    "finished at the Bootstrap-Server",
    "failed at the Bootstrap-Server",
    "not consistent",
    "account stays",
    "account changes",
    "account goes",
    "account comes",
    "power cut",
    "power cut in a bootstrap",
    "connection lost in a bootstrap",
    "answer lost",
    "line cut in a bootstrap",
    "given up by the Client",
    "given up by the Bootstrap-Server",
    "value set in a bootstrap",
    "value heard",
];

#[test]
fn all_that_must_hold_holds_for_all_seeds() {
    let count = SEEDS * seeds::factor();
    let summary = seeds::run(0..count, |seed| World::new(Plan::new(seed)).run().0);
    println!("{count} seeds, digest of all runs {:#018x}", summary.digest);
    for (what, count) in &summary.tally {
        println!("  {what:<64} {count:>9}");
    }
    for what in DEEDS {
        let happened = summary.tally.get(*what).copied().unwrap_or_default();
        assert!(happened >= count / 20, "{what}: {happened}");
    }
}

#[test]
fn two_runs_of_a_seed_are_identical_to_the_byte() {
    seeds::assert_reproducible(0..20, |seed| World::new(Plan::new(seed)).run());
}

#[test]
fn what_would_break_an_invariant_is_found() {
    for (fault, words) in [
        (Fault::Keeps, "is not what was before"),
        (Fault::Forgets, "is not what was before"),
        (Fault::Mixes, "is not what was finished"),
        (Fault::Repeats, "a second outcome"),
        (Fault::Drops, "ended without a reason"),
        (Fault::Shows, "a key is shown"),
        (Fault::Leaks, "is not in force"),
    ] {
        seeds::assert_found(0..400, fault, words, |seed| {
            let plan = Plan {
                fault,
                ..Plan::new(seed)
            };
            World::new(plan).run();
        });
    }
}

#[test]
fn one_seed_is_shown() {
    let Ok(seed) = std::env::var("SIMULATION_SEED") else {
        return;
    };
    let plan = Plan::new(seed.parse().unwrap());
    println!("{plan:?}");
    let (summary, network) = World::new(plan).run();
    println!("{}{summary:#?}", network.chart());
}
