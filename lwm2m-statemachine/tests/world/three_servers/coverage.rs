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
    "Write-Attributes: changed",
    "Write-Attributes: refused 4.00",
    "Write: changed",
    "Write: refused 4.01",
    "Write: refused 4.04",
    "Write: timeout",
    "address of the client",
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

/// Panics unless everything has happened.
pub(crate) fn check(tally: &Tally) {
    let missing: Vec<&&str> = DEEDS
        .iter()
        .filter(|what| !tally.contains_key(**what))
        .collect();
    assert!(missing.is_empty(), "did not come about: {missing:?}");
}
