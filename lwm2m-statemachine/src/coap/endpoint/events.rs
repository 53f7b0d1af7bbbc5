//! Events for the application.

use alloc::collections::VecDeque;

use super::{event::Event, table::KEEP};

/// Events that the application has not taken yet, in order.
#[derive(Debug)]
pub(super) struct Events<P> {
    queue: VecDeque<Event<P>>,
}

impl<P> Events<P> {
    pub(super) const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, event: Event<P>) {
        self.queue.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<Event<P>> {
        let event = self.queue.pop_front();
        if event.is_none() && self.queue.capacity() > KEEP {
            self.queue = VecDeque::new();
        }
        event
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
