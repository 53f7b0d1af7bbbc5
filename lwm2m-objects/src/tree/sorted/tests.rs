use alloc::{collections::BTreeMap, rc::Rc, vec::Vec};
use core::{cell::Cell, cmp::Ordering};

use proptest::prelude::*;

use super::{FEW, SortedMap};

/// A key that counts how often it is compared.
#[derive(Clone, Copy, Debug)]
struct Counted<'c>(u32, &'c Cell<usize>);

impl Ord for Counted<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.1.set(self.1.get() + 1);
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Counted<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Counted<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Counted<'_> {}

/// Inserts and removes this many, in three orders; returns how many keys were compared at most, and
/// how many entries were in a vector, which moves all behind a new one.
fn cost(count: u32) -> (usize, usize) {
    let orders: [fn(u32, u32) -> u32; 3] = [
        |at, _| at,
        |at, count| count - 1 - at,
        |at, count| at * 7919 % count,
    ];
    let mut worst = (0, 0);
    for order in orders {
        let compared = Cell::new(0);
        let key = |at| Counted(order(at, count), &compared);
        let mut in_vector = 0;
        let mut map = SortedMap::new();
        let look = |map: &SortedMap<Counted<'_>, u32>, most: &mut usize| {
            if let SortedMap::Few(entries) = map {
                *most = entries.len().max(*most);
            }
        };
        for at in 0..count {
            map.insert(key(at), at);
            look(&map, &mut in_vector);
        }
        assert_eq!(map.len(), usize::try_from(count).unwrap());
        for at in 0..count {
            assert_eq!(map.get(&key(at)), Some(&at));
        }
        for at in 0..count {
            assert_eq!(map.remove(&key(at)), Some(at));
            look(&map, &mut in_vector);
        }
        assert_eq!(map.len(), 0);
        worst = (worst.0.max(compared.get()), worst.1.max(in_vector));
    }
    worst
}

#[test]
fn the_cost_of_an_entry_grows_no_faster_than_the_logarithm_of_their_number() {
    for count in [1_000, 4_001, 16_001, 64_001] {
        let (compared, in_vector) = cost(count);
        let logarithm = usize::try_from(count.ilog2()).unwrap();
        let most = 8 * usize::try_from(count).unwrap() * logarithm;
        assert!(compared < most, "{count}: {compared} keys compared");
        assert!(in_vector <= 64, "{count}: {in_vector} entries may move");
    }
}

/// A store has three words for each of its maps, and one entry for each value.
#[test]
fn a_map_of_few_entries_is_a_vector() {
    let size = size_of::<SortedMap<u16, u64>>();
    assert_eq!(size, size_of::<Vec<(u16, u64)>>());
    let mut map: SortedMap<usize, Rc<()>> = (0..FEW).map(|key| (key, Rc::default())).collect();
    assert!(matches!(map, SortedMap::Few(_)));
    map.insert(FEW, Rc::default());
    assert!(matches!(map, SortedMap::Many(_)));
    for key in 0..=FEW {
        map.remove(&key);
    }
    assert!(matches!(&map, SortedMap::Few(entries) if entries.is_empty()));
}

proptest! {
    /// It stays an ordered map, whatever is inserted and removed.
    #[test]
    fn it_is_a_map(
        steps in prop::collection::vec((0..4_u8, 0..200_u16), 0..600),
    ) {
        let mut map = SortedMap::new();
        let mut model = BTreeMap::new();
        for (value, (step, key)) in steps.into_iter().enumerate() {
            match step {
                0 | 1 => {
                    map.insert(key, value);
                    model.insert(key, value);
                }
                2 => {
                    let made = *map.get_or_insert_with(key, || value);
                    prop_assert_eq!(made, *model.entry(key).or_insert(value));
                }
                _ => prop_assert_eq!(map.remove(&key), model.remove(&key)),
            }
            prop_assert_eq!(map.get(&key), model.get(&key));
            prop_assert_eq!(map.get_mut(&key), model.get_mut(&key));
            let after = model.range(key + 1..).next();
            prop_assert_eq!(map.after(Some(&key)), after);
            prop_assert_eq!(map.after(None), model.iter().next());
            prop_assert_eq!(map.up_to(&key), model.range(..=key).next_back());
            prop_assert_eq!(map.len(), model.len());
        }
        prop_assert!(map.iter().eq(&model));
    }
}
