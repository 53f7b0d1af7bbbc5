//! What is notified, when and with which values, for random cases and by a plain model: three
//! servers with random default periods observe, cancel, write attributes at all levels and values,
//! while the application sets values and rights, and links go and come back.
//!
//! The model ([`rules`], [`world`]) has the rules of the specification and no cleverness: after each
//! event it looks at everything that has happened. The Client must send exactly what it says, to the
//! millisecond. 10,000 cases run by default, and ten times as many with
//! `SIMULATION_FACTOR=10 cargo test --release -p lwm2m-statemachine --test client reporting_model`.
//! A case that fails is made as small as it gets and shown as a chart;
//! `SIMULATION_SEED=1234 … reporting_model::one` shows that of one seed.

mod chart;
mod device;
mod rules;
mod script;
mod world;

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use self::{
    rules::{History, Kind, Message},
    script::{Plan, Script},
};

/// What a case is sorted by: what happens at one moment to one server and token is in order.
fn order(message: &Message) -> (u64, usize, usize, Option<u8>) {
    let token = match message.kind {
        Kind::Answer { .. } => None,
        Kind::Notification { token, .. } => Some(token),
    };
    (message.at, message.events, message.server, token)
}

/// Whether the Client sends what the model says.
fn agree(expected: &[Message], came: &[Message]) -> bool {
    let mut expected: Vec<&Message> = expected.iter().collect();
    expected.sort_by_key(|message| order(message));
    let mut came: Vec<(usize, &Message)> = came.iter().enumerate().collect();
    came.sort_by_key(|(_, message)| order(message));
    let mut pairs = expected.iter().zip(&came);
    if expected.len() != came.len() || !pairs.all(|(expected, (_, came))| came.is(expected)) {
        return false;
    }
    // What was stored for a server comes oldest first.
    let mut arrived: Vec<(usize, &Message)> =
        came.iter().map(|(at, _)| *at).zip(expected).collect();
    arrived.sort_by_key(|(at, _)| *at);
    let mut last = [(0, 0); script::SERVERS];
    arrived.iter().all(|(_, message)| {
        let due = match message.kind {
            Kind::Answer { .. } => (message.events, message.at),
            Kind::Notification { due, .. } => (message.events, due),
        };
        let ordered = last[message.server] <= due;
        last[message.server] = due;
        ordered
    })
}

/// What is wrong with a case, if something is.
fn fault(script: &Script) -> Option<String> {
    let history = History::new(script);
    fault_of(script, &history, &history.messages())
}

fn fault_of(script: &Script, history: &History, expected: &[Message]) -> Option<String> {
    let run = || device::run(script, &history.events, history.end);
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(came) if agree(expected, &came) => None,
        Ok(came) => Some(chart::chart(script, history, expected, &came)),
        Err(_) => Some(format!(
            "{}the Client or the test panics",
            chart::chart(script, history, expected, expected)
        )),
    }
}

/// The smallest script with a fault that is found by leaving out steps.
fn smallest(mut script: Script) -> Script {
    let mut size = script.steps.len();
    while size > 0 {
        let mut at = 0;
        while at < script.steps.len() {
            let mut smaller = script.clone();
            let end = (at + size).min(smaller.steps.len());
            let left_out: u64 = smaller.steps.drain(at..end).map(|step| step.after).sum();
            // What is left stays at its time, or else comes earlier.
            let mut later = smaller.clone();
            if let Some(next) = later.steps.get_mut(at) {
                next.after += left_out;
            }
            match [smaller, later]
                .into_iter()
                .find(|script| fault(script).is_some())
            {
                Some(smaller) => script = smaller,
                None => at += size,
            }
        }
        size /= 2;
    }
    for server in 0..script::SERVERS {
        let mut plain = script.clone();
        plain.periods[server] = (None, None);
        plain.storing[server] = true;
        if fault(&plain).is_some() {
            script = plain;
        }
    }
    script
}

/// The first seeds of the plans.
const FIRST: [u64; 4] = [0, 10_000_000, 20_000_000, 30_000_000];

/// What a seed has in it besides values, observations and attributes.
const fn plan(seed: u64) -> Plan {
    Plan {
        rights: (FIRST[1] <= seed && seed < FIRST[2]) || FIRST[3] <= seed,
        offline: FIRST[2] <= seed,
    }
}

/// Checks a case. Returns how many notifications there are in it, and how many of them were stored.
fn check(seed: u64) -> [usize; 2] {
    let script = Script::of(seed, plan(seed));
    let history = History::new(&script);
    let expected = history.messages();
    if fault_of(&script, &history, &expected).is_some() {
        let fault = fault(&smallest(script));
        panic!("seed {seed}:\n{}", fault.unwrap_or_default());
    }
    let mut counts = [0; 2];
    for message in expected {
        if let Kind::Notification { due, .. } = message.kind {
            counts[0] += 1;
            counts[1] += usize::from(due < message.at);
        }
    }
    counts
}

/// Checks 2,500 seeds from `first` on, or as many times that as `SIMULATION_FACTOR` says.
fn check_seeds(first: u64) {
    let factor = std::env::var("SIMULATION_FACTOR").map_or(1_u32, |text| text.parse().unwrap());
    let count = 2_500 * factor;
    let mut all = [0; 2];
    for seed in first..first + u64::from(count) {
        for (all, counted) in all.iter_mut().zip(check(seed)) {
            *all += counted;
        }
    }
    // Cases prove little if they notify nothing.
    let [notified, stored] = all;
    let count = usize::try_from(count).unwrap();
    assert!(notified > 5 * count, "{notified} notifications");
    assert!(
        stored > count / 2 || !plan(first).offline,
        "{stored} stored"
    );
}

#[test]
fn values_and_attributes_notify_as_the_model_says() {
    check_seeds(FIRST[0]);
}

#[test]
fn rights_that_come_and_go_notify_as_the_model_says() {
    check_seeds(FIRST[1]);
}

#[test]
fn links_that_come_and_go_notify_as_the_model_says() {
    check_seeds(FIRST[2]);
}

#[test]
fn all_together_notify_as_the_model_says() {
    check_seeds(FIRST[3]);
}

#[test]
fn one_seed_is_shown() {
    let Ok(seed) = std::env::var("SIMULATION_SEED") else {
        return;
    };
    let seed = seed.parse().unwrap();
    let script = Script::of(seed, plan(seed));
    let history = History::new(&script);
    let expected = history.messages();
    println!("{}", chart::chart(&script, &history, &expected, &expected));
    check(seed);
}
