//! What text and opaque have in common: a payload is the value of one Resource.

use alloc::vec::Vec;

use crate::{
    ObjectId, Path, ResourceId, ValueRef,
    codec::{Cursor, DecodeFailure, EncodeError, Event, Position, Purpose, Scope, Sink, Step},
};

/// The Resource whose value a payload of this scope is; or the path that has no single value.
pub(crate) fn target(scope: Scope) -> Result<(ObjectId, ResourceId), Path> {
    let base = scope.base();
    match (scope.purpose(), base.object(), base.resource()) {
        (Purpose::Write | Purpose::Answer, Some(object), Some(resource)) => Ok((object, resource)),
        _ => Err(base),
    }
}

/// Pushes the payload that is this value.
pub(crate) fn push<M, S: Sink + ?Sized>(
    scope: Scope,
    value: ValueRef<'_>,
    sink: &mut S,
) -> Result<(), DecodeFailure<M, S::Error>> {
    let mut cursor = Cursor::new();
    cursor
        .value(scope.base(), value, None, sink)
        .and_then(|()| cursor.finish(sink))
        .map_err(DecodeFailure::Sink)
}

/// Follows the events of a payload and finds the one value that it may have.
#[derive(Debug)]
pub(crate) struct SingleValue<'b> {
    buffer: &'b mut Vec<u8>,
    /// The length that the buffer is cut to if the encoder is dropped.
    keep: usize,
    base: Path,
    position: Position,
    found: bool,
    error: Option<EncodeError>,
}

impl<'b> SingleValue<'b> {
    pub(crate) const fn new(buffer: &'b mut Vec<u8>, scope: Scope) -> Self {
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
    pub(crate) fn event(
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
    pub(crate) fn finish(mut self) -> Result<(), EncodeError> {
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
