//! What requests to clients have in common (TS Tables 23 and 25).

use lwm2m_core::{
    AttributeError, ContentFormat, DataType, Method, Path, Value,
    codec::{Content, EncodeError, Scope, TypeLookup},
};
use lwm2m_linkformat::RootPath;
use thiserror::Error;

use super::payload;
use crate::coap::{InvalidSend, MessageBuf, OptionError};

/// A call that no request can be made of: the mistake is the caller's, and the same call fails again.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum InvalidCall {
    /// The operation isn't for a path of this level (TS 5.4).
    #[error("the operation is not for {0}")]
    Path(Path),
    /// The operation can't use this format.
    #[error("the operation cannot use {0}")]
    Format(ContentFormat),
    /// The format can't carry the content.
    #[error("{0}")]
    Content(#[from] EncodeError),
    /// A value to write isn't of the type that its Resource has in the client's version of the
    /// Object.
    #[error("{path} is of type {expected} in the version that the client has, not {found}")]
    DataType {
        /// The Resource or Resource Instance.
        path: Path,
        /// The type of the Resource.
        expected: DataType,
        /// The type of the value.
        found: DataType,
    },
    /// The value of an attribute is out of its range (TS 5.1.2).
    #[error("{0}")]
    Attribute(#[from] AttributeError),
    /// An option of the request can't be written.
    #[error("{0}")]
    Option(#[from] OptionError),
    /// The endpoint can't send such a request, as its body would have too many blocks.
    #[error("{0}")]
    Send(#[from] InvalidSend),
}

impl From<payload::EncodeFailure> for InvalidCall {
    fn from(failure: payload::EncodeFailure) -> Self {
        match failure {
            payload::EncodeFailure::Unsupported(format) => Self::Format(format),
            payload::EncodeFailure::Content(error) => Self::Content(error),
        }
    }
}

/// Checks that what is to be written has the types of the definitions. Formats without types would
/// carry anything else as octets that the client takes for another value. Raw values have no type and
/// always fit.
pub(super) fn check_types(content: &Content, types: &impl TypeLookup) -> Result<(), InvalidCall> {
    for (path, value) in content.values() {
        if let (Some(object), Some(resource)) = (path.object(), path.resource())
            && let Some(expected) = types.data_type(object, resource)
            && let Some(found) = value.data_type()
            && !same_octets(expected, found)
        {
            return Err(InvalidCall::DataType {
                path,
                expected,
                found,
            });
        }
    }
    Ok(())
}

/// Whether values of two types have the same octets in every format.
fn same_octets(one: DataType, other: DataType) -> bool {
    let number = |data_type| matches!(data_type, DataType::Integer | DataType::Time);
    one == other || number(one) && number(other)
}

/// A request to a path below the client's root.
pub(super) fn begin(
    method: Method,
    observe: Option<u32>,
    root: RootPath<'_>,
    path: Path,
) -> Result<MessageBuf, InvalidCall> {
    let mut message = MessageBuf::request(method);
    if let Some(observe) = observe {
        message.observe(observe)?;
    }
    if !root.prefix().is_empty() {
        for segment in root.segments() {
            message.uri_path(&segment)?;
        }
    }
    let mut digits = itoa::Buffer::new();
    for id in path.segments() {
        message.uri_path(digits.format(id))?;
    }
    Ok(message)
}

pub(super) fn discover(mut message: MessageBuf) -> Result<MessageBuf, InvalidCall> {
    message.accept(ContentFormat::LINK_FORMAT)?;
    Ok(message)
}

pub(super) fn write(
    mut message: MessageBuf,
    path: Path,
    format: Option<ContentFormat>,
    content: &Content,
) -> Result<MessageBuf, InvalidCall> {
    let format = format.unwrap_or(ContentFormat::TLV);
    message.content_format(format)?;
    message.payload_mut().reserve(about(content));
    payload::encode(format, content, Scope::write(path), message.payload_mut())?;
    Ok(message)
}

/// About how long a payload is, so that its buffer grows once.
fn about(content: &Content) -> usize {
    let bytes = content.values().map(|(_, value)| match value {
        Value::String(text) => text.len(),
        Value::Opaque(bytes) | Value::Raw(bytes) => bytes.len(),
        _ => 0,
    });
    bytes.fold(
        content.entries().len().saturating_mul(8),
        usize::saturating_add,
    )
}
