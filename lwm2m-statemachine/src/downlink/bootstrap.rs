//! A command of the Bootstrap interface, as a request, and what its answer says (TS 5.2.7, Table 23).

use alloc::vec::Vec;

use lwm2m_core::{
    ContentFormat, Method, Operation, Path,
    codec::{Content, TypeLookup},
};
use lwm2m_linkformat::{BootstrapDiscoverLink, BootstrapDiscoverLinks, RootPath};

use super::{
    outcome::{AnswerError, link_format},
    request::{InvalidCall, begin, check_types, discover, write},
};
use crate::coap::{MessageBuf, MessageRef};

/// The path of Bootstrap-Request and Bootstrap-Finish.
pub(crate) const BS: &str = "bs";

/// What a Bootstrap-Server tells a client. Its path is never below an alternate path (TS 8.2.2).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command<'a> {
    Discover(Path),
    Delete(Path),
    Write(Path, ContentFormat, &'a Content),
    Finish,
}

impl Command<'_> {
    /// The request, for a client whose Resources have these types.
    pub(crate) fn message(&self, types: &impl TypeLookup) -> Result<MessageBuf, InvalidCall> {
        let (operation, method, path) = match *self {
            Self::Discover(path) => (Operation::BootstrapDiscover, Method::Get, path),
            Self::Delete(path) => (Operation::BootstrapDelete, Method::Delete, path),
            Self::Write(path, ..) => (Operation::BootstrapWrite, Method::Put, path),
            Self::Finish => return finish(),
        };
        if !operation.may_target(&path) {
            return Err(InvalidCall::Path(path));
        }
        let message = begin(method, None, RootPath::default(), path)?;
        match *self {
            Self::Discover(_) => discover(message),
            Self::Write(_, format, content) => {
                check_types(content, types)?;
                write(message, path, Some(format), content)
            }
            Self::Delete(_) | Self::Finish => Ok(message),
        }
    }
}

fn finish() -> Result<MessageBuf, InvalidCall> {
    let mut message = MessageBuf::request(Method::Post);
    message.uri_path(BS)?;
    Ok(message)
}

/// The links of the answer to a Bootstrap-Discover, if keeping them takes at most `limit` bytes; a
/// growing vector has room for twice what it holds. Without a Content-Format it is read as
/// link-format.
pub(crate) fn bootstrap_links(
    response: &MessageRef<'_>,
    body: &[u8],
    limit: usize,
) -> Result<Vec<BootstrapDiscoverLink>, AnswerError> {
    link_format(response)?;
    let most = limit / (2 * size_of::<BootstrapDiscoverLink>());
    let links = BootstrapDiscoverLinks::new(body).enumerate();
    let checked = links.map(|(index, link)| {
        let link = link.map_err(AnswerError::Links)?;
        if index < most {
            Ok(link)
        } else {
            Err(AnswerError::TooLarge { limit })
        }
    });
    checked.collect()
}
