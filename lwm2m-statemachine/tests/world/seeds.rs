//! Many seeds of a simulation.

use core::{
    fmt::Debug,
    ops::Range,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU64, Ordering},
};
use std::{
    panic::{catch_unwind, resume_unwind},
    thread,
};

use lwm2m_simulation::Network;

/// What came of a run, or of several together.
pub(crate) trait Sum: Default + Debug + PartialEq + Send {
    fn add(&mut self, other: &Self);

    /// Of everything that was sent.
    fn digest(&self) -> u64;
}

/// How many times as many seeds are wanted as run by default.
pub(crate) fn factor() -> u64 {
    std::env::var("SIMULATION_FACTOR").map_or(1, |text| text.parse().expect("a number"))
}

/// Runs these seeds on all processors.
pub(crate) fn run<O: Sum>(seeds: Range<u64>, one: impl Fn(u64) -> O + Sync) -> O {
    let next = AtomicU64::new(seeds.start);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut all = O::default();
    thread::scope(|scope| {
        let work = || {
            let mut outcome = O::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return outcome;
                }
                outcome.add(&one(seed));
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            match thread.join() {
                Ok(outcome) => all.add(&outcome),
                Err(panic) => resume_unwind(panic),
            }
        }
    });
    all
}

/// Two runs of a seed are identical to the byte, and those of another one are not.
pub(crate) fn assert_reproducible<O: Sum>(seeds: Range<u64>, run: impl Fn(u64) -> (O, Network)) {
    for seed in seeds {
        let ((first, one), (second, two)) = (run(seed), run(seed));
        assert!(one.records() == two.records() && one.notes() == two.notes());
        assert_eq!(first, second);
        assert_ne!(first.digest(), run(seed + 1).0.digest());
    }
}

/// Runs seeds with this fault until one fails with these words.
pub(crate) fn assert_found(seeds: Range<u64>, fault: impl Debug, words: &str, run: impl Fn(u64)) {
    let mut found = Vec::new();
    for seed in seeds {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) else {
            continue;
        };
        let text = match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => (*panic.downcast::<&str>().expect("a text")).to_string(),
        };
        if text.contains(words) {
            return;
        }
        found.push(text);
    }
    panic!("not found: {fault:?}, but {found:?}");
}
