//! Opaque, `application/octet-stream`: the octets of one opaque Resource (TS 6.4.2).

use alloc::vec::Vec;

use thiserror::Error;

use crate::{
    ContentFormat, DataType, Path, ValueRef,
    codec::{DecodeFailure, Encode, EncodeError, Event, Format, Scope, Sink, TypeLookup},
    single_value::{self, SingleValue},
};

/// Why octets aren't the value of the target of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpaqueError {
    /// The Resource has another data type.
    #[error("expected a Resource of data type Opaque, not {0}")]
    DataType(DataType),
    /// Opaque is the format of one Resource, and this is the path of something else.
    #[error("expected the path of a Resource, not {0}")]
    Path(Path),
}

/// Opaque as a [`Format`]: [`decode`] and [`Encoder`].
#[derive(Clone, Copy, Debug, Default)]
pub struct OpaqueFormat;

impl Format for OpaqueFormat {
    const CONTENT_FORMAT: ContentFormat = ContentFormat::OPAQUE;
    type Malformed = OpaqueError;
    type Encoder<'b> = Encoder<'b>;

    fn carries(scope: Scope) -> bool {
        single_value::target(scope).is_ok()
    }

    fn decode<S: Sink + ?Sized>(
        payload: &[u8],
        scope: Scope,
        types: &(impl TypeLookup + ?Sized),
        sink: &mut S,
    ) -> Result<(), DecodeFailure<OpaqueError, S::Error>> {
        decode(payload, scope, types, sink)
    }

    fn encoder(buffer: &mut Vec<u8>, scope: Scope) -> Encoder<'_> {
        Encoder::new(buffer, scope)
    }
}

/// Reads the octets of a Resource or Resource Instance into a sink.
///
/// A Resource without a definition is passed on as [`ValueRef::Raw`].
///
/// # Errors
///
/// [`OpaqueError`], or what the sink refuses.
pub fn decode<S: Sink + ?Sized>(
    payload: &[u8],
    scope: Scope,
    types: &(impl TypeLookup + ?Sized),
    sink: &mut S,
) -> Result<(), DecodeFailure<OpaqueError, S::Error>> {
    let target = single_value::target(scope).map_err(OpaqueError::Path);
    let (object, resource) = target.map_err(DecodeFailure::Malformed)?;
    let value = match types.data_type(object, resource) {
        Some(DataType::Opaque) => ValueRef::Opaque(payload),
        None => ValueRef::Raw(payload),
        Some(other) => return Err(DecodeFailure::Malformed(OpaqueError::DataType(other))),
    };
    single_value::push(scope, value, sink)
}

/// The sink that writes one opaque Resource or Resource Instance, or bytes of unknown type.
///
/// It refuses values of other data types ([`EncodeError::Value`]), and what the
/// [text encoder](crate::text::Encoder) refuses.
///
/// ```
/// use lwm2m_core::{Path, Value, codec::{Content, Scope}, opaque};
///
/// let package: Path = "/5/0/0".parse()?;
/// let content = Content::from_iter([(package, Value::Opaque(vec![1, 2, 3]))]);
/// let mut payload = Vec::new();
/// let mut encoder = opaque::Encoder::new(&mut payload, Scope::write(package));
/// content.push(&mut encoder).and_then(|()| encoder.finish()).unwrap();
/// assert_eq!(payload, [1, 2, 3]);
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
#[derive(Debug)]
pub struct Encoder<'b>(SingleValue<'b>);

impl<'b> Encoder<'b> {
    /// Begins a payload at the end of the buffer.
    pub const fn new(buffer: &'b mut Vec<u8>, scope: Scope) -> Self {
        Self(SingleValue::new(buffer, scope))
    }

    /// Ends the payload and leaves it in the buffer.
    ///
    /// # Errors
    ///
    /// As [`text::Encoder::finish`](crate::text::Encoder::finish).
    pub fn finish(self) -> Result<(), EncodeError> {
        self.0.finish()
    }
}

impl Sink for Encoder<'_> {
    type Error = EncodeError;

    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        self.0.event(&event, |value, buffer| match value {
            ValueRef::Opaque(octets) | ValueRef::Raw(octets) => {
                buffer.extend_from_slice(octets);
                true
            }
            _ => false,
        })
    }
}

impl Encode for Encoder<'_> {
    fn finish(self) -> Result<(), EncodeError> {
        Encoder::finish(self)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{Value, codec::Content};

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    fn decode(at: &str, data_type: Option<DataType>) -> Result<Content, OpaqueError> {
        let mut content = Content::new();
        let scope = Scope::write(path(at));
        match super::decode(&[0, 255], scope, &|_, _| data_type, &mut content) {
            Ok(()) => Ok(content),
            Err(DecodeFailure::Malformed(error)) => Err(error),
            Err(DecodeFailure::Sink(error)) => panic!("{error}"),
        }
    }

    fn encode(at: &str, value: Value) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, Scope::write(path(at)));
        Content::from_iter([(path(at), value)]).push(&mut encoder)?;
        encoder.finish()?;
        Ok(out)
    }

    #[test]
    fn octets_are_those_of_an_opaque_resource() {
        let octets = vec![0, 255];
        for (data_type, value) in [
            (Some(DataType::Opaque), Value::Opaque(octets.clone())),
            (None, Value::Raw(octets.clone())),
        ] {
            let content = decode("/5/0/0", data_type).unwrap();
            assert_eq!(content.get(&path("/5/0/0")), Some(&value));
            assert_eq!(encode("/5/0/0", value), Ok(octets.clone()));
        }
        assert_eq!(
            decode("/5/0/0", Some(DataType::String)),
            Err(OpaqueError::DataType(DataType::String))
        );
        assert_eq!(
            decode("/5/0", Some(DataType::Opaque)),
            Err(OpaqueError::Path(path("/5/0")))
        );
        assert_eq!(
            encode("/5/0/1", Value::from("coap://")),
            Err(EncodeError::Value(path("/5/0/1")))
        );
    }
}
