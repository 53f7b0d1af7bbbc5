//! A device and a server that have to get along on a bad network, whatever DTLS library is below.

use core::{ops::AddAssign, time::Duration};
use std::env;

use lwm2m_core::{Path, Value, codec::Content};
use lwm2m_examples::secure::record;
use lwm2m_simulation::{Fate, Link, Network, Record};
use lwm2m_statemachine::server::Outcome;

const MANUFACTURER: Path = Path::of(&[3, 0, 0]).unwrap();
pub(crate) const BATTERY_LEVEL: Path = Path::of(&[3, 0, 9]).unwrap();
pub(crate) const TIMEZONE: Path = Path::of(&[3, 0, 15]).unwrap();

/// How often a call may fail, where a third of the exchanges may get lost.
const TRIES: usize = 20;

/// A network that loses, repeats and reorders every kind of datagram.
pub(crate) fn bad_link(seed: u64) -> Link {
    let loss = [0.0, 0.05, 0.15, 0.25];
    let loss = loss[usize::try_from(seed % 4).unwrap()];
    Link::new(Duration::from_millis(20))
        .jittering(Duration::from_millis(50))
        .losing(loss)
        .duplicating(0.2)
        .reordering(0.3, Duration::from_secs(2))
}

/// How many seeds there are; `SIMULATION_FACTOR` multiplies them.
pub(crate) fn seeds(count: u64) -> core::ops::Range<u64> {
    let factor = env::var("SIMULATION_FACTOR").ok();
    let factor = factor.and_then(|factor| factor.parse().ok());
    0..count * factor.unwrap_or(1)
}

/// A device and its server. Each call waits for its outcome.
pub(crate) trait Managed {
    /// Waits until the device is registered.
    fn await_registration(&mut self);
    fn read(&mut self, path: Path) -> Outcome;
    /// Writes the Timezone.
    fn write(&mut self, value: &str) -> Outcome;
    /// Observes the Battery Level.
    fn observe(&mut self) -> Outcome;
    /// The battery of the device is at this level, in percent.
    fn set_level(&mut self, level: i64);
    /// What notifications have brought.
    fn notified(&self) -> &[Content];
    fn network(&mut self) -> &mut Network;
}

/// Registers, reads, writes, and observes until a notification comes; each of them succeeds in the end. Then nothing on
/// the network was without DTLS. Returns what the network did to handshakes.
pub(crate) fn manage(world: &mut impl Managed) -> Harm {
    world.await_registration();
    for number in 0..3_u8 {
        read_in_the_end(world, MANUFACTURER, Value::from("Open Mobile Alliance"));
        let zone = format!("Zone/{number}");
        in_the_end(
            world,
            |world| world.write(&zone),
            |outcome| matches!(outcome, Outcome::Changed),
        );
        read_in_the_end(world, TIMEZONE, zone.into());
        world.network().run_for(Duration::from_secs(30));
    }
    notified_in_the_end(world);
    let records = world.network().records();
    for sent in records {
        assert!(record::first(&sent.payload).is_some(), "{sent:?}");
    }
    Harm::of(records)
}

/// Calls until the outcome is this one. A call may be lost; and a client that had to connect anew is another peer, which
/// ends what was under way.
fn in_the_end<M: Managed>(
    world: &mut M,
    call: impl Fn(&mut M) -> Outcome,
    is_good: impl Fn(&Outcome) -> bool,
) {
    for _ in 0..TRIES {
        match call(world) {
            outcome if is_good(&outcome) => return,
            Outcome::Timeout | Outcome::ClientGone => world.await_registration(),
            outcome => panic!("{outcome:?}"),
        }
    }
    panic!("{TRIES} calls have failed");
}

fn read_in_the_end(world: &mut impl Managed, path: Path, value: Value) {
    let expected = Content::from_iter([(path, value)]);
    in_the_end(
        world,
        |world| world.read(path),
        |outcome| matches!(outcome, Outcome::Content(content) if *content == expected),
    );
}

/// Observes until a notification brings the value of that moment. One may get lost, and an observation ends with its
/// registration.
fn notified_in_the_end(world: &mut impl Managed) {
    for level in 1..=i64::try_from(TRIES).unwrap() {
        in_the_end(world, Managed::observe, |outcome| {
            matches!(outcome, Outcome::Observing { .. })
        });
        let before = world.notified().len();
        world.set_level(level);
        world.network().run_for(Duration::from_secs(30));
        let expected = Content::from_iter([(BATTERY_LEVEL, Value::Integer(level))]);
        if world.notified()[before..].contains(&expected) {
            return;
        }
    }
    panic!("{TRIES} notifications got lost");
}

/// How many datagrams of handshakes a network has lost, repeated, and delivered after a later one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Harm {
    pub(crate) lost: usize,
    pub(crate) repeated: usize,
    pub(crate) reordered: usize,
}

impl Harm {
    fn of(records: &[Record]) -> Self {
        let of_handshake = |sent: &&Record| {
            let first = record::first(&sent.payload);
            first.is_some_and(|first| first.content_type == record::HANDSHAKE)
        };
        let sent: Vec<&Record> = records.iter().filter(of_handshake).collect();
        let count = |fate| sent.iter().filter(|sent| sent.fate == fate).count();
        let is_overtaken = |(index, early): (usize, &&Record)| {
            let later = sent[index..]
                .iter()
                .filter(|later| later.from == early.from);
            let arrived = |one: &Record| one.arrivals.iter().min().copied();
            let mut arrivals = later.filter_map(|later| arrived(later));
            arrived(early).is_some_and(|at| arrivals.any(|later| later < at))
        };
        Self {
            lost: count(Fate::Lost),
            repeated: count(Fate::Duplicated),
            reordered: sent
                .iter()
                .enumerate()
                .filter(|it| is_overtaken(*it))
                .count(),
        }
    }

    /// The network was bad for handshakes, too.
    #[track_caller]
    pub(crate) fn assert_bad(self) {
        let Self {
            lost,
            repeated,
            reordered,
        } = self;
        assert!(lost > 0 && repeated > 0 && reordered > 0, "{self:?}");
    }
}

impl AddAssign for Harm {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.reordered += other.reordered;
    }
}
