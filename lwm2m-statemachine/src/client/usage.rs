//! How much state a Client holds.

use crate::coap;

/// What a Client holds, for tests and monitoring. The Objects and their values are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientUsage {
    /// Accounts.
    pub accounts: usize,
    /// Observations of all servers.
    pub observations: usize,
    /// Notifications that are stored for servers that can't be reached.
    pub stored_notifications: usize,
    /// Paths with attributes, of all servers.
    pub attributes: usize,
    /// Requests that wait for the application's answer.
    pub deferred: usize,
    /// Values that are written or read piece by piece.
    pub streams: usize,
    /// Downloads that are under way.
    pub downloads: usize,
    /// Deadlines; the endpoint's are in `coap`.
    pub timers: usize,
    /// Events that were not polled yet.
    pub events: usize,
    /// What the endpoint holds.
    pub coap: coap::Usage,
}
