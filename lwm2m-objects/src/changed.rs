//! What an Object has changed by itself.

use alloc::collections::VecDeque;

use lwm2m_core::Path;

/// Resources with other values than their observers know, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changed(VecDeque<Path>);

impl Changed {
    pub(crate) fn push(&mut self, path: Path) {
        if !self.0.contains(&path) {
            self.0.push_back(path);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Path> {
        self.0.pop_front()
    }
}
