//! Feeds Connectivity Statistics (TS E.8) with what the Client sends and receives.
//!
//! Every datagram counts, repetitions included. Notifications and their acknowledgements count
//! without a report: otherwise a notification of a counter would be the reason for the next one.

use lwm2m_core::{CodeKind, Instant, ObjectId};
use lwm2m_objects::{ConnectivityStatisticsObject, ObjectTree};

use crate::{
    coap::MessageRef,
    machine::{Channel, Datagram},
};

/// A datagram has arrived.
pub(super) fn received<P>(tree: &mut ObjectTree, now: Instant, datagram: &Datagram<'_, P>) {
    let Some(statistics) = collecting(tree) else {
        return;
    };
    let bytes = datagram.payload.len();
    let count = |statistics: &mut ConnectivityStatisticsObject| {
        statistics.received(now, bytes);
        if datagram.channel == Channel::Sms {
            statistics.sms_received(now);
        }
    };
    if is_reporting(datagram.payload) {
        statistics.quietly(count);
    } else {
        count(statistics);
    }
}

/// A datagram is sent. Its time is that of the last call; it is returned if observers are to be told of
/// the counters.
pub(super) fn sent(
    tree: &mut ObjectTree,
    datagram: &[u8],
    channel: impl FnOnce() -> Channel,
) -> Option<Instant> {
    let statistics = collecting(tree)?;
    let (now, bytes) = (statistics.now(), datagram.len());
    let count = |statistics: &mut ConnectivityStatisticsObject| {
        statistics.sent(now, bytes);
        if channel() == Channel::Sms {
            statistics.sms_sent(now);
        }
    };
    if is_reporting(datagram) {
        statistics.quietly(count);
        return None;
    }
    count(statistics);
    Some(now)
}

/// The Object, if it is there and collects.
fn collecting(tree: &mut ObjectTree) -> Option<&mut ConnectivityStatisticsObject> {
    let id = ObjectId::CONNECTIVITY_STATISTICS;
    let statistics: &mut ConnectivityStatisticsObject = tree.object_as_mut(id)?;
    statistics.is_collecting().then_some(statistics)
}

/// Whether a datagram is a notification, or a message without content, such as the acknowledgement
/// of one.
fn is_reporting(datagram: &[u8]) -> bool {
    MessageRef::parse(datagram).is_ok_and(|message| match message.code().kind() {
        CodeKind::Empty => true,
        CodeKind::Response => message.observe().is_some(),
        _ => false,
    })
}
