use lwm2m_core::{
    Path,
    codec::{DecodeFailure, EncodeError, Events, Scope},
};
use lwm2m_tlv::{DecodeError, Encoder, Reader, Tlv, decode};

use crate::recording::{choose, lines, types};

/// The first byte chooses the path of the request. The first of these is that of a Create.
const PATHS: [&str; 7] = ["/3", "/3", "/3/0", "/3/0/7", "/66/0", "/66/1/3", "/3/0/7/1"];

/// A TLV payload: what is decoded survives encoding and decoding again.
pub fn tlv(data: &[u8]) {
    let Some((choice, base, payload)) = choose(data, &PATHS) else {
        return;
    };
    walk(Reader::new(payload), 0);
    let create = choice == 0;
    let Ok(events) = read(payload, base, create) else {
        return;
    };
    let bytes = write(&events, base).expect("what is decoded is encoded");
    let again = read(&bytes, base, create).expect("what is encoded is decoded");
    assert_eq!(lines(&again), lines(&events));
    assert_eq!(write(&again, base).as_deref(), Ok(bytes.as_slice()));
}

fn read(
    payload: &[u8],
    base: Path,
    create: bool,
) -> Result<Events, DecodeFailure<DecodeError, core::convert::Infallible>> {
    let mut events = Events::new();
    match base.object() {
        Some(object) if create => decode(payload, Scope::create(object), &types, &mut events)?,
        _ => decode(payload, Scope::write(base), &types, &mut events)?,
    }
    Ok(events)
}

fn write(events: &Events, base: Path) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, Scope::write(base));
    events.push(&mut encoder)?;
    encoder.finish()?;
    Ok(bytes)
}

/// The pull reader moves forward and ends.
fn walk(mut reader: Reader<'_>, depth: usize) {
    let mut offset = reader.offset();
    while let Some(item) = reader.next() {
        let Ok(tlv): Result<Tlv<'_>, _> = item else {
            assert!(reader.next().is_none(), "nothing follows an error");
            return;
        };
        assert!(reader.offset() > offset);
        offset = reader.offset();
        if let Some(nested) = tlv.nested().filter(|_| depth < 8) {
            walk(nested, depth + 1);
        }
    }
}
