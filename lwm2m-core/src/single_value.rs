//! What text and opaque have in common: a payload is the value of one Resource.

use alloc::vec::Vec;
use core::marker::PhantomData;

use crate::{
    ContentFormat, DataType, ObjectId, Path, ResourceId, ValueRef,
    codec::{
        Cursor, DecodeFailure, Encode, EncodeError, Event, Format, Position, Purpose, Scope, Sink,
        Step, TypeLookup,
    },
};

/// How a format writes one value. The rest of a [`Format`] follows from it.
pub trait SingleValueFormat {
    const CONTENT_FORMAT: ContentFormat;

    /// What can be wrong with a payload.
    type Malformed: core::error::Error;

    /// The error of a payload at a path that isn't that of a Resource.
    fn misplaced(path: Path) -> Self::Malformed;

    /// Reads the value, whose data type may be unknown, and passes it on.
    fn read<R>(
        data_type: Option<DataType>,
        payload: &[u8],
        pass: impl FnOnce(ValueRef<'_>) -> R,
    ) -> Result<R, Self::Malformed>;

    /// Appends the value, or returns false if the format can't carry it.
    fn write(value: &ValueRef<'_>, buffer: &mut Vec<u8>) -> bool;
}

impl<F: SingleValueFormat> Format for F {
    const CONTENT_FORMAT: ContentFormat = F::CONTENT_FORMAT;
    type Malformed = F::Malformed;
    type Encoder<'b> = Encoder<'b, F>;

    fn carries(scope: Scope) -> bool {
        target(scope).is_ok()
    }

    fn decode<S: Sink + ?Sized>(
        payload: &[u8],
        scope: Scope,
        types: &(impl TypeLookup + ?Sized),
        sink: &mut S,
    ) -> Result<(), DecodeFailure<F::Malformed, S::Error>> {
        let target = target(scope).map_err(F::misplaced);
        let (object, resource) = target.map_err(DecodeFailure::Malformed)?;
        let push = |value: ValueRef<'_>| {
            let mut cursor = Cursor::new();
            cursor
                .value(scope.base(), value, None, sink)
                .and_then(|()| cursor.finish(sink))
        };
        F::read(types.data_type(object, resource), payload, push)
            .map_err(DecodeFailure::Malformed)?
            .map_err(DecodeFailure::Sink)
    }

    fn encoder(buffer: &mut Vec<u8>, scope: Scope) -> Encoder<'_, F> {
        Encoder::new(buffer, scope)
    }
}

/// The Resource whose value a payload of this scope is; or the path that has no single value.
fn target(scope: Scope) -> Result<(ObjectId, ResourceId), Path> {
    let base = scope.base();
    match (scope.purpose(), base.object(), base.resource()) {
        (Purpose::Write | Purpose::Answer, Some(object), Some(resource)) => Ok((object, resource)),
        _ => Err(base),
    }
}

/// The sink that writes one Resource or Resource Instance, in text or opaque.
///
/// It refuses a second value, a multiple Resource, and a scope whose path isn't that of a Resource
/// ([`EncodeError::SingleValue`]), the time of a value ([`EncodeError::Time`]), and what the format
/// can't carry ([`EncodeError::Value`]).
#[derive(Debug)]
pub struct Encoder<'b, F> {
    value: SingleValue<'b>,
    format: PhantomData<fn(F)>,
}

impl<'b, F: SingleValueFormat> Encoder<'b, F> {
    /// Begins a payload at the end of the buffer.
    pub const fn new(buffer: &'b mut Vec<u8>, scope: Scope) -> Self {
        Self {
            value: SingleValue::new(buffer, scope),
            format: PhantomData,
        }
    }

    /// Ends the payload and leaves it in the buffer.
    ///
    /// # Errors
    ///
    /// The error of an event; [`EncodeError::Empty`] if there was no value;
    /// [`EncodeError::Structure`] if something is still open. Then the buffer is as it was.
    pub fn finish(self) -> Result<(), EncodeError> {
        self.value.finish()
    }
}

impl<F: SingleValueFormat> Sink for Encoder<'_, F> {
    type Error = EncodeError;

    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        self.value.event(&event, F::write)
    }
}

impl<F: SingleValueFormat> Encode for Encoder<'_, F> {
    fn finish(self) -> Result<(), EncodeError> {
        Encoder::finish(self)
    }
}

/// Follows the events of a payload and finds the one value that it may have.
#[derive(Debug)]
struct SingleValue<'b> {
    buffer: &'b mut Vec<u8>,
    /// The length that the buffer is cut to if the encoder is dropped.
    keep: usize,
    base: Path,
    position: Position,
    found: bool,
    error: Option<EncodeError>,
}

impl<'b> SingleValue<'b> {
    const fn new(buffer: &'b mut Vec<u8>, scope: Scope) -> Self {
        let keep = buffer.len();
        Self {
            buffer,
            keep,
            base: scope.base(),
            position: Position::START,
            found: false,
            error: None,
        }
    }

    /// Takes the next event. If it has the value, `write` appends that to the buffer, or returns
    /// false if the format can't carry it.
    fn event(
        &mut self,
        event: &Event<'_>,
        write: impl FnOnce(&ValueRef<'_>, &mut Vec<u8>) -> bool,
    ) -> Result<(), EncodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let taken = match self.follow(event) {
            Ok(Some((path, value))) if !write(&value, self.buffer) => Err(EncodeError::Value(path)),
            other => other.map(drop),
        };
        self.error = taken.err();
        taken
    }

    /// The path and the value, if the event has them.
    fn follow<'a>(
        &mut self,
        event: &Event<'a>,
    ) -> Result<Option<(Path, ValueRef<'a>)>, EncodeError> {
        if self.base.resource().is_none() {
            return Err(EncodeError::SingleValue);
        }
        let path = self.position.follow(event);
        let path = path.ok_or(EncodeError::Structure(event.step()))?;
        if !path.contains(&self.base) {
            return Err(if self.base.contains(&path) {
                // Resource Instances of the Resource that the scope names.
                EncodeError::SingleValue
            } else {
                EncodeError::OutsidePath(path)
            });
        }
        let (value, time) = match *event {
            Event::Resource { value, time, .. } | Event::ResourceInstance { value, time, .. } => {
                (value, time)
            }
            Event::Multiple(_) if path == self.base => return Err(EncodeError::SingleValue),
            _ => return Ok(None),
        };
        if self.found || path != self.base {
            return Err(EncodeError::SingleValue);
        }
        if time.is_some() {
            return Err(EncodeError::Time(path));
        }
        self.found = true;
        Ok(Some((path, value)))
    }

    /// Ends the payload: there must have been a value.
    fn finish(mut self) -> Result<(), EncodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.position.object.is_some() {
            return Err(EncodeError::Structure(Step::End));
        }
        if !self.found {
            return Err(EncodeError::Empty(self.base));
        }
        self.keep = self.buffer.len();
        Ok(())
    }
}

impl Drop for SingleValue<'_> {
    fn drop(&mut self) {
        self.buffer.truncate(self.keep);
    }
}
