//! What must happen over all seeds together: an invariant proves nothing about what never happens.

use super::book::Tally;

const DEEDS: &[&str] = &[
    "Cancel: content",
    "Create: created",
    "Create: refused 4.00",
    "Create: refused 4.01",
    "De-register and back",
    "Delete: deleted",
    "Delete: refused 4.01",
    "Discover: links",
    "Execute: changed",
    "Execute: clientgone",
    "Execute: refused 4.01",
    "Execute: refused 5.00",
    "Execute: timeout",
    "Object Instance of the application",
    "Observe: observing",
    "Observe: refused 4.04",
    "Read: content",
    "Write of the lifetime: changed",
    "Write of a package: changed",
    "Write of a package URI: changed",
    "Write of rights: changed",
    "Write-Attributes: changed",
    "Write-Attributes: refused 4.00",
    "Write: changed",
    "Write: refused 4.01",
    "Write: refused 4.04",
    "Write: timeout",
    "account gone and back",
    "address of the client",
    "download: complete",
    "firmware fetched in the end",
    "bad Write: refused 4.00",
    "bad Write: refused 4.05",
    "block of a torn Write",
    "connection failed",
    "connection lost",
    "expired",
    "hostile datagram",
    "newest value checked",
    "newest value within its Maximum Period",
    "notification",
    "observation dropped",
    "observation ended: the client answered 4.04",
    "offline",
    "partition",
    "reboot",
    "reboot of a server",
    "replaced",
    "request after the lifetime",
    "right given to an observer",
    "right taken from an observer",
    "session begun",
    "session resumed",
    "sleep",
    "stored for a server",
    "stored notifications dropped",
    "stored values heard",
    "the application's answer: 2.05",
    "the application's answer: 4.05",
    "torn Write",
    "updated",
];

/// What must happen so often in two thousand seeds at least.
const FLOORS: &[(&str, u64)] = &[
    ("stored values heard", 300),
    ("stored values heard in small blocks", 40),
    ("stored values that had to go", 20),
    ("right taken from an observer", 60),
    ("right given to an observer", 30),
    ("account gone and back", 400),
    ("download: complete", 2_000),
    ("Write of a package: changed", 100),
];

/// Panics unless everything has happened, and often enough for so many times two thousand seeds.
pub(crate) fn check(tally: &Tally, factor: u64) {
    let missing: Vec<&&str> = DEEDS
        .iter()
        .filter(|what| !tally.contains_key(**what))
        .collect();
    assert!(missing.is_empty(), "did not come about: {missing:?}");
    for (what, floor) in FLOORS {
        let count = tally.get(*what).copied().unwrap_or_default();
        assert!(count >= floor * factor, "{what}: {count} times only");
    }
}
