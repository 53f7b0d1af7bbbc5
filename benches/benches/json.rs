//! LwM2M JSON, and `serde_json`, which parses the same bytes into nothing (the least that a JSON
//! parser can do) and into a tree, and writes that tree.

use core::{convert::Infallible, fmt::Write, hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lwm2m_benches::push_device;
use lwm2m_core::{
    DataType, ObjectId, Path, ResourceId,
    codec::{Content, Event, Scope, Sink},
};
use lwm2m_json::{Encoder, decode};
use serde::de::IgnoredAny;
use serde_json::Value;

/// The Device Object of TS 6.4.4, without white space.
const DEVICE: &[u8] = br#"{"bn":"/3/0/","e":[{"n":"0","sv":"Open Mobile Alliance"},{"n":"1","sv":"Lightweight M2M Client"},{"n":"2","sv":"345000123"},{"n":"3","sv":"1.0"},{"n":"6/0","v":1},{"n":"6/1","v":5},{"n":"7/0","v":3800},{"n":"7/1","v":5000},{"n":"8/0","v":125},{"n":"8/1","v":900},{"n":"9","v":100},{"n":"10","v":15},{"n":"11/0","v":0},{"n":"13","v":1367491215},{"n":"14","sv":"+02:00"},{"n":"16","sv":"U"}]}"#;

const DEVICE_PATH: Path = Path::of(&[3, 0]).unwrap();

/// Takes typed values and keeps none.
struct Walk;

impl Sink for Walk {
    type Error = Infallible;

    #[inline]
    fn event(&mut self, event: Event<'_>) -> Result<(), Infallible> {
        black_box(&event);
        Ok(())
    }
}

fn device_types(_: ObjectId, resource: ResourceId) -> Option<DataType> {
    Some(match resource.get() {
        0..=3 | 14..=19 => DataType::String,
        6..=11 | 20 | 21 => DataType::Integer,
        13 => DataType::Time,
        _ => return None,
    })
}

fn walk(payload: &[u8], base: Path) {
    decode(payload, Scope::answer(base), &device_types, &mut Walk).unwrap();
}

fn content(payload: &[u8], base: Path) -> Content {
    let mut content = Content::new();
    decode(payload, Scope::answer(base), &device_types, &mut content).unwrap();
    content
}

fn encode(content: &Content, base: Path, buffer: &mut Vec<u8>) {
    let mut encoder = Encoder::new(buffer, Scope::write(base));
    content.push(&mut encoder).unwrap();
    encoder.finish().unwrap();
}

fn reading(c: &mut Criterion) {
    let mut group = c.benchmark_group("json/read Device");
    group.throughput(Throughput::Bytes(DEVICE.len() as u64));
    group.bench_function("ours, typed values", |b| {
        b.iter(|| walk(black_box(DEVICE), DEVICE_PATH));
    });
    group.bench_function("ours, Base Time last", |b| {
        let payload = String::from_utf8(DEVICE.to_vec()).unwrap();
        let payload = payload.replace("]}", r#"],"bt":25462634}"#);
        b.iter(|| walk(black_box(payload.as_bytes()), DEVICE_PATH));
    });
    group.bench_function("serde_json, into nothing (Y4)", |b| {
        b.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(DEVICE)).unwrap());
    });
    group.bench_function("serde_json, into Value (Y5)", |b| {
        b.iter(|| serde_json::from_slice::<Value>(black_box(DEVICE)).unwrap());
    });
    group.finish();
}

fn writing(c: &mut Criterion) {
    let write = |buffer: &mut Vec<u8>| {
        let mut encoder = Encoder::new(buffer, Scope::write(DEVICE_PATH));
        push_device(&mut encoder).unwrap();
        encoder.finish().unwrap();
    };
    let content = content(DEVICE, DEVICE_PATH);
    let value: Value = serde_json::from_slice(DEVICE).unwrap();
    let mut buffer = Vec::with_capacity(1024);
    write(&mut buffer);
    assert_eq!(buffer, DEVICE);

    let mut group = c.benchmark_group("json/write Device");
    group.throughput(Throughput::Bytes(DEVICE.len() as u64));
    group.bench_function("ours, events", |b| {
        b.iter(|| {
            buffer.clear();
            write(&mut buffer);
            black_box(&buffer);
        });
    });
    group.bench_function("ours, events, new buffer", |b| {
        b.iter(|| {
            let mut buffer = Vec::new();
            write(&mut buffer);
            buffer
        });
    });
    group.bench_function("ours, Content", |b| {
        b.iter(|| {
            buffer.clear();
            encode(black_box(&content), DEVICE_PATH, &mut buffer);
            black_box(&buffer);
        });
    });
    group.bench_function("serde_json, Value (Y6)", |b| {
        b.iter(|| serde_json::to_vec(black_box(&value)).unwrap());
    });
    group.finish();
}

/// Object Instances with many Resources: the time for an entry must not depend on their number.
fn growth(c: &mut Criterion) {
    let mut group = c.benchmark_group("json/read entries");
    for count in [100u16, 10_000] {
        let mut payload = String::from(r#"{"bn":"/3/0/","e":["#);
        for id in 0..count {
            // The same number of bytes for all.
            let id = id + 10_000;
            write!(payload, r#"{{"n":"{id}","sv":"abcdefgh"}},"#).unwrap();
        }
        payload.pop();
        payload.push_str("]}");
        group.throughput(Throughput::Elements(u64::from(count)));
        group.bench_function(count.to_string(), |b| {
            b.iter(|| walk(black_box(payload.as_bytes()), DEVICE_PATH));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = reading, writing, growth
}
criterion_main!(benches);
