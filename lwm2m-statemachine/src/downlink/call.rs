//! What is asked of a client, as a request (TS 5.4, 5.5, Tables 25 and 26).

use lwm2m_core::{
    Arguments, AttributeError, AttributesUpdate, ContentFormat, DataType, InstanceId, Method,
    ObjectId, Operation, Path, WriteMode,
    codec::{Content, EncodeError, Scope, TypeLookup},
};
use lwm2m_linkformat::RootPath;
use thiserror::Error;

use super::{answer::PendingCall, payload};
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

/// What is asked of a client. TS Tables 10 to 17 say which levels each operation is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call<'a> {
    Read(Path, Option<ContentFormat>),
    Discover(Path),
    Write(Path, WriteMode, Option<ContentFormat>, &'a Content),
    WriteAttributes(Path, &'a AttributesUpdate),
    Execute(Path, Arguments<'a>),
    Create(
        ObjectId,
        Option<InstanceId>,
        Option<ContentFormat>,
        &'a Content,
    ),
    Delete(Path),
    Observe(Path, Option<ContentFormat>),
    /// Cancel Observation (TS 5.5.3): Observe: 1 for an observation of this path.
    Cancel(Path, Option<ContentFormat>),
}

impl Call<'_> {
    pub(crate) fn pending(&self) -> PendingCall {
        let (operation, path, accept) = match *self {
            Self::Read(path, accept) => (Operation::Read, path, accept),
            Self::Discover(path) => (Operation::Discover, path, None),
            Self::Write(path, ..) => (Operation::Write, path, None),
            Self::WriteAttributes(path, _) => (Operation::WriteAttributes, path, None),
            Self::Execute(path, _) => (Operation::Execute, path, None),
            Self::Create(object, ..) => (Operation::Create, Path::Object(object), None),
            Self::Delete(path) => (Operation::Delete, path, None),
            Self::Observe(path, accept) => (Operation::Observe, path, accept),
            Self::Cancel(path, accept) => (Operation::CancelObservation, path, accept),
        };
        PendingCall {
            operation,
            path,
            accept,
        }
    }

    /// The request, for a client whose Objects are below `root` and whose Resources have these
    /// types.
    pub(crate) fn message(
        &self,
        root: RootPath<'_>,
        types: &impl TypeLookup,
    ) -> Result<MessageBuf, InvalidCall> {
        let PendingCall {
            operation, path, ..
        } = self.pending();
        if !operation.may_target(&path) {
            return Err(InvalidCall::Path(path));
        }
        let begin = |method, observe| begin(method, observe, root, path);
        match *self {
            Self::Read(_, accept) => accepting(begin(Method::Get, None)?, accept),
            Self::Observe(_, accept) => accepting(begin(Method::Get, Some(0))?, accept),
            Self::Cancel(_, accept) => accepting(begin(Method::Get, Some(1))?, accept),
            Self::Discover(_) => discover(begin(Method::Get, None)?),
            Self::Write(_, mode, format, content) => {
                check_types(content, types)?;
                write(begin(mode.method(), None)?, path, format, content)
            }
            Self::WriteAttributes(_, update) => write_attributes(begin(Method::Put, None)?, update),
            Self::Execute(_, arguments) => execute(begin(Method::Post, None)?, arguments),
            Self::Create(object, instance, format, content) => {
                check_types(content, types)?;
                create(
                    begin(Method::Post, None)?,
                    object,
                    instance,
                    format,
                    content,
                )
            }
            Self::Delete(_) => begin(Method::Delete, None),
        }
    }
}

/// Checks that what is to be written has the types of the definitions. Formats without types would
/// carry anything else as octets that the client takes for another value. Raw values have no type and
/// always fit.
fn check_types(content: &Content, types: &impl TypeLookup) -> Result<(), InvalidCall> {
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
fn begin(
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

/// Read, Observe and Cancel Observation.
fn accepting(
    mut message: MessageBuf,
    accept: Option<ContentFormat>,
) -> Result<MessageBuf, InvalidCall> {
    match accept {
        // That would be a Discover.
        Some(ContentFormat::LINK_FORMAT) => {
            return Err(InvalidCall::Format(ContentFormat::LINK_FORMAT));
        }
        Some(format) => {
            message.accept(format)?;
        }
        None => {}
    }
    Ok(message)
}

fn discover(mut message: MessageBuf) -> Result<MessageBuf, InvalidCall> {
    message.accept(ContentFormat::LINK_FORMAT)?;
    Ok(message)
}

fn write(
    mut message: MessageBuf,
    path: Path,
    format: Option<ContentFormat>,
    content: &Content,
) -> Result<MessageBuf, InvalidCall> {
    let format = format.unwrap_or(ContentFormat::TLV);
    message.content_format(format)?;
    payload::encode(format, content, Scope::write(path), message.payload_mut())?;
    Ok(message)
}

fn write_attributes(
    mut message: MessageBuf,
    update: &AttributesUpdate,
) -> Result<MessageBuf, InvalidCall> {
    update.check_ranges()?;
    for query in update.queries() {
        message.uri_query_display(&query)?;
    }
    Ok(message)
}

fn execute(mut message: MessageBuf, arguments: Arguments<'_>) -> Result<MessageBuf, InvalidCall> {
    let text = arguments.as_str();
    if !text.is_empty() {
        message.content_format(ContentFormat::TEXT)?;
        message.payload(text.as_bytes());
    }
    Ok(message)
}

fn create(
    mut message: MessageBuf,
    object: ObjectId,
    instance: Option<InstanceId>,
    format: Option<ContentFormat>,
    content: &Content,
) -> Result<MessageBuf, InvalidCall> {
    let format = format.unwrap_or(ContentFormat::TLV);
    message.content_format(format)?;
    payload::encode_create(format, content, object, instance, message.payload_mut())?;
    Ok(message)
}
