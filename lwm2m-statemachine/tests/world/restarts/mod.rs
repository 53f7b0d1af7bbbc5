//! A server that crashes at the worst moments and goes on from its records, and its clients, half of them in Queue
//! Mode.
//!
//! For every seed: no client registers anew, whatever was stored of its registration lasts, each operation that the
//! application has stored has one outcome, no Execute runs twice, and each observation goes on.
//!
//! Many seeds run with `SIMULATION_FACTOR=250 cargo test --release -p lwm2m-statemachine --features serde --test
//! world restarts`.

mod device;
mod platform;
mod world;

use lwm2m_simulation::Network;
use lwm2m_statemachine::server::{Holding, RecordKeeping};

use self::world::{Outcome, World};
use crate::seeds;

const SEEDS: u64 = 20;

fn run(seed: u64) -> (Outcome, Network) {
    run_with(seed, RecordKeeping::Durable(Holding::default()))
}

fn run_with(seed: u64, keeping: RecordKeeping) -> (Outcome, Network) {
    let mut world = World::new(seed, keeping);
    world.run();
    world.finish()
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_a_crash_of_the_server() {
    let all = seeds::run(0..SEEDS * seeds::factor(), |seed| run(seed).0);
    println!("{all:?}");
    assert!(all.crashes.iter().all(|crashes| *crashes > 0));
    // Outcomes prove little if all are failures.
    assert!(all.successes > all.operations / 4);
    assert!(all.restarted > 0 && all.notifications > 0);
}

/// What holds can fail.
#[test]
fn a_server_that_waits_for_nothing_forgets_what_it_has_sent() {
    let keeping = RecordKeeping::Announced;
    seeds::assert_found(0..20, keeping, "nobody knows of", |seed| {
        run_with(seed, keeping);
    });
}

#[test]
fn two_runs_are_identical() {
    seeds::assert_reproducible(0..2, run);
}
