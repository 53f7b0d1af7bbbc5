//! The receiver of a payload.

use super::event::Event;

/// What takes the events of a payload.
pub trait Sink {
    /// Why an event is refused. A source stops at the first refusal.
    type Error;

    /// Takes the next event.
    fn event(&mut self, event: Event<'_>) -> Result<(), Self::Error>;
}

impl<S: Sink + ?Sized> Sink for &mut S {
    type Error = S::Error;

    fn event(&mut self, event: Event<'_>) -> Result<(), S::Error> {
        (**self).event(event)
    }
}
