//! A bad network between one client and one server: datagrams are lost, duplicated or reordered, as
//! a seed decides.
//!
//! It is a [`Machine`], so the same [`Driver`](crate::driver::Driver) runs it.

use core::{convert::Infallible, fmt, net::SocketAddr, time::Duration};
use std::collections::VecDeque;

use lwm2m_core::Instant;
use lwm2m_statemachine::{Datagram, Machine, Transmit};

/// How long a datagram waits at most for the one that overtakes it.
const HELD: Duration = Duration::from_millis(20);

/// The fates of a hundred datagrams; the others just pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Never arrive.
    pub lost: u8,
    /// Arrive twice.
    pub doubled: u8,
    /// Arrive after the next one the same way, or 20 ms late if there is none.
    pub overtaken: u8,
}

/// The fates of the datagrams so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All datagrams.
    pub came: u64,
    /// Those that were lost.
    pub lost: u64,
    /// Those that were duplicated.
    pub doubled: u64,
    /// Those that were overtaken.
    pub overtaken: u64,
}

/// Passes datagrams between a server and the last other sender.
#[derive(Debug)]
pub struct Relay {
    server: SocketAddr,
    client: Option<SocketAddr>,
    faults: Faults,
    /// To the server, and from it. Each way draws by itself, so that the fate of its n-th datagram
    /// doesn't depend on the timing of the other way.
    ways: [Way; 2],
    outbox: VecDeque<Parcel>,
    /// The datagram that `poll_transmit` returned last.
    lent: Vec<u8>,
    tally: Tally,
}

#[derive(Debug)]
struct Way {
    chance: Chance,
    held: Option<(Instant, Parcel)>,
}

#[derive(Clone, Debug)]
struct Parcel {
    to: SocketAddr,
    payload: Vec<u8>,
}

impl Relay {
    /// A relay to this server. The same seed gives the datagrams of each way the same fates.
    pub fn new(server: SocketAddr, faults: Faults, seed: u64) -> Self {
        let way = |number| Way {
            chance: Chance(seed ^ number),
            held: None,
        };
        Self {
            server,
            client: None,
            faults,
            ways: [way(0), way(1 << 63)],
            outbox: VecDeque::new(),
            lent: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// The fates of the datagrams so far.
    pub const fn tally(&self) -> Tally {
        self.tally
    }
}

impl Machine for Relay {
    type Peer = SocketAddr;
    type Event = Infallible;
    type DatagramError = Infallible;

    fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, SocketAddr>,
    ) -> Result<(), Infallible> {
        let [there, back] = &mut self.ways;
        let (way, to) = if datagram.from == self.server {
            // From the server, but to whom?
            let Some(client) = self.client else {
                return Ok(());
            };
            (back, client)
        } else {
            self.client = Some(datagram.from);
            (there, self.server)
        };
        let parcel = Parcel {
            to,
            payload: datagram.payload.to_vec(),
        };
        let Faults {
            lost,
            doubled,
            overtaken,
        } = self.faults;
        self.tally.came += 1;
        let mut rest = way.chance.percent();
        let mut befalls = |percent| {
            let befallen = rest < percent;
            rest = rest.saturating_sub(percent);
            befallen.then(|| rest = u8::MAX).is_some()
        };
        if befalls(lost) {
            self.tally.lost += 1;
            return Ok(());
        }
        if befalls(doubled) {
            self.tally.doubled += 1;
            self.outbox.push_back(parcel.clone());
        } else if befalls(overtaken) && way.held.is_none() {
            self.tally.overtaken += 1;
            way.held = Some((now + HELD, parcel));
            return Ok(());
        }
        self.outbox.push_back(parcel);
        self.outbox
            .extend(way.held.take().map(|(_, parcel)| parcel));
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) {
        for way in &mut self.ways {
            if let Some((_, parcel)) = way.held.take_if(|(until, _)| *until <= now) {
                self.outbox.push_back(parcel);
            }
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_, SocketAddr>> {
        let parcel = self.outbox.pop_front()?;
        self.lent = parcel.payload;
        Some(Transmit {
            to: parcel.to,
            payload: &self.lent,
        })
    }

    fn poll_event(&mut self) -> Option<Infallible> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let held = self.ways.iter().filter_map(|way| way.held.as_ref());
        held.map(|(until, _)| *until).min()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            came,
            lost,
            doubled,
            overtaken,
        } = self;
        write!(
            f,
            "of {came} datagrams {lost} lost, {doubled} doubled, {overtaken} overtaken"
        )
    }
}

/// A small generator (SplitMix64); its numbers needn't be secret.
#[derive(Clone, Copy, Debug)]
struct Chance(u64);

impl Chance {
    /// From 0 to 99.
    fn percent(&mut self) -> u8 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        u8::try_from((mixed ^ mixed >> 31) % 100).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn relay(faults: Faults, seed: u64) -> Relay {
        Relay::new(address(1), faults, seed)
    }

    /// What leaves when this many datagrams, each its number, come from this port.
    fn pass(relay: &mut Relay, from: u16, count: u8) -> Vec<(u16, u8)> {
        let mut left = Vec::new();
        for number in 0..count {
            let datagram = Datagram::new(address(from), core::slice::from_ref(&number));
            let Ok(()) = relay.handle_datagram(Instant::ZERO, datagram);
            while let Some(transmit) = relay.poll_transmit() {
                left.push((transmit.to.port(), transmit.payload[0]));
            }
        }
        left
    }

    #[test]
    fn without_faults_all_pass_both_ways() {
        let mut relay = relay(Faults::default(), 1);
        assert_eq!(pass(&mut relay, 1, 1), [], "nobody to send it to yet");
        assert_eq!(pass(&mut relay, 2, 3), [(1, 0), (1, 1), (1, 2)]);
        assert_eq!(pass(&mut relay, 1, 2), [(2, 0), (2, 1)]);
        assert_eq!(pass(&mut relay, 3, 1), [(1, 0)]);
        assert_eq!(pass(&mut relay, 1, 1), [(3, 0)], "who sent last");
        assert_eq!(relay.poll_timeout(), None);
    }

    #[test]
    fn faults_are_as_frequent_as_asked_and_a_seed_repeats_them() {
        let faults = Faults {
            lost: 10,
            doubled: 5,
            overtaken: 5,
        };
        let run = |seed| {
            let mut relay = relay(faults, seed);
            let left: Vec<_> = (0..40).flat_map(|_| pass(&mut relay, 2, 250)).collect();
            (left, relay.tally())
        };
        let (left, tally) = run(7);
        assert_eq!(run(7), (left.clone(), tally));
        assert_ne!(run(8).0, left);
        assert_eq!(tally.came, 10_000);
        assert!((900..1100).contains(&tally.lost), "{tally}");
        assert!((400..600).contains(&tally.doubled), "{tally}");
        assert!((400..600).contains(&tally.overtaken), "{tally}");
    }

    #[test]
    fn one_that_is_overtaken_comes_next_or_late() {
        let faults = Faults {
            overtaken: 100,
            ..Faults::default()
        };
        let mut relay = relay(faults, 1);
        assert_eq!(pass(&mut relay, 2, 2), [(1, 1), (1, 0)]);
        assert_eq!(pass(&mut relay, 2, 1), []);
        assert_eq!(relay.poll_timeout(), Some(Instant::ZERO + HELD));
        relay.handle_timeout(Instant::ZERO + HELD);
        assert_eq!(relay.poll_transmit().map(|sent| sent.payload[0]), Some(0));
        assert_eq!(relay.poll_timeout(), None);
    }
}
