//! A queue of deadlines: nothing is scanned to find what is due.

use alloc::collections::BTreeSet;

use lwm2m_core::Instant;

/// Deadlines with keys. The owner of a key keeps its deadline, too, so that [`set`](Self::set) can
/// move it: the queue holds each key once.
///
/// Keys that are due at the same moment come out in ascending order, so that a run can be repeated
/// to the byte. Every call takes time logarithmic in the number of deadlines.
///
/// A loop over [`pop_due`](Self::pop_due) ends, whatever its body sets: a new deadline that isn't
/// later than the last one taken out, or that is `now` itself, waits for the next loop.
#[derive(Clone, Debug)]
pub struct TimerQueue<K> {
    deadlines: BTreeSet<(Instant, K)>,
    /// The loop that is taking keys out.
    round: Option<Round>,
    /// What was set during the round and is due already; it waits for the next round.
    late: BTreeSet<(Instant, K)>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    now: Instant,
    /// The deadline that was taken out last.
    last: Instant,
}

impl Round {
    /// Whether the loop could run on for ever if it took out this new deadline.
    fn is_late(&self, deadline: Instant) -> bool {
        deadline == self.now || deadline <= self.last
    }
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
            round: None,
            late: BTreeSet::new(),
        }
    }

    /// Sets the deadline of `key`, and updates `slot`, where its owner keeps it.
    pub fn set(&mut self, key: K, slot: &mut Option<Instant>, deadline: Option<Instant>) {
        if *slot == deadline {
            return;
        }
        if let Some(old) = *slot
            && !self.deadlines.remove(&(old, key))
        {
            self.late.remove(&(old, key));
        }
        if let Some(new) = deadline {
            let late = self.round.is_some_and(|round| round.is_late(new));
            let queue = if late {
                &mut self.late
            } else {
                &mut self.deadlines
            };
            queue.insert((new, key));
        }
        *slot = deadline;
    }

    /// The first deadline.
    pub fn next(&self) -> Option<Instant> {
        let first = [self.deadlines.first(), self.late.first()];
        let deadlines = first.into_iter().flatten();
        deadlines.map(|(deadline, _)| *deadline).min()
    }

    /// Takes the first key that is due at `now`. From then on the key has no deadline, and its
    /// owner has to empty the slot.
    ///
    /// Calls with the same `now` are one loop, which `None` ends.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.round.is_none_or(|round| round.now != now) {
            self.end_round();
        }
        let due = self.deadlines.first();
        let Some((last, key)) = due.filter(|(deadline, _)| *deadline <= now).copied() else {
            self.end_round();
            return None;
        };
        self.deadlines.pop_first();
        self.round = Some(Round { now, last });
        Some(key)
    }

    /// Takes the first key like [`pop_due`](Self::pop_due), if it is due at `now` and wanted. Otherwise
    /// the loop goes on.
    #[cfg(feature = "client")]
    pub(crate) fn pop_due_if(
        &mut self,
        now: Instant,
        is_wanted: impl FnOnce(&K) -> bool,
    ) -> Option<K> {
        let (deadline, key) = self.deadlines.first()?;
        if *deadline > now || !is_wanted(key) {
            return None;
        }
        self.pop_due(now)
    }

    /// When the key is due that [`pop_due`](Self::pop_due) takes out next, if that is at `now`. So
    /// several queues are emptied in one loop, in the order of all their deadlines;
    /// [`end_round`](Self::end_round) ends it.
    pub(crate) fn peek_due(&mut self, now: Instant) -> Option<Instant> {
        if self.round.is_none_or(|round| round.now != now) {
            self.end_round();
            let last = Instant::ZERO;
            self.round = Some(Round { now, last });
        }
        let (deadline, _) = self.deadlines.first()?;
        (*deadline <= now).then_some(*deadline)
    }

    /// Ends a loop over [`peek_due`](Self::peek_due).
    pub(crate) fn end_round(&mut self) {
        self.round = None;
        if !self.late.is_empty() {
            self.deadlines.append(&mut self.late);
        }
    }

    /// How many deadlines there are.
    pub fn len(&self) -> usize {
        self.deadlines.len() + self.late.len()
    }

    /// Whether there is no deadline.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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

    #[cfg(feature = "client")]
    #[test]
    fn a_key_is_taken_only_if_it_is_the_next_one_and_wanted() {
        let at = Instant::from_millis;
        let mut queue = TimerQueue::new();
        for (key, deadline) in [('b', 1), ('a', 2), ('c', 2), ('d', 9)] {
            queue.set(key, &mut None, Some(at(deadline)));
        }
        assert_eq!(queue.pop_due_if(at(5), |key| *key == 'a'), None);
        assert_eq!(queue.pop_due_if(at(5), |key| *key == 'b'), Some('b'));
        // The loop goes on: what is late waits for the next one.
        queue.set('b', &mut None, Some(at(1)));
        assert_eq!(queue.pop_due_if(at(5), |_| true), Some('a'));
        assert_eq!(queue.pop_due_if(at(5), |_| false), None);
        assert_eq!(queue.pop_due(at(5)), Some('c'));
        assert_eq!(queue.pop_due_if(at(5), |_| true), None);
        assert_eq!(queue.pop_due(at(5)), None);
        assert_eq!(queue.pop_due_if(at(5), |_| true), Some('b'));
    }

    #[test]
    fn a_loop_ends_whatever_its_body_sets() {
        for now in [Instant::from_millis(5), Instant::MAX] {
            let mut queue = TimerQueue::new();
            let mut slots = [None; 3];
            for (key, slot) in slots.iter_mut().enumerate() {
                queue.set(key, slot, Some(Instant::from_millis(3)));
            }
            for _ in 0..3 {
                let mut taken = alloc::vec::Vec::new();
                while let Some(key) = queue.pop_due(now) {
                    taken.push(key);
                    assert!(taken.len() <= 3, "the loop goes on for ever");
                    // Due at once, moved, and moved again.
                    slots[key] = None;
                    for deadline in [now, Instant::from_millis(4), now] {
                        queue.set(key, &mut slots[key], Some(deadline));
                    }
                    assert_eq!(
                        (queue.len(), queue.next()),
                        (3, slots.into_iter().flatten().min())
                    );
                }
                assert_eq!(taken, [0, 1, 2]);
            }
        }
    }

    #[test]
    fn what_stays_at_a_moment_before_now_comes_out_once_in_a_loop() {
        let at = Instant::from_millis;
        let mut queue = TimerQueue::new();
        queue.set('a', &mut None, Some(at(4)));
        for _ in 0..3 {
            assert_eq!(queue.pop_due(at(10)), Some('a'));
            queue.set('a', &mut None, Some(at(4)));
            assert_eq!(queue.pop_due(at(10)), None);
        }
    }

    #[test]
    fn what_moves_on_in_steps_before_now_comes_out_in_the_same_loop() {
        let at = Instant::from_millis;
        let mut queue = TimerQueue::new();
        queue.set('a', &mut None, Some(at(1)));
        let mut slot = None;
        let mut taken = alloc::vec::Vec::new();
        while let Some(key) = queue.pop_due(at(10)) {
            taken.push(key);
            slot = None;
            let next = at(1 + 3 * taken.len() as u64);
            queue.set(key, &mut slot, Some(next));
        }
        // At 1, 4 and 7. At 10 it is as late as the loop.
        assert_eq!((taken.len(), slot), (3, Some(at(10))));
        assert_eq!(queue.pop_due(at(10)), Some('a'));
        assert_eq!(queue.pop_due(at(10)), None);
    }

    #[test]
    fn what_is_taken_back_before_its_turn_does_not_come_out() {
        let now = Instant::from_millis(5);
        let mut queue = TimerQueue::new();
        let (mut a, mut b) = (None, None);
        queue.set('a', &mut a, Some(now));
        queue.set('b', &mut b, Some(now));
        assert_eq!(queue.pop_due(now), Some('a'));
        queue.set('b', &mut b, None);
        queue.set('a', &mut None, Some(now));
        queue.set('a', &mut Some(now), None);
        assert_eq!((queue.pop_due(now), queue.pop_due(now)), (None, None));
        // A round that is not taken to its end ends with the next one.
        queue.set('a', &mut None, Some(now));
        queue.set('b', &mut None, Some(now));
        assert_eq!(queue.pop_due(now), Some('a'));
        queue.set('a', &mut None, Some(now));
        let later = Instant::from_millis(6);
        assert_eq!(queue.pop_due(later), Some('a'));
        assert_eq!(queue.pop_due(later), Some('b'));
        assert!(queue.is_empty());
    }
}
