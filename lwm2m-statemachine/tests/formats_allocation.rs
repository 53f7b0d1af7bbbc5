//! No payload makes a decoder allocate more than a small multiple of its length. One test, because
//! the counter is global.

use core::{convert::Infallible, hint::black_box};

use lwm2m_core::{
    Arguments, AttributesUpdate, Binding, BootstrapParameters, ContentFormat, DataType, ObjectId,
    Path, RegisterParameters, ResourceId, UnknownParameter, UpdateParameters, Version,
    codec::{Event, Scope, Sink},
};
use lwm2m_kit::heap::change;
use lwm2m_linkformat::{BootstrapDiscoverLinks, DiscoverLinks, Links, RegistrationLinks, RootPath};
use lwm2m_statemachine::payload;

lwm2m_kit::count_allocations!();

/// All bytes that are allocated, whether freed again or not. The least of some runs, because the
/// thread that waits for the test may allocate too.
fn allocated(run: impl Fn()) -> usize {
    let once = || {
        let change = change(&run);
        change.bytes_allocated + usize::try_from(change.bytes_reallocated).unwrap_or(0)
    };
    (0..3).map(|_| once()).min().unwrap_or(0)
}

/// Keeps nothing, so that only the decoder is counted.
struct Forget;

impl Sink for Forget {
    type Error = Infallible;

    fn event(&mut self, event: Event<'_>) -> Result<(), Infallible> {
        black_box(&event);
        Ok(())
    }
}

fn types(_: ObjectId, resource: ResourceId) -> Option<DataType> {
    Some(match resource.get() % 8 {
        0 => DataType::String,
        1 => DataType::Integer,
        2 => DataType::Float,
        3 => DataType::Boolean,
        4 => DataType::Opaque,
        5 => DataType::Time,
        6 => DataType::ObjectLink,
        _ => return None,
    })
}

/// Checks the cost of values: JSON and text are unescaped or decoded from Base64.
fn values(bytes: &[u8]) {
    for base in ["/", "/3", "/3/0", "/3/0/0", "/3/0/4", "/3/0/7/1"] {
        let base: Path = base.parse().unwrap();
        for format in [
            ContentFormat::TEXT,
            ContentFormat::OPAQUE,
            ContentFormat::TLV,
            ContentFormat::JSON,
        ] {
            let cost = allocated(|| {
                let _ = payload::decode(format, bytes, Scope::write(base), &types, &mut Forget);
            });
            let answer = allocated(|| {
                let _ = payload::decode(format, bytes, Scope::answer(base), &types, &mut Forget);
            });
            let create = allocated(|| {
                let object = ObjectId::DEVICE;
                let _ = payload::decode(format, bytes, Scope::create(object), &types, &mut Forget);
            });
            let most = match format {
                // The estimated size of Base64, even if it turns out not to be any.
                ContentFormat::TEXT => bytes.len() + 2,
                // A growing buffer may have been copied once or twice.
                ContentFormat::JSON => 3 * bytes.len() + 64,
                _ => 0,
            };
            for cost in [cost, answer, create] {
                assert!(cost <= most, "{base} in {format}: {cost} for {bytes:?}");
            }
        }
    }
}

fn links(bytes: &[u8]) {
    let cost = allocated(|| {
        Links::new(bytes)
            .flatten()
            .for_each(|link| _ = black_box(link.attributes().count()));
        RegistrationLinks::new(bytes).for_each(|link| _ = black_box(link));
        DiscoverLinks::new(bytes, RootPath::default()).for_each(|link| _ = black_box(link));
        BootstrapDiscoverLinks::new(bytes).for_each(|link| _ = black_box(link));
    });
    assert_eq!(cost, 0, "link-format: {bytes:?}");
}

fn queries(bytes: &[u8]) {
    let cost = allocated(|| _ = black_box(Arguments::parse(bytes)));
    assert_eq!(cost, 0, "arguments: {bytes:?}");
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let queries = || text.split('&');
    let keep = |_: &str| UnknownParameter::Accept;
    let cost = allocated(|| {
        let _ = black_box(RegisterParameters::read(queries(), Version::INITIAL, keep));
        let _ = black_box(RegisterParameters::read(
            queries(),
            Version::new(1, 1),
            keep,
        ));
        let _ = black_box(UpdateParameters::read(queries(), Binding::default(), keep));
        let _ = black_box(BootstrapParameters::read(queries(), keep));
        let _ = black_box(AttributesUpdate::from_queries(queries()));
    });
    assert_eq!(cost, 0, "queries: {bytes:?}");
}

/// Endless numbers, the same in each run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

/// Payloads that announce more than they have, repeat what is costly, or are incomplete.
fn hostile() -> Vec<Vec<u8>> {
    let repeated = |text: &str, times| text.repeat(times).into_bytes();
    vec![
        // Lengths of 16 MiB, by themselves and nested.
        b"\xF8\x00\x01\xFF\xFF\xFF".to_vec(),
        b"\x08\x00\x0A\xB8\x00\x01\xFF\xFF\xFF\x58\x00\xFF\xFF\xFF".to_vec(),
        b"\xC0\x00".repeat(10_000),
        b"\x80\x06".repeat(10_000),
        repeated("[", 20_000),
        repeated(r#"{"e":["#, 5_000),
        repeated(r#"{"e":[{"n":"0","sv":"\n"},"#, 2_000),
        format!(r#"{{"bn":"{}","e":[]}}"#, "/\\u0033".repeat(5_000)).into_bytes(),
        format!(
            r#"{{"e":[{{"n":"/3/0/0","sv":"{}"}}]}}"#,
            "\\u00e9".repeat(5_000)
        )
        .into_bytes(),
        format!(
            r#"{{"bn":"/3/0/","e":[{}{{"n":"0","sv":"end"}}]}}"#,
            r#"{"n":"0","sv":"\n\n\n\n"},{"n":"4","sv":"AAAA"},"#.repeat(500)
        )
        .into_bytes(),
        format!(r#"{{"e":[{{"n":"/3/0/1","v":{}}}]}}"#, "9".repeat(20_000)).into_bytes(),
        format!(r#"{{"e":[{{"n":"/3/0/2","v":1e{}}}]}}"#, "9".repeat(20_000)).into_bytes(),
        repeated("A", 20_000),
        repeated("9", 20_000),
        repeated("1e9", 5_000),
        repeated("<", 20_000),
        repeated("</3/0>;a=\"\\\"\",", 1_000),
        repeated("</>;ct=\"0 0\",", 1_000),
        repeated("ep=a&", 2_000),
        repeated("a&", 5_000),
        repeated("&", 5_000),
        repeated("0='a',", 2_000),
    ]
}

#[test]
fn what_is_allocated_is_bounded_by_what_came() {
    // Check the counter itself.
    assert_eq!(allocated(|| drop(black_box(vec![0_u8; 10]))), 10);

    let mut payloads = hostile();
    let good: [&[u8]; 5] = [
        b"\x08\x00\x11\xC8\x00\x08Lwm2m 10\x86\x06\x41\x00\x01\x41\x01\x05",
        br#"{"bn":"/3/0/","e":[{"n":"0","sv":"a\tb"},{"n":"4","sv":"AQID"},{"n":"7/1","v":1.5e3,"t":-5}],"bt":1e9}"#,
        br#"</>;rt="oma.lwm2m";ct="0 11543",</3/0>;dim=8;title="a\"b",</44>;ver=2.2"#,
        b"ep=urn:dev:os:0023C7-000001&lt=86400&lwm2m=1.0&b=UQ&sms=123&x=y",
        b"pmin=10&pmax=60&gt=50&lt=42.2&st=1",
    ];
    // Valid payloads, changed in a few places, joined or cut, and random bytes.
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    for _ in 0..2_000 {
        let mut payload = good[numbers.next(good.len())].to_vec();
        if numbers.next(4) == 0 {
            payload.extend_from_slice(good[numbers.next(good.len())]);
        }
        for _ in 0..numbers.next(4) {
            let at = numbers.next(payload.len());
            payload[at] = u8::try_from(numbers.next(256)).unwrap();
        }
        if numbers.next(4) == 0 {
            payload.truncate(numbers.next(payload.len()));
        }
        payloads.push(payload);
        let length = numbers.next(64);
        let random = (0..length).map(|_| u8::try_from(numbers.next(256)).unwrap());
        payloads.push(random.collect());
    }
    for payload in &payloads {
        values(payload);
        links(payload);
        queries(payload);
    }
}
