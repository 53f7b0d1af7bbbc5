//! The network does to datagrams, clocks and nodes what it was told to, and nothing else.

use core::time::Duration;

use lwm2m_core::Instant;
use lwm2m_simulation::{Address, Fate, Handle, Jitter, Link, MAX_LATENCY, Network, Node};
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
    let chart = concat!(
        "                  a              b\n",
        "      0.000       |------------->|       ff01  +10\n",
        "      1.000       |------x       |       ff02  LOST\n",
    );
    assert!(report.ends_with(chart), "{report}");
    assert_eq!(network.chart(), chart);
}

#[test]
fn a_chart_shows_what_happened_to_datagrams_and_nodes() {
    let (mut network, a, b) = pair(16, Link::new(10 * MS));
    let c = network.add("c", Probe::default());
    *network.link(a, c) = Link::new(10 * MS).duplicating(1.0);
    *network.link(c, a) = Link::new(10 * MS).with_mtu(1);
    send(&mut network, a, c, b"\xff\x01");
    send(&mut network, c, a, b"\xff\x02");
    network.run_for(Duration::from_secs(1));
    network.reboot(b, Probe::default());
    network.change_address(b);
    network.jump_clock(c, -5);
    network.sleep(c);
    network.note(a, "says something");
    network.partition(a, b, true);
    send(&mut network, b, a, b"\xff\x03");
    send(&mut network, b, c, b"\xff\x04");
    network.run_for(Duration::from_secs(1));
    network.wake(c);
    network.switch_off(a);
    assert_eq!(
        network.chart(),
        concat!(
            "                  a              b              c\n",
            "      0.000       |--------------|------------>>|       ff01  +10 +10\n",
            "      0.000       |              |       x------|       ff02  TOO LONG\n",
            "      1.000       |              *              |       reboots\n",
            "      1.000       |              *              |       has address 1 from now on\n",
            "      1.000       |              |              *       has its clock -5 ms ahead\n",
            "      1.000       |              |              *       falls asleep\n",
            "      1.000       *              |              |       says something\n",
            "      1.000       *              |              |       is cut off from b\n",
            "      1.000       |       x------|              |       b@1 → a  ff03  CUT OFF\n",
            "      1.000       |              |------------->|       b@1 → c  ff04  (not arrived)\n",
            "      2.000       |              |              *       wakes up\n",
            "      2.000       *              |              |       is switched off\n",
        )
    );
}

#[test]
fn a_chart_of_many_nodes_names_them() {
    let mut network = Network::new(17);
    let nodes: Vec<_> = (0..20)
        .map(|number| network.add(&format!("n{number}"), Probe::default()))
        .collect();
    for pair in nodes.windows(2) {
        send(&mut network, pair[0], pair[1], b"\xff\x07");
    }
    network.run_to_rest(Duration::from_secs(1));
    let chart = network.chart();
    assert_eq!(chart.lines().count(), 19);
    let last = chart.lines().last().unwrap();
    assert_eq!(last, "      0.000  n18 → n19  ff07  +10");
    for node in &nodes[1..] {
        assert_eq!(heard(&network, *node), [b"\xff\x07"]);
    }
}

#[test]
fn records_of_a_long_run_are_bounded() {
    let run = |limit| {
        let (mut network, a, b) = pair(18, Link::new(MS).losing(0.5));
        network.keep_records(limit);
        for number in 0..10_000_u16 {
            send(&mut network, a, b, &number.to_be_bytes());
            network.run_for(2 * MS);
            if number % 100 == 0 {
                network.note(a, "counts");
            }
        }
        network
    };
    let (all, last) = (run(usize::MAX), run(100));
    assert_eq!(all.digest(), last.digest());
    assert_eq!(all.datagrams(), last.datagrams());
    assert_eq!((all.datagrams().0, all.records().len()), (10_000, 10_000));
    let kept = last.records();
    assert!((100..=202).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept, &all.records()[10_000 - kept.len()..]);
    assert!((1..=3).contains(&last.notes().len()), "{:?}", last.notes());
    assert!(last.report().contains("of 10000 datagrams"));
}

#[test]
fn a_digest_tells_runs_apart() {
    let run = |byte: u8, pause, note: &str| {
        let (mut network, a, b) = pair(19, Link::new(MS));
        network.run_for(pause);
        send(&mut network, a, b, &[byte]);
        network.note(a, note);
        network.run_for(MS);
        network.digest()
    };
    assert_eq!(run(1, MS, "x"), run(1, MS, "x"));
    assert_ne!(run(1, MS, "x"), run(2, MS, "x"));
    assert_ne!(run(1, MS, "x"), run(1, 2 * MS, "x"));
    assert_ne!(run(1, MS, "x"), run(1, MS, "y"));
}

#[test]
fn latencies_are_distributed_as_the_link_says() {
    const COUNT: u64 = 4_000;
    let latencies = |jitter| {
        let mut link = Link::new(10 * MS).distributed(jitter);
        link.max_latency = 10_000 * MS;
        let (mut network, a, b) = pair(20, link);
        for _ in 0..COUNT {
            send(&mut network, a, b, b"x");
        }
        network.run_to_rest(Duration::from_secs(60));
        let records = network.records().iter();
        let mut latencies: Vec<u128> = records
            .map(|record| record.arrivals[0].saturating_duration_since(record.sent))
            .map(|latency| latency.as_millis())
            .collect();
        latencies.sort_unstable();
        latencies
    };
    let below = |latencies: &[u128], limit| latencies.iter().filter(|at| **at < limit).count();

    let even = latencies(Jitter::Even(100 * MS));
    assert_eq!((even[0], *even.last().unwrap()), (10, 110));
    assert!((1850..2150).contains(&below(&even, 60)));

    let long = latencies(Jitter::HalfLife(100 * MS));
    assert!((1850..2150).contains(&below(&long, 110)));
    assert!((2880..3120).contains(&below(&long, 210)));
    assert!(*long.last().unwrap() > 800);

    // A quarter of a second for most, but one in five waits for the cell.
    let quantiles = [200, 220, 250, 280, 300, 4_000].map(Duration::from_millis);
    let measured = latencies(Jitter::Quantiles(quantiles.into()));
    assert!((3050..3350).contains(&below(&measured, 311)));
    assert!(measured[0] >= 210 && *measured.last().unwrap() > 3_800);

    let fixed = latencies(Jitter::Quantiles(vec![5 * MS]));
    assert_eq!((fixed[0], *fixed.last().unwrap()), (15, 15));
}

#[test]
fn a_node_that_sleeps_keeps_its_state_and_does_what_is_overdue_when_it_wakes() {
    let (mut network, a, b) = pair(21, Link::new(10 * MS));
    network.with(b, |b, now| b.alarm = Some(now + 500 * MS));
    send(&mut network, a, b, b"before");
    network.run_for(100 * MS);
    network.sleep(b);
    send(&mut network, a, b, b"unheard");
    network.run_for(Duration::from_secs(60));
    assert!(network.node(b).woken.is_empty());
    network.wake(b);
    send(&mut network, a, b, b"after");
    network.run_for(Duration::from_secs(1));
    assert_eq!(heard(&network, b), [b"before".to_vec(), b"after".to_vec()]);
    assert_eq!(network.node(b).woken, [Instant::from_millis(60_100)]);
}

#[test]
fn a_reboot_with_state_keeps_what_it_is_told_to() {
    let (mut network, a, b) = pair(22, Link::new(10 * MS));
    send(&mut network, a, b, b"one");
    network.run_for(Duration::from_secs(1));
    network.reboot_with(b, |old| Probe {
        heard: old.heard,
        ..Probe::default()
    });
    send(&mut network, a, b, b"two");
    network.run_for(Duration::from_secs(1));
    assert_eq!(heard(&network, b), [b"one", b"two"]);
    assert_eq!(network.node(b).channels.len(), 1);
}

#[test]
fn a_clock_that_runs_backwards_is_seen_by_the_node() {
    let (mut network, a, b) = pair(23, Link::new(10 * MS));
    network.run_for(Duration::from_secs(10));
    network.with(b, |b, now| b.alarm = Some(now + 1_000 * MS));
    network.jump_clock(b, -4_000);
    send(&mut network, a, b, b"x");
    network.run_to_rest(Duration::from_secs(100));
    assert_eq!(network.node(b).heard[0].0, Instant::from_millis(6_010));
    // What was to happen waits until the clock has caught up.
    assert_eq!(network.node(b).woken, [Instant::from_millis(11_000)]);
    assert_eq!(network.now(), Instant::from_millis(15_000));
    // Before its first moment there is none.
    network.jump_clock(b, -60_000);
    send(&mut network, a, b, b"x");
    network.run_to_rest(Duration::from_secs(100));
    assert_eq!(network.node(b).heard[1].0, Instant::ZERO);
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
        lines[1].contains("CON POST 1234 abcd /rd ?ep=x&lt=60 [6]"),
        "{chart}"
    );
    assert!(lines[2].contains("ACK 2.01 1234 abcd → /rd/7"), "{chart}");
    assert!(lines[3].contains("RST Empty 1235"), "{chart}");
}
