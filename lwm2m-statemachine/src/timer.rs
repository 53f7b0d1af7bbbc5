//! One queue of deadlines per machine: nothing is scanned to find what is due.

use alloc::collections::BTreeSet;

use lwm2m_core::Instant;

/// Deadlines with keys. The owner of a key remembers its deadline, so that the queue holds each
/// once: [`set`](Self::set) moves it.
///
/// Keys that are due at the same moment come out in their order, so that a run can be repeated to
/// the byte. Every call costs time logarithmic in the number of deadlines.
#[derive(Clone, Debug)]
pub struct TimerQueue<K> {
    deadlines: BTreeSet<(Instant, K)>,
}

impl<K: Copy + Ord> Default for TimerQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy + Ord> TimerQueue<K> {
    /// An empty queue.
    pub const fn new() -> Self {
        Self {
            deadlines: BTreeSet::new(),
        }
    }

    /// Moves the deadline of `key` from `slot`, where its owner keeps it, to `deadline`.
    pub fn set(&mut self, key: K, slot: &mut Option<Instant>, deadline: Option<Instant>) {
        if *slot == deadline {
            return;
        }
        if let Some(old) = *slot {
            self.deadlines.remove(&(old, key));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new, key));
        }
        *slot = deadline;
    }

    /// The first deadline.
    pub fn next(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Takes the first key that is due at `now`. Its owner's slot is empty from then on.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let first = self.deadlines.first()?;
        if first.0 > now {
            return None;
        }
        self.deadlines.pop_first().map(|(_, key)| key)
    }

    /// How many deadlines there are.
    pub fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Whether there is no deadline.
    pub fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_deadline_and_comes_out_when_due() {
        let at = Instant::from_millis;
        let mut queue = TimerQueue::new();
        let (mut a, mut b) = (None, None);
        queue.set('a', &mut a, Some(at(5)));
        assert!(!queue.is_empty());
        queue.set('b', &mut b, Some(at(3)));
        queue.set('a', &mut a, Some(at(4)));
        assert_eq!(
            (queue.len(), queue.next(), a),
            (2, Some(at(3)), Some(at(4)))
        );
        assert_eq!(queue.pop_due(at(2)), None);
        assert_eq!(queue.pop_due(at(4)), Some('b'));
        assert_eq!(queue.pop_due(at(4)), Some('a'));
        assert_eq!(queue.pop_due(at(4)), None);
        queue.set('b', &mut None, Some(at(9)));
        queue.set('b', &mut Some(at(9)), None);
        assert!(queue.is_empty());
    }
}
