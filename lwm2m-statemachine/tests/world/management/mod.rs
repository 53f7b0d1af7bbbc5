//! A client and a server on a network that loses, repeats, delays and reorders.
//!
//! For every seed, each registration and each operation has exactly one outcome. An Execute or a
//! Write takes effect at most once, and exactly once if success was reported. An observation ends
//! once, and is silent from then on. In the end no state is left, and two runs are identical to the
//! byte.
//!
//! A few hundred seeds run by default; many more with
//! `SIMULATION_FACTOR=100 cargo test --release -p lwm2m-statemachine --test world management`.

mod sides;
mod world;

use core::time::Duration;

use lwm2m_simulation::Link;

use self::world::{Plan, World};

/// 30 % of all datagrams are lost; others are duplicated, late or out of order.
fn rough() -> Link {
    Link::new(Duration::from_millis(30))
        .jittering(Duration::from_millis(400))
        .losing(0.3)
        .duplicating(0.15)
        .reordering(0.1, Duration::from_secs(20))
}

/// Delays so long that retransmissions, answers and late copies meet in every order.
fn slow() -> Link {
    Link::new(Duration::from_millis(500))
        .jittering(Duration::from_secs(6))
        .losing(0.1)
        .duplicating(0.3)
        .reordering(0.2, Duration::from_secs(90))
}

/// Runs `count` seeds from `first` on, times the number in `SIMULATION_FACTOR`.
fn check_seeds(first: u64, count: u64, plan: &Plan) {
    let factor = std::env::var("SIMULATION_FACTOR").map_or(1, |text| text.parse().unwrap());
    let count = count * factor;
    let mut successes = 0;
    for seed in first..first + count {
        let mut world = World::new(seed, plan);
        world.run();
        successes += world.finish();
    }
    // Outcomes prove little if all are failures.
    let operations = usize::try_from(count).unwrap() * plan.operations;
    assert!(successes > operations / 4, "{successes} successes");
}

#[test]
fn every_operation_has_one_outcome_under_loss_duplication_and_reordering() {
    let plan = Plan::new(rough());
    check_seeds(0, 300, &plan);
}

#[test]
fn every_operation_has_one_outcome_under_long_delays() {
    let plan = Plan::new(slow());
    check_seeds(1_000_000, 200, &plan);
}

#[test]
fn registrations_are_kept_up_refreshed_and_expire_under_loss() {
    let mut plan = Plan::new(rough());
    plan.lifetime = 60;
    plan.pause = Duration::from_secs(60);
    check_seeds(2_000_000, 100, &plan);
}

#[test]
fn a_client_that_reboots_and_moves_leaves_no_operation_without_outcome() {
    let mut plan = Plan::new(rough());
    plan.reboots = 0.2;
    plan.moves = 0.2;
    check_seeds(3_000_000, 100, &plan);
}

#[test]
fn a_server_that_forgets_everything_is_registered_with_again() {
    let mut plan = Plan::new(rough());
    plan.lifetime = 300;
    plan.server_reboots = 0.15;
    check_seeds(7_000_000, 100, &plan);
}

#[test]
fn partitions_and_late_or_needless_wakeups_change_nothing() {
    let mut plan = Plan::new(rough());
    plan.partitions = 0.3;
    plan.lateness = Duration::from_millis(700);
    check_seeds(4_000_000, 100, &plan);
}

#[test]
fn bodies_in_blocks_change_nothing() {
    let mut plan = Plan::new(rough());
    plan.block_size = 16;
    plan.lifetime = 300;
    check_seeds(8_000_000, 100, &plan);
}

#[test]
fn requests_that_the_application_answers_later_have_one_outcome() {
    let mut plan = Plan::new(rough());
    plan.pause = Duration::from_secs(20);
    plan.lifetime = 300;
    plan.defers = true;
    check_seeds(9_000_000, 100, &plan);
    plan.moves = 0.1;
    plan.reboots = 0.1;
    plan.block_size = 16;
    check_seeds(9_500_000, 100, &plan);
}

#[test]
fn without_faults_everything_succeeds() {
    let mut plan = Plan::new(Link::default());
    plan.pause = Duration::from_millis(500);
    for block_size in [16, 1024] {
        plan.block_size = block_size;
        for seed in 5_000..5_020 {
            let mut world = World::new(seed, &plan);
            world.run();
            let issued = world.issued();
            assert_eq!((world.finish(), issued), (plan.operations, plan.operations));
        }
    }
}

#[test]
fn two_runs_of_a_seed_are_identical_to_the_byte() {
    let mut plan = Plan::new(rough());
    plan.reboots = 0.2;
    for seed in 6_000..6_030 {
        let run = |seed| {
            let mut world = World::new(seed, &plan);
            world.run();
            world.finish();
            world.history()
        };
        let (first, second, other) = (run(seed), run(seed), run(seed + 1));
        assert!(first == second, "seed {seed} runs in two ways");
        assert!(first != other, "seeds {seed} and {} are one", seed + 1);
    }
}
