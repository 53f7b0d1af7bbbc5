//! Two hundred devices that sleep, and a server that asks them for something at any time (TS 8.3).
//!
//! Four of five devices have a Client ([`meter`]): it powers down when the Client says that it may, hears nothing, and
//! powers up at the moment that the Client has told, or when a measurement or a short message wakes the Client. Some of
//! them close their socket meanwhile, and some store what they measure until they wake for another reason. The fifth
//! one ([`scripted`]) does what a Client doesn't. Devices reboot with and without their state, get another address, or leave
//! Queue Mode for a while, or move from one transport to the other. The network loses up to half of all datagrams. A
//! third of the devices are woken by short messages when something waits for them, or are asked by one; these take
//! seconds to minutes, and are lost as often. One of ten has nothing but SMS at first, and half of these sleep. One of
//! eight has a server that disables itself.
//!
//! What holds for every seed:
//!
//! - Every operation has one outcome, by its deadline.
//! - Nothing is sent to a client in Queue Mode for the first time later than its awake time after the last
//!   datagram from it.
//! - If nothing is lost, nothing reaches a device that is asleep, and no registration fails. It outlasts a restart with a
//!   snapshot, and with it what is stored.
//! - Nothing leaves a device whose radio is off, and until the moment that the Client has told nothing is due.
//! - No Execute, Create, or Write by POST runs twice within one incarnation of a device.
//! - What a Client has stored is heard by the server, unless its registration ends, as by a reboot without a snapshot, or
//!   there was no time for it yet. Nothing is dropped within the bound, but with an observation of which the server has
//!   acknowledged nothing three times, although it has answered an Update each time.
//! - The server wakes a client by SMS only while it is asleep, once in a sleep, and not more often than it was
//!   asked for something.
//! - A device is silent as long as its server is disabled, and then registers. So it does after a restart.
//! - A client wakes and falls asleep in turns, as it is told and as it is asked for.
//! - In the end no state is left. Two runs are identical to the byte.
//!
//! What would break each of the first seven is planted, and found. Fifty seeds run by default; many more with
//! `SIMULATION_FACTOR=400 cargo test --release -p lwm2m-statemachine --test world -- --nocapture
//! sleepers::all`. `SIMULATION_SEED=1234 … sleepers::one` shows one of them.

mod device;
mod disabled;
mod meter;
mod modem;
mod platform;
mod reports;
mod scripted;
mod setup;
mod stored;
mod world;

use self::world::{Fault, Plan, World};
use crate::seeds;

const SEEDS: u64 = 50;

#[test]
fn all_that_must_hold_holds_for_all_seeds() {
    let count = SEEDS * seeds::factor();
    let summary = seeds::run(0..count, |seed| World::new(Plan::new(seed)).run().0);
    println!("{count} seeds, digest of all runs {:#018x}", summary.digest);
    for (what, count) in &summary.tally {
        println!("  {what:<56} {count:>9}");
    }
    // Each of these happens in one run of five, at least.
    for what in [
        "awake",
        "asleep",
        "answered",
        "content",
        "deadline passed, sent",
        "deadline passed, not sent",
        "cancelled, sent",
        "cancelled, not sent",
        "timeout",
        "client gone",
        "reboot",
        "reboot with a snapshot",
        "notification",
        "sent again after a wake",
        "went on after a Register",
        "woken by SMS",
        "short message answered",
        "short message not answered",
        "measured",
        "powered down",
        "stored and sent",
        "asked over SMS",
        "registered over SMS",
        "registered after Disable",
    ] {
        let happened = summary.tally.get(what).copied().unwrap_or_default();
        assert!(happened >= count / 5, "{what}: {happened}");
    }
}

#[test]
fn two_runs_of_a_seed_are_identical_to_the_byte() {
    seeds::assert_reproducible(0..2, |seed| World::new(Plan::small(seed)).run());
}

#[test]
fn what_would_break_an_invariant_is_found() {
    for (fault, words) in [
        (Fault::ServerWaitsTooLong, "after the awake time"),
        (
            Fault::DeviceSleepsTooEarly,
            "reaches a device that is asleep",
        ),
        (Fault::DeviceForgets, "runs twice"),
        (Fault::OutcomeIsLost, "has no outcome"),
        (Fault::WakingIsMissed, "woken twice in a sleep"),
        (Fault::DeviceOversleeps, "nothing is lost, but"),
        (Fault::ClockIsLost, "does not outlast a restart"),
        (Fault::RadioStaysOff, "the radio is off"),
        (Fault::NotificationIsLost, "and is lost"),
    ] {
        seeds::assert_found(0..10, fault, words, |seed| {
            World::new(Plan::small(seed).with(fault)).run();
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
