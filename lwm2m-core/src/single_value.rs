//! What text and opaque share: a payload is the value of one Resource.

use alloc::vec::Vec;

use crate::{
    Path, ValueRef,
    codec::{EncodeError, Event, Position, Step},
};

/// Follows the events of a payload, and has the one value written that it may have.
#[derive(Debug)]
pub(crate) struct SingleValue<'b> {
    buffer: &'b mut Vec<u8>,
    /// The length that the buffer goes back to if the encoder goes away.
    keep: usize,
    base: Path,
    position: Position,
    found: bool,
    error: Option<EncodeError>,
}

impl<'b> SingleValue<'b> {
    pub(crate) const fn new(buffer: &'b mut Vec<u8>, base: Path) -> Self {
        let keep = buffer.len();
        Self {
            buffer,
            keep,
            base,
            position: Position::START,
            found: false,
            error: None,
        }
    }

    /// Takes the next event. If it is the one with the value, `write` appends that to the buffer,
    /// or tells by `false` that the format cannot carry it.
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

    /// Tells the value and its place, if the event is the one with it.
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
                // Resource Instances of the Resource that was asked for.
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

    /// Ends the payload: the value must have come.
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
