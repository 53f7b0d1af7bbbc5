//! A bound on the memory that a payload takes.

use thiserror::Error;

use super::{content::Entry, event::Event, events::OwnedEvent, sink::Sink};
use crate::ValueRef;

/// A sink that passes events on until a [`Content`](super::Content) or [`Events`](super::Events) of
/// them would take more than a number of bytes.
///
/// A payload can be much smaller than its values in memory: the smallest value of TLV has 2 bytes, an
/// entry of a `Content` has 64. So what comes from a peer needs a bound where it is kept, not only
/// where it is received.
///
/// Each event counts the bytes of its value and twice the size of an entry, because a growing vector
/// doubles its capacity. While a vector is moved, up to half of its contents is in memory twice.
///
/// ```
/// use lwm2m_core::{
///     DataType, ObjectId, Path, ResourceId,
///     codec::{Content, DecodeFailure, LimitError, Limited, Scope},
///     text,
/// };
///
/// let types = |_: ObjectId, _: ResourceId| Some(DataType::String);
/// let name: Path = "/3/0/0".parse()?;
/// let mut content = Content::new();
/// let text = [b'a'; 2000];
/// let mut limited = Limited::new(&mut content, 1000);
/// let kept = text::decode(&text, Scope::answer(name), &types, &mut limited);
/// let full = LimitError::Full { limit: 1000 };
/// assert_eq!(kept, Err(DecodeFailure::Sink(full)));
/// assert!(content.is_empty());
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Limited<S> {
    sink: S,
    limit: usize,
    left: usize,
}

/// Why [`Limited`] refuses an event.
///
/// A limit is all that it adds to the sink, so it won't grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitError<E> {
    /// This event would take more bytes than the limit.
    #[error("what is to be kept takes more than {limit} bytes")]
    Full {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The sink refused the event.
    #[error("{0}")]
    Sink(E),
}

/// The bytes that an event takes beside its value, with the spare capacity of a vector.
const EVENT: usize = 2 * if size_of::<Entry>() > size_of::<OwnedEvent>() {
    size_of::<Entry>()
} else {
    size_of::<OwnedEvent>()
};

impl<S: Sink> Limited<S> {
    /// Passes on what takes at most `limit` bytes to `sink`, which may be a mutable reference.
    pub const fn new(sink: S, limit: usize) -> Self {
        Self {
            sink,
            limit,
            left: limit,
        }
    }
}

impl<S: Sink> Sink for Limited<S> {
    type Error = LimitError<S::Error>;

    fn event(&mut self, event: Event<'_>) -> Result<(), Self::Error> {
        let value = match event.value() {
            Some(ValueRef::String(text)) => text.len(),
            Some(ValueRef::Opaque(bytes) | ValueRef::Raw(bytes)) => bytes.len(),
            _ => 0,
        };
        let left = self.left.checked_sub(EVENT.saturating_add(value));
        let limit = self.limit;
        self.left = left.ok_or(LimitError::Full { limit })?;
        self.sink.event(event).map_err(LimitError::Sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Content, EncodeError, Events};

    fn value(value: ValueRef<'_>) -> Event<'_> {
        let id = 0.into();
        let time = None;
        Event::Resource { id, value, time }
    }

    #[test]
    fn events_and_the_bytes_of_values_count_to_the_byte() {
        for (value, bytes) in [
            (value(ValueRef::Integer(1)), 0),
            (value(ValueRef::String("four")), 4),
            (value(ValueRef::Opaque(b"12345")), 5),
            (value(ValueRef::Raw(b"123456")), 6),
            (Event::EndInstance, 0),
        ] {
            for (limit, kept) in [
                (0, 0),
                (EVENT + bytes - 1, 0),
                (EVENT + bytes, 1),
                (3 * (EVENT + bytes) - 1, 2),
                (3 * (EVENT + bytes), 3),
            ] {
                let mut events = Events::new();
                let mut limited = Limited::new(&mut events, limit);
                let results = [(); 4].map(|()| limited.event(value));
                let full = Err(LimitError::Full { limit });
                assert_eq!(results.iter().filter(|result| result.is_ok()).count(), kept);
                assert_eq!(results[3], full);
                assert_eq!(events.as_slice().len(), kept);
            }
        }
    }

    #[test]
    fn what_the_sink_refuses_is_told_as_such() {
        let mut content = Content::new();
        let mut limited = Limited::new(&mut content, 10_000);
        let refused = limited.event(Event::EndObject);
        let step = Event::EndObject.step();
        let error = LimitError::Sink(EncodeError::Structure(step));
        assert_eq!(refused, Err(error));
    }
}
