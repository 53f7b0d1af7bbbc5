//! The Information Reporting interface: the observations of servers, when notifications are due, and
//! what is stored while the Client is offline (TS 5.5, 5.1.2, 8.3, E.2).
//!
//! - `schedule` decides when a notification of one observation is due. It compares `values`, and sees
//!   the tree, the attributes and the rights through the `view` of the server.
//! - `table` finds the observations that a change concerns.
//! - `known` keeps what many observations have in common.
//! - `stored` holds the notifications that can't be sent yet, and `kept` those of servers that were disabled.
//! - `parts` puts these together. On it stand `ending` (of one observation), `returning` (what was
//!   stored is sent), `disabling` (what goes on while a server is disabled), `sending` (what is due is sent), and
//!   above them `observing` (observations begin and end) and `changes` (what follows from changes).
//!
//! What is due is known by the timer queue alone. A change is judged when it happens; the notification
//! carries the value of the moment in which it is sent.

mod changes;
mod disabling;
mod ending;
mod history;
mod kept;
mod known;
mod numbers;
mod observing;
mod parts;
mod record;
mod restoring;
mod returning;
mod schedule;
mod sending;
mod stored;
mod table;
mod values;
mod view;

pub(super) use self::{
    known::Known,
    observing::{Cancellation, NewObservation},
    parts::{Context, Reporting},
    record::{ReportingRecord, Seen},
    table::Observer,
};
