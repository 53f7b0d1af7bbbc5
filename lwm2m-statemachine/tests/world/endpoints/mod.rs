//! The CoAP layer on a network that loses, repeats, delays and reorders: a hub and its clients,
//! client and server at once, that do everything to each other that an endpoint can.
//!
//! What holds for every seed, with a loss of 0 to 50 %:
//!
//! - Each request has one outcome, and is given to the application once.
//! - Bodies arrive complete, and answer the right request.
//! - A client that has acknowledged a notification has it or a newer one.
//! - Over SMS nothing is retransmitted.
//! - In the end no state is left, and no machine asks to be woken for nothing.
//! - Two runs are identical to the byte.
//!
//! All of it is checked as it happens, within one incarnation of a machine.
//!
//! Two thousand seeds run by default. This runs a hundred thousand and prints what happened in
//! them:
//!
//! ```sh
//! SIMULATION_FACTOR=50 cargo test --release -p lwm2m-statemachine --test world -- \
//!     --nocapture all_seeds
//! ```
//!
//! A failed seed is printed with its sequence chart. Any other is shown by `SIMULATION_SEED=1234
//! cargo test -p lwm2m-statemachine --test world -- --nocapture endpoints::one`.

mod coverage;
mod faults;
mod faulty;
mod world;

use std::time::Instant;

use lwm2m_simulation::Link;

use self::world::{Outcome, Plan, World};
use crate::seeds::{self, Sum as _};

const SEEDS: u64 = 2_000;

#[test]
fn all_that_must_hold_holds_for_all_seeds() {
    let count = SEEDS * seeds::factor();
    let start = Instant::now();
    let outcome = seeds::run(0..count, |seed| World::new(Plan::new(seed)).run().0);
    println!("seeds               {count:>12}");
    println!(
        "simulated hours     {:>12}",
        outcome.simulated.as_secs() / 3600
    );
    println!(
        "wall time           {:>10.1} s",
        start.elapsed().as_secs_f64()
    );
    println!("datagrams           {:>12}", outcome.datagrams);
    println!("  lost              {:>12}", outcome.lost);
    println!("requests            {:>12}", outcome.requests);
    println!("digest of all runs  {:#018x}", outcome.digest);
    for (title, tally) in [
        ("outcomes of requests", &outcome.outcomes),
        ("outcomes of notifications", &outcome.notifications),
        ("what was done and came about", &outcome.tally),
    ] {
        println!("{title}:");
        for (what, count) in tally {
            println!("  {what:<36} {count:>12}");
        }
    }
    coverage::check(&outcome);
}

#[test]
fn without_faults_nearly_everything_succeeds() {
    let mut all = Outcome::default();
    for seed in 0..60 {
        let plan = Plan {
            link: Link::default(),
            tight: false,
            unrest: 0.0,
            ..Plan::new(seed)
        };
        all.add(&World::new(plan).run().0);
    }
    assert_eq!(all.lost, 0);
    // The rest is what the peers ignore, refuse, cancel or answer too late.
    let successes = all.outcomes["success"] + all.outcomes["pong"];
    assert!(successes > all.requests * 6 / 10, "{:?}", all.outcomes);
}

#[test]
fn two_runs_of_a_seed_are_identical_to_the_byte() {
    seeds::assert_reproducible(0..40, |seed| World::new(Plan::new(seed)).run());
}

#[test]
fn one_seed_is_shown() {
    let Ok(seed) = std::env::var("SIMULATION_SEED") else {
        return;
    };
    let plan = Plan::new(seed.parse().unwrap());
    println!("{plan:?}");
    let (outcome, network) = World::new(plan).run();
    println!("{}{outcome:#?}", network.chart());
}
