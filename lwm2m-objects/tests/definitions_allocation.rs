//! A registry answers without an allocation. This is one test, because the counter is that of the
//! whole process.

extern crate alloc;

use alloc::borrow::Cow;
use core::hint::black_box;

use lwm2m_core::{DataType, ObjectId, Version, codec::TypeLookup};
use lwm2m_kit::heap::{allocations, change, growth, least};
use lwm2m_objects::{ObjectDefinition, Operations, Registry, ResourceDefinition};

lwm2m_kit::count_allocations!();

#[test]
fn nothing_is_allocated_by_a_lookup_and_little_is_held() {
    let held = least(|| {
        let mut registry = None;
        let change = change(|| registry = black_box(Some(Registry::default())));
        drop(registry);
        growth(&change)
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
    let lookups = allocations(|| {
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
        assert_eq!(known, built_in + 100);
    });
    assert_eq!(lookups, 0);
}
