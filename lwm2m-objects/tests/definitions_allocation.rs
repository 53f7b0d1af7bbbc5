//! What a registry answers, it answers without an allocation. One test, because the counter is
//! that of the whole process.

extern crate alloc;

use alloc::borrow::Cow;
use core::hint::black_box;
use std::alloc::System;

use lwm2m_core::{DataType, ObjectId, Version, codec::TypeLookup};
use lwm2m_objects::{ObjectDefinition, Operations, Registry, ResourceDefinition};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// More than the harness allocates while a test runs.
const RUNS: usize = 10;

/// The least of many counts, because the test harness has a thread of its own, which adds to some
/// of them.
fn least(count: impl FnMut() -> usize) -> usize {
    core::iter::repeat_with(count).take(RUNS).min().unwrap()
}

#[test]
fn nothing_is_allocated_by_a_lookup_and_little_is_held() {
    let held = least(|| {
        let region = Region::new(ALLOCATOR);
        let registry = black_box(Registry::default());
        let change = region.change();
        drop(registry);
        change
            .bytes_allocated
            .saturating_sub(change.bytes_deallocated)
    });
    assert!(held > 0);
    assert!(
        held <= 8 * 1024,
        "{held} bytes for the built-in definitions"
    );

    let mut registry = Registry::default();
    for number in 0..100u16 {
        let id = ObjectId::new(30000 + number);
        let mut definition = ObjectDefinition::new(id, "Owned", "", &[]);
        definition.urn = Cow::Owned(format!("urn:oma:lwm2m:x:{id}"));
        definition.resources = Cow::Owned(vec![ResourceDefinition::new(
            5700,
            "Value",
            Operations::Read,
            DataType::Float,
        )]);
        registry.add(definition).unwrap();
    }

    let built_in = 13 + 7 + 4 + 20 + 11 + 8 + 7 + 7 + 15;
    let allocations = least(|| {
        let region = Region::new(ALLOCATOR);
        let mut known = 0;
        for object in (0..20).chain(30000..30110) {
            for resource in (0..30).chain(5690..5710) {
                let (object, resource) = (ObjectId::new(object), resource.into());
                known += usize::from(registry.data_type(object, resource).is_some());
                black_box(registry.object(object));
                black_box(registry.resource(object, resource));
                black_box(registry.object_version(object, Version::new(1, 1)));
            }
        }
        let change = region.change();
        assert_eq!(known, built_in + 100);
        change.allocations + change.reallocations
    });
    assert_eq!(allocations, 0);
}
