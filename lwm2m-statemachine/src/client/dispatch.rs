//! The Device Management & Service Enablement interface: a request in, an answer out (TS 5.4,
//! 8.2.5, 8.5).

use alloc::{string::String, vec::Vec};

use lwm2m_core::{Arguments, Code, ContentFormat, Operation, Path, WriteMode, codec::Scope};
use lwm2m_objects::{Change, ExecuteError, Execution, ObjectTree, ReadError, WriteError};

use super::{admission, discover::discover};

use crate::{
    coap::{MessageBuf, MessageRef, OptionError},
    downlink::payload::{self, Encoder},
};

/// The answer to a request, and what else follows from it.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) answer: MessageBuf,
    pub(super) effect: Effect,
}

/// What a request did beside being answered.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    None,
    /// The tree has been written.
    Written {
        changes: Vec<Change>,
        /// What reads differently than before.
        differences: Vec<Path>,
    },
    /// Execute what the Object leaves to others.
    Execute {
        path: Path,
        arguments: String,
    },
    /// From now on, notify.
    Observe {
        path: Path,
        format: ContentFormat,
    },
    /// Do not notify any more.
    Cancel {
        path: Path,
    },
}

/// Serves a request of a server that is registered with.
pub(super) fn serve(
    tree: &mut ObjectTree,
    request: &MessageRef<'_>,
    body: &[u8],
    defaults: Defaults,
) -> Served {
    match try_serve(tree, request, body, defaults) {
        Ok(served) => served,
        Err(code) => Served {
            answer: MessageBuf::response(code),
            effect: Effect::None,
        },
    }
}

/// What the configuration decides about answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    /// The format of a single Resource, if the request does not say.
    pub(super) single_resource_format: ContentFormat,
    /// The number of the answer to an Observe, if one more observation fits.
    pub(super) observe: Option<u32>,
}

fn try_serve(
    tree: &mut ObjectTree,
    request: &MessageRef<'_>,
    body: &[u8],
    defaults: Defaults,
) -> Result<Served, Code> {
    let classified = admission::classify(tree, request, !body.is_empty())?;
    let (path, admitted) = (classified.path(), classified.admit(tree));
    if classified.operation == Operation::CancelObservation {
        let answer = admitted.and_then(|()| read(tree, path, request, None, defaults));
        return Ok(Served {
            // It ends, whether what it was of can be answered or not.
            answer: answer.unwrap_or_else(MessageBuf::response),
            effect: Effect::Cancel { path },
        });
    }
    admitted?;
    match classified.operation {
        Operation::Read => read(tree, path, request, None, defaults).map(Served::plain),
        Operation::Observe => observe(tree, path, request, defaults),
        Operation::Discover => discover(tree, path).map(Served::plain),
        Operation::Write => write(tree, path, request, body),
        Operation::Execute => execute(tree, path, body),
        _ => Err(Code::METHOD_NOT_ALLOWED),
    }
}

impl Served {
    fn plain(answer: MessageBuf) -> Self {
        Self {
            answer,
            effect: Effect::None,
        }
    }
}

/// The format of an answer: what Accept asks for if it can be had, else TLV, or what the
/// configuration says of a single Resource (TS 8.1).
fn answer_format(
    tree: &ObjectTree,
    path: Path,
    request: &MessageRef<'_>,
    defaults: Defaults,
) -> ContentFormat {
    let single = matches!(tree.locate(path), Some((_, Some(resource))) if !resource.is_multiple());
    match request.accept() {
        Some(format) => format,
        None if single => defaults.single_resource_format,
        None => ContentFormat::TLV,
    }
}

/// Read (TS 5.4.1): the tree pushes into the encoder, the encoder writes into the answer.
fn read(
    tree: &ObjectTree,
    path: Path,
    request: &MessageRef<'_>,
    observe: Option<u32>,
    defaults: Defaults,
) -> Result<MessageBuf, Code> {
    let format = answer_format(tree, path, request, defaults);
    content(tree, path, format, observe)
}

/// A 2.05 with what is at `path`: the answer to a Read, or a notification.
pub(super) fn content(
    tree: &ObjectTree,
    path: Path,
    format: ContentFormat,
    observe: Option<u32>,
) -> Result<MessageBuf, Code> {
    let mut answer = content_head(format, observe).map_err(|_| Code::INTERNAL_SERVER_ERROR)?;
    let mut encoder = Encoder::new(format, answer.payload_mut(), Scope::answer(path))
        .map_err(|_| Code::NOT_ACCEPTABLE)?;
    tree.read(path, |_| true, &mut encoder).map_err(read_code)?;
    encoder.finish().map_err(|_| Code::NOT_ACCEPTABLE)?;
    Ok(answer)
}

fn content_head(format: ContentFormat, observe: Option<u32>) -> Result<MessageBuf, OptionError> {
    let mut answer = MessageBuf::response_with_capacity(Code::CONTENT, 192);
    if let Some(sequence) = observe {
        answer.observe(sequence)?;
    }
    answer.content_format(format)?;
    Ok(answer)
}

/// Observe (TS 5.5.1): the answer to a Read with the Observe option. What cannot be read leaves no
/// observation behind; over the bound there is the answer, and none either (RFC 7641 §4.1).
fn observe(
    tree: &ObjectTree,
    path: Path,
    request: &MessageRef<'_>,
    defaults: Defaults,
) -> Result<Served, Code> {
    let answer = read(tree, path, request, defaults.observe, defaults)?;
    if defaults.observe.is_none() {
        return Ok(Served::plain(answer));
    }
    let format = answer_format(tree, path, request, defaults);
    Ok(Served {
        answer,
        effect: Effect::Observe { path, format },
    })
}

/// Write (TS 5.4.3): the decoder pushes into a transaction, which commits whole or not at all.
fn write(
    tree: &mut ObjectTree,
    path: Path,
    request: &MessageRef<'_>,
    body: &[u8],
) -> Result<Served, Code> {
    let mode = request.code().method().and_then(WriteMode::of);
    let mode = mode.ok_or(Code::METHOD_NOT_ALLOWED)?;
    let mut transaction = tree.write(path, mode).map_err(write_code)?;
    let format = request.content_format().ok_or(Code::BAD_REQUEST)?;
    payload::decode(format, body, Scope::write(path), tree, &mut transaction).map_err(
        |failure| match failure {
            payload::DecodeError::Unsupported(_) => Code::UNSUPPORTED_CONTENT_FORMAT,
            payload::DecodeError::Sink(error) => write_code(error),
            _ => Code::BAD_REQUEST,
        },
    )?;
    let changes = transaction.finish().map_err(write_code)?;
    let differences = tree.commit(&changes).map_err(write_code)?;
    Ok(Served {
        answer: MessageBuf::response(Code::CHANGED),
        effect: Effect::Written {
            changes,
            differences,
        },
    })
}

/// Execute (TS 5.4.5), the arguments in plain text with or without saying so.
fn execute(tree: &mut ObjectTree, path: Path, body: &[u8]) -> Result<Served, Code> {
    let arguments = Arguments::parse(body).map_err(|_| Code::BAD_REQUEST)?;
    let execution = tree.execute(path, &arguments).map_err(execute_code)?;
    let effect = match execution {
        Execution::Done => Effect::None,
        Execution::Application => Effect::Execute {
            path,
            arguments: arguments.as_str().into(),
        },
    };
    Ok(Served {
        answer: MessageBuf::response(Code::CHANGED),
        effect,
    })
}

/// The response codes of TS Table 27, Read and Observe.
fn read_code(error: ReadError) -> Code {
    match error {
        ReadError::NotFound(_) => Code::NOT_FOUND,
        ReadError::NotReadable(_) => Code::METHOD_NOT_ALLOWED,
        ReadError::Encode(_) => Code::NOT_ACCEPTABLE,
        _ => Code::INTERNAL_SERVER_ERROR,
    }
}

/// The response codes of TS Table 27, Write, Create and Delete.
pub(super) fn write_code(error: WriteError) -> Code {
    match error {
        WriteError::NotFound(_) => Code::NOT_FOUND,
        WriteError::NotWritable(_) | WriteError::NotManaged(_) => Code::METHOD_NOT_ALLOWED,
        _ => Code::BAD_REQUEST,
    }
}

/// The response codes of TS Table 27, Execute.
fn execute_code(error: ExecuteError) -> Code {
    match error {
        ExecuteError::NotFound(_) => Code::NOT_FOUND,
        ExecuteError::NotExecutable(_) => Code::METHOD_NOT_ALLOWED,
        ExecuteError::Arguments => Code::BAD_REQUEST,
        _ => Code::INTERNAL_SERVER_ERROR,
    }
}
