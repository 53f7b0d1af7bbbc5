//! TLV: the Device payload of TS 6.4.3.1 read and written, beside `coap-lite` parsing a Register.
//!
//! `cargo bench -p lwm2m-benches --bench tlv`
//!
//! Targets: `tlv/read` and `tlv/write` at most half of `tlv/yardstick` (aim: a third). Growth: the
//! time per element of `tlv-growth` is the same for 100 and for 10,000 Resources, within 20 %.

use core::{convert::Infallible, hint::black_box};

use coap_lite::Packet;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lwm2m_benches::{REGISTER, push_device};
use lwm2m_core::{
    DataType, InstanceId, ObjectId, Path, ResourceId,
    ValueRef::{Integer, String},
    codec::{Event, Scope, Sink, Untyped},
};
use lwm2m_tlv::{Encoder, decode};

const DEVICE: &[u8] = b"\xC8\x00\x14Open Mobile Alliance\xC8\x01\x16Lightweight M2M Client\
    \xC8\x02\x09345000123\xC3\x031.0\x86\x06\x41\x00\x01\x41\x01\x05\
    \x88\x07\x08\x42\x00\x0E\xD8\x42\x01\x13\x88\x87\x08\x41\x00\x7D\x42\x01\x03\x84\
    \xC1\x09\x64\xC1\x0A\x0F\x83\x0B\x41\x00\x00\xC4\x0D\x51\x82\x42\x8F\xC6\x0E+02:00\xC1\x10U";

const DEVICE_INSTANCE: Path = Path::Instance(ObjectId::DEVICE, InstanceId::ZERO);

/// The definitions of the Device (TS Appendix E.4), as a match.
fn device_types(object: ObjectId, resource: ResourceId) -> Option<DataType> {
    Some(match (object.get(), resource.get()) {
        (3, 0..=3 | 14..=19) => DataType::String,
        (3, 6..=11 | 20 | 21) => DataType::Integer,
        (3, 13) => DataType::Time,
        _ => return None,
    })
}

/// Takes every event and does nothing.
struct Look;

impl Sink for Look {
    type Error = Infallible;

    fn event(&mut self, event: Event<'_>) -> Result<(), Infallible> {
        black_box(&event);
        Ok(())
    }
}

fn device(c: &mut Criterion) {
    let mut written = Vec::new();
    let mut encoder = Encoder::new(&mut written, Scope::write(DEVICE_INSTANCE));
    push_device(&mut encoder).unwrap();
    encoder.finish().unwrap();
    assert_eq!(written, DEVICE);

    let mut group = c.benchmark_group("tlv");
    group.bench_function("yardstick", |b| {
        b.iter(|| Packet::from_bytes(black_box(REGISTER)));
    });
    group.bench_function("read", |b| {
        b.iter(|| {
            decode(
                black_box(DEVICE),
                Scope::write(DEVICE_INSTANCE),
                &device_types,
                &mut Look,
            )
        });
    });
    group.bench_function("read-untyped", |b| {
        b.iter(|| {
            decode(
                black_box(DEVICE),
                Scope::write(DEVICE_INSTANCE),
                &Untyped,
                &mut Look,
            )
        });
    });
    let mut buffer = Vec::with_capacity(DEVICE.len());
    group.bench_function("write", |b| {
        b.iter(|| {
            buffer.clear();
            let mut encoder = Encoder::new(&mut buffer, Scope::write(DEVICE_INSTANCE));
            push_device(&mut encoder)?;
            encoder.finish()?;
            black_box(&buffer);
            Ok::<(), lwm2m_core::codec::EncodeError>(())
        });
    });
    group.finish();
}

/// Resources with identifiers of every length, strings and integers in turn.
fn push_many<S: Sink>(sink: &mut S, count: u16) -> Result<(), S::Error> {
    sink.event(Event::Object(ObjectId::DEVICE))?;
    sink.event(Event::Instance(Some(InstanceId::ZERO)))?;
    for id in 0..count {
        let value = match id % 2 {
            0 => Integer(i64::from(id) + 1_000),
            _ => String("a value of some length"),
        };
        // Identifiers of two bytes for each count.
        sink.event(Event::Resource {
            id: ResourceId::new(1_000 + id),
            value,
            time: None,
        })?;
    }
    sink.event(Event::EndInstance)?;
    sink.event(Event::EndObject)
}

fn growth(c: &mut Criterion) {
    let types = |_: ObjectId, resource: ResourceId| match resource.get() % 2 {
        0 => Some(DataType::Integer),
        _ => Some(DataType::String),
    };
    let base = Path::Object(ObjectId::DEVICE);
    let mut group = c.benchmark_group("tlv-growth");
    for count in [100, 10_000] {
        let mut payload = Vec::new();
        let mut encoder = Encoder::new(&mut payload, Scope::write(base));
        push_many(&mut encoder, count).unwrap();
        encoder.finish().unwrap();
        group.throughput(Throughput::Elements(count.into()));
        group.bench_with_input(BenchmarkId::new("read", count), &payload, |b, payload| {
            b.iter(|| decode(black_box(payload), Scope::write(base), &types, &mut Look));
        });
        let mut buffer = Vec::with_capacity(payload.len());
        group.bench_with_input(BenchmarkId::new("write", count), &count, |b, count| {
            b.iter(|| {
                buffer.clear();
                let mut encoder = Encoder::new(&mut buffer, Scope::write(base));
                push_many(&mut encoder, black_box(*count))?;
                encoder.finish()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, device, growth);
criterion_main!(benches);
