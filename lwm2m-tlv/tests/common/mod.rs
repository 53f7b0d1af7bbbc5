//! Hexadecimal, and events as text.

#![allow(dead_code, reason = "each test takes what it needs")]

use core::{convert::Infallible, fmt::Write};

use lwm2m_core::{
    ObjectId, Path, ValueRef,
    codec::{DecodeFailure, Event, Scope, Sink, TypeLookup, Untyped},
};
pub(crate) use lwm2m_kit::path;
use lwm2m_tlv::{DecodeError, decode};

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|digit| !digit.is_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect()
}

/// The events of a payload, such as `O3 I0 R9=raw 64 M7 r0=5 /M /I /O`.
pub(crate) fn events(base: &str, hex: &str) -> Result<String, DecodeError> {
    told(&bytes(hex), path(base), &Untyped)
}

pub(crate) fn told(
    payload: &[u8],
    base: Path,
    types: &impl TypeLookup,
) -> Result<String, DecodeError> {
    let mut tell = Tell(String::new());
    finish(decode(payload, Scope::write(base), types, &mut tell), tell)
}

pub(crate) fn events_of_create(object: u16, hex: &str) -> Result<String, DecodeError> {
    let mut tell = Tell(String::new());
    let scope = Scope::create(ObjectId::new(object));
    finish(decode(&bytes(hex), scope, &Untyped, &mut tell), tell)
}

fn finish(
    outcome: Result<(), DecodeFailure<DecodeError, Infallible>>,
    tell: Tell,
) -> Result<String, DecodeError> {
    match outcome {
        Ok(()) => Ok(tell.0),
        Err(DecodeFailure::Malformed(error)) => Err(error),
        Err(DecodeFailure::Sink(never)) => match never {},
    }
}

/// Writes events down.
pub(crate) struct Tell(pub(crate) String);

impl Sink for Tell {
    type Error = Infallible;

    fn event(&mut self, event: Event<'_>) -> Result<(), Infallible> {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        let out = &mut self.0;
        match event {
            Event::Object(id) => write!(out, "O{id}"),
            Event::Instance(Some(id)) => write!(out, "I{id}"),
            Event::Instance(None) => write!(out, "I"),
            Event::Resource { id, value, time } => {
                assert_eq!(time, None);
                write!(out, "R{id}={}", tell(&value))
            }
            Event::Multiple(id) => write!(out, "M{id}"),
            Event::ResourceInstance { id, value, time } => {
                assert_eq!(time, None);
                write!(out, "r{id}={}", tell(&value))
            }
            Event::EndMultiple => write!(out, "/M"),
            Event::EndInstance => write!(out, "/I"),
            Event::EndObject => write!(out, "/O"),
            other => unreachable!("{other:?}"),
        }
        .unwrap();
        Ok(())
    }
}

fn tell(value: &ValueRef<'_>) -> String {
    match value {
        ValueRef::Raw(bytes) => {
            let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("raw {}", hex.join(" "))
        }
        value => format!("{value:?}"),
    }
}
