//! The network does to datagrams, clocks and nodes what it was told to, and nothing else.

use core::time::Duration;

use lwm2m_core::Instant;
use lwm2m_simulation::{Address, Fate, Handle, Link, MAX_LATENCY, Network, Node};
use lwm2m_statemachine::{Channel, Datagram};

/// Sends what the test gives it, keeps what it hears, and can be told to misbehave.
#[derive(Default)]
struct Probe {
    outbox: Vec<(Address, Vec<u8>)>,
    heard: Vec<(Instant, Address, Vec<u8>)>,
    channels: Vec<Channel>,
    alarm: Option<Instant>,
    woken: Vec<Instant>,
    echoes: bool,
    never_satisfied: bool,
    forbidden: Option<Vec<u8>>,
}

impl Node for Probe {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_, Address>) {
        self.heard
            .push((now, datagram.from, datagram.payload.to_vec()));
        self.channels.push(datagram.channel);
        if self.echoes {
            self.outbox.push((datagram.from, datagram.payload.to_vec()));
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.woken.push(now);
        if !self.never_satisfied {
            self.alarm = self.alarm.filter(|alarm| *alarm > now);
        }
    }

    fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> Option<Address> {
        let (to, bytes) = (!self.outbox.is_empty()).then(|| self.outbox.remove(0))?;
        datagram.extend_from_slice(&bytes);
        Some(to)
    }

    fn poll_event(&mut self, _: Instant) -> bool {
        false
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.alarm
    }

    fn check(&self, _: Instant) {
        assert!(
            !self
                .heard
                .iter()
                .any(|(_, _, bytes)| Some(bytes) == self.forbidden.as_ref()),
            "heard what is forbidden"
        );
    }
}

const MS: Duration = Duration::from_millis(1);

fn pair(seed: u64, link: Link) -> (Network, Handle<Probe>, Handle<Probe>) {
    let mut network = Network::new(seed);
    network.set_default_link(link);
    let a = network.add("a", Probe::default());
    let b = network.add("b", Probe::default());
    (network, a, b)
}

fn send(network: &mut Network, from: Handle<Probe>, to: Handle<Probe>, bytes: &[u8]) {
    let to = network.address(to);
    network.with(from, |probe, _| probe.outbox.push((to, bytes.to_vec())));
}

fn heard(network: &Network, probe: Handle<Probe>) -> Vec<Vec<u8>> {
    let heard = network.node(probe).heard.iter();
    heard.map(|(_, _, bytes)| bytes.clone()).collect()
}

#[test]
fn a_perfect_link_delivers_once_after_its_latency() {
    let (mut network, a, b) = pair(1, Link::new(20 * MS));
    send(&mut network, a, b, b"x");
    assert_eq!(network.in_flight(), 1);
    assert!(network.run_to_rest(Duration::from_secs(1)));
    let from = network.address(a);
    let expected = vec![(Instant::from_millis(20), from, b"x".to_vec())];
    assert_eq!(network.node(b).heard, expected);
    assert_eq!(network.now(), Instant::from_millis(20));
}

#[test]
fn loss_and_duplication_are_as_likely_as_the_link_says() {
    const COUNT: usize = 4_000;
    let (mut network, a, b) = pair(2, Link::new(MS).losing(0.3).duplicating(0.2));
    for number in 0..COUNT {
        send(&mut network, a, b, &number.to_be_bytes());
    }
    network.run_to_rest(Duration::from_secs(1));
    let count = |fate| network.records().iter().filter(|r| r.fate == fate).count();
    let (lost, twice) = (count(Fate::Lost), count(Fate::Duplicated));
    // Five standard deviations around 1200, and around 0.2 of the 2800 that are left.
    assert!((1055..1345).contains(&lost), "{lost}");
    assert!((454..666).contains(&twice), "{twice}");
    assert_eq!(heard(&network, b).len(), COUNT - lost + twice);
}

#[test]
fn jitter_and_detours_reorder_within_the_longest_latency() {
    let link = Link::new(10 * MS)
        .jittering(30 * MS)
        .reordering(0.1, 10 * MAX_LATENCY);
    let (mut network, a, b) = pair(3, link);
    for number in 0..200u8 {
        send(&mut network, a, b, &[number]);
        network.run_for(MS);
    }
    network.run_to_rest(2 * MAX_LATENCY);
    let order = heard(&network, b);
    assert_eq!(order.len(), 200);
    assert!(!order.is_sorted());
    for record in network.records() {
        let latency = record.arrivals[0].saturating_duration_since(record.sent);
        assert!((10 * MS..=MAX_LATENCY).contains(&latency), "{latency:?}");
    }
}

#[test]
fn a_link_is_one_way_and_has_an_mtu_and_a_channel() {
    let (mut network, a, b) = pair(4, Link::default());
    *network.link(a, b) = Link::default().with_mtu(3);
    network.link(b, a).channel = Channel::Sms;
    send(&mut network, a, b, b"four");
    send(&mut network, a, b, b"one");
    send(&mut network, b, a, b"four");
    network.run_to_rest(Duration::from_secs(1));
    assert_eq!(heard(&network, b), [b"one"]);
    assert_eq!(heard(&network, a), [b"four"]);
    assert_eq!(network.records()[0].fate, Fate::TooLong);
    assert_eq!(network.node(a).channels, [Channel::Sms]);
    assert_eq!(network.node(b).channels, [Channel::Udp]);
}

#[test]
fn a_partition_cuts_what_is_sent_while_it_lasts() {
    let (mut network, a, b) = pair(5, Link::new(10 * MS));
    send(&mut network, a, b, b"before");
    network.partition(a, b, true);
    send(&mut network, a, b, b"during");
    send(&mut network, b, a, b"during");
    network.run_for(Duration::from_secs(1));
    network.partition(a, b, false);
    send(&mut network, a, b, b"after");
    network.run_for(Duration::from_secs(1));
    assert_eq!(heard(&network, b), [b"before".to_vec(), b"after".to_vec()]);
    assert!(heard(&network, a).is_empty());
    assert_eq!(network.records()[1].fate, Fate::Partitioned);
}

#[test]
fn a_new_address_is_seen_by_the_peer_and_the_old_one_is_dead() {
    let (mut network, a, b) = pair(6, Link::new(10 * MS));
    let old = network.address(a);
    send(&mut network, b, a, b"on its way");
    let new = network.change_address(a);
    assert_ne!(old, new);
    send(&mut network, a, b, b"hello");
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.node(b).heard[0].1, new);
    assert!(heard(&network, a).is_empty());
    assert!(network.chart().contains("a@1 → b"), "{}", network.chart());
    network.with(b, |b, _| b.outbox.push((new, b"found".to_vec())));
    network.run_for(Duration::from_secs(1));
    assert_eq!(heard(&network, a), [b"found"]);
}

#[test]
fn a_rebooted_node_hears_what_was_sent_to_the_one_before() {
    let (mut network, a, b) = pair(7, Link::new(10 * MS));
    network.with(b, |b, now| b.alarm = Some(now + 5 * MS));
    send(&mut network, a, b, b"stale");
    network.reboot(b, Probe::default());
    network.run_for(Duration::from_secs(1));
    assert_eq!(heard(&network, b), [b"stale"]);
    assert!(
        network.node(b).woken.is_empty(),
        "an alarm outlived its node"
    );
}

#[test]
fn a_node_that_is_off_hears_nothing_and_is_not_woken() {
    let (mut network, a, b) = pair(8, Link::new(10 * MS));
    network.with(b, |b, now| b.alarm = Some(now + 5 * MS));
    network.switch_off(b);
    send(&mut network, a, b, b"unheard");
    assert!(network.run_to_rest(Duration::from_secs(1)));
    assert!(network.records()[0].arrivals.is_empty());
    assert!(network.chart().contains("(not arrived)"));
    network.reboot(b, Probe::default());
    assert!(network.node(b).heard.is_empty());
}

#[test]
fn a_node_lives_by_its_own_clock() {
    let (mut network, a, b) = pair(9, Link::new(10 * MS));
    network.set_clock(b, 5_000);
    network.with(b, |b, now| {
        assert_eq!(now, Instant::from_millis(5_000));
        b.alarm = Some(now + 1_000 * MS);
    });
    send(&mut network, a, b, b"x");
    network.run_for(100 * MS);
    assert_eq!(network.node(b).heard[0].0, Instant::from_millis(5_010));
    // The clock jumps over half of the wait.
    network.set_clock(b, 5_500);
    network.run_to_rest(Duration::from_secs(10));
    assert_eq!(network.node(b).woken, [Instant::from_millis(6_000)]);
    assert_eq!(network.now(), Instant::from_millis(500));
}

#[test]
fn wakeups_are_late_but_not_later_than_allowed_and_may_be_needless() {
    let (mut network, a, b) = pair(10, Link::new(MS));
    network.set_lateness(50 * MS);
    network.set_spurious_wakeups(1.0);
    let mut lateness = Vec::new();
    for _ in 0..50 {
        let alarm = network.now() + 100 * MS;
        network.with(a, |a, _| a.alarm = Some(alarm));
        network.run_to_rest(Duration::from_secs(1));
        lateness.push(network.now().saturating_duration_since(alarm));
    }
    assert!(lateness.iter().all(|late| *late <= 50 * MS));
    assert!(lateness.iter().any(|late| *late > 10 * MS));
    send(&mut network, a, b, b"x");
    network.run_to_rest(Duration::from_secs(1));
    assert_eq!(network.node(b).woken.len(), 1);
}

#[test]
fn strangers_can_be_heard() {
    let (mut network, a, b) = pair(11, Link::new(MS));
    let mut from = network.address(a);
    from.number = 77;
    let to = network.address(b);
    network.inject(from, to, b"forged");
    network.run_to_rest(Duration::from_secs(1));
    assert_eq!(network.node(b).heard[0].1, from);
}

#[test]
#[should_panic(expected = "livelock: a asks to be woken at 0.005")]
fn a_deadline_in_the_past_without_progress_is_a_livelock() {
    let (mut network, a, _) = pair(12, Link::default());
    network.with(a, |a, now| {
        a.never_satisfied = true;
        a.alarm = Some(now + 5 * MS);
    });
    network.run_for(Duration::from_secs(1));
}

#[test]
#[should_panic(expected = "livelock: 20000 steps at 0.000")]
fn nodes_that_answer_each_other_without_end_are_a_livelock() {
    let (mut network, a, b) = pair(13, Link::new(Duration::ZERO));
    network.with(a, |a, _| a.echoes = true);
    network.with(b, |b, _| b.echoes = true);
    send(&mut network, a, b, b"ping");
    network.run_for(Duration::from_secs(1));
}

#[test]
#[should_panic(expected = "heard what is forbidden")]
fn invariants_are_checked_at_every_step() {
    let (mut network, a, b) = pair(14, Link::default());
    network.with(b, |b, _| b.forbidden = Some(b"x".to_vec()));
    send(&mut network, a, b, b"x");
    network.run_for(Duration::from_secs(1));
}

#[test]
fn a_report_names_the_seed_and_every_datagram() {
    let (mut network, a, b) = pair(4242, Link::new(10 * MS));
    send(&mut network, a, b, b"\xff\x01");
    network.run_for(Duration::from_secs(1));
    network.link(a, b).loss = 1.0;
    send(&mut network, a, b, b"\xff\x02");
    let report = network.report();
    assert!(report.contains("seed 4242"), "{report}");
    assert!(report.contains("0.000  a → b"), "{report}");
    assert!(report.contains("ff01  delivered +10"), "{report}");
    assert!(report.contains("ff02  LOST"), "{report}");
    assert_eq!(network.chart().lines().count(), 2);
}

#[test]
fn a_chart_reads_coap() {
    let (mut network, a, b) = pair(15, Link::new(10 * MS));
    let register = b"\x42\x02\x12\x34\xab\xcd\xb2rd\x44ep=x\x05lt=60\xff</3/0>";
    send(&mut network, a, b, register);
    send(&mut network, b, a, b"\x62\x41\x12\x34\xab\xcd\x82rd\x017");
    send(&mut network, b, a, b"\x70\x00\x12\x35");
    let chart = network.chart();
    let lines: Vec<&str> = chart.lines().collect();
    assert!(
        lines[0].contains("CON POST 1234 abcd /rd ?ep=x&lt=60 [6]"),
        "{chart}"
    );
    assert!(lines[1].contains("ACK 2.01 1234 abcd → /rd/7"), "{chart}");
    assert!(lines[2].contains("RST Empty 1235"), "{chart}");
}
