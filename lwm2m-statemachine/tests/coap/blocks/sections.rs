//! The rules of RFC 7959, section by section, each as an exact exchange. The flows of §3 are in
//! [`figures`](super::figures).

#![allow(clippy::too_many_lines, reason = "tables")]

use lwm2m_statemachine::coap::Config;

use super::{
    exact::{Exact, Role},
    support::config,
};

/// An endpoint in an exchange.
struct Rule {
    what: &'static str,
    role: Role,
    /// The size of its blocks.
    size: usize,
    /// The length of a server's answer.
    answer: usize,
    lines: &'static str,
    /// The lengths of what its application gets; `FAILED` for a request without a response.
    got: &'static [usize],
}

const FAILED: usize = usize::MAX;

#[track_caller]
fn check(rules: &[Rule]) {
    check_with(rules, |_| {});
}

#[track_caller]
fn check_with(rules: &[Rule], configure: impl Fn(&mut Config)) {
    for rule in rules {
        println!("{}", rule.what);
        let mut config = config(1, rule.size);
        configure(&mut config);
        let mut exact = Exact::new(rule.role, config, rule.answer);
        exact.run(rule.lines);
        assert_eq!(exact.got, rule.got, "{}", rule.what);
    }
}

use Role::{Client, Server};

#[test]
fn section_2_2_structure_of_a_block_option() {
    check(&[
        Rule {
            what: "the reserved size is 4.00 in a request, Block1 or Block2",
            role: Server,
            size: 1024,
            answer: 100,
            lines: "→ CON 1 PUT /x 1:#7 [0..10]
                    ← ACK 1 4.00
                    → CON 2 GET /x 2:#7
                    ← ACK 2 4.00",
            got: &[],
        },
        Rule {
            what: "in a response it is that of a critical option that is not understood",
            role: Client,
            size: 1024,
            answer: 0,
            lines: "!c GET /x
                    → CON 1 GET /x
                    ← ACK 1
                    ← CON 2 @1 2.05 2:#7 [0..10]
                    → RST 2",
            got: &[],
        },
        Rule {
            what: "a block with more to follow is as long as its size says",
            role: Server,
            size: 1024,
            answer: 0,
            lines: "→ CON 1 PUT /x 1:0/1/64 [0..63]
                    ← ACK 1 4.00 1:0/0/64
                    → CON 2 PUT /x 1:0/1/64 [0..65]
                    ← ACK 2 4.00 1:0/0/64",
            got: &[],
        },
        Rule {
            what: "the last one is of any length up to it, and may be empty",
            role: Server,
            size: 1024,
            answer: 0,
            lines: "→ CON 1 PUT /x 1:0/1/16 [0..16]
                    ← ACK 1 2.31 1:0/1/16
                    → CON 2 PUT /x 1:1/0/16
                    ← ACK 2 2.04 1:1/0/16
                    → CON 3 PUT /x 1:0/1/16 [0..16]
                    ← ACK 3 2.31 1:0/1/16
                    → CON 4 PUT /x 1:1/0/16 [16..32]
                    ← ACK 4 2.04 1:1/0/16
                    → CON 5 PUT /x 1:0/1/16 [0..16]
                    ← ACK 5 2.31 1:0/1/16
                    → CON 6 PUT /x 1:1/0/16 [16..33]
                    ← ACK 6 4.00 1:1/0/16",
            got: &[16, 32],
        },
        Rule {
            what: "any size from 16 to 1024 is served and taken",
            role: Server,
            size: 1024,
            answer: 1100,
            lines: "→ CON 1 GET /x 2:0/0/16
                    ← ACK 1 2.05 E:aa 2:0/1/16 S2:1100 [0..16]
                    → CON 2 GET /x 2:1/0/1024
                    ← ACK 2 2.05 E:aa 2:1/0/1024 [1024..1100]",
            got: &[0],
        },
    ]);
}

#[test]
fn section_2_3_block_options_in_requests_and_responses() {
    check(&[
        Rule {
            what: "Block1 in a request describes its payload, and the response repeats its number",
            role: Server,
            size: 1024,
            answer: 0,
            lines: "→ CON 1 PUT /x 1:0/0/64 [0..5]
                    ← ACK 1 2.04 1:0/0/64",
            got: &[5],
        },
        Rule {
            what: "Block2 in a request asks for a size; who needs none is told that this is all",
            role: Server,
            size: 1024,
            answer: 40,
            lines: "→ CON 1 GET /x 2:0/0/64
                    ← ACK 1 2.05 E:aa 2:0/0/64 [0..40]",
            got: &[0],
        },
        Rule {
            what: "also one whose body is exactly one block",
            role: Server,
            size: 1024,
            answer: 64,
            lines: "→ CON 1 GET /x 2:0/0/64
                    ← ACK 1 2.05 E:aa 2:0/0/64 [0..64]",
            got: &[0],
        },
        Rule {
            what: "the server's size may be smaller than the one that is asked for, not larger",
            role: Server,
            size: 64,
            answer: 100,
            lines: "→ CON 1 GET /x 2:0/0/512
                    ← ACK 1 2.05 E:aa 2:0/1/64 S2:100 [0..64]
                    → CON 2 GET /y 2:0/0/32
                    ← ACK 2 2.05 E:aa 2:0/1/32 S2:100 [0..32]",
            got: &[0, 0],
        },
        Rule {
            what: "the client goes on in the size that the server has chosen",
            role: Client,
            size: 512,
            answer: 0,
            lines: "!c GET /x
                    → CON 1 GET /x 2:0/0/512
                    ← ACK 1 2.05 2:0/1/32 [0..32]
                    → CON 2 GET /x 2:1/0/32
                    ← ACK 2 2.05 2:1/0/32 [32..50]",
            got: &[50],
        },
        Rule {
            what: "and again if it becomes smaller on the way",
            role: Client,
            size: 1024,
            answer: 0,
            lines: "!c GET /x
                    → CON 1 GET /x
                    ← ACK 1 2.05 2:0/1/64 [0..64]
                    → CON 2 GET /x 2:1/0/64
                    ← ACK 2 2.05 2:4/1/16 [64..80]
                    → CON 3 GET /x 2:5/0/16
                    ← ACK 3 2.05 2:5/0/16 [80..90]",
            got: &[90],
        },
    ]);
}

#[test]
fn section_2_4_using_the_block2_option() {
    check(&[
        Rule {
            what: "random access: any block alone, and none is needed before",
            role: Server,
            size: 1024,
            answer: 200,
            lines: "→ CON 1 GET /x 2:2/0/64
                    ← ACK 1 2.05 E:aa 2:2/1/64 [128..192]
                    → CON 2 GET /x 2:0/0/64
                    ← ACK 2 2.05 E:aa 2:0/1/64 S2:200 [0..64]
                    → CON 3 GET /x 2:3/0/64
                    ← ACK 3 2.05 E:aa 2:3/0/64 [192..200]",
            got: &[0, 0],
        },
        Rule {
            what: "a block beyond the end is 4.00",
            role: Server,
            size: 1024,
            answer: 128,
            lines: "→ CON 1 GET /x 2:0/0/64
                    ← ACK 1 2.05 E:aa 2:0/1/64 S2:128 [0..64]
                    → CON 2 GET /x 2:2/0/64
                    ← ACK 2 4.00",
            got: &[0],
        },
        Rule {
            what: "the ETag is in each block, and tells the client that the body has changed",
            role: Client,
            size: 1024,
            answer: 0,
            lines: "!c GET /x
                    → CON 1 GET /x
                    ← ACK 1 2.05 E:aa 2:0/1/16 [0..16]
                    → CON 2 GET /x 2:1/0/16
                    ← ACK 2 2.05 E:bb 2:1/0/16 [16..20]
                    → CON 3 GET /x 2:0/0/1024 RT
                    ← ACK 3 2.05 E:bb 2:0/1/16 [0..16]
                    → CON 4 GET /x 2:1/0/16 RT
                    ← ACK 4 2.05 E:bb 2:1/0/16 [16..20]",
            got: &[20],
        },
        Rule {
            what: "so does the Content-Format, which is that of the whole body",
            role: Client,
            size: 1024,
            answer: 0,
            lines: "!c GET /x
                    → CON 1 GET /x
                    ← ACK 1 2.05 CF:42 2:0/1/16 [0..16]
                    → CON 2 GET /x 2:1/0/16
                    ← ACK 2 2.05 CF:0 2:1/0/16 [16..20]
                    → CON 3 GET /x 2:0/0/1024 RT
                    ← ACK 3 2.05 CF:0 2:0/1/16 [0..16]
                    → CON 4 GET /x 2:1/0/16 RT
                    ← ACK 4 2.05 CF:0 2:1/0/16 [16..20]",
            got: &[20],
        },
        Rule {
            what: "who asks for a block of a body that is no more is served the new one, with its ETag",
            role: Server,
            size: 64,
            answer: 150,
            lines: "→ CON 1 GET /x
                    ← ACK 1 2.05 E:aa 2:0/1/64 S2:150 [0..64]
                    !s change 140
                    → CON 2 GET /x
                    ← ACK 2 2.05 E:bb 2:0/1/64 S2:140 [0..64]
                    → CON 3 GET /x 2:1/0/64
                    ← ACK 3 2.05 E:bb 2:1/1/64 [64..128]",
            got: &[0, 0],
        },
        Rule {
            what: "blocks are put together in their order; another one is none of the body",
            role: Client,
            size: 1024,
            answer: 0,
            lines: "!c GET /x
                    → CON 1 GET /x
                    ← ACK 1 2.05 2:0/1/16 [0..16]
                    → CON 2 GET /x 2:1/0/16
                    ← ACK 2 2.05 2:2/1/16 [32..48]",
            got: &[FAILED],
        },
        Rule {
            what: "a response may come separately, block for block",
            role: Client,
            size: 1024,
            answer: 0,
            lines: "!c GET /x
                    → CON 1 GET /x
                    ← ACK 1
                    ← CON 70 @1 2.05 2:0/1/16 [0..16]
                    → ACK 70
                    → CON 2 GET /x 2:1/0/16
                    ← ACK 2
                    ← CON 71 @2 2.05 2:1/0/16 [16..20]
                    → ACK 71",
            got: &[20],
        },
        Rule {
            what: "an error to a block is one to the request",
            role: Client,
            size: 1024,
            answer: 0,
            lines: "!c GET /x
                    → CON 1 GET /x
                    ← ACK 1 2.05 2:0/1/16 [0..16]
                    → CON 2 GET /x 2:1/0/16
                    ← ACK 2 4.04",
            got: &[0],
        },
        Rule {
            what: "one that says that the body is shorter now has it asked for again, once",
            role: Client,
            size: 1024,
            answer: 0,
            lines: "!c GET /x
                    → CON 1 GET /x
                    ← ACK 1 2.05 2:0/1/16 [0..16]
                    → CON 2 GET /x 2:1/0/16
                    ← ACK 2 4.00
                    → CON 3 GET /x 2:0/0/1024 RT
                    ← ACK 3 4.00",
            got: &[0],
        },
        Rule {
            what: "two resources of one client do not get in each other's way",
            role: Server,
            size: 64,
            answer: 100,
            lines: "→ CON 1 GET /x
                    ← ACK 1 2.05 E:aa 2:0/1/64 S2:100 [0..64]
                    !s change 90
                    → CON 2 GET /y
                    ← ACK 2 2.05 E:bb 2:0/1/64 S2:90 [0..64]
                    → CON 3 GET /x 2:1/0/64
                    ← ACK 3 2.05 E:aa 2:1/0/64 [64..100]
                    → CON 4 GET /y 2:1/0/64
                    ← ACK 4 2.05 E:bb 2:1/0/64 [64..90]",
            got: &[0, 0],
        },
    ]);
}

#[test]
fn section_2_5_using_the_block1_option() {
    check(&[
        Rule {
            what: "a block out of its turn is 4.08, and changes nothing",
            role: Server,
            size: 1024,
            answer: 0,
            lines: "→ CON 1 PUT /x 1:0/1/16 [0..16]
                    ← ACK 1 2.31 1:0/1/16
                    → CON 2 PUT /x 1:2/1/16 [32..48]
                    ← ACK 2 4.08 1:2/0/16
                    → CON 3 PUT /x 1:1/0/16 [16..30]
                    ← ACK 3 2.04 1:1/0/16",
            got: &[30],
        },
        Rule {
            what: "restart: block 0 begins a new body, whatever there is of an old one",
            role: Server,
            size: 1024,
            answer: 0,
            lines: "→ CON 1 PUT /x 1:0/1/32 [0..32]
                    ← ACK 1 2.31 1:0/1/32
                    → CON 2 PUT /x 1:1/1/32 [32..64]
                    ← ACK 2 2.31 1:1/1/32
                    → CON 3 PUT /x 1:0/1/16 [0..16]
                    ← ACK 3 2.31 1:0/1/16
                    → CON 4 PUT /x 1:1/0/16 [16..20]
                    ← ACK 4 2.04 1:1/0/16",
            got: &[20],
        },
        Rule {
            what: "the server says with its first answer how small the next blocks are to be",
            role: Server,
            size: 16,
            answer: 0,
            lines: "→ CON 1 PUT /x 1:0/1/64 [0..64]
                    ← ACK 1 2.31 1:0/1/16
                    → CON 2 PUT /x 1:4/0/16 [64..70]
                    ← ACK 2 2.04 1:4/0/16",
            got: &[70],
        },
        Rule {
            what: "a client that does not care is served all the same",
            role: Server,
            size: 16,
            answer: 0,
            lines: "→ CON 1 PUT /x 1:0/1/64 [0..64]
                    ← ACK 1 2.31 1:0/1/16
                    → CON 2 PUT /x 1:1/0/64 [64..70]
                    ← ACK 2 2.04 1:1/0/16",
            got: &[70],
        },
        Rule {
            what: "the client sends the next ones as small as the server wants them, never larger",
            role: Client,
            size: 64,
            answer: 0,
            lines: "!c PUT /x 100
                    → CON 1 PUT /x 1:0/1/64 S1:100 RT [0..64]
                    ← ACK 1 2.31 1:0/1/16
                    → CON 2 PUT /x 1:4/1/16 RT [64..80]
                    ← ACK 2 2.31 1:4/1/1024
                    → CON 3 PUT /x 1:5/1/16 RT [80..96]
                    ← ACK 3 2.31 1:5/1/16
                    → CON 4 PUT /x 1:6/0/16 RT [96..100]
                    ← ACK 4 2.04 1:6/0/16",
            got: &[0],
        },
        Rule {
            what: "a body has one Content-Format",
            role: Server,
            size: 1024,
            answer: 0,
            lines: "→ CON 1 PUT /x CF:42 1:0/1/16 [0..16]
                    ← ACK 1 2.31 1:0/1/16
                    → CON 2 PUT /x CF:0 1:1/0/16 [16..20]
                    ← ACK 2 4.08 1:1/0/16
                    → CON 3 PUT /x CF:42 1:1/0/16 [16..20]
                    ← ACK 3 2.04 1:1/0/16",
            got: &[20],
        },
        Rule {
            what: "a final response in the middle ends it",
            role: Client,
            size: 64,
            answer: 0,
            lines: "!c PUT /x 200
                    → CON 1 PUT /x 1:0/1/64 S1:200 RT [0..64]
                    ← ACK 1 4.03",
            got: &[0],
        },
        Rule {
            what: "a success in the middle that names no block is that of another body",
            role: Client,
            size: 64,
            answer: 0,
            lines: "!c PUT /x 200
                    → CON 1 PUT /x 1:0/1/64 S1:200 RT [0..64]
                    ← ACK 1 2.04",
            got: &[FAILED],
        },
        Rule {
            what: "bodies to one resource go one after the other",
            role: Client,
            size: 64,
            answer: 0,
            lines: "!c PUT /x 64
                    !c PUT /x 20
                    → CON 1 PUT /x [0..64]
                    ← ACK 1 2.04
                    → CON 2 PUT /x [0..20]
                    ← ACK 2 2.04",
            got: &[0, 0],
        },
    ]);
}

#[test]
fn section_2_6_combining_block_wise_transfers_with_observe() {
    check(&[
        Rule {
            what: "a notification has its first block; the rest is asked for without Observe",
            role: Client,
            size: 1024,
            answer: 0,
            lines: "!c observe /x
                    → CON 1 GET /x O:0
                    ← ACK 1 2.05 O:1 [0..5]
                    ← NON 70 @1 2.05 O:2 E:aa 2:0/1/16 [0..16]
                    → CON 2 GET /x 2:1/0/16
                    ← ACK 2 2.05 E:aa 2:1/0/16 [16..20]",
            got: &[5, 20],
        },
        Rule {
            what: "a newer one ends the asking for the older one",
            role: Client,
            size: 1024,
            answer: 0,
            lines: "!c observe /x
                    → CON 1 GET /x O:0
                    ← ACK 1 2.05 O:1 [0..5]
                    ← NON 70 @1 2.05 O:2 E:aa 2:0/1/16 [0..16]
                    → CON 2 GET /x 2:1/0/16
                    ← NON 71 @1 2.05 O:3 E:bb 2:0/1/16 [0..16]
                    → CON 3 GET /x 2:1/0/16
                    ← ACK 3 2.05 E:bb 2:1/0/16 [16..30]",
            got: &[5, 30],
        },
        Rule {
            what: "the server notifies in the size that the client asked for at first",
            role: Server,
            size: 1024,
            answer: 10,
            lines: "→ CON 1 GET /x O:0 2:0/0/32
                    ← ACK 1 2.05 E:aa O:62350 2:0/0/32 [0..10]
                    !s notify 40
                    ← CON 70 @1 2.05 E:bb O:62354 2:0/1/32 S2:40 [0..32]
                    → ACK 70
                    → CON 2 GET /x 2:1/0/32
                    ← ACK 2 2.05 E:bb 2:1/0/32 [32..40]",
            got: &[0],
        },
        Rule {
            what: "a request for a later block is none to observe",
            role: Server,
            size: 64,
            answer: 100,
            lines: "→ CON 1 GET /x O:0
                    ← ACK 1 2.05 E:aa O:62350 2:0/1/64 S2:100 [0..64]
                    → CON 2 GET /x O:0 2:1/0/64
                    ← ACK 2 2.05 E:aa 2:1/0/64 [64..100]",
            got: &[0],
        },
        Rule {
            what: "nor is one to observe begun with a later block",
            role: Server,
            size: 64,
            answer: 100,
            lines: "→ CON 1 GET /x O:0 2:1/0/64
                    ← ACK 1 4.08
                    → CON 2 GET /x O:0
                    ← ACK 2 2.05 E:aa O:62350 2:0/1/64 S2:100 [0..64]",
            got: &[0],
        },
    ]);
}

#[test]
fn section_2_7_combining_block1_and_block2() {
    check(&[
        Rule {
            what: "the last block of the request is answered with the first of the response",
            role: Server,
            size: 16,
            answer: 20,
            lines: "→ CON 1 POST /x 1:0/1/16 [0..16]
                    ← ACK 1 2.31 1:0/1/16
                    → CON 2 POST /x 1:1/0/16 [16..20]
                    ← ACK 2 2.04 E:aa 2:0/1/16 1:1/0/16 S2:20 [0..16]
                    → CON 3 POST /x 2:1/0/16
                    ← ACK 3 2.04 E:aa 2:1/0/16 [16..20]",
            got: &[20],
        },
        Rule {
            what: "a small request may have a large answer, and is run once",
            role: Server,
            size: 16,
            answer: 40,
            lines: "→ CON 1 POST /x [0..4]
                    ← ACK 1 2.04 E:aa 2:0/1/16 S2:40 [0..16]
                    → CON 2 POST /x 2:1/0/16
                    ← ACK 2 2.04 E:aa 2:1/1/16 [16..32]
                    → CON 3 POST /x 2:2/0/16
                    ← ACK 3 2.04 E:aa 2:2/0/16 [32..40]
                    → CON 4 POST /x 2:2/0/16
                    ← ACK 4 4.08",
            got: &[4],
        },
        Rule {
            what: "the client's next requests have Block2 alone, and no payload",
            role: Client,
            size: 16,
            answer: 0,
            lines: "!c POST /x 10
                    → CON 1 POST /x [0..10]
                    ← ACK 1 2.04 E:aa 2:0/1/16 [0..16]
                    → CON 2 POST /x 2:1/0/16
                    ← ACK 2 2.04 E:aa 2:1/0/16 [16..30]",
            got: &[30],
        },
    ]);
}

#[test]
fn section_2_9_response_codes() {
    check(&[
        Rule {
            what: "2.9.2: 4.08 has the client begin again from block 0",
            role: Client,
            size: 16,
            answer: 0,
            lines: "!c PUT /x 20
                    → CON 1 PUT /x 1:0/1/16 S1:20 RT [0..16]
                    ← ACK 1 2.31 1:0/1/16
                    → CON 2 PUT /x 1:1/0/16 RT [16..20]
                    ← ACK 2 4.08 1:1/0/16
                    → CON 3 PUT /x 1:0/1/16 S1:20 RT [0..16]
                    ← ACK 3 2.31 1:0/1/16
                    → CON 4 PUT /x 1:1/0/16 RT [16..20]
                    ← ACK 4 2.04 1:1/0/16",
            got: &[0],
        },
        Rule {
            what: "2.9.2: but 4.08 to block 0, before which there is none, is the outcome",
            role: Client,
            size: 16,
            answer: 0,
            lines: "!c PUT /x 20
                    → CON 1 PUT /x 1:0/1/16 S1:20 RT [0..16]
                    ← ACK 1 4.08 1:0/1/16",
            got: &[0],
        },
        Rule {
            what: "2.9.2: a block of nothing that is known is 4.08",
            role: Server,
            size: 1024,
            answer: 0,
            lines: "→ CON 1 PUT /x 1:3/1/16 [48..64]
                    ← ACK 1 4.08 1:3/0/16
                    → CON 2 PUT /x 1:3/0/16 [48..50]
                    ← ACK 2 4.08 1:3/0/16",
            got: &[],
        },
        Rule {
            what: "2.9.3: 4.13 with a smaller size says how it could go on",
            role: Client,
            size: 64,
            answer: 0,
            lines: "!c PUT /x 70
                    → CON 1 PUT /x 1:0/1/64 S1:70 RT [0..64]
                    ← ACK 1 4.13 1:0/0/32
                    → CON 2 PUT /x 1:0/1/32 S1:70 RT [0..32]
                    ← ACK 2 2.31 1:0/1/32
                    → CON 3 PUT /x 1:1/1/32 RT [32..64]
                    ← ACK 3 4.13 1:1/0/16
                    → CON 4 PUT /x 1:2/1/16 RT [32..48]
                    ← ACK 4 2.31 1:2/1/16
                    → CON 5 PUT /x 1:3/1/16 RT [48..64]
                    ← ACK 5 2.31 1:3/1/16
                    → CON 6 PUT /x 1:4/0/16 RT [64..70]
                    ← ACK 6 2.04 1:4/0/16",
            got: &[0],
        },
        Rule {
            what: "2.9.3: 4.13 without one is the outcome",
            role: Client,
            size: 64,
            answer: 0,
            lines: "!c PUT /x 70
                    → CON 1 PUT /x 1:0/1/64 S1:70 RT [0..64]
                    ← ACK 1 4.13 S1:50",
            got: &[0],
        },
        Rule {
            what: "2.9.3: and so it is with the size that was sent",
            role: Client,
            size: 16,
            answer: 0,
            lines: "!c PUT /x 70
                    → CON 1 PUT /x 1:0/1/16 S1:70 RT [0..16]
                    ← ACK 1 4.13 1:0/0/16",
            got: &[0],
        },
    ]);
    let small = |config: &mut Config| config.bounds.body = 40;
    check_with(
        &[
            Rule {
                what: "2.9.3: a body that is announced too large is 4.13, and Size1 says what goes",
                role: Server,
                size: 1024,
                answer: 0,
                lines: "→ CON 1 PUT /x 1:0/1/16 S1:41 [0..16]
                        ← ACK 1 4.13 1:0/0/16 S1:40
                        → CON 2 PUT /x 1:0/1/16 S1:40 [0..16]
                        ← ACK 2 2.31 1:0/1/16",
                got: &[],
            },
            Rule {
                what: "2.9.3: one of exactly what goes is taken",
                role: Server,
                size: 1024,
                answer: 0,
                lines: "→ CON 1 PUT /x 1:0/1/32 [0..32]
                        ← ACK 1 2.31 1:0/1/32
                        → CON 2 PUT /x 1:1/0/32 [32..40]
                        ← ACK 2 2.04 1:1/0/32",
                got: &[40],
            },
            Rule {
                what: "2.9.3: one that becomes too large is so when it does",
                role: Server,
                size: 1024,
                answer: 0,
                lines: "→ CON 1 PUT /x 1:0/1/32 [0..32]
                        ← ACK 1 2.31 1:0/1/32
                        → CON 2 PUT /x 1:1/0/32 [32..41]
                        ← ACK 2 4.13 1:1/0/32 S1:40
                        → CON 3 PUT /x 1:1/0/32 [32..40]
                        ← ACK 3 4.08 1:1/0/32",
                got: &[],
            },
        ],
        small,
    );
}

#[test]
fn section_4_the_size_options() {
    check(&[
        Rule {
            what: "Size2 is in the first block, and in none of the others",
            role: Server,
            size: 16,
            answer: 40,
            lines: "→ CON 1 GET /x S2:0
                    ← ACK 1 2.05 E:aa 2:0/1/16 S2:40 [0..16]
                    → CON 2 GET /x 2:1/0/16
                    ← ACK 2 2.05 E:aa 2:1/1/16 [16..32]",
            got: &[0],
        },
        Rule {
            what: "a size that turns out to be another is no error",
            role: Client,
            size: 1024,
            answer: 0,
            lines: "!c GET /x
                    → CON 1 GET /x
                    ← ACK 1 2.05 2:0/1/16 S2:99 [0..16]
                    → CON 2 GET /x 2:1/0/16
                    ← ACK 2 2.05 2:1/0/16 [16..20]",
            got: &[20],
        },
    ]);
}
