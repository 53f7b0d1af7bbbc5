//! The example flows of RFC 7959 §3, datagram by datagram, with our client and with our server, to
//! the byte. The message ids are those of the figures.
//!
//! There are options that the figures leave out: our client adds a Request-Tag to blocks of
//! requests, and both sides add the size of a body to its first block.

use super::{
    exact::{Exact, Role},
    support::config,
};

/// A figure; the endpoint has blocks of this size.
struct Figure {
    client: Option<usize>,
    server: Option<usize>,
    /// The length of the server's answer.
    answer: usize,
    /// Whether the server acts on each block by itself.
    stateless: bool,
    lines: &'static str,
}

impl Figure {
    const fn new(client: usize, server: usize, answer: usize, lines: &'static str) -> Self {
        Self {
            client: Some(client),
            server: Some(server),
            answer,
            stateless: false,
            lines,
        }
    }

    /// Checks it; returns what the applications of client and server got.
    #[track_caller]
    fn check(&self) -> (Vec<usize>, Vec<usize>) {
        let sides = [(Role::Client, self.client), (Role::Server, self.server)];
        let [client, server] = sides.map(|(role, size)| {
            let Some(size) = size else {
                return Vec::new();
            };
            let mut config = config(1, size);
            config.stream_requests = self.stateless;
            let mut exact = Exact::new(role, config, self.answer);
            exact.run(self.lines);
            exact.got
        });
        (client, server)
    }
}

#[test]
fn figure_2_simple_block_wise_get() {
    let got = Figure::new(
        1024,
        128,
        300,
        "!c GET /status
         → CON 1234 GET /status
         ← ACK 1234 2.05 E:aa 2:0/1/128 S2:300 [0..128]
         → CON 1235 GET /status 2:1/0/128
         ← ACK 1235 2.05 E:aa 2:1/1/128 [128..256]
         → CON 1236 GET /status 2:2/0/128
         ← ACK 1236 2.05 E:aa 2:2/0/128 [256..300]",
    )
    .check();
    assert_eq!(got, (vec![300], vec![0]));
}

#[test]
fn figure_3_block_wise_get_with_early_negotiation() {
    let got = Figure::new(
        64,
        1024,
        350,
        "!c GET /status
         → CON 1234 GET /status 2:0/0/64
         ← ACK 1234 2.05 E:aa 2:0/1/64 S2:350 [0..64]
         → CON 1235 GET /status 2:1/0/64
         ← ACK 1235 2.05 E:aa 2:1/1/64 [64..128]
         → CON 1236 GET /status 2:2/0/64
         ← ACK 1236 2.05 E:aa 2:2/1/64 [128..192]
         → CON 1237 GET /status 2:3/0/64
         ← ACK 1237 2.05 E:aa 2:3/1/64 [192..256]
         → CON 1238 GET /status 2:4/0/64
         ← ACK 1238 2.05 E:aa 2:4/1/64 [256..320]
         → CON 1239 GET /status 2:5/0/64
         ← ACK 1239 2.05 E:aa 2:5/0/64 [320..350]",
    )
    .check();
    assert_eq!(got, (vec![350], vec![0]));
}

/// A client with small blocks negotiates early, so ours can't play this one.
#[test]
fn figure_4_block_wise_get_with_late_negotiation() {
    let figure = Figure {
        client: None,
        ..Figure::new(
            0,
            128,
            350,
            "→ CON 1234 GET /status
             ← ACK 1234 2.05 E:aa 2:0/1/128 S2:350 [0..128]
             → CON 1235 GET /status 2:2/0/64
             ← ACK 1235 2.05 E:aa 2:2/1/64 [128..192]
             → CON 1236 GET /status 2:3/0/64
             ← ACK 1236 2.05 E:aa 2:3/1/64 [192..256]
             → CON 1237 GET /status 2:4/0/64
             ← ACK 1237 2.05 E:aa 2:4/1/64 [256..320]
             → CON 1238 GET /status 2:5/0/64
             ← ACK 1238 2.05 E:aa 2:5/0/64 [320..350]",
        )
    };
    assert_eq!(figure.check().1, [0], "the body is rendered once");
}

#[test]
fn figure_5_block_wise_get_with_late_negotiation_and_a_lost_request() {
    let figure = Figure::new(
        64,
        1024,
        200,
        "!c GET /status
         → CON 1234 GET /status 2:0/0/64
         ← ACK 1234 2.05 E:aa 2:0/1/64 S2:200 [0..64]
         → CON 1235 GET /status 2:1/0/64
         ← ACK 1235 2.05 E:aa 2:1/1/64 [64..128]
         ⇥ CON 1236 GET /status 2:2/0/64
         !c again
         → CON 1236 GET /status 2:2/0/64
         ← ACK 1236 2.05 E:aa 2:2/1/64 [128..192]
         → CON 1237 GET /status 2:3/0/64
         ← ACK 1237 2.05 E:aa 2:3/0/64 [192..200]",
    );
    assert_eq!(figure.check(), (vec![200], vec![0]));
}

#[test]
fn figure_6_block_wise_get_with_late_negotiation_and_a_lost_acknowledgement() {
    let figure = Figure::new(
        64,
        1024,
        200,
        "!c GET /status
         → CON 1234 GET /status 2:0/0/64
         ← ACK 1234 2.05 E:aa 2:0/1/64 S2:200 [0..64]
         → CON 1235 GET /status 2:1/0/64
         ← ACK 1235 2.05 E:aa 2:1/1/64 [64..128]
         → CON 1236 GET /status 2:2/0/64
         ⇤ ACK 1236 2.05 E:aa 2:2/1/64 [128..192]
         !c again
         → CON 1236 GET /status 2:2/0/64
         ← ACK 1236 2.05 E:aa 2:2/1/64 [128..192]
         → CON 1237 GET /status 2:3/0/64
         ← ACK 1237 2.05 E:aa 2:3/0/64 [192..200]",
    );
    assert_eq!(figure.check(), (vec![200], vec![0]));
}

#[test]
fn figure_7_simple_atomic_block_wise_put() {
    let figure = Figure::new(
        128,
        1024,
        0,
        "!c PUT /options 300
         → CON 1234 PUT /options 1:0/1/128 S1:300 RT [0..128]
         ← ACK 1234 2.31 1:0/1/128
         → CON 1235 PUT /options 1:1/1/128 RT [128..256]
         ← ACK 1235 2.31 1:1/1/128
         → CON 1236 PUT /options 1:2/0/128 RT [256..300]
         ← ACK 1236 2.04 1:2/0/128",
    );
    assert_eq!(figure.check(), (vec![0], vec![300]));
}

#[test]
fn figure_8_simple_stateless_block_wise_put() {
    let figure = Figure {
        stateless: true,
        ..Figure::new(
            128,
            1024,
            0,
            "!c PUT /options 300
             → CON 1234 PUT /options 1:0/1/128 S1:300 RT [0..128]
             ← ACK 1234 2.04 1:0/0/128
             → CON 1235 PUT /options 1:1/1/128 RT [128..256]
             ← ACK 1235 2.04 1:1/0/128
             → CON 1236 PUT /options 1:2/0/128 RT [256..300]
             ← ACK 1236 2.04 1:2/0/128",
        )
    };
    assert_eq!(figure.check(), (vec![0], vec![128, 128, 44]));
}

#[test]
fn figure_9_simple_atomic_block_wise_put_with_negotiation() {
    let figure = Figure::new(
        128,
        32,
        0,
        "!c PUT /options 220
         → CON 1234 PUT /options 1:0/1/128 S1:220 RT [0..128]
         ← ACK 1234 2.31 1:0/1/32
         → CON 1235 PUT /options 1:4/1/32 RT [128..160]
         ← ACK 1235 2.31 1:4/1/32
         → CON 1236 PUT /options 1:5/1/32 RT [160..192]
         ← ACK 1236 2.31 1:5/1/32
         → CON 1237 PUT /options 1:6/0/32 RT [192..220]
         ← ACK 1237 2.04 1:6/0/32",
    );
    assert_eq!(figure.check(), (vec![0], vec![220]));
}

#[test]
fn figure_10_observe_sequence_with_block_wise_response() {
    let figure = Figure::new(
        1024,
        128,
        290,
        "!c observe /status
         → CON 1250 GET /status O:0
         ← ACK 1250 2.05 E:aa O:62350 2:0/1/128 S2:290 [0..128]
         → CON 1251 GET /status 2:1/0/128
         ← ACK 1251 2.05 E:aa 2:1/1/128 [128..256]
         → CON 1252 GET /status 2:2/0/128
         ← ACK 1252 2.05 E:aa 2:2/0/128 [256..290]
         !s notify 300
         ← CON 34545 @1250 2.05 E:bb O:62354 2:0/1/128 S2:300 [0..128]
         → ACK 34545
         → CON 1253 GET /status 2:1/0/128
         ← ACK 1253 2.05 E:bb 2:1/1/128 [128..256]
         → CON 1254 GET /status 2:2/0/128
         ← ACK 1254 2.05 E:bb 2:2/0/128 [256..300]",
    );
    assert_eq!(figure.check(), (vec![290, 300], vec![0]));
}

#[test]
fn figure_11_observe_sequence_with_early_negotiation() {
    let figure = Figure::new(
        64,
        1024,
        100,
        "!c observe /status
         → CON 1250 GET /status O:0 2:0/0/64
         ← ACK 1250 2.05 E:aa O:62350 2:0/1/64 S2:100 [0..64]
         → CON 1251 GET /status 2:1/0/64
         ← ACK 1251 2.05 E:aa 2:1/0/64 [64..100]
         !s notify 150
         ← CON 34545 @1250 2.05 E:bb O:62354 2:0/1/64 S2:150 [0..64]
         → ACK 34545
         → CON 1252 GET /status 2:1/0/64
         ← ACK 1252 2.05 E:bb 2:1/1/64 [64..128]
         → CON 1253 GET /status 2:2/0/64
         ← ACK 1253 2.05 E:bb 2:2/0/64 [128..150]",
    );
    assert_eq!(figure.check(), (vec![100, 150], vec![0]));
}

#[test]
fn figure_12_atomic_block_wise_post_with_block_wise_response() {
    let figure = Figure::new(
        128,
        128,
        400,
        "!c POST /soap 300
         → CON 1234 POST /soap 1:0/1/128 S1:300 RT [0..128]
         ← ACK 1234 2.31 1:0/1/128
         → CON 1235 POST /soap 1:1/1/128 RT [128..256]
         ← ACK 1235 2.31 1:1/1/128
         → CON 1236 POST /soap 1:2/0/128 RT [256..300]
         ← ACK 1236 2.04 E:aa 2:0/1/128 1:2/0/128 S2:400 [0..128]
         → CON 1237 POST /soap 2:1/0/128 RT
         ← ACK 1237 2.04 E:aa 2:1/1/128 [128..256]
         → CON 1238 POST /soap 2:2/0/128 RT
         ← ACK 1238 2.04 E:aa 2:2/1/128 [256..384]
         → CON 1239 POST /soap 2:3/0/128 RT
         ← ACK 1239 2.04 E:aa 2:3/0/128 [384..400]",
    );
    assert_eq!(figure.check(), (vec![400], vec![300]));
}

/// Our client doesn't ask for a block size of the answer with its last block.
#[test]
fn figure_13_atomic_block_wise_post_with_early_negotiation() {
    let figure = Figure {
        client: None,
        ..Figure::new(
            0,
            1024,
            150,
            "→ CON 1234 POST /soap 1:0/1/128 [0..128]
             ← ACK 1234 2.31 1:0/1/128
             → CON 1235 POST /soap 1:1/1/128 [128..256]
             ← ACK 1235 2.31 1:1/1/128
             → CON 1236 POST /soap 1:2/0/128 2:0/0/64 [256..300]
             ← ACK 1236 2.04 E:aa 1:2/0/128 2:0/1/64 S2:150 [0..64]
             → CON 1237 POST /soap 2:1/0/64
             ← ACK 1237 2.04 E:aa 2:1/1/64 [64..128]
             → CON 1238 POST /soap 2:2/0/64
             ← ACK 1238 2.04 E:aa 2:2/0/64 [128..150]",
        )
    };
    assert_eq!(figure.check().1, [300]);
}
