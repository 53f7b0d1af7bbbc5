//! Payloads by Content-Format: one way in and one way out for all formats of resource information
//! (TS 6.4).
//!
//! The format is always given. The caller decides what an absent Content-Format option means: a Write
//! or Create without one is answered 4.00, an answer without one is text. An unknown format is an
//! error of its own, so the two are never confused.
//!
//! A new format is a crate that implements [`Format`], and a line in the list of formats below.
//!
//! ```
//! use lwm2m_core::{ContentFormat, Path, codec::{Content, Scope}};
//! use lwm2m_objects::Registry;
//! use lwm2m_statemachine::payload;
//!
//! let path: Path = "/3/0/14".parse()?;
//! let scope = Scope::answer(path);
//! let content = Content::from_iter([(path, "+02:00")]);
//! for format in [ContentFormat::TEXT, ContentFormat::TLV, ContentFormat::JSON] {
//!     let mut buffer = Vec::new();
//!     payload::encode(format, &content, scope, &mut buffer)?;
//!     let mut decoded = Content::new();
//!     payload::decode(format, &buffer, scope, &Registry::default(), &mut decoded)?;
//!     assert_eq!(decoded, content);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::vec::Vec;

use lwm2m_core::{
    ContentFormat, InstanceId, ObjectId, Path,
    codec::{
        Content, DecodeFailure, EncodeError, Event, Format, Scope, Sink, TypeLookup, WithInstance,
    },
    opaque::OpaqueFormat,
    text::TextFormat,
};
use lwm2m_json::JsonFormat;
use lwm2m_tlv::TlvFormat;
use thiserror::Error;

/// Why a payload was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError<S> {
    /// The format isn't one of resource information: 4.15 (TS 8.5).
    #[error("payloads in {0} are not supported")]
    Unsupported(ContentFormat),
    /// The payload is malformed: 4.00.
    #[error("{0}")]
    Malformed(Malformed),
    /// The sink refused an event.
    #[error("{0}")]
    Sink(S),
}

/// Why content can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum EncodeFailure {
    /// The format isn't one of resource information, or not for this kind of request.
    #[error("payloads in {0} are not supported")]
    Unsupported(ContentFormat),
    /// The format can't carry the content.
    #[error("{0}")]
    Content(#[from] EncodeError),
}

impl From<Unsupported> for EncodeFailure {
    fn from(Unsupported(format): Unsupported) -> Self {
        Self::Unsupported(format)
    }
}

/// A format that isn't one of resource information.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("payloads in {0} are not supported")]
pub struct Unsupported(pub ContentFormat);

/// Makes the dispatch by Content-Format from a list of formats.
macro_rules! formats {
    ($($(#[$doc:meta])* $name:ident: $format:ty = $text:literal;)*) => {
        /// What is wrong with a payload, in the terms of its format. It grows with the formats.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
        #[non_exhaustive]
        pub enum Malformed {
            $(
                $(#[$doc])*
                #[error("{}: {_0}", $text)]
                $name(<$format as Format>::Malformed),
            )*
        }

        /// Whether payloads of this format can be read and written. (Link-format carries no values.)
        pub const fn supports(format: ContentFormat) -> bool {
            match format {
                $(<$format>::CONTENT_FORMAT => true,)*
                _ => false,
            }
        }

        /// Whether the format has payloads of this scope: text and opaque carry one value alone.
        pub fn carries(format: ContentFormat, scope: Scope) -> bool {
            match format {
                $(<$format>::CONTENT_FORMAT => <$format>::carries(scope),)*
                _ => false,
            }
        }

        /// Reads a payload and pushes its events into `sink`; see [`Format::decode`].
        ///
        /// The sink has got all that stands before an error.
        pub fn decode<S: Sink + ?Sized>(
            format: ContentFormat,
            payload: &[u8],
            scope: Scope,
            types: &(impl TypeLookup + ?Sized),
            sink: &mut S,
        ) -> Result<(), DecodeError<S::Error>> {
            match format {
                $(
                    <$format>::CONTENT_FORMAT => <$format>::decode(payload, scope, types, sink)
                        .map_err(|failure| match failure {
                            DecodeFailure::Malformed(error) => {
                                DecodeError::Malformed(Malformed::$name(error))
                            }
                            DecodeFailure::Sink(error) => DecodeError::Sink(error),
                        }),
                )*
                format => Err(DecodeError::Unsupported(format)),
            }
        }

        /// The sink that writes a payload in one of the formats.
        #[derive(Debug)]
        pub struct Encoder<'b>(AnyEncoder<'b>);

        #[derive(Debug)]
        enum AnyEncoder<'b> {
            $($name(<$format as Format>::Encoder<'b>),)*
        }

        impl<'b> Encoder<'b> {
            /// Begins a payload at the end of `buffer`; see [`Format::encoder`].
            pub fn new(
                format: ContentFormat,
                buffer: &'b mut Vec<u8>,
                scope: Scope,
            ) -> Result<Self, Unsupported> {
                Ok(Self(match format {
                    $(
                        <$format>::CONTENT_FORMAT => {
                            AnyEncoder::$name(<$format>::encoder(buffer, scope))
                        }
                    )*
                    format => return Err(Unsupported(format)),
                }))
            }

            /// Ends the payload and leaves it in the buffer. With an error, or without this call,
            /// the buffer is as it was.
            pub fn finish(self) -> Result<(), EncodeError> {
                match self.0 {
                    $(AnyEncoder::$name(encoder) => encoder.finish(),)*
                }
            }
        }

        impl Sink for Encoder<'_> {
            type Error = EncodeError;

            fn event(&mut self, event: Event<'_>) -> Result<(), EncodeError> {
                match &mut self.0 {
                    $(AnyEncoder::$name(encoder) => encoder.event(event),)*
                }
            }
        }
    };
}

formats! {
    /// Text (TS 6.4.1).
    Text: TextFormat = "text";
    /// Opaque (TS 6.4.2).
    Opaque: OpaqueFormat = "opaque";
    /// TLV (TS 6.4.3).
    Tlv: TlvFormat = "TLV";
    /// JSON (TS 6.4.4).
    Json: JsonFormat = "JSON";
}

/// Appends `content` to `buffer` as a payload of this scope; with an error, nothing.
pub fn encode(
    format: ContentFormat,
    content: &Content,
    scope: Scope,
    buffer: &mut Vec<u8>,
) -> Result<(), EncodeFailure> {
    let mut encoder = Encoder::new(format, buffer, scope)?;
    content.push(&mut encoder)?;
    encoder.finish()?;
    Ok(())
}

/// Appends `content` to `buffer` as the payload of a Create on an Object (TS 5.4.6).
///
/// With an `instance`, that is the identifier of the new Object Instance, and `content` lies below
/// it, or is empty. Without one the client is to choose it, and `content` lies below any one Object
/// Instance. Text and opaque are [`Unsupported`](EncodeFailure::Unsupported).
pub fn encode_create(
    format: ContentFormat,
    content: &Content,
    object: ObjectId,
    instance: Option<InstanceId>,
    buffer: &mut Vec<u8>,
) -> Result<(), EncodeFailure> {
    let scope = Scope::create(object);
    if !carries(format, scope) {
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
    let mut encoder = Encoder::new(format, buffer, scope)?;
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
