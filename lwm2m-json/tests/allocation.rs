//! What decoding and encoding allocate. One test, because the counters are global.

use core::{convert::Infallible, hint::black_box};

use lwm2m_core::{
    DataType, ObjectId, Path, ResourceId,
    codec::{Content, Event, Scope, Sink},
};
use lwm2m_json::{Encoder, decode};
use lwm2m_kit::heap::{Stats, least_change};

lwm2m_kit::count_allocations!();

struct Walk;

impl Sink for Walk {
    type Error = Infallible;

    fn event(&mut self, event: Event<'_>) -> Result<(), Infallible> {
        black_box(event);
        Ok(())
    }
}

fn walk(payload: &str, data_type: DataType) -> Stats {
    let types = |_: ObjectId, _: ResourceId| Some(data_type);
    least_change(|| {
        let _ = decode(
            payload.as_bytes(),
            Scope::answer(Path::Root),
            &types,
            &mut Walk,
        );
    })
}

/// A document of this many entries.
fn document(count: usize, field: &str) -> String {
    let entry = format!(r#"{{"n":"0",{field}}}"#);
    let entries = vec![entry; count].join(",");
    format!(r#"{{"bn":"/3/0/","e":[{entries}],"bt":1}}"#)
}

#[test]
fn as_little_as_can_be_is_allocated() {
    // Plain strings and numbers: nothing.
    for (field, data_type) in [
        (r#""sv":"Lightweight M2M Client, Zürich""#, DataType::String),
        (r#""v":1367491215"#, DataType::Time),
        (r#""v":15.0"#, DataType::Integer),
        (r#""v":22.4,"t":-5"#, DataType::Float),
        (r#""bv":true,"x":[{"y":"\n"}]"#, DataType::Boolean),
        (r#""ov":"66:0""#, DataType::ObjectLink),
    ] {
        let stats = walk(&document(100, field), data_type);
        assert_eq!(stats.allocations, 0, "{field}");
    }

    // Escaped strings and opaque values: room for the longest, once, whatever their number.
    for (field, data_type) in [
        (r#""sv":"one\ntwo\nthree""#, DataType::String),
        (r#""sv":"AQIDBAUG""#, DataType::Opaque),
    ] {
        let payload = document(100, field);
        let stats = walk(&payload, data_type);
        assert!(
            (1..=2).contains(&(stats.allocations + stats.reallocations)),
            "{stats:?}"
        );
        let longest = document(1, &format!("\"sv\":\"{}\"", "\\n".repeat(50_000)));
        let stats = walk(&longest, DataType::String);
        assert!(stats.bytes_allocated <= longest.len(), "{stats:?}");
    }

    // A malformed payload doesn't cost more than its length.
    for payload in [
        "[".repeat(100_000),
        format!(r#"{{"e":[{{"n":"{}","v":1}}]}}"#, "/\\u0030".repeat(10_000)),
        format!(
            r#"{{"bn":"/3/0/0","e":[{{"sv":"{}"}}]}}"#,
            "A".repeat(99_999)
        ),
    ] {
        let stats = walk(&payload, DataType::Opaque);
        let allocated = usize::try_from(stats.bytes_reallocated).unwrap() + stats.bytes_allocated;
        assert!(allocated <= 2 * payload.len(), "{stats:?}");
    }

    // Writing into a buffer with room: nothing.
    let mut content = Content::new();
    let payload = document(100, r#""v":22.4"#).replace(r#","bt":1"#, "");
    let types = |_: ObjectId, _: ResourceId| Some(DataType::Float);
    let base = Path::of(&[3, 0]).unwrap();
    decode(
        payload.as_bytes(),
        Scope::answer(base),
        &types,
        &mut content,
    )
    .unwrap();
    let mut buffer = Vec::with_capacity(payload.len() + 64);
    let stats = least_change(|| {
        buffer.clear();
        let mut encoder = Encoder::new(&mut buffer, Scope::write(base));
        content.push(&mut encoder).unwrap();
        encoder.finish().unwrap();
    });
    assert_eq!(stats.allocations, 0);
    assert_eq!(stats.reallocations, 0);
    assert_eq!(buffer, payload.as_bytes());
}
