//! Link-format: the list of an example client's Register, beside `coap-lite`'s reader.

use core::hint::black_box;

use coap_lite::link_format::LinkFormatParser;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lwm2m_core::{ContentFormat, InstanceId, ObjectId};
use lwm2m_linkformat::{
    Links, RegistrationLink, RegistrationLinks, RegistrationRoot, RegistrationWriter,
};

/// 95 bytes, 11 links.
const LIST: &str = concat!(
    r#"</>;rt="oma.lwm2m";ct=11543,"#,
    "</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,</5>"
);

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("linkformat/read");
    group.throughput(Throughput::Bytes(LIST.len() as u64));
    group.bench_function("coap-lite", |b| {
        b.iter(|| {
            for link in LinkFormatParser::new(black_box(LIST)) {
                let (target, attributes) = link.unwrap();
                black_box(target);
                for (name, value) in attributes {
                    black_box(name);
                    value.for_each(|c| _ = black_box(c));
                }
            }
        });
    });
    group.bench_function("general", |b| {
        b.iter(|| {
            for link in Links::new(black_box(LIST.as_bytes())) {
                let link = link.unwrap();
                black_box(link.target);
                for attribute in link.attributes() {
                    black_box(attribute.name);
                    if let Some(value) = attribute.value {
                        value.chars().for_each(|c| _ = black_box(c));
                    }
                }
            }
        });
    });
    group.bench_function("registration", |b| {
        b.iter(|| {
            for link in RegistrationLinks::new(black_box(LIST.as_bytes())) {
                match link.unwrap() {
                    RegistrationLink::Root {
                        content_formats, ..
                    } => content_formats.for_each(|format| _ = black_box(format)),
                    RegistrationLink::Object { object, version } => {
                        black_box((object, version));
                    }
                    RegistrationLink::Instance {
                        object, instance, ..
                    } => {
                        black_box((object, instance));
                    }
                }
            }
        });
    });
    group.finish();
}

fn write(c: &mut Criterion) {
    let root = RegistrationRoot {
        content_formats: &[ContentFormat::JSON],
        resource_type: true,
        ..RegistrationRoot::default()
    };
    let mut payload = Vec::with_capacity(LIST.len());
    let mut group = c.benchmark_group("linkformat/write");
    group.throughput(Throughput::Bytes(LIST.len() as u64));
    group.bench_function("registration", |b| {
        b.iter(|| {
            payload.clear();
            let mut list = RegistrationWriter::new(&mut payload, black_box(root));
            for (object, instances) in [(1, 2), (2, 5), (3, 1), (4, 1), (5, 0)] {
                let instances = (0..instances).filter_map(InstanceId::new);
                list.object(ObjectId::new(object), None, instances);
            }
            black_box(&payload);
        });
    });
    group.finish();
    assert_eq!(payload, LIST.as_bytes());
}

criterion_group!(benches, read, write);
criterion_main!(benches);
