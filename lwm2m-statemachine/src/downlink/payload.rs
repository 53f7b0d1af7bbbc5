//! Payloads by Content-Format: one way in and one way out for all formats of resource information
//! (TS 6.4).
//!
//! The format is always given. What an absent Content-Format option means is for the caller to
//! know: a Write or Create without one is answered 4.00, an answer without one is text. A format
//! that is not known is an error of its own, so that the two are never confused.
//!
//! ```
//! use lwm2m_core::{ContentFormat, Path, codec::Content};
//! use lwm2m_objects::Registry;
//! use lwm2m_statemachine::payload;
//!
//! let path: Path = "/3/0/14".parse()?;
//! let content = Content::from_iter([(path, "+02:00")]);
//! for format in [ContentFormat::TEXT, ContentFormat::TLV, ContentFormat::JSON] {
//!     let mut buffer = Vec::new();
//!     payload::encode(format, &content, path, &mut buffer)?;
//!     let mut decoded = Content::new();
//!     payload::decode(format, &buffer, path, &Registry::default(), &mut decoded)?;
//!     assert_eq!(decoded, content);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::vec::Vec;

use lwm2m_core::{
    ContentFormat, InstanceId, ObjectId, Path,
    codec::{Content, DecodeFailure, EncodeError, Event, Purpose, Sink, TypeLookup, WithInstance},
    opaque, text,
};
use thiserror::Error;

/// Why a payload did not reach its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError<S> {
    /// The format is not one of resource information: 4.15 (TS 8.5).
    #[error("payloads in {0} are not supported")]
    Unsupported(ContentFormat),
    /// The payload is malformed: 4.00.
    #[error("{0}")]
    Malformed(Malformed),
    /// The sink refused an event.
    #[error("{0}")]
    Sink(S),
}

/// What is wrong with a payload, in the terms of its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Text (TS 6.4.1).
    #[error("text: {0}")]
    Text(text::TextError),
    /// Opaque (TS 6.4.2).
    #[error("opaque: {0}")]
    Opaque(opaque::OpaqueError),
    /// TLV (TS 6.4.3).
    #[error("TLV: {0}")]
    Tlv(lwm2m_tlv::DecodeError),
    /// JSON (TS 6.4.4).
    #[error("JSON: {0}")]
    Json(lwm2m_json::DecodeError),
}

/// Why content cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum EncodeFailure {
    /// The format is not one of resource information, or not for this kind of request.
    #[error("payloads in {0} are not supported")]
    Unsupported(ContentFormat),
    /// The format cannot carry the content.
    #[error("{0}")]
    Content(#[from] EncodeError),
}

impl From<Unsupported> for EncodeFailure {
    fn from(Unsupported(format): Unsupported) -> Self {
        Self::Unsupported(format)
    }
}

/// A format that is not one of resource information.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("payloads in {0} are not supported")]
pub struct Unsupported(pub ContentFormat);

/// Whether payloads of this format can be read and written. (Link-format carries no values.)
pub const fn supports(format: ContentFormat) -> bool {
    matches!(
        format,
        ContentFormat::TEXT | ContentFormat::OPAQUE | ContentFormat::TLV | ContentFormat::JSON
    )
}

/// Reads the payload of a request to the path `base`, and pushes its events into `sink`; nothing
/// outside of `base` is accepted.
///
/// The sink has seen all that stands before an error.
pub fn decode<S: Sink + ?Sized>(
    format: ContentFormat,
    payload: &[u8],
    base: Path,
    types: &(impl TypeLookup + ?Sized),
    sink: &mut S,
) -> Result<(), DecodeError<S::Error>> {
    decode_as(Purpose::Write, format, payload, base, types, sink)
}

/// Reads the payload of an answer or notification about the path `base`, and pushes its events
/// into `sink`. JSON may hold Object Instances that are linked from `base`, and values over time
/// (TS 6.4.4).
pub fn decode_answer<S: Sink + ?Sized>(
    format: ContentFormat,
    payload: &[u8],
    base: Path,
    types: &(impl TypeLookup + ?Sized),
    sink: &mut S,
) -> Result<(), DecodeError<S::Error>> {
    decode_as(Purpose::Answer, format, payload, base, types, sink)
}

/// Reads the payload of a Create on an Object (TS 5.4.6), and pushes its events into `sink`:
/// [`Event::Instance`] without an identifier if the client is to choose it.
pub fn decode_create<S: Sink + ?Sized>(
    format: ContentFormat,
    payload: &[u8],
    object: ObjectId,
    types: &(impl TypeLookup + ?Sized),
    sink: &mut S,
) -> Result<(), DecodeError<S::Error>> {
    decode_as(
        Purpose::Create,
        format,
        payload,
        Path::Object(object),
        types,
        sink,
    )
}

fn decode_as<S: Sink + ?Sized>(
    purpose: Purpose,
    format: ContentFormat,
    payload: &[u8],
    base: Path,
    types: &(impl TypeLookup + ?Sized),
    sink: &mut S,
) -> Result<(), DecodeError<S::Error>> {
    match format {
        ContentFormat::TEXT => {
            text::decode_into(payload, base, types, sink).map_err(failure(Malformed::Text))
        }
        ContentFormat::OPAQUE => {
            opaque::decode_into(payload, base, types, sink).map_err(failure(Malformed::Opaque))
        }
        ContentFormat::TLV => match (purpose, base) {
            (Purpose::Create, Path::Object(object)) => {
                lwm2m_tlv::decode_create(payload, object, types, sink)
            }
            _ => lwm2m_tlv::decode(payload, base, types, sink),
        }
        .map_err(failure(Malformed::Tlv)),
        ContentFormat::JSON => lwm2m_json::decode(payload, base, types, purpose, sink)
            .map_err(failure(Malformed::Json)),
        format => Err(DecodeError::Unsupported(format)),
    }
}

fn failure<D, S>(
    malformed: fn(D) -> Malformed,
) -> impl FnOnce(DecodeFailure<D, S>) -> DecodeError<S> {
    move |failure| match failure {
        DecodeFailure::Malformed(error) => DecodeError::Malformed(malformed(error)),
        DecodeFailure::Sink(error) => DecodeError::Sink(error),
    }
}

/// The sink that writes a payload in one of the formats.
#[derive(Debug)]
pub struct Encoder<'b>(Format<'b>);

#[derive(Debug)]
enum Format<'b> {
    Text(text::Encoder<'b>),
    Opaque(opaque::Encoder<'b>),
    Tlv(lwm2m_tlv::Encoder<'b>),
    Json(lwm2m_json::Encoder<'b>),
}

impl<'b> Encoder<'b> {
    /// Appends to `buffer` what is pushed, as the payload of the path `base`. What the format has no
    /// words for is an error.
    pub fn new(
        format: ContentFormat,
        buffer: &'b mut Vec<u8>,
        base: Path,
    ) -> Result<Self, Unsupported> {
        Ok(Self(match format {
            ContentFormat::TEXT => Format::Text(text::Encoder::new(buffer, base)),
            ContentFormat::OPAQUE => Format::Opaque(opaque::Encoder::new(buffer, base)),
            ContentFormat::TLV => Format::Tlv(lwm2m_tlv::Encoder::new(buffer, base)),
            ContentFormat::JSON => Format::Json(lwm2m_json::Encoder::new(buffer, base)),
            format => return Err(Unsupported(format)),
        }))
    }

    /// The same as the payload of an answer or notification about the path `base`: JSON leaves out
    /// what is empty, unless it is itself what was asked for.
    pub fn answer(
        format: ContentFormat,
        buffer: &'b mut Vec<u8>,
        base: Path,
    ) -> Result<Self, Unsupported> {
        match format {
            ContentFormat::JSON => {
                let encoder = lwm2m_json::Encoder::answer(buffer, base);
                Ok(Self(Format::Json(encoder)))
            }
            format => Self::new(format, buffer, base),
        }
    }

    /// Ends the payload and leaves it in the buffer. With an error, or without this call, the buffer
    /// is as it was.
    pub fn finish(self) -> Result<(), EncodeError> {
        match self.0 {
            Format::Text(encoder) => encoder.finish(),
            Format::Opaque(encoder) => encoder.finish(),
            Format::Tlv(encoder) => encoder.finish(),
            Format::Json(encoder) => encoder.finish(),
        }
    }
}

impl Sink for Encoder<'_> {
    type Error = EncodeError;

    fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
        match &mut self.0 {
            Format::Text(encoder) => encoder.event(event),
            Format::Opaque(encoder) => encoder.event(event),
            Format::Tlv(encoder) => encoder.event(event),
            Format::Json(encoder) => encoder.event(event),
        }
    }
}

/// Appends `content` to `buffer`, as the payload of the path `base`; with an error, nothing.
pub fn encode(
    format: ContentFormat,
    content: &Content,
    base: Path,
    buffer: &mut Vec<u8>,
) -> Result<(), EncodeFailure> {
    let mut encoder = Encoder::new(format, buffer, base)?;
    content.push(&mut encoder)?;
    encoder.finish()?;
    Ok(())
}

/// Appends `content` to `buffer`, as the payload of a Create on an Object (TS 5.4.6); in TLV or
/// JSON.
///
/// With an `instance`, that is the identifier of the new Object Instance, and `content` lies below
/// it, or is empty. Without one the client is to choose it, and `content` lies below any one Object
/// Instance.
pub fn encode_create(
    format: ContentFormat,
    content: &Content,
    object: ObjectId,
    instance: Option<InstanceId>,
    buffer: &mut Vec<u8>,
) -> Result<(), EncodeFailure> {
    if !matches!(format, ContentFormat::TLV | ContentFormat::JSON) {
        return Err(EncodeFailure::Unsupported(format));
    }
    let first = content.entries().first();
    let any = first.and_then(|entry| entry.path.instance());
    let base = Path::Instance(object, instance.or(any).unwrap_or(InstanceId::ZERO));
    if let Some(entry) = content
        .entries()
        .iter()
        .find(|entry| !base.contains(&entry.path))
    {
        return Err(EncodeError::OutsidePath(entry.path).into());
    }
    let mut encoder = Encoder::new(format, buffer, Path::Object(object))?;
    let mut create = WithInstance::new(&mut encoder, instance);
    if content.is_empty() {
        for event in [
            Event::Object(object),
            Event::Instance(instance),
            Event::EndInstance,
            Event::EndObject,
        ] {
            create.event(event)?;
        }
    } else {
        content.push(&mut create)?;
    }
    encoder.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests;
