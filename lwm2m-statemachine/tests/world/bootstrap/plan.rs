//! What a seed decides before its run begins.

use core::time::Duration;

use lwm2m_simulation::{Link, Random};

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The Client keeps a part of a bootstrap that has failed.
    Keeps,
    /// It forgets what the application has set during one.
    Forgets,
    /// A bootstrap that has succeeded leaves a value of before.
    Mixes,
    /// The Bootstrap-Server tells twice how a bootstrap has ended.
    Repeats,
    /// The Client leaves its servers after each bootstrap.
    Drops,
    /// An event has a key.
    Shows,
    /// A server hears of an account that isn't in force.
    Leaks,
}

/// What happens in a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) fault: Fault,
    pub(super) link: Link,
    /// Whether nothing is lost and little delayed, so that what ends has a reason.
    pub(super) calm: bool,
    /// How many things are done.
    pub(super) acts: usize,
    /// The longest time between two of them.
    pub(super) pause: Duration,
    /// The Client Hold Off Time, in seconds.
    pub(super) hold_off: u32,
    /// Of how many servers the factory has given accounts.
    pub(super) factory: usize,
    /// The largest blocks of both ends of a bootstrap, in bytes.
    pub(super) block_size: usize,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 7);
        let random = &mut random;
        let calm = random.chance(0.25);
        Self {
            seed,
            fault: Fault::None,
            link: if calm { quick(random) } else { lossy(random) },
            calm,
            acts: 2 + random.below(4) as usize,
            pause: Duration::from_secs([2, 30, 200][random.below(3) as usize]),
            hold_off: [0, 0, 5, 60][random.below(4) as usize],
            factory: random.below(4) as usize,
            block_size: [1024, 256, 64][random.below(3) as usize],
        }
    }
}

fn quick(random: &mut Random) -> Link {
    Link::new(Duration::from_millis(5 + random.below(100)))
        .jittering(random.duration(Duration::from_millis(300)))
        .duplicating(random.below(4) as f64 / 10.0)
}

/// A loss of 0 to 50 %, and delays of every kind.
fn lossy(random: &mut Random) -> Link {
    let loss = random.below(51) as f64 / 100.0;
    let link = Link::new(Duration::from_millis(5 + random.below(300)));
    let link = match random.below(3) {
        0 => link,
        1 => link
            .jittering(random.duration(Duration::from_secs(4)))
            .reordering(0.2, Duration::from_secs(60)),
        _ => link
            .jittering(Duration::from_millis(100))
            .reordering(0.1, Duration::from_secs(20)),
    };
    link.losing(loss).duplicating(random.below(4) as f64 / 10.0)
}
