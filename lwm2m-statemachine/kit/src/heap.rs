//! Counts what is allocated, in a binary that says [`count_allocations!`](crate::count_allocations)
//! and has one test: the counters are those of the whole process.
//!
//! The test harness has a thread of its own, which may allocate as well. So most functions here
//! count several times and return the least.

pub use stats_alloc::Stats;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region};

/// More than the harness allocates while a test runs.
const RUNS: usize = 20;

#[doc(hidden)]
pub mod macros {
    pub use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
}

/// Makes the allocator of this binary one that counts.
#[macro_export]
macro_rules! count_allocations {
    () => {
        #[global_allocator]
        static ALLOCATOR: &$crate::heap::macros::StatsAlloc<std::alloc::System> =
            &$crate::heap::macros::INSTRUMENTED_SYSTEM;
    };
}

/// The bytes that are allocated now.
pub fn held() -> usize {
    let stats = INSTRUMENTED_SYSTEM.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// What one run of this allocates and frees.
pub fn change(run: impl FnOnce()) -> Stats {
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    run();
    region.change()
}

/// What the run of this that allocates least often, of several, allocates and frees.
pub fn least_change(mut run: impl FnMut()) -> Stats {
    let changes = (0..RUNS).map(|_| change(&mut run));
    changes.min_by_key(count).unwrap_or_default()
}

/// How often a run of this allocates or makes an allocation larger: the least of several.
pub fn allocations(run: impl FnMut()) -> usize {
    count(&least_change(run))
}

/// The least of several counts.
pub fn least(count: impl FnMut() -> usize) -> usize {
    let counts = core::iter::repeat_with(count).take(RUNS);
    counts.min().unwrap_or_default()
}

/// How often something was allocated or made larger.
pub const fn count(stats: &Stats) -> usize {
    stats.allocations + stats.reallocations
}

/// How many bytes more there are than before; none if there are fewer.
pub const fn growth(stats: &Stats) -> usize {
    stats
        .bytes_allocated
        .saturating_sub(stats.bytes_deallocated)
}
