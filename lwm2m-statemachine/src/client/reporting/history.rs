//! Several stored notifications of one observation in one JSON payload, with times (TS 6.4.4).

use alloc::vec::Vec;

use lwm2m_core::{
    ContentFormat, Instant, Path, Timestamp,
    codec::{EncodeError, Event, Scope, Sink},
};
use lwm2m_objects::ObjectTree;

use super::stored::StoredNotification;
use crate::downlink::payload::{self, Encoder};

/// The payload that has all of these notifications of `path`, the oldest first, and the number of the
/// last one. Without a clock on the wall, the times are relative to `now`. `None` if there are fewer
/// than two, or if they can't be put together.
pub(super) fn of<'s>(
    tree: &ObjectTree,
    path: Path,
    now: Instant,
    all: impl Iterator<Item = &'s StoredNotification>,
) -> Option<(Vec<u8>, u64)> {
    let mut batch = Vec::new();
    let scope = Scope::answer(path);
    let mut encoder = Encoder::new(ContentFormat::JSON, &mut batch, scope).ok()?;
    let (mut count, mut through) = (0, 0);
    for stored in all {
        let age = stored.at.age(now);
        let mut sink = Timed {
            sink: &mut encoder,
            time: Timestamp::Relative(-age.as_secs_f64()),
        };
        payload::decode(ContentFormat::JSON, &stored.payload, scope, tree, &mut sink).ok()?;
        count += 1;
        through = stored.number;
    }
    encoder.finish().ok()?;
    (count > 1).then_some((batch, through))
}

/// Gives every value a time.
struct Timed<'s, 'b> {
    sink: &'s mut Encoder<'b>,
    time: Timestamp,
}

impl Sink for Timed<'_, '_> {
    type Error = EncodeError;

    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        let time = Some(self.time);
        self.sink.event(match event {
            Event::Resource { id, value, .. } => Event::Resource { id, value, time },
            Event::ResourceInstance { id, value, .. } => {
                Event::ResourceInstance { id, value, time }
            }
            event => event,
        })
    }
}
