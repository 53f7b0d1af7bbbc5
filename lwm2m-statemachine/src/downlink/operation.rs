//! Operations: what is asked of a client, and what its answer means (TS 5.4, 5.5, Tables 25, 26).

use alloc::vec::Vec;

use lwm2m_core::{
    Arguments, AttributeError, AttributesUpdate, ContentFormat, DataType, InstanceId, Method,
    ObjectId, Operation, Path, WriteMode,
    codec::{Content, EncodeError, Limited, Scope, TypeLookup},
};
use lwm2m_linkformat::{DiscoverLinks, RootPath};
use thiserror::Error;

use super::{
    outcome::{AnswerError, DiscoveredLink, Outcome},
    payload,
};
use crate::coap::{MessageBuf, MessageRef, OptionError, SendError};

/// Why an operation cannot be sent. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is no such registration, or not any more.
    #[error("no such registration")]
    UnknownRegistration,
    /// There is no such observation, or not any more.
    #[error("no such observation")]
    UnknownObservation,
    /// The operation is not for a path of this level (TS 5.4).
    #[error("the operation is not for {0}")]
    Path(Path),
    /// The format is not one that the operation can use.
    #[error("the operation cannot use {0}")]
    Format(ContentFormat),
    /// The format cannot carry the content.
    #[error("{0}")]
    Content(#[from] EncodeError),
    /// A value to write is not of the type that its Resource has in the version of the Object that
    /// the client has ([`ClientDefinitions`](crate::server::ClientDefinitions)).
    #[error("{path} is of type {expected} in the version that the client has, not {found}")]
    DataType {
        /// The Resource or Resource Instance.
        path: Path,
        /// The type of the Resource.
        expected: DataType,
        /// The type of the value.
        found: DataType,
    },
    /// The value of an attribute is out of its range.
    #[error("{0}")]
    Attribute(#[from] AttributeError),
    /// The registration has as many operations or observations as the
    /// [bounds](crate::server::ServerBounds) allow.
    #[error("too many operations or observations of the registration")]
    TooMany,
    /// An option of the request cannot be written.
    #[error("{0}")]
    Option(#[from] OptionError),
    /// The endpoint does not take the request.
    #[error("{0}")]
    Send(#[from] SendError),
}

impl From<payload::EncodeFailure> for CallError {
    fn from(failure: payload::EncodeFailure) -> Self {
        match failure {
            payload::EncodeFailure::Unsupported(format) => Self::Format(format),
            payload::EncodeFailure::Content(error) => Self::Content(error),
        }
    }
}

/// What is asked of the client. Which levels each is for is in TS Tables 10 to 17.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
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
    /// Cancel Observation with Observe: 1, of an observation of this path.
    Cancel(Path, Option<ContentFormat>),
}

/// What is remembered of an operation until its answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) operation: Operation,
    pub(crate) path: Path,
    /// The format that was asked for.
    pub(crate) accept: Option<ContentFormat>,
}

impl Ask<'_> {
    pub(crate) fn pending(&self) -> Pending {
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
        Pending {
            operation,
            path,
            accept,
        }
    }

    /// The request, to a client whose Objects are under `root` and have these types.
    pub(crate) fn message(
        &self,
        root: RootPath<'_>,
        types: &impl TypeLookup,
    ) -> Result<MessageBuf, CallError> {
        let Pending {
            operation, path, ..
        } = self.pending();
        if !operation.may_target(&path) {
            return Err(CallError::Path(path));
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

/// Whether what is to be written has the types of the definitions: formats without types carry
/// anything else as octets that the client takes for another value. Raw values have no type, and
/// fit.
fn check_types(content: &Content, types: &impl TypeLookup) -> Result<(), CallError> {
    for (path, value) in content.values() {
        if let (Some(object), Some(resource)) = (path.object(), path.resource())
            && let Some(expected) = types.data_type(object, resource)
            && let Some(found) = value.data_type()
            && !same_octets(expected, found)
        {
            return Err(CallError::DataType {
                path,
                expected,
                found,
            });
        }
    }
    Ok(())
}

/// Whether values of two types are the same octets in every format.
fn same_octets(one: DataType, other: DataType) -> bool {
    let number = |data_type| matches!(data_type, DataType::Integer | DataType::Time);
    one == other || number(one) && number(other)
}

/// A request with its target: a path below where the client keeps its Objects.
fn begin(
    method: Method,
    observe: Option<u32>,
    root: RootPath<'_>,
    path: Path,
) -> Result<MessageBuf, CallError> {
    let mut message = MessageBuf::request(method);
    if let Some(observe) = observe {
        message.observe(observe)?;
    }
    for segment in root.segments() {
        message.uri_path(&segment)?;
    }
    for id in path.segments() {
        message.uri_path_display(&id)?;
    }
    Ok(message)
}

/// Read, Observe and Cancel Observation.
fn accepting(
    mut message: MessageBuf,
    accept: Option<ContentFormat>,
) -> Result<MessageBuf, CallError> {
    match accept {
        // It would be a Discover.
        Some(ContentFormat::LINK_FORMAT) => {
            return Err(CallError::Format(ContentFormat::LINK_FORMAT));
        }
        Some(format) => {
            message.accept(format)?;
        }
        None => {}
    }
    Ok(message)
}

fn discover(mut message: MessageBuf) -> Result<MessageBuf, CallError> {
    message.accept(ContentFormat::LINK_FORMAT)?;
    Ok(message)
}

fn write(
    mut message: MessageBuf,
    path: Path,
    format: Option<ContentFormat>,
    content: &Content,
) -> Result<MessageBuf, CallError> {
    let format = format.unwrap_or(ContentFormat::TLV);
    message.content_format(format)?;
    payload::encode(format, content, Scope::write(path), message.payload_mut())?;
    Ok(message)
}

fn write_attributes(
    mut message: MessageBuf,
    update: &AttributesUpdate,
) -> Result<MessageBuf, CallError> {
    update.check_ranges()?;
    for query in update.queries() {
        message.uri_query_display(&query)?;
    }
    Ok(message)
}

fn execute(mut message: MessageBuf, arguments: Arguments<'_>) -> Result<MessageBuf, CallError> {
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
) -> Result<MessageBuf, CallError> {
    let format = format.unwrap_or(ContentFormat::TLV);
    message.content_format(format)?;
    payload::encode_create(format, content, object, instance, message.payload_mut())?;
    Ok(message)
}

impl Pending {
    /// What the answer to this operation means, if keeping it takes no more than `limit` bytes. An
    /// Observe that the client took up is not known here: that is [`Content`](Outcome::Content) too.
    pub(crate) fn outcome<O>(
        &self,
        response: &MessageRef<'_>,
        body: &[u8],
        root: RootPath<'_>,
        types: &impl TypeLookup,
        limit: usize,
    ) -> Outcome<O> {
        let code = response.code();
        if !code.is_success() {
            return Outcome::Refused { code };
        }
        if code != self.operation.success() {
            return Outcome::Unexpected { code };
        }
        let result = match self.operation {
            Operation::Discover => links(response, body, root, limit).map(Outcome::Links),
            Operation::Create => {
                created(response, self.path, root).map(|location| Outcome::Created { location })
            }
            Operation::Delete => Ok(Outcome::Deleted),
            Operation::Write | Operation::WriteAttributes | Operation::Execute => {
                Ok(Outcome::Changed)
            }
            // Read, Observe, Cancel Observation; there are no others.
            _ => content(response, body, self.path, types, limit).map(Outcome::Content),
        };
        result.unwrap_or_else(Outcome::Undecodable)
    }
}

/// The values of an answer or notification, if keeping them takes no more than `limit` bytes. One
/// without a Content-Format is text.
pub(crate) fn content(
    response: &MessageRef<'_>,
    body: &[u8],
    path: Path,
    types: &impl TypeLookup,
    limit: usize,
) -> Result<Content, AnswerError> {
    let format = response.content_format().unwrap_or(ContentFormat::TEXT);
    let mut content = Content::new();
    let mut limited = Limited::new(&mut content, limit);
    payload::decode(format, body, Scope::answer(path), types, &mut limited)?;
    Ok(content)
}

/// The links of the answer to a Discover, if keeping them takes no more than `limit` bytes: a vector
/// has room for twice as many as it was given. One without a Content-Format is read as what was asked
/// for.
fn links(
    response: &MessageRef<'_>,
    body: &[u8],
    root: RootPath<'_>,
    limit: usize,
) -> Result<Vec<DiscoveredLink>, AnswerError> {
    match response.content_format() {
        None | Some(ContentFormat::LINK_FORMAT) => {}
        Some(format) => return Err(AnswerError::Format(format)),
    }
    let most = limit / (2 * size_of::<DiscoveredLink>());
    DiscoverLinks::new(body, root)
        .enumerate()
        .map(|(index, link)| {
            let link = link.map_err(AnswerError::Links)?;
            if index >= most {
                return Err(AnswerError::TooLarge { limit });
            }
            Ok(DiscoveredLink {
                path: link.path,
                dimension: link.dimension,
                version: link.version,
                attributes: link.attributes,
            })
        })
        .collect()
}

/// The Object Instance that a Create made, if the client told it; with or without the alternate
/// path before it.
fn created(
    response: &MessageRef<'_>,
    object: Path,
    root: RootPath<'_>,
) -> Result<Option<Path>, AnswerError> {
    if response.location_path().next().is_none() {
        return Ok(None);
    }
    let prefixed = root
        .segments()
        .zip(response.location_path())
        .all(|(expected, found)| expected == found);
    let skip = if prefixed { root.segments().count() } else { 0 };
    match Path::from_segments(response.location_path().skip(skip)) {
        Ok(path @ Path::Instance(..)) if object.contains(&path) => Ok(Some(path)),
        _ => Err(AnswerError::Location),
    }
}
