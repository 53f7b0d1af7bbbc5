//! Opaque, `application/octet-stream`: the octets of one opaque Resource (TS 6.4.2).

use alloc::vec::Vec;

use thiserror::Error;

use crate::{
    ContentFormat, DataType, Path, ValueRef,
    codec::{DecodeFailure, Format as _, Scope, Sink, TypeLookup},
    single_value::{self, SingleValueFormat},
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

/// Opaque as a [`Format`](crate::codec::Format): [`decode`] and [`Encoder`].
#[derive(Clone, Copy, Debug, Default)]
pub struct OpaqueFormat;

impl SingleValueFormat for OpaqueFormat {
    const CONTENT_FORMAT: ContentFormat = ContentFormat::OPAQUE;
    type Malformed = OpaqueError;

    fn misplaced(path: Path) -> OpaqueError {
        OpaqueError::Path(path)
    }

    fn read<R>(
        data_type: Option<DataType>,
        payload: &[u8],
        pass: impl FnOnce(ValueRef<'_>) -> R,
    ) -> Result<R, OpaqueError> {
        match data_type {
            Some(DataType::Opaque) => Ok(pass(ValueRef::Opaque(payload))),
            None => Ok(pass(ValueRef::Raw(payload))),
            Some(other) => Err(OpaqueError::DataType(other)),
        }
    }

    fn write(value: &ValueRef<'_>, buffer: &mut Vec<u8>) -> bool {
        match value {
            ValueRef::Opaque(octets) | ValueRef::Raw(octets) => {
                buffer.extend_from_slice(octets);
                true
            }
            _ => false,
        }
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
    OpaqueFormat::decode(payload, scope, types, sink)
}

/// The sink that writes one opaque Resource or Resource Instance, or bytes of unknown type.
///
/// It refuses a second value, a multiple Resource, and a scope whose path isn't that of a Resource
/// ([`EncodeError::SingleValue`](crate::codec::EncodeError::SingleValue)), the time of a value
/// ([`EncodeError::Time`](crate::codec::EncodeError::Time)), and a value of another data type
/// ([`EncodeError::Value`](crate::codec::EncodeError::Value)).
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
pub type Encoder<'b> = single_value::Encoder<'b, OpaqueFormat>;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        Value,
        codec::{Content, EncodeError},
    };

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
