//! What text and opaque share: a payload is the value of one Resource.

use crate::{
    Path, ValueRef,
    codec::{EncodeError, Event, Position, Step},
};

/// Follows the events of a payload, and takes out the one value that it may have.
#[derive(Debug)]
pub(crate) struct SingleValue {
    base: Path,
    position: Position,
    found: bool,
}

impl SingleValue {
    pub(crate) const fn new(base: Path) -> Self {
        Self {
            base,
            position: Position::START,
            found: false,
        }
    }

    /// Takes the next event; tells the value and its place, if the event is the one with it.
    pub(crate) fn follow<'a>(
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

    pub(crate) fn finish(self) -> Result<(), EncodeError> {
        if self.position.object.is_some() {
            Err(EncodeError::Structure(Step::End))
        } else if self.found {
            Ok(())
        } else {
            Err(EncodeError::Empty(self.base))
        }
    }
}
