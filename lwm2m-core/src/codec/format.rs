//! What every format implements.

use alloc::vec::Vec;

use super::{
    error::{DecodeFailure, EncodeError},
    scope::Scope,
    sink::Sink,
    types::TypeLookup,
};
use crate::ContentFormat;

/// A format of payloads, in both directions.
///
/// Each format is a type without values that implements this, beside functions of its own:
/// `lwm2m_tlv::TlvFormat` is [`lwm2m_tlv::decode`] and [`lwm2m_tlv::Encoder`]. Code that is the same
/// for all formats, such as a dispatcher by Content-Format, takes the format as a type parameter:
///
/// ```
/// use lwm2m_core::{
///     DataType, Path,
///     codec::{Content, Encode, Format, Scope},
///     opaque::OpaqueFormat,
///     text::TextFormat,
/// };
///
/// /// Writes in one format what is read in another.
/// fn transcode<From: Format, To: Format>(payload: &[u8], scope: Scope) -> Option<Vec<u8>> {
///     let mut buffer = Vec::new();
///     let mut encoder = To::encoder(&mut buffer, scope);
///     From::decode(payload, scope, &|_, _| Some(DataType::Opaque), &mut encoder).ok()?;
///     encoder.finish().ok()?;
///     Some(buffer)
/// }
///
/// let package = Scope::write("/5/0/0".parse()?);
/// assert_eq!(transcode::<TextFormat, OpaqueFormat>(b"AQID", package), Some(vec![1, 2, 3]));
/// # Ok::<(), lwm2m_core::PathError>(())
/// ```
///
/// [`lwm2m_tlv::decode`]: https://docs.rs/lwm2m-tlv/latest/lwm2m_tlv/fn.decode.html
/// [`lwm2m_tlv::Encoder`]: https://docs.rs/lwm2m-tlv/latest/lwm2m_tlv/struct.Encoder.html
pub trait Format {
    /// Its number on the wire.
    const CONTENT_FORMAT: ContentFormat;

    /// What can be wrong with a payload, and where.
    type Malformed: core::error::Error;

    /// The sink that writes a payload.
    type Encoder<'b>: Encode;

    /// Whether there are payloads of this scope. Decoder and encoder refuse any other.
    fn carries(scope: Scope) -> bool;

    /// Reads a payload and pushes its events into `sink`, in the order of the
    /// [module](crate::codec), with the data types that `types` tells.
    ///
    /// The sink has got all that stands before an error. It is for the sink to apply a whole payload
    /// or nothing.
    ///
    /// # Errors
    ///
    /// [`DecodeFailure::Malformed`] with the place and the reason; [`DecodeFailure::Sink`] if the
    /// sink refuses an event.
    fn decode<S: Sink + ?Sized>(
        payload: &[u8],
        scope: Scope,
        types: &(impl TypeLookup + ?Sized),
        sink: &mut S,
    ) -> Result<(), DecodeFailure<Self::Malformed, S::Error>>;

    /// Begins a payload at the end of `buffer`.
    fn encoder(buffer: &mut Vec<u8>, scope: Scope) -> Self::Encoder<'_>;
}

/// A sink that writes a payload at the end of a buffer.
///
/// It leaves out what the path of its [`Scope`] says already. After an error it refuses every event,
/// and its end, with that error. If it is dropped without a successful [`finish`](Self::finish), the
/// buffer is as it was.
pub trait Encode: Sink<Error = EncodeError> {
    /// Ends the payload and leaves it in the buffer.
    ///
    /// # Errors
    ///
    /// The error of an event, or that the payload isn't complete.
    fn finish(self) -> Result<(), EncodeError>;
}
