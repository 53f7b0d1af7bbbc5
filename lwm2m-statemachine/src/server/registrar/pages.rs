//! Entries under small numbers, in pages that are given back when they are empty.

use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};

/// How many entries a page has: one bit of its map for each.
pub(super) const PAGE: usize = 32;

/// Entries under small numbers. It grows without moving entries, and holds only pages with entries:
/// after a flood, the few entries that stay don't hold the memory of the many.
///
/// A new entry goes into the first page with room, so that the last pages become empty. Every call
/// takes time logarithmic in the number of pages.
#[derive(Debug)]
pub(super) struct Pages<T> {
    /// The last one isn't `None`.
    all: Vec<Option<Box<Page<T>>>>,
    /// Which of them are not full, or `None`.
    open: BTreeSet<usize>,
    length: usize,
}

#[derive(Debug)]
struct Page<T> {
    entries: [Option<T>; PAGE],
    /// Which entries are in use, one bit each.
    taken: u32,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            open: BTreeSet::new(),
            length: 0,
        }
    }
}

impl<T> Pages<T> {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Adds an entry under a free number; `None` if there is none.
    pub(super) fn insert(&mut self, value: T) -> Option<u32> {
        let at = self.open.first().copied().unwrap_or(self.all.len());
        let start = u32::try_from(at.checked_mul(PAGE)?).ok()?;
        if at == self.all.len() {
            self.all.push(None);
            self.open.insert(at);
        }
        let page = self.all.get_mut(at)?.get_or_insert_with(Box::default);
        let slot = page.taken.trailing_ones();
        let index = start.checked_add(slot)?;
        *page.entries.get_mut(usize::try_from(slot).ok()?)? = Some(value);
        page.taken |= 1_u32.checked_shl(slot)?;
        if page.taken == u32::MAX {
            self.open.remove(&at);
        }
        self.length += 1;
        Some(index)
    }

    /// Adds an entry under this number, if that is free. It takes room for the numbers below as well.
    pub(super) fn insert_at(&mut self, index: u32, value: T) -> Option<()> {
        let (at, slot) = place(index);
        if self.get(index).is_some() {
            return None;
        }
        while self.all.len() <= at {
            self.open.insert(self.all.len());
            self.all.push(None);
        }
        let page = self.all.get_mut(at)?.get_or_insert_with(Box::default);
        *page.entries.get_mut(slot)? = Some(value);
        page.taken |= 1 << slot;
        if page.taken == u32::MAX {
            self.open.remove(&at);
        }
        self.length += 1;
        Some(())
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let (at, slot) = place(index);
        self.all.get(at)?.as_ref()?.entries.get(slot)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let (at, slot) = place(index);
        self.all
            .get_mut(at)?
            .as_mut()?
            .entries
            .get_mut(slot)?
            .as_mut()
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let (at, slot) = place(index);
        let place = self.all.get_mut(at)?;
        let page = place.as_mut()?;
        let value = page.entries.get_mut(slot)?.take()?;
        page.taken &= !(1 << slot);
        self.length -= 1;
        self.open.insert(at);
        if page.taken == 0 {
            *place = None;
            self.trim();
        }
        Some(value)
    }

    /// All entries, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let numbered = (0_u32..).step_by(PAGE).zip(&self.all);
        numbered.flat_map(move |(start, page)| {
            let entries = page.iter().flat_map(|page| page.entries.iter());
            (start..)
                .zip(entries)
                .filter_map(|(index, entry)| Some((index, entry.as_ref()?)))
        })
    }

    /// Drops the places at the end that have no page.
    fn trim(&mut self) {
        while let Some(None) = self.all.last() {
            self.all.pop();
            self.open.remove(&self.all.len());
        }
        if self.all.capacity() / 4 > self.all.len() {
            self.all.shrink_to(self.all.len() * 2);
        }
    }
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            entries: [const { None }; PAGE],
            taken: 0,
        }
    }
}

/// The page of a number, and the place in it.
fn place(index: u32) -> (usize, usize) {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    (index / PAGE, index % PAGE)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pages_are_a_map_of_numbers(steps in prop::collection::vec((any::<bool>(), 0_u32..400), 0..800)) {
            let mut pages = Pages::default();
            let mut model = BTreeMap::new();
            for (value, (adds, index)) in steps.into_iter().enumerate() {
                if adds {
                    let index = pages.insert(value).unwrap();
                    prop_assert_eq!(model.insert(index, value), None);
                } else {
                    prop_assert_eq!(pages.remove(index), model.remove(&index));
                    prop_assert_eq!(pages.get(index), None);
                }
                prop_assert_eq!(pages.len(), model.len());
                let needed = model.last_key_value().map_or(0, |(last, _)| place(*last).0 + 1);
                prop_assert_eq!(pages.all.len(), needed);
            }
            prop_assert!(pages.iter().eq(model.iter().map(|(index, value)| (*index, value))));
            for (index, value) in &mut model {
                prop_assert_eq!(pages.get(*index), Some(&*value));
                prop_assert_eq!(pages.get_mut(*index), Some(value));
            }
        }
    }

    proptest! {
        /// In any order, and then as if they had always been there.
        #[test]
        fn entries_come_back_under_their_numbers(
            numbers in prop::collection::vec(0_u32..400, 1..60),
            more in 0_u32..100,
        ) {
            let (mut pages, mut model) = (Pages::default(), BTreeMap::new());
            for index in numbers {
                let is_free = model.insert(index, index).is_none();
                prop_assert_eq!(pages.insert_at(index, index).is_some(), is_free);
            }
            for _ in 0..more {
                let free = (0..u32::MAX).find(|index| !model.contains_key(index)).unwrap();
                prop_assert_eq!(pages.insert(free), Some(free));
                model.insert(free, free);
            }
            prop_assert_eq!(pages.len(), model.len());
            prop_assert!(pages.iter().eq(model.iter().map(|(index, value)| (*index, value))));
            for index in model.keys() {
                prop_assert_eq!(pages.remove(*index), Some(*index));
            }
            prop_assert_eq!((pages.all.len(), pages.open.len()), (0, 0));
        }
    }

    #[test]
    fn a_new_entry_takes_the_first_free_number() {
        let mut pages = Pages::default();
        for index in 0..200 {
            assert_eq!(pages.insert(index), Some(index));
        }
        for index in [199, 130, 3, 32, 33] {
            pages.remove(index);
        }
        for index in [3, 32, 33, 130, 199, 200] {
            assert_eq!(pages.insert(index), Some(index));
        }
    }

    #[test]
    fn an_empty_page_is_given_back_wherever_it_is() {
        const PAGE_100: u32 = 100 * 32;
        let mut pages = Pages::default();
        for index in 0..PAGE_100 {
            pages.insert(index);
        }
        // One stays at each end.
        for index in 1..PAGE_100 - 1 {
            pages.remove(index);
        }
        assert_eq!(pages.len(), 2);
        assert_eq!(pages.all.iter().flatten().count(), 2);
        pages.remove(PAGE_100 - 1);
        assert_eq!(pages.all.len(), 1);
        assert!(pages.all.capacity() < 10);
        pages.remove(0);
        assert_eq!((pages.all.len(), pages.open.len()), (0, 0));
        assert!(pages.all.capacity() < 10);
    }
}
