//! LwM2M JSON as one of several formats.

use alloc::vec::Vec;

use lwm2m_core::{
    ContentFormat,
    codec::{DecodeFailure, Encode, EncodeError, Format, Scope, Sink, TypeLookup},
};

use crate::{decode::decode, encode::Encoder, error::DecodeError, scope};

/// LwM2M JSON as a [`Format`]: [`decode`] and [`Encoder`].
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonFormat;

impl Format for JsonFormat {
    const CONTENT_FORMAT: ContentFormat = ContentFormat::JSON;
    type Malformed = DecodeError;
    type Encoder<'b> = Encoder<'b>;

    fn carries(scope: Scope) -> bool {
        scope::carries(scope)
    }

    fn decode<S: Sink + ?Sized>(
        payload: &[u8],
        scope: Scope,
        types: &(impl TypeLookup + ?Sized),
        sink: &mut S,
    ) -> Result<(), DecodeFailure<DecodeError, S::Error>> {
        decode(payload, scope, types, sink)
    }

    fn encoder(buffer: &mut Vec<u8>, scope: Scope) -> Encoder<'_> {
        Encoder::new(buffer, scope)
    }
}

impl Encode for Encoder<'_> {
    fn finish(self) -> Result<(), EncodeError> {
        Encoder::finish(self)
    }
}
