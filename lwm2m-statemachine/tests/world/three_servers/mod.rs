//! A Client with three servers: two of them, or all, are ours; the last one may be hostile. Between
//! them is a network that loses up to half of all datagrams, repeats, delays and reorders.
//!
//! The Client reboots, moves, goes offline, sleeps, loses its connections, resumes sessions, leaves and
//! comes back; accounts go and come back; servers forget everything. Meanwhile servers use every
//! operation of the Device Management and Information Reporting interfaces, with and without the right
//! to it, and the application changes values, answers requests late or refuses them. The owners of Object
//! Instances decide who may read them. Servers write firmware in blocks, or have it fetched from a file
//! server.
//!
//! What holds for every seed:
//!
//! - No operation takes effect twice. What was reported as done was done; what was refused has left no
//!   trace; a Write of several values takes effect whole or not at all.
//! - The tree has the values that were committed and no others, over reboots too.
//! - Every operation has one outcome, every observation one end.
//! - The values of an observation go back only after they were fetched afresh (RFC 7959 §2.4), and its
//!   Observe numbers grow.
//! - What was stored offline is heard after the return: every value once, in order, and none is missing
//!   but as many as the Client says had to go.
//! - Once the network works, every observation that both sides believe in has the newest values
//!   within its own Maximum Period, again and again.
//! - Nobody is notified of what they may not read at that time, and notifications go on with the right.
//! - Only whole packages are verified. In the end one that is named is fetched.
//! - What a hostile server leaves unfinished takes no effect, and is forgotten; what it asks when the
//!   lifetime is over leaves nothing at all.
//! - Nothing is sent while offline, to a connection that is gone, or after the lifetime but a Register.
//!   Nobody without a registration is answered, and nobody gets what they have no right to.
//! - In the end no state is left but attributes of what is there, and no machine asks to be woken for
//!   nothing.
//! - Two runs are identical to the byte.
//!
//! `faults` plants what would break most of these, and finds it. Two thousand seeds run by default,
//! 50,000 with
//!
//! ```sh
//! SIMULATION_FACTOR=25 cargo test --release -p lwm2m-statemachine --test world -- \
//!     --nocapture three_servers::all_that
//! ```
//!
//! A failed seed is printed with its sequence chart. Any other is shown by `SIMULATION_SEED=1234
//! cargo test -p lwm2m-statemachine --test world -- --nocapture three_servers::one`.

mod adversary;
mod awaited;
mod book;
mod coverage;
mod device;
mod faults;
mod firmware;
mod objects;
mod periods;
mod plan;
mod platform;
mod rights;
mod torn;
mod world;

use std::time::Instant;

use self::{plan::Plan, world::World};
use crate::seeds;

const SEEDS: u64 = 2_000;

#[test]
fn all_that_must_hold_holds_for_all_seeds() {
    let factor = seeds::factor();
    let count = SEEDS * factor;
    let start = Instant::now();
    let summary = seeds::run(0..count, |seed| World::new(Plan::new(seed)).run().0);
    println!("seeds               {count:>12}");
    println!(
        "simulated hours     {:>12}",
        summary.simulated.as_secs() / 3600
    );
    println!(
        "wall time           {:>10.1} s",
        start.elapsed().as_secs_f64()
    );
    println!("datagrams           {:>12}", summary.datagrams);
    println!("  lost              {:>12}", summary.lost);
    println!("digest of all runs  {:#018x}", summary.digest);
    for (what, count) in &summary.tally {
        println!("  {what:<48} {count:>12}");
    }
    coverage::check(&summary.tally, factor);
}

#[test]
fn without_faults_everything_arrives() {
    for seed in 0..20 {
        let (summary, _) = World::new(Plan::calm(seed)).run();
        assert_eq!(summary.lost, 0);
        let failed = |what: &&String| what.ends_with("timeout") || what.contains("lost");
        let failed: Vec<&String> = summary.tally.keys().filter(failed).collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
}

#[test]
fn two_runs_of_a_seed_are_identical_to_the_byte() {
    seeds::assert_reproducible(0..20, |seed| World::new(Plan::new(seed)).run());
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
