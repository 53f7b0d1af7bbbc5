//! One call into each crate, so that each is really linked.

use alloc::string::ToString;

use lwm2m_core::Path;

/// Which `main` of the proof runs; true is right.
pub(crate) const ALL: [fn() -> bool; 1] = [core];

fn core() -> bool {
    let path = "/3/0/9".parse::<Path>();
    path.is_ok_and(|path| path.to_string() == "/3/0/9")
}

// Crates without a call yet are named, so that they are compiled and linked all the same.
use lwm2m_json as _;
use lwm2m_linkformat as _;
use lwm2m_objects as _;
use lwm2m_statemachine as _;
use lwm2m_tlv as _;
