//! The checks find faults: a hub with a faulty machine fails.

use super::{
    faulty::Fault,
    world::{Plan, World},
};
use crate::seeds;

/// A run with this fault fails with these words.
fn assert_found(fault: Fault, words: &str) {
    seeds::assert_found(0..300, fault, words, |seed| {
        let plan = Plan {
            fault,
            unrest: 0.0,
            ..Plan::new(seed)
        };
        World::new(plan).run();
    });
}

#[test]
fn a_request_that_is_delivered_twice_is_found() {
    assert_found(Fault::Forgets, "was delivered twice");
}

#[test]
fn a_torn_body_is_found() {
    assert_found(Fault::Corrupts, "a torn body");
}

#[test]
fn the_answer_to_another_request_is_found() {
    assert_found(Fault::Misreads, "the answer to another request");
}

#[test]
fn a_success_without_effect_is_found() {
    assert_found(Fault::Boasts, "success without effect");
}

#[test]
fn a_request_without_an_outcome_is_found() {
    assert_found(Fault::Silent, "Usage");
}

#[test]
fn a_second_outcome_is_found() {
    assert_found(Fault::Repeats, "has a second outcome");
}

#[test]
fn an_old_value_is_found() {
    assert_found(Fault::Deaf, "acknowledged");
}

#[test]
fn notifications_in_the_wrong_order_are_found() {
    assert_found(Fault::Shuffles, " after ");
}

#[test]
fn a_short_message_that_is_sent_again_is_found() {
    assert_found(Fault::Stutters, "sent again over SMS");
}

#[test]
fn what_is_never_forgotten_is_found() {
    assert_found(Fault::Timeless, "not idle");
}

#[test]
fn a_deadline_in_the_past_is_found() {
    assert_found(Fault::Restless, "livelock");
}

#[test]
fn a_run_that_depends_on_more_than_its_seed_is_found() {
    let differs = (0..20).any(|seed| {
        let plan = Plan {
            fault: Fault::Moody,
            ..Plan::new(seed)
        };
        let run = || World::new(plan.clone()).run().0.digest;
        run() != run()
    });
    assert!(differs);
}
