//! Definitions: lookups in the registry, and reading object definition files; `roxmltree` parses
//! the same text.

extern crate alloc;

use alloc::borrow::Cow;
use core::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lwm2m_core::{DataType, ObjectId, codec::TypeLookup};
use lwm2m_objects::{ObjectDefinition, Operations, Range, Registry, ResourceDefinition, ddf};
use roxmltree::Document;

/// About as many Objects as are registered with OMNA, with Resources of their own and reusable
/// ones.
fn definitions() -> Vec<ObjectDefinition> {
    let object = |number: u16| {
        let id = ObjectId::new(10241 + number * 7);
        let mut definition = ObjectDefinition::new(id, "Generated", "", &[])
            .multiple()
            .with_description("An Object of which there are several hundred in this bench");
        definition.urn = Cow::Owned(format!("urn:oma:lwm2m:x:{id}"));
        definition.resources = (0..20).map(resource).collect();
        definition
    };
    (0..300).map(object).collect()
}

fn resource(number: u16) -> ResourceDefinition {
    let id = if number < 8 {
        number
    } else {
        5500 + number * 23
    };
    let resource = match number % 4 {
        0 => ResourceDefinition::executable(id, "Reset"),
        1 => ResourceDefinition::new(id, "Mode", Operations::ReadWrite, DataType::Integer)
            .with_range(Range::Numbers(0, 7)),
        2 => ResourceDefinition::new(id, "Sensor Value", Operations::Read, DataType::Float)
            .mandatory()
            .with_units("Cel"),
        _ => ResourceDefinition::new(
            id,
            "Application Type",
            Operations::ReadWrite,
            DataType::String,
        )
        .multiple()
        .with_range(Range::Bytes(0, 255)),
    };
    resource.with_description(
        "What it is for, in the one or two sentences that a description usually has: neither \
         very short nor as long as those of Appendix E can be.",
    )
}

fn lookup(c: &mut Criterion) {
    let built_in = Registry::default();
    let mut large = Registry::default();
    for definition in definitions() {
        large.add(definition).unwrap();
    }
    let mut group = c.benchmark_group("objects/lookup");
    for (name, registry) in [("built-in", &built_in), ("309 objects", &large)] {
        for (path, object, resource) in [("3_0_7", 3, 7), ("5_0_9", 5, 9), ("unknown", 3, 99)] {
            group.bench_function(format!("{name}/{path}"), |b| {
                b.iter(|| {
                    let (object, resource) = black_box((object, resource));
                    registry.data_type(object.into(), resource.into())
                });
            });
        }
    }
    group.bench_function("309 objects/10241_0_5937", |b| {
        b.iter(|| {
            let (object, resource) = black_box((10241, 5937));
            large.data_type(object.into(), resource.into())
        });
    });
    group.finish();
    c.bench_function("objects/registry of the built-in", |b| {
        b.iter(Registry::default);
    });
}

fn files(c: &mut Criterion) {
    let definitions = definitions();
    let text = ddf::write(&definitions[..50]).unwrap();
    let mut group = c.benchmark_group("objects/ddf");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("roxmltree alone", |b| {
        b.iter(|| Document::parse(black_box(&text)).unwrap());
    });
    group.bench_function("read", |b| {
        b.iter(|| ddf::read(black_box(text.as_bytes())).unwrap());
    });
    group.bench_function("write", |b| {
        b.iter(|| ddf::write(black_box(&definitions[..50])).unwrap());
    });
    group.finish();
}

criterion_group!(benches, lookup, files);
criterion_main!(benches);
