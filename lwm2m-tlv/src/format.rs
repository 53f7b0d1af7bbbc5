//! TLV as one of several formats.

use alloc::vec::Vec;

use lwm2m_core::{
    ContentFormat, Path,
    codec::{DecodeFailure, Encode, EncodeError, Format, Purpose, Scope, Sink, TypeLookup},
};

use crate::{decode::decode, encode::Encoder, error::DecodeError};

/// TLV as a [`Format`]: [`decode`] and [`Encoder`].
#[derive(Clone, Copy, Debug, Default)]
pub struct TlvFormat;

impl Format for TlvFormat {
    const CONTENT_FORMAT: ContentFormat = ContentFormat::TLV;
    type Malformed = DecodeError;
    type Encoder<'b> = Encoder<'b>;

    fn carries(scope: Scope) -> bool {
        matches!(
            (scope.purpose(), scope.base()),
            (
                Purpose::Write | Purpose::Create | Purpose::Answer,
                Path::Object(_) | Path::Instance(..) | Path::Resource(..)
            )
        )
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
