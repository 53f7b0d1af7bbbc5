//! How often the radio of a device is up that reports something every hour for a year. The table is in `year.txt`, so
//! that a change that keeps devices awake for longer, or has them send more, shows in review.
//!
//! `UPDATE_YEAR=1 cargo test -p lwm2m-statemachine --test world year` rewrites the table.

mod device;
mod platform;

use core::{fmt::Write as _, time::Duration};
use std::{env, fs, thread};

use lwm2m_simulation::{Link, Network};
use lwm2m_statemachine::{Server, ServerConfig};

use self::{
    device::{Device, LIFETIME},
    platform::Platform,
};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/world/year/year.txt");
const COMMAND: &str = "UPDATE_YEAR=1 cargo test -p lwm2m-statemachine --test world year";
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
/// The latency of each way.
const LATENCY: Duration = Duration::from_millis(50);

/// What a device does between its reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It is awake all the time.
    Awake,
    /// Its Client is in Queue Mode, and wakes to notify.
    Wakes,
    /// Its Client is in Queue Mode, and stores until it sends an Update for another reason.
    Stores,
    /// It has no power, and goes on with a snapshot.
    Restores,
    /// It has no power, and registers anew.
    Registers,
}

/// A row of the table.
struct Row {
    name: &'static str,
    way: Way,
    /// How long the Client stays awake, if not for MAX_TRANSMIT_WAIT.
    awake: Option<Duration>,
}

const ROWS: [Row; 6] = [
    Row::new("without Queue Mode", Way::Awake),
    Row::new("Queue Mode, wakes to notify", Way::Wakes),
    Row::new("the same, awake for 10 s", Way::Wakes).awake_for(10),
    Row::new("Queue Mode, stores for the next Update", Way::Stores),
    Row::new("powered off, goes on with a snapshot", Way::Restores),
    Row::new("powered off, registers anew", Way::Registers),
];

/// What the year was like.
struct Cost {
    /// How many reports the server has heard.
    heard: u64,
    /// How old they were at most.
    oldest: Duration,
    /// How often the radio was powered up, and for how long it was up in all.
    periods: u64,
    up: Duration,
    /// Datagrams that the device has sent and received, and their bytes.
    datagrams: u64,
    bytes: u64,
    registrations: u64,
}

impl Row {
    const fn new(name: &'static str, way: Way) -> Self {
        Self {
            name,
            way,
            awake: None,
        }
    }

    const fn awake_for(self, seconds: u64) -> Self {
        Self {
            awake: Some(Duration::from_secs(seconds)),
            ..self
        }
    }

    fn cost(&self) -> Cost {
        let mut network = Network::new(1);
        network.set_default_link(Link::new(LATENCY));
        network.keep_records(20);
        let mut config = ServerConfig::new(network.random().seed());
        // The server takes off what is under way.
        let under_way = Duration::from_secs(2);
        config.queue_mode.awake = self.awake.map(|awake| awake.saturating_sub(under_way));
        let platform = network.add("server", Platform::new(Server::new(config)));
        let server = network.address(platform);
        let seed = network.random().number();
        let device = Device::new(self.way, self.awake, server, seed);
        let device = network.add("device", device);
        network.run_for(YEAR);
        let now = network.now();
        let (device, platform) = (network.node(device), network.node(platform));
        let (heard, oldest) = platform.heard();
        Cost {
            heard,
            oldest,
            periods: device.periods,
            up: device.up(now),
            datagrams: device.datagrams,
            bytes: device.bytes,
            registrations: platform.registrations,
        }
    }
}

/// All rows, each on a thread of its own.
fn costs() -> Vec<Cost> {
    thread::scope(|scope| {
        let threads = ROWS.each_ref().map(|row| scope.spawn(|| row.cost()));
        let costs = threads.into_iter().map(|thread| thread.join().unwrap());
        costs.collect()
    })
}

fn table(costs: &[Cost]) -> String {
    let mut table = format!(
        "# A device that reports every hour for a year, with a Lifetime of {LIFETIME} s, over links of {} ms each way\n\
         # that lose nothing. Its radio is up from the moment at which its Client wakes until that may sleep; what\n\
         # the radio needs to find its network comes on top. \"age\" is that of the oldest report when the server\n\
         # heard it. Datagrams and bytes are those of CoAP, both ways.\n\
         # Written by: {COMMAND}\n\
         {:<38} {:>6} {:>8} {:>9} {:>6} {:>11} {:>9} {:>8}\n",
        LATENCY.as_millis(),
        "device",
        "heard",
        "age, s",
        "registers",
        "ups",
        "seconds up",
        "datagrams",
        "bytes",
    );
    for (row, cost) in ROWS.iter().zip(costs) {
        let oldest = format!("{:.1}", cost.oldest.as_secs_f64());
        writeln!(
            table,
            "{:<38} {:>6} {:>8} {:>9} {:>6} {:>11} {:>9} {:>8}",
            row.name,
            cost.heard,
            oldest,
            cost.registrations,
            cost.periods,
            cost.up.as_secs(),
            cost.datagrams,
            cost.bytes
        )
        .unwrap();
    }
    table
}

#[test]
fn the_year_of_a_device_is_that_of_the_table() {
    let costs = costs();
    for (row, cost) in ROWS.iter().zip(&costs) {
        let waits = if row.way == Way::Stores { 24 } else { 1 };
        let hours = YEAR.as_secs() / HOUR.as_secs();
        assert!(
            cost.heard + waits >= hours,
            "{}: a report is lost",
            row.name
        );
    }
    let table = table(&costs);
    if env::var_os("UPDATE_YEAR").is_some() {
        fs::write(TABLE, table).unwrap();
        return;
    }
    let kept = fs::read_to_string(TABLE).unwrap_or_default();
    assert!(
        kept == table,
        "{TABLE} has other figures. If those below are as they should be:\n  {COMMAND}\n\n{table}"
    );
}
