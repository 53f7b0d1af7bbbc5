//! The checks find faults: a run with one fails, and says why.

use super::{
    plan::{Fault, Plan},
    world::World,
};
use crate::seeds;

/// A run with this fault fails with these words.
fn assert_found(fault: Fault, words: &str) {
    assert_found_where(false, fault, words);
}

/// The same, where the last server is hostile or isn't.
fn assert_found_where(hostile: bool, fault: Fault, words: &str) {
    seeds::assert_found(0..200, fault, words, |seed| {
        let plan = Plan {
            fault,
            hostile,
            ..Plan::new(seed)
        };
        World::new(plan).run();
    });
}

#[test]
fn an_operation_that_runs_twice_is_found() {
    assert_found(Fault::Repeats, "took effect twice");
}

#[test]
fn a_success_without_effect_is_found() {
    assert_found(Fault::Boasts, "never took effect");
}

#[test]
fn a_refusal_with_an_effect_is_found() {
    assert_found(Fault::Denies, "left a trace");
}

#[test]
fn a_change_that_nobody_made_is_found() {
    assert_found(Fault::Scribbles, "but there should be");
}

#[test]
fn an_old_value_is_found() {
    assert_found(Fault::Deaf, "isn't up to date");
}

#[test]
fn values_that_go_back_are_found() {
    assert_found(Fault::Shuffles, " after ");
}

#[test]
fn a_stored_value_that_is_not_heard_is_found() {
    assert_found(Fault::Misses, "has not heard");
}

#[test]
fn a_maximum_period_that_is_not_kept_is_found() {
    assert_found(Fault::Dozes, "for longer than its Maximum Period");
}

#[test]
fn a_word_while_offline_is_found() {
    assert_found(Fault::Chatters, "while it is offline");
}

#[test]
fn a_notification_without_the_right_is_found() {
    assert_found(Fault::Leaks, "without the right to read it");
}

#[test]
fn an_answer_without_a_registration_is_found() {
    assert_found(Fault::Blurts, "to a server without a registration");
}

#[test]
fn a_deadline_in_the_past_is_found() {
    assert_found(Fault::Restless, "livelock");
}

#[test]
fn a_torn_write_with_an_effect_is_found() {
    assert_found_where(true, Fault::Mends, "a torn Write took effect");
}

#[test]
fn a_body_that_is_not_forgotten_is_found() {
    assert_found_where(true, Fault::Nags, "is still being received");
}

#[test]
fn a_registration_that_outlives_its_lifetime_is_found() {
    assert_found_where(true, Fault::Renews, "registered after the lifetime");
}
