//! A toy machine on the network: numbers sent one by one, each repeated until it is acknowledged.

#![allow(
    clippy::std_instead_of_alloc,
    reason = "a test has an operating system"
)]

use core::{convert::Infallible, time::Duration};
use std::collections::VecDeque;

use lwm2m_core::Instant;
use lwm2m_simulation::{Address, Application, Handle, Host, Link, Network};
use lwm2m_statemachine::{Datagram, Machine, Transmit};

const DATA: u8 = 0;
const ACKNOWLEDGEMENT: u8 = 1;
const PATIENCE: Duration = Duration::from_millis(500);

/// Both ends in one: sends numbers to its peer, which is the only one it has, and takes numbers.
#[derive(Default)]
struct StopAndWait {
    queue: VecDeque<u8>,
    retransmit: Option<Instant>,
    expected: u8,
    acknowledge: Option<u8>,
    transmit_now: bool,
    arrived: VecDeque<u8>,
    buffer: [u8; 2],
    /// Whether it forgets to tell repetitions from news.
    forgetful: bool,
}

/// A peer's name: there is one only.
#[derive(Clone, PartialEq, Eq, Hash)]
struct ThePeer;

impl StopAndWait {
    fn send(&mut self, now: Instant, number: u8) {
        self.queue.push_back(number);
        if self.retransmit.is_none() {
            self.retransmit = Some(now + PATIENCE);
            self.transmit_now = true;
        }
    }
}

impl Machine for StopAndWait {
    type Peer = ThePeer;
    type Event = u8;
    type DatagramError = Infallible;

    fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_, ThePeer>,
    ) -> Result<(), Infallible> {
        match *datagram.payload {
            [DATA, number] => {
                self.acknowledge = Some(number);
                if number == self.expected || self.forgetful {
                    self.expected = number.wrapping_add(1);
                    self.arrived.push_back(number);
                }
            }
            [ACKNOWLEDGEMENT, number] if self.queue.front() == Some(&number) => {
                self.queue.pop_front();
                self.transmit_now = !self.queue.is_empty();
                self.retransmit = self.transmit_now.then(|| now + PATIENCE);
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.retransmit.is_some_and(|at| at <= now) {
            self.transmit_now = true;
            self.retransmit = Some(now + PATIENCE);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_, ThePeer>> {
        if let Some(number) = self.acknowledge.take() {
            self.buffer = [ACKNOWLEDGEMENT, number];
        } else if self.transmit_now {
            self.transmit_now = false;
            self.buffer = [DATA, *self.queue.front()?];
        } else {
            return None;
        }
        Some(Transmit {
            to: ThePeer,
            payload: &self.buffer,
        })
    }

    fn poll_event(&mut self) -> Option<u8> {
        self.arrived.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.retransmit
    }
}

#[derive(Default)]
struct Log {
    peer: Option<Address>,
    taken: Vec<u8>,
}

impl Application for Log {
    type Machine = StopAndWait;

    fn handle_event(&mut self, _: Instant, _: &mut StopAndWait, event: u8) {
        self.taken.push(event);
    }

    fn peer(&mut self, address: Address) -> Option<ThePeer> {
        (self.peer == Some(address)).then_some(ThePeer)
    }

    fn address(&self, ThePeer: &ThePeer) -> Option<Address> {
        self.peer
    }
}

const COUNT: u8 = 20;

fn run(seed: u64, forgetful: bool) -> (Network, Handle<Host<Log>>) {
    let mut network = Network::new(seed);
    let rough = Link::new(Duration::from_millis(20))
        .jittering(Duration::from_millis(200))
        .losing(0.3)
        .duplicating(0.1)
        .reordering(0.1, Duration::from_secs(2));
    network.set_default_link(rough);
    let receiver = StopAndWait {
        forgetful,
        ..StopAndWait::default()
    };
    let a = network.add("a", Host::new(StopAndWait::default(), Log::default()));
    let b = network.add("b", Host::new(receiver, Log::default()));
    let ends = (network.address(a), network.address(b));
    network.with(b, |b, _| b.application.peer = Some(ends.0));
    network.with(a, |a, now| {
        a.application.peer = Some(ends.1);
        for number in 0..COUNT {
            a.machine.send(now, number);
        }
    });
    assert!(network.run_to_rest(Duration::from_secs(600)), "no rest");
    (network, b)
}

#[test]
fn everything_arrives_once_and_in_order() {
    for seed in 0..100 {
        let (network, b) = run(seed, false);
        let taken = &network.node(b).application.taken;
        assert!(taken.iter().copied().eq(0..COUNT), "{taken:?}");
    }
}

#[test]
fn a_machine_that_takes_repetitions_for_news_is_caught() {
    let caught = (0..100).filter(|seed| {
        let (network, b) = run(*seed, true);
        !network
            .node(b)
            .application
            .taken
            .iter()
            .copied()
            .eq(0..COUNT)
    });
    assert!(caught.count() > 50);
}

#[test]
fn two_runs_of_a_seed_are_identical_and_two_seeds_are_not() {
    for seed in 0..20 {
        let (first, _) = run(seed, false);
        let (second, _) = run(seed, false);
        let (other, _) = run(seed + 1, false);
        assert_eq!(first.records(), second.records());
        assert_eq!((first.now(), first.chart()), (second.now(), second.chart()));
        assert_ne!(first.records(), other.records());
    }
}
