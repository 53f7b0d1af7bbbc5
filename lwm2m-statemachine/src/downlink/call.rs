//! What is asked of a client, as a request (TS 5.4, 5.5, Tables 25 and 26).

use lwm2m_core::{
    Arguments, AttributesUpdate, ContentFormat, InstanceId, Method, ObjectId, Operation, Path,
    WriteMode,
    codec::{Content, TypeLookup},
};
use lwm2m_linkformat::RootPath;

use super::{
    answer::PendingCall,
    payload,
    request::{InvalidCall, begin, check_types, discover, write},
};
use crate::coap::MessageBuf;

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
