use core::convert::Infallible;

use lwm2m_core::{
    Path,
    codec::{DecodeFailure, EncodeError, Events, Scope},
};
use lwm2m_json::{DecodeError, Encoder, decode};

use crate::recording::{choose, is_empty, lines, types};

/// The first byte chooses the path of the request. The first of these is that of a Create.
const PATHS: [&str; 7] = ["/66", "/", "/3", "/3/0", "/3/0/7", "/66/1/3", "/3/0/7/1"];

/// A JSON payload, as request and as answer: what is decoded survives encoding and decoding again.
pub fn json(data: &[u8]) {
    let Some((choice, base, payload)) = choose(data, &PATHS) else {
        return;
    };
    if choice == 0 {
        let read = |payload: &[u8]| {
            let mut events = Events::new();
            let object = base.object().expect("the path of an Object");
            decode(payload, Scope::create(object), &types, &mut events).map(|()| events)
        };
        round_trip(payload, base, read);
        return;
    }
    for scope in [Scope::write, Scope::answer] {
        let read = |payload: &[u8]| {
            let mut events = Events::new();
            decode(payload, scope(base), &types, &mut events).map(|()| events)
        };
        round_trip(payload, base, read);
    }
}

fn round_trip(
    payload: &[u8],
    base: Path,
    read: impl Fn(&[u8]) -> Result<Events, DecodeFailure<DecodeError, Infallible>>,
) {
    let Ok(events) = read(payload) else {
        return;
    };
    let bytes = match write(&events, base) {
        Ok(bytes) => bytes,
        // An answer may hold what is linked from the path; then its base is the root.
        Err(EncodeError::OutsidePath(_)) => write(&events, Path::Root).unwrap(),
        // An answer may be empty, and is not written below an Object.
        Err(EncodeError::Empty(_)) if is_empty(&events) => return,
        // One Resource that is single and multiple has no Base Name; who applies it refuses it.
        Err(EncodeError::Structure(_)) if base.resource().is_some() => return,
        Err(error) => panic!("what is decoded is encoded: {error}"),
    };
    let again = read(&bytes).expect("what is encoded is decoded");
    assert_eq!(lines(&again), lines(&events));
}

fn write(events: &Events, base: Path) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, Scope::write(base));
    events.push(&mut encoder)?;
    encoder.finish()?;
    Ok(bytes)
}
