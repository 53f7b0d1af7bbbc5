//! What must happen over all seeds together: an invariant proves nothing about what never happens.

use super::world::Outcome;

const REQUESTS: &[&str] = &[
    "aborted",
    "body changed",
    "body too large",
    "cancelled",
    "no room",
    "peer dropped",
    "pong",
    "refused 4.00",
    "refused 4.04",
    "refused 4.08",
    "refused 4.13",
    "refused 5.00",
    "refused 5.03",
    "rejected",
    "reset",
    "success",
    "timeout",
    "void",
];

const NOTIFICATIONS: &[&str] = &[
    "aborted",
    "acknowledged",
    "not sent",
    "peer dropped",
    "rejected",
    "reset",
    "superseded",
    "timeout",
    "void",
];

const DEEDS: &[&str] = &[
    "DELETE",
    "GET",
    "Observe",
    "POST",
    "PUT",
    "Reset",
    "acknowledged early",
    "address of a client",
    "address of the hub",
    "answer",
    "answer from a source",
    "answer given later",
    "answer in blocks",
    "answer over the bounds",
    "answer too late",
    "block streamed to the client",
    "block supplied",
    "block supplied for nothing",
    "body assembled by the client",
    "body assembled by the server",
    "body lost",
    "body streamed to the server",
    "burst",
    "clock backwards",
    "clock far backwards",
    "clock far forwards",
    "clock forwards",
    "datagram cut off",
    "datagram duplicated",
    "datagram lost",
    "datagram over the MTU",
    "error notification",
    "error notification taken",
    "newest value checked",
    "notification CON",
    "notification NON",
    "notification by SMS",
    "notification from a source",
    "notification lost",
    "notification over the bounds",
    "notification taken",
    "notifications taken back",
    "observation cancelled by Observe: 1",
    "observation dropped",
    "observation forgotten",
    "partition",
    "peer dropped",
    "ping",
    "reboot",
    "reboot with state",
    "request CON",
    "request NON",
    "request by SMS",
    "request from a source",
    "request ignored",
    "request in blocks",
    "request over the bounds",
    "rest of a request assembled",
    "separate answer failed",
    "sleep",
    "source aborted",
    "stray datagrams",
];

/// Panics unless everything has happened.
pub(crate) fn check(outcome: &Outcome) {
    for (tally, expected) in [
        (&outcome.outcomes, REQUESTS),
        (&outcome.notifications, NOTIFICATIONS),
        (&outcome.tally, DEEDS),
    ] {
        let missing: Vec<&&str> = expected
            .iter()
            .filter(|what| !tally.contains_key(**what))
            .collect();
        assert!(missing.is_empty(), "did not come about: {missing:?}");
    }
}
