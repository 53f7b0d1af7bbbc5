use lwm2m_core::{
    DataType, ValueRef,
    codec::{EncodeError, Events, Scope},
    opaque, text as format,
};

use crate::recording::{choose, lines, types};

/// The first byte chooses a data type, or one of these paths.
const PATHS: [&str; 4] = ["/3/0/0", "/66/0/5", UNTYPED, "/3/0/7/1"];
/// The path of a Resource without a definition.
const UNTYPED: &str = "/66/0/9";
const TYPES: [DataType; 7] = [
    DataType::String,
    DataType::Integer,
    DataType::Float,
    DataType::Boolean,
    DataType::Opaque,
    DataType::Time,
    DataType::ObjectLink,
];

/// One value as text (TS 6.4.1) and as octets (6.4.2).
pub fn text(data: &[u8]) {
    if let Some((choice, payload)) = data.split_first() {
        value(TYPES[usize::from(*choice) % TYPES.len()], payload);
    }
    resource(data);
}

fn value(data_type: DataType, payload: &[u8]) {
    let Ok(read) = format::read(data_type, payload) else {
        return;
    };
    let read = read.as_ref();
    assert_eq!(read.data_type(), Some(data_type));
    let mut written = Vec::new();
    format::write(&read, &mut written).expect("what is read is written");
    if let ValueRef::Integer(_) | ValueRef::Time(_) | ValueRef::Float(_) = read {
        let allowed = |byte: &u8| byte.is_ascii_digit() || b"-.".contains(byte);
        assert!(written.iter().all(allowed), "Appendix C has no exponents");
    }
    let again = format::read(data_type, &written).expect("what is written is read");
    assert_eq!(format!("{:?}", again.as_ref()), format!("{read:?}"));
}

/// The same by path and events, in the two formats of a single value.
fn resource(data: &[u8]) {
    let Some((_, path, payload)) = choose(data, &PATHS) else {
        return;
    };
    let mut events = Events::new();
    if format::decode(payload, Scope::write(path), &types, &mut events).is_ok() {
        let mut written = Vec::new();
        let mut encoder = format::Encoder::new(&mut written, Scope::write(path));
        let pushed = events.push(&mut encoder).and_then(|()| encoder.finish());
        if path == UNTYPED.parse().unwrap() {
            assert_eq!(
                pushed,
                Err(EncodeError::Value(path)),
                "raw bytes are no text"
            );
            assert!(written.is_empty());
        } else {
            pushed.expect("what is read is written");
            let mut again = Events::new();
            format::decode(&written, Scope::write(path), &types, &mut again).unwrap();
            assert_eq!(lines(&again), lines(&events));
        }
    }
    let mut events = Events::new();
    if opaque::decode(payload, Scope::write(path), &types, &mut events).is_ok() {
        let mut written = Vec::new();
        let mut encoder = opaque::Encoder::new(&mut written, Scope::write(path));
        events.push(&mut encoder).unwrap();
        encoder.finish().unwrap();
        assert_eq!(written, payload);
    }
}
