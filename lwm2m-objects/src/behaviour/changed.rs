//! The Resources that an Object has changed by itself.

use alloc::collections::{BTreeSet, VecDeque};

use lwm2m_core::Path;

/// Changed Resources whose observers are still to be notified, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changed {
    queue: VecDeque<Path>,
    /// The paths in the queue.
    queued: BTreeSet<Path>,
}

impl Changed {
    pub(crate) fn push(&mut self, path: Path) {
        if self.queued.insert(path) {
            self.queue.push_back(path);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Path> {
        let path = self.queue.pop_front()?;
        self.queued.remove(&path);
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_returned_once_in_the_order_it_came() {
        let [a, b] = ["/3/0/9", "/3/0/1"].map(|at| at.parse::<Path>().unwrap());
        let mut changed = Changed::default();
        for path in [a, b, a] {
            changed.push(path);
        }
        assert_eq!(
            (changed.pop(), changed.pop(), changed.pop()),
            (Some(a), Some(b), None)
        );
        changed.push(a);
        assert_eq!((changed.pop(), changed.pop()), (Some(a), None));
    }
}
