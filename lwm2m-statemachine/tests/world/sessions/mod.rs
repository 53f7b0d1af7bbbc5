//! A Client whose secure sessions come and go, and its server. Each session is a peer of its own to the
//! server, which knows the Client by the identity that the transport proves.
//!
//! The Client gets another session, resumed or new, and another address without knowing it, as behind a
//! NAT. The driver of the server closes the older of two sessions when the Client changes to the other, or
//! keeps old ones open for a while; and it throws out the one in use. The network loses, repeats and reorders, and sometimes a body takes several blocks.
//!
//! What holds for every seed:
//!
//! - No notification of an observation that the server believes in is rejected, wherever it comes from: a
//!   Reset would end it (RFC 7641 §3.6).
//! - Once the network works, every observation that both sides believe in has the newest value, and the
//!   values of one that fits into a message never go back.
//! - Every operation has one outcome, every observation one end. A call fails for want of a peer exactly
//!   if the peer is gone.
//! - After the next Update the Client is reached in its session.
//! - In the end no state is left. Two runs are identical to the byte.
//!
//! What would break the first two is planted, and found. Two thousand seeds run by default; many more with
//! `SIMULATION_FACTOR=50 cargo test --release -p lwm2m-statemachine --test world -- --nocapture
//! sessions::all`. `SIMULATION_SEED=1234 … sessions::one` shows one of them.

mod device;
mod platform;
mod world;

use self::{
    platform::Fault,
    world::{Plan, World},
};
use crate::seeds;

const SEEDS: u64 = 2_000;

#[test]
fn all_that_must_hold_holds_for_all_seeds() {
    let factor = seeds::factor();
    let count = SEEDS * factor;
    let summary = seeds::run(0..count, |seed| World::new(Plan::new(seed)).run().0);
    println!("{count} seeds, digest of all runs {:#018x}", summary.digest);
    for (what, count) in &summary.tally {
        println!("  {what:<56} {count:>9}");
    }
    // Each of these happens in one run of twenty, at least.
    for what in [
        "session resumed",
        "session new",
        "address changed unnoticed",
        "old session closed",
        "older session closed after an Update",
        "session in use closed",
        "Update from another peer",
        "reachable by a notification",
        "notification from where the client was registered",
        "notification from another session",
        "call refused: the peer is gone",
        "operation ended: the peer is gone",
        "operation answered",
        "observation both believe in at the end",
    ] {
        let happened = summary.tally.get(what).copied().unwrap_or_default();
        assert!(happened >= count / 20, "{what}: {happened}");
    }
}

#[test]
fn without_faults_every_observation_is_believed_in_by_both() {
    for seed in 0..50 {
        let (summary, _) = World::new(Plan::calm(seed)).run();
        let count = |what: &str| summary.tally.get(what).copied().unwrap_or_default();
        let (both, server) = (
            count("observation both believe in at the end"),
            count("observation the server believes in at the end"),
        );
        assert_eq!(both, server, "seed {seed}");
    }
}

#[test]
fn two_runs_of_a_seed_are_identical_to_the_byte() {
    seeds::assert_reproducible(0..20, |seed| World::new(Plan::new(seed)).run());
}

#[test]
fn what_would_break_an_invariant_is_found() {
    for (fault, words) in [
        (Fault::HidesIdentity, "is rejected"),
        (Fault::MissesOthers, "has not the newest value"),
        (Fault::SwapsNotifications, "goes back"),
    ] {
        seeds::assert_found(0..200, fault, words, |seed| {
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
    let (summary, network) = World::new(Plan::new(seed.parse().unwrap())).run();
    println!("{}{summary:#?}", network.chart());
}
