//! The cost of block-wise transfers under loss: bodies of three sizes, both ways, at five rates of
//! loss. The table is in `sweep.txt`, so that a change that makes transfers fail more often, take
//! longer or send more shows in review. The seeds decide everything: a change of the random draws
//! moves the figures a little, and means nothing.
//!
//! `UPDATE_SWEEP=1 cargo test -p lwm2m-statemachine --test coap sweep` rewrites the table.

use core::{fmt::Write as _, time::Duration};
use std::{env, fs};

use lwm2m_core::{Code, Instant, Method};
use lwm2m_simulation::{Address, Application, Host, Link, Network, body, body_number};
use lwm2m_statemachine::coap::{
    Config, Endpoint, Event, MessageBuf, OwnedIncoming, RequestId, RequestOptions,
};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/coap/sweep.txt");
const COMMAND: &str = "UPDATE_SWEEP=1 cargo test -p lwm2m-statemachine --test coap sweep";
const METHODS: [Method; 2] = [Method::Put, Method::Get];
const KIB: [usize; 3] = [1, 16, 64];
const LOSS_PERCENT: [u32; 5] = [0, 5, 10, 20, 30];
/// Odd, so that there is a median.
const SEEDS: u64 = 51;
/// The latency of each way.
const LATENCY: Duration = Duration::from_millis(50);
/// Longer than any transfer.
const LIMIT: Duration = Duration::from_secs(100_000);

/// Makes one request, or answers it.
struct Side {
    /// The answer to a GET.
    body: Vec<u8>,
    asked: Option<RequestId>,
    /// Whether the request succeeded.
    outcome: Option<bool>,
    /// The PUT bodies that arrived, all complete.
    effects: usize,
}

impl Side {
    fn answer(&mut self, method: Code, came: &[u8]) -> MessageBuf {
        if method == Code::GET {
            let mut message = MessageBuf::response(Code::CONTENT);
            message.payload(&self.body);
            return message;
        }
        assert_eq!(body_number(came), Some(1), "a torn body");
        self.effects += 1;
        MessageBuf::response(Code::CHANGED)
    }

    fn settle(&mut self, request: RequestId, success: bool) {
        assert_eq!(self.asked, Some(request));
        assert_eq!(self.outcome, None, "a second outcome");
        self.outcome = Some(success);
    }
}

impl Application for Side {
    type Machine = Endpoint<Address>;

    fn handle_event(&mut self, now: Instant, node: &mut Self::Machine, event: Event<Address>) {
        match event {
            Event::Incoming {
                incoming:
                    OwnedIncoming::Request {
                        responder,
                        request,
                        body,
                    },
                ..
            } => {
                let request = request.message();
                let body = body.as_deref().unwrap_or(request.payload());
                let answer = self.answer(request.code(), body);
                node.respond(now, responder, answer).unwrap();
            }
            Event::Incoming {
                incoming:
                    OwnedIncoming::Response {
                        request,
                        response,
                        body,
                        ..
                    },
                ..
            } => {
                let response = response.message();
                let body = body.as_deref().unwrap_or(response.payload());
                let whole = response.code() != Code::CONTENT || body_number(body) == Some(1);
                assert!(whole, "a torn body");
                self.settle(request, response.code().is_success());
            }
            Event::RequestFailed { request, .. } => self.settle(request, false),
            other => panic!("{other:?}"),
        }
    }

    fn peer(&mut self, address: Address) -> Option<Address> {
        Some(address)
    }

    fn address(&self, peer: &Address) -> Option<Address> {
        Some(*peer)
    }
}

/// A transfer that succeeded.
struct Cost {
    millis: u64,
    datagrams: u64,
}

/// One transfer over a network of its own.
fn transfer(seed: u64, method: Method, length: usize, loss_percent: u32) -> Option<Cost> {
    let mut network = Network::new(seed);
    let loss = f64::from(loss_percent) / 100.0;
    network.set_default_link(Link::new(LATENCY).losing(loss));
    let [client, server] = ["client", "server"].map(|name| {
        let config = Config::new(network.random().seed());
        let side = Side {
            body: body(1, length),
            asked: None,
            outcome: None,
            effects: 0,
        };
        network.add(name, Host::new(Endpoint::new(config), side))
    });
    let to = network.address(server);
    network.with(client, |host, now| {
        let mut message = MessageBuf::request(method);
        message.uri_path("body").unwrap();
        if method == Method::Put {
            message.payload(&host.application.body);
        }
        let options = RequestOptions::default();
        let request = host.machine.request(now, to, message, options).unwrap();
        host.application.asked = Some(request);
    });
    let settled = |network: &Network| network.node(client).application.outcome.is_some();
    assert!(network.run_until(LIMIT, settled), "no outcome");
    let success = network.node(client).application.outcome == Some(true);
    let effects = network.node(server).application.effects;
    // A PUT that wasn't reported may still have had its effect.
    let allowed = match (method, success) {
        (Method::Put, true) => 1..=1,
        (Method::Put, false) => 0..=1,
        _ => 0..=0,
    };
    assert!(allowed.contains(&effects), "{effects} effects");
    success.then(|| Cost {
        millis: network.now().as_millis(),
        datagrams: network.datagrams().0,
    })
}

/// The median; of an even number, the upper one.
fn median(costs: &[Cost], of: impl Fn(&Cost) -> u64) -> Option<u64> {
    let mut values: Vec<u64> = costs.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

fn table() -> String {
    let mut table = format!(
        "# {SEEDS} transfers each, in blocks of 1024 bytes over links of {} ms each way, with the\n\
         # transmission parameters of RFC 7252. Medians are those of the transfers that succeeded.\n\
         # Written by: {COMMAND}\n\
         method   KiB  loss %  succeeded  seconds  datagrams\n",
        LATENCY.as_millis()
    );
    for method in METHODS {
        for kib in KIB {
            for loss in LOSS_PERCENT {
                let costs: Vec<Cost> = (0..SEEDS)
                    .filter_map(|seed| transfer(seed, method, kib * 1024, loss))
                    .collect();
                let succeeded = format!("{}/{SEEDS}", costs.len());
                let seconds = median(&costs, |cost| cost.millis)
                    .map_or("-".into(), |ms| format!("{}.{:03}", ms / 1000, ms % 1000));
                let datagrams = median(&costs, |cost| cost.datagrams)
                    .map_or("-".into(), |datagrams| datagrams.to_string());
                let method = format!("{method:?}").to_uppercase();
                writeln!(
                    table,
                    "{method:<6} {kib:>5} {loss:>7} {succeeded:>10} {seconds:>8} {datagrams:>10}"
                )
                .unwrap();
            }
        }
    }
    table
}

#[test]
fn the_cost_of_loss_is_that_of_the_table() {
    let table = table();
    if env::var_os("UPDATE_SWEEP").is_some() {
        fs::write(TABLE, table).unwrap();
        return;
    }
    let kept = fs::read_to_string(TABLE).unwrap_or_default();
    assert!(
        kept == table,
        "{TABLE} has other figures. If those below are as they should be:\n  {COMMAND}\n\n{table}"
    );
}

#[test]
fn without_loss_each_block_takes_one_round_trip() {
    for method in METHODS {
        for kib in KIB {
            let cost = transfer(0, method, kib * 1024, 0).expect("nothing gets lost");
            let blocks = kib as u64;
            let round_trip = 2 * u64::try_from(LATENCY.as_millis()).unwrap();
            assert_eq!(cost.datagrams, 2 * blocks);
            assert_eq!(cost.millis, round_trip * blocks);
        }
    }
}
