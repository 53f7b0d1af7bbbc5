//! What a seed decides before its run begins.

use core::time::Duration;

use lwm2m_simulation::{Link, Random};
use lwm2m_statemachine::Reliability;

/// What is wrong with the Client, a server or its application, to show that the checks find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The Client takes repetitions for new requests.
    Repeats,
    /// It reports success for an Execute that it hasn't run.
    Boasts,
    /// It refuses what it has done.
    Denies,
    /// It changes a value that nobody wrote.
    Scribbles,
    /// It sends while it is offline.
    Chatters,
    /// It notifies a server of what it may no longer read.
    Leaks,
    /// It notifies a server that it isn't registered with.
    Blurts,
    /// It does nothing when it is woken.
    Restless,
    /// A server doesn't take notifications.
    Deaf,
    /// It takes them in the wrong order.
    Shuffles,
    /// It misses one notification after the Client was offline.
    Misses,
    /// It misses every second notification.
    Dozes,
    /// The hostile server completes the Writes that it should tear.
    Mends,
    /// It goes on with them when the Client should have forgotten them.
    Nags,
    /// It answers when it should let the lifetime pass.
    Renews,
}

/// What happens in a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) fault: Fault,
    pub(crate) link: Link,
    pub(crate) accounts: [AccountPlan; 3],
    /// Whether the last server is hostile.
    pub(crate) hostile: bool,
    /// How many things are done.
    pub(crate) acts: usize,
    /// How likely each of them comes with a disturbance, 0 to 1.
    pub(crate) unrest: f64,
    /// How late machines are woken at most.
    pub(crate) lateness: Duration,
    /// The largest blocks of the Client, in bytes.
    pub(crate) block_size: usize,
    /// Whether the Client's endpoint has bounds that are reached.
    pub(crate) tight: bool,
    pub(crate) notifications: Reliability,
    /// How many notifications are stored for a server at most.
    pub(crate) most_stored: usize,
    /// Whether the application answers Executes and some Reads itself.
    pub(crate) defers: bool,
}

/// One account of the Client.
#[derive(Clone, Debug)]
pub(crate) struct AccountPlan {
    /// Whether there is a secure session, which may be resumed.
    pub(crate) secure: bool,
    /// All in seconds.
    pub(crate) lifetime: u32,
    pub(crate) pmin: u32,
    pub(crate) pmax: u32,
    /// Whether notifications are stored while the Client is offline.
    pub(crate) stores: bool,
}

/// The longest Maximum Period that anything is given, and the longest Minimum Period.
pub(crate) const LONGEST_PERIOD: u32 = 240;
pub(crate) const LONGEST_MINIMUM: u32 = 20;

impl Plan {
    /// The plan of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 7);
        let random = &mut random;
        let hostile = random.chance(0.5);
        let mut accounts = [(); 3].map(|()| AccountPlan::draw(random));
        // The hostile server speaks without a session.
        accounts[2].secure &= !hostile;
        Self {
            seed,
            fault: Fault::None,
            link: link(random),
            accounts,
            hostile,
            acts: 16 + random.below(24) as usize,
            unrest: [0.0, 0.1, 0.2, 0.35][random.below(4) as usize],
            lateness: Duration::from_millis([0, 0, 300, 5_000][random.below(4) as usize]),
            block_size: 16 << random.below(7),
            tight: random.chance(0.15),
            notifications: if random.chance(0.3) {
                Reliability::Confirmable
            } else {
                Reliability::NonConfirmable
            },
            most_stored: [2, 5, 64][random.below(3) as usize],
            defers: random.chance(0.3),
        }
    }

    /// The same without any fault.
    pub(crate) fn calm(seed: u64) -> Self {
        let mut plan = Self {
            link: Link::default(),
            hostile: false,
            unrest: 0.0,
            lateness: Duration::ZERO,
            tight: false,
            defers: false,
            ..Self::new(seed)
        };
        // A new session gives the Client a new address, which servers without one must learn first.
        for account in &mut plan.accounts {
            account.secure = false;
        }
        plan
    }
}

impl AccountPlan {
    fn draw(random: &mut Random) -> Self {
        Self {
            secure: random.chance(0.4),
            lifetime: [60, 200, 900, 86_400][random.below(4) as usize],
            pmin: [0, 0, 1, 10][random.below(4) as usize],
            pmax: 30 + random.below(u64::from(LONGEST_PERIOD) - 29) as u32,
            stores: random.chance(0.6),
        }
    }
}

/// A loss of 0 to 50 %, and delays of every kind.
fn link(random: &mut Random) -> Link {
    let loss = random.below(51) as f64 / 100.0;
    let link = Link::new(Duration::from_millis(5 + random.below(300)));
    let link = match random.below(4) {
        0 => link,
        1 => link.jittering(random.duration(Duration::from_millis(500))),
        2 => link
            .jittering(random.duration(Duration::from_secs(6)))
            .reordering(0.2, Duration::from_secs(90)),
        _ => link
            .jittering(Duration::from_millis(100))
            .reordering(0.1, Duration::from_secs(20)),
    };
    link.losing(if random.chance(0.2) { 0.0 } else { loss })
        .duplicating(random.below(4) as f64 / 10.0)
}
